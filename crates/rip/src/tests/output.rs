//! What is told where: split horizon, filters, destinations, messages (RFC 2453 §3.4.3, §3.10).

use super::*;
use trunkline_wire::rip::MULTICAST;

const NET: &str = "172.16.0.0/12";

/// The regular update on an interface after PEER on `a` said NET with metric 4.
fn update(change: impl Fn(&mut InterfaceConfig)) -> Us {
    let mut us = Us::up(config_with(change));
    us.hear(PEER, &[v2(NET, 4)]);
    us.run_for(secs(10));
    us
}

#[test]
fn split_horizon() {
    // RFC 2453 §3.4.3
    for (split_horizon, on_a, on_b) in [
        (SplitHorizon::Off, Some(5), Some(5)),
        (SplitHorizon::Simple, None, Some(5)),
        (SplitHorizon::PoisonedReverse, Some(16), Some(5)),
    ] {
        let mut us = update(|i| i.split_horizon = split_horizon);
        let outputs = us.run_for(secs(36));
        assert_eq!((metric_told(&outputs, A, NET), metric_told(&outputs, B, NET)), (on_a, on_b));
        let own = metric_told(&outputs, A, "10.1.0.0/16");
        assert_eq!(own, (split_horizon == SplitHorizon::Off).then_some(1), "{split_horizon:?}");
        assert_eq!(metric_told(&outputs, B, "10.1.0.0/16"), Some(1));
        // §3.10.2: "Routes must be included in the datagram even if their metrics are infinite."
        us.hear(PEER, &[v2(NET, 16)]);
        let outputs = us.run_for(secs(36));
        let on_a = (split_horizon != SplitHorizon::Simple).then_some(16);
        assert_eq!((metric_told(&outputs, A, NET), metric_told(&outputs, B, NET)), (on_a, Some(16)));
    }
}

#[test]
fn destinations() {
    // RFC 2453 §5.1: the compatibility switch.
    let broadcast: Ipv4Addr = [10, 1, 255, 255].into();
    for (send, version, destination) in [
        (Send::V1, 1, Some(broadcast)),
        (Send::V1Compatible, 2, Some(broadcast)),
        (Send::V2, 2, Some(MULTICAST)),
        (Send::None, 0, None),
    ] {
        let mut us = Us::up(config_with(|i| i.send = send));
        let outputs = sent(&us.run_for(secs(36)));
        let on_a: Vec<_> = outputs.iter().filter(|sent| sent.interface == A).collect();
        assert_eq!(on_a.first().map(|sent| sent.destination), destination);
        assert!(
            on_a.iter().all(|sent| (sent.message.version, sent.source, sent.port) == (version, US, PORT))
        );
    }
    // Neighbours by name, also on a passive interface; who is in none of our subnets gets nothing.
    for passive in [false, true] {
        let mut us = Us::up(config_with(|i| {
            i.passive = passive;
            i.neighbors = vec![PEER, OTHER, FAR];
        }));
        let outputs = sent(&us.run_for(secs(36)));
        let on = |id| outputs.iter().filter(|s| s.interface == id).map(|s| s.destination).collect::<Vec<_>>();
        let mut wanted = vec![MULTICAST, PEER, OTHER];
        wanted.drain(..usize::from(passive));
        assert_eq!(on(A), wanted);
        assert_eq!(on(B).last(), Some(&FAR));
        // The same octets for all.
        let first = outputs.iter().find(|s| s.interface == A).unwrap();
        assert!(outputs.iter().filter(|s| s.interface == A).all(|s| Arc::ptr_eq(&s.octets, &first.octets)));
    }
}

#[test]
fn every_subnet_of_an_interface_hears_us_from_its_own() {
    let mut us = Us::bare(config());
    let second = [192, 168, 1, 1].into();
    us.interface(
        A,
        "a",
        true,
        &[(US, 16), ([10, 1, 0, 9].into(), 16), (second, 24), ([198, 51, 100, 0].into(), 31)],
    );
    us.interface(B, "b", true, &[(US_B, 16)]);
    us.run_for(secs(10));
    let outputs = sent(&us.run_for(secs(36)));
    let sources: Vec<_> = outputs.iter().filter(|s| s.interface == A).map(|s| s.source).collect();
    assert_eq!(sources, [US, second, [198, 51, 100, 0].into()]);
    // Answers come from the address that the neighbour knows.
    let answers =
        us.message(A, [192, 168, 1, 7].into(), &Message::new(Command::Request, 2, vec![Entry::WHOLE_TABLE]));
    assert_eq!(sent(&answers)[0].source, second);
}

