//! `docs/configuration.md` describes every key, and no other; its examples are a valid file.

use std::collections::{BTreeMap, BTreeSet};
use trunkline_config::{Environment, keys, parse};

const PAGE: &str = include_str!("../../../docs/configuration.md");

/// The keys in the first column of the tables under each heading that is code.
fn documented() -> BTreeMap<&'static str, BTreeSet<&'static str>> {
    let mut sections: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    let mut heading = None;
    for line in PAGE.lines() {
        if let Some(title) = line.strip_prefix('#').map(|rest| rest.trim_start_matches('#').trim()) {
            heading = title.strip_prefix('`').and_then(|title| title.strip_suffix('`'));
        }
        let key = line.strip_prefix("| `").and_then(|row| row.split_once('`'));
        // Keys have no quotes: those are the rows of explanations.
        if let (Some(heading), Some((key, _))) = (heading, key.filter(|(key, _)| !key.contains('"'))) {
            assert!(
                sections.entry(heading).or_default().insert(key),
                "{heading}: `{key}` is described twice"
            );
        }
    }
    sections
}

/// The text of all examples.
fn examples() -> String {
    let blocks = PAGE.split("```toml\n").skip(1);
    blocks.filter_map(|block| block.split_once("```")).map(|(example, _)| example).collect()
}

#[test]
fn every_key_is_described_and_no_other() {
    let documented = documented();
    let none = BTreeSet::new();
    let of = |title| documented.get(title).unwrap_or(&none);
    let neighbor = of("[[bgp.neighbor]]");
    for (title, known) in keys() {
        let mut described = of(title).clone();
        match title {
            // What the page says of these in a sentence.
            "[[bgp.listen-range]]" => described.extend(neighbor.iter().filter(|key| **key != "address")),
            "[bgp.group.NAME]" => {
                described.extend(neighbor.iter().filter(|key| !matches!(**key, "address" | "group")));
            }
            "offset-out" => described.clone_from(of("offset-in")),
            // The overview links to the sections.
            "" => described.extend(known.iter().filter(|key| PAGE.contains(&format!("[{key}")))),
            _ => {}
        }
        assert_eq!(described, known, "the keys of {title} differ: left the page, right the program");
    }
    let unknown: Vec<_> = documented.keys().filter(|title| !keys().contains_key(**title)).collect();
    assert!(unknown.is_empty(), "sections that the program does not know: {unknown:?}");
}

#[test]
fn the_examples_are_a_valid_file_that_uses_every_key() {
    let env = Environment { host_name: "host".to_owned(), default_socket_dir: "/run/trunkline".into() };
    let text = examples();
    let parsed = parse("configuration.md", &text, &env).unwrap_or_else(|e| panic!("{}", e.render(false)));
    assert!(parsed.warnings.is_empty(), "{}", parsed.warnings.render(false));
    for key in keys().values().flatten() {
        let forms = [format!("\n{key} = "), format!("{key} = "), format!("[{key}"), format!(".{key}")];
        assert!(forms.iter().any(|form| text.contains(form)), "no example has `{key}`");
    }
}
