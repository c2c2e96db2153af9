//! Why the session with a neighbour of a running node is not up, or what is wrong with it: rules over what the node knows.
//!
//! The rules are those of captures where the cause is the same, and a few that only a node can tell of itself. What is certain
//! comes first, then what the connections tell, the one that tells most before the others.

mod attempts;
mod here;
mod up;
mod wire;
mod words;

pub use wire::{asks_the_wire, sources_to_try};

use crate::rules::{Rule, Severity};
use std::net::IpAddr;
use trunkline_view::explain::Verdict;
use trunkline_view::facts::{Attempt, Facts, Stage};
use words::{ago, count};

/// How long a session's end is worth a warning although it is up again.
const RECENT: f64 = 600.0;

/// What a rule found.
#[derive(Debug, Default)]
struct Found {
    /// The end that it is about, and the other.
    ends: (String, String),
    /// What shows it.
    seen: Vec<String>,
    /// Alternatives of the rule that cannot be, by how they begin.
    excluded: Vec<&'static str>,
    /// What else cannot be excluded here.
    also: Vec<String>,
}

impl Found {
    fn new(a: impl ToString, b: impl ToString) -> Found {
        Found { ends: (a.to_string(), b.to_string()), ..Found::default() }
    }

    fn seen(mut self, words: impl Into<String>) -> Found {
        self.seen.push(words.into());
        self
    }

    fn seen_if(mut self, words: Option<String>) -> Found {
        self.seen.extend(words);
        self
    }

    /// An alternative that cannot be, if that is so.
    fn excludes(mut self, begins: &'static str, so: bool) -> Found {
        if so {
            self.excluded.push(begins);
        }
        self
    }
}

/// A rule over facts: the rule of the table that it is, what it rests on here, and what finds it.
struct Row<Of: 'static> {
    id: &'static str,
    finds: fn(&Facts, &Of) -> Option<Found>,
}

/// Judges a neighbour; what tells most comes first.
pub fn judge(facts: &Facts) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    if facts.up.is_some() {
        find(up::ROWS, facts, &(), &mut verdicts);
        ended_before(facts, &mut verdicts);
        return ordered(verdicts);
    }
    if let Some((_, true)) = facts.stopped {
        find(here::STOPPED, facts, &(), &mut verdicts);
        return verdicts;
    }
    find(here::CERTAIN, facts, &(), &mut verdicts);
    let known = !verdicts.is_empty();
    for attempt in telling(facts) {
        if let Some(verdict) = of_attempt(facts, attempt)
            && verdicts.iter().all(|known| known.rule != verdict.rule)
            && !(known && attempts::SILENCE.contains(&verdict.rule.as_str()))
        {
            verdicts.push(verdict);
        }
    }
    find(here::LAST, facts, &(), &mut verdicts);
    ordered(verdicts)
}

/// Whether anything is wrong: more than notes.
pub fn is_wrong(verdicts: &[Verdict]) -> bool {
    verdicts.iter().any(|verdict| verdict.severity != Severity::Note.name())
}

/// All that is only worth to know comes last; the rest stays as it was found.
fn ordered(mut verdicts: Vec<Verdict>) -> Vec<Verdict> {
    verdicts.sort_by_key(|verdict| verdict.severity == Severity::Note.name());
    verdicts
}

fn find<Of>(rows: &[Row<Of>], facts: &Facts, of: &Of, verdicts: &mut Vec<Verdict>) {
    for row in rows {
        if let Some(found) = (row.finds)(facts, of)
            && let Some(rule) = Rule::named(row.id)
        {
            verdicts.push(verdict(rule, found, rule.severity));
        }
    }
}

/// The first rule that knows how this connection ended.
fn of_attempt(facts: &Facts, attempt: &Attempt) -> Option<Verdict> {
    if let Some((rule, found)) = attempts::told(facts, attempt) {
        return Some(verdict(rule, found, rule.severity));
    }
    attempts::ROWS.iter().find_map(|row| {
        let found = (row.finds)(facts, attempt)?;
        let rule = Rule::named(row.id)?;
        Some(verdict(rule, found, rule.severity))
    })
}

/// What ended sessions before the one that is up may end it too.
fn ended_before(facts: &Facts, verdicts: &mut Vec<Verdict>) {
    let ended = facts.attempts.iter().filter(|a| a.stage == Stage::Established && a.ago.1 < RECENT);
    for attempt in ended.filter(|attempt| !attempts::is_running(attempt)) {
        let Some(mut verdict) = of_attempt(facts, attempt) else { continue };
        verdict.severity = Severity::Warning.name().to_owned();
        verdict.seen.push(format!(
            "that was {}; the session is up again since {}",
            ago(attempt.ago.1),
            count(facts.state.1)
        ));
        if verdicts.iter().all(|known| known.rule != verdict.rule) {
            verdicts.push(verdict);
        }
    }
}

/// The connections that tell something, those that came further first where they are as recent.
fn telling(facts: &Facts) -> Vec<&Attempt> {
    // A port that was closed is open now, where a later connection of ours came up.
    let up = facts.attempts.iter().position(|a| a.ours && a.stage > Stage::Connecting);
    let obsolete =
        |(at, a): &(usize, &Attempt)| a.ours && a.stage == Stage::Connecting && up.is_some_and(|up| up < *at);
    let all = facts.attempts.iter().enumerate().filter(|attempt| !obsolete(attempt));
    let mut all: Vec<&Attempt> = all.map(|(_, attempt)| attempt).collect();
    let speaking = all.iter().filter(|attempt| !attempts::says_nothing(attempt));
    let newest = speaking.map(|attempt| attempt.ago.1).fold(f64::INFINITY, f64::min);
    all.sort_by_key(|attempt| {
        let recent = attempt.ago.1 <= newest + attempts::RECENT;
        let silent = attempts::says_nothing(attempt);
        // What ended an established session is not what keeps it from coming up again.
        let was_up = attempt.stage == Stage::Established && !attempts::is_running(attempt);
        let stage = if was_up && !attempts::has_reason(attempt) { Stage::Connecting } else { attempt.stage };
        (!recent, silent, std::cmp::Reverse(stage))
    });
    all
}

fn verdict(rule: &'static Rule, found: Found, severity: Severity) -> Verdict {
    let filled = |text: &str| text.replace("{a}", &found.ends.0).replace("{b}", &found.ends.1);
    let stays = |text: &&&str| !found.excluded.iter().any(|begins| text.starts_with(begins));
    let alternatives = rule.alternatives.iter().filter(stays).map(|text| filled(text));
    Verdict {
        rule: rule.id.to_owned(),
        severity: severity.name().to_owned(),
        says: filled(rule.says),
        seen: found.seen.clone(),
        not_excluded: alternatives.chain(found.also.iter().cloned()).collect(),
        try_next: rule.next.iter().map(|text| filled(text)).collect(),
        rests_on: filled(rule.rests_on),
    }
}

/// Our end in words: the address that is used, where it is known.
fn ours(facts: &Facts, attempt: Option<&Attempt>) -> String {
    let configured = facts.config.local_address.map(|(address, _)| address);
    let source = facts.way.as_ref().and_then(|way| way.source);
    let used: Option<IpAddr> = attempt.and_then(|attempt| attempt.local).or(configured).or(source);
    used.map_or_else(|| "this node".to_owned(), |address| address.to_string())
}

#[cfg(test)]
mod tests;
