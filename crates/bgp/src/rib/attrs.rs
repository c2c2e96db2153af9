//! Path attributes, interned: each distinct set is kept once, as the octets of its canonical form.
//!
//! A set is found by the hash of its octets before anything is parsed: a full table has about six prefixes for each
//! set, and a peer that sends its attributes in canonical order (ascending codes, no needless extended length, four
//! octet AS numbers) costs one hash and one comparison for each UPDATE. What the decision process compares is
//! unpacked once, beside the octets.

use super::next_hop::{NextHopId, NextHops};
use super::slab::{Places, Slab};
use crate::policy::Action;
use foldhash::fast::FixedState;
use std::hash::BuildHasher;
use std::net::{IpAddr, Ipv4Addr};
use trunkline_core::Asn;
use trunkline_wire::bgp::{Attributes, Community, MpNextHop, ParseContext, parse_attributes};

/// Index of an interned set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct AttrId(pub(crate) u32);

impl AttrId {
    /// No set.
    pub(crate) const NONE: AttrId = AttrId(u32::MAX);
}

/// Facts about a set, as bits of [`AttrSet::facts`].
pub(crate) mod fact {
    /// An attribute that an external peer must not send (RFC 7606 §7.5, §7.9, §7.10).
    pub(crate) const INTERNAL_ONLY: u8 = 1 << 2;
    /// ORIGINATOR_ID is our own, or CLUSTER_LIST holds our cluster (RFC 4456 §8).
    pub(crate) const REFLECTION_LOOP: u8 = 1 << 3;
    /// NO_EXPORT or NO_EXPORT_SUBCONFED (RFC 1997).
    pub(crate) const NO_EXPORT: u8 = 1 << 4;
    /// NO_ADVERTISE (RFC 1997).
    pub(crate) const NO_ADVERTISE: u8 = 1 << 5;
    /// ONLY_TO_CUSTOMER (RFC 9234).
    pub(crate) const ONLY_TO_CUSTOMER: u8 = 1 << 6;
}

/// One distinct set of attributes.
#[derive(Debug)]
pub(crate) struct AttrSet {
    /// The next hop of MP_REACH_NLRI (`mp_len` octets, may be none), then the other attributes in canonical form.
    octets: Box<[u8]>,
    hash: u64,
    refs: u32,
    /// Degree of preference as one number, smaller is better: LOCAL_PREF inverted, AS_PATH length, ORIGIN
    /// (RFC 4271 §9.1.2 and §9.1.2.2 a, b).
    pub(crate) preference: u64,
    /// MULTI_EXIT_DISC; 0 where it is missing (RFC 4271 §9.1.2.2 c).
    pub(crate) med: u32,
    /// The neighbouring AS of RFC 4271 §9.1.2.2 c: the leftmost of AS_PATH; 0, as our own, where there is none or it
    /// stands in a set.
    pub(crate) neighbor_as: Asn,
    pub(crate) next_hop: NextHopId,
    /// ORIGINATOR_ID; 0 where there is none.
    pub(crate) originator: u32,
    pub(crate) cluster_list_len: u16,
    mp_len: u8,
    /// How often our AS stands in AS_PATH.
    pub(crate) own_as_count: u8,
    pub(crate) facts: u8,
}

impl AttrSet {
    /// The attributes in canonical form, MP_REACH_NLRI aside.
    pub(crate) fn block(&self) -> &[u8] {
        self.octets.get(usize::from(self.mp_len)..).unwrap_or_default()
    }

    pub(crate) fn has(&self, fact: u8) -> bool {
        self.facts & fact != 0
    }

    /// LOCAL_PREF as used in the decision.
    pub(crate) fn local_pref(&self) -> u32 {
        !((self.preference >> 32) as u32)
    }
}

/// What of ourselves the facts are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Own {
    pub(crate) asn: Asn,
    pub(crate) router_id: Ipv4Addr,
    pub(crate) cluster_id: Ipv4Addr,
    pub(crate) default_local_pref: u32,
}

