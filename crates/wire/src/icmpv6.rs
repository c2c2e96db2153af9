//! ICMPv6 messages (RFC 4443) and neighbor discovery's (RFC 4861), read as far as a capture needs it.

use std::fmt;
use std::net::Ipv6Addr;

use trunkline_core::MacAddr;

use crate::Malformed;
use crate::bytes::Reader;
use crate::checksum;
use crate::ipv6::{ICMPV6, pseudo_header};

/// The kinds of the link-layer address options (RFC 4861 §4.6.1).
const SOURCE_LINK_LAYER: u8 = 1;
const TARGET_LINK_LAYER: u8 = 2;

/// A message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Message<'a> {
    /// Destination Unreachable (RFC 4443 §3.1).
    DestinationUnreachable {
        /// Why.
        code: u8,
        /// The packet that could not be delivered, as much as fits.
        original: &'a [u8],
    },
    /// Packet Too Big (RFC 4443 §3.2).
    PacketTooBig {
        /// The largest packet that fits the next link, octets.
        mtu: u32,
        /// The packet that was dropped.
        original: &'a [u8],
    },
    /// Time Exceeded (RFC 4443 §3.3).
    TimeExceeded {
        /// 0: hop limit; 1: reassembly.
        code: u8,
        /// The packet that was dropped.
        original: &'a [u8],
    },
    /// Neighbor Solicitation (RFC 4861 §4.3): who has the target?
    NeighborSolicitation {
        /// The address that is looked for.
        target: Ipv6Addr,
        /// Who asks, where that is said.
        source_hardware: Option<MacAddr>,
    },
    /// Neighbor Advertisement (RFC 4861 §4.4): the sender has the target.
    NeighborAdvertisement {
        /// The address that is told of.
        target: Ipv6Addr,
        /// Where it is, where that is said.
        target_hardware: Option<MacAddr>,
        /// Whether it answers a solicitation.
        solicited: bool,
    },
    /// Redirect (RFC 4861 §4.5).
    Redirect {
        /// The better first hop.
        target: Ipv6Addr,
        /// To where.
        destination: Ipv6Addr,
    },
    /// Any other.
    Unknown {
        /// Type.
        kind: u8,
        /// Code.
        code: u8,
    },
}

impl<'a> Message<'a> {
    /// Reads the payload of a packet from `src` to `dst`, all of it, and checks the checksum.
    pub fn parse(octets: &'a [u8], src: Ipv6Addr, dst: Ipv6Addr) -> Result<Message<'a>, Malformed> {
        let pseudo = pseudo_header(src, dst, ICMPV6, octets.len() as u32);
        if octets.len() >= 4 && checksum::finish(checksum::sum(pseudo, octets)) != 0 {
            return Err(Malformed::checksum("ICMPv6 checksum"));
        }
        Message::parse_without_checksum(octets)
    }

    /// Reads a message that may be cut short.
    pub fn parse_without_checksum(octets: &'a [u8]) -> Result<Message<'a>, Malformed> {
        let truncated = Malformed::truncated("ICMPv6 message");
        let mut r = Reader::new(octets);
        let [kind, code, _, _] = r.array().ok_or(truncated)?;
        if !matches!(kind, 1..=3 | 135..=137) {
            return Ok(Message::Unknown { kind, code });
        }
        let word = r.u32().ok_or(truncated)?;
        Ok(match kind {
            1 => Message::DestinationUnreachable { code, original: r.rest() },
            2 => Message::PacketTooBig { mtu: word, original: r.rest() },
            3 => Message::TimeExceeded { code, original: r.rest() },
            135 => {
                let target = r.ipv6().ok_or(truncated)?;
                let source_hardware = option(r, SOURCE_LINK_LAYER);
                Message::NeighborSolicitation { target, source_hardware }
            }
            136 => {
                let target = r.ipv6().ok_or(truncated)?;
                let (target_hardware, solicited) = (option(r, TARGET_LINK_LAYER), word & 0x4000_0000 != 0);
                Message::NeighborAdvertisement { target, target_hardware, solicited }
            }
            _ => Message::Redirect {
                target: r.ipv6().ok_or(truncated)?,
                destination: r.ipv6().ok_or(truncated)?,
            },
        })
    }

    /// The packet that an error message is about.
    pub const fn original(&self) -> Option<&'a [u8]> {
        match *self {
            Message::DestinationUnreachable { original, .. }
            | Message::PacketTooBig { original, .. }
            | Message::TimeExceeded { original, .. } => Some(original),
            _ => None,
        }
    }
}

/// The address in the first option of a kind; what is no list of options has none.
fn option(mut r: Reader<'_>, kind: u8) -> Option<MacAddr> {
    loop {
        let [found, units] = r.array()?;
        // RFC 4861 §4.6: in units of eight octets, 0 is invalid.
        let value = r.take((usize::from(units) * 8).checked_sub(2)?)?;
        if found == kind {
            return value.first_chunk().copied().map(MacAddr);
        }
    }
}

impl fmt::Display for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Message::DestinationUnreachable { code, .. } => f.write_str(match code {
                0 => "no route to destination",
                1 => "communication administratively prohibited",
                2 => "beyond scope of source address",
                3 => "address unreachable",
                4 => "port unreachable",
                5 => "source address failed ingress/egress policy",
                6 => "reject route to destination",
                _ => "destination unreachable",
            }),
            Message::PacketTooBig { mtu, .. } => write!(f, "packet too big, MTU {mtu}"),
            Message::TimeExceeded { code: 0, .. } => f.write_str("hop limit exceeded in transit"),
            Message::TimeExceeded { .. } => f.write_str("fragment reassembly time exceeded"),
            Message::NeighborSolicitation { target, .. } => {
                write!(f, "neighbor solicitation: who has {target}?")
            }
            Message::NeighborAdvertisement { target, target_hardware: Some(hardware), .. } => {
                write!(f, "neighbor advertisement: {target} is at {hardware}")
            }
            Message::NeighborAdvertisement { target, .. } => write!(f, "neighbor advertisement of {target}"),
            Message::Redirect { target, destination } => write!(f, "redirect for {destination} to {target}"),
            Message::Unknown { kind: 128, .. } => f.write_str("echo request"),
            Message::Unknown { kind: 129, .. } => f.write_str("echo reply"),
            Message::Unknown { kind: 133, .. } => f.write_str("router solicitation"),
            Message::Unknown { kind: 134, .. } => f.write_str("router advertisement"),
            Message::Unknown { kind: 143, .. } => f.write_str("multicast listener report"),
            Message::Unknown { kind, code } => write!(f, "type {kind} code {code}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
    const B: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2);

