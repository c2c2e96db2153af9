//! A family's table against a model of maps.

use super::{attr_table, peers};
use crate::egress::RouteSet;
use crate::instance::NextHopState;
use crate::rib::Wish;
use crate::rib::attrs::AttrId;
use crate::rib::decision::DecisionConfig;
use crate::rib::family::{FamilyRib, Shared};
use crate::rib::table::{Path, PeerId, RouteIdx, flag};
use crate::rib::workers::Workers;
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use trunkline_core::{Asn, Ipv4Prefix, Prefix, Rng};
use trunkline_wire::bgp::{AsPath, Attributes, Origin};

/// What the model knows of a path: its attributes, its flags, its epoch.
type Told = (u32, u8, u8);

struct World {
    rib: FamilyRib<Ipv4Prefix>,
    shared: Shared,
    model: BTreeMap<Prefix, BTreeMap<u16, Told>>,
    received: [i64; 6],
    accepted: [i64; 6],
    /// The routing table, told by reports.
    reported: BTreeMap<Prefix, u16>,
}

fn world() -> World {
    world_of(1)
}

fn world_of(shards: usize) -> World {
    let config = DecisionConfig { always_compare_med: false, maximum_paths: 1, multipath_relax: false };
    let mut rib = FamilyRib::new(0, 5, shards);
    rib.report = Some(RouteSet::default());
    rib.watched = Some(RouteSet::default());
    let shared = Shared { attrs: attr_table(), peers: peers(5, |_| true), config, workers: Workers::new() };
    World {
        rib,
        shared,
        model: BTreeMap::new(),
        received: [0; 6],
        accepted: [0; 6],
        reported: BTreeMap::new(),
    }
}

fn key(n: u64) -> Ipv4Prefix {
    Ipv4Prefix::from_bits((n as u32) << 8, 24)
}

impl World {
    /// LOCAL_PREF tells sets apart, and decides.
    fn intern(&mut self, peer: u16, value: u32) -> AttrId {
        let hop = Ipv4Addr::new(192, 0, 2, 100 + peer as u8);
        let attributes = Attributes {
            origin: Some(Origin::Igp),
            as_path: Some(AsPath::sequence([Asn(65000 + u32::from(peer))])),
            next_hop: Some(hop),
            local_pref: Some(value),
            ..Attributes::default()
        };
        let id = self.shared.attrs.intern(&attributes, None);
        self.shared.attrs.next_hops.set(hop.into(), Some(NextHopState { metric: 1, connected: true }));
        id
    }

    fn count(&mut self, peer: u16, (received, accepted): (i64, i64)) {
        self.received[usize::from(peer)] += received;
        self.accepted[usize::from(peer)] += accepted;
    }

    fn announce(&mut self, n: u64, peer: u16, value: u32, flags: u8) {
        let id = self.intern(peer, value);
        let epoch = self.shared.peers.get(PeerId(peer)).epoch[0];
        let path = Path::new(PeerId(peer), epoch, id, id, flags, 0);
        let before = self.best(key(n).into());
        self.best_changed();
        self.rib.announce(key(n), path, &mut self.shared.attrs);
        let counts = self.rib.make_changes(&mut self.shared);
        self.model.entry(key(n).into()).or_default().insert(peer, (value, flags, epoch));
        assert_eq!(self.best_changed(), before != self.best(key(n).into()));
        self.count(peer, counts);
    }

    /// Whether another path became the best of some destination since this was last asked.
    fn best_changed(&mut self) -> bool {
        self.rib.watched.replace(RouteSet::default()).is_some_and(|set| !set.is_empty())
    }

    fn withdraw(&mut self, n: u64, peer: u16) {
        let before = self.best(key(n).into());
        self.best_changed();
        self.rib.withdraw(key(n), PeerId(peer));
        let counts = self.rib.make_changes(&mut self.shared);
        let paths = self.model.entry(key(n).into()).or_default();
        let had = paths.remove(&peer).is_some();
        if paths.is_empty() {
            self.model.remove(&key(n).into());
        }
        assert_eq!(counts.0, -i64::from(had));
        assert_eq!(self.best_changed(), before != self.best(key(n).into()));
        self.count(peer, counts);
    }

