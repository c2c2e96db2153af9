//! Frames that captures hold in a state in which no wire would: cut, not yet summed, not yet cut into segments.

use super::*;
use proptest::collection::vec;
use proptest::prelude::*;
use std::net::{Ipv4Addr, Ipv6Addr};
use trunkline_wire::tcp::{Flags, Options, SeqNum};

const FROM: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const TO: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);

fn segment(payload: &[u8]) -> Vec<u8> {
    let segment = Segment {
        source_port: 179,
        destination_port: 40_000,
        sequence: SeqNum(1),
        acknowledgment: SeqNum(2),
        flags: Flags::ACK,
        window: 9,
        urgent_pointer: 0,
        options: Options::NONE,
        payload,
    };
    let mut octets = Vec::new();
    segment.emit(FROM, TO, &mut octets);
    octets
}

/// An IPv4 packet.
fn packet(segment: &[u8]) -> Vec<u8> {
    let mut octets = Vec::new();
    ipv4::Header::new(Protocol::TCP, FROM, TO).emit(segment.len(), &mut octets);
    octets.extend_from_slice(segment);
    octets
}

fn payload(octets: &[u8], original_length: usize) -> Result<(Vec<u8>, u32), Option<Fault>> {
    let packet = Packet::read(Link::Raw, octets, original_length as u32);
    match packet.ip().map(|ip| &ip.transport) {
        Some(Transport::Tcp(segment, left_out)) => Ok((segment.payload.to_vec(), *left_out)),
        _ => Err(packet.fault),
    }
}

#[test]
fn a_segment_that_the_capture_cut() {
    let octets = packet(&segment(&[7; 100]));
    assert_eq!(payload(&octets, octets.len()), Ok((vec![7; 100], 0)));
    assert_eq!(payload(&octets[..60], octets.len()), Ok((vec![7; 20], 80)));
    // Not the capture's cut, but the sender's fault.
    let fault = payload(&octets[..60], 60).unwrap_err().unwrap();
    assert_eq!((fault.offset, fault.malformed.field), (0, "IPv4 total length"));
    // Too short for a header is nobody's fault in a capture that cuts.
    assert_eq!(payload(&octets[..30], octets.len()), Err(None));
}

#[test]
fn checksums_that_a_network_card_would_make() {
    let mut octets = packet(&segment(&[7; 9]));
    octets[36] ^= 1;
    let fault = payload(&octets, octets.len()).unwrap_err().unwrap();
    assert_eq!((fault.offset, fault.malformed.field), (20, "TCP checksum"));
    for length in [29, 0] {
        let partial = !checksum::finish(checksum::pseudo_header(FROM, TO, 6, length));
        octets[36..38].copy_from_slice(&partial.to_be_bytes());
        assert_eq!(payload(&octets, octets.len()), Ok((vec![7; 9], 0)));
    }
    // A segment that the card would have cut into several has no length.
    octets[2..4].fill(0);
    octets[10..12].fill(0);
    let sum = checksum::checksum(&octets[..20]);
    octets[10..12].copy_from_slice(&sum.to_be_bytes());
    assert_eq!(payload(&octets, octets.len()), Ok((vec![7; 9], 0)));
}

#[test]
fn over_ipv6() {
    let [from, to] = [1, 2].map(|last| Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last));
    let mut segment = segment(&[5; 3]);
    segment[16..18].fill(0);
    let pseudo = ipv6::pseudo_header(from, to, Protocol::TCP, segment.len() as u32);
    let sum = checksum::finish(checksum::sum(pseudo, &segment));
    segment[16..18].copy_from_slice(&sum.to_be_bytes());
    let mut octets = Vec::new();
    ipv6::Header::new(Protocol::TCP, from, to).emit(segment.len() as u16, &mut octets);
    octets.extend_from_slice(&segment);
    assert_eq!(payload(&octets, octets.len()), Ok((vec![5; 3], 0)));
    assert_eq!(payload(&octets[..61], octets.len()), Ok((vec![5], 2)));
    octets[50] ^= 1;
    assert_eq!(payload(&octets, octets.len()).unwrap_err().unwrap().offset, 40);
}

proptest! {
    #[test]
    fn no_frame_makes_it_panic(
        number in prop::sample::select(vec![0u16, 1, 101, 113, 276, 147]),
        begin in prop::sample::select(vec![vec![], vec![0x45, 0, 0], vec![0x60], vec![9; 12]]),
        octets in vec(any::<u8>(), 0..120),
        more in 0u32..99,
    ) {
        let octets = [begin, octets].concat();
        let packet = Packet::read(Link::from_number(number), &octets, octets.len() as u32 + more);
        if let Some(fault) = packet.fault {
            prop_assert!(fault.offset <= octets.len());
        }
        if let Some(ip) = packet.ip() {
            prop_assert!(ip.payload_offset + ip.payload.len() <= octets.len());
        }
    }
}
