//! What the sender knows of what is in flight: when it was sent, what of it arrived, what is lost, and how much more may
//! be sent.
//!
//! | part | module | RFC |
//! |---|---|---|
//! | round-trip time and retransmission timeout | `rtt` | 6298, 7323 App. G |
//! | what was sent, SACKed, lost | `scoreboard` | 6675 §3 |
//! | losses found by time; tail loss probes | `rack` | 8985 |
//! | the window in recovery | `prr` | 6937 |
//! | the window otherwise | `congestion`, `cubic`, `hystart` | 5681, 3465, 9438, 9406 |
//! | acknowledgments: NewReno without SACK, F-RTO, undo | `ack` | 6582, 5682, 4015, 3708 |
//! | timers | `timeout` | 6298 §5, 8985 §8 |
//!
//! Limited transmit (RFC 3042) is not code of its own: what a duplicate acknowledgment or a SACK says has left the network
//! is no longer in the pipe, so as much may be sent. Early retransmit (RFC 5827) is RACK's reordering timer.

mod ack;
mod congestion;
mod cubic;
mod hystart;
mod prr;
mod rack;
mod rtt;
mod scoreboard;
#[cfg(test)]
mod tests;
mod timeout;

use crate::SeqNum;
use congestion::Congestion;
use hystart::HyStart;
use prr::Prr;
use rack::{Rack, Tlp};
use rtt::Rtt;
use scoreboard::Scoreboard;
use trunkline_core::{Duration, Instant};

/// Which congestion control a connection uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Algorithm {
    /// NewReno (RFC 5681, RFC 6582).
    NewReno,
    /// CUBIC (RFC 9438) with HyStart++ (RFC 9406).
    #[default]
    Cubic,
}

/// What a connection's recovery starts with.
#[derive(Debug, Clone)]
pub struct RecoveryConfig {
    /// Congestion control.
    pub algorithm: Algorithm,
    /// Most octets in a segment, 1 or more.
    pub mss: u32,
    /// Whether the peer sends selective acknowledgments.
    pub sack: bool,
    /// Whether timestamps are in use.
    pub timestamps: bool,
    /// The least that the retransmission timeout is above the smoothed RTT. RFC 6298 §2.4 says one second for the whole;
    /// 200 ms, as Linux has it, is above every delay of an acknowledgment in use.
    pub min_rto: Duration,
    /// The longest retransmission timeout (RFC 6298 §2.5: 60 s or more).
    pub max_rto: Duration,
}

impl Default for RecoveryConfig {
    fn default() -> RecoveryConfig {
        RecoveryConfig {
            algorithm: Algorithm::default(),
            mss: 536,
            sack: false,
            timestamps: false,
            min_rto: Duration::from_millis(200),
            max_rto: Duration::from_secs(120),
        }
    }
}

/// What an acknowledgment did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AckOutcome {
    /// Octets acknowledged for the first time.
    pub newly_acked: u32,
    /// Octets SACKed for the first time.
    pub newly_sacked: u32,
    /// Octets newly taken for lost.
    pub newly_lost: u32,
}

/// What a timer wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeoutAction {
    /// Nothing.
    None,
    /// The retransmission timer expired: the oldest segment is taken for lost, and others with it.
    Rto,
    /// A tail loss probe is due: new data if there is some, else the last segment again (RFC 8985 §7.3).
    Probe,
    /// The reordering timer expired: segments may be taken for lost.
    Reorder,
}

/// How a connection's sending goes.
///
/// ```text
///          SACK or duplicate            loss found
///  Open ---------------------> Disorder -----------> Recovery ---.
///   ^ ^------------------------'   |      (from Open too)   |    |
///   |        all acknowledged      | RTO                RTO |    | all that was in flight is acknowledged,
///   |                              v                        |    | or the retransmissions were needless
///   |                             Loss <--------------------'    |
///   |    all that was in flight is   |                           |
///   |    acknowledged, or undo       |                           |
///   '--------------------------------'<--------------------------'
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Nothing is missing.
    Open,
    /// Something is out of order, nothing is taken for lost.
    Disorder,
    /// Fast recovery.
    Recovery,
    /// After a retransmission timeout.
    Loss,
}

/// What happened, counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RecoveryCounters {
    /// Fast recoveries begun.
    pub recoveries: u64,
    /// Retransmission timeouts.
    pub timeouts: u64,
    /// Tail loss probes.
    pub probes: u64,
    /// Recoveries that were undone because nothing was lost.
    pub undone: u64,
    /// DSACKs for what was retransmitted.
    pub dsacks: u64,
    /// Losses repaired by a tail loss probe.
    pub probes_repaired: u64,
}

