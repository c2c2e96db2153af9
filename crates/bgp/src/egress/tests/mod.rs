//! Tests of the egress: groups against a model, and the rules for what leaves.

mod limits;
mod model;
mod rules;

use super::export::ExportRules;
use crate::policy::Policy;
use std::net::Ipv4Addr;
use trunkline_core::Asn;
use trunkline_wire::bgp::{Family, MpNextHop};

/// Rules towards a plain neighbour.
pub(super) fn rules(external: bool) -> ExportRules {
    ExportRules {
        family: Family::IPV4_UNICAST,
        external,
        local_asn: Asn(65000),
        own_next_hop: MpNextHop::V4(Ipv4Addr::new(192, 0, 2, 1)),
        next_hop_self: false,
        extended_next_hop: false,
        four_octet_as: true,
        max_len: 4096,
        client: false,
        cluster_id: Ipv4Addr::new(192, 0, 2, 1),
        default_local_pref: 100,
        role: None,
        policy: Policy::Accept,
    }
}
