//! The decision process of RFC 4271 §9.1.2, phase 2, with RFC 4456 §9 and RFC 5004's spirit left out: the outcome
//! never depends on the order of arrival.

use super::attrs::AttrTable;
use super::table::{Path, PeerId, flag};
use super::{PeerFacts, Peers};
use std::cmp::Ordering;
use trunkline_core::Asn;

/// What of the configuration the decision depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DecisionConfig {
    pub(crate) always_compare_med: bool,
    pub(crate) maximum_paths: u16,
    pub(crate) multipath_relax: bool,
}

/// The step by which a path lost to the best one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Local,
    LocalPref,
    AsPathLength,
    Origin,
    Med,
    External,
    IgpMetric,
    RouterId,
    ClusterList,
    Address,
}

impl Step {
    /// What is compared, with its place in the standard.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Step::Local => "origin of the route",
            Step::LocalPref => "LOCAL_PREF, higher (RFC 4271 §9.1.1)",
            Step::AsPathLength => "length of AS_PATH, shorter (§9.1.2.2 a)",
            Step::Origin => "ORIGIN, lower (§9.1.2.2 b)",
            Step::Med => "MULTI_EXIT_DISC within an AS, lower (§9.1.2.2 c)",
            Step::External => "external before internal (§9.1.2.2 d)",
            Step::IgpMetric => "metric to the next hop, lower (§9.1.2.2 e)",
            Step::RouterId => "BGP Identifier, lower (§9.1.2.2 f)",
            Step::ClusterList => "length of CLUSTER_LIST, shorter (RFC 4456 §9)",
            Step::Address => "peer address, lower (§9.1.2.2 g)",
        }
    }

    /// In words, with its place in the standard.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Step::Local => "the best path originates here",
            Step::LocalPref => "lower LOCAL_PREF (RFC 4271 §9.1.1)",
            Step::AsPathLength => "longer AS_PATH (RFC 4271 §9.1.2.2 a)",
            Step::Origin => "higher ORIGIN (RFC 4271 §9.1.2.2 b)",
            Step::Med => "higher MULTI_EXIT_DISC (RFC 4271 §9.1.2.2 c)",
            Step::External => "internal, the best is external (RFC 4271 §9.1.2.2 d)",
            Step::IgpMetric => "higher metric to the next hop (RFC 4271 §9.1.2.2 e)",
            Step::RouterId => "higher BGP Identifier (RFC 4271 §9.1.2.2 f)",
            Step::ClusterList => "longer CLUSTER_LIST (RFC 4456 §9)",
            Step::Address => "higher peer address (RFC 4271 §9.1.2.2 g)",
        }
    }
}

/// Whether the path may be chosen: accepted, without a loop, its next hop resolved.
#[inline]
pub(crate) fn eligible(path: &Path, attrs: &AttrTable) -> bool {
    path.flags & flag::INELIGIBLE == 0 && attrs.next_hops.state(attrs.get(path.used).next_hop).is_some()
}

/// What is compared of a path, unpacked.
struct Candidate<'a> {
    at: usize,
    local: bool,
    preference: u64,
    med: u32,
    neighbor_as: Asn,
    external: bool,
    igp_metric: u32,
    identifier: u32,
    cluster_list_len: u16,
    facts: &'a PeerFacts,
}

