//! How RIP is to work.

use crate::auth::Authentication;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;
use trunkline_core::{Duration, Ipv4Prefix, PrefixMatch};
use trunkline_wire::rip::INFINITY;

/// When a route that is no longer valid is forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Flush {
    /// This long after it ceased to be valid: the garbage-collection time of RFC 2453 §3.8. 120 s.
    AfterInvalid(Duration),
    /// This long after its last valid update, as the scheme of four timers has it: it runs beside the invalid timer, and
    /// may well end before hold-down does. Taken as the invalid time where that is longer.
    AfterUpdate(Duration),
}

/// Times, each from a second to a million of them. The default is that of RFC 2453 §3.8.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timers {
    /// Between regular updates, give or take a sixth by chance (RFC 2453 §3.8: 30 s ± 5 s). 30 s.
    pub update: Duration,
    /// From a route's last valid update until it is not valid any more: the RFC's timeout. 180 s.
    pub invalid: Duration,
    /// How long hold-down lasts, where it is on. 180 s.
    pub hold_down: Duration,
    /// Until it is forgotten.
    pub flush: Flush,
}

impl Default for Timers {
    fn default() -> Timers {
        Timers {
            update: Duration::from_secs(30),
            invalid: Duration::from_secs(180),
            hold_down: Duration::from_secs(180),
            flush: Flush::AfterInvalid(Duration::from_secs(120)),
        }
    }
}

impl Timers {
    /// The scheme of four timers, 30, 180, 180 and 240 s, to go with a [`HoldDown`]. After silence a route is held down for
    /// 60 s then, as its flush comes first.
    pub fn four() -> Timers {
        Timers { flush: Flush::AfterUpdate(Duration::from_secs(240)), ..Timers::default() }
    }
}

/// What of a route that just failed is not believed for a while. RFC 2453 has no such thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum HoldDown {
    /// Everything is believed at once.
    #[default]
    Off,
    /// Only a metric better than the one before the failure is believed.
    SuppressEqualOrWorse,
    /// Nothing is.
    SuppressAll,
}

/// What is said of a route on the interface that it leads through (RFC 2453 §3.4.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum SplitHorizon {
    /// All: counting to infinity becomes likely.
    Off,
    /// Nothing.
    Simple,
    /// That it cannot be reached this way.
    #[default]
    PoisonedReverse,
}

/// What is sent on an interface: the compatibility switch of RFC 2453 §5.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Send {
    /// "none": nothing at all.
    None,
    /// "RIP-1": version 1 by broadcast.
    V1,
    /// "RIP-1 compatibility": version 2 by broadcast, with no route that version 1 would misunderstand (§4.3).
    V1Compatible,
    /// "RIP-2": version 2 by multicast.
    #[default]
    V2,
}

/// What is heard on an interface (RFC 2453 §5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Receive {
    /// Nothing.
    None,
    /// Version 1 only.
    V1,
    /// Version 2 only.
    #[default]
    V2,
    /// Both.
    Both,
}

/// A list of rules for prefixes; the first that matches decides, and what none matches is rejected.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter {
    /// In order.
    pub rules: Vec<FilterRule>,
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilterRule {
    /// The prefixes it matches; empty: all.
    pub prefixes: Vec<PrefixMatch>,
    /// Whether they pass.
    pub accept: bool,
}

impl Filter {
    /// Whether `prefix` passes.
    pub fn accepts(&self, prefix: Ipv4Prefix) -> bool {
        self.rules.iter().find(|rule| matches(&rule.prefixes, prefix)).is_some_and(|rule| rule.accept)
    }
}

fn matches(prefixes: &[PrefixMatch], prefix: Ipv4Prefix) -> bool {
    prefixes.is_empty() || prefixes.iter().any(|m| m.matches(prefix.into()))
}

/// Makes routes look farther away than they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offset {
    /// The prefixes it is for; empty: all.
    pub prefixes: Vec<PrefixMatch>,
    /// What is added to the metric, 0..=16.
    pub metric: u8,
}

/// RIP on one interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InterfaceConfig {
    /// The cost of the network, 1..=15 (RFC 2453 §3.5). 1.
    pub cost: u8,
    /// Sends nothing unasked but to `neighbors`, and asks nobody else: a "silent process", which answers only requests from
    /// a port other than 520 (RFC 1058 §3.4.1). No.
    pub passive: bool,
    /// What is said of routes that lead through this interface. Poisoned reverse.
    pub split_horizon: SplitHorizon,
    /// What is sent. Version 2.
    pub send: Send,
    /// What is heard. Version 2.
    pub receive: Receive,
    /// Those whom updates are sent to one by one (RFC 2453 §3.10, §4.5), in our subnets, besides the broadcasts. At most
    /// 256.
    pub neighbors: Vec<Ipv4Addr>,
    /// Keys; without any, messages are not authenticated.
    pub authentication: Authentication,
    /// Routes that may come in. All.
    pub filter_in: Option<Arc<Filter>>,
    /// Routes that may go out. All.
    pub filter_out: Option<Arc<Filter>>,
    /// Added to the metric of what comes in; the first that matches.
    pub offsets_in: Vec<Offset>,
    /// Added to the metric of what goes out; the first that matches.
    pub offsets_out: Vec<Offset>,
}

