//! What the connections tell, by how far they came and how they ended.

use super::here::{probed, quiet_counters};
use super::words::{attempt as in_words, count, way};
use super::{Found, Row, ours, wire};
use crate::rules::{Rule, rules};
use trunkline_view::facts::{Attempt, End, Facts, Reach, Stage, Tcp, Told};

/// Connections that ended within so many seconds of one another tell of the same trouble.
pub(super) const RECENT: f64 = 60.0;

/// Seconds after which an answer is overdue.
const OVERDUE: f64 = 4.0;

/// Times that a segment was sent again before it counts as lost.
const LOST: u32 = 2;

/// Octets of an OPEN with all its capabilities, and no more messages.
pub(super) const OPEN: u64 = 150;

/// Collisions that are no accident.
const COLLISIONS: u64 = 3;

/// How connections end without a NOTIFICATION, or do not end.
pub(super) static ROWS: &[Row<Attempt>] = &[
    Row { id: "refused", finds: refused },
    Row { id: "arp-unanswered", finds: no_neighbor },
    Row { id: "ttl-exceeded", finds: exceeded },
    Row { id: "unreachable", finds: unreachable },
    Row { id: "md5-silence", finds: |facts, a| silence(facts, a, Some("TCP MD5")) },
    Row { id: "ao-silence", finds: |facts, a| silence(facts, a, Some("TCP-AO")) },
    Row { id: "silence", finds: |facts, a| silence(facts, a, None) },
    Row { id: "gave-up", finds: gave_up },
    Row { id: "ttl-security", finds: |facts, a| unacknowledged(facts, a, "ttl-security") },
    Row { id: "unacknowledged", finds: |facts, a| unacknowledged(facts, a, "unacknowledged") },
    Row { id: "open-unanswered", finds: unanswered },
    Row { id: "update-source", finds: update_source },
    Row { id: "held-down", finds: |facts, a| closed(facts, a, true) },
    Row { id: "closed-before-open", finds: |facts, a| closed(facts, a, false) },
    Row { id: "stuck-after-open", finds: stuck },
    Row { id: "dropped-after-open", finds: dropped },
    Row { id: "mtu-black-hole", finds: black_hole },
    Row { id: "zero-window", finds: not_reading },
    Row { id: "broken-off", finds: broken_off },
    Row { id: "cannot-connect", finds: cannot },
];

/// Rules that say only that nothing came back; where it is known why, they add nothing.
pub(super) const SILENCE: &[&str] =
    &["silence", "md5-silence", "ao-silence", "cannot-connect", "unreachable", "ttl-exceeded"];

/// Whether it has not ended.
pub(super) fn is_running(attempt: &Attempt) -> bool {
    attempt.end == End::Pending
}

/// Whether a NOTIFICATION says why it ended.
pub(super) fn has_reason(attempt: &Attempt) -> bool {
    matches!(attempt.end, End::Sent(_) | End::Received(_))
}

/// Whether it tells less than any other.
pub(super) fn says_nothing(attempt: &Attempt) -> bool {
    match &attempt.end {
        End::Closed | End::Reset => attempt.stage <= Stage::Connected,
        End::Pending => attempt.lasted < OVERDUE || attempt.stage == Stage::Connecting,
        End::Dropped(_) => true,
        End::Sent(told) | End::Received(told) => told.code == (6, 7),
        _ => false,
    }
}

/// Seconds that a connection waited for what did not come.
fn overdue(attempt: &Attempt) -> bool {
    is_running(attempt) && attempt.lasted >= OVERDUE
}

