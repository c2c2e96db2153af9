//! Other programs' routes in the kernel, for the node's routing table.
//!
//! Taken in: unicast, blackhole, unreachable and prohibit routes of the main table and of the configured one, except
//! - ours (protocol 217);
//! - the kernel's own (protocol "kernel"), since the node makes them itself from interface addresses; only the route
//!   to the far end of a point-to-point address (a host route that is no address of ours) is nowhere else to be had;
//! - routes that not every packet takes: by type of service, by source, cached exceptions, dead next hops.
//!
//! The kernel may have several routes to a prefix. The node hears of the one that the kernel uses: that of the main
//! table first, then by metric, then the oldest.

use super::encode::Place;
use super::links::Links;
use super::socket::{Dump, Message, dump, flag};
use super::{MAIN_TABLE, OUR_PROTOCOL};
use netlink_packet_core::ParseableParametrized;
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteMessage, RouteNextHopFlags, RouteProtocol, RouteType, RouteVia,
};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use trunkline_core::Prefix;
use trunkline_node::{FibNextHop, KernelRoute};

/// Routes kept at most; the node hears nothing of more.
const MAX_ROUTES: usize = 4_000_000;

/// `RTNH_F_DEAD`, `RTM_F_CLONED` in `rtm_flags`.
const UNUSABLE_FLAGS: u32 = 0x1 | 0x200;

/// One route as the kernel told it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OtherRoute {
    pub(crate) prefix: Prefix,
    pub(crate) table: u32,
    pub(crate) protocol: u8,
    pub(crate) route: KernelRoute,
}

impl OtherRoute {
    fn same_place(&self, other: &OtherRoute) -> bool {
        self.table == other.table && self.route.metric == other.route.metric
    }

    fn rank(&self) -> (bool, u32) {
        (self.table != MAIN_TABLE, self.route.metric)
    }
}

/// A change for the node.
pub(crate) type RouteChange = (Prefix, Option<KernelRoute>);

/// What became of a message.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Applied {
    /// For the node.
    pub(crate) change: Option<RouteChange>,
    /// For our own routes.
    pub(crate) place: Option<PlaceChange>,
}

/// A place in our table was taken by another program's route, or is free of them now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PlaceChange {
    pub(crate) prefix: Prefix,
    pub(crate) metric: u32,
    /// The protocol of the route that stands there; none: nothing does.
    pub(crate) holder: Option<u8>,
}

/// Other programs' routes by destination.
#[derive(Debug)]
pub(crate) struct Others {
    our_table: u32,
    routes: BTreeMap<Prefix, Vec<OtherRoute>>,
    count: usize,
    full_told: bool,
}

impl Others {
    /// None known; `our_table` is the table of our own routes.
    pub(crate) fn new(our_table: u32) -> Others {
        Others { our_table, routes: BTreeMap::new(), count: 0, full_told: false }
    }

    /// Everything, as changes from nothing.
    pub(crate) fn all(&self) -> Vec<RouteChange> {
        self.routes.keys().map(|&prefix| (prefix, self.best(prefix))).collect()
    }

    /// Reads all from the kernel; the changes.
    pub(crate) fn read(&mut self, links: &Links) -> io::Result<(Vec<RouteChange>, Vec<PlaceChange>)> {
        self.read_protocols(links, &BTreeSet::from([0]))
    }

    /// Reads again, for the case that the kernel dropped routes silently: only of protocols that are known, since our
    /// own routes may be many.
    pub(crate) fn read_known(&mut self, links: &Links) -> io::Result<(Vec<RouteChange>, Vec<PlaceChange>)> {
        let known: BTreeSet<u8> = self.routes.values().flatten().map(|route| route.protocol).collect();
        self.read_protocols(links, &known)
    }

