//! One family's table: Adj-RIB-In of all peers and Loc-RIB in one, as RFC 4271 §3.2 allows.
//!
//! A destination is a [`Route`] in a slab, found by hash; its paths form a list of which the first stands inline
//! and is the best one once the decision was made. A path is 20 octets.

use super::attrs::AttrId;
use super::slab::{Places, Slab};
use crate::egress::RouteSet;
use foldhash::fast::FixedState;
use smallvec::SmallVec;
use std::hash::{BuildHasher, Hash};
use trunkline_core::{Ipv4Prefix, Ipv6Prefix, Prefix};
use trunkline_wire::bgp::{Family, NlriPrefix, emit_mp_unreach, emit_update_ipv4, emit_withdraw_ipv4};

/// Index of a neighbour among those of this speaker. 0 is the speaker itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct PeerId(pub(crate) u16);

impl PeerId {
    /// Routes that originate here.
    pub(crate) const LOCAL: PeerId = PeerId(0);
    /// No path.
    pub(crate) const NONE: PeerId = PeerId(u16::MAX);
    /// The highest id, which is also the highest number of neighbours.
    pub(crate) const MAX: u16 = u16::MAX - 1;

    #[inline]
    pub(crate) fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// Why a path cannot be best, and what it is, as bits of [`Path::flags`].
pub(crate) mod flag {
    /// Import policy rejects it.
    pub(crate) const REJECTED: u8 = 1;
    /// Our AS stands in AS_PATH (RFC 4271 §9.1.2).
    pub(crate) const AS_LOOP: u8 = 1 << 1;
    /// ORIGINATOR_ID or CLUSTER_LIST name us (RFC 4456 §8).
    pub(crate) const REFLECTION_LOOP: u8 = 1 << 2;
    /// NEXT_HOP is not one that this peer may give (RFC 4271 §6.3).
    pub(crate) const BAD_NEXT_HOP: u8 = 1 << 3;
    /// A leak by ONLY_TO_CUSTOMER (RFC 9234 §5).
    pub(crate) const LEAK: u8 = 1 << 4;
    /// Any of the above.
    pub(crate) const INELIGIBLE: u8 = REJECTED | AS_LOOP | REFLECTION_LOOP | BAD_NEXT_HOP | LEAK;
    /// The decision process chose it; only ever on the first path of a route.
    pub(crate) const BEST: u8 = 1 << 7;
}

/// A path to a destination, as one neighbour gave it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Path {
    pub(crate) peer: PeerId,
    pub(crate) flags: u8,
    /// The peer's epoch when it came; another one: it is stale.
    pub(crate) epoch: u8,
    /// As received (Adj-RIB-In).
    pub(crate) received: AttrId,
    /// After import policy.
    pub(crate) used: AttrId,
    /// Seconds since the start when it came or changed.
    pub(crate) stamp: u32,
    next: u32,
}

const END: u32 = u32::MAX;

impl Path {
    const EMPTY: Path = Path {
        peer: PeerId::NONE,
        flags: 0,
        epoch: 0,
        received: AttrId::NONE,
        used: AttrId::NONE,
        stamp: 0,
        next: END,
    };

    pub(crate) fn new(
        peer: PeerId,
        epoch: u8,
        received: AttrId,
        used: AttrId,
        flags: u8,
        stamp: u32,
    ) -> Path {
        Path { peer, flags, epoch, received, used, stamp, next: END }
    }
}

/// Index of a destination in its table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct RouteIdx(pub(crate) u32);

/// How a prefix is kept: packed to four-octet alignment.
pub(crate) trait Key: Copy + Eq + Hash + std::fmt::Debug + 'static {
    fn from_prefix(prefix: Prefix) -> Option<Self>;
    fn prefix(self) -> Prefix;
    /// As it goes on the wire.
    type Wire: NlriPrefix;
    fn wire(self) -> Self::Wire;
    /// Appends an UPDATE with an NLRI field, where the family has one; how many prefixes it took.
    fn emit_update(max_len: usize, block: &[u8], prefixes: &[Self::Wire], out: &mut Vec<u8>) -> usize;
    /// Appends an UPDATE that withdraws, in Withdrawn Routes or in MP_UNREACH_NLRI; how many prefixes it took.
    fn emit_withdraw(max_len: usize, prefixes: &[Self::Wire], out: &mut Vec<u8>) -> usize;
    /// The key of the same address with a shorter length.
    fn shortened(self, len: u8) -> Self;
    fn len(self) -> u8;
}