/// What a NOTIFICATION says, where no more is known than that.
pub(super) fn told(facts: &Facts, attempt: &Attempt) -> Option<(&'static Rule, Found)> {
    let us = ours(facts, Some(attempt));
    let (told, ends) = match &attempt.end {
        End::Sent(told) => (told, Found::new(us, facts.neighbor)),
        End::Received(told) => (told, Found::new(facts.neighbor, us)),
        _ => return None,
    };
    let from_us = matches!(attempt.end, End::Sent(_));
    let peer = || Found::new(facts.neighbor, ours(facts, Some(attempt)));
    let sharper = |id: &str, found: Found| {
        Some((Rule::named(id)?, found.seen(in_words(facts, attempt)).seen_if(tcp_words(facts, attempt))))
    };
    let tcp = facts.tcp_of(attempt);
    let in_vain = || {
        let (id, found) = wire::in_vain(facts, Some(attempt), tcp);
        Some((Rule::named(id)?, found))
    };
    match (told.code, from_us, attempt.stage) {
        ((1, _), true, Stage::Connected) => return sharper("foreign", peer()),
        ((4, _), true, Stage::Opened | Stage::Connected) if tcp.is_some_and(small_in_vain) => {
            return in_vain();
        }
        ((4, _), true, Stage::Opened) => return sharper("stuck-after-open", peer()),
        ((4, _), true, Stage::Connected) => return sharper("open-unanswered", peer()),
        ((4 | 8, _), _, Stage::Established) if tcp.is_some_and(window_closed) => {
            return sharper("zero-window", peer());
        }
        // The peer says, or its KEEPALIVEs say, that it is there: else the way is dead for all packets.
        ((4, _), false, Stage::Established) | ((8, _), true, Stage::Established)
            if tcp.is_some_and(sends_in_vain) =>
        {
            return sharper("mtu-black-hole", Found::new(ours(facts, Some(attempt)), facts.neighbor));
        }
        ((4, _), false, Stage::Established) | ((8, _), true, Stage::Established)
            if tcp.is_some_and(small_in_vain) =>
        {
            return in_vain();
        }
        // Silent, but from the start: all it has ever taken is the OPEN.
        ((4, _), true, Stage::Established)
            if tcp.is_some_and(|tcp| small_in_vain(tcp) && tcp.acknowledged < OPEN) =>
        {
            return in_vain();
        }
        ((4, _), true, Stage::Established) if tcp.is_some_and(receives_in_vain) => {
            return sharper("mtu-black-hole", peer());
        }
        ((6, 7), ..) => {
            let collisions = facts.attempts.iter().filter(|a| is_collision(a));
            let all: u64 = collisions.map(|a| u64::from(a.times)).sum();
            if all < COLLISIONS || facts.up.is_some() {
                return None;
            }
        }
        _ => {}
    }
    let found = ends.seen(in_words(facts, attempt)).seen_if(tcp_words(facts, attempt));
    Some((of_code(told)?, found))
}

fn is_collision(attempt: &Attempt) -> bool {
    matches!(&attempt.end, End::Sent(told) | End::Received(told) if told.code == (6, 7))
}

fn of_code(told: &Told) -> Option<&'static Rule> {
    let (code, subcode) = told.code;
    let fits = |rule: &&'static Rule| {
        rule.notification.is_some_and(|(c, s)| c == code && s.is_none_or(|s| s == subcode))
    };
    rules().find(fits).or_else(|| Rule::named("unknown-error"))
}

fn peer(facts: &Facts, attempt: &Attempt) -> Found {
    Found::new(facts.neighbor, ours(facts, Some(attempt))).seen(in_words(facts, attempt))
}

fn refused(facts: &Facts, attempt: &Attempt) -> Option<Found> {
    (attempt.end == End::Refused).then(|| peer(facts, attempt).seen_if(way(facts)).seen_if(probed(facts)))
}

/// The system itself says that the next hop has no link-layer address.
fn no_neighbor(facts: &Facts, attempt: &Attempt) -> Option<Found> {
    let End::Icmp { by: Some(by), .. } = &attempt.end else { return None };
    let way = facts.way.as_ref().filter(|way| way.source == Some(*by))?;
    let target = match &way.reach {
        Reach::Via(gateway) => *gateway,
        _ => facts.neighbor,
    };
    Some(Found::new(target, by).seen(in_words(facts, attempt)).seen_if(super::words::way(facts)))
}

