//! The simulator: nodes, links and one heap of what is to come, in the order of time and, at the same time, of cause.
//!
//! ```text
//!        heap: (time, sequence) → a node's timer, or the next frame of a line
//!          │ next
//!          ▼                                                          ┌▶ capture
//!   Node::handle / handle_timeout ──▶ outputs ──┬─ frame ─▶ Line::push┴▶ heap
//!          ▲                                    ├─ event ─▶ Observer, comment of the capture
//!          └────────── frame arrives ◀──────────┴─ answer ─▶ Observer
//! ```
//!
//! Everything runs on the caller's thread. Chance comes from one seed: each node and each direction of a link has a
//! generator of its own that is made of the seed and its name, so one more node changes nothing for the others.

mod faults;
mod node;
mod ports;

use crate::capture::Capture;
use crate::digest::Digest;
use crate::link::{Fate, Line, LineCounters, LinkConfig};
use crate::scenario::Scenario;
pub use node::Asked;
use node::NodeState;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::fmt;
use trunkline_core::{Duration, Frame, Instant, Outbox, PortId, Rng};
use trunkline_node::config::NodeConfig;
use trunkline_node::{NodeInput, NodeOutput, StartError};
use trunkline_view::{Answer, EventKind};

/// How often a node may be woken without time going on.
const MAX_WAKES_AT_ONCE: u32 = 100_000;

/// How long a node then rests that has been.
const REST: Duration = Duration::from_micros(1);

/// Names a node of a lab: its place in the order of [`Lab::add_node`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeIndex(u32);

/// Names a link of a lab: its place in the order of [`Lab::add_link`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkIndex(u32);

impl NodeIndex {
    /// As an index of an array.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl LinkIndex {
    /// As an index of an array.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// Why a lab cannot be as it is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LabError {
    /// No node has this name.
    NoSuchNode(String),
    /// No link has this name.
    NoSuchLink(String),
    /// The node has no port of this name that a cable can be put into.
    NoSuchInterface(String, String),
    /// Something else has this name.
    NameTaken(String),
    /// A node cannot start.
    Start(String, StartError),
}

impl fmt::Display for LabError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LabError::NoSuchNode(name) => write!(f, "there is no node {name}"),
            LabError::NoSuchLink(name) => write!(f, "there is no link {name}"),
            LabError::NoSuchInterface(node, name) => write!(f, "{node} has no port {name} that is free"),
            LabError::NameTaken(name) => write!(f, "there are two of the name {name}"),
            LabError::Start(name, error) => write!(f, "{name} cannot start: {error}"),
        }
    }
}

impl std::error::Error for LabError {}

/// A frame at its way into a link.
#[derive(Debug, Clone, Copy)]
pub struct Sight<'a> {
    /// When it was given to the link; its first bit is sent at `fate.at`.
    pub at: Instant,
    /// The link.
    pub link: LinkIndex,
    /// The link's name.
    pub link_name: &'a str,
    /// Who sends it.
    pub node: &'a str,
    /// By which interface.
    pub interface: &'a str,
    /// The frame.
    pub frame: &'a Frame,
    /// What becomes of it; none: the link has no room for it.
    pub fate: Option<Fate>,
}

/// Hears what happens in a lab, as it happens.
pub trait Observer {
    /// Something happened in a node. Most events come only after [`Lab::watch`].
    fn event(&mut self, at: Instant, node: &str, event: &EventKind) {
        let _ = (at, node, event);
    }

    /// A frame goes into a link. Comes only after [`Lab::watch_frames`].
    fn frame(&mut self, sight: &Sight<'_>) {
        let _ = sight;
    }

    /// The answer to a query that took its time.
    fn answer(&mut self, at: Instant, node: &str, id: u64, answer: Answer) {
        let _ = (at, node, id, answer);
    }
}

/// Hears nothing.
impl Observer for () {}

/// What a lab has done so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Statistics {
    /// Steps of the simulation: frames that arrived and timers.
    pub steps: u64,
    /// Frames that arrived at a node.
    pub hops: u64,
    /// Frames that arrived where nobody was.
    pub unheard: u64,
    /// Frames that were sent without a carrier.
    pub no_carrier: u64,
    /// Events of nodes.
    pub events: u64,
    /// What links did.
    pub links: LineCounters,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    /// The next frame of a line has arrived.
    Line(u32),
    /// A node wants to be woken.
    Node(u32),
}

struct LinkState {
    config: LinkConfig,
    /// Each has a line of its own, for what it sends: from `first_line`.
    ends: Vec<EndState>,
    first_line: u32,
    cut: bool,
    capture: Option<Capture>,
}

struct EndState {
    node: u32,
    interface: String,
    /// None where the node has no such port at present.
    port: Option<PortId>,
    /// Whether the node has been told that there is a carrier.
    up: bool,
}

