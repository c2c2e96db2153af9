//! Tests of the bridge: each rule alone, and everything at random against a model that is too simple to be wrong.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;
use trunkline_core::{Instant, MacAddr, PortId};

const OWN: MacAddr = MacAddr([2, 0xb, 0, 0, 0, 0xff]);
const A: MacAddr = station(1);
const B: MacAddr = station(2);
const P: [PortId; 4] = [PortId(0), PortId(1), PortId(2), PortId(3)];
const FLOOD: Decision = Decision::Flood { local: false };
const GROUP: Decision = Decision::Flood { local: true };

const fn station(n: u16) -> MacAddr {
    let [a, b] = n.to_be_bytes();
    MacAddr([2, 0, 0, 0, a, b])
}

const fn s(secs: u64) -> Instant {
    Instant::from_secs(secs)
}

fn frame(destination: MacAddr, source: MacAddr) -> [u8; 60] {
    let mut frame = [0; 60];
    frame[..6].copy_from_slice(&destination.0);
    frame[6..12].copy_from_slice(&source.0);
    frame
}

fn bridge(config: Config) -> Bridge {
    let mut bridge = Bridge::new(config, OWN, 1);
    for port in P {
        assert!(bridge.add_port(port, PortState::Forwarding));
    }
    bridge
}

fn stations(bridge: &Bridge, now: Instant) -> Vec<(MacAddr, PortId)> {
    bridge.entries(now).map(|entry| (entry.mac, entry.port)).collect()
}

#[test]
fn it_learns_floods_forwards_and_filters() {
    // IEEE 802.1D-2004 §7.7, §7.8
    let mut bridge = bridge(Config::default());
    assert_eq!(bridge.receive(s(0), P[0], &frame(B, A)), FLOOD);
    assert_eq!(bridge.flood(Some(P[0])).collect::<Vec<_>>(), P[1..]);
    assert_eq!(bridge.receive(s(0), P[1], &frame(A, B)), Decision::Port(P[0]));
    assert_eq!(bridge.receive(s(0), P[0], &frame(B, A)), Decision::Port(P[1]));
    // A station behind the same port as the one that sends.
    assert_eq!(bridge.receive(s(0), P[0], &frame(A, station(3))), Decision::Drop(DropReason::SamePort));
    // It moves.
    assert_eq!(bridge.receive(s(1), P[2], &frame(B, A)), Decision::Port(P[1]));
    assert_eq!(bridge.receive(s(1), P[1], &frame(A, B)), Decision::Port(P[2]));
    assert_eq!(bridge.counters(), &Counters { learned: 3, moved: 1, ..Counters::default() });
    assert_eq!(
        bridge.port_counters(P[0]),
        Some(PortCounters {
            received: 3,
            octets: 180,
            forwarded: 1,
            flooded: 1,
            same_port: 1,
            ..PortCounters::default()
        })
    );
    assert_eq!(bridge.port_counters(PortId(9)), None);
}

#[test]
fn group_addresses_go_everywhere_but_the_reserved_ones() {
    // IEEE 802.1D-2004 §7.12.6, table 7-10
    let mut bridge = bridge(Config::default());
    for last in 0..=0xff {
        let group = MacAddr([1, 0x80, 0xc2, 0, 0, last]);
        let expected = if last <= 0x0f { Decision::Local } else { GROUP };
        assert_eq!(bridge.receive(s(0), P[0], &frame(group, A)), expected, "{group}");
    }
    assert_eq!(bridge.receive(s(0), P[0], &frame(MacAddr::BROADCAST, A)), GROUP);
    assert_eq!(bridge.receive(s(0), P[0], &frame(MacAddr([1, 0, 0x5e, 0, 0, 1]), A)), GROUP);
    let counters = bridge.port_counters(P[0]).unwrap();
    assert_eq!((counters.local, counters.flooded), (16, 242));
    // The group itself is never learned, its sender is.
    assert_eq!(stations(&bridge, s(0)), [(A, P[0])]);
}

