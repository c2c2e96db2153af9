//! The destinations of a table that are kept, found and changed together: all, or a part that a thread of its own changes.
//!
//! A destination is a [`Route`] at a place of a slab, found by hash; its paths form a list of which the first stands inline
//! and is the best one once the decision was made. A path is 24 octets.

use super::slab::{Places, Slab};
use super::table::{END, Key, Path, Paths, PeerId, RouteIdx, flag};
use crate::egress::RouteSet;
use foldhash::fast::FixedState;
use smallvec::SmallVec;
use std::hash::BuildHasher;

/// A destination.
#[derive(Debug)]
pub(crate) struct Route<K> {
    key: K,
    head: Path,
}

/// Destinations that are worth being fetched at once: what is read of them fits into the processor's first cache.
pub(crate) const FETCHED: usize = 64;

/// Destinations that one [`Shard::reclaim`] may look at in vain, and at all, beside those that came since.
const RECLAIM_PATIENCE: u32 = 64;
const RECLAIM_SLICE: u32 = 4096;

/// See the module.
pub(crate) struct Shard<K> {
    hasher: FixedState,
    index: Places,
    routes: Slab<Route<K>>,
    /// Second and further paths.
    more: Slab<Path>,
    /// Places that were fetched, and a buffer for that.
    fetched: (Vec<u32>, Vec<u32>),
    /// Destinations that lost their last path: the place may be taken again once no neighbour needs a withdrawal.
    /// One that has paths again is found out when its turn comes.
    empty: RouteSet,
    /// How often that happened since [`Shard::reclaim`], which goes on from `reclaimed_to`.
    emptied: u32,
    reclaimed_to: u32,
    occupied: u64,
    paths: u64,
    best: u64,
}

impl<K: Key> Shard<K> {
    pub(crate) fn new(seed: u64) -> Shard<K> {
        Shard {
            hasher: FixedState::with_seed(seed),
            index: Places::new(),
            routes: Slab::new(),
            more: Slab::new(),
            fetched: (Vec::new(), Vec::new()),
            empty: RouteSet::default(),
            emptied: 0,
            reclaimed_to: 0,
            occupied: 0,
            paths: 0,
            best: 0,
        }
    }

    /// Places, in use or free: every place is below.
    pub(crate) fn places(&self) -> u32 {
        self.routes.places()
    }

    /// Destinations with paths, paths, destinations with a best path.
    pub(crate) fn counts(&self) -> (u64, u64, u64) {
        (self.occupied, self.paths, self.best)
    }

    pub(crate) fn find(&self, key: K) -> Option<u32> {
        let hash = self.hasher.hash_one(key);
        self.index.find(hash, |i| self.routes[i].key == key)
    }

    /// Finds many destinations at once for [`Shard::fetched`], and reads all their paths: `look` may read what hangs on
    /// each. To find one is a chain of reads of which each waits for the one before; those of several wait together.
    pub(crate) fn fetch(&mut self, keys: impl Iterator<Item = K> + Clone, mut look: impl FnMut(&Path)) {
        let (found, further) = &mut self.fetched;
        found.clear();
        for key in keys.clone() {
            // Whose place it is tells its key, which is not here yet: it nearly always is the right one.
            found.push(self.index.find(self.hasher.hash_one(key), |_| true).unwrap_or(END));
        }
        for (key, place) in keys.zip(found) {
            match self.routes.get(*place).filter(|route| route.key == key) {
                Some(Route { head, .. }) if head.peer != PeerId::NONE => {
                    look(head);
                    further.push(head.next);
                }
                Some(_) => {}
                None => *place = END,
            }
        }
        while !further.is_empty() {
            further.retain_mut(|place| {
                let Some(path) = self.more.get(*place) else { return false };
                *place = path.next;
                look(path);
                true
            });
        }
    }

    /// Where a destination of the last [`Shard::fetch`] is, by its number there, until places are freed; one that is
    /// there may be missed.
    #[inline]
    pub(crate) fn fetched(&self, number: usize) -> Option<u32> {
        self.fetched.0.get(number).filter(|place| **place != END).copied()
    }

    pub(crate) fn find_or_insert(&mut self, key: K) -> u32 {
        let hash = self.hasher.hash_one(key);
        let (routes, hasher) = (&mut self.routes, &self.hasher);
        if let Some(i) = self.index.find(hash, |i| routes[i].key == key) {
            return i;
        }
        let i = routes.insert(Route { key, head: Path::EMPTY });
        self.index.insert(hash, i, |i| hasher.hash_one(routes[i].key));
        i
    }

    #[inline]
    pub(crate) fn key(&self, place: u32) -> K {
        self.routes[place].key
    }

    /// The best path.
    #[inline]
    pub(crate) fn best(&self, place: u32) -> Option<&Path> {
        let head = &self.routes.get(place)?.head;
        (head.flags & flag::BEST != 0).then_some(head)
    }

