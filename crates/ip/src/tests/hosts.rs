//! Packets to and from this device: echo, timestamps, UDP, sources, loopback.

use super::*;
use trunkline_wire::icmp::UnreachableCode;

const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 254);

#[test]
fn an_echo_is_answered() {
    // RFC 1122 §3.2.2.6, RFC 1812 §4.3.3.6
    let mut host = Device::host();
    let data = [3; 100];
    let request = Message::EchoRequest { identifier: 5, sequence: 6, data: &data };
    let header = Header { tos: 0x28, ttl: 3, ..header(A, R0, Protocol::ICMP) };
    let (_, next_hop, _, packet) = transmitted(host.receive(IF0, frame(&header, &emit(request))));
    let (header, payload) = parse(&packet);
    assert_eq!((next_hop, header.source, header.destination, header.tos, header.ttl), (A, R0, A, 0x28, 64));
    assert_eq!(Message::parse(payload), Ok(Message::EchoReply { identifier: 5, sequence: 6, data: &data }));
    let counters = host.ip.counters();
    assert_eq!((counters.icmp_in_echos, counters.icmp_out_echo_reps), (1, 1));
}

#[test]
fn an_echo_to_many_is_not() {
    // RFC 1122 §3.2.2.6: MAY be silently discarded
    let mut host = Device::host();
    for many in [Ipv4Addr::BROADCAST, ip("10.0.0.255"), ip("224.0.0.1")] {
        assert_eq!(host.receive(IF0, echo(A, many)), []);
    }
    assert_eq!(host.dropped(DropReason::Icmp), 3);
    let config = Config { echo_broadcast: true, ..Config::default() };
    host.ip.reconfigure(host.now, &config, &mut Outbox::new());
    let (.., packet) = transmitted(host.receive(IF0, echo(A, ip("10.0.0.255"))));
    // RFC 1122 §3.2.1.3: a broadcast address is never a source.
    assert_eq!(parse(&packet).0.source, R0);
    // One who has no address yet cannot be answered.
    assert_eq!(host.receive(IF0, echo(Ipv4Addr::UNSPECIFIED, Ipv4Addr::BROADCAST)), []);
}

#[test]
fn a_large_echo_is_answered_in_fragments() {
    let mut host = Device::host();
    host.interface(IF0, &["10.0.0.1/24"], |interface| interface.mtu = 576);
    let data = vec![1; 2000];
    let outputs =
        host.receive(IF0, icmp(A, R0, Message::EchoRequest { identifier: 1, sequence: 1, data: &data }));
    assert_eq!(outputs.len(), 4);
}

#[test]
fn replies_go_to_the_applications() {
    let mut host = Device::host();
    let reply = icmp(A, R0, Message::EchoReply { identifier: 1, sequence: 2, data: b"x" });
    let [Output::Deliver { interface: IF0, header, packet, payload }] = &host.receive(IF0, reply)[..] else {
        panic!("not delivered")
    };
    assert_eq!((header.source, header.destination, header.ttl), (A, R0, 64));
    assert!(matches!(Message::parse(&packet[payload.clone()]), Ok(Message::EchoReply { sequence: 2, .. })));
}

#[test]
fn a_timestamp_is_answered() {
    // RFC 1122 §3.2.2.8; RFC 792: the high bit says that the time is not since midnight UT
    let mut host = Device::host();
    let (originate, receive, transmit) = (77, 0, 0);
    let request = Message::TimestampRequest { identifier: 1, sequence: 2, originate, receive, transmit };
    let (.., packet) = transmitted(host.receive(IF0, icmp(A, R0, request)));
    let Ok(Message::TimestampReply { identifier: 1, sequence: 2, originate: 77, receive, transmit }) =
        Message::parse(parse(&packet).1)
    else {
        panic!("no reply")
    };
    assert_eq!((receive, transmit), (100_000 | 1 << 31, 100_000 | 1 << 31));
    assert_eq!(host.receive(IF0, icmp(A, Ipv4Addr::BROADCAST, request)), []);
}

#[test]
fn unknown_and_broken_icmp_is_dropped_silently() {
    // RFC 1122 §3.2.2
    let mut host = Device::host();
    assert_eq!(host.receive(IF0, icmp(A, R0, Message::Unknown { kind: 44, code: 0, rest: &[0; 8] })), []);
    assert_eq!(host.dropped(DropReason::Icmp), 1);
    let mut bad = echo(A, R0).to_vec();
    *bad.last_mut().unwrap() ^= 1;
    assert_eq!(host.receive(IF0, Frame::from(bad)), []);
    assert_eq!(host.ip.counters().icmp_in_errors, 1);
}

