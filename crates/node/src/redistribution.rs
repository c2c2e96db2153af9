//! Redistribution: a route that is the best of the node is told to the other protocols that are to advertise it.
//!
//! RIP hears of a route only while it is not its own, BGP only while it is not BGP's: what wins at a prefix has one source,
//! and what loses is advertised by nobody but by those who taught it. A route that BGP announces itself is not BGP's to
//! install (as with other daemons: what originates here is preferred), so of two protocols that both have learnt a prefix
//! and are redistributed into each other, the first keeps it.

use crate::NodeOutput;
use crate::config::RipRedistribute;
use crate::node::Node;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use trunkline_bgp::Redistributed;
use trunkline_core::{Instant, Ipv4Prefix, Outbox, Prefix};
use trunkline_rip as rip;
use trunkline_view::RouteSource;

/// What RIP was told of a prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct ToRip {
    metric: u8,
    tag: u16,
    next_hop: Option<Ipv4Addr>,
}

/// Who gets what, and what they were told.
#[derive(Debug, Default)]
pub(crate) struct Redistribution {
    into_rip: Vec<RipRedistribute>,
    into_bgp: BTreeSet<RouteSource>,
    told_rip: BTreeMap<Ipv4Prefix, ToRip>,
    told_bgp: BTreeMap<Prefix, Redistributed>,
}

/// The route that wins at a prefix.
struct Winner {
    source: RouteSource,
    metric: u32,
    next_hop: Option<Ipv4Addr>,
}

impl Redistribution {
    /// Whether anything is to be redistributed.
    pub(crate) fn is_on(&self) -> bool {
        !(self.into_rip.is_empty() && self.into_bgp.is_empty())
    }

    /// RIP is no more, and with it what it was told.
    pub(crate) fn forget_rip(&mut self) {
        self.told_rip.clear();
    }

    /// Likewise BGP.
    pub(crate) fn forget_bgp(&mut self) {
        self.told_bgp.clear();
    }

    fn wants_bgp(&self) -> bool {
        self.into_rip.iter().any(|wanted| wanted.source == RouteSource::Bgp)
    }
}

impl Node {
    /// Takes over what the configuration wants redistributed, and tells of all that is new or no more.
    pub(crate) fn set_redistribution(&mut self, now: Instant, out: &mut Outbox<NodeOutput>) {
        let into_rip = self.config.rip.iter().flat_map(|rip| rip.redistribute.clone()).collect();
        let into_bgp = self.config.bgp.iter().flat_map(|bgp| &bgp.redistribute).map(|r| r.source).collect();
        let redistribution = &mut self.redistribution;
        let same = redistribution.into_rip == into_rip && redistribution.into_bgp == into_bgp;
        if same && !redistribution.is_on() {
            return;
        }
        let other_rules = redistribution.into_rip != into_rip;
        (redistribution.into_rip, redistribution.into_bgp) = (into_rip, into_bgp);
        let (wants_bgp, is_on) = (redistribution.wants_bgp(), redistribution.is_on());
        self.routing.tell_changes = is_on;
        let report = is_on || self.installs();
        if let Some(bgp) = &mut self.bgp {
            bgp.report_routes(report);
            if wants_bgp && other_rules {
                bgp.report_again();
            }
        }
        let redistribution = &self.redistribution;
        let in_table = self.routing.rib.iter().map(|(prefix, _)| prefix);
        let told = redistribution.told_rip.keys().map(|prefix| Prefix::V4(*prefix));
        let all: BTreeSet<Prefix> =
            in_table.chain(told).chain(redistribution.told_bgp.keys().copied()).collect();
        for prefix in all {
            self.redistribute(now, prefix, out);
        }
    }

    /// Something changed at a prefix: tells RIP and BGP what they are to advertise of it, where they were told otherwise.
    pub(crate) fn redistribute(&mut self, now: Instant, prefix: Prefix, out: &mut Outbox<NodeOutput>) {
        let winner = if is_for_others(prefix) { self.winner(prefix) } else { None };
        if let Prefix::V4(prefix) = prefix
            && self.rip.is_some()
        {
            let wanted = winner.as_ref().and_then(|winner| self.for_rip(prefix, winner));
            self.tell_rip(now, prefix, wanted, out);
        }
        let for_bgp = winner.filter(|winner| self.redistribution.into_bgp.contains(&winner.source));
        let route = for_bgp.map(|winner| Redistributed { source: winner.source, metric: winner.metric });
        if self.bgp.is_some() && self.redistribution.told_bgp.get(&prefix).copied() != route {
            match route {
                Some(route) => self.redistribution.told_bgp.insert(prefix, route),
                None => self.redistribution.told_bgp.remove(&prefix),
            };
            self.tell_bgp(now, trunkline_bgp::Input::Redistribute { prefix, route });
        }
    }

    fn tell_rip(
        &mut self,
        now: Instant,
        prefix: Ipv4Prefix,
        wanted: Option<ToRip>,
        out: &mut Outbox<NodeOutput>,
    ) {
        let told = &mut self.redistribution.told_rip;
        if told.get(&prefix).copied() == wanted {
            return;
        }
        let input = match wanted {
            Some(route) => {
                told.insert(prefix, route);
                let ToRip { metric, tag, next_hop } = route;
                rip::Input::Redistribute { prefix, metric, tag, next_hop }
            }
            None => {
                told.remove(&prefix);
                rip::Input::Withdraw(prefix)
            }
        };
        self.rip_input(now, input, out);
    }

    fn for_rip(&self, prefix: Ipv4Prefix, winner: &Winner) -> Option<ToRip> {
        let wanted = self.redistribution.into_rip.iter().find(|wanted| wanted.source == winner.source)?;
        let passes = wanted.filter.as_ref().is_none_or(|filter| filter.accepts(prefix));
        passes.then_some(ToRip { metric: wanted.metric, tag: wanted.tag, next_hop: winner.next_hop })
    }

    fn winner(&self, prefix: Prefix) -> Option<Winner> {
        let other = self.routing.rib.best(prefix);
        let bgp = self.bgp.as_ref().and_then(|bgp| bgp.best(prefix));
        // A tie goes to the one that is not BGP, as in the FIB.
        let bgp = bgp.filter(|bgp| other.is_none_or(|other| bgp.distance < other.distance));
        let v4 = |address: Option<IpAddr>| match address {
            Some(IpAddr::V4(address)) => Some(address),
            _ => None,
        };
        match (bgp, other) {
            (Some(bgp), _) => Some(Winner {
                source: RouteSource::Bgp,
                metric: bgp.metric,
                next_hop: v4(bgp.next_hops.first().copied()),
            }),
            (None, Some(other)) => Some(Winner {
                source: other.source,
                metric: other.metric,
                next_hop: v4(other.next_hops.first().and_then(|hop| hop.gateway)),
            }),
            (None, None) => None,
        }
    }
}

/// Whether a prefix means the same to other routers: not the loopback's, nor a link's.
fn is_for_others(prefix: Prefix) -> bool {
    match prefix.addr() {
        IpAddr::V4(address) => !(address.is_loopback() || address.is_link_local() || address.is_multicast()),
        IpAddr::V6(address) => {
            !(address.is_loopback() || address.is_unicast_link_local() || address.is_multicast())
        }
    }
}
