//! ICMP errors from here: which, about what never, how many.

use super::*;
use trunkline_wire::icmp::{RedirectCode, UnreachableCode};

#[test]
fn what_an_error_looks_like() {
    // RFC 1812 §4.3.2.2 to §4.3.2.5
    let mut router = Device::router();
    let to = ip("192.0.2.1");
    let original = frame(&Header { tos: 0x4b, ..header(A, to, Protocol::UDP) }, &[7; 1000]);
    let (interface, next_hop, _, packet) = transmitted(router.receive(IF0, original.clone()));
    assert_eq!((interface, next_hop), (IF0, A));
    let (header, payload) = parse(&packet);
    assert_eq!((header.source, header.destination, header.ttl), (R0, A, 64));
    assert_eq!(header.tos, 0xc8, "precedence 6, the same TOS, no ECN");
    // §4.3.2.3: as much as there is room for in 576 octets
    assert_eq!(packet.len() - HEADROOM, 576);
    let message = Message::parse(payload).unwrap();
    assert_eq!(message.original().unwrap(), &original[HEADROOM..HEADROOM + 548]);
}

#[test]
fn an_error_about_a_packet_to_us_comes_from_the_address_that_it_was_to() {
    let mut router = Device::router();
    let (.., packet) = transmitted(router.receive(IF0, udp(A, R1, b"")));
    assert_eq!(parse(&packet).0.source, R1);
}

#[test]
fn where_no_one_is() {
    // RFC 1122 §3.2.2.1: protocol and port; RFC 1812 §5.2.7.1: host
    let mut router = Device::router();
    assert_eq!(error(router.receive(IF0, udp(A, R0, b""))).0, "port unreachable");
    let gre = frame(&header(A, R0, Protocol::GRE), &[0; 8]);
    assert_eq!(error(router.receive(IF0, gre.clone())).0, "protocol unreachable");
    router.ip.bind_protocol(Protocol::GRE);
    assert!(matches!(router.receive(IF0, gre.clone())[..], [Output::Deliver { .. }]));
    router.ip.unbind_protocol(Protocol::GRE);
    assert_eq!(error(router.receive(IF0, gre)).0, "protocol unreachable");
    let (.., packet) = transmitted(router.receive(IF0, udp(A, B, b"")));
    assert_eq!(
        error(router.handle(Input::Unreachable { interface: IF1, packet })),
        ("host unreachable".to_owned(), A)
    );
    assert_eq!(router.dropped(DropReason::NoNeighbor), 1);
}

#[test]
fn about_what_there_is_never_an_error() {
    // RFC 1122 §3.2.2, RFC 1812 §4.3.2.7
    let mut router = Device::router();
    let nowhere = ip("192.0.2.1");
    let quoted = udp(nowhere, A, b"12345678").to_vec();
    let original = &quoted[HEADROOM..];
    let errors = [
        Message::DestinationUnreachable { code: UnreachableCode::Net, next_hop_mtu: 0, original },
        Message::SourceQuench { original },
        Message::Redirect { code: RedirectCode::Host, gateway: B, original },
        Message::TimeExceeded { code: 0.into(), original },
        Message::ParameterProblem { code: 0, pointer: 0, original },
        Message::Unknown { kind: 99, code: 0, rest: &[0; 4] },
    ];
    for message in errors {
        assert_eq!(router.receive(IF0, icmp(A, nowhere, message)), [], "{message}");
    }
    let later = Header { fragment_offset: 8, ..header(A, nowhere, Protocol::UDP) };
    assert_eq!(router.receive(IF0, frame(&later, &[0; 8])), [], "a later fragment");
    let headless = frame(&header(A, nowhere, Protocol::ICMP), &[]);
    assert_eq!(router.receive(IF0, headless), [], "ICMP without a type");
    for group in [ip("10.0.0.255"), Ipv4Addr::BROADCAST, ip("224.0.0.1")] {
        assert_eq!(router.receive(IF0, udp(A, group, b"")), [], "{group}");
    }
    for unspecified in [Ipv4Addr::BROADCAST, ip("224.0.0.1")] {
        assert_eq!(router.receive(IF0, udp(Ipv4Addr::UNSPECIFIED, unspecified, b"")), []);
    }
    let by_broadcast = Input::Packet { interface: IF0, packet: udp(A, nowhere, b""), link_broadcast: true };
    assert_eq!(router.handle(by_broadcast), []);
    // But about a query, or a first fragment, there is.
    assert_eq!(error(router.receive(IF0, echo(A, nowhere))).0, "network unreachable");
    let first = Header { more_fragments: true, ..header(A, nowhere, Protocol::UDP) };
    assert_eq!(error(router.receive(IF0, frame(&first, &[0; 8]))).0, "network unreachable");
}

