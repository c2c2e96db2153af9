//! BGP: summary, neighbours, routes.

use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv4Addr};
use trunkline_core::{Asn, Prefix};

/// `show bgp summary`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SummaryView {
    /// Our AS.
    pub asn: Asn,
    /// Our BGP Identifier.
    pub router_id: Ipv4Addr,
    /// One for each neighbour, configured ones first, by address.
    pub neighbors: Vec<NeighborSummary>,
    /// What the tables hold.
    pub tables: Vec<TableView>,
}

/// The size of one family's table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableView {
    /// "ipv4-unicast" or "ipv6-unicast".
    pub family: String,
    /// Destinations known.
    pub prefixes: u64,
    /// Paths known, before import policy.
    pub paths: u64,
    /// Destinations with a best path.
    pub best: u64,
}

/// One line of the summary.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NeighborSummary {
    /// The neighbour's address.
    pub address: IpAddr,
    /// Its AS; none while a dynamic neighbour has not said it.
    pub asn: Option<Asn>,
    /// The configuration's description of it.
    pub description: Option<String>,
    /// "Idle", "Connect", "Active", "OpenSent", "OpenConfirm" or "Established".
    pub state: String,
    /// Seconds in this state.
    pub since: f64,
    /// Taken down by the operator.
    pub shutdown: bool,
    /// Came through a listen range.
    pub dynamic: bool,
    /// Messages received and sent.
    pub messages_received: u64,
    /// See above.
    pub messages_sent: u64,
    /// Routes held from it, all families, before import policy.
    pub prefixes_received: u64,
    /// Of these, accepted by import policy.
    pub prefixes_accepted: u64,
    /// Routes sent to it and not withdrawn.
    pub prefixes_advertised: u64,
    /// The last error in words, where there was one.
    pub last_error: Option<String>,
}

/// `show bgp neighbors`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NeighborsView {
    /// The neighbours asked for.
    pub neighbors: Vec<NeighborView>,
}

/// All about one neighbour.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NeighborView {
    /// What the summary says too.
    #[serde(flatten)]
    pub summary: NeighborSummary,
    /// Our AS as this neighbour sees it.
    pub local_asn: Asn,
    /// "external" or "internal".
    pub session_type: String,
    /// The peer's BGP Identifier, once it sent an OPEN.
    pub router_id: Option<Ipv4Addr>,
    /// Our end of the connection.
    pub local: Option<String>,
    /// The peer's end of it.
    pub remote: Option<String>,
    /// Who opened the connection: "us" or "peer".
    pub opened_by: Option<String>,
    /// Seconds: the hold time we propose.
    pub hold_time_configured: u16,
    /// Seconds: the smaller of both proposals, once agreed (RFC 4271 §4.2).
    pub hold_time: Option<u16>,
    /// Seconds between our KEEPALIVEs, once agreed.
    pub keepalive_time: Option<f64>,
    /// Timers that run, with the seconds left.
    pub timers: Vec<TimerView>,
    /// Capabilities we sent in the last OPEN, in words.
    pub capabilities_sent: Vec<String>,
    /// Capabilities in the peer's last OPEN, in words.
    pub capabilities_received: Vec<String>,
    /// What both agreed on, in words.
    pub capabilities_agreed: Vec<String>,
    /// What we leave out of our OPEN because the peer refused it, in words.
    pub capabilities_suppressed: Vec<String>,
    /// For each agreed family.
    pub families: Vec<NeighborFamily>,
    /// Messages by type.
    pub messages: Vec<MessageCount>,
    /// Faults in this neighbour's UPDATEs by kind, counted.
    pub faults: Vec<FaultCount>,
    /// Times the state left Established.
    pub flaps: u64,
    /// Times the state became Established.
    pub established: u64,
    /// The last errors, newest first, at most 8.
    pub errors: Vec<ErrorRecord>,
    /// Why the session is not up, in words, where it is not.
    pub down_because: Option<String>,
    /// The rule of `explain bgp` that says so, where one does.
    pub down_rule: Option<String>,
    /// Seconds until a maximum-prefix or damping idle ends, where one runs.
    pub idle_hold: Option<f64>,
    /// Whether this neighbour's stale routes are kept (RFC 4724), with the seconds left.
    pub graceful_restart: Option<f64>,
}

