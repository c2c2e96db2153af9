//! What leaves: which routes a group of neighbours gets, and with which attributes (RFC 4271 §5, §9.1.3).

use crate::policy::{Action, Policy};
use crate::rib::PeerFacts;
use crate::rib::attrs::{AttrTable, apply_actions, fact};
use crate::rib::table::{Path, PeerId};
use std::net::{IpAddr, Ipv4Addr};
use trunkline_core::{Asn, Prefix};
use trunkline_wire::bgp::{
    AsPath, AsPathSegment, Attributes, Family, MpNextHop, RawAttribute, Role, SegmentKind, attribute,
    emit_attribute, flag, raw_attributes,
};

/// Everything on which the octets of an UPDATE to a neighbour depend. Neighbours with equal rules form a group.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ExportRules {
    pub(crate) family: Family,
    /// To another AS.
    pub(crate) external: bool,
    pub(crate) local_asn: Asn,
    /// Ourselves as next hop towards these neighbours.
    pub(crate) own_next_hop: MpNextHop,
    /// Always ourselves; external groups always are.
    pub(crate) next_hop_self: bool,
    /// RFC 8950 was agreed for ipv4-unicast.
    pub(crate) extended_next_hop: bool,
    /// RFC 6793 was agreed.
    pub(crate) four_octet_as: bool,
    /// The longest message.
    pub(crate) max_len: usize,
    /// They are our route reflection clients (RFC 4456).
    pub(crate) client: bool,
    pub(crate) cluster_id: Ipv4Addr,
    pub(crate) default_local_pref: u32,
    /// Our role towards them (RFC 9234).
    pub(crate) role: Option<Role>,
    pub(crate) policy: Policy,
}

/// Why a path is not sent to a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Withheld {
    NoAdvertise,
    NoExport,
    OnlyToCustomer,
    NotReflected,
    Policy,
}

impl Withheld {
    /// In words; what the policy says must be asked of it.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Withheld::NoAdvertise => "the community NO_ADVERTISE keeps it here (RFC 1997)",
            Withheld::NoExport => "the community NO_EXPORT keeps it in our AS (RFC 1997)",
            Withheld::OnlyToCustomer => "ONLY_TO_CUSTOMER: not to a provider or a peer (RFC 9234 §5)",
            Withheld::NotReflected => {
                "it came from an internal neighbor, and neither is our client (RFC 4456 §6)"
            }
            Withheld::Policy => "the export policy rejects it",
        }
    }
}

impl ExportRules {
    /// Whether the path may be sent, and by which rule of the policy.
    #[inline]
    pub(crate) fn permit(
        &self,
        prefix: impl FnOnce() -> Prefix,
        path: &Path,
        source: &PeerFacts,
        attrs: &AttrTable,
    ) -> Option<u16> {
        self.judge(prefix, path, source, attrs).ok()
    }

    /// The same; where it may not, why.
    #[inline]
    pub(crate) fn judge(
        &self,
        prefix: impl FnOnce() -> Prefix,
        path: &Path,
        source: &PeerFacts,
        attrs: &AttrTable,
    ) -> Result<u16, Withheld> {
        let set = attrs.get(path.used);
        if set.facts & (fact::NO_ADVERTISE | fact::NO_EXPORT | fact::ONLY_TO_CUSTOMER) != 0 {
            // RFC 1997: NO_ADVERTISE, NO_EXPORT. RFC 9234 §5: not to providers, peers and route servers.
            let upward = matches!(self.role, Some(Role::Customer | Role::Peer | Role::RouteServerClient));
            if set.has(fact::NO_ADVERTISE) {
                return Err(Withheld::NoAdvertise);
            } else if set.has(fact::NO_EXPORT) && self.external {
                return Err(Withheld::NoExport);
            } else if set.has(fact::ONLY_TO_CUSTOMER) && upward {
                return Err(Withheld::OnlyToCustomer);
            }
        }
        // RFC 4271 §9.2.1, RFC 4456 §6: between internal neighbours only by reflection.
        let from_internal = path.peer != PeerId::LOCAL && !source.external;
        if !self.external && from_internal && !source.client && !self.client {
            return Err(Withheld::NotReflected);
        }
        match &self.policy {
            Policy::Accept => Ok(0),
            Policy::Reject => Err(Withheld::Policy),
            policy => policy.find(prefix()).ok_or(Withheld::Policy),
        }
    }

