//! What TCP learns of its paths and tells of them: holes in the MTU, forged errors, neighbours in use.

use super::wire::Net;
use super::{host, ping, router};
use crate::NodeInput;
use crate::config::{Service, ServiceKind, StaticRoute};
use std::net::{Ipv4Addr, SocketAddrV4};
use trunkline_core::{Frame, PortId};
use trunkline_view::probe::{ConnectQuery, TransferQuery, TransferView};
use trunkline_view::tcp::TcpConnection;
use trunkline_view::{Answer, Query};
use trunkline_wire::ethernet;
use trunkline_wire::icmp::{Message, UnreachableCode};
use trunkline_wire::ipv4::{Header, Protocol};

const H1: Ipv4Addr = Ipv4Addr::new(10, 0, 1, 1);
const H2: Ipv4Addr = Ipv4Addr::new(10, 0, 3, 1);

/// h1 and h2 with two routers between; the link of these takes less than the MSS of the hosts shows.
fn net() -> Net {
    let mut h2 = host("h2", "10.0.3.1/24", "10.0.3.254");
    let service = |(kind, port)| Service { kind, port };
    h2.services = [(ServiceKind::Discard, 9), (ServiceKind::Chargen, 19)].map(service).to_vec();
    let mut r1 = router("r1", &[("eth0", &["10.0.1.254/24"]), ("eth1", &["10.0.2.1/24"])]);
    let mut r2 = router("r2", &[("eth0", &["10.0.2.2/24"]), ("eth1", &["10.0.3.254/24"])]);
    r1.interfaces[1].mtu = 1400;
    r2.interfaces[0].mtu = 1400;
    r1.static_routes = vec![route("10.0.3.0/24", "10.0.2.2")];
    r2.static_routes = vec![route("10.0.1.0/24", "10.0.2.1")];
    let configs = vec![host("h1", "10.0.1.1/24", "10.0.1.254"), r1, r2, h2];
    let links: [&[&str]; 3] = [&["h1.eth0", "r1.eth0"], &["r1.eth1", "r2.eth0"], &["r2.eth1", "h2.eth0"]];
    let mut net = Net::new(configs, &links);
    assert_eq!(ping(&mut net, "h1", "10.0.3.1", 1).received, 1);
    net
}

fn route(prefix: &str, via: &str) -> StaticRoute {
    let via = vec![via.parse().unwrap()];
    StaticRoute { prefix: prefix.parse().unwrap(), via, interface: None, distance: 1 }
}

fn transfer(net: &mut Net, query: TransferQuery) -> TransferView {
    match net.ask("h1", Query::TcpTransfer(query)) {
        Answer::Transfer(view) => view,
        other => panic!("{other:?}"),
    }
}

fn at(port: u16) -> SocketAddrV4 {
    SocketAddrV4::new(H2, port)
}

fn connections(net: &mut Net, name: &str) -> Vec<TcpConnection> {
    match net.ask(name, Query::Tcp) {
        Answer::Tcp(view) => view.connections,
        other => panic!("{other:?}"),
    }
}

fn path_mtus(net: &mut Net, name: &str) -> Vec<(Ipv4Addr, u16)> {
    match net.ask(name, Query::IpStatistics) {
        Answer::IpStatistics(view) => {
            view.path_mtus.iter().map(|path| (path.destination, path.mtu)).collect()
        }
        other => panic!("{other:?}"),
    }
}

fn connect(net: &mut Net, name: &str) {
    let query = ConnectQuery { name: name.into(), remote: at(9), source: None, local_port: None };
    net.ask("h1", Query::TcpConnect(query));
    net.run(0.1);
}

#[test]
fn a_hole_in_the_path_is_found_as_it_is() {
    // RFC 1191: the first flight is ten segments, and each comes back.
    let mut net = net();
    // First from a connection that was opened to us.
    let query = TransferQuery { receive: Some(300_000), ..TransferQuery::new(at(19), 0) };
    assert!(transfer(&mut net, query).received >= 300_000);
    assert_eq!(path_mtus(&mut net, "h2"), [(H1, 1400)]);
    let view = transfer(&mut net, TransferQuery::new(at(9), 300_000));
    assert_eq!((view.sent, view.error), (300_000, None));
    assert!(view.seconds < 0.2, "without a timeout: {}", view.seconds);
    assert!(connections(&mut net, "h1").iter().any(|c| c.remote.port() == 9 && c.mss == 1400 - 40 - 12));
    assert_eq!(path_mtus(&mut net, "h1"), [(H2, 1400)]);
}

