//! The routing table, next hops, networks and static routes, as data.

use super::{a, fixed, hop, interface, kernel, p};
use crate::interfaces::Interfaces;
use crate::next_hops;
use crate::routing::{Routing, Told};
use std::net::Ipv4Addr;
use trunkline_bgp::NextHopState;
use trunkline_core::Prefix;
use trunkline_view::{EventKind, RouteSource};

/// lo, eth0 192.0.2.1/24 and 2001:db8::1/64, eth1 198.51.100.1/30, eth2 down.
fn routing() -> Routing {
    let mut routing = Routing::new(1);
    routing.interface(interface("lo", true, &["127.0.0.1/8", "::1/128", "203.0.113.7/32"]));
    routing.interface(interface("eth0", true, &["192.0.2.1/24", "2001:db8::1/64", "fe80::1/64"]));
    routing.interface(interface("eth1", true, &["198.51.100.1/30"]));
    routing.interface(interface("eth2", false, &["203.0.113.129/25"]));
    routing.told = trunkline_core::Outbox::new();
    routing
}

fn told(routing: &mut Routing) -> Vec<Told> {
    routing
        .told
        .drain()
        .filter(|t| !matches!(t, Told::Event(_) | Told::LocalAddresses(_) | Told::Interface(_)))
        .collect()
}

fn winner(routing: &Routing, prefix: &str) -> Option<RouteSource> {
    routing.rib.best(p(prefix)).map(|c| c.source)
}

#[test]
fn interfaces_that_are_up_give_connected_and_local_routes() {
    let r = routing();
    let cases = [
        ("192.0.2.0/24", Some(RouteSource::Connected)),
        ("192.0.2.1/32", Some(RouteSource::Local)),
        ("127.0.0.0/8", Some(RouteSource::Connected)),
        ("203.0.113.7/32", Some(RouteSource::Connected)),
        ("2001:db8::/64", Some(RouteSource::Connected)),
        ("fe80::/64", None),
        ("203.0.113.128/25", None), // eth2 is down
        ("192.0.2.0/25", None),
    ];
    for (prefix, expect) in cases {
        assert_eq!(winner(&r, prefix), expect, "{prefix}");
    }
}

#[test]
fn the_lowest_distance_wins_then_the_source_then_the_metric() {
    let mut r = routing();
    r.kernel_route(p("10.0.0.0/8"), kernel(&[hop("192.0.2.9", "eth0")], 100));
    assert_eq!(winner(&r, "10.0.0.0/8"), Some(RouteSource::Kernel));
    r.set_statics(&[fixed("10.0.0.0/8", &["192.0.2.2"], 1)]);
    assert_eq!(winner(&r, "10.0.0.0/8"), Some(RouteSource::Static));
    r.set_statics(&[fixed("10.0.0.0/8", &["192.0.2.2"], 250)]);
    assert_eq!(winner(&r, "10.0.0.0/8"), Some(RouteSource::Kernel));
    r.kernel_route(p("10.0.0.0/8"), None);
    assert_eq!(winner(&r, "10.0.0.0/8"), Some(RouteSource::Static));
    r.set_statics(&[]);
    assert_eq!(winner(&r, "10.0.0.0/8"), None);
    // A kernel route beside the subnet itself does not win over it.
    r.kernel_route(p("192.0.2.0/24"), kernel(&[hop("", "eth1")], 0));
    assert_eq!(winner(&r, "192.0.2.0/24"), Some(RouteSource::Connected));
    assert_eq!(r.rib.lookup(a("192.0.2.77")).map(|(prefix, _)| prefix), Some(p("192.0.2.0/24")));
}

#[test]
fn a_subnet_stays_while_another_address_of_the_interface_is_in_it() {
    let mut r = routing();
    r.interface(interface("eth1", true, &["198.51.100.1/30", "198.51.100.2/30"]));
    r.interface(interface("eth1", true, &["198.51.100.2/30"]));
    assert_eq!(winner(&r, "198.51.100.0/30"), Some(RouteSource::Connected));
    assert_eq!(winner(&r, "198.51.100.1/32"), None);
    assert_eq!(winner(&r, "198.51.100.2/32"), Some(RouteSource::Local));
}

