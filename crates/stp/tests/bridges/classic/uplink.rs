//! UplinkFast and PortFast.

use super::*;
use trunkline_core::PortId;
use trunkline_stp::{Edge, Event, Fast, Input, PortConfig};

/// Two bridges of the core, A the root, and an access switch with a link to each: B's is the spare one.
fn access() -> (Net, [usize; 3], usize) {
    let mut net = bridges(2, |_| {});
    let s = net.bridge_with(Config { uplink_fast: true, ..Config::new(Protocol::Stp, address(3)) });
    let (core, primary, spare) = (net.lan(&[A, B]), net.lan(&[A, s]), net.lan(&[B, s]));
    net.run_for(secs(71.5));
    net.assert_settled();
    assert_eq!(net.role(net.end(primary, s)), PortRole::Root);
    (net, [core, primary, spare], s)
}

/// Bridges that announced stations: when, by which port, and in place of which.
fn announced(net: &Net, since: Instant) -> Vec<(Instant, PortId, PortId)> {
    let of = net.announced.iter().filter(|(at, ..)| *at >= since);
    of.map(|(at, _, by, lost)| (*at, *by, *lost)).collect()
}

#[test]
fn uplink_fast_lets_the_spare_uplink_forward_without_waiting_and_goes_back_after_35_seconds() {
    let (mut net, [_, primary, spare], s) = access();
    let (up, other) = (net.end(primary, s).1, net.end(spare, s).1);
    let since = net.now;
    net.cut(primary);
    assert_eq!(net.stands((s, other)), (PortRole::Root, PortState::Forwarding));
    assert_eq!(net.when((s, other), PortState::Listening, since), None);
    assert!(net.events_of(s, since).contains(&(since, Event::Fast { port: other, what: Fast::Uplink })));
    assert_eq!(announced(&net, since), [(since, other, up)]);
    assert!(!net.has_loop());
    net.run_for(secs(40.0));
    net.assert_settled();
    // The link is back: B's end and ours. The old one forwards on until the neighbour has had time to.
    let back = net.now;
    net.restore(primary);
    net.run_for(secs(34.9));
    assert_eq!(net.stands((s, other)), (PortRole::Root, PortState::Forwarding));
    assert_eq!(net.stands((s, up)), (PortRole::Alternate, PortState::Blocking));
    net.run_for(secs(0.2));
    assert_eq!(net.stands((s, up)), (PortRole::Root, PortState::Forwarding));
    assert_eq!(net.stands((s, other)), (PortRole::Alternate, PortState::Blocking));
    assert_eq!(net.when((s, up), PortState::Forwarding, back), Some(back + secs(35.0)));
    assert_eq!(announced(&net, back), [(back + secs(35.0), up, other)]);
    net.run_for(secs(60.0));
    net.assert_settled();
    assert_eq!(net.loops, []);
}

#[test]
fn uplink_fast_does_not_go_back_at_once_where_the_old_uplink_forwards_on() {
    // A ring where S is nearer to the root than B: the old uplink becomes a designated port, and forwards
    let mut net = bridges(2, |_| {});
    let s = net.bridge_with(Config { uplink_fast: true, ..Config::new(Protocol::Stp, address(3)) });
    let costs = |cost| PortConfig { path_cost: Some(cost), ..PortConfig::new(0) };
    net.lan_with(&[(A, costs(1)), (B, costs(100))]);
    let [primary, spare] = [A, B].map(|bridge| net.lan_with(&[(bridge, costs(1)), (s, costs(1))]));
    let (up, other) = (net.end(primary, s), net.end(spare, s));
    net.run_for(secs(71.5));
    net.assert_settled();
    assert_eq!([up, other].map(|end| net.role(end)), [PortRole::Root, PortRole::Designated]);
    net.cut(primary);
    net.run_for(secs(60.0));
    net.assert_settled();
    let back = net.now;
    net.restore(primary);
    net.run_for(secs(100.0));
    net.assert_settled();
    assert_eq!(net.loops, []);
    let listens = net.when(up, PortState::Listening, back + secs(1.0));
    assert_eq!(listens, Some(back + secs(35.0)));
}

