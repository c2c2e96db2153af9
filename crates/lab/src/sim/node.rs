//! A node of a lab: its life, its timer, its ports.

use super::{Lab, LabError, LinkIndex, MAX_WAKES_AT_ONCE, NodeIndex, Observer, REST};
use crate::capture::EPOCH;
use trunkline_bgp::transport::{TcpAction, TcpError, TcpEvent};
use trunkline_core::{Duration, Instant, MacAddr, PortId};
use trunkline_node::config::NodeConfig;
use trunkline_node::{Node, NodeInput, Reconfigured};
use trunkline_view::{Answer, ErrorKind, Query};

/// What a lab knows of a node.
pub(crate) struct NodeState {
    pub(crate) config: NodeConfig,
    /// None: it is down.
    pub(super) node: Option<Node>,
    /// How often it was started.
    pub(super) lives: u64,
    /// By [`PortId`].
    pub(super) jacks: Vec<Jack>,
    /// Names of all ports that it ever had.
    pub(super) known_ports: Vec<String>,
    /// Whether it has been told of them in this life.
    pub(super) knows_ports: bool,
    /// When it is to be woken: what is in the heap for any other time is stale.
    pub(super) wake: Option<Instant>,
    /// How often it was woken at this moment.
    wakes: (Instant, u32),
    /// The first octets of the MAC addresses of its ports.
    pub(super) mac_prefix: [u8; 4],
}

/// Where a cable goes in.
#[derive(Debug, Clone)]
pub(super) struct Jack {
    pub(super) interface: String,
    pub(super) mac: MacAddr,
    /// The link and which of its ends.
    pub(super) plugged: Option<(u32, u32)>,
}

/// What a query comes to.
#[derive(Debug)]
pub enum Asked {
    /// The answer.
    Now(Answer),
    /// [`Observer::answer`] will hear it, with this number.
    Later(u64),
}

impl NodeState {
    /// The link that is plugged into a port, and which of its ends.
    #[inline]
    pub(super) fn jack(&self, port: PortId) -> Option<(u32, u32)> {
        self.jacks.get(port.index())?.plugged
    }

    /// The port of an interface.
    pub(super) fn port(&self, interface: &str) -> Option<PortId> {
        let place = self.jacks.iter().position(|jack| jack.interface == interface)?;
        Some(PortId(place as u32))
    }

    pub(super) fn watch(&mut self, on: bool) {
        if let Some(node) = &mut self.node {
            node.watch_routes(on);
            node.watch_stack(on);
        }
    }

    /// When a node is woken that wants to be at `due`: not without end at the same moment.
    #[inline]
    pub(super) fn patient(&mut self, due: Instant, now: Instant) -> Instant {
        if due > now {
            return due;
        }
        if self.wakes.0 != now {
            self.wakes = (now, 0);
        }
        self.wakes.1 += 1;
        if self.wakes.1 > MAX_WAKES_AT_ONCE { now + REST } else { now }
    }
}

impl Lab {
    /// Adds a node and starts it.
    ///
    /// # Errors
    ///
    /// There is a node of this name, or it cannot start.
    pub fn add_node(
        &mut self,
        config: NodeConfig,
        observer: &mut dyn Observer,
    ) -> Result<NodeIndex, LabError> {
        if self.names.contains_key(&config.name) {
            return Err(LabError::NameTaken(config.name));
        }
        let index = NodeIndex(self.nodes.len() as u32);
        let mac_prefix = self.choose_mac_prefix(&config.name);
        let name = config.name.clone();
        self.nodes.push(NodeState {
            config,
            node: None,
            lives: 0,
            jacks: Vec::new(),
            known_ports: Vec::new(),
            knows_ports: false,
            wake: None,
            wakes: (Instant::ZERO, 0),
            mac_prefix,
        });
        if let Err(error) = self.start(index, observer) {
            self.nodes.pop();
            return Err(error);
        }
        self.names.insert(name, index);
        Ok(index)
    }

    /// Whether a node runs.
    pub fn is_up(&self, node: NodeIndex) -> bool {
        self.nodes.get(node.index()).is_some_and(|state| state.node.is_some())
    }

