//! Cold start, failures, changes of the topology, with the times of IEEE 802.1D-1998.

use super::*;
use crate::rig::{Seen, What, address};
use trunkline_core::{Duration, PortId};
use trunkline_stp::{Event, Input, Output};
use trunkline_wire::stp::Flags;

#[test]
fn cold_start_takes_twice_forward_delay() {
    // §8.4: Listening, then Learning, Forward Delay each
    let mut s = square(|_| {});
    s.rig.run(secs(60.0));
    for (bridge, lan, role) in [
        (A, s.ab, PortRole::Designated),
        (B, s.ab, PortRole::Root),
        (B, s.bd, PortRole::Designated),
        (C, s.ac, PortRole::Root),
        (C, s.cd, PortRole::Designated),
        (D, s.bd, PortRole::Root),
    ] {
        let end = (bridge, s.rig.port(bridge, lan));
        assert_eq!(s.rig.role(end.0, end.1), role);
        for (state, at) in [(PortState::Listening, 0), (PortState::Learning, 15), (PortState::Forwarding, 30)]
        {
            assert_eq!(
                s.rig.when(end, state, Instant::ZERO),
                Some(Instant::from_secs(at)),
                "{end:?} {state}"
            );
        }
    }
    let blocked = (D, s.rig.port(D, s.cd));
    assert_eq!(s.rig.when(blocked, PortState::Learning, Instant::ZERO), None);
    assert_eq!(
        (s.rig.role(D, blocked.1), s.rig.state(D, blocked.1)),
        (PortRole::Alternate, PortState::Blocking)
    );
    assert_eq!(s.rig.loops, []);
}

#[test]
fn only_the_root_sends_of_itself_others_relay_what_comes_to_the_root_port() {
    // §8.6.4, §8.7.1, §8.7.3
    let mut s = settled(|_| {});
    let since = s.rig.now;
    s.rig.run(secs(20.0));
    let hellos = s.rig.sent((A, s.rig.port(A, s.ab)), since);
    assert_eq!(hellos.len(), 10, "one each Hello Time");
    let relayed = s.rig.sent((B, s.rig.port(B, s.bd)), since);
    assert_eq!(relayed.len(), 10);
    for ((hello, at_root), (relay, at_b)) in hellos.iter().zip(&relayed) {
        assert_eq!(*relay, *hello + DELAY, "as soon as it came");
        assert_eq!(config(at_root).unwrap().message_age, Time(0));
        assert_eq!(config(at_b).unwrap().message_age, Time::from_secs(1), "Message Age Increment");
    }
    assert_eq!(s.rig.sent((D, s.rig.port(D, s.cd)), since), [], "a blocked port is silent");
    assert_eq!(s.rig.sent((D, s.rig.port(D, s.bd)), since), [], "and the root port");
    // The root port hears nothing any more, and the link stays up: nobody sends until what is held has aged
    let since = s.rig.now;
    s.rig.lans[s.ab].mute = true;
    let (at, age) = last_heard(&s.rig, B, s.ab);
    s.rig.run(secs(30.0));
    let first = s.rig.sent((B, s.rig.port(B, s.bd)), since)[0];
    assert_eq!((first.0, age), (at + secs(20.0), Time(0)), "Max Age later B is the root and says so");
    assert_eq!(config(&first.1).unwrap().root, s.rig.id(B));
}

#[test]
fn a_designated_port_answers_worse_news_at_once() {
    // §8.6.5, §8.7.1; and at most once in Hold Time, §8.6.1, §8.7.8
    let mut s = settled(|_| {});
    let port = s.rig.port(A, s.ab);
    s.rig.run(secs(1.5));
    let since = s.rig.now;
    let body = Priority { root: s.rig.id(D), ..config(&s.rig.sent((A, port), Instant::ZERO)[0].1).unwrap() };
    let worse = Message::Bpdu(Bpdu::Config(Priority { bridge: s.rig.id(D), ..body })).frame(address(9));
    for _ in 0..50 {
        s.rig.input(A, Input::Frame { port, frame: &worse });
        s.rig.run(secs(0.01));
    }
    s.rig.run(secs(2.0));
    let sent: Vec<Instant> = s.rig.sent((A, port), since).into_iter().map(|(at, _)| at).collect();
    assert_eq!(sent[0], since);
    assert_eq!(sent[1], since + secs(1.0), "the rest is one, when Hold Time is over");
    assert!(sent.windows(2).all(|pair| pair[1].since(pair[0]) >= secs(1.0)), "{sent:?}");
}

