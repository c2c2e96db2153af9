//! Routes from the configuration.

use crate::FibNextHop;
use crate::config::StaticRoute;
use crate::interfaces::{Interfaces, is_link_local};
use crate::rib::{Candidate, Rib};
use std::collections::BTreeMap;
use std::net::IpAddr;
use trunkline_core::Prefix;
use trunkline_view::RouteSource;

/// The static routes, active or not, each with the number that is its id in the routing table.
#[derive(Debug, Default)]
pub(crate) struct Statics {
    list: Vec<(u32, StaticRoute)>,
    next_id: u32,
}

impl Statics {
    /// Changes to another list; says in words what went and what came.
    pub(crate) fn set(
        &mut self,
        routes: &[StaticRoute],
        rib: &mut Rib,
        interfaces: &Interfaces,
    ) -> Vec<String> {
        let mut changes = Vec::new();
        let mut wanted: BTreeMap<Prefix, Vec<&StaticRoute>> = BTreeMap::new();
        for route in routes {
            wanted.entry(route.prefix).or_default().push(route);
        }
        self.list.retain(|(id, route)| {
            let same_prefix = wanted.get_mut(&route.prefix);
            if let Some(list) = same_prefix
                && let Some(at) = list.iter().position(|w| *w == route)
            {
                list.remove(at);
                return true;
            }
            rib.remove(route.prefix, RouteSource::Static, *id);
            changes.push(format!("static route to {} removed", describe(route)));
            false
        });
        for route in wanted.into_values().flatten() {
            changes.push(format!("static route to {} added", describe(route)));
            self.list.push((self.next_id, route.clone()));
            self.next_id = self.next_id.wrapping_add(1);
        }
        self.refresh(rib, interfaces);
        changes
    }

    /// Looks again which of them are active.
    pub(crate) fn refresh(&self, rib: &mut Rib, interfaces: &Interfaces) {
        for (id, route) in &self.list {
            let next_hops = resolve(route, rib, interfaces);
            let active = next_hops.is_some();
            let candidate = Candidate {
                source: RouteSource::Static,
                id: *id,
                distance: route.distance,
                metric: 0,
                next_hops: next_hops.unwrap_or_else(|| as_configured(route, interfaces)),
                active,
            };
            rib.set(route.prefix, candidate);
        }
    }
}

/// Where a static route leads now; none: it is not active. Gateways are looked for on connected subnets only, so that
/// no static route can depend on another or on itself.
fn resolve(route: &StaticRoute, rib: &Rib, interfaces: &Interfaces) -> Option<Vec<FibNextHop>> {
    let fixed = match &route.interface {
        Some(name) => Some(interfaces.index_of(name).filter(|index| interfaces.is_up(*index))?),
        None => None,
    };
    if route.via.is_empty() {
        return Some(fixed.map(|interface| FibNextHop { gateway: None, interface }).into_iter().collect());
    }
    let interface_to = |gateway: IpAddr| {
        if rib.is_own_address(gateway) {
            return None;
        }
        if is_link_local(gateway) {
            return fixed.or_else(|| interfaces.only_link());
        }
        fixed.or_else(|| rib.lookup_where(gateway, |c| c.source == RouteSource::Connected).map(|(_, c)| c.id))
    };
    let ways = route.via.iter().filter_map(|gateway| {
        Some(FibNextHop { gateway: Some(*gateway), interface: interface_to(*gateway)? })
    });
    let mut ways: Vec<FibNextHop> = ways.collect();
    ways.sort_unstable();
    ways.dedup();
    (!ways.is_empty()).then_some(ways)
}

/// What to show of a route that is not active.
fn as_configured(route: &StaticRoute, interfaces: &Interfaces) -> Vec<FibNextHop> {
    let interface = route.interface.as_deref().and_then(|name| interfaces.index_of(name)).unwrap_or(0);
    if route.via.is_empty() {
        return vec![FibNextHop { gateway: None, interface }];
    }
    route.via.iter().map(|gateway| FibNextHop { gateway: Some(*gateway), interface }).collect()
}

fn describe(route: &StaticRoute) -> String {
    let via: Vec<String> = route.via.iter().map(ToString::to_string).collect();
    let way = match (via.is_empty(), &route.interface) {
        (true, None) => "blackhole".to_owned(),
        (true, Some(name)) => format!("interface {name}"),
        (false, None) => format!("via {}", via.join(", ")),
        (false, Some(name)) => format!("via {} on {name}", via.join(", ")),
    };
    format!("{} ({way}, distance {})", route.prefix, route.distance)
}
