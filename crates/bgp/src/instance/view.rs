//! State as plain data: summary, neighbours, routes.

use super::peer::{FAMILIES, Peer, PeerState};
use super::{Bgp, Rib, seconds};
use crate::egress::Egress;
use crate::rib::decision::{eligible, ineligible_because, lost_by, multipath};
use crate::rib::family::FamilyRib;
use crate::rib::table::{Key, Path, PeerId, RouteIdx};
use trunkline_core::{Instant, Prefix};
use trunkline_view::bgp::{
    FaultCount, NeighborFamily, NeighborSummary, NeighborView, NeighborsView, PathView, RoutesQuery,
    RoutesView, SummaryView, TableView,
};
use trunkline_view::{Answer, ErrorKind};
use trunkline_wire::bgp::{Attributes, Family, MpNextHop, Origin};

/// Destinations looked at for one page: a page may be short, but a question never holds up routing.
const PAGE_WORK: u64 = 10_000;

/// The most paths in one answer, whoever asks for more: some milliseconds of work.
const MAX_PAGE: u32 = 1000;

/// Whose view of the table is wanted.
#[derive(Clone, Copy)]
pub(super) enum Scope {
    All,
    Received(PeerId),
    Advertised(PeerId),
}

impl Bgp {
    pub(super) fn summary(&self, now: Instant) -> SummaryView {
        let table = |family: &str, (prefixes, paths, best): (u64, u64, u64)| TableView {
            family: family.into(),
            prefixes,
            paths,
            best,
        };
        let tables = vec![
            table("ipv4-unicast", self.rib.v4.table.counts()),
            table("ipv6-unicast", self.rib.v6.table.counts()),
        ];
        let mut neighbors: Vec<NeighborSummary> =
            self.alive().map(|p| self.neighbor_summary(now, p)).collect();
        neighbors.sort_by_key(|n| (n.dynamic, n.address));
        SummaryView { asn: self.config.asn, router_id: self.config.router_id, neighbors, tables }
    }

    pub(super) fn alive(&self) -> impl Iterator<Item = &Peer> {
        self.peers.iter().flatten().filter(|p| !p.state.gone)
    }

    fn neighbor_summary(&self, now: Instant, peer: &Peer) -> NeighborSummary {
        let state = &peer.state;
        let mut view = NeighborSummary {
            address: state.address,
            asn: Some(state.config.asn),
            description: state.config.description.clone(),
            state: String::new(),
            since: 0.0,
            shutdown: peer.session.is_shutdown(),
            dynamic: state.range.is_some(),
            messages_received: 0,
            messages_sent: 0,
            prefixes_received: state.families.iter().map(|f| f.received).sum(),
            prefixes_accepted: state.families.iter().map(|f| f.accepted).sum(),
            prefixes_advertised: self.rib.v4.egress.advertised(state.id)
                + self.rib.v6.egress.advertised(state.id),
            last_error: None,
        };
        peer.session.describe_summary(now, &mut view);
        view
    }

    pub(super) fn neighbors(&self, now: Instant, only: Option<PeerId>) -> NeighborsView {
        let chosen = self.alive().filter(|p| only.is_none_or(|id| p.state.id == id));
        let mut neighbors: Vec<NeighborView> = chosen.map(|p| self.neighbor_view(now, p)).collect();
        neighbors.sort_by_key(|n| (n.summary.dynamic, n.summary.address));
        NeighborsView { neighbors }
    }

