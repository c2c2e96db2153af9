//! Segments (RFC 9293 §3.1).

use std::fmt;
use std::net::Ipv4Addr;
use std::ops::Range;

use super::{Flags, LEN, Options, SeqNum, options};
use crate::Malformed;
use crate::checksum;
use crate::ipv4::Protocol;

/// A segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Segment<'a> {
    /// Source Port.
    pub source_port: u16,
    /// Destination Port.
    pub destination_port: u16,
    /// Sequence Number: of the first octet of the payload, or of SYN where it is set.
    pub sequence: SeqNum,
    /// Acknowledgment Number: the next that the sender awaits; without meaning where ACK is not set.
    pub acknowledgment: SeqNum,
    /// The control bits.
    pub flags: Flags,
    /// Window as it stands in the header, before it is scaled.
    pub window: u16,
    /// Urgent Pointer: without meaning where URG is not set.
    pub urgent_pointer: u16,
    /// The options.
    pub options: Options,
    /// What it carries.
    pub payload: &'a [u8],
}

impl<'a> Segment<'a> {
    /// Reads the payload of an IPv4 packet from `src` to `dst`, all of it, and checks the checksum.
    #[inline]
    pub fn parse(octets: &'a [u8], src: Ipv4Addr, dst: Ipv4Addr) -> Result<Segment<'a>, Malformed> {
        let segment = Segment::parse_without_checksum(octets)?;
        let Ok(length) = u16::try_from(octets.len()) else {
            return Err(Malformed::length("TCP segment"));
        };
        let pseudo = checksum::pseudo_header(src, dst, Protocol::TCP.0, length);
        if checksum::finish(checksum::sum(pseudo, octets)) != 0 {
            return Err(Malformed::checksum("TCP checksum"));
        }
        Ok(segment)
    }

    /// Reads a segment whose checksum someone else has checked, or is not there yet.
    #[inline]
    pub fn parse_without_checksum(octets: &'a [u8]) -> Result<Segment<'a>, Malformed> {
        let Some(header) = octets.first_chunk::<LEN>() else {
            return Err(Malformed::truncated("TCP header"));
        };
        let [s0, s1, d0, d1, q0, q1, q2, q3, a0, a1, a2, a3, offset, flags, w0, w1, _, _, u0, u1] = *header;
        let header_len = usize::from(offset >> 4) * 4;
        if header_len < LEN {
            return Err(Malformed::length("TCP data offset"));
        }
        let Some((header, payload)) = octets.split_at_checked(header_len) else {
            return Err(Malformed::truncated("TCP data offset"));
        };
        let options = match header.get(LEN..) {
            None | Some([]) => Options::NONE,
            Some(options) => Options::parse(options)?,
        };
        Ok(Segment {
            source_port: u16::from_be_bytes([s0, s1]),
            destination_port: u16::from_be_bytes([d0, d1]),
            sequence: SeqNum(u32::from_be_bytes([q0, q1, q2, q3])),
            acknowledgment: SeqNum(u32::from_be_bytes([a0, a1, a2, a3])),
            flags: Flags(u16::from(flags)),
            window: u16::from_be_bytes([w0, w1]),
            urgent_pointer: u16::from_be_bytes([u0, u1]),
            options,
            payload,
        })
    }

    /// Octets of the header with its options: 20 to 60.
    pub fn header_len(&self) -> usize {
        LEN + self.options.encoded_len()
    }

    /// SEG.LEN: the octets of the payload, and one each for SYN and FIN (RFC 9293 §3.4).
    #[inline]
    pub const fn segment_len(&self) -> u32 {
        self.payload.len() as u32
            + self.flags.contains(Flags::SYN) as u32
            + self.flags.contains(Flags::FIN) as u32
    }

    /// Appends the segment, with its checksum. A digest or MAC in the options is written as it is.
    #[inline]
    pub fn emit(&self, src: Ipv4Addr, dst: Ipv4Addr, out: &mut Vec<u8>) {
        let start = out.len();
        let options = self.options.encode();
        let header_len = LEN + options.len();
        out.reserve(header_len + self.payload.len());
        let mut header = [[0; 4]; LEN / 4];
        let [ports, sequence, acknowledgment, control, last] = &mut header;
        let pair = |a: u16, b: u16| ((u32::from(a) << 16) | u32::from(b)).to_be_bytes();
        *ports = pair(self.source_port, self.destination_port);
        *sequence = self.sequence.0.to_be_bytes();
        *acknowledgment = self.acknowledgment.0.to_be_bytes();
        let flags = self.flags & Flags::ALL;
        *control = pair(((header_len / 4) as u16) << 12 | flags.0, self.window);
        *last = pair(0, self.urgent_pointer);
        out.extend_from_slice(header.as_flattened());
        out.extend_from_slice(&options);
        out.extend_from_slice(self.payload);
        fill_checksum(out.get_mut(start..).unwrap_or_default(), src, dst);
    }
}

/// Where the digest of the MD5 option, or the MAC of the authentication option, stands in an emitted segment.
pub fn digest_range(segment: &[u8]) -> Option<Range<usize>> {
    let header_len = usize::from(segment.get(12)? >> 4) * 4;
    let range = options::digest(segment.get(LEN..header_len)?)?;
    Some(LEN + range.start..LEN + range.end)
}

/// Computes the checksum of a segment from `src` to `dst` and writes it into its place.
#[inline]
pub fn fill_checksum(segment: &mut [u8], src: Ipv4Addr, dst: Ipv4Addr) {
    debug_assert!(segment.len() <= 0xffff, "a TCP segment of {} octets", segment.len());
    let pseudo = checksum::pseudo_header(src, dst, Protocol::TCP.0, segment.len() as u16);
    if let Some([c0, c1]) = segment.get_mut(16..18) {
        [*c0, *c1] = [0, 0];
    }
    let sum = checksum::finish(checksum::sum(pseudo, segment));
    if let Some([c0, c1]) = segment.get_mut(16..18) {
        [*c0, *c1] = sum.to_be_bytes();
    }
}

impl fmt::Display for Segment<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Segment { source_port, destination_port, sequence, flags, window, .. } = self;
        write!(f, "{source_port} > {destination_port}: {flags}, seq {sequence}")?;
        if flags.contains(Flags::ACK) {
            write!(f, ", ack {}", self.acknowledgment)?;
        }
        write!(f, ", win {window}, len {}", self.payload.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tcp::{Authentication, Mac};

    const SRC: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
    const DST: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);

    const SYN: Segment<'static> = Segment {
        source_port: 49_152,
        destination_port: 179,
        sequence: SeqNum(0x0102_0304),
        acknowledgment: SeqNum(0x0506_0708),
        flags: Flags::SYN,
        window: 65_535,
        urgent_pointer: 0,
        options: Options::NONE,
        payload: &[],
    };

