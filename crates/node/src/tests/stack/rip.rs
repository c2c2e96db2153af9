//! RIP between routers over their own IP, and its routes among those of others.

use super::speakers::speaker;
use super::wire::Net;
use super::{ping, router};
use crate::NodeInput;
use crate::config::{
    CalendarLifetime, NodeConfig, RipAuthentication, RipConfig, RipKey, RipRedistribute, StaticRoute,
};
use std::sync::Arc;
use trunkline_bgp::config::Redistribute;
use trunkline_bgp::policy::Policy;
use trunkline_core::{Duration, Prefix, PrefixMatch};
use trunkline_rip::{Algorithm, Filter, FilterRule, InterfaceConfig, SplitHorizon};
use trunkline_view::{Answer, EventKind, Query, Route, RouteSource};

/// RIP on these interfaces.
fn rip(interfaces: &[&str]) -> RipConfig {
    let mut config = RipConfig::new();
    for name in interfaces {
        config.machine.interfaces.insert((*name).to_owned(), InterfaceConfig::default());
    }
    config
}

/// A router `rN` with N.N.N.N/32 on a loopback and RIP on all that it has.
fn speaks(number: u8, interfaces: &[(&str, &str)]) -> NodeConfig {
    let loopback = format!("{number}.{number}.{number}.{number}/32");
    let mut all: Vec<(&str, Vec<&str>)> = interfaces.iter().map(|(name, a)| (*name, vec![*a])).collect();
    all.push(("lo0", vec![&loopback]));
    let all: Vec<(&str, &[&str])> = all.iter().map(|(name, list)| (*name, list.as_slice())).collect();
    let names: Vec<&str> = all.iter().map(|(name, _)| *name).collect();
    NodeConfig { rip: Some(rip(&names)), ..router(&format!("r{number}"), &all) }
}

/// r1 — r2 — r3.
fn chain() -> [NodeConfig; 3] {
    [
        speaks(1, &[("eth0", "10.0.12.1/24")]),
        speaks(2, &[("eth0", "10.0.12.2/24"), ("eth1", "10.0.23.2/24")]),
        speaks(3, &[("eth0", "10.0.23.3/24")]),
    ]
}

const CHAIN: &[&[&str]] = &[&["r1.eth0", "r2.eth0"], &["r2.eth1", "r3.eth0"]];

fn routes(net: &mut Net, name: &str, prefix: &str) -> Vec<Route> {
    let query = Query::Routes { prefix: Some(prefix.parse().unwrap()), cursor: 0, limit: 10 };
    match net.ask(name, query) {
        Answer::Routes(view) => view.routes,
        other => panic!("{other:?}"),
    }
}

/// Source and metric of what wins.
fn best(net: &mut Net, name: &str, prefix: &str) -> Option<(RouteSource, u32)> {
    routes(net, name, prefix).iter().find(|route| route.selected).map(|r| (r.source, r.metric))
}

/// State and metric of a route as RIP has it.
fn in_rip(net: &mut Net, name: &str, prefix: &str) -> Option<(String, u8)> {
    let prefix: Prefix = prefix.parse().unwrap();
    let query = trunkline_view::rip::RoutesQuery { prefix: Some(prefix), cursor: 0, limit: 10 };
    match net.ask(name, Query::RipRoutes(query)) {
        Answer::RipRoutes(view) => {
            let found = view.routes.into_iter().find(|route| route.prefix == prefix);
            found.map(|route| (route.origin, route.metric))
        }
        other => panic!("{other:?}"),
    }
}

fn learned(metric: u8) -> Option<(String, u8)> {
    Some(("learned".to_owned(), metric))
}

#[test]
fn loopbacks_are_reached_through_a_chain_and_lost_with_a_link() {
    let mut net = Net::new(chain().to_vec(), CHAIN);
    net.run(10.0);
    assert_eq!(best(&mut net, "r1", "3.3.3.3/32"), Some((RouteSource::Rip, 3)));
    let route = &routes(&mut net, "r1", "3.3.3.3/32")[0];
    assert_eq!((route.distance, route.installed), (120, true));
    assert_eq!(route.next_hops[0].gateway, Some("10.0.12.2".parse().unwrap()));
    assert_eq!(route.next_hops[0].interface.as_deref(), Some("eth0"));
    assert_eq!(ping(&mut net, "r1", "3.3.3.3", 2).received, 2);

    // "Routes vanish with the interface", and the others hear at once (RFC 2453 §3.10.1).
    net.carrier(1, false);
    net.run(0.5);
    assert_eq!(best(&mut net, "r2", "3.3.3.3/32"), None);
    net.run(5.5);
    assert_eq!(best(&mut net, "r1", "3.3.3.3/32"), None);
    net.carrier(1, true);
    net.run(6.0);
    assert_eq!(ping(&mut net, "r1", "3.3.3.3", 1).received, 1);
}

