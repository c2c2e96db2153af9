//! What the node says, and what it is told.

use crate::rig::*;
use std::sync::Arc;
use trunkline_bgp::config::{Config, ListenRange};
use trunkline_bgp::transport::TcpAction;
use trunkline_bgp::{Input, LocalAddress, Output};
use trunkline_core::{Asn, ConnId};
use trunkline_view::Query;
use trunkline_wire::bgp::*;

fn base() -> Config {
    with([neighbor("192.0.2.2", 65001), neighbor("192.0.2.3", 65002)])
}

fn address(text: &str, length: u8, interface: u32) -> LocalAddress {
    LocalAddress { address: a(text), length, interface, loopback: false }
}

#[test]
fn our_addresses_change() {
    let mut rig = Rig::up(base());
    rig.send(0, &update(&attrs(&[65001], "203.0.113.9"), &["10.1.0.0/16"]));
    rig.send(0, &update(&attrs(&[65001], "192.0.2.2"), &["10.2.0.0/16"]));
    assert_eq!(rig.peers[1].prefixes(), ["10.2.0.0/16"]);
    // A second subnet on the same interface, and an IPv6 address.
    let mut addresses =
        vec![address("192.0.2.1", 24, 1), address("203.0.113.1", 24, 1), address("2001:db8::7", 64, 1)];
    rig.feed(Input::LocalAddresses(addresses.clone()));
    rig.settle();
    assert_eq!(rig.peers[1].prefixes(), ["10.1.0.0/16", "10.2.0.0/16"]);
    let hop = MpNextHop::V6 { global: "2001:db8::2".parse().unwrap(), link_local: None };
    rig.send(0, &update6(&attrs(&[65001], ""), hop, &["2001:db8:1::/48"]));
    let told = |rig: &Rig| rig.peers[1].table[&p("2001:db8:1::/48")].1.and_then(MpNextHop::address);
    assert_eq!(told(&rig), Some(a("2001:db8::7")));
    // The next hop that we are is another one: routes are told again.
    addresses[2] = address("2001:db8::8", 64, 1);
    rig.feed(Input::LocalAddresses(addresses.clone()));
    rig.settle();
    assert_eq!(told(&rig), Some(a("2001:db8::8")));
    // The peer's next hop becomes our own address.
    addresses.push(address("203.0.113.9", 24, 1));
    rig.feed(Input::LocalAddresses(addresses));
    rig.settle();
    assert_eq!(rig.peers[1].prefixes(), ["10.2.0.0/16", "2001:db8:1::/48"]);
    rig.check_advertised(1);
}

#[test]
fn the_metric_to_a_next_hop_decides() {
    // RFC 4271 §9.1.2.2 e
    let mut config =
        with([neighbor("192.0.2.2", US.0), neighbor("192.0.2.3", US.0), neighbor("192.0.2.4", 65001)]);
    config.maximum_paths = 2;
    let mut rig = Rig::up(config);
    for peer in [0, 1] {
        let hop = format!("198.18.0.{peer}");
        let attributes = Attributes { local_pref: Some(100), ..attrs(&[65009], &hop) };
        rig.send(peer, &update(&attributes, &["10.1.0.0/16"]));
    }
    let prefix = p("10.1.0.0/16");
    assert_eq!(rig.routes[&prefix].next_hops, [a("198.18.0.0"), a("198.18.0.1")]);
    for (metric, want) in [
        (5, vec![a("198.18.0.1")]),
        (20, vec![a("198.18.0.0")]),
        (10, vec![a("198.18.0.0"), a("198.18.0.1")]),
    ] {
        rig.metrics.insert(a("198.18.0.1"), Some(metric));
        rig.tell(a("198.18.0.1"));
        rig.settle();
        assert_eq!((&rig.routes[&prefix].next_hops, rig.routes[&prefix].distance), (&want, 200));
    }
    let (found, best) = rig.bgp.longest_match(p("10.1.2.3/32")).unwrap();
    assert_eq!((found, &best), (prefix, &rig.routes[&prefix]));
    assert_eq!((rig.bgp.best(prefix).as_ref(), rig.bgp.best_count()), (Some(&best), 1));
    assert_eq!(rig.bgp.best_page(0, 10).0, [(prefix, best)]);
}

