//! Root guard, restricted role and notifications, loop guard, RST BPDUs; management while running.

use super::*;
use crate::rig::End;
use trunkline_core::PortId;
use trunkline_stp::{BridgeId, Event, Inconsistency, Input, PortConfig};
use trunkline_wire::stp::{Flags, Rst};

fn guards(net: &Net, bridge: usize, since: Instant) -> Vec<(Instant, PortId, Inconsistency, bool)> {
    let of = |(at, event)| match event {
        Event::Guard { port, guard, on } => Some((at, port, guard, on)),
        _ => None,
    };
    net.events_of(bridge, since).into_iter().filter_map(of).collect()
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
fn pair(change: impl FnOnce(&mut PortConfig)) -> (Net, usize, End) {
    let mut net = Net::new(1);
    net.bridge(Protocol::Stp, 4096);
    net.bridge(Protocol::Stp, 8192);
    let ab = net.lan(&[A, B]);
    let mut config = PortConfig::new(0);
    change(&mut config);
    let extra = net.lan_with(&[(B, config)]);
    net.run_for(secs(80.5));
    let end = net.end(extra, B);
    assert_eq!(net.state(end), PortState::Forwarding);
    (net, ab, end)
}

fn hear(net: &mut Net, (bridge, port): End, bpdu: Bpdu) {
    let frame = Message::Bpdu(bpdu).frame(address(9));
    net.feed(bridge, Input::Frame { port, frame: &frame });
}

#[test]
fn root_guard_holds_a_port_until_no_better_root_was_heard_for_max_age() {
    for change in [(|p| p.root_guard = true) as fn(&mut PortConfig), |p| p.restricted_role = true] {
        let (mut net, ab, end) = pair(change);
        let since = net.now;
        let better = BridgeId::new(0, address(50));
        for _ in 0..5 {
            hear(&mut net, end, Bpdu::Config(claim(better, better)));
            net.run_for(secs(2.0));
        }
        let last = net.now;
        assert_eq!(net.role(net.end(ab, B)), PortRole::Root, "A is still the root");
        assert_eq!(net.stands(end), (PortRole::Designated, PortState::Blocking));
        net.run_for(secs(60.0));
        let released = last + secs(18.0);
        let (guard, port) = (Inconsistency::Root, end.1);
        assert_eq!(guards(&net, B, since), [(since, port, guard, true), (released, port, guard, false)]);
        assert_eq!(net.when(end, PortState::Forwarding, since), Some(released + secs(30.0)));
        // Worse news harm nobody
        let (since, worse) = (net.now, BridgeId::new(61_440, address(50)));
        hear(&mut net, end, Bpdu::Config(claim(worse, worse)));
        assert_eq!(guards(&net, B, since), []);
        // Without the guard, it is let go at once
        hear(&mut net, end, Bpdu::Config(claim(better, better)));
        assert_eq!(net.state((B, port)), PortState::Blocking);
        net.configure(end, |config| *config = PortConfig::new(2));
        assert_eq!(net.state((B, port)), PortState::Listening);
    }
}

#[test]
fn loop_guard_holds_a_port_whose_bpdus_ended() {
    let mut s = settled(|_| {});
    let blocked = s.net.end(s.cd, D);
    s.net.configure(blocked, |config| config.loop_guard = true);
    let since = s.net.now;
    let (at, _) = last_heard(&s.net, D, s.cd);
    s.net.lans[s.cd].loss = 1000;
    s.net.run_for(secs(60.0));
    let guard = Inconsistency::Loop;
    assert_eq!(guards(&s.net, D, since), [(at + secs(19.0), blocked.1, guard, true)]);
    assert_eq!(s.net.state(blocked), PortState::Blocking);
    assert_eq!(s.net.loops, [], "without the guard this is a loop");
    s.net.lans[s.cd].loss = 0;
    s.net.run_for(secs(3.0));
    assert_eq!(
        guards(&s.net, D, since)[1..].iter().map(|g| (g.1, g.3)).collect::<Vec<_>>(),
        [(blocked.1, false)]
    );
    assert_eq!(s.net.stands(blocked), (PortRole::Alternate, PortState::Blocking));
    s.net.run_for(secs(60.0));
    s.net.assert_settled();
}

#[test]
fn without_loop_guard_silence_makes_a_loop() {
    let mut s = settled(|_| {});
    s.net.lans[s.cd].loss = 1000;
    s.net.run_for(secs(60.0));
    assert!(!s.net.loops.is_empty());
}

#[test]
fn restricted_notifications_are_acknowledged_and_go_no_further() {
    let (mut net, ab, end) = pair(|p| p.restricted_tcn = true);
    let since = net.now;
    hear(&mut net, end, Bpdu::Tcn);
    net.run_for(secs(5.0));
    let acks =
        |(_, m): &&(Instant, Message)| config(m).is_some_and(|b| b.flags.has(Flags::TOPOLOGY_CHANGE_ACK));
    assert_eq!(net.sent_by(end, since).iter().filter(acks).count(), 1);
    let tcn = |(_, m): &&(Instant, Message)| *m == Message::Bpdu(Bpdu::Tcn);
    assert_eq!(net.sent_by(net.end(ab, B), since).iter().filter(tcn).count(), 0);
    assert_eq!(net.bridges[A].ageing, None);
    // The flag, on a restricted root port
    let up = net.end(ab, B);
    net.configure(up, |config| config.restricted_tcn = true);
    let body = claim(net.id(A), net.id(A));
    let port_id = trunkline_stp::PortIdentifier::new(128, 1);
    let flags = Flags::TOPOLOGY_CHANGE;
    hear(&mut net, up, Bpdu::Config(Priority { flags, port: port_id, ..body }));
    assert_eq!(net.bridges[B].ageing, None);
}

#[test]
fn rst_bpdus_are_of_no_known_type() {
    // §8.6.2, §9.3.3: a bridge of 1998 knows types 0 and 128
    let (mut net, _, end) = pair(|_| {});
    let since = net.now;
    let better = BridgeId::new(0, address(50));
    let flags = Flags::default().with_role(trunkline_wire::stp::Role::Designated);
    hear(&mut net, end, Bpdu::Rst(Rst { version: 2, body: Priority { flags, ..claim(better, better) } }));
    assert_eq!(net.events_of(B, since), []);
    assert_eq!(net.counter(end, "rx_rst"), 1);
    // But a bridge is there: no edge
    let (mut net, _, end) = pair(|p| p.edge = trunkline_stp::Edge::Yes);
    let body = Priority { flags, ..claim(better, better) };
    hear(&mut net, end, Bpdu::Rst(Rst { version: 2, body }));
    assert_eq!(net.stands(end), (PortRole::Designated, PortState::Listening));
}

#[test]
fn times_are_the_roots_and_stay_in_their_ranges() {
    let (mut net, _, end) = pair(|_| {});
    let better = BridgeId::new(0, address(50));
    let body = Priority {
        max_age: Time(0xffff),
        hello_time: Time(0),
        forward_delay: Time(0xffff),
        ..claim(better, better)
    };
    hear(&mut net, end, Bpdu::Config(body));
    let view = net.view(B);
    assert_eq!((view.times.hello_time, view.times.max_age, view.times.forward_delay), (1, 40, 30));
    // Max Age of the new root is in force for what is held
    let since = net.now;
    net.run_for(secs(100.0));
    let at = net
        .events_of(B, since)
        .into_iter()
        .find(|(at, e)| *at > since && matches!(e, Event::Root { .. }))
        .unwrap();
    assert_eq!(at.0, since + secs(40.0), "{at:?}");
}

#[test]
fn priorities_and_costs_change_while_running() {
    // §8.8.4, §8.8.5, §8.8.6
    let mut s = settled(|_| {});
    s.net.reconfigure(A, |config| config.priority = 61_440);
    s.net.run_for(secs(90.0));
    s.net.assert_settled();
    s.net.reconfigure(C, |config| config.priority = 0);
    s.net.run_for(secs(90.0));
    s.net.assert_settled();
    s.net.configure(s.net.end(s.cd, D), |port| (port.path_cost, port.priority) = (Some(60_000), 16));
    s.net.run_for(secs(90.0));
    s.net.assert_settled();
    assert_eq!(s.net.loops, []);
}