#[test]
fn what_is_sent_is_multicast_with_a_ttl_of_one() {
    let mut net = Net::new(chain()[..2].to_vec(), &CHAIN[..1]);
    net.run(40.0);
    let sent = net.frames.iter().filter(|(_, _, _, frame)| frame.get(23) == Some(&17));
    let sent: Vec<&[u8]> = sent.map(|(_, _, _, frame)| &frame[..]).collect();
    assert!(sent.len() > 6, "{}", sent.len());
    // RFC 2453 §4.5: 224.0.0.9, and its Ethernet address (RFC 1112 §6.4).
    let multicast =
        |frame: &&&[u8]| frame.starts_with(&[1, 0, 0x5e, 0, 0, 9]) && frame[30..34] == [224, 0, 0, 9];
    assert!(sent.iter().filter(multicast).count() > 4);
    assert!(sent.iter().all(|frame| frame[22] == 1), "a TTL other than 1");
    assert!(sent.iter().all(|frame| frame[34..36] == [2, 8]), "not from port 520");
}

#[test]
fn the_lower_distance_wins() {
    let mut configs = chain();
    let fixed = StaticRoute {
        prefix: "3.3.3.3/32".parse().unwrap(),
        via: vec!["10.0.12.2".parse().unwrap()],
        interface: None,
        distance: 130,
    };
    configs[0].static_routes.push(fixed);
    let mut net = Net::new(configs.to_vec(), CHAIN);
    net.run(0.5);
    net.run(10.0);
    assert_eq!(best(&mut net, "r1", "3.3.3.3/32"), Some((RouteSource::Rip, 3)));
    let done = net.set("r1", |config| config.rip.as_mut().unwrap().distance = 140);
    assert_eq!(done.changes, ["rip's settings changed"]);
    assert_eq!(best(&mut net, "r1", "3.3.3.3/32"), Some((RouteSource::Static, 0)));
    let list = routes(&mut net, "r1", "3.3.3.3/32");
    assert_eq!(list.iter().map(|r| r.distance).collect::<Vec<_>>(), [130, 140]);
    net.set("r1", |config| config.static_routes.clear());
    assert_eq!(best(&mut net, "r1", "3.3.3.3/32"), Some((RouteSource::Rip, 3)));
    // A static route that is lost leaves the rest as it was.
    assert_eq!(ping(&mut net, "r1", "3.3.3.3", 1).received, 1);
}

#[test]
fn rip_comes_and_goes_with_a_reload_and_says_farewell() {
    let mut net = Net::new(chain().to_vec(), CHAIN);
    net.run(10.0);
    let before = net.nodes[2].config().rip.clone();
    let done = net.set("r3", |config| config.rip = None);
    assert_eq!(done.changes, ["rip removed"]);
    assert!(matches!(net.ask("r3", Query::Rip), Answer::Error(e) if e.message.contains("no [rip]")));
    assert_eq!(best(&mut net, "r3", "1.1.1.1/32"), None);
    net.run(6.0);
    assert_eq!(best(&mut net, "r2", "3.3.3.3/32"), None);
    assert_eq!(in_rip(&mut net, "r1", "3.3.3.3/32"), learned(16));
    let done = net.set("r3", |config| config.rip = before);
    assert_eq!(done.changes, ["rip added"]);
    net.run(6.0);
    assert_eq!(ping(&mut net, "r1", "3.3.3.3", 1).received, 1);

    // A node that stops says so too.
    let number = net.node("r3");
    net.with(number, |node, now, out| node.shutdown(now, out));
    net.run(6.0);
    assert_eq!(best(&mut net, "r1", "3.3.3.3/32"), None);
}

/// A static blackhole.
fn blackhole(prefix: &str) -> StaticRoute {
    StaticRoute { prefix: prefix.parse().unwrap(), via: Vec::new(), interface: None, distance: 1 }
}

fn redistribute(source: RouteSource, metric: u8) -> RipRedistribute {
    RipRedistribute { source, metric, tag: 7, filter: None }
}

