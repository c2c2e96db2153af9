//! Congestion control: how the congestion window grows and how much a loss takes from it.

use super::Algorithm;
use super::cubic::Cubic;
use trunkline_core::{Duration, Instant};

/// The most segments by which one acknowledgment opens the window in slow start (RFC 9406 §4.2: L for senders that do not
/// pace; RFC 3465 says 2, which is too few where the network joins acknowledgments).
const SLOW_START_LIMIT: u32 = 8;
/// The largest congestion window, octets.
pub(crate) const MAX_CWND: u32 = 1 << 30;

/// What an acknowledgment tells congestion control.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Acked {
    /// When it came.
    pub(crate) now: Instant,
    /// Octets delivered that were sent while the window was the limit.
    pub(crate) octets: u32,
    /// Most octets in a segment.
    pub(crate) mss: u32,
    /// Smoothed RTT.
    pub(crate) srtt: Duration,
}

/// The window and the algorithm that moves it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Congestion {
    /// Congestion window, octets.
    pub(crate) cwnd: u32,
    /// Slow start threshold, octets.
    pub(crate) ssthresh: u32,
    control: Control,
}

/// What an algorithm remembers.
#[derive(Debug, Clone, Copy)]
enum Control {
    /// RFC 5681 §3.1 with byte counting (RFC 3465): octets acknowledged since the window last grew.
    NewReno { counted: u32 },
    /// RFC 9438.
    Cubic(Cubic),
}

impl Congestion {
    pub(crate) fn new(algorithm: Algorithm, window: u32) -> Congestion {
        let control = match algorithm {
            Algorithm::NewReno => Control::NewReno { counted: 0 },
            Algorithm::Cubic => Control::Cubic(Cubic::default()),
        };
        Congestion { cwnd: window, ssthresh: u32::MAX, control }
    }

    /// Below the threshold (RFC 5681 §3.1).
    pub(crate) fn in_slow_start(&self) -> bool {
        self.cwnd < self.ssthresh
    }

    /// The window grows. `divisor`: growth in slow start is this much slower (1, or more where HyStart++ says so).
    pub(crate) fn on_ack(&mut self, acked: Acked, divisor: u32) {
        let mut rest = acked.octets;
        if self.in_slow_start() {
            let growth = rest.min(SLOW_START_LIMIT.saturating_mul(acked.mss)) / divisor.max(1);
            let growth = growth.min(self.ssthresh - self.cwnd);
            self.cwnd += growth;
            rest = rest.saturating_sub(growth);
            if self.in_slow_start() || divisor > 1 {
                rest = 0;
            }
        }
        if rest > 0 {
            self.cwnd = match &mut self.control {
                Control::NewReno { counted } => reno(counted, self.cwnd, rest, acked.mss),
                Control::Cubic(cubic) => cubic.on_ack(self.cwnd, Acked { octets: rest, ..acked }),
            };
        }
        self.cwnd = self.cwnd.min(MAX_CWND);
    }

    /// Nothing was to be sent for a while, or less than the window: that time does not count (RFC 9438 §5.8).
    pub(crate) fn on_idle(&mut self, now: Instant) {
        if let Control::Cubic(cubic) = &mut self.control {
            cubic.on_idle(now);
        }
    }

    /// A loss with this much of the window in use: the threshold falls (RFC 5681 §3.2, RFC 9438 §4.6). The window is the
    /// caller's.
    pub(crate) fn on_loss(&mut self, used: u32, mss: u32) {
        let window = self.cwnd.min(used);
        let threshold = match &mut self.control {
            Control::NewReno { counted } => {
                *counted = 0;
                window / 2
            }
            Control::Cubic(cubic) => cubic.on_loss(window),
        };
        self.ssthresh = threshold.max(2 * mss);
    }

    /// The retransmission timer expired after `on_loss` (RFC 9438 §4.8).
    pub(crate) fn on_rto(&mut self) {
        if let Control::Cubic(cubic) = &mut self.control {
            cubic.on_rto();
        }
    }
}

/// Congestion avoidance: one segment more for each window acknowledged (RFC 3465 §2.1).
fn reno(counted: &mut u32, mut cwnd: u32, octets: u32, mss: u32) -> u32 {
    *counted = counted.saturating_add(octets);
    if *counted >= cwnd {
        *counted -= cwnd;
        cwnd = cwnd.saturating_add(mss);
    }
    cwnd
}
