//! Packets from this device (RFC 1122 §3.3).

use std::net::Ipv4Addr;

use trunkline_core::{Frame, Instant, Outbox, PortId};
use trunkline_wire::ipv4::{Header, LEN, MAX_LEN, Protocol};

use crate::api::{Output, Send, SendError};
use crate::fib::mix;
use crate::fragment::fragments;
use crate::interface::Own;
use crate::receive::Arrival;
use crate::{HEADROOM, Ip, ROOM};

/// How a packet from here goes.
struct Plan {
    header: Header,
    interface: PortId,
    /// `None`: to ourselves.
    next_hop: Option<Ipv4Addr>,
    broadcast: bool,
    mtu: u16,
}

impl Ip {
    /// Sends a packet from this device, as [`Input::Send`](crate::Input::Send) does.
    pub fn send(&mut self, now: Instant, send: &Send<'_>, out: &mut Outbox<Output>) -> Result<(), SendError> {
        let plan = self.plan_counted(now, send, send.payload.len())?;
        let mut packet = std::mem::take(&mut self.scratch);
        packet.clear();
        packet.resize(HEADROOM, 0);
        plan.header.emit(send.payload.len(), &mut packet);
        packet.extend_from_slice(send.payload);
        self.dispatch(now, &plan, &packet, out);
        // Answers to ourselves may have used another one meanwhile.
        self.scratch = packet;
        Ok(())
    }

    /// As [`Ip::send`], with the payload in `packet` after [`ROOM`] octets, where the header is written: saves a copy.
    /// `send.payload` and `send.options` are not looked at.
    pub fn send_in_place(
        &mut self,
        now: Instant,
        send: &Send<'_>,
        packet: &mut [u8],
        out: &mut Outbox<Output>,
    ) -> Result<(), SendError> {
        let payload_len = packet.len().checked_sub(ROOM).ok_or(SendError::TooLong)?;
        let send = Send { options: trunkline_wire::ipv4::Options::NONE, ..*send };
        let plan = self.plan_counted(now, &send, payload_len)?;
        let mut header = std::mem::take(&mut self.scratch);
        header.clear();
        plan.header.emit(payload_len, &mut header);
        if let Some(place) = packet.get_mut(HEADROOM..ROOM)
            && let Some(header) = header.get(..LEN)
        {
            place.copy_from_slice(header);
        }
        self.scratch = header;
        self.dispatch(now, &plan, packet, out);
        Ok(())
    }

    fn plan_counted(&mut self, now: Instant, send: &Send<'_>, payload_len: usize) -> Result<Plan, SendError> {
        self.counters.ip_out_requests += 1;
        let plan = self.plan(now, send, payload_len);
        match &plan {
            Ok(_) => self.count_sent(send),
            Err(SendError::NoRoute) => self.counters.ip_out_no_routes += 1,
            Err(SendError::TooBig { .. }) => {
                self.counters.ip_frag_fails += 1;
                self.counters.ip_out_discards += 1;
            }
            Err(_) => self.counters.ip_out_discards += 1,
        }
        plan
    }

    fn plan(&mut self, now: Instant, send: &Send<'_>, payload_len: usize) -> Result<Plan, SendError> {
        let total_len = LEN + send.options.len() + payload_len;
        if total_len > MAX_LEN {
            return Err(SendError::TooLong);
        }
        let destination = send.destination;
        let own = self.own(destination);
        if matches!(destination.octets(), [0 | 240.., ..]) && !destination.is_broadcast()
            || own == Some(Own::Network)
        {
            return Err(SendError::Destination);
        }
        if let Some(source) = send.source
            && (!self.is_local(source) || source.is_loopback() && !self.is_local(destination))
            // A host that asks for its address (RFC 1122 §3.2.1.3).
            && !(source.is_unspecified() && destination.is_broadcast())
        {
            return Err(SendError::NoSource);
        }
        let mut header = Header::new(send.protocol, Ipv4Addr::UNSPECIFIED, destination);
        header.tos = send.tos;
        header.options = send.options;
        header.dont_fragment = send.dont_fragment;
        let multicast = destination.is_multicast();
        // RFC 1122 §3.2.1.7: never zero.
        header.ttl = send.ttl.unwrap_or(if multicast { 1 } else { self.config.default_ttl }).max(1);
        let mut plan = if let Some(interface) = self.local_interface(destination) {
            Plan { header, interface, next_hop: None, broadcast: false, mtu: u16::MAX }
        } else if multicast || destination.is_broadcast() || matches!(own, Some(Own::Broadcast(_))) {
            let interface = self.group_interface(now, send, own).ok_or(SendError::NoRoute)?;
            Plan { header, interface, next_hop: Some(destination), broadcast: !multicast, mtu: u16::MAX }
        } else {
            let flow = self.flow_of_send(send);
            let hop = self.resolve(now, destination, flow, send.interface)?.hop;
            let next_hop = Some(hop.gateway.unwrap_or(destination));
            Plan { header, interface: hop.interface, next_hop, broadcast: false, mtu: u16::MAX }
        };
        if let Some(next_hop) = plan.next_hop {
            plan.mtu = self.interface(plan.interface).map_or(0, |interface| interface.config.mtu);
            if let Some(path) = self.path_mtus.get(now, destination) {
                plan.mtu = plan.mtu.min(path.mtu);
                plan.header.dont_fragment &= !path.may_fragment;
            }
            let chosen = send.source.or_else(|| self.source_towards(plan.interface, next_hop));
            plan.header.source = chosen.ok_or(SendError::NoSource)?;
        } else {
            plan.header.source = send.source.unwrap_or(destination);
        }
        if plan.header.dont_fragment && total_len > usize::from(plan.mtu) {
            return Err(SendError::TooBig { mtu: plan.mtu });
        }
        plan.header.identification = self.identification(&plan.header);
        Ok(plan)
    }

