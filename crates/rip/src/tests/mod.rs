//! Tests of RIP. One machine, "us" (10.1.0.1/16 on `a`, 10.2.0.1/16 on `b`), is driven by hand; in `bus` many drive each
//! other.

mod bus;
mod counting;
mod keys;
mod limits;
mod matrix;
mod networks;
mod output;
mod random;
mod receive;
mod reconfigure;
mod timers;
mod version1;

use crate::*;
use std::net::Ipv4Addr;
use std::sync::Arc;
use trunkline_core::{Duration, Instant, Ipv4Prefix, Outbox, Prefix, Rng};
use trunkline_view::rip::{RouteView, RoutesQuery};
use trunkline_wire::rip::{Command, Entry, Message, PORT};

const A: InterfaceId = InterfaceId(1);
const B: InterfaceId = InterfaceId(2);
const US: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 1);
const US_B: Ipv4Addr = Ipv4Addr::new(10, 2, 0, 1);
/// Neighbours on `a`.
const PEER: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 2);
const OTHER: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 3);
/// One on `b`.
const FAR: Ipv4Addr = Ipv4Addr::new(10, 2, 0, 2);
const NOBODY: Ipv4Addr = Ipv4Addr::UNSPECIFIED;

const fn s(secs: u64) -> Instant {
    Instant::from_secs(secs)
}

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn p(text: &str) -> Ipv4Prefix {
    match text.parse().unwrap() {
        Prefix::V4(prefix) => prefix,
        Prefix::V6(_) => panic!("an IPv6 prefix"),
    }
}

fn v2(prefix: &str, metric: u8) -> Entry {
    Entry::v2(p(prefix), 0, NOBODY, metric)
}

/// RIP on `a` and `b`.
fn config() -> Config {
    let mut config = Config::default();
    for name in ["a", "b"] {
        config.interfaces.insert(name.into(), InterfaceConfig::default());
    }
    config
}

/// The same, with `change` made on both interfaces.
fn config_with(change: impl Fn(&mut InterfaceConfig)) -> Config {
    let mut config = config();
    config.interfaces.values_mut().for_each(change);
    config
}

/// A message that was sent.
#[derive(Debug, Clone, PartialEq)]
struct Sent {
    interface: InterfaceId,
    source: Ipv4Addr,
    destination: Ipv4Addr,
    port: u16,
    message: Message,
    octets: Arc<[u8]>,
}

impl Sent {
    fn entries(&self) -> Vec<(String, u32)> {
        self.message
            .entries
            .iter()
            .map(|e| (e.prefix().map_or(e.address.to_string(), |prefix| prefix.to_string()), e.metric))
            .collect()
    }
}

/// A machine with its clock.
struct Us {
    rip: Rip,
    now: Instant,
    out: Outbox<Output>,
}

impl Us {
    /// No interface is known yet.
    fn bare(config: Config) -> Us {
        Us::seeded(config, 7)
    }

    fn seeded(config: Config, seed: u64) -> Us {
        let mut rip = Rip::new(Instant::ZERO, config, 1_000, Rng::new(seed));
        rip.watch(true);
        Us { rip, now: Instant::ZERO, out: Outbox::new() }
    }

    /// Both interfaces are up, the first updates are sent.
    fn up(config: Config) -> Us {
        Us::bare(config).started()
    }

    fn started(mut self) -> Us {
        let us = &mut self;
        us.interface(A, "a", true, &[(US, 16)]);
        us.interface(B, "b", true, &[(US_B, 16)]);
        us.run_until(s(100));
        self
    }

    /// Right after a regular update, so that the next is far.
    fn after_update(&mut self) {
        while self.rip.summary(self.now).next_update.unwrap() < 24.9 {
            self.run_for(Duration::from_millis(50));
        }
    }

    fn input(&mut self, input: Input<'_>) -> Vec<Output> {
        self.rip.handle(self.now, input, &mut self.out);
        self.out.drain().collect()
    }

    fn interface(
        &mut self,
        id: InterfaceId,
        name: &str,
        up: bool,
        addresses: &[(Ipv4Addr, u8)],
    ) -> Vec<Output> {
        self.input(Input::Interface { id, name, up, addresses, mtu: 1500 })
    }

