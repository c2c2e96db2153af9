//! Every check of RFC 2453 §3.9 and §4 with its counter, and requests.

use super::*;
use trunkline_core::PrefixMatch;
use trunkline_wire::rip::MULTICAST;

const NET: &str = "172.16.0.0/12";

fn octets(message: &Message) -> Vec<u8> {
    let mut octets = Vec::new();
    message.emit(&mut octets);
    octets
}

fn response(version: u8, entries: &[Entry]) -> Message {
    Message::new(Command::Response, version, entries.to_vec())
}

fn v1(address: &str, metric: u8) -> Entry {
    Entry::v1(address.parse().unwrap(), metric)
}

/// A datagram with one route is ignored, and counted under this name alone.
fn check_refused(us: &mut Us, on: InterfaceId, from: (Ipv4Addr, u16), octets: &[u8], counter: &'static str) {
    let before = us.counters();
    let outputs = us.datagram(on, from, octets);
    assert_eq!(us.since(&before), [("datagrams_received", 1), (counter, 1)]);
    assert_eq!(us.route(NET), None);
    assert!(sent(&outputs).is_empty());
}

#[test]
fn datagrams_that_are_ignored() {
    let mut us = Us::up(config());
    us.interface(InterfaceId(3), "c", true, &[([10, 3, 0, 1].into(), 16)]);
    let good = octets(&response(2, &[v2(NET, 1)]));
    let peer = (PEER, PORT);
    // RFC 2453 §3.9.2: port, own address, directly connected network.
    check_refused(&mut us, A, (PEER, 521), &good, "wrong_port");
    check_refused(&mut us, A, (US, PORT), &good, "own_address");
    check_refused(&mut us, A, (US_B, PORT), &good, "own_address");
    check_refused(&mut us, A, ([10, 3, 0, 1].into(), PORT), &good, "own_address");
    for outside in [[10, 4, 0, 2], [10, 2, 0, 2], [0, 0, 0, 0], [10, 1, 0, 0], [10, 1, 255, 255]] {
        check_refused(&mut us, A, (outside.into(), PORT), &good, "not_neighbor");
    }
    // Where RIP does not run.
    check_refused(&mut us, InterfaceId(3), ([10, 3, 0, 2].into(), PORT), &good, "not_running");
    check_refused(&mut us, InterfaceId(4), peer, &good, "not_running");
    // §3.6: format, command, version.
    for len in [0, 3, 5, 23] {
        check_refused(&mut us, A, peer, &good[..len], "malformed");
    }
    let change = |at: usize, to: u8| {
        let mut octets = good.clone();
        octets[at] = to;
        octets
    };
    check_refused(&mut us, A, peer, &change(0, 3), "unknown_command");
    check_refused(&mut us, A, peer, &change(0, 0), "unknown_command");
    check_refused(&mut us, A, peer, &change(1, 0), "version_zero");
    check_refused(&mut us, A, peer, &change(1, 1), "version_refused");
    // §5: a higher version is read as 2.
    us.datagram(A, peer, &change(1, 7));
    assert_eq!(us.metric(NET), Some(2));
}

#[test]
fn the_receive_switch() {
    // RFC 2453 §5.1
    let receives = [(Receive::None, [false; 2]), (Receive::V1, [true, false]), (Receive::V2, [false, true])];
    for (receive, wanted) in receives.into_iter().chain([(Receive::Both, [true; 2])]) {
        for (version, heard) in [1, 2].into_iter().zip(wanted) {
            let mut us = Us::up(config_with(|i| i.receive = receive));
            let entry = if version == 1 { v1("172.16.0.0", 1) } else { v2("172.16.0.0/16", 1) };
            us.message(A, PEER, &response(version, &[entry]));
            assert_eq!(us.metric("172.16.0.0/16").is_some(), heard, "{receive:?}, version {version}");
        }
    }
}

