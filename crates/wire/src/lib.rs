//! Packet formats: checked views over bytes, owned representations, `parse` and `emit`.
//!
//! Nothing a peer sends can make this crate panic: every read goes through [`bytes::Reader`] or a checked slice
//! pattern. Field names are those of the RFCs. From the wire up: [`ethernet`], [`llc`], [`stp`], [`arp`], [`ipv4`], [`icmp`], [`ipv6`], [`icmpv6`],
//! [`udp`], [`tcp`], [`rip`], [`bgp`]; files of packets are [`pcapng`], files of routes [`mrt`].

pub mod arp;
pub mod bgp;
pub mod bytes;
pub mod checksum;
pub mod ethernet;
pub mod icmp;
pub mod icmpv6;
pub mod ipv4;
pub mod ipv6;
pub mod llc;
pub mod malformed;
pub mod mrt;
pub mod pcapng;
pub mod rip;
pub mod stp;
pub mod tcp;
pub mod udp;

pub use malformed::Malformed;
