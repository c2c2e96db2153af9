//! How address resolution on an interface is to work.

use std::net::Ipv4Addr;
use trunkline_core::{Duration, MacAddr};

/// What to do when someone else uses one of our addresses (RFC 5227 §2.4). A defence is one announcement, and there is
/// at most one in [`Timing::defend_interval`] for an address, whatever the policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Defend {
    /// (a) Give the address up at once.
    Never,
    /// (b) Defend it; give it up when the next conflict comes within the interval.
    Once,
    /// (c) Defend it for ever: right for routers and servers, whose address others know.
    #[default]
    Always,
}

/// The times and numbers of RFC 5227 §1.1, by its names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timing {
    /// PROBE_WAIT: the first probe comes after a random time up to this. 1 s.
    pub probe_wait: Duration,
    /// PROBE_NUM: probes. 3.
    pub probe_num: u8,
    /// PROBE_MIN: between probes at least. 1 s.
    pub probe_min: Duration,
    /// PROBE_MAX: between probes at most. 2 s.
    pub probe_max: Duration,
    /// ANNOUNCE_WAIT: from the last probe until the address is used. 2 s.
    pub announce_wait: Duration,
    /// ANNOUNCE_NUM: announcements. 2.
    pub announce_num: u8,
    /// ANNOUNCE_INTERVAL: between announcements. 2 s.
    pub announce_interval: Duration,
    /// MAX_CONFLICTS: with this many conflicts in a row, probing becomes rare. 10.
    pub max_conflicts: u32,
    /// RATE_LIMIT_INTERVAL: between attempts to get an address then; also after which time an address that was in
    /// conflict is tried again. 60 s.
    pub rate_limit_interval: Duration,
    /// DEFEND_INTERVAL: between defences of an address at least. 10 s.
    pub defend_interval: Duration,
}

impl Default for Timing {
    fn default() -> Timing {
        Timing {
            probe_wait: Duration::from_secs(1),
            probe_num: 3,
            probe_min: Duration::from_secs(1),
            probe_max: Duration::from_secs(2),
            announce_wait: Duration::from_secs(2),
            announce_num: 2,
            announce_interval: Duration::from_secs(2),
            max_conflicts: 10,
            rate_limit_interval: Duration::from_secs(60),
            defend_interval: Duration::from_secs(10),
        }
    }
}

/// How address resolution on an interface is to work. Times below a millisecond are taken as a millisecond.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// How long a neighbour is believed to be there after it said so, times a random factor of 0.5 to 1.5 each time
    /// (RFC 4861 §6.3.2). 30 s.
    pub reachable_time: Duration,
    /// From the first use of a neighbour that was silent for longer, until it is asked (RFC 4861 §10,
    /// DELAY_FIRST_PROBE_TIME): TCP may well say before that the neighbour is there. 5 s.
    pub delay_first_probe: Duration,
    /// Between requests for one address (RFC 4861 §10, RetransTimer; RFC 1122 §2.3.2.1 forbids less). 1 s.
    pub retransmit: Duration,
    /// Requests by broadcast until an address is given up as unreachable. 3.
    pub max_broadcast_probes: u8,
    /// Requests to the neighbour alone until it is given up. 3.
    pub max_unicast_probes: u8,
    /// How long a neighbour that nobody uses is remembered. 60 s.
    pub stale_time: Duration,
    /// How long a failed resolution is remembered, for display: a packet starts the next attempt at once. 20 s.
    pub failed_time: Duration,
    /// Neighbours at most, static ones included. When there are more, failed ones go first, then those that are stale
    /// for the longest, then for a packet of ours the oldest that is being resolved; none other. 4096.
    pub max_entries: usize,
    /// Packets that wait for one neighbour at most; the oldest is dropped. RFC 1122 §2.3.2.2 wants one at least. 16.
    pub max_pending_packets: usize,
    /// Packets that wait for all neighbours together at most; a new one is dropped then. 1024.
    pub max_pending_total: usize,
    /// Whether to announce our addresses when the link comes up, an address is added or the MAC address changes. Yes.
    pub gratuitous: bool,
    /// Whether to probe before an address is used (RFC 5227 §2.1). No: an address is used at once.
    pub duplicate_detection: bool,
    /// What to do about conflicts. Always defend.
    pub defend: Defend,
    /// Whether to answer for what is routed through another interface (RFC 1027). No.
    pub proxy: bool,
    /// Whether to answer for the neighbours on this interface, which a switch keeps apart (RFC 3069). No.
    pub local_proxy: bool,
    /// Whether the announcement of a stranger makes an entry. Entries there are follow announcements always
    /// (RFC 826). No.
    pub accept_gratuitous: bool,
    /// Requests of one source that are answered in a second, and at once at most. 50.
    pub requests_per_second_per_source: u32,
    /// Requests of all sources together that are answered in a second, and at once at most. 10,000.
    pub requests_per_second: u32,
    /// Neighbours whose addresses are given; they neither age nor change.
    pub statics: Vec<(Ipv4Addr, MacAddr)>,
    /// Times and numbers for our own addresses.
    pub timing: Timing,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            reachable_time: Duration::from_secs(30),
            delay_first_probe: Duration::from_secs(5),
            retransmit: Duration::from_secs(1),
            max_broadcast_probes: 3,
            max_unicast_probes: 3,
            stale_time: Duration::from_secs(60),
            failed_time: Duration::from_secs(20),
            max_entries: 4096,
            max_pending_packets: 16,
            max_pending_total: 1024,
            gratuitous: true,
            duplicate_detection: false,
            defend: Defend::Always,
            proxy: false,
            local_proxy: false,
            accept_gratuitous: false,
            requests_per_second_per_source: 50,
            requests_per_second: 10_000,
            statics: Vec::new(),
            timing: Timing::default(),
        }
    }
}
