//! `explain route`: what came of each neighbour's route to a destination, and who is told the best one.

use super::peer::{FAMILIES, Peer};
use super::view::{Page, Scope, find};
use super::{Bgp, seconds};
use crate::egress::Told;
use crate::egress::export::Withheld;
use crate::rib::decision::{comparison, ineligible_because, lost_by};
use crate::rib::family::FamilyRib;
use crate::rib::table::{Key, Path, PeerId, RouteIdx, flag};
use trunkline_core::{Instant, Prefix};
use trunkline_view::bgp::PathView;
use trunkline_view::explain::{BgpExplanation, Change, Received, RouteQuery, Sent, Step};

impl Bgp {
    /// The prefix that a question about a destination means, where BGP has one.
    pub fn found(&self, prefix: Prefix) -> Option<Prefix> {
        let v4 = find(&self.rib.v4, prefix).map(|idx| self.rib.v4.table.prefix(idx));
        v4.or_else(|| find(&self.rib.v6, prefix).map(|idx| self.rib.v6.table.prefix(idx)))
    }

    /// All that BGP knows of exactly this prefix.
    pub fn explain_route(&self, now: Instant, prefix: Prefix, query: &RouteQuery) -> BgpExplanation {
        let page = Page { now, scope: Scope::All, limit: usize::MAX, bgp: self };
        if prefix.is_ipv4() {
            Explained { page, number: 0, rib: &self.rib.v4, prefix }.explain(query)
        } else {
            Explained { page, number: 1, rib: &self.rib.v6, prefix }.explain(query)
        }
    }
}

/// What is explained, with what is looked at for it.
struct Explained<'a, K> {
    page: Page<'a>,
    /// The number of the family.
    number: usize,
    rib: &'a FamilyRib<K>,
    prefix: Prefix,
}

