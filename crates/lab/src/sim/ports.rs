//! Ports and carriers: which cable is in which port, and who knows that it works.

use super::node::Jack;
use super::{EndState, Lab, LabError, NodeIndex, Observer};
use crate::digest::Digest;
use trunkline_core::{MacAddr, PortId};
use trunkline_node::NodeInput;

/// The largest IP packet that a link carries, octets: that of jumbo frames. Nodes have their own limit.
const MTU: u32 = 9216;

impl Lab {
    /// The first octets of a node's MAC addresses: locally administered (IEEE 802-2014 §8.4), then three of the name.
    /// Where another node has them, the next that are free.
    pub(super) fn choose_mac_prefix(&self, name: &str) -> [u8; 4] {
        let hash = Digest::of(name.as_bytes()).value();
        for attempt in 0..=self.nodes.len() as u64 {
            let [a, b, c, ..] = hash.wrapping_add(attempt).to_le_bytes();
            let prefix = [2, a, b, c];
            if self.nodes.iter().all(|node| node.mac_prefix != prefix) {
                return prefix;
            }
        }
        [2, 0, 0, 0]
    }

    /// Looks which ports a node has now, and tells it the state of each where they are others than before. A cable whose
    /// port is gone waits for one of the same name.
    pub(super) fn find_ports(&mut self, node: NodeIndex, observer: &mut dyn Observer) {
        let state = &mut self.nodes[node.index()];
        let [a, b, c, d] = state.mac_prefix;
        let mut jacks = Vec::new();
        for interface in state.config.owned_ports() {
            // The last octets count the ports in the order in which they first were there.
            let known = state.known_ports.iter().position(|name| *name == interface.name);
            let number = known.unwrap_or_else(|| {
                state.known_ports.push(interface.name.clone());
                state.known_ports.len() - 1
            });
            let [high, low] = (number as u16).to_be_bytes();
            let mac = MacAddr([a, b, c, d, high, low]);
            jacks.push(Jack { interface: interface.name.clone(), mac, plugged: None });
        }
        let names = |jacks: &[Jack]| jacks.iter().map(|jack| jack.interface.clone()).collect::<Vec<_>>();
        if state.knows_ports && names(&jacks) == names(&state.jacks) {
            return;
        }
        state.knows_ports = true;
        for (link, state) in self.links.iter_mut().enumerate() {
            for (number, end) in state.ends.iter_mut().enumerate().filter(|(_, end)| end.node == node.0) {
                let place = jacks.iter().position(|jack| jack.interface == end.interface);
                end.port = place.map(|place| PortId(place as u32));
                end.up &= place.is_some();
                if let Some(place) = place {
                    jacks[place].plugged = Some((link as u32, number as u32));
                }
            }
        }
        let states: Vec<bool> =
            jacks.iter().map(|jack| jack.plugged.is_some_and(|end| self.has_carrier(end))).collect();
        self.nodes[node.index()].jacks = jacks;
        for (number, up) in states.into_iter().enumerate() {
            self.tell_port(node.0, Some(PortId(number as u32)), up, observer);
        }
    }

    fn has_carrier(&self, (link, end): (u32, u32)) -> bool {
        self.links[link as usize].ends[end as usize].up
    }

    /// Puts an end of a link into a port.
    pub(super) fn plug(&mut self, node: NodeIndex, interface: &str, end: (u32, u32)) -> Result<(), LabError> {
        let none = || LabError::NoSuchNode(format!("number {}", node.index()));
        let state = self.nodes.get_mut(node.index()).ok_or_else(none)?;
        let free = |jack: &&mut Jack| jack.interface == interface && jack.plugged.is_none();
        let Some(jack) = state.jacks.iter_mut().find(free) else {
            return Err(LabError::NoSuchInterface(state.config.name.clone(), interface.to_owned()));
        };
        jack.plugged = Some(end);
        Ok(())
    }

    pub(super) fn unplug(&mut self, node: NodeIndex, interface: &str) {
        let jacks = self.nodes.get_mut(node.index()).map(|state| &mut state.jacks);
        jacks.into_iter().flatten().filter(|j| j.interface == interface).for_each(|j| j.plugged = None);
    }

    /// Tells the nodes of a link whether they have a carrier, where that is news to them.
    ///
    /// An end of a cable has one while the link is whole and the other end is a port that is enabled, of a node that
    /// runs; of a hub, while the link is whole.
    pub(super) fn tell_carriers(&mut self, link: u32, observer: &mut dyn Observer) {
        let Some(state) = self.links.get(link as usize) else { return };
        let alive: Vec<bool> = state.ends.iter().map(|end| self.is_alive(end.node, &end.interface)).collect();
        let is_cable = alive.len() == 2;
        for number in 0..alive.len() {
            let others = !is_cable || alive[1 - number];
            let state = &mut self.links[link as usize];
            let up = !state.cut && others && self.nodes[state.ends[number].node as usize].node.is_some();
            let end = &mut state.ends[number];
            let news = end.up != up;
            end.up = up;
            if news {
                let (node, port) = (end.node, end.port);
                self.tell_port(node, port, up, observer);
            }
        }
    }

    /// As [`Lab::tell_carriers`] for all links of a node. What it has been told before it does not know any more where
    /// it is new.
    pub(super) fn tell_carriers_of(&mut self, node: NodeIndex, observer: &mut dyn Observer) {
        let links: Vec<(u32, u32)> =
            self.nodes[node.index()].jacks.iter().filter_map(|jack| jack.plugged).collect();
        for (link, _) in links {
            self.tell_carriers(link, observer);
        }
    }

    fn is_alive(&self, node: u32, interface: &str) -> bool {
        let state = &self.nodes[node as usize];
        let enabled = state.config.interfaces.iter().any(|i| i.name == interface && i.enabled);
        state.node.is_some() && enabled
    }

    /// The nodes of a link hear of it as it is now.
    pub(super) fn tell_link(&mut self, link: u32, observer: &mut dyn Observer) {
        for end in 0..self.links[link as usize].ends.len() {
            let EndState { node, port, up, .. } = self.links[link as usize].ends[end];
            self.tell_port(node, port, up, observer);
        }
    }

    /// Tells a node how a port of it is: its carrier, its speed, and whether it is a cable's, so that both ends may send
    /// at once.
    fn tell_port(&mut self, node: u32, port: Option<PortId>, up: bool, observer: &mut dyn Observer) {
        let Some(port) = port else { return };
        let Some(jack) = self.nodes[node as usize].jacks.get(port.index()) else { return };
        let (mac, link) = (jack.mac, jack.plugged.and_then(|(link, _)| self.links.get(link as usize)));
        // In Mbit/s, at least one.
        let speed = link.and_then(|link| link.config.rate);
        let speed = speed.map(|rate| u32::try_from(rate / 1_000_000).unwrap_or(u32::MAX).max(1));
        let full_duplex = link.map(|link| link.ends.len() <= 2);
        self.tell(node, NodeInput::Port { port, up, mac, mtu: MTU, speed, full_duplex }, observer);
    }
}
