//! Requests, updates and answers: what of the table is told where, and how it is cut into messages (RFC 2453 §3.10).

use crate::Rip;
use crate::auth::Choice;
use crate::config::{InterfaceConfig, Send, SplitHorizon};
use crate::interface::{Classful, Interface};
use crate::io::{Event, InterfaceId, Output};
use crate::route::{Origin, Route, State};
use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::sync::Arc;
use trunkline_core::{Instant, Ipv4Prefix, Outbox};
use trunkline_wire::rip::{
    Command, ENTRY_LEN, Entry, HEADER_LEN, INFINITY, MAX_ENTRIES, MAX_LEN, Message, PORT,
};

/// Octets of the headers of IP and UDP.
const IP_UDP_LEN: usize = 28;

/// Which routes an update tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// All.
    Whole,
    /// Those with the route change flag.
    Changed,
}

/// What is told of a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Advert {
    pub(crate) metric: u8,
    tag: u16,
    next_hop: Ipv4Addr,
}

impl Advert {
    fn unreachable(tag: u16) -> Advert {
        Advert { metric: INFINITY, tag, next_hop: Ipv4Addr::UNSPECIFIED }
    }
}

/// What is told of a route on an interface, without regard to what version 1 would make of it; none: nothing.
pub(crate) fn advert(
    (prefix, route): (Ipv4Prefix, &Route),
    (id, interface): (InterfaceId, &Interface),
    config: &InterfaceConfig,
    horizon: bool,
) -> Option<Advert> {
    if !config.lets_out(prefix) {
        return None;
    }
    let unreachable = Advert::unreachable(route.tag);
    // RFC 2453 §3.4.3. Those who hear us know their own subnet.
    if horizon && config.split_horizon != SplitHorizon::Off {
        let through = route.is_learned() && route.paths.iter().any(|path| path.interface == id);
        if through && config.split_horizon == SplitHorizon::PoisonedReverse {
            return Some(unreachable);
        }
        let theirs =
            route.origin == Origin::Connected(id) || interface.addresses.iter().any(|a| a.subnet == prefix);
        if through || theirs {
            return None;
        }
    }
    if route.state != State::Valid {
        return Some(unreachable);
    }
    let metric = config.metric_out(prefix, route.metric);
    // RFC 2453 §4.4, appendix A: who does not speak RIP may be the better way.
    let next_hop = match route.origin {
        Origin::Redistributed(Some(next_hop)) if interface.facing(next_hop).is_some() => next_hop,
        _ => Ipv4Addr::UNSPECIFIED,
    };
    Some(Advert { metric, tag: route.tag, next_hop })
}

impl Rip {
    /// The entries that an update or an answer has on an interface.
    pub(crate) fn entries(
        &self,
        id: InterfaceId,
        config: &InterfaceConfig,
        scope: Scope,
        horizon: bool,
        version: u8,
    ) -> Vec<Entry> {
        let Some(interface) = self.interfaces.get(&id) else { return Vec::new() };
        let here = |prefix: Ipv4Prefix, route: &Route| {
            let poison =
                || interface.poisoned.contains_key(&prefix).then_some(Advert::unreachable(route.tag));
            advert((prefix, route), (id, interface), config, horizon).or_else(poison)
        };
        let mut entries = Vec::new();
        let mut push = |prefix: Ipv4Prefix, advert: Advert| {
            entries.push(match version {
                1 => Entry::v1(prefix.addr(), advert.metric),
                _ => Entry::v2(prefix, advert.tag, advert.next_hop, advert.metric),
            });
        };
        let classful = config.is_classful();
        let mut networks = BTreeSet::new();
        let mut visit = |prefix: Ipv4Prefix, route: &Route| {
            match interface.classful(prefix) {
                Classful::Hidden if classful => return,
                Classful::Within(network) if classful => {
                    networks.insert(network);
                    return;
                }
                _ => {}
            }
            if let Some(advert) = here(prefix, route) {
                push(prefix, advert);
            }
        };
        match scope {
            Scope::Whole => self.routes.iter().for_each(|(prefix, route)| visit(*prefix, route)),
            Scope::Changed => {
                let changed = self.changed.iter();
                changed
                    .filter_map(|prefix| Some((prefix, self.routes.get(prefix)?)))
                    .for_each(|(p, r)| visit(*p, r));
            }
        }
        // RFC 1058 §3.2: "a single entry for the network as a whole", with the smallest metric.
        for network in networks {
            let inside = self.routes.range(network..).take_while(|(prefix, _)| network.covers(**prefix));
            let adverts = inside.filter_map(|(prefix, route)| here(*prefix, route));
            if let Some(best) = adverts.min_by_key(|advert| advert.metric) {
                push(network, Advert { next_hop: Ipv4Addr::UNSPECIFIED, ..best });
            }
        }
        entries
    }

