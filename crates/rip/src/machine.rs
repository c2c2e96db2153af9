//! The machine: inputs, timeouts.

use crate::config::{Config, InterfaceConfig};
use crate::counters::Counters;
use crate::interface::{Address, Interface, MAX_ADDRESSES};
use crate::io::{Event, Input, InterfaceId, Output, Refusal};
use crate::local::External;
use crate::neighbors::Neighbors;
use crate::output::Scope;
use crate::route::{Failure, Route};
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::Arc;
use trunkline_core::{Duration, Instant, Ipv4Prefix, Outbox, Rng, TimerQueue, earliest};

/// Interfaces at most.
const MAX_INTERFACES: usize = 4096;

/// Between two notices about bad datagrams on an interface at least; the counters have them all.
const NOTICE_INTERVAL: Duration = Duration::from_secs(10);

/// RIP on all interfaces of a router.
#[derive(Debug)]
pub struct Rip {
    pub(crate) config: Config,
    /// The configurations of interfaces, shared with them.
    pub(crate) by_name: BTreeMap<String, Arc<InterfaceConfig>>,
    pub(crate) rng: Rng,
    pub(crate) interfaces: BTreeMap<InterfaceId, Interface>,
    pub(crate) neighbors: Neighbors,
    pub(crate) routes: BTreeMap<Ipv4Prefix, Route>,
    /// What others want advertised.
    pub(crate) external: BTreeMap<Ipv4Prefix, External>,
    pub(crate) timers: TimerQueue<Ipv4Prefix>,
    /// Routes with the "route change flag" (RFC 2453 §3.5).
    pub(crate) changed: BTreeSet<Ipv4Prefix>,
    /// When the next regular update is due: while RIP runs on an interface.
    pub(crate) update_at: Option<Instant>,
    /// Before that no triggered update is sent (RFC 2453 §3.10.1).
    pub(crate) triggered_not_before: Instant,
    /// The lowest sequence number that the next message may have, and the time of the first.
    pub(crate) sequence: u32,
    pub(crate) started: (Instant, u32),
    /// Of interfaces that are gone.
    pub(crate) counters: Counters,
    pub(crate) watched: bool,
}

impl Rip {
    /// A machine that knows no interfaces yet. `sequence` is where authentication's sequence numbers start (RFC 4822
    /// §2.2): it must be no lower than any that was used before with the same keys, also before a restart. The machine
    /// counts seconds from there, so the wall clock in seconds is right.
    pub fn new(now: Instant, config: Config, sequence: u32, rng: Rng) -> Rip {
        let mut rip = Rip {
            config: Config::default(),
            by_name: BTreeMap::new(),
            rng,
            interfaces: BTreeMap::new(),
            neighbors: Neighbors::default(),
            routes: BTreeMap::new(),
            external: BTreeMap::new(),
            timers: TimerQueue::new(),
            changed: BTreeSet::new(),
            update_at: None,
            triggered_not_before: Instant::ZERO,
            sequence,
            started: (now, sequence),
            counters: Counters::default(),
            watched: false,
        };
        rip.reconfigure(now, config, &mut Outbox::new());
        rip
    }

    /// Something happened.
    pub fn handle(&mut self, now: Instant, input: Input<'_>, out: &mut Outbox<Output>) {
        match input {
            Input::Interface { id, name, up, addresses, mtu } => {
                self.interface(now, id, (name, up, addresses, mtu), out);
            }
            Input::InterfaceGone(id) => {
                let name = self.interfaces.get(&id).map(|interface| interface.name.clone());
                self.interface(now, id, (&name.unwrap_or_default(), false, &[], 0), out);
                if let Some(gone) = self.interfaces.remove(&id) {
                    self.counters.add(&gone.counters);
                    self.neighbors.forget(id);
                }
            }
            Input::Datagram { interface, source, source_port, octets } => {
                self.datagram(now, interface, (source, source_port), octets, out);
            }
            Input::Redistribute { prefix, metric, tag, next_hop } => {
                self.redistribute(now, prefix, Some(External { metric, tag, next_hop }), out);
            }
            Input::Withdraw(prefix) => self.redistribute(now, prefix, None, out),
            Input::Clear { prefix } => self.clear(now, prefix, out),
        }
        self.send_triggered(now, out);
    }

    /// When to call [`Rip::handle_timeout`].
    pub fn poll_timeout(&self) -> Option<Instant> {
        earliest([self.timers.next(), self.update_at, self.triggered_at()])
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant, out: &mut Outbox<Output>) {
        self.routes_due(now, out);
        if self.update_at.is_some_and(|at| at <= now) {
            self.restart_update_timer(now);
            self.send_updates(now, Scope::Whole, out);
        }
        self.send_triggered(now, out);
    }

    /// Whether to push events about routes.
    pub fn watch(&mut self, on: bool) {
        self.watched = on;
    }

    /// Sequence numbers of authentication go on from here, where that is higher: the wall clock was set.
    pub fn raise_sequence(&mut self, now: Instant, sequence: u32) {
        if self.next_sequence(now) < sequence {
            self.started = (now, sequence);
        }
    }

    /// The sequence number that a message would have now: who makes another machine with the same keys starts from here.
    pub fn sequence(&mut self, now: Instant) -> u32 {
        self.next_sequence(now)
    }

    /// What was seen and done, all interfaces together.
    pub fn counters(&self) -> Counters {
        let mut sum = self.counters;
        self.interfaces.values().for_each(|interface| sum.add(&interface.counters));
        sum
    }

