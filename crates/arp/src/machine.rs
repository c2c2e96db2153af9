//! The machine: inputs, timeouts, configuration.

use crate::limit::Limiter;
use crate::own::Own;
use crate::table::{Class, Table};
use crate::{Config, Counters, Entry, Event, Input, Kind, Output, State};
use std::net::Ipv4Addr;
use trunkline_core::{Duration, Instant, MacAddr, Outbox, Rng, earliest};

/// Address resolution on one IP interface.
#[derive(Debug)]
pub struct Arp {
    pub(crate) config: Config,
    pub(crate) rng: Rng,
    pub(crate) counters: Counters,
    pub(crate) up: bool,
    pub(crate) mac: MacAddr,
    pub(crate) table: Table,
    /// Packets that wait, for all neighbours.
    pub(crate) pending: usize,
    pub(crate) own: Vec<Own>,
    /// Conflicts since an address was last probed without one.
    pub(crate) conflicts: u32,
    /// When the next attempt to get an address may be, after many conflicts.
    pub(crate) next_attempt: Instant,
    pub(crate) limiter: Limiter,
    /// Events of [`Arp::lookup`], at most one for each stale neighbour.
    pub(crate) deferred: Vec<Output>,
    watched: bool,
}

impl Arp {
    /// A machine whose link is down and that has no addresses yet. The static entries of `config` are there at once.
    pub fn new(config: Config, mut rng: Rng) -> Arp {
        let mut arp = Arp {
            table: Table::new(rng.next_u64()),
            limiter: Limiter::new(rng.next_u64()),
            rng,
            config: Config::default(),
            counters: Counters::default(),
            up: false,
            mac: MacAddr::UNSPECIFIED,
            pending: 0,
            own: Vec::new(),
            conflicts: 0,
            next_attempt: Instant::ZERO,
            deferred: Vec::new(),
            watched: false,
        };
        arp.reconfigure(Instant::ZERO, config, &mut Outbox::new());
        arp
    }

    /// Something happened.
    pub fn handle(&mut self, now: Instant, input: Input<'_>, out: &mut Outbox<Output>) {
        self.flush_deferred(out);
        match input {
            Input::Link { up, address } => self.link(now, up, address, out),
            Input::Addresses(addresses) => self.addresses(now, addresses, out),
            Input::Packet { arp, source, to_us } => self.packet(now, arp, source, to_us, out),
            Input::Send { next_hop, packet } => self.send(now, next_hop, packet, out),
            Input::Confirm { neighbor } => self.confirm(now, neighbor, out),
            Input::ProxyAnswer { request, answer: true } if self.config.proxy => {
                self.proxy(now, request, out);
            }
            Input::ProxyAnswer { .. } => {}
            Input::Static { address, mac } => self.set_static(now, address, mac, out),
            Input::Clear { address } => self.clear(address, out),
        }
        self.flush_deferred(out);
    }

    /// When to call [`Arp::handle_timeout`].
    pub fn poll_timeout(&self) -> Option<Instant> {
        if !self.deferred.is_empty() {
            return Some(Instant::ZERO);
        }
        earliest([self.table.next(), self.own_deadline()])
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant, out: &mut Outbox<Output>) {
        self.flush_deferred(out);
        self.own_due(now, out);
        self.neighbors_due(now, out);
    }

    /// Goes on with another configuration. Neighbours stay, but for static ones that are no longer in it and, where
    /// the table becomes smaller, those that are too many. Times hold from the next change of state on.
    pub fn reconfigure(&mut self, now: Instant, config: Config, out: &mut Outbox<Output>) {
        let old = std::mem::replace(&mut self.config, sensible(config));
        for (address, _) in &old.statics {
            if !self.config.statics.iter().any(|(other, _)| other == address) {
                self.set_static(now, *address, None, out);
            }
        }
        for (address, mac) in self.config.statics.clone() {
            self.set_static(now, address, Some(mac), out);
        }
        while self.table.len() > self.config.max_entries && self.evict(Class::Live, out) {}
    }

    /// Where packets for a neighbour go, if nothing else is to be done for that. Otherwise send an
    /// [`Input::Send`]. The hot path.
    #[inline]
    pub fn lookup(&mut self, now: Instant, next_hop: Ipv4Addr) -> Option<MacAddr> {
        if !self.up {
            return None;
        }
        let neighbor = self.table.get_mut(next_hop)?;
        match neighbor.state {
            State::Reachable | State::Delay | State::Probe | State::Permanent => {
                neighbor.used = Some(now);
                neighbor.mac
            }
            State::Stale => {
                neighbor.used = Some(now);
                self.use_stale(now, next_hop)
            }
            State::Incomplete | State::Failed => None,
        }
    }

    /// The cache at `now`, sorted by address.
    pub fn entries(&self, now: Instant) -> impl Iterator<Item = Entry> + use<> {
        let mut entries: Vec<Entry> = self
            .table
            .iter()
            .map(|(address, neighbor)| Entry {
                address,
                mac: neighbor.mac,
                state: neighbor.state,
                age: now.since(neighbor.heard),
                expires: neighbor.deadline.map(|at| at.since(now)),
                queued: neighbor.queue.len(),
                kind: if neighbor.state == State::Permanent { Kind::Static } else { Kind::Dynamic },
            })
            .collect();
        entries.sort_unstable_by_key(|entry| entry.address);
        entries.into_iter()
    }

    /// What was seen and done.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Whether to push events.
    pub fn watch(&mut self, on: bool) {
        self.watched = on;
    }

    pub(crate) fn note(&self, out: &mut Outbox<Output>, event: Event) {
        if self.watched {
            out.push(Output::Event(event));
        }
    }

    pub(crate) fn flush_deferred(&mut self, out: &mut Outbox<Output>) {
        self.deferred.drain(..).for_each(|event| out.push(event));
    }

    /// A random time from `min` to `max`.
    pub(crate) fn random(&mut self, min: Duration, max: Duration) -> Duration {
        let range = u64::try_from(max.saturating_sub(min).as_nanos()).unwrap_or(u64::MAX);
        min + Duration::from_nanos(self.rng.below(range.saturating_add(1)))
    }
}

/// A configuration with which no timer runs in circles.
fn sensible(mut config: Config) -> Config {
    let least = Duration::from_millis(1);
    for time in [
        &mut config.reachable_time,
        &mut config.delay_first_probe,
        &mut config.retransmit,
        &mut config.stale_time,
        &mut config.failed_time,
        &mut config.timing.announce_interval,
        &mut config.timing.rate_limit_interval,
    ] {
        *time = (*time).max(least);
    }
    config
}
