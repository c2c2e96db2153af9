//! The cache: states, timers, packets that wait.

use crate::table::{Class, Neighbor};
use crate::{Arp, Event, Output, State};
use std::net::Ipv4Addr;
use trunkline_core::{Duration, Frame, Instant, MacAddr, Outbox};
use trunkline_wire::arp::{self, Operation};

impl Arp {
    /// A packet is to go to `next_hop`.
    pub(crate) fn send(&mut self, now: Instant, next_hop: Ipv4Addr, packet: Frame, out: &mut Outbox<Output>) {
        if !self.up {
            return self.unreachable(next_hop, packet, out);
        }
        if let Some(destination) = self.group_address(next_hop) {
            return out.push(Output::Packet { destination, packet });
        }
        if let Some(destination) = self.lookup(now, next_hop) {
            return out.push(Output::Packet { destination, packet });
        }
        let state = self.table.get(next_hop).map(|neighbor| neighbor.state);
        if state != Some(State::Incomplete) {
            if !can_be_asked_for(next_hop) || self.is_own(next_hop) {
                return self.unreachable(next_hop, packet, out);
            }
            if state.is_none() && !self.create(now, next_hop, State::Incomplete, None, Class::Incomplete, out)
            {
                return self.unreachable(next_hop, packet, out);
            }
            self.enter(now, next_hop, State::Incomplete, None, out);
            self.ask(next_hop, MacAddr::BROADCAST, out);
        }
        self.enqueue(next_hop, packet);
    }

    /// An upper layer saw forward progress (RFC 4861 §7.3.1).
    pub(crate) fn confirm(&mut self, now: Instant, address: Ipv4Addr, out: &mut Outbox<Output>) {
        let Some(neighbor) = self.table.get_mut(address) else { return };
        if matches!(neighbor.state, State::Reachable | State::Stale | State::Delay | State::Probe) {
            neighbor.heard = now;
            let mac = neighbor.mac;
            self.enter(now, address, State::Reachable, mac, out);
        }
    }

    /// Does what is due for neighbours.
    pub(crate) fn neighbors_due(&mut self, now: Instant, out: &mut Outbox<Output>) {
        while let Some(address) = self.table.due(now) {
            self.neighbor_due(now, address, out);
        }
    }

    fn neighbor_due(&mut self, now: Instant, address: Ipv4Addr, out: &mut Outbox<Output>) {
        let Some(neighbor) = self.table.get(address) else { return };
        let (state, mac, probes) = (neighbor.state, neighbor.mac, neighbor.probes);
        match (state, mac) {
            (State::Incomplete, _) if probes < self.config.max_broadcast_probes => {
                self.extend(now, address, self.config.retransmit);
                self.ask(address, MacAddr::BROADCAST, out);
            }
            (State::Probe, Some(mac)) if probes < self.config.max_unicast_probes => {
                self.extend(now, address, self.config.retransmit);
                self.ask(address, mac, out);
            }
            (State::Incomplete | State::Probe, _) => {
                self.counters.failed += 1;
                self.enter(now, address, State::Failed, None, out);
                self.give_back(address, out);
            }
            // In use all the time: do not wait for the next packet (Linux does the same).
            (State::Reachable, _)
                if neighbor.used.is_some_and(|at| now.since(at) < self.config.delay_first_probe) =>
            {
                self.enter(now, address, State::Delay, mac, out);
            }
            (State::Reachable, _) => self.enter(now, address, State::Stale, mac, out),
            (State::Delay, Some(to)) => {
                self.enter(now, address, State::Probe, mac, out);
                self.ask(address, to, out);
            }
            (State::Stale, _) => {
                self.counters.aged += 1;
                self.forget(address, out);
            }
            (State::Failed | State::Delay | State::Permanent, _) => self.forget(address, out),
        }
    }

    /// A use of a stale neighbour: it is asked soon (RFC 4861 §7.3.2, DELAY).
    pub(crate) fn use_stale(&mut self, now: Instant, address: Ipv4Addr) -> Option<MacAddr> {
        let mac = self.table.get(address)?.mac;
        let mut out = Outbox::new();
        self.enter(now, address, State::Delay, mac, &mut out);
        self.deferred.extend(out.drain());
        mac
    }

