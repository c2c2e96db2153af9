//! Spanning tree of one bridge, ours or the kernel's: which number each port has, which events are worth telling, and
//! what a change of configuration means.

use crate::config::BridgeConfig;
use std::collections::{BTreeMap, BTreeSet};
use trunkline_core::{Instant, MacAddr, Outbox, PortId};
use trunkline_stp::{
    Config, CostTable, Edge, Event, Fast, ForceVersion, Input, Output, PointToPoint, PortConfig,
    PortIdentifier, PortState, PortStatus, Protocol, SpanningTree,
};
use trunkline_view::stp::TreeView;

/// Ports with their names, which are part of what they are, and their configuration.
pub(crate) type Ports = BTreeMap<PortId, (String, PortConfig)>;

/// A machine with the ports that it was told of.
#[derive(Debug)]
pub(crate) struct Tree {
    tree: SpanningTree,
    ports: Ports,
    /// What it wants done, in order.
    pub(crate) out: Outbox<Output>,
}

impl Tree {
    /// A machine without ports. Its address is `address`, whatever the configuration says.
    pub(crate) fn new(config: &Config, address: MacAddr) -> Tree {
        let tree = SpanningTree::new(Config { address, ..*config });
        Tree { tree, ports: Ports::new(), out: Outbox::new() }
    }

    /// Another configuration, or another address of the bridge.
    pub(crate) fn set_config(&mut self, now: Instant, config: &Config, address: MacAddr) {
        let input = Input::Reconfigure(Config { address, ..*config });
        self.tree.handle(now, input, &mut self.out);
    }

    /// All ports that there are now. Those that are new, or that have another name or number and so are others, are down
    /// until [`Tree::status`]; the latter, and those that are gone, are returned.
    pub(crate) fn set_ports(&mut self, now: Instant, wanted: Ports) -> Vec<PortId> {
        let stays = |id: &PortId, (name, before): &(String, PortConfig)| {
            wanted.get(id).is_some_and(|(wanted, after)| wanted == name && after.number == before.number)
        };
        let gone: Vec<PortId> =
            self.ports.iter().filter(|(id, before)| !stays(id, before)).map(|(id, _)| *id).collect();
        for port in &gone {
            self.tree.handle(now, Input::PortGone { port: *port }, &mut self.out);
        }
        for (port, (_, config)) in &wanted {
            self.tree.handle(now, Input::Port { port: *port, config: *config }, &mut self.out);
        }
        self.ports = wanted;
        gone
    }

    /// How the link of a port is.
    pub(crate) fn status(&mut self, now: Instant, port: PortId, status: PortStatus) {
        self.tree.handle(now, Input::Status { port, status }, &mut self.out);
    }

    /// A frame to one of spanning tree's groups came in.
    pub(crate) fn frame(&mut self, now: Instant, port: PortId, frame: &[u8]) {
        self.tree.handle(now, Input::Frame { port, frame }, &mut self.out);
    }

    /// See [`Input::Mcheck`].
    pub(crate) fn mcheck(&mut self, now: Instant, port: PortId) {
        self.tree.handle(now, Input::Mcheck { port }, &mut self.out);
    }

    /// See [`Input::Recover`].
    pub(crate) fn recover(&mut self, now: Instant, port: PortId) {
        self.tree.handle(now, Input::Recover { port }, &mut self.out);
    }

    /// When [`Tree::handle_timeout`] is due.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.tree.poll_timeout()
    }

    /// Does what is due.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        if self.poll_timeout().is_some_and(|due| due <= now) {
            self.tree.handle_timeout(now, &mut self.out);
        }
    }

    /// The bridge's address in its identifier.
    pub(crate) fn address(&self) -> MacAddr {
        self.tree.config().address
    }

    /// Whether spanning tree has shut a port, or its link is down.
    pub(crate) fn is_disabled(&self, now: Instant, port: PortId) -> bool {
        self.tree.port(now, port).is_none_or(|(_, state)| state == PortState::Disabled)
    }

    /// The protocol that is spoken.
    pub(crate) fn protocol(&self) -> Protocol {
        self.tree.config().protocol
    }

    /// What people see.
    pub(crate) fn view(
        &self,
        now: Instant,
        bridge: &str,
        data_plane: &str,
        name: &dyn Fn(PortId) -> String,
    ) -> TreeView {
        self.tree.view(now, bridge, data_plane, name)
    }
}

