//! RIP in the lab: a ring and a grid of 30 routers, in which each link fails and comes back.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::{BTreeMap, VecDeque};
use std::net::Ipv4Addr;
use trunkline_core::{Duration, Instant, Prefix};
use trunkline_lab::link::LinkConfig;
use trunkline_lab::sim::{Asked, Lab, LinkIndex, NodeIndex};
use trunkline_node::config::{InterfaceConfig, NodeConfig, PortKind, RipConfig};
use trunkline_rip::SplitHorizon;
use trunkline_view::{Answer, Query, RouteSource};
use trunkline_wire::rip::INFINITY;

/// Routers, and links between two of them.
struct Network {
    lab: Lab,
    nodes: Vec<NodeIndex>,
    links: Vec<(LinkIndex, usize, usize)>,
    up: Vec<bool>,
}

/// What each router is called by: 10.255.0.N.
fn loopback(router: usize) -> Ipv4Addr {
    Ipv4Addr::new(10, 255, 0, router as u8 + 1)
}

/// Router `n` has an interface `ethL` for each of its links `L`, and RIP on all.
fn network(seed: u64, routers: usize, links: &[(usize, usize)]) -> Network {
    let mut lab = Lab::new(seed);
    let nodes: Vec<NodeIndex> =
        (0..routers).map(|n| lab.add_node(router(n, links), &mut ()).unwrap()).collect();
    let lay = |(number, &(a, b)): (usize, &(usize, usize))| {
        let name = format!("eth{number}");
        let config = LinkConfig { delay: Duration::from_millis(1), ..LinkConfig::new(&name) };
        let ends = [(nodes[a], name.as_str()), (nodes[b], name.as_str())];
        (lab.add_link(config, &ends, &mut ()).unwrap(), a, b)
    };
    let links: Vec<(LinkIndex, usize, usize)> = links.iter().enumerate().map(lay).collect();
    let up = vec![true; links.len()];
    Network { lab, nodes, links, up }
}

fn router(number: usize, links: &[(usize, usize)]) -> NodeConfig {
    let mut config = NodeConfig::new(&format!("r{number}"));
    let mut rip = RipConfig::new();
    let mut add = |name: String, port, address| {
        rip.machine.interfaces.insert(
            name.clone(),
            trunkline_rip::InterfaceConfig {
                split_horizon: SplitHorizon::PoisonedReverse,
                ..trunkline_rip::InterfaceConfig::default()
            },
        );
        config
            .interfaces
            .push(InterfaceConfig { address: vec![address], ..InterfaceConfig::new(&name, port) });
    };
    for (number_of_link, &(a, b)) in links.iter().enumerate() {
        let host = match number {
            n if n == a => 1,
            n if n == b => 2,
            _ => continue,
        };
        let address = Ipv4Addr::new(10, 1, number_of_link as u8, host);
        add(format!("eth{number_of_link}"), PortKind::Simulated, (address, 30));
    }
    add("lo0".to_owned(), PortKind::Loopback, (loopback(number), 32));
    NodeConfig { rip: Some(rip), ..config }
}

impl Network {
    /// The metrics to the others' loopbacks, as RIP counts: one for the loopback itself, one for each hop.
    fn right(&self, from: usize) -> BTreeMap<usize, u32> {
        let mut metric = BTreeMap::from([(from, 1)]);
        let mut queue = VecDeque::from([from]);
        while let Some(at) = queue.pop_front() {
            let next = metric[&at] + 1;
            for (_, &(_, a, b)) in self.up.iter().zip(&self.links).filter(|(up, _)| **up) {
                let other = if a == at {
                    b
                } else if b == at {
                    a
                } else {
                    continue;
                };
                if next < u32::from(INFINITY) && !metric.contains_key(&other) {
                    metric.insert(other, next);
                    queue.push_back(other);
                }
            }
        }
        metric.remove(&from);
        metric
    }

    /// The same as the routing table has it.
    fn found(&mut self, from: usize) -> BTreeMap<usize, u32> {
        let query = Query::Routes { prefix: None, cursor: 0, limit: 10_000 };
        let Asked::Now(Answer::Routes(view)) = self.lab.query(self.nodes[from], query, &mut ()) else {
            panic!("no routes");
        };
        let loopbacks = view.routes.iter().filter(|route| route.selected && route.source == RouteSource::Rip);
        let number =
            |prefix: Prefix| (0..self.nodes.len()).find(|n| Prefix::host(loopback(*n).into()) == prefix);
        loopbacks.filter_map(|route| Some((number(route.prefix)?, route.metric))).collect()
    }

    fn is_right(&mut self) -> bool {
        (0..self.nodes.len()).all(|n| self.right(n) == self.found(n))
    }

    /// Lets time go by until all tables are right; how long that took.
    fn settle(&mut self, what: &str) -> Duration {
        let begin = self.lab.now();
        while self.lab.now().since(begin) < Duration::from_secs(400) {
            self.lab.run_until(self.lab.now() + Duration::from_millis(250), &mut ());
            if self.is_right() {
                return self.lab.now().since(begin);
            }
        }
        panic!("{what}: not settled after 400 s");
    }

    /// Each link fails and comes back; the longest it took until all tables were right after a failure, and after a repair.
    fn each_link_fails(&mut self) -> (Duration, Duration) {
        self.lab.run_until(Instant::from_secs(60), &mut ());
        self.settle("at the start");
        let mut longest = (Duration::ZERO, Duration::ZERO);
        for number in 0..self.links.len() {
            let link = self.links[number].0;
            self.lab.cut(link, &mut ());
            self.up[number] = false;
            longest.0 = longest.0.max(self.settle(&format!("without link {number}")));
            self.lab.restore(link, &mut ());
            self.up[number] = true;
            longest.1 = longest.1.max(self.settle(&format!("with link {number} again")));
        }
        longest
    }
}

/// A triggered update waits 1 to 5 s after one before (RFC 2453 §3.10.1), at each hop; no way has more than 15.
const TRIGGERED: Duration = Duration::from_secs(15 * 5);

#[test]
fn a_ring_of_30_heals_as_fast_as_triggered_updates_go() {
    let links: Vec<(usize, usize)> = (0..30).map(|n| (n, (n + 1) % 30)).collect();
    let longest = network(1, 30, &links).each_link_fails();
    println!("ring: {longest:?}");
    assert!(longest.0 <= TRIGGERED && longest.1 <= TRIGGERED, "{longest:?}");
}

#[test]
fn a_grid_of_30_heals_as_fast_as_triggered_updates_go() {
    let at = |row: usize, column: usize| row * 6 + column;
    let rows = (0..5).flat_map(|row| (0..5).map(move |column| (at(row, column), at(row, column + 1))));
    let columns = (0..4).flat_map(|row| (0..6).map(move |column| (at(row, column), at(row + 1, column))));
    let links: Vec<(usize, usize)> = rows.chain(columns).collect();
    assert_eq!(links.len(), 49);
    let longest = network(1, 30, &links).each_link_fails();
    println!("grid: {longest:?}");
    assert!(longest.0 <= TRIGGERED && longest.1 <= TRIGGERED, "{longest:?}");
}
