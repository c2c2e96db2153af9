//! `[rip]`, and what must agree in it.

use crate::diagnostic::Diagnostic;
use crate::interface::Interface;
use crate::key_chain::KeyChains;
use crate::policy::Policies;
use crate::redistribute::sources;
use crate::section::{Section, alternatives};
use crate::value::Value;
use toml::de::DeValue;
use trunkline_core::Duration;
use trunkline_node::config::{RipConfig, RipRedistribute};
use trunkline_rip::{DefaultRoute, Flush, HoldDown, Receive, Send, Timers};
use trunkline_view::RouteSource;

const HOLD_DOWN: [(&str, HoldDown); 3] = [
    ("off", HoldDown::Off),
    ("suppress-equal-or-worse", HoldDown::SuppressEqualOrWorse),
    ("suppress-all", HoldDown::SuppressAll),
];
const SOURCES: [(&str, RouteSource); 4] = [
    ("connected", RouteSource::Connected),
    ("static", RouteSource::Static),
    ("kernel", RouteSource::Kernel),
    ("bgp", RouteSource::Bgp),
];
const TIMES: [&str; 5] = ["update", "invalid", "hold-down", "flush", "garbage-collection"];
/// The longest a timer may be, seconds.
const MAX_TIME: u64 = 1_000_000;
/// The most that `maximum-routes` and `maximum-neighbors` may be.
const MAX_LIMIT: usize = 1_000_000;

/// What RIP refers to.
pub(crate) struct Context<'c, 'a> {
    /// `[[policy.NAME]]`.
    pub(crate) policies: &'c Policies<'a>,
    /// `[[key-chain.NAME]]`.
    pub(crate) chains: &'c KeyChains<'a>,
    /// `[interface.NAME]`.
    pub(crate) interfaces: &'c [Interface],
    /// Whether there are no others.
    pub(crate) lab: bool,
    /// Whether the node speaks BGP.
    pub(crate) bgp: bool,
}

impl<'a> Context<'_, 'a> {
    /// Reads `[rip]`.
    pub(crate) fn rip(&self, mut section: Section<'a>) -> RipConfig {
        let mut config = RipConfig::new();
        let versions = [(1, (Send::V1, Receive::V1)), (2, (Send::V2, Receive::V2))];
        let version = section.read("version", |v| v.integer(1..=2)).unwrap_or(2);
        let (send, receive) =
            versions.iter().find(|(number, _)| *number == version).map_or_else(Default::default, |(_, v)| *v);
        let machine = &mut config.machine;
        section.set(&mut machine.timers, "timers", timers);
        if has_hold_down(&mut section) {
            machine.hold_down = HoldDown::SuppressEqualOrWorse;
        }
        section.set(&mut machine.hold_down, "hold-down", |v| v.choice(&HOLD_DOWN));
        section.set(&mut machine.max_paths, "maximum-paths", |v| v.integer(1..=16));
        section.set(&mut machine.default_route, "default-route", default_route);
        section.set(&mut machine.limits.routes, "maximum-routes", |v| v.integer(1..=MAX_LIMIT));
        section.set(&mut machine.limits.neighbors, "maximum-neighbors", |v| v.integer(1..=MAX_LIMIT));
        section.set(&mut config.distance, "distance", |v| v.integer(1..=255));
        section.set(&mut config.redistribute, "redistribute", |v| self.redistribute(v));
        self.interfaces(&mut section, &mut config, send, receive);
        warn_of_unused_time(&mut section, config.machine.hold_down);
        config
    }

    fn redistribute(&self, value: &Value<'a>) -> Option<Vec<RipRedistribute>> {
        let absent = (!self.bgp).then_some(RouteSource::Bgp);
        sources(value, "rip.redistribute", &SOURCES, absent, |source, mut section| {
            let metric = section.read("metric", |v| v.integer(1..=15)).unwrap_or(1);
            let tag = section.read("tag", |v| v.integer(0..=u16::MAX)).unwrap_or(0);
            let filter = section.read("policy", |v| self.policies.filter(v)).flatten();
            RipRedistribute { source, metric, tag, filter }
        })
    }
}

