//! Bridges of the kernel: what the driver tells, and what it is told to do.

use crate::config::{BridgeConfig, NodeConfig};
use crate::{KernelBridgeAction as Action, KernelBridgeInput as Input, Node, NodeInput, NodeOutput};
use trunkline_core::{Duration, Instant, MacAddr, Outbox};
use trunkline_stp::{Config, PortConfig, PortState, Protocol};
use trunkline_view::stp::TreeView;
use trunkline_view::{Answer, ErrorKind, EventKind, Query};
use trunkline_wire::stp::{Bpdu, BridgeId, Flags, Message, PortIdentifier, Priority, Role, Rst, Time};

/// A node that is the spanning tree of bridges of the kernel.
struct Driver {
    now: Instant,
    node: Node,
    actions: Vec<Action>,
    events: Vec<String>,
}

fn config(bridges: &[&str]) -> NodeConfig {
    let bridge = |name: &&str| BridgeConfig {
        kernel: true,
        spanning_tree: Some(Config::new(Protocol::Rstp, MacAddr::UNSPECIFIED)),
        ..BridgeConfig::new(name)
    };
    NodeConfig { bridges: bridges.iter().map(bridge).collect(), ..NodeConfig::new("n") }
}

const ADDRESS: MacAddr = MacAddr([2, 0, 0, 0, 0, 0x10]);

impl Driver {
    fn new(config: NodeConfig) -> Driver {
        let now = Instant::from_secs(1);
        let node = Node::new(config, Vec::new(), 1, "test").unwrap();
        let mut driver = Driver { now, node, actions: Vec::new(), events: Vec::new() };
        driver.with(|node, now, out| node.start(now, out));
        driver
    }

    fn with<T>(&mut self, act: impl FnOnce(&mut Node, Instant, &mut Outbox<NodeOutput>) -> T) -> T {
        let mut out = Outbox::new();
        let result = act(&mut self.node, self.now, &mut out);
        for output in out.drain() {
            match output {
                NodeOutput::KernelBridge(action) => self.actions.push(action),
                NodeOutput::Event(EventKind::SpanningTree { bridge, message }) => {
                    self.events.push(format!("{bridge} {message}"));
                }
                other => panic!("{other:?}"),
            }
        }
        result
    }

    fn feed(&mut self, input: Input<'_>) {
        self.with(|node, now, out| node.handle(now, NodeInput::KernelBridge(input), out));
    }

    fn ready(&mut self, bridge: &str) {
        let method = "nftables gate".to_owned();
        self.feed(Input::Ready { bridge: bridge.to_owned(), address: ADDRESS, method });
    }

    fn port(&mut self, bridge: &str, index: u32, up: bool) {
        let (bridge, name) = (bridge.to_owned(), format!("eth{index}"));
        let mac = MacAddr([2, 0, 0, 0, 1, index as u8]);
        let (speed, full_duplex) = (Some(1000), Some(true));
        self.feed(Input::Port { bridge, index, name, up, mac, speed, full_duplex });
    }

    fn run(&mut self, seconds: u64) {
        let until = self.now + Duration::from_secs(seconds);
        while let Some(due) = self.node.poll_timeout().filter(|due| *due <= until) {
            self.now = self.now.max(due);
            self.with(|node, now, out| node.handle_timeout(now, out));
        }
        self.now = until;
    }

    fn ask(&mut self, query: Query) -> Answer {
        let mut out = Outbox::new();
        self.node.handle(self.now, NodeInput::Query { id: 1, query }, &mut out);
        let mut answer = None;
        for output in out.drain() {
            match output {
                NodeOutput::Answer { answer: it, .. } => answer = Some(it),
                NodeOutput::KernelBridge(action) => self.actions.push(action),
                _ => {}
            }
        }
        answer.unwrap()
    }

    fn tree(&mut self, bridge: &str) -> TreeView {
        match self.ask(Query::SpanningTree { bridge: Some(bridge.to_owned()) }) {
            Answer::SpanningTree(mut view) => view.bridges.remove(0),
            other => panic!("{other:?}"),
        }
    }

    /// The state that a port was told last.
    fn state(&self, port: u32) -> Option<PortState> {
        self.actions.iter().rev().find_map(|action| match action {
            Action::State { index, state } if *index == port => Some(*state),
            _ => None,
        })
    }
}

/// A BPDU of a better root, which asks to be agreed with.
fn proposal() -> Vec<u8> {
    let root = BridgeId::new(4096, MacAddr([2, 0, 0, 0, 0, 1]));
    let body = Priority {
        flags: Flags::PROPOSAL.with_role(Role::Designated),
        root,
        root_path_cost: 0,
        bridge: root,
        port: PortIdentifier::new(128, 1),
        message_age: Time::default(),
        max_age: Time::from_secs(20),
        hello_time: Time::from_secs(2),
        forward_delay: Time::from_secs(15),
    };
    Message::Bpdu(Bpdu::Rst(Rst { version: 2, body })).frame(MacAddr([2, 0, 0, 0, 0, 1]))
}

