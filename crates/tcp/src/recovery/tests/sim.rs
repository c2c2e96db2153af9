//! A sender that is nothing but [`Recovery`], a path with rate, delay, queue, loss and reordering, and a receiver with SACK
//! (RFC 2018), DSACK (RFC 2883), timestamps (RFC 7323) and delayed acknowledgments. The same seed, the same run.

use crate::SeqNum;
use crate::recovery::{Algorithm, Recovery, RecoveryConfig, TimeoutAction};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use trunkline_core::{Duration, Instant, Rng};

pub(crate) const MSS: u32 = 1448;
const ISS: SeqNum = SeqNum(0xffff_8000);

/// The path and what runs over it.
#[derive(Clone)]
pub(crate) struct Setup {
    pub(crate) algorithm: Algorithm,
    pub(crate) sack: bool,
    pub(crate) dsack: bool,
    pub(crate) timestamps: bool,
    /// One way.
    pub(crate) delay: Duration,
    /// Octets per second, 0 for no limit.
    pub(crate) rate: u64,
    /// Segments that wait at most.
    pub(crate) queue: usize,
    /// Of each million.
    pub(crate) loss: u64,
    pub(crate) ack_loss: u64,
    /// Of each million are late by `late`.
    pub(crate) reorder: u64,
    pub(crate) late: Duration,
    /// Transmissions that are dropped: (segment number from 0, which transmission of it from 0).
    pub(crate) drops: BTreeSet<(u32, u32)>,
    /// From when to when everything is held back, and is delivered at the end of it.
    pub(crate) stall: Option<(Duration, Duration)>,
    /// Octets to be sent.
    pub(crate) octets: u32,
    pub(crate) window: u32,
    pub(crate) delayed_acks: bool,
    pub(crate) seed: u64,
}

impl Default for Setup {
    fn default() -> Setup {
        Setup {
            algorithm: Algorithm::NewReno,
            sack: true,
            dsack: true,
            timestamps: true,
            delay: Duration::from_millis(10),
            rate: 12_500_000,
            queue: 1000,
            loss: 0,
            ack_loss: 0,
            reorder: 0,
            late: Duration::ZERO,
            drops: BTreeSet::new(),
            stall: None,
            octets: 100 * MSS,
            window: 8 << 20,
            delayed_acks: true,
            seed: 1,
        }
    }
}

/// What came of it.
#[derive(Debug, Default, Clone, PartialEq)]
pub(crate) struct Result {
    /// When everything was acknowledged, from the end of the handshake; `None`: never.
    pub(crate) took: Option<Duration>,
    pub(crate) sent: u32,
    pub(crate) retransmitted: u32,
    pub(crate) dropped: u32,
    /// Segments that arrived though all of them was there.
    pub(crate) needless: u32,
    pub(crate) timeouts: u64,
    pub(crate) probes: u64,
    pub(crate) recoveries: u64,
    pub(crate) undone: u64,
    pub(crate) cwnd: u32,
    pub(crate) ssthresh: u32,
    /// Most octets that the sender thought in the network.
    pub(crate) widest: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Data { seq: u32, len: u32, stamp: u64 },
    Ack { ack: u32, sack: Vec<(u32, u32)>, echo: u64, dup: bool },
    DelayedAck(u64),
    Timer,
}

struct Receiver {
    next: u32,
    /// Ranges above `next`, by their beginning.
    waiting: BTreeMap<u32, u32>,
    /// Beginnings of the ranges, the latest first.
    recent: Vec<u32>,
    unacked: u32,
    timer: u64,
    echo: u64,
    last_ack: Option<u32>,
}

pub(crate) struct Sim {
    setup: Setup,
    now: Instant,
    /// What happens to the sender's segments: to the n-th of one run as to the n-th of another with the same seed.
    rng: Rng,
    /// What happens to acknowledgments.
    ack_rng: Rng,
    order: u64,
    events: BinaryHeap<Reverse<(Instant, u64, Event)>>,
    pub(crate) recovery: Recovery,
    receiver: Receiver,
    una: u32,
    nxt: u32,
    free_at: Instant,
    began: Instant,
    probe: bool,
    counts: BTreeMap<u32, u32>,
    result: Result,
}

/// Offsets from the first data octet, as sequence numbers.
fn seq(offset: u32) -> SeqNum {
    ISS + 1 + offset
}

