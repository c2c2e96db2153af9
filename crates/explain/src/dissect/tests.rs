//! Frames of every kind, in words and as data.

use super::*;
use serde_json::json;
use std::net::Ipv4Addr;
use trunkline_core::{Ipv4Prefix, MacAddr};
use trunkline_wire::arp::{Arp, Operation};
use trunkline_wire::bgp::{ErrorCode, Notification, Open};
use trunkline_wire::ethernet::{EtherType, Header};
use trunkline_wire::icmp::{Message, RedirectCode, UnreachableCode};
use trunkline_wire::ipv4::{self, Protocol};
use trunkline_wire::tcp::{Flags, Options, Segment, SeqNum};
use trunkline_wire::udp::Datagram;

const A: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
const B: MacAddr = MacAddr([2, 0, 0, 0, 0, 2]);
const FROM: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const TO: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);

fn frame(kind: EtherType, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    Header::new(B, A, kind).emit(&mut frame);
    frame.extend_from_slice(payload);
    frame
}

fn packet(protocol: Protocol, payload: &[u8]) -> Vec<u8> {
    let mut packet = Vec::new();
    ipv4::Header::new(protocol, FROM, TO).emit(payload.len(), &mut packet);
    packet.extend_from_slice(payload);
    packet
}

fn ip(protocol: Protocol, payload: &[u8]) -> Dissection {
    dissect(&frame(EtherType::IPV4, &packet(protocol, payload)))
}

fn arp(operation: Operation, sender: [u8; 4], target: [u8; 4]) -> Dissection {
    let arp = Arp {
        operation,
        sender_hardware: A,
        sender_protocol: sender.into(),
        target_hardware: MacAddr::UNSPECIFIED,
        target_protocol: target.into(),
    };
    let mut octets = Vec::new();
    arp.emit(&mut octets);
    dissect(&frame(EtherType::ARP, &octets))
}

fn icmp(message: &Message<'_>) -> Dissection {
    let mut octets = Vec::new();
    message.emit(&mut octets);
    ip(Protocol::ICMP, &octets)
}

fn tcp(flags: Flags, payload: &[u8]) -> Dissection {
    let segment = Segment {
        source_port: 40_000,
        destination_port: 179,
        sequence: SeqNum(7),
        acknowledgment: SeqNum(9),
        flags,
        window: 1000,
        urgent_pointer: 0,
        options: Options::NONE,
        payload,
    };
    let mut octets = Vec::new();
    segment.emit(FROM, TO, &mut octets);
    ip(Protocol::TCP, &octets)
}

fn bgp_stream() -> Vec<u8> {
    let mut stream = Vec::new();
    let open = Open { version: 4, my_as: 600, hold_time: 180, bgp_identifier: FROM, parameters: vec![] };
    open.emit(&mut stream);
    bgp::emit_keepalive(&mut stream);
    let prefix = Ipv4Prefix::new(Ipv4Addr::new(1, 1, 1, 1), 32).unwrap();
    bgp::emit_withdraw_ipv4(4096, &[prefix], &mut stream);
    bgp::emit_end_of_rib(bgp::Family::IPV4_UNICAST, &mut stream);
    Notification::new(ErrorCode::BAD_PEER_AS).emit(&mut stream);
    stream
}

