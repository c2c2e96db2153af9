//! Two connections to one peer (RFC 4271 §6.8, RFC 6286 §2.3, RFC 4724 §4.2).
//!
//! §6.8 lets each side decide by itself: of two connections whose OPENs have come, the one that the speaker with the
//! higher identifier has opened survives, and one that is Established already survives in any case. Both rules together
//! have a race. Let A be the lower, B the higher; `a` and `b` the connections they opened:
//!
//! - B has OPEN and KEEPALIVE on `a`, so it is Established on `a` and, when A's OPEN comes on `b`, closes `b`;
//! - A has B's OPENs on both, but no KEEPALIVE, so it closes `a`. Nothing is left.
//!
//! A's OPEN on `b` and A's KEEPALIVE on `a` travel on two connections, so neither side can know their order at the
//! other. The way out: **the side with the higher identifier decides**, at once and by the letter of §6.8. The other
//! side lets both connections live until it sees the decision: a connection that closes, a KEEPALIVE on the winner, or
//! on the other one something that only an Established peer sends. It goes up on the losing connection only then, so
//! the session does not flap. A peer that does not decide costs [`VERDICT_TIME`]; then we do it.
//!
//! One case is left to the higher side: it is Established on `a` when the OPEN comes on a `b` that is as old as the
//! session, and a peer that follows the letter may be closing `a` at that moment. So that OPEN waits for
//! [`GRACE_TIME`]; if `a` goes down meanwhile, `b` goes on where it was.
//!
//! An OPEN on a connection younger than the session gets Cease 6/7 at once, unless `collision-detect-established`
//! brings in §6.8, or the peer has told that it can restart gracefully: then the old connection is dead, is dropped
//! without a word, and its routes are stale. RFC 4724 §5 does that as soon as TCP is up; here only the OPEN does it, so
//! that a port scan from the peer's address cannot end a session.

use super::event::Event;
use super::machine::Held;
use super::peer::{Cause, Session, Which};
use super::timers::{GRACE_TIME, VERDICT_TIME};
use super::{Output, State};
use trunkline_core::{Asn, ConnId, Instant, Outbox};
use trunkline_wire::bgp::ErrorCode;

/// What becomes of a connection whose OPEN came.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It goes on.
    Proceed,
    /// It is closed already.
    Closed,
    /// Its OPEN waits.
    Wait,
}

impl Which {
    pub(super) fn other(self) -> Which {
        match self {
            Which::Primary => Which::Second,
            Which::Second => Which::Primary,
        }
    }
}

impl Session {
    /// Whether our identifier is the higher one; of equal ones the higher AS decides (RFC 6286 §2.3).
    fn we_decide(&self, which: Which) -> bool {
        let Some(agreed) = self.machine_ref(which).and_then(|m| m.agreed.as_ref()) else { return true };
        let ours: (u32, Asn) = (self.local.router_id.into(), self.local.asn);
        ours > (agreed.negotiated.peer_router_id.into(), agreed.negotiated.peer_asn)
    }

    /// Whether a connection was opened by the side that decides.
    fn is_winner(conn: Option<ConnId>, we_decide: bool) -> bool {
        conn.is_some_and(|conn| conn.is_incoming() != we_decide)
    }

    /// A valid OPEN came on the connection of `which`; what was agreed on it is known.
    pub(super) fn collision(&mut self, now: Instant, which: Which, out: &mut Outbox<Output>) -> Verdict {
        let we_decide = self.we_decide(which);
        let (Some(this), Some(other)) = (self.machine_ref(which), self.machine_ref(which.other())) else {
            return Verdict::Proceed;
        };
        let wins = Self::is_winner(this.conn_id(), we_decide);
        match other.state {
            State::OpenConfirm if we_decide => self.decide(now, which, wins, out),
            State::OpenConfirm => {
                let loser = if wins { which.other() } else { which };
                self.await_verdict(loser, now + VERDICT_TIME);
                Verdict::Proceed
            }
            State::Established => self.collision_with_established(now, which, wins, out),
            // §6.8: no collision can be detected in Idle, Connect and Active; in OpenSent the peer has not said who it
            // is on that connection, and may not want it at all.
            _ => Verdict::Proceed,
        }
    }

    fn decide(&mut self, now: Instant, which: Which, wins: bool, out: &mut Outbox<Output>) -> Verdict {
        self.dump(now, if wins { which.other() } else { which }, out);
        if wins { Verdict::Proceed } else { Verdict::Closed }
    }

