//! SEGMENT ARRIVES: the checks, in the order of RFC 9293 §3.10.7.3 and §3.10.7.4.

use super::{Connection, Cx, OUT_OF_WINDOW_ACK_INTERVAL, PeerSyn, State, TS_RECENT_LIFE};
use crate::SeqNum;
use crate::api::{Cause, Closed, Output};
use trunkline_wire::tcp::{Flags, Segment};

/// What the host does after a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing more.
    Done,
    /// The connection is in TIME-WAIT and this SYN may open a new one in its place (RFC 6191); new numbers begin beyond
    /// this one.
    Replace(SeqNum),
}

impl PeerSyn {
    /// From a segment with SYN.
    pub(crate) fn from_segment(segment: &Segment<'_>) -> PeerSyn {
        let options = &segment.options;
        PeerSyn {
            irs: segment.sequence,
            mss: options.mss,
            window: u32::from(segment.window),
            window_scale: options.window_scale,
            sack: options.sack_permitted,
            timestamp: options.timestamps.map(|t| t.value),
        }
    }
}

/// A segment on its way through the checks; trimmed to what is new and inside the window.
#[derive(Debug, Clone, Copy)]
pub(super) struct Arrival<'a> {
    pub(super) seq: SeqNum,
    pub(super) payload: &'a [u8],
    pub(super) syn: bool,
    pub(super) fin: bool,
    pub(super) segment: &'a Segment<'a>,
}

impl<'a> Arrival<'a> {
    fn new(segment: &'a Segment<'a>) -> Arrival<'a> {
        Arrival {
            seq: segment.sequence,
            payload: segment.payload,
            syn: segment.flags.contains(Flags::SYN),
            fin: segment.flags.contains(Flags::FIN),
            segment,
        }
    }

    /// SEG.LEN.
    pub(super) fn len(&self) -> u32 {
        self.payload.len() as u32 + u32::from(self.syn) + u32::from(self.fin)
    }

    /// The sequence number after the segment.
    fn end(&self) -> SeqNum {
        self.seq + self.len()
    }

    pub(super) fn has(&self, flags: Flags) -> bool {
        self.segment.flags.contains(flags)
    }

    /// Takes the SYN off: what it says is known.
    fn without_syn(self) -> Arrival<'a> {
        Arrival { seq: self.seq + u32::from(self.syn), syn: false, ..self }
    }
}

impl Connection {
    /// A segment arrived for this connection; its signature is right. `listens`: a listener would take a SYN.
    pub(crate) fn segment(&mut self, cx: &mut Cx<'_>, segment: &Segment<'_>, listens: bool) -> Verdict {
        let arrival = Arrival::new(segment);
        match self.state {
            State::Closed | State::Listen => {}
            State::SynSent => self.in_syn_sent(cx, arrival),
            State::TimeWait if listens && self.may_be_replaced(cx, &arrival) => {
                return Verdict::Replace(self.snd_nxt);
            }
            _ => self.in_other_states(cx, arrival),
        }
        Verdict::Done
    }

    /// RFC 9293 §3.10.7.3.
    fn in_syn_sent(&mut self, cx: &mut Cx<'_>, arrival: Arrival<'_>) {
        let segment = arrival.segment;
        let acked = arrival.has(Flags::ACK);
        // First, the ACK. RFC 5961 §5 narrows nothing here: only our SYN is in flight.
        if acked && !(segment.acknowledgment.gt(self.ends.iss) && segment.acknowledgment.le(self.snd_nxt)) {
            if !arrival.has(Flags::RST) {
                cx.counters.bad_ack += 1;
                self.reply_reset(cx, segment.acknowledgment);
            }
            return;
        }
        // Second, RST.
        if arrival.has(Flags::RST) {
            if acked {
                self.die(cx, Cause::Rst, Closed::Refused);
            }
            return;
        }
        // Third, security: was done. Fourth, SYN. Fifth: neither SYN nor RST, drop.
        if !arrival.syn {
            return;
        }
        self.last_heard = cx.now;
        self.take_syn(cx, &PeerSyn::from_segment(segment));
        if !acked {
            // Simultaneous open. Data in the SYN is not kept; the peer sends it again.
            self.syn_due = true;
            return self.enter(cx, State::SynReceived, Cause::Syn);
        }
        self.ack_now = true;
        self.enter(cx, State::Established, Cause::SynAck);
        self.opened(cx);
        self.syn_acknowledged(segment);
        self.acknowledgment(cx, &arrival);
        let arrival = arrival.without_syn();
        self.text_and_fin(cx, arrival);
    }

