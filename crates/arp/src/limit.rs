//! Rates: how many requests of a source, and of all sources together, are answered.

use foldhash::fast::FixedState;
use std::hash::BuildHasher;
use trunkline_core::{Instant, MacAddr};

/// Sources are told apart by this many buckets; the hash is seeded, so nobody can choose whom to share one with. A
/// storm from very many sources fills all of them, and the limit for all together holds.
const BUCKETS: usize = 1024;

const SECOND: u64 = 1_000_000_000;

#[derive(Debug)]
pub(crate) struct Limiter {
    hasher: FixedState,
    sources: Box<[Bucket]>,
    all: Bucket,
}

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Allowed,
    SourceTooOften,
    AllTooOften,
}

/// A token bucket as one number (the "generic cell rate algorithm"): the time, in nanoseconds, at which it is full.
#[derive(Debug, Clone, Copy, Default)]
struct Bucket(u64);

impl Bucket {
    /// Takes a token where there is one. `rate` come in a second, and as many are held.
    fn take(&mut self, now: u64, rate: u32) -> bool {
        if rate == 0 {
            return false;
        }
        let full = self.0.max(now) + SECOND / u64::from(rate);
        if full - now > SECOND {
            return false;
        }
        self.0 = full;
        true
    }
}

impl Limiter {
    pub(crate) fn new(seed: u64) -> Limiter {
        Limiter {
            hasher: FixedState::with_seed(seed),
            sources: vec![Bucket::default(); BUCKETS].into_boxed_slice(),
            all: Bucket::default(),
        }
    }

    /// Counts a request of `source`; the rates are in requests per second.
    pub(crate) fn check(&mut self, now: Instant, source: MacAddr, each: u32, all: u32) -> Verdict {
        let now = now.as_nanos();
        let bucket = &mut self.sources[self.hasher.hash_one(source) as usize % BUCKETS];
        if !bucket.take(now, each) {
            Verdict::SourceTooOften
        } else if !self.all.take(now, all) {
            Verdict::AllTooOften
        } else {
            Verdict::Allowed
        }
    }
}
