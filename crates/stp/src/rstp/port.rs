//! The variables of a port (§17.19), what its machines share with the bridge, and what is derived from both.

use super::timer::Timer;
use super::transitions::{Bdm, Machine, Pim, Ppm, Prt, Prx, Pst, Ptx, Tcm, Transition};
use crate::engine::{PortFacts, PortSettings, Said};
use crate::vector::{Times, Vector};
use crate::{Edge, Event, Inconsistency, Output, PortRole, PortState};
use trunkline_core::{Duration, Instant, Outbox, PortId, earliest};
use trunkline_wire::stp::{Bpdu, BridgeId, PortIdentifier};

/// Migrate Time, seconds (§17.13.9).
pub(super) const MIGRATE_TIME: u8 = 3;

/// Where the information of a port comes from (§17.19.10).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum InfoIs {
    Disabled,
    Aged,
    Mine,
    Received,
}

/// What a port's machines must know of the bridge and the other ports, and where they say what is to be done.
pub(super) struct Context<'a> {
    pub(super) now: Instant,
    /// rstpVersion (§17.20.11).
    pub(super) rstp_version: bool,
    pub(super) transmit_hold_count: u8,
    /// rootTimes (§17.18.6).
    pub(super) root_times: Times,
    /// The sum over all other ports.
    pub(super) others: Tally,
    pub(super) traces: bool,
    pub(super) out: &'a mut Outbox<Said>,
}

/// What machines ask of all ports together; each port adds its part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Tally {
    /// Ports that keep allSynced (§17.20.3) from being true.
    pub(super) unsynced: u32,
    /// Ports whose rrWhile is not zero: they keep reRooted (§17.20.10) from being true on others.
    pub(super) recent_roots: u32,
}

/// What a machine does to other ports, or to all (§17.21).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    /// Nothing.
    None,
    /// setSyncTree: all ports.
    SyncTree,
    /// setReRootTree: all ports.
    ReRootTree,
    /// setTcPropTree: all others.
    TcPropTree,
    /// The bridge's ageing time is FwdDelay for FwdDelay seconds, since RSTP runs as STP (§17.19.1).
    ShortAgeing(u8),
}

/// A port. Field names are the standard's (§17.19); the sections of its machines say what they mean.
#[derive(Debug, Clone)]
pub(super) struct Port {
    pub(super) id: PortId,
    pub(super) settings: PortSettings,
    pub(super) port_enabled: bool,

    pub(super) agree: bool,
    pub(super) agreed: bool,
    pub(super) disputed: bool,
    pub(super) forward: bool,
    pub(super) forwarding: bool,
    pub(super) learn: bool,
    pub(super) learning: bool,
    pub(super) mcheck: bool,
    pub(super) new_info: bool,
    pub(super) oper_edge: bool,
    pub(super) proposed: bool,
    pub(super) proposing: bool,
    pub(super) rcvd_rstp: bool,
    pub(super) rcvd_stp: bool,
    pub(super) rcvd_tc: bool,
    pub(super) rcvd_tc_ack: bool,
    pub(super) rcvd_tcn: bool,
    pub(super) re_root: bool,
    pub(super) reselect: bool,
    pub(super) selected: bool,
    pub(super) send_rstp: bool,
    pub(super) sync: bool,
    pub(super) synced: bool,
    pub(super) tc_ack: bool,
    pub(super) tc_prop: bool,
    pub(super) updt_info: bool,

    /// rcvdBPDU: the BPDU that PRX is to take.
    pub(super) rcvd_bpdu: Option<Bpdu>,
    /// rcvdMsg: the BPDU that PIM is to take.
    pub(super) rcvd_msg: Option<Bpdu>,
    pub(super) info_is: InfoIs,
    pub(super) role: PortRole,
    pub(super) selected_role: PortRole,
    pub(super) port_priority: Vector,
    pub(super) port_times: Times,
    pub(super) designated_priority: Vector,
    pub(super) designated_times: Times,

    pub(super) edge_delay_while: Timer,
    pub(super) fd_while: Timer,
    pub(super) hello_when: Timer,
    pub(super) mdelay_while: Timer,
    pub(super) rb_while: Timer,
    pub(super) rcvd_info_while: Timer,
    pub(super) rr_while: Timer,
    pub(super) tc_while: Timer,
    pub(super) tx_count: u8,
    /// When txCount is one less.
    pub(super) tx_count_when: Timer,

    /// A neighbour has told of a change of the topology a while ago; it is the same one.
    pub(super) tc_told_while: Timer,
    /// Bridge assurance: until then a BPDU must come.
    pub(super) assurance_while: Timer,
    /// Loop guard or bridge assurance keeps it from forwarding.
    pub(super) held: Option<Inconsistency>,
    /// Root guard keeps it from being the root port.
    pub(super) root_inconsistent: bool,

    pub(super) prx: Prx,
    pub(super) ppm: Ppm,
    pub(super) bdm: Bdm,
    pub(super) ptx: Ptx,
    pub(super) pim: Pim,
    pub(super) prt: Prt,
    pub(super) pst: Pst,
    pub(super) tcm: Tcm,