impl Default for InterfaceConfig {
    fn default() -> InterfaceConfig {
        InterfaceConfig {
            cost: 1,
            passive: false,
            split_horizon: SplitHorizon::default(),
            send: Send::default(),
            receive: Receive::default(),
            neighbors: Vec::new(),
            authentication: Authentication::default(),
            filter_in: None,
            filter_out: None,
            offsets_in: Vec::new(),
            offsets_out: Vec::new(),
        }
    }
}

impl InterfaceConfig {
    pub(crate) fn lets_in(&self, prefix: Ipv4Prefix) -> bool {
        self.filter_in.as_ref().is_none_or(|filter| filter.accepts(prefix))
    }

    pub(crate) fn lets_out(&self, prefix: Ipv4Prefix) -> bool {
        self.filter_out.as_ref().is_none_or(|filter| filter.accepts(prefix))
    }

    /// Whether version 1 may be heard there, so that it must not be told what it would misunderstand.
    pub(crate) fn is_classful(&self) -> bool {
        matches!(self.send, Send::V1 | Send::V1Compatible)
    }

    /// "metric = MIN (metric + cost, infinity)" (RFC 2453 §3.9.2).
    pub(crate) fn metric_in(&self, prefix: Ipv4Prefix, metric: u8) -> u8 {
        add(metric, self.cost, &self.offsets_in, prefix)
    }

    pub(crate) fn metric_out(&self, prefix: Ipv4Prefix, metric: u8) -> u8 {
        add(metric, 0, &self.offsets_out, prefix)
    }
}

fn add(metric: u8, cost: u8, offsets: &[Offset], prefix: Ipv4Prefix) -> u8 {
    let offset = offsets.iter().find(|offset| matches(&offset.prefixes, prefix));
    metric.saturating_add(cost).saturating_add(offset.map_or(0, |offset| offset.metric)).min(INFINITY)
}

/// A default route of our own (RFC 2453 §3.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DefaultRoute {
    /// Its metric, 1..=15.
    pub metric: u8,
    /// Its Route Tag.
    pub tag: u16,
}

/// What a neighbour can make us remember at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Limits {
    /// Routes of all kinds; more are not accepted. 65,536.
    pub routes: usize,
    /// Neighbours on an interface, so that those of one do not crowd out those of another. When there are more, those silent
    /// for the longest go first, but none that is alive. 1024.
    pub neighbors: usize,
    /// Requests that are answered on an interface in a second. 32.
    pub answers_per_second: u32,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { routes: 65_536, neighbors: 1024, answers_per_second: 32 }
    }
}

/// How RIP is to work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The interfaces it runs on, by name. Their subnets are advertised.
    pub interfaces: BTreeMap<String, InterfaceConfig>,
    /// Times.
    pub timers: Timers,
    /// Whether routes are held down when they fail. No.
    pub hold_down: HoldDown,
    /// Equally good paths of a route at most, 1..=16. 1.
    pub max_paths: usize,
    /// A default route to advertise. None.
    pub default_route: Option<DefaultRoute>,
    /// What a neighbour can make us remember at most.
    pub limits: Limits,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            interfaces: BTreeMap::new(),
            timers: Timers::default(),
            hold_down: HoldDown::default(),
            max_paths: 1,
            default_route: None,
            limits: Limits::default(),
        }
    }
}

/// The longest a timer may be.
const MAX_TIME: Duration = Duration::from_secs(1_000_000);

/// Unicast neighbours of an interface at most.
const MAX_UNICAST_NEIGHBORS: usize = 256;

impl Config {
    /// The same with every value in its range, so that no timer runs in circles.
    pub(crate) fn sensible(mut self) -> Config {
        let fit = |time: &mut Duration| *time = (*time).clamp(Duration::from_secs(1), MAX_TIME);
        let timers = &mut self.timers;
        [&mut timers.update, &mut timers.invalid, &mut timers.hold_down].into_iter().for_each(fit);
        match &mut timers.flush {
            Flush::AfterInvalid(time) => fit(time),
            Flush::AfterUpdate(time) => *time = (*time).clamp(timers.invalid, MAX_TIME),
        }
        self.max_paths = self.max_paths.clamp(1, 16);
        if let Some(route) = &mut self.default_route {
            route.metric = route.metric.clamp(1, INFINITY - 1);
        }
        for interface in self.interfaces.values_mut() {
            interface.cost = interface.cost.clamp(1, INFINITY - 1);
            interface.neighbors.truncate(MAX_UNICAST_NEIGHBORS);
        }
        self
    }
}