    fn read_protocols(
        &mut self,
        links: &Links,
        protocols: &BTreeSet<u8>,
    ) -> io::Result<(Vec<RouteChange>, Vec<PlaceChange>)> {
        let mut newer = Others::new(self.our_table);
        let tables = BTreeSet::from([MAIN_TABLE, self.our_table]);
        for &protocol in protocols {
            for &table in &tables {
                for family in [libc::AF_INET as u8, libc::AF_INET6 as u8] {
                    dump(Dump::Routes { family, table, protocol }, &mut |message| {
                        if let Some(route) = parse(message, links) {
                            newer.insert(route, 0);
                        }
                    })?;
                }
            }
        }
        let prefixes: BTreeSet<Prefix> = self.routes.keys().chain(newer.routes.keys()).copied().collect();
        let changes = prefixes.into_iter().filter_map(|prefix| {
            let best = newer.best(prefix);
            (best != self.best(prefix)).then_some((prefix, best))
        });
        let changes = changes.collect();
        let (before, after) = (self.places(), newer.places());
        let freed = before.difference(&after).map(|&(prefix, metric)| (prefix, metric, None));
        let taken = after.difference(&before);
        let taken = taken.map(|&(prefix, metric)| (prefix, metric, newer.holder(prefix, metric)));
        let places = freed.chain(taken);
        let places = places.map(|(prefix, metric, holder)| PlaceChange { prefix, metric, holder }).collect();
        *self = newer;
        Ok((changes, places))
    }

    /// Takes in a route message; ours must not come here.
    pub(crate) fn apply(&mut self, message: Message<'_>, added: bool, links: &Links) -> Applied {
        let Some(route) = parse(message, links) else { return Applied::default() };
        if route.table != MAIN_TABLE && route.table != self.our_table {
            return Applied::default();
        }
        let prefix = route.prefix;
        let metric = route.route.metric;
        let (before, held) = (self.best(prefix), self.holder(prefix, metric).is_some());
        if added {
            self.insert(route, message.flags);
        } else {
            self.remove(&route);
        }
        let (after, holder) = (self.best(prefix), self.holder(prefix, metric));
        Applied {
            change: (before != after).then_some((prefix, after)),
            place: (held != holder.is_some()).then_some(PlaceChange { prefix, metric, holder }),
        }
    }

    /// The places in our table where another program's route stands: destination and metric.
    fn places(&self) -> BTreeSet<(Prefix, u32)> {
        let ours = self.routes.values().flatten().filter(|route| route.table == self.our_table);
        ours.map(|route| (route.prefix, route.route.metric)).collect()
    }

    /// Whether there is a route to this prefix.
    pub(crate) fn contains(&self, prefix: Prefix) -> bool {
        self.routes.contains_key(&prefix)
    }

    /// The protocol of a route with this destination in the very place of ours, which ours would drive out.
    pub(crate) fn holder(&self, prefix: Prefix, metric: u32) -> Option<u8> {
        let routes = self.routes.get(&prefix)?;
        let holder = routes.iter().find(|r| r.table == self.our_table && r.route.metric == metric)?;
        Some(holder.protocol)
    }

    fn best(&self, prefix: Prefix) -> Option<KernelRoute> {
        // `min_by_key` gives the first of equals: the oldest.
        self.routes.get(&prefix)?.iter().min_by_key(|route| route.rank()).map(|route| route.route.clone())
    }

    fn insert(&mut self, route: OtherRoute, flags: u16) {
        if self.count >= MAX_ROUTES {
            if !std::mem::replace(&mut self.full_told, true) {
                tracing::error!(
                    "the kernel holds more than {MAX_ROUTES} routes of other programs: more are ignored"
                );
            }
            return;
        }
        let routes = self.routes.entry(route.prefix).or_default();
        self.count -= routes.len();
        // IPv6 tells a multipath route whole each time a way is added to it.
        let whole = !route.prefix.is_ipv4() || flags & flag::REPLACE != 0;
        match routes.iter_mut().find(|r| r.same_place(&route) && (whole || r.route == route.route)) {
            Some(older) => *older = route,
            None => routes.push(route),
        }
        self.count += routes.len();
    }

    fn remove(&mut self, gone: &OtherRoute) {
        let Some(routes) = self.routes.get_mut(&gone.prefix) else { return };
        self.count -= routes.len();
        let is = |r: &OtherRoute| r.same_place(gone) && r.protocol == gone.protocol;
        let exact = routes.iter().position(|r| is(r) && r.route.next_hops == gone.route.next_hops);
        if let Some(at) = exact.or_else(|| routes.iter().position(is)) {
            let left = &mut routes[at].route.next_hops;
            // IPv6 may remove one way of a multipath route.
            left.retain(|hop| !gone.route.next_hops.contains(hop));
            if exact.is_some() || left.is_empty() || gone.prefix.is_ipv4() {
                routes.remove(at);
            }
        }
        self.count += routes.len();
        if routes.is_empty() {
            self.routes.remove(&gone.prefix);
        }
    }
}

