//! What an acknowledgment does.

use super::congestion::{Acked, MAX_CWND};
use super::prr::Prr;
use super::rack::DUP_THRESH;
use super::{AckOutcome, Frto, Phase, Recovery, Undo};
use crate::SeqNum;
use trunkline_core::{Duration, Instant};

/// What arrived, according to one acknowledgment.
#[derive(Debug, Default)]
struct Delivery {
    /// SND.UNA moved.
    advanced: bool,
    /// Octets cumulatively acknowledged.
    acked: u32,
    /// Octets that were not known to have arrived.
    octets: u32,
    /// When the oldest of it that was sent only once was sent.
    oldest: Option<Instant>,
    /// When the newest of it that was sent only once was sent.
    newest: Option<Instant>,
    /// Something of it was sent more than once.
    ambiguous: bool,
    /// Something that was in flight when recovery began arrived without having been sent again.
    original: bool,
    /// The segment that this answers to left before (RFC 7323 §4.1), as the echoed timestamp says.
    echoed: Option<Instant>,
}

impl Recovery {
    /// An acknowledgment came: `ack`, and the blocks of its SACK option in their order. `rtt`: what the echoed timestamp
    /// says, in whole milliseconds. `window`: what the peer offers, octets. `is_dup`: a duplicate (RFC 5681 §2).
    pub fn on_ack(
        &mut self,
        now: Instant,
        ack: SeqNum,
        sack: &[(SeqNum, SeqNum)],
        rtt: Option<Duration>,
        window: u32,
        is_dup: bool,
    ) -> AckOutcome {
        if ack.gt(self.board.nxt()) {
            return AckOutcome::default();
        }
        let sack = if self.config.sack { sack } else { &[] };
        let (una, flight) = (self.board.una(), self.board.outstanding());
        let used = una.lt(self.limited_until);
        self.tlp.pending = false;
        let dsack = self.take_dsack(ack, sack);
        let delivery = self.deliver(now, ack, sack, rtt);
        let sampled = self.take_rtt(now, flight, &delivery, rtt);
        if delivery.advanced {
            self.rtt.reset_backoff();
            self.rto_from = now;
            if una == self.iss {
                self.after_handshake();
            }
            self.forget_old();
        }
        if self.tlp.acknowledged(ack, dsack, is_dup && sack.is_empty()) {
            self.probe_repaired(flight);
        }
        let (octets, mut lost) =
            if self.config.sack { (delivery.octets, 0) } else { self.count_duplicates(&delivery, is_dup) };
        lost += self.detect_loss(now);
        let again = is_dup || delivery.octets > delivery.acked;
        self.step(&delivery, lost, again, window);
        self.move_window(now, used && una != self.iss, octets, lost, sampled, &delivery);
        if delivery.advanced {
            self.tlp.due = None;
            self.arm_probe(now);
        } else if self.phase != Phase::Open {
            self.tlp.due = None;
        }
        AckOutcome {
            newly_acked: delivery.acked,
            newly_sacked: delivery.octets.saturating_sub(delivery.acked),
            newly_lost: lost,
        }
    }

    /// Tells the scoreboard and RACK what arrived.
    fn deliver(
        &mut self,
        now: Instant,
        ack: SeqNum,
        sack: &[(SeqNum, SeqNum)],
        rtt: Option<Duration>,
    ) -> Delivery {
        let una = self.board.una();
        let advanced = ack.gt(una);
        let acked = if advanced { (ack - una) as u32 } else { 0 };
        let mut d = Delivery { advanced, acked, ..Delivery::default() };
        d.echoed = rtt.map(|rtt| time_of(now, rtt));
        let (rack, recover, min, echoed) = (&mut self.rack, self.recover, self.rtt.min(), d.echoed);
        let (mut oldest, mut newest, mut ambiguous, mut original) = (None, None, false, false);
        let mut each = |record: &super::scoreboard::Record, sacked: bool| {
            if record.sacked {
                return;
            }
            rack.delivered(now, record, echoed.filter(|_| !sacked), min);
            if record.retransmitted {
                ambiguous |= !sacked;
            } else {
                oldest = Some(oldest.map_or(record.sent, |o: Instant| o.min(record.sent)));
                newest = Some(newest.map_or(record.sent, |n: Instant| n.max(record.sent)));
                original |= !sacked && record.end().le(recover);
            }
        };
        let mut octets = 0;
        if advanced {
            octets += self.board.acknowledge(ack, |record| each(record, false));
        }
        for &(left, right) in sack {
            octets += self.board.sack(left, right, |record| each(record, true));
        }
        Delivery { octets, oldest, newest, ambiguous, original, ..d }
    }