    pub(super) fn neighbor_view(&self, now: Instant, peer: &Peer) -> NeighborView {
        let state = &peer.state;
        let stale_until = trunkline_core::earliest(state.families.iter().map(|f| f.stale_until));
        let mut view = NeighborView {
            summary: self.neighbor_summary(now, peer),
            local_asn: self.config.asn,
            session_type: if state.external { "external" } else { "internal" }.into(),
            router_id: None,
            local: None,
            remote: None,
            opened_by: None,
            hold_time_configured: state.config.hold_time,
            hold_time: None,
            keepalive_time: None,
            timers: Vec::new(),
            capabilities_sent: Vec::new(),
            capabilities_received: Vec::new(),
            capabilities_agreed: Vec::new(),
            capabilities_suppressed: Vec::new(),
            families: self.family_views(state),
            messages: Vec::new(),
            faults: faults(state),
            flaps: 0,
            established: 0,
            errors: Vec::new(),
            down_because: None,
            down_rule: None,
            idle_hold: None,
            graceful_restart: stale_until.map(|at| at.since(now).as_secs_f64()),
        };
        peer.session.describe(now, &mut view);
        view
    }

    fn family_views(&self, state: &PeerState) -> Vec<NeighborFamily> {
        let mut views = Vec::new();
        for (index, family) in state.families.iter().enumerate() {
            if !family.active && family.received == 0 {
                continue;
            }
            let egress: &Egress = if index == 0 { &self.rib.v4.egress } else { &self.rib.v6.egress };
            let stale = if family.stale_until.is_some() { self.count_stale(state.id, index) } else { 0 };
            views.push(NeighborFamily {
                family: FAMILIES[index].to_string(),
                received: family.received,
                accepted: family.accepted,
                advertised: egress.advertised(state.id),
                end_of_rib_received: family.end_of_rib_received,
                end_of_rib_sent: egress.end_of_rib_sent(state.id),
                stale,
                maximum_prefixes: state.config.maximum_prefixes.map(|m| m.limit),
            });
        }
        views
    }

    fn count_stale(&self, id: PeerId, index: usize) -> u64 {
        fn count<K: Key>(rib: &FamilyRib<K>, id: PeerId, epoch: u8) -> u64 {
            let paths = (0..rib.table.places()).flat_map(|at| rib.table.paths(RouteIdx(at)));
            paths.filter(|p| p.peer == id && p.epoch != epoch).count() as u64
        }
        let epoch = self.rib.shared.peers.get(id).epoch[index];
        if index == 0 { count(&self.rib.v4, id, epoch) } else { count(&self.rib.v6, id, epoch) }
    }

    pub(super) fn routes(&self, now: Instant, query: &RoutesQuery) -> Answer {
        let scope = match (query.received, query.advertised) {
            (Some(_), Some(_)) => {
                return Answer::error(ErrorKind::Invalid, "routes received or advertised, not both at once");
            }
            (Some(address), None) => self.neighbor(address).map(Scope::Received),
            (None, Some(address)) => self.neighbor(address).map(Scope::Advertised),
            (None, None) => Ok(Scope::All),
        };
        let scope = match scope {
            Ok(scope) => scope,
            Err(error) => return error,
        };
        let families = match query.family.as_deref().map(str::parse::<Family>) {
            None => (true, true),
            Some(Ok(Family::IPV4_UNICAST)) => (true, false),
            Some(Ok(Family::IPV6_UNICAST)) => (false, true),
            Some(_) => {
                return Answer::error(ErrorKind::Invalid, "the family is ipv4-unicast or ipv6-unicast");
            }
        };
        let page = Page { now, scope, limit: query.limit.clamp(1, MAX_PAGE) as usize, bgp: self };
        Answer::BgpRoutes(match query.prefix {
            Some(prefix) => page.prefix(prefix),
            None => page.all(query.cursor, families),
        })
    }
}