/// Reads a route message, where it is one that matters (see the top of this file).
fn parse(message: Message<'_>, links: &Links) -> Option<OtherRoute> {
    if message.route_protocol() == Some(OUR_PROTOCOL) {
        return None;
    }
    let route = match RouteNetlinkMessage::parse_with_param(message.payload, message.kind) {
        Ok(RouteNetlinkMessage::NewRoute(route) | RouteNetlinkMessage::DelRoute(route)) => route,
        Ok(_) => return None,
        Err(error) => {
            tracing::debug!("a route of the kernel cannot be read: {error}");
            return None;
        }
    };
    let other = read(&route)?;
    if route.header.protocol == RouteProtocol::Kernel && !is_far_end(&other, links) {
        return None;
    }
    Some(other)
}

fn is_far_end(route: &OtherRoute, links: &Links) -> bool {
    let address = route.prefix.addr();
    Prefix::host(address) == route.prefix && !route.route.next_hops.is_empty() && !links.has_address(address)
}

/// Destination, table and metric of a route of any type.
pub(crate) fn place_of(message: &RouteMessage) -> Option<(Prefix, Place)> {
    let mut address = unspecified(message);
    let mut place = Place { table: u32::from(message.header.table), metric: 0 };
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Destination(a) => address = ip(a)?,
            RouteAttribute::Table(table) => place.table = *table,
            RouteAttribute::Priority(metric) => place.metric = *metric,
            _ => {}
        }
    }
    Some((Prefix::new(address, message.header.destination_prefix_length)?, place))
}

fn unspecified(message: &RouteMessage) -> IpAddr {
    match u8::from(message.header.address_family) == libc::AF_INET as u8 {
        true => Ipv4Addr::UNSPECIFIED.into(),
        false => Ipv6Addr::UNSPECIFIED.into(),
    }
}

/// A route message as one of ours or theirs, where its type and scope are understood.
pub(crate) fn read(message: &RouteMessage) -> Option<OtherRoute> {
    let header = &message.header;
    let drops = matches!(header.kind, RouteType::BlackHole | RouteType::Unreachable | RouteType::Prohibit);
    let usable = header.tos == 0
        && header.source_prefix_length == 0
        && header.flags.bits() & UNUSABLE_FLAGS == 0
        && (drops || header.kind == RouteType::Unicast);
    if !usable {
        return None;
    }
    let (prefix, place) = place_of(message)?;
    let mut single = FibNextHop { gateway: None, interface: 0 };
    let mut several = None;
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Oif(index) => single.interface = *index,
            RouteAttribute::MultiPath(hops) => {
                let alive = hops.iter().filter(|hop| !hop.flags.contains(RouteNextHopFlags::Dead));
                several = Some(alive.map(|hop| FibNextHop {
                    gateway: hop.attributes.iter().find_map(gateway),
                    interface: hop.interface_index,
                }));
            }
            other => single.gateway = single.gateway.or(gateway(other)),
        }
    }
    let mut next_hops: Vec<_> = several.map_or_else(|| vec![single], Iterator::collect);
    if drops {
        next_hops.clear();
    } else if next_hops.is_empty() {
        return None;
    }
    let route = KernelRoute { next_hops, metric: place.metric };
    Some(OtherRoute { prefix, table: place.table, protocol: u8::from(header.protocol), route })
}

fn gateway(attribute: &RouteAttribute) -> Option<IpAddr> {
    match attribute {
        RouteAttribute::Gateway(address) => ip(address),
        RouteAttribute::Via(RouteVia::Inet(a)) => Some((*a).into()),
        RouteAttribute::Via(RouteVia::Inet6(a)) => Some((*a).into()),
        _ => None,
    }
}

fn ip(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(a) => Some((*a).into()),
        RouteAddress::Inet6(a) => Some((*a).into()),
        _ => None,
    }
}
