//! RFC 6298, RFC 7323 Appendix G.

use crate::recovery::rtt::Rtt;
use trunkline_core::{Duration, Instant};

fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn rtt() -> Rtt {
    Rtt::new(millis(200), Duration::from_secs(120))
}

#[test]
fn the_timeout_before_a_sample_is_a_second() {
    // RFC 6298 §2.1, and §5.7 after a lost SYN.
    let mut r = rtt();
    assert_eq!((r.rto(), r.smoothed()), (millis(1000), None));
    r.after_lost_syn();
    assert_eq!(r.rto(), millis(3000));
    r.sample(millis(100), 1);
    r.after_lost_syn();
    assert_eq!(r.rto(), millis(300));
}

#[test]
fn samples_are_smoothed() {
    // RFC 6298 §2.2: SRTT = R, RTTVAR = R/2, RTO = SRTT + 4 RTTVAR.
    let mut r = rtt();
    r.sample(millis(200), 1);
    assert_eq!((r.smoothed(), r.rto()), (Some(millis(200)), millis(600)));
    // §2.3: RTTVAR = 3/4 * 100 + 1/4 * |200 - 280| = 95; SRTT = 7/8 * 200 + 1/8 * 280 = 210.
    r.sample(millis(280), 1);
    assert_eq!((r.smoothed(), r.rto()), (Some(millis(210)), millis(590)));
    // Steady: the variation fades, the least above SRTT stays.
    for _ in 0..200 {
        r.sample(millis(210), 1);
    }
    let srtt = r.smoothed().unwrap();
    assert!(srtt > millis(209) && srtt <= millis(210));
    assert_eq!(r.rto(), srtt + millis(200));
    r.sample(Duration::ZERO, 1);
    assert_eq!(r.smoothed(), Some(srtt));
}

#[test]
fn many_samples_in_a_round_trip_weigh_as_one() {
    // RFC 7323 Appendix G: alpha' = alpha / n, beta' = beta / n.
    let (mut one, mut many) = (rtt(), rtt());
    one.sample(millis(100), 1);
    many.sample(millis(100), 1);
    one.sample(millis(180), 1);
    for _ in 0..16 {
        many.sample(millis(180), 16);
    }
    let (a, b) = (one.smoothed().unwrap(), many.smoothed().unwrap());
    assert_eq!(a, millis(110));
    assert!(a.abs_diff(b) < millis(1), "{a:?} {b:?}");
}

#[test]
fn the_timeout_backs_off_to_a_limit() {
    // RFC 6298 §5.5, §2.5.
    let mut r = rtt();
    r.sample(millis(100), 1);
    assert_eq!(r.rto(), millis(300));
    for n in 1..9 {
        r.back_off();
        assert_eq!(r.rto(), millis(300 << n));
    }
    for _ in 0..100 {
        r.back_off();
    }
    assert_eq!(r.rto(), Duration::from_secs(120));
    r.reset_backoff();
    assert_eq!(r.rto(), millis(300));
}

#[test]
fn the_least_is_forgotten_after_five_minutes() {
    let mut r = rtt();
    r.sample_min(Instant::from_secs(1), millis(20));
    r.sample_min(Instant::from_secs(2), millis(50));
    assert_eq!(r.min(), Some(millis(20)));
    // A zero-window probe that counts as sent when its acknowledgment comes tells nothing.
    r.sample_min(Instant::from_secs(3), Duration::ZERO);
    assert_eq!(r.min(), Some(millis(20)));
    r.sample_min(Instant::from_secs(302), millis(50));
    assert_eq!(r.min(), Some(millis(50)));
    r.sample_min(Instant::from_secs(303), millis(50));
    r.sample_min(Instant::from_secs(304), millis(30));
    assert_eq!(r.min(), Some(millis(30)));
}