impl<'a> Candidate<'a> {
    fn new(at: usize, path: &Path, attrs: &AttrTable, peers: &'a Peers) -> Candidate<'a> {
        let set = attrs.get(path.used);
        let facts = peers.get(path.peer);
        Candidate {
            at,
            local: path.peer == PeerId::LOCAL,
            preference: set.preference,
            med: set.med,
            neighbor_as: set.neighbor_as,
            external: facts.external,
            igp_metric: attrs.next_hops.state(set.next_hop).map_or(u32::MAX, |s| s.metric),
            // RFC 4456 §9: ORIGINATOR_ID stands for the BGP Identifier.
            identifier: if set.originator != 0 { set.originator } else { facts.router_id },
            cluster_list_len: set.cluster_list_len,
            facts,
        }
    }

    /// What is compared of it at a step, in words.
    fn at_step(&self, step: Step) -> String {
        match step {
            Step::Local => if self.local { "originates here" } else { "from a neighbor" }.to_owned(),
            Step::LocalPref => (!((self.preference >> 32) as u32)).to_string(),
            Step::AsPathLength => (self.preference >> 16 & 0xffff).to_string(),
            Step::Origin => match self.preference & 0xffff {
                0 => "IGP",
                1 => "EGP",
                _ => "INCOMPLETE",
            }
            .to_owned(),
            Step::Med => format!("{} of AS {}", self.med, self.neighbor_as),
            Step::External => if self.external { "external" } else { "internal" }.to_owned(),
            Step::IgpMetric => self.igp_metric.to_string(),
            Step::RouterId => std::net::Ipv4Addr::from_bits(self.identifier).to_string(),
            Step::ClusterList => self.cluster_list_len.to_string(),
            Step::Address => self.facts.address.to_string(),
        }
    }

    /// Local origin and degree of preference: what MULTI_EXIT_DISC cannot change.
    fn before_med(&self, other: &Self) -> Ordering {
        other.local.cmp(&self.local).then(self.preference.cmp(&other.preference))
    }

    /// Up to the metric to the next hop: what multipath wants equal.
    fn interior(&self, other: &Self) -> Ordering {
        other.external.cmp(&self.external).then(self.igp_metric.cmp(&other.igp_metric))
    }

    fn tie_break(&self, other: &Self) -> Ordering {
        self.identifier
            .cmp(&other.identifier)
            .then(self.cluster_list_len.cmp(&other.cluster_list_len))
            .then(self.facts.address.cmp(&other.facts.address))
    }
}

type Candidates<'a> = smallvec::SmallVec<[Candidate<'a>; 8]>;

/// The candidates that are left after MULTI_EXIT_DISC.
fn survivors<'a>(
    paths: &[Path],
    attrs: &AttrTable,
    peers: &'a Peers,
    config: &DecisionConfig,
) -> Candidates<'a> {
    let all = paths.iter().enumerate().filter(|(_, p)| eligible(p, attrs));
    let mut left: Candidates<'a> = all.map(|(i, p)| Candidate::new(i, p, attrs, peers)).collect();
    let Some(first) = left.iter().min_by(|a, b| a.before_med(b)) else { return left };
    let (local, preference) = (first.local, first.preference);
    left.retain(|c| c.local == local && c.preference == preference);
    // RFC 4271 §9.1.2.2 c: within each neighbouring AS only the lowest MED stays. All of them are compared as a
    // whole, so that the order of arrival means nothing.
    if left.len() > 1 {
        // With `always-compare-med` all are of one AS, so to say.
        let group = |c: &Candidate<'_>| if config.always_compare_med { Asn(0) } else { c.neighbor_as };
        left.sort_unstable_by_key(|c| (group(c), c.med, c.at));
        let mut lowest = None;
        left.retain(|c| {
            if lowest.is_none_or(|(of, _)| of != group(c)) {
                lowest = Some((group(c), c.med));
            }
            lowest == Some((group(c), c.med))
        });
    }
    left
}

/// The place of the best path; none where no path is eligible.
pub(crate) fn choose(
    paths: &[Path],
    attrs: &AttrTable,
    peers: &Peers,
    config: &DecisionConfig,
) -> Option<usize> {
    let left = survivors(paths, attrs, peers, config);
    left.iter().min_by(|a, b| a.interior(b).then_with(|| a.tie_break(b))).map(|c| c.at)
}

/// The places of the best path and of those that share the load with it, the best first.
pub(crate) fn multipath(
    paths: &[Path],
    attrs: &AttrTable,
    peers: &Peers,
    config: &DecisionConfig,
) -> smallvec::SmallVec<[usize; 8]> {
    let mut left = survivors(paths, attrs, peers, config);
    left.sort_by(|a, b| a.interior(b).then_with(|| a.tie_break(b)));
    let Some(best) = left.first() else { return Default::default() };
    let same_path = |c: &Candidate<'_>| config.multipath_relax || c.neighbor_as == best.neighbor_as;
    left.iter()
        .filter(|c| c.interior(best).is_eq() && c.local == best.local && same_path(c))
        .take(usize::from(config.maximum_paths.max(1)))
        .map(|c| c.at)
        .collect()
}

