//! `parse(emit(x)) == x` for every format below BGP; arbitrary octets never panic, and what they parse to survives.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

use std::net::Ipv4Addr;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::Index;
use trunkline_core::MacAddr;
use trunkline_wire::arp::{Arp, Operation};
use trunkline_wire::ethernet::{self, Content, EtherType, Tag};
use trunkline_wire::icmp::Message;
use trunkline_wire::ipv4::{self, Opt, Protocol};
use trunkline_wire::llc::{Llc, Snap};
use trunkline_wire::stp;
use trunkline_wire::tcp::{self, Authentication, Flags, Mac, Segment, SeqNum, Timestamps};
use trunkline_wire::udp::{self, Datagram};
use trunkline_wire::{checksum, pcapng};

fn address() -> impl Strategy<Value = Ipv4Addr> {
    any::<u32>().prop_map(Ipv4Addr::from)
}

fn mac() -> impl Strategy<Value = MacAddr> {
    any::<[u8; 6]>().prop_map(MacAddr)
}

fn octets(max: usize) -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..=max)
}

prop_compose! {
    fn ethernet_header(payload_len: usize)(
        destination in mac(),
        source in mac(),
        tag in option::of((0u8..8, any::<bool>(), 0u16..4096)),
        content in prop_oneof![
            (1536u16..).prop_filter("a tag", |&t| t != EtherType::VLAN.0).prop_map(|t| Content::Type(EtherType(t))),
            Just(Content::Length(payload_len as u16)),
        ],
    ) -> ethernet::Header {
        let tag = tag.map(|(priority, drop_eligible, vlan)| Tag { priority, drop_eligible, vlan });
        ethernet::Header { destination, source, tag, content }
    }
}

/// An option and its data.
#[derive(Debug, Clone)]
struct OwnedOpt {
    kind: u8,
    pointer: u8,
    data: Vec<u8>,
}

impl OwnedOpt {
    fn borrow(&self) -> Opt<'_> {
        let OwnedOpt { kind, pointer, ref data } = *self;
        match kind {
            0 => Opt::NoOperation,
            1 => Opt::RecordRoute { pointer, data },
            2 => Opt::LooseSourceRoute { pointer, data },
            3 => Opt::StrictSourceRoute { pointer, data },
            4 => Opt::Timestamp { pointer: pointer.max(5), overflow: pointer >> 4, flag: pointer & 15, data },
            5 => Opt::RouterAlert(u16::from(pointer)),
            _ => Opt::Unknown { kind: 0x94 ^ (pointer | 0x60), data },
        }
    }
}

fn opts() -> impl Strategy<Value = Vec<OwnedOpt>> {
    let opt = (0u8..7, 4u8.., octets(6)).prop_map(|(kind, pointer, data)| OwnedOpt { kind, pointer, data });
    vec(opt, 0..=4)
}

prop_compose! {
    fn ipv4_header()(
        (tos, identification, ttl, protocol) in any::<(u8, u16, u8, u8)>(),
        (dont_fragment, more_fragments) in any::<(bool, bool)>(),
        fragment_offset in 0u16..8192,
        (source, destination) in (address(), address()),
        options in prop_oneof![
            Just(ipv4::Options::NONE),
            octets(40).prop_map(|raw| ipv4::Options::from_raw(&raw).unwrap()),
        ],
    ) -> ipv4::Header {
        let fragment_offset = fragment_offset * 8;
        let protocol = Protocol(protocol);
        ipv4::Header {
            tos, identification, dont_fragment, more_fragments, fragment_offset, ttl, protocol, source, destination,
            options,
        }
    }
}

prop_compose! {
    /// Options that fit into 40 octets.
    fn tcp_options()(
        mss in option::of(any::<u16>()),
        window_scale in option::of(any::<u8>()),
        sack_permitted in any::<bool>(),
        timestamps in option::of(any::<(u32, u32)>()),
        sack in vec(any::<(u32, u32)>(), 0..=4),
        md5 in option::of(any::<[u8; 16]>()),
        authentication in option::of((any::<(u8, u8)>(), octets(20))),
    ) -> tcp::Options {
        let mut options = tcp::Options {
            mss,
            window_scale,
            sack_permitted,
            timestamps: timestamps.map(|(value, echo)| Timestamps { value, echo }),
            md5,
            authentication: authentication.map(|((key_id, r_next_key_id), mac)| {
                Authentication { key_id, r_next_key_id, mac: Mac::new(&mac).unwrap() }
            }),
            ..tcp::Options::NONE
        };
        if options.md5.is_some() {
            options.authentication = None;
        }
        if options.authentication.is_some() {
            options.window_scale = None;
        }
        for (left, right) in sack {
            if options.encoded_len() + 12 <= 40 {
                options.sack.push(SeqNum(left), SeqNum(right));
            }
        }
        options
    }
}

