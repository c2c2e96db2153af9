//! OpenBGPD (the portable one): `bgpd` and `bgpctl`.

use super::{Announced, Announcement, Peer, Place, Route, Spec};
use crate::process::Daemon;
use serde_json::Value;
use std::fmt::Write;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;

/// The home of its user, where its processes lock themselves in; the service's unit makes it, we have none.
const HOME: &str = "/run/openbgpd";

pub(super) struct OpenBgpd {
    place: Place,
    announced: Announced,
    process: Daemon,
}

impl OpenBgpd {
    pub(super) fn start(place: Place, spec: Spec) -> OpenBgpd {
        std::fs::create_dir_all(HOME).unwrap();
        let path = place.write("bgpd.conf", &config(&place, &spec));
        // It refuses a file that others may read.
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        let process = spawn(&place);
        OpenBgpd { place, announced: Announced::default(), process }
    }

    fn ask(&self, arguments: &[&str]) -> String {
        let socket = self.place.path("bgpd.sock");
        self.place.ask(&[&["bgpctl", "-s", &socket], arguments].concat())
    }

    fn ask_json(&self, arguments: &[&str]) -> Value {
        let socket = self.place.path("bgpd.sock");
        self.place.ask_json(&[&["bgpctl", "-j", "-s", &socket], arguments].concat())
    }

    fn order(&self, route: &Announcement) {
        let med = route.med.map(|med| med.to_string());
        let mut arguments = vec!["network", "add", &route.prefix];
        for community in &route.communities {
            arguments.extend(["community", community]);
        }
        if let Some(med) = &med {
            arguments.extend(["metric", med]);
        }
        let answer = self.ask(&arguments);
        assert!(answer.contains("request sent"), "bgpctl: {answer}");
    }
}

fn spawn(place: &Place) -> Daemon {
    let (conf, socket) = (place.path("bgpd.conf"), place.path("bgpd.sock"));
    let process = place.spawn("openbgpd", &["/usr/sbin/bgpd", "-d", "-v", "-f", &conf]);
    crate::wait_until(crate::PATIENCE, "OpenBGPD answers", || {
        place.ask(&["bgpctl", "-s", &socket, "show"]).contains("Neighbor")
    });
    process
}

fn config(place: &Place, spec: &Spec) -> String {
    let mut text = format!(
        "AS {}\nrouter-id {}\nfib-update no\nholdtime {}\nconnect-retry 1\nsocket \"{}\"\n{}\n",
        spec.asn,
        spec.router_id,
        spec.hold,
        place.path("bgpd.sock"),
        spec.global_lines
    );
    for session in &spec.sessions {
        let _ = writeln!(text, "listen on {}", session.local);
    }
    for session in &spec.sessions {
        let (v4, v6) = if session.remote.is_ipv4() { ("unicast", "none") } else { ("none", "unicast") };
        let _ = write!(
            text,
            "neighbor {} {{\n  remote-as {}\n  local-address {}\n  announce IPv4 {v4}\n  announce IPv6 {v6}\n",
            session.remote, session.remote_asn, session.local
        );
        if session.passive {
            text += "  passive\n";
        }
        if let Some(password) = &session.password {
            let _ = writeln!(text, "  tcp md5sig password {password}");
        }
        let _ = writeln!(text, "{}\n}}", spec.session_lines);
    }
    text + "allow from any\nallow to any\n"
}

impl Peer for OpenBgpd {
    fn process(&mut self) -> &mut Daemon {
        &mut self.process
    }

    fn start_again(&mut self) {
        self.process = spawn(&self.place);
        self.announced.0.iter().for_each(|route| self.order(route));
    }

    fn established(&self, remote: IpAddr) -> bool {
        self.ask_json(&["show", "neighbor", &remote.to_string()])["neighbors"][0]["state"] == "Established"
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
            self.ask(&["network", "delete", prefix]);
        }
    }

    fn route(&self, remote: IpAddr, prefix: &str) -> Option<Route> {
        let view = self.ask_json(&["show", "rib", "detail", prefix]);
        let from =
            |path: &&Value| path["neighbor"]["remote_addr"] == remote.to_string() && path["prefix"] == prefix;
        let path = view["rib"].as_array()?.iter().find(from)?.clone();
        let text = |value: &Value| value.as_str().unwrap_or("").to_owned();
        Some(Route {
            as_path: text(&path["aspath"]),
            next_hop: text(&path["exit_nexthop"]),
            origin: text(&path["origin"]).to_uppercase(),
            // It says 0 where there is none.
            med: path["metric"].as_u64().filter(|med| *med != 0).map(|med| med as u32),
            communities: path["communities"].as_array().into_iter().flatten().map(text).collect(),
            large_communities: path["large_communities"].as_array().map_or(0, Vec::len),
        })
    }

    fn refresh_in(&self, remote: IpAddr) {
        self.ask(&["neighbor", &remote.to_string(), "refresh"]);
    }

    fn reset(&self, remote: IpAddr) {
        // Not "clear": after that it waits in Idle, longer each time.
        self.ask(&["neighbor", &remote.to_string(), "down"]);
        self.ask(&["neighbor", &remote.to_string(), "up"]);
    }

    fn about(&self, remote: IpAddr) -> String {
        self.ask(&["show", "neighbor", &remote.to_string()]) + &self.process.log()
    }
}
