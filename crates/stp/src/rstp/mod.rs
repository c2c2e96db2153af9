//! RSTP (IEEE 802.1D-2004 clause 17): the standard's machines, run to a fixed point at each event.
//!
//! | machine | file |
//! |---|---|
//! | Port Timers: deadlines instead of ticks | `timer` |
//! | Port Receive, Protocol Migration, Bridge Detection | `receive` |
//! | Port Information | `information` |
//! | Port Role Selection | `selection` |
//! | Port Role Transitions | `roles` |
//! | Port State Transition, Topology Change | `states` |
//! | Port Transmit | `transmit` |
//! | variables, conditions | `port` |
//! | all transitions | `transitions` |
//!
//! # How they run
//!
//! An event marks the ports that it touches. Then, until nothing is marked: roles are selected where a port wants that;
//! each marked port runs PRX, PPM, BDM, PIM, PRT, PST and TCM until none of them has a transition to take, and marks
//! the others that it has done something to. Only then BPDUs go out, so that they say what has come of it all.

mod information;
mod port;
mod receive;
mod roles;
mod selection;
mod states;
mod timer;
mod transitions;
mod transmit;

pub use transitions::{Machine, TRANSITIONS, Transition};

use crate::engine::{BridgeFacts, Engine, PortFacts, PortSettings, Said};
use crate::vector::{Times, Vector};
use crate::{Config, Event, ForceVersion, Inconsistency, Output};
use port::{Context, Effect, Port, Tally, seconds};
use std::collections::VecDeque;
use timer::Timer;
use trunkline_core::{Instant, Outbox, PortId, TimerQueue, earliest};
use trunkline_wire::stp::{Bpdu, RootLinkQuery};

/// Transitions of one port in one turn at most; a turn takes a handful. More is an error of ours.
const MAX_STEPS: u32 = 256;

/// Turns that a port has at most in one event, on average over the ports. Again a handful is taken.
const MAX_TURNS: usize = 64;

/// A bridge that speaks RSTP.
#[derive(Debug)]
pub(crate) struct Bridge {
    config: Config,
    /// By [`PortId`].
    ports: Vec<Option<Port>>,
    count: usize,
    /// rootPriority (§17.18.5).
    root: Vector,
    /// rootPortId (§17.18.4).
    root_port: Option<PortId>,
    /// rootTimes (§17.18.6).
    root_times: Times,
    /// The sum over the ports.
    tally: Tally,
    /// A port wants roles to be selected, or is gone.
    reselect: bool,
    /// Ports that are marked, each once.
    marked: VecDeque<u32>,
    /// Ports that may have something to send.
    senders: VecDeque<u32>,
    timers: TimerQueue<u32>,
    /// Version 0: the bridge's ageing time is short until then (§17.19.1).
    ageing: Option<(u8, Instant)>,
    traces: bool,
}

impl Bridge {
    /// A bridge without ports (BEGIN).
    pub(crate) fn new(config: &Config) -> Bridge {
        Bridge {
            config: *config,
            ports: Vec::new(),
            count: 0,
            root: Vector::own(config.bridge_id()),
            root_port: None,
            root_times: bridge_times(config),
            tally: Tally::default(),
            reselect: false,
            marked: VecDeque::new(),
            senders: VecDeque::new(),
            timers: TimerQueue::new(),
            ageing: None,
            traces: false,
        }
    }

    fn rstp_version(&self) -> bool {
        self.config.force_version == ForceVersion::Normal
    }

    /// Marks a port, where there is one.
    fn mark(&mut self, number: u32) {
        if let Some(Some(port)) = self.ports.get_mut(number as usize)
            && !std::mem::replace(&mut port.is_dirty, true)
        {
            self.marked.push_back(number);
        }
    }

    fn get(&mut self, port: PortId) -> Option<&mut Port> {
        self.ports.get_mut(port.index())?.as_mut()
    }