/// What to go back to when a recovery turns out to be needless.
#[derive(Debug)]
struct Undo {
    congestion: Congestion,
    /// SND.UNA when it began.
    marker: SeqNum,
    /// When something was first retransmitted in it.
    retransmitted_at: Option<Instant>,
    /// Octets retransmitted in it and not reported by DSACK.
    octets: u64,
}

/// F-RTO (RFC 5682 §2.1, §3.1).
///
/// ```text
///  Off --RTO--> Head --acknowledges part, new data is there--> NewData --acknowledges more--> undo
///   ^             | duplicate, or no new data to send               | duplicate
///   '-------------'<------------------------------------------------'
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Frto {
    Off,
    /// Only the oldest segment was sent again.
    Head,
    /// New data are sent; nothing else is sent again yet.
    NewData,
}

/// State of recovery of one connection.
#[derive(Debug)]
pub struct Recovery {
    config: RecoveryConfig,
    board: Scoreboard,
    rtt: Rtt,
    rack: Rack,
    tlp: Tlp,
    congestion: Congestion,
    hystart: Option<HyStart>,
    phase: Phase,
    /// SND.NXT when the last recovery began (RFC 6582 `recover` is the octet before).
    recover: SeqNum,
    prr: Prr,
    undo: Option<Undo>,
    frto: Frto,
    /// Without SACK: duplicate acknowledgments, and the octets that they say have arrived.
    dup_acks: u32,
    dup_octets: u32,
    /// From when the retransmission timer runs.
    rto_from: Instant,
    /// RACK's reordering timer.
    reorder_due: Option<Instant>,
    /// What was sent before this was sent while the window was the limit.
    limited_until: SeqNum,
    last_sent: Instant,
    /// When last something was sent, more waited.
    more_to_send: bool,
    lost_syns: u32,
    iss: SeqNum,
    octets_retransmitted: u64,
    octets_dsacked: u64,
    counters: RecoveryCounters,
}

impl Recovery {
    /// Nothing in flight; the first octet (or SYN) to be sent is `iss`.
    pub fn new(config: RecoveryConfig, iss: SeqNum) -> Recovery {
        let window = initial_window(config.mss);
        Recovery {
            board: Scoreboard::new(iss),
            rtt: Rtt::new(config.min_rto, config.max_rto),
            rack: Rack::new(iss),
            tlp: Tlp::default(),
            congestion: Congestion::new(config.algorithm, window),
            hystart: (config.algorithm == Algorithm::Cubic).then(HyStart::default),
            phase: Phase::Open,
            recover: iss,
            prr: Prr::default(),
            undo: None,
            frto: Frto::Off,
            dup_acks: 0,
            dup_octets: 0,
            rto_from: Instant::ZERO,
            reorder_due: None,
            limited_until: iss,
            last_sent: Instant::ZERO,
            more_to_send: false,
            lost_syns: 0,
            iss,
            octets_retransmitted: 0,
            octets_dsacked: 0,
            counters: RecoveryCounters::default(),
            config,
        }
    }

    /// What the handshake agreed on. Sets the initial window (RFC 6928 §2).
    pub fn on_negotiated(&mut self, mss: u32, sack: bool, timestamps: bool) {
        self.config.mss = mss.max(1);
        self.config.sack = sack;
        self.config.timestamps = timestamps;
        self.congestion.cwnd = initial_window(self.config.mss);
    }

    /// A segment was sent: `len` octets from `seq`, SYN and FIN included. `app_limited`: nothing more waits to be sent.
    pub fn on_sent(&mut self, now: Instant, seq: SeqNum, len: u32, retransmission: bool, app_limited: bool) {
        if len == 0 {
            return;
        }
        if self.phase == Phase::Recovery {
            self.prr.sent(len);
        }
        if retransmission {
            self.sent_again(now, seq, len);
        } else {
            self.sent_new(now, len, app_limited);
        }
        self.last_sent = now;
    }

    fn sent_new(&mut self, now: Instant, len: u32, app_limited: bool) {
        if self.board.outstanding() == 0 {
            self.restart_after_idle(now);
            self.rto_from = now;
        }
        self.board.push(now, len);
        self.more_to_send = !app_limited;
        let (pipe, cwnd) = (self.pipe(), self.congestion.cwnd);
        // RFC 7661 §4.1, RFC 9406: growth counts where the window was used; in slow start, where half of it was.
        let half = self.congestion.in_slow_start() && !app_limited && pipe >= cwnd / 2;
        if half || pipe.saturating_add(self.config.mss) > cwnd {
            self.limited_until = self.board.nxt();
        }
        if self.tlp.pending {
            self.tlp.sent(self.board.nxt(), false);
        } else {
            self.arm_probe(now);
        }
    }

