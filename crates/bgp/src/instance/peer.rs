//! What the speaker knows of one neighbour beside its session.

use crate::config::NeighborConfig;
use crate::rib::PeerFacts;
use crate::rib::table::PeerId;
use crate::session::{Negotiated, Session};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use trunkline_core::{ConnId, Instant};
use trunkline_wire::bgp::Family;

/// Families that have a table, in the order of their numbers.
pub(super) const FAMILIES: [Family; 2] = [Family::IPV4_UNICAST, Family::IPV6_UNICAST];

/// Kinds of faults of a neighbour that are counted one by one; all others together.
const MAX_FAULT_KINDS: usize = 64;

/// One neighbour.
pub(super) struct Peer {
    pub(super) session: Session,
    pub(super) state: PeerState,
}

/// What is not the session's.
pub(super) struct PeerState {
    pub(super) id: PeerId,
    pub(super) address: IpAddr,
    pub(super) config: Arc<NeighborConfig>,
    /// The listen range it came through.
    pub(super) range: Option<usize>,
    /// The established connection.
    pub(super) conn: Option<ConnId>,
    pub(super) external: bool,
    pub(super) families: [FamilyState; 2],
    /// The driver was told to transmit and has not come back empty yet.
    pub(super) armed: bool,
    /// When the timer queue looks at it next.
    pub(super) scheduled: Option<Instant>,
    /// Faults in UPDATEs, by what and how they were treated.
    pub(super) faults: BTreeMap<(String, &'static str), u64>,
    /// The last next hop that was judged.
    pub(super) judged: Option<(IpAddr, bool)>,
    /// It was removed from the configuration; its routes are being swept.
    pub(super) gone: bool,
    /// More prefixes than allowed came: end the session.
    pub(super) over_limit: Option<Family>,
}

/// What is kept for each family.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct FamilyState {
    /// Agreed in the running session.
    pub(super) active: bool,
    pub(super) received: u64,
    pub(super) accepted: u64,
    pub(super) end_of_rib_received: bool,
    /// Stale routes are kept until then (RFC 4724), or until End-of-RIB.
    pub(super) stale_until: Option<Instant>,
    /// Between Beginning-of-RR and End-of-RR (RFC 7313).
    pub(super) refreshing: bool,
    /// The warning about many prefixes was given.
    pub(super) warned: bool,
}

impl PeerState {
    /// The earliest of its own deadlines.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        trunkline_core::earliest(self.families.iter().map(|f| f.stale_until))
    }

    pub(super) fn fault(&mut self, what: impl Into<String>, treatment: &'static str) {
        let mut key = (what.into(), treatment);
        // The words may hold what the peer made up: it must not fill our memory.
        if self.faults.len() >= MAX_FAULT_KINDS && !self.faults.contains_key(&key) {
            key.0 = "another fault".into();
        }
        *self.faults.entry(key).or_default() += 1;
    }

    /// A new session begins.
    pub(super) fn begin(&mut self, negotiated: &Negotiated, facts: &mut PeerFacts) {
        facts.router_id = negotiated.peer_router_id.to_bits();
        self.judged = None;
        self.over_limit = None;
        for (family, state) in FAMILIES.iter().zip(&mut self.families) {
            state.active = negotiated.families.contains(family);
            state.end_of_rib_received = false;
            state.refreshing = false;
            state.warned = false;
        }
    }
}
