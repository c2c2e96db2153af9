//! Tests of the machine as a whole: each rule with the section of its RFC.

mod errors;
mod forwarding;
mod hosts;
mod options;
mod path_mtu;
mod reassembly;
mod redirects;
mod robustness;
mod table;

use std::net::Ipv4Addr;

use trunkline_core::{Duration, Frame, Instant, Ipv4Prefix, Outbox, PortId, Rng};
use trunkline_wire::icmp::Message;
use trunkline_wire::ipv4::{Header, Options, Protocol};
use trunkline_wire::udp::Datagram;

use crate::*;

pub(crate) const IF0: PortId = PortId(0);
pub(crate) const IF1: PortId = PortId(1);
pub(crate) const IF2: PortId = PortId(2);

/// A host on the subnet of the router's first interface.
pub(crate) const A: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 9);
/// A host on the subnet of its second.
pub(crate) const B: Ipv4Addr = Ipv4Addr::new(10, 0, 1, 9);
/// Its own addresses.
pub(crate) const R0: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
pub(crate) const R1: Ipv4Addr = Ipv4Addr::new(10, 0, 1, 1);

pub(crate) fn ip(text: &str) -> Ipv4Addr {
    text.parse().unwrap()
}

pub(crate) fn prefix(text: &str) -> Ipv4Prefix {
    let (address, len) = text.split_once('/').unwrap();
    Ipv4Prefix::new(ip(address), len.parse().unwrap()).unwrap()
}

/// A device under test, with its clock.
pub(crate) struct Device {
    pub(crate) ip: Ip,
    pub(crate) now: Instant,
}

impl Device {
    pub(crate) fn new(config: Config) -> Device {
        Device { ip: Ip::new(config, Rng::new(1)), now: Instant::from_secs(100) }
    }

    /// A router with 10.0.0.1/24 and 10.0.1.1/24.
    pub(crate) fn router() -> Device {
        let mut device = Device::new(Config { forwarding: true, ..Config::default() });
        device.interface(IF0, &["10.0.0.1/24"], |_| {});
        device.interface(IF1, &["10.0.1.1/24"], |_| {});
        device
    }

    /// A host with 10.0.0.1/24 and a gateway, 10.0.0.254.
    pub(crate) fn host() -> Device {
        let mut device = Device::new(Config::default());
        device.interface(IF0, &["10.0.0.1/24"], |interface| interface.accept_redirects = true);
        device.route("0.0.0.0/0", &[("10.0.0.254", IF0)]);
        device
    }

    pub(crate) fn interface(
        &mut self,
        id: PortId,
        addresses: &[&str],
        change: impl FnOnce(&mut InterfaceConfig),
    ) {
        let mut config = InterfaceConfig::new(&format!("eth{}", id.0));
        let split = |text: &&str| text.split_once('/').map(|(a, len)| (ip(a), len.parse().unwrap())).unwrap();
        config.addresses = addresses.iter().map(split).collect();
        change(&mut config);
        let outputs = self.handle(Input::Interface { id, config: Some(config) });
        assert_eq!(outputs, []);
    }

    pub(crate) fn route(&mut self, to: &str, hops: &[(&str, PortId)]) {
        let hop = |(gateway, interface): &(&str, PortId)| NextHop {
            gateway: (!gateway.is_empty()).then(|| ip(gateway)),
            interface: *interface,
        };
        let route =
            Route { prefix: prefix(to), next_hops: hops.iter().map(hop).collect(), kind: RouteKind::Unicast };
        self.handle(Input::Route { prefix: prefix(to), route: Some(route) });
    }

    pub(crate) fn route_kind(&mut self, to: &str, kind: RouteKind) {
        let route = Route { prefix: prefix(to), next_hops: NextHops::new(), kind };
        self.handle(Input::Route { prefix: prefix(to), route: Some(route) });
    }

