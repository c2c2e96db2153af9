//! `show ip`.

use super::Style;
use super::arp::seconds;
use super::table::{Align, Table};
use super::tcp::counters;
use trunkline_view::device::IpView;

const REDIRECTS: &[(&str, Align)] = &[
    ("Redirect for", Align::Left),
    ("Gateway", Align::Left),
    ("Interface", Align::Left),
    ("Expires", Align::Right),
];
const PATHS: &[(&str, Align)] = &[("Path to", Align::Left), ("MTU", Align::Right), ("Expires", Align::Right)];

/// For people.
pub(crate) fn ip(view: &IpView, style: Style) -> String {
    let mut parts = Vec::new();
    if !view.redirects.is_empty() {
        let mut table = Table::new(REDIRECTS, style);
        for redirect in &view.redirects {
            table.row([
                redirect.destination.to_string().into(),
                redirect.gateway.to_string().into(),
                redirect.interface.as_str().into(),
                seconds(redirect.expires).into(),
            ]);
        }
        parts.push(table.render(0));
    }
    if !view.path_mtus.is_empty() {
        let mut table = Table::new(PATHS, style);
        for path in &view.path_mtus {
            let cells = [path.destination.to_string(), path.mtu.to_string(), seconds(path.expires)];
            table.row(cells.map(Into::into));
        }
        parts.push(table.render(0));
    }
    parts.push(counters("IP, ICMP, UDP\n", &view.counters));
    for (kind, by_interface) in [("ARP", &view.arp), ("Frames", &view.frames)] {
        parts.extend(by_interface.iter().map(|(name, all)| counters(&format!("{kind} on {name}\n"), all)));
    }
    parts.retain(|part| !part.is_empty());
    if parts.is_empty() { "nothing has happened yet\n".to_owned() } else { parts.join("\n") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::show::samples;

    #[test]
    fn all_that_there_is() {
        insta::assert_snapshot!(ip(&samples::ip_statistics(), Style { color: false }));
    }
}
