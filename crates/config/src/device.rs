//! `kind`, `gateway` and `[[service]]`: what kind of device the interfaces make up.

use crate::diagnostic::Diagnostic;
use crate::interface::Interface;
use crate::section::Section;
use crate::value::Value;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use toml::Spanned;
use trunkline_node::config::{Kind, Service, ServiceKind};

const KINDS: [(&str, Kind); 3] = [("router", Kind::Router), ("host", Kind::Host), ("switch", Kind::Switch)];
const SERVICES: [(&str, ServiceKind); 4] = [
    ("echo", ServiceKind::Echo),
    ("discard", ServiceKind::Discard),
    ("chargen", ServiceKind::Chargen),
    ("iperf3", ServiceKind::Iperf3),
];

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
            ServiceKind::Iperf3 => 5201,
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
