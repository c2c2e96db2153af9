//! What waits to be sent and what waits to be received.

/// The most octets in one queue: half the sequence space would be the end (RFC 7323 §2.3), windows reach 1 GiB.
pub(crate) const MAX_LIMIT: usize = 1 << 30;

/// So much a queue may hold whatever the need is: else nothing would move.
pub(crate) const FLOOR: usize = 2048;

mod receive;
mod ring;
mod send;

pub(crate) use receive::ReceiveBuffer;
pub(crate) use send::SendBuffer;