    fn collision_with_established(
        &mut self,
        now: Instant,
        which: Which,
        wins: bool,
        out: &mut Outbox<Output>,
    ) -> Verdict {
        let (Some(this), Some(other)) = (self.machine_ref(which), self.machine_ref(which.other())) else {
            return Verdict::Proceed;
        };
        let opened_at = this.conn.as_ref().map(|c| c.opened_at);
        let as_old = opened_at <= other.established_at;
        let restarts = other
            .agreed
            .as_ref()
            .and_then(|a| a.negotiated.graceful_restart.as_ref())
            .is_some_and(|g| !g.families.is_empty());
        if restarts && !as_old {
            // RFC 4724 §4.2: no NOTIFICATION, the previous connection is simply closed.
            let cause = Cause::text("the peer has connected again: it has restarted");
            self.run(now, which.other(), Event::TcpConnectionFails, cause, out);
            return Verdict::Proceed;
        }
        if self.config.collision_detect_established {
            return self.decide(now, which, wins, out);
        }
        if as_old {
            if let Some(machine) = self.machine(which) {
                machine.held = Some(Held::Open);
            }
            self.await_verdict(which, now + GRACE_TIME);
            return Verdict::Wait;
        }
        self.dump(now, which, out);
        Verdict::Closed
    }

    /// A KEEPALIVE came in OpenConfirm. Returns whether the session may be Established on it now.
    pub(super) fn may_go_up(&mut self, now: Instant, which: Which) -> bool {
        let we_decide = self.we_decide(which);
        let this = self.machine_ref(which).and_then(|m| m.conn_id());
        let rival = self
            .machine_ref(which.other())
            .is_some_and(|m| m.is_up() && matches!(m.state, State::OpenSent | State::OpenConfirm));
        if !rival || we_decide || Self::is_winner(this, we_decide) {
            return true;
        }
        if let Some(machine) = self.machine(which) {
            machine.held = Some(Held::Keepalive);
        }
        self.await_verdict(which, now + VERDICT_TIME);
        false
    }

    fn await_verdict(&mut self, which: Which, until: Instant) {
        if let Some(machine) = self.machine(which) {
            machine.timers.verdict = Some(machine.timers.verdict.map_or(until, |at| at.min(until)));
        }
    }

    /// The first FSM became Established: what becomes of the other connection.
    pub(super) fn end_collision(&mut self, now: Instant, out: &mut Outbox<Output>) {
        let Some(second) = &self.second else { return };
        match second.state {
            State::OpenConfirm | State::Established => self.dump(now, Which::Second, out),
            // Its OPEN may be on the way, and with it a collision as old as the session.
            State::OpenSent if second.is_up() => self.await_verdict(Which::Second, now + VERDICT_TIME),
            _ => self.discard(now, Which::Second, out),
        }
    }

    /// The other side's decision has not come in time.
    pub(super) fn verdict_overdue(&mut self, now: Instant, which: Which, out: &mut Outbox<Output>) {
        if self.second.is_none() {
            return;
        }
        let held_keepalive =
            self.machine_ref(which).is_some_and(|m| matches!(m.held, Some(Held::Keepalive)));
        match held_keepalive {
            // This one works; the other has not shown that it does.
            true => self.go_up(now, which, out),
            false => self.dump(now, which, out),
        }
    }

    /// The held KEEPALIVE takes effect.
    pub(super) fn go_up(&mut self, now: Instant, which: Which, out: &mut Outbox<Output>) {
        if let Some(machine) = self.machine(which) {
            machine.held = None;
        }
        self.run(now, which, Event::KeepAliveMsg, Cause::text("KEEPALIVE from the peer"), out);
    }

    /// Only one FSM is left: what it held back takes effect.
    pub(super) fn release(&mut self, now: Instant, out: &mut Outbox<Output>) {
        if self.second.is_some() {
            return;
        }
        self.primary.timers.verdict = None;
        match self.primary.held.take() {
            None => {}
            Some(Held::Keepalive) => self.go_up(now, Which::Primary, out),
            Some(Held::Open) => {
                let event = match self.primary.state {
                    State::OpenSent => Event::BgpOpen,
                    _ => Event::BgpOpenWithDelayOpenTimerRunning,
                };
                self.run(now, Which::Primary, event, Cause::text("OPEN from the peer"), out);
                self.replay(now, out);
            }
        }
    }

    fn dump(&mut self, now: Instant, which: Which, out: &mut Outbox<Output>) {
        self.stats.collisions += 1;
        let cause = Cause::notification(ErrorCode::CONNECTION_COLLISION_RESOLUTION, "");
        self.run(now, which, Event::OpenCollisionDump, cause, out);
    }
}
