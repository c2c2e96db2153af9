//! A lab file → a validated [`Scenario`], or every problem with its line.
//!
//! A lab is described by TOML: `[node.NAME]` with the tables of a node's own file, `[[link]]`, `[[step]]`. It is walked
//! as `trunkline_config` walks a node's file, so that all that is wrong is said at once. All keys are described in
//! `docs/lab.md`; a test holds that document and this module together.
//!
//! | part of the file | module |
//! |---|---|
//! | the file, `[node.NAME]` | here |
//! | `[[link]]` | `link` |
//! | `[[step]]`, what is done | `step` |
//! | what a step asks of a node | `query` |
//! | `expect` | `expect` |
//! | a step's `set` | `merge` |
//! | durations, rates, shares | `units` |

mod expect;
mod link;
mod merge;
mod query;
mod step;
mod units;

pub use units::{parse_rate, parse_share, parse_time};

use crate::scenario::Scenario;
use std::collections::{BTreeMap, BTreeSet};
use toml::de::DeTable;
use trunkline_config::{
    Diagnostic, Diagnostics, Section, Span, Value, keys_with, lab_node, nearest, parse_with,
};
use trunkline_core::{Duration, Instant};
use trunkline_node::config::{NodeConfig, PortKind};

/// Where the keys of a lab file are described.
const PAGE: &str = "docs/lab.md";

/// The most nodes, links or steps of a file.
const MAX_ITEMS: usize = 10_000;

/// A lab file that can be used.
#[derive(Debug, Clone)]
pub struct Parsed {
    /// What it says.
    pub scenario: Scenario,
    /// What its author may not expect.
    pub warnings: Diagnostics,
}

/// Reads a lab file's text. `name` is what diagnostics call it.
///
/// # Errors
///
/// Everything that is wrong with the text, warnings included, in the order of lines.
pub fn parse(name: &str, text: &str) -> Result<Parsed, Diagnostics> {
    let lines = Lines(text);
    let (scenario, warnings) = parse_with(name, text, PAGE, |root| read(root, &lines))?;
    Ok(Parsed { scenario, warnings })
}

/// Every key that a lab file may have beside those of a node's file, by the title of its section as `docs/lab.md` writes
/// it.
pub fn keys() -> BTreeMap<&'static str, BTreeSet<&'static str>> {
    const SKELETON: &str = "
        until = '1s'
        node.n.interface.eth0 = {}
        link = [{}]
        [[step]]
        ping = {}
        traceroute = {}
        listen = {}
        connect = {}
        send = {}
        close = {}
        abort = {}
        transfer = {}
        mcheck = {}
        recover = {}
        clear-rip = {}
        expect = {}
    ";
    let mut keys = keys_with(SKELETON, |root| read(root, &Lines(SKELETON)));
    let here = |title: &&str| matches!(*title, "" | "[[link]]" | "[[step]]") || !title.starts_with('[');
    keys.retain(|title, _| here(title) && !matches!(*title, "arp" | "prepend" | "maximum-prefixes"));
    keys
}

/// Finds lines.
struct Lines<'t>(&'t str);

impl Lines<'_> {
    /// The line of a place, from 1.
    fn of(&self, span: &Span) -> usize {
        1 + self.0.bytes().take(span.start).filter(|b| *b == b'\n').count()
    }
}

/// The nodes of a file, whether or not they are valid: what others may refer to.
struct Nodes<'a> {
    by_name: BTreeMap<&'a str, NodeEntry<'a>>,
}

struct NodeEntry<'a> {
    span: Span,
    table: &'a DeTable<'a>,
    /// Names of the interfaces that a cable can be put into.
    interfaces: BTreeSet<&'a str>,
}

fn read(mut root: Section<'_>, lines: &Lines<'_>) -> Option<Scenario> {
    let title = root.read("title", Value::string).unwrap_or_default().to_owned();
    let until = root.require("until", "\"60s\"", units::interval);
    let seed = root.read("seed", |v| v.integer(0..=u64::MAX)).unwrap_or(1);
    let (nodes, configs) = nodes(&mut root);
    let links = link::links(root.sections("link", "[[link]]"), &nodes);
    let sections = root.sections("step", "[[step]]");
    refuse_too_many(&root, "step", sections.len());
    let names: BTreeSet<&str> =
        links.iter().map(|link| link.name.as_str()).filter(|name| !name.is_empty()).collect();
    let steps = step::steps(sections, &nodes, &names, until, lines);
    Some(Scenario { title, until: Instant::ZERO + until?, seed, nodes: configs, links, steps: steps? })
}