#[test]
fn sources_that_no_station_can_have_are_dropped() {
    let mut bridge = bridge(Config::default());
    for source in [MacAddr::UNSPECIFIED, MacAddr::BROADCAST, MacAddr([1, 0x80, 0xc2, 0, 0, 0])] {
        for destination in [A, OWN, MacAddr::BROADCAST, MacAddr([1, 0x80, 0xc2, 0, 0, 0])] {
            let decision = bridge.receive(s(0), P[0], &frame(destination, source));
            assert_eq!(decision, Decision::Drop(DropReason::BadSource), "{source}");
        }
    }
    assert!(bridge.is_empty());
    for len in 0..14 {
        let decision = bridge.receive(s(0), P[0], &frame(B, A)[..len]);
        assert_eq!(decision, Decision::Drop(DropReason::Truncated));
        assert_eq!(bridge.send(s(0), &frame(B, A)[..len]), Decision::Drop(DropReason::Truncated));
    }
    let unknown = bridge.receive(s(0), PortId(77), &frame(B, A));
    assert_eq!(unknown, Decision::Drop(DropReason::UnknownPort));
    let counters = bridge.port_counters(P[0]).unwrap();
    assert_eq!((counters.received, counters.bad_source, counters.truncated), (26, 12, 14));
    assert_eq!(bridge.counters().unknown_port, 1);
}

#[test]
fn port_states_times_frames() {
    // IEEE 802.1D-2004 §7.4, §7.7.1: rows are the state of the port of arrival; B is behind port 1.
    use PortState::{Discarding, Forwarding, Learning};
    let no = Decision::Drop(DropReason::NotForwarding);
    let bpdu = MacAddr([1, 0x80, 0xc2, 0, 0, 0]);
    for (state, decisions, learned) in [
        (Discarding, [Decision::Local, no, no, no, no], false),
        (Learning, [Decision::Local, no, no, no, no], true),
        (Forwarding, [Decision::Local, Decision::Local, GROUP, Decision::Port(P[1]), FLOOD], true),
    ] {
        for (destination, decision) in
            [bpdu, OWN, MacAddr::BROADCAST, B, station(9)].into_iter().zip(decisions)
        {
            let mut bridge = bridge(Config::default());
            bridge.receive(s(0), P[1], &frame(station(9), B));
            bridge.set_port_state(s(0), P[0], state);
            assert_eq!(
                bridge.receive(s(0), P[0], &frame(destination, A)),
                decision,
                "{state:?} {destination}"
            );
            let knows = stations(&bridge, s(0)).contains(&(A, P[0]));
            assert_eq!(knows, learned, "{state:?} {destination}");
            assert_eq!(bridge.flood(None).any(|port| port == P[0]), state == Forwarding);
        }
    }
}

#[test]
fn nothing_goes_out_of_a_port_that_does_not_forward() {
    let mut bridge = bridge(Config::default());
    bridge.receive(s(0), P[1], &frame(A, B));
    // What is behind a port that merely learns stays known, and cannot be reached.
    bridge.set_port_state(s(0), P[1], PortState::Learning);
    let no = Decision::Drop(DropReason::NotForwarding);
    assert_eq!(bridge.receive(s(0), P[0], &frame(B, A)), no);
    assert_eq!(bridge.send(s(0), &frame(B, OWN)), no);
    // What is behind a port that discards is forgotten: it is looked for elsewhere.
    bridge.set_port_state(s(0), P[1], PortState::Discarding);
    assert_eq!(bridge.receive(s(0), P[0], &frame(B, A)), FLOOD);
    assert_eq!(bridge.flood(Some(P[0])).collect::<Vec<_>>(), [P[2], P[3]]);
    assert_eq!(bridge.port_state(P[1]), Some(PortState::Discarding));
    bridge.remove_port(P[1]);
    assert_eq!(bridge.port_state(P[1]), None);
    assert_eq!(bridge.ports().collect::<Vec<_>>(), [P[0], P[2], P[3]]);
    assert_eq!(bridge.counters().flushed, 1);
    assert!(!bridge.add_port(PortId(MAX_PORTS as u32), PortState::Forwarding));
}