#[test]
fn version_1_must_be_zero() {
    // RFC 1058 §3.4, RFC 2453 §5: the entire message is ignored.
    let mut us = Us::up(config_with(|i| i.receive = Receive::Both));
    let mut message = response(1, &[v1("172.16.0.0", 1), v1("172.17.0.0", 1)]);
    message.entries[1].route_tag = 1;
    check_refused(&mut us, A, (PEER, PORT), &octets(&message), "must_be_zero");
    assert_eq!(us.route("172.16.0.0/16"), None);
    message.entries[1].route_tag = 0;
    message.unused = 1;
    check_refused(&mut us, A, (PEER, PORT), &octets(&message), "must_be_zero");
}

#[test]
fn entries_that_are_ignored() {
    // RFC 2453 §3.9.2: "ignore that entry and proceed to the next".
    let with = |change: fn(&mut Entry)| {
        let mut entry = v2("172.16.0.0/12", 1);
        change(&mut entry);
        entry
    };
    for (bad, counter) in [
        (with(|e| e.address_family = 10), "bad_address_family"),
        (with(|e| e.address_family = 0xffff), "bad_authentication_entry"),
        (with(|e| e.metric = 0), "bad_metric"),
        (with(|e| e.metric = 17), "bad_metric"),
        (with(|e| e.address = [127, 0, 0, 0].into()), "bad_address"),
        (with(|e| e.address = [224, 0, 0, 0].into()), "bad_address"),
        (with(|e| e.address = [0, 16, 0, 0].into()), "bad_address"),
        (with(|e| e.address = [240, 0, 0, 0].into()), "bad_address"),
        (with(|e| e.subnet_mask = [255, 0, 255, 0].into()), "bad_subnet_mask"),
        (with(|e| e.address = [172, 17, 0, 0].into()), "bad_host_bits"),
        // RFC 1058 §3.4.2: "anything whose host part is all ones".
        (Entry::v2(p("10.1.255.255/32"), 0, NOBODY, 1), "bad_address"),
    ] {
        let mut us = Us::up(config());
        us.hear(PEER, &[]);
        let before = us.counters();
        let outputs = us.hear(PEER, &[v2("192.168.1.0/24", 1), bad, v2("192.168.2.0/24", 1)]);
        assert_eq!((us.metric("192.168.1.0/24"), us.metric("192.168.2.0/24")), (Some(2), Some(2)));
        assert_eq!(us.route(NET), None);
        let seen = us.since(&before);
        assert!(seen.contains(&(counter, 1)) && seen.contains(&("entries_received", 2)), "{seen:?}");
        assert!(words(&outputs).contains("a: an entry from 10.1.0.2 for"), "{}", words(&outputs));
        assert_eq!(us.rip.neighbors(us.now).neighbors[0].bad_entries, 1);
    }
}

#[test]
fn next_hops() {
    // RFC 2453 §4.4
    let mut us = Us::up(config());
    let via = |hop: [u8; 4]| Entry::v2(p(NET), 0, hop.into(), 1);
    for (hop, wanted, counter) in [
        ([0, 0, 0, 0], PEER, None),
        ([10, 1, 0, 3], OTHER, None),
        ([10, 1, 0, 2], PEER, None),
        // Not directly reachable there.
        ([10, 2, 0, 2], PEER, Some("next_hop_ignored")),
        ([192, 0, 2, 1], PEER, Some("next_hop_ignored")),
        ([10, 1, 255, 255], PEER, Some("next_hop_ignored")),
    ] {
        let before = us.counters();
        us.hear(PEER, &[via(hop)]);
        assert_eq!(us.route(NET).unwrap().paths[0].next_hop, Some(wanted), "{hop:?}");
        let seen: Vec<_> = us.since(&before).into_iter().map(|(name, _)| name).collect();
        assert_eq!(seen.iter().find(|name| name.starts_with("next_hop")).copied(), counter);
    }
    // What leads back to us is no way, whichever of our addresses it names.
    us.hear(PEER, &[via(US.octets())]);
    assert_eq!((us.state(NET).as_str(), us.counters().next_hop_ourselves), ("deleted", 1));
}

