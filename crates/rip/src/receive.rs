//! What is checked of a datagram and of its entries, and answers to requests (RFC 2453 §3.9).

use crate::config::{InterfaceConfig, Receive, Send};
use crate::io::{Event, InterfaceId, Output, Refusal};
use crate::neighbors::Heard;
use crate::output::Scope;
use crate::route::{Path, State};
use crate::{Rip, auth::AuthFailure};
use std::net::Ipv4Addr;
use std::sync::Arc;
use trunkline_core::{Duration, Instant, Outbox};
use trunkline_wire::rip::{Command, Entry, Fault, INFINITY, Message, PORT, Parsed};

/// Who sends a datagram, and by which version and key, once that is known to be right.
#[derive(Debug, Clone, Copy)]
struct Sender {
    address: Ipv4Addr,
    port: u16,
    /// 1 or 2.
    version: u8,
    sequence: Option<(u8, u32)>,
}

impl Rip {
    /// A datagram arrived.
    pub(crate) fn datagram(
        &mut self,
        now: Instant,
        id: InterfaceId,
        (source, port): (Ipv4Addr, u16),
        octets: &[u8],
        out: &mut Outbox<Output>,
    ) {
        if let Some(interface) = self.interfaces.get_mut(&id) {
            interface.counters.datagrams_received += 1;
        }
        let checked = self.check_source(id, source).and_then(|config| {
            let parsed = Message::parse(octets).map_err(Refusal::Malformed)?;
            let sender = self.check_message(now, id, &config, (source, port), (&parsed, octets))?;
            Ok((config, parsed, sender))
        });
        match checked {
            Err(refusal) => self.refuse(now, id, source, refusal, out),
            Ok((config, parsed, sender)) => match parsed.message.command {
                Command::Request => self.request(now, id, &config, sender, parsed.message, out),
                _ => self.response(now, id, &config, sender, &parsed, out),
            },
        }
    }

    /// Whether RIP runs there, and whether it is a neighbour who sends (RFC 2453 §3.9.2).
    fn check_source(&self, id: InterfaceId, source: Ipv4Addr) -> Result<Arc<InterfaceConfig>, Refusal> {
        let interface = self.interfaces.get(&id).ok_or(Refusal::NotRunning)?;
        let config = interface.running().ok_or(Refusal::NotRunning)?;
        if self.is_own(source) {
            // "is from one of the router's own addresses"
            return Err(Refusal::OwnAddress);
        }
        // "must be on a directly-connected network"
        let facing = interface.facing(source).ok_or(Refusal::NotNeighbor)?;
        let no_station = facing.subnet.len() < 31 && facing.subnet.addr() == source;
        if no_station || interface.is_broadcast(source) {
            return Err(Refusal::NotNeighbor);
        }
        Ok(config.clone())
    }

    /// Version, command, port, authentication.
    fn check_message(
        &self,
        now: Instant,
        id: InterfaceId,
        config: &InterfaceConfig,
        (address, port): (Ipv4Addr, u16),
        (parsed, octets): (&Parsed, &[u8]),
    ) -> Result<Sender, Refusal> {
        let message = &parsed.message;
        let version = message.version.min(2);
        let heard = match config.receive {
            Receive::None => false,
            Receive::V1 => version == 1,
            Receive::V2 => version == 2,
            Receive::Both => true,
        };
        if version == 0 {
            return Err(Refusal::VersionZero);
        } else if !heard {
            return Err(Refusal::VersionRefused(message.version));
        } else if parsed.faults.contains(&Fault::MustBeZero) {
            return Err(Refusal::MustBeZero);
        }
        match message.command {
            Command::Unknown(code) => return Err(Refusal::UnknownCommand(code)),
            // "The Response must be ignored if it is not from the RIP port."
            Command::Response if port != PORT => return Err(Refusal::WrongPort),
            Command::Request | Command::Response => {}
        }
        let sequence = config.authentication.verify(now, message, octets).map_err(Refusal::Auth)?;
        // Stations that only ask have no count to keep.
        if let Some(number) = sequence.filter(|_| port == PORT) {
            let alive = (self.config.timers.invalid, config.authentication.any_after_silence);
            let checked: Result<(), AuthFailure> =
                self.neighbors.check_sequence(now, alive, (id, address), number);
            checked.map_err(Refusal::Auth)?;
        }
        Ok(Sender { address, port, version, sequence })
    }

    fn is_own(&self, address: Ipv4Addr) -> bool {
        self.interfaces.values().flat_map(|interface| &interface.addresses).any(|own| own.address == address)
    }

    /// Remembers the neighbour; whether there is room for it.
    fn heard(&mut self, now: Instant, id: InterfaceId, sender: Sender, out: &mut Outbox<Output>) -> bool {
        let bounds = (self.config.timers.invalid, self.config.limits.neighbors);
        let Sender { address, version, sequence, .. } = sender;
        match self.neighbors.heard(now, bounds, (id, address), version, sequence) {
            Heard::Known => {}
            Heard::New => {
                if let Some(interface) = self.interfaces.get(&id) {
                    let event = Event::Neighbor { interface: interface.name.clone(), address, version };
                    self.note(out, event);
                }
            }
            Heard::Full => {
                self.refuse(now, id, address, Refusal::NeighborsFull, out);
                return false;
            }
        }
        true
    }

