//! IP prefixes: an address whose bits beyond the length are zero.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// Why a text is no prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ParsePrefixError {
    /// Not of the form `address/length`.
    Form,
    /// The length is beyond 32 (IPv4) or 128 (IPv6).
    Length,
    /// Bits beyond the length are set; the prefix without them.
    HostBits(Prefix),
}

impl fmt::Display for ParsePrefixError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ParsePrefixError::Form => {
                f.write_str("a prefix is an address, a slash and a length, as in 192.0.2.0/24")
            }
            ParsePrefixError::Length => f.write_str("a prefix length is 0 to 32 for IPv4, 0 to 128 for IPv6"),
            ParsePrefixError::HostBits(p) => {
                write!(f, "bits are set beyond the prefix length; the prefix is {p}")
            }
        }
    }
}

impl std::error::Error for ParsePrefixError {}

macro_rules! prefix {
    ($name:ident, $addr:ty, $bits:ty, $max:literal, $doc:literal) => {
        #[doc = $doc]
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name {
            bits: $bits,
            len: u8,
        }

        impl $name {
            /// The longest prefix length.
            pub const MAX_LEN: u8 = $max;

            /// The prefix of length `len` that holds `addr`; bits beyond `len` are cleared. `None` where `len` is
            /// too long.
            pub const fn new(addr: $addr, len: u8) -> Option<$name> {
                if len > $max {
                    return None;
                }
                Some($name { bits: addr.to_bits() & Self::mask(len), len })
            }

            /// From raw bits in host order; bits beyond `len` are cleared, `len` is capped.
            #[inline]
            pub const fn from_bits(bits: $bits, len: u8) -> $name {
                let len = if len > $max { $max } else { len };
                $name { bits: bits & Self::mask(len), len }
            }

            /// The network mask of a length.
            #[inline]
            pub const fn mask(len: u8) -> $bits {
                if len == 0 { 0 } else { <$bits>::MAX << ($max - len) }
            }

            /// The first address.
            pub const fn addr(self) -> $addr {
                <$addr>::from_bits(self.bits)
            }

            /// The first address as a number in host order.
            #[inline]
            pub const fn bits(self) -> $bits {
                self.bits
            }

            /// The length in bits.
            #[inline]
            #[allow(clippy::len_without_is_empty)]
            pub const fn len(self) -> u8 {
                self.len
            }

            /// Whether `addr` lies in this prefix.
            pub const fn contains(self, addr: $addr) -> bool {
                addr.to_bits() & Self::mask(self.len) == self.bits
            }

            /// Whether `other` is this prefix or a more specific one.
            pub const fn covers(self, other: $name) -> bool {
                other.len >= self.len && other.bits & Self::mask(self.len) == self.bits
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}/{}", self.addr(), self.len)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{self}")
            }
        }
    };
}

prefix!(Ipv4Prefix, Ipv4Addr, u32, 32, "An IPv4 prefix, length 0..=32.");
prefix!(Ipv6Prefix, Ipv6Addr, u128, 128, "An IPv6 prefix, length 0..=128.");

/// A prefix of either family. IPv4 sorts before IPv6.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Prefix {
    /// IPv4.
    V4(Ipv4Prefix),
    /// IPv6.
    V6(Ipv6Prefix),
}

impl Prefix {
    /// The prefix of length `len` that holds `addr`; `None` where `len` is too long for the family.
    pub const fn new(addr: IpAddr, len: u8) -> Option<Prefix> {
        match addr {
            IpAddr::V4(a) => match Ipv4Prefix::new(a, len) {
                Some(p) => Some(Prefix::V4(p)),
                None => None,
            },
            IpAddr::V6(a) => match Ipv6Prefix::new(a, len) {
                Some(p) => Some(Prefix::V6(p)),
                None => None,
            },
        }
    }

    /// The prefix that holds `addr` alone (/32 or /128).
    pub const fn host(addr: IpAddr) -> Prefix {
        match addr {
            IpAddr::V4(a) => Prefix::V4(Ipv4Prefix::from_bits(a.to_bits(), 32)),
            IpAddr::V6(a) => Prefix::V6(Ipv6Prefix::from_bits(a.to_bits(), 128)),
        }
    }

    /// The first address.
    pub const fn addr(self) -> IpAddr {
        match self {
            Prefix::V4(p) => IpAddr::V4(p.addr()),
            Prefix::V6(p) => IpAddr::V6(p.addr()),
        }
    }

