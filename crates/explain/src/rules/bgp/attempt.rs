//! Connections that never became a session.

use super::{Case, of_notification};
use crate::follow::connection::{Connection, QuotedKind};
use crate::rules::Verdict;
use std::net::IpAddr;
use trunkline_wire::bgp::MessageType;

/// Seconds without an answer to an OPEN that mean something: a busy daemon may take a few.
const SLOW: f64 = 6.0;

/// Connections begun one after the other that mean something, and for how many seconds.
const ATTEMPTS: usize = 3;
const TRIED_FOR: f64 = 2.0;

/// The TTL of a speaker with TTL security, and how far a router may be away that still counts as near (RFC 5082 §3).
const MAX_TTL: u8 = 255;

/// Why it never became one; none where nothing is wrong, or too little is seen.
pub(super) fn judge(case: &Case<'_>) -> Option<Verdict> {
    let connection = case.connection;
    let [(client, _), (server, _)] = connection.ends;
    for index in [1, 0] {
        let (side, a, b) = case.side(index);
        if let Some((at, words)) = &side.foreign {
            return Verdict::new("foreign", a, b, *at).map(|v| v.shown(words, &[*at]));
        }
    }
    if let Some(verdict) = notified(case) {
        return Some(verdict);
    }
    if let Some(at) = connection.refused {
        let frames = [connection.syn.map_or(at, |(first, ..)| first), at];
        let words = "the SYN is answered by a RST with sequence number 0";
        return Verdict::new("refused", server, client, at).map(|v| v.shown(words, &frames));
    }
    if connection.one_sided().is_some() {
        return half_seen(case);
    }
    let sent = connection.sides.iter().any(|side| side.opened.is_some());
    match (connection.syn_ack, connection.opened) {
        (None, None) if !sent && connection.sides.iter().any(|side| side.first.is_none()) => no_answer(case),
        (Some(_), None) if !sent => half_open(case),
        _ => opened(case),
    }
}

/// The first NOTIFICATION of either side.
pub(super) fn notified(case: &Case<'_>) -> Option<Verdict> {
    let all = [0, 1].into_iter().filter_map(|index| {
        let (side, a, b) = case.side(index);
        side.notifications.first().map(|(at, notification)| (*at, index, a, b, notification))
    });
    let (at, index, a, b, notification) = all.min_by_key(|(at, ..)| *at)?;
    let (other, ..) = case.side(1 - index);
    if notification.code == 4 && case.connection.established().is_none() {
        // The hold timer of a speaker that waits for an OPEN or a KEEPALIVE (RFC 4271 §8.2.2).
        let words = format!("{a} gives up: NOTIFICATION {notification}");
        let waited = silent_peer(case, 1 - index).or_else(|| case.missing(b, a));
        let waited = waited.map(|verdict| verdict.shown(words, &[at]));
        return waited.or_else(|| of_notification(a, b, at, notification));
    }
    let mut verdict = of_notification(a, b, at, notification)?;
    if let Some(opened) = &other.opened
        && notification.code == 2
    {
        let words = format!("the OPEN of {b} says AS {}, hold time {} s", opened.asn, opened.hold_time);
        verdict = verdict.shown(words, &[opened.at]);
    }
    if notification.code == 3
        && let Some((at, words)) = other.faults.last()
    {
        verdict = verdict.shown(format!("an UPDATE of {b}: {words}"), &[*at]);
    }
    Some(verdict)
}

/// A connection of which the capture has one direction only: as long as it goes on, nothing says that anything is wrong.
fn half_seen(case: &Case<'_>) -> Option<Verdict> {
    let seen = usize::from(case.side(0).0.first.is_none());
    let (side, a, b) = case.side(seen);
    let last = side.last?;
    case.connection.ended()?;
    let words = format!(
        "{a} acknowledges what {b} sends, of which the capture has no frame: it has one direction only"
    );
    Verdict::new("cannot-tell", a, b, last).map(|v| v.shown(words, &[last]))
}

