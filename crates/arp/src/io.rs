//! What goes into the machine and what comes out.

use std::fmt;
use std::net::Ipv4Addr;
use trunkline_core::{Duration, Frame, MacAddr};
use trunkline_wire::arp;

/// What happened.
#[derive(Debug, Clone)]
pub enum Input<'a> {
    /// The link is up or down, and the interface has this MAC address. When it goes down, all neighbours but static
    /// ones are forgotten.
    Link {
        /// Whether it is up.
        up: bool,
        /// The interface's address.
        address: MacAddr,
    },
    /// All our own addresses on this interface, with prefix lengths; those that were not there before are new, those
    /// that are no longer there are gone. More than 1024 are ignored.
    Addresses(&'a [(Ipv4Addr, u8)]),
    /// An ARP packet arrived.
    Packet {
        /// The packet.
        arp: &'a arp::Arp,
        /// The source of its frame.
        source: MacAddr,
        /// Whether the frame was to us alone.
        to_us: bool,
    },
    /// A packet is to go to a neighbour; its first 14 octets are free for the Ethernet header.
    Send {
        /// The neighbour.
        next_hop: Ipv4Addr,
        /// The packet.
        packet: Frame,
    },
    /// An upper layer has seen that packets reach the neighbour (RFC 4861 §7.3.1).
    Confirm {
        /// The neighbour.
        neighbor: Ipv4Addr,
    },
    /// The answer to [`Output::Proxy`].
    ProxyAnswer {
        /// The question.
        request: ProxyRequest,
        /// Whether the target is routed through another interface.
        answer: bool,
    },
    /// Makes a static entry, or removes it.
    Static {
        /// The neighbour.
        address: Ipv4Addr,
        /// Its MAC address, none to remove the entry. One that no station can have is ignored.
        mac: Option<MacAddr>,
    },
    /// Forgets neighbours that are not static.
    Clear {
        /// Which; all where it is none.
        address: Option<Ipv4Addr>,
    },
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// An ARP packet is to be sent.
    Arp {
        /// To whom the frame goes.
        destination: MacAddr,
        /// The packet.
        arp: arp::Arp,
    },
    /// A packet is to be sent; the Ethernet header is to be filled in.
    Packet {
        /// To whom the frame goes.
        destination: MacAddr,
        /// The packet.
        packet: Frame,
    },
    /// A packet cannot be sent (RFC 1122 §2.3.2.1, RFC 1812 §3.3.2: host unreachable).
    Unreachable {
        /// The neighbour that did not answer.
        next_hop: Ipv4Addr,
        /// The packet.
        packet: Frame,
    },
    /// Someone asks for an address that may be behind us: is it routed through another interface? To be answered with
    /// [`Input::ProxyAnswer`].
    Proxy(ProxyRequest),
    /// One of our own addresses changed its state. It may be used only while it is usable.
    Address {
        /// Our address.
        address: Ipv4Addr,
        /// Its state.
        state: AddressState,
    },
    /// Something to show; only while watched.
    Event(Event),
}

/// A request for an address that is not ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ProxyRequest {
    /// Who asks.
    pub requester: Ipv4Addr,
    /// The MAC address of who asks.
    pub requester_mac: MacAddr,
    /// What is asked for.
    pub target: Ipv4Addr,
}

/// Whether one of our own addresses may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AddressState {
    /// Not yet: it is being looked whether someone else has it.
    Probing,
    /// Yes.
    Usable,
    /// No: someone else has it. It is tried again from time to time.
    Conflict {
        /// Who.
        with: MacAddr,
    },
}

