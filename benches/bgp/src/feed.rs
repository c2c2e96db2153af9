//! Tables as a neighbor sends them: routes in groups that share their attributes, six in the mean.

use crate::asn;
use std::net::{Ipv4Addr, Ipv6Addr};
use trunkline_core::{Asn, Ipv4Prefix, Ipv6Prefix, Rng};
use trunkline_wire::bgp::{
    AsPath, Attributes, Community, Family, MAX_MESSAGE_LEN, MpNextHop, Origin, emit_mp_reach,
    emit_update_ipv4,
};

/// A table.
pub struct Table {
    /// How many destinations.
    pub routes: usize,
    /// The number of the first one: tables that overlap share destinations.
    pub first: usize,
    /// Whether they are IPv6's.
    pub v6: bool,
    /// AS numbers in front of each path, so that one table may be better than another.
    pub longer: usize,
    /// Destinations with the same attributes, in the mean.
    pub per_set: u64,
}

impl Table {
    /// So many IPv4 destinations.
    pub fn v4(routes: usize) -> Table {
        Table { routes, first: 0, v6: false, longer: 0, per_set: 6 }
    }

    /// The UPDATEs of neighbor `number`, and how many sets of attributes they have.
    pub fn updates(&self, number: usize) -> (Vec<u8>, usize) {
        // The same groups from each neighbor.
        let mut rng = Rng::new(7);
        let mut groups = Vec::new();
        let mut start = self.first;
        while start < self.first + self.routes {
            let len = 1 + rng.below(2 * self.per_set - 1) as usize;
            let end = (start + len).min(self.first + self.routes);
            groups.push((start..end, rng.below(u64::MAX)));
            start = end;
        }
        // In an order of its own.
        let mut order = Rng::new(100 + number as u64);
        for at in (1..groups.len()).rev() {
            groups.swap(at, order.below(at as u64 + 1) as usize);
        }
        let mut octets = Vec::new();
        for (range, chance) in &groups {
            self.group(number, range.clone(), *chance, &mut octets);
        }
        (octets, groups.len())
    }

    fn group(&self, number: usize, range: std::ops::Range<usize>, chance: u64, out: &mut Vec<u8>) {
        let mut rng = Rng::new(chance);
        let mut path = vec![asn(number); self.longer + 1];
        let far = 2 + rng.below(4);
        path.extend((0..far).map(|_| Asn(1 + rng.below(60_000) as u32)));
        // No two groups alike.
        path.push(Asn(100_000 + range.start as u32));
        let communities = 1 + rng.below(5);
        let attributes = Attributes {
            origin: Some(Origin::Igp),
            as_path: Some(AsPath::sequence(path)),
            next_hop: (!self.v6).then(|| Ipv4Addr::from_bits(0x0a00_0002 + number as u32)),
            med: (rng.below(5) == 0).then(|| rng.below(100) as u32),
            communities: (0..communities).map(|_| Community(rng.below(u64::from(u32::MAX)) as u32)).collect(),
            ..Attributes::default()
        };
        let mut block = Vec::new();
        attributes.emit(true, &mut block);
        if self.v6 {
            let bits = |at: usize| 0x2a00_u128 << 112 | (at as u128) << 80;
            let prefixes: Vec<_> =
                range.filter_map(|at| Ipv6Prefix::new(Ipv6Addr::from_bits(bits(at)), 48)).collect();
            let global = Ipv6Addr::from_bits(0x2001_0db8_u128 << 96 | (number as u128 + 2));
            let hop = MpNextHop::V6 { global, link_local: None };
            emit_mp_reach(MAX_MESSAGE_LEN, Family::IPV6_UNICAST, hop, &block, &prefixes, out);
        } else {
            let bits = |at: usize| 0x1000_0000 + ((at as u32) << 8);
            let prefixes: Vec<_> =
                range.filter_map(|at| Ipv4Prefix::new(Ipv4Addr::from_bits(bits(at)), 24)).collect();
            emit_update_ipv4(MAX_MESSAGE_LEN, &block, &prefixes, out);
        }
    }
}
