//! A whole device with arbitrary frames, ports that come and go, orders and changes of configuration: it never panics,
//! what it sends is well-formed, its timers do not spin, orders are answered once, and in the end it answers a ping.
//!
//! The first octet chooses the kind of device, the second its configuration. Each step is then an octet that says
//! what happens and the octets that it needs. Frames are built from fields, so that checksums are right and numbers
//! are near those in use.
#![no_main]

#[path = "device/build.rs"]
mod build;
#[path = "device/check.rs"]
mod check;
#[path = "device/config.rs"]
mod config;

use check::Checks;
use libfuzzer_sys::fuzz_target;
use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddrV4};
use trunkline_core::{Duration, Frame, Instant, MacAddr, Outbox, PortId};
use trunkline_node::{Node, NodeInput, NodeOutput};
use trunkline_view::probe::{ConnectQuery, PingQuery, TracerouteQuery, TransferQuery};
use trunkline_view::{Answer, Query};
use trunkline_wire::arp::{Arp, Operation};

/// Calls of `handle_timeout` in one instant: more is spinning.
const MAX_ROUNDS: usize = 200;

/// Frames in answer to one input: more is a loop. A ping may have 45 fragments, and there are many neighbours' queues.
const MAX_FRAMES: usize = 70_000;

/// How often a device may rest because it talks to itself: it does so as fast as it can.
const MAX_RESTS: usize = 24;

/// Timers in the quiet at the end.
const MAX_QUIET: usize = 5_000;

struct World<'a> {
    data: &'a [u8],
    kind: u8,
    now: Instant,
    node: Node,
    out: Outbox<NodeOutput>,
    checks: Checks,
    /// Whether requests of ARP are answered at once.
    resolves: bool,
    /// Replies of ARP that are on their way to the device.
    replies: Vec<(PortId, Arp)>,
    rests: usize,
    queries: u64,
    /// Pings, traceroutes and transfers with a timeout that are not answered yet.
    pending: BTreeSet<u64>,
    answered: BTreeSet<u64>,
}

