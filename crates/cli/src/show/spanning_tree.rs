//! `show spanning-tree`.

use super::Style;
use super::table::{Align, Cell, Color, Table};
use super::text::{count, duration};
use crate::Failure;
use crate::args::{TreeOptions, TreePart};
use serde_json::json;
use std::fmt::Write;
use trunkline_view::stp::{
    BridgeIdView, SpanningTreesView, TimesView, TopologyChangeView, TreePortView, TreeView,
};

const PORTS: &[(&str, Align)] = &[
    ("Port", Align::Left),
    ("Role", Align::Left),
    ("State", Align::Left),
    ("Cost", Align::Right),
    ("ID", Align::Left),
    ("Type", Align::Left),
];
const CHANGES: &[(&str, Align)] = &[("Ago", Align::Right), ("Port", Align::Left), ("Origin", Align::Left)];

/// For programs or people, what `options` ask for.
pub(crate) fn spanning_tree(
    view: &SpanningTreesView,
    options: &TreeOptions,
    json: bool,
    style: Style,
) -> Result<String, Failure> {
    Ok(match &options.part {
        None if json => pretty(&json!(view)),
        None => trees(view, style),
        Some(TreePart::Port { port, why }) => {
            let found = find(view, port)?;
            match found.as_slice() {
                [(_, port)] if json => pretty(&json!(port)),
                several if json => pretty(&json!(several.iter().map(|(_, port)| port).collect::<Vec<_>>())),
                found => {
                    let texts = found.iter().map(|(tree, port)| detail(tree, port, *why, style));
                    texts.collect::<Vec<_>>().join("\n")
                }
            }
        }
        Some(TreePart::History) if json => {
            let of = |tree: &TreeView| json!({"bridge": tree.bridge, "topology_changes": tree.topology_changes, "history": tree.history});
            pretty(&json!(view.bridges.iter().map(of).collect::<Vec<_>>()))
        }
        Some(TreePart::History) if view.bridges.is_empty() => NONE.to_owned(),
        Some(TreePart::History) => {
            view.bridges.iter().map(|tree| history(tree, style)).collect::<Vec<_>>().join("\n")
        }
    })
}

const NONE: &str = "no spanning tree\n";

fn pretty(value: &serde_json::Value) -> String {
    format!("{value:#}\n")
}

/// All bridges.
pub(super) fn trees(view: &SpanningTreesView, style: Style) -> String {
    if view.bridges.is_empty() {
        return NONE.to_owned();
    }
    view.bridges.iter().map(|bridge| tree(bridge, style)).collect::<Vec<_>>().join("\n")
}

/// The port in whichever bridge it is.
fn find<'v>(
    view: &'v SpanningTreesView,
    name: &str,
) -> Result<Vec<(&'v TreeView, &'v TreePortView)>, Failure> {
    let all = || view.bridges.iter().flat_map(|tree| tree.ports.iter().map(move |port| (tree, port)));
    let found: Vec<_> = all().filter(|(_, port)| port.name == name).collect();
    if !found.is_empty() {
        return Ok(found);
    }
    let names: Vec<&str> = all().map(|(_, port)| port.name.as_str()).collect();
    let hint = match trunkline_config::nearest(name, names.iter().copied()) {
        _ if names.is_empty() => "there is none at all".to_owned(),
        Some(near) => format!("did you mean {near}?"),
        None => format!("there are {}", names.join(", ")),
    };
    Err(Failure::Message(format!("no port {name} is in a spanning tree; {hint}")))
}

pub(crate) fn id(id: &BridgeIdView) -> String {
    format!("{} {}", id.priority, id.address)
}

fn times(times: &TimesView) -> String {
    let TimesView { hello_time, max_age, forward_delay } = times;
    format!("hello time {hello_time} s, max age {max_age} s, forward delay {forward_delay} s")
}

/// One bridge. Writing to a string does not fail.
fn tree(tree: &TreeView, style: Style) -> String {
    let mut text = format!("Bridge {}: {}, {}\n", tree.bridge, tree.protocol, tree.data_plane);
    let _ = writeln!(text, "  Root ID    {}", id(&tree.root));
    let _ = match &tree.root_port {
        Some(port) => writeln!(text, "             cost {} by port {port}", tree.root_path_cost),
        None => writeln!(text, "             this bridge is the root"),
    };
    let _ = writeln!(text, "             {}", times(&tree.times));
    let _ = writeln!(text, "  Bridge ID  {}", id(&tree.id));
    let _ = writeln!(text, "             {}", times(&tree.own_times));
    if tree.protocol != "stp" {
        let _ = writeln!(text, "             transmit hold count {}", tree.transmit_hold_count);
    }
    let fast = [("UplinkFast", tree.uplink_fast), ("BackboneFast", tree.backbone_fast)];
    let fast: Vec<&str> = fast.into_iter().filter(|(_, on)| *on).map(|(name, _)| name).collect();
    if !fast.is_empty() {
        let _ = writeln!(text, "             with {}", fast.join(" and "));
    }
    text.push('\n');
    if tree.ports.is_empty() {
        text.push_str("  no ports\n");
    } else {
        let mut table = Table::new(PORTS, style);
        for port in &tree.ports {
            table.row([
                port.name.as_str().into(),
                port.role.as_str().into(),
                state(port),
                port.path_cost.to_string().into(),
                port.id.as_str().into(),
                kind(tree, port),
            ]);
        }
        text.push_str(&table.render(2));
    }
    text.push_str(&last_change(tree));
    text
}

