//! Every transition that the machines can take is taken, and no other.

use crate::graphs;
use crate::rig::Net;
use std::collections::BTreeSet;
use trunkline_core::Duration;
use trunkline_stp::{
    Config, Edge, ForceVersion, Input, Machine, PortRole, Protocol, TRANSITIONS, Transition,
};

/// Bridges of both kinds: links that come and go, an old neighbour that is replaced, an edge that is none.
fn old_and_new() -> BTreeSet<Transition> {
    let mut net = Net::new(1);
    let a = net.bridge(Protocol::Rstp, 4096);
    let b = net.bridge(Protocol::Rstp, 8192);
    let old = Config { force_version: ForceVersion::StpCompatible, ..net.bridges[b].config };
    let address = trunkline_core::MacAddr([2, 0, 0, 0, 0, 77]);
    let c = net.bridge_with(Config { address, priority: 12288, ..old });
    net.lan(&[a, b]);
    let link = net.lan(&[b, c]);
    net.lan(&[a, c]);
    net.run_for(Duration::from_secs(120));
    net.assert_settled();
    // The old bridge is replaced, and someone says so.
    net.reconfigure(c, |config| config.force_version = ForceVersion::Normal);
    net.run_for(Duration::from_secs(10));
    let (bridge, port) = net.end(link, b);
    net.feed(bridge, Input::Mcheck { port });
    net.run_for(Duration::from_secs(10));
    net.assert_settled();
    net.reconfigure(c, |config| config.force_version = ForceVersion::StpCompatible);
    for _ in 0..3 {
        net.cut(link);
        net.run_for(Duration::from_secs(2));
        net.restore(link);
        net.run_for(Duration::from_secs(90));
    }
    net.assert_settled();
    net.transitions
}

/// Ports that were edges from the start, and are no more.
fn edges() -> BTreeSet<Transition> {
    let mut net = Net::new(1);
    let [a, b] = [4096, 8192].map(|priority| net.bridge(Protocol::Rstp, priority));
    let link = net.lan(&[a, b]);
    net.cut(link);
    for (bridge, port) in net.lans[link].ends.clone() {
        net.configure((bridge, port), |config| config.edge = Edge::Yes);
    }
    net.power(b, false);
    net.power(b, true);
    net.restore(link);
    net.run_for(Duration::from_secs(10));
    net.assert_settled();
    net.cut(link);
    net.run_for(Duration::from_secs(10));
    net.transitions
}

/// A backup port whose LAN another bridge comes to serve; and a root that changes its times.
fn hub() -> BTreeSet<Transition> {
    let mut net = Net::new(1);
    let [root, near, far] = [4096, 8192, 12288].map(|priority| net.bridge(Protocol::Rstp, priority));
    net.lan(&[root, near]);
    net.lan(&[root, far]);
    let hub = net.lan(&[far, far, near]);
    net.power(near, false);
    net.run_for(Duration::from_secs(40));
    net.assert_settled();
    assert_eq!(net.role(net.lans[hub].ends[1]), PortRole::Backup);
    net.power(near, true);
    net.run_for(Duration::from_secs(60));
    net.assert_settled();
    net.reconfigure(root, |config| config.forward_delay = 20);
    net.run_for(Duration::from_secs(10));
    net.transitions
}

#[test]
fn the_list_is_complete_and_each_is_taken() {
    let mut taken = BTreeSet::new();
    taken.extend(old_and_new());
    taken.extend(edges());
    taken.extend(hub());
    for seed in 0..40 {
        let mut net = graphs::random(seed, 10, Protocol::Rstp);
        graphs::disturbed(&mut net, seed, Protocol::Rstp, true);
        taken.extend(net.transitions);
    }
    let listed: BTreeSet<Transition> = TRANSITIONS.iter().copied().collect();
    assert_eq!(listed.len(), TRANSITIONS.len(), "one stands twice");
    let unlisted: Vec<String> = taken.difference(&listed).map(ToString::to_string).collect();
    assert_eq!(unlisted, Vec::<String>::new(), "taken, but not in the list");
    let untaken: Vec<String> = listed.difference(&taken).map(ToString::to_string).collect();
    assert_eq!(untaken, Vec::<String>::new(), "in the list, but never taken");
}

#[test]
fn every_machine_of_the_standard_is_there() {
    // IEEE 802.1D-2004 figure 17-10; Port Timers (§17.22) are deadlines here
    let machines: BTreeSet<Machine> = TRANSITIONS.iter().map(|transition| transition.machine).collect();
    let names: Vec<String> = machines.iter().map(ToString::to_string).collect();
    assert_eq!(names, ["PRX", "PPM", "BDM", "PTX", "PIM", "PRS", "PRT", "PST", "TCM"]);
    for machine in machines {
        let begins = TRANSITIONS.iter().filter(|t| t.machine == machine && t.from == "BEGIN").count();
        assert!(begins >= 1, "{machine}");
    }
}