    /// RFC 6298 §3: no sample from what was sent more than once, but timestamps tell. Whether there is one: the RTT of the
    /// newest segment.
    fn take_rtt(
        &mut self,
        now: Instant,
        flight: u32,
        delivery: &Delivery,
        echoed: Option<Duration>,
    ) -> Option<Duration> {
        let clean = delivery.oldest.filter(|_| !delivery.ambiguous).map(|sent| now.since(sent));
        if let Some(sample) = clean.or(echoed) {
            self.rtt.sample(sample, flight.div_ceil(2 * self.config.mss));
            self.tlp.sampled = true;
        }
        let newest = delivery.newest.map(|sent| now.since(sent));
        if let Some(rtt) = newest {
            self.rtt.sample_min(now, rtt);
        }
        newest
    }

    /// Sequence numbers that are far behind must not look as if they were ahead when the numbers wrap.
    fn forget_old(&mut self) {
        let una = self.board.una();
        if una.gt(self.recover) {
            self.recover = una - 1;
        }
        self.limited_until = self.limited_until.max(una);
        self.rack.forget_round(una);
        let old = |undo: &Undo| (una - undo.marker) as u32 > MAX_CWND;
        if matches!(self.phase, Phase::Open | Phase::Disorder) && self.undo.as_ref().is_some_and(old) {
            self.undo = None;
        }
    }

    /// The handshake is complete: what its losses mean.
    fn after_handshake(&mut self) {
        self.recover = self.iss;
        if self.lost_syns > 0 {
            self.rtt.after_lost_syn();
        }
        // RFC 6928 §2: one lost SYN may have been late.
        if self.lost_syns > 1 {
            self.congestion.cwnd = self.config.mss;
        }
    }

    /// RFC 2883 §4: the first block reports what arrived twice. Its end, where that is something that was sent twice.
    fn take_dsack(&mut self, ack: SeqNum, sack: &[(SeqNum, SeqNum)]) -> Option<SeqNum> {
        let &(left, right) = sack.first()?;
        let inside = sack.get(1).is_some_and(|&(l, r)| l.le(left) && right.le(r));
        if left.ge(right) || !(right.le(ack) || inside) {
            return None;
        }
        let octets = (right - left) as u64;
        // More than was retransmitted: the network duplicates.
        if self.octets_dsacked + octets > self.octets_retransmitted {
            return None;
        }
        self.octets_dsacked += octets;
        self.counters.dsacks += 1;
        if self.tlp.end == Some(right) && self.tlp.retransmitted {
            return Some(right);
        }
        self.rack.dsack(&self.board);
        if let Some(undo) = self.undo.as_mut().filter(|undo| left.ge(undo.marker)) {
            undo.octets = undo.octets.saturating_sub(octets);
            if undo.octets == 0 && undo.retransmitted_at.is_some() {
                self.undo(true);
            }
        }
        Some(right)
    }

    /// Without SACK, a duplicate says that a segment arrived, though not which (RFC 6582, RFC 6937 §3). Octets delivered, and
    /// octets newly lost.
    fn count_duplicates(&mut self, delivery: &Delivery, is_dup: bool) -> (u32, u32) {
        let mss = self.config.mss;
        if delivery.advanced {
            let counted = self.dup_octets.min(delivery.acked.saturating_sub(mss));
            self.dup_octets -= counted;
            self.dup_acks = 0;
            let delivered = delivery.acked - counted;
            let partial = self.phase == Phase::Recovery && self.board.una().lt(self.recover);
            if !partial {
                self.dup_octets = 0;
                return (delivered, 0);
            }
            // RFC 6582 §3.2 step 3: a partial acknowledgment, so the next is lost as well.
            let lost = self.board.mark_head_lost();
            return (delivered, lost);
        }
        if !is_dup || self.phase == Phase::Loss {
            return (0, 0);
        }
        self.dup_acks += 1;
        let most = self.board.pipe().saturating_sub(mss);
        self.dup_octets = self.dup_octets.saturating_add(mss).min(most);
        // RFC 6582 §3.2 step 2: not for duplicates that the last recovery caused.
        let begin =
            self.phase != Phase::Recovery && self.dup_acks >= DUP_THRESH && self.board.una().gt(self.recover);
        (mss, if begin { self.board.mark_head_lost() } else { 0 })
    }

