//! Spanning tree on bridges of our own, over real wires of nodes.

use super::wire::{Net, mac};
use super::{host, ping, switch};
use crate::NodeInput;
use crate::config::{BridgeConfig, NodeConfig};
use trunkline_core::{Frame, MacAddr, PortId};
use trunkline_stp::{Config, Edge, PortConfig, Protocol};
use trunkline_view::stp::TreeView;
use trunkline_view::{Answer, ErrorKind, EventKind, Query};
use trunkline_wire::stp::{BRIDGE_GROUP, is_spanning_tree};

/// A switch with spanning tree.
fn rstp(name: &str, ports: usize, priority: u16) -> NodeConfig {
    let mut config = switch(name, ports);
    let tree = Config { priority, ..Config::new(Protocol::Rstp, MacAddr::UNSPECIFIED) };
    config.bridges = vec![BridgeConfig {
        ports: (0..ports).map(|n| format!("port{n}")).collect(),
        spanning_tree: Some(tree),
        ..BridgeConfig::new("br0")
    }];
    config
}

fn tree(net: &mut Net, name: &str) -> TreeView {
    match net.ask(name, Query::SpanningTree { bridge: Some("br0".to_owned()) }) {
        Answer::SpanningTree(mut view) => view.bridges.pop().unwrap(),
        other => panic!("{other:?}"),
    }
}

/// Role and state of each port.
fn ports(net: &mut Net, name: &str) -> Vec<String> {
    tree(net, name).ports.iter().map(|port| format!("{} {}", port.role, port.state)).collect()
}

/// Three switches in a ring, with a host at b and one at c.
fn triangle() -> Net {
    let configs = vec![
        rstp("a", 2, 4096),
        rstp("b", 3, 8192),
        rstp("c", 3, 12_288),
        host("h", "10.0.0.1/24", ""),
        host("i", "10.0.0.2/24", ""),
    ];
    let links: &[&[&str]] = &[
        &["a.port0", "b.port0"],
        &["a.port1", "c.port0"],
        &["b.port1", "c.port1"],
        &["b.port2", "h.eth0"],
        &["c.port2", "i.eth0"],
    ];
    Net::new(configs, links)
}

#[test]
fn a_ring_becomes_a_tree_and_heals() {
    let mut net = triangle();
    net.run(10.0);
    assert_eq!(ports(&mut net, "a"), ["designated forwarding", "designated forwarding"]);
    let of_b = ["root forwarding", "designated forwarding", "designated forwarding"];
    assert_eq!(ports(&mut net, "b"), of_b);
    let of_c = ["root forwarding", "alternate discarding", "designated forwarding"];
    assert_eq!(ports(&mut net, "c"), of_c);
    let view = tree(&mut net, "c");
    assert_eq!((view.root.priority, view.root.address), (4096, mac(0, PortId(0)).to_string()));
    assert_eq!((view.root_port.as_deref(), view.root_path_cost), (Some("port0"), 20_000));
    assert_eq!(view.data_plane, "own ports");

    assert_eq!(ping(&mut net, "h", "10.0.0.2", 3).received, 3);
    let broadcasts = net.frames.iter().filter(|(.., frame)| frame.starts_with(&[0xff; 6])).count();
    assert!(broadcasts < 40, "{broadcasts}: no broadcast goes round");

    // The way of c to the root is cut: the other port takes over at once.
    net.carrier(1, false);
    net.run(0.1);
    let of_c = ["disabled disabled", "root forwarding", "designated forwarding"];
    assert_eq!(ports(&mut net, "c"), of_c);
    assert_eq!(ping(&mut net, "h", "10.0.0.2", 3).received, 3);
    net.carrier(1, true);
    net.run(10.0);
    assert_eq!(ports(&mut net, "c")[1], "alternate discarding");
}

#[test]
fn the_states_of_ports_and_stations_follow() {
    let mut net = triangle();
    net.run(10.0);
    let _ = ping(&mut net, "h", "10.0.0.2", 1);
    let Answer::Mac(view) = net.ask("c", Query::Mac { bridge: None }) else { panic!("no stations") };
    let states: Vec<&str> = view.bridges[0].ports.iter().map(|port| port.state.as_str()).collect();
    assert_eq!(states, ["forwarding", "discarding", "forwarding"]);
    let h = mac(3, PortId(0)).to_string();
    assert!(view.entries.iter().any(|entry| entry.mac == h && entry.port == "port0"));
    // The topology changes: what was behind the lost port is not there any more.
    net.carrier(1, false);
    net.run(0.1);
    let Answer::Mac(view) = net.ask("c", Query::Mac { bridge: None }) else { panic!("no stations") };
    assert!(view.entries.iter().all(|entry| entry.port != "port0"), "{view:?}");
}

