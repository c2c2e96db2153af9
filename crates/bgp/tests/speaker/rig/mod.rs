//! A speaker and peers that are scripts: they talk octets with it over connections made of queues.

mod messages;
mod peer;

pub(crate) use messages::*;
pub(crate) use peer::Peer;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use trunkline_bgp::config::{Config, NeighborConfig};
use trunkline_bgp::policy::Policy;
use trunkline_bgp::transport::{TcpAction, TcpError, TcpEvent};
use trunkline_bgp::{BestRoute, Bgp, Input, LocalAddress, NextHopState, Output};
use trunkline_core::{Asn, ConnId, Duration, Instant, Ipv4Prefix, Ipv6Prefix, Outbox, Prefix, Rng};
use trunkline_view::bgp::{NeighborView, PathView, RoutesQuery};
use trunkline_view::{Answer, EventKind, Query};
use trunkline_wire::bgp::*;

pub(crate) const US: Asn = Asn(65000);

pub(crate) fn a(text: &str) -> IpAddr {
    text.parse().unwrap()
}

pub(crate) fn p(text: &str) -> Prefix {
    text.parse().unwrap()
}

pub(crate) fn p4(text: &str) -> Ipv4Prefix {
    let Prefix::V4(prefix) = p(text) else { panic!("{text}") };
    prefix
}

pub(crate) fn p6(text: &str) -> Ipv6Prefix {
    let Prefix::V6(prefix) = p(text) else { panic!("{text}") };
    prefix
}

pub(crate) fn config() -> Config {
    Config::new(US, Ipv4Addr::new(192, 0, 2, 1), "r1")
}

/// A passive neighbour that takes and gets all.
pub(crate) fn neighbor(address: &str, asn: u32) -> NeighborConfig {
    let mut neighbor = NeighborConfig::new(a(address), Asn(asn), US);
    neighbor.passive = true;
    neighbor.families = vec![Family::IPV4_UNICAST, Family::IPV6_UNICAST];
    (neighbor.import, neighbor.export) = (Policy::Accept, Policy::Accept);
    neighbor
}

pub(crate) fn with(neighbors: impl IntoIterator<Item = NeighborConfig>) -> Config {
    Config { neighbors: neighbors.into_iter().map(Arc::new).collect(), ..config() }
}

/// The speaker with its peers, and what it said to its node.
pub(crate) struct Rig {
    pub(crate) now: Instant,
    pub(crate) bgp: Bgp,
    pub(crate) out: Outbox<Output>,
    pub(crate) peers: Vec<Peer>,
    by_conn: BTreeMap<ConnId, usize>,
    accepted: u64,
    pub(crate) routes: BTreeMap<Prefix, BestRoute>,
    pub(crate) tracked: BTreeSet<IpAddr>,
    /// What the node says of next hops; 10 where nothing is set.
    pub(crate) metrics: BTreeMap<IpAddr, Option<u32>>,
    pub(crate) notices: Vec<String>,
    /// Whose connections the listeners check (RFC 2385).
    pub(crate) keys: BTreeSet<Prefix>,
    /// Prefixes of which those who watch heard.
    pub(crate) watched: BTreeSet<Prefix>,
    /// Connections that were asked for.
    pub(crate) opened: Vec<ConnId>,
    pub(crate) answers: Vec<Answer>,
    /// Last words on connections of nobody.
    pub(crate) strangers: BTreeMap<ConnId, Vec<u8>>,
    /// Octets asked for at once.
    pub(crate) limit: usize,
}

impl Rig {
    pub(crate) fn new(config: Config) -> Rig {
        Rig::seeded(config, 7)
    }