#[test]
fn kernel_routes_go_with_their_interface() {
    let mut r = routing();
    r.kernel_route(p("10.0.0.0/8"), kernel(&[hop("198.51.100.2", "eth1")], 0));
    r.interface(interface("eth1", false, &["198.51.100.1/30"]));
    assert_eq!(winner(&r, "10.0.0.0/8"), None);
    r.interface(interface("eth1", true, &["198.51.100.1/30"]));
    assert_eq!(winner(&r, "10.0.0.0/8"), Some(RouteSource::Kernel));
}

#[test]
fn kernel_routes_beyond_the_limit_are_left_out_with_one_notice() {
    let mut r = routing();
    r.kernel_limit = 2;
    let prefixes = ["10.0.0.0/8", "11.0.0.0/8", "12.0.0.0/8", "13.0.0.0/8"];
    for prefix in prefixes {
        r.kernel_route(p(prefix), kernel(&[], 0));
    }
    assert!(matches!(r.told.drain().collect::<Vec<_>>()[..], [Told::Event(_)]));
    assert_eq!(prefixes.map(|prefix| winner(&r, prefix).is_some()), [true, true, false, false]);
    r.kernel_route(p("11.0.0.0/8"), kernel(&[], 9)); // a change of one that is held
    r.kernel_route(p("10.0.0.0/8"), None);
    r.kernel_route(p("10.0.0.0/8"), None);
    r.kernel_route(p("12.0.0.0/8"), kernel(&[], 0));
    r.kernel_route(p("13.0.0.0/8"), kernel(&[], 0));
    assert_eq!(prefixes.map(|prefix| winner(&r, prefix).is_some()), [false, true, true, false]);
}

#[test]
fn static_routes_are_active_only_while_they_lead_somewhere() {
    // via, active with eth1 up, and with eth1 down
    let cases: [(&[&str], bool, bool); 10] = [
        (&[], true, true),                            // blackhole
        (&["192.0.2.2"], true, true),                 // on eth0
        (&["198.51.100.2"], true, false),             // on eth1
        (&["198.51.100.2", "192.0.2.2"], true, true), // one is enough
        (&["10.9.9.9"], false, false),                // nowhere
        (&["192.0.2.1"], false, false),               // our own address
        (&["@eth1"], true, false),
        (&["@eth2"], false, false),
        (&["fe80::2", "@eth1"], true, false), // the operator says where
        (&["fe80::2"], true, true),           // eth0 is the only link with such addresses
    ];
    for (via, up, down) in cases {
        let mut r = routing();
        let prefix =
            if via.first().is_some_and(|v| v.contains(':')) { "2001:db8:9::/48" } else { "10.0.0.0/8" };
        r.set_statics(&[fixed(prefix, via, 1)]);
        assert_eq!(winner(&r, prefix).is_some(), up, "{via:?}");
        r.interface(interface("eth1", false, &["198.51.100.1/30"]));
        assert_eq!(winner(&r, prefix).is_some(), down, "{via:?} with eth1 down");
        r.interface(interface("eth1", true, &["198.51.100.1/30"]));
        assert_eq!(winner(&r, prefix).is_some(), up, "{via:?} with eth1 up again");
    }
}

#[test]
fn a_static_route_does_not_hang_on_itself() {
    let mut r = routing();
    r.set_statics(&[fixed("10.0.0.0/8", &["10.1.1.1"], 1), fixed("10.1.1.0/24", &["10.0.0.1"], 1)]);
    assert_eq!(winner(&r, "10.0.0.0/8"), None);
}

