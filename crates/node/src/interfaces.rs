//! The table of interfaces and their addresses.

use crate::InterfaceChange;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use trunkline_bgp::LocalAddress;
use trunkline_core::Prefix;
use trunkline_view::{AdminState, EventKind, Interface};

/// One interface.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    interface: Interface,
    loopback: bool,
}

impl Entry {
    fn is_up(&self) -> bool {
        self.interface.up && self.interface.admin == AdminState::Up
    }
}

/// All interfaces, by the kernel's index.
#[derive(Debug, Default)]
pub(crate) struct Interfaces {
    by_index: BTreeMap<u32, Entry>,
    by_name: BTreeMap<String, u32>,
}

impl Interfaces {
    /// Carries out a change; says in words what is different now. Empty: nothing is.
    pub(crate) fn apply(&mut self, change: InterfaceChange) -> Vec<EventKind> {
        match change {
            InterfaceChange::Set { interface, loopback } => self.set(Entry { interface, loopback }),
            InterfaceChange::Gone { index } => self.remove(index),
        }
    }

    fn set(&mut self, entry: Entry) -> Vec<EventKind> {
        let index = entry.interface.index;
        let messages = match self.by_index.get(&index) {
            Some(before) => differences(before, &entry),
            None => vec![described(&entry)],
        };
        if messages.is_empty() {
            return Vec::new();
        }
        let name = entry.interface.name.clone();
        if let Some(before) = self.by_index.insert(index, entry) {
            self.forget_name(&before.interface.name, index);
        }
        self.by_name.insert(name.clone(), index);
        messages.into_iter().map(|message| EventKind::Interface { name: name.clone(), message }).collect()
    }

    fn remove(&mut self, index: u32) -> Vec<EventKind> {
        let Some(before) = self.by_index.remove(&index) else { return Vec::new() };
        let name = before.interface.name;
        self.forget_name(&name, index);
        vec![EventKind::Interface { name, message: "is gone".to_owned() }]
    }

    /// Two interfaces may bear one name for a moment while they are renamed.
    fn forget_name(&mut self, name: &str, index: u32) {
        if self.by_name.get(name) == Some(&index) {
            self.by_name.remove(name);
        }
    }

    /// Whether the interface is there, enabled, and can carry packets.
    pub(crate) fn is_up(&self, index: u32) -> bool {
        self.by_index.get(&index).is_some_and(Entry::is_up)
    }

    /// Whether it is a loopback.
    pub(crate) fn is_loopback(&self, index: u32) -> bool {
        self.by_index.get(&index).is_some_and(|e| e.loopback)
    }

    /// The index of the interface with this name.
    pub(crate) fn index_of(&self, name: &str) -> Option<u32> {
        self.by_name.get(name).copied()
    }

    /// The indices of all.
    pub(crate) fn indices(&self) -> Vec<u32> {
        self.by_index.keys().copied().collect()
    }

    /// The interface with this index.
    pub(crate) fn get(&self, index: u32) -> Option<&Interface> {
        self.by_index.get(&index).map(|e| &e.interface)
    }

    /// The name of the interface with this index.
    pub(crate) fn name(&self, index: u32) -> Option<&str> {
        self.by_index.get(&index).map(|e| e.interface.name.as_str())
    }

    /// The addresses of an interface that is up, as the subnet and the address alone. IPv6 link-local addresses are
    /// left out: they have a meaning on their link only (RFC 4291 §2.5.6), not in the routing table.
    pub(crate) fn subnets(&self, index: u32) -> Vec<(Prefix, Prefix)> {
        let Some(entry) = self.by_index.get(&index).filter(|e| e.is_up()) else { return Vec::new() };
        let addresses = entry.interface.addresses.iter().filter(|a| !is_link_local(a.address));
        addresses.filter_map(|a| Some((Prefix::new(a.address, a.length)?, Prefix::host(a.address)))).collect()
    }

    /// The addresses BGP shall know as ours: those of interfaces that are enabled (the kernel takes packets to them
    /// even while the link has no carrier).
    pub(crate) fn local_addresses(&self) -> Vec<LocalAddress> {
        let enabled = self.by_index.values().filter(|e| e.interface.admin == AdminState::Up);
        let all = enabled.flat_map(|e| {
            e.interface.addresses.iter().map(|a| LocalAddress {
                address: a.address,
                length: a.length,
                interface: e.interface.index,
                loopback: e.loopback,
            })
        });
        all.collect()
    }

    /// The interface over which a link-local address can be meant: the only one, loopbacks aside, that is up and has
    /// such an address itself. None where several have.
    pub(crate) fn only_link(&self) -> Option<u32> {
        let has = |e: &&Entry| {
            e.is_up() && !e.loopback && e.interface.addresses.iter().any(|a| is_link_local(a.address))
        };
        let mut found = self.by_index.values().filter(has);
        let first = found.next()?;
        found.next().is_none().then_some(first.interface.index)
    }

    /// The router id to use where none is configured: the highest IPv4 address of a loopback, else of any interface;
    /// 127.0.0.0/8 and 0.0.0.0 identify nobody.
    pub(crate) fn choose_router_id(&self) -> Option<Ipv4Addr> {
        let highest = |loopback_only: bool| {
            let entries = self.by_index.values().filter(|e| e.loopback || !loopback_only);
            let addresses = entries.flat_map(|e| &e.interface.addresses).filter_map(|a| match a.address {
                IpAddr::V4(v4) if !v4.is_loopback() && !v4.is_unspecified() => Some(v4),
                _ => None,
            });
            addresses.max()
        };
        highest(true).or_else(|| highest(false))
    }

    /// The interfaces as people see them, by index.
    pub(crate) fn views(&self) -> Vec<Interface> {
        self.by_index.values().map(|e| e.interface.clone()).collect()
    }
}

/// Whether this is an IPv6 link-local unicast address (fe80::/10).
pub(crate) fn is_link_local(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local())
}

fn described(entry: &Entry) -> String {
    let state = if entry.is_up() { "up" } else { "down" };
    let addresses: Vec<String> =
        entry.interface.addresses.iter().map(|a| format!("{}/{}", a.address, a.length)).collect();
    if addresses.is_empty() {
        format!("is there, {state}, without address")
    } else {
        format!("is there, {state}, with {}", addresses.join(", "))
    }
}

fn differences(before: &Entry, after: &Entry) -> Vec<String> {
    let (old, new) = (&before.interface, &after.interface);
    let mut messages = Vec::new();
    if old.name != new.name {
        messages.push(format!("has a new name, it was {}", old.name));
    }
    if before.is_up() != after.is_up() {
        let message = match (after.is_up(), new.admin) {
            (true, _) => "is up",
            (false, AdminState::Down) => "is down: disabled",
            (false, AdminState::Up) => "is down: no carrier",
        };
        messages.push(message.to_owned());
    } else if old.admin != new.admin {
        messages.push(format!("is {}", if new.admin == AdminState::Up { "enabled" } else { "disabled" }));
    }
    for gone in old.addresses.iter().filter(|a| !new.addresses.contains(a)) {
        messages.push(format!("lost address {}/{}", gone.address, gone.length));
    }
    for come in new.addresses.iter().filter(|a| !old.addresses.contains(a)) {
        messages.push(format!("got address {}/{}", come.address, come.length));
    }
    if old.mtu != new.mtu {
        messages.push(format!("has MTU {} now, it was {}", new.mtu, old.mtu));
    }
    if old.mac != new.mac {
        messages.push("has a new MAC address".to_owned());
    }
    if messages.is_empty() && before != after {
        messages.push("changed".to_owned());
    }
    messages
}