#[test]
fn uplink_fast_does_not_wait_when_the_spare_fails_too() {
    let (mut net, [_, primary, spare], s) = access();
    net.cut(primary);
    net.run_for(secs(40.0));
    net.restore(primary);
    net.run_for(secs(10.0));
    let since = net.now;
    net.cut(spare);
    let up = net.end(primary, s).1;
    assert_eq!(net.stands((s, up)), (PortRole::Root, PortState::Forwarding));
    assert_eq!(net.when((s, up), PortState::Forwarding, since), Some(since));
    net.run_for(secs(60.0));
    net.assert_settled();
    assert_eq!(net.loops, []);
}

#[test]
fn uplink_fast_excludes_ports_that_loop_to_themselves() {
    let (mut net, [_, primary, spare], s) = access();
    let other = net.end(spare, s).1;
    // One of its own BPDUs comes back by the spare uplink
    let port = net.bridges[s].ports[other.index()].0.id();
    let sent = net.sent_by(net.end(primary, A), Instant::ZERO);
    let body = config(&sent.last().unwrap().1).unwrap();
    let own = Message::Bpdu(Bpdu::Config(Priority { bridge: net.id(s), port, ..body }));
    net.feed(s, Input::Frame { port: other, frame: &own.frame(address(9)) });
    net.cut(primary);
    assert_eq!(net.stands((s, other)), (PortRole::Root, PortState::Listening));
    assert_eq!(net.counter((s, other), "own"), 1);
}

#[test]
fn port_fast_forwards_at_once_without_a_change_of_the_topology_until_a_bpdu_comes() {
    let mut net = bridges(2, |_| {});
    let up = net.lan(&[A, B]);
    let station = net.lan_with(&[(B, PortConfig { edge: Edge::Yes, ..PortConfig::new(0) })]);
    let (far, near) = (0, net.end(station, B).1);
    assert_eq!(net.state((B, near)), PortState::Forwarding);
    assert_eq!(net.when((B, near), PortState::Listening, Instant::ZERO), None);
    net.run_for(secs(80.0));
    // Flapping: zero changes of the topology
    let since = net.now;
    for up in [false, true, false, true] {
        if up {
            net.restore(station)
        } else {
            net.cut(station)
        }
        net.run_for(secs(1.0));
    }
    let changes = |net: &Net, since| {
        let is = |(_, e): &(Instant, Event)| matches!(e, Event::TopologyChange { .. });
        net.events_of(B, since).into_iter().filter(is).count()
    };
    assert_eq!(changes(&net, since), 0);
    assert_eq!((net.state((B, near)), net.bridges[far].ageing), (PortState::Forwarding, None));
    // A worse bridge speaks there: no edge any more, and the port listens
    let since = net.now;
    let body = config(&net.sent_by(net.end(up, A), Instant::ZERO)[0].1).unwrap();
    let worse = trunkline_stp::BridgeId::new(61_440, address(99));
    let body = Priority { root: worse, bridge: worse, ..body };
    let frame = Message::Bpdu(Bpdu::Config(body)).frame(address(9));
    net.feed(B, Input::Frame { port: near, frame: &frame });
    assert_eq!(net.state((B, near)), PortState::Listening);
    assert!(net.events_of(B, since).contains(&(since, Event::Edge { port: near, edge: false })));
    assert_eq!(changes(&net, since), 0);
    net.run_for(secs(31.0));
    assert_eq!(net.when((B, near), PortState::Forwarding, since), Some(since + secs(30.0)));
    assert_eq!(changes(&net, since), 1, "now it counts");
    // The link goes down and up: an edge again
    net.cut(station);
    let since = net.now;
    net.restore(station);
    assert_eq!(net.when((B, near), PortState::Forwarding, since), Some(since));
    // Its own BPDU comes back: no edge either
    let own = net.sent_by((B, near), Instant::ZERO).last().unwrap().1.frame(address(9));
    net.feed(B, Input::Frame { port: near, frame: &own });
    net.run_for(secs(0.001));
    assert_eq!(net.state((B, near)), PortState::Listening);
}