fn last_change(tree: &TreeView) -> String {
    let mut text = format!("\n  {}", count(tree.topology_changes, "topology change", "topology changes"));
    if let Some(last) = tree.history.first() {
        let _ = write!(text, ", the last {} ago at {}, {}", duration(last.ago), last.port, origin(last));
    }
    if let Some(time) = tree.ageing_time {
        let _ = write!(text, "; stations are forgotten after {time} s now");
    }
    text.push('\n');
    text
}

fn origin(change: &TopologyChangeView) -> String {
    match &change.from {
        _ if change.detected => "seen by this bridge".to_owned(),
        Some(from) => format!("told by {from}"),
        None => "told by a neighbor".to_owned(),
    }
}

fn state(port: &TreePortView) -> Cell {
    let color = match port.state.as_str() {
        "forwarding" => Color::Green,
        "learning" | "listening" => Color::Yellow,
        _ => Color::Red,
    };
    Cell::colored(&port.state, color)
}

/// As switches say it: P2p, Shr, Edge, Peer(STP); guards in words.
fn kind(tree: &TreeView, port: &TreePortView) -> Cell {
    let mut text = if port.point_to_point { "P2p" } else { "Shr" }.to_owned();
    if port.edge {
        text.push_str(" Edge");
    }
    if tree.protocol == "rstp" && port.sends == "stp" {
        text.push_str(" Peer(STP)");
    }
    match &port.inconsistent {
        Some(guard) => Cell::colored(format!("{text}, {}", held(port, guard)), Color::Red),
        None => text.into(),
    }
}

fn held(port: &TreePortView, guard: &str) -> String {
    let word = if port.role == "disabled" { "shut" } else { "held" };
    format!("{word} by {guard}")
}

/// All about a port.
fn detail(tree: &TreeView, port: &TreePortView, why: bool, style: Style) -> String {
    let state = match port.state.as_str() {
        "forwarding" => Color::Green.paint("forwarding", style),
        other => other.to_owned(),
    };
    let mut text = format!("Port {} ({}) of {}: {}, {state}\n", port.name, port.id, tree.bridge, port.role);
    if why {
        let _ = writeln!(text, "  Why: {}", port.why);
    }
    if let Some(guard) = &port.inconsistent {
        let _ = writeln!(text, "  {}", held(port, guard));
    }
    let edge = if port.edge { ", edge" } else { "" };
    let link = if port.point_to_point { "point-to-point" } else { "shared" };
    let sends = port.sends.to_uppercase();
    let _ = writeln!(text, "  Cost {}, {link}{edge}, sends {sends}", port.path_cost);
    let _ = writeln!(text, "  Designated root {}, cost {}", id(&port.designated_root), port.designated_cost);
    let _ =
        writeln!(text, "  Designated bridge {}, port {}", id(&port.designated_bridge), port.designated_port);
    let began = count(port.forward_transitions, "time", "times");
    let _ = writeln!(text, "  Began to forward {began}");
    let timers: Vec<String> = port.timers.iter().map(|(name, left)| format!("{name} {left} s")).collect();
    let machines: Vec<String> = port.machines.iter().map(|(m, state)| format!("{m} {state}")).collect();
    let counters = port.counters.iter().filter(|(_, value)| **value > 0);
    let counters: Vec<String> = counters.map(|(name, value)| format!("{name} {value}")).collect();
    let lists = [
        ("Timers", timers),
        ("True variables", port.flags.clone()),
        ("Machines", machines),
        ("Counters", counters),
    ];
    for (title, items) in lists {
        let items = if items.is_empty() { "none".to_owned() } else { items.join(", ") };
        let _ = writeln!(text, "  {title}: {items}");
    }
    text
}

/// Changes of the topology.
fn history(tree: &TreeView, style: Style) -> String {
    let total = count(tree.topology_changes, "topology change", "topology changes");
    let mut text = format!("Bridge {}: {total}\n", tree.bridge);
    if !tree.history.is_empty() {
        let mut table = Table::new(CHANGES, style);
        for change in &tree.history {
            table.row([duration(change.ago).into(), change.port.as_str().into(), origin(change).into()]);
        }
        text.push_str(&table.render(2));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::show::samples;

    fn show(part: Option<TreePart>, json: bool) -> String {
        let options = TreeOptions { bridge: None, part };
        match spanning_tree(&samples::spanning_trees(), &options, json, Style { color: false }) {
            Ok(text) => text,
            Err(error) => format!("{error:?}"),
        }
    }

    fn port(name: &str, why: bool) -> Option<TreePart> {
        Some(TreePart::Port { port: name.to_owned(), why })
    }

    #[test]
    fn bridges_in_every_role() {
        insta::assert_snapshot!(show(None, false));
    }

    #[test]
    fn a_port_and_why() {
        insta::assert_snapshot!(show(port("veth2", true), false));
        assert!(!show(port("veth2", false), false).contains("Why"));
        assert!(show(port("veht2", false), false).contains("did you mean veth2?"));
    }

    #[test]
    fn the_history() {
        insta::assert_snapshot!(show(Some(TreePart::History), false));
    }

    #[test]
    fn json_is_the_part() {
        let value = |part| serde_json::from_str::<serde_json::Value>(&show(part, true)).unwrap();
        assert_eq!(value(None), json!(samples::spanning_trees()));
        assert_eq!(value(port("veth2", false))["role"], "alternate");
        assert_eq!(value(Some(TreePart::History))[0]["history"][1]["from"], "02:00:00:00:00:01");
    }

    #[test]
    fn nothing_is_said_to_be_nothing() {
        let none = SpanningTreesView { bridges: vec![] };
        for part in [None, Some(TreePart::History)] {
            let options = TreeOptions { bridge: None, part };
            assert_eq!(spanning_tree(&none, &options, false, Style { color: false }).unwrap(), NONE);
        }
    }
}
