//! What our own stack knows of a BGP neighbour: the way to it, its link-layer address, its connection, ICMP errors.

use super::Stack;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use trunkline_core::{ConnId, Duration, Instant};
use trunkline_ip::{IcmpError, IcmpErrorKind};
use trunkline_tcp::TimerKind;
use trunkline_view::facts::{COUNTERS, End, Facts, Gathered, Reach, Stage, Tcp, Way};

/// Destinations of which the last ICMP error is remembered.
const MAX_HEARD: usize = 64;

/// How old an ICMP error may be to tell of a connection that has just failed.
const HEARD: Duration = Duration::from_secs(30);

/// The last ICMP error about segments to a destination.
pub(super) type Heard = BTreeMap<Ipv4Addr, (Instant, End)>;

impl Stack {
    /// All that is known; our own stack knows IPv4 alone.
    pub(crate) fn gather(&mut self, now: Instant, neighbor: IpAddr, conn: Option<ConnId>) -> Gathered {
        let current: BTreeMap<String, u64> = self
            .tcp
            .counters()
            .iter()
            .filter(|(name, _)| COUNTERS.contains(name))
            .map(|(name, count)| (name.to_owned(), count))
            .collect();
        let counters = Some(self.history.rose(now, neighbor, &current, "this node's own TCP"));
        let IpAddr::V4(peer) = neighbor else { return Gathered { counters, ..Gathered::default() } };
        Gathered {
            way: Some(self.way_to(now, peer)),
            tcp: self.tcp_facts(now, conn).into_iter().collect(),
            counters,
            ..Gathered::default()
        }
    }

    fn way_to(&self, now: Instant, peer: Ipv4Addr) -> Way {
        let Some(route) = self.ip.route(now, peer, 0) else {
            let reach = Reach::Nowhere("there is no route in the node's own table".to_owned());
            return Way { reach, interface: None, up: true, source: None, next_hop: None };
        };
        let number = route.interface.index();
        let interface = self.interfaces.get(number).and_then(Option::as_ref);
        let hop = route.gateway.unwrap_or(peer);
        let arp = interface.and_then(|interface| interface.arp.as_ref());
        let entry = arp.and_then(|arp| arp.entries(now).find(|entry| entry.address == hop));
        Way {
            reach: match (route.local, route.gateway) {
                (true, _) => Reach::Here,
                (false, Some(gateway)) => Reach::Via(gateway.into()),
                (false, None) => Reach::Direct,
            },
            interface: Some(self.name_of(number)),
            up: interface.is_none_or(|interface| interface.carrier),
            source: route.source.map(IpAddr::V4),
            next_hop: entry.map(|entry| entry.state.to_string()),
        }
    }

    fn tcp_facts(&self, now: Instant, conn: Option<ConnId>) -> Option<Tcp> {
        let id = *self.sockets.by_conn.get(&conn?)?;
        let view = self.tcp.connections(now).find(|connection| connection.id == id)?;
        let on_the_way = view.snd_nxt.0.wrapping_sub(view.snd_una.0);
        let probes = matches!(view.timer, Some((TimerKind::Persist, _)));
        Some(Tcp {
            ended: None,
            acknowledged: view.octets_sent.saturating_sub(on_the_way.into()),
            received: view.octets_received,
            in_flight: on_the_way.into(),
            unacknowledged: on_the_way.div_ceil(view.mss.max(1)),
            waiting: (view.send_queue as u64).saturating_sub(on_the_way.into()),
            mss: view.mss,
            window_probes: probes.into(),
            window: Some(view.snd_wnd),
            ..Tcp::default()
        })
    }

    /// An ICMP error about a segment of ours came, or was made here since the next hop has no link-layer address.
    pub(super) fn hear(&mut self, now: Instant, error: &IcmpError) {
        let exceeded = matches!(error.kind, IcmpErrorKind::TimeExceeded(_));
        let by = Some(IpAddr::V4(error.reporter));
        let end = End::Icmp { by, what: error.kind.to_string(), exceeded };
        if self.heard.len() >= MAX_HEARD && !self.heard.contains_key(&error.destination) {
            self.heard.pop_first();
        }
        self.heard.insert(error.destination, (now, end));
    }

    /// TCP lives with ICMP errors until it times out; whoever asks why wants to hear of them.
    pub(crate) fn add_icmp(&self, now: Instant, facts: &mut Facts) {
        let IpAddr::V4(neighbor) = facts.neighbor else { return };
        let Some((at, end)) = self.heard.get(&neighbor).filter(|(at, _)| now.since(*at) < HEARD) else {
            return;
        };
        let since = now.since(*at).as_secs_f64();
        let during = |begun: f64, ended: f64| since <= begun && since + 1.0 >= ended;
        for attempt in facts.attempts.iter_mut().filter(|a| a.ours && a.stage == Stage::Connecting) {
            let silent = matches!(attempt.end, End::NoAnswer | End::Pending)
                || matches!(attempt.end, End::Icmp { by: None, .. });
            if silent && during(attempt.ago.1 + attempt.lasted, attempt.ago.1) {
                attempt.end = end.clone();
            }
        }
    }
}