    /// Brings a neighbour into a state, with this MAC address.
    pub(crate) fn enter(
        &mut self,
        now: Instant,
        address: Ipv4Addr,
        to: State,
        mac: Option<MacAddr>,
        out: &mut Outbox<Output>,
    ) {
        let deadline = self.time_in(to).map(|time| now + time);
        let Some(neighbor) = self.table.get_mut(address) else { return };
        let from = neighbor.state;
        let changed = from != to || neighbor.mac != mac;
        if neighbor.mac.is_some() && mac.is_some() && neighbor.mac != mac {
            self.counters.address_changed += 1;
        }
        neighbor.state = to;
        neighbor.mac = mac;
        neighbor.deadline = deadline;
        if from != to {
            neighbor.probes = 0;
        }
        self.table.file(address);
        if changed {
            self.note(out, Event::NeighborChanged { address, from: Some(from), to: Some(to), mac });
        }
    }

    /// Makes a neighbour that is not there yet, instead of one of a class up to `evict` where the table is full; false
    /// where there is none such.
    pub(crate) fn create(
        &mut self,
        now: Instant,
        address: Ipv4Addr,
        state: State,
        mac: Option<MacAddr>,
        evict: Class,
        out: &mut Outbox<Output>,
    ) -> bool {
        if self.table.len() >= self.config.max_entries && !self.evict(evict, out) {
            self.counters.table_full += 1;
            return false;
        }
        let mut neighbor = Neighbor::new(now, state, mac);
        neighbor.deadline = self.time_in(state).map(|time| now + time);
        self.table.insert(address, neighbor);
        self.note(out, Event::NeighborChanged { address, from: None, to: Some(state), mac });
        true
    }

    /// Makes room for one; whether there was someone to go.
    pub(crate) fn evict(&mut self, most: Class, out: &mut Outbox<Output>) -> bool {
        let Some(victim) = self.table.victim(most) else { return false };
        self.counters.evicted += 1;
        self.forget(victim, out);
        true
    }

    /// Removes a neighbour and gives back what waited for it.
    pub(crate) fn forget(&mut self, address: Ipv4Addr, out: &mut Outbox<Output>) {
        self.give_back(address, out);
        if let Some(Neighbor { state, mac, .. }) = self.table.remove(address) {
            self.note(out, Event::NeighborChanged { address, from: Some(state), to: None, mac });
        }
    }

    /// Removes all neighbours but static ones, or only one.
    pub(crate) fn clear(&mut self, address: Option<Ipv4Addr>, out: &mut Outbox<Output>) {
        let addresses = address.map_or_else(|| self.table.addresses(), |address| vec![address]);
        for address in addresses {
            if self.table.get(address).is_some_and(|neighbor| neighbor.state != State::Permanent) {
                self.forget(address, out);
            }
        }
    }

    /// Makes or removes a static entry.
    pub(crate) fn set_static(
        &mut self,
        now: Instant,
        address: Ipv4Addr,
        mac: Option<MacAddr>,
        out: &mut Outbox<Output>,
    ) {
        let state = self.table.get(address).map(|neighbor| neighbor.state);
        match (mac, state) {
            (None, Some(State::Permanent)) => self.forget(address, out),
            (Some(mac), Some(_)) if mac.is_station() => {
                self.enter(now, address, State::Permanent, Some(mac), out);
                self.release(now, address, out);
            }
            (Some(mac), None) if mac.is_station() && can_be_asked_for(address) => {
                self.create(now, address, State::Permanent, Some(mac), Class::Live, out);
            }
            _ => {}
        }
    }

    /// Sends what waited for a neighbour that is known now.
    pub(crate) fn release(&mut self, now: Instant, address: Ipv4Addr, out: &mut Outbox<Output>) {
        let Some(neighbor) = self.table.get_mut(address) else { return };
        if neighbor.queue.is_empty() {
            return;
        }
        let queue = std::mem::take(&mut neighbor.queue);
        self.pending -= queue.len();
        if let Some(destination) = self.lookup(now, address) {
            self.flush_deferred(out);
            for packet in queue {
                out.push(Output::Packet { destination, packet });
            }
        }
    }