/// The state of a neighbour, by the names of RFC 4861 §7.3.2 and Linux.
///
/// ```text
///          packet to send               reply to us
///  (none) ───────────────▶ Incomplete ──────────────▶ Reachable ◀───────────────────────┐
///     │                      │   ▲                     │     │                          │
///     │ request to us,   no  │   │ packet       unused │     │ in use                   │ reply to us, or an
///     │ announcement  answer │   │ to send             │     │ (after reachable_time)   │ upper layer confirms
///     ▼                      ▼   │                     ▼     ▼                          │ (from Stale too)
///   Stale ◀─────────────── Failed ◀──┐               Stale  Delay ──────────────────────┤
///     │    heard of at all           │                 │     ▲ │                        │
///     │                              │                 └─────┘ │ delay_first_probe      │
///     │ stale_time                   │                   used  ▼                        │
///     ▼                              └──────────────────────  Probe ────────────────────┘
///  (none) ◀── failed_time ── Failed          no answer
/// ```
///
/// A packet that says the neighbour has another MAC address makes it `Stale` from every state but `Permanent`, or
/// `Reachable` where it is a reply to us; one that is heard of in `Incomplete` becomes `Stale` and, as packets wait,
/// `Delay` at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Asked by broadcast, no answer yet; packets wait.
    Incomplete,
    /// Was there a short while ago.
    Reachable,
    /// Was there once; in use, it is asked soon.
    Stale,
    /// Was there once and is in use; an upper layer may confirm it, otherwise it is asked.
    Delay,
    /// Is being asked, without broadcast; in use.
    Probe,
    /// Did not answer.
    Failed,
    /// Static.
    Permanent,
}

/// How an entry came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// By ARP.
    Dynamic,
    /// By configuration or command.
    Static,
}

/// An entry of the cache, to show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The neighbour.
    pub address: Ipv4Addr,
    /// Its MAC address, where it is known.
    pub mac: Option<MacAddr>,
    /// Its state.
    pub state: State,
    /// Since the neighbour was last heard or confirmed; since the entry was made where that was never.
    pub age: Duration,
    /// Until the state ends of itself, where it does.
    pub expires: Option<Duration>,
    /// Packets that wait for it.
    pub queued: usize,
    /// How the entry came to be.
    pub kind: Kind,
}

/// Something to show. Pushed only after [`Arp::watch`](crate::Arp::watch).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A neighbour is new, gone, or changed its state or its MAC address.
    NeighborChanged {
        /// The neighbour.
        address: Ipv4Addr,
        /// What it was, none where it is new.
        from: Option<State>,
        /// What it is, none where it is gone.
        to: Option<State>,
        /// Its MAC address, where it is known.
        mac: Option<MacAddr>,
    },
    /// Someone else uses one of our addresses. Once in a DEFEND_INTERVAL for an address at most.
    Conflict {
        /// Our address.
        address: Ipv4Addr,
        /// Who.
        with: MacAddr,
        /// Whether we keep it.
        kept: bool,
    },
    /// Someone announced an address that we have in the cache or were told to accept.
    Gratuitous {
        /// The address.
        address: Ipv4Addr,
        /// Whose it is.
        mac: MacAddr,
    },
    /// We announced one of our addresses.
    Announced {
        /// Our address.
        address: Ipv4Addr,
        /// In defence against someone else.
        defence: bool,
    },
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            State::Incomplete => "incomplete",
            State::Reachable => "reachable",
            State::Stale => "stale",
            State::Delay => "delay",
            State::Probe => "probe",
            State::Failed => "failed",
            State::Permanent => "permanent",
        })
    }
}

impl fmt::Display for AddressState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AddressState::Probing => f.write_str("probing"),
            AddressState::Usable => f.write_str("usable"),
            AddressState::Conflict { with } => write!(f, "conflict with {with}"),
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Event::NeighborChanged { address, from, to, mac } => {
                write!(f, "neighbour {address}")?;
                if let Some(mac) = mac {
                    write!(f, " at {mac}")?;
                }
                match (from, to) {
                    (None, Some(to)) => write!(f, " is new: {to}"),
                    (Some(from), None) => write!(f, " is gone: was {from}"),
                    (Some(from), Some(to)) if from != to => write!(f, ": {from} -> {to}"),
                    (_, Some(to)) => write!(f, ": {to}, another MAC address"),
                    (None, None) => Ok(()),
                }
            }
            Event::Conflict { address, with, kept: true } => {
                write!(f, "our address {address} is used by {with} too; we keep it")
            }
            Event::Conflict { address, with, kept: false } => {
                write!(f, "our address {address} is used by {with}; we do not use it")
            }
            Event::Gratuitous { address, mac } => write!(f, "{address} was announced to be at {mac}"),
            Event::Announced { address, defence: false } => write!(f, "announced our address {address}"),
            Event::Announced { address, defence: true } => {
                write!(f, "announced our address {address} to defend it")
            }
        }
    }
}