/// What a bridge did with roles, states and the root since then.
fn moves(rig: &Rig, bridge: usize, since: Instant) -> Vec<(Instant, Event)> {
    let is_note = |event: &Event| matches!(event, Event::TopologyChange { .. });
    rig.events(bridge, since).into_iter().filter(|(_, event)| !is_note(event)).collect()
}

#[test]
fn the_link_of_a_blocked_port_fails_nothing_happens() {
    let mut s = settled(|_| {});
    let since = s.rig.now;
    s.rig.set_lan(s.cd, false);
    s.rig.run(secs(60.0));
    let port = s.rig.port(D, s.cd);
    let state = Event::State { port, from: PortState::Blocking, to: PortState::Disabled };
    let role = Event::Role { port, from: PortRole::Alternate, to: PortRole::Disabled };
    assert_eq!(moves(&s.rig, D, since), [(since, state), (since, role)], "of the port alone");
    assert_eq!(s.rig.role(D, s.rig.port(D, s.bd)), PortRole::Root);
    // Its other end forwarded: that is a change of the topology, but nobody else moves
    assert_eq!([A, B].map(|bridge| moves(&s.rig, bridge, since)), [[], []]);
}

#[test]
fn the_link_of_the_root_port_fails_the_alternate_forwards_after_30_seconds() {
    let mut s = settled(|_| {});
    let since = s.rig.now;
    s.rig.set_lan(s.bd, false);
    let alternate = (D, s.rig.port(D, s.cd));
    assert_eq!(
        (s.rig.role(D, alternate.1), s.rig.state(D, alternate.1)),
        (PortRole::Root, PortState::Listening)
    );
    // At B, where the port was designated, nothing else happens
    assert!(moves(&s.rig, B, since).iter().all(|(_, event)| match event {
        Event::Role { port, .. } | Event::State { port, .. } => *port == s.rig.port(B, s.bd),
        _ => false,
    }));
    s.rig.run(secs(40.0));
    assert_eq!(s.rig.when(alternate, PortState::Learning, since), Some(since + secs(15.0)));
    assert_eq!(s.rig.when(alternate, PortState::Forwarding, since), Some(since + secs(30.0)));
    assert_eq!(truth::differences(&s.rig), Vec::<String>::new());
    assert_eq!(s.rig.loops, []);
}

#[test]
fn an_indirect_failure_takes_max_age_and_30_seconds() {
    // C loses its only way to A and claims to be the root; D ignores that until what it held has aged: Max Age less the
    // age that it came with (§8.6.2, §8.7.4), here one second. 50 s is the longest.
    let mut s = settled(|_| {});
    let since = s.rig.now;
    s.rig.set_lan(s.ac, false);
    let claims = s.rig.sent((C, s.rig.port(C, s.cd)), since);
    assert_eq!(claims[0].0, since, "no root port is left: it declares itself the root and says so at once");
    let claim = config(&claims[0].1).unwrap();
    assert_eq!((claim.root, claim.bridge, claim.root_path_cost), (s.rig.id(C), s.rig.id(C), 0));
    let held = s.rig.sent((C, s.rig.port(C, s.cd)), Instant::ZERO);
    let (at, body) = held
        .iter()
        .rev()
        .find_map(|(at, m)| config(m).filter(|b| b.root == s.rig.id(A)).map(|b| (*at, b)))
        .unwrap();
    assert_eq!(body.message_age, Time::from_secs(1));
    let aged = at + DELAY + secs(20.0 - 1.0);
    let blocked = (D, s.rig.port(D, s.cd));
    s.rig.run(aged.since(since) - secs(0.001));
    assert_eq!(s.rig.state(D, blocked.1), PortState::Blocking, "ignored so far");
    assert_eq!(moves(&s.rig, D, since), []);
    s.rig.run(secs(40.0));
    assert_eq!(s.rig.when(blocked, PortState::Listening, since), Some(aged));
    assert_eq!(s.rig.when(blocked, PortState::Forwarding, since), Some(aged + secs(30.0)));
    let total = (aged + secs(30.0)).since(since);
    assert!(total <= secs(50.0) && total > secs(46.0), "{total:?}");
    assert_eq!(truth::differences(&s.rig), Vec::<String>::new());
    assert_eq!(s.rig.loops, []);
}

