//! The configuration of a node, validated.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use trunkline_core::{Duration, MacAddr, Prefix};
use trunkline_view::RouteSource;

pub use trunkline_arp::Defend;

/// The bridge of a switch that names none.
pub const DEFAULT_BRIDGE: &str = "br0";

/// One file.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeConfig {
    /// `node.name`. Default: the host name.
    pub name: String,
    /// `node.router-id`. Default: the highest address of a loopback interface (127.0.0.0/8 aside), else the highest
    /// of any interface, as the node finds them when it starts.
    pub router_id: Option<Ipv4Addr>,
    /// `node.kind`. Default: a router.
    pub kind: Kind,
    /// `node.gateway`: where a host sends what is in no subnet of its own.
    pub gateway: Option<Ipv4Addr>,
    /// `[interface.NAME]`, in the order of the file. Those that are not the kernel's are this node's own.
    pub interfaces: Vec<InterfaceConfig>,
    /// `[bridge.NAME]`. A switch without any has one, `br0`, of all interfaces that have no address.
    pub bridges: Vec<BridgeConfig>,
    /// `[[service]]`.
    pub services: Vec<Service>,
    /// `[api]`.
    pub api: ApiConfig,
    /// `[fib]`.
    pub fib: FibConfig,
    /// `[[static]]`.
    pub static_routes: Vec<StaticRoute>,
    /// `[bgp]`. Its `router_id` is 0.0.0.0 where `router_id` above is `None`: the node fills it in.
    pub bgp: Option<trunkline_bgp::config::Config>,
    /// `[rip]`.
    pub rip: Option<RipConfig>,
    /// `bgp.listen`. Default `0.0.0.0:179` and `[::]:179`.
    pub bgp_listen: Vec<SocketAddr>,
}

impl NodeConfig {
    /// A router called `name` with the defaults of an empty file, which answers at no socket of use.
    pub fn new(name: &str) -> NodeConfig {
        NodeConfig {
            name: name.to_owned(),
            router_id: None,
            kind: Kind::Router,
            gateway: None,
            interfaces: Vec::new(),
            bridges: Vec::new(),
            services: Vec::new(),
            api: ApiConfig { socket: PathBuf::new(), listen: Vec::new() },
            fib: FibConfig { install: false, table: 254, metric: 32 },
            static_routes: Vec::new(),
            bgp: None,
            rip: None,
            bgp_listen: vec![
                SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 179),
                SocketAddr::new(std::net::Ipv6Addr::UNSPECIFIED.into(), 179),
            ],
        }
    }
}

impl NodeConfig {
    /// The highest address of our own interfaces, also such as may not be used yet (RFC 5227).
    pub(crate) fn highest_address(&self) -> Option<Ipv4Addr> {
        self.interfaces.iter().flat_map(|interface| &interface.address).map(|(address, _)| *address).max()
    }

    /// The static routes, a host's gateway among them.
    pub(crate) fn all_static_routes(&self) -> Vec<StaticRoute> {
        let mut routes = self.static_routes.clone();
        if let Some(gateway) = self.gateway
            && let Some(prefix) = Prefix::new(Ipv4Addr::UNSPECIFIED.into(), 0)
        {
            routes.push(StaticRoute { prefix, via: vec![gateway.into()], interface: None, distance: 1 });
        }
        routes
    }

    /// The interfaces that have a port of the node's own, in the order of their [`PortId`](trunkline_core::PortId)s.
    pub fn owned_ports(&self) -> impl Iterator<Item = &InterfaceConfig> {
        self.interfaces.iter().filter(|interface| {
            !matches!(interface.port, PortKind::Kernel | PortKind::Loopback)
                && !self.is_bridge(&interface.name)
        })
    }

    /// Whether an interface of this name is that of a bridge of ours: it has no port.
    pub fn is_bridge(&self, name: &str) -> bool {
        let implied = self.kind == Kind::Switch && self.bridges.is_empty() && name == DEFAULT_BRIDGE;
        implied || self.bridges.iter().any(|bridge| bridge.name == name && !bridge.kernel)
    }
}

