//! How fast the lab is on one core: frame hops a second through a chain of switches, and virtual seconds a second for
//! many switches and for many BGP routers. Run it with `cargo run --release -p trunkline-lab --example lab_speed`.

#![allow(clippy::unwrap_used, reason = "a benchmark may panic")]
#![allow(clippy::disallowed_methods, reason = "it measures real time")]

use std::net::Ipv4Addr;
use std::time::Instant as Clock;
use trunkline_core::{Duration, Frame, Instant, MacAddr};
use trunkline_lab::file::parse;
use trunkline_lab::link::LinkConfig;
use trunkline_lab::sim::{Asked, Lab, NodeIndex};
use trunkline_node::config::{BridgeConfig, InterfaceConfig, Kind, NodeConfig, PortKind};
use trunkline_view::probe::PingQuery;
use trunkline_view::{Answer, Query};

fn main() {
    for len in [60, 1514] {
        hops(10, len);
    }
    switches(100);
    trees(79);
    trees(100);
    routers(100);
}

fn interface(number: usize) -> InterfaceConfig {
    InterfaceConfig::new(&format!("eth{number}"), PortKind::Simulated)
}

fn device(name: &str, kind: Kind, ports: usize) -> NodeConfig {
    NodeConfig { kind, interfaces: (0..ports).map(interface).collect(), ..NodeConfig::new(name) }
}

fn link(lab: &mut Lab, name: &str, ends: [(NodeIndex, &str); 2]) {
    let config = LinkConfig { delay: Duration::from_micros(10), ..LinkConfig::new(name) };
    lab.add_link(config, &ends, &mut ()).unwrap();
}

/// A row of switches, each with a cable to the next, and a host at both ends of the row.
fn row(lab: &mut Lab, count: usize) -> (NodeIndex, NodeIndex) {
    let host = |lab: &mut Lab, name: &str, last: u8| {
        let mut config = device(name, Kind::Host, 1);
        config.interfaces[0].address = vec![(Ipv4Addr::new(10, 0, 0, last), 24)];
        lab.add_node(config, &mut ()).unwrap()
    };
    let first = host(lab, "first", 1);
    let mut before = (first, "eth0");
    for n in 0..count {
        let switch = lab.add_node(device(&format!("s{n}"), Kind::Switch, 2), &mut ()).unwrap();
        link(lab, &format!("l{n}"), [before, (switch, "eth0")]);
        before = (switch, "eth1");
    }
    let last = host(lab, "last", 2);
    link(lab, "end", [before, (last, "eth0")]);
    (first, last)
}

/// Frames from one end of a row of switches to the other, sixteen at a time. The host at the end drops them: nobody knows
/// their EtherType.
fn hops(count: usize, len: usize) {
    const BURST: u64 = 16;
    const BURSTS: u64 = 40_000;
    let mut lab = Lab::new(1);
    let (first, last) = row(&mut lab, count);
    lab.run_until(Instant::from_secs(10), &mut ());
    let to = lab.mac(last, "eth0").unwrap();
    let mut octets = vec![0; len];
    octets[..6].copy_from_slice(&to.0);
    octets[6..12].copy_from_slice(&lab.mac(first, "eth0").unwrap().0);
    octets[12..14].copy_from_slice(&[0x88, 0xb5]);
    let frame = Frame::from(octets);
    let before = lab.statistics().hops;
    let started = Clock::now();
    for _ in 0..BURSTS {
        for _ in 0..BURST {
            lab.send_frame(first, "eth0", frame.clone(), &mut ()).unwrap();
        }
        lab.run_until(lab.now() + Duration::from_micros(200), &mut ());
    }
    let seconds = started.elapsed().as_secs_f64();
    let hops = lab.statistics().hops - before;
    assert!(hops >= BURST * BURSTS * (count as u64 + 1), "{hops}");
    println!(
        "{:>9.2} million frame hops a second: a row of {count} switches, frames of {len} octets ({:.0} ns a hop)",
        hops as f64 / seconds / 1e6,
        seconds / hops as f64 * 1e9,
    );
}

