//! Ethernet frames (IEEE 802.3-2018 §3.1), with at most one VLAN tag understood (IEEE 802.1Q-2018 §9).
//!
//! A frame here is what lies between the start frame delimiter and the frame check sequence.

use std::fmt;

use trunkline_core::MacAddr;

use crate::Malformed;

/// Octets of a header without a tag.
pub const LEN: usize = 14;

/// Octets that a frame has at least, without its frame check sequence (IEEE 802.3-2018 §3.2.8).
pub const MIN_LEN: usize = 60;

/// The largest value of the length/type field that is a length (IEEE 802.3-2018 §3.2.6).
const MAX_LENGTH: u16 = 1500;

/// The smallest value of the length/type field that is a type (IEEE 802.3-2018 §3.2.6).
const MIN_TYPE: u16 = 1536;

/// What a frame carries, as a number of the IEEE's registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EtherType(pub u16);

impl EtherType {
    /// IPv4 (RFC 894).
    pub const IPV4: EtherType = EtherType(0x0800);
    /// ARP (RFC 826).
    pub const ARP: EtherType = EtherType(0x0806);
    /// A customer's VLAN tag follows (IEEE 802.1Q-2018 table 9-1).
    pub const VLAN: EtherType = EtherType(0x8100);
    /// A service provider's VLAN tag follows (IEEE 802.1Q-2018 table 9-1).
    pub const QINQ: EtherType = EtherType(0x88a8);
    /// IPv6 (RFC 2464).
    pub const IPV6: EtherType = EtherType(0x86dd);
    /// The configuration testing protocol of the DEC-Intel-Xerox Ethernet, used by bridges to find loops.
    pub const LOOPBACK: EtherType = EtherType(0x9000);
}

impl fmt::Display for EtherType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            EtherType::IPV4 => f.write_str("IPv4"),
            EtherType::ARP => f.write_str("ARP"),
            EtherType::VLAN => f.write_str("VLAN"),
            EtherType::QINQ => f.write_str("QinQ"),
            EtherType::IPV6 => f.write_str("IPv6"),
            EtherType::LOOPBACK => f.write_str("loopback"),
            EtherType(other) => write!(f, "EtherType 0x{other:04x}"),
        }
    }
}

/// The tag control information of a VLAN tag (IEEE 802.1Q-2018 §9.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Tag {
    /// Priority code point, 0 to 7.
    pub priority: u8,
    /// Drop eligible indicator.
    pub drop_eligible: bool,
    /// VLAN identifier, 0 to 4095; 0 is a tag that has a priority only.
    pub vlan: u16,
}

/// The length/type field (IEEE 802.3-2018 §3.2.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Content {
    /// What the payload is; 1536 and above.
    Type(EtherType),
    /// How many octets the payload has, an [`Llc`](crate::llc::Llc) header first; at most 1500.
    Length(u16),
}

/// The header of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Header {
    /// To whom.
    pub destination: MacAddr,
    /// From whom.
    pub source: MacAddr,
    /// The outermost tag, where its type is [`EtherType::VLAN`]. Other tags are left in the payload.
    pub tag: Option<Tag>,
    /// What follows.
    pub content: Content,
}

impl Header {
    /// A header without a tag.
    pub const fn new(destination: MacAddr, source: MacAddr, ether_type: EtherType) -> Header {
        Header { destination, source, tag: None, content: Content::Type(ether_type) }
    }

    /// Reads the header; the payload beside it has no padding where the header has a length.
    #[inline]
    pub fn parse(frame: &[u8]) -> Result<(Header, &[u8]), Malformed> {
        let Some((header, mut payload)) = frame.split_first_chunk::<LEN>() else {
            return Err(Malformed::truncated("Ethernet header"));
        };
        let [d0, d1, d2, d3, d4, d5, s0, s1, s2, s3, s4, s5, t0, t1] = *header;
        let mut length_type = u16::from_be_bytes([t0, t1]);
        let mut tag = None;
        if length_type == EtherType::VLAN.0 {
            let Some((&[c0, c1, t0, t1], rest)) = payload.split_first_chunk::<4>() else {
                return Err(Malformed::truncated("VLAN tag"));
            };
            tag = Some(Tag::from_bits(u16::from_be_bytes([c0, c1])));
            length_type = u16::from_be_bytes([t0, t1]);
            payload = rest;
        }
        let content = if length_type >= MIN_TYPE {
            Content::Type(EtherType(length_type))
        } else if length_type <= MAX_LENGTH {
            payload =
                payload.get(..usize::from(length_type)).ok_or(Malformed::truncated("Ethernet length"))?;
            Content::Length(length_type)
        } else {
            return Err(Malformed::value("Ethernet length/type"));
        };
        let destination = MacAddr([d0, d1, d2, d3, d4, d5]);
        let source = MacAddr([s0, s1, s2, s3, s4, s5]);
        Ok((Header { destination, source, tag, content }, payload))
    }

