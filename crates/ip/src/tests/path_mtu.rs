//! Path MTU discovery (RFC 1191), both ends of it.

use super::*;
use trunkline_wire::icmp::UnreachableCode::FragmentationNeeded;

const FAR: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const ROUTER: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);

fn send<'a>(payload: &'a [u8]) -> Send<'a> {
    Send { dont_fragment: true, ..Send::new(FAR, Protocol::TCP, payload) }
}

/// A router on the way says that a packet of ours did not fit.
fn too_big(host: &mut Device, packet: &Frame, next_hop_mtu: u16) -> Vec<Output> {
    let original = &packet[HEADROOM..HEADROOM + 28];
    let message = Message::DestinationUnreachable { code: FragmentationNeeded, next_hop_mtu, original };
    host.receive(IF0, icmp(ROUTER, R0, message))
}

fn mtu(host: &Device) -> u16 {
    host.ip.route(host.now, FAR, 0).unwrap().mtu
}

/// As [`too_big`], and the transport believes it: the MTU of the path where that is news, else 0.
fn believed(host: &mut Device, packet: &Frame, next_hop_mtu: u16) -> u16 {
    let outputs = too_big(host, packet, next_hop_mtu);
    let [Output::IcmpError(error)] = &outputs[..] else { panic!("{outputs:?}") };
    if host.ip.note_path_mtu(host.now, error, &mut Outbox::new()) { mtu(host) } else { 0 }
}

#[test]
fn a_router_says_what_would_fit() {
    // RFC 1191 §4, RFC 1812 §5.2.7.1
    let mut router = Device::router();
    router.interface(IF1, &["10.0.1.1/24"], |interface| interface.mtu = 1400);
    let fits = frame(&Header { dont_fragment: true, ..header(A, B, Protocol::TCP) }, &[0; 1380]);
    transmitted(router.receive(IF0, fits));
    let packet = frame(&Header { dont_fragment: true, ..header(A, B, Protocol::TCP) }, &[0; 1381]);
    for _ in 0..20 {
        // Each is told: the limit for one host would break the discovery.
        let outputs = router.receive(IF0, packet.clone());
        assert_eq!(error(outputs), ("fragmentation needed and DF set, next-hop MTU 1400".to_owned(), A));
    }
    assert_eq!(router.ip.counters().ip_frag_fails, 20);
}

#[test]
fn a_host_learns_the_mtu_of_a_path_and_forgets_it() {
    // RFC 1191 §3, §6.3
    let mut host = Device::host();
    let payload = [7; 1480];
    let (.., packet) = transmitted(host.handle(Input::Send(send(&payload))));
    assert_eq!(believed(&mut host, &packet, 1400), 1400);
    assert_eq!(mtu(&host), 1400);
    let outputs = host.handle(Input::Send(send(&payload)));
    assert!(matches!(outputs[..], [Output::SendFailed { error: SendError::TooBig { mtu: 1400 }, .. }]));
    transmitted(host.handle(Input::Send(send(&payload[..1380]))));
    // Without Don't Fragment, it is cut to the path's MTU.
    let may = Send { dont_fragment: false, ..send(&payload) };
    assert_eq!(host.handle(Input::Send(may)).len(), 2);
    assert_eq!(host.ip.path_mtus(host.now)[0].destination, FAR);
    // §3: the estimate never grows by an ICMP message.
    for more in [1400, 1500, 9000] {
        assert_eq!(believed(&mut host, &packet, more), 0);
    }
    assert_eq!(mtu(&host), 1400);
    // §6.3: after ten minutes more is tried.
    assert_eq!(host.pass(Duration::from_secs(599)), []);
    assert_eq!(host.pass(Duration::from_secs(1)), [Output::PathMtuRaised { destination: FAR }]);
    assert_eq!((mtu(&host), host.ip.path_mtus(host.now)), (1500, vec![]));
}

#[test]
fn a_router_from_before_rfc_1191_gives_no_mtu() {
    // RFC 1191 §5, §7.1
    let mut host = Device::host();
    let (.., packet) = transmitted(host.handle(Input::Send(send(&[0; 1480]))));
    assert_eq!(believed(&mut host, &packet, 0), 1492);
    assert_eq!(believed(&mut host, &packet, 0), 0, "the same packet again: no less");
    let (.., packet) = transmitted(host.handle(Input::Send(send(&[0; 1472]))));
    assert_eq!(believed(&mut host, &packet, 0), 1006);
}

#[test]
fn the_plateaus_are_those_of_the_table() {
    // RFC 1191 §7.1, table 7-1
    let expected = [65_535, 32_000, 17_914, 8_166, 4_352, 2_002, 1_492, 1_006, 508, 296, 68];
    assert_eq!(crate::icmp::PLATEAUS, expected);
}

#[test]
fn a_path_that_claims_next_to_nothing() {
    // RFC 1191 §3: never below 68; here packets of 552 octets go, and may be fragmented
    let mut host = Device::host();
    let (.., packet) = transmitted(host.handle(Input::Send(send(&[0; 1480]))));
    assert_eq!(believed(&mut host, &packet, 20), 552);
    let (.., packet) = transmitted(host.handle(Input::Send(send(&[0; 532]))));
    assert!(!parse(&packet).0.dont_fragment);
    assert_eq!(host.handle(Input::Send(send(&[0; 1480]))).len(), 3);
}

#[test]
fn others_cannot_teach_us() {
    // RFC 1191 §6.2: about a packet of ours only; RFC 5927 §7 leaves the sequence number to TCP
    let mut host = Device::host();
    let foreign = udp(A, FAR, &[0; 1400]);
    assert_eq!(too_big(&mut host, &foreign, 600), []);
    assert_eq!(mtu(&host), 1500);
    // And only once the transport says that the packet was ours indeed: anyone can quote our address.
    let forged = frame(&header(R0, FAR, Protocol::TCP), &[0; 1400]);
    let said = |outputs: &[Output]| match outputs {
        [Output::IcmpError(IcmpError { kind: IcmpErrorKind::FragmentationNeeded { mtu }, .. })] => *mtu,
        other => panic!("{other:?}"),
    };
    assert_eq!(said(&too_big(&mut host, &forged, 600)), 600);
    assert_eq!((mtu(&host), host.ip.path_mtus(host.now)), (1500, vec![]));
    // What it says is what it says, known or not: the transport may not know it yet (two segments in flight).
    assert_eq!(believed(&mut host, &forged, 1400), 1400);
    assert_eq!(said(&too_big(&mut host, &forged, 1400)), 1400);
}

#[test]
fn memory_has_a_limit() {
    let mut host = Device::host();
    let config = Config { max_path_mtus: 10, ..Config::default() };
    host.ip.reconfigure(host.now, &config, &mut Outbox::new());
    for n in 0..100 {
        let destination = Ipv4Addr::from_bits(0xc000_0200 + n);
        let packet = frame(&header(R0, destination, Protocol::TCP), &[0; 1400]);
        believed(&mut host, &packet, 600);
    }
    assert_eq!(host.ip.path_mtus(host.now).len(), 10);
    host.handle(Input::Forget { destination: Some(Ipv4Addr::from_bits(0xc000_0200 + 99)) });
    assert_eq!(host.ip.path_mtus(host.now).len(), 9);
    host.handle(Input::Forget { destination: None });
    assert_eq!((host.ip.path_mtus(host.now).len(), host.ip.poll_timeout()), (0, None));
}
