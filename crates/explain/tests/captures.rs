//! Captures of real daemons (`tests/interop/captures/make.py`): the right verdict comes first, nothing else is claimed, and with
//! frames missing nothing wrong is said.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeSet;
use std::path::PathBuf;
use trunkline_explain::capture::{Capture, Captured};
use trunkline_explain::follow::Facts;
use trunkline_explain::report;
use trunkline_explain::rules::{Judged, Severity, is_wrong, judge, live_rules, rules};

/// Captures, what is to be said first of each, and what else may be said. Nothing first: nothing is wrong.
const CASES: &[(&str, &str, &[&str])] = &[
    ("healthy-bird-frr", "", &[]),
    ("healthy-gobgp-openbgpd", "", &["refused"]),
    ("healthy-both-connect", "", &[]),
    ("healthy-ipv6", "", &[]),
    ("healthy-md5-gtsm", "", &[]),
    ("healthy-over-loss", "", &[]),
    // Up to where it was so, it is so.
    ("healthy-after-refusals", "", &["refused"]),
    ("rip-healthy", "", &[]),
    ("stp-healthy", "", &[]),
    ("arp-moves-once", "", &[]),
    ("flap", "reset", &[]),
    ("arp-unanswered", "arp-unanswered", &[]),
    ("refused", "refused", &[]),
    ("unreachable-filter", "unreachable", &[]),
    ("unreachable-no-route", "unreachable", &[]),
    ("ttl-exceeded", "ttl-exceeded", &[]),
    ("silence", "silence", &[]),
    ("md5-one-side", "md5-one-side", &["md5-silence", "silence"]),
    ("md5-silence", "md5-silence", &[]),
    ("md5-differs", "md5-differs", &["md5-silence"]),
    ("ttl-security", "ttl-security", &[]),
    ("ttl-security-gobgp", "ttl-security", &[]),
    // Who sees the SYNs alone sees silence.
    ("syn-ack-unanswered", "syn-ack-unanswered", &["silence"]),
    ("closed-before-open-bird", "closed-before-open", &[]),
    ("closed-before-open-frr", "closed-before-open", &["arp-unanswered"]),
    ("closed-before-open-gobgp", "closed-before-open", &[]),
    ("closed-before-open-openbgpd", "closed-before-open", &[]),
    ("closed-before-open-disabled", "closed-before-open", &[]),
    ("update-source", "update-source", &["closed-before-open"]),
    ("bad-peer-as-article", "bad-peer-as", &[]),
    ("bad-peer-as-gobgp-openbgpd", "bad-peer-as", &["refused"]),
    ("bad-identifier", "bad-identifier", &[]),
    ("hold-time", "hold-time", &[]),
    ("capability", "capability", &[]),
    ("role", "role", &[]),
    ("version", "version", &[]),
    ("optional-parameter", "optional-parameter", &[]),
    ("connection-rejected", "connection-rejected", &[]),
    ("collision", "collision", &[]),
    // Where the beginning is missing, their last word is left: NOTIFICATION 4/0.
    ("open-unanswered", "open-unanswered", &["hold-expired"]),
    ("foreign", "foreign", &["header-error"]),
    ("stuck-after-open", "stuck-after-open", &["hold-expired"]),
    ("mtu-black-hole", "mtu-black-hole", &["hold-expired"]),
    ("zero-window", "zero-window", &[]),
    ("send-hold", "send-hold", &[]),
    ("hold-expired", "hold-expired", &[]),
    // OpenBGPD holds the neighbor down afterwards.
    ("max-prefix", "max-prefix", &["refused", "held-down", "closed-before-open"]),
    ("shutdown", "shutdown", &["refused"]),
    ("deconfigured", "deconfigured", &["refused"]),
    ("resources", "resources", &[]),
    ("hard-reset", "hard-reset", &[]),
    ("bfd", "bfd", &[]),
    ("config-change", "config-change", &[]),
    ("update-error", "update-error", &["malformed-update"]),
    ("bad-length", "bad-length", &["malformed-update"]),
    ("header-error", "header-error", &["foreign"]),
    ("broken-off", "broken-off", &["refused"]),
    ("no-common-family", "no-common-family", &["refused"]),
    ("no-routes", "no-routes", &[]),
    ("own-as", "own-as", &[]),
    ("arp-duplicate", "arp-duplicate", &[]),
    ("rip-authentication", "rip-authentication", &[]),
    ("rip-password", "rip-authentication", &[]),
    ("rip-lost", "rip-lost", &[]),
    ("stp-root", "stp-root", &[]),
    ("stp-two-roots", "stp-two-roots", &[]),
];

/// What is said as a note.
const NOTES: &[(&str, &str)] =
    &[("arp-proxy", "arp-proxy"), ("icmp-redirect", "icmp-redirect"), ("stp-change", "stp-change")];

/// Frames made by hand for rules for which no real daemon could be brought to a capture.
const BY_HAND: &str = include_str!("by_hand.rs");

fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/interop/captures")
}

