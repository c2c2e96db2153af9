//! What comes in at a port: Port Receive (§17.23), Protocol Migration (§17.24), Bridge Detection (§17.25).
//!
//! Each `step` takes at most one transition and says whether it did.

use super::port::{Context, MIGRATE_TIME, Port};
use super::timer::Timer;
use super::transitions::{Bdm, Machine, Ppm, Prx};
use crate::Event;
use trunkline_wire::stp::Bpdu;

impl Port {
    /// BEGIN of the three.
    pub(super) fn begin_receive(&mut self, cx: &mut Context<'_>) {
        self.enter_discard(cx, "BEGIN");
        self.enter_checking_rstp(cx, "BEGIN");
        self.enter_bdm(cx, "BEGIN", if self.admin_edge() { Bdm::Edge } else { Bdm::NotEdge });
    }

    /// Port Receive.
    ///
    /// ```text
    ///             rcvdBPDU && portEnabled
    ///  DISCARD ─────────────────────────────▶ RECEIVE ⟲ rcvdBPDU && portEnabled && !rcvdMsg
    ///     ▲        !portEnabled && (rcvdBPDU || edgeDelayWhile != MigrateTime)
    ///     └──────────────────────────────────────┘
    /// ```
    pub(super) fn step_prx(&mut self, cx: &mut Context<'_>) -> bool {
        let is_reset = self.rcvd_bpdu.is_none() && self.edge_delay_while == Timer::Kept(MIGRATE_TIME);
        if !self.port_enabled && !is_reset {
            self.enter_discard(cx, self.prx.name());
            return true;
        }
        if self.rcvd_msg.is_some() || !self.port_enabled {
            return false;
        }
        let Some(bpdu) = self.rcvd_bpdu.take() else { return false };
        self.took(cx, Machine::Prx, self.prx.name(), Prx::Receive.name());
        self.prx = Prx::Receive;
        // updtBPDUVersion (§17.21.22)
        let is_rstp = matches!(bpdu, Bpdu::Rst(_));
        self.rcvd_rstp |= is_rstp;
        self.rcvd_stp |= !is_rstp;
        if self.oper_edge {
            self.oper_edge = false;
            self.event(cx, Event::Edge { port: self.id, edge: false });
        }
        self.rcvd_msg = Some(bpdu);
        self.edge_delay_while.set(cx.now, MIGRATE_TIME);
        true
    }

    fn enter_discard(&mut self, cx: &mut Context<'_>, from: &'static str) {
        self.took(cx, Machine::Prx, from, Prx::Discard.name());
        self.prx = Prx::Discard;
        (self.rcvd_bpdu, self.rcvd_msg) = (None, None);
        (self.rcvd_rstp, self.rcvd_stp) = (false, false);
        // It is kept while the port is not enabled; Bridge::enable lets it go.
        self.edge_delay_while = Timer::Kept(MIGRATE_TIME);
    }

    /// Port Protocol Migration.
    ///
    /// ```text
    ///            mdelayWhile == 0
    ///  CHECKING_RSTP ─────────────▶ SENSING ◀───────────── SELECTING_STP
    ///        ▲                      │     │ sendRSTP && rcvdSTP  ▲
    ///        └──────────────────────┘     └──────────────────────┘
    ///    !portEnabled || mcheck || rstpVersion && !sendRSTP && rcvdRSTP
    /// ```
    pub(super) fn step_ppm(&mut self, cx: &mut Context<'_>) -> bool {
        match self.ppm {
            Ppm::CheckingRstp => {
                if self.mdelay_while.is_zero() {
                    self.enter_sensing(cx);
                } else if !self.port_enabled && self.mdelay_while != Timer::Kept(MIGRATE_TIME) {
                    self.enter_checking_rstp(cx, self.ppm.name());
                } else {
                    return false;
                }
            }
            Ppm::SelectingStp => {
                if !self.mdelay_while.is_zero() && self.port_enabled && !self.mcheck {
                    return false;
                }
                self.enter_sensing(cx);
            }
            Ppm::Sensing => {
                let again = cx.rstp_version && !self.send_rstp && self.rcvd_rstp;
                if !self.port_enabled || self.mcheck || again {
                    self.enter_checking_rstp(cx, self.ppm.name());
                } else if self.send_rstp && self.rcvd_stp {
                    self.took(cx, Machine::Ppm, self.ppm.name(), Ppm::SelectingStp.name());
                    self.ppm = Ppm::SelectingStp;
                    self.set_send_rstp(cx, false);
                    self.mdelay_while.set(cx.now, MIGRATE_TIME);
                } else {
                    return false;
                }
            }
        }
        true
    }

    fn enter_checking_rstp(&mut self, cx: &mut Context<'_>, from: &'static str) {
        self.took(cx, Machine::Ppm, from, Ppm::CheckingRstp.name());
        self.ppm = Ppm::CheckingRstp;
        self.mcheck = false;
        self.set_send_rstp(cx, cx.rstp_version);
        self.mdelay_while = Timer::Kept(MIGRATE_TIME);
        if self.port_enabled {
            self.mdelay_while.release(cx.now);
        }
    }

    fn enter_sensing(&mut self, cx: &mut Context<'_>) {
        self.took(cx, Machine::Ppm, self.ppm.name(), Ppm::Sensing.name());
        self.ppm = Ppm::Sensing;
        (self.rcvd_rstp, self.rcvd_stp) = (false, false);
    }

    fn set_send_rstp(&mut self, cx: &mut Context<'_>, on: bool) {
        if self.send_rstp != on && self.port_enabled {
            self.event(cx, Event::Version { port: self.id, rstp: on });
        }
        self.send_rstp = on;
    }

    /// Bridge Detection.
    ///
    /// ```text
    ///          !portEnabled && !AdminEdge || !operEdge
    ///  EDGE ◀──────────────────────────────────────────▶ NOT_EDGE
    ///          !portEnabled && AdminEdge || edgeDelayWhile == 0 && AutoEdge && sendRSTP && proposing
    /// ```
    ///
    /// A port that loop guard or bridge assurance holds has lost a bridge, and is no edge for that.
    pub(super) fn step_bdm(&mut self, cx: &mut Context<'_>) -> bool {
        match self.bdm {
            Bdm::Edge if (!self.port_enabled && !self.admin_edge()) || !self.oper_edge => {
                self.enter_bdm(cx, self.bdm.name(), Bdm::NotEdge);
            }
            Bdm::NotEdge => {
                let silent = self.edge_delay_while.is_zero() && self.send_rstp && self.proposing;
                let found = silent && self.auto_edge() && self.held.is_none();
                if !((!self.port_enabled && self.admin_edge()) || found) {
                    return false;
                }
                self.enter_bdm(cx, self.bdm.name(), Bdm::Edge);
            }
            Bdm::Edge => return false,
        }
        true
    }

    fn enter_bdm(&mut self, cx: &mut Context<'_>, from: &'static str, to: Bdm) {
        self.took(cx, Machine::Bdm, from, to.name());
        self.bdm = to;
        let edge = to == Bdm::Edge;
        if self.oper_edge != edge && self.port_enabled {
            self.event(cx, Event::Edge { port: self.id, edge });
        }
        self.oper_edge = edge;
    }
}
