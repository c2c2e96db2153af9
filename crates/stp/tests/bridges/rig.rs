//! Bridges and LANs in virtual time, the tree that must come of them, and a watch for loops.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use trunkline_core::{Duration, Instant, MacAddr, Outbox, PortId, Rng};
use trunkline_stp::{
    BridgeId, Config, Event, Input, Output, PortConfig, PortRole, PortState, PortStatus, Protocol,
    SpanningTree, Transition,
};
use trunkline_wire::stp::{Message, PortIdentifier};

/// How long a frame takes over a LAN.
pub(crate) const DELAY: Duration = Duration::from_micros(50);

/// Milliseconds after the start.
pub(crate) fn ms(ms: u64) -> Instant {
    Instant::from_nanos(ms * 1_000_000)
}

/// A port of a bridge: both by number.
pub(crate) type End = (usize, u32);

pub(crate) struct Bridge {
    pub(crate) config: Config,
    /// None: it is off.
    pub(crate) tree: Option<SpanningTree>,
    /// By port: how it is configured, and the LAN that it is at.
    pub(crate) ports: Vec<(PortConfig, Option<usize>)>,
    pub(crate) ageing: Option<Duration>,
    wake: Option<Instant>,
}

pub(crate) struct Lan {
    pub(crate) ends: Vec<End>,
    pub(crate) up: bool,
    /// Frames of a thousand that are lost.
    pub(crate) loss: u64,
}

/// A frame that was sent.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) at: Instant,
    pub(crate) by: End,
    pub(crate) message: Message,
}

enum Due {
    Frame { lan: usize, from: End, frame: Vec<u8> },
    Wake(usize),
}

pub(crate) struct Net {
    pub(crate) now: Instant,
    pub(crate) bridges: Vec<Bridge>,
    pub(crate) lans: Vec<Lan>,
    pub(crate) rng: Rng,
    heap: BinaryHeap<Reverse<(Instant, u64)>>,
    due: BTreeMap<u64, Due>,
    sequence: u64,
    /// What bridges told, but transitions.
    pub(crate) events: Vec<(Instant, usize, Event)>,
    pub(crate) transitions: BTreeSet<Transition>,
    pub(crate) flushes: Vec<(Instant, End)>,
    pub(crate) announced: Vec<(Instant, usize, PortId, PortId)>,
    pub(crate) sent: Vec<Sent>,
    pub(crate) keeps_sent: bool,
    states: BTreeMap<End, PortState>,
    /// When a loop of forwarding ports began and ended.
    pub(crate) loops: Vec<(Instant, Option<Instant>)>,
    checks_loops: bool,
}

impl Net {
    pub(crate) fn new(seed: u64) -> Net {
        Net {
            now: Instant::ZERO,
            bridges: Vec::new(),
            lans: Vec::new(),
            rng: Rng::new(seed),
            heap: BinaryHeap::new(),
            due: BTreeMap::new(),
            sequence: 0,
            events: Vec::new(),
            transitions: BTreeSet::new(),
            flushes: Vec::new(),
            announced: Vec::new(),
            sent: Vec::new(),
            keeps_sent: true,
            states: BTreeMap::new(),
            loops: Vec::new(),
            checks_loops: true,
        }
    }

    /// A bridge with the defaults of a protocol; its address ends with its number + 1.
    pub(crate) fn bridge(&mut self, protocol: Protocol, priority: u16) -> usize {
        let address = MacAddr([2, 0, 0, 0, 0, self.bridges.len() as u8 + 1]);
        self.bridge_with(Config { priority, ..Config::new(protocol, address) })
    }

    pub(crate) fn bridge_with(&mut self, config: Config) -> usize {
        self.bridges.push(Bridge { config, tree: None, ports: Vec::new(), ageing: None, wake: None });
        let number = self.bridges.len() - 1;
        self.power(number, true);
        number
    }

    /// Gives a bridge one more port.
    pub(crate) fn port(&mut self, bridge: usize) -> End {
        let port = self.bridges[bridge].ports.len() as u32;
        let config = PortConfig::new(port as u16 + 1);
        self.bridges[bridge].ports.push((config, None));
        self.feed(bridge, Input::Port { port: PortId(port), config });
        (bridge, port)
    }

