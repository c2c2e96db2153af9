//! Lab files: those that are built in are valid, and of one that is not, all that is wrong is said.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeSet;
use std::path::Path;
use trunkline_lab::builtin::LABS;
use trunkline_lab::file::{Parsed, parse};

fn good(name: &str, text: &str) -> Parsed {
    parse(name, text).unwrap_or_else(|e| panic!("{}", e.render(false)))
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
    insta::assert_snapshot!(format!("{:#?}", parsed.scenario.links), @"");
    insta::assert_snapshot!(format!("{:#?}", parsed.scenario.steps));
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
