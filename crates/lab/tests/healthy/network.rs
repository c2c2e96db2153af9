//! A lab file that is being drawn: nodes, segments of the network, steps.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use trunkline_core::Rng;

/// Chances that the drawing takes.
pub(crate) struct Chance(Rng);

impl Chance {
    pub(crate) fn new(seed: u64) -> Chance {
        Chance(Rng::new(seed))
    }

    /// True in so many of a hundred cases.
    pub(crate) fn percent(&mut self, percent: u64) -> bool {
        self.0.below(100) < percent
    }

    /// One of `least..=most`.
    pub(crate) fn between(&mut self, least: usize, most: usize) -> usize {
        least + self.0.below((most - least + 1) as u64) as usize
    }

    pub(crate) fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.0.below(all.len() as u64) as usize]
    }
}

/// A network.
pub(crate) struct Network {
    pub(crate) chance: Chance,
    /// What it has, for the count of what was tried.
    pub(crate) features: BTreeSet<&'static str>,
    /// Rules whose notes are true of it.
    pub(crate) notes: BTreeSet<&'static str>,
    /// The names of the nodes in the order in which they were added, each with the lines of its tables.
    nodes: Vec<(String, String)>,
    /// The static routes of nodes.
    statics: BTreeMap<String, String>,
    /// How many interfaces with a link each node has.
    ports: BTreeMap<String, usize>,
    links: String,
    steps: String,
    switches: usize,
    segments: usize,
    /// What links do to frames, as lines of a `[[link]]`.
    weather: String,
    /// When it stands, in seconds: switches forward, and where sessions go over several hops, the ways there are known. What gets
    /// no answer before gets none.
    pub(crate) stands: usize,
    /// When it ends, in seconds.
    pub(crate) until: usize,
}

impl Network {
    pub(crate) fn new(seed: u64) -> Network {
        let mut network = Network {
            chance: Chance::new(seed),
            features: BTreeSet::new(),
            notes: BTreeSet::new(),
            nodes: Vec::new(),
            statics: BTreeMap::new(),
            ports: BTreeMap::new(),
            links: String::new(),
            steps: String::new(),
            switches: 0,
            segments: 0,
            weather: String::new(),
            stands: 0,
            until: 0,
        };
        network.weather();
        network
    }

    /// What a network may do to frames and is healthy all the same.
    fn weather(&mut self) {
        let chance = &mut self.chance;
        if chance.percent(50) {
            return;
        }
        let mut weather = String::new();
        for (key, most) in [("loss", 10), ("duplicate", 50), ("reorder", 200)] {
            if chance.percent(60) {
                let share = chance.between(1, most);
                let _ = writeln!(weather, "{key} = \"{}.{:02}%\"", share / 100, share % 100);
                self.features.insert(key);
            }
        }
        if chance.percent(30) {
            let rate = chance.one_of(&["2Mbit", "10Mbit", "100Mbit", "1Gbit"]);
            let _ = writeln!(weather, "rate = \"{rate}\"");
            self.features.insert("rate");
        }
        self.weather = weather;
    }

    /// Whether links lose frames.
    pub(crate) fn loses(&self) -> bool {
        self.weather.contains("loss")
    }

    /// A node; `kind` is that of the file.
    pub(crate) fn node(&mut self, name: &str, kind: &str) {
        self.nodes.push((name.to_owned(), format!("kind = \"{kind}\"\n")));
    }

    /// Adds a line to a node's tables: a dotted key and its value.
    pub(crate) fn set(&mut self, node: &str, line: &str) {
        if let Some((_, text)) = self.nodes.iter_mut().find(|(name, _)| name == node) {
            text.push_str(line);
            text.push('\n');
        }
    }

    /// A static route of a node: where to.
    pub(crate) fn route(&mut self, node: &str, prefix: &str, to: &str) {
        let routes = self.statics.entry(node.to_owned()).or_default();
        let _ = write!(routes, "{{ prefix = \"{prefix}\", {to} }}, ");
    }

