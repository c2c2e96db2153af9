//! Our own addresses: RFC 5227, and gratuitous ARP.

use super::*;

fn detecting(defend: Defend) -> Config {
    Config { duplicate_detection: true, defend, ..Config::default() }
}

fn usable(us: &mut Us) -> bool {
    us.hear(request((PEER, PEER_MAC), US)).iter().any(|output| matches!(output, Output::Arp { .. }))
}

#[test]
fn without_detection_addresses_are_used_and_announced_at_once() {
    let mut us = Us::bare(Config::default());
    us.input(Input::Link { up: true, address: OUR_MAC });
    let outputs = us.input(Input::Addresses(&[(US, 24), (OTHER, 24)]));
    assert_eq!(
        words(&outputs),
        "10.0.0.1 is usable; 10.0.0.3 is usable; \
         all: 10.0.0.1 is at 02:00:00:00:00:01 (announcement); all: 10.0.0.3 is at 02:00:00:00:00:01 (announcement)"
    );
    // RFC 5227 §2.3: ANNOUNCE_NUM 2, ANNOUNCE_INTERVAL 2 s
    let rest = us.run_until(s(100));
    assert_eq!(rest.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [s(2), s(2)]);
    // Only what is new is announced; what is gone is no longer answered for.
    let outputs = us.input(Input::Addresses(&[(OTHER, 16), (PEER, 24)]));
    assert_eq!(words(&outputs), "10.0.0.2 is usable; all: 10.0.0.2 is at 02:00:00:00:00:01 (announcement)");
    assert_eq!(us.hear(request((Ipv4Addr::new(10, 0, 0, 9), PEER_MAC), US)), []);
}

#[test]
fn gratuitous_arp_on_link_up_and_new_mac() {
    let mut us = Us::bare(Config::default());
    let outputs = us.input(Input::Addresses(&[(US, 24)]));
    assert_eq!(words(&outputs), "10.0.0.1 is usable");
    let ours = "all: 10.0.0.1 is at 02:00:00:00:00:01 (announcement)";
    assert_eq!(words(&us.input(Input::Link { up: true, address: OUR_MAC })), ours);
    assert_eq!(at(&us.run_until(s(10))), [format!("2000 ms {ours}")]);
    // Once more the same is no news.
    assert_eq!(us.input(Input::Link { up: true, address: OUR_MAC }), []);
    let new = "all: 10.0.0.1 is at 02:00:00:00:00:22 (announcement)";
    assert_eq!(words(&us.input(Input::Link { up: true, address: NEW_MAC })), new);
    assert_eq!(at(&us.run_until(s(20))), [format!("12000 ms {new}")]);
    assert_eq!(us.input(Input::Link { up: false, address: NEW_MAC }), []);
    assert_eq!(words(&us.input(Input::Link { up: true, address: NEW_MAC })), new);
    // A link that goes down takes the second announcement with it.
    us.input(Input::Link { up: false, address: NEW_MAC });
    assert_eq!(us.run_until(s(60)), []);

    let mut us = Us::bare(Config { gratuitous: false, ..Config::default() });
    us.input(Input::Addresses(&[(US, 24)]));
    assert_eq!(us.input(Input::Link { up: true, address: OUR_MAC }), []);
    assert_eq!(us.run_until(s(60)), []);
}