    /// A LAN between these bridges, at a new port of each; two make a link, more a shared one.
    pub(crate) fn lan(&mut self, bridges: &[usize]) -> usize {
        let ends: Vec<End> = bridges.iter().map(|bridge| self.port(*bridge)).collect();
        self.lans.push(Lan { ends: ends.clone(), up: true, loss: 0 });
        let lan = self.lans.len() - 1;
        for (bridge, port) in ends {
            self.bridges[bridge].ports[port as usize].1 = Some(lan);
        }
        self.tell_link(lan);
        lan
    }

    pub(crate) fn configure(&mut self, (bridge, port): End, change: impl FnOnce(&mut PortConfig)) {
        let config = &mut self.bridges[bridge].ports[port as usize].0;
        change(config);
        let config = *config;
        self.feed(bridge, Input::Port { port: PortId(port), config });
    }

    pub(crate) fn reconfigure(&mut self, bridge: usize, change: impl FnOnce(&mut Config)) {
        change(&mut self.bridges[bridge].config);
        let config = self.bridges[bridge].config;
        self.feed(bridge, Input::Reconfigure(config));
    }

    pub(crate) fn cut(&mut self, lan: usize) {
        self.lans[lan].up = false;
        self.tell_link(lan);
    }

    pub(crate) fn restore(&mut self, lan: usize) {
        self.lans[lan].up = true;
        self.tell_link(lan);
    }

    /// Switches a bridge on or off; the links at it go with it where they are cables.
    pub(crate) fn power(&mut self, number: usize, on: bool) {
        let bridge = &mut self.bridges[number];
        if on == bridge.tree.is_some() {
            return;
        }
        bridge.tree = on.then(|| {
            let mut tree = SpanningTree::new(bridge.config);
            tree.trace(true);
            tree
        });
        bridge.wake = None;
        let ports: Vec<(u32, PortConfig, Option<usize>)> =
            (0..).zip(&bridge.ports).map(|(port, (config, lan))| (port, *config, *lan)).collect();
        for (port, config, lan) in ports {
            if on {
                self.feed(number, Input::Port { port: PortId(port), config });
            } else {
                self.set_state((number, port), PortState::Disabled);
            }
            if let Some(lan) = lan {
                self.tell_link(lan);
            }
        }
    }

    fn tell_link(&mut self, lan: usize) {
        let Lan { ends, up, .. } = &self.lans[lan];
        let (ends, up) = (ends.clone(), *up);
        let alive = ends.iter().filter(|(bridge, _)| self.bridges[*bridge].tree.is_some()).count();
        // A cable has no carrier when the other end is off; a hub has.
        let up = up && (ends.len() != 2 || alive == 2);
        for (bridge, port) in &ends {
            let address = MacAddr([2, 1, 0, *bridge as u8, 0, *port as u8]);
            let status = PortStatus { up, address, speed: Some(1000), full_duplex: Some(ends.len() <= 2) };
            self.feed(*bridge, Input::Status { port: PortId(*port), status });
        }
    }

    /// Feeds a bridge, carries out what it wants.
    pub(crate) fn feed(&mut self, number: usize, input: Input<'_>) {
        let mut out = Outbox::new();
        let now = self.now;
        let Some(tree) = &mut self.bridges[number].tree else { return };
        tree.handle(now, input, &mut out);
        self.carry(number, out);
    }

    fn carry(&mut self, number: usize, mut out: Outbox<Output>) {
        while let Some(output) = out.pop() {
            match output {
                Output::Frame { port, frame } => self.send((number, port.0), frame),
                Output::State { port, state } => self.set_state((number, port.0), state),
                Output::Flush { port } => self.flushes.push((self.now, (number, port.0))),
                Output::AgeingTime(time) => self.bridges[number].ageing = time,
                Output::AnnounceStations { by, lost } => {
                    self.announced.push((self.now, number, by, lost));
                }
                Output::Event(Event::Transition { transition, .. }) => {
                    self.transitions.insert(transition);
                }
                Output::Event(event) => self.events.push((self.now, number, event)),
            }
        }
        let due = self.bridges[number].tree.as_ref().and_then(SpanningTree::poll_timeout);
        let wake = &mut self.bridges[number].wake;
        if let Some(due) = due
            && wake.is_none_or(|at| due < at)
        {
            *wake = Some(due);
            self.schedule(due, Due::Wake(number));
        }
    }