impl Key for Ipv4Prefix {
    fn from_prefix(prefix: Prefix) -> Option<Self> {
        match prefix {
            Prefix::V4(p) => Some(p),
            Prefix::V6(_) => None,
        }
    }

    fn prefix(self) -> Prefix {
        Prefix::V4(self)
    }

    type Wire = Ipv4Prefix;

    #[inline]
    fn wire(self) -> Ipv4Prefix {
        self
    }

    fn emit_update(max_len: usize, block: &[u8], prefixes: &[Ipv4Prefix], out: &mut Vec<u8>) -> usize {
        emit_update_ipv4(max_len, block, prefixes, out)
    }

    fn emit_withdraw(max_len: usize, prefixes: &[Ipv4Prefix], out: &mut Vec<u8>) -> usize {
        emit_withdraw_ipv4(max_len, prefixes, out)
    }

    fn shortened(self, len: u8) -> Self {
        Ipv4Prefix::from_bits(self.bits(), len)
    }

    fn len(self) -> u8 {
        self.len()
    }
}

/// An IPv6 prefix in 20 octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Ipv6Key {
    words: [u32; 4],
    len: u8,
}

impl From<Ipv6Prefix> for Ipv6Key {
    fn from(p: Ipv6Prefix) -> Ipv6Key {
        let b = p.bits();
        Ipv6Key { words: [(b >> 96) as u32, (b >> 64) as u32, (b >> 32) as u32, b as u32], len: p.len() }
    }
}

impl Key for Ipv6Key {
    fn from_prefix(prefix: Prefix) -> Option<Self> {
        match prefix {
            Prefix::V4(_) => None,
            Prefix::V6(p) => Some(p.into()),
        }
    }

    fn prefix(self) -> Prefix {
        Prefix::V6(self.wire())
    }

    type Wire = Ipv6Prefix;

    #[inline]
    fn wire(self) -> Ipv6Prefix {
        let [a, b, c, d] = self.words.map(u128::from);
        Ipv6Prefix::from_bits(a << 96 | b << 64 | c << 32 | d, self.len)
    }

    fn emit_update(_: usize, _: &[u8], _: &[Ipv6Prefix], _: &mut Vec<u8>) -> usize {
        0
    }

    fn emit_withdraw(max_len: usize, prefixes: &[Ipv6Prefix], out: &mut Vec<u8>) -> usize {
        emit_mp_unreach(max_len, Family::IPV6_UNICAST, prefixes, out)
    }

    fn shortened(self, len: u8) -> Self {
        Ipv6Prefix::from_bits(self.wire().bits(), len).into()
    }

    fn len(self) -> u8 {
        self.len
    }
}

/// A destination.
#[derive(Debug)]
pub(crate) struct Route<K> {
    key: K,
    head: Path,
}

/// The paths of a destination while they are being worked on.
pub(crate) type Paths = SmallVec<[Path; 8]>;

/// Destinations that are worth being fetched at once: what is read of them fits into the processor's first cache.
pub(crate) const FETCHED: usize = 64;

/// Destinations that one [`Table::reclaim`] may look at in vain, and at all, beside those that came since.
const RECLAIM_PATIENCE: u32 = 64;
const RECLAIM_SLICE: u32 = 4096;

/// All destinations of a family.
pub(crate) struct Table<K> {
    hasher: FixedState,
    index: Places,
    routes: Slab<Route<K>>,
    /// Second and further paths.
    more: Slab<Path>,
    /// Places that were fetched, and a buffer for that.
    fetched: (Vec<u32>, Vec<u32>),
    /// Destinations that lost their last path: the place may be taken again once no neighbour needs a withdrawal.
    /// One that has paths again is found out when its turn comes.
    empty: RouteSet,
    /// How often that happened since [`Table::reclaim`], which goes on from `reclaimed_to`.
    emptied: u32,
    reclaimed_to: u32,
    occupied: u64,
    paths: u64,
    best: u64,
}

impl<K: Key> Table<K> {
    pub(crate) fn new(seed: u64) -> Table<K> {
        Table {
            hasher: FixedState::with_seed(seed),
            index: Places::new(),
            routes: Slab::new(),
            more: Slab::new(),
            fetched: (Vec::new(), Vec::new()),
            empty: RouteSet::default(),
            emptied: 0,
            reclaimed_to: 0,
            occupied: 0,
            paths: 0,
            best: 0,
        }
    }

