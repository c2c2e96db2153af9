//! BGP over the node's own TCP: what the driver does with sockets of the kernel, done here.

use super::sockets::{LastWords, Server, Socket, address, tcp_error};
use super::{Said, Stack};
use crate::NodeOutput;
use crate::node::Node;
use std::net::{IpAddr, SocketAddr};
use trunkline_bgp::Input;
use trunkline_bgp::transport::{
    AoAlgorithm, AoKey, AoKeys, TcpAction, TcpError, TcpEvent, TcpKey, TcpOptions,
};
use trunkline_core::{ConnId, Instant, Outbox, Prefix};
use trunkline_tcp::auth::{self, Key};
use trunkline_tcp::{ApiError, Closed, Endpoint, Options, SocketId};

/// Connections that the driver accepts are numbered from 0, so ours begin here.
const FIRST_INCOMING: u64 = 1 << 62;

/// Octets asked of BGP at once; a peer that does not read costs about so much here, and the send buffer.
const PULL_LIMIT: usize = 64 * 1024;

/// Pulls for one connection at once; the others come next.
const PULLS: usize = 8;

/// The send buffer of BGP's connections: what BGP has said there it cannot take back.
const SEND_BUFFER: usize = 256 * 1024;

/// Octets asked of BGP when it closes a connection.
const LAST_WORDS: usize = 64 * 1024;

/// A connection of BGP's.
#[derive(Debug)]
pub(crate) struct Speaker {
    pub(super) conn: ConnId,
    connected: bool,
    /// TCP took something from us.
    has_sent: bool,
    /// Octets that TCP has not taken yet, from `taken` on.
    leftover: Vec<u8>,
    taken: usize,
    /// What BGP was told last.
    pending: bool,
    /// The peer has closed, and BGP knows.
    ended: bool,
}

impl Speaker {
    fn new(conn: ConnId, connected: bool) -> Speaker {
        Speaker {
            conn,
            connected,
            has_sent: false,
            leftover: Vec::new(),
            taken: 0,
            pending: false,
            ended: false,
        }
    }
}

fn key(key: &TcpKey) -> Key {
    match key {
        TcpKey::Md5(key) => Key::Md5(key.0.clone().into_bytes()),
        TcpKey::Ao(keys) => ao_key(keys),
    }
}

fn ao_key(keys: &AoKeys) -> Key {
    let tuple = |key: &AoKey| auth::MasterKeyTuple {
        send_id: key.send_id,
        recv_id: key.receive_id,
        algorithm: match key.algorithm {
            AoAlgorithm::HmacSha1 => auth::Algorithm::HmacSha1,
            AoAlgorithm::Aes128Cmac => auth::Algorithm::Aes128Cmac,
        },
        key: key.key.clone().into_bytes(),
        include_options: key.include_options,
    };
    match auth::AoKeys::new(keys.keys().iter().map(tuple).collect(), keys.preferred()) {
        Ok(keys) => Key::Ao(keys),
        // BGP's own type has the same rules. Were it otherwise, no peer could sign for this, and nothing unsigned gets in.
        Err(_) => Key::Md5(keys.keys().iter().flat_map(|key| key.key.bytes()).collect()),
    }
}

fn options(wanted: &TcpOptions) -> Options {
    let default = Options::default();
    Options {
        nagle: false,
        ttl: wanted.ttl.unwrap_or(default.ttl),
        min_ttl: wanted.min_ttl.unwrap_or(0),
        auth: match &wanted.ao {
            Some(keys) => Some(ao_key(keys)),
            None => wanted.md5.clone().map(|md5| key(&TcpKey::Md5(md5))),
        },
        send_buffer: SEND_BUFFER,
        ..default
    }
}

impl Stack {
    /// BGP wants a connection.
    fn speaker_connect(
        &mut self,
        now: Instant,
        conn: ConnId,
        (local, remote): (Option<IpAddr>, SocketAddr),
        wanted: &TcpOptions,
    ) {
        if let Err(error) = self.try_connect(now, conn, (local, remote), wanted) {
            self.said.push(Said::Failed { conn, error });
        }
    }

