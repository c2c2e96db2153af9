//! `ping` and `traceroute`.

use super::lab::time;
use clap::Args;
use std::net::Ipv4Addr;
use std::time::Duration;

/// `ping`.
#[derive(Debug, Clone, Args)]
pub(crate) struct PingOptions {
    /// Whom.
    #[arg(value_name = "ADDR")]
    pub(crate) destination: Ipv4Addr,

    /// How many requests.
    #[arg(long, short, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) count: u32,

    /// Time between them.
    #[arg(long, short, value_name = "TIME", default_value = "1s", value_parser = time)]
    pub(crate) interval: Duration,

    /// Octets of data in each.
    #[arg(long, short, value_name = "N", default_value_t = 56, value_parser = clap::value_parser!(u16).range(..=65_507))]
    pub(crate) size: u16,

    /// Time to live. Default: that of the node.
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=255))]
    pub(crate) ttl: Option<u8>,

    /// The node's own address to send from.
    #[arg(long, value_name = "ADDR")]
    pub(crate) source: Option<Ipv4Addr>,

    /// Set Don't Fragment.
    #[arg(long)]
    pub(crate) dont_fragment: bool,

    /// How long to wait for an answer.
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = time)]
    pub(crate) timeout: Duration,
}

/// `traceroute`.
#[derive(Debug, Clone, Args)]
pub(crate) struct TracerouteOptions {
    /// The way to whom.
    #[arg(value_name = "ADDR")]
    pub(crate) destination: Ipv4Addr,

    /// How many hops at most.
    #[arg(long, short, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u8).range(1..=255))]
    pub(crate) max_hops: u8,

    /// Probes for each hop.
    #[arg(long, short = 'q', value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=10))]
    pub(crate) probes: u8,
}
