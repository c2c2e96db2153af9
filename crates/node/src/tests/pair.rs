//! Two whole nodes that peer with one another over a connection made of queues.

use super::{a, fixed, hop, interface, p};
use crate::config::{ApiConfig, FibConfig, NodeConfig};
use crate::{FibChange, Node, NodeInput, NodeOutput};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use trunkline_bgp::config::{Config, NeighborConfig};
use trunkline_bgp::policy::Policy;
use trunkline_bgp::transport::{TcpAction, TcpError, TcpEvent};
use trunkline_core::{Asn, ConnId, Duration, Instant, Outbox};
use trunkline_view::{Answer, Query, RouteSource};

/// Of the pair, r1 is 192.0.2.1 in AS 65001, r2 192.0.2.2 in AS 65002.
fn node(number: u8) -> Node {
    let (us, them) = (Asn(65000 + u32::from(number)), Asn(65000 + u32::from(3 - number)));
    let mut neighbor = NeighborConfig::new(address(3 - number), them, us);
    neighbor.passive = number == 2;
    (neighbor.import, neighbor.export) = (Policy::Accept, Policy::Accept);
    let bgp = Config {
        networks: vec![p("203.0.113.7/32"), p("10.9.0.0/16")],
        neighbors: vec![Arc::new(neighbor)],
        ..Config::new(us, Ipv4Addr::UNSPECIFIED, format!("r{number}"))
    };
    let config = NodeConfig {
        api: ApiConfig { socket: "/tmp/x.sock".into(), listen: Vec::new() },
        fib: FibConfig { install: number == 1, table: 254, metric: 32 },
        bgp: Some(bgp),
        bgp_listen: Vec::new(),
        ..NodeConfig::new(&format!("r{number}"))
    };
    let subnet = format!("192.0.2.{number}/24");
    let interfaces =
        vec![interface("lo", true, &["127.0.0.1/8"]), interface("eth0", true, &[subnet.as_str()])];
    Node::new(config, interfaces, u64::from(number), "0.1").unwrap()
}

fn address(number: u8) -> IpAddr {
    Ipv4Addr::new(192, 0, 2, number).into()
}

/// Both nodes, the connections between them, and r1's kernel.
struct Pair {
    now: Instant,
    nodes: [Node; 2],
    out: [Outbox<NodeOutput>; 2],
    /// The other end of each connection.
    ends: [BTreeMap<ConnId, ConnId>; 2],
    accepted: u64,
    kernel: BTreeMap<String, Vec<crate::FibNextHop>>,
}

impl Pair {
    fn started() -> Pair {
        let mut pair = Pair {
            now: Instant::from_secs(1),
            nodes: [node(1), node(2)],
            out: [Outbox::new(), Outbox::new()],
            ends: [BTreeMap::new(), BTreeMap::new()],
            accepted: 0,
            kernel: BTreeMap::new(),
        };
        for side in 0..2 {
            pair.nodes[side].start(pair.now, &mut pair.out[side]);
        }
        pair
    }

    fn feed(&mut self, side: usize, input: NodeInput<'_>) {
        self.nodes[side].handle(self.now, input, &mut self.out[side]);
    }

    /// Lets time pass.
    fn run(&mut self, seconds: u32) {
        for _ in 0..seconds * 10 {
            self.now += Duration::from_millis(100);
            for _ in 0..100 {
                self.carry_out();
                let now = self.now;
                let due = |node: &Node| node.poll_timeout().is_some_and(|at| at <= now);
                let Some(side) = self.nodes.iter().position(due) else { break };
                self.nodes[side].handle_timeout(self.now, &mut self.out[side]);
            }
        }
    }

    fn carry_out(&mut self) {
        while let Some(side) = self.out.iter().position(|o| !o.is_empty()) {
            match self.out[side].pop() {
                Some(NodeOutput::Tcp(action)) => self.tcp(side, action),
                Some(NodeOutput::Fib(FibChange::Replace { prefix, next_hops })) if side == 0 => {
                    self.kernel.insert(prefix.to_string(), next_hops);
                }
                Some(NodeOutput::Fib(FibChange::Remove { prefix })) if side == 0 => {
                    assert!(self.kernel.remove(&prefix.to_string()).is_some(), "{prefix}");
                }
                Some(NodeOutput::Fib(change)) => panic!("r2 does not install: {change:?}"),
                _ => {}
            }
        }
    }

