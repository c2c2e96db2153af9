//! How the bridge and its ports stand.

use super::Bridge;
use crate::engine::{BridgeFacts, PortFacts};
use crate::vector::Vector;
use trunkline_core::{Instant, PortId};

impl Bridge {
    pub(super) fn bridge_facts(&self) -> BridgeFacts {
        let root_port = self.root_port.and_then(|id| self.ports.get(&id));
        let root = root_port.map_or(Vector::own(self.bridge_id), |port| port.way().0);
        BridgeFacts { root, root_port: self.root_port, times: self.times, ageing: self.ageing }
    }

    /// Timers and flags of the bridge are shown where they act: at the root port, or at the root's designated ports.
    pub(super) fn port_facts(&self, now: Instant, id: PortId) -> Option<PortFacts> {
        let port = self.ports.get(&id)?;
        let is_root_port = self.root_port == Some(id);
        let designated = port.enabled() && port.is_designated(self.bridge_id);
        let acts = is_root_port || (self.is_root() && designated);
        let of_bridge = |timer| if acts { timer } else { None };
        let timers = [
            ("message_age", port.message_age.map(|age| age.expires(self.times.max_age))),
            ("forward_delay", port.forward_delay_timer),
            ("hold", port.hold_timer),
            ("hello", of_bridge(self.hello_timer)),
            ("tcn", of_bridge(self.tcn_timer)),
            ("topology_change", of_bridge(self.topology_change_timer)),
            ("root_guard", port.guard_until),
            ("self_looped", port.looped),
            ("uplink_delay", port.uplink_delay),
        ];
        let flags = [
            ("topology_change_acknowledge", port.topology_change_acknowledge),
            ("config_pending", port.config_pending),
            ("change_detection_enabled", port.enabled() && !port.edge),
            ("topology_change", acts && self.topology_change),
            ("topology_change_detected", acts && self.topology_change_detected),
        ];
        Some(PortFacts {
            id: port.id(),
            role: port.role,
            state: port.state,
            cost: port.settings.cost,
            edge: port.edge,
            sends_rstp: false,
            point_to_point: port.settings.point_to_point,
            inconsistent: port.guard,
            held: port.designated,
            received: port.message_age.is_some(),
            designated: self.vector(port.id()),
            forward_transitions: port.forward_transitions,
            timers: timers.into_iter().filter_map(|(name, at)| Some((name, at?.since(now)))).collect(),
            flags: flags.into_iter().filter(|(_, on)| *on).map(|(name, _)| name).collect(),
            machines: Vec::new(),
        })
    }
}
