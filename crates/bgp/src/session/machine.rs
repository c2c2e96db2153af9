//! One connection's FSM with what belongs to it: the connection, its timers, its OPENs.

use super::fsm::Attributes;
use super::negotiation::Ends;
use super::timers::Timers;
use super::{Negotiated, State};
use crate::config::NeighborConfig;
use trunkline_core::{ConnId, Duration, Instant};
use trunkline_wire::bgp::{Capability, MAX_EXTENDED_MESSAGE_LEN, MAX_MESSAGE_LEN, Open};

/// A connection, from the order to open it to its end.
#[derive(Debug)]
pub(crate) struct Conn {
    /// Its id.
    pub(crate) id: ConnId,
    /// Our end and the peer's, once it is up.
    pub(crate) ends: Option<Ends>,
    /// When it came up.
    pub(crate) opened_at: Instant,
    /// The start of a message of which more is to come; while a collision is undecided, all that came.
    pub(crate) partial: Vec<u8>,
    /// Control messages for [`super::Session::poll_transmit`].
    pub(crate) tx: Vec<u8>,
}

impl Conn {
    /// One that is being opened.
    pub(crate) fn new(id: ConnId) -> Conn {
        Conn { id, ends: None, opened_at: Instant::ZERO, partial: Vec::new(), tx: Vec::new() }
    }
}

/// A message whose effect waits until a collision is decided.
#[derive(Debug)]
pub(crate) enum Held {
    /// The peer's KEEPALIVE in OpenConfirm: we would be Established.
    Keepalive,
    /// The peer's OPEN in OpenSent, checked and agreed.
    Open,
}

/// What was agreed on a connection, with what the hot path needs of it.
#[derive(Debug)]
pub(crate) struct Agreed {
    /// All of it.
    pub(crate) negotiated: Negotiated,
    /// The hold time; none: zero was agreed.
    pub(crate) hold: Option<Duration>,
    /// A third of it (RFC 4271 §4.4).
    pub(crate) keepalive: Option<Duration>,
}

impl Agreed {
    /// With the times that follow.
    pub(crate) fn new(negotiated: Negotiated) -> Agreed {
        let hold = Some(Duration::from_secs(negotiated.hold_time.into())).filter(|d| !d.is_zero());
        Agreed { negotiated, hold, keepalive: hold.map(|d| d / 3) }
    }
}

/// One FSM.
#[derive(Debug)]
pub(crate) struct Machine {
    /// Its state.
    pub(crate) state: State,
    /// Its connection.
    pub(crate) conn: Option<Conn>,
    /// Its timers.
    pub(crate) timers: Timers,
    /// Our OPEN on this connection, made when the connection came up.
    pub(crate) ours: Option<Open>,
    /// The peer's.
    pub(crate) theirs: Option<Open>,
    /// What follows from both.
    pub(crate) agreed: Option<Agreed>,
    /// What waits for the end of a collision.
    pub(crate) held: Option<Held>,
    /// When it became Established.
    pub(crate) established_at: Option<Instant>,
}

impl Machine {
    /// Without a connection.
    pub(crate) fn new(state: State) -> Machine {
        Machine {
            state,
            conn: None,
            timers: Timers::default(),
            ours: None,
            theirs: None,
            agreed: None,
            held: None,
            established_at: None,
        }
    }

    /// Whether this is its connection.
    #[inline]
    pub(crate) fn has(&self, conn: ConnId) -> bool {
        self.conn.as_ref().is_some_and(|c| c.id == conn)
    }

    /// The id of its connection.
    pub(crate) fn conn_id(&self) -> Option<ConnId> {
        self.conn.as_ref().map(|c| c.id)
    }

    /// Whether TCP is up.
    pub(crate) fn is_up(&self) -> bool {
        self.conn.as_ref().is_some_and(|c| c.ends.is_some())
    }

    /// The longest message that may come: what we offered, the peer may use at once (RFC 8654 §4).
    pub(crate) fn max_message_len(&self) -> usize {
        let offered = |open: &Open| open.capabilities().any(|c| matches!(c, Capability::ExtendedMessage));
        match &self.agreed {
            Some(agreed) if agreed.negotiated.extended_message => MAX_EXTENDED_MESSAGE_LEN,
            Some(_) if self.ours.as_ref().is_some_and(offered) => MAX_EXTENDED_MESSAGE_LEN,
            _ => MAX_MESSAGE_LEN,
        }
    }

    /// What a transition depends on.
    pub(crate) fn attributes(&self, config: &NeighborConfig) -> Attributes {
        Attributes {
            delay_open: config.delay_open > 0,
            damp_peer_oscillations: config.damp_peer_oscillations,
            notification_without_open: config.notification_without_open,
            delay_open_timer_running: self.timers.delay_open.is_some(),
        }
    }
}
