//! Tests of the node: routing without BGP, the FIB against one computed from scratch, and the whole node.

mod device;
mod fib;
mod found;
mod kernel_bridges;
mod node;
mod pair;
mod rip;
mod routing;
mod stack;
mod storm;

use crate::config::StaticRoute;
use crate::{FibNextHop, InterfaceChange, KernelRoute};
use std::net::IpAddr;
use trunkline_bgp::BestRoute;
use trunkline_core::Prefix;
use trunkline_view::{Address, AdminState, Interface};

pub(super) fn p(text: &str) -> Prefix {
    text.parse().unwrap()
}

pub(super) fn a(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// "eth0" has index 1, "eth1" 2, and so on; "lo" has 9.
pub(super) fn index(name: &str) -> u32 {
    if name == "lo" { 9 } else { name.strip_prefix("eth").unwrap().parse::<u32>().unwrap() + 1 }
}

pub(super) fn interface(name: &str, up: bool, addresses: &[&str]) -> InterfaceChange {
    let address = |text: &&str| {
        let (address, length) = text.split_once('/').unwrap();
        Address { address: a(address), length: length.parse().unwrap() }
    };
    let interface = Interface {
        index: index(name),
        name: name.to_owned(),
        admin: if up { AdminState::Up } else { AdminState::Down },
        up,
        mtu: 1500,
        mac: None,
        addresses: addresses.iter().map(address).collect(),
    };
    InterfaceChange::Set { interface, loopback: name == "lo" }
}

pub(super) fn hop(gateway: &str, interface: &str) -> FibNextHop {
    let gateway = (!gateway.is_empty()).then(|| a(gateway));
    FibNextHop { gateway, interface: if interface.is_empty() { 0 } else { index(interface) } }
}

pub(super) fn kernel(hops: &[FibNextHop], metric: u32) -> Option<KernelRoute> {
    Some(KernelRoute { next_hops: hops.to_vec(), metric })
}

/// A static route: `via` are gateways, or "@eth0" for an interface.
pub(super) fn fixed(prefix: &str, via: &[&str], distance: u8) -> StaticRoute {
    StaticRoute {
        prefix: p(prefix),
        via: via.iter().filter(|v| !v.starts_with('@')).map(|v| a(v)).collect(),
        interface: via.iter().find_map(|v| v.strip_prefix('@')).map(str::to_owned),
        distance,
    }
}

pub(super) fn best(next_hops: &[&str], distance: u8) -> BestRoute {
    BestRoute { next_hops: next_hops.iter().map(|n| a(n)).collect(), distance, metric: 0 }
}
