//! Interfaces of the node's own: what is known of each, and who must hear when that changes.

use super::frames::FrameCounters;
use super::links::{Link, LinkState, Role};
use super::plan::Defaults;
use super::{Said, Stack};
use crate::config::InterfaceConfig;
use crate::{InterfaceChange, NodeOutput};
use std::net::{IpAddr, Ipv4Addr};
use trunkline_arp::{self as arp, AddressState, Arp};
use trunkline_core::{Frame, Instant, MacAddr, Outbox, PortId};
use trunkline_ip as ip;
use trunkline_view::{Address, AdminState, EventKind, Interface as InterfaceView};
use trunkline_wire::ethernet::{self, EtherType};

/// The index of the first interface in the routing: beyond those of any kernel.
pub(crate) const FIRST_INDEX: u32 = 1_000_000;

/// An interface.
#[derive(Debug)]
pub(super) struct Interface {
    pub(super) config: InterfaceConfig,
    pub(super) defaults: Defaults,
    pub(super) link: Link,
    /// Whether it is a port of a bridge: then it speaks neither ARP nor IP.
    pub(super) member: bool,
    pub(super) carrier: bool,
    pub(super) port_mac: MacAddr,
    pub(super) port_mtu: u32,
    pub(super) up: bool,
    pub(super) arp: Option<Arp>,
    /// What `arp` says of our addresses.
    pub(super) states: Vec<(Ipv4Addr, AddressState)>,
    pub(super) counters: FrameCounters,
    told_arp: Option<(bool, MacAddr)>,
    told_addresses: Vec<(Ipv4Addr, u8)>,
    told_ip: Option<ip::InterfaceConfig>,
    told_routing: Option<InterfaceView>,
}

impl Interface {
    /// An interface without carrier, of which nobody has heard.
    pub(super) fn new(config: InterfaceConfig, defaults: Defaults, link: Link, member: bool) -> Interface {
        Interface {
            config,
            defaults,
            link,
            member,
            carrier: link == Link::Loopback,
            port_mac: MacAddr::UNSPECIFIED,
            port_mtu: u32::MAX,
            up: false,
            arp: None,
            states: Vec::new(),
            counters: FrameCounters::default(),
            told_arp: None,
            told_addresses: Vec::new(),
            told_ip: None,
            told_routing: None,
        }
    }

    /// Its MAC address: as configured, else that of its port.
    #[inline]
    pub(super) fn mac(&self) -> MacAddr {
        self.config.mac.unwrap_or(self.port_mac)
    }

    /// The most octets of a packet.
    pub(super) fn mtu(&self) -> u32 {
        u32::from(self.config.mtu).min(self.port_mtu)
    }

    /// Its addresses that may be used: without duplicate detection all but those that another station has.
    pub(super) fn usable(&self) -> Vec<(Ipv4Addr, u8)> {
        let usable = |address: Ipv4Addr| match self.state_of(address) {
            Some(state) => state == AddressState::Usable,
            None => !self.config.duplicate_detection || self.link == Link::Loopback,
        };
        self.config.address.iter().copied().filter(|(address, _)| usable(*address)).collect()
    }

    /// What ARP says of an address.
    pub(super) fn state_of(&self, address: Ipv4Addr) -> Option<AddressState> {
        self.states.iter().find(|(known, _)| *known == address).map(|(_, state)| *state)
    }

    fn for_ip(&self) -> Option<ip::InterfaceConfig> {
        let mtu = u16::try_from(self.mtu()).unwrap_or(u16::MAX);
        (!self.member).then(|| ip::InterfaceConfig {
            up: self.up,
            mtu,
            // Not those of an interface that is disabled: for IP an address is ours whatever the link does.
            addresses: if self.config.enabled { self.usable() } else { Vec::new() },
            loopback: self.link == Link::Loopback,
            ..self.defaults.ip(&self.config)
        })
    }

