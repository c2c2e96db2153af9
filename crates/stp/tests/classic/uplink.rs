//! UplinkFast and PortFast.

use super::*;
use crate::rig::{Seen, What};
use trunkline_core::PortId;
use trunkline_stp::{Edge, Event, Fast, Input, Output};

/// Two bridges of the core, A the root, and an access switch with a link to each: B's is the spare one.
fn access() -> (Rig, [usize; 3], usize) {
    let mut rig = Rig::new();
    rig.bridge(Protocol::Stp, |c| c.priority = 0);
    rig.bridge(Protocol::Stp, |c| c.priority = 4096);
    let s = rig.bridge(Protocol::Stp, |c| c.uplink_fast = true);
    let (core, primary, spare) = (rig.link(A, B), rig.link(A, s), rig.link(B, s));
    rig.start();
    rig.run(secs(71.5));
    assert_eq!(truth::differences(&rig), Vec::<String>::new());
    assert_eq!(rig.role(s, rig.port(s, primary)), PortRole::Root);
    (rig, [core, primary, spare], s)
}

fn announced(rig: &Rig, since: Instant) -> Vec<(Instant, PortId, PortId)> {
    let of = |seen: &Seen| match seen.what {
        What::Out(Output::AnnounceStations { by, lost }) if seen.at >= since => Some((seen.at, by, lost)),
        _ => None,
    };
    rig.seen.iter().filter_map(of).collect()
}

#[test]
fn uplink_fast_lets_the_spare_uplink_forward_without_waiting_and_goes_back_after_35_seconds() {
    let (mut rig, [_, primary, spare], s) = access();
    let (up, other) = (rig.port(s, primary), rig.port(s, spare));
    let since = rig.now;
    rig.set_lan(primary, false);
    assert_eq!((rig.role(s, other), rig.state(s, other)), (PortRole::Root, PortState::Forwarding));
    assert_eq!(rig.when((s, other), PortState::Listening, since), None);
    assert!(rig.events(s, since).contains(&(since, Event::Fast { port: other, what: Fast::Uplink })));
    assert_eq!(announced(&rig, since), [(since, other, up)]);
    assert!(!rig.has_loop());
    rig.run(secs(40.0));
    assert_eq!(truth::differences(&rig), Vec::<String>::new());
    // The link is back: B's end and ours. The old one forwards on until the neighbour has had time to.
    let back = rig.now;
    rig.set_lan(primary, true);
    rig.run(secs(34.9));
    assert_eq!((rig.role(s, other), rig.state(s, other)), (PortRole::Root, PortState::Forwarding));
    assert_eq!((rig.role(s, up), rig.state(s, up)), (PortRole::Alternate, PortState::Blocking));
    rig.run(secs(0.2));
    assert_eq!((rig.role(s, up), rig.state(s, up)), (PortRole::Root, PortState::Forwarding));
    assert_eq!((rig.role(s, other), rig.state(s, other)), (PortRole::Alternate, PortState::Blocking));
    assert_eq!(rig.when((s, up), PortState::Forwarding, back), Some(back + secs(35.0)));
    assert_eq!(announced(&rig, back), [(back + secs(35.0), up, other)]);
    rig.run(secs(60.0));
    assert_eq!(truth::differences(&rig), Vec::<String>::new());
    assert_eq!(rig.loops, []);
}

#[test]
fn uplink_fast_does_not_wait_when_the_spare_fails_too() {
    let (mut rig, [_, primary, spare], s) = access();
    rig.set_lan(primary, false);
    rig.run(secs(40.0));
    rig.set_lan(primary, true);
    rig.run(secs(10.0));
    let since = rig.now;
    rig.set_lan(spare, false);
    let up = rig.port(s, primary);
    assert_eq!((rig.role(s, up), rig.state(s, up)), (PortRole::Root, PortState::Forwarding));
    assert_eq!(rig.when((s, up), PortState::Forwarding, since), Some(since));
    rig.run(secs(60.0));
    assert_eq!(truth::differences(&rig), Vec::<String>::new());
    assert_eq!(rig.loops, []);
}

