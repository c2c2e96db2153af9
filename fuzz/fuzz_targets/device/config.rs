//! Configurations of the device: a kind, and bits that say what is different from the simplest.

use std::net::Ipv4Addr;
use std::sync::Arc;
use trunkline_bgp::config::{Config, NeighborConfig};
use trunkline_bgp::policy::Policy;
use trunkline_core::{Asn, Duration, MacAddr, PortId};
use trunkline_node::config::{
    BridgeConfig, Defend, InterfaceConfig, Kind, NodeConfig, PortKind, Service, ServiceKind, StaticRoute,
};

/// The address of a port.
pub fn port_mac(port: PortId) -> MacAddr {
    MacAddr([2, 0, 0, 0, 0, port.0 as u8])
}

/// What the interface eth0 has instead where its configuration says so.
pub const OTHER_MAC: MacAddr = MacAddr([2, 0, 0, 9, 0, 0]);

/// The address of another station.
pub fn peer_mac(address: Ipv4Addr) -> MacAddr {
    let [_, b, c, d] = address.octets();
    MacAddr([2, 0, 1, b, c, d])
}

/// All addresses that a device may have.
pub const OWN: [Ipv4Addr; 7] = [
    Ipv4Addr::new(10, 0, 0, 254),
    Ipv4Addr::new(10, 0, 1, 254),
    Ipv4Addr::new(10, 0, 9, 254),
    Ipv4Addr::new(192, 0, 2, 1),
    Ipv4Addr::new(10, 0, 0, 1),
    Ipv4Addr::new(10, 0, 0, 10),
    Ipv4Addr::new(10, 0, 9, 1),
];

/// That of eth0, or of br0.
pub fn first_address(kind: u8) -> Ipv4Addr {
    match kind % 3 {
        0 => OWN[0],
        1 => OWN[4],
        _ => OWN[5],
    }
}

fn interface(name: &str, addresses: &[(Ipv4Addr, u8)]) -> InterfaceConfig {
    let port = if name.starts_with("lo") { PortKind::Loopback } else { PortKind::Simulated };
    InterfaceConfig { address: addresses.to_vec(), ..InterfaceConfig::new(name, port) }
}

fn bgp(variant: u8) -> Config {
    let (own, peer) = (Asn(65_001), Asn(65_002));
    let neighbor = |address: [u8; 4], passive| {
        Arc::new(NeighborConfig {
            import: Policy::Accept,
            export: Policy::Accept,
            passive,
            ..NeighborConfig::new(Ipv4Addr::from(address).into(), peer, own)
        })
    };
    Config {
        networks: ["192.0.2.1/32", "10.5.0.0/16"].map(|text| text.parse().expect("a prefix")).to_vec(),
        neighbors: vec![neighbor([10, 0, 1, 1], false), neighbor([10, 0, 0, 2], variant & 0x20 == 0)],
        ..Config::new(own, Ipv4Addr::UNSPECIFIED, "fuzz")
    }
}

fn route(prefix: &str, via: &[[u8; 4]]) -> StaticRoute {
    StaticRoute {
        prefix: prefix.parse().expect("a prefix"),
        via: via.iter().map(|address| Ipv4Addr::from(*address).into()).collect(),
        interface: None,
        distance: 1,
    }
}

fn router(variant: u8) -> NodeConfig {
    NodeConfig {
        interfaces: vec![
            interface("eth0", &[(OWN[0], 24)]),
            interface("eth1", &[(OWN[1], 24)]),
            interface("lo0", &[(OWN[3], 32)]),
        ],
        static_routes: vec![
            route("0.0.0.0/0", &[[10, 0, 1, 1]]),
            route("10.5.0.0/16", &[]),
            route("10.6.0.0/16", &[[10, 0, 1, 1], [10, 0, 0, 3]]),
        ],
        bgp: (variant & 8 == 0).then(|| bgp(variant)),
        ..NodeConfig::new("router")
    }
}

fn host() -> NodeConfig {
    NodeConfig {
        kind: Kind::Host,
        gateway: Some(OWN[0]),
        interfaces: vec![interface("eth0", &[(OWN[4], 24)])],
        ..NodeConfig::new("host")
    }
}

fn switch() -> NodeConfig {
    let own = InterfaceConfig { port: PortKind::Loopback, ..interface("br0", &[(OWN[5], 24)]) };
    NodeConfig {
        kind: Kind::Switch,
        gateway: Some(OWN[0]),
        interfaces: vec![interface("eth0", &[]), interface("eth1", &[]), interface("eth2", &[]), own],
        ..NodeConfig::new("switch")
    }
}

/// A configuration. Kind: a router, a host or a switch. Variant 0 is the simplest.
pub fn config(kind: u8, variant: u8) -> NodeConfig {
    let mut config = match kind % 3 {
        0 => router(variant),
        1 => host(),
        _ => switch(),
    };
    let service = |kind, port| Service { kind, port };
    config.services = vec![service(ServiceKind::Echo, 7), service(ServiceKind::Discard, 9)];
    if variant & 8 == 0 {
        config.services.push(service(ServiceKind::Chargen, 19));
    }
    if variant & 0x40 != 0 {
        config.bridges.push(BridgeConfig {
            ports: vec!["eth1".to_owned(), "eth2".to_owned()],
            ageing_time: Duration::from_secs(10),
            ..BridgeConfig::new("br0")
        });
    }
    let names: Vec<String> = config.bridges.iter().flat_map(|bridge| bridge.ports.clone()).collect();
    for interface in &mut config.interfaces {
        if names.contains(&interface.name) {
            interface.address.clear();
        }
    }
    let Some(first) = config.interfaces.first_mut() else { return config };
    first.enabled = variant & 0x80 == 0;
    first.mac = (variant & 0x10 != 0).then_some(OTHER_MAC);
    if variant & 4 != 0 && !first.address.is_empty() {
        first.duplicate_detection = true;
        first.conflict = if variant & 8 == 0 { Defend::Never } else { Defend::Once };
        first.address.push((if kind % 3 == 0 { OWN[2] } else { OWN[6] }, 24));
        first.arp = vec![(Ipv4Addr::new(10, 0, 0, 3), MacAddr([2, 0, 0, 7, 7, 7]))];
    }
    if variant & 0x20 != 0 {
        first.local_proxy_arp = true;
        first.directed_broadcast = true;
        first.source_route = true;
        first.accept_redirects = Some(true);
        first.mtu = 576;
    }
    config
}
