//! The node as its driver sees it, and the routing table as people see it.

use super::{a, best, fixed, hop, interface, kernel, p};
use crate::config::{ApiConfig, FibConfig, NodeConfig};
use crate::routing::Routing;
use crate::table_view::{BestRoutes, Table};
use crate::{FibChange, FibRefusal, Node, NodeInput, NodeOutput, StartError};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use trunkline_bgp::BestRoute;
use trunkline_bgp::config::Config;
use trunkline_core::{Asn, Instant, Outbox, Prefix};
use trunkline_view::{Answer, ErrorKind, EventKind, Query, Route, RouteSource};

fn config(install: bool) -> NodeConfig {
    NodeConfig {
        api: ApiConfig { socket: "/tmp/r1.sock".into(), listen: Vec::new() },
        fib: FibConfig { install, table: 254, metric: 32 },
        static_routes: vec![fixed("10.0.0.0/8", &["192.0.2.2"], 1)],
        bgp_listen: Vec::new(),
        ..NodeConfig::new("r1")
    }
}

fn bgp() -> Config {
    let config = Config::new(Asn(65001), Ipv4Addr::UNSPECIFIED, "r1");
    Config { networks: vec![p("10.0.0.0/8")], ..config }
}

fn interfaces() -> Vec<crate::InterfaceChange> {
    vec![interface("lo", true, &["127.0.0.1/8"]), interface("eth0", true, &["192.0.2.1/24"])]
}

fn run(node: &mut Node, out: &mut Outbox<NodeOutput>) -> Vec<NodeOutput> {
    let now = Instant::from_secs(5);
    while node.poll_timeout().is_some_and(|at| at <= now) {
        node.handle_timeout(now, out);
    }
    out.drain().collect()
}

fn fib(outputs: &[NodeOutput]) -> Vec<FibChange> {
    let only = |o: &NodeOutput| match o {
        NodeOutput::Fib(change) => Some(change.clone()),
        _ => None,
    };
    outputs.iter().filter_map(only).collect()
}

fn ask(node: &mut Node, query: Query) -> Answer {
    let mut out = Outbox::new();
    node.handle(Instant::from_secs(7), NodeInput::Query { id: 9, query }, &mut out);
    match out.pop() {
        Some(NodeOutput::Answer { id: 9, answer }) => answer,
        other => panic!("no answer but {other:?}"),
    }
}

fn installed() -> FibChange {
    FibChange::Replace { prefix: p("10.0.0.0/8"), next_hops: vec![hop("192.0.2.2", "eth0")] }
}

#[test]
fn routes_go_to_the_kernel_from_the_start_on_until_the_end() {
    let mut out = Outbox::new();
    let mut node = Node::new(config(true), interfaces(), 1, "0.1").unwrap();
    let route = kernel(&[hop("192.0.2.9", "eth0")], 0);
    node.handle(Instant::ZERO, NodeInput::KernelRoute { prefix: p("0.0.0.0/0"), route }, &mut out);
    assert!(out.is_empty(), "nothing before the start");
    node.start(Instant::ZERO, &mut out);
    assert_eq!(fib(&run(&mut node, &mut out)), [installed()]);
    node.handle(Instant::ZERO, NodeInput::Interface(interface("eth0", false, &["192.0.2.1/24"])), &mut out);
    let outputs = run(&mut node, &mut out);
    assert_eq!(fib(&outputs), [FibChange::Remove { prefix: p("10.0.0.0/8") }]);
    assert!(outputs.iter().any(|o| matches!(o, NodeOutput::Event(EventKind::Interface { .. }))));
    node.handle(Instant::ZERO, NodeInput::Interface(interface("eth0", true, &["192.0.2.1/24"])), &mut out);
    assert_eq!(fib(&run(&mut node, &mut out)), [installed()]);
    node.shutdown(Instant::from_secs(6), &mut out);
    assert_eq!(fib(&run(&mut node, &mut out)), [FibChange::Remove { prefix: p("10.0.0.0/8") }]);
    assert_eq!(node.reconfigure(Instant::from_secs(6), config(true), &mut out), Default::default());
    assert!(out.is_empty(), "nothing after the end");
}

#[test]
fn a_refusal_is_an_event_and_is_shown() {
    let mut out = Outbox::new();
    let mut node = Node::new(config(true), interfaces(), 1, "0.1").unwrap();
    node.start(Instant::ZERO, &mut out);
    run(&mut node, &mut out);
    let (prefix, why) = (p("10.0.0.0/8"), FibRefusal::Invalid);
    let refusal = NodeInput::FibRefused { prefix, why, reason: "no".to_owned() };
    node.handle(Instant::ZERO, refusal, &mut out);
    assert!(matches!(run(&mut node, &mut out)[..], [NodeOutput::Event(_)]));
    let Answer::Routes(view) =
        ask(&mut node, Query::Routes { prefix: Some(p("10.0.0.0/8")), cursor: 0, limit: 1 })
    else {
        panic!("no routes");
    };
    let because = view.routes[0].not_installed_because.as_deref();
    assert_eq!(because, Some("the kernel refused it: no"));
}

