//! Ping, traceroute and transfers: what a node does at an order and answers when it is done.

use serde::{Deserialize, Serialize};
use std::net::{Ipv4Addr, SocketAddrV4};

/// Ask whether an address answers (ICMP Echo, RFC 792).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PingQuery {
    /// Whom.
    pub destination: Ipv4Addr,
    /// Our address; none: chosen by the route.
    pub source: Option<Ipv4Addr>,
    /// How many requests, 1..=1000.
    pub count: u32,
    /// Milliseconds from one to the next, 1..=60000.
    pub interval_ms: u32,
    /// Octets of data in each, 0..=65507.
    pub size: u16,
    /// TTL, 1..=255; none: the default.
    pub ttl: Option<u8>,
    /// Whether it must not be fragmented.
    pub dont_fragment: bool,
    /// Milliseconds to wait for a reply, 1..=60000.
    pub timeout_ms: u32,
}

impl PingQuery {
    /// Five requests of 56 octets, one each second, as the Unix tool sends them; a reply may take two seconds.
    pub fn new(destination: Ipv4Addr) -> PingQuery {
        PingQuery {
            destination,
            source: None,
            count: 5,
            interval_ms: 1000,
            size: 56,
            ttl: None,
            dont_fragment: false,
            timeout_ms: 2000,
        }
    }
}

/// What came of a ping.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PingView {
    /// Whom.
    pub destination: Ipv4Addr,
    /// Requests sent.
    pub sent: u32,
    /// Replies received, each request's first.
    pub received: u32,
    /// Replies that came twice.
    pub duplicates: u32,
    /// Seconds that the fastest took.
    pub minimum: Option<f64>,
    /// Seconds that they took on average.
    pub average: Option<f64>,
    /// Seconds that the slowest took.
    pub maximum: Option<f64>,
    /// What came of each request, in order.
    pub replies: Vec<PingReply>,
}

/// What came of one request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PingReply {
    /// Its number, from 1.
    pub sequence: u16,
    /// Who answered; none: nobody in time.
    pub from: Option<Ipv4Addr>,
    /// Octets of ICMP in the reply.
    pub octets: u16,
    /// TTL of the reply.
    pub ttl: Option<u8>,
    /// Seconds from request to answer.
    pub time: Option<f64>,
    /// Why there is no reply: an ICMP error's words, no route, or "timed out".
    pub error: Option<String>,
}

/// Find the routers on the way (UDP to high ports with rising TTL).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TracerouteQuery {
    /// Where to.
    pub destination: Ipv4Addr,
    /// Our address; none: chosen by the route.
    pub source: Option<Ipv4Addr>,
    /// The most hops, 1..=255.
    pub max_hops: u8,
    /// Probes for each hop, 1..=10.
    pub probes: u8,
    /// Milliseconds to wait for an answer, 1..=60000.
    pub timeout_ms: u32,
}

impl TracerouteQuery {
    /// Up to 30 hops, three probes each, three seconds for an answer.
    pub fn new(destination: Ipv4Addr) -> TracerouteQuery {
        TracerouteQuery { destination, source: None, max_hops: 30, probes: 3, timeout_ms: 3000 }
    }
}

/// The way to a destination.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TracerouteView {
    /// Where to.
    pub destination: Ipv4Addr,
    /// Whether the destination itself has answered.
    pub reached: bool,
    /// What is on the way, by distance.
    pub hops: Vec<TracerouteHop>,
}

/// All at one distance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TracerouteHop {
    /// How far: the TTL of the probes.
    pub ttl: u8,
    /// What came of each probe.
    pub probes: Vec<TracerouteProbe>,
}

/// What came of a probe.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TracerouteProbe {
    /// Who answered; none: nobody in time.
    pub from: Option<Ipv4Addr>,
    /// Seconds from probe to answer.
    pub time: Option<f64>,
    /// What else the answer says than "too far" or "here": an ICMP error's words.
    pub error: Option<String>,
}

/// Connect, send octets, half-close, take what comes until the peer closes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransferQuery {
    /// The peer.
    pub remote: SocketAddrV4,
    /// Our address; none: chosen by the route.
    pub source: Option<Ipv4Addr>,
    /// How many octets to send.
    pub send: u64,
    /// After this many octets received, close; none: when the peer does.
    pub receive: Option<u64>,
    /// Give up after so many milliseconds; none: when TCP does.
    pub timeout_ms: Option<u32>,
}

impl TransferQuery {
    /// Sends so many octets and waits for the peer's end.
    pub fn new(remote: SocketAddrV4, send: u64) -> TransferQuery {
        TransferQuery { remote, source: None, send, receive: None, timeout_ms: None }
    }
}

/// What came of a transfer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TransferView {
    /// The peer.
    pub remote: SocketAddrV4,
    /// Octets sent.
    pub sent: u64,
    /// Octets received.
    pub received: u64,
    /// Whether what came was, octet for octet, what was sent, as far as it came; so of an echo.
    pub echoed: bool,
    /// Seconds until the connection was open.
    pub connected: Option<f64>,
    /// Seconds in all.
    pub seconds: f64,
    /// Segments sent again.
    pub retransmits: u64,
    /// Why it failed, where it did.
    pub error: Option<String>,
}

/// A socket that is opened by name, so that lab steps can hold it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectQuery {
    /// Its name; must be free on the node.
    pub name: String,
    /// The peer.
    pub remote: SocketAddrV4,
    /// Our address; none: chosen by the route.
    pub source: Option<Ipv4Addr>,
    /// Our port; none: one that is free.
    pub local_port: Option<u16>,
}