/// RFC 2453 §3.9.2, rule by rule: the route is from PEER with metric 4 + 1.
#[test]
fn an_existing_route() {
    for (from, metric, wanted) in [
        // "from the same router as the existing route, and the new metric is different"
        (PEER, 9, (10, PEER)),
        (PEER, 1, (2, PEER)),
        (PEER, 4, (5, PEER)),
        // "or, if the new metric is lower than the old one"
        (OTHER, 3, (4, OTHER)),
        (FAR, 3, (4, FAR)),
        // "Any entry that fails these tests is ignored".
        (OTHER, 4, (5, PEER)),
        (OTHER, 5, (5, PEER)),
        (OTHER, 16, (5, PEER)),
    ] {
        let mut us = Us::up(config());
        us.hear(PEER, &[v2(NET, 4)]);
        us.hear(from, &[v2(NET, metric)]);
        let route = us.route(NET).unwrap();
        assert_eq!(
            (route.metric, route.paths[0].neighbor),
            (wanted.0, Some(wanted.1)),
            "{metric} from {from}"
        );
        assert_eq!(route.paths.len(), 1);
    }
    let mut us = Us::up(config());
    us.hear(PEER, &[v2(NET, 15)]);
    assert_eq!(us.route(NET), None, "15 + 1: there is no point in adding it");
    us.hear(PEER, &[v2(NET, 14)]);
    assert_eq!(us.metric(NET), Some(15));
    us.hear(PEER, &[v2(NET, 15)]);
    assert_eq!(us.state(NET), "deleted");
}

#[test]
fn an_equal_route_wins_halfway_to_the_timeout() {
    // RFC 2453 §3.9.2: "If it is at least halfway to the expiration point, switch to the new route."
    let mut us = Us::up(config());
    us.hear(PEER, &[v2(NET, 4)]);
    us.run_for(secs(89));
    us.hear(OTHER, &[v2(NET, 4)]);
    assert_eq!(us.route(NET).unwrap().paths[0].neighbor, Some(PEER));
    us.run_for(secs(1));
    let outputs = us.hear(OTHER, &[v2(NET, 4)]);
    assert_eq!(us.route(NET).unwrap().paths[0].neighbor, Some(OTHER));
    assert!(
        words(&outputs).starts_with(&format!("route to {NET}: 10.1.0.3 metric 5")),
        "{}",
        words(&outputs)
    );
}

#[test]
fn equally_good_paths() {
    let mut us = Us::up(Config { max_paths: 2, ..config() });
    us.hear(PEER, &[v2(NET, 4)]);
    us.hear(FAR, &[v2(NET, 4)]);
    let outputs = us.hear(OTHER, &[v2(NET, 4)]);
    assert_eq!(words(&outputs), format!("({})", "a: neighbor 10.1.0.3 is heard, version 2"), "no third");
    let hops = |us: &Us| -> Vec<_> {
        us.route(NET).unwrap().paths.iter().filter_map(|path| path.neighbor).collect()
    };
    assert_eq!(hops(&us), [PEER, FAR]);
    // One becomes worse: the other stays, and the metric with it.
    let outputs = us.hear(PEER, &[v2(NET, 5)]);
    assert_eq!(words(&outputs), format!("route to {NET}: 10.2.0.2 metric 5"));
    us.hear(PEER, &[v2(NET, 4)]);
    assert_eq!(hops(&us), [FAR, PEER]);
    // One falls silent.
    for _ in 0..6 {
        us.run_for(secs(30));
        us.hear(FAR, &[v2(NET, 4)]);
    }
    assert_eq!(hops(&us), [FAR]);
    // A better one replaces all.
    us.hear(PEER, &[v2(NET, 4)]);
    us.hear(OTHER, &[v2(NET, 3)]);
    assert_eq!((hops(&us), us.metric(NET)), (vec![OTHER], Some(4)));
    // Split horizon counts for each interface that a path leads through.
    us.hear(FAR, &[v2(NET, 3)]);
    let outputs = us.run_for(secs(40));
    assert_eq!((metric_told(&outputs, A, NET), metric_told(&outputs, B, NET)), (Some(16), Some(16)));
}

