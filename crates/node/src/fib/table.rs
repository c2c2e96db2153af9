//! The prefixes we have, or want to have, in the kernel: 20 octets and an index for each IPv4 one.

use super::intern::NONE;
use crate::FibRefusal;
use foldhash::fast::FixedState;
use hashbrown::HashTable;
use std::hash::{BuildHasher, Hash};
use trunkline_core::{Ipv4Prefix, Ipv6Prefix, Prefix};

/// A prefix of one family.
pub(super) trait Family: Copy + Eq + Hash + Into<Prefix> {
    /// Whether this is IPv6.
    const IPV6: bool;
}

impl Family for Ipv4Prefix {
    const IPV6: bool = false;
}

impl Family for Ipv6Prefix {
    const IPV6: bool = true;
}

/// What is known of one prefix.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry<P> {
    pub(super) prefix: P,
    /// BGP's next hops: number of a group.
    pub(super) group: u32,
    /// What the kernel was told last: number of a set.
    pub(super) told: u32,
    /// BGP's administrative distance.
    pub(super) distance: u8,
    /// The kernel does not have what it was told last.
    pub(super) refused: Option<FibRefusal>,
    /// What it was told last took the place of another route of ours.
    pub(super) replaced: bool,
}

impl<P> Entry<P> {
    /// Whether the kernel has what it was told last, as far as we know.
    pub(super) fn is_there(&self) -> bool {
        self.told != NONE && self.refused.is_none()
    }
}

/// A slab of entries with an index by prefix and a hand that goes round to look at each of them.
#[derive(Debug)]
pub(super) struct Table<P> {
    slots: Vec<Option<Entry<P>>>,
    free: Vec<u32>,
    index: HashTable<u32>,
    hasher: FixedState,
    /// Where the hand stands.
    hand: usize,
    /// How many slots it has yet to pass.
    left: usize,
}

impl<P: Family> Table<P> {
    pub(super) fn new(seed: u64) -> Table<P> {
        Table {
            slots: Vec::new(),
            free: Vec::new(),
            index: HashTable::new(),
            hasher: FixedState::with_seed(seed),
            hand: 0,
            left: 0,
        }
    }

    pub(super) fn find(&self, prefix: P) -> Option<u32> {
        let is_it = |slot: &u32| self.slots[*slot as usize].as_ref().is_some_and(|e| e.prefix == prefix);
        self.index.find(self.hasher.hash_one(prefix), is_it).copied()
    }

    /// The slot of `prefix`, made where there is none.
    pub(super) fn find_or_insert(&mut self, prefix: P) -> u32 {
        if let Some(slot) = self.find(prefix) {
            return slot;
        }
        let entry = Entry { prefix, group: NONE, told: NONE, distance: 0, refused: None, replaced: false };
        let slot = match self.free.pop() {
            Some(slot) => {
                self.slots[slot as usize] = Some(entry);
                slot
            }
            None => {
                self.slots.push(Some(entry));
                if self.left > 0 {
                    self.left += 1; // keeps what is left to the hand where it is
                }
                (self.slots.len() - 1) as u32
            }
        };
        let (slots, hasher) = (&self.slots, &self.hasher);
        let rehash = |slot: &u32| match &slots[*slot as usize] {
            Some(entry) => hasher.hash_one(entry.prefix),
            None => 0, // not indexed
        };
        self.index.insert_unique(hasher.hash_one(prefix), slot, rehash);
        slot
    }

    pub(super) fn get(&self, slot: u32) -> Option<&Entry<P>> {
        self.slots.get(slot as usize)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, slot: u32) -> Option<&mut Entry<P>> {
        self.slots.get_mut(slot as usize)?.as_mut()
    }

    pub(super) fn remove(&mut self, slot: u32) {
        let Some(entry) = self.slots.get_mut(slot as usize).and_then(Option::take) else { return };
        let hash = self.hasher.hash_one(entry.prefix);
        if let Ok(found) = self.index.find_entry(hash, |s| *s == slot) {
            found.remove();
        }
        self.free.push(slot);
    }

    /// Sends the hand round once more, from where it is.
    pub(super) fn start_round(&mut self) {
        self.left = self.slots.len();
    }

    /// Whether the hand has slots left to pass.
    pub(super) fn is_going_round(&self) -> bool {
        self.left > 0
    }

    /// The slot under the hand, which moves on; none: the round is over.
    pub(super) fn step(&mut self) -> Option<u32> {
        if self.left == 0 || self.slots.is_empty() {
            self.left = 0;
            return None;
        }
        self.left -= 1;
        let slot = self.hand % self.slots.len();
        self.hand = slot + 1;
        Some(slot as u32)
    }

    pub(super) fn slots(&self) -> u32 {
        self.slots.len() as u32
    }

    pub(super) fn clear(&mut self) {
        self.slots = Vec::new();
        self.free = Vec::new();
        self.index = HashTable::new();
        (self.hand, self.left) = (0, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn p(n: u32) -> Ipv4Prefix {
        Ipv4Prefix::from_bits(n << 8, 24)
    }

    #[test]
    fn an_ipv4_entry_is_small() {
        assert_eq!(size_of::<Option<Entry<Ipv4Prefix>>>(), 20);
    }

    #[test]
    fn finds_what_was_inserted_and_not_removed() {
        let mut table = Table::new(7);
        let slots: Vec<u32> = (0..1000).map(|n| table.find_or_insert(p(n))).collect();
        for n in (0..1000).step_by(2) {
            table.remove(slots[n as usize]);
        }
        for n in 0..1000 {
            assert_eq!(table.find(p(n)).is_some(), n % 2 == 1, "{n}");
        }
        assert!(table.find_or_insert(p(5000)) < 1000, "slots are used again");
    }

    #[test]
    fn the_hand_passes_every_slot_once_a_round_even_while_slots_are_added() {
        let mut table = Table::new(7);
        for n in 0..10 {
            table.find_or_insert(p(n));
        }
        table.start_round();
        for _ in 0..4 {
            table.step();
        }
        table.start_round(); // something else changed: every slot again, from here
        let mut seen = Vec::new();
        while let Some(slot) = table.step() {
            seen.push(slot);
            if seen.len() == 3 {
                table.find_or_insert(p(100));
            }
        }
        seen.sort_unstable();
        assert_eq!(seen, (0..=10).collect::<Vec<u32>>());
    }
}
