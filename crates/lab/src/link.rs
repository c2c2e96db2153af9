//! What a link does to frames: [`Line`] is one direction of it, a pure machine that a simulator and a relay on real wires
//! can both drive.

use std::collections::VecDeque;
use trunkline_core::{Duration, Frame, Instant, Rng};

/// Octets that each frame occupies on the wire beside its own: preamble and start delimiter 8, frame check sequence 4,
/// gap to the next 12 (IEEE 802.3-2018 §4.2.3, §4.4.2).
const WIRE_OVERHEAD: usize = 24;

/// How much later a late frame comes at most, beyond twice the link's delay.
const LATE: Duration = Duration::from_millis(1);

/// The most frames on their way in one direction of a link: a storm must not fill the memory.
const MAX_IN_FLIGHT: usize = 65_536;

/// A link: two ends are a cable, more are a hub.
#[derive(Debug, Clone, PartialEq)]
pub struct LinkConfig {
    /// Its name.
    pub name: String,
    /// From one end to another.
    pub delay: Duration,
    /// Bits a second, with what Ethernet adds to a frame; none: no limit.
    pub rate: Option<u64>,
    /// Frames that wait at an end, at most. One that finds no room is dropped. Only with a rate is there any waiting.
    pub queue: usize,
    /// Share of frames that are lost, 0..=1.
    pub loss: f64,
    /// Share of frames that come twice.
    pub duplicate: f64,
    /// Share of frames that come late: by a random time of up to 1 ms and twice the delay, so that others overtake them.
    pub reorder: f64,
    /// Share of frames of which one bit is wrong. They are delivered as if their frame check sequence were right, so that
    /// the checksums of IP, ICMP, UDP and TCP have something to find; what has none (ARP, Ethernet itself) is believed.
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

/// What became of a frame at its way into a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fate {
    /// When its first bit is sent.
    pub at: Instant,
    /// It will not arrive.
    pub lost: bool,
    /// It will arrive with a wrong bit.
    pub damaged: bool,
    /// It will arrive late.
    pub late: bool,
    /// It will arrive twice.
    pub doubled: bool,
}

impl Fate {
    /// In words, where something happens to it.
    pub fn words(&self) -> Option<&'static str> {
        match self {
            Fate { lost: true, .. } => Some("lost on the link"),
            Fate { damaged: true, .. } => Some("damaged on the link"),
            Fate { doubled: true, .. } => Some("doubled on the link"),
            Fate { late: true, .. } => Some("late on the link"),
            _ => None,
        }
    }
}

/// A frame on its way.
#[derive(Debug, Clone)]
pub(crate) struct Flight {
    pub(crate) due: Instant,
    /// Orders frames that are due at the same time; rises with each push.
    pub(crate) sequence: u64,
    /// Whatever the driver wants to know of it on arrival.
    pub(crate) tag: u32,
    pub(crate) frame: Frame,
}

/// One direction of a link.
///
/// Frames wait until those before them are sent, are sent at the line's rate, and arrive after its delay, in their
/// order but for late ones. What happens to each by chance depends on the seed and the frames before it alone.
#[derive(Debug, Clone)]
pub struct Line {
    delay: Duration,
    /// Nanoseconds for an octet, in units of 2^-32; 0: no limit.
    octet_time: u64,
    queue: usize,
    chances: Option<Chances>,
    rng: Rng,
    /// When the last frame is sent completely.
    free_at: Instant,
    /// When the last frame arrives that is not late.
    last_due: Instant,
    /// When the sending of each frame begins that may still wait.
    waiting: VecDeque<Instant>,
    /// By `due`, then `sequence`.
    flights: VecDeque<Flight>,
    next_sequence: u64,
    counters: LineCounters,
}

/// What a line has done so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LineCounters {
    /// Frames that were sent.
    pub sent: u64,
    /// Frames that found no room.
    pub no_room: u64,
    /// Frames lost by chance.
    pub lost: u64,
    /// Frames with a wrong bit.
    pub damaged: u64,
    /// Frames that came late.
    pub late: u64,
    /// Frames that came twice.
    pub doubled: u64,
}

impl LineCounters {
    /// Adds those of another line.
    pub fn add(&mut self, other: &LineCounters) {
        self.sent += other.sent;
        self.no_room += other.no_room;
        self.lost += other.lost;
        self.damaged += other.damaged;
        self.late += other.late;
        self.doubled += other.doubled;
    }
}

