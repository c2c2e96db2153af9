//! Bridges on links in virtual time, for tests of either protocol: frames arrive after a fixed delay, links and bridges
//! fail, and after every change of a port's state it is checked that what forwards has no cycle.

use std::collections::BTreeMap;
use trunkline_core::{Duration, Instant, MacAddr, Outbox, PortId};
use trunkline_stp::{
    BridgeId, Config, Event, Input, Output, PortConfig, PortRole, PortState, PortStatus, Protocol,
    SpanningTree,
};
use trunkline_wire::stp::Message;

pub(crate) mod truth;

/// How long a frame is under way.
pub(crate) const DELAY: Duration = Duration::from_millis(1);

/// A port of a bridge.
pub(crate) type End = (usize, PortId);

/// Something that was seen.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) at: Instant,
    pub(crate) bridge: usize,
    pub(crate) what: What,
}

/// How a port differs from the defaults.
pub(crate) type Change<'a> = &'a dyn Fn(&mut PortConfig);

/// What was seen.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum What {
    /// A bridge sent.
    Sent(PortId, Message),
    /// All else that a bridge put out.
    Out(Output),
}

/// A bridge.
pub(crate) struct Node {
    pub(crate) tree: SpanningTree,
    pub(crate) alive: bool,
    pub(crate) states: BTreeMap<PortId, PortState>,
    pub(crate) ageing: Option<Duration>,
    /// LAN and configuration of each port.
    pub(crate) ports: BTreeMap<PortId, (usize, PortConfig)>,
    due: Option<Instant>,
}

/// A link or a shared LAN.
pub(crate) struct Lan {
    pub(crate) ends: Vec<End>,
    /// Down: its ends know. Mute: they do not.
    pub(crate) up: bool,
    pub(crate) mute: bool,
}

type Drops = Box<dyn Fn(End, &Message) -> bool>;

/// The network.
pub(crate) struct Rig {
    pub(crate) now: Instant,
    pub(crate) bridges: Vec<Node>,
    pub(crate) lans: Vec<Lan>,
    pub(crate) seen: Vec<Seen>,
    /// When a cycle forwarded.
    pub(crate) loops: Vec<Instant>,
    /// Which frames are lost, by who sends them.
    pub(crate) drops: Option<Drops>,
    flying: BTreeMap<(Instant, u64), (usize, End, Vec<u8>)>,
    count: u64,
}

/// The address of the n-th bridge.
pub(crate) fn address(n: usize) -> MacAddr {
    MacAddr([2, 0, 0, 0, (n >> 8) as u8, n as u8])
}

