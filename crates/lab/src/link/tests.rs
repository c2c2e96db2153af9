//! Lines: order, rate, room, and chance within what statistics allow.

use super::*;
use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};
use trunkline_core::Rng;

fn config() -> LinkConfig {
    LinkConfig { delay: Duration::from_millis(1), ..LinkConfig::new("l") }
}

fn frame(number: u32, len: usize) -> Frame {
    let mut octets = vec![0; len.max(4)];
    octets[..4].copy_from_slice(&number.to_be_bytes());
    Frame::from(octets)
}

fn number(frame: &Frame) -> u32 {
    u32::from_be_bytes([frame[0], frame[1], frame[2], frame[3]])
}

fn micros(micros: u64) -> Instant {
    Instant::from_nanos(micros * 1000)
}

/// Takes everything out, with the time at which it arrives.
fn drain(line: &mut Line) -> Vec<(Instant, Frame)> {
    let mut arrived = Vec::new();
    while let Some(at) = line.poll_timeout() {
        assert_eq!(line.pop_due(Instant::from_nanos(at.as_nanos() - 1)), None);
        arrived.push((at, line.pop_due(at).unwrap()));
    }
    arrived
}

/// Sends so many frames of 100 octets, one each microsecond, and takes out what arrives.
fn run(config: &LinkConfig, seed: u64, frames: u32) -> (Vec<(Instant, Frame)>, LineCounters) {
    let mut line = Line::new(config, Rng::new(seed));
    for n in 0..frames {
        line.push(micros(u64::from(n)), frame(n, 100));
    }
    (drain(&mut line), line.counters())
}

#[test]
fn the_delay_and_nothing_else() {
    let (arrived, counters) = run(&config(), 1, 100);
    for (n, (at, octets)) in arrived.iter().enumerate() {
        assert_eq!((*at, number(octets)), (micros(n as u64 + 1000), n as u32));
    }
    assert_eq!(counters, LineCounters { sent: 100, ..LineCounters::default() });
}

#[test]
fn a_rate_takes_its_time_and_a_queue_has_room_for_so_many() {
    // 10 Mbit/s: 1000 octets and 24 of Ethernet's take 819.2 µs; less than 60 octets count as 60.
    let config = LinkConfig { rate: Some(10_000_000), queue: 2, ..config() };
    let mut line = Line::new(&config, Rng::new(1));
    let starts: Vec<Option<u64>> = (0..5)
        .map(|n| line.push(Instant::ZERO, frame(n, 1000)).map(|fate| fate.at.as_nanos() / 100))
        .collect();
    assert_eq!(starts, [Some(0), Some(8192), Some(16384), None, None]);
    // The second is being sent now: one place is free again.
    assert_eq!(
        line.push(micros(820), frame(5, 10)).map(|fate| fate.at),
        Some(micros(2457) + Duration::from_nanos(600))
    );
    assert_eq!(line.push(micros(820), frame(6, 10)), None);
    let arrived: Vec<(u64, u32)> =
        drain(&mut line).iter().map(|(at, f)| ((at.as_nanos() + 50) / 100, number(f))).collect();
    assert_eq!(arrived, [(18192, 0), (26384, 1), (34576, 2), (34576 + 672, 5)]);
    assert_eq!(line.counters().no_room, 3);
}

#[test]
fn shares_are_what_was_asked_for() {
    const FRAMES: u32 = 20_000;
    for (seed, share) in [(1, 0.001), (2, 0.1), (3, 0.5), (4, 0.99)] {
        // Five standard deviations.
        let within = |n: u64| {
            let mean = f64::from(FRAMES) * share;
            assert!((n as f64 - mean).abs() < 5.0 * (mean * (1.0 - share)).sqrt(), "{n} of {mean}");
        };
        let (arrived, counters) = run(&LinkConfig { loss: share, ..config() }, seed, FRAMES);
        within(counters.lost);
        assert_eq!(arrived.len() as u64 + counters.lost, u64::from(FRAMES));

        let (arrived, counters) = run(&LinkConfig { duplicate: share, ..config() }, seed, FRAMES);
        within(counters.doubled);
        assert_eq!(arrived.len() as u64, u64::from(FRAMES) + counters.doubled);
        let pairs = arrived.windows(2).filter(|pair| pair[0] == pair[1]).count();
        assert_eq!(pairs as u64, counters.doubled);

        let (arrived, counters) = run(&LinkConfig { corrupt: share, ..config() }, seed, FRAMES);
        within(counters.damaged);
        let wrong_bits = |n: usize, octets: &[u8]| {
            let before = frame(n as u32, 100);
            before.iter().zip(octets).map(|(a, b)| (a ^ b).count_ones()).sum::<u32>()
        };
        let wrong: Vec<u32> = arrived.iter().enumerate().map(|(n, (_, f))| wrong_bits(n, f)).collect();
        assert!(wrong.iter().all(|bits| *bits <= 1));
        assert_eq!(wrong.iter().map(|bits| u64::from(*bits)).sum::<u64>(), counters.damaged);

        let (arrived, counters) = run(&LinkConfig { reorder: share, ..config() }, seed, FRAMES);
        within(counters.late);
        assert_eq!(arrived.len() as u32, FRAMES);
        assert!(arrived.iter().map(|(at, _)| at).is_sorted());
        let late =
            |(at, f): &&(Instant, Frame)| at.since(micros(u64::from(number(f)) + 1000)) > Duration::ZERO;
        assert_eq!(arrived.iter().filter(late).count() as u64, counters.late);
        assert!(
            arrived
                .iter()
                .all(|(at, f)| { at.since(micros(u64::from(number(f)) + 1000)) <= Duration::from_millis(3) })
        );
    }
}

