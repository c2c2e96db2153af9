//! Interfaces and their addresses, kept from netlink messages.

use super::socket::{Dump, Message, dump, kind};
use netlink_packet_core::ParseableParametrized;
use netlink_packet_route::AddressFamily;
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::address::{AddressAttribute, AddressFlags, AddressMessage};
use netlink_packet_route::link::{InfoBridge, InfoData, LinkAttribute, LinkFlags, LinkInfo, LinkMessage};
use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use trunkline_node::InterfaceChange;
use trunkline_view::{Address, AdminState, Interface};

/// An interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) interface: Interface,
    loopback: bool,
    /// The bridge, or other interface, that it is a port of.
    pub(crate) master: Option<u32>,
    /// Where it is a bridge.
    pub(crate) bridge: Option<BridgeSettings>,
}

/// What a bridge of the kernel is set to, as far as we change it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct BridgeSettings {
    /// IFLA_BR_STP_STATE: 0 none, 1 the kernel's spanning tree, 2 that of a program.
    pub(crate) stp_state: u32,
    /// IFLA_BR_STP_MODE, on kernels that have it: which of the two is taken.
    pub(crate) stp_mode: Option<u32>,
    /// IFLA_BR_AGEING_TIME, hundredths of a second.
    pub(crate) ageing_time: u32,
}

impl BridgeSettings {
    /// Reads them from a message; none: it does not tell of a bridge.
    pub(crate) fn read(message: &LinkMessage) -> Option<BridgeSettings> {
        let info = message.attributes.iter().find_map(|attribute| match attribute {
            LinkAttribute::LinkInfo(info) => Some(info),
            _ => None,
        })?;
        let all = info.iter().find_map(|one| match one {
            LinkInfo::Data(InfoData::Bridge(all)) => Some(all),
            _ => None,
        })?;
        let mut settings = BridgeSettings::default();
        for one in all {
            match one {
                InfoBridge::StpState(state) => settings.stp_state = u32::from(*state),
                InfoBridge::StpMode(mode) => settings.stp_mode = Some(u32::from(*mode)),
                InfoBridge::AgeingTime(time) => settings.ageing_time = *time,
                _ => {}
            }
        }
        Some(settings)
    }
}

/// All interfaces by index.
#[derive(Debug, Default)]
pub(crate) struct Links(BTreeMap<u32, Link>);

/// What a message changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Changed {
    /// For the node.
    pub(crate) change: Option<InterfaceChange>,
    /// The interface went down or lost an address, on which the kernel drops IPv4 routes without a word.
    pub(crate) lost: bool,
}

impl Links {
    /// What there is now.
    pub(crate) fn read() -> io::Result<Links> {
        let mut links = Links::default();
        dump(Dump::Links, &mut |message| drop(links.apply(message)))?;
        for family in [libc::AF_INET, libc::AF_INET6] {
            dump(Dump::Addresses { family: family as u8 }, &mut |message| drop(links.apply(message)))?;
        }
        Ok(links)
    }

    /// Everything, as changes from nothing.
    pub(crate) fn all(&self) -> Vec<InterfaceChange> {
        self.0.values().map(Link::change).collect()
    }

    /// One of them.
    pub(crate) fn get(&self, index: u32) -> Option<&Link> {
        self.0.get(&index)
    }

    /// The one of this name.
    pub(crate) fn named(&self, name: &str) -> Option<&Link> {
        self.0.values().find(|link| link.interface.name == name)
    }

    /// The indexes of those that are ports of an interface.
    pub(crate) fn ports_of(&self, master: u32) -> Vec<u32> {
        let ports = self.0.iter().filter(|(_, link)| link.master == Some(master));
        ports.map(|(&index, _)| index).collect()
    }

    /// Takes what `newer` says; the changes.
    pub(crate) fn replace(&mut self, newer: Links) -> Vec<InterfaceChange> {
        let gone = self.0.keys().filter(|index| !newer.0.contains_key(index));
        let mut changes: Vec<_> = gone.map(|&index| InterfaceChange::Gone { index }).collect();
        let set = newer.0.iter().filter(|(index, link)| self.0.get(index) != Some(link));
        changes.extend(set.map(|(_, link)| link.change()));
        *self = newer;
        changes
    }

    /// Whether `address` is one of ours.
    pub(crate) fn has_address(&self, address: IpAddr) -> bool {
        self.0.values().any(|link| link.interface.addresses.iter().any(|a| a.address == address))
    }

    /// Takes in a link or address message; others change nothing.
    pub(crate) fn apply(&mut self, message: Message<'_>) -> Changed {
        let is_ours =
            matches!(message.kind, kind::NEW_LINK | kind::DEL_LINK | kind::NEW_ADDRESS | kind::DEL_ADDRESS);
        if !is_ours {
            return Changed::default();
        }
        match RouteNetlinkMessage::parse_with_param(message.payload, message.kind) {
            Ok(RouteNetlinkMessage::NewLink(link)) => self.set_link(&link),
            Ok(RouteNetlinkMessage::DelLink(link)) => self.remove_link(&link),
            Ok(RouteNetlinkMessage::NewAddress(address)) => self.set_address(&address),
            Ok(RouteNetlinkMessage::DelAddress(address)) => self.remove_address(&address),
            Ok(_) => Changed::default(),
            Err(error) => {
                tracing::debug!("netlink message {} cannot be read: {error}", message.kind);
                Changed::default()
            }
        }
    }