#[test]
fn without_any_ipv4_address_bgp_needs_a_router_id() {
    let only_lo = || vec![interface("lo", true, &["127.0.0.1/8"])];
    let with_bgp = NodeConfig { bgp: Some(bgp()), ..config(false) };
    let refused = Node::new(with_bgp.clone(), only_lo(), 1, "0.1").err();
    assert_eq!(refused, Some(StartError::NoRouterId));
    assert!(StartError::NoRouterId.to_string().contains("router-id = \"192.0.2.1\""));
    assert!(Node::new(config(false), only_lo(), 1, "0.1").is_ok());
    let chosen = Node::new(with_bgp.clone(), interfaces(), 1, "0.1").unwrap();
    assert_eq!(chosen.router_id(), Ipv4Addr::new(192, 0, 2, 1));
    let given = NodeConfig { router_id: Some(Ipv4Addr::new(1, 1, 1, 1)), ..with_bgp };
    assert_eq!(Node::new(given, only_lo(), 1, "0.1").unwrap().router_id(), Ipv4Addr::new(1, 1, 1, 1));
}

#[test]
fn queries_are_answered_at_once() {
    let mut node = Node::new(config(false), interfaces(), 1, "0.1").unwrap();
    node.start(Instant::from_secs(5), &mut Outbox::new());
    node.set_process_info(42, vec!["r1.toml".to_owned()]);
    let Answer::Node(view) = ask(&mut node, Query::Node) else { panic!("no node") };
    assert_eq!((view.name.as_str(), view.uptime, view.pid), ("r1", 2.0, 42));
    assert_eq!(
        (view.router_id, view.config_files),
        (Ipv4Addr::new(192, 0, 2, 1), vec!["r1.toml".to_owned()])
    );
    let Answer::Interfaces(view) = ask(&mut node, Query::Interfaces) else { panic!("no interfaces") };
    assert_eq!(view.interfaces.iter().map(|i| i.name.as_str()).collect::<Vec<_>>(), ["eth0", "lo"]);
    let Answer::Error(error) = ask(&mut node, Query::BgpSummary) else { panic!("no error") };
    assert_eq!(error.kind, ErrorKind::NotRunning);
}

#[test]
fn a_change_of_configuration_says_what_it_did() {
    let mut out = Outbox::new();
    let mut node = Node::new(config(false), interfaces(), 1, "0.1").unwrap();
    node.start(Instant::ZERO, &mut out);
    assert_eq!(fib(&run(&mut node, &mut out)), []);
    let mut change = |node: &mut Node, to: NodeConfig| -> (Vec<String>, Vec<FibChange>) {
        let done = node.reconfigure(Instant::from_secs(1), to, &mut out);
        (done.changes, fib(&run(node, &mut out)))
    };
    assert_eq!(change(&mut node, config(false)), (vec![], vec![]));
    let (words, told) = change(&mut node, config(true));
    assert_eq!((words, told), (vec!["fib: routes go to the kernel now".to_owned()], vec![installed()]));
    let mut moved = config(true);
    moved.fib.table = 100;
    let (words, told) = change(&mut node, moved.clone());
    assert_eq!((words, told), (vec!["fib table 100 (was 254)".to_owned()], vec![installed()]));
    let mut other = NodeConfig { router_id: Some(Ipv4Addr::new(9, 9, 9, 9)), ..moved };
    other.static_routes = vec![fixed("10.0.0.0/8", &[], 1)];
    let (words, told) = change(&mut node, other.clone());
    let expect = [
        "router id 9.9.9.9 (was 192.0.2.1)",
        "static route to 10.0.0.0/8 (via 192.0.2.2, distance 1) removed",
        "static route to 10.0.0.0/8 (blackhole, distance 1) added",
    ];
    assert_eq!(words, expect);
    assert_eq!(told, [FibChange::Replace { prefix: p("10.0.0.0/8"), next_hops: vec![] }]);
    assert_eq!(node.config(), &other);
    let with_bgp = NodeConfig { bgp: Some(bgp()), ..other.clone() };
    assert_eq!(change(&mut node, with_bgp).0, ["bgp added, AS 65001"]);
    assert_eq!(change(&mut node, other).0, ["bgp removed"]);
    let Answer::Error(error) = ask(&mut node, Query::BgpSummary) else { panic!("no error") };
    assert_eq!(error.kind, ErrorKind::NotRunning);
}

/// A BGP that holds these routes.
struct Fake(BTreeMap<Prefix, BestRoute>);

impl BestRoutes for Fake {
    fn best(&self, prefix: Prefix) -> Option<BestRoute> {
        self.0.get(&prefix).cloned()
    }

    fn longest_match(&self, prefix: Prefix) -> Option<(Prefix, BestRoute)> {
        let found = self.0.iter().filter(|(p, _)| p.covers(prefix)).max_by_key(|(p, _)| p.len());
        found.map(|(p, route)| (*p, route.clone()))
    }