prop_compose! {
    fn priority()(
        flags in any::<u8>(),
        (root, bridge) in any::<(u64, u64)>(),
        root_path_cost in any::<u32>(),
        port in any::<u16>(),
        times in any::<[u16; 4]>(),
    ) -> stp::Priority {
        let [message_age, max_age, hello_time, forward_delay] = times.map(stp::Time);
        stp::Priority {
            flags: stp::Flags(flags),
            root: stp::BridgeId(root),
            root_path_cost,
            bridge: stp::BridgeId(bridge),
            port: stp::PortIdentifier(port),
            message_age,
            max_age,
            hello_time,
            forward_delay,
        }
    }
}

fn spanning_tree() -> impl Strategy<Value = stp::Message> {
    prop_oneof![
        Just(stp::Message::Bpdu(stp::Bpdu::Tcn)),
        priority().prop_map(|body| stp::Message::Bpdu(stp::Bpdu::Config(body))),
        (2u8.., priority())
            .prop_map(|(version, body)| { stp::Message::Bpdu(stp::Bpdu::Rst(stp::Rst { version, body })) }),
        any::<bool>().prop_flat_map(|response| priority()
            .prop_map(move |body| { stp::Message::RootLinkQuery(stp::RootLinkQuery { response, body }) })),
    ]
}

