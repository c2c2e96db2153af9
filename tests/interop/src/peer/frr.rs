//! FRR: `bgpd`, with `zebra` because it learns the interfaces' addresses there, and `vtysh`.

use super::{Announced, Announcement, Peer, Place, Route, Spec};
use crate::process::Daemon;
use serde_json::Value;
use std::fmt::Write;
use std::net::IpAddr;

pub(super) struct Frr {
    place: Place,
    spec: Spec,
    announced: Announced,
    numbers: u32,
    process: Daemon,
    _zebra: Daemon,
}

impl Frr {
    pub(super) fn start(place: Place, spec: Spec) -> Frr {
        place.write("bgpd.conf", &config(&place, &spec));
        place.write("zebra.conf", "");
        own_by_frr(&place, &["zebra.conf", "bgpd.conf"]);
        let zebra = zebra(&place);
        let process = bgpd(&place);
        Frr { place, spec, announced: Announced::default(), numbers: 0, process, _zebra: zebra }
    }

    fn configure(&self, lines: &[&str]) {
        let mut argv =
            vec!["vtysh", "--vty_socket", self.place.dir.to_str().unwrap(), "-c", "configure terminal"];
        lines.iter().for_each(|line| argv.extend(["-c", line]));
        self.place.ask(&argv);
    }

    fn ask(&self, command: &str) -> Value {
        self.place.ask_json(&["vtysh", "--vty_socket", self.place.dir.to_str().unwrap(), "-c", command])
    }

    fn family(prefix: &str) -> &'static str {
        if prefix.contains(':') { "ipv6" } else { "ipv4" }
    }

    fn order(&mut self, route: &Announcement) {
        self.numbers += 1;
        let map = format!("M{}", self.numbers);
        let mut lines = vec![format!("route-map {map} permit 10")];
        lines.extend(route.med.map(|med| format!("set metric {med}")));
        if !route.communities.is_empty() {
            lines.push(format!("set community {}", route.communities.join(" ")));
        }
        lines.extend([
            "exit".into(),
            format!("router bgp {}", self.spec.asn),
            format!("address-family {} unicast", Frr::family(&route.prefix)),
            format!("network {} route-map {map}", route.prefix),
        ]);
        self.configure(&lines.iter().map(String::as_str).collect::<Vec<_>>());
    }
}

/// Gives a directory and files in it to FRR's user: zebra gives up root for that, and then writes there.
pub(crate) fn own_by_frr(place: &Place, files: &[&str]) {
    let (user, group) = user("frr");
    for name in [""].iter().chain(files) {
        std::os::unix::fs::chown(place.dir.join(name), Some(user), Some(group)).unwrap();
    }
}

/// The numbers of a user and the user's group.
fn user(name: &str) -> (u32, u32) {
    let text = std::fs::read_to_string("/etc/passwd").unwrap();
    let line = text.lines().find(|line| line.split(':').next() == Some(name));
    let fields: Vec<&str> = line.unwrap_or_else(|| panic!("no user {name}")).split(':').collect();
    (fields[2].parse().unwrap(), fields[3].parse().unwrap())
}

/// Starts zebra, with the `zebra.conf` that is there.
pub(crate) fn zebra(place: &Place) -> Daemon {
    let (conf, pid, api) = (place.path("zebra.conf"), place.path("zebra.pid"), place.path("zserv.api"));
    let dir = place.path("");
    let argv = [
        "/usr/lib/frr/zebra",
        "-f",
        &conf,
        "-i",
        &pid,
        "-z",
        &api,
        "--vty_socket",
        dir.trim_end_matches('/'),
        "-P",
        "0",
    ];
    let process = place.spawn("zebra", &argv);
    crate::wait_until(crate::PATIENCE, "zebra answers", || std::path::Path::new(&api).exists());
    process
}

fn bgpd(place: &Place) -> Daemon {
    let (conf, pid, api) = (place.path("bgpd.conf"), place.path("bgpd.pid"), place.path("zserv.api"));
    let dir = place.path("");
    let dir = dir.trim_end_matches('/');
    // -n: no routes for the kernel; -S: keep the user. A killed one leaves its socket, so remove it first.
    let _ = std::fs::remove_file(place.dir.join("bgpd.vty"));
    let argv = [
        "/usr/lib/frr/bgpd",
        "-f",
        &conf,
        "-n",
        "-S",
        "-p",
        "179",
        "-i",
        &pid,
        "-z",
        &api,
        "--vty_socket",
        dir,
        "-P",
        "0",
    ];
    let process = place.spawn("bgpd", &argv);
    crate::wait_until(crate::PATIENCE, "bgpd answers", || {
        place
            .ask(&["vtysh", "--vty_socket", dir, "-d", "bgpd", "-c", "show bgp summary"])
            .contains("Neighbor")
    });
    process
}