#[test]
fn probes_and_announcements_come_in_time() {
    // RFC 5227 §1.1: PROBE_WAIT 1 s, PROBE_NUM 3, PROBE_MIN 1 s, PROBE_MAX 2 s, ANNOUNCE_WAIT 2 s, ANNOUNCE_NUM 2,
    // ANNOUNCE_INTERVAL 2 s
    let mut waits = Vec::new();
    for seed in 0..50 {
        let mut us = Us::bare(detecting(Defend::Always));
        us.arp = Arp::new(detecting(Defend::Always), Rng::new(seed));
        us.input(Input::Link { up: true, address: OUR_MAC });
        assert_eq!(words(&us.input(Input::Addresses(&[(US, 24)]))), "10.0.0.1 is probing");
        assert!(!usable(&mut us) && us.send(OTHER, 1).iter().all(|o| !matches!(o, Output::Arp { .. })));
        us.input(Input::Clear { address: None });
        let all = us.run_until(s(60));
        let probe = "all: who has 10.0.0.1? probe by 02:00:00:00:00:01";
        let announcement = "all: 10.0.0.1 is at 02:00:00:00:00:01 (announcement)";
        let what: Vec<_> = all.iter().map(|(_, output)| words(std::slice::from_ref(output))).collect();
        assert_eq!(what, [probe, probe, probe, announcement, "10.0.0.1 is usable", announcement]);
        let when: Vec<_> = all.iter().map(|(at, _)| *at).collect();
        let within = |from: Instant, to: Instant, min, max| {
            (Duration::from_secs(min)..=Duration::from_secs(max)).contains(&to.since(from))
        };
        assert!(within(s(0), when[0], 0, 1), "{when:?}");
        assert!(within(when[0], when[1], 1, 2) && within(when[1], when[2], 1, 2), "{when:?}");
        assert!(within(when[2], when[3], 2, 2) && within(when[3], when[4], 0, 0), "{when:?}");
        assert!(within(when[4], when[5], 2, 2), "{when:?}");
        assert!(usable(&mut us));
        waits.push(when[0]);
    }
    waits.sort();
    assert!(waits[0] < ms(200) && waits[49] > ms(800), "not spread: {waits:?}");
}

#[test]
fn a_conflict_while_probing_ends_it() {
    // RFC 5227 §2.1.1: any packet with our address as sender, and a probe of someone else for it.
    for (case, packet, conflict) in [
        ("reply", reply((US, PEER_MAC), NOBODY), true),
        ("request", request((US, PEER_MAC), OTHER), true),
        ("announcement", request((US, PEER_MAC), US), true),
        ("probe", request((NOBODY, PEER_MAC), US), true),
        ("our own probe, sent back by a hub", request((NOBODY, OUR_MAC), US), false),
        ("a request for it", request((OTHER, PEER_MAC), US), false),
        ("a probe for another", request((NOBODY, PEER_MAC), OTHER), false),
    ] {
        for wait in [0, 500, 2000, 4000] {
            let mut us = Us::bare(detecting(Defend::Always));
            us.input(Input::Link { up: true, address: OUR_MAC });
            us.input(Input::Addresses(&[(US, 24)]));
            us.run_until(ms(wait));
            let outputs = us.hear(packet);
            let expected = if conflict { "10.0.0.1 is conflict with 02:00:00:00:00:02" } else { "" };
            assert_eq!(words(&outputs), expected, "{case} after {wait} ms");
            assert_eq!(us.arp.counters().given_up, u64::from(conflict));
            us.run_until(s(59));
            assert_eq!(usable(&mut us), !conflict, "{case}");
            // It is tried again after RATE_LIMIT_INTERVAL, and then nobody has it.
            us.run_until(s(90));
            assert!(usable(&mut us), "{case}");
        }
    }
}

#[test]
fn after_many_conflicts_probing_becomes_rare() {
    // RFC 5227 §2.1.1: MAX_CONFLICTS 10, RATE_LIMIT_INTERVAL 60 s
    let mut us = Us::bare(detecting(Defend::Always));
    us.input(Input::Link { up: true, address: OUR_MAC });
    let mut starts = Vec::new();
    for n in 0..20 {
        // An agent that offers one address after the other, all taken.
        let address = Ipv4Addr::new(10, 0, 0, 100 + n);
        us.input(Input::Addresses(&[(address, 24)]));
        let probe = loop {
            let at = us.arp.poll_timeout().unwrap();
            let outputs = us.run_until(at);
            if let Some((at, _)) = outputs.iter().find(|(_, output)| matches!(output, Output::Arp { .. })) {
                break *at;
            }
        };
        starts.push(probe);
        us.hear(reply((address, PEER_MAC), NOBODY));
    }
    assert!(starts[9] <= s(10), "{starts:?}");
    for pair in starts[9..].windows(2) {
        assert!(pair[1].since(pair[0]) >= Duration::from_secs(59), "{starts:?}");
    }
    // Once an address is free it is over with.
    us.input(Input::Addresses(&[(US, 24)]));
    us.run_until(us.now + Duration::from_secs(70));
    assert!(usable(&mut us));
    let before = us.now;
    us.input(Input::Addresses(&[(US, 24), (OTHER, 24)]));
    us.run_until(before + Duration::from_secs(1));
    assert_eq!(us.arp.counters().probes_sent, 20 + 3 + 1);
}

