//! How a bridge takes part in spanning tree, and which values are allowed.

use trunkline_core::{Duration, MacAddr};
use trunkline_wire::stp::{BridgeId, PortIdentifier};

/// Which protocol a bridge speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Protocol {
    /// IEEE 802.1D-1998: only the root sends of itself, ports wait for timers.
    Stp,
    /// IEEE 802.1D-2004 clause 17.
    #[default]
    Rstp,
}

/// The Force Protocol Version of RSTP (IEEE 802.1D-2004 §17.13.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum ForceVersion {
    /// 0: RSTP's machines, but with the BPDUs and the delays of STP.
    StpCompatible,
    /// 2.
    #[default]
    Normal,
}

/// Which costs a port has by its speed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CostTable {
    /// IEEE 802.1D-1998 table 8-5: 1 to 65,535. One domain must not mix the tables.
    Short,
    /// IEEE 802.1D-2004 table 17-3: 1 to 200,000,000.
    Long,
}

/// The largest cost of a port (IEEE 802.1D-2004 §17.14).
pub const MAX_PATH_COST: u32 = 200_000_000;

/// The largest cost of a port by the table of 1998.
pub const MAX_SHORT_PATH_COST: u32 = 65_535;

/// The speed that is assumed of a port that does not tell, Mbit/s.
pub const DEFAULT_SPEED: u32 = 10_000;

impl CostTable {
    /// The cost of a port with this speed, Mbit/s (IEEE 802.1D-1998 table 8-5, 802.1D-2004 table 17-3).
    pub const fn cost(self, speed: u32) -> u32 {
        let speed = if speed == 0 { 1 } else { speed };
        match self {
            CostTable::Long => {
                let cost = 20_000_000 / speed;
                if cost == 0 { 1 } else { cost }
            }
            CostTable::Short => match speed {
                0..4 => 1000,
                4..10 => 250,
                10..16 => 100,
                16..100 => 62,
                100..1000 => 19,
                1000..10_000 => 4,
                10_000.. => 2,
            },
        }
    }
}

/// A bridge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// Which protocol.
    pub protocol: Protocol,
    /// Its version, where it is RSTP.
    pub force_version: ForceVersion,
    /// Bridge priority, 0..=61440 in steps of 4096. Default 32768; with `uplink_fast` 49152 where it is the default.
    pub priority: u16,
    /// The bridge's address: makes up the bridge identifier with the priority.
    pub address: MacAddr,
    /// Bridge Hello Time, seconds: 1..=2 with RSTP, 1..=10 with STP. Default 2.
    pub hello_time: u8,
    /// Bridge Max Age, seconds, 6..=40. Default 20.
    pub max_age: u8,
    /// Bridge Forward Delay, seconds, 4..=30. Default 15.
    pub forward_delay: u8,
    /// Transmit Hold Count, BPDUs that a port sends at once, 1..=10. Default 6. STP has its Hold Time instead.
    pub transmit_hold_count: u8,
    /// Which costs ports have by default. Default: long with RSTP, short with STP.
    pub path_costs: CostTable,
    /// A port that BPDU guard has shut comes back after this. None: only by [`Input::Recover`](crate::Input).
    pub bpdu_guard_recovery: Option<Duration>,
    /// UplinkFast: an access switch that loses its root port goes on at once by the next best. STP only.
    pub uplink_fast: bool,
    /// BackboneFast: Root Link Queries save Max Age when a failure is not one's own. STP only.
    pub backbone_fast: bool,
}

impl Config {
    /// The default of `priority`.
    pub const DEFAULT_PRIORITY: u16 = 32_768;
    /// Priorities are multiples of this (IEEE 802.1D-2004 §9.2.5).
    pub const PRIORITY_STEP: u16 = 4096;
    /// The highest priority's number.
    pub const MAX_PRIORITY: u16 = 61_440;
    /// Of `max_age`, seconds.
    pub const MAX_AGE: std::ops::RangeInclusive<u8> = 6..=40;
    /// Of `forward_delay`, seconds.
    pub const FORWARD_DELAY: std::ops::RangeInclusive<u8> = 4..=30;
    /// Of `transmit_hold_count`.
    pub const TRANSMIT_HOLD_COUNT: std::ops::RangeInclusive<u8> = 1..=10;
    /// The default of `bpdu_guard_recovery` in a file.
    pub const BPDU_GUARD_RECOVERY: Duration = Duration::from_secs(300);
    /// UplinkFast's priority and what it adds to default costs, so that an access switch never becomes the root or a way
    /// to it.
    pub const UPLINK_FAST_PRIORITY: u16 = 49_152;
    /// See [`Config::UPLINK_FAST_PRIORITY`].
    pub const UPLINK_FAST_COST: u32 = 3000;

    /// The defaults of a protocol.
    pub const fn new(protocol: Protocol, address: MacAddr) -> Config {
        Config {
            protocol,
            force_version: ForceVersion::Normal,
            priority: Self::DEFAULT_PRIORITY,
            address,
            hello_time: 2,
            max_age: 20,
            forward_delay: 15,
            transmit_hold_count: 6,
            path_costs: match protocol {
                Protocol::Stp => CostTable::Short,
                Protocol::Rstp => CostTable::Long,
            },
            bpdu_guard_recovery: None,
            uplink_fast: false,
            backbone_fast: false,
        }
    }

    /// The range of `hello_time`, seconds.
    pub const fn hello_times(protocol: Protocol) -> std::ops::RangeInclusive<u8> {
        match protocol {
            Protocol::Stp => 1..=10,
            Protocol::Rstp => 1..=2,
        }
    }

