//! One host and a peer that sends exactly what a test says. Numbers are relative to the initial ones.

use super::sim::{A, B};
use crate::{Config, Endpoint, ListenerId, Options, Output, SeqNum, SocketId, State, Tcp};
use trunkline_core::{Duration, Instant, Outbox, Rng};
use trunkline_wire::tcp::{Flags, Options as WireOptions, Segment};

/// The peer's initial sequence number.
pub(super) const IRS: u32 = 1000;
pub(super) const LOCAL: Endpoint = (A, 80);
pub(super) const REMOTE: Endpoint = (B, 4000);

pub(super) const SYN: Flags = Flags::SYN;
pub(super) const ACK: Flags = Flags::ACK;
pub(super) const FIN: Flags = Flags::FIN;
pub(super) const RST: Flags = Flags::RST;
pub(super) const URG: Flags = Flags::URG;
pub(super) const SYN_ACK: Flags = Flags::SYN.union(Flags::ACK);
pub(super) const FIN_ACK: Flags = Flags::FIN.union(Flags::ACK);
pub(super) const RST_ACK: Flags = Flags::RST.union(Flags::ACK);

/// What the host sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sent {
    /// Relative to our ISS.
    pub(super) seq: u32,
    /// Relative to the peer's.
    pub(super) ack: u32,
    pub(super) flags: Flags,
    pub(super) window: u16,
    pub(super) len: usize,
    pub(super) options: WireOptions,
    pub(super) payload: Vec<u8>,
    pub(super) urgent: u16,
}

pub(super) struct Script {
    pub(super) tcp: Tcp,
    pub(super) now: Instant,
    pub(super) out: Outbox<Output>,
    pub(super) id: Option<SocketId>,
    pub(super) listener: Option<ListenerId>,
    pub(super) iss: SeqNum,
    /// The window the peer announces.
    pub(super) window: u16,
    /// The options of every segment of the peer.
    pub(super) options: WireOptions,
    pub(super) told: Vec<Output>,
    pub(super) last: Option<Sent>,
    pub(super) ttl: u8,
}

impl Script {
    /// Without window scaling, timestamps and SACK, where `config` does not say otherwise.
    pub(super) fn plain() -> Script {
        Script::new(Config { timestamps: false, sack: false, window_scaling: false, ..Config::default() })
    }

    pub(super) fn new(config: Config) -> Script {
        Script {
            tcp: Tcp::new(config, Rng::new(7)),
            now: Instant::from_secs(100),
            out: Outbox::new(),
            id: None,
            listener: None,
            iss: SeqNum(0),
            window: 8000,
            options: WireOptions::NONE,
            told: Vec::new(),
            last: None,
            ttl: 64,
        }
    }

    pub(super) fn listen(&mut self, options: Options) {
        self.listener = Some(self.tcp.listen(Some(LOCAL.0), LOCAL.1, 16, options).unwrap());
    }

    pub(super) fn open(&mut self, options: Options) {
        let id = self.tcp.connect(self.now, LOCAL, REMOTE, options, 1500, &mut self.out).unwrap();
        self.id = Some(id);
        self.drain();
    }

    /// A segment of the peer: numbers relative, `ack` only where the flag is set.
    pub(super) fn peer(&mut self, seq: u32, ack: u32, flags: Flags, payload: &[u8]) -> Vec<Sent> {
        self.peer_urgent(seq, ack, flags, payload, 0)
    }

    pub(super) fn peer_urgent(
        &mut self,
        seq: u32,
        ack: u32,
        flags: Flags,
        payload: &[u8],
        up: u16,
    ) -> Vec<Sent> {
        let mut options = self.options;
        if !flags.contains(SYN) {
            (options.mss, options.window_scale, options.sack_permitted) = (None, None, false);
        }
        let segment = Segment {
            source_port: REMOTE.1,
            destination_port: LOCAL.1,
            sequence: SeqNum(IRS) + seq,
            acknowledgment: if flags.contains(ACK) { self.iss + ack } else { SeqNum(0) },
            flags,
            window: self.window,
            urgent_pointer: up,
            options,
            payload,
        };
        let mut octets = Vec::new();
        segment.emit(REMOTE.0, LOCAL.0, &mut octets);
        self.tcp.segment(self.now, REMOTE.0, LOCAL.0, self.ttl, 0, &octets, &mut self.out);
        self.drain()
    }

