//! Bridges of the kernel whose spanning tree the node is: the kernel forwards, and the driver opens and closes its ports.
//!
//! ```text
//!   waiting ──Ready──▶ running ──Refused──▶ refused
//!      ▲                  ▲ │                  │
//!      └── configured     └─┴──────Ready───────┘
//! ```

use crate::config::{BridgeConfig, NodeConfig};
use crate::spanning_tree::{Tree, differences, is_of_note, port_configs};
use crate::{KernelBridgeAction, KernelBridgeInput, NodeOutput};
use std::collections::BTreeMap;
use trunkline_core::{Instant, MacAddr, Outbox, PortId, earliest};
use trunkline_stp::{Config, Event, Output, PortIdentifier, PortStatus};
use trunkline_view::EventKind;
use trunkline_view::stp::TreeView;

/// All of them, in the order of the configuration.
#[derive(Debug, Default)]
pub(crate) struct KernelBridges {
    bridges: Vec<KernelBridge>,
    watched: bool,
}

#[derive(Debug)]
struct KernelBridge {
    config: BridgeConfig,
    tree_config: Config,
    state: State,
    /// By their place, which is their [`PortId`]; of one that is gone the place stays empty.
    ports: Vec<Option<Port>>,
}

#[derive(Debug)]
enum State {
    /// Nothing has been heard of it.
    Waiting,
    /// It cannot be had; why.
    Refused(String),
    /// Its ports are in our hands.
    Running { tree: Box<Tree>, method: String },
}

#[derive(Debug)]
struct Port {
    index: u32,
    name: String,
    status: PortStatus,
}

impl KernelBridges {
    /// Those that a configuration names.
    pub(crate) fn new(config: &NodeConfig) -> KernelBridges {
        KernelBridges { bridges: wanted(config).map(KernelBridge::new).collect(), watched: false }
    }

    /// Whether all that happens is told as events.
    pub(crate) fn watch(&mut self, on: bool) {
        self.watched = on;
    }

    /// The driver tells something. What is about bridges or ports that are not there is passed over.
    pub(crate) fn handle(
        &mut self,
        now: Instant,
        input: KernelBridgeInput<'_>,
        out: &mut Outbox<NodeOutput>,
    ) {
        match input {
            KernelBridgeInput::Ready { bridge, address, method } => {
                self.with(&bridge, out, |bridge| bridge.ready(now, address, method));
            }
            KernelBridgeInput::Refused { bridge, reason } => {
                self.with(&bridge, out, |bridge| {
                    bridge.state = State::Refused(reason);
                    bridge.ports.clear();
                });
            }
            KernelBridgeInput::Port { bridge, index, name, up, mac, speed, full_duplex } => {
                if let Some(other) = self.owner(index).filter(|owner| *owner != bridge) {
                    self.with(&other, out, |bridge| bridge.port_gone(now, index));
                }
                let status = PortStatus { up, address: mac, speed, full_duplex };
                self.with(&bridge, out, |bridge| bridge.port(now, Port { index, name, status }));
            }
            KernelBridgeInput::PortGone { index } => {
                if let Some(owner) = self.owner(index) {
                    self.with(&owner, out, |bridge| bridge.port_gone(now, index));
                }
            }
            KernelBridgeInput::Frame { index, frame } => {
                let owner = self.bridges.iter_mut().find_map(|b| Some((b.place(index)?, b)));
                if let Some((port, bridge)) = owner
                    && let State::Running { tree, .. } = &mut bridge.state
                {
                    tree.frame(now, port, frame);
                    bridge.carry(self.watched, out);
                }
            }
        }
    }

    /// Changes to another configuration; says in words what is different.
    pub(crate) fn reconfigure(
        &mut self,
        now: Instant,
        config: &NodeConfig,
        out: &mut Outbox<NodeOutput>,
    ) -> Vec<String> {
        let mut changes = Vec::new();
        let mut before = std::mem::take(&mut self.bridges);
        for (config, tree) in wanted(config) {
            let known = before.iter().position(|bridge| bridge.config.name == config.name);
            let Some(mut bridge) = known.map(|place| before.remove(place)) else {
                changes.push(format!("spanning tree for the kernel's bridge {} added", config.name));
                self.bridges.push(KernelBridge::new((config, tree)));
                continue;
            };
            let words = differences(&bridge.config, &config);
            if !words.is_empty() {
                changes.push(format!("bridge {}: {}", config.name, words.join(", ")));
            }
            bridge.set_config(now, config, tree);
            bridge.carry(self.watched, out);
            self.bridges.push(bridge);
        }
        let gone = before.iter().map(|bridge| &bridge.config.name);
        changes.extend(gone.map(|name| format!("spanning tree for the kernel's bridge {name} removed")));
        changes
    }

