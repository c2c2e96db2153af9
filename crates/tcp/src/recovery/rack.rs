//! RACK: losses are found by time (RFC 8985 §6), and the state of the tail loss probe (§7).

use super::scoreboard::{Record, Scoreboard};
use crate::SeqNum;
use trunkline_core::{Duration, Instant};

/// Segments SACKed from which a loss is sure as long as no reordering was seen (RFC 8985 §3.3.1).
pub(crate) const DUP_THRESH: u32 = 3;
/// Recoveries after which a reordering window that DSACKs widened is the initial one again (RFC 8985 §6.2).
const REO_WND_PERSIST: u32 = 16;
/// How long a peer may delay an acknowledgment (RFC 8985 §7.2, TLP.max_ack_delay; Linux: 200 ms).
const MAX_ACK_DELAY: Duration = Duration::from_millis(200);

/// The newest transmission that was delivered, and how far segments are reordered.
#[derive(Debug)]
pub(crate) struct Rack {
    /// RACK.xmit_ts and RACK.end_seq.
    newest: Option<(Instant, SeqNum)>,
    /// RACK.rtt
    rtt: Duration,
    /// RACK.fack: the highest octet that was delivered.
    fack: SeqNum,
    /// RACK.reordering_seen
    reordering_seen: bool,
    /// RACK.dsack_round: widened already until this is acknowledged.
    dsack_round: Option<SeqNum>,
    /// RACK.reo_wnd_mult and RACK.reo_wnd_persist
    reo_wnd_mult: u32,
    reo_wnd_persist: u32,
}

impl Rack {
    pub(crate) fn new(iss: SeqNum) -> Rack {
        Rack {
            newest: None,
            rtt: Duration::ZERO,
            fack: iss,
            reordering_seen: false,
            dsack_round: None,
            reo_wnd_mult: 1,
            reo_wnd_persist: REO_WND_PERSIST,
        }
    }

    /// Steps 2 and 3 (RFC 8985 §6.2): a segment was delivered. `echoed` is the time before which the segment left that the
    /// acknowledgment answers to, where timestamps tell; `min_rtt` the least RTT.
    pub(crate) fn delivered(
        &mut self,
        now: Instant,
        record: &Record,
        echoed: Option<Instant>,
        min_rtt: Option<Duration>,
    ) {
        let end = record.end();
        if end.ge(self.fack) {
            self.fack = end;
        } else if !record.retransmitted {
            self.reordering_seen = true;
        }
        let rtt = now.since(record.sent);
        let original = echoed.is_some_and(|at| at < record.sent) || min_rtt.is_some_and(|min| rtt < min);
        if record.retransmitted && original {
            return;
        }
        if self.newest.is_none_or(|newest| sent_after((record.sent, end), newest)) {
            self.newest = Some((record.sent, end));
            self.rtt = rtt;
        }
    }

    /// Step 4: a DSACK came; the window is widened once in a round trip.
    pub(crate) fn dsack(&mut self, board: &Scoreboard) {
        if self.dsack_round.is_none_or(|round| board.una().ge(round)) {
            self.dsack_round = Some(board.nxt());
            self.reo_wnd_mult = self.reo_wnd_mult.saturating_add(1);
            self.reo_wnd_persist = REO_WND_PERSIST;
        }
    }

    /// The round trip in which the window was widened is over.
    pub(crate) fn forget_round(&mut self, una: SeqNum) {
        self.dsack_round = self.dsack_round.filter(|round| una.lt(*round));
    }

    /// Something was late that had been taken for lost.
    pub(crate) fn reordered(&mut self) {
        self.reordering_seen = true;
    }

    /// What was taken for the arrival of a retransmission was that of the original: nothing is known to have arrived.
    pub(crate) fn forget_newest(&mut self) {
        self.newest = None;
    }

    /// Step 4: a recovery ended.
    pub(crate) fn recovered(&mut self) {
        self.reo_wnd_persist = self.reo_wnd_persist.saturating_sub(1);
        if self.reo_wnd_persist == 0 {
            self.reo_wnd_mult = 1;
        }
    }

