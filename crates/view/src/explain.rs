//! Why a destination is reached as it is, and who is told: `explain route`. Why a session is not up: `explain bgp`.

use crate::bgp::PathView;
use crate::{Route, rip};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use trunkline_core::{Asn, Prefix};

/// Which destination.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteQuery {
    /// The prefix; an address as /32 or /128 finds the longest one that covers it.
    pub prefix: Prefix,
    /// Only what this BGP neighbour sent of it.
    pub from: Option<IpAddr>,
    /// Only what this BGP neighbour is sent of it.
    pub to: Option<IpAddr>,
}

/// All that a node knows of a destination.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RouteExplanation {
    /// The prefix that was found, or that was asked for where none was.
    pub prefix: Prefix,
    /// The routes of all sources, the one that won first. What is selected and not installed says why.
    pub routes: Vec<Route>,
    /// RIP's route, where it has one.
    pub rip: Option<rip::RouteView>,
    /// BGP's view, where BGP runs.
    pub bgp: Option<BgpExplanation>,
}

/// What BGP received, chose and sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BgpExplanation {
    /// From this node itself and from each neighbour; the best first, those that sent nothing last.
    pub received: Vec<Received>,
    /// To each neighbour.
    pub sent: Vec<Sent>,
}

/// What came of one neighbour's route.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Received {
    /// The neighbour; none: this node itself.
    pub neighbor: Option<IpAddr>,
    /// Its AS.
    pub asn: Option<Asn>,
    /// "best", "multipath", "not best", "not eligible" or "not received".
    pub verdict: String,
    /// Why it is not the best, in words.
    pub reason: Option<String>,
    /// The import rule that let it in or kept it out: `rule 2 of policy "in": LOCAL_PREF 200`.
    pub import: Option<String>,
    /// What import changed.
    pub changes: Vec<Change>,
    /// The path as it is used, or, where it is not eligible, as it came.
    pub path: Option<PathView>,
    /// The steps of RFC 4271 §9.1.2 in which it was compared with the best one, or the best with the one after it; the last
    /// one decides.
    pub steps: Vec<Step>,
}

/// An attribute that import changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Its name in the RFCs.
    pub attribute: String,
    /// As it came.
    pub received: String,
    /// As it is used.
    pub used: String,
}

/// One comparison.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// What is compared, with its place in the standard.
    pub step: String,
    /// That of the path which is better, or of the best where they are equal.
    pub better: String,
    /// That of the other one.
    pub other: String,
    /// Whether it decides.
    pub decides: bool,
}

/// What one neighbour is told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sent {
    /// The neighbour.
    pub neighbor: IpAddr,
    /// Its AS.
    pub asn: Asn,
    /// Whether it holds the route from us, or will as soon as it reads.
    pub sent: bool,
    /// Whether it still waits for the neighbour to read.
    pub waiting: bool,
    /// Seconds since it was handed to the connection, where that is known.
    pub age: Option<f64>,
    /// Whether it may be longer ago than that: only the latest are remembered.
    pub at_least: bool,
    /// By which rule, or why not, in words.
    pub reason: String,
    /// The path as it gets it.
    pub path: Option<PathView>,
}

/// Which BGP neighbour.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NeighborQuery {
    /// Its address.
    pub neighbor: IpAddr,
    /// Send it a few packets to know more: never to an Established session's port.
    #[serde(default)]
    pub probe: bool,
}

/// What is wrong with the session of a BGP neighbour.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NeighborExplanation {
    /// The neighbour.
    pub neighbor: IpAddr,
    /// Its AS.
    pub asn: Asn,
    /// The state of its session, by the names of RFC 4271.
    pub state: String,
    /// Seconds in this state.
    pub since: f64,
    /// What was found, what tells most first.
    pub verdicts: Vec<Verdict>,
}

/// One thing that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// The rule, as `trunkline explain --list` has it.
    pub rule: String,
    /// "error", "warning" or "note".
    pub severity: String,
    /// What it says.
    pub says: String,
    /// What shows it.
    pub seen: Vec<String>,
    /// What would look the same.
    pub not_excluded: Vec<String>,
    /// How to find out.
    pub try_next: Vec<String>,
    /// The standard or the observation that it rests on.
    pub rests_on: String,
}
