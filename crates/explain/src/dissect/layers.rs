//! A frame as plain data, layer by layer: for expectations of labs and for programs.

use super::line;
use crate::capture::Content;
use crate::packet::{Fault, Header, Ip, Network, Packet, Transport};
use serde_json::{Map, Value, json};
use trunkline_wire::arp::Arp;
use trunkline_wire::icmp::Message;
use trunkline_wire::icmpv6;
use trunkline_wire::llc::{Llc, Snap};
use trunkline_wire::rip::{self, Authentication};
use trunkline_wire::tcp::Segment;

/// The layers of a frame, but for BGP.
pub(super) fn layers(packet: &Packet<'_>, octets: &[u8]) -> Map<String, Value> {
    let mut layers = Map::new();
    if let Some(framing) = packet.framing {
        let kind = match framing.content {
            Content::Type(kind) => line::type_name(kind),
            Content::Llc => "LLC".to_owned(),
            Content::Unknown => "unknown".to_owned(),
        };
        let mut eth = json!({"type": kind, "octets": octets.len()});
        if let Some(source) = framing.source {
            eth["from"] = json!(source.to_string());
        }
        if let Some(destination) = framing.destination {
            eth["to"] = json!(destination.to_string());
        }
        if let Some(tag) = framing.tag {
            eth["vlan"] = json!(tag.vlan);
        }
        layers.insert("eth".to_owned(), eth);
        if let (Content::Llc, Ok((Llc { snap: Some(Snap { .. }), .. }, _))) =
            (framing.content, Llc::parse(framing.payload))
        {
            layers.extend(announcement(packet).map(|stp| ("stp".to_owned(), stp)));
        }
    }
    match &packet.network {
        Network::Arp(packet) => {
            layers.insert("arp".to_owned(), arp(packet));
        }
        Network::SpanningTree(message) => {
            layers.insert("stp".to_owned(), super::spanning_tree::layer(message));
        }
        Network::Ip(packet) => ip(packet, &mut layers),
        Network::Other => {}
    }
    if let Some(Fault { offset, malformed }) = packet.fault {
        layers.insert("malformed".to_owned(), json!(malformed.to_string()));
        layers.insert("malformed-at".to_owned(), json!(offset));
    }
    layers
}

fn announcement(packet: &Packet<'_>) -> Option<Value> {
    let framing = packet.framing?;
    let (Llc { snap: Some(line::ANNOUNCEMENT), .. }, _) = Llc::parse(framing.payload).ok()? else {
        return None;
    };
    Some(json!({"type": "announcement", "station": framing.source?.to_string()}))
}

fn arp(arp: &Arp) -> Value {
    json!({
        "operation": line::operation(arp.operation),
        "sender-mac": arp.sender_hardware.to_string(),
        "sender-ip": arp.sender_protocol.to_string(),
        "target-mac": arp.target_hardware.to_string(),
        "target-ip": arp.target_protocol.to_string(),
        "gratuitous": arp.is_announcement(),
        "probe": arp.is_probe(),
    })
}

fn ip(ip: &Ip<'_>, layers: &mut Map<String, Value>) {
    let mut layer = json!({
        "from": ip.source.to_string(),
        "to": ip.destination.to_string(),
        "ttl": ip.ttl,
        "protocol": line::protocol(ip),
        "fragment": ip.fragment,
    });
    match ip.header {
        Header::V4(header) => {
            layer["octets"] = json!(header.header_len() + ip.payload.len());
            layer["dont-fragment"] = json!(header.dont_fragment);
        }
        Header::V6(header) => layer["octets"] = json!(header.header_len + ip.payload.len()),
    }
    layers.insert("ip".to_owned(), layer);
    let mut set = |layer: &str, value: Value| layers.insert(layer.to_owned(), value);
    match &ip.transport {
        Transport::Tcp(segment, left_out) => {
            set("tcp", tcp(segment, *left_out));
        }
        Transport::Udp(udp) => {
            let (from, to) = (udp.source_port, udp.destination_port);
            set("udp", json!({"from-port": from, "to-port": to, "octets": udp.payload.len()}));
            if let Some(message) = line::rip_message(ip) {
                set("rip", rip(&message));
            }
        }
        Transport::Icmp(message) => {
            set("icmp", icmp(message));
        }
        Transport::Icmpv6(message) => {
            set("icmpv6", icmpv6(message));
        }
        Transport::Other => {}
    }
}

fn tcp(segment: &Segment<'_>, left_out: u32) -> Value {
    json!({
        "from-port": segment.source_port,
        "to-port": segment.destination_port,
        "flags": segment.flags.to_string(),
        "sequence": segment.sequence.0,
        "acknowledgment": segment.acknowledgment.0,
        "window": segment.window,
        "octets": segment.payload.len() + left_out as usize,
    })
}

fn rip(parsed: &Result<rip::Parsed, trunkline_wire::Malformed>) -> Value {
    let rip::Parsed { message, faults } = match parsed {
        Ok(parsed) => parsed,
        Err(malformed) => return json!({"malformed": malformed.to_string()}),
    };
    let route = |entry: &rip::Entry| {
        json!({
            "address": entry.address.to_string(),
            "prefix": entry.prefix().map(|prefix| prefix.to_string()),
            "metric": entry.metric,
            "next-hop": entry.next_hop.to_string(),
            "tag": entry.route_tag,
        })
    };
    let authentication = match &message.authentication {
        None => json!(null),
        Some(Authentication::Password(_)) => json!("password"),
        Some(Authentication::Cryptographic { key_id, sequence, .. }) => {
            json!({"key": key_id, "sequence": sequence})
        }
        Some(Authentication::Unknown(kind, _)) => json!({"type": kind}),
    };
    json!({
        "command": message.command.to_string(),
        "version": message.version,
        "authentication": authentication,
        "routes": message.entries.iter().map(route).collect::<Vec<_>>(),
        "whole-table": message.asks_for_whole_table(),
        "faults": faults.len(),
    })
}

fn icmp(message: &Message<'_>) -> Value {
    let kind = match message {
        Message::EchoRequest { .. } => "echo-request",
        Message::EchoReply { .. } => "echo-reply",
        Message::DestinationUnreachable { .. } => "unreachable",
        Message::Redirect { .. } => "redirect",
        Message::TimeExceeded { .. } => "time-exceeded",
        Message::ParameterProblem { .. } => "parameter-problem",
        Message::SourceQuench { .. } => "source-quench",
        Message::TimestampRequest { .. } => "timestamp-request",
        Message::TimestampReply { .. } => "timestamp-reply",
        Message::Unknown { .. } => "unknown",
    };
    let mut icmp = json!({"kind": kind, "message": line::icmp(message)});
    if let Message::Redirect { gateway, .. } = message {
        icmp["gateway"] = json!(gateway.to_string());
    }
    if let Message::DestinationUnreachable { code, next_hop_mtu, .. } = message {
        icmp["code"] = json!(code.number());
        icmp["mtu"] = json!(next_hop_mtu);
    }
    set_original(&mut icmp, message.original());
    icmp
}

fn icmpv6(message: &icmpv6::Message<'_>) -> Value {
    let mut layer = json!({"message": message.to_string()});
    if let icmpv6::Message::PacketTooBig { mtu, .. } = message {
        layer["mtu"] = json!(mtu);
    }
    set_original(&mut layer, message.original());
    layer
}

fn set_original(layer: &mut Value, original: Option<&[u8]>) {
    if let Some((source, destination)) = original.and_then(line::quoted) {
        layer["original-from"] = json!(source.to_string());
        layer["original-to"] = json!(destination.to_string());
    }
}
