//! A bridge with arbitrary BPDUs, links, settings and time: it never panics, and after each what must always hold does.
//!
//! Each step is an octet that says what happens and the octets that needs. BPDUs are built from fields whose values are
//! near those in use, so that elections are close.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::collections::BTreeMap;
use trunkline_core::{Duration, Instant, MacAddr, Outbox, PortId};
use trunkline_stp::{
    BridgeId, Config, Edge, ForceVersion, Input, Output, PointToPoint, PortConfig, PortIdentifier, PortRole,
    PortState, PortStatus, Protocol, SpanningTree,
};
use trunkline_wire::stp::{Bpdu, Flags, Message, Priority, RootLinkQuery, Rst, Time};

const PORTS: u32 = 4;
const OWN: MacAddr = MacAddr([2, 0, 0, 0, 0, 5]);

struct World<'a> {
    data: &'a [u8],
    now: Instant,
    tree: SpanningTree,
    out: Outbox<Output>,
    ports: BTreeMap<PortId, PortConfig>,
    told: BTreeMap<PortId, PortState>,
    /// When a port sent its last BPDUs.
    sent: BTreeMap<PortId, Vec<Instant>>,
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

    fn port(&mut self) -> PortId {
        PortId(u32::from(self.octet()) % (PORTS + 1))
    }

    fn bridge_id(&mut self) -> BridgeId {
        let octet = self.octet();
        BridgeId::new(u16::from(octet >> 4) * 4096, MacAddr([2, 0, 0, 0, 0, octet & 15]))
    }

    fn time(&mut self) -> Time {
        match self.octet() {
            octet @ 0..=47 => Time::from_secs(octet),
            octet => Time(u16::from(octet) << (octet & 8)),
        }
    }

    fn message(&mut self) -> Message {
        let kind = self.octet();
        let body = Priority {
            flags: Flags(self.octet()),
            root: self.bridge_id(),
            root_path_cost: match self.octet() {
                255 => u32::MAX,
                octet => u32::from(octet) * 1000,
            },
            bridge: self.bridge_id(),
            port: PortIdentifier(u16::from(self.octet()) << 12 | u16::from(self.octet() % 8)),
            message_age: self.time(),
            max_age: self.time(),
            hello_time: self.time(),
            forward_delay: self.time(),
        };
        match kind % 8 {
            0 => Message::Bpdu(Bpdu::Tcn),
            1 | 2 => Message::Bpdu(Bpdu::Config(body)),
            3 => Message::RootLinkQuery(RootLinkQuery { response: kind & 8 != 0, body }),
            _ => Message::Bpdu(Bpdu::Rst(Rst { version: 2 + (kind >> 6), body })),
        }
    }

    fn port_config(&mut self, number: u16) -> PortConfig {
        let (a, b, c) = (self.octet(), self.octet(), self.octet());
        PortConfig {
            priority: a & 0xf0,
            path_cost: (b & 3 == 0).then_some(1 + u32::from(c) * 1000),
            edge: [Edge::Auto, Edge::Yes, Edge::No][usize::from(a % 3)],
            point_to_point: [PointToPoint::Auto, PointToPoint::Yes, PointToPoint::No][usize::from(b % 3)],
            restricted_role: c & 1 != 0,
            restricted_tcn: c & 2 != 0,
            bpdu_guard: c & 0x1c == 4,
            bpdu_filter: c & 0x1c == 8,
            root_guard: b & 0x30 == 0x10,
            loop_guard: b & 0x30 == 0x20,
            bridge_assurance: b & 0x30 == 0x30,
            ..PortConfig::new(number)
        }
    }

    fn config(&mut self, protocol: Protocol) -> Config {
        let (a, b) = (self.octet(), self.octet());
        Config {
            force_version: if a & 1 == 0 { ForceVersion::Normal } else { ForceVersion::StpCompatible },
            priority: u16::from(a >> 4) * 4096,
            hello_time: 1 + (b & 1),
            max_age: 6 + b % 35,
            forward_delay: 4 + b % 27,
            transmit_hold_count: 1 + b % 10,
            bpdu_guard_recovery: (b & 1 == 0).then_some(Duration::from_secs(30)),
            uplink_fast: protocol == Protocol::Stp && a & 2 != 0,
            backbone_fast: protocol == Protocol::Stp && a & 4 != 0,
            ..Config::new(protocol, OWN)
        }
    }

    fn step(&mut self) {
        let kind = self.octet();
        let port = self.port();
        match kind % 16 {
            0..=6 => {
                let frame = self.message().frame(MacAddr([2, 7, 0, 0, 0, 1]));
                self.feed(Input::Frame { port, frame: &frame });
            }
            7 => {
                let length = usize::from(self.octet() % 64).min(self.data.len());
                let (raw, rest) = self.data.split_at(length);
                self.data = rest;
                let mut frame = Message::Bpdu(Bpdu::Tcn).frame(OWN);
                frame.truncate(12 + usize::from(kind >> 4));
                frame.extend_from_slice(raw);
                self.feed(Input::Frame { port, frame: &frame });
            }
            8 => {
                let bits = self.octet();
                let status = PortStatus {
                    up: bits & 3 != 0,
                    address: MacAddr([2, 8, 0, 0, 0, port.0 as u8]),
                    speed: (bits & 4 != 0).then_some(1 << (bits >> 4)),
                    full_duplex: (bits & 8 != 0).then_some(bits & 16 != 0),
                };
                self.feed(Input::Status { port, status });
            }
            9 => {
                let config = self.port_config(port.0 as u16 + 1);
                self.ports.insert(port, config);
                self.feed(Input::Port { port, config });
            }
            10 => {
                self.ports.remove(&port);
                self.told.remove(&port);
                self.feed(Input::PortGone { port });
            }
            11 => self.feed(Input::Mcheck { port }),
            12 => self.feed(Input::Recover { port }),
            13 => {
                let protocol = if kind & 0x70 == 0x70 { Protocol::Stp } else { self.tree.config().protocol };
                let config = self.config(protocol);
                self.feed(Input::Reconfigure(config));
            }
            14 => self.pass(Duration::from_millis(u64::from(kind) * 8)),
            _ => self.pass(Duration::from_millis(u64::from(kind) * 200)),
        }
        self.check();
    }

    fn feed(&mut self, input: Input<'_>) {
        self.tree.handle(self.now, input, &mut self.out);
        self.carry();
    }

    fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(due) = self.tree.poll_timeout().filter(|due| *due <= until) {
            self.now = self.now.max(due);
            self.tree.handle_timeout(self.now, &mut self.out);
            self.carry();
            assert!(self.tree.poll_timeout().is_none_or(|due| due > self.now), "a timer that is always due");
        }
        self.now = until;
    }

    fn carry(&mut self) {
        while let Some(output) = self.out.pop() {
            match output {
                Output::Frame { port, frame } => self.sent(port, &frame),
                Output::State { port, state } => drop(self.told.insert(port, state)),
                Output::Event(event) => drop(event.text(&|port| format!("p{}", port.0))),
                Output::Flush { .. } | Output::AgeingTime(_) | Output::AnnounceStations { .. } => {}
            }
        }
    }

    /// What goes out is well formed, in range, and not too much.
    fn sent(&mut self, port: PortId, frame: &[u8]) {
        let message = Message::parse(frame).expect("well formed").expect("spanning tree's");
        let Message::Bpdu(bpdu) = message else { return };
        if let Some(body) = bpdu.body() {
            assert!((6..=40).contains(&body.max_age.rounded()), "{bpdu:?}");
            assert!((4..=30).contains(&body.forward_delay.rounded()), "{bpdu:?}");
            assert!((1..=10).contains(&body.hello_time.rounded()), "{bpdu:?}");
            assert_eq!(body.bridge.address(), OWN);
        }
        if self.tree.config().protocol == Protocol::Rstp {
            let times = self.sent.entry(port).or_default();
            times.retain(|at| self.now.since(*at) < Duration::from_secs(1));
            times.push(self.now);
            // The bridge's settings may let it begin its count anew: a handful of times in a second.
            assert!(times.len() <= 200, "a port sends without end");
        }
    }

    /// What must hold after each event.
    fn check(&mut self) {
        let mut roots = 0;
        for port in self.ports.keys() {
            let Some((role, state)) = self.tree.port(self.now, *port) else { continue };
            roots += u32::from(role == PortRole::Root);
            let open = matches!(state, PortState::Learning | PortState::Forwarding);
            assert!(!open || matches!(role, PortRole::Root | PortRole::Designated), "{role} {state}");
            let told = self.told.get(port).copied().unwrap_or(PortState::Disabled);
            assert_eq!(told, state, "the data plane knows another state");
        }
        let view = self.tree.view(self.now, "br0", "own ports", &|port| format!("p{}", port.0));
        assert_eq!(roots, u32::from(view.root_port.is_some()), "{view:#?}");
        let own = (view.root.priority, &view.root.address) == (view.id.priority, &view.id.address);
        assert_eq!(own, view.root_port.is_none(), "{view:#?}");
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((first, data)) = data.split_first() else { return };
    let protocol = if first & 1 == 0 { Protocol::Rstp } else { Protocol::Stp };
    let mut world = World {
        data,
        now: Instant::ZERO,
        tree: SpanningTree::new(Config::new(protocol, OWN)),
        out: Outbox::new(),
        ports: BTreeMap::new(),
        told: BTreeMap::new(),
        sent: BTreeMap::new(),
    };
    world.tree.trace(first & 2 != 0);
    for port in (0..PORTS).map(PortId) {
        let config = PortConfig::new(port.0 as u16 + 1);
        world.ports.insert(port, config);
        world.feed(Input::Port { port, config });
        let address = MacAddr([2, 8, 0, 0, 0, port.0 as u8]);
        let status = PortStatus { up: true, address, speed: Some(1000), full_duplex: Some(true) };
        world.feed(Input::Status { port, status });
    }
    while !world.data.is_empty() {
        world.step();
    }
});