    fn schedule(&mut self, at: Instant, due: Due) {
        self.sequence += 1;
        self.heap.push(Reverse((at.max(self.now), self.sequence)));
        self.due.insert(self.sequence, due);
    }

    fn send(&mut self, by: End, frame: Vec<u8>) {
        let Some(lan) = self.bridges[by.0].ports[by.1 as usize].1 else { return };
        if self.keeps_sent {
            let message = Message::parse(&frame).expect("well formed").expect("ours");
            self.sent.push(Sent { at: self.now, by, message });
        }
        let loss = self.lans[lan].loss;
        if self.lans[lan].up && !(loss > 0 && self.rng.below(1000) < loss) {
            self.schedule(self.now + DELAY, Due::Frame { lan, from: by, frame });
        }
    }

    fn set_state(&mut self, end: End, state: PortState) {
        self.states.insert(end, state);
        if self.checks_loops {
            let now = self.now;
            match (self.has_loop(), self.loops.last_mut()) {
                (true, Some((_, None))) => {}
                (true, _) => self.loops.push((now, None)),
                (false, Some((_, end @ None))) => *end = Some(now),
                (false, _) => {}
            }
        }
    }

    /// Whether the ports that forward make a loop.
    pub(crate) fn has_loop(&self) -> bool {
        let mut parent: Vec<usize> = (0..self.bridges.len() + self.lans.len()).collect();
        fn find(parent: &mut [usize], mut at: usize) -> usize {
            while parent[at] != at {
                parent[at] = parent[parent[at]];
                at = parent[at];
            }
            at
        }
        for (lan, Lan { ends, up, .. }) in self.lans.iter().enumerate() {
            for end in ends.iter().filter(|_| *up) {
                if self.state(*end) == PortState::Forwarding {
                    let a = find(&mut parent, end.0);
                    let b = find(&mut parent, self.bridges.len() + lan);
                    if a == b {
                        return true;
                    }
                    parent[a] = b;
                }
            }
        }
        false
    }

    /// Runs until this moment.
    pub(crate) fn run_until(&mut self, until: Instant) {
        while let Some(Reverse((at, sequence))) = self.heap.peek().copied()
            && at <= until
        {
            self.heap.pop();
            self.now = at;
            match self.due.remove(&sequence) {
                Some(Due::Frame { lan, from, frame }) => self.arrive(lan, from, &frame),
                Some(Due::Wake(number)) if self.bridges[number].wake == Some(at) => {
                    self.bridges[number].wake = None;
                    let mut out = Outbox::new();
                    if let Some(tree) = &mut self.bridges[number].tree {
                        tree.handle_timeout(at, &mut out);
                        self.carry(number, out);
                    }
                }
                _ => {}
            }
        }
        self.now = self.now.max(until);
    }

    pub(crate) fn run_for(&mut self, time: Duration) {
        self.run_until(self.now + time);
    }

    fn arrive(&mut self, lan: usize, from: End, frame: &[u8]) {
        if !self.lans[lan].up {
            return;
        }
        for (bridge, port) in self.lans[lan].ends.clone() {
            if (bridge, port) != from {
                self.feed(bridge, Input::Frame { port: PortId(port), frame });
            }
        }
    }

    pub(crate) fn state(&self, end: End) -> PortState {
        self.states.get(&end).copied().unwrap_or(PortState::Disabled)
    }

    pub(crate) fn role(&self, (bridge, port): End) -> PortRole {
        let tree = self.bridges[bridge].tree.as_ref();
        tree.and_then(|tree| tree.port(self.now, PortId(port))).map_or(PortRole::Disabled, |(role, _)| role)
    }

    /// The port of a bridge at a LAN.
    pub(crate) fn end(&self, lan: usize, bridge: usize) -> End {
        *self.lans[lan].ends.iter().find(|(b, _)| *b == bridge).expect("is at the LAN")
    }