#[test]
fn a_bridge_from_the_first_word_to_the_last() {
    let mut driver = Driver::new(config(&["br0"]));
    assert_eq!(driver.tree("br0").data_plane, "waiting for the kernel's bridge");
    // Before the bridge is ready nothing is said of its ports.
    driver.port("br0", 5, true);
    assert_eq!(driver.actions, []);
    driver.ready("br0");
    driver.port("br0", 5, true);
    driver.port("br0", 6, true);
    assert_eq!(driver.state(5), Some(PortState::Discarding));
    let to_all = |action: &Action| matches!(action, Action::Frame { index: 5, .. });
    assert!(driver.actions.iter().any(to_all), "it speaks at once");
    // An edge after three seconds without a bridge.
    driver.run(5);
    assert_eq!(driver.state(5), Some(PortState::Forwarding));
    assert!(
        driver.events.contains(&"br0 eth5: role disabled -> designated".to_owned()),
        "{:?}",
        driver.events
    );
    let view = driver.tree("br0");
    assert_eq!((view.data_plane.as_str(), view.id.address), ("nftables gate", ADDRESS.to_string()));
    let ids: Vec<&str> = view.ports.iter().map(|port| port.id.as_str()).collect();
    assert_eq!(ids, ["128.1", "128.2"]);
    assert_eq!(view.ports[0].path_cost, 20_000);

    driver.feed(Input::Frame { index: 6, frame: &proposal() });
    let view = driver.tree("br0");
    assert_eq!((view.root_port.as_deref(), view.ports[1].role.as_str()), (Some("eth6"), "root"));
    assert!(driver.actions.iter().any(|action| matches!(action, Action::Frame { index: 6, frame } if
        matches!(Message::parse(frame), Ok(Some(Message::Bpdu(bpdu))) if
            bpdu.body().is_some_and(|body| body.flags.has(Flags::AGREEMENT))))));

    driver.port("br0", 6, false);
    assert_eq!(driver.state(6), Some(PortState::Disabled));
    assert_eq!(driver.tree("br0").root_port, None);
    driver.feed(Input::Refused { bridge: "br0".into(), reason: "the kernel's own STP runs there".into() });
    let view = driver.tree("br0");
    assert_eq!((view.data_plane.as_str(), view.ports.len()), ("the kernel's own STP runs there", 0));
    driver.actions.clear();
    driver.run(10);
    assert_eq!(driver.actions, []);
    // It can be had again: from the beginning.
    driver.ready("br0");
    assert_eq!(driver.tree("br0").ports.len(), 0);
    driver.port("br0", 5, true);
    assert_eq!(driver.state(5), Some(PortState::Discarding));
}

#[test]
fn ports_keep_their_numbers_and_new_ones_take_the_lowest() {
    let mut config = config(&["br0", "br1"]);
    config.bridges[0].port_settings =
        vec![("eth9".into(), PortConfig { path_cost: Some(7), ..PortConfig::new(0) })];
    let mut driver = Driver::new(config);
    driver.ready("br0");
    driver.ready("br1");
    for index in [7, 8, 9] {
        driver.port("br0", index, true);
    }
    let ids = |driver: &mut Driver, bridge| {
        let ports = driver.tree(bridge).ports;
        ports.iter().map(|port| format!("{} {}", port.name, port.id)).collect::<Vec<_>>()
    };
    assert_eq!(ids(&mut driver, "br0"), ["eth7 128.1", "eth8 128.2", "eth9 128.3"]);
    assert_eq!(driver.tree("br0").ports[2].path_cost, 7);
    driver.feed(Input::PortGone { index: 8 });
    assert_eq!(ids(&mut driver, "br0"), ["eth7 128.1", "eth9 128.3"]);
    driver.port("br0", 4, true);
    assert_eq!(ids(&mut driver, "br0"), ["eth7 128.1", "eth4 128.2", "eth9 128.3"]);
    // From one bridge to another without a word in between.
    driver.port("br1", 7, true);
    assert_eq!(ids(&mut driver, "br0"), ["eth4 128.2", "eth9 128.3"]);
    assert_eq!(ids(&mut driver, "br1"), ["eth7 128.1"]);
}

#[test]
fn the_configuration_changes_in_place() {
    let mut driver = Driver::new(config(&["br0"]));
    driver.ready("br0");
    driver.port("br0", 5, true);
    driver.run(5);
    let mut wanted = config(&["br0", "br1"]);
    wanted.bridges[0].spanning_tree.as_mut().unwrap().priority = 4096;
    wanted.bridges[0].port_settings =
        vec![("eth5".into(), PortConfig { path_cost: Some(9), ..PortConfig::new(0) })];
    let done = driver.with(|node, now, out| node.reconfigure(now, wanted, out));
    let words = [
        "bridge br0: priority 4096 (was 32768), port eth5: path-cost 9 (was by speed)",
        "spanning tree for the kernel's bridge br1 added",
    ];
    assert_eq!(done.changes, words);
    let view = driver.tree("br0");
    assert_eq!((view.id.priority, view.id.address), (4096, ADDRESS.to_string()));
    assert_eq!((view.ports[0].path_cost, view.ports[0].state.as_str()), (9, "forwarding"));
    let done = driver.with(|node, now, out| node.reconfigure(now, config(&["br1"]), out));
    assert_eq!(done.changes, ["spanning tree for the kernel's bridge br0 removed"]);
    let Answer::Error(error) = driver.ask(Query::SpanningTree { bridge: Some("br0".into()) }) else {
        panic!()
    };
    assert_eq!((error.kind, error.message.as_str()), (ErrorKind::NotFound, "no bridge br0; there is br1"));
    let order = Query::SpanningTreeMcheck { bridge: "br1".into(), port: "eth5".into() };
    let Answer::Error(error) = driver.ask(order) else { panic!() };
    assert_eq!(error.kind, ErrorKind::NotRunning);
}

#[test]
fn a_bridge_of_the_kernel_is_no_stack() {
    let node = Node::new(config(&["br0"]), Vec::new(), 1, "test").unwrap();
    assert!(node.stack.is_none());
}

#[test]
fn words_of_the_driver_about_what_is_not_there_are_passed_over() {
    let mut driver = Driver::new(config(&["br0"]));
    driver.ready("br7");
    driver.port("br7", 1, true);
    driver.feed(Input::PortGone { index: 3 });
    driver.feed(Input::Frame { index: 3, frame: &proposal() });
    assert_eq!(driver.actions, []);
}