impl<'a> World<'a> {
    fn new(kind: u8, variant: u8, data: &'a [u8]) -> World<'a> {
        let node = Node::new(config::config(kind, variant), Vec::new(), 7, "fuzz").expect("a router id");
        let mut world = World {
            data,
            kind,
            now: Instant::from_secs(1),
            node,
            out: Outbox::new(),
            checks: Checks::new(),
            resolves: variant & 1 == 0,
            replies: Vec::new(),
            rests: 0,
            queries: 0,
            pending: BTreeSet::new(),
            answered: BTreeSet::new(),
        };
        world.node.watch_stack(variant & 2 != 0);
        world.node.start(world.now, &mut world.out);
        for port in 0..3 {
            world.port(PortId(port), true, 1500);
        }
        world
    }

    fn octet(&mut self) -> u8 {
        match self.data.split_first() {
            Some((first, rest)) => {
                self.data = rest;
                *first
            }
            None => 0,
        }
    }

    fn port(&mut self, port: PortId, up: bool, mtu: u32) {
        let mac = config::port_mac(port);
        let input = NodeInput::Port { port, up, mac, mtu, speed: None, full_duplex: None };
        self.node.handle(self.now, input, &mut self.out);
        self.settle();
    }

    fn frame(&mut self, port: PortId, octets: Vec<u8>) {
        let frame = Frame::from(octets);
        self.checks.comes_in(&frame);
        self.node.handle(self.now, NodeInput::Frame { port, frame }, &mut self.out);
        self.settle();
        self.checks.went_in();
    }

    fn query(&mut self, query: Query, answered_at_once: bool) {
        self.queries += 1;
        let id = self.queries;
        self.pending.insert(id);
        self.node.handle(self.now, NodeInput::Query { id, query }, &mut self.out);
        self.settle();
        assert!(!answered_at_once || self.answered.contains(&id), "no answer");
    }

    /// Carries out what the device wants, and all that is due now.
    fn settle(&mut self) {
        for round in 0.. {
            self.drain();
            if let Some((port, arp)) = self.replies.pop() {
                if round < MAX_ROUNDS / 2 {
                    let frame = Frame::from(build::arp_frame(arp.target_hardware, arp));
                    self.node.handle(self.now, NodeInput::Frame { port, frame }, &mut self.out);
                }
            } else if self.node.poll_timeout().is_some_and(|at| at <= self.now) {
                self.node.handle_timeout(self.now, &mut self.out);
            } else {
                return;
            }
            assert!(round < MAX_ROUNDS, "timers that never end");
        }
    }

    fn drain(&mut self) {
        let mut frames = 0;
        while let Some(output) = self.out.pop() {
            match output {
                NodeOutput::Frame { port, frame } => {
                    frames += 1;
                    assert!(frames < MAX_FRAMES, "frames without end");
                    let request = self.checks.sent(self.kind, port, &frame);
                    if let Some(request) = request.filter(|_| self.resolves && self.replies.len() < 16) {
                        self.replies.push((port, answer_to(&request)));
                    }
                }
                NodeOutput::Answer { id, answer } => {
                    assert!(self.answered.insert(id), "two answers");
                    assert!(id <= self.queries, "an answer to nothing");
                    self.pending.remove(&id);
                    look_at(&answer);
                }
                NodeOutput::Event(event) => drop(format!("{event:?}")),
                NodeOutput::Fib(change) => panic!("there is no kernel: {change:?}"),
                NodeOutput::Tcp(_) | NodeOutput::Gather(_) | NodeOutput::Watch(_) => {}
                NodeOutput::Rip(_) | NodeOutput::KernelBridge(_) => {}
            }
        }
    }

    fn step(&mut self) {
        match self.octet() % 20 {
            0..=3 => self.internet_frame(),
            4 => self.arp_frame(),
            5 => self.raw_frame(),
            6..=8 => self.segment_frame(),
            9 => self.error_frame(),
            10 => self.answer_frame(),
            11 => {
                let (which, mtu) = (self.octet(), u32::from(self.octet()));
                let mtu = if mtu < 200 { 1500 } else { (mtu - 200) * 30 };
                self.port(PortId(u32::from(which % 3)), which & 4 != 0, mtu);
            }
            12 => {
                let millis = u64::from(self.octet()) * u64::from(self.octet());
                self.now += Duration::from_millis(millis);
                self.settle();
            }
            13 => {
                let times = self.octet() % 16;
                let _ = (0..times).all(|_| self.next_timer());
            }
            14 => self.show(),
            15 | 16 => self.socket(),
            17 => self.order(),
            18 => {
                let (variant, other) = (self.octet(), self.octet());
                let kind = if other < 16 { other } else { self.kind };
                let config = config::config(kind, variant);
                let _ = self.node.reconfigure(self.now, config, &mut self.out);
                self.settle();
            }
            _ => self.resolves = !self.resolves,
        }
    }

    fn next_timer(&mut self) -> bool {
        let Some(at) = self.node.poll_timeout() else { return false };
        self.now = self.now.max(at);
        self.settle();
        self.rests += usize::from(self.node.poll_timeout() == Some(self.now + Duration::from_millis(1)));
        self.rests <= MAX_RESTS
    }

    fn show(&mut self) {
        let query = match self.octet() % 10 {
            0 => Query::Arp { interface: None },
            1 => Query::Arp { interface: Some("eth1".to_owned()) },
            2 => Query::Mac { bridge: None },
            3 => Query::Tcp,
            4 => Query::IpStatistics,
            5 => Query::Routes { prefix: None, cursor: 0, limit: 100 },
            6 => Query::Interfaces,
            7 => Query::BgpNeighbors { address: None },
            8 => Query::BgpClear { address: None, soft: false },
            _ => Query::BgpSummary,
        };
        self.query(query, true);
    }

    fn name(&mut self) -> String {
        ["a", "b", "c", "a-2"][usize::from(self.octet() % 4)].to_owned()
    }

    fn socket(&mut self) {
        let (what, name) = (self.octet() % 6, self.name());
        let query = match what {
            0 | 1 => {
                let remote = SocketAddrV4::new(self.address(), self.tcp_port());
                let port = self.octet();
                let source = (port == 255).then(|| self.address());
                let local_port = (port & 1 == 0).then_some(2000 + u16::from(port));
                Query::TcpConnect(ConnectQuery { name, remote, source, local_port })
            }
            2 => Query::TcpListen { name, port: self.tcp_port() },
            3 => Query::TcpSend { name, text: "x".repeat(usize::from(self.octet()) * 64) },
            4 => Query::TcpClose { name },
            _ => Query::TcpAbort { name },
        };
        self.query(query, true);
    }

    fn order(&mut self) {
        let (what, destination) = (self.octet(), self.address());
        let bits = self.octet();
        let query = match what % 4 {
            0 | 1 => Query::Ping(PingQuery {
                count: u32::from(bits % 5),
                interval_ms: 1 + u32::from(bits) * 3,
                size: u16::from(self.octet()) * 257,
                ttl: (what & 16 != 0).then_some(bits >> 4),
                dont_fragment: what & 32 != 0,
                source: (what & 64 != 0).then(|| self.address()),
                ..PingQuery::new(destination)
            }),
            2 => Query::Traceroute(TracerouteQuery {
                max_hops: bits % 6,
                probes: bits >> 5,
                timeout_ms: 1000,
                ..TracerouteQuery::new(destination)
            }),
            _ => Query::TcpTransfer(TransferQuery {
                timeout_ms: Some(1 + u32::from(self.octet()) * 100),
                receive: (bits & 1 != 0).then_some(100_000),
                ..TransferQuery::new(SocketAddrV4::new(destination, self.tcp_port()), u64::from(bits) * 1000)
            }),
        };
        self.query(query, false);
    }

    /// Lets this time go by; false: there were too many timers.
    fn quiet(&mut self, seconds: u64) -> bool {
        let until = self.now + Duration::from_secs(seconds);
        for _ in 0..MAX_QUIET {
            match self.node.poll_timeout() {
                Some(at) if at <= until => {
                    if !self.next_timer() {
                        return false;
                    }
                }
                _ => {
                    self.now = until;
                    return true;
                }
            }
        }
        false
    }

    /// Whatever was: with the first configuration again, and some time to forget conflicts, a ping is answered.
    fn end(&mut self) {
        for (kind, variant) in [(0, 0x40), (self.kind, 0)] {
            let _ = self.node.reconfigure(self.now, config::config(kind, variant), &mut self.out);
            self.settle();
        }
        for up in [false, true] {
            for port in 0..3 {
                self.port(PortId(port), up, 1500);
            }
        }
        if !self.quiet(150) {
            return;
        }
        assert!(self.pending.is_empty(), "orders that are never answered: {:?}", self.pending);
        self.checks.forget();
        let (own, peer) = (config::first_address(self.kind), Ipv4Addr::new(10, 0, 0, 77));
        let mac = MacAddr([2, 0, 0, 1, 0, 77]);
        let request = Arp {
            operation: Operation::Request,
            sender_hardware: mac,
            sender_protocol: peer,
            target_hardware: MacAddr::UNSPECIFIED,
            target_protocol: own,
        };
        self.frame(PortId(0), build::arp_frame(MacAddr::BROADCAST, request));
        let reply = self.checks.last_reply.take().expect("an answer to ARP");
        assert_eq!((reply.sender_protocol, reply.target_hardware), (own, mac));
        self.frame(PortId(0), build::echo_frame(mac, reply.sender_hardware, (peer, own)));
        let (_, last) = self.checks.sent.last().expect("an answer to a ping");
        assert_eq!((&last[..6], &last[30..34], last[34]), (&mac.0[..], &peer.octets()[..], 0));
    }
}

/// The reply of the station that is looked for.
fn answer_to(request: &Arp) -> Arp {
    Arp {
        operation: Operation::Reply,
        sender_hardware: config::peer_mac(request.target_protocol),
        sender_protocol: request.target_protocol,
        target_hardware: request.sender_hardware,
        target_protocol: request.sender_protocol,
    }
}

/// Views can be shown, and tables are under their limits.
fn look_at(answer: &Answer) {
    match answer {
        Answer::Arp(view) => assert!(view.entries.len() <= 3 * 4096),
        Answer::Mac(view) => assert!(view.entries.len() <= 2 * 16_384),
        Answer::Tcp(view) => assert!(view.connections.len() <= 65_536),
        Answer::Ping(view) => assert!(view.received <= view.sent && view.sent <= 1000),
        _ => {}
    }
}

fn run(data: &[u8]) -> u64 {
    let &[kind, variant, ref steps @ ..] = data else { return 0 };
    let mut world = World::new(kind, variant, steps);
    while !world.data.is_empty() && world.rests <= MAX_RESTS {
        world.step();
    }
    if kind & 0x60 == 0x60 {
        world.end();
    }
    world.checks.digest
}

fuzz_target!(|data: &[u8]| {
    let digest = run(data);
    // The same goes in, the same comes out.
    if data.first().is_some_and(|kind| kind & 0x98 == 0x98) {
        assert_eq!(run(data), digest);
    }
});
