//! Address families (RFC 4760; the numbers are IANA's).

use std::fmt;
use std::str::FromStr;

/// An Address Family Identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Afi {
    /// 1.
    Ipv4,
    /// 2.
    Ipv6,
    /// 25 (RFC 4761).
    L2vpn,
    /// Any other.
    Unknown(u16),
}

impl Afi {
    /// The number on the wire.
    pub const fn code(self) -> u16 {
        match self {
            Afi::Ipv4 => 1,
            Afi::Ipv6 => 2,
            Afi::L2vpn => 25,
            Afi::Unknown(code) => code,
        }
    }
}

impl From<u16> for Afi {
    fn from(code: u16) -> Afi {
        match code {
            1 => Afi::Ipv4,
            2 => Afi::Ipv6,
            25 => Afi::L2vpn,
            other => Afi::Unknown(other),
        }
    }
}

impl fmt::Display for Afi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Afi::Ipv4 => f.write_str("ipv4"),
            Afi::Ipv6 => f.write_str("ipv6"),
            Afi::L2vpn => f.write_str("l2vpn"),
            Afi::Unknown(code) => write!(f, "afi{code}"),
        }
    }
}

/// A Subsequent Address Family Identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Safi {
    /// 1.
    Unicast,
    /// 2.
    Multicast,
    /// 4 (RFC 8277).
    Labeled,
    /// 70 (RFC 7432).
    Evpn,
    /// 128 (RFC 4364).
    Vpn,
    /// 133 (RFC 8955).
    Flowspec,
    /// Any other.
    Unknown(u8),
}

impl Safi {
    const NAMED: [(Safi, u8, &'static str); 6] = [
        (Safi::Unicast, 1, "unicast"),
        (Safi::Multicast, 2, "multicast"),
        (Safi::Labeled, 4, "labeled"),
        (Safi::Evpn, 70, "evpn"),
        (Safi::Vpn, 128, "vpn"),
        (Safi::Flowspec, 133, "flowspec"),
    ];

    /// The number on the wire.
    pub const fn code(self) -> u8 {
        match self {
            Safi::Unicast => 1,
            Safi::Multicast => 2,
            Safi::Labeled => 4,
            Safi::Evpn => 70,
            Safi::Vpn => 128,
            Safi::Flowspec => 133,
            Safi::Unknown(code) => code,
        }
    }
}

impl From<u8> for Safi {
    fn from(code: u8) -> Safi {
        Safi::NAMED.iter().find(|(_, c, _)| *c == code).map_or(Safi::Unknown(code), |(safi, ..)| *safi)
    }
}

impl fmt::Display for Safi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Safi::NAMED.iter().find(|(safi, ..)| safi == self) {
            Some((_, _, name)) => f.write_str(name),
            None => write!(f, "safi{}", self.code()),
        }
    }
}

/// An address family: AFI and SAFI together. Prints as `ipv4-unicast`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Family {
    /// Address Family Identifier.
    pub afi: Afi,
    /// Subsequent Address Family Identifier.
    pub safi: Safi,
}

impl Family {
    /// AFI 1, SAFI 1.
    pub const IPV4_UNICAST: Family = Family { afi: Afi::Ipv4, safi: Safi::Unicast };
    /// AFI 2, SAFI 1.
    pub const IPV6_UNICAST: Family = Family { afi: Afi::Ipv6, safi: Safi::Unicast };
    /// AFI 1, SAFI 2.
    pub const IPV4_MULTICAST: Family = Family { afi: Afi::Ipv4, safi: Safi::Multicast };
    /// AFI 2, SAFI 2.
    pub const IPV6_MULTICAST: Family = Family { afi: Afi::Ipv6, safi: Safi::Multicast };

    /// From the two numbers on the wire.
    pub fn from_codes(afi: u16, safi: u8) -> Family {
        Family { afi: Afi::from(afi), safi: Safi::from(safi) }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.afi, self.safi)
    }
}

impl fmt::Debug for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// The text names no address family.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseFamilyError;

impl fmt::Display for ParseFamilyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an address family is ipv4-unicast, ipv6-unicast and the like")
    }
}

impl std::error::Error for ParseFamilyError {}

impl FromStr for Family {
    type Err = ParseFamilyError;

    /// Reads what `Display` writes.
    fn from_str(s: &str) -> Result<Family, ParseFamilyError> {
        let (afi, safi) = s.split_once('-').ok_or(ParseFamilyError)?;
        let afi = match afi {
            "ipv4" => Afi::Ipv4,
            "ipv6" => Afi::Ipv6,
            "l2vpn" => Afi::L2vpn,
            other => other
                .strip_prefix("afi")
                .and_then(|n| n.parse::<u16>().ok())
                .map(Afi::from)
                .ok_or(ParseFamilyError)?,
        };
        let safi = match Safi::NAMED.iter().find(|(.., name)| *name == safi) {
            Some((safi, ..)) => *safi,
            None => safi
                .strip_prefix("safi")
                .and_then(|n| n.parse::<u8>().ok())
                .map(Safi::from)
                .ok_or(ParseFamilyError)?,
        };
        Ok(Family { afi, safi })
    }
}
