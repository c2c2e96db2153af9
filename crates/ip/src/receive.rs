//! A packet arrived: is it one, can it be, and whose is it (RFC 1812 §5.2).

use std::net::Ipv4Addr;

use trunkline_core::{Frame, Instant, Outbox, PortId};
use trunkline_wire::ipv4::Header;
use trunkline_wire::malformed::Reason;

use crate::api::Output;
use crate::config::{ReversePath, RouteKind};
use crate::counters::DropReason;
use crate::error::Problem;
use crate::forward::Transit;
use crate::interface::Own;
use crate::options;
use crate::{HEADROOM, Ip};

/// A packet that arrived or loops back, its header checked.
#[derive(Debug)]
pub(crate) struct Arrival {
    pub(crate) interface: PortId,
    pub(crate) header: Header,
    /// The packet after [`HEADROOM`] octets.
    pub(crate) packet: Frame,
    /// Header and payload, octets.
    pub(crate) total_len: usize,
    /// Whether the link layer's destination was a group address.
    pub(crate) link_broadcast: bool,
}

impl Arrival {
    /// The packet from its header to its end.
    pub(crate) fn octets(&self) -> &[u8] {
        self.packet.get(HEADROOM..HEADROOM + self.total_len).unwrap_or_default()
    }

    /// What it carries.
    pub(crate) fn payload(&self) -> &[u8] {
        self.octets().get(self.header.header_len()..).unwrap_or_default()
    }
}

/// Whose a packet is.
enum Whose {
    Ours,
    Another,
    Nobody(DropReason),
}

impl Ip {
    #[inline]
    pub(crate) fn receive(
        &mut self,
        now: Instant,
        interface: PortId,
        packet: Frame,
        link_broadcast: bool,
        out: &mut Outbox<Output>,
    ) {
        self.counters.ip_in_receives += 1;
        // RFC 1812 §5.2.2
        let (header, total_len) = match Header::parse(packet.get(HEADROOM..).unwrap_or_default()) {
            Ok((header, payload)) => (header, header.header_len() + payload.len()),
            Err(fault) => {
                let reason = match fault.reason {
                    Reason::Truncated => DropReason::Truncated,
                    _ => DropReason::Header,
                };
                let nobody = (Ipv4Addr::UNSPECIFIED, Ipv4Addr::UNSPECIFIED);
                return self.drop_packet(Some(interface), nobody, reason, out);
            }
        };
        let arrival = Arrival { interface, header, packet, total_len, link_broadcast };
        if let Some(reason) = self.refused(&arrival) {
            return self.drop_arrival(&arrival, reason, out);
        }
        if !arrival.header.options.is_empty() {
            return self.receive_with_options(now, arrival, out);
        }
        match self.whose(&arrival) {
            Whose::Another => self.forward(now, arrival, Transit::default(), out),
            Whose::Ours => self.deliver(now, arrival, out),
            Whose::Nobody(reason) => self.drop_arrival(&arrival, reason, out),
        }
    }

    /// Why a packet is not to be looked at any further.
    #[inline]
    fn refused(&self, arrival: &Arrival) -> Option<DropReason> {
        let header = &arrival.header;
        let Some(interface) = self.interface(arrival.interface).filter(|interface| interface.config.up)
        else {
            return Some(DropReason::InterfaceDown);
        };
        // RFC 1812 §5.3.7, RFC 1122 §3.2.1.3. A host that does not know its address yet has 0.0.0.0.
        let destination = header.destination;
        let group = destination.is_broadcast() || destination.is_multicast();
        if matches!(header.source.octets(), [0 | 127 | 224.., ..])
            && !(header.source.is_unspecified() && group)
            || self.own(header.source).is_some()
        {
            return Some(DropReason::MartianSource);
        }
        if matches!(destination.octets(), [0 | 127 | 240.., ..]) && !destination.is_broadcast() {
            return Some(DropReason::MartianDestination);
        }
        match interface.config.reverse_path {
            ReversePath::Off => None,
            _ if header.source.is_unspecified() => None,
            mode => (!self.is_routed_back(mode, arrival)).then_some(DropReason::ReversePath),
        }
    }

