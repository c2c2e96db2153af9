//! Our routes in a real kernel.

use super::{in_namespace, ip, two_interfaces};
use crate::netlink::encode::Place;
use crate::netlink::fib::{Fib, Refused};
use crate::netlink::links::Links;
use crate::netlink::others::Others;
use trunkline_core::{Ipv4Prefix, Ipv6Prefix, Prefix};
use trunkline_node::{FibChange, FibNextHop, FibRefusal};

const PLACE: Place = Place { table: 254, metric: 32 };

pub(super) fn hop(gateway: &str, interface: u32) -> FibNextHop {
    FibNextHop { gateway: gateway.parse().ok(), interface }
}

pub(super) fn replace(prefix: &str, next_hops: &[FibNextHop]) -> FibChange {
    FibChange::Replace { prefix: prefix.parse().unwrap(), next_hops: next_hops.to_vec() }
}

fn remove(prefix: &str) -> FibChange {
    FibChange::Remove { prefix: prefix.parse().unwrap() }
}

fn others() -> Others {
    let mut others = Others::new(PLACE.table);
    others.read(&Links::read().unwrap()).unwrap();
    others
}

/// Carries out changes; what the kernel refused.
fn apply(fib: &mut Fib, changes: impl IntoIterator<Item = FibChange>) -> Vec<Refused> {
    let others = others();
    let mut refused = Vec::new();
    for change in changes {
        fib.push(change, &others, &mut refused);
    }
    fib.flush(&mut refused);
    refused
}

