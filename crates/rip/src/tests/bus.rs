//! A network of routers on simulated LANs, and what shortest paths say of it.

use super::*;
use std::collections::{BTreeMap, BTreeSet};
use trunkline_wire::rip::{INFINITY, MULTICAST};

/// A router: its machine, its place on LANs, its routing table.
pub(super) struct Node {
    pub(super) rip: Rip,
    /// The LANs it is on; the place is the interface's number.
    pub(super) lans: Vec<usize>,
    /// Which of its interfaces are up.
    pub(super) up: Vec<bool>,
    pub(super) table: BTreeMap<Ipv4Prefix, RouteInfo>,
}

/// What goes wrong on the way, in thousandths.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Faults {
    pub(super) loss: u64,
    pub(super) duplication: u64,
    /// Datagrams that come up to 800 ms late.
    pub(super) reordering: u64,
}

struct Flight {
    to: usize,
    interface: InterfaceId,
    source: Ipv4Addr,
    port: u16,
    octets: Arc<[u8]>,
}

pub(super) struct Bus {
    pub(super) nodes: Vec<Node>,
    /// LANs that are cut: nothing gets through, and nobody is told.
    pub(super) cut: BTreeSet<usize>,
    pub(super) now: Instant,
    pub(super) faults: Faults,
    pub(super) rng: Rng,
    config: Config,
    /// Where interfaces have another name, and so another configuration: `slow`.
    slow: Option<usize>,
    lan_count: usize,
    flights: BTreeMap<(Instant, u64), Flight>,
    /// When each router wants to be called.
    wakes: BTreeMap<usize, Instant>,
    sequence: u64,
    pub(super) datagrams: u64,
    /// The highest metric below 16 that was told, by prefix.
    pub(super) highest: BTreeMap<Ipv4Prefix, u8>,
}

/// The subnet of a LAN: 10.x.y.0/24.
pub(super) fn subnet(lan: usize) -> Ipv4Prefix {
    Ipv4Prefix::from_bits(0x0a00_0000 | ((lan as u32 + 1) << 8), 24)
}

fn address(lan: usize, node: usize) -> Ipv4Addr {
    Ipv4Addr::from_bits(subnet(lan).bits() | (node as u32 + 1))
}

impl Bus {
    /// Routers on the LANs that each has listed; `config` is for all, its one interface `if` for all interfaces.
    pub(super) fn new(nodes: &[Vec<usize>], config: Config, seed: u64) -> Bus {
        Bus::with_slow(nodes, config, None, seed)
    }

    /// On one LAN the interfaces are called `slow`.
    pub(super) fn with_slow(nodes: &[Vec<usize>], config: Config, slow: Option<usize>, seed: u64) -> Bus {
        let lan_count = nodes.iter().flatten().max().map_or(0, |most| most + 1);
        let mut bus = Bus {
            nodes: Vec::new(),
            cut: BTreeSet::new(),
            now: Instant::ZERO,
            faults: Faults::default(),
            rng: Rng::new(seed),
            config,
            slow,
            lan_count,
            flights: BTreeMap::new(),
            wakes: BTreeMap::new(),
            sequence: 0,
            datagrams: 0,
            highest: BTreeMap::new(),
        };
        for lans in nodes {
            let rip = bus.machine();
            let up = vec![true; lans.len()];
            bus.nodes.push(Node { rip, lans: lans.clone(), up, table: BTreeMap::new() });
        }
        (0..nodes.len()).for_each(|n| bus.start(n));
        bus
    }

    /// The machine's clock is the bus's, its sequence numbers start from it.
    fn machine(&mut self) -> Rip {
        let wall = 1_000_000 + (self.now.as_nanos() / 1_000_000_000) as u32;
        Rip::new(self.now, self.config.clone(), wall, self.rng.fork())
    }

    fn start(&mut self, n: usize) {
        for at in 0..self.nodes[n].lans.len() {
            self.tell_interface(n, at);
        }
    }

