//! Every state of a port with every event, as a table: what the bridge does and how the port stands then.

use super::*;
use std::fmt::Write;
use trunkline_core::{Outbox, PortId};
use trunkline_stp::{BridgeId, Event, Input, Output, PortConfig, PortStatus, SpanningTree};
use trunkline_wire::stp::{Flags, Role, Rst};

const PORT: PortId = PortId(0);
const OTHER: PortId = PortId(1);

/// The bridge under test has priority 32768; those that it hears, another one.
struct Bench {
    tree: SpanningTree,
    now: Instant,
    out: Outbox<Output>,
}

impl Bench {
    fn new() -> Bench {
        let tree = SpanningTree::new(Config::new(Protocol::Stp, address(9)));
        let mut bench = Bench { tree, now: Instant::ZERO, out: Outbox::new() };
        for (n, port) in [PORT, OTHER].into_iter().enumerate() {
            bench.input(Input::Port { port, config: PortConfig::new(n as u16 + 1) });
        }
        bench
    }

    fn input(&mut self, input: Input<'_>) {
        self.tree.handle(self.now, input, &mut self.out);
    }

    fn link(&mut self, port: PortId, up: bool) {
        let status = PortStatus { up, address: address(7), speed: Some(1000), full_duplex: None };
        self.input(Input::Status { port, status });
    }

    fn hear(&mut self, port: PortId, bpdu: Bpdu) {
        let frame = Message::Bpdu(bpdu).frame(address(8));
        self.input(Input::Frame { port, frame: &frame });
    }

    /// Lets time pass, and all that was said before and meanwhile be forgotten.
    fn wait(&mut self, seconds: f64) {
        self.pass(seconds);
        self.out.drain().for_each(drop);
    }

    fn pass(&mut self, seconds: f64) {
        let until = self.now + secs(seconds);
        while let Some(at) = self.tree.poll_timeout().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            self.tree.handle_timeout(self.now, &mut self.out);
        }
        self.now = until;
    }

    fn stands(&self) -> String {
        let (role, state) = self.tree.port(self.now, PORT).expect("there is such a port");
        if role == PortRole::Disabled { role.to_string() } else { format!("{role} {state}") }
    }

    fn said(&mut self) -> Vec<String> {
        let name = |port: PortId| if port == PORT { "port".to_owned() } else { "other".to_owned() };
        let mut said = Vec::new();
        while let Some(output) = self.out.pop() {
            said.push(match output {
                Output::Frame { port, frame } => {
                    let message = Message::parse(&frame).expect("valid").expect("ours");
                    let what = match message {
                        Message::Bpdu(Bpdu::Config(body)) => {
                            let flags = format!("{body}");
                            let flags = flags
                                .rsplit_once(&format!("port {}", body.port))
                                .expect("in it")
                                .1
                                .to_owned();
                            format!("Config root {}{flags}", body.root.priority())
                        }
                        other => other.to_string(),
                    };
                    format!("{} sends {what}", name(port))
                }
                Output::AgeingTime(time) => format!("ageing {time:?}"),
                Output::Event(event @ (Event::TopologyChange { .. } | Event::Root { .. })) => {
                    event.text(&name)
                }
                _ => continue,
            });
        }
        said
    }
}

fn by(priority: u16, root: u16, cost: u32) -> Priority {
    let id = |priority| BridgeId::new(priority, address(usize::from(priority >> 12)));
    Priority {
        flags: Flags::default(),
        root: id(root),
        root_path_cost: cost,
        bridge: id(priority),
        port: trunkline_stp::PortIdentifier(0x8001),
        message_age: Time::from_secs(u8::from(cost > 0)),
        max_age: Time::from_secs(20),
        hello_time: Time::from_secs(2),
        forward_delay: Time::from_secs(15),
    }
}

/// The bridge with its port in a state; the other port up where one needs it.
fn state(name: &str) -> Bench {
    let mut bench = Bench::new();
    if name == "disabled" {
        return bench;
    }
    bench.link(PORT, true);
    match name {
        "designated listening" => bench.wait(1.5),
        "designated learning" => bench.wait(15.5),
        "designated forwarding" => bench.wait(101.5),
        "root forwarding" => {
            bench.wait(31.5);
            bench.hear(PORT, Bpdu::Config(by(8192, 4096, 4)));
            bench.wait(1.5);
        }
        "alternate blocking" => {
            bench.link(OTHER, true);
            bench.wait(101.5);
            bench.hear(OTHER, Bpdu::Config(by(4096, 4096, 0)));
            bench.hear(PORT, Bpdu::Config(by(8192, 4096, 3)));
            bench.wait(1.5);
        }
        _ => {
            bench.link(OTHER, true);
            bench.wait(31.5);
            let own = BridgeId::new(32_768, address(9));
            bench.hear(OTHER, Bpdu::Config(by(4096, 4096, 0)));
            let port = trunkline_stp::PortIdentifier(0x7002);
            bench.hear(PORT, Bpdu::Config(Priority { bridge: own, port, ..by(8192, 4096, 4) }));
            bench.wait(1.5);
        }
    }
    bench
}

const STATES: [&str; 7] = [
    "disabled",
    "designated listening",
    "designated learning",
    "designated forwarding",
    "root forwarding",
    "alternate blocking",
    "backup blocking",
];

fn event(bench: &mut Bench, name: &str) {
    let with = |flags, body| Bpdu::Config(Priority { flags, ..body });
    match name {
        "Config of a better root" => bench.hear(PORT, Bpdu::Config(by(0, 0, 0))),
        "Config of a better root, TC" => bench.hear(PORT, with(Flags::TOPOLOGY_CHANGE, by(0, 0, 0))),
        "Config of the same, TCA" => bench.hear(PORT, with(Flags::TOPOLOGY_CHANGE_ACK, by(8192, 4096, 3))),
        "Config of a worse root" => bench.hear(PORT, Bpdu::Config(by(61_440, 61_440, 0))),
        "Config: 8192 claims to be the root" => bench.hear(PORT, Bpdu::Config(by(8192, 8192, 0))),
        "TCN" => bench.hear(PORT, Bpdu::Tcn),
        "RST of a better root" => {
            let flags = Flags::default().with_role(Role::Designated);
            bench.hear(PORT, Bpdu::Rst(Rst { version: 2, body: Priority { flags, ..by(0, 0, 0) } }));
        }
        "link up" => bench.link(PORT, true),
        "link down" => bench.link(PORT, false),
        _ => bench.pass(19.5),
    }
}

const EVENTS: [&str; 10] = [
    "Config of a better root",
    "Config of a better root, TC",
    "Config of the same, TCA",
    "Config of a worse root",
    "Config: 8192 claims to be the root",
    "TCN",
    "RST of a better root",
    "link up",
    "link down",
    "19.5 s of silence",
];

#[test]
fn every_state_with_every_event() {
    let mut table = String::new();
    for from in STATES {
        assert!(state(from).stands() == from, "{from}: {}", state(from).stands());
        writeln!(table, "{from}").expect("a string takes it");
        for what in EVENTS {
            let mut bench = state(from);
            event(&mut bench, what);
            writeln!(table, "  {what} -> {}", bench.stands()).expect("a string takes it");
            let mut said = bench.said();
            said.dedup();
            // What a root says each Hello Time is not repeated here
            if what == "19.5 s of silence" {
                said.retain(|line| !line.contains("sends Config"));
            }
            said.iter().for_each(|line| writeln!(table, "      {line}").expect("a string takes it"));
        }
    }
    insta::assert_snapshot!(table);
}
