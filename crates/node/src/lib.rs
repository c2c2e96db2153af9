//! A router: composes the protocol machines and owns the routing table.
//!
//! `Node::new(config, seed)` takes [`NodeInput`]s and gives [`NodeOutput`]s; the Linux runtime and the lab differ
//! only in who supplies the inputs and who carries out the outputs.
//!
//! Routes compete by administrative distance, the lowest wins; then by source in this order, then by metric:
//!
//! | source | distance |
//! |---|---|
//! | connected: the subnets of interfaces that are up; local: their addresses | 0 |
//! | static, from the configuration | `distance`, default 1 |
//! | kernel: other programs' routes | 5 |
//! | RIP | `distance`, default 120 |
//! | BGP | 20 from external, 200 from internal peers, unless configured otherwise |
//!
//! A node with ports of its own has a `stack` below the routing: ARP, IP, TCP, bridges. Without, the kernel forwards
//! and the node is only its control plane; both may be at the same time.
//!
//! BGP's routes stay in BGP's own table; here is the routing table for all others, through which next hops resolve.
//! A next hop is never resolved through a BGP route.

pub mod config;
mod counters;
mod explain;
mod fib;
mod interfaces;
mod io;
mod kernel_bridges;
mod networks;
mod next_hops;
mod node;
mod queries;
mod reconfigure;
mod redistribution;
mod rib;
mod rip;
mod routing;
mod spanning_tree;
mod stack;
mod statics;
mod table_view;
#[cfg(test)]
mod tests;
mod tree_queries;

pub use counters::CounterHistory;
pub use io::{
    FibChange, FibNextHop, FibRefusal, InterfaceChange, KernelBridgeAction, KernelBridgeInput, KernelRoute,
    NodeInput, NodeOutput, RipAction, Wanted,
};
pub use node::Node;

use std::fmt;

/// What a change of configuration did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reconfigured {
    /// One line for each thing that changed.
    pub changes: Vec<String>,
    /// Neighbours whose session was reset because their change needs it.
    pub reset: Vec<String>,
}

/// Why a node cannot start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StartError {
    /// No router id is configured and no interface has an IPv4 address to take it from.
    NoRouterId,
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::NoRouterId => f.write_str(
                "no interface has an IPv4 address to take the router id from; \
                 write one under [node], as in router-id = \"192.0.2.1\"",
            ),
        }
    }
}

impl std::error::Error for StartError {}