    /// RACK looks for losses; octets newly lost.
    pub(super) fn detect_loss(&mut self, now: Instant) -> u32 {
        if !self.config.sack {
            return 0;
        }
        let window = self.reordering_window();
        let (lost, due) = self.rack.detect_loss(now, &mut self.board, window);
        self.reorder_due = due;
        lost
    }

    pub(super) fn reordering_window(&self) -> Duration {
        let recovering = matches!(self.phase, Phase::Recovery | Phase::Loss);
        let srtt = self.rtt.smoothed().unwrap_or_default();
        self.rack.window(recovering, self.board.sacked_records(), self.rtt.min().unwrap_or(srtt), srtt)
    }

    /// Moves between the phases. `again`: the acknowledgment says that something arrived out of order.
    fn step(&mut self, delivery: &Delivery, lost: u32, again: bool, window: u32) {
        match self.phase {
            Phase::Open | Phase::Disorder if lost > 0 => self.begin_recovery(),
            Phase::Open | Phase::Disorder => self.settle(),
            Phase::Recovery | Phase::Loss if !delivery.advanced => {
                if again && std::mem::replace(&mut self.frto, Frto::Off) == Frto::NewData {
                    // RFC 5682 §2.1 step 3a.
                    self.congestion.cwnd = 3 * self.config.mss;
                }
            }
            Phase::Recovery => {
                let done = self.board.una().ge(self.recover);
                if self.answers_to_original(delivery) && (done || !self.board.has_retransmitted()) {
                    self.rack.reordered();
                    self.undo(false);
                } else if done {
                    self.congestion.cwnd = self.congestion.ssthresh;
                    self.finish();
                }
            }
            Phase::Loss => {
                let spurious =
                    self.answers_to_original(delivery) || self.forward_rto(delivery, again, window);
                if spurious {
                    self.undo(false);
                } else if self.board.una().ge(self.recover) {
                    self.finish();
                }
            }
        }
    }

    /// Eifel (RFC 3522 §3.2): the acknowledgment answers to a segment that left before the first retransmission.
    fn answers_to_original(&self, delivery: &Delivery) -> bool {
        let first = self.undo.as_ref().and_then(|undo| undo.retransmitted_at);
        matches!((delivery.echoed, first), (Some(echoed), Some(first)) if echoed <= first)
    }

    /// F-RTO (RFC 5682 §2.1 steps 2 and 3, §3.1), for an acknowledgment that moves SND.UNA. Whether the timeout was spurious.
    fn forward_rto(&mut self, delivery: &Delivery, again: bool, window: u32) -> bool {
        match self.frto {
            Frto::Off => false,
            // With SACK, what arrived only now and was sent only once was late, not lost.
            Frto::Head | Frto::NewData if self.config.sack && delivery.original => true,
            Frto::NewData => !again,
            Frto::Head => {
                let room = window > self.board.outstanding().saturating_add(self.config.mss);
                let go_on = !again && self.more_to_send && room && self.board.una().lt(self.recover);
                self.frto = if go_on { Frto::NewData } else { Frto::Off };
                false
            }
        }
    }

    /// Fast recovery begins (RFC 5681 §3.2 with RFC 6937).
    pub(super) fn begin_recovery(&mut self) {
        let flight = self.board.outstanding();
        self.remember();
        self.congestion.on_loss(self.window_in_use(), self.config.mss);
        self.prr = Prr::new(flight);
        self.enter_episode(Phase::Recovery);
        self.counters.recoveries += 1;
        // From a timer, without an acknowledgment: the fast retransmit itself.
        self.congestion.cwnd = self.pipe().saturating_add(self.config.mss);
    }