    /// The interface of a packet to many: the one asked for, the one with that subnet, the one that a route gives, or
    /// the first.
    fn group_interface(&self, now: Instant, send: &Send<'_>, own: Option<Own>) -> Option<PortId> {
        let sends = |id: &PortId| self.interface(*id).is_some_and(|interface| interface.sends());
        if let Some(interface) = send.interface {
            return Some(interface).filter(sends);
        }
        if let Some(Own::Broadcast(interface)) = own {
            return Some(interface).filter(sends);
        }
        let routed = self.resolve(now, send.destination, 0, None).ok().map(|resolved| resolved.hop.interface);
        let from_source = send.source.and_then(|source| self.local_interface(source)).filter(sends);
        let first = || (0..self.interfaces.len()).map(|index| PortId(index as u32)).find(sends);
        from_source.or(routed).or_else(first)
    }

    fn flow_of_send(&self, send: &Send<'_>) -> u32 {
        let header =
            Header::new(send.protocol, send.source.unwrap_or(Ipv4Addr::UNSPECIFIED), send.destination);
        self.flow_of(&header, send.payload)
    }

    /// The Identification of a packet: those of one flow are distinct for as long as they can be (RFC 6864 §4.3), and do
    /// not tell one peer what is sent to another.
    fn identification(&mut self, header: &Header) -> u16 {
        let ends = (u64::from(header.source.to_bits()) << 32) | u64::from(header.destination.to_bits());
        let class = mix(self.seed ^ mix(ends) ^ u64::from(header.protocol.0)) as u8;
        match self.identifications.get_mut(usize::from(class)) {
            Some(next) => {
                *next = next.wrapping_add(1);
                *next
            }
            None => 0,
        }
    }

    /// Sends a packet that is put together, after [`HEADROOM`] octets.
    fn dispatch(&mut self, now: Instant, plan: &Plan, packet: &[u8], out: &mut Outbox<Output>) {
        let Plan { ref header, interface, next_hop, broadcast, mtu } = *plan;
        let total_len = packet.len() - HEADROOM;
        let Some(next_hop) = next_hop else {
            let packet = Frame::from(packet);
            let arrival = Arrival { interface, header: *header, packet, total_len, link_broadcast: false };
            return self.deliver(now, arrival, out);
        };
        if total_len <= usize::from(mtu) {
            self.counters.ip_out_transmits += 1;
            let packet = Frame::from(packet);
            return out.push(Output::Transmit { interface, next_hop, broadcast, packet });
        }
        self.counters.ip_frag_oks += 1;
        let payload = packet.get(HEADROOM + header.header_len()..).unwrap_or_default();
        fragments(header, payload, mtu, |packet| {
            self.counters.ip_frag_creates += 1;
            self.counters.ip_out_transmits += 1;
            out.push(Output::Transmit { interface, next_hop, broadcast, packet });
        });
    }

    fn count_sent(&mut self, send: &Send<'_>) {
        let counters = &mut self.counters;
        match send.protocol {
            Protocol::UDP => counters.udp_out_datagrams += 1,
            Protocol::ICMP => {
                counters.icmp_out_msgs += 1;
                match send.payload.first() {
                    Some(0) => counters.icmp_out_echo_reps += 1,
                    Some(3) => counters.icmp_out_dest_unreachs += 1,
                    Some(5) => counters.icmp_out_redirects += 1,
                    Some(8) => counters.icmp_out_echos += 1,
                    Some(11) => counters.icmp_out_time_excds += 1,
                    Some(12) => counters.icmp_out_parm_probs += 1,
                    Some(14) => counters.icmp_out_timestamp_reps += 1,
                    _ => {}
                }
            }
            _ => {}
        }
    }
}
