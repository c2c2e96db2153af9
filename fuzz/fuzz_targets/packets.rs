//! Every format below BGP: nothing panics, and what parses comes out again as the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::net::Ipv4Addr;
use trunkline_wire::{arp::Arp, ethernet, icmp, ipv4, llc::Llc, pcapng, rip, stp, tcp, udp};

const FROM: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const TO: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);

fn emitted(emit: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut octets = Vec::new();
    emit(&mut octets);
    octets
}

fn internet(octets: &[u8]) {
    // With the header's checksum put right, so that the fuzzer gets behind it.
    let mut octets = octets.to_vec();
    if let Some(length) = octets.first().map(|first| usize::from(first & 15) * 4)
        && (20..=octets.len()).contains(&length)
    {
        octets[10..12].fill(0);
        let sum = trunkline_wire::checksum::checksum(&octets[..length]);
        octets[10..12].copy_from_slice(&sum.to_be_bytes());
    }
    if let Ok((header, payload)) = ipv4::Header::parse(&octets) {
        let again = emitted(|out| header.emit(payload.len(), out));
        let whole = [&again, payload].concat();
        assert_eq!(ipv4::Header::parse(&whole), Ok((header.clone(), payload)));
        for option in header.options.iter().take(100) {
            let _ = option.map(|option| format!("{option:?}"));
        }
        let _ = (header.options.source_route(), header.options.copied_on_fragmentation());
    }
    let _ = ipv4::decrement_ttl(&mut octets);
    let _ = ipv4::Header::parse_quoted(&octets);
}

fn transport(octets: &[u8]) {
    if let Ok(segment) = tcp::Segment::parse_without_checksum(octets) {
        // Options that came packed may not all fit when they are aligned; once they are, they stay.
        let again = emitted(|out| segment.emit(FROM, TO, out));
        let parsed = tcp::Segment::parse(&again, FROM, TO).expect("what is emitted parses");
        assert_eq!(
            (parsed.sequence, parsed.flags, parsed.payload),
            (segment.sequence, segment.flags, segment.payload)
        );
        assert_eq!(emitted(|out| parsed.emit(FROM, TO, out)), again, "{segment}");
        let _ = tcp::digest_range(&again);
    }
    let _ = tcp::digest_range(octets);
    let mut copy = octets.to_vec();
    tcp::fill_checksum(&mut copy, FROM, TO);
    let _ = tcp::Segment::parse(&copy, FROM, TO);
    if let Ok(datagram) = udp::Datagram::parse(octets, FROM, TO) {
        let again = emitted(|out| datagram.emit(FROM, TO, out));
        assert_eq!(udp::Datagram::parse(&again, FROM, TO), Ok(datagram));
    }
}

fn control(octets: &[u8]) {
    let mut octets = octets.to_vec();
    if octets.len() >= 4 {
        octets[2..4].fill(0);
        let sum = trunkline_wire::checksum::checksum(&octets);
        octets[2..4].copy_from_slice(&sum.to_be_bytes());
    }
    if let Ok(message) = icmp::Message::parse(&octets) {
        let again = emitted(|out| message.emit(out));
        assert_eq!(icmp::Message::parse(&again), Ok(message));
    }
}

fn routing(octets: &[u8]) {
    if let Ok(parsed) = rip::Message::parse(octets) {
        let again = emitted(|out| parsed.message.emit(out));
        let second = rip::Message::parse(&again).expect("what is emitted parses");
        assert_eq!(second.message, parsed.message);
        assert!(parsed.faults.len() <= rip::MAX_ENTRIES + 1);
        let _ = (rip::digest_range(octets), format!("{parsed:?}"));
        for entry in &parsed.message.entries {
            assert!(entry.check().is_err() || entry.metric() > 0);
            let _ = entry.prefix();
        }
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((kind, octets)) = data.split_first() else { return };
    match kind % 8 {
        0 => {
            if let Ok((header, payload)) = ethernet::Header::parse(octets) {
                let again = emitted(|out| header.emit(out));
                let whole = [&again, payload].concat();
                assert_eq!(ethernet::Header::parse(&whole), Ok((header, payload)));
                if let Ok((llc, rest)) = Llc::parse(payload) {
                    let whole = [&emitted(|out| llc.emit(out)), rest].concat();
                    assert_eq!(Llc::parse(&whole), Ok((llc, rest)));
                }
            }
        }
        1 => {
            if let Ok(arp) = Arp::parse(octets) {
                assert_eq!(Arp::parse(&emitted(|out| arp.emit(out))), Ok(arp));
                let _ = arp.to_string();
            }
        }
        2 => internet(octets),
        3 => control(octets),
        4 => transport(octets),
        5 => {
            if let Ok(Some(message)) = stp::Message::parse(octets) {
                let again = message.frame(Default::default());
                assert_eq!(stp::Message::parse(&again), Ok(Some(message)));
                let _ = message.to_string();
            }
        }
        6 => routing(octets),
        _ => {
            if let Ok(reader) = pcapng::Reader::new(octets) {
                let packets = reader.take_while(Result::is_ok).flatten();
                assert!(packets.map(|packet| packet.frame.len()).sum::<usize>() <= octets.len());
            }
        }
    }
});
