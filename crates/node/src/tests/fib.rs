//! What the kernel is told: as data, and against a FIB computed from scratch.

use super::{a, best, fixed, hop, interface, kernel, p};
use crate::config::StaticRoute;
use crate::next_hops::resolve;
use crate::routing::Routing;
use crate::{FibChange, FibNextHop, FibRefusal};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use trunkline_bgp::BestRoute;
use trunkline_core::Prefix;
use trunkline_view::RouteSource;

fn routing() -> Routing {
    let mut routing = Routing::new(1);
    routing.set_install(true);
    routing.interface(interface("lo", true, &["127.0.0.1/8"]));
    routing.interface(interface("eth0", true, &["192.0.2.1/24", "2001:db8::1/64"]));
    routing.interface(interface("eth1", true, &["198.51.100.1/30"]));
    settle(&mut routing);
    routing
}

fn settle(routing: &mut Routing) -> Vec<FibChange> {
    while routing.has_background() {
        routing.background();
    }
    routing.fib_changes.drain().collect()
}

fn replace(prefix: &str, hops: &[FibNextHop]) -> FibChange {
    FibChange::Replace { prefix: p(prefix), next_hops: hops.to_vec() }
}

fn remove(prefix: &str) -> FibChange {
    FibChange::Remove { prefix: p(prefix) }
}

#[test]
fn bgp_routes_are_installed_by_their_resolved_next_hops() {
    let cases: [(&str, &[&str], &[FibNextHop]); 8] = [
        ("10.0.0.0/8", &["192.0.2.2"], &[hop("192.0.2.2", "eth0")]),
        (
            "10.0.0.0/8",
            &["198.51.100.2", "192.0.2.2"],
            &[hop("192.0.2.2", "eth0"), hop("198.51.100.2", "eth1")],
        ),
        ("10.0.0.0/8", &["192.0.2.2", "192.0.2.2"], &[hop("192.0.2.2", "eth0")]),
        ("10.0.0.0/8", &["8.8.8.8", "192.0.2.2"], &[hop("192.0.2.2", "eth0")]),
        ("10.0.0.0/8", &["172.16.0.1"], &[hop("192.0.2.9", "eth0")]),
        ("10.0.0.0/8", &["2001:db8::2"], &[hop("2001:db8::2", "eth0")]), // RFC 8950
        ("2001:db8:5::/48", &["2001:db8::2"], &[hop("2001:db8::2", "eth0")]),
        ("2001:db8:5::/48", &["::ffff:192.0.2.2", "2001:db8::2"], &[hop("2001:db8::2", "eth0")]),
    ];
    for (prefix, next_hops, expect) in cases {
        let mut r = routing();
        r.kernel_route(p("172.16.0.0/12"), kernel(&[hop("192.0.2.9", "eth0")], 0));
        r.bgp_route(p(prefix), Some(&best(next_hops, 20)));
        assert_eq!(settle(&mut r), [replace(prefix, expect)], "{prefix} via {next_hops:?}");
        assert_eq!(r.why_not_installed(p(prefix)), None);
        r.bgp_route(p(prefix), Some(&best(next_hops, 200)));
        assert_eq!(settle(&mut r), [], "nothing is told twice");
        r.bgp_route(p(prefix), None);
        assert_eq!(settle(&mut r), [remove(prefix)]);
        assert_eq!(r.fib.sizes(), (0, 0), "nothing is left behind");
    }
}

#[test]
fn what_cannot_be_installed_says_why() {
    let cases = [
        ("10.0.0.0/8", "8.8.8.8", "next hop 8.8.8.8 is not reachable"),
        ("10.0.0.0/8", "127.0.0.2", "next hop 127.0.0.2 is reached over the loopback interface"),
        ("10.0.0.0/8", "192.0.2.1", "next hop 192.0.2.1 is an address of this node"),
        (
            "2001:db8:5::/48",
            "::ffff:192.0.2.2",
            "next hop ::ffff:192.0.2.2 is IPv4: the kernel has no IPv6 routes over it",
        ),
    ];
    for (prefix, next_hop, reason) in cases {
        let mut r = routing();
        r.bgp_route(p(prefix), Some(&best(&[next_hop], 20)));
        assert_eq!(settle(&mut r), []);
        assert_eq!(r.why_not_installed(p(prefix)).as_deref(), Some(reason));
    }
}