#[test]
fn worse_news_of_the_designated_bridge_are_not_believed_before_the_old_have_aged() {
    // §8.6.2.2: B finds another way to the root that costs more; D's root port holds on to the old cost for Max Age.
    let mut rig = Rig::new();
    for n in 0..3u16 {
        rig.bridge(Protocol::Stp, |c| c.priority = 4096 * n);
    }
    let good = rig.link(A, B);
    rig.lan(&[(A, &|_| {}), (B, &|p| p.path_cost = Some(100))]);
    let bc = rig.link(B, C);
    rig.start();
    rig.run(secs(71.5));
    let port = (C, rig.port(C, bc));
    let since = rig.now;
    let (at, age) = last_heard(&rig, C, bc);
    rig.set_lan(good, false);
    rig.run(secs(60.0));
    let roots: Vec<Instant> = rig
        .events(C, since)
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
    assert_eq!(rig.role(port.0, port.1), PortRole::Root);
    assert_eq!(truth::differences(&rig), Vec::<String>::new());
}

#[test]
fn own_information_on_another_port_is_no_way_to_a_lost_root() {
    // A backup port holds what this bridge itself said of the root
    let mut rig = Rig::new();
    rig.bridge(Protocol::Stp, |c| c.priority = 0);
    rig.bridge(Protocol::Stp, |_| {});
    let up = rig.link(A, B);
    let shared = rig.lan(&[(B, &|_| {}), (B, &|_| {})]);
    rig.start();
    rig.run(secs(60.0));
    assert_eq!(rig.role(B, PortId(2)), PortRole::Backup);
    assert_eq!(truth::differences(&rig), Vec::<String>::new());
    let since = rig.now;
    rig.set_lan(up, false);
    assert_eq!(
        rig.events(B, since).last().unwrap().1,
        Event::Root { from: rig.id(A), to: rig.id(B), port: None }
    );
    rig.run(secs(60.0));
    assert_eq!(truth::differences(&rig), Vec::<String>::new());
    assert_eq!(rig.lans[shared].ends.len(), 2);
    assert_eq!(rig.loops, []);
}