    fn for_routing(&self, number: usize) -> InterfaceView {
        let addresses = if self.member { Vec::new() } else { self.usable() };
        let view = |(address, length)| Address { address: IpAddr::V4(address), length };
        InterfaceView {
            index: FIRST_INDEX + number as u32,
            name: self.config.name.clone(),
            admin: if self.config.enabled { AdminState::Up } else { AdminState::Down },
            up: self.up,
            mtu: self.mtu(),
            mac: (self.link != Link::Loopback && self.mac().is_station()).then(|| self.mac().to_string()),
            addresses: addresses.into_iter().map(view).collect(),
        }
    }
}

impl Stack {
    /// The state of a port changed.
    pub(crate) fn port(
        &mut self,
        now: Instant,
        number: PortId,
        link: LinkState,
        out: &mut Outbox<NodeOutput>,
    ) {
        let Some(port) = self.ports.get_mut(number.index()) else { return };
        port.state = link;
        let own = port.interface;
        if let Some(Some(interface)) = self.interfaces.get_mut(own) {
            (interface.carrier, interface.port_mac, interface.port_mtu) = (link.up, link.mac, link.mtu);
        }
        self.refresh(now, own, out);
        self.work(now, out);
    }

    /// Something about an interface may have changed: tells all who must know.
    pub(super) fn refresh(&mut self, now: Instant, number: usize, out: &mut Outbox<NodeOutput>) {
        let Some(Some(interface)) = self.interfaces.get_mut(number) else { return };
        interface.up = interface.config.enabled && interface.carrier;
        let (up, mac, link) = (interface.up, interface.mac(), interface.link);
        let mut bridge = None;
        if let Link::Port(id) = link
            && let Some(port) = self.ports.get_mut(id.index())
        {
            port.up = up;
            if let Role::Bridge(number) = port.role {
                bridge = Some(number);
            }
        }
        if let Some(arp) = &mut interface.arp {
            if interface.told_addresses != interface.config.address {
                // A new address must not be announced with the MAC address of before.
                if interface.told_arp.is_some_and(|told| told != (up, mac)) {
                    arp.handle(now, arp::Input::Link { up: false, address: mac }, &mut self.arp_out);
                }
                interface.told_addresses.clone_from(&interface.config.address);
                interface.states.retain(|(a, _)| interface.told_addresses.iter().any(|(b, _)| a == b));
                arp.handle(now, arp::Input::Addresses(&interface.told_addresses), &mut self.arp_out);
            }
            if interface.told_arp != Some((up, mac)) {
                interface.told_arp = Some((up, mac));
                arp.handle(now, arp::Input::Link { up, address: mac }, &mut self.arp_out);
            }
        }
        // First, so that what ARP says now finds the addresses in use.
        self.refresh_addresses(now, number);
        self.arp_outputs(now, number, out);
        if let Some(bridge) = bridge {
            self.refresh_bridge(now, bridge, out);
        }
    }

    /// IP and the routing hear of an interface as it is now.
    fn refresh_addresses(&mut self, now: Instant, number: usize) {
        let Some(Some(interface)) = self.interfaces.get_mut(number) else { return };
        let id = PortId(number as u32);
        let for_ip = interface.for_ip();
        if interface.told_ip != for_ip {
            interface.told_ip.clone_from(&for_ip);
            for (address, _) in for_ip.iter().flat_map(|config| &config.addresses) {
                let mtu = for_ip.as_ref().map_or(u16::MAX, |config| config.mtu);
                self.tcp.set_interface_mtu(*address, mtu);
            }
            self.ip.handle(now, ip::Input::Interface { id, config: for_ip }, &mut self.ip_out);
        }
        let view = interface.for_routing(number);
        if interface.told_routing.as_ref() != Some(&view) {
            interface.told_routing = Some(view.clone());
            let loopback = interface.link == Link::Loopback;
            self.said.push(Said::Interface(InterfaceChange::Set { interface: view, loopback }));
        }
    }