    /// When a port last came to forward.
    pub(crate) fn forwards_since(&self, end: End) -> Option<Instant> {
        let is_it = |(_, bridge, event): &&(Instant, usize, Event)| {
            matches!(event, Event::State { port, to: PortState::Forwarding, .. }
                if (*bridge, port.0) == end)
        };
        self.events.iter().rev().find(is_it).map(|(at, ..)| *at)
    }

    /// The role that each port must have at rest, from the definition (IEEE 802.1D-2004 §17.3): the root is the best
    /// bridge that is reached, the way there is the cheapest, and who is nearest to it serves a LAN.
    pub(crate) fn expected(&self) -> BTreeMap<End, PortRole> {
        let on = |bridge: usize| self.bridges[bridge].tree.is_some();
        let live = |lan: &Lan| {
            lan.up && lan.ends.iter().filter(|(b, _)| on(*b)).count() > usize::from(lan.ends.len() == 2)
        };
        let id = |bridge: usize| self.bridges[bridge].config.bridge_id();
        let cost_of = |(bridge, port): End| {
            let Bridge { config, ports, .. } = &self.bridges[bridge];
            u64::from(ports[port as usize].0.cost(config, Some(1000)))
        };
        // The best root and the cheapest way to it, by relaxation.
        let mut best: Vec<(BridgeId, u64)> = (0..self.bridges.len()).map(|b| (id(b), 0)).collect();
        loop {
            let mut changed = false;
            for lan in self.lans.iter().filter(|lan| live(lan)) {
                let ends = || lan.ends.iter().copied().filter(|(b, _)| on(*b));
                let Some(way) = ends().map(|(b, _)| best[b]).min() else { continue };
                for end in ends() {
                    let mine = (way.0, way.1 + cost_of(end));
                    if mine < best[end.0] && way.0 < id(end.0) {
                        best[end.0] = mine;
                        changed = true;
                    }
                }
            }
            if !changed {
                break;
            }
        }
        let port_id = |(bridge, port): End| self.bridges[bridge].ports[port as usize].0.id();
        type Serves = (BridgeId, u64, BridgeId, PortIdentifier, End);
        let serves = |lan: &Lan| -> Option<Serves> {
            let ends = lan.ends.iter().filter(|(b, _)| on(*b));
            ends.map(|end| (best[end.0].0, best[end.0].1, id(end.0), port_id(*end), *end)).min()
        };
        let mut roles = BTreeMap::new();
        for (bridge, Bridge { ports, .. }) in self.bridges.iter().enumerate().filter(|(b, _)| on(*b)) {
            let mut ways = Vec::new();
            for (port, (_, lan)) in (0u32..).zip(ports) {
                let end = (bridge, port);
                let lan = lan.map(|lan| &self.lans[lan]).filter(|lan| live(lan));
                let role = match lan.and_then(serves) {
                    None => PortRole::Disabled,
                    Some((.., who)) if who == end => PortRole::Designated,
                    Some((.., who)) if who.0 == bridge => PortRole::Backup,
                    Some((root, cost, by, at, _)) => {
                        ways.push((root, cost + cost_of(end), by, at, port_id(end), end));
                        PortRole::Alternate
                    }
                };
                roles.insert(end, role);
            }
            if let Some((root, .., end)) = ways.into_iter().min()
                && root < id(bridge)
            {
                roles.insert(end, PortRole::Root);
            }
        }
        roles
    }

    /// What is not as it must be at rest: roles, states, no loop.
    pub(crate) fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        for (end, expected) in self.expected() {
            let (role, state) = (self.role(end), self.state(end));
            if role != expected {
                problems.push(format!("{end:?}: {role}, must be {expected}"));
            }
            let forwards = matches!(expected, PortRole::Root | PortRole::Designated);
            if forwards != (state == PortState::Forwarding) {
                problems.push(format!("{end:?}: {state} as {expected}"));
            }
        }
        if self.has_loop() {
            problems.push("a loop".to_owned());
        }
        problems
    }

    #[track_caller]
    pub(crate) fn assert_settled(&self) {
        let problems = self.problems();
        assert!(problems.is_empty(), "at {:?}: {problems:#?}", self.now);
    }
}
