//! Sockets: whose each connection and listener is, and what becomes of TCP's news.

use super::Stack;
use super::iperf;
use super::named::Named;
use super::services::ServiceState;
use super::speaker::Speaker;
use crate::config::ServiceKind;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};
use trunkline_bgp::transport::TcpError;
use trunkline_core::{ConnId, Duration, Instant, Ipv4Prefix, PortId, TimerQueue};
use trunkline_tcp::{Closed, Endpoint, ListenerId, Options, Output, SocketId};
use trunkline_view::EventKind;

/// How long a connection that BGP has closed may take to bring its last words across.
const LINGER: Duration = Duration::from_secs(10);

/// ARP hears no more often that a neighbour is alive.
const CONFIRM_INTERVAL: Duration = Duration::from_secs(1);

/// Neighbours for which that is remembered; beyond, it is forgotten of all.
const MAX_CONFIRMED: usize = 1024;

/// What a service that sends without end has ready for a connection: whoever opens one has it filled at once.
const SOURCE_BUFFER: usize = 256 << 10;

/// To what that grows for a peer that reads fast and far away; as much as Linux has (tcp(7), `tcp_wmem`).
const SOURCE_BUFFER_GROWTH: usize = 4 << 20;

/// Whose a connection is.
#[derive(Debug)]
pub(super) enum Socket {
    /// BGP's.
    Speaker(Speaker),
    /// A service's.
    Service(ServiceState),
    /// The iperf3 server's.
    Iperf(iperf::Role),
    /// A transfer's, by the number of the task.
    Transfer(u64),
    /// One that was opened by name.
    Named(Named),
    /// Nobody's any more: it is closing, and brings its last words across where there were any.
    Lingering(LastWords),
}

/// What TCP has not taken yet of what the user of a connection said before it went: `octets` from `taken` on.
#[derive(Debug, Default)]
pub(super) struct LastWords {
    pub(super) octets: Vec<u8>,
    pub(super) taken: usize,
}

/// Whose a listener is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Server {
    /// BGP's.
    Speaker,
    /// A service's.
    Service(ServiceKind),
    /// One that was opened by name.
    Named(String),
}

/// All sockets.
#[derive(Debug, Default)]
pub(crate) struct Sockets {
    pub(super) sockets: BTreeMap<SocketId, Socket>,
    pub(super) by_conn: BTreeMap<ConnId, SocketId>,
    /// Those that were opened by name.
    pub(super) names: BTreeMap<String, SocketId>,
    /// By port and address: how the configuration names them.
    pub(super) listeners: BTreeMap<(u16, Option<Ipv4Addr>), (ListenerId, Server)>,
    pub(super) servers: BTreeMap<ListenerId, Server>,
    /// Keys of BGP's peers, for listeners to come.
    pub(super) keys: BTreeMap<Ipv4Prefix, trunkline_tcp::auth::Key>,
    pub(super) next_conn: u64,
    pub(super) iperf: iperf::Server,
    lingering: TimerQueue<SocketId>,
    /// When neighbours were last said to be alive.
    confirmed: BTreeMap<(PortId, Ipv4Addr), Instant>,
}

impl Sockets {
    /// Whether a connection of BGP's is one of ours.
    pub(crate) fn has(&self, conn: ConnId) -> bool {
        self.by_conn.contains_key(&conn)
    }

    /// Whether nothing of BGP's is open, and nothing lingers.
    pub(crate) fn is_drained(&self) -> bool {
        !self.sockets.values().any(|socket| matches!(socket, Socket::Speaker(_) | Socket::Lingering(_)))
    }

    /// Whether it is time to say that a neighbour is alive.
    pub(super) fn confirm(&mut self, now: Instant, neighbor: (PortId, Ipv4Addr)) -> bool {
        if self.confirmed.get(&neighbor).is_some_and(|last| now.since(*last) < CONFIRM_INTERVAL) {
            return false;
        }
        if self.confirmed.len() >= MAX_CONFIRMED {
            self.confirmed.clear();
        }
        self.confirmed.insert(neighbor, now);
        true
    }

