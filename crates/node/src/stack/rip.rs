//! RIP's datagrams over the node's own IP: what the driver does with a socket of the kernel, done here.

use super::{FIRST_INDEX, Said, Stack};
use std::net::Ipv4Addr;
use std::ops::Range;
use trunkline_core::{Frame, Instant, PortId};
use trunkline_ip as ip;
use trunkline_wire::ipv4::{Header, Protocol};
use trunkline_wire::rip::PORT;
use trunkline_wire::udp::{self, Datagram};

impl Stack {
    /// Whether datagrams to RIP's port are taken; where not, their senders hear so.
    pub(crate) fn open_rip(&mut self, open: bool) {
        if open {
            self.ip.bind_udp(PORT);
        } else {
            self.ip.unbind_udp(PORT);
        }
    }

    /// Whether packets to a group are taken on an interface.
    pub(crate) fn rip_group(&mut self, interface: PortId, group: Ipv4Addr, join: bool) {
        if join {
            self.ip.join_group(interface, group);
        } else {
            self.ip.leave_group(interface, group);
        }
    }

    /// Sends a datagram from RIP's port, with a TTL of 1: it is for neighbours alone.
    pub(crate) fn send_rip(
        &mut self,
        now: Instant,
        interface: PortId,
        (source, destination): (Ipv4Addr, Ipv4Addr),
        port: u16,
        octets: &[u8],
    ) {
        let datagram = Datagram { source_port: PORT, destination_port: port, payload: octets };
        let mut payload = Vec::with_capacity(udp::LEN + octets.len());
        datagram.emit(source, destination, &mut payload);
        let send = ip::Send {
            source: Some(source),
            ttl: Some(1),
            // RFC 1812 §7.1: routing protocols are sent with precedence 6.
            tos: 0xc0,
            interface: Some(interface),
            ..ip::Send::new(destination, Protocol::UDP, &payload)
        };
        // An interface that goes down meanwhile counts it; RIP sends all again in time.
        let _ = self.ip.send(now, &send, &mut self.ip_out);
    }

    /// A whole datagram arrived at a bound port: RIP's is the only one.
    pub(super) fn udp_arrived(
        &mut self,
        interface: PortId,
        header: &Header,
        packet: Frame,
        payload: Range<usize>,
    ) {
        let octets = packet.get(payload.clone()).unwrap_or_default();
        let Ok(datagram) = Datagram::parse(octets, header.source, header.destination) else { return };
        if datagram.destination_port != PORT {
            return;
        }
        let (source, source_port) = (header.source, datagram.source_port);
        let start = payload.start + udp::LEN;
        let payload = start..start + datagram.payload.len();
        self.said.push(Said::Rip {
            interface: FIRST_INDEX + interface.0,
            source,
            source_port,
            packet,
            payload,
        });
    }
}
