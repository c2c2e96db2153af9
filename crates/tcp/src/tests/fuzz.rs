//! Arbitrary segments and calls: nothing panics, memory stays within its limits, and what must hold holds.

use super::sim::{A, B};
use crate::{
    Config, Endpoint, IcmpError, IcmpErrorKind, Keepalive, Options, Output, SeqNum, SocketId, SynCookies, Tcp,
};
use proptest::prelude::*;
use std::collections::BTreeSet;
use trunkline_core::{Duration, Instant, Outbox, Rng};
use trunkline_wire::tcp::{Flags, Options as WireOptions, SackBlocks, Segment, Timestamps};

/// What happens next.
#[derive(Debug, Clone)]
enum Step {
    /// A segment near what some connection expects: offsets from its SND.UNA … and RCV.NXT.
    Near {
        which: usize,
        seq: i32,
        ack: i32,
        flags: u8,
        window: u16,
        len: usize,
        options: u8,
        urgent: u16,
    },
    /// Octets from nowhere.
    Octets(Vec<u8>),
    Wait(u64),
    Transmit(usize),
    Connect(u16),
    Send(usize, usize),
    SendUrgent(usize, usize),
    Receive(usize, usize),
    Shutdown(usize),
    Close(usize),
    Abort(usize),
    SetOptions(usize, usize),
    Icmp(usize, u32, u16),
    Mtu(usize, u16),
}

fn offset() -> impl Strategy<Value = i32> {
    prop_oneof![Just(0), Just(1), Just(-1), -3000..3000i32, any::<i32>()]
}

fn step() -> impl Strategy<Value = Step> {
    let near =
        (0..6usize, offset(), offset(), any::<u8>(), any::<u16>(), 0..2000usize, any::<u8>(), any::<u16>());
    prop_oneof![
        12 => near.prop_map(|(which, seq, ack, flags, window, len, options, urgent)| {
            // Most segments have ACK and little else.
            let flags = if flags & 0x80 == 0 { 0x10 | flags & 0x09 } else { flags };
            let len = if len < 1000 { 0 } else { len };
            Step::Near { which, seq, ack, flags, window, len, options, urgent }
        }),
        1 => prop::collection::vec(any::<u8>(), 0..80).prop_map(Step::Octets),
        4 => prop_oneof![0..100u64, 0..100_000u64].prop_map(Step::Wait),
        6 => (1..20usize).prop_map(Step::Transmit),
        1 => any::<u16>().prop_map(Step::Connect),
        3 => (0..6usize, 0..5000usize).prop_map(|(a, b)| Step::Send(a, b)),
        1 => (0..6usize, 0..50usize).prop_map(|(a, b)| Step::SendUrgent(a, b)),
        3 => (0..6usize, 0..5000usize).prop_map(|(a, b)| Step::Receive(a, b)),
        1 => (0..6usize).prop_map(Step::Shutdown),
        1 => (0..6usize).prop_map(Step::Close),
        1 => (0..6usize).prop_map(Step::Abort),
        1 => (0..6usize, 0..20_000usize).prop_map(|(a, b)| Step::SetOptions(a, b)),
        1 => (0..6usize, any::<u32>(), any::<u16>()).prop_map(|(a, b, c)| Step::Icmp(a, b % 3000, c)),
        1 => (0..6usize, any::<u16>()).prop_map(|(a, b)| Step::Mtu(a, b)),
    ]
}

struct Fuzz {
    tcp: Tcp,
    now: Instant,
    out: Outbox<Output>,
    alive: Vec<SocketId>,
    ended: BTreeSet<SocketId>,
}

const BUFFER: usize = 10_000;

fn options() -> Options {
    Options {
        send_buffer: BUFFER,
        receive_buffer: BUFFER,
        keepalive: Some(Keepalive {
            idle: Duration::from_secs(5),
            interval: Duration::from_secs(1),
            probes: 3,
        }),
        ..Options::default()
    }
}

impl Fuzz {
    fn new(cookies: bool, modern: bool) -> Fuzz {
        let syn_cookies = if cookies { SynCookies::Always } else { SynCookies::UnderPressure };
        let config = Config {
            syn_cookies,
            timestamps: modern,
            sack: modern,
            window_scaling: modern,
            max_connections: 8,
            max_time_wait: 2,
            ..Config::default()
        };
        let mut tcp = Tcp::new(config, Rng::new(1));
        tcp.listen(None, 80, 3, options()).unwrap();
        tcp.watch(true);
        Fuzz {
            tcp,
            now: Instant::from_secs(1),
            out: Outbox::new(),
            alive: Vec::new(),
            ended: BTreeSet::new(),
        }
    }

    fn segment(&mut self, local: Endpoint, remote: Endpoint, step: &Step, una: SeqNum, next: SeqNum) {
        let Step::Near { seq, ack, flags, window, len, options, urgent, .. } = *step else { return };
        let payload = vec![0x55; len];
        let at = next + seq as u32;
        let mut wire = WireOptions::NONE;
        if options & 1 != 0 {
            wire.timestamps =
                Some(Timestamps { value: (self.now.as_nanos() / 1_000_000) as u32, echo: ack as u32 });
        }
        if options & 2 != 0 {
            wire.sack =
                SackBlocks::new(&[(una + ack as u32, una + u32::from(window)), (una, una + seq as u32)]);
        }
        if options & 4 != 0 {
            (wire.mss, wire.window_scale, wire.sack_permitted) = (Some(window), Some(options), true);
        }
        let segment = Segment {
            source_port: remote.1,
            destination_port: local.1,
            sequence: at,
            acknowledgment: una + ack as u32,
            flags: Flags(u16::from(flags)),
            window,
            urgent_pointer: urgent,
            options: wire,
            payload: &payload,
        };
        let mut octets = Vec::new();
        segment.emit(remote.0, local.0, &mut octets);
        self.tcp.segment(self.now, remote.0, local.0, 64, 0, &octets, &mut self.out);
    }