    /// Another configuration of an interface, whose ARP follows.
    pub(super) fn reconfigure_interface(
        &mut self,
        now: Instant,
        number: usize,
        (config, defaults): (InterfaceConfig, Defaults),
        out: &mut Outbox<NodeOutput>,
    ) {
        let Some(Some(interface)) = self.interfaces.get_mut(number) else { return };
        let wanted = defaults.arp(&config);
        let changed = interface.defaults.arp(&interface.config) != wanted;
        (interface.config, interface.defaults) = (config, defaults);
        if let Some(arp) = interface.arp.as_mut().filter(|_| changed) {
            arp.reconfigure(now, wanted, &mut self.arp_out);
            self.arp_outputs(now, number, out);
        }
    }

    /// Carries out what the ARP of an interface wants.
    pub(super) fn arp_outputs(&mut self, now: Instant, number: usize, out: &mut Outbox<NodeOutput>) {
        let mut addresses_changed = false;
        while let Some(output) = self.arp_out.pop() {
            match output {
                arp::Output::Arp { destination, arp } => {
                    let mut octets = Vec::with_capacity(ethernet::MIN_LEN);
                    octets.resize(ethernet::LEN, 0);
                    arp.emit(&mut octets);
                    ethernet::pad(&mut octets);
                    self.link_send(now, number, destination, EtherType::ARP, Frame::from(octets), out);
                }
                arp::Output::Packet { destination, packet } => {
                    self.link_send(now, number, destination, EtherType::IPV4, packet, out);
                }
                arp::Output::Unreachable { packet, .. } => {
                    let interface = PortId(number as u32);
                    self.ip.handle(now, ip::Input::Unreachable { interface, packet }, &mut self.ip_out);
                }
                arp::Output::Proxy(request) => {
                    let ingress = PortId(number as u32);
                    let answer = self.ip.proxy_target(ingress, request.requester, request.target);
                    self.arp_handle(now, number, arp::Input::ProxyAnswer { request, answer });
                }
                arp::Output::Address { address, state } => {
                    let Some(Some(interface)) = self.interfaces.get_mut(number) else { continue };
                    interface.states.retain(|(known, _)| *known != address);
                    interface.states.push((address, state));
                    addresses_changed = true;
                    // RFC 5227 §2.4: connections of an address that is given up are reset.
                    if matches!(state, AddressState::Conflict { .. }) {
                        self.abort_from(now, &[address]);
                    }
                }
                arp::Output::Event(event) => {
                    let interface = self.name_of(number);
                    self.tell(|| EventKind::Arp { interface, message: event.to_string() });
                }
            }
        }
        if addresses_changed {
            self.refresh_addresses(now, number);
        }
        self.note_arp(number);
    }

    /// Tells the ARP of an interface something; [`Stack::arp_outputs`] is to follow.
    pub(super) fn arp_handle(&mut self, now: Instant, number: usize, input: arp::Input<'_>) {
        if let Some(Some(interface)) = self.interfaces.get_mut(number)
            && let Some(arp) = &mut interface.arp
        {
            arp.handle(now, input, &mut self.arp_out);
        }
    }

    pub(super) fn arp_timeout(&mut self, now: Instant, number: usize, out: &mut Outbox<NodeOutput>) {
        if let Some(Some(interface)) = self.interfaces.get_mut(number)
            && let Some(arp) = &mut interface.arp
            && arp.poll_timeout().is_some_and(|due| due <= now)
        {
            arp.handle_timeout(now, &mut self.arp_out);
            self.arp_outputs(now, number, out);
        }
    }

    #[inline]
    pub(super) fn note_arp(&mut self, number: usize) {
        if let Some(Some(interface)) = self.interfaces.get(number)
            && let Some(arp) = &interface.arp
        {
            self.note(arp.poll_timeout());
        }
    }

    /// The name of an interface.
    pub(super) fn name_of(&self, number: usize) -> String {
        let interface = self.interfaces.get(number).and_then(Option::as_ref);
        interface.map_or_else(String::new, |interface| interface.config.name.clone())
    }
}
