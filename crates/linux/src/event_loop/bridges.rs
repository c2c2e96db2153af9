//! Bridges of the kernel between the kernel and the node.

use super::EventLoop;
use std::collections::BTreeSet;
use trunkline_node::config::NodeConfig;
use trunkline_node::{InterfaceChange, KernelBridgeInput, NodeInput};

/// Frames taken from a port in a turn; the others come next.
const FRAMES_PER_TURN: usize = 16;

/// The bridges of the kernel that a configuration has spanning tree on.
pub(crate) fn wanted(config: &NodeConfig) -> BTreeSet<&str> {
    let bridges = config.bridges.iter().filter(|bridge| bridge.kernel && bridge.spanning_tree.is_some());
    bridges.map(|bridge| bridge.name.as_str()).collect()
}

impl EventLoop {
    /// Takes the bridges that the configuration names, gives back others.
    pub(super) fn configure_bridges(&mut self) {
        self.bridges.configure(self.now, &wanted(self.node.config()), &self.monitor.links);
        self.feed_bridges();
    }

    /// Netlink tells of an interface.
    pub(super) fn bridges_changed(&mut self, change: &InterfaceChange) {
        self.bridges.link_changed(self.now, change, &self.monitor.links);
        self.feed_bridges();
    }

    /// Has the gates stay open; first in a turn, whatever else there is to do.
    pub(super) fn refresh_bridges(&mut self) {
        self.bridges.handle_timeout(self.now, &self.monitor.links);
        self.feed_bridges();
    }

    fn feed_bridges(&mut self) {
        while let Some(input) = self.bridges.pop() {
            self.feed(NodeInput::KernelBridge(input));
        }
    }

    /// Feeds what came in.
    pub(super) fn read_bridges(&mut self) {
        for index in self.bridges.readable() {
            for _ in 0..FRAMES_PER_TURN {
                let Some(len) = self.bridges.receive(index, &mut self.read_buffer) else { break };
                let buffer = std::mem::take(&mut self.read_buffer);
                let frame = buffer.get(..len).unwrap_or_default();
                self.feed(NodeInput::KernelBridge(KernelBridgeInput::Frame { index, frame }));
                self.read_buffer = buffer;
            }
        }
    }
}
