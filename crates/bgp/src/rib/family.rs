//! One family: its table, its egress, and the walks over the table that events at a distance ask for.

use super::attrs::AttrTable;
use super::decision::DecisionConfig;
use super::table::{FETCHED, Key, Path, PeerId, RouteIdx, Table};
use super::{Context, Keep, Outcome, Peers, announce, review, withdraw};
use crate::egress::export::ExportRules;
use crate::egress::{Egress, RouteSet};
use std::hint::black_box;
use trunkline_wire::bgp::Family;

/// Destinations looked at in one slice of a walk.
const SLICE: u32 = 4096;

/// A table with what hangs on it.
pub(crate) struct FamilyRib<K> {
    /// 0 for IPv4, 1 for IPv6.
    pub(crate) number: usize,
    pub(crate) table: Table<K>,
    pub(crate) egress: Egress,
    /// Destinations of which the routing table must hear, where it wants to.
    pub(crate) report: Option<RouteSet>,
    /// Destinations whose best path changed, while someone watches.
    pub(crate) watched: Option<RouteSet>,
    /// Some neighbour has something to be told.
    pub(crate) wake: bool,
    walk: Walk,
}

/// A walk over the table, slice by slice, once in a round; see [`Wish`](super::Wish).
#[derive(Default, Clone, Copy)]
struct Walk {
    /// The next round is to go over this table.
    wanted: bool,
    at: u32,
    /// The places that there were when the round began: what came since was judged as things are now.
    end: u32,
}

/// What all families share.
pub(crate) struct Shared {
    pub(crate) attrs: AttrTable,
    pub(crate) peers: Peers,
    pub(crate) config: DecisionConfig,
}

impl<K: Key> FamilyRib<K> {
    pub(crate) fn new(number: usize, seed: u64) -> FamilyRib<K> {
        let family = if number == 0 { Family::IPV4_UNICAST } else { Family::IPV6_UNICAST };
        FamilyRib {
            number,
            table: Table::new(seed),
            egress: Egress::new(family),
            report: None,
            watched: None,
            wake: false,
            walk: Walk::default(),
        }
    }

    /// All best routes are to be told to the routing table, where it wants to hear of them.
    pub(crate) fn report_all(&mut self) {
        let all = (0..self.table.places()).map(RouteIdx);
        if let Some(report) = &mut self.report {
            all.filter(|idx| self.table.best(*idx).is_some()).for_each(|idx| report.insert(idx));
        }
    }

    fn settle(&mut self, idx: RouteIdx, outcome: Outcome, config: &DecisionConfig) {
        if outcome.best_changed {
            self.best_changed(idx);
        }
        if let Some(report) = &mut self.report
            && (outcome.best_changed || outcome.changed && config.maximum_paths > 1)
        {
            report.insert(idx);
        }
    }

    #[inline]
    fn best_changed(&mut self, idx: RouteIdx) {
        self.egress.mark(idx);
        self.wake = true;
        if let Some(watched) = &mut self.watched {
            watched.insert(idx);
        }
    }

    /// Paths of one neighbour come or replace those that it gave before; `make` gives the path for each destination,
    /// `count` hears what came of it.
    pub(crate) fn announce_all<P: Copy + Into<K>>(
        &mut self,
        keys: &[P],
        shared: &mut Shared,
        mut make: impl FnMut(P, &mut AttrTable) -> Path,
        mut count: impl FnMut(Outcome),
    ) {
        for part in keys.chunks(FETCHED) {
            self.fetch(part, shared);
            for (number, key) in part.iter().enumerate() {
                let at = self.table.fetched(number);
                let path = make(*key, &mut shared.attrs);
                count(self.announce_at((*key).into(), at, path, shared));
            }
        }
    }

    /// A neighbour's paths to these destinations are gone; `count` hears what came of each.
    pub(crate) fn withdraw_all<P: Copy + Into<K>>(
        &mut self,
        keys: &[P],
        peer: PeerId,
        shared: &mut Shared,
        mut count: impl FnMut(Outcome),
    ) {
        for part in keys.chunks(FETCHED) {
            self.fetch(part, shared);
            for (number, key) in part.iter().enumerate() {
                let at = self.table.fetched(number);
                count(self.withdraw_at((*key).into(), at, peer, shared));
            }
        }
    }

    /// Finds these destinations, and reads from memory what their decisions need.
    fn fetch<P: Copy + Into<K>>(&mut self, keys: &[P], shared: &Shared) {
        let look = |path: &Path| {
            black_box(shared.attrs.get(path.used).preference);
        };
        self.table.fetch(keys.iter().map(|key| (*key).into()), look);
    }

    /// A path comes or replaces the one that its neighbour gave before.
    pub(crate) fn announce(&mut self, key: K, path: Path, shared: &mut Shared) -> Outcome {
        self.announce_at(key, None, path, shared)
    }

