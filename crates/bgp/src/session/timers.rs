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
