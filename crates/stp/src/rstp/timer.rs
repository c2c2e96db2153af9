//! The timers of clause 17, as deadlines.

use trunkline_core::{Duration, Instant};

/// A timer. The standard counts them down every second; here it is known when they will be zero, so nothing ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Timer {
    /// It is zero.
    #[default]
    Zero,
    /// It will be zero then.
    Until(Instant),
    /// A state keeps it at this number of seconds, setting it again as soon as it is less.
    Kept(u8),
}

impl Timer {
    /// Sets it to a number of seconds, from which it counts down.
    pub(super) fn set(&mut self, now: Instant, seconds: u8) {
        self.set_for(now, Duration::from_secs(seconds.into()));
    }

    /// Sets it to a length of time.
    pub(super) fn set_for(&mut self, now: Instant, time: Duration) {
        *self = if time.is_zero() { Timer::Zero } else { Timer::Until(now + time) };
    }

    /// It is kept no longer: from now on it counts down.
    pub(super) fn release(&mut self, now: Instant) {
        if let Timer::Kept(seconds) = *self {
            self.set(now, seconds);
        }
    }

    /// It becomes zero where it is time.
    pub(super) fn expire(&mut self, now: Instant) {
        if let Timer::Until(at) = *self
            && at <= now
        {
            *self = Timer::Zero;
        }
    }

    /// Whether it is zero. Asked only after [`Timer::expire`].
    pub(super) const fn is_zero(self) -> bool {
        matches!(self, Timer::Zero | Timer::Kept(0))
    }

    /// When it will be zero.
    pub(super) const fn deadline(self) -> Option<Instant> {
        match self {
            Timer::Until(at) => Some(at),
            Timer::Zero | Timer::Kept(_) => None,
        }
    }

    /// How much is left of it; none where it is zero.
    pub(super) fn left(self, now: Instant) -> Option<Duration> {
        match self {
            Timer::Until(at) => Some(at.since(now)),
            Timer::Kept(seconds) if seconds > 0 => Some(Duration::from_secs(seconds.into())),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kept_timer_counts_only_when_released() {
        let at = Instant::from_secs;
        let mut timer = Timer::Kept(15);
        timer.expire(at(1000));
        assert_eq!((timer.is_zero(), timer.deadline()), (false, None));
        timer.release(at(1000));
        assert_eq!(timer.deadline(), Some(at(1015)));
        timer.expire(at(1014));
        assert_eq!(timer.left(at(1014)), Some(Duration::from_secs(1)));
        timer.expire(at(1015));
        assert!(timer.is_zero());
        timer.set(at(1), 0);
        assert!(timer.is_zero());
    }
}
