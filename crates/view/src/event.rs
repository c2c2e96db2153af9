//! Events: what happened, in order, as `trunkline watch` follows it.

use crate::probe::PingReply;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv4Addr, SocketAddrV4};
use trunkline_core::{Asn, Prefix};

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Counts up by one from 1, so that a reader sees a gap.
    pub sequence: u64,
    /// Seconds since the node started.
    pub time: f64,
    /// What happened.
    #[serde(flatten)]
    pub kind: EventKind,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum EventKind {
    /// A BGP session changed its state (RFC 4271 §8.2.2).
    BgpState {
        /// The neighbour.
        neighbor: IpAddr,
        /// Its AS, where known.
        asn: Option<Asn>,
        /// State before.
        from: String,
        /// State after.
        to: String,
        /// Why, in words.
        reason: String,
    },
    /// Something about a neighbour that operators want to know: a warning, a refused connection, a fault in an UPDATE.
    BgpNotice {
        /// The neighbour, or who tried to be one.
        neighbor: IpAddr,
        /// What, in words.
        message: String,
    },
    /// The best BGP route to a prefix changed. Told only while someone watches; changes in quick succession are one.
    BgpBest {
        /// The prefix.
        prefix: Prefix,
        /// Who gave the new best route; none: there is no route any more. "local" is said as the unspecified address.
        neighbor: Option<IpAddr>,
        /// AS path of the new best route.
        as_path: String,
        /// Its next hop.
        next_hop: Option<IpAddr>,
    },
    /// Something about the kernel's routing table that operators want to know.
    Fib {
        /// The route's destination, where it is about one.
        prefix: Option<Prefix>,
        /// What, in words.
        message: String,
    },
    /// RIP ignored something, hears a new neighbour, or has no key that is valid; while someone watches also what became of
    /// its routes.
    Rip {
        /// The destination whose route was learnt, failed, is held down no longer or is forgotten; none: it is about something
        /// else.
        prefix: Option<Prefix>,
        /// What, in words.
        message: String,
    },
    /// An interface or one of its addresses changed.
    Interface {
        /// Its name.
        name: String,
        /// What changed, in words.
        message: String,
    },
    /// The configuration was read again.
    Reload {
        /// What came of it, in words.
        message: String,
    },
    /// ARP learnt, lost or defended something. Told only while someone watches, as are the next five.
    Arp {
        /// The interface.
        interface: String,
        /// What, in words.
        message: String,
    },
    /// IP or ICMP did something: a redirect, a path MTU, an error, a drop.
    Ip {
        /// What, in words.
        message: String,
    },
    /// A TCP connection changed its state (RFC 9293 §3.3.2).
    Tcp {
        /// Our end.
        local: SocketAddrV4,
        /// The peer's end.
        remote: SocketAddrV4,
        /// State before.
        from: String,
        /// State after.
        to: String,
        /// Why, in words.
        message: String,
    },
    /// A port of a bridge changed its state.
    Bridge {
        /// The bridge.
        bridge: String,
        /// What, in words.
        message: String,
    },
    /// Spanning tree did something: a root, a role, a state, a guard, a change of the topology.
    SpanningTree {
        /// The bridge.
        bridge: String,
        /// What, in words.
        message: String,
    },
    /// One request of a ping was answered, or was not in time.
    Ping {
        /// Whom it asks.
        destination: Ipv4Addr,
        /// What came of it.
        reply: PingReply,
    },
    /// A socket with a name is open, got octets or ended.
    Socket {
        /// Its name.
        name: String,
        /// What, in words.
        message: String,
    },
    /// The reader was too slow: events were left out.
    Missed {
        /// How many.
        count: u64,
    },
}
