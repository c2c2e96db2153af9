//! A scenario from beginning to end: its steps are carried out, its expectations checked, and a timeline told.

mod check;
mod log;
mod show;

pub use check::Failure;
pub use log::{Entry, Told};
pub(crate) use show::state;

use crate::digest::Digest;
use crate::scenario::{Action, Scenario, Source, Step};
use crate::sim::{Asked, Lab, LabError, NodeIndex, Statistics};
use log::{Ear, Log};
use std::collections::BTreeSet;
use trunkline_core::{Duration, Instant};
use trunkline_view::{Answer, ErrorKind, Query};

/// The longest that [`Run::ask`] lets virtual time go on for an answer.
const MAX_PATIENCE: Duration = Duration::from_secs(600);

/// How to run a scenario.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// All chance comes from it; none: the scenario's.
    pub seed: Option<u64>,
    /// Keep what the links carry; see [`Lab::capture`].
    pub capture: bool,
    /// Tell of every frame ([`Told::Frame`]).
    pub frames: bool,
    /// Do not carry out the steps of the scenario.
    pub without_steps: bool,
}

/// What came of a scenario.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// How many expectations there were so far.
    pub checked: usize,
    /// Those that were not met, in the order of time.
    pub failures: Vec<Failure>,
    /// When it ended.
    pub at: Instant,
    /// The same for the same seed on every machine.
    pub digest: Digest,
    /// What was done.
    pub statistics: Statistics,
}

impl Outcome {
    /// Whether all was as expected.
    pub fn passed(&self) -> bool {
        self.failures.is_empty()
    }
}

/// Hears the timeline as it comes about.
pub type Hear<'h> = &'h mut dyn FnMut(&Entry);

/// A scenario that is being run.
#[derive(Debug)]
pub struct Run {
    scenario: Scenario,
    lab: Lab,
    log: Log,
    next_step: usize,
    checked: usize,
    failures: Vec<Failure>,
}

impl Run {
    /// Builds the lab and starts its nodes, at time 0.
    ///
    /// # Errors
    ///
    /// A node cannot start, or a link names what is not there.
    pub fn new(scenario: Scenario, options: &Options, hear: Hear<'_>) -> Result<Run, LabError> {
        let mut log = Log::new(options.frames, links_of_interest(&scenario));
        let seed = options.seed.unwrap_or(scenario.seed);
        let mut lab = Lab::new(seed);
        lab.watch(true);
        lab.watch_frames(log.wants_frames());
        if options.capture {
            lab.capture_all();
        }
        lab.build(&scenario, &mut Ear { log: &mut log, hear })?;
        let next_step = if options.without_steps { scenario.steps.len() } else { 0 };
        Ok(Run { scenario, lab, log, next_step, checked: 0, failures: Vec::new() })
    }

    /// The scenario.
    pub fn scenario(&self) -> &Scenario {
        &self.scenario
    }

    /// The lab.
    pub fn lab(&self) -> &Lab {
        &self.lab
    }

    /// When the next thing happens: a step or something in the lab.
    pub fn next(&self) -> Option<Instant> {
        trunkline_core::earliest([
            self.scenario.steps.get(self.next_step).map(|step| step.at),
            self.lab.next(),
        ])
    }

    /// Goes on until `until`, that moment included. Of what happens at the same time, steps come last.
    pub fn run_until(&mut self, until: Instant, hear: Hear<'_>) {
        while let Some(step) =
            self.scenario.steps.get(self.next_step).filter(|step| step.at <= until).cloned()
        {
            self.next_step += 1;
            self.lab.run_until(step.at, &mut Ear { log: &mut self.log, hear });
            self.step(&step, hear);
        }
        self.lab.run_until(until, &mut Ear { log: &mut self.log, hear });
    }

    /// Goes on to the end of the scenario.
    pub fn run(&mut self, hear: Hear<'_>) -> Outcome {
        self.run_until(self.scenario.until, hear);
        self.outcome()
    }

    /// What came of it so far.
    pub fn outcome(&self) -> Outcome {
        Outcome {
            checked: self.checked,
            failures: self.failures.clone(),
            at: self.lab.now(),
            digest: self.lab.digest(),
            statistics: self.lab.statistics(),
        }
    }

