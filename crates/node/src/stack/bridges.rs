//! Bridges: frames from port to port, and the interface that a bridge has itself.

use super::Stack;
use super::links::send_by;
use crate::NodeOutput;
use crate::config::BridgeConfig;
use trunkline_bridge::{Bridge, Config, Decision, PortState};
use trunkline_core::{Frame, Instant, MacAddr, Outbox, PortId};
use trunkline_view::EventKind;

/// A bridge.
#[derive(Debug)]
pub(super) struct BridgeState {
    pub(super) config: BridgeConfig,
    pub(super) bridge: Bridge,
    /// The number of its own interface.
    pub(super) interface: usize,
}

impl BridgeState {
    /// A bridge without ports.
    pub(super) fn new(config: BridgeConfig, interface: usize, seed: u64) -> BridgeState {
        let machine = Config { ageing_time: config.ageing_time, ..Config::default() };
        BridgeState { config, bridge: Bridge::new(machine, MacAddr::UNSPECIFIED, seed), interface }
    }
}

impl Stack {
    /// A frame came in at a port of a bridge.
    #[inline]
    pub(super) fn bridged(
        &mut self,
        now: Instant,
        number: usize,
        ingress: PortId,
        frame: Frame,
        out: &mut Outbox<NodeOutput>,
    ) {
        let Some(Some(state)) = self.bridges.get_mut(number) else { return };
        let decision = state.bridge.receive(now, ingress, &frame);
        let (due, own) = (state.bridge.poll_timeout(), state.interface);
        match decision {
            Decision::Drop(_) => {}
            Decision::Port(egress) => send_by(&mut self.ports, egress, frame, out),
            Decision::Local => self.arrived(now, own, frame, out),
            Decision::Flood { local } => {
                for egress in state.bridge.flood(Some(ingress)) {
                    send_by(&mut self.ports, egress, frame.clone(), out);
                }
                if local {
                    self.arrived(now, own, frame, out);
                }
            }
        }
        self.note(due);
    }

    /// A bridge's own interface sends a frame.
    pub(super) fn send_by_bridge(
        &mut self,
        now: Instant,
        number: usize,
        frame: Frame,
        out: &mut Outbox<NodeOutput>,
    ) {
        let Some(Some(state)) = self.bridges.get_mut(number) else { return };
        match state.bridge.send(now, &frame) {
            Decision::Drop(_) | Decision::Local => {}
            Decision::Port(egress) => send_by(&mut self.ports, egress, frame, out),
            Decision::Flood { .. } => {
                for egress in state.bridge.flood(None) {
                    send_by(&mut self.ports, egress, frame.clone(), out);
                }
            }
        }
    }

    /// A port of a bridge, or which ports it has, may have changed: brings the bridge in step, and its own interface,
    /// which has a carrier while a port has, and the lowest address of all ports.
    pub(super) fn refresh_bridge(&mut self, now: Instant, number: usize, out: &mut Outbox<NodeOutput>) {
        let Some(Some(state)) = self.bridges.get_mut(number) else { return };
        let own = state.interface;
        let (mut carrier, mut mac, mut mtu) = (false, None, u32::MAX);
        let mut changes = Vec::new();
        for (id, port) in (0..).map(PortId).zip(&self.ports) {
            let Some(before) = state.bridge.port_state(id) else { continue };
            let after = if port.up { PortState::Forwarding } else { PortState::Discarding };
            let interface = self.interfaces.get(port.interface).and_then(Option::as_ref);
            if before != after {
                state.bridge.set_port_state(now, id, after);
                let name = interface.map_or("", |interface| interface.config.name.as_str());
                changes.push(format!("{name} is {}", state_name(after)));
            }
            carrier |= port.up;
            if let Some(interface) = interface.filter(|interface| interface.mac().is_station()) {
                mac = Some(mac.map_or(interface.mac(), |lowest: MacAddr| lowest.min(interface.mac())));
                mtu = mtu.min(interface.mtu());
            }
        }
        let bridge = state.config.name.clone();
        for message in changes {
            self.tell(|| EventKind::Bridge { bridge: bridge.clone(), message });
        }
        if let Some(Some(interface)) = self.interfaces.get_mut(own) {
            interface.carrier = carrier;
            interface.port_mac = mac.unwrap_or_default();
            interface.port_mtu = mtu;
            let mac = interface.mac();
            if let Some(Some(state)) = self.bridges.get_mut(number)
                && state.bridge.address() != mac
            {
                state.bridge.set_address(mac);
            }
        }
        self.refresh(now, own, out);
    }
}

/// The name of a port's state.
pub(super) fn state_name(state: PortState) -> &'static str {
    match state {
        PortState::Discarding => "discarding",
        PortState::Learning => "learning",
        PortState::Forwarding => "forwarding",
    }
}
