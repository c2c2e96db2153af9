//! What goes into the machine and what comes out.

use crate::auth::AuthFailure;
use crate::route::{Failure, State};
use smallvec::SmallVec;
use std::fmt;
use std::net::Ipv4Addr;
use std::sync::Arc;
use trunkline_core::Ipv4Prefix;
use trunkline_wire::Malformed;
use trunkline_wire::rip::EntryFault;

/// Names an interface: a number that the driver chooses and that stays the same while the interface is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InterfaceId(pub u32);

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input<'a> {
    /// An interface is there, and this is all about it; also for those that RIP does not run on, since their addresses are
    /// our own too. Said again at each change.
    Interface {
        /// Which.
        id: InterfaceId,
        /// Its name, as in the configuration.
        name: &'a str,
        /// Whether it is up.
        up: bool,
        /// Our addresses on it with the lengths of their subnets; more than 64 are ignored.
        addresses: &'a [(Ipv4Addr, u8)],
        /// The largest IP packet, in octets.
        mtu: u16,
    },
    /// An interface is not there any more.
    InterfaceGone(InterfaceId),
    /// A datagram came to port 520.
    Datagram {
        /// On which interface.
        interface: InterfaceId,
        /// Who sends it.
        source: Ipv4Addr,
        /// From which port.
        source_port: u16,
        /// Its payload.
        octets: &'a [u8],
    },
    /// A route of someone else is to be advertised, or changed. It stands above what RIP learns of the same prefix.
    Redistribute {
        /// The destination.
        prefix: Ipv4Prefix,
        /// The metric, 1..=15; 16 or more withdraws it.
        metric: u8,
        /// Route Tag (RFC 2453 §4.2).
        tag: u16,
        /// Where it leads to: advertised as the next hop on the network it is on (RFC 2453 §4.4, appendix A).
        next_hop: Option<Ipv4Addr>,
    },
    /// A redistributed route is to be advertised no longer.
    Withdraw(Ipv4Prefix),
    /// Forgets what was learnt and asks for it again.
    Clear {
        /// Only this destination; none: all.
        prefix: Option<Ipv4Prefix>,
    },
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// A datagram is to be sent from port 520.
    Send {
        /// Out of this interface.
        interface: InterfaceId,
        /// From this address of ours.
        source: Ipv4Addr,
        /// To this one: a neighbour's, 224.0.0.9 or that of a broadcast.
        destination: Ipv4Addr,
        /// To this port: 520, or who asked.
        port: u16,
        /// The payload, at most 512 octets.
        octets: Arc<[u8]>,
        /// Whether it answers a request: whoever asks can ask again, so what there is no room for may be dropped.
        answer: bool,
    },
    /// The route that RIP has learnt to a prefix is now this one, or there is none any more.
    Route {
        /// The destination.
        prefix: Ipv4Prefix,
        /// The route.
        route: Option<RouteInfo>,
    },
    /// Something to tell: what has to do with routes only while watched, the rest at most every 10 s for an interface.
    Event(Event),
}

/// A route that RIP has learnt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteInfo {
    /// 2..=15, or 1 where someone's metric is 0; of one that is held down, that before the failure.
    pub metric: u8,
    /// Route Tag.
    pub tag: u16,
    /// Where it leads to: one, or several that are equally good.
    pub next_hops: SmallVec<[NextHop; 1]>,
}

/// Where a route leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct NextHop {
    /// Out of this interface.
    pub interface: InterfaceId,
    /// To this router.
    pub address: Ipv4Addr,
}

/// Why a datagram was ignored as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// RIP does not run on the interface.
    NotRunning,
    /// It comes from one of our own addresses (RFC 2453 §3.9.2).
    OwnAddress,
    /// Its source is in none of the interface's subnets (RFC 2453 §3.9.2).
    NotNeighbor,
    /// A response that does not come from port 520 (RFC 2453 §3.9.2).
    WrongPort,
    /// It is no message.
    Malformed(Malformed),
    /// Version 0 (RFC 2453 §5).
    VersionZero,
    /// A version that is not heard on the interface (RFC 2453 §5.1).
    VersionRefused(u8),
    /// Version 1 with something where zeros must be (RFC 2453 §5).
    MustBeZero,
    /// Neither request nor response.
    UnknownCommand(u8),
    /// Its authentication is not right (RFC 2453 §5.2, RFC 4822 §2.3.2).
    Auth(AuthFailure),
    /// There are too many neighbours.
    NeighborsFull,
}