#[test]
fn headers_that_are_wrong_are_dropped_silently() {
    // RFC 1812 §5.2.2; §4.2.2.5: "silently discard" where the checksum is wrong
    let mut router = Device::router();
    let good = udp(A, B, b"data").to_vec();
    for (at, value, reason) in
        [(10, 0, DropReason::Header), (0, 0x65, DropReason::Header), (0, 0x44, DropReason::Header)]
    {
        let mut bad = good.clone();
        bad[HEADROOM + at] = value;
        let before = router.dropped(reason);
        assert_eq!(router.receive(IF0, Frame::from(bad)), []);
        assert_eq!(router.dropped(reason), before + 1);
    }
    for len in [0, 3, HEADROOM, HEADROOM + 19, good.len() - 1] {
        assert_eq!(router.receive(IF0, Frame::from(&good[..len])), []);
    }
    let counters = router.ip.counters();
    assert_eq!((counters.ip_in_hdr_errors, counters.ip_in_truncated_pkts), (3, 5));
    assert_eq!(counters.ip_in_receives, 8);
}

#[test]
fn errors_to_one_host_are_limited() {
    // RFC 1812 §4.3.2.8
    let mut router = Device::router();
    let errors = |router: &mut Device, source, count| {
        (0..count).map(|_| router.receive(IF0, udp(source, ip("192.0.2.1"), b"")).len()).sum::<usize>()
    };
    assert_eq!(errors(&mut router, A, 100), 6);
    assert_eq!(errors(&mut router, ip("10.0.0.10"), 1), 1, "another host has its own share");
    assert_eq!(router.ip.counters().icmp_out_rate_limited, 94);
    router.pass(Duration::from_secs(2));
    assert_eq!(errors(&mut router, A, 100), 2);
    router.pass(Duration::from_secs(3600));
    assert_eq!(errors(&mut router, A, 100), 6);
}

#[test]
fn errors_to_all_are_limited_and_so_is_memory() {
    // RFC 1812 §4.3.2.8
    let mut router = Device::router();
    let mut sent = 0;
    for n in 0..20_000u32 {
        let source = Ipv4Addr::from_bits(u32::from(ip("10.0.0.0")) + 2 + n % 250);
        let spoofed = if n % 2 == 0 { source } else { Ipv4Addr::from_bits(0x6440_0000 + n) };
        sent += router.receive(IF0, udp(spoofed, ip("192.0.2.1"), b"")).len();
        router.now += Duration::from_micros(1);
    }
    // 50 at once and 1000 in a second, for 20 ms.
    assert!((50..=70).contains(&sent), "{sent}");
    assert!(router.ip.limits.remembered() <= 4096);
    router.pass(Duration::from_secs(60));
    assert_eq!((router.ip.limits.remembered(), router.ip.poll_timeout()), (0, None));
}

#[test]
fn the_limits_can_be_set() {
    let mut router = Device::router();
    let config = Config { forwarding: true, icmp_rate: 0, ..Config::default() };
    router.ip.reconfigure(router.now, &config, &mut Outbox::new());
    assert_eq!(router.receive(IF0, udp(A, ip("192.0.2.1"), b"")), []);
    let config = Config { forwarding: true, icmp_host_interval: Duration::ZERO, ..Config::default() };
    router.ip.reconfigure(router.now, &config, &mut Outbox::new());
    let sent: usize = (0..100).map(|_| router.receive(IF0, udp(A, ip("192.0.2.1"), b"")).len()).sum();
    assert_eq!(sent, 50);
}

#[test]
fn who_watches_is_told() {
    let mut router = Device::router();
    router.ip.watch(true);
    let outputs = router.receive(IF0, udp(A, ip("192.0.2.1"), b""));
    let events: Vec<_> = outputs
        .iter()
        .filter_map(|output| match output {
            Output::Event(event) => Some(event.to_string()),
            _ => None,
        })
        .collect();
    assert_eq!(
        events,
        [
            "packet from 10.0.0.9 to 192.0.2.1 dropped: no route",
            "ICMP type 3 code 0 sent to 10.0.0.9 about a packet to 192.0.2.1"
        ]
    );
}
