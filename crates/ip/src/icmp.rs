//! ICMP errors that arrive: checked against what we sent, told to the transport; redirects are noted here, path MTUs when
//! the transport believes them.

use std::net::Ipv4Addr;

use trunkline_core::{Instant, Outbox};
use trunkline_wire::icmp::{Message, UnreachableCode};
use trunkline_wire::ipv4::Header;

use crate::Ip;
use crate::api::{Event, IcmpError, IcmpErrorKind, Output, RedirectRefusal};
use crate::counters::DropReason;
use crate::receive::Arrival;
use crate::routing::{PathMtu, Redirect};

/// MTUs that links really have, for routers that do not say theirs (RFC 1191 §7.1, table 7-1).
pub(crate) const PLATEAUS: [u16; 11] =
    [65_535, 32_000, 17_914, 8_166, 4_352, 2_002, 1_492, 1_006, 508, 296, 68];

/// The packet that an error quotes.
struct Quoted {
    header: Header,
    total_len: u16,
    transport: [u8; 8],
}

impl Quoted {
    /// Reads it; an error must quote the header and eight octets (RFC 792).
    fn parse(original: &[u8]) -> Option<Quoted> {
        let (header, payload) = Header::parse_quoted(original).ok()?;
        let &[_, _, l0, l1] = original.first_chunk()?;
        Some(Quoted { header, total_len: u16::from_be_bytes([l0, l1]), transport: *payload.first_chunk()? })
    }
}

impl Ip {
    /// Takes an error message (RFC 1122 §3.2.2).
    pub(crate) fn receive_error(
        &mut self,
        now: Instant,
        arrival: &Arrival,
        message: Message<'_>,
        out: &mut Outbox<Output>,
    ) {
        let counters = &mut self.counters;
        match message {
            Message::DestinationUnreachable { .. } => counters.icmp_in_dest_unreachs += 1,
            Message::TimeExceeded { .. } => counters.icmp_in_time_excds += 1,
            Message::ParameterProblem { .. } => counters.icmp_in_parm_probs += 1,
            Message::Redirect { .. } => counters.icmp_in_redirects += 1,
            _ => counters.icmp_in_src_quenchs += 1,
        }
        let Some(quoted) = message.original().and_then(Quoted::parse) else {
            self.counters.icmp_in_errors += 1;
            return self.drop_arrival(arrival, DropReason::Payload, out);
        };
        if let Message::Redirect { gateway, .. } = message {
            return self.receive_redirect(now, arrival, &quoted, gateway, out);
        }
        // An error is about a packet of ours, and to us alone.
        if !self.is_local(quoted.header.source) || !self.is_local(arrival.header.destination) {
            return self.drop_arrival(arrival, DropReason::Icmp, out);
        }
        let kind = match message {
            Message::DestinationUnreachable {
                code: UnreachableCode::FragmentationNeeded,
                next_hop_mtu,
                ..
            } => {
                let mtu = match next_hop_mtu {
                    // A router from before RFC 1191: the next lower plateau (§5, §7.1).
                    0 => PLATEAUS.into_iter().find(|plateau| *plateau < quoted.total_len).unwrap_or(68),
                    reported => reported,
                };
                IcmpErrorKind::FragmentationNeeded { mtu }
            }
            Message::DestinationUnreachable { code, .. } => IcmpErrorKind::Unreachable(code),
            Message::TimeExceeded { code, .. } => IcmpErrorKind::TimeExceeded(code),
            Message::ParameterProblem { code, pointer, .. } => {
                IcmpErrorKind::ParameterProblem { code, pointer }
            }
            // Source quench: RFC 6633 §3.
            _ => return self.drop_arrival(arrival, DropReason::Icmp, out),
        };
        out.push(Output::IcmpError(IcmpError {
            kind,
            reporter: arrival.header.source,
            source: quoted.header.source,
            destination: quoted.header.destination,
            protocol: quoted.header.protocol,
            transport: quoted.transport,
        }));
    }

