//! Packets between IP, the links below and the transports above.

use super::Stack;
use crate::NodeOutput;
use std::net::Ipv4Addr;
use trunkline_arp as arp;
use trunkline_core::{Frame, Instant, MacAddr, Outbox, PortId};
use trunkline_ip::{self as ip, IcmpErrorKind, SendError};
use trunkline_tcp as tcp;
use trunkline_view::EventKind;
use trunkline_wire::ethernet::EtherType;
use trunkline_wire::icmp::{Message, UnreachableCode};
use trunkline_wire::ipv4::{Options, Protocol};
use trunkline_wire::tcp::SeqNum;

impl Stack {
    /// Carries out what IP wants.
    pub(super) fn ip_output(&mut self, now: Instant, output: ip::Output, out: &mut Outbox<NodeOutput>) {
        match output {
            ip::Output::Transmit { interface, next_hop, broadcast, packet } => {
                self.transmit(now, interface, (next_hop, broadcast), packet, out);
            }
            ip::Output::Deliver { interface, header, packet, payload } => {
                if header.protocol == Protocol::UDP {
                    return self.udp_arrived(interface, &header, packet, payload);
                }
                let Some(payload) = packet.get(payload) else { return };
                match header.protocol {
                    Protocol::TCP => {
                        let (source, destination) = (header.source, header.destination);
                        let (ttl, tos) = (header.ttl, header.tos);
                        let out_tcp = &mut self.tcp_out;
                        let progress = self.tcp.segment(now, source, destination, ttl, tos, payload, out_tcp);
                        self.tcp_touched = true;
                        if progress {
                            self.confirm_neighbor(now, (destination, source), out);
                        }
                    }
                    Protocol::ICMP => {
                        if let Ok(Message::EchoReply { identifier, sequence, .. }) = Message::parse(payload) {
                            let octets = payload.len();
                            self.ping_reply(now, identifier, sequence, (header.source, header.ttl, octets));
                        }
                    }
                    _ => {}
                }
            }
            ip::Output::IcmpError(error) => self.icmp_error(now, &error),
            // Whoever sends here asks `Ip::send` what became of it.
            ip::Output::SendFailed { .. } => {}
            ip::Output::PathMtuRaised { destination } => self.path_mtu_raised(now, destination),
            ip::Output::Event(event) => self.tell(|| EventKind::Ip { message: event.to_string() }),
        }
    }

    /// Sends a packet to a neighbour.
    #[inline]
    fn transmit(
        &mut self,
        now: Instant,
        interface: PortId,
        (next_hop, broadcast): (Ipv4Addr, bool),
        packet: Frame,
        out: &mut Outbox<NodeOutput>,
    ) {
        let number = interface.index();
        let destination = if broadcast {
            Some(MacAddr::BROADCAST)
        } else if next_hop.is_multicast() {
            // RFC 1112 §6.4: the low 23 bits.
            let [_, b, c, d] = next_hop.octets();
            Some(MacAddr([0x01, 0x00, 0x5e, b & 0x7f, c, d]))
        } else {
            let found = self.interfaces.get_mut(number).and_then(Option::as_mut);
            let Some(arp) = found.and_then(|interface| interface.arp.as_mut()) else { return };
            let found = arp.lookup(now, next_hop);
            let due = arp.poll_timeout();
            self.note(due);
            found
        };
        match destination {
            Some(destination) => self.link_send(now, number, destination, EtherType::IPV4, packet, out),
            None => {
                self.arp_handle(now, number, arp::Input::Send { next_hop, packet });
                self.arp_outputs(now, number, out);
            }
        }
    }