    fn try_connect(
        &mut self,
        now: Instant,
        conn: ConnId,
        (local, remote): (Option<IpAddr>, SocketAddr),
        wanted: &TcpOptions,
    ) -> Result<(), TcpError> {
        let IpAddr::V4(peer) = remote.ip() else { return Err(TcpError::Unreachable) };
        let no_route = || TcpError::NoRoute("there is no route in the node's own table".to_owned());
        let route = self.ip.route(now, peer, 0).ok_or_else(no_route)?;
        let source = match local {
            None => route.source.ok_or(TcpError::Unreachable)?,
            Some(IpAddr::V4(address)) if self.ip.is_local(address) => address,
            Some(address) => {
                return Err(TcpError::Other(format!("cannot use local address {address}: it is not ours")));
            }
        };
        let (ends, peer) = ((source, 0), (peer, remote.port()));
        let opened = self.tcp.connect(now, ends, peer, options(wanted), route.mtu, &mut self.tcp_out);
        let id = opened.map_err(|error| TcpError::Other(error.to_string()))?;
        self.sockets.sockets.insert(id, Socket::Speaker(Speaker::new(conn, false)));
        self.sockets.by_conn.insert(conn, id);
        self.tcp_touched = true;
        Ok(())
    }

    pub(super) fn speaker_incoming(&mut self, id: SocketId, local: Endpoint, remote: Endpoint) {
        let conn = ConnId::incoming(FIRST_INCOMING + self.sockets.next_conn);
        self.sockets.next_conn += 1;
        self.sockets.sockets.insert(id, Socket::Speaker(Speaker::new(conn, true)));
        self.sockets.by_conn.insert(conn, id);
        let (local, remote) = (address(local).into(), address(remote).into());
        self.said.push(Said::Incoming { conn, local, remote });
        // Octets may have come with the handshake.
        self.said.push(Said::Readable(conn));
    }

    pub(super) fn speaker_connected(&mut self, id: SocketId) {
        let Some(Socket::Speaker(speaker)) = self.sockets.sockets.get_mut(&id) else { return };
        speaker.connected = true;
        let conn = speaker.conn;
        if let Some((local, remote)) = self.tcp.endpoints(id) {
            let (local, remote) = (address(local).into(), address(remote).into());
            self.said.push(Said::Connected { conn, local, remote });
        }
    }

    pub(super) fn speaker_ready(&mut self, conn: ConnId, readable: bool) {
        self.said.push(if readable { Said::Readable(conn) } else { Said::Writable(conn) });
    }

    pub(super) fn speaker_closed(&mut self, speaker: &Speaker, why: Closed) {
        let conn = speaker.conn;
        self.sockets.by_conn.remove(&conn);
        let error = tcp_error(why);
        match (speaker.ended, speaker.connected) {
            (true, _) => {}
            (false, true) => self.said.push(Said::Closed { conn, error }),
            (false, false) => self.said.push(Said::Failed { conn, error }),
        }
    }

    fn speaker(&mut self, conn: ConnId) -> Option<(SocketId, &mut Speaker)> {
        let id = *self.sockets.by_conn.get(&conn)?;
        match self.sockets.sockets.get_mut(&id) {
            Some(Socket::Speaker(speaker)) => Some((id, speaker)),
            _ => None,
        }
    }

    fn speaker_configure(&mut self, now: Instant, conn: ConnId, wanted: &TcpOptions) {
        if let Some((id, _)) = self.speaker(conn) {
            let _ = self.tcp.set_options(now, id, options(wanted));
            self.tcp_touched = true;
        }
    }

    /// Sends what TCP takes of what BGP gave; how many octets it does not.
    fn send_leftover(&mut self, now: Instant, conn: ConnId) -> Option<usize> {
        let (id, speaker) = self.speaker(conn)?;
        let mut leftover = std::mem::take(&mut speaker.leftover);
        let rest = leftover.get(speaker.taken..).unwrap_or_default();
        let taken = if rest.is_empty() { Ok(0) } else { self.tcp.send(now, id, rest, &mut self.tcp_out) };
        self.tcp_touched = true;
        let (_, speaker) = self.speaker(conn)?;
        // An error means that the connection ends, which is told in its own words.
        let taken = taken.unwrap_or(0);
        speaker.taken += taken;
        speaker.has_sent |= taken > 0;
        let left = leftover.len() - speaker.taken;
        if left == 0 {
            leftover.clear();
            speaker.taken = 0;
        }
        speaker.leftover = leftover;
        Some(left)
    }