    /// Step 4: the reordering window. `recovering`: in recovery from losses, or from a timeout.
    pub(crate) fn window(
        &self,
        recovering: bool,
        sacked: u32,
        min_rtt: Duration,
        srtt: Duration,
    ) -> Duration {
        if !self.reordering_seen && (recovering || sacked >= DUP_THRESH) {
            return Duration::ZERO;
        }
        (min_rtt / 4).saturating_mul(self.reo_wnd_mult).min(srtt)
    }

    /// Step 5: takes for lost what was sent long enough before the newest that was delivered. Octets newly lost, and when
    /// to look again. Each transmission is looked at once, in the order of time; so this looks again when the next is due,
    /// not when all are.
    pub(crate) fn detect_loss(
        &self,
        now: Instant,
        board: &mut Scoreboard,
        window: Duration,
    ) -> (u32, Option<Instant>) {
        let Some(newest) = self.newest else { return (0, None) };
        let mut lost = 0;
        while let Some(oldest) = board.oldest_transmission() {
            if !sent_after(newest, (oldest.sent, oldest.end)) {
                break;
            }
            let due = oldest.sent + self.rtt + window;
            if due > now {
                return (lost, Some(due));
            }
            lost += board.lose_oldest_transmission();
        }
        (lost, None)
    }

    /// RFC 8985 §6.3: what to take for lost when the retransmission timer expires. Octets newly lost.
    pub(crate) fn lost_on_rto(&self, now: Instant, board: &mut Scoreboard, window: Duration) -> u32 {
        let (una, wait) = (board.una(), self.rtt + window);
        board.mark_lost_where(|record| record.seq == una || record.sent + wait <= now)
    }
}

/// RACK_sent_after (RFC 8985 §6.2): by time, then by sequence. The scoreboard gives no time twice, so that a retransmission
/// comes after new data that left at once with it, as it did.
fn sent_after(a: (Instant, SeqNum), b: (Instant, SeqNum)) -> bool {
    a.0 > b.0 || a.0 == b.0 && a.1.gt(b.1)
}

/// The tail loss probe (RFC 8985 §7).
#[derive(Debug, Default)]
pub(crate) struct Tlp {
    /// When the probe is due.
    pub(crate) due: Option<Instant>,
    /// TLP.end_seq: a probe is in flight until this is acknowledged.
    pub(crate) end: Option<SeqNum>,
    /// TLP.is_retrans: the probe was no new data.
    pub(crate) retransmitted: bool,
    /// The probe that is due was not sent yet.
    pub(crate) pending: bool,
    /// There was an RTT sample since the last probe (§7.3).
    pub(crate) sampled: bool,
}

impl Tlp {
    /// TLP_calc_PTO (RFC 8985 §7.2).
    pub(crate) fn arm(&mut self, now: Instant, srtt: Duration, one_segment: bool, rto: Instant) {
        let delay = if one_segment { MAX_ACK_DELAY } else { Duration::ZERO };
        self.due = Some((now + srtt * 2 + delay).min(rto));
    }

    /// TLP_init (RFC 8985 §7.1).
    pub(crate) fn reset(&mut self) {
        *self = Tlp { sampled: self.sampled, ..Tlp::default() };
    }

    /// The probe leaves.
    pub(crate) fn sent(&mut self, nxt: SeqNum, retransmission: bool) {
        self.pending = false;
        self.retransmitted = retransmission;
        self.end = Some(nxt);
    }

    /// TLP_process_ack (RFC 8985 §7.4.2). Whether the probe repaired a loss, to which congestion control must respond.
    pub(crate) fn acknowledged(&mut self, ack: SeqNum, dsack: Option<SeqNum>, plain_dup: bool) -> bool {
        let Some(end) = self.end.filter(|end| ack.ge(*end)) else { return false };
        let spurious = !self.retransmitted || dsack == Some(end) || ack == end && plain_dup;
        let repaired = !spurious && ack.gt(end);
        if spurious || repaired {
            self.end = None;
        }
        repaired
    }
}