/// SYNs alone.
fn no_answer(case: &Case<'_>) -> Option<Verdict> {
    let connection = case.connection;
    let [(client, _), (server, _)] = connection.ends;
    let (first, times, last) = connection.syn?;
    let icmp = |kind: QuotedKind| connection.icmp.iter().find(|quoted| quoted.kind == kind);
    let (sender, ..) = case.side(0);
    if let Some(quoted) = icmp(QuotedKind::TimeExceeded) {
        let words = format!(
            "{} says that the TTL ran out of the SYN, which {client} sent with TTL {}",
            quoted.by,
            sender.ttl.map_or(0, |(lowest, _)| lowest)
        );
        return Verdict::new("ttl-exceeded", server, client, quoted.at)
            .map(|v| v.shown(words, &[first, quoted.at]));
    }
    if let Some(quoted) = icmp(QuotedKind::Unreachable) {
        let words = format!("{} answers the SYN: {}", quoted.by, quoted.words);
        return Verdict::new("unreachable", server, client, quoted.at)
            .map(|v| v.shown(words, &[first, quoted.at]));
    }
    let words = match times {
        // Nobody has said that there was no answer; at the end of a capture there was no time for it.
        0 | 1 => one_each(case)?,
        _ => format!("{times} SYNs, nothing comes back"),
    };
    if case.facts.unclear.contains(&client) {
        return None;
    }
    let frames = [first, last];
    let [md5, ao, _] = sender.signed;
    let (id, a, b) = match (md5 > 0, ao > 0) {
        (_, true) => ("ao-silence", server, client),
        (true, _) => match reverse(case) {
            Some(true) => ("md5-differs", server.min(client), server.max(client)),
            Some(false) => ("md5-one-side", client, server),
            None => ("md5-silence", server, client),
        },
        _ if reverse(case) == Some(true) => ("md5-one-side", server, client),
        _ => ("silence", server, client),
    };
    let ttl = sender.ttl.map_or(0, |(lowest, _)| lowest);
    Verdict::new(id, a, b, last)
        .map(|v| v.shown(words, &frames).shown(format!("the SYN has TTL {ttl}"), &[first]))
}

/// A speaker that begins another connection before it has sent the SYN of the last one again. Had a SYN-ACK come, it would have
/// acknowledged that; had a RST come, the capture would have it, since it has what the station sends to which the SYN went.
fn one_each(case: &Case<'_>) -> Option<String> {
    let (sender, client, server) = case.side(0);
    // By its TTL, or by ARP, its frames come from itself.
    let claims = case.facts.lan.neighbors.get(&client).and_then(|neighbor| neighbor.claims.last());
    let own = sender.is_direct() || claims.is_some_and(|(_, station)| Some(*station) == sender.station);
    let towards = sender.towards.filter(|_| own)?;
    if !case.facts.hears(towards) {
        return None;
    }
    let attempts = case.conversation.connections.iter().filter(|connection| {
        let [(from, _), (to, _)] = connection.ends;
        from == client && to == server
    });
    let (mut number, mut span) = (0, (case.connection.first, case.connection.first));
    for attempt in attempts {
        if !unanswered(attempt) {
            return None;
        }
        number += 1;
        span = (span.0.min(attempt.first), span.1.max(attempt.first));
    }
    let seconds = span.1.since(span.0);
    (number >= ATTEMPTS && seconds >= TRIED_FOR).then(|| {
        format!(
            "{client} begins {number} connections in {seconds:.0} s, each by one SYN; nothing comes back, though {towards}, \
             to which they go, is heard"
        )
    })
}

/// A connection to which nothing came back.
fn unanswered(connection: &Connection) -> bool {
    let [own, other] = &connection.sides;
    other.first.is_none() && own.acks == 0 && own.rst.is_none() && connection.icmp.is_empty()
}

/// Whether the other end, which also tries to connect and also gets no answer, signs.
fn reverse(case: &Case<'_>) -> Option<bool> {
    let [(client, _), (server, _)] = case.connection.ends;
    let others = case.conversation.connections.iter().filter(|other| {
        let [(a, _), (b, _)] = other.ends;
        a == server && b == client && unanswered(other)
    });
    // One SYN alone may have been answered after the end of the capture.
    let (mut syns, mut signs) = (0, false);
    for other in others {
        syns += other.syn.map_or(0, |(_, times, _)| times);
        signs |= other.sides.first().is_some_and(|side| side.signed.first() > Some(&0));
    }
    (syns > 1).then_some(signs)
}

