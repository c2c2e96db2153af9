//! Why the session of a BGP neighbour is not up: what is known is put together and judged, when a connection has ended, from
//! time to time while a neighbour is down, and when someone asks.
//!
//! Where the kernel has the connections, the driver is asked what it knows ([`NodeOutput::Gather`]); what our own stack has is
//! here.

use crate::node::Node;
use crate::{NodeOutput, Wanted};
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::ops::Bound;
use trunkline_core::{Duration, Instant, Outbox, earliest};
use trunkline_explain::live;
use trunkline_view::explain::{NeighborExplanation, NeighborQuery};
use trunkline_view::facts::{Facts, Gathered, Reach};
use trunkline_view::{Answer, ErrorKind};

/// Neighbours that are down are judged again after this time, since some causes end no connection.
const AGAIN: Duration = Duration::from_secs(10);

/// Neighbours judged in a second: thousands that are down must not keep the node busy.
const PER_SECOND: u32 = 20;

/// Who is to be judged, and when.
#[derive(Debug, Default)]
pub(crate) struct Explaining {
    /// Whose turn it is, as soon as there is room.
    waiting: BTreeSet<IpAddr>,
    /// Who was taken from there last: the next one is that of the next address, so that none waits for ever.
    last: Option<IpAddr>,
    /// When all that are down are judged again.
    again: Option<Instant>,
    /// The second that runs, and how many were judged in it.
    second: (Instant, u32),
}

impl Explaining {
    /// BGP has started.
    pub(crate) fn begin(&mut self, now: Instant) {
        self.again = Some(now + AGAIN);
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let room = (!self.waiting.is_empty()).then_some(self.second.0 + Duration::from_secs(1));
        earliest([room, self.again])
    }

    /// Takes the one whose turn it is.
    fn next(&mut self) -> Option<IpAddr> {
        let after = self.last.map_or(Bound::Unbounded, Bound::Excluded);
        let next = self.waiting.range((after, Bound::Unbounded)).next().or_else(|| self.waiting.first());
        let next = *next?;
        self.waiting.remove(&next);
        self.last = Some(next);
        Some(next)
    }

    /// Whether there is room for one more in this second.
    fn has_room(&mut self, now: Instant) -> bool {
        if now.since(self.second.0) >= Duration::from_secs(1) {
            self.second = (now, 0);
        }
        self.second.1 += 1;
        self.second.1 <= PER_SECOND
    }
}

impl Node {
    /// A connection of a neighbour that is down has ended: judges it now, or as soon as there is room.
    pub(crate) fn examine(&mut self, now: Instant, neighbor: IpAddr, out: &mut Outbox<NodeOutput>) {
        if self.stopped {
            return;
        }
        if !self.explaining.has_room(now) {
            self.explaining.waiting.insert(neighbor);
            return;
        }
        self.explaining.waiting.remove(&neighbor);
        self.explaining.again.get_or_insert(now + AGAIN);
        if let Some(wanted) = self.wanted(now, neighbor, None, None) {
            self.gather(now, wanted, out);
        }
    }

    pub(crate) fn explain_timeout(&mut self, now: Instant, out: &mut Outbox<NodeOutput>) {
        let Some(bgp) = &self.bgp else {
            self.explaining = Explaining::default();
            return;
        };
        if self.explaining.again.take_if(|at| *at <= now).is_some() {
            self.explaining.waiting.extend(bgp.troubled());
            // Who goes down later is told by its connection's end.
            self.explaining.again = (!self.explaining.waiting.is_empty()).then_some(now + AGAIN);
        }
        if now.since(self.explaining.second.0) < Duration::from_secs(1) {
            return;
        }
        for _ in 0..PER_SECOND {
            let Some(neighbor) = self.explaining.next() else { break };
            self.examine(now, neighbor, out);
        }
    }

    /// Answers at once, where the driver need not be asked.
    pub(crate) fn explain_bgp(
        &mut self,
        now: Instant,
        id: u64,
        query: &NeighborQuery,
        out: &mut Outbox<NodeOutput>,
    ) -> Option<Answer> {
        if let Some(error) = self.no_bgp() {
            return Some(error);
        }
        match self.wanted(now, query.neighbor, Some(id), Some(query.probe)) {
            Some(wanted) => self.gather(now, wanted, out),
            None => return Some(self.unknown(query.neighbor)),
        }
        None
    }

