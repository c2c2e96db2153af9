//! A table of routes as several neighbours announce it: the same prefixes, each in its own order and with its own attributes.

use std::net::Ipv4Addr;
use trunkline_core::{Asn, Ipv4Prefix, Rng};
use trunkline_wire::bgp::{
    AsPath, Attributes, Community, ExtendedCommunity, Family, LargeCommunity, MAX_MESSAGE_LEN, Origin,
    UnknownAttribute, emit_end_of_rib, emit_update_ipv4, emit_withdraw_ipv4, flag,
};

/// Prefixes that share one set of attributes, on average; as in a full table.
const GROUP: u64 = 6;

/// Prefixes in groups that share their attributes.
#[derive(Debug)]
pub struct Table {
    seed: u64,
    groups: Vec<Vec<Ipv4Prefix>>,
}

/// Whose routes, and which edition of them.
#[derive(Debug, Clone, Copy)]
pub struct Source {
    /// The neighbour's AS.
    pub asn: u32,
    /// Its address: NEXT_HOP.
    pub address: Ipv4Addr,
    /// Other attributes with another number.
    pub edition: u64,
}

impl Source {
    /// The community that all its routes have, and no others.
    pub fn tag(self) -> Community {
        let number = u32::from(self.address.octets()[3]);
        Community(0xffee_0000 | number << 8 | self.edition as u32 & 0xff)
    }
}

impl Table {
    /// So many prefixes; a function of the seed.
    pub fn new(prefixes: u32, seed: u64) -> Table {
        let mut rng = Rng::new(seed);
        let (mut groups, mut at) = (Vec::new(), 0);
        while at < prefixes {
            let size = (1 + rng.below(2 * GROUP - 1)) as u32;
            let end = prefixes.min(at + size);
            // Each in a /22 of its own: no two are the same, whatever their length.
            let prefix = |i: u32, rng: &mut Rng| {
                let bits = 0x0100_0000 + (i << 10);
                Ipv4Prefix::from_bits(bits, 24 - (rng.below(10) / 8) as u8 * (1 + rng.below(2)) as u8)
            };
            groups.push((at..end).map(|i| prefix(i, &mut rng)).collect());
            at = end;
        }
        Table { seed, groups }
    }

    /// All UPDATEs of a neighbour, with an End-of-RIB behind them.
    pub fn announce(&self, source: Source) -> Vec<u8> {
        let mut out = Vec::new();
        let mut block = Vec::new();
        for group in self.order(source) {
            block.clear();
            self.attributes(source, group).emit(true, &mut block);
            let mut rest = &self.groups[group][..];
            while !rest.is_empty() {
                let taken = emit_update_ipv4(MAX_MESSAGE_LEN, &block, rest, &mut out);
                rest = &rest[taken..];
            }
        }
        emit_end_of_rib(Family::IPV4_UNICAST, &mut out);
        out
    }

    /// UPDATEs that withdraw one prefix of each group that has more than one, and each third group as a whole.
    pub fn withdraw_some(&self) -> (Vec<u8>, usize) {
        let gone: Vec<Ipv4Prefix> = (self.groups.iter().enumerate())
            .flat_map(|(i, group)| if i % 3 == 0 { &group[..] } else { &group[1..group.len().min(2)] })
            .copied()
            .collect();
        let (mut out, mut rest) = (Vec::new(), &gone[..]);
        while !rest.is_empty() {
            let taken = emit_withdraw_ipv4(MAX_MESSAGE_LEN, rest, &mut out);
            rest = &rest[taken..];
        }
        (out, gone.len())
    }

    fn rng(&self, source: Source, salt: u64) -> Rng {
        let who = u64::from(u32::from(source.address)) << 32 | source.edition;
        let mut rng = Rng::new(self.seed ^ who.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        Rng::new(rng.next_u64() ^ salt.wrapping_mul(0xd1b5_4a32_d192_ed03))
    }

    fn order(&self, source: Source) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.groups.len()).collect();
        let mut rng = self.rng(source, u64::MAX);
        for i in (1..order.len()).rev() {
            order.swap(i, rng.below(i as u64 + 1) as usize);
        }
        order
    }

    /// All that a neighbour of another AS may send, the rare things now and then.
    fn attributes(&self, source: Source, group: usize) -> Attributes {
        let mut rng = self.rng(source, group as u64);
        let mut asns = vec![source.asn];
        for _ in 0..1 + rng.below(5) {
            let asn = 1000 + rng.below(60_000) as u32;
            // Prepending, and numbers of four octets.
            asns.push(match rng.below(8) {
                0 => *asns.last().unwrap_or(&asn),
                1 => asn + 200_000,
                _ => asn,
            });
        }
        let communities = (0..rng.below(7)).map(|_| rng.below(60_000) << 16 | rng.below(1000));
        let communities = [u64::from(source.tag().0)].into_iter().chain(communities);
        let communities: Vec<_> = communities.map(|n| Community(n as u32)).collect();
        let mut large: Vec<_> = (0..rng.below(4))
            .map(|_| LargeCommunity {
                global_administrator: source.asn,
                local_data_part_1: rng.below(1 << 20) as u32,
                local_data_part_2: rng.below(1 << 20) as u32,
            })
            .collect();
        large.dedup();
        let mut one_in = |n: u64| rng.below(n) == 0;
        let (with_med, aggregated, extended, unknown) = (one_in(5), one_in(20), one_in(10), one_in(50));
        let origins = [Origin::Igp, Origin::Igp, Origin::Igp, Origin::Egp, Origin::Incomplete];
        let origin = origins[rng.below(5) as usize];
        let aggregator = (Asn(*asns.last().unwrap_or(&source.asn)), source.address);
        let target = ExtendedCommunity::route_target(Asn(source.asn), rng.below(1000) as u32);
        let value = rng.next_u64().to_be_bytes().to_vec();
        let strange = UnknownAttribute { flags: flag::OPTIONAL | flag::TRANSITIVE, code: 99, value };
        Attributes {
            origin: Some(origin),
            next_hop: Some(source.address),
            med: with_med.then(|| rng.below(1000) as u32),
            atomic_aggregate: aggregated,
            aggregator: aggregated.then_some(aggregator),
            as_path: Some(AsPath::sequence(asns.into_iter().map(Asn))),
            communities,
            large_communities: large,
            extended_communities: target.filter(|_| extended).into_iter().collect(),
            unknown: if unknown { vec![strange] } else { Vec::new() },
            ..Attributes::default()
        }
    }
}
