//! What the node knows of itself: configuration, routes, the link-layer address of the next hop, counters.

use super::words::{ago, answered, protocol, rose, way};
use super::{Found, Row, attempts, ours};
use std::net::IpAddr;
use trunkline_view::facts::{Attempt, COUNTERS, Counters, End, Facts, Reach, Stage};

/// How old a connection must be to say nothing against a counter that rose meanwhile, in seconds.
const OLD: f64 = 60.0;

/// Where the operator wants no session.
pub(super) static STOPPED: &[Row<()>] = &[Row { id: "disabled-here", finds: disabled }];

/// What keeps a session down for sure.
pub(super) static CERTAIN: &[Row<()>] = &[
    Row { id: "local-address", finds: local_address },
    Row { id: "own-address", finds: own_address },
    Row { id: "interface-down", finds: interface_down },
    Row { id: "no-route", finds: no_route },
    Row { id: "arp-unanswered", finds: unanswered },
    Row { id: "multihop", finds: multihop },
    Row { id: "md5-one-side", finds: only_we_sign },
    Row { id: "md5-one-side", finds: only_they_sign },
    Row { id: "md5-differs", finds: keys_differ },
    Row { id: "ttl-dropped", finds: ttl_dropped },
    Row { id: "listen-queue", finds: queue_full },
];

/// What is left to say.
pub(super) static LAST: &[Row<()>] = &[
    Row { id: "stopped-here", finds: held },
    Row { id: "passive-here", finds: passive },
    Row { id: "stranger", finds: stranger },
];

fn disabled(facts: &Facts, (): &()) -> Option<Found> {
    let (why, _) = facts.stopped.as_ref().filter(|(_, wanted)| *wanted)?;
    Some(Found::new(facts.neighbor, "").seen(why.clone()))
}

fn held(facts: &Facts, (): &()) -> Option<Found> {
    let (why, _) = facts.stopped.as_ref().filter(|(_, wanted)| !wanted)?;
    Some(Found::new(facts.neighbor, "").seen(why.clone()))
}

fn local_address(facts: &Facts, (): &()) -> Option<Found> {
    let (address, _) = facts.config.local_address.filter(|(_, here)| !here)?;
    let failed = facts.attempts.iter().find(|attempt| matches!(attempt.end, End::Failed(_)));
    let words = failed.map(|attempt| super::words::attempt(facts, attempt));
    Some(
        Found::new(facts.neighbor, address)
            .seen(format!("no interface has the address {address}"))
            .seen_if(words),
    )
}

fn own_address(facts: &Facts, (): &()) -> Option<Found> {
    let here = facts.way.as_ref()?.reach == Reach::Here;
    here.then(|| Found::new(facts.neighbor, "").seen_if(way(facts)))
}

fn interface_down(facts: &Facts, (): &()) -> Option<Found> {
    let way = facts.way.as_ref().filter(|way| !way.up)?;
    let name = way.interface.as_ref()?;
    Some(
        Found::new(facts.neighbor, name)
            .seen(format!("the interface {name} has no carrier, or is switched off"))
            .seen_if(super::words::way(facts)),
    )
}

fn no_route(facts: &Facts, (): &()) -> Option<Found> {
    let way = facts.way.as_ref();
    let nowhere = way.is_some_and(|way| matches!(way.reach, Reach::Nowhere(_)));
    let refused = |attempt: &&Attempt| matches!(attempt.end, End::NoRoute(_));
    let failed = newest(facts).filter(refused);
    if !nowhere && (failed.is_none() || way.is_some()) {
        return None;
    }
    Some(
        Found::new(facts.neighbor, "")
            .seen_if(super::words::way(facts))
            .seen_if(failed.map(|attempt| super::words::attempt(facts, attempt))),
    )
}

/// Our newest connection.
fn newest(facts: &Facts) -> Option<&Attempt> {
    facts.attempts.iter().find(|attempt| attempt.ours)
}

/// Whether no connection has come further lately than `stage`.
fn none_beyond(facts: &Facts, stage: Stage) -> bool {
    facts.attempts.iter().all(|a| a.stage <= stage || (!attempts::is_running(a) && a.ago.1 > OLD))
}

