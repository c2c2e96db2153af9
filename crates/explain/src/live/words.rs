//! Times, connections and ways in words.

use trunkline_view::facts::{Answered, Attempt, Counters, End, Facts, Reach, Stage};

/// "12 s", "3 min", "2 h".
pub(super) fn count(seconds: f64) -> String {
    match seconds {
        s if s < 10.0 => format!("{s:.1} s"),
        s if s < 120.0 => format!("{s:.0} s"),
        s if s < 7200.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.0} h", s / 3600.0),
    }
}

/// "12 s ago".
pub(super) fn ago(seconds: f64) -> String {
    format!("{} ago", count(seconds))
}

/// What became of connections that ended alike.
pub(super) fn attempt(facts: &Facts, attempt: &Attempt) -> String {
    let who = match (attempt.ours, attempt.local) {
        (true, Some(local)) => format!("the connection from {local}"),
        (true, None) => "the connection".to_owned(),
        (false, Some(local)) => format!("a connection of {} to {local}", facts.neighbor),
        (false, None) => format!("a connection of {}", facts.neighbor),
    };
    let stage = match attempt.stage {
        Stage::Connecting => "",
        Stage::Connected => ", before any message of the peer",
        Stage::Opened => ", after the OPENs",
        Stage::Established => ", when the session was up",
    };
    let end = match &attempt.end {
        End::Pending => return format!("{who} is open for {}{stage}", count(attempt.lasted)),
        End::Refused => "was refused (RST in answer to the SYN)".to_owned(),
        End::NoAnswer => format!("got no answer for {}", count(attempt.lasted)),
        End::NoRoute(why) => format!("could not begin: {why}"),
        End::Icmp { by: Some(by), what, .. } => format!("got an ICMP error of {by}: {what}"),
        End::Icmp { by: None, what, .. } => format!("failed: {what}"),
        End::Closed => format!("was closed by the peer{stage}, {} after it began", count(attempt.lasted)),
        End::Reset => format!("was reset by the peer{stage}, {} after it began", count(attempt.lasted)),
        End::Failed(why) => format!("failed: {why}"),
        End::Sent(told) if told.why.is_empty() => {
            format!("ended with our NOTIFICATION {}{stage}", told.words)
        }
        End::Sent(told) => format!("ended with our NOTIFICATION {}: {}", told.words, told.why),
        End::Received(told) => format!("ended with the NOTIFICATION {} of the peer{stage}", told.words),
        End::Dropped(why) => format!("was ended here: {why}"),
    };
    if attempt.times > 1 {
        let (since, last) = (count(attempt.ago.0), ago(attempt.ago.1));
        return format!("{who} {end}; {} times in {since}, the last time {last}", attempt.times);
    }
    format!("{who} {end}; {}", ago(attempt.ago.1))
}

/// How packets get there.
pub(super) fn way(facts: &Facts) -> Option<String> {
    let way = facts.way.as_ref()?;
    let by = way.interface.as_ref().map_or(String::new(), |name| format!(" by {name}"));
    let source = way.source.map_or(String::new(), |source| format!(" with the source address {source}"));
    let next_hop = way.next_hop.as_ref().map(|state| format!("; its {} entry is {state}", protocol(facts)));
    let next_hop = next_hop.unwrap_or_default();
    Some(match &way.reach {
        Reach::Nowhere(why) => format!("packets to {} go nowhere: {why}", facts.neighbor),
        Reach::Here => format!("{} is an address of this node", facts.neighbor),
        Reach::Direct => format!("packets to it leave{by}{source}, where it is directly connected{next_hop}"),
        Reach::Via(gateway) => format!("packets to it leave{by}{source}, to the router {gateway}{next_hop}"),
    })
}

/// The protocol that finds link-layer addresses.
pub(super) fn protocol(facts: &Facts) -> &'static str {
    if facts.neighbor.is_ipv4() { "ARP" } else { "neighbor discovery" }
}

/// That a counter rose.
pub(super) fn rose(counters: &Counters, name: &str) -> String {
    let (by, seconds) = (counters.rose(name), count(counters.seconds));
    format!("the counter {name} of {} rose by {by} in {seconds}", counters.whose)
}

/// What a probe got.
pub(super) fn answered(answered: &Answered) -> String {
    let ttl = answered.ttl.map_or(String::new(), |ttl| format!(", which came with TTL {ttl}"));
    format!("{} ({}{ttl})", answered.by, answered.what)
}
