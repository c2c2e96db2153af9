//! Where a scenario plays: two hosts, perhaps a router between them, the daemons there and the capture.

use crate::scenario::Scenario;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use trunkline_interop::peer::{Announcement, Kind, Peer, Spec};
use trunkline_interop::script::Script;
use trunkline_interop::{Capture, Daemon, Lab, Netns, holds_within, tshark};

/// What is captured; in networks of IPv4 alone there is no ICMPv6.
const FILTER: &str = "arp or icmp or icmp6 or tcp port 179 or udp port 520 or stp";

/// How long is waited for frames.
const PATIENCE: Duration = Duration::from_secs(60);

/// Kernel counters that tell why a segment was not taken; those that rose are told.
const COUNTERS: &[&str] = &[
    "TCPMD5NotFound",
    "TCPMD5Unexpected",
    "TCPMD5Failure",
    "TCPMinTTLDrop",
    "TCPFromZeroWindowAdv",
    "TCPToZeroWindowAdv",
    "TCPReqQFullDrop",
    "ListenDrops",
    "ListenOverflows",
];

/// The network.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Net {
    /// 192.0.2.1 and 192.0.2.2 on one link.
    Direct,
    /// The same two with a switch between them, and the capture there: a port of Trunkline's own sends past captures.
    Switched,
    /// The same two, whose interfaces lead to `e0` and `e1` of a namespace that does nothing with them yet.
    Apart,
    /// 2001:db8::1 and 2001:db8::2 on one link.
    Direct6,
    /// 10.82.1.9 and 10.82.1.10, as in the article.
    Article,
    /// 192.0.2.1, a router, 198.51.100.2.
    Routed,
    /// 2001:db8:1::1, a router, 2001:db8:2::2.
    Routed6,
}

/// One of the two hosts.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Side {
    A,
    B,
}

/// What the stage knows of a capture beyond its frames.
pub(crate) struct Told {
    pub(crate) captured: String,
    pub(crate) daemons: Vec<String>,
    pub(crate) counters: Vec<String>,
}

/// The stage of one scenario.
pub(crate) struct Stage<'lab> {
    pub(crate) lab: &'lab Lab,
    pub(crate) a: Netns,
    pub(crate) b: Netns,
    router: Option<Netns>,
    addresses: [&'static str; 2],
    at: Option<Side>,
    peers: Vec<(Side, Kind, Box<dyn Peer>)>,
    programs: Vec<Daemon>,
    pub(crate) scripts: Vec<Script>,
    capture: Option<Capture>,
    file: PathBuf,
    daemons: Vec<String>,
}

impl<'lab> Stage<'lab> {
    /// The network of a scenario, without any daemon.
    pub(crate) fn new(lab: &'lab Lab, scenario: &Scenario) -> Stage<'lab> {
        let (a, b) = (lab.space("a"), lab.space("b"));
        let (addresses, length) = match scenario.net {
            Net::Direct | Net::Switched | Net::Apart => (["192.0.2.1", "192.0.2.2"], 24),
            Net::Direct6 => (["2001:db8::1", "2001:db8::2"], 64),
            Net::Article => (["10.82.1.9", "10.82.1.10"], 30),
            Net::Routed => (["192.0.2.1", "198.51.100.2"], 24),
            Net::Routed6 => (["2001:db8:1::1", "2001:db8:2::2"], 64),
        };
        let six = matches!(scenario.net, Net::Direct6 | Net::Routed6);
        let [of_a, of_b] = addresses.map(|address| format!("{address}/{length}"));
        let gateways = match scenario.net {
            Net::Routed => Some(["192.0.2.254", "198.51.100.254"]),
            Net::Routed6 => Some(["2001:db8:1::ffff", "2001:db8:2::ffff"]),
            _ => None,
        };
        let switched = scenario.net == Net::Switched;
        let router = (gateways.is_some() || switched || scenario.net == Net::Apart).then(|| lab.space("r"));
        for space in [&a, &b].into_iter().chain(&router) {
            space.sysctl("net.ipv6.conf.default.router_solicitations", "0");
            if !six {
                space.sysctl("net.ipv6.conf.default.disable_ipv6", "1");
            }
        }
        if let (Some([to_a, to_b]), Some(r)) = (gateways, &router) {
            let [r_a, r_b] = [to_a, to_b].map(|address| format!("{address}/{length}"));
            r.forward();
            lab.link((&a, "e0", &[&of_a]), (r, "e0", &[&r_a]));
            lab.link((&b, "e0", &[&of_b]), (r, "e1", &[&r_b]));
            // Not default routes: FRR does not count those as a way to a neighbour.
            let [net_a, net_b] = if six {
                ["2001:db8:1::/64", "2001:db8:2::/64"]
            } else {
                ["192.0.2.0/24", "198.51.100.0/24"]
            };
            a.ip(&format!("route add {net_b} via {to_a}"));
            b.ip(&format!("route add {net_a} via {to_b}"));
            plain(r, "e0");
            plain(r, "e1");
        } else if let Some(r) = &router {
            lab.link((&a, "e0", &[&of_a]), (r, "e0", &[]));
            lab.link((&b, "e0", &[&of_b]), (r, "e1", &[]));
            plain(r, "e0");
            plain(r, "e1");
            if switched {
                r.ip("link add br0 type bridge");
                r.ip("link set e0 master br0");
                r.ip("link set e1 master br0");
                r.ip("link set br0 up");
            }
        } else {
            lab.link((&a, "e0", &[&of_a]), (&b, "e0", &[&of_b]));
        }
        plain(&a, "e0");
        plain(&b, "e0");
        let (capture, file, at) = (None, PathBuf::new(), (!switched).then_some(scenario.at));
        let (peers, programs, scripts, daemons) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Stage { lab, a, b, router, addresses, at, peers, programs, scripts, capture, file, daemons }
    }

    /// The address of a side.
    pub(crate) fn address(&self, side: Side) -> &'static str {
        self.addresses[usize::from(side == Side::B)]
    }

