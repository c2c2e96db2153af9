//! Questions and orders about spanning tree, whosesoever the bridge is.

use crate::NodeOutput;
use crate::node::Node;
use crate::spanning_tree::{Tree, protocol_name};
use std::collections::BTreeMap;
use trunkline_core::{Instant, Outbox, PortId};
use trunkline_stp::{Event, Inconsistency, Output, Protocol};
use trunkline_view::stp::{SpanningTreesView, TreeView};
use trunkline_view::{Answer, DoneView, ErrorKind};

impl Node {
    /// All bridges by name, each with what its spanning tree shows, where it has one.
    fn trees(&self, now: Instant) -> BTreeMap<String, Option<TreeView>> {
        let mut trees = self.stack.as_ref().map_or_else(BTreeMap::new, |stack| stack.tree_views(now));
        trees.extend(self.kernel_bridges.views(now).map(|view| (view.bridge.clone(), Some(view))));
        trees
    }

    /// What `show spanning-tree` shows: of one bridge, or of all that have one.
    pub(crate) fn spanning_trees(&self, now: Instant, only: Option<&str>) -> Answer {
        let mut trees = self.trees(now);
        let bridges: Vec<TreeView> = match only {
            None => trees.into_values().flatten().collect(),
            Some(name) => match trees.remove(name) {
                Some(Some(view)) => vec![view],
                Some(None) => return not_running(&format!("bridge {name} runs no spanning tree")),
                None => return no_bridge(name, trees.keys()),
            },
        };
        if bridges.is_empty() {
            return not_running("no bridge of this node runs spanning tree");
        }
        Answer::SpanningTree(SpanningTreesView { bridges })
    }

    /// See [`trunkline_stp::Input::Mcheck`].
    pub(crate) fn mcheck(
        &mut self,
        now: Instant,
        (bridge, port): (&str, &str),
        out: &mut Outbox<NodeOutput>,
    ) -> Answer {
        let mut protocol = Protocol::Rstp;
        let told = self.order(now, (bridge, port), out, |tree, id| {
            protocol = tree.protocol();
            tree.mcheck(now, id);
        });
        match told {
            Err(answer) => answer,
            Ok(_) if protocol == Protocol::Stp => {
                let spoken = protocol_name(protocol);
                Answer::error(
                    ErrorKind::Invalid,
                    format!("bridge {bridge} speaks {spoken}, and nothing else"),
                )
            }
            Ok(_) => done(format!("{port} sends RSTP, and listens whether STP is heard")),
        }
    }

    /// See [`trunkline_stp::Input::Recover`].
    pub(crate) fn recover(
        &mut self,
        now: Instant,
        (bridge, port): (&str, &str),
        out: &mut Outbox<NodeOutput>,
    ) -> Answer {
        match self.order(now, (bridge, port), out, |tree, id| tree.recover(now, id)) {
            Err(answer) => answer,
            Ok(true) => done(format!("{port} is no longer shut")),
            Ok(false) => Answer::error(ErrorKind::Invalid, format!("{port} has not been shut by BPDU guard")),
        }
    }

    /// Does something with a port; whether BPDU guard has let it go by that. `Err`: there is no such port.
    fn order(
        &mut self,
        now: Instant,
        (bridge, port): (&str, &str),
        out: &mut Outbox<NodeOutput>,
        act: impl FnOnce(&mut Tree, PortId),
    ) -> Result<bool, Answer> {
        let own = self.stack.as_ref().and_then(|stack| stack.tree_port_names(bridge));
        let is_own = own.is_some();
        let Some(ports) = own.or_else(|| self.kernel_bridges.port_names(bridge)) else {
            let trees = self.trees(now);
            return Err(match trees.get(bridge) {
                Some(Some(view)) => not_running(&format!("bridge {bridge} is not ours: {}", view.data_plane)),
                Some(None) => not_running(&format!("bridge {bridge} runs no spanning tree")),
                None => no_bridge(bridge, trees.keys()),
            });
        };
        let Some(id) = ports.get(port) else {
            let names = list(ports.keys());
            let message = format!("bridge {bridge} has no port {port}; it has {names}");
            return Err(Answer::error(ErrorKind::NotFound, message));
        };
        let mut released = false;
        let act = |tree: &mut Tree| {
            act(tree, *id);
            let guard = |output: &Output| match output {
                Output::Event(Event::Guard { guard, on: false, .. }) => *guard == Inconsistency::BpduGuard,
                _ => false,
            };
            let outputs: Vec<Output> = tree.out.drain().collect();
            released = outputs.iter().any(guard);
            outputs.into_iter().for_each(|output| tree.out.push(output));
        };
        match &mut self.stack {
            Some(stack) if is_own => stack.with_tree(now, bridge, act, out),
            _ => self.kernel_bridges.with_tree(bridge, act, out),
        }
        Ok(released)
    }
}

fn done(message: String) -> Answer {
    Answer::Done(DoneView { message })
}

fn not_running(what: &str) -> Answer {
    let help = "write `spanning-tree = \"rstp\"` into its [bridge.NAME]";
    Answer::error(ErrorKind::NotRunning, format!("{what}: {help}"))
}

fn no_bridge<'n>(name: &str, names: impl Iterator<Item = &'n String>) -> Answer {
    Answer::error(ErrorKind::NotFound, format!("no bridge {name}; there is {}", list(names)))
}

fn list<'n>(names: impl Iterator<Item = &'n String>) -> String {
    let names: Vec<&str> = names.map(String::as_str).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
