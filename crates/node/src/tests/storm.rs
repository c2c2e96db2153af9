//! Storms: 200,000 frames of a kind that should hurt. The counters tell of them, every table stays under its limit,
//! and the device still answers.

use super::device::{Device, FRIEND, device, mac, packet_frame, port, request};
use crate::config::{InterfaceConfig, Kind, PortKind, Service, ServiceKind};
use std::net::Ipv4Addr;
use trunkline_core::{Duration, MacAddr, PortId, Rng};
use trunkline_tcp::SeqNum;
use trunkline_view::device::ArpView;
use trunkline_view::{Answer, Query};
use trunkline_wire::ethernet;
use trunkline_wire::icmp::{Message, RedirectCode, UnreachableCode};
use trunkline_wire::ipv4::{Header, Protocol};
use trunkline_wire::tcp::{Flags, Options, Segment};
use trunkline_wire::udp::Datagram;

/// Frames in a storm.
const STORM: u64 = 200_000;

const OWN: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 255, 0, 254);

/// A device in so large a subnet that every source of a storm is a neighbour.
fn busy(kind: Kind) -> Device {
    let mut config = device(kind, vec![port("eth0", &[(OWN, 8)]), port("eth1", &[])]);
    config.interfaces[1].address = vec![(Ipv4Addr::new(192, 0, 2, 1), 24)];
    config.services = vec![Service { kind: ServiceKind::Echo, port: 7 }];
    config.gateway = (kind == Kind::Host).then_some(GATEWAY);
    Device::new(config)
}

/// A neighbour nobody has heard of.
fn stranger(rng: &mut Rng) -> (Ipv4Addr, MacAddr) {
    let [a, b, c, d, e, f, ..] = rng.next_u64().to_be_bytes();
    (Ipv4Addr::new(10, 1 + a % 200, b, 1 + c % 250), MacAddr([2, a, b, d, e, f]))
}

fn neighbors(device: &mut Device) -> ArpView {
    match device.ask(Query::Arp { interface: None }) {
        Answer::Arp(view) => view,
        other => panic!("{other:?}"),
    }
}

/// ARP keeps no more neighbours and waiting packets than it may.
fn assert_neighbors_bounded(device: &mut Device) {
    let limits = trunkline_arp::Config::default();
    let view = neighbors(device);
    assert!(view.entries.len() <= limits.max_entries, "{} neighbours", view.entries.len());
    let queued = view.entries.iter().map(|entry| entry.queued).sum::<u64>();
    assert!(queued <= limits.max_pending_total as u64, "{queued} packets wait");
}

#[test]
fn arp_requests_from_everywhere() {
    let mut device = busy(Kind::Router);
    let mut rng = Rng::new(1);
    let before = device.frames;
    for n in 0..STORM {
        let sender = stranger(&mut rng);
        device.frame(PortId(0), request(sender, OWN));
        if n.is_multiple_of(1000) {
            device.now += Duration::from_millis(10);
        }
    }
    let limits = trunkline_arp::Config::default();
    assert_eq!(device.arp_counter("eth0", "requests_received"), STORM);
    assert_eq!(neighbors(&mut device).entries.len(), limits.max_entries, "full, not more");
    // The storm took two seconds: of its requests, those of three at most are answered.
    let (replies, limited) =
        (device.arp_counter("eth0", "replies_sent"), device.arp_counter("eth0", "rate_limited"));
    let others = device.arp_counter("eth0", "source_limited");
    assert!(replies <= 3 * u64::from(limits.requests_per_second), "{replies} replies");
    assert!(limited > 0 && replies + limited + others == STORM, "{replies} {limited} {others}");
    assert!(device.frames - before <= replies + 10);
    // Only who got an answer is remembered, and makes others forgotten.
    let evicted = replies - limits.max_entries as u64;
    let chance = 100; // a stranger may come twice
    assert!((evicted - chance..=evicted).contains(&device.arp_counter("eth0", "evicted")));
    device.run(1);
    assert!(device.answers(OWN));
    device.run(200);
    assert_eq!(neighbors(&mut device).entries.len(), 0, "all forgotten");
    assert!(device.answers(OWN));
}

