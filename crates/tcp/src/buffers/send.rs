//! The send queue: octets from the first unacknowledged one on.

use super::ring::Ring;

/// Octets that are not acknowledged, sent or not.
#[derive(Debug)]
pub(crate) struct SendBuffer {
    ring: Ring,
    len: usize,
    limit: usize,
}

impl SendBuffer {
    /// An empty queue for at most `limit` octets.
    pub(crate) fn new(limit: usize) -> SendBuffer {
        SendBuffer { ring: Ring::default(), len: 0, limit: limit.clamp(1, super::MAX_LIMIT) }
    }

    /// Octets in the queue.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Octets that can be added; `share`: the most that a queue may hold now.
    pub(crate) fn room(&self, share: usize) -> usize {
        self.limit.min(share).saturating_sub(self.len)
    }

    /// The most octets.
    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// Changes the most octets; what is there stays.
    pub(crate) fn set_limit(&mut self, limit: usize) {
        self.limit = limit.clamp(1, super::MAX_LIMIT);
    }

    /// Adds what fits and says how much that is.
    pub(crate) fn push(&mut self, octets: &[u8], share: usize) -> usize {
        let n = octets.len().min(self.room(share));
        self.ring.write(self.len, self.len, &octets[..n]);
        self.len += n;
        n
    }

    /// Removes the first `n` octets, or all there are.
    pub(crate) fn consume(&mut self, n: usize) {
        let n = n.min(self.len);
        self.ring.advance(n);
        self.len -= n;
    }

    /// Gives memory back where nothing is queued and more than this is allocated.
    pub(crate) fn release(&mut self, keep: usize) {
        if self.len == 0 && self.ring.capacity() > keep {
            self.ring.clear();
        }
    }

    /// Octets allocated.
    pub(crate) fn capacity(&self) -> usize {
        self.ring.capacity()
    }

    /// The `len` octets at `offset`, in two pieces; fewer where there are fewer.
    pub(crate) fn slices(&self, offset: usize, len: usize) -> (&[u8], &[u8]) {
        let offset = offset.min(self.len);
        self.ring.slices(offset, len.min(self.len - offset))
    }

    /// Forgets everything and gives the memory back.
    pub(crate) fn clear(&mut self) {
        self.ring.clear();
        self.len = 0;
    }
}