    /// Everything the host wants to send, and what it told.
    pub(super) fn drain(&mut self) -> Vec<Sent> {
        let mut sent = Vec::new();
        let mut buf = Vec::new();
        while let Some(transmit) = self.tcp.poll_transmit(self.now, &mut buf) {
            let segment = Segment::parse(&buf, transmit.source, transmit.destination).unwrap();
            assert_eq!((transmit.source, segment.source_port), LOCAL);
            if segment.flags.contains(SYN) {
                self.iss = segment.sequence;
            }
            // A reset to a segment without ACK has the sequence number 0, absolute.
            let relative = !(segment.flags.contains(RST_ACK) && segment.sequence == SeqNum(0));
            let ack =
                if segment.flags.contains(ACK) { segment.acknowledgment.0.wrapping_sub(IRS) } else { 0 };
            sent.push(Sent {
                seq: if relative { segment.sequence.0.wrapping_sub(self.iss.0) } else { 0 },
                ack,
                flags: segment.flags,
                window: segment.window,
                len: segment.payload.len(),
                options: segment.options,
                payload: segment.payload.to_vec(),
                urgent: segment.urgent_pointer,
            });
            buf.clear();
            assert!(sent.len() < 10_000, "sends for ever");
        }
        while let Some(output) = self.out.pop() {
            if let Output::Incoming { id, .. } = output {
                self.id = Some(id);
            }
            self.told.push(output);
        }
        self.last = sent.last().cloned().or(self.last.take());
        sent
    }

    /// Waits, with all timers.
    pub(super) fn wait(&mut self, time: Duration) -> Vec<Sent> {
        let until = self.now + time;
        let mut sent = self.drain();
        while let Some(at) = self.tcp.poll_timeout().filter(|&at| at <= until) {
            self.now = self.now.max(at);
            self.tcp.handle_timeout(self.now, &mut self.out);
            sent.extend(self.drain());
        }
        self.now = until;
        sent
    }

    pub(super) fn send(&mut self, octets: &[u8]) -> Vec<Sent> {
        let id = self.id.unwrap();
        self.tcp.send(self.now, id, octets, &mut self.out).unwrap();
        self.drain()
    }

    pub(super) fn receive(&mut self, limit: usize) -> (Vec<u8>, bool) {
        let mut buf = Vec::new();
        let got = self.tcp.receive(self.now, self.id.unwrap(), &mut buf, limit, &mut self.out).unwrap();
        assert_eq!(got.octets, buf.len());
        (buf, got.eof)
    }

    pub(super) fn shutdown(&mut self) -> Vec<Sent> {
        self.tcp.shutdown_write(self.now, self.id.unwrap(), &mut self.out).unwrap();
        self.drain()
    }

    pub(super) fn close(&mut self) -> Vec<Sent> {
        self.tcp.close(self.now, self.id.unwrap(), &mut self.out).unwrap();
        self.drain()
    }

    /// The state of the connection, or of what is there without one.
    pub(super) fn state(&self) -> State {
        // One that is over stays until its user has received everything; a new one has its ends.
        let all = self.tcp.connections(self.now).filter(|c| (c.local, c.remote) == (LOCAL, REMOTE));
        match all.map(|c| c.state).max_by_key(|&state| state != State::Closed) {
            Some(state) => state,
            None if self.listener.is_some() => State::Listen,
            None => State::Closed,
        }
    }

    /// Opened by the peer; nothing told so far.
    pub(super) fn established(options: Options) -> Script {
        let mut script = Script::plain();
        script.establish(options);
        script
    }

    pub(super) fn establish(&mut self, options: Options) {
        self.listen(options);
        self.peer(0, 0, SYN, &[]);
        self.peer(1, 1, ACK, &[]);
        assert_eq!(self.state(), State::Established);
        self.told.clear();
    }
}

impl std::fmt::Display for Sent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "<SEQ={}>", self.seq)?;
        if self.flags.contains(ACK) {
            write!(f, "<ACK={}>", self.ack)?;
        }
        write!(f, "<CTL={}>", self.flags.to_string().replace(", ", ","))?;
        if self.len > 0 {
            write!(f, "<DATA={}>", self.len)?;
        }
        Ok(())
    }
}
