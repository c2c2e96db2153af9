//! Who is connected with whom: hosts, links, and what lies between, as the configuration has it.

use super::{Failure, Fault, MAX_HOSTS, Trouble};
use crate::scenario::Scenario;
use crate::sim::Sight;
use std::net::Ipv4Addr;
use trunkline_node::config::{Kind, NodeConfig};

/// A host that probes go to and from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Host {
    pub(super) name: String,
    /// The first of its interfaces that is on a link.
    pub(super) interface: String,
    pub(super) link: usize,
    pub(super) end: usize,
    pub(super) address: Option<Ipv4Addr>,
}

/// An end of a link.
#[derive(Debug, Clone)]
struct End {
    node: usize,
    interface: String,
    enabled: bool,
    /// The bridge whose port it is, counted in its node.
    bridge: Option<usize>,
}

#[derive(Debug, Clone)]
struct Station {
    name: String,
    routes: bool,
}

/// See the module.
#[derive(Debug, Clone)]
pub(super) struct Topology {
    stations: Vec<Station>,
    links: Vec<(String, Vec<End>)>,
    /// By link, the number of the first of its directions.
    first_lines: Vec<u32>,
    pub(super) hosts: Vec<Host>,
    pub(super) hosts_left_out: usize,
}

/// Which links are connected with which, after a failure.
#[derive(Debug, Clone)]
pub(super) struct Reach {
    /// By link, the number of its part of the network; none: it carries nothing.
    parts: Vec<Option<usize>>,
    /// By node, the part that its bridges are in.
    bridges: Vec<Option<usize>>,
}

impl Topology {
    pub(super) fn new(scenario: &Scenario) -> Result<Topology, Trouble> {
        let station =
            |node: &NodeConfig| Station { name: node.name.clone(), routes: node.kind == Kind::Router };
        let number = |name: &str| scenario.nodes.iter().position(|node| node.name == name);
        let mut links = Vec::new();
        let (mut first_lines, mut lines) = (Vec::new(), 0);
        for link in &scenario.links {
            let ends = link.ends.iter().filter_map(|end| {
                let node = number(&end.node)?;
                let config = &scenario.nodes[node];
                let interface = config.interfaces.iter().find(|i| i.name == end.interface);
                let enabled = interface.is_some_and(|interface| interface.enabled);
                let bridge = bridge_of(config, &end.interface);
                Some(End { node, interface: end.interface.clone(), enabled, bridge })
            });
            links.push((link.name.clone(), ends.collect::<Vec<_>>()));
            first_lines.push(lines);
            lines += link.ends.len() as u32;
        }
        let stations = scenario.nodes.iter().map(station).collect();
        let mut topology = Topology { stations, links, first_lines, hosts: Vec::new(), hosts_left_out: 0 };
        let hosts = scenario.nodes.iter().enumerate().filter(|(_, node)| node.kind == Kind::Host);
        let mut hosts: Vec<Host> = hosts.filter_map(|(place, node)| topology.host(place, node)).collect();
        if hosts.len() < 2 {
            return Err(Trouble::NoHosts);
        }
        topology.hosts_left_out = hosts.len().saturating_sub(MAX_HOSTS);
        hosts.truncate(MAX_HOSTS);
        topology.hosts = hosts;
        Ok(topology)
    }

    fn host(&self, place: usize, node: &NodeConfig) -> Option<Host> {
        node.interfaces.iter().find_map(|interface| {
            let is_it = |end: &End| end.node == place && end.interface == interface.name;
            let mut links = self.links.iter().enumerate();
            let (link, end) =
                links.find_map(|(link, (_, ends))| Some((link, ends.iter().position(is_it)?)))?;
            let address = interface.address.first().map(|(address, _)| *address);
            Some(Host { name: node.name.clone(), interface: interface.name.clone(), link, end, address })
        })
    }

