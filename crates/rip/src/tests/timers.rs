//! The timers, each at its second: update with jitter, triggered updates, and for each policy of hold-down the life of a
//! route after silence and after metric 16.

use super::*;

const NET: &str = "172.16.0.0/12";

/// A machine that learns the route once, with metric 3 + 1, at 100 s.
fn learned(timers: Timers, hold_down: HoldDown) -> Us {
    let mut us = Us::up(Config { timers, hold_down, ..config() });
    us.hear(PEER, &[v2(NET, 3)]);
    assert_eq!(us.metric(NET), Some(4));
    us
}

/// How the route is `at` seconds after 100 s, and a nanosecond before: state, metric, whether packets may take it.
fn life(us: &mut Us, at: u64) -> [(String, Option<u8>, bool); 2] {
    let moment = |us: &mut Us, at: Instant| {
        us.run_until(at);
        let route = us.route(NET);
        (us.state(NET), us.metric(NET), route.is_some_and(|route| route.in_service))
    };
    let before = moment(us, Instant::from_nanos(s(100 + at).as_nanos() - 1));
    [before, moment(us, s(100 + at))]
}

fn valid() -> (String, Option<u8>, bool) {
    ("valid".into(), Some(4), true)
}

fn down(in_service: bool) -> (String, Option<u8>, bool) {
    ("possibly down".into(), Some(16), in_service)
}

fn deleted() -> (String, Option<u8>, bool) {
    ("deleted".into(), Some(16), false)
}

fn gone() -> (String, Option<u8>, bool) {
    ("-".into(), None, false)
}

#[test]
fn rfc_2453_after_silence() {
    // RFC 2453 §3.8: 180 s, then 120 s.
    let mut us = learned(Timers::default(), HoldDown::Off);
    assert_eq!(life(&mut us, 180), [valid(), deleted()]);
    assert_eq!(life(&mut us, 300), [deleted(), gone()]);
}

#[test]
fn rfc_2453_after_metric_16() {
    let mut us = learned(Timers::default(), HoldDown::Off);
    us.run_until(s(130));
    let outputs = us.hear(PEER, &[v2(NET, 16)]);
    assert_eq!(words(&outputs), format!("no route to {NET}; ({NET} is deleted: {})", Failure::Unreachable));
    // "a new deletion process is not started": what is said again changes nothing.
    us.run_until(s(200));
    us.hear(PEER, &[v2(NET, 16)]);
    assert_eq!(life(&mut us, 150), [deleted(), gone()]);
}

#[test]
fn four_timers_after_silence() {
    for policy in [HoldDown::SuppressEqualOrWorse, HoldDown::SuppressAll] {
        // Invalid at 180 s; flush at 240 s, 60 s into hold-down.
        let mut us = learned(Timers::four(), policy);
        assert_eq!(life(&mut us, 180), [valid(), down(true)]);
        assert_eq!(life(&mut us, 239), [down(true), down(true)]);
        assert_eq!(us.route(NET).unwrap().summary, "possibly down, hold-down 121 s left, flush in 1 s");
        assert_eq!(life(&mut us, 240), [down(true), gone()]);
        // With a flush of 360 s all of hold-down is seen, and nothing after it.
        let timers = Timers { flush: Flush::AfterUpdate(secs(360)), ..Timers::four() };
        let mut us = learned(timers.clone(), policy);
        assert_eq!(life(&mut us, 300), [down(true), down(true)]);
        assert_eq!(life(&mut us, 360), [down(true), gone()]);
        // And with a longer one, what others say is believed between.
        let timers = Timers { flush: Flush::AfterUpdate(secs(400)), ..timers };
        let mut us = learned(timers, policy);
        assert_eq!(life(&mut us, 360), [down(true), deleted()]);
        assert_eq!(life(&mut us, 400), [deleted(), gone()]);
    }
}

#[test]
fn four_timers_without_hold_down() {
    let mut us = learned(Timers::four(), HoldDown::Off);
    assert_eq!(life(&mut us, 180), [valid(), deleted()]);
    assert_eq!(life(&mut us, 240), [deleted(), gone()]);
}

