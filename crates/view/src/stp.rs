//! Spanning tree: what `show spanning-tree` shows.

use crate::device::Counters;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The spanning trees that a node takes part in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SpanningTreesView {
    /// One for each bridge.
    pub bridges: Vec<TreeView>,
}

/// A bridge identifier, with who that is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BridgeIdView {
    /// The priority, 0 to 65535.
    pub priority: u16,
    /// The bridge's address.
    pub address: String,
}

/// Times of the protocol, seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimesView {
    /// How often Configuration messages are sent.
    pub hello_time: u8,
    /// How old information may become.
    pub max_age: u8,
    /// How long a port listens, and then learns, where it must wait.
    pub forward_delay: u8,
}

/// A bridge's part in the tree.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TreeView {
    /// The bridge.
    pub bridge: String,
    /// stp, rstp, or "rstp, stp-compatible".
    pub protocol: String,
    /// Whose spanning tree it is: "own ports", or how the kernel's bridge is driven. Why it is not, if so.
    pub data_plane: String,
    /// The root of the tree.
    pub root: BridgeIdView,
    /// What the way there costs; 0 at the root.
    pub root_path_cost: u32,
    /// The port that leads there; none: this bridge is the root.
    pub root_port: Option<String>,
    /// The root's times, in force.
    pub times: TimesView,
    /// This bridge.
    pub id: BridgeIdView,
    /// This bridge's own times, in force where it is the root.
    pub own_times: TimesView,
    /// BPDUs that a port sends at once.
    pub transmit_hold_count: u8,
    /// Seconds after which stations are forgotten while the topology changes; none: as configured.
    pub ageing_time: Option<f64>,
    /// Whether UplinkFast is on.
    pub uplink_fast: bool,
    /// Whether BackboneFast is on.
    pub backbone_fast: bool,
    /// The ports.
    pub ports: Vec<TreePortView>,
    /// How often the topology changed.
    pub topology_changes: u64,
    /// The last changes, the newest first.
    pub history: Vec<TopologyChangeView>,
}

/// A change of the topology.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TopologyChangeView {
    /// How many seconds ago.
    pub ago: f64,
    /// The port where it was seen or heard of.
    pub port: String,
    /// Whether this bridge saw it itself; otherwise a neighbour told.
    pub detected: bool,
    /// Who told, where a BPDU did: the MAC address of its sender.
    pub from: Option<String>,
}

/// A port's part in the tree.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TreePortView {
    /// Its name.
    pub name: String,
    /// Its identifier: priority and number, "128.1".
    pub id: String,
    /// disabled, root, designated, alternate or backup.
    pub role: String,
    /// disabled, discarding, blocking, listening, learning or forwarding.
    pub state: String,
    /// Its cost.
    pub path_cost: u32,
    /// Whether no bridge is believed to be behind it (operEdge).
    pub edge: bool,
    /// Whether its link has just two ends.
    pub point_to_point: bool,
    /// What it sends: rstp or stp.
    pub sends: String,
    /// The guard that holds it, if any.
    pub inconsistent: Option<String>,
    /// The root that the designated bridge of its LAN names.
    pub designated_root: BridgeIdView,
    /// What the way to the root costs the designated bridge.
    pub designated_cost: u32,
    /// The designated bridge of its LAN.
    pub designated_bridge: BridgeIdView,
    /// That bridge's port.
    pub designated_port: String,
    /// Why it has its role.
    pub why: String,
    /// How often it began to forward.
    pub forward_transitions: u64,
    /// Timers that run, by their names, with the seconds that are left.
    pub timers: BTreeMap<String, f64>,
    /// Variables of the standard that are true, by their names.
    pub flags: Vec<String>,
    /// The states of the port's machines, by their names.
    pub machines: BTreeMap<String, String>,
    /// What came and went, and what was wrong with it.
    pub counters: Counters,
}
