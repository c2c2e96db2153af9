//! Storms of frames, and whatever may come.

use super::*;
use proptest::prelude::*;
use trunkline_core::{Outbox, PortId, Rng};
use trunkline_stp::{BridgeId, Edge, Event, Input, PortConfig, PortStatus, SpanningTree};
use trunkline_wire::stp::{Flags, RootLinkQuery, Rst};

#[test]
fn malformed_frames_and_worse_bpdus_move_nothing_and_are_counted() {
    let mut s = settled(|c| c.backbone_fast = true);
    let since = s.rig.now;
    let port = s.rig.port(A, s.ab);
    let (malformed, config_before) =
        (s.rig.counter((A, port), "malformed"), s.rig.counter((A, port), "rx_config"));
    let mut rng = Rng::new(1);
    let valid = s.rig.sent((A, port), Instant::ZERO)[0].1.frame(rig::address(9));
    for _ in 0..100_000u32 {
        let mut frame = valid.clone();
        // Protocol identifier, or a type that nobody knows, or too short
        match rng.below(3) {
            0 => frame[17] = 1 + rng.below(255) as u8,
            1 => frame[20] = 3 + rng.below(100) as u8,
            _ => {
                frame.truncate(21 + rng.below(20) as usize);
                let octets = (frame.len() - 14) as u8;
                frame[13] = octets;
            }
        }
        s.rig.input(A, Input::Frame { port, frame: &frame });
    }
    assert_eq!(s.rig.counter((A, port), "malformed"), malformed + 100_000);
    // 1,000 BPDUs each second for 10 s, from ever other bridges, all worse
    let body = config(&s.rig.sent((A, port), Instant::ZERO)[0].1).unwrap();
    for n in 0..10_000u64 {
        let worse = BridgeId(0xf000_0200_0000_0000 | n);
        let frame = Message::Bpdu(Bpdu::Config(Priority { root: worse, bridge: worse, ..body }));
        s.rig.input(A, Input::Frame { port, frame: &frame.frame(rig::address(9)) });
        s.rig.run(secs(0.001));
    }
    assert_eq!(s.rig.counter((A, port), "rx_config"), config_before + 10_000);
    let sent = s.rig.sent((A, port), since).len();
    assert!(sent <= 12, "one in Hold Time at most: {sent}");
    let events: usize = (0..4).map(|b| s.rig.events(b, since).len()).sum();
    assert_eq!(events, 0, "nobody noticed");
    assert_eq!(truth::differences(&s.rig), Vec::<String>::new());
}

#[test]
fn a_thousand_ports() {
    // Each hears another bridge; the best is the root, nothing is looked at that is not due
    let mut tree = SpanningTree::new(Config::new(Protocol::Stp, rig::address(1)));
    let mut out = Outbox::new();
    let status = PortStatus { up: true, address: rig::address(7), speed: None, full_duplex: None };
    for n in 0..1000u16 {
        let port = PortId(n.into());
        tree.handle(Instant::ZERO, Input::Port { port, config: PortConfig::new(n + 1) }, &mut out);
        tree.handle(Instant::ZERO, Input::Status { port, status }, &mut out);
    }
    let mut wakes = 0;
    while let Some(at) = tree.poll_timeout().filter(|at| *at <= Instant::from_secs(60)) {
        tree.handle_timeout(at, &mut out);
        wakes += 1;
        assert!(tree.poll_timeout().is_none_or(|next| next > at), "all that is due is done");
    }
    // Hellos at 0, 2, … 60; Hold Time a second after each; two Forward Delays: no wake for nothing
    assert!(wakes <= 31 + 30 + 2, "{wakes}");
    let forwards = std::iter::from_fn(|| out.pop())
        .filter(|o| matches!(o, trunkline_stp::Output::Event(Event::State { to: PortState::Forwarding, .. })))
        .count();
    assert_eq!(forwards, 1000);
}