    /// "Every 30 seconds", give or take five (RFC 2453 §3.8).
    pub(crate) fn restart_update_timer(&mut self, now: Instant) {
        let update = self.config.timers.update;
        let running = self.interfaces.values().any(|interface| interface.running().is_some());
        self.update_at = running.then(|| now + self.random(update * 5 / 6, update * 7 / 6));
    }

    /// When a triggered update is due. It is suppressed where a regular one comes first (RFC 2453 §3.10.1).
    fn triggered_at(&self) -> Option<Instant> {
        let at = self.triggered_not_before;
        (!self.changed.is_empty() && self.update_at.is_some_and(|update| at < update)).then_some(at)
    }

    fn send_triggered(&mut self, now: Instant, out: &mut Outbox<Output>) {
        if self.triggered_at().is_some_and(|at| at <= now) {
            let pause = self.random(Duration::from_secs(1), Duration::from_secs(5));
            self.triggered_not_before = now + pause;
            self.send_updates(now, Scope::Changed, out);
        }
    }

    /// A random time from `min` to `max`.
    fn random(&mut self, min: Duration, max: Duration) -> Duration {
        let range = u64::try_from(max.saturating_sub(min).as_nanos()).unwrap_or(u64::MAX);
        min + Duration::from_nanos(self.rng.below(range.saturating_add(1)))
    }

    /// An interface is new, or changed.
    fn interface(
        &mut self,
        now: Instant,
        id: InterfaceId,
        (name, up, addresses, mtu): (&str, bool, &[(Ipv4Addr, u8)], u16),
        out: &mut Outbox<Output>,
    ) {
        if !self.interfaces.contains_key(&id) && self.interfaces.len() >= MAX_INTERFACES {
            return;
        }
        let config = self.by_name.get(name).cloned();
        let interface = self.interfaces.entry(id).or_insert_with(|| Interface::new(name, None));
        let before = interface.connected();
        let mut own: Vec<Address> = Vec::new();
        for address in addresses.iter().filter_map(|address| Address::new(*address)).take(MAX_ADDRESSES) {
            if !own.contains(&address) {
                own.push(address);
            }
        }
        interface.name.replace_range(.., name);
        (interface.up, interface.addresses, interface.mtu, interface.config) = (up, own, mtu, config);
        self.interface_changed(now, id, &before, out);
    }

    /// What follows when an interface, or its configuration, is not as it was: `before` are its subnets then, while RIP ran
    /// on it.
    pub(crate) fn interface_changed(
        &mut self,
        now: Instant,
        id: InterfaceId,
        before: &[Ipv4Prefix],
        out: &mut Outbox<Output>,
    ) {
        let Some(interface) = self.interfaces.get(&id) else { return };
        let after = interface.connected();
        if before.iter().any(|subnet| !after.contains(subnet)) {
            self.drop_paths(now, Failure::InterfaceDown, out, |_, path| {
                path.interface == id && !after.iter().any(|subnet| subnet.contains(path.neighbor))
            });
        }
        for subnet in before.iter().chain(&after) {
            self.refresh_local(now, *subnet, Failure::InterfaceDown, out);
        }
        if after.iter().any(|subnet| !before.contains(subnet)) {
            self.send_request(now, id, out);
        }
        let running = self.interfaces.values().any(|interface| interface.running().is_some());
        if running != self.update_at.is_some() {
            self.restart_update_timer(now);
        }
    }

    fn clear(&mut self, now: Instant, prefix: Option<Ipv4Prefix>, out: &mut Outbox<Output>) {
        self.drop_paths(now, Failure::Cleared, out, |at, _| prefix.is_none_or(|prefix| prefix == at));
        let running: Vec<InterfaceId> = self.interfaces.keys().copied().collect();
        for id in running {
            self.send_request(now, id, out);
        }
    }

    /// Tells about a bad datagram, not too often.
    pub(crate) fn notice(&mut self, now: Instant, id: InterfaceId, out: &mut Outbox<Output>, event: Event) {
        let Some(interface) = self.interfaces.get_mut(&id) else { return };
        if interface.quiet_until <= now {
            interface.quiet_until = now + NOTICE_INTERVAL;
            out.push(Output::Event(event));
        }
    }

    /// Counts a datagram that is ignored, and tells about it; our own come back all the time.
    pub(crate) fn refuse(
        &mut self,
        now: Instant,
        id: InterfaceId,
        source: Ipv4Addr,
        refusal: Refusal,
        out: &mut Outbox<Output>,
    ) {
        let Some(interface) = self.interfaces.get_mut(&id) else {
            self.counters.datagrams_received += 1;
            return self.counters.refused(refusal);
        };
        interface.counters.refused(refusal);
        self.neighbors.bad_packet(id, source);
        if !matches!(refusal, Refusal::NotRunning | Refusal::OwnAddress) {
            let event = Event::Refused { interface: interface.name.clone(), source, refusal };
            self.notice(now, id, out, event);
        }
    }

    /// Pushes an event about a route.
    pub(crate) fn note(&self, out: &mut Outbox<Output>, event: Event) {
        if self.watched {
            out.push(Output::Event(event));
        }
    }
}

impl Interface {
    /// The subnets, while RIP runs here.
    pub(crate) fn connected(&self) -> Vec<Ipv4Prefix> {
        match self.running() {
            Some(_) => self.addresses.iter().map(|own| own.subnet).collect(),
            None => Vec::new(),
        }
    }
}