#[test]
fn one_line_for_each() {
    let original = packet(Protocol::UDP, &[0; 8]);
    let unreachable = |code, next_hop_mtu| {
        icmp(&Message::DestinationUnreachable { code, next_hop_mtu, original: &original })
    };
    let gateway = Ipv4Addr::new(192, 0, 2, 200);
    let mut udp = Vec::new();
    Datagram { source_port: 5000, destination_port: 33_434, payload: &[1, 2] }.emit(FROM, TO, &mut udp);
    let mut fragment = Vec::new();
    let header = ipv4::Header {
        more_fragments: true,
        fragment_offset: 1480,
        ..ipv4::Header::new(Protocol::UDP, FROM, TO)
    };
    header.emit(8, &mut fragment);
    fragment.extend_from_slice(&[0; 8]);
    let (a, b) = ([192, 0, 2, 1], [192, 0, 2, 2]);
    let all = [
        arp(Operation::Request, a, b),
        arp(Operation::Reply, a, b),
        arp(Operation::Request, a, a),
        arp(Operation::Request, [0; 4], a),
        icmp(&Message::EchoRequest { identifier: 1, sequence: 2, data: &[0; 8] }),
        icmp(&Message::EchoReply { identifier: 1, sequence: 2, data: &[0; 8] }),
        unreachable(UnreachableCode::Host, 0),
        unreachable(UnreachableCode::FragmentationNeeded, 1280),
        icmp(&Message::Redirect { code: RedirectCode::Host, gateway, original: &original }),
        ip(Protocol::UDP, &udp),
        ip(Protocol::OSPF, &[0; 4]),
        dissect(&frame(EtherType::IPV4, &fragment)),
        tcp(Flags::SYN, b""),
        tcp(Flags::PSH | Flags::ACK, b"hello"),
        tcp(Flags::ACK, &bgp_stream()),
        dissect(&frame(EtherType::IPV6, &[0; 40])),
        dissect(&frame(EtherType::ARP, &[0; 3])),
        dissect(&[0; 5]),
    ];
    let lines: Vec<String> = all.into_iter().map(|d| d.summary).collect();
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn bgp_messages_are_a_list() {
    let dissection = tcp(Flags::ACK, &bgp_stream());
    insta::assert_snapshot!(serde_json::to_string_pretty(&dissection.layers["bgp"]).unwrap());
    let tcp = &dissection.layers["tcp"];
    assert_eq!((&tcp["flags"], &tcp["octets"]), (&json!("ACK"), &json!(bgp_stream().len())));
}

#[test]
fn no_frame_makes_it_panic() {
    let whole = frame(EtherType::IPV4, &packet(Protocol::TCP, &bgp_stream()));
    for end in 0..whole.len() {
        let mut cut = whole[..end].to_vec();
        assert!(!dissect(&cut).summary.is_empty());
        if let Some(last) = cut.last_mut() {
            *last ^= 0xff;
        }
        assert!(!dissect(&cut).summary.is_empty());
    }
}

/// A segment from port 179, of this place in the stream.
fn part(sequence: u32, flags: Flags, payload: &[u8]) -> Vec<u8> {
    let segment = Segment {
        source_port: 179,
        destination_port: 40_000,
        sequence: SeqNum(sequence),
        acknowledgment: SeqNum(9),
        flags,
        window: 1000,
        urgent_pointer: 0,
        options: Options::NONE,
        payload,
    };
    let mut octets = Vec::new();
    segment.emit(FROM, TO, &mut octets);
    frame(EtherType::IPV4, &packet(Protocol::TCP, &octets))
}

#[test]
fn messages_are_put_together_from_segments_and_come_once() {
    let keepalive = {
        let mut message = vec![0xff; 16];
        message.extend_from_slice(&[0, 19, 4]);
        message
    };
    let stream: Vec<u8> = keepalive.repeat(4);
    // Near the end of the sequence space, so that it begins again.
    let first = u32::MAX - 20;
    let at =
        |from: usize, to: usize| part(first.wrapping_add(1 + from as u32), Flags::ACK, &stream[from..to]);
    let syn = part(first, Flags::SYN, &[]);
    let cases = [
        (syn.clone(), 0),
        (at(0, 10), 0),
        (at(10, 25), 1),
        // Again, and a little more.
        (at(0, 10), 0),
        (at(10, 30), 0),
        (syn, 0),
        // Too early, then what was missing.
        (at(50, 76), 0),
        (at(40, 50), 0),
        (at(30, 40), 3),
        // All of it once more.
        (at(0, 76), 0),
        // Another connection.
        (part(77, Flags::SYN, &[]), 0),
        (part(78, Flags::ACK, &keepalive), 1),
    ];
    let mut dissector = Dissector::default();
    for (number, (frame, messages)) in cases.iter().enumerate() {
        let dissection = dissector.dissect(frame);
        let seen = dissection.layers.get("bgp").map_or(0, |bgp| bgp.as_array().unwrap().len());
        assert_eq!(seen, *messages, "{number}: {}", dissection.summary);
    }
}

#[test]
fn what_is_no_message_ends_what_is_there() {
    let mut dissector = Dissector::default();
    assert!(!dissector.dissect(&part(1, Flags::ACK, &[0; 40])).layers.contains_key("bgp"));
    let mut message = vec![0xff; 16];
    message.extend_from_slice(&[0, 19, 4]);
    assert!(dissector.dissect(&part(41, Flags::ACK, &message)).layers.contains_key("bgp"));
    // Far ahead: it is taken up anew there, after more than it keeps.
    for number in 0..1000 {
        dissector.dissect(&part(10_000 + number * 1400, Flags::ACK, &[0; 1400]));
    }
    let stream = dissector.dissect(&part(10_000 + 1_400_000, Flags::ACK, &message));
    assert!(stream.layers.contains_key("bgp"));
}
