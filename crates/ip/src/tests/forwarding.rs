//! Routers: next hops, TTL, fragmentation, martians, broadcasts, equal-cost paths.

use super::*;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

#[test]
fn a_packet_is_sent_on_in_place() {
    // RFC 1812 §5.2.1.2
    let mut router = Device::router();
    let packet = udp(A, B, b"data");
    let storage = packet.as_ptr();
    let (interface, next_hop, broadcast, packet) = transmitted(router.receive(IF0, packet));
    assert_eq!((interface, next_hop, broadcast), (IF1, B, false));
    assert_eq!(packet.as_ptr(), storage, "copied");
    let (header, _) = parse(&packet);
    assert_eq!(header.ttl, 63);
    assert_eq!(router.ip.counters().ip_forw_datagrams, 1);
}

#[test]
fn a_packet_that_others_hold_is_not_changed_for_them() {
    let mut router = Device::router();
    let packet = udp(A, B, b"data");
    let copy = packet.clone();
    let (.., sent) = transmitted(router.receive(IF0, packet));
    assert_eq!((parse(&copy).0.ttl, parse(&sent).0.ttl), (64, 63));
}

#[test]
fn the_longest_prefix_wins_and_a_gateway_is_the_next_hop() {
    // RFC 1812 §5.2.4.3 (2)
    let mut router = Device::router();
    router.route("0.0.0.0/0", &[("10.0.0.254", IF0)]);
    router.route("192.0.2.0/24", &[("10.0.1.2", IF1)]);
    router.route("192.0.2.128/25", &[("10.0.1.3", IF1)]);
    for (destination, expected) in
        [("198.51.100.1", "10.0.0.254"), ("192.0.2.1", "10.0.1.2"), ("192.0.2.200", "10.0.1.3")]
    {
        let lookup = router.ip.route(router.now, ip(destination), 0).unwrap();
        assert_eq!(lookup.gateway, Some(ip(expected)));
        let source = ip("10.0.2.7");
        let (_, next_hop, ..) =
            transmitted(router.receive(arrival_for(destination), udp(source, ip(destination), b"")));
        assert_eq!(next_hop, ip(expected));
    }
    router.handle(Input::Route { prefix: prefix("192.0.2.128/25"), route: None });
    assert_eq!(router.ip.route(router.now, ip("192.0.2.200"), 0).unwrap().gateway, Some(ip("10.0.1.2")));
}

/// The interface that a packet to this destination does not leave by.
fn arrival_for(destination: &str) -> PortId {
    if destination.starts_with("192") { IF0 } else { IF1 }
}

#[test]
fn what_a_route_can_say_instead() {
    // RFC 1812 §5.2.7.1
    let mut router = Device::router();
    router.route_kind("192.0.2.0/26", RouteKind::Blackhole);
    router.route_kind("192.0.2.64/26", RouteKind::Unreachable);
    router.route_kind("192.0.2.128/26", RouteKind::Prohibit);
    assert_eq!(router.receive(IF0, udp(A, ip("192.0.2.1"), b"")), []);
    for (destination, text, reason) in [
        ("192.0.2.65", "host unreachable", DropReason::Unreachable),
        ("192.0.2.129", "communication administratively prohibited", DropReason::Prohibited),
        ("192.0.2.193", "network unreachable", DropReason::NoRoute),
    ] {
        assert_eq!(error(router.receive(IF0, udp(A, ip(destination), b""))), (text.to_owned(), A));
        assert_eq!(router.dropped(reason), 1);
    }
    assert_eq!(router.dropped(DropReason::Blackhole), 1);
}