#[test]
fn what_others_taught_is_redistributed_while_it_is_the_best() {
    let mut configs = chain();
    configs[2].static_routes = ["192.0.2.0/24", "198.51.100.0/24"].map(blackhole).to_vec();
    let accept = PrefixMatch { prefix: "192.0.2.0/24".parse().unwrap(), ge: 24, le: 24 };
    let filter = Filter { rules: vec![FilterRule { prefixes: vec![accept], accept: true }] };
    let r3 = configs[2].rip.as_mut().unwrap();
    r3.machine.interfaces.remove("lo0");
    r3.redistribute = vec![
        redistribute(RouteSource::Connected, 2),
        RipRedistribute { filter: Some(Arc::new(filter)), ..redistribute(RouteSource::Static, 5) },
    ];
    let mut net = Net::new(configs.to_vec(), CHAIN);
    net.run(10.0);
    assert_eq!(best(&mut net, "r1", "3.3.3.3/32"), Some((RouteSource::Rip, 4)));
    assert_eq!(best(&mut net, "r1", "192.0.2.0/24"), Some((RouteSource::Rip, 7)));
    assert_eq!(best(&mut net, "r1", "198.51.100.0/24"), None, "the filter rejects it");

    // What goes is withdrawn, what a reload redistributes no more is poisoned.
    net.set("r3", |config| config.static_routes.clear());
    net.run(6.0);
    assert_eq!(best(&mut net, "r1", "192.0.2.0/24"), None);
    let done = net.set("r3", |config| config.rip.as_mut().unwrap().redistribute.clear());
    assert_eq!(done.changes, ["redistribution into RIP changed"]);
    net.run(6.0);
    assert_eq!(best(&mut net, "r1", "3.3.3.3/32"), None);
    assert_eq!(in_rip(&mut net, "r1", "3.3.3.3/32"), learned(16));
}

/// r2 between r1, with which it speaks BGP, and r3, with which it speaks RIP on eth1.
fn border() -> NodeConfig {
    let mut r2 = speaker(2);
    let interface = crate::config::InterfaceConfig {
        address: vec![("10.0.23.2".parse().unwrap(), 24)],
        ..crate::config::InterfaceConfig::new("eth1", crate::config::PortKind::Simulated)
    };
    r2.interfaces.insert(1, interface);
    NodeConfig { rip: Some(rip(&["eth1"])), ..r2 }
}

#[test]
fn bgp_and_rip_are_redistributed_into_one_another() {
    // r1 (AS 1) — r2 (AS 2): BGP; r2 — r3: RIP.
    let mut r2 = border();
    let rip2 = r2.rip.as_mut().unwrap();
    rip2.redistribute = vec![redistribute(RouteSource::Bgp, 3)];
    let bgp = r2.bgp.as_mut().unwrap();
    bgp.redistribute = vec![Redistribute { source: RouteSource::Rip, med: None, policy: Policy::Accept }];
    let r3 = speaks(3, &[("eth0", "10.0.23.3/24")]);
    let links: &[&[&str]] = &[&["r1.eth0", "r2.eth0"], &["r2.eth1", "r3.eth0"]];
    let mut net = Net::new(vec![speaker(1), r2, r3], links);
    net.run(40.0);
    assert_eq!(best(&mut net, "r3", "1.1.1.1/32"), Some((RouteSource::Rip, 4)));
    // MULTI_EXIT_DISC is RIP's metric, and ORIGIN is INCOMPLETE (RFC 4271 §5.1.1).
    assert_eq!(best(&mut net, "r1", "3.3.3.3/32"), Some((RouteSource::Bgp, 2)));
    let query = trunkline_view::bgp::RoutesQuery {
        prefix: Some("3.3.3.3/32".parse().unwrap()),
        limit: 10,
        ..Default::default()
    };
    match net.ask("r1", Query::BgpRoutes(query)) {
        Answer::BgpRoutes(view) => assert_eq!(view.paths[0].origin, "INCOMPLETE"),
        other => panic!("{other:?}"),
    }
    // r1 has no way back to the link between r2 and r3, so a ping goes between the loopbacks.
    let from = Some("3.3.3.3".parse().unwrap());
    let query = trunkline_view::probe::PingQuery {
        source: from,
        count: 2,
        ..trunkline_view::probe::PingQuery::new("1.1.1.1".parse().unwrap())
    };
    match net.ask("r3", Query::Ping(query)) {
        Answer::Ping(view) => assert_eq!(view.received, 2),
        other => panic!("{other:?}"),
    }

    // What either loses, the other hears.
    net.set("r3", |config| drop(config.rip.as_mut().unwrap().machine.interfaces.remove("lo0")));
    net.run(6.0);
    assert_eq!(best(&mut net, "r1", "3.3.3.3/32"), None);
    net.set("r1", |config| config.interfaces[1].enabled = false);
    net.run(6.0);
    assert_eq!(best(&mut net, "r3", "1.1.1.1/32"), None);
}

