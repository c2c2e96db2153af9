//! Healthy networks at random: nothing is wrong with any, so nothing may be said to be.
//!
//! ```text
//! cargo test --release -p trunkline-lab --test healthy                    100 networks, as the pipeline does
//! TRUNKLINE_HEALTHY_RUNS=1000 TRUNKLINE_HEALTHY_FIRST=5000 cargo test …   others, by their seeds
//! ```
//!
//! A seed draws a lab file: BGP, RIP, hosts, spanning tree, over links that lose, double and delay a little. It is run in virtual
//! time, it must end as its own expectations say (else it was not healthy), and the capture of each link is judged: as the link
//! took it, as each end of a cable saw it, and begun in the middle.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod hosts;
mod network;
mod rip;
mod speakers;

use network::{Chance, Network};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use trunkline_explain::capture::{Capture, Captured};
use trunkline_explain::follow::Facts;
use trunkline_explain::report;
use trunkline_explain::rules::{Severity, judge};
use trunkline_lab::capture::EPOCH;
use trunkline_lab::file::parse;
use trunkline_lab::run::{Options, Run};

/// What is said of attempts that get no answer: true as long as switches do not forward yet, or no way is known. A capture at another
/// place than the answer's way has only these.
const STARTING: &[&str] = &["arp-unanswered", "silence", "md5-silence", "ao-silence", "syn-ack-unanswered"];

/// The network of a seed.
fn draw(seed: u64) -> Network {
    let mut network = Network::new(seed);
    let parts = network.chance.between(1, 7);
    if parts & 1 != 0 {
        speakers::add(&mut network);
    }
    if parts & 2 != 0 {
        rip::add(&mut network);
    }
    if parts & 4 != 0 {
        hosts::add(&mut network);
    }
    network
}

/// What came of a seed.
struct Ran {
    problems: Vec<String>,
    frames: usize,
    features: BTreeSet<&'static str>,
}

/// Runs the network of a seed, and judges what its links carried.
fn run(seed: u64) -> Ran {
    let network = draw(seed);
    let text = network.text();
    let features = network.features.clone();
    let scenario = match parse("healthy.toml", &text) {
        Ok(parsed) => parsed.scenario,
        Err(wrong) => return Ran { problems: vec![wrong.render(false)], frames: 0, features },
    };
    let options = Options { seed: Some(seed), capture: true, ..Options::default() };
    let mut run = Run::new(scenario, &options, &mut |_| {}).unwrap();
    let outcome = run.run(&mut |_| {});
    let mut problems = Vec::new();
    if !outcome.passed() {
        problems.push(format!("not healthy: {:#?}", outcome.failures));
    }
    let mut chance = Chance::new(!seed);
    let mut frames = 0;
    for (link, config) in run.lab().links() {
        let mut file = Vec::new();
        let capture = run.lab().capture(link).unwrap();
        frames += capture.len();
        capture.write(&mut file).unwrap();
        let from = chance.between(0, capture.len()) as u64;
        let lost =
            |frame: &Captured<'_>| frame.comment.is_some_and(|words| words.contains("lost on the link"));
        type There<'a> = &'a dyn Fn(&Captured<'_>) -> bool;
        let views: [(&str, There<'_>); 4] = [
            ("all", &|_| true),
            ("as its first end saw it", &|frame| frame.interface == 0 || !lost(frame)),
            ("as its second end saw it", &|frame| frame.interface == 1 || !lost(frame)),
            (&format!("after frame {from}"), &|frame| frame.number > from),
        ];
        for (view, there) in views {
            for problem in wrong(&file, there, &network) {
                problems.push(format!("{}, {view}: {problem}", config.name));
            }
        }
    }
    if !problems.is_empty() {
        let path = format!("{}/healthy-{seed}.toml", env!("CARGO_TARGET_TMPDIR"));
        std::fs::write(&path, text).unwrap();
        problems.push(format!("trunkline lab run {path} --seed {seed}"));
    }
    Ran { problems, frames, features }
}

/// What is said of a capture and must not be.
fn wrong(file: &[u8], there: &dyn Fn(&Captured<'_>) -> bool, network: &Network) -> Vec<String> {
    let mut capture = Capture::new(file);
    let mut facts = Facts::default();
    while let Some(frame) = capture.next_frame().unwrap() {
        if there(&frame) {
            facts.add(&frame);
        }
    }
    facts.finish(capture.dropped());
    let judged = judge(&facts, None);
    let verdicts = judged.iter().flat_map(|judged| &judged.verdicts);
    let stands = EPOCH + network.stands as u64 * 1_000_000_000;
    let wrong = verdicts.filter(|verdict| {
        let id = verdict.rule.id;
        let note = verdict.severity == Severity::Note && (verdict.passed || network.notes.contains(id));
        // Where RSTP meets STP, those of one kind elect a root first.
        let elects = id == "stp-root" && network.features.contains("mixed");
        let starting = (elects || STARTING.contains(&id)) && verdict.when.1.nanos < stands;
        !(note || starting)
    });
    let text = || report::text(&judged, &facts, &|severity| severity.name().to_owned());
    wrong.map(|verdict| format!("{} {}\n{}", verdict.severity.name(), verdict.rule.id, text())).collect()
}

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| text.parse().unwrap())
}

#[test]
fn of_healthy_networks_nothing_wrong_is_said() {
    let (first, runs) = (number("TRUNKLINE_HEALTHY_FIRST", 1), number("TRUNKLINE_HEALTHY_RUNS", 100));
    let next = AtomicU64::new(0);
    let all = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= runs {
                        return;
                    }
                    let ran = run(first + number);
                    all.lock().unwrap().insert(first + number, ran);
                }
            });
        }
    });
    let all = all.into_inner().unwrap();
    let mut features: BTreeMap<&str, u64> = BTreeMap::new();
    all.values().flat_map(|ran| &ran.features).for_each(|feature| *features.entry(feature).or_default() += 1);
    let frames: usize = all.values().map(|ran| ran.frames).sum();
    println!("{runs} networks, {frames} frames; {features:?}");
    let bad: Vec<_> = all.iter().filter(|(_, ran)| !ran.problems.is_empty()).collect();
    for (seed, ran) in &bad {
        let first = |problem: &String| problem.lines().next().unwrap_or_default().to_owned();
        println!("seed {seed}: {:#?}", ran.problems.iter().map(first).collect::<Vec<_>>());
    }
    if let Some((seed, ran)) = bad.first() {
        println!("seed {seed} in full:\n{}", ran.problems.join("\n"));
    }
    let seeds: Vec<_> = bad.iter().map(|(seed, _)| seed).collect();
    assert!(bad.is_empty(), "{} of {runs} go wrong, with the seeds {seeds:?}", bad.len());
    // The drawing must not go by what it is there to try.
    assert_eq!(all.len() as u64, runs);
    assert!(frames as u64 > runs * 200, "{frames} frames");
    if runs >= 100 {
        for feature in ["MD5", "TCP-AO", "GTSM", "multihop", "loss", "switches", "redirects", "ring with RIP"]
        {
            assert!(features.contains_key(feature), "no network with {feature}: {features:?}");
        }
    }
}