/// Chances as thresholds for 64 random bits.
#[derive(Debug, Clone, Copy)]
struct Chances {
    loss: u64,
    duplicate: u64,
    reorder: u64,
    corrupt: u64,
}

impl Chances {
    fn new(config: &LinkConfig) -> Option<Chances> {
        let shares = [config.loss, config.duplicate, config.reorder, config.corrupt];
        // A cast of a float saturates: 1.0 is always, but for one case in 2^64.
        let [loss, duplicate, reorder, corrupt] = shares.map(|share| (share * 2f64.powi(64)) as u64);
        shares.iter().any(|share| *share > 0.0).then_some(Chances { loss, duplicate, reorder, corrupt })
    }
}

impl Line {
    /// A line as `config` describes it, free. `rng` is its own.
    pub fn new(config: &LinkConfig, rng: Rng) -> Line {
        let mut line = Line {
            delay: Duration::ZERO,
            octet_time: 0,
            queue: 0,
            chances: None,
            rng,
            free_at: Instant::ZERO,
            last_due: Instant::ZERO,
            waiting: VecDeque::new(),
            flights: VecDeque::new(),
            next_sequence: 0,
            counters: LineCounters::default(),
        };
        line.set_config(config);
        line
    }

    /// Changes what happens to frames from now on; those on their way keep their fate.
    pub fn set_config(&mut self, config: &LinkConfig) {
        self.delay = config.delay;
        self.octet_time = config.rate.map_or(0, |rate| {
            let nanos = (8_000_000_000_u128 << 32) / u128::from(rate.max(1));
            u64::try_from(nanos).unwrap_or(u64::MAX).max(1)
        });
        self.queue = config.queue;
        self.chances = Chances::new(config);
    }

    /// Sends a frame; none where there is no room for it.
    pub fn push(&mut self, now: Instant, frame: Frame) -> Option<Fate> {
        self.push_tagged(now, frame, self.next_sequence, 0)
    }

    /// As [`Line::push`], with the driver's own numbers. Of doubled frames the second has the next sequence number.
    #[inline]
    pub(crate) fn push_tagged(
        &mut self,
        now: Instant,
        frame: Frame,
        sequence: u64,
        tag: u32,
    ) -> Option<Fate> {
        self.next_sequence = sequence + 2;
        if self.flights.len() >= MAX_IN_FLIGHT {
            self.counters.no_room += 1;
            return None;
        }
        let (start, end) = self.occupy(now, frame.len())?;
        let mut fate = Fate { at: start, lost: false, damaged: false, late: false, doubled: false };
        self.counters.sent += 1;
        // A shorter delay than before lets nothing overtake.
        let due = (end + self.delay).max(self.last_due);
        self.last_due = due;
        let flight = Flight { due, sequence, tag, frame };
        match self.chances {
            None => self.launch(flight),
            Some(chances) => self.launch_by_chance(chances, flight, &mut fate),
        }
        Some(fate)
    }

    /// When a frame of this length begins and ends to be sent; none where the queue is full.
    #[inline]
    fn occupy(&mut self, now: Instant, len: usize) -> Option<(Instant, Instant)> {
        if self.octet_time == 0 {
            return Some((now, now));
        }
        while self.waiting.front().is_some_and(|start| *start <= now) {
            self.waiting.pop_front();
        }
        let start = self.free_at.max(now);
        if start > now {
            if self.waiting.len() >= self.queue {
                self.counters.no_room += 1;
                return None;
            }
            self.waiting.push_back(start);
        }
        let octets = (len.max(trunkline_wire::ethernet::MIN_LEN) + WIRE_OVERHEAD) as u128;
        let nanos = (octets * u128::from(self.octet_time)) >> 32;
        self.free_at = start + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        Some((start, self.free_at))
    }

