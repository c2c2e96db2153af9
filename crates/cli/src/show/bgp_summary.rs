//! `show bgp summary`.

use super::Style;
use super::table::{Align, Cell, Table};
use super::text::{count, duration, or_dash, state_color};
use trunkline_view::bgp::{NeighborSummary, SummaryView};

const COLUMNS: &[(&str, Align)] = &[
    ("Neighbor", Align::Left),
    ("AS", Align::Right),
    ("State", Align::Left),
    ("Up/Down", Align::Right),
    ("MsgRcvd", Align::Right),
    ("MsgSent", Align::Right),
    ("PfxRcvd", Align::Right),
    ("PfxAcc", Align::Right),
    ("PfxSent", Align::Right),
    ("Description", Align::Left),
];

/// For people.
pub(crate) fn summary(view: &SummaryView, style: Style) -> String {
    let mut text = format!("BGP router id {}, AS {}\n", view.router_id, view.asn);
    for t in &view.tables {
        let (prefixes, paths) = (count(t.prefixes, "prefix", "prefixes"), count(t.paths, "path", "paths"));
        text.push_str(&format!("{}: {prefixes}, {paths}, {} with a best path\n", t.family, t.best));
    }
    text.push('\n');
    if view.neighbors.is_empty() {
        text.push_str("no neighbors\n");
        return text;
    }
    let mut table = Table::new(COLUMNS, style);
    for n in &view.neighbors {
        table.row(row(n));
        if !is_up(n)
            && let Some(error) = &n.last_error
        {
            table.note(format!("last error: {error}"));
        }
    }
    text.push_str(&table.render(0));
    let up = view.neighbors.iter().filter(|n| is_up(n)).count();
    text.push_str(&format!(
        "\n{up} of {} established",
        count(view.neighbors.len() as u64, "neighbor", "neighbors")
    ));
    if view.neighbors.iter().any(|n| n.dynamic) {
        text.push_str("; * came through a listen range");
    }
    text.push('\n');
    text
}

fn is_up(n: &NeighborSummary) -> bool {
    n.state == "Established"
}

/// The state, and whether the operator wants it so.
pub(crate) fn state(n: &NeighborSummary) -> Cell {
    let text = if n.shutdown { format!("{} (admin)", n.state) } else { n.state.clone() };
    Cell::colored(text, state_color(&n.state))
}

fn row(n: &NeighborSummary) -> Vec<Cell> {
    // Routes of a session that is down are stale ones; mostly there are none.
    let routes = |count: u64| if is_up(n) || count > 0 { count.to_string() } else { "-".to_owned() };
    vec![
        format!("{}{}", if n.dynamic { "*" } else { "" }, n.address).into(),
        or_dash(n.asn).into(),
        state(n),
        duration(n.since).into(),
        n.messages_received.to_string().into(),
        n.messages_sent.to_string().into(),
        routes(n.prefixes_received).into(),
        routes(n.prefixes_accepted).into(),
        routes(n.prefixes_advertised).into(),
        n.description.clone().unwrap_or_default().into(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::show::samples;

    #[test]
    fn neighbors_up_down_and_dynamic() {
        insta::assert_snapshot!(summary(&samples::summary(), Style { color: false }));
    }

    #[test]
    fn without_neighbors() {
        let view = SummaryView { neighbors: vec![], ..samples::summary() };
        insta::assert_snapshot!(summary(&view, Style { color: false }));
    }

    #[test]
    fn states_are_colored_on_a_terminal() {
        let text = summary(&samples::summary(), Style { color: true });
        assert!(text.contains("\x1b[32mEstablished\x1b[0m") && text.contains("\x1b[31mIdle (admin)\x1b[0m"));
    }
}