/// Runs it until everything is acknowledged, or ten hours are over.
pub(crate) fn run(setup: Setup) -> Result {
    let mut sim = Sim::new(setup);
    sim.go();
    sim.finish()
}

impl Sim {
    pub(crate) fn new(setup: Setup) -> Sim {
        let config = RecoveryConfig {
            algorithm: setup.algorithm,
            mss: MSS,
            sack: setup.sack,
            timestamps: setup.timestamps,
            ..RecoveryConfig::default()
        };
        let mut recovery = Recovery::new(config, ISS);
        let began = Instant::ZERO + setup.delay * 2;
        recovery.on_sent(Instant::ZERO, ISS, 1, false, true);
        recovery.on_negotiated(MSS, setup.sack, setup.timestamps);
        recovery.on_ack(began, ISS + 1, &[], None, setup.window, false);
        Sim {
            rng: Rng::new(setup.seed),
            ack_rng: Rng::new(!setup.seed),
            setup,
            now: began,
            order: 0,
            events: BinaryHeap::new(),
            recovery,
            receiver: Receiver {
                next: 0,
                waiting: BTreeMap::new(),
                recent: Vec::new(),
                unacked: 0,
                timer: 0,
                echo: 0,
                last_ack: None,
            },
            una: 0,
            nxt: 0,
            free_at: began,
            began,
            probe: false,
            counts: BTreeMap::new(),
            result: Result::default(),
        }
    }

    fn at(&mut self, when: Instant, event: Event) {
        self.order += 1;
        self.events.push(Reverse((when, self.order, event)));
    }

    pub(crate) fn go(&mut self) {
        self.pump();
        while self.una < self.setup.octets && self.now < Instant::from_secs(36_000) {
            let timer = self.recovery.poll_timeout().map(|at| at.max(self.now));
            let next = self.events.peek().map(|Reverse((at, ..))| *at);
            let event = match (timer, next) {
                (Some(timer), Some(next)) if timer < next => {
                    self.now = timer;
                    Event::Timer
                }
                (Some(timer), None) => {
                    self.now = timer;
                    Event::Timer
                }
                (_, Some(_)) => {
                    let Some(Reverse((at, _, event))) = self.events.pop() else { unreachable!() };
                    self.now = at;
                    event
                }
                (None, None) => panic!("forgotten: {} of {} is acknowledged", self.una, self.setup.octets),
            };
            self.happen(event);
            self.pump();
        }
    }