/// By which step `loser` lost to `best`; both are eligible.
pub(crate) fn lost_by(
    best: &Path,
    loser: &Path,
    attrs: &AttrTable,
    peers: &Peers,
    config: &DecisionConfig,
) -> Step {
    let (b, l) = (Candidate::new(0, best, attrs, peers), Candidate::new(1, loser, attrs, peers));
    let part = |c: &Candidate<'_>, shift: u32, mask: u64| c.preference >> shift & mask;
    if b.local != l.local {
        Step::Local
    } else if part(&b, 32, u64::MAX) != part(&l, 32, u64::MAX) {
        Step::LocalPref
    } else if part(&b, 16, 0xffff) != part(&l, 16, 0xffff) {
        Step::AsPathLength
    } else if b.preference != l.preference {
        Step::Origin
    } else if b.med != l.med && (config.always_compare_med || b.neighbor_as == l.neighbor_as) {
        Step::Med
    } else if b.interior(&l).is_gt() {
        // A third path of the loser's AS with a lower MED put it out.
        Step::Med
    } else if b.external != l.external {
        Step::External
    } else if b.igp_metric != l.igp_metric {
        Step::IgpMetric
    } else if b.tie_break(&l).is_gt() {
        Step::Med
    } else if b.identifier != l.identifier {
        Step::RouterId
    } else if b.cluster_list_len != l.cluster_list_len {
        Step::ClusterList
    } else {
        Step::Address
    }
}

/// What two eligible paths have at each step up to the one by which `loser` lost to `best`.
pub(crate) fn comparison(
    best: &Path,
    loser: &Path,
    attrs: &AttrTable,
    peers: &Peers,
    config: &DecisionConfig,
) -> Vec<(Step, String, String)> {
    let decisive = lost_by(best, loser, attrs, peers, config);
    let (b, l) = (Candidate::new(0, best, attrs, peers), Candidate::new(1, loser, attrs, peers));
    let until = STEPS.iter().position(|step| *step == decisive).map_or(STEPS.len(), |at| at + 1);
    let steps = STEPS.iter().take(until).map(|step| (*step, b.at_step(*step), l.at_step(*step)));
    steps.collect()
}

/// The steps in their order.
const STEPS: [Step; 10] = [
    Step::Local,
    Step::LocalPref,
    Step::AsPathLength,
    Step::Origin,
    Step::Med,
    Step::External,
    Step::IgpMetric,
    Step::RouterId,
    Step::ClusterList,
    Step::Address,
];

/// Why a path is not eligible, in words.
pub(crate) fn ineligible_because(path: &Path, attrs: &AttrTable) -> Option<String> {
    let set = attrs.get(path.used);
    let has = |bit: u8| path.flags & bit != 0;
    if has(flag::AS_LOOP) {
        Some("our AS stands in AS_PATH: a loop (RFC 4271 §9.1.2)".into())
    } else if has(flag::REFLECTION_LOOP) {
        Some("ORIGINATOR_ID or CLUSTER_LIST names us: a loop (RFC 4456 §8)".into())
    } else if has(flag::BAD_NEXT_HOP) {
        Some(
            "NEXT_HOP is our own address, or not on a subnet that we share with the peer (RFC 4271 §6.3)"
                .into(),
        )
    } else if has(flag::LEAK) {
        Some("a route leak by ONLY_TO_CUSTOMER (RFC 9234 §5)".into())
    } else if has(flag::REJECTED) {
        Some("rejected by import policy".into())
    } else if attrs.next_hops.state(set.next_hop).is_none() {
        Some(format!("no route to the next hop {}", attrs.next_hops.address(set.next_hop)))
    } else {
        None
    }
}
