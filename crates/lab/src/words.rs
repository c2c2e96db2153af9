//! Events in words.

use std::fmt::Write;
use trunkline_view::EventKind;
use trunkline_view::probe::PingReply;

/// What happened, in one line.
pub fn event(event: &EventKind) -> String {
    match event {
        EventKind::BgpState { neighbor, from, to, reason, .. } => {
            format!("BGP {neighbor}: {from} -> {to}: {reason}")
        }
        EventKind::BgpNotice { neighbor, message } => format!("BGP {neighbor}: {message}"),
        EventKind::BgpBest { prefix, neighbor: None, .. } => format!("BGP has no route to {prefix} any more"),
        EventKind::BgpBest { prefix, neighbor: Some(neighbor), as_path, next_hop } => {
            let mut words = match neighbor.is_unspecified() {
                true => format!("BGP best route to {prefix} is our own"),
                false => format!("BGP best route to {prefix} is from {neighbor}"),
            };
            if let Some(next_hop) = next_hop.filter(|hop| !hop.is_unspecified()) {
                let _ = write!(words, ", next hop {next_hop}");
            }
            if !as_path.is_empty() {
                let _ = write!(words, ", AS path {as_path}");
            }
            words
        }
        EventKind::Rip { message, .. } => format!("RIP: {message}"),
        EventKind::Fib { message, .. } => format!("routing table: {message}"),
        EventKind::Interface { name, message } => format!("{name}: {message}"),
        EventKind::Reload { message } => format!("configuration: {message}"),
        EventKind::Arp { interface, message } => format!("ARP {interface}: {message}"),
        EventKind::Ip { message } => format!("IP: {message}"),
        EventKind::Tcp { local, remote, from, to, message } => {
            format!("TCP {local} {remote}: {from} -> {to}: {message}")
        }
        EventKind::Bridge { bridge, message } | EventKind::SpanningTree { bridge, message } => {
            format!("{bridge}: {message}")
        }
        EventKind::Ping { destination, reply } => format!("ping {destination}: {}", ping(reply)),
        EventKind::Socket { name, message } => format!("socket {name}: {message}"),
        EventKind::Missed { count } => format!("{count} events missed"),
    }
}

fn ping(reply: &PingReply) -> String {
    match (reply.from, reply.time, &reply.error) {
        (_, _, Some(error)) => format!("{} {error}", reply.sequence),
        (Some(from), Some(time), None) => {
            format!("{} answered by {from} in {:.3} ms", reply.sequence, time * 1000.0)
        }
        _ => format!("{} not answered", reply.sequence),
    }
}

/// Whether an event is told even while nobody watches. Of those of spanning tree some are.
pub(crate) fn is_always_told(event: &EventKind) -> bool {
    matches!(event, EventKind::BgpState { .. } | EventKind::BgpNotice { .. } | EventKind::Interface { .. })
}

/// Whether it says that a state machine has changed its state, or that something was learnt.
pub(crate) fn is_change(event: &EventKind) -> bool {
    !matches!(event, EventKind::Ping { .. } | EventKind::Missed { .. } | EventKind::Socket { .. })
}
