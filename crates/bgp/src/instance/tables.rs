//! The tables of all families, and the walks over them that go on in the background.

use super::ingest::{self, Batch, Import};
use super::peer::Peer;
use super::{Bgp, LocalAddress};
use crate::config::Config;
use crate::rib::attrs::{AttrTable, Own};
use crate::rib::decision::DecisionConfig;
use crate::rib::family::{FamilyRib, Shared};
use crate::rib::table::{Ipv6Key, Key, PeerId};
use crate::rib::workers::Workers;
use crate::rib::{Outcome, Peers, Wish};
use trunkline_core::{Ipv4Prefix, Rng};

/// All tables.
pub(super) struct Rib {
    pub(super) shared: Shared,
    pub(super) v4: FamilyRib<Ipv4Prefix>,
    pub(super) v6: FamilyRib<Ipv6Key>,
    pub(super) batch: Batch,
    /// A round of walks over the tables is under way.
    round: bool,
}

impl Rib {
    pub(super) fn new(config: &Config, rng: &mut Rng) -> Rib {
        let own = Own {
            asn: config.asn,
            router_id: config.router_id,
            cluster_id: config.cluster_id.unwrap_or(config.router_id),
            default_local_pref: config.default_local_pref,
        };
        let attrs = AttrTable::new(own, rng.next_u64());
        let shared =
            Shared { attrs, peers: Peers::new(), config: decision_config(config), workers: Workers::new() };
        let shards = usize::from(config.table_shards.max(1));
        let v4 = FamilyRib::new(0, rng.next_u64(), shards);
        let v6 = FamilyRib::new(1, rng.next_u64(), shards);
        Rib { shared, v4, v6, batch: Batch::default(), round: false }
    }

    /// Makes the changes that wait; for each family by how much the number of paths changed, and that of accepted ones.
    pub(super) fn make_changes(&mut self) -> [(i64, i64); 2] {
        [self.v4.make_changes(&mut self.shared), self.v6.make_changes(&mut self.shared)]
    }

    /// Stale paths of a neighbour are to go.
    pub(super) fn request_sweep(&mut self, peer: PeerId, number: usize) {
        self.shared.peers.get_mut(peer).request_sweep(number);
        if number == 0 { self.v4.request_walk() } else { self.v6.request_walk() }
    }

    /// Policy is to be run again for all paths of a neighbour, and the decision taken again.
    pub(super) fn request_review(&mut self, peer: PeerId) {
        self.shared.peers.get_mut(peer).request_review();
        self.request_walks();
    }

    pub(super) fn request_walks(&mut self) {
        self.v4.request_walk();
        self.v6.request_walk();
    }

    /// Whether a round of walks is under way or wanted.
    pub(super) fn walking(&self) -> bool {
        self.round || self.v4.walk_wanted() || self.v6.walk_wanted()
    }

    /// Begins a round of walks, where none is under way and one is wanted; whether one is under way now.
    fn begin_round(&mut self) -> bool {
        if !self.round && self.walking() {
            self.round = true;
            self.shared.peers.each_wish(Wish::round_begins);
            self.shared.attrs.next_hops.each_wish(Wish::round_begins);
            self.v4.begin_walk();
            self.v6.begin_walk();
        }
        self.round
    }

    /// Ends the round, where all its walks are done; whether it has ended.
    fn end_round(&mut self) -> bool {
        let ends = self.round && !self.v4.walking() && !self.v6.walking();
        if ends {
            self.round = false;
            self.shared.peers.each_wish(Wish::round_ends);
            self.shared.attrs.next_hops.each_wish(Wish::round_ends);
        }
        ends
    }
}

pub(super) fn decision_config(config: &Config) -> DecisionConfig {
    DecisionConfig {
        always_compare_med: config.always_compare_med,
        maximum_paths: config.maximum_paths,
        multipath_relax: config.multipath_relax,
    }
}

impl Bgp {
    /// The next slice of the walks over the tables.
    pub(super) fn walk(&mut self) {
        if !self.rib.begin_round() {
            return;
        }
        let Rib { shared, v4, v6, .. } = &mut self.rib;
        walk_family(v4, shared, &mut self.peers, &self.addresses);
        walk_family(v6, shared, &mut self.peers, &self.addresses);
        if self.rib.end_round() {
            self.drop_gone_peers();
        }
    }
}

/// One slice of a family's walk: import policy again where it changed.
fn walk_family<K: Key>(
    rib: &mut FamilyRib<K>,
    shared: &mut Shared,
    peers: &mut [Option<Peer>],
    addresses: &[LocalAddress],
) {
    if !rib.walking() {
        return;
    }
    let number = rib.number;
    let mut counts: Vec<(PeerId, Outcome)> = Vec::new();
    let states = &*peers;
    let again = |key: K, path: &crate::rib::table::Path, attrs: &mut AttrTable| {
        let state = &states.get(path.peer.index())?.as_ref()?.state;
        let flags = ingest::judge(state, path.received, attrs, addresses);
        let mut import = Import { received: path.received, flags, memo: None };
        Some(import.run(&state.config.import, key.prefix(), attrs))
    };
    rib.walk(shared, again, |id, outcome| counts.push((id, outcome)));
    for (id, outcome) in counts {
        if let Some(Some(peer)) = peers.get_mut(id.index()) {
            peer.state.count(number, (outcome.received.into(), outcome.accepted.into()));
        }
    }
}