    fn emit(segment: Segment<'_>) -> Vec<u8> {
        let mut octets = vec![0xee];
        segment.emit(SRC, DST, &mut octets);
        octets.split_off(1)
    }

    #[test]
    fn a_segment_octet_by_octet() {
        // RFC 9293 §3.1
        let segment = Segment {
            flags: Flags::ACK | Flags::PSH | Flags::URG | Flags::CWR,
            urgent_pointer: 2,
            options: Options { mss: Some(536), ..Options::NONE },
            payload: b"abc",
            ..SYN
        };
        let octets = emit(segment);
        assert_eq!(octets[..12], [0xc0, 0, 0, 179, 1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(octets[12..16], [0x60, 0xb8, 0xff, 0xff]);
        assert_eq!(octets[18..], [0, 2, 2, 4, 2, 24, b'a', b'b', b'c']);
        assert_eq!(Segment::parse(&octets, SRC, DST), Ok(segment));
        assert_eq!((segment.header_len(), segment.segment_len()), (24, 3));
    }

    #[test]
    fn syn_and_fin_count() {
        // RFC 9293 §3.4: "SEG.LEN = the number of octets occupied by the data in the segment (counting SYN and FIN)"
        assert_eq!(SYN.segment_len(), 1);
        assert_eq!(Segment { flags: Flags::FIN | Flags::ACK, payload: b"abc", ..SYN }.segment_len(), 4);
    }

    #[test]
    fn reserved_bits_are_ignored() {
        // RFC 9293 §3.1: "must be ignored in received segments"
        let mut octets = emit(SYN);
        octets[12] |= 0x0f;
        fill_checksum(&mut octets, SRC, DST);
        assert_eq!(Segment::parse(&octets, SRC, DST), Ok(SYN));
    }

    #[test]
    fn what_is_no_segment() {
        let octets = emit(SYN);
        assert_eq!(Segment::parse(&octets[..19], SRC, DST), Err(Malformed::truncated("TCP header")));
        assert_eq!(Segment::parse(&octets, SRC, SRC), Err(Malformed::checksum("TCP checksum")));
        assert!(Segment::parse_without_checksum(&octets).is_ok());
        for (offset, fault) in
            [(0x40, Malformed::length("TCP data offset")), (0x60, Malformed::truncated("TCP data offset"))]
        {
            let mut octets = octets.clone();
            octets[12] = offset;
            assert_eq!(Segment::parse_without_checksum(&octets), Err(fault));
        }
    }

    #[test]
    fn a_signer_fills_the_digest_in() {
        let md5 = Options { md5: Some([0; 16]), ..Options::NONE };
        let mac = Mac::zeros(12);
        let authentication = Authentication { key_id: 1, r_next_key_id: 1, mac };
        let ao = Options { authentication: Some(authentication), ..Options::NONE };
        for (options, len) in [(md5, 16), (ao, 12)] {
            let mut octets = emit(Segment { options, payload: b"data", ..SYN });
            let range = digest_range(&octets).unwrap();
            assert_eq!(range, 24..24 + len);
            octets[range].fill(7);
            assert!(Segment::parse(&octets, SRC, DST).is_err());
            fill_checksum(&mut octets, SRC, DST);
            let segment = Segment::parse(&octets, SRC, DST).unwrap();
            let digest = segment.options.md5.map(|digest| digest.to_vec());
            let mac = segment.options.authentication.map(|option| option.mac.to_vec());
            assert_eq!(digest.or(mac), Some(vec![7; len]));
        }
        assert_eq!(digest_range(&emit(SYN)), None);
        assert_eq!(digest_range(&[0xff; 13]), None);
    }

    #[test]
    fn in_words() {
        assert_eq!(SYN.to_string(), "49152 > 179: SYN, seq 16909060, win 65535, len 0");
        let answer = Segment { flags: Flags::SYN | Flags::ACK, ..SYN };
        assert_eq!(answer.to_string(), "49152 > 179: SYN, ACK, seq 16909060, ack 84281096, win 65535, len 0");
    }
}