    fn tcp(&mut self, side: usize, action: TcpAction) {
        let other = 1 - side;
        match action {
            TcpAction::Connect { conn, remote, .. } => {
                let local = SocketAddr::new(address(side as u8 + 1), 40_000 + self.accepted as u16);
                let theirs = ConnId::incoming(self.accepted);
                self.accepted += 1;
                self.ends[side].insert(conn, theirs);
                self.ends[other].insert(theirs, conn);
                let event = TcpEvent::Incoming { local: remote, remote: local };
                self.feed(other, NodeInput::Tcp { conn: theirs, event });
                self.feed(side, NodeInput::Tcp { conn, event: TcpEvent::Connected { local, remote } });
            }
            TcpAction::Transmit(conn) => self.transmit(side, conn),
            TcpAction::Close { conn, .. } => {
                self.transmit(side, conn);
                if let Some(theirs) = self.ends[side].remove(&conn) {
                    self.ends[other].remove(&theirs);
                    let event = TcpEvent::Closed(TcpError::EndOfStream);
                    self.feed(other, NodeInput::Tcp { conn: theirs, event });
                }
            }
            TcpAction::Configure { .. } | TcpAction::ListenerKey { .. } => {}
        }
    }

    fn transmit(&mut self, side: usize, conn: ConnId) {
        let mut octets = Vec::new();
        loop {
            let mut chunk = Vec::new();
            let more = self.nodes[side].poll_transmit(self.now, conn, 65_536, &mut chunk);
            octets.extend(chunk);
            if !more {
                break;
            }
        }
        let Some(theirs) = self.ends[side].get(&conn).copied() else { return };
        if !octets.is_empty() {
            self.feed(side, NodeInput::Tcp { conn, event: TcpEvent::Written { pending: false } });
            self.feed(1 - side, NodeInput::Tcp { conn: theirs, event: TcpEvent::Bytes(&octets) });
        }
    }

    fn kernel(&self) -> Vec<(&str, &[crate::FibNextHop])> {
        self.kernel.iter().map(|(prefix, hops)| (prefix.as_str(), hops.as_slice())).collect()
    }
}

#[test]
fn what_one_node_announces_comes_into_the_kernel_of_the_other() {
    let mut pair = Pair::started();
    pair.run(20);
    assert_eq!(pair.kernel(), [], "r2 has none of its networks yet");
    // Its loopback gets the address, and r1 the route.
    let lo = |up| NodeInput::Interface(interface("lo", up, &["127.0.0.1/8", "203.0.113.7/32"]));
    pair.feed(1, lo(true));
    pair.run(40);
    let way = [hop("192.0.2.2", "eth0")];
    assert_eq!(pair.kernel(), [("203.0.113.7/32", &way[..])]);
    // r1's table shows it.
    let query = Query::Routes { prefix: Some(p("203.0.113.7/32")), cursor: 0, limit: 10 };
    pair.feed(0, NodeInput::Query { id: 1, query });
    let Some(NodeOutput::Answer { answer: Answer::Routes(view), .. }) = pair.out[0].pop() else { panic!() };
    assert_eq!((view.routes[0].source, view.routes[0].installed), (RouteSource::Bgp, true));
    assert_eq!(view.routes[0].next_hops[0].gateway, Some(a("192.0.2.2")));
    // The loopback is shut down, and comes back.
    pair.feed(1, lo(false));
    pair.run(40);
    assert_eq!(pair.kernel(), []);
    pair.feed(1, lo(true));
    pair.run(40);
    assert_eq!(pair.kernel(), [("203.0.113.7/32", &way[..])]);
    // r1 gets a static route to the same, which wins, and loses it again.
    let before = pair.nodes[0].config().clone();
    let mut with_static = before.clone();
    with_static.static_routes = vec![fixed("203.0.113.7/32", &[], 1)];
    pair.nodes[0].reconfigure(pair.now, with_static, &mut pair.out[0]);
    pair.run(1);
    assert_eq!(pair.kernel(), [("203.0.113.7/32", &[][..])]);
    pair.nodes[0].reconfigure(pair.now, before.clone(), &mut pair.out[0]);
    pair.run(1);
    assert_eq!(pair.kernel(), [("203.0.113.7/32", &way[..])]);
    // Installing ends, and begins again.
    let mut off = before.clone();
    off.fib.install = false;
    pair.nodes[0].reconfigure(pair.now, off, &mut pair.out[0]);
    pair.run(1);
    assert_eq!(pair.kernel(), []);
    pair.nodes[0].reconfigure(pair.now, before, &mut pair.out[0]);
    pair.run(1);
    assert_eq!(pair.kernel(), [("203.0.113.7/32", &way[..])]);
    // r2 ends.
    pair.nodes[1].shutdown(pair.now, &mut pair.out[1]);
    pair.run(1);
    assert_eq!(pair.kernel(), []);
}

