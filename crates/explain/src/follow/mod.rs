//! What the ends of a capture do: followed frame by frame, kept as facts that rules can judge.
//!
//! Facts come from what the wire shows and from what TCP's numbers prove: a FIN with the first sequence number proves that its
//! sender sent nothing, whether or not the capture has all frames.

pub mod connection;
pub mod lan;
pub mod side;
pub mod tree;

use crate::capture::Captured;
use crate::packet::{Ip, Network, Packet, Transport};
use connection::{Connection, Quoted};
use lan::Lan;
use side::Side;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use tree::Trees;
use trunkline_core::MacAddr;
use trunkline_wire::tcp::Flags;
use trunkline_wire::{bgp, icmp, icmpv6, ipv4, ipv6};

/// The most pairs of addresses that speak BGP; further ones are counted.
const MAX_CONVERSATIONS: usize = 4096;

/// The most connections of a pair that are kept: the first ones, and then the latest.
const MAX_CONNECTIONS: usize = 64;

/// The most MAC addresses that are remembered behind IP addresses.
const MAX_STATIONS: usize = 65_536;

/// A frame, and when it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment {
    /// Its number, from 1.
    pub frame: u64,
    /// Nanoseconds since 1970.
    pub nanos: u64,
}

impl Moment {
    /// Seconds from another moment to this one; 0 where it is earlier.
    pub fn since(self, other: Moment) -> f64 {
        self.nanos.saturating_sub(other.nanos) as f64 / 1e9
    }
}

/// Two addresses that speak BGP, or try to.
#[derive(Debug, Clone)]
pub struct Conversation {
    /// The lower address, and the higher.
    pub ends: [IpAddr; 2],
    /// Its connections in their order.
    pub connections: Vec<Connection>,
    /// Connections in the middle that are not kept.
    pub forgotten: u64,
}

/// The whole of a capture.
#[derive(Debug, Default)]
pub struct Facts {
    /// By their ends.
    pub conversations: BTreeMap<[IpAddr; 2], Conversation>,
    /// Pairs beyond those that are kept.
    pub uncounted: u64,
    /// ARP, neighbor discovery, ICMP, RIP.
    pub lan: Lan,
    /// Spanning tree.
    pub trees: Trees,
    /// From which MAC address frames of an IP address come; the last.
    pub stations: BTreeMap<IpAddr, MacAddr>,
    /// The first frame.
    pub first: Option<Moment>,
    /// The last frame.
    pub last: Option<Moment>,
    /// Frames that the capturing program says it lost.
    pub dropped: u64,
    /// Frames whose end the capture left out.
    pub cut: u64,
    /// To whom ICMP errors went of which the capture left out what they are about.
    pub unclear: BTreeSet<IpAddr>,
}

impl Facts {
    /// Adds the next frame.
    pub fn add(&mut self, frame: &Captured<'_>) {
        let packet = Packet::read(frame.link, frame.octets, frame.original_length);
        let at = Moment { frame: frame.number, nanos: frame.nanos };
        self.first.get_or_insert(at);
        self.last = Some(self.last.map_or(at, |last| last.max(at)));
        self.cut += u64::from(packet.cut);
        match &packet.network {
            Network::Arp(arp) => self.lan.arp(at, arp),
            Network::SpanningTree(message) => self.trees.add(at, message, frame.interface),
            Network::Ip(ip) => self.ip(at, ip, &packet),
            Network::Other => {}
        }
    }

    fn ip(&mut self, at: Moment, ip: &Ip<'_>, packet: &Packet<'_>) {
        self.lan.heard(at, ip.source);
        self.lan.resolved(ip.source, ip.destination);
        let stations = packet.stations();
        if let Some((source, _)) = stations
            && (self.stations.len() < MAX_STATIONS || self.stations.contains_key(&ip.source))
        {
            self.stations.insert(ip.source, source);
        }
        match &ip.transport {
            Transport::Tcp(segment, left_out) => {
                if segment.source_port != bgp::PORT && segment.destination_port != bgp::PORT {
                    return;
                }
                let from = (ip.source, segment.source_port);
                let to = (ip.destination, segment.destination_port);
                let begins = segment.flags.contains(Flags::SYN) && !segment.flags.contains(Flags::ACK);
                let new = begins.then_some(segment.sequence);
                if let Some((connection, side)) = self.connection(at, from, to, new) {
                    connection.segment(at, side, ip, segment, *left_out, stations);
                }
            }
            Transport::Icmp(message) => {
                self.lan.icmp(at, ip, message);
                self.unclear(ip, packet, message.original());
                if let Some(quoted) = Quoted::of_icmp(at, ip, message) {
                    self.quoted(quoted);
                }
            }
            Transport::Icmpv6(message) => {
                self.lan.icmpv6(at, ip, message);
                self.unclear(ip, packet, message.original());
                if let Some(quoted) = Quoted::of_icmpv6(at, ip, message) {
                    self.quoted(quoted);
                }
            }
            Transport::Udp(udp) if ip.is_whole_datagram(udp) => self.lan.udp(at, ip, udp),
            Transport::Udp(_) => {}
            Transport::Other => {}
        }
    }

