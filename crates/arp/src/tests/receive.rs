//! What packets do: RFC 826's "Packet Reception", RFC 1027.

use super::*;

#[test]
fn the_merge_rule_as_a_table() {
    // RFC 826, "Packet Reception". Is the sender known; is the target us; operation; announcement → is it known
    // after, is it answered.
    let other = Ipv4Addr::new(10, 0, 0, 9);
    for (known, target, operation, known_after, answered) in [
        (false, US, Operation::Request, true, true),
        (false, US, Operation::Reply, true, false),
        (false, US, Operation::Unknown(3), false, false),
        (false, other, Operation::Request, false, false),
        (false, other, Operation::Reply, false, false),
        (false, PEER, Operation::Request, false, false),
        (false, PEER, Operation::Reply, false, false),
        (true, US, Operation::Request, true, true),
        (true, US, Operation::Reply, true, false),
        (true, US, Operation::Unknown(3), true, false),
        (true, other, Operation::Request, true, false),
        (true, other, Operation::Reply, true, false),
        (true, PEER, Operation::Request, true, false),
        (true, PEER, Operation::Reply, true, false),
    ] {
        let case = format!("known {known}, for {target}, {operation:?}");
        let mut us = Us::up(Config::default());
        if known {
            us.put(PEER, PEER_MAC, State::Reachable);
        }
        let outputs = us.hear(packet(operation, (PEER, NEW_MAC), target));
        let merged = operation != Operation::Unknown(3);
        let expected = known_after.then_some(if merged { NEW_MAC } else { PEER_MAC });
        assert_eq!(us.mac(PEER), expected, "{case}");
        let answer = Output::Arp {
            destination: NEW_MAC,
            arp: Packet {
                operation: Operation::Reply,
                sender_hardware: OUR_MAC,
                sender_protocol: US,
                target_hardware: NEW_MAC,
                target_protocol: PEER,
            },
        };
        assert_eq!(outputs, if answered { vec![answer] } else { vec![] }, "{case}");
    }
}

#[test]
fn what_no_station_can_have_said_is_dropped_and_counted() {
    let mut us = Us::up(Config::default());
    us.put(PEER, PEER_MAC, State::Reachable);
    let ok = request((PEER, NEW_MAC), US);
    for (wrong, name) in [
        (Packet { operation: Operation::Unknown(9), ..ok }, "unknown_operation"),
        (Packet { sender_hardware: MacAddr::BROADCAST, ..ok }, "bad_sender_hardware"),
        (Packet { sender_hardware: MacAddr::UNSPECIFIED, ..ok }, "bad_sender_hardware"),
        (Packet { sender_hardware: OUR_MAC, ..ok }, "own_echo"),
        (Packet { sender_protocol: Ipv4Addr::BROADCAST, ..ok }, "bad_sender_protocol"),
        (Packet { sender_protocol: Ipv4Addr::new(10, 0, 0, 255), ..ok }, "bad_sender_protocol"),
        (Packet { sender_protocol: Ipv4Addr::new(224, 0, 0, 5), ..ok }, "bad_sender_protocol"),
        (Packet { sender_protocol: Ipv4Addr::LOCALHOST, ..ok }, "bad_sender_protocol"),
        (Packet { sender_protocol: NOBODY, operation: Operation::Reply, ..ok }, "bad_sender_protocol"),
    ] {
        let before: Vec<_> = us.arp.counters().named().collect();
        assert_eq!(us.hear(wrong), [], "{wrong}");
        for ((counter, count), (_, old)) in us.arp.counters().named().zip(before) {
            assert_eq!(count - old, u64::from(counter == name), "{counter} after {wrong:?}");
        }
    }
    assert_eq!(us.mac(PEER), Some(PEER_MAC));
    // Another sender in the frame than in the packet is odd, and happens with virtual routers.
    us.input(Input::Packet { arp: &ok, source: OTHER_MAC, to_us: false });
    assert_eq!((us.arp.counters().source_mismatch, us.mac(PEER)), (1, Some(NEW_MAC)));
    us.input(Input::Link { up: false, address: OUR_MAC });
    assert_eq!(us.hear(ok), []);
    assert_eq!(us.arp.counters().link_down, 1);
}

#[test]
fn probes_are_answered_and_make_no_entry() {
    // RFC 5227 §2.5
    let mut us = Us::up(Config { proxy: true, local_proxy: true, ..Config::default() });
    let outputs = us.hear(request((NOBODY, PEER_MAC), US));
    assert_eq!(words(&outputs), "02:00:00:00:00:02: 10.0.0.1 is at 02:00:00:00:00:01");
    assert_eq!(us.arp.entries(us.now).count(), 0);
    // Nobody answers a probe for others, or all addresses would be in conflict.
    assert_eq!(us.hear(request((NOBODY, PEER_MAC), OTHER)), []);
}

