//! An interface: its addresses, and what version 1 makes of a destination there.

use crate::config::{InterfaceConfig, Send};
use crate::counters::Counters;
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::Arc;
use trunkline_core::{Instant, Ipv4Prefix};
use trunkline_wire::rip::{self, Entry, natural_len};

/// Addresses of an interface at most.
pub(crate) const MAX_ADDRESSES: usize = 64;

/// An address of ours and its subnet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) address: Ipv4Addr,
    pub(crate) subnet: Ipv4Prefix,
}

impl Address {
    /// None for what RIP cannot use: loopback, multicast and the like.
    pub(crate) fn new((address, len): (Ipv4Addr, u8)) -> Option<Address> {
        natural_len(address)?;
        let subnet = Ipv4Prefix::new(address, len).filter(|subnet| subnet.len() > 0)?;
        Some(Address { address, subnet })
    }

    /// Where broadcasts go. Subnets of 31 and 32 bits have no address for it (RFC 3021).
    pub(crate) fn broadcast(&self) -> Ipv4Addr {
        match self.subnet.len() {
            31.. => Ipv4Addr::BROADCAST,
            len => Ipv4Addr::from_bits(self.subnet.bits() | !Ipv4Prefix::mask(len)),
        }
    }
}

/// What becomes of a destination where version 1 is heard (RFC 1058 §3.2, RFC 2453 §4.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Classful {
    /// It is told as it is.
    Plain,
    /// It is told within the entry of its whole network.
    Within(Ipv4Prefix),
    /// It would be misunderstood, and is not told.
    Hidden,
}

/// An interface.
#[derive(Debug)]
pub(crate) struct Interface {
    pub(crate) name: String,
    pub(crate) up: bool,
    pub(crate) addresses: Vec<Address>,
    pub(crate) mtu: u16,
    /// None: RIP does not run on it.
    pub(crate) config: Option<Arc<InterfaceConfig>>,
    pub(crate) counters: Counters,
    /// What was advertised here and is no longer to be, since the configuration changed: until then it is said to be
    /// unreachable.
    pub(crate) poisoned: BTreeMap<Ipv4Prefix, Instant>,
    /// A second, and the requests that were answered in it.
    pub(crate) answered: (Instant, u32),
    /// When we asked all for their tables, and who was asked once more since then.
    pub(crate) asked: Option<Instant>,
    pub(crate) asked_back: BTreeSet<Ipv4Addr>,
    /// Before that nothing is told about bad datagrams.
    pub(crate) quiet_until: Instant,
    /// Whether it was told that the last key is out of date.
    pub(crate) told_expired: bool,
}

impl Interface {
    pub(crate) fn new(name: &str, config: Option<Arc<InterfaceConfig>>) -> Interface {
        Interface {
            name: name.to_owned(),
            up: false,
            addresses: Vec::new(),
            mtu: 0,
            config,
            counters: Counters::default(),
            poisoned: BTreeMap::new(),
            answered: (Instant::ZERO, 0),
            asked: None,
            asked_back: BTreeSet::new(),
            quiet_until: Instant::ZERO,
            told_expired: false,
        }
    }

    /// The configuration, while RIP runs on it.
    pub(crate) fn running(&self) -> Option<&Arc<InterfaceConfig>> {
        self.config.as_ref().filter(|_| self.up && !self.addresses.is_empty())
    }

    /// Our address in the subnet that `address` is in.
    pub(crate) fn facing(&self, address: Ipv4Addr) -> Option<&Address> {
        self.addresses.iter().find(|own| own.subnet.contains(address))
    }

    /// Whether `address` is that of all stations of one of our subnets.
    pub(crate) fn is_broadcast(&self, address: Ipv4Addr) -> bool {
        self.addresses.iter().any(|own| own.subnet.len() < 31 && own.broadcast() == address)
    }

    /// What an entry is about. Where it has no mask: ours, where it is in a network that we have a subnet of, else that of
    /// its class, and a host where bits beyond it are set (RFC 1058 §3.2, RFC 2453 §3.7, §4.3). Within a subnetted network
    /// its number stands for subnet zero: nobody there has a use for the network as a whole.
    pub(crate) fn destination(&self, entry: &Entry) -> Option<Ipv4Prefix> {
        if let Some(prefix) = entry.prefix() {
            return Some(prefix);
        }
        let natural = Ipv4Prefix::new(entry.address, natural_len(entry.address)?)?;
        let ours = self.addresses.iter().find(|own| natural.covers(own.subnet));
        let len = ours.map_or(natural.len(), |own| own.subnet.len());
        let subnet = Ipv4Prefix::new(entry.address, len)?;
        if subnet.addr() == entry.address { Some(subnet) } else { Ipv4Prefix::new(entry.address, 32) }
    }

    /// What becomes of a destination where version 1 is heard.
    pub(crate) fn classful(&self, prefix: Ipv4Prefix) -> Classful {
        if prefix.len() == 0 {
            return Classful::Plain;
        }
        let Some(natural) = natural_len(prefix.addr()).and_then(|len| Ipv4Prefix::new(prefix.addr(), len))
        else {
            return Classful::Hidden;
        };
        if prefix.len() < natural.len() {
            // RFC 2453 §4.3, rule 3.
            return Classful::Hidden;
        }
        let mut inside =
            self.addresses.iter().map(|own| own.subnet).filter(|subnet| natural.covers(*subnet)).peekable();
        if inside.peek().is_none() {
            // Rule 1: one entry for the network as a whole.
            return Classful::Within(natural);
        }
        // Rule 2: only what the mask that the others have there makes of it.
        let understood = inside.any(|subnet| {
            let is_subnet =
                Ipv4Prefix::new(prefix.addr(), subnet.len()).is_some_and(|s| s.addr() == prefix.addr());
            subnet.len() == prefix.len() || (prefix.len() == 32 && !is_subnet)
        });
        if understood { Classful::Plain } else { Classful::Hidden }
    }

    /// Whom messages to all go to: our address and theirs, once for each subnet, then the neighbours that are named.
    pub(crate) fn destinations(&self, config: &InterfaceConfig) -> Vec<(Ipv4Addr, Ipv4Addr)> {
        let mut all = Vec::new();
        if config.send == Send::None {
            return all;
        }
        for (at, own) in self.addresses.iter().enumerate() {
            let first = self.addresses.iter().position(|other| other.subnet == own.subnet) == Some(at);
            if first && !config.passive {
                let multicast = config.send == Send::V2;
                all.push((own.address, if multicast { rip::MULTICAST } else { own.broadcast() }));
            }
        }
        all.extend(config.neighbors.iter().filter_map(|to| Some((self.facing(*to)?.address, *to))));
        all
    }
}