#[test]
fn next_hops_resolve_through_the_table() {
    let mut r = routing();
    r.kernel_route(p("10.0.0.0/8"), kernel(&[hop("192.0.2.9", "eth0")], 77));
    r.kernel_route(p("10.1.0.0/16"), kernel(&[hop("10.2.0.1", "")], 5)); // its gateway is behind the route above
    r.kernel_route(p("10.3.0.0/16"), kernel(&[hop("10.3.0.1", "")], 5)); // and this one behind itself
    r.kernel_route(p("10.4.0.0/16"), kernel(&[hop("", "eth1")], 6)); // on the link, by another's word
    r.kernel_route(p("10.5.0.0/16"), kernel(&[], 0)); // unreachable
    r.set_statics(&[fixed("172.16.0.0/12", &["192.0.2.3", "198.51.100.2"], 1)]);
    let nh = |metric, connected, ways: &[(&str, &str)]| {
        Some((NextHopState { metric, connected }, ways.iter().map(|(g, i)| hop(g, i)).collect::<Vec<_>>()))
    };
    let cases = [
        ("192.0.2.2", nh(0, true, &[("192.0.2.2", "eth0")])),
        ("::ffff:192.0.2.2", nh(0, true, &[("192.0.2.2", "eth0")])),
        ("192.0.2.1", nh(0, true, &[("192.0.2.1", "eth0")])),
        ("127.0.0.2", nh(0, true, &[("127.0.0.2", "lo")])),
        ("2001:db8::2", nh(0, true, &[("2001:db8::2", "eth0")])),
        ("fe80::2", nh(0, true, &[("fe80::2", "eth0")])),
        ("10.9.9.9", nh(77, false, &[("192.0.2.9", "eth0")])),
        ("10.1.0.1", nh(5, false, &[("192.0.2.9", "eth0")])),
        ("10.3.0.9", None),
        ("10.4.0.1", nh(6, true, &[("10.4.0.1", "eth1")])),
        ("10.5.0.1", None),
        ("172.16.0.1", nh(0, false, &[("192.0.2.3", "eth0"), ("198.51.100.2", "eth1")])),
        ("8.8.8.8", None),
        ("0.0.0.0", None),
        ("224.0.0.1", None),
        ("2001:db8:1::1", None),
    ];
    for (address, expect) in cases {
        let found = next_hops::resolve(a(address), &r.rib, &r.interfaces).map(|f| (f.state, f.ways));
        assert_eq!(found, expect, "{address}");
    }
}

#[test]
fn bgp_is_told_of_a_next_hop_at_once_and_at_each_change_that_matters() {
    let mut r = routing();
    let connected = Some(NextHopState { metric: 0, connected: true });
    r.track(a("198.51.100.2"));
    r.track(a("10.0.0.1"));
    let (first, second) = (a("198.51.100.2"), a("10.0.0.1"));
    assert_eq!(told(&mut r), [Told::NextHop(first, connected), Told::NextHop(second, None)]);
    r.kernel_route(p("10.0.0.0/8"), kernel(&[hop("192.0.2.9", "eth0")], 7));
    let behind = Some(NextHopState { metric: 7, connected: false });
    assert_eq!(told(&mut r), [Told::NextHop(second, behind)]);
    // Another gateway, same metric: nothing BGP could care for. Nor is a route that concerns neither.
    r.kernel_route(p("10.0.0.0/8"), kernel(&[hop("192.0.2.10", "eth0")], 7));
    r.kernel_route(p("172.16.0.0/12"), kernel(&[hop("192.0.2.10", "eth0")], 7));
    assert_eq!(told(&mut r), []);
    r.interface(interface("eth1", false, &["198.51.100.1/30"]));
    assert_eq!(told(&mut r), [Told::NextHop(first, None)]);
    r.next_hops.untrack(first);
    r.interface(interface("eth1", true, &["198.51.100.1/30"]));
    assert_eq!(told(&mut r), []);
}

#[test]
fn a_recursive_next_hop_follows_its_gateway() {
    let mut r = routing();
    r.kernel_route(p("10.1.0.0/16"), kernel(&[hop("10.2.0.1", "")], 5));
    r.track(a("10.1.0.1"));
    assert_eq!(told(&mut r), [Told::NextHop(a("10.1.0.1"), None)]);
    r.kernel_route(p("10.2.0.0/16"), kernel(&[hop("192.0.2.9", "eth0")], 7));
    let reached = Some(NextHopState { metric: 5, connected: false });
    assert_eq!(told(&mut r), [Told::NextHop(a("10.1.0.1"), reached)]);
    r.kernel_route(p("10.2.0.0/16"), None);
    assert_eq!(told(&mut r), [Told::NextHop(a("10.1.0.1"), None)]);
}

