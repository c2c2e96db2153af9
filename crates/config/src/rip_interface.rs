//! `[rip.interface.NAME]`: where RIP runs, and how.

use crate::diagnostic::{Diagnostic, Span};
use crate::interface::interface_name;
use crate::key_chain::authentication;
use crate::policy::prefix_matches;
use crate::rip::Context;
use crate::section::{Section, alternatives, nearest};
use crate::value::Value;
use std::net::{IpAddr, Ipv4Addr};
use toml::Spanned;
use toml::de::DeValue;
use trunkline_node::config::{PortKind, RipAuthentication, RipConfig};
use trunkline_rip::{InterfaceConfig, Offset, Receive, Send, SplitHorizon};

const SPLIT_HORIZON: [(&str, SplitHorizon); 3] =
    [("poison", SplitHorizon::PoisonedReverse), ("simple", SplitHorizon::Simple), ("off", SplitHorizon::Off)];
const SEND: [(&str, Send); 4] =
    [("none", Send::None), ("1", Send::V1), ("1-compatible", Send::V1Compatible), ("2", Send::V2)];
const RECEIVE: [(&str, Receive); 4] =
    [("none", Receive::None), ("1", Receive::V1), ("2", Receive::V2), ("both", Receive::Both)];
/// The most `neighbors` of an interface.
const MAX_NEIGHBORS: usize = 256;

impl<'a> Context<'_, 'a> {
    /// Reads all of `[rip.interface.NAME]`; `send` and `receive` are what they do without saying so.
    pub(crate) fn interfaces(
        &self,
        rip: &mut Section<'a>,
        config: &mut RipConfig,
        send: Send,
        receive: Receive,
    ) {
        let section = rip.section("interface", "[rip.interface]");
        let entries = section.entries();
        if entries.is_empty() {
            let problem = Diagnostic::warning(rip.span(), "RIP runs on no interface", "does nothing");
            rip.reader()
                .push_relation(problem.help("add [rip.interface.eth0] for each interface it is to run on"));
        }
        for (name, span, value) in entries {
            if let Err(allowed) = interface_name(name) {
                let message = format!("\"{name}\" is no name of an interface");
                section.reader().push(Diagnostic::error(span, message, allowed));
                continue;
            }
            let Some(mut table) = value.section("[rip.interface.NAME]") else { continue };
            let enabled = table.read("enabled", Value::bool).unwrap_or(true);
            let (interface, keys) = self.interface(&mut table, name, send, receive);
            if enabled {
                self.check_name(&section, name, span);
                config.machine.interfaces.insert(name.to_owned(), interface);
                config.authentication.extend(keys.map(|keys| (name.to_owned(), keys)));
            }
        }
        section.accept_all();
    }

    /// An interface of the kernel may come at any time; what else there is, the file says.
    fn check_name(&self, section: &Section<'_>, name: &str, span: Span) {
        let known = self.interfaces.iter().find(|interface| interface.config.name == name);
        let problem = match known {
            None if self.lab => {
                let message = format!("there is no interface {name}");
                let mut problem = Diagnostic::warning(span, message, "RIP runs nowhere here");
                let names = self.interfaces.iter().map(|interface| interface.config.name.as_str());
                problem.help = nearest(name, names).map(|near| format!("did you mean \"{near}\"?"));
                problem
            }
            Some(own) if own.config.port != PortKind::Kernel && own.addresses.is_empty() => {
                let message = format!("RIP on {name}, which has no address");
                Diagnostic::warning(span, message, "does nothing without one")
                    .related(own.span.clone(), "the interface")
            }
            _ => return,
        };
        section.reader().push_relation(problem);
    }

    fn interface(
        &self,
        section: &mut Section<'a>,
        name: &str,
        send: Send,
        receive: Receive,
    ) -> (InterfaceConfig, Option<RipAuthentication>) {
        let mut c = InterfaceConfig { send, receive, ..InterfaceConfig::default() };
        section.set(&mut c.cost, "cost", |v| v.integer(1..=15));
        section.set(&mut c.passive, "passive", Value::bool);
        section.set(&mut c.split_horizon, "split-horizon", |v| v.choice(&SPLIT_HORIZON));
        section.set(&mut c.send, "send", |v| version(v, &SEND));
        section.set(&mut c.receive, "receive", |v| version(v, &RECEIVE));
        section.set(&mut c.neighbors, "neighbors", |v| self.neighbors(v, name));
        section.set(&mut c.filter_in, "import", |v| self.policies.filter(v));
        section.set(&mut c.filter_out, "export", |v| self.policies.filter(v));
        section.set(&mut c.offsets_in, "offset-in", |v| offsets(v, "offset-in"));
        section.set(&mut c.offsets_out, "offset-out", |v| offsets(v, "offset-out"));
        let keys = section.read("authentication", |v| authentication(v, self.chains));
        if section.has("authentication") {
            check_versions(section, &c);
        }
        (c, keys)
    }

    fn neighbors(&self, value: &Value<'a>, interface: &str) -> Option<Vec<Ipv4Addr>> {
        let neighbors = value.set(neighbor)?;
        if neighbors.len() > MAX_NEIGHBORS {
            let what = format!("names {} neighbors", neighbors.len());
            return value.refuse(value.problem(&what, format!("at most {MAX_NEIGHBORS}")));
        }
        let own = self.interfaces.iter().find(|own| own.config.name == interface);
        let subnets = own.map_or(&[][..], |own| own.addresses.as_slice());
        for neighbor in neighbors.iter().filter(|_| !subnets.is_empty()) {
            let address = *neighbor.get_ref();
            if let Some(same) = subnets.iter().find(|subnet| subnet.get_ref().address == address) {
                let problem = Diagnostic::error(
                    neighbor.span(),
                    "the neighbor is this node itself",
                    "expected another",
                );
                value.refuse_relation::<()>(problem.related(same.span(), "the same address"));
            } else if !subnets.iter().any(|subnet| subnet.get_ref().prefix().contains(address)) {
                let message = format!("{address} is in no subnet of {interface}");
                let problem = Diagnostic::warning(neighbor.span(), message, "nothing is sent to it");
                value.refuse_relation::<()>(problem);
            }
        }
        Some(neighbors.into_iter().map(Spanned::into_inner).collect())
    }
}

