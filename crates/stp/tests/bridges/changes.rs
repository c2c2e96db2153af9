//! Another protocol, or another version of it, while the bridges run.

use crate::rig::{Net, secs};
use trunkline_stp::{Config, ForceVersion, PortRole, PortState, Protocol};

/// A square, settled; the last port at its last LAN is an alternate one.
fn square(change: impl Fn(&mut Config)) -> (Net, [usize; 4]) {
    let mut net = Net::new(1);
    for n in 0..4 {
        let bridge = net.bridge(Protocol::Rstp, 4096 * n);
        net.reconfigure(bridge, &change);
    }
    let lans = [[0, 1], [0, 2], [1, 3], [2, 3]].map(|ends| net.lan(&ends));
    net.run_for(secs(120.0));
    net.assert_settled();
    assert_eq!(net.role(net.end(lans[3], 3)), PortRole::Alternate);
    (net, lans)
}

fn stp(config: &mut Config) {
    *config = Config { priority: config.priority, ..Config::new(Protocol::Stp, config.address) };
}

fn rstp(config: &mut Config) {
    *config = Config { priority: config.priority, ..Config::new(Protocol::Rstp, config.address) };
}

fn compatible(config: &mut Config) {
    rstp(config);
    config.force_version = ForceVersion::StpCompatible;
}

/// What a bridge has in the way of a configuration.
type Kind = fn(&mut Config);

#[test]
fn what_begins_anew_comes_to_the_tree_and_makes_no_loop_on_the_way() {
    let kinds: [Kind; 3] = [stp, rstp, compatible];
    for (from, to) in kinds.iter().flat_map(|from| kinds.map(|to| (from, to))) {
        let (mut net, lans) = square(from);
        let since = net.now;
        net.reconfigure(3, to);
        let blocked = net.end(lans[3], 3);
        assert_eq!(
            net.when(blocked, PortState::Forwarding, since),
            None,
            "the old protocol takes nothing over"
        );
        net.run_for(secs(120.0));
        net.assert_settled();
        (0..3).for_each(|bridge| net.reconfigure(bridge, to));
        net.run_for(secs(120.0));
        net.assert_settled();
        assert_eq!(net.loops, []);
    }
}

#[test]
fn stations_age_as_configured_once_the_protocol_is_another() {
    // IEEE 802.1D-1998 §8.5.3.12 and 802.1D-2004 §17.19.1 shorten the time; the new protocol knows nothing of that
    for from in [stp as Kind, compatible] {
        let (mut net, lans) = square(from);
        net.cut(lans[2]);
        net.restore(lans[2]);
        net.run_for(secs(32.0));
        assert!(net.bridges.iter().any(|bridge| bridge.ageing.is_some()), "the topology changed");
        (0..4).for_each(|bridge| net.reconfigure(bridge, rstp));
        net.run_for(secs(120.0));
        assert!(net.bridges.iter().all(|bridge| bridge.ageing.is_none()));
    }
}
