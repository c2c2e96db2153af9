//! Port Transmit (§17.26): when BPDUs go out, and which.
//!
//! ```text
//!                         helloWhen == 0
//!  TRANSMIT_INIT ─▶ IDLE ────────────────▶ TRANSMIT_PERIODIC ─▶ IDLE
//!                    │ newInfo && txCount < TxHoldCount
//!                    └─▶ TRANSMIT_RSTP, TRANSMIT_CONFIG, TRANSMIT_TCN ─▶ IDLE
//! ```

use super::port::{Context, Port};
use super::timer::Timer;
use super::transitions::{Machine, Ptx};
use crate::PortRole;
use crate::engine::Said;
use trunkline_wire::stp::{Bpdu, Flags, Message, Priority, Role, Rst, Time};

impl Port {
    /// BEGIN.
    pub(super) fn begin_ptx(&mut self, cx: &mut Context<'_>) {
        self.took(cx, Machine::Ptx, "BEGIN", Ptx::TransmitInit.name());
        self.ptx = Ptx::TransmitInit;
        self.new_info = true;
        self.tx_count = 0;
        self.tx_count_when = Timer::Zero;
    }

    /// Takes at most one transition and the unconditional one after it; whether it did.
    pub(super) fn step_ptx(&mut self, cx: &mut Context<'_>) -> bool {
        if !self.is_settled() {
            return false;
        }
        if self.ptx == Ptx::TransmitInit {
            self.idle(cx, Ptx::TransmitInit.name());
            return true;
        }
        if self.hello_when.is_zero() {
            self.took(cx, Machine::Ptx, self.ptx.name(), "TRANSMIT_PERIODIC");
            self.new_info |= match self.role {
                PortRole::Designated => true,
                PortRole::Root => !self.tc_while.is_zero() || self.is_assured(),
                PortRole::Alternate | PortRole::Backup => self.is_assured(),
                PortRole::Disabled => false,
            };
            self.idle(cx, "TRANSMIT_PERIODIC");
            return true;
        }
        if !self.new_info || self.tx_count >= cx.transmit_hold_count {
            return false;
        }
        let (state, bpdu) = match (self.send_rstp, self.role) {
            (_, PortRole::Disabled) => return false,
            (true, _) => ("TRANSMIT_RSTP", self.rst()),
            (false, PortRole::Root) => ("TRANSMIT_TCN", Bpdu::Tcn),
            (false, PortRole::Designated) => ("TRANSMIT_CONFIG", Bpdu::Config(self.body())),
            (false, PortRole::Alternate | PortRole::Backup) => return false,
        };
        self.took(cx, Machine::Ptx, self.ptx.name(), state);
        self.new_info = false;
        self.tx_count += 1;
        if self.tx_count_when.is_zero() {
            self.tx_count_when.set(cx.now, 1);
        }
        if bpdu != Bpdu::Tcn {
            self.tc_ack = false;
        }
        cx.out.push(Said::Send(self.id, Message::Bpdu(bpdu)));
        self.idle(cx, state);
        true
    }

    fn idle(&mut self, cx: &mut Context<'_>, from: &'static str) {
        self.took(cx, Machine::Ptx, from, Ptx::Idle.name());
        self.ptx = Ptx::Idle;
        self.hello_when = Timer::Kept(self.hello_time().max(1));
        // A port that is not enabled has nothing to say again and again.
        if self.port_enabled {
            self.hello_when.release(cx.now);
        }
    }

    /// txConfig (§17.21.19).
    fn body(&self) -> Priority {
        let vector = &self.designated_priority;
        let mut body = Priority {
            flags: Flags::default()
                .with(Flags::TOPOLOGY_CHANGE, !self.tc_while.is_zero())
                .with(Flags::TOPOLOGY_CHANGE_ACK, self.tc_ack),
            root: vector.root,
            root_path_cost: vector.cost,
            bridge: vector.bridge,
            port: vector.port,
            message_age: Time::default(),
            max_age: Time::default(),
            hello_time: Time::default(),
            forward_delay: Time::default(),
        };
        self.designated_times.put(&mut body);
        body
    }

    /// txRstp (§17.21.20).
    fn rst(&self) -> Bpdu {
        let role = match self.role {
            PortRole::Disabled => Role::Unknown,
            PortRole::Root => Role::Root,
            PortRole::Designated => Role::Designated,
            PortRole::Alternate | PortRole::Backup => Role::AlternateBackup,
        };
        let flags = Flags::default()
            .with(Flags::TOPOLOGY_CHANGE, !self.tc_while.is_zero())
            .with(Flags::PROPOSAL, self.proposing)
            .with_role(role)
            .with(Flags::LEARNING, self.learning)
            .with(Flags::FORWARDING, self.forwarding)
            .with(Flags::AGREEMENT, self.agree);
        Bpdu::Rst(Rst { version: 2, body: Priority { flags, ..self.body() } })
    }
}