    /// When the time of a lingering connection is over, or of one of the iperf3 server's.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        trunkline_core::earliest([self.lingering.next(), self.iperf.poll_timeout()])
    }

    /// The connection of a name.
    pub(super) fn named(&self, name: &str) -> Option<SocketId> {
        self.names.get(name).copied()
    }

    /// Whose a connection is, in a word.
    pub(super) fn owner(&self, id: SocketId) -> String {
        match self.sockets.get(&id) {
            Some(Socket::Speaker(_)) => "bgp".to_owned(),
            Some(Socket::Service(service)) => service_name(service.kind).to_owned(),
            Some(Socket::Iperf(_)) => service_name(ServiceKind::Iperf3).to_owned(),
            Some(Socket::Transfer(_)) => "transfer".to_owned(),
            Some(Socket::Named(named)) => named.name.clone(),
            Some(Socket::Lingering(_)) | None => String::new(),
        }
    }
}

/// A service's name.
pub(super) fn service_name(kind: ServiceKind) -> &'static str {
    match kind {
        ServiceKind::Echo => "echo",
        ServiceKind::Discard => "discard",
        ServiceKind::Chargen => "chargen",
        ServiceKind::Iperf3 => "iperf3",
    }
}

/// How BGP calls the end of a connection.
pub(super) fn tcp_error(why: Closed) -> TcpError {
    match why {
        Closed::Done => TcpError::EndOfStream,
        Closed::Reset | Closed::Aborted => TcpError::Reset,
        Closed::Refused => TcpError::Refused,
        Closed::TimedOut => TcpError::TimedOut,
        Closed::Unreachable => TcpError::Unreachable,
    }
}

/// An end of a connection as the views have it.
pub(super) fn address((address, port): Endpoint) -> SocketAddrV4 {
    SocketAddrV4::new(address, port)
}

impl Stack {
    /// Carries out what TCP says.
    pub(super) fn tcp_output(&mut self, now: Instant, output: Output) {
        match output {
            Output::Incoming { listener, id, local, remote } => {
                // TCP knows only the link of the local address, which may not be the one to the peer.
                let route = self.ip.route(now, remote.0, 0);
                if let Some(route) = route.filter(|route| !route.local) {
                    self.tcp.path_mtu(now, local, remote, route.mtu);
                }
                match self.sockets.servers.get(&listener).cloned() {
                    Some(Server::Speaker) => self.speaker_incoming(id, local, remote),
                    Some(Server::Service(ServiceKind::Iperf3)) => self.iperf_incoming(now, id),
                    Some(Server::Service(kind)) => {
                        self.sockets.sockets.insert(id, Socket::Service(ServiceState::new(kind)));
                        self.serve(now, id);
                    }
                    Some(Server::Named(name)) => self.named_incoming(now, id, &name, remote),
                    None => drop(self.tcp.abort(now, id, &mut self.tcp_out)),
                }
            }
            Output::Connected(id) => match self.sockets.sockets.get(&id) {
                Some(Socket::Speaker(_)) => self.speaker_connected(id),
                Some(Socket::Transfer(task)) => self.transfer_connected(now, *task),
                Some(Socket::Named(_)) => self.named_says(id, "connected"),
                _ => {}
            },
            Output::Readable(id) | Output::Writable(id) | Output::Urgent(id) => {
                let readable = matches!(output, Output::Readable(_));
                match self.sockets.sockets.get(&id) {
                    Some(Socket::Speaker(speaker)) => self.speaker_ready(speaker.conn, readable),
                    Some(Socket::Service(_)) => self.serve(now, id),
                    Some(Socket::Iperf(_)) => self.iperf_ready(now, id),
                    Some(Socket::Transfer(task)) => self.transfer_ready(now, *task),
                    Some(Socket::Named(_)) => self.named_ready(now, id),
                    Some(Socket::Lingering(_)) => self.linger(now, id),
                    None => {}
                }
            }
            Output::Closed { id, why } => self.socket_closed(now, id, why),
            Output::State { local, remote, from, to, why, .. } => self.tell(|| EventKind::Tcp {
                local: address(local),
                remote: address(remote),
                from: from.to_string(),
                to: to.to_string(),
                message: why.to_string(),
            }),
        }
        self.tcp_touched = true;
    }

    /// A connection is gone: its user hears why.
    pub(super) fn socket_closed(&mut self, now: Instant, id: SocketId, why: Closed) {
        match self.sockets.sockets.remove(&id) {
            Some(Socket::Speaker(speaker)) => self.speaker_closed(&speaker, why),
            Some(Socket::Transfer(task)) => self.transfer_closed(now, task, why),
            Some(Socket::Named(named)) => self.named_closed(named, why),
            Some(Socket::Iperf(role)) => self.iperf_closed(now, id, &role),
            Some(Socket::Service(_) | Socket::Lingering(_)) | None => {}
        }
    }

