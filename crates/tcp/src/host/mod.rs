//! All connections of a host: the table, listeners, ports, and the way in and out of segments.

mod listener;
mod ports;
mod reply;
mod table;

pub(crate) use reply::{Limit, Replies, Reply};

use crate::SeqNum;
use crate::api::{
    ApiError, Cause, Config, ConnectionView, Endpoint, IcmpError, ListenerId, ListenerView, Options, Output,
    Received, SocketId, Transmit,
};
use crate::auth::{Key, Signer};
use crate::buffers::{FLOOR, MAX_LIMIT};
use crate::connection::{Connection, Cx, State, Verdict};
use crate::counters::Counters;
use crate::isn::Secret;
use listener::{Incoming, Listener};
use ports::is_unicast;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::Ipv4Addr;
use table::Table;
use trunkline_core::{Instant, Ipv4Prefix, Outbox, Rng};
use trunkline_wire::tcp::{self as wire, Flags, Segment};

/// What a connection needs of its host, borrowed apart from the table.
macro_rules! cx {
    ($tcp:expr, $now:expr, $out:expr) => {
        $crate::connection::Cx {
            now: $now,
            config: &$tcp.config,
            counters: &mut $tcp.counters,
            out: $out,
            watched: $tcp.watched,
            challenges: &mut $tcp.challenges,
            replies: &mut $tcp.replies,
            share: $crate::host::share($tcp.config.max_buffered, $tcp.buffered),
        }
    };
}
use cx;

/// The most octets that a queue may hold: a part of what is free, so that however many want more, some is left for the next
/// (dynamic thresholds, Choudhury and Hahne 1998).
pub(crate) fn share(most: usize, used: usize) -> usize {
    (most.saturating_sub(used) / 8).clamp(FLOOR, MAX_LIMIT)
}

/// TTL of resets for which there is no connection.
const RESET_TTL: u8 = 64;

/// The TCP of a host.
#[derive(Debug)]
pub struct Tcp {
    config: Config,
    counters: Counters,
    watched: bool,
    secret: Secret,
    table: Table,
    listeners: BTreeMap<ListenerId, Listener>,
    listening: BTreeMap<(u16, Option<Ipv4Addr>), ListenerId>,
    next_listener: u32,
    next_port: u32,
    interface_mtus: BTreeMap<Ipv4Addr, u16>,
    challenges: Limit,
    resets: Limit,
    replies: Replies,
    /// Connections in TIME-WAIT, oldest first; some may have gone.
    time_waits: VecDeque<(u32, SocketId)>,
    /// Connections that their users have closed and that are not done, by the time of that.
    orphans: BTreeSet<(Instant, u32)>,
    /// Octets that all queues have allocated.
    buffered: usize,
    /// When the last SYN cookie was sent.
    cookie_sent: Option<Instant>,
}

impl Tcp {
    /// No connections yet. All secrets (initial sequence numbers, cookies, ports) are drawn from `rng`.
    pub fn new(config: Config, mut rng: Rng) -> Tcp {
        Tcp {
            counters: Counters::default(),
            watched: false,
            secret: Secret::new(&mut rng),
            table: Table::new(&mut rng),
            listeners: BTreeMap::new(),
            listening: BTreeMap::new(),
            next_listener: 0,
            next_port: rng.next_u64() as u32,
            interface_mtus: BTreeMap::new(),
            challenges: Limit::new(config.challenge_acks_per_second, Some(rng.fork())),
            resets: Limit::new(config.resets_per_second, None),
            replies: Replies::default(),
            time_waits: VecDeque::new(),
            orphans: BTreeSet::new(),
            buffered: 0,
            cookie_sent: None,
            config,
        }
    }