#[test]
fn the_bridge_itself_sends_and_is_addressed() {
    let mut bridge = bridge(Config::default());
    assert_eq!(bridge.receive(s(0), P[0], &frame(OWN, A)), Decision::Local);
    assert_eq!(bridge.send(s(0), &frame(A, OWN)), Decision::Port(P[0]));
    assert_eq!(bridge.send(s(0), &frame(B, OWN)), FLOOD);
    assert_eq!(bridge.send(s(0), &frame(MacAddr::BROADCAST, OWN)), FLOOD);
    assert_eq!(bridge.flood(None).count(), 4);
    // Its own address as a source is a loop and never learned.
    assert_eq!(bridge.receive(s(0), P[2], &frame(A, OWN)), Decision::Port(P[0]));
    assert_eq!(bridge.counters().own_source, 1);
    assert_eq!(bridge.receive(s(0), P[0], &frame(OWN, A)), Decision::Local);
    // A new address takes over.
    bridge.set_address(A);
    assert!(bridge.is_empty());
    assert_eq!(bridge.receive(s(0), P[1], &frame(A, B)), Decision::Local);
}

#[test]
fn stations_age_after_300_seconds_of_silence() {
    // IEEE 802.1D-2004 §7.9.2, table 7-5
    let mut bridge = bridge(Config::default());
    bridge.receive(s(0), P[0], &frame(B, A));
    bridge.receive(s(100), P[1], &frame(A, B));
    assert_eq!(bridge.poll_timeout(), Some(s(300)));
    let just_before = Instant::from_nanos(s(300).as_nanos() - 1);
    assert_eq!(stations(&bridge, just_before).len(), 2);
    assert_eq!(bridge.receive(just_before, P[2], &frame(A, station(3))), Decision::Port(P[0]));
    assert_eq!(bridge.receive(s(300), P[2], &frame(A, station(3))), FLOOD);
    assert_eq!(bridge.counters().aged, 1);
    // A frame makes it young again.
    bridge.receive(s(399), P[1], &frame(A, B));
    bridge.handle_timeout(s(600));
    assert_eq!(bridge.poll_timeout(), Some(s(699)));
    assert_eq!(stations(&bridge, s(600)), [(B, P[1])]);
    bridge.handle_timeout(s(699));
    assert_eq!((bridge.poll_timeout(), bridge.counters().aged), (None, 3));
    let age = |at| bridge.entries(at).map(|entry| entry.age).collect::<Vec<_>>();
    assert!(age(s(699)).is_empty());
}

#[test]
fn the_ageing_time_changes_at_run_time() {
    // IEEE 802.1D-2004 §17.11: for a topology change spanning tree shortens it to the forward delay.
    let mut bridge = bridge(Config::default());
    bridge.receive(s(0), P[0], &frame(B, A));
    bridge.receive(s(90), P[1], &frame(A, B));
    bridge.set_ageing_time(s(100), Duration::from_secs(15));
    assert_eq!(stations(&bridge, s(100)), [(B, P[1])]);
    assert_eq!(bridge.poll_timeout(), Some(s(105)));
    bridge.set_ageing_time(s(104), Duration::from_secs(300));
    assert_eq!(stations(&bridge, s(389)), [(B, P[1])]);
    assert!(stations(&bridge, s(390)).is_empty());
    // What was too old already does not come back.
    bridge.set_ageing_time(s(400), Duration::from_secs(1000));
    assert!(bridge.is_empty());
    bridge.set_ageing_time(s(400), Duration::ZERO);
    bridge.receive(s(400), P[0], &frame(B, A));
    assert_eq!(bridge.receive(s(400), P[1], &frame(A, B)), FLOOD);
    // A configuration is kept within the limits of table 7-5.
    for (given, taken) in [(0, 10), (9, 10), (11, 11), (2_000_000, 1_000_000)] {
        let config = Config { ageing_time: Duration::from_secs(given), ..Config::default() };
        assert_eq!(Bridge::new(config, OWN, 1).ageing_time(), Duration::from_secs(taken));
    }
}