    /// Appends the header. The payload is to follow, then [`pad`].
    #[inline]
    pub fn emit(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.destination.0);
        out.extend_from_slice(&self.source.0);
        if let Some(tag) = self.tag {
            out.extend_from_slice(&EtherType::VLAN.0.to_be_bytes());
            out.extend_from_slice(&tag.to_bits().to_be_bytes());
        }
        let (Content::Type(EtherType(length_type)) | Content::Length(length_type)) = self.content;
        out.extend_from_slice(&length_type.to_be_bytes());
    }
}

impl Tag {
    const fn from_bits(bits: u16) -> Tag {
        Tag { priority: (bits >> 13) as u8, drop_eligible: bits & 0x1000 != 0, vlan: bits & 0x0fff }
    }

    const fn to_bits(self) -> u16 {
        ((self.priority as u16 & 7) << 13) | ((self.drop_eligible as u16) << 12) | (self.vlan & 0x0fff)
    }
}

/// The destination of a frame, without a look at the rest.
#[inline]
pub fn destination(frame: &[u8]) -> Option<MacAddr> {
    frame.first_chunk().copied().map(MacAddr)
}

/// The source of a frame, without a look at the rest.
#[inline]
pub fn source(frame: &[u8]) -> Option<MacAddr> {
    frame.get(6..)?.first_chunk().copied().map(MacAddr)
}

/// Fills a frame up to [`MIN_LEN`] with zeros.
#[inline]
pub fn pad(frame: &mut Vec<u8>) {
    if frame.len() < MIN_LEN {
        frame.resize(MIN_LEN, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::malformed::Reason;

    const A: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
    const B: MacAddr = MacAddr([2, 0, 0, 0, 0, 2]);

    fn frame(header: Header, payload: &[u8]) -> Vec<u8> {
        let mut frame = Vec::new();
        header.emit(&mut frame);
        frame.extend_from_slice(payload);
        pad(&mut frame);
        frame
    }

    #[test]
    fn a_type_keeps_the_padding_and_a_length_cuts_it() {
        // IEEE 802.3-2018 §3.2.6
        let header = Header::new(A, B, EtherType::ARP);
        let octets = frame(header, &[1, 2, 3]);
        assert_eq!(octets.len(), MIN_LEN);
        assert_eq!(&octets[..16], &[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 6, 1, 2]);
        let (parsed, payload) = Header::parse(&octets).unwrap();
        assert_eq!((parsed, payload.len()), (header, 46));

        let header = Header { content: Content::Length(3), ..header };
        let octets = frame(header, &[0x42, 0x42, 3]);
        assert_eq!(Header::parse(&octets), Ok((header, &[0x42, 0x42, 3][..])));
        assert_eq!((destination(&octets), source(&octets)), (Some(A), Some(B)));
    }

    #[test]
    fn one_tag_is_read() {
        // IEEE 802.1Q-2018 §9.6: priority 5, drop eligible, VLAN 0x123
        let tag = Tag { priority: 5, drop_eligible: true, vlan: 0x123 };
        let header = Header { tag: Some(tag), ..Header::new(A, B, EtherType::IPV4) };
        let octets = frame(header, &[]);
        assert_eq!(&octets[12..18], &[0x81, 0, 0xb1, 0x23, 8, 0]);
        assert_eq!(Header::parse(&octets).unwrap().0, header);

        // A second tag is what the frame carries.
        let header = Header { content: Content::Type(EtherType::VLAN), ..header };
        assert_eq!(Header::parse(&frame(header, &[])).unwrap().0, header);
    }

    #[test]
    fn what_is_no_frame() {
        let mut octets = frame(Header::new(A, B, EtherType::IPV4), &[]);
        assert_eq!(Header::parse(&octets[..13]).unwrap_err().reason, Reason::Truncated);
        for (length_type, reason) in
            [(47u16, Reason::Truncated), (1501, Reason::Value), (1535, Reason::Value)]
        {
            octets[12..14].copy_from_slice(&length_type.to_be_bytes());
            assert_eq!(Header::parse(&octets).unwrap_err().reason, reason, "{length_type}");
        }
        octets[12..14].copy_from_slice(&EtherType::VLAN.0.to_be_bytes());
        assert_eq!(Header::parse(&octets[..17]).unwrap_err().field, "VLAN tag");
        assert_eq!((destination(&octets[..5]), source(&octets[..11])), (None, None));
    }
}
