//! Rules: what facts mean. Each rule is a row of a table; the judges find the evidence.

mod bgp;
mod lan;
mod table;

pub use table::{live_rules, rules};

use crate::follow::{Facts, Moment};
use std::net::IpAddr;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth to know, nothing wrong.
    Note,
    /// Something is not as it should be, or was so.
    Warning,
    /// Something does not work.
    Error,
}

impl Severity {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Severity::Note => "note",
            Severity::Warning => "warning",
            Severity::Error => "error",
        }
    }
}

/// A rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// Its name.
    pub id: &'static str,
    /// What it is about, in a few words.
    pub title: &'static str,
    /// The RFC or the observation that it rests on.
    pub rests_on: &'static str,
    /// What it says; `{a}` is the end it is about, `{b}` the other.
    pub says: &'static str,
    /// What the wire does not exclude.
    pub alternatives: &'static [&'static str],
    /// What to try next.
    pub next: &'static [&'static str],
    /// How bad that is.
    pub severity: Severity,
    /// The NOTIFICATION that it is about: code and subcode, none for any.
    pub notification: Option<(u8, Option<u8>)>,
    /// Of several verdicts as bad as one another the one with the highest rank tells most.
    pub rank: u8,
}

impl Rule {
    /// The rule of this name.
    pub fn named(id: &str) -> Option<&'static Rule> {
        rules().find(|rule| rule.id == id)
    }
}

/// Something that was seen, with the frames that show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// What.
    pub words: String,
    /// The frames, by number.
    pub frames: Vec<u64>,
}

/// What a rule says of a capture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The rule.
    pub rule: &'static Rule,
    /// How bad it is here.
    pub severity: Severity,
    /// It was so, and then came better.
    pub passed: bool,
    /// The end it is about, and the other.
    pub ends: (String, String),
    /// How often it was so.
    pub times: u32,
    /// When it was first seen, and last.
    pub when: (Moment, Moment),
    /// What shows it.
    pub evidence: Vec<Evidence>,
    /// The connection of the conversation that shows it best.
    pub connection: Option<usize>,
}

impl Verdict {
    fn new(id: &str, a: impl ToString, b: impl ToString, at: Moment) -> Option<Verdict> {
        let rule = Rule::named(id)?;
        Some(Verdict::of(rule, a, b, at))
    }

    fn of(rule: &'static Rule, a: impl ToString, b: impl ToString, at: Moment) -> Verdict {
        let ends = (a.to_string(), b.to_string());
        let (severity, when) = (rule.severity, (at, at));
        Verdict {
            rule,
            severity,
            passed: false,
            ends,
            times: 1,
            when,
            evidence: Vec::new(),
            connection: None,
        }
    }

    fn shown(mut self, words: impl ToString, frames: &[Moment]) -> Verdict {
        let frames = frames.iter().map(|at| at.frame).collect();
        self.evidence.push(Evidence { words: words.to_string(), frames });
        self
    }

    /// What it says.
    pub fn says(&self) -> String {
        self.rule.says.replace("{a}", &self.ends.0).replace("{b}", &self.ends.1)
    }

    fn order(&self) -> impl Ord + use<> {
        (std::cmp::Reverse((self.severity, self.rule.rank, self.when.1)), self.ends.clone())
    }
}

/// One thing that was judged: two ends, a router, a network.
#[derive(Debug, Clone, PartialEq)]
pub struct Judged {
    /// Of whom: "BGP 192.0.2.1 - 192.0.2.2".
    pub about: String,
    /// In a few words how it stands.
    pub state: String,
    /// The ends, where it is a conversation of BGP.
    pub ends: Option<[IpAddr; 2]>,
    /// What was found, the worst first.
    pub verdicts: Vec<Verdict>,
}

impl Judged {
    /// The worst that was found.
    pub fn severity(&self) -> Option<Severity> {
        self.verdicts.iter().map(|verdict| verdict.severity).max()
    }
}

/// Judges a whole capture, the worst first. `peer`: only what this address has to do with.
pub fn judge(facts: &Facts, peer: Option<IpAddr>) -> Vec<Judged> {
    let mut judged: Vec<Judged> = facts
        .conversations
        .values()
        .filter(|conversation| peer.is_none_or(|peer| conversation.ends.contains(&peer)))
        .map(|conversation| bgp::judge(conversation, facts))
        .collect();
    if let Some(peer) = peer {
        judged.extend(bgp::expected(peer, facts, judged.is_empty()));
    } else {
        judged.extend(lan::judge(facts));
    }
    for one in &mut judged {
        one.verdicts.sort_by_cached_key(Verdict::order);
    }
    judged.sort_by_key(|judged| std::cmp::Reverse(judged.severity()));
    judged
}

/// Whether anything is wrong: more than notes.
pub fn is_wrong(judged: &[Judged]) -> bool {
    judged.iter().any(|judged| judged.severity() > Some(Severity::Note))
}
