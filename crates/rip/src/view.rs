//! What people see: plain data of `trunkline_view::rip`.

use crate::Rip;
use crate::auth::{Algorithm, Choice};
use crate::config::{Flush, HoldDown, InterfaceConfig, Receive, Send, SplitHorizon};
use crate::io::InterfaceId;
use crate::route::{Origin, Route, State};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use trunkline_core::{Instant, Ipv4Prefix, Prefix};
use trunkline_view::rip::{
    CounterView, InterfaceView, NeighborView, NeighborsView, PathView, RouteView, RoutesQuery, RoutesView,
    SummaryView, TimerView,
};
use trunkline_wire::rip::INFINITY;

/// Routes in an answer at most.
const MAX_PAGE: u32 = 1000;

impl Rip {
    /// `show rip`, without what only the routing table knows: distance and sources of redistribution.
    pub fn summary(&self, now: Instant) -> SummaryView {
        let timers = &self.config.timers;
        let (flush, flush_from) = match timers.flush {
            Flush::AfterInvalid(time) => (time, "after-invalid"),
            Flush::AfterUpdate(time) => (time, "after-update"),
        };
        let count = |state| self.routes.values().filter(|route| route.state == state).count() as u64;
        SummaryView {
            // Not the machine's business: the node says it.
            distance: 0,
            redistribute: Vec::new(),
            update: timers.update.as_secs_f64(),
            invalid: timers.invalid.as_secs_f64(),
            hold_down: timers.hold_down.as_secs_f64(),
            hold_down_policy: match self.config.hold_down {
                HoldDown::Off => "off",
                HoldDown::SuppressEqualOrWorse => "suppress-equal-or-worse",
                HoldDown::SuppressAll => "suppress-all",
            }
            .into(),
            flush: flush.as_secs_f64(),
            flush_from: flush_from.into(),
            next_update: self.update_at.map(|at| at.since(now).as_secs_f64()),
            changes_pending: self.changed.len() as u64,
            routes_valid: count(State::Valid),
            routes_possibly_down: count(State::PossiblyDown),
            routes_deleted: count(State::Deleted),
            neighbors: self.neighbors.iter().filter(|(_, n)| now.since(n.heard) < timers.invalid).count()
                as u64,
            interfaces: self
                .by_name
                .iter()
                .map(|(name, config)| self.interface_view(now, name, config))
                .collect(),
        }
    }

    fn interface_view(&self, now: Instant, name: &str, config: &InterfaceConfig) -> InterfaceView {
        let interface = self.interfaces.values().find(|interface| interface.name == name);
        let counters = interface.map(|interface| interface.counters).unwrap_or_default();
        InterfaceView {
            name: name.to_owned(),
            running: interface.is_some_and(|interface| interface.running().is_some()),
            cost: config.cost,
            send: match config.send {
                Send::None => "none",
                Send::V1 => "1",
                Send::V1Compatible => "1-compatible",
                Send::V2 => "2",
            }
            .into(),
            receive: match config.receive {
                Receive::None => "none",
                Receive::V1 => "1",
                Receive::V2 => "2",
                Receive::Both => "both",
            }
            .into(),
            split_horizon: match config.split_horizon {
                SplitHorizon::Off => "off",
                SplitHorizon::Simple => "simple",
                SplitHorizon::PoisonedReverse => "poisoned-reverse",
            }
            .into(),
            passive: config.passive,
            authentication: authentication(config.authentication.choose(now)),
            counters: counters
                .named()
                .filter(|(_, count)| *count > 0)
                .map(|(name, count)| CounterView { name: name.to_owned(), count })
                .collect(),
        }
    }

    /// `show rip neighbors`.
    pub fn neighbors(&self, now: Instant) -> NeighborsView {
        let mut routes: BTreeMap<(InterfaceId, Ipv4Addr), u64> = BTreeMap::new();
        for route in self.routes.values().filter(|route| route.state == State::Valid) {
            for path in &route.paths {
                *routes.entry((path.interface, path.neighbor)).or_default() += 1;
            }
        }
        let neighbors = self.neighbors.iter().map(|(key, neighbor)| NeighborView {
            address: key.1,
            interface: self.name(key.0).unwrap_or_default(),
            version: neighbor.version,
            heard: now.since(neighbor.heard).as_secs_f64(),
            alive: now.since(neighbor.heard) < self.config.timers.invalid,
            routes: routes.get(key).copied().unwrap_or_default(),
            packets: neighbor.packets,
            bad_packets: neighbor.bad_packets,
            bad_entries: neighbor.bad_entries,
            sequences: neighbor.sequences.to_vec(),
        });
        NeighborsView { neighbors: neighbors.collect() }
    }

