//! Routes of the FIB: those that lead through our own interfaces go to IP, the others to the kernel.

use super::{FIRST_INDEX, Stack};
use crate::{FibChange, FibNextHop, NodeOutput};
use std::net::IpAddr;
use trunkline_core::{Instant, Outbox, PortId, Prefix};
use trunkline_ip::{Input, NextHop, NextHops, Route, RouteKind};

impl Stack {
    /// Carries out a change of the FIB; `kernel`: whether there is a kernel, and it is to have our routes.
    pub(crate) fn fib_change(
        &mut self,
        now: Instant,
        change: FibChange,
        kernel: bool,
        out: &mut Outbox<NodeOutput>,
    ) {
        let (prefix, next_hops) = match change {
            FibChange::Replace { prefix, next_hops } => (prefix, Some(next_hops)),
            FibChange::Remove { prefix } => (prefix, None),
        };
        let is_own = |hop: &FibNextHop| hop.interface >= FIRST_INDEX;
        let (own, theirs): (Vec<FibNextHop>, Vec<FibNextHop>) =
            next_hops.iter().flatten().cloned().partition(is_own);
        let blackhole = next_hops.as_ref().is_some_and(Vec::is_empty);
        if let Prefix::V4(prefix) = prefix {
            let ways: NextHops = own.iter().filter_map(next_hop).collect();
            let kind = if blackhole { RouteKind::Blackhole } else { RouteKind::Unicast };
            let route = (blackhole || !ways.is_empty()).then_some(Route { prefix, next_hops: ways, kind });
            self.ip.handle(now, Input::Route { prefix, route }, &mut self.ip_out);
        }
        if kernel && (blackhole || !theirs.is_empty()) {
            self.kernel_has.insert(prefix);
            out.push(NodeOutput::Fib(FibChange::Replace { prefix, next_hops: theirs }));
        } else if self.kernel_has.remove(&prefix) {
            out.push(NodeOutput::Fib(FibChange::Remove { prefix }));
        }
    }

    /// The kernel is to have no more routes of ours.
    pub(crate) fn leave_kernel(&mut self, out: &mut Outbox<NodeOutput>) {
        for prefix in std::mem::take(&mut self.kernel_has) {
            out.push(NodeOutput::Fib(FibChange::Remove { prefix }));
        }
    }
}

fn next_hop(hop: &FibNextHop) -> Option<NextHop> {
    let gateway = match hop.gateway.map(|gateway| gateway.to_canonical()) {
        None => None,
        Some(IpAddr::V4(gateway)) => Some(gateway),
        // RFC 8950 needs neighbour discovery, which IPv4 alone does not have.
        Some(IpAddr::V6(_)) => return None,
    };
    Some(NextHop { gateway, interface: PortId(hop.interface - FIRST_INDEX) })
}
