//! Machines among themselves: a LAN that loses, delays and repeats what they say.

use super::*;
use proptest::{prop_assert, prop_assert_eq, proptest, test_runner::Config as ProptestConfig};
use std::collections::{BTreeMap, BTreeSet};

const TICK: Duration = Duration::from_millis(1);

struct Station {
    arp: Arp,
    mac: MacAddr,
    address: Ipv4Addr,
    usable: bool,
    /// Numbers of the packets that came in or were given back.
    delivered: Vec<u8>,
    unreachable: BTreeSet<u8>,
}

/// A hub: what one says, all others hear, if not lost.
struct Lan {
    now: Instant,
    rng: Rng,
    /// In percent.
    loss: u64,
    stations: Vec<Station>,
    /// Who said what to whom; when it arrives, and a number to keep the order.
    wire: BTreeMap<(Instant, u64), (usize, MacAddr, Said)>,
    count: u64,
}

#[derive(Clone)]
enum Said {
    Arp(Packet),
    Data(Frame),
}

impl Lan {
    fn new(seed: u64, addresses: &[Ipv4Addr], config: &Config) -> Lan {
        let mut rng = Rng::new(seed);
        let stations = (1u8..)
            .zip(addresses)
            .map(|(n, &address)| Station {
                arp: Arp::new(config.clone(), rng.fork()),
                mac: MacAddr([2, 0, 0, 0, 0, n]),
                address,
                usable: false,
                delivered: Vec::new(),
                unreachable: BTreeSet::new(),
            })
            .collect();
        Lan { now: Instant::ZERO, rng, loss: 0, stations, wire: BTreeMap::new(), count: 0 }
    }

    fn start(&mut self, who: usize) {
        let Station { mac, address, .. } = self.stations[who];
        self.input(who, Input::Link { up: true, address: mac });
        self.input(who, Input::Addresses(&[(address, 24)]));
    }

    fn input(&mut self, who: usize, input: Input<'_>) {
        let mut out = Outbox::new();
        self.stations[who].arp.handle(self.now, input, &mut out);
        self.carry_out(who, &mut out);
    }

    fn carry_out(&mut self, who: usize, out: &mut Outbox<Output>) {
        for output in out.drain() {
            match output {
                Output::Arp { destination, arp } => self.say(who, destination, Said::Arp(arp)),
                Output::Packet { destination, packet } => self.say(who, destination, Said::Data(packet)),
                Output::Unreachable { packet, .. } => {
                    assert!(self.stations[who].unreachable.insert(packet[0]), "given back twice");
                }
                Output::Address { state, .. } => {
                    self.stations[who].usable = state == AddressState::Usable;
                }
                Output::Proxy(_) | Output::Event(_) => {}
            }
        }
    }

    fn say(&mut self, who: usize, destination: MacAddr, said: Said) {
        if self.rng.below(100) < self.loss {
            return;
        }
        let copies = if self.rng.below(100) < self.loss / 4 { 2 } else { 1 };
        for _ in 0..copies {
            self.count += 1;
            let at = self.now + Duration::from_micros(100 + self.rng.below(3000));
            self.wire.insert((at, self.count), (who, destination, said.clone()));
        }
    }

    fn run_until(&mut self, end: Instant) {
        loop {
            let timers = self.stations.iter().filter_map(|station| station.arp.poll_timeout()).min();
            let frames = self.wire.first_key_value().map(|(key, _)| key.0);
            let Some(next) = [timers, frames].into_iter().flatten().min().filter(|at| *at <= end) else {
                break;
            };
            self.now = self.now.max(next);
            while let Some(entry) = self.wire.first_entry().filter(|entry| entry.key().0 <= self.now) {
                let (who, destination, said) = entry.remove();
                self.arrive(who, destination, &said);
            }
            for who in 0..self.stations.len() {
                let mut out = Outbox::new();
                self.stations[who].arp.handle_timeout(self.now, &mut out);
                self.carry_out(who, &mut out);
            }
        }
        self.now = end;
    }

    fn arrive(&mut self, from: usize, destination: MacAddr, said: &Said) {
        for who in (0..self.stations.len()).filter(|&who| who != from) {
            let to_us = destination == self.stations[who].mac;
            match said {
                _ if !to_us && !destination.is_broadcast() => {}
                Said::Arp(arp) => {
                    let source = self.stations[from].mac;
                    self.input(who, Input::Packet { arp, source, to_us });
                }
                Said::Data(packet) => self.stations[who].delivered.push(packet[0]),
            }
        }
    }

    fn usable(&self) -> usize {
        self.stations.iter().filter(|station| station.usable).count()
    }