/// A running timer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TimerView {
    /// "ConnectRetryTimer", "HoldTimer", …
    pub name: String,
    /// Seconds left.
    pub left: f64,
}

/// One family of a neighbour.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NeighborFamily {
    /// "ipv4-unicast" or "ipv6-unicast".
    pub family: String,
    /// Routes held before import policy.
    pub received: u64,
    /// Of these accepted.
    pub accepted: u64,
    /// Routes sent and not withdrawn.
    pub advertised: u64,
    /// Whether the peer's End-of-RIB came.
    pub end_of_rib_received: bool,
    /// Whether ours was sent.
    pub end_of_rib_sent: bool,
    /// Stale routes kept for a restarting peer (RFC 4724).
    pub stale: u64,
    /// Maximum prefixes, where configured.
    pub maximum_prefixes: Option<u32>,
}

/// Messages of one type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageCount {
    /// "OPEN", "UPDATE", "NOTIFICATION", "KEEPALIVE" or "ROUTE-REFRESH".
    pub kind: String,
    /// Received.
    pub received: u64,
    /// Sent.
    pub sent: u64,
}

/// Faults of one kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultCount {
    /// In words.
    pub kind: String,
    /// How they were treated: "attribute discard", "treat as withdraw", "session reset".
    pub treatment: String,
    /// How many.
    pub count: u64,
}

/// Something that went wrong.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ErrorRecord {
    /// Seconds ago.
    pub ago: f64,
    /// "sent NOTIFICATION 2/2 Bad Peer AS: we expect 1000, the peer says 600".
    pub message: String,
}

/// Which BGP routes to show.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoutesQuery {
    /// "ipv4-unicast" or "ipv6-unicast"; none: both, IPv4 first.
    pub family: Option<String>,
    /// Only this prefix; an address as /32 or /128 finds the longest match.
    pub prefix: Option<Prefix>,
    /// What this neighbour sent, before import policy.
    pub received: Option<IpAddr>,
    /// What we send this neighbour, after export policy.
    pub advertised: Option<IpAddr>,
    /// Where the page starts: `next` of the page before, 0 at first.
    pub cursor: u64,
    /// The most paths in the answer, 1..=1000.
    pub limit: u32,
}

/// A page of BGP routes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RoutesView {
    /// The paths; those to one prefix stand together, the best first.
    pub paths: Vec<PathView>,
    /// Where the next page starts; none: this was the last.
    pub next: Option<u64>,
    /// How many prefixes the tables asked for hold.
    pub total: u64,
}

/// One path to a prefix.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PathView {
    /// The destination.
    pub prefix: Prefix,
    /// Who gave it; none: this node itself.
    pub neighbor: Option<IpAddr>,
    /// Whether it is the best path.
    pub best: bool,
    /// Whether it shares the load with the best (multipath).
    pub multipath: bool,
    /// Whether it could be best: accepted, no loop, next hop resolved.
    pub eligible: bool,
    /// Kept from a restarting peer (RFC 4724).
    pub stale: bool,
    /// Why it is not eligible, or by which step of RFC 4271 §9.1.2 it lost to the best path.
    pub reason: Option<String>,
    /// NEXT_HOP.
    pub next_hop: Option<IpAddr>,
    /// Metric to the next hop, where resolved.
    pub igp_metric: Option<u32>,
    /// ORIGIN: "IGP", "EGP" or "INCOMPLETE".
    pub origin: String,
    /// AS_PATH, sets in braces.
    pub as_path: String,
    /// MULTI_EXIT_DISC.
    pub med: Option<u32>,
    /// LOCAL_PREF, as used in the decision.
    pub local_pref: Option<u32>,
    /// ATOMIC_AGGREGATE.
    pub atomic_aggregate: bool,
    /// AGGREGATOR: "AS address".
    pub aggregator: Option<String>,
    /// COMMUNITIES.
    pub communities: Vec<String>,
    /// EXTENDED_COMMUNITIES.
    pub extended_communities: Vec<String>,
    /// LARGE_COMMUNITIES.
    pub large_communities: Vec<String>,
    /// ORIGINATOR_ID.
    pub originator_id: Option<Ipv4Addr>,
    /// CLUSTER_LIST.
    pub cluster_list: Vec<Ipv4Addr>,
    /// Attributes we do not know: "flags/code: hex".
    pub unknown_attributes: Vec<String>,
    /// Seconds since it came or changed.
    pub age: Option<f64>,
}