fn exceeded(facts: &Facts, attempt: &Attempt) -> Option<Found> {
    matches!(attempt.end, End::Icmp { exceeded: true, .. }).then(|| {
        let ttl = facts.config.ttl.map(|ttl| format!("packets to it leave with a TTL of {ttl}"));
        peer(facts, attempt).seen_if(ttl).seen_if(way(facts))
    })
}

fn unreachable(facts: &Facts, attempt: &Attempt) -> Option<Found> {
    matches!(attempt.end, End::Icmp { exceeded: false, .. })
        .then(|| peer(facts, attempt).seen_if(way(facts)).seen_if(probed(facts)))
}

fn silence(facts: &Facts, attempt: &Attempt, signed: Option<&str>) -> Option<Found> {
    let silent = attempt.end == End::NoAnswer || overdue(attempt);
    if !silent || attempt.stage != Stage::Connecting || facts.config.signs.as_deref() != signed {
        return None;
    }
    let way_there = facts.way.as_ref();
    let next_hop = way_there.and_then(|way| way.next_hop.as_deref());
    // Then the SYN has not left.
    if matches!(next_hop, Some("incomplete" | "failed")) {
        return None;
    }
    let direct = way_there.is_some_and(|way| way.reach == Reach::Direct);
    let answers = direct && matches!(next_hop, Some("reachable" | "stale" | "delay" | "probe"))
        || facts.probe.as_ref().and_then(|p| p.small.as_ref()).is_some_and(|a| a.by == facts.neighbor);
    let signs = signed.map(|how| format!("segments to it are signed ({how})"));
    Some(
        peer(facts, attempt)
            .seen_if(signs)
            .seen_if(way(facts))
            .seen_if(quiet_counters(facts))
            .seen_if(probed(facts))
            .excludes("{a} is not the right address", answers)
            .excludes("{a} demands a TTL", facts.config.ttl == Some(255)),
    )
}

fn gave_up(facts: &Facts, attempt: &Attempt) -> Option<Found> {
    let ended = matches!(attempt.end, End::Closed | End::Reset);
    (ended && !attempt.ours && attempt.stage == Stage::Connected).then(|| peer(facts, attempt))
}

/// Segments are sent again and again, small ones too.
pub(super) fn small_in_vain(tcp: &Tcp) -> bool {
    !window_closed(tcp) && !is_large(tcp) && tcp.unacknowledged > 0 && tcp.retransmits >= LOST
}

/// Whether what is on the way are mostly full segments.
pub(super) fn is_large(tcp: &Tcp) -> bool {
    tcp.in_flight.saturating_mul(2) > u64::from(tcp.unacknowledged) * u64::from(tcp.mss)
}

pub(super) fn window_closed(tcp: &Tcp) -> bool {
    tcp.window_probes >= LOST || tcp.window == Some(0) && tcp.waiting > 0
}

/// Large segments are lost: small ones were acknowledged before, and the other end is heard.
pub(super) fn sends_in_vain(tcp: &Tcp) -> bool {
    let lost = tcp.unacknowledged > 0 && tcp.retransmits >= LOST;
    lost && !window_closed(tcp) && is_large(tcp) && tcp.acknowledged > 0
}

/// Later segments come, one before them never does.
fn receives_in_vain(tcp: &Tcp) -> bool {
    tcp.received > 0 && tcp.ahead_of_gap > 0
}

/// What TCP knows of it, where it is of this connection.
fn tcp_words(facts: &Facts, attempt: &Attempt) -> Option<String> {
    let tcp = facts.tcp_of(attempt).filter(|_| attempt.stage > Stage::Connecting)?;
    Some(super::up::tcp_words(tcp))
}

