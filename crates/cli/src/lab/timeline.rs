//! What happens in a lab, a line each: virtual time, who, what.

use super::clock;
use crate::show::{self, Color, Style};
use serde_json::{Value, json};
use trunkline_core::Instant;
use trunkline_explain::dissect::dissect;
use trunkline_lab::run::{Entry, Failure, Told};
use trunkline_lab::scenario::Action;
use trunkline_view::{Answer, Query};

/// How wide the column with names is.
const WIDTH: usize = 10;

/// Where the last column begins.
const INDENT: usize = 16 + WIDTH;

/// For people; ends with a newline, or is empty where there is nothing to say.
pub(super) fn line(entry: &Entry, style: Style) -> String {
    let at = entry.at;
    match &entry.told {
        Told::Step { note, action, .. } => step(at, note.as_deref(), action.as_ref(), style),
        Told::Event { node, event } => {
            let (kind, words) = show::event_words(event, style);
            row(at, node, &format!("{kind}: {words}"))
        }
        Told::Answer { node, answer, .. } => {
            answered(answer, style).map_or(String::new(), |t| row(at, node, &t))
        }
        Told::Reconfigured { node, changes } => {
            changes.iter().map(|change| row(at, node, &format!("configuration: {change}"))).collect()
        }
        Told::Frame { link, sender, frame, fate } => {
            let fate = match fate {
                Some(fate) => fate.words(),
                None => Some("no room in the queue"),
            };
            let fate = fate.map_or(String::new(), |fate| format!(" [{}]", Color::Red.paint(fate, style)));
            row(at, link, &format!("{sender}: {}{fate}", dissect(frame).summary))
        }
        Told::Passed { expected, .. } => {
            let met = Color::Green.paint(&format!("{:<WIDTH$}", "met"), style);
            format!("{}  {met}  {expected}\n", clock(at))
        }
        Told::Failed(failure) => failed(failure, style),
        Told::Problem(problem) => row(at, "problem", &Color::Red.paint(problem, style)),
    }
}

/// A line, and more below its last column where the text has more.
fn row(at: Instant, who: &str, what: &str) -> String {
    let mut lines = what.trim_end().lines();
    let mut text = format!("{}  {who:<WIDTH$}  {}\n", clock(at), lines.next().unwrap_or_default());
    lines.for_each(|line| text.push_str(&format!("{:INDENT$}{line}\n", "")));
    text
}

fn step(at: Instant, note: Option<&str>, action: Option<&Action>, style: Style) -> String {
    let mut text = String::new();
    if let Some(note) = note {
        let note = if style.color { format!("\x1b[1m{note}\x1b[0m") } else { note.to_owned() };
        text.push_str(&format!("\n{}  {note}\n", clock(at)));
    }
    let words = action.map(|action| Color::Yellow.paint(&action_words(action), style));
    text.extend(words.filter(|words| !words.is_empty()).map(|words| row(at, "step", &words)));
    text
}

/// What a step does; nothing for expectations, which are told one by one.
fn action_words(action: &Action) -> String {
    match action {
        Action::Cut(links) => format!("cut {}", links.join(", ")),
        Action::Restore(links) => format!("restore {}", links.join(", ")),
        Action::Crash(nodes) => format!("crash {}", nodes.join(", ")),
        Action::Restart(nodes) => format!("restart {}", nodes.join(", ")),
        Action::Set { node, change, .. } => format!("set {node}: {change}"),
        Action::Query { node, query } => format!("{node}: {}", order_words(query)),
        Action::Expect(_) => String::new(),
    }
}

