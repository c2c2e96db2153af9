//! One device, and a test that is everyone else on its wires: frame in, frames out.

use crate::config::{InterfaceConfig, Kind, NodeConfig, PortKind};
use crate::{Node, NodeInput, NodeOutput};
use std::net::Ipv4Addr;
use trunkline_core::{Duration, Frame, Instant, MacAddr, Outbox, PortId};
use trunkline_view::{Answer, Query};
use trunkline_wire::arp::{Arp, Operation};
use trunkline_wire::ethernet::{self, EtherType};
use trunkline_wire::icmp::Message;
use trunkline_wire::ipv4::{Header, Protocol};

/// Who pings the device, and says where it is when the device asks.
pub(super) const FRIEND: (Ipv4Addr, MacAddr) = (Ipv4Addr::new(10, 0, 0, 77), MacAddr([2, 0, 0, 0, 1, 77]));

/// An interface of the lab.
pub(super) fn port(name: &str, addresses: &[(Ipv4Addr, u8)]) -> InterfaceConfig {
    InterfaceConfig { address: addresses.to_vec(), ..InterfaceConfig::new(name, PortKind::Simulated) }
}

/// A kind of device with such interfaces.
pub(super) fn device(kind: Kind, interfaces: Vec<InterfaceConfig>) -> NodeConfig {
    NodeConfig { kind, interfaces, ..NodeConfig::new("device") }
}

/// A device that runs, all its ports up.
pub(super) struct Device {
    pub(super) now: Instant,
    pub(super) node: Node,
    /// The frames that it sent last, the newest at the end; and how many in all.
    pub(super) sent: Vec<(PortId, Frame)>,
    pub(super) frames: u64,
    /// The answer that came last.
    pub(super) answer: Option<Answer>,
    /// The device has asked where [`FRIEND`] is.
    asked: Option<Arp>,
}

impl Device {
    pub(super) fn new(config: NodeConfig) -> Device {
        let ports = config.owned_ports().count() as u32;
        let node = Node::new(config, Vec::new(), 1, "test").unwrap();
        let now = Instant::from_secs(1);
        let mut device = Device { now, node, sent: Vec::new(), frames: 0, answer: None, asked: None };
        device.with(|node, now, out| node.start(now, out));
        for port in (0..ports).map(PortId) {
            let mac = mac(port);
            device.feed(NodeInput::Port { port, up: true, mac, mtu: 1500, speed: None, full_duplex: None });
        }
        device
    }

    pub(super) fn with(&mut self, act: impl FnOnce(&mut Node, Instant, &mut Outbox<NodeOutput>)) {
        let mut out = Outbox::new();
        act(&mut self.node, self.now, &mut out);
        if self.sent.len() > 1000 {
            self.sent.clear();
        }
        for output in out.drain() {
            match output {
                NodeOutput::Frame { port, frame } => {
                    self.frames += 1;
                    let arp = Some(&frame).filter(|frame| frame[12..14] == [8, 6]);
                    let asks = arp.and_then(|frame| Arp::parse(&frame[ethernet::LEN..]).ok());
                    let friend = |arp: &Arp| arp.target_protocol == FRIEND.0;
                    self.asked =
                        asks.filter(|a| a.operation == Operation::Request && friend(a)).or(self.asked);
                    self.sent.push((port, frame));
                }
                NodeOutput::Answer { answer, .. } => self.answer = Some(answer),
                _ => {}
            }
        }
    }

    fn feed(&mut self, input: NodeInput<'_>) {
        self.with(|node, now, out| node.handle(now, input, out));
    }

    pub(super) fn frame(&mut self, port: PortId, octets: Vec<u8>) {
        self.asked = None;
        self.feed(NodeInput::Frame { port, frame: Frame::from(octets) });
        if let Some(asked) = self.asked.take() {
            let (friend, hardware) = FRIEND;
            let reply = Arp {
                operation: Operation::Reply,
                sender_hardware: hardware,
                sender_protocol: friend,
                target_hardware: asked.sender_hardware,
                target_protocol: asked.sender_protocol,
            };
            let octets = arp_frame(asked.sender_hardware, reply);
            self.feed(NodeInput::Frame { port, frame: Frame::from(octets) });
        }
    }