fn neighbor(value: &Value<'_>) -> Option<Ipv4Addr> {
    let allowed = match value.text()? {
        IpAddr::V4(a) if a.is_unspecified() || a.is_multicast() || a.is_broadcast() => {
            "expected the address of one router"
        }
        IpAddr::V4(address) => return Some(address),
        IpAddr::V6(_) => "expected an IPv4 address: RIP knows no other",
    };
    value.refuse(value.problem("is no neighbor's address", allowed))
}

/// One of some names; of those that are numbers, the quotes may be left out.
fn version<T: Copy>(value: &Value<'_>, choices: &[(&'static str, T)]) -> Option<T> {
    let DeValue::Integer(number) = value.raw() else { return value.choice(choices) };
    let found = choices.iter().find(|(name, _)| *name == number.as_str()).map(|(_, choice)| *choice);
    found.or_else(|| {
        let names: Vec<String> = choices.iter().map(|(name, _)| format!("\"{name}\"")).collect();
        let allowed = format!("expected {}", alternatives(&names, "or"));
        value.refuse(value.problem(&format!("cannot be {}", number.as_str()), allowed))
    })
}

/// A metric for all, or a list of tables, of which the first that matches counts.
fn offsets(value: &Value<'_>, title: &'static str) -> Option<Vec<Offset>> {
    if !matches!(value.raw(), DeValue::Array(_)) {
        let metric = value.integer(0..=16)?;
        return Some(if metric == 0 { Vec::new() } else { vec![Offset { prefixes: Vec::new(), metric }] });
    }
    let offsets = value.sections(title).into_iter().filter_map(|mut section| {
        let prefixes = section.read("prefixes", prefix_matches);
        let metric = section.require("metric", "2", |v| v.integer(0..=16));
        Some(Offset { prefixes: prefixes.unwrap_or_default(), metric: metric? })
    });
    Some(offsets.collect())
}

/// RFC 2453 §5.2: version 1 has no room for authentication.
fn check_versions(section: &Section<'_>, config: &InterfaceConfig) {
    let keys = section.span_of("authentication");
    let at = |key: &str| if section.has_itself(key) { section.span_of(key) } else { keys.clone() };
    let push = |key: &str, problem: Diagnostic| {
        let problem =
            if section.has_itself(key) { problem.related(keys.clone(), "with this") } else { problem };
        section.reader().push_relation(problem);
    };
    let label = "version 1 cannot be authenticated (RFC 2453 §5.2)";
    if config.send == Send::V1 {
        let problem = Diagnostic::error(at("send"), "authentication where version 1 is sent", label);
        push(
            "send",
            problem.help("write `send = \"2\"`, or `send = \"1-compatible\"` for version 2 by broadcast"),
        );
    }
    if config.receive == Receive::V1 {
        let problem =
            Diagnostic::error(at("receive"), "authentication where version 1 alone is heard", label);
        push("receive", problem.help("write `receive = \"2\"`"));
    }
    if config.receive == Receive::Both {
        let message = "with authentication nothing of version 1 is accepted";
        push("receive", Diagnostic::warning(at("receive"), message, label));
    }
}
