//! Tests of the tables and of the decision process.

mod decision;
mod table;

use super::attrs::{AttrTable, Own};
use super::{PeerFacts, Peers};
use std::net::Ipv4Addr;
use trunkline_core::Asn;

pub(crate) fn attr_table() -> AttrTable {
    let own = Own {
        asn: Asn(65000),
        router_id: Ipv4Addr::new(192, 0, 2, 1),
        cluster_id: Ipv4Addr::new(192, 0, 2, 1),
        default_local_pref: 100,
    };
    AttrTable::new(own, 1)
}

/// Neighbours 1 to `count`; `external` says which are.
pub(crate) fn peers(count: u16, external: impl Fn(u16) -> bool) -> Peers {
    let mut peers = Peers::new();
    for n in 1..=count {
        let facts = PeerFacts {
            router_id: u32::from_be_bytes([10, 0, 0, 50 - n as u8]),
            ..PeerFacts::new(Ipv4Addr::new(192, 0, 2, 100 + n as u8).into(), external(n))
        };
        peers.set(super::table::PeerId(n), facts);
    }
    peers
}