#[test]
fn ttl_runs_out() {
    // RFC 1812 §5.3.1: discarded with an error; a TTL of 2 is not
    let mut router = Device::router();
    for ttl in [0, 1] {
        let packet = frame(&Header { ttl, ..header(A, B, Protocol::TCP) }, &[0; 20]);
        assert_eq!(error(router.receive(IF0, packet)), ("time exceeded, in transit".to_owned(), A));
    }
    let packet = frame(&Header { ttl: 2, ..header(A, B, Protocol::TCP) }, &[0; 20]);
    let (.., packet) = transmitted(router.receive(IF0, packet));
    assert_eq!(parse(&packet).0.ttl, 1);
    // To the router itself any TTL will do: it is not forwarding.
    let packet = frame(&Header { ttl: 1, ..header(A, R0, Protocol::TCP) }, &[0; 20]);
    assert!(matches!(router.receive(IF0, packet)[..], [Output::Deliver { .. }]));
}

#[test]
fn a_host_does_not_forward() {
    // RFC 1122 §3.2.1.3: silently
    let mut host = Device::host();
    host.interface(IF1, &["10.0.1.1/24"], |_| {});
    assert_eq!(host.receive(IF0, udp(A, B, b"")), []);
    assert_eq!(host.dropped(DropReason::NotForUs), 1);
    assert_eq!(host.ip.counters().ip_in_addr_errors, 1);
}

#[test]
fn martians() {
    // RFC 1812 §5.3.7, §4.2.2.11; RFC 1122 §3.2.1.3
    let mut router = Device::router();
    router.route("0.0.0.0/0", &[("10.0.1.254", IF1)]);
    for source in [
        "0.0.0.0",
        "0.1.2.3",
        "127.0.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "10.0.0.255",
        "10.0.1.255",
        "10.0.0.1",
        "10.0.1.1",
        "10.0.0.0",
    ] {
        let before = router.dropped(DropReason::MartianSource);
        assert_eq!(router.receive(IF0, udp(ip(source), B, b"")), [], "{source}");
        assert_eq!(router.dropped(DropReason::MartianSource), before + 1, "{source}");
    }
    for destination in
        ["0.0.0.0", "0.1.2.3", "127.0.0.1", "240.0.0.1", "255.255.255.254", "10.0.0.0", "10.0.1.0"]
    {
        let before = router.dropped(DropReason::MartianDestination);
        assert_eq!(router.receive(IF0, udp(A, ip(destination), b"")), [], "{destination}");
        assert_eq!(router.dropped(DropReason::MartianDestination), before + 1, "{destination}");
    }
}

#[test]
fn a_source_that_is_not_routed_back() {
    // RFC 1812 §5.3.8, RFC 3704 §2.2, §2.4
    let mut router = Device::router();
    let stray = ip("192.0.2.1");
    for (mode, from_b, from_stray) in [
        (ReversePath::Off, true, true),
        (ReversePath::Loose, true, false),
        (ReversePath::Strict, false, false),
    ] {
        router.interface(IF0, &["10.0.0.1/24"], |interface| interface.reverse_path = mode);
        assert_eq!(router.receive(IF0, udp(ip("10.0.1.77"), B, b"")).len(), usize::from(from_b));
        assert_eq!(router.receive(IF0, udp(stray, B, b"")).len(), usize::from(from_stray));
        assert_eq!(router.receive(IF0, udp(A, B, b"")).len(), 1);
    }
    assert_eq!(router.dropped(DropReason::ReversePath), 3);
}

#[test]
fn broadcasts() {
    let mut router = Device::router();
    router.ip.bind_udp(2000);
    let delivered = |outputs: Vec<Output>| matches!(outputs[..], [Output::Deliver { .. }]);
    // RFC 1812 §5.3.5.1: never forwarded
    assert!(delivered(router.receive(IF0, udp(A, Ipv4Addr::BROADCAST, b""))));
    // RFC 1812 §5.2.3 (3): those of the interface that it came by
    assert!(delivered(router.receive(IF0, udp(A, ip("10.0.0.255"), b""))));
    // RFC 2644: directed broadcasts are off
    assert_eq!(router.receive(IF0, udp(A, ip("10.0.1.255"), b"")), []);
    assert_eq!(router.dropped(DropReason::DirectedBroadcast), 1);
    router.interface(IF1, &["10.0.1.1/24"], |interface| interface.directed_broadcast = true);
    let (interface, next_hop, broadcast, _) = transmitted(router.receive(IF0, udp(A, ip("10.0.1.255"), b"")));
    assert_eq!((interface, next_hop, broadcast), (IF1, ip("10.0.1.255"), true));
    // RFC 1812 §5.3.4: what came by link-layer broadcast is not forwarded, nor is one for a single host taken.
    for destination in [B, R0] {
        let packet = udp(A, destination, b"");
        assert_eq!(router.handle(Input::Packet { interface: IF0, packet, link_broadcast: true }), []);
    }
    assert_eq!(router.dropped(DropReason::LinkBroadcast), 2);
    let packet = udp(A, ip("10.0.0.255"), b"");
    assert!(delivered(router.handle(Input::Packet { interface: IF0, packet, link_broadcast: true })));
}