    /// Notes what [`IcmpErrorKind::FragmentationNeeded`] says of a path (RFC 1191 §3, §6.3): never more than is known, and
    /// no less than is believed. Whether it is news.
    ///
    /// Anyone can send such an error about anyone's packets, and what is noted here holds for all that goes to that
    /// destination. So it is for the transport to say that the error is about a packet it sent, which only those on the
    /// path can know (RFC 5927 §7).
    pub fn note_path_mtu(&mut self, now: Instant, error: &IcmpError, out: &mut Outbox<Output>) -> bool {
        let IcmpErrorKind::FragmentationNeeded { mtu: reported } = error.kind else { return false };
        let destination = error.destination;
        let mtu = reported.max(self.config.min_path_mtu);
        let lookup = self.route(now, destination, 0);
        if !lookup.is_some_and(|lookup| !lookup.local && mtu < lookup.mtu) {
            return false;
        }
        let path = PathMtu { mtu, may_fragment: reported < mtu };
        self.path_mtus.insert(now, destination, path, self.config.path_mtu_lifetime);
        self.counters.path_mtu_lowered += 1;
        self.event(out, Event::PathMtu { destination, mtu, from: error.reporter });
        true
    }

    /// RFC 1122 §3.2.2.2, §3.3.1.2
    fn receive_redirect(
        &mut self,
        now: Instant,
        arrival: &Arrival,
        quoted: &Quoted,
        gateway: Ipv4Addr,
        out: &mut Outbox<Output>,
    ) {
        let destination = quoted.header.destination;
        let from = arrival.header.source;
        let refused = match self.judge_redirect(now, arrival, quoted, gateway) {
            Ok(redirect) => {
                self.redirects.insert(now, destination, redirect, self.config.redirect_lifetime);
                self.counters.redirects_accepted += 1;
                None
            }
            Err(refusal) => {
                self.counters.redirects_refused += 1;
                Some(refusal)
            }
        };
        self.event(out, Event::RedirectReceived { from, destination, gateway, refused });
    }

    /// Whether a redirect is believed. One for a network is taken as one for the host alone (RFC 1122 §3.2.2.2).
    fn judge_redirect(
        &self,
        now: Instant,
        arrival: &Arrival,
        quoted: &Quoted,
        gateway: Ipv4Addr,
    ) -> Result<Redirect, RedirectRefusal> {
        let interface = self.interface(arrival.interface).ok_or(RedirectRefusal::Disabled)?;
        if !interface.config.accept_redirects {
            return Err(RedirectRefusal::Disabled);
        }
        if !self.is_local(quoted.header.source) || !self.is_local(arrival.header.destination) {
            return Err(RedirectRefusal::NotOurs);
        }
        let from = arrival.header.source;
        let destination = quoted.header.destination;
        if !self.is_one_host(gateway)
            || self.is_local(gateway)
            || gateway == from
            || !self.is_one_host(destination)
            || self.is_local(destination)
        {
            return Err(RedirectRefusal::Senseless);
        }
        if interface.address_near(gateway).is_none() {
            return Err(RedirectRefusal::OffLink);
        }
        // The redirect in force counts, where there is one; else each next hop that a flow may have.
        let path = self.fib.lookup(destination.to_bits()).ok_or(RedirectRefusal::NotTheGateway)?;
        let in_force = self.redirects.get(now, destination);
        let bases = path.next_hops.iter().filter(|hop| hop.interface == arrival.interface);
        let base = bases.copied().find(|hop| {
            let redirected = in_force.filter(|redirect| redirect.base == *hop);
            redirected.map(|redirect| redirect.gateway).or(hop.gateway) == Some(from)
        });
        base.map(|base| Redirect { base, gateway }).ok_or(RedirectRefusal::NotTheGateway)
    }
}