    fn announce_at(&mut self, key: K, at: Option<RouteIdx>, path: Path, shared: &mut Shared) -> Outcome {
        let Shared { attrs, peers, config } = shared;
        let idx = at.unwrap_or_else(|| self.table.find_or_insert(key));
        debug_assert!(self.table.key(idx) == key, "another destination's place");
        let outcome = announce(&mut self.table, idx, path, &mut Context { attrs, peers, config });
        self.settle(idx, outcome, config);
        outcome
    }

    /// A neighbour's path is gone; nothing happens where it gave none.
    pub(crate) fn withdraw(&mut self, key: K, peer: PeerId, shared: &mut Shared) -> Outcome {
        self.withdraw_at(key, None, peer, shared)
    }

    fn withdraw_at(&mut self, key: K, at: Option<RouteIdx>, peer: PeerId, shared: &mut Shared) -> Outcome {
        let Shared { attrs, peers, config } = shared;
        let Some(idx) = at.or_else(|| self.table.find(key)) else { return Outcome::default() };
        let outcome = withdraw(&mut self.table, idx, peer, &mut Context { attrs, peers, config });
        self.settle(idx, outcome, config);
        outcome
    }

    /// A neighbour is to be told all routes under these rules.
    pub(crate) fn join(&mut self, peer: PeerId, rules: ExportRules) {
        self.egress.join(peer, rules, &self.table);
        self.wake = true;
    }

    /// A neighbour wants all routes again.
    pub(crate) fn refresh(&mut self, peer: PeerId, enhanced: bool) {
        self.egress.refresh(peer, enhanced, &self.table);
        self.wake = true;
    }

    /// Something about many paths changed: every destination is to be looked at again.
    pub(crate) fn request_walk(&mut self) {
        self.walk.wanted = true;
    }

    /// Whether a round is wanted that goes over this table.
    pub(crate) fn walk_wanted(&self) -> bool {
        self.walk.wanted
    }

    /// Whether this table has to be gone over still in the present round.
    pub(crate) fn walking(&self) -> bool {
        self.walk.at < self.walk.end
    }

    /// A round begins.
    pub(crate) fn begin_walk(&mut self) {
        if std::mem::take(&mut self.walk.wanted) {
            (self.walk.at, self.walk.end) = (0, self.table.places());
        }
    }

    /// Looks at the next slice: removes stale paths of neighbours that are swept, runs import policy again where
    /// `again` gives another result, follows next hops.
    pub(crate) fn walk(
        &mut self,
        shared: &mut Shared,
        mut again: impl FnMut(K, &Path, &mut AttrTable) -> Option<(super::AttrId, u8)>,
        mut count: impl FnMut(PeerId, Outcome),
    ) {
        let Shared { attrs, peers, config } = shared;
        let peers: &Peers = peers;
        let number = self.number;
        let from = self.walk.at;
        self.walk.at = self.walk.end.min(from + SLICE);
        for idx in (from..self.walk.at).map(RouteIdx) {
            let mut concerned = false;
            for path in self.table.paths(idx) {
                let facts = peers.get(path.peer);
                let hop = attrs.get(path.used).next_hop;
                concerned |= facts.review.is_some() || facts.sweeps(number, path);
                concerned |= attrs.next_hops.changed(hop);
            }
            if !concerned {
                continue;
            }
            let hop_changed =
                self.table.paths(idx).any(|p| attrs.next_hops.changed(attrs.get(p.used).next_hop));
            let look = |key: K, path: &Path, attrs: &mut AttrTable| {
                let facts = peers.get(path.peer);
                if facts.sweeps(number, path) {
                    return Keep::No;
                }
                match facts.review.is_some().then(|| again(key, path, attrs)).flatten() {
                    Some((used, flags)) => Keep::Changed(used, flags),
                    None => Keep::As,
                }
            };
            let mut ctx = Context { attrs: &mut *attrs, peers, config };
            let mut outcome = review(&mut self.table, idx, &mut ctx, look, &mut count);
            outcome.changed |= hop_changed;
            if outcome.best_changed {
                self.best_changed(idx);
            }
            if let Some(report) = &mut self.report
                && (outcome.best_changed || outcome.changed)
            {
                report.insert(idx);
            }
        }
        self.reclaim();
    }

    /// Takes back the places of destinations that are gone.
    pub(crate) fn reclaim(&mut self) {
        if self.table.has_empty() {
            let (egress, lists) = (&self.egress, [&self.report, &self.watched]);
            let listed = |idx| lists.iter().any(|list| list.as_ref().is_some_and(|l| l.contains(idx)));
            self.table.reclaim(|idx| !listed(idx) && egress.unused(idx));
        }
    }

    /// The same, where some went since.
    pub(crate) fn reclaim_new(&mut self) {
        if self.table.emptied() {
            self.reclaim();
        }
    }
}
