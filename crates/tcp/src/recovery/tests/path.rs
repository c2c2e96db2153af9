//! Everything together over a simulated path.

use super::sim::{MSS, Result, Setup, run};
use crate::recovery::Algorithm;
use std::collections::BTreeSet;
use trunkline_core::Duration;

const BOTH: [Algorithm; 2] = [Algorithm::NewReno, Algorithm::Cubic];

fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn drops<const N: usize>(drops: [(u32, u32); N]) -> BTreeSet<(u32, u32)> {
    drops.into()
}

/// With SACK, without it, with and without timestamps.
fn kinds() -> impl Iterator<Item = Setup> {
    BOTH.into_iter().flat_map(|algorithm| {
        [(true, true), (true, false), (false, true), (false, false)].map(|(sack, timestamps)| Setup {
            algorithm,
            sack,
            timestamps,
            ..Setup::default()
        })
    })
}

fn took(result: &Result) -> Duration {
    result.took.unwrap_or_else(|| panic!("never done: {result:?}"))
}

#[test]
fn without_loss_nothing_is_sent_twice() {
    for setup in kinds() {
        for octets in [1, MSS, 10 * MSS, 11 * MSS + 7, 3000 * MSS] {
            let result = run(Setup { octets, queue: 1 << 20, ..setup.clone() });
            assert_eq!((result.retransmitted, result.timeouts, result.recoveries), (0, 0, 0), "{octets}");
            took(&result);
        }
    }
}

#[test]
fn slow_start_doubles_in_each_round_trip() {
    // 10 + 20 + 40 + 80 segments in four round trips.
    for algorithm in BOTH {
        let setup = Setup { algorithm, rate: 0, octets: 150 * MSS, delayed_acks: false, ..Setup::default() };
        let result = run(setup.clone());
        assert_eq!(took(&result), millis(80));
        // One more needs one more.
        assert_eq!(took(&run(Setup { octets: 151 * MSS, ..setup })), millis(100));
    }
}

#[test]
fn a_single_loss_is_repaired_in_one_round_trip() {
    for setup in kinds() {
        for lost in [0, 1, 5, 20, 50, 90] {
            let setup = Setup { rate: 0, delayed_acks: false, octets: 150 * MSS, ..setup.clone() };
            let fair = took(&run(setup.clone()));
            let result = run(Setup { drops: drops([(lost, 0)]), ..setup });
            assert_eq!(
                (result.retransmitted, result.needless, result.timeouts),
                (1, 0, 0),
                "{lost} {result:?}"
            );
            assert_eq!(result.recoveries, 1);
            // The repair itself, and what the lower window costs: most where the first window was halved.
            assert!(took(&result) <= fair + millis(220), "{lost}: {:?} {fair:?}", took(&result));
        }
    }
}

#[test]
fn the_repair_leaves_one_round_trip_after_the_loss() {
    // All is in the first window, so the time tells: data 10 ms, SACK 10 ms, repair 20 ms.
    for algorithm in BOTH {
        let base = Setup { algorithm, rate: 0, octets: 10 * MSS, delayed_acks: false, ..Setup::default() };
        let result = run(Setup { drops: drops([(3, 0)]), ..base.clone() });
        assert_eq!(took(&result), millis(40));
        assert_eq!(result.retransmitted, 1);
        // Four holes, as well.
        let result = run(Setup { drops: drops([(0, 0), (2, 0), (4, 0), (6, 0)]), ..base });
        assert_eq!((result.retransmitted, result.needless, result.timeouts), (4, 0, 0));
        assert!(took(&result) <= millis(60), "{result:?}");
    }
}

#[test]
fn losses_in_one_window_halve_the_window_once() {
    let lost: BTreeSet<_> = (40..60).step_by(2).map(|n| (n, 0)).collect();
    for (algorithm, part) in [(Algorithm::NewReno, 0.5), (Algorithm::Cubic, 0.7)] {
        let setup = Setup { algorithm, rate: 0, octets: 200 * MSS, drops: lost.clone(), ..Setup::default() };
        let result = run(setup);
        assert_eq!((result.recoveries, result.timeouts, result.needless), (1, 0, 0), "{result:?}");
        assert_eq!(result.retransmitted, 10);
        let ssthresh = f64::from(result.ssthresh / MSS);
        // The flight was between 41 and 80 segments.
        assert!((40.0 * part..=81.0 * part).contains(&ssthresh), "{ssthresh}");
    }
}

#[test]
fn without_sack_each_loss_costs_a_round_trip() {
    // RFC 6582 §3.2: partial acknowledgments.
    let lost = drops([(40, 0), (45, 0), (50, 0)]);
    let setup = Setup { sack: false, rate: 0, octets: 200 * MSS, drops: lost, ..Setup::default() };
    let result = run(setup);
    assert_eq!((result.retransmitted, result.timeouts, result.recoveries), (3, 0, 1), "{result:?}");
}