/// Runs on for some virtual time and says how fast that was.
fn virtual_time(lab: &mut Lab, what: &str, time: Duration) {
    let before = lab.statistics().steps;
    let started = Clock::now();
    lab.run_until(lab.now() + time, &mut ());
    let seconds = started.elapsed().as_secs_f64();
    let steps = lab.statistics().steps - before;
    println!(
        "{:>9.0} virtual seconds a second: {what} ({steps} steps in {time:?} of virtual time)",
        time.as_secs_f64() / seconds
    );
}

/// A row of switches over which a host pings another without end.
fn switches(count: usize) {
    let mut lab = Lab::new(1);
    let (first, _) = row(&mut lab, count);
    let ping = PingQuery { count: 1000, interval_ms: 100, ..PingQuery::new(Ipv4Addr::new(10, 0, 0, 2)) };
    lab.query(first, Query::Ping(ping), &mut ());
    virtual_time(
        &mut lab,
        &format!("{count} switches in a row, ten pings a second over all"),
        Duration::from_secs(100),
    );
}

/// A ring of switches with RSTP. Information is at most 40 hops old (Max Age): in a ring of more than 81 switches, those
/// that are farthest from the root never hear of it for long, and quarrel all the time.
fn trees(count: usize) {
    let mut lab = Lab::new(1);
    let switches: Vec<NodeIndex> = (0..count)
        .map(|n| {
            let mut config = device(&format!("s{n}"), Kind::Switch, 2);
            let priority = if n == 0 { 4096 } else { trunkline_stp::Config::DEFAULT_PRIORITY };
            let tree = trunkline_stp::Config::new(trunkline_stp::Protocol::Rstp, MacAddr::UNSPECIFIED);
            let tree = trunkline_stp::Config { priority, max_age: 40, forward_delay: 30, ..tree };
            let ports = config.interfaces.iter().map(|interface| interface.name.clone()).collect();
            config.bridges =
                vec![BridgeConfig { ports, spanning_tree: Some(tree), ..BridgeConfig::new("br0") }];
            lab.add_node(config, &mut ()).unwrap()
        })
        .collect();
    for n in 0..count {
        link(&mut lab, &format!("l{n}"), [(switches[n], "eth1"), (switches[(n + 1) % count], "eth0")]);
    }
    virtual_time(&mut lab, &format!("{count} switches with RSTP in a ring"), Duration::from_secs(3600));
}

/// A ring of routers, each in an AS of its own with a prefix of its own.
fn routers(count: usize) {
    let mut text = String::from("until = \"1s\"\n");
    for n in 0..count {
        let (before, after) = ((n + count - 1) % count, (n + 1) % count);
        text += &format!(
            "[node.r{n}]
             router-id = \"192.168.0.{n}\"
             interface.eth0.address = [\"10.0.{before}.2/24\"]
             interface.eth1.address = [\"10.0.{n}.1/24\"]
             interface.lo0.address = [\"192.168.0.{n}/32\"]
             bgp.asn = {}
             bgp.networks = [\"192.168.0.{n}/32\"]
             bgp.neighbor = [
                 {{ address = \"10.0.{before}.1\", asn = {}, import = \"accept\", export = \"accept\" }},
                 {{ address = \"10.0.{n}.2\", asn = {}, import = \"accept\", export = \"accept\" }},
             ]
             [[link]]
             ends = [\"r{n}.eth1\", \"r{after}.eth0\"]
             delay = \"1ms\"
            ",
            65_000 + n,
            65_000 + before,
            65_000 + after,
        );
    }
    let scenario = parse("ring.toml", &text).unwrap_or_else(|e| panic!("{}", e.render(false))).scenario;
    let mut lab = Lab::new(1);
    lab.build(&scenario, &mut ()).unwrap();
    virtual_time(
        &mut lab,
        &format!("{count} BGP routers in a ring, while they converge"),
        Duration::from_secs(60),
    );
    let half = format!("192.168.0.{}/32", count / 2).parse().unwrap();
    let query = Query::Routes { prefix: Some(half), cursor: 0, limit: 1 };
    let Asked::Now(Answer::Routes(view)) = lab.query(lab.node("r0").unwrap(), query, &mut ()) else {
        panic!("no answer");
    };
    assert_eq!(view.routes.len(), 1, "they have not converged");
    virtual_time(&mut lab, &format!("{count} BGP routers in a ring, at rest"), Duration::from_secs(600));
}
