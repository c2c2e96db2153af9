//! Every file in `tests/good` parses, every file in `tests/bad` does not; snapshots hold what comes out.

// Clippy sees tests only inside `#[test]` functions.
#![allow(clippy::unwrap_used)]

use std::fmt::Write;
use std::path::{Path, PathBuf};
use trunkline_config::{Environment, Severity, lab_node, parse, parse_with, quick_start};

fn environment() -> Environment {
    Environment { host_name: "host".to_owned(), default_socket_dir: "/run/trunkline".into() }
}

/// Name and text of each file, by name.
fn files(folder: &str) -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(folder);
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<PathBuf> = entries.filter(|p| p.extension().is_some_and(|e| e == "toml")).collect();
    paths.sort();
    paths
        .iter()
        .map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, std::fs::read_to_string(path).unwrap())
        })
        .collect()
}

#[test]
fn good_files_parse() {
    let files = files("good");
    assert!(!files.is_empty());
    for (name, text) in files {
        let parsed = parse(&name, &text, &environment()).unwrap_or_else(|e| panic!("{}", e.render(false)));
        let mut snapshot = format!("{:#?}\n", parsed.config);
        if !parsed.warnings.is_empty() {
            write!(snapshot, "\n{}", parsed.warnings.render(false)).unwrap();
        }
        assert!(parsed.warnings.iter().all(|w| w.severity == Severity::Warning));
        insta::assert_snapshot!(format!("good__{name}"), snapshot);
    }
}

#[test]
fn bad_files_say_everything_that_is_wrong() {
    let files = files("bad");
    assert!(files.len() >= 25);
    for (name, text) in files {
        let problems = parse(&name, &text, &environment()).expect_err(&name);
        assert!(problems.error_count() > 0);
        let lines: Vec<usize> = problems.iter().map(|problem| problems.position(problem).0).collect();
        assert!(lines.is_sorted(), "{name}: not in the order of lines: {lines:?}");
        insta::assert_snapshot!(format!("bad__{name}"), problems.render(false));
    }
}

#[test]
fn the_quick_start_parses_without_warnings() {
    for (name, text) in quick_start() {
        let parsed = parse(name, text, &environment()).unwrap_or_else(|e| panic!("{}", e.render(false)));
        assert!(parsed.warnings.is_empty(), "{}", parsed.warnings.render(false));
        insta::assert_snapshot!(name, format!("{:#?}\n", parsed.config));
    }
}

#[test]
fn in_a_lab_there_is_no_bridge_of_a_kernel() {
    let read = |kind: &str| {
        let text = format!("kind = \"{kind}\"\ninterface.eth0 = {{}}\nbridge.br0.spanning-tree = \"rstp\"\n");
        let read = parse_with("lab.toml", &text, "", |root| lab_node(root, "sw1"));
        read.map(|(config, _)| config.bridges).map_err(|problems| problems.to_string())
    };
    let bridges = read("switch").unwrap();
    assert_eq!((bridges[0].kernel, &bridges[0].ports), (false, &vec!["eth0".to_owned()]));
    assert!(read("router").unwrap_err().contains("`ports` is missing"));
}

#[test]
fn a_log_gets_one_line_per_problem() {
    let text = "[bgp]\nasn = 0\nneighbours = []\n";
    let problems = parse("r1.toml", text, &environment()).unwrap_err();
    let expected = "\
        r1.toml:2:7: error: `asn` is out of range: expected a number, 1 to 4294967295\n\
        r1.toml:3:1: error: unknown key `neighbours` in [bgp]: not known here";
    assert_eq!(problems.to_string(), expected);
}

#[test]
fn color_is_used_only_where_it_is_asked_for() {
    let problems = parse("r1.toml", "[bgp]\n", &environment()).unwrap_err();
    assert!(problems.render(true).contains('\u{1b}'));
    assert!(!problems.render(false).contains('\u{1b}'));
}
