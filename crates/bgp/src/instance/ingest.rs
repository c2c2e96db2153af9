//! An UPDATE on its way in: decoded, judged by RFC 7606, interned, run through import policy, put into the RIB.

use super::peer::PeerState;
use super::{LocalAddress, Rib, seconds};
use crate::policy::Policy;
use crate::rib::attrs::{AttrId, AttrTable, fact};
use crate::rib::family::Shared;
use crate::rib::next_hop::NextHopId;
use crate::rib::table::{Path, flag};
use crate::session::{Negotiated, Receiver};
use std::net::IpAddr;
use trunkline_core::{Instant, Ipv4Prefix, Ipv6Prefix, Prefix};
use trunkline_wire::bgp::{
    Afi, Attributes, Family, MpNextHop, NlriFault, Notification, ParseContext, Role, RouteRefresh,
    RouteRefreshSubtype, Safi, Severity, Update, ipv4_prefixes, ipv6_prefixes, parse_attributes,
};

/// Takes what one neighbour sends.
pub(super) struct Ingest<'a> {
    pub(super) now: Instant,
    pub(super) peer: &'a mut PeerState,
    pub(super) rib: &'a mut Rib,
    pub(super) addresses: &'a [LocalAddress],
    /// The families that the neighbour wants again, by number.
    pub(super) refresh: &'a mut [bool; 2],
}

/// Prefixes of one UPDATE, in buffers that are used again.
#[derive(Default)]
pub(super) struct Batch {
    withdrawn4: Vec<Ipv4Prefix>,
    announced4: Vec<Ipv4Prefix>,
    withdrawn6: Vec<Ipv6Prefix>,
    announced6: Vec<Ipv6Prefix>,
    /// The IPv4 prefixes came in MP_REACH_NLRI (RFC 8950).
    mp4: bool,
}

impl Batch {
    fn clear(&mut self) {
        self.mp4 = false;
        self.withdrawn4.clear();
        self.announced4.clear();
        self.withdrawn6.clear();
        self.announced6.clear();
    }

    /// What was to be announced is withdrawn instead (RFC 7606 §2).
    fn treat_as_withdraw(&mut self) {
        self.withdrawn4.append(&mut self.announced4);
        self.withdrawn6.append(&mut self.announced6);
    }
}

fn read4(bytes: &[u8], out: &mut Vec<Ipv4Prefix>) -> Result<(), NlriFault> {
    ipv4_prefixes(bytes).try_for_each(|p| p.map(|p| out.push(p)))
}

fn read6(bytes: &[u8], out: &mut Vec<Ipv6Prefix>) -> Result<(), NlriFault> {
    ipv6_prefixes(bytes).try_for_each(|p| p.map(|p| out.push(p)))
}

impl Receiver for Ingest<'_> {
    fn update(&mut self, body: &[u8], negotiated: &Negotiated) -> Result<(), Notification> {
        let update = Update::new_checked(body)?;
        if let Some(family) = update.end_of_rib() {
            self.end_of_rib(family);
            return Ok(());
        }
        let mut batch = std::mem::take(&mut self.rib.batch);
        batch.clear();
        let result = self.read(&update, negotiated, &mut batch);
        if let Ok(attrs) = result {
            self.apply(&mut batch, attrs);
        }
        self.rib.batch = batch;
        result.map(drop)
    }

    fn route_refresh(&mut self, message: RouteRefresh, negotiated: &Negotiated) {
        let Some(number) = super::number(message.family) else { return };
        match message.subtype {
            RouteRefreshSubtype::Request => {
                if let Some(wanted) = self.refresh.get_mut(number) {
                    *wanted = true;
                }
            }
            RouteRefreshSubtype::BoRR if negotiated.enhanced_route_refresh => {
                // RFC 7313 §4: what is not told again before End-of-RR is stale.
                self.new_epoch(number);
                if let Some(state) = self.peer.families.get_mut(number) {
                    state.refreshing = true;
                }
            }
            RouteRefreshSubtype::EoRR if negotiated.enhanced_route_refresh => {
                self.sweep_after_refresh(number)
            }
            _ => self.peer.fault("ROUTE-REFRESH of an unknown subtype", "ignored"),
        }
    }
}