    /// Gives back what waited for a neighbour that is not to be had.
    fn give_back(&mut self, next_hop: Ipv4Addr, out: &mut Outbox<Output>) {
        let Some(neighbor) = self.table.get_mut(next_hop) else { return };
        let queue = std::mem::take(&mut neighbor.queue);
        self.pending -= queue.len();
        for packet in queue {
            self.unreachable(next_hop, packet, out);
        }
    }

    fn unreachable(&mut self, next_hop: Ipv4Addr, packet: Frame, out: &mut Outbox<Output>) {
        self.counters.packets_unreachable += 1;
        out.push(Output::Unreachable { next_hop, packet });
    }

    /// Lets a packet wait. RFC 1122 §2.3.2.2: the latest packets are those to keep.
    fn enqueue(&mut self, address: Ipv4Addr, packet: Frame) {
        let Some(neighbor) = self.table.get_mut(address) else { return };
        self.counters.packets_queued += 1;
        if neighbor.queue.len() >= self.config.max_pending_packets && neighbor.queue.pop_front().is_some() {
            self.pending -= 1;
            self.counters.packets_dropped += 1;
        }
        if self.pending >= self.config.max_pending_total || self.config.max_pending_packets == 0 {
            self.counters.packets_dropped += 1;
        } else {
            self.pending += 1;
            neighbor.queue.push_back(packet);
        }
    }

    /// Asks for an address, all or the neighbour alone. Without an address of our own nothing can be asked, as that
    /// would be a probe; it counts as asked.
    fn ask(&mut self, address: Ipv4Addr, destination: MacAddr, out: &mut Outbox<Output>) {
        let source = self.source_for(address);
        let Some(neighbor) = self.table.get_mut(address) else { return };
        neighbor.probes = neighbor.probes.saturating_add(1);
        let Some(source) = source else { return };
        if destination.is_broadcast() {
            self.counters.requests_sent += 1;
        } else {
            self.counters.unicast_requests_sent += 1;
        }
        let arp = arp::Arp {
            operation: Operation::Request,
            sender_hardware: self.mac,
            sender_protocol: source,
            target_hardware: MacAddr::UNSPECIFIED,
            target_protocol: address,
        };
        out.push(Output::Arp { destination, arp });
    }

    /// Stays in a state for `time` from now on.
    fn extend(&mut self, now: Instant, address: Ipv4Addr, time: Duration) {
        if let Some(neighbor) = self.table.get_mut(address) {
            neighbor.deadline = Some(now + time);
            self.table.file(address);
        }
    }

    /// How long a state lasts by itself.
    fn time_in(&mut self, state: State) -> Option<Duration> {
        let config = &self.config;
        match state {
            State::Incomplete | State::Probe => Some(config.retransmit),
            State::Reachable => {
                // RFC 4861 §6.3.2: between 0.5 and 1.5 times the base.
                let base = config.reachable_time;
                Some(base / 2 + self.random(Duration::ZERO, base))
            }
            State::Stale => Some(config.stale_time),
            State::Delay => Some(config.delay_first_probe),
            State::Failed => Some(config.failed_time),
            State::Permanent => None,
        }
    }

    /// The MAC address of a group or broadcast address, which nobody is asked for.
    fn group_address(&self, address: Ipv4Addr) -> Option<MacAddr> {
        if address.is_multicast() {
            let [_, b, c, d] = address.octets(); // RFC 1112 §6.4
            return Some(MacAddr([1, 0, 0x5e, b & 0x7f, c, d]));
        }
        (address.is_broadcast() || self.is_subnet_broadcast(address)).then_some(MacAddr::BROADCAST)
    }
}

/// Whether a neighbour can have this address.
pub(crate) fn can_be_asked_for(address: Ipv4Addr) -> bool {
    !(address.is_unspecified() || address.is_multicast() || address.is_broadcast() || address.is_loopback())
}