    /// `show rip routes`.
    pub fn routes(&self, now: Instant, query: &RoutesQuery) -> RoutesView {
        let total = self.routes.len() as u64;
        if let Some(prefix) = query.prefix {
            let found = match prefix {
                Prefix::V4(prefix) => self.find(prefix),
                Prefix::V6(_) => None,
            };
            let routes =
                found.map(|(prefix, route)| self.route_view(now, prefix, route)).into_iter().collect();
            return RoutesView { routes, next: None, total };
        }
        let limit = query.limit.clamp(1, MAX_PAGE) as usize;
        let mut rest = self.routes.range(from_cursor(query.cursor)..);
        let page: Vec<(&Ipv4Prefix, &Route)> = rest.by_ref().take(limit).collect();
        let next = rest.next().map(|(prefix, _)| to_cursor(*prefix));
        let routes = page.into_iter().map(|(prefix, route)| self.route_view(now, *prefix, route)).collect();
        RoutesView { routes, next, total }
    }

    /// The route to a prefix; for an address the longest match that is valid.
    fn find(&self, prefix: Ipv4Prefix) -> Option<(Ipv4Prefix, &Route)> {
        if let Some(route) = self.routes.get(&prefix) {
            return Some((prefix, route));
        }
        if prefix.len() < Ipv4Prefix::MAX_LEN {
            return None;
        }
        (0..Ipv4Prefix::MAX_LEN).rev().find_map(|len| {
            let shorter = Ipv4Prefix::new(prefix.addr(), len)?;
            self.routes.get(&shorter).map(|route| (shorter, route))
        })
    }

    fn name(&self, id: InterfaceId) -> Option<String> {
        self.interfaces.get(&id).map(|interface| interface.name.clone())
    }

    fn route_view(&self, now: Instant, prefix: Ipv4Prefix, route: &Route) -> RouteView {
        let valid = route.state == State::Valid;
        let mut timers = Vec::new();
        let mut timer = |name: &str, at: Option<Instant>| {
            timers
                .extend(at.map(|at| TimerView { name: name.to_owned(), left: at.since(now).as_secs_f64() }));
        };
        if valid {
            timer("invalid", route.deadline(&self.config.timers));
        } else {
            timer("hold-down", route.hold_until.filter(|_| route.state == State::PossiblyDown));
            timer("flush", route.flush_at);
        }
        RouteView {
            prefix: prefix.into(),
            origin: match route.origin {
                Origin::Learned => "learned",
                Origin::Connected(_) => "connected",
                Origin::Redistributed(_) => "redistributed",
                Origin::Default => "default",
            }
            .into(),
            state: route.state.to_string(),
            reason: route.failure.filter(|_| !valid).map(|failure| failure.to_string()),
            metric: if valid { route.metric } else { INFINITY },
            metric_before: (!valid).then_some(route.metric),
            tag: route.tag,
            in_service: route.is_in_service(),
            age: now.since(route.since).as_secs_f64(),
            paths: self.path_views(now, route),
            summary: summary(route.state, &timers),
            timers,
        }
    }

    fn path_views(&self, now: Instant, route: &Route) -> Vec<PathView> {
        match route.origin {
            Origin::Learned => route
                .paths
                .iter()
                .map(|path| PathView {
                    neighbor: Some(path.neighbor),
                    next_hop: Some(path.next_hop),
                    interface: self.name(path.interface),
                    heard: Some(now.since(path.heard).as_secs_f64()),
                })
                .collect(),
            Origin::Connected(id) => {
                vec![PathView { neighbor: None, next_hop: None, interface: self.name(id), heard: None }]
            }
            Origin::Redistributed(next_hop) => {
                vec![PathView { neighbor: None, next_hop, interface: None, heard: None }]
            }
            Origin::Default => Vec::new(),
        }
    }
}

/// "possibly down, hold-down 42 s left, flush in 12 s".
fn summary(state: State, timers: &[TimerView]) -> String {
    let mut text = state.to_string();
    for timer in timers {
        let left = timer.left.ceil();
        text.push_str(&match timer.name.as_str() {
            "hold-down" => format!(", hold-down {left} s left"),
            name => format!(", {name} in {left} s"),
        });
    }
    text
}

fn authentication(choice: Choice<'_>) -> String {
    let Choice::Key { key, expired } = choice else {
        return if choice == Choice::Plain { "none" } else { "no key is valid now" }.into();
    };
    let name = match key.algorithm {
        Algorithm::Password => "password",
        Algorithm::KeyedMd5 => "keyed-md5",
        Algorithm::HmacSha1 => "hmac-sha-1",
        Algorithm::HmacSha256 => "hmac-sha-256",
        Algorithm::HmacSha384 => "hmac-sha-384",
        Algorithm::HmacSha512 => "hmac-sha-512",
    };
    format!("{name}, key {}{}", key.id, if expired { ", out of date" } else { "" })
}

/// A page starts at a prefix; 0 is before all.
fn to_cursor(prefix: Ipv4Prefix) -> u64 {
    u64::from(prefix.bits()) << 6 | u64::from(prefix.len())
}

fn from_cursor(cursor: u64) -> Ipv4Prefix {
    Ipv4Prefix::from_bits(u32::try_from(cursor >> 6).unwrap_or(u32::MAX), (cursor & 63) as u8)
}
