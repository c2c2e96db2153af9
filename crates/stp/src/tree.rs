//! The machine from outside: ports and their links, frames in and out, and the guards that look at BPDUs as such.

use crate::engine::{Engine, PortSettings, Said};
use crate::show::Change;
use crate::{
    Config, Event, Inconsistency, Input, Output, PointToPoint, PortConfig, PortState, PortStatus, Protocol,
};
use crate::{classic, rstp};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use trunkline_core::{Instant, MacAddr, Outbox, PortId, earliest};
use trunkline_wire::ethernet;
use trunkline_wire::stp::{Bpdu, Flags, Message, PortIdentifier, Priority, Role, Rst};

/// Changes of the topology that are remembered.
const MAX_HISTORY: usize = 32;

/// Spanning tree of one bridge.
#[derive(Debug)]
pub struct SpanningTree {
    pub(crate) config: Config,
    pub(crate) engine: Box<dyn Engine>,
    pub(crate) ports: BTreeMap<PortId, Port>,
    /// The numbers of the ports.
    numbers: BTreeSet<u16>,
    pub(crate) history: VecDeque<Change>,
    pub(crate) topology_changes: u64,
    said: Outbox<Said>,
    /// When the next port comes back that BPDU guard has shut; may be early.
    recovery: Option<Instant>,
    traces: bool,
}

/// What is known of a port beside the protocol.
#[derive(Debug)]
pub(crate) struct Port {
    pub(crate) config: PortConfig,
    pub(crate) status: PortStatus,
    pub(crate) counters: Counters,
    /// BPDU guard has shut it.
    pub(crate) shut: Option<Shut>,
    /// Who sent the last BPDU.
    from: Option<MacAddr>,
}

/// A port that BPDU guard has shut.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shut {
    /// When it comes back; none: when someone says so.
    pub(crate) until: Option<Instant>,
}

/// What came to a port and went out of it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counters {
    rx_config: u64,
    rx_rst: u64,
    rx_tcn: u64,
    /// BPDUs with the topology change flag.
    rx_tc: u64,
    rx_rlq_request: u64,
    rx_rlq_response: u64,
    tx_config: u64,
    tx_rst: u64,
    tx_tcn: u64,
    tx_tc: u64,
    tx_rlq_request: u64,
    tx_rlq_response: u64,
    /// No BPDU or query, by the rules of §9.3.4.
    malformed: u64,
    /// As old as it may become, or older (§9.3.4 a).
    too_old: u64,
    /// Our own, come back (§9.3.4 a).
    own: u64,
    /// Of another protocol to the same group.
    other_protocol: u64,
    /// Dropped by BPDU filter.
    filtered: u64,
    /// Came while the port was down or shut.
    while_down: u64,
}

impl Counters {
    /// Each counter with its name.
    pub(crate) fn named(&self) -> [(&'static str, u64); 18] {
        [
            ("rx_config", self.rx_config),
            ("rx_rst", self.rx_rst),
            ("rx_tcn", self.rx_tcn),
            ("rx_tc", self.rx_tc),
            ("rx_rlq_request", self.rx_rlq_request),
            ("rx_rlq_response", self.rx_rlq_response),
            ("tx_config", self.tx_config),
            ("tx_rst", self.tx_rst),
            ("tx_tcn", self.tx_tcn),
            ("tx_tc", self.tx_tc),
            ("tx_rlq_request", self.tx_rlq_request),
            ("tx_rlq_response", self.tx_rlq_response),
            ("malformed", self.malformed),
            ("too_old", self.too_old),
            ("own", self.own),
            ("other_protocol", self.other_protocol),
            ("filtered", self.filtered),
            ("while_down", self.while_down),
        ]
    }

    fn sent(&mut self, message: &Message) {
        let (counter, body) = match message {
            Message::Bpdu(bpdu @ Bpdu::Config(_)) => (&mut self.tx_config, bpdu.body()),
            Message::Bpdu(bpdu @ Bpdu::Rst(_)) => (&mut self.tx_rst, bpdu.body()),
            Message::Bpdu(Bpdu::Tcn) => (&mut self.tx_tcn, None),
            Message::RootLinkQuery(query) if query.response => (&mut self.tx_rlq_response, None),
            Message::RootLinkQuery(_) => (&mut self.tx_rlq_request, None),
        };
        *counter += 1;
        self.tx_tc += u64::from(body.is_some_and(|body| body.flags.has(Flags::TOPOLOGY_CHANGE)));
    }

    fn received(&mut self, message: &Message) {
        let (counter, body) = match message {
            Message::Bpdu(bpdu @ Bpdu::Config(_)) => (&mut self.rx_config, bpdu.body()),
            Message::Bpdu(bpdu @ Bpdu::Rst(_)) => (&mut self.rx_rst, bpdu.body()),
            Message::Bpdu(Bpdu::Tcn) => (&mut self.rx_tcn, None),
            Message::RootLinkQuery(query) if query.response => (&mut self.rx_rlq_response, None),
            Message::RootLinkQuery(_) => (&mut self.rx_rlq_request, None),
        };
        *counter += 1;
        self.rx_tc += u64::from(body.is_some_and(|body| body.flags.has(Flags::TOPOLOGY_CHANGE)));
    }
}

impl Port {
    fn settings(&self, bridge: &Config) -> PortSettings {
        let point_to_point = match self.config.point_to_point {
            PointToPoint::Auto => self.status.full_duplex.unwrap_or(true),
            PointToPoint::Yes => true,
            PointToPoint::No => false,
        };
        PortSettings {
            config: self.config,
            cost: self.config.cost(bridge, self.status.speed),
            point_to_point,
        }
    }

