//! Captures that someone made who did not know the rules (`tests/captures`, by `interop-captures`): what is said first of each of
//! the signatures.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::path::PathBuf;
use trunkline_explain::capture::Capture;
use trunkline_explain::follow::Facts;
use trunkline_explain::rules::{Judged, Severity, judge};

/// What may be said first of each signature; "": nothing.
const RIGHT: &[&[&str]] = &[
    &[],
    &["", "no-attempt"],
    &["arp-unanswered"],
    &["refused"],
    &["unreachable"],
    &["ttl-exceeded"],
    &["silence", "syn-ack-unanswered"],
    &["silence", "md5-one-side"],
    &["md5-silence", "md5-one-side"],
    &["md5-silence", "md5-differs"],
    &["ao-silence", "syn-ack-unanswered"],
    // On Linux GTSM lets the handshake pass, and drops what comes after it.
    &["ttl-security", "silence", "syn-ack-unanswered"],
    &["closed-before-open"],
    &["update-source", "closed-before-open"],
    &["connection-rejected"],
    &["version"],
    &["bad-peer-as"],
    &["bad-identifier"],
    // One daemon takes 1 s, and floods.
    &["hold-time", "keepalive-flood"],
    &["capability"],
    &["optional-parameter", "role"],
    &["collision"],
    &["foreign", "open-unanswered"],
    // With what the silent end said last, which was its OPEN.
    &["dropped-after-open", "stuck-after-open", "hold-expired"],
    &["mtu-black-hole"],
    &["zero-window", "send-hold"],
    &["max-prefix", "shutdown", "deconfigured", "reset", "config-change", "resources", "hard-reset", "bfd"],
    &["update-error", "bad-length"],
    &["no-common-family", "own-as", "no-routes", "nothing-announced"],
];

/// Captures of which something else is said first, and why that is so.
const OTHERWISE: &[(&str, &str)] = &[
    // A service that closes at once looks like a daemon that does not want the neighbor; it stands among what is not excluded.
    ("s22-sink-bird", "closed-before-open"),
    ("s22-sink-frr", "closed-before-open"),
    // Five seconds without an answer: a busy daemon may take as long.
    ("s22-stopped-daemon-bird", ""),
    // Behind the black hole there are no large segments to be seen.
    ("s24-mtu-far-side", "hold-expired"),
];

/// Healthy ones that end, and so are wrong at their end.
const ENDS: &[&str] = &["healthy-ends-bird-frr", "healthy-ends-openbgpd-bird", "look-old-peer-frr"];

/// The rules of the verdicts on a capture, each with its severity.
fn verdicts(name: &str) -> Vec<(Severity, &'static str)> {
    let judged = judged(name);
    let all = judged.iter().flat_map(|judged| &judged.verdicts);
    all.map(|verdict| (verdict.severity, verdict.rule.id)).collect()
}

/// What is judged of a capture.
fn judged(name: &str) -> Vec<Judged> {
    let octets = std::fs::read(directory().join(format!("{name}.pcap"))).unwrap();
    let mut capture = Capture::new(octets.as_slice());
    let mut facts = Facts::default();
    while let Ok(Some(frame)) = capture.next_frame() {
        facts.add(&frame);
    }
    facts.finish(capture.dropped());
    judge(&facts, None)
}

#[test]
fn at_the_far_side_of_a_black_hole_it_is_seen_that_something_was_lost() {
    let judged = judged("s24-mtu-far-side");
    let verdict = judged.iter().flat_map(|judged| &judged.verdicts).next().unwrap();
    let words: Vec<&str> = verdict.evidence.iter().map(|evidence| evidence.words.as_str()).collect();
    assert!(words.iter().any(|words| words.contains("has sent 2134 octets more")), "{words:?}");
}

fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/captures")
}

#[test]
fn the_first_verdict_on_each_capture_is_right_or_known_to_be_otherwise() {
    let text = std::fs::read_to_string(directory().join("captures.toml")).unwrap();
    let list: toml::Table = text.parse().unwrap();
    let captures = list["capture"].as_array().unwrap();
    assert!(captures.len() >= 180, "{}", captures.len());
    let (mut right, mut problems) = (0, Vec::new());
    for capture in captures {
        let name = capture["file"].as_str().unwrap().strip_suffix(".pcap").unwrap();
        let number = |value: &toml::Value| usize::try_from(value.as_integer().unwrap()).unwrap();
        let signature = number(&capture["signature"]);
        let also = capture.get("also").and_then(toml::Value::as_array).into_iter().flatten().map(number);
        let found = verdicts(name);
        let first = found.first().map_or("", |(_, rule)| *rule);
        if let Some((_, otherwise)) = OTHERWISE.iter().find(|(known, _)| *known == name) {
            if first != *otherwise {
                problems.push(format!("{name}: {first}, and not {otherwise} any more"));
            }
        } else if signature == 0 {
            let errors = found.iter().any(|(severity, _)| *severity == Severity::Error);
            if errors != ENDS.contains(&name) {
                problems.push(format!("{name}, which is healthy: {found:?}"));
            }
        } else if [signature].into_iter().chain(also).any(|one| RIGHT[one].contains(&first)) {
            right += 1;
        } else {
            problems.push(format!("{name}, signature {signature}: {first}"));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    assert!(right >= 125, "{right} of {}", captures.len());
}
