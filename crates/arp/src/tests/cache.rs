//! The cache over time: resolution, probing, ageing, what waits, limits, configuration.

use super::*;

#[test]
fn resolution_asks_three_times_and_gives_up() {
    let mut us = Us::up(Config::default());
    let ask = "all: who has 10.0.0.2? tell 10.0.0.1";
    assert_eq!(words(&us.send(PEER, 1)), ask);
    assert_eq!(words(&us.send(PEER, 2)), "");
    assert_eq!(us.entry(PEER).map(|entry| entry.queued), Some(2));
    // RFC 1122 §2.3.2.1: not more than one a second
    let all = us.run_until(s(24));
    assert_eq!(
        at(&all),
        [
            format!("21000 ms {ask}"),
            format!("22000 ms {ask}"),
            "23000 ms packet 1 is unreachable".to_owned(),
            "23000 ms packet 2 is unreachable".to_owned(),
        ]
    );
    assert_eq!((us.state(PEER), us.arp.counters().failed), (Some(State::Failed), 1));
    // The next packet is the next attempt.
    assert_eq!(words(&us.send(PEER, 3)), ask);
    us.run_until(s(27));
    assert_eq!(us.state(PEER), Some(State::Failed));
    us.run_until(s(47));
    assert_eq!(us.state(PEER), None);
    assert_eq!(us.arp.poll_timeout(), None);
}

#[test]
fn packets_wait_for_the_answer_in_order() {
    let mut us = Us::up(Config::default());
    for n in 1..=3 {
        us.send(PEER, n);
    }
    let to = "to 02:00:00:00:00:02";
    assert_eq!(
        words(&us.hear(reply((PEER, PEER_MAC), US))),
        format!("packet 1 {to}; packet 2 {to}; packet 3 {to}")
    );
    assert_eq!(words(&us.send(PEER, 4)), format!("packet 4 {to}"));
    assert_eq!(us.arp.lookup(us.now, PEER), Some(PEER_MAC));
    assert_eq!(us.arp.lookup(us.now, OTHER), None);
}

#[test]
fn a_neighbour_is_asked_alone_before_it_is_given_up() {
    // RFC 4861 §7.3.3: REACHABLE, STALE, DELAY, PROBE
    let mut us = Us::up(Config::default());
    us.put(PEER, PEER_MAC, State::Reachable);
    us.run_until(s(20 + 14));
    assert_eq!(us.state(PEER), Some(State::Reachable));
    us.run_until(s(20 + 46));
    assert_eq!(us.state(PEER), Some(State::Stale));
    assert_eq!(us.arp.lookup(us.now, PEER), Some(PEER_MAC));
    assert_eq!(us.state(PEER), Some(State::Delay));
    let ask = "02:00:00:00:00:02: who has 10.0.0.2? tell 10.0.0.1";
    let all = at(&us.run_until(s(100)));
    assert_eq!(all, [format!("71000 ms {ask}"), format!("72000 ms {ask}"), format!("73000 ms {ask}")]);
    assert_eq!((us.state(PEER), us.mac(PEER)), (None, None));
    // It answers: nothing else happens, and it is asked no more.
    us.put(PEER, PEER_MAC, State::Probe);
    us.hear(reply((PEER, PEER_MAC), US));
    assert_eq!(us.state(PEER), Some(State::Reachable));
    let asked = us.arp.counters().unicast_requests_sent;
    us.run_until(s(200));
    assert_eq!(us.arp.counters().unicast_requests_sent, asked);
}