#[test]
fn only_the_winner_is_installed_and_only_if_it_is_ours() {
    let mut r = routing();
    let to = |gateway: &str| [hop(gateway, "eth0")];
    r.bgp_route(p("10.0.0.0/8"), Some(&best(&["192.0.2.2"], 20)));
    assert_eq!(settle(&mut r), [replace("10.0.0.0/8", &to("192.0.2.2"))]);
    r.set_statics(&[fixed("10.0.0.0/8", &["192.0.2.3"], 1)]);
    assert_eq!(settle(&mut r), [replace("10.0.0.0/8", &to("192.0.2.3"))]);
    r.set_statics(&[fixed("10.0.0.0/8", &["192.0.2.3"], 30)]);
    assert_eq!(settle(&mut r).last(), Some(&replace("10.0.0.0/8", &to("192.0.2.2"))));
    r.kernel_route(p("10.0.0.0/8"), kernel(&[hop("192.0.2.9", "eth0")], 0));
    assert_eq!(settle(&mut r), [remove("10.0.0.0/8")]);
    r.kernel_route(p("10.0.0.0/8"), None);
    assert_eq!(settle(&mut r), [replace("10.0.0.0/8", &to("192.0.2.2"))]);
    r.bgp_route(p("10.0.0.0/8"), None);
    assert_eq!(settle(&mut r), [replace("10.0.0.0/8", &to("192.0.2.3"))]);
    r.set_statics(&[fixed("10.0.0.0/8", &[], 1)]);
    assert_eq!(settle(&mut r).last(), Some(&replace("10.0.0.0/8", &[])), "a blackhole");
}

#[test]
fn a_next_hop_that_changes_takes_its_routes_along_in_slices() {
    let mut r = routing();
    let prefixes: Vec<Prefix> = (0..10_000u32)
        .map(|n| Prefix::new(std::net::Ipv4Addr::from((10 << 24) + (n << 8)).into(), 24).unwrap())
        .collect();
    for prefix in &prefixes {
        r.bgp_route(*prefix, Some(&best(&["172.16.0.1"], 20)));
    }
    assert_eq!(settle(&mut r), []);
    r.kernel_route(p("172.16.0.0/12"), kernel(&[hop("192.0.2.9", "eth0")], 0));
    let mut slices = Vec::new();
    while r.has_background() {
        r.background();
        slices.push(r.fib_changes.drain().count());
    }
    slices.retain(|n| *n > 0);
    assert_eq!(slices, [4096, 4096, 1808]);
    // Away and back before the sweep comes round: nothing happened.
    r.kernel_route(p("172.16.0.0/12"), None);
    r.kernel_route(p("172.16.0.0/12"), kernel(&[hop("192.0.2.9", "eth0")], 0));
    assert_eq!(settle(&mut r), []);
    r.kernel_route(p("172.16.0.0/12"), None);
    assert_eq!(settle(&mut r).len(), 10_000);
}

#[test]
fn a_refused_route_is_not_ours_to_remove_and_is_tried_again_when_it_changes() {
    let mut r = routing();
    let prefix = p("10.0.0.0/8");
    r.bgp_route(prefix, Some(&best(&["192.0.2.2"], 20)));
    settle(&mut r);
    assert!(r.fib_refused(prefix, FibRefusal::Invalid, "Network is unreachable"));
    assert!(!r.fib_refused(prefix, FibRefusal::Invalid, "Network is unreachable"), "said once");
    assert!(!r.fib_refused(p("11.0.0.0/8"), FibRefusal::Invalid, "never ours"));
    assert_eq!(r.why_not_installed(prefix).as_deref(), Some("the kernel refused it: Network is unreachable"));
    r.bgp_route(prefix, Some(&best(&["192.0.2.3"], 20)));
    assert_eq!(settle(&mut r), [replace("10.0.0.0/8", &[hop("192.0.2.3", "eth0")])]);
    assert_eq!(r.why_not_installed(prefix), None);
    // Refused while another route of ours is there: that one is wrong now, and goes.
    r.bgp_route(prefix, Some(&best(&["192.0.2.4"], 20)));
    settle(&mut r);
    assert!(r.fib_refused(prefix, FibRefusal::Invalid, "no"));
    assert_eq!(settle(&mut r), [remove("10.0.0.0/8")]);
    r.bgp_route(prefix, None);
    assert_eq!(settle(&mut r), []);
}