/// A SYN-ACK on which nobody goes on.
fn half_open(case: &Case<'_>) -> Option<Verdict> {
    let connection = case.connection;
    let [(client, _), (server, _)] = connection.ends;
    let (first, times, last) = connection.syn_ack?;
    if times < 2 {
        return None;
    }
    // Who answers it by a RST has it, and wants no connection, or none any more.
    if case.side(0).0.rst.is_some_and(|(at, _)| at < last) {
        return None;
    }
    let (ours, theirs) = (case.side(0).0.ttl?, case.side(1).0.ttl?);
    let words = format!("{times} SYN-ACKs, which {client} does not acknowledge");
    let id = if ours.1 == MAX_TTL && theirs.1 < MAX_TTL - 1 { "ttl-security" } else { "syn-ack-unanswered" };
    let ttl = format!("{client} sends with TTL {}, {server} with {}", ours.1, theirs.1);
    Verdict::new(id, server, client, last).map(|v| v.shown(words, &[first, last]).shown(ttl, &[first]))
}

/// An end that sends with 255 and takes nothing of what the other sends with less. Some speakers set their TTL only once
/// they have accepted, so that the SYN-ACK still passes (FRR 8.4, observed).
pub(super) fn ttl_security(case: &Case<'_>) -> Option<Verdict> {
    [0, 1].into_iter().find_map(|index| {
        let (side, a, b) = case.side(index);
        let (other, ..) = case.side(1 - index);
        let lost = side.repeated?;
        let (lowest, _) = side.ttl?;
        let (others_lowest, _) = other.ttl?;
        let nothing = side.acknowledged.is_none_or(|acknowledged| acknowledged.le(lost.sequence));
        if lost.times < 3 || !nothing || others_lowest < MAX_TTL || lowest >= MAX_TTL - 1 {
            return None;
        }
        let words = format!(
            "{a} sends {} octets {} times with TTL {lowest}, {b} never acknowledges them; {b} sends with TTL 255",
            lost.octets, lost.times
        );
        Verdict::new("ttl-security", a, b, lost.last).map(|v| v.shown(words, &[lost.first, lost.last]))
    })
}

/// A connection on which data could flow.
fn opened(case: &Case<'_>) -> Option<Verdict> {
    // Who ends it, having sent nothing: the accepting end has no such neighbor.
    let ends = |index: usize| {
        let (side, ..) = case.side(index);
        [side.fin, side.rst].into_iter().flatten().map(|(at, _)| at).min()
    };
    let (by_client, by_server) = (ends(0), ends(1));
    let first = match (by_client, by_server) {
        (Some(client), Some(server)) => Some(usize::from(server < client)),
        (Some(_), None) => Some(0),
        (None, Some(_)) => Some(1),
        (None, None) => None,
    };
    if let Some(verdict) = ttl_security(case) {
        return Some(verdict);
    }
    let Some(closer) = first else {
        return [1, 0].into_iter().find_map(|index| silent_peer(case, index));
    };
    let (side, a, b) = case.side(closer);
    let (other, ..) = case.side(1 - closer);
    let at = ends(closer)?;
    if case.lost_collision() {
        return None;
    }
    if side.sent_nothing() {
        // Who has waited long for an OPEN and then closes, has done right.
        if closer == 0 && (other.sent_nothing() || other.opened.is_none()) {
            let waited = at.since(case.connection.first);
            if waited > SLOW {
                return silent_peer(case, 1).or_else(|| case.missing(a, b));
            }
            // What it acknowledges, and the capture has not, may have been the other's FIN.
            if let Some(verdict) = case.missing(a, b) {
                return Some(verdict.shown(format!("{a} ends the connection"), &[at]));
            }
            let words = format!("{a} closes {waited:.3} s after its SYN");
            return Verdict::new("gave-up", a, b, at).map(|v| v.shown(words, &[at]));
        }
        if closer == 0 {
            return None;
        }
        return unwanted(case, a, b);
    }
    if other.sent_nothing() && other.acknowledges(side) {
        return silent_peer(case, 1 - closer);
    }
    if let Some(verdict) = case.missing(a, b) {
        let words = format!("{a} ends the connection");
        return Some(verdict.shown(words, &[at]));
    }
    if side.opened.is_some() && other.opened.is_some() {
        let words = format!("{a} ends the connection, no NOTIFICATION before");
        return Verdict::new("dropped-after-open", a, b, at).map(|v| v.shown(words, &[at]));
    }
    // Of a connection that began before the capture, nobody knows what was said. As a capture begins, one that ends may have been
    // the one too many of a collision, beside one that is silent at the time.
    let begun = case.facts.first.is_some_and(|first| at.since(first) < SLOW);
    let said = case.connection.sides.iter().any(|side| side.last_heard().is_some());
    if case.connection.syn.is_some() || begun && !said {
        return None;
    }
    let words = format!("{a} ends a connection whose beginning is not in the capture");
    Verdict::new("cannot-tell", a, b, at).map(|v| v.shown(words, &[at]))
}

