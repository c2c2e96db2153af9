//! What people and programs see of failures, and a whole run.

use super::*;
use crate::args::{Cli, Command, Lab};
use clap::Parser;
use std::time::Duration;
use trunkline_lab::whatif::{Counting, Loops, Pair, PairOutcome, State, Way};

const PLAIN: Style = Style { color: false };

fn options(line: &str) -> WhatIf {
    let words = ["trunkline", "lab", "whatif"].into_iter().chain(line.split(' '));
    match Cli::try_parse_from(words).unwrap().command {
        Command::Lab(Lab::WhatIf(options)) => options,
        _ => panic!("{line}"),
    }
}

/// Four failures between three hosts, the last two of which are not on one LAN.
fn sample() -> Report {
    let way = |from, to, way| Pair { from, to, way };
    let pairs = vec![
        way(0, 1, Way::Frames),
        way(0, 2, Way::Pings),
        way(1, 0, Way::Frames),
        way(1, 2, Way::None),
        way(2, 0, Way::Pings),
        way(2, 1, Way::None),
    ];
    let survey = Survey {
        seed: 1,
        hosts: ["a", "b", "host-c"].map(str::to_owned).into(),
        hosts_left_out: 0,
        pairs,
        steps_left_out: 2,
        rest: Instant::from_secs(35),
        rested: true,
        failure: Instant::from_nanos(37_250_000_000),
        end: Instant::from_nanos(97_250_000_000),
        interval: Duration::from_millis(10),
        ping_interval: Duration::from_millis(100),
    };
    let pair = |(state, millis)| PairOutcome {
        state,
        longest: Duration::from_millis(millis),
        total: Duration::from_millis(millis),
        duplicates: 0,
    };
    let outcome = |words: &str, states: [(State, u64); 4]| {
        let [ab, ac, ba, ca] = states.map(pair);
        let none = pair((State::NotMeasured, 0));
        Outcome {
            failure: words.parse().unwrap(),
            storm: None,
            pairs: vec![ab, ac, ba, none, ca, none],
            loops: Loops::default(),
            settled: None,
            counting: Vec::new(),
        }
    };
    let (well, cut) = ((State::Unharmed, 0), (State::CutOff, 60_000));
    let mut outcomes = vec![
        outcome("node s, link t-u", [well, well, (State::Interrupted, 1200), well]),
        outcome("link r-s", [(State::Never, 60_000), (State::Interrupted, 100), well, well]),
        outcome("node r", [(State::Interrupted, 30_020), well, (State::Interrupted, 29_990), well]),
        outcome("link c-r", [well, cut, well, cut]),
    ];
    outcomes[0].storm = Some(Duration::from_millis(12));
    outcomes[0].loops = Loops { frames: 31, crossings: 4_000_000 };
    outcomes[2].settled = Some(Duration::from_micros(30_002_500));
    outcomes[2].counting = vec![Counting {
        root: "r".to_owned(),
        bpdus: 14,
        cost: 220_000,
        first: Instant::from_nanos(37_250_100_000),
        last: Instant::from_nanos(39_250_100_000),
    }];
    Report { survey, outcomes, total: 5, bad: 2 }
}

#[test]
fn failures_as_people_see_them() {
    let options = options("labs/my.toml --rows 4");
    insta::assert_snapshot!(sample().words(&options, false, PLAIN));
}

#[test]
fn all_pairs_are_a_matrix() {
    let options = options("labs/my.toml --pairs all");
    insta::assert_snapshot!(sample().words(&options, options.pairs == PairsShown::All, PLAIN));
}

#[test]
fn failures_as_programs_see_them() {
    let report = sample();
    let json = report.json(&options("my.toml --json"), false);
    assert_eq!((&json["failures"], &json["bad"]), (&5.into(), &2.into()));
    let never = &json["outcomes"][1];
    assert_eq!((&never["failure"], &never["outage_ms"]), (&"link r-s".into(), &60_000.0.into()));
    assert_eq!((&never["pairs"][0]["from"], &never["pairs"][0]["state"]), (&"a".into(), &"never".into()));
    assert_eq!(never["pairs"].as_array().map(Vec::len), Some(4));
    assert_eq!(json["outcomes"][2]["count_to_infinity"][0]["bpdus"], 14);
    let all = report.json(&options("my.toml --json"), true);
    assert_eq!(all["outcomes"][1]["pairs"].as_array().map(Vec::len), Some(6));
}

#[test]
fn the_command_that_shows_a_failure_again_gives_the_same_options() {
    let line = "it's.toml --seed 7 --for 1500ms --every 20ms --patience 90s";
    let words = sample().json(&options(line), false)["outcomes"][0]["replay"].clone();
    assert_eq!(
        words,
        "trunkline lab whatif 'it'\\''s.toml' --seed 7 --for 1500ms --every 20ms --patience 90s \
         --replay 'node s, link t-u' --pcap node-s-link-t-u"
    );
}

/// A host, two switches in a row, a host.
const LAB: &str = r#"
    until = "1s"
    [node.a]
    kind = "host"
    [node.a.interface.eth0]
    address = ["192.0.2.1/24"]
    [node.b]
    kind = "host"
    [node.b.interface.eth0]
    address = ["192.0.2.2/24"]
    [node.s]
    kind = "switch"
    [node.s.interface.p1]
    [node.s.interface.p2]
    [[link]]
    name = "a-s"
    ends = ["a.eth0", "s.p1"]
    [[link]]
    name = "b-s"
    ends = ["b.eth0", "s.p2"]
"#;

fn run_with(dir: &std::path::Path, line: &str, json: bool) -> (String, Result<(), Failure>) {
    std::fs::create_dir_all(dir).unwrap();
    let file = dir.join("lab.toml");
    std::fs::write(&file, LAB).unwrap();
    let mut options = options(&format!("{} --for 5s", file.display()));
    if !line.is_empty() {
        options.replay = Some(line.to_owned());
        options.pcap = Some(dir.join("captures"));
    }
    let mut out = Vec::new();
    let result = execute(&options, json, PLAIN, &mut out);
    (String::from_utf8(out).unwrap(), result)
}

#[test]
fn a_lab_from_its_file_to_the_table_and_a_replay_with_captures() {
    let dir = std::env::temp_dir().join(format!("trunkline-cli-whatif-{}", std::process::id()));
    let (text, result) = run_with(&dir, "", false);
    assert!(
        result.is_ok() && text.contains("3 failures; where a way was left, all pairs came back"),
        "{text}"
    );
    for words in ["link a-s", "link b-s", "node s", "--replay 'node s' --pcap node-s"] {
        assert!(text.contains(words), "{words}: {text}");
    }
    let (json, _) = run_with(&dir, "", true);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["outcomes"][0]["cut_off"], 2);

    let (text, result) = run_with(&dir, "link b-s", false);
    assert!(result.is_ok() && text.contains("link b-s fails") && text.contains("cut off"), "{text}");
    for link in ["a-s", "b-s"] {
        let octets = std::fs::read(dir.join("captures").join(format!("{link}.pcapng"))).unwrap();
        // The Section Header Block of pcapng.
        assert!(octets.len() > 1000 && octets.starts_with(&[0x0a, 0x0d, 0x0d, 0x0a]), "{link}");
    }
    let (_, result) = run_with(&dir, "link x", false);
    assert!(matches!(result, Err(Failure::Message(words)) if words == "there is no link x"));
    let _ = std::fs::remove_dir_all(&dir);
}