    /// When [`KernelBridges::handle_timeout`] is due.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        earliest(self.bridges.iter().filter_map(KernelBridge::tree).map(Tree::poll_timeout))
    }

    /// Does what is due.
    pub(crate) fn handle_timeout(&mut self, now: Instant, out: &mut Outbox<NodeOutput>) {
        for bridge in &mut self.bridges {
            if let State::Running { tree, .. } = &mut bridge.state {
                tree.handle_timeout(now);
                bridge.carry(self.watched, out);
            }
        }
    }

    /// What people see of each.
    pub(crate) fn views(&self, now: Instant) -> impl Iterator<Item = TreeView> {
        self.bridges.iter().map(move |bridge| bridge.view(now))
    }

    /// The ports of a bridge that is in our hands, by name.
    pub(crate) fn port_names(&self, bridge: &str) -> Option<BTreeMap<String, PortId>> {
        let bridge = self.bridges.iter().find(|b| b.config.name == bridge)?;
        bridge.tree()?;
        Some(bridge.places().map(|(id, port)| (port.name.clone(), id)).collect())
    }

    /// Does something with the spanning tree of a bridge.
    pub(crate) fn with_tree(
        &mut self,
        bridge: &str,
        act: impl FnOnce(&mut Tree),
        out: &mut Outbox<NodeOutput>,
    ) {
        self.with(bridge, out, |bridge| {
            if let State::Running { tree, .. } = &mut bridge.state {
                act(tree);
            }
        });
    }

    /// Does something with a bridge, where there is such a one, and what it wants then.
    fn with(&mut self, name: &str, out: &mut Outbox<NodeOutput>, act: impl FnOnce(&mut KernelBridge)) {
        if let Some(bridge) = self.bridges.iter_mut().find(|bridge| bridge.config.name == name) {
            act(bridge);
            bridge.carry(self.watched, out);
        }
    }

    /// The bridge that has a port.
    fn owner(&self, index: u32) -> Option<String> {
        let has = |bridge: &&KernelBridge| bridge.place(index).is_some();
        self.bridges.iter().find(has).map(|bridge| bridge.config.name.clone())
    }
}

impl KernelBridge {
    fn new((config, tree_config): (BridgeConfig, Config)) -> KernelBridge {
        KernelBridge { config, tree_config, state: State::Waiting, ports: Vec::new() }
    }

    fn tree(&self) -> Option<&Tree> {
        match &self.state {
            State::Running { tree, .. } => Some(tree),
            State::Waiting | State::Refused(_) => None,
        }
    }

    fn places(&self) -> impl Iterator<Item = (PortId, &Port)> {
        (0..).map(PortId).zip(&self.ports).filter_map(|(id, port)| Some((id, port.as_ref()?)))
    }

    fn place(&self, index: u32) -> Option<PortId> {
        self.places().find(|(_, port)| port.index == index).map(|(id, _)| id)
    }

    fn name(&self, id: PortId) -> String {
        let port = self.ports.get(id.index()).and_then(Option::as_ref);
        port.map_or_else(String::new, |port| port.name.clone())
    }

    /// All ports are closed: the machine begins anew, with those that are known.
    fn ready(&mut self, now: Instant, address: MacAddr, method: String) {
        let tree = Box::new(Tree::new(&self.tree_config, address));
        self.state = State::Running { tree, method };
        self.tell_ports(now);
        for place in 0..self.ports.len() as u32 {
            self.tell_status(now, PortId(place));
        }
    }

