//! `kind`, `gateway`, `[bridge.NAME]` and `[[service]]`: what kind of device the interfaces make up.

use crate::diagnostic::{Diagnostic, Span};
use crate::interface::{Interface, interface_name};
use crate::section::{Section, nearest};
use crate::value::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use toml::Spanned;
use trunkline_core::Duration;
use trunkline_node::config::{BridgeConfig, Kind, PortKind, Service, ServiceKind};

const KINDS: [(&str, Kind); 3] = [("router", Kind::Router), ("host", Kind::Host), ("switch", Kind::Switch)];
const SERVICES: [(&str, ServiceKind); 3] =
    [("echo", ServiceKind::Echo), ("discard", ServiceKind::Discard), ("chargen", ServiceKind::Chargen)];

/// The keys of `[node]` that say what the device is.
pub(crate) struct Device {
    pub(crate) kind: Kind,
    pub(crate) gateway: Option<Spanned<Ipv4Addr>>,
}

/// Reads `kind` and `gateway`.
pub(crate) fn device(node: &mut Section<'_>) -> Device {
    let kind = node.read("kind", |v| v.choice(&KINDS)).unwrap_or_default();
    let gateway = node.read("gateway", |v| Some(Spanned::new(v.span(), gateway(v)?)));
    if let (Kind::Router, Some(gateway)) = (kind, &gateway) {
        let problem = Diagnostic::error(gateway.span(), "a router has no `gateway`", "it has routes");
        let help =
            format!("write [[static]] with `prefix = \"0.0.0.0/0\"`, `via = \"{}\"`", gateway.get_ref());
        node.reader().push_relation(problem.help(help));
    }
    Device { kind, gateway }
}

fn gateway(value: &Value<'_>) -> Option<Ipv4Addr> {
    let address: Ipv4Addr = value.text()?;
    if address.is_multicast() || address.is_broadcast() || address.is_loopback() {
        return value.refuse(value.problem("is no gateway", "expected the address of one router"));
    }
    Some(address)
}

impl Device {
    /// A gateway is a neighbour, and somebody else.
    pub(crate) fn check_gateway(&self, root: &Section<'_>, interfaces: &[Interface]) {
        let Some(gateway) = &self.gateway else { return };
        let address = *gateway.get_ref();
        let mut addresses = interfaces.iter().flat_map(|i| &i.addresses).peekable();
        if addresses.peek().is_none() {
            return;
        }
        if let Some(own) = addresses.clone().find(|a| a.get_ref().address == address) {
            let problem =
                Diagnostic::error(gateway.span(), "the gateway is this node itself", "expected another");
            root.reader().push_relation(problem.related(own.span(), "the same address"));
        } else if !addresses.any(|a| a.get_ref().prefix().contains(address)) {
            let message = format!("the gateway {address} is in no subnet of this node");
            let problem = Diagnostic::warning(gateway.span(), message, "cannot be reached");
            root.reader().push_relation(problem.help("it must lie in the subnet of one of the `address`es"));
        }
    }
}

/// The names of the bridges that the tables describe, or that a switch has without a description.
pub(crate) fn bridge_names<'a>(root: &mut Section<'a>, kind: Kind) -> Vec<&'a str> {
    let section = root.section("bridge", "[bridge]");
    let mut names: Vec<&str> = section.entries().into_iter().map(|(name, ..)| name).collect();
    section.accept_all();
    if names.is_empty() && kind == Kind::Switch {
        names.push("br0");
    }
    names
}

/// Reads all of `[bridge.NAME]`, in the order of the file.
pub(crate) fn bridges(section: Section<'_>, interfaces: &[Interface]) -> Vec<BridgeConfig> {
    let mut found = Vec::new();
    let mut taken = BTreeMap::new();
    let mut entries = section.entries();
    entries.sort_by_key(|(_, span, _)| span.start);
    let names: BTreeSet<&str> = entries.iter().map(|(name, ..)| *name).collect();
    for (name, span, value) in entries {
        if let Err(allowed) = interface_name(name) {
            let message = format!("\"{name}\" is no name of a bridge");
            section.reader().push(Diagnostic::error(span, message, allowed));
        } else if let Some(table) = value.section("[bridge.NAME]") {
            let members = Members { interfaces, bridges: &names, taken: &mut taken };
            found.push(bridge(table, name, members));
        }
    }
    section.accept_all();
    found
}

