//! IPv4 headers (RFC 791), with the checks of RFC 1812 §5.2.2.

mod options;

use std::fmt;
use std::net::Ipv4Addr;

pub use options::{Iter, Opt, Options, SourceRoute};

use crate::Malformed;
use crate::checksum;

/// Octets of a header without options.
pub const LEN: usize = 20;

/// Octets that a packet can have, its header included.
pub const MAX_LEN: usize = 65_535;

/// What a packet carries, as a number of IANA's registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Protocol(pub u8);

impl Protocol {
    /// ICMP (RFC 792).
    pub const ICMP: Protocol = Protocol(1);
    /// IGMP (RFC 3376).
    pub const IGMP: Protocol = Protocol(2);
    /// TCP (RFC 9293).
    pub const TCP: Protocol = Protocol(6);
    /// UDP (RFC 768).
    pub const UDP: Protocol = Protocol(17);
    /// GRE (RFC 2784).
    pub const GRE: Protocol = Protocol(47);
    /// OSPF (RFC 2328).
    pub const OSPF: Protocol = Protocol(89);
    /// VRRP (RFC 5798).
    pub const VRRP: Protocol = Protocol(112);
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Protocol::ICMP => f.write_str("ICMP"),
            Protocol::IGMP => f.write_str("IGMP"),
            Protocol::TCP => f.write_str("TCP"),
            Protocol::UDP => f.write_str("UDP"),
            Protocol::GRE => f.write_str("GRE"),
            Protocol::OSPF => f.write_str("OSPF"),
            Protocol::VRRP => f.write_str("VRRP"),
            Protocol(other) => write!(f, "protocol {other}"),
        }
    }
}

/// The header of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Header {
    /// Type of Service: the DSCP (RFC 2474) and the two ECN bits (RFC 3168).
    pub tos: u8,
    /// Identification: what the fragments of one datagram have in common.
    pub identification: u16,
    /// Don't Fragment.
    pub dont_fragment: bool,
    /// More Fragments.
    pub more_fragments: bool,
    /// Fragment Offset in octets: a multiple of 8, at most 65,528.
    pub fragment_offset: u16,
    /// Time to Live.
    pub ttl: u8,
    /// What the payload is.
    pub protocol: Protocol,
    /// From whom.
    pub source: Ipv4Addr,
    /// To whom.
    pub destination: Ipv4Addr,
    /// The options; most packets have none.
    pub options: Options,
}

impl Header {
    /// A header with TTL 64 and no options, not a fragment.
    pub const fn new(protocol: Protocol, source: Ipv4Addr, destination: Ipv4Addr) -> Header {
        Header {
            tos: 0,
            identification: 0,
            dont_fragment: false,
            more_fragments: false,
            fragment_offset: 0,
            ttl: 64,
            protocol,
            source,
            destination,
            options: Options::NONE,
        }
    }

    /// Reads and checks a header (RFC 1812 §5.2.2); beside it is the payload, cut to Total Length.
    ///
    /// The options' own contents are checked when one goes through them.
    #[inline]
    pub fn parse(octets: &[u8]) -> Result<(Header, &[u8]), Malformed> {
        let (header, raw, total_length) = split(octets)?;
        if checksum::checksum(raw) != 0 {
            return Err(Malformed::checksum("IPv4 header checksum"));
        }
        if total_length < raw.len() {
            return Err(Malformed::length("IPv4 total length"));
        }
        let payload = octets.get(raw.len()..total_length).ok_or(Malformed::truncated("IPv4 total length"))?;
        Ok((header, payload))
    }

    /// Reads the header of the packet that an ICMP error quotes: cut short, its checksum perhaps stale.
    pub fn parse_quoted(octets: &[u8]) -> Result<(Header, &[u8]), Malformed> {
        let (header, raw, total_length) = split(octets)?;
        let end = total_length.clamp(raw.len(), octets.len());
        Ok((header, octets.get(raw.len()..end).unwrap_or_default()))
    }

    /// Octets of this header with its options: 20 to 60.
    #[inline]
    pub const fn header_len(&self) -> usize {
        LEN + self.options.len()
    }

    /// Whether the packet is a part of a datagram.
    #[inline]
    pub const fn is_fragment(&self) -> bool {
        self.more_fragments || self.fragment_offset != 0
    }