    /// A packet to the device by its first port.
    pub(super) fn packet(&mut self, from: MacAddr, header: &Header, payload: &[u8]) {
        let octets = packet_frame((from, mac(PortId(0))), header, payload);
        self.frame(PortId(0), octets);
    }

    /// Lets so many seconds go by.
    pub(super) fn run(&mut self, seconds: u64) {
        let until = self.now + Duration::from_secs(seconds);
        while let Some(due) = self.node.poll_timeout().filter(|due| *due <= until) {
            self.now = self.now.max(due);
            self.with(|node, now, out| node.handle_timeout(now, out));
        }
        self.now = until;
    }

    /// Asks what is answered at once.
    pub(super) fn ask(&mut self, query: Query) -> Answer {
        self.order(query);
        self.answer.take().unwrap()
    }

    /// Asks what may be answered later.
    pub(super) fn order(&mut self, query: Query) {
        self.feed(NodeInput::Query { id: 1, query });
    }

    /// A counter of IP's, ICMP's or why packets were dropped.
    pub(super) fn counter(&mut self, name: &str) -> u64 {
        let Answer::IpStatistics(view) = self.ask(Query::IpStatistics) else { panic!("no statistics") };
        view.counters[name]
    }

    /// A counter of an interface's ARP.
    pub(super) fn arp_counter(&mut self, interface: &str, name: &str) -> u64 {
        let Answer::IpStatistics(view) = self.ask(Query::IpStatistics) else { panic!("no statistics") };
        view.arp[interface][name]
    }

    /// Whether [`FRIEND`] gets answers from this address: to its ARP request, and to the second of two pings at the
    /// latest. (The first answer may find no room among the packets that wait for their neighbours.)
    pub(super) fn answers(&mut self, own: Ipv4Addr) -> bool {
        let (friend, hardware) = FRIEND;
        self.sent.clear();
        self.frame(PortId(0), request(FRIEND, own));
        let to_friend = |(_, frame): &(PortId, Frame)| frame.starts_with(&hardware.0);
        if !self.sent.drain(..).any(|sent| to_friend(&sent) && sent.1[12..14] == [8, 6]) {
            return false;
        }
        let mut payload = Vec::new();
        Message::EchoRequest { identifier: 1, sequence: 1, data: &[7; 56] }.emit(&mut payload);
        (0..2).any(|_| {
            self.packet(hardware, &Header::new(Protocol::ICMP, friend, own), &payload);
            self.sent.iter().any(|sent| to_friend(sent) && is_answer(&sent.1, own))
        })
    }
}

/// Whether a frame carries the answer to our ping.
fn is_answer(frame: &[u8], own: Ipv4Addr) -> bool {
    let Ok((header, octets)) = Header::parse(&frame[ethernet::LEN..]) else { return false };
    let reply = matches!(Message::parse(octets), Ok(Message::EchoReply { data, .. }) if data == [7; 56]);
    (header.source, header.destination) == (own, FRIEND.0) && reply
}

/// The MAC address of a port of the device.
pub(super) fn mac(port: PortId) -> MacAddr {
    MacAddr([2, 0, 0, 0, 0, port.0 as u8])
}

/// A packet in a frame.
pub(super) fn packet_frame((from, to): (MacAddr, MacAddr), header: &Header, payload: &[u8]) -> Vec<u8> {
    let mut octets = Vec::new();
    ethernet::Header::new(to, from, EtherType::IPV4).emit(&mut octets);
    header.emit(payload.len(), &mut octets);
    octets.extend_from_slice(payload);
    ethernet::pad(&mut octets);
    octets
}

/// An ARP request in a frame.
pub(super) fn request((sender, hardware): (Ipv4Addr, MacAddr), target: Ipv4Addr) -> Vec<u8> {
    let arp = Arp {
        operation: Operation::Request,
        sender_hardware: hardware,
        sender_protocol: sender,
        target_hardware: MacAddr::UNSPECIFIED,
        target_protocol: target,
    };
    arp_frame(MacAddr::BROADCAST, arp)
}

fn arp_frame(to: MacAddr, arp: Arp) -> Vec<u8> {
    let mut octets = Vec::new();
    ethernet::Header::new(to, arp.sender_hardware, EtherType::ARP).emit(&mut octets);
    arp.emit(&mut octets);
    ethernet::pad(&mut octets);
    octets
}
