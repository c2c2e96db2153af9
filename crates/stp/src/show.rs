//! What people see: the view of a bridge, why a port has its role, and events in words.

use crate::engine::{BridgeFacts, PortFacts};
use crate::vector::{Times, Vector, decides};
use crate::{
    BridgeId, Event, Fast, ForceVersion, Inconsistency, PortRole, PortState, Protocol, SpanningTree,
};
use trunkline_core::{Duration, Instant, MacAddr, PortId};
use trunkline_view::stp::{BridgeIdView, TimesView, TopologyChangeView, TreePortView, TreeView};
use trunkline_wire::stp::PortIdentifier;

/// A change of the topology.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Change {
    pub(crate) at: Instant,
    pub(crate) port: PortId,
    pub(crate) detected: bool,
    pub(crate) from: Option<MacAddr>,
}

/// How ports are called.
pub type Names<'a> = &'a dyn Fn(PortId) -> String;

impl SpanningTree {
    /// What a port does and is for, where there is such a port.
    pub fn port(&self, now: Instant, port: PortId) -> Option<(PortRole, PortState)> {
        self.engine.port(now, port).map(|facts| (facts.role, facts.state))
    }

    /// All there is to see. `bridge` and `name` are names of the bridge and its ports, `data_plane` who forwards.
    pub fn view(&self, now: Instant, bridge: &str, data_plane: &str, name: Names<'_>) -> TreeView {
        let facts = self.engine.bridge();
        let config = &self.config;
        let ports: Vec<(PortId, PortFacts)> =
            self.ports.keys().filter_map(|id| Some((*id, self.engine.port(now, *id)?))).collect();
        let ways = Ways::of(&facts, &ports, name);
        let protocol = match (config.protocol, config.force_version) {
            (Protocol::Stp, _) => "stp",
            (Protocol::Rstp, ForceVersion::Normal) => "rstp",
            (Protocol::Rstp, ForceVersion::StpCompatible) => "rstp, stp-compatible",
        };
        let own = Times {
            message_age: 0,
            max_age: config.max_age,
            forward_delay: config.forward_delay,
            hello_time: config.hello_time,
        };
        TreeView {
            bridge: bridge.to_owned(),
            protocol: protocol.to_owned(),
            data_plane: data_plane.to_owned(),
            root: id_view(facts.root.root),
            root_path_cost: facts.root.cost,
            root_port: facts.root_port.map(name),
            times: times_view(&facts.times),
            id: id_view(config.bridge_id()),
            own_times: times_view(&own),
            transmit_hold_count: config.transmit_hold_count,
            ageing_time: facts.ageing.map(|time| time.as_secs_f64()),
            uplink_fast: config.uplink_fast,
            backbone_fast: config.backbone_fast,
            ports: ports.iter().map(|(id, port)| self.port_view(*id, port, &ways, name)).collect(),
            topology_changes: self.topology_changes,
            history: self.history.iter().map(|change| change.view(now, name)).collect(),
        }
    }

    fn port_view(&self, id: PortId, facts: &PortFacts, ways: &Ways<'_>, name: Names<'_>) -> TreePortView {
        let port = self.ports.get(&id);
        let shut = port.is_some_and(|port| port.shut.is_some());
        let inconsistent = if shut { Some(Inconsistency::BpduGuard) } else { facts.inconsistent };
        let counters = port.map(|port| port.counters.named()).into_iter().flatten();
        TreePortView {
            name: name(id),
            id: facts.id.to_string(),
            role: facts.role.to_string(),
            state: facts.state.to_string(),
            path_cost: facts.cost,
            edge: facts.edge,
            point_to_point: facts.point_to_point,
            sends: if facts.sends_rstp { "rstp" } else { "stp" }.to_owned(),
            inconsistent: inconsistent.map(|guard| guard.to_string()),
            designated_root: id_view(facts.held.root),
            designated_cost: facts.held.cost,
            designated_bridge: id_view(facts.held.bridge),
            designated_port: facts.held.port.to_string(),
            why: why(id, facts, inconsistent, ways, self.config.bridge_id()),
            forward_transitions: facts.forward_transitions,
            timers: facts.timers.iter().map(|(name, left)| ((*name).to_owned(), seconds(*left))).collect(),
            flags: facts.flags.iter().map(|flag| (*flag).to_owned()).collect(),
            machines: facts.machines.iter().map(|(m, s)| ((*m).to_owned(), (*s).to_owned())).collect(),
            counters: counters.map(|(name, value)| (name.to_owned(), value)).collect(),
        }
    }
}