    /// Appends the header of a packet with `payload_len` octets of payload; the payload is to follow.
    ///
    /// Header and payload together have at most [`MAX_LEN`] octets.
    #[inline]
    pub fn emit(&self, payload_len: usize, out: &mut Vec<u8>) {
        let total_length = self.header_len() + payload_len;
        debug_assert!(total_length <= MAX_LEN, "an IPv4 packet of {total_length} octets");
        debug_assert!(
            self.fragment_offset.is_multiple_of(8),
            "a fragment offset of {}",
            self.fragment_offset
        );
        let [l0, l1] = (total_length as u16).to_be_bytes();
        let [i0, i1] = self.identification.to_be_bytes();
        let flags = (u16::from(self.dont_fragment) << 14) | (u16::from(self.more_fragments) << 13);
        let [f0, f1] = (flags | (self.fragment_offset >> 3)).to_be_bytes();
        let [s0, s1, s2, s3] = self.source.octets();
        let [d0, d1, d2, d3] = self.destination.octets();
        let ihl = 0x40 | (self.header_len() / 4) as u8;
        let start = [
            [ihl, self.tos, l0, l1],
            [i0, i1, f0, f1],
            [self.ttl, self.protocol.0, 0, 0],
            [s0, s1, s2, s3],
            [d0, d1, d2, d3],
        ];
        let sum = checksum::sum(checksum::sum(0, start.as_flattened()), self.options.raw());
        let [c0, c1] = checksum::finish(sum).to_be_bytes();
        let [a, b, [ttl, protocol, ..], d, e] = start;
        out.extend_from_slice([a, b, [ttl, protocol, c0, c1], d, e].as_flattened());
        out.extend_from_slice(self.options.raw());
    }
}

/// The header's fields, its octets, and Total Length; the checksum and the latter not yet checked.
#[inline]
fn split(octets: &[u8]) -> Result<(Header, &[u8], usize), Malformed> {
    let Some(start) = octets.first_chunk::<LEN>() else {
        return Err(Malformed::truncated("IPv4 header"));
    };
    let [version_ihl, tos, l0, l1, i0, i1, f0, f1, ttl, protocol, _, _, s0, s1, s2, s3, d0, d1, d2, d3] =
        *start;
    if version_ihl >> 4 != 4 {
        return Err(Malformed::version("IPv4 version"));
    }
    let header_len = usize::from(version_ihl & 0x0f) * 4;
    if header_len < LEN {
        return Err(Malformed::length("IPv4 IHL"));
    }
    let raw = octets.get(..header_len).ok_or(Malformed::truncated("IPv4 IHL"))?;
    let options = if header_len == LEN {
        Options::NONE
    } else {
        Options::from_raw(raw.get(LEN..).unwrap_or_default())?
    };
    let fragment = u16::from_be_bytes([f0, f1]);
    let header = Header {
        tos,
        identification: u16::from_be_bytes([i0, i1]),
        dont_fragment: fragment & 0x4000 != 0,
        more_fragments: fragment & 0x2000 != 0,
        fragment_offset: fragment << 3,
        ttl,
        protocol: Protocol(protocol),
        source: Ipv4Addr::new(s0, s1, s2, s3),
        destination: Ipv4Addr::new(d0, d1, d2, d3),
        options,
    };
    Ok((header, raw, usize::from(u16::from_be_bytes([l0, l1]))))
}

