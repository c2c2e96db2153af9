//! Devices on a small in-memory wire: from ARP to BGP over the node's own TCP.

mod addresses;
mod ends;
mod ethernet;
mod hostile;
mod iperf;
mod mixed;
mod paths;
mod rip;
mod routing;
mod speakers;
mod switching;
mod transport;
mod trees;
mod wire;

use crate::config::{InterfaceConfig, Kind, NodeConfig, PortKind};
use trunkline_view::Answer;
use trunkline_view::probe::{PingQuery, PingView};
use wire::Net;

/// A device with interfaces, each with its addresses; those whose name begins with "lo" are loopbacks.
fn device(kind: Kind, name: &str, interfaces: &[(&str, &[&str])]) -> NodeConfig {
    let interface = |(name, addresses): &(&str, &[&str])| {
        let port = if name.starts_with("lo") { PortKind::Loopback } else { PortKind::Simulated };
        let address = addresses.iter().map(|text| subnet(text)).collect();
        InterfaceConfig { address, ..InterfaceConfig::new(name, port) }
    };
    NodeConfig { kind, interfaces: interfaces.iter().map(interface).collect(), ..NodeConfig::new(name) }
}

fn subnet(text: &str) -> (std::net::Ipv4Addr, u8) {
    let (address, length) = text.split_once('/').unwrap();
    (address.parse().unwrap(), length.parse().unwrap())
}

/// A host with one interface, eth0, and a gateway.
fn host(name: &str, address: &str, gateway: &str) -> NodeConfig {
    let gateway = (!gateway.is_empty()).then(|| gateway.parse().unwrap());
    NodeConfig { gateway, ..device(Kind::Host, name, &[("eth0", &[address])]) }
}

fn router(name: &str, interfaces: &[(&str, &[&str])]) -> NodeConfig {
    device(Kind::Router, name, interfaces)
}

fn switch(name: &str, ports: usize) -> NodeConfig {
    let names: Vec<String> = (0..ports).map(|n| format!("port{n}")).collect();
    let interfaces: Vec<(&str, &[&str])> = names.iter().map(|name| (name.as_str(), &[][..])).collect();
    device(Kind::Switch, name, &interfaces)
}

fn ping(net: &mut Net, from: &str, to: &str, count: u32) -> PingView {
    let query = PingQuery { count, ..PingQuery::new(to.parse().unwrap()) };
    match net.ask(from, trunkline_view::Query::Ping(query)) {
        Answer::Ping(view) => view,
        other => panic!("{other:?}"),
    }
}