#[test]
fn announcements_update_entries_and_make_them_only_where_allowed() {
    let mut us = Us::up(Config::default());
    us.arp.watch(true);
    assert_eq!(us.hear(request((PEER, PEER_MAC), PEER)), []);
    us.put(PEER, PEER_MAC, State::Reachable);
    let outputs = us.hear(request((PEER, NEW_MAC), PEER));
    assert_eq!(
        words(&outputs),
        "(neighbour 10.0.0.2 at 02:00:00:00:00:22: reachable -> stale); \
         (10.0.0.2 was announced to be at 02:00:00:00:00:22)"
    );
    // The next packet already goes to the new address.
    assert_eq!(us.arp.lookup(us.now, PEER), Some(NEW_MAC));

    let mut us = Us::up(Config { accept_gratuitous: true, ..Config::default() });
    us.hear(request((PEER, PEER_MAC), PEER));
    us.hear(Packet { target_hardware: MacAddr::BROADCAST, ..reply((OTHER, OTHER_MAC), OTHER) });
    assert_eq!((us.state(PEER), us.mac(PEER)), (Some(State::Stale), Some(PEER_MAC)));
    assert_eq!((us.state(OTHER), us.mac(OTHER)), (Some(State::Stale), Some(OTHER_MAC)));
    // Not for addresses of other subnets.
    let far = Ipv4Addr::new(10, 9, 0, 1);
    us.hear(request((far, OTHER_MAC), far));
    assert_eq!(us.state(far), None);
}

#[test]
fn who_is_on_no_subnet_of_ours_gets_an_answer_and_no_entry() {
    let mut us = Us::up(Config::default());
    let far = Ipv4Addr::new(192, 0, 2, 1);
    assert_eq!(us.hear(request((far, PEER_MAC), US)).len(), 1);
    assert_eq!(us.state(far), None);
}

/// The router of the article: 10.1.1.254/24, host B is 10.1.1.2 and believes in 10/8.
fn router(config: Config) -> Us {
    let mut us = Us::bare(config);
    us.input(Input::Link { up: true, address: OUR_MAC });
    us.input(Input::Addresses(&[(Ipv4Addr::new(10, 1, 1, 254), 24)]));
    us.run_until(s(20));
    us
}

#[test]
fn proxy_asks_who_knows_the_routes_and_obeys() {
    // RFC 1027 §2.2
    let host = Ipv4Addr::new(10, 1, 1, 2);
    let server = Ipv4Addr::new(10, 2, 2, 100);
    let question = ProxyRequest { requester: host, requester_mac: PEER_MAC, target: server };
    let mut us = router(Config { proxy: true, ..Config::default() });
    assert_eq!(us.hear(request((host, PEER_MAC), server)), [Output::Proxy(question)]);
    assert_eq!(us.input(Input::ProxyAnswer { request: question, answer: false }), []);
    assert_eq!(us.state(host), None);
    let outputs = us.input(Input::ProxyAnswer { request: question, answer: true });
    assert_eq!(words(&outputs), "02:00:00:00:00:02: 10.2.2.100 is at 02:00:00:00:00:01");
    // We are going to forward its packets, and answers to it.
    assert_eq!((us.state(host), us.arp.counters().proxy_replies_sent), (Some(State::Stale), 1));
    // Off, nothing is asked, and a late answer does nothing.
    let mut us = router(Config::default());
    assert_eq!(us.hear(request((host, PEER_MAC), server)), []);
    assert_eq!(us.input(Input::ProxyAnswer { request: question, answer: true }), []);
}

#[test]
fn never_by_proxy() {
    let host = Ipv4Addr::new(10, 1, 1, 2);
    for local_proxy in [false, true] {
        let mut us = router(Config { proxy: true, local_proxy, ..Config::default() });
        for (case, packet) in [
            ("its own address", request((host, PEER_MAC), host)),
            ("a probe", request((NOBODY, PEER_MAC), Ipv4Addr::new(10, 2, 2, 100))),
            ("a reply", reply((host, PEER_MAC), Ipv4Addr::new(10, 2, 2, 100))),
            ("unspecified", request((host, PEER_MAC), NOBODY)),
            ("multicast", request((host, PEER_MAC), Ipv4Addr::new(224, 0, 0, 9))),
            ("all", request((host, PEER_MAC), Ipv4Addr::BROADCAST)),
            ("all of the subnet", request((host, PEER_MAC), Ipv4Addr::new(10, 1, 1, 255))),
            ("loopback", request((host, PEER_MAC), Ipv4Addr::LOCALHOST)),
        ] {
            assert_eq!(us.hear(packet), [], "{case}");
        }
    }
}

#[test]
fn local_proxy_answers_for_neighbours_who_cannot_hear_each_other() {
    // RFC 3069
    let (a, b) = (Ipv4Addr::new(10, 1, 1, 2), Ipv4Addr::new(10, 1, 1, 3));
    let mut us = router(Config { local_proxy: true, ..Config::default() });
    let outputs = us.hear(request((a, PEER_MAC), b));
    assert_eq!(words(&outputs), "02:00:00:00:00:02: 10.1.1.3 is at 02:00:00:00:00:01");
    // Not for other subnets, and not for those who are in another.
    assert_eq!(us.hear(request((a, PEER_MAC), Ipv4Addr::new(10, 2, 2, 100))), []);
    assert_eq!(us.hear(request((Ipv4Addr::new(10, 9, 9, 9), PEER_MAC), b)), []);
    // An address of ours in conflict is not handed out by proxy either.
    let mine = Ipv4Addr::new(10, 1, 1, 254);
    us.arp.reconfigure(us.now, Config { defend: Defend::Never, ..us.arp.config.clone() }, &mut us.out);
    us.hear(request((mine, OTHER_MAC), mine));
    assert_eq!(us.hear(request((a, PEER_MAC), mine)), []);
}
