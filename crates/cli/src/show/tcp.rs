//! `show tcp`.

use super::Style;
use super::table::{Align, Cell, Color, Table};
use super::text::or_dash;
use trunkline_view::device::Counters;
use trunkline_view::tcp::{TcpConnection, TcpView};

const CONNECTIONS: &[(&str, Align)] = &[
    ("Local", Align::Left),
    ("Remote", Align::Left),
    ("State", Align::Left),
    ("Owner", Align::Left),
    ("RecvQ", Align::Right),
    ("SendQ", Align::Right),
    ("Cwnd", Align::Right),
    ("RTT", Align::Right),
    ("Again", Align::Right),
    ("Timer", Align::Left),
];

const LISTENERS: &[(&str, Align)] =
    &[("Listening", Align::Left), ("Owner", Align::Left), ("Half-open", Align::Right)];

/// For people.
pub(crate) fn tcp(view: &TcpView, style: Style) -> String {
    let mut text = String::new();
    if !view.listeners.is_empty() {
        let mut table = Table::new(LISTENERS, style);
        for listener in &view.listeners {
            let address = listener.address.map_or_else(|| "*".to_owned(), |a| a.to_string());
            table.row([
                format!("{address}:{}", listener.port).into(),
                listener.owner.as_str().into(),
                format!("{}/{}", listener.half_open, listener.backlog).into(),
            ]);
        }
        text.push_str(&table.render(0));
        text.push('\n');
    }
    if view.connections.is_empty() {
        text.push_str("no connections\n");
    } else {
        let mut table = Table::new(CONNECTIONS, style);
        for connection in &view.connections {
            table.row(cells(connection));
            if let Some(received) = connection.received.as_ref().filter(|text| !text.is_empty()) {
                table.note(format!("received {received:?}"));
            }
        }
        text.push_str(&table.render(0));
    }
    text.push_str(&counters("\nCounters\n", &view.counters));
    text
}

fn cells(connection: &TcpConnection) -> [Cell; 10] {
    let timer = connection.timer.as_ref().zip(connection.timer_in);
    [
        connection.local.to_string().into(),
        connection.remote.to_string().into(),
        Cell::colored(&connection.state, state_color(&connection.state)),
        connection.owner.as_str().into(),
        connection.receive_queue.to_string().into(),
        connection.send_queue.to_string().into(),
        connection.cwnd.to_string().into(),
        or_dash(connection.rtt.map(milliseconds)).into(),
        connection.retransmits.to_string().into(),
        timer.map_or_else(|| "-".to_owned(), |(name, left)| format!("{name} {left:.1}s")).into(),
    ]
}

/// The colour of a state of RFC 9293.
pub(crate) fn state_color(state: &str) -> Color {
    match state {
        "ESTABLISHED" => Color::Green,
        "CLOSED" => Color::Red,
        _ => Color::Yellow,
    }
}

/// Seconds as milliseconds, with as many digits as tell them apart.
pub(crate) fn milliseconds(seconds: f64) -> String {
    let ms = seconds * 1e3;
    match ms {
        0.0..10.0 => format!("{ms:.3} ms"),
        0.0..100.0 => format!("{ms:.2} ms"),
        _ => format!("{ms:.1} ms"),
    }
}

/// The counters that are not 0, under a heading; nothing where all are.
pub(crate) fn counters(heading: &str, counters: &Counters) -> String {
    let mut text = String::new();
    let width = counters.iter().filter(|(_, n)| **n > 0).map(|(name, _)| name.len()).max().unwrap_or(0);
    for (name, n) in counters.iter().filter(|(_, n)| **n > 0) {
        text.push_str(&format!("  {name:width$}  {n}\n"));
    }
    if text.is_empty() { text } else { format!("{heading}{text}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::show::samples;

    #[test]
    fn listeners_and_connections() {
        insta::assert_snapshot!(tcp(&samples::tcp(), Style { color: false }));
    }

    #[test]
    fn times() {
        let all: Vec<String> = [0.0, 0.000_050_1, 0.012_345, 1.5].map(milliseconds).into();
        assert_eq!(all, ["0.000 ms", "0.050 ms", "12.35 ms", "1500.0 ms"]);
    }
}