#[test]
fn uplink_fast_excludes_ports_that_loop_to_themselves() {
    let (mut rig, [_, primary, spare], s) = access();
    let other = rig.port(s, spare);
    // One of its own BPDUs comes back by the spare uplink
    let port = rig.bridges[s].ports[&other].1.id();
    let sent = rig.sent((A, rig.port(A, primary)), Instant::ZERO);
    let body = config(&sent.last().unwrap().1).unwrap();
    let own = Message::Bpdu(Bpdu::Config(Priority { bridge: rig.id(s), port, ..body }));
    rig.input(s, Input::Frame { port: other, frame: &own.frame(rig::address(9)) });
    rig.set_lan(primary, false);
    assert_eq!((rig.role(s, other), rig.state(s, other)), (PortRole::Root, PortState::Listening));
    assert_eq!(rig.counter((s, other), "own"), 1);
}

#[test]
fn port_fast_forwards_at_once_without_a_change_of_the_topology_until_a_bpdu_comes() {
    let mut rig = Rig::new();
    rig.bridge(Protocol::Stp, |c| c.priority = 0);
    rig.bridge(Protocol::Stp, |_| {});
    let edge = |p: &mut trunkline_stp::PortConfig| p.edge = Edge::Yes;
    let up = rig.link(A, B);
    let station = rig.lan(&[(B, &edge)]);
    let (far, near) = (0, rig.port(B, station));
    rig.start();
    assert_eq!(rig.state(B, near), PortState::Forwarding);
    assert_eq!(rig.when((B, near), PortState::Listening, Instant::ZERO), None);
    rig.run(secs(80.0));
    // Flapping: zero changes of the topology
    let since = rig.now;
    for up in [false, true, false, true] {
        rig.set_lan(station, up);
        rig.run(secs(1.0));
    }
    let changes = |rig: &Rig, since| {
        let is = |(_, e): &(Instant, Event)| matches!(e, Event::TopologyChange { .. });
        rig.events(B, since).into_iter().filter(is).count()
    };
    assert_eq!(changes(&rig, since), 0);
    assert_eq!((rig.state(B, near), rig.bridges[far].ageing), (PortState::Forwarding, None));
    // A worse bridge speaks there: no edge any more, and the port listens
    let since = rig.now;
    let body = config(&rig.sent((A, rig.port(A, up)), Instant::ZERO)[0].1).unwrap();
    let worse = trunkline_stp::BridgeId::new(61_440, rig::address(99));
    let body = Priority { root: worse, bridge: worse, ..body };
    let frame = Message::Bpdu(Bpdu::Config(body)).frame(rig::address(9));
    rig.input(B, Input::Frame { port: near, frame: &frame });
    assert_eq!(rig.state(B, near), PortState::Listening);
    assert!(rig.events(B, since).contains(&(since, Event::Edge { port: near, edge: false })));
    assert_eq!(changes(&rig, since), 0);
    rig.run(secs(31.0));
    assert_eq!(rig.when((B, near), PortState::Forwarding, since), Some(since + secs(30.0)));
    assert_eq!(changes(&rig, since), 1, "now it counts");
    // The link goes down and up: an edge again
    rig.set_lan(station, false);
    let since = rig.now;
    rig.set_lan(station, true);
    assert_eq!(rig.when((B, near), PortState::Forwarding, since), Some(since));
    // Its own BPDU comes back: no edge either
    let own = rig.sent((B, near), Instant::ZERO).last().unwrap().1.frame(rig::address(9));
    rig.input(B, Input::Frame { port: near, frame: &own });
    rig.run(secs(0.001));
    assert_eq!(rig.state(B, near), PortState::Listening);
}
