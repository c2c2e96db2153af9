//! `trunkline lab topology`: all bridges and links of a lab, as spanning tree has them at a point of time.

use super::{cannot, source};
use crate::Failure;
use crate::args::{Drawing, LabFile};
use crate::show::bridge_id;
use crate::topology::{End, Graph, Link, LinkState, Node, Shape};
use std::collections::BTreeMap;
use std::io::Write;
use std::time::Duration;
use trunkline_core::Instant;
use trunkline_lab::run::{Options, Run};
use trunkline_view::stp::TreeView;
use trunkline_view::{Answer, Query};

/// Runs the lab up to then and draws it.
pub(super) fn topology(
    lab: &LabFile,
    at: Option<Duration>,
    drawing: Drawing,
    json: bool,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let scenario = source::read(&lab.file)?;
    let at = at.map_or(scenario.until, |at| Instant::ZERO + at);
    let options = Options { seed: lab.seed, ..Options::default() };
    let mut run = Run::new(scenario, &options, &mut |_| {}).map_err(cannot)?;
    run.run_until(at, &mut |_| {});
    Ok(out.write_all(graph(&mut run).draw(drawing, json).as_bytes())?)
}

/// All nodes and links. A node with several bridges is drawn as several.
pub(super) fn graph(run: &mut Run) -> Graph {
    let nodes: Vec<(String, String, bool)> = run
        .lab()
        .nodes()
        .map(|(id, config)| {
            (config.name.clone(), format!("{:?}", config.kind).to_lowercase(), run.lab().is_up(id))
        })
        .collect();
    let mut drawn = Drawn::default();
    for (name, kind, up) in nodes {
        let answer =
            if up { Some(run.ask(&name, Query::SpanningTree { bridge: None }, &mut |_| {})) } else { None };
        let trees = match answer {
            Some(Answer::SpanningTree(view)) => view.bridges,
            _ => Vec::new(),
        };
        drawn.node(&name, if up { kind } else { format!("{kind}, down") }, &trees);
    }
    let cut: Vec<String> = run
        .lab()
        .links()
        .filter(|(id, _)| run.lab().is_cut(*id))
        .map(|(_, config)| config.name.clone())
        .collect();
    for link in &run.scenario().links {
        let ends = link.ends.iter().map(|end| drawn.end(&end.node, &end.interface)).collect();
        drawn.link(&link.name, ends, cut.contains(&link.name));
    }
    drawn.graph
}

#[derive(Default)]
struct Drawn {
    graph: Graph,
    /// By node and port, of ports in a spanning tree.
    ports: BTreeMap<(String, String), End>,
    /// By node: what other ports of it belong to.
    devices: BTreeMap<String, usize>,
}

impl Drawn {
    fn node(&mut self, name: &str, kind: String, trees: &[TreeView]) {
        let first = self.graph.nodes.len();
        self.devices.insert(name.to_owned(), first);
        if trees.is_empty() {
            self.graph.nodes.push(Node { name: name.to_owned(), note: kind, shape: Shape::Device });
        }
        for (number, tree) in trees.iter().enumerate() {
            let several = trees.len() > 1;
            let title = if several { format!("{name}/{}", tree.bridge) } else { name.to_owned() };
            let shape = if tree.root_port.is_none() { Shape::Root } else { Shape::Bridge };
            self.graph.nodes.push(Node { name: title, note: bridge_id(&tree.id), shape });
            for port in &tree.ports {
                let key = (name.to_owned(), port.name.clone());
                self.ports.insert(key, End::of(first + number, port));
            }
        }
    }

    fn end(&self, node: &str, interface: &str) -> End {
        let known = self.ports.get(&(node.to_owned(), interface.to_owned()));
        known.cloned().unwrap_or_else(|| End {
            node: self.devices.get(node).copied().unwrap_or_default(),
            port: interface.to_owned(),
            ..End::default()
        })
    }

