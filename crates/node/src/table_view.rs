//! The routing table as people see it: the node's own routes and BGP's in one.

use crate::rib::Candidate;
use crate::routing::Routing;
use crate::{FibNextHop, next_hops};
use std::net::IpAddr;
use trunkline_bgp::{BestRoute, Bgp};
use trunkline_core::Prefix;
use trunkline_view::{Route, RouteNextHop, RouteSource, RoutesView};

/// The most routes in one answer, whoever asks for more: a few milliseconds of work.
const MAX_PAGE: u32 = 1000;
/// Set in the cursor of a page that starts in BGP's table; below it, the number of routes already shown. JSON readers
/// hold numbers of this size exactly.
const IN_BGP: u64 = 1 << 52;

/// Where BGP's best routes are read.
pub(crate) trait BestRoutes {
    /// To exactly this prefix.
    fn best(&self, prefix: Prefix) -> Option<BestRoute>;
    /// The longest match.
    fn longest_match(&self, prefix: Prefix) -> Option<(Prefix, BestRoute)>;
    /// A page from a cursor on, and the cursor of the next.
    fn best_page(&self, cursor: u64, limit: usize) -> (Vec<(Prefix, BestRoute)>, Option<u64>);
    /// How many there are.
    fn best_count(&self) -> u64;
}

impl BestRoutes for Bgp {
    fn best(&self, prefix: Prefix) -> Option<BestRoute> {
        Bgp::best(self, prefix)
    }

    fn longest_match(&self, prefix: Prefix) -> Option<(Prefix, BestRoute)> {
        Bgp::longest_match(self, prefix)
    }

    fn best_page(&self, cursor: u64, limit: usize) -> (Vec<(Prefix, BestRoute)>, Option<u64>) {
        Bgp::best_page(self, cursor, limit)
    }

    fn best_count(&self) -> u64 {
        Bgp::best_count(self)
    }
}

/// What is looked at.
pub(crate) struct Table<'a, B> {
    pub(crate) routing: &'a Routing,
    pub(crate) bgp: Option<&'a B>,
}