    /// The highest value, then the lowest identifier: that of the highest peer.
    fn best(&self, prefix: Prefix) -> Option<(u16, u32)> {
        let paths = self.model.get(&prefix)?;
        let good = paths.iter().filter(|(_, (_, flags, _))| *flags == 0);
        good.map(|(peer, (value, ..))| (*value, *peer)).max().map(|(value, peer)| (peer, value))
    }

    /// One slice of what is asked for: sweeps, and values that go up by 100 where a neighbour is reviewed.
    fn walk(&mut self) {
        if !self.rib.walking() {
            if !self.rib.walk_wanted() {
                return;
            }
            self.shared.peers.each_wish(Wish::round_begins);
            self.rib.begin_walk();
        }
        let mut counts = Vec::new();
        let again = |_: Ipv4Prefix, path: &Path, attrs: &mut crate::rib::attrs::AttrTable| {
            let (mut attributes, mp) = attrs.attributes(path.received);
            attributes.local_pref = attributes.local_pref.map(|v| v + 100);
            Some((attrs.intern(&attributes, mp), path.flags & flag::INELIGIBLE))
        };
        self.rib.walk(&mut self.shared, again, |peer, outcome| counts.push((peer, outcome)));
        counts.into_iter().for_each(|(peer, o)| self.count(peer.0, (o.received.into(), o.accepted.into())));
        if !self.rib.walking() {
            self.shared.peers.each_wish(Wish::round_ends);
        }
    }

    fn pending(&self) -> bool {
        self.rib.walking() || self.rib.walk_wanted()
    }

    fn sweep(&mut self, peer: u16) {
        let facts = self.shared.peers.get_mut(PeerId(peer));
        facts.request_sweep(0);
        let epoch = facts.epoch[0];
        self.rib.request_walk();
        for paths in self.model.values_mut() {
            if paths.get(&peer).is_some_and(|(.., e)| *e != epoch) {
                paths.remove(&peer);
            }
        }
        self.model.retain(|_, paths| !paths.is_empty());
    }

    fn report(&mut self, limit: usize) {
        let mut some = Vec::new();
        if let Some(report) = &mut self.rib.report {
            report.take(limit, &mut some);
        }
        for idx in some {
            let prefix = self.rib.table.prefix(idx);
            match self.rib.table.best(idx) {
                Some(best) => drop(self.reported.insert(prefix, best.peer.0)),
                None => drop(self.reported.remove(&prefix)),
            }
        }
    }

    fn check(&mut self) {
        while self.pending() {
            self.walk();
        }
        self.report(usize::MAX);
        let table = &self.rib.table;
        let mut best = BTreeMap::new();
        for prefix in self.model.keys() {
            best.extend(self.best(*prefix).map(|(peer, _)| (*prefix, peer)));
        }
        assert_eq!(self.reported, best);
        let paths: usize = self.model.values().map(BTreeMap::len).sum();
        assert_eq!(table.counts(), (self.model.len() as u64, paths as u64, best.len() as u64));
        for (prefix, paths) in &self.model {
            let Prefix::V4(key) = prefix else { panic!() };
            let idx = table.find(*key).expect("it is there");
            let held: BTreeSet<u16> = table.paths(idx).map(|p| p.peer.0).collect();
            assert!(held.iter().eq(paths.keys()), "{prefix}");
            assert_eq!(table.best(idx).map(|p| p.peer.0), best.get(prefix).copied());
            assert!(table.paths(idx).skip(1).all(|p| p.flags & flag::BEST == 0));
        }
        for peer in 1..6u16 {
            let mine = self.model.values().filter_map(|paths| paths.get(&peer));
            assert_eq!(self.received[usize::from(peer)], mine.clone().count() as i64);
            let accepted = mine.filter(|(_, flags, _)| flags & flag::REJECTED == 0).count();
            assert_eq!(self.accepted[usize::from(peer)], accepted as i64);
        }
    }
}

