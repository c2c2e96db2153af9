//! What the sender knows of what is in flight. This is the signatures over go-back-N; the real one replaces it.

use crate::SeqNum;
use trunkline_core::{Duration, Instant};

/// Which congestion control a connection uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Algorithm {
    /// NewReno (RFC 5681, RFC 6582).
    NewReno,
    /// CUBIC (RFC 9438).
    #[default]
    Cubic,
}

/// What a connection's recovery starts with.
#[derive(Debug, Clone, Default)]
pub struct RecoveryConfig {
    /// Congestion control.
    pub algorithm: Algorithm,
    /// Most octets in a segment.
    pub mss: u32,
    /// Whether the peer sends selective acknowledgments.
    pub sack: bool,
    /// Whether timestamps are in use.
    pub timestamps: bool,
}

/// What an acknowledgment did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AckOutcome {
    /// Octets acknowledged for the first time.
    pub newly_acked: u32,
}

/// What a timer wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeoutAction {
    /// Nothing.
    None,
    /// Retransmission timeout.
    Rto,
    /// Tail loss probe.
    Probe,
    /// RACK reordering timer.
    Reorder,
}

/// State of recovery.
#[derive(Debug)]
pub struct Recovery {
    config: RecoveryConfig,
    una: SeqNum,
    nxt: SeqNum,
    resend: Option<SeqNum>,
    resend_end: SeqNum,
    rto: Duration,
    deadline: Option<Instant>,
}

impl Recovery {
    /// Nothing in flight.
    pub fn new(config: RecoveryConfig, iss: SeqNum) -> Recovery {
        Recovery {
            config,
            una: iss,
            nxt: iss,
            resend: None,
            resend_end: iss,
            rto: Duration::from_secs(1),
            deadline: None,
        }
    }
    /// What the handshake agreed on.
    pub fn on_negotiated(&mut self, mss: u32, sack: bool, timestamps: bool) {
        self.config.mss = mss;
        self.config.sack = sack;
        self.config.timestamps = timestamps;
    }
    /// A segment was sent.
    pub fn on_sent(&mut self, now: Instant, seq: SeqNum, len: u32, retransmission: bool, _app_limited: bool) {
        if retransmission {
            if self.resend.is_some() {
                self.resend = Some(seq + len).filter(|s| s.lt(self.resend_end));
            }
        } else {
            self.nxt = self.nxt.max(seq + len);
        }
        if self.deadline.is_none() {
            self.deadline = Some(now + self.rto);
        }
    }
    /// An acknowledgment came.
    pub fn on_ack(
        &mut self,
        now: Instant,
        ack: SeqNum,
        _sack: &[(SeqNum, SeqNum)],
        _rtt: Option<Duration>,
        _window: u32,
        _dup: bool,
    ) -> AckOutcome {
        let newly_acked = if ack.gt(self.una) { (ack - self.una) as u32 } else { 0 };
        if newly_acked > 0 {
            self.una = ack;
            self.rto = Duration::from_millis(300);
            self.resend = self.resend.map(|s| s.max(ack)).filter(|s| s.lt(self.resend_end));
            self.deadline = if self.una == self.nxt { None } else { Some(now + self.rto) };
        }
        AckOutcome { newly_acked }
    }
    /// A lost range to send now.
    pub fn next_retransmission(&self, _now: Instant) -> Option<(SeqNum, u32)> {
        self.resend.map(|s| (s, (self.resend_end - s) as u32))
    }
    /// New octets that may be sent.
    pub fn send_allowance(&self) -> u32 {
        (10 * self.config.mss).saturating_sub((self.nxt - self.una) as u32)
    }
    /// When the next timer is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.deadline
    }
    /// A timer is due.
    pub fn on_timeout(&mut self, now: Instant) -> TimeoutAction {
        if self.deadline.is_none_or(|d| d > now) {
            return TimeoutAction::None;
        }
        self.rto = (self.rto * 2).min(Duration::from_secs(120));
        self.deadline = Some(now + self.rto);
        self.resend = Some(self.una);
        self.resend_end = self.nxt;
        TimeoutAction::Rto
    }
    /// The segment size changed.
    pub fn on_mss_change(&mut self, mss: u32) {
        self.config.mss = mss;
    }
    /// A packet was too big for the path.
    pub fn on_packet_too_big(&mut self, _now: Instant, _seq: SeqNum) {}
    /// Smoothed round-trip time.
    pub fn rtt(&self) -> Option<Duration> {
        None
    }
    /// Retransmission timeout.
    pub fn rto(&self) -> Duration {
        self.rto
    }
    /// Congestion window, octets.
    pub fn cwnd(&self) -> u32 {
        10 * self.config.mss
    }
    /// Slow start threshold, octets.
    pub fn ssthresh(&self) -> u32 {
        u32::MAX
    }
}
