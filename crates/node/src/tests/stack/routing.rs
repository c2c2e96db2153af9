//! Forwarding, ICMP, and changes of the configuration.

use super::wire::Net;
use super::{host, ping, router, subnet};
use crate::config::{InterfaceConfig, PortKind, StaticRoute};
use trunkline_view::device::IpView;
use trunkline_view::probe::{PingQuery, TracerouteQuery};
use trunkline_view::{Answer, Query, RouteSource};

fn statistics(net: &mut Net, name: &str) -> IpView {
    match net.ask(name, Query::IpStatistics) {
        Answer::IpStatistics(view) => view,
        other => panic!("{other:?}"),
    }
}

fn route(prefix: &str, via: &str) -> StaticRoute {
    let via = vec![via.parse().unwrap()];
    StaticRoute { prefix: prefix.parse().unwrap(), via, interface: None, distance: 1 }
}

fn host_router_host() -> Net {
    let configs = vec![
        host("a", "10.0.0.1/24", "10.0.0.254"),
        router("r", &[("eth0", &["10.0.0.254/24"]), ("eth1", &["10.0.1.254/24"])]),
        host("b", "10.0.1.1/24", "10.0.1.254"),
    ];
    Net::new(configs, &[&["a.eth0", "r.eth0"], &["r.eth1", "b.eth0"]])
}

#[test]
fn from_host_to_host_over_a_router() {
    let mut net = host_router_host();
    let view = ping(&mut net, "a", "10.0.1.1", 3);
    assert_eq!((view.received, view.replies[0].ttl), (3, Some(63)));
    // 10.0.1.9 is nobody: the router says so.
    let query = PingQuery { count: 1, timeout_ms: 5000, ..PingQuery::new("10.0.1.9".parse().unwrap()) };
    let Answer::Ping(view) = net.ask("a", Query::Ping(query)) else { panic!("no ping") };
    assert_eq!(view.replies[0].error.as_deref(), Some("host unreachable"));
    assert_eq!(view.replies[0].from, Some("10.0.0.254".parse().unwrap()));
    assert!(statistics(&mut net, "r").counters["ipForwDatagrams"] >= 7);
}

#[test]
fn a_large_packet_is_cut_and_put_together() {
    let mut net = host_router_host();
    net.set("r", |config| config.interfaces[1].mtu = 600);
    let query = PingQuery { count: 1, size: 4000, ..PingQuery::new("10.0.1.1".parse().unwrap()) };
    let Answer::Ping(view) = net.ask("a", Query::Ping(query.clone())) else { panic!("no ping") };
    assert_eq!((view.received, view.replies[0].octets), (1, 4008));
    // What must not be cut does not pass. Who can say whether the error is true? So it is shown and not noted.
    let query = PingQuery { size: 1000, dont_fragment: true, ..query };
    let Answer::Ping(view) = net.ask("a", Query::Ping(query)) else { panic!("no ping") };
    assert_eq!(view.replies[0].error.as_deref(), Some("fragmentation needed, path MTU 600"));
    assert_eq!(statistics(&mut net, "a").path_mtus, []);
}

#[test]
fn a_redirect_shows_the_nearer_router() {
    // The article's: H, R1 and R2 on one segment; 10.1.1.1 is behind R2, H knows R1 only.
    let mut r1 = router("r1", &[("eth0", &["172.16.1.100/24"])]);
    r1.static_routes = vec![route("10.1.1.0/24", "172.16.1.200")];
    let r2 = router("r2", &[("eth0", &["172.16.1.200/24"]), ("lo0", &["10.1.1.1/24"])]);
    let h = host("h", "172.16.1.1/24", "172.16.1.100");
    let mut net = Net::new(vec![h, r1, r2], &[&["h.eth0", "r1.eth0", "r2.eth0"]]);
    assert_eq!(ping(&mut net, "h", "10.1.1.1", 3).received, 3);
    let view = statistics(&mut net, "h");
    assert_eq!(view.redirects[0].destination.to_string(), "10.1.1.1");
    assert_eq!(view.redirects[0].gateway.to_string(), "172.16.1.200");
    assert_eq!(statistics(&mut net, "r1").counters["icmpOutRedirects"], 1);
    assert!(
        net.words("r1")
            .iter()
            .any(|w| w == "redirect sent to 172.16.1.1: 10.1.1.1 is nearer by 172.16.1.200")
    );
    // From now on r1 has nothing to do.
    let before = statistics(&mut net, "r1").counters["ipForwDatagrams"];
    assert_eq!(ping(&mut net, "h", "10.1.1.1", 3).received, 3);
    assert_eq!(statistics(&mut net, "r1").counters["ipForwDatagrams"], before);
}

#[test]
fn no_redirect_to_another_subnet_of_the_wire() {
    // The article's second case: the gateway is in a secondary subnet, of which H knows nothing.
    let mut r1 = router("r1", &[("eth0", &["172.16.1.100/24", "192.168.1.100/24"])]);
    r1.static_routes = vec![route("10.1.1.0/24", "192.168.1.200")];
    let mut r2 = router("r2", &[("eth0", &["192.168.1.200/24"]), ("lo0", &["10.1.1.1/24"])]);
    r2.static_routes = vec![route("172.16.1.0/24", "192.168.1.100")];
    let h = host("h", "172.16.1.1/24", "172.16.1.100");
    let mut net = Net::new(vec![h, r1, r2], &[&["h.eth0", "r1.eth0", "r2.eth0"]]);
    assert_eq!(ping(&mut net, "h", "10.1.1.1", 3).received, 3);
    assert_eq!(statistics(&mut net, "h").redirects, []);
    assert_eq!(statistics(&mut net, "r1").counters["icmpOutRedirects"], 0);
}

