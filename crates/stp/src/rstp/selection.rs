//! Port Role Selection (§17.28): who is the root, and what each port is for.
//!
//! ```text
//!  INIT_BRIDGE ─▶ ROLE_SELECTION ⟲ a port's reselect
//! ```

use super::Bridge;
use super::bridge_times;
use super::port::{InfoIs, Port};
use crate::engine::Said;
use crate::vector::{Times, Vector};
use crate::{Event, Inconsistency, Output, PortRole};
use trunkline_core::{Instant, Outbox, PortId};
use trunkline_wire::stp::PortIdentifier;

impl Bridge {
    /// INIT_BRIDGE: updtRoleDisabledTree; all ports have that role from the start.
    pub(super) fn begin_selection(&mut self, now: Instant, out: &mut Outbox<Said>) {
        self.took(out, "BEGIN", "INIT_BRIDGE");
        self.took(out, "INIT_BRIDGE", "ROLE_SELECTION");
        self.updt_roles_tree(now, out);
    }

    /// ROLE_SELECTION.
    pub(super) fn select_roles(&mut self, now: Instant, out: &mut Outbox<Said>) {
        self.took(out, "ROLE_SELECTION", "ROLE_SELECTION");
        self.updt_roles_tree(now, out);
    }

    /// Between clearReselectTree (§17.21.2) and setSelectedTree (§17.21.16): updtRolesTree (§17.21.25).
    fn updt_roles_tree(&mut self, now: Instant, out: &mut Outbox<Said>) {
        let (root, root_port, times) = self.best_way();
        let before = (self.root, self.root_port, self.root_times);
        (self.root, self.root_port, self.root_times) = (root, root_port, times);
        if (before.0.root, before.1) != (root.root, root_port) {
            let event = Event::Root { from: before.0.root, to: root.root, port: root_port };
            out.push(Said::Out(Output::Event(event)));
        }
        let is_same = before == (root, root_port, times);
        let (own, designated_times) = (self.config.bridge_id(), self.designated_times());
        for number in 0..self.ports.len() as u32 {
            // What decides a port's role is what the bridge and the port know: nothing new, no other role.
            if is_same && self.ports[number as usize].as_ref().is_none_or(|port| !port.reselect) {
                continue;
            }
            let changed = self.with_port(now, number, out, |port, cx| {
                let before = (port.selected_role, port.updt_info, port.selected, port.designated_times);
                port.reselect = false;
                port.designated_priority = port.designated(&root, own);
                port.designated_times = designated_times;
                port.select_role(root_port);
                port.selected = true;
                let inconsistent = port.is_root_inconsistent(&root);
                if port.root_inconsistent != inconsistent {
                    port.root_inconsistent = inconsistent;
                    let guard = Inconsistency::Root;
                    port.event(cx, Event::Guard { port: port.id, guard, on: inconsistent });
                }
                before != (port.selected_role, port.updt_info, true, designated_times)
            });
            if changed == Some(true) {
                self.mark(number);
            }
        }
    }

    /// Steps a to c of §17.21.25: the best root path vector, the port that it leads by, and the root's times.
    fn best_way(&self) -> (Vector, Option<PortId>, Times) {
        let own = self.config.bridge_id();
        let mut best = ((Vector::own(own), PortIdentifier(0)), None, bridge_times(&self.config));
        for port in self.ports.iter().flatten() {
            let usable = port.info_is == InfoIs::Received
                && port.port_priority.bridge.address() != own.address()
                && !port.is_restricted();
            let way = (port.port_priority.through(port.settings.cost), port.port_id());
            if usable && way < best.0 {
                let message_age = port.port_times.message_age.saturating_add(1);
                best = (way, Some(port.id), Times { message_age, ..port.port_times });
            }
        }
        let ((vector, _), port, times) = best;
        (vector, port, times)
    }

    /// designatedTimes (§17.19.5): the root's, with our own Hello Time (IEEE 802.1Q-2018 §13.29.34).
    pub(super) fn designated_times(&self) -> Times {
        Times { hello_time: self.config.hello_time, ..self.root_times }
    }
}

impl Port {
    /// Whether it may not become the root port: restrictedRole (IEEE 802.1Q-2018 §13.27.64), or root guard.
    fn is_restricted(&self) -> bool {
        self.settings.config.restricted_role || self.settings.config.root_guard
    }

    /// Root guard: it would be the root port.
    fn is_root_inconsistent(&self, root: &Vector) -> bool {
        self.settings.config.root_guard
            && self.info_is == InfoIs::Received
            && self.port_priority.through(self.settings.cost) < *root
    }

    /// Steps e to l of §17.21.25.
    fn select_role(&mut self, root_port: Option<PortId>) {
        let (role, update) = match self.info_is {
            InfoIs::Disabled => (PortRole::Disabled, false),
            InfoIs::Aged => (PortRole::Designated, true),
            InfoIs::Mine => {
                let differs = self.port_priority != self.designated_priority
                    || self.port_times != self.designated_times;
                (PortRole::Designated, self.updt_info || differs)
            }
            InfoIs::Received if root_port == Some(self.id) => (PortRole::Root, false),
            InfoIs::Received if self.designated_priority < self.port_priority => (PortRole::Designated, true),
            InfoIs::Received => {
                let own = self.designated_priority.bridge.address();
                let is_own = self.port_priority.bridge.address() == own;
                (if is_own { PortRole::Backup } else { PortRole::Alternate }, false)
            }
        };
        (self.selected_role, self.updt_info) = (role, update);
    }
}
