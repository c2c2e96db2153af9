//! Communities: RFC 1997, RFC 4360 (extended), RFC 5701 (IPv6 extended), RFC 8092 (large).

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;
use trunkline_core::Asn;

/// The text is no community of the kind asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseCommunityError(&'static str);

impl fmt::Display for ParseCommunityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for ParseCommunityError {}

/// A community (RFC 1997). Prints as `65001:100`, or by name where it is well-known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Community(pub u32);

impl Community {
    /// RFC 8326 §5.
    pub const GRACEFUL_SHUTDOWN: Community = Community(0xffff_0000);
    /// RFC 7611.
    pub const ACCEPT_OWN: Community = Community(0xffff_0001);
    /// RFC 9494 §3.2.
    pub const LLGR_STALE: Community = Community(0xffff_0006);
    /// RFC 9494 §3.3.
    pub const NO_LLGR: Community = Community(0xffff_0007);
    /// RFC 7999 §2.
    pub const BLACKHOLE: Community = Community(0xffff_029a);
    /// RFC 1997: not to be advertised outside the AS or confederation.
    pub const NO_EXPORT: Community = Community(0xffff_ff01);
    /// RFC 1997: not to be advertised to any peer.
    pub const NO_ADVERTISE: Community = Community(0xffff_ff02);
    /// RFC 1997: not to be advertised to external peers, those of a confederation included.
    pub const NO_EXPORT_SUBCONFED: Community = Community(0xffff_ff03);
    /// RFC 3765.
    pub const NO_PEER: Community = Community(0xffff_ff04);

    const NAMED: [(Community, &'static str); 9] = [
        (Community::GRACEFUL_SHUTDOWN, "GRACEFUL_SHUTDOWN"),
        (Community::ACCEPT_OWN, "ACCEPT_OWN"),
        (Community::LLGR_STALE, "LLGR_STALE"),
        (Community::NO_LLGR, "NO_LLGR"),
        (Community::BLACKHOLE, "BLACKHOLE"),
        (Community::NO_EXPORT, "NO_EXPORT"),
        (Community::NO_ADVERTISE, "NO_ADVERTISE"),
        (Community::NO_EXPORT_SUBCONFED, "NO_EXPORT_SUBCONFED"),
        (Community::NO_PEER, "NOPEER"),
    ];

    /// The community `asn:value`.
    pub const fn new(asn: u16, value: u16) -> Community {
        Community((asn as u32) << 16 | value as u32)
    }

    /// The name, where it is well-known.
    pub fn well_known_name(self) -> Option<&'static str> {
        Community::NAMED.iter().find(|(c, _)| *c == self).map(|(_, name)| *name)
    }
}

impl fmt::Display for Community {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.well_known_name() {
            Some(name) => f.write_str(name),
            None => write!(f, "{}:{}", self.0 >> 16, self.0 & 0xffff),
        }
    }
}

impl FromStr for Community {
    type Err = ParseCommunityError;

    /// Reads `65001:100` and the well-known names, these in any case and with `-` for `_`.
    fn from_str(s: &str) -> Result<Community, ParseCommunityError> {
        const ERROR: ParseCommunityError = ParseCommunityError(
            "a community is two numbers up to 65535, as in 65001:100, or a name as NO_EXPORT",
        );
        let name = s.replace('-', "_");
        if let Some((c, _)) = Community::NAMED.iter().find(|(_, n)| n.eq_ignore_ascii_case(&name)) {
            return Ok(*c);
        }
        let (asn, value) = s.split_once(':').ok_or(ERROR)?;
        Ok(Community::new(asn.parse().map_err(|_| ERROR)?, value.parse().map_err(|_| ERROR)?))
    }
}

/// A large community (RFC 8092 §3). Prints as `65001:1:2`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LargeCommunity {
    /// Global Administrator: an AS number.
    pub global_administrator: u32,
    /// Local Data Part 1.
    pub local_data_part_1: u32,
    /// Local Data Part 2.
    pub local_data_part_2: u32,
}

impl LargeCommunity {
    /// The community `global:part_1:part_2`.
    pub const fn new(global: u32, part_1: u32, part_2: u32) -> LargeCommunity {
        LargeCommunity { global_administrator: global, local_data_part_1: part_1, local_data_part_2: part_2 }
    }

    /// From the twelve octets on the wire.
    pub const fn from_octets(octets: [u8; 12]) -> LargeCommunity {
        let [a, b, c, d, e, f, g, h, i, j, k, l] = octets;
        LargeCommunity::new(
            u32::from_be_bytes([a, b, c, d]),
            u32::from_be_bytes([e, f, g, h]),
            u32::from_be_bytes([i, j, k, l]),
        )
    }

    /// The three numbers, in order.
    pub const fn parts(self) -> [u32; 3] {
        [self.global_administrator, self.local_data_part_1, self.local_data_part_2]
    }
}

impl fmt::Display for LargeCommunity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c] = self.parts();
        write!(f, "{a}:{b}:{c}")
    }
}

impl FromStr for LargeCommunity {
    type Err = ParseCommunityError;

    /// Reads `65001:1:2`.
    fn from_str(s: &str) -> Result<LargeCommunity, ParseCommunityError> {
        const ERROR: ParseCommunityError =
            ParseCommunityError("a large community is three numbers up to 4294967295, as in 65001:1:2");
        let mut parts = s.split(':').map(|p| p.parse::<u32>().map_err(|_| ERROR));
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(a), Some(b), Some(c), None) => Ok(LargeCommunity::new(a?, b?, c?)),
            _ => Err(ERROR),
        }
    }
}

