//! Real tables and updates, replayed through a speaker to a receiver, against a model computed from the files.

use crate::rig::*;
use flate2::read::MultiGzDecoder;
use std::collections::BTreeMap;
use std::io::Read;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use trunkline_bgp::config::{Config, NeighborConfig};
use trunkline_core::{Asn, Ipv4Prefix, Ipv6Prefix, Prefix};
use trunkline_view::bgp::RoutesQuery;
use trunkline_wire::bgp::*;
use trunkline_wire::mrt::{self, RecordBody};

/// The decompressed dump; where it is missing, the test fails and says where it belongs.
fn dump(name: &str) -> Vec<u8> {
    let directory = std::env::var_os("TRUNKLINE_DATA")
        .map(PathBuf::from)
        .unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"));
    let path = directory.join(name);
    let file = std::fs::File::open(&path).unwrap_or_else(|e| {
        panic!("{e}: expected the MRT dump {} (TRUNKLINE_DATA names another directory)", path.display())
    });
    let mut bytes = Vec::new();
    MultiGzDecoder::new(file).read_to_end(&mut bytes).expect("a gzip file");
    bytes
}

/// What the model holds of one path: as received.
type Path = (Attributes, Option<MpNextHop>);

/// Adj-RIBs-In as maps, by prefix and peer.
#[derive(Default)]
struct Model {
    paths: BTreeMap<Prefix, BTreeMap<usize, Path>>,
}

impl Model {
    fn announce(&mut self, prefix: Prefix, peer: usize, path: Path) {
        self.paths.entry(prefix).or_default().insert(peer, path);
    }

    fn withdraw(&mut self, prefix: Prefix, peer: usize) {
        if let Some(paths) = self.paths.get_mut(&prefix) {
            paths.remove(&peer);
        }
    }

    /// RFC 4271 §9.1.2.2 for external peers without LOCAL_PREF whose next hops are all equally far.
    fn best(&self, prefix: &Prefix, rig: &Rig) -> Option<(usize, &Path)> {
        let all: Vec<_> = self.paths.get(prefix)?.iter().collect();
        let length = |(_, (a, _)): &(&usize, &Path)| a.as_path.as_ref().map_or(0, AsPath::path_length);
        let shortest = all.iter().map(length).min()?;
        let left: Vec<_> = all.into_iter().filter(|p| length(p) == shortest).collect();
        let origin = left.iter().map(|(_, (a, _))| a.origin).min()?;
        let left: Vec<_> = left.into_iter().filter(|(_, (a, _))| a.origin == origin).collect();
        let neighbor = |a: &Attributes| a.as_path.as_ref().and_then(AsPath::first_as);
        let med = |a: &Attributes| a.med.unwrap_or(0);
        let worse =
            |a: &Attributes| left.iter().any(|(_, (b, _))| neighbor(a) == neighbor(b) && med(b) < med(a));
        let best = left.iter().filter(|(_, (a, _))| !worse(a)).min_by_key(|(peer, _)| {
            let peer = &rig.peers[**peer];
            (peer.open.bgp_identifier, peer.address)
        });
        best.map(|(peer, path)| (**peer, *path))
    }
}

/// A speaker with one peer for each AS of the file, and a receiver at the end.
struct Replay {
    rig: Rig,
    model: Model,
    by_as: BTreeMap<Asn, usize>,
    receiver: usize,
}

const RECEIVER: u32 = 64_999;

fn replay(ases: &[Asn], four_octet_as: bool) -> Replay {
    let many = |at: usize, asn: Asn| {
        let address = IpAddr::V4(Ipv4Addr::new(192, 0, 2, at as u8 + 10));
        let mut n = NeighborConfig { multihop: Some(64), ..neighbor(&address.to_string(), asn.0) };
        // Collectors peer with route servers, too.
        n.enforce_first_as = false;
        n
    };
    let neighbors =
        ases.iter().enumerate().map(|(at, asn)| many(at, *asn)).chain([neighbor("192.0.2.5", RECEIVER)]);
    let config = Config { asn: Asn(64_998), ..with(neighbors) };
    let mut rig = Rig::new(config.clone());
    for n in &config.neighbors {
        let peer = rig.peer(n.address, n.asn.0);
        if n.asn.0 != RECEIVER && !four_octet_as {
            rig.offer(peer, |caps| caps.retain(|c| !matches!(c, Capability::FourOctetAs(_))));
        }
        rig.connect(peer);
        assert!(rig.peers[peer].established);
    }
    let by_as = ases.iter().enumerate().map(|(at, asn)| (*asn, at)).collect();
    Replay { rig, model: Model::default(), by_as, receiver: ases.len() }
}

