//! `[bridge.NAME]`: whose bridge it is, and which ports it has.

use crate::diagnostic::{Diagnostic, Span};
use crate::interface::{Interface, interface_name};
use crate::section::{Section, nearest};
use crate::spanning_tree::{Tree, tree};
use std::collections::{BTreeMap, BTreeSet};
use toml::Spanned;
use trunkline_core::Duration;
use trunkline_node::config::{BridgeConfig, DEFAULT_BRIDGE, Kind, PortKind};

/// What a bridge's meaning depends on.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    pub(crate) kind: Kind,
    pub(crate) lab: bool,
}

impl Place {
    /// Whose bridge a table without `ports` describes.
    fn without_ports(self) -> Without {
        match self {
            Place { kind: Kind::Switch, .. } => Without::Rest,
            Place { lab: true, .. } => Without::Nothing,
            Place { .. } => Without::Kernel,
        }
    }
}

/// What a bridge without `ports` is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Without {
    /// Our own, of all interfaces that have no address and no other bridge.
    Rest,
    /// The kernel's.
    Kernel,
    /// A mistake: there is no kernel.
    Nothing,
}

/// The names of our own bridges: those that the tables describe, or that a switch has without a description.
pub(crate) fn bridge_names<'a>(root: &mut Section<'a>, place: Place) -> Vec<&'a str> {
    let section = root.section("bridge", "[bridge]");
    let entries = section.entries();
    let implied = entries.is_empty() && place.kind == Kind::Switch;
    let kernel = place.without_ports() == Without::Kernel;
    let own = entries.into_iter().filter(|(.., value)| {
        let named = value.table().is_some_and(|table| table.contains_key("ports"));
        named || !kernel
    });
    let mut names: Vec<&str> = own.map(|(name, ..)| name).collect();
    section.accept_all();
    if implied {
        names.push(DEFAULT_BRIDGE);
    }
    names
}

/// Reads all of `[bridge.NAME]`, in the order of the file. `own` are the names of our own bridges.
pub(crate) fn bridges(
    section: Section<'_>,
    interfaces: &[Interface],
    own: &[&str],
    place: Place,
) -> Vec<BridgeConfig> {
    let mut found = Vec::new();
    let mut entries = section.entries();
    entries.sort_by_key(|(_, span, _)| span.start);
    let mut members =
        Members { interfaces, bridges: own.iter().copied().collect(), taken: BTreeMap::new(), rest: None };
    for (name, span, value) in entries {
        if let Err(allowed) = interface_name(name) {
            let message = format!("\"{name}\" is no name of a bridge");
            section.reader().push(Diagnostic::error(span, message, allowed));
        } else if let Some(mut table) = value.section("[bridge.NAME]") {
            let config = ports(&mut table, name, &mut members, place);
            found.push((table, config));
        }
    }
    section.accept_all();
    // Only now it is known which interfaces the other bridges leave to the one that takes the rest.
    let mut configs = Vec::new();
    for (mut table, mut config) in found {
        if members.has_rest(&config.name) {
            config.ports = members.left();
        }
        complete(&mut table, &mut config, &mut members);
        configs.push(config);
    }
    configs
}

/// Reads `ports` and with it whose bridge it is.
fn ports(section: &mut Section<'_>, name: &str, members: &mut Members<'_>, place: Place) -> BridgeConfig {
    let mut config = BridgeConfig::new(name);
    if section.has("ports") || place.without_ports() == Without::Nothing {
        let ports =
            section.require("ports", "[\"eth0\", \"eth1\"]", |v| v.list(|v| v.string().map(str::to_owned)));
        for port in ports.iter().flatten() {
            if members.check(section, port) {
                config.ports.push(port.get_ref().clone());
            }
        }
        return config;
    }
    section.take("ports");
    if place.without_ports() == Without::Kernel {
        config.kernel = true;
        members.check_kernel(section, name);
    } else if let Some((first, at)) = &members.rest {
        let message = format!("{name} has no `ports`, like {first}");
        let problem = Diagnostic::error(section.span(), message, "only one can have all that is left");
        let problem = problem.related(at.clone(), "this one has them");
        section.reader().push_relation(problem.help("name the ports: `ports = [\"eth0\", \"eth1\"]`"));
    } else {
        members.rest = Some((name.to_owned(), section.span()));
    }
    config
}

/// Reads all but `ports`.
fn complete(section: &mut Section<'_>, config: &mut BridgeConfig, members: &mut Members<'_>) {
    let seconds = section.read("ageing-time", |v| v.integer(10..=1_000_000_u64));
    if let Some(seconds) = seconds {
        config.ageing_time = Duration::from_secs(seconds);
    }
    let Tree { config: spanning_tree, port_settings, off } = tree(section);
    config.spanning_tree = spanning_tree;
    for (port, settings) in port_settings {
        if config.kernel && members.check_kernel_port(section, &port)
            || !config.kernel && members.check_own_port(section, config, &port)
        {
            config.port_settings.push((port.into_inner(), settings));
        }
    }
    if config.kernel && off {
        let message = format!("the table of bridge {} does nothing", config.name);
        let problem = Diagnostic::error(section.span(), message, "needs `spanning-tree`, or `ports`");
        section.reader().push_relation(problem.help(
            "`spanning-tree = \"rstp\"` runs spanning tree for the kernel's bridge of this name; \
             `ports = [\"eth0\", \"eth1\"]` makes a bridge of the node's own",
        ));
    }
    if config.kernel && section.has("ageing-time") {
        let message = "`ageing-time` of a bridge that the kernel has";
        let problem = Diagnostic::error(section.span_of("ageing-time"), message, "is not ours to set");
        section
            .reader()
            .push_relation(problem.help("set it with ip(8), or name `ports` for a bridge of the node's own"));
    }
    if members.has_rest(&config.name) && config.ports.is_empty() {
        let message = format!("the bridge {} has no ports", config.name);
        let problem = Diagnostic::warning(section.span(), message, "no interface is left for it");
        section.reader().push_relation(problem.help(
            "without `ports` a switch's bridge has all interfaces of the node's own that have no address; a bridge \
             of the kernel is not for `kind = \"switch\"`",
        ));
    }
}