impl Change {
    fn view(&self, now: Instant, name: Names<'_>) -> TopologyChangeView {
        TopologyChangeView {
            ago: seconds(now.since(self.at)),
            port: name(self.port),
            detected: self.detected,
            from: self.from.map(|address| address.to_string()),
        }
    }
}

fn id_view(id: BridgeId) -> BridgeIdView {
    BridgeIdView { priority: id.priority(), address: id.address().to_string() }
}

fn times_view(times: &Times) -> TimesView {
    TimesView { hello_time: times.hello_time, max_age: times.max_age, forward_delay: times.forward_delay }
}

/// Milliseconds are enough for people.
fn seconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1000.0).round() / 1000.0
}

/// A way to the root: its vector, the port that it leads by, and that port's name.
type Way = ((Vector, PortIdentifier), PortId, String);

/// The ways to the root: the one that is taken, and the next that is no better.
struct Ways<'a> {
    bridge: &'a BridgeFacts,
    best: Option<Way>,
    next: Option<Way>,
    /// A better way is not taken: its port's role is restricted, or it must wait.
    is_better_barred: bool,
}

impl<'a> Ways<'a> {
    fn of(bridge: &'a BridgeFacts, ports: &[(PortId, PortFacts)], name: Names<'_>) -> Ways<'a> {
        let is_way = |facts: &PortFacts| facts.received && facts.role != PortRole::Designated;
        let mut ways: Vec<((Vector, PortIdentifier), PortId)> = ports
            .iter()
            .filter(|(_, facts)| is_way(facts) && facts.role != PortRole::Backup)
            .map(|(id, facts)| ((facts.held.through(facts.cost), facts.id), *id))
            .collect();
        // The root port is what the machine took, whatever came since.
        ways.sort_by_key(|(way, id)| (Some(*id) != bridge.root_port, *way));
        let mut ways = ways.into_iter().map(|(way, id)| (way, id, name(id)));
        let best = if bridge.root_port.is_some() { ways.next() } else { None };
        let mut ways = ways.peekable();
        let is_better = |way: &Way| best.as_ref().is_none_or(|best: &Way| way.0 < best.0);
        let is_better_barred = ways.peek().is_some_and(is_better);
        let next = ways.find(|way| !is_better(way));
        Ways { bridge, best, next, is_better_barred }
    }
}

/// Why a port has its role: which component of which vector decided.
fn why(
    id: PortId,
    port: &PortFacts,
    inconsistent: Option<Inconsistency>,
    ways: &Ways<'_>,
    own: BridgeId,
) -> String {
    let held = (port.held, PortIdentifier(0));
    let ours = (port.designated, PortIdentifier(0));
    let mut text = match port.role {
        PortRole::Disabled if inconsistent == Some(Inconsistency::BpduGuard) => {
            "shut by BPDU guard: a BPDU came where no bridge should be".to_owned()
        }
        PortRole::Disabled => "the link is down".to_owned(),
        PortRole::Root => match &ways.next {
            None if ways.is_better_barred => "no other way to the root may be taken".to_owned(),
            None => "it is the only way to the root".to_owned(),
            Some((next, _, name)) => {
                let (best, ..) = ways.best.as_ref().unwrap_or(&(*next, id, String::new())).clone();
                format!("it is a better way to the root than {name}: {}", decides(&best, next))
            }
        },
        PortRole::Designated if ways.bridge.root_port.is_none() => {
            format!("this bridge is the root: {own} is the best bridge that is heard")
        }
        PortRole::Designated if port.received && port.held != port.designated => {
            format!("this bridge is better than who else speaks on this LAN: {}", decides(&ours, &held))
        }
        PortRole::Designated => "nobody on this LAN has a better way to the root".to_owned(),
        PortRole::Backup => {
            format!("this bridge's own port {} serves this LAN: {}", port.held.port, decides(&held, &ours))
        }
        PortRole::Alternate => {
            let mut text = format!("bridge {} serves this LAN: {}", port.held.bridge, decides(&held, &ours));
            let own_way = (port.held.through(port.cost), port.id);
            match &ways.best {
                Some((best, _, name)) if *best < own_way => {
                    text += &format!("; the way by {name} is better: {}", decides(best, &own_way));
                }
                _ => text += "; the way by it is better, but may not be taken",
            }
            text
        }
    };
    if let Some(guard) = inconsistent.filter(|guard| *guard != Inconsistency::BpduGuard) {
        text += &format!("; held by {guard}: {}", held_because(guard));
    }
    text
}

