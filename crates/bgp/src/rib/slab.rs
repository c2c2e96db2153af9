//! Elements at places that do not change, and their index: both grow by small parts, and give parts back.
//!
//! One large array that doubles holds the old and the new one for a moment, and a table of a million routes stands
//! still while it is copied. Parts are never copied, and one without elements is freed.

use hashbrown::HashTable;
use std::ops::{Index, IndexMut};

/// Places in a part. Tests have small ones, so that parts come and go.
const PART: usize = if cfg!(test) { 128 } else { 4096 };

/// A part: its first places were used at some time, the others never.
struct Part<T> {
    items: Vec<T>,
    /// One bit for each place that is in use.
    used: [u64; PART / 64],
    count: usize,
    /// All words of `used` below are full.
    full_below: usize,
}

impl<T> Part<T> {
    fn new() -> Part<T> {
        Part { items: Vec::new(), used: [0; PART / 64], count: 0, full_below: 0 }
    }

    /// Takes the lowest free place; there is one.
    fn insert(&mut self, item: T) -> usize {
        while self.used[self.full_below] == u64::MAX {
            self.full_below += 1;
        }
        let bit = self.used[self.full_below].trailing_ones();
        self.used[self.full_below] |= 1 << bit;
        self.count += 1;
        let at = self.full_below * 64 + bit as usize;
        match self.items.get_mut(at) {
            Some(place) => *place = item,
            None => {
                self.items.reserve_exact(PART - self.items.len());
                self.items.push(item);
            }
        }
        at
    }

    fn remove(&mut self, at: usize) {
        let bit = 1 << (at % 64);
        debug_assert!(self.used[at / 64] & bit != 0, "a place that is free");
        self.used[at / 64] &= !bit;
        self.count -= 1;
        self.full_below = self.full_below.min(at / 64);
        if self.count == 0 {
            self.items = Vec::new();
        }
    }
}

/// Elements by place. The lowest free place is taken first, so that the highest parts become empty.
pub(crate) struct Slab<T> {
    parts: Vec<Part<T>>,
    /// All parts below are full.
    full_below: usize,
}

impl<T> Slab<T> {
    pub(crate) fn new() -> Slab<T> {
        Slab { parts: Vec::new(), full_below: 0 }
    }

    /// Every place that was ever in use is below, but for those that were given back.
    pub(crate) fn places(&self) -> u32 {
        self.parts.last().map_or(0, |last| ((self.parts.len() - 1) * PART + last.items.len()) as u32)
    }

    /// The element at a place; a free one may hold what stood there last.
    #[inline]
    pub(crate) fn get(&self, place: u32) -> Option<&T> {
        let place = place as usize;
        self.parts.get(place / PART)?.items.get(place % PART)
    }

    /// Puts it into a free place.
    pub(crate) fn insert(&mut self, item: T) -> u32 {
        while self.parts.get(self.full_below).is_some_and(|part| part.count == PART) {
            self.full_below += 1;
        }
        if self.full_below == self.parts.len() {
            self.parts.push(Part::new());
        }
        (self.full_below * PART + self.parts[self.full_below].insert(item)) as u32
    }

    /// Frees a place.
    pub(crate) fn remove(&mut self, place: u32) {
        let place = place as usize;
        self.parts[place / PART].remove(place % PART);
        self.full_below = self.full_below.min(place / PART);
        while self.parts.last().is_some_and(|part| part.count == 0) {
            self.parts.pop();
        }
    }
}

impl<T> Index<u32> for Slab<T> {
    type Output = T;

    #[inline]
    fn index(&self, place: u32) -> &T {
        &self.parts[place as usize / PART].items[place as usize % PART]
    }
}

impl<T> IndexMut<u32> for Slab<T> {
    #[inline]
    fn index_mut(&mut self, place: u32) -> &mut T {
        &mut self.parts[place as usize / PART].items[place as usize % PART]
    }
}

/// Tables of an index.
const SHARDS: usize = 64;

