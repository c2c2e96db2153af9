//! Frames in words and as plain data: for expectations about what was on a link, and for people.
//!
//! A frame becomes an object with one member for each layer: `eth`, `stp`, `arp`, `ip`, `icmp`, `udp`, `tcp`, and `bgp`, a
//! list of the messages in this segment. What cannot be read says so in `malformed`.

mod spanning_tree;
mod streams;

pub use streams::Dissector;

use serde_json::{Map, Value, json};
use std::net::Ipv4Addr;
use trunkline_wire::Malformed;
use trunkline_wire::arp::{Arp, Operation};
use trunkline_wire::bgp::{self, MessageType};
use trunkline_wire::ethernet::{Content, EtherType, Header};
use trunkline_wire::icmp::Message;
use trunkline_wire::ipv4::{self, Protocol};
use trunkline_wire::tcp::Segment;
use trunkline_wire::udp::Datagram;

/// What is in a frame.
#[derive(Debug, Clone, PartialEq)]
pub struct Dissection {
    /// One line for people.
    pub summary: String,
    /// By layer.
    pub layers: Map<String, Value>,
}

/// Reads a frame, from its Ethernet header. See [`Dissector`] for frames that follow one another.
pub fn dissect(frame: &[u8]) -> Dissection {
    let mut dissection = Dissection { summary: String::new(), layers: Map::new() };
    if let Err(malformed) = dissection.ethernet(frame) {
        dissection.set("malformed", json!(malformed.to_string()));
        dissection.summary = format!("malformed: {malformed}");
    }
    dissection
}

impl Dissection {
    fn set(&mut self, layer: &str, value: Value) {
        self.layers.insert(layer.to_owned(), value);
    }

    fn ethernet(&mut self, frame: &[u8]) -> Result<(), Malformed> {
        let (header, payload) = Header::parse(frame)?;
        let Header { destination, source, .. } = header;
        self.summary = format!("{source} > {destination}");
        let kind = match header.content {
            Content::Type(EtherType::ARP) => "ARP".to_owned(),
            Content::Type(EtherType::IPV4) => "IPv4".to_owned(),
            Content::Type(EtherType(other)) => format!("{other:#06x}"),
            Content::Length(_) => "LLC".to_owned(),
        };
        let (source, destination) = (source.to_string(), destination.to_string());
        self.set("eth", json!({"from": source, "to": destination, "type": kind, "octets": frame.len()}));
        match header.content {
            Content::Type(EtherType::ARP) => self.arp(payload),
            Content::Type(EtherType::IPV4) => self.ip(payload),
            _ => {
                self.summary.push_str(&format!(" {kind}, {} octets", frame.len()));
                self.spanning_tree(frame, payload)
            }
        }
    }

    fn arp(&mut self, payload: &[u8]) -> Result<(), Malformed> {
        let arp = Arp::parse(payload)?;
        let Arp { sender_hardware, sender_protocol, target_hardware, target_protocol, .. } = arp;
        let operation = match arp.operation {
            Operation::Request => "request".to_owned(),
            Operation::Reply => "reply".to_owned(),
            Operation::Unknown(other) => other.to_string(),
        };
        self.summary = match arp.operation {
            _ if arp.is_probe() => {
                format!("ARP probe: does anyone have {target_protocol}? ({sender_hardware} asks)")
            }
            _ if arp.is_announcement() => {
                format!("gratuitous ARP {operation}: {sender_protocol} is at {sender_hardware}")
            }
            Operation::Request => {
                format!("ARP: who has {target_protocol}? tell {sender_protocol} ({sender_hardware})")
            }
            Operation::Reply => format!("ARP: {sender_protocol} is at {sender_hardware}"),
            Operation::Unknown(_) => format!("ARP operation {operation}"),
        };
        self.set(
            "arp",
            json!({
                "operation": operation,
                "sender-mac": sender_hardware.to_string(),
                "sender-ip": sender_protocol.to_string(),
                "target-mac": target_hardware.to_string(),
                "target-ip": target_protocol.to_string(),
                "gratuitous": arp.is_announcement(),
                "probe": arp.is_probe(),
            }),
        );
        Ok(())
    }