/// All sets in use.
pub(crate) struct AttrTable {
    own: Own,
    hasher: FixedState,
    index: Places,
    sets: Slab<AttrSet>,
    scratch: Vec<u8>,
    pub(crate) next_hops: NextHops,
}

/// How stored blocks are read back: they are ours, in four-octet form.
const STORED: ParseContext = ParseContext { four_octet_as: true, ebgp: false, extended_next_hop: true };

impl AttrTable {
    pub(crate) fn new(own: Own, seed: u64) -> AttrTable {
        AttrTable {
            own,
            hasher: FixedState::with_seed(seed),
            index: Places::new(),
            sets: Slab::new(),
            scratch: Vec::new(),
            next_hops: NextHops::new(),
        }
    }

    /// How many sets there are.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.index.len()
    }

    #[inline]
    pub(crate) fn get(&self, id: AttrId) -> &AttrSet {
        &self.sets[id.0]
    }

    /// The set whose canonical form is exactly `block`, next hop in NEXT_HOP, where it is known already.
    #[inline]
    pub(crate) fn lookup(&self, block: &[u8]) -> Option<AttrId> {
        let hash = self.hasher.hash_one(block);
        let sets = &self.sets;
        let same = |i: u32| {
            let set = &sets[i];
            set.hash == hash && set.mp_len == 0 && *set.octets == *block
        };
        self.index.find(hash, same).map(AttrId)
    }

    /// The id of a set; `mp_next_hop` where it came in MP_REACH_NLRI. Nobody holds it yet.
    pub(crate) fn intern(&mut self, attributes: &Attributes, mp_next_hop: Option<MpNextHop>) -> AttrId {
        let mut octets = std::mem::take(&mut self.scratch);
        octets.clear();
        if let Some(hop) = mp_next_hop {
            hop.emit(&mut octets);
        }
        let mp_len = octets.len() as u8;
        attributes.emit(true, &mut octets);
        let hash = self.hasher.hash_one(octets.as_slice());
        let sets = &self.sets;
        let same = |i: u32| {
            let set = &sets[i];
            set.hash == hash && set.mp_len == mp_len && *set.octets == *octets
        };
        let id = match self.index.find(hash, same) {
            Some(i) => AttrId(i),
            None => self.insert(attributes, mp_next_hop, &octets, mp_len, hash),
        };
        self.scratch = octets;
        id
    }

    fn insert(
        &mut self,
        attributes: &Attributes,
        mp_next_hop: Option<MpNextHop>,
        octets: &[u8],
        mp_len: u8,
        hash: u64,
    ) -> AttrId {
        let address = mp_next_hop.and_then(MpNextHop::address).or(attributes.next_hop.map(IpAddr::V4));
        let next_hop = address.map_or(NextHopId::SELF, |a| self.next_hops.acquire(a));
        let set = self.unpack(attributes, octets.into(), mp_len, hash, next_hop);
        let index = self.sets.insert(set);
        self.index.insert(hash, index, |i| self.sets[i].hash);
        AttrId(index)
    }

    fn unpack(
        &self,
        a: &Attributes,
        octets: Box<[u8]>,
        mp_len: u8,
        hash: u64,
        next_hop: NextHopId,
    ) -> AttrSet {
        let own = &self.own;
        let mut facts = 0;
        let mut set = |condition: bool, bit: u8| facts |= if condition { bit } else { 0 };
        set(
            a.local_pref.is_some() || a.originator_id.is_some() || !a.cluster_list.is_empty(),
            fact::INTERNAL_ONLY,
        );
        set(
            a.originator_id == Some(own.router_id) || a.cluster_list.contains(&own.cluster_id),
            fact::REFLECTION_LOOP,
        );
        set(
            a.communities.iter().any(|c| [Community::NO_EXPORT, Community::NO_EXPORT_SUBCONFED].contains(c)),
            fact::NO_EXPORT,
        );
        set(a.communities.contains(&Community::NO_ADVERTISE), fact::NO_ADVERTISE);
        set(a.only_to_customer.is_some(), fact::ONLY_TO_CUSTOMER);
        let local_pref = a.local_pref.unwrap_or(own.default_local_pref);
        let path_len = a.as_path.as_ref().map_or(0, |p| p.path_length().min(0xffff)) as u64;
        let origin = a.origin.map_or(2, |o| u64::from(o.code()));
        let own_as_count = a
            .as_path
            .iter()
            .flat_map(|p| p.segments.iter())
            .flat_map(|s| s.asns.iter())
            .filter(|asn| **asn == own.asn)
            .count()
            .min(255) as u8;
        AttrSet {
            octets,
            hash,
            refs: 0,
            preference: u64::from(!local_pref) << 32 | path_len << 16 | origin,
            med: a.med.unwrap_or(0),
            neighbor_as: a.as_path.as_ref().and_then(|p| p.neighbor_as()).unwrap_or_default(),
            next_hop,
            originator: a.originator_id.map_or(0, Ipv4Addr::to_bits),
            cluster_list_len: a.cluster_list.len().min(0xffff) as u16,
            mp_len,
            own_as_count,
            facts,
        }
    }

    /// Held once more.
    #[inline]
    pub(crate) fn retain(&mut self, id: AttrId) {
        self.sets[id.0].refs += 1;
    }

    /// Held once less; goes with its last holder.
    #[inline]
    pub(crate) fn release(&mut self, id: AttrId) {
        let set = &mut self.sets[id.0];
        set.refs -= 1;
        if set.refs == 0 {
            self.remove(id);
        }
    }

    fn remove(&mut self, id: AttrId) {
        let set = &mut self.sets[id.0];
        set.octets = Box::default();
        let (hash, next_hop) = (set.hash, set.next_hop);
        if self.index.remove(hash, id.0, |i| self.sets[i].hash) {
            self.sets.remove(id.0);
            self.next_hops.release(next_hop);
        }
    }

    /// The set, parsed, with its next hop where that is not in NEXT_HOP.
    pub(crate) fn attributes(&self, id: AttrId) -> (Attributes, Option<MpNextHop>) {
        let set = self.get(id);
        let attributes = parse_attributes(set.block(), false, &STORED).attributes;
        let mp = set.octets.get(..usize::from(set.mp_len)).unwrap_or_default();
        (attributes, stored_next_hop(mp))
    }

    /// The set with `actions` carried out. Nobody holds it yet.
    pub(crate) fn modify(&mut self, id: AttrId, actions: &[Action]) -> AttrId {
        if actions.is_empty() {
            return id;
        }
        let (mut attributes, mp) = self.attributes(id);
        apply_actions(&mut attributes, actions);
        self.intern(&attributes, mp)
    }
}

