//! The machines below the protocols of routing: ARP, bridges, IP.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

/// Counters by name; those of a MIB have the name that they have there.
pub type Counters = BTreeMap<String, u64>;

/// What ARP knows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ArpView {
    /// Neighbours, by interface and address.
    pub entries: Vec<ArpEntry>,
    /// The node's own addresses, by interface.
    pub own: Vec<OwnAddress>,
}

/// A neighbour.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ArpEntry {
    /// The interface it is on.
    pub interface: String,
    /// Its IP address.
    pub ip: Ipv4Addr,
    /// Its MAC address, where known.
    pub mac: Option<String>,
    /// Its state: incomplete, reachable, stale, delay, probe, failed or permanent (RFC 4861 §7.3.2).
    pub state: String,
    /// Seconds since it was last heard or confirmed.
    pub age: f64,
    /// Seconds until the state ends of itself, where it does.
    pub expires: Option<f64>,
    /// Packets that wait for its MAC address.
    pub queued: u64,
    /// Whether the operator gave it.
    pub fixed: bool,
}

/// One of the node's own addresses on an interface that speaks ARP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnAddress {
    /// The interface.
    pub interface: String,
    /// The address.
    pub ip: Ipv4Addr,
    /// probing, usable, or "conflict with" and a MAC address (RFC 5227).
    pub state: String,
}

/// What bridges know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MacView {
    /// The bridges.
    pub bridges: Vec<BridgeView>,
    /// Stations, by bridge and MAC address.
    pub entries: Vec<MacEntry>,
}

/// A bridge.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BridgeView {
    /// Its name.
    pub name: String,
    /// The MAC address of its own interface.
    pub mac: String,
    /// Seconds.
    pub ageing_time: f64,
    /// Its ports.
    pub ports: Vec<BridgePortView>,
    /// What became of the filtering database.
    pub counters: Counters,
}

/// A port of a bridge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BridgePortView {
    /// Its name.
    pub name: String,
    /// disabled, discarding, learning or forwarding.
    pub state: String,
    /// What became of the frames that came in.
    pub counters: Counters,
}

/// A station that a bridge has heard.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MacEntry {
    /// The bridge.
    pub bridge: String,
    /// The station's MAC address.
    pub mac: String,
    /// The port it is behind.
    pub port: String,
    /// Seconds since it was last heard.
    pub age: f64,
    /// Whether the operator gave it.
    pub fixed: bool,
}

/// Statistics of IP and what is below it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IpView {
    /// IP, ICMP and UDP (RFC 4293, RFC 4113), and why packets were dropped.
    pub counters: Counters,
    /// Redirects in force, by destination.
    pub redirects: Vec<RedirectView>,
    /// Paths with a known MTU, by destination.
    pub path_mtus: Vec<PathMtuView>,
    /// ARP, by interface.
    pub arp: BTreeMap<String, Counters>,
    /// Frames, by interface.
    pub frames: BTreeMap<String, Counters>,
}

/// A redirect in force.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RedirectView {
    /// For which destination.
    pub destination: Ipv4Addr,
    /// Where packets to it go.
    pub gateway: Ipv4Addr,
    /// By which interface.
    pub interface: String,
    /// Seconds until it is forgotten.
    pub expires: f64,
}

/// A path whose MTU is known to be smaller than its first link's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PathMtuView {
    /// The path's end.
    pub destination: Ipv4Addr,
    /// Octets, the IPv4 header included.
    pub mtu: u16,
    /// Seconds until it is forgotten.
    pub expires: f64,
}
