//! What a real kernel tells of its interfaces and of other programs' routes.

use super::routes::{hop, replace};
use super::{eventually, in_namespace, index, ip, two_interfaces};
use crate::clock;
use crate::netlink::encode::Place;
use crate::netlink::fib::Fib;
use crate::netlink::monitor::{KernelEvent, Monitor};
use crate::netlink::others::PlaceChange;
use crate::netlink::socket::BUFFER_LEN;
use trunkline_node::{FibNextHop, InterfaceChange, KernelRoute};
use trunkline_view::{AdminState, Interface};

const BUFFER: usize = 4 * 1024 * 1024;

fn read(monitor: &mut Monitor) -> Vec<KernelEvent> {
    let mut events = Vec::new();
    monitor.ready = true;
    monitor.read(clock::now(), &mut vec![0; BUFFER_LEN], &mut events);
    events
}

/// Reads until an event fits; the events since.
fn wait_for(monitor: &mut Monitor, what: &str, fits: impl Fn(&KernelEvent) -> bool) -> Vec<KernelEvent> {
    let mut all = Vec::new();
    eventually(what, || {
        all.extend(read(monitor));
        all.iter().any(&fits)
    });
    all
}

fn interface(event: &KernelEvent) -> Option<&Interface> {
    match event {
        KernelEvent::Interface(InterfaceChange::Set { interface, .. }) => Some(interface),
        _ => None,
    }
}

fn route(prefix: &str, route: Option<(&[FibNextHop], u32)>) -> KernelEvent {
    let route = route.map(|(next_hops, metric)| KernelRoute { next_hops: next_hops.to_vec(), metric });
    KernelEvent::Route(prefix.parse().unwrap(), route)
}

#[test]
fn interfaces_and_addresses_are_followed() {
    in_namespace(|| {
        let mut monitor = Monitor::open(254, 0, BUFFER).unwrap();
        let loopback = monitor.links.all();
        assert!(matches!(&loopback[..], [InterfaceChange::Set { loopback: true, interface }]
            if interface.name == "lo" && interface.up && interface.mac.is_none()));
        ip("link add tl-lx-v type veth peer name tl-lx-w");
        ip("link set tl-lx-v up mtu 1400");
        ip("addr add 10.9.9.1/24 dev tl-lx-v");
        wait_for(&mut monitor, "administratively up, no carrier", |e| {
            interface(e).is_some_and(|i| {
                i.name == "tl-lx-v" && i.admin == AdminState::Up && !i.up && i.mtu == 1400 && i.mac.is_some()
            })
        });
        ip("link set tl-lx-w up");
        let events =
            wait_for(&mut monitor, "up", |e| interface(e).is_some_and(|i| i.name == "tl-lx-v" && i.up));
        let last = events.iter().rev().filter_map(interface).find(|i| i.name == "tl-lx-v").unwrap();
        assert!(last.addresses.iter().any(|a| a.address.to_string() == "10.9.9.1" && a.length == 24));
        ip("addr del 10.9.9.1/24 dev tl-lx-v");
        wait_for(&mut monitor, "address gone", |e| {
            interface(e)
                .is_some_and(|i| i.name == "tl-lx-v" && !i.addresses.iter().any(|a| a.address.is_ipv4()))
        });
        let gone = index("tl-lx-v");
        ip("link del tl-lx-v");
        let is_gone = KernelEvent::Interface(InterfaceChange::Gone { index: gone });
        wait_for(&mut monitor, "interface gone", |e| *e == is_gone);
    });
}

#[test]
fn an_ipv6_address_counts_when_it_is_known_to_be_unique() {
    in_namespace(|| {
        ip("link add tl-lx-v type veth peer name tl-lx-w");
        ip("link set tl-lx-v up");
        ip("link set tl-lx-w up");
        ip("addr add 2001:db8:1::1/64 dev tl-lx-v");
        let mut monitor = Monitor::open(254, 0, BUFFER).unwrap();
        let has = |i: &Interface| i.addresses.iter().any(|a| a.address.to_string() == "2001:db8:1::1");
        let at_start = monitor.links.all();
        assert!(
            !at_start.iter().any(|c| matches!(c, InterfaceChange::Set { interface, .. } if has(interface)))
        );
        wait_for(&mut monitor, "duplicate address detection done", |e| interface(e).is_some_and(has));
    });
}

#[test]
fn a_bridge_port_that_leaves_is_still_an_interface() {
    in_namespace(|| {
        ip("link add tl-lx-br type bridge");
        ip("link add tl-lx-a type veth peer name tl-lx-a-far");
        ip("link set tl-lx-a-far up");
        ip("link set tl-lx-a master tl-lx-br");
        let mut monitor = Monitor::open(254, 0, BUFFER).unwrap();
        ip("link set tl-lx-a nomaster");
        ip("link set tl-lx-a up");
        let events =
            wait_for(&mut monitor, "up", |e| interface(e).is_some_and(|i| i.name == "tl-lx-a" && i.up));
        let gone = |e: &KernelEvent| matches!(e, KernelEvent::Interface(InterfaceChange::Gone { .. }));
        assert!(!events.iter().any(gone), "{events:?}");
    });
}

