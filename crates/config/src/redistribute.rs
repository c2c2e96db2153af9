//! `redistribute` of a protocol: whose routes it advertises.

use crate::diagnostic::Diagnostic;
use crate::section::Section;
use crate::value::Value;
use std::collections::BTreeMap;
use toml::Spanned;
use trunkline_view::RouteSource;

/// A list of names of sources, or of tables that name one as `source` and more, which `read` takes. A name alone is a
/// table without more. Of the protocol `absent` there are no routes.
pub(crate) fn sources<'a, T>(
    value: &Value<'a>,
    title: &'static str,
    allowed: &[(&'static str, RouteSource)],
    absent: Option<RouteSource>,
    read: impl Fn(RouteSource, Section<'a>) -> T,
) -> Option<Vec<T>> {
    let list = value.list(|item| {
        if !item.is_table() {
            let source = item.choice(allowed)?;
            let defaults = Section::new(item.reader(), title, item.span(), None);
            return Some((source, item.span(), read(source, defaults)));
        }
        let mut section = item.section(title)?;
        let source = section.require("source", "\"static\"", |v| v.choice(allowed));
        let at = section.span_of("source");
        // What is wrong with the rest is said also where nobody knows whose routes these are.
        let made = read(source.unwrap_or(RouteSource::Static), section);
        Some((source?, at, made))
    })?;
    let mut seen = BTreeMap::new();
    let mut made = Vec::new();
    for (source, at, item) in list.into_iter().map(Spanned::into_inner) {
        let name = allowed.iter().find(|(_, other)| *other == source).map_or("it", |(name, _)| name);
        if absent == Some(source) {
            let message = format!("`{}` names \"{name}\", which this node does not speak", value.key());
            let problem = Diagnostic::warning(at.clone(), message, "has no routes");
            value.refuse_relation::<()>(problem.help(format!("there is no [{name}] in this file")));
        }
        let first = seen.entry(source).or_insert_with(|| at.clone());
        if *first == at {
            made.push(item);
            continue;
        }
        let message = format!("`{}` names \"{name}\" twice", value.key());
        let problem = Diagnostic::error(at, message, "again here").related(first.clone(), "first here");
        value.refuse::<()>(problem);
    }
    Some(made)
}
