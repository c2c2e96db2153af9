//! BackboneFast: Root Link Queries in place of Max Age.

use super::*;
use crate::rig::Sent;
use trunkline_core::PortId;
use trunkline_stp::{BridgeId, Event, Fast, Input};
use trunkline_wire::stp::RootLinkQuery;

fn fast(config: &mut Config) {
    config.backbone_fast = true;
}

/// Root Link Queries since then: when, by whom, by which port, whether an answer, and what they say.
fn queries(net: &Net, since: Instant) -> Vec<(Instant, usize, PortId, RootLinkQuery)> {
    let of = |sent: &Sent| match sent.message {
        Message::RootLinkQuery(query) if sent.at >= since => Some((sent.at, sent.by.0, sent.by.1, query)),
        _ => None,
    };
    net.sent.iter().filter_map(of).collect()
}

fn fasts(net: &Net, bridge: usize, since: Instant) -> Vec<(PortId, Fast)> {
    let of = |(_, event)| match event {
        Event::Fast { port, what } => Some((port, what)),
        _ => None,
    };
    net.events_of(bridge, since).into_iter().filter_map(of).collect()
}

#[test]
fn an_indirect_failure_takes_30_seconds() {
    let mut s = settled(fast);
    let since = s.net.now;
    let (to_b, to_c) = (s.net.end(s.bd, D).1, s.net.end(s.cd, D).1);
    let (root, asker) = (s.net.id(A), s.net.id(D));
    s.net.cut(s.ac);
    s.net.run_for(secs(0.1));
    // C's claim comes to D; D asks by its root port; B relays to A; A answers by all its designated ports, of which one is
    // up; B floods by its own; D keeps it
    let expected = [
        (1, D, to_b, false),
        (2, B, s.net.end(s.ab, B).1, false),
        (3, A, s.net.end(s.ab, A).1, true),
        (4, B, s.net.end(s.bd, B).1, true),
    ]
    .map(|(hops, bridge, port, response)| (since + DELAY * hops, bridge, port, response));
    let seen = queries(&s.net, since);
    assert_eq!(seen.iter().map(|q| (q.0, q.1, q.2, q.3.response)).collect::<Vec<_>>(), expected);
    assert!(
        seen.iter().all(|(.., q)| (q.body.root, q.body.bridge) == (root, asker)),
        "the root, and who asks"
    );
    assert_eq!(
        fasts(&s.net, D, since),
        [
            (to_c, Fast::InferiorBpdu { claims: s.net.id(C) }),
            (to_b, Fast::Asked),
            (to_b, Fast::Positive),
            (to_c, Fast::Expired),
        ]
    );
    assert_eq!(fasts(&s.net, B, since), [(s.net.end(s.ab, B).1, Fast::Relayed)]);
    assert_eq!(fasts(&s.net, A, since), [(s.net.end(s.ab, A).1, Fast::Answered { positive: true })]);
    // The port is designated and listens at once, and C learns of the root at once
    let end = (D, to_c);
    let at = since + DELAY * 5;
    assert_eq!(s.net.when(end, PortState::Listening, since), Some(at));
    assert_eq!(s.net.role((D, to_c)), PortRole::Designated);
    let learns = Event::Root { from: s.net.id(C), to: root, port: Some(s.net.end(s.cd, C).1) };
    assert!(s.net.events_of(C, since).contains(&(at + DELAY, learns)));
    s.net.run_for(secs(60.0));
    assert_eq!(s.net.when(end, PortState::Forwarding, since), Some(at + secs(30.0)));
    s.net.assert_settled();
    assert_eq!(s.net.loops, []);
    assert_eq!(queries(&s.net, since).len(), 4);
}

