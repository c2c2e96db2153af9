//! `[[link]]`: cables and LANs.

use super::{MAX_ITEMS, Nodes, list, units};
use crate::link::LinkConfig;
use crate::scenario::{End, Link};
use std::collections::BTreeMap;
use toml::Spanned;
use trunkline_config::{Diagnostic, Section, Span, Value, nearest};

/// The most frames that wait at an end of a link.
const MAX_QUEUE: usize = 1_000_000;

/// Reads all of `[[link]]`.
pub(super) fn links(sections: Vec<Section<'_>>, nodes: &Nodes<'_>) -> Vec<Link> {
    let mut taken = BTreeMap::new();
    let mut names: BTreeMap<String, Span> = BTreeMap::new();
    let mut links = Vec::new();
    for section in sections.into_iter().take(MAX_ITEMS) {
        let reader = section.reader();
        let (link, at) = link(section, nodes, &mut taken);
        let named = !link.name.is_empty();
        if let Some(first) = names.get(&link.name).filter(|_| named) {
            let message = format!("two links are called \"{}\"", link.name);
            let problem = Diagnostic::error(at, message, "again here").related(first.clone(), "first here");
            reader.push_relation(
                problem.help("a link without `name` is called after its ends: \"a.eth0-b.eth0\""),
            );
        } else {
            names.insert(link.name.clone(), at);
            links.push(link);
        }
    }
    links
}

/// Reads one; beside it the place of its name.
fn link(mut section: Section<'_>, nodes: &Nodes<'_>, taken: &mut BTreeMap<String, Span>) -> (Link, Span) {
    let name = section.read("name", link_name);
    let ends = section.require("ends", "[\"a.eth0\", \"b.eth0\"]", |v| v.list(|v| end(v, nodes)));
    let count = section.take("ends").map_or(0, |v| v.item_count());
    let written = ends.is_some();
    let ends = ends.unwrap_or_default();
    let mut kept: Vec<Spanned<End>> = Vec::new();
    for end in ends {
        let text = end.get_ref().to_string();
        if let Some(first) = taken.get(&text) {
            let problem = Diagnostic::error(end.span(), format!("{text} is on a link twice"), "again here");
            let problem = problem.related(first.clone(), "first here");
            section.reader().push_relation(problem.help("more than two ends on one link make a LAN"));
        } else {
            taken.insert(text, end.span());
            kept.push(end);
        }
    }
    if written && count < 2 {
        let problem =
            Diagnostic::error(section.span_of("ends"), "a link has two ends", "expected at least two");
        section.reader().push_relation(problem);
    }
    let ends: Vec<End> = kept.into_iter().map(Spanned::into_inner).collect();
    let name = name.unwrap_or_else(|| ends.iter().map(End::to_string).collect::<Vec<_>>().join("-"));

    let mut config = LinkConfig::new(&name);
    section.set(&mut config.delay, "delay", units::time);
    config.rate = section.read("rate", |v| v.text::<units::Rate>().map(|rate| rate.0));
    section.set(&mut config.queue, "queue", |v| v.integer(1..=MAX_QUEUE));
    section.set(&mut config.loss, "loss", share);
    section.set(&mut config.duplicate, "duplicate", share);
    section.set(&mut config.reorder, "reorder", share);
    section.set(&mut config.corrupt, "corrupt", share);
    (Link { name, config, ends }, section.span_of("name"))
}

fn share(value: &Value<'_>) -> Option<f64> {
    value.text::<units::Share>().map(|share| share.0)
}

/// The name becomes part of a file's name.
fn link_name(value: &Value<'_>) -> Option<String> {
    let name = value.string()?;
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    if name.is_empty() || name.len() > 64 || !name.chars().all(fits) || name.starts_with('.') {
        let allowed = "expected 1 to 64 letters, digits, `-`, `_` and `.`, no `.` in front";
        return value.refuse(value.problem("is no name for a link", allowed));
    }
    Some(name.to_owned())
}

/// "r1.eth0".
pub(super) fn end(value: &Value<'_>, nodes: &Nodes<'_>) -> Option<End> {
    let text = value.string()?;
    if let Some((node, interface)) = nodes.find_end(text) {
        return Some(End { node: node.to_owned(), interface: interface.to_owned() });
    }
    // The longest name of a node that it begins with: then the interface is wrong.
    let splits = text.match_indices('.').map(|(dot, _)| (&text[..dot], &text[dot + 1..]));
    let node = splits.filter_map(|(node, i)| Some((node, i, nodes.by_name.get(node)?))).next_back();
    let problem = match node {
        Some((node, interface, entry)) => {
            let problem = value.problem(
                &format!("names {node}, which has no interface \"{interface}\" to put a cable into"),
                "expected one of the node's interfaces",
            );
            let names = &entry.interfaces;
            let help = match nearest(interface, names.iter().copied()) {
                Some(near) => format!("did you mean \"{node}.{near}\"?"),
                None if names.is_empty() => format!("describe it with [node.{node}.interface.{interface}]"),
                None => format!("{node} has {}", list(names.iter().copied())),
            };
            problem.related(entry.span.clone(), "the node").help(help)
        }
        None if !text.contains('.') => {
            let help = format!("for example \"{text}.eth0\"");
            value
                .problem(&format!("has \"{text}\" without an interface"), "expected NODE.INTERFACE")
                .help(help)
        }
        None => {
            let node = text.split_once('.').map_or(text, |(node, _)| node);
            let problem =
                value.problem(&format!("names a node \"{node}\" that is not there"), "expected a node");
            problem.help(nodes.suggest(node))
        }
    };
    value.refuse_relation(problem)
}
