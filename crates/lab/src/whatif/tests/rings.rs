//! Failures in rings, which spanning tree must heal.

use super::{device, scenario, short};
use crate::scenario::Scenario;
use crate::whatif::{Options, Outcome, State, Survey, failures, run, survey};
use trunkline_core::{Duration, MacAddr};
use trunkline_node::config::{BridgeConfig, Kind, NodeConfig};
use trunkline_stp::{Config, Protocol};

fn bridge(name: &str, protocol: Protocol, priority: u16, ports: usize) -> NodeConfig {
    let mut node = device(name, Kind::Switch, ports, 0);
    let tree = Config { priority, ..Config::new(protocol, MacAddr::UNSPECIFIED) };
    node.bridges = vec![BridgeConfig {
        ports: node.interfaces.iter().map(|interface| interface.name.clone()).collect(),
        spanning_tree: Some(tree),
        ..BridgeConfig::new("br0")
    }];
    node
}

/// Bridges r, s, t, u in a ring, with the root r; hosts a at s and b at u.
fn ring(protocol: Protocol) -> Scenario {
    let mut nodes = vec![device("a", Kind::Host, 1, 1), device("b", Kind::Host, 1, 2)];
    for (name, priority) in [("r", 4096), ("s", 8192), ("t", 12_288), ("u", 16_384)] {
        nodes.push(bridge(name, protocol, priority, 3));
    }
    let links = [
        "r.eth0 s.eth0",
        "s.eth1 t.eth0",
        "t.eth1 u.eth0",
        "u.eth1 r.eth1",
        "a.eth0 s.eth2",
        "b.eth0 u.eth2",
    ];
    scenario(nodes, &links)
}

fn outcomes(scenario: &Scenario, options: &Options) -> (Survey, Vec<Outcome>) {
    let survey = survey(scenario, options).unwrap();
    assert!(survey.rested, "{survey:?}");
    let run = |failure| run(scenario, &survey, failure).unwrap();
    let outcomes = failures(scenario, false).iter().map(run).collect();
    (survey, outcomes)
}

#[test]
fn rstp_heals_a_ring_in_less_than_a_second() {
    // IEEE 802.1D-2004 §17.1: no timer is waited for where bridges are linked point to point.
    let (_, outcomes) = outcomes(&ring(Protocol::Rstp), &short());
    for outcome in &outcomes {
        let words = outcome.failure.to_string();
        assert!(!outcome.is_bad() && outcome.loops.frames == 0, "{outcome:?}");
        let cut_off = matches!(words.as_str(), "link a-s" | "link b-u" | "node s" | "node u");
        assert_eq!(outcome.count(State::CutOff), if cut_off { 2 } else { 0 }, "{words}");
        let longest = outcome.worst().map_or(Duration::ZERO, |(_, pair)| pair.longest);
        assert!(longest < Duration::from_secs(1), "{words}: {longest:?}");
        // The way from a to b is by the root; what is cut there is missed, if only for a moment.
        let on_the_way = matches!(words.as_str(), "link r-s" | "link u-r" | "node r");
        assert!(!on_the_way || outcome.settled.is_some(), "{words}");
    }
}

/// The root r at a ring of s, t and u by one link: when it is gone, what t and u know of it goes round.
fn pendant_root(protocol: Protocol) -> Scenario {
    let mut nodes = vec![device("a", Kind::Host, 1, 1), device("b", Kind::Host, 1, 2)];
    for (name, priority) in [("r", 4096), ("s", 8192), ("t", 12_288), ("u", 16_384)] {
        nodes.push(bridge(name, protocol, priority, 4));
    }
    let links = [
        "r.eth0 s.eth0",
        "s.eth1 t.eth0",
        "t.eth1 u.eth0",
        "u.eth1 s.eth2",
        "a.eth0 t.eth2",
        "b.eth0 u.eth2",
    ];
    scenario(nodes, &links)
}

#[test]
fn a_root_that_is_gone_is_still_told_of_at_higher_costs() {
    let (_, outcomes) = outcomes(&pendant_root(Protocol::Rstp), &short());
    for outcome in &outcomes {
        let words = outcome.failure.to_string();
        let roots: Vec<&str> = outcome.counting.iter().map(|counting| counting.root.as_str()).collect();
        if words == "node r" || words == "link r-s" {
            assert_eq!(roots, ["r"], "{words}");
            // Each of s, t and u adds 2000, until the information is as old as Max Age: 20 bridges.
            let counting = &outcome.counting[0];
            assert!(counting.bpdus > 10 && (20_000..=40_000).contains(&counting.cost), "{outcome:?}");
        } else if words != "node s" {
            // The root is there.
            assert_eq!(roots, [""; 0], "{words}");
        }
    }
}
