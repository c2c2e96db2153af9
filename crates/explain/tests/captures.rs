//! Captures of real daemons (`tests/captures`, made by `interop-captures`): what `captures.toml` says comes first, nothing else is
//! claimed, and with frames missing nothing wrong is said.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use trunkline_explain::capture::{Capture, Captured};
use trunkline_explain::follow::Facts;
use trunkline_explain::report;
use trunkline_explain::rules::{Judged, Severity, is_wrong, judge, live_rules, rules};

/// An entry of `captures.toml`, with what these tests need of it.
#[derive(Deserialize)]
struct Case {
    file: String,
    /// 0: nothing is wrong.
    signature: u8,
    /// The rule that comes first; "": nothing is wrong.
    first: String,
    /// Why that is so, where it is not what one would expect of the signature.
    why: Option<String>,
    /// The rules of all notes.
    #[serde(default)]
    notes: BTreeSet<String>,
    /// Other rules that may be said of the capture or of a part of it, each with the reason.
    #[serde(default)]
    others: BTreeMap<String, String>,
}

impl Case {
    fn octets(&self) -> Vec<u8> {
        let path = directory().join(&self.file);
        std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
    }

    fn may_say(&self, rule: &str) -> bool {
        rule == self.first || self.others.contains_key(rule)
    }
}

fn cases() -> Vec<Case> {
    #[derive(Deserialize)]
    struct Table {
        capture: Vec<Case>,
    }
    let text = std::fs::read_to_string(directory().join("captures.toml")).unwrap();
    toml::from_str::<Table>(&text).unwrap_or_else(|e| panic!("captures.toml: {e}")).capture
}

/// Frames made by hand for rules for which no real daemon could be brought to a capture.
const BY_HAND: &str = include_str!("by_hand.rs");

fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/captures")
}

/// The facts of a capture, of which only some frames are there; they keep their numbers.
fn facts(octets: &[u8], mut there: impl FnMut(&Captured<'_>) -> bool) -> Facts {
    let mut capture = Capture::new(octets);
    let mut facts = Facts::default();
    while let Ok(Some(frame)) = capture.next_frame() {
        if there(&frame) {
            facts.add(&frame);
        }
    }
    facts.finish(0);
    facts
}

/// The rules of all verdicts that are more than notes, the first one first.
fn found(judged: &[Judged]) -> Vec<&'static str> {
    let verdicts = judged.iter().flat_map(|judged| &judged.verdicts);
    verdicts.filter(|verdict| verdict.severity > Severity::Note).map(|verdict| verdict.rule.id).collect()
}

#[test]
fn the_right_verdict_comes_first_and_nothing_else_is_claimed() {
    for case in cases() {
        let (name, first) = (&case.file, &case.first);
        let facts = facts(&case.octets(), |_| true);
        let judged = judge(&facts, None);
        let found = found(&judged);
        let text = report::text(&judged, &facts, &|severity| severity.name().to_owned());
        assert_eq!(found.first().copied().unwrap_or(""), first, "{name}:\n{text}");
        for rule in &found {
            assert!(case.may_say(rule), "{name} says {rule} too:\n{text}");
        }
        let verdicts = judged.iter().flat_map(|judged| &judged.verdicts);
        let notes = verdicts.filter(|verdict| verdict.severity == Severity::Note);
        let notes: BTreeSet<String> = notes.map(|verdict| verdict.rule.id.to_owned()).collect();
        assert_eq!(notes, case.notes, "{name}:\n{text}");
        assert_eq!(is_wrong(&judged), !first.is_empty());
        assert!(report::to_json(&judged, &facts)["judged"].is_array());
        if judged.iter().any(|judged| judged.ends.is_some()) {
            let drawing = report::svg(&judged, &facts).unwrap();
            assert!(drawing.starts_with("<svg") && drawing.ends_with("</svg>\n"), "{name}");
        }
    }
}

#[test]
fn what_is_wrong_is_told_and_what_is_healthy_is_no_error() {
    for case in cases().iter().filter(|case| case.why.is_none()) {
        let name = &case.file;
        if case.signature == 0 {
            let judged = judge(&facts(&case.octets(), |_| true), None);
            let mut verdicts = judged.iter().flat_map(|judged| &judged.verdicts);
            assert!(verdicts.all(|verdict| verdict.severity < Severity::Error), "{name}");
        } else {
            assert!(!case.first.is_empty() || !case.notes.is_empty(), "{name}");
        }
    }
}

#[test]
fn at_the_far_side_of_a_black_hole_it_is_seen_that_something_was_lost() {
    let case = cases().into_iter().find(|case| case.file == "s24-mtu-far-side.pcap").unwrap();
    let judged = judge(&facts(&case.octets(), |_| true), None);
    let verdict = judged.iter().flat_map(|judged| &judged.verdicts).next().unwrap();
    let words: Vec<&str> = verdict.evidence.iter().map(|evidence| evidence.words.as_str()).collect();
    assert!(words.iter().any(|words| words.contains("octets more")), "{words:?}");
}

