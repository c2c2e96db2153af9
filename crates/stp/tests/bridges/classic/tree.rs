//! Cold start, failures, changes of the topology, with the times of IEEE 802.1D-1998.

use super::*;
use trunkline_core::{Duration, PortId};
use trunkline_stp::{BridgeId, Event, Input, PortConfig};
use trunkline_wire::stp::Flags;

#[test]
fn cold_start_takes_twice_forward_delay() {
    // §8.4: Listening, then Learning, Forward Delay each
    let mut s = square(|_| {});
    s.net.run_for(secs(60.0));
    for (bridge, lan, role) in [
        (A, s.ab, PortRole::Designated),
        (B, s.ab, PortRole::Root),
        (B, s.bd, PortRole::Designated),
        (C, s.ac, PortRole::Root),
        (C, s.cd, PortRole::Designated),
        (D, s.bd, PortRole::Root),
    ] {
        let end = s.net.end(lan, bridge);
        assert_eq!(s.net.role(end), role);
        for (state, at) in [(PortState::Listening, 0), (PortState::Learning, 15), (PortState::Forwarding, 30)]
        {
            assert_eq!(
                s.net.when(end, state, Instant::ZERO),
                Some(Instant::from_secs(at)),
                "{end:?} {state}"
            );
        }
    }
    let blocked = s.net.end(s.cd, D);
    assert_eq!(s.net.when(blocked, PortState::Learning, Instant::ZERO), None);
    assert_eq!(s.net.stands(blocked), (PortRole::Alternate, PortState::Blocking));
    assert_eq!(s.net.loops, []);
}

#[test]
fn only_the_root_sends_of_itself_others_relay_what_comes_to_the_root_port() {
    // §8.6.4, §8.7.1, §8.7.3
    let mut s = settled(|_| {});
    let since = s.net.now;
    s.net.run_for(secs(20.0));
    let hellos = s.net.sent_by(s.net.end(s.ab, A), since);
    assert_eq!(hellos.len(), 10, "one each Hello Time");
    let relayed = s.net.sent_by(s.net.end(s.bd, B), since);
    assert_eq!(relayed.len(), 10);
    for ((hello, at_root), (relay, at_b)) in hellos.iter().zip(&relayed) {
        assert_eq!(*relay, *hello + DELAY, "as soon as it came");
        assert_eq!(config(at_root).unwrap().message_age, Time(0));
        assert_eq!(config(at_b).unwrap().message_age, Time::from_secs(1), "Message Age Increment");
    }
    assert_eq!(s.net.sent_by(s.net.end(s.cd, D), since), [], "a blocked port is silent");
    assert_eq!(s.net.sent_by(s.net.end(s.bd, D), since), [], "and the root port");
    // The root port hears nothing any more, and the link stays up: nobody sends until what is held has aged
    let since = s.net.now;
    s.net.lans[s.ab].loss = 1000;
    let (at, age) = last_heard(&s.net, B, s.ab);
    s.net.run_for(secs(30.0));
    let first = s.net.sent_by(s.net.end(s.bd, B), since)[0];
    assert_eq!((first.0, age), (at + secs(20.0), Time(0)), "Max Age later B is the root and says so");
    assert_eq!(config(&first.1).unwrap().root, s.net.id(B));
}

#[test]
fn a_designated_port_answers_worse_news_at_once() {
    // §8.6.5, §8.7.1; and at most once in Hold Time, §8.6.1, §8.7.8
    let mut s = settled(|_| {});
    let port = s.net.end(s.ab, A).1;
    s.net.run_for(secs(1.5));
    let since = s.net.now;
    let body =
        Priority { root: s.net.id(D), ..config(&s.net.sent_by((A, port), Instant::ZERO)[0].1).unwrap() };
    let worse = Message::Bpdu(Bpdu::Config(Priority { bridge: s.net.id(D), ..body })).frame(address(9));
    for _ in 0..50 {
        s.net.feed(A, Input::Frame { port, frame: &worse });
        s.net.run_for(secs(0.01));
    }
    s.net.run_for(secs(2.0));
    let sent: Vec<Instant> = s.net.sent_by((A, port), since).into_iter().map(|(at, _)| at).collect();
    assert_eq!(sent[0], since);
    assert_eq!(sent[1], since + secs(1.0), "the rest is one, when Hold Time is over");
    assert!(sent.windows(2).all(|pair| pair[1].since(pair[0]) >= secs(1.0)), "{sent:?}");
}

