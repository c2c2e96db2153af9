//! The node itself: its protocols, its routing, and what passes between them and the outside.

use crate::config::NodeConfig;
use crate::explain::Explaining;
use crate::kernel_bridges::KernelBridges;
use crate::redistribution::Redistribution;
use crate::rip::{RipState, WallClock};
use crate::routing::{Routing, Told};
use crate::stack::{LinkState, Stack};
use crate::{InterfaceChange, NodeInput, NodeOutput, StartError};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use trunkline_bgp::transport::TcpKey;
use trunkline_bgp::{Bgp, Input, Output};
use trunkline_core::{ConnId, Duration, Instant, Outbox, Prefix, Rng, earliest};
use trunkline_view::EventKind;

/// How long a speaker that was configured away is kept, so that its last NOTIFICATIONs can be pulled.
const RETIRED_FOR: Duration = Duration::from_secs(10);

/// A router.
pub struct Node {
    pub(crate) config: NodeConfig,
    pub(crate) version: String,
    pub(crate) router_id: Ipv4Addr,
    pub(crate) pid: u32,
    pub(crate) config_files: Vec<String>,
    pub(crate) routing: Routing,
    /// Where the node has ports of its own.
    pub(crate) stack: Option<Box<Stack>>,
    /// Bridges of the kernel whose spanning tree the node is.
    pub(crate) kernel_bridges: KernelBridges,
    /// Whether there is a kernel with interfaces that are not ours.
    pub(crate) has_kernel: bool,
    pub(crate) bgp: Option<Bgp>,
    pub(crate) bgp_out: Outbox<Output>,
    pub(crate) explaining: Explaining,
    /// A speaker that is no longer configured, and until when it is kept.
    retired: Option<(Bgp, Instant)>,
    pub(crate) rip: Option<Box<RipState>>,
    pub(crate) wall_clock: WallClock,
    /// The last sequence number of a RIP that is no more: another one never goes back.
    pub(crate) rip_sequence: u32,
    pub(crate) redistribution: Redistribution,
    /// Keys of BGP's peers, for a stack to come.
    pub(crate) listener_keys: BTreeMap<Prefix, TcpKey>,
    pub(crate) rng: Rng,
    pub(crate) watched: bool,
    pub(crate) stack_watched: bool,
    pub(crate) started: Option<Instant>,
    pub(crate) stopped: bool,
}

impl Node {
    /// A node that has not begun to speak. `interfaces` are those that are there now.
    pub fn new(
        config: NodeConfig,
        interfaces: Vec<InterfaceChange>,
        seed: u64,
        version: &str,
    ) -> Result<Node, StartError> {
        let mut rng = Rng::new(seed);
        let mut routing = Routing::new(rng.next_u64());
        let has_kernel = !interfaces.is_empty();
        for change in interfaces {
            routing.interface(change);
        }
        let mut stack = Stack::is_wanted(&config).then(|| Box::new(Stack::new(&config, rng.fork())));
        for change in stack.iter_mut().flat_map(|stack| stack.first_interfaces()) {
            routing.interface(change);
        }
        routing.told = Outbox::new(); // how it was from the start is no event
        let router_id = match config
            .router_id
            .or_else(|| routing.interfaces.choose_router_id())
            .or_else(|| config.highest_address())
        {
            Some(router_id) => router_id,
            None if config.bgp.is_some() => return Err(StartError::NoRouterId),
            None => Ipv4Addr::UNSPECIFIED, // nobody asks for it
        };
        routing.set_statics(&config.all_static_routes());
        let mut node = Node {
            kernel_bridges: KernelBridges::new(&config),
            config,
            version: version.to_owned(),
            router_id,
            pid: 0,
            config_files: Vec::new(),
            routing,
            stack,
            has_kernel,
            bgp: None,
            bgp_out: Outbox::new(),
            explaining: Explaining::default(),
            retired: None,
            rip: None,
            wall_clock: WallClock::default(),
            rip_sequence: 0,
            redistribution: Redistribution::default(),
            listener_keys: BTreeMap::new(),
            rng,
            watched: false,
            stack_watched: false,
            started: None,
            stopped: false,
        };
        node.create_bgp();
        Ok(node)
    }