#[test]
fn four_timers_after_metric_16() {
    for policy in [HoldDown::SuppressEqualOrWorse, HoldDown::SuppressAll] {
        // Hold-down begins at once; flush still counts from the last valid update.
        let mut us = learned(Timers::four(), policy);
        us.run_until(s(130));
        us.hear(PEER, &[v2(NET, 16)]);
        assert_eq!(life(&mut us, 31), [down(true), down(true)]);
        // Hold-down would end at 210 s.
        assert_eq!(life(&mut us, 210), [down(true), deleted()]);
        assert_eq!(life(&mut us, 240), [deleted(), gone()]);
        // RFC timers with hold-down: its 120 s are shorter than hold-down's 180 s.
        let mut us = learned(Timers::default(), policy);
        us.run_until(s(130));
        us.hear(PEER, &[v2(NET, 16)]);
        assert_eq!(life(&mut us, 150), [down(true), gone()]);
    }
    let mut us = learned(Timers::four(), HoldDown::Off);
    us.run_until(s(130));
    us.hear(PEER, &[v2(NET, 16)]);
    assert_eq!(life(&mut us, 31), [deleted(), deleted()]);
    assert_eq!(life(&mut us, 240), [deleted(), gone()]);
}

#[test]
fn every_valid_update_starts_invalid_and_flush_again() {
    let mut us = learned(Timers::four(), HoldDown::SuppressAll);
    for at in [130, 160, 279] {
        us.run_until(s(at));
        us.hear(PEER, &[v2(NET, 3)]);
    }
    assert_eq!(life(&mut us, 179 + 180), [valid(), down(true)]);
    assert_eq!(life(&mut us, 179 + 240), [down(true), gone()]);
}

/// What is believed while the route is down, after silence at 180 s and after metric 16 at 30 s.
#[test]
fn what_is_believed_meanwhile() {
    // The metric before the failure was 4, the cost is 1.
    let offers = [(PEER, 2), (PEER, 3), (PEER, 9), (OTHER, 2), (OTHER, 3), (OTHER, 9), (FAR, 2), (FAR, 3)];
    for (from, metric) in offers {
        for poisoned in [false, true] {
            for policy in [HoldDown::Off, HoldDown::SuppressEqualOrWorse, HoldDown::SuppressAll] {
                let mut us = learned(Timers::four(), policy);
                if poisoned {
                    us.run_until(s(130));
                    us.hear(PEER, &[v2(NET, 16)]);
                } else {
                    us.run_until(s(300));
                }
                let before = us.counters();
                us.hear(from, &[v2(NET, metric)]);
                let believed = us.state(NET) == "valid";
                let wanted = match policy {
                    HoldDown::Off => true,
                    HoldDown::SuppressEqualOrWorse => metric < 3,
                    HoldDown::SuppressAll => false,
                };
                assert_eq!(believed, wanted, "{policy:?}, {metric} from {from}");
                let held = us.since(&before).iter().any(|(name, _)| *name == "entries_held_down");
                assert_eq!(held, !wanted);
                // A route of our own is always believed.
                us.input(Input::Redistribute { prefix: p(NET), metric: 15, tag: 0, next_hop: None });
                assert_eq!(us.state(NET), "valid");
            }
        }
    }
}

#[test]
fn after_hold_down_everything_is_believed() {
    let mut us = learned(Timers::four(), HoldDown::SuppressAll);
    us.run_until(s(130));
    us.hear(PEER, &[v2(NET, 16)]);
    us.run_until(s(100 + 209));
    us.hear(OTHER, &[v2(NET, 9)]);
    assert_eq!(us.state(NET), "possibly down");
    us.run_until(s(100 + 210));
    us.hear(OTHER, &[v2(NET, 9)]);
    assert_eq!((us.state(NET).as_str(), us.metric(NET)), ("valid", Some(10)));
    // "In this case the garbage-collection timer must be cleared."
    us.run_until(s(100 + 241));
    assert_eq!(us.state(NET), "valid");
}

