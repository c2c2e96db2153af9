//! Runs the tests: several at once, each in a lab of its own; what the daemons wrote is shown when one fails.
//!
//! It understands the arguments of the standard test harness that matter here and prints its closing line.

use crate::lab::{self, Lab};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::sync::Mutex;
use std::time::Instant;

/// How many run at once where nothing else is said: they mostly wait for timers, but daemons want some CPU too.
const THREADS: usize = 4;

/// How much of each log is shown when a test fails.
const LOG_TAIL: usize = 4000;

/// Programs without which no test can run, and the Debian package that has them.
const TOOLS: &[(&str, &str)] = &[
    ("ip", "iproute2"),
    ("ping", "iputils-ping"),
    ("nft", "nftables"),
    ("setpriv", "util-linux"),
    ("tcpdump", "tcpdump"),
    ("tshark", "tshark"),
    ("bird", "bird2"),
    ("/usr/lib/frr/bgpd", "frr"),
    ("gobgpd", "gobgpd"),
    ("/usr/sbin/bgpd", "openbgpd"),
];

/// One test.
pub struct Test {
    name: String,
    run: Box<dyn Fn(&Lab) + Send + Sync>,
}

impl Test {
    /// With a name such as `bird::hold_timer`.
    pub fn new(name: impl Into<String>, run: impl Fn(&Lab) + Send + Sync + 'static) -> Test {
        Test { name: name.into(), run: Box::new(run) }
    }
}

thread_local! {
    /// Where and why the test on this thread failed.
    static FAILURE: RefCell<Option<String>> = const { RefCell::new(None) };
}

#[derive(Default)]
struct Arguments {
    filters: Vec<String>,
    skip: Vec<String>,
    exact: bool,
    list: bool,
    threads: Option<usize>,
}

impl Arguments {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Arguments {
        let mut parsed = Arguments::default();
        while let Some(argument) = arguments.next() {
            let (key, mut value) = match argument.split_once('=') {
                Some((key, value)) => (key.to_owned(), Some(value.to_owned())),
                None => (argument, None),
            };
            match key.as_str() {
                "--list" => parsed.list = true,
                "--exact" => parsed.exact = true,
                "--skip" => parsed.skip.extend(value.take().or_else(|| arguments.next())),
                "--test-threads" => {
                    parsed.threads = value.take().or_else(|| arguments.next()).and_then(|n| n.parse().ok());
                }
                "--format" | "--color" => drop(value.take().or_else(|| arguments.next())),
                flag if flag.starts_with('-') => {}
                filter => parsed.filters.push(filter.to_owned()),
            }
        }
        parsed
    }

    fn wants(&self, name: &str) -> bool {
        let hit = |filter: &String| if self.exact { name == filter } else { name.contains(filter.as_str()) };
        (self.filters.is_empty() || self.filters.iter().any(hit)) && !self.skip.iter().any(hit)
    }
}