fn unacknowledged(facts: &Facts, attempt: &Attempt, rule: &str) -> Option<Found> {
    let tcp = facts.tcp_of(attempt);
    let waits = overdue(attempt) && attempt.stage != Stage::Established && tcp.is_some_and(small_in_vain);
    if !(waits || attempt.end == End::NoAnswer) || attempt.stage < Stage::Connected {
        return None;
    }
    let (id, found) = wire::in_vain(facts, Some(attempt), tcp);
    (id == rule).then_some(found)
}

fn unanswered(facts: &Facts, attempt: &Attempt) -> Option<Found> {
    let waits = overdue(attempt) && attempt.stage == Stage::Connected;
    waits.then(|| peer(facts, attempt).seen_if(tcp_words(facts, attempt)))
}

fn closed(facts: &Facts, attempt: &Attempt, known: bool) -> Option<Found> {
    if !wire::closed_early(attempt) || known != (facts.established > 0) {
        return None;
    }
    let local = attempt.local;
    let others: Vec<String> =
        facts.addresses.iter().filter(|address| Some(**address) != local).map(ToString::to_string).collect();
    let source = (facts.config.local_address.is_none() && !others.is_empty()).then(|| {
        format!(
            "no local-address is configured; this node has other addresses by which {} may know it: {}",
            facts.neighbor,
            others.join(", ")
        )
    });
    Some(peer(facts, attempt).seen_if(source).seen_if(wire::not_taken(facts)))
}

/// The neighbour wants another address of ours: it connects to it, or takes connections from it.
fn update_source(facts: &Facts, attempt: &Attempt) -> Option<Found> {
    let (connects, takes) = (wire::connects_elsewhere(facts), wire::taken_from(facts));
    let shown = wire::closed_early(attempt) && (connects.is_some() || takes.is_some());
    shown.then(|| {
        peer(facts, attempt)
            .seen_if(connects)
            .seen_if(takes)
            .excludes("the other address is that of another router", true)
    })
}

fn stuck(facts: &Facts, attempt: &Attempt) -> Option<Found> {
    let waits = overdue(attempt) && attempt.stage == Stage::Opened;
    waits.then(|| peer(facts, attempt).seen_if(tcp_words(facts, attempt)))
}

fn dropped(facts: &Facts, attempt: &Attempt) -> Option<Found> {
    let ended = matches!(attempt.end, End::Closed | End::Reset);
    (ended && attempt.stage == Stage::Opened).then(|| peer(facts, attempt))
}

fn ended_up(attempt: &Attempt) -> bool {
    matches!(attempt.end, End::Closed | End::Reset) && attempt.stage == Stage::Established
}

fn black_hole(facts: &Facts, attempt: &Attempt) -> Option<Found> {
    let tcp = facts.tcp_of(attempt).filter(|tcp| sends_in_vain(tcp)).filter(|_| ended_up(attempt))?;
    let found = Found::new(ours(facts, Some(attempt)), facts.neighbor);
    Some(found.seen(in_words(facts, attempt)).seen(super::up::tcp_words(tcp)))
}

fn not_reading(facts: &Facts, attempt: &Attempt) -> Option<Found> {
    let tcp = facts.tcp_of(attempt).filter(|tcp| window_closed(tcp))?;
    ended_up(attempt).then(|| peer(facts, attempt).seen(super::up::tcp_words(tcp)))
}

fn broken_off(facts: &Facts, attempt: &Attempt) -> Option<Found> {
    ended_up(attempt).then(|| peer(facts, attempt).seen_if(tcp_words(facts, attempt)))
}

fn cannot(facts: &Facts, attempt: &Attempt) -> Option<Found> {
    let End::Failed(why) = &attempt.end else { return None };
    let found = Found::new(facts.neighbor, why).seen(in_words(facts, attempt));
    Some(found.seen_if(facts.rests.map(|left| format!("it is tried again in {}", count(left)))))
}