#[test]
fn ageing_is_done_in_slices_and_exact_all_the_same() {
    let mut bridge = bridge(Config::default());
    for n in 0..1000 {
        bridge.receive(s(0), P[0], &frame(B, station(n + 10)));
    }
    bridge.handle_timeout(s(300));
    assert_eq!((bridge.len(), bridge.counters().aged), (744, 256));
    assert_eq!(bridge.poll_timeout(), Some(s(300)));
    // What is still there, but too old, is not used; hearing it again is learning it.
    assert_eq!(bridge.entries(s(300)).count(), 0);
    assert_eq!(bridge.receive(s(300), P[1], &frame(station(1000), B)), FLOOD);
    assert_eq!(bridge.receive(s(300), P[1], &frame(B, station(1000))), Decision::Drop(DropReason::SamePort));
    assert_eq!((bridge.counters().learned, bridge.counters().moved), (1002, 0));
    while bridge.poll_timeout().is_some_and(|at| at <= s(300)) {
        bridge.handle_timeout(s(300));
    }
    assert_eq!((bridge.len(), bridge.counters().aged), (2, 1000));
}

#[test]
fn flushes_and_static_entries() {
    let mut bridge = bridge(Config::default());
    assert_eq!(bridge.add_static(MacAddr::BROADCAST, P[0]), Err(StaticError::NotAStation));
    assert_eq!(bridge.add_static(OWN, P[0]), Err(StaticError::OwnAddress));
    assert_eq!(bridge.add_static(A, PortId(9)), Err(StaticError::UnknownPort));
    bridge.receive(s(0), P[2], &frame(B, A));
    assert_eq!(bridge.add_static(A, P[0]), Ok(()));
    bridge.receive(s(0), P[1], &frame(A, B));
    // It does not move, not age, and a flush leaves it (§7.9.1).
    assert_eq!(bridge.receive(s(1), P[3], &frame(B, A)), Decision::Port(P[1]));
    assert_eq!(bridge.counters().static_elsewhere, 1);
    bridge.flush(P[0]);
    assert_eq!(stations(&bridge, s(1)), [(A, P[0]), (B, P[1])]);
    bridge.flush(P[1]);
    assert_eq!(stations(&bridge, s(1_000_000)), [(A, P[0])]);
    let entry = bridge.entries(s(11)).next().unwrap();
    assert_eq!((entry.kind, entry.age), (Kind::Static, Duration::from_secs(10)));
    bridge.receive(s(1), P[1], &frame(A, B));
    bridge.flush_all();
    assert_eq!(stations(&bridge, s(1)), [(A, P[0])]);
    assert!(bridge.remove_static(A) && !bridge.remove_static(A));
    bridge.receive(s(1), P[1], &frame(A, B));
    assert!(!bridge.remove_static(B));
    bridge.add_static(A, P[0]).unwrap();
    bridge.remove_port(P[0]);
    assert_eq!(stations(&bridge, s(1)), [(B, P[1])]);
}

#[test]
fn a_full_table_floods_and_grows_no_more() {
    let mut bridge = bridge(Config { max_entries: 3, ..Config::default() });
    for n in 0..10_000 {
        bridge.receive(s(1), P[0], &frame(B, station(n + 10)));
    }
    assert_eq!((bridge.len(), bridge.counters().full), (3, 9997));
    assert_eq!(bridge.receive(s(1), P[1], &frame(station(12), B)), Decision::Port(P[0]));
    assert_eq!(bridge.receive(s(1), P[1], &frame(station(13), B)), FLOOD);
    // Who is there can move; a static entry takes the place of the oldest.
    bridge.receive(s(2), P[2], &frame(B, station(10)));
    bridge.add_static(A, P[3]).unwrap();
    assert_eq!(stations(&bridge, s(2)), [(A, P[3]), (station(10), P[2]), (station(12), P[0])]);
    bridge.add_static(B, P[3]).unwrap();
    bridge.add_static(station(3), P[3]).unwrap();
    assert_eq!(bridge.add_static(station(4), P[3]), Err(StaticError::Full));
    // When the old ones are gone there is room again.
    bridge.remove_static(B);
    bridge.receive(s(2), P[0], &frame(A, station(10)));
    bridge.receive(s(302), P[0], &frame(A, station(11)));
    assert_eq!(stations(&bridge, s(302)).last(), Some(&(station(11), P[0])));
}

/// One thing that happens.
#[derive(Debug, Clone)]
enum Op {
    Receive { port: PortId, destination: MacAddr, source: MacAddr },
    Send(MacAddr),
    Wait(u64),
    Timeout,
    Flush(PortId),
    FlushAll,
    State(PortId, PortState),
    Ageing(u64),
    Static(MacAddr, PortId),
    RemoveStatic(MacAddr),
    AddPort(PortId),
    RemovePort(PortId),
}

