//! Two connections to one peer (RFC 4271 §6.8, RFC 6286 §2.3, RFC 4724 §4.2).
//!
//! §6.8: of two connections whose OPENs have come, the one that the speaker with the higher identifier has opened
//! survives; but one that is Established already survives in any case. Each side decides that by itself, and so it has
//! a race. Let `w` be the connection that should win, `l` the one that should lose:
//!
//! - one side has OPEN and KEEPALIVE on `l`, so it is Established there; then the OPEN comes on `w`: it closes `w`;
//! - the other side has both OPENs, but no KEEPALIVE yet, so it closes `l`. Nothing is left.
//!
//! The OPEN on `w` and the KEEPALIVE on `l` travel on two connections, so neither side can know in which order the other
//! gets them. Therefore here the decision is that of §6.8, but it is carried out only when it is safe:
//!
//! - **A KEEPALIVE on `w` decides for it.** The peer sends one only after our OPEN there, and then it either has closed
//!   `l` or is going to. `l` gets Cease 6/7.
//! - **A KEEPALIVE on `l` waits** while `w` may come up. If `w` is closed, the peer has decided for `l`, and the KEEPALIVE
//!   takes effect; likewise when more comes on `l`, since only an Established peer goes on speaking there.
//! - Where nothing tells for [`VERDICT_TIME`], what works is taken: `l` with its KEEPALIVE, otherwise `w`.
//! - **What comes in while we are Established** says nothing until the peer has said its OPEN, or for [`TRACK_TIME`]: our
//!   OPEN could make a peer close the session whose KEEPALIVE from us it has not seen yet.
//!
//! An OPEN on such a connection gets Cease 6/7, unless `collision-detect-established` brings in §6.8, or the peer has told
//! that it can restart gracefully: then the old connection is dead, is dropped without a word, and its routes are stale.
//! RFC 4724 §5 does that as soon as TCP is up; here only the OPEN does it, so that a port scan from the peer's address
//! cannot end a session.
//!
//! [`TRACK_TIME`]: super::timers::TRACK_TIME

use super::event::Event;
use super::machine::Machine;
use super::peer::{Cause, Session, Which};
use super::timers::VERDICT_TIME;
use super::{Output, State};
use trunkline_core::{Asn, Instant, Outbox};
use trunkline_wire::bgp::ErrorCode;

impl Which {
    pub(super) fn other(self) -> Which {
        match self {
            Which::Primary => Which::Second,
            Which::Second => Which::Primary,
        }
    }
}

impl Session {
    /// Whether a connection on which the peer's OPEN has come wins: the speaker with the higher identifier has opened
    /// it, of equal identifiers the one of the higher AS (RFC 6286 §2.3).
    fn wins(&self, which: Which) -> bool {
        let Some(machine) = self.machine_ref(which) else { return false };
        let (Some(agreed), Some(conn)) = (&machine.agreed, &machine.conn) else { return false };
        let ours: (u32, Asn) = (self.local.router_id.into(), self.local.asn);
        let theirs = (agreed.negotiated.peer_router_id.into(), agreed.negotiated.peer_asn);
        conn.id.is_incoming() == (theirs > ours)
    }

    /// A valid OPEN came on the connection of `which`; what was agreed on it is known. Returns whether it goes on.
    pub(super) fn collision(&mut self, now: Instant, which: Which, out: &mut Outbox<Output>) -> bool {
        let Some(other) = self.machine_ref(which.other()) else { return true };
        match other.state {
            State::OpenConfirm => {
                let loser = if self.wins(which) { which.other() } else { which };
                self.await_verdict(loser, now);
                true
            }
            State::Established => self.collision_with_established(now, which, out),
            // §6.8: no collision can be detected in Idle, Connect and Active; in OpenSent the peer has not said who it
            // is on that connection, and may not want it at all.
            _ => true,
        }
    }