#[test]
fn regular_updates_come_every_30_seconds_give_or_take_five() {
    let mut us = Us::up(config());
    let mut times = Vec::new();
    let end = s(15_100);
    while let Some(at) = us.rip.poll_timeout().filter(|at| *at <= end) {
        let outputs = us.run_until(at);
        if told(&outputs, A).iter().any(|(prefix, _)| prefix == "10.2.0.0/16") {
            times.push(at);
        }
    }
    let gaps: Vec<u64> = times.windows(2).map(|pair| (pair[1] - pair[0]).as_millis() as u64).collect();
    assert!(gaps.len() > 400, "{}", gaps.len());
    assert!(gaps.iter().all(|gap| (25_000..=35_000).contains(gap)), "{gaps:?}");
    // RFC 2453 §3.8: by chance, over the whole range.
    assert!(gaps.iter().any(|gap| *gap < 26_000) && gaps.iter().any(|gap| *gap > 34_000));
}

#[test]
fn triggered_updates_wait_1_to_5_seconds_and_tell_only_what_changed() {
    // RFC 2453 §3.10.1
    let mut pauses = Vec::new();
    for round in 0..40u64 {
        let mut us = Us::seeded(config(), round).started();
        us.after_update();
        let first = us.hear(PEER, &[v2(NET, 3)]);
        assert_eq!(told(&first, B), [(NET.to_owned(), 4)], "at once, and nothing else");
        assert_eq!(told(&first, A), [(NET.to_owned(), 16)], "poisoned reverse");
        let start = us.now;
        for metric in [4, 5, 6] {
            us.run_for(Duration::from_millis(300));
            assert_eq!(told(&us.hear(PEER, &[v2(NET, metric), v2("172.32.0.0/16", metric)]), B), []);
        }
        let at = us.rip.poll_timeout().unwrap();
        let outputs = us.run_until(at);
        assert_eq!(
            told(&outputs, B),
            [(NET.to_owned(), 7), ("172.32.0.0/16".to_owned(), 7)],
            "a single update"
        );
        pauses.push((at - start).as_millis());
    }
    assert!(pauses.iter().all(|pause| (1000..=5000).contains(pause)), "{pauses:?}");
    assert!(
        pauses.iter().any(|pause| *pause < 2000) && pauses.iter().any(|pause| *pause > 4000),
        "{pauses:?}"
    );
}

#[test]
fn a_triggered_update_gives_way_to_a_regular_one() {
    // RFC 2453 §3.10.1: "suppressed if a regular update is due by the time the triggered update would be sent".
    let mut us = Us::up(config());
    while us.rip.summary(us.now).next_update.unwrap() > 0.5 {
        us.run_for(Duration::from_millis(100));
    }
    us.hear(PEER, &[v2(NET, 3)]);
    us.hear(PEER, &[v2(NET, 4)]);
    let outputs = us.run_for(secs(20));
    let updates = sent(&outputs).iter().filter(|sent| sent.interface == B).count();
    assert_eq!(updates, 1);
    assert_eq!(told(&outputs, B), [("10.1.0.0/16".to_owned(), 1), (NET.to_owned(), 5)]);
}

#[test]
fn nothing_changed_means_no_triggered_update() {
    let mut us = learned(Timers::default(), HoldDown::Off);
    us.run_for(secs(40));
    let before = us.counters().triggered_updates_sent;
    us.hear(PEER, &[v2(NET, 3)]);
    us.hear(OTHER, &[v2(NET, 3)]);
    us.hear(OTHER, &[v2("192.168.0.0/16", 16)]);
    us.run_for(secs(20));
    assert_eq!(us.counters().triggered_updates_sent, before);
}

#[test]
fn a_late_call_does_all_that_is_due() {
    let mut us = learned(Timers::four(), HoldDown::SuppressAll);
    us.now = s(10_000);
    us.rip.handle_timeout(us.now, &mut us.out);
    assert_eq!(us.state(NET), "-", "its flush was due long ago too");
    let outputs: Vec<Output> = us.out.drain().collect();
    assert!(words(&outputs).contains(&format!("no route to {NET}")));
}
