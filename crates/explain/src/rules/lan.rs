//! ARP, neighbor discovery, ICMP, RIP and spanning tree.

use super::{Judged, Verdict};
use crate::follow::lan::{Destination, Neighbor, RIP_TIMEOUT, RipRouter, Told};
use crate::follow::tree::Place;
use crate::follow::{Facts, Moment};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use trunkline_wire::rip::INFINITY;

/// Questions without an answer that mean something: Linux asks three times.
const ASKED: u32 = 3;

/// Seconds in which each router tells all its routes once: every 30 s, and up to 5 s more (RFC 2453 §3.8).
const RIP_UPDATE: f64 = 35.0;

/// Addresses of others for which a station answers before it is said to do so by proxy.
const PROXIED: usize = 2;

/// Seconds for which both must say so.
const OVERLAP: f64 = 3.0;

/// BPDUs in which each of two bridges says that it is the root.
const INSISTS: u32 = 4;

/// All of it.
pub(super) fn judge(facts: &Facts) -> Vec<Judged> {
    let mut judged = Vec::new();
    let arp = arp(facts);
    let icmp = icmp(facts);
    let rip = rip(facts);
    for (about, seen, verdicts) in [
        ("ARP and neighbor discovery", facts.lan.neighbors.len(), arp),
        ("ICMP", facts.lan.errors.len() + facts.lan.redirects.len(), icmp),
        ("RIP", facts.lan.rip.len(), rip),
    ] {
        if seen > 0 {
            let state = format!("{seen} {}", if about == "ICMP" { "kinds of messages" } else { "addresses" });
            judged.push(Judged { about: about.to_owned(), state, ends: None, verdicts });
        }
    }
    for (interface, place) in &facts.trees.places {
        let state = format!("{} ports speak", place.speakers.len());
        let about = format!("spanning tree at interface {interface}");
        let end = facts.last.unwrap_or(Moment { frame: 0, nanos: 0 });
        judged.push(Judged { about, state, ends: None, verdicts: tree(place, end) });
    }
    judged
}

/// Whether an address is asked for in vain.
pub(super) fn unanswered(address: IpAddr, neighbor: &Neighbor) -> Option<Verdict> {
    let (asker, asked) = neighbor.asked.iter().max_by_key(|(_, asked)| asked.times)?;
    if asked.times < ASKED || neighbor.heard.is_some_and(|heard| heard > asked.first) || *asker == address {
        return None;
    }
    let words = format!("{asker} asks {} times in {:.0} s", asked.times, asked.last.since(asked.first));
    Verdict::new("arp-unanswered", address, asker, asked.last)
        .map(|v| v.shown(words, &[asked.first, asked.last]))
}

fn arp(facts: &Facts) -> Vec<Verdict> {
    let lan = &facts.lan;
    let mut verdicts: Vec<Verdict> =
        lan.neighbors.iter().filter_map(|(address, neighbor)| unanswered(*address, neighbor)).collect();
    for (address, neighbor) in &lan.neighbors {
        // One that comes back after another: an address that moves once goes over for good.
        let back = neighbor.claims.iter().enumerate().find(|(index, (_, hardware))| {
            neighbor.claims.iter().take(index.saturating_sub(1)).any(|(_, before)| before == hardware)
        });
        if let Some((_, (at, _))) = back {
            let mut stations: Vec<String> = neighbor.claims.iter().map(|(_, mac)| mac.to_string()).collect();
            stations.sort();
            stations.dedup();
            let frames: Vec<Moment> = neighbor.claims.iter().map(|(at, _)| *at).collect();
            let verdict = Verdict::new("arp-duplicate", address, stations.join(", "), *at);
            verdicts.extend(verdict.map(|v| v.shown("each says again that it has the address", &frames)));
        }
    }
    for (station, answered) in &lan.answers {
        let Some(own) = lan.own.get(station) else { continue };
        let others: Vec<(&Ipv4Addr, &Moment)> =
            answered.iter().filter(|(address, _)| !own.contains_key(address)).collect();
        if others.len() < PROXIED {
            continue;
        }
        let names: Vec<String> = others.iter().take(8).map(|(address, _)| address.to_string()).collect();
        let frames: Vec<Moment> = others.iter().take(8).map(|(_, at)| **at).collect();
        let own: Vec<String> = own.keys().take(4).map(ToString::to_string).collect();
        let words = format!("as its own it uses {}", own.join(", "));
        let last = others.last().map_or(Moment { frame: 0, nanos: 0 }, |(_, at)| **at);
        let verdict = Verdict::new("arp-proxy", station, names.join(", "), last);
        verdicts.extend(verdict.map(|v| v.shown(words, &frames)));
    }
    verdicts
}

