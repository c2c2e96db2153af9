//! A port: what it holds of its LAN, its state and its timers (IEEE 802.1D-1998 §8.5.5, §8.5.6).

use super::fast::Rate;
use crate::engine::{PortSettings, Said};
use crate::vector::Vector;
use crate::{BridgeId, Event, Inconsistency, Output, PortIdentifier, PortRole, PortState};
use trunkline_core::{Duration, Instant, Outbox, PortId, earliest};
use trunkline_wire::stp::{Bpdu, Flags, Message, Priority, Time};

/// Nanoseconds in 1/256 s, the unit of times in BPDUs.
const TICK: u64 = 1_000_000_000 / 256;

/// Hold Time: a port sends one Configuration BPDU in it (§8.10.2, table 8-3).
const HOLD_TIME: Duration = Duration::from_secs(1);

/// The message age timer (§8.5.6.3): how old what a port holds was when it came, and when that was. Kept to 1/256 s, as
/// it travels, so that no bridge adds or takes away up to half a second.
#[derive(Debug, Clone, Copy)]
pub(super) struct MessageAge {
    pub(super) since: Instant,
    pub(super) carried: Time,
}

impl MessageAge {
    /// When it reaches Max Age, whole seconds.
    pub(super) fn expires(&self, max_age: u8) -> Instant {
        let left = Time::from_secs(max_age).0.saturating_sub(self.carried.0);
        self.since + Duration::from_nanos(u64::from(left) * TICK)
    }

    /// Its value, never less than the true one.
    pub(super) fn value(&self, now: Instant) -> Time {
        let since = now.since(self.since).as_nanos().div_ceil(u128::from(TICK));
        Time(u16::try_from(since).unwrap_or(u16::MAX).saturating_add(self.carried.0))
    }
}

/// A port.
#[derive(Debug)]
pub(super) struct Port {
    pub(super) settings: PortSettings,
    pub(super) state: PortState,
    /// designated_root, designated_cost, designated_bridge, designated_port (§8.5.5.4 to §8.5.5.7).
    pub(super) designated: Vector,
    /// §8.5.5.8.
    pub(super) topology_change_acknowledge: bool,
    /// §8.5.5.9.
    pub(super) config_pending: bool,
    /// Runs exactly while what is held came by a BPDU.
    pub(super) message_age: Option<MessageAge>,
    pub(super) forward_delay_timer: Option<Instant>,
    pub(super) hold_timer: Option<Instant>,
    /// PortFast, and no BPDU came since the link is up.
    pub(super) edge: bool,
    /// The guard that holds the port in Blocking.
    pub(super) guard: Option<Inconsistency>,
    /// When root guard lets go.
    pub(super) guard_until: Option<Instant>,
    /// Until then the port counts as looped to itself: one of its own BPDUs came back.
    pub(super) looped: Option<Instant>,
    /// UplinkFast: until then no working root port is given up for this one.
    pub(super) uplink_delay: Option<Instant>,
    /// Root Link Queries heard and sent.
    pub(super) heard: Rate,
    pub(super) asked: Rate,
    pub(super) forward_transitions: u64,
    /// The role that was told last.
    pub(super) role: PortRole,
    /// The deadline under which the bridge looks after the port.
    pub(super) filed: Option<Instant>,
}

impl Port {
    pub(super) fn new(settings: PortSettings) -> Port {
        Port {
            settings,
            state: PortState::Disabled,
            designated: Vector::default(),
            topology_change_acknowledge: false,
            config_pending: false,
            message_age: None,
            forward_delay_timer: None,
            hold_timer: None,
            edge: false,
            guard: None,
            guard_until: None,
            looped: None,
            uplink_delay: None,
            heard: Rate::default(),
            asked: Rate::default(),
            forward_transitions: 0,
            role: PortRole::Disabled,
            filed: None,
        }
    }

    pub(super) fn id(&self) -> PortIdentifier {
        self.settings.config.id()
    }

    pub(super) fn enabled(&self) -> bool {
        self.state != PortState::Disabled
    }

    /// Whether it is the designated port of its LAN (§8.6.9).
    pub(super) fn is_designated(&self, bridge: BridgeId) -> bool {
        self.designated.bridge == bridge && self.designated.port == self.id()
    }

    /// Root guard, or what IEEE 802.1Q-2018 §13.27.64 calls restrictedRole: never the root port.
    pub(super) fn never_root(&self) -> bool {
        self.settings.config.root_guard || self.settings.config.restricted_role
    }

    /// Whether another bridge told a way to the root here that may be used.
    pub(super) fn is_way(&self, bridge: BridgeId) -> bool {
        // The standard takes what a port heard of this bridge itself for a way too (§8.6.8); when the root is lost,
        // that would be chosen for as long as it takes to age out.
        let heard = self.enabled() && self.message_age.is_some() && self.designated.bridge != bridge;
        heard && !self.never_root()
    }

    /// What decides between ways to the root (§8.6.8.3.1).
    pub(super) fn way(&self) -> (Vector, PortIdentifier) {
        (self.designated.through(self.settings.cost), self.id())
    }

