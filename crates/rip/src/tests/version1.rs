//! Version 1 and subnets (RFC 1058 §3.2, RFC 2453 §3.7, §4.3). The example is the RFC's: net 128.6 with the mask
//! 255.255.255.0, and another network behind us.

use super::*;

const INSIDE: Ipv4Addr = Ipv4Addr::new(128, 6, 4, 1);
const OUTSIDE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);

/// `a` is inside net 128.6, `b` outside.
fn border(send: Send) -> Us {
    let mut us = Us::bare(config_with(|i| (i.send, i.receive) = (send, Receive::Both)));
    us.interface(A, "a", true, &[(INSIDE, 24)]);
    us.interface(B, "b", true, &[(OUTSIDE, 24)]);
    us.run_until(s(100));
    us
}

fn hear_v1(us: &mut Us, on: InterfaceId, entries: &[(&str, u8)]) {
    let source = if on == A { [128, 6, 4, 2] } else { [192, 0, 2, 2] };
    let entries =
        entries.iter().map(|(address, metric)| Entry::v1(address.parse().unwrap(), *metric)).collect();
    us.message(on, source.into(), &Message::new(Command::Response, 1, entries));
}

#[test]
fn what_an_address_means() {
    let mut us = border(Send::V1);
    // "128.6.4.0 is a subnet number, and 128.6.4.1 is a host address."
    hear_v1(
        &mut us,
        A,
        &[("128.6.5.0", 1), ("128.6.7.1", 1), ("0.0.0.0", 3), ("10.0.0.0", 2), ("10.1.0.0", 2)],
    );
    for (prefix, metric) in
        [("128.6.5.0/24", 2), ("128.6.7.1/32", 2), ("0.0.0.0/0", 4), ("10.0.0.0/8", 3), ("10.1.0.0/32", 3)]
    {
        assert_eq!(us.metric(prefix), Some(metric), "{prefix}");
    }
    // Who is outside does not know the mask: it is a host, or the network as a whole.
    hear_v1(&mut us, B, &[("128.6.9.0", 1), ("128.6.0.0", 1)]);
    assert_eq!((us.metric("128.6.9.0/32"), us.metric("128.6.0.0/16")), (Some(2), Some(2)));
    assert_eq!(us.metric("128.6.9.0/24"), None);
}

#[test]
fn subnets_are_not_told_across_the_border() {
    for send in [Send::V1, Send::V1Compatible] {
        let mut us = border(send);
        hear_v1(&mut us, A, &[("128.6.5.0", 4), ("128.6.7.1", 1)]);
        us.input(Input::Redistribute { prefix: p("198.51.100.64/26"), metric: 5, tag: 0, next_hop: None });
        us.input(Input::Redistribute { prefix: p("198.51.100.0/26"), metric: 7, tag: 0, next_hop: None });
        us.input(Input::Redistribute { prefix: p("203.0.113.0/24"), metric: 2, tag: 0, next_hop: None });
        us.input(Input::Redistribute { prefix: p("172.16.0.0/12"), metric: 2, tag: 0, next_hop: None });
        us.input(Input::Redistribute { prefix: p("128.6.8.0/25"), metric: 2, tag: 0, next_hop: None });
        us.input(Input::Redistribute { prefix: p("0.0.0.0/0"), metric: 2, tag: 0, next_hop: None });
        us.run_for(secs(10));
        let mask = |address: &str, mask: &str| match send {
            Send::V1 if address != "0.0.0.0" => address.to_owned(),
            _ => format!("{address}/{mask}"),
        };
        // "a single entry for the network as a whole", with the smallest metric: that of 128.6.4.0 itself.
        let outside = [
            (mask("0.0.0.0", "0"), 2),
            (mask("128.6.0.0", "16"), 1),
            (mask("198.51.100.0", "24"), 5),
            (mask("203.0.113.0", "24"), 2),
        ];
        assert_eq!(update_told(&mut us, B), outside, "no supernet, no host, no subnet");
        // Inside, subnets with the same mask: not our own, with what came from there poisoned.
        let inside = [
            (mask("0.0.0.0", "0"), 2),
            (mask("128.6.5.0", "24"), 16),
            (mask("128.6.7.1", "32"), 16),
            (mask("192.0.2.0", "24"), 1),
            (mask("198.51.100.0", "24"), 5),
            (mask("203.0.113.0", "24"), 2),
        ];
        assert_eq!(sorted(update_told(&mut us, A)), inside, "not 128.6.8.0/25, which would be a host there");
    }
}

