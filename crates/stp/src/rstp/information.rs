//! Port Information (§17.27): what a BPDU says, how long it counts, and what this bridge says instead.
//!
//! ```text
//!              portEnabled           selected && updtInfo
//!   DISABLED ─────────────▶ AGED ──────────────────────────▶ UPDATE
//!      ▲                     ▲ rcvdInfoWhile == 0              │ ▲
//!      │ !portEnabled        └────────────────────── CURRENT ◀─┘ │ selected && updtInfo
//!      └──────────────────────────────────────────────┤  ▲ └─────┘
//!                               rcvdMsg && !updtInfo  ▼  │
//!                                                  RECEIVE ─▶ SUPERIOR_DESIGNATED, REPEATED_DESIGNATED,
//!                                                             INFERIOR_DESIGNATED, NOT_DESIGNATED, OTHER
//! ```

use super::port::{Context, InfoIs, Port, seconds};
use super::timer::Timer;
use super::transitions::{Machine, Pim};
use crate::vector::{Times, Vector};
use crate::{Event, Inconsistency, PortRole};
use trunkline_core::Instant;
use trunkline_wire::stp::{Bpdu, Flags, Priority, Role, Rst};

/// What rcvInfo makes of a BPDU (§17.21.8): the name of the state that PIM enters with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RcvdInfo {
    SuperiorDesignated,
    RepeatedDesignated,
    InferiorDesignated,
    /// InferiorRootAlternate.
    NotDesignated,
    Other,
}

impl RcvdInfo {
    const fn state(self) -> &'static str {
        match self {
            RcvdInfo::SuperiorDesignated => "SUPERIOR_DESIGNATED",
            RcvdInfo::RepeatedDesignated => "REPEATED_DESIGNATED",
            RcvdInfo::InferiorDesignated => "INFERIOR_DESIGNATED",
            RcvdInfo::NotDesignated => "NOT_DESIGNATED",
            RcvdInfo::Other => "OTHER",
        }
    }
}

/// What a BPDU says: msgPriority and msgTimes (§17.19.14, §17.19.15) with its role and flags. A Configuration BPDU is
/// of a designated port, and its flags are but two.
#[derive(Debug, Clone, Copy)]
struct Message {
    priority: Vector,
    times: Times,
    role: Role,
    flags: Flags,
    is_rst: bool,
}

impl Message {
    /// None: it is a TCN.
    fn of(bpdu: &Bpdu) -> Option<Message> {
        let (body, role, is_rst): (&Priority, Role, bool) = match bpdu {
            Bpdu::Tcn => return None,
            Bpdu::Config(body) => (body, Role::Designated, false),
            Bpdu::Rst(Rst { body, .. }) => (body, body.flags.role(), true),
        };
        Some(Message { priority: Vector::of(body), times: Times::of(body), role, flags: body.flags, is_rst })
    }

    fn has(&self, flag: Flags) -> bool {
        let of_stp = flag == Flags::TOPOLOGY_CHANGE || flag == Flags::TOPOLOGY_CHANGE_ACK;
        (self.is_rst || of_stp) && self.flags.has(flag)
    }
}

impl Port {
    /// BEGIN.
    pub(super) fn begin_pim(&mut self, cx: &mut Context<'_>) {
        self.enter_pim_disabled(cx, "BEGIN");
    }

    /// Takes at most one transition; whether it did. From RECEIVE on the way back to CURRENT is part of it.
    pub(super) fn step_pim(&mut self, cx: &mut Context<'_>) -> bool {
        if !self.port_enabled && self.info_is != InfoIs::Disabled {
            self.enter_pim_disabled(cx, self.pim.name());
            return true;
        }
        match self.pim {
            Pim::Disabled if self.port_enabled => self.enter_aged(cx),
            Pim::Aged if self.selected && self.updt_info => self.update(cx),
            Pim::Current if self.selected && self.updt_info => self.update(cx),
            Pim::Current if !self.updt_info && self.rcvd_msg.is_some() => self.receive(cx),
            Pim::Current => {
                let aged = self.info_is == InfoIs::Received && self.rcvd_info_while.is_zero();
                if self.updt_info || !aged {
                    return false;
                }
                self.guard_loop(cx);
                self.enter_aged(cx);
            }
            _ => return false,
        }
        true
    }

