//! HyStart++ (RFC 9406): leaves slow start when the RTT grows, before the queue overflows.

use crate::SeqNum;
use trunkline_core::Duration;

/// MIN_RTT_THRESH, MAX_RTT_THRESH and MIN_RTT_DIVISOR (RFC 9406 §4.3).
const MIN_RTT_THRESH: Duration = Duration::from_millis(4);
const MAX_RTT_THRESH: Duration = Duration::from_millis(16);
const MIN_RTT_DIVISOR: u32 = 8;
/// N_RTT_SAMPLE: samples in a round before it counts.
const N_RTT_SAMPLE: u32 = 8;
/// CSS_GROWTH_DIVISOR: conservative slow start is this much slower.
const CSS_GROWTH_DIVISOR: u32 = 4;
/// CSS_ROUNDS: rounds of conservative slow start before congestion avoidance.
const CSS_ROUNDS: u32 = 5;

/// The state of the first slow start.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct HyStart {
    /// windowEnd: the round ends when this is acknowledged.
    round_end: Option<SeqNum>,
    last_min: Option<Duration>,
    current_min: Option<Duration>,
    samples: u32,
    /// In conservative slow start: the least RTT that began it, and rounds since.
    conservative: Option<(Duration, u32)>,
}

impl HyStart {
    /// An acknowledgment came. By how much to slow the growth; `None`: slow start is over.
    pub(crate) fn on_ack(&mut self, una: SeqNum, nxt: SeqNum, rtt: Option<Duration>) -> Option<u32> {
        if self.round_end.is_none_or(|end| una.ge(end)) {
            self.round_end = Some(nxt);
            self.last_min = self.current_min.take();
            self.samples = 0;
            if let Some((_, rounds)) = &mut self.conservative {
                *rounds += 1;
                if *rounds >= CSS_ROUNDS {
                    return None;
                }
            }
        }
        if let Some(rtt) = rtt {
            self.current_min = Some(self.current_min.map_or(rtt, |min| min.min(rtt)));
            self.samples += 1;
        }
        if self.samples >= N_RTT_SAMPLE
            && let Some(current) = self.current_min
        {
            self.judge(current);
        }
        Some(if self.conservative.is_some() { CSS_GROWTH_DIVISOR } else { 1 })
    }

    /// RFC 9406 §4.2.
    fn judge(&mut self, current: Duration) {
        match (self.conservative, self.last_min) {
            (Some((baseline, _)), _) if current < baseline => self.conservative = None,
            (None, Some(last)) => {
                let threshold = (last / MIN_RTT_DIVISOR).clamp(MIN_RTT_THRESH, MAX_RTT_THRESH);
                if current >= last + threshold {
                    self.conservative = Some((current, 0));
                }
            }
            _ => {}
        }
    }
}
