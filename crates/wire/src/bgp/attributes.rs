//! Path attributes, read and written (RFC 4271 §5).

use super::raw_attribute::emit_attribute_header;
use super::{
    AsPath, Community, ExtendedCommunity, Ipv6ExtendedCommunity, LargeCommunity, SegmentKind, attribute,
    emit_attribute, flag,
};
use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;
use trunkline_core::Asn;

/// ORIGIN (RFC 4271 §5.1.1). The order is that of preference: the lowest wins (§9.1.2.2 b).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Origin {
    /// 0: interior to the originating AS.
    Igp = 0,
    /// 1: learned by EGP.
    Egp = 1,
    /// 2: learned in another way.
    Incomplete = 2,
}

impl Origin {
    /// The octet on the wire.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The origin of an octet.
    pub const fn from_code(code: u8) -> Option<Origin> {
        Some(match code {
            0 => Origin::Igp,
            1 => Origin::Egp,
            2 => Origin::Incomplete,
            _ => return None,
        })
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Origin::Igp => "igp",
            Origin::Egp => "egp",
            Origin::Incomplete => "incomplete",
        })
    }
}

impl FromStr for Origin {
    type Err = ();

    fn from_str(s: &str) -> Result<Origin, ()> {
        [Origin::Igp, Origin::Egp, Origin::Incomplete].into_iter().find(|o| o.to_string() == s).ok_or(())
    }
}

/// An optional transitive attribute that this crate does not know; passed on with the Partial bit (RFC 4271 §5).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnknownAttribute {
    /// Attribute Flags as received, without the Extended Length bit.
    pub flags: u8,
    /// Attribute Type Code.
    pub code: u8,
    /// The value.
    pub value: Vec<u8>,
}

/// Which of the known optional transitive attributes came with the Partial bit. It must not be cleared again
/// (RFC 4271 §5).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartialBits(u64);

impl PartialBits {
    /// Marks an attribute type, below 64.
    pub const fn set(&mut self, code: u8) {
        if code < 64 {
            self.0 |= 1 << code;
        }
    }

    /// Takes the mark from an attribute type.
    pub const fn clear(&mut self, code: u8) {
        if code < 64 {
            self.0 &= !(1 << code);
        }
    }

    /// Whether an attribute type is marked.
    pub const fn contains(self, code: u8) -> bool {
        code < 64 && self.0 & (1 << code) != 0
    }
}

/// The path attributes of a route, but for MP_REACH_NLRI and MP_UNREACH_NLRI, which are about routes rather than of
/// them. A list attribute that is not there is an empty list: on the wire an empty one is a fault (RFC 7606 §7.8).
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Attributes {
    /// ORIGIN.
    pub origin: Option<Origin>,
    /// AS_PATH, with what AS4_PATH added (RFC 6793 §4.2.3).
    pub as_path: Option<AsPath>,
    /// NEXT_HOP.
    pub next_hop: Option<Ipv4Addr>,
    /// MULTI_EXIT_DISC.
    pub med: Option<u32>,
    /// LOCAL_PREF.
    pub local_pref: Option<u32>,
    /// ATOMIC_AGGREGATE.
    pub atomic_aggregate: bool,
    /// AGGREGATOR, with what AS4_AGGREGATOR added (RFC 6793 §4.2.3).
    pub aggregator: Option<(Asn, Ipv4Addr)>,
    /// COMMUNITIES, as received: order and duplicates kept.
    pub communities: Vec<Community>,
    /// ORIGINATOR_ID (RFC 4456 §8).
    pub originator_id: Option<Ipv4Addr>,
    /// CLUSTER_LIST, the most recent first (RFC 4456 §8).
    pub cluster_list: Vec<Ipv4Addr>,
    /// Extended communities (RFC 4360).
    pub extended_communities: Vec<ExtendedCommunity>,
    /// IPv6 address specific extended communities (RFC 5701).
    pub ipv6_extended_communities: Vec<Ipv6ExtendedCommunity>,
    /// Large communities without duplicates (RFC 8092 §3).
    pub large_communities: Vec<LargeCommunity>,
    /// OTC: Only to Customer (RFC 9234 §5).
    pub only_to_customer: Option<Asn>,
    /// Optional transitive attributes that are not known, by ascending type code.
    pub unknown: Vec<UnknownAttribute>,
    /// Which of the known ones came with the Partial bit.
    pub partial: PartialBits,
}

/// Flags of an attribute of this class.
pub(super) const WELL_KNOWN: u8 = flag::TRANSITIVE;
/// Flags of an attribute of this class.
pub(super) const OPTIONAL_NON_TRANSITIVE: u8 = flag::OPTIONAL;
/// Flags of an attribute of this class.
pub(super) const OPTIONAL_TRANSITIVE: u8 = flag::OPTIONAL | flag::TRANSITIVE;

impl Attributes {
    /// Appends the attributes in ascending order of their type codes (RFC 4271 §5). Where `four_octet_as` is false,
    /// AS_PATH and AGGREGATOR have two-octet numbers, and AS4_PATH and AS4_AGGREGATOR follow where those do not
    /// suffice (RFC 6793 §4.2.2). An attribute that fits no message is left out.
    pub fn emit(&self, four_octet_as: bool, out: &mut Vec<u8>) {
        let mut unknown = self.unknown.iter().peekable();
        for code in [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 16, 17, 18, 25, 32, 35] {
            while let Some(attribute) = unknown.next_if(|u| u.code < code) {
                attribute.emit(out);
            }
            self.emit_known(code, four_octet_as, out);
        }
        unknown.for_each(|attribute| attribute.emit(out));
    }

