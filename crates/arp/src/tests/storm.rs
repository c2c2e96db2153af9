//! Storms: nothing grows, and those in use go on.

use super::*;

fn source(n: u32) -> (Ipv4Addr, MacAddr) {
    let [_, b, c, d] = n.to_be_bytes();
    (Ipv4Addr::new(10, b, c, d), MacAddr([6, 0, 0, b, c, d]))
}

/// We are 10.0.0.1/8, PEER is reachable, a small table.
fn us_in_a_big_subnet() -> Us {
    let mut us = Us::up(Config { max_entries: 256, ..Config::default() });
    us.input(Input::Addresses(&[(US, 8)]));
    us.put(PEER, PEER_MAC, State::Reachable);
    us
}

#[test]
fn one_source_is_answered_so_often_in_a_second() {
    let mut us = us_in_a_big_subnet();
    let mut answers = Vec::new();
    for second in 20..30u64 {
        let mut count = 0;
        for n in 0..1000 {
            us.now = ms(second * 1000 + n);
            count += us.hear(request(source(9), US)).len();
        }
        answers.push(count);
    }
    // As many at once as in a second, then at that rate.
    assert_eq!(answers[0], 99);
    assert_eq!(answers[1..], [50; 9]);
    assert_eq!(us.arp.counters().source_limited, 10_000 - 99 - 9 * 50);
    // Others do not suffer, and what a limited source says about itself is heard.
    assert_eq!(us.hear(request(source(10), US)).len(), 1);
    us.hear(request((source(9).0, NEW_MAC), PEER));
    assert_eq!(us.mac(source(9).0), Some(NEW_MAC));
}

#[test]
fn a_hundred_thousand_sources_fill_a_bounded_table() {
    let mut us = us_in_a_big_subnet();
    us.put(OTHER, OTHER_MAC, State::Permanent);
    let mut answered = 0;
    for n in 0..100_000u32 {
        us.now = us.now + Duration::from_micros(10);
        answered += us.hear(request(source(n + 1000), US)).len();
        assert!(us.arp.table.len() <= 256);
    }
    // A second's worth at once, and that of the second it lasts.
    let counters = *us.arp.counters();
    assert!((10_001..=20_000).contains(&answered), "{answered}");
    assert_eq!(counters.source_limited + counters.rate_limited + answered as u64, 100_000);
    assert_eq!(counters.evicted as usize, answered - 254);
    assert_eq!(us.arp.lookup(us.now, PEER), Some(PEER_MAC));
    assert_eq!(us.arp.lookup(us.now, OTHER), Some(OTHER_MAC));
    // Timers are as many as neighbours, and all end.
    us.run_until(s(300));
    assert_eq!(us.arp.entries(us.now).count(), 1);
    assert_eq!(us.arp.poll_timeout(), None);
}

#[test]
fn other_storms_leave_nothing_either() {
    let mut us = us_in_a_big_subnet();
    us.arp.reconfigure(
        us.now,
        Config { max_entries: 256, accept_gratuitous: true, proxy: true, ..Config::default() },
        &mut us.out,
    );
    for n in 0..100_000u32 {
        us.now = us.now + Duration::from_micros(10);
        let (address, mac) = source(n + 1000);
        us.hear(reply((address, mac), US));
        us.hear(request((address, mac), address));
        us.hear(request((address, mac), Ipv4Addr::new(192, 0, 2, 1)));
        // Someone fights over the address of a neighbour, and over ours.
        us.hear(request((source(7).0, mac), OTHER));
        us.hear(request((US, mac), US));
        assert!(us.arp.table.len() <= 256);
    }
    assert_eq!(us.arp.lookup(us.now, PEER), Some(PEER_MAC));
    // RFC 5227 §2.4: however many conflicts, one defence in an interval.
    assert_eq!((us.arp.counters().conflicts, us.arp.counters().defences), (100_000, 1));
}

#[test]
fn a_scan_through_us_does_not_push_out_neighbours_in_use() {
    let mut us = us_in_a_big_subnet();
    let (mut asked, mut unreachable) = (0, 0);
    for n in 0..100_000u32 {
        us.now = us.now + Duration::from_micros(10);
        for output in us.send(source(n + 1000).0, 1) {
            asked += u32::from(matches!(output, Output::Arp { .. }));
            unreachable += u32::from(matches!(output, Output::Unreachable { .. }));
        }
        assert!(us.arp.table.len() <= 256 && us.arp.pending <= 256);
    }
    // Each packet is asked for or given back; the last ones still wait.
    assert_eq!((asked, unreachable), (100_000, 100_000 - 255));
    assert_eq!(us.arp.lookup(us.now, PEER), Some(PEER_MAC));
    let all = us.run_until(s(60));
    let back = all.iter().filter(|(_, output)| matches!(output, Output::Unreachable { .. })).count();
    assert_eq!((back, us.arp.pending), (255, 0));
}

#[test]
fn the_limits_can_be_set() {
    let config = |each, all| Config {
        requests_per_second_per_source: each,
        requests_per_second: all,
        ..Config::default()
    };
    for (config, answers) in
        [(config(0, 10), 0), (config(1, 10), 4), (config(100, 3), 3), (config(100, 0), 0)]
    {
        let mut us = Us::up(config);
        let mut count = 0;
        for n in 0..40 {
            count += us.hear(request(source(n % 4 + 2), US)).len();
        }
        assert_eq!(count, answers);
    }
}
