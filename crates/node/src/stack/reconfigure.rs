//! Brings the stack in step with a configuration: at the start, and by difference when it changes.

use super::bridges::BridgeState;
use super::interface::{FIRST_INDEX, Interface};
use super::links::{Link, Port, Role};
use super::plan::{self, Defaults, Planned, PlannedLink};
use super::sockets::Server;
use super::{Said, Stack};
use crate::config::{BridgeConfig, InterfaceConfig, NodeConfig};
use crate::spanning_tree::differences;
use crate::{InterfaceChange, NodeOutput};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use trunkline_arp::Arp;
use trunkline_bridge::PortState;
use trunkline_core::{Instant, Outbox, PortId};
use trunkline_ip as ip;
use trunkline_tcp::{Closed, SocketId};

impl Stack {
    /// Changes to another configuration; says in words what is different.
    pub(crate) fn reconfigure(
        &mut self,
        now: Instant,
        (before, config): (&NodeConfig, &NodeConfig),
        out: &mut Outbox<NodeOutput>,
    ) -> Vec<String> {
        let mut changes = Vec::new();
        let ip_config = plan::ip_config(config);
        if plan::ip_config(before) != ip_config {
            let _ = self.ip.reconfigure(now, &ip_config, &mut self.ip_out);
        }
        if before.kind != config.kind {
            changes.push(format!("kind is {:?} (was {:?})", config.kind, before.kind).to_lowercase());
        }
        if before.services != config.services {
            changes.push("services changed".to_owned());
        }
        changes.extend(self.apply_with(now, config, out));
        self.work(now, out);
        changes
    }

    /// Before anything has begun.
    pub(super) fn apply(&mut self, now: Instant, config: &NodeConfig) {
        // With all ports down nothing goes out.
        let _ = self.apply_with(now, config, &mut Outbox::new());
    }

    fn apply_with(&mut self, now: Instant, config: &NodeConfig, out: &mut Outbox<NodeOutput>) -> Vec<String> {
        let bridges = plan::bridges(config);
        let planned = plan::interfaces(config, &bridges);
        let defaults = Defaults::of(config);
        self.leave_ports(&planned);
        self.leave_addresses(now, &planned, out);
        let mut changes = self.remove_interfaces(now, &planned);
        changes.extend(self.remove_bridges(&bridges));
        for wanted in &planned {
            changes.extend(self.set_interface(now, wanted, defaults, out));
        }
        for bridge in &bridges {
            changes.extend(self.set_bridge(now, bridge));
        }
        self.connect_ports(now, &planned);
        for number in 0..self.interfaces.len() {
            self.refresh(now, number, out);
        }
        for number in 0..self.bridges.len() {
            self.refresh_bridge(now, number, out);
        }
        changes.extend(self.set_listeners(now, &listeners(config)));
        changes
    }

    /// Ports whose places others take are down: nobody may hear there what is meant for them.
    fn leave_ports(&mut self, planned: &[Planned]) {
        for (number, port) in self.ports.iter_mut().enumerate() {
            let link = PlannedLink::Port(PortId(number as u32));
            port.up &= planned.iter().any(|wanted| wanted.link == link && wanted.config.name == port.name);
        }
    }

    /// Connections from addresses that go are reset while the peers can still be told.
    fn leave_addresses(&mut self, now: Instant, planned: &[Planned], out: &mut Outbox<NodeOutput>) {
        let has = |config: &InterfaceConfig, member: bool, address: Ipv4Addr| {
            config.enabled && !member && config.address.iter().any(|(own, _)| *own == address)
        };
        let stays = |address| planned.iter().any(|p| has(&p.config, p.member_of.is_some(), address));
        let before = self.interfaces.iter().flatten().filter(|i| i.config.enabled && !i.member);
        let addresses = before.flat_map(|interface| &interface.config.address);
        let gone: Vec<Ipv4Addr> =
            addresses.map(|(address, _)| *address).filter(|address| !stays(*address)).collect();
        if !gone.is_empty() {
            self.abort_from(now, &gone);
            self.work(now, out);
        }
    }

