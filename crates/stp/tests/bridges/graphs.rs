//! Random networks: what comes of them is what the definition says, whatever happened before.

use crate::rig::Net;
use trunkline_core::{Duration, Rng};
use trunkline_stp::{Event, PortState, Protocol};

/// Longer than any information lives, and than any port waits for a timer.
const QUIET: Duration = Duration::from_secs(80);

/// A network of bridges with random priorities and costs: a tree, so that all are reached, and more: parallel links,
/// LANs of several bridges, and of two ports of one. In every fourth some bridges speak the STP of 1998.
pub(crate) fn random(seed: u64, most: u64) -> Net {
    let mut rng = Rng::new(seed);
    let mut net = Net::new(seed);
    let count = 2 + rng.below(most - 1) as usize;
    for _ in 0..count {
        let priority = 4096 * rng.below(4) as u16;
        let old = seed % 4 == 3 && rng.below(3) == 0;
        net.bridge(if old { Protocol::Stp } else { Protocol::Rstp }, priority);
    }
    for bridge in 1..count {
        let other = rng.below(bridge as u64) as usize;
        net.lan(&[other, bridge]);
    }
    for _ in 0..rng.below(1 + count as u64) {
        let size = if rng.below(4) == 0 { 3 + rng.below(3) } else { 2 };
        let ends: Vec<usize> = (0..size).map(|_| rng.below(count as u64) as usize).collect();
        // A cable from a bridge to itself, too; it is a loop that no BPDU tells from a link.
        net.lan(&ends);
    }
    for bridge in 0..count {
        for port in 0..net.bridges[bridge].ports.len() as u32 {
            if rng.below(3) == 0 {
                let cost = 1 + rng.below(5) as u32 * 10_000;
                let priority = 16 * rng.below(16) as u8;
                net.configure((bridge, port), |config| {
                    (config.path_cost, config.priority) = (Some(cost), priority);
                });
            }
        }
    }
    net.keeps_sent = false;
    net
}

/// Does something to a network.
fn disturb(net: &mut Net, rng: &mut Rng) {
    let lan = rng.below(net.lans.len() as u64) as usize;
    let bridge = rng.below(net.bridges.len() as u64) as usize;
    match rng.below(8) {
        0 | 1 => net.cut(lan),
        2 | 3 => net.restore(lan),
        4 => net.power(bridge, false),
        5 => net.power(bridge, true),
        6 => net.reconfigure(bridge, |config| config.priority = 4096 * rng.below(6) as u16),
        _ => net.lans[lan].loss = rng.below(300),
    }
}

/// Disturbs a network for a while, and lets it come to rest.
pub(crate) fn disturbed(net: &mut Net, seed: u64) {
    let mut rng = Rng::new(seed);
    for _ in 0..rng.below(12) {
        disturb(net, &mut rng);
        let pause = Duration::from_millis(rng.below(4000));
        net.run_for(pause);
    }
    net.lans.iter_mut().for_each(|lan| lan.loss = 0);
    net.run_for(QUIET);
}

/// A network settles, is disturbed, and settles again. Says how long loops stood in all.
fn check(seed: u64, most: u64) -> Duration {
    let mut net = random(seed, most);
    let mut rng = Rng::new(seed ^ 0x5eed);
    net.run_for(QUIET);
    let problems = net.problems();
    assert!(problems.is_empty(), "seed {seed}, at first: {problems:#?}");
    disturbed(&mut net, rng.next_u64());
    let problems = net.problems();
    assert!(problems.is_empty(), "seed {seed}, after faults: {problems:#?}");
    let quiet_since = net.now;
    let events = net.events.len();
    net.run_for(QUIET);
    let late: Vec<_> = net.events.iter().skip(events).collect();
    assert!(late.is_empty(), "seed {seed}: no rest after {quiet_since:?}: {late:#?}");
    net.loops.iter().map(|(from, to)| to.unwrap_or(net.now).since(*from)).sum()
}

/// Seeds in one run of the tests; `SEEDS=10000 cargo test -p trunkline-stp --release` for more.
fn seeds() -> std::ops::Range<u64> {
    let from = std::env::var("FIRST_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(0);
    let count = std::env::var("SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(40);
    from..from + count
}

#[test]
fn random_networks_come_to_the_tree_of_the_definition() {
    let mut loops = Duration::ZERO;
    for seed in seeds() {
        loops += check(seed, if seed % 10 == 0 { 40 } else { 12 });
    }
    println!("loops stood for {loops:?} in all");
}

#[test]
fn an_undisturbed_start_never_loops() {
    for seed in seeds() {
        let mut net = random(seed, 16);
        net.run_for(QUIET);
        assert_eq!(net.loops, [], "seed {seed}");
    }
}

#[test]
fn a_flapping_edge_changes_no_topology() {
    // The article: "edge links don't create any topology changes"; IEEE 802.1D-2004 §17.31
    let mut net = Net::new(1);
    let [a, b] = [0, 0].map(|_| net.bridge(Protocol::Rstp, 32768));
    net.lan(&[a, b]);
    let edge = net.lan(&[a]);
    net.configure(net.end(edge, a), |config| config.edge = trunkline_stp::Edge::Yes);
    net.run_for(QUIET);
    let before = net.events.len();
    for _ in 0..50 {
        net.cut(edge);
        net.run_for(Duration::from_millis(700));
        net.restore(edge);
        assert_eq!(net.state(net.end(edge, a)), PortState::Forwarding, "at once");
        net.run_for(Duration::from_millis(700));
    }
    let changes = net.events.iter().skip(before);
    assert_eq!(changes.filter(|(.., event)| matches!(event, Event::TopologyChange { .. })).count(), 0);
}