fn any_op() -> impl Strategy<Value = Op> {
    let mac = || {
        prop_oneof![
            12 => (1u16..9).prop_map(station),
            1 => Just(OWN),
            1 => Just(MacAddr::BROADCAST),
            1 => Just(MacAddr::UNSPECIFIED),
            1 => (0u8..0x20).prop_map(|last| MacAddr([1, 0x80, 0xc2, 0, 0, last])),
        ]
    };
    let port = || (0u32..4).prop_map(PortId);
    let state = prop_oneof![
        1 => Just(PortState::Discarding),
        1 => Just(PortState::Learning),
        3 => Just(PortState::Forwarding)
    ];
    prop_oneof![
        40 => (port(), mac(), mac()).prop_map(|(port, destination, source)| Op::Receive { port, destination, source }),
        4 => mac().prop_map(Op::Send),
        10 => (0u64..80).prop_map(Op::Wait),
        3 => Just(Op::Timeout),
        1 => port().prop_map(Op::Flush),
        1 => Just(Op::FlushAll),
        3 => (port(), state).prop_map(|(port, state)| Op::State(port, state)),
        1 => (0u64..200).prop_map(Op::Ageing),
        2 => (mac(), port()).prop_map(|(mac, port)| Op::Static(mac, port)),
        1 => mac().prop_map(Op::RemoveStatic),
        1 => port().prop_map(Op::AddPort),
        1 => port().prop_map(Op::RemovePort),
    ]
}

/// A bridge that looks through everything each time.
struct Model {
    now: u64,
    ageing: u64,
    max_entries: usize,
    order: u64,
    ports: BTreeMap<PortId, PortState>,
    /// Port, when heard (seconds, then order), whether static.
    stations: BTreeMap<MacAddr, (PortId, (u64, u64), bool)>,
    learned: u64,
    moved: u64,
    full: u64,
}

impl Model {
    fn age(&mut self) {
        let (now, ageing) = (self.now, self.ageing);
        self.stations.retain(|_, (_, heard, fixed)| *fixed || heard.0 + ageing > now);
    }

    fn hear(&mut self, source: MacAddr, port: PortId) {
        self.order += 1;
        let heard = (self.now, self.order);
        let is_full = self.stations.len() >= self.max_entries;
        match self.stations.get_mut(&source) {
            Some((_, _, true)) => {}
            Some(entry) => {
                self.moved += u64::from(entry.0 != port);
                *entry = (port, heard, false);
            }
            None if is_full => self.full += 1,
            None => {
                self.learned += 1;
                self.stations.insert(source, (port, heard, false));
            }
        }
        self.age();
    }

    fn toward(&self, destination: MacAddr, ingress: Option<PortId>) -> Decision {
        match self.stations.get(&destination) {
            None => FLOOD,
            Some((port, ..)) if self.ports.get(port) != Some(&PortState::Forwarding) => {
                Decision::Drop(DropReason::NotForwarding)
            }
            Some((port, ..)) if Some(*port) == ingress => Decision::Drop(DropReason::SamePort),
            Some((port, ..)) => Decision::Port(*port),
        }
    }

    fn receive(&mut self, port: PortId, destination: MacAddr, source: MacAddr) -> Decision {
        let Some(&state) = self.ports.get(&port) else { return Decision::Drop(DropReason::UnknownPort) };
        if source.is_group() || source == MacAddr::UNSPECIFIED {
            return Decision::Drop(DropReason::BadSource);
        }
        if state != PortState::Discarding && source != OWN {
            self.hear(source, port);
        }
        if destination.is_bridge_filtered() {
            Decision::Local
        } else if state != PortState::Forwarding {
            Decision::Drop(DropReason::NotForwarding)
        } else if destination == OWN {
            Decision::Local
        } else if destination.is_group() {
            GROUP
        } else {
            self.toward(destination, Some(port))
        }
    }

    fn add_static(&mut self, mac: MacAddr, port: PortId) -> bool {
        if !mac.is_station() || mac == OWN || !self.ports.contains_key(&port) {
            return false;
        }
        if !self.stations.contains_key(&mac) && self.stations.len() >= self.max_entries {
            let dynamic = self.stations.iter().filter(|(_, entry)| !entry.2);
            let Some((&oldest, _)) = dynamic.min_by_key(|(_, entry)| entry.1) else { return false };
            self.stations.remove(&oldest);
        }
        self.stations.insert(mac, (port, (0, 0), true));
        true
    }

