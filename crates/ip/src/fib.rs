//! The routes in use: those of the node's FIB and those of the interfaces' subnets, and the choice among next hops.

use std::collections::BTreeMap;

use trunkline_core::Ipv4Prefix;

use crate::api::RouteEntry;
use crate::config::{NextHop, NextHops, Route, RouteKind};
use crate::lpm::{Leaf, Lpm};

/// What packets to a prefix meet; shared by all prefixes where it is the same.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Path {
    pub(crate) kind: RouteKind,
    pub(crate) next_hops: NextHops,
}

/// The path ids of a prefix; the connected one goes first.
#[derive(Debug, Clone, Copy, Default)]
struct Prefix {
    connected: Option<u32>,
    given: Option<u32>,
}

impl Prefix {
    fn path(self) -> Option<u32> {
        self.connected.or(self.given)
    }
}

/// All routes.
#[derive(Debug)]
pub(crate) struct Fib {
    prefixes: BTreeMap<Ipv4Prefix, Prefix>,
    paths: Vec<(Path, u32)>,
    free: Vec<u32>,
    ids: BTreeMap<Path, u32>,
    lpm: Lpm,
}

impl Fib {
    pub(crate) fn new() -> Fib {
        Fib {
            prefixes: BTreeMap::new(),
            paths: Vec::new(),
            free: Vec::new(),
            ids: BTreeMap::new(),
            lpm: Lpm::new(),
        }
    }

    /// What packets to an address meet.
    #[inline]
    pub(crate) fn lookup(&self, address: u32) -> Option<&Path> {
        let leaf = self.lpm.lookup(address)?;
        self.paths.get(leaf.value() as usize).map(|(path, _)| path)
    }

    /// Sets or takes the route of the node's FIB.
    pub(crate) fn give(&mut self, prefix: Ipv4Prefix, route: Option<Route>) {
        let path = route.map(|Route { mut next_hops, kind, .. }| {
            next_hops.sort_unstable();
            next_hops.dedup();
            Path { kind, next_hops }
        });
        let id = path.and_then(|path| self.intern(path));
        self.change(prefix, |entry| std::mem::replace(&mut entry.given, id));
    }

    /// Sets or takes the route of an interface's subnet.
    pub(crate) fn connect(&mut self, prefix: Ipv4Prefix, hop: Option<NextHop>) {
        let path = hop.map(|hop| Path { kind: RouteKind::Unicast, next_hops: NextHops::from_buf([hop]) });
        let id = path.and_then(|path| self.intern(path));
        self.change(prefix, |entry| std::mem::replace(&mut entry.connected, id));
    }

    fn change(&mut self, prefix: Ipv4Prefix, change: impl FnOnce(&mut Prefix) -> Option<u32>) {
        let entry = self.prefixes.entry(prefix).or_default();
        let before = entry.path();
        let old = change(entry);
        let after = entry.path();
        match after {
            Some(id) if before != after => self.lpm.insert(prefix.bits(), prefix.len(), id),
            Some(_) => {}
            None => {
                self.prefixes.remove(&prefix);
                if before.is_some() {
                    self.lpm.remove(prefix.bits(), prefix.len(), self.cover(prefix));
                }
            }
        }
        if let Some(id) = old {
            self.release(id);
        }
    }

    /// The leaf of the longest prefix that is shorter than this one and holds it.
    fn cover(&self, prefix: Ipv4Prefix) -> Option<Leaf> {
        (0..prefix.len()).rev().find_map(|len| {
            let id = self.prefixes.get(&Ipv4Prefix::from_bits(prefix.bits(), len))?.path()?;
            Some(Leaf::new(id, len))
        })
    }

    /// The id of a path, in use once more. `None` where there are 2^25 already, which no memory holds.
    fn intern(&mut self, path: Path) -> Option<u32> {
        if let Some(&id) = self.ids.get(&path) {
            if let Some((_, uses)) = self.paths.get_mut(id as usize) {
                *uses += 1;
            }
            return Some(id);
        }
        let id = self.free.pop().unwrap_or(self.paths.len() as u32);
        if id >= Leaf::MAX_VALUE {
            return None;
        }
        self.ids.insert(path.clone(), id);
        match self.paths.get_mut(id as usize) {
            Some(place) => *place = (path, 1),
            None => self.paths.push((path, 1)),
        }
        Some(id)
    }

    fn release(&mut self, id: u32) {
        let Some((path, uses)) = self.paths.get_mut(id as usize) else { return };
        *uses -= 1;
        if *uses == 0 {
            self.ids.remove(path);
            self.free.push(id);
        }
    }

    /// The routes in use, by prefix.
    pub(crate) fn iter(&self) -> impl Iterator<Item = RouteEntry> + '_ {
        self.prefixes.iter().filter_map(|(prefix, entry)| {
            let (path, _) = self.paths.get(entry.path()? as usize)?;
            let (next_hops, kind) = (path.next_hops.clone(), path.kind);
            Some(RouteEntry { prefix: *prefix, next_hops, kind, connected: entry.connected.is_some() })
        })
    }

    #[cfg(test)]
    pub(crate) fn lpm(&self) -> &Lpm {
        &self.lpm
    }

    #[cfg(test)]
    pub(crate) fn paths_in_use(&self) -> usize {
        self.ids.len()
    }
}

/// Chooses the next hop of a flow among those that `usable` lets pass. By highest random weight (RFC 2992 compares
/// the ways to do it), so that a next hop that comes or goes moves only the flows that it wins or had.
#[inline]
pub(crate) fn choose(hops: &[NextHop], flow: u32, usable: impl Fn(&NextHop) -> bool) -> Option<&NextHop> {
    match hops {
        [hop] => Some(hop).filter(|hop| usable(hop)),
        _ => hops.iter().filter(|hop| usable(hop)).max_by_key(|hop| weight(flow, hop)),
    }
}

fn weight(flow: u32, hop: &NextHop) -> u64 {
    let gateway = hop.gateway.map_or(0, |gateway| gateway.to_bits());
    let hop = (u64::from(gateway) << 32) | u64::from(hop.interface.0);
    mix(mix(hop) ^ u64::from(flow))
}

/// Spreads the bits of a number (the finaliser of SplitMix64).
#[inline]
pub(crate) const fn mix(mut x: u64) -> u64 {
    x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}
