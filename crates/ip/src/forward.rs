//! Sending on what is for another (RFC 1812 §5).

use std::net::Ipv4Addr;

use trunkline_core::{Frame, Instant, Outbox, PortId};
use trunkline_wire::ipv4::{self, Header, Protocol};

use crate::api::{Event, Output};
use crate::config::{NextHop, RouteKind};
use crate::counters::DropReason;
use crate::error::Problem;
use crate::fib::choose;
use crate::fragment::fragments;
use crate::interface::Own;
use crate::options;
use crate::receive::Arrival;
use crate::{HEADROOM, Ip};

/// What a source route says of a packet on its way.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Transit {
    /// It has one.
    pub(crate) source_routed: bool,
    /// The next address must be on a link of ours.
    pub(crate) strict: bool,
}

/// Why a packet is not sent on: the reason to count, and what its source hears.
type Refusal = (DropReason, Option<Problem>);

/// The way of a packet.
struct Way {
    interface: PortId,
    next_hop: Ipv4Addr,
    /// To all of a subnet.
    broadcast: bool,
    mtu: u16,
}

impl Ip {
    #[inline]
    pub(crate) fn forward(
        &mut self,
        now: Instant,
        mut arrival: Arrival,
        transit: Transit,
        out: &mut Outbox<Output>,
    ) {
        let way = match self.way(&arrival, transit) {
            Ok(way) => way,
            Err((reason, None)) => return self.drop_arrival(&arrival, reason, out),
            Err((reason, Some(problem))) => return self.refuse(now, &arrival, problem, reason, out),
        };
        let fits = arrival.total_len <= usize::from(way.mtu);
        if !fits && arrival.header.dont_fragment {
            // RFC 1191 §4
            self.counters.ip_frag_fails += 1;
            let problem = Problem::FragmentationNeeded { mtu: way.mtu };
            return self.refuse(now, &arrival, problem, DropReason::TooBig, out);
        }
        if way.interface == arrival.interface && !transit.source_routed && !way.broadcast {
            self.consider_redirect(now, &arrival, &way, out);
        }
        if !arrival.header.options.is_empty() {
            let address = self.source_towards(way.interface, way.next_hop).unwrap_or(Ipv4Addr::UNSPECIFIED);
            match options::record(&arrival.header.options, address, now, |address| self.is_local(address)) {
                Ok(options) => arrival.header.options = options,
                Err(pointer) => {
                    let problem = Problem::Parameter { pointer };
                    return self.refuse(now, &arrival, problem, DropReason::Options, out);
                }
            }
        }
        self.counters.ip_forw_datagrams += 1;
        if fits && arrival.header.options.is_empty() && arrival.packet.len() == HEADROOM + arrival.total_len {
            // Here goes nearly all: no copy.
            if let Some(packet) = arrival.packet.make_mut().get_mut(HEADROOM..) {
                ipv4::decrement_ttl(packet);
            }
            return self.transmit(&way, arrival.packet, out);
        }
        let header = Header { ttl: arrival.header.ttl - 1, ..arrival.header };
        self.emit_changed(&way, &header, arrival.payload(), fits, out);
    }

    /// Sends a packet with another header, whole or in fragments.
    fn emit_changed(
        &mut self,
        way: &Way,
        header: &Header,
        payload: &[u8],
        fits: bool,
        out: &mut Outbox<Output>,
    ) {
        if fits {
            let mut packet = vec![0; HEADROOM];
            header.emit(payload.len(), &mut packet);
            packet.extend_from_slice(payload);
            return self.transmit(way, Frame::from(packet), out);
        }
        self.counters.ip_frag_oks += 1;
        fragments(header, payload, way.mtu, |packet| {
            self.counters.ip_frag_creates += 1;
            self.transmit(way, packet, out);
        });
    }

    #[inline]
    fn transmit(&mut self, way: &Way, packet: Frame, out: &mut Outbox<Output>) {
        self.counters.ip_out_transmits += 1;
        let Way { interface, next_hop, broadcast, .. } = *way;
        out.push(Output::Transmit { interface, next_hop, broadcast, packet });
    }