    fn sent_again(&mut self, now: Instant, seq: SeqNum, len: u32) {
        if seq.le(self.board.una()) {
            // RFC 6298 §5.1 for what the timer waits for.
            self.rto_from = now;
        }
        self.board.retransmitted(now, seq, len);
        self.octets_retransmitted += u64::from(len);
        if self.tlp.pending {
            self.tlp.sent(self.board.nxt(), true);
        } else if let Some(undo) = &mut self.undo {
            undo.octets += u64::from(len);
            undo.retransmitted_at.get_or_insert(now);
        }
    }

    /// RFC 5681 §4.1: after idle time the window is no longer known to be good. It is halved for each RTO down to the
    /// initial one (RFC 2861 §3.2).
    fn restart_after_idle(&mut self, now: Instant) {
        let rto = self.rtt.rto();
        let mut idle = now.since(self.last_sent);
        let least = initial_window(self.config.mss).min(self.congestion.cwnd);
        if idle <= rto || self.board.una() == self.iss {
            return;
        }
        let cwnd = self.congestion.cwnd;
        self.congestion.ssthresh = self.congestion.ssthresh.max(cwnd / 4 * 3);
        while idle > rto && self.congestion.cwnd > least {
            self.congestion.cwnd = (self.congestion.cwnd / 2).max(least);
            idle = idle.saturating_sub(rto);
        }
        self.congestion.on_idle(now);
    }

    /// A lost range that may be sent again now: where it begins, and its octets, at most one segment.
    pub fn next_retransmission(&self, _now: Instant) -> Option<(SeqNum, u32)> {
        if self.board.lost_octets() == 0 || self.frto == Frto::NewData {
            return None;
        }
        let (seq, len) = self.board.first_lost(self.config.mss)?;
        let pipe = self.pipe();
        let room = self.congestion.cwnd.saturating_sub(pipe);
        (pipe == 0 || room >= len).then_some((seq, len))
    }

    /// New octets that the congestion window lets go now. Lost ones go first.
    pub fn send_allowance(&self) -> u32 {
        if self.board.lost_octets() > 0 && self.frto != Frto::NewData {
            return 0;
        }
        self.congestion.cwnd.saturating_sub(self.pipe())
    }

    /// Octets that are taken to be in the network.
    fn pipe(&self) -> u32 {
        self.board.pipe().saturating_sub(self.dup_octets)
    }

    /// The window that a loss reduces. RFC 5681 §3.1 and RFC 9438 §4.6 say what is in flight, so that a window that was not
    /// used does not count. But where acknowledgments come in bunches (and one of them may tell of a whole window and of the
    /// loss in it) little is in flight when the loss is found, though the window was the limit when it was sent.
    fn window_in_use(&self) -> u32 {
        let limited = self.board.una().lt(self.limited_until);
        if limited { self.congestion.cwnd } else { self.congestion.cwnd.min(self.board.outstanding()) }
    }

    /// The segment size changed. The window is never less than a segment, else none of full size could be sent.
    pub fn on_mss_change(&mut self, mss: u32) {
        self.config.mss = mss.max(1);
        self.congestion.cwnd = self.congestion.cwnd.max(self.config.mss);
    }

    /// The network dropped the segment with `seq` in it because it was too big; `on_mss_change` came before. It and all
    /// that are too big as well are sent again, without a word to congestion control (RFC 1191 §6.5).
    pub fn on_packet_too_big(&mut self, _now: Instant, seq: SeqNum) {
        let mss = self.config.mss;
        self.board.mark_lost_where(|r| r.len > mss || r.seq.le(seq) && seq.lt(r.end()));
    }

    /// Smoothed round-trip time.
    pub fn rtt(&self) -> Option<Duration> {
        self.rtt.smoothed()
    }

    /// The least round-trip time of late.
    pub fn min_rtt(&self) -> Option<Duration> {
        self.rtt.min()
    }

    /// Retransmission timeout, backed off.
    pub fn rto(&self) -> Duration {
        self.rtt.rto()
    }

    /// Congestion window, octets.
    pub fn cwnd(&self) -> u32 {
        self.congestion.cwnd
    }

    /// Slow start threshold, octets; `u32::MAX` before the first loss.
    pub fn ssthresh(&self) -> u32 {
        self.congestion.ssthresh
    }

    /// How sending goes.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// What happened so far.
    pub fn counters(&self) -> &RecoveryCounters {
        &self.counters
    }
}

/// RFC 6928 §2.
fn initial_window(mss: u32) -> u32 {
    let ten = mss.saturating_mul(10);
    ten.min(mss.saturating_mul(2).max(14_600)).max(1)
}
