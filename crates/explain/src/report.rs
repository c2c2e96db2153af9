//! What was judged, for people and for programs.

mod ladder;

pub use ladder::svg;

use crate::follow::connection::{Connection, Step};
use crate::follow::{Facts, Moment};
use crate::rules::{Judged, Rule, Severity, Verdict, live_rules, rules};
use serde_json::{Value, json};
use std::fmt::Write;

/// The most alternatives, evidence and steps that are printed of one verdict.
const MAX_EVIDENCE: usize = 12;

/// How wide text is.
const WIDTH: usize = 100;

/// Writing into a `String` cannot fail.
macro_rules! put {
    ($out:expr, $($arg:tt)*) => {{ let _ = write!($out, $($arg)*); }};
}
use put;

/// For people. `paint`: gives a severity's name its colour.
pub fn text(judged: &[Judged], facts: &Facts, paint: &dyn Fn(Severity) -> String) -> String {
    let mut out = String::new();
    for one in judged {
        put!(out, "{}: {}\n", one.about, one.state);
        for verdict in &one.verdicts {
            put!(out, "\n");
            verdict_text(verdict, facts, paint, &mut out);
        }
        if let Some(connection) = shown(one, facts) {
            put!(out, "\n");
            ladder_text(connection, facts, &mut out);
        }
        put!(out, "\n");
    }
    notes(judged, facts, &mut out);
    out
}

/// The connection of a conversation that shows the worst verdict.
fn shown<'a>(judged: &Judged, facts: &'a Facts) -> Option<&'a Connection> {
    let verdict = judged.verdicts.first().filter(|verdict| verdict.severity > Severity::Note)?;
    facts.conversations.get(&judged.ends?)?.connections.get(verdict.connection?)
}

/// One verdict for people.
pub fn verdict(verdict: &Verdict, facts: &Facts, paint: &dyn Fn(Severity) -> String) -> String {
    let mut out = String::new();
    verdict_text(verdict, facts, paint, &mut out);
    out
}

fn verdict_text(verdict: &Verdict, facts: &Facts, paint: &dyn Fn(Severity) -> String, out: &mut String) {
    let passed = if verdict.passed { ", passed" } else { "" };
    let times = if verdict.times > 1 { format!(", {} times", verdict.times) } else { String::new() };
    put!(out, "  {}{passed}: {} ({}{times})\n", paint(verdict.severity), verdict.says(), verdict.rule.id);
    for evidence in verdict.evidence.iter().take(MAX_EVIDENCE) {
        let frames = frames(&evidence.frames);
        let frames = if frames.is_empty() { frames } else { format!(" ({frames})") };
        paragraph("seen", &format!("{}{frames}", evidence.words), out);
    }
    put!(out, "    {:<12}  {}\n", "when", when(verdict.when, facts));
    // Of what has passed, or is only worth to know, nobody must do anything.
    if verdict.severity == Severity::Note {
        return;
    }
    for alternative in verdict.rule.alternatives {
        paragraph("not excluded", &filled(alternative, verdict), out);
    }
    for step in verdict.rule.next {
        paragraph("try next", &filled(step, verdict), out);
    }
}

fn filled(text: &str, verdict: &Verdict) -> String {
    text.replace("{a}", &verdict.ends.0).replace("{b}", &verdict.ends.1)
}

fn frames(frames: &[u64]) -> String {
    let mut frames = frames.to_vec();
    frames.sort_unstable();
    frames.dedup();
    let names: Vec<String> = frames.iter().map(u64::to_string).collect();
    match names.len() {
        0 => String::new(),
        1 => format!("frame {}", names.join("")),
        _ => format!("frames {}", names.join(", ")),
    }
}

fn when((first, last): (Moment, Moment), facts: &Facts) -> String {
    let start = facts.first.unwrap_or(first);
    if first == last {
        return format!("{:.3} s", first.since(start));
    }
    format!("{:.3} s to {:.3} s", first.since(start), last.since(start))
}

/// Text in a column, with the next lines below it.
pub fn paragraph(name: &str, text: &str, out: &mut String) {
    let mut line = format!("    {name:<12}  ");
    let mut empty = true;
    for word in text.split(' ') {
        if !empty && line.chars().count() + 1 + word.chars().count() > WIDTH {
            put!(out, "{line}\n");
            line = " ".repeat(18);
            empty = true;
        }
        if !empty {
            line.push(' ');
        }
        line.push_str(word);
        empty = false;
    }
    put!(out, "{line}\n");
}

fn ladder_text(connection: &Connection, facts: &Facts, out: &mut String) {
    let [(a, port_a), (b, port_b)] = connection.ends;
    put!(out, "  The connection of {a} port {port_a} to {b} port {port_b}:\n");
    put!(out, "    {:>7} {:>12}\n", "frame", "seconds");
    let start = facts.first.unwrap_or(connection.first);
    for step in &connection.steps {
        let arrow = match step.from {
            Some(0) => "-->",
            Some(_) => "<--",
            None => " ! ",
        };
        put!(
            out,
            "    {:>7} {:>12.6}  {arrow}  {}\n",
            step.first.frame,
            step.first.since(start),
            words(step)
        );
    }
    if connection.left_out > 0 {
        put!(out, "    ({} further lines in the middle are left out)\n", connection.left_out);
    }
}

