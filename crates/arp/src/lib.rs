//! Address resolution of one IP interface: which MAC address has a neighbour (RFC 826), are our own addresses ours
//! alone (RFC 5227), and for whom do we answer (RFC 1027).
//!
//! [`Arp`] is driven with [`Input`]s and `now`; what is to be done comes out as [`Output`]s. Packets that wait for an
//! address wait inside. The hot path is [`Arp::lookup`].
//!
//! | module | holds |
//! |---|---|
//! | `machine` | [`Arp`]: inputs, timeouts, configuration |
//! | `receive` | what an ARP packet does: RFC 826's "Packet Reception" |
//! | `neighbors` | the cache, its states and its timers |
//! | `table` | entries by address, and in the order of their timers |
//! | `own` | our addresses: probe, announce, defend |
//! | `limit` | rates |
//!
//! Left out: reverse and inverse ARP (operations 3 to 9), hardware other than Ethernet, a random delay before answers by
//! proxy (RFC 1027 has none; Linux has one).

mod config;
mod counters;
mod io;
mod limit;
mod machine;
mod neighbors;
mod own;
mod receive;
mod table;

#[cfg(test)]
mod tests;

pub use config::{Config, Defend, Timing};
pub use counters::Counters;
pub use io::{AddressState, Entry, Event, Input, Kind, Output, ProxyRequest, State};
pub use machine::Arp;