fn order_words(query: &Query) -> String {
    match query {
        Query::Ping(ping) => {
            let times = if ping.count == 1 { String::new() } else { format!(", {} times", ping.count) };
            format!("ping {}{times}", ping.destination)
        }
        Query::Traceroute(way) => format!("traceroute {}", way.destination),
        Query::TcpTransfer(transfer) => format!("send {} octets to {}", transfer.send, transfer.remote),
        Query::TcpConnect(connect) => format!("connect to {} as {}", connect.remote, connect.name),
        Query::TcpListen { name, port } => format!("listen at port {port} as {name}"),
        Query::TcpSend { name, text } => format!("send {text:?} by {name}"),
        Query::TcpClose { name } => format!("close {name}"),
        Query::TcpAbort { name } => format!("abort {name}"),
        Query::SpanningTreeMcheck { bridge, port } => format!("mcheck of {port} of {bridge}"),
        Query::SpanningTreeRecover { bridge, port } => format!("recover {port} of {bridge}"),
        Query::RipClear { prefix: None } => "clear rip".to_owned(),
        Query::RipClear { prefix: Some(prefix) } => format!("clear rip {prefix}"),
        other => format!("{other:?}"),
    }
}

/// Single replies of a ping are events; here is their sum.
fn answered(answer: &Answer, style: Style) -> Option<String> {
    match answer {
        Answer::Ping(view) => Some(show::ping_summary(view)),
        Answer::Done(_) => None,
        Answer::Error(error) => Some(Color::Red.paint(&error.message, style)),
        other => Some(show::human(other, style)),
    }
}

fn failed(failure: &Failure, style: Style) -> String {
    let Failure { at, line, expected, problem, seen, more } = failure;
    let head = Color::Red.paint(&format!("{:<WIDTH$}", "FAILED"), style);
    let mut text = format!("{}  {head}  line {line}: {problem}\n", clock(*at));
    text.push_str(&format!("{:INDENT$}expected  {expected}\n", ""));
    for (index, entry) in seen.iter().enumerate() {
        let word = if index == 0 { "seen" } else { "" };
        text.push_str(&format!("{:INDENT$}{word:<8}  {}\n", "", entry_words(entry)));
    }
    if *more > 0 {
        text.push_str(&format!("{:INDENT$}{:<8}  and {more} more\n", "", ""));
    }
    text
}

/// An entry in one line; of events and frames, in front, when and what in words.
fn entry_words(entry: &Value) -> String {
    let Value::Object(members) = entry else { return entry.to_string() };
    let mut rest = members.clone();
    let (at, words) = (rest.remove("at"), rest.remove("words"));
    match (at, words.as_ref().and_then(Value::as_str)) {
        (Some(at), Some(words)) if rest.is_empty() => format!("{at} {words}"),
        (Some(at), Some(words)) => format!("{at} {words} {}", Value::Object(rest)),
        _ => entry.to_string(),
    }
}

/// For programs: one object.
pub(super) fn json(entry: &Entry) -> Value {
    let at = super::seconds(entry.at);
    let plain = |value: Result<Value, serde_json::Error>| value.unwrap_or_default();
    match &entry.told {
        Told::Step { line, note, action } => {
            let action = action.as_ref().map(action_words).filter(|words| !words.is_empty());
            json!({"at": at, "told": "step", "line": line, "note": note, "action": action})
        }
        Told::Event { node, event } => {
            json!({"at": at, "told": "event", "node": node, "event": plain(serde_json::to_value(event))})
        }
        Told::Answer { node, query, answer } => {
            let (query, answer) = (plain(serde_json::to_value(query)), plain(serde_json::to_value(answer)));
            json!({"at": at, "told": "answer", "node": node, "query": query, "answer": answer})
        }
        Told::Reconfigured { node, changes } => {
            json!({"at": at, "told": "reconfigured", "node": node, "changes": changes})
        }
        Told::Frame { link, sender, frame, fate } => {
            let fate = fate.map(|fate| fate.words());
            let frame = dissect(frame);
            let head = json!({"at": at, "told": "frame", "link": link, "sender": sender, "fate": fate});
            let mut value = head;
            value["summary"] = json!(frame.summary);
            value["frame"] = Value::Object(frame.layers);
            value
        }
        Told::Passed { line, expected } => {
            json!({"at": at, "told": "expectation", "line": line, "expected": expected, "met": true})
        }
        Told::Failed(failure) => json!({
            "at": at,
            "told": "expectation",
            "line": failure.line,
            "expected": failure.expected,
            "met": false,
            "problem": failure.problem,
            "seen": failure.seen,
            "more": failure.more,
        }),
        Told::Problem(problem) => json!({"at": at, "told": "problem", "problem": problem}),
    }
}
