//! Operation of the protocol: BPDUs and timers (IEEE 802.1D-1998 §8.7), management (§8.8), and the guards.

use super::{Bridge, file, own_times, port::MessageAge, port::Port};
use crate::engine::{PortSettings, Said};
use crate::vector::Vector;
use crate::{Config, Edge, Inconsistency, PortRole, PortState};
use trunkline_core::{Duration, Instant, Outbox, PortId};
use trunkline_wire::stp::{Flags, Priority};

/// Whether a timer runs and is due.
fn is_due(timer: Option<Instant>, now: Instant) -> bool {
    timer.is_some_and(|at| at <= now)
}

impl Bridge {
    /// Bridge Hello Time: the bridge's own, not the root's.
    pub(super) fn own_hello(&self) -> Duration {
        Duration::from_secs(self.own.hello_time.into())
    }

    /// §8.7.1.
    pub(super) fn received_config_bpdu(
        &mut self,
        now: Instant,
        id: PortId,
        body: &Priority,
        out: &mut Outbox<Said>,
    ) {
        let released = self.release_loop_guard(id, out);
        let message = Vector::of(body);
        if self.root_guard(now, id, &message, out) {
            return;
        }
        let bridge_id = self.bridge_id;
        let Some(port) = self.ports.get_mut(&id) else { return };
        if port.is_superseded_by(&message, bridge_id) {
            let cleared = self.inquiry.take_if(|inquiry| inquiry.doubts(id)).is_some();
            let news = cleared || port.designated != message || port.message_age.is_none();
            // Record configuration information (§8.6.2).
            port.designated = message;
            port.message_age = Some(MessageAge { since: now, carried: body.message_age });
            self.file(id);
            // The same again changes nothing, so that a hello costs little.
            if news {
                self.reselect(now, id, None, out);
            }
            if self.root_port == Some(id) {
                self.record_config_timeout_values(id, body, out);
                self.config_bpdu_generation(now, out);
                if body.flags.has(Flags::TOPOLOGY_CHANGE_ACK) {
                    self.topology_change_acknowledged();
                }
            }
        } else if port.is_designated(bridge_id) {
            self.transmit_config(now, id, out);
        } else {
            self.inferior_bpdu(now, id, &message, out);
        }
        if released {
            self.select_one(now, id, out);
        }
    }

    /// §8.7.2. A restricted port's notice is acknowledged, so that the neighbour stops, but goes no further.
    pub(super) fn received_tcn_bpdu(&mut self, now: Instant, id: PortId, out: &mut Outbox<Said>) {
        if self.release_loop_guard(id, out) {
            self.select_one(now, id, out);
        }
        let Some(port) = self.ports.get_mut(&id) else { return };
        if !port.is_designated(self.bridge_id) {
            return;
        }
        // Acknowledge topology change (§8.6.16), once it is detected.
        port.topology_change_acknowledge = true;
        if !port.settings.config.restricted_tcn {
            self.topology_change_detection(now, id, false, out);
        }
        self.transmit_config(now, id, out);
    }

    /// Hello timer, topology change notification timer, topology change timer (§8.7.3, §8.7.6, §8.7.7).
    pub(super) fn bridge_timers(&mut self, now: Instant, out: &mut Outbox<Said>) {
        if is_due(self.topology_change_timer, now) {
            self.topology_change_timer = None;
            self.topology_change_detected = false;
            self.topology_change = false;
        }
        if is_due(self.hello_timer, now) {
            self.config_bpdu_generation(now, out);
            self.hello_timer = Some(now + self.own_hello());
        }
        if is_due(self.tcn_timer, now) {
            self.tcn_timer = None;
            self.transmit_tcn(now, out);
        }
        self.unanswered(now, out);
    }

    /// All timers of a port.
    pub(super) fn port_timers(&mut self, now: Instant, id: PortId, out: &mut Outbox<Said>) {
        let Some(port) = self.ports.get_mut(&id) else { return };
        if port.message_age.is_some_and(|age| age.expires(self.times.max_age) <= now) {
            self.message_age_expired(now, id, out);
        }
        let Some(port) = self.ports.get_mut(&id) else { return };
        if is_due(port.guard_until, now) {
            port.set_guard(id, None, out);
            self.select_one(now, id, out);
        }
        self.forward_delay_expired(now, id, out);
        let Some(port) = self.ports.get_mut(&id) else { return };
        // Hold timer expiry (§8.7.8).
        if is_due(port.hold_timer, now) {
            port.hold_timer = None;
            if port.config_pending {
                self.transmit_config(now, id, out);
            }
        }
        self.uplink_timers(now, id, out);
    }

