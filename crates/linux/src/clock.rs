//! The clock: the one place of the daemon where time is read.

use std::sync::OnceLock;
use std::time::SystemTime;
use trunkline_core::{Duration, Instant};

static PROCESS_START: OnceLock<std::time::Instant> = OnceLock::new();

/// CLOCK_MONOTONIC, in nanoseconds since this process first asked. All nodes of a process share it.
#[allow(clippy::disallowed_methods, reason = "the runtime reads the clock and hands time to the machines")]
pub(crate) fn now() -> Instant {
    let now = std::time::Instant::now();
    let start = *PROCESS_START.get_or_init(|| now);
    let nanos = now.saturating_duration_since(start).as_nanos();
    Instant::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

/// What the calendar says: CLOCK_REALTIME, since 1970-01-01 00:00 UTC.
#[allow(clippy::disallowed_methods, reason = "the runtime reads the clock and hands time to the machines")]
pub(crate) fn since_epoch() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

/// A seed that differs from start to start, from the system's randomness.
pub(crate) fn random_seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(std::process::id())
}

#[cfg(test)]
mod tests {
    #[test]
    fn time_never_goes_back() {
        let a = super::now();
        let b = super::now();
        assert!(b >= a);
    }
}