impl Replay {
    /// An UPDATE of a peer, to the speaker and into the model.
    fn update(&mut self, peer: usize, message: &[u8], four_octet_as: bool) {
        let body = frame(message, MAX_MESSAGE_LEN).unwrap().unwrap().body;
        let update = Update::new_checked(body).unwrap();
        let ctx = ParseContext { four_octet_as, ebgp: true, extended_next_hop: false };
        let parsed = parse_attributes(update.path_attributes, !update.nlri.is_empty(), &ctx);
        assert!(parsed.severity() < Some(Severity::TreatAsWithdraw), "{:?}", parsed.faults);
        let v4 = |octets| ipv4_prefixes(octets).map(|p: Result<Ipv4Prefix, _>| Prefix::V4(p.unwrap()));
        let v6 = |octets| ipv6_prefixes(octets).map(|p: Result<Ipv6Prefix, _>| Prefix::V6(p.unwrap()));
        v4(update.withdrawn_routes).for_each(|p| self.model.withdraw(p, peer));
        if let Some(unreach) = parsed.unreach {
            v6(unreach.withdrawn).for_each(|p| self.model.withdraw(p, peer));
        }
        for prefix in v4(update.nlri) {
            self.model.announce(prefix, peer, (parsed.attributes.clone(), None));
        }
        if let Some(reach) = parsed.reach {
            let attributes = Attributes { next_hop: None, ..parsed.attributes.clone() };
            for prefix in v6(reach.nlri) {
                self.model.announce(prefix, peer, (attributes.clone(), Some(reach.next_hop)));
            }
        }
        self.rig.push(peer, message);
    }

    /// Adj-RIBs-In, Loc-RIB and what the receiver holds are those of the model.
    fn check(&mut self) {
        self.rig.settle();
        self.model.paths.retain(|_, paths| !paths.is_empty());
        for peer in 0..self.receiver {
            let query =
                RoutesQuery { received: Some(self.rig.peers[peer].address), ..RoutesQuery::default() };
            let mut held: Vec<_> =
                self.rig.all(&query).into_iter().map(|v| (v.prefix, v.as_path, v.next_hop, v.med)).collect();
            held.sort_unstable();
            let mine =
                self.model.paths.iter().filter_map(|(prefix, paths)| Some((prefix, paths.get(&peer)?)));
            let want: Vec<_> = mine
                .map(|(prefix, (a, mp))| {
                    let hop = mp.and_then(MpNextHop::address).or(a.next_hop.map(IpAddr::V4));
                    (*prefix, a.as_path.as_ref().unwrap().to_string(), hop, a.med)
                })
                .collect();
            assert!(
                held == want,
                "Adj-RIB-In of {}: {} and {}",
                self.rig.peers[peer].address,
                held.len(),
                want.len()
            );
            assert_eq!(self.rig.view(peer).summary.prefixes_received, want.len() as u64);
        }
        let mut best = BTreeMap::new();
        for prefix in self.model.paths.keys() {
            best.extend(
                self.model.best(prefix, &self.rig).map(|(peer, path)| (*prefix, (peer, path.clone()))),
            );
        }
        let hops: BTreeMap<Prefix, IpAddr> =
            self.rig.routes.iter().map(|(p, r)| (*p, r.next_hops[0])).collect();
        let hop = |(a, mp): &Path| mp.and_then(MpNextHop::address).or(a.next_hop.map(IpAddr::V4)).unwrap();
        let want: BTreeMap<Prefix, IpAddr> = best.iter().map(|(p, (_, path))| (*p, hop(path))).collect();
        assert!(hops == want, "Loc-RIB: {} and {}", hops.len(), want.len());
        let stops = [Community::NO_EXPORT, Community::NO_ADVERTISE, Community::NO_EXPORT_SUBCONFED];
        let told = best.iter().filter(|(_, (_, (a, _)))| !a.communities.iter().any(|c| stops.contains(c)));
        let want: BTreeMap<Prefix, Attributes> =
            told.map(|(p, (_, (a, _)))| (*p, as_sent(a, p.is_ipv4()))).collect();
        let held: BTreeMap<Prefix, &Attributes> =
            self.rig.peers[self.receiver].table.iter().map(|(p, (a, _))| (*p, a)).collect();
        assert_eq!(held.len(), want.len());
        for (prefix, attributes) in &want {
            assert_eq!(held.get(prefix), Some(&attributes), "{prefix}");
        }
        assert_eq!(self.rig.peers[self.receiver].wasteful, 0);
        self.rig.check_advertised(self.receiver);
    }

