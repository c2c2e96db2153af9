//! A table with a limit whose entries have a lifetime: what the network taught, and what is remembered of senders.

use std::collections::VecDeque;
use std::hash::Hash;

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use trunkline_core::{Duration, Instant};

/// At most `limit` entries; a new one displaces the one that has been there longest.
#[derive(Debug)]
pub(crate) struct Cache<K, V> {
    entries: HashMap<K, Entry<V>, FixedState>,
    /// Each key once, in the order of filing; the time is when to look at it, no later than it expires or, where its
    /// life was prolonged, earlier.
    queue: VecDeque<(Instant, K)>,
    limit: usize,
}

#[derive(Debug)]
struct Entry<V> {
    value: V,
    expires: Instant,
}

impl<K: Copy + Eq + Hash + Ord, V> Cache<K, V> {
    pub(crate) fn new(limit: usize, seed: u64) -> Cache<K, V> {
        Cache { entries: HashMap::with_hasher(FixedState::with_seed(seed)), queue: VecDeque::new(), limit }
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        debug_assert_eq!(self.entries.len(), self.queue.len());
        self.entries.len()
    }

    #[inline]
    pub(crate) fn get(&self, now: Instant, key: K) -> Option<&V> {
        if self.entries.is_empty() {
            return None;
        }
        self.entries.get(&key).filter(|entry| entry.expires > now).map(|entry| &entry.value)
    }

    /// Sets an entry, which lives for `lifetime` from now on.
    pub(crate) fn insert(&mut self, now: Instant, key: K, value: V, lifetime: Duration) {
        if self.limit == 0 {
            return;
        }
        let expires = now + lifetime;
        if self.entries.insert(key, Entry { value, expires }).is_none() {
            self.queue.push_back((expires, key));
            self.shrink();
        }
    }

    /// Sets the limit.
    pub(crate) fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
        self.shrink();
    }

    fn shrink(&mut self) {
        while self.entries.len() > self.limit
            && let Some((_, oldest)) = self.queue.pop_front()
        {
            self.entries.remove(&oldest);
        }
    }

    /// Takes an entry out; costs a walk over the table, so it is not for what the network can cause at will.
    pub(crate) fn remove(&mut self, key: K) -> Option<V> {
        let entry = self.entries.remove(&key)?;
        self.queue.retain(|(_, queued)| *queued != key);
        Some(entry.value)
    }

    pub(crate) fn clear(&mut self) {
        self.entries.clear();
        self.queue.clear();
    }

    /// When to call [`Cache::expire`].
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.queue.front().map(|(at, _)| *at)
    }

    /// Takes out the oldest entry whose time is over.
    pub(crate) fn expire(&mut self, now: Instant) -> Option<(K, V)> {
        while let Some(&(at, key)) = self.queue.front()
            && at <= now
        {
            self.queue.pop_front();
            match self.entries.get(&key).map(|entry| entry.expires) {
                Some(expires) if expires > now => self.queue.push_back((expires, key)),
                Some(_) => return self.entries.remove(&key).map(|entry| (key, entry.value)),
                None => {}
            }
        }
        None
    }

    /// The entries in force, by key.
    pub(crate) fn sorted(&self, now: Instant) -> Vec<(K, &V, Instant)> {
        let live = self.entries.iter().filter(|(_, entry)| entry.expires > now);
        let mut all: Vec<_> = live.map(|(key, entry)| (*key, &entry.value, entry.expires)).collect();
        all.sort_unstable_by_key(|(key, ..)| *key);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn at(secs: u64) -> Instant {
        Instant::from_secs(secs)
    }

    #[test]
    fn the_oldest_gives_way_at_the_limit() {
        let mut cache = Cache::new(2, 1);
        for key in 0..3 {
            cache.insert(at(0), key, (), SECOND);
        }
        assert_eq!(cache.len(), 2);
        assert_eq!(cache.get(at(0), 0), None);
        assert!(cache.get(at(0), 2).is_some());
        cache.set_limit(1);
        assert_eq!(cache.sorted(at(0)).iter().map(|(key, ..)| *key).collect::<Vec<_>>(), [2]);
        cache.set_limit(0);
        cache.insert(at(0), 9, (), SECOND);
        assert_eq!(cache.len(), 0);
    }

    #[test]
    fn a_life_prolonged_is_not_ended_by_the_first_deadline() {
        let mut cache = Cache::new(9, 1);
        cache.insert(at(0), 'a', 1, SECOND);
        cache.insert(at(0), 'b', 2, SECOND);
        cache.insert(at(0), 'a', 3, SECOND * 5);
        assert_eq!(cache.poll_timeout(), Some(at(1)));
        assert_eq!(cache.get(at(1), 'b'), None, "its time is over, expired or not");
        assert_eq!(cache.expire(at(1)), Some(('b', 2)));
        assert_eq!(cache.expire(at(1)), None);
        assert_eq!(cache.poll_timeout(), Some(at(5)));
        assert_eq!(cache.get(at(4), 'a'), Some(&3));
        assert_eq!(cache.expire(at(5)), Some(('a', 3)));
        assert_eq!((cache.len(), cache.poll_timeout()), (0, None));
    }

    #[test]
    fn what_is_removed_is_gone_from_the_queue_too() {
        let mut cache = Cache::new(9, 1);
        cache.insert(at(0), 'a', 1, SECOND);
        assert_eq!(cache.remove('a'), Some(1));
        assert_eq!(cache.remove('a'), None);
        assert_eq!((cache.len(), cache.poll_timeout()), (0, None));
    }
}