    /// Gives a port to `work` with what its machines must know; counts what it adds to the tally before and after.
    fn with_port<R>(
        &mut self,
        now: Instant,
        number: u32,
        out: &mut Outbox<Said>,
        work: impl FnOnce(&mut Port, &mut Context<'_>) -> R,
    ) -> Option<R> {
        let rstp_version = self.rstp_version();
        let port = self.ports.get_mut(number as usize)?.as_mut()?;
        let others = Tally {
            unsynced: self.tally.unsynced - port.counted.unsynced,
            recent_roots: self.tally.recent_roots - port.counted.recent_roots,
        };
        let mut cx = Context {
            now,
            rstp_version,
            transmit_hold_count: self.config.transmit_hold_count,
            root_times: self.root_times,
            others,
            traces: self.traces,
            out,
        };
        let result = work(port, &mut cx);
        port.counted = port.tally();
        self.tally = Tally {
            unsynced: others.unsynced + port.counted.unsynced,
            recent_roots: others.recent_roots + port.counted.recent_roots,
        };
        self.reselect |= port.reselect;
        Some(result)
    }

    /// Runs all machines until none has a transition to take, then sends.
    fn run(&mut self, now: Instant, out: &mut Outbox<Said>) {
        let mut turns = MAX_TURNS * (self.count + 1);
        loop {
            if std::mem::take(&mut self.reselect) {
                self.select_roles(now, out);
            } else if let Some(number) = self.marked.pop_front() {
                self.turn(now, number, out);
            } else if let Some(number) = self.senders.pop_front() {
                self.send(now, number, out);
                continue;
            } else {
                break;
            }
            turns -= 1;
            if turns == 0 {
                debug_assert!(false, "the machines find no fixed point");
                self.marked.clear();
                self.ports.iter_mut().flatten().for_each(|port| port.is_dirty = false);
                break;
            }
        }
    }

    /// One port's machines, until none has a transition to take.
    fn turn(&mut self, now: Instant, number: u32, out: &mut Outbox<Said>) {
        let before = self.tally;
        for step in 0.. {
            let effect = self.with_port(now, number, out, |port, cx| {
                port.is_dirty = false;
                port.step(cx)
            });
            let Some(Some(effect)) = effect else { break };
            self.carry(now, number, effect, out);
            if step >= MAX_STEPS {
                debug_assert!(false, "the machines of a port find no fixed point");
                break;
            }
        }
        self.senders.push_back(number);
        // What others wait for may have come true.
        let synced = self.tally.unsynced == 0 && before.unsynced > 0;
        if synced || self.tally.recent_roots < before.recent_roots {
            self.mark_blocked_and_root();
        }
    }

    /// Root, alternate and backup ports ask allSynced, the root port reRooted.
    fn mark_blocked_and_root(&mut self) {
        for number in 0..self.ports.len() as u32 {
            let role = self.ports[number as usize].as_ref().map(|port| port.role);
            if role.is_some_and(|role| role != crate::PortRole::Designated) {
                self.mark(number);
            }
        }
    }

    fn send(&mut self, now: Instant, number: u32, out: &mut Outbox<Said>) {
        while self.with_port(now, number, out, Port::step_ptx) == Some(true) {}
        self.schedule(number);
    }

    /// Sees to it that a port is woken in time.
    fn schedule(&mut self, number: u32) {
        let Some(Some(port)) = self.ports.get_mut(number as usize) else { return };
        if let Some(due) = port.deadline()
            && port.scheduled.is_none_or(|at| due < at)
        {
            port.scheduled = Some(due);
            self.timers.schedule(due, number);
        }
    }

    /// What a port's machine does to others.
    fn carry(&mut self, now: Instant, number: u32, effect: Effect, out: &mut Outbox<Said>) {
        let set: fn(&mut Port) = match effect {
            Effect::None => return,
            Effect::SyncTree => |port| port.sync = true,
            Effect::ReRootTree => |port| port.re_root = true,
            Effect::TcPropTree => |port| port.tc_prop = true,
            Effect::ShortAgeing(seconds) => return self.shorten_ageing(now, seconds, out),
        };
        for other in 0..self.ports.len() as u32 {
            let Some(port) = &mut self.ports[other as usize] else { continue };
            if effect != Effect::TcPropTree || other != number {
                set(port);
                self.mark(other);
            }
        }
    }

    /// Version 0: instead of a flush, all stations age faster for a while (§17.19.1, §17.20.12).
    fn shorten_ageing(&mut self, now: Instant, fwd_delay: u8, out: &mut Outbox<Said>) {
        if self.ageing.is_none_or(|(seconds, _)| seconds != fwd_delay) {
            let time = Some(seconds(fwd_delay.into()));
            out.push(Said::Out(Output::AgeingTime(time)));
        }
        self.ageing = Some((fwd_delay, now + seconds(fwd_delay.into())));
    }

    fn add(&mut self, now: Instant, id: PortId, settings: PortSettings, out: &mut Outbox<Said>) {
        if self.ports.len() <= id.index() {
            self.ports.resize_with(id.index() + 1, || None);
        }
        let mut port = Port::new(id, settings);
        port.designated_priority = port.designated(&self.root, self.config.bridge_id());
        port.designated_times = self.designated_times();
        self.ports[id.index()] = Some(port);
        self.count += 1;
        let effect = self.with_port(now, id.0, out, |port, cx| {
            port.begin_receive(cx);
            port.begin_ptx(cx);
            port.begin_pim(cx);
            port.begin_prt(cx);
            port.begin_states(cx)
        });
        self.carry(now, id.0, effect.unwrap_or(Effect::None), out);
        if self.count == 1 {
            self.begin_selection(now, out);
        }
        self.mark(id.0);
    }
}

impl Port {
    /// Takes one transition, of the first machine that has one to take.
    fn step(&mut self, cx: &mut Context<'_>) -> Option<Effect> {
        self.assure(cx);
        if self.step_prx(cx) || self.step_ppm(cx) || self.step_bdm(cx) || self.step_pim(cx) {
            return Some(Effect::None);
        }
        if let Some(effect) = self.step_prt(cx) {
            return Some(effect);
        }
        if self.step_pst(cx) {
            return Some(Effect::None);
        }
        self.step_tcm(cx)
    }