    /// A new interface of a node, with an address if it has one.
    pub(crate) fn port(&mut self, node: &str, address: Option<&str>) -> String {
        let ports = self.ports.entry(node.to_owned()).or_default();
        let name = format!("eth{ports}");
        *ports += 1;
        match address {
            Some(address) => self.set(node, &format!("interface.{name}.address = [\"{address}\"]")),
            None => self.set(node, &format!("interface.{name} = {{}}")),
        }
        name
    }

    /// A number of its own for a new subnet: 10.N.
    pub(crate) fn subnet(&mut self) -> usize {
        self.segments += 1;
        self.segments
    }

    /// Connects interfaces: by a cable where there are two, by a hub, or by switches with spanning tree.
    pub(crate) fn connect(&mut self, ends: &[(String, String)], most_switches: usize) {
        let ends: Vec<String> = ends.iter().map(|(node, interface)| format!("{node}.{interface}")).collect();
        let switched = most_switches > 0 && self.chance.percent(40);
        if !switched {
            self.features.insert(if ends.len() == 2 { "cable" } else { "hub" });
            self.link(&ends);
            return;
        }
        let number = self.chance.between(1, most_switches);
        let names: Vec<String> = (0..number).map(|n| format!("sw{}", self.switches + n)).collect();
        self.switches += number;
        self.features.insert("switches");
        self.stands = self.stands.max(self.ready());
        self.trees(&names);
        // A chain, and with three or more a ring or more.
        let mut cables: Vec<(usize, usize)> = (1..number).map(|n| (n - 1, n)).collect();
        if number > 2 && self.chance.percent(70) {
            cables.push((number - 1, 0));
            self.features.insert("ring of switches");
        }
        for (a, b) in cables {
            let (one, other) = (self.port(&names[a], None), self.port(&names[b], None));
            self.link(&[format!("{}.{one}", names[a]), format!("{}.{other}", names[b])]);
        }
        for end in ends {
            let at = self.chance.between(0, number - 1);
            let port = self.port(&names[at], None);
            self.link(&[end, format!("{}.{port}", names[at])]);
        }
    }

    /// Spanning tree on switches. What has to wait for it is not begun before [`Network::ready`].
    fn trees(&mut self, names: &[String]) {
        let all = self.chance.one_of(&["rstp", "rstp", "stp", "mixed"]);
        self.features.insert(all);
        self.notes.insert("stp-change");
        for name in names {
            self.node(name, "switch");
            let kind = if all == "mixed" { self.chance.one_of(&["rstp", "stp"]) } else { all };
            self.set(name, &format!("bridge.br0.spanning-tree = \"{kind}\""));
            if self.chance.percent(50) {
                let priority = 4096 * self.chance.between(0, 15);
                self.set(name, &format!("bridge.br0.priority = {priority}"));
            }
        }
    }

    fn link(&mut self, ends: &[String]) {
        let delay = self.chance.one_of(&["1us", "50us", "1ms", "5ms", "20ms", "80ms"]);
        let ends: Vec<String> = ends.iter().map(|end| format!("\"{end}\"")).collect();
        let ends = ends.join(", ");
        let _ = write!(self.links, "[[link]]\nends = [{ends}]\ndelay = \"{delay}\"\n{}", self.weather);
    }

    /// Something happens.
    pub(crate) fn step(&mut self, at: usize, action: &str) {
        let _ = write!(self.steps, "[[step]]\nat = \"{at}s\"\n{action}\n");
    }

    /// The second from which all switches forward: twice Forward Delay, and the time to elect, which is long where RSTP meets STP.
    pub(crate) fn ready(&self) -> usize {
        if self.switches > 0 { 60 } else { 1 }
    }

    /// The lab file.
    pub(crate) fn text(&self) -> String {
        let mut text = format!("until = \"{}s\"\n", self.until);
        for (name, tables) in &self.nodes {
            let _ = write!(text, "[node.{name}]\n{tables}");
            if let Some(routes) = self.statics.get(name) {
                let _ = writeln!(text, "static = [{routes}]");
            }
        }
        text.push_str(&self.links);
        text.push_str(&self.steps);
        text
    }
}
