//! `[interface.NAME]` and what must agree between interfaces.

use crate::diagnostic::{Diagnostic, Span};
use crate::section::Section;
use crate::value::{Misread, Text, Value, misread};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use toml::Spanned;
use trunkline_core::{Ipv4Prefix, MacAddr};
use trunkline_node::config::{Defend, InterfaceConfig, PortKind};

const PORTS: [(&str, PortKind); 3] =
    [("kernel", PortKind::Kernel), ("packet", PortKind::Packet), ("tap", PortKind::Tap)];
const CONFLICT: [(&str, Defend); 3] =
    [("give-up", Defend::Never), ("defend-once", Defend::Once), ("defend-always", Defend::Always)];

/// An interface and where the file says what.
pub(crate) struct Interface {
    /// The name in the header.
    pub(crate) span: Span,
    /// Where `port` stands, or the header.
    pub(crate) port: Span,
    /// With the place of each.
    pub(crate) addresses: Vec<Spanned<Subnet>>,
    pub(crate) config: InterfaceConfig,
}

/// An address with the length of its subnet: "192.0.2.1/24".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Subnet {
    pub(crate) address: Ipv4Addr,
    pub(crate) length: u8,
}

impl Subnet {
    pub(crate) fn prefix(self) -> Ipv4Prefix {
        Ipv4Prefix::from_bits(self.address.to_bits(), self.length)
    }
}

impl std::fmt::Display for Subnet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.address, self.length)
    }
}

impl Text for Subnet {
    const NAME: &'static str = "an address with the length of its subnet";

    fn read(text: &str) -> Result<Subnet, Misread> {
        let expected = "expected as in 192.0.2.1/24";
        let Some((address, length)) = text.split_once('/') else {
            let help = text.parse::<Ipv4Addr>().ok().map(|a| format!("add the length, as in \"{a}/24\""));
            return Err(Misread { allowed: expected.to_owned(), help });
        };
        let address: Ipv4Addr = address.parse().map_err(|_| misread(expected))?;
        let length = length.parse().ok().filter(|length| (1..=32).contains(length));
        let length = length.ok_or_else(|| misread("the length of a subnet is 1 to 32"))?;
        let subnet = Subnet { address, length };
        let network = subnet.prefix().addr();
        let broadcast = Ipv4Addr::from_bits(network.to_bits() | !Ipv4Prefix::mask(length));
        // RFC 3021: a subnet of two has neither.
        if length < 31 && address == network {
            return Err(misread("all bits of the host are zero: this names the subnet"));
        }
        if length < 31 && address == broadcast {
            return Err(misread("all bits of the host are one: this is the broadcast address of the subnet"));
        }
        if address.octets()[0] == 0 || address.octets()[0] >= 224 {
            return Err(misread("expected an address that one machine can have"));
        }
        Ok(subnet)
    }
}

impl Text for MacAddr {
    const NAME: &'static str = "a MAC address";

    fn read(text: &str) -> Result<MacAddr, Misread> {
        let mac: MacAddr = text.parse().map_err(misread)?;
        if !mac.is_station() {
            return Err(misread("expected the address of one station: the first octet even, not all zeros"));
        }
        Ok(mac)
    }
}

/// The name of an interface as the kernel takes it (net/core/dev.c, `dev_valid_name`), or why it is none.
pub(crate) fn interface_name(name: &str) -> Result<&str, &'static str> {
    let wrong = |c: char| c == '/' || c == ':' || c.is_whitespace() || c.is_control();
    if name.is_empty() || name.len() > 15 || matches!(name, "." | "..") || name.contains(wrong) {
        return Err("expected 1 to 15 characters, as eth0");
    }
    Ok(name)
}

/// Reads all of `[interface.NAME]`, in the order of the file. In the lab all ports are simulated; nothing is behind those
/// that have the name of a bridge.
pub(crate) fn interfaces(section: Section<'_>, bridges: &[&str], lab: bool) -> Vec<Interface> {
    let mut interfaces = Vec::new();
    for (name, span, value) in section.entries() {
        if let Err(allowed) = interface_name(name) {
            let message = format!("\"{name}\" is no name of an interface");
            section.reader().push(Diagnostic::error(span, message, allowed));
        } else if let Some(table) = value.section("[interface.NAME]") {
            let port = match name {
                _ if name.starts_with("lo") || bridges.contains(&name) => PortKind::Loopback,
                _ if lab => PortKind::Simulated,
                _ => PortKind::Kernel,
            };
            interfaces.push(interface(table, name, span, port));
        }
    }
    interfaces.sort_by_key(|interface| interface.span.start);
    refuse_same_addresses(&section, &interfaces);
    section.accept_all();
    interfaces
}