    /// The namespace of a side.
    pub(crate) fn space(&self, side: Side) -> &Netns {
        if side == Side::A { &self.a } else { &self.b }
    }

    /// The router's namespace.
    pub(crate) fn router(&self) -> &Netns {
        self.router.as_ref().expect("a network with a router")
    }

    /// What a daemon of that side is unless the scenario says otherwise: A is AS 65001 and calls, B is AS 65002 and waits.
    pub(crate) fn spec(&self, side: Side) -> Spec {
        let (remote, asn, peer, id) = match side {
            Side::A => (self.address(Side::B), 65001, 65002, "192.0.2.1"),
            Side::B => (self.address(Side::A), 65002, 65001, "192.0.2.2"),
        };
        let spec = Spec::new(asn, id).session(self.address(side), remote, peer);
        if side == Side::B { spec.passive() } else { spec }
    }

    /// Begins the capture, where it does not run.
    pub(crate) fn record(&mut self) {
        if self.capture.is_none() {
            let dir = self.lab.dir().join("capture");
            std::fs::create_dir_all(&dir).unwrap();
            self.file = dir.join("e0.pcap");
            let place = self.at.map_or_else(|| self.router(), |side| self.space(side));
            self.capture = Some(Capture::of(place, "e0", &dir, FILTER));
        }
    }

    /// Begins another capture in the place of the one so far.
    pub(crate) fn record_anew(&mut self) {
        if let Some(capture) = self.capture.take() {
            std::fs::remove_file(capture.finish()).unwrap();
            let _ = std::fs::rename(self.lab.dir().join("capture"), self.lab.dir().join("capture-before"));
        }
        self.record();
    }

    /// Starts a daemon; `change` makes of its usual self what the scenario needs.
    pub(crate) fn start(&mut self, side: Side, kind: Kind, change: impl FnOnce(&mut Spec)) {
        let mut spec = self.spec(side);
        change(&mut spec);
        self.record();
        self.tell(kind_and_version(kind), side, spec.asn);
        let name = format!("{side:?}{}", self.peers.len()).to_lowercase();
        let peer = kind.start(self.lab, self.space(side), &name, spec);
        self.peers.push((side, kind, peer));
    }

    /// Writes down who is there.
    pub(crate) fn tell(&mut self, who: String, side: Side, asn: u32) {
        let address = self.address(side);
        self.tell_all(&[&if asn == 0 {
            format!("{who} at {address}")
        } else {
            format!("{who} at {address}, AS {asn}")
        }]);
    }

    /// The same of those that are no daemons at the address of a side.
    pub(crate) fn tell_all(&mut self, who: &[&str]) {
        self.daemons.extend(who.iter().map(|who| (*who).to_owned()));
    }

    /// Starts another program on a side, which ends with the scenario.
    pub(crate) fn program(&mut self, side: Side, name: &str, argv: &[&str]) {
        self.record();
        let program = Daemon::start(self.space(side), self.lab.dir(), name, argv, &[]);
        self.programs.push(program);
    }

    /// The daemon of a side.
    pub(crate) fn peer(&mut self, side: Side) -> &mut dyn Peer {
        let found = self.peers.iter_mut().find(|(at, ..)| *at == side);
        &mut **found.map(|(.., peer)| peer).expect("a daemon on that side")
    }

    /// Gives the daemon of a side orders in its own language.
    pub(crate) fn order(&self, side: Side, orders: &[&str]) {
        let (at, (_, kind, _)) =
            self.peers.iter().enumerate().find(|(_, (at, ..))| *at == side).expect("a daemon on that side");
        let dir = self.lab.dir().join(format!("{side:?}{at}").to_lowercase());
        let socket = |name: &str| dir.join(name).to_str().unwrap().to_owned();
        let (bird, open) = (socket("bird.ctl"), socket("bgpd.sock"));
        let dir = dir.to_str().unwrap();
        let mut argv = match kind {
            Kind::Bird => vec!["birdc", "-s", &bird],
            Kind::Frr => vec!["vtysh", "--vty_socket", dir],
            Kind::GoBgp => vec!["gobgp"],
            Kind::OpenBgpd => vec!["bgpctl", "-s", &open],
            Kind::Trunkline => panic!("orders for Trunkline go by its adapter"),
        };
        for order in orders {
            if *kind == Kind::Frr {
                argv.push("-c");
            }
            argv.push(order);
        }
        let output = self.space(side).output(&argv);
        let text = String::from_utf8_lossy(&output.stdout);
        let few = &argv[..argv.len().min(8)];
        println!("    {few:?}: {}", text.lines().next().unwrap_or(""));
    }