    /// Places, in use or free: every [`RouteIdx`] is below.
    pub(crate) fn places(&self) -> u32 {
        self.routes.places()
    }

    /// Destinations with paths, paths, destinations with a best path.
    pub(crate) fn counts(&self) -> (u64, u64, u64) {
        (self.occupied, self.paths, self.best)
    }

    pub(crate) fn find(&self, key: K) -> Option<RouteIdx> {
        let hash = self.hasher.hash_one(key);
        self.index.find(hash, |i| self.routes[i].key == key).map(RouteIdx)
    }

    /// Finds many destinations at once for [`Table::fetched`], and reads all their paths: `look` may read what hangs on
    /// each. To find one is a chain of reads of which each waits for the one before; those of several wait together.
    pub(crate) fn fetch(&mut self, keys: impl Iterator<Item = K> + Clone, mut look: impl FnMut(&Path)) {
        let (found, further) = &mut self.fetched;
        found.clear();
        for key in keys.clone() {
            // Whose place it is tells its key, which is not here yet: it nearly always is the right one.
            found.push(self.index.find(self.hasher.hash_one(key), |_| true).unwrap_or(END));
        }
        for (key, place) in keys.zip(found) {
            match self.routes.get(*place).filter(|route| route.key == key) {
                Some(Route { head, .. }) if head.peer != PeerId::NONE => {
                    look(head);
                    further.push(head.next);
                }
                Some(_) => {}
                None => *place = END,
            }
        }
        while !further.is_empty() {
            further.retain_mut(|place| {
                let Some(path) = self.more.get(*place) else { return false };
                *place = path.next;
                look(path);
                true
            });
        }
    }

    /// Where a destination of the last [`Table::fetch`] is, by its number there, until places are freed; one that is
    /// there may be missed.
    #[inline]
    pub(crate) fn fetched(&self, number: usize) -> Option<RouteIdx> {
        self.fetched.0.get(number).filter(|place| **place != END).map(|place| RouteIdx(*place))
    }

    /// The most specific destination with paths that covers `key`.
    pub(crate) fn longest_match(&self, key: K) -> Option<RouteIdx> {
        (0..=key.len())
            .rev()
            .filter_map(|len| self.find(key.shortened(len)))
            .find(|idx| self.best(*idx).is_some())
    }

    pub(crate) fn find_or_insert(&mut self, key: K) -> RouteIdx {
        let hash = self.hasher.hash_one(key);
        let (routes, hasher) = (&mut self.routes, &self.hasher);
        if let Some(i) = self.index.find(hash, |i| routes[i].key == key) {
            return RouteIdx(i);
        }
        let i = routes.insert(Route { key, head: Path::EMPTY });
        self.index.insert(hash, i, |i| hasher.hash_one(routes[i].key));
        RouteIdx(i)
    }

    pub(crate) fn prefix(&self, idx: RouteIdx) -> Prefix {
        self.routes[idx.0].key.prefix()
    }

    #[inline]
    pub(crate) fn key(&self, idx: RouteIdx) -> K {
        self.routes[idx.0].key
    }

    /// The best path.
    #[inline]
    pub(crate) fn best(&self, idx: RouteIdx) -> Option<&Path> {
        let head = &self.routes.get(idx.0)?.head;
        (head.flags & flag::BEST != 0).then_some(head)
    }

    /// All paths, the best first.
    pub(crate) fn paths(&self, idx: RouteIdx) -> impl Iterator<Item = &Path> {
        let first = self.routes.get(idx.0).map(|route| &route.head).filter(|head| head.peer != PeerId::NONE);
        std::iter::successors(first, |path| self.more.get(path.next))
    }

    /// The only path, where there is exactly one: the common case, without a copy.
    #[inline]
    pub(crate) fn single(&self, idx: RouteIdx) -> Option<&Path> {
        let head = &self.routes[idx.0].head;
        (head.next == END && head.peer != PeerId::NONE).then_some(head)
    }

    pub(crate) fn take(&self, idx: RouteIdx) -> Paths {
        self.paths(idx).copied().collect()
    }