#[test]
fn a_thousand_worse_bpdus_a_second_move_nothing() {
    // §8.6.1, §8.6.5
    let mut s = settled(|c| c.backbone_fast = true);
    let (since, end) = (s.net.now, s.net.end(s.ab, A));
    let before = s.net.counter(end, "rx_config");
    let body = config(&s.net.sent_by(end, Instant::ZERO)[0].1).unwrap();
    // From ever other bridges
    for n in 0..10_000u64 {
        let worse = BridgeId(0xf000_0200_0000_0000 | n);
        let bpdu = Message::Bpdu(Bpdu::Config(Priority { root: worse, bridge: worse, ..body }));
        s.net.feed(A, Input::Frame { port: end.1, frame: &bpdu.frame(address(9)) });
        s.net.run_for(secs(0.001));
    }
    assert_eq!(s.net.counter(end, "rx_config"), before + 10_000);
    let sent = s.net.sent_by(end, since).len();
    assert!(sent <= 12, "one in Hold Time at most: {sent}");
    let events: usize = (0..4).map(|b| s.net.events_of(b, since).len()).sum();
    assert_eq!(events, 0, "nobody noticed");
    s.net.assert_settled();
}

/// What a bridge did with roles, states and the root since then.
fn moves(net: &Net, bridge: usize, since: Instant) -> Vec<(Instant, Event)> {
    let is_note = |event: &Event| matches!(event, Event::TopologyChange { .. });
    net.events_of(bridge, since).into_iter().filter(|(_, event)| !is_note(event)).collect()
}

#[test]
fn the_link_of_a_blocked_port_fails_nothing_happens() {
    let mut s = settled(|_| {});
    let since = s.net.now;
    s.net.cut(s.cd);
    s.net.run_for(secs(60.0));
    let port = s.net.end(s.cd, D).1;
    let state = Event::State { port, from: PortState::Blocking, to: PortState::Disabled };
    let role = Event::Role { port, from: PortRole::Alternate, to: PortRole::Disabled };
    assert_eq!(moves(&s.net, D, since), [(since, state), (since, role)], "of the port alone");
    assert_eq!(s.net.role(s.net.end(s.bd, D)), PortRole::Root);
    // Its other end forwarded: that is a change of the topology, but nobody else moves
    assert_eq!([A, B].map(|bridge| moves(&s.net, bridge, since)), [[], []]);
}

#[test]
fn the_link_of_the_root_port_fails_the_alternate_forwards_after_30_seconds() {
    let mut s = settled(|_| {});
    let since = s.net.now;
    s.net.cut(s.bd);
    let alternate = s.net.end(s.cd, D);
    assert_eq!(s.net.stands(alternate), (PortRole::Root, PortState::Listening));
    // At B, where the port was designated, nothing else happens
    assert!(moves(&s.net, B, since).iter().all(|(_, event)| match event {
        Event::Role { port, .. } | Event::State { port, .. } => *port == s.net.end(s.bd, B).1,
        _ => false,
    }));
    s.net.run_for(secs(40.0));
    assert_eq!(s.net.when(alternate, PortState::Learning, since), Some(since + secs(15.0)));
    assert_eq!(s.net.when(alternate, PortState::Forwarding, since), Some(since + secs(30.0)));
    s.net.assert_settled();
    assert_eq!(s.net.loops, []);
}