fn file(name: &str) -> Vec<u8> {
    let path = directory().join(format!("{name}.pcap"));
    std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
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
    for (name, first, others) in CASES {
        let facts = facts(&file(name), |_| true);
        let judged = judge(&facts, None);
        let found = found(&judged);
        let text = report::text(&judged, &facts, &|severity| severity.name().to_owned());
        assert_eq!(found.first().copied().unwrap_or(""), *first, "{name}:\n{text}");
        for rule in &found {
            assert!(rule == first || others.contains(rule), "{name} says {rule} too:\n{text}");
        }
        assert_eq!(is_wrong(&judged), !first.is_empty());
        assert!(report::to_json(&judged, &facts)["judged"].is_array());
        if judged.iter().any(|judged| judged.ends.is_some()) {
            let drawing = report::svg(&judged, &facts).unwrap();
            assert!(drawing.starts_with("<svg") && drawing.ends_with("</svg>\n"), "{name}");
        }
    }
}

#[test]
fn notes_are_no_errors() {
    for (name, rule) in NOTES {
        let judged = judge(&facts(&file(name), |_| true), None);
        assert!(!is_wrong(&judged), "{name}");
        let mut all = judged.iter().flat_map(|judged| &judged.verdicts).map(|verdict| verdict.rule.id);
        assert!(all.any(|id| id == *rule), "{name} does not say {rule}");
    }
}

#[test]
fn every_capture_has_its_line_here() {
    let known: BTreeSet<String> =
        CASES.iter().map(|case| case.0).chain(NOTES.iter().map(|note| note.0)).map(str::to_owned).collect();
    let files = std::fs::read_dir(directory()).unwrap().map(|entry| entry.unwrap().file_name());
    let captures =
        files.filter_map(|name| name.into_string().unwrap().strip_suffix(".pcap").map(str::to_owned));
    assert_eq!(captures.collect::<BTreeSet<_>>(), known);
}

/// That it is not triggered by those that look alike, say the other tests of this file and of `second_hand.rs` of each capture.
#[test]
fn every_rule_has_a_capture_that_triggers_it() {
    let mut triggered: BTreeSet<&str> =
        CASES.iter().map(|case| case.1).chain(NOTES.iter().map(|note| note.1)).collect();
    let second_hand = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/captures");
    for entry in std::fs::read_dir(second_hand).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "pcap") {
            continue;
        }
        let judged = judge(&facts(&std::fs::read(&path).unwrap(), |_| true), None);
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
fn check(
    name: &str,
    part: &str,
    octets: &[u8],
    there: impl FnMut(&Captured<'_>) -> bool,
    wrong: &mut Vec<String>,
) {
    let (_, first, others) = CASES.iter().find(|case| case.0 == name).unwrap();
    let judged = judge(&facts(octets, there), None);
    for rule in found(&judged) {
        if rule != "cannot-tell" && rule != *first && !others.contains(&rule) {
            wrong.push(format!("{name}, {part}: {rule}"));
        }
    }
}

#[test]
fn with_frames_missing_nothing_wrong_is_said() {
    let mut wrong = Vec::new();
    for (name, ..) in CASES {
        let octets = file(name);
        for (seed, share) in (1..=40).zip([0.001, 0.005, 0.02, 0.05].into_iter().cycle()) {
            let part = format!("seed {seed}, {share} missing");
            check(name, &part, &octets, |frame| chance(seed, frame.number) >= share, &mut wrong);
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn of_a_part_of_a_capture_nothing_wrong_is_said() {
    let mut wrong = Vec::new();
    for (name, ..) in CASES {
        let octets = file(name);
        let mut frames = 0;
        facts(&octets, |_| {
            frames += 1;
            true
        });
        for cut in 1..24 {
            let at = frames * cut / 24;
            check(name, &format!("up to {at}"), &octets, |frame| frame.number <= at, &mut wrong);
            check(name, &format!("from {at} on"), &octets, |frame| frame.number > at, &mut wrong);
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn with_one_direction_only_nothing_wrong_is_said() {
    let mut wrong = Vec::new();
    for (name, ..) in CASES {
        let octets = file(name);
        let mut stations = BTreeSet::new();
        facts(&octets, |frame| stations.insert(frame.octets[6..12].to_vec()));
        for station in stations {
            let part = format!("only what {station:02x?} sends");
            check(name, &part, &octets, |frame| frame.octets[6..12] == station, &mut wrong);
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn frames_that_were_captured_twice_change_nothing() {
    for (name, ..) in CASES {
        let octets = file(name);
        let mut capture = Capture::new(&octets[..]);
        let (mut once, mut twice) = (Facts::default(), Facts::default());
        while let Some(frame) = capture.next_frame().unwrap() {
            once.add(&frame);
            twice.add(&frame);
            twice.add(&Captured { nanos: frame.nanos + 3000, ..frame });
        }
        once.finish(0);
        twice.finish(0);
        assert_eq!(found(&judge(&once, None)), found(&judge(&twice, None)), "{name}");
    }
}

#[test]
fn with_the_ends_of_frames_cut_off_nothing_wrong_is_said() {
    let mut wrong = Vec::new();
    for (name, first, others) in CASES {
        let octets = file(name);
        for snap_length in [60, 68, 96, 128] {
            let mut capture = Capture::new(&octets[..]);
            let mut facts = Facts::default();
            while let Some(frame) = capture.next_frame().unwrap() {
                let octets = frame.octets.get(..snap_length).unwrap_or(frame.octets);
                facts.add(&Captured { octets, ..frame });
            }
            facts.finish(0);
            let found = found(&judge(&facts, None));
            let claims = found.iter().filter(|rule| **rule != "cannot-tell" && *rule != first);
            wrong.extend(
                claims
                    .filter(|rule| !others.contains(rule))
                    .map(|rule| format!("{name} at {snap_length}: {rule}")),
            );
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}
