//! The filtering database (IEEE 802.1D-2004 §7.9): stations by address, dynamic ones also in the order in which they
//! were last heard, so that the oldest is always at hand.

use foldhash::fast::FixedState;
use hashbrown::HashTable;
use std::hash::BuildHasher;
use trunkline_core::{Duration, Instant, MacAddr, PortId};

/// How the bridge came to know of a station.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// It heard the station (§7.9.2).
    Dynamic,
    /// It was told (§7.9.1); does not age and does not move.
    Static,
}

/// A station of the filtering database, to show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The station.
    pub mac: MacAddr,
    /// The port it is behind.
    pub port: PortId,
    /// Since the station was last heard, or since the start where that was never.
    pub age: Duration,
    /// How the bridge came to know of it.
    pub kind: Kind,
}

/// What hearing a station changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heard {
    /// Nothing but its age.
    Known,
    /// It was not known.
    New,
    /// It was at another port.
    Moved,
    /// It has a static entry for another port, which stays.
    StaticElsewhere,
    /// It was known, but too long ago.
    Renewed,
    /// It is not known and there is no room.
    Full,
}

/// No station: the end of a chain.
const NONE: u32 = u32::MAX;

/// A slot of the slab; 32 octets, so two share a cache line.
#[derive(Debug, Clone)]
struct Slot {
    mac: u64,
    /// Nanoseconds since the start, when it was last heard.
    heard: u64,
    port: PortId,
    kind: Kind,
    /// The dynamic station heard before this one; in a free slot, the next free one.
    older: u32,
    /// The dynamic station heard after this one.
    newer: u32,
}

#[derive(Debug)]
pub(crate) struct Database {
    hasher: FixedState,
    index: HashTable<u32>,
    slots: Vec<Slot>,
    free: u32,
    oldest: u32,
    newest: u32,
    max_entries: usize,
    /// In nanoseconds.
    ageing: u64,
}

const fn key(mac: MacAddr) -> u64 {
    let [a, b, c, d, e, f] = mac.0;
    u64::from_be_bytes([0, 0, a, b, c, d, e, f])
}

const fn mac(key: u64) -> MacAddr {
    let [_, _, a, b, c, d, e, f] = key.to_be_bytes();
    MacAddr([a, b, c, d, e, f])
}

impl Database {
    pub(crate) fn new(max_entries: usize, ageing: Duration, seed: u64) -> Database {
        Database {
            hasher: FixedState::with_seed(seed),
            index: HashTable::new(),
            slots: Vec::new(),
            free: NONE,
            oldest: NONE,
            newest: NONE,
            max_entries: max_entries.min(NONE as usize),
            ageing: nanos(ageing),
        }
    }

    /// Notes a frame from `station` at `port` (§7.8).
    #[inline]
    pub(crate) fn hear(&mut self, now: Instant, station: MacAddr, port: PortId) -> Heard {
        let key = key(station);
        let Some(at) = self.find(key) else { return self.add(now, key, port, Kind::Dynamic) };
        let current = self.is_current(at, now);
        let slot = &mut self.slots[at as usize];
        slot.heard = slot.heard.max(now.as_nanos());
        let heard = match slot.kind {
            Kind::Static if slot.port == port => return Heard::Known,
            Kind::Static => return Heard::StaticElsewhere,
            Kind::Dynamic if !current => Heard::Renewed,
            Kind::Dynamic if slot.port == port => Heard::Known,
            Kind::Dynamic => Heard::Moved,
        };
        slot.port = port;
        if self.newest != at {
            self.unlink(at);
            self.link(at);
        }
        heard
    }

    /// The port that `station` is behind.
    #[inline]
    pub(crate) fn port_of(&self, now: Instant, station: MacAddr) -> Option<PortId> {
        let at = self.find(key(station))?;
        self.is_current(at, now).then(|| self.slots[at as usize].port)
    }

    /// Removes dynamic stations that are too old at `now`, oldest first and `most` at most; how many.
    #[inline]
    pub(crate) fn age(&mut self, now: Instant, most: usize) -> usize {
        let mut aged = 0;
        while aged < most && self.deadline().is_some_and(|at| at <= now) {
            self.remove_at(self.oldest);
            aged += 1;
        }
        aged
    }