    /// Starts a node that is down, as it is configured now.
    ///
    /// # Errors
    ///
    /// It cannot start.
    pub fn start(&mut self, node: NodeIndex, observer: &mut dyn Observer) -> Result<(), LabError> {
        let Some(state) = self.nodes.get(node.index()) else { return Ok(()) };
        if state.node.is_some() {
            return Ok(());
        }
        let name = state.config.name.clone();
        let seed = self.seed_of("node", &format!("{name} {}", state.lives));
        let mut created = Node::new(state.config.clone(), Vec::new(), seed, "lab")
            .map_err(|error| LabError::Start(name, error))?;
        let since_epoch = Duration::from_nanos(EPOCH + self.now.as_nanos());
        created.handle(self.now, NodeInput::WallClock { since_epoch }, &mut self.out);
        created.start(self.now, &mut self.out);
        let watches = self.watches;
        let state = &mut self.nodes[node.index()];
        state.lives += 1;
        state.node = Some(created);
        state.watch(watches);
        self.carry(node.0, observer);
        self.find_ports(node, observer);
        self.rearm(node.0);
        self.tell_carriers_of(node, observer);
        Ok(())
    }

    /// A node loses all its state and is down.
    pub fn crash(&mut self, node: NodeIndex, observer: &mut dyn Observer) {
        let Some(state) = self.nodes.get_mut(node.index()) else { return };
        state.node = None;
        state.wake = None;
        state.knows_ports = false;
        self.tell_carriers_of(node, observer);
    }

    /// Gives a node another configuration; one that is down starts with it.
    pub fn reconfigure(
        &mut self,
        node: NodeIndex,
        mut config: NodeConfig,
        observer: &mut dyn Observer,
    ) -> Reconfigured {
        let Some(state) = self.nodes.get_mut(node.index()) else { return Reconfigured::default() };
        config.name.clone_from(&state.config.name);
        state.config = config.clone();
        let Some(running) = &mut state.node else { return Reconfigured::default() };
        let result = running.reconfigure(self.now, config, &mut self.out);
        // First the cables: what the node has to say is for the ports as they are now.
        self.find_ports(node, observer);
        self.carry(node.0, observer);
        self.rearm(node.0);
        self.tell_carriers_of(node, observer);
        result
    }

    /// Asks a node or orders it something.
    pub fn query(&mut self, node: NodeIndex, query: Query, observer: &mut dyn Observer) -> Asked {
        if !self.is_up(node) {
            return Asked::Now(Answer::error(ErrorKind::Unavailable, "the node is down"));
        }
        let id = self.next_query;
        self.next_query += 1;
        self.asking = Some((id, None));
        self.tell(node.0, NodeInput::Query { id, query }, observer);
        match self.asking.take() {
            Some((_, Some(answer))) => Asked::Now(answer),
            _ => Asked::Later(id),
        }
    }

    /// Nothing is behind the kernel's sockets of a simulated node.
    pub(super) fn refuse_tcp(&mut self, number: u32, action: TcpAction) {
        if let TcpAction::Connect { conn, .. } = action
            && let Some(node) = &mut self.nodes[number as usize].node
        {
            let event = TcpEvent::Failed(TcpError::Unreachable);
            node.handle(self.now, NodeInput::Tcp { conn, event }, &mut self.out);
        }
    }

    /// The MAC address of an interface that a cable can be put into.
    pub fn mac(&self, node: NodeIndex, interface: &str) -> Option<MacAddr> {
        let state = self.nodes.get(node.index())?;
        let configured = state.config.interfaces.iter().find(|i| i.name == interface).and_then(|i| i.mac);
        configured
            .or_else(|| state.jacks.iter().find(|jack| jack.interface == interface).map(|jack| jack.mac))
    }

    /// The link that an interface is on.
    pub fn link_of(&self, node: NodeIndex, interface: &str) -> Option<LinkIndex> {
        let state = self.nodes.get(node.index())?;
        state.jack(state.port(interface)?).map(|(link, _)| LinkIndex(link))
    }
}
