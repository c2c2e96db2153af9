//! Sessions that were up.

use super::Case;
use super::attempt::{notified, ttl_security};
use crate::follow::Moment;
use crate::follow::connection::QuotedKind;
use crate::follow::side::{SMALL, Side, families};
use crate::rules::{Severity, Verdict};
use trunkline_wire::bgp::MessageType;

/// How often a large segment must have been sent before it counts as lost for good, and for how many seconds.
const TRIES: u32 = 3;
const TRIED_FOR: f64 = 2.0;

/// Seconds of a closed window that mean something.
const CLOSED: f64 = 10.0;

/// KEEPALIVEs that are a flood if they come faster than two a second.
const FLOOD: u64 = 20;

/// Seconds in which who has routes announces them, where no End-of-RIB says that there are none.
const SETTLED: f64 = 30.0;

/// Seconds after which End-of-RIB says that there is nothing.
const BRIEF: f64 = 5.0;

/// What was wrong with a session, if anything.
pub(super) fn judge(case: &Case<'_>) -> Vec<Verdict> {
    let mut verdicts: Vec<Verdict> =
        ended(case).or_else(|| stuck(case)).or_else(|| ttl_security(case)).into_iter().collect();
    verdicts.extend(contents(case));
    verdicts
}

/// Why it ended.
fn ended(case: &Case<'_>) -> Option<Verdict> {
    let connection = case.connection;
    let at = connection.ended()?;
    let notification = notified(case);
    let by_timer = notification.as_ref().is_some_and(|v| matches!(v.rule.id, "hold-expired" | "send-hold"));
    if (notification.is_none() || by_timer)
        && let Some(verdict) = stuck(case)
    {
        let told = notification.map(|v| v.evidence).into_iter().flatten();
        let mut verdict = verdict;
        verdict.evidence.extend(told);
        return Some(verdict);
    }
    if let Some(verdict) = notification {
        return Some(if verdict.rule.id == "hold-expired" { last_words(case, verdict) } else { verdict });
    }
    // What the other end said before is not in the capture.
    if let Some(seen) = connection.one_sided() {
        if case.lost_collision() {
            return None;
        }
        let index = usize::from(case.side(0).0.first.is_none());
        let (_, a, b) = case.side(index);
        let words =
            format!("{a} ends the session; of {b} the capture has no frame: it has one direction only");
        return Verdict::new("cannot-tell", a, b, at).map(|v| v.shown(words, &[seen.last.unwrap_or(at)]));
    }
    let closer = usize::from(case.side(0).0.fin.or(case.side(0).0.rst).is_none_or(|(own, _)| own > at));
    let (side, a, b) = case.side(closer);
    if let Some(verdict) = case.missing(a, b) {
        return Some(verdict.shown(format!("{a} ends the session"), &[at]));
    }
    // Without its first octets nobody knows whether the numbers before the end are whole.
    let words = if side.rst.is_some_and(|(rst, _)| rst == at) { "RST" } else { "FIN" };
    let words = format!("{a} ends the session by {words}, no NOTIFICATION before");
    Verdict::new("broken-off", a, b, at).map(|verdict| verdict.shown(words, &[at]))
}

/// What the silent end said last before the hold timer ran out.
fn last_words(case: &Case<'_>, verdict: Verdict) -> Verdict {
    let ends = [0, 1].map(|index| case.side(index));
    let silent = ends.iter().find(|(_, address, _)| address.to_string() == verdict.ends.1);
    let Some((side, address, _)) = silent else { return verdict };
    let at = verdict.when.0;
    let verdict = match side.last_heard() {
        Some(heard) => {
            let words = format!("the last message of {address} was {:.0} s before", at.since(heard));
            verdict.shown(words, &[heard])
        }
        None => verdict,
    };
    match side.lost() {
        Some(octets) => {
            let words = format!(
                "{address} has sent {octets} octets more, which are not acknowledged, and of which the capture has none: \
                 they were lost before"
            );
            verdict.shown(words, &[])
        }
        None => verdict,
    }
}

/// One side cannot get its data across: large segments are lost, or the window stays closed.
fn stuck(case: &Case<'_>) -> Option<Verdict> {
    let end = case.connection.ended().unwrap_or(case.end);
    for index in [0, 1] {
        let (side, a, b) = case.side(index);
        let (other, ..) = case.side(1 - index);
        if let Some(since) = other.closed_window
            && end.since(since) >= CLOSED
        {
            let words = format!("the window of {b} is closed for {:.0} s", end.since(since));
            return Verdict::new("zero-window", b, a, since).map(|v| v.shown(words, &[since, end]));
        }
        let Some(lost) = side.repeated else { continue };
        let heard = other.last.is_some_and(|last| last > lost.first);
        if lost.times >= TRIES && lost.octets > SMALL && lost.last.since(lost.first) >= TRIED_FOR && heard {
            let words = format!(
                "{a} sends the same {} octets {} times in {:.0} s, and {b}, which is heard, does not acknowledge them",
                lost.octets,
                lost.times,
                lost.last.since(lost.first)
            );
            let mut verdict =
                Verdict::new("mtu-black-hole", a, b, lost.last)?.shown(words, &[lost.first, lost.last]);
            if other.count(MessageType::Keepalive) > 0 && side.sacked_small {
                let words = format!("smaller segments of {a} that follow are acknowledged selectively");
                verdict = verdict.shown(words, &[]);
            }
            if let Some(quoted) = case.connection.icmp.iter().find(|q| q.kind == QuotedKind::TooBig) {
                verdict = verdict.shown(format!("{}: {}", quoted.by, quoted.words), &[quoted.at]);
            }
            return Some(verdict);
        }
    }
    None
}

