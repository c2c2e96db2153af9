//! A whole file: `[node]`, `[api]`, `[fib]`, `[[static]]`, and what must agree between sections.

use crate::Environment;
use crate::bgp::{Bgp, bgp};
use crate::bridge::{Place, bridge_names, bridges};
use crate::device::{Device, device, services};
use crate::diagnostic::Diagnostic;
use crate::interface::{interface_name, interfaces};
use crate::key_chain::KeyChains;
use crate::policy::Policies;
use crate::rip;
use crate::section::{Reader, Section};
use crate::value::Value;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use toml::Spanned;
use trunkline_core::Prefix;
use trunkline_node::config::{ApiConfig, FibConfig, NodeConfig, StaticRoute};

/// Octets of a Unix socket's path, less the closing zero (unix(7): `sun_path` has 108).
const MAX_SOCKET_PATH: usize = 107;

/// Reads a node's file. `None` only together with an error.
pub(crate) fn node(mut root: Section<'_>, env: &Environment) -> Option<NodeConfig> {
    let mut node = root.section("node", "[node]");
    let name = node.read("name", node_name).unwrap_or_else(|| env.host_name.clone());
    let identity = identity(&mut node, name);
    drop(node);
    device_config(&mut root, identity, env, false)
}

/// Reads a node of a lab: `[node.NAME]`, with the keys of `[node]` and the tables of a node's file in one. `None` only
/// together with an error.
pub fn lab_node(mut section: Section<'_>, name: &str) -> Option<NodeConfig> {
    for key in ["api", "fib"].into_iter().filter(|key| section.has(key)) {
        let message = format!("`{key}` has no effect in a lab");
        section.reader().push(Diagnostic::warning(section.span_of(key), message, "there is no kernel here"));
    }
    let env = Environment { host_name: name.to_owned(), default_socket_dir: PathBuf::from("/") };
    let identity = identity(&mut section, name.to_owned());
    device_config(&mut section, identity, &env, true)
}

/// What `[node]` says.
struct Identity {
    name: String,
    router_id: Option<Ipv4Addr>,
    device: Device,
}

fn identity(node: &mut Section<'_>, name: String) -> Identity {
    Identity { name, router_id: node.read("router-id", Value::text), device: device(node) }
}

/// All but `[node]`.
fn device_config(
    root: &mut Section<'_>,
    Identity { name, router_id, device }: Identity,
    env: &Environment,
    lab: bool,
) -> Option<NodeConfig> {
    let reader = root.reader();
    let (api, api_listen) = api(root.section("api", "[api]"), &name, env);
    let fib = fib(root.section("fib", "[fib]"));
    let place = Place { kind: device.kind, lab };
    let bridge_names = bridge_names(root, place);
    let interfaces = interfaces(root.section("interface", "[interface]"), &bridge_names, lab);
    device.check_gateway(root, &interfaces);
    let bridges = bridges(root.section("bridge", "[bridge]"), &interfaces, &bridge_names, place);
    let services = services(root.sections("service", "[[service]]"));
    let static_routes = static_routes(root.sections("static", "[[static]]"), reader);
    let policy = root.section("policy", "[policy]");
    let bgp = match root.read("bgp", |value| value.section("[bgp]")) {
        Some(section) => bgp(section, policy, &name, router_id, root.has("rip")),
        None => Bgp { config: None, listen: Vec::new(), policies: Policies::read(policy, None) },
    };
    refuse_clashes(reader, &api_listen, &bgp.listen);
    let chains = KeyChains::read(root);
    let context = rip::Context {
        policies: &bgp.policies,
        chains: &chains,
        interfaces: &interfaces,
        lab,
        bgp: root.has("bgp"),
    };
    let rip = root.read("rip", |value| value.section("[rip]")).map(|section| context.rip(section));
    bgp.policies.warn_unused(root);
    chains.warn_unused(root);
    if root.has("bgp") && bgp.config.is_none() {
        return None;
    }
    Some(NodeConfig {
        name,
        router_id,
        kind: device.kind,
        gateway: device.gateway.map(Spanned::into_inner),
        interfaces: interfaces.into_iter().map(|interface| interface.config).collect(),
        bridges,
        services,
        api,
        fib,
        static_routes,
        bgp: bgp.config,
        rip,
        bgp_listen: bgp.listen.into_iter().map(Spanned::into_inner).collect(),
    })
}

/// The name becomes part of a file's name and of the FQDN capability.
fn node_name(value: &Value<'_>) -> Option<String> {
    let name = value.string()?;
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    if name.is_empty() || name.len() > 64 || !name.chars().all(fits) || name.starts_with('.') {
        let allowed = "expected 1 to 64 letters, digits, `-`, `_` and `.`, no `.` in front";
        return value.refuse(value.problem("is no name for a node", allowed));
    }
    Some(name.to_owned())
}

fn api(mut section: Section<'_>, name: &str, env: &Environment) -> (ApiConfig, Vec<Spanned<SocketAddr>>) {
    let socket = section.read("socket", |value| {
        let path = value.string()?;
        if path.is_empty() || path.len() > MAX_SOCKET_PATH || path.contains('\0') {
            let allowed = format!("expected a path of 1 to {MAX_SOCKET_PATH} octets");
            return value.refuse(value.problem("is no path for a socket", allowed));
        }
        Some(PathBuf::from(path))
    });
    let listen = section.read("listen", |value| value.set(Value::text::<SocketAddr>)).unwrap_or_default();
    for address in listen.iter().filter(|address| !address.get_ref().ip().is_loopback()) {
        let message = format!("the API is open to others at {}", address.get_ref());
        section.reader().push(
            Diagnostic::warning(address.span(), message, "whoever reaches it may read and change this node")
                .help("to keep it to this machine, write \"127.0.0.1:8179\" or \"[::1]:8179\""),
        );
    }
    let config = ApiConfig {
        socket: socket.unwrap_or_else(|| env.default_socket_dir.join(format!("{name}.sock"))),
        listen: listen.iter().map(|address| *address.get_ref()).collect(),
    };
    (config, listen)
}

