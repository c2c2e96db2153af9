//! What if: each link and each bridge of a network fails in turn, and what hosts lose by it is measured.
//!
//! ```text
//!   0 ────────── rest ──── LEAD ──── failure ──────────────── end ── DRAIN
//!     the network   probes between all hosts, as before          no more probes,
//!     settles       ─────────────────────────────────────▶       those under way arrive
//! ```
//!
//! [`survey`] finds out once when the network is at rest and by what each pair of hosts can be measured; [`run`] then
//! lets one [`Failure`] happen in a lab of its own, so that failures can be run on several threads. Of the scenario's
//! steps only those that configure a node at time 0 are carried out.
//!
//! | part | module |
//! |---|---|
//! | what can fail | `failure` |
//! | who is connected with whom | `topology` |
//! | probes: who sends when, what became of them | `probe` |
//! | what is seen on the links: probes, BPDUs, changes | `watch` |
//! | a lab from its start to the end of a failure | `trial` |
//! | what came of it | `outcome` |

mod failure;
mod outcome;
mod probe;
mod topology;
mod trial;
mod watch;

pub use failure::{Failure, Fault, failures};
pub use outcome::{Counting, Loops, Outcome, PairOutcome, State};

use crate::scenario::{Action, Scenario};
use crate::sim::{Lab, LabError, Observer};
use std::fmt;
use trunkline_core::{Duration, Instant};

/// The most hosts between which probes go: the pairs are nearly the square.
pub const MAX_HOSTS: usize = 100;

/// How to try failures.
#[derive(Debug, Clone)]
pub struct Options {
    /// All chance comes from it, and when exactly the failure happens; none: the scenario's.
    pub seed: Option<u64>,
    /// How long the network is watched after the failure.
    pub watch: Duration,
    /// From one probe of a pair to the next, at least 1 ms; none: as short as their number allows, at least 10 ms.
    pub interval: Option<Duration>,
    /// How long to wait for the network to come to rest before the failure.
    pub patience: Duration,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            seed: None,
            // Max Age and twice Forward Delay are 50 s by default (IEEE 802.1D-2004 table 17-1).
            watch: Duration::from_secs(60),
            interval: None,
            patience: Duration::from_secs(600),
        }
    }
}

/// Why nothing can be tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// The lab cannot be built.
    Lab(LabError),
    /// There are not two hosts on links.
    NoHosts,
    /// Frames multiply without end before anything fails.
    Storm(Instant),
    /// The failure names what is not there.
    NoSuch(Fault),
    /// Words that are no failure.
    Unreadable(String),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::Lab(error) => error.fmt(f),
            Trouble::NoHosts => f.write_str(
                "there are not two hosts on links: what a failure costs is measured between nodes of kind = \"host\"",
            ),
            Trouble::Storm(at) => write!(
                f,
                "frames go round without end at {:.3} s already, before anything fails: is there a loop without \
                 spanning tree?",
                at.as_nanos() as f64 / 1e9
            ),
            Trouble::NoSuch(fault) => write!(f, "there is no {fault}"),
            Trouble::Unreadable(words) => {
                write!(f, "\"{words}\" is no failure; expected \"link NAME\" or \"node NAME\", or two with a comma")
            }
        }
    }
}

impl std::error::Error for Trouble {}

impl From<LabError> for Trouble {
    fn from(error: LabError) -> Trouble {
        Trouble::Lab(error)
    }
}

/// By what a pair of hosts is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Ethernet frames: both are on one LAN.
    Frames,
    /// Pings, through routers.
    Pings,
    /// Nothing: neither gets through while all is whole.
    None,
}

/// Two hosts: the way from one to the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pair {
    /// Who sends: an index of [`Survey::hosts`].
    pub from: usize,
    /// To whom.
    pub to: usize,
    /// How it is measured.
    pub way: Way,
}

/// What holds for all failures of a scenario.
#[derive(Debug, Clone)]
pub struct Survey {
    /// The seed.
    pub seed: u64,
    /// The hosts, in the order of the file; at most [`MAX_HOSTS`].
    pub hosts: Vec<String>,
    /// How many hosts more there are, which are not measured.
    pub hosts_left_out: usize,
    /// All pairs, those of one sender together, each with its reverse.
    pub pairs: Vec<Pair>,
    /// Steps of the scenario that are not carried out.
    pub steps_left_out: usize,
    /// When the network is at rest, or the patience is at its end.
    pub rest: Instant,
    /// Whether it is at rest then.
    pub rested: bool,
    /// When the failure happens.
    pub failure: Instant,
    /// When the watch ends.
    pub end: Instant,
    /// From one frame of a pair to the next: outages are multiples of it.
    pub interval: Duration,
    /// From one ping of a pair to the next.
    pub ping_interval: Duration,
}

/// Lets the network come to rest and finds out who reaches whom, and how.
///
/// # Errors
///
/// The lab cannot be built, has fewer than two hosts, or is in a storm by itself.
pub fn survey(scenario: &Scenario, options: &Options) -> Result<Survey, Trouble> {
    trial::survey(scenario, options)
}

/// Lets one failure happen and measures. The same each time for the same arguments.
///
/// # Errors
///
/// The failure names what is not there.
pub fn run(scenario: &Scenario, survey: &Survey, failure: &Failure) -> Result<Outcome, Trouble> {
    trial::run(scenario, survey, failure)
}

/// As [`run`], with an eye and an ear on all of it: the lab that comes back has captures of all links.
///
/// # Errors
///
/// The failure names what is not there.
pub fn replay(
    scenario: &Scenario,
    survey: &Survey,
    failure: &Failure,
    observer: &mut dyn Observer,
) -> Result<Lab, Trouble> {
    trial::replay(scenario, survey, failure, observer)
}

/// The steps that are carried out: what configures nodes at time 0.
fn settings(scenario: &Scenario) -> impl Iterator<Item = &Action> {
    let first = scenario.steps.iter().filter(|step| step.at == Instant::ZERO);
    first.filter_map(|step| step.action.as_ref()).filter(|action| matches!(action, Action::Set { .. }))
}

/// The scenario with its settings of time 0 in place.
fn configured(scenario: &Scenario) -> Scenario {
    let mut nodes = scenario.nodes.clone();
    for action in settings(scenario) {
        if let Action::Set { node, config, .. } = action
            && let Some(place) = nodes.iter_mut().find(|config| config.name == *node)
        {
            *place = (**config).clone();
            place.name.clone_from(node);
        }
    }
    Scenario { nodes, steps: Vec::new(), ..scenario.clone() }
}

#[cfg(test)]
mod tests;