    /// Bridge assurance: a bridge that should be there does not speak.
    fn assure(&mut self, cx: &mut Context<'_>) {
        if self.port_enabled && self.is_assured() && self.assurance_while.is_zero() {
            self.hold(cx, Inconsistency::BridgeAssurance);
        }
    }
}

impl Engine for Bridge {
    fn set_port(&mut self, now: Instant, id: PortId, settings: PortSettings, out: &mut Outbox<Said>) {
        let Some(port) = self.get(id) else {
            self.add(now, id, settings, out);
            self.run(now, out);
            return;
        };
        if port.settings == settings {
            return;
        }
        let was_assured = port.is_assured();
        let before = std::mem::replace(&mut port.settings, settings);
        let (old, new) = (before.config, settings.config);
        if port.is_assured() && !was_assured {
            port.await_bpdu(now);
        }
        let is_free = match port.held {
            Some(Inconsistency::Loop) => !new.loop_guard,
            Some(Inconsistency::BridgeAssurance) => !port.is_assured(),
            _ => false,
        };
        // §17.13: what is compared has changed.
        if before.cost != settings.cost
            || old.id() != new.id()
            || (old.restricted_role, old.root_guard) != (new.restricted_role, new.root_guard)
        {
            (port.reselect, port.selected) = (true, false);
            self.reselect = true;
        }
        if is_free {
            let _ = self.with_port(now, id.0, out, Port::let_go);
        }
        self.mark(id.0);
        self.run(now, out);
    }

    fn remove_port(&mut self, now: Instant, id: PortId, out: &mut Outbox<Said>) {
        let Some(port) = self.ports.get_mut(id.index()).and_then(Option::take) else { return };
        self.count -= 1;
        self.tally.unsynced -= port.counted.unsynced;
        self.tally.recent_roots -= port.counted.recent_roots;
        self.reselect = self.count > 0;
        self.mark_blocked_and_root();
        self.run(now, out);
        if self.count == 0 {
            (self.root, self.root_port) = (Vector::own(self.config.bridge_id()), None);
            self.root_times = bridge_times(&self.config);
        }
    }

