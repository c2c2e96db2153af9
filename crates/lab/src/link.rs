//! What a link does to frames.

use trunkline_core::Duration;

/// A link: two ends are a cable, more are a hub.
#[derive(Debug, Clone, PartialEq)]
pub struct LinkConfig {
    /// Its name.
    pub name: String,
    /// From one end to another.
    pub delay: Duration,
    /// Bits a second; none: no limit.
    pub rate: Option<u64>,
    /// Frames that wait at an end, at most.
    pub queue: usize,
    /// Share of frames that are lost, 0..=1.
    pub loss: f64,
    /// Share of frames that come twice.
    pub duplicate: f64,
    /// Share of frames that come late.
    pub reorder: f64,
    /// Share of frames with a wrong octet.
    pub corrupt: f64,
}

impl LinkConfig {
    /// A link without faults.
    pub fn new(name: &str) -> LinkConfig {
        LinkConfig {
            name: name.to_owned(),
            delay: Duration::from_micros(1),
            rate: None,
            queue: 1000,
            loss: 0.0,
            duplicate: 0.0,
            reorder: 0.0,
            corrupt: 0.0,
        }
    }
}
