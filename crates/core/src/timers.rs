//! Deadlines of many parts in one place, without stale timer events.
//!
//! Each machine keeps its own deadlines as plain `Option<Instant>` fields and says with `poll_timeout` when the
//! next is due. Where one driver holds many machines, [`TimerQueue`] finds the ones that are due.

use crate::Instant;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// The earliest of some deadlines, none where no timer runs.
pub fn earliest(deadlines: impl IntoIterator<Item = Option<Instant>>) -> Option<Instant> {
    deadlines.into_iter().flatten().min()
}

/// Wake-up times of many machines, keyed by `K`.
///
/// Entries are hints: a machine whose deadline moved later is looked at early once, asked again with
/// `poll_timeout`, and filed anew. So restarting a hold timer at every message costs nothing here.
#[derive(Debug)]
pub struct TimerQueue<K: Ord>(BinaryHeap<Reverse<(Instant, K)>>);

impl<K: Ord + Copy> TimerQueue<K> {
    /// No wake-ups.
    pub const fn new() -> Self {
        TimerQueue(BinaryHeap::new())
    }

    /// Looks at `key` at `at`.
    pub fn schedule(&mut self, at: Instant, key: K) {
        self.0.push(Reverse((at, key)));
    }

    /// When the next wake-up is.
    pub fn next(&self) -> Option<Instant> {
        self.0.peek().map(|Reverse((at, _))| *at)
    }

    /// Takes the next key that is due at `now`.
    pub fn pop_due(&mut self, now: Instant) -> Option<K> {
        if self.next()? > now {
            return None;
        }
        self.0.pop().map(|Reverse((_, key))| key)
    }
}

impl<K: Ord + Copy> Default for TimerQueue<K> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_in_order_of_time_and_only_when_due() {
        let mut q = TimerQueue::new();
        q.schedule(Instant::from_secs(2), 'b');
        q.schedule(Instant::from_secs(1), 'a');
        assert_eq!(q.pop_due(Instant::ZERO), None);
        assert_eq!(q.pop_due(Instant::from_secs(3)), Some('a'));
        assert_eq!(q.pop_due(Instant::from_secs(3)), Some('b'));
        assert_eq!(q.next(), None);
    }
}
