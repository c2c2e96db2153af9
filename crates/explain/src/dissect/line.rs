//! A frame in one line. Nothing is allocated but the line itself.

use super::messages;
use crate::capture::Content;
use crate::packet::{Fault, Header, Ip, Network, Packet, Transport};
use std::fmt::Write;
use std::net::IpAddr;
use trunkline_wire::arp::{Arp, Operation};
use trunkline_wire::ethernet::{self, EtherType};
use trunkline_wire::icmp::Message;
use trunkline_wire::llc::{Llc, Snap};
use trunkline_wire::rip::{self, Authentication};
use trunkline_wire::tcp::{Flags, Segment};
use trunkline_wire::{ipv4, ipv6};

/// The SNAP header of UplinkFast's announcements of stations.
pub(super) const ANNOUNCEMENT: Snap = Snap { oui: [0x00, 0x00, 0x0c], pid: 0x200a };

/// The most routes of a RIP message that are told.
const MAX_ROUTES: usize = 4;

/// Writing into a `String` cannot fail.
macro_rules! put {
    ($out:expr, $($arg:tt)*) => {{ let _ = write!($out, $($arg)*); }};
}
pub(super) use put;

/// Appends a frame in words, without the messages that it carries for protocols over TCP.
pub(super) fn frame(packet: &Packet<'_>, octets: &[u8], out: &mut String) {
    match &packet.network {
        _ if packet.fault.is_some() => fault(packet, out),
        Network::Arp(packet) => arp(packet, out),
        Network::Ip(packet) => ip(packet, out),
        Network::SpanningTree(message) => put!(out, "{message}"),
        Network::Other => other(packet, octets, out),
    }
    if let Some(tag) = packet.framing.and_then(|framing| framing.tag) {
        put!(out, " (VLAN {})", tag.vlan);
    }
    if packet.cut {
        put!(out, " [cut to {} octets]", octets.len());
    }
}

fn fault(packet: &Packet<'_>, out: &mut String) {
    if let Some(ip) = packet.ip() {
        addresses(ip.source, ip.destination, out);
        out.push(' ');
    }
    if let Some(Fault { offset, malformed }) = packet.fault {
        put!(out, "malformed: {malformed} (what begins at octet {offset})");
    }
}

fn other(packet: &Packet<'_>, octets: &[u8], out: &mut String) {
    let Some(framing) = packet.framing else {
        out.push_str("cut before its header ends");
        return;
    };
    if let (Content::Llc, Ok((Llc { snap: Some(ANNOUNCEMENT), .. }, _)), Some(station)) =
        (framing.content, Llc::parse(framing.payload), ethernet::source(octets))
    {
        return put!(out, "UplinkFast: {station} is behind this port now");
    }
    if let Some((source, destination)) = packet.stations() {
        put!(out, "{source} > {destination} ");
    }
    match framing.content {
        Content::Type(kind) => put!(out, "{}", type_name(kind)),
        Content::Llc => out.push_str("LLC"),
        Content::Unknown => out.push_str("of an unknown kind"),
    }
    put!(out, ", {} octets", octets.len());
}

/// The name of an EtherType that is dissected, else its number.
pub(super) fn type_name(kind: EtherType) -> String {
    match kind {
        EtherType::ARP => "ARP".to_owned(),
        EtherType::IPV4 => "IPv4".to_owned(),
        EtherType::IPV6 => "IPv6".to_owned(),
        EtherType(other) => format!("{other:#06x}"),
    }
}

/// What an ARP packet asks or says.
pub(super) fn operation(operation: Operation) -> String {
    match operation {
        Operation::Request => "request".to_owned(),
        Operation::Reply => "reply".to_owned(),
        Operation::Unknown(other) => other.to_string(),
    }
}

fn arp(arp: &Arp, out: &mut String) {
    let Arp { sender_hardware, sender_protocol, target_protocol, .. } = arp;
    match arp.operation {
        _ if arp.is_probe() => {
            put!(out, "ARP probe: does anyone have {target_protocol}? ({sender_hardware} asks)");
        }
        kind if arp.is_announcement() => {
            put!(out, "gratuitous ARP {}: {sender_protocol} is at {sender_hardware}", operation(kind));
        }
        Operation::Request => {
            put!(out, "ARP: who has {target_protocol}? tell {sender_protocol} ({sender_hardware})");
        }
        Operation::Reply => put!(out, "ARP: {sender_protocol} is at {sender_hardware}"),
        Operation::Unknown(other) => put!(out, "ARP operation {other}"),
    }
}