/// Something that may come to a bridge.
fn message() -> impl Strategy<Value = Message> {
    let body = (any::<u8>(), 0u64..4, 0u32..20, 0u64..4, 0u16..4, any::<u16>(), any::<u16>()).prop_map(
        |(flags, root, cost, bridge, port, age, max)| Priority {
            flags: Flags(flags),
            root: BridgeId::new(32_768, rig::address(root as usize)),
            root_path_cost: if cost == 19 { u32::MAX } else { cost },
            bridge: BridgeId::new(32_768, rig::address(bridge as usize)),
            port: trunkline_stp::PortIdentifier(0x8000 | port),
            message_age: Time(age % 6000),
            max_age: Time(max),
            hello_time: Time(max / 7),
            forward_delay: Time(max / 3),
        },
    );
    (body, 0u8..5).prop_map(|(body, kind)| match kind {
        0 | 1 => Message::Bpdu(Bpdu::Config(body)),
        2 => Message::Bpdu(Bpdu::Tcn),
        3 => Message::Bpdu(Bpdu::Rst(Rst { version: 2, body })),
        _ => Message::RootLinkQuery(RootLinkQuery { response: body.flags.0 % 2 == 0, body }),
    })
}

#[derive(Debug, Clone)]
enum Step {
    Hear(u32, Message),
    Link(u32, bool),
    Port(u32, u8),
    Bridge(u8),
    Gone(u32),
    Wait(u16),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0u32..4, message()).prop_map(|(port, m)| Step::Hear(port, m)),
        2 => (0u32..4, any::<bool>()).prop_map(|(port, up)| Step::Link(port, up)),
        1 => (0u32..4, any::<u8>()).prop_map(|(port, bits)| Step::Port(port, bits)),
        1 => any::<u8>().prop_map(Step::Bridge),
        1 => (0u32..4).prop_map(Step::Gone),
        4 => (0u16..30_000).prop_map(Step::Wait),
    ]
}

fn configured(number: u16, bits: u8) -> PortConfig {
    PortConfig {
        edge: if bits & 1 != 0 { Edge::Yes } else { Edge::No },
        root_guard: bits & 2 != 0,
        loop_guard: bits & 4 != 0,
        restricted_role: bits & 8 != 0,
        restricted_tcn: bits & 16 != 0,
        bpdu_guard: bits & 0xe0 == 0xe0,
        path_cost: Some(u32::from(bits) + 1),
        ..PortConfig::new(number)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever comes, in whatever order: no panic; timers come to an end; at most one port is the root port, and a port
    /// forwards only as root or designated port; a deadline is never in the past once all that is due is done.
    #[test]
    fn anything_may_come(steps in prop::collection::vec(step(), 1..120)) {
        let mut bridge = Config::new(Protocol::Stp, rig::address(2));
        bridge.backbone_fast = true;
        let mut tree = SpanningTree::new(bridge);
        let mut out = Outbox::new();
        let mut now = Instant::ZERO;
        for step in steps {
            match step {
                Step::Hear(port, m) => {
                    let frame = m.frame(rig::address(9));
                    tree.handle(now, Input::Frame { port: PortId(port), frame: &frame }, &mut out);
                }
                Step::Link(port, up) => {
                    let status = PortStatus { up, address: rig::address(8), speed: None, full_duplex: None };
                    tree.handle(now, Input::Status { port: PortId(port), status }, &mut out);
                }
                Step::Port(port, bits) => {
                    let config = configured(port as u16 + 1, bits);
                    tree.handle(now, Input::Port { port: PortId(port), config }, &mut out);
                }
                Step::Bridge(bits) => {
                    bridge.priority = 4096 * u16::from(bits % 16);
                    bridge.uplink_fast = bits & 64 != 0;
                    tree.handle(now, Input::Reconfigure(bridge), &mut out);
                }
                Step::Gone(port) => tree.handle(now, Input::PortGone { port: PortId(port) }, &mut out),
                Step::Wait(millis) => {
                    let until = now + secs(f64::from(millis) / 1000.0);
                    let mut wakes = 0;
                    while let Some(at) = tree.poll_timeout().filter(|at| *at <= until) {
                        now = now.max(at);
                        tree.handle_timeout(now, &mut out);
                        wakes += 1;
                        prop_assert!(wakes < 1000, "timers come to an end");
                    }
                    now = until;
                }
            }
            let ports: Vec<_> = (0..4).filter_map(|port| tree.port(now, PortId(port))).collect();
            prop_assert!(ports.iter().filter(|(role, _)| *role == PortRole::Root).count() <= 1);
            for (role, state) in ports {
                let may = matches!(role, PortRole::Root | PortRole::Designated);
                prop_assert!(state != PortState::Forwarding || may, "{role} {state}");
                prop_assert_eq!(state == PortState::Disabled, role == PortRole::Disabled);
            }
        }
    }
}
