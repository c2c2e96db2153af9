//! Arbitrary facts of a neighbor, judged: nothing panics, every verdict is of a rule that there is and shows something in whole
//! words, notes come last, a look at the wire or a probe changes no more than it may, and what is well is left alone.
#![no_main]

use arbitrary::{Result, Unstructured};
use libfuzzer_sys::{arbitrary, fuzz_target};
use std::collections::BTreeSet;
use std::net::IpAddr;
use trunkline_core::Asn;
use trunkline_explain::live::{asks_the_wire, is_wrong, judge, sources_to_try};
use trunkline_explain::rules::{Rule, Severity};
use trunkline_view::explain::Verdict;
use trunkline_view::facts::{
    Answered, Attempt, COUNTERS, Configured, Counters, End, Facts, Others, Probe, Reach, Stage, Tcp, Told,
    Up, Way, Wire,
};

/// The most elements of a list.
const MAX_LIST: usize = 4;

/// Around the rules' limits, and far off.
const SECONDS: &[f64] = &[
    0.0,
    0.4,
    1.0,
    2.0,
    2.9,
    3.0,
    3.9,
    4.0,
    5.0,
    9.96,
    10.0,
    59.0,
    60.0,
    61.0,
    119.7,
    599.0,
    600.0,
    7200.0,
    1e9,
    f64::MAX,
];

/// The same of what is counted.
const NUMBERS: &[u64] = &[
    0,
    1,
    2,
    3,
    4,
    10,
    59,
    149,
    150,
    1448,
    5792,
    65_535,
    1 << 31,
    u32::MAX as u64,
    i64::MAX as u64,
    u64::MAX,
];

/// TTLs, codes and subcodes.
const OCTETS: &[u8] = &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 63, 64, 127, 128, 129, 253, 254, 255];

/// What rules look for in words, and other words.
const WORDS: &[&str] = &[
    "",
    "x",
    "e0",
    "TCP MD5",
    "TCP-AO",
    "reachable",
    "stale",
    "delay",
    "probe",
    "incomplete",
    "failed",
    "permanent",
    "our AS stands in AS_PATH: a loop (RFC 4271 §9.1.2)",
    "no route to the next hop 203.0.113.1",
    "\u{1f500}\n\u{0}",
];

/// Rules between which the wire and a probe decide.
const SHARPENED: &[&str] =
    &["unacknowledged", "ttl-security", "update-source", "closed-before-open", "held-down"];

/// Rules that say only that nothing came back, and rules that say why, whatever else there is.
const SILENT: &[&str] =
    &["silence", "md5-silence", "ao-silence", "cannot-connect", "unreachable", "ttl-exceeded"];
const CERTAIN: &[&str] =
    &["local-address", "own-address", "interface-down", "no-route", "multihop", "ttl-dropped"];

fn seconds(u: &mut Unstructured<'_>) -> Result<f64> {
    Ok(*u.choose(SECONDS)?)
}

fn number(u: &mut Unstructured<'_>) -> Result<u64> {
    Ok(*u.choose(NUMBERS)?)
}

fn small(u: &mut Unstructured<'_>) -> Result<u32> {
    Ok(number(u)? as u32)
}

fn octet(u: &mut Unstructured<'_>) -> Result<u8> {
    Ok(*u.choose(OCTETS)?)
}

fn words(u: &mut Unstructured<'_>) -> Result<String> {
    let long = u.ratio(1, 32)?;
    let words = *u.choose(WORDS)?;
    Ok(if long { words.repeat(1000) } else { words.to_owned() })
}

/// Few, so that they coincide.
fn address(u: &mut Unstructured<'_>) -> Result<IpAddr> {
    let low = u.int_in_range(0..=3)?;
    Ok(match u.ratio(3, 4)? {
        true => IpAddr::from([192, 0, 2, low]),
        false => IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, u16::from(low)]),
    })
}

