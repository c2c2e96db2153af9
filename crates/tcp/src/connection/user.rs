//! The user's calls on a connection: SEND, RECEIVE, CLOSE, ABORT (RFC 9293 §3.10.2 to §3.10.5), and ICMP errors.

use super::{Connection, Cx, DEFAULT_MSS, HEADERS, State};
use crate::SeqNum;
use crate::api::{ApiError, Cause, Closed, IcmpError, IcmpErrorKind, Options, Received};
use trunkline_core::{Duration, Instant};

impl Connection {
    /// SEND.
    pub(crate) fn send(&mut self, cx: &Cx<'_>, octets: &[u8], urgent: bool) -> Result<usize, ApiError> {
        if self.fin_queued || !self.state.may_send() {
            return Err(ApiError::Closing);
        }
        let taken = self.send.push(octets, cx.share);
        self.wants_room |= taken < octets.len();
        if urgent && taken > 0 {
            self.snd_up = Some(self.data_end());
        }
        Ok(taken)
    }

    /// Octets that SEND would take; `share` as in [`Cx`].
    pub(crate) fn send_room(&self, share: usize) -> usize {
        if self.fin_queued || !self.state.may_send() { 0 } else { self.send.room(share) }
    }

    /// Octets that RECEIVE would give.
    pub(crate) fn readable(&self) -> usize {
        if self.user_closed { 0 } else { self.receive.readable() }
    }

    /// RECEIVE.
    pub(crate) fn receive(
        &mut self,
        cx: &mut Cx<'_>,
        buf: &mut Vec<u8>,
        limit: usize,
    ) -> Result<Received, ApiError> {
        if self.user_closed {
            return Err(ApiError::Closing);
        }
        let octets = self.receive.take(buf, limit);
        self.receive.release(cx.keep());
        self.rcv_up = self.rcv_up.filter(|up| up.gt(self.receive.next()));
        self.told_readable = false;
        let eof = self.fin_received && self.receive.readable() == 0;
        if octets > 0 && self.window_update_is_due(cx) {
            self.ack_now = true;
        }
        if eof {
            self.tell_done(cx);
        }
        Ok(Received { octets, eof })
    }

    /// A larger window is worth a segment of its own: it grew by a segment or half the queue (RFC 9293 §3.8.6.2.2), and is
    /// at least twice what the peer knows of.
    fn window_update_is_due(&self, cx: &Cx<'_>) -> bool {
        if !matches!(self.state, State::Established | State::FinWait1 | State::FinWait2) {
            return false;
        }
        let known = self.rcv_wnd() as usize;
        let now = self.next_edge(cx) - self.rcv_nxt();
        let now = usize::try_from(now).unwrap_or(0);
        now > known && now >= 2 * known
    }

    /// CLOSE of our direction; the peer's data still comes.
    pub(crate) fn shutdown(&mut self, cx: &mut Cx<'_>) -> Result<(), ApiError> {
        if self.fin_queued {
            return Err(ApiError::Closing);
        }
        match self.state {
            State::SynSent => {
                self.die(cx, Cause::Close, Closed::Aborted);
                return Ok(());
            }
            // RFC 9293 §3.10.4: with data queued the FIN waits for ESTABLISHED.
            State::SynReceived if self.send.len() == 0 => self.enter(cx, State::FinWait1, Cause::Close),
            State::SynReceived => {}
            State::Established => self.enter(cx, State::FinWait1, Cause::Close),
            State::CloseWait => self.enter(cx, State::LastAck, Cause::Close),
            _ => return Err(ApiError::Closing),
        }
        self.fin_queued = true;
        Ok(())
    }

