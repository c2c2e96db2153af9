//! IPv6 headers (RFC 8200), with the extension headers that may stand before the payload.

use std::net::Ipv6Addr;

use crate::Malformed;
use crate::bytes::Reader;
use crate::checksum;
use crate::ipv4::Protocol;

/// Octets of the fixed header.
pub const LEN: usize = 40;

/// The most extension headers that are followed; each kind should occur once (RFC 8200 §4.1).
const MAX_EXTENSIONS: usize = 16;

const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const DESTINATION_OPTIONS: u8 = 60;

/// ICMPv6 (RFC 4443) as a next header.
pub const ICMPV6: Protocol = Protocol(58);

/// The header of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Header {
    /// Traffic Class.
    pub traffic_class: u8,
    /// Flow Label, 20 bits.
    pub flow_label: u32,
    /// Payload Length: the octets after this header, extension headers included.
    pub payload_length: u16,
    /// What the payload is, behind extension headers.
    pub protocol: Protocol,
    /// Hop Limit.
    pub hop_limit: u8,
    /// From whom.
    pub source: Ipv6Addr,
    /// To whom.
    pub destination: Ipv6Addr,
    /// Whether it is a part of a packet that was cut into fragments.
    pub fragment: bool,
    /// Octets from the beginning of the packet to the payload: 40 and the extension headers.
    pub header_len: usize,
}

impl Header {
    /// A header without extension headers.
    pub const fn new(protocol: Protocol, source: Ipv6Addr, destination: Ipv6Addr) -> Header {
        Header {
            traffic_class: 0,
            flow_label: 0,
            payload_length: 0,
            protocol,
            hop_limit: 64,
            source,
            destination,
            fragment: false,
            header_len: LEN,
        }
    }

    /// Reads a header; beside it is the payload, cut to Payload Length.
    pub fn parse(octets: &[u8]) -> Result<(Header, &[u8]), Malformed> {
        let (header, end) = read(octets)?;
        let payload = octets.get(header.header_len..end);
        Ok((header, payload.ok_or(Malformed::truncated("IPv6 payload length"))?))
    }

    /// Reads the header of a packet that may be cut short: one that an ICMPv6 error quotes, or of a capture.
    pub fn parse_quoted(octets: &[u8]) -> Result<(Header, &[u8]), Malformed> {
        let (header, end) = read(octets)?;
        let end = end.clamp(header.header_len.min(octets.len()), octets.len());
        Ok((header, octets.get(header.header_len..end).unwrap_or_default()))
    }

    /// Appends the header of a packet with `payload_len` octets of payload, without extension headers.
    pub fn emit(&self, payload_len: u16, out: &mut Vec<u8>) {
        let first = 6 << 28 | u32::from(self.traffic_class) << 20 | self.flow_label & 0xf_ffff;
        out.extend_from_slice(&first.to_be_bytes());
        out.extend_from_slice(&payload_len.to_be_bytes());
        out.extend_from_slice(&[self.protocol.0, self.hop_limit]);
        out.extend_from_slice(&self.source.octets());
        out.extend_from_slice(&self.destination.octets());
    }
}

/// The header, and where the packet ends.
fn read(octets: &[u8]) -> Result<(Header, usize), Malformed> {
    let truncated = Malformed::truncated("IPv6 header");
    let mut r = Reader::new(octets);
    let first = r.u32().ok_or(truncated)?;
    if first >> 28 != 6 {
        return Err(Malformed::version("IPv6 version"));
    }
    let payload_length = r.u16().ok_or(truncated)?;
    let [mut next_header, hop_limit] = r.array().ok_or(truncated)?;
    let source = r.ipv6().ok_or(truncated)?;
    let destination = r.ipv6().ok_or(truncated)?;
    let end = LEN + usize::from(payload_length);
    let mut fragment = false;
    for _ in 0..MAX_EXTENSIONS {
        let truncated = Malformed::truncated("IPv6 extension header");
        let units = match next_header {
            HOP_BY_HOP | ROUTING | DESTINATION_OPTIONS => {
                let [next, length] = r.array().ok_or(truncated)?;
                next_header = next;
                usize::from(length)
            }
            FRAGMENT => {
                let [next, _] = r.array().ok_or(truncated)?;
                next_header = next;
                let place = r.rest().first_chunk().map(|octets| u16::from_be_bytes(*octets));
                let place = place.ok_or(truncated)?;
                // An offset, or more to come: else it is whole, an atomic fragment (RFC 6946).
                fragment = place & 0xfff9 != 0;
                let whole_or_first = place >> 3 == 0;
                if !whole_or_first {
                    r.take(6).ok_or(truncated)?;
                    break;
                }
                0
            }
            _ => break,
        };
        // §4.3: counted in units of eight octets, the first not included.
        r.take(6 + units * 8).ok_or(truncated)?;
    }
    let header = Header {
        traffic_class: (first >> 20) as u8,
        flow_label: first & 0xf_ffff,
        payload_length,
        protocol: Protocol(next_header),
        hop_limit,
        source,
        destination,
        fragment,
        header_len: r.offset(),
    };
    Ok((header, end))
}

