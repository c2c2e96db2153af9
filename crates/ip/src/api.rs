//! What goes in and what comes out.

use std::fmt;
use std::net::Ipv4Addr;
use std::ops::Range;

use trunkline_core::{Frame, Instant, Ipv4Prefix, PortId};
use trunkline_wire::icmp::{TimeExceededCode, UnreachableCode};
use trunkline_wire::ipv4::{Header, Options, Protocol};

use crate::config::{InterfaceConfig, NextHops, Route, RouteKind};
use crate::counters::DropReason;

/// What happened.
#[derive(Debug, Clone)]
pub enum Input<'a> {
    /// An interface is there or changed; `None`: it is gone. Routes to its subnets are made here.
    Interface {
        /// Which; below [`MAX_INTERFACES`](crate::MAX_INTERFACES), others are ignored.
        id: PortId,
        /// All its settings.
        config: Option<InterfaceConfig>,
    },
    /// The FIB has another route for a prefix; `None`: it has none any more.
    Route {
        /// The destinations.
        prefix: Ipv4Prefix,
        /// What applies to them; its own `prefix` is not looked at.
        route: Option<Route>,
    },
    /// A packet arrived.
    Packet {
        /// By which interface.
        interface: PortId,
        /// The packet, after [`HEADROOM`](crate::HEADROOM) octets.
        packet: Frame,
        /// Whether the link layer's destination was a group address: broadcast or multicast.
        link_broadcast: bool,
    },
    /// Someone on this device sends a packet; where that cannot be, [`Output::SendFailed`] says why.
    Send(Send<'a>),
    /// The next hop of a packet that [`Output::Transmit`] gave has no link-layer address.
    Unreachable {
        /// By which interface it was to go.
        interface: PortId,
        /// The packet, after [`HEADROOM`](crate::HEADROOM) octets.
        packet: Frame,
    },
    /// Forget what redirects and path MTU discovery taught, of one destination or of all.
    Forget {
        /// Which; `None`: all.
        destination: Option<Ipv4Addr>,
    },
}

/// A packet to send.
#[derive(Debug, Clone, Copy)]
pub struct Send<'a> {
    /// Its source; `None`: chosen by the route (RFC 1122 §3.3.4.3).
    pub source: Option<Ipv4Addr>,
    /// Its destination: unicast, broadcast or multicast.
    pub destination: Ipv4Addr,
    /// What it carries.
    pub protocol: Protocol,
    /// TTL, 1 to 255 (0 counts as 1); `None`: the default, or 1 where the destination is multicast (RFC 1112 §6.1).
    pub ttl: Option<u8>,
    /// Type of Service.
    pub tos: u8,
    /// Whether it must not be fragmented. Then it must fit the path's MTU.
    pub dont_fragment: bool,
    /// Its options.
    pub options: Options,
    /// The payload, the transport's header included.
    pub payload: &'a [u8],
    /// The interface that it must leave by; needed for multicast and 255.255.255.255 where there is more than one.
    pub interface: Option<PortId>,
}

impl<'a> Send<'a> {
    /// A packet whose source, TTL and interface are chosen here; it may be fragmented.
    pub const fn new(destination: Ipv4Addr, protocol: Protocol, payload: &'a [u8]) -> Send<'a> {
        Send {
            source: None,
            destination,
            protocol,
            ttl: None,
            tos: 0,
            dont_fragment: false,
            options: Options::NONE,
            payload,
            interface: None,
        }
    }
}

/// Why a packet from here was not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SendError {
    /// No route, or none whose interface is up.
    NoRoute,
    /// The route says so: unreachable or blackhole.
    Unreachable,
    /// The route prohibits it.
    Prohibited,
    /// No address of this device can be the source, or the one asked for is not ours.
    NoSource,
    /// No such destination: 0.0.0.0/8, 240.0.0.0/4, or a network's own address.
    Destination,
    /// It does not fit the path, whose MTU this is, and must not be fragmented.
    TooBig {
        /// Octets, the IPv4 header included.
        mtu: u16,
    },
    /// More than 65,535 octets, or no room for an octet of payload beside the options.
    TooLong,
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SendError::NoRoute => f.write_str("no route to the destination"),
            SendError::Unreachable => f.write_str("the route says that the destination is unreachable"),
            SendError::Prohibited => f.write_str("the route prohibits it"),
            SendError::NoSource => f.write_str("no address of this device can be the source"),
            SendError::Destination => f.write_str("not a possible destination"),
            SendError::TooBig { mtu } => write!(f, "larger than the path's MTU of {mtu} octets"),
            SendError::TooLong => f.write_str("longer than an IPv4 packet can be"),
        }
    }
}