#[test]
fn the_root_answers_by_all_its_designated_ports() {
    let mut s = settled(fast);
    let since = s.net.now;
    let body = query(s.net.id(A), s.net.id(D));
    let frame = Message::RootLinkQuery(RootLinkQuery { response: false, body }).frame(address(9));
    let port = s.net.end(s.ab, A).1;
    s.net.feed(A, Input::Frame { port, frame: &frame });
    let by: Vec<_> = queries(&s.net, since).iter().map(|q| (q.1, q.2, q.3.response)).collect();
    assert_eq!(by, [(A, s.net.end(s.ab, A).1, true), (A, s.net.end(s.ac, A).1, true)]);
    // C and B flood it on, D does not: it finds itself to be who asked
    s.net.run_for(secs(0.1));
    let by: Vec<_> = queries(&s.net, since)[2..].iter().map(|q| (q.1, q.2)).collect();
    assert_eq!(by, [s.net.end(s.bd, B), s.net.end(s.cd, C)]);
    assert_eq!(fasts(&s.net, D, since), [], "D had not asked");
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
    let since = s.net.now;
    let other = BridgeId::new(0, address(77));
    let body = query(other, s.net.id(D));
    let frame = Message::RootLinkQuery(RootLinkQuery { response: false, body }).frame(address(9));
    let port = s.net.end(s.bd, B).1;
    s.net.feed(B, Input::Frame { port, frame: &frame });
    let seen = queries(&s.net, since);
    assert_eq!(seen.iter().map(|q| (q.1, q.2, q.3.response)).collect::<Vec<_>>(), [(B, port, true)]);
    assert_eq!((seen[0].3.body.root, seen[0].3.body.bridge), (s.net.id(A), s.net.id(D)));
    assert_eq!(fasts(&s.net, B, since), [(port, Fast::Answered { positive: false })]);
    // The root itself, asked for another
    let port = s.net.end(s.ac, A).1;
    s.net.feed(A, Input::Frame { port, frame: &frame });
    assert_eq!(fasts(&s.net, A, since), [(port, Fast::Answered { positive: false })]);
}

/// The root dies in silence behind B and C at once, as they see: D hears both claim to be the root.
#[test]
fn all_answers_negative_the_bridge_is_the_root_at_once() {
    let mut s = settled(fast);
    let since = s.net.now;
    // B's own claim reaches D, as an answer of B to the query does; C's comes first
    s.net.cut(s.ac);
    s.net.cut(s.ab);
    s.net.run_for(secs(0.1));
    let (to_b, to_c) = (s.net.end(s.bd, D).1, s.net.end(s.cd, D).1);
    let seen = fasts(&s.net, D, since);
    assert_eq!(
        seen,
        [
            (to_c, Fast::InferiorBpdu { claims: s.net.id(C) }),
            (to_b, Fast::Asked),
            (to_b, Fast::Negative),
            (to_b, Fast::Expired),
            (to_c, Fast::Expired),
        ]
    );
    assert_eq!(fasts(&s.net, B, since), [(s.net.end(s.bd, B).1, Fast::Answered { positive: false })]);
    let declares = Event::Root { from: s.net.id(A), to: s.net.id(D), port: None };
    assert!(
        s.net.events_of(D, since).contains(&(since + DELAY * 3, declares)),
        "{:?}",
        s.net.events_of(D, since)
    );
    // It listens to the others from now on: B is the best of the three
    s.net.run_for(secs(3.0));
    let roots = |bridge: usize| s.net.view(bridge).root;
    assert_eq!([C, D].map(roots), [roots(B), roots(B)]);
    s.net.run_for(secs(60.0));
    s.net.assert_settled();
    assert_eq!(s.net.loops, []);
}

