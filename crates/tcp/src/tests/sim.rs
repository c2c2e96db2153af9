//! Two or more hosts and a network that delays, loses, duplicates and reorders, all from one seed.

use crate::{Config, Endpoint, ListenerId, Options, Output, SocketId, State, Tcp, Transmit};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use trunkline_core::{Duration, Instant, Outbox, Rng};
use trunkline_wire::tcp::Segment;

pub(super) const A: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
pub(super) const B: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);

/// What the network does, in parts of 1000.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Weather {
    pub(super) loss: u64,
    pub(super) duplicate: u64,
    pub(super) reorder: u64,
    pub(super) delay: Duration,
}

pub(super) struct Packet {
    pub(super) transmit: Transmit,
    pub(super) octets: Vec<u8>,
}

pub(super) struct Sim {
    pub(super) now: Instant,
    pub(super) hosts: [Tcp; 2],
    pub(super) weather: Weather,
    pub(super) rng: Rng,
    pub(super) net: BTreeMap<(Instant, u64), Packet>,
    count: u64,
    pub(super) sent: u64,
    /// The segments to lose, by their number.
    pub(super) lose: Vec<u64>,
}

impl Sim {
    pub(super) fn new(seed: u64) -> Sim {
        // The time of the RFC: longer than the longest retransmission timeout, else a FIN that is lost again and again may
        // come back to a host that has forgotten it, and be reset.
        let config = Config { time_wait: Duration::from_secs(240), ..Config::default() };
        Sim::with(seed, [config.clone(), config])
    }

    pub(super) fn with(seed: u64, configs: [Config; 2]) -> Sim {
        let mut rng = Rng::new(seed);
        let hosts = configs.map(|config| Tcp::new(config, rng.fork()));
        let weather = Weather { delay: Duration::from_millis(1), ..Weather::default() };
        Sim {
            now: Instant::from_secs(10),
            hosts,
            weather,
            rng,
            net: BTreeMap::new(),
            count: 0,
            sent: 0,
            lose: Vec::new(),
        }
    }

    pub(super) fn address(host: usize) -> Ipv4Addr {
        [A, B][host]
    }

    pub(super) fn listen(&mut self, host: usize, port: u16, options: Options) -> ListenerId {
        self.hosts[host].listen(None, port, 128, options).unwrap()
    }

    pub(super) fn connect(
        &mut self,
        host: usize,
        remote: Endpoint,
        options: Options,
        out: &mut Outbox<Output>,
    ) -> SocketId {
        let local = (Sim::address(host), 0);
        self.hosts[host].connect(self.now, local, remote, options, 1500, out).unwrap()
    }

    /// Moves everything that wants to be sent into the network.
    pub(super) fn collect(&mut self) {
        for host in 0..2 {
            let mut buf = Vec::new();
            while let Some(transmit) = self.hosts[host].poll_transmit(self.now, &mut buf) {
                let octets = std::mem::take(&mut buf);
                self.put(host, transmit, octets);
            }
        }
    }

    fn put(&mut self, host: usize, transmit: Transmit, octets: Vec<u8>) {
        let parsed = Segment::parse(&octets, transmit.source, transmit.destination);
        assert!(parsed.is_ok(), "what we send is right");
        assert_eq!(transmit.source, Sim::address(host));
        let lost = self.lose.contains(&self.sent);
        self.sent += 1;
        if lost || self.rng.below(1000) < self.weather.loss {
            return;
        }
        let copies = 1 + u64::from(self.rng.below(1000) < self.weather.duplicate);
        for _ in 0..copies {
            let mut delay = self.weather.delay;
            if self.rng.below(1000) < self.weather.reorder {
                delay += delay * self.rng.below(8) as u32 / 2;
            }
            self.count += 1;
            self.net.insert((self.now + delay, self.count), Packet { transmit, octets: octets.clone() });
        }
    }

    /// When the next thing happens: an arrival or a timer. `None`: nothing ever will.
    pub(super) fn next_event(&mut self) -> Option<Instant> {
        self.collect();
        let arrival = self.net.first_key_value().map(|(&(at, _), _)| at);
        let timers = self.hosts.iter().filter_map(Tcp::poll_timeout).min();
        arrival.into_iter().chain(timers).min()
    }

    /// Lets the next thing happen.
    pub(super) fn step(&mut self, out: &mut [Outbox<Output>; 2]) -> Option<()> {
        let next = self.next_event()?;
        self.now = self.now.max(next);
        while let Some(entry) = self.net.first_entry() {
            if entry.key().0 > self.now {
                break;
            }
            let Packet { transmit, octets } = entry.remove();
            let to = usize::from(transmit.destination == B);
            let Transmit { source, destination, ttl, tos, .. } = transmit;
            self.hosts[to].segment(self.now, source, destination, ttl, tos, &octets, &mut out[to]);
            self.collect();
        }
        for (host, out) in self.hosts.iter_mut().zip(out) {
            host.handle_timeout(self.now, out);
        }
        self.collect();
        Some(())
    }

    /// Runs until nothing happens any more or `until`.
    pub(super) fn run(&mut self, until: Instant, out: &mut [Outbox<Output>; 2]) {
        while self.next_event().is_some_and(|at| at <= until) {
            self.step(out);
        }
        self.now = self.now.max(until);
    }

    pub(super) fn states(&self, host: usize) -> Vec<State> {
        self.hosts[host].connections(self.now).map(|c| c.state).collect()
    }
}