    /// A regular or a triggered update on every interface; clears the route change flags.
    pub(crate) fn send_updates(&mut self, now: Instant, scope: Scope, out: &mut Outbox<Output>) {
        let all: Vec<InterfaceId> = self.interfaces.keys().copied().collect();
        for id in all {
            let Some(interface) = self.interfaces.get_mut(&id) else { continue };
            if scope == Scope::Whole {
                interface.poisoned.retain(|_, until| *until > now);
            }
            let Some(config) = interface.running().cloned() else { continue };
            let destinations = interface.destinations(&config);
            if destinations.is_empty() {
                continue;
            }
            let version = if config.send == Send::V1 { 1 } else { 2 };
            let entries = self.entries(id, &config, scope, true, version);
            if entries.is_empty() {
                // "If no routes need be sent on that network, the update may be omitted."
                continue;
            }
            if self.send(now, id, (Command::Response, version), &entries, (&destinations, PORT, false), out)
                && let Some(interface) = self.interfaces.get_mut(&id)
            {
                match scope {
                    Scope::Whole => interface.counters.updates_sent += 1,
                    Scope::Changed => interface.counters.triggered_updates_sent += 1,
                }
            }
        }
        self.changed.clear();
    }

    /// Asks all on an interface for their whole tables (RFC 2453 §3.9.1).
    pub(crate) fn send_request(&mut self, now: Instant, id: InterfaceId, out: &mut Outbox<Output>) {
        let Some(interface) = self.interfaces.get_mut(&id) else { return };
        let Some(config) = interface.running().cloned() else { return };
        interface.asked = Some(now);
        interface.asked_back.clear();
        let destinations = interface.destinations(&config);
        self.ask(now, id, &config, &destinations, out);
    }

    /// A neighbour has just asked for our table: it is new to the network. Where we are too, it may have come too late to hear
    /// our own request, and only what is new to it is told to us by itself. So it is asked once more, once.
    pub(crate) fn ask_back(
        &mut self,
        now: Instant,
        id: InterfaceId,
        neighbor: Ipv4Addr,
        out: &mut Outbox<Output>,
    ) {
        let (update, limit) = (self.config.timers.update, self.config.limits.neighbors);
        let Some(interface) = self.interfaces.get_mut(&id) else { return };
        let Some(config) = interface.running().cloned().filter(|config| !config.passive) else { return };
        let is_new = interface.asked.is_some_and(|at| now.since(at) < update);
        let has_room = interface.asked_back.len() < limit;
        if !is_new || !has_room || !interface.asked_back.insert(neighbor) {
            return;
        }
        let Some(source) = interface.facing(neighbor) else { return };
        let destination = [(source.address, neighbor)];
        self.ask(now, id, &config, &destination, out);
    }

    fn ask(
        &mut self,
        now: Instant,
        id: InterfaceId,
        config: &InterfaceConfig,
        destinations: &[(Ipv4Addr, Ipv4Addr)],
        out: &mut Outbox<Output>,
    ) {
        let version = if config.send == Send::V1 { 1 } else { 2 };
        let entries = [Entry::WHOLE_TABLE];
        let sent =
            self.send(now, id, (Command::Request, version), &entries, (destinations, PORT, false), out);
        if let Some(interface) = self.interfaces.get_mut(&id).filter(|_| sent) {
            interface.counters.requests_sent += 1;
        }
    }

