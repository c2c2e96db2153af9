//! What is wrong with a session that is up.

use super::words::{answered, count};
use super::{Found, Row, attempts, ours, wire};
use trunkline_view::facts::{Facts, Tcp, Up};

/// Seconds after which routes should have come. End-of-RIB says it no sooner: FRR's comes a second or two before its first route.
const SETTLED: f64 = 5.0;

/// Times that a segment was sent again, or the window probed.
const LOST: u32 = 3;

/// What is looked for.
pub(super) static ROWS: &[Row<()>] = &[
    Row { id: "zero-window", finds: zero_window },
    Row { id: "mtu-black-hole", finds: sends_in_vain },
    Row { id: "mtu-black-hole", finds: receives_in_vain },
    Row { id: "ttl-security", finds: |facts, ()| unacknowledged(facts, "ttl-security") },
    Row { id: "unacknowledged", finds: |facts, ()| unacknowledged(facts, "unacknowledged") },
    Row { id: "no-common-family", finds: no_family },
    Row { id: "import-refuses", finds: import_refuses },
    Row { id: "own-as", finds: own_as },
    Row { id: "none-used", finds: none_used },
    Row { id: "no-routes", finds: no_routes },
    Row { id: "nothing-announced", finds: nothing_announced },
    Row { id: "export-refuses", finds: export_refuses },
];

/// What TCP knows of a connection, in words.
pub(super) fn tcp_words(tcp: &Tcp) -> String {
    let mut parts = vec![format!(
        "TCP: {} octets acknowledged, {} received, the last {} before",
        tcp.acknowledged,
        tcp.received,
        count(tcp.silent)
    )];
    if tcp.unacknowledged > 0 {
        parts.push(format!(
            "{} segments with {} octets not acknowledged, the oldest sent again {} times",
            tcp.unacknowledged, tcp.in_flight, tcp.retransmits
        ));
    }
    if tcp.waiting > 0 {
        parts.push(format!("{} octets wait to be sent", tcp.waiting));
    }
    if tcp.window_probes > 0 || tcp.window == Some(0) {
        parts.push(format!("the peer's window is closed, probed {} times", tcp.window_probes));
    }
    if tcp.window_limited > 0.0 {
        parts.push(format!("its window kept us from sending for {} in all", count(tcp.window_limited)));
    }
    if tcp.ahead_of_gap > 0 {
        parts.push("later segments are here while an earlier one is missing".to_owned());
    }
    parts.join("; ")
}

fn tcp(facts: &Facts) -> Option<&Tcp> {
    facts.tcp.iter().find(|tcp| tcp.ended.is_none())
}

fn zero_window(facts: &Facts, (): &()) -> Option<Found> {
    let tcp = tcp(facts)?;
    let closed = tcp.window_probes >= LOST || tcp.window == Some(0) && tcp.window_probes > 0;
    closed.then(|| Found::new(facts.neighbor, ours(facts, None)).seen(tcp_words(tcp)))
}

/// Seconds between KEEPALIVEs, with some patience.
fn keepalive(facts: &Facts) -> f64 {
    let hold = facts.up.as_ref().map_or(0, |up| up.hold_time);
    if hold == 0 { f64::INFINITY } else { f64::from(hold) / 3.0 * 1.3 }
}

fn sends_in_vain(facts: &Facts, (): &()) -> Option<Found> {
    let tcp = tcp(facts)?;
    if tcp.retransmits < LOST || !attempts::sends_in_vain(tcp) || tcp.silent > keepalive(facts) {
        return None;
    }
    let mut found = Found::new(ours(facts, None), facts.neighbor).seen(tcp_words(tcp));
    if let Some((size, large)) = facts.probe.as_ref().and_then(|probe| probe.large.as_ref()) {
        let small = facts.probe.as_ref().and_then(|probe| probe.small.as_ref());
        match (small, large) {
            (Some(_), None) => {
                found = found
                    .seen(format!("the probe: a small datagram is answered, one of {size} octets is not"))
                    .excludes("a link that loses", true);
            }
            (_, Some(large)) => {
                let words =
                    format!("the probe: a datagram of {size} octets was answered by {}", answered(large));
                found = found.seen(words);
            }
            (None, None) => {}
        }
    }
    Some(found)
}