#[test]
fn a_route_whose_place_is_taken_comes_back_when_it_is_free() {
    let mut r = routing();
    let (prefix, to) = (p("10.0.0.0/8"), |gateway: &str| [hop(gateway, "eth0")]);
    r.bgp_route(prefix, Some(&best(&["192.0.2.2"], 20)));
    settle(&mut r);
    r.fib_freed(prefix);
    assert_eq!(settle(&mut r), [], "nothing stood in its way");
    assert!(r.fib_refused(prefix, FibRefusal::Taken, "taken"));
    assert_eq!(settle(&mut r), [remove("10.0.0.0/8")], "should ours stand beside the other");
    assert_eq!(r.why_not_installed(prefix).as_deref(), Some("the kernel refused it: taken"));
    // Its next hop changes meanwhile, which does not help.
    r.bgp_route(prefix, Some(&best(&["192.0.2.3"], 20)));
    assert_eq!(settle(&mut r), [replace("10.0.0.0/8", &to("192.0.2.3"))]);
    assert!(r.fib_refused(prefix, FibRefusal::Taken, "taken"));
    settle(&mut r);
    r.fib_freed(prefix);
    assert_eq!(settle(&mut r), [replace("10.0.0.0/8", &to("192.0.2.3"))]);
    assert_eq!(r.why_not_installed(prefix), None);
    r.bgp_route(prefix, None);
    assert_eq!(settle(&mut r), [remove("10.0.0.0/8")]);
    r.fib_freed(prefix);
    assert_eq!((settle(&mut r), r.fib.sizes()), (vec![], (0, 0)));
}

#[test]
fn what_the_kernel_lost_is_told_again_and_what_it_should_not_have_is_removed() {
    let mut r = routing();
    let way = [hop("192.0.2.2", "eth0")];
    for prefix in ["10.0.0.0/8", "11.0.0.0/8", "12.0.0.0/8", "13.0.0.0/8", "2001:db8:5::/48"] {
        let next_hop = if prefix.contains(':') { "2001:db8::2" } else { "192.0.2.2" };
        r.bgp_route(p(prefix), Some(&best(&[next_hop], 20)));
    }
    settle(&mut r);
    assert!(r.fib_removed(p("10.0.0.0/8")));
    assert!(!r.fib_removed(p("99.0.0.0/8")), "never ours");
    assert_eq!(settle(&mut r), [replace("10.0.0.0/8", &way)]);
    r.fib_refused(p("11.0.0.0/8"), FibRefusal::Busy, "no buffer space");
    r.fib_refused(p("12.0.0.0/8"), FibRefusal::Invalid, "no");
    assert!(!r.fib_removed(p("12.0.0.0/8")), "not there");
    r.fib_present(&[p("10.0.0.0/8"), p("77.0.0.0/8")]);
    let mut told = settle(&mut r);
    told.sort_by_key(|change| format!("{change:?}"));
    let v6 = replace("2001:db8:5::/48", &[hop("2001:db8::2", "eth0")]);
    let expect = [remove("77.0.0.0/8"), replace("11.0.0.0/8", &way), replace("13.0.0.0/8", &way), v6];
    assert_eq!(told, expect);
    assert_eq!(r.why_not_installed(p("11.0.0.0/8")), None);
    assert!(r.why_not_installed(p("12.0.0.0/8")).is_some());
}

#[test]
fn turning_installation_off_moving_and_shutting_down() {
    let mut r = routing();
    let route = best(&["192.0.2.2"], 20);
    r.bgp_route(p("10.0.0.0/8"), Some(&route));
    r.set_statics(&[fixed("172.16.0.0/12", &["192.0.2.3"], 1)]);
    settle(&mut r);
    r.set_install(false);
    assert_eq!(settle(&mut r), [remove("10.0.0.0/8"), remove("172.16.0.0/12")]);
    assert_eq!(r.fib.sizes(), (0, 0));
    r.set_install(true);
    let fixed = replace("172.16.0.0/12", &[hop("192.0.2.3", "eth0")]);
    assert_eq!(settle(&mut r), std::slice::from_ref(&fixed), "BGP's are told again by the node");
    r.bgp_route(p("10.0.0.0/8"), Some(&route));
    let learnt = replace("10.0.0.0/8", &[hop("192.0.2.2", "eth0")]);
    assert_eq!(settle(&mut r), std::slice::from_ref(&learnt));
    r.fib.reinstall();
    let mut again = settle(&mut r);
    again.sort_by_key(|c| *c != learnt);
    assert_eq!(again, [learnt, fixed], "another table");
    r.shutdown();
    let mut gone = settle(&mut r);
    gone.sort_by_key(|c| *c != remove("10.0.0.0/8"));
    assert_eq!(gone, [remove("10.0.0.0/8"), remove("172.16.0.0/12")]);
    r.bgp_route(p("10.0.0.0/8"), Some(&route));
    assert_eq!(settle(&mut r), []);
}

