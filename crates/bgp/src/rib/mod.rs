//! The RIB: Adj-RIBs-In and Loc-RIB in one table for each family.
//!
//! Batches of changes go in; destinations whose best path changed come out. The shards of a table make their changes beside
//! each other, each on a thread of its own where there are many; what comes of it is the same for any number of shards.

pub(crate) mod attrs;
pub(crate) mod changes;
pub(crate) mod decision;
pub(crate) mod family;
pub(crate) mod next_hop;
pub(crate) mod shard;
mod slab;
pub(crate) mod table;
pub(crate) mod workers;

#[cfg(test)]
pub(crate) mod tests;

use attrs::{AttrId, AttrTable};
use decision::{DecisionConfig, choose, eligible};
use shard::Shard;
use std::net::IpAddr;
use table::{Key, Path, PeerId, flag};

/// What the decision process must know of a neighbour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PeerFacts {
    /// Of another AS.
    pub(crate) external: bool,
    /// A route reflection client of ours (RFC 4456).
    pub(crate) client: bool,
    /// BGP Identifier.
    pub(crate) router_id: u32,
    pub(crate) address: IpAddr,
    /// Counts how often its routes became old: paths of another epoch are stale.
    pub(crate) epoch: [u8; 2],
    /// Paths of the family older than `sweep_before` are to be removed.
    pub(crate) sweep: [Wish; 2],
    pub(crate) sweep_before: [u8; 2],
    /// Import policy, or something else that the flags of its paths depend on, changed.
    pub(crate) review: Wish,
}

/// A wish that a whole round of walks over the tables fulfils. Rounds always end, whatever is wished meanwhile: what
/// comes during one waits for the end of the next.
///
/// ```text
///          wanted again            round begins              round ends
///   None ───────────────▶ New ───────────────────▶ Underway ────────────▶ None
///                          ▲      wanted again         │
///                          └───────────────────────────┘
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Wish {
    #[default]
    None,
    New,
    Underway,
}

impl Wish {
    #[inline]
    pub(crate) fn is_some(self) -> bool {
        self != Wish::None
    }

    pub(crate) fn round_begins(&mut self) {
        if self.is_some() {
            *self = Wish::Underway;
        }
    }

    pub(crate) fn round_ends(&mut self) {
        if *self == Wish::Underway {
            *self = Wish::None;
        }
    }
}

/// Facts about all neighbours, by [`PeerId`].
#[derive(Debug)]
pub(crate) struct Peers(Vec<PeerFacts>);

impl Peers {
    pub(crate) fn new() -> Peers {
        Peers(vec![PeerFacts::new(IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), false)])
    }

    #[inline]
    pub(crate) fn get(&self, id: PeerId) -> &PeerFacts {
        &self.0[id.index()]
    }

    pub(crate) fn get_mut(&mut self, id: PeerId) -> &mut PeerFacts {
        &mut self.0[id.index()]
    }

    /// Sets the facts of a neighbour; `id` is known or the next free one.
    pub(crate) fn set(&mut self, id: PeerId, facts: PeerFacts) {
        if id.index() == self.0.len() {
            self.0.push(facts);
        } else {
            self.0[id.index()] = facts;
        }
    }

    /// A round of walks begins or ends.
    pub(crate) fn each_wish(&mut self, change: impl Fn(&mut Wish)) {
        for facts in &mut self.0 {
            facts.sweep.iter_mut().for_each(&change);
            change(&mut facts.review);
        }
    }
}

impl PeerFacts {
    /// Whether a sweep removes this path.
    #[inline]
    pub(crate) fn sweeps(&self, family: usize, path: &Path) -> bool {
        let age = |epoch: u8| self.epoch[family].wrapping_sub(epoch);
        self.sweep[family].is_some() && age(path.epoch) > age(self.sweep_before[family])
    }

    /// Paths that are stale now are to go in the next round.
    pub(crate) fn request_sweep(&mut self, family: usize) {
        self.sweep[family] = Wish::New;
        self.sweep_before[family] = self.epoch[family];
    }

    /// All paths are to be judged again in the next round.
    pub(crate) fn request_review(&mut self) {
        self.review = Wish::New;
    }

    pub(crate) fn new(address: IpAddr, external: bool) -> PeerFacts {
        PeerFacts {
            external,
            client: false,
            router_id: 0,
            address,
            epoch: [0; 2],
            sweep: [Wish::None; 2],
            sweep_before: [0; 2],
            review: Wish::None,
        }
    }
}

/// How the number of paths of a neighbour changed, and whether the best path did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Outcome {
    /// Paths held: one more, one less, or the same.
    pub(crate) received: i8,
    /// Of these accepted by import policy.
    pub(crate) accepted: i8,
    /// The best path is another, or has other attributes, or is gone.
    pub(crate) best_changed: bool,
    /// Some path changed: what shares the load may have too.
    pub(crate) changed: bool,
}

/// What the decision about a destination is made of.
#[derive(Clone, Copy)]
pub(crate) struct Context<'a> {
    pub(crate) attrs: &'a AttrTable,
    pub(crate) peers: &'a Peers,
    pub(crate) config: &'a DecisionConfig,
}

fn accepted(path: &Path) -> i8 {
    i8::from(path.flags & flag::REJECTED == 0)
}