/// Whether the newest connection of ours has not come further, nor any that there is.
fn still_connecting(facts: &Facts) -> bool {
    let beyond = |a: &Attempt| a.stage > Stage::Connecting;
    !newest(facts).is_some_and(beyond) && !facts.attempts.iter().any(|a| attempts::is_running(a) && beyond(a))
}

fn unanswered(facts: &Facts, (): &()) -> Option<Found> {
    let way = facts.way.as_ref()?;
    let state = way.next_hop.as_deref().filter(|state| matches!(*state, "failed" | "incomplete"))?;
    if !still_connecting(facts) {
        return None;
    }
    let target = match &way.reach {
        Reach::Via(gateway) => *gateway,
        _ => facts.neighbor,
    };
    // One question may still be on its way.
    let own = |by: &IpAddr| Some(*by) == way.source;
    let told = facts.attempts.iter().find(|a| matches!(&a.end, End::Icmp { by: Some(by), .. } if own(by)));
    if state == "incomplete" && told.is_none() && newest(facts).is_none_or(|a| a.times < 2 && a.lasted < 3.0)
    {
        return None;
    }
    let interface = way.interface.as_deref().unwrap_or("the interface");
    Some(
        Found::new(target, ours(facts, None))
            .seen(format!("the {} entry of {target} on {interface} is {state}", protocol(facts)))
            .seen_if(super::words::way(facts).filter(|_| target != facts.neighbor))
            .excludes("the answer takes another way", true)
            .seen_if(newest(facts).map(|attempt| super::words::attempt(facts, attempt))),
    )
}

fn multihop(facts: &Facts, (): &()) -> Option<Found> {
    let external = facts.asn.0 != facts.asn.1;
    let via = matches!(facts.way.as_ref()?.reach, Reach::Via(_));
    if !external || !via || facts.config.ttl != Some(1) || !still_connecting(facts) {
        return None;
    }
    let exceeded = |a: &&Attempt| matches!(a.end, End::Icmp { exceeded: true, .. });
    let told = facts.attempts.iter().find(exceeded).or_else(|| newest(facts));
    Some(
        Found::new(facts.neighbor, ours(facts, None))
            .seen(format!(
                "AS {} is not ours ({}), and neither multihop nor ttl-security is configured",
                facts.asn.0, facts.asn.1
            ))
            .seen_if(way(facts))
            .seen_if(told.map(|attempt| super::words::attempt(facts, attempt))),
    )
}

/// A counter that rose while nothing else came of the neighbour, with what could have moved it too.
fn counter<'a>(facts: &'a Facts, name: &str, others: u32, beyond: Stage) -> Option<&'a Counters> {
    let counters = facts.counters.as_ref()?;
    (counters.rose(name) > 0 && others == 0 && none_beyond(facts, beyond)).then_some(counters)
}

fn by_counter(facts: &Facts, ends: Found, counters: &Counters, name: &str) -> Found {
    let mut found = ends.seen(rose(counters, name));
    found.seen.push(match facts.others.down {
        0 => "the counter is of all connections; no other neighbor is down".to_owned(),
        others => format!(
            "the counter is of all connections; {others} other neighbors are down, but none whose configuration could move it"
        ),
    });
    let attempt = newest(facts).map(|attempt| super::words::attempt(facts, attempt));
    found
        .also
        .push("somebody who is no neighbor has moved the counter, and this has another cause".to_owned());
    found.seen_if(attempt)
}

fn signs_md5(facts: &Facts) -> bool {
    facts.config.signs.as_deref() == Some("TCP MD5")
}

fn only_we_sign(facts: &Facts, (): &()) -> Option<Found> {
    let name = "TCPMD5NotFound";
    let counters =
        counter(facts, name, facts.others.signing, Stage::Connecting).filter(|_| signs_md5(facts))?;
    let found = Found::new(ours(facts, None), facts.neighbor)
        .seen("a password is configured here, and segments that should be signed with it come unsigned");
    Some(by_counter(facts, found, counters, name))
}

fn only_they_sign(facts: &Facts, (): &()) -> Option<Found> {
    let name = "TCPMD5Unexpected";
    let counters = counter(facts, name, facts.others.unsigned, Stage::Connecting)
        .filter(|_| facts.config.signs.is_none())?;
    let found = Found::new(facts.neighbor, ours(facts, None))
        .seen("no password is configured here, and segments come that are signed");
    Some(by_counter(facts, found, counters, name))
}