#[test]
fn a_negative_answer_expires_its_port_alone_while_another_is_positive() {
    // D has three ways to A: by B (the root port), C and E. C loses A and claims to be the root; B says that it knows
    // another root, E's answer is that of A.
    const E: usize = 3;
    const D: usize = 4;
    let mut net = bridges(5, fast);
    let [_, ac, _] = [B, C, E].map(|bridge| net.lan(&[A, bridge]));
    let [to_b, to_c, to_e] = [B, C, E].map(|bridge| {
        let lan = net.lan(&[bridge, D]);
        net.end(lan, D).1
    });
    net.run_for(secs(71.5));
    net.assert_settled();
    let since = net.now;
    let answer = RootLinkQuery { response: true, body: query(net.id(B), net.id(D)) };
    net.drops = Some(Box::new(|end, m| end.0 == B && matches!(m, Message::RootLinkQuery(_))));
    net.cut(ac);
    net.run_for(DELAY * 3 / 2);
    net.feed(D, Input::Frame { port: to_b, frame: &Message::RootLinkQuery(answer).frame(address(9)) });
    assert_eq!(net.role((D, to_e)), PortRole::Root, "not C's, which claims to have lost it");
    net.run_for(secs(0.1));
    assert_eq!(
        fasts(&net, D, since),
        [
            (to_c, Fast::InferiorBpdu { claims: net.id(C) }),
            (to_b, Fast::Asked),
            (to_e, Fast::Asked),
            (to_b, Fast::Negative),
            (to_b, Fast::Expired),
            (to_e, Fast::Positive),
            (to_c, Fast::Expired),
        ]
    );
    // B's port is invalid and listens, until what B says next; then all is as the tree has it
    assert_eq!(net.when((D, to_b), PortState::Listening, since), Some(since + DELAY * 3 / 2));
    net.run_for(secs(90.0));
    net.assert_settled();
    assert_eq!(net.loops, []);
}

#[test]
fn an_inferior_bpdu_on_the_only_way_expires_it_at_once() {
    let mut net = bridges(3, fast);
    let (ab, bc) = (net.lan(&[A, B]), net.lan(&[B, C]));
    net.run_for(secs(61.5));
    let since = net.now;
    net.cut(ab);
    net.run_for(secs(0.1));
    let port = net.end(bc, C).1;
    let claims = net.id(B);
    assert_eq!(fasts(&net, C, since), [(port, Fast::InferiorBpdu { claims }), (port, Fast::Expired)]);
    let events = net.events_of(C, since);
    assert!(events.contains(&(since + DELAY, Event::Root { from: net.id(A), to: net.id(C), port: None })));
    assert_eq!(queries(&net, since), []);
    net.run_for(secs(4.0));
    assert_eq!(net.role((C, port)), PortRole::Root, "and then takes B for the root");
}

#[test]
fn an_inferior_bpdu_on_the_root_port_asks_by_the_blocked_ports() {
    let mut s = settled(fast);
    let since = s.net.now;
    let (to_b, to_c) = (s.net.end(s.bd, D).1, s.net.end(s.cd, D).1);
    s.net.cut(s.ab);
    s.net.run_for(secs(0.1));
    assert_eq!(
        fasts(&s.net, D, since),
        [
            (to_b, Fast::InferiorBpdu { claims: s.net.id(B) }),
            (to_c, Fast::Asked),
            (to_c, Fast::Positive),
            (to_b, Fast::Expired),
        ]
    );
    assert_eq!(s.net.stands((D, to_c)), (PortRole::Root, PortState::Listening));
    s.net.run_for(secs(60.0));
    s.net.assert_settled();
    assert_eq!(s.net.loops, []);
}