/// The configuration of each port, by its name. Those with a number of their own have it; others have `preferred`, where
/// that is free, else the lowest number that is.
pub(crate) fn port_configs<'n>(
    bridge: &BridgeConfig,
    ports: impl Iterator<Item = (PortId, &'n str, u16)>,
) -> Ports {
    let settings = |name: &str| {
        let found = bridge.port_settings.iter().find(|(port, _)| port == name);
        found.map_or(PortConfig::new(0), |(_, config)| *config)
    };
    let mut taken: BTreeSet<u16> = bridge.port_settings.iter().map(|(_, config)| config.number).collect();
    let mut configs = Ports::new();
    let mut lowest = 1..=PortIdentifier::MAX_NUMBER;
    for (id, name, preferred) in ports {
        let mut config = settings(name);
        if config.number == 0 {
            let valid = 1..=PortIdentifier::MAX_NUMBER;
            let wanted = Some(preferred).filter(|number| valid.contains(number) && !taken.contains(number));
            // What it passes over is taken, and stays so.
            let free = wanted.or_else(|| lowest.find(|number| !taken.contains(number)));
            // A port for which there is no number takes no part.
            let Some(number) = free else { continue };
            config.number = number;
            taken.insert(number);
        }
        configs.insert(id, (name.to_owned(), config));
    }
    configs
}

/// Whether an event is told even while nobody watches: what an operator finds in the log. The rest is how it came about.
pub(crate) fn is_of_note(event: &Event) -> bool {
    match event {
        Event::Root { .. } | Event::Role { .. } | Event::Version { .. } => true,
        Event::Guard { .. } | Event::Dispute { .. } => true,
        Event::State { from, to, .. } => [from, to].contains(&&PortState::Forwarding),
        Event::TopologyChange { detected, .. } => *detected,
        Event::Fast { what, .. } => matches!(what, Fast::InferiorBpdu { .. } | Fast::Expired | Fast::Uplink),
        Event::Edge { .. } | Event::Transition { .. } => false,
    }
}

/// What is different in a bridge, in words.
pub(crate) fn differences(before: &BridgeConfig, after: &BridgeConfig) -> Vec<String> {
    let mut words = Vec::new();
    for port in after.ports.iter().filter(|port| !before.ports.contains(port)) {
        words.push(format!("port {port} joins"));
    }
    for port in before.ports.iter().filter(|port| !after.ports.contains(port)) {
        words.push(format!("port {port} leaves"));
    }
    if before.ageing_time != after.ageing_time {
        let [old, new] = [before, after].map(|bridge| bridge.ageing_time.as_secs());
        words.push(format!("ageing-time {new} (was {old})"));
    }
    match (&before.spanning_tree, &after.spanning_tree) {
        (Some(before), Some(after)) => words.extend(changed(bridge_values(before), bridge_values(after))),
        (None, Some(config)) => {
            words.push(format!("spanning tree is on: {}", protocol_name(config.protocol)))
        }
        (Some(_), None) => words.push("spanning tree is off".to_owned()),
        (None, None) => {}
    }
    let settings = |bridge: &BridgeConfig, name: &str| {
        let found = bridge.port_settings.iter().find(|(port, _)| port == name);
        port_values(&found.map_or(PortConfig::new(0), |(_, config)| *config))
    };
    let named = |bridge: &BridgeConfig| bridge.port_settings.iter().map(|(name, _)| name.clone()).collect();
    let names: [BTreeSet<String>; 2] = [named(before), named(after)];
    for name in names.iter().flatten().collect::<BTreeSet<_>>() {
        let changes = changed(settings(before, name), settings(after, name));
        words.extend(changes.map(|change| format!("port {name}: {change}")));
    }
    words
}

