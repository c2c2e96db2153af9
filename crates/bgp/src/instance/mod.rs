//! The BGP speaker of a node: neighbours, tables and egress in one machine.
//!
//! ```text
//!  TcpEvent ─▶ Session ─▶ Ingest ─▶ FamilyRib: Table ─▶ best changed ─▶ Egress ─▶ poll_transmit
//!                (FSM)    (7606,     (Adj-RIB-In,     └▶ Output::Route    (groups)
//!                          policy)    decision)
//! ```

mod best;
mod connections;
mod explain;
mod facts;
mod ingest;
mod networks;
mod peer;
mod query;
mod reconfigure;
mod tables;
mod view;

use crate::config::Config;
use crate::rib::PeerFacts;
use crate::rib::family::Shared;
use crate::rib::table::PeerId;
use crate::session::{self, Local};
use crate::transport::{TcpAction, TcpEvent};
use ingest::Ingest;
use peer::{FAMILIES, Peer};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use tables::{Rib, decision_config};
use trunkline_core::{Asn, ConnId, Instant, Outbox, Prefix, Rng, TimerQueue};
use trunkline_view::{Answer, EventKind, Query, RouteSource};
use trunkline_wire::bgp::{ErrorCode, Family, Notification};

/// What goes into the speaker.
#[derive(Debug)]
pub enum Input<'a> {
    /// Something happened to a connection.
    Tcp {
        /// Which.
        conn: ConnId,
        /// What.
        event: TcpEvent<'a>,
    },
    /// What the node's routing table says of a next hop that was asked for with [`Output::TrackNextHop`]; told at
    /// once, and again at each change.
    NextHop {
        /// The next hop.
        address: IpAddr,
        /// How it is reached; none: it is not.
        state: Option<NextHopState>,
    },
    /// The node has a route to one of `networks` (RFC 4271 §9.4), or has it no more. Told at start and at each change.
    Network {
        /// The network.
        prefix: Prefix,
        /// Whether there is such a route.
        present: bool,
    },
    /// Another protocol's route, of a source in `redistribute`, is the best of the node, or none is any more. Told at start
    /// and at each change.
    Redistribute {
        /// The destination.
        prefix: Prefix,
        /// The route.
        route: Option<Redistributed>,
    },
    /// The addresses of this node's interfaces with their subnets; complete, and again at each change.
    LocalAddresses(Vec<LocalAddress>),
    /// An order from an operator: `BgpClear`, `BgpShutdown`, `BgpStart`, or a question: the other `Bgp…` queries.
    /// Answered at once by [`Output::Answer`].
    Query {
        /// The asker's number.
        id: u64,
        /// What.
        query: Query,
    },
}

/// A route of another protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Redistributed {
    /// Whose it is.
    pub source: RouteSource,
    /// Its metric there.
    pub metric: u32,
}

/// How a next hop is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NextHopState {
    /// Metric of the route to it ("interior cost", RFC 4271 §9.1.2.2 e).
    pub metric: u32,
    /// Whether it lies on a subnet of ours.
    pub connected: bool,
}

/// One of the node's addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LocalAddress {
    /// The address.
    pub address: IpAddr,
    /// Its prefix length.
    pub length: u8,
    /// The interface's index.
    pub interface: u32,
    /// Whether the interface is a loopback.
    pub loopback: bool,
}

/// What the speaker wants done.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// By TCP.
    Tcp(TcpAction),
    /// Tell the state of this next hop, now and at each change.
    TrackNextHop(IpAddr),
    /// No more.
    UntrackNextHop(IpAddr),
    /// The best route to a prefix is now this one; none: there is none. Not told for networks of our own.
    Route {
        /// The destination.
        prefix: Prefix,
        /// The best route.
        route: Option<BestRoute>,
    },
    /// A connection of a neighbour that is not up has ended: time to ask for the [`Bgp::facts`].
    Failed(IpAddr),
    /// For the operator.
    Event(EventKind),
    /// To an [`Input::Query`].
    Answer {
        /// The asker's number.
        id: u64,
        /// The answer.
        answer: Answer,
    },
}

/// A best route, for the routing table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BestRoute {
    /// NEXT_HOP of the best path and of those that share the load with it; never empty.
    pub next_hops: Vec<IpAddr>,
    /// Administrative distance.
    pub distance: u8,
    /// MULTI_EXIT_DISC or 0.
    pub metric: u32,
}