    /// CLOSE, and the user receives no more.
    pub(crate) fn close(&mut self, cx: &mut Cx<'_>) -> Result<(), ApiError> {
        if self.user_closed {
            return Err(ApiError::Closing);
        }
        let unread = self.receive.readable() > 0 || self.receive.has_gap();
        let linger = self.options.linger;
        if unread || linger == Some(Duration::ZERO) {
            return self.abort(cx);
        }
        if !self.fin_queued && !matches!(self.state, State::TimeWait | State::Closed) {
            self.shutdown(cx)?;
        }
        self.user_closed = true;
        self.orphaned = Some((cx.now, cx.config.orphan_timeout));
        if let Some(linger) = linger.filter(|_| !self.fin_acked()) {
            self.give_up_at = Some(cx.now + linger);
        } else if self.state == State::FinWait2 {
            self.give_up_at = Some(cx.now + cx.config.fin_wait_2_timeout);
        }
        self.tell_done(cx);
        Ok(())
    }

    /// ABORT.
    pub(crate) fn abort(&mut self, cx: &mut Cx<'_>) -> Result<(), ApiError> {
        self.user_closed = true;
        match self.state {
            // The connection is over; only the name goes.
            State::TimeWait | State::Closed => {
                self.receive.take(&mut Vec::new(), usize::MAX);
                self.expire(cx, Cause::Abort);
            }
            _ => self.kill(cx, Cause::Abort, Closed::Aborted),
        }
        Ok(())
    }

    /// Changes the options. The key and the congestion control stay.
    pub(crate) fn set_options(&mut self, options: Options) {
        self.send.set_limit(options.send_buffer);
        // What was announced must be taken.
        let announced = self.receive.readable() + self.rcv_wnd() as usize;
        self.receive.set_limit(options.receive_buffer.max(announced));
        let (auth, congestion) = (self.options.auth.take(), self.options.congestion);
        self.options = Options { auth, congestion, ..options };
        self.recovery.on_mss_change(self.full_payload());
    }

    /// The options in force.
    pub(crate) fn options(&self) -> &Options {
        &self.options
    }

    /// The path MTU changed.
    pub(crate) fn set_path_mtu(&mut self, mtu: u16) {
        if mtu != self.ends.path_mtu {
            self.ends.path_mtu = mtu;
            self.recovery.on_mss_change(self.full_payload());
        }
    }

    /// The segment at `seq` is too big for the path. Where that is news, it and all that are too big as well go again; the
    /// rest of what was in flight is told by the same number and does no more.
    pub(crate) fn too_big(&mut self, now: Instant, seq: SeqNum, mtu: u16) {
        if mtu < self.ends.path_mtu {
            self.set_path_mtu(mtu);
            self.recovery.on_packet_too_big(now, seq);
        }
    }

    /// An ICMP error about a segment of ours. Whether it was believed (RFC 5927 §4.1: it must quote what is in flight).
    pub(crate) fn icmp_error(&mut self, cx: &mut Cx<'_>, error: &IcmpError) -> bool {
        let quoted = error.sequence;
        if !(quoted.ge(self.snd_una) && quoted.lt(self.snd_nxt)) {
            return false;
        }
        match error.kind {
            IcmpErrorKind::FragmentationNeeded(mtu) => {
                // RFC 5927 §7: never below the least that is believed, never growing.
                if mtu == 0 || !self.options.path_mtu_discovery {
                    return false;
                }
                self.too_big(cx.now, quoted, mtu.max(cx.config.min_path_mtu));
            }
            IcmpErrorKind::Hard if self.state == State::SynSent => {
                self.die(cx, Cause::Icmp, Closed::Refused);
            }
            // RFC 9293 §3.9.2.2: must not abort; remembered for when it times out.
            IcmpErrorKind::Hard | IcmpErrorKind::Soft => self.soft_error = true,
        }
        true
    }

    /// The MSS option of our SYN: what the interface can take (RFC 9293 §3.7.1), or less where the user wants it.
    pub(super) fn announced_mss(&self) -> u16 {
        let path = self.ends.path_mtu.saturating_sub(HEADERS);
        path.min(self.options.mss.unwrap_or(u16::MAX)).max(DEFAULT_MSS.min(path))
    }
}
