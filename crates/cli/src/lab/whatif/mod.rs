//! `trunkline lab whatif`: each failure in a run of its own, on all cores; or one of them told.

mod report;

use super::progress::Progress;
use super::{run, source, timeline};
use crate::Failure;
use crate::args::{PairsShown, WhatIf};
use crate::show::Style;
use report::Report;
use std::io::{self, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use trunkline_core::Instant;
use trunkline_lab::run::{Entry, Told};
use trunkline_lab::scenario::Scenario;
use trunkline_lab::sim::Observer;
use trunkline_lab::whatif::{self, Options, Outcome, Survey, Trouble};
use trunkline_view::EventKind;

/// Lets fail what is asked for, and shows what comes of it.
pub(super) fn execute(
    options: &WhatIf,
    json: bool,
    style: Style,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let scenario = source::read(&options.lab.file)?;
    let wanted = Options {
        seed: options.lab.seed,
        watch: options.watch,
        interval: options.every,
        patience: options.patience,
    };
    let survey = whatif::survey(&scenario, &wanted).map_err(cannot)?;
    let failures = match &options.replay {
        Some(words) => vec![words.parse::<whatif::Failure>().map_err(cannot)?],
        None => whatif::failures(&scenario, options.fail == 2),
    };
    if options.replay.is_some() {
        for failure in &failures {
            replay(&scenario, &survey, failure, options, json, style, out)?;
        }
    }
    let report = try_all(&scenario, survey, &failures, options.rows as usize)?;
    let pairs = options.replay.is_some() || options.pairs == PairsShown::All;
    if json {
        writeln!(out, "{}", report.json(options, pairs))?;
    } else {
        out.write_all(report.words(options, pairs, style).as_bytes())?;
    }
    out.flush()?;
    if report.bad == 0 { Ok(()) } else { Err(Failure::Said) }
}

fn cannot(trouble: Trouble) -> Failure {
    Failure::Message(trouble.to_string())
}

/// Runs all, and keeps the worst `rows`.
fn try_all(
    scenario: &Scenario,
    survey: Survey,
    failures: &[whatif::Failure],
    rows: usize,
) -> Result<Report, Failure> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(failures.len().max(1));
    let next = AtomicUsize::new(0);
    let (sender, receiver) = mpsc::channel();
    let (mut kept, mut bad, mut done): (Vec<(usize, Outcome)>, usize, usize) = (Vec::new(), 0, 0);
    let mut progress = Progress::new(true);
    let (next, survey_of_all) = (&next, &survey);
    let result = std::thread::scope(|scope| {
        for _ in 0..threads {
            let sender = sender.clone();
            scope.spawn(move || {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(failure) = failures.get(number) else { return };
                    // Nobody listens any more after what cannot be.
                    if sender.send((number, whatif::run(scenario, survey_of_all, failure))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        for (number, outcome) in receiver {
            let outcome = outcome?;
            done += 1;
            bad += usize::from(outcome.is_bad());
            kept.push((number, outcome));
            if kept.len() >= rows.saturating_mul(2) {
                keep_worst(&mut kept, rows);
            }
            progress.done(done, failures.len(), "failures");
        }
        Ok(())
    });
    progress.clear();
    result.map_err(cannot)?;
    keep_worst(&mut kept, rows);
    let outcomes = kept.into_iter().map(|(_, outcome)| outcome).collect();
    Ok(Report { survey, outcomes, total: failures.len(), bad })
}

/// The worst first; of equals in the order in which they were listed, so that threads make no difference.
fn keep_worst(outcomes: &mut Vec<(usize, Outcome)>, rows: usize) {
    outcomes.sort_by_cached_key(|(number, outcome)| (std::cmp::Reverse(outcome.badness()), *number));
    outcomes.truncate(rows);
}

/// Tells what happens in the nodes.
struct Teller<'o, W> {
    survey: &'o Survey,
    failure: &'o whatif::Failure,
    json: bool,
    style: Style,
    out: &'o mut W,
    /// Whether the failure was told.
    struck: bool,
    printed: io::Result<()>,
}

impl<W: Write> Teller<'_, W> {
    fn tell(&mut self, entry: &Entry) {
        if self.printed.is_ok() {
            self.printed = match self.json {
                true => writeln!(self.out, "{}", timeline::json(entry)),
                false => self.out.write_all(timeline::line(entry, self.style).as_bytes()),
            };
        }
    }

    fn strike(&mut self) {
        if !std::mem::replace(&mut self.struck, true) {
            let note = Some(format!("{} fails", self.failure));
            self.tell(&Entry { at: self.survey.failure, told: Told::Step { line: 0, note, action: None } });
        }
    }
}

impl<W: Write> Observer for Teller<'_, W> {
    fn event(&mut self, at: Instant, node: &str, event: &EventKind) {
        // Each ping is a probe.
        if matches!(event, EventKind::Ping { .. }) {
            return;
        }
        if at >= self.survey.failure {
            self.strike();
        }
        self.tell(&Entry { at, told: Told::Event { node: node.to_owned(), event: event.clone() } });
    }
}

/// Tells one failure, and writes captures.
fn replay(
    scenario: &Scenario,
    survey: &Survey,
    failure: &whatif::Failure,
    options: &WhatIf,
    json: bool,
    style: Style,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let mut teller = Teller { survey, failure, json, style, out: &mut *out, struck: false, printed: Ok(()) };
    let lab = whatif::replay(scenario, survey, failure, &mut teller).map_err(cannot)?;
    teller.strike();
    teller.printed?;
    if let Some(directory) = &options.pcap {
        run::write_captures(&lab, directory)?;
    }
    if !json {
        writeln!(out)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