    fn finish(mut self) -> Result {
        if self.una == self.setup.octets {
            self.result.took = Some(self.now - self.began);
        }
        let counters = self.recovery.counters();
        self.result.timeouts = counters.timeouts;
        self.result.probes = counters.probes;
        self.result.recoveries = counters.recoveries;
        self.result.undone = counters.undone;
        self.result.cwnd = self.recovery.cwnd();
        self.result.ssthresh = self.recovery.ssthresh();
        self.result
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Timer => {
                if self.recovery.on_timeout(self.now) == TimeoutAction::Probe {
                    self.probe = true;
                }
            }
            Event::Data { seq, len, stamp } => self.arrive(seq, len, stamp),
            Event::DelayedAck(timer) => {
                if timer == self.receiver.timer && self.receiver.unacked > 0 {
                    self.acknowledge(None);
                }
            }
            Event::Ack { ack, sack, echo, dup } => {
                let advanced = ack > self.una;
                self.una = self.una.max(ack);
                let rtt = (self.setup.timestamps && advanced)
                    .then(|| Duration::from_millis(self.millis() - echo.min(self.millis())));
                let sack: Vec<_> = sack.iter().map(|&(l, r)| (seq(l), seq(r))).collect();
                self.recovery.on_ack(self.now, seq(ack), &sack, rtt, self.setup.window, dup);
            }
        }
    }

    fn millis(&self) -> u64 {
        self.now.as_nanos() / 1_000_000
    }

    /// The sender sends what it may.
    fn pump(&mut self) {
        loop {
            if let Some((s, len)) = self.recovery.next_retransmission(self.now) {
                let offset = (s - seq(0)) as u32;
                assert!(offset >= self.una && len > 0 && len <= MSS && offset + len <= self.nxt);
                self.transmit(offset, len, true);
                continue;
            }
            let window = (self.una + self.setup.window).saturating_sub(self.nxt);
            let left = (self.setup.octets - self.nxt).min(MSS);
            if std::mem::take(&mut self.probe) {
                if left > 0 && window >= left {
                    self.transmit(self.nxt, left, false);
                } else {
                    let last = self.una.max(self.nxt - (self.nxt - self.una).min(MSS));
                    self.transmit(last, self.nxt - last, true);
                }
                continue;
            }
            let allowance = self.recovery.send_allowance();
            if left == 0 || allowance.min(window) < left {
                return;
            }
            self.transmit(self.nxt, left, false);
        }
    }

    fn transmit(&mut self, offset: u32, len: u32, again: bool) {
        self.result.sent += 1;
        self.result.retransmitted += u32::from(again);
        if !again {
            self.nxt += len;
        }
        let app_limited = self.nxt == self.setup.octets;
        self.recovery.on_sent(self.now, seq(offset), len, again, app_limited);
        self.result.widest = self.result.widest.max(self.nxt - self.una);
        let segment = offset / MSS;
        let count = self.counts.entry(segment).or_default();
        let which = (segment, *count);
        *count += 1;
        let waits = self.free_at.since(self.now);
        let service = match self.setup.rate {
            0 => Duration::ZERO,
            rate => Duration::from_nanos(u64::from(len + 52) * 1_000_000_000 / rate),
        };
        let queued = if service.is_zero() { 0 } else { (waits.as_nanos() / service.as_nanos()) as usize };
        let lost = self.rng.below(1_000_000) < self.setup.loss;
        let late = self.rng.below(1_000_000) < self.setup.reorder;
        if self.setup.drops.contains(&which) || lost || queued > self.setup.queue {
            self.result.dropped += 1;
            return;
        }
        self.free_at = self.free_at.max(self.now) + service;
        let mut when = self.free_at + self.setup.delay;
        if late {
            when += self.setup.late;
        }
        if let Some((from, to)) = self.setup.stall {
            let (from, to) = (self.began + from, self.began + to);
            if when >= from && when < to {
                when = to + when.since(from) / 1000;
            }
        }
        let stamp = self.millis();
        self.at(when, Event::Data { seq: offset, len, stamp });
    }

    fn arrive(&mut self, start: u32, len: u32, stamp: u64) {
        let end = start + len;
        let r = &mut self.receiver;
        let held = r.waiting.range(..=start).next_back().is_some_and(|(_, e)| *e >= end);
        if end <= r.next || held {
            self.result.needless += 1;
            return self.acknowledge(Some((start, end)));
        }
        if start <= r.next {
            r.echo = stamp;
        }
        let (mut from, mut to) = (start, end);
        let touching: Vec<_> =
            r.waiting.iter().filter(|(s, e)| **s <= to && **e >= from).map(|(s, e)| (*s, *e)).collect();
        for (s, e) in touching {
            r.waiting.remove(&s);
            r.recent.retain(|x| *x != s);
            (from, to) = (from.min(s), to.max(e));
        }
        let gap = !r.waiting.is_empty();
        if from <= r.next {
            let filled = to > end;
            r.next = to;
            r.unacked += 1;
            if self.setup.delayed_acks && r.unacked < 2 && !gap && !filled {
                r.timer += 1;
                let (timer, when) = (r.timer, self.now + Duration::from_millis(40));
                return self.at(when, Event::DelayedAck(timer));
            }
        } else {
            r.waiting.insert(from, to);
            r.recent.insert(0, from);
        }
        self.acknowledge(None);
    }

    fn acknowledge(&mut self, duplicate: Option<(u32, u32)>) {
        let r = &mut self.receiver;
        r.unacked = 0;
        r.timer += 1;
        let mut sack: Vec<(u32, u32)> = Vec::new();
        if self.setup.sack {
            sack.extend(duplicate.filter(|_| self.setup.dsack));
            sack.extend(r.recent.iter().map(|s| (*s, r.waiting[s])));
            sack.truncate(if self.setup.timestamps { 3 } else { 4 });
        }
        let dup = r.last_ack == Some(r.next);
        r.last_ack = Some(r.next);
        let event = Event::Ack { ack: r.next, sack, echo: r.echo, dup };
        if self.ack_rng.below(1_000_000) >= self.setup.ack_loss {
            let when = self.now + self.setup.delay;
            self.at(when, event);
        }
    }
}
