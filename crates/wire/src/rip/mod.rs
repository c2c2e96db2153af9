//! RIP messages, versions 1 and 2 (RFC 1058 §3.1, RFC 2453 §3.6, §4), with the layout of authentication (RFC 2453 §4.1,
//! RFC 2082, RFC 4822). Keys and digests are the machine's business: here are only the octets.
//!
//! [`Message::parse`] gives what can be used of a message and a [`Fault`] for each thing that cannot: RFC 2453 §3.9.2
//! wants a bad entry ignored and the others processed.

mod authentication;
mod entry;
mod message;

pub use authentication::{Authentication, Digest, digest_range};
pub use entry::{Entry, EntryFault, natural_len};
pub use message::{Command, Fault, Message, Parsed};

use std::net::Ipv4Addr;

/// The UDP port (RFC 2453 §3.6).
pub const PORT: u16 = 520;

/// Where version 2 multicasts (RFC 2453 §4.5).
pub const MULTICAST: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 9);

/// The metric of what cannot be reached (RFC 2453 §3.6).
pub const INFINITY: u8 = 16;

/// Octets of the header.
pub const HEADER_LEN: usize = 4;

/// Octets of an entry, and of the authentication that takes the place of one.
pub const ENTRY_LEN: usize = 20;

/// Entries of a message at most, authentication counted (RFC 2453 §3.6).
pub const MAX_ENTRIES: usize = 25;

/// Octets in front of the digest behind the entries (RFC 2082 §3.2).
pub const TRAILER_HEADER_LEN: usize = 4;

/// Octets of a datagram's payload at most, for what we send (RFC 1058 §3.1). Digests count: with a long one fewer
/// entries fit.
pub const MAX_LEN: usize = 512;

#[cfg(test)]
mod tests;