#[test]
fn announce_withdraw_sweep_reclaim() {
    for seed in 0..12 {
        let mut rng = Rng::new(seed);
        let mut world = world();
        for step in 0..3000 {
            let (peer, n) = (1 + rng.below(5) as u16, rng.below(200));
            match rng.below(100) {
                0..60 => {
                    let flags = [0, 0, 0, flag::REJECTED, flag::AS_LOOP][rng.below(5) as usize];
                    world.announce(n, peer, rng.below(4) as u32, flags);
                }
                60..90 => world.withdraw(n, peer),
                90..94 => world.rib.reclaim(),
                94..96 => world.report(1 + rng.below(50) as usize),
                96..98 => world.walk(),
                98 => {
                    let facts = world.shared.peers.get_mut(PeerId(peer));
                    facts.epoch[0] = facts.epoch[0].wrapping_add(1);
                }
                // The model knows only sweeps that are over.
                _ => {
                    world.sweep(peer);
                    world.check();
                }
            }
            if step % 500 == 0 {
                world.check();
            }
        }
        world.check();
        // After all is gone nothing is left.
        for n in 0..200 {
            (1..6).for_each(|peer| world.withdraw(n, peer));
        }
        world.check();
        while world.rib.table.has_empty() {
            world.rib.reclaim();
        }
        assert_eq!(world.rib.table.counts(), (0, 0, 0));
        assert_eq!(world.shared.attrs.len(), 0, "attribute sets");
        assert_eq!(world.shared.attrs.next_hops.tracked().count(), 0, "next hops");
        assert!((0..200).all(|n| world.rib.table.find(key(n)).is_none()));
        // Places are taken again.
        let places = world.rib.table.places();
        (1000..1000 + u64::from(places)).for_each(|n| world.announce(n, 1, 0, 0));
        assert_eq!(world.rib.table.places(), places);
        world.check();
    }
}

#[test]
fn a_review_while_the_table_grows_sees_every_path() {
    let mut world = world();
    (0..10_000).for_each(|n| world.announce(n, 1, 1, 0));
    world.rib.request_walk();
    world.walk();
    // Wanted in the middle of another round, and the table grows.
    world.shared.peers.get_mut(PeerId(1)).request_review();
    world.rib.request_walk();
    world.walk();
    (20_000..23_000).for_each(|n| world.announce(n, 1, 1, 0));
    while world.pending() {
        world.walk();
    }
    let table = &world.rib.table;
    let old = (0..10_000).map(|n| table.best(table.find(key(n)).unwrap()).unwrap().used);
    let values: BTreeSet<u32> = old.map(|id| world.shared.attrs.get(id).local_pref()).collect();
    assert_eq!(values, BTreeSet::from([101]));
}

#[test]
fn a_walk_over_nothing_ends() {
    let mut world = world();
    world.sweep(1);
    assert!(world.rib.walk_wanted());
    world.walk();
    assert!(!world.pending() && !world.shared.peers.get(PeerId(1)).sweep[0].is_some());
}

#[test]
fn a_round_ends_whatever_is_wished_meanwhile() {
    let mut world = world();
    (0..20_000).for_each(|n| world.announce(n, 1, 1, 0));
    world.shared.peers.get_mut(PeerId(1)).epoch[0] += 1;
    world.sweep(1);
    // Somebody asks for a walk before each slice.
    for _ in 0..5 {
        world.rib.request_walk();
        world.walk();
    }
    assert_eq!(world.rib.table.counts(), (0, 0, 0));
    // What was wished in the middle of a round stays until the next has ended.
    (0..20_000).for_each(|n| world.announce(n, 2, 1, 0));
    (0..3).for_each(|_| world.walk());
    world.shared.peers.get_mut(PeerId(2)).epoch[0] += 1;
    world.sweep(2);
    while world.pending() {
        world.walk();
    }
    assert_eq!((world.rib.table.counts(), world.received[2]), ((0, 0, 0), 0));
}

