//! Spanning tree: `spanning-tree` and its keys in `[bridge.NAME]`, `[bridge.NAME.port.PORT]`, and what must agree between
//! them.

use crate::diagnostic::Diagnostic;
use crate::section::Section;
use crate::value::Value;
use std::ops::RangeInclusive;
use toml::Spanned;
use toml::de::DeValue;
use trunkline_core::{Duration, MacAddr};
use trunkline_stp::{
    Config, CostTable, Edge, ForceVersion, MAX_PATH_COST, MAX_SHORT_PATH_COST, PointToPoint, PortConfig,
    Protocol,
};

const PROTOCOLS: [(&str, Option<Protocol>); 3] =
    [("rstp", Some(Protocol::Rstp)), ("stp", Some(Protocol::Stp)), ("off", None)];
const COSTS: [(&str, CostTable); 2] = [("long", CostTable::Long), ("short", CostTable::Short)];
const VERSIONS: [(&str, ForceVersion); 2] =
    [("normal", ForceVersion::Normal), ("stp-compatible", ForceVersion::StpCompatible)];
/// The longest wait for a port that BPDU guard has shut, seconds: a day.
const MAX_RECOVERY: u64 = 86_400;

/// The keys of `[bridge.NAME]` that mean nothing without spanning tree.
const KEYS: [&str; 11] = [
    "priority",
    "hello-time",
    "max-age",
    "forward-delay",
    "transmit-hold-count",
    "path-costs",
    "force-version",
    "uplink-fast",
    "backbone-fast",
    "bpdu-guard-recovery",
    "port",
];

/// Settings of a port that exclude each other, and why.
const CONTRADICTIONS: [(&str, &str, &str); 6] = [
    ("bpdu-filter", "bpdu-guard", "the filter drops the BPDU that the guard waits for"),
    (
        "root-guard",
        "loop-guard",
        "one is for ports that lead away from the root, the other for those towards it",
    ),
    ("loop-guard", "edge", "no bridge is behind an edge whose BPDUs could end"),
    ("bridge-assurance", "edge", "no bridge is behind an edge that could send BPDUs"),
    ("bridge-assurance", "bpdu-filter", "the port would wait for ever for what the filter drops"),
    ("loop-guard", "bpdu-filter", "the filter drops the BPDUs whose end the guard waits for"),
];

/// What a bridge's table says of spanning tree.
pub(crate) struct Tree {
    /// None: off, or not said well.
    pub(crate) config: Option<Config>,
    /// By the name of the port. A port number of 0 stands for any.
    pub(crate) port_settings: Vec<(Spanned<String>, PortConfig)>,
    /// Whether it is off because the file says so or nothing.
    pub(crate) off: bool,
}

/// Reads `spanning-tree` and what belongs to it.
pub(crate) fn tree(section: &mut Section<'_>) -> Tree {
    let written = section.read("spanning-tree", |v| v.choice(&PROTOCOLS));
    let protocol = written.flatten();
    let off = protocol.is_none() && (written.is_some() || !section.has("spanning-tree"));
    let mut config = Config {
        bpdu_guard_recovery: Some(Config::BPDU_GUARD_RECOVERY),
        ..Config::new(protocol.unwrap_or_default(), MacAddr::UNSPECIFIED)
    };
    // Where it is not said which protocol, what any of them allows passes.
    let hello_times = Config::hello_times(protocol.unwrap_or(Protocol::Stp));
    let priorities = 0..=Config::MAX_PRIORITY;
    section.set(&mut config.priority, "priority", |v| stepped(v, priorities, Config::PRIORITY_STEP));
    section.set(&mut config.hello_time, "hello-time", |v| v.integer(hello_times));
    section.set(&mut config.max_age, "max-age", |v| v.integer(Config::MAX_AGE));
    section.set(&mut config.forward_delay, "forward-delay", |v| v.integer(Config::FORWARD_DELAY));
    section.set(&mut config.transmit_hold_count, "transmit-hold-count", |v| {
        v.integer(Config::TRANSMIT_HOLD_COUNT)
    });
    section.set(&mut config.path_costs, "path-costs", |v| v.choice(&COSTS));
    section.set(&mut config.force_version, "force-version", |v| v.choice(&VERSIONS));
    section.set(&mut config.uplink_fast, "uplink-fast", Value::bool);
    section.set(&mut config.backbone_fast, "backbone-fast", Value::bool);
    section.set(&mut config.bpdu_guard_recovery, "bpdu-guard-recovery", recovery);
    let port_settings = port_settings(section, &config, protocol);
    match protocol {
        Some(protocol) => {
            check_protocol(section, &config, protocol);
            check_times(section, &config);
        }
        None if off => warn_of_no_effect(section),
        None => {}
    }
    Tree { config: protocol.map(|_| config), port_settings, off }
}

