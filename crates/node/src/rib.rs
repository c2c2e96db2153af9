//! The routing table for all but BGP: connected, local, static, RIP's and other programs' routes.
//!
//! A full BGP table is not copied in here (BGP has it in its Loc-RIB), so a simple structure does: a sorted map and,
//! for the longest match, one look for each prefix length that is present.

use crate::FibNextHop;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use trunkline_core::Prefix;
use trunkline_view::RouteSource;

/// Administrative distance of an interface's subnets and addresses.
pub(crate) const DISTANCE_CONNECTED: u8 = 0;
/// Administrative distance of other programs' routes in the kernel: an operator's `[[static]]` (1) goes before what
/// DHCP or another daemon put there, and that before what BGP (20, 200) learnt.
pub(crate) const DISTANCE_KERNEL: u8 = 5;

/// One source's route to a prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Candidate {
    /// Who gave it. Never BGP.
    pub(crate) source: RouteSource,
    /// Tells candidates of one source apart: the interface index, or the number of a static route.
    pub(crate) id: u32,
    /// Lower wins.
    pub(crate) distance: u8,
    /// Compared within one source: the metrics of different sources have nothing to do with one another.
    pub(crate) metric: u32,
    /// Where packets go; empty: dropped (or, while inactive, not known).
    pub(crate) next_hops: Vec<FibNextHop>,
    /// Whether it can be used now: a gateway is reachable, an interface is up.
    pub(crate) active: bool,
}

impl Candidate {
    /// Whether it is for us to install: not those that the kernel has by itself.
    pub(crate) fn is_ours(&self) -> bool {
        matches!(self.source, RouteSource::Static | RouteSource::Rip)
    }

    fn rank(&self) -> (bool, u8, RouteSource, u32, u32) {
        (!self.active, self.distance, self.source, self.metric, self.id)
    }
}

/// How many prefixes of each length have an active route.
#[derive(Debug)]
struct Lengths {
    v4: [u32; 33],
    v6: [u32; 129],
}

impl Lengths {
    fn count(&mut self, prefix: Prefix) -> &mut u32 {
        match prefix {
            Prefix::V4(p) => &mut self.v4[usize::from(p.len())],
            Prefix::V6(p) => &mut self.v6[usize::from(p.len())],
        }
    }

    fn of(&self, address: IpAddr) -> &[u32] {
        if address.is_ipv4() { &self.v4 } else { &self.v6 }
    }
}

/// The table.
#[derive(Debug)]
pub(crate) struct Rib {
    /// Candidates, the best first; never empty.
    routes: BTreeMap<Prefix, Vec<Candidate>>,
    lengths: Lengths,
    /// Prefixes where something changed since [`Rib::take_changed`].
    changed: BTreeSet<Prefix>,
    candidates: u64,
}

impl Default for Rib {
    fn default() -> Rib {
        let lengths = Lengths { v4: [0; 33], v6: [0; 129] };
        Rib { routes: BTreeMap::new(), lengths, changed: BTreeSet::new(), candidates: 0 }
    }
}

impl Rib {
    /// Adds a candidate, in place of the one with the same source and id.
    pub(crate) fn set(&mut self, prefix: Prefix, candidate: Candidate) {
        let (source, id) = (candidate.source, candidate.id);
        self.edit(prefix, |list| {
            match list.iter_mut().find(|c| c.source == source && c.id == id) {
                Some(same) if *same == candidate => return false,
                Some(other) => *other = candidate,
                None => {
                    // Mostly it is the only one, and a `Vec` would begin with room for four.
                    list.reserve_exact(1);
                    list.push(candidate);
                }
            }
            true
        });
    }

    /// Removes a candidate, if it is there.
    pub(crate) fn remove(&mut self, prefix: Prefix, source: RouteSource, id: u32) {
        self.edit(prefix, |list| {
            let before = list.len();
            list.retain(|c| c.source != source || c.id != id);
            list.len() != before
        });
    }

    /// Edits the candidates of a prefix and keeps order, counts and the record of changes right; `edit` says whether
    /// it changed something.
    fn edit(&mut self, prefix: Prefix, edit: impl FnOnce(&mut Vec<Candidate>) -> bool) {
        let list = self.routes.entry(prefix).or_default();
        let (was_active, was_long) = (list.first().is_some_and(|c| c.active), list.len());
        if edit(list) {
            list.sort_by_key(Candidate::rank);
            self.changed.insert(prefix);
        }
        let (is_active, is_long) = (list.first().is_some_and(|c| c.active), list.len());
        if is_long == 0 {
            self.routes.remove(&prefix);
        }
        self.candidates = self.candidates + is_long as u64 - was_long as u64;
        match (was_active, is_active) {
            (false, true) => *self.lengths.count(prefix) += 1,
            (true, false) => *self.lengths.count(prefix) -= 1,
            _ => {}
        }
    }

    /// All candidates for exactly this prefix, the best first.
    pub(crate) fn candidates(&self, prefix: Prefix) -> &[Candidate] {
        self.routes.get(&prefix).map_or(&[], Vec::as_slice)
    }

    /// The winner for exactly this prefix.
    pub(crate) fn best(&self, prefix: Prefix) -> Option<&Candidate> {
        self.candidates(prefix).first().filter(|c| c.active)
    }

    /// Whether an interface that is up bears this address.
    pub(crate) fn is_own_address(&self, address: IpAddr) -> bool {
        self.candidates(Prefix::host(address)).iter().any(|c| c.source == RouteSource::Local)
    }

    /// The longest match among active routes.
    pub(crate) fn lookup(&self, address: IpAddr) -> Option<(Prefix, &Candidate)> {
        self.lookup_where(address, |_| true)
    }

    /// The longest match among active routes that pass `accept`.
    pub(crate) fn lookup_where(
        &self,
        address: IpAddr,
        accept: impl Fn(&Candidate) -> bool,
    ) -> Option<(Prefix, &Candidate)> {
        let counts = self.lengths.of(address);
        let present =
            (0..=Prefix::host(address).len()).rev().filter(|length| counts[usize::from(*length)] > 0);
        present.filter_map(|length| Prefix::new(address, length)).find_map(|prefix| {
            let found = self.candidates(prefix).iter().find(|c| c.active && accept(c))?;
            Some((prefix, found))
        })
    }

    /// All routes, by prefix, the best of each first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Prefix, &[Candidate])> {
        self.routes.iter().map(|(prefix, list)| (*prefix, list.as_slice()))
    }

    /// How many routes there are, those that did not win included.
    pub(crate) fn len(&self) -> u64 {
        self.candidates
    }

    /// The prefixes where something changed since the last call.
    pub(crate) fn take_changed(&mut self) -> BTreeSet<Prefix> {
        std::mem::take(&mut self.changed)
    }
}
