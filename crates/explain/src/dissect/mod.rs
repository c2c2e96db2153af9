//! Frames in words and as plain data: for people, for programs, for expectations about what was on a link.
//!
//! As data a frame is an object with one member for each layer: `eth`, `stp`, `arp`, `ip`, `icmp`, `icmpv6`, `udp`, `rip`,
//! `tcp`, and `bgp`, a list of the messages in this segment. What cannot be read says so in `malformed`.

mod layers;
mod line;
pub(crate) mod messages;
mod spanning_tree;
mod streams;
pub mod update;
mod verbose;

use crate::capture::{Captured, Link};
use crate::framer::{Framer, Piece};
use crate::packet::{Network, Packet, Transport};
use messages::Summary;
use serde_json::{Map, Value};
use streams::Streams;
use trunkline_wire::bgp;

/// Appends a number to a text; faster than `write!`.
pub fn push_number(number: u64, out: &mut String) {
    line::number(number, out);
}

/// From whom to whom the packet was that an ICMP error quotes.
pub(crate) fn quoted(original: &[u8]) -> Option<(std::net::IpAddr, std::net::IpAddr)> {
    line::quoted(original)
}

/// What is in a frame.
#[derive(Debug, Clone, PartialEq)]
pub struct Dissection {
    /// One line for people.
    pub summary: String,
    /// By layer.
    pub layers: Map<String, Value>,
}

/// Reads an Ethernet frame alone: of BGP the messages that begin with its segment. See [`Dissector`] for frames that follow
/// one another.
pub fn dissect(frame: &[u8]) -> Dissection {
    let packet = Packet::read(Link::Ethernet, frame, frame.len() as u32);
    let mut framer = Framer::default();
    dissection(&packet, frame, &mut |packet, each| {
        let Some(Transport::Tcp(segment, _)) = packet.ip().map(|ip| &ip.transport) else { return };
        if segment.source_port == bgp::PORT || segment.destination_port == bgp::PORT {
            framer.feed(segment.payload, &mut |piece| {
                if let Piece::Message { .. } = piece {
                    each(piece);
                }
            });
        }
    })
}

/// Reads the frames of a link or a capture in their order.
///
/// A BGP message belongs to the frame that completes it, however it is cut into segments, and one that is sent again is not
/// there twice.
#[derive(Debug, Default)]
pub struct Dissector {
    streams: Streams,
    summary: Summary,
}

impl Dissector {
    /// Reads the next frame, of Ethernet.
    pub fn dissect(&mut self, frame: &[u8]) -> Dissection {
        let packet = Packet::read(Link::Ethernet, frame, frame.len() as u32);
        self.data(&packet, frame)
    }

    /// Reads the next frame of a capture as data.
    pub fn dissect_captured(&mut self, frame: &Captured<'_>) -> Dissection {
        let packet = Packet::read(frame.link, frame.octets, frame.original_length);
        self.data(&packet, frame.octets)
    }

    fn data(&mut self, packet: &Packet<'_>, octets: &[u8]) -> Dissection {
        let streams = &mut self.streams;
        dissection(packet, octets, &mut |packet, each| {
            if let Some(ip) = packet.ip()
                && let Transport::Tcp(segment, left_out) = &ip.transport
            {
                streams.add(ip, segment, *left_out, &mut |piece| each(piece));
            }
        })
    }

    /// Appends the next frame of a capture in one line, without its end.
    pub fn line(&mut self, frame: &Captured<'_>, out: &mut String) {
        let packet = Packet::read(frame.link, frame.octets, frame.original_length);
        self.write_line(&packet, frame.octets, out, &mut |_| {});
    }

    /// Appends the next frame of a capture in full: the line, then every field with its offset.
    pub fn verbose(&mut self, frame: &Captured<'_>, out: &mut String) {
        let packet = Packet::read(frame.link, frame.octets, frame.original_length);
        let mut fields = verbose::Fields::of(&packet, frame);
        self.write_line(&packet, frame.octets, out, &mut |piece| fields.message(&packet, piece));
        out.push('\n');
        out.push_str(&fields.text);
    }

    #[inline]
    fn write_line(
        &mut self,
        packet: &Packet<'_>,
        octets: &[u8],
        out: &mut String,
        each: &mut impl FnMut(&Piece<'_>),
    ) {
        if let Network::Ip(ip) = &packet.network
            && let Transport::Tcp(segment, left_out) = &ip.transport
        {
            let summary = &mut self.summary;
            summary.clear();
            self.streams.add(ip, segment, *left_out, &mut |piece| {
                summary.add(&piece);
                each(&piece);
            });
            if !summary.is_empty() {
                return line::bgp(ip, summary, out);
            }
        }
        line::frame(packet, octets, out);
    }
}

/// Says for a packet which messages of BGP it completes.
type Messages<'a> = &'a mut dyn FnMut(&Packet<'_>, &mut dyn FnMut(Piece<'_>));

fn dissection(packet: &Packet<'_>, octets: &[u8], find: Messages<'_>) -> Dissection {
    let mut layers = layers::layers(packet, octets);
    let (mut summary, mut messages) = (Summary::default(), Vec::new());
    find(packet, &mut |piece| {
        summary.add(&piece);
        messages.push(messages::json(&piece));
    });
    let mut text = String::new();
    match packet.ip() {
        Some(ip) if !messages.is_empty() => {
            line::bgp(ip, &summary, &mut text);
            layers.insert("bgp".to_owned(), Value::Array(messages));
        }
        _ => line::frame(packet, octets, &mut text),
    }
    Dissection { summary: text, layers }
}

#[cfg(test)]
mod tests;
