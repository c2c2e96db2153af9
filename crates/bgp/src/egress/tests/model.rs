//! Several groups and members, random events; receivers decode what they get.

use super::rules;
use crate::egress::export::ExportRules;
use crate::egress::{Polled, Position};
use crate::instance::NextHopState;
use crate::policy::{Action, Policy, PrefixList, PrefixMatch, Rule, Verdict};
use crate::rib::decision::DecisionConfig;
use crate::rib::family::{FamilyRib, Shared};
use crate::rib::table::{Path, PeerId, RouteIdx};
use crate::rib::tests::{attr_table, peers};
use crate::rib::workers::Workers;
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::Arc;
use trunkline_core::{Asn, Ipv4Prefix, Rng};
use trunkline_wire::bgp::*;

const PEERS: u16 = 6;
const KEYS: u64 = 400;

/// 1 to 4 are external, 5 is a client, 6 another internal one.
fn external(peer: u16) -> bool {
    peer <= 4
}

/// What one member gets.
#[derive(Default)]
pub(super) struct Receiver {
    pub(super) table: BTreeMap<Ipv4Prefix, Vec<u8>>,
    /// Told at some time.
    ever: BTreeSet<Ipv4Prefix>,
    wasteful: usize,
    never_told: usize,
    ends_of_rib: usize,
    /// Beginnings and ends of refreshes.
    pub(super) marks: Vec<RouteRefreshSubtype>,
    max_len: usize,
}

impl Receiver {
    fn take(&mut self, mut octets: &[u8], polled: Polled) {
        let (mut updates, mut refreshes) = (0, 0);
        while !octets.is_empty() {
            let frame = frame(octets, self.max_len).expect("a good header").expect("whole messages");
            octets = &octets[frame.message.len()..];
            if frame.kind == MessageType::RouteRefresh {
                self.marks.push(RouteRefresh::parse(frame.body).unwrap().subtype);
                refreshes += 1;
                continue;
            }
            updates += 1;
            let update = Update::new_checked(frame.body).unwrap();
            if update.end_of_rib().is_some() {
                self.ends_of_rib += 1;
                continue;
            }
            for prefix in ipv4_prefixes(update.withdrawn_routes).map(Result::unwrap) {
                self.wasteful += usize::from(self.table.remove(&prefix).is_none());
                self.never_told += usize::from(!self.ever.contains(&prefix));
            }
            for prefix in ipv4_prefixes(update.nlri).map(Result::unwrap) {
                self.table.insert(prefix, update.path_attributes.to_vec());
                self.ever.insert(prefix);
            }
        }
        assert_eq!((polled.updates, polled.route_refreshes), (updates, refreshes), "messages are counted");
    }
}

pub(super) struct World {
    pub(super) rib: FamilyRib<Ipv4Prefix>,
    shared: Shared,
    pub(super) receivers: BTreeMap<u16, Receiver>,
}

pub(super) fn key(n: u64) -> Ipv4Prefix {
    Ipv4Prefix::from_bits((n as u32) << 8, 24)
}

/// Some rejects a part, and changes another.
fn list(rejected: u32) -> Policy {
    let prefix = Ipv4Prefix::from_bits(rejected << 13, 19).into();
    let rules = vec![
        Rule {
            prefixes: vec![PrefixMatch { prefix, ge: 19, le: 32 }],
            verdict: Verdict::Reject,
            actions: Vec::new(),
        },
        Rule { prefixes: Vec::new(), verdict: Verdict::Accept, actions: vec![Action::SetMed(rejected)] },
    ];
    Policy::List(Arc::new(PrefixList { name: "x".into(), rules }))
}

pub(super) fn rules_for(peer: u16, kind: u64) -> ExportRules {
    let base = ExportRules { client: peer == 5, ..rules(external(peer)) };
    match kind {
        0 | 1 => base,
        2 => ExportRules { policy: list(1), ..base },
        3 => ExportRules { policy: Policy::Reject, ..base },
        4 => ExportRules { four_octet_as: false, ..base },
        _ => ExportRules { max_len: 65535, ..base },
    }
}

pub(super) fn world() -> World {
    world_of(1)
}

fn world_of(shards: usize) -> World {
    let config = DecisionConfig { always_compare_med: false, maximum_paths: 1, multipath_relax: false };
    let mut peers = peers(PEERS, external);
    peers.get_mut(PeerId(5)).client = true;
    let shared = Shared { attrs: attr_table(), peers, config, workers: Workers::new() };
    World { rib: FamilyRib::new(0, 5, shards), shared, receivers: BTreeMap::new() }
}