impl<B: BestRoutes> Table<'_, B> {
    /// The routes to exactly `prefix`, or for a single address those of the longest match.
    pub(crate) fn routes_to(&self, prefix: Prefix) -> RoutesView {
        let address = prefix.addr();
        let found = if Prefix::host(address) == prefix {
            let other = self.routing.rib.lookup(address).map(|(found, _)| found);
            let bgp = self.bgp.and_then(|bgp| bgp.longest_match(prefix)).map(|(found, _)| found);
            other.into_iter().chain(bgp).max_by_key(|found| found.len())
        } else {
            Some(prefix)
        };
        let routes = found.map(|p| self.routes_at(p)).unwrap_or_default();
        RoutesView { routes, next: None, total: self.total() }
    }

    /// The routes to exactly `prefix`, the one that won first.
    pub(crate) fn routes_at(&self, prefix: Prefix) -> Vec<Route> {
        let candidates = self.routing.rib.candidates(prefix);
        let bgp = self.bgp_best(prefix);
        let mut routes: Vec<Route> = candidates.iter().map(|c| self.rib_route(prefix, c)).collect();
        routes.extend(bgp.map(|best| self.bgp_route(prefix, &best)));
        routes.sort_by_key(|r| !r.selected);
        routes
    }

    /// At most `limit` routes from `cursor` on: those of the routing table by prefix, then BGP's in no order.
    pub(crate) fn page(&self, cursor: u64, limit: u32) -> RoutesView {
        let limit = limit.clamp(1, MAX_PAGE) as usize;
        let mut routes = Vec::new();
        if cursor & IN_BGP == 0 {
            let all =
                self.routing.rib.iter().flat_map(|(prefix, list)| list.iter().map(move |c| (prefix, c)));
            let skipped = all.skip(usize::try_from(cursor).unwrap_or(usize::MAX));
            routes.extend(skipped.take(limit).map(|(prefix, c)| self.rib_route(prefix, c)));
            let shown = cursor.saturating_add(routes.len() as u64);
            if shown < self.routing.rib.len() {
                return RoutesView { routes, next: Some(shown), total: self.total() };
            }
        }
        let in_bgp = if cursor & IN_BGP == 0 { 0 } else { cursor & !IN_BGP };
        let room = limit - routes.len();
        let mut next = None;
        if let Some(bgp) = self.bgp {
            if room == 0 {
                next = (bgp.best_count() > 0).then_some(IN_BGP);
            } else {
                let (page, beyond) = bgp.best_page(in_bgp, room);
                routes.extend(page.iter().map(|(prefix, best)| self.bgp_route(*prefix, best)));
                next = beyond.map(|c| c | IN_BGP);
            }
        }
        RoutesView { routes, next, total: self.total() }
    }

    fn total(&self) -> u64 {
        self.routing.rib.len() + self.bgp.map_or(0, |bgp| bgp.best_count())
    }

    fn bgp_best(&self, prefix: Prefix) -> Option<BestRoute> {
        self.bgp?.best(prefix)
    }

    fn rib_route(&self, prefix: Prefix, c: &Candidate) -> Route {
        let first = self.routing.rib.best(prefix).is_some_and(|best| best == c);
        let beaten = || self.bgp_best(prefix).is_some_and(|b| b.distance < c.distance);
        let selected = first && !beaten();
        let ours = c.is_ours();
        let not_installed_because = if !c.active {
            Some(inactive_because(c))
        } else if ours && selected {
            self.routing.why_not_installed(prefix)
        } else {
            None
        };
        let installed = not_installed_because.is_none() && (selected || !ours);
        Route {
            prefix,
            source: c.source,
            distance: c.distance,
            metric: c.metric,
            next_hops: self.next_hops(&c.next_hops),
            selected,
            installed,
            not_installed_because,
        }
    }

    fn bgp_route(&self, prefix: Prefix, best: &BestRoute) -> Route {
        let selected = self.routing.rib.best(prefix).is_none_or(|c| best.distance < c.distance);
        let not_installed_because = selected.then(|| self.routing.why_not_installed(prefix)).flatten();
        let mut next_hops: Vec<RouteNextHop> = best.next_hops.iter().flat_map(|a| self.ways_to(*a)).collect();
        next_hops.dedup();
        Route {
            prefix,
            source: RouteSource::Bgp,
            distance: best.distance,
            metric: best.metric,
            next_hops,
            selected,
            installed: selected && not_installed_because.is_none(),
            not_installed_because,
        }
    }

    /// Where packets to a BGP next hop go; the next hop itself where it is not resolved.
    fn ways_to(&self, address: IpAddr) -> Vec<RouteNextHop> {
        let routing = self.routing;
        let resolved;
        let found = match routing.next_hops.get(address) {
            Some(tracked) => Some(tracked),
            None => {
                resolved = next_hops::resolve(address, &routing.rib, &routing.interfaces);
                resolved.as_ref()
            }
        };
        match found {
            Some(resolution) => self.next_hops(&resolution.ways),
            None => vec![RouteNextHop { gateway: Some(address), interface: None }],
        }
    }

    fn next_hops(&self, hops: &[FibNextHop]) -> Vec<RouteNextHop> {
        let name = |index: u32| self.routing.interfaces.name(index).map(str::to_owned);
        hops.iter().map(|h| RouteNextHop { gateway: h.gateway, interface: name(h.interface) }).collect()
    }
}

fn inactive_because(c: &Candidate) -> String {
    let words = match c.source {
        RouteSource::Static if c.next_hops.iter().any(|n| n.gateway.is_some()) => {
            "not active: no gateway is on a connected subnet of an interface that is up"
        }
        _ => "not active: its interface is down",
    };
    words.to_owned()
}