impl<K: Key> Explained<'_, K> {
    fn explain(&self, query: &RouteQuery) -> BgpExplanation {
        let key = K::from_prefix(self.prefix);
        let idx = key.and_then(|key| self.rib.table.find(key)).filter(|idx| self.rib.table.occupied(*idx));
        let mut received = idx.map(|idx| self.held(idx)).unwrap_or_default();
        let mut peers: Vec<&Peer> = self.page.bgp.alive().collect();
        peers.sort_by_key(|peer| peer.state.address);
        for peer in &peers {
            if !received.iter().any(|one| one.neighbor == Some(peer.state.address)) {
                received.push(self.absent(peer));
            }
        }
        received.retain(|one| query.from.is_none_or(|from| one.neighbor == Some(from)));
        let told = peers.iter().filter(|peer| query.to.is_none_or(|to| peer.state.address == to));
        BgpExplanation { received, sent: told.map(|peer| self.sent(idx, peer)).collect() }
    }

    /// The paths that are held, the best first.
    fn held(&self, idx: RouteIdx) -> Vec<Received> {
        let paths = self.rib.table.take(idx);
        let mut views = Vec::new();
        self.page.route(self.rib, idx, &mut views);
        let best = self.rib.table.best(idx).copied();
        let second = best.and_then(|best| {
            let runners = paths.iter().filter(|path| path.peer != best.peer && self.is_eligible(path));
            runners.copied().reduce(|a, b| if self.beats(&a, &b) { a } else { b })
        });
        let mut list: Vec<Received> = paths
            .iter()
            .map(|path| {
                let local = path.peer == PeerId::LOCAL;
                let address = self.page.bgp.rib.shared.peers.get(path.peer).address;
                let neighbor = (!local).then_some(address);
                let view = views.iter().find(|view| view.neighbor == neighbor).cloned();
                let rival = if best.is_some_and(|best| best.peer == path.peer) { second } else { best };
                self.received(path, view, rival.as_ref())
            })
            .collect();
        let rank = |one: &Received| match one.verdict.as_str() {
            "best" => 0,
            "multipath" => 1,
            "not best" => 2,
            _ => 3,
        };
        list.sort_by_key(rank);
        list
    }

    fn is_eligible(&self, path: &Path) -> bool {
        crate::rib::decision::eligible(path, &self.page.bgp.rib.shared.attrs)
    }

    /// Of two that both are not the best, which one is nearer to it.
    fn beats(&self, a: &Path, b: &Path) -> bool {
        let shared = &self.page.bgp.rib.shared;
        let pair = [*a, *b];
        crate::rib::decision::choose(&pair, &shared.attrs, &shared.peers, &shared.config) == Some(0)
    }

    fn received(&self, path: &Path, view: Option<PathView>, rival: Option<&Path>) -> Received {
        let shared = &self.page.bgp.rib.shared;
        let (attrs, peers, config) = (&shared.attrs, &shared.peers, &shared.config);
        let peer = self.page.bgp.peers.get(path.peer.index()).and_then(Option::as_ref);
        let is_best = view.as_ref().is_some_and(|view| view.best);
        let eligible = self.is_eligible(path);
        let verdict = match &view {
            Some(view) if view.best => "best",
            Some(view) if view.multipath => "multipath",
            Some(_) if eligible => "not best",
            _ => "not eligible",
        };
        let steps = match rival {
            Some(rival) if eligible => {
                let (better, other) = if is_best { (path, rival) } else { (rival, path) };
                let decisive = lost_by(better, other, attrs, peers, config);
                let all = comparison(better, other, attrs, peers, config).into_iter();
                let step = |(step, better, other): (crate::rib::decision::Step, String, String)| Step {
                    step: step.name().to_owned(),
                    better,
                    other,
                    decides: step == decisive,
                };
                all.map(step).collect()
            }
            _ => Vec::new(),
        };
        Received {
            neighbor: peer.map(|peer| peer.state.address),
            asn: peer.map(|peer| peer.state.config.asn),
            verdict: verdict.to_owned(),
            reason: if eligible {
                view.as_ref().and_then(|v| v.reason.clone())
            } else {
                ineligible_because(path, attrs)
            },
            import: peer.filter(|_| is_judged(path)).map(|peer| peer.state.config.import.words(self.prefix)),
            changes: self.changes(path),
            path: view,
            steps,
        }
    }

    /// What import changed of a path.
    fn changes(&self, path: &Path) -> Vec<Change> {
        if path.received == path.used {
            return Vec::new();
        }
        let attrs = &self.page.bgp.rib.shared.attrs;
        let view = |id| {
            let (attributes, mp) = attrs.attributes(id);
            self.page.view(self.prefix, path, self.number, attributes, mp)
        };
        let (before, after) = (view(path.received), view(path.used));
        let number = |value: Option<u32>| value.map_or_else(|| "none".to_owned(), |value| value.to_string());
        let joined = |list: &[String]| if list.is_empty() { "none".to_owned() } else { list.join(" ") };
        let rows = [
            ("LOCAL_PREF", number(before.local_pref), number(after.local_pref)),
            ("MULTI_EXIT_DISC", number(before.med), number(after.med)),
            ("AS_PATH", before.as_path.clone(), after.as_path.clone()),
            ("COMMUNITIES", joined(&before.communities), joined(&after.communities)),
            ("LARGE_COMMUNITIES", joined(&before.large_communities), joined(&after.large_communities)),
        ];
        let changed = rows.into_iter().filter(|(_, received, used)| received != used);
        changed.map(|(name, received, used)| Change { attribute: name.to_owned(), received, used }).collect()
    }

    /// Why nothing is held from a neighbour.
    fn absent(&self, peer: &Peer) -> Received {
        let family = FAMILIES[self.number];
        let reason = match peer.session.negotiated() {
            None => self.down(peer),
            Some(negotiated) if !negotiated.families.contains(&family) => {
                format!("the session does not carry {family}")
            }
            Some(_) if !peer.state.families[self.number].end_of_rib_received => {
                "it has not sent it, or has withdrawn it; it has not said either that it has sent all"
                    .to_owned()
            }
            Some(_) => "it has not sent it, or has withdrawn it".to_owned(),
        };
        Received {
            neighbor: Some(peer.state.address),
            asn: Some(peer.state.config.asn),
            verdict: "not received".to_owned(),
            reason: Some(reason),
            import: None,
            changes: Vec::new(),
            path: None,
            steps: Vec::new(),
        }
    }

    fn down(&self, peer: &Peer) -> String {
        let view = self.page.bgp.neighbor_view(self.page.now, peer);
        let why = view.down_because.map_or_else(String::new, |why| format!(": {why}"));
        format!("the session is not up{why}")
    }

    fn sent(&self, idx: Option<RouteIdx>, peer: &Peer) -> Sent {
        let best = idx.and_then(|idx| Some((idx, self.rib.table.best(idx)?)));
        let (sent, reason, path) = match best {
            None => (false, "there is no best path".to_owned(), None),
            Some((_, best)) => self.export(best, peer),
        };
        let told = best.filter(|_| sent).and_then(|(idx, best)| {
            let told = self.rib.egress.told(seconds(self.page.now), peer.state.id, idx)?;
            // No sooner than the path came.
            Some(if told == Told::Until(best.stamp) { Told::At(best.stamp) } else { told })
        });
        let ago = |at| Some(f64::from(seconds(self.page.now).saturating_sub(at)));
        let (age, at_least) = match told {
            Some(Told::At(at)) => (ago(at), false),
            Some(Told::Until(at)) => (ago(at), true),
            Some(Told::Waits) | None => (None, false),
        };
        let waiting = told == Some(Told::Waits);
        let (neighbor, asn) = (peer.state.address, peer.state.config.asn);
        Sent { neighbor, asn, sent, waiting, age, at_least, reason, path }
    }

    fn export(&self, best: &Path, peer: &Peer) -> (bool, String, Option<PathView>) {
        let id = peer.state.id;
        let shared = &self.page.bgp.rib.shared;
        if best.peer == id {
            return (false, "the best path came from it".to_owned(), None);
        }
        let Some(rules) = self.rib.egress.rules(id) else {
            let reason = match peer.session.negotiated() {
                None => self.down(peer),
                Some(_) => format!("the session does not carry {}", FAMILIES[self.number]),
            };
            return (false, reason, None);
        };
        let source = shared.peers.get(best.peer);
        match rules.judge(|| self.prefix, best, source, &shared.attrs) {
            Err(Withheld::Policy) => (false, rules.policy.words(self.prefix), None),
            Err(why) => (false, why.words().to_owned(), None),
            Ok(rule) => match rules.attributes(best, rules.policy.actions(rule), source, &shared.attrs) {
                None => (false, "its next hop cannot be said in this session (RFC 8950)".to_owned(), None),
                Some((attributes, mp)) => {
                    let view = self.page.view(self.prefix, best, self.number, attributes, mp);
                    (true, rules.policy.words(self.prefix), Some(PathView { igp_metric: None, ..view }))
                }
            },
        }
    }
}

/// Whether import policy had a say: what is refused before it is not asked.
fn is_judged(path: &Path) -> bool {
    path.flags & (flag::INELIGIBLE & !flag::REJECTED) == 0
}