    /// All peers go, one by one; at the end there is nothing.
    fn end(&mut self) {
        for peer in 0..self.receiver {
            self.rig.cut(peer);
            self.model.paths.values_mut().for_each(|paths| drop(paths.remove(&peer)));
            if peer == self.receiver / 2 {
                self.check();
            }
        }
        self.check();
        assert!(self.rig.routes.is_empty() && self.rig.tracked.is_empty());
        assert!(self.rig.peers[self.receiver].table.is_empty());
    }
}

/// Towards an external peer (RFC 4271 §5.1.2 to §5.1.5).
fn as_sent(received: &Attributes, v4: bool) -> Attributes {
    let mut a = received.clone();
    a.as_path.as_mut().unwrap().prepend(Asn(64_998), 1);
    a.next_hop = v4.then_some(Ipv4Addr::new(192, 0, 2, 1));
    (a.med, a.local_pref) = (None, None);
    a.extended_communities.retain(|c| c.is_transitive());
    a.unknown.iter_mut().for_each(|u| u.flags |= flag::PARTIAL);
    a
}

#[test]
fn updates_of_2019() {
    let dump = dump("updates.20190101.0000.gz");
    let bodies = || mrt::records(&dump).map(|record| record.unwrap().body().unwrap());
    let mut ases: Vec<Asn> = bodies()
        .filter_map(|body| match body {
            RecordBody::Message(m) => Some(m.session.peer_as),
            _ => None,
        })
        .collect();
    ases.sort_unstable();
    ases.dedup();
    let mut replay = replay(&ases, true);
    let mut updates = 0;
    for body in bodies() {
        let RecordBody::Message(m) = body else { continue };
        let frame = frame(m.message, MAX_MESSAGE_LEN).unwrap().unwrap();
        let update = Update::new_checked(frame.body).ok().filter(|_| frame.kind == MessageType::Update);
        if update.is_none_or(|u| u.end_of_rib().is_some()) {
            continue;
        }
        let peer = replay.by_as[&m.session.peer_as];
        assert!(m.four_octet_as);
        replay.update(peer, m.message, true);
        updates += 1;
        // What is not sent yet collapses: let some pile up.
        if updates % 1000 == 0 {
            replay.rig.settle();
        }
    }
    assert!(updates > 54_000, "{updates}");
    replay.check();
    println!("{} prefixes, {} peers, {updates} updates", replay.model.paths.len(), ases.len());
    replay.end();
}

#[test]
fn table_of_2002() {
    let dump = dump("bview.20020722.2337.gz");
    let mut routes: BTreeMap<(Asn, Vec<u8>), Vec<Ipv4Prefix>> = BTreeMap::new();
    for record in mrt::records(&dump) {
        let RecordBody::TableDump(entry) = record.unwrap().body().unwrap() else { panic!("another record") };
        let Prefix::V4(prefix) = entry.prefix else { panic!("{}", entry.prefix) };
        routes.entry((entry.peer_as, entry.attributes.to_vec())).or_default().push(prefix);
    }
    let mut ases: Vec<Asn> = routes.keys().map(|(asn, _)| *asn).collect();
    ases.dedup();
    let mut replay = replay(&ases, false);
    for ((asn, attributes), prefixes) in &routes {
        let peer = replay.by_as[asn];
        for some in prefixes.chunks(500) {
            replay.update(peer, &raw_update(&[], attributes, some), false);
        }
    }
    replay.check();
    println!("{} prefixes, {} peers", replay.model.paths.len(), ases.len());
    replay.end();
}
