//! What a network card would have done to a frame before it was on the wire, done here: the tag put back, the checksum
//! filled in, a TCP segment of 64 KiB cut into those that fit.
//!
//! Linux leaves all that to the device that sends, and the receiver of a veth sees frames before any device did it.
//! (Documentation/networking/segmentation-offloads and checksum-offloads.)

use trunkline_wire::checksum;

/// A frame as the kernel handed it over.
pub(super) struct Received<'a> {
    pub(super) octets: &'a [u8],
    /// A tag that was taken out: protocol and control information.
    pub(super) tag: Option<(u16, u16)>,
    /// The checksum of TCP or UDP holds only the pseudo-header's sum.
    pub(super) checksum_missing: bool,
}

const ETHERNET: usize = 14;
const TAG: usize = 4;
const TCP: u8 = 6;
const UDP: u8 = 17;
const FIN_PSH: u8 = 0x09;
const CWR: u8 = 0x80;

/// Hands over the frame, or the frames, that a wire would have carried. `scratch` is reused from call to call.
pub(super) fn deliver(received: &Received<'_>, mtu: u32, scratch: &mut Vec<u8>, take: &mut dyn FnMut(&[u8])) {
    let Received { octets, tag, checksum_missing } = *received;
    let link = link_len(octets) + if tag.is_some() { TAG } else { 0 };
    let length = octets.len() + if tag.is_some() { TAG } else { 0 };
    let fits = length <= link + mtu as usize;
    if tag.is_none() && !checksum_missing && fits {
        return take(octets);
    }
    scratch.clear();
    match (tag, octets.split_at_checked(12)) {
        (Some((protocol, control)), Some((addresses, rest))) => {
            scratch.extend_from_slice(addresses);
            scratch.extend_from_slice(&protocol.to_be_bytes());
            scratch.extend_from_slice(&control.to_be_bytes());
            scratch.extend_from_slice(rest);
        }
        _ => scratch.extend_from_slice(octets),
    }
    let Some(layout) = Layout::of(scratch, link) else { return take(scratch) };
    if !fits && layout.protocol == TCP {
        return segments(scratch, &layout, mtu as usize, take);
    }
    if checksum_missing {
        layout.fill(scratch);
    }
    take(scratch);
}

/// Octets of the Ethernet header, tags included.
fn link_len(frame: &[u8]) -> usize {
    match frame.get(12..14) {
        Some([0x81, 0x00] | [0x88, 0xa8]) => ETHERNET + TAG,
        _ => ETHERNET,
    }
}

/// Where the headers of a TCP or UDP packet stand in a frame.
struct Layout {
    ip: usize,
    v6: bool,
    transport: usize,
    protocol: u8,
    /// Where the packet ends; padding may follow.
    end: usize,
}

impl Layout {
    fn of(frame: &[u8], ip: usize) -> Option<Layout> {
        let packet = frame.get(ip..)?;
        let (v6, header, protocol, total) = match packet.first()? >> 4 {
            4 => {
                let fragment = u16::from_be_bytes([*packet.get(6)?, *packet.get(7)?]) & 0x3fff != 0;
                let header = usize::from(packet.first()? & 0x0f) * 4;
                let total = usize::from(u16::from_be_bytes([*packet.get(2)?, *packet.get(3)?]));
                if fragment || header < 20 {
                    return None;
                }
                // Beyond 64 KiB the length has no room, and Linux writes 0 (BIG TCP).
                (false, header, *packet.get(9)?, if total == 0 { packet.len() } else { total })
            }
            6 => {
                let payload = usize::from(u16::from_be_bytes([*packet.get(4)?, *packet.get(5)?]));
                (true, 40, *packet.get(6)?, if payload == 0 { packet.len() } else { payload + 40 })
            }
            _ => return None,
        };
        let (transport, end) = (ip + header, ip + total);
        let least = match protocol {
            TCP => 20,
            UDP => 8,
            _ => return None,
        };
        (end <= frame.len() && transport + least <= end).then_some(Layout {
            ip,
            v6,
            transport,
            protocol,
            end,
        })
    }

    /// Fills in the checksum of TCP or UDP.
    fn fill(&self, frame: &mut [u8]) {
        let at = self.transport + if self.protocol == TCP { 16 } else { 6 };
        let addresses = if self.v6 { self.ip + 8..self.ip + 40 } else { self.ip + 12..self.ip + 20 };
        let Some(field) = frame.get_mut(at..at + 2) else { return };
        field.copy_from_slice(&[0, 0]);
        let length = (self.end - self.transport) as u32;
        // The pseudo-header: addresses, length and protocol, in whichever order (RFC 1071 §2).
        let sum =
            checksum::sum(u32::from(self.protocol) + (length >> 16) + (length & 0xffff), &frame[addresses]);
        let sum = checksum::finish(checksum::sum(sum, &frame[self.transport..self.end]));
        // In UDP zero means that there is none (RFC 768).
        let sum = if self.protocol == UDP && sum == 0 { 0xffff } else { sum };
        frame[at..at + 2].copy_from_slice(&sum.to_be_bytes());
    }
}