fn icmp(facts: &Facts) -> Vec<Verdict> {
    let mut verdicts: Vec<Verdict> = Vec::new();
    let both = [("icmp-redirect", &facts.lan.redirects), ("icmp-error", &facts.lan.errors)];
    for (id, messages) in both {
        for ((by, to, ..), Told { first, last, times, words }) in messages {
            let words = if *times > 1 { format!("{words} ({times} times)") } else { words.clone() };
            let same = |v: &&mut Verdict| v.rule.id == id && v.ends == (by.to_string(), to.to_string());
            if let Some(verdict) = verdicts.iter_mut().find(same) {
                let shown = verdict.clone().shown(words, &[*first, *last]);
                *verdict = shown;
            } else {
                verdicts.extend(Verdict::new(id, by, to, *first).map(|v| v.shown(words, &[*first, *last])));
            }
        }
    }
    verdicts
}

fn rip(facts: &Facts) -> Vec<Verdict> {
    let routers = &facts.lan.rip;
    let mut verdicts = Vec::new();
    let end = facts.last.unwrap_or(Moment { frame: 0, nanos: 0 });
    for (address, router) in routers {
        verdicts.extend(rip_router(*address, router, facts, end));
    }
    let speaks = |(address, router): &(&Ipv4Addr, &RipRouter)| router.responses.map(|r| (**address, r.0));
    let all: Vec<(&Ipv4Addr, &RipRouter)> = routers.iter().collect();
    for (index, first) in all.iter().enumerate() {
        for second in all.iter().skip(index + 1) {
            if let (Some(a), Some(b)) = (speaks(first), speaks(second)) {
                verdicts.extend(rip_pair(a, first.1, b, second.1));
            }
        }
    }
    verdicts
}

fn rip_router(address: Ipv4Addr, router: &RipRouter, facts: &Facts, end: Moment) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    if let Some((_, times, last)) = router.responses
        && times > 1
        && end.since(last) > RIP_TIMEOUT
    {
        let words = format!("the last of {times} was {:.0} s before the end of the capture", end.since(last));
        verdicts.extend(Verdict::new("rip-silent", address, "", last).map(|v| v.shown(words, &[last])));
    }
    // That nobody else has it is known when all others that speak say so, or when each has had the time to say what it has.
    let long = facts.last.zip(facts.first).is_some_and(|(last, first)| last.since(first) >= RIP_UPDATE);
    let none_has = |prefix: &Destination| {
        let mut others = facts.lan.rip.iter().filter(|(other, _)| **other != address).peekable();
        let some = others.peek().is_some();
        some && others.all(|(_, other)| {
            other.routes.get(prefix).is_some_and(|route| route.metric >= u32::from(INFINITY))
        })
    };
    let lost = router.routes.iter().filter_map(|(prefix, route)| Some((prefix, route.lost?, route.best)));
    let lost: BTreeMap<_, _> = lost
        .filter(|(prefix, at, metric)| {
            // As a capture begins, who has a better way need not have said so in it before.
            let young = facts.first.is_some_and(|first| at.since(first) < RIP_UPDATE);
            !(young && facts.lan.has_better(address, prefix, *at, *metric)) && (long || none_has(prefix))
        })
        .map(|(prefix, at, _)| (prefix, at))
        .collect();
    if let Some(at) = lost.values().min() {
        let names: Vec<String> = lost.keys().take(8).map(ToString::to_string).collect();
        let frames: Vec<Moment> = lost.values().take(8).copied().collect();
        let words = format!("metric 16 for {} that were usable before: {}", lost.len(), names.join(" "));
        verdicts.extend(Verdict::new("rip-lost", address, "", *at).map(|v| v.shown(words, &frames)));
    }
    if let Some((at, words)) = &router.faults {
        verdicts.extend(Verdict::new("rip-malformed", address, "", *at).map(|v| v.shown(words, &[*at])));
    }
    verdicts
}

