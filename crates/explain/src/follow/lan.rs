//! What ARP, neighbor discovery, ICMP and RIP say on a network.

use super::Moment;
use crate::packet::Ip;
use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use trunkline_core::{Ipv4Prefix, MacAddr};
use trunkline_wire::arp::{Arp, Operation};
use trunkline_wire::rip::{self, Authentication, INFINITY};
use trunkline_wire::udp::Datagram;
use trunkline_wire::{icmp, icmpv6};

/// The most addresses, routers and routes of which something is kept; further ones are passed over.
const MAX_KNOWN: usize = 16_384;

/// The most frames of a kind that are kept of one address.
const MAX_FRAMES: usize = 8;

/// Seconds within which who has no answer asks again; later it may have forgotten one that the capture does not have, since answers
/// go to who asked alone.
const AGAIN: f64 = 5.0;

/// Seconds without an update after which RIP's routes time out (RFC 2453 §3.8).
pub const RIP_TIMEOUT: f64 = 180.0;

/// What is known of an address on a link.
#[derive(Debug, Clone, Default)]
pub struct Neighbor {
    /// Who said it has it, one after the other: only changes are kept.
    pub claims: Vec<(Moment, MacAddr)>,
    /// Who asked for it, and how often in a row without an answer.
    pub asked: BTreeMap<IpAddr, Asked>,
    /// When a frame from it was last seen, or an answer.
    pub heard: Option<Moment>,
}

/// Questions for an address, one after the other, without an answer in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// The first.
    pub first: Moment,
    /// The last.
    pub last: Moment,
    /// How many.
    pub times: u32,
}

/// An ICMP error that is about nobody's BGP, or a redirect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The first.
    pub first: Moment,
    /// The last.
    pub last: Moment,
    /// How many alike.
    pub times: u32,
    /// In words.
    pub words: String,
}

/// Who says what to whom: sender, receiver, destination of the packet it is about, code.
pub type About = (IpAddr, IpAddr, IpAddr, u8);

/// What a route of RIP leads to: an address, and the length of the subnet, which version 1 does not tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Destination {
    address: Ipv4Addr,
    len: Option<u8>,
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.len {
            Some(len) => write!(f, "{}/{len}", self.address),
            None => write!(f, "{}", self.address),
        }
    }
}

/// A route of a RIP router.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// The last metric.
    pub metric: u32,
    /// The last metric with which it could be used.
    pub best: u32,
    /// When it was told first with a metric that can be used, and last.
    pub usable: Option<(Moment, Moment)>,
    /// When it became 16 after it was usable.
    pub lost: Option<Moment>,
}

/// A router that speaks RIP.
#[derive(Debug, Clone, Default)]
pub struct RipRouter {
    /// Responses: the first, how many, the last.
    pub responses: Option<(Moment, u32, Moment)>,
    /// Versions, and ways of authentication, that it uses, with the first frame of each.
    pub versions: BTreeMap<u8, Moment>,
    /// "none", "a password", "key 3".
    pub authentication: BTreeMap<String, Moment>,
    /// Passwords that were seen, in plain text; compared, never told.
    passwords: Vec<[u8; 16]>,
    /// Its routes.
    pub routes: BTreeMap<Destination, Route>,
    /// Messages that cannot be read or used: the first, and why.
    pub faults: Option<(Moment, String)>,
}

/// All of it.
#[derive(Debug, Default)]
pub struct Lan {
    /// By address.
    pub neighbors: BTreeMap<IpAddr, Neighbor>,
    /// Addresses for which a station has answered by ARP.
    pub answers: BTreeMap<MacAddr, BTreeMap<Ipv4Addr, Moment>>,
    /// Addresses that a station uses as its own: as the sender of requests.
    pub own: BTreeMap<MacAddr, BTreeMap<Ipv4Addr, Moment>>,
    /// ICMP errors.
    pub errors: BTreeMap<About, Told>,
    /// Redirects, by sender, receiver, destination; the code is 0.
    pub redirects: BTreeMap<About, Told>,
    /// By address.
    pub rip: BTreeMap<Ipv4Addr, RipRouter>,
}

impl Lan {
    fn neighbor(&mut self, address: IpAddr) -> Option<&mut Neighbor> {
        if self.neighbors.len() >= MAX_KNOWN && !self.neighbors.contains_key(&address) {
            return None;
        }
        Some(self.neighbors.entry(address).or_default())
    }