    /// Whether a message is at least as good as what the port holds (§8.6.2.2). Worse news is not, even of the same
    /// bridge: that is why STP waits for Max Age.
    pub(super) fn is_superseded_by(&self, message: &Vector, bridge: BridgeId) -> bool {
        let held = &self.designated;
        let (new, old) = ((message.root, message.cost, message.bridge), (held.root, held.cost, held.bridge));
        new < old || (new == old && (message.bridge != bridge || message.port <= held.port))
    }

    pub(super) fn role_of(&self, bridge: BridgeId, is_root_port: bool) -> PortRole {
        if !self.enabled() {
            PortRole::Disabled
        } else if is_root_port {
            PortRole::Root
        } else if self.is_designated(bridge) {
            PortRole::Designated
        } else if self.designated.bridge == bridge {
            PortRole::Backup
        } else {
            PortRole::Alternate
        }
    }

    pub(super) fn set_role(&mut self, me: PortId, to: PortRole, out: &mut Outbox<Said>) {
        let from = std::mem::replace(&mut self.role, to);
        if from != to {
            out.push(Said::Out(Output::Event(Event::Role { port: me, from, to })));
        }
    }

    pub(super) fn set_state(&mut self, me: PortId, to: PortState, out: &mut Outbox<Said>) {
        let from = std::mem::replace(&mut self.state, to);
        if from != to {
            self.forward_transitions += u64::from(to == PortState::Forwarding);
            out.push(Said::Out(Output::State { port: me, state: to }));
            out.push(Said::Out(Output::Event(Event::State { port: me, from, to })));
        }
    }

    pub(super) fn set_edge(&mut self, me: PortId, edge: bool, out: &mut Outbox<Said>) {
        if self.edge != edge {
            self.edge = edge;
            out.push(Said::Out(Output::Event(Event::Edge { port: me, edge })));
        }
    }

    /// A guard begins to hold the port, or lets it go; its state is selected afterwards.
    pub(super) fn set_guard(&mut self, me: PortId, guard: Option<Inconsistency>, out: &mut Outbox<Said>) {
        let before = std::mem::replace(&mut self.guard, guard);
        if before == guard {
            return;
        }
        for (guard, on) in [(before, false), (guard, true)] {
            if let Some(guard) = guard {
                out.push(Said::Out(Output::Event(Event::Guard { port: me, guard, on })));
            }
        }
        if guard != Some(Inconsistency::Root) {
            self.guard_until = None;
        }
    }

    /// Make Forwarding (§8.6.12).
    pub(super) fn make_forwarding(
        &mut self,
        now: Instant,
        me: PortId,
        delay: Duration,
        out: &mut Outbox<Said>,
    ) {
        if self.state == PortState::Blocking && self.guard.is_none() {
            self.set_state(me, PortState::Listening, out);
            self.forward_delay_timer = Some(now + delay);
        }
    }

    /// Make Blocking (§8.6.13). Tells whether that is a change of the topology.
    pub(super) fn make_blocking(&mut self, me: PortId, out: &mut Outbox<Said>) -> bool {
        let changes = matches!(self.state, PortState::Learning | PortState::Forwarding) && !self.edge;
        if self.enabled() {
            self.set_state(me, PortState::Blocking, out);
            self.forward_delay_timer = None;
        }
        changes
    }

    /// Transmit Configuration BPDU (§8.6.1): `body`, all but the port's own; none: the information is too old.
    pub(super) fn transmit_config(
        &mut self,
        now: Instant,
        me: PortId,
        body: Option<&Priority>,
        out: &mut Outbox<Said>,
    ) {
        if self.hold_timer.is_some() {
            self.config_pending = true;
            return;
        }
        let Some(body) = body else { return };
        let flags = body.flags.with(Flags::TOPOLOGY_CHANGE_ACK, self.topology_change_acknowledge);
        let config = Bpdu::Config(Priority { flags, port: self.id(), ..*body });
        out.push(Said::Send(me, Message::Bpdu(config)));
        self.topology_change_acknowledge = false;
        self.config_pending = false;
        self.hold_timer = Some(now + HOLD_TIME);
    }

    /// When the port is to be looked after.
    pub(super) fn deadline(&self, max_age: u8) -> Option<Instant> {
        earliest([
            self.message_age.map(|age| age.expires(max_age)),
            self.forward_delay_timer,
            self.hold_timer,
            self.guard_until,
            self.looped,
            self.uplink_delay,
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_age_is_exact_and_never_told_too_young() {
        // §8.5.6.3, §8.6.1.3.6: 1.5 s old when it came
        let age = MessageAge { since: Instant::from_secs(100), carried: Time(0x0180) };
        assert_eq!(age.expires(20), Instant::from_secs(118) + Duration::from_millis(500));
        assert_eq!(age.expires(1), Instant::from_secs(100), "at once");
        assert_eq!(age.value(Instant::from_secs(100)), Time(0x0180));
        assert_eq!(age.value(Instant::from_secs(103)), Time(0x0480));
        assert_eq!(age.value(Instant::from_nanos(103_000_000_001)), Time(0x0481));
        assert_eq!(age.value(Instant::from_nanos(u64::MAX)), Time(u16::MAX));
    }
}
