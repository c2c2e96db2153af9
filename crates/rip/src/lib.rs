//! RIP, versions 1 and 2 (RFC 1058, RFC 2453), with authentication (RFC 2082, RFC 4822) and, where wanted, hold-down.
//!
//! [`Rip`] is driven with [`Input`]s and `now`; what is to be done comes out as [`Output`]s: datagrams, routes, events. One
//! machine serves all interfaces of a router.
//!
//! | module | holds |
//! |---|---|
//! | `machine` | [`Rip`]: inputs, timeouts |
//! | `receive` | what is checked of a datagram and of its entries: RFC 2453 §3.9 |
//! | `learn` | what an entry does to the table: RFC 2453 §3.9.2; a route's timers: §3.8 |
//! | `route` | a route, its states, their diagram |
//! | `local` | routes of our own: connected, redistributed, default |
//! | `interface` | an interface, and what version 1 may be told there |
//! | `output` | requests, updates, answers: RFC 2453 §3.10 |
//! | `neighbors` | who is heard |
//! | `auth` | keys, digests, sequence numbers |
//! | `reconfigure` | another configuration in flight |
//! | `view` | what people see |
//!
//! # What a driver does
//!
//! - A UDP socket on port 520 for all interfaces, member of 224.0.0.9 on each that RIP runs on, able to send broadcasts. What
//!   arrives at port 520 becomes [`Input::Datagram`], whatever its destination.
//! - [`Output::Send`] goes out of that interface, from port 520 and the given source address, with a TTL of 1 (RFC 1812
//!   §5.3.1 for what is multicast), not looped back.
//! - Interfaces with their addresses become [`Input::Interface`], now and at each change.
//! - [`Output::Route`] goes to the routing table, as one candidate for its prefix. What the operator wants redistributed comes
//!   from there as [`Input::Redistribute`]; RIP's own routes and those of its interfaces must not.
//! - A number for [`Rip::new`] to start authentication's sequence from that is never less than before: the wall clock in
//!   seconds. Lifetimes of keys are given as [`Instant`](trunkline_core::Instant)s; when the wall clock jumps, the driver
//!   converts them again and calls [`Rip::reconfigure`].
//! - To stop in peace: [`Rip::reconfigure`] with no interfaces, which tells the neighbours.
//!
//! # Left out
//!
//! RIPng; point-to-point interfaces whose peer is in none of their subnets; requests of stations that are in none of our
//! subnets; sending with an old and a new key at once (RFC 4822 §5.1 (1)); automatic summaries but where version 1 needs
//! them; the demand circuits of RFC 2091; pacing of a large table's datagrams.

mod auth;
mod config;
mod counters;
mod interface;
mod io;
mod learn;
mod local;
mod machine;
mod neighbors;
mod output;
mod receive;
mod reconfigure;
mod route;
mod view;

#[cfg(test)]
mod tests;

pub use auth::{Algorithm, AuthFailure, Authentication, Key, Lifetime};
pub use config::{
    Config, DefaultRoute, Filter, FilterRule, Flush, HoldDown, InterfaceConfig, Limits, Offset, Receive,
    Send, SplitHorizon, Timers,
};
pub use counters::Counters;
pub use io::{Event, Input, InterfaceId, NextHop, Output, Refusal, RouteInfo};
pub use machine::Rip;
pub use route::{Failure, State};
