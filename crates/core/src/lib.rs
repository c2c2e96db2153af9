//! What every Trunkline crate shares: time, timers, randomness, output queues, prefixes, addresses, frames and ids.
//!
//! Nothing here does I/O or reads a clock. A protocol machine is driven with an explicit [`Instant`] and writes
//! its decisions into an [`Outbox`].

mod asn;
mod frame;
mod mac;
mod outbox;
mod prefix;
mod rng;
mod time;
mod timers;

pub use asn::{Asn, ParseAsnError};
pub use frame::{Frame, PortId};
pub use mac::{MacAddr, ParseMacError};
pub use outbox::Outbox;
pub use prefix::{Ipv4Prefix, Ipv6Prefix, ParsePrefixError, Prefix, PrefixMatch};
pub use rng::Rng;
pub use time::{Duration, Instant};
pub use timers::{TimerQueue, earliest};

/// Names one transport connection between the driver that owns the socket and the machine that speaks over it.
///
/// The two sides create ids without asking each other: the driver numbers the connections it accepts, the machine
/// those it asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId(u64);

impl ConnId {
    const INCOMING: u64 = 1 << 63;

    /// The `n`-th connection that the driver accepted.
    pub const fn incoming(n: u64) -> ConnId {
        ConnId(n | Self::INCOMING)
    }

    /// The `n`-th connection that the machine asked the driver to open.
    pub const fn outgoing(n: u64) -> ConnId {
        ConnId(n & !Self::INCOMING)
    }

    /// Whether the peer opened this connection.
    pub const fn is_incoming(self) -> bool {
        self.0 & Self::INCOMING != 0
    }

    /// The id as a number, unique in the process.
    pub const fn raw(self) -> u64 {
        self.0
    }
}

/// What became of a change of configuration offered to a running machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    /// The machine goes on with the new configuration; nothing was interrupted.
    InPlace,
    /// The change cannot be made in flight: the machine has ended what it did and starts again.
    Restart,
}