/// The accepting end `a` closes without a word.
fn unwanted(case: &Case<'_>, a: IpAddr, b: IpAddr) -> Option<Verdict> {
    let (side, ..) = case.side(1);
    let (other, ..) = case.side(0);
    let frames: Vec<_> = [side.fin, side.rst].into_iter().flatten().map(|(at, _)| at).collect();
    let at = frames.iter().min().copied()?;
    let what = match (side.fin, side.rst) {
        (Some(_), Some(_)) => "FIN and RST",
        (Some(_), None) => "FIN",
        _ => "RST",
    };
    let how = match &other.opened {
        Some(opened) => format!(
            "{a} ends the connection by {what} and answers the OPEN of frame {} by no message",
            opened.at.frame
        ),
        None => format!("{a} accepts the connection and ends it by {what}"),
    };
    let how = format!("{how}: by its sequence numbers it has sent not one octet");
    // Whom does it want instead? It connects to another address behind the same station.
    // What a router has forwarded has the router's station: then it says nothing.
    let station = other.station.filter(|_| other.is_direct());
    let wanted = case.facts.conversations.values().find_map(|conversation| {
        conversation.connections.iter().find_map(|connection| {
            let [(from, _), (to, _)] = connection.ends;
            let same = station.is_some() && case.facts.stations.get(&to).copied() == station;
            (from == a && to != b && same).then_some((to, connection.first))
        })
    });
    if let Some((to, seen)) = wanted {
        let words = format!("{a} itself connects to {to}, which is the same station");
        return Verdict::new("update-source", a, b, at).map(|v| v.shown(how, &frames).shown(words, &[seen]));
    }
    // An end that has sent an OPEN before, on another connection of the two, has such a neighbor.
    let known = case.conversation.connections.iter().find_map(|connection| {
        let own = connection.ends.iter().zip(&connection.sides).find(|((address, _), _)| *address == a)?;
        own.1.opened.as_ref().map(|opened| opened.at).filter(|opened| *opened < at)
    });
    if let Some(opened) = known {
        let words = format!("{a} has sent an OPEN to {b} on another connection");
        return Verdict::new("held-down", a, b, at).map(|v| v.shown(how, &frames).shown(words, &[opened]));
    }
    Verdict::new("closed-before-open", a, b, at).map(|v| v.shown(how, &frames))
}

/// Side `index` does not answer what it has got: no OPEN, or no KEEPALIVE.
fn silent_peer(case: &Case<'_>, index: usize) -> Option<Verdict> {
    let (side, a, b) = case.side(index);
    let (other, ..) = case.side(1 - index);
    let asked = other.opened.as_ref()?.at;
    if case.is_followed() && case.connection.ended().is_none() {
        return None;
    }
    // What routers forward may take another way from some time on.
    let direct = [side, other].iter().all(|side| side.is_direct());
    let last = if direct { case.end } else { case.connection.last };
    let until = case.connection.ended().unwrap_or(last);
    let waited = until.since(asked);
    // Whose hold timer runs out says itself that it has waited long enough (RFC 4271 §6.5).
    let expired = other.notifications.first().is_some_and(|(_, notification)| notification.code == 4);
    if waited < SLOW && !expired || !side.gaps.is_empty() {
        return None;
    }
    if side.sent_nothing() && other.is_acknowledged() {
        let words = format!("the OPEN of {b} is acknowledged; in {waited:.0} s {a} sends not one octet");
        return Verdict::new("open-unanswered", a, b, until).map(|v| v.shown(words, &[asked, until]));
    }
    let own = side.opened.as_ref()?.at;
    // What is sent again and again has not arrived: then there is nothing to confirm.
    let arrived = other.repeated.is_none();
    if arrived && side.count(MessageType::Keepalive) == 0 && side.sent_only_open() {
        let words =
            format!("{a} has the OPEN of {b} and has sent its own, but no KEEPALIVE in {waited:.0} s");
        return Verdict::new("stuck-after-open", a, b, until).map(|v| v.shown(words, &[asked, own, until]));
    }
    None
}