impl std::error::Error for SendError {}

/// What the device must do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Send a packet.
    Transmit {
        /// By which interface.
        interface: PortId,
        /// Whose link-layer address it goes to. A multicast address: the group's link-layer address.
        next_hop: Ipv4Addr,
        /// Whether it goes to the link layer's broadcast address.
        broadcast: bool,
        /// The packet, after [`HEADROOM`](crate::HEADROOM) octets.
        packet: Frame,
    },
    /// A whole datagram for this device: TCP, UDP to a bound port, an ICMP reply, or a protocol that is bound.
    Deliver {
        /// By which interface it came; for one from this device itself, the one that has the address.
        interface: PortId,
        /// Its header.
        header: Header,
        /// The packet, after [`HEADROOM`](crate::HEADROOM) octets.
        packet: Frame,
        /// Where in `packet` the payload is, the transport's header included.
        payload: Range<usize>,
    },
    /// An error about a packet that this device sent, or so it says.
    IcmpError(IcmpError),
    /// An [`Input::Send`] came to nothing.
    SendFailed {
        /// Its destination.
        destination: Ipv4Addr,
        /// Its protocol.
        protocol: Protocol,
        /// The first octets of its payload, as in [`IcmpError::transport`]; zeros where there are fewer.
        transport: [u8; 8],
        /// Why.
        error: SendError,
    },
    /// What was learnt of a path is too old: larger packets may be tried again (RFC 1191 §6.3).
    PathMtuRaised {
        /// The path's end.
        destination: Ipv4Addr,
    },
    /// For those who watch; only after [`Ip::watch`](crate::Ip::watch).
    Event(Event),
}

/// What an ICMP error says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IcmpErrorKind {
    /// Destination unreachable, but for the next one.
    Unreachable(UnreachableCode),
    /// Fragmentation needed.
    FragmentationNeeded {
        /// What would fit, octets, 1 or more: as the router says, or as can be guessed where it does not say. Anyone can
        /// claim it; [`Ip::note_path_mtu`](crate::Ip::note_path_mtu) is for what is believed.
        mtu: u16,
    },
    /// Time exceeded.
    TimeExceeded(TimeExceededCode),
    /// Parameter problem.
    ParameterProblem {
        /// 0, or 1 where an option is missing.
        code: u8,
        /// The octet of the packet that is wrong.
        pointer: u8,
    },
}

impl fmt::Display for IcmpErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            IcmpErrorKind::Unreachable(code) => code.fmt(f),
            IcmpErrorKind::FragmentationNeeded { mtu } => write!(f, "fragmentation needed, path MTU {mtu}"),
            IcmpErrorKind::TimeExceeded(code) => write!(f, "time exceeded, {code}"),
            IcmpErrorKind::ParameterProblem { pointer, .. } => {
                write!(f, "parameter problem at octet {pointer}")
            }
        }
    }
}

/// An error about a packet that this device sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IcmpError {
    /// What it says.
    pub kind: IcmpErrorKind,
    /// Who says so; one of our own addresses where the next hop has no link-layer address.
    pub reporter: Ipv4Addr,
    /// The packet's source, an address of ours.
    pub source: Ipv4Addr,
    /// The packet's destination.
    pub destination: Ipv4Addr,
    /// The packet's protocol.
    pub protocol: Protocol,
    /// The first eight octets of its payload: ports and sequence number, or type to sequence number of an echo.
    pub transport: [u8; 8],
}

impl IcmpError {
    /// The packet's source and destination port, where it was TCP or UDP.
    pub const fn ports(&self) -> Option<(u16, u16)> {
        let [a, b, c, d, ..] = self.transport;
        match self.protocol {
            Protocol::TCP | Protocol::UDP => Some((u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]))),
            _ => None,
        }
    }

    /// The packet's sequence number, where it was TCP (RFC 5927 §4).
    pub const fn tcp_sequence(&self) -> Option<u32> {
        let [_, _, _, _, a, b, c, d] = self.transport;
        match self.protocol {
            Protocol::TCP => Some(u32::from_be_bytes([a, b, c, d])),
            _ => None,
        }
    }

    /// The packet's identifier and sequence number, where it was an echo request.
    pub const fn echo(&self) -> Option<(u16, u16)> {
        match (self.protocol, self.transport) {
            (Protocol::ICMP, [8, 0, _, _, a, b, c, d]) => {
                Some((u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])))
            }
            _ => None,
        }
    }
}

