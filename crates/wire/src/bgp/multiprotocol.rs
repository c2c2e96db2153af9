//! MP_REACH_NLRI and MP_UNREACH_NLRI (RFC 4760 §3, §4; RFC 2545 §3; RFC 8950 §3).

use super::{Afi, ErrorCode, Family, Notification, Safi, notification::MAX_DATA};
use crate::bytes::Reader;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The Network Address of Next Hop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MpNextHop {
    /// 4 octets.
    V4(Ipv4Addr),
    /// 16 octets, or 32 with a link-local address behind the global one (RFC 2545 §3).
    V6 {
        /// The global address (or a link-local one, where a peer has no other).
        global: Ipv6Addr,
        /// The link-local address, where it was given.
        link_local: Option<Ipv6Addr>,
    },
    /// Of a family whose next hops this crate does not read; see [`MpReach::next_hop_field`].
    Other,
}

impl MpNextHop {
    /// Octets on the wire; 0 for `Other`.
    pub const fn len(self) -> usize {
        match self {
            MpNextHop::V4(_) => 4,
            MpNextHop::V6 { link_local: None, .. } => 16,
            MpNextHop::V6 { link_local: Some(_), .. } => 32,
            MpNextHop::Other => 0,
        }
    }

    /// Whether it takes no octets.
    pub const fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The address, the global one of two; `None` for `Other`.
    pub const fn address(self) -> Option<IpAddr> {
        match self {
            MpNextHop::V4(a) => Some(IpAddr::V4(a)),
            MpNextHop::V6 { global, .. } => Some(IpAddr::V6(global)),
            MpNextHop::Other => None,
        }
    }

    /// Appends the octets, without their length.
    pub fn emit(self, out: &mut Vec<u8>) {
        match self {
            MpNextHop::V4(a) => out.extend_from_slice(&a.octets()),
            MpNextHop::V6 { global, link_local } => {
                out.extend_from_slice(&global.octets());
                if let Some(a) = link_local {
                    out.extend_from_slice(&a.octets());
                }
            }
            MpNextHop::Other => {}
        }
    }

    /// Reads the field of a family; `None` where its length is not the expected one (RFC 7606 §7.11).
    fn parse(family: Family, field: &[u8], extended_next_hop: bool) -> Option<MpNextHop> {
        let known_afi = matches!(family.afi, Afi::Ipv4 | Afi::Ipv6);
        let known_safi = matches!(family.safi, Safi::Unicast | Safi::Multicast);
        if !known_afi || !known_safi {
            return Some(MpNextHop::Other);
        }
        let mut r = Reader::new(field);
        match field.len() {
            4 if family.afi == Afi::Ipv4 => r.ipv4().map(MpNextHop::V4),
            16 if family.afi == Afi::Ipv6 || extended_next_hop => {
                Some(MpNextHop::V6 { global: r.ipv6()?, link_local: None })
            }
            32 if family.afi == Afi::Ipv6 || extended_next_hop => {
                Some(MpNextHop::V6 { global: r.ipv6()?, link_local: Some(r.ipv6()?) })
            }
            _ => None,
        }
    }
}

impl From<IpAddr> for MpNextHop {
    fn from(address: IpAddr) -> MpNextHop {
        match address {
            IpAddr::V4(a) => MpNextHop::V4(a),
            IpAddr::V6(global) => MpNextHop::V6 { global, link_local: None },
        }
    }
}

impl fmt::Display for MpNextHop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MpNextHop::V4(a) => a.fmt(f),
            MpNextHop::V6 { global, link_local: None } => global.fmt(f),
            MpNextHop::V6 { global, link_local: Some(l) } => write!(f, "{global} ({l})"),
            MpNextHop::Other => f.write_str("(of another family)"),
        }
    }
}

/// An MP_REACH_NLRI attribute; its NLRI are not looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MpReach<'a> {
    /// Address family of the NLRI.
    pub family: Family,
    /// Network Address of Next Hop.
    pub next_hop: MpNextHop,
    /// The octets of the next hop.
    pub next_hop_field: &'a [u8],
    /// Network Layer Reachability Information: prefixes, for the unicast and multicast families.
    pub nlri: &'a [u8],
    /// The whole attribute: type, length and value.
    pub attribute: &'a [u8],
}

impl<'a> MpReach<'a> {
    /// Reads the value of the attribute that `whole` holds. `extended_next_hop`: IPv6 next hops were agreed for IPv4
    /// unicast (RFC 8950 §4).
    pub(super) fn parse(value: &'a [u8], whole: &'a [u8], extended_next_hop: bool) -> Result<Self, MpFault> {
        let mut r = Reader::new(value);
        let (Some(afi), Some(safi), Some(next_hop_len)) = (r.u16(), r.u8(), r.u8()) else {
            return Err(MpFault::TooShort);
        };
        let family = Family::from_codes(afi, safi);
        let next_hop_field = r.take(next_hop_len.into()).ok_or(MpFault::NextHopLength(next_hop_len))?;
        let extended = extended_next_hop && family == Family::IPV4_UNICAST;
        let next_hop =
            MpNextHop::parse(family, next_hop_field, extended).ok_or(MpFault::NextHopLength(next_hop_len))?;
        // The Reserved octet (RFC 4760 §3) was a count of SNPAs (RFC 2858 §2): ignored, whatever it says.
        r.u8().ok_or(MpFault::TooShort)?;
        Ok(MpReach { family, next_hop, next_hop_field, nlri: r.rest(), attribute: whole })
    }

    /// What to send where [`MpReach::nlri`] cannot be read: Optional Attribute Error with the attribute
    /// (RFC 4760 §7; RFC 4271 §6.3).
    pub fn error_notification(&self) -> Notification {
        optional_attribute_error(self.attribute)
    }
}

/// An MP_UNREACH_NLRI attribute; its withdrawn routes are not looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MpUnreach<'a> {
    /// Address family of the routes.
    pub family: Family,
    /// Withdrawn Routes: prefixes, for the unicast and multicast families.
    pub withdrawn: &'a [u8],
    /// The whole attribute: type, length and value.
    pub attribute: &'a [u8],
}

impl<'a> MpUnreach<'a> {
    pub(super) fn parse(value: &'a [u8], whole: &'a [u8]) -> Result<Self, MpFault> {
        let mut r = Reader::new(value);
        let (Some(afi), Some(safi)) = (r.u16(), r.u8()) else { return Err(MpFault::TooShort) };
        Ok(MpUnreach { family: Family::from_codes(afi, safi), withdrawn: r.rest(), attribute: whole })
    }

    /// What to send where [`MpUnreach::withdrawn`] cannot be read: Optional Attribute Error with the attribute
    /// (RFC 4760 §7; RFC 4271 §6.3).
    pub fn error_notification(&self) -> Notification {
        optional_attribute_error(self.attribute)
    }
}

fn optional_attribute_error(whole: &[u8]) -> Notification {
    Notification::with_data(ErrorCode::OPTIONAL_ATTRIBUTE_ERROR, whole.get(..MAX_DATA).unwrap_or(whole))
}

/// Why one of the two cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MpFault {
    /// Shorter than the smallest (RFC 7606 §5.3).
    TooShort,
    /// Length of Next Hop Network Address is not the expected one (RFC 7606 §7.11).
    NextHopLength(u8),
}
