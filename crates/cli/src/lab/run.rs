//! `trunkline lab run`.

use super::progress::Progress;
use super::{cannot, seconds, source, timeline};
use crate::Failure;
use crate::args::LabRun;
use crate::show::{Color, Style};
use serde_json::json;
use std::io::{self, Write};
use std::path::Path;
use trunkline_core::{Duration, Instant};
use trunkline_lab::run::{Entry, Options, Outcome, Run};
use trunkline_lab::sim::Lab;

/// Virtual time between two looks at the progress.
const SLICE: Duration = Duration::from_millis(200);

/// Runs a lab and prints what happens.
pub(super) fn run(
    options: &LabRun,
    pcap: Option<&Path>,
    frames: bool,
    json: bool,
    style: Style,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let scenario = source::read(&options.lab.file)?;
    let seed = options.lab.seed.unwrap_or(scenario.seed);
    let end = options.until.map_or(scenario.until, |until| Instant::ZERO + until);
    if !json && !scenario.title.is_empty() {
        writeln!(out, "{}", scenario.title)?;
    }
    let wanted = Options { seed: Some(seed), capture: pcap.is_some(), frames, without_steps: false };
    let mut progress = Progress::new(true);
    let mut printed = Ok(());
    let mut hear = |entry: &Entry| {
        if printed.is_ok() {
            progress.clear();
            printed = print(entry, json, style, out);
        }
    };
    let mut run = Run::new(scenario, &wanted, &mut hear).map_err(cannot)?;
    while run.lab().now() < end {
        let target = run.next().unwrap_or(end).max(run.lab().now() + SLICE).min(end);
        let mut hear = |entry: &Entry| {
            if printed.is_ok() {
                progress.clear();
                printed = print(entry, json, style, out);
            }
        };
        run.run_until(target, &mut hear);
        std::mem::replace(&mut printed, Ok(()))?;
        progress.at(run.lab().now(), end);
    }
    progress.clear();
    if let Some(directory) = pcap {
        write_captures(run.lab(), directory)?;
    }
    let outcome = run.outcome();
    if json {
        writeln!(out, "{}", summary_json(&outcome, seed))?;
    } else {
        writeln!(out, "\n{}", summary(&outcome, seed, progress.elapsed(), style))?;
    }
    out.flush()?;
    if outcome.passed() { Ok(()) } else { Err(Failure::Said) }
}

fn print(entry: &Entry, json: bool, style: Style, out: &mut impl Write) -> io::Result<()> {
    if json {
        return writeln!(out, "{}", timeline::json(entry));
    }
    out.write_all(timeline::line(entry, style).as_bytes())
}

/// What came of it all, in a line.
fn summary(outcome: &Outcome, seed: u64, real: std::time::Duration, style: Style) -> String {
    let (checked, failed) = (outcome.checked, outcome.failures.len());
    let words = match (checked, failed) {
        (0, _) => "nothing was expected".to_owned(),
        (1, 0) => Color::Green.paint("the one expectation was met", style),
        (checked, 0) => Color::Green.paint(&format!("all {checked} expectations were met"), style),
        (checked, failed) => {
            Color::Red.paint(&format!("{failed} of {checked} expectations were not met"), style)
        }
    };
    format!(
        "{words}; {:.0} s in {:.2} s, {} frames, seed {seed}, digest {:016x}",
        seconds(outcome.at),
        real.as_secs_f64(),
        outcome.statistics.hops,
        outcome.digest.value()
    )
}

fn summary_json(outcome: &Outcome, seed: u64) -> serde_json::Value {
    json!({
        "at": seconds(outcome.at),
        "told": "end",
        "seed": seed,
        "digest": format!("{:016x}", outcome.digest.value()),
        "frames": outcome.statistics.hops,
        "expectations": outcome.checked,
        "failed": outcome.failures.len(),
    })
}

/// One file for each link.
pub(super) fn write_captures(lab: &Lab, directory: &Path) -> Result<(), Failure> {
    let failed = |path: &Path, error: &io::Error| {
        Failure::Message(format!("cannot write {}: {error}", path.display()))
    };
    std::fs::create_dir_all(directory).map_err(|e| failed(directory, &e))?;
    for (link, config) in lab.links() {
        let Some(capture) = lab.capture(link) else { continue };
        let path = directory.join(format!("{}.pcapng", config.name));
        let file = std::fs::File::create(&path).map_err(|e| failed(&path, &e))?;
        capture.write(io::BufWriter::new(file)).map_err(|e| failed(&path, &e))?;
    }
    Ok(())
}
