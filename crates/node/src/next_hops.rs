//! Next hops: how an address is reached through the routing table, and who wants to know when that changes.

use crate::FibNextHop;
use crate::interfaces::{Interfaces, is_link_local};
use crate::rib::Rib;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use trunkline_bgp::NextHopState;
use trunkline_core::Prefix;
use trunkline_view::RouteSource;

/// How many routes without an interface of their own may stand one behind another.
const MAX_DEPTH: u32 = 8;
/// The most ways out of one route; more are left out. (Linux itself takes at most 256.)
pub(crate) const MAX_WAYS: usize = 64;
/// With more changed prefixes than this, every next hop is looked at again without asking which are concerned.
const MANY_PREFIXES: usize = 64;

/// How an address is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Resolution {
    /// What BGP is told.
    pub(crate) state: NextHopState,
    /// Gateways on our links; sorted, not empty.
    pub(crate) ways: Vec<FibNextHop>,
    /// Whether gateways of other routes had to be looked up on the way.
    recursive: bool,
}

/// The IPv4 address in `::ffff:a.b.c.d`, or the address itself.
pub(crate) fn canonical(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

/// Finds how `address` is reached; none: it is not.
pub(crate) fn resolve(address: IpAddr, rib: &Rib, interfaces: &Interfaces) -> Option<Resolution> {
    let mut found = resolve_at(canonical(address), rib, interfaces, 0)?;
    found.ways.sort_unstable();
    found.ways.dedup();
    found.ways.truncate(MAX_WAYS);
    Some(found)
}

fn resolve_at(address: IpAddr, rib: &Rib, interfaces: &Interfaces, depth: u32) -> Option<Resolution> {
    if depth > MAX_DEPTH || address.is_unspecified() || address.is_multicast() {
        return None;
    }
    let here = |interface: u32| Resolution {
        state: NextHopState { metric: 0, connected: true },
        ways: vec![FibNextHop { gateway: Some(address), interface }],
        recursive: false,
    };
    if is_link_local(address) {
        return interfaces.only_link().map(here);
    }
    let (_, route) = rib.lookup(address)?;
    if matches!(route.source, RouteSource::Connected | RouteSource::Local) {
        return Some(here(route.id));
    }
    let mut found = Resolution {
        state: NextHopState { metric: route.metric, connected: false },
        ways: Vec::new(),
        recursive: false,
    };
    for hop in &route.next_hops {
        match (hop.gateway, hop.interface) {
            // On the link: a point-to-point peer, or a subnet that another program or the operator said is there.
            (None, index) if interfaces.is_up(index) => {
                found.state.connected = true;
                found.ways.push(FibNextHop { gateway: Some(address), interface: index });
            }
            (Some(gateway), 0) => {
                found.recursive = true;
                let beyond = resolve_at(canonical(gateway), rib, interfaces, depth + 1);
                found.ways.extend(beyond.into_iter().flat_map(|r| r.ways).take(MAX_WAYS));
            }
            (Some(_), index) if interfaces.is_up(index) => found.ways.push(hop.clone()),
            _ => {}
        }
    }
    // Without a way: a blackhole, which reaches nobody.
    (!found.ways.is_empty()).then_some(found)
}

/// One address someone wants to know about.
#[derive(Debug, Default)]
struct Tracked {
    /// BGP asked for it.
    bgp: bool,
    /// How many next-hop groups of the FIB hold it.
    groups: u32,
    resolution: Option<Resolution>,
}

/// The addresses someone wants to know about.
#[derive(Debug, Default)]
pub(crate) struct NextHops {
    tracked: BTreeMap<IpAddr, Tracked>,
}

/// A next hop of which the answer changed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ChangedNextHop {
    pub(crate) address: IpAddr,
    /// What BGP must be told, where it asked and the change matters to it.
    pub(crate) tell: Option<Option<NextHopState>>,
}

impl NextHops {
    /// BGP wants to know; its first answer.
    pub(crate) fn track(
        &mut self,
        address: IpAddr,
        rib: &Rib,
        interfaces: &Interfaces,
    ) -> Option<NextHopState> {
        let tracked = self.entry(address, rib, interfaces);
        tracked.bgp = true;
        tracked.resolution.as_ref().map(|r| r.state)
    }

    /// BGP wants to know no more.
    pub(crate) fn untrack(&mut self, address: IpAddr) {
        if let Some(tracked) = self.tracked.get_mut(&address) {
            tracked.bgp = false;
        }
        self.drop_unused(address);
    }

    /// BGP is gone.
    pub(crate) fn untrack_all(&mut self) {
        self.tracked.retain(|_, tracked| {
            tracked.bgp = false;
            tracked.groups > 0
        });
    }

    /// A next-hop group of the FIB holds this address now.
    pub(crate) fn acquire(&mut self, address: IpAddr, rib: &Rib, interfaces: &Interfaces) {
        self.entry(address, rib, interfaces).groups += 1;
    }

    /// A group that held it is gone.
    pub(crate) fn release(&mut self, address: IpAddr) {
        if let Some(tracked) = self.tracked.get_mut(&address) {
            tracked.groups = tracked.groups.saturating_sub(1);
        }
        self.drop_unused(address);
    }

    fn entry(&mut self, address: IpAddr, rib: &Rib, interfaces: &Interfaces) -> &mut Tracked {
        self.tracked.entry(address).or_insert_with(|| Tracked {
            resolution: resolve(address, rib, interfaces),
            ..Tracked::default()
        })
    }

    fn drop_unused(&mut self, address: IpAddr) {
        if self.tracked.get(&address).is_some_and(|t| !t.bgp && t.groups == 0) {
            self.tracked.remove(&address);
        }
    }

    /// How a tracked address is reached.
    pub(crate) fn get(&self, address: IpAddr) -> Option<&Resolution> {
        self.tracked.get(&address)?.resolution.as_ref()
    }

    /// The routing table changed at `changed`: looks again at the next hops that may be concerned; `all` where
    /// interfaces changed too.
    pub(crate) fn recompute(
        &mut self,
        changed: &BTreeSet<Prefix>,
        all: bool,
        rib: &Rib,
        interfaces: &Interfaces,
    ) -> Vec<ChangedNextHop> {
        let all = all || changed.len() > MANY_PREFIXES;
        let mut result = Vec::new();
        for (address, tracked) in &mut self.tracked {
            let concerned = all
                || tracked.resolution.as_ref().is_some_and(|r| r.recursive)
                || changed.iter().any(|p| p.contains(canonical(*address)))
                // A recursive route that led nowhere: its gateway may be elsewhere.
                || tracked.resolution.is_none() && rib.lookup(canonical(*address)).is_some();
            if !concerned {
                continue;
            }
            let resolution = resolve(*address, rib, interfaces);
            if resolution != tracked.resolution {
                let state = |r: &Option<Resolution>| r.as_ref().map(|r| r.state);
                let (old, new) = (state(&tracked.resolution), state(&resolution));
                let tell = (tracked.bgp && old != new).then_some(new);
                tracked.resolution = resolution;
                result.push(ChangedNextHop { address: *address, tell });
            }
        }
        result
    }
}