    /// Message age timer expiry (§8.7.4). Loop guard: that nobody is heard is no proof that nobody is there.
    fn message_age_expired(&mut self, now: Instant, id: PortId, out: &mut Outbox<Said>) {
        let Some(port) = self.ports.get_mut(&id) else { return };
        if port.settings.config.loop_guard && port.designated.bridge != self.bridge_id {
            port.set_guard(id, Some(Inconsistency::Loop), out);
        }
        self.become_designated(id);
        if self.root_port == Some(id) {
            self.reselect(now, id, None, out);
        } else {
            self.select_one(now, id, out);
        }
    }

    /// Become designated port (§8.6.10), whatever the port held.
    pub(super) fn become_designated(&mut self, id: PortId) {
        let Some(number) = self.ports.get(&id).map(Port::id) else { return };
        let ours = self.vector(number);
        if let Some(port) = self.ports.get_mut(&id) {
            port.designated = ours;
            port.message_age = None;
        }
    }

    /// Forward delay timer expiry (§8.7.5).
    fn forward_delay_expired(&mut self, now: Instant, id: PortId, out: &mut Outbox<Said>) {
        let delay = self.forward_delay();
        let Some(port) = self.ports.get_mut(&id) else { return };
        if !is_due(port.forward_delay_timer, now) {
            return;
        }
        port.forward_delay_timer = None;
        match port.state {
            PortState::Listening => {
                port.set_state(id, PortState::Learning, out);
                port.forward_delay_timer = Some(now + delay);
            }
            PortState::Learning => {
                port.set_state(id, PortState::Forwarding, out);
                if self.is_designated_for_some_port() {
                    self.topology_change_detection(now, id, true, out);
                }
            }
            _ => {}
        }
    }

    /// Port state selection where only this port can change.
    pub(super) fn select_one(&mut self, now: Instant, id: PortId, out: &mut Outbox<Said>) {
        if self.select_state(now, id, None, out) {
            self.topology_change_detection(now, id, true, out);
        }
    }

    /// Enable port (§8.8.2). PortFast: it forwards at once, and that is no change of the topology.
    pub(super) fn enable_port(&mut self, now: Instant, id: PortId, out: &mut Outbox<Said>) {
        let wait = (self.uplink_fast && !self.is_root()).then(|| now + self.uplink_wait());
        let Some(port) = self.ports.get_mut(&id) else { return };
        if port.enabled() {
            return;
        }
        port.set_edge(id, port.settings.config.edge == Edge::Yes, out);
        port.uplink_delay = wait;
        if port.edge {
            port.set_role(id, PortRole::Designated, out);
            port.set_state(id, PortState::Forwarding, out);
        } else {
            port.set_state(id, PortState::Blocking, out);
        }
        self.become_designated(id);
        self.select_one(now, id, out);
        if self.is_root() && self.hello_timer.is_none() {
            // Initialization (§8.8.1), as soon as anybody can hear it.
            self.hello_timer = Some(now);
        }
    }

    /// Disable port (§8.8.3).
    pub(super) fn disable_port(&mut self, now: Instant, id: PortId, out: &mut Outbox<Said>) {
        let Some(port) = self.ports.get_mut(&id) else { return };
        if !port.enabled() {
            return;
        }
        let forwarded = port.state == PortState::Forwarding && !port.edge;
        port.topology_change_acknowledge = false;
        port.config_pending = false;
        (port.forward_delay_timer, port.hold_timer) = (None, None);
        (port.looped, port.uplink_delay) = (None, None);
        port.set_guard(id, None, out);
        port.set_state(id, PortState::Disabled, out);
        port.set_role(id, PortRole::Disabled, out);
        self.become_designated(id);
        self.file(id);
        let root_lost = self.root_port == Some(id);
        if root_lost {
            self.reselect(now, id, self.uplink_fast.then_some(id), out);
        }
        // That the bridge became the root is a change already.
        if forwarded && !(root_lost && self.is_root()) {
            self.topology_change_detection(now, id, true, out);
        }
        self.inquiry_lost(now, id, out);
    }