#[test]
fn a_node_that_ends_or_loses_its_bgp_leaves_nothing_in_the_kernel() {
    for ends in [true, false] {
        let mut pair = Pair::started();
        pair.feed(1, NodeInput::Interface(interface("lo", true, &["203.0.113.7/32"])));
        pair.run(40);
        assert_eq!(pair.kernel.len(), 1);
        if ends {
            pair.nodes[0].shutdown(pair.now, &mut pair.out[0]);
        } else {
            let without = NodeConfig { bgp: None, ..pair.nodes[0].config().clone() };
            let done = pair.nodes[0].reconfigure(pair.now, without, &mut pair.out[0]);
            assert_eq!(done.changes, ["bgp removed"]);
        }
        pair.run(1);
        assert_eq!(pair.kernel(), []);
        let query = Query::BgpNeighbors { address: None };
        pair.feed(1, NodeInput::Query { id: 1, query });
        let Some(NodeOutput::Answer { answer: Answer::BgpNeighbors(view), .. }) = pair.out[1].pop() else {
            panic!()
        };
        let said = &view.neighbors[0].errors;
        assert!(said.iter().any(|e| e.message.contains("6/2")), "the Cease came through: {said:?}");
    }
}

fn with_redistribute(mut config: NodeConfig, static_too: bool) -> NodeConfig {
    use trunkline_bgp::config::Redistribute;
    let source = if static_too { RouteSource::Static } else { RouteSource::Connected };
    config.bgp.as_mut().unwrap().redistribute =
        vec![Redistribute { source, med: None, policy: Policy::Accept }];
    config
}

#[test]
fn bgp_tells_its_routes_again_when_installing_begins_though_they_are_redistributed() {
    let mut pair = Pair::started();
    let lo = |up| NodeInput::Interface(interface("lo", up, &["127.0.0.1/8", "203.0.113.7/32"]));
    pair.feed(1, lo(true));
    pair.run(40);
    let way = [hop("192.0.2.2", "eth0")];
    let before = with_redistribute(pair.nodes[0].config().clone(), true);
    pair.nodes[0].reconfigure(pair.now, before.clone(), &mut pair.out[0]);
    pair.run(5);
    assert_eq!(pair.kernel(), [("203.0.113.7/32", &way[..])]);
    let mut off = before.clone();
    off.fib.install = false;
    pair.nodes[0].reconfigure(pair.now, off, &mut pair.out[0]);
    pair.run(1);
    assert_eq!(pair.kernel(), []);
    pair.nodes[0].reconfigure(pair.now, before, &mut pair.out[0]);
    pair.run(20);
    assert_eq!(pair.kernel(), [("203.0.113.7/32", &way[..])]);
}

#[test]
fn withdrawals_that_wait_survive_a_reload_that_redistributes_bgp() {
    use crate::config::{RipConfig, RipRedistribute};
    let mut pair = Pair::started();
    let mut many = with_redistribute(pair.nodes[1].config().clone(), true);
    many.static_routes =
        (0..20_000u32).map(|n| fixed(&format!("20.{}.{}.0/24", n >> 8, n & 255), &[], 1)).collect();
    pair.nodes[1].reconfigure(pair.now, many.clone(), &mut pair.out[1]);
    pair.run(60);
    assert_eq!(pair.kernel.len(), 20_000);
    let mut none = many.clone();
    none.static_routes.clear();
    pair.nodes[1].reconfigure(pair.now, none, &mut pair.out[1]);
    let mut left = 0;
    for _ in 0..2000 {
        pair.now += Duration::from_millis(10);
        pair.carry_out();
        let now = pair.now;
        pair.nodes[1].handle_timeout(now, &mut pair.out[1]);
        pair.carry_out();
        if pair.kernel.len() < 20_000 {
            left = pair.kernel.len();
            break;
        }
        pair.nodes[0].handle_timeout(now, &mut pair.out[0]);
    }
    assert!(left > 0);
    let mut config = pair.nodes[0].config().clone();
    let mut rip = RipConfig::new();
    rip.redistribute = vec![RipRedistribute { source: RouteSource::Bgp, metric: 1, tag: 0, filter: None }];
    config.rip = Some(rip);
    pair.nodes[0].reconfigure(pair.now, config, &mut pair.out[0]);
    pair.run(120);
    assert_eq!(pair.kernel.len(), 0);
}
