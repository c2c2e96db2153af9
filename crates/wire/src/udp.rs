//! UDP datagrams (RFC 768).

use std::net::Ipv4Addr;

use crate::Malformed;
use crate::checksum;
use crate::ipv4::Protocol;

/// Octets of the header.
pub const LEN: usize = 8;

/// The most octets that a datagram can carry over IPv4 without options.
pub const MAX_PAYLOAD: usize = 65_507;

/// The ports, from the header alone: all that the quoted octets in an ICMP error always hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Header {
    /// Source Port; 0 where no answer is awaited.
    pub source_port: u16,
    /// Destination Port.
    pub destination_port: u16,
}

impl Header {
    /// Reads the first octets of a datagram, checks nothing.
    pub fn parse(octets: &[u8]) -> Result<Header, Malformed> {
        let &[s0, s1, d0, d1] = octets.first_chunk().ok_or(Malformed::truncated("UDP header"))?;
        Ok(Header {
            source_port: u16::from_be_bytes([s0, s1]),
            destination_port: u16::from_be_bytes([d0, d1]),
        })
    }
}

/// A datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Datagram<'a> {
    /// Source Port; 0 where no answer is awaited.
    pub source_port: u16,
    /// Destination Port.
    pub destination_port: u16,
    /// What it carries, at most 65,507 octets.
    pub payload: &'a [u8],
}

impl<'a> Datagram<'a> {
    /// Reads the payload of an IPv4 packet from `src` to `dst`, and checks Length and Checksum.
    pub fn parse(octets: &'a [u8], src: Ipv4Addr, dst: Ipv4Addr) -> Result<Datagram<'a>, Malformed> {
        let &[s0, s1, d0, d1, l0, l1, c0, c1] =
            octets.first_chunk().ok_or(Malformed::truncated("UDP header"))?;
        let length = u16::from_be_bytes([l0, l1]);
        if usize::from(length) < LEN {
            return Err(Malformed::length("UDP length"));
        }
        let octets = octets.get(..usize::from(length)).ok_or(Malformed::truncated("UDP length"))?;
        let pseudo = checksum::pseudo_header(src, dst, Protocol::UDP.0, length);
        // All zeros: the sender made none.
        if [c0, c1] != [0, 0] && checksum::finish(checksum::sum(pseudo, octets)) != 0 {
            return Err(Malformed::checksum("UDP checksum"));
        }
        Ok(Datagram {
            source_port: u16::from_be_bytes([s0, s1]),
            destination_port: u16::from_be_bytes([d0, d1]),
            payload: octets.get(LEN..).unwrap_or_default(),
        })
    }

    /// Appends the datagram, with its checksum.
    pub fn emit(&self, src: Ipv4Addr, dst: Ipv4Addr, out: &mut Vec<u8>) {
        debug_assert!(self.payload.len() <= MAX_PAYLOAD, "a datagram of {} octets", self.payload.len());
        let length = (LEN + self.payload.len()) as u16;
        let mut header = [0; LEN];
        let [s, d, l] = [self.source_port, self.destination_port, length].map(u16::to_be_bytes);
        header[..6].copy_from_slice([s, d, l].as_flattened());
        let pseudo = checksum::pseudo_header(src, dst, Protocol::UDP.0, length);
        let sum = checksum::sum(checksum::sum(pseudo, &header), self.payload);
        // A sum of zero is sent as all ones, as all zeros say that there is none.
        let checksum = match checksum::finish(sum) {
            0 => 0xffff,
            sum => sum,
        };
        header[6..].copy_from_slice(&checksum.to_be_bytes());
        out.extend_from_slice(&header);
        out.extend_from_slice(self.payload);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SRC: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
    const DST: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);

    fn emit(datagram: Datagram<'_>) -> Vec<u8> {
        let mut octets = Vec::new();
        datagram.emit(SRC, DST, &mut octets);
        octets
    }

    #[test]
    fn checksum_and_length_are_checked() {
        let datagram = Datagram { source_port: 520, destination_port: 520, payload: b"rip" };
        let mut octets = emit(datagram);
        assert_eq!(&octets[..6], &[2, 8, 2, 8, 0, 11]);
        assert_eq!(Header::parse(&octets), Ok(Header { source_port: 520, destination_port: 520 }));
        // What is beyond Length is not the datagram's.
        octets.push(7);
        assert_eq!(Datagram::parse(&octets, SRC, DST), Ok(datagram));
        assert_eq!(Datagram::parse(&octets[..10], SRC, DST), Err(Malformed::truncated("UDP length")));
        // The pseudo-header protects against misrouted datagrams (RFC 768).
        let other = Ipv4Addr::new(192, 0, 2, 3);
        assert_eq!(Datagram::parse(&octets, SRC, other), Err(Malformed::checksum("UDP checksum")));
        // "An all zero transmitted checksum value means that the transmitter generated no checksum" (RFC 768).
        octets[6..8].fill(0);
        assert_eq!(Datagram::parse(&octets, SRC, other), Ok(datagram));
        octets[5] = 7;
        assert_eq!(Datagram::parse(&octets, SRC, DST), Err(Malformed::length("UDP length")));
    }

    #[test]
    fn a_checksum_of_zero_is_sent_as_all_ones() {
        // RFC 768: "If the computed checksum is zero, it is transmitted as all ones".
        let empty = emit(Datagram { source_port: 0, destination_port: 0, payload: &[0, 0] });
        let payload = [empty[6], empty[7]];
        let datagram = Datagram { source_port: 0, destination_port: 0, payload: &payload };
        let octets = emit(datagram);
        assert_eq!(octets[6..8], [0xff, 0xff]);
        assert_eq!(Datagram::parse(&octets, SRC, DST), Ok(datagram));
    }
}
