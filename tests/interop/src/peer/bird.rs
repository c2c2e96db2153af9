//! BIRD 2: `bird` and `birdc`. Routes are static ones in files of their own.

use super::{Announced, Announcement, Peer, Place, Route, Spec};
use crate::process::Daemon;
use std::fmt::Write;
use std::net::IpAddr;

pub(super) struct Bird {
    place: Place,
    spec: Spec,
    announced: Announced,
    process: Daemon,
}

impl Bird {
    pub(super) fn start(place: Place, spec: Spec) -> Bird {
        place.write("bird.conf", &config(&place, &spec));
        let announced = Announced::default();
        write_routes(&place, &announced);
        let process = spawn(&place, false);
        Bird { place, spec, announced, process }
    }

    fn ask(&self, command: &str) -> String {
        self.place.ask(&["birdc", "-s", &self.place.path("bird.ctl"), command])
    }

    fn session(&self, remote: IpAddr) -> String {
        let at = self.spec.sessions.iter().position(|session| session.remote == remote);
        format!("s{}", at.unwrap())
    }
}

/// Starts BIRD, with the `bird.conf` that is there; `recovery`: as one that restarts gracefully.
pub(crate) fn spawn(place: &Place, recovery: bool) -> Daemon {
    let (conf, ctl, pid) = (place.path("bird.conf"), place.path("bird.ctl"), place.path("bird.pid"));
    let mut argv = vec!["bird", "-f", "-c", &conf, "-s", &ctl, "-P", &pid];
    if recovery {
        argv.push("-R");
    }
    let process = place.spawn("bird", &argv);
    crate::wait_until(crate::PATIENCE, "BIRD answers", || {
        place.ask(&["birdc", "-s", &ctl, "show status"]).contains("Daemon is up and running")
    });
    process
}

fn config(place: &Place, spec: &Spec) -> String {
    let mut text = format!(
        "router id {};\nlog \"{}\" all;\ndebug protocols {{ states, events }};\n{}\ninclude \"meds.conf\";\nprotocol device {{ scan time 2; }}\n\
         protocol static static4 {{\n  ipv4;\n  include \"routes4.conf\";\n}}\n\
         protocol static static6 {{\n  ipv6;\n  include \"routes6.conf\";\n}}\n",
        spec.router_id,
        place.path("bird.log"),
        spec.global_lines
    );
    for (i, session) in spec.sessions.iter().enumerate() {
        let family = if session.remote.is_ipv4() { "ipv4" } else { "ipv6" };
        let remote_as = match session.remote_asn {
            super::ANY_EXTERNAL => "external".to_owned(),
            asn => format!("as {asn}"),
        };
        let n = if session.remote.is_ipv4() { 4 } else { 6 };
        let _ = write!(
            text,
            "protocol bgp s{i} {{\n  local {} as {};\n  neighbor {} {remote_as};\n  hold time {};\n  connect retry time 1;\n  \
             connect delay time 1;\n  error wait time 1,2;\n  error forget time 1;\n",
            session.local, spec.asn, session.remote, spec.hold
        );
        if session.passive {
            text += "  passive on;\n";
        }
        if let Some(password) = &session.password {
            let _ = writeln!(text, "  password \"{password}\";");
        }
        if spec.graceful_restart {
            text += "  graceful restart on;\n  graceful restart time 30;\n";
        }
        let _ = writeln!(
            text,
            "  {}\n  {family} {{ import all; export filter {{ meds{n}(); accept; }}; }};\n}}",
            spec.session_lines
        );
    }
    text
}

/// The static routes, and functions for the export filter: BIRD sends no MED but one that is set there.
fn write_routes(place: &Place, announced: &Announced) {
    let (mut v4, mut v6) = (String::new(), String::new());
    let (mut meds4, mut meds6) = (String::new(), String::new());
    for route in &announced.0 {
        let text = if route.is_v6() { &mut v6 } else { &mut v4 };
        let _ = write!(text, "route {} blackhole", route.prefix);
        if let Some(med) = route.med {
            let meds = if route.is_v6() { &mut meds6 } else { &mut meds4 };
            let _ = writeln!(meds, "  if net = {} then bgp_med = {med};", route.prefix);
        }
        if !route.communities.is_empty() {
            text.push_str(" {");
            for community in &route.communities {
                let _ = write!(text, " bgp_community.add(({}));", community.replace(':', ","));
            }
            text.push_str(" }");
        }
        text.push_str(";\n");
    }
    place.write("meds.conf", &format!("function meds4() {{\n{meds4}}}\nfunction meds6() {{\n{meds6}}}\n"));
    place.write("routes4.conf", &v4);
    place.write("routes6.conf", &v6);
}

impl Peer for Bird {
    fn process(&mut self) -> &mut Daemon {
        &mut self.process
    }

    fn start_again(&mut self) {
        write_routes(&self.place, &self.announced);
        self.process = spawn(&self.place, self.spec.graceful_restart);
    }

    fn established(&self, remote: IpAddr) -> bool {
        self.about(remote).lines().any(|line| line.contains("BGP state:") && line.contains("Established"))
    }

    fn announce(&mut self, route: &Announcement) {
        self.announced.add(route);
        write_routes(&self.place, &self.announced);
        if self.process.running() {
            let answer = self.ask("configure");
            assert!(answer.contains("Reconfigur"), "BIRD: {answer}");
        }
    }

    fn withdraw(&mut self, prefix: &str) {
        self.announced.remove(prefix);
        write_routes(&self.place, &self.announced);
        if self.process.running() {
            let answer = self.ask("configure");
            assert!(answer.contains("Reconfigur"), "BIRD: {answer}");
        }
    }

    fn route(&self, remote: IpAddr, prefix: &str) -> Option<Route> {
        let text = self.ask(&format!("show route {prefix} protocol {} all", self.session(remote)));
        if !text.contains("BGP.origin") {
            return None;
        }
        let mut route = Route::default();
        // Long lists go on in lines that are set in further.
        for line in text.replace("\n\t\t", " ").lines() {
            let Some((key, value)) = line.trim().split_once(':') else { continue };
            let value = value.trim();
            match key {
                "BGP.origin" => route.origin = value.to_uppercase(),
                "BGP.as_path" => route.as_path = value.into(),
                // An IPv6 next hop may be followed by the link-local one.
                "BGP.next_hop" => route.next_hop = value.split(' ').next().unwrap().into(),
                "BGP.med" => route.med = value.parse().ok(),
                "BGP.community" => {
                    let trim = |c: &str| c.trim_matches(['(', ')']).replace(',', ":");
                    route.communities = value.split_whitespace().map(trim).collect();
                }
                "BGP.large_community" => route.large_communities = value.matches('(').count(),
                _ => {}
            }
        }
        Some(route)
    }

    fn refresh_in(&self, remote: IpAddr) {
        self.ask(&format!("reload in {}", self.session(remote)));
    }

    fn reset(&self, remote: IpAddr) {
        self.ask(&format!("restart {}", self.session(remote)));
    }

    fn about(&self, remote: IpAddr) -> String {
        self.ask(&format!("show protocols all {}", self.session(remote)))
    }
}