/// A key of the file, and its value in words.
type Value = (&'static str, String);

fn changed<const N: usize>(before: [Value; N], after: [Value; N]) -> impl Iterator<Item = String> {
    let both = before.into_iter().zip(after).filter(|(before, after)| before != after);
    both.map(|((key, old), (_, new))| format!("{key} {new} (was {old})"))
}

fn bridge_values(config: &Config) -> [Value; 11] {
    let force_version = match config.force_version {
        ForceVersion::StpCompatible => "stp-compatible",
        ForceVersion::Normal => "normal",
    };
    let path_costs = match config.path_costs {
        CostTable::Short => "short",
        CostTable::Long => "long",
    };
    let recovery = config.bpdu_guard_recovery;
    [
        ("spanning-tree", protocol_name(config.protocol).to_owned()),
        ("force-version", force_version.to_owned()),
        ("priority", config.priority.to_string()),
        ("hello-time", config.hello_time.to_string()),
        ("max-age", config.max_age.to_string()),
        ("forward-delay", config.forward_delay.to_string()),
        ("transmit-hold-count", config.transmit_hold_count.to_string()),
        ("path-costs", path_costs.to_owned()),
        (
            "bpdu-guard-recovery",
            recovery.map_or_else(|| "never".to_owned(), |time| time.as_secs().to_string()),
        ),
        ("uplink-fast", config.uplink_fast.to_string()),
        ("backbone-fast", config.backbone_fast.to_string()),
    ]
}

fn port_values(config: &PortConfig) -> [Value; 12] {
    let edge = match config.edge {
        Edge::Auto => "auto",
        Edge::Yes => "true",
        Edge::No => "false",
    };
    let point_to_point = match config.point_to_point {
        PointToPoint::Auto => "auto",
        PointToPoint::Yes => "true",
        PointToPoint::No => "false",
    };
    [
        ("number", config.number.to_string()),
        ("priority", config.priority.to_string()),
        ("path-cost", config.path_cost.map_or_else(|| "by speed".to_owned(), |cost| cost.to_string())),
        ("edge", edge.to_owned()),
        ("point-to-point", point_to_point.to_owned()),
        ("restricted-role", config.restricted_role.to_string()),
        ("restricted-tcn", config.restricted_tcn.to_string()),
        ("bpdu-guard", config.bpdu_guard.to_string()),
        ("bpdu-filter", config.bpdu_filter.to_string()),
        ("root-guard", config.root_guard.to_string()),
        ("loop-guard", config.loop_guard.to_string()),
        ("bridge-assurance", config.bridge_assurance.to_string()),
    ]
}

/// As the file writes it.
pub(crate) fn protocol_name(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Stp => "stp",
        Protocol::Rstp => "rstp",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(settings: &[(&str, u16)], ports: &[(&str, u16)]) -> Vec<u16> {
        let settings = settings.iter().map(|(name, number)| ((*name).to_owned(), PortConfig::new(*number)));
        let bridge = BridgeConfig { port_settings: settings.collect(), ..BridgeConfig::new("br0") };
        let ports = (0..).map(PortId).zip(ports).map(|(id, (name, preferred))| (id, *name, *preferred));
        port_configs(&bridge, ports).values().map(|(_, config)| config.number).collect()
    }

    #[test]
    fn each_port_has_a_number_of_its_own() {
        assert_eq!(numbers(&[], &[("a", 1), ("b", 2)]), [1, 2]);
        assert_eq!(numbers(&[("b", 1)], &[("a", 1), ("b", 2), ("c", 3)]), [2, 1, 3]);
        assert_eq!(numbers(&[("a", 3)], &[("a", 1), ("b", 2), ("c", 3)]), [3, 2, 1]);
        assert_eq!(numbers(&[("a", 0)], &[("a", 0), ("b", 4), ("c", 0)]), [1, 4, 2]);
        let many: Vec<(&str, u16)> = vec![("x", 0); 5000];
        assert_eq!(numbers(&[], &many).last(), Some(&PortIdentifier::MAX_NUMBER));
    }

    #[test]
    fn changes_in_words() {
        let tree = Config::new(Protocol::Rstp, MacAddr::UNSPECIFIED);
        let before = BridgeConfig { ports: vec!["a".into(), "b".into()], ..BridgeConfig::new("br0") };
        let mut after = BridgeConfig { ports: vec!["b".into(), "c".into()], ..before.clone() };
        after.spanning_tree = Some(tree);
        assert_eq!(
            differences(&before, &after),
            ["port c joins", "port a leaves", "spanning tree is on: rstp"]
        );
        let before = after.clone();
        after.spanning_tree = Some(Config { priority: 4096, ..tree });
        after.port_settings = vec![("b".into(), PortConfig { path_cost: Some(5), ..PortConfig::new(0) })];
        let words = ["priority 4096 (was 32768)", "port b: path-cost 5 (was by speed)"];
        assert_eq!(differences(&before, &after), words);
        assert_eq!(differences(&after, &after), [""; 0]);
    }
}
