//! `relay`.

use super::lab::time;
use clap::Args;
use std::time::Duration;
use trunkline_lab::file::{parse_rate, parse_share};
use trunkline_lab::link::LinkConfig;

/// `relay`.
#[derive(Debug, Clone, Args)]
pub(crate) struct RelayOptions {
    /// One interface.
    #[arg(value_name = "INTERFACE")]
    pub(crate) a: String,

    /// The other one.
    #[arg(value_name = "INTERFACE")]
    pub(crate) b: String,

    /// How long a frame is on its way, as in 20ms.
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = time)]
    pub(crate) delay: Duration,

    /// Bits a second, as in 10Mbit. Default: no limit.
    #[arg(long, value_name = "RATE", value_parser = parse_rate)]
    pub(crate) rate: Option<u64>,

    /// Frames that may wait for their turn where there is a rate.
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub(crate) queue: usize,

    /// Share of frames that are lost, as in 1%.
    #[arg(long, value_name = "SHARE", default_value = "0%", value_parser = parse_share)]
    pub(crate) loss: f64,

    /// Share of frames that come twice.
    #[arg(long, value_name = "SHARE", default_value = "0%", value_parser = parse_share)]
    pub(crate) duplicate: f64,

    /// Share of frames that later ones overtake.
    #[arg(long, value_name = "SHARE", default_value = "0%", value_parser = parse_share)]
    pub(crate) reorder: f64,

    /// Share of frames with a wrong bit.
    #[arg(long, value_name = "SHARE", default_value = "0%", value_parser = parse_share)]
    pub(crate) corrupt: f64,

    /// The number that all chance comes from.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
}

impl RelayOptions {
    /// As the lab describes links.
    pub(crate) fn link(&self) -> LinkConfig {
        LinkConfig {
            delay: self.delay,
            rate: self.rate,
            queue: self.queue,
            loss: self.loss,
            duplicate: self.duplicate,
            reorder: self.reorder,
            corrupt: self.corrupt,
            ..LinkConfig::new("relay")
        }
    }
}
