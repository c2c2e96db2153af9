//! A frame in full: every field by the name that its standard gives it, with its offset in the frame.

mod bgp;
mod control;

use super::line::{self, put};
use crate::capture::{Captured, Content, Framing};
use crate::framer::Piece;
use crate::packet::{Header, Ip, Network, Packet, Transport};
use std::fmt::{Display, Write};
use trunkline_wire::arp::Arp;
use trunkline_wire::tcp::{self, Segment};
use trunkline_wire::{ethernet, icmp, icmpv6, ipv4};

/// The fields of a frame as text, a line each.
#[derive(Debug, Default)]
pub(super) struct Fields {
    pub(super) text: String,
    /// Where in the frame the payload of its segment begins.
    payload: usize,
}

impl Fields {
    /// All fields but those of BGP messages, which come one by one.
    pub(super) fn of(packet: &Packet<'_>, frame: &Captured<'_>) -> Fields {
        let mut fields = Fields::default();
        if let Some(comment) = frame.comment {
            fields.head("Comment of the capture");
            comment.lines().for_each(|line| put!(fields.text, "            {}\n", line.escape_debug()));
        }
        if let Some(framing) = packet.framing {
            fields.framing(&framing, frame.octets);
            match &packet.network {
                Network::Arp(arp) => fields.arp(arp, framing.offset),
                Network::Ip(ip) => fields.ip(ip, framing.offset),
                Network::SpanningTree(message) => fields.spanning_tree(message, framing.offset),
                Network::Other => {}
            }
        }
        if let Some(fault) = packet.fault {
            fields.head("Malformed");
            fields.field(fault.offset, "begins what holds the field", fault.malformed);
        }
        fields
    }

    /// A BGP message that the frame completes.
    pub(super) fn message(&mut self, packet: &Packet<'_>, piece: &Piece<'_>) {
        if packet.ip().is_some() {
            self.bgp(piece);
        }
    }

    fn head(&mut self, title: &str) {
        put!(self.text, "    {title}\n");
    }

    fn field(&mut self, offset: usize, name: &str, value: impl Display) {
        put!(self.text, "    {offset:>6}  {name:<30}  {value}\n");
    }

    fn framing(&mut self, framing: &Framing<'_>, octets: &[u8]) {
        match (framing.destination, framing.source) {
            (Some(destination), Some(source)) => {
                self.head("Ethernet (IEEE 802.3)");
                self.field(0, "Destination Address", destination);
                self.field(6, "Source Address", source);
                let tags = octets.get(12..framing.offset).unwrap_or_default();
                let (tags, _) = tags.as_chunks::<4>();
                for (index, [t0, t1, c0, c1]) in tags.iter().enumerate() {
                    let bits = u16::from_be_bytes([*c0, *c1]);
                    let value = format!(
                        "0x{t0:02x}{t1:02x}: VLAN {}, priority {}{}",
                        bits & 0xfff,
                        bits >> 13,
                        if bits & 0x1000 == 0 { "" } else { ", drop eligible" }
                    );
                    self.field(12 + index * 4, "Tag (IEEE 802.1Q)", value);
                }
            }
            (_, Some(source)) => {
                self.head("Linux cooked capture");
                self.field(framing.offset.saturating_sub(8), "Link-layer address", source);
            }
            _ => {}
        }
        match framing.content {
            Content::Type(kind) if framing.offset >= 2 => {
                self.field(framing.offset - 2, "Type", line::type_name(kind));
            }
            Content::Llc if framing.offset >= ethernet::LEN => {
                self.field(framing.offset - 2, "Length", framing.payload.len());
            }
            _ => {}
        }
    }

    /// RFC 826.
    fn arp(&mut self, arp: &Arp, at: usize) {
        self.head("ARP (RFC 826)");
        self.field(at, "ar$hrd", "1, Ethernet");
        self.field(at + 2, "ar$pro", "0x0800, IPv4");
        self.field(at + 4, "ar$hln", 6);
        self.field(at + 5, "ar$pln", 4);
        self.field(at + 6, "ar$op", line::operation(arp.operation));
        self.field(at + 8, "ar$sha", arp.sender_hardware);
        self.field(at + 14, "ar$spa", arp.sender_protocol);
        self.field(at + 18, "ar$tha", arp.target_hardware);
        self.field(at + 24, "ar$tpa", arp.target_protocol);
    }