#[test]
fn pings_from_everywhere() {
    let mut device = busy(Kind::Host);
    let mut rng = Rng::new(2);
    let mut payload = Vec::new();
    Message::EchoRequest { identifier: 1, sequence: 1, data: &[7; 56] }.emit(&mut payload);
    for _ in 0..STORM {
        let (source, hardware) = stranger(&mut rng);
        device.packet(hardware, &Header::new(Protocol::ICMP, source, OWN), &payload);
    }
    assert_eq!(device.counter("icmpInEchos"), STORM);
    assert_neighbors_bounded(&mut device);
    let limit = trunkline_arp::Config::default().max_entries as u64;
    assert!(
        device.arp_counter("eth0", "evicted") >= STORM - limit - 100,
        "each reply asks for its neighbour"
    );
    let gone = ["packets_dropped", "packets_unreachable"].map(|name| device.arp_counter("eth0", name));
    assert!(gone.iter().sum::<u64>() >= STORM - limit, "{gone:?}");
    device.run(1);
    assert!(device.answers(OWN));
    device.run(30);
    assert_neighbors_bounded(&mut device);
    assert!(device.answers(OWN));
}

#[test]
fn errors_about_what_was_never_sent() {
    let mut device = busy(Kind::Host);
    let mut rng = Rng::new(3);
    for n in 0..STORM {
        let (source, hardware) = stranger(&mut rng);
        let (about, _) = stranger(&mut rng);
        let quoted = packet_frame((hardware, hardware), &Header::new(Protocol::TCP, OWN, about), &[0; 8]);
        let original = &quoted[ethernet::LEN..ethernet::LEN + 28];
        let mut payload = Vec::new();
        let (code, next_hop_mtu) = (UnreachableCode::FragmentationNeeded, 600);
        let from = match n % 4 {
            0 => {
                Message::DestinationUnreachable { code, next_hop_mtu, original }.emit(&mut payload);
                source
            }
            1 => {
                let (code, next_hop_mtu) = (UnreachableCode::Port, 0);
                Message::DestinationUnreachable { code, next_hop_mtu, original }.emit(&mut payload);
                source
            }
            2 => {
                let (code, gateway) = (RedirectCode::Host, source);
                Message::Redirect { code, gateway, original }.emit(&mut payload);
                source
            }
            _ => {
                // As if from the gateway, about a packet to somewhere else.
                let about = Ipv4Addr::from(0xac10_0000 | rng.next_u64() as u32 & 0xf_ffff);
                let header = Header::new(Protocol::TCP, OWN, about);
                let quoted = packet_frame((hardware, hardware), &header, &[0; 8]);
                let (code, gateway) = (RedirectCode::Host, source);
                let original = &quoted[ethernet::LEN..ethernet::LEN + 28];
                Message::Redirect { code, gateway, original }.emit(&mut payload);
                GATEWAY
            }
        };
        device.packet(hardware, &Header::new(Protocol::ICMP, from, OWN), &payload);
    }
    let limits = trunkline_ip::Config::default();
    assert_eq!(device.counter("icmpInMsgs"), STORM);
    assert_eq!(device.counter("icmpInDestUnreachs"), STORM / 2);
    assert_eq!(device.counter("icmpInRedirects"), STORM / 2);
    assert!(device.counter("redirectsRefused") >= STORM / 4);
    assert!(device.counter("redirectsAccepted") > 0);
    let Answer::IpStatistics(view) = device.ask(Query::IpStatistics) else { panic!("no statistics") };
    assert_eq!(view.path_mtus.len(), 0, "no connection of ours sent that");
    assert_eq!(view.redirects.len(), limits.max_redirects);
    assert_eq!(device.counter("icmpOutMsgs"), 0, "never an error about an error");
    assert!(device.answers(OWN));
    device.run(700);
    let Answer::IpStatistics(view) = device.ask(Query::IpStatistics) else { panic!("no statistics") };
    assert_eq!((view.path_mtus.len(), view.redirects.len()), (0, 0), "all forgotten");
}

#[test]
fn datagrams_to_ports_where_nobody_listens() {
    let mut device = busy(Kind::Router);
    let mut rng = Rng::new(4);
    for _ in 0..STORM {
        let (source, hardware) = stranger(&mut rng);
        let mut payload = Vec::new();
        let destination_port = rng.next_u64() as u16;
        Datagram { source_port: 53, destination_port, payload: b"hello" }.emit(source, OWN, &mut payload);
        device.packet(hardware, &Header::new(Protocol::UDP, source, OWN), &payload);
    }
    let burst = u64::from(trunkline_ip::Config::default().icmp_burst);
    assert_eq!(device.counter("dropPort"), STORM);
    assert_eq!(device.counter("icmpOutDestUnreachs"), burst, "no time went by");
    assert_eq!(device.counter("icmpOutRateLimited"), STORM - burst);
    assert_neighbors_bounded(&mut device);
    assert!(device.answers(OWN));
}

fn segment(device: &mut Device, (from, hardware): (Ipv4Addr, MacAddr), segment: &Segment<'_>) {
    let mut payload = Vec::new();
    segment.emit(from, OWN, &mut payload);
    device.packet(hardware, &Header::new(Protocol::TCP, from, OWN), &payload);
}