    fn enabled(&self) -> bool {
        self.status.up && self.shut.is_none()
    }
}

impl SpanningTree {
    /// A bridge without ports.
    pub fn new(config: Config) -> SpanningTree {
        SpanningTree {
            config,
            engine: engine(&config),
            ports: BTreeMap::new(),
            numbers: BTreeSet::new(),
            history: VecDeque::new(),
            topology_changes: 0,
            said: Outbox::new(),
            recovery: None,
            traces: false,
        }
    }

    /// The configuration in force.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Whether each transition of RSTP's machines is told as an event.
    pub fn trace(&mut self, on: bool) {
        self.traces = on;
        self.engine.trace(on);
    }

    /// Feeds something in.
    pub fn handle(&mut self, now: Instant, input: Input<'_>, out: &mut Outbox<Output>) {
        match input {
            Input::Port { port, config } => self.set_port(now, port, config),
            Input::PortGone { port } => {
                if let Some(Port { config, .. }) = self.ports.remove(&port) {
                    self.numbers.remove(&config.number);
                    self.engine.remove_port(now, port, &mut self.said);
                }
            }
            Input::Status { port, status } => self.status(now, port, status),
            Input::Frame { port, frame } => self.frame(now, port, frame),
            Input::Mcheck { port } => self.engine.mcheck(now, port, &mut self.said),
            Input::Recover { port } => self.recover(now, port),
            Input::Reconfigure(config) => self.reconfigure(now, config),
        }
        self.carry(now, out);
    }

    /// When [`SpanningTree::handle_timeout`] is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        earliest([self.recovery, self.engine.poll_timeout()])
    }

    /// Does all that is due.
    pub fn handle_timeout(&mut self, now: Instant, out: &mut Outbox<Output>) {
        if self.recovery.is_some_and(|at| at <= now) {
            let until = |port: &Port| port.shut.and_then(|shut| shut.until);
            let is_due = |port: &Port| until(port).is_some_and(|until| until <= now);
            let due: Vec<PortId> =
                self.ports.iter().filter(|(_, port)| is_due(port)).map(|(id, _)| *id).collect();
            due.into_iter().for_each(|port| self.recover(now, port));
            self.recovery = earliest(self.ports.values().map(until));
        }
        self.engine.handle_timeout(now, &mut self.said);
        self.carry(now, out);
    }

    fn set_port(&mut self, now: Instant, id: PortId, config: PortConfig) {
        let valid = (1..=PortIdentifier::MAX_NUMBER).contains(&config.number);
        let before = self.ports.get(&id).map(|port| port.config.number);
        let taken = before != Some(config.number) && self.numbers.contains(&config.number);
        if !valid || taken {
            return;
        }
        if let Some(before) = before {
            self.numbers.remove(&before);
        }
        self.numbers.insert(config.number);
        match self.ports.get_mut(&id) {
            Some(port) if port.config == config => return,
            Some(port) => port.config = config,
            None => {
                let status =
                    PortStatus { up: false, address: MacAddr::UNSPECIFIED, speed: None, full_duplex: None };
                let counters = Counters::default();
                self.ports.insert(id, Port { config, status, counters, shut: None, from: None });
            }
        }
        self.apply(now, id);
        if !config.bpdu_guard {
            self.recover(now, id);
        }
    }

    /// Tells the protocol how a port is.
    fn apply(&mut self, now: Instant, id: PortId) {
        let Some(port) = self.ports.get(&id) else { return };
        self.engine.set_port(now, id, port.settings(&self.config), &mut self.said);
        self.engine.enable(now, id, port.enabled(), &mut self.said);
    }

    fn status(&mut self, now: Instant, id: PortId, status: PortStatus) {
        let Some(port) = self.ports.get_mut(&id) else { return };
        if port.status != status {
            port.status = status;
            self.apply(now, id);
        }
    }

    fn reconfigure(&mut self, now: Instant, config: Config) {
        if config == self.config {
            return;
        }
        let before = std::mem::replace(&mut self.config, config);
        if (before.protocol, before.force_version) != (config.protocol, config.force_version) {
            self.restart(now);
            return;
        }
        self.engine.reconfigure(now, &config, &mut self.said);
        for (id, port) in &self.ports {
            self.engine.set_port(now, *id, port.settings(&config), &mut self.said);
        }
    }