/// Something that may happen to a FIB.
#[derive(Debug, Clone)]
enum Step {
    Interface(u8, bool, bool),
    Kernel(u8, Option<u8>),
    Statics(Vec<(u8, u8, u8)>),
    Bgp(u8, Option<(Vec<u8>, bool)>),
    Install(bool),
    ForgetBgp,
    Background,
}

const PREFIXES: [&str; 7] = [
    "10.0.0.0/8",
    "10.1.0.0/16",
    "10.1.1.0/24",
    "192.0.2.0/24",
    "198.51.100.0/30",
    "2001:db8:5::/48",
    "2001:db8::/64",
];
const HOPS: [&str; 8] = [
    "192.0.2.2",
    "192.0.2.1",
    "198.51.100.2",
    "10.1.1.1",
    "10.0.0.1",
    "2001:db8::2",
    "::ffff:192.0.2.2",
    "127.0.0.2",
];

fn step() -> impl Strategy<Value = Step> {
    let (prefix, next_hop) = (0..PREFIXES.len() as u8, 0..HOPS.len() as u8);
    let routes = prop::collection::vec(
        (prefix.clone(), next_hop.clone(), prop::sample::select(vec![1u8, 20, 200, 250])),
        0..4,
    );
    let hops = prop::collection::vec(next_hop, 1..4);
    prop_oneof![
        (0..3u8, any::<bool>(), any::<bool>()).prop_map(|(i, up, other)| Step::Interface(i, up, other)),
        (prefix.clone(), prop::option::of(0..5u8)).prop_map(|(p, k)| Step::Kernel(p, k)),
        routes.prop_map(Step::Statics),
        (prefix, prop::option::of((hops, any::<bool>()))).prop_map(|(p, r)| Step::Bgp(p, r)),
        prop::bool::weighted(0.8).prop_map(Step::Install),
        Just(Step::ForgetBgp),
        Just(Step::Background),
    ]
}

/// The BGP routes a model BGP holds, and what the kernel would hold after the changes so far.
#[derive(Default)]
struct Model {
    bgp: BTreeMap<Prefix, BestRoute>,
    kernel: BTreeMap<Prefix, Vec<FibNextHop>>,
}

impl Model {
    fn take(&mut self, step: Step, r: &mut Routing) {
        match step {
            Step::Interface(which, up, other) => {
                let (name, addresses): (&str, &[&str]) = match (which, other) {
                    (0, false) => ("eth0", &["192.0.2.1/24", "2001:db8::1/64"]),
                    (0, true) => ("eth0", &["192.0.2.2/24"]),
                    (1, false) => ("eth1", &["198.51.100.1/30"]),
                    (1, true) => ("eth1", &["10.1.1.2/24"]),
                    _ => ("lo", &["127.0.0.1/8"]),
                };
                r.interface(interface(name, up, addresses));
            }
            Step::Kernel(prefix, route) => {
                let hops = [
                    vec![],
                    vec![hop("192.0.2.9", "eth0")],
                    vec![hop("198.51.100.2", "eth1"), hop("192.0.2.9", "eth0")],
                    vec![hop("10.0.0.1", "")],
                    vec![hop("", "eth1")],
                ];
                let route = route.and_then(|n| kernel(&hops[usize::from(n)], 3));
                r.kernel_route(p(PREFIXES[usize::from(prefix)]), route);
            }
            Step::Statics(list) => {
                let route = |(prefix, via, distance): &(u8, u8, u8)| {
                    let via = if *via == 0 { vec![] } else { vec![HOPS[usize::from(*via)]] };
                    fixed(PREFIXES[usize::from(*prefix)], &via, *distance)
                };
                let list: Vec<StaticRoute> = list.iter().map(route).collect();
                r.set_statics(&list);
            }
            Step::Bgp(prefix, route) => {
                let prefix = p(PREFIXES[usize::from(prefix)]);
                let route = route.map(|(hops, ibgp)| {
                    let hops: Vec<&str> = hops.iter().map(|h| HOPS[usize::from(*h)]).collect();
                    best(&hops, if ibgp { 200 } else { 20 })
                });
                r.bgp_route(prefix, route.as_ref());
                match route {
                    Some(route) => self.bgp.insert(prefix, route),
                    None => self.bgp.remove(&prefix),
                };
            }
            Step::Install(install) => {
                let begins = install && !r.fib.installs();
                r.set_install(install);
                for (prefix, route) in self.bgp.iter().filter(|_| begins) {
                    r.bgp_route(*prefix, Some(route));
                }
            }
            Step::ForgetBgp => {
                r.forget_bgp();
                self.bgp.clear();
            }
            Step::Background => r.background(),
        }
    }