    fn emit_known(&self, code: u8, four_octet_as: bool, out: &mut Vec<u8>) {
        let transitive = OPTIONAL_TRANSITIVE | if self.partial.contains(code) { flag::PARTIAL } else { 0 };
        let mut fixed = |flags: u8, value: Option<[u8; 4]>| {
            if let Some(value) = value {
                emit_attribute(flags, code, &value, out);
            }
        };
        match code {
            attribute::NEXT_HOP => fixed(WELL_KNOWN, self.next_hop.map(|a| a.octets())),
            attribute::MULTI_EXIT_DISC => fixed(OPTIONAL_NON_TRANSITIVE, self.med.map(u32::to_be_bytes)),
            attribute::LOCAL_PREF => fixed(WELL_KNOWN, self.local_pref.map(u32::to_be_bytes)),
            attribute::ORIGINATOR_ID => {
                fixed(OPTIONAL_NON_TRANSITIVE, self.originator_id.map(|a| a.octets()));
            }
            attribute::ONLY_TO_CUSTOMER => {
                fixed(transitive, self.only_to_customer.map(|a| a.0.to_be_bytes()))
            }
            attribute::ORIGIN => {
                if let Some(origin) = self.origin {
                    emit_attribute(WELL_KNOWN, code, &[origin.code()], out);
                }
            }
            attribute::AS_PATH => {
                if let Some(path) = &self.as_path {
                    emit_as_path(WELL_KNOWN, code, path, four_octet_as, out);
                }
            }
            attribute::ATOMIC_AGGREGATE if self.atomic_aggregate => {
                emit_attribute(WELL_KNOWN, code, &[], out)
            }
            attribute::AGGREGATOR => self.emit_aggregator(transitive, four_octet_as, out),
            attribute::COMMUNITIES => {
                emit_list(transitive, code, self.communities.iter().map(|c| c.0.to_be_bytes()), out);
            }
            attribute::CLUSTER_LIST => {
                emit_list(OPTIONAL_NON_TRANSITIVE, code, self.cluster_list.iter().map(|a| a.octets()), out);
            }
            attribute::EXTENDED_COMMUNITIES => {
                emit_list(transitive, code, self.extended_communities.iter().map(|c| c.0), out);
            }
            attribute::AS4_PATH if !four_octet_as => self.emit_as4_path(transitive, out),
            attribute::AS4_AGGREGATOR if !four_octet_as => {
                if let Some((asn, address)) = self.aggregator.filter(|(asn, _)| asn.0 > u32::from(u16::MAX)) {
                    emit_aggregator(transitive, code, &asn.0.to_be_bytes(), address, out);
                }
            }
            attribute::IPV6_EXTENDED_COMMUNITIES => {
                emit_list(transitive, code, self.ipv6_extended_communities.iter().map(|c| c.0), out);
            }
            attribute::LARGE_COMMUNITIES => {
                let parts = self.large_communities.iter().flat_map(|c| c.parts());
                emit_list(transitive, code, parts.map(u32::to_be_bytes), out);
            }
            _ => {}
        }
    }

    fn emit_aggregator(&self, flags: u8, four_octet_as: bool, out: &mut Vec<u8>) {
        let Some((asn, address)) = self.aggregator else { return };
        match four_octet_as {
            true => emit_aggregator(flags, attribute::AGGREGATOR, &asn.0.to_be_bytes(), address, out),
            false => {
                let asn = asn.to_two_octet().to_be_bytes();
                emit_aggregator(flags, attribute::AGGREGATOR, &asn, address, out);
            }
        }
    }

    /// RFC 6793 §4.2.2: only where a number does not fit two octets, and without confederation segments.
    fn emit_as4_path(&self, flags: u8, out: &mut Vec<u8>) {
        let Some(path) = self.as_path.as_ref().filter(|p| p.has_four_octet()) else { return };
        let outside = |s: &SegmentKind| !s.is_confederation();
        match path.segments.iter().all(|s| outside(&s.kind)) {
            true => emit_as_path(flags, attribute::AS4_PATH, path, true, out),
            false => {
                let segments = path.segments.iter().filter(|s| outside(&s.kind)).cloned().collect();
                let path = AsPath { segments };
                if !path.is_empty() {
                    emit_as_path(flags, attribute::AS4_PATH, &path, true, out);
                }
            }
        }
    }
}

impl UnknownAttribute {
    fn emit(&self, out: &mut Vec<u8>) {
        if self.value.len() <= usize::from(u16::MAX) {
            emit_attribute(self.flags | flag::PARTIAL, self.code, &self.value, out);
        }
    }
}

fn emit_as_path(flags: u8, code: u8, path: &AsPath, four_octet_as: bool, out: &mut Vec<u8>) {
    let len = path.emitted_len(four_octet_as);
    if len <= usize::from(u16::MAX) {
        emit_attribute_header(flags, code, len, out);
        path.emit(four_octet_as, out);
    }
}

fn emit_aggregator(flags: u8, code: u8, asn: &[u8], address: Ipv4Addr, out: &mut Vec<u8>) {
    emit_attribute_header(flags, code, asn.len() + 4, out);
    out.extend_from_slice(asn);
    out.extend_from_slice(&address.octets());
}

/// An attribute of equal items; none where there are no items, or more than fit.
fn emit_list<const N: usize>(
    flags: u8,
    code: u8,
    items: impl Iterator<Item = [u8; N]> + Clone,
    out: &mut Vec<u8>,
) {
    let len = items.clone().count() * N;
    if (1..=usize::from(u16::MAX)).contains(&len) {
        emit_attribute_header(flags, code, len, out);
        items.for_each(|item| out.extend_from_slice(&item));
    }
}