    /// Our SYN is acknowledged; the window of this segment counts.
    fn syn_acknowledged(&mut self, segment: &Segment<'_>) {
        self.syn_due = false;
        self.set_send_window(self.window_of(segment), segment.sequence, segment.acknowledgment);
    }

    /// SEG.WND in octets (RFC 7323 §2.2: that of a SYN is not scaled).
    pub(super) fn window_of(&self, segment: &Segment<'_>) -> u32 {
        let shift = if segment.flags.contains(Flags::SYN) { 0 } else { self.snd_shift };
        u32::from(segment.window) << shift
    }

    /// The connection is open: from now on other times to give up hold.
    fn opened(&mut self, cx: &mut Cx<'_>) {
        self.give_up_at = None;
        self.soft_error = false;
        if self.user_closed {
            return;
        }
        let (id, local, remote) = (self.ends.id, self.ends.local, self.ends.remote);
        cx.out.push(match self.ends.listener {
            Some(listener) => Output::Incoming { listener, id, local, remote },
            None => Output::Connected(id),
        });
    }

    /// RFC 9293 §3.10.7.4.
    fn in_other_states(&mut self, cx: &mut Cx<'_>, mut arrival: Arrival<'_>) {
        if self.state == State::SynReceived && arrival.syn && arrival.seq == self.irs {
            if !arrival.has(Flags::ACK) {
                // The peer has not got our SYN,ACK.
                self.syn_due |= !arrival.has(Flags::RST);
                return;
            }
            if self.ends.listener.is_none() {
                // Simultaneous open: the SYN,ACK brings the ACK of our SYN (RFC 9293 figure 7).
                arrival = arrival.without_syn();
            }
        }
        if !self.timestamp_acceptable(cx, &arrival) {
            return;
        }
        // First, the sequence number.
        let Some(arrival) = self.sequence_acceptable(cx, arrival) else { return };
        // Second, RST (with RFC 5961 §3).
        if arrival.has(Flags::RST) {
            if arrival.segment.sequence == self.rcv_nxt() {
                self.reset(cx)
            } else {
                self.challenge(cx)
            }
            return;
        }
        // Third, security: was done. Fourth, SYN (with RFC 5961 §4).
        if arrival.syn {
            if self.is_half_open_passive() {
                self.die(cx, Cause::Syn, Closed::Reset);
            } else {
                self.challenge(cx);
            }
            return;
        }
        // Fifth, the ACK.
        if !arrival.has(Flags::ACK) {
            return;
        }
        self.last_heard = cx.now;
        self.keepalives = 0;
        self.remember_timestamp(cx, &arrival);
        if self.state == State::SynReceived || self.snd_una == self.ends.iss {
            let ack = arrival.segment.acknowledgment;
            if !(ack.gt(self.snd_una) && ack.le(self.snd_nxt)) {
                cx.counters.bad_ack += 1;
                return self.reply_reset(cx, ack);
            }
            self.syn_acknowledged(arrival.segment);
            if self.state == State::SynReceived {
                self.enter(cx, State::Established, Cause::AckOfSyn);
                self.opened(cx);
                if self.fin_queued {
                    self.enter(cx, State::FinWait1, Cause::Close);
                }
            }
        }
        if self.acknowledgment(cx, &arrival) {
            // Sixth, URG; seventh, data; eighth, FIN.
            self.text_and_fin(cx, arrival);
        }
    }

    /// PAWS (RFC 7323 §5.3 R1), and that timestamps are there once agreed on (§3.2).
    fn timestamp_acceptable(&mut self, cx: &mut Cx<'_>, arrival: &Arrival<'_>) -> bool {
        if !self.timestamps || arrival.has(Flags::RST) {
            return true;
        }
        let Some(timestamps) = arrival.segment.options.timestamps else {
            cx.counters.timestamp_missing += 1;
            return false;
        };
        let old = (timestamps.value.wrapping_sub(self.ts_recent) as i32) < 0;
        if !old || cx.now.since(self.ts_recent_at) > TS_RECENT_LIFE {
            return true;
        }
        cx.counters.paws_drops += 1;
        self.answer_unacceptable(cx, arrival);
        false
    }

    /// RFC 7323 §4.3: TS.Recent follows segments that do not begin after what we last acknowledged.
    fn remember_timestamp(&mut self, cx: &Cx<'_>, arrival: &Arrival<'_>) {
        if let Some(timestamps) = arrival.segment.options.timestamps.filter(|_| self.timestamps)
            && arrival.segment.sequence.le(self.last_ack_sent)
        {
            self.ts_recent = timestamps.value;
            self.ts_recent_at = cx.now;
        }
    }

