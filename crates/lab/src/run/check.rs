//! Expectations: what must be against what is.

use super::{Run, show};
use crate::pattern::{Pattern, object_member};
use crate::scenario::{Expect, Source};
use serde_json::{Map, Value};
use std::fmt::{self, Write};
use trunkline_core::Instant;

/// The most entries that a failure shows.
const MAX_SEEN: usize = 10;

/// An expectation that was not met.
#[derive(Debug, Clone, PartialEq)]
pub struct Failure {
    /// When.
    pub at: Instant,
    /// Where the file says it, from 1.
    pub line: usize,
    /// What was expected, in words.
    pub expected: String,
    /// What is wrong, in words.
    pub problem: String,
    /// What was seen: of the entries meant, or where there is none of all, the members that the expectation names.
    pub seen: Vec<Value>,
    /// How many more there are.
    pub more: usize,
}

/// An expectation in words.
pub(super) fn words(expect: &Expect) -> String {
    let mut words = match &expect.of {
        Source::Node { node, show } => format!("{node} {}", show.name()),
        Source::Link(link) => format!("frames on {link}"),
    };
    if expect.since > Instant::ZERO {
        let _ = write!(words, " since {} s", show::seconds(expect.since));
    }
    if expect.choose.members().next().is_some() {
        let _ = write!(words, " where {}", expect.choose);
    }
    if expect.has.members().next().is_some() {
        let _ = write!(words, " has {}", expect.has);
    }
    if let Some((least, most)) = expect.count {
        match most {
            usize::MAX => drop(write!(words, " at least {least} times")),
            most if most == least => drop(write!(words, " {least} times")),
            most => drop(write!(words, " {least} to {most} times")),
        }
    }
    words
}

/// What is wrong with an expectation, if anything is.
pub(super) fn check(run: &mut Run, expect: &Expect) -> Option<Failure> {
    let at = run.lab.now();
    let failure = |problem: String, seen: &[&Value]| {
        let shown = seen.iter().take(MAX_SEEN).map(|value| narrow(value, expect)).collect();
        let more = seen.len().saturating_sub(MAX_SEEN);
        Some(Failure { at, line: expect.line, expected: words(expect), problem, seen: shown, more })
    };
    let entries = match &expect.of {
        Source::Node { node, show } => match show::node(run, node, *show, expect.since) {
            Ok(entries) => entries,
            // What is not there has no entries.
            Err(_) if expect.count.is_some_and(|(least, _)| least == 0) => Vec::new(),
            Err(error) => return failure(format!("{node} shows nothing: {error}"), &[]),
        },
        Source::Link(link) => show::link(run, link, expect.since),
    };
    let mac = |node: &str, interface: &str| {
        let index = run.lab.node(node).ok()?;
        run.lab.mac(index, interface).map(|mac| mac.to_string())
    };
    let all: Vec<&Value> = entries.iter().collect();
    let chosen: Vec<&Value> = all.iter().copied().filter(|e| expect.choose.matches(e, &mac)).collect();
    let (good, bad): (Vec<&Value>, Vec<&Value>) =
        chosen.iter().copied().partition(|entry| expect.has.matches(entry, &mac));
    match expect.count {
        None if chosen.is_empty() => failure(nothing(all.len()), &all),
        None if bad.is_empty() => None,
        None => failure(format!("{} of {} are not so", bad.len(), chosen.len()), &bad),
        Some((least, most)) if (least..=most).contains(&good.len()) => None,
        Some((_, most)) if good.len() > most => failure(format!("there are {}", good.len()), &good),
        Some(_) if good.is_empty() && chosen.is_empty() => failure(nothing(all.len()), &all),
        Some(_) => failure(format!("there are {}", good.len()), if good.is_empty() { &bad } else { &good }),
    }
}

fn nothing(all: usize) -> String {
    match all {
        0 => "there is nothing at all".to_owned(),
        1 => "there is none, only this".to_owned(),
        _ => "there is none among these".to_owned(),
    }
}

/// Only the members that an expectation names, at all depths; of events and frames also when, and what in words.
fn narrow(value: &Value, expect: &Expect) -> Value {
    let mut narrowed = Map::new();
    for name in ["at", "words"] {
        narrowed.extend(value.get(name).map(|member| (name.to_owned(), member.clone())));
    }
    for pattern in [&expect.choose, &expect.has] {
        restrict(value, pattern, &mut narrowed);
    }
    if narrowed.is_empty() { value.clone() } else { Value::Object(narrowed) }
}

fn restrict(value: &Value, pattern: &Pattern, into: &mut Map<String, Value>) {
    let (Value::Object(object), Pattern::Table(members)) = (value, pattern) else { return };
    for (name, pattern) in members {
        let Some(member) = object_member(object, name) else { continue };
        match (member, pattern) {
            (Value::Object(_), Pattern::Table(inner)) if !inner.is_empty() => {
                let place = into.entry(name.clone()).or_insert_with(|| Value::Object(Map::new()));
                if let Value::Object(place) = place {
                    restrict(member, pattern, place);
                }
            }
            _ => drop(into.insert(name.clone(), member.clone())),
        }
    }
}

/// Several lines: expected against seen.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = show::seconds(self.at);
        write!(f, "line {}, at {at} s: expected {}, but {}", self.line, self.expected, self.problem)?;
        for value in &self.seen {
            write!(f, "\n    {value}")?;
        }
        if self.more > 0 {
            write!(f, "\n    and {} more", self.more)?;
        }
        Ok(())
    }
}