fn sorted(mut list: Vec<(String, u32)>) -> Vec<(String, u32)> {
    list.sort();
    list
}

#[test]
fn the_network_as_a_whole_follows_its_subnets() {
    let mut us = border(Send::V1);
    us.interface(InterfaceId(3), "c", true, &[]);
    hear_v1(&mut us, A, &[("128.6.5.0", 4)]);
    us.run_for(secs(10));
    // Our own subnet goes: the metric is now that of the other.
    us.input(Input::Redistribute { prefix: p("10.9.0.0/16"), metric: 7, tag: 0, next_hop: None });
    us.input(Input::Redistribute { prefix: p("10.8.0.0/16"), metric: 3, tag: 0, next_hop: None });
    let mut outputs = us.run_for(secs(36));
    assert_eq!(metric_told(&outputs, B, "10.0.0.0"), Some(3));
    outputs.clear();
    outputs.extend(us.input(Input::Withdraw(p("10.8.0.0/16"))));
    outputs.extend(us.run_for(secs(6)));
    assert_eq!(metric_told(&outputs, B, "10.0.0.0"), Some(7));
    outputs.extend(us.input(Input::Withdraw(p("10.9.0.0/16"))));
    outputs.extend(us.run_for(secs(6)));
    assert_eq!(metric_told(&outputs, B, "10.0.0.0"), Some(16));
}

#[test]
fn version_2_tells_everything() {
    let mut us = border(Send::V2);
    us.input(Input::Redistribute { prefix: p("198.51.100.64/26"), metric: 5, tag: 0, next_hop: None });
    us.input(Input::Redistribute { prefix: p("172.16.0.0/12"), metric: 2, tag: 0, next_hop: None });
    let all = ["128.6.4.0/24", "172.16.0.0/12", "198.51.100.64/26"];
    assert_eq!(update_told(&mut us, B).iter().map(|(prefix, _)| prefix.as_str()).collect::<Vec<_>>(), all);
}

#[test]
fn both_versions_understand_one_another() {
    // One speaks version 1, the other version 2 by broadcast; both hear both.
    let switch = |send| config_with(|i| (i.send, i.receive) = (send, Receive::Both));
    let mut one = Us::up(switch(Send::V1));
    let mut two = Us::bare(switch(Send::V1Compatible));
    two.interface(A, "a", true, &[(PEER, 16)]);
    two.interface(B, "b", true, &[([192, 168, 5, 1].into(), 24)]);
    let all = two.run_until(s(100));
    assert!(told(&all, A).contains(&("192.168.5.0/24".to_owned(), 1)));
    for _ in 0..2 {
        let end = one.now + secs(40);
        let (a, b) = (sent(&one.run_until(end)), sent(&two.run_until(end)));
        a.iter().filter(|m| m.interface == A).for_each(|m| drop(two.datagram(A, (US, PORT), &m.octets)));
        b.iter().filter(|m| m.interface == A).for_each(|m| drop(one.datagram(A, (PEER, PORT), &m.octets)));
    }
    assert_eq!(one.metric("192.168.5.0/24"), Some(2));
    assert_eq!(two.metric("10.2.0.0/16"), Some(2));
    assert_eq!((one.counters().must_be_zero, two.counters().must_be_zero), (0, 0));
}
