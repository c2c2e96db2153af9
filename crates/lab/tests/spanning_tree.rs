//! Spanning tree in the lab: rings become trees, heal in time, and nothing goes round.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::net::Ipv4Addr;
use trunkline_core::{Duration, Instant, MacAddr};
use trunkline_lab::link::LinkConfig;
use trunkline_lab::sim::{Asked, Lab, LinkIndex, NodeIndex, Observer};
use trunkline_node::config::{BridgeConfig, InterfaceConfig, Kind, NodeConfig, PortKind};
use trunkline_stp::{Config, Protocol};
use trunkline_view::probe::PingQuery;
use trunkline_view::stp::TreeView;
use trunkline_view::{Answer, Query};

/// The answers to pings: when each came, and how many replies there were.
#[derive(Default)]
struct Ear(Vec<(Instant, u32)>);

impl Observer for Ear {
    fn answer(&mut self, at: Instant, _: &str, _: u64, answer: Answer) {
        if let Answer::Ping(view) = answer {
            self.0.push((at, view.received));
        }
    }
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A switch with ports eth0, eth1 and so on, and its spanning tree.
fn switch(lab: &mut Lab, number: usize, ports: usize, tree: Option<Config>) -> NodeIndex {
    let names: Vec<String> = (0..ports).map(|n| format!("eth{n}")).collect();
    let config = NodeConfig {
        kind: Kind::Switch,
        interfaces: names.iter().map(|name| InterfaceConfig::new(name, PortKind::Simulated)).collect(),
        bridges: vec![BridgeConfig { ports: names, spanning_tree: tree, ..BridgeConfig::new("br0") }],
        ..NodeConfig::new(&format!("s{number}"))
    };
    lab.add_node(config, &mut ()).unwrap()
}

fn host(lab: &mut Lab, last: u8) -> NodeIndex {
    let address = vec![(Ipv4Addr::new(10, 0, 0, last), 24)];
    let interface = InterfaceConfig { address, ..InterfaceConfig::new("eth0", PortKind::Simulated) };
    let config =
        NodeConfig { kind: Kind::Host, interfaces: vec![interface], ..NodeConfig::new(&format!("h{last}")) };
    lab.add_node(config, &mut ()).unwrap()
}

fn cable(lab: &mut Lab, name: &str, ends: [(NodeIndex, &str); 2]) -> LinkIndex {
    let config = LinkConfig { delay: Duration::from_micros(50), ..LinkConfig::new(name) };
    lab.add_link(config, &ends, &mut ()).unwrap()
}

/// A ring of switches, the first of which is the root, with a host (10.0.0.1) at the root and one (10.0.0.2) at the last.
struct Ring {
    lab: Lab,
    switches: Vec<NodeIndex>,
    /// Each leads from the switch of its number to the next.
    cables: Vec<LinkIndex>,
    hosts: [NodeIndex; 2],
}

fn ring(seed: u64, count: usize, protocol: Protocol) -> Ring {
    let mut lab = Lab::new(seed);
    let tree = |number: usize| {
        let priority = if number == 0 { 4096 } else { Config::DEFAULT_PRIORITY };
        Config { priority, ..Config::new(protocol, MacAddr::UNSPECIFIED) }
    };
    let switches: Vec<NodeIndex> = (0..count).map(|n| switch(&mut lab, n, 3, Some(tree(n)))).collect();
    let hosts = [host(&mut lab, 1), host(&mut lab, 2)];
    let cables = (0..count)
        .map(|n| {
            cable(&mut lab, &format!("c{n}"), [(switches[n], "eth1"), (switches[(n + 1) % count], "eth0")])
        })
        .collect();
    cable(&mut lab, "h1", [(hosts[0], "eth0"), (switches[0], "eth2")]);
    cable(&mut lab, "h2", [(hosts[1], "eth0"), (switches[count - 1], "eth2")]);
    Ring { lab, switches, cables, hosts }
}

impl Ring {
    fn run(&mut self, time: Duration) {
        self.lab.run_until(self.lab.now() + time, &mut ());
    }

    fn tree(&mut self, number: usize) -> TreeView {
        match self.lab.query(self.switches[number], Query::SpanningTree { bridge: None }, &mut ()) {
            Asked::Now(Answer::SpanningTree(mut view)) => view.bridges.remove(0),
            other => panic!("{other:?}"),
        }
    }

    /// Of each switch, the states of its ports in the ring.
    fn forwarding(&mut self) -> Vec<[bool; 2]> {
        let states = |tree: TreeView| [0, 1].map(|port| tree.ports[port].state == "forwarding");
        (0..self.switches.len()).map(|number| states(self.tree(number))).collect()
    }

    /// How many ports of the ring do not forward.
    fn closed(&mut self) -> usize {
        self.forwarding().into_iter().flatten().filter(|forwards| !forwards).count()
    }

