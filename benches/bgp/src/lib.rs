//! A BGP speaker whose neighbors are queues of octets: what the benchmarks load and read.

pub mod feed;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use trunkline_bgp::config::{Config, NeighborConfig};
use trunkline_bgp::policy::Policy;
use trunkline_bgp::transport::{TcpAction, TcpError, TcpEvent};
use trunkline_bgp::{Bgp, Input, LocalAddress, NextHopState, Output};
use trunkline_core::{Asn, ConnId, Duration, Instant, Outbox, Rng};
use trunkline_wire::bgp::{Capability, Family, Open, OptionalParameter, VERSION, emit_keepalive};

/// Octets that a driver reads or writes at once.
pub const TURN: usize = 65_536;
const US: Asn = Asn(65_000);
const LOCAL: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);

/// A neighbor, seen from its own end.
struct Peer {
    address: IpAddr,
    asn: Asn,
    conn: ConnId,
    told: u64,
}

/// The speaker with its neighbors, all up.
pub struct World {
    bgp: Bgp,
    now: Instant,
    out: Outbox<Output>,
    peers: Vec<Peer>,
    by_conn: BTreeMap<ConnId, usize>,
    connections: u64,
    /// Neighbors in front take what they are told only when asked for.
    held_back: usize,
    room: Vec<u8>,
    /// What a neighbor is told, where that is kept.
    kept: Option<(usize, Vec<u8>)>,
}

/// The address of a neighbor.
fn address(number: usize) -> IpAddr {
    let [.., c, d] = (number as u32 + 2).to_be_bytes();
    Ipv4Addr::new(10, 0, c, d).into()
}

/// The AS of a neighbor.
pub fn asn(number: usize) -> Asn {
    Asn(4_200_000_000 + number as u32)
}

impl World {
    /// A speaker with so many external neighbors, which accept and are told everything, but for what `change` does to the
    /// configuration of each; all are up.
    pub fn new(neighbors: usize, change: impl FnMut(usize, &mut NeighborConfig)) -> World {
        World::with_shards(1, neighbors, change)
    }

