//! The decision process against RFC 4271 §9.1.2 and RFC 4456 §9, read literally.

use super::{attr_table, peers};
use crate::instance::NextHopState;
use crate::rib::attrs::AttrTable;
use crate::rib::decision::{DecisionConfig, Step, choose, eligible, ineligible_because, lost_by, multipath};
use crate::rib::shard::Shard;
use crate::rib::table::{Path, PeerId, flag};
use crate::rib::{Context, Peers, announce, withdraw};
use std::net::Ipv4Addr;
use trunkline_core::{Asn, Ipv4Prefix, Rng};
use trunkline_wire::bgp::{AsPath, AsPathSegment, Attributes, Origin, SegmentKind};

/// A path as the standard sees it.
#[derive(Debug, Clone)]
struct Spec {
    peer: u16,
    local_pref: Option<u32>,
    path: Vec<u32>,
    /// An AS_SET behind them, or alone: counts one.
    set: bool,
    origin: Origin,
    med: Option<u32>,
    /// Metric to the next hop; none: unresolved.
    metric: Option<u32>,
    originator: Option<u8>,
    clusters: usize,
    flags: u8,
}

fn spec(peer: u16) -> Spec {
    Spec {
        peer,
        local_pref: None,
        path: vec![7, 8],
        set: false,
        origin: Origin::Egp,
        med: None,
        metric: Some(10),
        originator: None,
        clusters: 0,
        flags: 0,
    }
}

struct World {
    attrs: AttrTable,
    peers: Peers,
    config: DecisionConfig,
}

const CONFIG: DecisionConfig =
    DecisionConfig { always_compare_med: false, maximum_paths: 4, multipath_relax: false };

/// Odd neighbours are external.
fn world() -> World {
    World { attrs: attr_table(), peers: peers(8, |n| n % 2 == 1), config: CONFIG }
}

impl World {
    /// Nobody holds its attributes yet.
    fn path(&mut self, s: &Spec) -> Path {
        let local = s.peer == 0;
        // One next hop for each metric.
        let hop = Ipv4Addr::new(192, 0, 2, s.metric.map_or(200, |m| m as u8));
        let mut segments = AsPath::sequence(s.path.iter().map(|n| Asn(*n))).segments;
        if s.set {
            segments.push(AsPathSegment { kind: SegmentKind::Set, asns: vec![Asn(1), Asn(2)] });
        }
        let attributes = Attributes {
            origin: Some(s.origin),
            as_path: Some(AsPath { segments }),
            next_hop: (!local).then_some(hop),
            med: s.med,
            local_pref: s.local_pref,
            originator_id: s.originator.map(|n| Ipv4Addr::new(10, 0, 0, n)),
            cluster_list: (0..s.clusters).map(|n| Ipv4Addr::new(1, 1, 1, n as u8)).collect(),
            ..Attributes::default()
        };
        let id = self.attrs.intern(&attributes, None);
        self.attrs.next_hops.set(hop.into(), s.metric.map(|metric| NextHopState { metric, connected: true }));
        Path::new(PeerId(s.peer), 0, id, id, s.flags, 0)
    }

    fn paths(&mut self, specs: &[Spec]) -> Vec<Path> {
        let paths: Vec<Path> = specs.iter().map(|s| self.path(s)).collect();
        paths.iter().for_each(|p| self.attrs.retain(p.used));
        paths
    }

    fn choose(&self, paths: &[Path]) -> Option<usize> {
        choose(paths, &self.attrs, &self.peers, &self.config)
    }

