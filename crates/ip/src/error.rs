//! ICMP errors from here, and when there are none (RFC 1122 §3.2.2, RFC 1812 §4.3.2).

use std::net::Ipv4Addr;

use trunkline_core::{Frame, Instant, Outbox, PortId};
use trunkline_wire::icmp::{Message, RedirectCode, TimeExceededCode, UnreachableCode};
use trunkline_wire::ipv4::{Header, LEN, Protocol};

use crate::api::{Event, IcmpError, IcmpErrorKind, Output, Send};
use crate::counters::DropReason;
use crate::receive::Arrival;
use crate::{HEADROOM, Ip};

/// Octets that an error message may have, its IPv4 header included (RFC 1812 §4.3.2.3).
const MAX_ERROR: usize = 576;

/// Octets of the original packet in an error.
const MAX_ORIGINAL: usize = MAX_ERROR - LEN - trunkline_wire::icmp::LEN;

/// The precedence of errors: internetwork control (RFC 1812 §4.3.2.5).
const INTERNETWORK_CONTROL: u8 = 6 << 5;

/// The bits of Type of Service that an error takes from its original: neither precedence nor ECN.
const TOS_BITS: u8 = 0x1c;

/// What is wrong with a packet, to be told its source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Problem {
    /// No route.
    NetUnreachable,
    /// The next hop does not answer, or the route says so.
    HostUnreachable,
    /// The protocol is not spoken here.
    ProtocolUnreachable,
    /// Nobody is at the port.
    PortUnreachable,
    /// Too large.
    FragmentationNeeded { mtu: u16 },
    /// The source route cannot be followed.
    SourceRouteFailed,
    /// The route prohibits it.
    Prohibited,
    /// TTL ran out.
    TtlExceeded,
    /// Fragments were missing.
    ReassemblyTimeout,
    /// An octet of the header is wrong.
    Parameter { pointer: u8 },
    /// Nothing, but there is a better gateway.
    Redirect { gateway: Ipv4Addr },
}

impl Problem {
    fn message(self, original: &[u8]) -> Message<'_> {
        let unreachable = |code| Message::DestinationUnreachable { code, next_hop_mtu: 0, original };
        match self {
            Problem::NetUnreachable => unreachable(UnreachableCode::Net),
            Problem::HostUnreachable => unreachable(UnreachableCode::Host),
            Problem::ProtocolUnreachable => unreachable(UnreachableCode::Protocol),
            Problem::PortUnreachable => unreachable(UnreachableCode::Port),
            Problem::FragmentationNeeded { mtu } => Message::DestinationUnreachable {
                code: UnreachableCode::FragmentationNeeded,
                next_hop_mtu: mtu,
                original,
            },
            Problem::SourceRouteFailed => unreachable(UnreachableCode::SourceRouteFailed),
            Problem::Prohibited => unreachable(UnreachableCode::CommunicationProhibited),
            Problem::TtlExceeded => Message::TimeExceeded { code: TimeExceededCode::TtlExceeded, original },
            Problem::ReassemblyTimeout => {
                Message::TimeExceeded { code: TimeExceededCode::FragmentReassembly, original }
            }
            Problem::Parameter { pointer } => Message::ParameterProblem { code: 0, pointer, original },
            Problem::Redirect { gateway } => {
                Message::Redirect { code: RedirectCode::Host, gateway, original }
            }
        }
    }
}

/// Whether an ICMP message is one of those about which errors may be sent: a query. Types without a name are taken for
/// errors, to be safe.
fn is_query(kind: u8) -> bool {
    // Echo, router discovery, timestamp, information, address mask, extended echo.
    matches!(kind, 0 | 8..=10 | 13..=18 | 42 | 43)
}

impl Ip {
    /// Drops a packet and tells its source why.
    #[cold]
    pub(crate) fn refuse(
        &mut self,
        now: Instant,
        arrival: &Arrival,
        problem: Problem,
        reason: DropReason,
        out: &mut Outbox<Output>,
    ) {
        self.drop_arrival(arrival, reason, out);
        self.send_error(now, arrival, problem, out);
    }