/// A path, whose attributes are held for it, comes or replaces the one that its neighbour gave before. What is held no more
/// goes to `released`.
pub(crate) fn announce<K: Key>(
    shard: &mut Shard<K>,
    place: u32,
    path: Path,
    ctx: &Context<'_>,
    released: &mut Vec<AttrId>,
) -> Outcome {
    // The common cases: a new destination, or one that only this neighbour gives.
    let single = shard.single(place).copied();
    if single.is_some_and(|p| p.peer == path.peer) || !shard.occupied(place) {
        return announce_single(shard, place, single, path, ctx, released);
    }
    let mut paths = shard.take(place);
    let before = best_of(&paths);
    let old = paths.iter().position(|p| p.peer == path.peer);
    let mut outcome = Outcome { received: 1, accepted: accepted(&path), best_changed: false, changed: true };
    match old {
        Some(at) => {
            let old = paths[at];
            outcome = Outcome { received: 0, accepted: outcome.accepted - accepted(&old), ..outcome };
            if unchanged(&old, &path) {
                shard.touch(place, path.peer, path.epoch);
                released.extend([path.received, path.used]);
                return Outcome::default();
            }
            released.extend([old.received, old.used]);
            paths[at] = path;
        }
        None => paths.push(path),
    }
    decide(&mut paths, ctx);
    outcome.best_changed = before != best_of(&paths);
    shard.put(place, &paths);
    outcome
}

fn announce_single<K: Key>(
    shard: &mut Shard<K>,
    place: u32,
    old: Option<Path>,
    mut path: Path,
    ctx: &Context<'_>,
    released: &mut Vec<AttrId>,
) -> Outcome {
    if let Some(old) = old
        && unchanged(&old, &path)
    {
        shard.touch(place, path.peer, path.epoch);
        released.extend([path.received, path.used]);
        return Outcome::default();
    }
    if eligible(&path, ctx.attrs) {
        path.flags |= flag::BEST;
    }
    let before = old.as_ref().and_then(|p| best_of(std::slice::from_ref(p)));
    shard.put_single(place, path);
    let outcome = Outcome {
        received: i8::from(old.is_none()),
        accepted: accepted(&path) - old.as_ref().map_or(0, accepted),
        best_changed: before != best_of(&[path]),
        changed: true,
    };
    released.extend(old.into_iter().flat_map(|old| [old.received, old.used]));
    outcome
}

fn unchanged(old: &Path, new: &Path) -> bool {
    old.received == new.received && old.used == new.used && old.flags & !flag::BEST == new.flags & !flag::BEST
}

/// Who is best with which attributes.
fn best_of(paths: &[Path]) -> Option<(PeerId, AttrId)> {
    let first = paths.first()?;
    (first.flags & flag::BEST != 0).then_some((first.peer, first.used))
}

/// Puts the best path first and marks it.
fn decide(paths: &mut table::Paths, ctx: &Context<'_>) {
    for path in paths.iter_mut() {
        path.flags &= !flag::BEST;
    }
    if let Some(best) = choose(paths, ctx.attrs, ctx.peers, ctx.config) {
        paths.swap(0, best);
        paths[0].flags |= flag::BEST;
    }
}

/// Removes a neighbour's path; nothing changes where it gave none.
pub(crate) fn withdraw<K: Key>(
    shard: &mut Shard<K>,
    place: u32,
    peer: PeerId,
    ctx: &Context<'_>,
    released: &mut Vec<AttrId>,
) -> Outcome {
    let mut paths = shard.take(place);
    let Some(at) = paths.iter().position(|p| p.peer == peer) else { return Outcome::default() };
    let before = best_of(&paths);
    let old = paths.remove(at);
    decide(&mut paths, ctx);
    let outcome = Outcome {
        received: -1,
        accepted: -accepted(&old),
        best_changed: before != best_of(&paths),
        changed: true,
    };
    shard.put(place, &paths);
    released.extend([old.received, old.used]);
    outcome
}

/// What a walk over the table does with one path.
pub(crate) enum Keep {
    /// Leave it.
    As,
    /// Remove it.
    No,
    /// Give it these attributes and flags: policy was run again.
    Changed(AttrId, u8),
}

/// Looks at one destination again: `look` says what becomes of each path; then decides anew. `gone` hears of each
/// removed path and each that is (+1) or is no longer (-1) accepted.
pub(crate) fn review<K: Key>(
    shard: &mut Shard<K>,
    place: u32,
    attrs: &mut AttrTable,
    (peers, config): (&Peers, &DecisionConfig),
    mut look: impl FnMut(K, &Path, &mut AttrTable) -> Keep,
    mut count: impl FnMut(PeerId, Outcome),
) -> Outcome {
    let key = shard.key(place);
    let mut paths = shard.take(place);
    let before = best_of(&paths);
    let mut released: smallvec::SmallVec<[AttrId; 4]> = smallvec::SmallVec::new();
    let mut changed = false;
    paths.retain(|path| match look(key, path, attrs) {
        Keep::As => true,
        Keep::No => {
            released.extend([path.received, path.used]);
            count(path.peer, Outcome { received: -1, accepted: -accepted(path), ..Outcome::default() });
            changed = true;
            false
        }
        Keep::Changed(used, flags) => {
            let old = accepted(path);
            attrs.retain(used);
            released.push(path.used);
            changed |= path.used != used || path.flags & !flag::BEST != flags;
            path.used = used;
            path.flags = flags | path.flags & flag::BEST;
            count(path.peer, Outcome { accepted: accepted(path) - old, ..Outcome::default() });
            true
        }
    });
    decide(&mut paths, &Context { attrs, peers, config });
    let best_changed = before != best_of(&paths);
    shard.put(place, &paths);
    for id in released {
        attrs.release(id);
    }
    Outcome { best_changed, changed: changed || best_changed, ..Outcome::default() }
}
