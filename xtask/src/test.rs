//! `cargo xtask test`: every test there is, and one line at the end that says what came of it.

use crate::run::{cargo, release};
use crate::{Outcome, install};
use std::fmt;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

/// Which tests.
pub(crate) enum Only<'a> {
    /// All.
    All,
    /// Those that need no peer: unit, property, lab and documentation tests.
    Unit,
    /// Those against real peers.
    Interop,
    /// Those whose name contains this.
    Named(&'a str),
}

#[derive(Default, Clone, Copy)]
struct Count {
    passed: u64,
    failed: u64,
    skipped: u64,
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)?;
        if self.skipped > 0 { write!(f, ", {} skipped", self.skipped) } else { Ok(()) }
    }
}

impl Count {
    fn add(&mut self, other: Count) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }

    /// A line such as `test result: ok. 3 passed; 0 failed; 1 ignored; …`.
    fn parse(line: &str) -> Option<Count> {
        let rest = line.trim().strip_prefix("test result: ")?;
        let number = |word: &str| {
            rest.split([';', '.']).find_map(|part| part.trim().strip_suffix(word)?.trim().parse::<u64>().ok())
        };
        Some(Count { passed: number("passed")?, failed: number("failed")?, skipped: number("ignored")? })
    }
}

/// Runs them.
pub(crate) fn test(root: &Path, only: Only<'_>) -> Outcome {
    let (unit, interop, filter) = match only {
        Only::All => (true, true, None),
        Only::Unit => (true, false, None),
        Only::Interop => (false, true, None),
        Only::Named(name) => (true, true, Some(name)),
    };
    let mut parts: Vec<(&str, Count)> = Vec::new();
    if unit {
        println!("== unit, property, lab and documentation tests");
        let mut command = cargo(root);
        command.args(["test", "--workspace", "--exclude", "trunkline-interop", "--no-fail-fast"]);
        // A filter is for the tests' names; the rest of the words would be cargo's.
        command.args(filter);
        parts.push(("unit, property, lab, doc", counted(&mut command)));
    }
    if interop {
        println!("== tests against real peers");
        install::peers();
        parts.push(("interop", interop_tests(root, filter)));
    }
    let mut all = Count::default();
    println!("\n== summary");
    for (name, count) in &parts {
        println!("{name}: {count}");
        all.add(*count);
    }
    if all.passed + all.failed + all.skipped == 0 {
        return Err("no test has such a name".into());
    }
    // The last line is for programs too: nothing may follow it.
    println!("\n{all}");
    if all.failed > 0 { Err(String::new()) } else { Ok(()) }
}

fn interop_tests(root: &Path, filter: Option<&str>) -> Count {
    let binary = match release(root) {
        Ok(binary) => binary,
        Err(error) => {
            println!("the binary under test does not build: {error}");
            return Count { failed: 1, ..Count::default() };
        }
    };
    let mut command = cargo(root);
    command.args(["test", "--package", "trunkline-interop", "--", "--test-threads", "6"]);
    command.args(filter).env("TRUNKLINE_BIN", binary);
    counted(&mut command)
}

/// Runs a test command, shows what it says and counts. A command that fails without a failed test (it did not
/// build, or was killed) counts as one failure.
fn counted(command: &mut Command) -> Count {
    let mut count = Count::default();
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(error) => {
            println!("cannot run cargo: {error}");
            return Count { failed: 1, ..count };
        }
    };
    if let Some(output) = child.stdout.take() {
        for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line).into_owned();
            println!("{line}");
            if let Some(more) = Count::parse(&line) {
                count.add(more);
            }
        }
    }
    let good = child.wait().is_ok_and(|status| status.success());
    if !good && count.failed == 0 {
        count.failed = 1;
    }
    count
}

#[cfg(test)]
mod tests {
    use super::Count;

    #[test]
    fn reads_the_closing_line_of_the_test_harness() {
        let line = "test result: FAILED. 12 passed; 3 failed; 1 ignored; 0 measured; 7 filtered out; finished in 0.2s";
        let count = Count::parse(line).unwrap();
        assert_eq!(count.to_string(), "12 passed, 3 failed, 1 skipped");
        assert!(Count::parse("test bird::hold_timer ... ok").is_none());
    }
}
