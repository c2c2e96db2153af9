//! What a node knows of one BGP neighbour and of the way to it: `trunkline-explain` judges it.
//!
//! Times are seconds. What is not known is absent: nothing is guessed here.

use std::net::IpAddr;
use trunkline_core::Asn;

/// Counters that tell why a segment was not taken: of Linux (`/proc/net/netstat`), and of the node's own TCP.
pub const COUNTERS: &[&str] = &[
    "TCPMD5NotFound",
    "TCPMD5Unexpected",
    "TCPMD5Failure",
    "TCPMinTTLDrop",
    "ListenOverflows",
    "TCPReqQFullDrop",
    "tcpAuthFailures",
    "tcpTtlDrops",
    "tcpListenDrops",
];

/// All of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Facts {
    /// The neighbour.
    pub neighbor: IpAddr,
    /// Its AS and ours.
    pub asn: (Asn, Asn),
    /// What is configured of it.
    pub config: Configured,
    /// The state, by the names of RFC 4271, and for how long.
    pub state: (String, f64),
    /// Why it waits for the operator, in words, where it does, and whether the operator or the configuration wants it so.
    pub stopped: Option<(String, bool)>,
    /// Seconds until it starts again by itself, where it rests after an error.
    pub rests: Option<f64>,
    /// What became of the last connections, the newest first; the one that is being made or used comes before all.
    pub attempts: Vec<Attempt>,
    /// How often it was Established.
    pub established: u64,
    /// What is exchanged, where it is Established.
    pub up: Option<Up>,
    /// How packets get to it.
    pub way: Option<Way>,
    /// What TCP knows of connections: of the one that there is, and of some that have ended.
    pub tcp: Vec<Tcp>,
    /// What the counters of TCP did.
    pub counters: Option<Counters>,
    /// Other addresses of this node of the neighbour's family, from which it could connect.
    pub addresses: Vec<IpAddr>,
    /// What of the other neighbours could have moved the same counters.
    pub others: Others,
    /// Addresses that are no neighbours', from which connections came, with seconds ago and how often.
    pub strangers: Vec<(IpAddr, f64, u32)>,
    /// What was seen of the segments that it sends.
    pub wire: Option<Wire>,
    /// What a probe found.
    pub probe: Option<Probe>,
}

impl Facts {
    /// What TCP knows of a connection; of one that has ended, what it knew then.
    pub fn tcp_of(&self, attempt: &Attempt) -> Option<&Tcp> {
        self.tcp.iter().find(|tcp| match tcp.ended {
            None => attempt.end == End::Pending,
            Some(ago) => attempt.end != End::Pending && (ago - attempt.ago.1).abs() < 0.5,
        })
    }
}

/// What is configured of a neighbour, as far as it may keep a session down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Configured {
    /// We wait for it to connect.
    pub passive: bool,
    /// The port that we connect to.
    pub port: u16,
    /// Our address, where it is set, and whether it is one of ours.
    pub local_address: Option<(IpAddr, bool)>,
    /// "TCP MD5" or "TCP-AO".
    pub signs: Option<String>,
    /// The TTL that we send with, where it is set.
    pub ttl: Option<u8>,
    /// The least TTL that we take (RFC 5082).
    pub min_ttl: Option<u8>,
    /// Whether the import and the export policy refuse everything.
    pub refuses_all: (bool, bool),
}

/// One connection, or all that ended alike.
#[derive(Debug, Clone, PartialEq)]
pub struct Attempt {
    /// We opened it.
    pub ours: bool,
    /// How many ended so.
    pub times: u32,
    /// Seconds since the first of them began, and since the last of them ended.
    pub ago: (f64, f64),
    /// How long the last one lasted.
    pub lasted: f64,
    /// Our end, once it was up.
    pub local: Option<IpAddr>,
    /// How far the last one came.
    pub stage: Stage,
    /// How it ended.
    pub end: End,
}

/// How far a connection came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// TCP was not up.
    Connecting,
    /// TCP was up, no OPEN of the peer has come.
    Connected,
    /// The peer's OPEN came.
    Opened,
    /// The session was up.
    Established,
}

/// How a connection ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// It has not.
    Pending,
    /// RST in answer to the SYN.
    Refused,
    /// Nothing in answer to the SYN, or to what was sent.
    NoAnswer,
    /// There is no route, in the system's words.
    NoRoute(String),
    /// An ICMP error.
    Icmp {
        /// Who sent it; none: the system did not say.
        by: Option<IpAddr>,
        /// What it says.
        what: String,
        /// It is "time exceeded".
        exceeded: bool,
    },
    /// The peer sent FIN.
    Closed,
    /// The peer sent RST.
    Reset,
    /// Something else, in the system's words.
    Failed(String),
    /// We sent a NOTIFICATION.
    Sent(Told),
    /// A NOTIFICATION came.
    Received(Told),
    /// We ended it without a NOTIFICATION; why.
    Dropped(String),
}

/// A NOTIFICATION.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// Its code and subcode.
    pub code: (u8, u8),
    /// Both in words, with its communication or its data.
    pub words: String,
    /// What it was about, where we know.
    pub why: String,
}