#[test]
fn traceroute_over_three_routers() {
    let mut r1 = router("r1", &[("eth0", &["10.0.0.254/24"]), ("eth1", &["10.0.1.1/24"])]);
    r1.static_routes = vec![route("0.0.0.0/0", "10.0.1.2")];
    let mut r2 = router("r2", &[("eth0", &["10.0.1.2/24"]), ("eth1", &["10.0.2.2/24"])]);
    r2.static_routes = vec![route("10.0.0.0/24", "10.0.1.1"), route("10.0.3.0/24", "10.0.2.3")];
    let mut r3 = router("r3", &[("eth0", &["10.0.2.3/24"]), ("eth1", &["10.0.3.254/24"])]);
    r3.static_routes = vec![route("0.0.0.0/0", "10.0.2.2")];
    let configs =
        vec![host("a", "10.0.0.1/24", "10.0.0.254"), r1, r2, r3, host("b", "10.0.3.1/24", "10.0.3.254")];
    let links: &[&[&str]] =
        &[&["a.eth0", "r1.eth0"], &["r1.eth1", "r2.eth0"], &["r2.eth1", "r3.eth0"], &["r3.eth1", "b.eth0"]];
    let mut net = Net::new(configs, links);
    let query = TracerouteQuery::new("10.0.3.1".parse().unwrap());
    let Answer::Traceroute(view) = net.ask("a", Query::Traceroute(query)) else { panic!("no traceroute") };
    let routers: Vec<String> = view
        .hops
        .iter()
        .map(|hop| hop.probes[0].from.map_or("*".to_owned(), |from| from.to_string()))
        .collect();
    assert_eq!(routers, ["10.0.0.254", "10.0.1.2", "10.0.2.3", "10.0.3.1"]);
    assert!(view.reached && view.hops.iter().all(|hop| hop.probes.len() == 3));
    assert!(view.hops[3].probes[2].time.is_some_and(|time| time < 0.001));

    // To where r2 has no route.
    let query = TracerouteQuery { probes: 1, ..TracerouteQuery::new("192.0.2.1".parse().unwrap()) };
    let Answer::Traceroute(view) = net.ask("a", Query::Traceroute(query)) else { panic!("no traceroute") };
    assert!(!view.reached);
    assert_eq!(view.hops.len(), 2);
    assert_eq!(view.hops[1].probes[0].error.as_deref(), Some("network unreachable"));
}

#[test]
fn changes_while_it_runs() {
    let mut net = host_router_host();
    assert_eq!(ping(&mut net, "a", "10.0.1.1", 1).received, 1);

    let done = net.set("r", |config| config.interfaces[1].enabled = false);
    assert_eq!(done.changes, ["interface eth1: disabled"]);
    let view = ping(&mut net, "a", "10.0.1.1", 1);
    assert_eq!(view.replies[0].error.as_deref(), Some("network unreachable"));

    net.set("r", |config| config.interfaces[1].enabled = true);
    assert_eq!(ping(&mut net, "a", "10.0.1.1", 1).received, 1);

    let done = net.set("r", |config| {
        config.interfaces[0].address.push(subnet("10.9.0.254/24"));
        config.interfaces.push(InterfaceConfig {
            address: vec![subnet("9.9.9.9/32")],
            ..InterfaceConfig::new("lo0", PortKind::Loopback)
        });
    });
    assert_eq!(done.changes, ["interface eth0: address 10.9.0.254/24 added", "interface lo0 added"]);
    for address in ["10.9.0.254", "9.9.9.9"] {
        assert_eq!(ping(&mut net, "a", address, 1).received, 1, "{address}");
    }
    let done = net.set("r", |config| drop(config.interfaces.pop()));
    assert_eq!(done.changes, ["interface lo0 removed"]);
    assert_eq!(ping(&mut net, "a", "9.9.9.9", 1).received, 0);

    // A host's gateway is its default route.
    let done = net.set("a", |config| config.gateway = None);
    assert_eq!(done.changes, ["static route to 0.0.0.0/0 (via 10.0.0.254, distance 1) removed"]);
    assert_eq!(ping(&mut net, "a", "10.0.1.1", 1).received, 0);
}

#[test]
fn the_routing_table_shows_interfaces_of_our_own() {
    let mut net = host_router_host();
    let Answer::Routes(view) = net.ask("a", Query::Routes { prefix: None, cursor: 0, limit: 100 }) else {
        panic!("no routes")
    };
    let found: Vec<(String, RouteSource, bool)> =
        view.routes.iter().map(|route| (route.prefix.to_string(), route.source, route.installed)).collect();
    let expected = [
        ("0.0.0.0/0", RouteSource::Static),
        ("10.0.0.0/24", RouteSource::Connected),
        ("10.0.0.1/32", RouteSource::Local),
    ];
    assert_eq!(found, expected.map(|(prefix, source)| (prefix.to_owned(), source, true)));
    let Answer::Interfaces(view) = net.ask("r", Query::Interfaces) else { panic!("no interfaces") };
    assert_eq!(view.interfaces[1].index, 1_000_001);
    assert!(view.interfaces.iter().all(|interface| interface.up && interface.mac.is_some()));
}
