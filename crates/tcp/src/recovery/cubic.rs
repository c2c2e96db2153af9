//! CUBIC (RFC 9438). Only additions, multiplications and divisions of floating-point numbers, which every machine rounds
//! alike.

use super::congestion::Acked;
use trunkline_core::{Duration, Instant};

/// C (RFC 9438 §5), segments per second cubed.
const C: f64 = 0.4;
/// The part of the window that a loss leaves (§4.6).
const BETA: f64 = 0.7;
/// The growth that makes the Reno-friendly window as large as Reno's on average (§4.3): 3 (1 - beta) / (1 + beta).
const ALPHA: f64 = 3.0 * (1.0 - BETA) / (1.0 + BETA);

/// The state of CUBIC. Windows in octets.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Cubic {
    /// W_max: the window before the last loss.
    w_max: f64,
    /// cwnd_prior: the window when ssthresh was last set.
    prior: f64,
    /// The stage of congestion avoidance that runs.
    epoch: Option<Epoch>,
    /// When an acknowledgment last came.
    last: Instant,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Epoch {
    start: Instant,
    /// K, seconds.
    k: f64,
    /// W_est: what Reno would have.
    w_est: f64,
    /// The part of an octet by which the window is to grow.
    fraction: f64,
}

impl Cubic {
    /// Congestion avoidance (RFC 9438 §4.2 to §4.5); the new window.
    pub(crate) fn on_ack(&mut self, cwnd: u32, acked: Acked) -> u32 {
        let (window, mss) = (f64::from(cwnd.max(1)), f64::from(acked.mss.max(1)));
        self.last = acked.now;
        let mut epoch = match self.epoch {
            Some(epoch) => epoch,
            None => self.begin(window, mss, acked.now),
        };
        let octets = f64::from(acked.octets);
        // §4.3: once it is where it was before the loss, it grows as Reno does.
        let alpha = if epoch.w_est >= self.prior { 1.0 } else { ALPHA };
        epoch.w_est += alpha * octets / window * mss;
        let t = acked.now.since(epoch.start);
        let growth = if self.window_at(&epoch, t, mss) < epoch.w_est {
            epoch.w_est - window
        } else {
            // §4.4, §4.5: towards where the curve is one RTT later.
            let target = self.window_at(&epoch, t + acked.srtt, mss).clamp(window, 1.5 * window);
            (target - window) / window * octets
        };
        let grown = growth.max(0.0) + epoch.fraction;
        let whole = grown as u32;
        epoch.fraction = grown - f64::from(whole);
        self.epoch = Some(epoch);
        cwnd.saturating_add(whole)
    }

    /// A stage of congestion avoidance begins (§4.2).
    fn begin(&mut self, window: f64, mss: f64, now: Instant) -> Epoch {
        if self.w_max < window {
            self.w_max = window;
        }
        let k = cube_root((self.w_max - window) / mss / C);
        Epoch { start: now, k, w_est: window, fraction: 0.0 }
    }

    /// W_cubic(t), octets (§4.2, Figure 1).
    fn window_at(&self, epoch: &Epoch, t: Duration, mss: f64) -> f64 {
        let x = t.as_nanos() as f64 / 1e9 - epoch.k;
        C * x * x * x * mss + self.w_max
    }

    /// The time since the last acknowledgment does not count (§5.8).
    pub(crate) fn on_idle(&mut self, now: Instant) {
        if let Some(epoch) = &mut self.epoch {
            epoch.start += now.since(self.last);
        }
        self.last = now;
    }

    /// A loss: the new threshold (§4.6), with fast convergence (§4.7).
    pub(crate) fn on_loss(&mut self, window: u32) -> u32 {
        let cwnd = f64::from(window);
        self.prior = cwnd;
        self.w_max = if cwnd < self.w_max { cwnd * (1.0 + BETA) / 2.0 } else { cwnd };
        self.epoch = None;
        (cwnd * BETA) as u32
    }

    /// A timeout: the first stage after it has K = 0 and W_max the window at its beginning (§4.8).
    pub(crate) fn on_rto(&mut self) {
        self.w_max = 0.0;
    }
}

/// The cube root of a number that is not negative, by Newton's method: the standard library's may differ in the last bit
/// between machines.
fn cube_root(x: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    let mut root = x.max(1.0);
    // From above the root it only falls.
    for _ in 0..200 {
        let next = (2.0 * root + x / (root * root)) / 3.0;
        if next >= root {
            break;
        }
        root = next;
    }
    root
}

#[cfg(test)]
mod tests {
    use super::*;

    const MSS: u32 = 1000;

    fn acked(millis: u64, octets: u32) -> Acked {
        let srtt = Duration::from_millis(100);
        Acked { now: Instant::from_nanos(millis * 1_000_000), octets, mss: MSS, srtt }
    }

