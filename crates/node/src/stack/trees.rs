//! Spanning tree of our own bridges: what it wants is done here, and it hears of ports and frames.

use super::Stack;
use super::bridges::{BridgeState, state_name};
use super::links::{Role, send_by};
use crate::NodeOutput;
use crate::spanning_tree::{Tree, is_of_note, port_configs};
use std::collections::{BTreeMap, VecDeque};
use trunkline_bridge::{Kind, PortState};
use trunkline_core::{Duration, Frame, Instant, MacAddr, Outbox, PortId};
use trunkline_stp::{Event, Output, PortState as TreeState, PortStatus};
use trunkline_view::EventKind;
use trunkline_view::stp::TreeView;
use trunkline_wire::ethernet::{self, Content, Header};
use trunkline_wire::llc::{Llc, Snap};

/// Where UplinkFast's announcements go.
const ANNOUNCE_TO: MacAddr = MacAddr([0x01, 0x00, 0x0c, 0xcd, 0xcd, 0xcd]);

/// What follows their LLC header: Cisco's, UplinkFast.
const ANNOUNCE_SNAP: Snap = Snap { oui: [0x00, 0x00, 0x0c], pid: 0x200a };

/// Between two of them: 150 a second.
const ANNOUNCE_EVERY: Duration = Duration::from_nanos(1_000_000_000 / 150);

/// Stations that are to be announced after an uplink has taken the place of another. At most as many as the filtering
/// database holds.
#[derive(Debug, Default)]
pub(super) struct Announcements {
    by: Option<PortId>,
    stations: VecDeque<MacAddr>,
    next: Option<Instant>,
}

impl Announcements {
    /// When the next is due.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.next
    }
}

/// What the filtering database and the ports do in a state of spanning tree.
fn data_plane(state: TreeState) -> PortState {
    match state {
        TreeState::Disabled | TreeState::Discarding | TreeState::Blocking | TreeState::Listening => {
            PortState::Discarding
        }
        TreeState::Learning => PortState::Learning,
        TreeState::Forwarding => PortState::Forwarding,
    }
}

impl BridgeState {
    /// Begins, changes or ends spanning tree as the configuration says.
    pub(super) fn set_tree(&mut self, now: Instant) {
        let Some(config) = &self.config.spanning_tree else {
            if self.tree.take().is_some() {
                self.announcements = Announcements::default();
                self.bridge.set_ageing_time(now, self.config.ageing_time);
            }
            return;
        };
        let address = self.bridge.address();
        if let Some(tree) = &mut self.tree {
            tree.set_config(now, config, address);
            return;
        }
        self.tree = Some(Tree::new(config, address));
        // Until it says otherwise.
        for port in self.bridge.ports().collect::<Vec<_>>() {
            self.bridge.set_port_state(now, port, PortState::Discarding);
        }
    }

    /// The stations behind all ports but these.
    fn stations_elsewhere(&self, now: Instant, but: [PortId; 2]) -> impl Iterator<Item = MacAddr> + use<> {
        let heard = self.bridge.entries(now).filter(|entry| entry.kind == Kind::Dynamic);
        heard.filter(move |entry| !but.contains(&entry.port)).map(|entry| entry.mac)
    }
}

impl Stack {
    /// A bridge's spanning tree hears which ports there are now, and how they are configured.
    pub(super) fn tree_ports(&mut self, now: Instant, number: usize) {
        let Some(Some(state)) = self.bridges.get_mut(number) else { return };
        let Some(tree) = &mut state.tree else { return };
        let place = |name: &String| {
            let is_it = |port: &super::Port| port.role == Role::Bridge(number) && port.name == *name;
            self.ports.iter().position(is_it).map(|place| PortId(place as u32))
        };
        let members = state.config.ports.iter().zip(1..);
        let members = members.filter_map(|(name, position)| Some((place(name)?, name.as_str(), position)));
        let wanted = port_configs(&state.config, members);
        for port in tree.set_ports(now, wanted) {
            state.bridge.set_port_state(now, port, PortState::Discarding);
        }
    }

