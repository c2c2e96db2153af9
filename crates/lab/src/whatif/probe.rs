//! Probes: small frames from host to host, numbered in the order in which they are sent, and what became of each.

use std::collections::VecDeque;
use trunkline_core::{Duration, Frame, Instant, MacAddr};
use trunkline_wire::ethernet::{self, EtherType, Header};

/// Local Experimental EtherType 1 (IEEE 802-2014 §9.2.4).
const ETHER_TYPE: EtherType = EtherType(0x88b5);

/// What a probe begins with, so that it is not taken for another's experiment.
const MAGIC: [u8; 8] = *b"trunk-if";

/// The shortest interval unless another is wanted.
const SHORTEST: Duration = Duration::from_millis(10);

/// Probes of all pairs together come at most so often, unless another interval is wanted.
const SPACING: Duration = Duration::from_micros(100);

/// The latest probes that are known one by one: at most one in 100 µs, 6.5 s. What comes later is not known any more.
const MAX_KNOWN: usize = 65_536;

/// From whom to whom: indices of hosts. To none: to all, by broadcast; it shows loops alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Flow {
    pub(super) from: usize,
    pub(super) to: Option<usize>,
}

/// How often each flow sends.
pub(super) fn interval(flows: usize, wanted: Option<Duration>) -> Duration {
    let flows = u32::try_from(flows).unwrap_or(u32::MAX);
    wanted.unwrap_or(SHORTEST.max(SPACING * flows)).max(Duration::from_millis(1))
}

/// The number of a probe; none: the frame is something else.
pub(super) fn number(frame: &[u8]) -> Option<u64> {
    let (header, payload) = frame.split_first_chunk::<{ ethernet::LEN }>()?;
    if header[12..] != ETHER_TYPE.0.to_be_bytes() {
        return None;
    }
    let (magic, rest) = payload.split_first_chunk::<8>()?;
    let (number, _) = rest.split_first_chunk::<8>()?;
    (*magic == MAGIC).then_some(u64::from_be_bytes(*number))
}

/// A probe with this number.
pub(super) fn frame(number: u64, from: MacAddr, to: MacAddr) -> Frame {
    let mut octets = Vec::with_capacity(ethernet::MIN_LEN);
    Header::new(to, from, ETHER_TYPE).emit(&mut octets);
    octets.extend_from_slice(&MAGIC);
    octets.extend_from_slice(&number.to_be_bytes());
    ethernet::pad(&mut octets);
    Frame::from(octets)
}

/// What is lost of a flow, told in the order in which it was sent.
#[derive(Debug, Clone, Default)]
pub(super) struct Gaps {
    /// Probes that were lost one after the other until now.
    run: u32,
    longest: u32,
    lost: u32,
    told: u32,
    pub(super) duplicates: u64,
}

impl Gaps {
    /// The next probe: how often it arrived. Those lost before the failure do not count, unless none has arrived since.
    pub(super) fn tell(&mut self, sent: Instant, failure: Instant, arrived: u32) {
        self.told += 1;
        self.duplicates += u64::from(arrived.saturating_sub(1));
        if arrived == 0 {
            self.run += 1;
        } else {
            if sent >= failure {
                self.end_run();
            }
            self.run = 0;
        }
    }

    fn end_run(&mut self) {
        self.longest = self.longest.max(self.run);
        self.lost += self.run;
    }

    /// The longest gap and all gaps together in probes, and how many are lost at the end.
    pub(super) fn at_end(mut self) -> (u32, u32, u32) {
        self.end_run();
        (self.longest, self.lost, self.run)
    }

    /// Whether anything was told.
    pub(super) fn is_empty(&self) -> bool {
        self.told == 0
    }
}

/// A probe that was sent.
#[derive(Debug, Clone, Default)]
struct Known {
    /// Directions of links that it has gone into.
    lines: Vec<u32>,
    arrived: u32,
    looped: bool,
}

/// All probes of a run.
#[derive(Debug)]
pub(super) struct Probes {
    pub(super) flows: Vec<Flow>,
    pub(super) gaps: Vec<Gaps>,
    /// Probes that went into the same direction of a link twice.
    pub(super) looped: u64,
    /// How often they did.
    pub(super) crossings: u64,
    start: Instant,
    failure: Instant,
    interval: Duration,
    /// The number of the first that is known.
    first: u64,
    known: VecDeque<Known>,
}

impl Probes {
    /// Of these flows, from `start` on; the failure is at `failure`.
    pub(super) fn new(flows: Vec<Flow>, start: Instant, failure: Instant, interval: Duration) -> Probes {
        let gaps = vec![Gaps::default(); flows.len()];
        let known = VecDeque::new();
        Probes { flows, gaps, looped: 0, crossings: 0, start, failure, interval, first: 0, known }
    }

    /// The number of the next probe, its flow, and when it is to be sent.
    pub(super) fn next(&self) -> Option<(u64, Flow, Instant)> {
        let number = self.first + self.known.len() as u64;
        let flow = self.flows.get(self.flow(number)).copied()?;
        Some((number, flow, self.sent(number)))
    }

    /// The next probe is sent.
    pub(super) fn send(&mut self) {
        if self.known.len() >= MAX_KNOWN {
            self.forget_first();
        }
        self.known.push_back(Known::default());
    }

    fn flow(&self, number: u64) -> usize {
        (number % (self.flows.len() as u64).max(1)) as usize
    }

    /// All flows in turn, evenly in time.
    fn sent(&self, number: u64) -> Instant {
        let flows = (self.flows.len() as u64).max(1);
        let nanos = self.interval.as_nanos() * u128::from(number) / u128::from(flows);
        self.start + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// To whom a probe goes.
    pub(super) fn destination(&self, number: u64) -> Option<usize> {
        self.flows.get(self.flow(number))?.to
    }

    /// A probe goes into a direction of a link, and arrives by it or not.
    pub(super) fn saw(&mut self, number: u64, line: u32, arrives: bool) {
        let place = number.checked_sub(self.first).and_then(|place| usize::try_from(place).ok());
        let Some(known) = place.and_then(|place| self.known.get_mut(place)) else { return };
        known.arrived += u32::from(arrives);
        if !known.lines.contains(&line) {
            known.lines.push(line);
            return;
        }
        self.crossings += 1;
        if !std::mem::replace(&mut known.looped, true) {
            self.looped += 1;
        }
    }

    fn forget_first(&mut self) {
        let Some(known) = self.known.pop_front() else { return };
        let (number, flow) = (self.first, self.flow(self.first));
        self.first += 1;
        let sent = self.sent(number);
        if let Some(gaps) = self.gaps.get_mut(flow) {
            gaps.tell(sent, self.failure, known.arrived);
        }
    }

    /// Nothing arrives any more.
    pub(super) fn finish(&mut self) {
        while !self.known.is_empty() {
            self.forget_first();
        }
    }
}