/// What the device has sent to this station by TCP, the newest.
fn last_segment(device: &Device, hardware: MacAddr) -> Option<(Flags, SeqNum, Vec<u8>)> {
    device.sent.iter().rev().find_map(|(_, frame)| {
        let (header, payload) = Header::parse(frame.get(ethernet::LEN..)?).ok()?;
        let segment = Segment::parse(payload, header.source, header.destination).ok()?;
        let whole = (segment.flags, segment.sequence, segment.payload.to_vec());
        frame.starts_with(&hardware.0).then_some(whole)
    })
}

#[test]
fn connections_that_nobody_wants() {
    let mut device = busy(Kind::Host);
    let mut rng = Rng::new(5);
    let syn = Segment {
        source_port: 0,
        destination_port: 7,
        sequence: SeqNum(0),
        acknowledgment: SeqNum(0),
        flags: Flags::SYN,
        window: 65_535,
        urgent_pointer: 0,
        options: Options { mss: Some(1460), ..Options::NONE },
        payload: &[],
    };
    for _ in 0..STORM {
        let from = stranger(&mut rng);
        let (source_port, sequence) = (rng.next_u64() as u16 | 1, SeqNum(rng.next_u64() as u32));
        segment(&mut device, from, &Segment { source_port, sequence, ..syn });
    }
    let Answer::Tcp(view) = device.ask(Query::Tcp) else { panic!("no TCP") };
    let listener = &view.listeners[0];
    assert_eq!(listener.half_open, listener.backlog, "full, not more");
    assert_eq!(view.connections.len() as u64, listener.backlog);
    assert_eq!(view.counters["tcpInSegs"], STORM);
    assert_eq!(view.counters["tcpPassiveOpens"], listener.backlog);
    assert_eq!(view.counters["tcpSynCookiesSent"], STORM - listener.backlog);
    assert_neighbors_bounded(&mut device);
    assert!(device.answers(OWN));
    // In the middle of it someone is served: by a cookie.
    let friend = FRIEND;
    device.sent.clear();
    segment(&mut device, friend, &Segment { source_port: 5000, sequence: SeqNum(99), ..syn });
    let (flags, iss, _) = last_segment(&device, friend.1).unwrap();
    assert_eq!(flags, Flags::SYN | Flags::ACK);
    let data = Segment { source_port: 5000, flags: Flags::ACK, payload: b"anyone there?", ..syn };
    let data = Segment { sequence: SeqNum(100), acknowledgment: iss + 1, options: Options::NONE, ..data };
    segment(&mut device, friend, &data);
    assert_eq!(last_segment(&device, friend.1).unwrap().2, b"anyone there?");
    // The others are given up.
    device.run(100);
    let Answer::Tcp(view) = device.ask(Query::Tcp) else { panic!("no TCP") };
    assert_eq!((view.connections.len(), view.listeners[0].half_open), (1, 0));
    assert!(device.answers(OWN));
}

#[test]
fn segments_of_no_connection() {
    let mut device = busy(Kind::Host);
    let mut rng = Rng::new(6);
    for _ in 0..STORM {
        let from = stranger(&mut rng);
        let flags = Flags(rng.next_u64() as u16 & 0x3f & !Flags::SYN.0 | Flags::ACK.0);
        let wild = Segment {
            source_port: rng.next_u64() as u16 | 1,
            destination_port: [7, 8][rng.below(2) as usize],
            sequence: SeqNum(rng.next_u64() as u32),
            acknowledgment: SeqNum(rng.next_u64() as u32),
            flags,
            window: 0,
            urgent_pointer: 0,
            options: Options::NONE,
            payload: b"data",
        };
        segment(&mut device, from, &wild);
    }
    let Answer::Tcp(view) = device.ask(Query::Tcp) else { panic!("no TCP") };
    assert_eq!((view.counters["tcpInSegs"], view.connections.len()), (STORM, 0));
    let limit = u64::from(trunkline_tcp::Config::default().resets_per_second);
    let resets = view.counters["tcpOutRsts"];
    assert!(resets > 0 && resets <= 2 * limit, "{resets} in one second");
    assert!(view.counters["tcpResetsLimited"] > STORM / 3);
    assert!(device.answers(OWN));
}