#[test]
fn udp_goes_to_the_port_that_is_bound() {
    // RFC 1122 §4.1.3.1
    let mut host = Device::host();
    assert!(host.ip.bind_udp(2000));
    assert!(!host.ip.bind_udp(2000));
    let packet = udp(A, R0, b"data");
    let [Output::Deliver { packet: delivered, payload, .. }] = &host.receive(IF0, packet.clone())[..] else {
        panic!("not delivered")
    };
    assert_eq!(&delivered[payload.clone()], &packet[HEADROOM + 20..]);
    let mut bad = packet.to_vec();
    *bad.last_mut().unwrap() ^= 1;
    assert_eq!(host.receive(IF0, Frame::from(bad)), []);
    host.ip.unbind_udp(2000);
    assert_eq!(error(host.receive(IF0, packet)).0, "port unreachable");
    let counters = host.ip.counters();
    assert_eq!((counters.udp_in_datagrams, counters.udp_in_errors, counters.udp_no_ports), (1, 1, 1));
}

#[test]
fn tcp_is_delivered_as_it_is() {
    let mut host = Device::host();
    let packet = frame(&header(A, R0, Protocol::TCP), &[1, 2, 3]);
    let outputs = host.receive(IF0, packet);
    assert!(matches!(&outputs[..], [Output::Deliver { payload, .. }] if *payload == (34..37)));
}

#[test]
fn a_packet_from_here() {
    // RFC 1122 §3.3.1.1, §3.3.4.3
    let mut host = Device::host();
    for (destination, expected) in [(A, A), (ip("192.0.2.1"), GATEWAY)] {
        let outputs = host.handle(Input::Send(Send::new(destination, Protocol::TCP, b"abc")));
        let (interface, next_hop, broadcast, packet) = transmitted(outputs);
        assert_eq!((interface, next_hop, broadcast), (IF0, expected, false));
        let (header, payload) = parse(&packet);
        assert_eq!(
            (header.source, header.destination, header.ttl, payload),
            (R0, destination, 64, &b"abc"[..])
        );
    }
}

#[test]
fn nothing_goes_with_a_ttl_of_zero() {
    // RFC 1122 §3.2.1.7
    let send = Send { ttl: Some(0), ..Send::new(A, Protocol::TCP, b"abc") };
    let (.., packet) = transmitted(Device::host().handle(Input::Send(send)));
    assert_eq!(parse(&packet).0.ttl, 1);
}

#[test]
fn in_place_is_the_same() {
    let mut host = Device::host();
    let mut other = Device::host();
    let send = Send { ttl: Some(9), tos: 4, dont_fragment: true, ..Send::new(A, Protocol::TCP, b"abc") };
    let by_copy = transmitted(host.handle(Input::Send(send)));
    let mut packet = [&[0; ROOM][..], b"abc"].concat();
    let mut out = Outbox::new();
    let send = Send { payload: &[], ..send };
    assert_eq!(other.ip.send_in_place(other.now, &send, &mut packet, &mut out), Ok(()));
    assert_eq!(transmitted(out.drain().collect()), by_copy);
    let short = &mut [0; ROOM - 1];
    assert_eq!(other.ip.send_in_place(other.now, &send, short, &mut out), Err(SendError::TooLong));
}

#[test]
fn the_source_is_the_primary_address_of_the_subnet() {
    // RFC 1122 §3.3.4.3 (b)
    let mut host = Device::new(Config::default());
    host.interface(IF0, &["10.0.0.1/24", "10.0.0.2/24", "192.168.0.1/24"], |_| {});
    host.interface(IF1, &[], |_| {});
    host.interface(IF2, &["203.0.113.1/32"], |interface| interface.loopback = true);
    host.route("198.51.100.0/24", &[("192.168.0.254", IF0)]);
    host.route("192.0.2.0/24", &[("172.16.0.1", IF1)]);
    for (destination, source) in [
        ("10.0.0.77", "10.0.0.1"),
        ("192.168.0.77", "192.168.0.1"),
        ("198.51.100.1", "192.168.0.1"),
        // An unnumbered interface: an address of a loopback.
        ("192.0.2.1", "203.0.113.1"),
        ("10.0.0.2", "10.0.0.2"),
    ] {
        assert_eq!(host.ip.select_source(host.now, ip(destination)), Some(ip(source)), "{destination}");
    }
    assert_eq!(host.ip.select_source(host.now, ip("100.64.0.1")), None);
}

