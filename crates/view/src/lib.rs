//! Plain data that describes a node's state to people and programs: queries, answers and events.
//!
//! The command line, the HTTP API and later the web page use only these; field names are stable. Durations are
//! seconds as a number; addresses and prefixes are text; names of states, events and attributes are those of the
//! RFCs.

pub mod bgp;
pub mod device;
mod event;
pub mod explain;
pub mod facts;
mod node;
pub mod probe;
pub mod rip;
pub mod stp;
pub mod tcp;

pub use event::{Event, EventKind};
pub use node::{
    Address, AdminState, Interface, InterfacesView, NodeView, Route, RouteNextHop, RouteSource, RoutesView,
};

use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use trunkline_core::Prefix;

/// A question or an order to a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "query", rename_all = "kebab-case")]
pub enum Query {
    /// Who this node is → [`Answer::Node`].
    Node,
    /// One line for each BGP neighbour → [`Answer::BgpSummary`].
    BgpSummary,
    /// All about one BGP neighbour, or about each → [`Answer::BgpNeighbors`].
    BgpNeighbors {
        /// Only this one.
        address: Option<IpAddr>,
    },
    /// A page of BGP routes → [`Answer::BgpRoutes`].
    BgpRoutes(bgp::RoutesQuery),
    /// A page of the node's routing table → [`Answer::Routes`].
    Routes {
        /// Only this prefix; an address as /32 or /128 finds the route that covers it.
        prefix: Option<Prefix>,
        /// Where the page starts: `next` of the page before, 0 at first.
        cursor: u64,
        /// The most routes in the answer, 1..=1000.
        limit: u32,
    },
    /// All about the routes to one destination: received, chosen, installed, sent → [`Answer::ExplainRoute`].
    ExplainRoute(explain::RouteQuery),
    /// Why the session with a BGP neighbour is not up, or what is wrong with it → [`Answer::ExplainBgp`].
    ExplainBgp(explain::NeighborQuery),
    /// Interfaces and their addresses → [`Answer::Interfaces`].
    Interfaces,
    /// End a BGP session, or with `soft` only ask for its routes again and send ours again → [`Answer::Done`].
    BgpClear {
        /// The neighbour; none means all.
        address: Option<IpAddr>,
        /// Keep the session: ROUTE-REFRESH where agreed, policy run again, our routes sent again.
        soft: bool,
    },
    /// Take a neighbour down and keep it down → [`Answer::Done`].
    BgpShutdown {
        /// The neighbour.
        address: IpAddr,
        /// Text for the peer (RFC 9003), at most 255 octets.
        message: Option<String>,
    },
    /// Undo a shutdown → [`Answer::Done`].
    BgpStart {
        /// The neighbour.
        address: IpAddr,
    },
    /// Read the configuration file again and apply the difference → [`Answer::Reload`].
    Reload,
    /// Neighbours by ARP on the node's own interfaces → [`Answer::Arp`].
    Arp {
        /// Only on this one.
        interface: Option<String>,
    },
    /// Stations that the node's bridges have heard → [`Answer::Mac`].
    Mac {
        /// Only of this one.
        bridge: Option<String>,
    },
    /// Spanning tree of the node's bridges → [`Answer::SpanningTree`].
    SpanningTree {
        /// Only of this one.
        bridge: Option<String>,
    },
    /// Find out again whether the neighbour at a port speaks RSTP (IEEE 802.1D-2004 §17.19.13) → [`Answer::Done`].
    SpanningTreeMcheck {
        /// The bridge.
        bridge: String,
        /// Its port.
        port: String,
    },
    /// Bring back a port that BPDU guard has shut → [`Answer::Done`].
    SpanningTreeRecover {
        /// The bridge.
        bridge: String,
        /// Its port.
        port: String,
    },
    /// RIP: timers, interfaces, counters → [`Answer::Rip`].
    Rip,
    /// Routers that RIP hears → [`Answer::RipNeighbors`].
    RipNeighbors,
    /// A page of RIP's routes → [`Answer::RipRoutes`].
    RipRoutes(rip::RoutesQuery),
    /// Forget what RIP has learnt, and ask for it again → [`Answer::Done`].
    RipClear {
        /// Only this destination; none: all.
        prefix: Option<Prefix>,
    },
    /// The node's own TCP → [`Answer::Tcp`].
    Tcp,
    /// Statistics of the node's own IP and what is below it → [`Answer::IpStatistics`].
    IpStatistics,
    /// Ask whether an address answers → [`Answer::Ping`], when it is done.
    Ping(probe::PingQuery),
    /// Find the way to an address → [`Answer::Traceroute`], when it is done.
    Traceroute(probe::TracerouteQuery),
    /// Send and receive octets by TCP → [`Answer::Transfer`], when it is done.
    TcpTransfer(probe::TransferQuery),
    /// Open a TCP connection (RFC 9293 §3.9.1: active OPEN) → [`Answer::Done`], at once.
    TcpConnect(probe::ConnectQuery),
    /// Wait for TCP connections (passive OPEN) → [`Answer::Done`]. The first that comes gets the listener's name, others
    /// that name with "-2", "-3" and so on.
    TcpListen {
        /// Its name.
        name: String,
        /// The port.
        port: u16,
    },
    /// Send text by a named connection (SEND) → [`Answer::Done`].
    TcpSend {
        /// The connection.
        name: String,
        /// The text.
        text: String,
    },
    /// Close our side of a named connection, or a listener where no connection has the name (CLOSE) →
    /// [`Answer::Done`].
    TcpClose {
        /// The connection or listener.
        name: String,
    },
    /// Reset a named connection (ABORT) → [`Answer::Done`].
    TcpAbort {
        /// The connection.
        name: String,
    },
}

