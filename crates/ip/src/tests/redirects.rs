//! ICMP redirects: the scenario of the article, from both sides.

use super::*;
use trunkline_wire::icmp::RedirectCode;

/// The host.
const H: Ipv4Addr = Ipv4Addr::new(172, 16, 1, 1);
/// Its gateway.
const GATEWAY: Ipv4Addr = Ipv4Addr::new(172, 16, 1, 100);
/// The better one.
const BETTER: Ipv4Addr = Ipv4Addr::new(172, 16, 1, 200);
const TO: Ipv4Addr = Ipv4Addr::new(10, 1, 1, 1);

/// R1: 172.16.1.100, whose way to 10.1.1.0/24 is R2 on the same segment.
fn r1(change: impl FnOnce(&mut InterfaceConfig)) -> Device {
    let mut router = Device::new(Config { forwarding: true, ..Config::default() });
    router.interface(IF0, &["172.16.1.100/24"], change);
    router.route("10.1.1.0/24", &[("172.16.1.200", IF0)]);
    router
}

/// H: 172.16.1.1, with R1 as its gateway.
fn h() -> Device {
    let mut host = Device::new(Config::default());
    host.interface(IF0, &["172.16.1.1/24"], |interface| interface.accept_redirects = true);
    host.route("0.0.0.0/0", &[("172.16.1.100", IF0)]);
    host
}

/// The redirects among some outputs: to whom, about which destination, to which gateway.
fn redirects(outputs: &[Output]) -> Vec<(Ipv4Addr, Ipv4Addr, Ipv4Addr)> {
    let redirect = |output: &Output| {
        let Output::Transmit { packet, .. } = output else { return None };
        let (header, payload) = parse(packet);
        match Message::parse(payload).ok().filter(|_| header.protocol == Protocol::ICMP)? {
            Message::Redirect { code: RedirectCode::Host, gateway, original } => {
                let (quoted, _) = Header::parse_quoted(original).unwrap();
                Some((header.destination, quoted.destination, gateway))
            }
            _ => None,
        }
    };
    outputs.iter().filter_map(redirect).collect()
}

fn forwarded(outputs: &[Output]) -> bool {
    outputs.iter().any(
        |output| matches!(output, Output::Transmit { packet, next_hop: BETTER, .. } if parse(packet).0.destination == TO),
    )
}

#[test]
fn the_article() {
    // RFC 792 (redirect), RFC 1812 §5.2.7.2, RFC 1122 §3.2.2.2
    let (mut host, mut router) = (h(), r1(|_| {}));
    let request = emit(Message::EchoRequest { identifier: 1, sequence: 1, data: b"" });
    let (_, next_hop, _, packet) =
        transmitted(host.handle(Input::Send(Send::new(TO, Protocol::ICMP, &request))));
    assert_eq!(next_hop, GATEWAY);

    let outputs = router.receive(IF0, packet);
    assert_eq!(redirects(&outputs), [(H, TO, BETTER)]);
    assert!(forwarded(&outputs), "the packet itself goes on");
    let Output::Transmit { packet, next_hop: H, interface: IF0, .. } = outputs[0].clone() else {
        panic!("{outputs:?}")
    };
    assert_eq!(parse(&packet).0.source, GATEWAY);
    assert_eq!(router.ip.counters().icmp_out_redirects, 1);

    assert_eq!(host.receive(IF0, packet), []);
    let (_, next_hop, ..) = transmitted(host.handle(Input::Send(Send::new(TO, Protocol::ICMP, &request))));
    assert_eq!(next_hop, BETTER, "later packets go to R2");
    let entry = host.ip.redirects(host.now)[0];
    assert_eq!((entry.destination, entry.gateway), (TO, BETTER));
    assert!(host.ip.route(host.now, TO, 0).unwrap().redirected);
    // Other destinations go as before: it is for the host alone.
    assert_eq!(host.ip.route(host.now, ip("10.1.1.2"), 0).unwrap().gateway, Some(GATEWAY));

    host.pass(Duration::from_secs(299));
    assert_eq!(host.ip.route(host.now, TO, 0).unwrap().gateway, Some(BETTER));
    host.pass(Duration::from_secs(1));
    assert_eq!(host.ip.route(host.now, TO, 0).unwrap().gateway, Some(GATEWAY));
    assert_eq!(host.ip.redirects(host.now), []);
}