impl World {
    pub(super) fn announce(&mut self, n: u64, peer: u16, kind: u64) {
        let hop = Ipv4Addr::new(192, 0, 2, 100 + peer as u8);
        let local = peer == 0;
        let attributes = Attributes {
            origin: Some(Origin::Igp),
            as_path: Some(AsPath::sequence((0..kind as u32 % 3).map(|k| Asn(65000 + u32::from(peer) + k)))),
            next_hop: (!local).then_some(hop),
            med: (kind == 4).then_some(4),
            communities: match kind {
                5 => vec![Community::NO_EXPORT],
                6 => vec![Community::NO_ADVERTISE],
                // Fits no message but extended ones.
                7 => (0..1200).map(Community).collect(),
                _ => Vec::new(),
            },
            ..Attributes::default()
        };
        let id = self.shared.attrs.intern(&attributes, None);
        self.shared.attrs.next_hops.set(hop.into(), Some(NextHopState { metric: 1, connected: true }));
        self.rib.announce(key(n), Path::new(PeerId(peer), 0, id, id, 0, 0), &mut self.shared.attrs);
        self.rib.make_changes(&mut self.shared);
    }

    pub(super) fn withdraw(&mut self, n: u64, peer: u16) {
        self.rib.withdraw(key(n), PeerId(peer));
        self.rib.make_changes(&mut self.shared);
    }

    pub(super) fn join(&mut self, peer: u16, rules: ExportRules) {
        let receiver = self.receivers.entry(peer).or_default();
        receiver.max_len = rules.max_len;
        self.rib.join(PeerId(peer), rules);
    }

    fn leave(&mut self, peer: u16) {
        self.rib.egress.leave(PeerId(peer));
        if let Some(gone) = self.receivers.remove(&peer) {
            assert!(gone.ends_of_rib <= 1);
        }
    }

    pub(super) fn poll(&mut self, peer: u16, limit: usize) -> bool {
        let Some(receiver) = self.receivers.get_mut(&peer) else { return false };
        let work = self.rib.egress.has_work(PeerId(peer));
        let mut octets = Vec::new();
        let Shared { attrs, peers, .. } = &self.shared;
        let polled =
            self.rib.egress.poll(0, PeerId(peer), limit, &mut octets, (&self.rib.table, attrs, peers));
        assert!(work || octets.is_empty(), "work is announced");
        receiver.take(&octets, polled);
        polled.more
    }

    /// All read all; then each holds exactly what the rules say of the best paths.
    pub(super) fn drain(&mut self) {
        for peer in 1..=PEERS {
            while self.poll(peer, 2000) {}
        }
        let World { rib, shared, receivers } = self;
        for (peer, receiver) in receivers.iter() {
            let rules = rib.egress.rules(PeerId(*peer)).expect("a member");
            let mut want: BTreeMap<Ipv4Prefix, Vec<u8>> = BTreeMap::new();
            for idx in (0..rib.table.places()).map(RouteIdx) {
                let Some(best) = rib.table.best(idx).filter(|best| best.peer.0 != *peer) else { continue };
                let source = shared.peers.get(best.peer);
                let Some(rule) = rules.permit(|| rib.table.prefix(idx), best, source, &shared.attrs) else {
                    continue;
                };
                let actions = rules.policy.actions(rule);
                let (attributes, mp) = rules.attributes(best, actions, source, &shared.attrs).unwrap();
                assert_eq!(mp, None);
                let mut block = Vec::new();
                attributes.emit(rules.four_octet_as, &mut block);
                if block.len() + 19 + 4 + 4 <= rules.max_len {
                    want.insert(rib.table.key(idx), block);
                }
            }
            assert!(
                receiver.table.keys().eq(want.keys()),
                "{peer}: {:?}\n{:?}",
                receiver.table.keys(),
                want.keys()
            );
            assert_eq!(receiver.table, want, "{peer}");
            assert_eq!(rib.egress.advertised(PeerId(*peer)), want.len() as u64, "{peer}");
            assert!(receiver.ends_of_rib == 1 && rib.egress.end_of_rib_sent(PeerId(*peer)));
            let marks = &receiver.marks;
            assert!(marks.is_empty() || marks.last() == Some(&RouteRefreshSubtype::EoRR));
            assert!(!rib.egress.has_work(PeerId(*peer)), "{peer}");
        }
    }

    fn end(mut self) {
        self.drain();
        for n in 0..KEYS {
            (0..=PEERS).for_each(|peer| self.withdraw(n, peer));
        }
        self.drain();
        assert!(self.receivers.values().all(|r| r.table.is_empty()));
        while self.rib.table.has_empty() {
            self.rib.reclaim();
        }
        assert_eq!((self.rib.table.counts(), self.shared.attrs.len()), ((0, 0, 0), 0));
        assert!((0..KEYS).all(|n| self.rib.table.find(key(n)).is_none()), "all places are free");
    }
}

