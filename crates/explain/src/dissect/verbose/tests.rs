//! Frames in full.

use crate::capture::{Captured, Link};
use crate::dissect::Dissector;
use std::net::Ipv4Addr;
use trunkline_core::MacAddr;
use trunkline_wire::arp::{Arp, Operation};
use trunkline_wire::bgp::{self, Capability, Open, OptionalParameter};
use trunkline_wire::ethernet::{EtherType, Header};
use trunkline_wire::ipv4::{self, Protocol};
use trunkline_wire::rip;
use trunkline_wire::stp::{Bpdu, BridgeId, Flags as TreeFlags, Message, PortIdentifier, Priority, Rst, Time};
use trunkline_wire::tcp::{Flags, Options, Segment, SeqNum};
use trunkline_wire::udp::Datagram;

const A: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
const B: MacAddr = MacAddr([2, 0, 0, 0, 0, 2]);
const FROM: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const TO: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);

fn ethernet(kind: EtherType, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    Header::new(B, A, kind).emit(&mut frame);
    frame.extend_from_slice(payload);
    frame
}

fn packet(protocol: Protocol, payload: &[u8]) -> Vec<u8> {
    let mut packet = Vec::new();
    ipv4::Header::new(protocol, FROM, TO).emit(payload.len(), &mut packet);
    packet.extend_from_slice(payload);
    ethernet(EtherType::IPV4, &packet)
}

fn segment(sequence: u32, payload: &[u8]) -> Vec<u8> {
    let segment = Segment {
        source_port: 179,
        destination_port: 40_000,
        sequence: SeqNum(sequence),
        acknowledgment: SeqNum(2),
        flags: Flags::ACK,
        window: 9,
        urgent_pointer: 0,
        options: Options { mss: Some(1460), md5: Some([1; 16]), ..Options::NONE },
        payload,
    };
    let mut octets = Vec::new();
    segment.emit(FROM, TO, &mut octets);
    packet(Protocol::TCP, &octets)
}

fn captured(octets: &[u8]) -> Captured<'_> {
    let original_length = octets.len() as u32;
    Captured {
        number: 1,
        nanos: 0,
        link: Link::Ethernet,
        interface: 0,
        octets,
        original_length,
        comment: None,
    }
}

fn verbose(frames: &[Vec<u8>]) -> String {
    let (mut dissector, mut text) = (Dissector::default(), String::new());
    for frame in frames {
        dissector.verbose(&captured(frame), &mut text);
        text.push('\n');
    }
    text
}

#[test]
fn every_field_with_its_offset() {
    let arp = Arp {
        operation: Operation::Request,
        sender_hardware: A,
        sender_protocol: FROM,
        target_hardware: MacAddr::UNSPECIFIED,
        target_protocol: TO,
    };
    let mut octets = Vec::new();
    arp.emit(&mut octets);
    let mut entry = rip::Entry::v1([10, 0, 0, 0].into(), 16);
    entry.subnet_mask = [255, 0, 255, 0].into();
    let mut message = Vec::new();
    rip::Message::new(rip::Command::Response, 2, vec![entry]).emit(&mut message);
    let mut udp = Vec::new();
    Datagram { source_port: 520, destination_port: 520, payload: &message }.emit(FROM, TO, &mut udp);
    let body = Priority {
        flags: TreeFlags::PROPOSAL,
        root: BridgeId::new(4096, A),
        root_path_cost: 20_000,
        bridge: BridgeId::new(32_768, B),
        port: PortIdentifier::new(128, 3),
        message_age: Time::from_secs(1),
        max_age: Time::from_secs(20),
        hello_time: Time::from_secs(2),
        forward_delay: Time::from_secs(15),
    };
    let tree = Message::Bpdu(Bpdu::Rst(Rst { version: 2, body })).frame(A);
    let tagged = [&[0x81, 0, 0xa0, 7][..], &[8, 6], &octets].concat();
    let mut tagged = ethernet(EtherType::VLAN, &tagged);
    tagged.drain(12..14);
    let frames = [ethernet(EtherType::ARP, &octets), packet(Protocol::UDP, &udp), tree, tagged];
    insta::assert_snapshot!(verbose(&frames));
}

#[test]
fn bgp_messages_with_offsets_of_the_frame_or_of_the_message() {
    let capabilities = vec![Capability::RouteRefresh, Capability::Unknown { code: 99, value: vec![1] }];
    let parameters = vec![OptionalParameter::Capabilities(capabilities)];
    let open = Open { version: 4, my_as: 600, hold_time: 180, bgp_identifier: FROM, parameters };
    let mut stream = Vec::new();
    open.emit(&mut stream);
    let attributes =
        [0x40, 1, 1, 9, 0x40, 2, 6, 2, 1, 0, 0, 0xfd, 0xe9, 0x40, 3, 4, 192, 0, 2, 1, 0xc0, 99, 1, 7];
    let update = [&[0, 0, 0, attributes.len() as u8][..], &attributes, &[8, 10, 16, 172, 16]].concat();
    let start = stream.len();
    stream.extend_from_slice(&[0xff; 16]);
    stream.extend_from_slice(&[0, update.len() as u8 + 19, 2]);
    stream.extend_from_slice(&update);
    let cut = start + 30;
    bgp::Notification::with_communication(bgp::ErrorCode::ADMINISTRATIVE_SHUTDOWN, "bye").emit(&mut stream);
    let begin = segment(1, &[]);
    let frames = [begin, segment(1, &stream[..cut]), segment(1 + cut as u32, &stream[cut..])];
    let mut dissector = Dissector::default();
    // A SYN, so that the beginning of the stream is known.
    let mut text = String::new();
    for frame in &frames[1..] {
        dissector.verbose(&captured(frame), &mut text);
        text.push('\n');
    }
    insta::assert_snapshot!(text);
}