    /// RFC 1812 §5.3.8, RFC 3704 §2.2 and §2.4
    fn is_routed_back(&self, mode: ReversePath, arrival: &Arrival) -> bool {
        let path = self.fib.lookup(arrival.header.source.to_bits());
        path.is_some_and(|path| {
            path.kind == RouteKind::Unicast
                && (mode == ReversePath::Loose
                    || path.next_hops.iter().any(|hop| hop.interface == arrival.interface))
        })
    }

    /// RFC 1812 §5.2.3
    #[inline]
    fn whose(&self, arrival: &Arrival) -> Whose {
        let destination = arrival.header.destination;
        match self.own(destination) {
            None if destination.is_multicast() => {
                if self.is_member(arrival.interface, destination) {
                    Whose::Ours
                } else {
                    Whose::Nobody(DropReason::Multicast)
                }
            }
            None if destination.is_broadcast() => Whose::Ours,
            None => Whose::Another,
            // RFC 1122 §3.3.6: what came by link-layer broadcast must be for many.
            Some(Own::Local(_)) if arrival.link_broadcast => Whose::Nobody(DropReason::LinkBroadcast),
            Some(Own::Local(_)) => Whose::Ours,
            Some(Own::Broadcast(_)) => {
                let here = self.interface(arrival.interface);
                if here.is_some_and(|interface| interface.is_broadcast(destination)) {
                    Whose::Ours
                } else {
                    Whose::Another
                }
            }
            Some(Own::Network) => Whose::Nobody(DropReason::MartianDestination),
        }
    }

    /// The rare way: options are checked first, and a source route may lead on.
    fn receive_with_options(&mut self, now: Instant, arrival: Arrival, out: &mut Outbox<Output>) {
        let options = arrival.header.options;
        if let Err(pointer) = options::check(&options) {
            return self.refuse(now, &arrival, Problem::Parameter { pointer }, DropReason::Options, out);
        }
        let route = options.source_route();
        let here = self.interface(arrival.interface);
        if route.is_some() && !here.is_some_and(|interface| interface.config.source_route) {
            return self.drop_arrival(&arrival, DropReason::SourceRoute, out);
        }
        let transit = Transit { source_routed: route.is_some(), ..Transit::default() };
        match self.whose(&arrival) {
            Whose::Nobody(reason) => self.drop_arrival(&arrival, reason, out),
            Whose::Another => self.forward(now, arrival, transit, out),
            Whose::Ours => match route.filter(|_| self.is_local(arrival.header.destination)) {
                Some(route) if route.next_hop().is_some() => {
                    self.follow_source_route(now, arrival, route.strict, out);
                }
                _ => self.deliver(now, arrival, out),
            },
        }
    }

    /// RFC 791 §3.1, RFC 1812 §5.2.4.1: the next address of the route becomes the destination, and the address that
    /// the packet leaves by takes its place.
    fn follow_source_route(
        &mut self,
        now: Instant,
        arrival: Arrival,
        strict: bool,
        out: &mut Outbox<Output>,
    ) {
        let header = arrival.header;
        let next = header.options.source_route().and_then(|route| route.next_hop());
        let hop = next.and_then(|next| self.route(now, next, 0));
        let (Some(next), Some(hop)) = (next.filter(|next| self.is_one_host(*next)), hop) else {
            let failed = Problem::SourceRouteFailed;
            return self.refuse(now, &arrival, failed, DropReason::SourceRouteFailed, out);
        };
        let mut options = header.options;
        options.advance_source_route(hop.source.unwrap_or(header.destination));
        let changed = Header { destination: next, options, ..header };
        let mut packet = vec![0; HEADROOM];
        changed.emit(arrival.payload().len(), &mut packet);
        packet.extend_from_slice(arrival.payload());
        // Errors are about the packet as it is now (RFC 1812 §4.3.2.3 wants no more than "as received" in its length).
        let arrival = Arrival { header: changed, packet: Frame::from(packet), ..arrival };
        if hop.local {
            self.deliver(now, arrival, out);
        } else {
            self.forward(now, arrival, Transit { source_routed: true, strict }, out);
        }
    }

    pub(crate) fn drop_arrival(&mut self, arrival: &Arrival, reason: DropReason, out: &mut Outbox<Output>) {
        let ends = (arrival.header.source, arrival.header.destination);
        self.drop_packet(Some(arrival.interface), ends, reason, out);
    }
}