    fn enter_pim_disabled(&mut self, cx: &mut Context<'_>, from: &'static str) {
        self.took(cx, Machine::Pim, from, Pim::Disabled.name());
        self.pim = Pim::Disabled;
        self.rcvd_msg = None;
        (self.proposing, self.proposed, self.agree, self.agreed) = (false, false, false, false);
        self.rcvd_info_while = Timer::Zero;
        self.info_is = InfoIs::Disabled;
        (self.reselect, self.selected) = (true, false);
    }

    fn enter_aged(&mut self, cx: &mut Context<'_>) {
        self.took(cx, Machine::Pim, self.pim.name(), Pim::Aged.name());
        self.pim = Pim::Aged;
        self.info_is = InfoIs::Aged;
        (self.reselect, self.selected) = (true, false);
    }

    fn update(&mut self, cx: &mut Context<'_>) {
        self.took(cx, Machine::Pim, self.pim.name(), "UPDATE");
        (self.proposing, self.proposed) = (false, false);
        // betterorsameInfo(Mine) (§17.21.1)
        let same = self.info_is == InfoIs::Mine && self.designated_priority <= self.port_priority;
        self.agreed &= same;
        self.synced &= self.agreed;
        self.port_priority = self.designated_priority;
        self.port_times = self.designated_times;
        self.updt_info = false;
        self.info_is = InfoIs::Mine;
        self.new_info = true;
        self.current(cx, "UPDATE");
    }

    fn current(&mut self, cx: &mut Context<'_>, from: &'static str) {
        self.took(cx, Machine::Pim, from, Pim::Current.name());
        self.pim = Pim::Current;
    }

    fn receive(&mut self, cx: &mut Context<'_>) {
        let Some(bpdu) = self.rcvd_msg.take() else { return };
        self.took(cx, Machine::Pim, self.pim.name(), "RECEIVE");
        self.heard(cx);
        let message = Message::of(&bpdu);
        let info = match &message {
            Some(message) => self.rcv_info(message),
            None => RcvdInfo::Other,
        };
        self.took(cx, Machine::Pim, "RECEIVE", info.state());
        match message {
            // A TCN (§17.21.8)
            // It is for the designated port of a LAN (IEEE 802.1D-1998 §8.7.2). Two root ports on one LAN that believed each
            // other's would tell of changes without end.
            None => {
                let for_us = self.role == PortRole::Designated;
                self.rcvd_tcn |= for_us && !self.settings.config.restricted_tcn;
            }
            Some(message) => self.believe(cx, info, &message),
        }
        self.current(cx, info.state());
    }

    /// rcvInfo (§17.21.8; for a repeated message as of IEEE 802.1Q-2018 §13.29.13).
    fn rcv_info(&self, message: &Message) -> RcvdInfo {
        let (msg, held) = (&message.priority, &self.port_priority);
        let same_times = message.times == self.port_times;
        match message.role {
            // Our own words come back.
            Role::Designated if msg == held && self.info_is == InfoIs::Mine => RcvdInfo::InferiorDesignated,
            Role::Designated if msg.is_superior_to(held) || (msg == held && !same_times) => {
                RcvdInfo::SuperiorDesignated
            }
            Role::Designated if msg == held && self.info_is == InfoIs::Received => {
                RcvdInfo::RepeatedDesignated
            }
            Role::Designated => RcvdInfo::InferiorDesignated,
            Role::Root | Role::AlternateBackup if msg >= held => RcvdInfo::NotDesignated,
            _ => RcvdInfo::Other,
        }
    }

