//! `show routes`: the routing table.

use super::Style;
use super::table::{Align, Cell, Color, Table};
use super::text::count;
use std::collections::BTreeMap;
use trunkline_core::Prefix;
use trunkline_view::{Route, RouteNextHop, RouteSource};

/// Over the table.
pub(crate) const LEGEND: &str = "\
Codes: C connected, L local, S static, K kernel, R RIP, B BGP; > selected, * in the kernel.

";

const COLUMNS: &[(&str, Align)] =
    &[("", Align::Left), ("Network", Align::Left), ("Dist/Metric", Align::Left), ("Next hop", Align::Left)];

/// One page of the table. `before` is the last prefix of the page before; `detail` says under each route why it is
/// not in the kernel.
pub(crate) fn table(routes: &[Route], mut before: Option<Prefix>, detail: bool, style: Style) -> Table {
    let mut table = Table::new(COLUMNS, style);
    for r in routes {
        let network = if before == Some(r.prefix) { String::new() } else { r.prefix.to_string() };
        before = Some(r.prefix);
        let mut hops = r.next_hops.iter().map(next_hop);
        table.row([
            code(r),
            network.into(),
            format!("[{}/{}]", r.distance, r.metric).into(),
            hops.next().unwrap_or_else(|| "blackhole".to_owned()).into(),
        ]);
        for hop in hops {
            table.row(["".into(), "".into(), "".into(), hop.into()]);
        }
        if let Some(why) = r.not_installed_because.as_ref().filter(|_| detail) {
            table.note(format!("not in the kernel: {why}"));
        }
    }
    table
}

fn code(r: &Route) -> Cell {
    let source = match r.source {
        RouteSource::Connected => 'C',
        RouteSource::Local => 'L',
        RouteSource::Static => 'S',
        RouteSource::Kernel => 'K',
        RouteSource::Rip => 'R',
        RouteSource::Bgp => 'B',
    };
    let selected = if r.selected { '>' } else { ' ' };
    let installed = if r.installed { "*" } else { "" };
    let text = format!("{source}{selected}{installed}");
    match (r.selected, r.installed) {
        (true, true) => Cell::colored(text, Color::Green),
        (true, false) => Cell::colored(text, Color::Yellow),
        _ => text.trim_end().into(),
    }
}

fn next_hop(hop: &RouteNextHop) -> String {
    match (hop.gateway, &hop.interface) {
        (Some(gateway), Some(interface)) => format!("via {gateway}, {interface}"),
        (Some(gateway), None) => format!("via {gateway}"),
        (None, Some(interface)) => format!("directly, {interface}"),
        (None, None) => "directly".to_owned(),
    }
}

/// Adds up why selected routes are not in the kernel.
pub(crate) fn count_reasons(routes: &[Route], reasons: &mut BTreeMap<String, u64>) {
    for why in routes.iter().filter(|r| r.selected).filter_map(|r| r.not_installed_because.as_ref()) {
        *reasons.entry(why.clone()).or_default() += 1;
    }
}

/// The reasons in words, under the table.
pub(crate) fn reasons(reasons: &BTreeMap<String, u64>) -> String {
    let lines = reasons.iter().map(|(why, n)| {
        format!("{} not in the kernel: {why}\n", count(*n, "selected route is", "selected routes are"))
    });
    lines.collect()
}
