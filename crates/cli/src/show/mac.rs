//! `show mac`.

use super::Style;
use super::arp::seconds;
use super::table::{Align, Cell, Color, Table};
use super::text::count;
use trunkline_view::device::MacView;

const PORTS: &[(&str, Align)] = &[("Port", Align::Left), ("State", Align::Left), ("Stations", Align::Right)];
const STATIONS: &[(&str, Align)] = &[("MAC", Align::Left), ("Port", Align::Left), ("Age", Align::Right)];

/// For people.
pub(crate) fn mac(view: &MacView, style: Style) -> String {
    if view.bridges.is_empty() {
        return "no bridges\n".to_owned();
    }
    let mut text = String::new();
    for bridge in &view.bridges {
        let entries: Vec<_> = view.entries.iter().filter(|entry| entry.bridge == bridge.name).collect();
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&format!(
            "Bridge {}, {}, ageing time {} s, {}\n",
            bridge.name,
            bridge.mac,
            bridge.ageing_time,
            count(entries.len() as u64, "station", "stations")
        ));
        let mut ports = Table::new(PORTS, style);
        for port in &bridge.ports {
            let color = match port.state.as_str() {
                "forwarding" => Color::Green,
                "learning" => Color::Yellow,
                _ => Color::Red,
            };
            let stations = entries.iter().filter(|entry| entry.port == port.name).count();
            let state = Cell::colored(&port.state, color);
            ports.row([port.name.as_str().into(), state, stations.to_string().into()]);
        }
        text.push_str(&ports.render(2));
        if entries.is_empty() {
            continue;
        }
        let mut stations = Table::new(STATIONS, style);
        for entry in entries {
            let age = if entry.fixed { "static".to_owned() } else { seconds(entry.age) };
            stations.row([entry.mac.as_str().into(), entry.port.as_str().into(), age.into()]);
        }
        text.push('\n');
        text.push_str(&stations.render(2));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::show::samples;

    #[test]
    fn bridges_with_and_without_stations() {
        insta::assert_snapshot!(mac(&samples::mac(), Style { color: false }));
    }
}