/// Why a redirect was not believed (RFC 1122 §3.2.2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RedirectRefusal {
    /// The interface does not take any.
    Disabled,
    /// The packet that it is about was not from here.
    NotOurs,
    /// It is not from the gateway that we use for that destination.
    NotTheGateway,
    /// The new gateway is not on the subnet of the interface that it came by.
    OffLink,
    /// The new gateway is this device, a broadcast address or the one that we use already.
    Senseless,
}

impl fmt::Display for RedirectRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RedirectRefusal::Disabled => "the interface does not accept redirects",
            RedirectRefusal::NotOurs => "it is about a packet that is not from here",
            RedirectRefusal::NotTheGateway => "it is not from the gateway in use for that destination",
            RedirectRefusal::OffLink => "the new gateway is not on the interface's subnet",
            RedirectRefusal::Senseless => "the new gateway makes no sense",
        })
    }
}

/// What happened, for those who watch. Everything is counted, watched or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A router told a host a better way.
    RedirectSent {
        /// By which interface.
        interface: PortId,
        /// The host.
        to: Ipv4Addr,
        /// For which destination.
        destination: Ipv4Addr,
        /// The better gateway.
        gateway: Ipv4Addr,
    },
    /// A host was told a better way.
    RedirectReceived {
        /// Who says so.
        from: Ipv4Addr,
        /// For which destination.
        destination: Ipv4Addr,
        /// The better gateway.
        gateway: Ipv4Addr,
        /// Why it is not believed; `None`: it is.
        refused: Option<RedirectRefusal>,
    },
    /// A path's MTU is smaller than thought.
    PathMtu {
        /// The path's end.
        destination: Ipv4Addr,
        /// Octets.
        mtu: u16,
        /// Who says so.
        from: Ipv4Addr,
    },
    /// An ICMP error, not a redirect, went to the source of a packet.
    ErrorSent {
        /// To whom.
        to: Ipv4Addr,
        /// About a packet to whom.
        destination: Ipv4Addr,
        /// Type.
        kind: u8,
        /// Code.
        code: u8,
    },
    /// A packet was dropped.
    Dropped {
        /// By which interface it came; `None` where it never did.
        interface: Option<PortId>,
        /// Its source, 0.0.0.0 where it could not be read.
        source: Ipv4Addr,
        /// Its destination, 0.0.0.0 where it could not be read.
        destination: Ipv4Addr,
        /// Why.
        reason: DropReason,
    },
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Event::RedirectSent { to, destination, gateway, .. } => {
                write!(f, "redirect sent to {to}: {destination} is nearer by {gateway}")
            }
            Event::RedirectReceived { from, destination, gateway, refused: None } => {
                write!(f, "redirect from {from}: packets to {destination} now go by {gateway}")
            }
            Event::RedirectReceived { from, destination, gateway, refused: Some(why) } => {
                write!(f, "redirect from {from} for {destination} to {gateway} refused: {why}")
            }
            Event::PathMtu { destination, mtu, from } => {
                write!(f, "path MTU to {destination} is {mtu}, says {from}")
            }
            Event::ErrorSent { to, destination, kind, code } => {
                write!(f, "ICMP type {kind} code {code} sent to {to} about a packet to {destination}")
            }
            Event::Dropped { source, destination, reason, .. } => {
                write!(f, "packet from {source} to {destination} dropped: {reason}")
            }
        }
    }
}

/// Where a packet would go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lookup {
    /// The interface to send by; for an address of ours, the one that has it.
    pub interface: PortId,
    /// The router; `None` where the destination is on the link, or ours.
    pub gateway: Option<Ipv4Addr>,
    /// The source that packets get; `None` where this device has no address that could be it.
    pub source: Option<Ipv4Addr>,
    /// The path's MTU as far as it is known, octets.
    pub mtu: u16,
    /// Whether the destination is an address of ours.
    pub local: bool,
    /// Whether a redirect gave the gateway.
    pub redirected: bool,
}

/// A redirect in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RedirectEntry {
    /// For which destination.
    pub destination: Ipv4Addr,
    /// The gateway that it gave.
    pub gateway: Ipv4Addr,
    /// The interface to send by.
    pub interface: PortId,
    /// When it is forgotten.
    pub expires: Instant,
}

/// A path whose MTU is known to be smaller than its first link's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PathMtuEntry {
    /// The path's end.
    pub destination: Ipv4Addr,
    /// Octets, the IPv4 header included.
    pub mtu: u16,
    /// When it is forgotten.
    pub expires: Instant,
}

/// A route in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteEntry {
    /// The destinations.
    pub prefix: Ipv4Prefix,
    /// The ways there.
    pub next_hops: NextHops,
    /// What is done.
    pub kind: RouteKind,
    /// Whether it comes from an interface's address.
    pub connected: bool,
}