    fn ip(&mut self, octets: &[u8]) -> Result<(), Malformed> {
        let (header, payload) = ipv4::Header::parse(octets)?;
        let ipv4::Header { source, destination, ttl, protocol, .. } = header;
        self.set(
            "ip",
            json!({
                "from": source.to_string(),
                "to": destination.to_string(),
                "ttl": ttl,
                "protocol": protocol.to_string(),
                "octets": header.header_len() + payload.len(),
                "dont-fragment": header.dont_fragment,
                "fragment": header.is_fragment(),
            }),
        );
        self.summary = format!("{source} > {destination} {protocol}, {} octets", payload.len());
        match protocol {
            _ if header.is_fragment() => {
                self.summary.push_str(&format!(", fragment at {}", header.fragment_offset));
                Ok(())
            }
            Protocol::ICMP => self.icmp(&header, payload),
            Protocol::TCP => self.tcp(source, destination, payload),
            Protocol::UDP => {
                let udp = Datagram::parse(payload, source, destination)?;
                let (from, to, octets) = (udp.source_port, udp.destination_port, udp.payload.len());
                self.set("udp", json!({"from-port": from, "to-port": to, "octets": octets}));
                self.summary = format!("{source}:{from} > {destination}:{to} UDP, {octets} octets");
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn icmp(&mut self, header: &ipv4::Header, payload: &[u8]) -> Result<(), Malformed> {
        let message = Message::parse(payload)?;
        let (kind, words) = match message {
            Message::EchoRequest { sequence, .. } => ("echo-request", format!("echo request {sequence}")),
            Message::EchoReply { sequence, .. } => ("echo-reply", format!("echo reply {sequence}")),
            Message::DestinationUnreachable { code, next_hop_mtu: 0, .. } => {
                ("unreachable", code.to_string())
            }
            Message::DestinationUnreachable { code, next_hop_mtu, .. } => {
                ("unreachable", format!("{code}, the MTU is {next_hop_mtu}"))
            }
            Message::Redirect { code, gateway, .. } => ("redirect", format!("redirect {code} to {gateway}")),
            Message::TimeExceeded { code, .. } => ("time-exceeded", format!("time exceeded {code}")),
            Message::ParameterProblem { pointer, .. } => {
                ("parameter-problem", format!("parameter problem at octet {pointer}"))
            }
            Message::SourceQuench { .. } => ("source-quench", "source quench".to_owned()),
            Message::TimestampRequest { .. } => ("timestamp-request", "timestamp request".to_owned()),
            Message::TimestampReply { .. } => ("timestamp-reply", "timestamp reply".to_owned()),
            Message::Unknown { kind, code, .. } => ("unknown", format!("type {kind} code {code}")),
        };
        let mut icmp = Map::new();
        icmp.insert("kind".to_owned(), json!(kind));
        icmp.insert("message".to_owned(), json!(words));
        if let Message::Redirect { gateway, .. } = message {
            icmp.insert("gateway".to_owned(), json!(gateway.to_string()));
        }
        if let Message::DestinationUnreachable { code, next_hop_mtu, .. } = message {
            icmp.insert("code".to_owned(), json!(code.number()));
            icmp.insert("mtu".to_owned(), json!(next_hop_mtu));
        }
        let original = message.original().and_then(|o| ipv4::Header::parse_quoted(o).ok());
        let mut about = String::new();
        if let Some((original, _)) = original {
            icmp.insert("original-from".to_owned(), json!(original.source.to_string()));
            icmp.insert("original-to".to_owned(), json!(original.destination.to_string()));
            about = format!(" (about {} > {})", original.source, original.destination);
        }
        self.summary = format!("{} > {} ICMP {words}{about}", header.source, header.destination);
        self.set("icmp", Value::Object(icmp));
        Ok(())
    }

    fn tcp(&mut self, source: Ipv4Addr, destination: Ipv4Addr, octets: &[u8]) -> Result<(), Malformed> {
        let segment = Segment::parse(octets, source, destination)?;
        let (from, to, octets) = (segment.source_port, segment.destination_port, segment.payload.len());
        let flags = segment.flags.to_string();
        self.set(
            "tcp",
            json!({
                "from-port": from,
                "to-port": to,
                "flags": flags,
                "sequence": segment.sequence.0,
                "acknowledgment": segment.acknowledgment.0,
                "window": segment.window,
                "octets": octets,
            }),
        );
        self.summary = format!("{source}:{from} > {destination}:{to} TCP [{flags}]");
        if octets > 0 {
            self.summary.push_str(&format!(", {octets} octets"));
        }
        if from == bgp::PORT || to == bgp::PORT {
            set_bgp(self, source, destination, bgp_messages(segment.payload));
        }
        Ok(())
    }
}

/// Says which messages of BGP a frame carries.
fn set_bgp(dissection: &mut Dissection, source: Ipv4Addr, destination: Ipv4Addr, messages: Vec<Value>) {
    if messages.is_empty() {
        dissection.layers.remove("bgp");
        return;
    }
    let words: Vec<&str> = messages.iter().filter_map(|m| m["message"].as_str()).collect();
    dissection.summary = format!("{source} > {destination} BGP {}", words.join("; "));
    dissection.set("bgp", Value::Array(messages));
}

/// The messages that begin at the start of a segment, one after the other.
fn bgp_messages(mut stream: &[u8]) -> Vec<Value> {
    let mut messages = Vec::new();
    while let Ok(Some(frame)) = bgp::frame(stream, bgp::MAX_EXTENDED_MESSAGE_LEN) {
        messages.push(bgp_message(&frame));
        stream = stream.get(frame.message.len()..).unwrap_or_default();
    }
    messages
}

fn bgp_message(frame: &bgp::Frame<'_>) -> Value {
    let (kind, length) = (frame.kind.to_string(), frame.message.len());
    let mut message = json!({"type": kind, "length": length, "message": format!("{kind}, {length} octets")});
    match frame.kind {
        MessageType::Open => {
            if let Ok(open) = bgp::Open::parse(frame.body) {
                message["version"] = json!(open.version);
                message["asn"] = json!(open.my_as);
                message["hold-time"] = json!(open.hold_time);
                message["identifier"] = json!(open.bgp_identifier.to_string());
                message["message"] = json!(format!("{kind}, AS {}, {length} octets", open.my_as));
            }
        }
        MessageType::Update => {
            if let Ok(update) = bgp::Update::new_checked(frame.body) {
                let withdrawn = prefixes(update.withdrawn_routes);
                let nlri = prefixes(update.nlri);
                message["withdrawn-length"] = json!(update.withdrawn_routes.len());
                message["withdrawn"] = json!(withdrawn);
                message["nlri"] = json!(nlri);
                let words = match (withdrawn.as_slice(), nlri.as_slice()) {
                    ([], []) => "End-of-RIB".to_owned(),
                    ([], nlri) => nlri.join(" "),
                    (withdrawn, _) => format!("withdrawn {}", withdrawn.join(" ")),
                };
                message["message"] = json!(format!("{kind} {words}, {length} octets"));
            }
        }
        MessageType::Notification => {
            if let Ok(notification) = bgp::Notification::parse(frame.body) {
                message["code"] = json!(notification.code);
                message["subcode"] = json!(notification.subcode);
                let (code, subcode, name) = (notification.code, notification.subcode, notification.name());
                message["message"] = json!(format!("{kind} {code}/{subcode} {name}"));
            }
        }
        MessageType::Keepalive | MessageType::RouteRefresh => {}
    }
    message
}

/// IPv4 prefixes of a well-formed list; from a malformed one those before the fault.
fn prefixes(octets: &[u8]) -> Vec<String> {
    bgp::ipv4_prefixes(octets).map_while(Result::ok).map(|prefix| prefix.to_string()).collect()
}

#[cfg(test)]
mod tests;