    /// Answers a request, by its version, to where it came from.
    pub(crate) fn send_answer(
        &mut self,
        now: Instant,
        id: InterfaceId,
        (to, port, version): (Ipv4Addr, u16, u8),
        entries: &[Entry],
        out: &mut Outbox<Output>,
    ) {
        let Some(source) = self.interfaces.get(&id).and_then(|interface| interface.facing(to)) else {
            return;
        };
        let destination = [(source.address, to)];
        let sent = self.send(now, id, (Command::Response, version), entries, (&destination, port, true), out);
        if let Some(interface) = self.interfaces.get_mut(&id).filter(|_| sent) {
            interface.counters.answers_sent += 1;
        }
    }

    /// Tells all on an interface that nothing can be reached through us any more.
    pub(crate) fn send_farewell(
        &mut self,
        now: Instant,
        id: InterfaceId,
        config: &InterfaceConfig,
        out: &mut Outbox<Output>,
    ) {
        let Some(interface) = self.interfaces.get(&id) else { return };
        let destinations = interface.destinations(config);
        let version = if config.send == Send::V1 { 1 } else { 2 };
        let mut entries = self.entries(id, config, Scope::Whole, true, version);
        entries.iter_mut().for_each(|entry| entry.metric = INFINITY.into());
        self.send(now, id, (Command::Response, version), &entries, (&destinations, PORT, false), out);
    }

    /// Cuts entries into messages, signs them, and sends each to every destination, as an `answer` or
    /// unasked; whether there was something to send.
    fn send(
        &mut self,
        now: Instant,
        id: InterfaceId,
        (command, version): (Command, u8),
        entries: &[Entry],
        (destinations, port, answer): (&[(Ipv4Addr, Ipv4Addr)], u16, bool),
        out: &mut Outbox<Output>,
    ) -> bool {
        if destinations.is_empty() || entries.is_empty() {
            return false;
        }
        let sequence = self.next_sequence(now);
        let Some(interface) = self.interfaces.get_mut(&id) else { return false };
        let Some(config) = interface.config.clone() else { return false };
        let choice = if version == 1 { Choice::Plain } else { config.authentication.choose(now) };
        interface.note_key(choice, out);
        let (key, overhead) = match choice {
            Choice::Plain => (None, HEADER_LEN),
            Choice::Key { key, .. } => (Some(key), HEADER_LEN + ENTRY_LEN + key.trailer_len()),
            Choice::Nothing => return false,
        };
        let room = usize::from(interface.mtu).saturating_sub(IP_UDP_LEN).min(MAX_LEN);
        let fit =
            (room.saturating_sub(overhead) / ENTRY_LEN).clamp(1, MAX_ENTRIES - usize::from(key.is_some()));
        for chunk in entries.chunks(fit) {
            let mut message = Message::new(command, version, chunk.to_vec());
            message.authentication = key.map(|key| key.reserve(sequence));
            let mut octets = Vec::with_capacity(MAX_LEN);
            message.emit(&mut octets);
            if let Some(key) = key {
                key.sign(&mut octets);
            }
            let octets: Arc<[u8]> = octets.into();
            for (source, destination) in destinations {
                interface.counters.datagrams_sent += 1;
                let (interface, source, destination) = (id, *source, *destination);
                let octets = octets.clone();
                out.push(Output::Send { interface, source, destination, port, octets, answer });
            }
        }
        true
    }

    /// The seconds since the start, so that the number never goes back, after a restart neither, whatever is sent meanwhile
    /// (RFC 4822 §2.2: it "MUST NOT decrease").
    pub(crate) fn next_sequence(&mut self, now: Instant) -> u32 {
        let (start, first) = self.started;
        let elapsed = u32::try_from(now.since(start).as_secs()).unwrap_or(u32::MAX);
        self.sequence = self.sequence.max(first.saturating_add(elapsed));
        self.sequence
    }
}

impl Interface {
    /// Counts messages that no valid key is for, and tells so once (RFC 4822 §5.1 (2)).
    fn note_key(&mut self, choice: Choice<'_>, out: &mut Outbox<Output>) {
        let key_id = match choice {
            Choice::Plain | Choice::Key { expired: false, .. } => {
                self.told_expired = false;
                return;
            }
            Choice::Key { key, .. } => {
                self.counters.expired_key_used += 1;
                Some(key.id)
            }
            Choice::Nothing => {
                self.counters.no_key += 1;
                None
            }
        };
        if !std::mem::replace(&mut self.told_expired, true) {
            out.push(Output::Event(Event::KeyExpired { interface: self.name.clone(), key_id }));
        }
    }
}