    fn launch_by_chance(&mut self, chances: Chances, mut flight: Flight, fate: &mut Fate) {
        if self.happens(chances.loss) {
            fate.lost = true;
            self.counters.lost += 1;
            return;
        }
        if self.happens(chances.corrupt) && !flight.frame.is_empty() {
            fate.damaged = true;
            self.counters.damaged += 1;
            let bit = self.rng.below(flight.frame.len() as u64 * 8) as usize;
            if let Some(octet) = flight.frame.make_mut().get_mut(bit / 8) {
                *octet ^= 1 << (bit % 8);
            }
        }
        if self.happens(chances.duplicate) {
            fate.doubled = true;
            self.counters.doubled += 1;
            let mut copy = Flight { sequence: flight.sequence + 1, ..flight.clone() };
            self.delay_by_chance(chances, &mut copy, fate);
            self.launch(copy);
        }
        self.delay_by_chance(chances, &mut flight, fate);
        self.launch(flight);
    }

    fn delay_by_chance(&mut self, chances: Chances, flight: &mut Flight, fate: &mut Fate) {
        if self.happens(chances.reorder) {
            fate.late = true;
            self.counters.late += 1;
            let most = (self.delay * 2 + LATE).as_nanos();
            let nanos = 1 + self.rng.below(u64::try_from(most).unwrap_or(u64::MAX));
            flight.due += Duration::from_nanos(nanos);
        }
    }

    #[inline]
    fn happens(&mut self, threshold: u64) -> bool {
        threshold > 0 && self.rng.next_u64() <= threshold
    }

    /// Puts a frame among those on their way. Nearly always it is the last.
    #[inline]
    fn launch(&mut self, flight: Flight) {
        let key = |f: &Flight| (f.due, f.sequence);
        if self.flights.back().is_none_or(|last| key(last) < key(&flight)) {
            self.flights.push_back(flight);
        } else {
            let place = self.flights.partition_point(|other| key(other) < key(&flight));
            self.flights.insert(place, flight);
        }
    }

    /// When the next frame arrives.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.flights.front().map(|flight| flight.due)
    }

    /// The next frame that has arrived.
    pub fn pop_due(&mut self, now: Instant) -> Option<Frame> {
        if self.poll_timeout()? > now {
            return None;
        }
        self.flights.pop_front().map(|flight| flight.frame)
    }

    /// When the next frame arrives, and its sequence number.
    #[inline]
    pub(crate) fn next(&self) -> Option<(Instant, u64)> {
        self.flights.front().map(|flight| (flight.due, flight.sequence))
    }

    /// The next frame, whenever it arrives.
    #[inline]
    pub(crate) fn pop(&mut self) -> Option<Flight> {
        self.flights.pop_front()
    }

    /// Loses all that is on its way or waits.
    pub fn clear(&mut self, now: Instant) {
        self.flights.clear();
        self.waiting.clear();
        self.free_at = now;
        self.last_due = now;
    }

    /// Frames that wait or are on their way.
    pub fn in_flight(&self) -> usize {
        self.flights.len()
    }

    /// What it has done so far.
    pub fn counters(&self) -> LineCounters {
        self.counters
    }
}

/// A link of two ends, 0 and 1, for those who drive one without a lab: a relay between two ports.
#[derive(Debug, Clone)]
pub struct Cable {
    /// By the end where frames go in.
    lines: [Line; 2],
}

impl Cable {
    /// A cable; the seed decides all chance.
    pub fn new(config: &LinkConfig, seed: u64) -> Cable {
        let mut rng = Rng::new(seed);
        Cable { lines: [Line::new(config, rng.fork()), Line::new(config, rng.fork())] }
    }

    /// Sends a frame into an end; none where there is no room for it.
    pub fn push(&mut self, now: Instant, from: usize, frame: Frame) -> Option<Fate> {
        self.lines.get_mut(from)?.push(now, frame)
    }

    /// When the next frame comes out.
    pub fn poll_timeout(&self) -> Option<Instant> {
        trunkline_core::earliest(self.lines.iter().map(Line::poll_timeout))
    }

    /// The next frame that is due, and the end where it comes out.
    pub fn pop_due(&mut self, now: Instant) -> Option<(usize, Frame)> {
        let [first, second] = &mut self.lines;
        let first_is_next = match (first.poll_timeout(), second.poll_timeout()) {
            (Some(first), Some(second)) => first <= second,
            (first, _) => first.is_some(),
        };
        let (line, to) = if first_is_next { (first, 1) } else { (second, 0) };
        line.pop_due(now).map(|frame| (to, frame))
    }

    /// What each direction has done so far.
    pub fn counters(&self) -> [LineCounters; 2] {
        [self.lines[0].counters(), self.lines[1].counters()]
    }
}

#[cfg(test)]
mod tests;
