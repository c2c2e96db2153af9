//! One direction of a TCP connection, put in order (RFC 9293 §3.10.7.4) as its receiver would have done.

use std::collections::BTreeMap;
use trunkline_wire::tcp::SeqNum;

/// The most octets that wait for what is missing before them.
pub const MAX_WAITING: usize = 1 << 20;

/// How a segment fits what was there before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// It begins where the last one ended.
    InOrder,
    /// It has nothing new.
    Again,
    /// It begins with what was there, and has more.
    Overlap,
    /// Something is missing before it.
    Early,
}

/// Puts octets in order.
#[derive(Debug, Clone)]
pub struct Stream {
    /// The sequence number of what comes next.
    next: SeqNum,
    /// How far that is from the beginning.
    at: u64,
    /// What came too early, by its distance from the beginning.
    early: BTreeMap<u64, Vec<u8>>,
    /// Octets of that.
    waiting: usize,
}

impl Stream {
    /// One that begins with this sequence number.
    pub fn new(first: SeqNum) -> Stream {
        Stream { next: first, at: 0, early: BTreeMap::new(), waiting: 0 }
    }

    /// The sequence number that comes next.
    pub fn next(&self) -> SeqNum {
        self.next
    }

    /// Octets that were in order so far, and those that were given up.
    pub fn position(&self) -> u64 {
        self.at
    }

    /// Where the first octets are that wait for what is missing before them.
    pub fn first_early(&self) -> Option<SeqNum> {
        let (&start, _) = self.early.first_key_value()?;
        Some(self.next + start.saturating_sub(self.at) as u32)
    }

    /// Adds the payload of a segment; `deliver` gets what is now in order, in one piece or several.
    #[inline]
    pub fn add(&mut self, sequence: SeqNum, payload: &[u8], deliver: &mut impl FnMut(&[u8])) -> Arrival {
        let ahead = sequence.0.wrapping_sub(self.next.0) as i32;
        if ahead == 0 {
            self.advance(payload.len());
            deliver(payload);
            self.deliver_early(deliver);
            return Arrival::InOrder;
        }
        let Ok(ahead) = u32::try_from(ahead) else {
            let known = ahead.unsigned_abs() as usize;
            let rest = payload.get(known..).unwrap_or_default();
            if rest.is_empty() {
                return Arrival::Again;
            }
            self.advance(rest.len());
            deliver(rest);
            self.deliver_early(deliver);
            return Arrival::Overlap;
        };
        let start = self.at + u64::from(ahead);
        let place = self.early.entry(start).or_default();
        if place.len() >= payload.len() {
            return Arrival::Again;
        }
        self.waiting += payload.len() - place.len();
        *place = payload.to_vec();
        Arrival::Early
    }

    /// Whether as much waits as may.
    pub fn is_full(&self) -> bool {
        self.waiting > MAX_WAITING
    }

    /// Gives up what is missing before the first octets that wait: how many octets that are. Call
    /// [`deliver_early`](Stream::deliver_early) then.
    pub fn skip(&mut self) -> u64 {
        let Some((&start, _)) = self.early.first_key_value() else { return 0 };
        let missing = start.saturating_sub(self.at);
        self.advance(missing as usize);
        missing
    }

    /// Gives up all before a sequence number that nothing waits for: how many octets that are.
    pub fn skip_to(&mut self, sequence: SeqNum) -> u64 {
        let ahead = sequence.0.wrapping_sub(self.next.0) as i32;
        let missing = u32::try_from(ahead).unwrap_or(0);
        self.advance(missing as usize);
        missing.into()
    }

    /// Delivers what waited and is in order now.
    #[inline]
    pub fn deliver_early(&mut self, deliver: &mut impl FnMut(&[u8])) {
        while let Some(entry) = self.early.first_entry().filter(|entry| *entry.key() <= self.at) {
            let (start, octets) = entry.remove_entry();
            self.waiting -= octets.len();
            let known = usize::try_from(self.at - start).unwrap_or(usize::MAX);
            let rest = octets.get(known..).unwrap_or_default();
            self.advance(rest.len());
            deliver(rest);
        }
    }

    #[inline]
    fn advance(&mut self, octets: usize) {
        self.at += octets as u64;
        self.next += octets as u32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Cut anywhere, in any order, some pieces twice and overlapping: what comes out is what was sent.
        #[test]
        fn whatever_the_order_the_octets_are_those_that_were_sent(
            first: u32,
            cuts in prop::collection::vec((0usize..900, 1usize..200), 1..40),
            seed: u64,
        ) {
            let sent: Vec<u8> = (0..1000u32).map(|n| (n * 7 % 251) as u8).collect();
            let mut pieces: Vec<(usize, usize)> = (0..1000).step_by(50).map(|at| (at, at + 50)).collect();
            pieces.extend(cuts.iter().map(|(at, len)| (*at, (at + len).min(1000))));
            let mut rng = seed;
            for index in (1..pieces.len()).rev() {
                rng = rng.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                pieces.swap(index, (rng >> 33) as usize % (index + 1));
            }
            let mut stream = Stream::new(SeqNum(first));
            let mut got = Vec::new();
            for (from, to) in pieces {
                let sequence = SeqNum(first) + from as u32;
                stream.add(sequence, &sent[from..to], &mut |octets| got.extend_from_slice(octets));
            }
            prop_assert_eq!(got, sent);
            prop_assert_eq!((stream.position(), stream.waiting, stream.first_early()), (1000, 0, None));
        }
    }

    #[test]
    fn how_segments_fit() {
        let mut stream = Stream::new(SeqNum(u32::MAX - 1));
        let mut got = Vec::new();
        let mut add = |at: u32, octets: &[u8]| {
            stream.add(SeqNum(u32::MAX - 1) + at, octets, &mut |octets| got.extend_from_slice(octets))
        };
        assert_eq!(add(0, b"abc"), Arrival::InOrder);
        assert_eq!(add(0, b"abc"), Arrival::Again);
        assert_eq!(add(1, b"bcd"), Arrival::Overlap);
        assert_eq!(add(6, b"gh"), Arrival::Early);
        assert_eq!(add(6, b"g"), Arrival::Again);
        assert_eq!(stream.first_early(), Some(SeqNum(4)));
        assert_eq!(stream.skip(), 2);
        stream.deliver_early(&mut |octets| got.extend_from_slice(octets));
        assert_eq!(got, b"abcdgh");
        assert_eq!((stream.skip(), stream.skip_to(SeqNum(8)), stream.position()), (0, 2, 10));
        assert_eq!(stream.skip_to(SeqNum(1)), 0);
    }
}
