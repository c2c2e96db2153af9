//! What the operator sets: of the device, of each interface, and the routes that the node's FIB gives.

use std::net::Ipv4Addr;

use smallvec::SmallVec;
use trunkline_core::{Duration, Ipv4Prefix, PortId};

/// Settings of the device. Every limit is a promise about memory: what is beyond it is dropped and counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Whether packets for others are forwarded: a router; else a host (RFC 1122 §3.3.1, RFC 1812 §5). Default: false.
    pub forwarding: bool,
    /// Whether an echo request to a broadcast or multicast address is answered (RFC 1122 §3.2.2.6). Default: false.
    pub echo_broadcast: bool,
    /// TTL of packets from here where the sender gives none, 1 to 255. Default: 64.
    pub default_ttl: u8,
    /// ICMP errors in a second, in all (RFC 1812 §4.3.2.8). 0: none are sent. Default: 1000.
    pub icmp_rate: u32,
    /// ICMP errors that may go at once, in all, 1 or more. Default: 50.
    pub icmp_burst: u32,
    /// The time after which one more ICMP error goes to the same destination. Zero: no limit. Default: 1 s.
    /// "Fragmentation needed" is not held to this one, since path MTU discovery needs each.
    pub icmp_host_interval: Duration,
    /// ICMP errors that may go to the same destination at once, 1 or more. Default: 6.
    pub icmp_host_burst: u32,
    /// Destinations of ICMP errors that are remembered for the limits and for the backoff of redirects. Default: 4096.
    pub max_icmp_hosts: usize,
    /// How long the fragments of a datagram wait for the missing ones (RFC 1122 §3.3.2 has 60 to 120 s, Linux 30 s).
    /// Default: 30 s.
    pub reassembly_timeout: Duration,
    /// Datagrams in reassembly at once. Default: 256.
    pub max_reassemblies: usize,
    /// Datagrams in reassembly at once from one source, so that one cannot starve the others. Default: 64.
    pub max_reassemblies_per_source: usize,
    /// Octets that all reassemblies may hold. Default: 4 MiB.
    pub max_reassembly_octets: usize,
    /// Paths whose MTU is remembered. Default: 4096.
    pub max_path_mtus: usize,
    /// After this a larger path MTU is tried again (RFC 1191 §6.3). Default: 600 s.
    pub path_mtu_lifetime: Duration,
    /// The least path MTU that is believed, 68 to 65,535 octets. Where a path claims less, packets go without Don't
    /// Fragment, as in Linux; so a forged error cannot make them tiny. Default: 552.
    pub min_path_mtu: u16,
    /// Redirects that are remembered. Default: 1024.
    pub max_redirects: usize,
    /// How long a redirect is followed (RFC 1122 §3.3.1.3). Default: 300 s.
    pub redirect_lifetime: Duration,
    /// The first pause between redirects to a host about the same destination; doubles with each. Default: 20 ms.
    pub redirect_pause: Duration,
    /// Redirects to a host about the same destination that it may ignore before there are no more. Default: 9.
    pub max_ignored_redirects: u32,
    /// After this time without need for a redirect, a host that ignored them gets them again. Default: 20 s.
    pub redirect_silence: Duration,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            forwarding: false,
            echo_broadcast: false,
            default_ttl: 64,
            icmp_rate: 1000,
            icmp_burst: 50,
            icmp_host_interval: Duration::from_secs(1),
            icmp_host_burst: 6,
            max_icmp_hosts: 4096,
            reassembly_timeout: Duration::from_secs(30),
            max_reassemblies: 256,
            max_reassemblies_per_source: 64,
            max_reassembly_octets: 4 << 20,
            max_path_mtus: 4096,
            path_mtu_lifetime: Duration::from_secs(600),
            min_path_mtu: 552,
            max_redirects: 1024,
            redirect_lifetime: Duration::from_secs(300),
            redirect_pause: Duration::from_millis(20),
            max_ignored_redirects: 9,
            redirect_silence: Duration::from_secs(20),
        }
    }
}

/// Whether a packet's source must be routed back (RFC 1812 §5.3.8, RFC 3704).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ReversePath {
    /// Not checked.
    #[default]
    Off,
    /// There is a route to the source.
    Loose,
    /// The route to the source leads through the interface that the packet came in by.
    Strict,
}

/// Settings of an interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InterfaceConfig {
    /// Its name, for events.
    pub name: String,
    /// Whether it can carry packets.
    pub up: bool,
    /// The largest packet, its IPv4 header included, 68 to 65,535 octets.
    pub mtu: u16,
    /// Its addresses with the lengths of their prefixes; the first in a subnet is primary, the others secondary.
    pub addresses: Vec<(Ipv4Addr, u8)>,
    /// Whether it leads nowhere: its addresses are this device's, and nothing is sent by it.
    pub loopback: bool,
    /// Whether redirects are sent about packets that leave as they came (RFC 1812 §5.2.7.2). Default: true.
    pub send_redirects: bool,
    /// Whether redirects are believed (RFC 1122 §3.2.2.2); meant for hosts. Default: false.
    pub accept_redirects: bool,
    /// Whether packets from elsewhere to this subnet's broadcast address go out (RFC 1812 §5.3.5.2, RFC 2644).
    /// Default: false.
    pub directed_broadcast: bool,
    /// Whether packets with a source route option are taken here at all (RFC 1812 §5.3.13.4). Default: false.
    pub source_route: bool,
    /// Whether sources are checked against the routes. Default: off.
    pub reverse_path: ReversePath,
}

impl InterfaceConfig {
    /// An interface that is up, with an MTU of 1500 octets, without addresses.
    pub fn new(name: &str) -> InterfaceConfig {
        InterfaceConfig {
            name: name.to_owned(),
            up: true,
            mtu: 1500,
            addresses: Vec::new(),
            loopback: false,
            send_redirects: true,
            accept_redirects: false,
            directed_broadcast: false,
            source_route: false,
            reverse_path: ReversePath::Off,
        }
    }
}

/// Where packets go next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NextHop {
    /// The router; none where the destination itself is on the link.
    pub gateway: Option<Ipv4Addr>,
    /// The interface to send by.
    pub interface: PortId,
}

/// What is done with packets that a route matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum RouteKind {
    /// They are sent to a next hop.
    #[default]
    Unicast,
    /// They are dropped silently.
    Blackhole,
    /// They are dropped; the source hears "host unreachable", as from Linux.
    Unreachable,
    /// They are dropped; the source hears "communication administratively prohibited" (RFC 1812 §5.2.7.1).
    Prohibit,
}

/// The next hops of a route; most have one.
pub type NextHops = SmallVec<[NextHop; 1]>;

/// A route of the FIB.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The destinations.
    pub prefix: Ipv4Prefix,
    /// The ways there, all equally good: a flow stays on one (RFC 1812 §5.2.4.5). Empty where `kind` is not unicast.
    pub next_hops: NextHops,
    /// What is done.
    pub kind: RouteKind,
}

impl Route {
    /// A route with one next hop.
    pub fn new(prefix: Ipv4Prefix, gateway: Option<Ipv4Addr>, interface: PortId) -> Route {
        let next_hops = SmallVec::from_buf([NextHop { gateway, interface }]);
        Route { prefix, next_hops, kind: RouteKind::Unicast }
    }
}