    pub(crate) fn seeded(config: Config, seed: u64) -> Rig {
        let mut bgp = Bgp::new(config, Rng::new(seed));
        bgp.report_routes(true);
        let address = |text: &str, length, interface| LocalAddress {
            address: a(text),
            length,
            interface,
            loopback: false,
        };
        let addresses = vec![
            address("192.0.2.1", 24, 1),
            address("2001:db8::1", 64, 1),
            address("fe80::1", 64, 1),
            address("198.51.100.1", 24, 2),
        ];
        let mut rig = Rig {
            now: Instant::from_secs(10),
            bgp,
            out: Outbox::new(),
            peers: Vec::new(),
            by_conn: BTreeMap::new(),
            accepted: 0,
            routes: BTreeMap::new(),
            tracked: BTreeSet::new(),
            metrics: BTreeMap::new(),
            notices: Vec::new(),
            keys: BTreeSet::new(),
            watched: BTreeSet::new(),
            opened: Vec::new(),
            answers: Vec::new(),
            strangers: BTreeMap::new(),
            limit: 16384,
        };
        rig.feed(Input::LocalAddresses(addresses));
        rig.bgp.start(rig.now, &mut rig.out);
        rig.settle();
        rig
    }

    /// A speaker whose neighbours are all up; they offer everything.
    pub(crate) fn up(config: Config) -> Rig {
        let all: Vec<_> = config.neighbors.iter().map(|n| (n.address, n.asn)).collect();
        let mut rig = Rig::new(config);
        for (address, asn) in all {
            let peer = rig.peer(address, asn.0);
            rig.connect(peer);
            assert!(rig.peers[peer].established, "{address} is up");
        }
        rig
    }

    /// A new peer, not connected.
    pub(crate) fn peer(&mut self, address: IpAddr, asn: u32) -> usize {
        let last = self.peers.len() as u8 + 2;
        let open = Open {
            version: VERSION,
            my_as: Asn(asn).to_two_octet(),
            hold_time: 90,
            bgp_identifier: Ipv4Addr::new(10, 0, 0, last),
            parameters: vec![OptionalParameter::Capabilities(vec![
                Capability::Multiprotocol(Family::IPV4_UNICAST),
                Capability::Multiprotocol(Family::IPV6_UNICAST),
                Capability::RouteRefresh,
                Capability::EnhancedRouteRefresh,
                Capability::FourOctetAs(Asn(asn)),
            ])],
        };
        self.peers.push(Peer {
            address,
            local: a(if address.is_ipv4() { "192.0.2.1" } else { "2001:db8::1" }),
            open,
            conn: None,
            rx: Vec::new(),
            table: BTreeMap::new(),
            announced: Vec::new(),
            withdrawn: Vec::new(),
            wasteful: 0,
            ends_of_rib: Vec::new(),
            refreshes: Vec::new(),
            notifications: Vec::new(),
            keepalives: 0,
            updates: 0,
            longest: 0,
            established: false,
            stuck: false,
        });
        self.peers.len() - 1
    }

    /// Changes what a peer offers.
    pub(crate) fn offer(&mut self, peer: usize, change: impl FnOnce(&mut Vec<Capability>)) {
        if let Some(OptionalParameter::Capabilities(all)) = self.peers[peer].open.parameters.first_mut() {
            change(all);
        }
    }

    /// The peer connects and opens the session, as far as it gets.
    pub(crate) fn connect(&mut self, peer: usize) -> ConnId {
        let conn = ConnId::incoming(self.accepted);
        self.accepted += 1;
        let it = &mut self.peers[peer];
        (it.conn, it.established) = (Some(conn), false);
        (it.rx, it.table) = (Vec::new(), BTreeMap::new());
        it.ends_of_rib.clear();
        let (local, remote) = (SocketAddr::new(it.local, 179), SocketAddr::new(it.address, 40_000));
        self.by_conn.insert(conn, peer);
        self.feed(Input::Tcp { conn, event: TcpEvent::Incoming { local, remote } });
        self.settle();
        conn
    }

