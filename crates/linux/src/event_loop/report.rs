//! What happened, for subscribers and the log.

use super::EventLoop;
use trunkline_view::{Event, EventKind};

impl EventLoop {
    pub(super) fn publish(&mut self, kind: EventKind) {
        log(&self.node.config().name, &kind);
        self.sequence += 1;
        let time = self.now.since(self.started).as_secs_f64();
        let event = Event { sequence: self.sequence, time, kind };
        self.subscribers.retain_mut(|subscriber| subscriber(&event));
        if self.subscribers.is_empty() {
            self.node.watch_routes(false);
        }
    }
}

/// Sessions that come up or go down and notices at "info"; steps in between, of which a peer that is away makes a few
/// every ten seconds, at "debug"; routes at "trace".
fn log(node: &str, kind: &EventKind) {
    match kind {
        EventKind::BgpState { neighbor, asn, from, to, reason } => {
            let asn = asn.map(|asn| format!(" (AS {asn})")).unwrap_or_default();
            if from == "Established" || to == "Established" {
                tracing::info!("{node}: BGP neighbor {neighbor}{asn}: {from} to {to}: {reason}");
            } else {
                tracing::debug!("{node}: BGP neighbor {neighbor}{asn}: {from} to {to}: {reason}");
            }
        }
        EventKind::BgpNotice { neighbor, message } => {
            tracing::info!("{node}: BGP neighbor {neighbor}: {message}");
        }
        EventKind::BgpBest { prefix, neighbor, as_path, next_hop } => {
            tracing::trace!(
                "{node}: best route to {prefix}: from {neighbor:?} by {next_hop:?}, AS path {as_path}"
            );
        }
        EventKind::Rip { message, .. } => tracing::info!("{node}: RIP: {message}"),
        EventKind::Fib { message, .. } => tracing::warn!("{node}: kernel table: {message}"),
        EventKind::Interface { name, message } => tracing::info!("{node}: interface {name}: {message}"),
        EventKind::Reload { message } => tracing::info!("{node}: reload: {message}"),
        EventKind::Arp { interface, message } => tracing::trace!("{node}: ARP on {interface}: {message}"),
        EventKind::Ip { message } => tracing::trace!("{node}: IP: {message}"),
        EventKind::Tcp { local, remote, from, to, message } => {
            tracing::trace!("{node}: TCP {local} {remote}: {from} to {to}: {message}");
        }
        EventKind::Bridge { bridge, message } => tracing::debug!("{node}: bridge {bridge}: {message}"),
        EventKind::SpanningTree { bridge, message } => {
            tracing::info!("{node}: spanning tree of {bridge}: {message}");
        }
        EventKind::Ping { destination, reply } => tracing::trace!("{node}: ping {destination}: {reply:?}"),
        EventKind::Socket { name, message } => tracing::trace!("{node}: socket {name}: {message}"),
        EventKind::Missed { count } => tracing::info!("{node}: {count} events were left out"),
    }
}
