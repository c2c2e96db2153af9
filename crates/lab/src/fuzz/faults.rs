//! Faults: which a seed brings, and how they and a scenario's own steps go together.

use super::{Fault, FaultKind};
use crate::digest::Digest;
use crate::link::LinkConfig;
use crate::scenario::{Action, Scenario};
use crate::sim::{Lab, LinkIndex, NodeIndex};
use trunkline_core::{Duration, Instant, Rng};

/// The most faults of a run.
const MAX_FAULTS: u64 = 12;

/// The longest that a fault lasts.
const MAX_LASTS: u64 = 60_000_000_000;

/// What a seed brings.
pub(super) fn draw(scenario: &Scenario, seed: u64) -> Vec<Fault> {
    let mut digest = Digest::of(b"faults");
    digest.number(seed);
    let mut rng = Rng::new(digest.value());
    let end = scenario.until.as_nanos().max(1);
    let count = 1 + rng.below(MAX_FAULTS);
    let mut faults: Vec<Fault> = (0..count)
        .filter_map(|_| {
            let at = rng.below(end);
            // From a millisecond up, each order of magnitude as likely as the others.
            let lasts = 1_000_000 << rng.below(17);
            let lasts = (lasts + rng.below(lasts)).min(MAX_LASTS).min(end - at);
            let kind = kind(scenario, &mut rng)?;
            Some(Fault { at: Instant::from_nanos(at), lasts: Duration::from_nanos(lasts), kind })
        })
        .collect();
    faults.sort_by_key(|fault| fault.at);
    faults
}

fn kind(scenario: &Scenario, rng: &mut Rng) -> Option<FaultKind> {
    if rng.below(4) == 0 {
        let node = scenario.nodes.get(rng.below(scenario.nodes.len() as u64) as usize)?;
        return Some(FaultKind::Crash { node: node.name.clone() });
    }
    let link = scenario.links.get(rng.below(scenario.links.len() as u64) as usize)?.name.clone();
    if rng.below(3) == 0 {
        return Some(FaultKind::Cut { link });
    }
    // A few of a hundred, or nearly all.
    let mut share = || match rng.below(4) {
        0 => 0.0,
        1 => rng.below(100) as f64 / 100.0,
        _ => rng.below(100) as f64 / 1000.0,
    };
    Some(FaultKind::Bad { link, loss: share(), duplicate: share(), reorder: share(), corrupt: share() })
}

/// Something that happens: a step of the scenario, the beginning or the end of a fault.
#[derive(Debug, Clone, Copy)]
enum Edge {
    Step(usize),
    Begin(usize),
    End(usize),
}

/// A scenario that runs with faults: what both want of a link or node is kept apart.
pub(super) struct Troubled<'s> {
    scenario: &'s Scenario,
    faults: &'s [Fault],
    edges: Vec<(Instant, Edge)>,
    next: usize,
    active: Vec<bool>,
    /// By [`LinkIndex`], what the scenario wants.
    cut: Vec<bool>,
    /// By [`NodeIndex`].
    down: Vec<bool>,
}

impl<'s> Troubled<'s> {
    pub(super) fn new(scenario: &'s Scenario, faults: &'s [Fault]) -> Troubled<'s> {
        let mut edges: Vec<(Instant, Edge)> =
            scenario.steps.iter().enumerate().map(|(n, step)| (step.at, Edge::Step(n))).collect();
        for (number, fault) in faults.iter().enumerate() {
            edges.push((fault.at, Edge::Begin(number)));
            edges.push((fault.at + fault.lasts, Edge::End(number)));
        }
        edges.sort_by_key(|(at, _)| *at);
        Troubled {
            scenario,
            faults,
            edges,
            next: 0,
            active: vec![false; faults.len()],
            cut: vec![false; scenario.links.len()],
            down: vec![false; scenario.nodes.len()],
        }
    }

    /// When the next thing happens.
    pub(super) fn next(&self) -> Option<Instant> {
        self.edges.get(self.next).map(|(at, _)| *at)
    }

    /// Does the next thing, at its time.
    pub(super) fn step(&mut self, lab: &mut Lab) {
        let Some((_, edge)) = self.edges.get(self.next).copied() else { return };
        self.next += 1;
        match edge {
            Edge::Step(number) => {
                let scenario = self.scenario;
                if let Some(action) = scenario.steps.get(number).and_then(|step| step.action.as_ref()) {
                    self.act(lab, action);
                }
            }
            Edge::Begin(number) => self.active[number] = true,
            Edge::End(number) => self.active[number] = false,
        }
        self.apply(lab);
    }

    fn act(&mut self, lab: &mut Lab, action: &Action) {
        let links =
            |names: &[String]| names.iter().filter_map(|name| lab.link(name).ok()).collect::<Vec<_>>();
        let nodes =
            |names: &[String]| names.iter().filter_map(|name| lab.node(name).ok()).collect::<Vec<_>>();
        match action {
            Action::Cut(names) => links(names).iter().for_each(|link| self.cut[link.index()] = true),
            Action::Restore(names) => links(names).iter().for_each(|link| self.cut[link.index()] = false),
            Action::Crash(names) => nodes(names).iter().for_each(|node| self.down[node.index()] = true),
            Action::Restart(names) => nodes(names).iter().for_each(|node| self.down[node.index()] = false),
            Action::Set { node, config, .. } => {
                if let Ok(node) = lab.node(node) {
                    lab.reconfigure(node, (**config).clone(), &mut ());
                }
            }
            Action::Query { node, query } => {
                if let Ok(node) = lab.node(node) {
                    let _ = lab.query(node, query.clone(), &mut ());
                }
            }
            Action::Expect(_) => {}
        }
    }

    /// Brings the lab to what the scenario and the faults that are active want together.
    fn apply(&self, lab: &mut Lab) {
        let links: Vec<(LinkIndex, LinkConfig)> =
            lab.links().map(|(link, config)| (link, config.clone())).collect();
        for (link, config) in links {
            let mut cut = self.cut[link.index()];
            let mut wanted = self.scenario.links[link.index()].config.clone();
            for (fault, _) in self.faults.iter().zip(&self.active).filter(|(_, active)| **active) {
                match &fault.kind {
                    FaultKind::Cut { link } if *link == config.name => cut = true,
                    FaultKind::Bad { link, loss, duplicate, reorder, corrupt } if *link == config.name => {
                        wanted.loss = wanted.loss.max(*loss);
                        wanted.duplicate = wanted.duplicate.max(*duplicate);
                        wanted.reorder = wanted.reorder.max(*reorder);
                        wanted.corrupt = wanted.corrupt.max(*corrupt);
                    }
                    _ => {}
                }
            }
            if wanted != config {
                lab.set_link(link, wanted, &mut ());
            }
            match (cut, lab.is_cut(link)) {
                (true, false) => lab.cut(link, &mut ()),
                (false, true) => lab.restore(link, &mut ()),
                _ => {}
            }
        }
        let nodes: Vec<(NodeIndex, String)> =
            lab.nodes().map(|(node, config)| (node, config.name.clone())).collect();
        for (node, name) in nodes {
            let crashed = |fault: &Fault| matches!(&fault.kind, FaultKind::Crash { node } if *node == name);
            let mut active = self.faults.iter().zip(&self.active).filter(|(_, active)| **active);
            let down = self.down[node.index()] || active.any(|(fault, _)| crashed(fault));
            match (down, lab.is_up(node)) {
                (true, true) => lab.crash(node, &mut ()),
                // A node that cannot start stays down, and that is seen at the end.
                (false, false) => drop(lab.start(node, &mut ())),
                _ => {}
            }
        }
    }
}
