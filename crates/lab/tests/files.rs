//! Lab files: those that are built in are valid, and of one that is not, all that is wrong is said.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use trunkline_lab::builtin::LABS;
use trunkline_lab::file::{Parsed, keys, parse};
use trunkline_lab::scenario::Action;
use trunkline_view::RouteSource;

fn good(name: &str, text: &str) -> Parsed {
    parse(name, text).unwrap_or_else(|e| panic!("{}", e.render(false)))
}

const PAGE: &str = include_str!("../../../docs/lab.md");

/// The keys in the first column of the tables under each heading that is code; "" under "The file".
fn documented() -> BTreeMap<&'static str, BTreeSet<&'static str>> {
    let mut sections: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    let mut heading = None;
    for line in PAGE.lines() {
        if let Some(title) = line.strip_prefix('#').map(|rest| rest.trim_start_matches('#').trim()) {
            let code = title.strip_prefix('`').and_then(|title| title.strip_suffix('`'));
            heading = if title == "The file" { Some("") } else { code };
        }
        let key = line.strip_prefix("| `").and_then(|row| row.split_once('`')).map(|(key, _)| key);
        // Keys have no quotes, and `show` heads a table of its values.
        let is_key = |key: &&str| !key.contains('"') && !line.contains("| entries |");
        if let (Some(heading), Some(key)) = (heading, key.filter(is_key)) {
            assert!(sections.entry(heading).or_default().insert(key), "{heading}: `{key}` twice");
        }
    }
    sections
}

#[test]
fn every_key_is_described_and_no_other() {
    assert_eq!(documented(), keys());
}

#[test]
fn the_example_of_the_page_is_valid() {
    let blocks = PAGE.split("```toml\n").skip(1);
    let text: String =
        blocks.filter_map(|block| block.split_once("```")).map(|(example, _)| example).collect();
    let parsed = good("lab.md", &text);
    assert!(parsed.warnings.is_empty(), "{}", parsed.warnings.render(false));
}

#[test]
fn every_lab_that_is_built_in_is_valid_and_has_a_title() {
    for lab in LABS {
        let parsed = good(lab.name, lab.text);
        assert!(parsed.warnings.is_empty(), "{}", parsed.warnings.render(false));
        assert!(!parsed.scenario.title.is_empty(), "{}", lab.name);
    }
}

#[test]
fn every_file_under_labs_is_built_in() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../labs");
    let files: BTreeSet<String> = std::fs::read_dir(folder)
        .unwrap()
        .filter_map(|entry| Some(entry.unwrap().file_name().to_str()?.strip_suffix(".toml")?.to_owned()))
        .collect();
    let known: BTreeSet<String> = LABS.iter().map(|lab| lab.name.to_owned()).collect();
    assert_eq!(files, known);
}

#[test]
fn a_file_full_of_mistakes() {
    let problems = parse("bad.toml", include_str!("bad/many.toml")).unwrap_err();
    let lines: Vec<usize> = problems.iter().map(|problem| problems.position(problem).0).collect();
    assert!(lines.is_sorted());
    insta::assert_snapshot!(problems.render(false));
}

#[test]
fn what_a_file_says() {
    let parsed = good("good.toml", include_str!("good.toml"));
    insta::assert_snapshot!(format!("{:#?}", parsed.scenario.links));
    insta::assert_snapshot!(format!("{:#?}", parsed.scenario.steps));
}

#[test]
fn a_node_has_rip_as_in_its_own_file() {
    let parsed = good("rip.toml", include_str!("rip.toml"));
    let warnings: Vec<&str> = parsed.warnings.iter().map(|warning| warning.message.as_str()).collect();
    // Once for the file, and once for each change of the node.
    assert!(warnings.iter().all(|warning| *warning == "there is no interface eht0"), "{warnings:?}");
    assert!(!warnings.is_empty());
    let rip = parsed.scenario.nodes[0].rip.as_ref().unwrap();
    assert_eq!(format!("{:?}", rip.machine.timers.flush), "AfterUpdate(240s)");
    assert_eq!(rip.machine.interfaces.len(), 2);
    assert_eq!(rip.redistribute[0].metric, 3);
    assert_eq!(rip.authentication["eth0"].keys[0].secret, b"first");
}

#[test]
fn a_change_merges_keys_and_sources_and_shows_no_secret() {
    let parsed = good("rip.toml", include_str!("rip.toml"));
    let changes: Vec<_> = parsed
        .scenario
        .steps
        .iter()
        .map(|step| match &step.action {
            Some(Action::Set { config, change, .. }) => (config.rip.clone().unwrap(), change.as_str()),
            other => panic!("{other:?}"),
        })
        .collect();
    let [(keys, keys_said), (cost, cost_said), (sources, _)] = changes.as_slice() else { panic!() };
    let secrets: Vec<&[u8]> =
        keys.authentication["eth0"].keys.iter().map(|key| key.secret.as_slice()).collect();
    assert_eq!(secrets, [b"second".as_slice(), b"third"]);
    assert_eq!(*keys_said, "key-chain.k1 = [{ id = 1, key = … }, { id = 2, key = … }]");
    assert_eq!(cost.machine.interfaces["eth0"].cost, 2);
    assert_eq!(cost.authentication["eth0"].keys[0].secret, b"second");
    assert_eq!(*cost_said, "rip.interface.eth0.authentication.key = …, rip.interface.eth0.cost = 2");
    let metrics: Vec<(RouteSource, u8, bool)> =
        sources.redistribute.iter().map(|r| (r.source, r.metric, r.filter.is_some())).collect();
    assert_eq!(metrics, [(RouteSource::Static, 4, true), (RouteSource::Connected, 1, false)]);
}

#[test]
fn no_text_makes_the_parser_panic() {
    let text = include_str!("good.toml");
    for end in (0..text.len()).filter(|end| text.is_char_boundary(*end)) {
        // Whatever stands there: an answer, and one that can be shown.
        match parse("cut.toml", &text[..end]) {
            Ok(parsed) => drop(parsed.warnings.render(false)),
            Err(problems) => assert!(problems.error_count() > 0 && !problems.render(false).is_empty()),
        }
    }
}
