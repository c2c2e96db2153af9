//! One family: its table, its egress, and the walks over the table that events at a distance ask for.

use super::attrs::AttrTable;
use super::changes::Changes;
use super::decision::DecisionConfig;
use super::table::{Key, Path, PeerId, RouteIdx, Table};
use super::workers::Workers;
use super::{Context, Keep, Outcome, Peers, review};
use crate::egress::export::ExportRules;
use crate::egress::{Egress, RouteSet};
use trunkline_wire::bgp::Family;

/// Destinations looked at in one slice of a walk.
const SLICE: u32 = 4096;

/// Changes that are worth waking other threads: some hundred microseconds of work.
const MANY: usize = 256;

/// A table with what hangs on it.
pub(crate) struct FamilyRib<K> {
    /// 0 for IPv4, 1 for IPv6.
    pub(crate) number: usize,
    pub(crate) table: Table<K>,
    /// What waits for [`FamilyRib::make_changes`], by shard.
    changes: Vec<Changes<K>>,
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
    pub(crate) workers: Workers,
}

impl<K: Key> FamilyRib<K> {
    pub(crate) fn new(number: usize, seed: u64, shards: usize) -> FamilyRib<K> {
        let family = if number == 0 { Family::IPV4_UNICAST } else { Family::IPV6_UNICAST };
        let table = Table::new(seed, shards);
        FamilyRib {
            number,
            changes: table.shards.iter().map(|_| Changes::new()).collect(),
            table,
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

    #[inline]
    fn best_changed(&mut self, idx: RouteIdx) {
        self.egress.mark(idx);
        self.wake = true;
        if let Some(watched) = &mut self.watched {
            watched.insert(idx);
        }
    }

    /// A path comes or replaces the one that its neighbour gave before, with the next [`FamilyRib::make_changes`].
    #[inline]
    pub(crate) fn announce(&mut self, key: K, path: Path, attrs: &mut AttrTable) {
        attrs.retain(path.received);
        attrs.retain(path.used);
        self.changes[self.table.shard_of(key)].announce(key, path);
    }

    /// A neighbour's path is gone, with the next [`FamilyRib::make_changes`].
    #[inline]
    pub(crate) fn withdraw(&mut self, key: K, peer: PeerId) {
        self.changes[self.table.shard_of(key)].withdraw(key, peer);
    }

    /// Makes the changes that wait; by how much the number of paths changed, and that of accepted ones.
    pub(crate) fn make_changes(&mut self, shared: &mut Shared) -> (i64, i64) {
        let waiting: usize = self.changes.iter().map(Changes::len).sum();
        if waiting == 0 {
            return (0, 0);
        }
        let Shared { attrs, peers, config, workers } = shared;
        let ctx = Context { attrs, peers, config };
        let shards = self.changes.iter_mut().zip(&mut self.table.shards);
        workers.each(waiting >= MANY, shards, |(changes, shard)| changes.make(shard, &ctx));
        let all_count = config.maximum_paths > 1;
        let (mut received, mut accepted) = (0, 0);
        for number in 0..self.changes.len() {
            let changes = &mut self.changes[number];
            received += std::mem::take(&mut changes.received);
            accepted += std::mem::take(&mut changes.accepted);
            changes.released.drain(..).for_each(|id| attrs.release(id));
            let mut changed = std::mem::take(&mut changes.changed);
            for (place, best) in changed.drain(..) {
                let idx = self.table.idx(number, place);
                if best {
                    self.best_changed(idx);
                }
                if let Some(report) = &mut self.report
                    && (best || all_count)
                {
                    report.insert(idx);
                }
            }
            self.changes[number].changed = changed;
        }
        (received, accepted)
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
        let Shared { attrs, peers, config, .. } = shared;
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
            let (shard, place) = self.table.shard_mut(idx);
            let mut outcome = review(shard, place, attrs, (peers, config), look, &mut count);
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
