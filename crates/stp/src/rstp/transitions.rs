//! The states of the machines (§17.23 to §17.31), and every transition that they can take.

use std::fmt;

/// A state machine of IEEE 802.1D-2004 clause 17. All are per port, but [`Machine::Prs`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Machine {
    /// Port Receive (§17.23).
    Prx,
    /// Port Protocol Migration (§17.24).
    Ppm,
    /// Bridge Detection (§17.25).
    Bdm,
    /// Port Transmit (§17.26).
    Ptx,
    /// Port Information (§17.27).
    Pim,
    /// Port Role Selection (§17.28).
    Prs,
    /// Port Role Transitions (§17.29).
    Prt,
    /// Port State Transition (§17.30).
    Pst,
    /// Topology Change (§17.31).
    Tcm,
}

/// A transition that a machine took, or can take. States have the names of the standard; `BEGIN` comes before the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Transition {
    /// The machine.
    pub machine: Machine,
    /// The state that it leaves.
    pub from: &'static str,
    /// The state that it enters.
    pub to: &'static str,
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Machine::Prx => "PRX",
            Machine::Ppm => "PPM",
            Machine::Bdm => "BDM",
            Machine::Ptx => "PTX",
            Machine::Pim => "PIM",
            Machine::Prs => "PRS",
            Machine::Prt => "PRT",
            Machine::Pst => "PST",
            Machine::Tcm => "TCM",
        })
    }
}

impl fmt::Display for Transition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} -> {}", self.machine, self.from, self.to)
    }
}

/// The states of one machine, with the standard's names.
macro_rules! states {
    ($($(#[$doc:meta])* $name:ident: $($state:ident $text:literal),+;)+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum $name { $($state),+ }

        impl $name {
            pub(super) const fn name(self) -> &'static str {
                match self { $($name::$state => $text),+ }
            }
        }
    )+};
}

// States that are left as soon as they are entered (UCT) have no variant: their names stand where they are passed.
states! {
    /// Port Receive.
    Prx: Discard "DISCARD", Receive "RECEIVE";
    /// Port Protocol Migration.
    Ppm: CheckingRstp "CHECKING_RSTP", SelectingStp "SELECTING_STP", Sensing "SENSING";
    /// Bridge Detection.
    Bdm: Edge "EDGE", NotEdge "NOT_EDGE";
    /// Port Transmit.
    Ptx: TransmitInit "TRANSMIT_INIT", Idle "IDLE";
    /// Port Information.
    Pim: Disabled "DISABLED", Aged "AGED", Current "CURRENT";
    /// Port Role Transitions.
    Prt: Disable "DISABLE_PORT", Disabled "DISABLED_PORT", Root "ROOT_PORT", Designated "DESIGNATED_PORT",
        Block "BLOCK_PORT", Alternate "ALTERNATE_PORT";
    /// Port State Transition.
    Pst: Discarding "DISCARDING", Learning "LEARNING", Forwarding "FORWARDING";
    /// Topology Change.
    Tcm: Inactive "INACTIVE", Learning "LEARNING", Active "ACTIVE";
}

const fn t(machine: Machine, from: &'static str, to: &'static str) -> Transition {
    Transition { machine, from, to }
}

use Machine::{
    Bdm as BDM, Pim as PIM, Ppm as PPM, Prs as PRS, Prt as PRT, Prx as PRX, Pst as PST, Ptx as PTX,
    Tcm as TCM,
};