    fn datagram(&mut self, interface: InterfaceId, source: (Ipv4Addr, u16), octets: &[u8]) -> Vec<Output> {
        self.input(Input::Datagram { interface, source: source.0, source_port: source.1, octets })
    }

    fn message(&mut self, interface: InterfaceId, source: Ipv4Addr, message: &Message) -> Vec<Output> {
        let mut octets = Vec::new();
        message.emit(&mut octets);
        self.datagram(interface, (source, PORT), &octets)
    }

    /// A response of version 2.
    fn hear(&mut self, source: Ipv4Addr, entries: &[Entry]) -> Vec<Output> {
        let interface = if source.octets()[1] == 2 { B } else { A };
        self.message(interface, source, &Message::new(Command::Response, 2, entries.to_vec()))
    }

    /// What comes out until `end`.
    fn run_until(&mut self, end: Instant) -> Vec<Output> {
        let mut all = Vec::new();
        while let Some(at) = self.rip.poll_timeout().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.rip.handle_timeout(self.now, &mut self.out);
            all.extend(self.out.drain());
        }
        self.now = end;
        all
    }

    fn run_for(&mut self, time: Duration) -> Vec<Output> {
        self.run_until(self.now + time)
    }

    fn reconfigure(&mut self, config: Config) -> Vec<Output> {
        self.rip.reconfigure(self.now, config, &mut self.out);
        self.out.drain().collect()
    }

    fn route(&self, prefix: &str) -> Option<RouteView> {
        let query = RoutesQuery { prefix: prefix.parse().ok(), ..RoutesQuery::default() };
        self.rip.routes(self.now, &query).routes.into_iter().find(|route| route.prefix.to_string() == prefix)
    }

    fn metric(&self, prefix: &str) -> Option<u8> {
        self.route(prefix).map(|route| route.metric)
    }

    fn state(&self, prefix: &str) -> String {
        self.route(prefix).map_or("-".into(), |route| route.state)
    }

    fn counters(&self) -> Counters {
        self.rip.counters()
    }

    /// The counters other than zero that differ from those before, by name.
    fn since(&self, before: &Counters) -> Vec<(&'static str, u64)> {
        let now = self.counters();
        now.named().zip(before.named()).filter(|(a, b)| a != b).map(|(a, b)| (a.0, a.1 - b.1)).collect()
    }
}

/// The messages among some outputs.
fn sent(outputs: &[Output]) -> Vec<Sent> {
    let message = |output: &Output| match output {
        Output::Send { interface, source, destination, port, octets, .. } => Some(Sent {
            interface: *interface,
            source: *source,
            destination: *destination,
            port: *port,
            message: Message::parse(octets).unwrap().message,
            octets: octets.clone(),
        }),
        Output::Route { .. } | Output::Event(_) => None,
    };
    outputs.iter().filter_map(message).collect()
}

/// What is told on an interface, all messages together.
fn told(outputs: &[Output], on: InterfaceId) -> Vec<(String, u32)> {
    let on = sent(outputs).into_iter().filter(|sent| sent.interface == on);
    on.filter(|sent| sent.message.command == Command::Response).flat_map(|sent| sent.entries()).collect()
}

/// What the regular update on an interface tells, in order.
fn update_told(us: &mut Us, on: InterfaceId) -> Vec<(String, u32)> {
    us.after_update();
    us.run_for(secs(6));
    let at = us.rip.summary(us.now).next_update.unwrap();
    told(&us.run_for(Duration::from_secs_f64(at)), on)
}

fn metric_told(outputs: &[Output], on: InterfaceId, prefix: &str) -> Option<u32> {
    told(outputs, on).iter().rev().find(|(p, _)| p == prefix).map(|(_, metric)| *metric)
}

/// Outputs but those of datagrams, in short words.
fn words(outputs: &[Output]) -> String {
    let mut words = Vec::new();
    for output in outputs {
        match output {
            Output::Send { .. } => {}
            Output::Route { prefix, route: None } => words.push(format!("no route to {prefix}")),
            Output::Route { prefix, route: Some(route) } => {
                let hops: Vec<_> = route.next_hops.iter().map(|hop| hop.address.to_string()).collect();
                words.push(format!("route to {prefix}: {} metric {}", hops.join(", "), route.metric));
            }
            Output::Event(event) => words.push(format!("({event})")),
        }
    }
    words.join("; ")
}