fn keys(list: &[(u8, &str, CalendarLifetime)]) -> RipAuthentication {
    let key = |(id, secret, send): &(u8, &str, CalendarLifetime)| RipKey {
        id: *id,
        algorithm: Algorithm::KeyedMd5,
        secret: secret.as_bytes().to_vec(),
        send: *send,
        accept: CalendarLifetime::default(),
    };
    RipAuthentication { keys: list.iter().map(key).collect(), fail_secure: false, any_after_silence: false }
}

/// The key that the last datagram of a node was authenticated with (RFC 2082 §3.2).
fn last_key(net: &Net, name: &str) -> Option<u8> {
    let number = net.node(name);
    let mut of_it =
        net.frames.iter().filter(|(_, node, _, frame)| *node == number && frame.get(23) == Some(&17));
    let frame: &[u8] = &of_it.next_back()?.3;
    (frame[46..50] == [0xff, 0xff, 0, 3]).then(|| frame[52])
}

#[test]
fn keys_live_by_the_calendar() {
    const DAY: u64 = 86_400;
    let mut configs = chain()[..2].to_vec();
    for config in &mut configs {
        let from = |from| CalendarLifetime { from: Some(from), until: None };
        // Key 2 was valid long before key 1, key 9 will be tomorrow.
        let list =
            [(1, "one", from(19_000 * DAY)), (2, "two", from(18_000 * DAY)), (9, "nine", from(20_001 * DAY))];
        let rip = config.rip.as_mut().unwrap();
        rip.authentication.insert("eth0".to_owned(), keys(&list));
    }
    let mut net = Net::new(configs, &CHAIN[..1]);
    let set_clock = |net: &mut Net, seconds: u64| {
        for number in 0..2 {
            let since_epoch = Duration::from_secs(seconds);
            net.with(number, |node, now, out| node.handle(now, NodeInput::WallClock { since_epoch }, out));
        }
    };
    set_clock(&mut net, 20_000 * DAY);
    net.run(40.0);
    assert_eq!(last_key(&net, "r1"), Some(1), "of two that are valid, the one that became so last");
    assert_eq!(best(&mut net, "r1", "2.2.2.2/32"), Some((RouteSource::Rip, 2)));
    // The clock is set: key 9 is valid at once.
    set_clock(&mut net, 20_001 * DAY);
    net.run(40.0);
    assert_eq!(last_key(&net, "r1"), Some(9));
    // And by itself, as time goes by.
    set_clock(&mut net, 20_001 * DAY - 60);
    net.run(40.0);
    assert_eq!(last_key(&net, "r1"), Some(1));
    net.run(60.0);
    assert_eq!(last_key(&net, "r1"), Some(9));
    assert_eq!(best(&mut net, "r1", "2.2.2.2/32"), Some((RouteSource::Rip, 2)));

    // Another secret: refused, counted, told, and the route times out.
    net.set("r2", |config| {
        config
            .rip
            .as_mut()
            .unwrap()
            .authentication
            .insert("eth0".to_owned(), keys(&[(9, "other", CalendarLifetime::default())]));
    });
    net.run(200.0);
    assert_eq!(best(&mut net, "r1", "2.2.2.2/32"), None);
    let told = net.events.iter().any(
        |(_, event)| matches!(event, EventKind::Rip { message, .. } if message.contains("the key is another")),
    );
    assert!(told, "{:?}", net.events.last());
}