/// Every transition that the machines can take. The standard allows a few more, which cannot be since each event is
/// carried through to its end before the next: the data plane is told of a state at once, so nothing but
/// `DISABLED_PORT` and `ALTERNATE_PORT` comes after `DISABLE_PORT` and `BLOCK_PORT`; a port whose information has aged, or
/// that is new, is designated before it hears anything, so `AGED` leads to `UPDATE` alone, and `DISABLED_PORT` to
/// `DESIGNATED_PORT`.
pub const TRANSITIONS: &[Transition] = &[
    // §17.23
    t(PRX, "BEGIN", "DISCARD"),
    t(PRX, "DISCARD", "DISCARD"),
    t(PRX, "DISCARD", "RECEIVE"),
    t(PRX, "RECEIVE", "RECEIVE"),
    t(PRX, "RECEIVE", "DISCARD"),
    // §17.24
    t(PPM, "BEGIN", "CHECKING_RSTP"),
    t(PPM, "CHECKING_RSTP", "CHECKING_RSTP"),
    t(PPM, "CHECKING_RSTP", "SENSING"),
    t(PPM, "SELECTING_STP", "SENSING"),
    t(PPM, "SENSING", "CHECKING_RSTP"),
    t(PPM, "SENSING", "SELECTING_STP"),
    // §17.25
    t(BDM, "BEGIN", "EDGE"),
    t(BDM, "BEGIN", "NOT_EDGE"),
    t(BDM, "EDGE", "NOT_EDGE"),
    t(BDM, "NOT_EDGE", "EDGE"),
    // §17.26
    t(PTX, "BEGIN", "TRANSMIT_INIT"),
    t(PTX, "TRANSMIT_INIT", "IDLE"),
    t(PTX, "IDLE", "TRANSMIT_PERIODIC"),
    t(PTX, "TRANSMIT_PERIODIC", "IDLE"),
    t(PTX, "IDLE", "TRANSMIT_CONFIG"),
    t(PTX, "TRANSMIT_CONFIG", "IDLE"),
    t(PTX, "IDLE", "TRANSMIT_TCN"),
    t(PTX, "TRANSMIT_TCN", "IDLE"),
    t(PTX, "IDLE", "TRANSMIT_RSTP"),
    t(PTX, "TRANSMIT_RSTP", "IDLE"),
    // §17.27
    t(PIM, "BEGIN", "DISABLED"),
    t(PIM, "DISABLED", "AGED"),
    t(PIM, "AGED", "UPDATE"),
    t(PIM, "UPDATE", "CURRENT"),
    t(PIM, "CURRENT", "DISABLED"),
    t(PIM, "CURRENT", "UPDATE"),
    t(PIM, "CURRENT", "AGED"),
    t(PIM, "CURRENT", "RECEIVE"),
    t(PIM, "RECEIVE", "SUPERIOR_DESIGNATED"),
    t(PIM, "SUPERIOR_DESIGNATED", "CURRENT"),
    t(PIM, "RECEIVE", "REPEATED_DESIGNATED"),
    t(PIM, "REPEATED_DESIGNATED", "CURRENT"),
    t(PIM, "RECEIVE", "INFERIOR_DESIGNATED"),
    t(PIM, "INFERIOR_DESIGNATED", "CURRENT"),
    t(PIM, "RECEIVE", "NOT_DESIGNATED"),
    t(PIM, "NOT_DESIGNATED", "CURRENT"),
    t(PIM, "RECEIVE", "OTHER"),
    t(PIM, "OTHER", "CURRENT"),
    // §17.28
    t(PRS, "BEGIN", "INIT_BRIDGE"),
    t(PRS, "INIT_BRIDGE", "ROLE_SELECTION"),
    t(PRS, "ROLE_SELECTION", "ROLE_SELECTION"),
    // §17.29, disabled
    t(PRT, "BEGIN", "INIT_PORT"),
    t(PRT, "INIT_PORT", "DISABLE_PORT"),
    t(PRT, "DISABLE_PORT", "DISABLED_PORT"),
    t(PRT, "DISABLED_PORT", "DISABLED_PORT"),
    t(PRT, "DISABLED_PORT", "DESIGNATED_PORT"),
    // root
    t(PRT, "ROOT_PORT", "ROOT_PORT"),
    t(PRT, "ROOT_PORT", "ROOT_PROPOSED"),
    t(PRT, "ROOT_PROPOSED", "ROOT_PORT"),
    t(PRT, "ROOT_PORT", "ROOT_AGREED"),
    t(PRT, "ROOT_AGREED", "ROOT_PORT"),
    t(PRT, "ROOT_PORT", "REROOT"),
    t(PRT, "REROOT", "ROOT_PORT"),
    t(PRT, "ROOT_PORT", "REROOTED"),
    t(PRT, "REROOTED", "ROOT_PORT"),
    t(PRT, "ROOT_PORT", "ROOT_LEARN"),
    t(PRT, "ROOT_LEARN", "ROOT_PORT"),
    t(PRT, "ROOT_PORT", "ROOT_FORWARD"),
    t(PRT, "ROOT_FORWARD", "ROOT_PORT"),
    t(PRT, "ROOT_PORT", "DISABLE_PORT"),
    t(PRT, "ROOT_PORT", "DESIGNATED_PORT"),
    t(PRT, "ROOT_PORT", "BLOCK_PORT"),
    // designated
    t(PRT, "DESIGNATED_PORT", "DESIGNATED_PROPOSE"),
    t(PRT, "DESIGNATED_PROPOSE", "DESIGNATED_PORT"),
    t(PRT, "DESIGNATED_PORT", "DESIGNATED_SYNCED"),
    t(PRT, "DESIGNATED_SYNCED", "DESIGNATED_PORT"),
    t(PRT, "DESIGNATED_PORT", "DESIGNATED_RETIRED"),
    t(PRT, "DESIGNATED_RETIRED", "DESIGNATED_PORT"),
    t(PRT, "DESIGNATED_PORT", "DESIGNATED_DISCARD"),
    t(PRT, "DESIGNATED_DISCARD", "DESIGNATED_PORT"),
    t(PRT, "DESIGNATED_PORT", "DESIGNATED_LEARN"),
    t(PRT, "DESIGNATED_LEARN", "DESIGNATED_PORT"),
    t(PRT, "DESIGNATED_PORT", "DESIGNATED_FORWARD"),
    t(PRT, "DESIGNATED_FORWARD", "DESIGNATED_PORT"),
    t(PRT, "DESIGNATED_PORT", "DISABLE_PORT"),
    t(PRT, "DESIGNATED_PORT", "ROOT_PORT"),
    t(PRT, "DESIGNATED_PORT", "BLOCK_PORT"),
    // alternate and backup
    t(PRT, "BLOCK_PORT", "ALTERNATE_PORT"),
    t(PRT, "ALTERNATE_PORT", "ALTERNATE_PORT"),
    t(PRT, "ALTERNATE_PORT", "ALTERNATE_PROPOSED"),
    t(PRT, "ALTERNATE_PROPOSED", "ALTERNATE_PORT"),
    t(PRT, "ALTERNATE_PORT", "ALTERNATE_AGREED"),
    t(PRT, "ALTERNATE_AGREED", "ALTERNATE_PORT"),
    t(PRT, "ALTERNATE_PORT", "BACKUP_PORT"),
    t(PRT, "BACKUP_PORT", "ALTERNATE_PORT"),
    t(PRT, "ALTERNATE_PORT", "DISABLE_PORT"),
    t(PRT, "ALTERNATE_PORT", "ROOT_PORT"),
    t(PRT, "ALTERNATE_PORT", "DESIGNATED_PORT"),
    t(PRT, "ALTERNATE_PORT", "BLOCK_PORT"),
    // §17.30
    t(PST, "BEGIN", "DISCARDING"),
    t(PST, "DISCARDING", "LEARNING"),
    t(PST, "LEARNING", "FORWARDING"),
    t(PST, "LEARNING", "DISCARDING"),
    t(PST, "FORWARDING", "DISCARDING"),
    // §17.31
    t(TCM, "BEGIN", "INACTIVE"),
    t(TCM, "INACTIVE", "LEARNING"),
    t(TCM, "LEARNING", "LEARNING"),
    t(TCM, "LEARNING", "INACTIVE"),
    t(TCM, "LEARNING", "DETECTED"),
    t(TCM, "DETECTED", "ACTIVE"),
    t(TCM, "ACTIVE", "LEARNING"),
    t(TCM, "ACTIVE", "NOTIFIED_TCN"),
    t(TCM, "NOTIFIED_TCN", "NOTIFIED_TC"),
    t(TCM, "ACTIVE", "NOTIFIED_TC"),
    t(TCM, "NOTIFIED_TC", "ACTIVE"),
    t(TCM, "ACTIVE", "PROPAGATING"),
    t(TCM, "PROPAGATING", "ACTIVE"),
    t(TCM, "ACTIVE", "ACKNOWLEDGED"),
    t(TCM, "ACKNOWLEDGED", "ACTIVE"),
];