/// An extended community (RFC 4360 §2). Prints as `rt:65001:1`, `soo:192.0.2.1:7` and the like, others as
/// `0x` and sixteen hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExtendedCommunity(pub [u8; 8]);

/// Sub-Type of a Route Target (RFC 4360 §4).
const ROUTE_TARGET: u8 = 0x02;
/// Sub-Type of a Route Origin, or site of origin (RFC 4360 §5).
const ROUTE_ORIGIN: u8 = 0x03;

impl ExtendedCommunity {
    /// Whether it stays inside the AS: the T bit says non-transitive (RFC 4360 §2).
    pub const fn is_transitive(self) -> bool {
        let [kind, ..] = self.0;
        kind & 0x40 == 0
    }

    /// A Route Target of an AS: in two octets where it fits (RFC 4360 §3.1), otherwise in four (RFC 5668), and then
    /// `None` where `local` needs more than two.
    pub fn route_target(asn: Asn, local: u32) -> Option<ExtendedCommunity> {
        ExtendedCommunity::of_as(ROUTE_TARGET, asn, local)
    }

    fn of_as(sub_type: u8, asn: Asn, local: u32) -> Option<ExtendedCommunity> {
        let [a, b, c, d] = asn.0.to_be_bytes();
        let [w, x, y, z] = local.to_be_bytes();
        match (a, b, w, x) {
            (0, 0, ..) => Some(ExtendedCommunity([0x00, sub_type, c, d, w, x, y, z])),
            (.., 0, 0) => Some(ExtendedCommunity([0x02, sub_type, a, b, c, d, y, z])),
            _ => None,
        }
    }
}

impl fmt::Display for ExtendedCommunity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [kind, sub_type, a, b, c, d, y, z] = self.0;
        let name = match sub_type {
            ROUTE_TARGET => "rt",
            ROUTE_ORIGIN => "soo",
            _ => return write!(f, "{:#018x}", u64::from_be_bytes(self.0)),
        };
        let local = u16::from_be_bytes([y, z]);
        match kind {
            0x00 => write!(f, "{name}:{}:{}", u16::from_be_bytes([a, b]), u32::from_be_bytes([c, d, y, z])),
            0x01 => write!(f, "{name}:{}:{local}", Ipv4Addr::new(a, b, c, d)),
            // The L tells a four-octet number from a two-octet one that prints the same.
            0x02 => match u32::from_be_bytes([a, b, c, d]) {
                asn @ 0..=0xffff => write!(f, "{name}:{asn}L:{local}"),
                asn => write!(f, "{name}:{asn}:{local}"),
            },
            _ => write!(f, "{:#018x}", u64::from_be_bytes(self.0)),
        }
    }
}

impl FromStr for ExtendedCommunity {
    type Err = ParseCommunityError;

    /// Reads what `Display` writes.
    fn from_str(s: &str) -> Result<ExtendedCommunity, ParseCommunityError> {
        const ERROR: ParseCommunityError = ParseCommunityError(
            "an extended community is as in rt:65001:1, soo:192.0.2.1:1, or 0x and 16 hexadecimal digits",
        );
        if let Some(hex) = s.strip_prefix("0x") {
            let number = u64::from_str_radix(hex, 16).ok().filter(|_| hex.len() == 16);
            return number.map(|n| ExtendedCommunity(n.to_be_bytes())).ok_or(ERROR);
        }
        let mut parts = s.split(':');
        let (Some(name), Some(global), Some(local), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(ERROR);
        };
        let sub_type = match name {
            "rt" => ROUTE_TARGET,
            "soo" => ROUTE_ORIGIN,
            _ => return Err(ERROR),
        };
        let local: u32 = local.parse().map_err(|_| ERROR)?;
        let short = || u16::try_from(local).map(u16::to_be_bytes).map_err(|_| ERROR);
        if let Ok(address) = global.parse::<Ipv4Addr>() {
            let ([a, b, c, d], [y, z]) = (address.octets(), short()?);
            return Ok(ExtendedCommunity([0x01, sub_type, a, b, c, d, y, z]));
        }
        if let Some(number) = global.strip_suffix('L') {
            let number: u32 = number.parse().map_err(|_| ERROR)?;
            let ([a, b, c, d], [y, z]) = (number.to_be_bytes(), short()?);
            return Ok(ExtendedCommunity([0x02, sub_type, a, b, c, d, y, z]));
        }
        let asn: u32 = global.parse().map_err(|_| ERROR)?;
        ExtendedCommunity::of_as(sub_type, Asn(asn), local).ok_or(ERROR)
    }
}

/// An IPv6 address specific extended community (RFC 5701 §2). Prints as `rt:[2001:db8::1]:7`, where it is no route
/// target or origin as `0x` and forty hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ipv6ExtendedCommunity(pub [u8; 20]);

impl fmt::Display for Ipv6ExtendedCommunity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [kind, sub_type, address @ .., y, z] = self.0;
        let name = match (kind, sub_type) {
            (0x00, ROUTE_TARGET) => "rt",
            (0x00, ROUTE_ORIGIN) => "soo",
            _ => {
                f.write_str("0x")?;
                return self.0.iter().try_for_each(|b| write!(f, "{b:02x}"));
            }
        };
        let address: [u8; 16] = address;
        write!(f, "{name}:[{}]:{}", Ipv6Addr::from(address), u16::from_be_bytes([y, z]))
    }
}
