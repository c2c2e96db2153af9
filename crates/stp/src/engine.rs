//! What the two protocols have in common, as seen from [`SpanningTree`](crate::SpanningTree).

use crate::vector::{Times, Vector};
use crate::{Config, Inconsistency, Output, PortConfig, PortRole, PortState};
use std::fmt;
use trunkline_core::{Duration, Instant, Outbox, PortId};
use trunkline_wire::stp::{Bpdu, Message, PortIdentifier, RootLinkQuery};

/// What a protocol wants done.
#[derive(Debug)]
pub(crate) enum Said {
    /// Send a message by a port.
    Send(PortId, Message),
    /// All else, but no [`Output::Frame`].
    Out(Output),
}

/// All that a protocol must know of a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PortSettings {
    pub(crate) config: PortConfig,
    /// The port path cost, by configuration or speed.
    pub(crate) cost: u32,
    /// operPointToPointMAC (§6.4.3).
    pub(crate) point_to_point: bool,
}

/// A protocol: all ports of a bridge. Ports that it does not know are ignored.
pub(crate) trait Engine: fmt::Debug + Send {
    /// There is such a port, not enabled at first; or its settings changed.
    fn set_port(&mut self, now: Instant, port: PortId, settings: PortSettings, out: &mut Outbox<Said>);

    /// A port is gone.
    fn remove_port(&mut self, now: Instant, port: PortId, out: &mut Outbox<Said>);

    /// portEnabled.
    fn enable(&mut self, now: Instant, port: PortId, on: bool, out: &mut Outbox<Said>);

    /// A valid BPDU came (§9.3.4).
    fn bpdu(&mut self, now: Instant, port: PortId, bpdu: &Bpdu, out: &mut Outbox<Said>);

    /// A Root Link Query came.
    fn query(&mut self, now: Instant, port: PortId, query: &RootLinkQuery, out: &mut Outbox<Said>);

    /// One of our own BPDUs came back by the port that sent it: its link is a loop.
    fn own_bpdu(&mut self, now: Instant, port: PortId);

    /// mcheck (§17.19.13).
    fn mcheck(&mut self, now: Instant, port: PortId, out: &mut Outbox<Said>);

    /// Another configuration with the same protocol and version. Ports with another cost are told by [`Engine::set_port`].
    fn reconfigure(&mut self, now: Instant, config: &Config, out: &mut Outbox<Said>);

    /// When [`Engine::handle_timeout`] is due.
    fn poll_timeout(&self) -> Option<Instant>;

    /// Does all that is due.
    fn handle_timeout(&mut self, now: Instant, out: &mut Outbox<Said>);

    /// Whether transitions are told.
    fn trace(&mut self, on: bool);

    /// How the bridge stands.
    fn bridge(&self) -> BridgeFacts;

    /// How a port stands.
    fn port(&self, now: Instant, port: PortId) -> Option<PortFacts>;
}

/// How a bridge stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BridgeFacts {
    /// The root priority vector (§17.18.5).
    pub(crate) root: Vector,
    /// None: this bridge is the root.
    pub(crate) root_port: Option<PortId>,
    /// The root's times (§17.18.6).
    pub(crate) times: Times,
    /// The ageing time that is shortened at present.
    pub(crate) ageing: Option<Duration>,
}

/// How a port stands.
#[derive(Debug, Clone)]
pub(crate) struct PortFacts {
    pub(crate) id: PortIdentifier,
    pub(crate) role: PortRole,
    pub(crate) state: PortState,
    pub(crate) cost: u32,
    /// operEdge (§17.19.17).
    pub(crate) edge: bool,
    /// sendRSTP (§17.19.38).
    pub(crate) sends_rstp: bool,
    /// operPointToPointMAC (§6.4.3).
    pub(crate) point_to_point: bool,
    pub(crate) inconsistent: Option<Inconsistency>,
    /// The port priority vector: that of the designated port of the LAN (§17.19.21).
    pub(crate) held: Vector,
    /// Whether that came by a BPDU.
    pub(crate) received: bool,
    /// What this bridge would send there (§17.19.4).
    pub(crate) designated: Vector,
    pub(crate) forward_transitions: u64,
    /// Timers that run, with the time that is left.
    pub(crate) timers: Vec<(&'static str, Duration)>,
    /// Variables that are true.
    pub(crate) flags: Vec<&'static str>,
    /// The states of machines.
    pub(crate) machines: Vec<(&'static str, &'static str)>,
}