/// Reads all of `[node.NAME]`, in the order of the file.
fn nodes<'a>(root: &mut Section<'a>) -> (Nodes<'a>, Vec<NodeConfig>) {
    let section = root.section("node", "[node]");
    let mut entries = section.entries();
    entries.sort_by_key(|(_, span, _)| span.start);
    refuse_too_many(root, "node", entries.len());
    let mut nodes = Nodes { by_name: BTreeMap::new() };
    let mut configs = Vec::new();
    for (name, span, value) in entries {
        if !is_name(name) {
            let message = format!("\"{name}\" is no name for a node");
            let allowed = "expected 1 to 64 letters, digits, `-`, `_` and `.`, no `.` in front";
            section.reader().push(Diagnostic::error(span, message, allowed));
            continue;
        }
        let (Some(node), Some(table)) = (value.section("[node.NAME]"), value.table()) else { continue };
        let config = lab_node(node, name);
        let interfaces = linkable(table, config.as_ref());
        nodes.by_name.insert(name, NodeEntry { span, table, interfaces });
        configs.extend(config);
    }
    section.accept_all();
    if nodes.by_name.is_empty() {
        let problem = Diagnostic::error(root.span(), "a lab needs nodes", "there is none");
        root.reader()
            .push_relation(problem.help("describe one with [node.NAME] and [node.NAME.interface.eth0]"));
    }
    (nodes, configs)
}

/// The interfaces that a cable can be put into: neither loopbacks nor bridges.
fn linkable<'a>(table: &'a DeTable<'a>, config: Option<&NodeConfig>) -> BTreeSet<&'a str> {
    let tables = |key: &str| table.get(key).and_then(|item| item.get_ref().as_table());
    let names = tables("interface").into_iter().flatten().map(|(name, _)| name.get_ref().as_ref());
    let bridges = tables("bridge");
    let of_config = |name: &str| {
        let interface = config.and_then(|c| c.interfaces.iter().find(|i| i.name == name));
        interface.is_none_or(|i| i.port == PortKind::Simulated)
    };
    names.filter(|name| bridges.is_none_or(|b| !b.contains_key(*name)) && of_config(name)).collect()
}

/// As `node.name` of a node's file.
fn is_name(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    (1..=64).contains(&name.len()) && name.chars().all(fits) && !name.starts_with('.')
}

fn refuse_too_many(root: &Section<'_>, key: &str, count: usize) {
    if count > MAX_ITEMS {
        let message = format!("{count} times `{key}`");
        root.reader().push(Diagnostic::error(root.span_of(key), message, format!("at most {MAX_ITEMS}")));
    }
}

impl<'a> Nodes<'a> {
    /// The value as the name of a node.
    fn name(&self, value: &Value<'_>) -> Option<String> {
        let written = value.string()?;
        if self.by_name.contains_key(written) {
            return Some(written.to_owned());
        }
        let problem =
            value.problem(&format!("names a node \"{written}\" that is not there"), "expected a node");
        value.refuse_relation(problem.help(self.suggest(written)))
    }

    fn suggest(&self, written: &str) -> String {
        match nearest(written, self.by_name.keys().copied()) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => format!("the nodes are {}", list(self.by_name.keys().copied())),
        }
    }

    /// "r1.eth0": the node and the interface, where both are there.
    fn find_end<'t>(&self, text: &'t str) -> Option<(&'t str, &'t str)> {
        // Both names may have dots in them.
        text.match_indices('.').map(|(dot, _)| (&text[..dot], &text[dot + 1..])).find(|(node, interface)| {
            self.by_name.get(node).is_some_and(|node| node.interfaces.contains(interface))
        })
    }
}

/// "a, b and c", of many the first.
fn list<'n>(names: impl ExactSizeIterator<Item = &'n str>) -> String {
    const SHOWN: usize = 8;
    let more = names.len().saturating_sub(SHOWN);
    let mut shown: Vec<String> = names.take(SHOWN).map(|name| format!("\"{name}\"")).collect();
    if more > 0 {
        shown.push(format!("{more} more"));
    }
    if shown.is_empty() { "none".to_owned() } else { trunkline_config::alternatives(&shown, "and") }
}

/// A point of virtual time.
fn instant(time: Duration) -> Instant {
    Instant::ZERO + time
}