#[test]
fn always_and_never() {
    let (arrived, _) = run(&LinkConfig { loss: 1.0, ..config() }, 1, 1000);
    assert!(arrived.is_empty());
    let never = LinkConfig { duplicate: 1.0, loss: 0.0, ..config() };
    assert_eq!(run(&never, 1, 1000).0.len(), 2000);
}

#[test]
fn a_shorter_delay_lets_nothing_overtake_and_clearing_loses_all() {
    let mut line = Line::new(&config(), Rng::new(1));
    line.push(micros(0), frame(0, 64));
    line.set_config(&LinkConfig { delay: Duration::ZERO, ..config() });
    line.push(micros(1), frame(1, 64));
    let order: Vec<(Instant, u32)> = drain(&mut line).iter().map(|(at, f)| (*at, number(f))).collect();
    assert_eq!(order, [(micros(1000), 0), (micros(1000), 1)]);
    line.push(micros(2000), frame(2, 64));
    line.clear(micros(2000));
    assert_eq!((line.poll_timeout(), line.in_flight()), (None, 0));
    line.push(micros(2001), frame(3, 64));
    assert_eq!(drain(&mut line)[0].0, micros(2001));
}

#[test]
fn a_storm_does_not_fill_the_memory() {
    let mut line = Line::new(&config(), Rng::new(1));
    let taken = (0..100_000).filter(|n| line.push(micros(0), frame(*n, 64)).is_some()).count();
    assert_eq!((taken, line.in_flight()), (MAX_IN_FLIGHT, MAX_IN_FLIGHT));
    assert_eq!(line.counters().no_room, 100_000 - MAX_IN_FLIGHT as u64);
    assert!(line.pop_due(micros(1000)).is_some());
    assert!(line.push(micros(1000), frame(0, 64)).is_some());
}

#[test]
fn a_cable_carries_both_ways() {
    let mut cable = Cable::new(&config(), 1);
    cable.push(micros(0), 1, frame(1, 64));
    cable.push(micros(1), 0, frame(2, 64));
    assert!(cable.push(micros(1), 2, frame(2, 64)).is_none());
    assert_eq!(cable.poll_timeout(), Some(micros(1000)));
    assert_eq!(cable.pop_due(micros(1000)).map(|(to, f)| (to, number(&f))), Some((0, 1)));
    assert_eq!(cable.pop_due(micros(1000)), None);
    assert_eq!(cable.pop_due(micros(1001)).map(|(to, f)| (to, number(&f))), Some((1, 2)));
    assert_eq!(cable.counters().map(|counters| counters.sent), [1, 1]);
}

proptest! {
    /// Whatever is pushed when: what arrives comes in order, never before the delay, never faster than the rate, and
    /// nothing appears from nowhere.
    #[test]
    fn order_and_rate(
        gaps in proptest::collection::vec(0_u64..2_000_000, 1..200),
        lens in proptest::collection::vec(14_usize..1514, 200),
        rate in 1_000_u64..10_000_000_000,
        queue in 1_usize..20,
        loss in 0.0..0.5,
        seed in any::<u64>(),
    ) {
        let config = LinkConfig { rate: Some(rate), queue, loss, ..config() };
        let mut line = Line::new(&config, Rng::new(seed));
        let mut now = Instant::ZERO;
        let mut sent = Vec::new();
        for (n, gap) in gaps.iter().enumerate() {
            now += Duration::from_nanos(*gap);
            let fate = line.push(now, frame(n as u32, lens[n]));
            let lost = fate.is_none_or(|fate| fate.lost);
            prop_assert!(fate.is_none_or(|fate| fate.at >= now));
            if !lost {
                sent.push((n as u32, now));
            }
        }
        let arrived = drain(&mut line);
        prop_assert_eq!(arrived.len(), sent.len());
        let mut before: Option<Instant> = None;
        for ((at, f), (n, pushed)) in arrived.iter().zip(&sent) {
            prop_assert_eq!(number(f), *n);
            let takes = (f.len().max(60) as f64 + 24.0) * 8e9 / rate as f64;
            let least = takes as u64 - (takes as u64).min(1);
            prop_assert!(*at >= *pushed + config.delay + Duration::from_nanos(least));
            prop_assert!(before.is_none_or(|before| *at >= before + Duration::from_nanos(least)));
            before = Some(*at);
        }
    }
}