    /// A bridge's spanning tree hears of the bridge's address and its links. False: there is none.
    pub(super) fn tree_links(
        &mut self,
        now: Instant,
        number: usize,
        address: MacAddr,
        links: &[(PortId, PortStatus)],
    ) -> bool {
        let Some(Some(BridgeState { config, tree: Some(tree), .. })) = self.bridges.get_mut(number) else {
            return false;
        };
        if let Some(config) = &config.spanning_tree
            && tree.address() != address
        {
            tree.set_config(now, config, address);
        }
        for (port, status) in links {
            tree.status(now, *port, *status);
        }
        true
    }

    /// Carries out what a bridge's spanning tree wants, in its order.
    pub(super) fn tree_outputs(&mut self, now: Instant, number: usize, out: &mut Outbox<NodeOutput>) {
        while let Some(Some(state)) = self.bridges.get_mut(number)
            && let Some(tree) = &mut state.tree
            && let Some(output) = tree.out.pop()
        {
            match output {
                Output::Frame { port, frame } => send_by(&mut self.ports, port, Frame::from(frame), out),
                Output::State { port, state: wanted } => {
                    state.bridge.set_port_state(now, port, data_plane(wanted));
                }
                Output::Flush { port } => state.bridge.flush(port),
                Output::AgeingTime(time) => {
                    state.bridge.set_ageing_time(now, time.unwrap_or(state.config.ageing_time));
                }
                Output::AnnounceStations { by, lost } => {
                    let stations = state.stations_elsewhere(now, [by, lost]).collect();
                    state.announcements = Announcements { by: Some(by), stations, next: Some(now) };
                    self.announce(now, number, out);
                }
                Output::Event(event) => self.tree_event(number, &event),
            }
        }
        if let Some(Some(state)) = self.bridges.get(number) {
            self.note(state.poll_timeout());
        }
    }

    fn tree_event(&mut self, number: usize, event: &Event) {
        let Some(Some(state)) = self.bridges.get(number) else { return };
        if self.watched || is_of_note(event) {
            let bridge = state.config.name.clone();
            let message = event.text(&|port| self.port_name(port));
            self.said.push(super::Said::Event(EventKind::SpanningTree { bridge, message }));
        }
    }

    /// Announces the next station that is due. None is announced by a port that does not forward any more.
    fn announce(&mut self, now: Instant, number: usize, out: &mut Outbox<NodeOutput>) {
        let Some(Some(state)) = self.bridges.get_mut(number) else { return };
        while let Some(by) = state.announcements.by
            && state.announcements.next.is_some_and(|due| due <= now)
        {
            let forwards = state.bridge.port_state(by) == Some(PortState::Forwarding);
            let station = state.announcements.stations.pop_front().filter(|_| forwards);
            let Some(station) = station else {
                state.announcements = Announcements::default();
                return;
            };
            state.announcements.next = state.announcements.next.map(|due| due + ANNOUNCE_EVERY);
            send_by(&mut self.ports, by, announcement(station), out);
        }
    }

    /// What is due for a bridge: stations grow old, spanning tree goes on.
    pub(super) fn bridge_timeout(&mut self, now: Instant, number: usize, out: &mut Outbox<NodeOutput>) {
        let Some(Some(state)) = self.bridges.get_mut(number) else { return };
        if state.bridge.poll_timeout().is_some_and(|due| due <= now) {
            state.bridge.handle_timeout(now);
        }
        if let Some(tree) = &mut state.tree {
            tree.handle_timeout(now);
            self.announce(now, number, out);
            self.tree_outputs(now, number, out);
        }
    }

    /// The name of a port.
    pub(super) fn port_name(&self, port: PortId) -> String {
        self.ports.get(port.index()).map_or_else(String::new, |port| port.name.clone())
    }