#[test]
fn an_indirect_failure_takes_max_age_and_30_seconds() {
    // C loses its only way to A and claims to be the root; D ignores that until what it held has aged: Max Age less the
    // age that it came with (§8.6.2, §8.7.4), here one second. 50 s is the longest.
    let mut s = settled(|_| {});
    let since = s.net.now;
    s.net.cut(s.ac);
    let claims = s.net.sent_by(s.net.end(s.cd, C), since);
    assert_eq!(claims[0].0, since, "no root port is left: it declares itself the root and says so at once");
    let claim = config(&claims[0].1).unwrap();
    assert_eq!((claim.root, claim.bridge, claim.root_path_cost), (s.net.id(C), s.net.id(C), 0));
    let held = s.net.sent_by(s.net.end(s.cd, C), Instant::ZERO);
    let (at, body) = held
        .iter()
        .rev()
        .find_map(|(at, m)| config(m).filter(|b| b.root == s.net.id(A)).map(|b| (*at, b)))
        .unwrap();
    assert_eq!(body.message_age, Time::from_secs(1));
    let aged = at + DELAY + secs(20.0 - 1.0);
    let blocked = s.net.end(s.cd, D);
    s.net.run_for(aged.since(since) - secs(0.001));
    assert_eq!(s.net.state(blocked), PortState::Blocking, "ignored so far");
    assert_eq!(moves(&s.net, D, since), []);
    s.net.run_for(secs(40.0));
    assert_eq!(s.net.when(blocked, PortState::Listening, since), Some(aged));
    assert_eq!(s.net.when(blocked, PortState::Forwarding, since), Some(aged + secs(30.0)));
    let total = (aged + secs(30.0)).since(since);
    assert!(total <= secs(50.0) && total > secs(46.0), "{total:?}");
    s.net.assert_settled();
    assert_eq!(s.net.loops, []);
}

#[test]
fn worse_news_of_the_designated_bridge_are_not_believed_before_the_old_have_aged() {
    // §8.6.2.2: B finds another way to the root that costs more; D's root port holds on to the old cost for Max Age.
    let mut net = bridges(3, |_| {});
    let good = net.lan(&[A, B]);
    net.lan_with(&[(A, PortConfig::new(0)), (B, PortConfig { path_cost: Some(100), ..PortConfig::new(0) })]);
    let bc = net.lan(&[B, C]);
    net.run_for(secs(71.5));
    let port = net.end(bc, C);
    let since = net.now;
    let (at, age) = last_heard(&net, C, bc);
    net.cut(good);
    net.run_for(secs(60.0));
    let roots: Vec<Instant> = net
        .events_of(C, since)
        .into_iter()
        .filter(|(_, event)| matches!(event, Event::Root { .. }))
        .map(|(at, _)| at)
        .collect();
    assert_eq!(age, Time::from_secs(1));
    assert_eq!(roots[0], at + secs(19.0), "until then nothing; then it is the root itself");
    assert!(
        roots.len() == 2 && roots[1].since(roots[0]) <= secs(2.0) + DELAY,
        "until the next hello: {roots:?}"
    );
    assert_eq!(net.role(port), PortRole::Root);
    net.assert_settled();
}

#[test]
fn own_information_on_another_port_is_no_way_to_a_lost_root() {
    // A backup port holds what this bridge itself said of the root
    let mut net = bridges(2, |_| {});
    let up = net.lan(&[A, B]);
    let shared = net.lan(&[B, B]);
    net.run_for(secs(60.0));
    assert_eq!(net.role((B, PortId(2))), PortRole::Backup);
    net.assert_settled();
    let since = net.now;
    net.cut(up);
    assert_eq!(
        net.events_of(B, since).last().unwrap().1,
        Event::Root { from: net.id(A), to: net.id(B), port: None }
    );
    net.run_for(secs(60.0));
    net.assert_settled();
    assert_eq!(net.lans[shared].ends.len(), 2);
    assert_eq!(net.loops, []);
}

