//! `show arp`.

use super::Style;
use super::table::{Align, Cell, Color, Table};
use super::text::or_dash;
use trunkline_view::device::{ArpEntry, ArpView};

const COLUMNS: &[(&str, Align)] = &[
    ("Interface", Align::Left),
    ("Address", Align::Left),
    ("MAC", Align::Left),
    ("State", Align::Left),
    ("Age", Align::Right),
    ("Expires", Align::Right),
    ("Queued", Align::Right),
];

/// For people.
pub(crate) fn arp(view: &ArpView, style: Style) -> String {
    let mut text = String::new();
    if view.entries.is_empty() {
        text.push_str("no neighbors\n");
    } else {
        let mut table = Table::new(COLUMNS, style);
        for entry in &view.entries {
            table.row([
                entry.interface.as_str().into(),
                entry.ip.to_string().into(),
                or_dash(entry.mac.as_ref()).into(),
                state(entry),
                if entry.fixed { "-".into() } else { seconds(entry.age).into() },
                entry.expires.map_or_else(|| "-".to_owned(), seconds).into(),
                entry.queued.to_string().into(),
            ]);
        }
        text.push_str(&table.render(0));
    }
    // What is as it should be need not be said.
    for own in view.own.iter().filter(|own| own.state != "usable") {
        text.push_str(&format!("own address {} on {}: {}\n", own.ip, own.interface, own.state));
    }
    text
}

fn state(entry: &ArpEntry) -> Cell {
    let color = match entry.state.as_str() {
        "reachable" | "permanent" => Color::Green,
        "failed" => Color::Red,
        _ => Color::Yellow,
    };
    Cell::colored(&entry.state, color)
}

/// Seconds, as short as they are.
pub(crate) fn seconds(seconds: f64) -> String {
    format!("{seconds:.1}s")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::show::samples;

    #[test]
    fn every_state() {
        insta::assert_snapshot!(arp(&samples::arp(), Style { color: false }));
    }

    #[test]
    fn nothing() {
        let view = ArpView { entries: vec![], own: vec![] };
        assert_eq!(arp(&view, Style { color: false }), "no neighbors\n");
    }
}
