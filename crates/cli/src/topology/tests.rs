//! What a bridge can know of a tree.

use super::*;
use crate::show::samples::{bridge_id as id, spanning_trees, tree_port};

#[test]
fn a_bridge_draws_what_it_knows() {
    let graph = of_bridges(&spanning_trees());
    insta::assert_snapshot!(graph.draw(Drawing::default(), false));
    // The root by veth1; bridge 3, which serves the LAN of veth2, and its way to the root.
    let states: Vec<LinkState> = graph.links.iter().map(|link| link.state).collect();
    assert_eq!(states, [LinkState::Forwards, LinkState::Blocked, LinkState::Beyond]);
}

#[test]
fn a_backup_port_shows_its_lan() {
    let mut view = spanning_trees();
    view.bridges.truncate(1);
    view.bridges[0].ports = vec![
        tree_port("veth1", 1, "designated", "forwarding"),
        TreePortView { designated_port: "128.1".into(), ..tree_port("veth2", 2, "backup", "discarding") },
    ];
    let graph = of_bridges(&view);
    let ends: Vec<&str> = graph.links.iter().map(|link| link.ends[0].port.as_str()).collect();
    assert_eq!(ends, ["veth1", "veth2"]);
    assert_eq!(graph.links[1].state, LinkState::Blocked);
    let lan = graph.links[0].ends[1].node;
    assert_eq!(graph.nodes[lan].shape, Shape::Lan);
}

#[test]
fn nothing_is_said_to_be_nothing() {
    let none = of_bridges(&SpanningTreesView { bridges: vec![] });
    assert_eq!(none.draw(Drawing::default(), false), "no spanning tree\n");
    // A picture of nothing is a picture still.
    assert!(none.draw(Drawing { svg: true, ..Drawing::default() }, false).ends_with("</svg>\n"));
}

#[test]
fn names_cannot_break_a_drawing() {
    let mut view = spanning_trees();
    view.bridges[0].bridge = "<b>\"&\\".to_owned();
    view.bridges[0].id = id(2);
    view.bridges.truncate(1);
    let graph = of_bridges(&view);
    let draw = |drawing| graph.draw(drawing, false);
    assert!(draw(Drawing { svg: true, ..Drawing::default() }).contains("&lt;b&gt;\"&amp;\\"));
    assert!(draw(Drawing { dot: true, ..Drawing::default() }).contains("<b>\\\"&\\\\"));
    assert!(draw(Drawing { mermaid: true, ..Drawing::default() }).contains("#lt;b>#quot;&"));
}
