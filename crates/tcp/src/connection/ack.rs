//! SEGMENT ARRIVES, fifth: the acknowledgment (RFC 9293 §3.10.7.4).

use super::input::Arrival;
use super::{Connection, Cx, State};
use crate::api::{Cause, Closed, Output};
use crate::recovery::AckOutcome;
use trunkline_core::Duration;
use trunkline_wire::tcp::Segment;

/// The user is told of room in the send queue once this part of it is free.
const ROOM_TOLD: usize = 3;

impl Connection {
    /// Whether the segment's data are to be looked at.
    pub(super) fn acknowledgment(&mut self, cx: &mut Cx<'_>, arrival: &Arrival<'_>) -> bool {
        let segment = arrival.segment;
        let ack = segment.acknowledgment;
        if self.probed && ack == self.snd_nxt + 1 {
            self.take_probe_as_sent(cx);
        }
        // RFC 5961 §5.2: SND.UNA - MAX.SND.WND =< SEG.ACK =< SND.NXT.
        if ack.gt(self.snd_nxt) || ack.lt(self.snd_una - self.max_snd_wnd.min(1 << 30)) {
            cx.counters.bad_ack += 1;
            self.challenge(cx);
            return false;
        }
        let window = self.window_of(segment);
        let duplicate =
            ack == self.snd_una && !self.nothing_in_flight() && arrival.len() == 0 && window == self.snd_wnd;
        if ack.ge(self.snd_una) {
            self.update_send_window(segment, window);
            self.acknowledged(cx, segment, window, duplicate);
        }
        if self.fin_acked() { self.fin_was_acked(cx, arrival.fin) } else { true }
    }

    /// The octet (or FIN) of a zero-window probe was taken by the peer: it counts as sent.
    fn take_probe_as_sent(&mut self, cx: &Cx<'_>) {
        self.recovery.on_sent(cx.now, self.snd_nxt, 1, false, true);
        self.snd_nxt += 1;
        self.probed = false;
    }

    /// Takes SND.WND from the newest segment (RFC 9293 §3.10.7.4).
    fn update_send_window(&mut self, segment: &Segment<'_>, window: u32) {
        let (seq, ack) = (segment.sequence, segment.acknowledgment);
        if self.snd_wl1.lt(seq) || self.snd_wl1 == seq && self.snd_wl2.le(ack) {
            if window != 0 {
                self.persist_backoff = 0;
            }
            self.set_send_window(window, seq, ack);
        }
    }

    /// What is acknowledged leaves the queue, and recovery hears of it.
    fn acknowledged(&mut self, cx: &mut Cx<'_>, segment: &Segment<'_>, window: u32, duplicate: bool) {
        let ack = segment.acknowledgment;
        let new = ack.gt(self.snd_una);
        let sack = if self.sack { segment.options.sack } else { Default::default() };
        let AckOutcome { .. } =
            self.recovery.on_ack(cx.now, ack, &sack, self.echoed(cx, segment, new), window, duplicate);
        if !new {
            return;
        }
        self.snd_una = ack;
        self.unacked_since = cx.now;
        self.progress = true;
        self.persist_backoff = 0;
        if ack.gt(self.send_base) {
            let octets = ((ack - self.send_base) as usize).min(self.send.len());
            self.send.consume(octets);
            self.send.release(cx.keep());
            self.send_base += octets as u32;
        }
        self.snd_up = self.snd_up.filter(|up| up.gt(ack));
        self.grow_send_queue();
        if self.wants_room && self.send.room(cx.share) >= self.send.limit().min(cx.share) / ROOM_TOLD {
            self.wants_room = false;
            if self.state.may_send() && !self.fin_queued {
                cx.out.push(Output::Writable(self.ends.id));
            }
        }
    }

    /// The congestion window grew: the send queue follows, where the user lets it. It does not shrink with a loss, for the
    /// window is soon back.
    fn grow_send_queue(&mut self) {
        let Some(most) = self.options.send_buffer_growth else { return };
        let wanted = (2 * self.recovery.cwnd() as usize).min(most);
        if wanted > self.send.limit() {
            self.send.set_limit(wanted);
        }
    }

    /// The round-trip time that an echoed timestamp tells (RFC 7323 §4.1), where it acknowledges something new.
    fn echoed(&self, cx: &Cx<'_>, segment: &Segment<'_>, new: bool) -> Option<Duration> {
        let timestamps = segment.options.timestamps.filter(|t| self.timestamps && new && t.echo != 0)?;
        let millis = self.timestamp(cx.now).wrapping_sub(timestamps.echo);
        // What is not in the past is none of ours.
        (millis < 1 << 31).then(|| Duration::from_millis(u64::from(millis)))
    }

    /// Our FIN is acknowledged; `fin`: by the segment that brings the peer's. Whether to go on with the segment.
    fn fin_was_acked(&mut self, cx: &mut Cx<'_>, fin: bool) -> bool {
        match self.state {
            State::FinWait1 => {
                let why = if fin { Cause::FinAck } else { Cause::AckOfFin };
                self.enter(cx, State::FinWait2, why);
                if self.user_closed {
                    self.give_up_at = Some(cx.now + cx.config.fin_wait_2_timeout);
                }
                true
            }
            State::Closing => {
                self.wait_time(cx, Cause::AckOfFin);
                false
            }
            State::LastAck => {
                self.enter(cx, State::Closed, Cause::AckOfFin);
                self.stop();
                self.tell_done(cx);
                false
            }
            _ => true,
        }
    }

    /// Enters TIME-WAIT and starts its timer; the other timers stop (RFC 9293 §3.10.7.4).
    pub(super) fn wait_time(&mut self, cx: &mut Cx<'_>, why: Cause) {
        let ack_now = self.ack_now;
        self.enter(cx, State::TimeWait, why);
        self.stop();
        self.ack_now = ack_now;
        self.time_wait_at = Some(cx.now + cx.config.time_wait);
        self.tell_done(cx);
    }

    /// TIME-WAIT is over: enters CLOSED. What the user has not received can still be.
    pub(crate) fn expire(&mut self, cx: &mut Cx<'_>, why: Cause) {
        self.enter(cx, State::Closed, why);
        self.stop();
        self.tell_done(cx);
    }

    /// The user's data cannot be delivered or the peer's cannot be accepted: a RST (RFC 9293 §3.10.5).
    pub(super) fn kill(&mut self, cx: &mut Cx<'_>, why: Cause, how: Closed) {
        if matches!(
            self.state,
            State::SynReceived | State::Established | State::FinWait1 | State::FinWait2 | State::CloseWait
        ) {
            self.reply_reset(cx, self.snd_nxt);
        }
        self.die(cx, why, how);
    }
}
