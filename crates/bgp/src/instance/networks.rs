//! Networks of our own, our addresses, and what neighbours are told under which rules.

use super::peer::FAMILIES;
use super::{Bgp, LocalAddress, Redistributed, seconds};
use crate::egress::export::{ExportRules, local_attributes};
use crate::rib::attrs::apply_actions;
use crate::rib::table::{Path, PeerId};
use std::net::{IpAddr, Ipv6Addr};
use trunkline_core::{Instant, Prefix};
use trunkline_wire::bgp::{Attributes, Family, MAX_EXTENDED_MESSAGE_LEN, MAX_MESSAGE_LEN, MpNextHop, Origin};

impl Bgp {
    /// One of `networks` is there, or is not any more.
    pub(super) fn set_network(&mut self, now: Instant, prefix: Prefix, present: bool) {
        self.networks.insert(prefix, present);
        self.refresh_local(now, prefix);
    }

    /// A route of another protocol came, changed or went.
    pub(super) fn set_redistributed(&mut self, now: Instant, prefix: Prefix, route: Option<Redistributed>) {
        match route {
            Some(route) => self.redistributed.insert(prefix, route),
            None => self.redistributed.remove(&prefix),
        };
        self.refresh_local(now, prefix);
    }

    /// Announces what of our own there is for a prefix: a network, else another protocol's route.
    pub(super) fn refresh_local(&mut self, now: Instant, prefix: Prefix) {
        let is_network = self.networks.get(&prefix) == Some(&true) && self.config.networks.contains(&prefix);
        let attributes = if is_network { Some(local_attributes()) } else { self.redistributed_as(prefix) };
        match attributes {
            Some(attributes) => self.originate(now, prefix, &attributes),
            None => self.unoriginate(prefix),
        }
    }

    /// The attributes that another protocol's route gets, where it is to be announced. "INCOMPLETE": learned by some other
    /// means (RFC 4271 §5.1.1).
    fn redistributed_as(&self, prefix: Prefix) -> Option<Attributes> {
        let route = self.redistributed.get(&prefix)?;
        let wanted = self.config.redistribute.iter().find(|wanted| wanted.source == route.source)?;
        let rule = wanted.policy.find(prefix)?;
        let mut attributes = Attributes {
            origin: Some(Origin::Incomplete),
            med: Some(wanted.med.unwrap_or(route.metric)),
            ..local_attributes()
        };
        apply_actions(&mut attributes, wanted.policy.actions(rule));
        Some(attributes)
    }

    fn originate(&mut self, now: Instant, prefix: Prefix, attributes: &Attributes) {
        let rib = &mut self.rib;
        let id = rib.shared.attrs.intern(attributes, None);
        let stamp = seconds(now);
        let path = Path::new(PeerId::LOCAL, 0, id, id, 0, stamp);
        match prefix {
            Prefix::V4(p) => rib.v4.announce(p, path, &mut rib.shared.attrs),
            Prefix::V6(p) => rib.v6.announce(p.into(), path, &mut rib.shared.attrs),
        }
        rib.make_changes();
    }

    fn unoriginate(&mut self, prefix: Prefix) {
        let rib = &mut self.rib;
        match prefix {
            Prefix::V4(p) => rib.v4.withdraw(p, PeerId::LOCAL),
            Prefix::V6(p) => rib.v6.withdraw(p.into(), PeerId::LOCAL),
        }
        rib.make_changes();
    }

    /// Our addresses changed: next hops are judged again, and we may be another next hop to others.
    pub(super) fn set_addresses(&mut self, addresses: Vec<LocalAddress>) {
        if self.addresses == addresses {
            return;
        }
        self.addresses = addresses;
        for id in self.ids() {
            if let Some(Some(peer)) = self.peers.get_mut(id.index()) {
                peer.state.judged = None;
            }
            self.rib.request_review(id);
            self.join_egress(id);
        }
    }

