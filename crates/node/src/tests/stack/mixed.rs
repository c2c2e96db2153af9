//! A node that has ports of its own beside interfaces of the kernel's.

use super::super::{a, best, interface, p};
use super::{router, subnet};
use crate::config::{FibConfig, NodeConfig, StaticRoute};
use crate::{FibChange, FibNextHop, Node, NodeInput, NodeOutput};
use std::net::SocketAddr;
use trunkline_bgp::transport::{TcpAction, TcpOptions};
use trunkline_core::{ConnId, Instant, MacAddr, Outbox, PortId};

fn fixed(prefix: &str, via: &str) -> StaticRoute {
    StaticRoute { prefix: p(prefix), via: vec![a(via)], interface: None, distance: 1 }
}

fn config() -> NodeConfig {
    NodeConfig {
        fib: FibConfig { install: true, table: 254, metric: 32 },
        static_routes: vec![fixed("10.8.0.0/16", "192.0.2.9"), fixed("10.9.0.0/16", "198.51.100.9")],
        ..router("r1", &[("veth0", &["198.51.100.1/24"])])
    }
}

/// A node with eth0 of the kernel's, and veth0 of its own.
fn node(config: NodeConfig) -> (Node, Outbox<NodeOutput>) {
    let mut out = Outbox::new();
    let kernel = vec![interface("eth0", true, &["192.0.2.1/24"])];
    let mut node = Node::new(config, kernel, 1, "test").unwrap();
    node.start(Instant::ZERO, &mut out);
    let (port, mac) = (PortId(0), MacAddr([2, 0, 0, 0, 0, 1]));
    node.handle(
        Instant::ZERO,
        NodeInput::Port { port, up: true, mac, mtu: 1500, speed: None, full_duplex: None },
        &mut out,
    );
    (node, out)
}

fn settle(node: &mut Node, out: &mut Outbox<NodeOutput>) -> Vec<FibChange> {
    for _ in 0..10 {
        node.handle_timeout(Instant::ZERO, out);
    }
    let changes = out.drain().filter_map(|output| match output {
        NodeOutput::Fib(change) => Some(change),
        _ => None,
    });
    changes.collect()
}

fn to_kernel() -> FibChange {
    let next_hops = vec![FibNextHop { gateway: Some(a("192.0.2.9")), interface: 1 }];
    FibChange::Replace { prefix: p("10.8.0.0/16"), next_hops }
}

#[test]
fn each_route_goes_to_whom_it_leads_through() {
    let (mut node, mut out) = node(config());
    assert_eq!(settle(&mut node, &mut out), [to_kernel()]);
    assert_eq!(node.routing.why_not_installed(p("10.9.0.0/16")), None);

    // The kernel may have none any more, our own IP keeps its.
    let without = |install| NodeConfig { fib: FibConfig { install, ..config().fib }, ..config() };
    node.reconfigure(Instant::ZERO, without(false), &mut out);
    let removed = FibChange::Remove { prefix: p("10.8.0.0/16") };
    assert_eq!(settle(&mut node, &mut out), std::slice::from_ref(&removed));
    assert_eq!(node.routing.why_not_installed(p("10.9.0.0/16")), None);
    node.reconfigure(Instant::ZERO, without(true), &mut out);
    assert_eq!(settle(&mut node, &mut out), [to_kernel()]);

    // A route that turns from the kernel's interface to ours leaves the kernel.
    let mut turned = config();
    turned.static_routes[0] = fixed("10.8.0.0/16", "198.51.100.9");
    node.reconfigure(Instant::ZERO, turned, &mut out);
    assert_eq!(settle(&mut node, &mut out), [removed]);
}

#[test]
fn routes_of_bgp_too() {
    let (mut node, mut out) = node(config());
    settle(&mut node, &mut out);
    node.routing.bgp_route(p("203.0.113.0/24"), Some(&best(&["192.0.2.7", "198.51.100.7"], 20)));
    let next_hops = vec![FibNextHop { gateway: Some(a("192.0.2.7")), interface: 1 }];
    let expected = FibChange::Replace { prefix: p("203.0.113.0/24"), next_hops };
    assert_eq!(settle(&mut node, &mut out), [expected]);
}

#[test]
fn connections_go_by_the_tcp_of_the_interface() {
    let (mut node, mut out) = node(config());
    let connect = |node: &mut Node, number, remote: &str| {
        let mut out = Outbox::new();
        let remote = SocketAddr::new(a(remote), 179);
        let conn = ConnId::outgoing(number);
        let action = TcpAction::Connect { conn, remote, local: None, options: TcpOptions::default() };
        node.carry_tcp(Instant::ZERO, action, &mut out);
        node.pump(Instant::ZERO, &mut out);
        let kinds = out.drain().map(|output| match output {
            NodeOutput::Tcp(TcpAction::Connect { .. }) => "kernel",
            NodeOutput::Frame { .. } => "frame",
            _ => "other",
        });
        kinds.collect::<Vec<_>>()
    };
    settle(&mut node, &mut out);
    for (number, remote) in
        ["192.0.2.9", "10.8.1.1", "127.0.0.1", "2001:db8::1", "203.0.113.1"].iter().enumerate()
    {
        assert_eq!(connect(&mut node, number as u64, remote), ["kernel"], "{remote}");
    }
    // An ARP request, behind which the SYN waits.
    assert_eq!(connect(&mut node, 8, "198.51.100.9"), ["frame"]);
    assert_eq!(connect(&mut node, 9, "10.9.1.1"), [""; 0]);
}

#[test]
fn a_node_gets_a_stack_while_it_runs() {
    let plain = NodeConfig { interfaces: Vec::new(), ..config() };
    let (mut node, mut out) = node(plain);
    assert_eq!(settle(&mut node, &mut out), [to_kernel()]);
    let mut with = config();
    with.interfaces[0].address.push(subnet("198.51.101.1/24"));
    let done = node.reconfigure(Instant::ZERO, with, &mut out);
    assert_eq!(done.changes, ["interfaces of the node's own added"]);
    let (port, mac) = (PortId(0), MacAddr([2, 0, 0, 0, 0, 1]));
    node.handle(
        Instant::ZERO,
        NodeInput::Port { port, up: true, mac, mtu: 1500, speed: None, full_duplex: None },
        &mut out,
    );
    settle(&mut node, &mut out);
    assert_eq!(node.routing.why_not_installed(p("10.9.0.0/16")), None);
    assert_eq!(node.routing.way_to(a("198.51.101.7")), Some(1_000_000));
}