    /// What each believes of the others is so, where it believes anything.
    fn check_caches(&self) {
        for station in &self.stations {
            for entry in station.arp.entries(self.now).filter(|entry| entry.state == State::Reachable) {
                let owner = self.stations.iter().find(|other| other.address == entry.address);
                assert_eq!(
                    entry.mac,
                    owner.map(|owner| owner.mac),
                    "{} at {}",
                    entry.address,
                    station.address
                );
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is lost: each packet waits, arrives, was lost on the way or is given back, never two of them; and when
    /// the loss is over all reach all.
    #[test]
    fn packets_get_through_or_come_back(seed: u64, loss in 0u64..70, size in 2usize..4) {
        let addresses = &[US, PEER, OTHER][..size];
        let mut lan = Lan::new(seed, addresses, &Config::default());
        lan.loss = loss;
        (0..size).for_each(|who| lan.start(who));
        for n in 1..=60u8 {
            let from = lan.rng.below(size as u64) as usize;
            let to = (from + 1 + lan.rng.below(size as u64 - 1) as usize) % size;
            let next_hop = addresses[to];
            lan.input(from, Input::Send { next_hop, packet: frame(n) });
            let pause = Duration::from_millis(lan.rng.below(3000));
            lan.run_until(lan.now + pause);
            if lan.rng.below(8) == 0 {
                let mac = MacAddr([2, 0, 0, 0, n, from as u8]);
                lan.stations[from].mac = mac;
                lan.input(from, Input::Link { up: true, address: mac });
            }
        }
        lan.run_until(lan.now + Duration::from_secs(10));
        for station in &lan.stations {
            prop_assert_eq!(station.arp.pending, 0);
            for other in &lan.stations {
                prop_assert!(other.delivered.iter().all(|n| !station.unreachable.contains(n)));
            }
        }
        // No loss any more. A wrong entry, of a lost announcement, ends by probing: after at most 45 s in REACHABLE, 5 s
        // in DELAY, 3 s in PROBE and one resolution.
        lan.loss = 0;
        for round in 0..60u8 {
            lan.stations.iter_mut().for_each(|station| station.unreachable.clear());
            for from in 0..size {
                for to in (0..size).filter(|&to| to != from) {
                    let packet = frame(100 + round % 20 * 7 + (from * size + to) as u8);
                    lan.input(from, Input::Send { next_hop: addresses[to], packet });
                }
            }
            lan.run_until(lan.now + Duration::from_secs(1));
        }
        let settled = lan.now;
        lan.stations.iter_mut().for_each(|station| station.delivered.clear());
        for from in 0..size {
            for to in (0..size).filter(|&to| to != from) {
                let packet = frame((from * size + to) as u8);
                lan.input(from, Input::Send { next_hop: addresses[to], packet });
            }
        }
        lan.run_until(settled + Duration::from_millis(10));
        for to in 0..size {
            let mut got = lan.stations[to].delivered.clone();
            got.sort_unstable();
            let sent: Vec<u8> = (0..size).filter(|&from| from != to).map(|from| (from * size + to) as u8).collect();
            prop_assert_eq!(got, sent);
        }
        lan.check_caches();
        prop_assert_eq!(lan.usable(), size);
    }

    /// RFC 5227: of those that want one address, one gets it at most; without loss one that was there first keeps it.
    #[test]
    fn one_address_has_one_user(seed: u64, first in 0u64..12_000, third in 0u64..12_000) {
        let config = Config { duplicate_detection: true, defend: Defend::Once, ..Config::default() };
        let mut lan = Lan::new(seed, &[US, US, US], &config);
        let mut starts = [(0, 0), (first, 1), (third, 2)];
        starts.sort_unstable();
        for (at, who) in starts {
            lan.run_until(ms(at));
            lan.start(who);
        }
        let earliest = starts[0].1;
        for tick in 0..100u64 {
            lan.run_until(ms(12_000) + Duration::from_millis(tick * 500));
            prop_assert!(lan.usable() <= 1, "{} users", lan.usable());
        }
        // Who began 8 s before the others had it before they began.
        if starts[1].0 - starts[0].0 > 8000 {
            prop_assert!(lan.stations[earliest].usable);
        }
        // After collisions they try again, at times of their own; in the end one has it.
        lan.run_until(s(2000));
        prop_assert_eq!(lan.usable(), 1);
    }

    /// Two LANs with the same address are joined: one of the two gives up, and the caches of a third follow.
    #[test]
    fn joined_lans_settle(seed: u64, loss in 0u64..30) {
        let config = Config { duplicate_detection: true, defend: Defend::Once, ..Config::default() };
        let mut lan = Lan::new(seed, &[US, US, PEER], &config);
        lan.loss = 100;
        (0..3).for_each(|who| lan.start(who));
        lan.run_until(s(20));
        prop_assert_eq!(lan.usable(), 3);
        lan.loss = loss;
        for n in 0..60 {
            let from = (n % 2) as usize;
            lan.input(from, Input::Send { next_hop: PEER, packet: frame(n) });
            lan.input(from, Input::Clear { address: None });
            lan.run_until(lan.now + Duration::from_secs(1));
        }
        lan.loss = 0;
        lan.run_until(lan.now + Duration::from_secs(900));
        let users = lan.stations[..2].iter().filter(|station| station.usable).count();
        prop_assert_eq!(users, 1);
        let owner = lan.stations[..2].iter().find(|station| station.usable).map(|station| station.mac);
        lan.input(2, Input::Send { next_hop: US, packet: frame(99) });
        lan.run_until(lan.now + TICK * 50);
        let entry = lan.stations[2].arp.entries(lan.now).find(|entry| entry.address == US);
        prop_assert_eq!(entry.and_then(|entry| entry.mac), owner);
    }
}

#[test]
fn the_same_seed_is_the_same_run() {
    let run = |seed| {
        let mut lan = Lan::new(seed, &[US, PEER], &Config { duplicate_detection: true, ..Config::default() });
        lan.loss = 40;
        (0..2).for_each(|who| lan.start(who));
        lan.run_until(s(15));
        for n in 0..50 {
            lan.input(0, Input::Send { next_hop: PEER, packet: frame(n) });
            lan.run_until(lan.now + Duration::from_millis(700));
        }
        let counters = |who: usize| lan.stations[who].arp.counters().named().collect::<Vec<_>>();
        (lan.count, counters(0), counters(1), lan.stations[1].delivered.clone())
    };
    assert_eq!(run(5), run(5));
    assert_ne!(run(5), run(6));
}
