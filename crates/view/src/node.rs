//! The node itself: identity, interfaces and the routing table.

use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv4Addr};
use trunkline_core::Prefix;

/// Who a node is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NodeView {
    /// `node.name`.
    pub name: String,
    /// The version of Trunkline.
    pub version: String,
    /// `node.router-id`, as given or as chosen.
    pub router_id: Ipv4Addr,
    /// Seconds since the node started.
    pub uptime: f64,
    /// The process id.
    pub pid: u32,
    /// The files it was configured from; empty for the built-in quick start.
    pub config_files: Vec<String>,
}

/// Interfaces.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterfacesView {
    /// By index.
    pub interfaces: Vec<Interface>,
}

/// One interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interface {
    /// The kernel's index.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// What the operator wants.
    pub admin: AdminState,
    /// Whether it can carry packets (IFF_RUNNING / operational state up).
    pub up: bool,
    /// Octets.
    pub mtu: u32,
    /// The MAC address as text, where it has one.
    pub mac: Option<String>,
    /// Its addresses.
    pub addresses: Vec<Address>,
}

/// What the operator wants of an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AdminState {
    /// Enabled.
    Up,
    /// Disabled.
    Down,
}

/// An address of an interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    /// The address.
    pub address: IpAddr,
    /// Its prefix length.
    pub length: u8,
}

/// A page of the routing table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoutesView {
    /// The routes.
    pub routes: Vec<Route>,
    /// Where the next page starts; none: this was the last.
    pub next: Option<u64>,
    /// How many routes the table holds.
    pub total: u64,
}

/// A route of the routing table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// Its destination.
    pub prefix: Prefix,
    /// Who gave it.
    pub source: RouteSource,
    /// Administrative distance, 0..=255; lower wins.
    pub distance: u8,
    /// The metric within its source.
    pub metric: u32,
    /// Where packets go; empty: they are dropped (blackhole).
    pub next_hops: Vec<RouteNextHop>,
    /// Whether it won over other routes to the prefix.
    pub selected: bool,
    /// Whether it is in the kernel, by whoever's hand.
    pub installed: bool,
    /// Why a selected route is not in the kernel, where that is so.
    pub not_installed_because: Option<String>,
}

/// Who gave a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RouteSource {
    /// An interface's subnet.
    Connected,
    /// An address of this node.
    Local,
    /// The configuration.
    Static,
    /// Another program's route in the kernel.
    Kernel,
    /// RIP.
    Rip,
    /// BGP.
    Bgp,
}

/// One way out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteNextHop {
    /// The gateway; none: the destination is on the interface itself.
    pub gateway: Option<IpAddr>,
    /// The interface.
    pub interface: Option<String>,
}
