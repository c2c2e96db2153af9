//! The kernel's table: which of our routes belong there, and which of them it was told.
//!
//! Ours are static, RIP's and BGP's routes; connected, local and other programs' routes are in the kernel by themselves, and
//! where one of them wins, we have nothing to install. BGP's next hops are kept as *groups* (the NEXT_HOPs of a route)
//! that resolve to *sets* (gateways and interfaces); a route holds the numbers of both, so a next hop that changes
//! touches its groups at once and the routes in bounded slices ([`Fib::sweep`]).

mod intern;
mod table;

use crate::interfaces::Interfaces;
use crate::next_hops::{MAX_WAYS, NextHops, canonical, resolve};
use crate::rib::{Candidate, Rib};
use crate::{FibChange, FibNextHop, FibRefusal};
use intern::{Interner, NONE};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use table::{Entry, Family, Table};
use trunkline_bgp::BestRoute;
use trunkline_core::{Ipv4Prefix, Ipv6Prefix, Outbox, Prefix};

/// The most changes that one slice of a sweep makes.
pub(crate) const SLICE_CHANGES: usize = 4096;
/// The most routes that one slice looks at.
const SLICE_LOOKS: usize = 65_536;
/// The most reasons for refusals that are kept; the kernel seldom has more than one.
const MAX_REFUSALS: usize = 4096;

/// What the FIB looks at.
pub(crate) struct Context<'a> {
    pub(crate) rib: &'a Rib,
    pub(crate) interfaces: &'a Interfaces,
    pub(crate) next_hops: &'a mut NextHops,
    pub(crate) out: &'a mut Outbox<FibChange>,
}

/// The table.
#[derive(Debug)]
pub(crate) struct Fib {
    shared: Shared,
    v4: Table<Ipv4Prefix>,
    v6: Table<Ipv6Prefix>,
}

/// What both families share.
#[derive(Debug)]
struct Shared {
    install: bool,
    groups: Interner<Vec<IpAddr>>,
    /// For each group, what it resolves to for IPv4 and for IPv6 routes: numbers of sets.
    resolved: Vec<[u32; 2]>,
    sets: Interner<Vec<FibNextHop>>,
    refusals: BTreeMap<Prefix, String>,
}

/// Runs the same for the table of a prefix's family.
macro_rules! by_family {
    ($fib:expr, $prefix:expr, |$table:ident, $shared:ident, $p:ident| $body:expr) => {{
        let Fib { shared: $shared, v4, v6 } = $fib;
        match $prefix {
            Prefix::V4($p) => {
                let $table = v4;
                $body
            }
            Prefix::V6($p) => {
                let $table = v6;
                $body
            }
        }
    }};
}

impl Fib {
    /// An empty table that installs nothing yet.
    pub(crate) fn new(seed: u64) -> Fib {
        Fib { shared: Shared::new(), v4: Table::new(seed), v6: Table::new(seed) }
    }

    /// Whether routes go to the kernel.
    pub(crate) fn installs(&self) -> bool {
        self.shared.install
    }

    /// Begins to install: the static routes and RIP's now; BGP's must be told again with [`Fib::set_bgp`].
    pub(crate) fn enable(&mut self, cx: &mut Context<'_>) {
        self.shared.install = true;
        let ours: Vec<Prefix> = cx
            .rib
            .iter()
            .filter(|(_, list)| list.iter().any(Candidate::is_ours))
            .map(|(prefix, _)| prefix)
            .collect();
        for prefix in ours {
            self.rib_changed(prefix, cx);
        }
        self.start_sweep();
    }

    /// Ends installing; what is installed is removed by [`Fib::sweep`].
    pub(crate) fn disable(&mut self, cx: &mut Context<'_>) {
        self.shared.install = false;
        self.forget_bgp(cx);
    }

    /// BGP's best route to a prefix is now this.
    pub(crate) fn set_bgp(&mut self, prefix: Prefix, route: Option<&BestRoute>, cx: &mut Context<'_>) {
        if !self.shared.install {
            return;
        }
        by_family!(self, prefix, |table, shared, p| shared.set_bgp(table, p, route, cx));
    }

