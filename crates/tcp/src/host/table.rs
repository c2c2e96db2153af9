//! Connections by number and by their ends, the queue of those that may have something to send, and their deadlines.

use crate::api::{Endpoint, SocketId};
use crate::connection::Connection;
use foldhash::quality::FixedState;
use hashbrown::HashMap;
use std::collections::{BTreeSet, VecDeque};
use trunkline_core::{Instant, Rng};

/// A place for a connection; the generation tells its tenants apart.
#[derive(Debug, Default)]
struct Slot {
    generation: u32,
    connection: Option<Box<Connection>>,
}

/// All connections.
#[derive(Debug)]
pub(super) struct Table {
    slots: Vec<Slot>,
    free: Vec<u32>,
    by_ends: HashMap<(Endpoint, Endpoint), u32, FixedState>,
    ready: VecDeque<u32>,
    deadlines: BTreeSet<(Instant, u32)>,
}

impl Table {
    pub(super) fn new(rng: &mut Rng) -> Table {
        Table {
            slots: Vec::new(),
            free: Vec::new(),
            by_ends: HashMap::with_hasher(FixedState::with_seed(rng.next_u64())),
            ready: VecDeque::new(),
            deadlines: BTreeSet::new(),
        }
    }

    /// How many connections there are.
    pub(super) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// The id that the next connection gets.
    pub(super) fn next_id(&self) -> SocketId {
        match self.free.last() {
            Some(&index) => {
                SocketId { index, generation: self.slots.get(index as usize).map_or(0, |s| s.generation) }
            }
            None => SocketId { index: self.slots.len() as u32, generation: 0 },
        }
    }

    /// Puts a connection, made with `next_id`, into its place.
    pub(super) fn insert(&mut self, connection: Connection) -> u32 {
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            self.slots.len() as u32 - 1
        });
        self.by_ends.insert((connection.ends.local, connection.ends.remote), index);
        if let Some(slot) = self.slots.get_mut(index as usize) {
            slot.connection = Some(Box::new(connection));
        }
        index
    }

    /// Frees the ends of a connection for another; it can still be reached by its number.
    pub(super) fn release_ends(&mut self, index: u32) {
        let Some(connection) = self.get(index) else { return };
        let ends = (connection.ends.local, connection.ends.remote);
        if self.by_ends.get(&ends) == Some(&index) {
            self.by_ends.remove(&ends);
        }
    }

    /// Removes a connection and all that points to it.
    pub(super) fn remove(&mut self, index: u32) {
        self.release_ends(index);
        let Some(slot) = self.slots.get_mut(index as usize) else { return };
        if let Some(connection) = slot.connection.take() {
            slot.generation = slot.generation.wrapping_add(1);
            self.free.push(index);
            if let Some(at) = connection.deadline_filed {
                self.deadlines.remove(&(at, index));
            }
        }
    }

    #[inline]
    pub(super) fn find(&self, local: Endpoint, remote: Endpoint) -> Option<u32> {
        self.by_ends.get(&(local, remote)).copied()
    }

    #[inline]
    pub(super) fn get(&self, index: u32) -> Option<&Connection> {
        self.slots.get(index as usize)?.connection.as_deref()
    }

    #[inline]
    pub(super) fn get_mut(&mut self, index: u32) -> Option<&mut Connection> {
        self.slots.get_mut(index as usize)?.connection.as_deref_mut()
    }

    /// The place of a connection that its user may still name.
    pub(super) fn index_of(&self, id: SocketId) -> Option<u32> {
        let slot = self.slots.get(id.index as usize).filter(|slot| slot.generation == id.generation)?;
        slot.connection.as_deref().filter(|connection| !connection.is_told_closed()).map(|_| id.index)
    }

    /// All connections, in the order of their numbers.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Connection> {
        self.slots.iter().filter_map(|slot| slot.connection.as_deref())
    }

    /// All numbers in use.
    pub(super) fn indices(&self) -> impl Iterator<Item = u32> + use<> {
        0..self.slots.len() as u32
    }

    /// Looks at this connection for something to send.
    pub(super) fn make_ready(&mut self, index: u32) {
        if let Some(connection) = self.get_mut(index)
            && !std::mem::replace(&mut connection.queued, true)
        {
            self.ready.push_back(index);
        }
    }

    /// The connection at the front of those that may have something to send.
    pub(super) fn first_ready(&self) -> Option<u32> {
        self.ready.front().copied()
    }

    /// The first of the queue has sent a segment and goes to the end, or has nothing more and leaves.
    pub(super) fn rotate(&mut self, sent: bool) {
        let Some(index) = self.ready.pop_front() else { return };
        if sent {
            self.ready.push_back(index);
        } else if let Some(connection) = self.get_mut(index) {
            connection.queued = false;
        }
    }

    /// Sees to it that the connection is looked at by its next deadline. A later one is filed only when the earlier one is
    /// due, so that timers that always move on cost nothing.
    pub(super) fn file_deadline(&mut self, index: u32) {
        let Some(connection) = self.slots.get_mut(index as usize).and_then(|s| s.connection.as_deref_mut())
        else {
            return;
        };
        let Some((at, _)) = connection.next_timer() else { return };
        match connection.deadline_filed {
            Some(filed) if filed <= at => return,
            Some(filed) => {
                self.deadlines.remove(&(filed, index));
            }
            None => {}
        }
        connection.deadline_filed = Some(at);
        self.deadlines.insert((at, index));
    }

    /// When the next deadline is.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|&(at, _)| at)
    }

    /// Takes a connection whose deadline is due.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<u32> {
        let &(at, index) = self.deadlines.first().filter(|&&(at, _)| at <= now)?;
        self.deadlines.remove(&(at, index));
        if let Some(connection) = self.get_mut(index) {
            connection.deadline_filed = None;
        }
        Some(index)
    }
}