#[test]
fn a_tail_loss_is_probed_not_timed_out() {
    // RFC 8985 §7: PTO is two round trips; then one for the probe, and one for what the probe shows. Where one segment is
    // left, its acknowledgment may be delayed, and PTO is where the timeout would be.
    for algorithm in BOTH {
        let setup = Setup { algorithm, rate: 0, octets: 10 * MSS, delayed_acks: false, ..Setup::default() };
        for (lost, most) in [
            (drops([(9, 0)]), millis(20 + 220 + 20)),
            (drops([(8, 0), (9, 0)]), millis(20 + 40 + 40)),
            (drops([(5, 0), (6, 0), (7, 0), (8, 0), (9, 0)]), millis(20 + 40 + 80)),
        ] {
            let count = lost.len() as u32;
            let result = run(Setup { drops: lost, ..setup.clone() });
            assert_eq!((result.probes, result.timeouts), (1, 0), "{result:?}");
            assert_eq!((result.retransmitted, result.needless), (count, 0));
            assert!(took(&result) <= most, "{count}: {result:?}");
            // RFC 8985 §7.4.2: the response to a loss comes, even where the probe repaired it; unless nothing follows that
            // could show it.
            assert!(count == 1 || result.ssthresh < u32::MAX);
        }
    }
}

#[test]
fn a_whole_window_lost_is_repaired_by_probe_and_rack() {
    let lost: BTreeSet<_> = (0..10).map(|n| (n, 0)).collect();
    let result =
        run(Setup { rate: 0, octets: 10 * MSS, drops: lost, delayed_acks: false, ..Setup::default() });
    assert_eq!(result.timeouts, 0, "{result:?}");
    assert!(took(&result) <= millis(40 + 20 + 80), "{result:?}");
}

#[test]
fn a_lost_retransmission_is_sent_again_without_a_timeout() {
    // RFC 8985 §9.1 example 2.
    for algorithm in BOTH {
        let drops = drops([(20, 0), (20, 1), (20, 2)]);
        let result = run(Setup { algorithm, rate: 0, octets: 400 * MSS, drops, ..Setup::default() });
        assert_eq!((result.timeouts, result.retransmitted, result.needless), (0, 3, 0), "{result:?}");
    }
}

#[test]
fn a_timeout_sends_only_what_is_lost() {
    // The probe is lost as well: SACK shows the rest, which is not sent again.
    let drops = drops([(8, 0), (9, 0), (9, 1)]);
    let result = run(Setup { rate: 0, octets: 10 * MSS, drops, ..Setup::default() });
    assert_eq!((result.timeouts, result.probes, result.needless), (1, 1, 0), "{result:?}");
    assert_eq!(result.retransmitted, 3);
}

#[test]
fn reordering_within_the_window_costs_nothing() {
    // RFC 8985 §3.3.2: once reordering was seen, a quarter of the least RTT is waited for.
    for algorithm in BOTH {
        for seed in 1..6 {
            let setup = Setup {
                algorithm,
                seed,
                octets: 3000 * MSS,
                queue: 1 << 20,
                reorder: 20_000,
                late: millis(4),
                ..Setup::default()
            };
            let result = run(setup.clone());
            assert_eq!((result.timeouts, result.dropped), (0, 0));
            assert!(result.retransmitted <= 3, "{result:?}");
            let fair = took(&run(Setup { reorder: 0, ..setup }));
            assert!(took(&result) <= fair + millis(100), "{fair:?} {result:?}");
        }
    }
}

#[test]
fn the_reordering_window_adapts_to_dsacks() {
    // Later than the first window allows: DSACKs widen it, and what was needless is undone.
    for algorithm in BOTH {
        let setup = Setup {
            algorithm,
            octets: 20_000 * MSS,
            queue: 1 << 20,
            reorder: 10_000,
            late: millis(12),
            ..Setup::default()
        };
        let result = run(setup.clone());
        assert_eq!((result.timeouts, result.dropped), (0, 0));
        // 200 segments are late; without the adaption each is sent again.
        assert!(result.needless <= 20, "{result:?}");
        assert!(result.undone > 0, "{result:?}");
        let blind = run(Setup { dsack: false, timestamps: false, ..setup });
        assert!(blind.needless > 3 * result.needless, "{blind:?} {result:?}");
    }
}

#[test]
fn a_delay_is_no_loss() {
    // RFC 5682, RFC 4015: everything stops for a second, then all arrives.
    for setup in kinds() {
        let setup = Setup {
            rate: 1_250_000,
            octets: 400 * MSS,
            queue: 1 << 20,
            stall: Some((millis(200), millis(1200))),
            ..setup
        };
        let result = run(setup.clone());
        assert!(result.timeouts >= 1, "{result:?}");
        if setup.sack || setup.timestamps {
            assert_eq!(result.undone, 1, "sack {} {result:?}", setup.sack);
            assert!(result.ssthresh == u32::MAX || result.ssthresh > 20 * MSS, "{result:?}");
        }
        // The oldest segment with each timeout, and the probe.
        assert!(result.needless <= 5, "{} {} {result:?}", setup.sack, setup.timestamps);
    }
}