#[test]
fn costs_and_offsets() {
    let net = |prefix: &str| PrefixMatch { prefix: prefix.parse().unwrap(), ge: 12, le: 12 };
    let mut us = Us::up(config_with(|i| {
        i.cost = 3;
        i.offsets_in =
            vec![Offset { prefixes: vec![net(NET)], metric: 2 }, Offset { prefixes: vec![], metric: 1 }];
        i.offsets_out = vec![Offset { prefixes: vec![net(NET)], metric: 4 }];
    }));
    us.hear(PEER, &[v2(NET, 1), v2("192.168.0.0/24", 1), v2("192.168.1.0/24", 12)]);
    assert_eq!((us.metric(NET), us.metric("192.168.0.0/24")), (Some(6), Some(5)));
    assert_eq!(us.route("192.168.1.0/24"), None);
    let outputs = us.run_for(secs(40));
    assert_eq!(metric_told(&outputs, B, NET), Some(10));
    assert_eq!(metric_told(&outputs, B, "192.168.0.0/24"), Some(5));
    // A connected network has the cost of its interface.
    assert_eq!(metric_told(&outputs, A, "10.2.0.0/16"), Some(3));
}

#[test]
fn requests_for_the_whole_table() {
    // RFC 2453 §3.9.1
    let mut us = Us::up(config());
    us.hear(PEER, &[v2(NET, 4)]);
    us.hear(FAR, &[v2("192.168.0.0/16", 2)]);
    us.run_for(secs(40));
    let ask = Message::new(Command::Request, 2, vec![Entry::WHOLE_TABLE]);
    // From a router: normal output, split horizon included, to it alone.
    let answers = us.message(A, OTHER, &ask);
    let all = sent(&answers);
    assert_eq!((all.len(), all[0].source, all[0].destination, all[0].port), (1, US, OTHER, PORT));
    let split = [("10.2.0.0/16".to_owned(), 1), (NET.to_owned(), 16), ("192.168.0.0/16".to_owned(), 3)];
    assert_eq!(told(&answers, A), split);
    // From someone who watches: all that is known, to the port that asked.
    let answers = us.datagram(A, (OTHER, 4711), &octets(&ask));
    assert_eq!((sent(&answers)[0].destination, sent(&answers)[0].port), (OTHER, 4711));
    assert_eq!(metric_told(&answers, A, NET), Some(5));
    assert_eq!(metric_told(&answers, A, "10.1.0.0/16"), Some(1));
    // "If there are no entries, no response is given."
    assert!(sent(&us.message(A, OTHER, &Message::new(Command::Request, 2, vec![]))).is_empty());
    // A higher version is answered in ours.
    let answers = us.message(A, OTHER, &Message { version: 3, ..ask });
    assert_eq!(sent(&answers)[0].message.version, 2);
}

#[test]
fn requests_for_some_routes() {
    // RFC 2453 §3.9.1: "the information is returned as is; no Split Horizon processing is done".
    let mut us = Us::up(config());
    us.hear(PEER, &[Entry::v2(p(NET), 7, NOBODY, 4)]);
    let mut other = v2("192.168.0.0/16", 1);
    other.route_tag = 99;
    let ipv6 = Entry { address_family: 10, ..v2(NET, 1) };
    let asked = vec![v2(NET, 16), other, v2("10.1.0.0/16", 3), ipv6];
    let answers = us.message(A, PEER, &Message::new(Command::Request, 2, asked.clone()));
    let answer = &sent(&answers)[0].message;
    let metrics: Vec<u32> = answer.entries.iter().map(|entry| entry.metric).collect();
    // The last is not IP, and so no entry that a response may have.
    assert_eq!(metrics, [5, 16, 1]);
    assert_eq!(answer.entries[1], Entry { metric: 16, ..asked[1] });
    us.hear(PEER, &[v2(NET, 16)]);
    let answers = us.message(A, PEER, &Message::new(Command::Request, 2, vec![v2(NET, 1)]));
    assert_eq!(told(&answers, A), [(NET.to_owned(), 16)]);
}

