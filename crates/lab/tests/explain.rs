//! What `explain` says of the captures of labs: what they are made to show, and nothing else.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeSet;
use trunkline_explain::capture::Capture;
use trunkline_explain::follow::Facts;
use trunkline_explain::rules::judge;
use trunkline_lab::builtin::LABS;
use trunkline_lab::file::parse;
use trunkline_lab::run::{Options, Run};

/// Rules that say something of a lab.
const EXPECTED: &[(&str, &[&str])] = &[
    ("bgp-open-reset", &["closed-before-open", "held-down", "bad-peer-as"]),
    ("bgp-messages", &["bad-peer-as", "hard-reset", "held-down"]),
    ("bgp-tcp-ao", &["ao-silence", "nothing-announced", "closed-before-open", "held-down"]),
    ("proxy-arp", &["arp-unanswered"]),
    ("icmp-redirect", &["icmp-redirect"]),
    ("rip-count-to-infinity", &["rip-lost"]),
    ("rip-hold-down", &["rip-lost"]),
];

/// What any lab with bridges may show: they elect, and cables are cut.
const TREES: &[&str] = &["stp-root", "stp-change"];

/// The rules of all verdicts on all links.
fn found(text: &str, seed: u64) -> BTreeSet<&'static str> {
    let scenario = parse("lab.toml", text).unwrap_or_else(|e| panic!("{}", e.render(false))).scenario;
    let options = Options { seed: Some(seed), capture: true, ..Options::default() };
    let mut run = Run::new(scenario, &options, &mut |_| {}).unwrap();
    run.run(&mut |_| {});
    let links: Vec<_> = run.lab().links().map(|(link, _)| link).collect();
    let mut rules = BTreeSet::new();
    for link in links {
        let mut file = Vec::new();
        run.lab().capture(link).unwrap().write(&mut file).unwrap();
        let mut capture = Capture::new(&file[..]);
        let mut facts = Facts::default();
        while let Some(frame) = capture.next_frame().unwrap() {
            facts.add(&frame);
        }
        facts.finish(capture.dropped());
        let judged = judge(&facts, None);
        rules.extend(judged.iter().flat_map(|judged| &judged.verdicts).map(|verdict| verdict.rule.id));
    }
    rules
}

#[test]
fn labs_show_what_they_are_made_for() {
    for lab in LABS {
        let expected =
            EXPECTED.iter().find(|(name, _)| *name == lab.name).map_or(&[][..], |(_, rules)| rules);
        for seed in [1, 7] {
            let found = found(lab.text, seed);
            let trees = lab.name.contains("stp") || lab.name == "backup-port";
            for rule in &found {
                let known = expected.contains(rule) || trees && TREES.contains(rule);
                assert!(known, "{} with seed {seed}: {rule}", lab.name);
            }
            if let Some(first) = expected.first() {
                assert!(found.contains(first), "{} with seed {seed}: {found:?}", lab.name);
            }
        }
    }
}