fn unacknowledged(facts: &Facts, rule: &str) -> Option<Found> {
    let lost = |tcp: &&Tcp| tcp.retransmits >= LOST && attempts::small_in_vain(tcp);
    let tcp = tcp(facts).filter(lost).filter(|tcp| tcp.silent <= keepalive(facts))?;
    let (id, found) = wire::in_vain(facts, None, Some(tcp));
    (id == rule).then_some(found)
}

fn receives_in_vain(facts: &Facts, (): &()) -> Option<Found> {
    let tcp = tcp(facts)?;
    let gap = tcp.ahead_of_gap > 0 && tcp.received > 0 && tcp.silent > SETTLED;
    gap.then(|| Found::new(facts.neighbor, ours(facts, None)).seen(tcp_words(tcp)))
}

fn up(facts: &Facts) -> Option<&Up> {
    facts.up.as_ref()
}

fn no_family(facts: &Facts, (): &()) -> Option<Found> {
    let none = up(facts)?.families.is_empty();
    none.then(|| {
        Found::new(facts.neighbor, ours(facts, None))
            .seen("the OPENs have no family in common of those that have a table here")
    })
}

fn counted(up: &Up) -> String {
    format!("{} prefixes received, {} accepted, {} sent", up.received, up.accepted, up.advertised)
}

fn import_refuses(facts: &Facts, (): &()) -> Option<Found> {
    let up = up(facts).filter(|up| up.received > 0 && up.accepted == 0)?;
    let refuses = facts.config.refuses_all.0;
    refuses.then(|| Found::new(facts.neighbor, ours(facts, None)).seen(counted(up)))
}

/// The reason for which all that was received is not used.
fn unused(up: &Up) -> Option<&str> {
    let all = up.unused.iter().fold(0, |sum: u64, (_, count)| sum.saturating_add(*count));
    let (why, _) = up.unused.first()?;
    (up.received > 0 && all >= up.received).then_some(why.as_str())
}

fn in_detail(up: &Up, mut found: Found) -> Found {
    for (why, count) in up.unused.iter().take(4) {
        found = found.seen(format!("{count} not used: {why}"));
    }
    found.seen(counted(up))
}

fn is_own_as(why: &str) -> bool {
    why.starts_with("our AS stands in AS_PATH")
}

fn own_as(facts: &Facts, (): &()) -> Option<Found> {
    let up = up(facts)?;
    let own = unused(up).is_some_and(is_own_as);
    own.then(|| {
        in_detail(up, Found::new(facts.neighbor, format!("AS {}", facts.asn.1)))
            .excludes("{b} allows its own AS", true)
    })
}

fn none_used(facts: &Facts, (): &()) -> Option<Found> {
    let up = up(facts)?;
    let other = unused(up).is_some_and(|why| !is_own_as(why)) && !facts.config.refuses_all.0;
    other.then(|| in_detail(up, Found::new(facts.neighbor, "")))
}

fn settled(facts: &Facts) -> Option<&Up> {
    up(facts).filter(|up| !up.families.is_empty() && facts.state.1 >= SETTLED)
}

fn no_routes(facts: &Facts, (): &()) -> Option<Found> {
    let up = settled(facts).filter(|up| up.received == 0 && up.advertised == 0)?;
    let (import, export) = facts.config.refuses_all;
    let policies = match (import, export) {
        (true, true) => Some("import and export refuse everything here: no policy is configured (RFC 8212)"),
        (true, false) => Some("import refuses everything here"),
        (false, true) => Some("export refuses everything here: no policy is configured (RFC 8212)"),
        (false, false) => None,
    };
    Some(
        Found::new(facts.neighbor, ours(facts, None))
            .seen(counted(up))
            .seen_if(policies.map(str::to_owned))
            .excludes("routes were announced before", true),
    )
}

fn nothing_announced(facts: &Facts, (): &()) -> Option<Found> {
    let up = settled(facts).filter(|up| up.received == 0 && up.advertised > 0)?;
    Some(Found::new(facts.neighbor, ours(facts, None)).seen(counted(up)))
}

fn export_refuses(facts: &Facts, (): &()) -> Option<Found> {
    let up = settled(facts).filter(|up| up.advertised == 0)?;
    facts.config.refuses_all.1.then(|| Found::new(facts.neighbor, "").seen(counted(up)))
}