    fn collision_with_established(&mut self, now: Instant, which: Which, out: &mut Outbox<Output>) -> bool {
        let graceful = self
            .machine_ref(which.other())
            .and_then(|m| m.agreed.as_ref())
            .and_then(|a| a.negotiated.graceful_restart.as_ref());
        if graceful.is_some_and(|g| !g.families.is_empty()) {
            // RFC 4724 §4.2: no NOTIFICATION, the previous connection is simply closed.
            let cause = Cause::text("the peer has connected again: it has restarted");
            self.run(now, which.other(), Event::TcpConnectionFails, cause, out);
            return true;
        }
        let wins = self.config.collision_detect_established && self.wins(which);
        self.dump(now, if wins { which.other() } else { which }, out);
        wins
    }

    /// A KEEPALIVE came in OpenConfirm. Returns whether the session may be Established on it now.
    pub(super) fn may_go_up(&mut self, now: Instant, which: Which) -> bool {
        let may_win = |m: &Machine| m.is_up() && matches!(m.state, State::OpenSent | State::OpenConfirm);
        if self.wins(which) || !self.machine_ref(which.other()).is_some_and(may_win) {
            return true;
        }
        if let Some(machine) = self.machine(which) {
            machine.held_keepalive = true;
        }
        self.await_verdict(which, now);
        false
    }

    fn await_verdict(&mut self, which: Which, now: Instant) {
        if let Some(machine) = self.machine(which) {
            machine.timers.verdict.get_or_insert(now + VERDICT_TIME);
        }
    }

    /// The first FSM became Established: what becomes of the other connection.
    pub(super) fn end_collision(&mut self, now: Instant, out: &mut Outbox<Output>) {
        let Some(second) = &self.second else { return };
        match second.state {
            State::OpenConfirm | State::Established => self.dump(now, Which::Second, out),
            // §8.2.2, Established: it is tracked until it sends an OPEN, but not for ever.
            State::OpenSent => self.await_verdict(Which::Second, now),
            // The peer has no OPEN of ours there.
            _ => self.discard(now, Which::Second, out),
        }
    }

    /// Nothing has told which of two connections the peer takes.
    pub(super) fn verdict_overdue(&mut self, now: Instant, which: Which, out: &mut Outbox<Output>) {
        let Some(other) = self.machine_ref(which.other()).filter(|_| self.second.is_some()) else { return };
        let other_lives = other.state >= State::OpenConfirm;
        if self.machine_ref(which).is_some_and(|m| m.held_keepalive) {
            self.go_up(now, which, out);
        } else if other_lives {
            self.dump(now, which, out);
        }
    }

    /// A KEEPALIVE takes effect.
    pub(super) fn go_up(&mut self, now: Instant, which: Which, out: &mut Outbox<Output>) {
        if let Some(machine) = self.machine(which) {
            machine.held_keepalive = false;
        }
        self.run(now, which, Event::KeepAliveMsg, Cause::text("KEEPALIVE from the peer"), out);
    }

    /// Only one FSM is left: what the other kept it from happens.
    pub(super) fn release(&mut self, now: Instant, out: &mut Outbox<Output>) {
        if self.second.is_some() {
            return;
        }
        self.primary.timers.verdict = None;
        if self.primary.held_keepalive {
            self.go_up(now, Which::Primary, out);
        } else if self.primary.tracked && self.primary.timers.delay_open.is_some() {
            self.primary.tracked = false;
            if self.config.delay_open == 0 {
                let cause = Cause::text("the other connection with the peer is gone");
                self.run(now, Which::Primary, Event::DelayOpenTimerExpires, cause, out);
            }
        }
    }

    fn dump(&mut self, now: Instant, which: Which, out: &mut Outbox<Output>) {
        self.stats.collisions += 1;
        let cause = Cause::notification(ErrorCode::CONNECTION_COLLISION_RESOLUTION, "");
        self.run(now, which, Event::OpenCollisionDump, cause, out);
    }
}