    /// A cable, or a LAN with all its ends.
    fn link(&mut self, name: &str, ends: Vec<End>, cut: bool) {
        let state = |ends: &[&End]| {
            let states = ends.iter().map(|end| end.link_state());
            let worst = states.max_by_key(|state| match state {
                LinkState::Down => 2,
                LinkState::Blocked => 1,
                LinkState::Forwards | LinkState::Beyond => 0,
            });
            if cut { LinkState::Down } else { worst.unwrap_or(LinkState::Forwards) }
        };
        if let [a, b] = ends.as_slice() {
            let link = Link { state: state(&[a, b]), ends: [a.clone(), b.clone()], note: String::new() };
            self.graph.links.push(link);
            return;
        }
        let lan = self.graph.nodes.len();
        self.graph.nodes.push(Node { name: name.to_owned(), note: String::new(), shape: Shape::Lan });
        for end in ends {
            let there = End { node: lan, ..End::default() };
            self.graph.links.push(Link { state: state(&[&end]), ends: [end, there], note: String::new() });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::show::samples::{bridge_id as id, spanning_trees, tree_port};

    /// Three bridges in a ring, a host, and a LAN of three.
    fn ring() -> Graph {
        let mut drawn = Drawn::default();
        let tree = |number: u8, root_port: Option<&str>, roles: [(&str, &str); 4]| TreeView {
            id: id(number),
            root: id(1),
            root_port: root_port.map(str::to_owned),
            ports: (1..)
                .zip(roles)
                .map(|(n, (role, state))| tree_port(&format!("eth{n}"), n, role, state))
                .collect(),
            ..spanning_trees().bridges.remove(0)
        };
        let (designated, root) = (("designated", "forwarding"), ("root", "forwarding"));
        let (alternate, none) = (("alternate", "discarding"), ("disabled", "disabled"));
        drawn.node("sw1", "switch".into(), &[tree(1, None, [designated; 4])]);
        drawn.node("sw2", "switch".into(), &[tree(2, Some("eth1"), [root, designated, designated, none])]);
        drawn.node(
            "sw3",
            "switch".into(),
            &[tree(3, Some("eth1"), [root, alternate, alternate, designated])],
        );
        drawn.node("host", "host".into(), &[]);
        drawn.node("dark", "router, down".into(), &[]);
        type Ends = &'static [(&'static str, &'static str)];
        let links: [(&str, Ends, bool); 6] = [
            ("a", &[("sw1", "eth1"), ("sw2", "eth1")], false),
            ("b", &[("sw1", "eth2"), ("sw3", "eth1")], false),
            ("c", &[("sw2", "eth2"), ("sw3", "eth2")], false),
            ("d", &[("sw1", "eth3"), ("sw3", "eth3")], false),
            ("lan", &[("sw2", "eth3"), ("sw3", "eth4"), ("host", "eth0")], false),
            ("e", &[("sw2", "eth4"), ("dark", "eth0")], true),
        ];
        for (name, ends, cut) in links {
            let ends = ends.iter().map(|(node, port)| drawn.end(node, port)).collect();
            drawn.link(name, ends, cut);
        }
        drawn.graph
    }

    #[test]
    fn a_ring_in_every_form() {
        let graph = ring();
        insta::assert_snapshot!("text", graph.draw(Drawing::default(), false));
        insta::assert_snapshot!("dot", graph.draw(Drawing { dot: true, ..Drawing::default() }, false));
        insta::assert_snapshot!(
            "mermaid",
            graph.draw(Drawing { mermaid: true, ..Drawing::default() }, false)
        );
        insta::assert_snapshot!("svg", graph.draw(Drawing { svg: true, ..Drawing::default() }, false));
        let json: serde_json::Value = serde_json::from_str(&graph.draw(Drawing::default(), true)).unwrap();
        assert_eq!(json["links"][2]["state"], "blocked");
        assert_eq!(json["links"][2]["ends"][1]["role"], "alternate");
        assert_eq!(json["nodes"][0]["kind"], "root");
    }

    #[test]
    fn a_lab_without_bridges_is_drawn_too() {
        let lab = LabFile { file: "proxy-arp".into(), seed: None };
        let mut out = Vec::new();
        topology(&lab, Some(Duration::from_secs(1)), Drawing::default(), false, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains("host-a") && text.contains("r1.eth1"), "{text}");
    }
}