    fn set_link(&mut self, message: &LinkMessage) -> Changed {
        // AF_BRIDGE messages tell of bridge ports, not of interfaces.
        if message.header.interface_family != AddressFamily::Unspec {
            return Changed::default();
        }
        let index = message.header.index;
        let before = self.0.get(&index).cloned();
        let mut link = before.clone().unwrap_or_else(|| Link::new(index));
        let flags = message.header.flags;
        link.loopback = flags.contains(LinkFlags::Loopback);
        let up = flags.contains(LinkFlags::Up);
        link.interface.admin = if up { AdminState::Up } else { AdminState::Down };
        link.interface.up = up && flags.contains(LinkFlags::Running);
        // Some messages tell of one thing only, such as of a wireless link.
        if message.attributes.iter().any(|attribute| matches!(attribute, LinkAttribute::Mtu(_))) {
            link.master = None;
            link.bridge = BridgeSettings::read(message);
        }
        for attribute in &message.attributes {
            match attribute {
                LinkAttribute::Controller(master) => link.master = Some(*master),
                LinkAttribute::IfName(name) => name.clone_into(&mut link.interface.name),
                LinkAttribute::Mtu(mtu) => link.interface.mtu = *mtu,
                LinkAttribute::Address(mac) => link.interface.mac = mac_text(mac),
                _ => {}
            }
        }
        if before.as_ref() == Some(&link) {
            return Changed::default();
        }
        let lost = before.is_some_and(|b| b.interface.admin == AdminState::Up && !up);
        let change = Some(link.change());
        self.0.insert(index, link);
        Changed { change, lost }
    }

    fn remove_link(&mut self, message: &LinkMessage) -> Changed {
        let index = message.header.index;
        let unspecific = message.header.interface_family == AddressFamily::Unspec;
        if !unspecific || self.0.remove(&index).is_none() {
            return Changed::default();
        }
        Changed { change: Some(InterfaceChange::Gone { index }), lost: true }
    }

    fn set_address(&mut self, message: &AddressMessage) -> Changed {
        let Some(address) = read_address(message) else { return Changed::default() };
        if !is_usable(message) {
            return self.remove_address(message);
        }
        let Some(link) = self.0.get_mut(&message.header.index) else { return Changed::default() };
        let addresses = &mut link.interface.addresses;
        if addresses.contains(&address) {
            return Changed::default();
        }
        addresses.push(address);
        addresses.sort_by_key(|a| (a.address, a.length));
        Changed { change: Some(link.change()), lost: false }
    }

    fn remove_address(&mut self, message: &AddressMessage) -> Changed {
        let Some(address) = read_address(message) else { return Changed::default() };
        let Some(link) = self.0.get_mut(&message.header.index) else { return Changed::default() };
        let addresses = &mut link.interface.addresses;
        let Some(at) = addresses.iter().position(|a| *a == address) else { return Changed::default() };
        addresses.remove(at);
        Changed { change: Some(link.change()), lost: true }
    }
}

impl Link {
    fn new(index: u32) -> Link {
        let interface = Interface {
            index,
            name: format!("if{index}"),
            admin: AdminState::Down,
            up: false,
            mtu: 0,
            mac: None,
            addresses: Vec::new(),
        };
        Link { interface, loopback: false, master: None, bridge: None }
    }

    fn change(&self) -> InterfaceChange {
        InterfaceChange::Set { interface: self.interface.clone(), loopback: self.loopback }
    }
}

/// The address of our end: IFA_LOCAL, and where a link has no far end IFA_ADDRESS says the same.
fn read_address(message: &AddressMessage) -> Option<Address> {
    let mut found = None;
    for attribute in &message.attributes {
        match attribute {
            AddressAttribute::Local(address) => found = Some(*address),
            AddressAttribute::Address(address) => found = found.or(Some(*address)),
            _ => {}
        }
    }
    Some(Address { address: found?, length: message.header.prefix_len })
}

/// Not while duplicate address detection runs or has failed (RFC 4862 §5.4): nothing can be sent from it.
fn is_usable(message: &AddressMessage) -> bool {
    let unusable = AddressFlags::Tentative | AddressFlags::Dadfailed;
    let flags = message.attributes.iter().find_map(|attribute| match attribute {
        AddressAttribute::Flags(flags) => Some(*flags),
        _ => None,
    });
    let flags = flags.unwrap_or_else(|| AddressFlags::from_bits_retain(message.header.flags.bits().into()));
    !flags.intersects(unusable) || flags.contains(AddressFlags::Optimistic)
}

fn mac_text(octets: &[u8]) -> Option<String> {
    if octets.is_empty() || octets.iter().all(|&octet| octet == 0) {
        return None;
    }
    let pairs: Vec<_> = octets.iter().map(|octet| format!("{octet:02x}")).collect();
    Some(pairs.join(":"))
}