#[test]
fn what_cannot_be_sent() {
    // RFC 1122 §3.2.1.3
    let mut host = Device::host();
    host.route_kind("198.51.100.0/25", RouteKind::Blackhole);
    host.route_kind("198.51.100.128/25", RouteKind::Prohibit);
    let long = vec![0; 65_516];
    let send = |destination| Send::new(ip(destination), Protocol::TCP, b"12345678");
    for (send, expected) in [
        (send("0.0.0.0"), SendError::Destination),
        (send("240.0.0.1"), SendError::Destination),
        (send("10.0.0.0"), SendError::Destination),
        (send("198.51.100.1"), SendError::Unreachable),
        (send("198.51.100.129"), SendError::Prohibited),
        (Send { source: Some(A), ..send("10.0.0.9") }, SendError::NoSource),
        (Send { source: Some(ip("127.0.0.1")), ..send("10.0.0.9") }, SendError::NoSource),
        (Send { interface: Some(IF2), ..send("10.0.0.9") }, SendError::NoRoute),
        (Send { payload: &long, ..send("10.0.0.9") }, SendError::TooLong),
    ] {
        let outputs = host.handle(Input::Send(send));
        let [Output::SendFailed { error, .. }] = outputs[..] else { panic!("{outputs:?}") };
        assert_eq!(error, expected);
    }
    host.handle(Input::Route { prefix: prefix("0.0.0.0/0"), route: None });
    let [Output::SendFailed { destination, protocol, transport, error }] =
        host.handle(Input::Send(send("192.0.2.1")))[..]
    else {
        panic!("sent")
    };
    assert_eq!((destination, protocol, &transport), (ip("192.0.2.1"), Protocol::TCP, b"12345678"));
    assert_eq!(error, SendError::NoRoute);
    let counters = host.ip.counters();
    assert_eq!((counters.ip_out_requests, counters.ip_out_no_routes, counters.ip_out_discards), (10, 2, 8));
}

#[test]
fn to_many() {
    // RFC 919 §7, RFC 1122 §3.3.6, RFC 1112 §6.1
    let mut host = Device::host();
    host.interface(IF1, &["10.0.1.1/24"], |_| {});
    let send =
        |destination, interface| Send { interface, ..Send::new(ip(destination), Protocol::UDP, &[0; 8]) };
    for (send, interface, next_hop, broadcast, source, ttl) in [
        (send("255.255.255.255", None), IF0, "255.255.255.255", true, R0, 64),
        (send("255.255.255.255", Some(IF1)), IF1, "255.255.255.255", true, R1, 64),
        (send("10.0.1.255", None), IF1, "10.0.1.255", true, R1, 64),
        (send("224.0.0.9", Some(IF1)), IF1, "224.0.0.9", false, R1, 1),
        (Send { source: Some(R1), ..send("224.0.0.9", None) }, IF1, "224.0.0.9", false, R1, 1),
        (Send { ttl: Some(9), ..send("224.0.0.9", None) }, IF0, "224.0.0.9", false, R0, 9),
    ] {
        let (by, hop, all, packet) = transmitted(host.handle(Input::Send(send)));
        let (header, _) = parse(&packet);
        assert_eq!(
            (by, hop, all, header.source, header.ttl),
            (interface, ip(next_hop), broadcast, source, ttl)
        );
    }
    // A host without an address asks for one.
    let unspecified = Some(Ipv4Addr::UNSPECIFIED);
    let (.., packet) = transmitted(
        host.handle(Input::Send(Send { source: unspecified, ..send("255.255.255.255", Some(IF1)) })),
    );
    assert_eq!(parse(&packet).0.source, Ipv4Addr::UNSPECIFIED);
}

#[test]
fn an_interface_can_be_asked_for() {
    let mut host = Device::host();
    host.interface(IF1, &["10.0.1.1/24"], |_| {});
    host.route("192.0.2.0/24", &[("10.0.0.2", IF0), ("10.0.1.2", IF1)]);
    for (interface, next_hop) in [(IF0, "10.0.0.2"), (IF1, "10.0.1.2")] {
        let send = Send { interface: Some(interface), ..Send::new(ip("192.0.2.1"), Protocol::TCP, b"") };
        let (by, hop, ..) = transmitted(host.handle(Input::Send(send)));
        assert_eq!((by, hop), (interface, ip(next_hop)));
    }
    // No route leads there by it: then the destination is taken to be on the link.
    let send = Send { interface: Some(IF1), ..Send::new(ip("100.64.0.1"), Protocol::TCP, b"") };
    let (by, hop, ..) = transmitted(host.handle(Input::Send(send)));
    assert_eq!((by, hop), (IF1, ip("100.64.0.1")));
}

