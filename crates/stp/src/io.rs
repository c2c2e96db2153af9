//! What goes into the machine and what comes out.

use crate::{Config, PortConfig};
use std::fmt;
use trunkline_core::{Duration, MacAddr, PortId};
use trunkline_wire::stp::BridgeId;

/// What is known of a port's link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortStatus {
    /// Whether it has a carrier and is enabled.
    pub up: bool,
    /// Its own MAC address, the source of what it sends.
    pub address: MacAddr,
    /// Its speed, Mbit/s, where known.
    pub speed: Option<u32>,
    /// Whether both ends may send at once, where known; unknown counts as yes.
    pub full_duplex: Option<bool>,
}

/// What happened.
#[derive(Debug, Clone, Copy)]
pub enum Input<'a> {
    /// There is such a port, or its configuration changed. It is down until [`Input::Status`]. One whose number is not
    /// 1..=4095, or is another port's, is ignored.
    Port {
        /// The port.
        port: PortId,
        /// How it is to work.
        config: PortConfig,
    },
    /// There is no such port any more.
    PortGone {
        /// The port.
        port: PortId,
    },
    /// The state of a port's link.
    Status {
        /// The port.
        port: PortId,
        /// What is known.
        status: PortStatus,
    },
    /// A frame to one of spanning tree's groups came in. Frames of other protocols are counted and ignored.
    Frame {
        /// The port.
        port: PortId,
        /// The frame, from the destination address on.
        frame: &'a [u8],
    },
    /// Find out again whether the neighbour speaks RSTP (mcheck, IEEE 802.1D-2004 §17.19.13).
    Mcheck {
        /// The port.
        port: PortId,
    },
    /// Bring back a port that BPDU guard has shut.
    Recover {
        /// The port.
        port: PortId,
    },
    /// The configuration of the bridge changed. Another protocol, or another version of it, begins anew.
    Reconfigure(Config),
}

/// What a port is to do with frames (IEEE 802.1D-2004 §7.4). The states of 1998 that discard are told apart for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PortState {
    /// No link, or shut.
    Disabled,
    /// It discards, as RSTP says.
    Discarding,
    /// It discards, as STP says.
    Blocking,
    /// It discards and waits, as STP says.
    Listening,
    /// It learns where stations are.
    Learning,
    /// It forwards.
    Forwarding,
}

impl fmt::Display for PortState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PortState::Disabled => "disabled",
            PortState::Discarding => "discarding",
            PortState::Blocking => "blocking",
            PortState::Listening => "listening",
            PortState::Learning => "learning",
            PortState::Forwarding => "forwarding",
        })
    }
}

/// What a port is for (IEEE 802.1D-2004 §17.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PortRole {
    /// Nothing.
    Disabled,
    /// The best way to the root.
    Root,
    /// The way to the root for all on its LAN.
    Designated,
    /// Another way to the root, by another bridge.
    Alternate,
    /// Another port to a LAN that this bridge serves by a better one.
    Backup,
}

impl fmt::Display for PortRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PortRole::Disabled => "disabled",
            PortRole::Root => "root",
            PortRole::Designated => "designated",
            PortRole::Alternate => "alternate",
            PortRole::Backup => "backup",
        })
    }
}

/// Why a port discards although its role says otherwise, or is shut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Inconsistency {
    /// BPDU guard: a BPDU came.
    BpduGuard,
    /// Root guard: a better root came.
    Root,
    /// Loop guard: BPDUs ended.
    Loop,
    /// Bridge assurance: no BPDU comes.
    BridgeAssurance,
}

impl fmt::Display for Inconsistency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Inconsistency::BpduGuard => "BPDU guard",
            Inconsistency::Root => "root guard",
            Inconsistency::Loop => "loop guard",
            Inconsistency::BridgeAssurance => "bridge assurance",
        })
    }
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Send a frame by a port, whatever its state.
    Frame {
        /// The port.
        port: PortId,
        /// The frame.
        frame: Vec<u8>,
    },
    /// From now on the port does this with frames. In force before the next output is carried out.
    State {
        /// The port.
        port: PortId,
        /// What.
        state: PortState,
    },
    /// Forget the stations behind a port.
    Flush {
        /// The port.
        port: PortId,
    },
    /// Stations are forgotten after this time; none: as configured.
    AgeingTime(Option<Duration>),
    /// UplinkFast: the way to the root is another. For each station that the bridge has heard, but not behind the ports
    /// `lost` and `by`, a frame is to go out of `by` that tells the others where it is now.
    AnnounceStations {
        /// The new root port.
        by: PortId,
        /// The old one.
        lost: PortId,
    },
    /// Something to tell people.
    Event(Event),
}

/// Something that happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The root changed.
    Root {
        /// The root before.
        from: BridgeId,
        /// The root now.
        to: BridgeId,
        /// The root port now; none: this bridge is the root.
        port: Option<PortId>,
    },
    /// A port has another role.
    Role {
        /// The port.
        port: PortId,
        /// The role before.
        from: PortRole,
        /// The role now.
        to: PortRole,
    },
    /// A port has another state.
    State {
        /// The port.
        port: PortId,
        /// The state before.
        from: PortState,
        /// The state now.
        to: PortState,
    },
    /// The topology changed.
    TopologyChange {
        /// Where it was seen or heard of.
        port: PortId,
        /// Whether this bridge saw it itself.
        detected: bool,
    },
    /// A port became an edge, or is one no longer.
    Edge {
        /// The port.
        port: PortId,
        /// Whether it is one.
        edge: bool,
    },
    /// A port changed the protocol that it sends.
    Version {
        /// The port.
        port: PortId,
        /// Whether it sends RST BPDUs.
        rstp: bool,
    },
    /// A guard holds a port, or lets it go.
    Guard {
        /// The port.
        port: PortId,
        /// Which.
        guard: Inconsistency,
        /// Whether it holds it.
        on: bool,
    },
    /// The neighbour and we both believe to be designated, and it forwards: our port discards (IEEE 802.1Q-2018 §13.21).
    Dispute {
        /// The port.
        port: PortId,
    },
    /// BackboneFast or UplinkFast did something.
    Fast {
        /// The port that it is about.
        port: PortId,
        /// What.
        what: Fast,
    },
    /// A machine of RSTP took a transition. Only while [`SpanningTree::trace`](crate::SpanningTree::trace) is on.
    Transition {
        /// The port; none: the machine of the bridge.
        port: Option<PortId>,
        /// Which.
        transition: crate::Transition,
    },
}

/// What BackboneFast and UplinkFast do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fast {
    /// An inferior BPDU came from the designated bridge: a failure behind it.
    InferiorBpdu {
        /// Who claims to be the root.
        claims: BridgeId,
    },
    /// A Root Link Query is asked by this port.
    Asked,
    /// The root is still behind this port.
    Positive,
    /// It is not.
    Negative,
    /// No answer came in time.
    Unanswered,
    /// The information of this port counts as expired.
    Expired,
    /// A Root Link Query was relayed by this port.
    Relayed,
    /// One was answered by this port.
    Answered {
        /// Whether the root is there.
        positive: bool,
    },
    /// The port forwards at once, in place of a lost uplink.
    Uplink,
}
