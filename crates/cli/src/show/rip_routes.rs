//! `show rip routes`: a table, or all about one destination.

use super::Style;
use super::table::{Align, Cell, Color, Table};
use super::text::duration;
use trunkline_view::rip::{PathView, RouteView};

/// Over the table.
pub(crate) const LEGEND: &str = "\
Codes: R learned, C connected, O redistributed from other sources, D our default route; > packets may take it.

";

const COLUMNS: &[(&str, Align)] = &[
    ("", Align::Left),
    ("Network", Align::Left),
    ("Next hop", Align::Left),
    ("Metric", Align::Right),
    ("From", Align::Left),
    ("Tag", Align::Right),
    ("State", Align::Left),
];

/// One page of the table.
pub(crate) fn table(routes: &[RouteView], style: Style) -> Table {
    let mut table = Table::new(COLUMNS, style);
    for r in routes {
        let mut paths = r.paths.iter();
        let first = paths.next();
        table.row([
            code(r),
            r.prefix.to_string().into(),
            first.map_or_else(|| "-".to_owned(), next_hop).into(),
            r.metric.to_string().into(),
            first.map_or_else(|| "local".to_owned(), from).into(),
            r.tag.to_string().into(),
            state(r),
        ]);
        for path in paths {
            let (hop, from) = (next_hop(path), from(path));
            table.row(["".into(), "".into(), hop.into(), "".into(), from.into()]);
        }
    }
    table
}

fn code(r: &RouteView) -> Cell {
    let origin = match r.origin.as_str() {
        "learned" => 'R',
        "connected" => 'C',
        "redistributed" => 'O',
        "default" => 'D',
        _ => '?',
    };
    let text = format!("{origin}{}", if r.in_service { ">" } else { "" });
    if r.in_service { Cell::colored(text, color(r)) } else { text.into() }
}

fn color(r: &RouteView) -> Color {
    match r.state.as_str() {
        "valid" => Color::Green,
        "possibly down" => Color::Yellow,
        _ => Color::Red,
    }
}

/// With the timers.
fn state(r: &RouteView) -> Cell {
    if r.state == "valid" { r.summary.as_str().into() } else { Cell::colored(&r.summary, color(r)) }
}

fn next_hop(path: &PathView) -> String {
    match (path.next_hop, &path.interface) {
        (Some(hop), Some(interface)) => format!("via {hop}, {interface}"),
        (Some(hop), None) => format!("via {hop}"),
        (None, Some(interface)) => format!("directly, {interface}"),
        (None, None) => "-".to_owned(),
    }
}

fn from(path: &PathView) -> String {
    path.neighbor.map_or_else(|| "local".to_owned(), |neighbor| neighbor.to_string())
}

/// All about each route.
pub(crate) fn details(routes: &[RouteView], style: Style) -> String {
    let mut text = String::new();
    for r in routes {
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&format!("{}: {}\n", r.prefix, color(r).paint(&r.summary, style)));
        for (name, value) in attributes(r) {
            text.push_str(&format!("  {:<22}{value}\n", format!("{name}:")));
        }
    }
    text
}

fn attributes(r: &RouteView) -> Vec<(&'static str, String)> {
    let metric = match r.metric_before {
        Some(before) => format!("{}, before that {before}", r.metric),
        None => r.metric.to_string(),
    };
    let mut list = vec![("Metric", metric), ("Route Tag", r.tag.to_string()), ("Origin", r.origin.clone())];
    if let Some(reason) = &r.reason {
        list.insert(0, ("Why", reason.clone()));
    }
    let last = if r.state == "valid" { "" } else { "last " };
    for path in &r.paths {
        let heard = path.heard.map_or(String::new(), |ago| format!(", heard {} ago", duration(ago)));
        let from = path.neighbor.map_or(String::new(), |neighbor| format!(", from {neighbor}"));
        list.push(("Way", format!("{last}{}{from}{heard}", next_hop(path))));
    }
    if r.origin == "learned" {
        list.push(("Packets may take it", if r.in_service { "yes" } else { "no" }.to_owned()));
    }
    for timer in &r.timers {
        let name = match timer.name.as_str() {
            "invalid" => "Invalid timer",
            "hold-down" => "Hold-down timer",
            "flush" => "Flush timer",
            _ => "Another timer",
        };
        list.push((name, format!("{:.1} s left", timer.left)));
    }
    list.push(("In this state for", duration(r.age)));
    list
}
