//! Randomness as an input: a small seeded generator that is handed to every machine.

/// A seeded random number generator; the same seed gives the same sequence on every machine. Not for secrets.
#[derive(Debug, Clone)]
pub struct Rng(fastrand::Rng);

impl Rng {
    /// A generator that starts from `seed`.
    pub fn new(seed: u64) -> Rng {
        Rng(fastrand::Rng::with_seed(seed))
    }

    /// A generator of its own for a part, so that one part's draws do not disturb another's.
    pub fn fork(&mut self) -> Rng {
        Rng::new(self.next_u64())
    }

    /// 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0.u64(..)
    }

    /// A number in `0..bound`; 0 where `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        if bound == 0 { 0 } else { self.0.u64(..bound) }
    }

    /// `duration` times a factor drawn from 0.75..1.0, the jitter of RFC 4271 §10.
    pub fn jitter(&mut self, duration: crate::Duration) -> crate::Duration {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        crate::Duration::from_nanos(nanos - self.below(nanos / 4 + 1))
    }
}
