//! Frames of a link one after the other: BGP messages are put together from segments.

use super::{Dissection, bgp_message, dissect, set_bgp};
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use trunkline_wire::bgp;
use trunkline_wire::ethernet::{Content, EtherType, Header};
use trunkline_wire::ipv4::{self, Protocol};
use trunkline_wire::tcp::{Flags, Segment, SeqNum};

/// The most octets of a stream that wait for what is missing before them; beyond, the stream is taken up anew.
const MAX_WAITING: usize = 1 << 20;

/// Reads the frames of a link in their order.
///
/// As [`dissect`], but a BGP message belongs to the frame that completes it, however it is cut into segments, and one that
/// is sent again is not there twice.
#[derive(Debug, Default)]
pub struct Dissector {
    /// By source and destination.
    streams: BTreeMap<(Ipv4Addr, u16, Ipv4Addr, u16), Stream>,
}

/// One direction of a connection.
#[derive(Debug)]
struct Stream {
    /// The sequence number of its first octet.
    first: SeqNum,
    /// The sequence number of what comes after `octets`.
    next: SeqNum,
    /// The beginning of a message.
    octets: Vec<u8>,
    /// What came too early, by how far that is from the beginning of the stream.
    early: BTreeMap<u64, Vec<u8>>,
    /// How far `next` is from there.
    at: u64,
}

impl Dissector {
    /// Reads the next frame.
    pub fn dissect(&mut self, frame: &[u8]) -> Dissection {
        let mut dissection = dissect(frame);
        if dissection.layers.contains_key("tcp") {
            let messages = self.bgp(frame);
            if let Some((source, destination, messages)) = messages {
                set_bgp(&mut dissection, source, destination, messages);
            }
        }
        dissection
    }

    /// The messages that a frame completes, and who sends them to whom; none where it carries no BGP.
    fn bgp(&mut self, frame: &[u8]) -> Option<(Ipv4Addr, Ipv4Addr, Vec<Value>)> {
        let (header, payload) = Header::parse(frame).ok()?;
        let (Content::Type(EtherType::IPV4), Ok((ip, payload))) =
            (header.content, ipv4::Header::parse(payload))
        else {
            return None;
        };
        if ip.is_fragment() || ip.protocol != Protocol::TCP {
            return None;
        }
        let segment = Segment::parse(payload, ip.source, ip.destination).ok()?;
        let (from, to) = (segment.source_port, segment.destination_port);
        if from != bgp::PORT && to != bgp::PORT {
            return None;
        }
        let key = (ip.source, from, ip.destination, to);
        // SYN takes a sequence number (RFC 9293 §3.4).
        let begins = segment.flags.contains(Flags::SYN);
        let sequence = segment.sequence + u32::from(begins);
        let stream = self.streams.entry(key).or_insert_with(|| Stream::new(sequence));
        // A SYN that is sent again begins nothing.
        if begins && stream.first != sequence {
            *stream = Stream::new(sequence);
        }
        stream.add(sequence, segment.payload);
        Some((ip.source, ip.destination, stream.messages()))
    }
}

impl Stream {
    fn new(next: SeqNum) -> Stream {
        Stream { first: next, next, octets: Vec::new(), early: BTreeMap::new(), at: 0 }
    }

    /// Adds octets; those that were there before are passed over.
    fn add(&mut self, sequence: SeqNum, octets: &[u8]) {
        let ahead = sequence.0.wrapping_sub(self.next.0) as i32;
        if let Ok(ahead) = u32::try_from(ahead) {
            self.keep(self.at + u64::from(ahead), octets);
        } else if let Some(rest) = octets.get(ahead.unsigned_abs() as usize..) {
            self.keep(self.at, rest);
        }
        while let Some(entry) = self.early.first_entry().filter(|entry| *entry.key() <= self.at) {
            let (start, octets) = entry.remove_entry();
            let known = usize::try_from(self.at - start).unwrap_or(usize::MAX);
            let rest = octets.get(known..).unwrap_or_default();
            self.octets.extend_from_slice(rest);
            self.at += rest.len() as u64;
            self.next += rest.len() as u32;
        }
        if self.early.values().map(Vec::len).sum::<usize>() > MAX_WAITING {
            *self = Stream::new(sequence + octets.len() as u32);
        }
    }

    fn keep(&mut self, start: u64, octets: &[u8]) {
        let place = self.early.entry(start).or_default();
        if place.len() < octets.len() {
            *place = octets.to_vec();
        }
    }

    /// Takes the messages that are complete. What is no message ends the reading of what is there.
    fn messages(&mut self) -> Vec<Value> {
        let mut messages = Vec::new();
        let mut read = 0;
        loop {
            match bgp::frame(self.octets.get(read..).unwrap_or_default(), bgp::MAX_EXTENDED_MESSAGE_LEN) {
                Ok(Some(frame)) => {
                    messages.push(bgp_message(&frame));
                    read += frame.message.len();
                }
                Ok(None) => break,
                Err(_) => read = self.octets.len(),
            }
        }
        self.octets.drain(..read);
        messages
    }
}
