//! What is done to a lab while it runs: cables cut, links made worse, frames slipped in.

use super::{Lab, LabError, LinkIndex, NodeIndex, Observer};
use crate::link::LinkConfig;
use trunkline_core::Frame;

impl Lab {
    /// A link loses its carrier, and all that is on its way.
    pub fn cut(&mut self, link: LinkIndex, observer: &mut dyn Observer) {
        let Some(state) = self.links.get_mut(link.index()) else { return };
        state.cut = true;
        let lines = state.first_line as usize..state.first_line as usize + state.ends.len();
        for state in self.lines.get_mut(lines).into_iter().flatten() {
            state.line.clear(self.now);
        }
        self.tell_carriers(link.0, observer);
    }

    /// A link that was cut is whole again.
    pub fn restore(&mut self, link: LinkIndex, observer: &mut dyn Observer) {
        let Some(state) = self.links.get_mut(link.index()) else { return };
        state.cut = false;
        self.tell_carriers(link.0, observer);
    }

    /// Whether a link is cut.
    pub fn is_cut(&self, link: LinkIndex) -> bool {
        self.links.get(link.index()).is_some_and(|state| state.cut)
    }

    /// Changes what a link does to frames from now on. Its name stays. Nodes hear of another rate.
    pub fn set_link(&mut self, link: LinkIndex, mut config: LinkConfig, observer: &mut dyn Observer) {
        let Some(state) = self.links.get_mut(link.index()) else { return };
        config.name.clone_from(&state.config.name);
        let lines = state.first_line as usize..state.first_line as usize + state.ends.len();
        for state in self.lines.get_mut(lines).into_iter().flatten() {
            state.line.set_config(&config);
        }
        let before = std::mem::replace(&mut state.config, config);
        if before.rate != state.config.rate {
            self.tell_link(link.0, observer);
        }
    }

    /// Sends a frame by a node's interface, as if the node had sent it.
    ///
    /// # Errors
    ///
    /// There is no such interface, or no link is in it.
    pub fn send_frame(
        &mut self,
        node: NodeIndex,
        interface: &str,
        frame: Frame,
        observer: &mut dyn Observer,
    ) -> Result<(), LabError> {
        let state = self.nodes.get(node.index());
        let jack = state.and_then(|state| state.jack(state.port(interface)?));
        let Some((link, end)) = jack else {
            let name = state.map(|state| state.config.name.clone()).unwrap_or_default();
            return Err(LabError::NoSuchInterface(name, interface.to_owned()));
        };
        self.send(link, end, frame, observer);
        Ok(())
    }
}
