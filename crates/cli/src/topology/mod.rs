//! Spanning trees as drawings: what is drawn, and the forms of text. `layout` finds the places, `svg` paints.

mod layout;
mod svg;

use crate::args::Drawing;
use crate::show::{Align, Style, Table, bridge_id};
use serde_json::json;
use std::collections::BTreeMap;
use std::fmt::Write;
use trunkline_view::stp::{BridgeIdView, SpanningTreesView, TreePortView, TreeView};

/// Bridges and what is between them.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    pub(crate) nodes: Vec<Node>,
    pub(crate) links: Vec<Link>,
}

/// What a link leads to.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) name: String,
    /// A second line.
    pub(crate) note: String,
    pub(crate) shape: Shape,
}

/// What it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// The root bridge.
    Root,
    Bridge,
    /// No bridge with a spanning tree.
    Device,
    /// A LAN of more than two ends.
    Lan,
}

/// A link.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) ends: [End; 2],
    pub(crate) state: LinkState,
    /// What more there is to say.
    pub(crate) note: String,
}

/// One end of it.
#[derive(Debug, Default, Clone)]
pub(crate) struct End {
    /// Index of the node.
    pub(crate) node: usize,
    /// Empty: there is none, or it is not known.
    pub(crate) port: String,
    /// Empty where the port is in no spanning tree.
    pub(crate) role: String,
    /// Likewise, or where it is not known.
    pub(crate) state: String,
}

/// What a link does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LinkState {
    Forwards,
    /// A port at one end discards.
    Blocked,
    Down,
    /// Not a link but a way through bridges that are not known.
    Beyond,
}

impl LinkState {
    const fn name(self) -> &'static str {
        match self {
            LinkState::Forwards => "forwards",
            LinkState::Blocked => "blocked",
            LinkState::Down => "down",
            LinkState::Beyond => "beyond",
        }
    }
}

impl Shape {
    const fn name(self) -> &'static str {
        match self {
            Shape::Root => "root",
            Shape::Bridge => "bridge",
            Shape::Device => "device",
            Shape::Lan => "lan",
        }
    }
}

impl End {
    /// The end of a port that a bridge knows as its own.
    pub(crate) fn of(node: usize, port: &TreePortView) -> End {
        End { node, port: port.name.clone(), role: port.role.clone(), state: port.state.clone() }
    }

    /// What the link does for all that this end knows.
    pub(crate) fn link_state(&self) -> LinkState {
        match self.state.as_str() {
            "" | "forwarding" => LinkState::Forwards,
            "disabled" => LinkState::Down,
            _ => LinkState::Blocked,
        }
    }

    fn words(&self) -> String {
        let words = [self.port.as_str(), self.role.as_str()];
        words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
    }
}

/// The trees as a node's bridges can know them.
pub(crate) fn of_bridges(view: &SpanningTreesView) -> Graph {
    let mut known = Known::default();
    for tree in &view.bridges {
        let own = known.bridge(&tree.id);
        known.name(own, &tree.bridge, &tree.id);
    }
    for tree in &view.bridges {
        known.add(tree);
    }
    known.graph
}

/// Bridges that were heard of, each once.
#[derive(Default)]
struct Known {
    graph: Graph,
    by_id: BTreeMap<(u16, String), usize>,
}

impl Known {
    fn bridge(&mut self, id: &BridgeIdView) -> usize {
        let Known { graph, by_id } = self;
        *by_id.entry((id.priority, id.address.clone())).or_insert_with(|| {
            let note = format!("priority {}", id.priority);
            graph.nodes.push(Node { name: id.address.clone(), note, shape: Shape::Bridge });
            graph.nodes.len() - 1
        })
    }

    fn name(&mut self, node: usize, name: &str, id: &BridgeIdView) {
        if let Some(node) = self.graph.nodes.get_mut(node) {
            name.clone_into(&mut node.name);
            node.note = bridge_id(id);
        }
    }

    fn add(&mut self, tree: &TreeView) {
        let own = self.bridge(&tree.id);
        let root = self.bridge(&tree.root);
        if let Some(root) = self.graph.nodes.get_mut(root) {
            root.shape = Shape::Root;
        }
        for port in &tree.ports {
            match port.role.as_str() {
                "root" | "alternate" => self.toward_root(own, root, port),
                "backup" => self.backup(own, tree, port),
                _ => {}
            }
        }
    }

    fn toward_root(&mut self, own: usize, root: usize, port: &TreePortView) {
        let designated = self.bridge(&port.designated_bridge);
        let here = End::of(own, port);
        let there = End {
            node: designated,
            port: port.designated_port.clone(),
            role: "designated".to_owned(),
            state: String::new(),
        };
        let state = here.link_state();
        self.graph.links.push(Link { ends: [there, here], state, note: String::new() });
        let ends = |link: &Link| (link.ends[0].node, link.ends[1].node);
        let known = |link: &Link| link.state == LinkState::Beyond && ends(link) == (root, designated);
        if designated != root && !self.graph.links.iter().any(known) {
            let [from, to] = [root, designated].map(|node| End { node, ..End::default() });
            let note = format!("cost {}", port.designated_cost);
            self.graph.links.push(Link { ends: [from, to], state: LinkState::Beyond, note });
        }
    }

    /// Two ports of one bridge on a LAN.
    fn backup(&mut self, own: usize, tree: &TreeView, port: &TreePortView) {
        let lan = self.graph.nodes.len();
        self.graph.nodes.push(Node { name: "LAN".to_owned(), note: String::new(), shape: Shape::Lan });
        let serves = tree.ports.iter().find(|other| other.id == port.designated_port);
        for port in serves.into_iter().chain([port]) {
            let here = End::of(own, port);
            let state = here.link_state();
            let there = End { node: lan, ..End::default() };
            self.graph.links.push(Link { ends: [here, there], state, note: String::new() });
        }
    }
}

