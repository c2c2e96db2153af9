//! `show interfaces`.

use super::Style;
use super::table::{Align, Cell, Color, Table};
use super::text::or_dash;
use trunkline_view::{AdminState, Interface, InterfacesView};

const COLUMNS: &[(&str, Align)] = &[
    ("Interface", Align::Left),
    ("State", Align::Left),
    ("MTU", Align::Right),
    ("MAC", Align::Left),
    ("Addresses", Align::Left),
];

/// For people.
pub(crate) fn interfaces(view: &InterfacesView, style: Style) -> String {
    if view.interfaces.is_empty() {
        return "no interfaces\n".to_owned();
    }
    let mut table = Table::new(COLUMNS, style);
    for interface in &view.interfaces {
        let mut addresses = interface.addresses.iter().map(|a| format!("{}/{}", a.address, a.length));
        table.row([
            interface.name.as_str().into(),
            state(interface),
            interface.mtu.to_string().into(),
            or_dash(interface.mac.as_ref()).into(),
            addresses.next().unwrap_or_else(|| "-".to_owned()).into(),
        ]);
        for address in addresses {
            table.row(["".into(), "".into(), "".into(), "".into(), address.into()]);
        }
    }
    table.render(0)
}

fn state(interface: &Interface) -> Cell {
    match (interface.admin, interface.up) {
        (AdminState::Down, _) => Cell::colored("admin down", Color::Red),
        (AdminState::Up, true) => Cell::colored("up", Color::Green),
        (AdminState::Up, false) => Cell::colored("no carrier", Color::Yellow),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::show::samples;

    #[test]
    fn every_state() {
        insta::assert_snapshot!(interfaces(&samples::interfaces(), Style { color: false }));
    }
}