/// What a node answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "kebab-case")]
pub enum Answer {
    /// To [`Query::Node`].
    Node(NodeView),
    /// To [`Query::BgpSummary`].
    BgpSummary(bgp::SummaryView),
    /// To [`Query::BgpNeighbors`].
    BgpNeighbors(bgp::NeighborsView),
    /// To [`Query::BgpRoutes`].
    BgpRoutes(bgp::RoutesView),
    /// To [`Query::Routes`].
    Routes(RoutesView),
    /// To [`Query::ExplainRoute`].
    ExplainRoute(Box<explain::RouteExplanation>),
    /// To [`Query::ExplainBgp`].
    ExplainBgp(Box<explain::NeighborExplanation>),
    /// To [`Query::Interfaces`].
    Interfaces(InterfacesView),
    /// An order was carried out.
    Done(DoneView),
    /// To [`Query::Reload`].
    Reload(ReloadView),
    /// To [`Query::Arp`].
    Arp(device::ArpView),
    /// To [`Query::Mac`].
    Mac(device::MacView),
    /// To [`Query::SpanningTree`].
    SpanningTree(stp::SpanningTreesView),
    /// To [`Query::Rip`].
    Rip(Box<rip::SummaryView>),
    /// To [`Query::RipNeighbors`].
    RipNeighbors(rip::NeighborsView),
    /// To [`Query::RipRoutes`].
    RipRoutes(rip::RoutesView),
    /// To [`Query::Tcp`].
    Tcp(tcp::TcpView),
    /// To [`Query::IpStatistics`].
    IpStatistics(device::IpView),
    /// To [`Query::Ping`].
    Ping(probe::PingView),
    /// To [`Query::Traceroute`].
    Traceroute(probe::TracerouteView),
    /// To [`Query::TcpTransfer`].
    Transfer(probe::TransferView),
    /// The query cannot be answered; why.
    Error(ErrorView),
}

impl Answer {
    /// An [`Answer::Error`] of some kind.
    pub fn error(kind: ErrorKind, message: impl Into<String>) -> Answer {
        Answer::Error(ErrorView { kind, message: message.into() })
    }
}

/// An order was carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DoneView {
    /// What was done, in words.
    pub message: String,
}

/// What a reload did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReloadView {
    /// Whether the file was valid and is now in force.
    pub applied: bool,
    /// One line for each thing that changed.
    pub changes: Vec<String>,
    /// The neighbours whose session was reset because their change needs it.
    pub reset: Vec<String>,
    /// The diagnostics as text, where the file was not valid; nothing was applied then.
    pub problems: Option<String>,
}

/// Why a query has no answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorView {
    /// The kind, for programs.
    pub kind: ErrorKind,
    /// The reason, for people.
    pub message: String,
}

/// Kinds of [`ErrorView`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorKind {
    /// No such neighbour, prefix or the like.
    NotFound,
    /// The query makes no sense.
    Invalid,
    /// The node does not run that protocol.
    NotRunning,
    /// The node is stopping or does not answer.
    Unavailable,
}
