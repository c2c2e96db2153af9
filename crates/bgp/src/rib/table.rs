//! One family's table: Adj-RIB-In of all peers and Loc-RIB in one, as RFC 4271 §3.2 allows.
//!
//! Destinations are shared out over [`Shard`]s, those of one block of addresses together, as those that share their
//! attributes often are neighbours.

use super::attrs::AttrId;
use super::shard::Shard;
use smallvec::SmallVec;
use std::hash::Hash;
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
    /// The place of the next one in its shard.
    pub(super) next: u32,
}

/// No place.
pub(super) const END: u32 = u32::MAX;

impl Path {
    pub(super) const EMPTY: Path = Path {
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

/// Index of a destination in its table: its place in its shard, and the shard's number in the lowest bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct RouteIdx(pub(crate) u32);

/// How a prefix is kept: packed to four-octet alignment.
pub(crate) trait Key: Copy + Eq + Hash + std::fmt::Debug + Send + Sync + 'static {
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
    /// The block of addresses that it is in: a /16 of IPv4, a /32 of IPv6.
    fn block(self) -> u32;
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

    fn block(self) -> u32 {
        self.bits() >> 16
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

    fn block(self) -> u32 {
        self.words[0]
    }
}

/// The paths of a destination while they are being worked on.
pub(crate) type Paths = SmallVec<[Path; 8]>;

/// All destinations of a family.
pub(crate) struct Table<K> {
    /// As many as a power of two.
    pub(super) shards: Vec<Shard<K>>,
    /// The bits of a [`RouteIdx`] that name the shard.
    bits: u32,
}

impl<K: Key> Table<K> {
    /// With so many shards, or the next power of two.
    pub(crate) fn new(seed: u64, shards: usize) -> Table<K> {
        let shards = shards.next_power_of_two();
        Table { shards: (0..shards).map(|_| Shard::new(seed)).collect(), bits: shards.trailing_zeros() }
    }

    /// The number of the shard that a destination belongs to.
    #[inline]
    pub(super) fn shard_of(&self, key: K) -> usize {
        // Fibonacci hashing: the upper bits of the product are well mixed.
        (key.block().wrapping_mul(0x9e37_79b9) >> 16) as usize & (self.shards.len() - 1)
    }

    #[inline]
    pub(super) fn idx(&self, shard: usize, place: u32) -> RouteIdx {
        RouteIdx(place << self.bits | shard as u32)
    }

    #[inline]
    fn shard(&self, idx: RouteIdx) -> (&Shard<K>, u32) {
        (&self.shards[idx.0 as usize & (self.shards.len() - 1)], idx.0 >> self.bits)
    }

    #[inline]
    pub(super) fn shard_mut(&mut self, idx: RouteIdx) -> (&mut Shard<K>, u32) {
        let shard = idx.0 as usize & (self.shards.len() - 1);
        (&mut self.shards[shard], idx.0 >> self.bits)
    }

    /// Places, in use or free: every [`RouteIdx`] is below.
    pub(crate) fn places(&self) -> u32 {
        self.shards.iter().map(Shard::places).max().unwrap_or(0) << self.bits
    }

    /// Destinations with paths, paths, destinations with a best path.
    pub(crate) fn counts(&self) -> (u64, u64, u64) {
        let add = |(a, b, c), (x, y, z)| (a + x, b + y, c + z);
        self.shards.iter().map(Shard::counts).fold((0, 0, 0), add)
    }

    pub(crate) fn find(&self, key: K) -> Option<RouteIdx> {
        let shard = self.shard_of(key);
        self.shards[shard].find(key).map(|place| self.idx(shard, place))
    }

    /// The most specific destination with paths that covers `key`.
    pub(crate) fn longest_match(&self, key: K) -> Option<RouteIdx> {
        (0..=key.len())
            .rev()
            .filter_map(|len| self.find(key.shortened(len)))
            .find(|idx| self.best(*idx).is_some())
    }

    pub(crate) fn prefix(&self, idx: RouteIdx) -> Prefix {
        self.key(idx).prefix()
    }

    #[inline]
    pub(crate) fn key(&self, idx: RouteIdx) -> K {
        let (shard, place) = self.shard(idx);
        shard.key(place)
    }

    /// The best path.
    #[inline]
    pub(crate) fn best(&self, idx: RouteIdx) -> Option<&Path> {
        let (shard, place) = self.shard(idx);
        shard.best(place)
    }

    /// All paths, the best first.
    #[inline]
    pub(crate) fn paths(&self, idx: RouteIdx) -> impl Iterator<Item = &Path> {
        let (shard, place) = self.shard(idx);
        shard.paths(place)
    }

    pub(crate) fn take(&self, idx: RouteIdx) -> Paths {
        self.paths(idx).copied().collect()
    }

    /// Frees the places of destinations without paths for which `unused` holds, a part of them at a time.
    pub(crate) fn reclaim(&mut self, mut unused: impl FnMut(RouteIdx) -> bool) {
        for (number, shard) in self.shards.iter_mut().enumerate() {
            shard.reclaim(|place| unused(RouteIdx(place << self.bits | number as u32)));
        }
    }

    /// Whether destinations wait for [`Table::reclaim`].
    pub(crate) fn has_empty(&self) -> bool {
        self.shards.iter().any(Shard::has_empty)
    }

    /// Whether new ones wait.
    pub(crate) fn emptied(&self) -> bool {
        self.shards.iter().any(Shard::emptied)
    }

    /// Whether this place holds a destination with paths.
    pub(crate) fn occupied(&self, idx: RouteIdx) -> bool {
        let (shard, place) = self.shard(idx);
        shard.occupied(place)
    }
}
