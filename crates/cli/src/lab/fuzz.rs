//! `trunkline lab fuzz`.

use super::{cannot, source};
use crate::Failure;
use crate::show::{Color, Style};
use serde_json::json;
use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use trunkline_lab::fuzz::{Bad, Options, Report, fuzz};

/// Tries the seeds and prints those with which it goes wrong.
pub(super) fn run(
    file: &str,
    first: u64,
    seeds: u64,
    json: bool,
    style: Style,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let scenario = source::read(file)?;
    let terminal = io::stderr().is_terminal();
    let through = AtomicU64::new(0);
    let done = |count: u64| {
        // From several threads, not always in order.
        let most = through.fetch_max(count, Ordering::Relaxed).max(count);
        if terminal {
            let _ = write!(io::stderr(), "\r{most} of {seeds} seeds");
        }
    };
    let report = fuzz(&scenario, &Options { first, seeds, threads: None }, &done).map_err(cannot)?;
    if terminal {
        let _ = write!(io::stderr(), "\r\x1b[2K");
    }
    if json {
        writeln!(out, "{}", report_json(&report))?;
    } else {
        write!(out, "{}", report_words(&report, style))?;
    }
    out.flush()?;
    if report.bad.is_empty() { Ok(()) } else { Err(Failure::Said) }
}

/// For people.
fn report_words(report: &Report, style: Style) -> String {
    let mut text: String = report.bad.iter().map(|bad| bad_words(bad, style)).collect();
    let Report { runs, bad } = report;
    text.push_str(&match bad.len() {
        0 => Color::Green.paint(&format!("{runs} seeds, all ended well\n"), style),
        n => Color::Red.paint(&format!("{n} of {runs} seeds went wrong\n"), style),
    });
    text
}

fn bad_words(bad: &Bad, style: Style) -> String {
    let mut text = format!("{}\n", Color::Red.paint(&format!("seed {} went wrong", bad.seed), style));
    bad.problems.iter().for_each(|problem| text.push_str(&format!("  {problem}\n")));
    text.push_str(&format!("  of {} faults these suffice:\n", bad.faults.len()));
    bad.shrunk.iter().for_each(|fault| text.push_str(&format!("    {fault}\n")));
    if bad.shrunk_problems != bad.problems {
        text.push_str("  then:\n");
        bad.shrunk_problems.iter().for_each(|problem| text.push_str(&format!("    {problem}\n")));
    }
    text
}

fn report_json(report: &Report) -> serde_json::Value {
    let bad = report.bad.iter().map(|bad| {
        json!({
            "seed": bad.seed,
            "problems": bad.problems,
            "faults": bad.faults.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "shrunk": bad.shrunk.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "shrunk_problems": bad.shrunk_problems,
        })
    });
    json!({"runs": report.runs, "bad": bad.collect::<Vec<_>>()})
}

#[cfg(test)]
mod tests {
    use super::*;
    use trunkline_core::{Duration, Instant};
    use trunkline_lab::fuzz::{Fault, FaultKind};

    #[test]
    fn what_went_wrong_and_how_to_see_it_again() {
        let plain = Style { color: false };
        assert_eq!(report_words(&Report { runs: 3, bad: vec![] }, plain), "3 seeds, all ended well\n");
        let fault = Fault {
            at: Instant::from_secs(5),
            lasts: Duration::from_secs(2),
            kind: FaultKind::Cut { link: "a-b".into() },
        };
        let bad = Bad {
            seed: 17,
            problems: vec!["arp of a differs".into()],
            faults: vec![fault.clone(), fault.clone()],
            shrunk: vec![fault],
            shrunk_problems: vec!["arp of b differs".into()],
        };
        let text = report_words(&Report { runs: 3, bad: vec![bad] }, plain);
        for words in ["seed 17", "arp of a differs", "of 2 faults", "a-b", "arp of b differs", "1 of 3 seeds"]
        {
            assert!(text.contains(words), "{words}: {text}");
        }
    }
}
