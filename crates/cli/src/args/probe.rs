//! `ping` and `traceroute`.

use super::lab::time;
use clap::Args;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;
use trunkline_view::probe::{PingQuery, TracerouteQuery, TransferQuery};

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

/// `transfer`.
#[derive(Debug, Clone, Args)]
pub(crate) struct TransferOptions {
    /// Address and port.
    #[arg(value_name = "ADDR:PORT")]
    pub(crate) remote: SocketAddrV4,

    /// How many octets to send.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) send: u64,

    /// Stop when so many have come. Default: when the peer ends its stream.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) receive: Option<u64>,

    /// The node's own address to connect from.
    #[arg(long, value_name = "ADDR")]
    pub(crate) source: Option<Ipv4Addr>,

    /// Give up after this time.
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = time)]
    pub(crate) timeout: Duration,
}

impl TransferOptions {
    /// As a query.
    pub(crate) fn query(&self) -> TransferQuery {
        let Self { remote, send, receive, source, timeout } = *self;
        TransferQuery { remote, source, send, receive, timeout_ms: Some(milliseconds(timeout)) }
    }
}

impl PingOptions {
    /// As a query.
    pub(crate) fn query(&self) -> PingQuery {
        PingQuery {
            destination: self.destination,
            source: self.source,
            count: self.count,
            interval_ms: milliseconds(self.interval),
            size: self.size,
            ttl: self.ttl,
            dont_fragment: self.dont_fragment,
            timeout_ms: milliseconds(self.timeout),
        }
    }
}

impl TracerouteOptions {
    /// As a query.
    pub(crate) fn query(&self) -> TracerouteQuery {
        let Self { destination, max_hops, probes } = *self;
        TracerouteQuery { max_hops, probes, timeout_ms: 1000, ..TracerouteQuery::new(destination) }
    }
}

/// 1..=60000.
fn milliseconds(time: Duration) -> u32 {
    u32::try_from(time.as_millis()).unwrap_or(u32::MAX).clamp(1, 60_000)
}