    /// Tells an established neighbour our routes, or tells them anew where its rules are others now.
    pub(super) fn join_egress(&mut self, id: PeerId) {
        for (number, family) in FAMILIES.into_iter().enumerate() {
            let Some(rules) = self.export_rules(id, family) else { continue };
            let current =
                if number == 0 { self.rib.v4.egress.rules(id) } else { self.rib.v6.egress.rules(id) };
            if current == Some(&rules) {
                continue;
            }
            if number == 0 { self.rib.v4.join(id, rules) } else { self.rib.v6.join(id, rules) }
        }
    }

    /// The rules for a neighbour, where the family is agreed in an established session.
    fn export_rules(&self, id: PeerId, family: Family) -> Option<ExportRules> {
        let peer = self.peers.get(id.index())?.as_ref()?;
        let negotiated = peer.session.negotiated()?;
        if !negotiated.families.contains(&family) {
            return None;
        }
        let config = &peer.state.config;
        let extended_next_hop = family == Family::IPV4_UNICAST && negotiated.extended_next_hop;
        Some(ExportRules {
            family,
            external: peer.state.external,
            local_asn: self.config.asn,
            own_next_hop: self.own_next_hop(
                family,
                negotiated.local.ip(),
                peer.state.address,
                extended_next_hop,
            ),
            next_hop_self: config.next_hop_self,
            extended_next_hop,
            four_octet_as: negotiated.four_octet_as,
            max_len: if negotiated.extended_message { MAX_EXTENDED_MESSAGE_LEN } else { MAX_MESSAGE_LEN },
            client: config.route_reflector_client,
            cluster_id: self.config.cluster_id.unwrap_or(self.config.router_id),
            default_local_pref: self.config.default_local_pref,
            role: config.role.filter(|_| peer.state.external),
            policy: config.export.clone(),
        })
    }

    /// Ourselves as a next hop on the connection whose local end is `local` (RFC 4271 §5.1.3, RFC 2545 §3, RFC 8950).
    fn own_next_hop(&self, family: Family, local: IpAddr, peer: IpAddr, extended: bool) -> MpNextHop {
        let local = local.to_canonical();
        let same = self.addresses.iter().find(|a| a.address == local);
        let covering = || {
            let covers =
                |a: &&LocalAddress| Prefix::new(a.address, a.length).is_some_and(|p| p.contains(local));
            self.addresses.iter().find(covers)
        };
        let interface = same.or_else(covering).map(|a| a.interface);
        let on_interface = |wanted: fn(&IpAddr) -> bool| {
            let mine = self.addresses.iter().filter(|a| Some(a.interface) == interface && !a.loopback);
            mine.map(|a| a.address).find(wanted)
        };
        match (family, local) {
            (Family::IPV4_UNICAST, IpAddr::V4(_)) => MpNextHop::from(local),
            (Family::IPV4_UNICAST, IpAddr::V6(_)) if extended => MpNextHop::from(local),
            (Family::IPV4_UNICAST, IpAddr::V6(_)) => {
                MpNextHop::from(on_interface(IpAddr::is_ipv4).unwrap_or(self.config.router_id.into()))
            }
            (_, IpAddr::V6(global)) => {
                MpNextHop::V6 { global, link_local: self.link_local(interface, global, peer) }
            }
            (_, IpAddr::V4(v4)) => {
                let global = |a: &IpAddr| matches!(a, IpAddr::V6(a) if !a.is_unicast_link_local());
                MpNextHop::from(on_interface(global).unwrap_or(v4.to_ipv6_mapped().into()))
            }
        }
    }

    /// RFC 2545 §3: the link-local address goes along where the peer is on the same subnet.
    fn link_local(&self, interface: Option<u32>, global: Ipv6Addr, peer: IpAddr) -> Option<Ipv6Addr> {
        let shares = |a: &LocalAddress| {
            a.address == global
                && !a.loopback
                && Prefix::new(a.address, a.length).is_some_and(|p| p.contains(peer))
        };
        if global.is_unicast_link_local() || !self.addresses.iter().any(shares) {
            return None;
        }
        self.addresses.iter().filter(|a| Some(a.interface) == interface).find_map(|a| match a.address {
            IpAddr::V6(a) if a.is_unicast_link_local() => Some(a),
            _ => None,
        })
    }
}