    /// The peer comes again, as soon as it is let in.
    pub(crate) fn again(&mut self, peer: usize) {
        for _ in 0..8 {
            self.connect(peer);
            if self.peers[peer].established {
                return;
            }
            self.pass(1);
        }
        panic!("{} comes not up again", self.peers[peer].address);
    }

    /// The peer is gone without a word.
    pub(crate) fn cut(&mut self, peer: usize) {
        let Some(conn) = self.peers[peer].conn.take() else { return };
        self.by_conn.remove(&conn);
        self.feed(Input::Tcp { conn, event: TcpEvent::Closed(TcpError::Reset) });
        self.settle();
    }

    pub(crate) fn feed(&mut self, input: Input<'_>) {
        self.bgp.handle(self.now, input, &mut self.out);
    }

    /// Octets from a peer; all that comes of them.
    pub(crate) fn send(&mut self, peer: usize, octets: &[u8]) {
        self.push(peer, octets);
        self.settle();
    }

    /// Octets from a peer, and nothing more yet.
    pub(crate) fn push(&mut self, peer: usize, octets: &[u8]) {
        let conn = self.peers[peer].conn.expect("a connection");
        self.feed(Input::Tcp { conn, event: TcpEvent::Bytes(octets) });
    }

    /// Carries out what is wanted, and lets background work end.
    pub(crate) fn settle(&mut self) {
        loop {
            self.carry_out();
            if self.bgp.poll_timeout().is_none_or(|at| at > self.now) {
                break;
            }
            self.bgp.handle_timeout(self.now, &mut self.out);
        }
    }

    /// Lets time pass; all peers send keepalives.
    pub(crate) fn pass(&mut self, seconds: u64) {
        let mut keepalive = Vec::new();
        emit_keepalive(&mut keepalive);
        for _ in 0..seconds {
            self.now += Duration::from_secs(1);
            for peer in 0..self.peers.len() {
                if self.peers[peer].established && self.peers[peer].conn.is_some() {
                    self.push(peer, &keepalive);
                }
            }
            self.settle();
        }
    }

    pub(crate) fn carry_out(&mut self) {
        let mut replies: VecDeque<(usize, Vec<u8>)> = VecDeque::new();
        loop {
            while let Some(output) = self.out.pop() {
                self.one(output, &mut replies);
            }
            let Some((peer, octets)) = replies.pop_front() else { break };
            if self.peers[peer].conn.is_some() {
                self.push(peer, &octets);
            }
        }
    }

    fn one(&mut self, output: Output, replies: &mut VecDeque<(usize, Vec<u8>)>) {
        match output {
            Output::Tcp(TcpAction::Transmit(conn)) => self.transmit(conn, false, replies),
            Output::Tcp(TcpAction::Close { conn, .. }) => {
                self.transmit(conn, true, replies);
                if let Some(peer) = self.by_conn.remove(&conn) {
                    self.peers[peer].conn = None;
                    self.peers[peer].established = false;
                }
            }
            Output::Tcp(TcpAction::ListenerKey { peer, key: Some(_) }) => {
                self.keys.insert(peer);
            }
            Output::Tcp(TcpAction::ListenerKey { peer, key: None }) => {
                assert!(self.keys.remove(&peer), "{peer} has a key");
            }
            Output::Tcp(TcpAction::Connect { conn, .. }) => self.opened.push(conn),
            Output::Event(EventKind::BgpBest { prefix, .. }) => {
                self.watched.insert(prefix);
            }
            Output::Tcp(_) | Output::Event(EventKind::BgpState { .. }) => {}
            Output::TrackNextHop(address) => {
                assert!(self.tracked.insert(address), "{address} is tracked");
                self.tell(address);
            }
            Output::UntrackNextHop(address) => assert!(self.tracked.remove(&address)),
            Output::Route { prefix, route: Some(route) } => {
                self.routes.insert(prefix, route);
            }
            Output::Route { prefix, route: None } => {
                self.routes.remove(&prefix);
            }
            Output::Event(EventKind::BgpNotice { message, .. }) => self.notices.push(message),
            Output::Event(_) | Output::Failed(_) => {}
            Output::Answer { answer, .. } => self.answers.push(answer),
        }
    }