fn ip(ip: &Ip<'_>, out: &mut String) {
    match &ip.transport {
        Transport::Tcp(segment, left_out) => tcp(ip, segment, *left_out, out),
        Transport::Udp(udp) => {
            if let Some(message) = rip_message(ip) {
                return rip(ip, &message, out);
            }
            endpoint(ip.source, udp.source_port, out);
            out.push_str(" > ");
            endpoint(ip.destination, udp.destination_port, out);
            put!(out, " UDP, {} octets", udp.payload.len());
        }
        Transport::Icmp(message) => {
            addresses(ip.source, ip.destination, out);
            put!(out, " ICMP {}", icmp(message));
            if let Some((source, destination)) = message.original().and_then(quoted) {
                put!(out, " (about {source} > {destination})");
            }
        }
        Transport::Icmpv6(message) => {
            addresses(ip.source, ip.destination, out);
            put!(out, " ICMPv6 {message}");
            if let Some((source, destination)) = message.original().and_then(quoted) {
                put!(out, " (about {source} > {destination})");
            }
        }
        Transport::Other => {
            addresses(ip.source, ip.destination, out);
            put!(out, " {}, {} octets", protocol(ip), ip.payload.len());
            match ip.header {
                Header::V4(header) if ip.fragment => put!(out, ", fragment at {}", header.fragment_offset),
                Header::V6(_) if ip.fragment => out.push_str(", a fragment"),
                _ => {}
            }
        }
    }
}

/// The name of what an IP packet carries.
pub(super) fn protocol(ip: &Ip<'_>) -> String {
    match ip.protocol {
        ipv6::ICMPV6 => "ICMPv6".to_owned(),
        other => other.to_string(),
    }
}

/// From whom to whom the packet was that an ICMP error quotes.
pub(super) fn quoted(original: &[u8]) -> Option<(IpAddr, IpAddr)> {
    if let Ok((header, _)) = ipv4::Header::parse_quoted(original) {
        return Some((header.source.into(), header.destination.into()));
    }
    let (header, _) = ipv6::Header::parse_quoted(original).ok()?;
    Some((header.source.into(), header.destination.into()))
}

/// An ICMP message in words.
pub(super) fn icmp(message: &Message<'_>) -> String {
    match message {
        Message::EchoRequest { sequence, .. } => format!("echo request {sequence}"),
        Message::EchoReply { sequence, .. } => format!("echo reply {sequence}"),
        Message::DestinationUnreachable { code, next_hop_mtu: 0, .. } => code.to_string(),
        Message::DestinationUnreachable { code, next_hop_mtu, .. } => {
            format!("{code}, the MTU is {next_hop_mtu}")
        }
        Message::Redirect { code, gateway, .. } => format!("redirect {code} to {gateway}"),
        Message::TimeExceeded { code, .. } => format!("time exceeded {code}"),
        Message::ParameterProblem { pointer, .. } => format!("parameter problem at octet {pointer}"),
        Message::SourceQuench { .. } => "source quench".to_owned(),
        Message::TimestampRequest { .. } => "timestamp request".to_owned(),
        Message::TimestampReply { .. } => "timestamp reply".to_owned(),
        Message::Unknown { kind, code, .. } => format!("type {kind} code {code}"),
    }
}

fn tcp(ip: &Ip<'_>, segment: &Segment<'_>, left_out: u32, out: &mut String) {
    endpoint(ip.source, segment.source_port, out);
    out.push_str(" > ");
    endpoint(ip.destination, segment.destination_port, out);
    out.push_str(" TCP [");
    out.push_str(match segment.flags {
        Flags::ACK => "ACK",
        flags if flags == Flags::ACK | Flags::PSH => "PSH, ACK",
        flags => return rare_flags(segment, flags, left_out, out),
    });
    tcp_payload(segment, left_out, out);
}

#[cold]
fn rare_flags(segment: &Segment<'_>, flags: Flags, left_out: u32, out: &mut String) {
    put!(out, "{flags}");
    tcp_payload(segment, left_out, out);
}

