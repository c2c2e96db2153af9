//! The receive queue: octets that the user has not taken, then those that arrived ahead of a gap, and which these are.

use super::ring::Ring;
use crate::SeqNum;
use trunkline_wire::tcp::SackBlocks;

/// The most blocks ahead of a gap; a segment that would make one more is dropped, its sender sends it again.
const MAX_BLOCKS: usize = 128;

/// What became of a segment's octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Inserted {
    /// RCV.NXT moved by so many octets.
    pub(crate) advanced: u32,
    /// The part that had arrived before (RFC 2883), start and end.
    pub(crate) duplicate: Option<(SeqNum, SeqNum)>,
    /// Octets that were kept but are ahead of a gap.
    pub(crate) ahead: u32,
    /// There was no place for it.
    pub(crate) dropped: bool,
}

/// Octets received in order and not taken, and blocks beyond a gap.
#[derive(Debug)]
pub(crate) struct ReceiveBuffer {
    ring: Ring,
    limit: usize,
    readable: usize,
    /// The end of the furthest block, as an offset in the ring.
    extent: usize,
    /// The next octet awaited in order.
    next: SeqNum,
    /// Blocks ahead, apart from each other; the one that last grew comes first (RFC 2018 §4).
    blocks: Vec<(SeqNum, SeqNum)>,
}

impl ReceiveBuffer {
    /// An empty queue for at most `limit` octets that awaits `next`.
    pub(crate) fn new(limit: usize, next: SeqNum) -> ReceiveBuffer {
        let limit = limit.clamp(1, super::MAX_LIMIT);
        ReceiveBuffer { ring: Ring::default(), limit, readable: 0, extent: 0, next, blocks: Vec::new() }
    }

    /// The next octet awaited in order.
    pub(crate) fn next(&self) -> SeqNum {
        self.next
    }

    /// Octets that the user can take.
    pub(crate) fn readable(&self) -> usize {
        self.readable
    }

    /// The most octets.
    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// Changes the most octets; what is there stays.
    pub(crate) fn set_limit(&mut self, limit: usize) {
        self.limit = limit.clamp(1, super::MAX_LIMIT);
    }

    /// Octets beyond `next` that there is room for; `share`: the most that a queue may hold now.
    pub(crate) fn room(&self, share: usize) -> usize {
        self.limit.min(share).saturating_sub(self.readable)
    }

    /// Octets from `seq` on that there is memory for: what is allocated is there.
    pub(crate) fn fits(&self, seq: SeqNum, share: usize) -> usize {
        let end = self.next + share.max(self.ring.capacity()).saturating_sub(self.readable) as u32;
        (end - seq).max(0) as usize
    }

    /// Octets allocated.
    pub(crate) fn capacity(&self) -> usize {
        self.ring.capacity()
    }

    /// Whether something waits beyond a gap.
    pub(crate) fn has_gap(&self) -> bool {
        !self.blocks.is_empty()
    }

    /// How many blocks wait beyond a gap.
    pub(crate) fn blocks(&self) -> usize {
        self.blocks.len()
    }

    /// The blocks ahead for a SACK option, the latest first, after `first` where there is one; at most `max`.
    pub(crate) fn sack(&self, first: Option<(SeqNum, SeqNum)>, max: usize) -> SackBlocks {
        let mut sack = SackBlocks::default();
        for &(left, right) in first.iter().chain(&self.blocks).take(max) {
            sack.push(left, right);
        }
        sack
    }

    /// Takes in octets that arrived at `seq`, which the caller cut to at most 2^31 from `next` and inside the window.
    pub(crate) fn insert(&mut self, seq: SeqNum, data: &[u8]) -> Inserted {
        if data.is_empty() {
            return Inserted::default();
        }
        let end = seq + data.len() as u32;
        if end.le(self.next) {
            return Inserted { duplicate: Some((seq, end)), ..Inserted::default() };
        }
        let old = if seq.lt(self.next) { (self.next - seq) as usize } else { 0 };
        let (start, data) = (seq + old as u32, &data[old..]);
        let offset = self.readable + (start - self.next) as usize;
        let mut result = Inserted::default();
        if old > 0 {
            result.duplicate = Some((seq, self.next));
        }
        if start == self.next && self.blocks.is_empty() {
            self.ring.write(self.extent, offset, data);
            result.advanced = data.len() as u32;
            self.advance(end);
            return result;
        }
        match self.merge(start, end, &mut result) {
            Some((left, right)) => {
                self.ring.write(self.extent, offset, data);
                self.extent = self.extent.max(offset + data.len());
                if left == self.next {
                    result.advanced = (right - self.next) as u32;
                    self.blocks.remove(0);
                    self.advance(right);
                } else {
                    result.ahead = data.len() as u32;
                }
            }
            None => result.dropped = true,
        }
        result
    }

