//! The transparent learning bridge (IEEE 802.1D-2004 clause 7): it learns where stations are, and says of each frame
//! where it goes.
//!
//! A [`Bridge`] never holds a frame: [`Bridge::receive`] looks at the addresses and returns a [`Decision`]; who called
//! carries it out. There is one filtering database for all VLANs; tags pass unchanged. Port states are given from
//! outside. Left out: multicast filtering (all groups are flooded) and the priorities of clause 7.7.

mod bridge;
mod counters;
mod database;

#[cfg(test)]
mod tests;

pub use bridge::{Bridge, Decision, DropReason, MAX_PORTS, PortState, StaticError};
pub use counters::{Counters, PortCounters};
pub use database::{Entry, Kind};

use trunkline_core::Duration;

/// How a bridge is to work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// How long a station is remembered after its last frame (IEEE 802.1D-2004 §7.9.2). 10 to 1,000,000 s, 300 s by
    /// default; what lies outside is taken as the nearest.
    pub ageing_time: Duration,
    /// Stations remembered at most, static ones included. Frames to others are flooded. 16,384 by default.
    pub max_entries: usize,
}

impl Config {
    /// The shortest ageing time of a configuration (IEEE 802.1D-2004 table 7-5).
    pub const MIN_AGEING_TIME: Duration = Duration::from_secs(10);
    /// The longest ageing time (IEEE 802.1D-2004 table 7-5).
    pub const MAX_AGEING_TIME: Duration = Duration::from_secs(1_000_000);
}

impl Default for Config {
    fn default() -> Config {
        Config { ageing_time: Duration::from_secs(300), max_entries: 16_384 }
    }
}
