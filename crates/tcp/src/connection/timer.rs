//! The timers of a connection (RFC 9293 §3.8, §3.10.8).

use super::{Connection, Cx, Probe, State};
use crate::api::{Cause, Closed, TimerKind};
use crate::recovery::TimeoutAction;
use trunkline_core::{Duration, Instant};

/// The longest time between two zero-window probes.
const PERSIST_MAX: Duration = Duration::from_secs(60);

/// The shortest time between two keepalive probes.
const KEEPALIVE_MIN: Duration = Duration::from_millis(100);

impl Connection {
    /// When the next timer is due, and which it is.
    pub(crate) fn next_timer(&self) -> Option<(Instant, TimerKind)> {
        let recovery = if self.nothing_in_flight() { None } else { self.recovery.poll_timeout() };
        [
            (self.give_up_at, TimerKind::GiveUp),
            (self.user_timeout_at(), TimerKind::GiveUp),
            (self.orphan_timeout_at(), TimerKind::GiveUp),
            (self.time_wait_at, TimerKind::TimeWait),
            (recovery.filter(|_| self.is_alive()), TimerKind::Retransmission),
            (self.persist_at, TimerKind::Persist),
            (self.keepalive_at(), TimerKind::Keepalive),
            (self.delayed_ack_at, TimerKind::DelayedAck),
        ]
        .into_iter()
        .filter_map(|(at, kind)| Some((at?, kind)))
        .min_by_key(|&(at, _)| at)
    }

    fn is_alive(&self) -> bool {
        !matches!(self.state, State::Closed | State::TimeWait)
    }

    /// When the user's patience ends: data unacknowledged, or probes of a closed window unanswered, for too long. A peer
    /// that answers with a closed window is alive, whatever it does not take (RFC 9293 §3.8.6.1).
    fn user_timeout_at(&self) -> Option<Instant> {
        let limit = self.options.user_timeout.filter(|_| self.is_alive())?;
        if self.snd_wnd == 0 && self.persist_backoff > 0 {
            Some(self.last_heard.max(self.probing_since) + limit)
        } else if self.nothing_in_flight() || self.syn_due && self.stats.syns == 0 {
            None
        } else {
            let zero = self.snd_wnd == 0 && self.snd_una != self.ends.iss;
            Some(if zero { self.last_heard.max(self.unacked_since) } else { self.unacked_since } + limit)
        }
    }

    /// When a connection that its user has closed has not moved for too long, whatever the peer answers.
    fn orphan_timeout_at(&self) -> Option<Instant> {
        let (since, patience) = self.orphaned.filter(|_| self.orphaned_since().is_some())?;
        Some(since.max(self.unacked_since) + patience)
    }

    fn keepalive_at(&self) -> Option<Instant> {
        let keepalive = self.options.keepalive?;
        let runs = self.nothing_in_flight() && self.persist_at.is_none();
        if !runs || !self.is_alive() || !self.state.is_synchronized() {
            return None;
        }
        Some(match self.keepalives {
            0 => self.last_heard + keepalive.idle.max(KEEPALIVE_MIN),
            _ => self.keepalive_sent + keepalive.interval.max(KEEPALIVE_MIN),
        })
    }

    /// Does what is due, in a fixed order.
    pub(crate) fn timeout(&mut self, cx: &mut Cx<'_>) {
        let now = cx.now;
        let due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        if due(self.give_up_at) {
            return self.give_up(cx);
        }
        if due(self.time_wait_at) {
            return self.expire(cx, Cause::Timeout);
        }
        if due(self.user_timeout_at()) {
            return self.timed_out(cx);
        }
        if due(self.orphan_timeout_at()) {
            cx.counters.timeouts += 1;
            return self.kill(cx, Cause::Timeout, Closed::TimedOut);
        }
        if self.is_alive() && !self.nothing_in_flight() && due(self.recovery.poll_timeout()) {
            self.recovery_timeout(cx);
        }
        if due(self.persist_at) {
            self.persist(cx);
        }
        if due(self.keepalive_at()) {
            self.keepalive(cx);
        }
        if due(self.delayed_ack_at) {
            self.delayed_ack_at = None;
            self.ack_now = true;
        }
    }

    fn give_up(&mut self, cx: &mut Cx<'_>) {
        match self.state {
            State::SynSent | State::SynReceived => self.timed_out(cx),
            State::FinWait2 => {
                // Nobody waits for the peer's FIN (Linux: tcp_fin_timeout).
                self.die(cx, Cause::Timeout, Closed::TimedOut);
            }
            // Linger.
            _ => {
                cx.counters.timeouts += 1;
                self.kill(cx, Cause::Timeout, Closed::Aborted);
            }
        }
    }

    /// RFC 9293 §3.10.8: USER TIMEOUT.
    fn timed_out(&mut self, cx: &mut Cx<'_>) {
        cx.counters.timeouts += 1;
        let how = if self.soft_error { Closed::Unreachable } else { Closed::TimedOut };
        self.die(cx, Cause::Timeout, how);
    }

    fn recovery_timeout(&mut self, cx: &mut Cx<'_>) {
        match self.recovery.on_timeout(cx.now) {
            TimeoutAction::Rto => self.syn_due |= self.snd_una == self.ends.iss,
            TimeoutAction::Probe if self.snd_una != self.ends.iss => self.probe_due = Probe::Tail,
            TimeoutAction::Probe | TimeoutAction::Reorder | TimeoutAction::None => {}
        }
    }

    /// RFC 9293 §3.8.6.1: the first probe after one RTO, then at growing intervals.
    pub(super) fn start_persist(&mut self, now: Instant) {
        let interval = self.recovery.rto() * 2u32.saturating_pow(self.persist_backoff.min(16));
        self.persist_at = Some(now + interval.min(PERSIST_MAX));
    }

    fn persist(&mut self, cx: &mut Cx<'_>) {
        self.persist_at = None;
        if !self.nothing_in_flight() {
            return;
        }
        if self.snd_wnd == 0 {
            if self.persist_backoff == 0 {
                self.probing_since = cx.now;
            }
            self.persist_backoff += 1;
            self.probe_due = Probe::Window;
        } else {
            // The override timeout of the avoidance of silly windows (RFC 9293 §3.8.6.2.1).
            self.sws_override = true;
        }
    }

    fn keepalive(&mut self, cx: &mut Cx<'_>) {
        let Some(keepalive) = self.options.keepalive else { return };
        if self.keepalives >= keepalive.probes {
            cx.counters.timeouts += 1;
            return self.kill(cx, Cause::Timeout, Closed::TimedOut);
        }
        self.keepalives += 1;
        self.keepalive_sent = cx.now;
        self.probe_due = Probe::Keepalive;
    }
}