#[test]
fn requests_go_up_and_answers_come_down_hop_by_hop() {
    // A ring: D's root port leads by C to A, its blocked port by two bridges
    const B2: usize = 3;
    const D: usize = 4;
    let mut net = bridges(5, fast);
    let [ab, bb, bd, ac, cd] = [(A, B), (B, B2), (B2, D), (A, C), (C, D)].map(|(a, b)| net.lan(&[a, b]));
    net.run_for(secs(71.5));
    assert_eq!(net.role(net.end(bd, D)), PortRole::Alternate);
    let since = net.now;
    net.cut(ac);
    net.run_for(secs(0.1));
    let seen: Vec<_> = queries(&net, since).into_iter().map(|q| (q.0, q.1, q.2, q.3.response)).collect();
    let expected = [
        (1, D, bd, false),
        (2, B2, bb, false),
        (3, B, ab, false),
        (4, A, ab, true),
        (5, B, bb, true),
        (6, B2, bd, true),
    ];
    let expected =
        expected.map(|(n, bridge, lan, answer)| (since + DELAY * n, bridge, net.end(lan, bridge).1, answer));
    assert_eq!(seen, expected);
    let (port, lost) = (net.end(bd, D).1, net.end(cd, D).1);
    assert_eq!(net.stands((D, port)), (PortRole::Root, PortState::Listening));
    assert_eq!(net.role((D, lost)), PortRole::Designated);
    net.run_for(secs(60.0));
    assert_eq!(net.when((D, port), PortState::Forwarding, since), Some(since + DELAY * 7 + secs(30.0)));
    net.assert_settled();
    assert_eq!(net.loops, []);
}

#[test]
fn without_answers_max_age_decides() {
    let mut s = settled(fast);
    let since = s.net.now;
    s.net.drops = Some(Box::new(|end, m| end.0 == A && matches!(m, Message::RootLinkQuery(_))));
    let (at, age) = last_heard(&s.net, D, s.cd);
    s.net.cut(s.ac);
    s.net.run_for(secs(60.0));
    let blocked = s.net.end(s.cd, D);
    assert_eq!(age, Time::from_secs(1));
    assert_eq!(s.net.when(blocked, PortState::Listening, since), Some(at + secs(19.0)));
    let seen = fasts(&s.net, D, since);
    assert!(seen.contains(&(s.net.end(s.bd, D).1, Fast::Unanswered)));
    let asked = seen.iter().filter(|(_, what)| *what == Fast::Asked).count();
    assert!((4..=8).contains(&asked), "asked anew with the next inferior BPDUs: {asked}");
}

#[test]
fn off_nothing_is_asked_answered_or_relayed() {
    let mut s = settled(|_| {});
    let since = s.net.now;
    let body = query(s.net.id(A), s.net.id(D));
    let frame = Message::RootLinkQuery(RootLinkQuery { response: false, body }).frame(address(9));
    for (bridge, lan) in [(A, s.ab), (B, s.bd)] {
        let port = s.net.end(lan, bridge).1;
        s.net.feed(bridge, Input::Frame { port, frame: &frame });
    }
    s.net.cut(s.ac);
    s.net.run_for(secs(5.0));
    assert_eq!(queries(&s.net, since), []);
}

#[test]
fn forged_queries_are_bounded_work() {
    // 10,000 in a second on one port: at most ten a second are relayed or answered
    let mut s = settled(fast);
    let since = s.net.now;
    let asker = BridgeId::new(61_440, address(0x4444));
    for n in 0..10_000u32 {
        let response = n % 3 == 0;
        let root = if n % 2 == 0 { s.net.id(A) } else { asker };
        let frame = Message::RootLinkQuery(RootLinkQuery { response, body: query(root, asker) });
        let frame = frame.frame(address(9));
        for (bridge, lan) in [(B, s.bd), (D, s.bd)] {
            let port = s.net.end(lan, bridge).1;
            s.net.feed(bridge, Input::Frame { port, frame: &frame });
        }
        s.net.run_for(secs(0.0001));
    }
    s.net.run_for(secs(1.0));
    let mut by_port = std::collections::BTreeMap::new();
    for (_, bridge, port, _) in queries(&s.net, since) {
        *by_port.entry((bridge, port)).or_insert(0) += 1;
    }
    assert!(by_port.values().all(|n| *n <= 20), "{by_port:?}");
    let roles = |(_, e): &(Instant, Event)| matches!(e, Event::Role { .. } | Event::State { .. });
    assert!((0..4).all(|b| !s.net.events_of(b, since).iter().any(roles)));
    assert!(!s.net.ageing.iter().any(|(at, ..)| *at >= since));
}