    /// The connection of a segment, and which of its sides sends: 0, who opened it, or 1.
    fn connection(
        &mut self,
        at: Moment,
        from: (IpAddr, u16),
        to: (IpAddr, u16),
        begins: Option<trunkline_wire::tcp::SeqNum>,
    ) -> Option<(&mut Connection, usize)> {
        let key = if from.0 <= to.0 { [from.0, to.0] } else { [to.0, from.0] };
        if !self.conversations.contains_key(&key) && self.conversations.len() >= MAX_CONVERSATIONS {
            self.uncounted += 1;
            return None;
        }
        let conversation = self.conversations.entry(key).or_insert_with(|| Conversation {
            ends: key,
            connections: Vec::new(),
            forgotten: 0,
        });
        let connections = &mut conversation.connections;
        let known = connections.iter().rposition(|connection| connection.side_of(from, to).is_some());
        let known = known.filter(|index| match (begins, connections.get(*index)) {
            (Some(sequence), Some(connection)) => connection.is_again(sequence),
            _ => true,
        });
        let index = known.unwrap_or_else(|| {
            if connections.len() >= MAX_CONNECTIONS {
                connections.remove(MAX_CONNECTIONS / 2);
                conversation.forgotten += 1;
            }
            // Without a SYN: who has the well-known port did not open it.
            let opened = begins.is_some() || from.1 != bgp::PORT;
            let (client, server) = if opened { (from, to) } else { (to, from) };
            connections.iter_mut().flat_map(|old| &mut old.sides).for_each(Side::forget_prefixes);
            connections.push(Connection::new(at, client, server));
            connections.len() - 1
        });
        let connection = connections.get_mut(index)?;
        let side = connection.side_of(from, to)?;
        Some((connection, side))
    }

    /// An ICMP error that quotes what it is about, perhaps beyond the end of what was captured.
    fn unclear(&mut self, ip: &Ip<'_>, packet: &Packet<'_>, original: Option<&[u8]>) {
        let cut = packet.cut && original.is_some_and(|original| quoted_ports(original).is_none());
        if cut && self.unclear.len() < MAX_STATIONS {
            self.unclear.insert(ip.destination);
        }
    }

    /// An ICMP error about a segment.
    fn quoted(&mut self, quoted: Quoted) {
        let key = if quoted.from <= quoted.to { [quoted.from, quoted.to] } else { [quoted.to, quoted.from] };
        let (from, to) = ((quoted.from, quoted.ports.0), (quoted.to, quoted.ports.1));
        if from.1 != bgp::PORT && to.1 != bgp::PORT {
            return;
        }
        if let Some(conversation) = self.conversations.get_mut(&key) {
            let connection =
                conversation.connections.iter_mut().rev().find(|c| c.side_of(from, to).is_some());
            if let Some(connection) = connection {
                connection.icmp(quoted);
            }
        }
    }

    /// Whether the capture has frames that a station has sent.
    pub fn hears(&self, station: MacAddr) -> bool {
        let lan = &self.lan;
        lan.answers.contains_key(&station)
            || lan.own.contains_key(&station)
            || self.stations.values().any(|known| *known == station)
    }

    /// The capture is at its end.
    pub fn finish(&mut self, dropped: u64) {
        self.dropped = dropped;
        for conversation in self.conversations.values_mut() {
            conversation.connections.iter_mut().for_each(Connection::finish);
        }
    }
}

/// The packet that an ICMP error quotes, as far as it says whose it was.
fn quoted_ports(original: &[u8]) -> Option<(IpAddr, IpAddr, (u16, u16), u8)> {
    let (from, to, protocol, ttl, rest): (IpAddr, IpAddr, _, _, _) =
        if let Ok((header, rest)) = ipv4::Header::parse_quoted(original) {
            (header.source.into(), header.destination.into(), header.protocol, header.ttl, rest)
        } else {
            let (header, rest) = ipv6::Header::parse_quoted(original).ok()?;
            (header.source.into(), header.destination.into(), header.protocol, header.hop_limit, rest)
        };
    let [s0, s1, d0, d1] = *rest.first_chunk()?;
    (protocol == ipv4::Protocol::TCP)
        .then(|| (from, to, (u16::from_be_bytes([s0, s1]), u16::from_be_bytes([d0, d1])), ttl))
}

impl Quoted {
    fn of_icmp(at: Moment, ip: &Ip<'_>, message: &icmp::Message<'_>) -> Option<Quoted> {
        let (from, to, ports, ttl) = quoted_ports(message.original()?)?;
        let words = match message {
            icmp::Message::DestinationUnreachable { code, next_hop_mtu: 0, .. } => code.to_string(),
            icmp::Message::DestinationUnreachable { code, next_hop_mtu, .. } => {
                format!("{code}, next-hop MTU {next_hop_mtu}")
            }
            other => other.to_string(),
        };
        let kind = match message {
            icmp::Message::DestinationUnreachable {
                code: icmp::UnreachableCode::FragmentationNeeded,
                ..
            } => connection::QuotedKind::TooBig,
            icmp::Message::DestinationUnreachable { .. } => connection::QuotedKind::Unreachable,
            icmp::Message::TimeExceeded { code: icmp::TimeExceededCode::TtlExceeded, .. } => {
                connection::QuotedKind::TimeExceeded
            }
            _ => return None,
        };
        Some(Quoted { at, by: ip.source, from, to, ports, ttl, kind, words })
    }

    fn of_icmpv6(at: Moment, ip: &Ip<'_>, message: &icmpv6::Message<'_>) -> Option<Quoted> {
        let (from, to, ports, ttl) = quoted_ports(message.original()?)?;
        let kind = match message {
            icmpv6::Message::DestinationUnreachable { .. } => connection::QuotedKind::Unreachable,
            icmpv6::Message::PacketTooBig { .. } => connection::QuotedKind::TooBig,
            icmpv6::Message::TimeExceeded { code: 0, .. } => connection::QuotedKind::TimeExceeded,
            _ => return None,
        };
        Some(Quoted { at, by: ip.source, from, to, ports, ttl, kind, words: message.to_string() })
    }
}