#[test]
fn a_31_has_two_hosts_and_no_broadcast() {
    // RFC 3021 §2.1
    let mut router = Device::router();
    router.interface(IF2, &["192.0.2.0/31"], |_| {});
    let (interface, next_hop, broadcast, _) = transmitted(router.receive(IF0, udp(A, ip("192.0.2.1"), b"")));
    assert_eq!((interface, next_hop, broadcast), (IF2, ip("192.0.2.1"), false));
    assert!(router.ip.is_local(ip("192.0.2.0")));
}

#[test]
fn multicast() {
    // RFC 1112 §4, §7.2; RFC 1812 §5.2.1.3: this router forwards none
    let mut router = Device::router();
    router.route("0.0.0.0/0", &[("10.0.1.254", IF1)]);
    router.ip.bind_udp(2000);
    let group = ip("224.0.0.9");
    assert_eq!(router.receive(IF0, udp(A, group, b"")), []);
    assert_eq!(router.dropped(DropReason::Multicast), 1);
    router.ip.join_group(IF0, group);
    assert!(matches!(router.receive(IF0, udp(A, group, b""))[..], [Output::Deliver { .. }]));
    assert_eq!(router.receive(IF1, udp(B, group, b"")), []);
    router.ip.leave_group(IF0, group);
    assert_eq!(router.receive(IF0, udp(A, group, b"")), []);
    assert!(matches!(router.receive(IF0, udp(A, ip("224.0.0.1"), b""))[..], [Output::Deliver { .. }]));
}

#[test]
fn fragments_of_a_packet_that_is_too_large() {
    // RFC 791 §3.2
    let mut router = Device::router();
    router.interface(IF1, &["10.0.1.1/24"], |interface| interface.mtu = 620);
    let payload: Vec<u8> = (0..1400u32).map(|i| i as u8).collect();
    let whole = frame(&header(A, B, Protocol::TCP), &payload);
    let outputs = router.receive(IF0, whole);
    let mut rebuilt = Vec::new();
    for (index, output) in outputs.iter().enumerate() {
        let Output::Transmit { packet, interface: IF1, next_hop: B, .. } = output else {
            panic!("{output:?}")
        };
        let (header, part) = parse(packet);
        assert_eq!(usize::from(header.fragment_offset), rebuilt.len());
        assert_eq!((header.identification, header.ttl), (7, 63));
        assert_eq!(header.more_fragments, index + 1 < outputs.len());
        assert!(packet.len() - HEADROOM <= 620);
        rebuilt.extend_from_slice(part);
    }
    assert_eq!((outputs.len(), rebuilt), (3, payload));
    let counters = router.ip.counters();
    assert_eq!((counters.ip_frag_oks, counters.ip_frag_creates), (1, 3));
}

