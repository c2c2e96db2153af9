//! The configuration of BGP, validated: what `trunkline-config` makes of a file and what a test writes by hand.

use crate::policy::Policy;
use crate::transport::{AoKeys, Md5Key, TcpKey};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use trunkline_core::{Asn, Duration, Prefix};
use trunkline_view::RouteSource;
use trunkline_wire::bgp::{Family, Role};

/// `[bgp]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// `asn`: our AS.
    pub asn: Asn,
    /// `node.router-id`: our BGP Identifier (RFC 6286: any but 0).
    pub router_id: Ipv4Addr,
    /// `node.name`, said in the FQDN capability.
    pub host_name: String,
    /// `cluster-id` of a route reflector (RFC 4456 §7); the router id where none.
    pub cluster_id: Option<Ipv4Addr>,
    /// `networks`: announced while the node has exactly such a route.
    pub networks: Vec<Prefix>,
    /// `redistribute`: whose routes are announced while they are the best of the node; no source twice, and never BGP.
    pub redistribute: Vec<Redistribute>,
    /// `[[bgp.neighbor]]`.
    pub neighbors: Vec<Arc<NeighborConfig>>,
    /// `[[bgp.listen-range]]`.
    pub listen_ranges: Vec<ListenRange>,
    /// `reject`: what a connection from nobody we know gets.
    pub reject: Reject,
    /// `always-compare-med`: compare MULTI_EXIT_DISC between neighbouring ASes too. Default false.
    pub always_compare_med: bool,
    /// `maximum-paths`: how many equally good paths share the load in the kernel, 1..=64. Default 1.
    pub maximum_paths: u16,
    /// `multipath-relax`: paths of different ASes but equal AS_PATH length may share the load. Default false.
    pub multipath_relax: bool,
    /// `default-local-pref`: LOCAL_PREF of routes that have none. Default 100.
    pub default_local_pref: u32,
    /// `distance-external`: administrative distance of routes from external peers. Default 20.
    pub distance_external: u8,
    /// `distance-internal`: and from internal ones. Default 200.
    pub distance_internal: u8,
    /// `table-shards`: parts of each table that are changed beside each other, 1..=16, rounded up to a power of two. Default 1.
    pub table_shards: u8,
}

impl Config {
    /// A speaker with defaults, without neighbours and networks.
    pub fn new(asn: Asn, router_id: Ipv4Addr, host_name: impl Into<String>) -> Config {
        Config {
            asn,
            router_id,
            host_name: host_name.into(),
            cluster_id: None,
            networks: Vec::new(),
            redistribute: Vec::new(),
            neighbors: Vec::new(),
            listen_ranges: Vec::new(),
            reject: Reject::default(),
            always_compare_med: false,
            maximum_paths: 1,
            multipath_relax: false,
            default_local_pref: 100,
            distance_external: 20,
            distance_internal: 200,
            table_shards: 1,
        }
    }
}

/// Routes of others that are announced, with ORIGIN INCOMPLETE.
#[derive(Debug, Clone, PartialEq)]
pub struct Redistribute {
    /// Whose.
    pub source: RouteSource,
    /// `med`: their MULTI_EXIT_DISC; none: their metric.
    pub med: Option<u32>,
    /// `policy`: which of them, and with what. Default: all, unchanged.
    pub policy: Policy,
}

/// What a connection gets that matches no neighbour, or a disabled one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reject {
    /// Closed without a word, as other daemons do.
    #[default]
    Close,
    /// NOTIFICATION 6/5 Cease/Connection Rejected (RFC 4486).
    Notify,
}

