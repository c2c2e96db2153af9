//! GoBGP: `gobgpd` and `gobgp`.

use super::{Announced, Announcement, Peer, Place, Route, Spec};
use crate::process::Daemon;
use serde_json::Value;
use std::fmt::Write;
use std::net::IpAddr;

pub(super) struct GoBgp {
    place: Place,
    spec: Spec,
    announced: Announced,
    process: Daemon,
}

impl GoBgp {
    pub(super) fn start(place: Place, spec: Spec) -> GoBgp {
        place.write("gobgpd.conf", &config(&spec));
        let process = spawn(&place, false);
        GoBgp { place, spec, announced: Announced::default(), process }
    }

    fn order(&self, verb: &str, route: &Announcement) {
        let family = if route.is_v6() { "ipv6" } else { "ipv4" };
        let med = route.med.map(|med| med.to_string());
        let communities = route.communities.join(",");
        let mut argv = vec!["gobgp", "global", "rib", verb, "-a", family, &route.prefix];
        if verb == "add" {
            argv.extend(["origin", "igp"]);
            if let Some(med) = &med {
                argv.extend(["med", med]);
            }
            if !communities.is_empty() {
                argv.extend(["community", &communities]);
            }
        }
        let answer = self.place.ask(&argv);
        assert!(answer.trim().is_empty(), "gobgp: {answer}");
    }
}

fn spawn(place: &Place, restarted: bool) -> Daemon {
    let conf = place.path("gobgpd.conf");
    let mut argv =
        vec!["gobgpd", "-f", &conf, "-l", "debug", "-p", "--api-hosts", "127.0.0.1:50051", "--pprof-disable"];
    if restarted {
        argv.push("-r");
    }
    let process = place.spawn("gobgpd", &argv);
    crate::wait_until(crate::PATIENCE, "gobgpd answers", || {
        place.space.output(&["gobgp", "neighbor"]).status.success()
            && place.space.output(&["gobgp", "global"]).status.success()
    });
    process
}

fn config(spec: &Spec) -> String {
    let locals: Vec<String> = spec.sessions.iter().map(|session| session.local.to_string()).collect();
    let mut text = format!(
        "[global.config]\nas = {}\nrouter-id = \"{}\"\nport = 179\nlocal-address-list = {locals:?}\n{}\n",
        spec.asn, spec.router_id, spec.global_lines
    );
    for session in &spec.sessions {
        let family = if session.remote.is_ipv4() { "ipv4" } else { "ipv6" };
        let _ = write!(
            text,
            "[[neighbors]]\n[neighbors.config]\nneighbor-address = \"{}\"\npeer-as = {}\n",
            session.remote, session.remote_asn
        );
        if let Some(password) = &session.password {
            let _ = writeln!(text, "auth-password = \"{password}\"");
        }
        let _ = write!(
            text,
            "[neighbors.transport.config]\npassive-mode = {}\nlocal-address = \"{}\"\n\
             [neighbors.timers.config]\nhold-time = {}.0\nkeepalive-interval = {:.1}\nconnect-retry = 1.0\n",
            session.passive,
            session.local,
            spec.hold,
            f64::from(spec.hold) / 3.0
        );
        if spec.graceful_restart {
            text += "[neighbors.graceful-restart.config]\nenabled = true\nrestart-time = 30\n";
        }
        let _ = write!(
            text,
            "{}\n[[neighbors.afi-safis]]\n[neighbors.afi-safis.config]\nafi-safi-name = \"{family}-unicast\"\n",
            spec.session_lines
        );
        if spec.graceful_restart {
            text += "[neighbors.afi-safis.mp-graceful-restart.config]\nenabled = true\n";
        }
    }
    text
}

impl Peer for GoBgp {
    fn process(&mut self) -> &mut Daemon {
        &mut self.process
    }

    fn start_again(&mut self) {
        self.process = spawn(&self.place, self.spec.graceful_restart);
        self.announced.0.iter().for_each(|route| self.order("add", route));
    }

    fn established(&self, remote: IpAddr) -> bool {
        self.place.ask_json(&["gobgp", "neighbor", &remote.to_string(), "-j"])["state"]["session_state"] == 6
    }

    fn announce(&mut self, route: &Announcement) {
        self.announced.add(route);
        if self.process.running() {
            self.order("add", route);
        }
    }

    fn withdraw(&mut self, prefix: &str) {
        if let Some(route) = self.announced.remove(prefix)
            && self.process.running()
        {
            self.order("del", &route);
        }
    }

    fn route(&self, remote: IpAddr, prefix: &str) -> Option<Route> {
        let family = if prefix.contains(':') { "ipv6" } else { "ipv4" };
        let remote = remote.to_string();
        let view = self.place.ask_json(&["gobgp", "neighbor", &remote, "adj-in", "-a", family, prefix, "-j"]);
        let path = view[prefix].get(0)?;
        let mut route = Route::default();
        for attribute in path["attrs"].as_array()? {
            match attribute["type"].as_u64()? {
                1 => {
                    route.origin = ["IGP", "EGP", "INCOMPLETE"][attribute["value"].as_u64()? as usize].into()
                }
                2 => {
                    let segments = attribute["as_paths"].as_array()?.iter();
                    let numbers =
                        segments.flat_map(|segment| segment["asns"].as_array().into_iter().flatten());
                    route.as_path = numbers.map(Value::to_string).collect::<Vec<_>>().join(" ");
                }
                3 | 14 => route.next_hop = attribute["nexthop"].as_str()?.into(),
                4 => route.med = attribute["metric"].as_u64().map(|med| med as u32),
                8 => {
                    let numbers = attribute["communities"].as_array()?.iter().filter_map(Value::as_u64);
                    route.communities = numbers.map(|c| format!("{}:{}", c >> 16, c & 0xffff)).collect();
                }
                _ => {}
            }
        }
        Some(route)
    }

    fn refresh_in(&self, remote: IpAddr) {
        self.place.ask(&["gobgp", "neighbor", &remote.to_string(), "softresetin"]);
    }

    fn reset(&self, remote: IpAddr) {
        // Not "reset": after that it waits 30 s in Idle, whatever it is configured to.
        self.place.ask(&["gobgp", "neighbor", &remote.to_string(), "disable"]);
        self.place.ask(&["gobgp", "neighbor", &remote.to_string(), "enable"]);
    }

    fn about(&self, remote: IpAddr) -> String {
        self.place.ask(&["gobgp", "neighbor", &remote.to_string()]) + &self.process.log()
    }
}