    fn step(&mut self, step: &Step) {
        let now = self.now;
        match *step {
            Step::Near { which, .. } => {
                let all: Vec<_> = self.tcp.connections(now).collect();
                match all.get(which) {
                    Some(c) => self.segment(c.local, c.remote, step, c.snd_una, c.rcv_nxt),
                    None => self.segment((A, 80), (B, 5000 + which as u16), step, SeqNum(0), SeqNum(99)),
                }
            }
            Step::Octets(ref octets) => {
                self.tcp.segment(now, B, A, 1, 0, octets, &mut self.out);
            }
            Step::Wait(ms) => {
                self.now += Duration::from_millis(ms);
                self.tcp.handle_timeout(self.now, &mut self.out);
            }
            Step::Transmit(n) => {
                for _ in 0..n {
                    let mut buf = vec![1, 2, 3];
                    let Some(sent) = self.tcp.poll_transmit(now, &mut buf) else { break };
                    let segment = Segment::parse(&buf[3..], sent.source, sent.destination);
                    assert!(segment.is_ok(), "what is sent is right");
                }
            }
            Step::Connect(port) => {
                let remote = (B, port % 8);
                if let Ok(id) = self.tcp.connect(now, (A, 0), remote, options(), 1500, &mut self.out) {
                    self.alive.push(id);
                }
            }
            Step::Icmp(which, seq, mtu) => {
                let Some(c) = self.tcp.connections(now).nth(which) else { return };
                let kind = match mtu % 3 {
                    0 => IcmpErrorKind::Soft,
                    1 => IcmpErrorKind::Hard,
                    _ => IcmpErrorKind::FragmentationNeeded(mtu),
                };
                let error = IcmpError { local: c.local, remote: c.remote, sequence: c.snd_una + seq, kind };
                self.tcp.icmp_error(now, &error, &mut self.out);
            }
            Step::Mtu(which, mtu) => {
                let Some(c) = self.tcp.connections(now).nth(which) else { return };
                self.tcp.path_mtu(now, c.local, c.remote, mtu);
            }
            _ => self.call(step),
        }
        self.hear();
        self.check();
    }

    /// What a user does; errors are for the user.
    fn call(&mut self, step: &Step) {
        let (tcp, now) = (&mut self.tcp, self.now);
        let which = match *step {
            Step::Send(which, _) | Step::SendUrgent(which, _) | Step::Receive(which, _) => which,
            Step::Shutdown(which) | Step::Close(which) | Step::Abort(which) | Step::SetOptions(which, _) => {
                which
            }
            _ => return,
        };
        let Some(&id) = self.alive.get(which % self.alive.len().max(1)) else { return };
        let out = &mut self.out;
        let _ = match *step {
            Step::Send(_, n) => tcp.send(now, id, &vec![1; n], out).map(drop),
            Step::SendUrgent(_, n) => tcp.send_urgent(now, id, &vec![1; n], out).map(drop),
            Step::Receive(_, n) => tcp.receive(now, id, &mut Vec::new(), n, out).map(drop),
            Step::Shutdown(_) => tcp.shutdown_write(now, id, out),
            Step::Close(_) => tcp.close(now, id, out),
            Step::Abort(_) => tcp.abort(now, id, out),
            Step::SetOptions(_, n) => {
                let new = Options { receive_buffer: n.min(BUFFER), send_buffer: n.min(BUFFER), ..options() };
                tcp.set_options(now, id, new)
            }
            _ => Ok(()),
        };
    }

    fn hear(&mut self) {
        while let Some(output) = self.out.pop() {
            match output {
                Output::Incoming { id, .. } => self.alive.push(id),
                Output::Closed { id, .. } => {
                    assert!(self.ended.insert(id), "closed twice");
                    self.alive.retain(|&a| a != id);
                }
                Output::Connected(id) | Output::Readable(id) | Output::Writable(id) | Output::Urgent(id) => {
                    assert!(!self.ended.contains(&id), "something after the end");
                }
                Output::State { from, to, .. } => assert_ne!(from, to),
            }
        }
    }

    fn check(&self) {
        let all: Vec<_> = self.tcp.connections(self.now).collect();
        assert!(all.len() <= 8 + 2, "more connections than allowed");
        for c in &all {
            assert!(c.send_queue <= BUFFER && c.receive_queue <= BUFFER);
            assert!(c.snd_una.le(c.snd_nxt));
            assert!(c.rcv_wnd as usize <= BUFFER + 0xffff, "{}", c.rcv_wnd);
        }
        for &id in &self.alive {
            assert!(self.tcp.state(id).is_some(), "gone without a word");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn nothing_panics(cookies: bool, modern: bool, steps in prop::collection::vec(step(), 1..120)) {
        let mut fuzz = Fuzz::new(cookies, modern);
        fuzz.step(&Step::Connect(7));
        for step in &steps {
            fuzz.step(step);
        }
        // Left alone, everything ends: no timer runs for ever, nothing sends for ever.
        for id in fuzz.alive.clone() {
            let _ = fuzz.tcp.abort(fuzz.now, id, &mut fuzz.out);
        }
        fuzz.hear();
        for _ in 0..10_000 {
            fuzz.step(&Step::Transmit(1000));
            match fuzz.tcp.poll_timeout() {
                Some(at) => fuzz.now = fuzz.now.max(at),
                None => break,
            }
            fuzz.step(&Step::Wait(0));
        }
        prop_assert_eq!(fuzz.tcp.connections(fuzz.now).count(), 0);
        prop_assert_eq!(fuzz.tcp.poll_timeout(), None);
    }
}