    /// The standard's own procedure: which is best, and at which step each other one fell out.
    fn reference(&self, specs: &[Spec]) -> (Option<usize>, Vec<Option<Step>>, Vec<usize>) {
        let mut fell: Vec<Option<Step>> = vec![None; specs.len()];
        let good = |s: &Spec| s.flags & flag::INELIGIBLE == 0 && (s.metric.is_some() || s.peer == 0);
        let mut left: Vec<usize> = (0..specs.len()).filter(|i| good(&specs[*i])).collect();
        let mut keep = |left: &mut Vec<usize>, step: Step, stays: &dyn Fn(usize, &[usize]) -> bool| {
            let all = left.clone();
            left.retain(|i| stays(*i, &all));
            all.iter().filter(|i| !left.contains(i)).for_each(|i| fell[*i] = Some(step));
        };
        let facts = |i: usize| *self.peers.get(PeerId(specs[i].peer));
        let lowest =
            |value: &dyn Fn(usize) -> u64, i: usize, all: &[usize]| all.iter().all(|j| value(i) <= value(*j));
        let local = |i: usize| u64::from(specs[i].peer != 0);
        keep(&mut left, Step::Local, &|i, all| lowest(&local, i, all));
        let preference = |i: usize| u64::from(u32::MAX - specs[i].local_pref.unwrap_or(100));
        keep(&mut left, Step::LocalPref, &|i, all| lowest(&preference, i, all));
        let length = |i: usize| (specs[i].path.len() + usize::from(specs[i].set)) as u64;
        keep(&mut left, Step::AsPathLength, &|i, all| lowest(&length, i, all));
        let origin = |i: usize| u64::from(specs[i].origin.code());
        keep(&mut left, Step::Origin, &|i, all| lowest(&origin, i, all));
        // §9.1.2.2 c: "for m = all routes still under consideration, for n = all routes still under consideration,
        // if (neighborAS(m) == neighborAS(n)) and (MED(n) < MED(m)) remove route m from consideration".
        let med = |i: usize| specs[i].med.unwrap_or(0);
        let same_as = |i: usize, j: usize| {
            self.config.always_compare_med || specs[i].path.first() == specs[j].path.first()
        };
        keep(&mut left, Step::Med, &|i, all| !all.iter().any(|j| same_as(i, *j) && med(*j) < med(i)));
        let equal = left.clone();
        let internal = |i: usize| u64::from(!facts(i).external);
        keep(&mut left, Step::External, &|i, all| lowest(&internal, i, all));
        let metric =
            |i: usize| if specs[i].peer == 0 { 0 } else { specs[i].metric.map_or(u64::MAX, u64::from) };
        keep(&mut left, Step::IgpMetric, &|i, all| lowest(&metric, i, all));
        let identifier = |i: usize| match specs[i].originator {
            Some(n) => u64::from(Ipv4Addr::new(10, 0, 0, n).to_bits()),
            None => u64::from(facts(i).router_id),
        };
        keep(&mut left, Step::RouterId, &|i, all| lowest(&identifier, i, all));
        keep(&mut left, Step::ClusterList, &|i, all| lowest(&|i| specs[i].clusters as u64, i, all));
        keep(&mut left, Step::Address, &|i, all| all.iter().all(|j| facts(i).address <= facts(*j).address));
        assert!(left.len() <= 1);
        let best = left.first().copied();
        let sharing = equal.into_iter().filter(|i| {
            best.is_some_and(|b| {
                let same = self.config.multipath_relax || specs[*i].path.first() == specs[b].path.first();
                internal(*i) == internal(b) && metric(*i) == metric(b) && local(*i) == local(b) && same
            })
        });
        (best, fell, sharing.collect())
    }
}

