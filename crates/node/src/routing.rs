//! The routing of a node without its protocols: interfaces, routing table, next hops, networks and FIB, kept in step.
//!
//! Whatever changes, changes the routing table first; [`Routing::settle`] then looks at what depends on the prefixes
//! that changed. It knows BGP only by what it tells it ([`Told`]) and is told by it.

use crate::config::StaticRoute;
use crate::fib::{self, Fib};
use crate::interfaces::Interfaces;
use crate::networks::Networks;
use crate::next_hops::{NextHops, resolve};
use crate::rib::{Candidate, DISTANCE_CONNECTED, DISTANCE_KERNEL, Rib};
use crate::statics::Statics;
use crate::{FibChange, FibRefusal, InterfaceChange, KernelRoute};
use std::collections::BTreeSet;
use std::net::IpAddr;
use trunkline_bgp::{BestRoute, LocalAddress, NextHopState};
use trunkline_core::{Outbox, Prefix};
use trunkline_view::{EventKind, RouteSource};

/// The most routes of other programs that are held: twice a full table. Beyond it they are not known here.
const MAX_KERNEL_ROUTES: usize = 2_000_000;

/// What the routing has to say.
#[derive(Debug, PartialEq)]
pub(crate) enum Told {
    /// To BGP.
    NextHop(IpAddr, Option<NextHopState>),
    /// To BGP.
    Network(Prefix, bool),
    /// To BGP.
    LocalAddresses(Vec<LocalAddress>),
    /// To RIP: an interface changed, came or went.
    Interface(u32),
    /// To those who redistribute: the routes to a prefix changed. Only with `tell_changes`.
    Changed(Prefix),
    /// To whoever watches.
    Event(EventKind),
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Routing {
    pub(crate) interfaces: Interfaces,
    pub(crate) rib: Rib,
    pub(crate) next_hops: NextHops,
    pub(crate) fib: Fib,
    statics: Statics,
    networks: Networks,
    local_addresses: Vec<LocalAddress>,
    kernel_routes: usize,
    /// How many of them may be.
    pub(crate) kernel_limit: usize,
    /// Whether the limit was hit and said.
    kernel_limit_said: bool,
    /// Whether to tell of every change of the table.
    pub(crate) tell_changes: bool,
    /// What it has to say, to BGP and others.
    pub(crate) told: Outbox<Told>,
    /// And to the kernel.
    pub(crate) fib_changes: Outbox<FibChange>,
}

/// Runs a method of the FIB with what it looks at.
macro_rules! with_fib {
    ($routing:expr, |$fib:ident, $cx:ident| $body:expr) => {{
        let Routing { interfaces, rib, next_hops, fib: $fib, fib_changes, .. } = $routing;
        let $cx = &mut fib::Context { rib, interfaces, next_hops, out: fib_changes };
        $body
    }};
}

impl Routing {
    /// No interfaces, no routes.
    pub(crate) fn new(seed: u64) -> Routing {
        Routing {
            interfaces: Interfaces::default(),
            rib: Rib::default(),
            next_hops: NextHops::default(),
            fib: Fib::new(seed),
            statics: Statics::default(),
            networks: Networks::default(),
            local_addresses: Vec::new(),
            kernel_routes: 0,
            kernel_limit: MAX_KERNEL_ROUTES,
            kernel_limit_said: false,
            tell_changes: false,
            told: Outbox::new(),
            fib_changes: Outbox::new(),
        }
    }

    /// An interface changed.
    pub(crate) fn interface(&mut self, change: InterfaceChange) {
        let index = match &change {
            InterfaceChange::Set { interface, .. } => interface.index,
            InterfaceChange::Gone { index } => *index,
        };
        let (was_up, subnets) = (self.interfaces.is_up(index), self.interfaces.subnets(index));
        let events = self.interfaces.apply(change);
        if events.is_empty() {
            return;
        }
        for event in events {
            self.told.push(Told::Event(event));
        }
        self.told.push(Told::Interface(index));
        self.replace_subnets(index, &subnets);
        if was_up != self.interfaces.is_up(index) {
            self.refresh_kernel_routes(index);
        }
        let local = self.interfaces.local_addresses();
        if local != self.local_addresses {
            self.local_addresses.clone_from(&local);
            self.told.push(Told::LocalAddresses(local));
        }
        self.settle(true);
    }