    /// The node says how a next hop is reached.
    pub(crate) fn tell(&mut self, address: IpAddr) {
        let metric = self.metrics.get(&address).copied().unwrap_or(Some(10));
        let state = metric.map(|metric| NextHopState { metric, connected: true });
        self.feed(Input::NextHop { address, state });
    }

    fn transmit(&mut self, conn: ConnId, last: bool, replies: &mut VecDeque<(usize, Vec<u8>)>) {
        let peer = self.by_conn.get(&conn).copied();
        if peer.is_some_and(|peer| self.peers[peer].stuck) && !last {
            return;
        }
        loop {
            let mut octets = Vec::new();
            let more = self.bgp.poll_transmit(self.now, conn, self.limit, &mut octets);
            let mut reply = Vec::new();
            match peer {
                Some(peer) => self.peers[peer].take(&octets, &mut reply),
                None if !octets.is_empty() => self.strangers.entry(conn).or_default().extend(octets),
                None => {}
            }
            if let (Some(peer), false) = (peer, reply.is_empty()) {
                replies.push_back((peer, reply));
            }
            if !more {
                break;
            }
        }
    }

    /// A stuck peer reads again.
    pub(crate) fn unstick(&mut self, peer: usize) {
        self.peers[peer].stuck = false;
        if let Some(conn) = self.peers[peer].conn {
            self.out.push(Output::Tcp(TcpAction::Transmit(conn)));
        }
        self.settle();
    }

    pub(crate) fn ask(&mut self, query: Query) -> Answer {
        self.feed(Input::Query { id: 1, query });
        self.settle();
        self.answers.pop().expect("an answer")
    }

    pub(crate) fn view(&mut self, peer: usize) -> NeighborView {
        let address = Some(self.peers[peer].address);
        match self.ask(Query::BgpNeighbors { address }) {
            Answer::BgpNeighbors(mut view) => view.neighbors.remove(0),
            other => panic!("{other:?}"),
        }
    }

    /// Faults as "words | treatment | count".
    pub(crate) fn faults(&mut self, peer: usize) -> Vec<String> {
        let view = self.view(peer);
        view.faults.iter().map(|f| format!("{} | {} | {}", f.kind, f.treatment, f.count)).collect()
    }

    pub(crate) fn paths(&mut self, prefix: &str) -> Vec<PathView> {
        let query = RoutesQuery { prefix: Some(p(prefix)), limit: 100, ..RoutesQuery::default() };
        match self.ask(Query::BgpRoutes(query)) {
            Answer::BgpRoutes(view) => view.paths,
            other => panic!("{other:?}"),
        }
    }

    /// All routes of a scope, page by page.
    pub(crate) fn all(&mut self, query: &RoutesQuery) -> Vec<PathView> {
        let (mut paths, mut cursor) = (Vec::new(), 0);
        loop {
            match self.ask(Query::BgpRoutes(RoutesQuery { cursor, limit: 10_000, ..query.clone() })) {
                Answer::BgpRoutes(view) => {
                    paths.extend(view.paths);
                    let Some(next) = view.next else { return paths };
                    cursor = next;
                }
                other => panic!("{other:?}"),
            }
        }
    }

    /// What the peer holds is what we think we told it.
    pub(crate) fn check_advertised(&mut self, peer: usize) {
        let (view, table) = (self.view(peer), &self.peers[peer].table);
        for family in &view.families {
            let v4 = family.family == "ipv4-unicast";
            let held = table.keys().filter(|p| p.is_ipv4() == v4).count() as u64;
            assert_eq!(family.advertised, held, "{} to {}", family.family, self.peers[peer].address);
        }
    }
}