struct LineState {
    line: Line,
    link: u32,
    end: u32,
}

/// A whole network in virtual time.
pub struct Lab {
    seed: u64,
    now: Instant,
    nodes: Vec<NodeState>,
    links: Vec<LinkState>,
    lines: Vec<LineState>,
    names: BTreeMap<String, NodeIndex>,
    link_names: BTreeMap<String, LinkIndex>,
    heap: BinaryHeap<Reverse<(Instant, u64, What)>>,
    sequence: u64,
    out: Outbox<NodeOutput>,
    digest: Digest,
    statistics: Statistics,
    watches: bool,
    watches_frames: bool,
    captures: bool,
    /// The frame whose arrival is being handled: its link and its number in the capture.
    cause: Option<(u32, u32)>,
    next_query: u64,
    /// The query that is being asked, and its answer.
    asking: Option<(u64, Option<Answer>)>,
}

impl Lab {
    /// A lab with nothing in it, at time 0. All chance comes from `seed`.
    pub fn new(seed: u64) -> Lab {
        Lab {
            seed,
            now: Instant::ZERO,
            nodes: Vec::new(),
            links: Vec::new(),
            lines: Vec::new(),
            names: BTreeMap::new(),
            link_names: BTreeMap::new(),
            heap: BinaryHeap::new(),
            sequence: 0,
            out: Outbox::new(),
            digest: Digest::new(),
            statistics: Statistics::default(),
            watches: false,
            watches_frames: false,
            captures: false,
            cause: None,
            next_query: 1,
            asking: None,
        }
    }

    /// Adds the nodes and links of a scenario. Steps are [`crate::run::Run`]'s.
    ///
    /// # Errors
    ///
    /// A node cannot start, or a link names what is not there.
    pub fn build(&mut self, scenario: &Scenario, observer: &mut dyn Observer) -> Result<(), LabError> {
        for config in &scenario.nodes {
            self.add_node(config.clone(), observer)?;
        }
        for link in &scenario.links {
            let mut ends = Vec::new();
            for end in &link.ends {
                ends.push((self.node(&end.node)?, end.interface.as_str()));
            }
            self.add_link(link.config.clone(), &ends, observer)?;
        }
        Ok(())
    }

    /// The time.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// A number of all that arrived and happened so far.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// What was done so far.
    pub fn statistics(&self) -> Statistics {
        let mut statistics = self.statistics;
        for state in &self.lines {
            statistics.links.add(&state.line.counters());
        }
        statistics
    }

    /// Frames that arrived and timers so far.
    pub(crate) fn steps(&self) -> u64 {
        self.statistics.steps
    }

    /// The node of this name.
    ///
    /// # Errors
    ///
    /// There is none.
    pub fn node(&self, name: &str) -> Result<NodeIndex, LabError> {
        self.names.get(name).copied().ok_or_else(|| LabError::NoSuchNode(name.to_owned()))
    }

    /// The link of this name.
    ///
    /// # Errors
    ///
    /// There is none.
    pub fn link(&self, name: &str) -> Result<LinkIndex, LabError> {
        self.link_names.get(name).copied().ok_or_else(|| LabError::NoSuchLink(name.to_owned()))
    }

    /// All links, in the order in which they were added.
    pub fn links(&self) -> impl Iterator<Item = (LinkIndex, &LinkConfig)> {
        self.links.iter().enumerate().map(|(i, link)| (LinkIndex(i as u32), &link.config))
    }

    /// All nodes, in the order in which they were added, with the configuration that each runs with.
    pub fn nodes(&self) -> impl Iterator<Item = (NodeIndex, &NodeConfig)> {
        self.nodes.iter().enumerate().map(|(i, node)| (NodeIndex(i as u32), &node.config))
    }

    /// Whether events that nodes tell only when watched are told. They do not count for the digest.
    pub fn watch(&mut self, on: bool) {
        self.watches = on;
        self.nodes.iter_mut().for_each(|node| node.watch(on));
    }

    /// Whether the observer hears of frames.
    pub fn watch_frames(&mut self, on: bool) {
        self.watches_frames = on;
    }

    /// Keeps from now on what links carry; see [`Lab::capture`].
    pub fn capture_all(&mut self) {
        self.captures = true;
        for link in &mut self.links {
            if link.capture.is_none() {
                link.capture = Some(new_capture(&self.nodes, &link.ends));
            }
        }
    }

    /// What a link has carried since [`Lab::capture_all`].
    pub fn capture(&self, link: LinkIndex) -> Option<&Capture> {
        self.links.get(link.index())?.capture.as_ref()
    }

