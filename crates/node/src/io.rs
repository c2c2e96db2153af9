//! What goes into a node and what comes out of it.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use trunkline_bgp::transport::{TcpAction, TcpEvent};
use trunkline_core::{ConnId, Duration, Frame, MacAddr, PortId, Prefix};
use trunkline_view::facts::Gathered;
use trunkline_view::{Answer, EventKind, Interface, Query};

/// Something happened outside.
#[derive(Debug)]
pub enum NodeInput<'a> {
    /// A frame came in at a port of our own.
    Frame {
        /// The port.
        port: PortId,
        /// The frame.
        frame: Frame,
    },
    /// Several frames came in at a port of our own at once: TCP answers all of them together, as behind a network card
    /// that hands over what it has.
    Frames {
        /// The port.
        port: PortId,
        /// The frames, in order; all are taken.
        frames: &'a mut Vec<Frame>,
    },
    /// The state of a port of our own; told once at the start and then when it changes.
    Port {
        /// The port.
        port: PortId,
        /// Whether it has a carrier.
        up: bool,
        /// Its MAC address, where the configuration gives none.
        mac: MacAddr,
        /// The largest IP packet that it carries, octets.
        mtu: u32,
        /// Its speed, Mbit/s, where known.
        speed: Option<u32>,
        /// Whether both ends may send at once, where known: not where more than two are on the link.
        full_duplex: Option<bool>,
    },
    /// To a TCP connection.
    Tcp {
        /// Which.
        conn: ConnId,
        /// What.
        event: TcpEvent<'a>,
    },
    /// A UDP datagram came to port 520 of the kernel, for RIP.
    Rip {
        /// The index of the interface that it came by.
        interface: u32,
        /// Who sends it.
        source: Ipv4Addr,
        /// From which port.
        source_port: u16,
        /// Its payload.
        octets: &'a [u8],
    },
    /// What the calendar says, at the start and when the clock was set: for the lifetimes of keys. Before, it is 1970.
    WallClock {
        /// Since 1970-01-01 00:00 UTC.
        since_epoch: Duration,
    },
    /// To a bridge of the kernel whose spanning tree the node is.
    KernelBridge(KernelBridgeInput<'a>),
    /// To an interface.
    Interface(InterfaceChange),
    /// Another program's route in the kernel came or changed (`Some`), or went.
    KernelRoute {
        /// Its destination.
        prefix: Prefix,
        /// The route; none: it is gone.
        route: Option<KernelRoute>,
    },
    /// Someone asks or orders something; answered by [`NodeOutput::Answer`] with the same id, at once.
    Query {
        /// The asker's number.
        id: u64,
        /// What is asked. `Reload` never comes here: the driver reads the file and calls `Node::reconfigure`.
        query: Query,
    },
    /// What was found out of a BGP neighbour: to [`NodeOutput::Gather`].
    Gathered {
        /// As it was wanted.
        wanted: Wanted,
        /// What was found.
        found: Box<Gathered>,
    },
    /// A route of ours is not in the kernel: it refused it, or another program has taken its place.
    FibRefused {
        /// Its destination.
        prefix: Prefix,
        /// What may help.
        why: FibRefusal,
        /// Why, in words.
        reason: String,
    },
    /// Another program's route that stood in the place of ours, or would have, is gone.
    FibFreed {
        /// Its destination.
        prefix: Prefix,
    },
    /// Another program removed a route of ours.
    FibRemoved {
        /// Its destination.
        prefix: Prefix,
    },
    /// All our routes that the kernel has, to be compared with what it was told: the driver has lost track.
    FibPresent {
        /// Their destinations in ascending order.
        prefixes: &'a [Prefix],
    },
}

/// What may help a route that was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FibRefusal {
    /// Another program's route stands in its place: [`NodeInput::FibFreed`] tells when that is gone.
    Taken,
    /// The system was short of something: it is told again after [`NodeInput::FibPresent`].
    Busy,
    /// Nothing but another route.
    Invalid,
}

/// A change of an interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InterfaceChange {
    /// It is there as described; it was not, or something about it was otherwise. Its addresses are complete.
    Set {
        /// The interface.
        interface: Interface,
        /// Whether it is a loopback or dummy-like host interface (IFF_LOOPBACK).
        loopback: bool,
    },
    /// It is gone.
    Gone {
        /// Its index.
        index: u32,
    },
}

/// Another program's route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KernelRoute {
    /// Ways out; empty: blackhole, unreachable or prohibit.
    pub next_hops: Vec<FibNextHop>,
    /// The kernel's priority.
    pub metric: u32,
}

/// One way out of a route.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FibNextHop {
    /// The gateway; none: the destination is on the link.
    pub gateway: Option<IpAddr>,
    /// Interface index; 0: let the kernel find it.
    pub interface: u32,
}

