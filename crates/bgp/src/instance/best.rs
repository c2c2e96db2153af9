//! Best routes on their way out of BGP: to the routing table, to those who watch, to those who ask.

use super::{BestRoute, Bgp, Output};
use crate::rib::decision::multipath;
use crate::rib::family::{FamilyRib, Shared};
use crate::rib::next_hop::NextHopId;
use crate::rib::table::{Key, PeerId, RouteIdx};
use std::net::IpAddr;
use trunkline_core::{Outbox, Prefix};
use trunkline_view::EventKind;

/// Destinations told in one go.
const REPORT_SLICE: usize = 4096;

impl Bgp {
    /// Whether [`Output::Route`] is wanted; off at first. Turned on, all best routes are told.
    pub fn report_routes(&mut self, on: bool) {
        fn turn<K: Key>(rib: &mut FamilyRib<K>, on: bool) {
            if on == rib.report.is_some() {
                return;
            }
            rib.report = on.then(Default::default);
            rib.report_all();
        }
        turn(&mut self.rib.v4, on);
        turn(&mut self.rib.v6, on);
    }

    /// Tells all best routes again, where they are told; what has yet to be told of others is not forgotten.
    pub fn report_again(&mut self) {
        self.rib.v4.report_all();
        self.rib.v6.report_all();
    }

    /// Whether changes of best routes are told as [`EventKind::BgpBest`]; off at first.
    pub fn watch_routes(&mut self, on: bool) {
        if on != self.rib.v4.watched.is_some() {
            self.rib.v4.watched = on.then(Default::default);
            self.rib.v6.watched = on.then(Default::default);
        }
    }

    pub(super) fn report(&mut self, out: &mut Outbox<Output>) {
        let mut routes = Vec::new();
        let take = |report: &mut Option<crate::egress::RouteSet>, routes: &mut Vec<RouteIdx>| {
            routes.clear();
            report.iter_mut().for_each(|r| r.take(REPORT_SLICE, routes));
        };
        take(&mut self.rib.v4.report, &mut routes);
        for idx in &routes {
            let (prefix, route) = (self.rib.v4.table.prefix(*idx), self.best_route(&self.rib.v4, *idx));
            out.push(Output::Route { prefix, route });
        }
        take(&mut self.rib.v6.report, &mut routes);
        for idx in &routes {
            let (prefix, route) = (self.rib.v6.table.prefix(*idx), self.best_route(&self.rib.v6, *idx));
            out.push(Output::Route { prefix, route });
        }
    }