#[test]
fn a_neighbour_in_use_is_asked_without_a_gap_and_confirmation_spares_it() {
    let mut us = Us::up(Config::default());
    us.put(PEER, PEER_MAC, State::Reachable);
    let mut seen = std::collections::BTreeSet::new();
    for second in 21..121 {
        us.run_until(s(second));
        seen.insert(us.state(PEER).unwrap());
        assert_eq!(us.arp.lookup(us.now, PEER), Some(PEER_MAC), "at {second} s");
        if us.state(PEER) == Some(State::Probe) {
            us.hear(reply((PEER, PEER_MAC), US));
        }
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), [State::Reachable, State::Delay, State::Probe]);
    let asked = us.arp.counters().unicast_requests_sent;
    assert!((2..=5).contains(&asked), "{asked}");
    // RFC 4861 §7.3.1: forward progress of TCP is as good as an answer.
    us.hear(reply((PEER, PEER_MAC), US));
    for second in 121..1000 {
        us.run_until(s(second));
        us.input(Input::Confirm { neighbor: PEER });
        assert_eq!(us.arp.lookup(us.now, PEER), Some(PEER_MAC));
    }
    assert_eq!(us.arp.counters().unicast_requests_sent, asked);
    assert_eq!(us.entry(PEER).map(|entry| entry.age), Some(Duration::ZERO));
}

#[test]
fn reachable_time_is_random_between_half_and_one_and_a_half() {
    // RFC 4861 §6.3.2
    let mut us = Us::up(Config::default());
    let mut times = Vec::new();
    for n in 0..200 {
        let address = Ipv4Addr::new(10, 0, 0, 10 + n);
        us.put(address, PEER_MAC, State::Reachable);
        times.push(us.entry(address).and_then(|entry| entry.expires).unwrap());
    }
    times.sort();
    assert!(times[0] >= Duration::from_secs(15) && times[0] < Duration::from_secs(17), "{times:?}");
    assert!(times[199] <= Duration::from_secs(45) && times[199] > Duration::from_secs(43), "{times:?}");
}

#[test]
fn unused_neighbours_are_forgotten_and_lookups_tell_who_watches() {
    let mut us = Us::up(Config::default());
    us.arp.watch(true);
    us.put(PEER, PEER_MAC, State::Stale);
    us.run_until(s(50));
    us.hear(request((PEER, PEER_MAC), OTHER));
    us.run_until(s(80));
    assert_eq!(us.state(PEER), Some(State::Stale));
    assert_eq!(
        at(&us.run_until(s(110))),
        ["110000 ms (neighbour 10.0.0.2 at 02:00:00:00:00:02 is gone: was stale)"]
    );
    assert_eq!(us.arp.counters().aged, 1);
    us.put(PEER, PEER_MAC, State::Stale);
    us.arp.lookup(us.now, PEER);
    assert!(us.arp.poll_timeout().is_some_and(|at| at <= us.now));
    let now = us.now;
    assert_eq!(
        at(&us.run_until(now)),
        ["110000 ms (neighbour 10.0.0.2 at 02:00:00:00:00:02: stale -> delay)"]
    );
}

#[test]
fn too_many_packets_wait() {
    let config = Config { max_pending_packets: 3, max_pending_total: 5, ..Config::default() };
    let mut us = Us::up(config.clone());
    for n in 1..=5 {
        us.send(PEER, n);
    }
    for n in 6..=8 {
        us.send(OTHER, n);
    }
    // RFC 1122 §2.3.2.2: the latest of each; together five.
    let to = "to 02:00:00:00:00:02";
    assert_eq!(us.arp.counters().packets_dropped, 3);
    assert_eq!(us.arp.pending, 5);
    assert_eq!(
        words(&us.hear(reply((PEER, PEER_MAC), US))),
        format!("packet 3 {to}; packet 4 {to}; packet 5 {to}")
    );
    us.input(Input::Clear { address: None });
    assert_eq!(us.arp.pending, 0);
    let mut us = Us::up(Config { max_pending_packets: 0, ..config });
    us.send(PEER, 1);
    assert_eq!((us.arp.pending, us.arp.counters().packets_dropped), (0, 1));
}