/// Something happened to a bridge of the kernel. Its ports are known by their interface index.
#[derive(Debug)]
pub enum KernelBridgeInput<'a> {
    /// The bridge is there, its ports are in our hands: all of them are closed until [`KernelBridgeAction::State`].
    Ready {
        /// Its name.
        bridge: String,
        /// Its MAC address.
        address: MacAddr,
        /// How its ports are opened and closed, in words: `user-space STP mode` or `nftables gate`.
        method: String,
    },
    /// The bridge cannot be had, or not any more; tried again when something about it changes.
    Refused {
        /// Its name.
        bridge: String,
        /// Why, in words.
        reason: String,
    },
    /// A port of a bridge is there, or something about it changed. Comes after [`KernelBridgeInput::Ready`].
    Port {
        /// The bridge's name.
        bridge: String,
        /// The port's interface index.
        index: u32,
        /// The port's name.
        name: String,
        /// Whether it has a carrier and is enabled.
        up: bool,
        /// Its MAC address.
        mac: MacAddr,
        /// Its speed, Mbit/s, where known.
        speed: Option<u32>,
        /// Whether it is full duplex, where known.
        full_duplex: Option<bool>,
    },
    /// A port has left its bridge, or is gone.
    PortGone {
        /// Its interface index.
        index: u32,
    },
    /// A frame to one of spanning tree's groups came in.
    Frame {
        /// The port's interface index.
        index: u32,
        /// The frame.
        frame: &'a [u8],
    },
}

/// What a bridge of the kernel is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KernelBridgeAction {
    /// A port is to do this with frames.
    State {
        /// Its interface index.
        index: u32,
        /// What: all but learning and forwarding discards.
        state: trunkline_stp::PortState,
    },
    /// Send a frame by a port, whatever its state.
    Frame {
        /// Its interface index.
        index: u32,
        /// The frame.
        frame: Vec<u8>,
    },
    /// Forget the stations behind a port.
    Flush {
        /// Its interface index.
        index: u32,
    },
    /// Stations are forgotten after this time; none: as the bridge was configured before we came.
    AgeingTime {
        /// The bridge's name.
        bridge: String,
        /// Until that.
        time: Option<trunkline_core::Duration>,
    },
    /// UplinkFast: for each station that the bridge has heard, but not behind the ports `lost` and `by`, a frame to
    /// 01-00-0C-CD-CD-CD with the station as its source goes out of `by`.
    AnnounceStations {
        /// The bridge's name.
        bridge: String,
        /// The new root port's interface index.
        by: u32,
        /// The old one's.
        lost: u32,
    },
}

/// A change of the kernel's table, for routes of our own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FibChange {
    /// Put this route there, in place of ours to the same prefix if there is one.
    Replace {
        /// Its destination.
        prefix: Prefix,
        /// One, or several that share the load; empty: blackhole.
        next_hops: Vec<FibNextHop>,
    },
    /// Remove ours.
    Remove {
        /// Its destination.
        prefix: Prefix,
    },
}

/// What the kernel's UDP is to do for RIP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RipAction {
    /// Be, or be no more, a member of 224.0.0.9 on an interface.
    Group {
        /// Its index.
        interface: u32,
        /// Whether to be.
        join: bool,
    },
    /// Send a datagram from port 520, with a TTL of 1, not looped back.
    Send {
        /// The index of the interface that it leaves by.
        interface: u32,
        /// From this address of ours.
        source: Ipv4Addr,
        /// To this one: a neighbour's, 224.0.0.9 or that of a broadcast.
        destination: Ipv4Addr,
        /// To this port.
        port: u16,
        /// The payload.
        octets: Arc<[u8]>,
        /// Whether it may be dropped where there is no room: whoever asked can ask again.
        answer: bool,
    },
}

/// Of whom the driver is to find out something, for `explain bgp`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The neighbour.
    pub neighbor: IpAddr,
    /// Its port.
    pub port: u16,
    /// Our address, where it is set.
    pub local: Option<IpAddr>,
    /// Its connection, where there is one.
    pub conn: Option<ConnId>,
    /// Send it packets; with `true` a TCP connection too, since there is none that tells as much.
    pub probe: Option<bool>,
    /// With a probe, connect from each of these addresses of ours too: the one that BGP uses, the others.
    pub sources: Vec<IpAddr>,
    /// The query that waits for it.
    pub query: Option<u64>,
}

/// What the node wants done.
#[derive(Debug)]
pub enum NodeOutput {
    /// Send a frame by a port of our own.
    Frame {
        /// The port.
        port: PortId,
        /// The frame.
        frame: Frame,
    },
    /// To TCP.
    Tcp(TcpAction),
    /// To the kernel's UDP, for RIP.
    Rip(RipAction),
    /// To a bridge of the kernel whose spanning tree the node is.
    KernelBridge(KernelBridgeAction),
    /// To the kernel's table.
    Fib(FibChange),
    /// Find out what is known outside of a BGP neighbour; answered by [`NodeInput::Gathered`].
    Gather(Wanted),
    /// Look at the segments that a BGP neighbour sends, for a minute from now on: they tell of what is wrong with it.
    Watch(IpAddr),
    /// For those who watch, and the log.
    Event(EventKind),
    /// To a [`NodeInput::Query`].
    Answer {
        /// The asker's number.
        id: u64,
        /// The answer.
        answer: Answer,
    },
}