/// What was exchanged, and what was not.
fn contents(case: &Case<'_>) -> Vec<Verdict> {
    let connection = case.connection;
    let [(a, _), (b, _)] = connection.ends;
    let [first, second] = &connection.sides;
    let Some(up) = connection.established() else { return Vec::new() };
    let mut verdicts = Vec::new();
    let opens = [first, second].map(|side| side.opened.as_ref().and_then(|opened| opened.open.as_ref()));
    if let [Some(own), Some(other)] = opens
        && families(own).is_disjoint(&families(other))
    {
        let names = |open| families(open).iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let words = format!("{a} offers {}; {b} offers {}", names(own), names(other));
        let frames: Vec<Moment> =
            [first, second].iter().filter_map(|side| side.opened.as_ref().map(|opened| opened.at)).collect();
        verdicts.extend(Verdict::new("no-common-family", a, b, up).map(|v| v.shown(words, &frames)));
        return verdicts;
    }
    for index in [0, 1] {
        let (side, a, b) = case.side(index);
        let (other, ..) = case.side(1 - index);
        let external = side.opened.as_ref().zip(other.opened.as_ref()).is_some_and(|(x, y)| x.asn != y.asn);
        // A route that only comes back to who announced it is no loss.
        let lost = side.looped.difference(&other.announced).count() as u64;
        // What it announced must be known, for that.
        let whole = connection.is_whole();
        let known = !side.announced_more() && !other.announced_more();
        if external && whole && known && lost > 0 {
            let words = format!("{lost} of {} prefixes", side.announced.len());
            let own_as = Verdict::new("own-as", a, b, up).map(|v| v.shown(words, &[]));
            // Of an AS with several routers the routes of one come back to the others, which know them anyway.
            let all = side.looped.len() == side.announced.len();
            let severity = if all { Severity::Warning } else { Severity::Note };
            verdicts.extend(own_as.map(|verdict| Verdict { severity, ..verdict }));
        }
        if let (Some((at, words)), None) = (side.faults.first(), connection.ended()) {
            verdicts.extend(Verdict::new("malformed-update", a, b, *at).map(|v| v.shown(words, &[*at])));
        }
    }
    verdicts.extend([0, 1].into_iter().filter_map(|index| flood(case, index)));
    verdicts.extend(without_routes(case, up));
    verdicts
}

/// KEEPALIVEs without end.
fn flood(case: &Case<'_>, index: usize) -> Option<Verdict> {
    let (side, a, b) = case.side(index);
    let number = side.count(MessageType::Keepalive);
    let (first, last) = (side.first_of(MessageType::Keepalive)?, side.last_of(MessageType::Keepalive)?);
    let seconds = last.since(first);
    if number < FLOOD || seconds * 2.0 > number as f64 {
        return None;
    }
    let words = format!("{number} KEEPALIVEs in {seconds:.3} s");
    let mut verdict = Verdict::new("keepalive-flood", a, b, last)?.shown(words, &[first, last]);
    for opened in case.connection.sides.iter().filter_map(|side| side.opened.as_ref()) {
        let words = format!("an OPEN says a hold time of {} s", opened.hold_time);
        verdict = verdict.shown(words, &[opened.at]);
    }
    Some(verdict)
}

/// Whether routes are missing where they are to be expected; only with a capture that has all.
fn without_routes(case: &Case<'_>, up: Moment) -> Option<Verdict> {
    let connection = case.connection;
    let [(a, _), (b, _)] = connection.ends;
    if !connection.is_whole() || connection.ended().is_some() {
        return None;
    }
    // Heard for so long: its frames may have taken another way since.
    let settled = |side: &Side| side.last.is_some_and(|last| last.since(up) >= SETTLED);
    // Who has nothing yet says so, too: FRR sends End-of-RIB, and its first route a second or two later.
    let brief = case.end.since(up) < BRIEF;
    let says = |side: &Side| settled(side) || !side.end_of_rib.is_empty() && !brief;
    // Of a message that does not get through nobody knows whether it has routes.
    let empty =
        connection.sides.each_ref().map(|side| side.updates == 0 && !side.is_in_a_message() && says(side));
    match empty {
        [true, true] => {
            let words = "neither has sent an UPDATE with a route";
            Verdict::new("no-routes", a, b, up).map(|v| v.shown(words, &[up]))
        }
        [true, false] => Verdict::new("nothing-announced", a, b, up),
        [false, true] => Verdict::new("nothing-announced", b, a, up),
        [false, false] => None,
    }
}
