//! RIP on interfaces of the kernel: what the driver is told to do, and what it brings in.

use super::{a, fixed, index, interface, p};
use crate::config::{FibConfig, NodeConfig, RipConfig};
use crate::{FibChange, Node, NodeInput, NodeOutput, RipAction};
use std::net::Ipv4Addr;
use trunkline_core::{Instant, Outbox};
use trunkline_rip::InterfaceConfig;
use trunkline_wire::rip::{Command, Entry, MULTICAST, Message};

const PEER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);

fn start(interfaces: &[&str]) -> (Node, Vec<NodeOutput>) {
    let mut rip = RipConfig::new();
    for name in interfaces {
        rip.machine.interfaces.insert((*name).to_owned(), InterfaceConfig::default());
    }
    let config = NodeConfig {
        rip: Some(rip),
        fib: FibConfig { install: true, table: 254, metric: 32 },
        ..NodeConfig::new("r")
    };
    let there = vec![interface("eth0", true, &["10.0.0.1/24"]), interface("eth1", true, &["10.0.1.1/24"])];
    let mut node = Node::new(config, there, 1, "test").unwrap();
    let out = with(&mut node, |node, out| node.start(Instant::from_secs(1), out));
    (node, out)
}

fn with(node: &mut Node, act: impl FnOnce(&mut Node, &mut Outbox<NodeOutput>)) -> Vec<NodeOutput> {
    let mut out = Outbox::new();
    act(node, &mut out);
    out.drain().collect()
}

fn response(entries: &[(&str, u8)]) -> Vec<u8> {
    let entry = |(prefix, metric): &(&str, u8)| match p(prefix) {
        trunkline_core::Prefix::V4(prefix) => Entry::v2(prefix, 0, Ipv4Addr::UNSPECIFIED, *metric),
        other => panic!("{other}"),
    };
    let message = Message {
        command: Command::Response,
        version: 2,
        unused: 0,
        entries: entries.iter().map(entry).collect(),
        authentication: None,
    };
    let mut octets = Vec::new();
    message.emit(&mut octets);
    octets
}

fn hear(node: &mut Node, at: u64, entries: &[(&str, u8)]) -> Vec<NodeOutput> {
    let octets = response(entries);
    let input = NodeInput::Rip { interface: index("eth0"), source: PEER, source_port: 520, octets: &octets };
    with(node, |node, out| node.handle(Instant::from_secs(at), input, out))
}

fn fib(out: &[NodeOutput]) -> Vec<String> {
    let words = |output: &NodeOutput| match output {
        NodeOutput::Fib(FibChange::Replace { prefix, next_hops }) => {
            let hop = &next_hops[0];
            Some(format!("+{prefix} {} {}", hop.gateway.unwrap(), hop.interface))
        }
        NodeOutput::Fib(FibChange::Remove { prefix }) => Some(format!("-{prefix}")),
        _ => None,
    };
    out.iter().filter_map(words).collect()
}

fn groups(out: &[NodeOutput]) -> Vec<(u32, bool)> {
    let group = |output: &NodeOutput| match output {
        NodeOutput::Rip(RipAction::Group { interface, join }) => Some((*interface, *join)),
        _ => None,
    };
    out.iter().filter_map(group).collect()
}

fn sent(out: &[NodeOutput]) -> Vec<(u32, Ipv4Addr, Ipv4Addr, u16)> {
    let send = |output: &NodeOutput| match output {
        NodeOutput::Rip(RipAction::Send { interface, source, destination, port, .. }) => {
            Some((*interface, *source, *destination, *port))
        }
        _ => None,
    };
    out.iter().filter_map(send).collect()
}

#[test]
fn the_group_is_joined_first_and_left_with_the_configuration() {
    let (mut node, out) = start(&["eth0"]);
    assert_eq!(groups(&out), [(index("eth0"), true)]);
    let own = Ipv4Addr::new(10, 0, 0, 1);
    assert_eq!(sent(&out)[0], (index("eth0"), own, MULTICAST, 520), "the first request");
    let joined = out.iter().position(|o| matches!(o, NodeOutput::Rip(RipAction::Group { .. })));
    let asked = out.iter().position(|o| matches!(o, NodeOutput::Rip(RipAction::Send { .. })));
    assert!(joined < asked, "the answer to the first request would be missed");

    let mut config = node.config().clone();
    let rip = config.rip.as_mut().unwrap();
    let moved = rip.machine.interfaces.remove("eth0").unwrap();
    rip.machine.interfaces.insert("eth1".to_owned(), moved);
    let out = with(&mut node, |node, out| drop(node.reconfigure(Instant::from_secs(2), config, out)));
    assert_eq!(groups(&out), [(index("eth0"), false), (index("eth1"), true)]);
    let asked = out.iter().position(|o| matches!(o, NodeOutput::Rip(RipAction::Send { .. })));
    assert_eq!(sent(&out).iter().map(|s| s.0).collect::<Vec<_>>(), [index("eth1")]);
    assert!(asked > Some(1), "after the groups");
}

