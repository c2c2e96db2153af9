//! Bridges: frames from port to port, and the interface that a bridge has itself.

use super::Stack;
use super::interface::Interface;
use super::links::send_by;
use super::trees::Announcements;
use crate::NodeOutput;
use crate::config::BridgeConfig;
use crate::spanning_tree::Tree;
use trunkline_bridge::{Bridge, Config, Decision, PortState};
use trunkline_core::{Frame, Instant, MacAddr, Outbox, PortId, earliest};
use trunkline_stp::PortStatus;
use trunkline_view::EventKind;
use trunkline_wire::stp::is_spanning_tree;

/// A bridge.
#[derive(Debug)]
pub(super) struct BridgeState {
    pub(super) config: BridgeConfig,
    pub(super) bridge: Bridge,
    /// Which ports forward, where it is configured.
    pub(super) tree: Option<Tree>,
    pub(super) announcements: Announcements,
    /// The number of its own interface.
    pub(super) interface: usize,
}

impl BridgeState {
    /// A bridge without ports.
    pub(super) fn new(config: BridgeConfig, interface: usize, seed: u64) -> BridgeState {
        let machine = Config { ageing_time: config.ageing_time, ..Config::default() };
        BridgeState {
            config,
            bridge: Bridge::new(machine, MacAddr::UNSPECIFIED, seed),
            tree: None,
            announcements: Announcements::default(),
            interface,
        }
    }

    /// When something is due.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let tree = self.tree.as_ref().and_then(Tree::poll_timeout);
        earliest([self.bridge.poll_timeout(), tree, self.announcements.poll_timeout()])
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
        // In every state of the port, and never to others (IEEE 802.1D-2004 §7.12.3).
        if let Some(tree) = state.tree.as_mut().filter(|_| is_spanning_tree(&frame)) {
            tree.frame(now, ingress, &frame);
            self.tree_outputs(now, number, out);
            return;
        }
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
        let Some(Some(state)) = self.bridges.get(number) else { return };
        let own = state.interface;
        let (mut mac, mut mtu) = (None, u32::MAX);
        let mut links = Vec::new();
        for (id, port) in (0..).map(PortId).zip(&self.ports) {
            if state.bridge.port_state(id).is_none() {
                continue;
            }
            let interface = self.interfaces.get(port.interface).and_then(Option::as_ref);
            let address = interface.map_or(MacAddr::UNSPECIFIED, Interface::mac);
            if let Some(interface) = interface.filter(|_| address.is_station()) {
                mac = Some(mac.map_or(address, |lowest: MacAddr| lowest.min(address)));
                mtu = mtu.min(interface.mtu());
            }
            let (speed, full_duplex) = (port.state.speed, port.state.full_duplex);
            links.push((id, PortStatus { up: port.up, address, speed, full_duplex }));
        }
        let mut address = MacAddr::UNSPECIFIED;
        if let Some(Some(interface)) = self.interfaces.get_mut(own) {
            interface.carrier = links.iter().any(|(_, status)| status.up);
            interface.port_mac = mac.unwrap_or_default();
            interface.port_mtu = mtu;
            address = interface.mac();
        }
        if let Some(Some(state)) = self.bridges.get_mut(number)
            && state.bridge.address() != address
        {
            state.bridge.set_address(address);
        }
        if self.tree_links(now, number, address, &links) {
            self.tree_outputs(now, number, out);
        } else {
            self.open_ports(now, number, &links);
        }
        self.refresh(now, own, out);
    }

    /// Without spanning tree every port that is up forwards.
    fn open_ports(&mut self, now: Instant, number: usize, links: &[(PortId, PortStatus)]) {
        for (id, status) in links {
            let Some(Some(state)) = self.bridges.get_mut(number) else { return };
            let after = if status.up { PortState::Forwarding } else { PortState::Discarding };
            if state.bridge.port_state(*id) != Some(after) {
                state.bridge.set_port_state(now, *id, after);
                let (bridge, name) = (state.config.name.clone(), self.port_name(*id));
                let message = format!("{name} is {}", state_name(after));
                self.tell(|| EventKind::Bridge { bridge, message });
            }
        }
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