/// Runs those that the command line asks for.
pub fn main(tests: Vec<Test>) -> ExitCode {
    let arguments = Arguments::parse(std::env::args().skip(1));
    let all = tests.len();
    let tests: VecDeque<Test> = tests.into_iter().filter(|test| arguments.wants(&test.name)).collect();
    if arguments.list {
        tests.iter().for_each(|test| println!("{}: test", test.name));
        return ExitCode::SUCCESS;
    }
    let (count, filtered) = (tests.len(), all - tests.len());
    println!("\nrunning {count} tests");
    if count > 0
        && let Err(reason) = prerequisites()
    {
        return unable(&tests, &reason, filtered);
    }
    lab::remove_leftovers();
    std::panic::set_hook(Box::new(|info| {
        FAILURE.with(|failure| *failure.borrow_mut() = Some(info.to_string()));
    }));
    let threads = arguments.threads.unwrap_or(THREADS).clamp(1, count.max(1));
    let queue = Mutex::new(tests);
    let failures: Mutex<Vec<(String, String)>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let Some(test) = queue.lock().unwrap().pop_front() else { break };
                    let begin = Instant::now();
                    let result = run(&test);
                    let verdict = if result.is_ok() { "ok" } else { "FAILED" };
                    println!("test {} ... {verdict} ({:.1} s)", test.name, begin.elapsed().as_secs_f64());
                    if let Err(report) = result {
                        println!("{report}");
                        failures.lock().unwrap().push((test.name.clone(), report));
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    if !failures.is_empty() {
        println!("\nfailures:");
        for (name, report) in &failures {
            let reason: Vec<&str> = report.lines().filter(|line| !line.is_empty()).take(2).collect();
            println!("    {name}: {}", reason.join(" "));
        }
    }
    close(count - failures.len(), failures.len(), 0, filtered)
}

/// One test in a lab of its own; the report where it fails.
fn run(test: &Test) -> Result<(), String> {
    let lab = Lab::new().map_err(|e| format!("cannot make a directory: {e}"))?;
    let outcome = catch_unwind(AssertUnwindSafe(|| (test.run)(&lab)));
    if outcome.is_ok() {
        return Ok(());
    }
    let reason = FAILURE.with(|failure| failure.borrow_mut().take()).unwrap_or_default();
    Err(format!("{reason}\n{}", logs(lab.dir())))
}

/// The ends of all logs and all configurations in a directory.
fn logs(dir: &Path) -> String {
    let mut files: Vec<_> =
        std::fs::read_dir(dir).into_iter().flatten().flatten().map(|e| e.path()).collect();
    files.sort();
    let mut text = String::new();
    for path in files {
        if path.is_dir() {
            text += &logs(&path);
            continue;
        }
        let wanted = ["out", "log", "conf", "toml"];
        if !path.extension().is_some_and(|e| wanted.iter().any(|w| e == *w)) {
            continue;
        }
        let content = String::from_utf8_lossy(&std::fs::read(&path).unwrap_or_default()).into_owned();
        let mut start = content.len().saturating_sub(LOG_TAIL);
        while !content.is_char_boundary(start) {
            start += 1;
        }
        text += &format!("---- {}\n{}\n", path.display(), &content[start..]);
    }
    text
}

/// Why no test can run here, where that is so.
fn prerequisites() -> Result<(), String> {
    if !rustix::process::geteuid().is_root() {
        return Err("network namespaces need root: run as root".into());
    }
    let missing: Vec<&str> =
        TOOLS.iter().filter(|(tool, _)| !exists(tool)).map(|(_, package)| *package).collect();
    if !missing.is_empty() {
        return Err(format!("not installed: apt-get install {}", missing.join(" ")));
    }
    let probe = format!("tl-{}-probe", std::process::id());
    let made = Command::new("ip").args(["netns", "add", &probe]).stderr(Stdio::null()).status();
    if !made.is_ok_and(|status| status.success()) {
        return Err("this machine does not let us make network namespaces".into());
    }
    let _ = Command::new("ip").args(["netns", "del", &probe]).status();
    crate::trunkline::binary().map(drop)
}

fn exists(tool: &str) -> bool {
    let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin:/usr/bin:/bin";
    if tool.starts_with('/') {
        return Path::new(tool).exists();
    }
    path.split(':').any(|dir| Path::new(dir).join(tool).exists())
}

/// In CI a test that cannot run has failed; on someone's own machine it is left out, and that is said.
fn unable(tests: &VecDeque<Test>, reason: &str, filtered: usize) -> ExitCode {
    let ci = std::env::var("CI").is_ok_and(|value| value == "true");
    for test in tests {
        println!("test {} ... {}", test.name, if ci { "FAILED" } else { "ignored" });
    }
    println!(
        "\ninterop tests {}: {reason}",
        if ci { "cannot run, which CI must not pass" } else { "skipped" }
    );
    if ci { close(0, tests.len(), 0, filtered) } else { close(0, 0, tests.len(), filtered) }
}

fn close(passed: usize, failed: usize, ignored: usize, filtered: usize) -> ExitCode {
    println!(
        "\ntest result: {}. {passed} passed; {failed} failed; {ignored} ignored; 0 measured; {filtered} filtered out",
        if failed == 0 { "ok" } else { "FAILED" }
    );
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
