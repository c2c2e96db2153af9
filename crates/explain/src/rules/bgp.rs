//! What became of a conversation of BGP, and why: each connection is judged, then all of them together.

mod attempt;
mod session;

use super::{Judged, Rule, Severity, Verdict, rules};
use crate::follow::connection::Connection;
use crate::follow::side::Side;
use crate::follow::{Conversation, Facts, Moment};
use std::net::IpAddr;
use trunkline_wire::bgp::{ErrorCode, Notification};

/// A connection with what a judge needs to know around it.
#[derive(Clone, Copy)]
struct Case<'a> {
    connection: &'a Connection,
    conversation: &'a Conversation,
    facts: &'a Facts,
    /// The end of the capture.
    end: Moment,
}

impl<'a> Case<'a> {
    /// A side, its address, the other side's address.
    fn side(&self, index: usize) -> (&'a Side, IpAddr, IpAddr) {
        let [client, server] = &self.connection.sides;
        let [(a, _), (b, _)] = self.connection.ends;
        if index == 0 { (client, a, b) } else { (server, b, a) }
    }

    /// Whether another connection of the two was up while this one lived: then this one lost a collision.
    fn lost_collision(&self) -> bool {
        let this = self.connection;
        self.conversation.connections.iter().any(|other| {
            let same = std::ptr::eq(other, this);
            let up = other.established().is_some() || other.sides.iter().all(|side| side.opened.is_some());
            !same && up && other.first <= this.last && this.first <= other.last
        })
    }

    /// Whether who opened it connects again: it has seen the end of this one, whether or not the capture has it.
    fn is_followed(&self) -> bool {
        let client = self.side(0).1;
        self.conversation.connections.iter().any(|connection| {
            connection.ends.first().is_some_and(|(address, _)| *address == client)
                && connection.first > self.connection.last
        })
    }

    /// The verdict that frames are missing, if they are: between which.
    fn missing(&self, a: IpAddr, b: IpAddr) -> Option<Verdict> {
        let gap = self.connection.gaps().last()?;
        let (after, before) = (gap.after.frame, gap.before.frame);
        let words = if after == before {
            format!("{} octets of the stream are not in the capture, around frame {after}", gap.octets)
        } else {
            format!("frames between {after} and {before} are missing: {} octets of the stream", gap.octets)
        };
        Verdict::new("cannot-tell", a, b, gap.before)
            .map(|verdict| verdict.shown(words, &[gap.after, gap.before]))
    }
}

/// Judges a conversation.
pub(super) fn judge(conversation: &Conversation, facts: &Facts) -> Judged {
    let end = facts.last.unwrap_or(Moment { frame: 0, nanos: 0 });
    let mut verdicts: Vec<Verdict> = Vec::new();
    for (index, connection) in conversation.connections.iter().enumerate() {
        let case = Case { connection, conversation, facts, end };
        let found = match connection.established() {
            Some(_) => session::judge(&case),
            None => attempt::judge(&case).into_iter().collect(),
        };
        for mut verdict in found {
            verdict.connection = Some(index);
            merge(&mut verdicts, verdict);
        }
    }
    let last = conversation.connections.iter().filter(|c| c.established().is_some()).max_by_key(|c| c.last);
    let up = last.filter(|connection| connection.ended().is_none());
    settle(conversation, up, &mut verdicts);
    let [a, b] = conversation.ends;
    let state = state(conversation, up, &verdicts);
    Judged { about: format!("BGP {a} - {b}"), state, ends: Some(conversation.ends), verdicts }
}

/// The same again is counted, and shown by its first connection.
fn merge(verdicts: &mut Vec<Verdict>, new: Verdict) {
    let same = |old: &&mut Verdict| old.rule == new.rule && old.ends == new.ends;
    if let Some(old) = verdicts.iter_mut().find(same) {
        old.times += new.times;
        old.when.1 = old.when.1.max(new.when.1);
        return;
    }
    verdicts.push(new);
}