/// A number in steps, from 0.
fn stepped<T>(value: &Value<'_>, range: RangeInclusive<T>, step: T) -> Option<T>
where
    T: TryFrom<i128> + Into<u32> + PartialOrd + std::fmt::Display + Copy,
{
    let allowed = format!("expected {} to {} in steps of {step}", range.start(), range.end());
    let number = value.integer(range)?;
    let (written, step) = (number.into(), step.into());
    let below = written / step * step;
    if below == written {
        return Some(number);
    }
    let problem = value.problem(&format!("is no multiple of {step}"), allowed);
    value.refuse(problem.help(format!("the next ones are {below} and {}", below + step)))
}

/// Seconds, or never.
fn recovery(value: &Value<'_>) -> Option<Option<Duration>> {
    match value.as_str() {
        Some("never") => Some(None),
        Some(written) if written.parse::<u64>().is_err() => {
            let allowed = format!("expected a number, 1 to {MAX_RECOVERY}, or \"never\"");
            value.refuse(value.problem(&format!("cannot be \"{written}\""), allowed))
        }
        _ => value.integer(1..=MAX_RECOVERY).map(|seconds| Some(Duration::from_secs(seconds))),
    }
}

/// True, false or "auto".
fn or_auto<T>(value: &Value<'_>, auto: T, yes: T, no: T) -> Option<T> {
    let help = match value.raw() {
        DeValue::Boolean(true) => return Some(yes),
        DeValue::Boolean(false) => return Some(no),
        DeValue::String(text) if text == "auto" => return Some(auto),
        DeValue::String(text) if matches!(text.as_ref(), "true" | "false") => {
            Some(format!("write {text} without quotes"))
        }
        _ => None,
    };
    let mut problem = value.problem("is neither a yes nor a no", "expected true, false or \"auto\"");
    problem.help = help;
    value.refuse(problem)
}

/// Reads all of `[bridge.NAME.port.PORT]`, in the order of the file.
fn port_settings(
    bridge: &mut Section<'_>,
    config: &Config,
    protocol: Option<Protocol>,
) -> Vec<(Spanned<String>, PortConfig)> {
    let section = bridge.section("port", "[bridge.NAME.port]");
    let mut entries = section.entries();
    entries.sort_by_key(|(_, span, _)| span.start);
    let mut found = Vec::new();
    for (name, span, value) in entries {
        if let Some(mut table) = value.section("[bridge.NAME.port.PORT]") {
            let port = port(&mut table, config);
            check_port(&table, protocol, &port);
            found.push((Spanned::new(span, name.to_owned()), port));
        }
    }
    section.accept_all();
    found
}

fn port(section: &mut Section<'_>, config: &Config) -> PortConfig {
    let mut port = PortConfig::new(0);
    let most = match config.path_costs {
        CostTable::Long => MAX_PATH_COST,
        CostTable::Short => MAX_SHORT_PATH_COST,
    };
    port.path_cost = section.read("path-cost", |v| v.integer(1..=most));
    let priorities = 0..=PortConfig::MAX_PRIORITY;
    section.set(&mut port.priority, "priority", |v| stepped(v, priorities, PortConfig::PRIORITY_STEP));
    section.set(&mut port.edge, "edge", |v| or_auto(v, Edge::Auto, Edge::Yes, Edge::No));
    section.set(&mut port.point_to_point, "point-to-point", |v| {
        or_auto(v, PointToPoint::Auto, PointToPoint::Yes, PointToPoint::No)
    });
    section.set(&mut port.restricted_role, "restricted-role", Value::bool);
    section.set(&mut port.restricted_tcn, "restricted-tcn", Value::bool);
    section.set(&mut port.bpdu_guard, "bpdu-guard", Value::bool);
    section.set(&mut port.bpdu_filter, "bpdu-filter", Value::bool);
    section.set(&mut port.root_guard, "root-guard", Value::bool);
    section.set(&mut port.loop_guard, "loop-guard", Value::bool);
    section.set(&mut port.bridge_assurance, "bridge-assurance", Value::bool);
    port
}

/// Settings of a port that exclude each other.
fn check_port(section: &Section<'_>, protocol: Option<Protocol>, port: &PortConfig) {
    let set = |key: &str| match key {
        "edge" => port.edge == Edge::Yes,
        "bpdu-guard" => port.bpdu_guard,
        "bpdu-filter" => port.bpdu_filter,
        "root-guard" => port.root_guard,
        "loop-guard" => port.loop_guard,
        "bridge-assurance" => port.bridge_assurance,
        _ => false,
    };
    for (one, other, why) in CONTRADICTIONS.into_iter().filter(|(one, other, _)| set(one) && set(other)) {
        let message = format!("`{one}` and `{other}` on one port");
        let problem = Diagnostic::error(section.span_of(one), message, "cannot be both");
        section.reader().push_relation(problem.related(section.span_of(other), "with this").help(why));
    }
    if port.bridge_assurance && protocol == Some(Protocol::Stp) {
        let at = section.span_of("bridge-assurance");
        let problem = Diagnostic::error(at, "`bridge-assurance` with STP", "only RSTP has it");
        section
            .reader()
            .push_relation(problem.help("STP bridges do not send in every role: the port would never open"));
    }
}

/// Keys of the other protocol.
fn check_protocol(section: &Section<'_>, config: &Config, protocol: Protocol) {
    let refuse = |key: &str, message: String, label: &str, help: &str| {
        let problem = Diagnostic::error(section.span_of(key), message, label);
        let at = section.span_of("spanning-tree");
        section.reader().push_relation(problem.related(at, "the protocol").help(help));
    };
    let fast = [("uplink-fast", config.uplink_fast), ("backbone-fast", config.backbone_fast)];
    match protocol {
        Protocol::Rstp => {
            for (key, _) in fast.into_iter().filter(|(_, on)| *on) {
                let help = "leave it out, or write `spanning-tree = \"stp\"`";
                refuse(key, format!("`{key}` with RSTP"), "RSTP has it built in", help);
            }
        }
        Protocol::Stp => {
            if section.has("force-version") {
                let message = "`force-version` with STP".to_owned();
                let help = "leave it out; STP always speaks as STP";
                refuse("force-version", message, "only RSTP has versions", help);
            }
            if section.has("transmit-hold-count") {
                let at = section.span_of("transmit-hold-count");
                let message = "`transmit-hold-count` has no effect with STP";
                section.reader().push_relation(
                    Diagnostic::warning(at, message, "only RSTP has it")
                        .help("STP sends at most one BPDU a second (Hold Time)"),
                );
            }
        }
    }
}

/// IEEE 802.1D-2004 §17.14: 2 × (forward-delay - 1) ≥ max-age ≥ 2 × (hello-time + 1).
fn check_times(section: &Section<'_>, config: &Config) {
    if config.relations() == (true, true) {
        return;
    }
    let times = [
        ("hello-time", config.hello_time),
        ("max-age", config.max_age),
        ("forward-delay", config.forward_delay),
    ];
    let said = times.map(|(key, value)| {
        let default = if section.has(key) { "" } else { " (the default)" };
        format!("{key} {value}{default}")
    });
    let message = format!("the times do not go together: {}", crate::alternatives(&said, "and"));
    let mut places = times.into_iter().filter(|(key, _)| section.has(key));
    let at = places.next().map_or_else(|| section.span(), |(key, _)| section.span_of(key));
    let least = 2 * (config.hello_time + 1);
    let most = (2 * (config.forward_delay - 1)).min(*Config::MAX_AGE.end());
    let hello = config.hello_time;
    let least = least.max(*Config::MAX_AGE.start());
    let help = if least <= most {
        let delay = config.forward_delay;
        let ages = if least == most { least.to_string() } else { format!("{least} to {most}") };
        format!("with hello-time {hello} and forward-delay {delay} `max-age` may be {ages}")
    } else {
        let delay = hello + 2;
        format!(
            "with hello-time {hello} `forward-delay` must be at least {delay} and `max-age` at least {least}"
        )
    };
    let label =
        "2 × (forward-delay - 1) ≥ max-age ≥ 2 × (hello-time + 1) must hold (IEEE 802.1D-2004 §17.14)";
    let mut problem = Diagnostic::error(at, message, label);
    for (key, _) in places {
        problem = problem.related(section.span_of(key), "with this");
    }
    section.reader().push_relation(problem.help(help));
}

/// Settings of a spanning tree that there is not.
fn warn_of_no_effect(section: &Section<'_>) {
    let mut keys = KEYS.into_iter().filter(|key| section.has(key));
    let Some(first) = keys.next() else { return };
    let message = format!("`{first}` has no effect");
    let mut problem =
        Diagnostic::warning(section.span_of(first), message, "the bridge runs no spanning tree");
    for key in keys {
        problem = problem.related(section.span_of(key), "nor has this");
    }
    section.reader().push_relation(problem.help("write `spanning-tree = \"rstp\"` to run it"));
}