fn config(place: &Place, spec: &Spec) -> String {
    let mut text = format!(
        "frr defaults traditional\nlog file {} debugging\ndebug bgp neighbor-events\n{}\nrouter bgp {}\n bgp router-id {}\n \
         no bgp ebgp-requires-policy\n no bgp network import-check\n no bgp default ipv4-unicast\n",
        place.path("bgpd.log"),
        spec.global_lines,
        spec.asn,
        spec.router_id
    );
    if spec.graceful_restart {
        text += " bgp graceful-restart\n bgp graceful-restart preserve-fw-state\n bgp graceful-restart restart-time 30\n";
    }
    let keepalive = (spec.hold / 3).max(1);
    for session in &spec.sessions {
        let remote = session.remote;
        let _ = write!(
            text,
            " neighbor {remote} remote-as {}\n neighbor {remote} timers {keepalive} {}\n \
             neighbor {remote} timers connect 1\n neighbor {remote} advertisement-interval 0\n \
             neighbor {remote} update-source {}\n",
            session.remote_asn, spec.hold, session.local
        );
        if session.passive {
            let _ = writeln!(text, " neighbor {remote} passive");
        }
        if let Some(password) = &session.password {
            let _ = writeln!(text, " neighbor {remote} password {password}");
        }
        let _ = writeln!(text, "{}", spec.session_lines);
        let family = Frr::family(&remote.to_string());
        let _ = writeln!(
            text,
            " address-family {family} unicast\n  neighbor {remote} activate\n exit-address-family"
        );
    }
    text
}

impl Peer for Frr {
    fn process(&mut self) -> &mut Daemon {
        &mut self.process
    }

    fn start_again(&mut self) {
        self.process = bgpd(&self.place);
        for route in self.announced.0.clone() {
            self.order(&route);
        }
    }

    fn established(&self, remote: IpAddr) -> bool {
        self.ask(&format!("show bgp neighbors {remote} json"))[&remote.to_string()]["bgpState"]
            == "Established"
    }

    fn announce(&mut self, route: &Announcement) {
        self.announced.add(route);
        if self.process.running() {
            self.order(route);
        }
    }

    fn withdraw(&mut self, prefix: &str) {
        self.announced.remove(prefix);
        if self.process.running() {
            let (family, network) = (Frr::family(prefix), format!("no network {prefix}"));
            let router = format!("router bgp {}", self.spec.asn);
            self.configure(&[&router, &format!("address-family {family} unicast"), &network]);
        }
    }

    fn route(&self, remote: IpAddr, prefix: &str) -> Option<Route> {
        let view = self.ask(&format!("show bgp {} unicast {prefix} json", Frr::family(prefix)));
        let paths = view["paths"].as_array()?;
        let path = paths.iter().find(|path| path["peer"]["peerId"] == remote.to_string())?;
        let text = |value: &Value| value.as_str().unwrap_or("").to_owned();
        let hops = path["nexthops"].as_array()?;
        let hop = hops.iter().find(|hop| hop["scope"] != "link-local").or(hops.first())?;
        Some(Route {
            as_path: text(&path["aspath"]["string"]),
            next_hop: text(&hop["ip"]),
            origin: text(&path["origin"]).to_uppercase(),
            med: path["metric"].as_u64().map(|med| med as u32),
            communities: path["community"]["list"].as_array().into_iter().flatten().map(text).collect(),
            large_communities: path["largeCommunity"]["list"].as_array().map_or(0, Vec::len),
        })
    }

    fn refresh_in(&self, remote: IpAddr) {
        let dir = self.place.dir.to_str().unwrap();
        let family = Frr::family(&remote.to_string());
        self.place.ask(&[
            "vtysh",
            "--vty_socket",
            dir,
            "-c",
            &format!("clear bgp {family} {remote} soft in"),
        ]);
    }

    fn reset(&self, remote: IpAddr) {
        let dir = self.place.dir.to_str().unwrap();
        self.place.ask(&["vtysh", "--vty_socket", dir, "-c", &format!("clear bgp {remote}")]);
    }

    fn about(&self, remote: IpAddr) -> String {
        format!(
            "{}\n{}",
            self.ask(&format!("show bgp neighbors {remote} json")),
            std::fs::read_to_string(self.place.path("bgpd.log")).unwrap_or_default()
        )
    }
}
