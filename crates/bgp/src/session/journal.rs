//! What a session remembers for the operator: errors, counters, since when.

use super::{Negotiated, State};
use std::collections::VecDeque;
use trunkline_core::Instant;
use trunkline_wire::bgp::{MessageType, Open};

/// How many errors are kept.
const MAX_ERRORS: usize = 8;

/// Messages by type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MessageCounts {
    /// OPEN.
    pub open: u64,
    /// UPDATE.
    pub update: u64,
    /// NOTIFICATION.
    pub notification: u64,
    /// KEEPALIVE.
    pub keepalive: u64,
    /// ROUTE-REFRESH.
    pub route_refresh: u64,
}

impl MessageCounts {
    /// All types together.
    pub const fn total(&self) -> u64 {
        self.open + self.update + self.notification + self.keepalive + self.route_refresh
    }

    /// The counter of a type.
    #[inline]
    pub(crate) const fn of(&mut self, kind: MessageType) -> &mut u64 {
        match kind {
            MessageType::Open => &mut self.open,
            MessageType::Update => &mut self.update,
            MessageType::Notification => &mut self.notification,
            MessageType::Keepalive => &mut self.keepalive,
            MessageType::RouteRefresh => &mut self.route_refresh,
        }
    }
}

/// Counters since the session was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stats {
    /// Messages received.
    pub received: MessageCounts,
    /// Messages sent.
    pub sent: MessageCounts,
    /// Times the state became Established.
    pub established: u64,
    /// Times the state left Established.
    pub flaps: u64,
    /// ROUTE-REFRESH messages that were ignored: not advertised, or of a family or subtype that was not agreed.
    pub ignored_route_refreshes: u64,
    /// Connections of the peer that were refused in Idle.
    pub refused_connections: u64,
    /// Collisions (RFC 4271 §6.8) that cost a connection.
    pub collisions: u64,
}

/// The OPENs of the last connection that got as far.
#[derive(Debug, Clone, Default)]
pub(crate) struct LastOpens {
    /// Ours.
    pub(crate) sent: Option<Open>,
    /// The peer's.
    pub(crate) received: Option<Open>,
    /// What was agreed.
    pub(crate) agreed: Option<Negotiated>,
}

/// What was found to be wrong, by a rule of `explain bgp`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// The rule.
    pub(crate) rule: String,
    /// What it says.
    pub(crate) says: String,
}

/// Errors and states, for the operator.
#[derive(Debug, Clone)]
pub(crate) struct Journal {
    /// Newest first.
    pub(crate) errors: VecDeque<(Instant, String)>,
    /// The same failure comes again and again: say no more about it.
    pub(crate) quiet: bool,
    /// The state that was last told in an event.
    pub(crate) told: State,
    /// The state at the end of the last call.
    pub(crate) state: State,
    /// Since when.
    pub(crate) since: Instant,
    /// A new failure that no event has told yet.
    pub(crate) news: Option<String>,
}

impl Journal {
    /// An empty one.
    pub(crate) fn new() -> Journal {
        Journal {
            errors: VecDeque::new(),
            quiet: false,
            told: State::Idle,
            state: State::Idle,
            since: Instant::ZERO,
            news: None,
        }
    }

    /// Keeps an error; one that is there already only renews its time: two that take turns are no news either.
    pub(crate) fn error(&mut self, now: Instant, text: &str) {
        let known = self.errors.iter().position(|(_, known)| known == text);
        if known.is_none() {
            self.quiet = false;
        }
        if !self.quiet {
            self.news = Some(text.to_owned());
        }
        if let Some(at) = known {
            self.errors.remove(at);
        }
        self.errors.push_front((now, text.to_owned()));
        self.errors.truncate(MAX_ERRORS);
    }

    /// The last error in words.
    pub(crate) fn last_error(&self) -> Option<&str> {
        self.errors.front().map(|(_, text)| text.as_str())
    }
}
