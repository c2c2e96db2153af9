//! Whatever arrives: no panic, no endless timer, memory within its limits.

use super::*;
use proptest::prelude::*;

fn address() -> impl Strategy<Value = Ipv4Addr> {
    prop_oneof![
        proptest::sample::select(vec![A, B, R0, R1]),
        proptest::sample::select(vec![
            ip("10.0.0.255"),
            ip("10.0.1.0"),
            ip("192.0.2.1"),
            ip("224.0.0.1"),
            ip("127.0.0.1"),
            ip("0.0.0.0"),
        ]),
        any::<u32>().prop_map(Ipv4Addr::from_bits),
    ]
}

/// A packet whose header has a right checksum, whatever else it says.
fn plausible() -> impl Strategy<Value = Frame> {
    let fields = (any::<u8>(), any::<u16>(), any::<u16>(), any::<u8>(), any::<u8>());
    let options = prop_oneof![
        Just(Vec::new()),
        proptest::collection::vec(any::<u8>(), 0..=40),
        (proptest::sample::select(vec![7u8, 68, 131, 137]), 0u8..12, 0u8..30, any::<[u8; 8]>())
            .prop_map(|(kind, len, pointer, data)| [&[kind, len, pointer], &data[..]].concat()),
    ];
    let payload = proptest::collection::vec(any::<u8>(), 0..200);
    (address(), address(), fields, options, payload, any::<bool>()).prop_map(
        |(source, destination, (tos, identification, flags, ttl, protocol), options, mut payload, fix)| {
            let options = Options::from_raw(&options).unwrap_or(Options::NONE);
            let protocol =
                Protocol(if protocol < 200 { [1, 6, 17, 1][usize::from(protocol % 4)] } else { protocol });
            if fix && protocol == Protocol::ICMP && payload.len() >= 8 {
                payload[0] %= 20;
                payload[2..4].fill(0);
                let sum = trunkline_wire::checksum::checksum(&payload);
                payload[2..4].copy_from_slice(&sum.to_be_bytes());
            }
            let header = Header {
                tos,
                identification: identification % 4,
                dont_fragment: flags & 1 != 0,
                more_fragments: flags & 6 == 6,
                fragment_offset: if flags & 24 == 24 { flags & 0xfff8 } else { 0 },
                ttl,
                options,
                ..Header::new(protocol, source, destination)
            };
            frame(&header, &payload)
        },
    )
}

/// An ICMP error about a packet, with a right checksum.
fn about(original: &Frame, kind: u8, rest: [u8; 4], from: Ipv4Addr, to: Ipv4Addr) -> Frame {
    let rest = [&rest[..], &original[HEADROOM..]].concat();
    icmp(from, to, Message::Unknown { kind, code: rest[0] % 6, rest: &rest })
}

fn exercise(device: &mut Device, packets: &[(Frame, u8, [u8; 4])]) {
    device.ip.watch(true);
    device.route("192.0.2.0/24", &[("10.0.0.254", IF0), ("10.0.1.254", IF1)]);
    for (index, (packet, choice, rest)) in packets.iter().enumerate() {
        let interface = PortId(u32::from(choice % 3));
        let packet = if choice & 0x40 != 0 {
            about(packet, [3, 4, 5, 11, 12][usize::from(choice % 5)], *rest, ip("10.0.0.254"), R0)
        } else {
            packet.clone()
        };
        let link_broadcast = choice & 0x20 != 0;
        for output in device.handle(Input::Packet { interface, packet, link_broadcast }) {
            if let Output::Transmit { packet, interface, .. } = output {
                let (header, payload) = parse(&packet);
                assert_eq!(header.header_len() + payload.len() + HEADROOM, packet.len());
                assert!(packet.len() - HEADROOM <= 1500);
                if choice & 0x10 != 0 {
                    device.handle(Input::Unreachable { interface, packet });
                }
            }
        }
        if index % 7 == 0 {
            device.pass(Duration::from_secs(u64::from(*choice)));
        }
    }
    device.pass(Duration::from_secs(4000));
    assert_eq!(device.ip.poll_timeout(), None);
}

proptest! {
    #[test]
    fn arbitrary_octets(octets in proptest::collection::vec(any::<u8>(), 0..120), link_broadcast: bool) {
        let mut router = Device::router();
        let packet = Frame::from(octets);
        prop_assert_eq!(router.handle(Input::Packet { interface: IF0, packet: packet.clone(), link_broadcast }), []);
        router.handle(Input::Unreachable { interface: IF0, packet });
    }

    #[test]
    fn plausible_packets(
        packets in proptest::collection::vec((plausible(), any::<u8>(), any::<[u8; 4]>()), 0..60),
        source_route: bool, forwarding: bool, echo_broadcast: bool,
    ) {
        let config = Config { forwarding, echo_broadcast, icmp_host_interval: Duration::ZERO, ..Config::default() };
        let mut device = Device::new(config);
        let all_on = |interface: &mut InterfaceConfig| {
            interface.accept_redirects = true;
            interface.directed_broadcast = true;
            interface.source_route = source_route;
        };
        device.interface(IF0, &["10.0.0.1/24"], all_on);
        device.interface(IF1, &["10.0.1.1/24", "10.0.2.1/24"], all_on);
        exercise(&mut device, &packets);
    }

    #[test]
    fn arbitrary_sends(
        source in proptest::option::of(address()), destination in address(), len in 0usize..3000, ttl: Option<u8>,
        dont_fragment: bool, options in proptest::collection::vec(any::<u8>(), 0..=40),
        interface in proptest::option::of(0u32..4), protocol: u8,
    ) {
        let mut router = Device::router();
        let send = Send {
            source, destination, ttl, dont_fragment,
            protocol: Protocol(protocol),
            tos: 0,
            options: Options::from_raw(&options).unwrap(),
            payload: &vec![8; len],
            interface: interface.map(PortId),
        };
        for output in router.handle(Input::Send(send)) {
            if let Output::Transmit { packet, .. } = output {
                let (header, _) = parse(&packet);
                prop_assert!(router.ip.is_local(header.source) && !header.source.is_loopback()
                    || header.source.is_unspecified());
                prop_assert!(packet.len() - HEADROOM <= 1500);
            }
        }
    }
}

#[test]
fn every_counter_has_a_name_of_its_own() {
    let counters = Counters::default();
    let names: std::collections::BTreeSet<_> = counters.iter().map(|(name, _)| name).collect();
    assert_eq!(names.len(), counters.iter().count());
    assert!(names.contains("ipInReceives") && names.contains("dropMartianSource"));
}

#[test]
fn every_drop_is_counted_once() {
    let mut router = Device::router();
    for n in 0..1000u32 {
        router.receive(IF0, udp(Ipv4Addr::from_bits(n.wrapping_mul(0x9e37_79b9)), B, b""));
    }
    let counters = router.ip.counters();
    let dropped: u64 = counters.dropped.iter().sum();
    assert_eq!(counters.ip_in_receives, dropped + counters.ip_forw_datagrams);
    assert!(dropped > 100 && counters.ip_forw_datagrams > 100);
}