    /// RFC 1122 §3.2.2, RFC 1812 §4.3.2.7: never about an ICMP error, a broadcast or multicast of either layer, a
    /// fragment but the first, or a packet whose source is not one host.
    pub(crate) fn may_send_error(&self, arrival: &Arrival) -> bool {
        let header = &arrival.header;
        !arrival.link_broadcast
            && header.fragment_offset == 0
            && !header.destination.is_multicast()
            && !self.is_broadcast(header.destination)
            && (self.is_one_host(header.source) || self.is_local(header.source))
            && (header.protocol != Protocol::ICMP
                || arrival.payload().first().is_some_and(|kind| is_query(*kind)))
    }

    /// Sends an error about a packet, where that is allowed. Whether it was.
    pub(crate) fn send_error(
        &mut self,
        now: Instant,
        arrival: &Arrival,
        problem: Problem,
        out: &mut Outbox<Output>,
    ) -> bool {
        if !self.may_send_error(arrival) {
            return false;
        }
        let header = &arrival.header;
        // What cannot go must not use up what others may send.
        if !self.is_local(header.source) && self.resolve(now, header.source, 0, None).is_err() {
            return false;
        }
        // Path MTU discovery needs each of its messages, and redirects have limits of their own.
        let exempt = matches!(problem, Problem::FragmentationNeeded { .. });
        if !self.limits.allow_error(now, &self.config, header.source, exempt) {
            self.counters.icmp_out_rate_limited += 1;
            return false;
        }
        let octets = arrival.octets();
        let original = octets.get(..octets.len().min(MAX_ORIGINAL)).unwrap_or_default();
        let mut payload = Vec::with_capacity(MAX_ERROR);
        problem.message(original).emit(&mut payload);
        let send = Send {
            // RFC 1812 §4.3.2.4: the address by which it leaves; but about a packet to us, the address that it was to.
            source: Some(header.destination).filter(|address| self.is_local(*address)),
            tos: (header.tos & TOS_BITS) | INTERNETWORK_CONTROL,
            ..Send::new(header.source, Protocol::ICMP, &payload)
        };
        if self.send(now, &send, out).is_err() {
            return false;
        }
        if self.watching
            && !matches!(problem, Problem::Redirect { .. })
            && let [kind, code, ..] = *payload
        {
            let (to, destination) = (header.source, header.destination);
            out.push(Output::Event(Event::ErrorSent { to, destination, kind, code }));
        }
        true
    }

    /// The next hop of a packet that was to be transmitted does not answer (RFC 1812 §5.2.7.1). Where the packet was
    /// ours, its sender hears it at once, and a redirect that led there is no longer believed.
    pub(crate) fn no_neighbor(
        &mut self,
        now: Instant,
        interface: PortId,
        packet: &Frame,
        out: &mut Outbox<Output>,
    ) {
        let Ok((header, payload)) = Header::parse(packet.get(HEADROOM..).unwrap_or_default()) else {
            return self.counters.count_drop(DropReason::Header);
        };
        let total_len = header.header_len() + payload.len();
        let reason = DropReason::NoNeighbor;
        let arrival = Arrival { interface, header, packet: packet.clone(), total_len, link_broadcast: false };
        if !self.is_local(header.source) {
            return self.refuse(now, &arrival, Problem::HostUnreachable, reason, out);
        }
        self.drop_arrival(&arrival, reason, out);
        self.redirects.remove(header.destination);
        if !self.may_send_error(&arrival) {
            return;
        }
        if let Some(transport) = payload.first_chunk::<8>() {
            out.push(Output::IcmpError(IcmpError {
                kind: IcmpErrorKind::Unreachable(UnreachableCode::Host),
                reporter: header.source,
                source: header.source,
                destination: header.destination,
                protocol: header.protocol,
                transport: *transport,
            }));
        }
    }
}