    /// RFC 2453 §3.9.1.
    fn request(
        &mut self,
        now: Instant,
        id: InterfaceId,
        config: &InterfaceConfig,
        sender: Sender,
        message: Message,
        out: &mut Outbox<Output>,
    ) {
        if sender.port == PORT && !self.heard(now, id, sender, out) {
            return;
        }
        let limit = self.config.limits.answers_per_second;
        let Some(interface) = self.interfaces.get_mut(&id) else { return };
        interface.counters.requests_received += 1;
        // §4.6: who sends only version 2 does not answer version 1; §3.10.2: the answer is of the request's version.
        let spoken = match config.send {
            Send::None => false,
            Send::V1 => sender.version == 1,
            Send::V1Compatible => true,
            Send::V2 => sender.version == 2,
        };
        if !spoken {
            interface.counters.requests_other_version += 1;
            return;
        }
        // RFC 1058 §3.4.1: a silent process answers only those that are no RIP process. One that is named as a neighbour
        // hears our updates, and so may ask.
        if config.passive && sender.port == PORT && !config.neighbors.contains(&sender.address) {
            interface.counters.requests_unanswered += 1;
            return;
        }
        if message.entries.is_empty() {
            // "If there are no entries, no response is given."
            return;
        }
        if now.since(interface.answered.0) >= Duration::from_secs(1) {
            interface.answered = (now, 0);
        }
        interface.answered.1 += 1;
        if interface.answered.1 > limit {
            interface.counters.requests_limited += 1;
            return;
        }
        let is_router = message.asks_for_whole_table() && sender.port == PORT;
        let entries = if message.asks_for_whole_table() {
            // Split horizon is for those who would use the routes, not for those who watch.
            self.entries(id, config, Scope::Whole, sender.port == PORT, sender.version)
        } else {
            message.entries.into_iter().map(|entry| self.fill_in(id, entry)).collect()
        };
        self.send_answer(now, id, (sender.address, sender.port, sender.version), &entries, out);
        if is_router {
            self.ask_back(now, id, sender.address, out);
        }
    }

    /// "if there is a route, put that route's metric in the metric field of the RTE. If there is no explicit route to the
    /// specified destination, put infinity": no split horizon, no filter.
    fn fill_in(&self, id: InterfaceId, entry: Entry) -> Entry {
        let prefix = self.interfaces.get(&id).and_then(|interface| interface.destination(&entry));
        let route = prefix
            .filter(|_| entry.address_family == Entry::IP)
            .and_then(|prefix| self.routes.get(&prefix))
            .filter(|route| route.state == State::Valid);
        Entry { metric: route.map_or(INFINITY, |route| route.metric).into(), ..entry }
    }

    /// RFC 2453 §3.9.2.
    fn response(
        &mut self,
        now: Instant,
        id: InterfaceId,
        config: &InterfaceConfig,
        sender: Sender,
        parsed: &Parsed,
        out: &mut Outbox<Output>,
    ) {
        if !self.heard(now, id, sender, out) {
            return;
        }
        if let Some(interface) = self.interfaces.get_mut(&id) {
            interface.counters.responses_received += 1;
        }
        for fault in &parsed.faults {
            if let Fault::Entry(entry, fault) = fault {
                self.bad_entry(now, id, sender.address, (entry.address, *fault), out);
            }
        }
        for entry in &parsed.message.entries {
            self.entry(now, id, config, sender, entry, out);
        }
    }

    fn bad_entry(
        &mut self,
        now: Instant,
        id: InterfaceId,
        source: Ipv4Addr,
        (address, fault): (Ipv4Addr, trunkline_wire::rip::EntryFault),
        out: &mut Outbox<Output>,
    ) {
        if let Some(neighbor) = self.neighbors.get_mut(id, source) {
            neighbor.bad_entries += 1;
        }
        let Some(interface) = self.interfaces.get_mut(&id) else { return };
        interface.counters.bad_entry(fault);
        let event = Event::BadEntry { interface: interface.name.clone(), source, address, fault };
        self.notice(now, id, out, event);
    }

    fn entry(
        &mut self,
        now: Instant,
        id: InterfaceId,
        config: &InterfaceConfig,
        sender: Sender,
        entry: &Entry,
        out: &mut Outbox<Output>,
    ) {
        use trunkline_wire::rip::EntryFault;
        let Some(interface) = self.interfaces.get(&id) else { return };
        // Version 1 knows no host of all ones (RFC 1058 §3.4.2).
        let prefix =
            interface.destination(entry).filter(|p| p.len() < 32 || !interface.is_broadcast(p.addr()));
        let Some(prefix) = prefix else {
            return self.bad_entry(now, id, sender.address, (entry.address, EntryFault::Address), out);
        };
        let mut metric = config.metric_in(prefix, entry.metric());
        let (mut next_hop, mut ignored, mut ourselves) = (sender.address, false, false);
        if sender.version == 2 && !entry.next_hop.is_unspecified() {
            let facing =
                interface.facing(entry.next_hop).is_some() && !interface.is_broadcast(entry.next_hop);
            ourselves = self.is_own(entry.next_hop);
            // §4.4: "If the received Next Hop is not directly reachable, it should be treated as 0.0.0.0."
            ignored = !facing && !ourselves;
            if facing && !ourselves {
                next_hop = entry.next_hop;
            }
        }
        let filtered = !config.lets_in(prefix);
        if filtered || ourselves {
            // What would lead back to us is no way, and what is not wanted is none either.
            metric = INFINITY;
        }
        if let Some(interface) = self.interfaces.get_mut(&id) {
            let counters = &mut interface.counters;
            counters.entries_received += 1;
            counters.next_hop_ignored += u64::from(ignored);
            counters.next_hop_ourselves += u64::from(ourselves);
            counters.entries_filtered += u64::from(filtered);
        }
        let path = Path { interface: id, neighbor: sender.address, next_hop, heard: now };
        self.learn(now, prefix, path, (metric, entry.route_tag), out);
    }
}