/// Seconds.
pub(crate) fn secs(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

impl Rig {
    pub(crate) fn new() -> Rig {
        Rig {
            now: Instant::ZERO,
            bridges: Vec::new(),
            lans: Vec::new(),
            seen: Vec::new(),
            loops: Vec::new(),
            drops: None,
            flying: BTreeMap::new(),
            count: 0,
        }
    }

    /// A bridge with what the closure sets; its address is of its number, from 1.
    pub(crate) fn bridge(&mut self, protocol: Protocol, change: impl FnOnce(&mut Config)) -> usize {
        let mut config = Config::new(protocol, address(self.bridges.len() + 1));
        change(&mut config);
        let tree = SpanningTree::new(config);
        let states = BTreeMap::new();
        self.bridges.push(Node {
            tree,
            alive: true,
            states,
            ageing: None,
            ports: BTreeMap::new(),
            due: None,
        });
        self.bridges.len() - 1
    }

    /// A LAN of ports, down at first. Port numbers count from 1 at each bridge.
    pub(crate) fn lan(&mut self, ends: &[(usize, Change<'_>)]) -> usize {
        let lan = self.lans.len();
        self.lans.push(Lan { ends: Vec::new(), up: false, mute: false });
        for (bridge, change) in ends {
            let number = self.bridges[*bridge].ports.len() as u16 + 1;
            let mut config = PortConfig::new(number);
            change(&mut config);
            let port = PortId(u32::from(number) - 1);
            self.bridges[*bridge].ports.insert(port, (lan, config));
            self.lans[lan].ends.push((*bridge, port));
            self.input(*bridge, Input::Port { port, config });
        }
        lan
    }

    /// A link between two bridges.
    pub(crate) fn link(&mut self, a: usize, b: usize) -> usize {
        self.lan(&[(a, &|_| {}), (b, &|_| {})])
    }

    /// The port of a bridge on a LAN; the first where there are more.
    pub(crate) fn port(&self, bridge: usize, lan: usize) -> PortId {
        let end = self.lans[lan].ends.iter().find(|(b, _)| *b == bridge);
        end.expect("the bridge is on the LAN").1
    }

    pub(crate) fn status(&mut self, (bridge, port): End, up: bool) {
        let full = self.lans[self.bridges[bridge].ports[&port].0].ends.len() <= 2;
        let address = address(0x100 * (bridge + 1) + port.index());
        let status = PortStatus { up, address, speed: Some(1000), full_duplex: Some(full) };
        self.input(bridge, Input::Status { port, status });
    }

    /// A LAN goes up or down, and all of its ends know.
    pub(crate) fn set_lan(&mut self, lan: usize, up: bool) {
        self.lans[lan].up = up;
        self.flying.retain(|_, (on, ..)| *on != lan);
        for end in self.lans[lan].ends.clone() {
            self.status(end, up && self.bridges[end.0].alive);
        }
    }

    /// All LANs up.
    pub(crate) fn start(&mut self) {
        (0..self.lans.len()).for_each(|lan| self.set_lan(lan, true));
    }

    /// A bridge dies; those on its links with two ends see that.
    pub(crate) fn kill(&mut self, bridge: usize) {
        self.bridges[bridge].alive = false;
        self.bridges[bridge].states.clear();
        for lan in 0..self.lans.len() {
            let ends = &self.lans[lan].ends;
            if ends.len() == 2 && ends.iter().any(|(b, _)| *b == bridge) {
                self.set_lan(lan, false);
            }
        }
    }

    pub(crate) fn input(&mut self, bridge: usize, input: Input<'_>) {
        if self.bridges[bridge].alive {
            let mut out = Outbox::new();
            self.bridges[bridge].tree.handle(self.now, input, &mut out);
            self.carry(bridge, out);
        }
    }

    fn carry(&mut self, bridge: usize, mut out: Outbox<Output>) {
        let at = self.now;
        while let Some(output) = out.pop() {
            let what = match output {
                Output::Frame { port, frame } => {
                    let message = Message::parse(&frame).expect("valid").expect("of spanning tree");
                    let lan = self.bridges[bridge].ports[&port].0;
                    let drops = |drops: &Drops| drops((bridge, port), &message);
                    let lost = self.drops.as_ref().is_some_and(drops);
                    if self.lans[lan].up && !self.lans[lan].mute && !lost {
                        self.count += 1;
                        self.flying.insert((at + DELAY, self.count), (lan, (bridge, port), frame));
                    }
                    What::Sent(port, message)
                }
                other => What::Out(other),
            };
            match &what {
                What::Out(Output::State { port, state }) => {
                    self.bridges[bridge].states.insert(*port, *state);
                    if *state == PortState::Forwarding && self.has_loop() {
                        self.loops.push(at);
                    }
                }
                What::Out(Output::AgeingTime(time)) => self.bridges[bridge].ageing = *time,
                _ => {}
            }
            self.seen.push(Seen { at, bridge, what });
        }
        self.bridges[bridge].due = self.bridges[bridge].tree.poll_timeout();
    }

    /// Whether frames could go round: a cycle of bridges and LANs by ports that forward.
    pub(crate) fn has_loop(&self) -> bool {
        let mut parent: Vec<usize> = (0..self.bridges.len() + self.lans.len()).collect();
        fn find(parent: &mut [usize], mut x: usize) -> usize {
            while parent[x] != x {
                parent[x] = parent[parent[x]];
                x = parent[x];
            }
            x
        }
        for (n, bridge) in self.bridges.iter().enumerate().filter(|(_, bridge)| bridge.alive) {
            for port in bridge.states.iter().filter(|(_, s)| **s == PortState::Forwarding).map(|(p, _)| p) {
                let lan = bridge.ports[port].0;
                if !self.lans[lan].up {
                    continue;
                }
                let (a, b) = (find(&mut parent, n), find(&mut parent, self.bridges.len() + lan));
                if a == b {
                    return true;
                }
                parent[a] = b;
            }
        }
        false
    }

    /// Lets time pass.
    pub(crate) fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.next().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            if let Some((&key, _)) = self.flying.first_key_value()
                && key.0 <= self.now
            {
                let (lan, from, frame) = self.flying.remove(&key).expect("it is there");
                for (bridge, port) in self.lans[lan].ends.clone() {
                    if (bridge, port) != from {
                        self.input(bridge, Input::Frame { port, frame: &frame });
                    }
                }
                continue;
            }
            for bridge in 0..self.bridges.len() {
                let node = &mut self.bridges[bridge];
                if node.alive && node.due.is_some_and(|at| at <= self.now) {
                    let mut out = Outbox::new();
                    node.tree.handle_timeout(self.now, &mut out);
                    self.carry(bridge, out);
                }
            }
        }
        self.now = end;
    }

    fn next(&self) -> Option<Instant> {
        let frames = self.flying.keys().next().map(|(at, _)| *at);
        let timers = self.bridges.iter().filter(|node| node.alive).filter_map(|node| node.due);
        timers.chain(frames).min()
    }

    pub(crate) fn role(&self, bridge: usize, port: PortId) -> PortRole {
        self.bridges[bridge].tree.port(self.now, port).expect("there is such a port").0
    }

    pub(crate) fn state(&self, bridge: usize, port: PortId) -> PortState {
        self.bridges[bridge].tree.port(self.now, port).expect("there is such a port").1
    }

    pub(crate) fn id(&self, bridge: usize) -> BridgeId {
        self.bridges[bridge].tree.config().bridge_id()
    }

    /// Messages that a bridge sent by a port since then.
    pub(crate) fn sent(&self, (bridge, port): End, since: Instant) -> Vec<(Instant, Message)> {
        let of = |seen: &Seen| match seen.what {
            What::Sent(by, message) if seen.bridge == bridge && by == port && seen.at >= since => {
                Some((seen.at, message))
            }
            _ => None,
        };
        self.seen.iter().filter_map(of).collect()
    }

    /// Events of a bridge since then.
    pub(crate) fn events(&self, bridge: usize, since: Instant) -> Vec<(Instant, Event)> {
        let of = |seen: &Seen| match seen.what {
            What::Out(Output::Event(event)) if seen.bridge == bridge && seen.at >= since => {
                Some((seen.at, event))
            }
            _ => None,
        };
        self.seen.iter().filter_map(of).collect()
    }

    /// When a port got a state, since then.
    pub(crate) fn when(&self, (bridge, port): End, state: PortState, since: Instant) -> Option<Instant> {
        let wanted = What::Out(Output::State { port, state });
        self.seen.iter().find(|s| s.bridge == bridge && s.at >= since && s.what == wanted).map(|s| s.at)
    }

    /// A counter of a port as people see it.
    pub(crate) fn counter(&self, (bridge, port): End, name: &str) -> u64 {
        let view = self.bridges[bridge].tree.view(self.now, "b", "lab", &|id| format!("p{}", id.0));
        let port =
            view.ports.iter().find(|p| p.name == format!("p{}", port.0)).expect("there is such a port");
        port.counters
            .iter()
            .find(|(n, _)| *n == name)
            .map(|(_, value)| *value)
            .expect("there is such a counter")
    }
}