fn interface(mut section: Section<'_>, name: &str, span: Span, mut port: PortKind) -> Interface {
    match port {
        // With a slip in `port` it was hardly meant to be the kernel's.
        PortKind::Kernel if section.has("port") => {
            port = section.read("port", |v| v.choice(&PORTS)).unwrap_or(PortKind::Packet);
        }
        PortKind::Kernel => drop(section.take("port")),
        _ => refuse_port(&mut section, port),
    }
    let loopback = port == PortKind::Loopback;
    let addresses = section.read("address", |v| v.set(Value::text::<Subnet>)).unwrap_or_default();
    check_loopback_addresses(&section, &addresses, loopback);

    let mut config = InterfaceConfig::new(name, port);
    config.address = addresses.iter().map(|a| (a.get_ref().address, a.get_ref().length)).collect();
    section.set(&mut config.enabled, "enabled", Value::bool);
    config.mac = section.read("mac", Value::text);
    section.set(&mut config.mtu, "mtu", |v| v.integer(576..=9216));
    config.proxy_arp = section.read("proxy-arp", Value::bool);
    section.set(&mut config.local_proxy_arp, "local-proxy-arp", Value::bool);
    config.redirects = section.read("redirects", Value::bool);
    config.accept_redirects = section.read("accept-redirects", Value::bool);
    section.set(&mut config.directed_broadcast, "directed-broadcast", Value::bool);
    section.set(&mut config.source_route, "source-route", Value::bool);
    section.set(&mut config.duplicate_detection, "duplicate-detection", Value::bool);
    section.set(&mut config.conflict, "conflict", |v| v.choice(&CONFLICT));
    if let Some(value) = section.take("arp") {
        config.arp = statics(&value, &addresses);
    }
    refuse_keys_of_the_kernel(&section, port);
    Interface { span, port: section.span_of("port"), addresses, config }
}

/// Where there is no choice.
fn refuse_port(section: &mut Section<'_>, port: PortKind) {
    if section.take("port").is_none() {
        return;
    }
    let at = section.span_of("port");
    section.reader().push(if port == PortKind::Loopback {
        let problem = Diagnostic::error(at, "an interface that leads nowhere has no port", "leave it out");
        problem.help("so it is with bridges, and with interfaces whose name begins with `lo`")
    } else {
        Diagnostic::warning(at, "`port` has no effect in a lab", "all links are simulated")
    });
}

/// 127.0.0.0/8 never leaves the machine (RFC 1122 §3.2.1.3 (g)).
fn check_loopback_addresses(section: &Section<'_>, addresses: &[Spanned<Subnet>], loopback: bool) {
    for address in addresses.iter().filter(|a| a.get_ref().address.is_loopback() && !loopback) {
        let message = format!("{} on an interface that leads out", address.get_ref().address);
        section.reader().push(Diagnostic::error(
            address.span(),
            message,
            "127.0.0.0/8 belongs on an interface `lo`",
        ));
    }
}

/// `arp`: neighbours whose MAC address is given.
fn statics(value: &Value<'_>, addresses: &[Spanned<Subnet>]) -> Vec<(Ipv4Addr, MacAddr)> {
    let Some(section) = value.section("arp") else { return Vec::new() };
    let mut statics = Vec::new();
    for (neighbor, span, mac) in section.entries() {
        let Ok(address) = neighbor.parse::<Ipv4Addr>() else {
            let message = format!("\"{neighbor}\" is no neighbor's address");
            let label = "expected as in \"192.0.2.9\" = \"02:00:00:00:00:09\"";
            section.reader().push(Diagnostic::error(span, message, label));
            continue;
        };
        if !addresses.is_empty() && !addresses.iter().any(|a| a.get_ref().prefix().contains(address)) {
            let message = format!("{address} is in no subnet of this interface");
            section.reader().push_relation(Diagnostic::warning(span, message, "is never asked for"));
        }
        statics.extend(mac.text().map(|mac| (address, mac)));
    }
    section.accept_all();
    statics.sort_unstable();
    statics
}

/// The kernel has its own idea of its interfaces.
fn refuse_keys_of_the_kernel(section: &Section<'_>, port: PortKind) {
    if port != PortKind::Kernel {
        return;
    }
    let mut keys = OWNED_KEYS.into_iter().filter(|key| section.has(key));
    let Some(first) = keys.next() else { return };
    let message = format!("`{first}` of an interface that the kernel has");
    let mut problem = Diagnostic::error(section.span_of(first), message, "is not ours to set");
    for key in keys {
        problem = problem.related(section.span_of(key), "nor is this");
    }
    section.reader().push_relation(problem.help(
        "with `port = \"packet\"` or `port = \"tap\"` the interface is this node's own; of a kernel interface set this \
         with ip(8)",
    ));
}

const OWNED_KEYS: [&str; 13] = [
    "address",
    "enabled",
    "mac",
    "mtu",
    "proxy-arp",
    "local-proxy-arp",
    "redirects",
    "accept-redirects",
    "directed-broadcast",
    "source-route",
    "duplicate-detection",
    "conflict",
    "arp",
];

/// An address or a MAC address is one interface's, and so should be a subnet.
fn refuse_same_addresses(section: &Section<'_>, interfaces: &[Interface]) {
    let mut seen: BTreeMap<Ipv4Addr, Span> = BTreeMap::new();
    for (index, interface) in interfaces.iter().enumerate() {
        for address in &interface.addresses {
            let subnet = *address.get_ref();
            if let Some(first) = seen.get(&subnet.address) {
                let message = format!("{} is given twice", subnet.address);
                let problem = Diagnostic::error(address.span(), message, "again here");
                section.reader().push_relation(problem.related(first.clone(), "first here"));
                continue;
            }
            seen.insert(subnet.address, address.span());
            let others = interfaces.iter().take(index);
            let clash = others.flat_map(|other| &other.addresses).find(|other| {
                let (a, b) = (subnet.prefix(), other.get_ref().prefix());
                a.len() < 32 && b.len() < 32 && (a.covers(b) || b.covers(a))
            });
            if let Some(clash) = clash.filter(|clash| clash.get_ref().address != subnet.address) {
                let message = format!("the subnets of {} and {subnet} overlap", clash.get_ref());
                section.reader().push_relation(
                    Diagnostic::warning(
                        address.span(),
                        message,
                        "the longer prefix wins; of two equal ones the first interface",
                    )
                    .related(clash.span(), "the other interface"),
                );
            }
        }
    }
}