    fn port(&mut self, now: Instant, port: Port) {
        if self.tree().is_none() {
            return;
        }
        let known = self.place(port.index).map(PortId::index);
        let place = known.or_else(|| self.ports.iter().position(Option::is_none)).unwrap_or(self.ports.len());
        if place >= usize::from(PortIdentifier::MAX_NUMBER) {
            return; // more than can have a number
        }
        if place == self.ports.len() {
            self.ports.push(None);
        }
        self.ports[place] = Some(port);
        self.tell_ports(now);
        self.tell_status(now, PortId(place as u32));
    }

    fn port_gone(&mut self, now: Instant, index: u32) {
        if let Some(place) = self.place(index) {
            self.ports[place.index()] = None;
            self.tell_ports(now);
        }
    }

    fn set_config(&mut self, now: Instant, config: BridgeConfig, tree_config: Config) {
        (self.config, self.tree_config) = (config, tree_config);
        if let State::Running { tree, .. } = &mut self.state {
            let address = tree.address();
            tree.set_config(now, &tree_config, address);
            self.tell_ports(now);
        }
    }

    /// The machine hears which ports there are. Their numbers are their places, from 1.
    fn tell_ports(&mut self, now: Instant) {
        let ports = self.places().map(|(id, port)| (id, port.name.as_str(), id.0 as u16 + 1));
        let wanted = port_configs(&self.config, ports);
        let State::Running { tree, .. } = &mut self.state else { return };
        let renewed: Vec<PortId> =
            tree.set_ports(now, wanted).into_iter().filter(|id| self.ports[id.index()].is_some()).collect();
        for id in renewed {
            self.tell_status(now, id);
        }
    }

    fn tell_status(&mut self, now: Instant, id: PortId) {
        if let State::Running { tree, .. } = &mut self.state
            && let Some(Some(port)) = self.ports.get(id.index())
        {
            tree.status(now, id, port.status);
        }
    }

    /// Carries out what the machine wants, in its order.
    fn carry(&mut self, watched: bool, out: &mut Outbox<NodeOutput>) {
        while let State::Running { tree, .. } = &mut self.state
            && let Some(output) = tree.out.pop()
        {
            let index = |id: PortId| Some(self.ports.get(id.index())?.as_ref()?.index);
            let bridge = || self.config.name.clone();
            let action = match output {
                Output::Frame { port, frame } => {
                    index(port).map(|index| KernelBridgeAction::Frame { index, frame })
                }
                Output::State { port, state } => {
                    index(port).map(|index| KernelBridgeAction::State { index, state })
                }
                Output::Flush { port } => index(port).map(|index| KernelBridgeAction::Flush { index }),
                Output::AgeingTime(time) => Some(KernelBridgeAction::AgeingTime { bridge: bridge(), time }),
                Output::AnnounceStations { by, lost } => index(by)
                    .zip(index(lost))
                    .map(|(by, lost)| KernelBridgeAction::AnnounceStations { bridge: bridge(), by, lost }),
                Output::Event(event) => {
                    self.tell(watched, &event, out);
                    None
                }
            };
            if let Some(action) = action {
                out.push(NodeOutput::KernelBridge(action));
            }
        }
    }

    fn tell(&self, watched: bool, event: &Event, out: &mut Outbox<NodeOutput>) {
        if watched || is_of_note(event) {
            let message = event.text(&|port| self.name(port));
            out.push(NodeOutput::Event(EventKind::SpanningTree {
                bridge: self.config.name.clone(),
                message,
            }));
        }
    }

    fn view(&self, now: Instant) -> TreeView {
        let name = |port| self.name(port);
        let none = |why: &str| {
            Tree::new(&self.tree_config, MacAddr::UNSPECIFIED).view(now, &self.config.name, why, &name)
        };
        match &self.state {
            State::Running { tree, method } => tree.view(now, &self.config.name, method, &name),
            State::Refused(reason) => none(reason),
            State::Waiting => none("waiting for the kernel's bridge"),
        }
    }
}

/// The bridges of the kernel that a configuration wants spanning tree for.
fn wanted(config: &NodeConfig) -> impl Iterator<Item = (BridgeConfig, Config)> {
    let kernel = config.bridges.iter().filter(|bridge| bridge.kernel);
    kernel.filter_map(|bridge| Some((bridge.clone(), bridge.spanning_tree?)))
}