    /// Notes what an undo brings back.
    pub(super) fn remember(&mut self) {
        self.undo = Some(Undo {
            congestion: self.congestion,
            marker: self.board.una(),
            retransmitted_at: None,
            octets: 0,
        });
    }

    /// What begins with fast recovery as with a timeout.
    pub(super) fn enter_episode(&mut self, phase: Phase) {
        self.phase = phase;
        self.recover = self.board.nxt();
        self.tlp.reset();
        self.hystart = None;
    }

    /// The recovery is over. What undoes it stays for a DSACK to come.
    fn finish(&mut self) {
        self.rack.recovered();
        self.frto = Frto::Off;
        self.dup_octets = 0;
        self.dup_acks = 0;
        self.phase = Phase::Open;
        self.settle();
    }

    fn settle(&mut self) {
        let disorder = self.board.sacked_octets() > 0 || self.dup_acks > 0;
        self.phase = if disorder { Phase::Disorder } else { Phase::Open };
    }

    /// Nothing was lost: the windows are what they were (RFC 4015, RFC 3708 §4). `late`: a DSACK said so, maybe after the
    /// end of the recovery.
    fn undo(&mut self, late: bool) {
        let Some(undo) = self.undo.take() else { return };
        if late {
            self.rack.reordered();
        }
        let (cwnd, ssthresh) = (self.congestion.cwnd, self.congestion.ssthresh);
        self.congestion = undo.congestion;
        self.congestion.cwnd = self.congestion.cwnd.max(cwnd);
        self.congestion.ssthresh = self.congestion.ssthresh.max(ssthresh);
        self.counters.undone += 1;
        if matches!(self.phase, Phase::Recovery | Phase::Loss) {
            self.rack.forget_newest();
            self.board.unmark_lost();
            self.finish();
        }
    }

    /// RFC 8985 §7.4.2: a loss that nothing else told of.
    fn probe_repaired(&mut self, flight: u32) {
        self.counters.probes_repaired += 1;
        if matches!(self.phase, Phase::Open | Phase::Disorder) {
            self.congestion.on_loss(flight, self.config.mss);
            self.congestion.cwnd = self.congestion.cwnd.min(self.congestion.ssthresh);
            self.hystart = None;
        }
    }

    /// The congestion window after an acknowledgment. `used`: of what was sent while the window was the limit.
    fn move_window(
        &mut self,
        now: Instant,
        used: bool,
        octets: u32,
        lost: u32,
        rtt: Option<Duration>,
        delivery: &Delivery,
    ) {
        if self.phase == Phase::Recovery {
            if octets > 0 || lost > 0 {
                let safe = delivery.advanced && lost == 0;
                let (pipe, ssthresh) = (self.pipe(), self.congestion.ssthresh);
                let more = self.prr.acknowledged(octets, pipe, ssthresh, self.config.mss, safe);
                // RFC 6582 §3.2 step 3: what a partial acknowledgment shows to be lost goes out at once.
                let partial = if lost > 0 && !self.config.sack { self.config.mss } else { 0 };
                self.congestion.cwnd = pipe.saturating_add(more.max(partial)).max(self.config.mss);
            }
            return;
        }
        if !delivery.advanced {
            return;
        }
        if !used {
            self.congestion.on_idle(now);
            return;
        }
        let slow_start = self.congestion.in_slow_start();
        let divisor = match self.hystart.as_mut().filter(|_| slow_start) {
            None => 1,
            Some(hystart) => hystart.on_ack(self.board.una(), self.board.nxt(), rtt).unwrap_or_else(|| {
                self.congestion.ssthresh = self.congestion.cwnd;
                1
            }),
        };
        let srtt = self.rtt.smoothed().unwrap_or_default();
        self.congestion.on_ack(Acked { now, octets, mss: self.config.mss, srtt }, divisor);
    }
}

/// The time before which a segment left whose timestamp was echoed after `rtt`, both rounded down to milliseconds.
fn time_of(now: Instant, rtt: Duration) -> Instant {
    let rtt = u64::try_from(rtt.as_nanos()).unwrap_or(u64::MAX);
    Instant::from_nanos(now.as_nanos().saturating_sub(rtt)) + Duration::from_millis(1)
}
