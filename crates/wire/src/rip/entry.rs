//! One route entry (RTE) of a message.

use super::INFINITY;
use crate::bytes::Reader;
use std::fmt;
use std::net::Ipv4Addr;
use trunkline_core::Ipv4Prefix;

/// A route entry, as it stands in the message. In version 1 all but three fields are zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Entry {
    /// Address Family Identifier; 2 is IP.
    pub address_family: u16,
    /// Route Tag (RFC 2453 §4.2).
    pub route_tag: u16,
    /// IP Address: of a host, a network, or 0.0.0.0 for the default route.
    pub address: Ipv4Addr,
    /// Subnet Mask; zero: there is none (RFC 2453 §4.3).
    pub subnet_mask: Ipv4Addr,
    /// Next Hop; 0.0.0.0: who sends the message (RFC 2453 §4.4).
    pub next_hop: Ipv4Addr,
    /// Metric, 1..=16 where it is sound.
    pub metric: u32,
}

/// Why an entry of a response cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EntryFault {
    /// The family is not IP.
    AddressFamily,
    /// Authentication that is not the first entry (RFC 2453 §4.1).
    Authentication,
    /// The metric is not 1..=16.
    Metric,
    /// The address is that of no network or host: net 0 or 127, multicast, class E (RFC 2453 §3.9.2).
    Address,
    /// The mask has holes.
    SubnetMask,
    /// The address has bits beyond the mask.
    HostBits,
}

impl Entry {
    /// IP.
    pub const IP: u16 = 2;

    /// What stands in the place of the family where the entry is authentication.
    pub(super) const AUTHENTICATION: u16 = 0xffff;

    /// The one entry of a request for the whole table (RFC 2453 §3.9.1).
    pub const WHOLE_TABLE: Entry = Entry {
        address_family: 0,
        route_tag: 0,
        address: Ipv4Addr::UNSPECIFIED,
        subnet_mask: Ipv4Addr::UNSPECIFIED,
        next_hop: Ipv4Addr::UNSPECIFIED,
        metric: INFINITY as u32,
    };

    /// An entry of version 2.
    pub fn v2(prefix: Ipv4Prefix, route_tag: u16, next_hop: Ipv4Addr, metric: u8) -> Entry {
        Entry {
            address_family: Entry::IP,
            route_tag,
            address: prefix.addr(),
            subnet_mask: Ipv4Addr::from_bits(Ipv4Prefix::mask(prefix.len())),
            next_hop,
            metric: metric.into(),
        }
    }

    /// An entry of version 1.
    pub fn v1(address: Ipv4Addr, metric: u8) -> Entry {
        Entry {
            address_family: Entry::IP,
            route_tag: 0,
            address,
            subnet_mask: Ipv4Addr::UNSPECIFIED,
            next_hop: Ipv4Addr::UNSPECIFIED,
            metric: metric.into(),
        }
    }

    /// The destination where the mask says it: none without a mask (but for the default route), or with a wrong one.
    pub fn prefix(&self) -> Option<Ipv4Prefix> {
        let mask = self.subnet_mask.to_bits();
        let whole = mask.leading_ones() + mask.trailing_zeros() == u32::BITS;
        let given = mask != 0 || self.address.is_unspecified();
        if !whole || !given {
            return None;
        }
        Ipv4Prefix::new(self.address, mask.leading_ones() as u8)
    }

    /// The metric as a number of the protocol: what is beyond infinity is infinity.
    pub fn metric(&self) -> u8 {
        self.metric.min(INFINITY.into()) as u8
    }

    /// Whether version 1 has a right to say this: everything that is not its own is zero (RFC 1058 §3.4).
    pub(super) fn is_v1(&self) -> bool {
        let zero = Ipv4Addr::UNSPECIFIED;
        self.route_tag == 0 && self.subnet_mask == zero && self.next_hop == zero
    }

    /// What is wrong with it as an entry of a response (RFC 2453 §3.9.2).
    pub fn check(&self) -> Result<(), EntryFault> {
        let mask = self.subnet_mask.to_bits();
        match self.address_family {
            Entry::IP => {}
            Entry::AUTHENTICATION => return Err(EntryFault::Authentication),
            _ => return Err(EntryFault::AddressFamily),
        }
        if !(1..=u32::from(INFINITY)).contains(&self.metric) {
            Err(EntryFault::Metric)
        } else if !self.address.is_unspecified() && natural_len(self.address).is_none() {
            Err(EntryFault::Address)
        } else if mask.leading_ones() + mask.trailing_zeros() < u32::BITS {
            Err(EntryFault::SubnetMask)
        } else if mask != 0 && self.address.to_bits() & !mask != 0 {
            Err(EntryFault::HostBits)
        } else if self.address.is_unspecified() && mask != 0 {
            // Net 0: only the default route is 0.0.0.0.
            Err(EntryFault::Address)
        } else {
            Ok(())
        }
    }

    pub(super) fn read(r: &mut Reader<'_>) -> Option<Entry> {
        let mut entry = r.take(super::ENTRY_LEN).map(Reader::new)?;
        Some(Entry {
            address_family: entry.u16()?,
            route_tag: entry.u16()?,
            address: entry.ipv4()?,
            subnet_mask: entry.ipv4()?,
            next_hop: entry.ipv4()?,
            metric: entry.u32()?,
        })
    }

    pub(super) fn emit(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.address_family.to_be_bytes());
        out.extend_from_slice(&self.route_tag.to_be_bytes());
        out.extend_from_slice(&self.address.octets());
        out.extend_from_slice(&self.subnet_mask.octets());
        out.extend_from_slice(&self.next_hop.octets());
        out.extend_from_slice(&self.metric.to_be_bytes());
    }
}

/// The length of the network that an address of class A, B or C is in (RFC 791 §3.2); none for nets 0 and 127,
/// multicast and class E, which are no destinations (RFC 2453 §3.9.2).
pub fn natural_len(address: Ipv4Addr) -> Option<u8> {
    match address.octets()[0] {
        0 | 127 | 224.. => None,
        1..=126 => Some(8),
        128..=191 => Some(16),
        192..=223 => Some(24),
    }
}

impl fmt::Display for EntryFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            EntryFault::AddressFamily => "the address family is not IP",
            EntryFault::Authentication => "authentication that is not the first entry",
            EntryFault::Metric => "the metric is not 1 to 16",
            EntryFault::Address => "the address can be no destination",
            EntryFault::SubnetMask => "the subnet mask has holes",
            EntryFault::HostBits => "the address has bits beyond the subnet mask",
        })
    }
}
