//! `[[step]]`: what happens, and when.

use super::expect::{Context, expects, link};
use super::merge::merge;
use super::query;
use super::{Lines, MAX_ITEMS, Nodes, instant, units};
use crate::scenario::{Action, Step};
use std::collections::{BTreeMap, BTreeSet};
use toml::Spanned;
use toml::de::DeTable;
use trunkline_config::{Diagnostic, Reader, Section, Span, Value, lab_node};
use trunkline_core::Duration;
use trunkline_view::Query;

/// What a step may do; it does one of these.
const ACTIONS: [&str; 17] = [
    "ping",
    "traceroute",
    "listen",
    "connect",
    "send",
    "close",
    "abort",
    "transfer",
    "mcheck",
    "recover",
    "clear-rip",
    "cut",
    "restore",
    "crash",
    "restart",
    "set",
    "expect",
];

/// A step whose `set` is not merged yet.
struct Raw<'a> {
    at: Duration,
    line: usize,
    note: Option<String>,
    action: Option<RawAction<'a>>,
}

enum RawAction<'a> {
    Ready(Action),
    Set { node: &'a str, table: &'a DeTable<'a>, span: Span },
}

/// Reads all of `[[step]]`, in the order of time. `None` only together with an error.
pub(super) fn steps<'a>(
    sections: Vec<Section<'a>>,
    nodes: &Nodes<'a>,
    links: &BTreeSet<&str>,
    until: Option<Duration>,
    lines: &Lines<'_>,
) -> Option<Vec<Step>> {
    let Some(reader) = sections.first().map(Section::reader) else { return Some(Vec::new()) };
    let context = Context { nodes, links, lines };
    let mut raw: Vec<Raw<'a>> =
        sections.into_iter().take(MAX_ITEMS).filter_map(|s| step(s, &context, until)).collect();
    raw.sort_by_key(|step| step.at);
    let mut tables = BTreeMap::new();
    let mut steps = Vec::new();
    for Raw { at, line, note, action } in raw {
        let action = match action {
            Some(RawAction::Ready(action)) => Some(action),
            Some(RawAction::Set { node, table, span }) => {
                Some(set(reader, nodes, &mut tables, (node, table, span))?)
            }
            None => None,
        };
        steps.push(Step { at: instant(at), line, note, action });
    }
    Some(steps)
}

/// A change over what the node was configured to be until then.
fn set<'a>(
    reader: &Reader,
    nodes: &Nodes<'a>,
    tables: &mut BTreeMap<&'a str, DeTable<'a>>,
    (node, change, span): (&'a str, &'a DeTable<'a>, Span),
) -> Option<Action> {
    let base = tables.get(node).or_else(|| nodes.by_name.get(node).map(|entry| entry.table))?;
    let merged = merge(base, change);
    let section = Section::new(reader, "[node.NAME]", span, Some(&merged));
    let config = lab_node(section, node);
    tables.insert(node, merged);
    Some(Action::Set { node: node.to_owned(), config: Box::new(config?), change: words(change) })
}

/// A change in one line, with the values that it sets.
fn words(table: &DeTable<'_>) -> String {
    let mut lines = Vec::new();
    flatten(table, "", &mut lines);
    lines.join(", ")
}

fn flatten(table: &DeTable<'_>, prefix: &str, lines: &mut Vec<String>) {
    for (key, value) in table {
        let key: &str = key.get_ref();
        let name = format!("{prefix}{key}");
        match value.get_ref() {
            toml::de::DeValue::Table(inner) => flatten(inner, &format!("{name}."), lines),
            // A secret.
            _ if matches!(key, "password" | "key") => lines.push(format!("{name} = …")),
            other => lines.push(format!("{name} = {}", query::value_words(other))),
        }
    }
}

