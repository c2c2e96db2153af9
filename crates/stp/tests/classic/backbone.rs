//! BackboneFast: Root Link Queries in place of Max Age.

use super::*;
use crate::rig::{Seen, What};
use trunkline_core::PortId;
use trunkline_stp::{BridgeId, Event, Fast, Input, Output};
use trunkline_wire::stp::RootLinkQuery;

fn fast(config: &mut Config) {
    config.backbone_fast = true;
}

/// Root Link Queries since then: when, by whom, by which port, whether an answer, and what they say.
fn queries(rig: &Rig, since: Instant) -> Vec<(Instant, usize, PortId, RootLinkQuery)> {
    let of = |seen: &Seen| match seen.what {
        What::Sent(port, Message::RootLinkQuery(query)) if seen.at >= since => {
            Some((seen.at, seen.bridge, port, query))
        }
        _ => None,
    };
    rig.seen.iter().filter_map(of).collect()
}

fn fasts(rig: &Rig, bridge: usize, since: Instant) -> Vec<(PortId, Fast)> {
    let of = |(_, event)| match event {
        Event::Fast { port, what } => Some((port, what)),
        _ => None,
    };
    rig.events(bridge, since).into_iter().filter_map(of).collect()
}

#[test]
fn an_indirect_failure_takes_30_seconds() {
    let mut s = settled(fast);
    let since = s.rig.now;
    let (to_b, to_c) = (s.rig.port(D, s.bd), s.rig.port(D, s.cd));
    let (root, asker) = (s.rig.id(A), s.rig.id(D));
    s.rig.set_lan(s.ac, false);
    s.rig.run(secs(0.1));
    // C's claim comes to D; D asks by its root port; B relays to A; A answers by all its designated ports, of which one is
    // up; B floods by its own; D keeps it
    let expected = [
        (1, D, to_b, false),
        (2, B, s.rig.port(B, s.ab), false),
        (3, A, s.rig.port(A, s.ab), true),
        (4, B, s.rig.port(B, s.bd), true),
    ]
    .map(|(hops, bridge, port, response)| (since + DELAY * hops, bridge, port, response));
    let seen = queries(&s.rig, since);
    assert_eq!(seen.iter().map(|q| (q.0, q.1, q.2, q.3.response)).collect::<Vec<_>>(), expected);
    assert!(
        seen.iter().all(|(.., q)| (q.body.root, q.body.bridge) == (root, asker)),
        "the root, and who asks"
    );
    assert_eq!(
        fasts(&s.rig, D, since),
        [
            (to_c, Fast::InferiorBpdu { claims: s.rig.id(C) }),
            (to_b, Fast::Asked),
            (to_b, Fast::Positive),
            (to_c, Fast::Expired),
        ]
    );
    assert_eq!(fasts(&s.rig, B, since), [(s.rig.port(B, s.ab), Fast::Relayed)]);
    assert_eq!(fasts(&s.rig, A, since), [(s.rig.port(A, s.ab), Fast::Answered { positive: true })]);
    // The port is designated and listens at once, and C learns of the root at once
    let end = (D, to_c);
    let at = since + DELAY * 5;
    assert_eq!(s.rig.when(end, PortState::Listening, since), Some(at));
    assert_eq!(s.rig.role(D, to_c), PortRole::Designated);
    let learns = Event::Root { from: s.rig.id(C), to: root, port: Some(s.rig.port(C, s.cd)) };
    assert!(s.rig.events(C, since).contains(&(at + DELAY, learns)));
    s.rig.run(secs(60.0));
    assert_eq!(s.rig.when(end, PortState::Forwarding, since), Some(at + secs(30.0)));
    assert_eq!(truth::differences(&s.rig), Vec::<String>::new());
    assert_eq!(s.rig.loops, []);
    assert_eq!(queries(&s.rig, since).len(), 4);
}