/// Who may be a port of a bridge.
struct Members<'m> {
    interfaces: &'m [Interface],
    bridges: &'m BTreeSet<&'m str>,
    /// By name: the place where a bridge has it as its port.
    taken: &'m mut BTreeMap<String, Span>,
}

fn bridge(mut section: Section<'_>, name: &str, mut members: Members<'_>) -> BridgeConfig {
    let ports =
        section.require("ports", "[\"eth0\", \"eth1\"]", |v| v.list(|v| v.string().map(str::to_owned)));
    let ports = ports.unwrap_or_default();
    let mut config = BridgeConfig::new(name);
    for port in &ports {
        if members.check(&section, port) {
            config.ports.push(port.get_ref().clone());
        }
    }
    let seconds = section.read("ageing-time", |v| v.integer(10..=1_000_000_u64));
    if let Some(seconds) = seconds {
        config.ageing_time = Duration::from_secs(seconds);
    }
    config
}

impl Members<'_> {
    /// Whether this can be a port; if not, that is said.
    fn check(&mut self, section: &Section<'_>, port: &Spanned<String>) -> bool {
        let name = port.get_ref().as_str();
        let refuse = |message: String, label: &str| Diagnostic::error(port.span(), message, label);
        if let Some(first) = self.taken.get(name) {
            let problem = refuse(format!("{name} is a port of a bridge twice"), "again here");
            section.reader().push_relation(problem.related(first.clone(), "first here"));
            return false;
        }
        self.taken.insert(name.to_owned(), port.span());
        let Some(interface) = self.interfaces.iter().find(|i| i.config.name == name) else {
            let mut problem = refuse(format!("there is no interface {name}"), "expected one of this node's");
            let near = nearest(name, self.interfaces.iter().map(|i| i.config.name.as_str()));
            problem.help = Some(match near {
                Some(near) => format!("did you mean \"{near}\"?"),
                None => format!("describe it with [interface.{name}]"),
            });
            section.reader().push_relation(problem);
            return false;
        };
        let problem = if self.bridges.contains(name) {
            Some((format!("the bridge {name} cannot be a port"), "expected an interface", port.span()))
        } else if interface.config.port == PortKind::Loopback {
            Some((
                format!("{name} cannot be a port"),
                "a loopback interface leads nowhere",
                interface.span.clone(),
            ))
        } else if interface.config.port == PortKind::Kernel {
            let label = "only a port of `port = \"packet\"` or \"tap\" is ours to bridge";
            Some((format!("{name} belongs to the kernel"), label, interface.port.clone()))
        } else {
            interface.addresses.first().map(|address| {
                (format!("{name} has an address and is a port of a bridge"), "cannot be both", address.span())
            })
        };
        let Some((message, label, related)) = problem else { return true };
        let mut problem = refuse(message, label);
        if related != port.span() {
            problem = problem.related(related, "because of this");
        }
        section.reader().push_relation(problem);
        false
    }
}

/// Reads all of `[[service]]`.
pub(crate) fn services(sections: Vec<Section<'_>>) -> Vec<Service> {
    let mut services = Vec::new();
    let mut seen = BTreeMap::new();
    for mut section in sections {
        let kind = section.require("kind", "\"echo\"", |v| v.choice(&SERVICES));
        let port = section.read("port", |v| v.integer(1..=65535_u16));
        let Some(kind) = kind else { continue };
        let port = port.unwrap_or(match kind {
            ServiceKind::Echo => 7,
            ServiceKind::Discard => 9,
            ServiceKind::Chargen => 19,
        });
        let at = section.span_of("port");
        let first = seen.entry(port).or_insert_with(|| at.clone());
        if *first != at {
            let message = format!("two services at port {port}");
            let problem = Diagnostic::error(at, message, "taken already");
            section.reader().push_relation(problem.related(first.clone(), "by this one"));
            continue;
        }
        services.push(Service { kind, port });
    }
    services
}