/// What an Established session exchanges.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Up {
    /// Families that were agreed.
    pub families: Vec<String>,
    /// Prefixes received, of these accepted, and sent.
    pub received: u64,
    /// See above.
    pub accepted: u64,
    /// See above.
    pub advertised: u64,
    /// Why those that were looked at are not used, with how many.
    pub unused: Vec<(String, u64)>,
    /// The hold time.
    pub hold_time: u16,
}

/// How packets get to the neighbour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Way {
    /// Where to.
    pub reach: Reach,
    /// The interface that they leave by.
    pub interface: Option<String>,
    /// Whether it has a carrier and is enabled.
    pub up: bool,
    /// The address that they leave with, where none is configured.
    pub source: Option<IpAddr>,
    /// The next hop in the table of ARP or neighbour discovery: "failed", "incomplete", "reachable" and so on.
    pub next_hop: Option<String>,
}

/// Where packets to the neighbour go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// Nowhere; why, in words.
    Nowhere(String),
    /// The address is our own.
    Here,
    /// It is on a link of ours.
    Direct,
    /// To this router.
    Via(IpAddr),
}

/// What TCP knows of a connection.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Tcp {
    /// Seconds since it ended; none: it has not.
    pub ended: Option<f64>,
    /// Data octets acknowledged by the peer, and received from it.
    pub acknowledged: u64,
    /// See above.
    pub received: u64,
    /// Segments on the way that are not acknowledged, and the octets in them.
    pub unacknowledged: u32,
    /// See above.
    pub in_flight: u64,
    /// Times the oldest of them was sent again without an answer.
    pub retransmits: u32,
    /// Octets that wait to be sent.
    pub waiting: u64,
    /// The most data octets in a segment that we send.
    pub mss: u32,
    /// Probes of a closed window that were not answered by an open one.
    pub window_probes: u32,
    /// The window that the peer gives, where known.
    pub window: Option<u32>,
    /// Seconds for which its window kept us from sending.
    pub window_limited: f64,
    /// Seconds since data last came.
    pub silent: f64,
    /// Octets of memory that hold segments which came ahead of a gap.
    pub ahead_of_gap: u32,
    /// The TTL or hop limit that our segments leave with.
    pub ttl: Option<u8>,
    /// Segments with data that came, those that had come before too; none: not known.
    pub data_segments: Option<u32>,
}

/// What was seen of the segments of BGP that a neighbour sends, taken by us or not.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Wire {
    /// For so many seconds they are looked at.
    pub seconds: f64,
    /// The TTL or hop limit that the last one with data came with, and the largest of these, in the last minutes: what goes
    /// without may have been sent before the speaker has set it for this neighbour.
    pub ttl: Option<(u8, u8)>,
    /// Addresses of this node to which it sent SYNs, with seconds since the last and how many.
    pub syns: Vec<(IpAddr, f64, u32)>,
}

/// What the driver finds out of a neighbour.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Gathered {
    /// How packets get to it.
    pub way: Option<Way>,
    /// What TCP knows of its connections.
    pub tcp: Vec<Tcp>,
    /// What the counters did.
    pub counters: Option<Counters>,
    /// What was seen of the segments that it sends.
    pub wire: Option<Wire>,
    /// What a probe found.
    pub probe: Option<Probe>,
}

/// What the counters of TCP did.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Counters {
    /// Over so many seconds.
    pub seconds: f64,
    /// Of whom they are: "this network namespace", "this node".
    pub whose: String,
    /// Those that rose, by name, and by how much.
    pub rose: Vec<(String, u64)>,
}

impl Counters {
    /// By how much a counter rose.
    pub fn rose(&self, name: &str) -> u64 {
        self.rose.iter().find(|(known, _)| known == name).map_or(0, |(_, by)| *by)
    }
}

/// Other neighbours that are not up, by what of them could move counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Others {
    /// All.
    pub down: u32,
    /// Those that sign, those that do not, those that demand a TTL.
    pub signing: u32,
    /// See above.
    pub unsigned: u32,
    /// See above.
    pub demanding: u32,
}

/// What a probe found.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Probe {
    /// What answered a small datagram to a high port.
    pub small: Option<Answered>,
    /// What answered one as large as the path is said to take, and how large it was.
    pub large: Option<(u32, Option<Answered>)>,
    /// What became of a TCP connection to the neighbour's port; none: it was not tried.
    pub tcp: Option<End>,
    /// What became of a connection from each of these addresses of ours within a second: how far it came ([`Stage::Opened`]: an
    /// OPEN came), and how it ended; by a NOTIFICATION instead of an OPEN, as by a FIN. The first is the one that BGP uses.
    pub sources: Vec<(IpAddr, Stage, End)>,
    /// Why something was left out, in words.
    pub left_out: Vec<String>,
}

/// An answer to a probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// Who.
    pub by: IpAddr,
    /// What it says.
    pub what: String,
    /// The TTL that it came with.
    pub ttl: Option<u8>,
}
