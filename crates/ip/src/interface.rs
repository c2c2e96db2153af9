//! Interfaces, their addresses and subnets, and what an address is to this device.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use trunkline_core::{Ipv4Prefix, PortId};

use crate::config::{InterfaceConfig, NextHop};
use crate::{Ip, MAX_INTERFACES};

/// The least MTU that an interface can have (RFC 791 §3.2).
const MIN_MTU: u16 = 68;

/// All systems on this subnet (RFC 1112 §4).
const ALL_SYSTEMS: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 1);

#[derive(Debug)]
pub(crate) struct Interface {
    pub(crate) config: InterfaceConfig,
    /// Each address with its subnet, in the order of the configuration.
    subnets: Vec<(Ipv4Addr, Ipv4Prefix)>,
}

impl Interface {
    /// Whether packets can go out.
    #[inline]
    pub(crate) fn sends(&self) -> bool {
        self.config.up && !self.config.loopback
    }

    /// The address in the same subnet as `other`: the first, that is the primary one.
    pub(crate) fn address_near(&self, other: Ipv4Addr) -> Option<Ipv4Addr> {
        self.subnets.iter().find(|(_, subnet)| subnet.contains(other)).map(|(address, _)| *address)
    }

    /// Whether both are in one subnet of this interface. Secondary subnets are others, though on the same wire.
    pub(crate) fn same_subnet(&self, one: Ipv4Addr, other: Ipv4Addr) -> bool {
        self.subnets.iter().any(|(_, subnet)| subnet.contains(one) && subnet.contains(other))
    }

    pub(crate) fn first_address(&self) -> Option<Ipv4Addr> {
        self.subnets.first().map(|(address, _)| *address)
    }

    /// Whether `address` is the broadcast address of a subnet here.
    pub(crate) fn is_broadcast(&self, address: Ipv4Addr) -> bool {
        self.subnets.iter().any(|(_, subnet)| ends(*subnet).is_some_and(|(_, last)| last == address))
    }
}

/// A subnet's own address and its broadcast address; /31 and /32 have none (RFC 3021).
fn ends(subnet: Ipv4Prefix) -> Option<(Ipv4Addr, Ipv4Addr)> {
    let last = subnet.bits() | !Ipv4Prefix::mask(subnet.len());
    (subnet.len() <= 30).then_some((subnet.addr(), Ipv4Addr::from_bits(last)))
}

/// What an address that is in use here is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Own {
    /// An address of this interface.
    Local(PortId),
    /// The broadcast address of a subnet of this interface.
    Broadcast(PortId),
    /// A subnet's own address, once also a broadcast address: to be dropped (RFC 1812 §4.2.3.1).
    Network,
}

impl Ip {
    #[inline]
    pub(crate) fn interface(&self, id: PortId) -> Option<&Interface> {
        self.interfaces.get(id.index())?.as_ref()
    }

    /// Sets or takes away an interface.
    pub(crate) fn set_interface(&mut self, id: PortId, config: Option<InterfaceConfig>) {
        let index = id.index();
        if index >= MAX_INTERFACES {
            return;
        }
        let gone = config.is_none();
        let interface = config.map(|mut config| {
            config.mtu = config.mtu.max(MIN_MTU);
            let subnet = |&(address, len): &(Ipv4Addr, u8)| Some((address, Ipv4Prefix::new(address, len)?));
            let subnets = config.addresses.iter().filter_map(subnet).collect();
            Interface { config, subnets }
        });
        if index >= self.interfaces.len() {
            self.interfaces.resize_with(index + 1, || None);
        }
        if let Some(place) = self.interfaces.get_mut(index) {
            *place = interface;
        }
        if gone {
            self.groups.retain(|(member, _)| *member != id);
        }
        self.rebuild();
    }

    /// Makes anew what follows from the addresses, and changes the routes that differ.
    fn rebuild(&mut self) {
        let mut connected = BTreeMap::new();
        self.own.clear();
        self.fallback_source = None;
        let mut fallback_is_loopback = false;
        for (index, interface) in self.interfaces.iter().enumerate() {
            let Some(interface) = interface else { continue };
            // Below MAX_INTERFACES.
            let id = PortId(index as u32);
            for (address, subnet) in &interface.subnets {
                self.own.insert(address.to_bits(), Own::Local(id));
                if interface.config.up && subnet.len() < 32 {
                    connected.entry(*subnet).or_insert(NextHop { gateway: None, interface: id });
                }
            }
            let loopback = interface.config.loopback;
            if interface.first_address().is_some()
                && (self.fallback_source.is_none() || loopback && !fallback_is_loopback)
            {
                self.fallback_source = interface.first_address();
                fallback_is_loopback = loopback;
            }
        }
        for (subnet, hop) in &connected {
            if let Some((network, broadcast)) = ends(*subnet) {
                self.own.entry(network.to_bits()).or_insert(Own::Network);
                self.own.entry(broadcast.to_bits()).or_insert(Own::Broadcast(hop.interface));
            }
        }
        let before = std::mem::take(&mut self.connected);
        for subnet in before.keys().filter(|subnet| !connected.contains_key(subnet)) {
            self.fib.connect(*subnet, None);
        }
        for (subnet, hop) in &connected {
            if before.get(subnet) != Some(hop) {
                self.fib.connect(*subnet, Some(*hop));
            }
        }
        self.connected = connected;
    }

    /// What an address is to this device; nothing where it is another's.
    #[inline]
    pub(crate) fn own(&self, address: Ipv4Addr) -> Option<Own> {
        self.own.get(&address.to_bits()).copied()
    }

    /// The source of a packet that leaves by an interface towards `next_hop` (RFC 1122 §3.3.4.3): the primary address
    /// in its subnet, else the interface's first, else a loopback's or another's, as for an unnumbered line.
    pub(crate) fn source_towards(&self, interface: PortId, next_hop: Ipv4Addr) -> Option<Ipv4Addr> {
        let interface = self.interface(interface)?;
        interface.address_near(next_hop).or(interface.first_address()).or(self.fallback_source)
    }

    /// Whether this device is in a group on an interface.
    pub(crate) fn is_member(&self, interface: PortId, group: Ipv4Addr) -> bool {
        group == ALL_SYSTEMS || self.groups.contains(&(interface, group))
    }

    /// Whether an address stands for all hosts of a subnet here, or of any.
    pub(crate) fn is_broadcast(&self, address: Ipv4Addr) -> bool {
        address.is_broadcast() || matches!(self.own(address), Some(Own::Broadcast(_) | Own::Network))
    }

    /// Whether an address can be one host's: neither 0.0.0.0/8 nor 127.0.0.0/8, neither multicast nor broadcast nor
    /// reserved (RFC 1122 §3.2.1.3).
    pub(crate) fn is_one_host(&self, address: Ipv4Addr) -> bool {
        !matches!(address.octets(), [0 | 127 | 224.., ..]) && !self.is_broadcast(address)
    }
}

/// The groups that this device is in, by interface.
pub(crate) type Groups = BTreeSet<(PortId, Ipv4Addr)>;