    fn replace_subnets(&mut self, index: u32, before: &[(Prefix, Prefix)]) {
        let routes = |pairs: &[(Prefix, Prefix)]| -> BTreeSet<(Prefix, RouteSource)> {
            let both = |(subnet, host): &(Prefix, Prefix)| {
                [(*subnet, RouteSource::Connected), (*host, RouteSource::Local)]
            };
            pairs.iter().flat_map(both).collect()
        };
        let (old, new) = (routes(before), routes(&self.interfaces.subnets(index)));
        for (prefix, source) in old.difference(&new) {
            self.rib.remove(*prefix, *source, index);
        }
        for (prefix, source) in new.difference(&old) {
            let candidate = Candidate {
                source: *source,
                id: index,
                distance: DISTANCE_CONNECTED,
                metric: 0,
                next_hops: vec![crate::FibNextHop { gateway: None, interface: index }],
                active: true,
            };
            self.rib.set(*prefix, candidate);
        }
    }

    /// Linux takes away other programs' routes over an interface that goes down, and does not always say so.
    fn refresh_kernel_routes(&mut self, index: u32) {
        let over_it = |c: &&Candidate| {
            c.source == RouteSource::Kernel && c.next_hops.iter().any(|n| n.interface == index)
        };
        let concerned: Vec<(Prefix, Candidate)> = self
            .rib
            .iter()
            .flat_map(|(prefix, list)| list.iter().filter(over_it).map(move |c| (prefix, c.clone())))
            .collect();
        for (prefix, mut candidate) in concerned {
            candidate.active = self.kernel_route_is_active(&candidate);
            self.rib.set(prefix, candidate);
        }
    }

    fn kernel_route_is_active(&self, candidate: &Candidate) -> bool {
        let usable = |index: u32| index == 0 || self.interfaces.is_up(index);
        candidate.next_hops.is_empty() || candidate.next_hops.iter().any(|n| usable(n.interface))
    }

    /// Another program's route came, changed or went.
    pub(crate) fn kernel_route(&mut self, prefix: Prefix, route: Option<KernelRoute>) {
        let known = self.rib.candidates(prefix).iter().any(|c| c.source == RouteSource::Kernel);
        if route.is_some() && !known && self.kernel_routes >= self.kernel_limit {
            self.say_kernel_limit();
            return;
        }
        self.kernel_routes = self.kernel_routes + usize::from(route.is_some()) - usize::from(known);
        match route {
            Some(route) => {
                let mut candidate = Candidate {
                    source: RouteSource::Kernel,
                    id: 0,
                    distance: DISTANCE_KERNEL,
                    metric: route.metric,
                    next_hops: route.next_hops,
                    active: false,
                };
                candidate.active = self.kernel_route_is_active(&candidate);
                self.rib.set(prefix, candidate);
            }
            None => self.rib.remove(prefix, RouteSource::Kernel, 0),
        }
        self.settle(false);
    }

    fn say_kernel_limit(&mut self) {
        if !std::mem::replace(&mut self.kernel_limit_said, true) {
            let message = format!(
                "other programs have more than {} routes in the kernel; the rest is not taken into account",
                self.kernel_limit
            );
            self.told.push(Told::Event(EventKind::Fib { prefix: None, message }));
        }
    }

    /// Changes to other static routes; says in words what changed.
    pub(crate) fn set_statics(&mut self, routes: &[StaticRoute]) -> Vec<String> {
        let changes = self.statics.set(routes, &mut self.rib, &self.interfaces);
        self.settle(false);
        changes
    }

    /// Changes to other networks; `tell` of those that are new.
    pub(crate) fn set_networks(&mut self, networks: &[Prefix], tell: bool) {
        let news = self.networks.set(networks, &self.rib);
        for (prefix, present) in news.into_iter().filter(|_| tell) {
            self.told.push(Told::Network(prefix, present));
        }
    }

    /// Tells a speaker that begins all it has to know.
    pub(crate) fn tell_all(&mut self) {
        self.told.push(Told::LocalAddresses(self.local_addresses.clone()));
        for (prefix, present) in self.networks.all() {
            self.told.push(Told::Network(prefix, present));
        }
    }

    /// BGP wants to know of a next hop; it is told at once.
    pub(crate) fn track(&mut self, address: IpAddr) {
        let state = self.next_hops.track(address, &self.rib, &self.interfaces);
        self.told.push(Told::NextHop(address, state));
    }

    /// The interface that packets to an address leave by, BGP's routes aside.
    pub(crate) fn way_to(&self, address: IpAddr) -> Option<u32> {
        let found = resolve(address, &self.rib, &self.interfaces)?;
        found.ways.first().map(|way| way.interface)
    }

    /// BGP's best route to a prefix.
    pub(crate) fn bgp_route(&mut self, prefix: Prefix, route: Option<&BestRoute>) {
        with_fib!(self, |fib, cx| fib.set_bgp(prefix, route, cx));
    }

    /// RIP's route to a prefix is now this.
    pub(crate) fn rip_route(&mut self, prefix: Prefix, route: Option<Candidate>) {
        match route {
            Some(candidate) => self.rib.set(prefix, candidate),
            None => self.rib.remove(prefix, RouteSource::Rip, 0),
        }
        self.settle(false);
    }

