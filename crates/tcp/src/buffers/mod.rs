//! What waits to be sent and what waits to be received.

/// The most octets in one queue: half the sequence space would be the end (RFC 7323 §2.3), windows reach 1 GiB.
pub(crate) const MAX_LIMIT: usize = 1 << 30;

mod receive;
mod ring;
mod send;

pub(crate) use receive::ReceiveBuffer;
pub(crate) use send::SendBuffer;