    fn ip(&mut self, ip: &Ip<'_>, at: usize) {
        match &ip.header {
            Header::V4(header) => self.ipv4(header, at),
            Header::V6(header) => {
                self.head("IPv6 (RFC 8200)");
                self.field(at, "Version, Traffic Class", format!("6, {:#04x}", header.traffic_class));
                self.field(at + 1, "Flow Label", format!("{:#07x}", header.flow_label));
                self.field(at + 4, "Payload Length", header.payload_length);
                self.field(at + 6, "Next Header", line::protocol(ip));
                self.field(at + 7, "Hop Limit", header.hop_limit);
                self.field(at + 8, "Source Address", header.source);
                self.field(at + 24, "Destination Address", header.destination);
                let extensions = header.header_len - 40;
                if extensions > 0 {
                    self.field(at + 40, "extension headers", format!("{extensions} octets"));
                }
            }
        }
        let at = ip.payload_offset;
        match &ip.transport {
            Transport::Tcp(segment, left_out) => self.tcp(segment, *left_out, ip.payload, at),
            Transport::Udp(udp) => {
                self.head("UDP (RFC 768)");
                self.field(at, "Source Port", udp.source_port);
                self.field(at + 2, "Destination Port", udp.destination_port);
                self.field(at + 4, "Length", udp.payload.len() + 8);
                self.checksum(at + 6, ip.payload, 6);
                if let Some(message) = line::rip_message(ip) {
                    self.rip(&message, udp.payload, at + 8);
                }
            }
            Transport::Icmp(message) => self.icmp(message, ip.payload, at),
            Transport::Icmpv6(message) => self.icmpv6(message, ip.payload, at),
            Transport::Other if !ip.payload.is_empty() => {
                self.field(at, "payload", format!("{} octets", ip.payload.len()));
            }
            Transport::Other => {}
        }
    }

    /// RFC 791 §3.1.
    fn ipv4(&mut self, header: &ipv4::Header, at: usize) {
        self.head("IPv4 (RFC 791)");
        self.field(at, "Version, IHL", format!("4, {} octets", header.header_len()));
        self.field(at + 1, "Type of Service", format!("{:#04x}", header.tos));
        self.field(at + 4, "Identification", format!("{:#06x}", header.identification));
        let flags = match (header.dont_fragment, header.more_fragments) {
            (true, true) => "DF, MF",
            (true, false) => "DF",
            (false, true) => "MF",
            (false, false) => "none",
        };
        self.field(at + 6, "Flags", flags);
        self.field(at + 6, "Fragment Offset", header.fragment_offset);
        self.field(at + 8, "Time to Live", header.ttl);
        self.field(at + 9, "Protocol", header.protocol);
        self.field(at + 12, "Source Address", header.source);
        self.field(at + 16, "Destination Address", header.destination);
        // Options are at most 40 octets, so these are at most 40.
        for option in header.options.iter() {
            match option {
                Ok(option) => self.field(at + 20, "Option", format!("{option:?}")),
                Err(malformed) => self.field(at + 20, "Option, malformed", malformed),
            }
        }
    }

    fn checksum(&mut self, at: usize, octets: &[u8], place: usize) {
        if let Some([a, b]) = octets.get(place..).and_then(<[u8]>::first_chunk) {
            self.field(at, "Checksum", format!("0x{a:02x}{b:02x}"));
        }
    }

    /// RFC 9293 §3.1, §3.2.
    fn tcp(&mut self, segment: &Segment<'_>, left_out: u32, octets: &[u8], at: usize) {
        self.head("TCP (RFC 9293)");
        let header_len = octets.len() - segment.payload.len();
        self.payload = at + header_len;
        self.field(at, "Source Port", segment.source_port);
        self.field(at + 2, "Destination Port", segment.destination_port);
        self.field(at + 4, "Sequence Number", segment.sequence.0);
        self.field(at + 8, "Acknowledgment Number", segment.acknowledgment.0);
        self.field(at + 12, "Data Offset", format!("{header_len} octets"));
        self.field(at + 13, "Control bits", segment.flags);
        self.field(at + 14, "Window", segment.window);
        self.checksum(at + 16, octets, 16);
        self.field(at + 18, "Urgent Pointer", segment.urgent_pointer);
        self.tcp_options(octets.get(tcp::LEN..header_len).unwrap_or_default(), at + tcp::LEN);
        if !segment.payload.is_empty() || left_out > 0 {
            let octets = segment.payload.len() + left_out as usize;
            self.field(self.payload, "payload", format!("{octets} octets"));
        }
    }