    /// Puts a block first, joined with those that it touches. `None` where there is no place for one more.
    fn merge(&mut self, start: SeqNum, end: SeqNum, result: &mut Inserted) -> Option<(SeqNum, SeqNum)> {
        let touches = |&(l, r): &(SeqNum, SeqNum)| l.le(end) && r.ge(start);
        if start != self.next && self.blocks.len() >= MAX_BLOCKS && !self.blocks.iter().any(touches) {
            return None;
        }
        let mut whole = (start, end);
        self.blocks.retain(|block| {
            if !touches(block) {
                return true;
            }
            let overlap = (block.0.max(start), block.1.min(end));
            if overlap.0.lt(overlap.1) && result.duplicate.is_none() {
                result.duplicate = Some(overlap);
            }
            whole = (whole.0.min(block.0), whole.1.max(block.1));
            false
        });
        self.blocks.insert(0, whole);
        Some(whole)
    }

    fn advance(&mut self, to: SeqNum) {
        self.readable += (to - self.next) as usize;
        self.extent = self.extent.max(self.readable);
        self.next = to;
    }

    /// Moves at most `limit` octets to the end of `buf`; how many.
    pub(crate) fn take(&mut self, buf: &mut Vec<u8>, limit: usize) -> usize {
        let n = self.readable.min(limit);
        let (a, b) = self.ring.slices(0, n);
        buf.extend_from_slice(a);
        buf.extend_from_slice(b);
        self.ring.advance(n);
        self.readable -= n;
        self.extent -= n;
        n
    }

    /// Gives memory back where nothing is queued and more than this is allocated.
    pub(crate) fn release(&mut self, keep: usize) {
        if self.extent == 0 && self.ring.capacity() > keep {
            self.ring.clear();
        }
    }

    /// Forgets the blocks ahead of a gap: the stream has ended, or nobody wants it.
    pub(crate) fn forget_ahead(&mut self) {
        self.blocks = Vec::new();
        self.extent = self.readable;
        if self.readable == 0 {
            self.ring.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn s(n: u32) -> SeqNum {
        SeqNum(n)
    }

    #[test]
    fn the_latest_block_comes_first() {
        // RFC 2018 §4: the first block is the one with the segment that triggered the ACK.
        let mut r = ReceiveBuffer::new(1000, s(0));
        r.insert(s(10), &[0; 5]);
        r.insert(s(30), &[0; 5]);
        r.insert(s(15), &[0; 5]);
        assert_eq!(&*r.sack(None, 4), &[(s(10), s(20)), (s(30), s(35))]);
        assert_eq!(r.insert(s(0), &[0; 10]).advanced, 20);
        assert_eq!(&*r.sack(None, 4), &[(s(30), s(35))]);
        assert_eq!(r.insert(s(30), &[0; 2]).duplicate, Some((s(30), s(32))));
    }

    #[test]
    fn blocks_are_limited() {
        let mut r = ReceiveBuffer::new(10_000, s(0));
        for i in 0..MAX_BLOCKS as u32 {
            assert!(!r.insert(s(10 + 10 * i), &[0; 5]).dropped);
        }
        assert!(r.insert(s(9000), &[0; 5]).dropped);
        assert!(!r.insert(s(15), &[0; 5]).dropped, "one that joins two is welcome");
        assert_eq!(r.insert(s(0), &[0; 10]).advanced, 25);
    }

    proptest! {
        /// Whatever the order, overlap and size of segments: the stream comes out once and in order.
        #[test]
        fn any_order_gives_the_stream(start: u32, cuts in prop::collection::vec((0usize..300, 1usize..60), 1..200)) {
            let stream: Vec<u8> = (0..360).map(|i| i as u8).collect();
            let mut r = ReceiveBuffer::new(4000, s(start));
            let mut got = Vec::new();
            for (at, len) in cuts {
                let seq = s(start) + at as u32;
                r.insert(seq, &stream[at..at + len]);
                if len % 3 == 0 {
                    r.take(&mut got, len);
                }
            }
            r.take(&mut got, usize::MAX);
            let n = (r.next() - s(start)) as usize;
            prop_assert_eq!(&got[..], &stream[..n]);
            r.insert(s(start), &stream);
            r.take(&mut got, usize::MAX);
            prop_assert_eq!(&got, &stream);
            prop_assert!(!r.has_gap());
        }
    }
}