#[test]
fn networks_come_and_go_with_their_routes() {
    // RFC 4271 §9.4: only what the routing table holds is announced.
    let networks: Vec<Prefix> =
        ["203.0.113.7/32", "198.51.100.0/30", "10.0.0.0/8", "172.16.0.0/12"].map(p).to_vec();
    let mut r = routing();
    r.set_networks(&networks, true);
    let expect = [
        Told::Network(networks[2], false),
        Told::Network(networks[3], false),
        Told::Network(networks[1], true),
        Told::Network(networks[0], true),
    ];
    assert_eq!(told(&mut r), expect);
    // The loopback is shut down, and comes back.
    r.interface(interface("lo", false, &["127.0.0.1/8", "203.0.113.7/32"]));
    assert_eq!(told(&mut r), [Told::Network(networks[0], false)]);
    r.interface(interface("lo", true, &["127.0.0.1/8", "203.0.113.7/32"]));
    assert_eq!(told(&mut r), [Told::Network(networks[0], true)]);
    // An address goes.
    r.interface(interface("eth1", true, &[]));
    assert_eq!(told(&mut r), [Told::Network(networks[1], false)]);
    // A static route, a blackhole, a kernel route.
    r.set_statics(&[fixed("10.0.0.0/8", &[], 1), fixed("172.16.0.0/12", &["198.51.100.2"], 1)]);
    assert_eq!(told(&mut r), [Told::Network(networks[2], true)]);
    r.kernel_route(networks[3], kernel(&[hop("192.0.2.2", "eth0")], 0));
    assert_eq!(told(&mut r), [Told::Network(networks[3], true)]);
    r.interface(interface("eth1", true, &["198.51.100.1/30"]));
    assert_eq!(told(&mut r), [Told::Network(networks[1], true)]);
    r.kernel_route(networks[3], None); // the static route takes over
    assert_eq!(told(&mut r), []);
    r.set_networks(&networks[..1], true);
    r.set_statics(&[]);
    assert_eq!(told(&mut r), []);
}

#[test]
fn changes_of_interfaces_are_said_in_words() {
    let mut interfaces = Interfaces::default();
    let mut says = |change| -> Vec<String> {
        let words = interfaces.apply(change).into_iter().map(|event| match event {
            EventKind::Interface { name, message } => format!("{name} {message}"),
            other => format!("{other:?}"),
        });
        words.collect()
    };
    assert_eq!(says(interface("eth0", true, &["192.0.2.1/24"])), ["eth0 is there, up, with 192.0.2.1/24"]);
    assert_eq!(says(interface("eth0", true, &["192.0.2.1/24"])), [""; 0]);
    assert_eq!(
        says(interface("eth0", false, &["192.0.2.2/24"])),
        ["eth0 is down: disabled", "eth0 lost address 192.0.2.1/24", "eth0 got address 192.0.2.2/24"]
    );
    assert_eq!(says(crate::InterfaceChange::Gone { index: 1 }), ["eth0 is gone"]);
    assert_eq!(says(crate::InterfaceChange::Gone { index: 1 }), [""; 0]);
}

#[test]
fn the_router_id_is_the_highest_loopback_address_else_the_highest() {
    type Addresses = (&'static str, &'static [&'static str]);
    let cases: [(&[Addresses], Option<[u8; 4]>); 4] = [
        (
            &[("lo", &["127.0.0.1/8", "10.0.0.1/32", "10.0.0.9/32"]), ("eth0", &["192.0.2.1/24"])],
            Some([10, 0, 0, 9]),
        ),
        (
            &[("lo", &["127.0.0.1/8"]), ("eth0", &["192.0.2.1/24"]), ("eth1", &["192.0.2.7/24"])],
            Some([192, 0, 2, 7]),
        ),
        (&[("lo", &["127.0.0.1/8", "::1/128"]), ("eth0", &["2001:db8::1/64"])], None),
        (&[], None),
    ];
    for (list, expect) in cases {
        let mut interfaces = Interfaces::default();
        for (name, addresses) in list {
            interfaces.apply(interface(name, true, addresses));
        }
        assert_eq!(interfaces.choose_router_id(), expect.map(Ipv4Addr::from), "{list:?}");
    }
}
