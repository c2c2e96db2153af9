//! Who is heard, and the sequence numbers of each.

use crate::auth::AuthFailure;
use crate::io::InterfaceId;
use smallvec::SmallVec;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use trunkline_core::{Duration, Instant};

/// A router that is heard.
#[derive(Debug, Clone)]
pub(crate) struct Neighbor {
    /// The version of its last message.
    pub(crate) version: u8,
    /// When its last good message came.
    pub(crate) heard: Instant,
    /// Good messages.
    pub(crate) packets: u64,
    /// Datagrams that were ignored.
    pub(crate) bad_packets: u64,
    /// Entries that were ignored.
    pub(crate) bad_entries: u64,
    /// The highest sequence number with each key. Keys are few: they are ours.
    pub(crate) sequences: SmallVec<[(u8, u32); 1]>,
}

/// All of them, by interface and address.
#[derive(Debug, Default)]
pub(crate) struct Neighbors(BTreeMap<(InterfaceId, Ipv4Addr), Neighbor>);

/// What a good message is to the table of neighbours.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// From one that is known.
    Known,
    /// From a new one, or one that was silent for long.
    New,
    /// There is no room for it.
    Full,
}

impl Neighbors {
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&(InterfaceId, Ipv4Addr), &Neighbor)> {
        self.0.iter()
    }

    pub(crate) fn get_mut(&mut self, id: InterfaceId, address: Ipv4Addr) -> Option<&mut Neighbor> {
        self.0.get_mut(&(id, address))
    }

    /// Those of an interface that is gone.
    pub(crate) fn forget(&mut self, id: InterfaceId) {
        self.0.retain(|(other, _), _| *other != id);
    }

    pub(crate) fn bad_packet(&mut self, id: InterfaceId, address: Ipv4Addr) {
        if let Some(neighbor) = self.get_mut(id, address) {
            neighbor.bad_packets += 1;
        }
    }

    /// Whether a sequence number may be: "non-decreasing" while the neighbour is alive, then higher, or zero
    /// (RFC 4822 §2.3.2 (6)).
    pub(crate) fn check_sequence(
        &self,
        now: Instant,
        (alive, any_after_silence): (Duration, bool),
        (id, address): (InterfaceId, Ipv4Addr),
        (key, sequence): (u8, u32),
    ) -> Result<(), AuthFailure> {
        let Some(neighbor) = self.0.get(&(id, address)) else { return Ok(()) };
        let Some((_, last)) = neighbor.sequences.iter().find(|(other, _)| *other == key) else {
            return Ok(());
        };
        let is_alive = now.since(neighbor.heard) < alive;
        let good = match is_alive {
            true => sequence >= *last,
            false => sequence > *last || sequence == 0 || any_after_silence,
        };
        if good { Ok(()) } else { Err(AuthFailure::OldSequence { sequence, last: *last }) }
    }

    /// A good message came.
    pub(crate) fn heard(
        &mut self,
        now: Instant,
        (alive, limit): (Duration, usize),
        (id, address): (InterfaceId, Ipv4Addr),
        version: u8,
        sequence: Option<(u8, u32)>,
    ) -> Heard {
        let mut heard = Heard::Known;
        if !self.0.contains_key(&(id, address)) {
            if self.on(id).count() >= limit && !self.evict(now, id, alive) {
                return Heard::Full;
            }
            heard = Heard::New;
        }
        let neighbor = self.0.entry((id, address)).or_insert(Neighbor {
            version,
            heard: now,
            packets: 0,
            bad_packets: 0,
            bad_entries: 0,
            sequences: SmallVec::new(),
        });
        if now.since(neighbor.heard) >= alive {
            heard = Heard::New;
        }
        (neighbor.version, neighbor.heard) = (version, now);
        neighbor.packets += 1;
        if let Some((key, sequence)) = sequence {
            match neighbor.sequences.iter_mut().find(|(other, _)| *other == key) {
                Some((_, last)) => *last = sequence,
                None => neighbor.sequences.push((key, sequence)),
            }
        }
        heard
    }

    /// Those on an interface.
    fn on(&self, id: InterfaceId) -> impl Iterator<Item = (&(InterfaceId, Ipv4Addr), &Neighbor)> {
        self.0.range((id, Ipv4Addr::UNSPECIFIED)..=(id, Ipv4Addr::BROADCAST))
    }

    /// Forgets the one on an interface that is silent for the longest, but none that is alive; whether there was one.
    fn evict(&mut self, now: Instant, id: InterfaceId, alive: Duration) -> bool {
        let silent = self.on(id).filter(|(_, neighbor)| now.since(neighbor.heard) >= alive);
        let Some(key) = silent.min_by_key(|(_, neighbor)| neighbor.heard).map(|(key, _)| *key) else {
            return false;
        };
        self.0.remove(&key).is_some()
    }
}
