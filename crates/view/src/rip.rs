//! RIP: summary, interfaces, neighbours, routes.

use crate::RouteSource;
use serde::{Deserialize, Serialize};
use std::net::Ipv4Addr;
use trunkline_core::Prefix;

/// `show rip`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SummaryView {
    /// Administrative distance of its routes.
    pub distance: u8,
    /// Whose routes are advertised, beside RIP's own.
    pub redistribute: Vec<RouteSource>,
    /// Seconds between regular updates, give or take a sixth.
    pub update: f64,
    /// Seconds from a route's last valid update until it is not valid any more.
    pub invalid: f64,
    /// Seconds that hold-down lasts.
    pub hold_down: f64,
    /// What is not believed meanwhile: "off", "suppress-equal-or-worse" or "suppress-all".
    pub hold_down_policy: String,
    /// Seconds until a route is forgotten.
    pub flush: f64,
    /// From when they count: "after-invalid" (RFC 2453 §3.8, garbage collection) or "after-update".
    pub flush_from: String,
    /// Seconds until the next regular update; none while RIP runs on no interface.
    pub next_update: Option<f64>,
    /// Routes that changed and wait for a triggered update (RFC 2453 §3.10.1).
    pub changes_pending: u64,
    /// Routes by state: valid.
    pub routes_valid: u64,
    /// Held down.
    pub routes_possibly_down: u64,
    /// Kept to tell others that they are gone.
    pub routes_deleted: u64,
    /// Neighbours that are heard.
    pub neighbors: u64,
    /// The interfaces that RIP is configured for, by name.
    pub interfaces: Vec<InterfaceView>,
}

/// An interface that RIP is configured for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InterfaceView {
    /// Its name.
    pub name: String,
    /// Whether RIP runs on it: it is up and has an address.
    pub running: bool,
    /// Its cost.
    pub cost: u8,
    /// "none", "1", "1-compatible" or "2" (RFC 2453 §5.1).
    pub send: String,
    /// "none", "1", "2" or "both".
    pub receive: String,
    /// "off", "simple" or "poisoned-reverse".
    pub split_horizon: String,
    /// Sends nothing unasked.
    pub passive: bool,
    /// "none", or the algorithm and the key in use: "hmac-sha-256, key 3".
    pub authentication: String,
    /// What was seen and done there, without zeros.
    pub counters: Vec<CounterView>,
}

/// A counter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CounterView {
    /// Its name.
    pub name: String,
    /// How many.
    pub count: u64,
}

/// `show rip neighbors`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NeighborsView {
    /// By interface and address.
    pub neighbors: Vec<NeighborView>,
}

/// A router that is heard.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NeighborView {
    /// Its address.
    pub address: Ipv4Addr,
    /// The interface's name.
    pub interface: String,
    /// The version of its last message.
    pub version: u8,
    /// Seconds since its last good message.
    pub heard: f64,
    /// Whether that was within the invalid time.
    pub alive: bool,
    /// Routes that lead through it.
    pub routes: u64,
    /// Good messages.
    pub packets: u64,
    /// Datagrams from it that were ignored.
    pub bad_packets: u64,
    /// Entries that were ignored.
    pub bad_entries: u64,
    /// The highest sequence number with each key: (key, number).
    pub sequences: Vec<(u8, u32)>,
}

/// Which RIP routes to show.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoutesQuery {
    /// Only this prefix; an address as /32 finds the longest match.
    pub prefix: Option<Prefix>,
    /// Where the page starts: `next` of the page before, 0 at first.
    pub cursor: u64,
    /// The most routes in the answer, 1..=1000.
    pub limit: u32,
}

/// A page of RIP routes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RoutesView {
    /// By prefix.
    pub routes: Vec<RouteView>,
    /// Where the next page starts; none: this was the last.
    pub next: Option<u64>,
    /// How many routes there are.
    pub total: u64,
}

/// A route.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RouteView {
    /// The destination.
    pub prefix: Prefix,
    /// "connected", "redistributed", "default" or "learned".
    pub origin: String,
    /// "valid", "possibly down" or "deleted".
    pub state: String,
    /// Why it is not valid, in words.
    pub reason: Option<String>,
    /// The metric that counts: 16 where it is not valid.
    pub metric: u8,
    /// The metric before it failed, where it did.
    pub metric_before: Option<u8>,
    /// Route Tag.
    pub tag: u16,
    /// Whether packets may take it; of those learnt only.
    pub in_service: bool,
    /// Seconds in this state.
    pub age: f64,
    /// Where it leads to; once it failed, where it led to last.
    pub paths: Vec<PathView>,
    /// Timers that run.
    pub timers: Vec<TimerView>,
    /// State and timers in words: "possibly down, hold-down 42 s left, flush in 12 s".
    pub summary: String,
}

/// A way of a learnt route, or where a redistributed one leads to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PathView {
    /// Who says so; none: not learnt.
    pub neighbor: Option<Ipv4Addr>,
    /// Where packets go; none: to the network itself.
    pub next_hop: Option<Ipv4Addr>,
    /// The interface's name, where it is known.
    pub interface: Option<String>,
    /// Seconds since its last valid update.
    pub heard: Option<f64>,
}

/// A running timer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TimerView {
    /// "invalid", "hold-down" or "flush".
    pub name: String,
    /// Seconds left.
    pub left: f64,
}