fn fib(mut section: Section<'_>) -> FibConfig {
    let mut config = FibConfig { install: false, table: 254, metric: 32 };
    section.set(&mut config.install, "install", Value::bool);
    section.set(&mut config.table, "table", |v| v.integer(1..=u32::MAX));
    section.set(&mut config.metric, "metric", |v| v.integer(0..=u32::MAX));
    config
}

fn static_routes(sections: Vec<Section<'_>>, reader: &Reader) -> Vec<StaticRoute> {
    let routes: Vec<Spanned<StaticRoute>> = sections.into_iter().filter_map(static_route).collect();
    let mut seen = BTreeMap::new();
    for route in &routes {
        let StaticRoute { prefix, distance, .. } = *route.get_ref();
        let first = seen.entry((prefix, distance)).or_insert_with(|| route.span());
        if *first != route.span() {
            reader.push_relation(
                Diagnostic::error(
                    route.span(),
                    format!("static route {prefix} stands there twice"),
                    "again here",
                )
                .related(first.clone(), "first here")
                .help("several gateways go into one `via = [\"…\", \"…\"]`; a backup has another `distance`"),
            );
        }
    }
    routes.into_iter().map(Spanned::into_inner).collect()
}

fn static_route(mut section: Section<'_>) -> Option<Spanned<StaticRoute>> {
    let prefix: Option<Prefix> = section.require("prefix", "\"192.0.2.0/24\"", Value::text);
    let via = section.read("via", |value| {
        if value.is_empty_list() {
            return value.refuse(value.problem("is empty", "expected the address of at least one gateway"));
        }
        value.one_or_more(gateway)
    });
    let interface = section.read("interface", |value| match interface_name(value.string()?) {
        Ok(name) => Some(name.to_owned()),
        Err(allowed) => value.refuse(value.problem("is no name of an interface", allowed)),
    });
    let blackhole = section.read("blackhole", Value::bool).unwrap_or(false);
    let distance = section.read("distance", |v| v.integer(1..=255)).unwrap_or(1);
    check_target(&section, prefix, via.as_deref(), blackhole);
    let via = via.unwrap_or_default().into_iter().map(Spanned::into_inner).collect();
    let route = StaticRoute { prefix: prefix?, via, interface, distance };
    Some(Spanned::new(section.span_of("prefix"), route))
}

fn gateway(value: &Value<'_>) -> Option<IpAddr> {
    let address: IpAddr = value.text()?;
    if address.is_unspecified() || address.is_multicast() {
        return value.refuse(value.problem("is no gateway", "expected the address of one router"));
    }
    Some(address)
}

/// A route leads to gateways, out of an interface or nowhere, and says which.
fn check_target(
    section: &Section<'_>,
    prefix: Option<Prefix>,
    via: Option<&[Spanned<IpAddr>]>,
    blackhole: bool,
) {
    let reader = section.reader();
    let leads = section.has("via") || section.has("interface");
    if blackhole && leads {
        let other = if section.has("via") { "via" } else { "interface" };
        reader.push_relation(
            Diagnostic::error(
                section.span_of("blackhole"),
                format!("a blackhole route with `{other}`"),
                "drops what is sent there",
            )
            .related(section.span_of(other), "leads somewhere"),
        );
    } else if !blackhole && !leads {
        reader.push_relation(
            Diagnostic::error(
                section.span(),
                "static route that leads nowhere",
                "needs `via` or `interface`",
            )
            .help("write `via = \"192.0.2.1\"`, or `blackhole = true` to drop what is sent there"),
        );
    }
    let Some(prefix) = prefix else { return };
    for gateway in via.unwrap_or_default().iter().filter(|g| g.get_ref().is_ipv4() != prefix.is_ipv4()) {
        let (want, have) = if prefix.is_ipv4() { ("an IPv4", "IPv6") } else { ("an IPv6", "IPv4") };
        reader.push_relation(
            Diagnostic::error(
                gateway.span(),
                format!("gateway {} is {have}, the route is not", gateway.get_ref()),
                format!("expected {want} address"),
            )
            .related(section.span_of("prefix"), "the route"),
        );
    }
}

/// Two sockets cannot listen in the same place, nor one beside another that takes all addresses.
fn refuse_clashes(reader: &Reader, api: &[Spanned<SocketAddr>], bgp: &[Spanned<SocketAddr>]) {
    let all: Vec<&Spanned<SocketAddr>> = api.iter().chain(bgp).collect();
    for (index, one) in all.iter().enumerate() {
        let clash = all.iter().take(index).find(|other| clashes(*one.get_ref(), *other.get_ref()));
        if let Some(other) = clash {
            let message = format!("cannot listen on {} and {} at once", other.get_ref(), one.get_ref());
            reader.push_relation(
                Diagnostic::error(one.span(), message, "the system would refuse this one")
                    .related(other.span(), "because of this one"),
            );
        }
    }
}

fn clashes(a: SocketAddr, b: SocketAddr) -> bool {
    let any = a.ip().is_unspecified() || b.ip().is_unspecified();
    a.port() == b.port() && a.port() != 0 && a.is_ipv4() == b.is_ipv4() && (any || a.ip() == b.ip())
}
