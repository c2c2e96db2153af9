//! Ports of the node's own: their frames, and what netlink tells of the interfaces behind them.

use super::EventLoop;
use crate::netlink::links::Links;
use crate::port::Port;
use crate::start::StartError;
use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use std::os::fd::{AsFd, AsRawFd};
use trunkline_core::{Frame, MacAddr, PortId};
use trunkline_node::config::{NodeConfig, PortKind};
use trunkline_node::{InterfaceChange, NodeInput};

/// Frames taken from a port in a turn; the others come next.
const FRAMES_PER_TURN: usize = 64;

/// Frames that are sent before the end of the turn: the receiver works on them meanwhile.
const FLUSH_AT: usize = 64;

/// The MTU of a port of which netlink has said nothing yet.
const MAX_MTU_UNKNOWN: u32 = 1500;

/// The ports, by number.
#[derive(Debug, Default)]
pub(super) struct Ports {
    ports: Vec<Port>,
    /// What the node was told of each.
    told: Vec<Option<State>>,
    /// Frames on their way to the node.
    frames: Vec<Frame>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct State {
    up: bool,
    mac: MacAddr,
    mtu: u32,
}

impl Ports {
    /// Opens all that a configuration wants, in its order, and has epoll watch them from token `first` on.
    pub(super) fn open(config: &NodeConfig, registry: &Registry, first: usize) -> Result<Ports, StartError> {
        let mut ports = Ports::default();
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        for interface in config.owned_ports() {
            let name = interface.name.as_str();
            let opened = match interface.port {
                PortKind::Packet => Port::packet(name),
                PortKind::Tap => Port::tap(name),
                kind => unreachable_kind(kind),
            };
            let fail = |error| StartError::Port { name: name.to_owned(), kind: interface.port, error };
            let mut port = opened.map_err(fail)?;
            if processors > 1 {
                port.send_apart();
            }
            let interests = Interest::READABLE | Interest::WRITABLE;
            let token = Token(first + ports.ports.len());
            registry
                .register(&mut SourceFd(&port.as_fd().as_raw_fd()), token, interests)
                .map_err(StartError::system("use epoll"))?;
            ports.ports.push(port);
        }
        ports.told = vec![None; ports.ports.len()];
        Ok(ports)
    }

    /// Whether a new configuration has the same ports.
    pub(super) fn check(&self, config: &NodeConfig) -> Result<(), String> {
        let wanted = config.owned_ports().map(|port| (port.name.as_str(), port.port));
        if wanted.eq(self.ports.iter().map(|port| (port.name(), port.kind()))) {
            return Ok(());
        }
        let list = |names: Vec<&str>| if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        Err(format!(
            "ports of a node's own cannot change while it runs: it has {}, the file has {}; restart it",
            list(self.ports.iter().map(Port::name).collect()),
            list(config.owned_ports().map(|port| port.name.as_str()).collect()),
        ))
    }

    /// Whether there are any.
    pub(super) fn is_empty(&self) -> bool {
        self.ports.is_empty()
    }

    /// Whether this interface is behind a port of ours.
    pub(super) fn owns(&self, change: &InterfaceChange) -> bool {
        self.find(change).is_some()
    }

    fn find(&self, change: &InterfaceChange) -> Option<usize> {
        let index = match change {
            InterfaceChange::Set { interface, .. } => interface.index,
            InterfaceChange::Gone { index } => *index,
        };
        self.ports.iter().position(|port| port.interface() == index)
    }

    /// Whether a turn has something to do here.
    pub(super) fn has_work(&self) -> bool {
        self.ports.iter().any(Port::has_work)
    }

    /// epoll says so.
    pub(super) fn ready(&mut self, number: usize, readable: bool, writable: bool) {
        if let Some(port) = self.ports.get_mut(number) {
            port.ready |= readable;
            if writable {
                port.unblock();
            }
        }
    }

    /// Queues a frame.
    pub(super) fn send(&mut self, port: PortId, frame: Frame) {
        if let Some(port) = self.ports.get_mut(port.index()) {
            port.send(frame);
            if port.queued() >= FLUSH_AT {
                port.flush();
            }
        }
    }

    /// Sends what is queued.
    pub(super) fn flush(&mut self) {
        self.ports.iter_mut().for_each(Port::flush);
    }
}

fn unreachable_kind(kind: PortKind) -> std::io::Result<Port> {
    Err(std::io::Error::other(format!("a port of kind {kind:?} exists only in the lab")))
}

impl EventLoop {
    /// Tells the node of all ports as they are now.
    pub(super) fn tell_ports(&mut self, links: &[InterfaceChange]) {
        for link in links {
            self.port_changed(link);
        }
    }

    /// Whether this is about an interface of ours; the node hears of it as of a port then.
    pub(super) fn port_changed(&mut self, change: &InterfaceChange) -> bool {
        let Some(number) = self.ports.find(change) else { return false };
        let port = &self.ports.ports[number];
        let before = self.ports.told[number];
        let state = match change {
            InterfaceChange::Set { interface, .. } => State {
                up: interface.up,
                mac: port
                    .address(interface.mac.as_deref().and_then(|mac| mac.parse().ok()).unwrap_or_default()),
                mtu: interface.mtu,
            },
            InterfaceChange::Gone { .. } => {
                tracing::error!("{}: the interface is gone; its port stays down", port.name());
                State { up: false, ..before.unwrap_or(State { up: false, mac: MacAddr::default(), mtu: 0 }) }
            }
        };
        if before != Some(state) {
            self.ports.told[number] = Some(state);
            let State { up, mac, mtu } = state;
            // What TAP says of itself is of no wire.
            let (speed, full_duplex) = match &self.ports.ports[number] {
                port if up && port.kind() == PortKind::Packet => crate::speed::speed(port.name()),
                _ => (None, None),
            };
            self.feed(NodeInput::Port { port: PortId(number as u32), up, mac, mtu, speed, full_duplex });
        }
        true
    }

    /// Feeds what came in.
    pub(super) fn read_ports(&mut self) {
        for number in 0..self.ports.ports.len() {
            if !self.ports.ports[number].ready {
                continue;
            }
            let mtu = self.ports.told[number].map_or(MAX_MTU_UNKNOWN, |state| state.mtu);
            let id = PortId(number as u32);
            let (port, frames) = (&mut self.ports.ports[number], &mut self.ports.frames);
            let result = port.receive(FRAMES_PER_TURN, mtu, &mut |octets| frames.push(Frame::from(octets)));
            if let Err(error) = result {
                tracing::error!("{}: cannot receive: {error}", port.name());
                port.ready = false;
            }
            if !frames.is_empty() {
                self.node.handle(self.now, NodeInput::Frames { port: id, frames }, &mut self.out);
                self.carry_out();
            }
        }
    }
}

/// The interfaces that are the kernel's own business.
pub(super) fn not_ours(links: &Links, ports: &Ports) -> Vec<InterfaceChange> {
    links.all().into_iter().filter(|change| !ports.owns(change)).collect()
}
