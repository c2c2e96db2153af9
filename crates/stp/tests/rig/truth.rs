//! The tree as the definition has it: the best bridge is the root, each bridge goes the cheapest way, each LAN is served by
//! who has the cheapest (IEEE 802.1D-1998 §8.3.1, 802.1D-2004 §17.3). Computed with all knowledge and no protocol.

use super::{End, Rig};
use std::collections::BTreeMap;
use trunkline_core::PortId;
use trunkline_stp::{BridgeId, PortIdentifier, PortRole, PortState};

/// The role of every port of a bridge that is alive.
pub(crate) fn roles(rig: &Rig) -> BTreeMap<End, PortRole> {
    let n = rig.bridges.len();
    let is_up = |end: &End| rig.bridges[end.0].alive;
    let lans: Vec<Vec<End>> = rig
        .lans
        .iter()
        .map(|lan| if lan.up { lan.ends.iter().copied().filter(is_up).collect() } else { Vec::new() })
        .collect();
    // (root, cost) of each bridge: relaxed until nothing changes.
    let mut best: Vec<(BridgeId, u32)> = (0..n).map(|b| (rig.id(b), 0)).collect();
    while relax(rig, &lans, &mut best) {}
    let served: Vec<Option<End>> = lans.iter().map(|ends| designated(rig, ends, &best)).collect();
    let mut roles = BTreeMap::new();
    for (b, bridge) in rig.bridges.iter().enumerate().filter(|(_, bridge)| bridge.alive) {
        let root_port = root_port(rig, b, &best, &served);
        for (port, (lan, _)) in &bridge.ports {
            let role = match served[*lan] {
                None => PortRole::Disabled,
                _ if root_port == Some(*port) => PortRole::Root,
                Some(end) if end == (b, *port) => PortRole::Designated,
                Some((by, _)) if by == b => PortRole::Backup,
                Some(_) => PortRole::Alternate,
            };
            roles.insert((b, *port), role);
        }
    }
    roles
}

fn cost(rig: &Rig, (bridge, port): End) -> u32 {
    let node = &rig.bridges[bridge];
    node.ports[&port].1.cost(node.tree.config(), Some(1000))
}

fn port_id(rig: &Rig, (bridge, port): End) -> PortIdentifier {
    rig.bridges[bridge].ports[&port].1.id()
}

fn relax(rig: &Rig, lans: &[Vec<End>], best: &mut [(BridgeId, u32)]) -> bool {
    let mut changed = false;
    for ends in lans {
        for from in ends {
            for to in ends.iter().filter(|to| to.0 != from.0) {
                let (root, so_far) = best[from.0];
                let way = (root, so_far + cost(rig, *to));
                if way < best[to.0] {
                    best[to.0] = way;
                    changed = true;
                }
            }
        }
    }
    changed
}

fn designated(rig: &Rig, ends: &[End], best: &[(BridgeId, u32)]) -> Option<End> {
    ends.iter().copied().min_by_key(|end| (best[end.0], rig.id(end.0), port_id(rig, *end)))
}

fn root_port(rig: &Rig, bridge: usize, best: &[(BridgeId, u32)], served: &[Option<End>]) -> Option<PortId> {
    if best[bridge].0 == rig.id(bridge) {
        return None;
    }
    let way = |(port, (lan, _)): (&PortId, &(usize, _))| {
        let by = served[*lan].filter(|by| by.0 != bridge)?;
        let me = (bridge, *port);
        let cost = best[by.0].1 + cost(rig, me);
        Some(((best[by.0].0, cost, rig.id(by.0), port_id(rig, by), port_id(rig, me)), *port))
    };
    rig.bridges[bridge].ports.iter().filter_map(way).min().map(|(_, port)| port)
}

/// Where the bridges differ from the definition, in words; root and designated ports are to forward, no others.
pub(crate) fn differences(rig: &Rig) -> Vec<String> {
    let mut found = Vec::new();
    for ((bridge, port), role) in roles(rig) {
        let is = (rig.role(bridge, port), rig.state(bridge, port));
        let forwards = matches!(role, PortRole::Root | PortRole::Designated);
        if is.0 != role || (is.1 == PortState::Forwarding) != forwards {
            found.push(format!("bridge {bridge} {port:?}: should be {role}, is {} {}", is.0, is.1));
        }
    }
    found
}