    fn step(&mut self, step: &Step, hear: Hear<'_>) {
        let told = Told::Step { line: step.line, note: step.note.clone(), action: step.action.clone() };
        hear(&Entry { at: self.lab.now(), told });
        if let Some(action) = &step.action {
            self.act(action, hear);
        }
    }

    /// Does something now. Names of nodes and links that are not there are passed over.
    pub fn act(&mut self, action: &Action, hear: Hear<'_>) {
        let at = self.lab.now();
        match action {
            Action::Cut(links) | Action::Restore(links) => {
                let mut ear = Ear { log: &mut self.log, hear };
                for link in links.iter().filter_map(|name| self.lab.link(name).ok()).collect::<Vec<_>>() {
                    match action {
                        Action::Cut(_) => self.lab.cut(link, &mut ear),
                        _ => self.lab.restore(link, &mut ear),
                    }
                }
            }
            Action::Crash(nodes) => {
                let mut ear = Ear { log: &mut self.log, hear };
                for node in nodes.iter().filter_map(|name| self.lab.node(name).ok()).collect::<Vec<_>>() {
                    self.lab.crash(node, &mut ear);
                }
            }
            Action::Restart(nodes) => {
                for node in nodes.iter().filter_map(|name| self.lab.node(name).ok()).collect::<Vec<_>>() {
                    let started = self.lab.start(node, &mut Ear { log: &mut self.log, hear: &mut *hear });
                    if let Err(error) = started {
                        hear(&Entry { at, told: Told::Problem(error.to_string()) });
                    }
                }
            }
            Action::Set { node, config, .. } => {
                let Ok(index) = self.lab.node(node) else { return };
                let mut ear = Ear { log: &mut self.log, hear: &mut *hear };
                let result = self.lab.reconfigure(index, (**config).clone(), &mut ear);
                hear(&Entry { at, told: Told::Reconfigured { node: node.clone(), changes: result.changes } });
            }
            Action::Query { node, query } => {
                let Ok(index) = self.lab.node(node) else { return };
                self.order(index, node, query.clone(), hear);
            }
            Action::Expect(expects) => {
                for expect in expects {
                    self.checked += 1;
                    let failure = check::check(self, expect);
                    let told = match failure.clone() {
                        Some(failure) => Told::Failed(failure),
                        None => Told::Passed { line: expect.line, expected: check::words(expect) },
                    };
                    self.failures.extend(failure);
                    hear(&Entry { at, told });
                }
            }
        }
    }

    /// Orders a node something whose answer may take its time.
    fn order(&mut self, index: NodeIndex, node: &str, query: Query, hear: Hear<'_>) {
        let asked = self.lab.query(index, query.clone(), &mut Ear { log: &mut self.log, hear: &mut *hear });
        match asked {
            Asked::Now(answer) => {
                let mut ear = Ear { log: &mut self.log, hear };
                ear.answered(self.lab.now(), node, Some(query), answer);
            }
            Asked::Later(id) => self.log.expect_answer(id, query),
        }
    }

    /// Asks a node something; where the answer takes time, time goes on until it is there.
    pub fn ask(&mut self, node: &str, query: Query, hear: Hear<'_>) -> Answer {
        let Ok(index) = self.lab.node(node) else {
            return Answer::error(ErrorKind::NotFound, format!("there is no node {node}"));
        };
        let id = match self.lab.query(index, query.clone(), &mut Ear { log: &mut self.log, hear: &mut *hear })
        {
            Asked::Now(answer) => return answer,
            Asked::Later(id) => id,
        };
        self.log.expect_answer(id, query);
        let until = self.lab.now() + MAX_PATIENCE;
        while let Some(next) = self.next().filter(|next| *next <= until) {
            self.run_until(next, hear);
            if let Some(answer) = self.log.answer(id) {
                return answer;
            }
        }
        Answer::error(ErrorKind::Unavailable, "no answer in ten minutes of virtual time")
    }
}

/// The links whose frames are asked for.
fn links_of_interest(scenario: &Scenario) -> BTreeSet<String> {
    let mut links = BTreeSet::new();
    for step in &scenario.steps {
        let Some(Action::Expect(expects)) = &step.action else { continue };
        for expect in expects {
            if let Source::Link(link) = &expect.of {
                links.insert(link.clone());
            }
        }
    }
    links
}

#[cfg(test)]
mod tests;