    /// Adds a link; two ends make a cable. Nodes hear of their carrier at once.
    ///
    /// # Errors
    ///
    /// There is a link of this name, or an interface is not there or has a link.
    pub fn add_link(
        &mut self,
        config: LinkConfig,
        ends: &[(NodeIndex, &str)],
        observer: &mut dyn Observer,
    ) -> Result<LinkIndex, LabError> {
        if self.link_names.contains_key(&config.name) {
            return Err(LabError::NameTaken(config.name));
        }
        let index = LinkIndex(self.links.len() as u32);
        let first_line = self.lines.len() as u32;
        for (number, (node, interface)) in ends.iter().enumerate() {
            if let Err(error) = self.plug(*node, interface, (index.0, number as u32)) {
                ends[..number].iter().for_each(|(node, interface)| self.unplug(*node, interface));
                return Err(error);
            }
        }
        let mut states = Vec::new();
        for (number, (node, interface)) in ends.iter().enumerate() {
            let name = format!("{} {}.{interface}", config.name, self.nodes[node.index()].config.name);
            let line = Line::new(&config, Rng::new(self.seed_of("line", &name)));
            self.lines.push(LineState { line, link: index.0, end: number as u32 });
            let port = self.nodes[node.index()].port(interface);
            states.push(EndState { node: node.0, interface: (*interface).to_owned(), port, up: false });
        }
        let capture = self.captures.then(|| new_capture(&self.nodes, &states));
        self.link_names.insert(config.name.clone(), index);
        self.links.push(LinkState { config, ends: states, first_line, cut: false, capture });
        self.tell_carriers(index.0, observer);
        Ok(index)
    }

    /// A seed for a part: of the lab's seed and the part's name.
    fn seed_of(&self, kind: &str, name: &str) -> u64 {
        let mut digest = Digest::of(kind.as_bytes());
        digest.number(self.seed);
        digest.octets(name.as_bytes());
        digest.value()
    }

    /// Runs until all that happens up to `until`, this moment included, has happened.
    pub fn run_until(&mut self, until: Instant, observer: &mut dyn Observer) {
        while let Some(Reverse((at, _, _))) = self.heap.peek()
            && *at <= until
        {
            self.step(observer);
        }
        self.now = self.now.max(until);
    }

