//! Bridges in a node.

use super::wire::{Net, mac};
use super::{host, ping, router, subnet, switch};
use crate::config::{BridgeConfig, InterfaceConfig, PortKind};
use trunkline_core::{Duration, PortId};
use trunkline_view::device::MacView;
use trunkline_view::{Answer, Query};

fn stations(net: &mut Net, name: &str) -> MacView {
    match net.ask(name, Query::Mac { bridge: None }) {
        Answer::Mac(view) => view,
        other => panic!("{other:?}"),
    }
}

fn three_hosts() -> Net {
    let configs = vec![
        switch("sw", 3),
        host("a", "10.0.0.1/24", ""),
        host("b", "10.0.0.2/24", ""),
        host("c", "10.0.0.3/24", ""),
    ];
    Net::new(configs, &[&["sw.port0", "a.eth0"], &["sw.port1", "b.eth0"], &["sw.port2", "c.eth0"]])
}

#[test]
fn three_hosts_through_a_switch() {
    let mut net = three_hosts();
    net.run(5.0);
    let before = net.frames.len();
    let view = ping(&mut net, "a", "10.0.0.2", 3);
    assert_eq!((view.sent, view.received), (3, 3));
    // Once it has learnt, the switch keeps what is between two from the third.
    let to_c = net.frames[before..].iter().filter(|(_, node, port, _)| *node == 0 && port.0 == 2);
    assert_eq!(to_c.count(), 1, "the ARP request alone is flooded");

    let view = stations(&mut net, "sw");
    let found: Vec<(&str, &str)> = view.entries.iter().map(|e| (e.mac.as_str(), e.port.as_str())).collect();
    let [a, b, c] = [1, 2, 3].map(|node| mac(node, PortId(0)).to_string());
    assert_eq!(found, [(a.as_str(), "port0"), (b.as_str(), "port1"), (c.as_str(), "port2")]);
    assert_eq!(view.bridges[0].name, "br0");
    assert!(view.bridges[0].ports.iter().all(|port| port.state == "forwarding"));
}

#[test]
fn stations_are_forgotten_by_age_and_with_their_link() {
    let mut net = three_hosts();
    ping(&mut net, "a", "10.0.0.2", 1);
    net.carrier(1, false);
    let view = stations(&mut net, "sw");
    assert!(view.entries.iter().all(|entry| entry.port != "port1"));
    assert_eq!(view.bridges[0].ports[1].state, "disabled");
    let number = net.node("sw");
    let config = net.nodes[number].config().clone();
    assert!(config.bridges.is_empty());
    net.set("sw", |config| {
        let ports = vec!["port0".to_owned(), "port1".to_owned(), "port2".to_owned()];
        config.bridges =
            vec![BridgeConfig { ports, ageing_time: Duration::from_secs(10), ..BridgeConfig::new("br0") }];
    });
    net.run(15.0);
    assert_eq!(stations(&mut net, "sw").entries, []);
}

#[test]
fn a_switch_with_an_address_answers_and_asks() {
    let mut net = three_hosts();
    net.set("sw", |config| {
        let own = InterfaceConfig {
            address: vec![subnet("10.0.0.254/24")],
            ..InterfaceConfig::new("br0", PortKind::Loopback)
        };
        config.interfaces.push(own);
    });
    assert_eq!(ping(&mut net, "c", "10.0.0.254", 2).received, 2);
    assert_eq!(ping(&mut net, "sw", "10.0.0.1", 2).received, 2);
}

#[test]
fn through_a_switch_and_a_router() {
    let configs = vec![
        host("a", "10.0.0.1/24", "10.0.0.254"),
        switch("sw", 2),
        router("r", &[("eth0", &["10.0.0.254/24"]), ("eth1", &["10.0.1.254/24"])]),
        host("b", "10.0.1.1/24", "10.0.1.254"),
    ];
    let links: &[&[&str]] = &[&["a.eth0", "sw.port0"], &["sw.port1", "r.eth0"], &["r.eth1", "b.eth0"]];
    let mut net = Net::new(configs, links);
    let view = ping(&mut net, "a", "10.0.1.1", 3);
    assert_eq!((view.received, view.replies[0].ttl), (3, Some(63)));
}