    /// RIP's routes have another distance from now on.
    pub(crate) fn set_rip_distance(&mut self, distance: u8) {
        for (prefix, candidate) in self.rip_routes() {
            self.rib.set(prefix, Candidate { distance, ..candidate });
        }
        self.settle(false);
    }

    /// RIP is gone, with all its routes.
    pub(crate) fn forget_rip(&mut self) {
        for (prefix, _) in self.rip_routes() {
            self.rib.remove(prefix, RouteSource::Rip, 0);
        }
        self.settle(false);
    }

    fn rip_routes(&self) -> Vec<(Prefix, Candidate)> {
        let routes = self.rib.iter().filter_map(|(prefix, list)| {
            let of_rip = list.iter().find(|candidate| candidate.source == RouteSource::Rip)?;
            Some((prefix, of_rip.clone()))
        });
        routes.collect()
    }

    /// BGP is gone, with all its routes and questions.
    pub(crate) fn forget_bgp(&mut self) {
        with_fib!(self, |fib, cx| fib.forget_bgp(cx));
        self.next_hops.untrack_all();
        self.networks.set(&[], &self.rib);
    }

    /// Whether routes go to the kernel from now on; with the first, BGP's must be told again.
    pub(crate) fn set_install(&mut self, install: bool) {
        match (self.fib.installs(), install) {
            (false, true) => with_fib!(self, |fib, cx| fib.enable(cx)),
            (true, false) => with_fib!(self, |fib, cx| fib.disable(cx)),
            _ => {}
        }
    }

    /// The kernel refused a route of ours; whether that is worth an event.
    pub(crate) fn fib_refused(&mut self, prefix: Prefix, why: FibRefusal, reason: &str) -> bool {
        with_fib!(self, |fib, cx| fib.refused(prefix, why, reason, cx))
    }

    /// What stood in the way of a route of ours is gone.
    pub(crate) fn fib_freed(&mut self, prefix: Prefix) {
        with_fib!(self, |fib, cx| fib.freed(prefix, cx));
    }

    /// The kernel has lost a route; whether it is put back.
    pub(crate) fn fib_removed(&mut self, prefix: Prefix) -> bool {
        with_fib!(self, |fib, cx| fib.removed(prefix, cx))
    }

    /// The kernel has our routes to exactly these prefixes.
    pub(crate) fn fib_present(&mut self, prefixes: &[Prefix]) {
        with_fib!(self, |fib, cx| fib.present(prefixes, cx));
    }

    /// Whether [`Routing::background`] has something to do.
    pub(crate) fn has_background(&self) -> bool {
        self.fib.is_sweeping()
    }

    /// Does a slice of what was put off.
    pub(crate) fn background(&mut self) {
        with_fib!(self, |fib, cx| fib.sweep(cx));
    }

    /// Removes all that is ours from the kernel, for good.
    pub(crate) fn shutdown(&mut self) {
        with_fib!(self, |fib, cx| fib.shutdown(cx));
    }

    /// Why the route that won at `prefix` is not in the kernel; none: it is. For routes of ours.
    pub(crate) fn why_not_installed(&self, prefix: Prefix) -> Option<String> {
        let Routing { interfaces, rib, next_hops, .. } = self;
        self.fib.why_not(prefix, &fib::Query { rib, interfaces, next_hops })
    }

    /// Brings all that depends on the routing table in step with it.
    fn settle(&mut self, interfaces_changed: bool) {
        if interfaces_changed {
            self.statics.refresh(&mut self.rib, &self.interfaces);
        }
        let changed = self.rib.take_changed();
        if changed.is_empty() && !interfaces_changed {
            return;
        }
        if self.tell_changes {
            changed.iter().for_each(|prefix| self.told.push(Told::Changed(*prefix)));
        }
        for prefix in &changed {
            if let Some(present) = self.networks.update(*prefix, &self.rib) {
                self.told.push(Told::Network(*prefix, present));
            }
        }
        let next_hops = self.next_hops.recompute(&changed, interfaces_changed, &self.rib, &self.interfaces);
        for next_hop in &next_hops {
            if let Some(state) = next_hop.tell {
                self.told.push(Told::NextHop(next_hop.address, state));
            }
        }
        let addresses: BTreeSet<IpAddr> = next_hops.iter().map(|n| n.address).collect();
        with_fib!(self, |fib, cx| {
            if interfaces_changed || !addresses.is_empty() {
                fib.next_hops_changed(&addresses, interfaces_changed, cx);
            }
            for prefix in &changed {
                fib.rib_changed(*prefix, cx);
            }
        });
    }
}
