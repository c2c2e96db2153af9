//! SEGMENT ARRIVES, sixth to eighth: urgent pointer, data, FIN; and when to acknowledge (RFC 9293 §3.10.7.4, §3.8.6.3).

use super::input::Arrival;
use super::{Connection, Cx, State};
use crate::SeqNum;
use crate::api::{Cause, Closed, Output};
use trunkline_wire::tcp::Flags;

impl Connection {
    /// The rest of a segment whose acknowledgment was taken.
    pub(super) fn text_and_fin(&mut self, cx: &mut Cx<'_>, arrival: Arrival<'_>) {
        if !self.state.may_receive() {
            // CLOSE-WAIT, CLOSING, LAST-ACK, TIME-WAIT: the peer has said that there is no more.
            self.ack_now |= arrival.len() > 0;
            return;
        }
        self.urgent(cx, &arrival);
        if !arrival.payload.is_empty() {
            if self.user_closed {
                // Nobody will read it (RFC 9293 §3.6.1, RFC 2525 §2.17).
                return self.kill(cx, Cause::Refused, Closed::Aborted);
            }
            self.text(cx, arrival.seq, arrival.payload);
        }
        let fin_at = arrival.seq + arrival.payload.len() as u32;
        if arrival.fin && self.fin_ahead.is_none() {
            self.fin_ahead = Some(fin_at);
            self.ack_now = true;
        }
        if self.fin_ahead.is_some_and(|at| at.le(self.receive.next())) {
            self.fin(cx);
        } else {
            self.tell_readable_octets(cx);
        }
    }

    /// RCV.UP <- max(RCV.UP, SEG.UP); the user is told where it is news.
    fn urgent(&mut self, cx: &mut Cx<'_>, arrival: &Arrival<'_>) {
        let segment = arrival.segment;
        if !arrival.has(Flags::URG) || segment.urgent_pointer == 0 || self.user_closed {
            return;
        }
        let up: SeqNum = segment.sequence + u32::from(segment.urgent_pointer);
        if up.gt(self.receive.next()) && self.rcv_up.is_none_or(|old| up.gt(old)) {
            self.rcv_up = Some(up);
            cx.out.push(Output::Urgent(self.ends.id));
        }
    }

    fn text(&mut self, cx: &mut Cx<'_>, seq: SeqNum, payload: &[u8]) {
        // Nothing comes after the FIN.
        let payload = match self.fin_ahead {
            Some(fin) => &payload[..payload.len().min((fin - seq).max(0) as usize)],
            None => payload,
        };
        // RFC 9293 §3.8.6 would have what was announced taken; where there is no memory, it is as if it were lost.
        let fits = payload.len().min(self.receive.fits(seq, cx.share));
        cx.counters.pressure_octets += (payload.len() - fits) as u64;
        let payload = &payload[..fits];
        let gap_before = self.receive.has_gap();
        let inserted = self.receive.insert(seq, payload);
        self.progress |= inserted.advanced > 0;
        if let Some(duplicate) = inserted.duplicate {
            cx.counters.duplicate_octets += (duplicate.1 - duplicate.0) as u64;
            self.duplicate = Some(duplicate);
        }
        cx.counters.out_of_order_octets += u64::from(inserted.ahead);
        if inserted.dropped {
            cx.counters.dropped_octets += payload.len() as u64;
        }
        self.stats.octets_received += u64::from(inserted.advanced);
        self.unacked_octets = self.unacked_octets.saturating_add(inserted.advanced);
        // RFC 5681 §4.2: at once where a gap is made, narrowed or closed, or data came twice; else at least every second
        // full segment, and not later than the delay.
        let at_once = gap_before
            || self.receive.has_gap()
            || inserted.advanced == 0
            || self.quick_acks > 0
            || self.unacked_octets >= 2 * self.full_payload();
        self.quick_acks = self.quick_acks.saturating_sub(1);
        if at_once {
            self.ack_now = true;
        } else if self.delayed_ack_at.is_none() {
            self.delayed_ack_at = Some(cx.now + cx.config.delayed_ack);
        }
    }

    fn tell_readable_octets(&mut self, cx: &mut Cx<'_>) {
        if self.receive.readable() > 0 && self.state != State::SynReceived {
            self.tell_readable(cx);
        }
    }

    pub(super) fn tell_readable(&mut self, cx: &mut Cx<'_>) {
        if !self.user_closed && !std::mem::replace(&mut self.told_readable, true) {
            cx.out.push(Output::Readable(self.ends.id));
        }
    }

    /// Everything up to the FIN is here.
    fn fin(&mut self, cx: &mut Cx<'_>) {
        self.fin_received = true;
        self.fin_ahead = None;
        self.receive.forget_ahead();
        self.ack_now = true;
        self.tell_readable(cx);
        match self.state {
            State::SynReceived | State::Established => self.enter(cx, State::CloseWait, Cause::Fin),
            State::FinWait1 => self.enter(cx, State::Closing, Cause::Fin),
            State::FinWait2 => self.wait_time(cx, Cause::Fin),
            _ => {}
        }
    }
}