/// Takes one from the TTL of a packet and updates its checksum in place (RFC 1812 §5.3.1, RFC 1624).
///
/// Gives the new TTL; `None`, with nothing changed, where it was 0 already or `packet` is too short.
#[inline]
pub fn decrement_ttl(packet: &mut [u8]) -> Option<u8> {
    let header = packet.first_chunk_mut::<LEN>()?;
    let [.., ttl, protocol, c0, c1, _, _, _, _, _, _, _, _] = header;
    let new_ttl = ttl.checked_sub(1)?;
    let old = u16::from_be_bytes([*ttl, *protocol]);
    let new = u16::from_be_bytes([new_ttl, *protocol]);
    *ttl = new_ttl;
    [*c0, *c1] = checksum::update(u16::from_be_bytes([*c0, *c1]), old, new).to_be_bytes();
    Some(new_ttl)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::malformed::Reason;

    const SRC: Ipv4Addr = Ipv4Addr::new(192, 168, 0, 1);
    const DST: Ipv4Addr = Ipv4Addr::new(192, 168, 0, 199);

    /// A header with a checksum that others computed: total length 115, DF, TTL 64, UDP.
    const HEADER: [u8; LEN] =
        [0x45, 0, 0, 0x73, 0, 0, 0x40, 0, 0x40, 0x11, 0xb8, 0x61, 0xc0, 0xa8, 0, 1, 0xc0, 0xa8, 0, 0xc7];

    fn packet() -> Vec<u8> {
        let mut packet = HEADER.to_vec();
        packet.resize(0x73, 0);
        packet
    }

    #[test]
    fn a_header_octet_by_octet() {
        // RFC 791 §3.1
        let header = Header { dont_fragment: true, ..Header::new(Protocol::UDP, SRC, DST) };
        let mut octets = packet();
        octets.extend([0xee; 5]);
        let (parsed, payload) = Header::parse(&octets).unwrap();
        assert_eq!((parsed, payload), (header, &[0; 95][..]));
        let mut again = Vec::new();
        header.emit(95, &mut again);
        assert_eq!(again, HEADER);
    }

    #[test]
    fn the_checks_of_rfc_1812() {
        // RFC 1812 §5.2.2: (1) length of the link layer, (2) checksum, (3) version, (4) IHL, (5) total length
        let reason = |octets: &[u8]| Header::parse(octets).unwrap_err();
        assert_eq!(reason(&HEADER[..19]), Malformed::truncated("IPv4 header"));
        assert_eq!(reason(&HEADER), Malformed::truncated("IPv4 total length"));
        for (at, value, expected) in [
            (8, 63, Malformed::checksum("IPv4 header checksum")),
            (0, 0x65, Malformed::version("IPv4 version")),
            (0, 0x44, Malformed::length("IPv4 IHL")),
        ] {
            let mut octets = packet();
            octets[at] = value;
            assert_eq!(reason(&octets), expected);
        }
        let mut octets = packet();
        octets[3] = 19;
        let sum = checksum::update(0xb861, 0x73, 19);
        octets[10..12].copy_from_slice(&sum.to_be_bytes());
        assert_eq!(reason(&octets), Malformed::length("IPv4 total length"));
        octets[0] = 0x4f;
        assert_eq!(Header::parse(&octets[..59]).unwrap_err().reason, Reason::Truncated);
    }

    #[test]
    fn fragments() {
        let header = Header {
            more_fragments: true,
            fragment_offset: 65_528,
            identification: 0xabcd,
            ..Header::new(Protocol::ICMP, SRC, DST)
        };
        let mut octets = Vec::new();
        header.emit(0, &mut octets);
        assert_eq!(octets[4..8], [0xab, 0xcd, 0x3f, 0xff]);
        assert_eq!(Header::parse(&octets), Ok((header, &[][..])));
        assert!(header.is_fragment() && !Header::new(Protocol::ICMP, SRC, DST).is_fragment());
    }

    #[test]
    fn a_quoted_packet_is_read_as_far_as_it_goes() {
        // RFC 792: the header and the first 64 bits of the payload; routers on the way changed TTL, not always right
        let mut octets = packet();
        octets[8] = 1;
        let (header, payload) = Header::parse_quoted(&octets[..28]).unwrap();
        assert_eq!((header.ttl, header.protocol, payload.len()), (1, Protocol::UDP, 8));
        octets[3] = 5;
        assert_eq!(Header::parse_quoted(&octets).unwrap().1, &[]);
    }

    #[test]
    fn ttl_counts_down_with_the_checksum() {
        // RFC 1624 §3
        let mut octets = packet();
        for ttl in (0..64).rev() {
            assert_eq!(decrement_ttl(&mut octets), Some(ttl));
            assert_eq!(Header::parse(&octets).unwrap().0.ttl, ttl);
        }
        let before = octets.clone();
        assert_eq!(decrement_ttl(&mut octets), None);
        assert_eq!(decrement_ttl(&mut octets[..19]), None);
        assert_eq!(octets, before);
    }

    #[test]
    fn options_are_part_of_the_header() {
        let options = Options::new(&[Opt::RouterAlert(0)]).unwrap();
        let header = Header { options, ..Header::new(Protocol::IGMP, SRC, DST) };
        let mut octets = Vec::new();
        header.emit(1, &mut octets);
        octets.push(0x16);
        assert_eq!((octets[0], header.header_len()), (0x46, 24));
        assert_eq!(octets[20..24], [148, 4, 0, 0]);
        assert_eq!(Header::parse(&octets), Ok((header, &[0x16][..])));
    }
}
