//! The timers: retransmission timeout, tail loss probe, reordering (RFC 6298 §5, RFC 8985 §8). The earliest runs.

use super::{Frto, Phase, Recovery, TimeoutAction};
use trunkline_core::Instant;

impl Recovery {
    /// When the next timer is due; `None` while nothing is in flight.
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.board.outstanding() == 0 {
            return None;
        }
        let due = self.rto_due();
        let due = self.tlp.due.map_or(due, |probe| probe.min(due));
        Some(self.reorder_due.map_or(due, |reorder| reorder.min(due)))
    }

    fn rto_due(&self) -> Instant {
        self.rto_from + self.rtt.rto()
    }

    /// Does what is due; what the connection must do about it.
    pub fn on_timeout(&mut self, now: Instant) -> TimeoutAction {
        if self.board.outstanding() == 0 {
            return TimeoutAction::None;
        }
        if self.reorder_due.is_some_and(|due| due <= now) {
            self.reorder_due = None;
            let lost = self.detect_loss(now);
            if lost > 0 && matches!(self.phase, Phase::Open | Phase::Disorder) {
                self.begin_recovery();
            }
            return TimeoutAction::Reorder;
        }
        if self.tlp.due.is_some_and(|due| due <= now) {
            return self.probe(now);
        }
        if self.rto_due() > now {
            return TimeoutAction::None;
        }
        self.expire(now);
        TimeoutAction::Rto
    }

    /// Starts the probe's timer where a probe may be sent (RFC 8985 §7.2).
    pub(super) fn arm_probe(&mut self, now: Instant) {
        let may = self.config.sack
            && self.phase == Phase::Open
            && self.board.outstanding() > 0
            && self.board.sacked_octets() == 0
            && self.board.lost_octets() == 0;
        let Some(srtt) = self.rtt.smoothed().filter(|_| may) else {
            self.tlp.due = None;
            return;
        };
        let rto = self.rto_due();
        self.tlp.arm(now, srtt, self.board.records() == 1, rto);
    }

    /// TLP_send_probe (RFC 8985 §7.3): the connection sends it, and the retransmission timer starts anew.
    fn probe(&mut self, now: Instant) -> TimeoutAction {
        self.tlp.due = None;
        self.rto_from = now;
        if self.tlp.end.is_some() || !self.tlp.sampled {
            return TimeoutAction::None;
        }
        self.tlp.sampled = false;
        self.tlp.pending = true;
        self.counters.probes += 1;
        TimeoutAction::Probe
    }

    /// The retransmission timer expired (RFC 6298 §5.4 to §5.7, RFC 5681 §3.1, RFC 8985 §6.3).
    fn expire(&mut self, now: Instant) {
        self.rto_from = now;
        self.counters.timeouts += 1;
        if self.board.una() == self.iss {
            self.lost_syns += 1;
            self.board.mark_head_lost();
            self.rtt.back_off();
            return;
        }
        // RFC 2018 §8: the receiver may have thrown away what it SACKed.
        let reneged = self.board.head().is_some_and(|head| head.sacked);
        if reneged {
            self.board.forget_sacked();
        }
        self.dup_octets = 0;
        self.dup_acks = 0;
        let first = matches!(self.phase, Phase::Open | Phase::Disorder);
        // RFC 5681 §3.1: the threshold falls once for what is lost, not again for its retransmission.
        if first || self.phase == Phase::Loss && self.rtt.backoff() == 0 {
            if first {
                self.remember();
            }
            self.congestion.on_loss(self.window_in_use(), self.config.mss);
        }
        self.congestion.on_rto();
        if self.config.sack && !reneged {
            let window = self.reordering_window();
            self.rack.lost_on_rto(now, &mut self.board, window);
        } else {
            self.board.mark_lost_where(|_| true);
        }
        self.congestion.cwnd = self.board.pipe().saturating_add(self.config.mss);
        self.enter_episode(Phase::Loss);
        // As long as nothing but the oldest segment was sent again (Linux too; RFC 5682 §2.1 step 1 stops at the second).
        let head_only = first || self.frto == Frto::Head;
        self.frto = if head_only && !reneged { Frto::Head } else { Frto::Off };
        self.reorder_due = None;
        self.rtt.back_off();
    }
}