    /// RFC 9293 §3.2; the segment was read, so the options can be.
    fn tcp_options(&mut self, options: &[u8], at: usize) {
        let mut rest = options;
        while let [kind, tail @ ..] = rest {
            let place = at + (options.len() - rest.len());
            let length = match (kind, tail.first()) {
                (0, _) => return,
                (1, _) => 1,
                (_, Some(length)) => usize::from(*length).max(2),
                (_, None) => return,
            };
            let Some((option, next)) = rest.split_at_checked(length) else { return };
            if let Some((name, value)) = tcp_option(option) {
                self.field(place, name, value);
            }
            rest = next;
        }
    }

    /// RFC 792.
    fn icmp(&mut self, message: &icmp::Message<'_>, octets: &[u8], at: usize) {
        self.head("ICMP (RFC 792)");
        if let Some([kind, code]) = octets.first_chunk() {
            self.field(at, "Type, Code", format!("{kind}, {code}: {}", line::icmp(message)));
        }
        self.checksum(at + 2, octets, 2);
        match message {
            icmp::Message::EchoRequest { identifier, sequence, data }
            | icmp::Message::EchoReply { identifier, sequence, data } => {
                self.field(at + 4, "Identifier", identifier);
                self.field(at + 6, "Sequence Number", sequence);
                self.field(at + 8, "Data", format!("{} octets", data.len()));
            }
            icmp::Message::Redirect { gateway, .. } => {
                self.field(at + 4, "Gateway Internet Address", gateway);
            }
            icmp::Message::DestinationUnreachable { next_hop_mtu, .. } => {
                self.field(at + 6, "Next-Hop MTU (RFC 1191)", next_hop_mtu);
            }
            icmp::Message::ParameterProblem { pointer, .. } => self.field(at + 4, "Pointer", pointer),
            _ => {}
        }
        self.quoted(message.original(), at + 8);
    }

    /// RFC 4443, RFC 4861.
    fn icmpv6(&mut self, message: &icmpv6::Message<'_>, octets: &[u8], at: usize) {
        self.head("ICMPv6 (RFC 4443)");
        if let Some([kind, code]) = octets.first_chunk() {
            self.field(at, "Type, Code", format!("{kind}, {code}: {message}"));
        }
        self.checksum(at + 2, octets, 2);
        if let icmpv6::Message::PacketTooBig { mtu, .. } = message {
            self.field(at + 4, "MTU", mtu);
        }
        self.quoted(message.original(), at + 8);
    }

    fn quoted(&mut self, original: Option<&[u8]>, at: usize) {
        if let Some((source, destination)) = original.and_then(line::quoted) {
            self.field(at, "about a packet", format!("{source} > {destination}"));
        }
    }
}

/// The name and the value of a TCP option; none for padding.
fn tcp_option(option: &[u8]) -> Option<(&'static str, String)> {
    let number = |octets: &[u8]| octets.iter().fold(0u64, |sum, octet| sum << 8 | u64::from(*octet));
    Some(match *option {
        [1] | [] => return None,
        [2, _, ref mss @ ..] => ("Maximum Segment Size", number(mss).to_string()),
        [3, _, shift] => ("Window Scale (RFC 7323)", shift.to_string()),
        [4, _] => ("SACK-Permitted (RFC 2018)", String::new()),
        [5, _, ref blocks @ ..] => {
            let edges = |block: &[u8; 8]| format!("{}..{}", number(&block[..4]), number(&block[4..]));
            let blocks: Vec<String> = blocks.as_chunks::<8>().0.iter().map(edges).collect();
            ("SACK (RFC 2018)", blocks.join(" "))
        }
        [8, _, a, b, c, d, ref echo @ ..] => {
            let value = number(&[a, b, c, d]);
            ("Timestamps (RFC 7323)", format!("TSval {value}, TSecr {}", number(echo)))
        }
        [19, ..] => ("MD5 Signature (RFC 2385)", "16 octets".to_owned()),
        [29, _, key_id, next, ref mac @ ..] => {
            let value = format!("KeyID {key_id}, RNextKeyID {next}, MAC of {} octets", mac.len());
            ("TCP-AO (RFC 5925)", value)
        }
        [kind, ..] => ("Option", format!("kind {kind}, {} octets", option.len())),
    })
}

#[cfg(test)]
mod tests;