    fn tell_interface(&mut self, n: usize, at: usize) {
        let node = &mut self.nodes[n];
        let addresses = [(address(node.lans[at], n), 24)];
        let id = InterfaceId(at as u32);
        let mut out = Outbox::new();
        let name = if self.slow == Some(node.lans[at]) { "slow" } else { "if" };
        let input = Input::Interface { id, name, up: node.up[at], addresses: &addresses, mtu: 1500 };
        node.rip.handle(self.now, input, &mut out);
        self.carry(n, out);
    }

    /// A router loses all that it knows and starts again.
    pub(super) fn restart(&mut self, n: usize) {
        self.nodes[n].rip = self.machine();
        self.nodes[n].table.clear();
        self.start(n);
    }

    /// Sets one of a router's interfaces up or down.
    pub(super) fn set_interface(&mut self, n: usize, at: usize, up: bool) {
        self.nodes[n].up[at] = up;
        self.tell_interface(n, at);
    }

    /// Sets all interfaces on a LAN.
    pub(super) fn set_lan(&mut self, lan: usize, up: bool) {
        for n in 0..self.nodes.len() {
            for at in 0..self.nodes[n].lans.len() {
                if self.nodes[n].lans[at] == lan {
                    self.set_interface(n, at, up);
                }
            }
        }
    }

    pub(super) fn chance(&mut self, thousandths: u64) -> bool {
        self.rng.below(1000) < thousandths
    }

    fn carry(&mut self, n: usize, mut out: Outbox<Output>) {
        while let Some(output) = out.pop() {
            match output {
                Output::Route { prefix, route: Some(route) } => {
                    drop(self.nodes[n].table.insert(prefix, route))
                }
                Output::Route { prefix, route: None } => {
                    assert!(self.nodes[n].table.remove(&prefix).is_some(), "{prefix} was not there");
                }
                Output::Send { interface, source, destination, port, octets, .. } => {
                    self.transmit(n, interface, (source, destination, port), octets);
                }
                Output::Event(_) => {}
            }
        }
        match self.nodes[n].rip.poll_timeout() {
            Some(at) => drop(self.wakes.insert(n, at)),
            None => drop(self.wakes.remove(&n)),
        }
    }

    fn transmit(
        &mut self,
        n: usize,
        from: InterfaceId,
        (source, to, port): (Ipv4Addr, Ipv4Addr, u16),
        octets: Arc<[u8]>,
    ) {
        for entry in Message::parse(&octets).unwrap().message.entries {
            if let Some(prefix) = entry.prefix().filter(|_| entry.metric() < INFINITY) {
                let highest = self.highest.entry(prefix).or_default();
                *highest = (*highest).max(entry.metric());
            }
        }
        let lan = self.nodes[n].lans[from.0 as usize];
        for other in 0..self.nodes.len() {
            let Some(at) = self.nodes[other].lans.iter().position(|on| *on == lan) else { continue };
            if other == n || (to != MULTICAST && to != address(lan, other)) || self.cut.contains(&lan) {
                continue;
            }
            let copies = 1 + usize::from(self.chance(self.faults.duplication));
            for _ in 0..copies {
                if self.chance(self.faults.loss) {
                    continue;
                }
                let late = if self.chance(self.faults.reordering) { self.rng.below(800) } else { 0 };
                let arrives = self.now
                    + Duration::from_micros(1000 + self.rng.below(4000))
                    + Duration::from_millis(late);
                self.sequence += 1;
                let interface = InterfaceId(at as u32);
                let flight = Flight { to: other, interface, source, port, octets: octets.clone() };
                self.flights.insert((arrives, self.sequence), flight);
            }
        }
    }

