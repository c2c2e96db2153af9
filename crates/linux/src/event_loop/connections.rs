//! All connections of a node, and which of them have something to do.

use crate::conn::{Conn, Lingering};
use std::collections::{BTreeMap, VecDeque};
use trunkline_bgp::transport::TcpError;
use trunkline_core::{ConnId, Duration, Instant};

/// How long a closed connection may wait for the peer's FIN.
const LINGER: Duration = Duration::from_secs(2);

/// Open and lingering connections at most; a peer that connects beyond is turned away.
pub(super) const MAX_CONNECTIONS: usize = 16 * 1024;

/// Lingering connections at most; the oldest makes room.
const MAX_LINGERING: usize = 1024;

#[derive(Debug)]
enum Slot {
    Free,
    Open(Conn),
    Lingering { conn: Lingering, serial: u64 },
}

/// Connections that wait for something to be done: first those of which there is news, then those that had their turn
/// already and have more.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    fresh: VecDeque<usize>,
    more: VecDeque<usize>,
}

impl Waiting {
    pub(super) fn is_empty(&self) -> bool {
        self.fresh.is_empty() && self.more.is_empty()
    }

    pub(super) fn pop(&mut self) -> Option<usize> {
        self.fresh.pop_front().or_else(|| self.more.pop_front())
    }

    /// One of those that have more: one comes first in each turn, so that they are not forgotten over news.
    pub(super) fn pop_more(&mut self) -> Option<usize> {
        self.more.pop_front()
    }
}

/// Connections by index (the epoll token) and by id.
#[derive(Debug, Default)]
pub(super) struct Connections {
    slots: Vec<Slot>,
    free: Vec<usize>,
    ids: BTreeMap<ConnId, usize>,
    /// To be read from: epoll said there is something, and no read has said otherwise since.
    pub(super) to_read: Waiting,
    /// To be flushed at the end of the turn.
    pub(super) to_flush: Waiting,
    /// Connects that failed at once; the node is told in the next turn.
    pub(super) failed: VecDeque<(ConnId, TcpError)>,
    /// Lingering connections in the order of their deadlines: deadline, index, serial.
    lingering: VecDeque<(Instant, usize, u64)>,
    accepted: u64,
    serial: u64,
}

impl Connections {
    /// An id for an accepted connection; `None`: there are too many.
    pub(super) fn next_incoming(&mut self) -> Option<ConnId> {
        if self.slots.len() - self.free.len() >= MAX_CONNECTIONS {
            return None;
        }
        self.accepted += 1;
        Some(ConnId::incoming(self.accepted))
    }

    /// Takes a connection in; its index.
    pub(super) fn insert(&mut self, conn: Conn) -> usize {
        let id = conn.id;
        let index = self.put(Slot::Open(conn));
        self.ids.insert(id, index);
        index
    }

    fn put(&mut self, slot: Slot) -> usize {
        if let Some(index) = self.free.pop() {
            self.slots[index] = slot;
            return index;
        }
        self.slots.push(slot);
        self.slots.len() - 1
    }

    fn take(&mut self, index: usize) -> Slot {
        let Some(slot) = self.slots.get_mut(index) else { return Slot::Free };
        let taken = std::mem::replace(slot, Slot::Free);
        if !matches!(taken, Slot::Free) {
            self.free.push(index);
        }
        taken
    }

    pub(super) fn get(&mut self, index: usize) -> Option<&mut Conn> {
        match self.slots.get_mut(index) {
            Some(Slot::Open(conn)) => Some(conn),
            _ => None,
        }
    }

    pub(super) fn get_lingering(&mut self, index: usize) -> Option<&mut Lingering> {
        match self.slots.get_mut(index) {
            Some(Slot::Lingering { conn, .. }) => Some(conn),
            _ => None,
        }
    }

    pub(super) fn index(&self, id: ConnId) -> Option<usize> {
        self.ids.get(&id).copied()
    }

    /// Removes an open connection.
    pub(super) fn remove(&mut self, id: ConnId) -> Option<Conn> {
        let index = self.ids.remove(&id)?;
        match self.take(index) {
            Slot::Open(conn) => Some(conn),
            _ => None,
        }
    }

    /// Keeps a closed connection until the peer closes too, or for [`LINGER`]. Its index is a new one, so its token has
    /// to be registered anew.
    pub(super) fn linger(&mut self, conn: Lingering, now: Instant) -> usize {
        if self.lingering.len() >= MAX_LINGERING {
            // Those that are over already go first.
            self.lingering.retain(|&(_, index, serial)| is_current(&self.slots, index, serial));
            if self.lingering.len() >= MAX_LINGERING
                && let Some((_, oldest, _)) = self.lingering.pop_front()
            {
                self.take(oldest);
            }
        }
        self.serial += 1;
        let serial = self.serial;
        let index = self.put(Slot::Lingering { conn, serial });
        self.lingering.push_back((now + LINGER, index, serial));
        index
    }

    /// Ends a lingering connection.
    pub(super) fn drop_lingering(&mut self, index: usize) {
        if matches!(self.slots.get(index), Some(Slot::Lingering { .. })) {
            self.take(index);
        }
    }

    /// Ends the lingering connections whose time is over.
    pub(super) fn expire(&mut self, now: Instant) {
        while let Some(&(deadline, index, serial)) = self.lingering.front() {
            let current = is_current(&self.slots, index, serial);
            if current && deadline > now {
                break;
            }
            self.lingering.pop_front();
            if current {
                self.take(index);
            }
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.lingering.front().map(|&(deadline, ..)| deadline)
    }

    /// Whether something can be done without waiting.
    pub(super) fn have_work(&self) -> bool {
        !(self.to_read.is_empty() && self.to_flush.is_empty() && self.failed.is_empty())
    }

    /// Whether no connection is open or lingers.
    pub(super) fn is_empty(&self) -> bool {
        self.slots.len() == self.free.len()
    }

    /// epoll has news of a connection.
    pub(super) fn queue_to_read(&mut self, index: usize) {
        if let Some(conn) = self.get(index)
            && !std::mem::replace(&mut conn.queued_to_read, true)
        {
            self.to_read.fresh.push_back(index);
        }
    }

    /// A read has brought all that it could.
    pub(super) fn read_again(&mut self, index: usize) {
        if let Some(conn) = self.get(index)
            && !std::mem::replace(&mut conn.queued_to_read, true)
        {
            self.to_read.more.push_back(index);
        }
    }

    /// The node has something for a connection.
    pub(super) fn queue_to_flush(&mut self, index: usize) {
        if let Some(conn) = self.get(index)
            && !std::mem::replace(&mut conn.queued_to_flush, true)
        {
            self.to_flush.fresh.push_back(index);
        }
    }

    /// The socket took all, and the node may have more.
    pub(super) fn flush_again(&mut self, index: usize) {
        if let Some(conn) = self.get(index)
            && !std::mem::replace(&mut conn.queued_to_flush, true)
        {
            self.to_flush.more.push_back(index);
        }
    }
}

/// Whether the lingering connection with this serial number is still there.
fn is_current(slots: &[Slot], index: usize, serial: u64) -> bool {
    matches!(slots.get(index), Some(Slot::Lingering { serial: s, .. }) if *s == serial)
}