type Maker<T> = fn(&mut Unstructured<'_>) -> Result<T>;

fn maybe<T>(u: &mut Unstructured<'_>, make: Maker<T>) -> Result<Option<T>> {
    u.arbitrary::<bool>()?.then(|| make(u)).transpose()
}

fn list<T>(u: &mut Unstructured<'_>, make: Maker<T>) -> Result<Vec<T>> {
    (0..u.int_in_range(0..=MAX_LIST)?).map(|_| make(u)).collect()
}

fn stage(u: &mut Unstructured<'_>) -> Result<Stage> {
    Ok(*u.choose(&[Stage::Connecting, Stage::Connected, Stage::Opened, Stage::Established])?)
}

fn told(u: &mut Unstructured<'_>) -> Result<Told> {
    Ok(Told { code: (octet(u)?, octet(u)?), words: words(u)?, why: words(u)? })
}

fn end(u: &mut Unstructured<'_>) -> Result<End> {
    Ok(match u.int_in_range(0..=10)? {
        0 => End::Pending,
        1 => End::Refused,
        2 => End::NoAnswer,
        3 => End::NoRoute(words(u)?),
        4 => End::Icmp { by: maybe(u, address)?, what: words(u)?, exceeded: u.arbitrary()? },
        5 => End::Closed,
        6 => End::Reset,
        7 => End::Failed(words(u)?),
        8 => End::Sent(told(u)?),
        9 => End::Received(told(u)?),
        _ => End::Dropped(words(u)?),
    })
}

fn attempt(u: &mut Unstructured<'_>) -> Result<Attempt> {
    Ok(Attempt {
        ours: u.arbitrary()?,
        times: small(u)?,
        ago: (seconds(u)?, seconds(u)?),
        lasted: seconds(u)?,
        local: maybe(u, address)?,
        stage: stage(u)?,
        end: end(u)?,
    })
}

fn tcp(u: &mut Unstructured<'_>) -> Result<Tcp> {
    Ok(Tcp {
        ended: maybe(u, seconds)?,
        acknowledged: number(u)?,
        received: number(u)?,
        unacknowledged: small(u)?,
        in_flight: number(u)?,
        retransmits: small(u)?,
        waiting: number(u)?,
        mss: small(u)?,
        window_probes: small(u)?,
        window: maybe(u, small)?,
        window_limited: seconds(u)?,
        silent: seconds(u)?,
        ahead_of_gap: small(u)?,
        ttl: maybe(u, octet)?,
        data_segments: maybe(u, small)?,
    })
}

fn unused(u: &mut Unstructured<'_>) -> Result<(String, u64)> {
    Ok((words(u)?, number(u)?))
}

fn up(u: &mut Unstructured<'_>) -> Result<Up> {
    Ok(Up {
        families: list(u, words)?,
        received: number(u)?,
        accepted: number(u)?,
        advertised: number(u)?,
        unused: list(u, unused)?,
        hold_time: number(u)? as u16,
    })
}

fn way(u: &mut Unstructured<'_>) -> Result<Way> {
    let reach = match u.int_in_range(0..=5)? {
        0 => Reach::Nowhere(words(u)?),
        1 => Reach::Here,
        2 | 3 => Reach::Via(address(u)?),
        _ => Reach::Direct,
    };
    Ok(Way {
        reach,
        interface: maybe(u, words)?,
        up: u.ratio(3, 4)?,
        source: maybe(u, address)?,
        next_hop: maybe(u, words)?,
    })
}

fn rose(u: &mut Unstructured<'_>) -> Result<(String, u64)> {
    let name = if u.ratio(7, 8)? { (*u.choose(COUNTERS)?).to_owned() } else { words(u)? };
    Ok((name, number(u)?))
}

fn counters(u: &mut Unstructured<'_>) -> Result<Counters> {
    Ok(Counters { seconds: seconds(u)?, whose: words(u)?, rose: list(u, rose)? })
}

fn seen_at(u: &mut Unstructured<'_>) -> Result<(IpAddr, f64, u32)> {
    Ok((address(u)?, seconds(u)?, small(u)?))
}

fn wire(u: &mut Unstructured<'_>) -> Result<Wire> {
    let ttl = maybe(u, |u| Ok((octet(u)?, octet(u)?)))?;
    Ok(Wire { seconds: seconds(u)?, ttl, syns: list(u, seen_at)? })
}

fn answered(u: &mut Unstructured<'_>) -> Result<Answered> {
    Ok(Answered { by: address(u)?, what: words(u)?, ttl: maybe(u, octet)? })
}

fn probe(u: &mut Unstructured<'_>) -> Result<Probe> {
    Ok(Probe {
        small: maybe(u, answered)?,
        large: maybe(u, |u| Ok((small(u)?, maybe(u, answered)?)))?,
        tcp: maybe(u, end)?,
        sources: list(u, |u| Ok((address(u)?, stage(u)?, end(u)?)))?,
        left_out: list(u, words)?,
    })
}

fn configured(u: &mut Unstructured<'_>) -> Result<Configured> {
    Ok(Configured {
        passive: u.arbitrary()?,
        port: u.arbitrary()?,
        local_address: maybe(u, |u| Ok((address(u)?, u.ratio(3, 4)?)))?,
        signs: maybe(u, words)?,
        ttl: maybe(u, octet)?,
        min_ttl: maybe(u, octet)?,
        refuses_all: u.arbitrary()?,
    })
}

fn facts(u: &mut Unstructured<'_>) -> Result<Facts> {
    // What decides over most comes first, where it is easily found by chance.
    let up = if u.ratio(1, 3)? { Some(up(u)?) } else { None };
    let stopped = if u.ratio(1, 8)? { Some((words(u)?, u.arbitrary()?)) } else { None };
    let mut facts = Facts {
        neighbor: address(u)?,
        asn: (Asn(small(u)?), Asn(small(u)?)),
        attempts: list(u, attempt)?,
        tcp: list(u, tcp)?,
        config: configured(u)?,
        state: (words(u)?, seconds(u)?),
        stopped,
        rests: maybe(u, seconds)?,
        established: number(u)?,
        up,
        way: maybe(u, way)?,
        counters: maybe(u, counters)?,
        addresses: list(u, address)?,
        others: Others { down: small(u)?, signing: small(u)?, unsigned: small(u)?, demanding: small(u)? },
        strangers: list(u, seen_at)?,
        wire: maybe(u, wire)?,
        probe: maybe(u, probe)?,
    };
    // Nobody has a session with an address of its own: what goes either way could not be told apart.
    let neighbor = facts.neighbor;
    facts.config.local_address = facts.config.local_address.filter(|(address, _)| *address != neighbor);
    if let Some(way) = &mut facts.way {
        way.source = way.source.filter(|address| *address != neighbor);
    }
    Ok(facts)
}

/// What a verdict says besides what was seen.
fn texts(verdict: &Verdict) -> impl Iterator<Item = &String> {
    let lists = verdict.not_excluded.iter().chain(&verdict.try_next);
    lists.chain([&verdict.says, &verdict.rests_on])
}

fn check(facts: &Facts, verdicts: &[Verdict]) {
    for verdict in verdicts {
        let rule = Rule::named(&verdict.rule).expect("a verdict is of a rule");
        let was_up = facts.up.is_some() && verdict.severity == Severity::Warning.name();
        assert!(was_up || verdict.severity == rule.severity.name(), "{verdict:?}");
        assert!(!verdict.seen.is_empty(), "{verdict:?} shows nothing");
        assert!(!verdict.says.is_empty() && !verdict.rests_on.is_empty(), "{verdict:?}");
        for text in texts(verdict) {
            assert!(!text.contains("{a}") && !text.contains("{b}"), "{text}");
            // An end that the rule names and the judge does not know.
            assert!(!text.contains("  ") && !text.starts_with(' '), "{text}");
        }
        assert!(verdict.seen.iter().all(|text| !text.contains("NaN")), "{verdict:?}");
    }
    let all: BTreeSet<_> = verdicts.iter().map(|verdict| (&verdict.rule, &verdict.says)).collect();
    assert_eq!(all.len(), verdicts.len(), "twice the same: {verdicts:#?}");
    let is_note = |verdict: &Verdict| verdict.severity == Severity::Note.name();
    assert!(verdicts.is_sorted_by_key(is_note), "a note before what is wrong: {verdicts:#?}");
    assert_eq!(is_wrong(verdicts), verdicts.first().is_some_and(|verdict| !is_note(verdict)));
    let any_of = |rules: &[&str]| verdicts.iter().any(|verdict| rules.contains(&verdict.rule.as_str()));
    if facts.up.is_none() {
        assert!(!any_of(CERTAIN) || !any_of(SILENT), "silence beside its cause: {verdicts:#?}");
        let wanted = facts.stopped.as_ref().is_some_and(|(_, wanted)| *wanted);
        assert_eq!(any_of(&["disabled-here"]), wanted);
        assert!(!wanted || verdicts.len() == 1, "{verdicts:#?}");
    }
}

/// The rules, but for those between which the wire and a probe decide.
fn kinds(verdicts: &[Verdict]) -> BTreeSet<&str> {
    verdicts.iter().map(|verdict| verdict.rule.as_str()).filter(|rule| !SHARPENED.contains(rule)).collect()
}

/// Mends all that may be wrong with a session that is up.
fn well(mut facts: Facts) -> Facts {
    let up = facts.up.get_or_insert_default();
    up.families.push("ipv4-unicast".to_owned());
    up.unused.clear();
    (up.received, up.advertised) = (up.received.max(1), up.advertised.max(1));
    up.accepted = up.received;
    for tcp in &mut facts.tcp {
        (tcp.retransmits, tcp.window_probes, tcp.ahead_of_gap) = (0, 0, 0);
    }
    facts.attempts.retain(|attempt| {
        attempt.stage != Stage::Established || attempt.end == End::Pending || attempt.ago.1 >= 600.0
    });
    facts
}

/// A neighbor that was not tried, towards which nothing is wrong.
fn untried(mut facts: Facts) -> Facts {
    (facts.up, facts.stopped, facts.counters) = (None, None, None);
    facts.attempts.clear();
    facts.strangers.clear();
    facts.config.passive = false;
    facts.config.local_address = facts.config.local_address.map(|(address, _)| (address, true));
    if let Some(way) = &mut facts.way {
        (way.reach, way.up, way.next_hop) = (Reach::Direct, true, Some("reachable".to_owned()));
    }
    facts
}

fuzz_target!(|data: &[u8]| {
    let Ok(facts) = facts(&mut Unstructured::new(data)) else { return };
    let verdicts = judge(&facts);
    check(&facts, &verdicts);
    assert_eq!(judge(&facts), verdicts, "the same facts");
    let _ = asks_the_wire(&verdicts);
    if let Some((used, others)) = sources_to_try(&facts).split_first() {
        assert!(facts.attempts.iter().any(|attempt| attempt.local == Some(*used)));
        assert!(others.iter().all(|address| address != used && facts.addresses.contains(address)));
    }
    let without = judge(&Facts { wire: None, probe: None, ..facts.clone() });
    assert_eq!(kinds(&without), kinds(&verdicts), "with the wire and the probe, {facts:#?}");
    assert_eq!(is_wrong(&without), is_wrong(&verdicts), "with the wire and the probe, {facts:#?}");
    assert_eq!(judge(&well(facts.clone())), [], "{facts:#?}");
    assert_eq!(judge(&untried(facts.clone())), [], "{facts:#?}");
});