const fn held_because(guard: Inconsistency) -> &'static str {
    match guard {
        Inconsistency::BpduGuard => "a BPDU came where no bridge should be",
        Inconsistency::Root => "a better root was heard where none should be",
        Inconsistency::Loop => "the BPDUs ended without the link going down",
        Inconsistency::BridgeAssurance => "no BPDU comes from the bridge that should be there",
    }
}

impl Event {
    /// What happened, in words.
    pub fn text(&self, name: Names<'_>) -> String {
        match *self {
            Event::Root { from, to, port: Some(port) } if from == to => {
                format!("the way to the root {to} is now by {}", name(port))
            }
            Event::Root { from, to, port: Some(port) } => {
                format!("root is {to} by {} (was {from})", name(port))
            }
            Event::Root { to, port: None, .. } => format!("this bridge is the root now: {to}"),
            Event::Role { port, from, to } => format!("{}: role {from} -> {to}", name(port)),
            Event::State { port, from, to } => format!("{}: {from} -> {to}", name(port)),
            Event::TopologyChange { port, detected: true } => {
                format!("topology change: {} began or ceased to forward", name(port))
            }
            Event::TopologyChange { port, detected: false } => {
                format!("topology change: told by the neighbour at {}", name(port))
            }
            Event::Edge { port, edge: true } => format!("{}: an edge: no bridge is heard there", name(port)),
            Event::Edge { port, edge: false } => format!("{}: no edge any more", name(port)),
            Event::Version { port, rstp: true } => format!("{}: sends RSTP", name(port)),
            Event::Version { port, rstp: false } => {
                format!("{}: sends STP, since a neighbour there speaks it", name(port))
            }
            Event::Guard { port, guard, on: true } => {
                let what = if guard == Inconsistency::BpduGuard { "shut" } else { "held, discarding" };
                format!("{}: {what} by {guard}: {}", name(port), held_because(guard))
            }
            Event::Guard { port, guard, on: false } => format!("{}: released by {guard}", name(port)),
            Event::Dispute { port } => format!(
                "{}: a neighbour does not hear us and forwards there as designated: discarding",
                name(port)
            ),
            Event::Fast { port, what } => fast_text(&name(port), what),
            Event::Transition { port, transition } => match port {
                Some(port) => format!("{}: {transition}", name(port)),
                None => transition.to_string(),
            },
        }
    }
}

fn fast_text(port: &str, what: Fast) -> String {
    match what {
        Fast::InferiorBpdu { claims } => {
            format!(
                "{port}: inferior BPDU: the designated bridge lost its root and claims to be it: {claims}"
            )
        }
        Fast::Asked => format!("{port}: Root Link Query: is the root still there?"),
        Fast::Positive => format!("{port}: Root Link Query: the root is still there"),
        Fast::Negative => format!("{port}: Root Link Query: the root is not there any more"),
        Fast::Unanswered => format!("{port}: Root Link Query: no answer, Max Age decides"),
        Fast::Expired => format!("{port}: what it knew of the root counts as expired"),
        Fast::Relayed => format!("{port}: Root Link Query relayed toward the root"),
        Fast::Answered { positive: true } => format!("{port}: Root Link Query answered: the root is here"),
        Fast::Answered { positive: false } => {
            format!("{port}: Root Link Query answered: another root is known here")
        }
        Fast::Uplink => format!("{port}: UplinkFast: forwards at once in place of the lost uplink"),
    }
}