#[test]
fn three_ways_to_defend() {
    // RFC 5227 §2.4 (a), (b), (c); DEFEND_INTERVAL 10 s. A conflict at each of these seconds.
    let announce = "all: 10.0.0.1 is at 02:00:00:00:00:01 (announcement)";
    let lost = "10.0.0.1 is conflict with 02:00:00:00:00:02";
    for (defend, steps, counters) in [
        (Defend::Never, vec![(30, lost), (31, ""), (45, "")], (1, 0, 1)),
        (Defend::Once, vec![(30, announce), (40, announce), (49, lost), (51, "")], (3, 2, 1)),
        (Defend::Always, vec![(30, announce), (31, ""), (39, ""), (40, announce), (41, "")], (5, 2, 0)),
    ] {
        for kind in [request((US, PEER_MAC), OTHER), reply((US, PEER_MAC), US), request((US, PEER_MAC), US)] {
            let mut us = Us::up(Config { defend, ..Config::default() });
            for &(at, expected) in &steps {
                us.run_until(s(at));
                assert_eq!(words(&us.hear(kind)), expected, "{defend:?} at {at} s, {kind}");
            }
            let seen = us.arp.counters();
            assert_eq!((seen.conflicts, seen.defences, seen.given_up), counters, "{defend:?}");
            let kept = defend == Defend::Always;
            us.now = s(51);
            assert_eq!(us.hear(request((OTHER, OTHER_MAC), US)).len(), usize::from(kept));
            // The other station has made no entry for our address.
            assert_eq!(us.state(US), None);
        }
    }
}

#[test]
fn a_lost_address_comes_back_when_it_is_free() {
    let mut us = Us::up(Config { defend: Defend::Never, ..Config::default() });
    us.hear(request((US, PEER_MAC), US));
    // It is in use elsewhere: what is sent to it goes there.
    us.input(Input::Send { next_hop: US, packet: frame(1) });
    let all = at(&us.run_until(s(95)));
    assert!(all.contains(&"80000 ms 10.0.0.1 is probing".to_owned()), "{all:?}");
    assert!(all.last().unwrap().ends_with("announcement)"), "{all:?}");
    assert!(usable(&mut us));
    // A new link is a new chance at once.
    us.hear(request((US, PEER_MAC), US));
    us.input(Input::Link { up: false, address: OUR_MAC });
    assert_eq!(us.run_until(s(200)), []);
    assert_eq!(words(&us.input(Input::Link { up: true, address: OUR_MAC })), "10.0.0.1 is probing");
    us.run_until(s(210));
    assert!(usable(&mut us));
}

#[test]
fn a_link_that_comes_up_is_probed_again() {
    // RFC 5227 §2.1: "when a link-state change signals that an Ethernet cable has been connected"
    let mut us = Us::up(detecting(Defend::Always));
    assert!(usable(&mut us));
    us.input(Input::Link { up: false, address: OUR_MAC });
    assert_eq!(words(&us.input(Input::Link { up: true, address: OUR_MAC })), "10.0.0.1 is probing");
    assert!(!usable(&mut us));
    us.run_until(s(30));
    assert!(usable(&mut us));
}

#[test]
fn conflicts_are_told_to_those_who_watch() {
    let mut us = Us::up(Config { defend: Defend::Once, ..Config::default() });
    us.arp.watch(true);
    let hit = request((US, PEER_MAC), US);
    assert_eq!(
        words(&us.hear(hit)),
        "(our address 10.0.0.1 is used by 02:00:00:00:00:02 too; we keep it); \
         all: 10.0.0.1 is at 02:00:00:00:00:01 (announcement); (announced our address 10.0.0.1 to defend it)"
    );
    assert_eq!(
        words(&us.hear(hit)),
        "10.0.0.1 is conflict with 02:00:00:00:00:02; \
         (our address 10.0.0.1 is used by 02:00:00:00:00:02; we do not use it)"
    );
    us.arp.watch(false);
    us.put(PEER, PEER_MAC, State::Permanent);
}
