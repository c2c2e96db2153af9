//! Elements of procedure (IEEE 802.1D-1998 §8.6), by the standard's names.

use super::{Bridge, file};
use crate::engine::Said;
use crate::vector::Times;
use crate::{Event, Fast, Output, PortRole, PortState};
use trunkline_core::{Instant, Outbox, PortId};
use trunkline_wire::stp::{Bpdu, Flags, Message, PortIdentifier, Priority, Time};

/// Message Age Increment: one second for each bridge (§8.10.2, table 8-3).
const MESSAGE_AGE_INCREMENT: u16 = 256;

impl Bridge {
    /// The Configuration BPDU of the bridge, without what is the port's. None: it would be as old as it may become (§8.6.1).
    pub(super) fn config_body(&self, now: Instant) -> Option<Priority> {
        let root_port = self.root_port.and_then(|id| self.ports.get(&id));
        let message_age = match root_port.and_then(|port| port.message_age) {
            None => Time::default(),
            Some(age) => Time(age.value(now).0.saturating_add(MESSAGE_AGE_INCREMENT)),
        };
        let mut body = Priority {
            flags: Flags::default().with(Flags::TOPOLOGY_CHANGE, self.topology_change),
            root: self.designated_root,
            root_path_cost: self.root_path_cost,
            bridge: self.bridge_id,
            port: PortIdentifier(0),
            message_age: Time::default(),
            max_age: Time::default(),
            hello_time: Time::default(),
            forward_delay: Time::default(),
        };
        self.times.put(&mut body);
        body.message_age = message_age;
        (message_age < body.max_age).then_some(body)
    }

    /// Transmit Configuration BPDU (§8.6.1), also as the answer to worse information (§8.6.5).
    pub(super) fn transmit_config(&mut self, now: Instant, id: PortId, out: &mut Outbox<Said>) {
        let body = self.config_body(now);
        if let Some(port) = self.ports.get_mut(&id) {
            port.transmit_config(now, id, body.as_ref(), out);
            file(&mut self.deadlines, id, port, self.times.max_age);
        }
    }

    /// Record configuration timeout values (§8.6.3). A change that a restricted port tells is not believed.
    pub(super) fn record_config_timeout_values(
        &mut self,
        id: PortId,
        body: &Priority,
        out: &mut Outbox<Said>,
    ) {
        self.set_times(Times { message_age: 0, ..Times::of(body) });
        let restricted = self.ports.get(&id).is_some_and(|port| port.settings.config.restricted_tcn);
        let changes = body.flags.has(Flags::TOPOLOGY_CHANGE) && !restricted;
        if changes && !self.topology_change {
            out.push(Said::Out(Output::Event(Event::TopologyChange { port: id, detected: false })));
        }
        self.topology_change = changes;
    }

    /// The times in force. Max Age moves the end of what each port holds.
    pub(super) fn set_times(&mut self, times: Times) {
        let moved = self.times.max_age != times.max_age;
        self.times = times;
        if moved {
            self.ports.iter_mut().for_each(|(id, port)| file(&mut self.deadlines, *id, port, times.max_age));
        }
    }

    /// Configuration BPDU generation (§8.6.4).
    pub(super) fn config_bpdu_generation(&mut self, now: Instant, out: &mut Outbox<Said>) {
        let body = self.config_body(now);
        for (id, port) in &mut self.ports {
            if port.enabled() && port.is_designated(self.bridge_id) {
                port.transmit_config(now, *id, body.as_ref(), out);
                file(&mut self.deadlines, *id, port, self.times.max_age);
            }
        }
    }

    /// Transmit Topology Change Notification BPDU (§8.6.6), and once more after Hello Time: the bridge's own.
    pub(super) fn transmit_tcn(&mut self, now: Instant, out: &mut Outbox<Said>) {
        if let Some(id) = self.root_port {
            out.push(Said::Send(id, Message::Bpdu(Bpdu::Tcn)));
            self.tcn_timer = Some(now + self.own_hello());
        }
    }

    /// Configuration update and port state selection (§8.6.7, §8.6.11), and what follows where the bridge became the root
    /// or is it no longer (§8.7.1, §8.7.4). `cause`: the port that something happened to. `lost`: the root port that
    /// UplinkFast is to replace.
    pub(super) fn reselect(
        &mut self,
        now: Instant,
        cause: PortId,
        lost: Option<PortId>,
        out: &mut Outbox<Said>,
    ) {
        let was_root = self.is_root();
        self.root_selection();
        self.designated_port_selection();
        self.port_state_selection(now, lost, out);
        match (was_root, self.is_root()) {
            (true, false) => {
                self.hello_timer = None;
                if self.topology_change_detected {
                    self.topology_change_timer = None;
                    self.transmit_tcn(now, out);
                }
            }
            (false, true) => {
                self.set_times(self.own);
                self.topology_change_detection(now, cause, true, out);
                self.tcn_timer = None;
                self.config_bpdu_generation(now, out);
                self.hello_timer = Some(now + self.own_hello());
            }
            _ => {}
        }
        if self.inquiry.as_ref().is_some_and(|inquiry| inquiry.root != self.designated_root) {
            self.inquiry = None;
        }
    }

