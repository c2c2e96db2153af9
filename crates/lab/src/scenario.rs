//! What a lab is and what happens in it, as plain data: a lab file says it, [`crate::run`] does it.

use crate::link::LinkConfig;
use crate::pattern::Pattern;
use std::fmt;
use trunkline_core::Instant;
use trunkline_node::config::NodeConfig;
use trunkline_view::Query;

/// A lab file, validated.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// One line about it; may be empty.
    pub title: String,
    /// When it ends.
    pub until: Instant,
    /// The seed where the user gives none.
    pub seed: u64,
    /// The nodes, in the order of the file; their names differ.
    pub nodes: Vec<NodeConfig>,
    /// The links; their names differ, and no interface is on two of them.
    pub links: Vec<Link>,
    /// What happens, in the order of time; of steps at the same time, in the order of the file.
    pub steps: Vec<Step>,
}

/// A link and what is on it.
#[derive(Debug, Clone, PartialEq)]
pub struct Link {
    /// Its name.
    pub name: String,
    /// What it does to frames.
    pub config: LinkConfig,
    /// Two: a cable. More: a LAN, on which each hears all others.
    pub ends: Vec<End>,
}

/// An interface of a node.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct End {
    /// The node's name.
    pub node: String,
    /// The interface's name.
    pub interface: String,
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.node, self.interface)
    }
}

/// Something that happens at a point of time.
#[derive(Debug, Clone)]
pub struct Step {
    /// When.
    pub at: Instant,
    /// Where the file says it, from 1.
    pub line: usize,
    /// What people should know of it.
    pub note: Option<String>,
    /// What happens; none: the note is all.
    pub action: Option<Action>,
}

/// What happens.
#[derive(Debug, Clone)]
pub enum Action {
    /// Links lose their carrier.
    Cut(Vec<String>),
    /// Links get it back.
    Restore(Vec<String>),
    /// Nodes lose all their state; their ports are down.
    Crash(Vec<String>),
    /// Nodes start again, as they are configured now.
    Restart(Vec<String>),
    /// A node gets another configuration.
    Set {
        /// Which node.
        node: String,
        /// All of the new configuration.
        config: Box<NodeConfig>,
        /// What the file changes, in its words.
        change: String,
    },
    /// A node is asked or ordered something: a ping, a connection.
    Query {
        /// Which node.
        node: String,
        /// What.
        query: Query,
    },
    /// Something must be so.
    Expect(Vec<Expect>),
}

/// Something that must be so.
#[derive(Debug, Clone, PartialEq)]
pub struct Expect {
    /// The place in the file, a line from 1.
    pub line: usize,
    /// Of what there are entries.
    pub of: Source,
    /// Frames and events before this do not count.
    pub since: Instant,
    /// Which entries are meant.
    pub choose: Pattern,
    /// What each of them must be.
    pub has: Pattern,
    /// How many of those chosen must be so: at least, and at most. None: all of them, and there must be one.
    pub count: Option<(usize, usize)>,
}

/// Where entries come from.
#[derive(Debug, Clone, PartialEq)]
pub enum Source {
    /// What a node shows.
    Node {
        /// Its name.
        node: String,
        /// What it shows.
        show: Show,
    },
    /// The frames that a link took.
    Link(String),
}

/// What a node can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Show {
    /// Neighbours by ARP.
    Arp,
    /// The filtering database.
    Mac,
    /// Ports of bridges in their spanning trees.
    SpanningTree,
    /// TCP connections.
    Tcp,
    /// Statistics of IP and below, redirects, path MTUs: one entry.
    Ip,
    /// Interfaces.
    Interfaces,
    /// The routing table.
    Routes,
    /// Who the node is: one entry.
    Node,
    /// BGP neighbours, briefly.
    BgpSummary,
    /// BGP neighbours, all about them.
    BgpNeighbors,
    /// BGP paths.
    BgpRoutes,
    /// RIP's timers and interfaces: one entry.
    Rip,
    /// Routers that RIP hears.
    RipNeighbors,
    /// RIP's routes.
    RipRoutes,
    /// What pings so far gave.
    Ping,
    /// What traceroutes so far gave.
    Traceroute,
    /// What transfers so far gave.
    Transfer,
    /// What happened on the node so far.
    Events,
}

impl Show {
    /// All of them by name.
    pub const ALL: [(&'static str, Show); 18] = [
        ("arp", Show::Arp),
        ("mac", Show::Mac),
        ("spanning-tree", Show::SpanningTree),
        ("tcp", Show::Tcp),
        ("ip", Show::Ip),
        ("interfaces", Show::Interfaces),
        ("routes", Show::Routes),
        ("node", Show::Node),
        ("bgp-summary", Show::BgpSummary),
        ("bgp-neighbors", Show::BgpNeighbors),
        ("bgp-routes", Show::BgpRoutes),
        ("rip", Show::Rip),
        ("rip-neighbors", Show::RipNeighbors),
        ("rip-routes", Show::RipRoutes),
        ("ping", Show::Ping),
        ("traceroute", Show::Traceroute),
        ("transfer", Show::Transfer),
        ("events", Show::Events),
    ];

    /// As a file writes it.
    pub fn name(self) -> &'static str {
        Show::ALL.iter().find(|(_, show)| *show == self).map_or("", |(name, _)| name)
    }
}