#[test]
fn every_capture_has_its_entry() {
    let known: BTreeSet<String> = cases().into_iter().map(|case| case.file).collect();
    let files = std::fs::read_dir(directory()).unwrap();
    let files = files.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let captures: BTreeSet<String> = files.filter(|name| name.ends_with(".pcap")).collect();
    assert_eq!(captures, known);
    let ids: BTreeSet<&str> = rules().map(|rule| rule.id).collect();
    for case in cases() {
        let first = Some(&case.first).filter(|first| !first.is_empty());
        for rule in first.into_iter().chain(&case.notes).chain(case.others.keys()) {
            assert!(ids.contains(rule.as_str()), "{}: no rule {rule}", case.file);
        }
    }
}

/// That it is not triggered by those that look alike, say the other tests of each capture.
#[test]
fn every_rule_has_a_capture_that_triggers_it() {
    let mut triggered = BTreeSet::new();
    for case in cases() {
        let judged = judge(&facts(&case.octets(), |_| true), None);
        triggered.extend(judged.iter().flat_map(|judged| &judged.verdicts).map(|verdict| verdict.rule.id));
    }
    for rule in rules().filter(|rule| live_rules().all(|live| live.id != rule.id)) {
        let by_hand = BY_HAND.contains(&format!("\"{}\"", rule.id));
        assert!(triggered.contains(rule.id) || by_hand, "no capture for {}", rule.id);
    }
}

/// A number between 0 and 1, from a seed and a frame's number.
fn chance(seed: u64, number: u64) -> f64 {
    let mut x = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ number.wrapping_mul(0xd1b5_4a32_d192_ed03);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((x ^ (x >> 31)) >> 11) as f64 / (1u64 << 53) as f64
}

/// What may be said of a part of a capture: what is said of the whole, that it cannot be told, or less.
fn check(case: &Case, part: &str, facts: &Facts, wrong: &mut Vec<String>) {
    for rule in found(&judge(facts, None)) {
        if rule != "cannot-tell" && !case.may_say(rule) {
            wrong.push(format!("{}, {part}: {rule}", case.file));
        }
    }
}

#[test]
fn with_frames_missing_nothing_wrong_is_said() {
    let mut wrong = Vec::new();
    for case in cases() {
        let octets = case.octets();
        for (seed, share) in (1..=40).zip([0.001, 0.005, 0.02, 0.05].into_iter().cycle()) {
            let part = format!("seed {seed}, {share} missing");
            check(&case, &part, &facts(&octets, |frame| chance(seed, frame.number) >= share), &mut wrong);
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn of_a_part_of_a_capture_nothing_wrong_is_said() {
    let mut wrong = Vec::new();
    for case in cases() {
        let octets = case.octets();
        let mut frames = 0;
        facts(&octets, |_| {
            frames += 1;
            true
        });
        for cut in 1..24 {
            let at = frames * cut / 24;
            check(&case, &format!("up to {at}"), &facts(&octets, |frame| frame.number <= at), &mut wrong);
            check(&case, &format!("from {at} on"), &facts(&octets, |frame| frame.number > at), &mut wrong);
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn with_one_direction_only_nothing_wrong_is_said() {
    let mut wrong = Vec::new();
    for case in cases() {
        let octets = case.octets();
        let mut stations = BTreeSet::new();
        facts(&octets, |frame| stations.insert(frame.octets[6..12].to_vec()));
        for station in stations {
            let part = format!("only what {station:02x?} sends");
            check(&case, &part, &facts(&octets, |frame| frame.octets[6..12] == station), &mut wrong);
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn frames_that_were_captured_twice_change_nothing() {
    let mut wrong = Vec::new();
    for case in cases() {
        let octets = case.octets();
        let mut capture = Capture::new(&octets[..]);
        let (mut once, mut twice) = (Facts::default(), Facts::default());
        while let Some(frame) = capture.next_frame().unwrap() {
            once.add(&frame);
            twice.add(&frame);
            twice.add(&Captured { nanos: frame.nanos + 3000, ..frame });
        }
        once.finish(0);
        twice.finish(0);
        let [once, twice] = [once, twice].map(|facts| found(&judge(&facts, None)));
        if once != twice {
            wrong.push(format!("{}: {once:?}, twice {twice:?}", case.file));
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn with_the_ends_of_frames_cut_off_nothing_wrong_is_said() {
    let mut wrong = Vec::new();
    for case in cases() {
        let octets = case.octets();
        for snap_length in [60, 68, 96, 128] {
            let mut capture = Capture::new(&octets[..]);
            let mut facts = Facts::default();
            while let Some(frame) = capture.next_frame().unwrap() {
                let octets = frame.octets.get(..snap_length).unwrap_or(frame.octets);
                facts.add(&Captured { octets, ..frame });
            }
            facts.finish(0);
            check(&case, &format!("cut at {snap_length} octets"), &facts, &mut wrong);
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}