    fn believe(&mut self, cx: &mut Context<'_>, info: RcvdInfo, message: &Message) {
        match info {
            RcvdInfo::SuperiorDesignated => {
                (self.agreed, self.proposing) = (false, false);
                self.record_proposal(message);
                self.set_tc_flags(message);
                // betterorsameInfo(Received) (§17.21.1)
                let same = self.info_is == InfoIs::Received && message.priority <= self.port_priority;
                self.agree &= same;
                self.port_priority = message.priority;
                self.port_times = message.times;
                self.updt_rcvd_info_while(cx);
                self.info_is = InfoIs::Received;
                (self.reselect, self.selected) = (true, false);
            }
            RcvdInfo::RepeatedDesignated => {
                self.record_proposal(message);
                self.set_tc_flags(message);
                self.updt_rcvd_info_while(cx);
            }
            // recordDispute (IEEE 802.1Q-2018 §13.29.17)
            RcvdInfo::InferiorDesignated if message.has(Flags::LEARNING) => {
                if !self.disputed && (self.learn || self.forward) {
                    self.event(cx, Event::Dispute { port: self.id });
                }
                (self.disputed, self.agreed) = (true, false);
            }
            RcvdInfo::NotDesignated => {
                // recordAgreement (§17.21.9)
                let agreed = cx.rstp_version && self.point_to_point() && message.has(Flags::AGREEMENT);
                self.agreed = agreed;
                self.proposing &= !agreed;
                self.set_tc_flags(message);
            }
            RcvdInfo::InferiorDesignated | RcvdInfo::Other => {}
        }
    }

    /// recordProposal (§17.21.11).
    fn record_proposal(&mut self, message: &Message) {
        self.proposed |= message.role == Role::Designated && message.has(Flags::PROPOSAL);
    }

    /// setTcFlags (§17.21.17; with restrictedTcn as of IEEE 802.1Q-2018 §13.29.26).
    fn set_tc_flags(&mut self, message: &Message) {
        let believed = !self.settings.config.restricted_tcn;
        self.rcvd_tc |= believed && message.has(Flags::TOPOLOGY_CHANGE);
        self.rcvd_tc_ack |= message.has(Flags::TOPOLOGY_CHANGE_ACK);
    }

    /// updtRcvdInfoWhile (§17.21.23).
    fn updt_rcvd_info_while(&mut self, cx: &mut Context<'_>) {
        let times = &self.port_times;
        if times.message_age.saturating_add(1) <= times.max_age {
            self.rcvd_info_while.set_for(cx.now, seconds(3 * u16::from(times.hello_time)));
        } else {
            self.rcvd_info_while = Timer::Zero;
        }
    }

    /// A BPDU came: what waited for one is content.
    fn heard(&mut self, cx: &mut Context<'_>) {
        if self.is_assured() {
            self.await_bpdu(cx.now);
        }
        self.let_go(cx);
    }

    /// Bridge assurance: a BPDU must come within three Hello Times.
    pub(super) fn await_bpdu(&mut self, now: Instant) {
        self.assurance_while.set_for(now, seconds(3 * u16::from(self.hello_time())));
    }

    /// Loop guard: the information of a port that blocks, or leads to the root, ends without the link going down.
    fn guard_loop(&mut self, cx: &mut Context<'_>) {
        let blocks = matches!(self.role, PortRole::Root | PortRole::Alternate);
        if self.settings.config.loop_guard && blocks {
            self.hold(cx, Inconsistency::Loop);
        }
    }

    /// Keeps the port from forwarding.
    pub(super) fn hold(&mut self, cx: &mut Context<'_>, guard: Inconsistency) {
        if self.held.is_none() {
            self.event(cx, Event::Guard { port: self.id, guard, on: true });
        }
        self.held = Some(guard);
    }

    /// Keeps it no longer.
    pub(super) fn let_go(&mut self, cx: &mut Context<'_>) {
        if let Some(guard) = self.held.take() {
            self.event(cx, Event::Guard { port: self.id, guard, on: false });
        }
    }
}
