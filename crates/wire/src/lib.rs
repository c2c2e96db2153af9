//! Packet formats: checked views over bytes, owned representations, `parse` and `emit`.
//!
//! Nothing a peer sends can make this crate panic: every read goes through [`bytes::Reader`] or a checked slice
//! pattern. Field names are those of the RFCs.

pub mod bgp;
pub mod bytes;
pub mod mrt;
