//! What the device sends: whether it is well-formed, and what of it is kept so that answers can fit.

use crate::config::{self, OWN};
use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use trunkline_core::{Frame, MacAddr, PortId};
use trunkline_wire::arp::{Arp, Operation};
use trunkline_wire::ethernet::{self, EtherType};
use trunkline_wire::ipv4::{Header, Protocol};
use trunkline_wire::tcp::{Segment, SeqNum};
use trunkline_wire::{icmp, udp};

/// How much is kept of what was sent.
const KEPT: usize = 32;

/// The largest packet that any configuration allows.
const MTU: usize = 1500;

/// The newest of a connection that the device has sent.
#[derive(Debug, Clone, Copy)]
pub struct Seen {
    pub port: PortId,
    pub local: (Ipv4Addr, u16),
    pub remote: (Ipv4Addr, u16),
    /// The sequence number after it, its acknowledgment, its timestamp.
    pub next: SeqNum,
    pub acked: SeqNum,
    pub stamp: u32,
}

pub struct Checks {
    /// The last IPv4 frames.
    pub sent: Vec<(PortId, Frame)>,
    pub seen: Vec<Seen>,
    pub last_reply: Option<Arp>,
    /// The frame that is being handled: a bridge sends it on as it is.
    handled: Option<Frame>,
    /// Addresses of the device that others have sent from: what then leaves may have been forwarded.
    spoofed: BTreeSet<Ipv4Addr>,
    /// Of all frames, in order.
    pub digest: u64,
}

impl Checks {
    pub fn new() -> Checks {
        Checks {
            sent: Vec::new(),
            seen: Vec::new(),
            last_reply: None,
            handled: None,
            spoofed: BTreeSet::new(),
            digest: 0xcbf2_9ce4_8422_2325,
        }
    }

    pub fn comes_in(&mut self, frame: &Frame) {
        for at in [26, 30] {
            if let Some(source) = frame.get(at..).and_then(|rest| rest.first_chunk::<4>()) {
                self.spoofed.insert(Ipv4Addr::from(*source));
            }
        }
        self.handled = Some(frame.clone());
    }

    pub fn went_in(&mut self) {
        self.handled = None;
    }

    pub fn forget(&mut self) {
        self.sent.clear();
        self.last_reply = None;
    }

    /// A frame that the device sends; gives a request of ARP that waits for an answer.
    pub fn sent(&mut self, kind: u8, port: PortId, frame: &Frame) -> Option<Arp> {
        for octet in frame.iter().copied().chain([port.0 as u8]) {
            self.digest = (self.digest ^ u64::from(octet)).wrapping_mul(0x100_0000_01b3);
        }
        if self.handled.as_ref() == Some(frame) {
            return None;
        }
        assert!(frame.len() >= ethernet::MIN_LEN, "{} octets", frame.len());
        let (header, payload) = ethernet::Header::parse(frame).expect("Ethernet");
        let own = (0..3).any(|port| header.source == config::port_mac(PortId(port)));
        assert!(own || header.source == config::OTHER_MAC, "from {}, kind {kind}", header.source);
        assert!(header.tag.is_none() && header.destination != MacAddr::UNSPECIFIED);
        match header.content {
            ethernet::Content::Type(EtherType::ARP) => return self.arp(&header, payload),
            ethernet::Content::Type(EtherType::IPV4) => self.internet(&header, port, payload),
            other => panic!("{other:?}"),
        }
        self.keep(port, frame);
        None
    }

    fn keep(&mut self, port: PortId, frame: &Frame) {
        if self.sent.len() == KEPT {
            self.sent.remove(0);
        }
        self.sent.push((port, frame.clone()));
    }

    fn arp(&mut self, header: &ethernet::Header, payload: &[u8]) -> Option<Arp> {
        let arp = Arp::parse(payload).expect("ARP");
        assert_eq!(arp.sender_hardware, header.source, "{arp}");
        assert!(header.destination.is_broadcast() || header.destination.is_station(), "{arp}");
        match arp.operation {
            Operation::Request => (!arp.is_announcement() && !arp.is_probe()).then_some(arp),
            Operation::Reply => {
                assert!(arp.sender_protocol != arp.target_protocol, "{arp}");
                self.last_reply = Some(arp);
                None
            }
            Operation::Unknown(code) => panic!("operation {code}"),
        }
    }

    fn internet(&mut self, link: &ethernet::Header, port: PortId, octets: &[u8]) {
        let (header, payload) = Header::parse(octets).expect("IPv4");
        assert!(header.ttl > 0, "{header:?}");
        assert!(header.header_len() + payload.len() <= MTU, "{} octets", payload.len());
        let (source, destination) = (header.source, header.destination);
        let [first, .., last] = destination.octets();
        assert!(first != 127 && source.octets()[0] != 127 && !destination.is_unspecified(), "{header:?}");
        assert!(!source.is_multicast() && !source.is_broadcast(), "{header:?}");
        // RFC 1122 §3.3.6: a group on the link only where it is one for IP.
        let group = destination.is_multicast() || last == 255 || last == 0;
        assert!(group || !link.destination.is_group(), "{header:?} to {}", link.destination);
        if header.is_fragment() || !OWN.contains(&source) || self.spoofed.contains(&source) {
            return;
        }
        match header.protocol {
            Protocol::TCP => self.segment(port, source, destination, payload),
            Protocol::UDP => drop(udp::Datagram::parse(payload, source, destination).expect("UDP")),
            Protocol::ICMP => {
                let message = icmp::Message::parse(payload).expect("ICMP");
                let Some(original) = message.original() else { return };
                // RFC 1122 §3.2.2: never about an error, never to a group; RFC 1812 §4.3.2.3: not longer.
                assert!(header.header_len() + payload.len() <= 576, "{header:?}");
                assert!(!destination.is_multicast() && !destination.is_broadcast(), "{header:?}");
                let (about, rest) = Header::parse_quoted(original).expect("a packet");
                assert_eq!(about.fragment_offset, 0, "{about:?}");
                let error = matches!(rest.first(), Some(3 | 4 | 5 | 11 | 12));
                assert!(about.protocol != Protocol::ICMP || !error, "{message:?}");
            }
            other => panic!("{other}"),
        }
    }

    fn segment(&mut self, port: PortId, source: Ipv4Addr, destination: Ipv4Addr, payload: &[u8]) {
        let segment = Segment::parse(payload, source, destination).expect("TCP");
        let (local, remote) = ((source, segment.source_port), (destination, segment.destination_port));
        self.seen.retain(|seen| (seen.local, seen.remote) != (local, remote));
        if self.seen.len() == KEPT {
            self.seen.remove(0);
        }
        let next = segment.sequence + segment.segment_len();
        let stamp = segment.options.timestamps.map_or(0, |stamps| stamps.value);
        self.seen.push(Seen { port, local, remote, next, acked: segment.acknowledgment, stamp });
    }
}