#[test]
fn filters() {
    let list = |prefix: &str, accept| {
        let prefixes = vec![trunkline_core::PrefixMatch { prefix: prefix.parse().unwrap(), ge: 0, le: 32 }];
        FilterRule { prefixes, accept }
    };
    let rest = FilterRule { prefixes: vec![], accept: true };
    let filter = Arc::new(Filter { rules: vec![list(NET, false), rest] });
    let mut us = Us::up(config_with(|i| i.filter_in = Some(filter.clone())));
    us.hear(PEER, &[v2(NET, 4), v2("192.168.0.0/16", 4)]);
    assert_eq!((us.metric(NET), us.metric("192.168.0.0/16")), (None, Some(5)));
    assert_eq!(us.counters().entries_filtered, 1);
    let mut us = update(|i| i.filter_out = Some(filter.clone()));
    let outputs = us.run_for(secs(36));
    assert_eq!((us.metric(NET), metric_told(&outputs, B, NET)), (Some(5), None));
    assert_eq!(metric_told(&outputs, B, "10.1.0.0/16"), Some(1));
    // What no rule matches is rejected.
    let only = Arc::new(Filter { rules: vec![list(NET, true)] });
    let mut us = update(|i| i.filter_out = Some(only.clone()));
    assert_eq!(update_told(&mut us, B), [(NET.to_owned(), 5)]);
}

#[test]
fn a_large_table_is_cut_into_messages() {
    // RFC 2453 §3.6: 25 entries; RFC 1058 §3.1: 512 octets; and the MTU.
    for (mtu, most) in [(1500, 25), (576, 25), (400, 18), (60, 1), (0, 1)] {
        let mut us = Us::bare(config());
        us.input(Input::Interface { id: A, name: "a", up: true, addresses: &[(US, 16)], mtu });
        us.interface(B, "b", true, &[(US_B, 16)]);
        for n in 0..60u32 {
            let prefix = Ipv4Prefix::from_bits(0xc0a8_0000 | n << 8, 24);
            us.input(Input::Redistribute { prefix, metric: 2, tag: n as u16, next_hop: None });
        }
        us.run_for(secs(10));
        let outputs = us.run_for(secs(36));
        let sizes: Vec<_> =
            sent(&outputs).iter().filter(|s| s.interface == A).map(|s| s.message.entries.len()).collect();
        assert_eq!(sizes.iter().sum::<usize>(), 61);
        assert!(sizes[..sizes.len() - 1].iter().all(|size| *size == most), "{mtu}: {sizes:?}");
        let fits =
            |sent: &Sent| mtu < 60 || (sent.octets.len() <= 512 && sent.octets.len() + 28 <= mtu.into());
        assert!(sent(&outputs).iter().filter(|s| s.interface == A).all(fits));
    }
}

#[test]
fn tags_are_kept() {
    // RFC 2453 §4.2: "must be preserved and readvertised with a route".
    let mut us = Us::up(config());
    us.hear(PEER, &[Entry::v2(p(NET), 77, NOBODY, 4)]);
    let outputs = us.run_for(secs(40));
    let entry = sent(&outputs).into_iter().filter(|s| s.interface == B).flat_map(|s| s.message.entries);
    assert_eq!(entry.filter(|e| e.prefix() == Some(p(NET))).map(|e| e.route_tag).max(), Some(77));
    // Another tag is a change.
    let outputs = us.hear(PEER, &[Entry::v2(p(NET), 78, NOBODY, 4)]);
    assert!(words(&outputs).contains("route to") && us.route(NET).unwrap().tag == 78);
    let outputs = [outputs, us.run_for(secs(6))].concat();
    assert_eq!(metric_told(&outputs, B, NET), Some(5));
}
