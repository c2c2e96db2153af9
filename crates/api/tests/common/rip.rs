//! The same of RIP.

use std::net::Ipv4Addr;
use trunkline_view::rip::*;
use trunkline_view::{Query, RouteSource};

pub fn queries() -> Vec<Query> {
    let prefix = Some("203.0.113.0/24".parse().unwrap());
    vec![
        Query::Rip,
        Query::RipNeighbors,
        Query::RipRoutes(RoutesQuery { prefix, cursor: 1, limit: 2 }),
        Query::RipClear { prefix },
    ]
}

fn address() -> Ipv4Addr {
    "192.0.2.2".parse().unwrap()
}

pub fn summary() -> SummaryView {
    let counters = [
        ("datagrams_received", 9),
        ("responses_received", 5),
        ("triggered_updates_sent", 2),
        ("auth_missing", 4),
        ("bad_metric", 3),
        ("requests_limited", 2),
        ("no_key", 1),
    ];
    let counter = |(name, count): (&str, u64)| CounterView { name: name.to_owned(), count };
    let interface = InterfaceView {
        name: "eth0".into(),
        running: true,
        cost: 1,
        send: "2".into(),
        receive: "both".into(),
        split_horizon: "simple".into(),
        passive: false,
        authentication: "keyed-md5, key 1".into(),
        counters: counters.into_iter().map(counter).collect(),
    };
    SummaryView {
        distance: 120,
        redistribute: vec![RouteSource::Connected, RouteSource::Rip],
        update: 30.0,
        invalid: 180.0,
        hold_down: 180.0,
        hold_down_policy: "off".into(),
        flush: 120.0,
        flush_from: "after-invalid".into(),
        next_update: Some(14.5),
        changes_pending: 1,
        routes_valid: 6,
        routes_possibly_down: 2,
        routes_deleted: 3,
        neighbors: 1,
        interfaces: vec![interface],
    }
}

pub fn neighbors() -> NeighborsView {
    let neighbor = NeighborView {
        address: address(),
        interface: "eth0".into(),
        version: 2,
        heard: 3.5,
        alive: true,
        routes: 4,
        packets: 5,
        bad_packets: 6,
        bad_entries: 7,
        sequences: vec![(1, 1_790_000_000)],
    };
    NeighborsView { neighbors: vec![neighbor] }
}

pub fn routes() -> RoutesView {
    let path = PathView {
        neighbor: Some(address()),
        next_hop: Some(address()),
        interface: Some("eth0".into()),
        heard: Some(3.5),
    };
    let route = RouteView {
        prefix: "203.0.113.0/24".parse().unwrap(),
        origin: "learned".into(),
        state: "possibly down".into(),
        reason: Some("x".into()),
        metric: 16,
        metric_before: Some(3),
        tag: 7,
        in_service: true,
        age: 1.5,
        paths: vec![path],
        timers: vec![TimerView { name: "flush".into(), left: 12.5 }],
        summary: "possibly down, flush in 13 s".into(),
    };
    RoutesView { routes: vec![route], next: Some(1), total: 9 }
}