/// The scheme of RFC 2453, that of four timers, or a table.
fn timers(value: &Value<'_>) -> Option<Timers> {
    match value.as_str() {
        Some("rfc") => return Some(Timers::default()),
        Some("four") => return Some(Timers::four()),
        None if value.is_table() => {}
        _ => {
            let problem = value.problem("is no set of timers", "expected \"rfc\", \"four\" or a table");
            return value.refuse(problem.help("write for example `timers = { update = 30 }`"));
        }
    }
    let mut section = value.section("timers")?;
    let four = section.has("hold-down") || section.has("flush");
    let mut timers =
        if four && !section.has("garbage-collection") { Timers::four() } else { Timers::default() };
    let read = TIMES.map(|key| section.read(key, seconds));
    let [update, invalid, hold_down, flush, garbage_collection] = read;
    timers.update = update.unwrap_or(timers.update);
    timers.invalid = invalid.unwrap_or(timers.invalid);
    timers.hold_down = hold_down.unwrap_or(timers.hold_down);
    let flush = flush.map(Flush::AfterUpdate).or(garbage_collection.map(Flush::AfterInvalid));
    timers.flush = flush.unwrap_or(timers.flush);
    // What is wrong by itself cannot be compared.
    let wrong = |(key, time): (&&str, &Option<Duration>)| time.is_none() && section.has(key);
    if !TIMES.iter().zip(&read).any(wrong) {
        check_times(&section, &timers);
    }
    Some(timers)
}

fn seconds(value: &Value<'_>) -> Option<Duration> {
    value.integer(1..=MAX_TIME).map(Duration::from_secs)
}

fn check_times(section: &Section<'_>, timers: &Timers) {
    if section.has("flush") && section.has("garbage-collection") {
        let message = "`flush` and `garbage-collection` exclude each other";
        let label = "counts from the last update";
        let problem = Diagnostic::error(section.span_of("flush"), message, label);
        let other = section.span_of("garbage-collection");
        section.reader().push_relation(problem.related(other, "counts from when the route became invalid"));
        return;
    }
    let check = |short: (&str, Duration), long: (&str, Duration), least: Duration, help: &str| {
        if long.1 >= least {
            return;
        }
        let said = [short, long].map(|(key, time)| {
            let default = if section.has(key) { "" } else { " (the default)" };
            format!("{key} {}{default}", time.as_secs())
        });
        let message = format!("the times do not go together: {}", alternatives(&said, "and"));
        let mut places = [long.0, short.0].into_iter().filter(|key| section.has(key));
        let at = places.next().map_or_else(|| section.span(), |key| section.span_of(key));
        let label = format!("`{}` must be at least {}", long.0, least.as_secs());
        let mut problem = Diagnostic::error(at, message, label);
        for key in places {
            problem = problem.related(section.span_of(key), "with this");
        }
        section.reader().push_relation(problem.help(help));
    };
    // An update may come a sixth late, and then has to arrive.
    let late = Duration::from_secs(timers.update.as_secs() + timers.update.as_secs() / 6 + 1);
    let (update, invalid) = (("update", timers.update), ("invalid", timers.invalid));
    check(update, invalid, late, "a route would fail between two updates, which come a sixth late at times");
    if let Flush::AfterUpdate(flush) = timers.flush {
        let help = "both run from the last update: a route cannot be forgotten before it fails";
        check(invalid, ("flush", flush), timers.invalid, help);
    }
}

/// Whether the timers have a time for it.
fn has_hold_down(section: &mut Section<'_>) -> bool {
    section.take("timers").is_some_and(|timers| match timers.raw() {
        DeValue::String(name) => name == "four",
        DeValue::Table(table) => table.contains_key("hold-down"),
        _ => false,
    })
}

/// A time without a use.
fn warn_of_unused_time(section: &mut Section<'_>, hold_down: HoldDown) {
    let timers = section.take("timers");
    let time = timers.as_ref().and_then(Value::table).and_then(|table| table.get("hold-down"));
    if let Some(time) = time.filter(|_| hold_down == HoldDown::Off) {
        let message = "the time for `hold-down` has no effect";
        let problem = Diagnostic::warning(time.span(), message, "nothing is held down");
        section.reader().push_relation(problem.related(section.span_of("hold-down"), "it is off"));
    }
}

/// True, false, or what it is like.
fn default_route(value: &Value<'_>) -> Option<Option<DefaultRoute>> {
    if !value.is_table() {
        return Some(value.bool()?.then_some(DefaultRoute { metric: 1, tag: 0 }));
    }
    let mut section = value.section("default-route")?;
    let metric = section.read("metric", |v| v.integer(1..=15)).unwrap_or(1);
    let tag = section.read("tag", |v| v.integer(0..=u16::MAX)).unwrap_or(0);
    Some(Some(DefaultRoute { metric, tag }))
}