#[test]
fn reports_are_turned_on_late() {
    let mut rig = Rig::up(base());
    rig.bgp.report_routes(false);
    rig.send(0, &update(&attrs(&[65001], "192.0.2.2"), &["10.1.0.0/16", "10.2.0.0/16"]));
    assert!(rig.routes.is_empty());
    rig.bgp.report_routes(true);
    rig.settle();
    assert_eq!(rig.routes.len(), 2);
}

#[test]
fn all_ends() {
    let mut rig = Rig::up(base());
    rig.send(0, &update(&attrs(&[65001], "192.0.2.2"), &["10.1.0.0/16"]));
    rig.bgp.shutdown(rig.now, &mut rig.out);
    rig.settle();
    for peer in &rig.peers {
        let said = &peer.notifications[0];
        assert_eq!(
            (said.error(), said.communication()),
            (ErrorCode::ADMINISTRATIVE_SHUTDOWN, Some("shutting down"))
        );
        assert!(peer.conn.is_none());
    }
    assert!(rig.routes.is_empty() && rig.tracked.is_empty());
}

#[test]
fn a_neighbor_is_disabled_and_enabled() {
    let mut config = base();
    let mut rig = Rig::up(config.clone());
    rig.send(0, &update(&attrs(&[65001], "192.0.2.2"), &["10.1.0.0/16"]));
    for _ in 0..2 {
        Arc::make_mut(&mut config.neighbors[0]).enabled = false;
        rig.bgp.reconfigure(rig.now, config.clone(), &mut rig.out);
        rig.settle();
        assert_eq!(rig.peers[0].notifications.last().unwrap().error(), ErrorCode::ADMINISTRATIVE_SHUTDOWN);
        assert!(rig.peers[1].table.is_empty() && rig.view(0).summary.shutdown);
        rig.connect(0);
        assert!(rig.peers[0].conn.is_none());
        Arc::make_mut(&mut config.neighbors[0]).enabled = true;
        rig.bgp.reconfigure(rig.now, config.clone(), &mut rig.out);
        rig.settle();
        rig.again(0);
        rig.send(0, &update(&attrs(&[65001], "192.0.2.2"), &["10.1.0.0/16"]));
        assert!(rig.peers[1].has("10.1.0.0/16"));
    }
}

#[test]
fn a_neighbor_becomes_another_kind() {
    // From external to internal to a reflection client, and a listed one instead of a dynamic one.
    let mut config = base();
    let template = Arc::new(neighbor("0.0.0.0", 65003));
    config.listen_ranges = vec![ListenRange { prefix: p("192.0.2.128/25"), limit: 5, template }];
    let mut rig = Rig::up(config.clone());
    let dynamic = rig.peer(a("192.0.2.200"), 65003);
    rig.connect(dynamic);
    rig.send(dynamic, &update(&attrs(&[65003], "192.0.2.200"), &["10.3.0.0/16"]));
    assert!(rig.view(dynamic).summary.dynamic && rig.peers[0].has("10.3.0.0/16"));
    config.neighbors.push(Arc::new(neighbor("192.0.2.200", 65003)));
    rig.bgp.reconfigure(rig.now, config.clone(), &mut rig.out);
    rig.settle();
    assert!(!rig.peers[0].has("10.3.0.0/16"));
    rig.again(dynamic);
    assert!(!rig.view(dynamic).summary.dynamic);
    config.neighbors[0] = Arc::new(neighbor("192.0.2.2", US.0));
    rig.bgp.reconfigure(rig.now, config.clone(), &mut rig.out);
    rig.settle();
    rig.peers[0].open.my_as = US.to_two_octet();
    rig.offer(0, |caps| caps.retain(|c| !matches!(c, Capability::FourOctetAs(_))));
    rig.offer(0, |caps| caps.push(Capability::FourOctetAs(US)));
    rig.again(0);
    assert_eq!(rig.view(0).session_type, "internal");
    rig.send(0, &update(&Attributes { local_pref: Some(3), ..attrs(&[], "192.0.2.2") }, &["10.1.0.0/16"]));
    assert_eq!(rig.paths("10.1.0.0/16")[0].local_pref, Some(3));
    assert!(rig.peers[dynamic].has("10.1.0.0/16"));
}

#[test]
fn an_as_set_in_front() {
    // RFC 4271 §6.3: the leftmost AS by position, also in a set.
    let mut rig = Rig::up(base());
    let set = |asn| {
        let segments = vec![AsPathSegment { kind: SegmentKind::Set, asns: vec![Asn(asn), Asn(9)] }];
        Attributes { as_path: Some(AsPath { segments }), ..attrs(&[], "192.0.2.2") }
    };
    rig.send(0, &update(&set(65001), &["10.1.0.0/16"]));
    rig.send(0, &update(&set(65005), &["10.2.0.0/16"]));
    assert_eq!(rig.peers[1].prefixes(), ["10.1.0.0/16"]);
}