#[test]
fn random_loss_never_stops_it_and_repeats_little() {
    for setup in kinds() {
        for loss in [1_000, 10_000, 30_000, 100_000, 300_000] {
            for seed in 0..5 {
                let result =
                    run(Setup { loss, ack_loss: loss / 2, seed, octets: 300 * MSS, ..setup.clone() });
                took(&result);
                assert!(result.retransmitted >= result.dropped);
                if setup.sack && loss <= 30_000 {
                    assert!(result.needless <= 2 + result.dropped / 5, "{loss} {seed} {result:?}");
                }
            }
        }
    }
}

#[test]
fn reordering_and_loss_and_duplicates_together() {
    for setup in kinds() {
        for seed in 0..20 {
            let result = run(Setup {
                loss: 20_000,
                ack_loss: 50_000,
                reorder: 50_000,
                late: millis(seed % 7 * 3),
                seed,
                octets: 500 * MSS,
                ..setup.clone()
            });
            took(&result);
        }
    }
}

/// Octets per second.
fn goodput(setup: Setup) -> f64 {
    let octets = setup.octets;
    f64::from(octets) / took(&run(setup)).as_secs_f64()
}

/// The bound of Mathis et al. for a path without a limit of its own: MSS / RTT * sqrt(3 / 2p), for octets are counted.
fn mathis(rtt: f64, loss: f64) -> f64 {
    f64::from(MSS) / rtt * (1.5 / loss).sqrt()
}

#[test]
fn goodput_under_random_loss_is_what_the_theory_says() {
    // RTT 40 ms; a path of 1 Gbit/s so that only losses limit.
    for algorithm in BOTH {
        for (loss, octets) in [(1_000, 60_000), (10_000, 15_000), (30_000, 6_000)] {
            let mut sum = 0.0;
            for seed in 0..3 {
                let setup = Setup {
                    algorithm,
                    loss,
                    seed,
                    octets: octets * MSS,
                    delay: millis(20),
                    rate: 125_000_000,
                    ..Setup::default()
                };
                sum += goodput(setup);
            }
            let bound = mathis(0.04, loss as f64 / 1e6);
            let part = sum / 3.0 / bound;
            println!("{algorithm:?} {loss}: {:.0} of {bound:.0}: {part:.2}", sum / 3.0);
            assert!((0.7..1.6).contains(&part), "{algorithm:?} {loss}: {part}");
        }
    }
}

#[test]
fn a_short_queue_is_kept_busy() {
    // 100 Mbit/s, 20 ms, 50 segments of queue: the window follows the path, with losses but without timeouts.
    for algorithm in BOTH {
        let setup = Setup { algorithm, octets: 20_000 * MSS, queue: 50, ..Setup::default() };
        let rate = goodput(setup.clone());
        let result = run(setup);
        assert_eq!(result.timeouts, 0, "{result:?}");
        assert_eq!(result.needless, 0, "{result:?}");
        assert!(rate > 0.8 * 12_500_000.0 * 1448.0 / 1500.0, "{algorithm:?} {rate}");
    }
}

#[test]
fn cubic_is_not_below_reno_under_random_loss() {
    // RFC 9438 §4.3: the Reno-friendly region. The n-th segment is lost for both, so that one pair tells much; RTT 40 ms.
    for (loss, octets) in [(1_000, 20_000), (10_000, 6_000), (30_000, 3_000)] {
        let mut logs = Vec::new();
        for seed in 0..8 {
            let setup = |algorithm| Setup {
                algorithm,
                loss,
                ack_loss: loss,
                seed,
                octets: octets * MSS,
                window: 1 << 20,
                delay: millis(20),
                rate: 0,
                ..Setup::default()
            };
            let [reno, cubic] = BOTH.map(|algorithm| goodput(setup(algorithm)));
            logs.push((cubic / reno).ln());
        }
        let ratio = (logs.iter().sum::<f64>() / logs.len() as f64).exp();
        println!("{loss}: {ratio:.3}");
        assert!((1.05..1.6).contains(&ratio), "{loss}: {ratio}");
    }
}

#[test]
fn a_send_queue_that_is_too_short_costs_what_luck_gives() {
    // At 0.1 % the first slow start may go far. A queue of 256 KiB cuts it off, which was a fifth of the goodput of a
    // transfer of half a minute; one that follows the window does not.
    let with = |window| {
        let logs = (0..8).map(|seed| {
            let setup = Setup {
                loss: 1_000,
                ack_loss: 1_000,
                seed,
                window,
                delay: millis(20),
                rate: 0,
                ..Setup::default()
            };
            goodput(Setup { algorithm: Algorithm::Cubic, octets: 20_000 * MSS, ..setup }).ln()
        });
        (logs.sum::<f64>() / 8.0).exp()
    };
    let (short, grown) = (with(256 << 10), with(4 << 20));
    println!("{:.2} and {:.2} Mbit/s", short * 8e-6, grown * 8e-6);
    assert!(grown > 1.1 * short, "{short} {grown}");
}