#[test]
fn changes_of_the_topology_go_hop_by_hop_to_the_root_and_age_all_stations() {
    // §8.5.3.12, §8.6.14 to §8.6.16, §8.7.2. A chain A - B - C, and a station's port at C. C's own Hello Time is 1 s.
    let mut net = bridges(3, |c| c.hello_time = [2, 4, 1][usize::from(c.priority / 4096)]);
    let (ab, bc) = (net.lan(&[A, B]), net.lan(&[B, C]));
    let station = net.lan(&[C]);
    net.run_for(secs(120.5));
    assert_eq!([A, B, C].map(|b| net.bridges[b].ageing), [None; 3]);
    let up = |net: &Net| [net.end(bc, C), net.end(ab, B)];
    let since = net.now;
    // B hears no TCN at first, so that C must repeat it each second: its own Hello Time, not the root's
    net.drops = Some(Box::new(move |end, message| end.0 == C && is_tcn(message)));
    net.cut(station);
    net.run_for(secs(5.2));
    let tcn = |net: &Net, end| -> Vec<Instant> {
        net.sent_by(end, since).into_iter().filter(|(_, m)| is_tcn(m)).map(|(at, _)| at).collect()
    };
    assert_eq!(tcn(&net, up(&net)[0]), (0..6).map(|n| since + Duration::from_secs(n)).collect::<Vec<_>>());
    assert_eq!(tcn(&net, up(&net)[1]), []);
    net.drops = None;
    net.run_for(secs(3.0));
    let heard = since + secs(6.0) + DELAY;
    assert_eq!(tcn(&net, up(&net)[0]).len(), 7, "acknowledged: no more");
    assert_eq!(tcn(&net, up(&net)[1]), [heard], "the next bridge does the same");
    let first = |end, flag: Flags| {
        let of = |(at, m): &(Instant, Message)| config(m).filter(|b| b.flags.has(flag)).map(|_| *at);
        net.sent_by(end, since).iter().find_map(of)
    };
    let (down_b, down_a) = (net.end(bc, B), net.end(ab, A));
    let acknowledged = first(down_b, Flags::TOPOLOGY_CHANGE_ACK).unwrap();
    assert!(acknowledged.since(heard) <= secs(1.0), "at once, or when Hold Time is over");
    assert!(first(down_a, Flags::TOPOLOGY_CHANGE_ACK).unwrap() >= heard + DELAY);
    let acks =
        |(_, m): &&(Instant, Message)| config(m).is_some_and(|b| b.flags.has(Flags::TOPOLOGY_CHANGE_ACK));
    assert_eq!(net.sent_by(down_b, since).iter().filter(acks).count(), 1, "once for each");
    assert_eq!(net.sent_by(down_a, since).iter().filter(acks).count(), 1);
    // The root flags it for Max Age + Forward Delay; while it does, stations age with Forward Delay
    let at_root = heard + DELAY;
    net.run_for(secs(60.0));
    let ageing = |net: &Net, b: usize| -> Vec<(Instant, Option<Duration>)> {
        let of = net.ageing.iter().filter(|(at, bridge, _)| *bridge == b && *at >= since);
        of.map(|(at, _, time)| (*at, *time)).collect()
    };
    assert_eq!(ageing(&net, A), [(at_root, Some(secs(15.0))), (at_root + secs(35.0), None)]);
    let flagged = |end| -> Vec<Instant> {
        let of = |(at, m): (Instant, Message)| {
            config(&m).filter(|b| b.flags.has(Flags::TOPOLOGY_CHANGE)).map(|_| at)
        };
        net.sent_by(end, since).into_iter().filter_map(of).collect()
    };
    for lower in [B, C] {
        let by = ageing(&net, lower);
        assert_eq!(by.iter().map(|(_, time)| *time).collect::<Vec<_>>(), [Some(secs(15.0)), None]);
        assert!(
            by[1].0 > at_root + secs(35.0) && by[1].0 <= at_root + secs(37.1),
            "with the first hello without"
        );
    }
    assert!(flagged(down_a).iter().all(|at| *at >= at_root && *at <= at_root + secs(35.0)));
    assert_eq!(flagged(down_a).len(), flagged(down_b).len());
}

#[test]
fn a_link_that_comes_up_is_a_change_of_the_topology_only_when_it_forwards() {
    // §8.6.14: to Forwarding; a bridge that serves no LAN does not tell (§8.7.5)
    let mut net = bridges(2, |_| {});
    let ab = net.lan(&[A, B]);
    net.run_for(secs(100.0));
    let tcn = net.sent_by(net.end(ab, B), Instant::ZERO).iter().filter(|(_, m)| is_tcn(m)).count();
    assert_eq!(tcn, 0, "B has its root port alone");
    let station = net.lan(&[B]);
    let since = net.now;
    net.restore(station);
    net.run_for(secs(29.9));
    let changes = |net: &Net| {
        let is = |(_, event): &&(Instant, Event)| matches!(event, Event::TopologyChange { .. });
        net.events_of(B, since).iter().filter(is).map(|(at, event)| (*at, *event)).collect::<Vec<_>>()
    };
    assert_eq!(changes(&net), []);
    net.run_for(secs(0.2));
    let port = net.end(station, B).1;
    assert_eq!(changes(&net)[0], (since + secs(30.0), Event::TopologyChange { port, detected: true }));
}