    /// Writes the attributes of a path as this group gets them to `octets`, and returns the next hop that goes into
    /// MP_REACH_NLRI, where it does; none where they cannot be expressed to this group.
    pub(crate) fn block(
        &self,
        path: &Path,
        rule: u16,
        source: &PeerFacts,
        attrs: &AttrTable,
        octets: &mut Vec<u8>,
    ) -> Option<Option<MpNextHop>> {
        octets.clear();
        let actions = self.policy.actions(rule);
        if self.external && self.four_octet_as && actions.is_empty() && self.role.is_none() {
            return Some(self.external_block(path, attrs, octets));
        }
        let (attributes, mp_next_hop) = self.attributes(path, actions, source, attrs)?;
        attributes.emit(self.four_octet_as, octets);
        Some(mp_next_hop)
    }

    /// Whether `hop` goes into MP_REACH_NLRI rather than NEXT_HOP.
    fn in_mp_reach(&self, hop: MpNextHop) -> bool {
        self.family != Family::IPV4_UNICAST || !matches!(hop, MpNextHop::V4(_))
    }

    /// The hot path: to another AS, nothing but the standard's changes, octets copied as they are.
    fn external_block(&self, path: &Path, attrs: &AttrTable, out: &mut Vec<u8>) -> Option<MpNextHop> {
        let mp = self.in_mp_reach(self.own_next_hop).then_some(self.own_next_hop);
        let own = &self.own_next_hop;
        let mut next_hop_done = mp.is_some();
        let mut emit_next_hop = |out: &mut Vec<u8>, code: u8| {
            if let (false, true, MpNextHop::V4(a)) = (next_hop_done, code > attribute::NEXT_HOP, own) {
                emit_attribute(flag::TRANSITIVE, attribute::NEXT_HOP, &a.octets(), out);
                next_hop_done = true;
            }
        };
        for raw in raw_attributes(attrs.get(path.used).block()).flatten() {
            emit_next_hop(out, raw.code);
            match raw.code {
                attribute::AS_PATH => self.prepend_own(raw.value, out),
                attribute::MULTI_EXIT_DISC if path.peer == PeerId::LOCAL => out.extend_from_slice(raw.whole),
                attribute::NEXT_HOP
                | attribute::MULTI_EXIT_DISC
                | attribute::LOCAL_PREF
                | attribute::ORIGINATOR_ID
                | attribute::CLUSTER_LIST => {}
                attribute::EXTENDED_COMMUNITIES => transitive_communities::<8>(&raw, out),
                attribute::IPV6_EXTENDED_COMMUNITIES => transitive_communities::<20>(&raw, out),
                _ => out.extend_from_slice(raw.whole),
            }
        }
        emit_next_hop(out, u8::MAX);
        mp
    }

    /// AS_PATH with our AS in front (RFC 4271 §5.1.2 b).
    fn prepend_own(&self, value: &[u8], out: &mut Vec<u8>) {
        let own = self.local_asn.0.to_be_bytes();
        let mut new = smallvec::SmallVec::<[u8; 256]>::new();
        match value {
            [kind, count, asns @ ..] if *kind == SegmentKind::Sequence.code() && *count < u8::MAX => {
                new.extend_from_slice(&[*kind, count + 1]);
                new.extend_from_slice(&own);
                new.extend_from_slice(asns);
            }
            _ => {
                new.extend_from_slice(&[SegmentKind::Sequence.code(), 1]);
                new.extend_from_slice(&own);
                new.extend_from_slice(value);
            }
        }
        emit_attribute(flag::TRANSITIVE, attribute::AS_PATH, &new, out);
    }

