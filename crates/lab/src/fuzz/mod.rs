//! Scenarios under random faults: after a time of quiet, a network must be as if nothing had been.
//!
//! ```text
//!   0 ──────────────── until ───────────────── until + QUIET ── + pings ── compare
//!     steps, and faults        no faults         with the run without faults, same seed
//! ```
//!
//! Compared are routes, best BGP paths, which BGP sessions are established, interfaces, and who reaches whom by ping. Not
//! compared is what a protocol need not repair: TCP connections of steps, caches, counters, and what expectations say.
//! Besides, no machine may panic, and the network must become quiet.

mod faults;
mod shrink;
mod state;

use crate::scenario::Scenario;
use crate::sim::LabError;
use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use trunkline_core::{Duration, Instant};

/// How to look for trouble.
#[derive(Debug, Clone)]
pub struct Options {
    /// The first seed.
    pub first: u64,
    /// How many seeds.
    pub seeds: u64,
    /// How many at the same time; none: one for each core.
    pub threads: Option<usize>,
}

/// One fault.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    /// When it begins.
    pub at: Instant,
    /// How long it lasts.
    pub lasts: Duration,
    /// What it is.
    pub kind: FaultKind,
}

/// What goes wrong.
#[derive(Debug, Clone, PartialEq)]
pub enum FaultKind {
    /// A link is cut.
    Cut {
        /// Its name.
        link: String,
    },
    /// A link loses, doubles, delays and damages frames.
    Bad {
        /// Its name.
        link: String,
        /// Share of frames lost.
        loss: f64,
        /// Share of frames doubled.
        duplicate: f64,
        /// Share of frames late.
        reorder: f64,
        /// Share of frames with a wrong bit.
        corrupt: f64,
    },
    /// A node is down, and starts again.
    Crash {
        /// Its name.
        node: String,
    },
}

/// A seed with which a run goes wrong.
#[derive(Debug, Clone)]
pub struct Bad {
    /// The seed.
    pub seed: u64,
    /// What is wrong at the end.
    pub problems: Vec<String>,
    /// All faults of the run.
    pub faults: Vec<Fault>,
    /// The fewest of them found with which it still goes wrong.
    pub shrunk: Vec<Fault>,
    /// What is wrong with these alone.
    pub shrunk_problems: Vec<String>,
}

/// What came of it.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Seeds that were tried.
    pub runs: u64,
    /// Those that went wrong, by seed.
    pub bad: Vec<Bad>,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (at, lasts) = (self.at.as_nanos() as f64 / 1e9, self.lasts.as_secs_f64());
        write!(f, "{at:.6} s, for {lasts:.6} s: ")?;
        match &self.kind {
            FaultKind::Cut { link } => write!(f, "{link} is cut"),
            FaultKind::Crash { node } => write!(f, "{node} is down"),
            FaultKind::Bad { link, loss, duplicate, reorder, corrupt } => {
                write!(
                    f,
                    "{link} has loss {loss}, duplicate {duplicate}, reorder {reorder}, corrupt {corrupt}"
                )
            }
        }
    }
}

/// Runs a scenario with each seed, without and with faults, and compares how both end. `done` hears how many seeds are
/// through, from any thread.
///
/// # Errors
///
/// The scenario cannot be built.
pub fn fuzz(scenario: &Scenario, options: &Options, done: &(dyn Fn(u64) + Sync)) -> Result<Report, LabError> {
    // Says what cannot be built, once and for all.
    crate::sim::Lab::new(options.first).build(scenario, &mut ())?;
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    let threads = options.threads.unwrap_or_else(cores).clamp(1, 256);
    let (next, through) = (AtomicU64::new(0), AtomicU64::new(0));
    let bad = Mutex::new(Vec::new());
    let work = || {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= options.seeds {
                return;
            }
            let found = try_seed(scenario, options.first.wrapping_add(number));
            if let (Some(found), Ok(mut bad)) = (found, bad.lock()) {
                bad.push(found);
            }
            done(through.fetch_add(1, Ordering::Relaxed) + 1);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    let mut bad = bad.into_inner().unwrap_or_default();
    bad.sort_by_key(|bad: &Bad| bad.seed);
    Ok(Report { runs: options.seeds, bad })
}

/// The faults that a seed brings over a scenario.
pub fn faults_of(scenario: &Scenario, seed: u64) -> Vec<Fault> {
    faults::draw(scenario, seed)
}

/// What is wrong at the end of a scenario with these faults and this seed; nothing where all is well.
pub fn problems(scenario: &Scenario, seed: u64, faults: &[Fault]) -> Vec<String> {
    let checked = || match state::at_end(scenario, seed, &[]) {
        Ok(undisturbed) => state::compare(scenario, seed, faults, &undisturbed),
        Err(problem) => vec![format!("without faults: {problem}")],
    };
    catch_unwind(AssertUnwindSafe(checked)).unwrap_or_else(|panic| vec![format!("panic: {}", said(&*panic))])
}

/// A panic's words.
fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "without words".to_owned())
}

fn try_seed(scenario: &Scenario, seed: u64) -> Option<Bad> {
    let faults = faults_of(scenario, seed);
    let found = problems(scenario, seed, &faults);
    if found.is_empty() {
        return None;
    }
    let is_bad = |some: &[Fault]| !problems(scenario, seed, some).is_empty();
    let shrunk = shrink::shrink(&faults, &is_bad);
    let shrunk_problems = problems(scenario, seed, &shrunk);
    Some(Bad { seed, problems: found, faults, shrunk, shrunk_problems })
}

#[cfg(test)]
mod tests;
