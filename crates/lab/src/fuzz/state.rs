//! How a network is at the end, as lines that can be compared.

use super::Fault;
use super::faults::Troubled;
use crate::run::state;
use crate::scenario::{Action, Scenario, Show};
use crate::sim::{Asked, Lab, NodeIndex, Observer};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use trunkline_core::{Duration, Instant, Rng};
use trunkline_view::probe::PingQuery;
use trunkline_view::{Answer, Query};

/// Quiet before the end: three times BGP's hold time, and the ageing of a bridge.
const QUIET: Duration = Duration::from_secs(600);

/// Where the state differs after that, how often it is looked at again, and how long after.
const PATIENCE: (u32, Duration) = (3, Duration::from_secs(200));

/// The most pairs of nodes of which one pings the other.
const MAX_PINGS: usize = 200;

/// How long that takes at most.
const PING_TIME: Duration = Duration::from_secs(10);

/// The most steps of a simulation for each second of virtual time, and for a whole run beside. What needs more does not
/// become quiet.
const MAX_STEPS: (u64, u64) = (200_000, 20_000_000);

/// The most differences that are named.
const MAX_PROBLEMS: usize = 20;

type State = BTreeSet<String>;

/// A lab that is driven on, with an eye on how much it does.
struct Driver {
    lab: Lab,
    most: u64,
}

impl Driver {
    fn run_until(&mut self, until: Instant, observer: &mut dyn Observer) -> Result<(), String> {
        self.most += MAX_STEPS.0 * until.since(self.lab.now()).as_secs();
        while self.lab.next().is_some_and(|at| at <= until) {
            self.lab.step(observer);
            if self.lab.steps() > self.most {
                return Err(format!(
                    "the network is not quiet at {:?}: a storm of frames or timers",
                    self.lab.now()
                ));
            }
        }
        self.lab.run_until(until, observer);
        Ok(())
    }
}

/// Runs a scenario with faults, then the time of quiet.
fn run(scenario: &Scenario, seed: u64, faults: &[Fault]) -> Result<Driver, String> {
    let mut lab = Lab::new(seed);
    lab.build(scenario, &mut ()).map_err(|error| error.to_string())?;
    let mut driver = Driver { lab, most: MAX_STEPS.1 };
    let mut troubled = Troubled::new(scenario, faults);
    while let Some(at) = troubled.next() {
        driver.run_until(at, &mut ())?;
        troubled.step(&mut driver.lab);
    }
    driver.run_until(scenario.until.max(driver.lab.now()) + QUIET, &mut ())?;
    Ok(driver)
}

/// The state at the end of a run.
pub(super) fn at_end(scenario: &Scenario, seed: u64, faults: &[Fault]) -> Result<State, String> {
    let mut driver = run(scenario, seed, faults)?;
    read(&mut driver, scenario, seed)
}

/// What is different at the end of a run with faults from one without.
pub(super) fn compare(scenario: &Scenario, seed: u64, faults: &[Fault], undisturbed: &State) -> Vec<String> {
    let mut driver = match run(scenario, seed, faults) {
        Ok(driver) => driver,
        Err(problem) => return vec![problem],
    };
    let mut problems = Vec::new();
    for attempt in 0..=PATIENCE.0 {
        if attempt > 0 {
            let until = driver.lab.now() + PATIENCE.1;
            if let Err(problem) = driver.run_until(until, &mut ()) {
                return vec![problem];
            }
        }
        problems = match read(&mut driver, scenario, seed) {
            Ok(state) => differences(undisturbed, &state),
            Err(problem) => vec![problem],
        };
        if problems.is_empty() {
            break;
        }
    }
    problems
}

fn differences(expected: &State, seen: &State) -> Vec<String> {
    let missing = expected.difference(seen).map(|line| format!("missing: {line}"));
    let extra = seen.difference(expected).map(|line| format!("not there without faults: {line}"));
    missing.chain(extra).take(MAX_PROBLEMS).collect()
}

