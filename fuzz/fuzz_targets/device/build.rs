//! Frames from fields.

use crate::World;
use crate::config::{self, OWN};
use std::net::Ipv4Addr;
use trunkline_core::{MacAddr, PortId};
use trunkline_wire::arp::{Arp, Operation};
use trunkline_wire::ethernet::{self, EtherType};
use trunkline_wire::icmp::Message;
use trunkline_wire::ipv4::{Header, Options, Protocol};
use trunkline_wire::tcp::{self, Flags, SackBlocks, Segment, Timestamps};
use trunkline_wire::udp::Datagram;

/// Addresses beside the device's own.
const OTHERS: [[u8; 4]; 16] = [
    [10, 0, 0, 2],
    [10, 0, 0, 3],
    [10, 0, 1, 1],
    [10, 0, 1, 2],
    [10, 0, 9, 2],
    [203, 0, 113, 1],
    [10, 5, 0, 1],
    [10, 6, 0, 1],
    [10, 0, 0, 255],
    [10, 0, 1, 255],
    [10, 0, 1, 0],
    [255, 255, 255, 255],
    [224, 0, 0, 1],
    [127, 0, 0, 1],
    [0, 0, 0, 0],
    [240, 0, 0, 1],
];

/// An ARP packet in a frame.
pub fn arp_frame(destination: MacAddr, arp: Arp) -> Vec<u8> {
    let mut frame = Vec::new();
    ethernet::Header::new(destination, arp.sender_hardware, EtherType::ARP).emit(&mut frame);
    arp.emit(&mut frame);
    ethernet::pad(&mut frame);
    frame
}

/// An echo request in a frame.
pub fn echo_frame(from: MacAddr, to: MacAddr, (source, destination): (Ipv4Addr, Ipv4Addr)) -> Vec<u8> {
    let mut payload = Vec::new();
    Message::EchoRequest { identifier: 1, sequence: 1, data: &[7; 56] }.emit(&mut payload);
    let mut frame = Vec::new();
    ethernet::Header::new(to, from, EtherType::IPV4).emit(&mut frame);
    Header::new(Protocol::ICMP, source, destination).emit(payload.len(), &mut frame);
    frame.extend(payload);
    frame
}

/// A message of BGP with its header.
fn bgp_message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = (19 + body.len()) as u16;
    [&[0xff; 16][..], &length.to_be_bytes(), &[kind], body].concat()
}

