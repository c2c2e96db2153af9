//! Cables and hubs in memory, with a virtual clock: the least that lets nodes talk.

use crate::config::NodeConfig;
use crate::{Node, NodeInput, NodeOutput, Reconfigured};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use trunkline_core::{Duration, Frame, Instant, MacAddr, Outbox, PortId};
use trunkline_view::{Answer, EventKind, Query};

/// How long a frame is under way.
const DELAY: Duration = Duration::from_micros(50);

/// A frame on its way, in the order of arrival.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Arrival(Instant, u64, usize, u32, Octets);

#[derive(PartialEq, Eq)]
struct Octets(Frame);

impl PartialOrd for Octets {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Octets {
    fn cmp(&self, _: &Self) -> std::cmp::Ordering {
        std::cmp::Ordering::Equal
    }
}

struct Link {
    ends: Vec<(usize, PortId)>,
    up: bool,
}

/// Nodes and what is between them.
pub(super) struct Net {
    pub(super) now: Instant,
    pub(super) nodes: Vec<Node>,
    links: Vec<Link>,
    arrivals: BinaryHeap<Reverse<Arrival>>,
    sequence: u64,
    answers: BTreeMap<u64, Answer>,
    queries: u64,
    pub(super) events: Vec<(usize, EventKind)>,
    /// All that was sent: by whom, by which port, what.
    pub(super) frames: Vec<(Instant, usize, PortId, Frame)>,
    /// Every so many frames one is lost; 0: none.
    pub(super) lose_every: u64,
    /// Whether frames may be shorter than Ethernet has them, because such came in.
    pub(super) short_frames: bool,
}

impl Net {
    /// Nodes that run, with links between them: each a list of ends like "r1.eth0".
    pub(super) fn new(configs: Vec<NodeConfig>, links: &[&[&str]]) -> Net {
        let mut net = Net {
            now: Instant::ZERO,
            nodes: Vec::new(),
            links: Vec::new(),
            arrivals: BinaryHeap::new(),
            sequence: 0,
            answers: BTreeMap::new(),
            queries: 0,
            events: Vec::new(),
            frames: Vec::new(),
            lose_every: 0,
            short_frames: false,
        };
        for (number, config) in configs.into_iter().enumerate() {
            let mut node = Node::new(config, Vec::new(), number as u64 + 1, "test").unwrap();
            node.watch_stack(true);
            net.nodes.push(node);
            net.with(number, |node, now, out| node.start(now, out));
        }
        for ends in links {
            net.link(ends);
        }
        net
    }

    /// Lays another cable.
    pub(super) fn link(&mut self, ends: &[&str]) {
        let ends: Vec<(usize, PortId)> = ends.iter().map(|end| self.end(end)).collect();
        self.links.push(Link { ends, up: false });
        self.carrier(self.links.len() - 1, true);
    }

    /// The number of a node.
    pub(super) fn node(&self, name: &str) -> usize {
        self.nodes.iter().position(|node| node.config().name == name).unwrap()
    }

    fn end(&self, text: &str) -> (usize, PortId) {
        let (node, interface) = text.split_once('.').unwrap();
        let node = self.node(node);
        let port = self.nodes[node].config().owned_ports().position(|port| port.name == interface);
        (node, PortId(u32::try_from(port.unwrap()).unwrap()))
    }

    /// Cuts or restores a link.
    pub(super) fn carrier(&mut self, link: usize, up: bool) {
        self.links[link].up = up;
        let full_duplex = Some(self.links[link].ends.len() == 2);
        for (node, port) in self.links[link].ends.clone() {
            let mac = mac(node, port);
            let input = NodeInput::Port { port, up, mac, mtu: 1500, speed: Some(1000), full_duplex };
            self.with(node, |node, now, out| node.handle(now, input, out));
        }
    }

    /// Does something with a node and carries out what it wants.
    pub(super) fn with<T>(
        &mut self,
        number: usize,
        act: impl FnOnce(&mut Node, Instant, &mut Outbox<NodeOutput>) -> T,
    ) -> T {
        let mut out = Outbox::new();
        let result = act(&mut self.nodes[number], self.now, &mut out);
        for output in out.drain() {
            match output {
                NodeOutput::Frame { port, frame } => self.sent(number, port, frame),
                NodeOutput::Event(event) => self.events.push((number, event)),
                NodeOutput::Answer { id, answer } => drop(self.answers.insert(id, answer)),
                NodeOutput::Tcp(_) | NodeOutput::Gather(_) | NodeOutput::Watch(_) => {}
                NodeOutput::Rip(action) => panic!("there is no kernel: {action:?}"),
                NodeOutput::Fib(change) => panic!("there is no kernel: {change:?}"),
                NodeOutput::KernelBridge(order) => panic!("there is no kernel: {order:?}"),
            }
        }
        result
    }

