//! Hosts on two LANs and a router between: who asks for whom, proxy ARP, pings, TCP, redirects.

use crate::network::Network;

/// Adds them.
pub(crate) fn add(network: &mut Network) {
    network.node("gw", "router");
    let mut hosts: Vec<(String, String)> = Vec::new();
    let second = network.chance.percent(25);
    let sites = [network.subnet(), network.subnet()];
    for (side, subnet) in sites.into_iter().enumerate() {
        let port = network.port("gw", Some(&format!("10.{subnet}.0.254/24")));
        let mut ends = vec![("gw".to_owned(), port)];
        for number in 1..=network.chance.between(1, 4) {
            let name = format!("h{side}{number}");
            network.node(&name, "host");
            // One with too wide a mask asks for everybody.
            let wide = network.chance.percent(15);
            let mask = if wide { 8 } else { 24 };
            if wide {
                network.features.insert("proxy ARP");
                network.notes.insert("arp-proxy");
            } else {
                network.set(&name, &format!("gateway = \"10.{subnet}.0.254\""));
            }
            let address = format!("10.{subnet}.0.{number}");
            let port = network.port(&name, Some(&format!("{address}/{mask}")));
            if network.chance.percent(30) {
                network.features.insert("duplicate detection");
                network.set(&name, &format!("interface.{port}.duplicate-detection = true"));
            }
            let service = network.chance.one_of(&["echo", "discard"]);
            network.set(&name, &format!("service = [{{ kind = \"{service}\", port = 7 }}]"));
            ends.push((name.clone(), port));
            hosts.push((name, address));
        }
        if second && side == 0 {
            behind(network, subnet, &mut ends);
        }
        network.connect(&ends, 4);
    }
    let begins = network.ready() + 2;
    network.until = network.until.max(begins + network.chance.between(20, 120));
    if second {
        network.step(begins, "ping = { from = \"h01\", to = \"198.51.100.1\", count = 4 }");
    }
    for _ in 0..network.chance.between(2, 8) {
        let (from, to) =
            (network.chance.between(0, hosts.len() - 1), network.chance.between(0, hosts.len() - 1));
        if from != to {
            let at = network.chance.between(begins, network.until - 12);
            traffic(network, at, &hosts[from].0, &hosts[to].1);
        }
    }
}

/// A second router on the LAN, and what is behind it: the first sends packets for there back, and says so.
fn behind(network: &mut Network, subnet: usize, ends: &mut Vec<(String, String)>) {
    network.features.insert("redirects");
    network.notes.insert("icmp-redirect");
    network.node("gw2", "router");
    let port = network.port("gw2", Some(&format!("10.{subnet}.0.253/24")));
    network.set("gw2", "interface.lo0.address = [\"198.51.100.1/32\"]");
    network.route("gw2", "10.0.0.0/8", &format!("via = \"10.{subnet}.0.254\""));
    network.route("gw", "198.51.100.0/24", &format!("via = \"10.{subnet}.0.253\""));
    ends.push(("gw2".to_owned(), port));
}

/// What two hosts have to say to each other.
fn traffic(network: &mut Network, at: usize, from: &str, address: &str) {
    match network.chance.between(0, 3) {
        0 | 1 => {
            let (count, size) = (network.chance.between(1, 8), network.chance.one_of(&[0, 56, 1400, 4000]));
            network.features.insert(if size > 1472 { "fragments" } else { "pings" });
            if size > 1472 && network.loses() {
                network.notes.insert("icmp-error");
            }
            let ping =
                format!("ping = {{ from = \"{from}\", to = \"{address}\", count = {count}, size = {size} }}");
            network.step(at, &ping);
        }
        2 => {
            let octets = network.chance.one_of(&[1, 10_000, 100_000]);
            network.features.insert("TCP transfers");
            let transfer = format!(
                "transfer = {{ from = \"{from}\", to = \"{address}\", port = 7, octets = {octets} }}"
            );
            network.step(at, &transfer);
        }
        _ => {
            network.features.insert("traceroutes");
            network.notes.insert("icmp-error");
            network.step(at, &format!("traceroute = {{ from = \"{from}\", to = \"{address}\" }}"));
        }
    }
}