    fn best_page(&self, cursor: u64, limit: usize) -> (Vec<(Prefix, BestRoute)>, Option<u64>) {
        let end = (cursor as usize + limit).min(self.0.len());
        let page = self.0.iter().skip(cursor as usize).take(limit).map(|(p, r)| (*p, r.clone())).collect();
        (page, (end < self.0.len()).then_some(end as u64))
    }

    fn best_count(&self) -> u64 {
        self.0.len() as u64
    }
}

fn table() -> (Routing, Fake) {
    let mut routing = Routing::new(1);
    routing.set_install(true);
    for change in interfaces() {
        routing.interface(change);
    }
    routing.set_statics(&[fixed("10.0.0.0/8", &["192.0.2.2"], 30), fixed("11.0.0.0/8", &["9.9.9.9"], 1)]);
    let mut fake = Fake(BTreeMap::new());
    for prefix in ["10.0.0.0/8", "10.1.0.0/16", "172.16.0.0/12", "192.0.2.0/24"] {
        let route = best(&["192.0.2.3"], 20);
        routing.bgp_route(p(prefix), Some(&route));
        fake.0.insert(p(prefix), route);
    }
    (routing, fake)
}

fn line(r: &Route) -> (String, RouteSource, bool, bool) {
    (r.prefix.to_string(), r.source, r.selected, r.installed)
}

#[test]
fn the_table_shows_all_sources_and_who_won() {
    let (routing, fake) = table();
    let table = Table { routing: &routing, bgp: Some(&fake) };
    let view = table.page(0, 100);
    let lines: Vec<_> = view.routes.iter().map(line).collect();
    let expect = [
        ("10.0.0.0/8", RouteSource::Static, false, false),
        ("11.0.0.0/8", RouteSource::Static, false, false),
        ("127.0.0.0/8", RouteSource::Connected, true, true),
        ("127.0.0.1/32", RouteSource::Local, true, true),
        ("192.0.2.0/24", RouteSource::Connected, true, true),
        ("192.0.2.1/32", RouteSource::Local, true, true),
        ("10.0.0.0/8", RouteSource::Bgp, true, true),
        ("10.1.0.0/16", RouteSource::Bgp, true, true),
        ("172.16.0.0/12", RouteSource::Bgp, true, true),
        ("192.0.2.0/24", RouteSource::Bgp, false, false),
    ];
    assert_eq!(lines, expect.map(|(prefix, source, s, i)| (prefix.to_owned(), source, s, i)));
    assert_eq!((view.next, view.total), (None, 10));
    let why = "not active: no gateway is on a connected subnet of an interface that is up";
    assert_eq!(view.routes[1].not_installed_because.as_deref(), Some(why));
    let hop = &view.routes[6].next_hops[0];
    assert_eq!((hop.gateway, hop.interface.as_deref()), (Some(a("192.0.2.3")), Some("eth0")));
}

#[test]
fn pages_of_any_size_give_every_route_once() {
    let (routing, fake) = table();
    let table = Table { routing: &routing, bgp: Some(&fake) };
    let all = table.page(0, 100).routes;
    for size in 1..12 {
        let (mut routes, mut cursor) = (Vec::new(), Some(0));
        while let Some(at) = cursor {
            let page = table.page(at, size);
            assert!(page.routes.len() <= size as usize);
            routes.extend(page.routes);
            cursor = page.next;
        }
        assert_eq!(routes, all, "pages of {size}");
    }
}

#[test]
fn a_prefix_is_matched_exactly_and_an_address_by_the_longest() {
    let (routing, fake) = table();
    let table = Table { routing: &routing, bgp: Some(&fake) };
    let cases: [(&str, &[(&str, RouteSource)]); 7] = [
        ("10.0.0.0/8", &[("10.0.0.0/8", RouteSource::Bgp), ("10.0.0.0/8", RouteSource::Static)]),
        ("10.0.0.0/9", &[]),
        ("10.1.2.3/32", &[("10.1.0.0/16", RouteSource::Bgp)]),
        ("10.2.2.3/32", &[("10.0.0.0/8", RouteSource::Bgp), ("10.0.0.0/8", RouteSource::Static)]),
        ("192.0.2.77/32", &[("192.0.2.0/24", RouteSource::Connected), ("192.0.2.0/24", RouteSource::Bgp)]),
        ("11.0.0.1/32", &[]), // the route is not active
        ("2001:db8::1/128", &[]),
    ];
    for (prefix, expect) in cases {
        let found = table.routes_to(p(prefix)).routes;
        let found: Vec<_> = found.iter().map(|r| (r.prefix.to_string(), r.source)).collect();
        let expect: Vec<_> = expect.iter().map(|(prefix, source)| ((*prefix).to_owned(), *source)).collect();
        assert_eq!(found, expect, "{prefix}");
    }
}