/// Our route to `prefix` as `ip` shows it, white space and all else normalised.
fn shown(prefix: &str) -> String {
    let family = if prefix.contains(':') { "-6" } else { "-4" };
    let text = ip(&format!("{family} route show {prefix} proto 217"));
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn count(family: &str) -> usize {
    ip(&format!("{family} route show proto 217"))
        .lines()
        .filter(|line| !line.starts_with(char::is_whitespace))
        .count()
}

#[test]
fn ten_thousand_routes_of_each_family_come_and_go() {
    in_namespace(|| {
        let (a, b) = two_interfaces();
        ip("route add 203.0.113.0/24 via 10.0.1.9 proto static");
        let v4 = |i: u32| Prefix::V4(Ipv4Prefix::from_bits((20 << 24) + (i << 8), 24));
        let v6 =
            |i: u32| Prefix::V6(Ipv6Prefix::from_bits((0x2001_0db9_u128 << 96) + (u128::from(i) << 64), 64));
        let mut fib = Fib::open(PLACE).unwrap();
        let all = |gateway4: &str, gateway6: &str, interface: u32| {
            let (hop4, hop6) = (hop(gateway4, interface), hop(gateway6, interface));
            let four = move |i| FibChange::Replace { prefix: v4(i), next_hops: vec![hop4.clone()] };
            let six = move |i| FibChange::Replace { prefix: v6(i), next_hops: vec![hop6.clone()] };
            (0..10_000).map(four).chain((0..10_000).map(six))
        };
        assert_eq!(apply(&mut fib, all("10.0.1.2", "2001:db8:1::2", a)), []);
        assert_eq!((count("-4"), count("-6")), (10_000, 10_000));
        // In place: still as many.
        assert_eq!(apply(&mut fib, all("10.0.2.2", "2001:db8:2::2", b)), []);
        assert_eq!((count("-4"), count("-6")), (10_000, 10_000));
        assert!(shown("20.0.0.0/24").contains("via 10.0.2.2 dev tl-lx-b"));
        let removals = |p: fn(u32) -> Prefix| (0..10_000).map(move |i| FibChange::Remove { prefix: p(i) });
        assert_eq!(apply(&mut fib, removals(v4).chain(removals(v6))), []);
        assert_eq!((count("-4"), count("-6")), (0, 0));
        assert!(ip("route show 203.0.113.0/24").contains("10.0.1.9"));
    });
}

#[test]
fn every_kind_of_route_replaces_every_other() {
    in_namespace(|| {
        let (a, b) = two_interfaces();
        let mut fib = Fib::open(PLACE).unwrap();
        for (prefix, one, two) in [
            ("192.0.2.0/24", hop("10.0.1.2", a), hop("10.0.2.2", b)),
            ("2001:db9::/48", hop("2001:db8:1::2", a), hop("2001:db8:2::2", b)),
        ] {
            let mut kinds = vec![vec![one.clone()], vec![one, two], vec![], vec![hop("", a)]];
            if !prefix.contains(':') {
                kinds.push(vec![hop("2001:db8:2::2", b)]);
            }
            for from in &kinds {
                for to in &kinds {
                    assert_eq!(apply(&mut fib, [replace(prefix, from), replace(prefix, to)]), []);
                    let text = shown(prefix);
                    assert_eq!(text.matches("metric 32").count(), 1, "{from:?} to {to:?}: {text}");
                    assert_eq!(text.contains("blackhole"), to.is_empty(), "{text}");
                    for hop in to {
                        let gateway = hop.gateway.map(|g| g.to_string()).unwrap_or_default();
                        assert!(text.contains(&gateway), "{from:?} to {to:?}: {text}");
                    }
                    assert_eq!(text.contains("nexthop"), to.len() > 1, "{from:?} to {to:?}: {text}");
                    assert_eq!(apply(&mut fib, [remove(prefix)]), []);
                    assert_eq!(shown(prefix), "", "after {to:?}");
                }
            }
        }
    });
}

#[test]
fn the_kernel_refuses_in_words_and_goes_on() {
    in_namespace(|| {
        let (a, _) = two_interfaces();
        let mut fib = Fib::open(PLACE).unwrap();
        let refused = apply(
            &mut fib,
            [
                replace("192.0.2.0/24", &[hop("172.16.0.1", a)]),
                replace("198.51.100.0/24", &[hop("10.0.1.2", a)]),
                remove("100.64.0.0/10"),
                replace("192.88.99.0/24", &[hop("10.0.1.2", 9999)]),
            ],
        );
        let prefixes: Vec<_> = refused.iter().map(|one| one.prefix.to_string()).collect();
        assert_eq!(prefixes, ["192.0.2.0/24", "192.88.99.0/24"]);
        assert!(
            refused[0].reason.starts_with("the next hop is not on a link of ours (kernel: "),
            "{}",
            refused[0].reason
        );
        assert_ne!(shown("198.51.100.0/24"), "");
    });
}

#[test]
fn a_crash_leaves_nothing_that_the_next_start_does_not_remove() {
    in_namespace(|| {
        let (a, b) = two_interfaces();
        ip("route add 203.0.113.0/24 via 10.0.1.9 proto static metric 32");
        ip("route add 192.0.2.0/24 via 10.0.1.9 proto 217 metric 77");
        ip("route add 192.0.2.0/24 via 10.0.1.9 proto 217 table 100");
        ip("-6 route add blackhole 2001:db9::/48 proto 217");
        ip("route add unreachable 198.51.100.0/24 proto 217");
        let mut fib = Fib::open(PLACE).unwrap();
        let ways = [hop("2001:db8:1::2", a), hop("2001:db8:2::2", b)];
        assert_eq!(apply(&mut fib, [replace("2001:dba::/48", &ways)]), []);
        drop(fib);
        let mut fib = Fib::open(PLACE).unwrap();
        assert_eq!(fib.clear().unwrap(), 4);
        assert_eq!((count("-4"), count("-6")), (0, 0));
        assert!(ip("route show 203.0.113.0/24").contains("10.0.1.9"));
        assert!(ip("route show table 100").contains("192.0.2.0/24"), "another table is not ours");
        assert_eq!(fib.clear().unwrap(), 0);
    });
}

#[test]
fn another_programs_route_is_never_driven_out() {
    in_namespace(|| {
        let (a, _) = two_interfaces();
        ip("route add 192.0.2.0/24 via 10.0.1.9 proto static metric 32");
        ip("route add 192.0.2.0/24 via 10.0.1.9 proto static metric 5");
        let mut fib = Fib::open(PLACE).unwrap();
        let refused = apply(&mut fib, [replace("192.0.2.0/24", &[hop("10.0.1.2", a)])]);
        assert!(refused[0].reason.contains("another program (static)"), "{}", refused[0].reason);
        assert_eq!(shown("192.0.2.0/24"), "");
        assert_eq!(refused[0].why, FibRefusal::Taken);
        ip("route del 192.0.2.0/24 proto static metric 32");
        assert_eq!(apply(&mut fib, [replace("192.0.2.0/24", &[hop("10.0.1.2", a)])]), []);
        assert!(shown("192.0.2.0/24").contains("10.0.1.2"));
    });
}

#[test]
fn what_the_system_has_no_room_for_is_to_be_tried_again() {
    in_namespace(|| {
        let (a, _) = two_interfaces();
        let mut fib = Fib::open(PLACE).unwrap();
        assert_eq!(apply(&mut fib, [replace("198.51.100.0/24", &[hop("10.0.1.2", a)])]), []);
        assert!(!fib.take_troubled());
        fib.set_send_buffer(1); // as small as the kernel allows
        let all: Vec<FibChange> =
            (0..250).map(|i| replace(&format!("20.0.{i}.0/24"), &[hop("10.0.1.2", a)])).collect();
        let refused = apply(&mut fib, all.clone().into_iter().chain([remove("198.51.100.0/24")]));
        assert_eq!((refused.len(), fib.take_troubled()), (250, true));
        assert!(refused.iter().all(|one| one.why == FibRefusal::Busy));
        assert_eq!(fib.present().unwrap(), ["198.51.100.0/24".parse().unwrap()], "the removal was lost too");
        fib.set_send_buffer(1024 * 1024);
        assert_eq!(apply(&mut fib, all), []);
        assert_eq!((fib.present().unwrap().len(), fib.take_troubled()), (251, false));
    });
}

#[test]
fn two_of_one_process_cannot_have_one_table() {
    in_namespace(|| {
        let fib = Fib::open(PLACE).unwrap();
        let other = Place { table: 1000, ..PLACE };
        let _other = Fib::open(other).unwrap();
        for place in [PLACE, other] {
            assert_eq!(Fib::open(place).unwrap_err().kind(), std::io::ErrorKind::ResourceBusy);
        }
        drop(fib);
        Fib::open(PLACE).unwrap();
    });
}

#[test]
fn a_change_of_metric_moves_our_routes() {
    in_namespace(|| {
        let (a, _) = two_interfaces();
        let mut fib = Fib::open(PLACE).unwrap();
        assert_eq!(apply(&mut fib, [replace("192.0.2.0/24", &[hop("10.0.1.2", a)])]), []);
        fib.move_to(Place { metric: 7, ..PLACE }).unwrap();
        assert_eq!(shown("192.0.2.0/24"), "");
        assert_eq!(apply(&mut fib, [replace("192.0.2.0/24", &[hop("10.0.1.2", a)])]), []);
        assert!(shown("192.0.2.0/24").contains("via 10.0.1.2 dev tl-lx-a metric 7"));
    });
}