/// What a change of configuration did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reconfigured {
    /// One line for each thing that changed.
    pub changes: Vec<String>,
    /// Neighbours whose session was reset because their change needs it.
    pub reset: Vec<String>,
}

/// The number of a family that has a table.
fn number(family: Family) -> Option<usize> {
    FAMILIES.iter().position(|f| *f == family)
}

/// The speaker.
pub struct Bgp {
    config: Config,
    local: Arc<Local>,
    rng: Rng,
    /// By [`PeerId`]; 0 is never used, it stands for ourselves.
    peers: Vec<Option<Peer>>,
    by_address: BTreeMap<IpAddr, PeerId>,
    /// Connections that peers opened.
    incoming: BTreeMap<ConnId, PeerId>,
    /// What is still to be said on connections that no session owns any more.
    last_words: BTreeMap<ConnId, Vec<u8>>,
    timers: TimerQueue<PeerId>,
    addresses: Vec<LocalAddress>,
    networks: BTreeMap<Prefix, bool>,
    redistributed: BTreeMap<Prefix, Redistributed>,
    rib: Rib,
    session_out: Outbox<session::Output>,
    started: bool,
    /// Dynamic neighbours that may be without a connection.
    maybe_gone: Vec<PeerId>,
    /// Neighbours that wait for the operator, while BGP starts over or until they come again.
    held: BTreeMap<IpAddr, session::Stopped>,
    /// Counts sessions, so that one in the place of another does not name its connections as that did.
    sessions: u16,
    strangers: facts::Strangers,
}

impl Bgp {
    /// A speaker that has not begun.
    pub fn new(config: Config, mut rng: Rng) -> Bgp {
        let rib = Rib::new(&config, &mut rng);
        Bgp {
            local: Arc::new(local(&config)),
            rng,
            peers: vec![None],
            by_address: BTreeMap::new(),
            incoming: BTreeMap::new(),
            last_words: BTreeMap::new(),
            timers: TimerQueue::new(),
            addresses: Vec::new(),
            networks: BTreeMap::new(),
            redistributed: BTreeMap::new(),
            rib,
            session_out: Outbox::new(),
            started: false,
            maybe_gone: Vec::new(),
            held: BTreeMap::new(),
            sessions: 0,
            strangers: facts::Strangers::new(),
            config,
        }
    }

    /// Starts all neighbours that are enabled; call once, after the first addresses, networks were fed in.
    pub fn start(&mut self, now: Instant, out: &mut Outbox<Output>) {
        self.started = true;
        for range in self.config.listen_ranges.clone() {
            self.set_listener_key(range.prefix, range.template.tcp_key(), out);
        }
        for neighbor in self.config.neighbors.clone() {
            self.add_neighbor(now, neighbor, None, out);
        }
        self.finish(now, out);
    }

    /// Feeds something in.
    pub fn handle(&mut self, now: Instant, input: Input<'_>, out: &mut Outbox<Output>) {
        match input {
            Input::Tcp { conn, event } => self.tcp(now, conn, event, out),
            Input::NextHop { address, state } => {
                if self.rib.shared.attrs.next_hops.set(address, state) {
                    self.rib.request_walks();
                }
            }
            Input::Network { prefix, present } => self.set_network(now, prefix, present),
            Input::Redistribute { prefix, route } => self.set_redistributed(now, prefix, route),
            Input::LocalAddresses(addresses) => self.set_addresses(addresses),
            Input::Query { id, query } => {
                let answer = self.query(now, query, out);
                out.push(Output::Answer { id, answer });
            }
        }
        self.finish(now, out);
    }