    /// Whether the two relations hold (IEEE 802.1D-2004 §17.14): 2 × (Forward Delay - 1 s) ≥ Max Age, and
    /// Max Age ≥ 2 × (Hello Time + 1 s).
    pub const fn relations(&self) -> (bool, bool) {
        let (hello, age, delay) = (self.hello_time as u16, self.max_age as u16, self.forward_delay as u16);
        (2 * delay.saturating_sub(1) >= age, age >= 2 * (hello + 1))
    }

    /// The bridge identifier.
    pub const fn bridge_id(&self) -> BridgeId {
        let fast = self.uplink_fast && self.priority == Self::DEFAULT_PRIORITY;
        BridgeId::new(if fast { Self::UPLINK_FAST_PRIORITY } else { self.priority }, self.address)
    }
}

/// Whether a port is at a bridge's edge: no bridge is behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Edge {
    /// RSTP finds out (AutoEdge, IEEE 802.1D-2004 §17.13.3). STP takes it for no.
    #[default]
    Auto,
    /// Yes, until a BPDU comes: PortFast.
    Yes,
    /// No.
    No,
}

/// Whether a link has just two ends (IEEE 802.1D-2004 §6.4.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum PointToPoint {
    /// Yes where it is full duplex.
    #[default]
    Auto,
    /// Yes.
    Yes,
    /// No.
    No,
}

/// A port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortConfig {
    /// Its number, 1..=4095, no two alike.
    pub number: u16,
    /// Its priority, 0..=240 in steps of 16. Default 128.
    pub priority: u8,
    /// Its cost, from 1; none: by its speed.
    pub path_cost: Option<u32>,
    /// Whether it is an edge.
    pub edge: Edge,
    /// Whether its link has two ends.
    pub point_to_point: PointToPoint,
    /// Never becomes the root port (IEEE 802.1Q-2018 §13.27.64).
    pub restricted_role: bool,
    /// Believes no topology change (IEEE 802.1Q-2018 §13.27.65).
    pub restricted_tcn: bool,
    /// A BPDU shuts it.
    pub bpdu_guard: bool,
    /// It neither sends nor believes BPDUs.
    pub bpdu_filter: bool,
    /// A better root behind it makes it discard until that is silent.
    pub root_guard: bool,
    /// When the BPDUs of a root or alternate port end, it discards instead of becoming designated.
    pub loop_guard: bool,
    /// It sends BPDUs in every role, and discards while none comes. RSTP only.
    pub bridge_assurance: bool,
}

impl PortConfig {
    /// The default of `priority`.
    pub const DEFAULT_PRIORITY: u8 = 128;
    /// Priorities are multiples of this (IEEE 802.1D-2004 §9.2.7).
    pub const PRIORITY_STEP: u8 = 16;
    /// The highest priority's number.
    pub const MAX_PRIORITY: u8 = 240;

    /// The defaults.
    pub const fn new(number: u16) -> PortConfig {
        PortConfig {
            number,
            priority: Self::DEFAULT_PRIORITY,
            path_cost: None,
            edge: Edge::Auto,
            point_to_point: PointToPoint::Auto,
            restricted_role: false,
            restricted_tcn: false,
            bpdu_guard: false,
            bpdu_filter: false,
            root_guard: false,
            loop_guard: false,
            bridge_assurance: false,
        }
    }

    /// The port identifier.
    pub const fn id(&self) -> PortIdentifier {
        PortIdentifier::new(self.priority, self.number)
    }

    /// The cost of the port with this speed, Mbit/s; none: unknown.
    pub const fn cost(&self, bridge: &Config, speed: Option<u32>) -> u32 {
        match (self.path_cost, speed) {
            (Some(cost), _) => cost,
            (None, speed) => {
                let speed = match speed {
                    Some(speed) => speed,
                    None => DEFAULT_SPEED,
                };
                let more = if bridge.uplink_fast { Config::UPLINK_FAST_COST } else { 0 };
                bridge.path_costs.cost(speed) + more
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_by_speed() {
        // IEEE 802.1D-1998 table 8-5; IEEE 802.1D-2004 table 17-3
        let speeds = [4, 10, 16, 100, 1000, 10_000];
        assert_eq!(speeds.map(|s| CostTable::Short.cost(s)), [250, 100, 62, 19, 4, 2]);
        let speeds = [1, 10, 100, 1000, 10_000, 100_000, 1_000_000, 10_000_000];
        let costs = [20_000_000, 2_000_000, 200_000, 20_000, 2000, 200, 20, 2];
        assert_eq!(speeds.map(|s| CostTable::Long.cost(s)), costs);
        assert_eq!(CostTable::Long.cost(u32::MAX), 1);
        assert_eq!(CostTable::Long.cost(0), 20_000_000);
    }

    #[test]
    fn defaults_keep_the_relations() {
        // IEEE 802.1D-2004 §17.14
        let config = Config::new(Protocol::Rstp, MacAddr::UNSPECIFIED);
        assert_eq!(config.relations(), (true, true));
        assert_eq!(Config { max_age: 29, ..config }.relations(), (false, true));
        assert_eq!(Config { max_age: 6, hello_time: 3, ..config }.relations(), (true, false));
        // UplinkFast: 49152, unless the operator chose a priority
        let fast = Config { uplink_fast: true, ..config };
        assert_eq!(fast.bridge_id().priority(), 49_152);
        assert_eq!(Config { priority: 4096, ..fast }.bridge_id().priority(), 4096);
        assert_eq!(PortConfig::new(1).cost(&fast, Some(1000)), 23_000);
        assert_eq!(PortConfig { path_cost: Some(7), ..PortConfig::new(1) }.cost(&fast, Some(1000)), 7);
    }
}