#[test]
fn a_fragment_is_cut_again() {
    // RFC 791 §3.2: offset and More Fragments of the pieces are those of the whole
    let mut router = Device::router();
    router.interface(IF1, &["10.0.1.1/24"], |interface| interface.mtu = 68);
    let middle = Header { fragment_offset: 800, more_fragments: true, ..header(A, B, Protocol::TCP) };
    let outputs = router.receive(IF0, frame(&middle, &[1; 96]));
    let seen: Vec<_> = outputs
        .iter()
        .map(|output| match output {
            Output::Transmit { packet, .. } => {
                (parse(packet).0.fragment_offset, parse(packet).0.more_fragments)
            }
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(seen, [(800, true), (848, true)]);
}

#[test]
fn padding_after_the_packet_is_not_sent_on() {
    let mut router = Device::router();
    let mut padded = udp(A, B, b"x").to_vec();
    let len = padded.len();
    padded.extend([0xaa; 20]);
    let (.., packet) = transmitted(router.receive(IF0, Frame::from(padded)));
    assert_eq!(packet.len(), len);
    assert_eq!(parse(&packet).0.ttl, 63);
}

#[test]
fn interfaces_come_and_go() {
    // RFC 1812 §5.3.12.3
    let mut router = Device::router();
    router.route("192.0.2.0/24", &[("10.0.1.2", IF1)]);
    router.interface(IF1, &["10.0.1.1/24"], |interface| interface.up = false);
    for destination in [B, ip("192.0.2.1")] {
        assert_eq!(error(router.receive(IF0, udp(A, destination, b""))).0, "network unreachable");
    }
    assert_eq!(router.receive(IF1, udp(B, A, b"")), []);
    assert_eq!(router.dropped(DropReason::InterfaceDown), 1);
    assert!(router.ip.is_local(R1), "an address is ours though its interface is down");
    router.interface(IF1, &["10.0.1.1/24"], |_| {});
    transmitted(router.receive(IF0, udp(A, B, b"")));
    router.handle(Input::Interface { id: IF1, config: None });
    assert!(!router.ip.is_local(R1));
    assert_eq!(router.ip.routes().filter(|route| route.connected).count(), 1);
    assert_eq!(router.receive(PortId(77), udp(A, B, b"")), []);
    router.handle(Input::Interface { id: PortId(u32::MAX), config: Some(InterfaceConfig::new("far")) });
}

#[test]
fn the_connected_route_hides_the_one_of_the_fib_while_it_is_there() {
    let mut router = Device::router();
    router.route("10.0.1.0/24", &[("10.0.0.7", IF0)]);
    assert_eq!(router.ip.route(router.now, B, 0).unwrap().gateway, None);
    router.interface(IF1, &[], |_| {});
    assert_eq!(router.ip.route(router.now, B, 0).unwrap().gateway, Some(ip("10.0.0.7")));
    router.interface(IF1, &["10.0.1.1/24"], |_| {});
    assert_eq!(router.ip.route(router.now, B, 0).unwrap().gateway, None);
}

#[test]
fn of_two_interfaces_in_one_subnet_the_first_is_used_while_it_is_up() {
    let mut router = Device::router();
    router.interface(IF2, &["10.0.1.2/24"], |_| {});
    assert_eq!(router.ip.route(router.now, B, 0).unwrap().interface, IF1);
    router.interface(IF1, &["10.0.1.1/24"], |interface| interface.up = false);
    assert_eq!(router.ip.route(router.now, B, 0).unwrap().interface, IF2);
}

/// The gateway of each flow from A, by its source port.
fn gateways(router: &mut Device, flows: std::ops::Range<u16>) -> BTreeMap<u16, Ipv4Addr> {
    let to = ip("192.0.2.1");
    flows
        .map(|port| {
            let packet = frame(&header(A, to, Protocol::UDP), &datagram(A, to, port, 53, b""));
            let (_, next_hop, ..) = transmitted(router.receive(IF0, packet));
            (port, next_hop)
        })
        .collect()
}

#[test]
fn a_flow_stays_on_one_of_equal_paths() {
    // RFC 1812 §5.2.4.5; RFC 2992 §1
    let mut router = Device::router();
    let hops = [("10.0.1.2", IF1), ("10.0.1.3", IF1), ("10.0.1.4", IF1)];
    router.route("192.0.2.0/24", &hops);
    let before = gateways(&mut router, 0..300);
    assert_eq!(before, gateways(&mut router, 0..300));
    for (gateway, _) in hops {
        let share = before.values().filter(|hop| **hop == ip(gateway)).count();
        assert!((60..140).contains(&share), "{gateway} has {share} of 300");
    }
    // The order in which they are given does not matter, and only the flows of the one that leaves are moved.
    router.route("192.0.2.0/24", &[hops[2], hops[0]]);
    for (port, gateway) in gateways(&mut router, 0..300) {
        assert!(gateway == before[&port] || before[&port] == ip("10.0.1.3"));
    }
}

#[test]
fn fragments_of_a_datagram_take_one_path() {
    let mut router = Device::router();
    router.route("192.0.2.0/24", &[("10.0.1.2", IF1), ("10.0.1.3", IF1)]);
    let to = ip("192.0.2.1");
    let hops: BTreeSet<_> = (0..20u16)
        .map(|index| {
            let header = Header {
                fragment_offset: index * 1480,
                more_fragments: index < 19,
                ..header(A, to, Protocol::UDP)
            };
            transmitted(router.receive(IF0, frame(&header, &[index as u8; 1480]))).1
        })
        .collect();
    assert_eq!(hops.len(), 1);
}

#[test]
fn a_next_hop_whose_interface_is_down_is_passed_over() {
    let mut router = Device::router();
    router.interface(IF2, &["10.0.2.1/24"], |_| {});
    router.route("192.0.2.0/24", &[("10.0.1.2", IF1), ("10.0.2.2", IF2)]);
    router.interface(IF2, &["10.0.2.1/24"], |interface| interface.up = false);
    assert!(gateways(&mut router, 0..50).values().all(|hop| *hop == ip("10.0.1.2")));
}

#[test]
fn whom_a_router_answers_for() {
    // RFC 1027 §2.2 to §2.4
    let mut router = Device::router();
    router.route("192.0.2.0/24", &[("10.0.1.2", IF1)]);
    router.route("198.51.100.0/24", &[("10.0.0.2", IF0)]);
    router.route("203.0.113.0/24", &[("10.0.0.2", IF0), ("10.0.1.2", IF1)]);
    router.route_kind("192.0.2.128/25", RouteKind::Unreachable);
    for (target, answer) in [
        ("10.0.1.9", true),
        ("192.0.2.1", true),
        ("198.51.100.1", false),
        ("203.0.113.1", false),
        ("192.0.2.200", false),
        ("100.64.0.1", false),
        ("10.0.0.77", false),
        ("10.0.1.1", false),
        ("10.0.1.255", false),
        ("224.0.0.5", false),
        ("127.0.0.1", false),
    ] {
        assert_eq!(router.ip.proxy_target(IF0, A, ip(target)), answer, "{target}");
    }
    assert!(!router.ip.proxy_target(IF0, B, B), "the asker's own");
    router.interface(IF1, &["10.0.1.1/24"], |interface| interface.up = false);
    assert!(!router.ip.proxy_target(IF0, A, ip("192.0.2.1")));
    assert!(!Device::host().ip.proxy_target(IF1, A, B));
}

proptest! {
    #[test]
    fn only_ttl_and_checksum_change(
        tos: u8, identification: u16, ttl in 2u8.., dont_fragment: bool, protocol: u8,
        host in 1u8..255, payload in proptest::collection::vec(any::<u8>(), 0..1400),
    ) {
        let mut router = Device::router();
        let before = Header {
            tos, identification, ttl, dont_fragment,
            ..header(A, Ipv4Addr::new(10, 0, 1, host), Protocol(protocol))
        };
        prop_assume!(host != 1);
        let packet = frame(&before, &payload);
        let (.., sent) = transmitted(router.receive(IF0, packet.clone()));
        // `parse` checks the checksum.
        let (after, data) = parse(&sent);
        prop_assert_eq!(after, Header { ttl: ttl - 1, ..before });
        prop_assert_eq!(data, &payload[..]);
        prop_assert_eq!(&sent[..HEADROOM + 8], &packet[..HEADROOM + 8]);
    }
}