#[test]
fn the_root_answers_by_all_its_designated_ports() {
    let mut s = settled(fast);
    let since = s.rig.now;
    let body = query(s.rig.id(A), s.rig.id(D));
    let frame = Message::RootLinkQuery(RootLinkQuery { response: false, body }).frame(rig::address(9));
    let port = s.rig.port(A, s.ab);
    s.rig.input(A, Input::Frame { port, frame: &frame });
    let by: Vec<_> = queries(&s.rig, since).iter().map(|q| (q.1, q.2, q.3.response)).collect();
    assert_eq!(by, [(A, s.rig.port(A, s.ab), true), (A, s.rig.port(A, s.ac), true)]);
    // C and B flood it on, D does not: it finds itself to be who asked
    s.rig.run(secs(0.1));
    let by: Vec<_> = queries(&s.rig, since)[2..].iter().map(|q| (q.1, q.2)).collect();
    assert_eq!(by, [(B, s.rig.port(B, s.bd)), (C, s.rig.port(C, s.cd))]);
    assert_eq!(fasts(&s.rig, D, since), [], "D had not asked");
}

fn query(root: BridgeId, bridge: BridgeId) -> Priority {
    Priority {
        flags: Default::default(),
        root,
        root_path_cost: 0,
        bridge,
        port: trunkline_stp::PortIdentifier(0x8001),
        message_age: Time(0),
        max_age: Time::from_secs(20),
        hello_time: Time::from_secs(2),
        forward_delay: Time::from_secs(15),
    }
}

#[test]
fn who_knows_another_root_answers_so_at_once_by_all_designated_ports() {
    let mut s = settled(fast);
    let since = s.rig.now;
    let other = BridgeId::new(0, rig::address(77));
    let body = query(other, s.rig.id(D));
    let frame = Message::RootLinkQuery(RootLinkQuery { response: false, body }).frame(rig::address(9));
    let port = s.rig.port(B, s.bd);
    s.rig.input(B, Input::Frame { port, frame: &frame });
    let seen = queries(&s.rig, since);
    assert_eq!(seen.iter().map(|q| (q.1, q.2, q.3.response)).collect::<Vec<_>>(), [(B, port, true)]);
    assert_eq!((seen[0].3.body.root, seen[0].3.body.bridge), (s.rig.id(A), s.rig.id(D)));
    assert_eq!(fasts(&s.rig, B, since), [(port, Fast::Answered { positive: false })]);
    // The root itself, asked for another
    let port = s.rig.port(A, s.ac);
    s.rig.input(A, Input::Frame { port, frame: &frame });
    assert_eq!(fasts(&s.rig, A, since), [(port, Fast::Answered { positive: false })]);
}

/// The root dies in silence behind B and C at once, as they see: D hears both claim to be the root.
#[test]
fn all_answers_negative_the_bridge_is_the_root_at_once() {
    let mut s = settled(fast);
    let since = s.rig.now;
    // B's own claim reaches D, as an answer of B to the query does; C's comes first
    s.rig.set_lan(s.ac, false);
    s.rig.set_lan(s.ab, false);
    s.rig.run(secs(0.1));
    let (to_b, to_c) = (s.rig.port(D, s.bd), s.rig.port(D, s.cd));
    let seen = fasts(&s.rig, D, since);
    assert_eq!(
        seen,
        [
            (to_c, Fast::InferiorBpdu { claims: s.rig.id(C) }),
            (to_b, Fast::Asked),
            (to_b, Fast::Negative),
            (to_b, Fast::Expired),
            (to_c, Fast::Expired),
        ]
    );
    assert_eq!(fasts(&s.rig, B, since), [(s.rig.port(B, s.bd), Fast::Answered { positive: false })]);
    let declares = Event::Root { from: s.rig.id(A), to: s.rig.id(D), port: None };
    assert!(s.rig.events(D, since).contains(&(since + DELAY * 3, declares)), "{:?}", s.rig.events(D, since));
    // It listens to the others from now on: B is the best of the three
    s.rig.run(secs(3.0));
    let roots = |bridge: usize| s.rig.bridges[bridge].tree.view(s.rig.now, "", "", &|_| String::new()).root;
    assert_eq!([C, D].map(roots), [roots(B), roots(B)]);
    s.rig.run(secs(60.0));
    assert_eq!(truth::differences(&s.rig), Vec::<String>::new());
    assert_eq!(s.rig.loops, []);
}