fn words(step: &Step) -> String {
    if step.count == 1 {
        return step.words.clone();
    }
    format!("{} (and {} more up to frame {})", step.words, step.count - 1, step.last.frame)
}

/// What is to be known of the capture itself.
fn notes(judged: &[Judged], facts: &Facts, out: &mut String) {
    let frames = facts.last.map_or(0, |last| last.frame);
    let seconds = facts.first.zip(facts.last).map_or(0.0, |(first, last)| last.since(first));
    put!(out, "{frames} frames in {seconds:.1} s");
    if facts.dropped > 0 {
        put!(out, "; the capturing program says that it lost {}", facts.dropped);
    }
    if facts.cut > 0 {
        put!(out, "; the ends of {} were not captured", facts.cut);
    }
    if facts.uncounted > 0 {
        put!(out, "; {} segments of further pairs of addresses were passed over", facts.uncounted);
    }
    let wrong = judged.iter().filter(|judged| judged.severity() > Some(Severity::Note)).count();
    match (wrong, judged.is_empty()) {
        (0, true) => out.push_str(". Nothing that is known here was seen.\n"),
        (0, false) => out.push_str(". Nothing wrong was seen.\n"),
        (1, _) => out.push_str(". One thing is wrong.\n"),
        (wrong, _) => put!(out, ". {wrong} things are wrong.\n"),
    }
}

/// For programs.
pub fn to_json(judged: &[Judged], facts: &Facts) -> Value {
    let start = facts.first;
    let seconds = |at: Moment| start.map_or(0.0, |start| at.since(start));
    let judged: Vec<Value> = judged
        .iter()
        .map(|one| {
            let verdicts: Vec<Value> = one.verdicts.iter().map(|v| verdict_json(v, &seconds)).collect();
            let mut value = json!({"about": one.about, "state": one.state, "verdicts": verdicts});
            if let Some(connection) = shown(one, facts) {
                let steps = connection.steps.iter().map(|step| step_json(step, connection, &seconds));
                value["ladder"] = json!(steps.collect::<Vec<_>>());
            }
            value
        })
        .collect();
    json!({
        "judged": judged,
        "frames": facts.last.map_or(0, |last| last.frame),
        "dropped": facts.dropped,
        "cut": facts.cut,
    })
}

fn verdict_json(verdict: &Verdict, seconds: &dyn Fn(Moment) -> f64) -> Value {
    let evidence: Vec<Value> = verdict
        .evidence
        .iter()
        .map(|evidence| json!({"seen": evidence.words, "frames": evidence.frames}))
        .collect();
    let all = |texts: &[&str]| texts.iter().map(|text| filled(text, verdict)).collect::<Vec<_>>();
    json!({
        "rule": verdict.rule.id,
        "severity": verdict.severity.name(),
        "passed": verdict.passed,
        "says": verdict.says(),
        "a": verdict.ends.0,
        "b": verdict.ends.1,
        "times": verdict.times,
        "first": {"frame": verdict.when.0.frame, "time": seconds(verdict.when.0)},
        "last": {"frame": verdict.when.1.frame, "time": seconds(verdict.when.1)},
        "evidence": evidence,
        "not-excluded": all(verdict.rule.alternatives),
        "try-next": all(verdict.rule.next),
        "rests-on": filled(verdict.rule.rests_on, verdict),
    })
}

fn step_json(step: &Step, connection: &Connection, seconds: &dyn Fn(Moment) -> f64) -> Value {
    let from = step.from.and_then(|side| connection.ends.get(side)).map(|(address, _)| address.to_string());
    json!({
        "frame": step.first.frame,
        "time": seconds(step.first),
        "from": from,
        "count": step.count,
        "last-frame": step.last.frame,
        "words": step.words,
    })
}

/// The rules, for people.
pub fn list() -> String {
    let mut out = String::new();
    for rule in rules() {
        let Rule { id, title, rests_on, says, alternatives, next, severity, .. } = rule;
        let only = if is_live(rule) { "; only of a running node" } else { "" };
        put!(out, "{id} ({}): {title}{only}\n", severity.name());
        paragraph("says", says, &mut out);
        paragraph("rests on", rests_on, &mut out);
        alternatives.iter().for_each(|text| paragraph("not excluded", text, &mut out));
        next.iter().for_each(|text| paragraph("try next", text, &mut out));
        out.push('\n');
    }
    put!(out, "In these texts {{a}} is the end that the rule is about, {{b}} the other.\n");
    out
}

/// Whether no capture tells it.
fn is_live(rule: &Rule) -> bool {
    live_rules().any(|live| live.id == rule.id)
}

/// The rules, for programs.
pub fn list_json() -> Value {
    let rule = |rule: &Rule| {
        json!({
            "id": rule.id,
            "severity": rule.severity.name(),
            "title": rule.title,
            "only-of-a-running-node": is_live(rule),
            "says": rule.says,
            "rests-on": rule.rests_on,
            "not-excluded": rule.alternatives,
            "try-next": rule.next,
        })
    };
    json!(rules().map(rule).collect::<Vec<_>>())
}