    /// Carries out what the kernel was told; it must make sense at each step.
    fn carry_out(&mut self, changes: impl Iterator<Item = FibChange>) {
        for change in changes {
            match change {
                FibChange::Replace { prefix, next_hops } => {
                    let before = self.kernel.insert(prefix, next_hops.clone());
                    assert_ne!(before, Some(next_hops), "told twice: {prefix}");
                }
                FibChange::Remove { prefix } => assert!(self.kernel.remove(&prefix).is_some(), "{prefix}"),
            }
        }
    }

    /// What the kernel should hold, computed without the FIB.
    fn computed_anew(&self, r: &Routing) -> BTreeMap<Prefix, Vec<FibNextHop>> {
        let statics = r.rib.iter().map(|(prefix, _)| prefix);
        let prefixes: BTreeSet<Prefix> = statics.chain(self.bgp.keys().copied()).collect();
        let wanted = prefixes.into_iter().filter_map(|prefix| {
            let (other, bgp) = (r.rib.best(prefix), self.bgp.get(&prefix));
            match (other, bgp) {
                (Some(c), _) if bgp.is_none_or(|b| c.distance <= b.distance) => {
                    (c.source == RouteSource::Static).then(|| (prefix, c.next_hops.clone()))
                }
                (_, Some(bgp)) => Some((prefix, resolved(prefix, bgp, r)?)),
                _ => None,
            }
        });
        if r.fib.installs() { wanted.collect() } else { BTreeMap::new() }
    }
}

fn resolved(prefix: Prefix, route: &BestRoute, r: &Routing) -> Option<Vec<FibNextHop>> {
    let mut ways = Vec::new();
    for way in route.next_hops.iter().filter_map(|n| resolve(*n, &r.rib, &r.interfaces)).flat_map(|f| f.ways)
    {
        let gateway = way.gateway.unwrap();
        let over_loopback = r.interfaces.is_loopback(way.interface);
        if !over_loopback && !r.rib.is_own_address(gateway) && (prefix.is_ipv4() || gateway.is_ipv6()) {
            ways.push(way);
        }
    }
    ways.sort();
    ways.dedup();
    (!ways.is_empty()).then_some(ways)
}

proptest! {
    #[test]
    fn the_changes_add_up_to_the_fib_computed_anew(steps in prop::collection::vec(step(), 1..60)) {
        let mut r = routing();
        let mut model = Model::default();
        for step in steps {
            model.take(step, &mut r);
            model.carry_out(r.fib_changes.drain());
        }
        model.carry_out(settle(&mut r).into_iter());
        prop_assert_eq!(&model.kernel, &model.computed_anew(&r));
        // What is left when all is gone is nothing.
        r.shutdown();
        model.carry_out(settle(&mut r).into_iter());
        prop_assert!(model.kernel.is_empty());
        prop_assert_eq!(r.fib.sizes(), (0, 0));
    }

    #[test]
    fn tracked_next_hops_are_always_as_if_resolved_anew(steps in prop::collection::vec(step(), 1..60)) {
        let mut r = routing();
        let mut model = Model::default();
        HOPS.iter().for_each(|h| r.track(a(h)));
        for step in steps.into_iter().filter(|s| !matches!(s, Step::ForgetBgp)) {
            model.take(step, &mut r);
            for h in HOPS {
                let fresh = resolve(a(h), &r.rib, &r.interfaces);
                prop_assert_eq!(r.next_hops.get(a(h)), fresh.as_ref(), "{}", h);
            }
        }
    }
}