    /// The other routes to a prefix changed.
    pub(crate) fn rib_changed(&mut self, prefix: Prefix, cx: &mut Context<'_>) {
        by_family!(self, prefix, |table, shared, p| {
            let wanted = shared.install && cx.rib.best(prefix).is_some_and(Candidate::is_ours);
            let slot = if wanted { Some(table.find_or_insert(p)) } else { table.find(p) };
            if let Some(slot) = slot {
                shared.evaluate(table, slot, cx);
            }
        });
    }

    /// These next hops are reached in another way, or by a change of interfaces all may be.
    pub(crate) fn next_hops_changed(&mut self, changed: &BTreeSet<IpAddr>, all: bool, cx: &Context<'_>) {
        let concerned = |group: &[IpAddr]| all || group.iter().any(|address| changed.contains(address));
        let ids: Vec<u32> =
            self.shared.groups.iter().filter(|(_, g)| concerned(g)).map(|(id, _)| id).collect();
        let mut any = false;
        for id in ids {
            any |= self.shared.resolve_group(id, cx);
        }
        if any {
            self.start_sweep();
        }
    }

    /// BGP is gone and will not withdraw its routes one by one.
    pub(crate) fn forget_bgp(&mut self, cx: &mut Context<'_>) {
        fn forget<P: Family>(table: &mut Table<P>, shared: &mut Shared, cx: &mut Context<'_>) {
            for slot in 0..table.slots() {
                if let Some(entry) = table.get_mut(slot) {
                    let group = std::mem::replace(&mut entry.group, NONE);
                    shared.release_group(group, cx.next_hops);
                }
            }
        }
        forget(&mut self.v4, &mut self.shared, cx);
        forget(&mut self.v6, &mut self.shared, cx);
        self.start_sweep();
    }

    /// The kernel's table is another one, empty of our routes: all are told again by [`Fib::sweep`].
    pub(crate) fn reinstall(&mut self) {
        fn forget<P: Family>(table: &mut Table<P>, shared: &mut Shared) {
            for slot in 0..table.slots() {
                if let Some(entry) = table.get_mut(slot) {
                    shared.sets.release(std::mem::replace(&mut entry.told, NONE));
                    (entry.refused, entry.replaced) = (None, false);
                }
            }
        }
        forget(&mut self.v4, &mut self.shared);
        forget(&mut self.v6, &mut self.shared);
        self.shared.refusals.clear();
        self.start_sweep();
    }

    /// The kernel does not have a route; whether that is news about a route of ours.
    pub(crate) fn refused(
        &mut self,
        prefix: Prefix,
        why: FibRefusal,
        reason: &str,
        cx: &mut Context<'_>,
    ) -> bool {
        by_family!(self, prefix, |table, shared, p| {
            let Some(entry) = table.find(p).and_then(|slot| table.get_mut(slot)) else { return false };
            if entry.told == NONE || entry.refused.is_some() {
                return false;
            }
            entry.refused = Some(why);
            if std::mem::replace(&mut entry.replaced, false) || why == FibRefusal::Taken {
                // The route before, which is wrong now, is still there; or ours stands beside the other program's.
                cx.out.push(FibChange::Remove { prefix });
            }
            if shared.refusals.len() >= MAX_REFUSALS {
                return false;
            }
            shared.refusals.insert(prefix, reason.to_owned());
            true
        })
    }

    /// What stood in the way of our route is gone: tells the kernel again what it should have.
    pub(crate) fn freed(&mut self, prefix: Prefix, cx: &mut Context<'_>) {
        by_family!(self, prefix, |table, shared, p| {
            let Some(slot) = table.find(p) else { return };
            if let Some(entry) = table.get_mut(slot).filter(|e| e.refused == Some(FibRefusal::Taken)) {
                shared.forget_told(entry);
                shared.evaluate(table, slot, cx);
            }
        });
    }