    /// BGP closes a connection, and says this last.
    pub(crate) fn speaker_close(&mut self, now: Instant, conn: ConnId, reset: bool, last_words: &[u8]) {
        let Some((id, speaker)) = self.speaker(conn) else { return };
        speaker.leftover.extend_from_slice(last_words);
        let connected = speaker.connected;
        let said = speaker.has_sent || !speaker.leftover.is_empty();
        let rest = LastWords { octets: std::mem::take(&mut speaker.leftover), taken: speaker.taken };
        self.sockets.by_conn.remove(&conn);
        if reset || !connected {
            self.sockets.sockets.remove(&id);
            let _ = self.tcp.abort(now, id, &mut self.tcp_out);
        } else if said {
            self.let_linger(now, id, rest);
        } else {
            // Who was never answered hears from a RST that nobody reads what it says.
            self.sockets.sockets.insert(id, Socket::Lingering(LastWords::default()));
            let _ = self.tcp.close(now, id, &mut self.tcp_out);
        }
        self.tcp_touched = true;
    }

    pub(crate) fn listener_key(&mut self, peer: Prefix, wanted: Option<&TcpKey>) {
        let Prefix::V4(peer) = peer else { return };
        match wanted {
            Some(wanted) => drop(self.sockets.keys.insert(peer, key(wanted))),
            None => drop(self.sockets.keys.remove(&peer)),
        }
        for (id, server) in &self.sockets.servers {
            if *server == Server::Speaker {
                let set: Result<(), ApiError> = self.tcp.set_listener_key(*id, peer, wanted.map(key));
                debug_assert!(set.is_ok(), "a listener of ours is not there");
            }
        }
    }
}

impl Node {
    /// BGP wants something of TCP: of ours or of the driver's.
    pub(crate) fn carry_tcp(&mut self, now: Instant, action: TcpAction, out: &mut Outbox<NodeOutput>) {
        if let TcpAction::ListenerKey { peer, key } = &action {
            match key {
                Some(key) => drop(self.listener_keys.insert(*peer, key.clone())),
                None => drop(self.listener_keys.remove(peer)),
            }
        }
        let own = matches!(&action, TcpAction::Connect { remote, .. } if self.is_own(now, remote.ip()));
        let Some(stack) = &mut self.stack else {
            out.push(NodeOutput::Tcp(action));
            return;
        };
        match action {
            TcpAction::Connect { conn, remote, local, options } if own => {
                stack.speaker_connect(now, conn, (local, remote), &options);
            }
            TcpAction::Configure { conn, options } if stack.sockets.has(conn) => {
                stack.speaker_configure(now, conn, &options);
            }
            TcpAction::Transmit(conn) if stack.sockets.has(conn) => self.flush(now, conn),
            TcpAction::Close { conn, reset } if stack.sockets.has(conn) => {
                let mut last_words = Vec::new();
                while self.poll_transmit(now, conn, LAST_WORDS, &mut last_words)
                    && last_words.len() < LAST_WORDS
                {}
                if let Some(stack) = &mut self.stack {
                    stack.speaker_close(now, conn, reset, &last_words);
                }
            }
            TcpAction::ListenerKey { peer, key } => {
                stack.listener_key(peer, key.as_ref());
                out.push(NodeOutput::Tcp(TcpAction::ListenerKey { peer, key }));
            }
            // One that was closed meanwhile; the driver knows as little of it.
            action => out.push(NodeOutput::Tcp(action)),
        }
    }

    /// Whether connections to an address are for our own TCP: the way leads through an interface of our own, or there
    /// are no others.
    pub(crate) fn is_own(&self, now: Instant, remote: IpAddr) -> bool {
        let Some(stack) = &self.stack else { return false };
        if !self.has_kernel {
            return true;
        }
        match (self.routing.way_to(remote), remote.to_canonical()) {
            (Some(interface), _) => interface >= super::FIRST_INDEX,
            // Not by routes that BGP's own next hops may use: by one of BGP's.
            (None, IpAddr::V4(remote)) => !remote.is_loopback() && stack.ip.route(now, remote, 0).is_some(),
            (None, IpAddr::V6(_)) => false,
        }
    }