    fn enable(&mut self, now: Instant, id: PortId, on: bool, out: &mut Outbox<Said>) {
        let Some(port) = self.get(id) else { return };
        if port.port_enabled == on {
            return;
        }
        port.port_enabled = on;
        if on {
            // The machines keep these while the port is not enabled.
            for timer in [&mut port.edge_delay_while, &mut port.mdelay_while, &mut port.hello_when] {
                timer.release(now);
            }
            if port.is_assured() {
                port.await_bpdu(now);
            }
        } else {
            port.assurance_while = Timer::Zero;
        }
        let _ = self.with_port(now, id.0, out, |port, cx| {
            port.let_go(cx);
            port.tell_state(cx);
        });
        self.mark(id.0);
        self.run(now, out);
    }

    fn bpdu(&mut self, now: Instant, id: PortId, bpdu: &Bpdu, out: &mut Outbox<Said>) {
        // Version 0 knows no RST BPDU (§17.13.4, IEEE 802.1D-1998 §9.3.3).
        if !self.rstp_version() && matches!(bpdu, Bpdu::Rst(_)) {
            return;
        }
        let Some(port) = self.get(id) else { return };
        port.rcvd_bpdu = Some(*bpdu);
        self.mark(id.0);
        self.run(now, out);
    }

    fn query(&mut self, _: Instant, _: PortId, _: &RootLinkQuery, _: &mut Outbox<Said>) {
        // RSTP needs none: inferior BPDUs of the designated bridge are believed at once.
    }

    fn own_bpdu(&mut self, _: Instant, _: PortId) {}

    fn mcheck(&mut self, now: Instant, id: PortId, out: &mut Outbox<Said>) {
        let rstp_version = self.rstp_version();
        let Some(port) = self.get(id) else { return };
        port.mcheck = rstp_version;
        self.mark(id.0);
        self.run(now, out);
    }

    fn reconfigure(&mut self, now: Instant, config: &Config, out: &mut Outbox<Said>) {
        let before = std::mem::replace(&mut self.config, *config);
        for number in 0..self.ports.len() as u32 {
            let Some(port) = &mut self.ports[number as usize] else { continue };
            if before.transmit_hold_count != config.transmit_hold_count {
                port.tx_count = 0; // §17.13.12
            }
            port.reselect = true;
            self.mark(number);
        }
        self.reselect = self.count > 0;
        self.run(now, out);
    }

    fn poll_timeout(&self) -> Option<Instant> {
        earliest([self.timers.next(), self.ageing.map(|(_, until)| until)])
    }

    fn handle_timeout(&mut self, now: Instant, out: &mut Outbox<Said>) {
        if self.ageing.is_some_and(|(_, until)| until <= now) {
            self.ageing = None;
            out.push(Said::Out(Output::AgeingTime(None)));
        }
        let mut due = Vec::new();
        while let Some(number) = self.timers.pop_due(now) {
            let Some(Some(port)) = self.ports.get_mut(number as usize) else { continue };
            port.scheduled = None;
            due.push(number);
        }
        for number in due {
            let before = self.tally;
            let _ = self.with_port(now, number, out, |port, cx| port.expire(cx.now));
            if self.tally.recent_roots < before.recent_roots {
                self.mark_blocked_and_root();
            }
            self.mark(number);
        }
        self.run(now, out);
    }

    fn trace(&mut self, on: bool) {
        self.traces = on;
    }

    fn bridge(&self) -> BridgeFacts {
        BridgeFacts {
            root: self.root,
            root_port: self.root_port,
            times: self.root_times,
            ageing: self.ageing.map(|(time, _)| seconds(time.into())),
        }
    }

    fn port(&self, now: Instant, id: PortId) -> Option<PortFacts> {
        Some(self.ports.get(id.index())?.as_ref()?.facts(now))
    }
}

/// BridgeTimes (§17.18.4).
fn bridge_times(config: &Config) -> Times {
    Times {
        message_age: 0,
        max_age: config.max_age,
        forward_delay: config.forward_delay,
        hello_time: config.hello_time,
    }
}

impl Bridge {
    /// A transition of the machine of the bridge.
    fn took(&self, out: &mut Outbox<Said>, from: &'static str, to: &'static str) {
        if self.traces {
            let transition = Transition { machine: Machine::Prs, from, to };
            out.push(Said::Out(Output::Event(Event::Transition { port: None, transition })));
        }
    }
}
