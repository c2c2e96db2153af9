//! Random networks: what comes of them is what the definition says, whatever happened before.

use crate::rig::{Bridge, End, Net};
use trunkline_core::{Duration, PortId, Rng};
use trunkline_stp::{Config, Event, PortState, Protocol};

/// Longer than any information lives, and than any port waits for a timer: with STP that is Max Age and twice Forward
/// Delay, several times over where frames were lost, or 35 s more with UplinkFast.
const fn quiet(protocol: Protocol) -> Duration {
    match protocol {
        // Beside bridges of 1998 the flag of a change stays for 35 s more.
        Protocol::Rstp => Duration::from_secs(130),
        Protocol::Stp => Duration::from_secs(180),
    }
}

/// A network of bridges with random priorities and costs: a tree, so that all are reached, and more: parallel links,
/// LANs of several bridges, and of two ports of one. In every fourth of RSTP some bridges speak the STP of 1998; of
/// STP, half have BackboneFast, and in a third some bridges have UplinkFast.
pub(crate) fn random(seed: u64, most: u64, protocol: Protocol) -> Net {
    let mut rng = Rng::new(seed);
    let mut net = Net::new(seed);
    let is_stp = protocol == Protocol::Stp;
    let count = 2 + rng.below(most - 1) as usize;
    let (backbone_fast, uplink) =
        if is_stp { (rng.below(2) == 0, rng.below(3) == 0) } else { (false, false) };
    for _ in 0..count {
        let priority = 4096 * rng.below(4) as u16;
        let old = seed % 4 == 3 && rng.below(3) == 0;
        let bridge = net.bridge(if is_stp || old { Protocol::Stp } else { Protocol::Rstp }, priority);
        if is_stp {
            let uplink_fast = uplink && rng.below(3) == 0;
            net.reconfigure(bridge, |config| *config = Config { backbone_fast, uplink_fast, ..*config });
        }
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
    let step = if is_stp { 4 } else { 10_000 };
    let ports =
        |(bridge, b): (usize, &Bridge)| (0..b.ports.len() as u32).map(move |port| (bridge, PortId(port)));
    for end in net.bridges.iter().enumerate().flat_map(ports).collect::<Vec<End>>() {
        if rng.below(3) == 0 {
            let cost = 1 + rng.below(5) as u32 * step;
            let priority = 16 * rng.below(16) as u8;
            net.configure(end, |config| (config.path_cost, config.priority) = (Some(cost), priority));
        }
    }
    net.keeps_sent = false;
    net
}

/// Does something to a network.
fn disturb(net: &mut Net, rng: &mut Rng, lossy: bool) {
    let lan = rng.below(net.lans.len() as u64) as usize;
    let bridge = rng.below(net.bridges.len() as u64) as usize;
    match rng.below(if lossy { 8 } else { 7 }) {
        0 | 1 => net.cut(lan),
        2 | 3 => net.restore(lan),
        4 => net.power(bridge, false),
        5 => net.power(bridge, true),
        6 => net.reconfigure(bridge, |config| config.priority = 4096 * rng.below(6) as u16),
        _ => net.lans[lan].loss = rng.below(300),
    }
}

/// Disturbs a network for a while, and lets it come to rest.
pub(crate) fn disturbed(net: &mut Net, seed: u64, protocol: Protocol, lossy: bool) {
    let mut rng = Rng::new(seed);
    for _ in 0..rng.below(12) {
        disturb(net, &mut rng, lossy);
        let pause = Duration::from_millis(rng.below(4000));
        net.run_for(pause);
    }
    net.lans.iter_mut().for_each(|lan| lan.loss = 0);
    net.run_for(quiet(protocol));
}

#[track_caller]
fn assert_rest(net: &Net, seed: u64, when: &str) {
    let problems = net.problems();
    assert!(problems.is_empty(), "seed {seed}, {when}: {problems:#?}");
}

/// A network settles, is disturbed, and settles again.
fn check(seed: u64, most: u64, protocol: Protocol, lossy: bool) -> Net {
    let mut net = random(seed, most, protocol);
    let mut rng = Rng::new(seed ^ 0x5eed);
    net.run_for(quiet(protocol));
    assert_rest(&net, seed, "at first");
    // Who goes back to an uplink does so while all is quiet: there must have been a time without it.
    for _ in 0..if protocol == Protocol::Stp { 3 } else { 1 } {
        disturbed(&mut net, rng.next_u64(), protocol, lossy);
        assert_rest(&net, seed, "after faults");
    }
    let quiet_since = net.now;
    let events = net.events.len();
    net.run_for(quiet(protocol));
    let late: Vec<_> = net.events.iter().skip(events).collect();
    assert!(late.is_empty(), "seed {seed}: no rest after {quiet_since:?}: {late:#?}");
    net
}

/// Seeds in one run of the tests; `SEEDS=10000 cargo test -p trunkline-stp --release` for more.
fn seeds(count: u64) -> std::ops::Range<u64> {
    let from = std::env::var("FIRST_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(0);
    let count = std::env::var("SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(count);
    from..from + count
}

#[test]
fn random_networks_come_to_the_tree_of_the_definition() {
    let mut loops = Duration::ZERO;
    for seed in seeds(40) {
        let net = check(seed, if seed % 10 == 0 { 40 } else { 12 }, Protocol::Rstp, true);
        loops += net.loops.iter().map(|(from, to)| to.unwrap_or(net.now).since(*from)).sum::<Duration>();
    }
    println!("loops stood for {loops:?} in all");
}

#[test]
fn random_networks_of_1998_come_to_the_tree_and_never_loop() {
    let mut senders = 0;
    for seed in seeds(12) {
        // No more bridges in a row than Max Age lets hear of the root.
        let net = check(seed, 14, Protocol::Stp, false);
        assert_eq!(net.loops, [], "seed {seed}");
        senders += net.last_config.len();
    }
    assert!(senders > 50, "Hold Time was looked after at {senders} ports");
}

#[test]
fn networks_that_lost_frames_settle_once_they_lose_no_more() {
    for seed in seeds(4) {
        for protocol in [Protocol::Stp, Protocol::Rstp] {
            let mut net = random(seed, 20, protocol);
            let mut rng = Rng::new(seed);
            net.lans.iter_mut().for_each(|lan| lan.loss = 333);
            for _ in 0..4 {
                let lan = rng.below(net.lans.len() as u64) as usize;
                if net.lans[lan].up {
                    net.cut(lan)
                } else {
                    net.restore(lan)
                }
                net.run_for(Duration::from_secs(30));
            }
            net.lans.iter_mut().for_each(|lan| lan.loss = 0);
            net.run_for(quiet(protocol));
            assert_rest(&net, seed, "after losses");
        }
    }
}

#[test]
fn an_undisturbed_start_never_loops() {
    for seed in seeds(40) {
        let mut net = random(seed, 16, Protocol::Rstp);
        net.run_for(quiet(Protocol::Rstp));
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
    net.run_for(quiet(Protocol::Rstp));
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
