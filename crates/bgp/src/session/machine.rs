//! One connection's FSM with what belongs to it: the connection, its timers, its OPENs.

use super::fsm::Attributes;
use super::negotiation::Ends;
use super::timers::Timers;
use super::{Negotiated, State};
use crate::config::NeighborConfig;
use trunkline_core::{ConnId, Duration, Instant};
use trunkline_wire::bgp::{MAX_MESSAGE_LEN, Open};

/// A connection, from the order to open it to its end.
#[derive(Debug)]
pub(crate) struct Conn {
    /// Its id.
    pub(crate) id: ConnId,
    /// Our end and the peer's, once it is up.
    pub(crate) ends: Option<Ends>,
    /// When it was ordered, or came in.
    pub(crate) begun: Instant,
    /// When it came up.
    pub(crate) opened_at: Instant,
    /// The start of a message of which more is to come.
    pub(crate) partial: Vec<u8>,
    /// Control messages for [`super::Session::poll_transmit`].
    pub(crate) tx: Vec<u8>,
}

impl Conn {
    /// One that is being opened.
    pub(crate) fn new(id: ConnId, now: Instant) -> Conn {
        Conn { id, ends: None, begun: now, opened_at: Instant::ZERO, partial: Vec::new(), tx: Vec::new() }
    }
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
    /// The longest message that may come.
    pub(crate) max_message_len: usize,
    /// The peer's KEEPALIVE came in OpenConfirm; it takes effect when a collision is decided.
    pub(crate) held_keepalive: bool,
    /// It came in while another connection was Established: it says nothing until the peer does.
    pub(crate) tracked: bool,
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
            max_message_len: MAX_MESSAGE_LEN,
            held_keepalive: false,
            tracked: false,
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

    /// What a transition depends on.
    pub(crate) fn attributes(&self, config: &NeighborConfig) -> Attributes {
        Attributes {
            delay_open: config.delay_open > 0 || self.tracked,
            damp_peer_oscillations: config.damp_peer_oscillations,
            notification_without_open: config.notification_without_open || self.tracked,
            delay_open_timer_running: self.timers.delay_open.is_some(),
        }
    }
}