    #[test]
    fn cube_roots() {
        for x in [1e-6, 0.001, 0.5, 1.0, 2.0, 27.0, 1000.0, 1e9, 1e15] {
            let root = cube_root(x);
            assert!((root * root * root / x - 1.0).abs() < 1e-9, "{x}: {root}");
        }
        assert_eq!(cube_root(27.0), 3.0);
        assert_eq!(cube_root(0.0), 0.0);
        assert_eq!(cube_root(-1.0), 0.0);
    }

    #[test]
    fn a_loss_leaves_seven_tenths_and_fast_convergence_lowers_w_max() {
        // RFC 9438 §4.6, §4.7.
        let mut cubic = Cubic::default();
        assert_eq!(cubic.on_loss(100_000), 70_000);
        assert_eq!(cubic.w_max, 100_000.0);
        assert_eq!(cubic.on_loss(80_000), 56_000);
        assert!((cubic.w_max - 68_000.0).abs() < 1.0);
        // Equal is not lower.
        let mut cubic = Cubic { w_max: 80_000.0, ..Cubic::default() };
        cubic.on_loss(80_000);
        assert_eq!(cubic.w_max, 80_000.0);
    }

    #[test]
    fn the_window_is_back_at_w_max_after_k_seconds() {
        // §4.2: K = cubic_root((W_max - cwnd_epoch) / C): 1000 segments, 300 lost: cubic_root(750) = 9.086 s.
        let mut cubic = Cubic::default();
        let mut cwnd = cubic.on_loss(1_000_000);
        assert_eq!(cwnd, 700_000);
        let mut at = Vec::new();
        for round in 0..160 {
            // One acknowledgment for each two segments, spread over the RTT of 100 ms.
            let acks = cwnd / (2 * MSS);
            for ack in 0..acks {
                cwnd =
                    cubic.on_ack(cwnd, acked(round * 100 + u64::from(ack) * 100 / u64::from(acks), 2 * MSS));
            }
            at.push(cwnd);
        }
        let k = cubic.epoch.unwrap().k;
        assert!((k - 9.086).abs() < 0.001, "{k}");
        let near = |round: usize, octets: f64| {
            assert!((f64::from(at[round]) / octets - 1.0).abs() < 0.01, "{round}: {} {octets}", at[round]);
        };
        near(89, 1_000_000.0);
        // Half way: 0.4 * (4.586)^3 = 38.6 segments below W_max.
        near(44, 961_400.0);
        // Convex beyond: 0.4 * 6^3 = 86 above.
        near(150, 1_086_000.0);
        assert!(at.windows(2).all(|w| w[0] <= w[1]));
    }

    #[test]
    fn with_a_small_window_it_grows_like_reno() {
        // §4.3: with a short RTT and a small window, W_est leads: alpha segments each RTT up to cwnd_prior, then one.
        let mut cubic = Cubic::default();
        let mut cwnd = cubic.on_loss(20 * MSS);
        let mut rounds = 0;
        while cwnd < 20 * MSS {
            let (mut left, before) = (cwnd, cwnd);
            while left > 0 {
                let octets = left.min(2 * MSS);
                let srtt = Duration::from_millis(1);
                cwnd = cubic.on_ack(cwnd, Acked { srtt, ..acked(rounds, octets) });
                left -= octets;
            }
            assert!(cwnd > 20 * MSS || cwnd - before <= 600, "{before} {cwnd}");
            rounds += 1;
        }
        // 6 segments at 0.529 each round.
        assert!((11..=12).contains(&rounds), "{rounds}");
        let before = cwnd;
        let srtt = Duration::from_millis(1);
        cwnd = cubic.on_ack(cwnd, Acked { srtt, ..acked(rounds, before) });
        assert!((950..=1050).contains(&(cwnd - before)), "{before} {cwnd}");
    }

    #[test]
    fn after_a_timeout_w_max_is_the_window_at_the_beginning() {
        // §4.8.
        let mut cubic = Cubic::default();
        cubic.on_loss(100_000);
        cubic.on_rto();
        cubic.on_ack(70_000, acked(1000, MSS));
        assert_eq!(cubic.w_max, 70_000.0);
        assert_eq!(cubic.epoch.unwrap().k, 0.0);
    }

    #[test]
    fn idle_time_does_not_count() {
        // §5.8: two connections do the same, one waits an hour in between.
        let mut busy = Cubic::default();
        busy.on_loss(1_000_000);
        let mut idle = busy;
        let (mut a, mut b) = (700_000, 700_000);
        for i in 0..100 {
            a = busy.on_ack(a, acked(i * 10, 2 * MSS));
            b = idle.on_ack(b, acked(i * 10, 2 * MSS));
        }
        idle.on_idle(Instant::from_nanos(3_600_990_000_000));
        for i in 100..200 {
            a = busy.on_ack(a, acked(i * 10, 2 * MSS));
            b = idle.on_ack(b, acked(3_600_000 + i * 10, 2 * MSS));
        }
        assert_eq!(a, b);
    }
}