    /// Resets connections with one of these addresses as our end.
    pub(super) fn abort_from(&mut self, now: Instant, gone: &[Ipv4Addr]) {
        let of_it = self.tcp.connections(now).filter(|connection| gone.contains(&connection.local.0));
        let ids: Vec<SocketId> = of_it.map(|connection| connection.id).collect();
        for id in ids {
            self.socket_closed(now, id, Closed::Unreachable);
            let _ = self.tcp.abort(now, id, &mut self.tcp_out);
            self.tcp_touched = true;
        }
    }

    fn number_of(&self, name: &str) -> Option<usize> {
        let is_it = |i: &Option<Interface>| i.as_ref().is_some_and(|i| i.config.name == name);
        self.interfaces.iter().position(is_it)
    }

    pub(super) fn bridge_number(&self, name: &str) -> Option<usize> {
        let is_it = |b: &Option<BridgeState>| b.as_ref().is_some_and(|b| b.config.name == name);
        self.bridges.iter().position(is_it)
    }

    /// Interfaces that are not wanted any more, or not as what they are.
    fn remove_interfaces(&mut self, now: Instant, planned: &[Planned]) -> Vec<String> {
        let mut changes = Vec::new();
        for number in 0..self.interfaces.len() {
            let Some(interface) = &self.interfaces[number] else { continue };
            let stays = planned.iter().any(|wanted| {
                let same_link = match (wanted.link, interface.link) {
                    (PlannedLink::Port(wanted), Link::Port(port)) => wanted == port,
                    (PlannedLink::Bridge, Link::Bridge(_)) => true,
                    (PlannedLink::Loopback, Link::Loopback) => true,
                    _ => false,
                };
                wanted.config.name == interface.config.name
                    && same_link
                    && wanted.member_of.is_some() == interface.member
            });
            if stays {
                continue;
            }
            changes.push(format!("interface {} removed", interface.config.name));
            self.interfaces[number] = None;
            let id = PortId(number as u32);
            self.ip.handle(now, ip::Input::Interface { id, config: None }, &mut self.ip_out);
            let index = FIRST_INDEX + id.0;
            self.said.push(Said::Interface(InterfaceChange::Gone { index }));
        }
        changes
    }

    fn remove_bridges(&mut self, wanted: &[BridgeConfig]) -> Vec<String> {
        let mut changes = Vec::new();
        for slot in &mut self.bridges {
            let gone = slot.as_ref().filter(|b| !wanted.iter().any(|w| w.name == b.config.name));
            if let Some(state) = gone {
                changes.push(format!("bridge {} removed", state.config.name));
                *slot = None;
            }
        }
        changes
    }

    /// Makes an interface, or changes what is different.
    fn set_interface(
        &mut self,
        now: Instant,
        wanted: &Planned,
        defaults: Defaults,
        out: &mut Outbox<NodeOutput>,
    ) -> Option<String> {
        let name = &wanted.config.name;
        if let Some(number) = self.number_of(name) {
            let before = self.interfaces[number].as_ref().map(|interface| interface.config.clone())?;
            self.reconfigure_interface(now, number, (wanted.config.clone(), defaults), out);
            let change = difference(&before, &wanted.config)?;
            return Some(format!("interface {name}: {change}"));
        }
        let number = self.interfaces.iter().position(Option::is_none).unwrap_or_else(|| {
            self.interfaces.push(None);
            self.interfaces.len() - 1
        });
        let link = match wanted.link {
            PlannedLink::Port(port) => Link::Port(port),
            PlannedLink::Loopback => Link::Loopback,
            PlannedLink::Bridge => Link::Bridge(self.bridge_number(name).unwrap_or_else(|| {
                let place = self.bridges.iter().position(Option::is_none);
                let place = place.unwrap_or_else(|| {
                    self.bridges.push(None);
                    self.bridges.len() - 1
                });
                let seed = self.rng.next_u64();
                self.bridges[place] = Some(BridgeState::new(BridgeConfig::new(name), number, seed));
                place
            })),
        };
        let member = wanted.member_of.is_some();
        let mut interface = Interface::new(wanted.config.clone(), defaults, link, member);
        if !member && link != Link::Loopback {
            let mut arp = Arp::new(defaults.arp(&wanted.config), self.rng.fork());
            arp.watch(self.watched);
            interface.arp = Some(arp);
        }
        // A port that had another role tells nothing anew. Of one that takes the place of another nothing is known.
        if let Link::Port(port) = link
            && let Some(port) = self.ports.get(port.index()).filter(|port| port.name == *name)
        {
            let link = port.state;
            (interface.carrier, interface.port_mac, interface.port_mtu) = (link.up, link.mac, link.mtu);
        }
        self.interfaces[number] = Some(interface);
        Some(format!("interface {name} added"))
    }