fn step<'a>(mut section: Section<'a>, context: &Context<'_, 'a>, until: Option<Duration>) -> Option<Raw<'a>> {
    let line = context.lines.of(&section.span());
    let at = section.require("at", "\"1s\"", units::time);
    if let (Some(at), Some(until)) = (at, until)
        && at > until
    {
        let problem = Diagnostic::error(section.span_of("at"), "a step after the end", "never comes");
        section.reader().push_relation(problem.help(format!("the lab ends at `until`, after {until:?}")));
    }
    let note = section.read("note", Value::string).map(str::to_owned);
    let found: Vec<&'static str> = ACTIONS.into_iter().filter(|key| section.has(key)).collect();
    let mut actions = Vec::new();
    for key in ACTIONS {
        actions.extend(section.take(key).and_then(|value| action(key, &value, context)));
    }
    match found.as_slice() {
        [] if note.is_none() => {
            let problem = Diagnostic::error(section.span(), "a step that does nothing", "needs an action");
            let all = ACTIONS.map(|key| format!("`{key}`"));
            let help = format!("write {}", trunkline_config::alternatives(&all, "or"));
            section.reader().push_relation(problem.help(help));
        }
        [first, second, ..] => {
            let message = format!("a step that does both `{first}` and `{second}`");
            let problem = Diagnostic::error(section.span_of(second), message, "is another step");
            section.reader().push_relation(problem.related(section.span_of(first), "the first"));
        }
        _ => {}
    }
    Some(Raw { at: at?, line, note, action: actions.pop() })
}

/// What one key orders.
fn action<'a>(key: &'static str, value: &Value<'a>, context: &Context<'_, 'a>) -> Option<RawAction<'a>> {
    let links = |make: fn(Vec<String>) -> Action| names(value, |v| link(v, context.links)).map(make);
    let nodes = |make: fn(Vec<String>) -> Action| names(value, |v| context.nodes.name(v)).map(make);
    let asked = |read: fn(&mut Section<'_>) -> Option<Query>, from| ask(key, value, context, from, read);
    Some(RawAction::Ready(match key {
        "cut" => links(Action::Cut)?,
        "restore" => links(Action::Restore)?,
        "crash" => nodes(Action::Crash)?,
        "restart" => nodes(Action::Restart)?,
        "expect" => Action::Expect(expects(value, context)?),
        "ping" => asked(query::ping, "from")?,
        "traceroute" => asked(query::traceroute, "from")?,
        "transfer" => asked(query::transfer, "from")?,
        "connect" => asked(query::connect, "from")?,
        "listen" => asked(query::listen, "node")?,
        "send" => asked(query::send, "node")?,
        "close" => asked(query::close, "node")?,
        "abort" => asked(query::abort, "node")?,
        "mcheck" => asked(query::mcheck, "node")?,
        "recover" => asked(query::recover, "node")?,
        "clear-rip" => asked(query::clear_rip, "node")?,
        _ => return change(value, context),
    }))
}

/// One name or a list of them.
fn names<'a>(value: &Value<'a>, read: impl Fn(&Value<'a>) -> Option<String>) -> Option<Vec<String>> {
    let names = value.one_or_more(read)?;
    Some(names.into_iter().map(Spanned::into_inner).collect())
}

/// An action of one node: `from` is the key that names it.
fn ask(
    key: &'static str,
    value: &Value<'_>,
    context: &Context<'_, '_>,
    from: &'static str,
    read: fn(&mut Section<'_>) -> Option<Query>,
) -> Option<Action> {
    let mut section = value.section(key)?;
    let node = section.require(from, "\"r1\"", |v| context.nodes.name(v));
    let query = read(&mut section);
    Some(Action::Query { node: node?, query: query? })
}

/// `set`: a table whose one key is a node.
fn change<'a>(value: &Value<'a>, context: &Context<'_, 'a>) -> Option<RawAction<'a>> {
    let section = value.section("set")?;
    let entries = section.entries();
    let span = section.span();
    section.accept_all();
    let [(name, name_span, change)] = entries.as_slice() else {
        let problem = value.problem("changes one node at a time", "expected one node's name as the only key");
        return value
            .refuse_relation(problem.help("write for example `set.r1.interface.eth0.enabled = false`"));
    };
    if !context.nodes.by_name.contains_key(name) {
        let message = format!("`set` names a node \"{name}\" that is not there");
        let problem = Diagnostic::error(name_span.clone(), message, "expected a node");
        return value.refuse_relation(problem.help(context.nodes.suggest(name)));
    }
    // Says what it is, where it is no table.
    change.section("[node.NAME]")?.accept_all();
    Some(RawAction::Set { node: name, table: change.table()?, span })
}