    /// What [`trunkline_view::NodeView`] says of the process: its id and the files it was configured from.
    pub fn set_process_info(&mut self, pid: u32, config_files: Vec<String>) {
        (self.pid, self.config_files) = (pid, config_files);
    }

    /// Starts the protocols; call once, after the first interfaces and kernel routes were fed in.
    pub fn start(&mut self, now: Instant, out: &mut Outbox<NodeOutput>) {
        if self.started.is_some() || self.stopped {
            return;
        }
        self.pump(now, out);
        self.started = Some(now);
        self.set_install(self.installs());
        self.start_rip(now, out);
        self.start_bgp(now, out);
        self.set_redistribution(now, out);
        self.pump(now, out);
    }

    /// Feeds something in.
    pub fn handle(&mut self, now: Instant, input: NodeInput<'_>, out: &mut Outbox<NodeOutput>) {
        match input {
            NodeInput::Frame { port, frame } => {
                let Some(stack) = &mut self.stack else { return };
                stack.frame(now, port, frame, out);
                if stack.is_quiet() {
                    return;
                }
            }
            NodeInput::Frames { port, frames } => {
                let Some(stack) = &mut self.stack else { return };
                stack.frames(now, port, frames, out);
                if stack.is_quiet() {
                    return;
                }
            }
            NodeInput::Port { port, up, mac, mtu, speed, full_duplex } => {
                if let Some(stack) = &mut self.stack {
                    stack.port(now, port, LinkState { up, mac, mtu, speed, full_duplex }, out);
                }
            }
            NodeInput::Rip { interface, source, source_port, octets } => {
                self.rip_datagram(now, interface, (source, source_port), octets, out);
            }
            NodeInput::WallClock { since_epoch } => self.set_wall_clock(now, since_epoch, out),
            NodeInput::KernelBridge(input) => self.kernel_bridges.handle(now, input, out),
            NodeInput::Tcp { conn, event } => self.tell_bgp(now, Input::Tcp { conn, event }),
            NodeInput::Interface(change) => {
                self.has_kernel = true;
                self.routing.interface(change);
            }
            NodeInput::KernelRoute { prefix, route } => self.routing.kernel_route(prefix, route),
            NodeInput::Query { id, query } => {
                if let Some(answer) = self.query(now, id, query, out) {
                    out.push(NodeOutput::Answer { id, answer });
                }
            }
            NodeInput::FibRefused { prefix, why, reason } => {
                if self.routing.fib_refused(prefix, why, &reason) {
                    let message = format!("the kernel refused the route to {prefix}: {reason}");
                    out.push(NodeOutput::Event(EventKind::Fib { prefix: Some(prefix), message }));
                }
            }
            NodeInput::Gathered { wanted, found } => self.gathered(now, &wanted, *found, out),
            NodeInput::FibFreed { prefix } => self.routing.fib_freed(prefix),
            NodeInput::FibRemoved { prefix } => {
                if self.routing.fib_removed(prefix) {
                    let message = format!("another program removed our route to {prefix}: putting it back");
                    out.push(NodeOutput::Event(EventKind::Fib { prefix: Some(prefix), message }));
                }
            }
            NodeInput::FibPresent { prefixes } => self.routing.fib_present(prefixes),
        }
        self.pump(now, out);
    }