    /// Root selection (§8.6.8). UplinkFast and BackboneFast make some ports wait behind others to the same root.
    fn root_selection(&mut self) {
        let way = |(id, port): (&PortId, &super::Port)| {
            let usable = port.is_way(self.bridge_id) && port.designated.root < self.bridge_id;
            usable.then(|| ((port.designated.root, self.waits(*id, port), port.way()), *id))
        };
        let best = self.ports.iter().filter_map(way).min();
        self.root_port = best.map(|(_, id)| id);
        let (root, cost) = match best {
            Some(((_, _, (vector, _)), _)) => (vector.root, vector.cost),
            None => (self.bridge_id, 0),
        };
        self.designated_root = root;
        self.root_path_cost = cost;
    }

    /// Designated port selection (§8.6.9), become designated port (§8.6.10).
    fn designated_port_selection(&mut self) {
        let bridge = self.bridge_id;
        let (root, cost) = (self.designated_root, self.root_path_cost);
        for port in self.ports.values_mut() {
            let ours = crate::vector::Vector { root, cost, bridge, port: port.id() };
            if port.is_designated(bridge) || port.designated.root != root || ours <= port.designated {
                port.designated = ours;
            }
        }
    }

    /// Port state selection (§8.6.11). The root port comes last, so that what is to discard already does.
    fn port_state_selection(&mut self, now: Instant, lost: Option<PortId>, out: &mut Outbox<Said>) {
        let ids: Vec<PortId> = self.ports.keys().copied().filter(|id| Some(*id) != self.root_port).collect();
        let changed: Vec<PortId> = ids
            .into_iter()
            .chain(self.root_port)
            .filter(|id| self.select_state(now, *id, lost, out))
            .collect();
        for id in changed {
            // §8.7.5, of a port that UplinkFast lets forward; all others ceased to.
            if Some(id) != self.root_port || self.is_designated_for_some_port() {
                self.topology_change_detection(now, id, true, out);
            }
        }
    }

    /// Port state selection of one port. Tells whether that changed the topology.
    pub(super) fn select_state(
        &mut self,
        now: Instant,
        id: PortId,
        lost: Option<PortId>,
        out: &mut Outbox<Said>,
    ) -> bool {
        let delay = self.forward_delay();
        // An old root port that forwards on, since it is designated now, could make a loop with the new one: then the new
        // one listens and learns.
        let is_silent =
            |id: &PortId| self.ports.get(id).is_none_or(|port| port.state != PortState::Forwarding);
        let lost = lost.filter(|lost| self.root_port == Some(id) && is_silent(lost));
        let Some(port) = self.ports.get_mut(&id) else { return false };
        let role = port.role_of(self.bridge_id, self.root_port == Some(id));
        port.set_role(id, role, out);
        if role == PortRole::Designated {
            port.message_age = None;
        } else {
            port.config_pending = false;
            port.topology_change_acknowledge = false;
        }
        let forwards = matches!(role, PortRole::Root | PortRole::Designated) && port.guard.is_none();
        let changed = match lost.filter(|_| port.looped.is_none()) {
            Some(lost) if forwards && port.state == PortState::Blocking => {
                port.set_state(id, PortState::Forwarding, out);
                port.uplink_delay = None;
                out.push(Said::Out(Output::Event(Event::Fast { port: id, what: Fast::Uplink })));
                out.push(Said::Out(Output::AnnounceStations { by: id, lost }));
                true
            }
            _ if forwards => {
                port.make_forwarding(now, id, delay, out);
                false
            }
            _ => port.make_blocking(id, out),
        };
        file(&mut self.deadlines, id, port, self.times.max_age);
        changed
    }

    /// Whether this bridge serves a LAN (§8.7.5).
    pub(super) fn is_designated_for_some_port(&self) -> bool {
        self.ports.values().any(|port| port.enabled() && port.is_designated(self.bridge_id))
    }

    /// Topology change detection (§8.6.14).
    pub(super) fn topology_change_detection(
        &mut self,
        now: Instant,
        port: PortId,
        here: bool,
        out: &mut Outbox<Said>,
    ) {
        if here || !self.topology_change_detected {
            out.push(Said::Out(Output::Event(Event::TopologyChange { port, detected: here })));
        }
        if self.is_root() {
            self.topology_change = true;
            let time = u64::from(self.own.max_age) + u64::from(self.own.forward_delay);
            self.topology_change_timer = Some(now + trunkline_core::Duration::from_secs(time));
        } else if !self.topology_change_detected {
            self.transmit_tcn(now, out);
        }
        self.topology_change_detected = true;
    }

    /// Topology change acknowledged (§8.6.15).
    pub(super) fn topology_change_acknowledged(&mut self) {
        self.topology_change_detected = false;
        self.tcn_timer = None;
    }
}