impl World<'_> {
    pub fn address(&mut self) -> Ipv4Addr {
        match self.octet() {
            n @ 0..=63 => OWN[usize::from(n) % OWN.len()],
            n @ 64..=191 => Ipv4Addr::from(OTHERS[usize::from(n) % OTHERS.len()]),
            n => Ipv4Addr::new(10, 0, 0, n),
        }
    }

    /// One of the device's own, mostly the first.
    fn own_address(&mut self) -> Ipv4Addr {
        match self.octet() {
            0..=127 => config::first_address(self.kind),
            n => OWN[usize::from(n) % OWN.len()],
        }
    }

    fn mac(&mut self, port: PortId) -> MacAddr {
        match self.octet() {
            0..=199 if self.kind % 3 == 2 => config::port_mac(PortId(0)),
            0..=199 => config::port_mac(port),
            200..=209 => config::OTHER_MAC,
            210..=219 => MacAddr::BROADCAST,
            220..=224 => MacAddr([1, 0, 0x5e, 0, 0, 1]),
            225..=229 => MacAddr([1, 0x80, 0xc2, 0, 0, 0]),
            230 => MacAddr::UNSPECIFIED,
            n => config::peer_mac(Ipv4Addr::new(10, 0, 0, n - 230)),
        }
    }

    pub fn tcp_port(&mut self) -> u16 {
        match self.octet() {
            0..=63 => 7,
            64..=95 => 9,
            96..=127 => 19,
            128..=191 => 179,
            n => 2000 + u16::from(n),
        }
    }

    fn port_id(&mut self) -> PortId {
        PortId(u32::from(self.octet() % 3))
    }

    /// Numbers around zero, small and large.
    fn offset(&mut self) -> u32 {
        match self.octet() {
            n @ 0..=127 => u32::from(n >> 4) * 7,
            n @ 128..=159 => u32::from(n - 128).wrapping_neg(),
            n @ 160..=223 => u32::from(n) << 9,
            n => u32::from(n) << 24,
        }
    }

    fn octets(&mut self, limit: u8) -> Vec<u8> {
        let length = usize::from(self.octet() % limit).min(self.data.len());
        let (octets, rest) = self.data.split_at(length);
        self.data = rest;
        octets.to_vec()
    }

    /// Octets that something carries.
    fn payload(&mut self) -> Vec<u8> {
        match self.octet() {
            0..=95 => Vec::new(),
            n @ 96..=143 => vec![0x61; usize::from(n - 96) * 16],
            144..=151 => vec![0x62; 1460],
            152..=179 => {
                bgp_message(1, &[4, 0xfd, 0xea, 0, 90, 10, 0, 1, 1, 8, 2, 6, 65, 4, 0, 0, 0xfd, 0xea])
            }
            180..=199 => bgp_message(4, &[]),
            200..=219 => {
                let attributes: &[u8] =
                    &[0x40, 1, 1, 0, 0x40, 2, 6, 2, 1, 0, 0, 0xfd, 0xea, 0x40, 3, 4, 10, 0, 1, 1];
                let length = (attributes.len() as u16).to_be_bytes();
                let routes = self.octets(16);
                bgp_message(2, &[&[0, 0], &length[..], attributes, &routes].concat())
            }
            220..=223 => bgp_message(3, &[6, 2]),
            _ => self.octets(64),
        }
    }

    pub fn arp_frame(&mut self) {
        let port = self.port_id();
        let (operation, sender, target) = (self.octet(), self.address(), self.address());
        let arp = Arp {
            operation: Operation::from(u16::from(operation & 3)),
            sender_hardware: if operation & 4 == 0 { config::peer_mac(sender) } else { self.mac(port) },
            sender_protocol: sender,
            target_hardware: if operation & 8 == 0 { MacAddr::UNSPECIFIED } else { self.mac(port) },
            target_protocol: if operation & 16 == 0 { target } else { sender },
        };
        let destination = if operation & 32 == 0 { MacAddr::BROADCAST } else { self.mac(port) };
        self.frame(port, arp_frame(destination, arp));
    }

    pub fn raw_frame(&mut self) {
        let port = self.port_id();
        let mut frame = self.octets(128);
        if frame.len() > 14 && frame[0] & 1 == 0 {
            let own = config::port_mac(port);
            frame[..6].copy_from_slice(&own.0);
            let ether_type = [[8, 0], [8, 6]][usize::from(frame[13] & 1)];
            frame[12..14].copy_from_slice(&ether_type);
        }
        self.frame(port, frame);
    }

    /// Puts a packet into a frame, perhaps with a tag, padding or a wrong octet.
    fn send(&mut self, port: PortId, header: &Header, payload: &[u8]) {
        let (bits, destination) = (self.octet(), self.mac(port));
        let mut frame = Vec::new();
        ethernet::Header::new(destination, config::peer_mac(header.source), EtherType::IPV4).emit(&mut frame);
        header.emit(payload.len(), &mut frame);
        frame.extend_from_slice(payload);
        match bits {
            0..=199 => {}
            200..=209 => drop(frame.splice(12..12, [0x81, 0, bits & 0xe0, bits & 1])),
            210..=219 => ethernet::pad(&mut frame),
            220..=229 => frame.extend_from_slice(&[0xee; 40]),
            _ => {
                let (at, octet) = (usize::from(self.octet()), self.octet());
                let length = frame.len();
                frame[at % length] ^= octet;
                frame.truncate(length - usize::from(bits & 3));
            }
        }
        self.frame(port, frame);
    }

    pub fn internet_frame(&mut self) {
        let (port, what) = (self.port_id(), self.octet());
        let (source, destination) = (self.address(), self.address());
        let mut payload = Vec::new();
        let data = self.payload();
        let (identifier, sequence) = (u16::from(what), 1);
        let protocol = match what % 8 {
            0..=2 => {
                Message::EchoRequest { identifier, sequence, data: &data }.emit(&mut payload);
                Protocol::ICMP
            }
            3 => {
                let [originate, receive, transmit] = [1, 2, 3];
                Message::TimestampRequest { identifier, sequence, originate, receive, transmit }
                    .emit(&mut payload);
                Protocol::ICMP
            }
            4 => {
                let (kind, code) = (self.octet(), self.octet());
                Message::Unknown { kind, code, rest: &data }.emit(&mut payload);
                Protocol::ICMP
            }
            5 | 6 => {
                let destination_port = self.tcp_port();
                let datagram = Datagram { source_port: 53, destination_port, payload: &data };
                datagram.emit(source, destination, &mut payload);
                Protocol::UDP
            }
            _ => {
                payload = data;
                Protocol(self.octet())
            }
        };
        let mut header = Header::new(protocol, source, destination);
        let bits = self.octet();
        header.dont_fragment = bits & 3 == 1;
        if bits & 12 == 4 {
            header.more_fragments = bits & 16 != 0;
            header.fragment_offset = u16::from(self.octet()) * 8;
            header.identification = u16::from(bits & 1);
        }
        if bits & 0xe0 == 0xe0 {
            header.ttl = self.octet();
            header.tos = self.octet();
            let options = self.octets(44);
            header.options = Options::from_raw(&options).unwrap_or(Options::NONE);
        }
        self.send(port, &header, &payload);
    }

    /// A segment: mostly for a connection that is there.
    pub fn segment_frame(&mut self) {
        let (kind, bits) = (self.octet(), self.octet());
        let which = usize::from(self.octet());
        let seen = self.checks.seen.get(which % 64).or(self.checks.seen.last()).filter(|_| which < 192);
        let (port, local, remote, next, acked, stamp) = match seen.copied() {
            Some(seen) => (seen.port, seen.local, seen.remote, seen.next, seen.acked, seen.stamp),
            None => {
                let port = self.port_id();
                let local = (self.own_address(), self.tcp_port());
                let remote = (self.address(), 1000 + u16::from(kind >> 5));
                (port, local, remote, tcp::SeqNum(0), tcp::SeqNum(7), 0)
            }
        };
        let payload = self.payload();
        let sack = if kind & 8 != 0 {
            let at = next + self.offset();
            SackBlocks::new(&[(at, at + self.offset())])
        } else {
            SackBlocks::new(&[])
        };
        let segment = Segment {
            source_port: remote.1,
            destination_port: local.1,
            sequence: acked + self.offset(),
            acknowledgment: next + self.offset(),
            flags: Flags(u16::from(bits & 0x3f)),
            window: if bits & 0x40 == 0 { 0xffff } else { u16::from(kind) },
            urgent_pointer: u16::from(kind),
            options: tcp::Options {
                mss: (kind & 2 != 0).then_some(1460 >> (kind & 7)),
                window_scale: (kind & 4 != 0).then_some(kind >> 3),
                sack_permitted: kind & 2 != 0,
                sack,
                timestamps: (kind & 16 != 0)
                    .then(|| Timestamps { value: 1000u32.wrapping_add(self.offset()), echo: stamp }),
                ..tcp::Options::NONE
            },
            payload: &payload,
        };
        let mut octets = Vec::new();
        segment.emit(remote.0, local.0, &mut octets);
        self.send(port, &Header::new(Protocol::TCP, remote.0, local.0), &octets);
    }

    /// One of the packets that the device has sent, of late.
    fn sent_packet(&mut self) -> Option<(PortId, Vec<u8>)> {
        let back = usize::from(self.octet() % 32);
        let sent = &self.checks.sent;
        let (port, frame) = sent.get(sent.len().wrapping_sub(1 + back)).or(sent.last())?;
        Some((*port, frame[ethernet::LEN..].to_vec()))
    }

    /// An error about something that the device has sent.
    pub fn error_frame(&mut self) {
        let Some((port, packet)) = self.sent_packet() else { return };
        let Ok((about, rest)) = Header::parse_quoted(&packet) else { return };
        let length = (about.header_len() + rest.len()).min(28 + usize::from(self.octet()));
        let original = &packet[..length.min(packet.len())];
        let (what, code) = (self.octet(), self.octet());
        let mut payload = Vec::new();
        match what % 6 {
            0 => Message::DestinationUnreachable { code: (code % 16).into(), next_hop_mtu: 0, original },
            1 => {
                let next_hop_mtu = u16::from(self.octet()) * 6;
                Message::DestinationUnreachable { code: 4.into(), next_hop_mtu, original }
            }
            2 => Message::Redirect { code: (code % 5).into(), gateway: self.address(), original },
            3 => Message::TimeExceeded { code: (code % 3).into(), original },
            4 => Message::ParameterProblem { code: code % 2, pointer: code, original },
            _ => Message::SourceQuench { original },
        }
        .emit(&mut payload);
        let source = if what < 128 { config::first_address(1) } else { self.address() };
        let source = if what & 64 == 0 { Ipv4Addr::new(10, 0, 0, 254) } else { source };
        self.send(port, &Header::new(Protocol::ICMP, source, about.source), &payload);
    }

    /// What the device has sent comes back: an echo request as a reply, all else with the addresses turned round.
    pub fn answer_frame(&mut self) {
        let Some((port, packet)) = self.sent_packet() else { return };
        let Ok((about, payload)) = Header::parse_quoted(&packet) else { return };
        let mut octets = payload.to_vec();
        if let Ok(Message::EchoRequest { identifier, sequence, data }) = Message::parse(payload)
            && about.protocol == Protocol::ICMP
        {
            octets.clear();
            Message::EchoReply { identifier, sequence, data }.emit(&mut octets);
        }
        let header = Header { source: about.destination, destination: about.source, ..about };
        self.send(port, &header, &octets);
    }
}