/// `[[bgp.neighbor]]`. Defaults are those of [`NeighborConfig::new`].
#[derive(Debug, Clone, PartialEq)]
pub struct NeighborConfig {
    /// `address`.
    pub address: IpAddr,
    /// `port`. Default 179.
    pub port: u16,
    /// `local-address`: our end. Default: the system chooses.
    pub local_address: Option<IpAddr>,
    /// `asn`: the peer's AS.
    pub asn: Asn,
    /// `description`.
    pub description: Option<String>,
    /// `enabled`: false keeps the neighbour down. Default true.
    pub enabled: bool,
    /// `passive`: wait for the peer to connect (PassiveTcpEstablishment). Default false.
    pub passive: bool,
    /// `families`, not empty. Default ipv4-unicast for an IPv4 address, ipv6-unicast for an IPv6 one.
    pub families: Vec<Family>,
    /// `hold-time` in seconds: 0 or 3..=65535. Default 180.
    pub hold_time: u16,
    /// `send-hold-time` in seconds, 0 is off (RFC 9687). Default: 480, or twice the hold time where that is more.
    pub send_hold_time: u16,
    /// `connect-retry` in seconds (ConnectRetryTime), 1..=65535. Default 10.
    pub connect_retry: u16,
    /// `delay-open` in seconds (DelayOpenTime), 0 is off. Default 0.
    pub delay_open: u16,
    /// `idle-hold` in seconds (IdleHoldTime): the wait in Idle before an automatic restart after an error, 0..=3600.
    /// Default 1.
    pub idle_hold: u16,
    /// `damp-peer-oscillations`: double the wait at each error in a row, up to 120 s or `idle_hold` where that is
    /// more. Default true.
    pub damp_peer_oscillations: bool,
    /// `collision-detect-established` (CollisionDetectEstablishedState). Default false.
    pub collision_detect_established: bool,
    /// `notification-without-open` (SendNOTIFICATIONwithoutOPEN). Default false.
    pub notification_without_open: bool,
    /// `track-tcp-state` (TrackTcpState): take part in TCP's opening: Events 14 and 15. Default false.
    pub track_tcp_state: bool,
    /// `multihop`: TTL for an external peer that is not directly connected, 1..=255. Default: none, TTL 1. Internal
    /// peers are always multihop.
    pub multihop: Option<u8>,
    /// `ttl-security`: GTSM (RFC 5082): hops the peer may be away, 1..=254. Default: none.
    pub ttl_security: Option<u8>,
    /// `password`: TCP MD5 key (RFC 2385).
    pub password: Option<Md5Key>,
    /// `tcp-ao`: keys of the TCP Authentication Option (RFC 5925). Excludes `password`.
    pub tcp_ao: Option<AoKeys>,
    /// `role` (RFC 9234).
    pub role: Option<Role>,
    /// `role-strict`: refuse a peer that does not say its role (RFC 9234 §4.2). Default false.
    pub role_strict: bool,
    /// `route-reflector-client` (RFC 4456). Internal peers only. Default false.
    pub route_reflector_client: bool,
    /// `next-hop-self`: set NEXT_HOP to ourselves towards an internal peer. External peers: always. Default false.
    pub next_hop_self: bool,
    /// `allow-own-as`: how often our AS may stand in AS_PATH, 0..=10. Default 0.
    pub allow_own_as: u8,
    /// `enforce-first-as`: an external peer's AS_PATH must begin with its AS (RFC 4271 §6.3). Default true.
    pub enforce_first_as: bool,
    /// `extended-messages`: offer RFC 8654. Default true.
    pub extended_messages: bool,
    /// `extended-next-hop`: offer RFC 8950 for ipv4-unicast. Default false.
    pub extended_next_hop: bool,
    /// `graceful-restart-helper`: keep a restarting peer's routes (RFC 4724 §4.2). Default true.
    pub graceful_restart_helper: bool,
    /// `stale-time` in seconds: the longest we keep them, whatever the peer asks, 1..=4095. Default 300.
    pub stale_time: u16,
    /// `maximum-prefixes`: for each family.
    pub maximum_prefixes: Option<MaximumPrefixes>,
    /// `import`. Default: reject all from an external peer (RFC 8212), accept all from an internal one.
    pub import: Policy,
    /// `export`. Likewise.
    pub export: Policy,
}

impl NeighborConfig {
    /// A neighbour with defaults; `local_asn` is ours.
    pub fn new(address: IpAddr, asn: Asn, local_asn: Asn) -> NeighborConfig {
        // RFC 8212: nothing passes between ASes without a policy.
        let policy = if asn == local_asn { Policy::Accept } else { Policy::Reject };
        NeighborConfig {
            address,
            port: trunkline_wire::bgp::PORT,
            local_address: None,
            asn,
            description: None,
            enabled: true,
            passive: false,
            families: vec![if address.is_ipv4() { Family::IPV4_UNICAST } else { Family::IPV6_UNICAST }],
            hold_time: 180,
            send_hold_time: 480,
            connect_retry: 10,
            delay_open: 0,
            idle_hold: 1,
            damp_peer_oscillations: true,
            collision_detect_established: false,
            notification_without_open: false,
            track_tcp_state: false,
            multihop: None,
            ttl_security: None,
            password: None,
            tcp_ao: None,
            role: None,
            role_strict: false,
            route_reflector_client: false,
            next_hop_self: false,
            allow_own_as: 0,
            enforce_first_as: true,
            extended_messages: true,
            extended_next_hop: false,
            graceful_restart_helper: true,
            stale_time: 300,
            maximum_prefixes: None,
            import: policy.clone(),
            export: policy,
        }
    }

    /// How segments from and to it are signed.
    pub fn tcp_key(&self) -> Option<TcpKey> {
        let ao = self.tcp_ao.clone().map(TcpKey::Ao);
        ao.or_else(|| self.password.clone().map(TcpKey::Md5))
    }
}

/// `maximum-prefixes = { limit, warning, restart }`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MaximumPrefixes {
    /// More than these: Cease 6/1 (RFC 4486).
    pub limit: u32,
    /// Percent of `limit` at which a warning is given, 1..=100. Default 75.
    pub warning: u8,
    /// Start again after this long; none: only by hand.
    pub restart: Option<Duration>,
}

/// `[[bgp.listen-range]]`: neighbours that need not be listed one by one.
#[derive(Debug, Clone, PartialEq)]
pub struct ListenRange {
    /// `prefix`: where they may connect from.
    pub prefix: Prefix,
    /// `limit`: how many at once, 1..=100000. Default 100.
    pub limit: u32,
    /// What each of them gets; `address` is replaced, `passive` is true.
    pub template: Arc<NeighborConfig>,
}
