//! What a configuration means for the stack: its interfaces, bridges, and the settings of its machines.

use crate::config::{BridgeConfig, DEFAULT_BRIDGE, InterfaceConfig, Kind, NodeConfig, PortKind};
use trunkline_arp as arp;
use trunkline_core::PortId;
use trunkline_ip as ip;

/// An interface to be.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Planned {
    pub(super) config: InterfaceConfig,
    pub(super) link: PlannedLink,
    /// The bridge whose port it is.
    pub(super) member_of: Option<String>,
}

/// What it stands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PlannedLink {
    Port(PortId),
    /// The bridge of the same name.
    Bridge,
    Loopback,
}

/// Whether a configuration needs the stack.
pub(super) fn is_wanted(config: &NodeConfig) -> bool {
    config.kind != Kind::Router
        || config.bridges.iter().any(|bridge| !bridge.kernel)
        || config.interfaces.iter().any(|interface| interface.port != PortKind::Kernel)
}

/// The bridges that are ours.
pub(super) fn bridges(config: &NodeConfig) -> Vec<BridgeConfig> {
    if !config.bridges.is_empty() || config.kind != Kind::Switch {
        return config.bridges.iter().filter(|bridge| !bridge.kernel).cloned().collect();
    }
    let ports = config.owned_ports().filter(|i| i.address.is_empty()).map(|i| i.name.clone());
    vec![BridgeConfig { ports: ports.collect(), ..BridgeConfig::new(DEFAULT_BRIDGE) }]
}

/// The interfaces: those on ports in the order of the ports, then loopbacks, then those of bridges.
pub(super) fn interfaces(config: &NodeConfig, bridges: &[BridgeConfig]) -> Vec<Planned> {
    let is_bridge = |name: &str| bridges.iter().any(|bridge| bridge.name == name);
    let mut planned: Vec<Planned> = Vec::new();
    for (number, interface) in config.owned_ports().enumerate() {
        let bridge = bridges.iter().find(|bridge| bridge.ports.contains(&interface.name));
        planned.push(Planned {
            config: interface.clone(),
            link: PlannedLink::Port(PortId(number as u32)),
            member_of: bridge.map(|bridge| bridge.name.clone()),
        });
    }
    let loopbacks = config.interfaces.iter().filter(|i| i.port == PortKind::Loopback && !is_bridge(&i.name));
    for interface in loopbacks {
        let config = interface.clone();
        planned.push(Planned { config, link: PlannedLink::Loopback, member_of: None });
    }
    for bridge in bridges {
        let own = config.interfaces.iter().find(|interface| interface.name == bridge.name);
        let config = own.cloned().unwrap_or_else(|| InterfaceConfig::new(&bridge.name, PortKind::Loopback));
        planned.push(Planned { config, link: PlannedLink::Bridge, member_of: None });
    }
    planned
}

/// The settings of IP.
pub(super) fn ip_config(config: &NodeConfig) -> ip::Config {
    ip::Config { forwarding: config.kind == Kind::Router, ..ip::Config::default() }
}

/// What an interface does unless it is told otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Defaults {
    router: bool,
}

impl Defaults {
    /// Those of a kind of device.
    pub(super) fn of(config: &NodeConfig) -> Defaults {
        Defaults { router: config.kind == Kind::Router }
    }

    /// The settings of ARP on an interface.
    pub(super) fn arp(self, config: &InterfaceConfig) -> arp::Config {
        arp::Config {
            duplicate_detection: config.duplicate_detection,
            defend: config.conflict,
            proxy: config.proxy_arp.unwrap_or(self.router),
            local_proxy: config.local_proxy_arp,
            statics: config.arp.clone(),
            ..arp::Config::default()
        }
    }

    /// The settings of IP on an interface, but for what depends on its state.
    pub(super) fn ip(self, config: &InterfaceConfig) -> ip::InterfaceConfig {
        ip::InterfaceConfig {
            mtu: config.mtu,
            send_redirects: config.redirects.unwrap_or(self.router),
            accept_redirects: config.accept_redirects.unwrap_or(!self.router),
            directed_broadcast: config.directed_broadcast,
            source_route: config.source_route,
            ..ip::InterfaceConfig::new(&config.name)
        }
    }
}