    /// Writes what BGP has for a connection, as much as TCP takes.
    pub(crate) fn flush(&mut self, now: Instant, conn: ConnId) {
        let (mut progress, mut all) = (false, false);
        for pull in 1..=PULLS {
            let Some((_, speaker)) = self.stack.as_mut().and_then(|stack| stack.speaker(conn)) else {
                return;
            };
            let mut leftover = std::mem::take(&mut speaker.leftover);
            let before = leftover.len() - speaker.taken;
            let more = before == 0 && self.poll_transmit(now, conn, PULL_LIMIT, &mut leftover);
            let Some(stack) = &mut self.stack else { return };
            let Some((_, speaker)) = stack.speaker(conn) else { return };
            let waiting = leftover.len() - speaker.taken;
            speaker.leftover = leftover;
            let Some(left) = stack.send_leftover(now, conn) else { return };
            progress |= left < waiting;
            all = left == 0;
            // What waited before kept BGP from being asked.
            let more = more || before > 0;
            if !all || !more {
                break;
            }
            if pull == PULLS {
                stack.said.push(Said::Writable(conn));
            }
        }
        let Some((_, speaker)) = self.stack.as_mut().and_then(|stack| stack.speaker(conn)) else { return };
        let pending = !all;
        if progress || pending != speaker.pending {
            speaker.pending = pending;
            self.tell_bgp(now, Input::Tcp { conn, event: TcpEvent::Written { pending } });
        }
    }

    /// Gives BGP what has come for it.
    pub(crate) fn read(&mut self, now: Instant, conn: ConnId) {
        let Some(stack) = &mut self.stack else { return };
        let Some((id, speaker)) = stack.speaker(conn) else { return };
        if speaker.ended {
            return;
        }
        let mut octets = std::mem::take(&mut stack.octets);
        octets.clear();
        let received = stack.tcp.receive(now, id, &mut octets, PULL_LIMIT, &mut stack.tcp_out);
        stack.tcp_touched = true;
        if let Ok(received) = received {
            if received.octets > 0 {
                self.tell_bgp(now, Input::Tcp { conn, event: TcpEvent::Bytes(&octets) });
            }
            if let Some(stack) = &mut self.stack {
                if received.octets == PULL_LIMIT && !received.eof {
                    stack.said.push(Said::Readable(conn));
                }
                if received.eof
                    && let Some((id, speaker)) = stack.speaker(conn)
                {
                    // As with a socket of the kernel's: the id is BGP's no more, we close our side.
                    speaker.ended = true;
                    stack.sockets.by_conn.remove(&conn);
                    stack.let_linger(now, id, LastWords::default());
                    let error = TcpError::EndOfStream;
                    self.tell_bgp(now, Input::Tcp { conn, event: TcpEvent::Closed(error) });
                }
            }
        }
        if let Some(stack) = &mut self.stack {
            stack.octets = octets;
        }
    }

    /// Carries what the stack says to BGP, the routing and the outside.
    pub(crate) fn carry_said(&mut self, now: Instant, said: Said, out: &mut Outbox<NodeOutput>) {
        let (conn, event) = match said {
            Said::Rip { interface, source, source_port, packet, payload } => {
                let octets = packet.get(payload).unwrap_or_default();
                return self.rip_datagram(now, interface, (source, source_port), octets, out);
            }
            Said::Interface(change) => return self.routing.interface(change),
            Said::Answer { id, answer } => return out.push(NodeOutput::Answer { id, answer }),
            Said::Event(event) => return out.push(NodeOutput::Event(event)),
            Said::Readable(conn) => return self.read(now, conn),
            Said::Writable(conn) => return self.flush(now, conn),
            Said::Incoming { conn, local, remote } => (conn, TcpEvent::Incoming { local, remote }),
            Said::Connected { conn, local, remote } => (conn, TcpEvent::Connected { local, remote }),
            Said::Failed { conn, error } => (conn, TcpEvent::Failed(error)),
            Said::Closed { conn, error } => (conn, TcpEvent::Closed(error)),
        };
        self.tell_bgp(now, Input::Tcp { conn, event });
    }
}
