//! IPv4 options at hosts and routers.

use super::*;
use trunkline_wire::ipv4::Opt;

const FAR: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);

fn router(source_route: bool) -> Device {
    let mut router = Device::router();
    router.interface(IF0, &["10.0.0.1/24"], |interface| interface.source_route = source_route);
    router.route("192.0.2.0/24", &[("10.0.1.2", IF1)]);
    router
}

fn packet(destination: Ipv4Addr, options: &[Opt<'_>]) -> Frame {
    frame(&with_options(header(A, destination, Protocol::UDP), options), &[0; 8])
}

/// A packet with these octets as its options.
fn raw(destination: Ipv4Addr, options: &[u8]) -> Frame {
    let options = Options::from_raw(options).unwrap();
    frame(&Header { options, ..header(A, destination, Protocol::UDP) }, &[0; 8])
}

#[test]
fn routes_are_recorded() {
    // RFC 791 §3.1, RFC 1812 §5.3.13.5: the address that it leaves by
    let mut router = router(false);
    let (.., sent) =
        transmitted(router.receive(IF0, packet(FAR, &[Opt::RecordRoute { pointer: 4, data: &[0; 8] }])));
    let (header, _) = parse(&sent);
    assert_eq!(header.ttl, 63);
    let expected = Opt::RecordRoute { pointer: 8, data: &[10, 0, 1, 1, 0, 0, 0, 0] };
    assert_eq!(header.options.iter().next(), Some(Ok(expected)));
    // No room: it goes on as it is.
    let full = Opt::RecordRoute { pointer: 8, data: &[9; 4] };
    let (.., sent) = transmitted(router.receive(IF0, packet(FAR, &[full])));
    assert_eq!(parse(&sent).0.options.iter().next(), Some(Ok(full)));
    // Half a place: an error that points to the option.
    let half = Opt::RecordRoute { pointer: 8, data: &[9; 6] };
    let outputs = router.receive(IF0, packet(FAR, &[Opt::NoOperation, half]));
    assert_eq!(error(outputs), ("parameter problem at octet 21".to_owned(), A));
}

#[test]
fn times_are_recorded() {
    // RFC 791 §3.1 (Internet Timestamp), RFC 1812 §5.3.13.6
    let mut router = router(false);
    let time = (100_000u32 | 1 << 31).to_be_bytes();
    let mut next = |opt| {
        let (.., sent) = transmitted(router.receive(IF0, packet(FAR, &[opt])));
        format!("{:?}", parse(&sent).0.options.iter().next().unwrap().unwrap())
    };
    let stamp = |pointer, overflow, flag, data| Opt::Timestamp { pointer, overflow, flag, data };
    let zeros = &[0; 8];
    let time_first = [&time[..], &[0; 4]].concat();
    assert_eq!(next(stamp(5, 0, 0, zeros)), format!("{:?}", stamp(9, 0, 0, &time_first)));
    let with_address = [&R1.octets()[..], &time].concat();
    assert_eq!(next(stamp(5, 0, 1, zeros)), format!("{:?}", stamp(13, 0, 1, &with_address)));
    // Prespecified: only where the next address is ours.
    let asked = [&R0.octets()[..], &[0; 4]].concat();
    let answered = [&R0.octets()[..], &time].concat();
    assert_eq!(next(stamp(5, 0, 3, &asked)), format!("{:?}", stamp(13, 0, 3, &answered)));
    let others = [&A.octets()[..], &[0; 4]].concat();
    assert_eq!(next(stamp(5, 0, 3, &others)), format!("{:?}", stamp(5, 0, 3, &others)));
    // Full: one more that could not.
    assert_eq!(next(stamp(13, 2, 0, zeros)), format!("{:?}", stamp(13, 3, 0, zeros)));
    for bad in [stamp(13, 15, 0, zeros), stamp(11, 0, 0, zeros), stamp(9, 0, 1, zeros), stamp(5, 0, 2, zeros)]
    {
        assert_eq!(error(router.receive(IF0, packet(FAR, &[bad]))).0, "parameter problem at octet 20");
        router.now += Duration::from_secs(9);
    }
}

#[test]
fn options_that_are_wrong() {
    // RFC 1812 §4.2.2.1, §5.2.4.1: Parameter Problem, pointing at the option
    let mut router = router(true);
    for (octets, pointer) in [
        (&[7, 1, 0, 0][..], 20),
        (&[1, 7, 3, 3], 21),
        (&[1, 1, 1, 7], 23),
        (&[7, 200, 4, 0], 20),
        (&[131, 7, 4, 10, 0, 1, 9, 131, 7, 4, 10, 0, 1, 9, 0, 0], 27),
    ] {
        for destination in [FAR, R0] {
            let outputs = router.receive(IF0, raw(destination, octets));
            assert_eq!(error(outputs).0, format!("parameter problem at octet {pointer}"), "{octets:?}");
            router.now += Duration::from_secs(9);
        }
    }
    assert_eq!(router.dropped(DropReason::Options), 10);
    // RFC 1812 §4.3.2.7: but not about what came by link-layer broadcast
    let packet = raw(R0, &[7, 1, 0, 0]);
    assert_eq!(router.handle(Input::Packet { interface: IF0, packet, link_broadcast: true }), []);
}

#[test]
fn unknown_options_pass() {
    // RFC 1812 §5.3.13.1
    let mut router = router(false);
    let octets = [0x9e, 4, 7, 7];
    let (.., sent) = transmitted(router.receive(IF0, raw(FAR, &octets)));
    assert_eq!(parse(&sent).0.options.raw(), octets);
}

#[test]
fn source_routes_are_dropped_unless_allowed() {
    // RFC 1812 §5.3.13.4
    let mut router = router(false);
    let strict = Opt::StrictSourceRoute { pointer: 4, data: &B.octets() };
    let loose = Opt::LooseSourceRoute { pointer: 4, data: &B.octets() };
    for opt in [strict, loose] {
        for destination in [FAR, R0] {
            assert_eq!(router.receive(IF0, packet(destination, &[opt])), []);
        }
    }
    assert_eq!(router.dropped(DropReason::SourceRoute), 4);
}

#[test]
fn source_routes_are_followed_where_allowed() {
    // RFC 791 §3.1, RFC 1812 §5.2.4.1
    let mut router = router(true);
    let data = [B.octets(), [10, 0, 1, 77]].concat();
    let (_, next_hop, _, sent) =
        transmitted(router.receive(IF0, packet(R0, &[Opt::LooseSourceRoute { pointer: 4, data: &data }])));
    let (header, _) = parse(&sent);
    assert_eq!((next_hop, header.destination, header.ttl), (B, B, 63));
    let after = [R1.octets(), [10, 0, 1, 77]].concat();
    assert_eq!(header.options.iter().next(), Some(Ok(Opt::LooseSourceRoute { pointer: 8, data: &after })));
    // Strict: the next one must be on a link of ours.
    let far = Opt::StrictSourceRoute { pointer: 4, data: &FAR.octets() };
    assert_eq!(error(router.receive(IF0, packet(R0, &[far]))).0, "source route failed");
    transmitted(router.receive(IF0, packet(R0, &[Opt::StrictSourceRoute { pointer: 4, data: &B.octets() }])));
    let nowhere = Opt::LooseSourceRoute { pointer: 4, data: &[100, 64, 0, 1] };
    assert_eq!(error(router.receive(IF0, packet(R0, &[nowhere]))).0, "source route failed");
    // At its end, the packet is ours.
    let done = Opt::LooseSourceRoute { pointer: 8, data: &B.octets() };
    router.ip.bind_protocol(Protocol::GRE);
    let mut header = with_options(super::header(A, R0, Protocol::GRE), &[done]);
    assert!(matches!(router.receive(IF0, frame(&header, b""))[..], [Output::Deliver { .. }]));
    // A host that may follow it is no router, so it does not.
    header = with_options(header, &[Opt::LooseSourceRoute { pointer: 4, data: &B.octets() }]);
    let mut host = Device::host();
    host.interface(IF0, &["10.0.0.1/24"], |interface| interface.source_route = true);
    assert_eq!(host.receive(IF0, frame(&header, b"")), []);
}

#[test]
fn source_routes_are_allowed_by_interface() {
    // RFC 1812 §5.3.13.4: where it arrives counts, not where it goes
    let mut router = router(true);
    let opt = Opt::LooseSourceRoute { pointer: 4, data: &FAR.octets() };
    let from_other = frame(&with_options(header(B, R1, Protocol::UDP), &[opt]), &[0; 8]);
    assert_eq!(router.receive(IF1, from_other), []);
    assert_eq!(router.dropped(DropReason::SourceRoute), 1);
    transmitted(router.receive(IF0, packet(R0, &[opt])));
}

#[test]
fn an_echo_with_options_is_answered_with_them() {
    // RFC 1122 §3.2.2.6: Record Route and Timestamp are filled in, a source route is reversed
    let mut router = router(true);
    let request = emit(Message::EchoRequest { identifier: 1, sequence: 1, data: b"" });
    let record = Opt::RecordRoute { pointer: 8, data: &[10, 0, 0, 7, 0, 0, 0, 0] };
    let passed = [[10, 0, 0, 5], [10, 0, 0, 6]].concat();
    let route = Opt::LooseSourceRoute { pointer: 12, data: &passed };
    let header = with_options(header(A, R0, Protocol::ICMP), &[Opt::RouterAlert(0), record, route]);
    let (_, next_hop, _, packet) = transmitted(router.receive(IF0, frame(&header, &request)));
    let (header, _) = parse(&packet);
    assert_eq!((next_hop, header.destination), (ip("10.0.0.6"), ip("10.0.0.6")));
    let options: Vec<_> = header.options.iter().take(2).map(Result::unwrap).collect();
    let back = [[10, 0, 0, 5], A.octets()].concat();
    let recorded = [10, 0, 0, 7, 10, 0, 0, 1];
    assert_eq!(
        options,
        [
            Opt::RecordRoute { pointer: 12, data: &recorded },
            Opt::LooseSourceRoute { pointer: 4, data: &back }
        ]
    );
}

#[test]
fn options_of_fragments() {
    // RFC 791 §3.1: those with the copied flag are in every fragment, the others in the first
    let mut router = router(false);
    router.interface(IF1, &["10.0.1.1/24"], |interface| interface.mtu = 100);
    let record = Opt::RecordRoute { pointer: 4, data: &[0; 4] };
    let header = with_options(header(A, FAR, Protocol::UDP), &[Opt::RouterAlert(0), record]);
    let seen: Vec<_> = router
        .receive(IF0, frame(&header, &[0; 150]))
        .iter()
        .map(|output| match output {
            Output::Transmit { packet, .. } => (parse(packet).0.options.len(), packet.len() - HEADROOM),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(seen, [(12, 96), (4, 96), (4, 38)]);
}
