//! One neighbour's session: the FSM of RFC 4271 §8 for each of its connections, collisions, negotiation.
//!
//! It never sees a route: UPDATEs go to a [`Receiver`], and what to send as UPDATE comes from the egress.

mod attempts;
mod collision;
mod connection;
mod event;
mod fsm;
mod journal;
mod machine;
mod negotiation;
mod peer;
mod receive;
mod reconfigure;
mod timers;
mod transition;
mod view;

#[cfg(test)]
mod tests;

pub use journal::{MessageCounts, Stats};
pub use peer::Session;
pub(crate) use peer::Stopped;

use crate::transport::{TcpAction, TcpError};
use std::net::{Ipv4Addr, SocketAddr};
use trunkline_core::{Asn, ConnId, Duration};
use trunkline_view::EventKind;
use trunkline_wire::bgp::{Family, Notification, RouteRefresh};

/// What all neighbours of this speaker share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Local {
    /// Our AS.
    pub asn: Asn,
    /// Our BGP Identifier.
    pub router_id: Ipv4Addr,
    /// Said in the FQDN capability.
    pub host_name: String,
}

/// What happens to a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// Event 1 or, for a passive neighbour, Event 4: the operator starts it; also undoes a shutdown.
    ManualStart,
    /// Event 2: shutdown by the operator: Cease 6/2 with this text (RFC 9003). Stays down.
    ManualStop {
        /// The shutdown communication.
        message: Option<String>,
    },
    /// Event 3 (or 5, 6, 7, by configuration): start without the operator's hand.
    AutomaticStart,
    /// Event 8: the system ends the session with this NOTIFICATION (Cease 6/3 deconfigured, 6/4 reset, 6/6
    /// configuration change, or 6/1 maximum prefixes); then starts again: at once, after a time, or not.
    AutomaticStop {
        /// What the peer is told.
        notification: Notification,
        /// Why, in words.
        reason: String,
        /// When to start again.
        restart: Restart,
    },
    /// The connection we asked for is up (Event 16).
    Connected {
        /// Which.
        conn: ConnId,
        /// Our end.
        local: SocketAddr,
        /// The peer's.
        remote: SocketAddr,
    },
    /// The peer connected (Event 17). The caller has found that it is this neighbour.
    Incoming {
        /// Which.
        conn: ConnId,
        /// Our end.
        local: SocketAddr,
        /// The peer's.
        remote: SocketAddr,
    },
    /// A connection failed or ended (Event 18).
    Closed {
        /// Which.
        conn: ConnId,
        /// Why.
        error: TcpError,
    },
    /// The driver wrote, or could not (see [`crate::transport::TcpEvent::Written`]).
    Written {
        /// Which.
        conn: ConnId,
        /// Octets wait for the peer to read: the SendHoldTimer runs (RFC 9687).
        pending: bool,
    },
    /// Ask the peer for its routes again (RFC 2918), where that was agreed.
    SendRouteRefresh(RouteRefresh),
}

/// When to start again after [`Input::AutomaticStop`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Restart {
    /// After IdleHoldTime.
    Normal,
    /// After this long.
    After(Duration),
    /// Only by the operator's hand.
    Never,
}

/// What the owner of the session must do or know.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// For the driver.
    Tcp(TcpAction),
    /// The session is up; [`Session::negotiated`] says what was agreed. Initial routes may be sent on `conn`.
    Established {
        /// The connection that carries it.
        conn: ConnId,
    },
    /// The session is down; its routes must go, or be kept as stale (RFC 4724 §4.2, RFC 8538).
    Down {
        /// Why, in words.
        reason: String,
        /// The families whose routes are kept, and for how long; none: remove all at once.
        keep_stale: Option<(Vec<Family>, Duration)>,
    },
    /// For the operator.
    Event(EventKind),
}

/// Takes what an established session receives; called while [`Session::receive`] runs, never between a change of the
/// session and the moment when the owner has heard of it.
pub trait Receiver {
    /// The body of an UPDATE. An error resets the session with this NOTIFICATION (Event 28, UpdateMsgErr).
    fn update(&mut self, body: &[u8], negotiated: &Negotiated) -> Result<(), Notification>;
    /// A ROUTE-REFRESH for an agreed family, where we advertised the capability.
    fn route_refresh(&mut self, message: RouteRefresh, negotiated: &Negotiated);
}

/// What both sides agreed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Negotiated {
    /// The peer's AS.
    pub peer_asn: Asn,
    /// The peer's BGP Identifier.
    pub peer_router_id: Ipv4Addr,
    /// Seconds; 0: no keepalives.
    pub hold_time: u16,
    /// Families both speak; never empty in an established session with routes, but may be empty.
    pub families: Vec<Family>,
    /// RFC 6793 on both sides: AS numbers are four octets in AS_PATH.
    pub four_octet_as: bool,
    /// RFC 8654 on both sides: messages up to 65535 octets both ways.
    pub extended_message: bool,
    /// RFC 2918: both sides.
    pub route_refresh: bool,
    /// RFC 7313: both sides.
    pub enhanced_route_refresh: bool,
    /// RFC 8950 for ipv4-unicast: both sides.
    pub extended_next_hop: bool,
    /// The peer's graceful restart capability: its families with their forwarding-state bit, restart time in
    /// seconds, whether it restarts now (R bit), whether it understands RFC 8538 (N bit).
    pub graceful_restart: Option<GracefulRestart>,
    /// Our end of the connection.
    pub local: SocketAddr,
    /// The peer's end.
    pub remote: SocketAddr,
}

/// See [`Negotiated::graceful_restart`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GracefulRestart {
    /// R bit: the peer has restarted.
    pub restart_state: bool,
    /// N bit (RFC 8538), on both sides.
    pub notification: bool,
    /// Seconds.
    pub restart_time: u16,
    /// With the F bit.
    pub families: Vec<(Family, bool)>,
}

/// The six states of RFC 4271 §8.2.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Refuses connections.
    Idle,
    /// Waits for the connection it opens.
    Connect,
    /// Waits for the peer to connect, or to try again.
    Active,
    /// Waits for the peer's OPEN.
    OpenSent,
    /// Waits for the peer's KEEPALIVE.
    OpenConfirm,
    /// Exchanges routes.
    Established,
}

impl State {
    /// The name as the RFC writes it.
    pub const fn name(self) -> &'static str {
        match self {
            State::Idle => "Idle",
            State::Connect => "Connect",
            State::Active => "Active",
            State::OpenSent => "OpenSent",
            State::OpenConfirm => "OpenConfirm",
            State::Established => "Established",
        }
    }
}

impl std::fmt::Display for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