/// Cuts a TCP segment into frames of at most `mtu` octets after the Ethernet header.
fn segments(frame: &[u8], layout: &Layout, mtu: usize, take: &mut dyn FnMut(&[u8])) {
    let Layout { ip, v6, transport, end, .. } = *layout;
    let data = transport + usize::from(frame[transport + 12] >> 4) * 4;
    let headers = data - ip;
    if data > end || headers < 40 || headers >= mtu {
        return take(&frame[..end]);
    }
    let field = |at: usize| u32::from_be_bytes([frame[at], frame[at + 1], frame[at + 2], frame[at + 3]]);
    let sequence = field(transport + 4);
    let identification = u16::from_be_bytes([frame[ip + 4], frame[ip + 5]]);
    let mut piece = Vec::with_capacity(ip + mtu);
    let chunks = frame[data..end].chunks(mtu - headers);
    let count = chunks.len();
    for (number, chunk) in chunks.enumerate() {
        piece.clear();
        piece.extend_from_slice(&frame[..data]);
        piece.extend_from_slice(chunk);
        let offset = (number * (mtu - headers)) as u32;
        piece[transport + 4..transport + 8].copy_from_slice(&sequence.wrapping_add(offset).to_be_bytes());
        if number + 1 < count {
            piece[transport + 13] &= !FIN_PSH;
        }
        if number > 0 {
            piece[transport + 13] &= !CWR;
        }
        let length = (piece.len() - ip) as u16;
        if v6 {
            piece[ip + 4..ip + 6].copy_from_slice(&(length - 40).to_be_bytes());
        } else {
            piece[ip + 2..ip + 4].copy_from_slice(&length.to_be_bytes());
            let id = identification.wrapping_add(number as u16);
            piece[ip + 4..ip + 6].copy_from_slice(&id.to_be_bytes());
            piece[ip + 10..ip + 12].copy_from_slice(&[0, 0]);
            let sum = checksum::checksum(&piece[ip..transport]);
            piece[ip + 10..ip + 12].copy_from_slice(&sum.to_be_bytes());
        }
        Layout { end: piece.len(), ..*layout }.fill(&mut piece);
        take(&piece);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;
    use trunkline_wire::{ipv4, tcp};

    const FROM: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
    const TO: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);

    /// A frame with a TCP segment of `len` octets of data, its checksum wrong.
    fn frame(len: usize) -> Vec<u8> {
        let data: Vec<u8> = (0..len).map(|n| n as u8).collect();
        let segment = tcp::Segment {
            source_port: 1,
            destination_port: 2,
            sequence: tcp::SeqNum(u32::MAX - 100),
            acknowledgment: tcp::SeqNum(7),
            flags: tcp::Flags::ACK | tcp::Flags::PSH | tcp::Flags::FIN,
            window: 100,
            urgent_pointer: 0,
            options: tcp::Options::default(),
            payload: &data,
        };
        let mut octets = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0];
        ipv4::Header::new(ipv4::Protocol::TCP, FROM, TO).emit(20 + len, &mut octets);
        segment.emit(FROM, TO, &mut octets);
        octets[ETHERNET + 20 + 16] ^= 0x55;
        octets
    }

    fn delivered(octets: &[u8], tag: Option<(u16, u16)>, mtu: u32) -> Vec<Vec<u8>> {
        let mut frames = Vec::new();
        let received = Received { octets, tag, checksum_missing: true };
        deliver(&received, mtu, &mut Vec::new(), &mut |frame| frames.push(frame.to_vec()));
        frames
    }

    #[test]
    fn a_large_segment_becomes_those_that_a_wire_would_have_carried() {
        let frames = delivered(&frame(4000), None, 1500);
        assert_eq!(frames.iter().map(Vec::len).collect::<Vec<_>>(), [1514, 1514, 1134]);
        let mut data = Vec::new();
        for (number, octets) in frames.iter().enumerate() {
            let (header, payload) = ipv4::Header::parse(&octets[ETHERNET..]).unwrap();
            let segment = tcp::Segment::parse(payload, header.source, header.destination).unwrap();
            assert_eq!(segment.sequence, tcp::SeqNum(u32::MAX - 100) + data.len() as u32);
            assert_eq!(segment.flags.contains(tcp::Flags::FIN), number == 2);
            data.extend_from_slice(segment.payload);
        }
        assert_eq!(data, (0..4000).map(|n| n as u8).collect::<Vec<_>>());
    }

    #[test]
    fn a_missing_checksum_is_filled_in_and_a_tag_put_back() {
        let untagged = frame(10);
        let frames = delivered(&untagged, Some((0x8100, 42)), 1500);
        let [tagged] = &frames[..] else { panic!() };
        assert_eq!(tagged[12..16], [0x81, 0, 0, 42]);
        let (header, payload) = ipv4::Header::parse(&tagged[18..]).unwrap();
        assert!(tcp::Segment::parse(payload, header.source, header.destination).is_ok());
        let [plain] = &delivered(&untagged, None, 1500)[..] else { panic!() };
        assert_eq!(plain[14..], tagged[18..]);
    }

    #[test]
    fn what_is_no_tcp_or_is_cut_short_passes_as_it_is() {
        for len in 0..60 {
            let octets = &frame(100)[..len];
            assert_eq!(delivered(octets, None, 1500), [octets.to_vec()]);
        }
    }
}