    /// Destinations of which the routing table is still to hear.
    pub(super) fn reported(&self) -> Vec<Prefix> {
        fn of<K: Key>(rib: &FamilyRib<K>) -> impl Iterator<Item = Prefix> + '_ {
            rib.report.iter().flat_map(|r| r.iter()).map(|idx| rib.table.prefix(idx))
        }
        of(&self.rib.v4).chain(of(&self.rib.v6)).collect()
    }

    /// Tells those who watch of best routes that changed.
    pub(super) fn tell_watchers(&mut self, out: &mut Outbox<Output>) {
        if self.rib.v4.watched.is_none() {
            return;
        }
        let mut routes = Vec::new();
        self.rib.v4.watched.iter_mut().for_each(|set| set.take(REPORT_SLICE, &mut routes));
        routes.iter().for_each(|idx| out.push(Output::Event(self.best_event(&self.rib.v4, *idx))));
        routes.clear();
        self.rib.v6.watched.iter_mut().for_each(|set| set.take(REPORT_SLICE, &mut routes));
        routes.iter().for_each(|idx| out.push(Output::Event(self.best_event(&self.rib.v6, *idx))));
    }

    fn best_event<K: Key>(&self, rib: &FamilyRib<K>, idx: RouteIdx) -> EventKind {
        let Shared { attrs, peers, .. } = &self.rib.shared;
        let prefix = rib.table.prefix(idx);
        let Some(best) = rib.table.best(idx) else {
            return EventKind::BgpBest { prefix, neighbor: None, as_path: String::new(), next_hop: None };
        };
        let local = best.peer == PeerId::LOCAL;
        let as_path = attrs.attributes(best.used).0.as_path.map(|path| path.to_string()).unwrap_or_default();
        let next_hop = (!local).then(|| attrs.next_hops.address(attrs.get(best.used).next_hop));
        EventKind::BgpBest { prefix, neighbor: Some(peers.get(best.peer).address), as_path, next_hop }
    }

    /// A destination's best route for the routing table.
    fn best_route<K: Key>(&self, rib: &FamilyRib<K>, idx: RouteIdx) -> Option<BestRoute> {
        let best = rib.table.best(idx).filter(|best| best.peer != PeerId::LOCAL)?;
        let Shared { attrs, peers, config, .. } = &self.rib.shared;
        let address = |id: NextHopId| attrs.next_hops.address(id);
        let next_hops = if config.maximum_paths > 1 {
            let paths = rib.table.take(idx);
            let chosen = multipath(&paths, attrs, peers, config);
            let mut hops: Vec<IpAddr> = chosen
                .iter()
                .filter_map(|at| paths.get(*at))
                .map(|p| address(attrs.get(p.used).next_hop))
                .collect();
            let mut seen = std::collections::BTreeSet::new();
            hops.retain(|hop| seen.insert(*hop));
            hops
        } else {
            vec![address(attrs.get(best.used).next_hop)]
        };
        let external = peers.get(best.peer).external;
        let distance = if external { self.config.distance_external } else { self.config.distance_internal };
        Some(BestRoute { next_hops, distance, metric: attrs.get(best.used).med })
    }

    /// The best route to exactly this prefix, where there is one that did not originate here.
    pub fn best(&self, prefix: Prefix) -> Option<BestRoute> {
        match prefix {
            Prefix::V4(p) => self.best_route(&self.rib.v4, self.rib.v4.table.find(p)?),
            Prefix::V6(p) => self.best_route(&self.rib.v6, self.rib.v6.table.find(p.into())?),
        }
    }

    /// The most specific prefix with a best route that covers `prefix`.
    pub fn longest_match(&self, prefix: Prefix) -> Option<(Prefix, BestRoute)> {
        match prefix {
            Prefix::V4(p) => {
                let idx = self.rib.v4.table.longest_match(p)?;
                Some((self.rib.v4.table.prefix(idx), self.best_route(&self.rib.v4, idx)?))
            }
            Prefix::V6(p) => {
                let idx = self.rib.v6.table.longest_match(p.into())?;
                Some((self.rib.v6.table.prefix(idx), self.best_route(&self.rib.v6, idx)?))
            }
        }
    }

    /// The best routes from a cursor on (0 at first), at most `limit`; with the cursor of the next page. In no
    /// particular order. Not those that originate here.
    pub fn best_page(&self, cursor: u64, limit: usize) -> (Vec<(Prefix, BestRoute)>, Option<u64>) {
        let (v4, v6) = (u64::from(self.rib.v4.table.places()), u64::from(self.rib.v6.table.places()));
        let mut routes = Vec::new();
        let mut at = cursor;
        while at < v4 + v6 && routes.len() < limit {
            let route = if at < v4 {
                let idx = RouteIdx(at as u32);
                self.best_route(&self.rib.v4, idx).map(|r| (self.rib.v4.table.prefix(idx), r))
            } else {
                let idx = RouteIdx((at - v4) as u32);
                self.best_route(&self.rib.v6, idx).map(|r| (self.rib.v6.table.prefix(idx), r))
            };
            routes.extend(route);
            at += 1;
        }
        (routes, (at < v4 + v6).then_some(at))
    }

    /// How many prefixes have a best route.
    pub fn best_count(&self) -> u64 {
        self.rib.v4.table.counts().2 + self.rib.v6.table.counts().2
    }
}
