//! Changes of many destinations at once: each shard has a queue of those that are its own, and makes them all.

use super::attrs::AttrId;
use super::shard::{FETCHED, Shard};
use super::table::{Key, Path, PeerId};
use super::{Context, announce, withdraw};
use std::hint::black_box;

/// A path that comes, or goes: then it has no attributes.
struct Change<K> {
    key: K,
    path: Path,
}

/// The changes of a shard that wait, and what came of those that were made.
pub(crate) struct Changes<K> {
    waiting: Vec<Change<K>>,
    /// How the number of paths changed, and of those accepted.
    pub(crate) received: i64,
    pub(crate) accepted: i64,
    /// Places of which something changed, and whether the best path did.
    pub(crate) changed: Vec<(u32, bool)>,
    /// Sets of attributes that are held once less.
    pub(crate) released: Vec<AttrId>,
}

impl<K: Key> Changes<K> {
    pub(crate) fn new() -> Changes<K> {
        Changes { waiting: Vec::new(), received: 0, accepted: 0, changed: Vec::new(), released: Vec::new() }
    }

    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// A path whose attributes are held for it.
    #[inline]
    pub(crate) fn announce(&mut self, key: K, path: Path) {
        self.waiting.push(Change { key, path });
    }

    /// The path of a neighbour is gone, where it gave one.
    #[inline]
    pub(crate) fn withdraw(&mut self, key: K, peer: PeerId) {
        self.waiting.push(Change { key, path: Path::new(peer, 0, AttrId::NONE, AttrId::NONE, 0, 0) });
    }

    /// Makes all changes, in their order.
    pub(crate) fn make(&mut self, shard: &mut Shard<K>, ctx: &Context<'_>) {
        for part in self.waiting.chunks(FETCHED) {
            shard.fetch(part.iter().map(|change| change.key), |path| {
                // It is not used here, but soon: to look at it has it fetched.
                black_box(ctx.attrs.get(path.used).preference);
            });
            for (number, Change { key, path }) in part.iter().enumerate() {
                let at = shard.fetched(number);
                let (place, outcome) = if path.received != AttrId::NONE {
                    let place = at.unwrap_or_else(|| shard.find_or_insert(*key));
                    (place, announce(shard, place, *path, ctx, &mut self.released))
                } else {
                    let Some(place) = at.or_else(|| shard.find(*key)) else { continue };
                    (place, withdraw(shard, place, path.peer, ctx, &mut self.released))
                };
                self.received += i64::from(outcome.received);
                self.accepted += i64::from(outcome.accepted);
                if outcome.changed {
                    self.changed.push((place, outcome.best_changed));
                }
            }
        }
        self.waiting.clear();
    }
}