#[test]
fn a_full_table_evicts_the_failed_then_the_stale_never_the_static() {
    let mut us = Us::up(Config { max_entries: 5, ..Config::default() });
    let n = |n| Ipv4Addr::new(10, 0, 0, 100 + n);
    us.put(n(1), PEER_MAC, State::Permanent);
    us.put(n(2), PEER_MAC, State::Stale);
    us.put(n(3), PEER_MAC, State::Failed);
    us.put(n(4), PEER_MAC, State::Reachable);
    us.put(n(5), PEER_MAC, State::Stale);
    let there =
        |us: &Us| us.arp.entries(us.now).map(|entry| entry.address.octets()[3] - 100).collect::<Vec<_>>();
    us.put(n(6), PEER_MAC, State::Stale);
    assert_eq!(there(&us), [1, 2, 4, 5, 6]);
    us.put(n(7), PEER_MAC, State::Stale);
    assert_eq!(there(&us), [1, 4, 5, 6, 7]);
    for (address, expected) in [(8, [1, 4, 6, 7, 8]), (9, [1, 4, 7, 8, 9]), (10, [1, 4, 8, 9, 10])] {
        us.send(n(address), address);
        assert_eq!(there(&us), expected);
    }
    // All but one are being resolved: another packet takes the place of the oldest, a stranger's request does not.
    assert_eq!(us.hear(request((n(11), PEER_MAC), US)).len(), 1);
    assert_eq!((there(&us), us.arp.counters().table_full), (vec![1, 4, 8, 9, 10], 1));
    assert_eq!(words(&us.send(n(12), 12)), "packet 8 is unreachable; all: who has 10.0.0.112? tell 10.0.0.1");
    assert_eq!((there(&us), us.arp.counters().evicted), (vec![1, 4, 9, 10, 12], 6));
    // Nobody goes who is in use.
    for address in [9, 10, 12] {
        us.hear(reply((n(address), PEER_MAC), US));
    }
    assert_eq!(words(&us.send(n(13), 13)), "packet 13 is unreachable");
    // A smaller table.
    us.arp.reconfigure(us.now, Config { max_entries: 2, ..Config::default() }, &mut us.out);
    assert_eq!(there(&us).len(), 2);
    assert!(there(&us).contains(&1));
}

#[test]
fn static_entries_come_with_the_configuration_and_stay() {
    let with = |statics: &[(Ipv4Addr, MacAddr)]| Config { statics: statics.to_vec(), ..Config::default() };
    let mut us = Us::up(with(&[(PEER, PEER_MAC)]));
    assert_eq!(us.arp.lookup(us.now, PEER), Some(PEER_MAC));
    us.hear(request((PEER, NEW_MAC), US));
    us.hear(reply((PEER, NEW_MAC), US));
    us.input(Input::Clear { address: None });
    us.input(Input::Link { up: false, address: OUR_MAC });
    assert_eq!(us.arp.lookup(us.now, PEER), None);
    us.input(Input::Link { up: true, address: OUR_MAC });
    us.run_until(s(100_000));
    assert_eq!((us.mac(PEER), us.arp.counters().static_contradicted), (Some(PEER_MAC), 2));
    let entry = us.entry(PEER).unwrap();
    assert_eq!((entry.kind, entry.state, entry.expires), (Kind::Static, State::Permanent, None));
    us.arp.reconfigure(us.now, with(&[(PEER, NEW_MAC), (OTHER, OTHER_MAC)]), &mut us.out);
    assert_eq!((us.mac(PEER), us.mac(OTHER)), (Some(NEW_MAC), Some(OTHER_MAC)));
    us.arp.reconfigure(us.now, with(&[(OTHER, OTHER_MAC)]), &mut us.out);
    assert_eq!((us.mac(PEER), us.mac(OTHER)), (None, Some(OTHER_MAC)));
    // Nonsense is ignored; what waits goes out.
    us.input(Input::Static { address: PEER, mac: Some(MacAddr::BROADCAST) });
    us.input(Input::Static { address: NOBODY, mac: Some(PEER_MAC) });
    assert_eq!(us.arp.entries(us.now).count(), 1);
    us.send(PEER, 9);
    assert_eq!(
        words(&us.input(Input::Static { address: PEER, mac: Some(PEER_MAC) })),
        "packet 9 to 02:00:00:00:00:02"
    );
}