    fn forget(&mut self, port: PortId, statics: bool) {
        self.stations.retain(|_, (p, _, fixed)| *p != port || (*fixed && !statics));
    }
}

fn apply(bridge: &mut Bridge, model: &mut Model, op: &Op) {
    let now = s(model.now);
    match *op {
        Op::Receive { port, destination, source } => assert_eq!(
            bridge.receive(now, port, &frame(destination, source)),
            model.receive(port, destination, source)
        ),
        Op::Send(destination) => {
            let expected = match destination {
                OWN => Decision::Drop(DropReason::SamePort),
                group if group.is_group() => FLOOD,
                station => model.toward(station, None),
            };
            assert_eq!(bridge.send(now, &frame(destination, OWN)), expected);
        }
        Op::Wait(secs) => model.now += secs,
        Op::Timeout => bridge.handle_timeout(now),
        Op::Flush(port) => {
            bridge.flush(port);
            model.forget(port, false);
        }
        Op::FlushAll => {
            bridge.flush_all();
            model.stations.retain(|_, entry| entry.2);
        }
        Op::State(port, state) => {
            bridge.set_port_state(now, port, state);
            if let Some(old) = model.ports.get_mut(&port) {
                *old = state;
                if state == PortState::Discarding {
                    model.forget(port, false);
                }
            }
        }
        Op::Ageing(secs) => {
            bridge.set_ageing_time(now, Duration::from_secs(secs));
            model.ageing = secs;
        }
        Op::Static(mac, port) => {
            assert_eq!(bridge.add_static(mac, port).is_ok(), model.add_static(mac, port));
        }
        Op::RemoveStatic(mac) => {
            let there = model.stations.get(&mac).is_some_and(|entry| entry.2);
            assert_eq!(bridge.remove_static(mac), there);
            if there {
                model.stations.remove(&mac);
            }
        }
        Op::AddPort(port) => {
            bridge.add_port(port, PortState::Forwarding);
            model.ports.insert(port, PortState::Forwarding);
        }
        Op::RemovePort(port) => {
            bridge.remove_port(port);
            if model.ports.remove(&port).is_some() {
                model.forget(port, true);
            }
        }
    }
    model.age();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn it_does_what_the_model_does(
        ops in prop::collection::vec(any_op(), 1..200),
        max_entries in 0usize..12,
        seed: u64,
    ) {
        let config = Config { ageing_time: Duration::from_secs(100), max_entries };
        let mut bridge = Bridge::new(config, OWN, seed);
        let ports: BTreeMap<_, _> = P[..3].iter().map(|&port| (port, PortState::Forwarding)).collect();
        for &port in ports.keys() {
            bridge.add_port(port, PortState::Forwarding);
        }
        let mut model = Model {
            now: 1, ageing: 100, max_entries, order: 0, ports, stations: BTreeMap::new(), learned: 0, moved: 0, full: 0,
        };
        for op in &ops {
            apply(&mut bridge, &mut model, op);
            let now = s(model.now);
            let expected: Vec<_> = model.stations.iter().map(|(mac, entry)| (*mac, entry.0)).collect();
            prop_assert_eq!(stations(&bridge, now), expected, "after {:?}", op);
            let forwarding: Vec<_> =
                model.ports.iter().filter(|(_, s)| **s == PortState::Forwarding).map(|(p, _)| *p).collect();
            prop_assert_eq!(bridge.flood(None).collect::<Vec<_>>(), forwarding);
            prop_assert!(bridge.len() <= max_entries);
            let counters = bridge.counters();
            prop_assert_eq!(
                (counters.learned, counters.moved, counters.full),
                (model.learned, model.moved, model.full)
            );
        }
        // Each frame is counted once.
        for port in bridge.ports().collect::<Vec<_>>() {
            let counters = bridge.port_counters(port).unwrap_or_default();
            let sum: u64 = counters.named()[2..].iter().map(|(_, count)| count).sum();
            prop_assert_eq!(counters.received, sum);
        }
    }
}