fn stored_next_hop(octets: &[u8]) -> Option<MpNextHop> {
    if let Ok(v4) = <[u8; 4]>::try_from(octets) {
        return Some(MpNextHop::V4(v4.into()));
    }
    let (global, link_local) = octets.split_first_chunk::<16>()?;
    let link_local = link_local.first_chunk::<16>().map(|o| (*o).into());
    Some(MpNextHop::V6 { global: (*global).into(), link_local })
}

/// Carries out the actions of a policy rule.
pub(crate) fn apply_actions(attributes: &mut Attributes, actions: &[Action]) {
    for action in actions {
        match action {
            Action::SetLocalPref(value) => attributes.local_pref = Some(*value),
            Action::SetMed(value) => attributes.med = Some(*value),
            Action::Prepend(asn, times) => {
                attributes.as_path.get_or_insert_default().prepend(*asn, usize::from(*times));
            }
            Action::AddCommunity(c) => add(&mut attributes.communities, *c),
            Action::RemoveCommunity(c) => attributes.communities.retain(|x| x != c),
            Action::AddLargeCommunity(c) => add(&mut attributes.large_communities, *c),
            Action::RemoveLargeCommunity(c) => attributes.large_communities.retain(|x| x != c),
        }
    }
}

fn add<T: PartialEq>(list: &mut Vec<T>, item: T) {
    if !list.contains(&item) {
        list.push(item);
    }
}