#[test]
fn groups_need_no_resolution_and_nonsense_gets_none() {
    let mut us = Us::up(Config::default());
    // RFC 1112 §6.4: the low 23 bits
    for (next_hop, mac) in [
        (Ipv4Addr::new(224, 0, 0, 5), MacAddr([1, 0, 0x5e, 0, 0, 5])),
        (Ipv4Addr::new(239, 255, 1, 2), MacAddr([1, 0, 0x5e, 0x7f, 1, 2])),
        (Ipv4Addr::BROADCAST, MacAddr::BROADCAST),
        (Ipv4Addr::new(10, 0, 0, 255), MacAddr::BROADCAST),
    ] {
        let expected = Output::Packet { destination: mac, packet: frame(1) };
        assert_eq!(us.send(next_hop, 1), [expected], "{next_hop}");
    }
    for next_hop in [NOBODY, US, Ipv4Addr::LOCALHOST] {
        assert_eq!(words(&us.send(next_hop, 1)), "packet 1 is unreachable", "{next_hop}");
    }
    // RFC 3021: with 31 bits there is no broadcast address.
    us.input(Input::Addresses(&[(Ipv4Addr::new(10, 0, 0, 254), 31)]));
    us.run_until(s(30));
    assert_eq!(words(&us.send(Ipv4Addr::new(10, 0, 0, 255), 1)), "all: who has 10.0.0.255? tell 10.0.0.254");
    us.input(Input::Link { up: false, address: OUR_MAC });
    assert_eq!(words(&us.send(PEER, 1)), "packet 1 is unreachable");
}

#[test]
fn the_request_is_sent_from_the_address_of_the_same_subnet() {
    let mut us = Us::up(Config::default());
    let second = Ipv4Addr::new(172, 16, 1, 1);
    us.input(Input::Addresses(&[(US, 24), (second, 16)]));
    for (target, source) in
        [(PEER, US), (Ipv4Addr::new(172, 16, 9, 9), second), (Ipv4Addr::new(192, 0, 2, 1), US)]
    {
        let outputs = us.send(target, 1);
        assert_eq!(words(&outputs), format!("all: who has {target}? tell {source}"));
    }
    // Without an address nothing is asked, as that would be a probe.
    us.input(Input::Addresses(&[]));
    assert_eq!(us.send(OTHER, 1), []);
    let now = us.now;
    us.run_until(now + Duration::from_secs(4));
    assert_eq!(us.state(OTHER), Some(State::Failed));
}

#[test]
fn absurd_times_do_not_hang() {
    let zero = Duration::ZERO;
    let timing = Timing {
        probe_wait: zero,
        probe_num: 255,
        probe_min: zero,
        probe_max: zero,
        announce_wait: zero,
        announce_num: 255,
        announce_interval: zero,
        max_conflicts: 0,
        rate_limit_interval: zero,
        defend_interval: zero,
    };
    let mut us = Us::up(Config {
        reachable_time: zero,
        delay_first_probe: zero,
        retransmit: zero,
        stale_time: zero,
        failed_time: zero,
        max_broadcast_probes: 0,
        max_unicast_probes: 0,
        duplicate_detection: true,
        timing,
        ..Config::default()
    });
    us.put(PEER, PEER_MAC, State::Reachable);
    us.send(OTHER, 1);
    us.run_until(s(30));
    assert_eq!((us.state(PEER), us.state(OTHER), us.arp.poll_timeout()), (None, None, None));
    assert_eq!(us.arp.counters().probes_sent, 255);
}
