//! `show bgp routes`: a table, or all about one destination.

use super::Style;
use super::table::{Align, Cell, Color, Table};
use super::text::{count, duration, or_dash};
use trunkline_core::Prefix;
use trunkline_view::bgp::PathView;

/// Over the table.
pub(crate) const LEGEND: &str = "\
Status: > best, = multipath, s stale, x not eligible. Origin at the end of the path: i IGP, e EGP, ? incomplete.

";

const COLUMNS: &[(&str, Align)] = &[
    ("", Align::Left),
    ("Network", Align::Left),
    ("Next hop", Align::Left),
    ("MED", Align::Right),
    ("LocPref", Align::Right),
    ("From", Align::Left),
    ("Path", Align::Left),
];

/// One page of the table. `before` is the last prefix of the page before.
pub(crate) fn table(paths: &[PathView], mut before: Option<Prefix>, style: Style) -> Table {
    let mut table = Table::new(COLUMNS, style);
    for p in paths {
        // Further paths to the same prefix leave it out, as everywhere.
        let network = if before == Some(p.prefix) { String::new() } else { p.prefix.to_string() };
        before = Some(p.prefix);
        table.row([
            status(p),
            network.into(),
            or_dash(p.next_hop).into(),
            or_dash(p.med).into(),
            or_dash(p.local_pref).into(),
            from(p).into(),
            path(p).into(),
        ]);
    }
    table
}

fn status(p: &PathView) -> Cell {
    let best = match (p.best, p.multipath) {
        (true, _) => '>',
        (false, true) => '=',
        (false, false) => ' ',
    };
    let mark = match (p.eligible, p.stale) {
        (false, _) => 'x',
        (true, true) => 's',
        (true, false) => ' ',
    };
    let text = format!("{mark}{best}");
    match (p.best, p.eligible) {
        (true, _) => Cell::colored(text, Color::Green),
        (false, false) => Cell::colored(text, Color::Red),
        (false, true) => text.into(),
    }
}

fn from(p: &PathView) -> String {
    p.neighbor.map_or_else(|| "local".to_owned(), |n| n.to_string())
}

fn path(p: &PathView) -> String {
    let origin = match p.origin.as_str() {
        "IGP" => "i",
        "EGP" => "e",
        _ => "?",
    };
    if p.as_path.is_empty() { origin.to_owned() } else { format!("{} {origin}", p.as_path) }
}

/// All about each path; those to one prefix under a heading.
pub(crate) fn details(paths: &[PathView], style: Style) -> String {
    let mut text = String::new();
    for group in paths.chunk_by(|a, b| a.prefix == b.prefix) {
        let Some(first) = group.first() else { continue };
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&format!("{}: {}\n", first.prefix, count(group.len() as u64, "path", "paths")));
        for (number, p) in (1..).zip(group) {
            text.push_str(&format!("\n  Path {number}, {}: {}\n", source(p), verdict(p, style)));
            for (name, value) in attributes(p) {
                text.push_str(&format!("    {:<22}{value}\n", format!("{name}:")));
            }
        }
    }
    text
}

fn source(p: &PathView) -> String {
    p.neighbor.map_or_else(|| "originated here".to_owned(), |n| format!("from {n}"))
}

fn verdict(p: &PathView, style: Style) -> String {
    let because = p.reason.as_ref().map_or(String::new(), |r| format!(": {r}"));
    let stale = if p.stale { ", stale (the peer restarts)" } else { "" };
    let verdict = match (p.best, p.multipath, p.eligible) {
        (true, true, _) => Color::Green.paint("best, shares the load", style),
        (true, false, _) => Color::Green.paint("best", style),
        (false, true, _) => format!("multipath, shares the load with the best{because}"),
        (false, false, true) => format!("not best{because}"),
        (false, false, false) => format!("{}{because}", Color::Red.paint("not eligible", style)),
    };
    format!("{verdict}{stale}")
}

fn attributes(p: &PathView) -> Vec<(&'static str, String)> {
    let next_hop = match (p.next_hop, p.igp_metric) {
        (Some(hop), Some(metric)) => format!("{hop}, metric to it {metric}"),
        (Some(hop), None) if p.neighbor.is_some() => format!("{hop}, not resolved"),
        (Some(hop), None) => hop.to_string(),
        (None, _) => "-".to_owned(),
    };
    let as_path = if p.as_path.is_empty() { "empty" } else { &p.as_path };
    let mut list = vec![
        ("NEXT_HOP", next_hop),
        ("AS_PATH", as_path.to_owned()),
        ("ORIGIN", p.origin.clone()),
        ("MULTI_EXIT_DISC", or_dash(p.med)),
        ("LOCAL_PREF", or_dash(p.local_pref)),
    ];
    let mut add = |name, value: Option<String>| list.extend(value.map(|v| (name, v)));
    let joined = |values: &[String]| (!values.is_empty()).then(|| values.join(" "));
    add("ATOMIC_AGGREGATE", p.atomic_aggregate.then(|| "yes".to_owned()));
    add("AGGREGATOR", p.aggregator.clone());
    add("COMMUNITIES", joined(&p.communities));
    add("EXTENDED_COMMUNITIES", joined(&p.extended_communities));
    add("LARGE_COMMUNITIES", joined(&p.large_communities));
    add("ORIGINATOR_ID", p.originator_id.map(|id| id.to_string()));
    let clusters: Vec<String> = p.cluster_list.iter().map(ToString::to_string).collect();
    add("CLUSTER_LIST", joined(&clusters));
    add("Unknown attributes", (!p.unknown_attributes.is_empty()).then(|| p.unknown_attributes.join(", ")));
    add("Age", p.age.map(duration));
    list
}