    /// When the oldest dynamic station becomes too old.
    #[inline]
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let oldest = self.slots.get(self.oldest as usize)?;
        Some(Instant::from_nanos(oldest.heard.saturating_add(self.ageing)))
    }

    pub(crate) fn set_ageing(&mut self, ageing: Duration) {
        self.ageing = nanos(ageing);
    }

    pub(crate) fn ageing(&self) -> Duration {
        Duration::from_nanos(self.ageing)
    }

    /// Makes a static entry, instead of the one there is or of the oldest where there is no room; false where all
    /// are static.
    pub(crate) fn add_static(&mut self, station: MacAddr, port: PortId) -> bool {
        let key = key(station);
        if let Some(at) = self.find(key) {
            if self.slots[at as usize].kind == Kind::Dynamic {
                self.unlink(at);
            }
            let slot = &mut self.slots[at as usize];
            slot.kind = Kind::Static;
            slot.port = port;
            return true;
        }
        if self.index.len() >= self.max_entries && self.oldest != NONE {
            self.remove_at(self.oldest);
        }
        self.add(Instant::ZERO, key, port, Kind::Static) != Heard::Full
    }

    /// Removes a static entry; whether there was one.
    pub(crate) fn remove_static(&mut self, station: MacAddr) -> bool {
        match self.find(key(station)) {
            Some(at) if self.slots[at as usize].kind == Kind::Static => {
                self.remove_at(at);
                true
            }
            _ => false,
        }
    }

    /// Removes a station whatever its kind; whether it was there.
    pub(crate) fn remove(&mut self, station: MacAddr) -> bool {
        self.find(key(station)).map(|at| self.remove_at(at)).is_some()
    }

    /// Removes the dynamic stations that `which` names, with `statics` the static ones too; how many.
    pub(crate) fn flush(&mut self, which: impl Fn(PortId) -> bool, statics: bool) -> usize {
        let chosen: Vec<u32> = self
            .index
            .iter()
            .copied()
            .filter(|&at| {
                let slot = &self.slots[at as usize];
                which(slot.port) && (statics || slot.kind == Kind::Dynamic)
            })
            .collect();
        for &at in &chosen {
            self.remove_at(at);
        }
        chosen.len()
    }

    /// What there is at `now`, in the order of the addresses.
    pub(crate) fn entries(&self, now: Instant) -> std::vec::IntoIter<Entry> {
        let mut entries: Vec<Entry> = self
            .index
            .iter()
            .filter(|&&at| self.is_current(at, now))
            .map(|&at| &self.slots[at as usize])
            .map(|slot| Entry {
                mac: mac(slot.mac),
                port: slot.port,
                age: now.since(Instant::from_nanos(slot.heard)),
                kind: slot.kind,
            })
            .collect();
        entries.sort_unstable_by_key(|entry| entry.mac);
        entries.into_iter()
    }

    pub(crate) fn len(&self) -> usize {
        self.index.len()
    }

    #[inline]
    fn find(&self, key: u64) -> Option<u32> {
        let hash = self.hasher.hash_one(key);
        self.index.find(hash, |&at| self.slots[at as usize].mac == key).copied()
    }

    /// Whether a station is not too old. What is too old may still be there, as it is removed in slices.
    #[inline]
    fn is_current(&self, at: u32, now: Instant) -> bool {
        let slot = &self.slots[at as usize];
        slot.kind == Kind::Static || slot.heard.saturating_add(self.ageing) > now.as_nanos()
    }

    /// A station that is not there yet.
    fn add(&mut self, now: Instant, key: u64, port: PortId, kind: Kind) -> Heard {
        if self.index.len() >= self.max_entries {
            return Heard::Full;
        }
        let slot = Slot { mac: key, heard: now.as_nanos(), port, kind, older: NONE, newer: NONE };
        let at = if self.free == NONE {
            self.slots.push(slot);
            (self.slots.len() - 1) as u32
        } else {
            let at = self.free;
            self.free = self.slots[at as usize].older;
            self.slots[at as usize] = slot;
            at
        };
        if kind == Kind::Dynamic {
            self.link(at);
        }
        let Database { hasher, index, slots, .. } = self;
        index.insert_unique(hasher.hash_one(key), at, |&at| hasher.hash_one(slots[at as usize].mac));
        Heard::New
    }

    fn remove_at(&mut self, at: u32) {
        if self.slots[at as usize].kind == Kind::Dynamic {
            self.unlink(at);
        }
        let hash = self.hasher.hash_one(self.slots[at as usize].mac);
        if let Ok(entry) = self.index.find_entry(hash, |&other| other == at) {
            entry.remove();
        }
        self.slots[at as usize].older = self.free;
        self.free = at;
    }

    /// Puts a station at the newest end of the chain.
    #[inline]
    fn link(&mut self, at: u32) {
        let newest = std::mem::replace(&mut self.newest, at);
        let slot = &mut self.slots[at as usize];
        slot.older = newest;
        slot.newer = NONE;
        match self.slots.get_mut(newest as usize) {
            Some(slot) => {
                // Time may be handed in unordered by a careless caller; the chain stays in order.
                let heard = slot.heard;
                slot.newer = at;
                let this = &mut self.slots[at as usize];
                this.heard = this.heard.max(heard);
            }
            None => self.oldest = at,
        }
    }

    /// Takes a station out of the chain.
    #[inline]
    fn unlink(&mut self, at: u32) {
        let Slot { older, newer, .. } = self.slots[at as usize];
        match self.slots.get_mut(older as usize) {
            Some(slot) => slot.newer = newer,
            None => self.oldest = newer,
        }
        match self.slots.get_mut(newer as usize) {
            Some(slot) => slot.older = older,
            None => self.newest = older,
        }
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