impl Ingest<'_> {
    fn new_epoch(&mut self, number: usize) {
        let facts = self.rib.shared.peers.get_mut(self.peer.id);
        if let Some(epoch) = facts.epoch.get_mut(number) {
            *epoch = epoch.wrapping_add(1);
        }
    }

    fn sweep_after_refresh(&mut self, number: usize) {
        let Some(state) = self.peer.families.get_mut(number) else { return };
        if std::mem::take(&mut state.refreshing) {
            self.rib.request_sweep(self.peer.id, number);
        }
    }

    /// RFC 4724 §4.2: what the restarted peer has not told again by now is gone.
    fn end_of_rib(&mut self, family: Family) {
        let Some(number) = super::number(family) else { return };
        let Some(state) = self.peer.families.get_mut(number) else { return };
        state.end_of_rib_received = true;
        if state.stale_until.take().is_some() {
            self.rib.request_sweep(self.peer.id, number);
        }
    }

    /// Decodes into `batch`; the attributes of what is announced. An error resets the session.
    fn read(
        &mut self,
        update: &Update<'_>,
        n: &Negotiated,
        batch: &mut Batch,
    ) -> Result<AttrId, Notification> {
        let fields = read4(update.withdrawn_routes, &mut batch.withdrawn4)
            .and_then(|()| read4(update.nlri, &mut batch.announced4));
        fields.map_err(|fault| self.unreadable(&fault, fault.to_notification()))?;
        // The hot path: this very block is known already.
        if n.four_octet_as && !batch.announced4.is_empty() {
            let known = self.rib.shared.attrs.lookup(update.path_attributes);
            // Our own routes have no NEXT_HOP: for a peer's that is a fault.
            let fits = |id: &AttrId| {
                let set = self.rib.shared.attrs.get(*id);
                set.next_hop != NextHopId::SELF && !(self.peer.external && set.has(fact::INTERNAL_ONLY))
            };
            if let Some(id) = known.filter(fits).filter(|_| !self.marks_only_to_customer()) {
                self.judge_first_as(id, batch);
                self.drop_inactive(batch);
                return Ok(id);
            }
        }
        self.read_slowly(update, n, batch)
    }

    /// RFC 7606 §3 j, §5.3: prefixes that cannot be read reset the session.
    #[cold]
    fn unreadable(&mut self, fault: &NlriFault, notification: Notification) -> Notification {
        self.peer.fault(fault.to_string(), "session reset");
        notification
    }

    fn read_slowly(
        &mut self,
        update: &Update<'_>,
        n: &Negotiated,
        batch: &mut Batch,
    ) -> Result<AttrId, Notification> {
        let context = ParseContext {
            four_octet_as: n.four_octet_as,
            ebgp: self.peer.external,
            extended_next_hop: n.extended_next_hop,
        };
        let mut parsed = parse_attributes(update.path_attributes, !batch.announced4.is_empty(), &context);
        if let Some(worst) = parsed.worst()
            && worst.severity == Severity::SessionReset
        {
            self.peer.fault(worst.to_string(), "session reset");
            return Err(worst.to_notification());
        }
        if let Some(unreach) = parsed.unreach {
            self.read_mp(unreach.family, unreach.withdrawn, batch, false)
                .map_err(|fault| self.unreadable(&fault, unreach.error_notification()))?;
        }
        let mp_next_hop = match parsed.reach {
            Some(reach) => {
                self.read_mp(reach.family, reach.nlri, batch, true)
                    .map_err(|fault| self.unreadable(&fault, reach.error_notification()))?;
                Some(reach.next_hop)
            }
            None => None,
        };
        for fault in &parsed.faults {
            let treatment = if fault.severity == Severity::TreatAsWithdraw {
                "treat as withdraw"
            } else {
                "attribute discard"
            };
            self.peer.fault(fault.to_string(), treatment);
        }
        self.drop_inactive(batch);
        let announces = !batch.announced4.is_empty() || !batch.announced6.is_empty();
        if parsed.severity() >= Some(Severity::TreatAsWithdraw) || !announces {
            batch.treat_as_withdraw();
            return Ok(AttrId::NONE);
        }
        self.only_to_customer_in(&mut parsed.attributes, n);
        let id = self.intern(&mut parsed.attributes, mp_next_hop, batch);
        self.judge_first_as(id, batch);
        Ok(id)
    }

    /// An UPDATE may announce IPv4 in NLRI and IPv6 in MP_REACH_NLRI at once: then each has its own next hop, and
    /// this returns the set of the one that is there; the IPv4 part of such a mixed message is put in at once.
    fn intern(&mut self, attributes: &mut Attributes, mp: Option<MpNextHop>, batch: &mut Batch) -> AttrId {
        if mp.is_some() && attributes.next_hop.is_some() {
            if !batch.announced4.is_empty() && !batch.announced6.is_empty() {
                let id = self.rib.shared.attrs.intern(attributes, None);
                // With it go the withdrawals: they come before all announcements (RFC 4271 §4.3).
                let mut part = Batch {
                    announced4: std::mem::take(&mut batch.announced4),
                    withdrawn4: std::mem::take(&mut batch.withdrawn4),
                    withdrawn6: std::mem::take(&mut batch.withdrawn6),
                    ..Batch::default()
                };
                self.judge_first_as(id, &mut part);
                self.apply(&mut part, id);
            }
            // RFC 4760 §3: NEXT_HOP beside MP_REACH_NLRI means nothing to what that announces.
            if batch.announced4.is_empty() || batch.mp4 {
                attributes.next_hop = None;
            } else {
                return self.rib.shared.attrs.intern(attributes, None);
            }
        }
        self.rib.shared.attrs.intern(attributes, mp)
    }

    fn read_mp(
        &mut self,
        family: Family,
        nlri: &[u8],
        batch: &mut Batch,
        announce: bool,
    ) -> Result<(), NlriFault> {
        match (family.afi, family.safi, announce) {
            (Afi::Ipv4, Safi::Unicast, true) => {
                batch.mp4 = true;
                read4(nlri, &mut batch.announced4)
            }
            (Afi::Ipv4, Safi::Unicast, false) => read4(nlri, &mut batch.withdrawn4),
            (Afi::Ipv6, Safi::Unicast, true) => read6(nlri, &mut batch.announced6),
            (Afi::Ipv6, Safi::Unicast, false) => read6(nlri, &mut batch.withdrawn6),
            _ => {
                self.peer.fault(format!("routes of the family {family}, which was not agreed"), "ignored");
                Ok(())
            }
        }
    }

    /// Routes of a family that was not agreed are ignored.
    fn drop_inactive(&mut self, batch: &mut Batch) {
        let [v4, v6] = self.peer.families.map(|f| f.active);
        if !(v4 || batch.announced4.is_empty() && batch.withdrawn4.is_empty()) {
            self.peer.fault("routes of the family ipv4-unicast, which was not agreed", "ignored");
            batch.announced4.clear();
            batch.withdrawn4.clear();
        }
        if !(v6 || batch.announced6.is_empty() && batch.withdrawn6.is_empty()) {
            self.peer.fault("routes of the family ipv6-unicast, which was not agreed", "ignored");
            batch.announced6.clear();
            batch.withdrawn6.clear();
        }
    }

    /// RFC 4271 §6.3: an external peer's AS_PATH begins with its AS; RFC 7606 §7.2: otherwise treat as withdraw.
    fn judge_first_as(&mut self, id: AttrId, batch: &mut Batch) {
        if !self.peer.external || !self.peer.config.enforce_first_as {
            return;
        }
        let attrs = &self.rib.shared.attrs;
        if attrs.get(id).neighbor_as == self.peer.config.asn {
            return;
        }
        // It may stand in a set.
        let first = attrs.attributes(id).0.as_path.and_then(|p| p.first_as()).unwrap_or_default();
        if first != self.peer.config.asn {
            let what = format!("AS_PATH begins with AS {first}, not with the peer's AS");
            self.peer.fault(what, "treat as withdraw");
            batch.treat_as_withdraw();
        }
    }

    /// RFC 9234 §5: whether routes from this peer are marked on their way in.
    fn marks_only_to_customer(&self) -> bool {
        self.peer.external
            && matches!(self.peer.config.role, Some(Role::Customer | Role::Peer | Role::RouteServerClient))
    }

    fn only_to_customer_in(&self, attributes: &mut Attributes, n: &Negotiated) {
        if self.marks_only_to_customer() && attributes.only_to_customer.is_none() {
            attributes.only_to_customer = Some(n.peer_asn);
        }
    }

    /// [`judge`], with the verdict on the last next hop remembered.
    fn judge(&mut self, id: AttrId) -> u8 {
        let attrs = &self.rib.shared.attrs;
        // By address: an id may be another next hop's by now.
        let next_hop = attrs.next_hops.address(attrs.get(id).next_hop);
        if let Some((hop, good)) = self.peer.judged
            && hop == next_hop
        {
            return judge_attributes(self.peer, id, attrs) | if good { 0 } else { flag::BAD_NEXT_HOP };
        }
        let flags = judge(self.peer, id, attrs, self.addresses);
        self.peer.judged = Some((next_hop, flags & flag::BAD_NEXT_HOP == 0));
        flags
    }

    fn apply(&mut self, batch: &mut Batch, received: AttrId) {
        let stamp = seconds(self.now);
        let peer = self.peer.id;
        // Held while the message is worked on: a path that is withdrawn or replaced may be its only holder.
        if received != AttrId::NONE {
            self.rib.shared.attrs.retain(received);
        }
        batch.withdrawn4.iter().for_each(|prefix| self.rib.v4.withdraw(*prefix, peer));
        batch.withdrawn6.iter().for_each(|prefix| self.rib.v6.withdraw((*prefix).into(), peer));
        if received == AttrId::NONE {
            return;
        }
        if batch.announced4.is_empty() && batch.announced6.is_empty() {
            return self.rib.shared.attrs.release(received);
        }
        let flags = self.judge(received);
        let mut import = Import { received, flags, memo: None };
        let epoch = self.rib.shared.peers.get(peer).epoch;
        let Rib { shared: Shared { attrs, .. }, v4, v6, .. } = &mut *self.rib;
        for prefix in &batch.announced4 {
            let (used, flags) = import.run(&self.peer.config.import, (*prefix).into(), attrs);
            v4.announce(*prefix, Path::new(peer, epoch[0], received, used, flags, stamp), attrs);
        }
        for prefix in &batch.announced6 {
            let (used, flags) = import.run(&self.peer.config.import, (*prefix).into(), attrs);
            v6.announce((*prefix).into(), Path::new(peer, epoch[1], received, used, flags, stamp), attrs);
        }
        self.rib.shared.attrs.release(received);
    }
}