    /// The kernel has lost a route: tells it again; whether it is one it should have.
    pub(crate) fn removed(&mut self, prefix: Prefix, cx: &mut Context<'_>) -> bool {
        by_family!(self, prefix, |table, shared, p| {
            let entry = table.find(p).and_then(|slot| table.get(slot)).filter(|e| e.is_there());
            let Some(set) = entry.and_then(|e| shared.sets.get(e.told)) else { return false };
            cx.out.push(FibChange::Replace { prefix, next_hops: set.clone() });
            true
        })
    }

    /// The kernel has our routes to exactly these prefixes, in ascending order. What is missing, and what it was short
    /// of something for, is told again by [`Fib::sweep`]; what should not be there is removed.
    pub(crate) fn present(&mut self, prefixes: &[Prefix], cx: &mut Context<'_>) {
        fn retell<P: Family>(table: &mut Table<P>, shared: &mut Shared, prefixes: &[Prefix]) {
            for slot in 0..table.slots() {
                let Some(entry) = table.get_mut(slot) else { continue };
                let missing = || prefixes.binary_search(&entry.prefix.into()).is_err();
                if entry.refused == Some(FibRefusal::Busy) || (entry.is_there() && missing()) {
                    shared.forget_told(entry);
                }
            }
        }
        retell(&mut self.v4, &mut self.shared, prefixes);
        retell(&mut self.v6, &mut self.shared, prefixes);
        for &prefix in prefixes {
            let ours = by_family!(self, prefix, |table, _shared, p| {
                table.find(p).and_then(|slot| table.get(slot)).is_some_and(Entry::is_there)
            });
            if !ours {
                cx.out.push(FibChange::Remove { prefix });
            }
        }
        self.start_sweep();
    }

    /// Removes all that is installed, and installs no more.
    pub(crate) fn shutdown(&mut self, cx: &mut Context<'_>) {
        fn remove<P: Family>(table: &Table<P>, out: &mut Outbox<FibChange>) {
            let entries = (0..table.slots()).filter_map(|slot| table.get(slot));
            for entry in entries.filter(|e| e.is_there()) {
                out.push(FibChange::Remove { prefix: entry.prefix.into() });
            }
        }
        remove(&self.v4, cx.out);
        remove(&self.v6, cx.out);
        for (_, group) in self.shared.groups.iter() {
            group.iter().for_each(|address| cx.next_hops.release(*address));
        }
        self.v4.clear();
        self.v6.clear();
        self.shared = Shared::new();
    }

    fn start_sweep(&mut self) {
        self.v4.start_round();
        self.v6.start_round();
    }

    /// Whether [`Fib::sweep`] has something to do.
    pub(crate) fn is_sweeping(&self) -> bool {
        self.v4.is_going_round() || self.v6.is_going_round()
    }

    /// Looks again at a slice of the routes.
    pub(crate) fn sweep(&mut self, cx: &mut Context<'_>) {
        let mut changes = 0;
        for _ in 0..SLICE_LOOKS {
            let changed = if let Some(slot) = self.v4.step() {
                self.shared.evaluate(&mut self.v4, slot, cx)
            } else if let Some(slot) = self.v6.step() {
                self.shared.evaluate(&mut self.v6, slot, cx)
            } else {
                return;
            };
            changes += usize::from(changed);
            if changes >= SLICE_CHANGES {
                return;
            }
        }
    }

    /// Why the route that won is not in the kernel; none: it is. Only for routes of ours.
    pub(crate) fn why_not(&self, prefix: Prefix, cx: &Query<'_>) -> Option<String> {
        if !self.shared.install {
            return Some("fib.install is off".to_owned());
        }
        let state = by_family!(self, prefix, |table, shared, p| {
            let entry = table.find(p).and_then(|slot| table.get(slot));
            entry.map(|e| (e.told, e.refused, e.group, shared.target(e, cx.rib)))
        });
        let Some((told, refused, group, target)) = state else { return Some("waiting".to_owned()) };
        if refused.is_some() {
            let reason = self.shared.refusals.get(&prefix).map_or("no reason kept", String::as_str);
            return Some(format!("the kernel refused it: {reason}"));
        }
        match target {
            Target::Table(set) if self.shared.sets.get(told) == Some(&set) => None,
            Target::Bgp(set) if set != NONE && set == told => None,
            Target::Bgp(NONE) => Some(self.shared.why_unresolved(group, prefix, cx)),
            _ => Some("waiting".to_owned()),
        }
    }