/// All that is compared.
fn read(driver: &mut Driver, scenario: &Scenario, seed: u64) -> Result<State, String> {
    let mut lines = State::new();
    let rivals = rivals(scenario);
    let nodes = driver.lab.nodes().map(|(node, config)| (node, config.name.clone()));
    let nodes: Vec<(NodeIndex, String)> = nodes.filter(|(_, name)| !rivals.contains(name)).collect();
    for (node, name) in &nodes {
        if !driver.lab.is_up(*node) {
            lines.insert(format!("{name} is down"));
        }
        for show in [Show::Interfaces, Show::Routes, Show::BgpSummary, Show::BgpRoutes] {
            for entry in state(&mut driver.lab, *node, show).unwrap_or_default() {
                lines.extend(line(show, &entry).map(|line| format!("{name} {line}")));
            }
        }
    }
    pings(driver, &nodes, seed, &mut lines)?;
    Ok(lines)
}

/// Nodes that at some time have an address that another one has too. Which of them keeps it, faults may decide: they are
/// left out.
fn rivals(scenario: &Scenario) -> BTreeSet<String> {
    let changed = scenario.steps.iter().filter_map(|step| match &step.action {
        Some(Action::Set { config, .. }) => Some(&**config),
        _ => None,
    });
    let mut owners: BTreeMap<Ipv4Addr, BTreeSet<&str>> = BTreeMap::new();
    for config in scenario.nodes.iter().chain(changed) {
        for (address, _) in config.interfaces.iter().flat_map(|interface| &interface.address) {
            owners.entry(*address).or_default().insert(&config.name);
        }
    }
    owners.into_values().filter(|names| names.len() > 1).flatten().map(str::to_owned).collect()
}

/// What of an entry is compared.
fn line(show: Show, entry: &Value) -> Option<String> {
    let is = |member: &str| entry[member] == true;
    let members: &[&str] = match show {
        Show::Interfaces => &["name", "up", "mac", "addresses"],
        Show::Routes if is("selected") => &["prefix", "source", "distance", "metric", "next_hops"],
        Show::BgpRoutes if is("best") => {
            &["prefix", "neighbor", "next_hop", "as_path", "local_pref", "med", "communities"]
        }
        Show::BgpSummary => {
            let established = entry["state"] == "Established";
            return Some(format!("session with {}: established {established}", entry["address"]));
        }
        _ => return None,
    };
    let members: Vec<String> = members.iter().map(|member| format!("{member} {}", entry[*member])).collect();
    Some(format!("{}: {}", show.name(), members.join(", ")))
}

/// Hears who is answered.
#[derive(Default)]
struct Replies {
    asked: BTreeMap<u64, String>,
    lines: State,
}

impl Observer for Replies {
    fn answer(&mut self, _: Instant, _: &str, id: u64, answer: Answer) {
        if let (Some(pair), Answer::Ping(view)) = (self.asked.remove(&id), answer) {
            self.lines.insert(format!("{pair}: {}", view.received > 0));
        }
    }
}

/// Lets nodes ping one another, all at the same time; where there are many, some of them.
fn pings(
    driver: &mut Driver,
    nodes: &[(NodeIndex, String)],
    seed: u64,
    lines: &mut State,
) -> Result<(), String> {
    let mut addresses: Vec<(NodeIndex, Ipv4Addr)> = Vec::new();
    for (node, config) in driver.lab.nodes().filter(|(node, _)| nodes.iter().any(|(n, _)| n == node)) {
        let of_node = config.interfaces.iter().flat_map(|interface| &interface.address);
        addresses.extend(of_node.map(|(address, _)| (node, *address)));
    }
    let mut pairs = Vec::new();
    for (from, name) in nodes {
        pairs.extend(addresses.iter().filter(|(to, _)| to != from).map(|(_, to)| (*from, name, *to)));
    }
    // The same for the run with faults and the one without.
    let mut rng = Rng::new(seed);
    while pairs.len() > MAX_PINGS {
        pairs.swap_remove(rng.below(pairs.len() as u64) as usize);
    }
    let mut replies = Replies::default();
    for (from, name, to) in pairs {
        let ping = PingQuery { count: 4, timeout_ms: 3000, ..PingQuery::new(to) };
        if let Asked::Later(id) = driver.lab.query(from, Query::Ping(ping), &mut ()) {
            replies.asked.insert(id, format!("{name} pings {to}"));
        }
    }
    driver.run_until(driver.lab.now() + PING_TIME, &mut replies)?;
    lines.extend(replies.lines);
    Ok(())
}