#[test]
fn a_negative_answer_expires_its_port_alone_while_another_is_positive() {
    // D has three ways to A: by B (the root port), C and E. C loses A and claims to be the root; B says that it knows
    // another root, E's answer is that of A.
    const E: usize = 3;
    const D: usize = 4;
    let mut rig = Rig::new();
    for n in 0..5u16 {
        rig.bridge(Protocol::Stp, |c| {
            c.priority = 4096 * n;
            fast(c);
        });
    }
    let [_, ac, _] = [B, C, E].map(|bridge| rig.link(A, bridge));
    let [to_b, to_c, to_e] = [B, C, E].map(|bridge| {
        let lan = rig.link(bridge, D);
        rig.port(D, lan)
    });
    rig.start();
    rig.run(secs(71.5));
    assert_eq!(truth::differences(&rig), Vec::<String>::new());
    let since = rig.now;
    let answer = RootLinkQuery { response: true, body: query(rig.id(B), rig.id(D)) };
    rig.drops = Some(Box::new(|end, m| end.0 == B && matches!(m, Message::RootLinkQuery(_))));
    rig.set_lan(ac, false);
    rig.run(secs(0.0015));
    rig.input(D, Input::Frame { port: to_b, frame: &Message::RootLinkQuery(answer).frame(rig::address(9)) });
    assert_eq!(rig.role(D, to_e), PortRole::Root, "not C's, which claims to have lost it");
    rig.run(secs(0.1));
    assert_eq!(
        fasts(&rig, D, since),
        [
            (to_c, Fast::InferiorBpdu { claims: rig.id(C) }),
            (to_b, Fast::Asked),
            (to_e, Fast::Asked),
            (to_b, Fast::Negative),
            (to_b, Fast::Expired),
            (to_e, Fast::Positive),
            (to_c, Fast::Expired),
        ]
    );
    // B's port is invalid and listens, until what B says next; then all is as the tree has it
    assert_eq!(rig.when((D, to_b), PortState::Listening, since), Some(since + secs(0.0015)));
    rig.run(secs(90.0));
    assert_eq!(truth::differences(&rig), Vec::<String>::new());
    assert_eq!(rig.loops, []);
}

#[test]
fn an_inferior_bpdu_on_the_only_way_expires_it_at_once() {
    let mut rig = Rig::new();
    for n in 0..3u16 {
        rig.bridge(Protocol::Stp, |c| {
            c.priority = 4096 * n;
            fast(c);
        });
    }
    let (ab, bc) = (rig.link(A, B), rig.link(B, C));
    rig.start();
    rig.run(secs(61.5));
    let since = rig.now;
    rig.set_lan(ab, false);
    rig.run(secs(0.1));
    let port = rig.port(C, bc);
    let claims = rig.id(B);
    assert_eq!(fasts(&rig, C, since), [(port, Fast::InferiorBpdu { claims }), (port, Fast::Expired)]);
    let events = rig.events(C, since);
    assert!(events.contains(&(since + DELAY, Event::Root { from: rig.id(A), to: rig.id(C), port: None })));
    assert_eq!(queries(&rig, since), []);
    rig.run(secs(4.0));
    assert_eq!(rig.role(C, port), PortRole::Root, "and then takes B for the root");
}

#[test]
fn an_inferior_bpdu_on_the_root_port_asks_by_the_blocked_ports() {
    let mut s = settled(fast);
    let since = s.rig.now;
    let (to_b, to_c) = (s.rig.port(D, s.bd), s.rig.port(D, s.cd));
    s.rig.set_lan(s.ab, false);
    s.rig.run(secs(0.1));
    assert_eq!(
        fasts(&s.rig, D, since),
        [
            (to_b, Fast::InferiorBpdu { claims: s.rig.id(B) }),
            (to_c, Fast::Asked),
            (to_c, Fast::Positive),
            (to_b, Fast::Expired),
        ]
    );
    assert_eq!((s.rig.role(D, to_c), s.rig.state(D, to_c)), (PortRole::Root, PortState::Listening));
    s.rig.run(secs(60.0));
    assert_eq!(truth::differences(&s.rig), Vec::<String>::new());
    assert_eq!(s.rig.loops, []);
}