    /// Runs until `end`.
    pub(super) fn run_until(&mut self, end: Instant) {
        loop {
            let flight = self.flights.keys().next().copied();
            let wake = self.wakes.iter().map(|(n, at)| (*at, *n)).min();
            let next = flight.map(|(at, _)| at).into_iter().chain(wake.map(|(at, _)| at)).min();
            let Some(at) = next.filter(|at| *at <= end) else { break };
            self.now = self.now.max(at);
            let mut out = Outbox::new();
            let n = match flight.filter(|(arrives, _)| *arrives == at) {
                Some(key) => {
                    let Some(flight) = self.flights.remove(&key) else { break };
                    let Flight { to, interface, source, port, octets } = flight;
                    let node = &mut self.nodes[to];
                    if !node.up[interface.0 as usize] || self.cut.contains(&node.lans[interface.0 as usize]) {
                        continue;
                    }
                    self.datagrams += 1;
                    let input = Input::Datagram { interface, source, source_port: port, octets: &octets };
                    node.rip.handle(self.now, input, &mut out);
                    to
                }
                None => {
                    let Some((_, n)) = wake else { break };
                    self.nodes[n].rip.handle_timeout(self.now, &mut out);
                    n
                }
            };
            self.carry(n, out);
        }
        self.now = end;
    }

    pub(super) fn run_for(&mut self, time: Duration) {
        self.run_until(self.now + time);
    }

    fn is_on(&self, n: usize, lan: usize) -> bool {
        let node = &self.nodes[n];
        node.lans.iter().zip(&node.up).any(|(on, up)| *on == lan && *up)
    }

    /// Who has whom as a neighbour.
    fn adjacent(&self) -> Vec<Vec<usize>> {
        let mut adjacent = vec![BTreeSet::new(); self.nodes.len()];
        for lan in (0..self.lan_count).filter(|lan| !self.cut.contains(lan)) {
            let on: Vec<usize> = (0..self.nodes.len()).filter(|n| self.is_on(*n, lan)).collect();
            on.iter().for_each(|n| adjacent[*n].extend(&on));
        }
        adjacent.into_iter().map(|set| set.into_iter().collect()).collect()
    }

    /// The metrics that every router should have for a LAN, by breadth-first search; 16 where there is no way.
    fn shortest(&self, lan: usize, adjacent: &[Vec<usize>]) -> Vec<u8> {
        let mut metrics = vec![INFINITY; self.nodes.len()];
        let mut edge: Vec<usize> = (0..self.nodes.len()).filter(|n| self.is_on(*n, lan)).collect();
        edge.iter().for_each(|n| metrics[*n] = 1);
        for distance in 2..INFINITY {
            let mut next = Vec::new();
            for n in edge.iter().flat_map(|n| &adjacent[*n]) {
                if metrics[*n] == INFINITY {
                    metrics[*n] = distance;
                    next.push(*n);
                }
            }
            edge = next;
        }
        metrics
    }

    /// What of the routing tables is not as shortest paths say; nothing: all is right.
    pub(super) fn wrong(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        let adjacent = self.adjacent();
        for lan in 0..self.lan_count {
            let metrics = self.shortest(lan, &adjacent);
            for (n, wanted) in metrics.iter().enumerate() {
                let found = self.nodes[n].table.get(&subnet(lan));
                let wanted = (2..INFINITY).contains(wanted).then_some(*wanted);
                if found.map(|route| route.metric) != wanted {
                    wrong.push(format!("router {n}, LAN {lan}: {found:?}, wanted {wanted:?}"));
                }
                for hop in found.into_iter().flat_map(|route| &route.next_hops) {
                    // The next router is nearer.
                    let via = self.nodes[n].lans[hop.interface.0 as usize];
                    let next = (0..self.nodes.len()).find(|m| address(via, *m) == hop.address);
                    if next.is_none_or(|m| metrics[m] + 1 != metrics[n] || !self.is_on(m, via)) {
                        wrong.push(format!(
                            "router {n}, LAN {lan}: the next hop {} is no nearer",
                            hop.address
                        ));
                    }
                }
            }
        }
        wrong
    }

    /// The time until all is right and stays so for `quiet`, `limit` at most.
    pub(super) fn settle(&mut self, limit: Duration) -> Duration {
        let start = self.now;
        while self.now < start + limit {
            self.run_for(secs(2));
            if self.wrong().is_empty() {
                return self.now - start;
            }
        }
        panic!("not right after {limit:?}: {:#?}", self.wrong());
    }
}

/// A configuration for [`Bus`].
pub(super) fn everywhere(interface: InterfaceConfig) -> Config {
    let mut config = Config::default();
    config.interfaces.insert("if".into(), interface);
    config
}
