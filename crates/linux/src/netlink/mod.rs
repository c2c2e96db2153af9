//! The kernel's interfaces, addresses and routes, by rtnetlink.
//!
//! Three kinds of sockets, so that their messages cannot get mixed up: [`monitor`] hears changes, [`fib`] writes our
//! routes, and each dump has its own ([`socket::dump`]).

pub(crate) mod encode;
pub(crate) mod fib;
pub(crate) mod links;
pub(crate) mod monitor;
pub(crate) mod others;
pub(crate) mod socket;

/// Our routes' protocol number in the kernel (`ip route` shows `proto 217`).
pub(crate) const OUR_PROTOCOL: u8 = 217;

/// The main table (RT_TABLE_MAIN).
pub(crate) const MAIN_TABLE: u32 = 254;
