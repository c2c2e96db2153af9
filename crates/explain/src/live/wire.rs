//! What a look at the wire, or a probe from our other addresses, adds: with which TTL a neighbour sends, and to which of our
//! addresses it speaks.

use super::attempts::OPEN;
use super::words::{ago, attempt as in_words, count};
use super::{Found, ours};
use std::net::IpAddr;
use trunkline_view::explain::Verdict;
use trunkline_view::facts::{Attempt, End, Facts, Reach, Stage, Tcp};

/// Rules that are sharper, or sure, where the neighbour's segments are looked at.
const BETTER_BY_THE_WIRE: &[&str] =
    &["unacknowledged", "ttl-security", "closed-before-open", "held-down", "update-source"];

/// The largest TTL that systems send with by default, but for 255; more has been 255 before it passed routers.
const DEFAULT_TTL: u8 = 128;

/// Seconds within which what is not acknowledged has been sent again, and again (RFC 6298 §2: at first after one).
const SENT_AGAIN: f64 = 3.0;

/// The TTL of a sender with TTL security (RFC 5082 §3).
const MAX_TTL: u8 = 255;

/// Seconds after which a SYN tells no more of what the neighbour wants now.
const RECENT: f64 = 300.0;

/// Addresses that a probe connects from.
const MAX_SOURCES: usize = 8;

/// Whether the neighbour's segments should be looked at.
pub fn asks_the_wire(verdicts: &[Verdict]) -> bool {
    verdicts.iter().any(|verdict| BETTER_BY_THE_WIRE.contains(&verdict.rule.as_str()))
}

/// Addresses of ours that a probe should connect from, the one that BGP uses first; none where its connections tell enough. Where
/// segments are signed, the probe's would get no answer.
pub fn sources_to_try(facts: &Facts) -> Vec<IpAddr> {
    let used = facts.attempts.iter().find(|attempt| closed_early(attempt)).and_then(|attempt| attempt.local);
    let Some(used) = used.filter(|_| facts.up.is_none() && facts.config.signs.is_none()) else {
        return Vec::new();
    };
    let mut sources = vec![used];
    for address in &facts.addresses {
        // Two interfaces may have the same.
        if !sources.contains(address) {
            sources.push(*address);
        }
    }
    sources.truncate(MAX_SOURCES);
    sources
}

/// Whether a connection of ours was closed before a message of the peer came.
pub(super) fn closed_early(attempt: &Attempt) -> bool {
    attempt.ours && attempt.stage == Stage::Connected && is_closed(&attempt.end)
}

fn is_closed(end: &End) -> bool {
    matches!(end, End::Closed | End::Reset)
}

/// The rule for a neighbour that acknowledges nothing: TTL security at its end alone, where its segments show it.
pub(super) fn in_vain(facts: &Facts, attempt: Option<&Attempt>, tcp: Option<&Tcp>) -> (&'static str, Found) {
    let us = ours(facts, attempt);
    let own = tcp.and_then(|tcp| tcp.ttl).or(facts.config.ttl);
    let theirs = facts.wire.as_ref().and_then(|wire| wire.ttl);
    let routed = facts.way.as_ref().is_some_and(|way| matches!(way.reach, Reach::Via(_)));
    let began_with_less = |ttl: u8| ttl != MAX_TTL && (!routed || ttl <= DEFAULT_TTL);
    // With multihop, and to internal neighbours, some send with 255 and demand nothing (FRR).
    let demands = facts.asn.0 != facts.asn.1 && own == Some(1);
    // It has sent nothing twice: it takes our acknowledgements, which have the same TTL.
    let hears =
        tcp.is_some_and(|tcp| tcp.received > 0 && tcp.data_segments == Some(1) && tcp.silent >= SENT_AGAIN);
    // What has reached its speaker, it took for a good while.
    let was_up = attempt.is_none_or(|attempt| attempt.stage == Stage::Established);
    let took = hears || tcp.map_or(was_up, |tcp| tcp.acknowledged >= OPEN);
    let (id, ends) = match theirs {
        Some((MAX_TTL, _)) if !took && demands => ("ttl-security", Found::new(us, facts.neighbor)),
        _ => ("unacknowledged", Found::new(facts.neighbor, us)),
    };
    let demands_none = took || own == Some(MAX_TTL) || theirs.is_some_and(|(_, most)| began_with_less(most));
    let found = ends
        .seen_if(attempt.map(|attempt| in_words(facts, attempt)))
        .seen_if(tcp.map(super::up::tcp_words))
        .seen_if(own.map(|ttl| format!("packets to it leave with a TTL of {ttl}")))
        .seen_if(hears.then(|| "its data came once, and not again: it takes our acknowledgments".to_owned()))
        .seen_if(theirs.map(|(last, _)| format!("its own segments come with a TTL of {last}")))
        .excludes("{a} demands a TTL", id == "unacknowledged" && demands_none);
    (id, found)
}

/// Another address of ours to which the neighbour connects, in words.
pub(super) fn connects_elsewhere(facts: &Facts) -> Option<String> {
    let wire = facts.wire.as_ref()?;
    // What a connection came of is told by that.
    let used = |address: IpAddr| facts.attempts.iter().any(|attempt| attempt.local == Some(address));
    let elsewhere = wire.syns.iter().filter(|(address, last, _)| !used(*address) && *last <= RECENT);
    let (address, last, times) = elsewhere.min_by(|a, b| a.1.total_cmp(&b.1))?;
    Some(format!(
        "{} itself connects to {address}, another address of this node: {times} SYNs in {}, the last {}",
        facts.neighbor,
        count(wire.seconds),
        ago(*last)
    ))
}

/// Another address of ours from which the neighbour took the probe's connection, though not from the one that BGP uses, in words.
pub(super) fn taken_from(facts: &Facts) -> Option<String> {
    let ((used, stage, end), others) = facts.probe.as_ref()?.sources.split_first()?;
    // An OPEN says more than a connection that only stays.
    let (address, how, _) =
        others.iter().filter(|source| is_taken(source)).max_by_key(|(_, stage, _)| *stage)?;
    let what = if *how == Stage::Opened { "was answered by an OPEN" } else { "stays open" };
    (*stage == Stage::Connected && is_closed(end)).then(|| {
        format!("the probe: a connection from {address} {what}, one from {used} is closed before an OPEN")
    })
}

/// Whether the neighbour took the probe's connection.
fn is_taken((_, stage, end): &(IpAddr, Stage, End)) -> bool {
    *stage == Stage::Opened || *stage == Stage::Connected && *end == End::Pending
}

/// That the neighbour took none of the probe's connections, from whichever of our addresses.
pub(super) fn not_taken(facts: &Facts) -> Option<String> {
    let sources = &facts.probe.as_ref()?.sources;
    let (_, others) = sources.split_first()?;
    let names: Vec<String> = others.iter().map(|(address, ..)| address.to_string()).collect();
    let none = !names.is_empty() && !sources.iter().any(is_taken);
    none.then(|| format!("the probe: connections from {} fare no better", names.join(", ")))
}
