//! The longest-prefix table against a plain model, and its size.

use super::*;
use crate::fib::Fib;
use crate::lpm::{Leaf, Lpm};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// Looks through all prefixes.
fn naive(model: &BTreeMap<Ipv4Prefix, u32>, address: u32) -> Option<u32> {
    let address = Ipv4Addr::from_bits(address);
    let matching = model.iter().filter(|(prefix, _)| prefix.contains(address));
    matching.max_by_key(|(prefix, _)| prefix.len()).map(|(_, value)| *value)
}

fn cover(model: &BTreeMap<Ipv4Prefix, u32>, prefix: Ipv4Prefix) -> Option<Leaf> {
    let shorter = model.iter().filter(|(other, _)| other.len() < prefix.len() && other.covers(prefix));
    shorter.max_by_key(|(other, _)| other.len()).map(|(other, value)| Leaf::new(*value, other.len()))
}

/// Prefixes close to one another, so that they cover each other.
fn near() -> impl Strategy<Value = Ipv4Prefix> {
    let bits = prop_oneof![
        any::<u32>(),
        (0u32..4, 0u32..4, any::<u8>(), any::<u8>()).prop_map(|(a, b, c, d)| (a << 30)
            | (b << 16)
            | (u32::from(c & 0x81) << 8)
            | u32::from(d & 0xc3))
    ];
    (bits, 0u8..=32).prop_map(|(bits, len)| Ipv4Prefix::from_bits(bits, len))
}

proptest! {
    #[test]
    fn as_a_naive_table(
        changes in proptest::collection::vec((near(), proptest::option::of(0u32..1 << 25)), 1..80),
        probes in proptest::collection::vec(any::<u32>(), 20),
    ) {
        let mut lpm = Lpm::new();
        let mut model = BTreeMap::new();
        let edges: Vec<u32> = changes.iter().flat_map(|(prefix, _)| {
            let last = prefix.bits() | !Ipv4Prefix::mask(prefix.len());
            [prefix.bits(), last, prefix.bits().wrapping_sub(1), last.wrapping_add(1)]
        }).collect();
        for (prefix, value) in &changes {
            match value {
                Some(value) => {
                    model.insert(*prefix, *value);
                    lpm.insert(prefix.bits(), prefix.len(), *value);
                }
                None => {
                    model.remove(prefix);
                    lpm.remove(prefix.bits(), prefix.len(), cover(&model, *prefix));
                }
            }
        }
        for address in edges.iter().chain(&probes) {
            prop_assert_eq!(lpm.lookup(*address).map(Leaf::value), naive(&model, *address));
        }
        // Taken all away, nothing is left: not even memory.
        while let Some((prefix, _)) = model.pop_first() {
            lpm.remove(prefix.bits(), prefix.len(), cover(&model, prefix));
        }
        for address in edges {
            prop_assert_eq!(lpm.lookup(address), None);
        }
        prop_assert_eq!(lpm.nodes_in_use(), 1);
    }
}

fn route(prefix: Ipv4Prefix, gateway: u32) -> Option<Route> {
    Some(Route::new(prefix, Some(Ipv4Addr::from_bits(gateway)), IF0))
}

#[test]
fn a_large_table_is_small() {
    // 200,000 prefixes of /16 to /24 over a hundred gateways, as many tables have.
    let mut fib = Fib::new();
    let mut rng = trunkline_core::Rng::new(3);
    let mut model = BTreeMap::new();
    for _ in 0..200_000 {
        let prefix = Ipv4Prefix::from_bits(rng.next_u64() as u32 & 0x3fff_ffff, 16 + rng.below(9) as u8);
        let gateway = rng.below(100) as u32;
        fib.give(prefix, route(prefix, gateway));
        model.insert(prefix, gateway);
    }
    assert!(fib.lpm().octets() < model.len() * 40, "{} octets", fib.lpm().octets());
    assert_eq!(fib.paths_in_use(), 100);
    assert_eq!(fib.iter().count(), model.len());
    for _ in 0..100 {
        let address = rng.next_u64() as u32 & 0x3fff_ffff;
        let found = fib.lookup(address).and_then(|path| path.next_hops[0].gateway).map(Ipv4Addr::to_bits);
        assert_eq!(found, naive(&model, address));
    }
    for prefix in model.keys() {
        fib.give(*prefix, None);
    }
    assert_eq!((fib.iter().count(), fib.lpm().nodes_in_use(), fib.paths_in_use()), (0, 1, 0));
}

#[test]
fn routes_can_be_read() {
    let mut router = Device::router();
    router.route("192.0.2.0/24", &[("10.0.1.3", IF1), ("10.0.1.2", IF1), ("10.0.1.2", IF1)]);
    let routes: Vec<_> = router.ip.routes().collect();
    let hop = |gateway: &str| NextHop { gateway: Some(ip(gateway)), interface: IF1 };
    assert_eq!(routes.len(), 3);
    assert_eq!(routes[2].prefix, prefix("192.0.2.0/24"));
    assert_eq!(routes[2].next_hops[..], [hop("10.0.1.2"), hop("10.0.1.3")]);
    assert!(routes[0].connected && !routes[2].connected);
}