    /// Waits until both daemons see the session up.
    pub(crate) fn up(&mut self) {
        let ends = self.addresses.map(|address| address.parse().unwrap());
        let up = holds_within(PATIENCE, || {
            self.peers.iter().all(|(side, _, peer)| peer.established(ends[usize::from(*side == Side::A)]))
        });
        assert!(up, "the session does not come up");
    }

    /// Gives a route to all that daemon's sessions.
    pub(crate) fn announce(&mut self, side: Side, prefix: &str) {
        self.peer(side).announce(&Announcement::new(prefix));
    }

    /// Waits until `count` frames were captured that pass a filter of tshark.
    pub(crate) fn until(&mut self, filter: impl AsRef<str>, count: usize) {
        self.until_within(PATIENCE, filter, count);
    }

    /// The same with a longer or shorter wait.
    pub(crate) fn until_within(&mut self, wait: Duration, filter: impl AsRef<str>, count: usize) {
        let (file, filter) = (self.file.clone(), filter.as_ref());
        let end = Instant::now() + wait;
        // Not more often: tshark takes its time to start.
        let seen = loop {
            if tshark(&file, filter, &["frame.number"]).len() >= count {
                break true;
            }
            if Instant::now() > end {
                break false;
            }
            self.wait(0.7);
        };
        if !seen {
            let all = tshark(&file, "frame", &["_ws.col.Info"]);
            panic!("not {count} times: {filter}, but\n{}", all[..all.len().min(40)].join("\n"));
        }
    }

    /// Lets time pass.
    #[allow(clippy::unused_self, reason = "it reads as all else that happens on a stage")]
    pub(crate) fn wait(&self, seconds: f64) {
        std::thread::sleep(Duration::from_secs_f64(seconds));
    }

    /// Ends the capture; its file, and what else is known.
    pub(crate) fn finish(&mut self) -> (PathBuf, Told) {
        let capture = self.capture.take().expect("a scenario that records");
        self.wait(0.3);
        let file = capture.finish();
        let mut counters = Vec::new();
        for side in [Side::A, Side::B] {
            for name in COUNTERS {
                let value = self.space(side).counter(name);
                if value > 0 {
                    counters.push(format!("{name} {value} at {}", self.address(side)));
                }
            }
        }
        let captured = match self.at {
            Some(side) => format!("at {}", self.address(side)),
            None => "at the switch between".into(),
        };
        (file, Told { captured, daemons: std::mem::take(&mut self.daemons), counters })
    }
}

/// Has the kernel do nothing to frames that a wire would not see: no segments larger than the MTU, no checksum left out.
pub(crate) fn plain(space: &Netns, interface: &str) {
    space.sh(&["ethtool", "-K", interface, "tx", "off", "tso", "off", "gso", "off", "gro", "off"]);
}

/// Rules of nftables in a namespace, in a chain that sees what comes in, goes out or is forwarded.
pub(crate) fn nft(space: &Netns, hook: &str, rules: &[&str]) {
    let mut script =
        format!("add table inet {hook}; add chain inet {hook} c {{ type filter hook {hook} priority 0; }}; ");
    for rule in rules {
        script += &format!("add rule inet {hook} c {rule}; ");
    }
    space.sh(&["nft", &script]);
}

/// Takes the rules of [`nft`] away.
pub(crate) fn nft_clear(space: &Netns, hook: &str) {
    space.sh(&["nft", &format!("delete table inet {hook}")]);
}

/// Trunkline's program.
pub(crate) fn own_binary() -> String {
    std::env::var("TRUNKLINE_BIN").unwrap_or_else(|_| "target/release/trunkline".into())
}

/// The daemon's name and what it says of its version.
pub(crate) fn kind_and_version(kind: Kind) -> String {
    let binary = own_binary();
    let (name, argv): (_, [&str; 2]) = match kind {
        Kind::Bird => ("BIRD", ["bird", "--version"]),
        Kind::Frr => ("FRR", ["/usr/lib/frr/bgpd", "--version"]),
        Kind::GoBgp => ("GoBGP", ["gobgpd", "--version"]),
        Kind::OpenBgpd => ("OpenBGPD", ["/usr/sbin/bgpd", "-V"]),
        Kind::Trunkline => ("Trunkline", [&binary, "--version"]),
    };
    let output = std::process::Command::new(argv[0]).args(&argv[1..]).output().unwrap();
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    let first = text.lines().next().unwrap_or("");
    let version = first.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit()));
    format!("{name} {}", version.unwrap_or("of unknown version"))
}