    /// The length in bits.
    #[allow(clippy::len_without_is_empty)]
    pub const fn len(self) -> u8 {
        match self {
            Prefix::V4(p) => p.len(),
            Prefix::V6(p) => p.len(),
        }
    }

    /// Whether this is an IPv4 prefix.
    pub const fn is_ipv4(self) -> bool {
        matches!(self, Prefix::V4(_))
    }

    /// Whether `addr` lies in this prefix.
    pub const fn contains(self, addr: IpAddr) -> bool {
        match (self, addr) {
            (Prefix::V4(p), IpAddr::V4(a)) => p.contains(a),
            (Prefix::V6(p), IpAddr::V6(a)) => p.contains(a),
            _ => false,
        }
    }

    /// Whether `other` is this prefix or a more specific one of the same family.
    pub const fn covers(self, other: Prefix) -> bool {
        match (self, other) {
            (Prefix::V4(p), Prefix::V4(q)) => p.covers(q),
            (Prefix::V6(p), Prefix::V6(q)) => p.covers(q),
            _ => false,
        }
    }
}

/// `prefix le n ge m`: prefixes inside `prefix` whose length lies in `ge..=le`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PrefixMatch {
    /// They lie inside this one.
    pub prefix: Prefix,
    /// The shortest length. Default: the length of `prefix`.
    pub ge: u8,
    /// The longest length. Default: the length of `prefix`, or 32/128 where only `ge` is given.
    pub le: u8,
}

impl PrefixMatch {
    /// Whether `prefix` matches.
    pub fn matches(&self, prefix: Prefix) -> bool {
        self.prefix.covers(prefix) && (self.ge..=self.le).contains(&prefix.len())
    }
}

impl From<Ipv4Prefix> for Prefix {
    fn from(p: Ipv4Prefix) -> Prefix {
        Prefix::V4(p)
    }
}

impl From<Ipv6Prefix> for Prefix {
    fn from(p: Ipv6Prefix) -> Prefix {
        Prefix::V6(p)
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Prefix::V4(p) => p.fmt(f),
            Prefix::V6(p) => p.fmt(f),
        }
    }
}

impl fmt::Debug for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for Prefix {
    type Err = ParsePrefixError;

    /// Reads `address/length`; refuses set bits beyond the length, since they are nearly always a slip.
    fn from_str(s: &str) -> Result<Prefix, ParsePrefixError> {
        let (addr, len) = s.split_once('/').ok_or(ParsePrefixError::Form)?;
        let addr: IpAddr = addr.parse().map_err(|_| ParsePrefixError::Form)?;
        let len: u8 = len.parse().map_err(|_| ParsePrefixError::Form)?;
        let prefix = Prefix::new(addr, len).ok_or(ParsePrefixError::Length)?;
        if prefix.addr() != addr {
            return Err(ParsePrefixError::HostBits(prefix));
        }
        Ok(prefix)
    }
}

impl serde::Serialize for Prefix {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Prefix {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Prefix, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(d)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn says_what_is_wrong() {
        assert_eq!("192.0.2.0".parse::<Prefix>(), Err(ParsePrefixError::Form));
        assert_eq!("192.0.2.0/33".parse::<Prefix>(), Err(ParsePrefixError::Length));
        let p = "192.0.2.0/24".parse::<Prefix>().unwrap();
        assert_eq!("192.0.2.1/24".parse::<Prefix>(), Err(ParsePrefixError::HostBits(p)));
    }

    #[test]
    fn covers_only_what_is_inside() {
        let p = |s: &str| s.parse::<Prefix>().unwrap();
        assert!(p("0.0.0.0/0").covers(p("10.0.0.0/8")));
        assert!(p("10.0.0.0/8").covers(p("10.0.0.0/8")));
        assert!(!p("10.0.0.0/8").covers(p("0.0.0.0/0")));
        assert!(!p("::/0").covers(p("10.0.0.0/8")));
        assert!(p("2001:db8::/32").contains("2001:db8::1".parse().unwrap()));
    }

    proptest! {
        #[test]
        fn text_round_trips(bits: u128, len in 0u8..=128, v4: bool) {
            let p = if v4 {
                Prefix::V4(Ipv4Prefix::from_bits(bits as u32, len % 33))
            } else {
                Prefix::V6(Ipv6Prefix::from_bits(bits, len))
            };
            prop_assert_eq!(p.to_string().parse::<Prefix>(), Ok(p));
        }
    }
}