/// `node.kind`: what a device is by default; see the defaults of [`InterfaceConfig`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Kind {
    /// Forwards packets.
    #[default]
    Router,
    /// Forwards nothing.
    Host,
    /// Forwards frames.
    Switch,
}

/// `[interface.NAME]`. All but the first two apply only to interfaces that are the node's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InterfaceConfig {
    /// The name.
    pub name: String,
    /// `port`: what is behind it. Default: the kernel's interface.
    pub port: PortKind,
    /// `enabled`. Default true.
    pub enabled: bool,
    /// `address`: addresses with the length of their subnets.
    pub address: Vec<(Ipv4Addr, u8)>,
    /// `mac`. Default: that of the port; in the lab one that is made of the names.
    pub mac: Option<MacAddr>,
    /// `mtu`: octets of an IP packet, 576..=9216. Default 1500, or less where the port's is less.
    pub mtu: u16,
    /// `proxy-arp` (RFC 1027). Default: on routers.
    pub proxy_arp: Option<bool>,
    /// `local-proxy-arp`: answer also for neighbours on the same interface (private VLANs). Default false.
    pub local_proxy_arp: bool,
    /// `redirects`: send ICMP redirects. Default: on routers.
    pub redirects: Option<bool>,
    /// `accept-redirects`: believe ICMP redirects. Default: on hosts.
    pub accept_redirects: Option<bool>,
    /// `directed-broadcast`: forward broadcasts into this interface's subnets (RFC 2644). Default false.
    pub directed_broadcast: bool,
    /// `source-route`: forward packets with a source route. Default false.
    pub source_route: bool,
    /// `duplicate-detection`: probe for an address before it is used (RFC 5227). Default false.
    pub duplicate_detection: bool,
    /// `conflict`: what to do when another station has our address (RFC 5227 §2.4). Default: defend once.
    pub conflict: Defend,
    /// `arp`: neighbours whose MAC address is given.
    pub arp: Vec<(Ipv4Addr, MacAddr)>,
}

impl InterfaceConfig {
    /// An interface with the defaults.
    pub fn new(name: &str, port: PortKind) -> InterfaceConfig {
        InterfaceConfig {
            name: name.to_owned(),
            port,
            enabled: true,
            address: Vec::new(),
            mac: None,
            mtu: 1500,
            proxy_arp: None,
            local_proxy_arp: false,
            redirects: None,
            accept_redirects: None,
            directed_broadcast: false,
            source_route: false,
            duplicate_detection: false,
            conflict: Defend::Once,
            arp: Vec::new(),
        }
    }
}

/// What is behind an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PortKind {
    /// The kernel: Linux forwards, the node is its control plane.
    Kernel,
    /// An interface of the kernel that the node has taken over, by AF_PACKET.
    Packet,
    /// A TAP interface that the node makes.
    Tap,
    /// A link of the lab.
    Simulated,
    /// Nothing: an interface for addresses, whose name begins with `lo`.
    Loopback,
}

/// `[bridge.NAME]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BridgeConfig {
    /// The name; `[interface.NAME]` of the same name is the bridge's own interface.
    pub name: String,
    /// `ports`: names of interfaces. Of a bridge of the kernel: none, its ports are those that it has.
    pub ports: Vec<String>,
    /// Whether the bridge is the kernel's, since no `ports` are named: then the node is its spanning tree alone.
    pub kernel: bool,
    /// `ageing-time`, 10..=1000000 s (IEEE 802.1D-2004 §7.9.2). Default 300 s.
    pub ageing_time: Duration,
    /// `spanning-tree` and what belongs to it; none: off. Its `address` is filled in by the node.
    pub spanning_tree: Option<trunkline_stp::Config>,
    /// `[bridge.NAME.port.PORT]`, for ports with other than the defaults. A `number` of 0 is filled in by the node.
    pub port_settings: Vec<(String, trunkline_stp::PortConfig)>,
}

