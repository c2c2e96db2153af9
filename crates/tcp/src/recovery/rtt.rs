//! Round-trip time: the retransmission timeout (RFC 6298, RFC 7323 Appendix G) and the least RTT of late (RFC 8985 §6.2).

use trunkline_core::{Duration, Instant};

/// RTO before the first sample (RFC 6298 §2.1).
const INITIAL_RTO: Duration = Duration::from_secs(1);
/// RTO for data after a handshake in which the SYN was retransmitted (RFC 6298 §5.7).
const RTO_AFTER_LOST_SYN: Duration = Duration::from_secs(3);
/// How long the least RTT counts (Linux: `tcp_min_rtt_wlen`).
const MIN_RTT_WINDOW: Duration = Duration::from_secs(300);

/// SRTT, RTTVAR and the retransmission timeout.
#[derive(Debug, Clone)]
pub(crate) struct Rtt {
    /// Smoothed RTT and its variation, once there is a sample.
    smoothed: Option<(Duration, Duration)>,
    /// The least of late, and when it was seen.
    min: Option<(Duration, Instant)>,
    base: Duration,
    backoff: u32,
    min_rto: Duration,
    max_rto: Duration,
}

impl Rtt {
    pub(crate) fn new(min_rto: Duration, max_rto: Duration) -> Rtt {
        let base = INITIAL_RTO.min(max_rto);
        Rtt { smoothed: None, min: None, base, backoff: 0, min_rto, max_rto }
    }

    /// Takes a sample of which there are `per_round` in each round trip (1 or more; RFC 7323 Appendix G).
    pub(crate) fn sample(&mut self, sample: Duration, per_round: u32) {
        let (srtt, rttvar) = match self.smoothed {
            // RFC 6298 §2.2.
            None => (sample, sample / 2),
            // A sample of zero is a probe that counted as sent when its acknowledgment came.
            Some(_) if sample.is_zero() => return,
            // RFC 6298 §2.3: RTTVAR first, with SRTT as it was.
            Some((srtt, rttvar)) => {
                let n = per_round.max(1);
                let (alpha, beta) = (n.saturating_mul(8), n.saturating_mul(4));
                let deviation = srtt.abs_diff(sample);
                let rttvar = rttvar - rttvar / beta + deviation / beta;
                (srtt - srtt / alpha + sample / alpha, rttvar)
            }
        };
        self.smoothed = Some((srtt, rttvar));
        // RFC 6298 §2.3 with the least RTO in place of the clock's granularity: so an acknowledgment that the peer
        // delays does not look like a loss, however steady the RTT was (as Linux does).
        self.base = (srtt + (rttvar * 4).max(self.min_rto)).min(self.max_rto);
    }

    /// Takes a sample for the least RTT. Zero is none: see `sample`.
    pub(crate) fn sample_min(&mut self, now: Instant, sample: Duration) {
        match self.min {
            _ if sample.is_zero() => {}
            Some((least, at)) if least < sample && now.since(at) <= MIN_RTT_WINDOW => {}
            _ => self.min = Some((sample, now)),
        }
    }

    /// The SYN was retransmitted, so there may be no sample (RFC 6298 §5.7).
    pub(crate) fn after_lost_syn(&mut self) {
        if self.smoothed.is_none() {
            self.base = RTO_AFTER_LOST_SYN.min(self.max_rto);
        }
    }

    /// The retransmission timeout, backed off.
    pub(crate) fn rto(&self) -> Duration {
        self.base.saturating_mul(1 << self.backoff.min(20)).min(self.max_rto)
    }

    /// Doubles the timeout (RFC 6298 §5.5).
    pub(crate) fn back_off(&mut self) {
        self.backoff = self.backoff.saturating_add(1);
    }

    /// The timeout is the computed one again.
    pub(crate) fn reset_backoff(&mut self) {
        self.backoff = 0;
    }

    /// How often the timeout was doubled.
    pub(crate) fn backoff(&self) -> u32 {
        self.backoff
    }

    pub(crate) fn smoothed(&self) -> Option<Duration> {
        self.smoothed.map(|(srtt, _)| srtt)
    }

    pub(crate) fn min(&self) -> Option<Duration> {
        self.min.map(|(least, _)| least)
    }
}