#[test]
fn to_oneself() {
    // RFC 1122 §3.2.1.3 (g)
    let mut host = Device::host();
    host.ip.bind_udp(2000);
    for own in [R0, ip("127.0.0.1"), ip("127.9.9.9")] {
        let payload = datagram(own, own, 1000, 2000, b"data");
        let outputs = host.handle(Input::Send(Send::new(own, Protocol::UDP, &payload)));
        let [Output::Deliver { header, .. }] = &outputs[..] else { panic!("{outputs:?}") };
        assert_eq!((header.source, header.destination), (own, own));
        // A ping to oneself gets its answer, and a closed port its error, without a wire.
        let request = emit(Message::EchoRequest { identifier: 1, sequence: 1, data: b"" });
        let outputs = host.handle(Input::Send(Send::new(own, Protocol::ICMP, &request)));
        let [Output::Deliver { packet, payload, .. }] = &outputs[..] else { panic!("{outputs:?}") };
        assert!(matches!(Message::parse(&packet[payload.clone()]), Ok(Message::EchoReply { .. })));
        let payload = datagram(own, own, 1000, 2001, b"data");
        let outputs = host.handle(Input::Send(Send::new(own, Protocol::UDP, &payload)));
        let [Output::IcmpError(error)] = &outputs[..] else { panic!("{outputs:?}") };
        assert_eq!(error.kind, IcmpErrorKind::Unreachable(UnreachableCode::Port));
        assert_eq!(error.ports(), Some((1000, 2001)));
    }
    assert!(host.ip.route(host.now, R0, 0).unwrap().local);
}

#[test]
fn errors_about_our_packets_reach_their_senders() {
    // RFC 1122 §3.2.2.1, §3.2.2.4, §3.2.2.5
    let mut host = Device::host();
    let payload = [datagram(R0, B, 1000, 2000, b""), vec![0; 8]].concat();
    let (.., sent) = transmitted(host.handle(Input::Send(Send::new(B, Protocol::UDP, &payload))));
    let original = &sent[HEADROOM..HEADROOM + 28];
    for (message, kind) in [
        (
            Message::DestinationUnreachable { code: UnreachableCode::Host, next_hop_mtu: 0, original },
            IcmpErrorKind::Unreachable(UnreachableCode::Host),
        ),
        (Message::TimeExceeded { code: 0.into(), original }, IcmpErrorKind::TimeExceeded(0.into())),
        (
            Message::ParameterProblem { code: 0, pointer: 1, original },
            IcmpErrorKind::ParameterProblem { code: 0, pointer: 1 },
        ),
    ] {
        let outputs = host.receive(IF0, icmp(GATEWAY, R0, message));
        let [Output::IcmpError(error)] = outputs[..] else { panic!("{outputs:?}") };
        assert_eq!((error.kind, error.reporter, error.source, error.destination), (kind, GATEWAY, R0, B));
        assert_eq!((error.ports(), error.tcp_sequence(), error.echo()), (Some((1000, 2000)), None, None));
    }
    // RFC 6633 §3: source quench is ignored; others' packets are none of our business; too little is quoted.
    for message in [
        Message::SourceQuench { original },
        Message::TimeExceeded { code: 0.into(), original: &udp(A, B, b"")[HEADROOM..] },
        Message::TimeExceeded { code: 0.into(), original: &original[..27] },
    ] {
        assert_eq!(host.receive(IF0, icmp(GATEWAY, R0, message)), [], "{message}");
    }
    // Nor is an error to all hosts.
    let message = Message::TimeExceeded { code: 0.into(), original };
    assert_eq!(host.receive(IF0, icmp(GATEWAY, ip("10.0.0.255"), message)), []);
}

#[test]
fn what_the_first_octets_of_a_packet_tell() {
    let error = |protocol, transport| IcmpError {
        kind: IcmpErrorKind::TimeExceeded(0.into()),
        reporter: A,
        source: R0,
        destination: B,
        protocol,
        transport,
    };
    let tcp = error(Protocol::TCP, [1, 2, 3, 4, 0, 0, 1, 0]);
    assert_eq!((tcp.ports(), tcp.tcp_sequence(), tcp.echo()), (Some((258, 772)), Some(256), None));
    let echo = error(Protocol::ICMP, [8, 0, 9, 9, 0, 1, 0, 2]);
    assert_eq!((echo.ports(), echo.tcp_sequence(), echo.echo()), (None, None, Some((1, 2))));
}

#[test]
fn a_neighbor_that_does_not_answer() {
    let mut host = Device::host();
    let request = emit(Message::EchoRequest { identifier: 3, sequence: 4, data: b"" });
    let (.., packet) = transmitted(host.handle(Input::Send(Send::new(A, Protocol::ICMP, &request))));
    let outputs = host.handle(Input::Unreachable { interface: IF0, packet });
    let [Output::IcmpError(error)] = outputs[..] else { panic!("{outputs:?}") };
    assert_eq!((error.reporter, error.destination, error.echo()), (R0, A, Some((3, 4))));
    assert_eq!(error.kind, IcmpErrorKind::Unreachable(UnreachableCode::Host));
}

#[test]
fn identifications_differ() {
    // RFC 6864 §4.3
    let mut host = Device::host();
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..1000 {
        let (.., packet) = transmitted(host.handle(Input::Send(Send::new(A, Protocol::UDP, &[0; 8]))));
        assert!(seen.insert(parse(&packet).0.identification));
    }
}
