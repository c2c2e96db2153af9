//! Whatever may come to a bridge, in whatever order.

use crate::rig::{address, secs};
use proptest::prelude::*;
use trunkline_core::{Instant, Outbox, PortId};
use trunkline_stp::{
    BridgeId, Config, Edge, ForceVersion, Input, PortConfig, PortIdentifier, PortRole, PortState, PortStatus,
    Protocol, SpanningTree,
};
use trunkline_wire::stp::{Bpdu, Flags, Message, Priority, RootLinkQuery, Rst, Time};

/// Something that may come to a bridge.
fn message() -> impl Strategy<Value = Message> {
    let body = (any::<u8>(), 0u64..4, 0u32..20, 0u64..4, 0u16..4, any::<u16>(), any::<u16>()).prop_map(
        |(flags, root, cost, bridge, port, age, max)| Priority {
            flags: Flags(flags),
            root: BridgeId::new(32_768, address(root as usize)),
            root_path_cost: if cost == 19 { u32::MAX } else { cost },
            bridge: BridgeId::new(32_768, address(bridge as usize)),
            port: PortIdentifier(0x8000 | port),
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
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever comes, in whatever order: no panic; timers come to an end; at most one port is the root port, and a port
    /// forwards only as root or designated port; a deadline is never in the past once all that is due is done.
    #[test]
    fn anything_may_come(is_stp in any::<bool>(), steps in prop::collection::vec(step(), 1..120)) {
        let protocol = if is_stp { Protocol::Stp } else { Protocol::Rstp };
        let mut bridge = Config::new(protocol, address(2));
        bridge.backbone_fast = is_stp;
        let mut tree = SpanningTree::new(bridge);
        let mut out = Outbox::new();
        let mut now = Instant::ZERO;
        for step in steps {
            match step {
                Step::Hear(port, m) => {
                    let frame = m.frame(address(9));
                    tree.handle(now, Input::Frame { port: PortId(port), frame: &frame }, &mut out);
                }
                Step::Link(port, up) => {
                    let status = PortStatus { up, address: address(8), speed: None, full_duplex: None };
                    tree.handle(now, Input::Status { port: PortId(port), status }, &mut out);
                }
                Step::Port(port, bits) => {
                    let config = configured(port as u16 + 1, bits);
                    tree.handle(now, Input::Port { port: PortId(port), config }, &mut out);
                }
                Step::Bridge(bits) => {
                    bridge.priority = 4096 * u16::from(bits % 16);
                    bridge.uplink_fast = is_stp && bits & 64 != 0;
                    let is_normal = is_stp || bits & 0x30 != 0;
                    bridge.force_version =
                        if is_normal { ForceVersion::Normal } else { ForceVersion::StpCompatible };
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
