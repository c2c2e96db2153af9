//! Metrics of RIP. The labels that say what a counter is are the names that RIP has for it.

use super::{Counters, Labels, counters, gauges, set};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use trunkline_view::rip::{CounterView, NeighborView, SummaryView};

/// Each a metric of its own, there from the start.
const PLAIN: [(&str, &str); 9] = [
    ("datagrams_received", "Datagrams that arrived"),
    ("requests_received", "Requests that passed all checks"),
    ("responses_received", "Responses that passed all checks"),
    ("entries_received", "Entries of responses that passed all checks"),
    ("datagrams_sent", "Datagrams sent"),
    ("updates_sent", "Regular updates sent"),
    ("triggered_updates_sent", "Triggered updates sent"),
    ("requests_sent", "Requests sent"),
    ("answers_sent", "Answers to requests sent"),
];

/// Entries that were not taken as they are.
const ENTRIES: [&str; 11] = [
    "bad_address_family",
    "bad_authentication_entry",
    "bad_metric",
    "bad_address",
    "bad_subnet_mask",
    "bad_host_bits",
    "next_hop_ignored",
    "next_hop_ourselves",
    "entries_filtered",
    "entries_held_down",
    "table_full",
];

/// Requests that were not answered.
const REQUESTS: [&str; 3] = ["requests_limited", "requests_unanswered", "requests_other_version"];

/// Messages for which no valid key was there.
const KEYS: [&str; 2] = ["expired_key_used", "no_key"];

/// All of them.
pub(super) fn add(registry: &mut Registry, summary: &SummaryView, neighbors: &[NeighborView]) {
    let routes = gauges(registry, "routes", "Routes by state");
    let states = [
        ("valid", summary.routes_valid),
        ("possibly down", summary.routes_possibly_down),
        ("deleted", summary.routes_deleted),
    ];
    for (state, count) in states {
        set(&routes, vec![("state", state.to_owned())], count);
    }
    let numbers = [
        ("neighbors", "Neighbors that are heard", summary.neighbors),
        ("changes_pending", "Routes that wait for a triggered update", summary.changes_pending),
    ];
    for (name, help, number) in numbers {
        let gauge = Gauge::<i64>::default();
        gauge.set(i64::try_from(number).unwrap_or(i64::MAX));
        registry.register(name, help, gauge);
    }
    add_interfaces(registry, summary);
    add_neighbors(registry, neighbors);
}

fn add_interfaces(registry: &mut Registry, summary: &SummaryView) {
    let running =
        gauges(registry, "interface_running", "1 where RIP runs: the interface is up and has an address");
    let plain = PLAIN.map(|(name, help)| (name, counters(registry, name, help)));
    let datagrams = counters(registry, "datagrams_refused", "Datagrams that were ignored, by reason");
    let entries = counters(registry, "entries_refused", "Entries that were not taken as they are, by reason");
    let requests = counters(registry, "requests_refused", "Requests that were not answered, by reason");
    let keys = counters(
        registry,
        "key_problems",
        "Messages for which no valid key was there, by what became of them",
    );
    for interface in &summary.interfaces {
        let labels = || vec![("interface", interface.name.clone())];
        set(&running, labels(), interface.running.into());
        for (name, family) in &plain {
            let counter = interface.counters.iter().find(|counter| counter.name == *name);
            add_to(family, labels(), counter.map_or(0, |counter| counter.count));
        }
        for CounterView { name, count } in &interface.counters {
            let is_in = |names: &[&str]| names.contains(&name.as_str());
            let family = match () {
                () if PLAIN.iter().any(|(plain, _)| plain == name) => continue,
                () if is_in(&ENTRIES) => &entries,
                () if is_in(&REQUESTS) => &requests,
                () if is_in(&KEYS) => &keys,
                () => &datagrams,
            };
            add_to(family, [labels(), vec![("reason", name.clone())]].concat(), *count);
        }
    }
}

fn add_to(family: &Counters, labels: Labels, count: u64) {
    family.get_or_create(&labels).inc_by(count);
}

fn add_neighbors(registry: &mut Registry, neighbors: &[NeighborView]) {
    let up = gauges(registry, "neighbor_up", "1 where the neighbor was heard within the invalid time");
    let routes = gauges(registry, "neighbor_routes", "Routes that lead through the neighbor");
    let packets = counters(registry, "neighbor_packets", "Good messages of the neighbor");
    let bad_packets =
        counters(registry, "neighbor_bad_packets", "Datagrams of the neighbor that were ignored");
    let bad_entries = counters(registry, "neighbor_bad_entries", "Entries of the neighbor that were ignored");
    for n in neighbors {
        let labels = || vec![("interface", n.interface.clone()), ("neighbor", n.address.to_string())];
        set(&up, labels(), n.alive.into());
        set(&routes, labels(), n.routes);
        add_to(&packets, labels(), n.packets);
        add_to(&bad_packets, labels(), n.bad_packets);
        add_to(&bad_entries, labels(), n.bad_entries);
    }
}
