//! `show bgp neighbors`.

use super::Style;
use super::table::{Align, Table};
use super::text::{count, duration, or_dash, state_color};
use trunkline_view::bgp::{NeighborView, NeighborsView};

/// For people: a block for each.
pub(crate) fn neighbors(view: &NeighborsView, style: Style) -> String {
    if view.neighbors.is_empty() {
        return "no neighbors\n".to_owned();
    }
    let blocks: Vec<String> = view.neighbors.iter().map(|n| Block::new(n, style).text).collect();
    blocks.join("\n")
}

struct Block<'a> {
    n: &'a NeighborView,
    style: Style,
    text: String,
}

impl<'a> Block<'a> {
    fn new(n: &'a NeighborView, style: Style) -> Block<'a> {
        let mut block = Block { n, style, text: String::new() };
        block.identity();
        block.state();
        block.connection();
        block.capabilities();
        block.families();
        block.messages();
        block.faults();
        block.errors();
        block
    }

    fn line(&mut self, name: &str, value: impl AsRef<str>) {
        self.text.push_str(&format!("  {:<16}{}\n", format!("{name}:"), value.as_ref()));
    }

    fn section(&mut self, table: &Table) {
        self.text.push('\n');
        self.text.push_str(&table.render(2));
    }

    fn identity(&mut self) {
        let s = &self.n.summary;
        let asn = s.asn.map_or("AS not known yet".to_owned(), |asn| format!("AS {asn}"));
        let dynamic = if s.dynamic { ", came through a listen range" } else { "" };
        self.text.push_str(&format!("BGP neighbor {}, {asn}, {}{dynamic}\n", s.address, self.n.session_type));
        if let Some(description) = &s.description {
            self.line("Description", description);
        }
        self.line("AS", format!("{} here, {} there", self.n.local_asn, or_dash(s.asn)));
        if let Some(id) = self.n.router_id {
            self.line("Router id", id.to_string());
        }
    }

    fn state(&mut self) {
        let n = self.n;
        let admin = if n.summary.shutdown { ", shut down by the operator" } else { "" };
        let state = state_color(&n.summary.state).paint(&n.summary.state, self.style);
        self.line("State", format!("{state} for {}{admin}", duration(n.summary.since)));
        if let Some(because) = &n.down_because {
            let rule = n.down_rule.as_ref().map_or(String::new(), |rule| format!(" ({rule})"));
            self.line("Down because", format!("{because}{rule}"));
        }
        if let Some(left) = n.idle_hold {
            self.line("Idle for", format!("{} more", seconds(left)));
        }
        if let Some(left) = n.graceful_restart {
            self.line(
                "Restarting",
                format!("its stale routes are kept for {} more (RFC 4724)", seconds(left)),
            );
        }
        let times = |n| count(n, "time", "times");
        self.line("Up and down", format!("established {}, lost {}", times(n.established), times(n.flaps)));
        if let Some(error) = &n.summary.last_error {
            let ago = n.errors.first().map_or(String::new(), |e| format!(", {} ago", duration(e.ago)));
            self.line("Last error", format!("{error}{ago}"));
        }
    }

    fn connection(&mut self) {
        let n = self.n;
        if let (Some(local), Some(remote)) = (&n.local, &n.remote) {
            let by = match n.opened_by.as_deref() {
                Some("peer") => ", opened by the peer",
                Some(_) => ", opened by us",
                None => "",
            };
            self.line("Connection", format!("{local} here, {remote} there{by}"));
        }
        let hold = match (n.hold_time, n.keepalive_time) {
            (Some(0), _) => format!("off; we propose {} s", n.hold_time_configured),
            (Some(hold), Some(keepalive)) => {
                format!(
                    "{hold} s agreed, we propose {} s; keepalive every {}",
                    n.hold_time_configured,
                    seconds(keepalive)
                )
            }
            (Some(hold), None) => format!("{hold} s agreed, we propose {} s", n.hold_time_configured),
            (None, _) => format!("we propose {} s", n.hold_time_configured),
        };
        self.line("Hold time", hold);
        if !n.timers.is_empty() {
            let timers = n.timers.iter().map(|t| format!("{} {}", t.name, seconds(t.left)));
            self.line("Timers", timers.collect::<Vec<_>>().join(", "));
        }
    }

    fn capabilities(&mut self) {
        let n = self.n;
        let mut names: Vec<&String> = Vec::new();
        let lists = [
            &n.capabilities_sent,
            &n.capabilities_received,
            &n.capabilities_agreed,
            &n.capabilities_suppressed,
        ];
        for name in lists.into_iter().flatten() {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        if names.is_empty() {
            return;
        }
        const COLUMNS: &[(&str, Align)] = &[
            ("Capabilities", Align::Left),
            ("Sent", Align::Left),
            ("Received", Align::Left),
            ("Agreed", Align::Left),
            ("", Align::Left),
        ];
        let mut table = Table::new(COLUMNS, self.style);
        for name in names {
            let mark = |list: &Vec<String>| if list.contains(name) { "yes" } else { "-" };
            let refused = n.capabilities_suppressed.contains(name);
            table.row([
                name.as_str().into(),
                mark(&n.capabilities_sent).into(),
                mark(&n.capabilities_received).into(),
                mark(&n.capabilities_agreed).into(),
                if refused { "left out: the peer refused it" } else { "" }.into(),
            ]);
        }
        self.section(&table);
    }

    fn families(&mut self) {
        const COLUMNS: &[(&str, Align)] = &[
            ("Routes", Align::Left),
            ("Received", Align::Right),
            ("Accepted", Align::Right),
            ("Sent", Align::Right),
            ("Stale", Align::Right),
            ("Maximum", Align::Right),
            ("End-of-RIB", Align::Left),
        ];
        let mut table = Table::new(COLUMNS, self.style);
        for f in &self.n.families {
            let end_of_rib = match (f.end_of_rib_received, f.end_of_rib_sent) {
                (true, true) => "received, sent",
                (true, false) => "received",
                (false, true) => "sent",
                (false, false) => "-",
            };
            table.row([
                f.family.as_str().into(),
                f.received.to_string().into(),
                f.accepted.to_string().into(),
                f.advertised.to_string().into(),
                f.stale.to_string().into(),
                or_dash(f.maximum_prefixes).into(),
                end_of_rib.into(),
            ]);
        }
        if !self.n.families.is_empty() {
            self.section(&table);
        }
    }

    fn messages(&mut self) {
        const COLUMNS: &[(&str, Align)] =
            &[("Messages", Align::Left), ("Received", Align::Right), ("Sent", Align::Right)];
        let mut table = Table::new(COLUMNS, self.style);
        for m in &self.n.messages {
            table.row([m.kind.as_str().into(), m.received.to_string().into(), m.sent.to_string().into()]);
        }
        let s = &self.n.summary;
        table.row(["all".into(), s.messages_received.to_string().into(), s.messages_sent.to_string().into()]);
        self.section(&table);
    }

    fn faults(&mut self) {
        if self.n.faults.is_empty() {
            return;
        }
        const COLUMNS: &[(&str, Align)] =
            &[("Faults in its UPDATEs", Align::Left), ("Treated by", Align::Left), ("Count", Align::Right)];
        let mut table = Table::new(COLUMNS, self.style);
        for f in &self.n.faults {
            table.row([f.kind.as_str().into(), f.treatment.as_str().into(), f.count.to_string().into()]);
        }
        self.section(&table);
    }

    fn errors(&mut self) {
        if self.n.errors.is_empty() {
            return;
        }
        const COLUMNS: &[(&str, Align)] = &[("Errors, newest first", Align::Left)];
        let mut table = Table::new(COLUMNS, self.style);
        for e in &self.n.errors {
            table.row([format!("{} ago  {}", duration(e.ago), e.message).into()]);
        }
        self.section(&table);
    }
}

/// "75 s", with a digit after the point where it says something.
fn seconds(s: f64) -> String {
    if s >= 10.0 || s.fract() == 0.0 { format!("{s:.0} s") } else { format!("{s:.1} s") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::show::samples;

    fn show(neighbors: Vec<NeighborView>) -> String {
        super::neighbors(&NeighborsView { neighbors }, Style { color: false })
    }

    #[test]
    fn an_established_neighbor() {
        insta::assert_snapshot!(show(vec![samples::established()]));
    }

    #[test]
    fn neighbors_that_are_down() {
        insta::assert_snapshot!(show(vec![samples::refused(), samples::shut_down()]));
    }
}
