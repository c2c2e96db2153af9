//! Answers to queries about the stack.

use super::interface::Interface;
use super::sockets::{Server, Socket, address, service_name};
use super::{Stack, tcp};
use std::collections::BTreeMap;
use trunkline_arp as arp;
use trunkline_bridge as bridge;
use trunkline_core::{Duration, Instant, PortId};
use trunkline_tcp::TimerKind;
use trunkline_view::device::{
    ArpEntry, ArpView, BridgePortView, BridgeView, Counters, IpView, MacEntry, MacView, OwnAddress,
    PathMtuView, RedirectView,
};
use trunkline_view::tcp::{TcpConnection, TcpListener, TcpView};
use trunkline_view::{Answer, ErrorKind, Query};

/// A slow start threshold above this was never set.
const NO_THRESHOLD: u32 = 1 << 30;

impl Stack {
    /// Answers; none: the query is not about the stack. Some(None): the answer comes later.
    pub(crate) fn query(&mut self, now: Instant, id: u64, query: &Query) -> Option<Option<Answer>> {
        if let Some(begun) = self.task_query(now, id, query) {
            return Some(begun);
        }
        if let Some(answer) = self.named_query(now, query) {
            return Some(Some(answer));
        }
        Some(Some(match query {
            Query::Arp { interface } => self.arp_view(now, interface.as_deref()),
            Query::Mac { bridge } => self.mac_view(now, bridge.as_deref()),
            Query::Tcp => Answer::Tcp(self.tcp_view(now)),
            Query::IpStatistics => Answer::IpStatistics(self.ip_view(now)),
            _ => return None,
        }))
    }

    fn arp_view(&self, now: Instant, only: Option<&str>) -> Answer {
        let mut view = ArpView { entries: Vec::new(), own: Vec::new() };
        let mut found = false;
        for interface in self.interfaces.iter().flatten() {
            let name = &interface.config.name;
            let Some(arp) = interface.arp.as_ref().filter(|_| only.is_none_or(|only| only == name)) else {
                continue;
            };
            found = true;
            view.entries.extend(arp.entries(now).map(|entry| arp_entry(name, &entry)));
            view.own.extend(interface.config.address.iter().map(|(ip, _)| {
                let state = interface.state_of(*ip).map_or_else(|| "usable".to_owned(), |s| s.to_string());
                OwnAddress { interface: name.clone(), ip: *ip, state }
            }));
        }
        match only {
            Some(name) if !found => {
                Answer::error(ErrorKind::NotFound, format!("no interface {name} that speaks ARP"))
            }
            _ => Answer::Arp(view),
        }
    }

    fn mac_view(&self, now: Instant, only: Option<&str>) -> Answer {
        let mut view = MacView { bridges: Vec::new(), entries: Vec::new() };
        for state in self.bridges.iter().flatten() {
            let name = &state.config.name;
            if only.is_some_and(|only| only != name) {
                continue;
            }
            let port = |id: PortId| BridgePortView {
                name: self.port_name(id),
                state: self.port_state_name(now, state, id).to_owned(),
                counters: named(state.bridge.port_counters(id).unwrap_or_default().named()),
            };
            view.bridges.push(BridgeView {
                name: name.clone(),
                mac: state.bridge.address().to_string(),
                ageing_time: state.bridge.ageing_time().as_secs_f64(),
                ports: state.bridge.ports().map(port).collect(),
                counters: named(state.bridge.counters().named()),
            });
            view.entries.extend(state.bridge.entries(now).map(|entry| MacEntry {
                bridge: name.clone(),
                mac: entry.mac.to_string(),
                port: self.port_name(entry.port),
                age: entry.age.as_secs_f64(),
                fixed: entry.kind == bridge::Kind::Static,
            }));
        }
        match only {
            Some(name) if view.bridges.is_empty() => {
                Answer::error(ErrorKind::NotFound, format!("no bridge {name}"))
            }
            _ => Answer::Mac(view),
        }
    }

