//! Trunkline as somebody else's peer: it must get along with itself as with the others.

use super::{Announced, Announcement, Peer, Place, Route, Spec};
use crate::lab::Lab;
use crate::process::Daemon;
use crate::trunkline::{Config, Neighbor, Trunkline};
use serde_json::Value;
use std::fmt::Write;
use std::net::IpAddr;

pub(super) struct Own {
    spec: Spec,
    announced: Announced,
    node: Trunkline,
}

impl Own {
    pub(super) fn start(lab: &Lab, place: Place, spec: Spec) -> Own {
        let announced = Announced::default();
        let node = Trunkline::start(lab, &place.space, &place.name, &config(&spec, &announced));
        Own { spec, announced, node }
    }

    fn changed(&mut self) {
        let config = config(&self.spec, &self.announced);
        if self.node.process.running() {
            self.node.reload(&config);
        } else {
            self.node.write(&config);
        }
    }
}

fn config(spec: &Spec, announced: &Announced) -> Config {
    let mut config = Config::new(spec.asn, &spec.router_id);
    let mut rules = String::new();
    for route in &announced.0 {
        config = config.network(&route.prefix);
        let _ = write!(config.tables, "[[static]]\nprefix = \"{}\"\nblackhole = true\n\n", route.prefix);
        rules += &crate::trunkline::rule(&route.prefix, route.med, &route.communities);
    }
    // The policy always stands there, so that a route more or less does not change the neighbours.
    config.tables += &(rules + &crate::trunkline::rule_for_others());
    for session in &spec.sessions {
        let mut neighbor = Neighbor::new(&session.remote.to_string(), session.remote_asn)
            .set("local-address", &format!("\"{}\"", session.local))
            .set("hold-time", &spec.hold.to_string())
            .set("passive", &session.passive.to_string())
            .set("export", &format!("\"{}\"", crate::trunkline::POLICY));
        if let Some(password) = &session.password {
            neighbor = neighbor.set("password", &format!("\"{password}\""));
        }
        for (key, value) in spec.session_lines.lines().filter_map(|line| line.split_once(" = ")) {
            neighbor = neighbor.set(key, value);
        }
        config = config.neighbor(neighbor);
    }
    config.bgp.clone_from(&spec.global_lines);
    config
}

impl Peer for Own {
    fn process(&mut self) -> &mut Daemon {
        &mut self.node.process
    }

    fn start_again(&mut self) {
        self.node.start_again();
    }

    fn established(&self, remote: IpAddr) -> bool {
        self.node.established(remote)
    }

    fn announce(&mut self, route: &Announcement) {
        self.announced.add(route);
        self.changed();
    }

    fn withdraw(&mut self, prefix: &str) {
        self.announced.remove(prefix);
        self.changed();
    }

    fn route(&self, remote: IpAddr, prefix: &str) -> Option<Route> {
        let path = self.node.received(remote, prefix)?;
        let text = |value: &Value| value.as_str().unwrap_or("").to_owned();
        Some(Route {
            as_path: text(&path["as_path"]),
            next_hop: text(&path["next_hop"]),
            origin: text(&path["origin"]),
            med: path["med"].as_u64().map(|med| med as u32),
            communities: path["communities"].as_array().into_iter().flatten().map(text).collect(),
            large_communities: path["large_communities"].as_array().map_or(0, Vec::len),
        })
    }

    fn refresh_in(&self, remote: IpAddr) {
        self.node.run(&["clear", "bgp", &remote.to_string(), "--soft"]);
    }

    fn reset(&self, remote: IpAddr) {
        self.node.run(&["clear", "bgp", &remote.to_string()]);
    }

    fn about(&self, remote: IpAddr) -> String {
        self.node.errors(remote)
    }
}
