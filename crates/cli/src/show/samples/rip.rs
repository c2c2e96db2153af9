//! Of RIP: a router with the scheme of four timers.

use super::prefix;
use std::net::Ipv4Addr;
use trunkline_view::RouteSource;
use trunkline_view::rip::*;

fn ip(text: &str) -> Ipv4Addr {
    text.parse().unwrap()
}

fn interface(name: &str, counters: &[(&str, u64)]) -> InterfaceView {
    let counter = |(name, count): &(&str, u64)| CounterView { name: (*name).to_owned(), count: *count };
    InterfaceView {
        name: name.into(),
        running: true,
        cost: 1,
        send: "2".into(),
        receive: "2".into(),
        split_horizon: "poisoned-reverse".into(),
        passive: false,
        authentication: "none".into(),
        counters: counters.iter().map(counter).collect(),
    }
}

pub(crate) fn rip() -> SummaryView {
    let eth0 = [
        ("datagrams_received", 134),
        ("requests_received", 1),
        ("responses_received", 125),
        ("entries_received", 498),
        ("own_address", 2),
        ("auth_missing", 5),
        ("bad_metric", 1),
        ("updates_sent", 120),
        ("triggered_updates_sent", 4),
        ("requests_sent", 1),
        ("answers_sent", 1),
        ("datagrams_sent", 126),
    ];
    let interfaces = vec![
        InterfaceView { authentication: "hmac-sha-256, key 3".into(), ..interface("eth0", &eth0) },
        InterfaceView {
            send: "1-compatible".into(),
            receive: "both".into(),
            split_horizon: "simple".into(),
            cost: 5,
            ..interface("eth1", &[("updates_sent", 1), ("datagrams_sent", 1)])
        },
        InterfaceView {
            passive: true,
            authentication: "no key is valid now".into(),
            ..interface("eth2", &[("requests_unanswered", 2), ("no_key", 7)])
        },
        InterfaceView {
            running: false,
            authentication: "keyed-md5, key 1, out of date".into(),
            ..interface("wlan0", &[])
        },
    ];
    SummaryView {
        distance: 120,
        redistribute: vec![RouteSource::Connected, RouteSource::Bgp],
        update: 30.0,
        invalid: 180.0,
        hold_down: 180.0,
        hold_down_policy: "suppress-equal-or-worse".into(),
        flush: 240.0,
        flush_from: "after-update".into(),
        next_update: Some(13.2),
        changes_pending: 1,
        routes_valid: 5,
        routes_possibly_down: 1,
        routes_deleted: 1,
        neighbors: 2,
        interfaces,
    }
}

pub(crate) fn rip_neighbors() -> NeighborsView {
    let neighbor = |address: &str, interface: &str, heard| NeighborView {
        address: ip(address),
        interface: interface.into(),
        version: 2,
        heard,
        alive: heard < 180.0,
        routes: 2,
        packets: 125,
        bad_packets: 0,
        bad_entries: 0,
        sequences: vec![],
    };
    let keyed = NeighborView {
        bad_packets: 5,
        bad_entries: 1,
        sequences: vec![(2, 1_790_000_000), (3, 1_790_000_125)],
        ..neighbor("10.0.12.2", "eth0", 12.3)
    };
    let old = NeighborView { version: 1, ..neighbor("10.0.13.3", "eth1", 3.9) };
    let silent = NeighborView { routes: 0, packets: 9, ..neighbor("10.0.13.4", "eth1", 191.0) };
    NeighborsView { neighbors: vec![keyed, old, silent] }
}

fn path(neighbor: &str, interface: &str, heard: f64) -> PathView {
    PathView {
        neighbor: Some(ip(neighbor)),
        next_hop: Some(ip(neighbor)),
        interface: Some(interface.into()),
        heard: Some(heard),
    }
}

fn timers(list: &[(&str, f64)]) -> Vec<TimerView> {
    list.iter().map(|(name, left)| TimerView { name: (*name).to_owned(), left: *left }).collect()
}

fn route(to: &str, origin: &str, metric: u8, paths: Vec<PathView>) -> RouteView {
    RouteView {
        prefix: prefix(to),
        origin: origin.into(),
        state: "valid".into(),
        reason: None,
        metric,
        metric_before: None,
        tag: 0,
        in_service: false,
        age: 3723.0,
        paths,
        timers: vec![],
        summary: "valid".into(),
    }
}

fn learned(to: &str, metric: u8, tag: u16, paths: Vec<PathView>) -> RouteView {
    RouteView {
        tag,
        in_service: true,
        timers: timers(&[("invalid", 167.7)]),
        summary: "valid, invalid in 168 s".into(),
        ..route(to, "learned", metric, paths)
    }
}

fn failed(state: &str, reason: &str, list: &[(&str, f64)], summary: &str, before: RouteView) -> RouteView {
    RouteView {
        state: state.into(),
        reason: Some(reason.into()),
        metric: 16,
        metric_before: Some(before.metric),
        age: 18.0,
        timers: timers(list),
        summary: summary.into(),
        ..before
    }
}

pub(crate) fn rip_routes() -> RoutesView {
    let direct = |next_hop, interface| PathView { neighbor: None, next_hop, interface, heard: None };
    let named = PathView { next_hop: Some(ip("10.0.13.9")), ..path("10.0.13.3", "eth1", 3.9) };
    let routes = vec![
        route("0.0.0.0/0", "default", 1, vec![]),
        route("10.0.12.0/24", "connected", 1, vec![direct(None, Some("eth0".to_owned()))]),
        learned("10.1.0.0/16", 2, 0, vec![path("10.0.12.2", "eth0", 12.3), named]),
        failed(
            "possibly down",
            "its neighbor says that it cannot be reached",
            &[("hold-down", 41.6), ("flush", 11.2)],
            "possibly down, hold-down 42 s left, flush in 12 s",
            learned("10.2.0.0/16", 3, 7, vec![path("10.0.13.4", "eth1", 138.4)]),
        ),
        RouteView {
            in_service: false,
            ..failed(
                "deleted",
                "its interface is down",
                &[("flush", 101.5)],
                "deleted, flush in 102 s",
                learned("10.3.0.0/16", 6, 0, vec![path("10.0.14.9", "wlan0", 30.0)]),
            )
        },
        learned("10.4.0.0/16", 15, 65_535, vec![path("10.0.12.2", "eth0", 12.3)]),
        route("192.0.2.0/24", "redistributed", 1, vec![direct(Some(ip("10.0.12.77")), None)]),
    ];
    RoutesView { routes, next: None, total: 7 }
}