    /// What the data plane was told last.
    pub(super) told: PortState,
    pub(super) forward_transitions: u64,
    /// It is to be looked at.
    pub(super) is_dirty: bool,
    /// Its place in the bridge's timers.
    pub(super) scheduled: Option<Instant>,
    /// Its part of the bridge's tally.
    pub(super) counted: Tally,
}

impl Port {
    /// A port before BEGIN: until then its machines are in no state of meaning.
    pub(super) fn new(id: PortId, settings: PortSettings) -> Port {
        Port {
            id,
            settings,
            port_enabled: false,
            agree: false,
            agreed: false,
            disputed: false,
            forward: false,
            forwarding: false,
            learn: false,
            learning: false,
            mcheck: false,
            new_info: false,
            oper_edge: false,
            proposed: false,
            proposing: false,
            rcvd_rstp: false,
            rcvd_stp: false,
            rcvd_tc: false,
            rcvd_tc_ack: false,
            rcvd_tcn: false,
            re_root: false,
            reselect: false,
            selected: false,
            send_rstp: false,
            sync: false,
            synced: false,
            tc_ack: false,
            tc_prop: false,
            updt_info: false,
            rcvd_bpdu: None,
            rcvd_msg: None,
            info_is: InfoIs::Disabled,
            role: PortRole::Disabled,
            selected_role: PortRole::Disabled,
            port_priority: Vector::default(),
            port_times: Times::default(),
            designated_priority: Vector::default(),
            designated_times: Times::default(),
            edge_delay_while: Timer::Zero,
            fd_while: Timer::Zero,
            hello_when: Timer::Zero,
            mdelay_while: Timer::Zero,
            rb_while: Timer::Zero,
            rcvd_info_while: Timer::Zero,
            rr_while: Timer::Zero,
            tc_while: Timer::Zero,
            tx_count: 0,
            tx_count_when: Timer::Zero,
            tc_told_while: Timer::Zero,
            assurance_while: Timer::Zero,
            held: None,
            root_inconsistent: false,
            prx: Prx::Discard,
            ppm: Ppm::CheckingRstp,
            bdm: Bdm::NotEdge,
            ptx: Ptx::TransmitInit,
            pim: Pim::Disabled,
            prt: Prt::Disable,
            pst: Pst::Discarding,
            tcm: Tcm::Inactive,
            told: PortState::Disabled,
            forward_transitions: 0,
            is_dirty: false,
            scheduled: None,
            counted: Tally::default(),
        }
    }

    /// AdminEdge (§17.13.1).
    pub(super) fn admin_edge(&self) -> bool {
        self.settings.config.edge == Edge::Yes
    }

    /// AutoEdge (§17.13.3). A port with bridge assurance has a bridge behind it by decree.
    pub(super) fn auto_edge(&self) -> bool {
        self.settings.config.edge != Edge::No && !self.settings.config.bridge_assurance
    }

    /// operPointToPointMAC (§6.4.3).
    pub(super) fn point_to_point(&self) -> bool {
        self.settings.point_to_point
    }

    /// Whether bridge assurance applies.
    pub(super) fn is_assured(&self) -> bool {
        self.settings.config.bridge_assurance && self.point_to_point() && !self.admin_edge()
    }

    /// The port identifier.
    pub(super) fn port_id(&self) -> PortIdentifier {
        self.settings.config.id()
    }

    /// FwdDelay, MaxAge, HelloTime (§17.20): of the designated times.
    pub(super) fn fwd_delay(&self) -> u8 {
        self.designated_times.forward_delay
    }

    /// See [`Port::fwd_delay`].
    pub(super) fn max_age(&self) -> u8 {
        self.designated_times.max_age
    }

    /// See [`Port::fwd_delay`].
    pub(super) fn hello_time(&self) -> u8 {
        self.designated_times.hello_time
    }

    /// forwardDelay (§17.20.5).
    pub(super) fn forward_delay(&self) -> u8 {
        if self.send_rstp { self.hello_time() } else { self.fwd_delay() }
    }

    /// EdgeDelay (§17.20.4).
    pub(super) fn edge_delay(&self) -> u8 {
        if self.point_to_point() { MIGRATE_TIME } else { self.max_age() }
    }

    /// Whether PTX and PRT may act: every transition of theirs waits for this (§17.26, §17.29).
    pub(super) fn is_settled(&self) -> bool {
        self.selected && !self.updt_info
    }

    /// Its part of what machines ask of all ports.
    pub(super) fn tally(&self) -> Tally {
        let ready = self.is_settled() && self.role == self.selected_role;
        let synced = self.role == PortRole::Root || self.synced;
        Tally { unsynced: u32::from(!ready || !synced), recent_roots: u32::from(!self.rr_while.is_zero()) }
    }