#[test]
fn every_step() {
    // The second path is better in everything that comes later.
    let better = |peer| Spec { metric: Some(1), originator: Some(1), med: Some(0), ..spec(peer) };
    let cases: Vec<(Step, Spec, Spec)> = vec![
        (Step::Local, Spec { path: vec![], ..spec(0) }, Spec { local_pref: Some(900), ..better(1) }),
        (Step::LocalPref, Spec { local_pref: Some(101), ..spec(2) }, Spec { path: vec![7], ..better(1) }),
        (
            Step::LocalPref,
            Spec { local_pref: Some(u32::MAX), ..spec(2) },
            Spec { local_pref: Some(0), ..better(1) },
        ),
        (Step::AsPathLength, spec(2), Spec { path: vec![7, 8, 9], origin: Origin::Igp, ..better(1) }),
        (Step::AsPathLength, spec(2), Spec { set: true, origin: Origin::Igp, ..better(1) }),
        (Step::Origin, Spec { origin: Origin::Igp, med: Some(9), ..spec(2) }, better(1)),
        (Step::Origin, spec(2), Spec { origin: Origin::Incomplete, ..better(1) }),
        (Step::Med, spec(2), Spec { med: Some(1), ..better(1) }),
        (Step::Med, Spec { med: Some(4), ..spec(2) }, Spec { med: Some(5), ..better(1) }),
        (Step::External, spec(1), better(2)),
        (
            Step::IgpMetric,
            Spec { metric: Some(4), ..spec(1) },
            Spec { originator: Some(1), metric: Some(5), ..spec(3) },
        ),
        (Step::RouterId, Spec { originator: Some(1), clusters: 3, ..spec(1) }, spec(3)),
        (Step::RouterId, spec(3), spec(1)),
        (
            Step::ClusterList,
            Spec { originator: Some(9), clusters: 1, ..spec(3) },
            Spec { originator: Some(9), clusters: 2, ..spec(1) },
        ),
        (Step::Address, Spec { originator: Some(9), ..spec(1) }, Spec { originator: Some(9), ..spec(3) }),
    ];
    for (step, best, loser) in cases {
        let mut world = world();
        let paths = world.paths(&[best.clone(), loser.clone()]);
        assert_eq!(world.choose(&paths), Some(0), "{step:?}");
        assert_eq!(world.choose(&[paths[1], paths[0]]), Some(1), "{step:?}");
        assert_eq!(lost_by(&paths[0], &paths[1], &world.attrs, &world.peers, &world.config), step);
        assert_eq!(world.reference(&[best, loser]).1[1], Some(step));
        assert!(!step.words().is_empty());
    }
}

#[test]
fn what_cannot_be_chosen() {
    let mut world = world();
    for bit in [flag::REJECTED, flag::AS_LOOP, flag::REFLECTION_LOOP, flag::BAD_NEXT_HOP, flag::LEAK] {
        let paths = world.paths(&[Spec { flags: bit, local_pref: Some(500), ..spec(1) }, spec(3)]);
        assert_eq!((world.choose(&paths), world.choose(&paths[..1])), (Some(1), None));
        assert!(ineligible_because(&paths[0], &world.attrs).is_some());
    }
    let paths = world.paths(&[Spec { metric: None, ..spec(1) }, spec(3)]);
    assert_eq!((world.choose(&paths), world.choose(&paths[..1])), (Some(1), None));
    assert_eq!(
        ineligible_because(&paths[0], &world.attrs).as_deref(),
        Some("no route to the next hop 192.0.2.200")
    );
    assert!(ineligible_because(&paths[1], &world.attrs).is_none() && eligible(&paths[1], &world.attrs));
    assert_eq!(world.choose(&[]), None);
}

#[test]
fn med_is_compared_within_an_as_whatever_the_order() {
    // RFC 4271 §9.1.2.2 c: the classic case in which pairwise comparison goes round in circles.
    let specs = [
        Spec { path: vec![7, 1], med: Some(10), metric: Some(5), ..spec(1) },
        Spec { path: vec![7, 1], med: Some(1), metric: Some(9), ..spec(3) },
        Spec { path: vec![8, 1], med: Some(50), metric: Some(7), ..spec(5) },
    ];
    let mut world = world();
    let paths = world.paths(&specs);
    for order in permutations(3) {
        let some: Vec<Path> = order.iter().map(|i| paths[*i]).collect();
        assert_eq!(world.choose(&some).map(|at| order[at]), Some(2));
    }
    assert_eq!(lost_by(&paths[2], &paths[0], &world.attrs, &world.peers, &world.config), Step::Med);
    world.config.always_compare_med = true;
    assert_eq!(world.choose(&paths), Some(1));
}

fn permutations(n: usize) -> Vec<Vec<usize>> {
    let Some(last) = n.checked_sub(1) else { return vec![Vec::new()] };
    let mut all = Vec::new();
    for shorter in permutations(last) {
        for at in 0..n {
            let mut longer = shorter.clone();
            longer.insert(at, last);
            all.push(longer);
        }
    }
    all
}