fn change(world: &mut World, rng: &mut Rng, keys: u64) {
    let (n, peer) = (rng.below(keys), rng.below(u64::from(PEERS) + 1) as u16);
    if rng.below(3) > 0 {
        let kind = rng.below(8);
        world.announce(n, peer, kind);
    } else {
        world.withdraw(n, peer);
    }
}

#[test]
fn everyone_holds_what_the_rules_say() {
    for seed in 0..60 {
        let mut rng = Rng::new(seed);
        let mut world = world_of([1, 2, 4][seed as usize % 3]);
        // Few keys: many collisions. Many: members fall behind, and places are taken again.
        let keys = if seed % 2 == 0 { 12 } else { KEYS };
        let kinds = if seed % 3 == 0 { 1 } else { 6 };
        for step in 0..1200 {
            let peer = 1 + rng.below(PEERS.into()) as u16;
            match rng.below(100) {
                0..60 => change(&mut world, &mut rng, keys),
                60..88 => drop(world.poll(peer, 1 + rng.below(3000) as usize)),
                88..91 => {
                    let rules = rules_for(peer, rng.below(kinds));
                    world.join(peer, rules);
                }
                91..93 => world.leave(peer),
                93..95 => world.rib.refresh(PeerId(peer), rng.below(2) == 0),
                95..99 => world.rib.reclaim(),
                _ => {
                    let from = rng.below(KEYS);
                    (from..KEYS.min(from + 150)).for_each(|n| world.announce(n, 1 + rng.below(3) as u16, 1));
                }
            }
            if step % 300 == 299 {
                world.drain();
            }
        }
        world.end();
    }
}

#[test]
fn members_in_step_hear_nothing_that_is_not_for_them() {
    for seed in 0..20 {
        let mut rng = Rng::new(seed);
        let mut world = world();
        (0..50).for_each(|_| change(&mut world, &mut rng, 40));
        for peer in 1..=PEERS {
            world.join(peer, rules_for(peer, 0));
        }
        world.drain();
        let mut polls = 0;
        for _ in 0..1000 {
            if rng.below(3) > 0 {
                change(&mut world, &mut rng, 40);
                continue;
            }
            // Nobody falls more chunks behind than are kept.
            polls += 1;
            if polls % 3 == 0 {
                (1..=PEERS).for_each(|peer| while world.poll(peer, 100_000) {});
            } else {
                world.poll(1 + rng.below(PEERS.into()) as u16, 100_000);
            }
        }
        world.drain();
        for (peer, receiver) in &world.receivers {
            assert_eq!((receiver.wasteful, receiver.never_told), (0, 0), "seed {seed}, {peer}");
        }
        world.end();
    }
}

#[test]
fn who_is_slow_is_put_out_of_step_and_loses_nothing() {
    let mut world = world();
    let keys = 4_000;
    world.join(1, rules_for(1, 0));
    world.join(2, rules_for(2, 0));
    world.drain();
    let mut rng = Rng::new(1);
    for round in 0..60u64 {
        for _ in 0..400 {
            let n = rng.below(keys);
            if rng.below(3) == 0 { world.withdraw(n, 3) } else { world.announce(n, 3, 1 + round % 2) }
        }
        while world.poll(1, 100_000) {}
        world.rib.reclaim();
    }
    world.drain();
    assert_eq!(world.receivers[&1].wasteful, 0);
    // Chunks are not kept for nobody.
    assert!(world.rib.egress.groups.iter().flatten().all(|g| g.chunks.is_empty()));
}

#[test]
fn the_best_moves_while_one_falls_in_step() {
    // All were told a route of 2 in step; 2 catches up and is told a better one of 3, which then goes again before the
    // others hear of it.
    // No more chunks than are kept: nobody falls behind.
    const LAST: u64 = 130;
    for back in [false, true] {
        let mut world = world();
        for peer in [1, 2, 3] {
            world.join(peer, rules_for(peer, 0));
        }
        (0..LAST).for_each(|n| world.announce(n, 4, 1));
        world.announce(LAST, 2, 2);
        world.drain();
        world.rib.refresh(PeerId(2), false);
        (0..LAST).for_each(|n| world.announce(n, 4, 2));
        world.announce(LAST, 3, 1);
        let behind = |world: &World| {
            let member = world.rib.egress.members[2].as_ref().unwrap();
            matches!(member.position, Position::CatchUp(_))
        };
        while behind(&world) {
            world.poll(2, 1);
        }
        assert_eq!(world.receivers[&2].table.len() as u64, LAST + 1);
        world.withdraw(LAST, 3);
        if !back {
            world.withdraw(LAST, 2);
        }
        world.drain();
        let held = |peer: u16| world.receivers[&peer].table.contains_key(&key(LAST));
        assert_eq!([1, 2, 3].map(held), if back { [true, false, true] } else { [false; 3] });
    }
}