    /// When [`Node::handle_timeout`] wants to be called; may be in the past, which means now.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.started?;
        let stack = self.stack.as_ref().and_then(|stack| stack.poll_timeout());
        if self.stopped {
            return stack;
        }
        let background = self.routing.has_background().then_some(Instant::ZERO);
        let bgp = self.bgp.as_ref().and_then(Bgp::poll_timeout);
        let rip = self.rip.as_ref().and_then(|rip| rip.poll_timeout());
        let bridges = self.kernel_bridges.poll_timeout();
        let explaining = self.explaining.poll_timeout();
        earliest([
            background,
            bgp,
            rip,
            stack,
            bridges,
            explaining,
            self.retired.as_ref().map(|(_, until)| *until),
        ])
    }

    /// Does all that is due, and a bounded slice of background work.
    pub fn handle_timeout(&mut self, now: Instant, out: &mut Outbox<NodeOutput>) {
        if self.started.is_none() {
            return;
        }
        if let Some(bgp) = self.bgp.as_mut().filter(|_| !self.stopped) {
            bgp.handle_timeout(now, &mut self.bgp_out);
        }
        if let Some(stack) = &mut self.stack {
            stack.handle_timeout(now, out);
        }
        self.pump(now, out);
        if self.stopped {
            return;
        }
        self.rip_timeout(now, out);
        self.kernel_bridges.handle_timeout(now, out);
        self.explain_timeout(now, out);
        self.routing.background();
        if self.retired.as_ref().is_some_and(|(_, until)| *until <= now) {
            self.retired = None;
        }
        self.pump(now, out);
    }

    /// Appends octets for `conn` to `buf`, at most about `limit` (whole messages: the last may go beyond); returns
    /// whether there may be more.
    pub fn poll_transmit(&mut self, now: Instant, conn: ConnId, limit: usize, buf: &mut Vec<u8>) -> bool {
        if let Some((retired, _)) = &mut self.retired {
            let before = buf.len();
            if retired.poll_transmit(now, conn, limit, buf) || buf.len() > before {
                return true;
            }
        }
        self.bgp.as_mut().is_some_and(|bgp| bgp.poll_transmit(now, conn, limit, buf))
    }

    /// Ends all sessions with Cease (6/2 Administrative Shutdown, "shutting down") and removes all routes from the
    /// FIB. The driver then carries out what is in `out`, and feeds the node until [`Node::is_drained`] or it has waited
    /// long enough.
    pub fn shutdown(&mut self, now: Instant, out: &mut Outbox<NodeOutput>) {
        if self.stopped {
            return;
        }
        self.stopped = true;
        // First, so that what is withdrawn now finds nothing to do.
        self.routing.shutdown();
        self.stop_rip(now, out);
        if let Some(bgp) = &mut self.bgp
            && self.started.is_some()
        {
            bgp.shutdown(now, &mut self.bgp_out);
        }
        if let Some(stack) = &mut self.stack {
            stack.shutdown(now, out);
        }
        self.pump(now, out);
    }

    /// Whether our own TCP has brought across all that BGP said, and the peers have closed.
    pub fn is_drained(&self) -> bool {
        self.stack.as_ref().is_none_or(|stack| stack.sockets.is_drained())
    }

    /// The configuration in force.
    pub fn config(&self) -> &NodeConfig {
        &self.config
    }

    /// The router id in force, as configured or as chosen.
    pub fn router_id(&self) -> Ipv4Addr {
        self.router_id
    }

    /// BGP's configuration with what the node fills in.
    pub(crate) fn bgp_config(&self) -> Option<trunkline_bgp::config::Config> {
        let mut config = self.config.bgp.clone()?;
        config.router_id = self.router_id;
        Some(config)
    }

    /// Makes the speaker that the configuration wants.
    pub(crate) fn create_bgp(&mut self) {
        let Some(config) = self.bgp_config() else { return };
        self.routing.set_networks(&config.networks, false);
        let mut bgp = Bgp::new(config, self.rng.fork());
        bgp.report_routes(self.routing.fib.installs() || self.redistribution.is_on());
        bgp.watch_routes(self.watched);
        self.bgp = Some(bgp);
    }

    /// Tells the speaker what it has to know, and starts it.
    pub(crate) fn start_bgp(&mut self, now: Instant, out: &mut Outbox<NodeOutput>) {
        self.routing.tell_all();
        self.pump(now, out);
        if let Some(bgp) = &mut self.bgp {
            bgp.start(now, &mut self.bgp_out);
            self.explaining.begin(now);
        }
        self.pump(now, out);
    }

    /// Ends the speaker, which is no longer configured.
    pub(crate) fn retire_bgp(&mut self, now: Instant, out: &mut Outbox<NodeOutput>) {
        let Some(mut bgp) = self.bgp.take() else { return };
        self.routing.forget_bgp();
        self.redistribution.forget_bgp();
        if self.started.is_some() {
            bgp.shutdown(now, &mut self.bgp_out);
            // First, since our own TCP pulls the last words as soon as it hears of the end.
            self.retired = Some((bgp, now + RETIRED_FOR));
            self.pump(now, out);
            self.routing.forget_bgp(); // whatever it said while it ended
        }
    }

    /// Whether routes go to the kernel from now on. BGP reports its routes only then, and when that begins, all.
    pub(crate) fn set_install(&mut self, install: bool) {
        let begins = install && !self.routing.fib.installs();
        self.routing.set_install(install);
        let report = install || self.redistribution.is_on();
        if let Some(bgp) = &mut self.bgp {
            bgp.report_routes(report);
            if begins {
                bgp.report_again();
            }
        }
    }

    /// Whether someone watches: then changes of best routes are told as events.
    pub fn watch_routes(&mut self, on: bool) {
        self.watched = on;
        if let Some(bgp) = &mut self.bgp {
            bgp.watch_routes(on);
        }
        if let Some(rip) = &mut self.rip {
            rip.watch(on);
        }
    }

    /// Whether what happens on ports of our own is told as events: ARP, IP, TCP, bridges, pings; and all of
    /// what spanning tree does, also for bridges of the kernel.
    pub fn watch_stack(&mut self, on: bool) {
        self.stack_watched = on;
        self.kernel_bridges.watch(on);
        if let Some(stack) = &mut self.stack {
            stack.watch(on);
        }
    }

    /// Whether routes of ours go anywhere: to the kernel, or to our own IP.
    pub(crate) fn installs(&self) -> bool {
        self.config.fib.install || self.stack.is_some()
    }

    /// Before the start, BGP hears nothing; what it must know it is told then.
    pub(crate) fn tell_bgp(&mut self, now: Instant, input: Input<'_>) {
        if let Some(bgp) = &mut self.bgp
            && self.started.is_some()
        {
            bgp.handle(now, input, &mut self.bgp_out);
        }
    }

    /// Carries what routing and BGP have to say to one another and to the outside, until both are silent.
    pub(crate) fn pump(&mut self, now: Instant, out: &mut Outbox<NodeOutput>) {
        loop {
            if let Some(told) = self.routing.told.pop() {
                self.carry_told(now, told, out);
            } else if let Some(output) = self.bgp_out.pop() {
                self.carry_bgp(now, output, out);
            } else if !self.pump_stack(now, out) {
                break;
            }
        }
        for change in self.routing.fib_changes.drain() {
            out.push(NodeOutput::Fib(change));
        }
    }

    /// Carries one thing on between the stack and the others; false: there is none.
    fn pump_stack(&mut self, now: Instant, out: &mut Outbox<NodeOutput>) -> bool {
        let Some(stack) = &mut self.stack else { return false };
        if self.stopped {
            // Our own IP keeps its routes, since the last words go by them.
            self.routing.fib_changes = Outbox::new();
        }
        if let Some(change) = self.routing.fib_changes.pop() {
            let kernel = self.has_kernel && self.config.fib.install;
            stack.fib_change(now, change, kernel, out);
        } else if let Some(said) = stack.said.pop() {
            self.carry_said(now, said, out);
        } else if stack.has_work() {
            stack.work(now, out);
        } else {
            return false;
        }
        true
    }

    fn carry_told(&mut self, now: Instant, told: Told, out: &mut Outbox<NodeOutput>) {
        match told {
            Told::NextHop(address, state) => self.tell_bgp(now, Input::NextHop { address, state }),
            Told::Network(prefix, present) => self.tell_bgp(now, Input::Network { prefix, present }),
            Told::Interface(index) => self.rip_interface(now, index, out),
            Told::Changed(prefix) => self.redistribute(now, prefix, out),
            Told::LocalAddresses(addresses) => self.tell_bgp(now, Input::LocalAddresses(addresses)),
            Told::Event(event) => out.push(NodeOutput::Event(event)),
        }
    }

    fn carry_bgp(&mut self, now: Instant, output: Output, out: &mut Outbox<NodeOutput>) {
        match output {
            Output::Tcp(action) => self.carry_tcp(now, action, out),
            Output::TrackNextHop(address) => self.routing.track(address),
            Output::UntrackNextHop(address) => self.routing.next_hops.untrack(address),
            Output::Route { prefix, route } => {
                self.routing.bgp_route(prefix, route.as_ref());
                if self.redistribution.is_on() {
                    self.redistribute(now, prefix, out);
                }
            }
            Output::Failed(neighbor) => self.examine(now, neighbor, out),
            Output::Event(event) => out.push(NodeOutput::Event(event)),
            Output::Answer { id, answer } => out.push(NodeOutput::Answer { id, answer }),
        }
    }
}