#[test]
fn bpdus_never_pass_and_reach_the_tree_in_every_state() {
    let mut net = triangle();
    net.run(10.0);
    let before = tree(&mut net, "c").ports[1].counters["rx_rst"];
    net.run(10.0);
    let after = tree(&mut net, "c").ports[1].counters["rx_rst"];
    assert!(after > before, "a port that discards hears BPDUs");
    let hosts = [net.node("h"), net.node("i")];
    let of_switches = |frames: &[(_, usize, PortId, Frame)]| {
        frames.iter().filter(|(.., frame)| is_spanning_tree(frame)).all(|(_, node, port, frame)| {
            // Who sends it says so: none is forwarded.
            !hosts.contains(node) && frame[6..12] == mac(*node, *port).0
        })
    };
    assert!(of_switches(&net.frames));
}

#[test]
fn without_spanning_tree_bpdus_stop_all_the_same() {
    // IEEE 802.1D-2004 §7.12.6
    let mut net = Net::new(
        vec![switch("sw", 2), rstp("a", 1, 4096), rstp("b", 1, 8192)],
        &[&["sw.port0", "a.port0"], &["sw.port1", "b.port0"]],
    );
    net.run(10.0);
    assert_eq!(ports(&mut net, "b"), ["designated forwarding"]);
    assert!(net.frames.iter().all(|(_, node, _, frame)| *node != 0 || !frame.starts_with(&BRIDGE_GROUP.0)));
}

#[test]
fn spanning_tree_comes_and_goes_while_running() {
    let mut net = triangle();
    net.run(10.0);
    let done = net.set("c", |config| {
        let tree = config.bridges[0].spanning_tree.as_mut().unwrap();
        (tree.priority, tree.hello_time) = (0, 1);
        config.bridges[0].port_settings =
            vec![("port2".to_owned(), PortConfig { edge: Edge::Yes, ..PortConfig::new(0) })];
    });
    let words = "bridge br0: priority 0 (was 12288), hello-time 1 (was 2), port port2: edge true (was auto)";
    assert_eq!(done.changes, [words]);
    net.run(5.0);
    assert_eq!(tree(&mut net, "c").root_port, None);
    assert!(tree(&mut net, "c").ports[2].edge);
    assert_eq!(ports(&mut net, "b")[1], "root forwarding");

    // Off: the ports forward as those of a plain bridge.
    net.carrier(0, false);
    let done = net.set("c", |config| config.bridges[0].spanning_tree = None);
    assert_eq!(done.changes, ["bridge br0: spanning tree is off"]);
    let Answer::Mac(view) = net.ask("c", Query::Mac { bridge: None }) else { panic!("no stations") };
    assert!(view.bridges[0].ports.iter().all(|port| port.state == "forwarding"));
    let Answer::Error(error) = net.ask("c", Query::SpanningTree { bridge: None }) else { panic!() };
    assert_eq!(error.kind, ErrorKind::NotRunning);

    // And on again: all ports discard first.
    let tree = Config { priority: 12_288, ..Config::new(Protocol::Rstp, MacAddr::UNSPECIFIED) };
    let done = net.set("c", |config| config.bridges[0].spanning_tree = Some(tree));
    assert_eq!(done.changes, ["bridge br0: spanning tree is on: rstp"]);
    let Answer::Mac(view) = net.ask("c", Query::Mac { bridge: None }) else { panic!("no stations") };
    assert!(view.bridges[0].ports[..2].iter().all(|port| port.state == "discarding"), "{view:?}");
    net.carrier(0, true);
    net.run(10.0);
    let of_c = ["root forwarding", "alternate discarding", "designated forwarding"];
    assert_eq!(ports(&mut net, "c"), of_c);
}

#[test]
fn ports_join_and_leave_and_keep_their_places() {
    let mut net = triangle();
    net.run(10.0);
    let ids = |view: &TreeView| {
        view.ports.iter().map(|port| format!("{} {}", port.name, port.id)).collect::<Vec<_>>()
    };
    assert_eq!(ids(&tree(&mut net, "c")), ["port0 128.1", "port1 128.2", "port2 128.3"]);
    let done = net.set("c", |config| drop(config.bridges[0].ports.remove(0)));
    assert!(done.changes.contains(&"bridge br0: port port0 leaves".to_owned()), "{:?}", done.changes);
    net.run(10.0);
    let view = tree(&mut net, "c");
    assert_eq!(ids(&view), ["port1 128.1", "port2 128.2"]);
    assert_eq!(ports(&mut net, "c"), ["root forwarding", "designated forwarding"]);
    // The bridge is who has the lowest address of its ports.
    assert_eq!(view.id.address, mac(2, PortId(1)).to_string());
    net.set("c", |config| config.bridges[0].ports.insert(0, "port0".to_owned()));
    net.run(10.0);
    assert_eq!(tree(&mut net, "c").id.address, mac(2, PortId(0)).to_string());
    let of_c = ["root forwarding", "alternate discarding", "designated forwarding"];
    assert_eq!(ports(&mut net, "c"), of_c);
    assert_eq!(ping(&mut net, "h", "10.0.0.2", 3).received, 3);
}

