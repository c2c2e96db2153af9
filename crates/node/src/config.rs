//! The configuration of a node, validated.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use trunkline_core::Prefix;

/// One file.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeConfig {
    /// `node.name`. Default: the host name.
    pub name: String,
    /// `node.router-id`. Default: the highest address of a loopback interface (127.0.0.0/8 aside), else the highest
    /// of any interface, as the node finds them when it starts.
    pub router_id: Option<Ipv4Addr>,
    /// `[api]`.
    pub api: ApiConfig,
    /// `[fib]`.
    pub fib: FibConfig,
    /// `[[static]]`.
    pub static_routes: Vec<StaticRoute>,
    /// `[bgp]`. Its `router_id` is 0.0.0.0 where `router_id` above is `None`: the node fills it in.
    pub bgp: Option<trunkline_bgp::config::Config>,
    /// `bgp.listen`. Default 0.0.0.0:179 and [::]:179.
    pub bgp_listen: Vec<SocketAddr>,
}

/// `[api]`: where the node answers queries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiConfig {
    /// `socket`. Default: `/run/trunkline/<name>.sock` as root, else `$XDG_RUNTIME_DIR/trunkline/<name>.sock`, else
    /// `/tmp/trunkline-<uid>/<name>.sock`.
    pub socket: PathBuf,
    /// `listen`: HTTP over TCP. Default: none.
    pub listen: Vec<SocketAddr>,
}

/// `[fib]`: the kernel's table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FibConfig {
    /// `install`: whether the best routes go to the kernel. Default false.
    pub install: bool,
    /// `table`: which kernel table, 1..=4294967295. Default 254 (main).
    pub table: u32,
    /// `metric`: the kernel's priority of our routes. Default 32, below what other programs commonly use.
    pub metric: u32,
}

/// `[[static]]`: a route of our own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaticRoute {
    /// `prefix`.
    pub prefix: Prefix,
    /// `via`: the gateways; several share the load. Empty with `blackhole = true`.
    pub via: Vec<IpAddr>,
    /// `interface`: where the prefix is directly reachable, or where the gateways are.
    pub interface: Option<String>,
    /// `distance`, 1..=255. Default 1.
    pub distance: u8,
}
