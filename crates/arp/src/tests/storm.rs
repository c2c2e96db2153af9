//! Storms: nothing grows, and those in use go on.

use super::*;
use proptest::test_runner::Config as ProptestConfig;
use proptest::{arbitrary::any, collection::vec, prop_assert, prop_assert_eq, proptest};

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
        us.now += Duration::from_micros(10);
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
        us.now += Duration::from_micros(10);
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
        us.now += Duration::from_micros(10);
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

/// What happens, as numbers that [`happens`] makes something of: which, two addresses, two MAC addresses, a number.
type Happening = (u8, u8, u8, u8, u8, u16);

fn happens(us: &mut Us, (which, a, b, m, n, number): Happening) {
    let address = |n: u8| match n {
        0..200 => Ipv4Addr::new(10, 0, 0, n % 16),
        200..220 => Ipv4Addr::new(192, 0, 2, n),
        220..230 => Ipv4Addr::new(224, 0, 0, n),
        230..240 => Ipv4Addr::new(127, 0, 0, 1),
        240..250 => Ipv4Addr::BROADCAST,
        250.. => NOBODY,
    };
    let mac = |n: u8| match n {
        0..240 => MacAddr([2, 0, 0, 0, 0, n % 16]),
        240..250 => MacAddr::BROADCAST,
        250.. => MacAddr::UNSPECIFIED,
    };
    let (a, b, m, n) = (address(a), address(b), mac(m), mac(n));
    match which % 32 {
        0..10 => {
            let arp = Packet {
                operation: Operation::from(number % 4),
                sender_hardware: m,
                sender_protocol: a,
                target_hardware: n,
                target_protocol: b,
            };
            us.input(Input::Packet {
                arp: &arp,
                source: if number & 64 == 0 { m } else { n },
                to_us: number & 32 == 0,
            });
        }
        10..16 => drop(us.send(a, 1)),
        16..18 => drop(us.arp.lookup(us.now, a)),
        18 => drop(us.input(Input::Confirm { neighbor: a })),
        19 => drop(us.input(Input::Link { up: number % 4 != 0, address: m })),
        20 => drop(us.input(Input::Addresses(&[(a, 24), (b, (number % 40) as u8)]))),
        21 => {
            let request = ProxyRequest { requester: a, requester_mac: m, target: b };
            us.input(Input::ProxyAnswer { request, answer: number % 2 == 0 });
        }
        22 => drop(us.input(Input::Static { address: a, mac: (number % 3 != 0).then_some(m) })),
        23 => drop(us.input(Input::Clear { address: (number % 3 != 0).then_some(a) })),
        24 => {
            let config = Config {
                max_entries: usize::from(number % 9),
                max_pending_packets: usize::from(number % 3),
                duplicate_detection: number & 1 == 0,
                defend: [Defend::Never, Defend::Once, Defend::Always][usize::from(number % 3)],
                proxy: number & 2 == 0,
                local_proxy: number & 4 == 0,
                accept_gratuitous: number & 8 == 0,
                gratuitous: number & 16 == 0,
                statics: vec![(a, m)],
                ..Config::default()
            };
            us.arp.reconfigure(us.now, config, &mut us.out);
        }
        _ => {
            us.now += Duration::from_millis(u64::from(number));
            us.arp.handle_timeout(us.now, &mut us.out);
        }
    }
    us.out.drain().for_each(drop);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn whatever_happens_it_stays_whole(
        watched in any::<bool>(),
        all in vec(any::<Happening>(), 1..300),
    ) {
        let mut us = Us::up(Config { max_entries: 8, max_pending_packets: 2, max_pending_total: 5, ..Config::default() });
        us.arp.watch(watched);
        for happening in all {
            happens(&mut us, happening);
            let entries: Vec<_> = us.arp.entries(us.now).collect();
            prop_assert_eq!(entries.iter().map(|entry| entry.queued).sum::<usize>(), us.arp.pending);
            // A configuration may bring statics beyond the limit it lowers; they alone may then be too many.
            let too_many = entries.len() > us.arp.config.max_entries;
            prop_assert!(!too_many || entries.iter().all(|entry| entry.kind == Kind::Static));
            for entry in &entries {
                let is_known = !matches!(entry.state, State::Incomplete | State::Failed);
                prop_assert_eq!(entry.mac.is_some_and(MacAddr::is_station), is_known, "{:?}", entry);
                prop_assert!(entry.queued == 0 || entry.state == State::Incomplete, "{:?}", entry);
                prop_assert_eq!(entry.expires.is_none(), entry.kind == Kind::Static, "{:?}", entry);
            }
            us.arp.handle_timeout(us.now, &mut us.out);
            us.out.drain().for_each(drop);
            prop_assert!(us.arp.poll_timeout().is_none_or(|at| at > us.now));
        }
        // All but static entries end; no timer runs without a link.
        us.input(Input::Link { up: false, address: OUR_MAC });
        prop_assert!(us.arp.poll_timeout().is_none());
    }
}
