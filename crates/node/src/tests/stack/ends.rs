//! How things end: last words, addresses and ports that go, and what is left for those who stay.

use super::speakers::{pair, speaker, state};
use super::wire::{Net, mac};
use super::{host, ping, router, subnet};
use crate::NodeInput;
use crate::config::NodeConfig;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::Arc;
use trunkline_bgp::transport::{Md5Key, TcpAction, TcpOptions};
use trunkline_core::{ConnId, Frame, MacAddr, PortId};
use trunkline_view::probe::{ConnectQuery, PingQuery};
use trunkline_view::{Answer, Query};
use trunkline_wire::ethernet::{self, EtherType};
use trunkline_wire::icmp::Message;
use trunkline_wire::ipv4::{Header, Protocol};

/// What went wrong with the only neighbour of a node.
fn errors(net: &mut Net, name: &str) -> Vec<String> {
    match net.ask(name, Query::BgpNeighbors { address: None }) {
        Answer::BgpNeighbors(view) => view.neighbors[0].errors.iter().map(|e| e.message.clone()).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn bgp_that_is_configured_away_says_so() {
    let mut net = pair(|_| {});
    net.run(30.0);
    net.set("r1", |config| config.bgp = None);
    net.run(1.0);
    let errors = errors(&mut net, "r2");
    assert!(errors.iter().any(|error| error.contains("6/2")), "{errors:?}");
}

#[test]
fn a_node_that_stops_says_so_through_routers_too_and_then_is_drained() {
    // The peers are two hops apart: the route between them must live until the NOTIFICATION is through.
    let via = |to: &str, gateway: &str| crate::config::StaticRoute {
        prefix: to.parse().unwrap(),
        via: vec![gateway.parse().unwrap()],
        interface: None,
        distance: 1,
    };
    let mut configs = [1, 2].map(|number| {
        let mut config = speaker(number);
        let other = 3 - number;
        config.interfaces[0].address = vec![subnet(&format!("10.0.{number}.1/24"))];
        config.static_routes = vec![via(&format!("10.0.{other}.0/24"), &format!("10.0.{number}.254"))];
        let bgp = config.bgp.as_mut().unwrap();
        let neighbor = Arc::make_mut(&mut bgp.neighbors[0]);
        neighbor.address = format!("10.0.{other}.1").parse().unwrap();
        neighbor.multihop = Some(5);
        config
    });
    configs[0].router_id = Some(Ipv4Addr::new(1, 1, 1, 1));
    let middle = router("middle", &[("eth0", &["10.0.1.254/24"]), ("eth1", &["10.0.2.254/24"])]);
    let mut nodes = configs.to_vec();
    nodes.push(middle);
    let mut net = Net::new(nodes, &[&["r1.eth0", "middle.eth0"], &["r2.eth0", "middle.eth1"]]);
    net.run(60.0);
    assert_eq!(state(&mut net, "r1"), "Established");
    net.with(0, |node, now, out| node.shutdown(now, out));
    assert!(!net.nodes[0].is_drained());
    // The first of them is lost, and is sent again by a timer of a node that has stopped.
    net.lose_every = 1;
    net.run(0.1);
    net.lose_every = 0;
    net.run(0.9);
    let errors = errors(&mut net, "r2");
    assert!(errors.iter().any(|error| error.contains("6/2")), "{errors:?}");
    assert!(net.nodes[0].is_drained());
}

/// Host a has a connection of BGP's to a listener of host b's.
fn connected() -> (Net, ConnId) {
    let mut net =
        Net::new(vec![host("a", "10.0.0.1/24", ""), host("b", "10.0.0.2/24", "")], &[&["a.eth0", "b.eth0"]]);
    net.ask("b", Query::TcpListen { name: "s".into(), port: 179 });
    let conn = ConnId::outgoing(7);
    let remote: SocketAddr = "10.0.0.2:179".parse().unwrap();
    let action = TcpAction::Connect { conn, remote, local: None, options: TcpOptions::default() };
    net.with(0, |node, now, out| {
        node.carry_tcp(now, action, out);
        node.pump(now, out);
    });
    net.run(0.1);
    (net, conn)
}

fn close(net: &mut Net, conn: ConnId, last_words: &[u8]) {
    net.with(0, |node, now, out| {
        node.stack.as_mut().unwrap().speaker_close(now, conn, false, last_words);
        node.pump(now, out);
    });
}

#[test]
fn last_words_are_longer_than_the_send_buffer() {
    let (mut net, conn) = connected();
    close(&mut net, conn, &[7; 400_000]);
    net.run(5.0);
    let words = net.words("b");
    let octets =
        words.iter().filter_map(|w| w.strip_prefix("s: received ")?.split(' ').next()?.parse::<u32>().ok());
    assert_eq!(octets.sum::<u32>(), 400_000);
    assert!(words.contains(&"s: the peer has closed".to_owned()), "{words:?}");
}

#[test]
fn who_does_not_listen_to_last_words_is_reset_in_the_end() {
    let (mut net, conn) = connected();
    net.lose_every = 1;
    close(&mut net, conn, &[7; 400_000]);
    net.run(9.0);
    assert!(!net.nodes[0].is_drained());
    net.run(2.0);
    let Answer::Tcp(view) = net.ask("a", Query::Tcp) else { panic!("no TCP") };
    assert_eq!(view.connections, []);
    assert!(net.nodes[0].is_drained());
}

#[test]
fn addresses_of_a_disabled_interface_are_not_ours() {
    let r1 = router("r1", &[("eth0", &["10.0.0.254/24"]), ("lo0", &["1.1.1.1/32"])]);
    let mut net = Net::new(vec![host("a", "10.0.0.1/24", "10.0.0.254"), r1], &[&["a.eth0", "r1.eth0"]]);
    assert_eq!(ping(&mut net, "a", "1.1.1.1", 1).received, 1);
    net.set("r1", |config| config.interfaces[1].enabled = false);
    assert_eq!(ping(&mut net, "a", "1.1.1.1", 1).received, 0);
    assert_eq!(ping(&mut net, "r1", "1.1.1.1", 1).received, 0);
    net.set("r1", |config| config.interfaces[1].enabled = true);
    assert_eq!(ping(&mut net, "a", "1.1.1.1", 1).received, 1);
}

#[test]
fn connections_end_with_their_address() {
    for disable in [false, true] {
        let mut net = pair(|_| {});
        net.run(30.0);
        assert_eq!(state(&mut net, "r1"), "Established");
        // Another address more or less changes nothing.
        net.set("r1", |config| config.interfaces[0].address.push(subnet("192.0.2.7/24")));
        net.set("r1", |config| config.interfaces[0].address.truncate(1));
        net.run(1.0);
        assert_eq!(state(&mut net, "r1"), "Established");
        net.set("r1", |config| match disable {
            true => config.interfaces[0].enabled = false,
            false => config.interfaces[0].address = vec![subnet("192.0.2.7/24")],
        });
        net.run(1.0);
        // Both know at once.
        assert_ne!(state(&mut net, "r1"), "Established");
        assert_ne!(state(&mut net, "r2"), "Established");
    }
}

#[test]
fn a_port_that_takes_the_place_of_another_is_down_until_it_is_told() {
    let r1 = router("r1", &[("eth0", &["10.0.0.1/24"]), ("eth1", &["10.0.1.1/24"])]);
    let mut net = Net::new(vec![r1, host("a", "10.0.0.2/24", "")], &[&["r1.eth0", "a.eth0"]]);
    net.run(5.0);
    let before = net.frames.len();
    net.set("r1", |config| drop(config.interfaces.remove(0)));
    assert_eq!(net.frames.len(), before, "eth1 speaks on the cable of eth0");
    let Answer::Interfaces(view) = net.ask("r1", Query::Interfaces) else { panic!("no interfaces") };
    let states: Vec<_> = view.interfaces.iter().map(|i| (i.name.as_str(), i.up)).collect();
    assert_eq!(states, [("eth1", false)]);
    net.carrier(0, true);
    assert!(net.frames.len() > before, "now it is its own");
}

#[test]
fn a_stack_made_while_running_knows_the_keys() {
    let [mut r1, mut r2] = [1, 2].map(speaker);
    let edit = |config: &mut NodeConfig, passive| {
        let neighbor = Arc::make_mut(&mut config.bgp.as_mut().unwrap().neighbors[0]);
        neighbor.password = Some(Md5Key("secret".into()));
        neighbor.passive = passive;
        neighbor.connect_retry = 5;
    };
    edit(&mut r1, true);
    edit(&mut r2, false);
    r1.router_id = Some(Ipv4Addr::new(1, 1, 1, 1));
    let interfaces = std::mem::take(&mut r1.interfaces);
    let mut net = Net::new(vec![r1, r2], &[]);
    net.run(5.0);
    net.set("r1", |config| config.interfaces = interfaces);
    net.link(&["r1.eth0", "r2.eth0"]);
    net.run(60.0);
    assert_eq!(state(&mut net, "r1"), "Established");
}

/// The answer to a ping of host a's when the echo reply comes from `from`.
fn answered_by(destination: &str, from: &str) -> u32 {
    let destination: Ipv4Addr = destination.parse().unwrap();
    let mut a = host("a", "10.0.0.1/24", "");
    a.interfaces[0].arp = vec![(destination, MacAddr([2, 0, 0, 0, 9, 9]))];
    let mut net = Net::new(vec![a, host("b", "10.0.0.9/24", "")], &[&["a.eth0", "b.eth0"]]);
    let id = net.order("a", Query::Ping(PingQuery { count: 1, ..PingQuery::new(destination) }));
    let is_packet = |frame: &Frame| frame[12..14] == [8, 0];
    let request = net.frames.iter().rfind(|(_, node, _, frame)| *node == 0 && is_packet(frame)).unwrap();
    let (_, payload) = Header::parse(&request.3[ethernet::LEN..]).unwrap();
    let Ok(Message::EchoRequest { identifier, sequence, data }) = Message::parse(payload) else {
        panic!("no request")
    };
    let mut reply = Vec::new();
    Message::EchoReply { identifier, sequence, data }.emit(&mut reply);
    let mut octets = Vec::new();
    let other = MacAddr([2, 0, 0, 0, 7, 7]);
    ethernet::Header::new(mac(0, PortId(0)), other, EtherType::IPV4).emit(&mut octets);
    let header = Header::new(Protocol::ICMP, from.parse().unwrap(), Ipv4Addr::new(10, 0, 0, 1));
    header.emit(reply.len(), &mut octets);
    octets.extend_from_slice(&reply);
    let input = NodeInput::Frame { port: PortId(0), frame: Frame::from(octets) };
    net.with(0, |node, now, out| node.handle(now, input, out));
    match net.answer(id) {
        Answer::Ping(view) => view.received,
        other => panic!("{other:?}"),
    }
}

#[test]
fn only_who_was_pinged_may_answer() {
    assert_eq!(answered_by("10.0.0.2", "10.0.0.2"), 1);
    assert_eq!(answered_by("10.0.0.2", "10.0.0.3"), 0);
    assert_eq!(answered_by("10.0.0.255", "10.0.0.3"), 1);
    assert_eq!(answered_by("224.0.0.1", "10.0.0.3"), 1);
}

#[test]
fn connections_that_peers_open_to_named_listeners_are_limited() {
    let names = [("a", "10.0.0.1/24"), ("b", "10.0.0.2/24"), ("c", "10.0.0.3/24")];
    let configs = names.map(|(name, address)| host(name, address, ""));
    let mut net = Net::new(configs.to_vec(), &[&["a.eth0", "b.eth0", "c.eth0"]]);
    net.ask("b", Query::TcpListen { name: "s".into(), port: 80 });
    let remote = SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 2), 80);
    for (name, count) in [("a", 1000), ("c", 50)] {
        ping(&mut net, name, "10.0.0.2", 1);
        for number in 0..count {
            let query = ConnectQuery { name: format!("{number}"), remote, source: None, local_port: None };
            net.order(name, Query::TcpConnect(query));
            net.run(0.001);
        }
    }
    let Answer::Tcp(view) = net.ask("b", Query::Tcp) else { panic!("no TCP") };
    assert_eq!(view.connections.len(), 1024);
    let Answer::Tcp(view) = net.ask("c", Query::Tcp) else { panic!("no TCP") };
    assert_eq!(view.connections.len(), 24, "the others are reset");
    // A name that is free is given again.
    net.ask("c", Query::TcpAbort { name: "0".into() });
    net.run(0.1);
    let query = ConnectQuery { name: "0".into(), remote, source: None, local_port: None };
    net.order("c", Query::TcpConnect(query));
    net.run(0.1);
    let Answer::Tcp(view) = net.ask("c", Query::Tcp) else { panic!("no TCP") };
    assert_eq!(view.connections.len(), 24);
}