fn faults(state: &PeerState) -> Vec<FaultCount> {
    let count = |((kind, treatment), count): (&(String, &'static str), &u64)| FaultCount {
        kind: kind.clone(),
        treatment: (*treatment).into(),
        count: *count,
    };
    state.faults.iter().map(count).collect()
}

/// The destination that a question about `prefix` means: itself, for a single address the longest match.
pub(super) fn find<K: Key>(rib: &FamilyRib<K>, prefix: Prefix) -> Option<RouteIdx> {
    let key = K::from_prefix(prefix)?;
    let exact = rib.table.find(key).filter(|idx| rib.table.occupied(*idx));
    let host = prefix.len() == if prefix.is_ipv4() { 32 } else { 128 };
    exact.or_else(|| rib.table.longest_match(key).filter(|_| host))
}

/// One answer about routes.
pub(super) struct Page<'a> {
    pub(super) now: Instant,
    pub(super) scope: Scope,
    pub(super) limit: usize,
    pub(super) bgp: &'a Bgp,
}

impl Page<'_> {
    fn rib(&self) -> &Rib {
        &self.bgp.rib
    }

    /// The paths to one prefix; a host prefix finds the longest match.
    fn prefix(&self, prefix: Prefix) -> RoutesView {
        let mut paths = Vec::new();
        if let Some(idx) = find(&self.rib().v4, prefix) {
            self.route(&self.rib().v4, idx, &mut paths);
        }
        if let Some(idx) = find(&self.rib().v6, prefix) {
            self.route(&self.rib().v6, idx, &mut paths);
        }
        RoutesView { total: paths.first().map_or(0, |_| 1), paths, next: None }
    }

    fn all(&self, cursor: u64, (v4, v6): (bool, bool)) -> RoutesView {
        let (rib4, rib6) = (&self.rib().v4, &self.rib().v6);
        let places4 = if v4 { u64::from(rib4.table.places()) } else { 0 };
        let places6 = if v6 { u64::from(rib6.table.places()) } else { 0 };
        let mut paths = Vec::new();
        let (mut at, end) = (cursor, places4 + places6);
        while at < end && paths.len() < self.limit && at - cursor < PAGE_WORK {
            if at < places4 {
                self.route(rib4, RouteIdx(at as u32), &mut paths);
            } else {
                self.route(rib6, RouteIdx((at - places4) as u32), &mut paths);
            }
            at += 1;
        }
        let total = self.total(v4, v6);
        RoutesView { paths, next: (at < end).then_some(at), total }
    }

    fn total(&self, v4: bool, v6: bool) -> u64 {
        let rib = self.rib();
        let one = |number: usize, prefixes: u64, egress: &Egress| match self.scope {
            Scope::All => prefixes,
            Scope::Advertised(id) => egress.advertised(id),
            Scope::Received(id) => {
                let peer = self.bgp.peers.get(id.index()).and_then(Option::as_ref);
                peer.and_then(|p| p.state.families.get(number)).map_or(0, |f| f.received)
            }
        };
        let four = if v4 { one(0, rib.v4.table.counts().0, &rib.v4.egress) } else { 0 };
        let six = if v6 { one(1, rib.v6.table.counts().0, &rib.v6.egress) } else { 0 };
        four + six
    }

    /// What the scope sees of one destination.
    pub(super) fn route<K: Key>(&self, rib: &FamilyRib<K>, idx: RouteIdx, out: &mut Vec<PathView>) {
        if !rib.table.occupied(idx) {
            return;
        }
        let prefix = rib.table.prefix(idx);
        match self.scope {
            Scope::All => self.paths(rib, idx, out),
            Scope::Received(id) => {
                if let Some(path) = rib.table.paths(idx).find(|p| p.peer == id) {
                    let (attributes, mp) = self.rib().shared.attrs.attributes(path.received);
                    let mut view = self.view(prefix, path, rib.number, attributes, mp);
                    let attrs = &self.rib().shared.attrs;
                    view.best = rib.table.best(idx).is_some_and(|b| b.peer == id);
                    view.reason = ineligible_because(path, attrs);
                    out.push(view);
                }
            }
            Scope::Advertised(id) => {
                let Some(best) = rib.table.best(idx).filter(|best| best.peer != id) else { return };
                let Some(rules) = rib.egress.rules(id) else { return };
                let shared = &self.rib().shared;
                let source = shared.peers.get(best.peer);
                let Some(rule) = rules.permit(|| prefix, best, source, &shared.attrs) else { return };
                let actions = rules.policy.actions(rule);
                if let Some((attributes, mp)) = rules.attributes(best, actions, source, &shared.attrs) {
                    let mut view = self.view(prefix, best, rib.number, attributes, mp);
                    view.best = true;
                    view.igp_metric = None;
                    out.push(view);
                }
            }
        }
    }

    /// All paths of a destination, the best first, each with why it is not.
    fn paths<K: Key>(&self, rib: &FamilyRib<K>, idx: RouteIdx, out: &mut Vec<PathView>) {
        let shared = &self.rib().shared;
        let (attrs, peers, config) = (&shared.attrs, &shared.peers, &shared.config);
        let prefix = rib.table.prefix(idx);
        let paths = rib.table.take(idx);
        let best = rib.table.best(idx).copied();
        let sharing = multipath(&paths, attrs, peers, config);
        for (at, path) in paths.iter().enumerate() {
            let (attributes, mp) = attrs.attributes(path.used);
            let mut view = self.view(prefix, path, rib.number, attributes, mp);
            view.best = best.is_some_and(|b| b.peer == path.peer);
            view.local_pref = Some(attrs.get(path.used).local_pref());
            view.multipath = config.maximum_paths > 1 && sharing.len() > 1 && sharing.contains(&at);
            view.reason = match best {
                _ if view.best => None,
                Some(best) if view.eligible => {
                    Some(lost_by(&best, path, attrs, peers, config).words().to_string())
                }
                _ => ineligible_because(path, attrs),
            };
            out.push(view);
        }
    }

    pub(super) fn view(
        &self,
        prefix: Prefix,
        path: &Path,
        number: usize,
        a: Attributes,
        mp: Option<MpNextHop>,
    ) -> PathView {
        let shared = &self.rib().shared;
        let state = shared.attrs.next_hops.state(shared.attrs.get(path.used).next_hop);
        let local = path.peer == PeerId::LOCAL;
        let facts = shared.peers.get(path.peer);
        let now = seconds(self.now);
        let text = |x: &dyn std::fmt::Display| x.to_string();
        PathView {
            prefix,
            neighbor: (!local).then_some(facts.address),
            best: false,
            multipath: false,
            eligible: eligible(path, &shared.attrs),
            stale: !local && path.epoch != facts.epoch[number],
            reason: None,
            next_hop: mp.and_then(MpNextHop::address).or(a.next_hop.map(Into::into)),
            igp_metric: state.filter(|_| !local).map(|s| s.metric),
            origin: match a.origin {
                Some(Origin::Igp) => "IGP",
                Some(Origin::Egp) => "EGP",
                _ => "INCOMPLETE",
            }
            .into(),
            as_path: a.as_path.as_ref().map(|p| p.to_string()).unwrap_or_default(),
            med: a.med,
            local_pref: a.local_pref,
            atomic_aggregate: a.atomic_aggregate,
            aggregator: a.aggregator.map(|(asn, address)| format!("{asn} {address}")),
            communities: a.communities.iter().map(|c| text(c)).collect(),
            extended_communities: a.extended_communities.iter().map(|c| text(c)).collect(),
            large_communities: a.large_communities.iter().map(|c| text(c)).collect(),
            originator_id: a.originator_id,
            cluster_list: a.cluster_list,
            unknown_attributes: a.unknown.iter().map(unknown).collect(),
            age: Some(f64::from(now.saturating_sub(path.stamp))),
        }
    }
}

fn unknown(attribute: &trunkline_wire::bgp::UnknownAttribute) -> String {
    let hex: String = attribute.value.iter().map(|octet| format!("{octet:02x}")).collect();
    format!("{:#04x}/{}: {hex}", attribute.flags, attribute.code)
}