    /// Where a packet for another goes, or why it goes nowhere. A TTL that ran out is found last, so that a source hears
    /// of a missing route first.
    #[inline]
    fn way(&self, arrival: &Arrival, transit: Transit) -> Result<Way, Refusal> {
        if !self.config.forwarding {
            // RFC 1122 §3.2.1.3: silently.
            return Err((DropReason::NotForUs, None));
        }
        if arrival.link_broadcast {
            // RFC 1812 §5.3.4
            return Err((DropReason::LinkBroadcast, None));
        }
        let header = &arrival.header;
        let hop = match self.own(header.destination) {
            Some(Own::Broadcast(interface)) => self.directed_broadcast(interface)?,
            _ => self.next_hop_of(header, arrival)?,
        };
        let Some(interface) = self.interface(hop.interface) else {
            return Err((DropReason::NoRoute, Some(Problem::NetUnreachable)));
        };
        if transit.strict && hop.gateway.is_some() {
            return Err((DropReason::SourceRouteFailed, Some(Problem::SourceRouteFailed)));
        }
        if header.ttl <= 1 {
            // RFC 1812 §5.3.1
            return Err((DropReason::TtlExceeded, Some(Problem::TtlExceeded)));
        }
        Ok(Way {
            interface: hop.interface,
            next_hop: hop.gateway.unwrap_or(header.destination),
            broadcast: matches!(self.own(header.destination), Some(Own::Broadcast(_))),
            mtu: interface.config.mtu,
        })
    }

    #[inline]
    fn next_hop_of(&self, header: &Header, arrival: &Arrival) -> Result<NextHop, Refusal> {
        let no_route = (DropReason::NoRoute, Some(Problem::NetUnreachable));
        let path = self.fib.lookup(header.destination.to_bits()).ok_or(no_route)?;
        match path.kind {
            RouteKind::Unicast => {
                let flow = if path.next_hops.len() > 1 { self.flow_of(header, arrival.payload()) } else { 0 };
                let usable = |hop: &NextHop| self.is_usable(hop);
                choose(&path.next_hops, flow, usable).copied().ok_or(no_route)
            }
            RouteKind::Blackhole => Err((DropReason::Blackhole, None)),
            RouteKind::Unreachable => Err((DropReason::Unreachable, Some(Problem::HostUnreachable))),
            RouteKind::Prohibit => Err((DropReason::Prohibited, Some(Problem::Prohibited))),
        }
    }

    /// RFC 1812 §5.3.5.2, RFC 2644
    fn directed_broadcast(&self, interface: PortId) -> Result<NextHop, Refusal> {
        let to = self.interface(interface);
        if to.is_some_and(|to| to.sends() && to.config.directed_broadcast) {
            Ok(NextHop { gateway: None, interface })
        } else {
            Err((DropReason::DirectedBroadcast, None))
        }
    }

    /// The hash of a packet's flow. Fragments have no ports but the first, so that none is used for any of them.
    pub(crate) fn flow_of(&self, header: &Header, payload: &[u8]) -> u32 {
        let ports = match (header.protocol, payload) {
            (Protocol::TCP | Protocol::UDP, &[a, b, c, d, ..]) if !header.is_fragment() => {
                (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]))
            }
            _ => (0, 0),
        };
        self.flow_hash(header.source, header.destination, header.protocol.0, ports)
    }

    /// Tells a host the better way (RFC 1812 §5.2.7.2): the packet leaves as it came, its source is on the next hop's
    /// subnet, and it is not source routed. The packet goes on all the same.
    #[cold]
    fn consider_redirect(&mut self, now: Instant, arrival: &Arrival, way: &Way, out: &mut Outbox<Output>) {
        let (source, destination) = (arrival.header.source, arrival.header.destination);
        let Some(interface) = self.interface(arrival.interface) else { return };
        if !interface.config.send_redirects
            || !interface.same_subnet(source, way.next_hop)
            || !self.may_send_error(arrival)
            || !self.limits.allow_redirect(now, &self.config, source, destination)
        {
            return;
        }
        let gateway = way.next_hop;
        if self.send_error(now, arrival, Problem::Redirect { gateway }, out) {
            self.event(
                out,
                Event::RedirectSent { interface: arrival.interface, to: source, destination, gateway },
            );
        }
    }
}