    /// Writes the paths of a destination; the first is the best where it says so.
    pub(crate) fn put(&mut self, idx: RouteIdx, paths: &[Path]) {
        let head = self.routes[idx.0].head;
        let had = head.peer != PeerId::NONE;
        let mut old = head.next;
        let mut count = usize::from(had);
        // Places of the old list are taken again in order.
        let mut places: SmallVec<[u32; 8]> = SmallVec::new();
        while old != END {
            places.push(old);
            old = self.more[old].next;
            count += 1;
        }
        while places.len() + 1 < paths.len() {
            places.push(self.more.insert(Path::EMPTY));
        }
        while places.len() + 1 > paths.len().max(1) {
            places.pop().into_iter().for_each(|place| self.more.remove(place));
        }
        for (i, path) in paths.iter().enumerate() {
            let mut path = *path;
            path.next = places.get(i).copied().unwrap_or(END);
            if i == 0 {
                self.routes[idx.0].head = path;
            } else {
                path.flags &= !flag::BEST;
                self.more[places[i - 1]] = path;
            }
        }
        if paths.is_empty() {
            self.routes[idx.0].head = Path::EMPTY;
        }
        self.paths = self.paths + paths.len() as u64 - count as u64;
        self.count_change(idx, head.flags, had, paths.first().map_or(0, |p| p.flags), !paths.is_empty());
    }

    /// Writes the only path of a destination that has one or none.
    #[inline]
    pub(crate) fn put_single(&mut self, idx: RouteIdx, path: Path) {
        let head = &mut self.routes[idx.0].head;
        let (old_flags, had) = (head.flags, head.peer != PeerId::NONE);
        debug_assert!(head.next == END, "a destination with several paths");
        *head = path;
        self.paths += u64::from(!had);
        self.count_change(idx, old_flags, had, path.flags, true);
    }

    #[inline]
    fn count_change(&mut self, idx: RouteIdx, old_flags: u8, had: bool, new_flags: u8, has: bool) {
        self.best -= u64::from(had && old_flags & flag::BEST != 0);
        self.best += u64::from(has && new_flags & flag::BEST != 0);
        self.occupied = self.occupied + u64::from(has) - u64::from(had);
        if had && !has {
            self.empty.insert(idx);
            self.emptied += 1;
        }
    }

    /// A path that is there already came again unchanged, or only its epoch differs.
    pub(crate) fn touch(&mut self, idx: RouteIdx, peer: PeerId, epoch: u8) {
        let head = &mut self.routes[idx.0].head;
        if head.peer == peer {
            head.epoch = epoch;
            return;
        }
        let mut at = head.next;
        while at != END {
            let path = &mut self.more[at];
            if path.peer == peer {
                path.epoch = epoch;
                return;
            }
            at = path.next;
        }
    }

    /// Frees the places of destinations without paths for which `unused` holds. It goes round them a part at a time:
    /// twice as many as came since, so that those that must stay never hide the others; further while that is worth
    /// the effort.
    pub(crate) fn reclaim(&mut self, mut unused: impl FnMut(RouteIdx) -> bool) {
        let mut patience =
            std::mem::take(&mut self.emptied).saturating_mul(2).saturating_add(RECLAIM_PATIENCE);
        for _ in 0..self.empty.len().min(patience.saturating_add(RECLAIM_SLICE)) {
            let found = self.empty.next(self.reclaimed_to).or_else(|| self.empty.next(0));
            let Some(idx) = found.filter(|_| patience > 0) else { break };
            self.reclaimed_to = idx.0 + 1;
            if self.occupied(idx) {
                self.empty.remove(idx);
            } else if unused(idx) {
                self.empty.remove(idx);
                let hash_of = |i| self.hasher.hash_one(self.routes[i].key);
                if self.index.remove(hash_of(idx.0), idx.0, hash_of) {
                    self.routes.remove(idx.0);
                }
            } else {
                patience -= 1;
            }
        }
    }

    /// Whether destinations wait for [`Table::reclaim`].
    pub(crate) fn has_empty(&self) -> bool {
        !self.empty.is_empty()
    }

    /// Whether new ones wait.
    pub(crate) fn emptied(&self) -> bool {
        self.emptied > 0
    }

    /// Whether this place holds a destination with paths.
    pub(crate) fn occupied(&self, idx: RouteIdx) -> bool {
        self.routes.get(idx.0).is_some_and(|r| r.head.peer != PeerId::NONE)
    }
}