    /// RFC 9293 table 6. Gives the segment trimmed to the window, or answers one that is not acceptable.
    fn sequence_acceptable<'a>(&mut self, cx: &mut Cx<'_>, arrival: Arrival<'a>) -> Option<Arrival<'a>> {
        let (next, edge) = (self.rcv_nxt(), self.rcv_edge);
        let acceptable = if arrival.len() == 0 {
            // Also at the right edge: that is where a peer stands that has filled the window.
            arrival.seq.ge(next) && arrival.seq.le(edge)
        } else {
            arrival.seq.lt(edge) && arrival.end().gt(next)
        };
        if acceptable {
            return Some(trim(cx, arrival, next, edge));
        }
        if arrival.seq == next && !arrival.syn {
            // The window is zero: acknowledgments and resets count all the same (RFC 9293 §3.10.7.4), and an answer tells
            // the window (§3.8.6.1).
            cx.counters.dropped_octets += arrival.payload.len() as u64;
            self.ack_now |= !arrival.has(Flags::RST);
            return Some(Arrival { payload: &[], fin: false, ..arrival });
        }
        cx.counters.out_of_window += 1;
        if arrival.end().le(next) && !arrival.payload.is_empty() {
            cx.counters.duplicate_octets += arrival.payload.len() as u64;
            self.duplicate = Some((arrival.seq, arrival.seq + arrival.payload.len() as u32));
        }
        if self.state == State::TimeWait && arrival.fin && arrival.end() == next && !arrival.has(Flags::RST) {
            // The peer's FIN again: it has not got our ACK (RFC 9293 §3.10.7.4, eighth).
            self.time_wait_at = Some(cx.now + cx.config.time_wait);
        }
        self.answer_unacceptable(cx, &arrival);
        None
    }

    /// An unacceptable segment is answered with an ACK, unless it is a RST.
    fn answer_unacceptable(&mut self, cx: &mut Cx<'_>, arrival: &Arrival<'_>) {
        if arrival.has(Flags::RST) {
            return;
        }
        if arrival.syn {
            return self.challenge(cx);
        }
        if arrival.len() == 0 {
            if self.out_of_window_ack_at.is_some_and(|at| cx.now.since(at) < OUT_OF_WINDOW_ACK_INTERVAL) {
                return;
            }
            self.out_of_window_ack_at = Some(cx.now);
        }
        self.ack_now = true;
    }

    /// A challenge ACK (RFC 5961), as many as the host may send (§7).
    pub(super) fn challenge(&mut self, cx: &mut Cx<'_>) {
        if cx.challenges.take(cx.now) {
            cx.counters.challenge_acks += 1;
            self.ack_now = true;
        } else {
            cx.counters.challenge_acks_limited += 1;
        }
    }

    /// A RST that counts.
    fn reset(&mut self, cx: &mut Cx<'_>) {
        let how = match self.state {
            State::SynReceived => Closed::Refused,
            // Everything was exchanged already.
            State::TimeWait => return self.expire(cx, Cause::Rst),
            _ => Closed::Reset,
        };
        self.die(cx, Cause::Rst, how);
    }

    /// Whether a SYN may take the place of this connection in TIME-WAIT (RFC 6191 §2, RFC 9293 §3.6.1).
    fn may_be_replaced(&self, cx: &Cx<'_>, arrival: &Arrival<'_>) -> bool {
        if !arrival.syn || arrival.segment.flags.intersects(Flags::ACK | Flags::RST) {
            return false;
        }
        let newer_sequence = arrival.seq.gt(self.rcv_nxt());
        match arrival.segment.options.timestamps {
            Some(timestamps) if self.timestamps && cx.now.since(self.ts_recent_at) <= TS_RECENT_LIFE => {
                let ahead = timestamps.value.wrapping_sub(self.ts_recent) as i32;
                ahead > 0 || ahead == 0 && newer_sequence
            }
            _ => newer_sequence,
        }
    }
}

/// Cuts off what is before the window and after it, SYN and FIN included (RFC 9293 §3.10.7.4).
fn trim<'a>(cx: &mut Cx<'_>, mut arrival: Arrival<'a>, next: SeqNum, edge: SeqNum) -> Arrival<'a> {
    if arrival.seq.lt(next) {
        if arrival.syn {
            arrival = arrival.without_syn();
        }
        let old = ((next - arrival.seq).max(0) as usize).min(arrival.payload.len());
        cx.counters.duplicate_octets += old as u64;
        arrival.payload = &arrival.payload[old..];
        arrival.seq += old as u32;
    }
    let room = (edge - arrival.seq).max(0) as usize;
    if arrival.payload.len() > room {
        cx.counters.dropped_octets += (arrival.payload.len() - room) as u64;
        arrival.payload = &arrival.payload[..room];
        arrival.fin = false;
    }
    arrival
}