    /// The same, with tables of so many shards.
    pub fn with_shards(
        shards: u8,
        neighbors: usize,
        mut change: impl FnMut(usize, &mut NeighborConfig),
    ) -> World {
        let mut config = Config::new(US, LOCAL, "bench");
        config.table_shards = shards;
        for number in 0..neighbors {
            let mut neighbor = NeighborConfig::new(address(number), asn(number), US);
            neighbor.passive = true;
            neighbor.families = vec![Family::IPV4_UNICAST, Family::IPV6_UNICAST];
            (neighbor.import, neighbor.export) = (Policy::Accept, Policy::Accept);
            change(number, &mut neighbor);
            config.neighbors.push(Arc::new(neighbor));
        }
        let mut world = World {
            bgp: Bgp::new(config, Rng::new(1)),
            now: Instant::from_secs(10),
            out: Outbox::new(),
            peers: Vec::new(),
            by_conn: BTreeMap::new(),
            connections: 0,
            held_back: 0,
            room: Vec::new(),
            kept: None,
        };
        let local = |address: IpAddr, length| LocalAddress { address, length, interface: 1, loopback: false };
        let v6 = IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1]);
        world.feed(Input::LocalAddresses(vec![local(LOCAL.into(), 16), local(v6, 64)]));
        world.bgp.start(world.now, &mut world.out);
        world.settle();
        for number in 0..neighbors {
            world.peers.push(Peer {
                address: address(number),
                asn: asn(number),
                conn: ConnId::incoming(u64::MAX),
                told: 0,
            });
            world.connect(number);
        }
        world
    }

    fn connect(&mut self, number: usize) {
        let conn = ConnId::incoming(self.connections);
        self.connections += 1;
        let peer = &mut self.peers[number];
        peer.conn = conn;
        let (asn, remote) = (peer.asn, SocketAddr::new(peer.address, 40_000));
        self.by_conn.insert(conn, number);
        let event = TcpEvent::Incoming { local: SocketAddr::new(LOCAL.into(), 179), remote };
        self.feed(Input::Tcp { conn, event });
        let open = Open {
            version: VERSION,
            my_as: asn.to_two_octet(),
            hold_time: 90,
            bgp_identifier: Ipv4Addr::from_bits(0x0b00_0000 + number as u32),
            parameters: vec![OptionalParameter::Capabilities(vec![
                Capability::Multiprotocol(Family::IPV4_UNICAST),
                Capability::Multiprotocol(Family::IPV6_UNICAST),
                Capability::FourOctetAs(asn),
            ])],
        };
        let mut octets = Vec::new();
        open.emit(&mut octets);
        emit_keepalive(&mut octets);
        self.send(number, &octets);
    }

    fn feed(&mut self, input: Input<'_>) {
        self.bgp.handle(self.now, input, &mut self.out);
    }

    /// Octets from a neighbor, in the portions in which a driver reads them, and all that comes of each.
    pub fn send(&mut self, number: usize, octets: &[u8]) {
        let conn = self.peers[number].conn;
        for part in octets.chunks(TURN) {
            self.feed(Input::Tcp { conn, event: TcpEvent::Bytes(part) });
            self.settle();
        }
    }

    /// A neighbor is gone.
    pub fn cut(&mut self, number: usize) {
        let conn = self.peers[number].conn;
        self.by_conn.remove(&conn);
        self.feed(Input::Tcp { conn, event: TcpEvent::Closed(TcpError::Reset) });
        self.settle();
    }

    /// A neighbor that is gone comes again, some minutes later.
    pub fn again(&mut self, number: usize) {
        self.pass(300);
        self.connect(number);
    }

    /// The first so many neighbors read nothing, from now on.
    pub fn hold_back(&mut self, neighbors: usize) {
        self.held_back = neighbors;
    }

    /// A neighbor reads all there is; how many octets that was.
    pub fn read(&mut self, number: usize) -> u64 {
        let before = self.peers[number].told;
        self.transmit(self.peers[number].conn);
        self.settle();
        self.peers[number].told - before
    }

    /// What a neighbor is told is kept, from now on.
    pub fn keep(&mut self, number: usize) {
        self.kept = Some((number, Vec::new()));
    }

    /// What was kept.
    pub fn kept(self) -> Vec<u8> {
        self.kept.map(|(_, octets)| octets).unwrap_or_default()
    }

    /// Octets that all neighbors were sent.
    pub fn told(&self) -> u64 {
        self.peers.iter().map(|peer| peer.told).sum()
    }

    /// Lets time pass; each neighbor sends a KEEPALIVE every thirty seconds, as the hold time wants it.
    pub fn pass(&mut self, seconds: u64) {
        let mut keepalive = Vec::new();
        emit_keepalive(&mut keepalive);
        let end = self.now + Duration::from_secs(seconds);
        let mut second = self.now;
        while self.now < end {
            second += Duration::from_secs(1);
            while let Some(at) = self.bgp.poll_timeout().filter(|at| *at < second) {
                self.now = self.now.max(at);
                self.bgp.handle_timeout(self.now, &mut self.out);
                self.settle();
            }
            self.now = second;
            let tick = (second.as_nanos() / 1_000_000_000) as usize;
            for number in (tick % 30..self.peers.len()).step_by(30) {
                if self.by_conn.contains_key(&self.peers[number].conn) {
                    self.send(number, &keepalive);
                }
            }
        }
    }

    fn settle(&mut self) {
        loop {
            while let Some(output) = self.out.pop() {
                self.carry_out(output);
            }
            if self.bgp.poll_timeout().is_none_or(|at| at > self.now) {
                break;
            }
            self.bgp.handle_timeout(self.now, &mut self.out);
        }
    }

    fn carry_out(&mut self, output: Output) {
        match output {
            Output::Tcp(TcpAction::Transmit(conn))
                if self.by_conn.get(&conn).is_none_or(|number| *number >= self.held_back) =>
            {
                self.transmit(conn);
            }
            Output::Tcp(TcpAction::Close { conn, .. }) => {
                assert!(!self.by_conn.contains_key(&conn), "a session fell");
            }
            Output::TrackNextHop(address) => {
                let state = Some(NextHopState { metric: 0, connected: true });
                self.feed(Input::NextHop { address, state });
            }
            _ => {}
        }
    }

    fn transmit(&mut self, conn: ConnId) {
        let number = self.by_conn.get(&conn).copied();
        loop {
            self.room.clear();
            let more = self.bgp.poll_transmit(self.now, conn, TURN, &mut self.room);
            if let Some(number) = number {
                self.peers[number].told += self.room.len() as u64;
                if let Some((_, kept)) = self.kept.as_mut().filter(|(of, _)| *of == number) {
                    kept.extend_from_slice(&self.room);
                }
            }
            if !more {
                break;
            }
        }
    }
}