    /// All paths, the best first.
    pub(crate) fn paths(&self, place: u32) -> impl Iterator<Item = &Path> {
        let first = self.routes.get(place).map(|route| &route.head).filter(|head| head.peer != PeerId::NONE);
        std::iter::successors(first, |path| self.more.get(path.next))
    }

    /// The only path, where there is exactly one: the common case, without a copy.
    #[inline]
    pub(crate) fn single(&self, place: u32) -> Option<&Path> {
        let head = &self.routes[place].head;
        (head.next == END && head.peer != PeerId::NONE).then_some(head)
    }

    pub(crate) fn take(&self, place: u32) -> Paths {
        self.paths(place).copied().collect()
    }

    /// Writes the paths of a destination; the first is the best where it says so.
    pub(crate) fn put(&mut self, place: u32, paths: &[Path]) {
        let head = self.routes[place].head;
        let had = head.peer != PeerId::NONE;
        let mut old = head.next;
        let mut count = usize::from(had);
        // Places of the old list are taken again in order.
        let mut places: SmallVec<[u32; 8]> = SmallVec::new();
        while old != END {
            places.push(old);
            old = self.more[old].next;
            count += 1;
        }
        while places.len() + 1 < paths.len() {
            places.push(self.more.insert(Path::EMPTY));
        }
        while places.len() + 1 > paths.len().max(1) {
            places.pop().into_iter().for_each(|place| self.more.remove(place));
        }
        for (i, path) in paths.iter().enumerate() {
            let mut path = *path;
            path.next = places.get(i).copied().unwrap_or(END);
            if i == 0 {
                self.routes[place].head = path;
            } else {
                path.flags &= !flag::BEST;
                self.more[places[i - 1]] = path;
            }
        }
        if paths.is_empty() {
            self.routes[place].head = Path::EMPTY;
        }
        self.paths = self.paths + paths.len() as u64 - count as u64;
        self.count_change(place, head.flags, had, paths.first().map_or(0, |p| p.flags), !paths.is_empty());
    }

    /// Writes the only path of a destination that has one or none.
    #[inline]
    pub(crate) fn put_single(&mut self, place: u32, path: Path) {
        let head = &mut self.routes[place].head;
        let (old_flags, had) = (head.flags, head.peer != PeerId::NONE);
        debug_assert!(head.next == END, "a destination with several paths");
        *head = path;
        self.paths += u64::from(!had);
        self.count_change(place, old_flags, had, path.flags, true);
    }

    #[inline]
    fn count_change(&mut self, place: u32, old_flags: u8, had: bool, new_flags: u8, has: bool) {
        self.best -= u64::from(had && old_flags & flag::BEST != 0);
        self.best += u64::from(has && new_flags & flag::BEST != 0);
        self.occupied = self.occupied + u64::from(has) - u64::from(had);
        if had && !has {
            self.empty.insert(RouteIdx(place));
            self.emptied += 1;
        }
    }

    /// A path that is there already came again unchanged, or only its epoch differs.
    pub(crate) fn touch(&mut self, place: u32, peer: PeerId, epoch: u8) {
        let head = &mut self.routes[place].head;
        if head.peer == peer {
            head.epoch = epoch;
            return;
        }
        let mut at = head.next;
        while at != END {
            let path = &mut self.more[at];
            if path.peer == peer {
                path.epoch = epoch;
                return;
            }
            at = path.next;
        }
    }

    /// Frees the places of destinations without paths for which `unused` holds. It goes round them a part at a time:
    /// twice as many as came since, so that those that must stay never hide the others; further while that is worth
    /// the effort.
    pub(crate) fn reclaim(&mut self, mut unused: impl FnMut(u32) -> bool) {
        let mut patience =
            std::mem::take(&mut self.emptied).saturating_mul(2).saturating_add(RECLAIM_PATIENCE);
        for _ in 0..self.empty.len().min(patience.saturating_add(RECLAIM_SLICE)) {
            let found = self.empty.next(self.reclaimed_to).or_else(|| self.empty.next(0));
            let Some(RouteIdx(place)) = found.filter(|_| patience > 0) else { break };
            self.reclaimed_to = place + 1;
            if self.occupied(place) {
                self.empty.remove(RouteIdx(place));
            } else if unused(place) {
                self.empty.remove(RouteIdx(place));
                let hash_of = |i| self.hasher.hash_one(self.routes[i].key);
                if self.index.remove(hash_of(place), place, hash_of) {
                    self.routes.remove(place);
                }
            } else {
                patience -= 1;
            }
        }
    }

    /// Whether destinations wait for [`Shard::reclaim`].
    pub(crate) fn has_empty(&self) -> bool {
        !self.empty.is_empty()
    }

    /// Whether new ones wait.
    pub(crate) fn emptied(&self) -> bool {
        self.emptied > 0
    }

    /// Whether this place holds a destination with paths.
    pub(crate) fn occupied(&self, place: u32) -> bool {
        self.routes.get(place).is_some_and(|r| r.head.peer != PeerId::NONE)
    }
}