#[test]
fn changes_of_the_topology_go_hop_by_hop_to_the_root_and_age_all_stations() {
    // §8.5.3.12, §8.6.14 to §8.6.16, §8.7.2. A chain A - B - C, and a station's port at C. C's own Hello Time is 1 s.
    let mut rig = Rig::new();
    for n in 0..3u8 {
        rig.bridge(Protocol::Stp, |c| {
            c.priority = 4096 * u16::from(n);
            c.hello_time = [2, 4, 1][usize::from(n)];
        });
    }
    let (ab, bc) = (rig.link(A, B), rig.link(B, C));
    let station = rig.lan(&[(C, &|_| {})]);
    rig.start();
    rig.run(secs(120.5));
    assert_eq!([A, B, C].map(|b| rig.bridges[b].ageing), [None; 3]);
    let up = |rig: &Rig| [(C, rig.port(C, bc)), (B, rig.port(B, ab))];
    let since = rig.now;
    // B hears no TCN at first, so that C must repeat it each second: its own Hello Time, not the root's
    rig.drops = Some(Box::new(move |end, message| end.0 == C && is_tcn(message)));
    rig.set_lan(station, false);
    rig.run(secs(5.2));
    let tcn = |rig: &Rig, end| -> Vec<Instant> {
        rig.sent(end, since).into_iter().filter(|(_, m)| is_tcn(m)).map(|(at, _)| at).collect()
    };
    assert_eq!(tcn(&rig, up(&rig)[0]), (0..6).map(|n| since + Duration::from_secs(n)).collect::<Vec<_>>());
    assert_eq!(tcn(&rig, up(&rig)[1]), []);
    rig.drops = None;
    rig.run(secs(3.0));
    let heard = since + secs(6.0) + DELAY;
    assert_eq!(tcn(&rig, up(&rig)[0]).len(), 7, "acknowledged: no more");
    assert_eq!(tcn(&rig, up(&rig)[1]), [heard], "the next bridge does the same");
    let first = |end, flag: Flags| {
        let of = |(at, m): &(Instant, Message)| config(m).filter(|b| b.flags.has(flag)).map(|_| *at);
        rig.sent(end, since).iter().find_map(of)
    };
    let (down_b, down_a) = ((B, rig.port(B, bc)), (A, rig.port(A, ab)));
    let acknowledged = first(down_b, Flags::TOPOLOGY_CHANGE_ACK).unwrap();
    assert!(acknowledged.since(heard) <= secs(1.0), "at once, or when Hold Time is over");
    assert!(first(down_a, Flags::TOPOLOGY_CHANGE_ACK).unwrap() >= heard + DELAY);
    let acks =
        |(_, m): &&(Instant, Message)| config(m).is_some_and(|b| b.flags.has(Flags::TOPOLOGY_CHANGE_ACK));
    assert_eq!(rig.sent(down_b, since).iter().filter(acks).count(), 1, "once for each");
    assert_eq!(rig.sent(down_a, since).iter().filter(acks).count(), 1);
    // The root flags it for Max Age + Forward Delay; while it does, stations age with Forward Delay
    let at_root = heard + DELAY;
    rig.run(secs(60.0));
    let ageing = |rig: &Rig, b: usize| -> Vec<(Instant, Option<Duration>)> {
        let of = |s: &Seen| match s.what {
            What::Out(Output::AgeingTime(time)) if s.bridge == b && s.at >= since => Some((s.at, time)),
            _ => None,
        };
        rig.seen.iter().filter_map(of).collect()
    };
    assert_eq!(ageing(&rig, A), [(at_root, Some(secs(15.0))), (at_root + secs(35.0), None)]);
    let flagged = |end| -> Vec<Instant> {
        let of = |(at, m): (Instant, Message)| {
            config(&m).filter(|b| b.flags.has(Flags::TOPOLOGY_CHANGE)).map(|_| at)
        };
        rig.sent(end, since).into_iter().filter_map(of).collect()
    };
    for lower in [B, C] {
        let by = ageing(&rig, lower);
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
    let mut rig = Rig::new();
    for n in 0..2u16 {
        rig.bridge(Protocol::Stp, |c| c.priority = 4096 * n);
    }
    let ab = rig.link(A, B);
    rig.start();
    rig.run(secs(100.0));
    let tcn = rig.sent((B, rig.port(B, ab)), Instant::ZERO).iter().filter(|(_, m)| is_tcn(m)).count();
    assert_eq!(tcn, 0, "B has its root port alone");
    let station = rig.lan(&[(B, &|_| {})]);
    let since = rig.now;
    rig.set_lan(station, true);
    rig.run(secs(29.9));
    let changes = |rig: &Rig| {
        let is = |(_, event): &&(Instant, Event)| matches!(event, Event::TopologyChange { .. });
        rig.events(B, since).iter().filter(is).map(|(at, event)| (*at, *event)).collect::<Vec<_>>()
    };
    assert_eq!(changes(&rig), []);
    rig.run(secs(0.2));
    let port = rig.port(B, station);
    assert_eq!(changes(&rig)[0], (since + secs(30.0), Event::TopologyChange { port, detected: true }));
}
