//! What is seen on the links and heard of the nodes: probes that arrive or loop, BPDUs that speak of a root that is gone,
//! the last change.

use super::outcome::Counting;
use super::probe::{self, Probes};
use super::topology::{Reach, Topology};
use crate::sim::{Observer, Sight};
use std::collections::BTreeMap;
use std::fmt;
use trunkline_core::Instant;
use trunkline_view::probe::PingView;
use trunkline_view::{Answer, EventKind};
use trunkline_wire::stp::{Bpdu, BridgeId, Message, Priority, Role, is_spanning_tree};

/// The most bridges of which is known what they say of the root.
const MAX_BRIDGES: usize = 4096;

/// What a bridge says.
#[derive(Debug, Clone, Copy)]
struct Claim {
    root: BridgeId,
    cost: u32,
}

/// See the module.
pub(super) struct Watch<'t> {
    topology: &'t Topology,
    /// None: none are sent yet.
    pub(super) probes: Option<Probes>,
    /// When something last changed.
    pub(super) changed: Option<Instant>,
    /// After the failure: which bridges are connected.
    reach: Option<Reach>,
    /// By bridge, what it said before the failure; after it, where it had said nothing of this root, what it said first.
    claims: BTreeMap<BridgeId, Claim>,
    /// By bridge, its node.
    owners: BTreeMap<BridgeId, usize>,
    /// By root that is gone.
    pub(super) counting: BTreeMap<BridgeId, Counting>,
    /// Pings that are under way, by the number of the query; what for, is the caller's business.
    pub(super) asked: BTreeMap<u64, usize>,
    pub(super) pings: BTreeMap<usize, PingView>,
    /// Who hears the same.
    pub(super) also: Option<&'t mut (dyn Observer + 't)>,
}

impl fmt::Debug for Watch<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Watch(changed {:?}, {} pings under way)", self.changed, self.asked.len())
    }
}

impl<'t> Watch<'t> {
    pub(super) fn new(topology: &'t Topology) -> Watch<'t> {
        Watch {
            topology,
            probes: None,
            changed: None,
            reach: None,
            claims: BTreeMap::new(),
            owners: BTreeMap::new(),
            counting: BTreeMap::new(),
            asked: BTreeMap::new(),
            pings: BTreeMap::new(),
            also: None,
        }
    }

    /// The failure happens now; this is still connected by bridges.
    pub(super) fn fails(&mut self, reach: Reach) {
        self.reach = Some(reach);
        self.changed = None;
    }

    fn probe(&mut self, number: u64, sight: &Sight<'_>) {
        let (Some(probes), Some((line, end))) = (&mut self.probes, self.topology.line(sight)) else { return };
        let Some(fate) = sight.fate else { return };
        let host = probes.destination(number).and_then(|to| self.topology.hosts.get(to));
        let is_there = host.is_some_and(|host| host.link == sight.link.index() && host.end != end);
        probes.saw(number, line, is_there && !fate.lost);
    }

    /// A bridge says who the root is, at a port where it is designated: elsewhere it repeats what it was told.
    fn claim(&mut self, sight: &Sight<'_>, body: &Priority) {
        let Some(node) = self.topology.node(sight.node) else { return };
        let claim = Claim { root: body.root, cost: body.root_path_cost };
        if self.owners.len() < MAX_BRIDGES {
            self.owners.insert(body.bridge, node);
        }
        let Some(reach) = &self.reach else {
            if self.claims.len() < MAX_BRIDGES {
                self.claims.insert(body.bridge, claim);
            }
            return;
        };
        let Some(root) = self.owners.get(&claim.root).copied() else { return };
        if reach.bridges_connect(node, root) {
            return;
        }
        let before = self.claims.get(&body.bridge).filter(|before| before.root == claim.root).copied();
        let Some(before) = before else {
            if self.claims.len() < MAX_BRIDGES {
                self.claims.insert(body.bridge, claim);
            }
            return;
        };
        if claim.cost > before.cost {
            let name = self.topology.name(root);
            let counting = self.counting.entry(claim.root).or_insert_with(|| Counting {
                root: name.to_owned(),
                bpdus: 0,
                cost: 0,
                first: sight.at,
                last: sight.at,
            });
            counting.bpdus += 1;
            counting.cost = counting.cost.max(claim.cost);
            counting.last = sight.at;
        }
    }
}

impl Observer for Watch<'_> {
    fn event(&mut self, at: Instant, node: &str, event: &EventKind) {
        let is_change = matches!(
            event,
            EventKind::SpanningTree { .. }
                | EventKind::BgpState { .. }
                | EventKind::BgpBest { .. }
                | EventKind::Rip { prefix: Some(_), .. }
                | EventKind::Fib { .. }
        );
        if is_change {
            self.changed = Some(at);
        }
        if let Some(also) = &mut self.also {
            also.event(at, node, event);
        }
    }

    fn frame(&mut self, sight: &Sight<'_>) {
        if let Some(number) = probe::number(sight.frame) {
            self.probe(number, sight);
        } else if is_spanning_tree(sight.frame)
            && let Ok(Some(Message::Bpdu(bpdu))) = Message::parse(sight.frame)
        {
            match bpdu {
                Bpdu::Config(body) => self.claim(sight, &body),
                Bpdu::Rst(rst) if rst.body.flags.role() == Role::Designated => self.claim(sight, &rst.body),
                Bpdu::Rst(_) | Bpdu::Tcn => {}
            }
        }
        if let Some(also) = &mut self.also {
            also.frame(sight);
        }
    }

    fn answer(&mut self, at: Instant, node: &str, id: u64, answer: Answer) {
        if let Some(also) = &mut self.also {
            also.answer(at, node, id, answer.clone());
        }
        if let (Some(pair), Answer::Ping(view)) = (self.asked.remove(&id), answer) {
            self.pings.insert(pair, view);
        }
    }
}