#[test]
fn with_a_secondary_address_only_one_condition_holds_and_none_is_sent() {
    // The article: in and out interface are the same, but H and R2 are in different subnets of it.
    let mut router = Device::new(Config { forwarding: true, ..Config::default() });
    router.interface(IF0, &["172.16.1.100/24", "172.16.2.100/24"], |_| {});
    router.route("10.1.1.0/24", &[("172.16.2.200", IF0)]);
    let (_, next_hop, ..) = transmitted(router.receive(IF0, echo(H, TO)));
    assert_eq!(next_hop, ip("172.16.2.200"), "it is forwarded");
    // Nor between two hosts of the two subnets.
    transmitted(router.receive(IF0, echo(H, ip("172.16.2.7"))));
    assert_eq!(router.ip.counters().icmp_out_redirects, 0);
}

#[test]
fn when_there_is_none() {
    // RFC 1812 §5.2.7.2: each condition
    let mut router = r1(|interface| interface.send_redirects = false);
    assert!(forwarded(&router.receive(IF0, echo(H, TO))), "disabled");
    let mut router = r1(|_| {});
    router.interface(IF1, &["10.0.1.1/24"], |_| {});
    assert!(forwarded(&router.receive(IF1, echo(H, TO))), "another interface");
    assert!(forwarded(&router.receive(IF0, echo(ip("198.51.100.1"), TO))), "a source from elsewhere");
    let mut router = r1(|interface| interface.source_route = true);
    let route = [trunkline_wire::ipv4::Opt::LooseSourceRoute { pointer: 8, data: &[10, 0, 0, 1] }];
    let header = with_options(header(H, TO, Protocol::UDP), &route);
    assert!(forwarded(&router.receive(IF0, frame(&header, &[0; 8]))), "source routed");
    assert_eq!(router.ip.counters().icmp_out_redirects, 0);
    // About a host on the link that sent to its gateway, there is one: the next hop is the destination.
    let neighbor = ip("172.16.1.7");
    assert_eq!(redirects(&router.receive(IF0, echo(H, neighbor))), [(H, neighbor, neighbor)]);
}

#[test]
fn never_about_an_error_or_a_later_fragment() {
    // RFC 1122 §3.2.2
    let mut router = r1(|_| {});
    let original = &udp(TO, H, b"")[HEADROOM..];
    let message = Message::TimeExceeded { code: 0.into(), original };
    assert!(forwarded(&router.receive(IF0, icmp(H, TO, message))));
    let later = Header { fragment_offset: 8, ..header(H, TO, Protocol::UDP) };
    assert!(forwarded(&router.receive(IF0, frame(&later, &[0; 8]))));
    assert_eq!(router.ip.counters().icmp_out_redirects, 0);
}

#[test]
fn a_host_that_does_not_listen_hears_less_and_less() {
    // RFC 1812 §4.3.2.8; the pauses double from 20 ms, and after nine there is silence.
    let mut router = r1(|_| {});
    let config = Config { forwarding: true, icmp_host_interval: Duration::ZERO, ..Config::default() };
    router.ip.reconfigure(router.now, &config, &mut Outbox::new());
    let start = router.now;
    let mut times = Vec::new();
    for _ in 0..2000 {
        let outputs = router.receive(IF0, echo(H, TO));
        assert!(forwarded(&outputs));
        if !redirects(&outputs).is_empty() {
            times.push(router.now.since(start).as_millis());
        }
        router.pass(Duration::from_millis(10));
    }
    assert_eq!(times, [0, 20, 60, 140, 300, 620, 1260, 2540, 5100]);
    router.pass(Duration::from_secs(21));
    assert_eq!(redirects(&router.receive(IF0, echo(H, TO))).len(), 1, "after a silence it is told again");
}

#[test]
fn a_storm_of_sources_is_bounded() {
    let mut router = r1(|_| {});
    let mut sent = 0;
    for n in 0..10_000u32 {
        let host = Ipv4Addr::from_bits(u32::from(ip("172.16.1.0")) + 1 + n % 90);
        let to = Ipv4Addr::from_bits(0x0a01_0100 + n % 256);
        sent += redirects(&router.receive(IF0, echo(host, to))).len();
    }
    assert_eq!(sent, 50, "the burst of all ICMP errors");
    assert!(router.ip.limits.remembered() <= 4096);
}

/// A redirect that H hears.
fn told(host: &mut Device, from: Ipv4Addr, gateway: Ipv4Addr, original: &Frame) -> Option<RedirectRefusal> {
    let original = &original[HEADROOM..HEADROOM + 28];
    let message = Message::Redirect { code: RedirectCode::Host, gateway, original };
    host.ip.watch(true);
    let outputs = host.receive(IF0, icmp(from, H, message));
    match outputs[..] {
        [Output::Event(Event::RedirectReceived { refused, .. })] => refused,
        _ => panic!("{outputs:?}"),
    }
}

