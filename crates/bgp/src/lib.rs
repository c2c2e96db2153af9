//! BGP-4 as a pure state machine (RFC 4271).
//!
//! | part | module |
//! |---|---|
//! | one neighbour's session: FSM, collisions, negotiation | [`session`] |
//! | Adj-RIBs-In, Loc-RIB, decision process | `rib` |
//! | what leaves, once for all neighbours with equal rules | `egress` |
//! | the speaker that composes them | [`Bgp`] |
//!
//! Left out on purpose: ADD-PATH (RFC 7911), confederations (RFC 5065), aggregation (RFC 4271 §9.2.2.2),
//! MinRouteAdvertisementIntervalTimer (§9.2.1.1: changes that are not sent yet collapse in the egress instead),
//! next hops that resolve through BGP routes.

pub mod config;
mod egress;
mod instance;
pub mod policy;
mod rib;
pub mod session;
pub mod transport;

pub use instance::{BestRoute, Bgp, Input, LocalAddress, NextHopState, Output, Reconfigured, Redistributed};