    /// When something happens next, as far as is known.
    pub fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse((at, _, _))| *at)
    }

    /// Does the next thing; false where there is none.
    pub fn step(&mut self, observer: &mut dyn Observer) -> bool {
        let Some(Reverse((at, sequence, what))) = self.heap.pop() else { return false };
        self.now = at;
        match what {
            What::Line(line) => self.line_due(line, sequence, observer),
            What::Node(node) => self.node_due(node, observer),
        }
        true
    }

    fn schedule(&mut self, at: Instant, sequence: u64, what: What) {
        self.heap.push(Reverse((at, sequence, what)));
    }

    /// Two numbers: a frame may come twice.
    fn next_sequence(&mut self) -> u64 {
        self.sequence += 2;
        self.sequence
    }

    /// The first frame of a line arrives, if it is still the one that was meant.
    fn line_due(&mut self, number: u32, sequence: u64, observer: &mut dyn Observer) {
        let Some(state) = self.lines.get_mut(number as usize) else { return };
        if state.line.next() != Some((self.now, sequence)) {
            return;
        }
        let Some(flight) = state.line.pop() else { return };
        let (link, end) = (state.link, state.end);
        if let Some((due, sequence)) = state.line.next() {
            self.schedule(due, sequence, What::Line(number));
        }
        self.statistics.steps += 1;
        self.digest.number(self.now.as_nanos());
        self.digest.number(u64::from(number));
        self.digest.octets(&flight.frame);
        self.cause = self.captures.then_some((link, flight.tag));
        let mut last = None;
        for to in 0..self.links[link as usize].ends.len() as u32 {
            if to != end
                && let Some(before) = last.replace(to)
            {
                self.arrive(link, before, flight.frame.clone(), observer);
            }
        }
        if let Some(to) = last {
            self.arrive(link, to, flight.frame, observer);
        }
        self.cause = None;
    }

    /// A frame comes out at an end of a link.
    fn arrive(&mut self, link: u32, end: u32, frame: Frame, observer: &mut dyn Observer) {
        let end = &self.links[link as usize].ends[end as usize];
        let (node, true, Some(port)) = (end.node, end.up, end.port) else {
            self.statistics.unheard += 1;
            return;
        };
        self.statistics.hops += 1;
        self.tell(node, NodeInput::Frame { port, frame }, observer);
    }

    /// A node is woken, if that was not for earlier.
    fn node_due(&mut self, number: u32, observer: &mut dyn Observer) {
        let Some(state) = self.nodes.get_mut(number as usize) else { return };
        if state.wake != Some(self.now) {
            return;
        }
        state.wake = None;
        let Some(node) = &mut state.node else { return };
        if node.poll_timeout().is_some_and(|due| due <= self.now) {
            self.statistics.steps += 1;
            node.handle_timeout(self.now, &mut self.out);
            self.carry(number, observer);
        }
        self.rearm(number);
    }

    /// Tells a node something and carries out what it wants.
    fn tell(&mut self, number: u32, input: NodeInput<'_>, observer: &mut dyn Observer) {
        let Some(node) = &mut self.nodes[number as usize].node else { return };
        node.handle(self.now, input, &mut self.out);
        self.carry(number, observer);
        self.rearm(number);
    }

    /// Sees to it that a node is woken in time.
    #[inline]
    fn rearm(&mut self, number: u32) {
        let state = &mut self.nodes[number as usize];
        let Some(due) = state.node.as_ref().and_then(trunkline_node::Node::poll_timeout) else { return };
        let due = state.patient(due, self.now);
        if state.wake.is_none_or(|wake| due < wake) {
            state.wake = Some(due);
            let sequence = self.next_sequence();
            self.schedule(due, sequence, What::Node(number));
        }
    }

    /// Carries out what a node wants.
    fn carry(&mut self, number: u32, observer: &mut dyn Observer) {
        while let Some(output) = self.out.pop() {
            match output {
                NodeOutput::Frame { port, frame } => self.transmit(number, port, frame, observer),
                NodeOutput::Event(event) => self.event(number, &event, observer),
                NodeOutput::Answer { id, answer } => match &mut self.asking {
                    Some((asked, place)) if *asked == id => *place = Some(answer),
                    _ => {
                        let name = &self.nodes[number as usize].config.name;
                        observer.answer(self.now, name, id, answer);
                    }
                },
                NodeOutput::Tcp(action) => self.refuse_tcp(number, action),
                // There is no kernel.
                NodeOutput::Gather(_)
                | NodeOutput::Watch(_)
                | NodeOutput::Fib(_)
                | NodeOutput::KernelBridge(_)
                | NodeOutput::Rip(_) => {}
            }
        }
    }

    fn event(&mut self, number: u32, event: &EventKind, observer: &mut dyn Observer) {
        self.statistics.events += 1;
        let name = &self.nodes[number as usize].config.name;
        if crate::words::is_always_told(event) {
            self.digest.number(self.now.as_nanos());
            self.digest.octets(name.as_bytes());
            self.digest.octets(crate::words::event(event).as_bytes());
        }
        if let Some((link, record)) = self.cause
            && let Some(capture) = &mut self.links[link as usize].capture
            && crate::words::is_change(event)
        {
            capture.comment(record, &format!("{name}: {}", crate::words::event(event)));
        }
        observer.event(self.now, name, event);
    }

    /// A node sends a frame by a port.
    #[inline]
    fn transmit(&mut self, node: u32, port: PortId, frame: Frame, observer: &mut dyn Observer) {
        let Some((link, end)) = self.nodes[node as usize].jack(port) else {
            self.statistics.no_carrier += 1;
            return;
        };
        self.send(link, end, frame, observer);
    }

    /// A frame goes into an end of a link.
    fn send(&mut self, link: u32, end: u32, frame: Frame, observer: &mut dyn Observer) {
        let sequence = self.next_sequence();
        let state = &mut self.links[link as usize];
        if !state.ends[end as usize].up {
            self.statistics.no_carrier += 1;
            return;
        }
        let seen = (self.watches_frames || state.capture.is_some()).then(|| frame.clone());
        let tag = state.capture.as_ref().map_or(0, Capture::next_record);
        let number = state.first_line + end;
        let line = &mut self.lines[number as usize].line;
        let before = line.next();
        let fate = line.push_tagged(self.now, frame, sequence, tag);
        let next = line.next();
        if let Some((due, sequence)) = next
            && next != before
        {
            self.heap.push(Reverse((due, sequence, What::Line(number))));
        }
        let Some(frame) = seen else { return };
        if let (Some(fate), Some(capture)) = (fate, &mut state.capture) {
            capture.record(fate.at, end, frame.clone(), fate.words());
        }
        if self.watches_frames {
            let end = &state.ends[end as usize];
            observer.frame(&Sight {
                at: self.now,
                link: LinkIndex(link),
                link_name: &state.config.name,
                node: &self.nodes[end.node as usize].config.name,
                interface: &end.interface,
                frame: &frame,
                fate,
            });
        }
    }
}

fn new_capture(nodes: &[NodeState], ends: &[EndState]) -> Capture {
    Capture::new(ends.iter().map(|end| format!("{}.{}", nodes[end.node as usize].config.name, end.interface)))
}

impl fmt::Debug for Lab {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Lab({} nodes, {} links, at {:?})", self.nodes.len(), self.links.len(), self.now)
    }
}

#[cfg(test)]
mod tests;
