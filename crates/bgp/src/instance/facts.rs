//! What the speaker knows of a neighbour, for whoever explains why its session is not up.

use super::peer::{FAMILIES, Peer};
use super::{Bgp, Output};
use crate::policy::Policy;
use crate::rib::decision::ineligible_because;
use crate::rib::family::FamilyRib;
use crate::rib::table::{Key, PeerId, RouteIdx};
use crate::session::State;
use crate::transport::TcpKey;
use std::collections::BTreeMap;
use std::net::IpAddr;
use trunkline_core::{ConnId, Instant, Outbox};
use trunkline_view::EventKind;
use trunkline_view::facts::{Configured, Facts, Others, Up};

/// Addresses of nobody's connections that are remembered.
const MAX_STRANGERS: usize = 16;

/// Addresses of our own that are named.
const MAX_ADDRESSES: usize = 8;

/// Destinations looked at for the reasons why routes are not used: a question never holds up routing.
const PLACES: u32 = 50_000;

/// Connections of addresses that are no neighbours': when the last came, and how many.
pub(super) type Strangers = BTreeMap<IpAddr, (Instant, u32)>;

impl Bgp {
    /// What is known of a neighbour, and its connection that has come furthest.
    pub fn facts(&self, now: Instant, address: IpAddr) -> Option<(Facts, Option<ConnId>)> {
        let id = *self.by_address.get(&address.to_canonical())?;
        let peer = self.peers.get(id.index())?.as_ref()?;
        let (session, config) = (&peer.session, &peer.state.config);
        let options = session.tcp_options();
        let is_ours = |address: IpAddr| self.addresses.iter().any(|ours| ours.address == address);
        let facts = Facts {
            neighbor: peer.state.address,
            asn: (config.asn, self.config.asn),
            config: Configured {
                passive: config.passive,
                port: config.port,
                local_address: config.local_address.map(|address| (address, is_ours(address))),
                signs: config.tcp_key().map(|key| name_of(&key).to_owned()),
                ttl: options.ttl,
                min_ttl: options.min_ttl,
                refuses_all: (config.import == Policy::Reject, config.export == Policy::Reject),
            },
            state: session.state_since(now),
            stopped: session.stopped_because(),
            rests: session.rests(now),
            attempts: session.attempts(now),
            established: session.stats().established,
            up: (session.state() == State::Established).then(|| self.up(peer)),
            way: None,
            tcp: Vec::new(),
            counters: None,
            addresses: self.addresses_like(peer.state.address),
            others: self.others(id),
            strangers: self
                .strangers
                .iter()
                .map(|(address, (at, times))| (*address, now.since(*at).as_secs_f64(), *times))
                .collect(),
            wire: None,
            probe: None,
        };
        Some((facts, session.best_conn()))
    }

    fn addresses_like(&self, neighbor: IpAddr) -> Vec<IpAddr> {
        let other = |address: &IpAddr| match address {
            IpAddr::V4(v4) => !v4.is_loopback() && !v4.is_link_local(),
            IpAddr::V6(v6) => !v6.is_loopback() && !v6.is_unicast_link_local(),
        };
        let alike = self.addresses.iter().map(|ours| ours.address);
        let alike = alike.filter(|address| address.is_ipv4() == neighbor.is_ipv4() && other(address));
        alike.take(MAX_ADDRESSES).collect()
    }

    fn others(&self, but: PeerId) -> Others {
        let mut others = Others::default();
        let down = |p: &&Peer| p.state.id != but && p.session.state() != State::Established;
        for peer in self.alive().filter(down).filter(|p| !p.session.is_stopped()) {
            let signs = peer.state.config.tcp_key().is_some();
            others.down += 1;
            others.signing += u32::from(signs);
            others.unsigned += u32::from(!signs);
            others.demanding += u32::from(peer.state.config.ttl_security.is_some());
        }
        others
    }

    fn up(&self, peer: &Peer) -> Up {
        let state = &peer.state;
        let agreed = peer.session.negotiated();
        let (mut received, mut accepted) = (0, 0);
        for family in &state.families {
            received += family.received;
            accepted += family.accepted;
        }
        let mut unused = BTreeMap::new();
        self.count_unused(&self.rib.v4, state.id, &mut unused);
        self.count_unused(&self.rib.v6, state.id, &mut unused);
        let mut unused: Vec<(String, u64)> = unused.into_iter().collect();
        unused.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        Up {
            families: agreed
                .iter()
                .flat_map(|a| &a.families)
                .filter(|family| FAMILIES.contains(family))
                .map(ToString::to_string)
                .collect(),
            received,
            accepted,
            advertised: self.rib.v4.egress.advertised(state.id) + self.rib.v6.egress.advertised(state.id),
            unused,
            hold_time: agreed.map_or(0, |a| a.hold_time),
        }
    }

    fn count_unused<K: Key>(&self, rib: &FamilyRib<K>, id: PeerId, found: &mut BTreeMap<String, u64>) {
        let paths = (0..rib.table.places().min(PLACES)).flat_map(|at| rib.table.paths(RouteIdx(at)));
        for path in paths.filter(|path| path.peer == id) {
            if let Some(why) = ineligible_because(path, &self.rib.shared.attrs) {
                *found.entry(why).or_default() += 1;
            }
        }
    }

    /// Addresses of neighbours that are configured or have come, for who asks for another.
    pub fn neighbor_addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.by_address.keys().copied()
    }

    /// Neighbours that are not up and that nobody has stopped.
    pub fn troubled(&self) -> Vec<IpAddr> {
        let troubled =
            |p: &&Peer| p.session.state() != State::Established && p.session.stopped_because().is_none();
        self.alive().filter(troubled).map(|p| p.state.address).collect()
    }

    /// What was found to be wrong with a neighbour that is not up: a rule and what it says. Told once.
    pub fn set_verdict(&mut self, neighbor: IpAddr, rule: &str, says: &str, out: &mut Outbox<Output>) {
        let Some(id) = self.by_address.get(&neighbor.to_canonical()) else { return };
        let Some(Some(peer)) = self.peers.get_mut(id.index()) else { return };
        if peer.session.set_verdict(rule, says) {
            let message = format!("{says} ({rule})");
            out.push(Output::Event(EventKind::BgpNotice { neighbor, message }));
        }
    }

    pub(super) fn note_stranger(&mut self, now: Instant, address: IpAddr) {
        if self.strangers.len() >= MAX_STRANGERS
            && !self.strangers.contains_key(&address)
            && let Some(oldest) = self.strangers.iter().min_by_key(|(_, (at, _))| *at).map(|(a, _)| *a)
        {
            self.strangers.remove(&oldest);
        }
        let stranger = self.strangers.entry(address).or_insert((now, 0));
        *stranger = (now, stranger.1.saturating_add(1));
    }
}

fn name_of(key: &TcpKey) -> &'static str {
    match key {
        TcpKey::Md5(_) => "TCP MD5",
        TcpKey::Ao(_) => "TCP-AO",
    }
}