    /// Sends the next segment that TCP has; whether it had one.
    pub(super) fn send_segment(&mut self, now: Instant) -> bool {
        let mut packet = std::mem::take(&mut self.segment);
        packet.clear();
        packet.resize(ip::ROOM, 0);
        let transmit = self.tcp.poll_transmit(now, &mut packet);
        if let Some(segment) = transmit {
            let send = ip::Send {
                source: Some(segment.source),
                destination: segment.destination,
                protocol: Protocol::TCP,
                ttl: Some(segment.ttl),
                tos: segment.tos,
                dont_fragment: segment.dont_fragment,
                options: Options::NONE,
                payload: &[],
                interface: None,
            };
            let sent = self.ip.send_in_place(now, &send, &mut packet, &mut self.ip_out);
            if let Err(SendError::TooBig { mtu }) = sent
                && let Some(&[s0, s1, d0, d1, q0, q1, q2, q3]) =
                    packet.get(ip::ROOM..).and_then(|segment| segment.first_chunk())
            {
                let local = (segment.source, u16::from_be_bytes([s0, s1]));
                let remote = (segment.destination, u16::from_be_bytes([d0, d1]));
                let sequence = SeqNum(u32::from_be_bytes([q0, q1, q2, q3]));
                self.tcp.too_big(now, local, remote, sequence, mtu);
            }
        }
        self.segment = packet;
        transmit.is_some()
    }

    /// A peer gets what we send: its next hop is alive, and ARP need not ask (RFC 4861 §7.3.1).
    fn confirm_neighbor(
        &mut self,
        now: Instant,
        (local, peer): (Ipv4Addr, Ipv4Addr),
        out: &mut Outbox<NodeOutput>,
    ) {
        // As TCP's packets are sent: without ports.
        let flow = self.ip.flow_hash(local, peer, Protocol::TCP.0, (0, 0));
        let Some(route) = self.ip.route(now, peer, flow).filter(|route| !route.local) else { return };
        let neighbor = route.gateway.unwrap_or(peer);
        if self.sockets.confirm(now, (route.interface, neighbor)) {
            let number = route.interface.index();
            self.arp_handle(now, number, arp::Input::Confirm { neighbor });
            self.arp_outputs(now, number, out);
        }
    }

    /// Something we sent met with an error. Of a path's MTU only TCP can tell whether it is true: what ping and traceroute
    /// hear is shown and not noted.
    fn icmp_error(&mut self, now: Instant, error: &ip::IcmpError) {
        match error.protocol {
            Protocol::TCP => {
                let (Some((from, to)), Some(sequence)) = (error.ports(), error.tcp_sequence()) else {
                    return;
                };
                let kind = match error.kind {
                    // RFC 9293 §3.9.2.2, RFC 5461 §2.
                    IcmpErrorKind::Unreachable(
                        UnreachableCode::Protocol
                        | UnreachableCode::Port
                        | UnreachableCode::NetProhibited
                        | UnreachableCode::HostProhibited,
                    ) => tcp::IcmpErrorKind::Hard,
                    IcmpErrorKind::FragmentationNeeded { mtu } => {
                        tcp::IcmpErrorKind::FragmentationNeeded(mtu)
                    }
                    _ => tcp::IcmpErrorKind::Soft,
                };
                let (local, remote) = ((error.source, from), (error.destination, to));
                let about = tcp::IcmpError { local, remote, sequence: SeqNum(sequence), kind };
                if self.tcp.icmp_error(now, &about, &mut self.tcp_out) {
                    self.ip.note_path_mtu(now, error, &mut self.ip_out);
                }
                self.tcp_touched = true;
                self.hear(now, error);
            }
            Protocol::UDP => {
                let Some((from, to)) = error.ports() else { return };
                self.traceroute_answer(now, (from, to), error);
            }
            Protocol::ICMP => {
                let Some((identifier, sequence)) = error.echo() else { return };
                self.ping_error(now, identifier, sequence, error);
            }
            _ => {}
        }
    }

    /// Larger packets may be tried on a path.
    fn path_mtu_raised(&mut self, now: Instant, destination: Ipv4Addr) {
        let Some(mtu) = self.ip.route(now, destination, 0).map(|route| route.mtu) else { return };
        let ends: Vec<_> = self
            .tcp
            .connections(now)
            .filter(|connection| connection.remote.0 == destination)
            .map(|connection| (connection.local, connection.remote))
            .collect();
        for (local, remote) in ends {
            self.tcp.path_mtu(now, local, remote, mtu);
        }
        self.tcp_touched = true;
    }
}
