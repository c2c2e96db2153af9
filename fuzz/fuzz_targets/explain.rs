//! Arbitrary segments, ARP, ICMP, RIP and BPDUs between a few ends, followed and judged: nothing panics, what is kept has its
//! limits, and every verdict can be told in every way.
#![no_main]

use arbitrary::Unstructured;
use libfuzzer_sys::{arbitrary, fuzz_target};
use std::net::Ipv4Addr;
use trunkline_explain::capture::{Captured, Link};
use trunkline_explain::follow::Facts;
use trunkline_explain::report;
use trunkline_explain::rules::judge;
use trunkline_wire::ipv4::{Header, Protocol};
use trunkline_wire::tcp::{Flags, Options, Segment, SeqNum};
use trunkline_wire::udp::Datagram;

/// The most frames of a run.
const MAX_FRAMES: usize = 400;

/// A message of BGP, or what may be one.
fn message(u: &mut Unstructured<'_>) -> arbitrary::Result<Vec<u8>> {
    let kind = u.int_in_range(0..=6)?;
    let body: Vec<u8> = match kind {
        1 => [&[4, 0xfd, 0xe9, 0, 9, 192, 0, 2, 1, 0][..], u.bytes(0)?].concat(),
        4 => Vec::new(),
        _ => {
            let length = u.int_in_range(0..=40)?;
            u.bytes(length)?.to_vec()
        }
    };
    let mut octets = vec![0xff; 16];
    octets.extend_from_slice(&(body.len() as u16 + 19).to_be_bytes());
    octets.push(kind);
    octets.extend_from_slice(&body);
    Ok(octets)
}

fn packet(u: &mut Unstructured<'_>) -> arbitrary::Result<Vec<u8>> {
    let ends = [Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::new(192, 0, 2, 2), Ipv4Addr::new(192, 0, 2, 3)];
    let (from, to) = (*u.choose(&ends)?, *u.choose(&ends)?);
    let ports = [179, 40_000, 40_001];
    let mut payload = Vec::new();
    let mut body = Vec::new();
    for _ in 0..u.int_in_range(0..=3)? {
        body.extend(message(u)?);
    }
    if u.ratio(1, 4)? {
        let length = u.int_in_range(0..=60)?;
        body.extend_from_slice(u.bytes(length)?);
    }
    let protocol = match u.int_in_range(0..=9)? {
        0 => {
            payload.extend_from_slice(&body);
            Protocol::ICMP
        }
        1 => {
            let length = u.int_in_range(0..=64)?;
            let datagram = Datagram { source_port: 520, destination_port: 520, payload: u.bytes(length)? };
            datagram.emit(from, to, &mut payload);
            Protocol::UDP
        }
        _ => {
            let segment = Segment {
                source_port: *u.choose(&ports)?,
                destination_port: *u.choose(&ports)?,
                sequence: SeqNum(u.int_in_range(0..=300)?),
                acknowledgment: SeqNum(u.int_in_range(0..=300)?),
                flags: Flags(u.arbitrary::<u8>()?.into()),
                window: u.int_in_range(0..=2)?,
                urgent_pointer: 0,
                options: Options { md5: u.ratio(1, 8)?.then_some([0; 16]), ..Options::NONE },
                payload: &body,
            };
            segment.emit(from, to, &mut payload);
            Protocol::TCP
        }
    };
    let mut octets = Vec::new();
    Header { ttl: u.arbitrary()?, ..Header::new(protocol, from, to) }.emit(payload.len(), &mut octets);
    octets.extend_from_slice(&payload);
    Ok(octets)
}

fuzz_target!(|data: &[u8]| {
    let mut u = Unstructured::new(data);
    let mut facts = Facts::default();
    let mut nanos = 0u64;
    for number in 1..=MAX_FRAMES as u64 {
        if u.is_empty() {
            break;
        }
        let Ok((packet, later, raw)) = packet(&mut u).and_then(|packet| {
            Ok((packet, u.arbitrary::<u16>()?, u.ratio(1, 16)?))
        }) else {
            break;
        };
        nanos += u64::from(later) * 1_000_000;
        // Now and then as an Ethernet frame, which it then hardly is.
        let link = if raw { Link::Ethernet } else { Link::Raw };
        let original_length = packet.len() as u32;
        let frame = Captured { number, nanos, link, interface: 0, octets: &packet, original_length, comment: None };
        facts.add(&frame);
    }
    facts.finish(0);
    for peer in [None, Some(Ipv4Addr::new(192, 0, 2, 1).into())] {
        let judged = judge(&facts, peer);
        let text = report::text(&judged, &facts, &|severity| severity.name().to_owned());
        assert!(text.contains("frames in"));
        let _ = (report::to_json(&judged, &facts), report::svg(&judged, &facts));
    }
    for conversation in facts.conversations.values() {
        assert!(conversation.connections.len() <= 64);
        assert!(conversation.connections.iter().all(|connection| connection.steps.len() <= 80));
    }
});
