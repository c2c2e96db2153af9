//! The labs that are built in: the files under `labs/`, by name.

/// A lab and its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Builtin {
    /// Its name: that of its file, without the ending.
    pub name: &'static str,
    /// The file.
    pub text: &'static str,
}

macro_rules! labs {
    ($($name:literal,)*) => {
        /// All of them, by name.
        pub const LABS: &[Builtin] =
            &[$(Builtin { name: $name, text: include_str!(concat!("../../../labs/", $name, ".toml")) }),*];
    };
}

labs! {
    "arp",
    "backup-port",
    "bgp-messages",
    "bgp-open-reset",
    "bgp-tcp-ao",
    "gratuitous-arp",
    "icmp-redirect",
    "icmp-redirect-secondary",
    "proxy-arp",
    "rip-count-to-infinity",
    "rip-four-timers",
    "rip-hold-down",
    "rip-versions",
    "rstp-direct-failure",
    "rstp-edge-port",
    "rstp-indirect-failure",
    "rstp-stp-neighbour",
    "rstp-sync",
    "stp-backbone-fast",
    "stp-direct-failure",
    "stp-indirect-failure",
    "stp-topology-change",
    "stp-uplink-fast",
    "tcp-states",
}

/// The lab of this name.
pub fn find(name: &str) -> Option<Builtin> {
    LABS.iter().copied().find(|lab| lab.name == name)
}