/// Something to tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A route was learnt, or is another.
    Learned {
        /// The destination.
        prefix: Ipv4Prefix,
        /// Its metric.
        metric: u8,
        /// Who says so.
        from: Ipv4Addr,
    },
    /// A route is not valid any more.
    Failed {
        /// The destination.
        prefix: Ipv4Prefix,
        /// What it is now.
        state: State,
        /// Why.
        failure: Failure,
    },
    /// Hold-down is over: what others say of the destination is believed again.
    Released(Ipv4Prefix),
    /// A route is forgotten.
    Flushed(Ipv4Prefix),
    /// A neighbour was heard for the first time, or after a long silence.
    Neighbor {
        /// The interface's name.
        interface: String,
        /// The neighbour.
        address: Ipv4Addr,
        /// Its version.
        version: u8,
    },
    /// A datagram was ignored.
    Refused {
        /// The interface's name.
        interface: String,
        /// Who sent it.
        source: Ipv4Addr,
        /// Why.
        refusal: Refusal,
    },
    /// An entry of a response was ignored.
    BadEntry {
        /// The interface's name.
        interface: String,
        /// Who sent it.
        source: Ipv4Addr,
        /// The entry's address.
        address: Ipv4Addr,
        /// Why.
        fault: EntryFault,
    },
    /// The last key of an interface is out of date (RFC 4822 §5.1 (2)).
    KeyExpired {
        /// The interface's name.
        interface: String,
        /// The key that is used on; none: nothing is sent any more.
        key_id: Option<u8>,
    },
    /// A route was not accepted because there are too many.
    TableFull(Ipv4Prefix),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::NotRunning => f.write_str("RIP does not run on the interface"),
            Refusal::OwnAddress => f.write_str("it comes from an address of our own"),
            Refusal::NotNeighbor => f.write_str("its source is in none of the interface's subnets"),
            Refusal::WrongPort => f.write_str("a response that does not come from port 520"),
            Refusal::Malformed(malformed) => malformed.fmt(f),
            Refusal::VersionZero => f.write_str("version 0"),
            Refusal::VersionRefused(version) => write!(f, "version {version} is not heard on the interface"),
            Refusal::MustBeZero => f.write_str("version 1 with something where zeros must be"),
            Refusal::UnknownCommand(code) => write!(f, "command {code} is neither request nor response"),
            Refusal::Auth(failure) => failure.fmt(f),
            Refusal::NeighborsFull => f.write_str("there are too many neighbors"),
        }
    }
}

impl Event {
    /// The destination, where something became of its route.
    pub fn route(&self) -> Option<Ipv4Prefix> {
        match self {
            Event::Learned { prefix, .. } | Event::Failed { prefix, .. } => Some(*prefix),
            Event::Released(prefix) | Event::Flushed(prefix) => Some(*prefix),
            _ => None,
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Event::Learned { prefix, metric, from } => {
                write!(f, "{prefix} is reached via {from}, metric {metric}")
            }
            Event::Failed { prefix, state, failure } => write!(f, "{prefix} is {state}: {failure}"),
            Event::Released(prefix) => write!(f, "{prefix} is held down no longer"),
            Event::Flushed(prefix) => write!(f, "{prefix} is forgotten"),
            Event::Neighbor { interface, address, version } => {
                write!(f, "{interface}: neighbor {address} is heard, version {version}")
            }
            Event::Refused { interface, source, refusal } => {
                write!(f, "{interface}: a datagram from {source} is ignored: {refusal}")
            }
            Event::BadEntry { interface, source, address, fault } => {
                write!(f, "{interface}: an entry from {source} for {address} is ignored: {fault}")
            }
            Event::KeyExpired { interface, key_id: Some(id) } => {
                write!(f, "{interface}: the last key is out of date; key {id} is used on")
            }
            Event::KeyExpired { interface, key_id: None } => {
                write!(f, "{interface}: no key may be used now; nothing is sent")
            }
            Event::TableFull(prefix) => write!(f, "{prefix} is not accepted: there are too many routes"),
        }
    }
}