#[test]
fn who_is_not_answered() {
    let ask = |version| Message::new(Command::Request, version, vec![Entry::WHOLE_TABLE]);
    // RFC 2453 §4.6: "If the router is configured to send only RIP-2 messages, it should not respond to a RIP-1 Request."
    for (send, answered) in [
        (Send::None, [false, false]),
        (Send::V1, [true, false]),
        (Send::V1Compatible, [true, true]),
        (Send::V2, [false, true]),
    ] {
        for (version, wanted) in [1, 2].into_iter().zip(answered) {
            let mut us = Us::up(config_with(|i| (i.send, i.receive) = (send, Receive::Both)));
            let answers = sent(&us.message(A, PEER, &ask(version)));
            assert_eq!(!answers.is_empty(), wanted, "{send:?}, version {version}");
            // §3.10.2: "the Response version should match the Request version".
            assert!(answers.iter().all(|answer| answer.message.version == version));
            assert_eq!(us.counters().requests_other_version, u64::from(!wanted));
        }
    }
    // RFC 1058 §3.4.1: a silent process answers only other ports.
    let mut us = Us::up(config_with(|i| i.passive = true));
    assert!(sent(&us.message(A, PEER, &ask(2))).is_empty());
    assert_eq!(us.counters().requests_unanswered, 1);
    assert!(!sent(&us.datagram(A, (PEER, 1234), &octets(&ask(2)))).is_empty());
}

#[test]
fn version_2_without_a_mask() {
    // RFC 2453 §4.3: "no subnet mask has been included": as version 1.
    let mut us = Us::up(config());
    let bare = |address: &str| Entry { subnet_mask: NOBODY, ..v1(address, 1) };
    us.hear(
        PEER,
        &[bare("172.16.0.0"), bare("192.0.2.9"), bare("0.0.0.0"), bare("10.77.0.0"), bare("10.77.1.0")],
    );
    for prefix in ["172.16.0.0/16", "192.0.2.9/32", "0.0.0.0/0", "10.77.0.0/16", "10.77.1.0/32"] {
        assert_eq!(us.metric(prefix), Some(2), "{prefix}");
    }
}

#[test]
fn who_is_as_new_as_we_are_is_asked_once_more() {
    let mut us = Us::bare(config());
    us.interface(A, "a", true, &[(US, 16)]);
    let whole = Message::new(Command::Request, 2, vec![Entry::WHOLE_TABLE]);
    const NOBODY: [Ipv4Addr; 0] = [];
    let asked = |outputs: &[Output]| -> Vec<Ipv4Addr> {
        let asks = sent(outputs).into_iter().filter(|sent| sent.message.asks_for_whole_table());
        asks.map(|sent| sent.destination).collect()
    };
    // It was not there yet when we asked, and will not tell by itself what is not new to it.
    assert_eq!(asked(&us.message(A, PEER, &whole)), [PEER]);
    assert_eq!(asked(&us.message(A, PEER, &whole)), NOBODY, "once");
    assert_eq!(asked(&us.message(A, OTHER, &whole)), [OTHER]);
    // Who only watches has nothing to tell, and who comes late tells all by itself.
    let mut octets = Vec::new();
    whole.emit(&mut octets);
    assert_eq!(asked(&us.datagram(A, ([10, 1, 0, 77].into(), 5000), &octets)), NOBODY);
    us.interface(A, "a", false, &[(US, 16)]);
    us.interface(A, "a", true, &[(US, 16)]);
    assert_eq!(asked(&us.message(A, PEER, &whole)), [PEER], "after each beginning");
    us.run_for(secs(40));
    assert_eq!(asked(&us.message(A, OTHER, &whole)), NOBODY);
}

#[test]
fn a_request_goes_out_when_an_interface_comes_up() {
    // RFC 2453 §3.9.1: "When a router first comes up, it multicasts a Request on every connected network".
    let mut us = Us::bare(config());
    let outputs = sent(&us.interface(A, "a", true, &[(US, 16)]));
    let request = &outputs[0];
    assert!(request.message.asks_for_whole_table());
    assert_eq!((request.source, request.destination, request.port), (US, MULTICAST, PORT));
    assert!(sent(&us.interface(A, "a", true, &[(US, 16)])).is_empty(), "nothing changed");
    us.interface(A, "a", false, &[(US, 16)]);
    assert_eq!(us.rip.poll_timeout().is_some(), us.route("10.1.0.0/16").is_some());
    assert!(sent(&us.interface(A, "a", true, &[(US, 16)]))[0].message.asks_for_whole_table());
    assert_eq!(us.counters().requests_sent, 2);
}