/// Places by the hash of what stands there.
pub(crate) struct Places {
    shards: [HashTable<u32>; SHARDS],
}

impl Places {
    pub(crate) fn new() -> Places {
        Places { shards: [const { HashTable::new() }; SHARDS] }
    }

    /// hashbrown uses the lowest bits and the highest seven.
    fn shard(hash: u64) -> usize {
        (hash >> 48) as usize % SHARDS
    }

    #[inline]
    pub(crate) fn find(&self, hash: u64, mut same: impl FnMut(u32) -> bool) -> Option<u32> {
        self.shards[Self::shard(hash)].find(hash, |&place| same(place)).copied()
    }

    /// `hash_of` gives the hash of a place that is in the index.
    pub(crate) fn insert(&mut self, hash: u64, place: u32, hash_of: impl Fn(u32) -> u64) {
        self.shards[Self::shard(hash)].insert_unique(hash, place, |&place| hash_of(place));
    }

    /// Whether it was there. What is left is kept in less memory, where that is much less.
    pub(crate) fn remove(&mut self, hash: u64, place: u32, hash_of: impl Fn(u32) -> u64) -> bool {
        let shard = &mut self.shards[Self::shard(hash)];
        let Ok(entry) = shard.find_entry(hash, |&other| other == place) else { return false };
        entry.remove();
        if shard.len() < shard.capacity() / 8 {
            shard.shrink_to(shard.len() * 2, |&place| hash_of(place));
        }
        true
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.shards.iter().map(HashTable::len).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        /// Whole parts come and go: runs of inserts and removals.
        #[test]
        fn behaves_like_a_map(runs in prop::collection::vec((any::<bool>(), 1usize..400, any::<u32>()), 1..12)) {
            let mut slab = Slab::new();
            let mut places = Places::new();
            let mut model = BTreeMap::new();
            let hash = |n: u32| u64::from(n).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            for (insert, count, salt) in runs {
                for i in 0..count as u32 {
                    if insert {
                        let value = salt.wrapping_add(i);
                        let place = slab.insert(value);
                        let below = model.range(..place).count();
                        prop_assert_eq!(below, place as usize, "a lower place was free");
                        prop_assert_eq!(model.insert(place, value), None);
                        places.insert(hash(value), place, |p| hash(slab[p]));
                    } else {
                        let Some((&place, &value)) = model.range(salt % 1024..).next() else { break };
                        model.remove(&place);
                        prop_assert!(places.remove(hash(value), place, |p| hash(slab[p])));
                        slab.remove(place);
                    }
                }
                for (place, value) in &model {
                    prop_assert_eq!(slab.get(*place), Some(value));
                    let found = places.find(hash(*value), |p| p == *place);
                    prop_assert_eq!(found, Some(*place));
                }
                prop_assert_eq!(places.len(), model.len());
                prop_assert!(model.last_key_value().is_none_or(|(place, _)| *place < slab.places()));
            }
        }
    }

    #[test]
    fn gives_memory_back() {
        let mut slab = Slab::new();
        let mut places = Places::new();
        let hash = |n: u32| u64::from(n).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (0..20_000).for_each(|n| {
            let place = slab.insert(n);
            places.insert(hash(n), place, hash);
        });
        assert_eq!(slab.places(), 20_000);
        let capacity = |places: &Places| places.shards.iter().map(HashTable::capacity).sum::<usize>();
        let full = capacity(&places);
        for n in 0..20_000 {
            if n != 10_000 {
                slab.remove(n);
                assert!(places.remove(hash(n), n, hash));
            }
        }
        let held = slab.parts.iter().filter(|part| part.items.capacity() > 0).count();
        assert_eq!((held, slab.get(10_000), slab.get(0)), (1, Some(&10_000), None));
        assert!(slab.places() <= 10_000 + PART as u32, "{}", slab.places());
        assert!(capacity(&places) < full / 32, "{} of {full}", capacity(&places));
    }
}