#[test]
fn a_reclaim_that_finds_nothing_costs_little_and_hides_nothing() {
    let mut world = world();
    (0..20_000).for_each(|n| world.announce(n, 1, 1, 0));
    (0..20_000).for_each(|n| world.withdraw(n, 1));
    world.check();
    let mut looks = Vec::new();
    let mut reclaim = |world: &mut World, free: u32| {
        looks.clear();
        let mut seen = 0;
        world.rib.table.reclaim(|idx| {
            seen += 1;
            looks.push(idx.0);
            idx.0 == free
        });
        seen
    };
    assert_eq!(reclaim(&mut world, u32::MAX), 20_000);
    assert_eq!(reclaim(&mut world, u32::MAX), 64, "no more than that without anything new");
    // The only one that can go is found, though the others stay.
    let mut calls = 0;
    while world.rib.table.find(key(15_000)).is_some() {
        reclaim(&mut world, 15_000);
        calls += 1;
    }
    assert!(calls <= 20_000 / 64 + 1);
}

/// What came of all changes is the same for any number of shards, and whether they are made one by one or many at once.
#[test]
fn shards_and_batches_change_nothing() {
    for seed in 0..12 {
        let mut worlds = [(1, false), (1, true), (2, true), (4, true)].map(|(n, many)| (world_of(n), many));
        let mut rng = Rng::new(seed);
        for _ in 0..40 {
            let peer = 1 + rng.below(5) as u16;
            // Of many blocks, so that all shards have some; some of them more than once.
            let keys: Vec<Ipv4Prefix> =
                (0..rng.below(1500)).map(|_| key(rng.below(40) << 8 | rng.below(60))).collect();
            let (announced, value) = (rng.below(5) > 1, rng.below(3) as u32);
            let mut counts = Vec::new();
            for (world, many) in &mut worlds {
                let id = world.intern(peer, value);
                world.shared.attrs.retain(id);
                let mut sum = (0, 0);
                for key in &keys {
                    if announced {
                        let path = Path::new(PeerId(peer), 0, id, id, 0, 0);
                        world.rib.announce(*key, path, &mut world.shared.attrs);
                    } else {
                        world.rib.withdraw(*key, PeerId(peer));
                    }
                    if !*many {
                        let (a, b) = world.rib.make_changes(&mut world.shared);
                        sum = (sum.0 + a, sum.1 + b);
                    }
                }
                let (a, b) = world.rib.make_changes(&mut world.shared);
                counts.push((sum.0 + a, sum.1 + b));
                world.shared.attrs.release(id);
                if rng.below(3) == 0 {
                    world.rib.reclaim();
                }
            }
            assert!(counts.iter().all(|count| *count == counts[0]), "{counts:?}");
        }
        let held = worlds.each_mut().map(|(world, _)| {
            let mut held = BTreeMap::new();
            for idx in
                (0..world.rib.table.places()).map(RouteIdx).filter(|idx| world.rib.table.occupied(*idx))
            {
                let value = |p: &Path| (p.peer.0, p.flags, world.shared.attrs.get(p.used).preference);
                let best = world.rib.table.best(idx).map(value);
                let mut paths: Vec<_> = world.rib.table.paths(idx).map(value).collect();
                paths.sort_unstable();
                held.insert(world.rib.table.prefix(idx), (best, paths));
            }
            (held, world.rib.table.counts(), world.shared.attrs.len())
        });
        assert!(!held[0].0.is_empty());
        for other in &held[1..] {
            assert_eq!(*other, held[0]);
        }
    }
}