#[test]
fn orders_and_questions() {
    let mut net = Net::new(chain().to_vec(), CHAIN);
    net.run(10.0);
    match net.ask("r2", Query::RipNeighbors) {
        Answer::RipNeighbors(view) => {
            let list: Vec<_> =
                view.neighbors.iter().map(|n| (n.address.to_string(), n.interface.clone())).collect();
            assert_eq!(
                list,
                [("10.0.12.1".into(), "eth0".into()), ("10.0.23.3".to_owned(), "eth1".to_owned())]
            );
        }
        other => panic!("{other:?}"),
    }
    match net.ask("r2", Query::Rip) {
        Answer::Rip(view) => assert_eq!((view.neighbors, view.interfaces.len()), (2, 3)),
        other => panic!("{other:?}"),
    }
    // Asked for again, and learnt again from the answers.
    let clear = Query::RipClear { prefix: Some("3.3.3.3/32".parse().unwrap()) };
    match net.ask("r1", clear) {
        Answer::Done(done) => assert!(done.message.contains("3.3.3.3/32"), "{}", done.message),
        other => panic!("{other:?}"),
    }
    assert_eq!(in_rip(&mut net, "r1", "3.3.3.3/32"), learned(16));
    assert_eq!(in_rip(&mut net, "r1", "2.2.2.2/32"), learned(2));
    net.run(1.0);
    assert_eq!(in_rip(&mut net, "r1", "3.3.3.3/32"), learned(3));
    let v6 = Query::RipClear { prefix: Some("2001:db8::/32".parse().unwrap()) };
    assert!(matches!(net.ask("r1", v6), Answer::Error(_)));
}

#[test]
fn an_interface_leaves_rip_and_comes_back_with_other_settings() {
    let mut net = Net::new(chain().to_vec(), CHAIN);
    net.run(10.0);
    let done = net.set("r2", |config| drop(config.rip.as_mut().unwrap().machine.interfaces.remove("eth1")));
    assert_eq!(done.changes, ["rip runs on eth1 no more"]);
    net.run(6.0);
    assert_eq!(best(&mut net, "r3", "1.1.1.1/32"), None, "r2 said farewell on eth1");
    assert_eq!(best(&mut net, "r1", "3.3.3.3/32"), None);
    let frames = net.frames.len();
    net.run(60.0);
    let number = net.node("r2");
    let by_eth1 = |frame: &&(_, usize, trunkline_core::PortId, trunkline_core::Frame)| {
        frame.1 == number && frame.2.index() == 1 && frame.3.get(23) == Some(&17)
    };
    assert_eq!(net.frames[frames..].iter().filter(by_eth1).count(), 0, "it is silent there");

    let done = net.set("r2", |config| {
        let interface =
            InterfaceConfig { cost: 4, split_horizon: SplitHorizon::Simple, ..InterfaceConfig::default() };
        config.rip.as_mut().unwrap().machine.interfaces.insert("eth1".to_owned(), interface);
    });
    assert_eq!(done.changes, ["rip runs on eth1"]);
    net.run(6.0);
    assert_eq!(best(&mut net, "r2", "3.3.3.3/32"), Some((RouteSource::Rip, 5)));
}

#[test]
fn a_wider_filter_for_bgp() {
    let mut r2 = border();
    let rip2 = r2.rip.as_mut().unwrap();
    let narrow = RipRedistribute { filter: Some(Arc::default()), ..redistribute(RouteSource::Bgp, 3) };
    rip2.redistribute = vec![narrow];
    let r3 = speaks(3, &[("eth0", "10.0.23.3/24")]);
    let links: &[&[&str]] = &[&["r1.eth0", "r2.eth0"], &["r2.eth1", "r3.eth0"]];
    let mut net = Net::new(vec![speaker(1), r2, r3], links);
    net.run(40.0);
    assert_eq!(best(&mut net, "r3", "1.1.1.1/32"), None);
    net.set("r2", |config| {
        config.rip.as_mut().unwrap().redistribute = vec![redistribute(RouteSource::Bgp, 3)]
    });
    net.run(40.0);
    assert_eq!(best(&mut net, "r3", "1.1.1.1/32"), Some((RouteSource::Rip, 4)));
}

fn last_sequence(net: &Net, name: &str) -> u32 {
    let number = net.node(name);
    let mut of_it =
        net.frames.iter().filter(|(_, node, _, frame)| *node == number && frame.get(23) == Some(&17));
    let frame: &[u8] = &of_it.next_back().unwrap().3;
    u32::from_be_bytes(frame[54..58].try_into().unwrap())
}

#[test]
fn the_sequence_follows_a_clock_that_is_set_later() {
    let mut configs = chain()[..2].to_vec();
    for config in &mut configs {
        let list = [(1, "one", CalendarLifetime::default())];
        config.rip.as_mut().unwrap().authentication.insert("eth0".to_owned(), keys(&list));
    }
    let mut net = Net::new(configs, &CHAIN[..1]);
    net.run(40.0);
    let since_epoch = Duration::from_secs(1_790_000_000);
    net.with(0, |node, now, out| node.handle(now, NodeInput::WallClock { since_epoch }, out));
    net.run(40.0);
    assert!(last_sequence(&net, "r1") >= 1_790_000_000);
}