    /// When [`Bgp::handle_timeout`] wants to be called; in the past where background work waits.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let (v4, v6) = (&self.rib.v4, &self.rib.v6);
        let mut lists = [&v4.report, &v6.report, &v4.watched, &v6.watched].into_iter().flatten();
        if self.rib.walking() || lists.any(|list| !list.is_empty()) {
            return Some(Instant::ZERO);
        }
        self.timers.next()
    }

    /// Does all that is due, and a bounded slice of background work.
    pub fn handle_timeout(&mut self, now: Instant, out: &mut Outbox<Output>) {
        while let Some(id) = self.timers.pop_due(now) {
            let Some(Some(peer)) = self.peers.get_mut(id.index()) else { continue };
            if peer.state.scheduled.is_none_or(|at| at > now) {
                continue;
            }
            peer.state.scheduled = None;
            if peer.session.poll_timeout().is_some_and(|at| at <= now) {
                peer.session.handle_timeout(now, &mut self.session_out);
            }
            for (number, family) in peer.state.families.iter_mut().enumerate() {
                if family.stale_until.take_if(|at| *at <= now).is_some() {
                    self.rib.request_sweep(id, number);
                }
            }
            self.pump(now, id, out);
        }
        self.walk();
        self.finish(now, out);
    }

    /// Appends octets for `conn` to `buf`: whole messages, at most about `limit` octets; returns whether there may be
    /// more.
    pub fn poll_transmit(&mut self, now: Instant, conn: ConnId, limit: usize, buf: &mut Vec<u8>) -> bool {
        if let Some(words) = self.last_words.remove(&conn) {
            buf.extend_from_slice(&words);
            return false;
        }
        let Some(id) = self.peer_of(conn) else { return false };
        let Some(Some(Peer { session, state })) = self.peers.get_mut(id.index()) else { return false };
        session.poll_transmit(conn, buf);
        if state.conn != Some(conn) {
            return false;
        }
        let Shared { attrs, peers, .. } = &self.rib.shared;
        let at = seconds(now);
        let v4 = self.rib.v4.egress.poll(at, id, limit, buf, (&self.rib.v4.table, attrs, peers));
        let v6 = self.rib.v6.egress.poll(at, id, limit, buf, (&self.rib.v6.table, attrs, peers));
        let (updates, refreshes) = (v4.updates + v6.updates, v4.route_refreshes + v6.route_refreshes);
        if updates + refreshes > 0 {
            session.note_sent(now, updates, refreshes);
        }
        state.armed = v4.more || v6.more;
        if !state.armed {
            self.rib.v4.reclaim();
            self.rib.v6.reclaim();
        }
        v4.more || v6.more
    }

    /// Ends all sessions with Cease 6/2, and takes the keys from the listeners. The routes that the routing table has
    /// from us are its owner's to remove.
    pub fn shutdown(&mut self, now: Instant, out: &mut Outbox<Output>) {
        for id in self.ids() {
            let stop = session::Input::ManualStop { message: Some("shutting down".into()) };
            self.session_input(now, id, stop, out);
        }
        for neighbor in &self.config.neighbors {
            self.remove_listener_key(Prefix::host(neighbor.address), neighbor.tcp_key().as_ref(), out);
        }
        self.remove_range_keys(&self.config.listen_ranges, out);
    }

    fn ids(&self) -> Vec<PeerId> {
        let used = self.peers.iter().enumerate().filter(|(_, p)| p.is_some());
        used.map(|(i, _)| PeerId(i as u16)).collect()
    }

    fn peer_of(&self, conn: ConnId) -> Option<PeerId> {
        if conn.is_incoming() {
            return self.incoming.get(&conn).copied();
        }
        // The upper half is what the session was given: see `add_neighbor`.
        Some(PeerId((conn.raw() >> 32) as u16))
    }

    /// Gives a session an input and carries out what comes of it.
    fn session_input(&mut self, now: Instant, id: PeerId, input: session::Input, out: &mut Outbox<Output>) {
        use session::Input::{AutomaticStop, ManualStop};
        if let Some(Some(peer)) = self.peers.get_mut(id.index()) {
            let ends = matches!(input, ManualStop { .. } | AutomaticStop { .. });
            peer.session.handle(now, input, &mut self.session_out);
            self.pump(now, id, out);
            if ends {
                self.forget_stale(id);
            }
        }
    }

    /// Routes that are kept for a neighbour that restarts go at once: we do not want it any more (RFC 4271 §8.2.2,
    /// ManualStop and AutomaticStop: deletes all routes).
    fn forget_stale(&mut self, id: PeerId) {
        let Some(Some(Peer { state, .. })) = self.peers.get_mut(id.index()) else { return };
        for (number, family) in state.families.iter_mut().enumerate() {
            if family.stale_until.take().is_some() {
                self.rib.request_sweep(id, number);
            }
        }
    }

    /// Octets of a peer, through its session into the RIB.
    fn receive(&mut self, now: Instant, id: PeerId, conn: ConnId, bytes: &[u8], out: &mut Outbox<Output>) {
        let mut refresh = [false; 2];
        let mut rest = Some(bytes);
        while let Some(bytes) = rest {
            let Some(Some(Peer { session, state })) = self.peers.get_mut(id.index()) else { return };
            let (rib, addresses) = (&mut self.rib, &self.addresses[..]);
            let mut ingest = Ingest { now, peer: state, rib, addresses, refresh: &mut refresh };
            rest = session.receive(now, conn, bytes, &mut ingest, &mut self.session_out);
            let counts = self.rib.make_changes();
            counts.into_iter().enumerate().for_each(|(family, by)| state.count(family, by));
            self.pump(now, id, out);
        }
        for (family, _) in FAMILIES.into_iter().zip(refresh).filter(|(_, wanted)| *wanted) {
            self.send_again(id, family);
        }
        self.limit_prefixes(now, id, out);
    }

    /// Our routes of a family go to a neighbour once more.
    fn send_again(&mut self, id: PeerId, family: Family) {
        let Some(Some(peer)) = self.peers.get(id.index()) else { return };
        let enhanced = peer.session.negotiated().is_some_and(|n| n.enhanced_route_refresh);
        match number(family) {
            Some(0) => self.rib.v4.refresh(id, enhanced),
            Some(_) => self.rib.v6.refresh(id, enhanced),
            None => {}
        }
    }

    /// RFC 4486 §4: Cease/Maximum Number of Prefixes Reached, or a warning before.
    fn limit_prefixes(&mut self, now: Instant, id: PeerId, out: &mut Outbox<Output>) {
        let Some(Some(peer)) = self.peers.get_mut(id.index()) else { return };
        let Some(maximum) = peer.state.config.maximum_prefixes else { return };
        let address = peer.state.address;
        for (family, state) in FAMILIES.iter().zip(&mut peer.state.families) {
            if state.received > u64::from(maximum.limit) {
                peer.state.over_limit.get_or_insert(*family);
            }
            let threshold = (u64::from(maximum.limit) * u64::from(maximum.warning) / 100).max(1);
            if state.received >= threshold && !std::mem::replace(&mut state.warned, true) {
                let message = format!(
                    "{} {family} prefixes, {} % of the maximum of {}",
                    state.received, maximum.warning, maximum.limit
                );
                out.push(Output::Event(EventKind::BgpNotice { neighbor: address, message }));
            } else if state.received < threshold {
                state.warned = false;
            }
        }
        let Some(family) = peer.state.over_limit.take() else { return };
        if peer.state.conn.is_none() {
            return;
        }
        let mut data = family.afi.code().to_be_bytes().to_vec();
        data.push(family.safi.code());
        data.extend_from_slice(&maximum.limit.to_be_bytes());
        let stop = session::Input::AutomaticStop {
            notification: Notification::with_data(ErrorCode::MAXIMUM_NUMBER_OF_PREFIXES_REACHED, data),
            reason: format!("more than {} {family} prefixes", maximum.limit),
            restart: maximum.restart.map_or(session::Restart::Never, session::Restart::After),
        };
        self.session_input(now, id, stop, out);
    }

    /// Carries out what a session decided.
    fn pump(&mut self, now: Instant, id: PeerId, out: &mut Outbox<Output>) {
        while let Some(output) = self.session_out.pop() {
            match output {
                session::Output::Tcp(action) => {
                    if let TcpAction::Close { conn, .. } = action {
                        self.keep_last_words(id, conn);
                    }
                    out.push(Output::Tcp(action));
                }
                session::Output::Event(kind) => out.push(Output::Event(kind)),
                session::Output::Established { conn } => self.established(now, id, conn),
                session::Output::Down { keep_stale, .. } => self.down(now, id, keep_stale),
            }
        }
        self.reschedule(id);
        if let Some(Some(peer)) = self.peers.get_mut(id.index())
            && peer.session.take_news()
        {
            out.push(Output::Failed(peer.state.address));
        }
        let dynamic = |p: &&Peer| p.state.range.is_some() && p.session.state() <= session::State::Active;
        if self.peers.get(id.index()).and_then(Option::as_ref).as_ref().is_some_and(dynamic) {
            self.maybe_gone.push(id);
        }
    }

    /// A connection ends: what its session still had to say is kept until the driver asks for it.
    fn keep_last_words(&mut self, id: PeerId, conn: ConnId) {
        self.incoming.remove(&conn);
        if let Some(Some(peer)) = self.peers.get_mut(id.index()) {
            let mut words = Vec::new();
            peer.session.poll_transmit(conn, &mut words);
            if !words.is_empty() {
                self.last_words.insert(conn, words);
            }
        }
    }

    fn reschedule(&mut self, id: PeerId) {
        let Some(Some(Peer { session, state })) = self.peers.get_mut(id.index()) else { return };
        let next = trunkline_core::earliest([session.poll_timeout(), state.poll_timeout()]);
        if let Some(at) = next
            && state.scheduled.is_none_or(|scheduled| at < scheduled)
        {
            state.scheduled = Some(at);
            self.timers.schedule(at, id);
        }
    }

    fn established(&mut self, now: Instant, id: PeerId, conn: ConnId) {
        let Some(Some(Peer { session, state })) = self.peers.get_mut(id.index()) else { return };
        let Some(negotiated) = session.negotiated() else { return };
        state.begin(negotiated, self.rib.shared.peers.get_mut(id));
        state.conn = Some(conn);
        // RFC 4724 §4.2: stale routes stay only where the peer says that it kept forwarding; then until End-of-RIB, for
        // which it has a time of its own: the restart time was for coming back.
        let stale_time = trunkline_core::Duration::from_secs(state.config.stale_time.into());
        let kept = |family: Family| {
            let restart = negotiated.graceful_restart.as_ref();
            restart.is_some_and(|r| r.families.iter().any(|(f, forwarding)| *f == family && *forwarding))
        };
        for (number, family) in state.families.iter_mut().enumerate() {
            if family.stale_until.is_none() {
                continue;
            }
            let stays = family.active && kept(FAMILIES[number]);
            family.stale_until = stays.then(|| now + stale_time);
            if !stays {
                self.rib.request_sweep(id, number);
            }
        }
        self.join_egress(id);
    }

    fn down(&mut self, now: Instant, id: PeerId, keep: Option<(Vec<Family>, trunkline_core::Duration)>) {
        self.rib.v4.egress.leave(id);
        self.rib.v6.egress.leave(id);
        let Some(Some(Peer { state, .. })) = self.peers.get_mut(id.index()) else { return };
        state.conn = None;
        state.armed = false;
        for (number, family) in state.families.iter_mut().enumerate() {
            let facts = self.rib.shared.peers.get_mut(id);
            facts.epoch[number] = facts.epoch[number].wrapping_add(1);
            family.active = false;
            // RFC 4724 §4.2: a second failure before End-of-RIB removes what is stale since the first.
            let again = family.stale_until.take().is_some();
            match &keep {
                Some((families, time)) if families.contains(&FAMILIES[number]) && !again => {
                    family.stale_until = Some(now + *time);
                }
                _ => self.rib.request_sweep(id, number),
            }
        }
    }

    /// What every input ends with: next hops to track, routes to report, sockets to wake.
    fn finish(&mut self, _now: Instant, out: &mut Outbox<Output>) {
        for id in std::mem::take(&mut self.maybe_gone) {
            self.drop_if_gone(id);
        }
        for (address, track) in self.rib.shared.attrs.next_hops.take_requests() {
            out.push(if track { Output::TrackNextHop(address) } else { Output::UntrackNextHop(address) });
        }
        self.report(out);
        self.tell_watchers(out);
        self.rib.v4.reclaim_new();
        self.rib.v6.reclaim_new();
        if std::mem::take(&mut self.rib.v4.wake) | std::mem::take(&mut self.rib.v6.wake) {
            for (index, peer) in self.peers.iter_mut().enumerate() {
                let Some(Peer { state, .. }) = peer else { continue };
                let Some(conn) = state.conn.filter(|_| !state.armed) else { continue };
                let id = PeerId(index as u16);
                if self.rib.v4.egress.has_work(id) || self.rib.v6.egress.has_work(id) {
                    state.armed = true;
                    out.push(Output::Tcp(TcpAction::Transmit(conn)));
                }
            }
        }
    }
}

/// What sessions say of ourselves.
/// Since the start: enough to say how long ago something was, in half the octets.
fn seconds(now: Instant) -> u32 {
    (now.as_nanos() / 1_000_000_000) as u32
}

fn local(config: &Config) -> Local {
    Local { asn: config.asn, router_id: config.router_id, host_name: config.host_name.clone() }
}

/// A neighbour's facts at the start.
fn peer_facts(address: IpAddr, asn: Asn, local: Asn, client: bool) -> PeerFacts {
    PeerFacts { client, ..PeerFacts::new(address, asn != local) }
}