#[test]
fn other_programs_routes_are_followed() {
    in_namespace(|| {
        let (a, b) = two_interfaces();
        ip("route add default via 10.0.1.254 proto dhcp metric 100");
        ip("route add 192.0.2.0/24 via 10.0.1.2 table 77");
        let mut monitor = Monitor::open(254, 0, BUFFER).unwrap();
        let all: Vec<_> = monitor.others.all().iter().map(|(prefix, _)| prefix.to_string()).collect();
        assert_eq!(all, ["0.0.0.0/0"], "neither connected routes nor other tables");
        read(&mut monitor);

        ip("route add 192.0.2.0/24 via 10.0.1.2 metric 20");
        ip("route add 192.0.2.0/24 via 10.0.2.2 metric 10");
        ip("route del 192.0.2.0/24 metric 10");
        ip("route change 192.0.2.0/24 via 10.0.1.3 metric 20");
        ip("route del 192.0.2.0/24 metric 20");
        ip("-6 route add 2001:db9::/48 nexthop via 2001:db8:1::2 nexthop via 2001:db8:2::2");
        ip("-6 route del 2001:db9::/48 via 2001:db8:1::2");
        ip("-6 route del 2001:db9::/48");
        ip("route add prohibit 198.51.100.0/24");
        let events = read(&mut monitor);
        let events: Vec<_> = events.into_iter().filter(|e| matches!(e, KernelEvent::Route(..))).collect();
        let (one, two) = (hop("2001:db8:1::2", a), hop("2001:db8:2::2", b));
        let expected = [
            route("192.0.2.0/24", Some((&[hop("10.0.1.2", a)], 20))),
            route("192.0.2.0/24", Some((&[hop("10.0.2.2", b)], 10))),
            route("192.0.2.0/24", Some((&[hop("10.0.1.2", a)], 20))),
            route("192.0.2.0/24", Some((&[hop("10.0.1.3", a)], 20))),
            route("192.0.2.0/24", None),
            route("2001:db9::/48", Some((&[one, two.clone()], 1024))),
            route("2001:db9::/48", Some((&[two], 1024))),
            route("2001:db9::/48", None),
            route("198.51.100.0/24", Some((&[], 0))),
        ];
        assert_eq!(events, expected);
    });
}

#[test]
fn ipv4_routes_that_vanish_silently_with_their_interface_are_missed() {
    in_namespace(|| {
        two_interfaces();
        ip("route add 192.0.2.0/24 via 10.0.1.2 proto static");
        ip("route add 198.51.100.0/24 via 10.0.2.2 proto static");
        let mut monitor = Monitor::open(254, 0, BUFFER).unwrap();
        ip("link set tl-lx-a down");
        let gone = route("192.0.2.0/24", None);
        let events = wait_for(&mut monitor, "route gone", |e| *e == gone);
        assert!(!events.contains(&route("198.51.100.0/24", None)));
    });
}

#[test]
fn our_own_changes_do_not_come_back_and_those_of_others_to_ours_do() {
    in_namespace(|| {
        let (a, _) = two_interfaces();
        let mut fib = Fib::open(Place { table: 254, metric: 32 }).unwrap();
        let mut monitor = Monitor::open(254, fib.port(), BUFFER).unwrap();
        let mut refused = Vec::new();
        for _ in 0..2 {
            fib.push(replace("192.0.2.0/24", &[hop("10.0.1.2", a)]), &monitor.others, &mut refused);
            fib.flush(&mut refused);
        }
        assert_eq!(read(&mut monitor), []);
        ip("route del 192.0.2.0/24 proto 217");
        let prefix = "192.0.2.0/24".parse().unwrap();
        let removed = KernelEvent::OursRemoved(prefix, Place { table: 254, metric: 32 });
        assert_eq!(read(&mut monitor), [removed]);
        assert_eq!(refused, []);
    });
}

#[test]
fn who_comes_into_our_place_and_who_leaves_it_is_told() {
    in_namespace(|| {
        two_interfaces();
        let mut monitor = Monitor::open(254, 0, BUFFER).unwrap();
        read(&mut monitor);
        for prefix in ["192.0.2.0/24", "2001:db9::/48"] {
            let (family, gateway) =
                if prefix.contains(':') { ("-6", "2001:db8:1::2") } else { ("-4", "10.0.1.2") };
            ip(&format!("{family} route add {prefix} via {gateway} proto 217 metric 32"));
            ip(&format!("{family} route replace {prefix} via {gateway} proto static metric 32"));
            ip(&format!("{family} route add {prefix} via {gateway} proto static metric 5"));
            ip(&format!("{family} route del {prefix} proto static metric 32"));
            let mut events = read(&mut monitor);
            events.retain(|e| matches!(e, KernelEvent::Place(_)));
            let prefix = prefix.parse().unwrap();
            let place = |metric, holder| KernelEvent::Place(PlaceChange { prefix, metric, holder });
            assert_eq!(events, [place(32, Some(4)), place(5, Some(4)), place(32, None)]);
        }
    });
}

#[test]
fn after_an_overflow_all_is_read_again() {
    in_namespace(|| {
        two_interfaces();
        ip("route add 192.0.2.0/24 via 10.0.1.2 proto static");
        let mut monitor = Monitor::open(254, 0, 1).unwrap();
        read(&mut monitor);
        for i in 1..=100 {
            ip(&format!("addr add 10.7.{i}.1/24 dev tl-lx-a"));
        }
        ip("route add 198.51.100.0/24 via 10.0.2.2 proto static");
        ip("route del 192.0.2.0/24");
        let events = read(&mut monitor);
        let has_all = |i: &Interface| i.addresses.iter().filter(|a| a.address.is_ipv4()).count() == 101;
        assert!(events.iter().filter_map(interface).any(has_all));
        assert!(events.contains(&route("192.0.2.0/24", None)));
        assert!(events.contains(&KernelEvent::Overrun));
        let freed = PlaceChange { prefix: "192.0.2.0/24".parse().unwrap(), metric: 0, holder: None };
        assert!(events.contains(&KernelEvent::Place(freed)));
        assert!(
            events
                .iter()
                .any(|e| matches!(e, KernelEvent::Route(p, Some(_)) if p.to_string() == "198.51.100.0/24"))
        );
    });
}