/// The sum of the pseudo-header of TCP, UDP and ICMPv6 (RFC 8200 §8.1), to be handed to [`checksum::sum`].
pub fn pseudo_header(source: Ipv6Addr, destination: Ipv6Addr, protocol: Protocol, length: u32) -> u32 {
    let sum = checksum::sum(checksum::sum(0, &source.octets()), &destination.octets());
    let [a, b] = [length >> 16, length & 0xffff];
    checksum::sum(sum, &[0, protocol.0]) + a + b
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::malformed::Reason;

    const FROM: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
    const TO: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2);

    fn packet(next_header: u8, body: &[u8]) -> Vec<u8> {
        let mut octets = Vec::new();
        Header::new(Protocol(next_header), FROM, TO).emit(body.len() as u16, &mut octets);
        octets.extend_from_slice(body);
        octets
    }

    #[test]
    fn a_header_octet_by_octet() {
        // RFC 8200 §3
        let octets = packet(6, &[7, 8]);
        assert_eq!(octets[..8], [0x60, 0, 0, 0, 0, 2, 6, 64]);
        let (header, payload) = Header::parse(&octets).unwrap();
        assert_eq!(header, Header { payload_length: 2, ..Header::new(Protocol::TCP, FROM, TO) });
        assert_eq!(payload, [7, 8]);
        // Padding of the frame is not payload.
        let padded = [octets.as_slice(), &[0; 9]].concat();
        assert_eq!(Header::parse(&padded).unwrap().1, [7, 8]);
        assert_eq!(Header::parse(&octets[..41]).unwrap_err().field, "IPv6 payload length");
        assert_eq!(Header::parse_quoted(&octets[..41]).unwrap().1, [7]);
    }

    #[test]
    fn extension_headers_are_passed_over() {
        // RFC 8200 §4.3, §4.5, §4.6
        let mut body = vec![60, 0, 1, 4, 0, 0, 0, 0];
        body.extend_from_slice(&[44, 1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        body.extend_from_slice(&[6, 0, 0, 0, 0, 0, 0, 9]);
        body.extend_from_slice(&[1, 2, 3]);
        let (header, payload) = Header::parse(&packet(0, &body)).map(|(h, p)| (h, p.to_vec())).unwrap();
        assert_eq!((header.protocol, header.header_len, header.fragment), (Protocol::TCP, 72, false));
        assert_eq!(payload, [1, 2, 3]);
        // Fragments: the first says what it is a part of, a later one has no more headers.
        for (place, header_len) in [([0, 1], 48), ([0, 8], 48)] {
            let body = [6, 0, place[0], place[1], 0, 0, 0, 9, 1, 2];
            let header = Header::parse(&packet(44, &body)).unwrap().0;
            assert!(header.fragment);
            assert_eq!((header.header_len, header.protocol), (header_len, Protocol::TCP));
        }
    }

    #[test]
    fn what_is_no_header() {
        let octets = packet(0, &[6, 9, 0, 0, 0, 0, 0, 0]);
        assert_eq!(Header::parse(&octets).unwrap_err().field, "IPv6 extension header");
        assert_eq!(Header::parse(&octets[..39]).unwrap_err().reason, Reason::Truncated);
        assert_eq!(Header::parse(&[0x45; 60]).unwrap_err().reason, Reason::Version);
        // Endless headers end.
        let endless = [0u8; 8].repeat(40);
        assert_eq!(Header::parse(&packet(0, &endless)).unwrap().0.header_len, 40 + 8 * MAX_EXTENSIONS);
    }

    #[test]
    fn the_sum_is_that_of_the_words() {
        // RFC 8200 §8.1
        let sum = pseudo_header(FROM, TO, Protocol::TCP, 0x1_0002);
        let words = [FROM, TO].iter().flat_map(|a| a.segments()).map(u32::from).sum::<u32>();
        assert_eq!(checksum::finish(sum), checksum::finish(words + 6 + 1 + 2));
    }
}