    /// What a port of a bridge does, in words.
    pub(super) fn port_state_name(&self, now: Instant, state: &BridgeState, id: PortId) -> &'static str {
        let up = self.ports.get(id.index()).is_some_and(|port| port.up);
        let shut = state.tree.as_ref().is_some_and(|tree| tree.is_disabled(now, id));
        if up && !shut { state.bridge.port_state(id).map_or("", state_name) } else { "disabled" }
    }

    /// The bridges, each with what its spanning tree shows, where it has one.
    pub(crate) fn tree_views(&self, now: Instant) -> BTreeMap<String, Option<TreeView>> {
        let bridges = self.bridges.iter().flatten();
        bridges
            .map(|state| {
                let name = state.config.name.clone();
                let tree = state.tree.as_ref();
                let view = tree.map(|tree| tree.view(now, &name, "own ports", &|port| self.port_name(port)));
                (name, view)
            })
            .collect()
    }

    /// The ports of a bridge that has spanning tree, by name.
    pub(crate) fn tree_port_names(&self, bridge: &str) -> Option<BTreeMap<String, PortId>> {
        let number = self.bridge_number(bridge)?;
        let state = self.bridges.get(number)?.as_ref().filter(|state| state.tree.is_some())?;
        Some(state.bridge.ports().map(|port| (self.port_name(port), port)).collect())
    }

    /// Does something with the spanning tree of a bridge.
    pub(crate) fn with_tree(
        &mut self,
        now: Instant,
        bridge: &str,
        act: impl FnOnce(&mut Tree),
        out: &mut Outbox<NodeOutput>,
    ) {
        let Some(number) = self.bridge_number(bridge) else { return };
        if let Some(Some(BridgeState { tree: Some(tree), .. })) = self.bridges.get_mut(number) {
            act(tree);
            self.tree_outputs(now, number, out);
        }
    }
}

/// The frame that says behind which port a station is now: to all bridges, as if the station had sent it.
fn announcement(station: MacAddr) -> Frame {
    let mut rest = Vec::new();
    Llc { dsap: Llc::SNAP_SAP, ssap: Llc::SNAP_SAP, control: Llc::UI, snap: Some(ANNOUNCE_SNAP) }
        .emit(&mut rest);
    let content = Content::Length(rest.len() as u16);
    let mut frame = Vec::with_capacity(ethernet::MIN_LEN);
    Header { destination: ANNOUNCE_TO, source: station, tag: None, content }.emit(&mut frame);
    frame.extend_from_slice(&rest);
    ethernet::pad(&mut frame);
    Frame::from(frame)
}

#[cfg(test)]
mod tests {
    use super::super::LinkState;
    use super::*;
    use crate::config::{BridgeConfig, InterfaceConfig, NodeConfig, PortKind};
    use trunkline_core::Rng;
    use trunkline_stp::{Config, Edge, PortConfig, Protocol};

    /// A switch all of whose ports forward, and behind each of which `stations` have been heard.
    fn heard(stations: u8) -> (Stack, Instant) {
        let names = ["eth0", "eth1", "eth2"].map(str::to_owned);
        let edge = PortConfig { edge: Edge::Yes, ..PortConfig::new(0) };
        let bridge = BridgeConfig {
            ports: names.to_vec(),
            spanning_tree: Some(Config::new(Protocol::Rstp, MacAddr::UNSPECIFIED)),
            port_settings: names.iter().map(|name| (name.clone(), edge)).collect(),
            ..BridgeConfig::new("br0")
        };
        let interfaces = names.iter().map(|name| InterfaceConfig::new(name, PortKind::Simulated)).collect();
        let config = NodeConfig { interfaces, bridges: vec![bridge], ..NodeConfig::new("sw") };
        let (mut stack, now) = (Stack::new(&config, Rng::new(1)), Instant::from_secs(1));
        let out = &mut Outbox::new();
        for port in 0..3 {
            let mac = MacAddr([2, 0, 0, 0, 0, port]);
            let link = LinkState { up: true, mac, mtu: 1500, speed: None, full_duplex: None };
            stack.port(now, PortId(port.into()), link, out);
        }
        for (port, station) in (0..3).flat_map(|port| (0..stations).map(move |station| (port, station))) {
            let mut frame = vec![0xff; 60];
            frame[6..12].copy_from_slice(&[2, 0, 0, 1, port, station]);
            stack.frame(now, PortId(port.into()), Frame::from(frame), out);
        }
        (stack, now)
    }

