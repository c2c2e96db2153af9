//! Two namespaces with one link between them, and who sits where.

use trunkline_interop::peer::Spec;
use trunkline_interop::{Config, Lab, Neighbor, Netns};

pub(crate) const OUR_AS: u32 = 65001;
pub(crate) const THEIR_AS: u32 = 65002;
pub(crate) const OURS_4: &str = "192.0.2.1";
pub(crate) const OURS_6: &str = "2001:db8::1";
pub(crate) const THEIRS_4: &str = "192.0.2.2";
pub(crate) const THEIRS_6: &str = "2001:db8::2";

/// A network that we announce, and one of IPv6; static routes stand behind them.
pub(crate) const OUR_NETWORK_4: &str = "203.0.113.0/24";
pub(crate) const OUR_NETWORK_6: &str = "2001:db8:1::/48";
/// Those that the peer announces.
pub(crate) const THEIR_NETWORK_4: &str = "198.51.100.0/24";
pub(crate) const THEIR_NETWORK_6: &str = "2001:db8:2::/48";

pub(crate) struct Pair {
    pub(crate) us: Netns,
    pub(crate) them: Netns,
}

impl Pair {
    pub(crate) fn new(lab: &Lab) -> Pair {
        let (us, them) = (lab.space("us"), lab.space("them"));
        lab.link(
            (&us, "e0", &["192.0.2.1/24", "2001:db8::1/64"]),
            (&them, "e0", &["192.0.2.2/24", "2001:db8::2/64"]),
        );
        Pair { us, them }
    }
}

/// Us with the peer's IPv4 session.
pub(crate) fn us_4() -> Config {
    Config::new(OUR_AS, OURS_4).neighbor(Neighbor::new(THEIRS_4, THEIR_AS))
}

/// Us with both sessions.
pub(crate) fn us() -> Config {
    us_4().neighbor(Neighbor::new(THEIRS_6, THEIR_AS))
}

/// The peer with the IPv4 session.
pub(crate) fn them_4() -> Spec {
    Spec::new(THEIR_AS, THEIRS_4).session(THEIRS_4, OURS_4, OUR_AS)
}

/// The peer with both sessions.
pub(crate) fn them() -> Spec {
    them_4().session(THEIRS_6, OURS_6, OUR_AS)
}

/// Sets a key in all our neighbours.
pub(crate) fn all(mut config: Config, key: &str, value: &str) -> Config {
    config.neighbors = config.neighbors.into_iter().map(|neighbor| neighbor.set(key, value)).collect();
    config
}

/// Networks of our own, with a static route behind each.
pub(crate) fn with_networks(mut config: Config, prefixes: &[&str]) -> Config {
    for prefix in prefixes {
        config.networks.push((*prefix).into());
        config.tables += &format!("[[static]]\nprefix = \"{prefix}\"\nblackhole = true\n\n");
    }
    config
}