    /// The direction of a link that a frame goes into, and which end of the link that is.
    pub(super) fn line(&self, sight: &Sight<'_>) -> Option<(u32, usize)> {
        let (_, ends) = self.links.get(sight.link.index())?;
        let is_it =
            |end: &End| end.interface == sight.interface && self.stations[end.node].name == sight.node;
        let end = ends.iter().position(is_it)?;
        Some((self.first_lines[sight.link.index()] + end as u32, end))
    }

    /// The number of a node.
    pub(super) fn node(&self, name: &str) -> Option<usize> {
        self.stations.iter().position(|station| station.name == name)
    }

    /// The name of a node.
    pub(super) fn name(&self, node: usize) -> &str {
        self.stations.get(node).map_or("", |station| station.name.as_str())
    }

    /// What is connected after a failure: by bridges alone, or by routers too.
    pub(super) fn reach(&self, failure: Option<&Failure>, routers: bool) -> Reach {
        let fails = |fault: Fault| failure.is_some_and(|failure| failure.faults.contains(&fault));
        let up: Vec<bool> =
            self.stations.iter().map(|station| !fails(Fault::Node(station.name.clone()))).collect();
        let mut parts: Vec<Option<usize>> = Vec::new();
        for (number, (name, ends)) in self.links.iter().enumerate() {
            let alive = |end: &End| end.enabled && up[end.node];
            let carrier = if ends.len() == 2 { ends.iter().all(alive) } else { ends.iter().any(alive) };
            parts.push((carrier && !fails(Fault::Link(name.clone()))).then_some(number));
        }
        // Each node that carries puts the parts of its links together, until there is nothing left to do.
        for node in (0..self.stations.len()).filter(|node| up[*node]) {
            let mut joined: Vec<(Option<usize>, usize)> = Vec::new();
            for (number, (_, ends)) in self.links.iter().enumerate() {
                let mine = ends.iter().filter(|end| end.node == node && end.enabled);
                for end in mine {
                    // A router's interfaces are all one; so are its bridges, each of which has an interface.
                    let group = if routers && self.stations[node].routes { None } else { end.bridge };
                    let carries = group.is_some() || routers && self.stations[node].routes;
                    if carries && parts[number].is_some() {
                        joined.push((group, number));
                    }
                }
            }
            for (place, (group, link)) in joined.iter().enumerate() {
                let first = joined[..place].iter().find(|(other, _)| other == group);
                if let Some((_, first)) = first {
                    let (keep, gone) = (parts[*first], parts[*link]);
                    parts.iter_mut().filter(|part| **part == gone).for_each(|part| *part = keep);
                }
            }
        }
        let bridges = (0..self.stations.len()).map(|node| {
            let mut links = self.links.iter().zip(&parts);
            let has = |ends: &[End]| ends.iter().any(|end| end.node == node && end.bridge.is_some());
            links.find_map(|((_, ends), part)| part.filter(|_| up[node] && has(ends)))
        });
        let bridges = bridges.collect();
        Reach { parts, bridges }
    }
}

impl Reach {
    /// Whether frames or packets can get from one host to the other at all.
    pub(super) fn connects(&self, from: &Host, to: &Host) -> bool {
        let part = |host: &Host| self.parts.get(host.link).copied().flatten();
        part(from).is_some() && part(from) == part(to)
    }

    /// As [`Reach::connects`] for the bridges of two nodes.
    pub(super) fn bridges_connect(&self, one: usize, other: usize) -> bool {
        let part = |node: usize| self.bridges.get(node).copied().flatten();
        one == other || part(one).is_some() && part(one) == part(other)
    }
}

/// The bridge that an interface is a port of. A switch that names none has one of all ports without an address.
fn bridge_of(config: &NodeConfig, interface: &str) -> Option<usize> {
    if config.bridges.is_empty() && config.kind == Kind::Switch {
        let mut ports = config.owned_ports();
        return ports.any(|port| port.name == interface && port.address.is_empty()).then_some(0);
    }
    config.bridges.iter().position(|bridge| bridge.ports.iter().any(|port| port == interface))
}
