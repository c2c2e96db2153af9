//! A line for an event.

use super::text::state_color;
use super::{Style, probe, tcp};
use trunkline_view::{Event, EventKind};

/// The line, without newline: time since the node's start, kind, what happened.
pub(crate) fn event(event: &Event, style: Style) -> String {
    let (kind, what) = words(&event.kind, style);
    format!("{:>12.3}  {kind:<10}  {what}", event.time)
}

/// The kind of an event, and what happened.
pub(crate) fn words(kind: &EventKind, style: Style) -> (&'static str, String) {
    match kind {
        EventKind::BgpState { neighbor, asn, from, to, reason } => {
            let asn = asn.map_or(String::new(), |asn| format!(" (AS {asn})"));
            let to = state_color(to).paint(to, style);
            ("bgp-state", format!("{neighbor}{asn}: {from} -> {to}: {reason}"))
        }
        EventKind::BgpNotice { neighbor, message } => ("bgp-notice", format!("{neighbor}: {message}")),
        EventKind::BgpBest { prefix, neighbor: None, .. } => {
            ("bgp-best", format!("{prefix}: no route any more"))
        }
        EventKind::BgpBest { prefix, neighbor: Some(neighbor), as_path, next_hop } => {
            let from = if neighbor.is_unspecified() {
                "originated here".to_owned()
            } else {
                format!("from {neighbor}")
            };
            let via = next_hop
                .filter(|hop| !hop.is_unspecified())
                .map_or(String::new(), |hop| format!(", via {hop}"));
            let path = if as_path.is_empty() { String::new() } else { format!(", path {as_path}") };
            ("bgp-best", format!("{prefix}: {from}{via}{path}"))
        }
        EventKind::Rip { message, .. } => ("rip", message.clone()),
        EventKind::Fib { message, .. } => ("fib", message.clone()),
        EventKind::Interface { name, message } => ("interface", format!("{name}: {message}")),
        EventKind::Reload { message } => ("reload", message.clone()),
        EventKind::Arp { interface, message } => ("arp", format!("{interface}: {message}")),
        EventKind::Ip { message } => ("ip", message.clone()),
        EventKind::Tcp { local, remote, from, to, message } => {
            let to = tcp::state_color(to).paint(to, style);
            ("tcp", format!("{local} {remote}: {from} -> {to}: {message}"))
        }
        EventKind::Bridge { bridge, message } => ("bridge", format!("{bridge}: {message}")),
        EventKind::SpanningTree { bridge, message } => ("stp", format!("{bridge}: {message}")),
        EventKind::Ping { destination, reply } => {
            let whom = match reply.from == Some(*destination) {
                true => String::new(),
                false => format!("{destination}: "),
            };
            ("ping", format!("{whom}{}", probe::ping_reply(reply, style)))
        }
        EventKind::Socket { name, message } => ("socket", format!("{name}: {message}")),
        EventKind::Missed { count } => {
            ("missed", format!("{count} events, because they were read too slowly"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::show::samples;

    #[test]
    fn every_kind() {
        let lines: Vec<String> = samples::events().iter().map(|e| event(e, Style { color: false })).collect();
        insta::assert_snapshot!(lines.join("\n"));
    }
}