#[test]
fn fragments_that_never_complete() {
    let mut device = busy(Kind::Host);
    let mut rng = Rng::new(7);
    let one = stranger(&mut rng);
    for n in 0..STORM {
        // Every second from the same source; some are last pieces, which want large buffers.
        let (source, hardware) = if n % 2 == 0 { one } else { stranger(&mut rng) };
        let header = Header {
            more_fragments: n % 3 == 0,
            fragment_offset: match n {
                _ if n % 3 == 0 => 0,
                _ if n % 16 == 5 => 65_000,
                _ => 512,
            },
            identification: n as u16,
            ..Header::new(Protocol::UDP, source, OWN)
        };
        device.packet(hardware, &header, &[7; 64]);
    }
    let limits = trunkline_ip::Config::default();
    assert_eq!(device.counter("ipReasmReqds"), STORM);
    assert_eq!(device.counter("ipReasmOKs"), 0);
    let waiting = STORM - device.counter("ipReasmFails");
    assert!((1..=limits.max_reassemblies as u64).contains(&waiting), "{waiting} datagrams wait");
    assert!(device.answers(OWN));
    device.run(limits.reassembly_timeout.as_secs() + 1);
    assert_eq!(device.counter("ipReasmFails"), STORM);
    assert!(device.counter("ipReasmTimeouts") <= waiting);
    assert!(device.answers(OWN));
}

/// A switch with three ports, and an address.
fn switch() -> Device {
    let own = InterfaceConfig { address: vec![(OWN, 8)], ..InterfaceConfig::new("br0", PortKind::Loopback) };
    let ports = ["port0", "port1", "port2"].map(|name| port(name, &[]));
    Device::new(device(Kind::Switch, ports.into_iter().chain([own]).collect()))
}

fn from_to(from: MacAddr, to: MacAddr) -> Vec<u8> {
    let header = Header::new(Protocol::UDP, Ipv4Addr::new(10, 9, 9, 9), Ipv4Addr::new(10, 9, 9, 8));
    packet_frame((from, to), &header, &[1; 32])
}

#[test]
fn stations_without_end_through_a_switch() {
    let mut switch = switch();
    let limit = trunkline_bridge::Config::default().max_entries;
    let (here, there) = (MacAddr([2, 0, 0, 0, 5, 1]), MacAddr([2, 0, 0, 0, 5, 2]));
    switch.frame(PortId(1), from_to(here, there));
    let mut rng = Rng::new(8);
    for n in 0..STORM {
        let (_, source) = stranger(&mut rng);
        switch.frame(PortId(0), from_to(source, there));
        if n.is_multiple_of(1000) {
            switch.now += Duration::from_millis(10);
            switch.frame(PortId(1), from_to(here, there));
        }
    }
    let Answer::Mac(view) = switch.ask(Query::Mac { bridge: None }) else { panic!("no bridge") };
    assert_eq!(view.entries.len(), limit, "full, not more");
    let counters = &view.bridges[0].counters;
    assert!(counters["learned"] >= limit as u64);
    assert!(counters["full"] > 0);
    assert!(view.bridges[0].ports[0].counters["flooded"] >= STORM);
    assert!(switch.answers(OWN));
    // Whoever spoke before the storm is found; the others are flooded, to both other ports.
    switch.sent.clear();
    switch.frame(PortId(2), from_to(there, here));
    assert_eq!(switch.sent.iter().map(|(port, _)| port.0).collect::<Vec<_>>(), [1]);
    // All are forgotten in time, and then there is room for whoever speaks.
    switch.run(301);
    switch.frame(PortId(2), from_to(there, here));
    switch.frame(PortId(1), from_to(here, there));
    let Answer::Mac(view) = switch.ask(Query::Mac { bridge: None }) else { panic!("no bridge") };
    let places: Vec<(&str, &str)> =
        view.entries.iter().map(|entry| (entry.mac.as_str(), entry.port.as_str())).collect();
    assert_eq!(places, [("02:00:00:00:05:01", "port1"), ("02:00:00:00:05:02", "port2")]);
    assert!(switch.answers(OWN));
}

#[test]
fn broadcasts_to_a_switch_reach_it_and_do_no_harm() {
    let mut switch = switch();
    let mut rng = Rng::new(9);
    for _ in 0..STORM {
        let sender = stranger(&mut rng);
        let target = stranger(&mut rng).0;
        switch.frame(PortId(1), request(sender, target));
    }
    assert_eq!(switch.arp_counter("br0", "requests_received"), STORM);
    assert_eq!(switch.arp_counter("br0", "replies_sent"), 0);
    assert_neighbors_bounded(&mut switch);
    assert_eq!(mac(PortId(0)).to_string(), bridge_mac(&mut switch));
    assert!(switch.answers(OWN));
}

fn bridge_mac(switch: &mut Device) -> String {
    match switch.ask(Query::Mac { bridge: None }) {
        Answer::Mac(view) => view.bridges[0].mac.clone(),
        other => panic!("{other:?}"),
    }
}