    /// Replies to pings from one host to the other, 10 ms apart.
    fn pings(&mut self, count: u32) -> u32 {
        let query = PingQuery {
            count,
            interval_ms: 10,
            timeout_ms: 500,
            ..PingQuery::new(Ipv4Addr::new(10, 0, 0, 2))
        };
        let mut ear = Ear::default();
        assert!(matches!(self.lab.query(self.hosts[0], Query::Ping(query), &mut ear), Asked::Later(_)));
        let until = self.lab.now() + millis(u64::from(count) * 10 + 1000);
        self.lab.run_until(until, &mut ear);
        ear.0[0].1
    }
}

#[test]
fn rings_become_trees_and_hosts_reach_one_another() {
    for (count, seed) in [(3, 1), (3, 2), (4, 3), (7, 4), (20, 5)] {
        let mut ring = ring(seed, count, Protocol::Rstp);
        ring.run(Duration::from_secs(20));
        assert_eq!(ring.closed(), 1, "{count} switches: one port of a ring must not forward");
        let root = ring.tree(0).id;
        assert!((0..count).all(|number| ring.tree(number).root == root));
        assert_eq!(ring.pings(5), 5);
    }
}

#[test]
fn a_broadcast_does_not_go_round() {
    let mut ring = ring(1, 5, Protocol::Rstp);
    ring.run(Duration::from_secs(20));
    let before = ring.lab.statistics().hops;
    assert_eq!(ring.pings(1), 1);
    // ARP's request to all of six cables, its reply, an echo and its reply, and the BPDUs of two seconds.
    let hops = ring.lab.statistics().hops - before;
    assert!(hops < 60, "{hops}");
}

#[test]
fn without_spanning_tree_it_does() {
    // That the test above can fail.
    let mut lab = Lab::new(1);
    let switches: Vec<NodeIndex> = (0..3).map(|n| switch(&mut lab, n, 3, None)).collect();
    let asks = host(&mut lab, 1);
    for n in 0..3 {
        cable(&mut lab, &format!("c{n}"), [(switches[n], "eth1"), (switches[(n + 1) % 3], "eth0")]);
    }
    cable(&mut lab, "h", [(asks, "eth0"), (switches[0], "eth2")]);
    let ping = PingQuery { count: 1, ..PingQuery::new(Ipv4Addr::new(10, 0, 0, 2)) };
    let _ = lab.query(asks, Query::Ping(ping), &mut ());
    lab.run_until(Instant::ZERO + millis(100), &mut ());
    assert!(lab.statistics().hops > 1000, "{:?}", lab.statistics());
}

#[test]
fn any_cable_may_break_and_traffic_goes_on_within_a_second() {
    for cut in 0..6 {
        for seed in 1..=3 {
            let mut ring = ring(seed, 6, Protocol::Rstp);
            ring.run(Duration::from_secs(20));
            assert_eq!(ring.pings(1), 1);
            ring.lab.cut(ring.cables[cut], &mut ());
            ring.run(millis(900));
            assert_eq!(ring.pings(5), 5, "cable {cut}, seed {seed}");
            assert_eq!(ring.closed(), 2, "cable {cut}, seed {seed}: but for its ends all are open");
            ring.lab.restore(ring.cables[cut], &mut ());
            ring.run(Duration::from_secs(10));
            assert_eq!(ring.closed(), 1, "cable {cut}, seed {seed}");
            assert_eq!(ring.pings(5), 5);
        }
    }
}

#[test]
fn the_root_may_fail() {
    let mut ring = ring(1, 5, Protocol::Rstp);
    ring.run(Duration::from_secs(20));
    ring.lab.crash(ring.switches[0], &mut ());
    ring.run(Duration::from_secs(60));
    let roots: Vec<_> = (1..5).map(|number| ring.tree(number).root).collect();
    assert!(roots.iter().all(|root| *root == roots[0] && root.priority == 32_768), "{roots:?}");
    ring.lab.start(ring.switches[0], &mut ()).unwrap();
    ring.run(Duration::from_secs(20));
    assert_eq!(ring.tree(3).root.priority, 4096);
    assert_eq!(ring.closed(), 1);
    assert_eq!(ring.pings(5), 5);
}

#[test]
fn a_link_tells_its_speed_and_whether_it_is_shared() {
    let mut lab = Lab::new(1);
    let tree = Config::new(Protocol::Rstp, MacAddr::UNSPECIFIED);
    let switches: Vec<NodeIndex> = (0..3).map(|n| switch(&mut lab, n, 2, Some(tree))).collect();
    let rate = |name: &str, rate| LinkConfig { rate, ..LinkConfig::new(name) };
    let cable = lab.add_link(
        rate("cable", Some(100_000_000)),
        &[(switches[0], "eth0"), (switches[1], "eth0")],
        &mut (),
    );
    let ends: Vec<(NodeIndex, &str)> = switches.iter().map(|switch| (*switch, "eth1")).collect();
    lab.add_link(rate("hub", None), &ends, &mut ()).unwrap();
    let ports = |lab: &mut Lab| {
        let Asked::Now(Answer::SpanningTree(view)) =
            lab.query(switches[0], Query::SpanningTree { bridge: None }, &mut ())
        else {
            panic!("no tree");
        };
        let port = |n: usize| (view.bridges[0].ports[n].path_cost, view.bridges[0].ports[n].point_to_point);
        [port(0), port(1)]
    };
    assert_eq!(ports(&mut lab), [(200_000, true), (2000, false)]);
    lab.set_link(cable.unwrap(), rate("cable", Some(1_000_000_000)), &mut ());
    assert_eq!(ports(&mut lab), [(20_000, true), (2000, false)]);
}
