//! Ports, and the way out: Ethernet headers, padding, the bridge of an interface.

use super::Stack;
use crate::NodeOutput;
use trunkline_core::{Frame, Instant, MacAddr, Outbox, PortId};
use trunkline_wire::ethernet::{self, EtherType};

/// What an interface stands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Link {
    /// A port of the node's own.
    Port(PortId),
    /// A bridge, by its number.
    Bridge(usize),
    /// Nothing.
    Loopback,
}

/// Who gets the frames that come in at a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// A bridge, by its number.
    Bridge(usize),
    /// An interface, by its number.
    Interface(usize),
}

/// What is said of a port: see [`NodeInput::Port`](crate::NodeInput::Port).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LinkState {
    pub(crate) up: bool,
    pub(crate) mac: MacAddr,
    pub(crate) mtu: u32,
    pub(crate) speed: Option<u32>,
    pub(crate) full_duplex: Option<bool>,
}

impl LinkState {
    /// Of a port of which nothing was said.
    const UNKNOWN: LinkState =
        LinkState { up: false, mac: MacAddr::UNSPECIFIED, mtu: u32::MAX, speed: None, full_duplex: None };
}

/// A port.
#[derive(Debug)]
pub(super) struct Port {
    /// What the configuration calls it: a port of another name in the same place is another port.
    pub(super) name: String,
    pub(super) role: Role,
    /// The interface of the same name; where the port belongs to a bridge, one for display only.
    pub(super) interface: usize,
    /// It has a carrier and is enabled.
    pub(super) up: bool,
    /// What was said of it last.
    pub(super) state: LinkState,
    pub(super) frames_in: u64,
    pub(super) octets_in: u64,
    pub(super) frames_out: u64,
    pub(super) octets_out: u64,
    /// Frames that came or were to go while it was down.
    pub(super) dropped_down: u64,
}

impl Port {
    /// A port that is down.
    pub(super) fn new(name: &str, role: Role, interface: usize) -> Port {
        Port {
            name: name.to_owned(),
            role,
            interface,
            up: false,
            state: LinkState::UNKNOWN,
            frames_in: 0,
            octets_in: 0,
            frames_out: 0,
            octets_out: 0,
            dropped_down: 0,
        }
    }

    /// Each counter with its name.
    pub(super) fn counters(&self) -> [(&'static str, u64); 5] {
        [
            ("frames_in", self.frames_in),
            ("octets_in", self.octets_in),
            ("frames_out", self.frames_out),
            ("octets_out", self.octets_out),
            ("dropped_down", self.dropped_down),
        ]
    }
}

/// Sends a frame by a port.
#[inline]
pub(super) fn send_by(ports: &mut [Port], number: PortId, frame: Frame, out: &mut Outbox<NodeOutput>) {
    let Some(port) = ports.get_mut(number.index()) else { return };
    if !port.up {
        port.dropped_down += 1;
        return;
    }
    port.frames_out += 1;
    port.octets_out += frame.len() as u64;
    out.push(NodeOutput::Frame { port: number, frame });
}

impl Stack {
    /// Sends by an interface what follows the first 14 octets of `frame`, which are filled in.
    pub(super) fn link_send(
        &mut self,
        now: Instant,
        number: usize,
        destination: MacAddr,
        ether_type: EtherType,
        mut frame: Frame,
        out: &mut Outbox<NodeOutput>,
    ) {
        let Some(Some(interface)) = self.interfaces.get(number) else { return };
        let (link, source) = (interface.link, interface.mac());
        if frame.len() < ethernet::MIN_LEN {
            let mut padded = [0; ethernet::MIN_LEN];
            padded[..frame.len()].copy_from_slice(&frame);
            frame = Frame::from(padded.as_slice());
        }
        if let Some(header) = frame.make_mut().first_chunk_mut::<{ ethernet::LEN }>() {
            header[..6].copy_from_slice(&destination.0);
            header[6..12].copy_from_slice(&source.0);
            header[12..].copy_from_slice(&ether_type.0.to_be_bytes());
        }
        match link {
            Link::Port(port) => send_by(&mut self.ports, port, frame, out),
            Link::Bridge(bridge) => self.send_by_bridge(now, bridge, frame, out),
            Link::Loopback => {}
        }
    }
}
