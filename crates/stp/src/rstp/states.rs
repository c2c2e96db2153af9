//! Port State Transition (§17.30) and Topology Change (§17.31): what the data plane hears.

use super::port::{Context, Effect, Port, seconds};
use super::timer::Timer;
use super::transitions::{Machine, Pst, Tcm};
use crate::engine::Said;
use crate::{Event, Output, PortRole};

impl Port {
    /// BEGIN of both.
    pub(super) fn begin_states(&mut self, cx: &mut Context<'_>) -> Effect {
        self.took(cx, Machine::Pst, "BEGIN", Pst::Discarding.name());
        self.pst = Pst::Discarding;
        (self.learning, self.forwarding) = (false, false);
        self.enter_inactive(cx, "BEGIN")
    }

    /// Port State Transition.
    ///
    /// ```text
    ///            learn           forward
    /// DISCARDING ────▶ LEARNING ────────▶ FORWARDING
    ///     ▲    !learn     │    !forward        │
    ///     └───────────────┴────────────────────┘
    /// ```
    pub(super) fn step_pst(&mut self, cx: &mut Context<'_>) -> bool {
        let to = match self.pst {
            Pst::Discarding if self.learn => Pst::Learning,
            Pst::Learning if self.forward => Pst::Forwarding,
            Pst::Learning if !self.learn => Pst::Discarding,
            Pst::Forwarding if !self.forward => Pst::Discarding,
            _ => return false,
        };
        self.took(cx, Machine::Pst, self.pst.name(), to.name());
        self.pst = to;
        (self.learning, self.forwarding) = (to != Pst::Discarding, to == Pst::Forwarding);
        self.forward_transitions += u64::from(self.forwarding);
        self.tell_state(cx);
        true
    }

    /// Topology Change.
    ///
    /// ```text
    ///           learn            role Root or Designated, forward, !operEdge
    /// INACTIVE ──────▶ LEARNING ────────────────────────────────────────────▶ DETECTED ─▶ ACTIVE
    ///     ▲               │  ▲      role neither, or operEdge                               │
    ///     └───────────────┘  └──────────────────────────────────────────────────────────────┤
    ///   !(learn || learning)        NOTIFIED_TCN, NOTIFIED_TC, PROPAGATING, ACKNOWLEDGED ◀──▶┘
    /// ```
    pub(super) fn step_tcm(&mut self, cx: &mut Context<'_>) -> Option<Effect> {
        let in_tree = matches!(self.role, PortRole::Root | PortRole::Designated);
        let heard = self.rcvd_tc || self.rcvd_tcn || self.rcvd_tc_ack || self.tc_prop;
        match self.tcm {
            Tcm::Inactive if self.learn => self.enter_tcm_learning(cx),
            Tcm::Learning if in_tree && self.forward && !self.oper_edge => {
                self.took(cx, Machine::Tcm, self.tcm.name(), "DETECTED");
                self.new_tc_while(cx);
                self.new_info = true;
                self.event(cx, Event::TopologyChange { port: self.id, detected: true });
                self.active(cx, "DETECTED");
                return Some(Effect::TcPropTree);
            }
            Tcm::Learning if heard => self.enter_tcm_learning(cx),
            Tcm::Learning if !in_tree && !self.learn && !self.learning => {
                return Some(self.enter_inactive(cx, self.tcm.name()));
            }
            Tcm::Active => return self.step_active(cx, in_tree),
            Tcm::Inactive | Tcm::Learning => return None,
        }
        Some(Effect::None)
    }

    fn step_active(&mut self, cx: &mut Context<'_>, in_tree: bool) -> Option<Effect> {
        let from = Tcm::Active.name();
        if !in_tree || self.oper_edge {
            self.enter_tcm_learning(cx);
        } else if self.rcvd_tcn {
            self.took(cx, Machine::Tcm, from, "NOTIFIED_TCN");
            self.new_tc_while(cx);
            self.took(cx, Machine::Tcm, "NOTIFIED_TCN", "NOTIFIED_TC");
            return Some(self.notified(cx));
        } else if self.rcvd_tc {
            self.took(cx, Machine::Tcm, from, "NOTIFIED_TC");
            return Some(self.notified(cx));
        } else if self.tc_prop {
            self.took(cx, Machine::Tcm, from, "PROPAGATING");
            self.new_tc_while(cx);
            self.tc_prop = false;
            let effect = self.fdb_flush(cx);
            self.active(cx, "PROPAGATING");
            return Some(effect);
        } else if self.rcvd_tc_ack {
            self.took(cx, Machine::Tcm, from, "ACKNOWLEDGED");
            self.tc_while = Timer::Zero;
            self.rcvd_tc_ack = false;
            self.active(cx, "ACKNOWLEDGED");
        } else {
            return None;
        }
        Some(Effect::None)
    }

    fn notified(&mut self, cx: &mut Context<'_>) -> Effect {
        (self.rcvd_tcn, self.rcvd_tc) = (false, false);
        self.tc_ack |= self.role == PortRole::Designated;
        // A neighbour tells of one change with several BPDUs.
        if self.tc_told_while.is_zero() {
            self.event(cx, Event::TopologyChange { port: self.id, detected: false });
        }
        self.tc_told_while.set_for(cx.now, seconds(2 * u16::from(self.hello_time()) + 1));
        self.active(cx, "NOTIFIED_TC");
        Effect::TcPropTree
    }

    fn active(&mut self, cx: &mut Context<'_>, from: &'static str) {
        self.took(cx, Machine::Tcm, from, Tcm::Active.name());
        self.tcm = Tcm::Active;
    }

    fn enter_tcm_learning(&mut self, cx: &mut Context<'_>) {
        self.took(cx, Machine::Tcm, self.tcm.name(), Tcm::Learning.name());
        self.tcm = Tcm::Learning;
        (self.rcvd_tc, self.rcvd_tcn, self.rcvd_tc_ack, self.tc_prop) = (false, false, false, false);
    }

    fn enter_inactive(&mut self, cx: &mut Context<'_>, from: &'static str) -> Effect {
        self.took(cx, Machine::Tcm, from, Tcm::Inactive.name());
        self.tcm = Tcm::Inactive;
        self.tc_while = Timer::Zero;
        self.tc_ack = false;
        self.fdb_flush(cx)
    }

    /// newTcWhile (§17.21.7).
    fn new_tc_while(&mut self, cx: &mut Context<'_>) {
        if !self.tc_while.is_zero() {
            return;
        }
        if self.send_rstp {
            self.tc_while.set(cx.now, self.hello_time() + 1);
            self.new_info = true;
        } else {
            let times = &cx.root_times;
            let long = u16::from(times.max_age) + u16::from(times.forward_delay);
            self.tc_while.set_for(cx.now, seconds(long));
        }
    }

    /// fdbFlush (§17.19.7): done at once.
    fn fdb_flush(&mut self, cx: &mut Context<'_>) -> Effect {
        if !cx.rstp_version {
            return Effect::ShortAgeing(self.fwd_delay());
        }
        cx.out.push(Said::Out(Output::Flush { port: self.id }));
        Effect::None
    }
}