/// Flags of a path with these attributes, whatever its prefix.
pub(super) fn judge(peer: &PeerState, id: AttrId, attrs: &AttrTable, addresses: &[LocalAddress]) -> u8 {
    let hop = attrs.next_hops.address(attrs.get(id).next_hop);
    let good = good_next_hop(peer, hop, addresses);
    judge_attributes(peer, id, attrs) | if good { 0 } else { flag::BAD_NEXT_HOP }
}

fn judge_attributes(peer: &PeerState, id: AttrId, attrs: &AttrTable) -> u8 {
    let set = attrs.get(id);
    let mut flags = 0;
    if set.own_as_count > peer.config.allow_own_as {
        flags |= flag::AS_LOOP;
    }
    if set.has(fact::REFLECTION_LOOP) {
        flags |= flag::REFLECTION_LOOP;
    }
    if set.has(fact::ONLY_TO_CUSTOMER) && is_leak(peer, id, attrs) {
        flags |= flag::LEAK;
    }
    flags
}

/// RFC 9234 §5: from a customer or route server client, or from a peer with another AS than its own.
fn is_leak(peer: &PeerState, id: AttrId, attrs: &AttrTable) -> bool {
    match peer.config.role.filter(|_| peer.external) {
        Some(Role::Provider | Role::RouteServer) => true,
        Some(Role::Peer) => attrs.attributes(id).0.only_to_customer != Some(peer.config.asn),
        _ => false,
    }
}