    fn set_bridge(&mut self, now: Instant, wanted: &BridgeConfig) -> Option<String> {
        let number = self.bridge_number(&wanted.name)?;
        let own = self.number_of(&wanted.name)?;
        let state = self.bridges.get_mut(number)?.as_mut()?;
        state.interface = own;
        if state.config == *wanted {
            return None;
        }
        let before = std::mem::replace(&mut state.config, wanted.clone());
        if before.ageing_time != wanted.ageing_time {
            state.bridge.set_ageing_time(now, wanted.ageing_time);
        }
        state.set_tree(now);
        let words = differences(&before, wanted);
        (!words.is_empty()).then(|| format!("bridge {}: {}", wanted.name, words.join(", ")))
    }

    /// Who gets the frames of each port.
    fn connect_ports(&mut self, now: Instant, planned: &[Planned]) {
        let mut count = 0;
        for wanted in planned {
            let PlannedLink::Port(id) = wanted.link else { continue };
            count += 1;
            let Some(interface) = self.number_of(&wanted.config.name) else { continue };
            let bridge = wanted.member_of.as_deref().and_then(|name| self.bridge_number(name));
            let role = bridge.map_or(Role::Interface(interface), Role::Bridge);
            match self.ports.get_mut(id.index()) {
                Some(port) if port.name == wanted.config.name => {
                    (port.role, port.interface) = (role, interface);
                }
                Some(port) => *port = Port::new(&wanted.config.name, role, interface),
                None => self.ports.push(Port::new(&wanted.config.name, role, interface)),
            }
        }
        self.ports.truncate(count);
        for (number, slot) in self.bridges.iter_mut().enumerate() {
            let Some(state) = slot else { continue };
            let is_member =
                |id: PortId| self.ports.get(id.index()).is_some_and(|port| port.role == Role::Bridge(number));
            let gone: Vec<PortId> = state.bridge.ports().filter(|id| !is_member(*id)).collect();
            for id in gone {
                state.bridge.set_port_state(now, id, PortState::Discarding);
                state.bridge.remove_port(id);
            }
            for id in (0..self.ports.len() as u32).map(PortId).filter(|id| is_member(*id)) {
                if state.bridge.port_state(id).is_none() {
                    state.bridge.add_port(id, PortState::Discarding);
                }
            }
        }
        for number in 0..self.bridges.len() {
            self.tree_ports(now, number);
        }
    }
}

/// What listens where: BGP, and the services.
fn listeners(config: &NodeConfig) -> BTreeMap<(u16, Option<Ipv4Addr>), Server> {
    let mut wanted = BTreeMap::new();
    for service in &config.services {
        wanted.insert((service.port, None), Server::Service(service.kind));
    }
    for listen in config.bgp_listen.iter().filter(|_| config.bgp.is_some()) {
        if let IpAddr::V4(address) = listen.ip() {
            let address = (!address.is_unspecified()).then_some(address);
            wanted.insert((listen.port(), address), Server::Speaker);
        }
    }
    wanted
}

/// What is different, in words.
fn difference(before: &InterfaceConfig, after: &InterfaceConfig) -> Option<String> {
    let mut words = Vec::new();
    if before.enabled != after.enabled {
        words.push(if after.enabled { "enabled".to_owned() } else { "disabled".to_owned() });
    }
    for (address, length) in after.address.iter().filter(|a| !before.address.contains(a)) {
        words.push(format!("address {address}/{length} added"));
    }
    for (address, length) in before.address.iter().filter(|a| !after.address.contains(a)) {
        words.push(format!("address {address}/{length} removed"));
    }
    let rest = InterfaceConfig { enabled: after.enabled, address: after.address.clone(), ..before.clone() };
    if rest != *after {
        words.push("settings changed".to_owned());
    }
    (!words.is_empty()).then(|| words.join(", "))
}