impl BridgeConfig {
    /// A bridge without ports.
    pub fn new(name: &str) -> BridgeConfig {
        BridgeConfig {
            name: name.to_owned(),
            ports: Vec::new(),
            kernel: false,
            ageing_time: Duration::from_secs(300),
            spanning_tree: None,
            port_settings: Vec::new(),
        }
    }
}

/// `[[service]]`: a small server of the node's own TCP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Service {
    /// `kind`.
    pub kind: ServiceKind,
    /// `port`, 1..=65535. Default: that of the RFC, or of iperf3.
    pub port: u16,
}

/// What a service does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServiceKind {
    /// Sends back what it gets (RFC 862, port 7).
    Echo,
    /// Takes and forgets (RFC 863, port 9).
    Discard,
    /// Sends without end (RFC 864, port 19).
    Chargen,
    /// Tests of TCP by iperf3 (port 5201).
    Iperf3,
}

/// `[rip]`.
#[derive(Debug, Clone, PartialEq)]
pub struct RipConfig {
    /// What the machine does; the keys of its interfaces are in `authentication`, since here they live by the calendar.
    pub machine: trunkline_rip::Config,
    /// `distance`: administrative distance of its routes, 1..=255. Default 120.
    pub distance: u8,
    /// `redistribute`: whose routes are advertised; no source twice, and never RIP.
    pub redistribute: Vec<RipRedistribute>,
    /// `authentication` of `[rip.interface.NAME]`, by that name.
    pub authentication: BTreeMap<String, RipAuthentication>,
}

impl RipConfig {
    /// RIP on no interface.
    pub fn new() -> RipConfig {
        RipConfig {
            machine: trunkline_rip::Config::default(),
            distance: DISTANCE_RIP,
            redistribute: Vec::new(),
            authentication: BTreeMap::new(),
        }
    }
}

impl Default for RipConfig {
    fn default() -> RipConfig {
        RipConfig::new()
    }
}

/// Administrative distance of RIP's routes where none is configured.
pub const DISTANCE_RIP: u8 = 120;

/// Routes of others that RIP advertises while they are the best of the node.
#[derive(Debug, Clone, PartialEq)]
pub struct RipRedistribute {
    /// Whose.
    pub source: RouteSource,
    /// `metric`, 1..=15. Default 1.
    pub metric: u8,
    /// `tag`: Route Tag (RFC 2453 §4.2). Default 0.
    pub tag: u16,
    /// `policy`: which of them. Default: all.
    pub filter: Option<Arc<trunkline_rip::Filter>>,
}

/// Keys of an interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RipAuthentication {
    /// In the order of the file.
    pub keys: Vec<RipKey>,
    /// Whether nothing is sent and accepted any more when the last key is out of date. Default false: it is used on (RFC
    /// 4822 §5.1 (2)).
    pub fail_secure: bool,
    /// Whether a neighbour that was silent for the invalid time may go on with any sequence number. Default false: with a
    /// higher one or zero (RFC 4822 §2.3.2 (6)).
    pub any_after_silence: bool,
}

/// A key with lifetimes of the calendar.
#[derive(Clone, PartialEq, Eq)]
pub struct RipKey {
    /// Key ID.
    pub id: u8,
    /// How.
    pub algorithm: trunkline_rip::Algorithm,
    /// The secret.
    pub secret: Vec<u8>,
    /// When it is used for what we send.
    pub send: CalendarLifetime,
    /// When it is accepted.
    pub accept: CalendarLifetime,
}

impl fmt::Debug for RipKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "RipKey({}, {:?}, send {:?}, accept {:?}, …)",
            self.id, self.algorithm, self.send, self.accept
        )
    }
}

/// From when until when, in seconds since 1970-01-01 00:00 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CalendarLifetime {
    /// None: since ever.
    pub from: Option<u64>,
    /// None: for ever.
    pub until: Option<u64>,
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