/// Who may be a port of a bridge.
struct Members<'m> {
    interfaces: &'m [Interface],
    /// Our own.
    bridges: BTreeSet<&'m str>,
    /// By name: the place where a bridge has it as its port.
    taken: BTreeMap<String, Span>,
    /// The bridge that has what is left, and its place.
    rest: Option<(String, Span)>,
}

impl Members<'_> {
    /// Whether this can be a port of our own bridge; if not, that is said.
    fn check(&mut self, section: &Section<'_>, port: &Spanned<String>) -> bool {
        let name = port.get_ref().as_str();
        let refuse = |message: String, label: &str| Diagnostic::error(port.span(), message, label);
        if let Some(first) = self.taken.get(name) {
            let problem = refuse(format!("{name} is a port of a bridge twice"), "again here");
            section.reader().push_relation(problem.related(first.clone(), "first here"));
            return false;
        }
        self.taken.insert(name.to_owned(), port.span());
        let Some(interface) = self.find(name) else {
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

    fn find(&self, name: &str) -> Option<&Interface> {
        self.interfaces.iter().find(|i| i.config.name == name)
    }

    /// Whether this bridge has what is left.
    fn has_rest(&self, bridge: &str) -> bool {
        self.rest.as_ref().is_some_and(|(name, _)| name == bridge)
    }

    /// The interfaces for the bridge that has what is left.
    fn left(&self) -> Vec<String> {
        let ours = self.interfaces.iter().filter(|i| {
            let port = !matches!(i.config.port, PortKind::Kernel | PortKind::Loopback);
            port && i.addresses.is_empty() && !self.taken.contains_key(&i.config.name)
        });
        ours.map(|i| i.config.name.clone()).collect()
    }

    /// A bridge is the kernel's or ours.
    fn check_kernel(&self, section: &Section<'_>, name: &str) {
        let Some(interface) = self.find(name).filter(|i| i.config.port != PortKind::Kernel) else { return };
        let message = format!("{name} is a bridge of the kernel and an interface of the node's own");
        let problem = Diagnostic::error(section.span(), message, "cannot be both");
        section.reader().push_relation(
            problem
                .related(interface.port.clone(), "because of this")
                .help("a bridge of the node's own names its `ports`"),
        );
    }

    /// Whether this can be a port of the kernel's bridge, as far as the file tells; if not, that is said.
    fn check_kernel_port(&mut self, section: &Section<'_>, port: &Spanned<String>) -> bool {
        let name = port.get_ref().as_str();
        let refuse = |message: String, label: &str| Diagnostic::error(port.span(), message, label);
        let problem = if let Err(allowed) = interface_name(name) {
            refuse(format!("\"{name}\" is no name of a port"), allowed)
        } else if let Some(first) = self.taken.get(name) {
            refuse(format!("{name} is a port of two bridges"), "again here")
                .related(first.clone(), "first here")
        } else if let Some(own) = self.find(name).filter(|i| i.config.port != PortKind::Kernel) {
            let problem = refuse(format!("{name} is the node's own"), "the kernel's bridge cannot have it");
            problem.related(own.port.clone(), "because of this")
        } else {
            self.taken.insert(name.to_owned(), port.span());
            return true;
        };
        section.reader().push_relation(problem);
        false
    }

    /// Whether our own bridge has this port; if not, that is said.
    fn check_own_port(&self, section: &Section<'_>, config: &BridgeConfig, port: &Spanned<String>) -> bool {
        let name = port.get_ref().as_str();
        if config.ports.iter().any(|own| own == name) {
            return true;
        }
        // What is wrong with a port that was named is said where it was named.
        let list = section.span_of("ports");
        let named = section.has("ports") && self.taken.get(name).is_some_and(|at| within(at, &list));
        if !named {
            let message = format!("{} has no port {name}", config.name);
            let mut problem = Diagnostic::error(port.span(), message, "expected one of its ports");
            // The name of another interface is no slip of the pen.
            let slip = self.find(name).is_none();
            let near = nearest(name, config.ports.iter().map(String::as_str)).filter(|_| slip);
            problem.help = match near {
                Some(near) => Some(format!("did you mean [bridge.{}.port.{near}]?", config.name)),
                None if config.ports.is_empty() => None,
                None => Some(format!("its ports are {}", crate::alternatives(&config.ports, "and"))),
            };
            section.reader().push_relation(problem);
        }
        false
    }
}

fn within(inner: &Span, outer: &Span) -> bool {
    outer.start <= inner.start && inner.end <= outer.end
}