#[test]
fn requests_go_up_and_answers_come_down_hop_by_hop() {
    // A ring: D's root port leads by C to A, its blocked port by two bridges
    const B2: usize = 3;
    const D: usize = 4;
    let mut rig = Rig::new();
    for n in 0..5u16 {
        rig.bridge(Protocol::Stp, |c| {
            c.priority = 4096 * n;
            fast(c);
        });
    }
    let [ab, bb, bd, ac, cd] = [(A, B), (B, B2), (B2, D), (A, C), (C, D)].map(|(a, b)| rig.link(a, b));
    rig.start();
    rig.run(secs(71.5));
    assert_eq!(rig.role(D, rig.port(D, bd)), PortRole::Alternate);
    let since = rig.now;
    rig.set_lan(ac, false);
    rig.run(secs(0.1));
    let seen: Vec<_> = queries(&rig, since).into_iter().map(|q| (q.0, q.1, q.2, q.3.response)).collect();
    let expected = [
        (1, D, bd, false),
        (2, B2, bb, false),
        (3, B, ab, false),
        (4, A, ab, true),
        (5, B, bb, true),
        (6, B2, bd, true),
    ];
    let expected =
        expected.map(|(n, bridge, lan, answer)| (since + DELAY * n, bridge, rig.port(bridge, lan), answer));
    assert_eq!(seen, expected);
    let (port, lost) = (rig.port(D, bd), rig.port(D, cd));
    assert_eq!((rig.role(D, port), rig.state(D, port)), (PortRole::Root, PortState::Listening));
    assert_eq!(rig.role(D, lost), PortRole::Designated);
    rig.run(secs(60.0));
    assert_eq!(rig.when((D, port), PortState::Forwarding, since), Some(since + DELAY * 7 + secs(30.0)));
    assert_eq!(truth::differences(&rig), Vec::<String>::new());
    assert_eq!(rig.loops, []);
}

#[test]
fn without_answers_max_age_decides() {
    let mut s = settled(fast);
    let since = s.rig.now;
    s.rig.drops = Some(Box::new(|end, m| end.0 == A && matches!(m, Message::RootLinkQuery(_))));
    let (at, age) = last_heard(&s.rig, D, s.cd);
    s.rig.set_lan(s.ac, false);
    s.rig.run(secs(60.0));
    let blocked = (D, s.rig.port(D, s.cd));
    assert_eq!(age, Time::from_secs(1));
    assert_eq!(s.rig.when(blocked, PortState::Listening, since), Some(at + secs(19.0)));
    let seen = fasts(&s.rig, D, since);
    assert!(seen.contains(&(s.rig.port(D, s.bd), Fast::Unanswered)));
    let asked = seen.iter().filter(|(_, what)| *what == Fast::Asked).count();
    assert!((4..=8).contains(&asked), "asked anew with the next inferior BPDUs: {asked}");
}

#[test]
fn off_nothing_is_asked_answered_or_relayed() {
    let mut s = settled(|_| {});
    let since = s.rig.now;
    let body = query(s.rig.id(A), s.rig.id(D));
    let frame = Message::RootLinkQuery(RootLinkQuery { response: false, body }).frame(rig::address(9));
    for (bridge, lan) in [(A, s.ab), (B, s.bd)] {
        let port = s.rig.port(bridge, lan);
        s.rig.input(bridge, Input::Frame { port, frame: &frame });
    }
    s.rig.set_lan(s.ac, false);
    s.rig.run(secs(5.0));
    assert_eq!(queries(&s.rig, since), []);
}

#[test]
fn forged_queries_are_bounded_work() {
    // 10,000 in a second on one port: at most ten a second are relayed or answered
    let mut s = settled(fast);
    let since = s.rig.now;
    let asker = BridgeId::new(61_440, rig::address(0x4444));
    for n in 0..10_000u32 {
        let response = n % 3 == 0;
        let root = if n % 2 == 0 { s.rig.id(A) } else { asker };
        let frame = Message::RootLinkQuery(RootLinkQuery { response, body: query(root, asker) });
        let frame = frame.frame(rig::address(9));
        for (bridge, lan) in [(B, s.bd), (D, s.bd)] {
            let port = s.rig.port(bridge, lan);
            s.rig.input(bridge, Input::Frame { port, frame: &frame });
        }
        s.rig.run(secs(0.0001));
    }
    s.rig.run(secs(1.0));
    let mut by_port = std::collections::BTreeMap::new();
    for (_, bridge, port, _) in queries(&s.rig, since) {
        *by_port.entry((bridge, port)).or_insert(0) += 1;
    }
    assert!(by_port.values().all(|n| *n <= 20), "{by_port:?}");
    let roles = |(_, e): &(Instant, Event)| matches!(e, Event::Role { .. } | Event::State { .. });
    assert!((0..4).all(|b| !s.rig.events(b, since).iter().any(roles)));
    assert!(!s.rig.seen.iter().any(|s| s.at >= since && matches!(s.what, What::Out(Output::AgeingTime(_)))));
}