#[test]
fn a_bridge_keeps_its_name_when_ports_go_down() {
    let mut net = triangle();
    net.run(10.0);
    let before = tree(&mut net, "b").id;
    net.carrier(0, false);
    net.run(1.0);
    assert_eq!(tree(&mut net, "b").id, before);
}

#[test]
fn a_hub_is_a_shared_lan_with_a_backup_port() {
    let configs = vec![rstp("a", 1, 4096), rstp("b", 3, 8192)];
    let mut net = Net::new(configs, &[&["a.port0", "b.port0"], &["b.port1", "b.port2"]]);
    net.run(40.0);
    // A cable from a bridge to itself.
    let of_b = ["root forwarding", "designated forwarding", "backup discarding"];
    assert_eq!(ports(&mut net, "b"), of_b);
    let configs = vec![rstp("a", 1, 4096), rstp("b", 2, 8192), rstp("c", 1, 12_288)];
    let mut net = Net::new(configs, &[&["a.port0", "b.port0", "b.port1", "c.port0"]]);
    net.run(40.0);
    let view = tree(&mut net, "b");
    assert!(view.ports.iter().all(|port| !port.point_to_point));
    assert_eq!(ports(&mut net, "b"), ["root forwarding", "alternate discarding"]);
}

#[test]
fn guarded_ports_are_shut_and_come_back_by_order() {
    let mut net = triangle();
    net.set("a", |config| {
        config.bridges[0].port_settings =
            vec![("port0".to_owned(), PortConfig { bpdu_guard: true, ..PortConfig::new(0) })];
    });
    net.run(10.0);
    assert_eq!(tree(&mut net, "a").ports[0].inconsistent.as_deref(), Some("BPDU guard"));
    let Answer::Mac(view) = net.ask("a", Query::Mac { bridge: None }) else { panic!("no stations") };
    assert_eq!(view.bridges[0].ports[0].state, "disabled");
    let recover = |port: &str| Query::SpanningTreeRecover { bridge: "br0".into(), port: port.into() };
    let answer = |answer: Answer| match answer {
        Answer::Done(done) => done.message,
        Answer::Error(error) => format!("{:?}: {}", error.kind, error.message),
        other => panic!("{other:?}"),
    };
    let words = answer(net.ask("a", recover("port1")));
    assert_eq!(words, "Invalid: port1 has not been shut by BPDU guard");
    assert_eq!(answer(net.ask("a", recover("port0"))), "port0 is no longer shut");
    let words = answer(net.ask("a", recover("eth7")));
    assert_eq!(words, "NotFound: bridge br0 has no port eth7; it has port0, port1");
    let mcheck = |bridge: &str| Query::SpanningTreeMcheck { bridge: bridge.into(), port: "port0".into() };
    assert_eq!(answer(net.ask("a", mcheck("br1"))), "NotFound: no bridge br1; there is br0");
    let words = answer(net.ask("a", mcheck("br0")));
    assert_eq!(words, "port0 sends RSTP, and listens whether STP is heard");
    let events = net.events.iter().filter_map(|(node, event)| match event {
        EventKind::SpanningTree { message, .. } if *node == 0 => Some(message.as_str()),
        _ => None,
    });
    let guard: Vec<&str> = events.filter(|message| message.contains("BPDU guard")).collect();
    assert!(guard[0].starts_with("port0: shut by BPDU guard"), "{guard:?}");
    assert_eq!(guard[1], "port0: released by BPDU guard");
}

#[test]
fn the_speed_of_a_link_makes_its_cost() {
    let mut net = Net::new(vec![rstp("a", 2, 4096)], &[]);
    for (port, speed) in [(0, Some(100)), (1, None)] {
        let mac = mac(0, PortId(port));
        let input =
            NodeInput::Port { port: PortId(port), up: true, mac, mtu: 1500, speed, full_duplex: None };
        net.with(0, |node, now, out| node.handle(now, input, out));
    }
    let costs: Vec<u32> = tree(&mut net, "a").ports.iter().map(|port| port.path_cost).collect();
    assert_eq!(costs, [200_000, 2000]);
}