#[test]
fn what_one_connection_learnt_costs_the_others_no_timeout() {
    let mut net = net();
    connect(&mut net, "s");
    transfer(&mut net, TransferQuery::new(at(9), 100_000));
    let of = |net: &mut Net| connections(net, "h1").into_iter().find(|c| c.owner == "s").unwrap();
    assert_eq!(of(&mut net).mss, 1448, "it has not heard of it");
    net.ask("h1", Query::TcpSend { name: "s".into(), text: "x".repeat(1_440) });
    net.run(0.001);
    let view = of(&mut net);
    assert_eq!((view.mss, view.send_queue), (1348, 0), "it all arrived, sooner than any timer runs out");
}

#[test]
fn who_is_not_on_the_path_cannot_narrow_it() {
    // RFC 5927 §7: an error must quote what is in flight.
    let mut net = net();
    connect(&mut net, "s");
    let view = connections(&mut net, "h1").remove(0);
    let mut segment = [0; 8];
    segment[..2].copy_from_slice(&view.local.port().to_be_bytes());
    segment[2..4].copy_from_slice(&9_u16.to_be_bytes());
    for (protocol, payload) in
        [(Protocol::TCP, segment), (Protocol::UDP, [1; 8]), (Protocol::ICMP, [8, 0, 0, 0, 1, 1, 0, 1])]
    {
        let mut quoted = Vec::new();
        Header { dont_fragment: true, ..Header::new(protocol, H1, H2) }.emit(1480, &mut quoted);
        quoted.extend_from_slice(&payload);
        let (code, next_hop_mtu) = (UnreachableCode::FragmentationNeeded, 68);
        let message = Message::DestinationUnreachable { code, next_hop_mtu, original: &quoted };
        let mut octets = Vec::new();
        message.emit(&mut octets);
        let last = net.frames.iter().rev().find(|(_, node, ..)| *node == 1).unwrap().3.clone();
        let mut frame = last[..ethernet::LEN].to_vec();
        frame[..6].copy_from_slice(&net_mac(&net, "h1"));
        Header::new(Protocol::ICMP, Ipv4Addr::new(10, 0, 9, 9), H1).emit(octets.len(), &mut frame);
        frame.extend_from_slice(&octets);
        let input = NodeInput::Frame { port: PortId(0), frame: Frame::from(frame) };
        net.with(0, |node, now, out| node.handle(now, input, out));
    }
    let Answer::IpStatistics(view) = net.ask("h1", Query::IpStatistics) else { panic!("no statistics") };
    assert_eq!(view.counters["icmpInDestUnreachs"], 3, "all arrived");
    assert_eq!(path_mtus(&mut net, "h1"), []);
    net.ask("h1", Query::TcpSend { name: "s".into(), text: "x".into() });
    net.run(0.1);
    assert_eq!(connections(&mut net, "h1")[0].mss, 1448);
}

/// The address that the last frame of a node came from.
fn net_mac(net: &Net, name: &str) -> [u8; 6] {
    let number = net.node(name);
    let (.., frame) = net.frames.iter().rev().find(|(_, node, ..)| *node == number).unwrap();
    frame[6..12].try_into().unwrap()
}

#[test]
fn who_is_connected_to_knows_its_own_link() {
    // The address is that of another interface, which takes more than the one by which the answers leave.
    let mut net = net();
    net.set("r2", |config| {
        config.services = vec![Service { kind: ServiceKind::Chargen, port: 19 }];
    });
    let remote = SocketAddrV4::new("10.0.3.254".parse().unwrap(), 19);
    let query = ConnectQuery { name: "s".into(), remote, source: None, local_port: None };
    net.ask("h1", Query::TcpConnect(query));
    net.run(0.1);
    assert_eq!(connections(&mut net, "r2")[0].mss, 1400 - 52);
    let Answer::IpStatistics(view) = net.ask("r2", Query::IpStatistics) else { panic!("no statistics") };
    assert_eq!(view.counters["ipFragFails"], 0, "no segment was made too big");
}

#[test]
fn a_neighbour_in_use_is_not_asked_for() {
    // RFC 4861 §7.3.1: what TCP sees is as good as an answer.
    let mut net = net();
    connect(&mut net, "s");
    net.frames.clear();
    for _ in 0..300 {
        net.ask("h1", Query::TcpSend { name: "s".into(), text: "x".into() });
        net.run(1.0);
    }
    assert_eq!(requests(&net), 0);
    // Who no longer talks does not keep it fresh; the next one asks.
    net.run(60.0);
    net.frames.clear();
    assert_eq!(ping(&mut net, "h1", "10.0.3.1", 10).received, 10);
    assert!(requests(&net) > 0);
}

/// ARP requests that h1 has sent, announcements of its own address aside.
fn requests(net: &Net) -> usize {
    let is_request =
        |frame: &Frame| frame[12..14] == [8, 6] && frame[20..22] == [0, 1] && frame[28..32] != frame[38..42];
    net.frames.iter().filter(|(_, node, _, frame)| *node == 0 && is_request(frame)).count()
}
