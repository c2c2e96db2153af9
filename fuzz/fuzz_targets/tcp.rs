//! A TCP host with arbitrary segments and calls: it never panics, what it sends is well-formed, its memory is bounded.
//!
//! Each step is an octet that says what happens and the octets that needs. Segments are built from fields, so that the
//! checksum is right and numbers are near those in use.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::net::Ipv4Addr;
use trunkline_core::{Duration, Instant, Outbox, Rng};
use trunkline_tcp::{Config, Options, Output, SeqNum, SocketId, Tcp};
use trunkline_wire::tcp::{self, Flags, SackBlocks, Segment, Timestamps};

const US: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const PEER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);

struct World<'a> {
    data: &'a [u8],
    now: Instant,
    tcp: Tcp,
    out: Outbox<Output>,
    sockets: Vec<SocketId>,
    /// The newest of each that we have sent: port, sequence number after it, acknowledgment, timestamp.
    seen: Vec<(u16, u16, SeqNum, SeqNum, u32)>,
}

impl World<'_> {
    fn octet(&mut self) -> u8 {
        match self.data.split_first() {
            Some((first, rest)) => {
                self.data = rest;
                *first
            }
            None => 0,
        }
    }

    /// Numbers around zero, small and large.
    fn offset(&mut self) -> u32 {
        match self.octet() {
            n @ 0..=63 => u32::from(n),
            n @ 64..=127 => u32::from(n - 64).wrapping_neg(),
            n @ 128..=191 => u32::from(n) << 9,
            n => u32::from(n) << 24,
        }
    }

    fn segment(&mut self) {
        let kind = self.octet();
        let which = usize::from(self.octet());
        let (local, remote, next, acked, stamp) = match self.seen.get(which) {
            Some(seen) => *seen,
            None => (80 + u16::from(kind & 1), 1000 + u16::from(kind >> 5), SeqNum(0), SeqNum(7), 0),
        };
        let bits = self.octet();
        let len = usize::from(self.octet()) * usize::from(bits >> 6);
        let payload = vec![0x61; len];
        let sack = if kind & 8 != 0 {
            let at = next + self.offset();
            SackBlocks::new(&[(at, at + self.offset())])
        } else {
            SackBlocks::new(&[])
        };
        let segment = Segment {
            source_port: remote,
            destination_port: local,
            sequence: acked + self.offset(),
            acknowledgment: next + self.offset(),
            flags: Flags(u16::from(bits & 0x3f)),
            window: (self.offset() >> 4) as u16,
            urgent_pointer: u16::from(kind),
            options: tcp::Options {
                mss: (kind & 2 != 0).then(|| self.offset() as u16),
                window_scale: (kind & 4 != 0).then_some(kind >> 3),
                sack_permitted: kind & 2 != 0,
                sack,
                timestamps: (kind & 16 != 0)
                    .then(|| Timestamps { value: 1000u32.wrapping_add(self.offset()), echo: stamp }),
                ..tcp::Options::NONE
            },
            payload: &payload,
        };
        let mut octets = Vec::new();
        segment.emit(PEER, US, &mut octets);
        self.tcp.segment(self.now, PEER, US, 64, 0, &octets, &mut self.out);
    }

    fn socket(&mut self) -> Option<SocketId> {
        let n = usize::from(self.octet());
        if self.sockets.is_empty() { None } else { Some(self.sockets[n % self.sockets.len()]) }
    }

    fn step(&mut self) {
        match self.octet() % 12 {
            0..=4 => self.segment(),
            5 => {
                let port = 1000 + u16::from(self.octet() & 7);
                let connected = self.tcp.connect(
                    self.now,
                    (US, 0),
                    (PEER, port),
                    Options::default(),
                    1500,
                    &mut self.out,
                );
                self.sockets.extend(connected);
            }
            6 => {
                let octets = vec![0x62; usize::from(self.octet()) * 64];
                if let Some(id) = self.socket() {
                    let taken = self.tcp.send(self.now, id, &octets, &mut self.out);
                    assert!(taken.is_err() || taken.is_ok_and(|n| n <= octets.len()));
                }
            }
            7 => {
                let limit = usize::from(self.octet()) * 16;
                let mut buf = Vec::new();
                if let Some(id) = self.socket() {
                    let _ = self.tcp.receive(self.now, id, &mut buf, limit, &mut self.out);
                    assert!(buf.len() <= limit);
                }
            }
            8 => {
                let how = self.octet();
                if let Some(id) = self.socket() {
                    let _ = match how % 3 {
                        0 => self.tcp.shutdown_write(self.now, id, &mut self.out),
                        1 => self.tcp.close(self.now, id, &mut self.out),
                        _ => self.tcp.abort(self.now, id, &mut self.out),
                    };
                }
            }
            9 => {
                let millis = u64::from(self.octet()) * u64::from(self.octet());
                self.now += Duration::from_millis(millis);
            }
            10 => {
                if let Some(at) = self.tcp.poll_timeout() {
                    self.now = self.now.max(at);
                }
            }
            _ => {
                let octets: Vec<u8> = (0..self.octet()).map(|_| self.octet()).collect();
                self.tcp.segment(self.now, PEER, US, 64, 0, &octets, &mut self.out);
            }
        }
        self.settle();
    }

    fn settle(&mut self) {
        let mut rounds = 0;
        while self.tcp.poll_timeout().is_some_and(|at| at <= self.now) {
            self.tcp.handle_timeout(self.now, &mut self.out);
            rounds += 1;
            assert!(rounds < 10_000, "timers that never end");
        }
        let mut octets = Vec::new();
        for sent in 0.. {
            octets.clear();
            if self.tcp.poll_transmit(self.now, &mut octets).is_none() {
                break;
            }
            assert!(sent < 100_000, "segments without end");
            let segment = Segment::parse(&octets, US, PEER).expect("what we send parses");
            let stamp = segment.options.timestamps.map_or(0, |t| t.value);
            let key = (segment.source_port, segment.destination_port);
            self.seen.retain(|seen| (seen.0, seen.1) != key);
            let end = segment.sequence + segment.segment_len();
            self.seen.push((key.0, key.1, end, segment.acknowledgment, stamp));
            if self.seen.len() > 32 {
                self.seen.remove(0);
            }
        }
        while let Some(output) = self.out.pop() {
            if let Output::Incoming { id, .. } = output {
                self.sockets.push(id);
            }
        }
        self.sockets.truncate(64);
    }
}

fuzz_target!(|data: &[u8]| {
    let config = Config { max_connections: 64, ..Config::default() };
    let mut tcp = Tcp::new(config, Rng::new(1));
    let small = Options { send_buffer: 8192, receive_buffer: 8192, ..Options::default() };
    tcp.listen(None, 80, 4, Options::default()).expect("a free port");
    tcp.listen(None, 81, 4, small).expect("a free port");
    let mut world = World {
        data,
        now: Instant::from_secs(1),
        tcp,
        out: Outbox::new(),
        sockets: Vec::new(),
        seen: Vec::new(),
    };
    while !world.data.is_empty() {
        world.step();
    }
    assert!(world.tcp.connections(world.now).count() <= 64);
});