    /// Closes a connection whose user has no more interest, so that what it said last arrives.
    pub(super) fn let_linger(&mut self, now: Instant, id: SocketId, last_words: LastWords) {
        self.sockets.sockets.insert(id, Socket::Lingering(last_words));
        self.sockets.lingering.schedule(now + LINGER, id);
        self.note(self.sockets.poll_timeout());
        self.linger(now, id);
    }

    /// Sends what is left to say, then a FIN. Takes what still comes, so that it does not turn the end into a reset.
    fn linger(&mut self, now: Instant, id: SocketId) {
        let Some(Socket::Lingering(words)) = self.sockets.sockets.get_mut(&id) else { return };
        let rest = words.octets.get(words.taken..).unwrap_or_default();
        if !rest.is_empty() {
            // An error means that the connection ends, which is told in its own words.
            words.taken += self.tcp.send(now, id, rest, &mut self.tcp_out).unwrap_or(0);
        }
        let all = words.taken >= words.octets.len();
        if all {
            let _ = self.tcp.shutdown_write(now, id, &mut self.tcp_out);
        }
        let mut octets = std::mem::take(&mut self.octets);
        octets.clear();
        let received = self.tcp.receive(now, id, &mut octets, usize::MAX, &mut self.tcp_out);
        if all && received.is_ok_and(|received| received.eof) {
            let _ = self.tcp.close(now, id, &mut self.tcp_out);
        }
        self.octets = octets;
        self.tcp_touched = true;
    }

    /// Ends connections that have lingered long enough.
    pub(super) fn sockets_timeout(&mut self, now: Instant) {
        self.iperf_timeout(now);
        while let Some(id) = self.sockets.lingering.pop_due(now) {
            if matches!(self.sockets.sockets.get(&id), Some(Socket::Lingering(_))) {
                let _ = self.tcp.abort(now, id, &mut self.tcp_out);
            }
        }
    }

    /// Has exactly these listeners, those by name aside; says in words what is different.
    pub(super) fn set_listeners(
        &mut self,
        now: Instant,
        wanted: &BTreeMap<(u16, Option<Ipv4Addr>), Server>,
    ) -> Vec<String> {
        let mut problems = Vec::new();
        let is_named = |server: &Server| matches!(server, Server::Named(_));
        let gone: Vec<_> = self
            .sockets
            .listeners
            .iter()
            .filter(|(at, (_, server))| !is_named(server) && wanted.get(at) != Some(server))
            .map(|(at, (id, _))| (*at, *id))
            .collect();
        for (at, id) in gone {
            self.sockets.listeners.remove(&at);
            self.sockets.servers.remove(&id);
            let _ = self.tcp.close_listener(now, id, &mut self.tcp_out);
            self.tcp_touched = true;
        }
        for (&(port, local), server) in wanted {
            if !self.sockets.listeners.contains_key(&(port, local))
                && let Err(error) = self.open_listener((port, local), server.clone())
            {
                problems.push(format!("cannot listen on port {port}: {error}"));
            }
        }
        problems
    }

    /// Opens a listener.
    pub(super) fn open_listener(
        &mut self,
        (port, local): (u16, Option<Ipv4Addr>),
        server: Server,
    ) -> Result<(), trunkline_tcp::ApiError> {
        let options = match server {
            // RFC 5082 §3: a peer that asks for TTL 255 wants it of the SYN,ACK too.
            Server::Speaker => Options { nagle: false, ttl: u8::MAX, ..Options::default() },
            Server::Service(ServiceKind::Chargen | ServiceKind::Iperf3) => Options {
                send_buffer: SOURCE_BUFFER,
                send_buffer_growth: Some(SOURCE_BUFFER_GROWTH),
                ..Options::default()
            },
            _ => Options::default(),
        };
        let id = self.tcp.listen(local, port, BACKLOG, options)?;
        if server == Server::Speaker {
            for (peer, key) in &self.sockets.keys {
                let _ = self.tcp.set_listener_key(id, *peer, Some(key.clone()));
            }
        }
        self.sockets.servers.insert(id, server.clone());
        self.sockets.listeners.insert((port, local), (id, server));
        Ok(())
    }
}

/// Half-open connections of a listener.
const BACKLOG: usize = 128;