fn tcp_payload(segment: &Segment<'_>, left_out: u32, out: &mut String) {
    out.push(']');
    let octets = segment.payload.len() + left_out as usize;
    if octets > 0 {
        out.push_str(", ");
        number(octets as u64, out);
        out.push_str(" octets");
    }
}

/// The RIP message in a packet; none where it is of another protocol, or cut.
pub(super) fn rip_message(ip: &Ip<'_>) -> Option<Result<rip::Parsed, trunkline_wire::Malformed>> {
    let Transport::Udp(udp) = &ip.transport else { return None };
    let is_rip = udp.source_port == rip::PORT || udp.destination_port == rip::PORT;
    (is_rip && ip.source.is_ipv4() && ip.is_whole_datagram(udp)).then(|| rip::Message::parse(udp.payload))
}

fn rip(ip: &Ip<'_>, parsed: &Result<rip::Parsed, trunkline_wire::Malformed>, out: &mut String) {
    addresses(ip.source, ip.destination, out);
    let rip::Parsed { message, faults } = match parsed {
        Ok(parsed) => parsed,
        Err(malformed) => return put!(out, " RIP malformed: {malformed}"),
    };
    put!(out, " RIP version {} {}", message.version, message.command);
    match &message.authentication {
        None => {}
        Some(Authentication::Password(_)) => out.push_str(", with a password"),
        Some(Authentication::Cryptographic { key_id, sequence, .. }) => {
            put!(out, ", signed with key {key_id}, sequence {sequence}");
        }
        Some(Authentication::Unknown(kind, _)) => put!(out, ", authentication type {kind}"),
    }
    if message.asks_for_whole_table() {
        out.push_str(", for the whole table");
    } else {
        let colon = if message.entries.is_empty() { "" } else { ":" };
        put!(out, ", {} routes{colon}", message.entries.len());
        for entry in message.entries.iter().take(MAX_ROUTES) {
            match entry.prefix() {
                Some(prefix) => put!(out, " {prefix} metric {}", entry.metric),
                None => put!(out, " {} metric {}", entry.address, entry.metric),
            }
        }
        if message.entries.len() > MAX_ROUTES {
            out.push_str(" and others");
        }
    }
    for fault in faults.iter().take(1) {
        match fault {
            rip::Fault::MustBeZero => out.push_str("; malformed: a field that must be zero is not"),
            rip::Fault::Entry(entry, fault) => put!(out, "; malformed: {} in {}", fault, entry.address),
        }
    }
}

/// Appends what a packet of BGP carries, given the messages that it completes.
pub(super) fn bgp(ip: &Ip<'_>, summary: &messages::Summary, out: &mut String) {
    addresses(ip.source, ip.destination, out);
    out.push_str(" BGP ");
    summary.end(out);
}

fn endpoint(address: IpAddr, port: u16, out: &mut String) {
    match address {
        IpAddr::V4(_) => push_address(address, out),
        IpAddr::V6(address) => put!(out, "[{address}]"),
    }
    out.push(':');
    number(port.into(), out);
}

fn addresses(source: IpAddr, destination: IpAddr, out: &mut String) {
    push_address(source, out);
    out.push_str(" > ");
    push_address(destination, out);
}

/// Appends an address; faster than the standard library, as most lines are made of such.
pub(super) fn push_address(address: IpAddr, out: &mut String) {
    match address {
        IpAddr::V4(address) => {
            let [a, b, c, d] = address.octets();
            for (octet, end) in [(a, "."), (b, "."), (c, "."), (d, "")] {
                number(octet.into(), out);
                out.push_str(end);
            }
        }
        IpAddr::V6(address) => put!(out, "{address}"),
    }
}

/// Appends a number.
pub(crate) fn number(mut value: u64, out: &mut String) {
    let mut digits = [b'0'; 20];
    let mut first = digits.len();
    for (index, digit) in digits.iter_mut().enumerate().rev() {
        *digit = b'0' + (value % 10) as u8;
        value /= 10;
        first = index;
        if value == 0 {
            break;
        }
    }
    let digits = digits.get(first..).unwrap_or_default();
    out.push_str(str::from_utf8(digits).unwrap_or_default());
}