    fn sent(&mut self, node: usize, port: PortId, frame: Frame) {
        assert!(frame.len() >= 60 || self.short_frames, "a short frame of {} octets", frame.len());
        self.frames.push((self.now, node, port, frame.clone()));
        let from = (node, port);
        let lost = self.lose_every > 0 && (self.frames.len() as u64).is_multiple_of(self.lose_every);
        let Some(link) = self.links.iter().find(|link| link.up && !lost && link.ends.contains(&from)) else {
            return;
        };
        for &(node, port) in link.ends.iter().filter(|end| **end != from) {
            self.sequence += 1;
            let arrival = Arrival(self.now + DELAY, self.sequence, node, port.0, Octets(frame.clone()));
            self.arrivals.push(Reverse(arrival));
        }
    }

    /// The next thing that happens, if any does until then.
    fn step(&mut self, until: Instant) -> bool {
        let timers = self.nodes.iter().enumerate();
        let timer =
            timers.filter_map(|(number, node)| Some((node.poll_timeout()?.max(self.now), number))).min();
        let arrival = self.arrivals.peek().map(|Reverse(arrival)| arrival.0);
        match (arrival, timer) {
            (Some(at), timer) if at <= until && timer.is_none_or(|(due, _)| at <= due) => {
                let Some(Reverse(Arrival(at, _, node, port, Octets(frame)))) = self.arrivals.pop() else {
                    return false;
                };
                self.now = at;
                let input = NodeInput::Frame { port: PortId(port), frame };
                self.with(node, |node, now, out| node.handle(now, input, out));
            }
            (_, Some((due, number))) if due <= until => {
                self.now = due;
                self.with(number, |node, now, out| node.handle_timeout(now, out));
            }
            _ => return false,
        }
        true
    }

    /// Lets so many seconds go by.
    pub(super) fn run(&mut self, seconds: f64) {
        let until = self.now + Duration::from_secs_f64(seconds);
        while self.step(until) {}
        self.now = until;
    }

    /// Asks, and lets time go by until there is an answer.
    pub(super) fn ask(&mut self, name: &str, query: Query) -> Answer {
        let id = self.order(name, query);
        self.answer(id)
    }

    /// Lets time go by until there is an answer to an order.
    pub(super) fn answer(&mut self, id: u64) -> Answer {
        let until = self.now + Duration::from_secs(600);
        loop {
            if let Some(answer) = self.answers.remove(&id) {
                return answer;
            }
            assert!(self.step(until), "no answer");
        }
    }

    /// Asks; the answer may come later.
    pub(super) fn order(&mut self, name: &str, query: Query) -> u64 {
        self.queries += 1;
        let id = self.queries;
        let number = self.node(name);
        self.with(number, |node, now, out| node.handle(now, NodeInput::Query { id, query }, out));
        id
    }

    /// Changes a node's configuration.
    pub(super) fn set(&mut self, name: &str, change: impl FnOnce(&mut NodeConfig)) -> Reconfigured {
        let number = self.node(name);
        let mut config = self.nodes[number].config().clone();
        change(&mut config);
        self.with(number, |node, now, out| node.reconfigure(now, config, out))
    }

    /// The events of a node that are told in words, so far.
    pub(super) fn words(&self, name: &str) -> Vec<String> {
        let number = self.node(name);
        let of_it = self.events.iter().filter(|(node, _)| *node == number);
        let words = |event: &EventKind| match event {
            EventKind::Arp { message, .. } | EventKind::Ip { message } => Some(message.clone()),
            EventKind::Tcp { from, to, .. } => Some(format!("{from} -> {to}")),
            EventKind::Socket { name, message } => Some(format!("{name}: {message}")),
            _ => None,
        };
        of_it.filter_map(|(_, event)| words(event)).collect()
    }
}

/// The MAC address of a port.
pub(super) fn mac(node: usize, port: PortId) -> MacAddr {
    MacAddr([2, 0, 0, 0, node as u8, port.0 as u8])
}