fn rip_pair(
    (a, seen): (Ipv4Addr, Moment),
    first: &RipRouter,
    (b, also): (Ipv4Addr, Moment),
    second: &RipRouter,
) -> Option<Verdict> {
    let names = |router: &RipRouter| router.authentication.keys().cloned().collect::<Vec<_>>().join(", ");
    let disjoint = first.authentication.keys().all(|way| !second.authentication.contains_key(way));
    if disjoint {
        let words = format!("{a}: {}; {b}: {}", names(first), names(second));
        return Verdict::new("rip-authentication", a, b, also).map(|v| v.shown(words, &[seen, also]));
    }
    if first.password_differs(second) {
        let words = "both send a password, not the same";
        return Verdict::new("rip-authentication", a, b, also).map(|v| v.shown(words, &[seen, also]));
    }
    if first.versions.keys().all(|version| !second.versions.contains_key(version)) {
        let versions =
            |router: &RipRouter| router.versions.keys().map(u8::to_string).collect::<Vec<_>>().join(", ");
        let words = format!("{a}: {}; {b}: {}", versions(first), versions(second));
        return Verdict::new("rip-version", a, b, also).map(|v| v.shown(words, &[seen, also]));
    }
    None
}

fn tree(place: &Place, end: Moment) -> Vec<Verdict> {
    let mut verdicts: Vec<Verdict> = Vec::new();
    // Whether the old root gives way, is to be seen a little later.
    for change in place.roots.iter().filter(|change| end.since(change.at) > OVERLAP) {
        let words = format!("told by {}", change.bridge);
        let verdict = Verdict::new("stp-root", change.old, change.new, change.at);
        verdicts.extend(verdict.map(|v| v.shown(words, &[change.at])));
    }
    // What passes on a change within a few seconds did not begin it.
    let mut latest: Option<Moment> = None;
    for change in &place.changes {
        if latest.is_some_and(|latest| change.first.since(latest) < 5.0) {
            latest = latest.max(Some(change.last));
            continue;
        }
        latest = Some(change.last);
        let who = match (change.bridge, change.port) {
            (Some(bridge), Some(port)) => format!("bridge {bridge}, port {port}"),
            _ => "a bridge that sends Topology Change Notifications".to_owned(),
        };
        let words =
            format!("{} BPDUs tell of it, for {:.0} s", change.times, change.last.since(change.first));
        let verdict = Verdict::new("stp-change", who, "", change.first);
        verdicts.extend(verdict.map(|v| v.shown(words, &[change.first, change.last])));
    }
    let roots: Vec<_> = place.speakers.values().filter(|speaker| speaker.own_root >= INSISTS).collect();
    // Both at the same time: a root that gives way to a better one falls silent.
    if let [first, second, ..] = roots.as_slice()
        && first.said.bridge != second.said.bridge
        && first.at.min(second.at).since(first.own_since.max(second.own_since)) > OVERLAP
    {
        let words = format!("{} and {} BPDUs in a row", first.own_root, second.own_root);
        let verdict = Verdict::new("stp-two-roots", first.said.bridge, second.said.bridge, second.at);
        verdicts.extend(verdict.map(|v| v.shown(words, &[first.at, second.at])));
    }
    verdicts
}