fn random_spec(rng: &mut Rng, peer: u16) -> Spec {
    let mut pick = |n| rng.below(n);
    let external = peer % 2 == 1;
    let first = [7, 8][pick(2) as usize];
    let path = match pick(8) {
        0 if !external => vec![],
        1 => vec![first],
        _ => vec![first, 9],
    };
    Spec {
        peer,
        local_pref: (pick(6) == 0).then(|| 90 + 20 * pick(2) as u32),
        set: pick(8) == 0,
        path,
        origin: if pick(6) == 0 { Origin::Igp } else { Origin::Egp },
        med: (pick(3) > 0).then(|| pick(3) as u32),
        metric: (pick(8) > 0).then(|| 1 + pick(2) as u32),
        originator: (!external && pick(2) == 0).then(|| 1 + pick(2) as u8),
        clusters: if external { 0 } else { pick(3) as usize },
        flags: if pick(10) == 0 { flag::AS_LOOP } else { 0 },
    }
}

#[test]
fn as_the_standard_says_whatever_came_when() {
    for seed in 0..1000 {
        let mut rng = Rng::new(seed);
        let mut world = world();
        world.config.always_compare_med = rng.below(3) == 0;
        world.config.multipath_relax = rng.below(2) == 0;
        let count = 1 + rng.below(6) as u16;
        let first = u16::from(rng.below(10) != 0);
        let specs: Vec<Spec> = (first..first + count).map(|peer| random_spec(&mut rng, peer)).collect();
        let paths = world.paths(&specs);
        let (best, fell, sharing) = world.reference(&specs);
        assert_eq!(world.choose(&paths), best, "seed {seed}: {specs:#?}");
        if count <= 4 {
            for order in permutations(count.into()) {
                let some: Vec<Path> = order.iter().map(|i| paths[*i]).collect();
                assert_eq!(world.choose(&some).map(|at| order[at]), best, "seed {seed}");
            }
        }
        for (i, path) in paths.iter().enumerate() {
            let Some(best) = best.filter(|b| *b != i && eligible(path, &world.attrs)) else { continue };
            let said = lost_by(&paths[best], path, &world.attrs, &world.peers, &world.config);
            let want = fell[i].unwrap();
            assert!(
                said == want || want == Step::Med && said as u8 > Step::Med as u8,
                "seed {seed}: {said:?} {want:?}"
            );
        }
        let chosen = multipath(&paths, &world.attrs, &world.peers, &world.config);
        assert_eq!(chosen.first().copied(), best, "seed {seed}");
        assert_eq!(chosen.len(), sharing.len().min(4), "seed {seed}");
        assert!(chosen.iter().all(|i| sharing.contains(i)), "seed {seed}");
        through_a_table(&mut world, &specs, best, &mut rng);
    }
}

/// Announced in some order, with withdrawals and others in between: the same is best.
fn through_a_table(world: &mut World, specs: &[Spec], best: Option<usize>, rng: &mut Rng) {
    let key = Ipv4Prefix::from_bits(10 << 24, 8);
    let mut table: Shard<Ipv4Prefix> = Shard::new(3);
    let mut todo: Vec<usize> = (0..specs.len()).collect();
    let mut steps = 0;
    while !todo.is_empty() {
        let at = todo.swap_remove(rng.below(todo.len() as u64) as usize);
        let mut chosen = specs[at].clone();
        steps += 1;
        let disturb = if steps < 20 { rng.below(4) } else { 3 };
        if disturb == 0 && chosen.peer != 0 {
            chosen = random_spec(rng, chosen.peer);
            chosen.metric = specs[at].metric;
            todo.push(at);
        }
        let path = world.path(&chosen);
        let World { attrs, peers, config } = world;
        attrs.retain(path.received);
        attrs.retain(path.used);
        let ctx = Context { attrs, peers, config };
        let mut released = Vec::new();
        let idx = table.find_or_insert(key);
        announce(&mut table, idx, path, &ctx, &mut released);
        if disturb == 1 {
            withdraw(&mut table, idx, path.peer, &ctx, &mut released);
            todo.push(at);
        }
        released.into_iter().for_each(|id| attrs.release(id));
    }
    let idx = table.find(key).unwrap();
    assert_eq!(table.best(idx).map(|p| p.peer), best.map(|i| PeerId(specs[i].peer)));
    assert_eq!(table.counts().1, specs.len() as u64);
}
