//! UplinkFast: tells the bridges around that stations are reached by another way now, with a frame from each of them to a
//! group that every bridge learns from and floods.

use std::collections::{BTreeSet, VecDeque};
use trunkline_core::{Duration, Instant, MacAddr};
use trunkline_wire::ethernet::{self, Content, Header};
use trunkline_wire::llc::{Llc, Snap};

/// Stations announced at most, which takes some two minutes.
pub(super) const MAX_STATIONS: usize = 16 * 1024;

/// 150 frames a second, in small steps.
const STEP: Duration = Duration::from_millis(20);
const FRAMES_IN_STEP: usize = 3;

const GROUP: MacAddr = MacAddr([0x01, 0x00, 0x0c, 0xcd, 0xcd, 0xcd]);
const SNAP: Snap = Snap { oui: [0x00, 0x00, 0x0c], pid: 0x200a };

/// What is yet to be announced.
#[derive(Debug, Default)]
pub(super) struct Announcer {
    /// The port by which.
    port: u32,
    stations: VecDeque<MacAddr>,
    at: Instant,
}

impl Announcer {
    /// Announces these by `port` from now on, and no others any more.
    pub(super) fn start(&mut self, now: Instant, port: u32, stations: BTreeSet<MacAddr>) {
        *self = Announcer { port, stations: stations.into_iter().collect(), at: now };
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        (!self.stations.is_empty()).then_some(self.at)
    }

    /// What is to be sent now, and by which port.
    pub(super) fn due(&mut self, now: Instant) -> Option<(u32, Vec<Vec<u8>>)> {
        if self.poll_timeout().is_none_or(|at| at > now) {
            return None;
        }
        self.at = now + STEP;
        let count = self.stations.len().min(FRAMES_IN_STEP);
        Some((self.port, self.stations.drain(..count).map(frame).collect()))
    }
}

fn frame(station: MacAddr) -> Vec<u8> {
    let mut payload = Vec::new();
    Llc { dsap: Llc::SNAP_SAP, ssap: Llc::SNAP_SAP, control: Llc::UI, snap: Some(SNAP) }.emit(&mut payload);
    let content = Content::Length(payload.len() as u16);
    let mut frame = Vec::with_capacity(ethernet::MIN_LEN);
    Header { destination: GROUP, source: station, tag: None, content }.emit(&mut frame);
    frame.extend_from_slice(&payload);
    ethernet::pad(&mut frame);
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    fn station(n: u16) -> MacAddr {
        let [a, b] = n.to_be_bytes();
        MacAddr([2, 0, 0, 0, a, b])
    }

    #[test]
    fn a_frame_comes_from_the_station_and_is_of_the_shortest_length() {
        let octets = frame(station(7));
        assert_eq!(octets[..14], [1, 0, 0x0c, 0xcd, 0xcd, 0xcd, 2, 0, 0, 0, 0, 7, 0, 8]);
        assert_eq!(octets[14..22], [0xaa, 0xaa, 3, 0, 0, 0x0c, 0x20, 0x0a]);
        assert_eq!(octets.len(), ethernet::MIN_LEN);
    }

    #[test]
    fn no_more_than_150_go_in_a_second() {
        let mut announcer = Announcer::default();
        announcer.start(Instant::ZERO, 5, (0..400).map(station).collect());
        let (mut now, mut sent) = (Instant::ZERO, 0);
        while let Some(at) = announcer.poll_timeout().filter(|at| at.as_nanos() < 1_000_000_000) {
            now = at.max(now);
            let (port, frames) = announcer.due(now).unwrap();
            assert_eq!(port, 5);
            sent += frames.len();
        }
        assert_eq!(sent, 150);
        assert!(announcer.due(now).is_none());
    }
}