    /// What is to be found out of a neighbour; none: there is no such one.
    fn wanted(
        &self,
        now: Instant,
        neighbor: IpAddr,
        query: Option<u64>,
        probe: Option<bool>,
    ) -> Option<Wanted> {
        let (facts, conn) = self.bgp.as_ref()?.facts(now, neighbor)?;
        let probe = probe.filter(|probe| *probe);
        // A connection that is there, or that is tried now and then, tells as much as one more.
        let tcp = facts.up.is_none() && conn.is_none() && !facts.attempts.iter().any(|a| a.ours);
        Some(Wanted {
            neighbor: facts.neighbor,
            port: facts.config.port,
            local: facts.config.local_address.map(|(address, _)| address),
            conn,
            probe: probe.map(|_| tcp),
            sources: probe.map_or(Vec::new(), |_| live::sources_to_try(&facts)),
            query,
        })
    }

    fn gather(&mut self, now: Instant, wanted: Wanted, out: &mut Outbox<NodeOutput>) {
        if !self.is_own(now, wanted.neighbor) {
            out.push(NodeOutput::Gather(wanted));
            return;
        }
        let Some(stack) = &mut self.stack else { return };
        let found = stack.gather(now, wanted.neighbor, wanted.conn);
        self.gathered(now, &wanted, found, out);
    }

    /// Judges with what was found out.
    pub(crate) fn gathered(
        &mut self,
        now: Instant,
        wanted: &Wanted,
        found: Gathered,
        out: &mut Outbox<NodeOutput>,
    ) {
        let Some(bgp) = &mut self.bgp else {
            return self.answer_unknown(wanted, out);
        };
        let Some((mut facts, _)) = bgp.facts(now, wanted.neighbor) else {
            return self.answer_unknown(wanted, out);
        };
        Gathered {
            way: facts.way,
            tcp: facts.tcp,
            counters: facts.counters,
            wire: facts.wire,
            probe: facts.probe,
        } = found;
        self.complete(now, &mut facts);
        let verdicts = live::judge(&facts);
        if live::asks_the_wire(&verdicts) && !self.is_own(now, facts.neighbor) {
            out.push(NodeOutput::Watch(facts.neighbor));
        }
        let worst = verdicts.first().filter(|_| facts.up.is_none() && live::is_wrong(&verdicts));
        if let (Some(verdict), Some(bgp)) = (worst, &mut self.bgp) {
            bgp.set_verdict(facts.neighbor, &verdict.rule, &verdict.says, &mut self.bgp_out);
        }
        if let Some(id) = wanted.query {
            let (neighbor, asn) = (facts.neighbor, facts.asn.0);
            let (state, since) = facts.state;
            let view = NeighborExplanation { neighbor, asn, state, since, verdicts };
            out.push(NodeOutput::Answer { id, answer: Answer::ExplainBgp(Box::new(view)) });
        }
    }

    fn answer_unknown(&self, wanted: &Wanted, out: &mut Outbox<NodeOutput>) {
        if let Some(id) = wanted.query {
            out.push(NodeOutput::Answer { id, answer: self.unknown(wanted.neighbor) });
        }
    }

    /// What the node itself knows better than the driver, and what our own stack has heard by ICMP.
    fn complete(&self, now: Instant, facts: &mut Facts) {
        let interfaces = self.routing.interfaces.views();
        let of = |address: IpAddr| {
            let has = |i: &&trunkline_view::Interface| i.addresses.iter().any(|a| a.address == address);
            interfaces.iter().find(has)
        };
        if let Some(way) = &mut facts.way {
            if way.reach == Reach::Here && of(facts.neighbor).is_none() {
                // All of 127.0.0.0/8 is here, and other programs may speak BGP there.
                way.reach = Reach::Direct;
            }
            let covers = |a: &trunkline_view::Address| {
                trunkline_core::Prefix::new(a.address, a.length).is_some_and(|p| p.contains(facts.neighbor))
            };
            // A route by a router may be left when the link to the neighbor itself is down.
            if let Reach::Nowhere(_) | Reach::Via(_) = way.reach
                && !interfaces.iter().any(|i| i.up && i.addresses.iter().any(covers))
                && let Some(down) = interfaces.iter().find(|i| !i.up && i.addresses.iter().any(covers))
            {
                (way.interface, way.up) = (Some(down.name.clone()), false);
            }
        }
        if let Some(wire) = &mut facts.wire {
            // What a router forwards is none of ours.
            wire.syns.retain(|(address, ..)| of(*address).is_some());
        }
        if let Some(stack) = self.stack.as_ref().filter(|_| self.is_own(now, facts.neighbor)) {
            stack.add_icmp(now, facts);
        }
    }