proptest! {
    #[test]
    fn ethernet_frames(
        (header, payload) in octets(1500).prop_flat_map(|payload| (ethernet_header(payload.len()), Just(payload))),
    ) {
        let mut frame = Vec::new();
        header.emit(&mut frame);
        frame.extend_from_slice(&payload);
        ethernet::pad(&mut frame);
        let (parsed, rest) = ethernet::Header::parse(&frame).unwrap();
        prop_assert_eq!(parsed, header);
        prop_assert_eq!(ethernet::destination(&frame), Some(header.destination));
        prop_assert_eq!(ethernet::source(&frame), Some(header.source));
        match header.content {
            Content::Length(_) => prop_assert_eq!(rest, payload),
            Content::Type(_) => prop_assert!(rest.starts_with(&payload)),
        }
    }

    #[test]
    fn llc_headers(dsap: u8, ssap: u8, control: u8, snap: ([u8; 3], u16), with_snap: bool, rest in octets(9)) {
        let snap = Snap { oui: snap.0, pid: snap.1 };
        let llc = if with_snap {
            Llc { dsap: Llc::SNAP_SAP, ssap: Llc::SNAP_SAP, control: Llc::UI, snap: Some(snap) }
        } else {
            Llc { dsap: if dsap == Llc::SNAP_SAP { 0 } else { dsap }, ssap, control: control | 3, snap: None }
        };
        let mut octets = Vec::new();
        llc.emit(&mut octets);
        octets.extend_from_slice(&rest);
        prop_assert_eq!(Llc::parse(&octets), Ok((llc, &rest[..])));
    }

    #[test]
    fn arp_packets(
        operation: u16,
        sender in (mac(), address()),
        target in (mac(), address()),
        padding in octets(18),
    ) {
        let arp = Arp {
            operation: Operation::from(operation),
            sender_hardware: sender.0,
            sender_protocol: sender.1,
            target_hardware: target.0,
            target_protocol: target.1,
        };
        let mut octets = Vec::new();
        arp.emit(&mut octets);
        octets.extend_from_slice(&padding);
        prop_assert_eq!(Arp::parse(&octets), Ok(arp));
    }

    #[test]
    fn ipv4_packets(header in ipv4_header(), payload in octets(100), link_padding in octets(20)) {
        let mut packet = vec![0xee; 3];
        header.emit(payload.len(), &mut packet);
        packet.extend_from_slice(&payload);
        packet.extend_from_slice(&link_padding);
        let packet = &mut packet[3..];
        prop_assert_eq!(ipv4::Header::parse(packet), Ok((header, &payload[..])));
        prop_assert_eq!(ipv4::Header::parse_quoted(packet), Ok((header, &payload[..])));

        // RFC 1624: the updated checksum is the one that a new header would have
        let mut again = Vec::new();
        ipv4::Header { ttl: header.ttl.saturating_sub(1), ..header }.emit(payload.len(), &mut again);
        prop_assert_eq!(ipv4::decrement_ttl(packet), header.ttl.checked_sub(1));
        prop_assert!(packet.starts_with(&again));
    }

    #[test]
    fn ipv4_options(opts in opts()) {
        let opts: Vec<Opt<'_>> = opts.iter().map(OwnedOpt::borrow).collect();
        let Ok(options) = ipv4::Options::new(&opts) else { return Ok(()) };
        let parsed: Vec<Opt<'_>> = options.iter().map(Result::unwrap).collect();
        let parsed = parsed.strip_suffix(&[Opt::EndOfList]).unwrap_or(&parsed);
        prop_assert_eq!(parsed, &opts[..]);
        for opt in &options.copied_on_fragmentation() {
            let opt = opt.unwrap();
            prop_assert!(opt == Opt::EndOfList || opts.contains(&opt));
        }
    }

    #[test]
    fn udp_datagrams(source_port: u16, destination_port: u16, payload in octets(99), ends in (address(), address())) {
        let datagram = Datagram { source_port, destination_port, payload: &payload };
        let mut octets = Vec::new();
        datagram.emit(ends.0, ends.1, &mut octets);
        prop_assert_eq!(Datagram::parse(&octets, ends.0, ends.1), Ok(datagram));
        let header = udp::Header { source_port, destination_port };
        prop_assert_eq!(udp::Header::parse(&octets), Ok(header));
    }

    #[test]
    fn tcp_segments(
        ports: (u16, u16),
        numbers: (u32, u32),
        flags in 0u16..256,
        window: u16,
        urgent_pointer: u16,
        options in tcp_options(),
        payload in octets(99),
        ends in (address(), address()),
    ) {
        let segment = Segment {
            source_port: ports.0,
            destination_port: ports.1,
            sequence: SeqNum(numbers.0),
            acknowledgment: SeqNum(numbers.1),
            flags: Flags(flags),
            window,
            urgent_pointer,
            options,
            payload: &payload,
        };
        let mut octets = Vec::new();
        segment.emit(ends.0, ends.1, &mut octets);
        prop_assert_eq!(Segment::parse(&octets, ends.0, ends.1), Ok(segment));
        prop_assert_eq!(octets.len(), segment.header_len() + payload.len());
        match tcp::digest_range(&octets) {
            Some(range) => {
                let written = options.md5.map(Vec::from).or(options.authentication.map(|a| a.mac.to_vec()));
                prop_assert_eq!(Some(octets[range].to_vec()), written);
            }
            None => prop_assert!(options.md5.is_none() && options.authentication.is_none()),
        }
    }

    #[test]
    fn a_flipped_bit_is_noticed(payload in octets(60), ends in (address(), address()), at: Index, bit in 0u8..8) {
        let segment = Segment {
            source_port: 1,
            destination_port: 2,
            sequence: SeqNum(3),
            acknowledgment: SeqNum(4),
            flags: Flags::ACK,
            window: 5,
            urgent_pointer: 0,
            options: tcp::Options::NONE,
            payload: &payload,
        };
        let mut octets = Vec::new();
        segment.emit(ends.0, ends.1, &mut octets);
        let at = at.index(octets.len());
        octets[at] ^= 1 << bit;
        prop_assert!(Segment::parse(&octets, ends.0, ends.1).is_err());
    }

    #[test]
    fn modular_comparisons(a: u32, distance in 1u32..1 << 31) {
        let (a, b) = (SeqNum(a), SeqNum(a) + distance);
        prop_assert!(a.lt(b) && b.gt(a) && a.le(b) && b.ge(a));
        prop_assert_eq!(b - a, distance as i32);
        prop_assert_eq!(b - distance, a);
    }

    #[test]
    fn captures(
        packets in vec((0u32..2, any::<u64>(), octets(99), option::of("\\PC{0,20}")), 0..9),
        names in any::<[u8; 2]>(),
    ) {
        let interfaces = names.map(|n| pcapng::Interface { name: format!("eth{n}"), description: format!("{n:b}") });
        let mut writer = pcapng::Writer::new(Vec::new(), &interfaces).unwrap();
        for (interface, nanos, frame, comment) in &packets {
            writer.packet(*interface, *nanos, frame, comment.as_deref()).unwrap();
        }
        let file = writer.into_inner();
        let mut reader = pcapng::Reader::new(&file).unwrap();
        let read: Vec<_> = reader.by_ref().map(Result::unwrap).collect();
        prop_assert_eq!(read.len(), packets.len());
        for (packet, (interface, nanos, frame, comment)) in read.iter().zip(&packets) {
            prop_assert_eq!((packet.interface, packet.nanos, packet.frame), (*interface, *nanos, &frame[..]));
            prop_assert_eq!(packet.comment, comment.as_deref());
            prop_assert_eq!(packet.original_length as usize, frame.len());
        }
        let names: Vec<_> = reader.interfaces().iter().map(|interface| interface.name.as_str()).collect();
        prop_assert_eq!(names, interfaces.each_ref().map(|interface| interface.name.as_str()));
    }

    #[test]
    fn damaged_captures_never_panic(flips in vec((any::<Index>(), any::<u8>()), 1..8), end: Index) {
        let interface = pcapng::Interface { name: "eth0".into(), description: String::new() };
        let mut writer = pcapng::Writer::new(Vec::new(), &[interface]).unwrap();
        for nanos in 0..3 {
            writer.packet(0, nanos, &[7; 61], Some("comment")).unwrap();
        }
        let mut file = writer.into_inner();
        for (at, value) in flips {
            let at = at.index(file.len());
            file[at] = value;
        }
        file.truncate(end.index(file.len()) + 1);
        if let Ok(reader) = pcapng::Reader::new(&file) {
            prop_assert!(reader.count() <= 4);
        }
    }

    #[test]
    fn spanning_tree_round_trips(message in spanning_tree(), source in mac(), padding in octets(8)) {
        let mut frame = message.frame(source);
        prop_assert!(frame.len() >= ethernet::MIN_LEN && stp::is_spanning_tree(&frame));
        frame.extend(padding);
        prop_assert_eq!(stp::Message::parse(&frame), Ok(Some(message)));
    }

    #[test]
    fn damaged_spanning_tree_never_panics(
        message in spanning_tree(),
        flips in vec((any::<Index>(), any::<u8>()), 0..4),
        end: Index,
    ) {
        let mut frame = message.frame(MacAddr::UNSPECIFIED);
        for (at, value) in flips {
            let at = at.index(frame.len());
            frame[at] = value;
        }
        frame.truncate(end.index(frame.len()) + 1);
        if let Ok(Some(parsed)) = stp::Message::parse(&frame) {
            prop_assert_eq!(stp::Message::parse(&parsed.frame(MacAddr::UNSPECIFIED)), Ok(Some(parsed)));
            let _ = parsed.to_string();
        }
    }

    #[test]
    fn arbitrary_octets_never_panic(mut octets in octets(120), first in any::<u8>()) {
        let (a, b) = (Ipv4Addr::LOCALHOST, Ipv4Addr::BROADCAST);
        let _ = ethernet::Header::parse(&octets);
        let _ = Llc::parse(&octets);
        let _ = Arp::parse(&octets).map(|arp| arp.to_string());
        let _ = Datagram::parse(&octets, a, b);
        let _ = udp::Header::parse(&octets);
        let _ = Segment::parse(&octets, a, b);
        let _ = Segment::parse_without_checksum(&octets).map(|segment| format!("{segment} {segment:?}"));
        let _ = tcp::digest_range(&octets);
        tcp::fill_checksum(&mut octets.clone(), a, b);
        let _ = tcp::Options::parse(&octets);
        let _ = pcapng::Reader::new(&octets).map(Iterator::count);
        let _ = ipv4::decrement_ttl(&mut octets.clone());
        if let Some(version_ihl) = octets.first_mut() {
            *version_ihl = 0x40 | (first & 15);
        }
        let _ = ipv4::Header::parse(&octets);
        if let Ok((mut header, _)) = ipv4::Header::parse_quoted(&octets) {
            let _ = format!("{header:?}");
            let _ = header.options.source_route().map(|route| route.next_hop());
            let _ = header.options.copied_on_fragmentation();
            let _ = header.options.record_route(a);
            let _ = header.options.advance_source_route(b);
        }
    }

    #[test]
    fn what_arbitrary_octets_parse_to_survives(mut message in octets(60), kind in 0u8..20, code in 0u8..3) {
        if let [k, c, c0, c1, ..] = &mut message[..] {
            (*k, *c, *c0, *c1) = (kind, code, 0, 0);
            let sum = checksum::checksum(&message);
            message[2..4].copy_from_slice(&sum.to_be_bytes());
        }
        if let Ok(parsed) = Message::parse(&message) {
            let mut again = Vec::new();
            parsed.emit(&mut again);
            prop_assert_eq!(Message::parse(&again), Ok(parsed));
            let _ = parsed.to_string();
        }
        if let Ok(options) = tcp::Options::parse(&message) {
            prop_assert!(options.encoded_len() <= 40 && options.encoded_len() % 4 == 0);
        }
    }
}
