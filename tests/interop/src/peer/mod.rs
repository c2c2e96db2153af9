//! The real daemons: one adapter for each, all used in the same way.

pub(crate) mod bird;
pub(crate) mod frr;
mod gobgp;
mod openbgpd;
mod own;

use crate::lab::{Lab, Netns};
use crate::process::Daemon;
use std::fmt;
use std::net::IpAddr;

/// Which daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// BIRD 2.
    Bird,
    /// FRR's bgpd, with its zebra for interface addresses.
    Frr,
    /// GoBGP.
    GoBgp,
    /// OpenBGPD.
    OpenBgpd,
    /// Trunkline itself.
    Trunkline,
}

impl Kind {
    /// All.
    pub const ALL: [Kind; 5] = [Kind::Bird, Kind::Frr, Kind::GoBgp, Kind::OpenBgpd, Kind::Trunkline];

    /// Starts the daemon in a namespace.
    pub fn start(self, lab: &Lab, space: &Netns, name: &str, spec: Spec) -> Box<dyn Peer> {
        let dir = lab.dir().join(name);
        std::fs::create_dir_all(&dir).unwrap();
        let place = Place { space: space.clone(), dir, name: name.into() };
        match self {
            Kind::Bird => Box::new(bird::Bird::start(place, spec)),
            Kind::Frr => Box::new(frr::Frr::start(place, spec)),
            Kind::GoBgp => Box::new(gobgp::GoBgp::start(place, spec)),
            Kind::OpenBgpd => Box::new(openbgpd::OpenBgpd::start(place, spec)),
            Kind::Trunkline => Box::new(own::Own::start(lab, place, spec)),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Bird => "bird",
            Kind::Frr => "frr",
            Kind::GoBgp => "gobgp",
            Kind::OpenBgpd => "openbgpd",
            Kind::Trunkline => "trunkline",
        })
    }
}

/// Instead of an AS number: any but its own. BIRD only.
pub const ANY_EXTERNAL: u32 = 0;

/// What a daemon shall be.
#[derive(Debug, Clone)]
pub struct Spec {
    /// Its AS.
    pub asn: u32,
    /// Its BGP Identifier.
    pub router_id: String,
    /// Its hold time in seconds.
    pub hold: u16,
    /// Whether it announces graceful restart, and comes back as one that restarts.
    pub graceful_restart: bool,
    /// Its sessions; the family of the routes is that of the addresses.
    pub sessions: Vec<Session>,
    /// Further lines for each session, in the daemon's own language.
    pub session_lines: String,
    /// Further lines at the top level, in the daemon's own language.
    pub global_lines: String,
}

/// One session of a daemon.
#[derive(Debug, Clone)]
pub struct Session {
    /// Its end.
    pub local: IpAddr,
    /// The other end.
    pub remote: IpAddr,
    /// The AS it expects there.
    pub remote_asn: u32,
    /// Whether it only waits.
    pub passive: bool,
    /// TCP MD5 key.
    pub password: Option<String>,
}

impl Spec {
    /// With a hold time of 30 s and no session.
    pub fn new(asn: u32, router_id: &str) -> Spec {
        Spec {
            asn,
            router_id: router_id.into(),
            hold: 30,
            graceful_restart: false,
            sessions: Vec::new(),
            session_lines: String::new(),
            global_lines: String::new(),
        }
    }

    /// Adds a session that connects by itself.
    #[must_use]
    pub fn session(mut self, local: &str, remote: &str, remote_asn: u32) -> Spec {
        let (local, remote) = (local.parse().unwrap(), remote.parse().unwrap());
        self.sessions.push(Session { local, remote, remote_asn, passive: false, password: None });
        self
    }

    /// Makes all sessions wait for the other side to connect.
    #[must_use]
    pub fn passive(mut self) -> Spec {
        self.sessions.iter_mut().for_each(|session| session.passive = true);
        self
    }
}

/// A route to announce.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announcement {
    /// The destination.
    pub prefix: String,
    /// MULTI_EXIT_DISC.
    pub med: Option<u32>,
    /// COMMUNITIES, as `65002:7`.
    pub communities: Vec<String>,
}

impl Announcement {
    /// Without optional attributes.
    pub fn new(prefix: &str) -> Announcement {
        Announcement { prefix: prefix.into(), med: None, communities: Vec::new() }
    }

    /// With MED and communities.
    pub fn with(prefix: &str, med: u32, communities: &[&str]) -> Announcement {
        let communities = communities.iter().map(|c| (*c).to_owned()).collect();
        Announcement { prefix: prefix.into(), med: Some(med), communities }
    }

    fn is_v6(&self) -> bool {
        self.prefix.contains(':')
    }
}

/// A route as a daemon sees it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Route {
    /// AS_PATH, apart by spaces.
    pub as_path: String,
    /// NEXT_HOP.
    pub next_hop: String,
    /// "IGP", "EGP" or "INCOMPLETE".
    pub origin: String,
    /// MULTI_EXIT_DISC, where there is one.
    pub med: Option<u32>,
    /// COMMUNITIES, as `65001:100`.
    pub communities: Vec<String>,
    /// How many large communities.
    pub large_communities: usize,
}

/// A daemon that speaks BGP.
pub trait Peer {
    /// Its process.
    fn process(&mut self) -> &mut Daemon;
    /// Starts it again after a kill; what was announced is announced again.
    fn start_again(&mut self);
    /// Whether its session to `remote` is up.
    fn established(&self, remote: IpAddr) -> bool;
    /// Announces a route to all its sessions of that family.
    fn announce(&mut self, route: &Announcement);
    /// Withdraws it; while the daemon is dead, it will not be announced again.
    fn withdraw(&mut self, prefix: &str);
    /// The route to exactly `prefix` that `remote` gave it.
    fn route(&self, remote: IpAddr, prefix: &str) -> Option<Route>;
    /// Asks `remote` for its routes again (RFC 2918).
    fn refresh_in(&self, remote: IpAddr);
    /// Resets the session to `remote`.
    fn reset(&self, remote: IpAddr);
    /// What it says of the session to `remote`, as text: for the last error.
    fn about(&self, remote: IpAddr) -> String;
}

/// Where a daemon lives.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) space: Netns,
    pub(crate) dir: std::path::PathBuf,
    pub(crate) name: String,
}

impl Place {
    /// Writes a file in the daemon's directory; its path.
    pub(crate) fn write(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.dir.join(name).to_str().unwrap().to_owned()
    }

    /// Starts the daemon's program.
    pub(crate) fn spawn(&self, name: &str, argv: &[&str]) -> Daemon {
        Daemon::start(&self.space, &self.dir, name, argv, &[])
    }

    /// Runs its control program; output also where it fails, since daemons say "no such route" with a bad status.
    pub(crate) fn ask(&self, argv: &[&str]) -> String {
        let output = self.space.output(argv);
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
    }

    /// The same; the output is JSON, or nothing.
    pub(crate) fn ask_json(&self, argv: &[&str]) -> serde_json::Value {
        let output = self.space.output(argv);
        serde_json::from_slice(&output.stdout).unwrap_or_default()
    }
}

/// The routes a daemon announces by order, kept to order them again when it comes back.
#[derive(Debug, Default)]
pub(crate) struct Announced(Vec<Announcement>);

impl Announced {
    fn add(&mut self, route: &Announcement) {
        self.remove(&route.prefix);
        self.0.push(route.clone());
    }

    fn remove(&mut self, prefix: &str) -> Option<Announcement> {
        let at = self.0.iter().position(|route| route.prefix == prefix)?;
        Some(self.0.remove(at))
    }
}
