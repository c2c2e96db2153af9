//! Spanning tree for one bridge: STP (IEEE 802.1D-1998 clause 8), RSTP (IEEE 802.1D-2004 clause 17), and what vendors
//! added: PortFast, BPDU guard and filter, root guard, loop guard, bridge assurance, UplinkFast, BackboneFast.
//!
//! [`SpanningTree`] takes [`Input`]s, frames among them, and gives [`Output`]s: frames to send, states for ports,
//! stations to forget. It never sees what the bridge forwards.
//!
//! | part | module |
//! |---|---|
//! | the machine from outside: ports, frames, guards of BPDUs | `tree` |
//! | RSTP's nine machines for each port and one for the bridge | `rstp` |
//! | STP as of 1998, UplinkFast, BackboneFast | `classic` |
//! | what is compared | `vector` |
//! | what people see, and why a port has its role | `show` |
//!
//! Section numbers are those of IEEE 802.1D-2004 unless another standard is named. Left out: one tree for each VLAN
//! (PVST+) or for groups of them (MSTP).

mod classic;
mod config;
mod engine;
mod io;
mod rstp;
mod show;
mod tree;
mod vector;

pub use config::{
    Config, CostTable, DEFAULT_SPEED, Edge, ForceVersion, MAX_PATH_COST, MAX_SHORT_PATH_COST, PointToPoint,
    PortConfig, Protocol,
};
pub use io::{Event, Fast, Inconsistency, Input, Output, PortRole, PortState, PortStatus};
pub use rstp::{Machine, TRANSITIONS, Transition};
pub use show::Names;
pub use tree::SpanningTree;
pub use trunkline_wire::stp::{BridgeId, PortIdentifier};