    /// Whether changes of state are told by [`Output::State`].
    pub fn watch(&mut self, on: bool) {
        self.watched = on;
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Replaces the configuration; timers that run keep their time.
    pub fn reconfigure(&mut self, config: Config) {
        self.challenges.set(config.challenge_acks_per_second);
        self.resets.set(config.resets_per_second);
        self.config = config;
    }

    /// Passive OPEN: accepts connections to `port` at `local`, or at all addresses. `backlog` is the most half-open
    /// connections, at least 1.
    pub fn listen(
        &mut self,
        local: Option<Ipv4Addr>,
        port: u16,
        backlog: usize,
        options: Options,
    ) -> Result<ListenerId, ApiError> {
        if port == 0 {
            return Err(ApiError::BadAddress);
        }
        if self.listening.contains_key(&(port, local)) {
            return Err(ApiError::InUse);
        }
        let id = ListenerId(self.next_listener);
        self.next_listener += 1;
        self.listening.insert((port, local), id);
        let backlog = backlog.max(1);
        let listener = Listener { local, port, backlog, half_open: 0, open: 0, options, keys: Vec::new() };
        self.listeners.insert(id, listener);
        Ok(id)
    }

    /// CLOSE of a listener. Half-open connections are reset, open ones live on.
    pub fn close_listener(
        &mut self,
        now: Instant,
        id: ListenerId,
        out: &mut Outbox<Output>,
    ) -> Result<(), ApiError> {
        let listener = self.listeners.remove(&id).ok_or(ApiError::NotFound)?;
        self.listening.remove(&(listener.port, listener.local));
        for index in self.table.indices() {
            let Some(connection) = self.table.get_mut(index) else { continue };
            if connection.ends.listener == Some(id) && connection.state() == State::SynReceived {
                connection.abort(&mut cx!(self, now, out))?;
                self.settle(index);
            }
        }
        Ok(())
    }

    /// Sets or removes the key for peers of a listener; the longest prefix that holds a peer's address decides, then the
    /// listener's options. Connections that are open keep theirs.
    pub fn set_listener_key(
        &mut self,
        id: ListenerId,
        peer: Ipv4Prefix,
        key: Option<Key>,
    ) -> Result<(), ApiError> {
        let listener = self.listeners.get_mut(&id).ok_or(ApiError::NotFound)?;
        listener.keys.retain(|(prefix, _)| *prefix != peer);
        listener.keys.extend(key.map(|key| (peer, key)));
        Ok(())
    }

    /// Changes the options of a listener, for connections to come.
    pub fn set_listener_options(&mut self, id: ListenerId, options: Options) -> Result<(), ApiError> {
        self.listeners.get_mut(&id).ok_or(ApiError::NotFound)?.options = options;
        Ok(())
    }

    /// SEND: queues octets, as many as there is room for, and says how many. Where not all fit, [`Output::Writable`]
    /// tells when there is room.
    pub fn send(
        &mut self,
        now: Instant,
        id: SocketId,
        octets: &[u8],
        out: &mut Outbox<Output>,
    ) -> Result<usize, ApiError> {
        self.call(now, id, out, |connection, cx| connection.send(cx, octets, false))
    }

    /// SEND with the URGENT flag: as `send`; the octets taken are urgent data (RFC 9293 §3.8.5).
    pub fn send_urgent(
        &mut self,
        now: Instant,
        id: SocketId,
        octets: &[u8],
        out: &mut Outbox<Output>,
    ) -> Result<usize, ApiError> {
        self.call(now, id, out, |connection, cx| connection.send(cx, octets, true))
    }

    /// RECEIVE: appends at most `limit` octets to `buf`.
    pub fn receive(
        &mut self,
        now: Instant,
        id: SocketId,
        buf: &mut Vec<u8>,
        limit: usize,
        out: &mut Outbox<Output>,
    ) -> Result<Received, ApiError> {
        self.call(now, id, out, |connection, cx| connection.receive(cx, buf, limit))
    }

    /// Half-close: no more data from us; what is queued is sent, then a FIN. The peer's data still comes.
    pub fn shutdown_write(
        &mut self,
        now: Instant,
        id: SocketId,
        out: &mut Outbox<Output>,
    ) -> Result<(), ApiError> {
        self.call(now, id, out, |connection, cx| connection.shutdown(cx))
    }

    /// CLOSE, and no more interest in what the peer sends: unread data, now or later, makes it a reset (RFC 9293 §3.6.1).
    /// The id remains until [`Output::Closed`].
    pub fn close(&mut self, now: Instant, id: SocketId, out: &mut Outbox<Output>) -> Result<(), ApiError> {
        self.call(now, id, out, |connection, cx| connection.close(cx))?;
        self.limit_orphans(now, out);
        Ok(())
    }

    /// ABORT: a RST, and everything queued is lost.
    pub fn abort(&mut self, now: Instant, id: SocketId, out: &mut Outbox<Output>) -> Result<(), ApiError> {
        self.call(now, id, out, |connection, cx| connection.abort(cx))
    }

    /// Changes the options of a connection. The key, the congestion control and what the peer was promised to be taken
    /// stay as they are.
    pub fn set_options(&mut self, now: Instant, id: SocketId, options: Options) -> Result<(), ApiError> {
        // Nothing is told by this.
        self.call(now, id, &mut Outbox::new(), |connection, _| {
            connection.set_options(options);
            Ok(())
        })
    }

    fn call<T>(
        &mut self,
        now: Instant,
        id: SocketId,
        out: &mut Outbox<Output>,
        f: impl FnOnce(&mut Connection, &mut Cx<'_>) -> Result<T, ApiError>,
    ) -> Result<T, ApiError> {
        let index = self.table.index_of(id).ok_or(ApiError::NotFound)?;
        let connection = self.table.get_mut(index).ok_or(ApiError::NotFound)?;
        let result = f(connection, &mut cx!(self, now, out));
        self.settle(index);
        result
    }

    /// A segment arrived: `octets` from the TCP header on, `ttl` and `tos` of the IPv4 header. Whether it shows that what we
    /// send reaches the peer (RFC 4861 §7.3.1); for one connection that is told once a second.
    #[allow(clippy::too_many_arguments)]
    pub fn segment(
        &mut self,
        now: Instant,
        source: Ipv4Addr,
        destination: Ipv4Addr,
        ttl: u8,
        _tos: u8,
        octets: &[u8],
        out: &mut Outbox<Output>,
    ) -> bool {
        self.counters.in_segs += 1;
        let Ok(segment) = Segment::parse(octets, source, destination) else {
            self.counters.in_errs += 1;
            return false;
        };
        // RFC 9293 §3.9.2.3 (MUST-57): silently.
        if !is_unicast(source) || !is_unicast(destination) {
            self.counters.bad_address += 1;
            return false;
        }
        let local = (destination, segment.destination_port);
        let remote = (source, segment.source_port);
        let incoming = Incoming { local, remote, ttl, octets, segment: &segment };
        match self.table.find(local, remote) {
            Some(index) => self.for_connection(now, index, &incoming, out),
            None => {
                self.without_connection(now, &incoming, None, out);
                false
            }
        }
    }

    fn for_connection(
        &mut self,
        now: Instant,
        index: u32,
        incoming: &Incoming<'_>,
        out: &mut Outbox<Output>,
    ) -> bool {
        let waits = self.table.get(index).is_some_and(|connection| connection.state() == State::TimeWait);
        let listens = waits && self.listener_for(incoming.local).is_some();
        let Some(connection) = self.table.get_mut(index) else { return false };
        if incoming.ttl < connection.options().min_ttl {
            self.counters.ttl_drops += 1;
            return false;
        }
        if !connection.verify(incoming.octets, incoming.segment) {
            self.counters.auth_failures += 1;
            return false;
        }
        match connection.segment(&mut cx!(self, now, out), incoming.segment, listens) {
            Verdict::Done => {
                let progress = connection.take_progress(now);
                self.settle(index);
                self.limit_time_waits(now, out);
                progress
            }
            Verdict::Replace(after) => {
                self.counters.time_wait_reused += 1;
                self.retire(now, index, Cause::Syn, out);
                self.without_connection(now, incoming, Some(after), out);
                false
            }
        }
    }

    /// LISTEN or CLOSED (RFC 9293 §3.10.7.1, §3.10.7.2).
    fn without_connection(
        &mut self,
        now: Instant,
        incoming: &Incoming<'_>,
        after: Option<SeqNum>,
        out: &mut Outbox<Output>,
    ) {
        match self.listener_for(incoming.local) {
            Some(id) => self.in_listen(now, id, incoming, after, out),
            None => self.reset_unknown(now, incoming, None),
        }
    }

    /// The RST of RFC 9293 §3.10.7.1, never to a RST. It is signed where the peer would not believe it otherwise; with
    /// TCP-AO that cannot be done without a connection (RFC 5925 §7.7).
    fn reset_unknown(&mut self, now: Instant, incoming: &Incoming<'_>, key: Option<&Key>) {
        let segment = incoming.segment;
        if segment.flags.contains(Flags::RST) || matches!(key, Some(Key::Ao(_))) {
            return;
        }
        if !self.resets.take(now) {
            self.counters.resets_limited += 1;
            return;
        }
        let (sequence, acknowledgment, flags) = if segment.flags.contains(Flags::ACK) {
            (segment.acknowledgment, SeqNum(0), Flags::RST)
        } else {
            (SeqNum(0), segment.sequence + segment.segment_len(), Flags::RST | Flags::ACK)
        };
        let reply = Reply {
            local: incoming.local,
            remote: incoming.remote,
            sequence,
            acknowledgment,
            flags,
            window: 0,
            options: wire::Options::NONE,
            ttl: RESET_TTL,
            tos: 0,
            signer: key.map(|key| Box::new((Signer::new(key), incoming.reply_context()))),
        };
        self.replies.push(reply, &mut self.counters);
    }

    /// An ICMP error about a segment of ours arrived. Whether it is about one that is in flight indeed (RFC 5927 §4.1), so
    /// that others may believe it too.
    pub fn icmp_error(&mut self, now: Instant, error: &IcmpError, out: &mut Outbox<Output>) -> bool {
        let index = self.table.find(error.local, error.remote);
        let believed = index
            .and_then(|index| self.table.get_mut(index))
            .is_some_and(|connection| connection.icmp_error(&mut cx!(self, now, out), error));
        if !believed {
            self.counters.icmp_ignored += 1;
        }
        if let Some(index) = index {
            self.settle(index);
        }
        believed
    }

    /// The segment with this sequence number, which [`Tcp::poll_transmit`] gave, did not leave: the path takes no more than
    /// `mtu`. What of it can still be sent goes at once.
    pub fn too_big(&mut self, now: Instant, local: Endpoint, remote: Endpoint, sequence: SeqNum, mtu: u16) {
        let Some(index) = self.table.find(local, remote) else { return };
        if let Some(connection) = self.table.get_mut(index) {
            connection.too_big(now, sequence, mtu);
        }
        self.settle(index);
    }

    /// The path MTU to a connection's peer is now `mtu`, which the caller knows for certain (a route changed); what ICMP
    /// says belongs to `icmp_error`.
    pub fn path_mtu(&mut self, _now: Instant, local: Endpoint, remote: Endpoint, mtu: u16) {
        let Some(index) = self.table.find(local, remote) else { return };
        if let Some(connection) = self.table.get_mut(index) {
            connection.set_path_mtu(mtu);
        }
        self.settle(index);
    }

    /// The path MTU that incoming connections start with, by local address; call when interfaces change. Default 1500.
    pub fn set_interface_mtu(&mut self, local: Ipv4Addr, mtu: u16) {
        self.interface_mtus.insert(local, mtu);
    }

    /// Appends the next segment, TCP header on, checksum filled in, to `buf`. [`Tcp::poll_timeout`] knows of what was sent
    /// once this has given `None`.
    pub fn poll_transmit(&mut self, now: Instant, buf: &mut Vec<u8>) -> Option<Transmit> {
        if let Some(transmit) = self.replies.transmit(&mut self.counters, buf) {
            return Some(transmit);
        }
        // A connection that sends has nothing to tell its user.
        let mut out = Outbox::new();
        while let Some(index) = self.table.first_ready() {
            let transmit = match self.table.get_mut(index) {
                Some(connection) => connection.transmit(&mut cx!(self, now, &mut out), buf),
                None => None,
            };
            self.table.rotate(transmit.is_some());
            if transmit.is_some() {
                return transmit;
            }
            self.table.file_deadline(index);
        }
        None
    }

    /// When `handle_timeout` wants to be called; may be early.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.table.next_deadline()
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant, out: &mut Outbox<Output>) {
        while let Some(index) = self.table.pop_due(now) {
            if let Some(connection) = self.table.get_mut(index) {
                connection.timeout(&mut cx!(self, now, out));
            }
            self.settle(index);
        }
    }

    /// After anything happened to a connection: what the host keeps about it is made right.
    fn settle(&mut self, index: u32) {
        let Some(connection) = self.table.get_mut(index) else { return };
        let state = connection.state();
        let memory = connection.memory();
        self.buffered = self.buffered - connection.memory_counted + memory;
        connection.memory_counted = memory;
        if connection.counted && matches!(state, State::Closed | State::TimeWait) {
            connection.counted = false;
            let listener = connection.ends.listener.and_then(|id| self.listeners.get_mut(&id));
            if let Some(listener) = listener {
                listener.open = listener.open.saturating_sub(1);
            }
        }
        let orphaned = connection.orphaned_since();
        if orphaned != connection.orphan_filed {
            self.orphans.extend(orphaned.map(|since| (since, index)));
            if let Some(since) = std::mem::replace(&mut connection.orphan_filed, orphaned) {
                self.orphans.remove(&(since, index));
            }
        }
        if connection.half_open && state != State::SynReceived {
            connection.half_open = false;
            let listener = connection.ends.listener.and_then(|id| self.listeners.get_mut(&id));
            if let Some(listener) = listener {
                listener.half_open = listener.half_open.saturating_sub(1);
            }
        }
        match state {
            State::Closed if connection.is_told_closed() => {
                self.buffered -= memory;
                return self.table.remove(index);
            }
            State::Closed => return self.table.release_ends(index),
            State::TimeWait if !connection.time_waits => {
                connection.time_waits = true;
                self.time_waits.push_back((index, connection.ends.id));
            }
            _ => {}
        }
        self.table.make_ready(index);
        self.table.file_deadline(index);
    }

    /// Keeps TIME-WAIT within its limit: the oldest go early.
    fn limit_time_waits(&mut self, now: Instant, out: &mut Outbox<Output>) {
        while self.time_waits.len() > self.config.max_time_wait {
            let Some((index, id)) = self.time_waits.pop_front() else { return };
            let waits =
                |connection: &&Connection| connection.ends.id == id && connection.state() == State::TimeWait;
            if self.table.get(index).filter(waits).is_some() {
                self.counters.time_wait_overflow += 1;
                self.retire(now, index, Cause::Timeout, out);
            }
        }
    }

    /// Keeps those that their users have closed within their limit: the oldest go.
    fn limit_orphans(&mut self, now: Instant, out: &mut Outbox<Output>) {
        while self.orphans.len() > self.config.max_orphans {
            let Some((_, index)) = self.orphans.pop_first() else { return };
            let Some(connection) = self.table.get_mut(index) else { continue };
            self.counters.orphan_overflow += 1;
            // It is there, so that can be done.
            let _ = connection.abort(&mut cx!(self, now, out));
            self.settle(index);
        }
    }

    /// Whether a stranger may have a connection still.
    fn has_passive_place(&self) -> bool {
        let most = self.config.max_connections;
        self.table.len() < most - self.config.reserved_active.min(most / 2)
    }

    /// Ends TIME-WAIT now.
    fn retire(&mut self, now: Instant, index: u32, why: Cause, out: &mut Outbox<Output>) {
        if let Some(connection) = self.table.get_mut(index) {
            connection.expire(&mut cx!(self, now, out), why);
        }
        self.settle(index);
    }

    /// The state of a connection; STATUS call.
    pub fn state(&self, id: SocketId) -> Option<State> {
        self.named(id).map(Connection::state)
    }

    /// Our side and the peer of a connection.
    pub fn endpoints(&self, id: SocketId) -> Option<(Endpoint, Endpoint)> {
        self.named(id).map(|connection| (connection.ends.local, connection.ends.remote))
    }

    /// Room in the send queue, octets; 0 for what is not there.
    pub fn send_room(&self, id: SocketId) -> usize {
        let share = share(self.config.max_buffered, self.buffered);
        self.named(id).map_or(0, |connection| connection.send_room(share))
    }

    /// Octets that `receive` would give; 0 for what is not there.
    pub fn readable(&self, id: SocketId) -> usize {
        self.named(id).map_or(0, Connection::readable)
    }

    /// Octets that the queues of all connections have allocated.
    pub fn buffered(&self) -> usize {
        self.buffered
    }

    fn named(&self, id: SocketId) -> Option<&Connection> {
        self.table.index_of(id).and_then(|index| self.table.get(index))
    }

    /// All connections, in the order of their numbers.
    pub fn connections(&self, now: Instant) -> impl Iterator<Item = ConnectionView> + '_ {
        self.table.iter().map(move |connection| connection.view(now))
    }

    /// All listeners, in the order of their numbers.
    pub fn listeners(&self) -> impl Iterator<Item = ListenerView> + '_ {
        self.listeners.iter().map(|(&id, listener)| ListenerView {
            id,
            local: listener.local,
            port: listener.port,
            backlog: listener.backlog,
            half_open: listener.half_open,
        })
    }

    /// What was counted.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }
}
