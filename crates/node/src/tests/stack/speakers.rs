//! BGP between two routers over their own TCP.

use super::router;
use super::wire::Net;
use crate::config::NodeConfig;
use std::net::Ipv4Addr;
use std::sync::Arc;
use trunkline_bgp::config::{Config, NeighborConfig};
use trunkline_bgp::policy::Policy;
use trunkline_bgp::transport::Md5Key;
use trunkline_core::Asn;
use trunkline_view::{Answer, Query, Route};

/// R1 in AS 1 with 1.1.1.1/32 on a loopback, R2 in AS 2.
pub(super) fn speaker(number: u8) -> NodeConfig {
    let (own, peer) = (Asn(number.into()), Asn(u32::from(3 - number)));
    let peer_address = Ipv4Addr::new(192, 0, 2, 3 - number);
    let neighbor = NeighborConfig {
        import: Policy::Accept,
        export: Policy::Accept,
        ..NeighborConfig::new(peer_address.into(), peer, own)
    };
    let name = format!("r{number}");
    let address = format!("192.0.2.{number}/24");
    let loopback = format!("{number}.{number}.{number}.{number}/32");
    NodeConfig {
        bgp: Some(Config {
            networks: vec![loopback.parse().unwrap()],
            neighbors: vec![Arc::new(neighbor)],
            ..Config::new(own, Ipv4Addr::UNSPECIFIED, name.clone())
        }),
        ..router(&name, &[("eth0", &[&address]), ("lo0", &[&loopback])])
    }
}

fn change(net: &mut Net, name: &str, change: impl FnOnce(&mut NeighborConfig)) {
    net.set(name, |config| {
        let neighbor = &mut config.bgp.as_mut().unwrap().neighbors[0];
        change(Arc::make_mut(neighbor));
    });
}

pub(super) fn pair(edit: impl Fn(&mut NeighborConfig)) -> Net {
    let configs = [1, 2].map(|number| {
        let mut config = speaker(number);
        let bgp = config.bgp.as_mut().unwrap();
        edit(Arc::make_mut(&mut bgp.neighbors[0]));
        config
    });
    Net::new(configs.to_vec(), &[&["r1.eth0", "r2.eth0"]])
}

pub(super) fn state(net: &mut Net, name: &str) -> String {
    match net.ask(name, Query::BgpSummary) {
        Answer::BgpSummary(view) => view.neighbors[0].state.clone(),
        other => panic!("{other:?}"),
    }
}

fn routes_to(net: &mut Net, name: &str, prefix: &str) -> Vec<Route> {
    let query = Query::Routes { prefix: Some(prefix.parse().unwrap()), cursor: 0, limit: 10 };
    match net.ask(name, query) {
        Answer::Routes(view) => view.routes,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_loopback_is_announced_withdrawn_and_announced_again() {
    let mut net = pair(|_| {});
    net.run(30.0);
    assert_eq!((state(&mut net, "r1"), state(&mut net, "r2")), ("Established".into(), "Established".into()));
    let routes = routes_to(&mut net, "r2", "1.1.1.1/32");
    assert_eq!(routes[0].next_hops[0].gateway, Some("192.0.2.1".parse().unwrap()));
    assert_eq!((routes[0].installed, routes[0].not_installed_because.as_deref()), (true, None));
    // The route is in use: packets follow it.
    assert_eq!(super::ping(&mut net, "r2", "1.1.1.1", 2).received, 2);

    let done = net.set("r1", |config| config.interfaces[1].enabled = false);
    assert_eq!(done.changes, ["interface lo0: disabled"]);
    net.run(1.0);
    assert_eq!(routes_to(&mut net, "r2", "1.1.1.1/32"), []);
    assert_eq!(super::ping(&mut net, "r2", "1.1.1.1", 1).received, 0);

    net.set("r1", |config| config.interfaces[1].enabled = true);
    net.run(1.0);
    assert_eq!(super::ping(&mut net, "r2", "1.1.1.1", 1).received, 1);
    assert_eq!(state(&mut net, "r1"), "Established");
}

#[test]
fn a_session_lives_on_keepalives_and_dies_without() {
    let mut net = pair(|_| {});
    net.run(600.0);
    assert_eq!(state(&mut net, "r1"), "Established");
    net.carrier(0, false);
    net.run(200.0);
    assert_ne!(state(&mut net, "r1"), "Established");
    net.carrier(0, true);
    net.run(200.0);
    assert_eq!(state(&mut net, "r1"), "Established");
}

#[test]
fn signed_segments_and_wrong_keys() {
    let key = |text: &str| Some(Md5Key(text.to_owned()));
    let mut net = pair(|neighbor| neighbor.password = key("secret"));
    net.run(60.0);
    assert_eq!(state(&mut net, "r1"), "Established");
    let Answer::Tcp(view) = net.ask("r1", Query::Tcp) else { panic!("no TCP") };
    assert!(view.connections.iter().any(|c| c.owner == "bgp" && c.signed && c.state == "ESTABLISHED"));
    change(&mut net, "r2", |neighbor| neighbor.password = key("other"));
    net.run(60.0);
    assert_ne!(state(&mut net, "r1"), "Established");
    change(&mut net, "r2", |neighbor| neighbor.password = key("secret"));
    net.run(120.0);
    assert_eq!(state(&mut net, "r1"), "Established");
}

#[test]
fn gtsm_keeps_who_is_further_away_out() {
    let mut net = pair(|neighbor| neighbor.ttl_security = Some(1));
    net.run(60.0);
    assert_eq!(state(&mut net, "r1"), "Established");
    // TTL 1 is not what one hop away looks like.
    change(&mut net, "r2", |neighbor| neighbor.ttl_security = None);
    net.run(300.0);
    assert_ne!(state(&mut net, "r1"), "Established");
}

#[test]
fn another_as_number_is_refused_with_a_notification() {
    let mut net = pair(|_| {});
    net.run(30.0);
    change(&mut net, "r2", |neighbor| neighbor.asn = Asn(22));
    net.run(60.0);
    assert_ne!(state(&mut net, "r2"), "Established");
    let Answer::BgpNeighbors(view) = net.ask("r1", Query::BgpNeighbors { address: None }) else {
        panic!("no neighbors")
    };
    // RFC 4271 §6.2: OPEN Message Error, Bad Peer AS.
    let text = format!("{:?}", view.neighbors[0]);
    assert!(text.contains("Bad Peer AS"), "{text}");
}

#[test]
fn a_disabled_neighbor_gets_no_session() {
    let mut net = pair(|_| {});
    net.run(30.0);
    change(&mut net, "r2", |neighbor| neighbor.enabled = false);
    net.run(60.0);
    assert_ne!(state(&mut net, "r1"), "Established");
    // The connection comes about, but our OPEN meets nobody: it is answered with a RST, as a kernel would.
    let Answer::Tcp(view) = net.ask("r2", Query::Tcp) else { panic!("no TCP") };
    assert!(view.counters["tcpOutRsts"] > 0);
    change(&mut net, "r2", |neighbor| neighbor.enabled = true);
    net.run(60.0);
    assert_eq!(state(&mut net, "r1"), "Established");
}

#[test]
fn nothing_is_left_when_bgp_is_configured_away() {
    let mut net = pair(|_| {});
    net.run(30.0);
    net.set("r1", |config| config.bgp = None);
    net.run(120.0);
    let Answer::Tcp(view) = net.ask("r1", Query::Tcp) else { panic!("no TCP") };
    assert!(view.listeners.is_empty() && view.connections.is_empty(), "{view:?}");
    assert_eq!(routes_to(&mut net, "r2", "1.1.1.1/32"), []);
}
