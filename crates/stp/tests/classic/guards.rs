//! Root guard, restricted role and notifications, loop guard, RST BPDUs; management while running.

use super::*;
use trunkline_core::PortId;
use trunkline_stp::{BridgeId, Event, Inconsistency, Input, PortConfig};
use trunkline_wire::stp::{Flags, Rst};

fn guards(rig: &Rig, bridge: usize, since: Instant) -> Vec<(Instant, PortId, Inconsistency, bool)> {
    let of = |(at, event)| match event {
        Event::Guard { port, guard, on } => Some((at, port, guard, on)),
        _ => None,
    };
    rig.events(bridge, since).into_iter().filter_map(of).collect()
}

fn claim(root: BridgeId, bridge: BridgeId) -> Priority {
    Priority {
        flags: Flags::default(),
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

/// A, the root, and B behind it; B has one more port, with what the closure sets.
fn pair(change: &dyn Fn(&mut PortConfig)) -> (Rig, usize, (usize, PortId)) {
    let mut rig = Rig::new();
    rig.bridge(Protocol::Stp, |c| c.priority = 4096);
    rig.bridge(Protocol::Stp, |c| c.priority = 8192);
    let ab = rig.link(A, B);
    let extra = rig.lan(&[(B, change)]);
    rig.start();
    rig.run(secs(80.5));
    let port = rig.port(B, extra);
    assert_eq!(rig.state(B, port), PortState::Forwarding);
    (rig, ab, (B, port))
}

fn hear(rig: &mut Rig, (bridge, port): (usize, PortId), bpdu: Bpdu) {
    let frame = Message::Bpdu(bpdu).frame(rig::address(9));
    rig.input(bridge, Input::Frame { port, frame: &frame });
}

#[test]
fn root_guard_holds_a_port_until_no_better_root_was_heard_for_max_age() {
    for change in [(|p| p.root_guard = true) as fn(&mut PortConfig), |p| p.restricted_role = true] {
        let (mut rig, ab, end) = pair(&change);
        let since = rig.now;
        let better = BridgeId::new(0, rig::address(50));
        for _ in 0..5 {
            hear(&mut rig, end, Bpdu::Config(claim(better, better)));
            rig.run(secs(2.0));
        }
        let last = rig.now;
        assert_eq!(rig.role(B, rig.port(B, ab)), PortRole::Root, "A is still the root");
        assert_eq!((rig.role(B, end.1), rig.state(B, end.1)), (PortRole::Designated, PortState::Blocking));
        rig.run(secs(60.0));
        let released = last + secs(18.0);
        let (guard, port) = (Inconsistency::Root, end.1);
        assert_eq!(guards(&rig, B, since), [(since, port, guard, true), (released, port, guard, false)]);
        assert_eq!(rig.when(end, PortState::Forwarding, since), Some(released + secs(30.0)));
        // Worse news harm nobody
        let (since, worse) = (rig.now, BridgeId::new(61_440, rig::address(50)));
        hear(&mut rig, end, Bpdu::Config(claim(worse, worse)));
        assert_eq!(guards(&rig, B, since), []);
        // Without the guard, it is let go at once
        hear(&mut rig, end, Bpdu::Config(claim(better, better)));
        assert_eq!(rig.state(B, port), PortState::Blocking);
        rig.input(B, Input::Port { port, config: PortConfig::new(2) });
        assert_eq!(rig.state(B, port), PortState::Listening);
    }
}

#[test]
fn loop_guard_holds_a_port_whose_bpdus_ended() {
    let mut s = settled(|_| {});
    let blocked = (D, s.rig.port(D, s.cd));
    let config = PortConfig { loop_guard: true, ..s.rig.bridges[D].ports[&blocked.1].1 };
    s.rig.input(D, Input::Port { port: blocked.1, config });
    let since = s.rig.now;
    let (at, _) = last_heard(&s.rig, D, s.cd);
    s.rig.lans[s.cd].mute = true;
    s.rig.run(secs(60.0));
    let guard = Inconsistency::Loop;
    assert_eq!(guards(&s.rig, D, since), [(at + secs(19.0), blocked.1, guard, true)]);
    assert_eq!(s.rig.state(D, blocked.1), PortState::Blocking);
    assert_eq!(s.rig.loops, [], "without the guard this is a loop");
    s.rig.lans[s.cd].mute = false;
    s.rig.run(secs(3.0));
    assert_eq!(
        guards(&s.rig, D, since)[1..].iter().map(|g| (g.1, g.3)).collect::<Vec<_>>(),
        [(blocked.1, false)]
    );
    assert_eq!(
        (s.rig.role(D, blocked.1), s.rig.state(D, blocked.1)),
        (PortRole::Alternate, PortState::Blocking)
    );
    s.rig.run(secs(60.0));
    assert_eq!(truth::differences(&s.rig), Vec::<String>::new());
}

#[test]
fn without_loop_guard_silence_makes_a_loop() {
    let mut s = settled(|_| {});
    s.rig.lans[s.cd].mute = true;
    s.rig.run(secs(60.0));
    assert!(!s.rig.loops.is_empty());
}

#[test]
fn restricted_notifications_are_acknowledged_and_go_no_further() {
    let (mut rig, ab, end) = pair(&|p| p.restricted_tcn = true);
    let since = rig.now;
    hear(&mut rig, end, Bpdu::Tcn);
    rig.run(secs(5.0));
    let acks =
        |(_, m): &&(Instant, Message)| config(m).is_some_and(|b| b.flags.has(Flags::TOPOLOGY_CHANGE_ACK));
    assert_eq!(rig.sent(end, since).iter().filter(acks).count(), 1);
    let tcn = |(_, m): &&(Instant, Message)| *m == Message::Bpdu(Bpdu::Tcn);
    assert_eq!(rig.sent((B, rig.port(B, ab)), since).iter().filter(tcn).count(), 0);
    assert_eq!(rig.bridges[A].ageing, None);
    // The flag, on a restricted root port
    let port = rig.port(B, ab);
    let restricted = PortConfig { restricted_tcn: true, ..rig.bridges[B].ports[&port].1 };
    rig.input(B, Input::Port { port, config: restricted });
    let body = claim(rig.id(A), rig.id(A));
    let port_id = trunkline_stp::PortIdentifier::new(128, 1);
    let flags = Flags::TOPOLOGY_CHANGE;
    hear(&mut rig, (B, port), Bpdu::Config(Priority { flags, port: port_id, ..body }));
    assert_eq!(rig.bridges[B].ageing, None);
}

#[test]
fn rst_bpdus_are_of_no_known_type() {
    // §8.6.2, §9.3.3: a bridge of 1998 knows types 0 and 128
    let (mut rig, _, end) = pair(&|_| {});
    let since = rig.now;
    let better = BridgeId::new(0, rig::address(50));
    let flags = Flags::default().with_role(trunkline_wire::stp::Role::Designated);
    hear(&mut rig, end, Bpdu::Rst(Rst { version: 2, body: Priority { flags, ..claim(better, better) } }));
    assert_eq!(rig.events(B, since), []);
    assert_eq!(rig.counter(end, "rx_rst"), 1);
    // But a bridge is there: no edge
    let (mut rig, _, end) = pair(&|p| p.edge = trunkline_stp::Edge::Yes);
    let body = Priority { flags, ..claim(better, better) };
    hear(&mut rig, end, Bpdu::Rst(Rst { version: 2, body }));
    assert_eq!((rig.role(B, end.1), rig.state(B, end.1)), (PortRole::Designated, PortState::Listening));
}

#[test]
fn times_are_the_roots_and_stay_in_their_ranges() {
    let (mut rig, _, end) = pair(&|_| {});
    let better = BridgeId::new(0, rig::address(50));
    let body = Priority {
        max_age: Time(0xffff),
        hello_time: Time(0),
        forward_delay: Time(0xffff),
        ..claim(better, better)
    };
    hear(&mut rig, end, Bpdu::Config(body));
    let view = rig.bridges[B].tree.view(rig.now, "b", "lab", &|id| id.0.to_string());
    assert_eq!((view.times.hello_time, view.times.max_age, view.times.forward_delay), (1, 40, 30));
    // Max Age of the new root is in force for what is held
    let since = rig.now;
    rig.run(secs(100.0));
    let at = rig
        .events(B, since)
        .into_iter()
        .find(|(at, e)| *at > since && matches!(e, Event::Root { .. }))
        .unwrap();
    assert_eq!(at.0, since + secs(40.0), "{at:?}");
}

#[test]
fn priorities_and_costs_change_while_running() {
    // §8.8.4, §8.8.5, §8.8.6
    let mut s = settled(|_| {});
    let worse = Config { priority: 61_440, ..*s.rig.bridges[A].tree.config() };
    s.rig.input(A, Input::Reconfigure(worse));
    s.rig.run(secs(90.0));
    assert_eq!(truth::differences(&s.rig), Vec::<String>::new());
    let best = Config { priority: 0, ..*s.rig.bridges[C].tree.config() };
    s.rig.input(C, Input::Reconfigure(best));
    s.rig.run(secs(90.0));
    assert_eq!(truth::differences(&s.rig), Vec::<String>::new());
    let port = s.rig.port(D, s.cd);
    let config = PortConfig { path_cost: Some(60_000), priority: 16, ..s.rig.bridges[D].ports[&port].1 };
    s.rig.bridges[D].ports.insert(port, (s.cd, config));
    s.rig.input(D, Input::Port { port, config });
    s.rig.run(secs(90.0));
    assert_eq!(truth::differences(&s.rig), Vec::<String>::new());
    assert_eq!(s.rig.loops, []);
}