    #[cfg(test)]
    pub(crate) fn sizes(&self) -> (usize, usize) {
        (self.shared.groups.len(), self.shared.sets.len())
    }
}

/// What a question about the FIB looks at.
pub(crate) struct Query<'a> {
    pub(crate) rib: &'a Rib,
    pub(crate) interfaces: &'a Interfaces,
    pub(crate) next_hops: &'a NextHops,
}

/// What the kernel should have.
enum Target {
    /// Nothing of ours.
    Nothing,
    /// A static route or RIP's, this way.
    Table(Vec<FibNextHop>),
    /// A BGP route, by this set; [`NONE`] where no next hop can be used.
    Bgp(u32),
}

impl Shared {
    const fn new() -> Shared {
        Shared {
            install: false,
            groups: Interner::new(),
            resolved: Vec::new(),
            sets: Interner::new(),
            refusals: BTreeMap::new(),
        }
    }

    fn set_bgp<P: Family>(
        &mut self,
        table: &mut Table<P>,
        prefix: P,
        route: Option<&BestRoute>,
        cx: &mut Context<'_>,
    ) {
        let slot = match route {
            Some(_) => table.find_or_insert(prefix),
            None => match table.find(prefix) {
                Some(slot) => slot,
                None => return,
            },
        };
        let group = route.map_or(NONE, |r| self.acquire_group(&r.next_hops, cx));
        if let Some(entry) = table.get_mut(slot) {
            entry.distance = route.map_or(0, |r| r.distance);
            let before = std::mem::replace(&mut entry.group, group);
            self.release_group(before, cx.next_hops);
        }
        self.evaluate(table, slot, cx);
    }

    fn target<P: Family>(&self, entry: &Entry<P>, rib: &Rib) -> Target {
        if !self.install {
            return Target::Nothing;
        }
        match rib.best(entry.prefix.into()) {
            // A tie goes to the one that is not BGP, as in the order of `RouteSource`.
            Some(best) if entry.group == NONE || best.distance <= entry.distance => {
                if best.is_ours() {
                    Target::Table(best.next_hops.clone())
                } else {
                    Target::Nothing
                }
            }
            _ if entry.group == NONE => Target::Nothing,
            _ => Target::Bgp(self.resolved[entry.group as usize][usize::from(P::IPV6)]),
        }
    }

    /// The kernel has nothing of ours at this prefix.
    fn forget_told<P: Family>(&mut self, entry: &mut Entry<P>) {
        self.sets.release(std::mem::replace(&mut entry.told, NONE));
        (entry.refused, entry.replaced) = (None, false);
        self.refusals.remove(&entry.prefix.into());
    }

    /// Tells the kernel what it should have of this prefix, where it was told otherwise; whether it was.
    fn evaluate<P: Family>(&mut self, table: &mut Table<P>, slot: u32, cx: &mut Context<'_>) -> bool {
        let Some(entry) = table.get_mut(slot) else { return false };
        let prefix: Prefix = entry.prefix.into();
        let target = match self.target(entry, cx.rib) {
            Target::Nothing => NONE,
            Target::Table(set) => self.sets.acquire(set).0,
            Target::Bgp(set) => {
                self.sets.retain(set);
                set
            }
        };
        let told = std::mem::replace(&mut entry.told, target);
        let changed = told != target;
        if changed {
            let ours_is_there = told != NONE && entry.refused.is_none();
            (entry.refused, entry.replaced) = (None, ours_is_there && target != NONE);
            if !self.refusals.is_empty() {
                self.refusals.remove(&prefix);
            }
            match self.sets.get(target) {
                Some(set) => cx.out.push(FibChange::Replace { prefix, next_hops: set.clone() }),
                None if ours_is_there => cx.out.push(FibChange::Remove { prefix }),
                None => {}
            }
        }
        self.sets.release(told);
        if entry.told == NONE && entry.group == NONE {
            table.remove(slot);
        }
        changed
    }