#[test]
fn connections_of_a_new_session_have_new_names() {
    // A neighbour that is not passive is removed and added: the driver may still be busy with the old connection.
    let mut active = neighbor("192.0.2.2", 65001);
    active.passive = false;
    let mut rig = Rig::new(with([]));
    let mut seen: Vec<ConnId> = Vec::new();
    for _ in 0..4 {
        for config in [with([active.clone()]), with([])] {
            rig.bgp.reconfigure(rig.now, config, &mut rig.out);
            let mut opened = Vec::new();
            for _ in 0..3 {
                while let Some(output) = rig.out.pop() {
                    if let Output::Tcp(TcpAction::Connect { conn, .. }) = output {
                        opened.push(conn);
                    }
                }
                rig.bgp.handle_timeout(rig.now, &mut rig.out);
            }
            for conn in opened {
                assert!(!seen.contains(&conn), "{conn:?}");
                seen.push(conn);
                let (local, remote) = ("192.0.2.1:999".parse().unwrap(), "192.0.2.2:179".parse().unwrap());
                let event = trunkline_bgp::transport::TcpEvent::Connected { local, remote };
                rig.feed(Input::Tcp { conn, event });
                let mut octets = Vec::new();
                rig.bgp.poll_transmit(rig.now, conn, 4096, &mut octets);
                assert!(octets.len() > 19, "our OPEN");
            }
        }
        rig.now += trunkline_core::Duration::from_secs(20);
    }
    assert_eq!(seen.len(), 4);
}

#[test]
fn queries_that_make_no_sense() {
    let mut rig = Rig::up(base());
    let unknown = a("192.0.2.77");
    for query in [
        Query::BgpNeighbors { address: Some(unknown) },
        Query::BgpClear { address: Some(unknown), soft: false },
        Query::BgpShutdown { address: unknown, message: None },
        Query::BgpStart { address: unknown },
        Query::Node,
        Query::BgpRoutes(trunkline_view::bgp::RoutesQuery { received: Some(unknown), ..Default::default() }),
        Query::BgpRoutes(trunkline_view::bgp::RoutesQuery {
            received: Some(a("192.0.2.2")),
            advertised: Some(a("192.0.2.2")),
            ..Default::default()
        }),
        Query::BgpRoutes(trunkline_view::bgp::RoutesQuery { family: Some("x".into()), ..Default::default() }),
    ] {
        let answer = rig.ask(query.clone());
        assert!(matches!(answer, trunkline_view::Answer::Error(_)), "{query:?}: {answer:?}");
    }
}

#[test]
fn a_limit_of_one_warns_of_the_first() {
    let mut one = neighbor("192.0.2.2", 65001);
    one.maximum_prefixes =
        Some(trunkline_bgp::config::MaximumPrefixes { limit: 1, warning: 75, restart: None });
    let mut rig = Rig::up(with([one]));
    rig.pass(2);
    assert_eq!(rig.notices, [""; 0]);
    rig.send(0, &update(&attrs(&[65001], "192.0.2.2"), &["10.1.0.0/16"]));
    assert_eq!(rig.notices, ["1 ipv4-unicast prefixes, 75 % of the maximum of 1"]);
}

#[test]
fn what_holds_for_external_peers_only() {
    // RFC 9234 §5: roles mean nothing inside an AS. A multicast address is nobody's next hop.
    let mut internal = neighbor("192.0.2.2", US.0);
    internal.role = Some(Role::Provider);
    let mut rig = Rig::up(with([internal, neighbor("192.0.2.3", 65002)]));
    let attributes = Attributes { only_to_customer: Some(Asn(7)), ..attrs(&[65009], "192.0.2.2") };
    rig.send(0, &update(&Attributes { local_pref: Some(1), ..attributes }, &["10.1.0.0/16"]));
    assert!(rig.paths("10.1.0.0/16")[0].eligible);
    let hop = MpNextHop::V6 { global: "ff02::1".parse().unwrap(), link_local: None };
    rig.send(
        0,
        &update6(&Attributes { local_pref: Some(1), ..attrs(&[65009], "") }, hop, &["2001:db8:1::/48"]),
    );
    assert!(!rig.paths("2001:db8:1::/48")[0].eligible);
}