    pub(super) fn arp(&mut self, at: Moment, arp: &Arp) {
        let Arp { sender_hardware, sender_protocol, target_protocol, .. } = *arp;
        if !sender_protocol.is_unspecified() {
            self.claim(at, sender_protocol.into(), sender_hardware);
            let place = match arp.operation {
                Operation::Reply => &mut self.answers,
                _ => &mut self.own,
            };
            if place.len() < MAX_KNOWN {
                let addresses = place.entry(sender_hardware).or_default();
                if addresses.len() < MAX_KNOWN {
                    addresses.entry(sender_protocol).or_insert(at);
                }
            }
        }
        if arp.operation == Operation::Request && !arp.is_announcement() && !arp.is_probe() {
            self.ask(at, target_protocol.into(), sender_protocol.into());
        }
    }

    fn claim(&mut self, at: Moment, address: IpAddr, hardware: MacAddr) {
        let Some(neighbor) = self.neighbor(address) else { return };
        neighbor.heard = Some(at);
        neighbor.asked.clear();
        if neighbor.claims.last().is_none_or(|(_, last)| *last != hardware)
            && neighbor.claims.len() < MAX_FRAMES
        {
            neighbor.claims.push((at, hardware));
        }
    }

    fn ask(&mut self, at: Moment, target: IpAddr, asker: IpAddr) {
        let Some(neighbor) = self.neighbor(target) else { return };
        if neighbor.asked.len() >= MAX_FRAMES && !neighbor.asked.contains_key(&asker) {
            return;
        }
        let asked = neighbor.asked.entry(asker).or_insert(Asked { first: at, last: at, times: 0 });
        if at.since(asked.last) > AGAIN {
            (asked.first, asked.times) = (at, 0);
        }
        asked.times += 1;
        asked.last = at;
    }

    /// An IP packet of an address was seen: it is there.
    pub(super) fn heard(&mut self, at: Moment, address: IpAddr) {
        if let Some(neighbor) = self.neighbors.get_mut(&address) {
            neighbor.heard = Some(at);
            neighbor.asked.clear();
        }
    }

    /// Who sends to an address for which it has asked, has got an answer, whether or not the capture has it.
    pub(super) fn resolved(&mut self, asker: IpAddr, target: IpAddr) {
        if let Some(neighbor) = self.neighbors.get_mut(&target) {
            neighbor.asked.remove(&asker);
        }
    }

    pub(super) fn icmp(&mut self, at: Moment, ip: &Ip<'_>, message: &icmp::Message<'_>) {
        let Some((_, about)) = message.original().and_then(crate::dissect::quoted) else { return };
        let (by, to) = (ip.source, ip.destination);
        match message {
            icmp::Message::Redirect { gateway, .. } => {
                let words = format!("{by} tells {to} to send packets for {about} to {gateway}");
                tell(&mut self.redirects, (by, to, about, 0), at, words);
            }
            icmp::Message::DestinationUnreachable { code, .. } => {
                let words = format!("{by} tells {to} that {about} cannot be reached: {code}");
                tell(&mut self.errors, (by, to, about, code.number()), at, words);
            }
            icmp::Message::TimeExceeded { code: icmp::TimeExceededCode::FragmentReassembly, .. } => {
                let words =
                    format!("{by} tells {to} that not all fragments of a packet for {about} have come");
                tell(&mut self.errors, (by, to, about, 254), at, words);
            }
            icmp::Message::TimeExceeded { .. } => {
                let words = format!("{by} tells {to} that the TTL of packets for {about} runs out there");
                tell(&mut self.errors, (by, to, about, 255), at, words);
            }
            _ => {}
        }
    }

    pub(super) fn icmpv6(&mut self, at: Moment, ip: &Ip<'_>, message: &icmpv6::Message<'_>) {
        match message {
            icmpv6::Message::NeighborSolicitation { target, .. } if !ip.source.is_unspecified() => {
                self.ask(at, (*target).into(), ip.source);
            }
            icmpv6::Message::NeighborAdvertisement { target, target_hardware, .. } => match target_hardware {
                Some(hardware) => self.claim(at, (*target).into(), *hardware),
                None => self.heard(at, (*target).into()),
            },
            icmpv6::Message::DestinationUnreachable { code, original } => {
                let Some((_, about)) = crate::dissect::quoted(original) else { return };
                let words = format!(
                    "{} tells {} that {about} cannot be reached: {message}",
                    ip.source, ip.destination
                );
                tell(&mut self.errors, (ip.source, ip.destination, about, *code), at, words);
            }
            _ => {}
        }
    }