const LINKS: &[(&str, Align)] = &[
    ("From", Align::Left),
    ("Role", Align::Left),
    ("State", Align::Left),
    ("Link", Align::Left),
    ("To", Align::Left),
    ("Role", Align::Left),
    ("State", Align::Left),
    ("", Align::Left),
];

impl Graph {
    /// In the form that is wanted.
    pub(crate) fn draw(&self, drawing: Drawing, json: bool) -> String {
        match drawing {
            _ if json => format!("{:#}\n", self.json()),
            Drawing { svg: true, .. } => svg::svg(self),
            Drawing { dot: true, .. } => self.dot(),
            Drawing { mermaid: true, .. } => self.mermaid(),
            Drawing { .. } => self.text(),
        }
    }

    fn node(&self, end: &End) -> &str {
        self.nodes.get(end.node).map_or("?", |node| &node.name)
    }

    fn text(&self) -> String {
        if self.nodes.is_empty() {
            return "no spanning tree\n".to_owned();
        }
        let plain = Style { color: false };
        let mut nodes = Table::new(&[("Node", Align::Left), ("Is", Align::Left), ("", Align::Left)], plain);
        for node in self.nodes.iter().filter(|node| node.shape != Shape::Lan) {
            nodes.row([node.name.as_str().into(), node.shape.name().into(), node.note.as_str().into()]);
        }
        let mut text = nodes.render(0);
        if self.links.is_empty() {
            return text;
        }
        let mut links = Table::new(LINKS, plain);
        for link in &self.links {
            let place = |end: &End| match end.port.as_str() {
                "" => self.node(end).to_owned(),
                port => format!("{}.{port}", self.node(end)),
            };
            let [a, b] = &link.ends;
            links.row([
                place(a).into(),
                a.role.as_str().into(),
                a.state.as_str().into(),
                link.state.name().into(),
                place(b).into(),
                b.role.as_str().into(),
                b.state.as_str().into(),
                link.note.as_str().into(),
            ]);
        }
        text.push('\n');
        text.push_str(&links.render(0));
        text
    }

    fn json(&self) -> serde_json::Value {
        let nodes = self
            .nodes
            .iter()
            .map(|node| json!({"name": node.name, "kind": node.shape.name(), "note": node.note}));
        let end = |end: &End| json!({"node": self.node(end), "port": end.port, "role": end.role, "state": end.state});
        let links = self.links.iter().map(|link| {
            json!({"ends": [end(&link.ends[0]), end(&link.ends[1])], "state": link.state.name(), "note": link.note})
        });
        json!({"nodes": nodes.collect::<Vec<_>>(), "links": links.collect::<Vec<_>>()})
    }

    /// Writing to a string does not fail, here and below.
    fn dot(&self) -> String {
        let quoted = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
        let mut text =
            "graph topology {\n  node [shape=box, style=rounded, fontname=\"sans-serif\"];\n".to_owned();
        text.push_str("  edge [fontname=\"sans-serif\", fontsize=10];\n");
        for (number, node) in self.nodes.iter().enumerate() {
            let label = [node.name.as_str(), node.note.as_str()].map(quoted).join("\\n");
            let more = match node.shape {
                Shape::Root => ", penwidth=3",
                Shape::Bridge => "",
                Shape::Device => ", style=dotted",
                Shape::Lan => ", shape=ellipse",
            };
            let _ = writeln!(text, "  n{number} [label=\"{}\"{more}];", label.trim_end_matches("\\n"));
        }
        for link in &self.links {
            let [a, b] = &link.ends;
            let style = match link.state {
                LinkState::Forwards => "solid",
                LinkState::Blocked => "dashed",
                LinkState::Down | LinkState::Beyond => "dotted",
            };
            let (tail, head, label) = (quoted(&a.words()), quoted(&b.words()), quoted(&link.note));
            let _ = writeln!(
                text,
                "  n{} -- n{} [taillabel=\"{tail}\", headlabel=\"{head}\", label=\"{label}\", style={style}];",
                a.node, b.node
            );
        }
        text.push_str("}\n");
        text
    }

    fn mermaid(&self) -> String {
        // Entities as Mermaid writes them.
        let quoted = |text: &str| text.replace('#', "#35;").replace('"', "#quot;").replace('<', "#lt;");
        let mut text = "graph TD\n".to_owned();
        for (number, node) in self.nodes.iter().enumerate() {
            let (name, note) = (quoted(&node.name), quoted(&node.note));
            let label = if note.is_empty() { name } else { format!("{name}<br/>{note}") };
            let _ = match node.shape {
                Shape::Root => writeln!(text, "  n{number}[[\"{label}\"]]"),
                Shape::Bridge => writeln!(text, "  n{number}[\"{label}\"]"),
                Shape::Device => writeln!(text, "  n{number}(\"{label}\")"),
                Shape::Lan => writeln!(text, "  n{number}((\"{label}\"))"),
            };
        }
        for link in &self.links {
            let [a, b] = &link.ends;
            let line = if link.state == LinkState::Forwards { "---" } else { "-.-" };
            let words = [a.words(), link.note.clone(), b.words()];
            let words: Vec<String> = words.iter().filter(|w| !w.is_empty()).map(|w| quoted(w)).collect();
            let label = if words.is_empty() { String::new() } else { format!("|\"{}\"|", words.join(" / ")) };
            let _ = writeln!(text, "  n{} {line}{label} n{}", a.node, b.node);
        }
        text
    }
}

#[cfg(test)]
mod tests;