    /// Set port priority, set path cost (§8.8.5, §8.8.6), and the guards. PortFast begins when the link next comes up.
    pub(super) fn change_port(
        &mut self,
        now: Instant,
        id: PortId,
        settings: PortSettings,
        out: &mut Outbox<Said>,
    ) {
        let port = self.ports.entry(id).or_insert_with(|| Port::new(settings));
        if port.settings == settings {
            return;
        }
        let was_designated = port.is_designated(self.bridge_id);
        port.settings = settings;
        if was_designated {
            port.designated.port = port.id();
        }
        if !port.enabled() {
            return;
        }
        if settings.config.edge != Edge::Yes {
            port.set_edge(id, false, out);
        }
        let applies = match port.guard {
            Some(Inconsistency::Root) => port.never_root(),
            Some(Inconsistency::Loop) => settings.config.loop_guard,
            _ => true,
        };
        if !applies {
            port.set_guard(id, None, out);
        }
        // What a designated port costs decides nothing.
        if was_designated {
            self.select_one(now, id, out);
        } else {
            self.reselect(now, id, None, out);
        }
    }

    /// Set bridge priority (§8.8.4), and the times.
    pub(super) fn change_bridge(&mut self, now: Instant, config: &Config, out: &mut Outbox<Said>) {
        self.own = own_times(config);
        self.uplink_fast = config.uplink_fast;
        self.backbone_fast = config.backbone_fast;
        if self.is_root() {
            self.set_times(self.own);
        }
        if !self.backbone_fast {
            self.inquiry = None;
        }
        if !self.uplink_fast {
            for (id, port) in &mut self.ports {
                port.uplink_delay = None;
                file(&mut self.deadlines, *id, port, self.times.max_age);
            }
        }
        let before = std::mem::replace(&mut self.bridge_id, config.bridge_id());
        if before == self.bridge_id {
            return;
        }
        self.inquiry = None;
        if self.is_root() {
            self.designated_root = self.bridge_id;
        }
        // What ports know of this bridge under its old name is nobody's any more.
        let own: Vec<PortId> = self
            .ports
            .iter()
            .filter(|(_, port)| port.designated.bridge == before)
            .map(|(id, _)| *id)
            .collect();
        own.into_iter().for_each(|id| self.become_designated(id));
        if let Some(cause) = self.root_port.or(self.ports.keys().next().copied()) {
            self.reselect(now, cause, None, out);
        }
    }

    /// PortFast ends with the first BPDU: the port begins to listen, and the tree decides.
    pub(super) fn leave_edge(&mut self, now: Instant, id: PortId, out: &mut Outbox<Said>) {
        if let Some(port) = self.ports.get_mut(&id).filter(|port| port.edge) {
            port.set_edge(id, false, out);
            self.listen(now, id, out);
        }
    }

    /// A port that may forward begins anew to listen.
    pub(super) fn listen(&mut self, now: Instant, id: PortId, out: &mut Outbox<Said>) {
        let delay = self.forward_delay();
        if let Some(port) = self.ports.get_mut(&id) {
            port.set_state(id, PortState::Listening, out);
            port.forward_delay_timer = Some(now + delay);
            self.file(id);
        }
    }

    /// Root guard: whether a message would make the port the root port. Then it is not recorded, and the port discards.
    fn root_guard(&mut self, now: Instant, id: PortId, message: &Vector, out: &mut Outbox<Said>) -> bool {
        let best = self.root_port.and_then(|root| self.ports.get(&root)).map(Port::way);
        let until = now + self.max_age();
        let Some(port) = self.ports.get_mut(&id).filter(|port| port.never_root()) else { return false };
        let way = (message.through(port.settings.cost), port.id());
        let is_way = message.root < self.bridge_id && message.bridge != self.bridge_id;
        if !is_way || best.is_some_and(|best| best <= way) || !port.is_superseded_by(message, self.bridge_id)
        {
            return false;
        }
        port.set_guard(id, Some(Inconsistency::Root), out);
        port.guard_until = Some(until);
        self.select_one(now, id, out);
        true
    }

    /// Loop guard lets a port go as soon as it hears a BPDU; its state is selected afterwards.
    fn release_loop_guard(&mut self, id: PortId, out: &mut Outbox<Said>) -> bool {
        let held = |port: &&mut Port| port.guard == Some(Inconsistency::Loop);
        let port = self.ports.get_mut(&id).filter(held);
        port.map(|port| port.set_guard(id, None, out)).is_some()
    }
}
