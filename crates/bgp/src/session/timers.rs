//! The timers of a session (RFC 4271 §8.1.1, §10) and how damping stretches one of them.

use super::event::Event;
use crate::config::NeighborConfig;
use trunkline_core::{Duration, Instant, Rng, earliest};

/// The HoldTimer while the peer's OPEN is awaited (RFC 4271 §8.2.2 suggests 4 minutes).
pub(crate) const LARGE_HOLD_TIME: Duration = Duration::from_secs(240);
/// How long a collision may wait for a sign of the peer's decision; see [`super::collision`].
pub(crate) const VERDICT_TIME: Duration = Duration::from_secs(2);
/// How long we say nothing on a connection that comes in while another one is Established.
pub(crate) const TRACK_TIME: Duration = Duration::from_secs(5);
/// A session that stood this long makes damping forget.
pub(crate) const STABLE_TIME: Duration = Duration::from_secs(300);
/// The longest damped wait in seconds (RFC 4271 §8.1.1 has 120 in its example).
const MAX_DAMPED: u64 = 120;

/// The timers of one connection's FSM: when they expire; none: not running.
#[derive(Debug, Clone, Default)]
pub(crate) struct Timers {
    /// ConnectRetryTimer.
    pub(crate) connect_retry: Option<Instant>,
    /// HoldTimer.
    pub(crate) hold: Option<Instant>,
    /// KeepaliveTimer.
    pub(crate) keepalive: Option<Instant>,
    /// DelayOpenTimer.
    pub(crate) delay_open: Option<Instant>,
    /// SendHoldTimer (RFC 9687).
    pub(crate) send_hold: Option<Instant>,
    /// Not of an RFC: when a collision is decided without the other side.
    pub(crate) verdict: Option<Instant>,
}

impl Timers {
    fn all(&self) -> [(&'static str, Option<Event>, Option<Instant>); 6] {
        [
            ("ConnectRetryTimer", Some(Event::ConnectRetryTimerExpires), self.connect_retry),
            ("HoldTimer", Some(Event::HoldTimerExpires), self.hold),
            ("KeepaliveTimer", Some(Event::KeepaliveTimerExpires), self.keepalive),
            ("DelayOpenTimer", Some(Event::DelayOpenTimerExpires), self.delay_open),
            ("SendHoldTimer", Some(Event::SendHoldTimerExpires), self.send_hold),
            ("collision", None, self.verdict),
        ]
    }

    /// When the next expires.
    pub(crate) fn next(&self) -> Option<Instant> {
        earliest(self.all().map(|(_, _, at)| at))
    }

    /// Those that run, by name.
    pub(crate) fn running(&self) -> impl Iterator<Item = (&'static str, Instant)> {
        self.all().into_iter().filter_map(|(name, _, at)| Some((name, at?)))
    }

    /// The first that is due, in the order of the events' numbers, stopped; `Some(None)` is the collision's.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<Option<Event>> {
        let due = |at: &mut Option<Instant>| at.take_if(|at| *at <= now).is_some();
        if due(&mut self.connect_retry) {
            Some(Some(Event::ConnectRetryTimerExpires))
        } else if due(&mut self.hold) {
            Some(Some(Event::HoldTimerExpires))
        } else if due(&mut self.keepalive) {
            Some(Some(Event::KeepaliveTimerExpires))
        } else if due(&mut self.delay_open) {
            Some(Some(Event::DelayOpenTimerExpires))
        } else if due(&mut self.send_hold) {
            Some(Some(Event::SendHoldTimerExpires))
        } else {
            due(&mut self.verdict).then_some(None)
        }
    }
}

/// A KeepaliveTimer expires only at multiples of a part of its time, the larger power of two nanoseconds that is not more
/// than this share of it.
const KEEPALIVE_STEPS: u64 = 8;

/// When the KeepaliveTimer expires that starts now: after 0.75 to 1.0 of its time (RFC 4271 §10, which lets the jitter of
/// all peers be the same), at a step that it shares with those of other sessions: so many KEEPALIVEs cost one wakeup, and
/// as powers of two, steps of different times fall together too.
pub(crate) fn keepalive(now: Instant, time: Duration, rng: &mut Rng) -> Instant {
    let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    let step = 1 << (nanos / KEEPALIVE_STEPS).max(1).ilog2();
    let at = (now + rng.jitter(time)).as_nanos().next_multiple_of(step);
    Instant::from_nanos(if at > (now + time).as_nanos() { at - step } else { at })
}

/// The wait in Idle after an error that was the `oscillations`-th in a row: IdleHoldTime, doubled each time where
/// DampPeerOscillations is on, up to 120 s; with the jitter of RFC 4271 §10, so that two sides do not fall in step.
pub(crate) fn idle_hold(config: &NeighborConfig, oscillations: u32, rng: &mut Rng) -> Duration {
    let base = u64::from(config.idle_hold);
    let seconds = match oscillations {
        0 | 1 => base,
        n => (base.max(1) << (n - 1).min(16)).min(MAX_DAMPED.max(base)),
    };
    rng.jitter(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn rfc_4271_10_keepalives_come_after_75_to_100_percent_at_shared_steps() {
        let mut rng = Rng::new(1);
        for seconds in [1, 3, 10, 60, 21_845] {
            let time = Duration::from_secs(seconds);
            let mut at = BTreeSet::new();
            for _ in 0..1000 {
                let now = Instant::from_nanos(rng.below(time.as_nanos() as u64));
                let next = keepalive(now, time, &mut rng);
                let waited = next.since(now);
                assert!(waited >= time * 3 / 4 && waited <= time, "{waited:?} of {time:?}");
                at.insert(next);
            }
            assert!((8..=32).contains(&at.len()), "{} moments", at.len());
        }
    }

    #[test]
    fn steps_of_a_longer_time_are_steps_of_a_shorter_one() {
        let mut rng = Rng::new(1);
        let (short, long) = (Duration::from_secs(3), Duration::from_secs(60));
        let step = 1 << 27;
        assert_eq!(keepalive(Instant::ZERO, short, &mut rng).as_nanos() % step, 0);
        assert_eq!(keepalive(Instant::ZERO, long, &mut rng).as_nanos() % step, 0);
    }
}