    pub(super) fn udp(&mut self, at: Moment, ip: &Ip<'_>, udp: &Datagram<'_>) {
        let IpAddr::V4(source) = ip.source else { return };
        let is_rip = udp.source_port == rip::PORT && udp.destination_port == rip::PORT;
        if !is_rip || self.rip.len() >= MAX_KNOWN && !self.rip.contains_key(&source) {
            return;
        }
        self.rip.entry(source).or_default().message(at, udp.payload);
        let lost = self.rip.get(&source).into_iter().flat_map(|router| &router.routes);
        let lost = lost.filter(|(_, route)| route.lost == Some(at));
        let poisoned: Vec<_> = lost
            .filter(|(prefix, route)| self.has_better(source, prefix, at, route.best))
            .map(|(prefix, _)| *prefix)
            .collect();
        for prefix in poisoned {
            let route = self.rip.get_mut(&source).and_then(|router| router.routes.get_mut(&prefix));
            route.into_iter().for_each(|route| route.lost = None);
        }
    }

    /// Whether another router than `of` tells of a better way than one of this metric. Who has found that says on this network that
    /// there is none by itself (RFC 2453 §3.4.3), and has lost nothing.
    pub fn has_better(&self, of: Ipv4Addr, prefix: &Destination, at: Moment, metric: u32) -> bool {
        self.rip.iter().filter(|(other, _)| **other != of).any(|(_, other)| {
            let route = other.routes.get(prefix).filter(|route| route.metric < metric);
            route.and_then(|route| route.usable).is_some_and(|(_, last)| at.since(last) < RIP_TIMEOUT)
        })
    }
}

fn tell(place: &mut BTreeMap<About, Told>, about: About, at: Moment, words: String) {
    if place.len() >= MAX_KNOWN && !place.contains_key(&about) {
        return;
    }
    let told = Told { first: at, last: at, times: 0, words };
    let told = place.entry(about).or_insert(told);
    told.times += 1;
    told.last = at;
}

impl RipRouter {
    fn message(&mut self, at: Moment, octets: &[u8]) {
        let parsed = match rip::Message::parse(octets) {
            Ok(parsed) => parsed,
            Err(malformed) => {
                self.faults.get_or_insert((at, malformed.to_string()));
                return;
            }
        };
        if let Some(fault) = parsed.faults.first() {
            let words = match fault {
                rip::Fault::MustBeZero => "a field that must be zero is not".to_owned(),
                rip::Fault::Entry(entry, fault) => format!("{}: {fault}", entry.address),
            };
            self.faults.get_or_insert((at, words));
        }
        let message = parsed.message;
        if message.command != rip::Command::Response {
            return;
        }
        match &mut self.responses {
            Some((_, count, last)) => (*count, *last) = (*count + 1, at),
            place => *place = Some((at, 1, at)),
        }
        self.versions.entry(message.version).or_insert(at);
        let authentication = match &message.authentication {
            None => "none".to_owned(),
            Some(Authentication::Password(password)) => self.password(password),
            Some(Authentication::Cryptographic { key_id, .. }) => format!("key {key_id}"),
            Some(Authentication::Unknown(kind, _)) => format!("type {kind}"),
        };
        if self.authentication.len() < MAX_FRAMES {
            self.authentication.entry(authentication).or_insert(at);
        }
        for entry in &message.entries {
            let len = entry.prefix().map(Ipv4Prefix::len);
            let len = len.filter(|_| message.version > 1);
            let prefix = Destination { address: entry.address, len };
            if self.routes.len() < MAX_KNOWN || self.routes.contains_key(&prefix) {
                self.route(at, prefix, entry.metric);
            }
        }
    }

    /// Passwords are told apart by number, not by what they are.
    fn password(&mut self, password: &[u8; 16]) -> String {
        let known = self.passwords.iter().position(|known| known == password);
        if known.is_none() && self.passwords.len() < MAX_FRAMES {
            self.passwords.push(*password);
        }
        "a password".to_owned()
    }

    /// Whether two routers use passwords that differ.
    pub fn password_differs(&self, other: &RipRouter) -> bool {
        match (self.passwords.last(), other.passwords.last()) {
            (Some(own), Some(others)) => own != others,
            _ => false,
        }
    }

    fn route(&mut self, at: Moment, prefix: Destination, metric: u32) {
        let route =
            self.routes.entry(prefix).or_insert(Route { metric, best: metric, usable: None, lost: None });
        let usable = metric < u32::from(INFINITY);
        if usable {
            let first = route.usable.map_or(at, |(first, _)| first);
            (route.usable, route.lost, route.best) = (Some((first, at)), None, metric);
        } else if route.metric < u32::from(INFINITY) && route.usable.is_some() {
            route.lost = Some(at);
        }
        route.metric = metric;
    }
}