#[test]
fn routes_are_installed_and_vanish_with_the_interface() {
    let (mut node, _) = start(&["eth0", "eth1"]);
    let out = hear(&mut node, 2, &[("192.0.2.0/24", 1), ("10.0.1.0/24", 1)]);
    assert_eq!(fib(&out), ["+192.0.2.0/24 10.0.0.2 1"], "a subnet of our own stays with the kernel");
    let out = hear(&mut node, 3, &[("192.0.2.0/24", 16)]);
    assert_eq!(fib(&out), ["-192.0.2.0/24"]);
    let out = hear(&mut node, 4, &[("192.0.2.0/24", 3)]);
    assert_eq!(fib(&out), ["+192.0.2.0/24 10.0.0.2 1"]);
    let down = NodeInput::Interface(interface("eth0", false, &["10.0.0.1/24"]));
    let out = with(&mut node, |node, out| node.handle(Instant::from_secs(5), down, out));
    assert_eq!(fib(&out), ["-192.0.2.0/24"]);
    assert_eq!(groups(&out), [(index("eth0"), false)]);
    let up = NodeInput::Interface(interface("eth0", true, &["10.0.0.1/24"]));
    let out = with(&mut node, |node, out| node.handle(Instant::from_secs(6), up, out));
    assert_eq!(groups(&out), [(index("eth0"), true)]);
    hear(&mut node, 7, &[("192.0.2.0/24", 3)]);
    // A static route goes before it, and gives way again.
    let mut config = node.config().clone();
    config.static_routes.push(fixed("192.0.2.0/24", &["10.0.1.9"], 1));
    let out = with(&mut node, |node, out| drop(node.reconfigure(Instant::from_secs(8), config, out)));
    assert_eq!(fib(&out), ["+192.0.2.0/24 10.0.1.9 2"]);
    let mut config = node.config().clone();
    config.static_routes.clear();
    let out = with(&mut node, |node, out| drop(node.reconfigure(Instant::from_secs(9), config, out)));
    assert_eq!(fib(&out), ["+192.0.2.0/24 10.0.0.2 1"]);
    // The end: the kernel is left, the neighbours hear of it.
    let out = with(&mut node, |node, out| node.shutdown(Instant::from_secs(10), out));
    assert_eq!(fib(&out), ["-192.0.2.0/24"]);
    assert!(!sent(&out).is_empty());
}

#[test]
fn bgp_next_hops_are_found_through_rip() {
    let (mut node, _) = start(&["eth0"]);
    hear(&mut node, 2, &[("192.0.2.0/24", 4)]);
    let next_hop = a("192.0.2.7");
    node.routing.track(next_hop);
    let told = node.routing.told.pop();
    let expected = trunkline_bgp::NextHopState { metric: 5, connected: false };
    assert_eq!(told, Some(crate::routing::Told::NextHop(next_hop, Some(expected))));
}

#[test]
fn neighbors_of_one_interface_do_not_crowd_out_those_of_another() {
    let (mut node, _) = start(&["eth0", "eth1"]);
    let mut config = node.config().clone();
    let rip = config.rip.as_mut().unwrap();
    rip.machine.limits.neighbors = 20;
    rip.machine.interfaces.get_mut("eth0").unwrap().passive = true;
    rip.machine.interfaces.get_mut("eth0").unwrap().filter_in = Some(Default::default());
    with(&mut node, |node, out| drop(node.reconfigure(Instant::from_secs(2), config, out)));
    for at in 3..23_u64 {
        let octets = response(&[]);
        let source = Ipv4Addr::new(10, 0, 0, 50 + at as u8);
        let input = NodeInput::Rip { interface: index("eth0"), source, source_port: 520, octets: &octets };
        with(&mut node, |node, out| node.handle(Instant::from_secs(at), input, out));
    }
    let octets = response(&[("192.0.2.0/24", 1)]);
    let source = Ipv4Addr::new(10, 0, 1, 2);
    let input = NodeInput::Rip { interface: index("eth1"), source, source_port: 520, octets: &octets };
    let out = with(&mut node, |node, out| node.handle(Instant::from_secs(30), input, out));
    assert_eq!(fib(&out), ["+192.0.2.0/24 10.0.1.2 2"], "{out:?}");
}
