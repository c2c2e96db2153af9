//! Makes the captures of `tests/captures`: each a small network of real daemons with one thing wrong, or nothing.
//!
//! `interop-captures DIRECTORY [NAME…]` makes those whose names contain one of the NAMEs, or all, and writes what is in them to
//! `captures.toml`. A capture that does not show what it shall is not written, and the program fails.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a tool of the tests: a panic is a capture that was not made, and real daemons run in real time"
)]

mod ends;
mod healthy;
mod keys;
mod lan;
mod lookalikes;
mod open;
mod path;
mod scenario;
mod script;
mod silence;
mod stage;
mod start;
mod table;
mod updates;

use scenario::Scenario;
use stage::Stage;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Mutex;
use table::{Entry, Table, Verdicts};
use trunkline_interop::Lab;

/// How many are made at once: they mostly wait for timers. One that fails is played once more, since some of what they do to one
/// another is a matter of moments.
const THREADS: usize = 4;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let Some(directory) = arguments.next() else {
        eprintln!("usage: interop-captures DIRECTORY [NAME…]");
        return ExitCode::from(2);
    };
    let directory = std::path::absolute(directory).unwrap();
    let names: Vec<String> = arguments.collect();
    let all = scenarios();
    let order: Vec<String> = all.iter().map(Scenario::file).collect();
    let wanted =
        |scenario: &Scenario| names.is_empty() || names.iter().any(|name| scenario.name.contains(name));
    let queue: Mutex<VecDeque<Scenario>> = Mutex::new(all.into_iter().filter(wanted).collect());
    let made = Mutex::new(Table::read(&directory));
    let failed = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                loop {
                    let Some(scenario) = queue.lock().unwrap().pop_front() else { break };
                    let play = || catch_unwind(AssertUnwindSafe(|| make(&scenario, &directory)));
                    match play().or_else(|_| play()) {
                        Ok(entry) => {
                            println!("{}: {}", entry.file, entry.seen);
                            let mut made = made.lock().unwrap();
                            made.put(entry);
                            made.write(&directory, &order);
                        }
                        Err(_) => failed.lock().unwrap().push(scenario.name),
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    if failed.is_empty() {
        return ExitCode::SUCCESS;
    }
    eprintln!("not made: {}", failed.join(", "));
    ExitCode::FAILURE
}

/// All, in the order of the table of signatures; what is healthy or looks alike comes last.
fn scenarios() -> Vec<Scenario> {
    [
        start::scenarios(),
        keys::scenarios(),
        open::scenarios(),
        silence::scenarios(),
        path::scenarios(),
        ends::scenarios(),
        updates::scenarios(),
        ends::silenced(),
        lan::failures(),
        healthy::scenarios(),
        lan::healthy(),
        lookalikes::scenarios(),
        lan::lookalikes(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Plays a scenario, checks the capture and puts it into the directory.
fn make(scenario: &Scenario, directory: &Path) -> Entry {
    let lab = Lab::new().unwrap();
    let mut stage = Stage::new(&lab, scenario);
    (scenario.play)(&mut stage);
    let (mut file, told) = stage.finish();
    if let Some(frames) = scenario.first {
        let short = file.with_extension("short");
        let (count, from, to) = (frames.to_string(), file.to_str().unwrap(), short.to_str().unwrap());
        let argv = ["-Z", "root", "-r", from, "-c", &count, "-w", to];
        assert!(std::process::Command::new("tcpdump").args(argv).status().unwrap().success());
        file = short;
    }
    let seen = scenario.check(&file);
    std::fs::copy(&file, directory.join(scenario.file())).unwrap();
    Entry {
        file: scenario.file(),
        signature: scenario.signature,
        captured: told.captured,
        daemons: told.daemons,
        how: scenario.how.into(),
        seen,
        counters: told.counters,
        verdicts: Verdicts::default(),
    }
}