#[test]
fn whom_a_host_believes() {
    // RFC 1122 §3.2.2.2: from the current first hop, to a gateway on the same net
    use RedirectRefusal::*;
    let mut host = h();
    let ours = echo(H, TO);
    for (from, gateway, original, refusal) in [
        (BETTER, ip("172.16.1.201"), &ours, NotTheGateway),
        (GATEWAY, ip("172.16.2.200"), &ours, OffLink),
        (GATEWAY, H, &ours, Senseless),
        (GATEWAY, GATEWAY, &ours, Senseless),
        (GATEWAY, ip("172.16.1.255"), &ours, Senseless),
        (GATEWAY, ip("224.0.0.1"), &ours, Senseless),
        (GATEWAY, BETTER, &echo(H, ip("224.0.0.9")), Senseless),
        (GATEWAY, BETTER, &echo(ip("172.16.1.7"), TO), NotOurs),
    ] {
        assert_eq!(told(&mut host, from, gateway, original), Some(refusal));
    }
    assert_eq!((host.ip.redirects(host.now).len(), host.ip.counters().redirects_refused), (0, 8));
    // Nor one to all hosts.
    let message =
        Message::Redirect { code: RedirectCode::Host, gateway: BETTER, original: &ours[HEADROOM..] };
    host.receive(IF0, icmp(GATEWAY, Ipv4Addr::BROADCAST, message));
    assert_eq!(host.ip.redirects(host.now), []);
    assert_eq!(told(&mut host, GATEWAY, BETTER, &ours), None);
    // From now on R2 is the first hop for this destination, so R1 is not believed, and R2 is.
    assert_eq!(told(&mut host, GATEWAY, ip("172.16.1.201"), &ours), Some(NotTheGateway));
    assert_eq!(told(&mut host, BETTER, ip("172.16.1.202"), &ours), None);
    assert_eq!(host.ip.redirects(host.now)[0].gateway, ip("172.16.1.202"));
    host.interface(IF0, &["172.16.1.1/24"], |interface| interface.accept_redirects = false);
    assert_eq!(told(&mut host, GATEWAY, BETTER, &echo(H, ip("10.1.1.2"))), Some(Disabled));
}

#[test]
fn a_redirect_for_a_network_is_taken_for_the_host() {
    // RFC 1122 §3.2.2.2
    let mut host = h();
    let original = &echo(H, TO)[HEADROOM..];
    let message = Message::Redirect { code: RedirectCode::Network, gateway: BETTER, original };
    assert_eq!(host.receive(IF0, icmp(GATEWAY, H, message)), []);
    assert_eq!(host.ip.route(host.now, TO, 0).unwrap().gateway, Some(BETTER));
    assert_eq!(host.ip.route(host.now, ip("10.1.1.2"), 0).unwrap().gateway, Some(GATEWAY));
}

#[test]
fn when_the_route_changes_the_redirect_is_about_something_else() {
    let mut host = h();
    assert_eq!(told(&mut host, GATEWAY, BETTER, &echo(H, TO)), None);
    host.route("0.0.0.0/0", &[("172.16.1.101", IF0)]);
    assert_eq!(host.ip.route(host.now, TO, 0).unwrap().gateway, Some(ip("172.16.1.101")));
}

#[test]
fn a_gateway_that_does_not_answer_is_forgotten() {
    // RFC 1122 §3.3.1.4
    let mut host = h();
    assert_eq!(told(&mut host, GATEWAY, BETTER, &echo(H, TO)), None);
    let outputs = host.handle(Input::Send(Send::new(TO, Protocol::UDP, &[0; 8])));
    let (_, next_hop, _, packet) = transmitted(outputs);
    assert_eq!(next_hop, BETTER);
    host.handle(Input::Unreachable { interface: IF0, packet });
    assert_eq!(host.ip.route(host.now, TO, 0).unwrap().gateway, Some(GATEWAY));
}

#[test]
fn memory_has_a_limit() {
    let mut host = h();
    for n in 0..3000 {
        told(&mut host, GATEWAY, BETTER, &echo(H, Ipv4Addr::from_bits(0x0a01_0000 + n)));
    }
    assert_eq!(host.ip.redirects(host.now).len(), 1024);
    host.pass(Duration::from_secs(301));
    assert_eq!((host.ip.redirects(host.now).len(), host.ip.poll_timeout()), (0, None));
}