    fn acquire_group(&mut self, addresses: &[IpAddr], cx: &mut Context<'_>) -> u32 {
        let mut addresses = addresses.to_vec();
        addresses.sort_unstable();
        addresses.dedup();
        addresses.truncate(MAX_WAYS);
        let (id, new) = self.groups.acquire(addresses);
        if new {
            if self.resolved.len() <= id as usize {
                self.resolved.resize(id as usize + 1, [NONE; 2]);
            }
            let addresses = self.groups.get(id).map_or(&[][..], Vec::as_slice);
            addresses.iter().for_each(|a| cx.next_hops.acquire(*a, cx.rib, cx.interfaces));
            self.resolve_group(id, cx);
        }
        id
    }

    fn release_group(&mut self, id: u32, next_hops: &mut NextHops) {
        let Some(addresses) = self.groups.release(id) else { return };
        addresses.iter().for_each(|address| next_hops.release(*address));
        for set in std::mem::replace(&mut self.resolved[id as usize], [NONE; 2]) {
            self.sets.release(set);
        }
    }

    /// Finds anew what a group resolves to; whether that changed.
    fn resolve_group(&mut self, id: u32, cx: &Context<'_>) -> bool {
        let Some(addresses) = self.groups.get(id) else { return false };
        let found = addresses.iter().filter_map(|a| cx.next_hops.get(*a)).flat_map(|r| &r.ways);
        let usable = found.filter(|way| unusable(way, cx.rib, cx.interfaces).is_none());
        let all: BTreeSet<&FibNextHop> = usable.collect();
        let for_ipv6 = |way: &&&FibNextHop| !way.gateway.is_some_and(|g| g.is_ipv4());
        let sets: [Vec<FibNextHop>; 2] = [
            all.iter().take(MAX_WAYS).map(|w| (*w).clone()).collect(),
            all.iter().filter(for_ipv6).take(MAX_WAYS).map(|w| (*w).clone()).collect(),
        ];
        // No way out is not a blackhole here, but a route that cannot be installed.
        let after = sets.map(|set| if set.is_empty() { NONE } else { self.sets.acquire(set).0 });
        let before = std::mem::replace(&mut self.resolved[id as usize], after);
        for set in before {
            self.sets.release(set);
        }
        before != after
    }

    fn why_unresolved(&self, group: u32, prefix: Prefix, cx: &Query<'_>) -> String {
        let addresses = self.groups.get(group).map_or(&[][..], Vec::as_slice);
        let reasons = addresses.iter().map(|address| {
            let resolution = cx.next_hops.get(*address).cloned();
            let Some(found) = resolution.or_else(|| resolve(*address, cx.rib, cx.interfaces)) else {
                return format!("next hop {address} is not reachable");
            };
            if !prefix.is_ipv4() && canonical(*address).is_ipv4() {
                return format!("next hop {address} is IPv4: the kernel has no IPv6 routes over it");
            }
            let reason = found.ways.iter().find_map(|way| unusable(way, cx.rib, cx.interfaces));
            format!("next hop {address} {}", reason.unwrap_or("is reached in another family"))
        });
        reasons.collect::<Vec<_>>().join("; ")
    }
}

/// Why the kernel cannot have this way, in words that follow the next hop; none: it can.
fn unusable(way: &FibNextHop, rib: &Rib, interfaces: &Interfaces) -> Option<&'static str> {
    let gateway = way.gateway?;
    if rib.is_own_address(gateway) {
        return Some("is an address of this node");
    }
    interfaces.is_loopback(way.interface).then_some("is reached over the loopback interface")
}