    /// allSynced (§17.20.3, as of IEEE 802.1Q-2018 §13.28.3), for a root, alternate or backup port.
    pub(super) fn all_synced(&self, cx: &Context<'_>) -> bool {
        cx.others.unsynced + self.tally().unsynced == 0
    }

    /// The states of this port before and after a machine took a transition; told where someone wants to know.
    pub(super) fn took(&self, cx: &mut Context<'_>, machine: Machine, from: &'static str, to: &'static str) {
        if cx.traces {
            let transition = Transition { machine, from, to };
            self.event(cx, Event::Transition { port: Some(self.id), transition });
        }
    }

    pub(super) fn event(&self, cx: &mut Context<'_>, event: Event) {
        cx.out.push(Said::Out(Output::Event(event)));
    }

    fn timers(&self) -> [(&'static str, Timer); 11] {
        [
            ("edgeDelayWhile", self.edge_delay_while),
            ("fdWhile", self.fd_while),
            ("helloWhen", self.hello_when),
            ("mdelayWhile", self.mdelay_while),
            ("rbWhile", self.rb_while),
            ("rcvdInfoWhile", self.rcvd_info_while),
            ("rrWhile", self.rr_while),
            ("tcWhile", self.tc_while),
            ("txCount", self.tx_count_when),
            ("tcToldWhile", self.tc_told_while),
            ("assuranceWhile", self.assurance_while),
        ]
    }

    /// When the next of its timers is zero.
    pub(super) fn deadline(&self) -> Option<Instant> {
        earliest(self.timers().map(|(_, timer)| timer.deadline()))
    }

    /// Timers that are due become zero.
    pub(super) fn expire(&mut self, now: Instant) {
        for timer in [
            &mut self.edge_delay_while,
            &mut self.fd_while,
            &mut self.hello_when,
            &mut self.mdelay_while,
            &mut self.rb_while,
            &mut self.rcvd_info_while,
            &mut self.rr_while,
            &mut self.tc_while,
            &mut self.tx_count_when,
            &mut self.tc_told_while,
            &mut self.assurance_while,
        ] {
            timer.expire(now);
        }
        if self.tx_count > 0 && self.tx_count_when.is_zero() {
            self.tx_count -= 1;
            self.tx_count_when.set(now, u8::from(self.tx_count > 0));
        }
    }

    /// Tells the data plane where its state is another.
    pub(super) fn tell_state(&mut self, cx: &mut Context<'_>) {
        let state = match (self.port_enabled, self.learning, self.forwarding) {
            (false, ..) => PortState::Disabled,
            (true, false, _) => PortState::Discarding,
            (true, true, false) => PortState::Learning,
            (true, true, true) => PortState::Forwarding,
        };
        if state == self.told {
            return;
        }
        cx.out.push(Said::Out(Output::State { port: self.id, state }));
        self.event(cx, Event::State { port: self.id, from: self.told, to: state });
        self.told = state;
    }

    /// What people see of it.
    pub(super) fn facts(&self, now: Instant) -> PortFacts {
        let flags = [
            ("agree", self.agree),
            ("agreed", self.agreed),
            ("disputed", self.disputed),
            ("mcheck", self.mcheck),
            ("newInfo", self.new_info),
            ("proposed", self.proposed),
            ("proposing", self.proposing),
            ("reRoot", self.re_root),
            ("selected", self.selected),
            ("sync", self.sync),
            ("synced", self.synced),
            ("tcAck", self.tc_ack),
            ("updtInfo", self.updt_info),
        ];
        let timers = self.timers().into_iter().filter_map(|(name, timer)| Some((name, timer.left(now)?)));
        PortFacts {
            id: self.port_id(),
            role: self.role,
            state: self.told,
            cost: self.settings.cost,
            edge: self.oper_edge,
            point_to_point: self.point_to_point(),
            sends_rstp: self.send_rstp,
            inconsistent: self.held.or(self.root_inconsistent.then_some(Inconsistency::Root)),
            held: if self.port_enabled { self.port_priority } else { self.designated_priority },
            received: self.info_is == InfoIs::Received,
            designated: self.designated_priority,
            forward_transitions: self.forward_transitions,
            timers: timers.collect(),
            flags: flags.into_iter().filter(|(_, on)| *on).map(|(name, _)| name).collect(),
            machines: vec![
                ("PRX", self.prx.name()),
                ("PPM", self.ppm.name()),
                ("BDM", self.bdm.name()),
                ("PTX", self.ptx.name()),
                ("PIM", self.pim.name()),
                ("PRT", self.prt.name()),
                ("PST", self.pst.name()),
                ("TCM", self.tcm.name()),
            ],
        }
    }

    /// designatedPriority of this port for a bridge with this root priority vector (§17.19.4).
    pub(super) fn designated(&self, root: &Vector, bridge: BridgeId) -> Vector {
        Vector { root: root.root, cost: root.cost, bridge, port: self.port_id() }
    }
}

/// A length of time in whole seconds.
pub(super) fn seconds(seconds: u16) -> Duration {
    Duration::from_secs(seconds.into())
}