    /// No neighbour has this address: who there is, and who is alike.
    fn unknown(&self, address: IpAddr) -> Answer {
        let known: Vec<IpAddr> = self.bgp.iter().flat_map(|bgp| bgp.neighbor_addresses()).collect();
        Answer::error(ErrorKind::NotFound, unknown_words(address, &known))
    }
}

/// The most neighbours that are listed.
const LISTED: usize = 20;

fn unknown_words(address: IpAddr, known: &[IpAddr]) -> String {
    let mut words = format!("no BGP neighbor has the address {address}");
    let common = |other: &IpAddr| match (address, other) {
        (IpAddr::V4(a), IpAddr::V4(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
        (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
        _ => 0,
    };
    let long = if address.is_ipv4() { 20 } else { 48 };
    // The one that shares most of its text, and is as long, of those on what may be the same network.
    let alike = known.iter().filter(|other| common(other) >= long);
    let alike = alike.min_by_key(|other| {
        let (a, b) = (address.to_string(), other.to_string());
        let same = a.chars().zip(b.chars()).take_while(|(x, y)| x == y).count();
        (std::cmp::Reverse(same), a.len().abs_diff(b.len()))
    });
    if let Some(alike) = alike {
        words.push_str(&format!("; did you mean {alike}?"));
    }
    let list: Vec<String> = known.iter().take(LISTED).map(ToString::to_string).collect();
    match (known.len(), known.len() > LISTED) {
        (0, _) => words.push_str("; there are no neighbors"),
        (_, false) => words.push_str(&format!("; the neighbors are {}", list.join(", "))),
        (all, true) => words.push_str(&format!("; there are {all}, such as {}", list.join(", "))),
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_its_turn_however_often_all_come_again() {
        let all: Vec<IpAddr> = (0..100).map(|i| IpAddr::from([192, 0, 2, i])).collect();
        let mut explaining = Explaining::default();
        let mut taken = BTreeSet::new();
        for _ in 0..10 {
            explaining.waiting.extend(&all);
            taken.extend((0..10).filter_map(|_| explaining.next()));
        }
        assert_eq!(taken.len(), 100);
        explaining.waiting.clear();
        assert_eq!(explaining.next(), None);
    }

    #[test]
    fn no_more_are_judged_in_a_second_than_there_is_room_for() {
        let mut explaining = Explaining::default();
        let at = |ms| Instant::from_secs(9) + Duration::from_millis(ms);
        let judged =
            |explaining: &mut Explaining, ms| (0..100).filter(|_| explaining.has_room(at(ms))).count();
        assert_eq!(judged(&mut explaining, 0), PER_SECOND as usize);
        assert_eq!(judged(&mut explaining, 999), 0);
        assert_eq!(judged(&mut explaining, 1000), PER_SECOND as usize);
    }

    #[test]
    fn an_unknown_neighbor_is_told_who_there_is() {
        let known: Vec<IpAddr> = ["192.0.2.2", "198.51.100.7"].iter().map(|a| a.parse().unwrap()).collect();
        assert_eq!(
            unknown_words("192.0.2.22".parse().unwrap(), &known),
            "no BGP neighbor has the address 192.0.2.22; did you mean 192.0.2.2?; the neighbors are 192.0.2.2, 198.51.100.7"
        );
        let known: Vec<IpAddr> = ["192.0.2.77", "192.0.2.2"].iter().map(|a| a.parse().unwrap()).collect();
        let words = unknown_words("192.0.2.3".parse().unwrap(), &known);
        assert!(words.contains("did you mean 192.0.2.2?"), "{words}");
        let words = unknown_words("2001:db8::1".parse().unwrap(), &[]);
        assert_eq!(words, "no BGP neighbor has the address 2001:db8::1; there are no neighbors");
    }
}