    pub(crate) fn handle(&mut self, input: Input<'_>) -> Vec<Output> {
        let mut out = Outbox::new();
        self.ip.handle(self.now, input, &mut out);
        out.drain().collect()
    }

    /// A packet arrives.
    pub(crate) fn receive(&mut self, interface: PortId, packet: Frame) -> Vec<Output> {
        self.handle(Input::Packet { interface, packet, link_broadcast: false })
    }

    /// Time passes, and what is due is done on the way.
    pub(crate) fn pass(&mut self, time: Duration) -> Vec<Output> {
        let mut out = Outbox::new();
        let end = self.now + time;
        while let Some(at) = self.ip.poll_timeout().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.ip.handle_timeout(self.now, &mut out);
            assert!(self.ip.poll_timeout().is_none_or(|next| next > self.now), "a timer that does not end");
        }
        self.now = end;
        out.drain().collect()
    }

    pub(crate) fn dropped(&self, reason: DropReason) -> u64 {
        self.ip.counters().dropped(reason)
    }
}

pub(crate) fn frame(header: &Header, payload: &[u8]) -> Frame {
    let mut packet = vec![0xee; HEADROOM];
    header.emit(payload.len(), &mut packet);
    packet.extend_from_slice(payload);
    Frame::from(packet)
}

pub(crate) fn header(source: Ipv4Addr, destination: Ipv4Addr, protocol: Protocol) -> Header {
    Header { identification: 7, ..Header::new(protocol, source, destination) }
}

/// A UDP packet from port 1000 to port 2000.
pub(crate) fn udp(source: Ipv4Addr, destination: Ipv4Addr, payload: &[u8]) -> Frame {
    frame(&header(source, destination, Protocol::UDP), &datagram(source, destination, 1000, 2000, payload))
}

pub(crate) fn datagram(
    from: Ipv4Addr,
    to: Ipv4Addr,
    source_port: u16,
    destination_port: u16,
    payload: &[u8],
) -> Vec<u8> {
    let mut octets = Vec::new();
    Datagram { source_port, destination_port, payload }.emit(from, to, &mut octets);
    octets
}

pub(crate) fn icmp(source: Ipv4Addr, destination: Ipv4Addr, message: Message<'_>) -> Frame {
    frame(&header(source, destination, Protocol::ICMP), &emit(message))
}

pub(crate) fn emit(message: Message<'_>) -> Vec<u8> {
    let mut octets = Vec::new();
    message.emit(&mut octets);
    octets
}

pub(crate) fn echo(source: Ipv4Addr, destination: Ipv4Addr) -> Frame {
    icmp(source, destination, Message::EchoRequest { identifier: 1, sequence: 2, data: b"hello" })
}

/// The header and payload of a packet after the headroom; its checksum is right.
pub(crate) fn parse(packet: &Frame) -> (Header, &[u8]) {
    Header::parse(&packet[HEADROOM..]).unwrap()
}

/// The one packet that goes out.
#[track_caller]
pub(crate) fn transmitted(outputs: Vec<Output>) -> (PortId, Ipv4Addr, bool, Frame) {
    match <[Output; 1]>::try_from(outputs) {
        Ok([Output::Transmit { interface, next_hop, broadcast, packet }]) => {
            (interface, next_hop, broadcast, packet)
        }
        other => panic!("not one packet: {other:?}"),
    }
}

/// The one ICMP message that goes out, as text beside its destination.
#[track_caller]
pub(crate) fn error(outputs: Vec<Output>) -> (String, Ipv4Addr) {
    let (_, _, _, packet) = transmitted(outputs);
    let (header, payload) = parse(&packet);
    assert_eq!(header.protocol, Protocol::ICMP);
    (Message::parse(payload).unwrap().to_string(), header.destination)
}

pub(crate) fn with_options(header: Header, options: &[trunkline_wire::ipv4::Opt<'_>]) -> Header {
    Header { options: Options::new(options).unwrap(), ..header }
}
