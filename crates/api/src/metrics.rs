//! `/metrics`: OpenMetrics text. The names are stable.

mod rip;

use crate::error::ApiError;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use std::sync::atomic::AtomicU64;
use trunkline_view::bgp::{NeighborView, SummaryView};
use trunkline_view::stp::TreeView;
use trunkline_view::{Answer, ErrorKind, NodeView};

/// What Prometheus asks for and [`text`] gives.
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

const PORT_ROLES: [&str; 5] = ["disabled", "root", "designated", "alternate", "backup"];
const PORT_STATES: [&str; 6] = ["disabled", "discarding", "blocking", "listening", "learning", "forwarding"];

const STATES: [&str; 6] = ["Idle", "Connect", "Active", "OpenSent", "OpenConfirm", "Established"];

type Labels = Vec<(&'static str, String)>;
type Gauges = Family<Labels, Gauge>;
type Seconds = Family<Labels, Gauge<f64, AtomicU64>>;
type Counters = Family<Labels, Counter>;

/// The text, from the answers to the queries. A node without BGP has no BGP metrics, nor one without bridges any of
/// spanning tree, nor one without RIP any of that.
pub(crate) fn text(
    node: &Answer,
    (summary, neighbors): (&Answer, &Answer),
    trees: &Answer,
    (rip, rip_neighbors): (&Answer, &Answer),
) -> Result<String, ApiError> {
    let mut registry = Registry::with_prefix("trunkline");
    match node {
        Answer::Node(view) => add_node(&mut registry, view),
        other => return Err(unexpected(other)),
    }
    match (summary, neighbors) {
        (Answer::BgpSummary(summary), Answer::BgpNeighbors(neighbors)) => {
            let bgp = registry.sub_registry_with_prefix("bgp");
            add_tables(bgp, summary);
            add_neighbors(bgp, &neighbors.neighbors);
        }
        (Answer::Error(error), _) | (_, Answer::Error(error)) if error.kind == ErrorKind::NotRunning => {}
        (Answer::BgpSummary(_), other) | (other, _) => return Err(unexpected(other)),
    }
    match trees {
        Answer::SpanningTree(view) if view.bridges.is_empty() => {}
        Answer::SpanningTree(view) => {
            add_trees(registry.sub_registry_with_prefix("spanning_tree"), &view.bridges);
        }
        Answer::Error(error) if error.kind != ErrorKind::Unavailable => {}
        other => return Err(unexpected(other)),
    }
    match (rip, rip_neighbors) {
        (Answer::Rip(summary), Answer::RipNeighbors(neighbors)) => {
            rip::add(registry.sub_registry_with_prefix("rip"), summary, &neighbors.neighbors);
        }
        (Answer::Error(error), _) | (_, Answer::Error(error)) if error.kind == ErrorKind::NotRunning => {}
        (Answer::Rip(_), other) | (other, _) => return Err(unexpected(other)),
    }
    let mut text = String::new();
    encode(&mut text, &registry).map_err(|e| ApiError::unavailable(e.to_string()))?;
    Ok(text)
}

fn unexpected(answer: &Answer) -> ApiError {
    match answer {
        Answer::Error(error) => error.clone().into(),
        _ => ApiError::unavailable("the node gave another answer than was asked for"),
    }
}

fn gauges(registry: &mut Registry, name: &str, help: &str) -> Gauges {
    let family = Gauges::default();
    registry.register(name, help, family.clone());
    family
}

fn counters(registry: &mut Registry, name: &str, help: &str) -> Counters {
    let family = Counters::default();
    registry.register(name, help, family.clone());
    family
}

fn seconds(registry: &mut Registry, name: &str, help: &str) -> Seconds {
    let family = Seconds::default();
    registry.register_with_unit(name, help, Unit::Seconds, family.clone());
    family
}

fn set(family: &Gauges, labels: Labels, value: u64) {
    family.get_or_create(&labels).set(i64::try_from(value).unwrap_or(i64::MAX));
}

fn add_node(registry: &mut Registry, node: &NodeView) {
    let info = gauges(registry, "node_info", "Always 1; the labels say who the node is");
    let labels = vec![
        ("name", node.name.clone()),
        ("version", node.version.clone()),
        ("router_id", node.router_id.to_string()),
    ];
    set(&info, labels, 1);
    let uptime = Gauge::<f64, AtomicU64>::default();
    uptime.set(node.uptime);
    registry.register_with_unit("node_uptime", "Time since the node started", Unit::Seconds, uptime);
}

fn add_tables(bgp: &mut Registry, summary: &SummaryView) {
    let prefixes = gauges(bgp, "table_prefixes", "Destinations known");
    let paths = gauges(bgp, "table_paths", "Paths known, before import policy");
    let best = gauges(bgp, "table_best", "Destinations with a best path");
    for table in &summary.tables {
        let labels = || vec![("family", table.family.clone())];
        set(&prefixes, labels(), table.prefixes);
        set(&paths, labels(), table.paths);
        set(&best, labels(), table.best);
    }
}

fn add_neighbors(bgp: &mut Registry, neighbors: &[NeighborView]) {
    add_states(bgp, neighbors);
    add_counts(bgp, neighbors);
    add_prefixes(bgp, neighbors);
}

fn name(neighbor: &NeighborView) -> (&'static str, String) {
    ("neighbor", neighbor.summary.address.to_string())
}

fn add_states(bgp: &mut Registry, neighbors: &[NeighborView]) {
    let info = gauges(bgp, "neighbor_info", "Always 1; the labels say who the neighbor is");
    let up = gauges(bgp, "neighbor_up", "1 where the session is Established");
    let state = gauges(bgp, "neighbor_state", "1 for the state the session is in, 0 for the others");
    let uptime =
        seconds(bgp, "neighbor_uptime", "Time since the session became Established; 0 where it is not");
    for n in neighbors {
        let labels = vec![
            name(n),
            ("asn", n.summary.asn.map(|a| a.to_string()).unwrap_or_default()),
            ("type", n.session_type.clone()),
            ("description", n.summary.description.clone().unwrap_or_default()),
        ];
        set(&info, labels, 1);
        let established = n.summary.state == "Established";
        set(&up, vec![name(n)], established.into());
        for s in STATES {
            set(&state, vec![name(n), ("state", s.to_owned())], u64::from(n.summary.state == s));
        }
        uptime.get_or_create(&vec![name(n)]).set(if established { n.summary.since } else { 0.0 });
    }
}

fn add_counts(bgp: &mut Registry, neighbors: &[NeighborView]) {
    let received = counters(bgp, "neighbor_messages_received", "Messages received, by type");
    let sent = counters(bgp, "neighbor_messages_sent", "Messages sent, by type");
    let established = counters(bgp, "neighbor_established", "Times the session became Established");
    let flaps = counters(bgp, "neighbor_flaps", "Times the session left Established");
    let faults =
        counters(bgp, "neighbor_faults", "Faults in received UPDATEs, by kind and treatment (RFC 7606)");
    for n in neighbors {
        for m in &n.messages {
            let labels = vec![name(n), ("type", m.kind.clone())];
            received.get_or_create(&labels).inc_by(m.received);
            sent.get_or_create(&labels).inc_by(m.sent);
        }
        established.get_or_create(&vec![name(n)]).inc_by(n.established);
        flaps.get_or_create(&vec![name(n)]).inc_by(n.flaps);
        for f in &n.faults {
            let labels = vec![name(n), ("kind", f.kind.clone()), ("treatment", f.treatment.clone())];
            faults.get_or_create(&labels).inc_by(f.count);
        }
    }
}

fn add_prefixes(bgp: &mut Registry, neighbors: &[NeighborView]) {
    let received =
        gauges(bgp, "neighbor_prefixes_received", "Routes held from the neighbor, before import policy");
    let accepted = gauges(bgp, "neighbor_prefixes_accepted", "Of these, accepted by import policy");
    let advertised = gauges(bgp, "neighbor_prefixes_advertised", "Routes sent and not withdrawn");
    let stale = gauges(bgp, "neighbor_prefixes_stale", "Routes kept for a restarting neighbor (RFC 4724)");
    for n in neighbors {
        for f in &n.families {
            let labels = || vec![name(n), ("family", f.family.clone())];
            set(&received, labels(), f.received);
            set(&accepted, labels(), f.accepted);
            set(&advertised, labels(), f.advertised);
            set(&stale, labels(), f.stale);
        }
    }
}

fn add_trees(registry: &mut Registry, trees: &[TreeView]) {
    let root = gauges(registry, "root", "1 where the bridge is the root");
    let cost = gauges(registry, "root_path_cost", "What the way to the root costs; 0 at the root");
    let changes = counters(registry, "topology_changes", "Changes of the topology");
    let role = gauges(registry, "port_role", "1 for the role that the port has, 0 for the others");
    let state = gauges(registry, "port_state", "1 for the state that the port is in, 0 for the others");
    let held = gauges(registry, "port_inconsistent", "1 where a guard holds the port or has shut it");
    let began = counters(registry, "port_forward_transitions", "Times the port began to forward");
    let frames =
        counters(registry, "port_bpdus", "BPDUs of the port by what they were or what was wrong with them");
    for tree in trees {
        let bridge = || ("bridge", tree.bridge.clone());
        set(&root, vec![bridge()], tree.root_port.is_none().into());
        set(&cost, vec![bridge()], tree.root_path_cost.into());
        changes.get_or_create(&vec![bridge()]).inc_by(tree.topology_changes);
        for port in &tree.ports {
            let labels = || vec![bridge(), ("port", port.name.clone())];
            let with = |name: &'static str, value: &str| [labels(), vec![(name, value.to_owned())]].concat();
            for one in PORT_ROLES {
                set(&role, with("role", one), u64::from(port.role == one));
            }
            for one in PORT_STATES {
                set(&state, with("state", one), u64::from(port.state == one));
            }
            set(&held, labels(), port.inconsistent.is_some().into());
            began.get_or_create(&labels()).inc_by(port.forward_transitions);
            for (kind, value) in &port.counters {
                frames.get_or_create(&with("kind", kind)).inc_by(*value);
            }
        }
    }
}