    fn tcp_view(&self, now: Instant) -> TcpView {
        let connection = |c: tcp::ConnectionView| TcpConnection {
            local: address(c.local),
            remote: address(c.remote),
            state: c.state.to_string(),
            owner: self.sockets.owner(c.id),
            active: c.active,
            send_queue: c.send_queue as u64,
            receive_queue: c.receive_queue as u64,
            send_window: c.snd_wnd,
            receive_window: c.rcv_wnd,
            mss: c.mss,
            cwnd: c.cwnd,
            ssthresh: Some(c.ssthresh).filter(|threshold| *threshold < NO_THRESHOLD),
            rtt: c.rtt.map(|rtt| rtt.as_secs_f64()),
            rto: c.rto.as_secs_f64(),
            retransmits: c.retransmits,
            octets_sent: c.octets_sent,
            octets_received: c.octets_received,
            timestamps: c.features.timestamps,
            sack: c.features.sack,
            window_scale: c.features.window_scale,
            signed: c.features.signed,
            timer: c.timer.map(|(kind, _)| timer_name(kind).to_owned()),
            timer_in: c.timer.map(|(_, time): (TimerKind, Duration)| time.as_secs_f64()),
            received: match self.sockets.sockets.get(&c.id) {
                Some(Socket::Named(named)) => Some(String::from_utf8_lossy(&named.received).into_owned()),
                _ => None,
            },
        };
        let listener = |l: tcp::ListenerView| TcpListener {
            address: l.local,
            port: l.port,
            owner: match self.sockets.servers.get(&l.id) {
                Some(Server::Speaker) => "bgp".to_owned(),
                Some(Server::Service(kind)) => service_name(*kind).to_owned(),
                Some(Server::Named(name)) => name.clone(),
                None => String::new(),
            },
            half_open: l.half_open as u64,
            backlog: l.backlog as u64,
        };
        TcpView {
            connections: self.tcp.connections(now).map(connection).collect(),
            listeners: self.tcp.listeners().map(listener).collect(),
            counters: named(self.tcp.counters().iter()),
        }
    }

    fn ip_view(&self, now: Instant) -> IpView {
        let redirects = self.ip.redirects(now).into_iter().map(|redirect| RedirectView {
            destination: redirect.destination,
            gateway: redirect.gateway,
            interface: self.name_of(redirect.interface.index()),
            expires: redirect.expires.since(now).as_secs_f64(),
        });
        let path_mtus = self.ip.path_mtus(now).into_iter().map(|path| PathMtuView {
            destination: path.destination,
            mtu: path.mtu,
            expires: path.expires.since(now).as_secs_f64(),
        });
        let interfaces = || self.interfaces.iter().flatten();
        let arp = |i: &Interface| Some((i.config.name.clone(), named(i.arp.as_ref()?.counters().named())));
        let mut frames: BTreeMap<String, Counters> =
            interfaces().map(|i| (i.config.name.clone(), named(i.counters.named()))).collect();
        for port in &self.ports {
            frames.entry(self.name_of(port.interface)).or_default().extend(named(port.counters()));
        }
        IpView {
            counters: named(self.ip.counters().iter()),
            redirects: redirects.collect(),
            path_mtus: path_mtus.collect(),
            arp: interfaces().filter_map(arp).collect(),
            frames,
        }
    }
}

fn arp_entry(interface: &str, entry: &arp::Entry) -> ArpEntry {
    ArpEntry {
        interface: interface.to_owned(),
        ip: entry.address,
        mac: entry.mac.map(|mac| mac.to_string()),
        state: entry.state.to_string(),
        age: entry.age.as_secs_f64(),
        expires: entry.expires.map(|time| time.as_secs_f64()),
        queued: entry.queued as u64,
        fixed: entry.kind == arp::Kind::Static,
    }
}

fn named(counters: impl IntoIterator<Item = (&'static str, u64)>) -> Counters {
    counters.into_iter().map(|(name, count)| (name.to_owned(), count)).collect()
}

fn timer_name(kind: TimerKind) -> &'static str {
    match kind {
        TimerKind::Retransmission => "retransmission",
        TimerKind::DelayedAck => "delayed acknowledgment",
        TimerKind::Persist => "persist",
        TimerKind::Keepalive => "keepalive",
        TimerKind::TimeWait => "time-wait",
        TimerKind::GiveUp => "give up",
    }
}