    /// The protocol is another, or its version: all begins anew (BEGIN). What the old one would do on its way out, such as
    /// let an alternate port take over, is not done.
    fn restart(&mut self, now: Instant) {
        let before = std::mem::replace(&mut self.engine, engine(&self.config));
        self.engine.trace(self.traces);
        let facts = before.bridge();
        if facts.ageing.is_some() {
            self.said.push(Said::Out(Output::AgeingTime(None)));
        }
        if facts.root_port.is_some() {
            let event = Event::Root { from: facts.root.root, to: self.config.bridge_id(), port: None };
            self.said.push(Said::Out(Output::Event(event)));
        }
        let ids: Vec<PortId> = self.ports.keys().copied().collect();
        for port in &ids {
            let (port, to) = (*port, PortState::Disabled);
            if let Some(from) = before.port(now, port).map(|facts| facts.state).filter(|from| *from != to) {
                self.said.push(Said::Out(Output::State { port, state: to }));
                self.said.push(Said::Out(Output::Event(Event::State { port, from, to })));
            }
        }
        ids.into_iter().for_each(|id| self.apply(now, id));
    }

    fn recover(&mut self, now: Instant, id: PortId) {
        let Some(port) = self.ports.get_mut(&id) else { return };
        if port.shut.take().is_some() {
            let event = Event::Guard { port: id, guard: Inconsistency::BpduGuard, on: false };
            self.said.push(Said::Out(Output::Event(event)));
            self.apply(now, id);
        }
    }

    fn frame(&mut self, now: Instant, id: PortId, frame: &[u8]) {
        let Some(port) = self.ports.get_mut(&id) else { return };
        let counters = &mut port.counters;
        if !port.status.up || port.shut.is_some() {
            counters.while_down += 1;
            return;
        }
        let message = match Message::parse(frame) {
            Ok(Some(message)) => message,
            Ok(None) => {
                counters.other_protocol += 1;
                return;
            }
            Err(_) => {
                counters.malformed += 1;
                return;
            }
        };
        if port.config.bpdu_filter {
            counters.filtered += 1;
            return;
        }
        counters.received(&message);
        port.from = ethernet::source(frame);
        if port.config.bpdu_guard {
            self.shut(now, id);
            return;
        }
        match message {
            Message::Bpdu(bpdu) => self.bpdu(now, id, bpdu),
            Message::RootLinkQuery(query) => self.engine.query(now, id, &query, &mut self.said),
        }
    }

    /// BPDU guard: nobody should have sent a BPDU here.
    fn shut(&mut self, now: Instant, id: PortId) {
        let until = self.config.bpdu_guard_recovery.map(|after| now + after);
        if let Some(port) = self.ports.get_mut(&id) {
            port.shut = Some(Shut { until });
        }
        self.recovery = earliest([self.recovery, until]);
        self.engine.enable(now, id, false, &mut self.said);
        let event = Event::Guard { port: id, guard: Inconsistency::BpduGuard, on: true };
        self.said.push(Said::Out(Output::Event(event)));
    }

    /// The rest of the validation of §9.3.4, and of §9.2.9: an unknown role makes it a Configuration BPDU.
    fn bpdu(&mut self, now: Instant, id: PortId, bpdu: Bpdu) {
        let bpdu = match bpdu {
            Bpdu::Rst(Rst { body, .. })
                if body.flags.role() == Role::Unknown && self.config.protocol == Protocol::Rstp =>
            {
                let kept = Flags::TOPOLOGY_CHANGE.0 | Flags::TOPOLOGY_CHANGE_ACK.0;
                Bpdu::Config(Priority { flags: Flags(body.flags.0 & kept), ..body })
            }
            other => other,
        };
        let Some(port) = self.ports.get_mut(&id) else { return };
        if let Bpdu::Config(body) = &bpdu {
            if body.message_age >= body.max_age {
                port.counters.too_old += 1;
                return;
            }
            if body.bridge == self.config.bridge_id() && body.port == port.config.id() {
                port.counters.own += 1;
                self.engine.own_bpdu(now, id);
                return;
            }
        }
        self.engine.bpdu(now, id, &bpdu, &mut self.said);
    }

    /// Hands on what the protocol said.
    fn carry(&mut self, now: Instant, out: &mut Outbox<Output>) {
        while let Some(said) = self.said.pop() {
            match said {
                Said::Send(id, message) => {
                    let Some(port) = self.ports.get_mut(&id) else { continue };
                    if port.config.bpdu_filter || !port.enabled() {
                        continue;
                    }
                    port.counters.sent(&message);
                    out.push(Output::Frame { port: id, frame: message.frame(port.status.address) });
                }
                Said::Out(output) => {
                    if let Output::Event(Event::TopologyChange { port, detected }) = output {
                        self.remember(now, port, detected);
                    }
                    out.push(output);
                }
            }
        }
    }

    fn remember(&mut self, now: Instant, port: PortId, detected: bool) {
        self.topology_changes += 1;
        self.history.truncate(MAX_HISTORY - 1);
        let from = self.ports.get(&port).and_then(|port| port.from).filter(|_| !detected);
        self.history.push_front(Change { at: now, port, detected, from });
    }
}

fn engine(config: &Config) -> Box<dyn Engine> {
    match config.protocol {
        Protocol::Stp => Box::new(classic::Bridge::new(config)),
        Protocol::Rstp => Box::new(rstp::Bridge::new(config)),
    }
}