    /// The general way: parsed, changed, policy carried out.
    pub(crate) fn attributes(
        &self,
        path: &Path,
        actions: &[Action],
        source: &PeerFacts,
        attrs: &AttrTable,
    ) -> Option<(Attributes, Option<MpNextHop>)> {
        let (mut a, mp) = attrs.attributes(path.used);
        let received = mp.or(a.next_hop.map(MpNextHop::V4));
        let hop = match received {
            // RFC 2545 §3: a link-local address is worth nothing to who is not on that link.
            Some(MpNextHop::V6 { global, .. }) if !self.external && !self.next_hop_self => {
                MpNextHop::V6 { global, link_local: None }
            }
            Some(hop) if !self.external && !self.next_hop_self => hop,
            _ => self.own_next_hop,
        };
        if self.external {
            self.make_external(&mut a, path);
        } else {
            self.make_internal(&mut a, path, source);
        }
        apply_actions(&mut a, actions);
        if self.external {
            // RFC 4271 §5.1.5: whatever policy says.
            a.local_pref = None;
        }
        if self.in_mp_reach(hop) {
            let fits = self.family != Family::IPV4_UNICAST || self.extended_next_hop;
            a.next_hop = None;
            return fits.then_some((a, Some(hop)));
        }
        a.next_hop = match hop.address() {
            Some(IpAddr::V4(v4)) => Some(v4),
            _ => return None,
        };
        Some((a, None))
    }

    fn make_external(&self, a: &mut Attributes, path: &Path) {
        a.as_path.get_or_insert_default().prepend(self.local_asn, 1);
        // RFC 4271 §5.1.4: a MED received goes no further; §5.1.5: nor LOCAL_PREF.
        if path.peer != PeerId::LOCAL {
            a.med = None;
        }
        a.local_pref = None;
        a.originator_id = None;
        a.cluster_list.clear();
        a.extended_communities.retain(|c| c.is_transitive());
        a.ipv6_extended_communities.retain(|c| c.0[0] & NON_TRANSITIVE == 0);
        // RFC 9234 §5: mark what goes to customers, peers and route server clients.
        let downward = matches!(self.role, Some(Role::Provider | Role::Peer | Role::RouteServer));
        if downward && a.only_to_customer.is_none() {
            a.only_to_customer = Some(self.local_asn);
        }
    }

    fn make_internal(&self, a: &mut Attributes, path: &Path, source: &PeerFacts) {
        a.as_path.get_or_insert_default();
        a.local_pref.get_or_insert(self.default_local_pref);
        if path.peer != PeerId::LOCAL && !source.external {
            // RFC 4456 §8: reflected.
            a.originator_id.get_or_insert(source.router_id.into());
            a.cluster_list.insert(0, self.cluster_id);
        }
    }
}

/// In the first octet of an extended community: it stays inside the AS (RFC 4360 §2, RFC 5701 §2).
const NON_TRANSITIVE: u8 = 0x40;

/// Extended communities of `N` octets without those that stay inside an AS.
fn transitive_communities<const N: usize>(raw: &RawAttribute<'_>, out: &mut Vec<u8>) {
    let (communities, _) = raw.value.as_chunks::<N>();
    let transitive = |c: &&[u8; N]| c[0] & NON_TRANSITIVE == 0;
    if communities.iter().all(|c| transitive(&c)) {
        return out.extend_from_slice(raw.whole);
    }
    let kept: Vec<u8> = communities.iter().filter(transitive).flatten().copied().collect();
    if !kept.is_empty() {
        emit_attribute(raw.flags, raw.code, &kept, out);
    }
}

/// The attributes of a route that originates here.
pub(crate) fn local_attributes() -> Attributes {
    Attributes {
        origin: Some(trunkline_wire::bgp::Origin::Igp),
        as_path: Some(AsPath { segments: Vec::<AsPathSegment>::new() }),
        ..Attributes::default()
    }
}