#[test]
fn of_keys_out_of_date_the_one_that_ended_last_is_used_on() {
    const DAY: u64 = 86_400;
    let mut configs = chain()[..2].to_vec();
    for config in &mut configs {
        let until = |until| CalendarLifetime { from: None, until: Some(until) };
        // Key 1 ended last.
        let list = [(1, "one", until(19_000 * DAY)), (2, "two", until(18_000 * DAY))];
        config.rip.as_mut().unwrap().authentication.insert("eth0".to_owned(), keys(&list));
    }
    let mut net = Net::new(configs, &CHAIN[..1]);
    for number in 0..2 {
        let since_epoch = Duration::from_secs(20_000 * DAY);
        net.with(number, |node, now, out| node.handle(now, NodeInput::WallClock { since_epoch }, out));
    }
    net.run(40.0);
    assert_eq!(last_key(&net, "r1"), Some(1));
}

#[test]
fn a_full_table_is_not_the_end_of_our_own_routes() {
    let mut configs = chain()[..2].to_vec();
    configs[0].static_routes = ["192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24"].map(blackhole).to_vec();
    configs[0].rip.as_mut().unwrap().redistribute = vec![redistribute(RouteSource::Static, 1)];
    let r2 = configs[1].rip.as_mut().unwrap();
    r2.machine.interfaces.remove("eth1");
    r2.machine.limits.routes = 6;
    r2.redistribute = vec![redistribute(RouteSource::Static, 1)];
    let mut net = Net::new(configs, &CHAIN[..1]);
    net.run(40.0);
    // r2 has 10.0.12.0/24, 2.2.2.2, 1.1.1.1 and three statics of r1.
    net.set("r2", |config| config.static_routes = vec![blackhole("10.77.0.0/16")]);
    net.run(40.0);
    net.set("r1", |config| config.static_routes.clear());
    net.run(400.0);
    assert_eq!(in_rip(&mut net, "r2", "10.77.0.0/16"), Some(("redistributed".to_owned(), 1)));
    assert_eq!(best(&mut net, "r1", "10.77.0.0/16"), Some((RouteSource::Rip, 2)));
}

#[test]
fn where_another_sources_route_goes_rips_takes_its_place() {
    let mut configs = chain()[..2].to_vec();
    for config in &mut configs {
        config.static_routes = vec![blackhole("192.0.2.0/24")];
        let rip = config.rip.as_mut().unwrap();
        rip.redistribute = vec![redistribute(RouteSource::Static, 1)];
        rip.machine.timers = trunkline_rip::Timers::four();
        rip.machine.hold_down = trunkline_rip::HoldDown::SuppressEqualOrWorse;
    }
    let mut net = Net::new(configs, &CHAIN[..1]);
    net.run(40.0);
    net.set("r2", |config| config.static_routes.clear());
    net.run(36.0);
    // Hold-down protects against echoes of what failed in the network, not from what we no longer say ourselves.
    assert_eq!(best(&mut net, "r2", "192.0.2.0/24"), Some((RouteSource::Rip, 2)));
}

#[test]
fn rip_again_after_the_clock_went_back() {
    let mut configs = chain()[..2].to_vec();
    for config in &mut configs {
        let list = [(1, "one", CalendarLifetime::default())];
        config.rip.as_mut().unwrap().authentication.insert("eth0".to_owned(), keys(&list));
    }
    let mut net = Net::new(configs, &CHAIN[..1]);
    net.run(40.0);
    let since_epoch = Duration::from_secs(1_790_000_000);
    let rip = net.nodes[0].config().rip.clone();
    net.set("r1", |config| config.rip = None);
    net.with(0, |node, now, out| node.handle(now, NodeInput::WallClock { since_epoch }, out));
    net.set("r1", |config| config.rip = rip.clone());
    net.run(40.0);
    let before = last_sequence(&net, "r1");
    // Set back by an hour, then a reload takes RIP away and another brings it back.
    let since_epoch = Duration::from_secs(1_790_000_000 - 3600);
    net.with(0, |node, now, out| node.handle(now, NodeInput::WallClock { since_epoch }, out));
    net.set("r1", |config| config.rip = None);
    net.set("r1", |config| config.rip = rip);
    net.run(400.0);
    assert!(last_sequence(&net, "r1") > before);
    assert_eq!(best(&mut net, "r2", "1.1.1.1/32"), Some((RouteSource::Rip, 2)));
}
