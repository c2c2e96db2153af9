//! The kernel's interfaces, addresses and routes, by rtnetlink.
//!
//! Several kinds of sockets, so that their messages cannot get mixed up: [`monitor`] hears changes, [`fib`] writes our
//! routes, [`requester`] carries out orders one by one, and each dump has its own ([`socket::dump`]).

pub(crate) mod encode;
pub(crate) mod fib;
pub(crate) mod links;
pub(crate) mod monitor;
pub(crate) mod others;
pub(crate) mod requester;
pub(crate) mod socket;
pub(crate) mod writer;

/// Our routes' protocol number in the kernel (`ip route` shows `proto 217`).
pub(crate) const OUR_PROTOCOL: u8 = 217;

/// The main table (RT_TABLE_MAIN).
pub(crate) const MAIN_TABLE: u32 = 254;
