//! `expect` of a `[[step]]`.

use super::{Lines, Nodes, units};
use crate::pattern::Pattern;
use crate::scenario::{Expect, Show, Source};
use std::collections::BTreeSet;
use toml::Spanned;
use toml::de::DeValue;
use trunkline_config::{Diagnostic, Section, Value, alternatives, nearest};
use trunkline_core::Instant;

/// How deep patterns may be nested.
const MAX_DEPTH: usize = 8;

/// What an expectation may refer to.
pub(super) struct Context<'c, 'a> {
    pub(super) nodes: &'c Nodes<'a>,
    pub(super) links: &'c BTreeSet<&'c str>,
    pub(super) lines: &'c Lines<'c>,
}

/// One table, or a list of them.
pub(super) fn expects(value: &Value<'_>, context: &Context<'_, '_>) -> Option<Vec<Expect>> {
    let list = value.one_or_more(|value| expect(value, context))?;
    if value.is_empty_list() {
        return value.refuse(value.problem("is empty", "expected at least one table"));
    }
    Some(list.into_iter().map(Spanned::into_inner).collect())
}

fn expect(value: &Value<'_>, context: &Context<'_, '_>) -> Option<Expect> {
    let mut section = value.section("expect")?;
    let line = context.lines.of(&value.span());
    let of = source(&mut section, context);
    let since = section.read("since", units::time).map_or(Instant::ZERO, super::instant);
    let timed = matches!(of, None | Some(Source::Link(_) | Source::Node { show: Show::Events, .. }));
    if section.has("since") && !timed {
        let at = section.span_of("since");
        let label = "only frames and events have a time";
        section.reader().push_relation(Diagnostic::error(at, "`since` has no effect here", label));
    }
    let choose = section.read("where", |v| table(v, context)).unwrap_or(Pattern::Table(Vec::new()));
    let has = section.read("has", |v| table(v, context));
    let count = counts(&mut section);
    if has.is_none() && count.is_none() && !section.has("has") && !section.has("count") {
        let problem = Diagnostic::error(section.span(), "`expect` expects nothing", "needs `has` or `count`");
        section.reader().push_relation(
            problem.help(
                "write `has = { … }` for what each entry must be, `count = 0` where there must be none",
            ),
        );
    }
    Some(Expect { line, of: of?, since, choose, has: has.unwrap_or(Pattern::Table(Vec::new())), count })
}

fn source(section: &mut Section<'_>, context: &Context<'_, '_>) -> Option<Source> {
    if section.has("link") {
        let link = section.read("link", |v| link(v, context.links));
        for key in ["node", "show"].into_iter().filter(|key| section.has(key)) {
            let message = format!("`{key}` beside `link`");
            let problem = Diagnostic::error(section.span_of(key), message, "a link shows its frames");
            section.reader().push_relation(problem);
        }
        section.take("node");
        section.take("show");
        return link.map(Source::Link);
    }
    let node = section.require("node", "\"r1\"", |v| context.nodes.name(v));
    let show = section.require("show", "\"arp\"", |v| v.choice(&Show::ALL));
    section.take("link");
    Some(Source::Node { node: node?, show: show? })
}

/// The value as the name of a link.
pub(super) fn link(value: &Value<'_>, links: &BTreeSet<&str>) -> Option<String> {
    let written = value.string()?;
    if links.contains(written) {
        return Some(written.to_owned());
    }
    let problem = value.problem(&format!("names a link \"{written}\" that is not there"), "expected a link");
    let help = match nearest(written, links.iter().copied()) {
        Some(near) => format!("did you mean \"{near}\"?"),
        None => format!("the links are {}", super::list(links.iter().copied())),
    };
    value.refuse_relation(problem.help(help))
}

/// `count = 5`, `count = ">= 5"`.
fn counts(section: &mut Section<'_>) -> Option<(usize, usize)> {
    section.read("count", |value| {
        let Some(text) = value.as_str() else {
            return value.integer(0..=1_000_000_000_usize).map(|n| (n, n));
        };
        let parse = |rest: &str| rest.trim().parse::<usize>().ok();
        let range = if let Some(rest) = text.strip_prefix(">=") {
            parse(rest).map(|n| (n, usize::MAX))
        } else if let Some(rest) = text.strip_prefix("<=") {
            parse(rest).map(|n| (0, n))
        } else {
            text.split_once("..")
                .and_then(|(from, to)| Some((parse(from)?, parse(to)?)))
                .filter(|(a, b)| a <= b)
        };
        let allowed = "expected a number, or as in \">= 3\", \"<= 3\" or \"2..4\"";
        range.or_else(|| value.refuse(value.problem("is no count", allowed)))
    })
}

/// `where` and `has`.
fn table(value: &Value<'_>, context: &Context<'_, '_>) -> Option<Pattern> {
    if !value.is_table() {
        // Says what it is instead.
        value.section("a table of what must match");
        return None;
    }
    pattern(value, context, 0)
}

fn pattern(value: &Value<'_>, context: &Context<'_, '_>, depth: usize) -> Option<Pattern> {
    if depth > MAX_DEPTH {
        return value.refuse(value.problem("is nested too deeply", format!("at most {MAX_DEPTH} levels")));
    }
    match value.raw() {
        DeValue::Boolean(value) => Some(Pattern::Bool(*value)),
        DeValue::Integer(_) => value.integer(i64::MIN..=i64::MAX).map(|n| Pattern::Number(n as f64)),
        DeValue::Float(float) => {
            let number = float.as_str().replace('_', "").parse().ok();
            number
                .map(Pattern::Number)
                .or_else(|| value.refuse(value.problem("is no number", "expected one")))
        }
        DeValue::String(text) => Some(match context.nodes.find_end(text) {
            Some((node, interface)) => {
                Pattern::Mac { node: node.to_owned(), interface: interface.to_owned() }
            }
            None => Pattern::text(text),
        }),
        DeValue::Datetime(_) => {
            let kinds = ["true or false", "a number", "text", "a list", "a table"].map(str::to_owned);
            value.refuse(
                value.problem("is a date or time", format!("expected {}", alternatives(&kinds, "or"))),
            )
        }
        DeValue::Array(_) => {
            let items = value.list(|item| pattern(item, context, depth + 1))?;
            Some(Pattern::List(items.into_iter().map(Spanned::into_inner).collect()))
        }
        DeValue::Table(_) => {
            let section = value.section("a table of what must match")?;
            let members = section.entries().into_iter();
            let members = members
                .filter_map(|(name, _, value)| Some((name.to_owned(), pattern(&value, context, depth + 1)?)));
            let members = members.collect();
            section.accept_all();
            Some(Pattern::Table(members))
        }
    }
}
