//! Bridges and LANs in virtual time, with a watch for loops of what forwards and, at bridges that speak the STP of 1998, for
//! Hold Time.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use trunkline_core::{Duration, Instant, MacAddr, Outbox, PortId, Rng};
use trunkline_stp::{
    BridgeId, Config, Event, Input, Output, PortConfig, PortRole, PortState, PortStatus, Protocol,
    SpanningTree, Transition,
};
use trunkline_view::stp::TreeView;
use trunkline_wire::stp::{Bpdu, Message};

/// How long a frame takes over a LAN.
pub(crate) const DELAY: Duration = Duration::from_micros(50);

/// Milliseconds after the start.
pub(crate) fn ms(ms: u64) -> Instant {
    Instant::from_nanos(ms * 1_000_000)
}

/// Seconds.
pub(crate) fn secs(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

/// The address of a bridge, by its number from 1.
pub(crate) fn address(number: usize) -> MacAddr {
    MacAddr([2, 0, 0, 0, (number >> 8) as u8, number as u8])
}

/// A port of a bridge.
pub(crate) type End = (usize, PortId);

/// Frames that are lost, by who sends them.
type Drops = Box<dyn Fn(End, &Message) -> bool>;

pub(crate) struct Bridge {
    pub(crate) config: Config,
    /// None: it is off.
    pub(crate) tree: Option<SpanningTree>,
    /// By port: how it is configured, and the LAN that it is at.
    pub(crate) ports: Vec<(PortConfig, usize)>,
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
    /// What the data plane was told of a port.
    pub(crate) moves: Vec<(Instant, End, PortState)>,
    pub(crate) ageing: Vec<(Instant, usize, Option<Duration>)>,
    pub(crate) transitions: BTreeSet<Transition>,
    pub(crate) flushes: Vec<(Instant, End)>,
    pub(crate) announced: Vec<(Instant, usize, PortId, PortId)>,
    pub(crate) sent: Vec<Sent>,
    pub(crate) keeps_sent: bool,
    pub(crate) drops: Option<Drops>,
    states: BTreeMap<End, PortState>,
    /// When a loop of forwarding ports began and ended.
    pub(crate) loops: Vec<(Instant, Option<Instant>)>,
    /// By port of a bridge that speaks the STP of 1998: its last Configuration BPDU since its link came up.
    pub(crate) last_config: BTreeMap<End, Instant>,
    /// Configuration BPDUs that came less than Hold Time after the one before (IEEE 802.1D-1998 §8.6.1).
    pub(crate) hasty: Vec<(Instant, End)>,
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
            moves: Vec::new(),
            ageing: Vec::new(),
            transitions: BTreeSet::new(),
            flushes: Vec::new(),
            announced: Vec::new(),
            sent: Vec::new(),
            keeps_sent: true,
            drops: None,
            states: BTreeMap::new(),
            loops: Vec::new(),
            last_config: BTreeMap::new(),
            hasty: Vec::new(),
        }
    }

    /// A bridge with the defaults of a protocol; its address ends with its number + 1.
    pub(crate) fn bridge(&mut self, protocol: Protocol, priority: u16) -> usize {
        let address = address(self.bridges.len() + 1);
        self.bridge_with(Config { priority, ..Config::new(protocol, address) })
    }

    pub(crate) fn bridge_with(&mut self, config: Config) -> usize {
        self.bridges.push(Bridge { config, tree: None, ports: Vec::new(), ageing: None, wake: None });
        let number = self.bridges.len() - 1;
        self.power(number, true);
        number
    }

    /// A LAN between these bridges, at a new port of each; two make a link, others a shared one.
    pub(crate) fn lan(&mut self, bridges: &[usize]) -> usize {
        let ends: Vec<_> = bridges.iter().map(|bridge| (*bridge, PortConfig::new(0))).collect();
        self.lan_with(&ends)
    }

    /// A LAN with new ports that are so from the start, but for their numbers: those count from 1 at each bridge.
    pub(crate) fn lan_with(&mut self, bridges: &[(usize, PortConfig)]) -> usize {
        let lan = self.lans.len();
        let mut ends = Vec::new();
        for (bridge, config) in bridges {
            let ports = &mut self.bridges[*bridge].ports;
            let port = PortId(ports.len() as u32);
            let config = PortConfig { number: ports.len() as u16 + 1, ..*config };
            ports.push((config, lan));
            ends.push((*bridge, port));
            self.feed(*bridge, Input::Port { port, config });
        }
        self.lans.push(Lan { ends, up: true, loss: 0 });
        self.tell_link(lan);
        lan
    }

    pub(crate) fn configure(&mut self, (bridge, port): End, change: impl FnOnce(&mut PortConfig)) {
        let config = &mut self.bridges[bridge].ports[port.index()].0;
        change(config);
        let config = *config;
        self.feed(bridge, Input::Port { port, config });
    }

    pub(crate) fn reconfigure(&mut self, bridge: usize, change: impl FnOnce(&mut Config)) {
        change(&mut self.bridges[bridge].config);
        let config = self.bridges[bridge].config;
        self.feed(bridge, Input::Reconfigure(config));
    }

    /// The link goes down, and with it what is under way.
    pub(crate) fn cut(&mut self, lan: usize) {
        self.lans[lan].up = false;
        self.due.retain(|_, due| !matches!(due, Due::Frame { lan: on, .. } if *on == lan));
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
        let ports: Vec<(PortConfig, usize)> = bridge.ports.clone();
        for (port, (config, lan)) in (0..).map(PortId).zip(ports) {
            if on {
                self.feed(number, Input::Port { port, config });
            } else {
                self.set_state((number, port), PortState::Disabled);
            }
            self.tell_link(lan);
        }
    }

    fn tell_link(&mut self, lan: usize) {
        let Lan { ends, up, .. } = &self.lans[lan];
        let (ends, up) = (ends.clone(), *up);
        let alive = ends.iter().filter(|(bridge, _)| self.bridges[*bridge].tree.is_some()).count();
        // A cable has no carrier when the other end is off; a hub has.
        let up = up && (ends.len() != 2 || alive == 2);
        for (bridge, port) in &ends {
            let address = MacAddr([2, 1, 0, *bridge as u8, 0, port.0 as u8]);
            let status = PortStatus { up, address, speed: Some(1000), full_duplex: Some(ends.len() <= 2) };
            self.feed(*bridge, Input::Status { port: *port, status });
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
                Output::Frame { port, frame } => self.send((number, port), frame),
                Output::State { port, state } => self.set_state((number, port), state),
                Output::Flush { port } => self.flushes.push((self.now, (number, port))),
                Output::AgeingTime(time) => {
                    self.bridges[number].ageing = time;
                    self.ageing.push((self.now, number, time));
                }
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
        if let Some(due) = due.map(|due| due.max(self.now))
            && wake.is_none_or(|at| due < at)
        {
            *wake = Some(due);
            self.schedule(due, Due::Wake(number));
        }
    }

    fn schedule(&mut self, at: Instant, due: Due) {
        self.sequence += 1;
        self.heap.push(Reverse((at, self.sequence)));
        self.due.insert(self.sequence, due);
    }

    fn send(&mut self, by: End, frame: Vec<u8>) {
        let lan = self.bridges[by.0].ports[by.1.index()].1;
        let message = Message::parse(&frame).expect("well formed").expect("ours");
        if self.bridges[by.0].config.protocol == Protocol::Stp
            && matches!(message, Message::Bpdu(Bpdu::Config(_)))
        {
            let before = self.last_config.insert(by, self.now);
            if before.is_some_and(|at| self.now.since(at) < Duration::from_secs(1)) {
                self.hasty.push((self.now, by));
            }
        }
        if self.keeps_sent {
            self.sent.push(Sent { at: self.now, by, message });
        }
        let Lan { loss, up, .. } = self.lans[lan];
        let is_lost = self.drops.as_ref().is_some_and(|drops| drops(by, &message))
            || (loss > 0 && self.rng.below(1000) < loss);
        if up && !is_lost {
            self.schedule(self.now + DELAY, Due::Frame { lan, from: by, frame });
        }
    }

    fn set_state(&mut self, end: End, state: PortState) {
        self.states.insert(end, state);
        self.moves.push((self.now, end, state));
        if state == PortState::Disabled {
            self.last_config.remove(&end);
        }
        // Only a port that comes to forward can begin a loop.
        let is_open = self.loops.last().is_some_and(|(_, to)| to.is_none());
        if !is_open && state != PortState::Forwarding {
            return;
        }
        match (self.has_loop(), self.loops.last_mut()) {
            (false, Some((_, to @ None))) => *to = Some(self.now),
            (true, _) if !is_open => self.loops.push((self.now, None)),
            _ => {}
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
        for (bridge, port) in self.lans[lan].ends.clone() {
            if (bridge, port) != from {
                self.feed(bridge, Input::Frame { port, frame });
            }
        }
    }

    pub(crate) fn state(&self, end: End) -> PortState {
        self.states.get(&end).copied().unwrap_or(PortState::Disabled)
    }

    pub(crate) fn role(&self, (bridge, port): End) -> PortRole {
        let tree = self.bridges[bridge].tree.as_ref();
        tree.and_then(|tree| tree.port(self.now, port)).map_or(PortRole::Disabled, |(role, _)| role)
    }

    /// Role and state.
    pub(crate) fn stands(&self, end: End) -> (PortRole, PortState) {
        (self.role(end), self.state(end))
    }

    pub(crate) fn id(&self, bridge: usize) -> BridgeId {
        self.bridges[bridge].config.bridge_id()
    }

    /// The port of a bridge at a LAN; the first where there are more.
    pub(crate) fn end(&self, lan: usize, bridge: usize) -> End {
        *self.lans[lan].ends.iter().find(|(b, _)| *b == bridge).expect("is at the LAN")
    }

    /// When a port last came to forward.
    pub(crate) fn forwards_since(&self, end: End) -> Option<Instant> {
        let moves = self.moves.iter().rev();
        moves.filter(|(_, who, to)| (*who, *to) == (end, PortState::Forwarding)).map(|(at, ..)| *at).next()
    }

    /// When a port first came to a state, from this moment on.
    pub(crate) fn when(&self, end: End, state: PortState, from: Instant) -> Option<Instant> {
        self.moves.iter().find(|(at, who, to)| *at >= from && (*who, *to) == (end, state)).map(|(at, ..)| *at)
    }

    /// What a port sent from this moment on.
    pub(crate) fn sent_by(&self, by: End, from: Instant) -> Vec<(Instant, Message)> {
        let sent = self.sent.iter().filter(|sent| sent.by == by && sent.at >= from);
        sent.map(|sent| (sent.at, sent.message)).collect()
    }

    /// What a bridge told from this moment on.
    pub(crate) fn events_of(&self, bridge: usize, from: Instant) -> Vec<(Instant, Event)> {
        let events = self.events.iter().filter(|(at, by, _)| *by == bridge && *at >= from);
        events.map(|(at, _, event)| (*at, *event)).collect()
    }

    /// A bridge as people see it.
    pub(crate) fn view(&self, bridge: usize) -> TreeView {
        let tree = self.bridges[bridge].tree.as_ref().expect("is on");
        tree.view(self.now, "br0", "own ports", &|port| format!("p{}", port.0))
    }

    pub(crate) fn counter(&self, (bridge, port): End, name: &str) -> u64 {
        self.view(bridge).ports[port.index()].counters[name]
    }
}