/// RFC 4271 §6.3: not our own address; from a directly connected external peer its own address, or one on a subnet
/// that we share with it.
fn good_next_hop(peer: &PeerState, hop: IpAddr, addresses: &[LocalAddress]) -> bool {
    let (hop, address) = (hop.to_canonical(), peer.address.to_canonical());
    if hop == address {
        return true;
    }
    if hop.is_unspecified() || hop.is_multicast() || addresses.iter().any(|a| a.address == hop) {
        return false;
    }
    if !peer.external || peer.config.multihop.is_some() || is_link_local(hop) {
        return true;
    }
    let covers =
        |a: &LocalAddress, x: IpAddr| Prefix::new(a.address, a.length).is_some_and(|p| p.contains(x));
    let shared =
        |a: &LocalAddress| addresses.iter().any(|b| b.interface == a.interface && covers(b, address));
    addresses.iter().any(|a| covers(a, hop) && shared(a))
}

/// Import policy for routes with the same attributes: what the last rule made of them is remembered.
pub(super) struct Import {
    pub(super) received: AttrId,
    pub(super) flags: u8,
    pub(super) memo: Option<(u16, AttrId)>,
}

impl Import {
    /// The attributes after policy, and the flags.
    #[inline]
    pub(super) fn run(&mut self, policy: &Policy, prefix: Prefix, attrs: &mut AttrTable) -> (AttrId, u8) {
        let rule = match policy {
            Policy::Accept => return (self.received, self.flags),
            policy => policy.find(prefix),
        };
        match (rule, self.memo) {
            (None, _) => (self.received, self.flags | flag::REJECTED),
            (Some(rule), Some((last, used))) if last == rule => (used, self.flags),
            (Some(rule), _) => {
                let used = attrs.modify(self.received, policy.actions(rule));
                self.memo = Some((rule, used));
                (used, self.flags)
            }
        }
    }
}

impl PeerState {
    /// Counts a change of its paths, and sees whether they are too many.
    #[inline]
    pub(super) fn count(&mut self, number: usize, (received, accepted): (i64, i64)) {
        let Some(family) = self.families.get_mut(number) else { return };
        family.received = family.received.wrapping_add_signed(received);
        family.accepted = family.accepted.wrapping_add_signed(accepted);
        if let Some(maximum) = &self.config.maximum_prefixes
            && family.received > u64::from(maximum.limit)
        {
            self.over_limit = super::peer::FAMILIES.get(number).copied();
        }
    }
}

fn is_link_local(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(a) if a.is_unicast_link_local())
}