/// What came before the session that is up now has passed.
fn settle(conversation: &Conversation, up: Option<&Connection>, verdicts: &mut Vec<Verdict>) {
    // One collision is how two speakers that both connect come together. Who has a session connects no more: then it is another.
    let ever_up = conversation.connections.iter().any(|connection| connection.established().is_some());
    let since = up.and_then(Connection::established);
    let again = |verdict: &Verdict| since.is_some_and(|since| verdict.when.1 > since);
    verdicts.retain(|verdict| {
        verdict.rule.id != "collision" || verdict.times > 2 && (!ever_up || again(verdict))
    });
    let Some(up) = up else { return };
    for verdict in verdicts {
        let connection = verdict.connection.and_then(|index| conversation.connections.get(index));
        let is_this = connection.is_some_and(|connection| std::ptr::eq(connection, up));
        if is_this || verdict.rule.id == "collision" && again(verdict) {
            continue;
        }
        let was_up = connection.is_some_and(|connection| connection.established().is_some());
        // What has ended several sessions will end this one.
        if was_up && verdict.times > 1 {
            continue;
        }
        verdict.passed = true;
        verdict.severity = verdict.severity.min(if was_up { Severity::Warning } else { Severity::Note });
    }
}

fn state(conversation: &Conversation, up: Option<&Connection>, verdicts: &[Verdict]) -> String {
    let connections = conversation.connections.len() as u64 + conversation.forgotten;
    if let Some(connection) = up {
        let since = connection.established().map_or(0, |at| at.frame);
        let prefixes: Vec<String> = connection
            .sides
            .iter()
            .zip(connection.ends)
            .map(|(side, (address, _))| match side.first {
                Some(_) => format!("{} from {address}", side.prefixes),
                None => format!("unknown from {address}, of which the capture has no frame"),
            })
            .collect();
        let first = if connection.syn.is_some() { "up since" } else { "up, first seen so at" };
        return format!("{first} frame {since}; prefixes announced: {}", prefixes.join(", "));
    }
    let was_up = conversation.connections.iter().any(|connection| connection.established().is_some());
    if verdicts.is_empty() && conversation.connections.iter().all(|one| one.one_sided().is_some()) {
        return format!("seen in one direction only; {connections} connections");
    }
    match (was_up, verdicts.is_empty()) {
        (true, _) => format!("was up, is down; {connections} connections"),
        (false, true) => format!("not up, and nothing that says why; {connections} connections"),
        (false, false) => format!("never came up; {connections} connections"),
    }
}

/// The verdict of a NOTIFICATION that end `a` sent to `b`.
fn of_notification(a: IpAddr, b: IpAddr, at: Moment, notification: &Notification) -> Option<Verdict> {
    let matches = |rule: &&'static Rule| match rule.notification {
        Some((code, subcode)) => {
            code == notification.code && subcode.is_none_or(|subcode| subcode == notification.subcode)
        }
        None => false,
    };
    let rule = rules().find(matches).or_else(|| Rule::named("unknown-error"))?;
    let mut words = format!("{a} sends NOTIFICATION {notification}");
    let data = notification.data.as_slice();
    match (notification.error(), data) {
        (ErrorCode::BAD_PEER_AS, [a0, a1]) => {
            words.push_str(&format!("; its data name AS {}", u16::from_be_bytes([*a0, *a1])));
        }
        (ErrorCode::BAD_PEER_AS, [a0, a1, a2, a3]) => {
            words.push_str(&format!("; its data name AS {}", u32::from_be_bytes([*a0, *a1, *a2, *a3])));
        }
        _ => {}
    }
    if let Some(inner) = notification.encapsulated() {
        words.push_str(&format!("; its reason is {}", inner.error()));
    }
    Some(Verdict::of(rule, a, b, at).shown(words, &[at]))
}

/// A neighbor was asked for of which the capture has no BGP.
pub(super) fn expected(peer: IpAddr, facts: &Facts, none: bool) -> Option<Judged> {
    if !none {
        return None;
    }
    let (first, last) = (facts.first?, facts.last?);
    let asked = facts.lan.neighbors.get(&peer).and_then(|neighbor| super::lan::unanswered(peer, neighbor));
    let words = format!(
        "no TCP segment from or to port 179 of {peer} in {} frames and {:.0} s",
        last.frame,
        last.since(first)
    );
    let verdict =
        asked.or_else(|| Verdict::new("no-attempt", peer, "anybody", last)).map(|v| v.shown(words, &[]));
    let state = "nothing seen".to_owned();
    Some(Judged { about: format!("BGP {peer}"), state, ends: None, verdicts: verdict.into_iter().collect() })
}
