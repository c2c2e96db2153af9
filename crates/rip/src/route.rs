//! A route: where it comes from, where it leads, its state and its timers.

use crate::config::{Flush, HoldDown, Timers};
use crate::io::InterfaceId;
use smallvec::SmallVec;
use std::fmt;
use std::net::Ipv4Addr;
use trunkline_core::{Instant, earliest};

/// The state of a route.
///
/// ```text
///            metric below 16                      invalid timer, metric 16 from the same neighbour,
///            from anyone            ┌──────────┐  interface down, filter, withdrawn
///  (none) ─────────────────────────▶│  Valid   │────────────────┬──────────────────────┐
///     ▲                             └──────────┘                │ hold-down on         │ hold-down off, or
///     │                               ▲      ▲                  ▼                      │ our own order
///     │             better metric,    │      │           ┌──────────────┐              ▼
///     │             or a route of ours│      └───────────│ PossiblyDown │        ┌──────────┐
///     │                               │                  └──────────────┘        │ Deleted  │
///     │                               │                     │        │ hold-down └──────────┘
///     │                               │     metric below 16 │        └──────────────▶ │  │
///     │                               └─────────────────────┼─────────────────────────┘  │
///     └─────────────────────────────────────────────────────┴────────────────────────────┘
///                              flush timer (garbage collection)
/// ```
///
/// RFC 2453 §3.8 has no `PossiblyDown`. In both of the lower states the route is advertised with metric 16.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// It is used and advertised.
    Valid,
    /// Held down: what others say of the destination is not believed. A route that merely fell silent, or that its
    /// neighbour called unreachable, is still used.
    PossiblyDown,
    /// "Deletion process" (RFC 2453 §3.8): kept to tell others, replaced by any route.
    Deleted,
}

/// Why a route is not valid any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Failure {
    /// The invalid timer: nothing was heard of it.
    TimedOut,
    /// Its neighbour says metric 16.
    Unreachable,
    /// Its interface is down, or the neighbour's subnet is no longer ours.
    InterfaceDown,
    /// The filter now rejects it.
    Filtered,
    /// The operator cleared it.
    Cleared,
    /// It was our own, and is no longer advertised.
    Withdrawn,
}

impl Failure {
    /// Whether it is a failure of the network, against whose echoes hold-down protects; not what the operator wants.
    pub(crate) fn is_held_down(self) -> bool {
        !matches!(self, Failure::Filtered | Failure::Cleared | Failure::Withdrawn)
    }

    /// Whether packets may still go the old way while the route is held down.
    pub(crate) fn leaves_path(self) -> bool {
        matches!(self, Failure::TimedOut | Failure::Unreachable)
    }
}

/// Where a route comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Origin {
    /// From a neighbour.
    Learned,
    /// A subnet of an interface.
    Connected(InterfaceId),
    /// From someone else's table, with where it leads to.
    Redistributed(Option<Ipv4Addr>),
    /// Our default route.
    Default,
}

/// A way to a destination that a neighbour offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Path {
    pub(crate) interface: InterfaceId,
    /// Who says so: the source of the datagram.
    pub(crate) neighbor: Ipv4Addr,
    /// Where packets go: the neighbour, or whom it names (RFC 2453 §4.4).
    pub(crate) next_hop: Ipv4Addr,
    /// The last valid update.
    pub(crate) heard: Instant,
}

impl Path {
    pub(crate) fn is_same(&self, other: &Path) -> bool {
        (self.interface, self.neighbor) == (other.interface, other.neighbor)
    }
}

/// A route.
#[derive(Debug, Clone)]
pub(crate) struct Route {
    pub(crate) origin: Origin,
    pub(crate) state: State,
    /// 1..=15: once it failed, that before.
    pub(crate) metric: u8,
    pub(crate) tag: u16,
    /// For a learnt one at least one; once it failed, the last ones.
    pub(crate) paths: SmallVec<[Path; 1]>,
    /// Since when it is in its state.
    pub(crate) since: Instant,
    /// Why it failed, where it did.
    pub(crate) failure: Option<Failure>,
    /// When hold-down ends.
    pub(crate) hold_until: Option<Instant>,
    /// When it is forgotten.
    pub(crate) flush_at: Option<Instant>,
    /// The earliest time at which the queue of timers looks at it.
    pub(crate) scheduled: Option<Instant>,
    /// Whether the routing table has it from us.
    pub(crate) told: bool,
}

impl Route {
    /// A valid one.
    pub(crate) fn new(now: Instant, origin: Origin, metric: u8, tag: u16, path: Option<Path>) -> Route {
        Route {
            origin,
            state: State::Valid,
            metric,
            tag,
            paths: path.into_iter().collect(),
            since: now,
            failure: None,
            hold_until: None,
            flush_at: None,
            scheduled: None,
            told: false,
        }
    }

    pub(crate) fn is_learned(&self) -> bool {
        self.origin == Origin::Learned
    }

    /// Whether it is one of our own, and advertised as such.
    pub(crate) fn is_local(&self) -> bool {
        !self.is_learned() && self.state == State::Valid
    }

    /// Whether packets may take it.
    pub(crate) fn is_in_service(&self) -> bool {
        self.is_learned()
            && match self.state {
                State::Valid => true,
                State::PossiblyDown => self.failure.is_some_and(Failure::leaves_path),
                State::Deleted => false,
            }
    }

    /// When its next timer ends.
    pub(crate) fn deadline(&self, timers: &Timers) -> Option<Instant> {
        match self.state {
            State::Valid if self.is_learned() => {
                earliest(self.paths.iter().map(|path| Some(path.heard + timers.invalid)))
            }
            State::Valid => None,
            State::PossiblyDown => earliest([self.hold_until, self.flush_at]),
            State::Deleted => self.flush_at,
        }
    }

    /// "Deletions can occur for one of two reasons" (RFC 2453 §3.8), and some more.
    pub(crate) fn fail(&mut self, now: Instant, why: Failure, timers: &Timers, hold_down: HoldDown) {
        let last_valid = self.paths.iter().map(|path| path.heard).max().unwrap_or(now);
        self.flush_at = Some(match timers.flush {
            Flush::AfterInvalid(time) => now + time,
            Flush::AfterUpdate(time) => (last_valid + time).max(now),
        });
        let held = hold_down != HoldDown::Off && why.is_held_down();
        self.hold_until = held.then(|| now + timers.hold_down);
        self.state = if held { State::PossiblyDown } else { State::Deleted };
        self.failure = Some(why);
        self.since = now;
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            State::Valid => "valid",
            State::PossiblyDown => "possibly down",
            State::Deleted => "deleted",
        })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Failure::TimedOut => "nothing was heard of it for the invalid time",
            Failure::Unreachable => "its neighbor says that it cannot be reached",
            Failure::InterfaceDown => "its interface is down",
            Failure::Filtered => "a filter rejects it",
            Failure::Cleared => "it was cleared",
            Failure::Withdrawn => "it is advertised by us no longer",
        })
    }
}
