//! TCP segments (RFC 9293 §3.1) and their options (RFC 7323, RFC 2018, RFC 2385, RFC 5925).

mod flags;
mod options;
mod segment;
mod sequence;

pub use flags::Flags;
pub use options::{Authentication, Mac, Options, SackBlocks, Timestamps};
pub use segment::{Segment, digest_range, fill_checksum};
pub use sequence::SeqNum;

/// Octets of a header without options.
pub const LEN: usize = 20;
