//! Packets for this device: put together, told apart by protocol, answered (RFC 1122 §3.2, §3.3.2).

use std::net::Ipv4Addr;

use trunkline_core::{Instant, Outbox};
use trunkline_wire::icmp::Message;
use trunkline_wire::ipv4::{Header, LEN, Protocol};
use trunkline_wire::udp::Datagram;

use crate::api::{Output, Send};
use crate::counters::DropReason;
use crate::error::Problem;
use crate::options;
use crate::receive::Arrival;
use crate::{HEADROOM, Ip};

impl Ip {
    /// Takes a packet for this device, from the wire or from itself.
    pub(crate) fn deliver(&mut self, now: Instant, arrival: Arrival, out: &mut Outbox<Output>) {
        let arrival = if arrival.header.is_fragment() {
            match self.reassemble(now, arrival, out) {
                Some(whole) => whole,
                None => return,
            }
        } else {
            arrival
        };
        match arrival.header.protocol {
            Protocol::ICMP => {
                self.counters.ip_in_delivers += 1;
                self.receive_icmp(now, arrival, out);
            }
            Protocol::UDP => {
                self.counters.ip_in_delivers += 1;
                self.receive_udp(now, arrival, out);
            }
            protocol if self.protocols.contains(&protocol) => {
                self.counters.ip_in_delivers += 1;
                give(arrival, out);
            }
            // RFC 1122 §3.2.2.1
            _ => self.refuse(now, &arrival, Problem::ProtocolUnreachable, DropReason::Protocol, out),
        }
    }

    fn reassemble(&mut self, now: Instant, arrival: Arrival, out: &mut Outbox<Output>) -> Option<Arrival> {
        self.counters.ip_reasm_reqds += 1;
        let header = &arrival.header;
        let added = self.reassembly.add(now, &self.config, arrival.interface, header, arrival.payload());
        for _ in 0..added.evicted {
            self.counters.count_drop(DropReason::ReassemblyLimit);
        }
        match added.result {
            Ok(Some(packet)) => {
                let (header, payload) = Header::parse(packet.get(HEADROOM..)?).ok()?;
                let total_len = header.header_len() + payload.len();
                self.counters.ip_reasm_oks += 1;
                Some(Arrival { header, packet, total_len, ..arrival })
            }
            Ok(None) => None,
            Err(reason) => {
                self.drop_arrival(&arrival, reason, out);
                None
            }
        }
    }

    /// Gives up the datagrams whose fragments did not all come in time; where the first one did, the source hears of it
    /// (RFC 1122 §3.3.2, RFC 792).
    pub(crate) fn expire_reassemblies(&mut self, now: Instant, out: &mut Outbox<Output>) {
        while let Some(expired) = self.reassembly.expire(now) {
            self.counters.ip_reasm_timeouts += 1;
            let interface = expired.interface;
            let ends = (expired.source, expired.destination);
            self.drop_packet(Some(interface), ends, DropReason::ReassemblyTimeout, out);
            if let Some((header, octets)) = expired.first {
                let total_len = octets.len();
                let mut packet = vec![0; HEADROOM];
                packet.extend_from_slice(&octets);
                let packet = packet.into();
                let arrival = Arrival { interface, header, packet, total_len, link_broadcast: false };
                self.send_error(now, &arrival, Problem::ReassemblyTimeout, out);
            }
        }
    }

    /// RFC 768, RFC 1122 §4.1.3
    fn receive_udp(&mut self, now: Instant, arrival: Arrival, out: &mut Outbox<Output>) {
        let header = &arrival.header;
        let port = match Datagram::parse(arrival.payload(), header.source, header.destination) {
            Ok(datagram) => datagram.destination_port,
            Err(_) => {
                self.counters.udp_in_errors += 1;
                return self.drop_arrival(&arrival, DropReason::Payload, out);
            }
        };
        if self.udp_ports.contains(&port) {
            self.counters.udp_in_datagrams += 1;
            return give(arrival, out);
        }
        self.counters.udp_no_ports += 1;
        self.refuse(now, &arrival, Problem::PortUnreachable, DropReason::Port, out);
    }

    fn receive_icmp(&mut self, now: Instant, arrival: Arrival, out: &mut Outbox<Output>) {
        self.counters.icmp_in_msgs += 1;
        let Ok(message) = Message::parse(arrival.payload()) else {
            self.counters.icmp_in_errors += 1;
            return self.drop_arrival(&arrival, DropReason::Payload, out);
        };
        match message {
            Message::EchoRequest { identifier, sequence, data } => {
                self.counters.icmp_in_echos += 1;
                let reply = Message::EchoReply { identifier, sequence, data };
                self.answer(now, &arrival, reply, out);
            }
            Message::TimestampRequest { identifier, sequence, originate, .. } => {
                self.counters.icmp_in_timestamps += 1;
                let (receive, transmit) = (options::timestamp(now), options::timestamp(now));
                let reply = Message::TimestampReply { identifier, sequence, originate, receive, transmit };
                self.answer(now, &arrival, reply, out);
            }
            Message::EchoReply { .. } => {
                self.counters.icmp_in_echo_reps += 1;
                give(arrival, out);
            }
            Message::TimestampReply { .. } => {
                self.counters.icmp_in_timestamp_reps += 1;
                give(arrival, out);
            }
            // RFC 1122 §3.2.2: silently.
            Message::Unknown { .. } => self.drop_arrival(&arrival, DropReason::Icmp, out),
            error => self.receive_error(now, &arrival, error, out),
        }
    }

    /// Answers an echo or timestamp request (RFC 1122 §3.2.2.6, §3.2.2.8; RFC 1812 §4.3.3.6, §4.3.3.8): with the same
    /// Type of Service, its options filled in, and from the address that was asked.
    fn answer(&mut self, now: Instant, arrival: &Arrival, reply: Message<'_>, out: &mut Outbox<Output>) {
        let header = &arrival.header;
        let ours = self.is_local(header.destination);
        let broadcast = !ours || arrival.link_broadcast;
        if broadcast && !self.config.echo_broadcast {
            return self.drop_arrival(arrival, DropReason::Icmp, out);
        }
        let mut send = Send::new(header.source, Protocol::ICMP, &[]);
        send.source = Some(header.destination).filter(|_| ours);
        send.tos = header.tos;
        if !header.options.is_empty() {
            let here = send.source.or_else(|| self.select_source(now, header.source));
            let here = here.unwrap_or(Ipv4Addr::UNSPECIFIED);
            match options::record(&header.options, here, now, |address| self.is_local(address)) {
                Ok(filled) => (send.destination, send.options) = options::answer(&filled, header.source),
                Err(pointer) => {
                    let problem = Problem::Parameter { pointer };
                    return self.refuse(now, arrival, problem, DropReason::Options, out);
                }
            }
        }
        let mut payload = Vec::with_capacity(arrival.total_len - LEN);
        reply.emit(&mut payload);
        send.payload = &payload;
        if self.send(now, &send, out).is_err() {
            self.drop_arrival(arrival, DropReason::Icmp, out);
        }
    }
}

/// Hands a packet to whoever it is for.
fn give(arrival: Arrival, out: &mut Outbox<Output>) {
    let payload = HEADROOM + arrival.header.header_len()..HEADROOM + arrival.total_len;
    let Arrival { interface, header, packet, .. } = arrival;
    out.push(Output::Deliver { interface, header, packet, payload });
}