fn keys_differ(facts: &Facts, (): &()) -> Option<Found> {
    let name = "TCPMD5Failure";
    let counters =
        counter(facts, name, facts.others.signing, Stage::Connecting).filter(|_| signs_md5(facts))?;
    let found = Found::new(facts.neighbor, ours(facts, None))
        .seen("segments come whose signature does not fit the password that is configured here");
    Some(by_counter(facts, found, counters, name))
}

fn ttl_dropped(facts: &Facts, (): &()) -> Option<Found> {
    let least = facts.config.min_ttl?;
    for name in ["TCPMinTTLDrop", "tcpTtlDrops"] {
        if let Some(counters) = counter(facts, name, facts.others.demanding, Stage::Connected) {
            let found = Found::new(facts.neighbor, ours(facts, None))
                .seen(format!("what comes from {} must have a TTL of at least {least}", facts.neighbor));
            let hops = facts
                .probe
                .as_ref()
                .and_then(|probe| probe.small.as_ref())
                .map(|found| format!("the probe was answered by {}", answered(found)));
            return Some(by_counter(facts, found, counters, name).seen_if(hops));
        }
    }
    None
}

fn queue_full(facts: &Facts, (): &()) -> Option<Found> {
    let name = ["ListenOverflows", "TCPReqQFullDrop", "tcpListenDrops"]
        .into_iter()
        .find(|name| counter(facts, name, 0, Stage::Connecting).is_some())?;
    let counters = facts.counters.as_ref()?;
    Some(Found::new(facts.neighbor, ours(facts, None)).seen(rose(counters, name)))
}

fn passive(facts: &Facts, (): &()) -> Option<Found> {
    if !facts.config.passive || facts.stopped.is_some() || facts.attempts.iter().any(|a| !a.ours) {
        return None;
    }
    let mut found = Found::new(facts.neighbor, "")
        .seen(format!(
            "passive = true for {}, which has not connected for {}",
            facts.neighbor,
            super::count(facts.state.1)
        ))
        .seen_if(way(facts))
        .seen_if(quiet_counters(facts));
    if let Some(probe) = &facts.probe {
        let tcp = match &probe.tcp {
            Some(End::Closed) => Some("a connection to its port was accepted: it listens".to_owned()),
            Some(End::Refused) => {
                Some("a connection to its port was refused: nobody listens there".to_owned())
            }
            Some(End::NoAnswer) => Some("a connection to its port got no answer".to_owned()),
            _ => None,
        };
        found = found.seen_if(tcp).seen_if(probed(facts));
    }
    Some(found)
}

/// What the probe's datagrams found.
pub(super) fn probed(facts: &Facts) -> Option<String> {
    let probe = facts.probe.as_ref()?;
    Some(match &probe.small {
        Some(found) if found.by == facts.neighbor => {
            format!("the probe was answered by {}: the host is up", answered(found))
        }
        Some(found) => format!("the probe was answered by {}", answered(found)),
        None => "the probe (UDP to a high port) got no answer".to_owned(),
    })
}

/// That no counter says why.
pub(super) fn quiet_counters(facts: &Facts) -> Option<String> {
    let counters = facts.counters.as_ref()?;
    let rose: Vec<String> =
        COUNTERS.iter().filter(|name| counters.rose(name) > 0).map(|name| rose(counters, name)).collect();
    Some(match rose.is_empty() {
        true => format!(
            "no counter of {} that tells of signatures, TTL or full queues rose in {}",
            counters.whose,
            super::count(counters.seconds)
        ),
        false => format!(
            "{}; {} other neighbors are down that could have moved it",
            rose.join(", "),
            facts.others.down
        ),
    })
}

fn stranger(facts: &Facts, (): &()) -> Option<Found> {
    let alike = |(address, at, _): &&(IpAddr, f64, u32)| {
        address.is_ipv4() == facts.neighbor.is_ipv4() && *at < super::RECENT
    };
    let (address, at, times) = facts.strangers.iter().filter(alike).min_by(|a, b| a.1.total_cmp(&b.1))?;
    let words = format!("{times} connections of {address} were turned away, the last {}", ago(*at));
    Some(Found::new(facts.neighbor, address).seen(words))
}