    fn sealed(mut octets: Vec<u8>) -> Vec<u8> {
        let sum = checksum::sum(pseudo_header(A, B, ICMPV6, octets.len() as u32), &octets);
        octets[2..4].copy_from_slice(&checksum::finish(sum).to_be_bytes());
        octets
    }

    #[test]
    fn neighbors() {
        // RFC 4861 §4.3, §4.4, §4.6.1
        let mut octets = vec![135, 0, 0, 0, 0, 0, 0, 0];
        octets.extend_from_slice(&B.octets());
        octets.extend_from_slice(&[14, 1, 0, 0, 0, 0, 0, 0, 1, 1, 2, 0, 0, 0, 0, 1]);
        let source_hardware = Some(MacAddr([2, 0, 0, 0, 0, 1]));
        let expected = Message::NeighborSolicitation { target: B, source_hardware };
        assert_eq!(Message::parse(&sealed(octets.clone()), A, B), Ok(expected));
        octets[0] = 136;
        octets[4] = 0x60;
        octets[32] = 2;
        let expected =
            Message::NeighborAdvertisement { target: B, target_hardware: source_hardware, solicited: true };
        assert_eq!(Message::parse(&sealed(octets.clone()), A, B), Ok(expected));
        // An option of no length ends the options.
        octets[25] = 0;
        let read = Message::parse_without_checksum(&octets).unwrap();
        assert!(matches!(read, Message::NeighborAdvertisement { target_hardware: None, .. }));
    }

    #[test]
    fn errors_quote_a_packet() {
        let octets = sealed(vec![2, 0, 0, 0, 0, 0, 5, 0, 0x60, 1]);
        let message = Message::parse(&octets, A, B).unwrap();
        assert_eq!(message, Message::PacketTooBig { mtu: 1280, original: &[0x60, 1] });
        assert_eq!(message.original(), Some(&[0x60, 1][..]));
        let mut wrong = octets.clone();
        wrong[9] ^= 1;
        assert_eq!(Message::parse(&wrong, A, B).unwrap_err().field, "ICMPv6 checksum");
        for end in 0..octets.len() {
            let read = Message::parse_without_checksum(&octets[..end]);
            assert_eq!(read.is_err(), end < 8, "{end}");
        }
    }
}