    /// The announcements among what goes out: port and station.
    fn announced(out: &mut Outbox<NodeOutput>) -> Vec<(PortId, MacAddr)> {
        let announcement = |output| match output {
            NodeOutput::Frame { port, frame } if frame.starts_with(&ANNOUNCE_TO.0) => {
                Some((port, ethernet::source(&frame)?))
            }
            _ => None,
        };
        out.drain().filter_map(announcement).collect()
    }

    fn run(stack: &mut Stack, from: Instant, time: Duration, out: &mut Outbox<NodeOutput>) {
        let mut now = from;
        while let Some(due) = stack.poll_timeout().filter(|due| *due <= from + time) {
            now = now.max(due);
            stack.handle_timeout(now, out);
        }
    }

    fn order(stack: &mut Stack, now: Instant, output: Output, out: &mut Outbox<NodeOutput>) {
        if let Some(Some(BridgeState { tree: Some(tree), .. })) = stack.bridges.get_mut(0) {
            tree.out.push(output);
        }
        stack.tree_outputs(now, 0, out);
    }

    #[test]
    fn stations_are_announced_150_a_second() {
        let (mut stack, now) = heard(200);
        let out = &mut Outbox::new();
        let by = PortId(1);
        order(&mut stack, now, Output::AnnounceStations { by, lost: PortId(0) }, out);
        run(&mut stack, now, Duration::from_secs(1), out);
        let first = announced(out);
        assert!((150..=151).contains(&first.len()), "{}", first.len());
        run(&mut stack, now + Duration::from_secs(1), Duration::from_secs(9), out);
        let all: Vec<_> = first.into_iter().chain(announced(out)).collect();
        // Those behind the third port alone, each once.
        let expected: Vec<_> = (0..200).map(|station| (by, MacAddr([2, 0, 0, 1, 2, station]))).collect();
        assert_eq!(all, expected);
    }

    #[test]
    fn a_port_that_does_not_forward_announces_nothing_more() {
        let (mut stack, now) = heard(200);
        let out = &mut Outbox::new();
        let (by, lost) = (PortId(1), PortId(0));
        order(&mut stack, now, Output::AnnounceStations { by, lost }, out);
        order(&mut stack, now, Output::State { port: by, state: TreeState::Blocking }, out);
        run(&mut stack, now, Duration::from_secs(1), out);
        assert_eq!(announced(out).len(), 1);
    }

    #[test]
    fn states_flushes_and_ageing_reach_the_filtering_database() {
        let (mut stack, now) = heard(2);
        let out = &mut Outbox::new();
        let bridge = |stack: &Stack| {
            let state = stack.bridges[0].as_ref().unwrap();
            let stations = [0, 1, 2]
                .map(|port| state.bridge.entries(now).filter(|entry| entry.port == PortId(port)).count());
            (stations, state.bridge.ageing_time().as_secs())
        };
        assert_eq!(bridge(&stack), ([2, 2, 2], 300));
        order(&mut stack, now, Output::Flush { port: PortId(0) }, out);
        assert_eq!(bridge(&stack), ([0, 2, 2], 300));
        order(&mut stack, now, Output::AgeingTime(Some(Duration::from_secs(15))), out);
        assert_eq!(bridge(&stack).1, 15);
        order(&mut stack, now, Output::AgeingTime(None), out);
        assert_eq!(bridge(&stack).1, 300);
        // IEEE 802.1D-1998 §8.4: a port that listens neither learns nor forwards.
        for state in [TreeState::Disabled, TreeState::Discarding, TreeState::Blocking, TreeState::Listening] {
            order(&mut stack, now, Output::State { port: PortId(1), state: TreeState::Learning }, out);
            order(&mut stack, now, Output::State { port: PortId(1), state }, out);
            let bridge = &stack.bridges[0].as_ref().unwrap().bridge;
            assert_eq!(bridge.port_state(PortId(1)), Some(PortState::Discarding), "{state}");
        }
    }
}
