//! The loop of one node: epoll tells what is ready, the node is fed, its decisions are carried out.
//!
//! A *turn* looks once at everything that is ready: commands, kernel changes, new connections, octets, timers, in this
//! order, then flushes what the node has to send and its routes. Each part of a turn is bounded, and what is left over
//! is remembered in a ready list, so no peer and no burst can starve another's keepalives. Octets come before timers:
//! a hold timer never expires over octets that wait to be read.

pub(crate) mod bridges;
mod connections;
mod control;
mod facts;
mod kernel;
mod ports;
mod report;
mod rip;
mod tcp;

use crate::bridge::Bridges;
use crate::calendar::Calendar;
use crate::facts::{Facts, Watch};
use crate::handle::{Reply, Shared, Subscriber};
use crate::listener::Listeners;
use crate::netlink::encode::Place;
use crate::netlink::fib::{Fib, Refused};
use crate::netlink::monitor::{self, KernelEvent, Monitor};
use crate::rip::RipSocket;
use crate::start::StartError;
use crate::{Options, clock};
use connections::Connections;
use kernel::Reconcile;
use mio::event::Event as Readiness;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token, Waker};
use ports::Ports;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use trunkline_core::{Duration, Instant, Outbox, earliest};
use trunkline_node::config::NodeConfig;
use trunkline_node::{Node, NodeInput, NodeOutput};
use trunkline_view::Answer;

const WAKER: Token = Token(0);
const MONITOR: Token = Token(1);
const RIP: Token = Token(2);
const CALENDAR: Token = Token(3);
const FIRST_LISTENER: usize = 16;
const FIRST_PORT: usize = 1024;
const FIRST_CONNECTION: usize = 4096;
/// Beyond all connections; an interface's index is below 2^31.
const FIRST_BRIDGE_PORT: usize = 1 << 30;

/// Readiness events taken from epoll at once.
const EVENTS_PER_TURN: usize = 1024;

/// The buffer that all connections and netlink read into.
const READ_BUFFER: usize = 256 * 1024;

/// Deadlines are rounded up to a multiple of this, so that the timers of many sessions fall together and the processor
/// sleeps in between: 500 sessions that send a KEEPALIVE every three seconds wake it 50 times a second and not 167. The
/// timers of routing protocols are seconds; work that does not wait has a deadline in the past.
const TIMER_GRAIN: Duration = Duration::from_millis(20);

/// The same for a node with ports of its own: TCP's timers are milliseconds.
const FINE_TIMER_GRAIN: Duration = Duration::from_millis(1);

/// Where a configuration wants listeners.
fn listen_addresses(config: &NodeConfig) -> &[SocketAddr] {
    if config.bgp.is_some() { &config.bgp_listen } else { &[] }
}

fn place(config: &NodeConfig) -> Place {
    Place { table: config.fib.table, metric: config.fib.metric }
}

/// What can fail, done in the caller's thread before the node's begins.
pub(crate) struct Prepared {
    poll: Poll,
    listeners: Listeners,
    ports: Ports,
    bridges: Bridges,
    rip: Option<RipSocket>,
    watch: Watch,
    fib: Option<Fib>,
    monitor: Monitor,
    pub(crate) shared: Arc<Shared>,
}

impl Prepared {
    /// Opens listeners and netlink, removes the routes that a crash left behind, reads interfaces and routes.
    pub(crate) fn new(config: &NodeConfig) -> Result<Prepared, StartError> {
        raise_descriptor_limit();
        let poll = Poll::new().map_err(StartError::system("use epoll"))?;
        let waker = Waker::new(poll.registry(), WAKER).map_err(StartError::system("use eventfd"))?;
        let listeners = Listeners::open(listen_addresses(config), FIRST_LISTENER, poll.registry())
            .map_err(|(address, error)| StartError::Listen { address, error })?;
        // Before the monitor: a TAP interface comes into being here.
        let ports = Ports::open(config, poll.registry(), FIRST_PORT)?;
        let registry = poll.registry().try_clone().map_err(StartError::system("use epoll"))?;
        let bridges = Bridges::new(registry, FIRST_BRIDGE_PORT);
        let rip = rip::wanted(config).then(|| RipSocket::open(poll.registry(), RIP));
        let rip = rip.transpose().map_err(StartError::Rip)?;
        let fib = if config.fib.install { Some(open_fib(place(config))?) } else { None };
        let port = fib.as_ref().map_or(0, Fib::port);
        let monitor = Monitor::open(config.fib.table, port, monitor::RECEIVE_BUFFER)
            .map_err(StartError::system("read the kernel's interfaces and routes by netlink"))?;
        poll.registry()
            .register(&mut SourceFd(&monitor.raw_fd()), MONITOR, Interest::READABLE)
            .map_err(StartError::system("use epoll"))?;
        let shared = Shared::new(config.name.clone(), waker);
        let watch = Watch::open(config);
        Ok(Prepared { poll, listeners, ports, bridges, rip, watch, fib, monitor, shared })
    }
}

/// A connection needs a descriptor, and the usual soft limit of 1024 is a compatibility matter (`select`), no quota.
fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit })
    {
        tracing::warn!("cannot raise the limit of open files: {error}");
    }
}

fn open_fib(place: Place) -> Result<Fib, StartError> {
    let mut fib = Fib::open(place).map_err(|error| match error.kind() {
        io::ErrorKind::ResourceBusy => StartError::TableInUse { table: place.table },
        io::ErrorKind::PermissionDenied => StartError::FibPermission,
        _ => StartError::System { what: "change the kernel's routes by netlink", error },
    })?;
    // kill -9 leaves routes behind; those of the new life come anew.
    let stale = fib.clear().map_err(StartError::system("remove routes of an earlier run"))?;
    if stale > 0 {
        tracing::warn!("removed {stale} routes that an earlier run left in table {}", place.table);
    }
    Ok(fib)
}

/// A node and everything it lives on.
pub(crate) struct EventLoop {
    node: Node,
    out: Outbox<NodeOutput>,
    now: Instant,
    started: Instant,
    shared: Arc<Shared>,
    poll: Poll,
    listeners: Listeners,
    ports: Ports,
    bridges: Bridges,
    rip: Option<RipSocket>,
    /// Watched where there is RIP, whose keys live by it.
    calendar: Option<Calendar>,
    connections: Connections,
    facts: Facts,
    /// Probes under way.
    probes: usize,
    monitor: Monitor,
    kernel_events: Vec<KernelEvent>,
    fib: Option<Fib>,
    refused: Vec<Refused>,
    reconcile: Reconcile,
    subscribers: Vec<Subscriber>,
    sequence: u64,
    queries: BTreeMap<u64, Reply<Answer>>,
    next_query: u64,
    commands_wait: bool,
    /// Shutdown has begun; the loop ends then at the latest.
    stop_at: Option<Instant>,
    read_buffer: Vec<u8>,
    write_buffer: Vec<u8>,
}

impl EventLoop {
    /// Makes the node and starts it.
    pub(crate) fn new(
        parts: Prepared,
        config: NodeConfig,
        options: Options,
    ) -> Result<EventLoop, StartError> {
        let seed = options.seed.unwrap_or_else(clock::random_seed);
        let links = parts.monitor.links.all();
        let interfaces = ports::not_ours(&parts.monitor.links, &parts.ports);
        let mut node = Node::new(config, interfaces, seed, &options.version).map_err(StartError::Node)?;
        node.set_process_info(std::process::id(), options.config_files);
        let now = clock::now();
        let mut this = EventLoop {
            node,
            out: Outbox::new(),
            now,
            started: now,
            shared: parts.shared,
            poll: parts.poll,
            listeners: parts.listeners,
            ports: parts.ports,
            bridges: parts.bridges,
            rip: parts.rip,
            calendar: None,
            connections: Connections::default(),
            facts: Facts::new(parts.watch),
            probes: 0,
            monitor: parts.monitor,
            kernel_events: Vec::new(),
            fib: parts.fib,
            refused: Vec::new(),
            reconcile: Reconcile::new(),
            subscribers: Vec::new(),
            sequence: 0,
            queries: BTreeMap::new(),
            next_query: 0,
            commands_wait: true,
            stop_at: None,
            read_buffer: vec![0; READ_BUFFER],
            write_buffer: Vec::new(),
        };
        for (prefix, route) in this.monitor.others.all() {
            this.feed(NodeInput::KernelRoute { prefix, route });
        }
        this.tell_ports(&links);
        let has_rip = this.node.config().rip.is_some();
        this.watch_calendar(has_rip);
        this.node.start(this.now, &mut this.out);
        this.carry_out();
        this.configure_bridges();
        Ok(this)
    }

    /// Runs until a shutdown is complete.
    pub(crate) fn run(mut self) {
        let mut events = Events::with_capacity(EVENTS_PER_TURN);
        self.end_of_turn();
        while !self.is_stopped() {
            let delay = self.delay();
            match self.poll.poll(&mut events, delay) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    tracing::error!("epoll: {error}");
                    break;
                }
            }
            self.now = clock::now();
            events.iter().for_each(|event| self.take_readiness(event));
            self.turn();
        }
        self.end();
    }

    fn turn(&mut self) {
        self.refresh_bridges();
        self.follow_calendar();
        self.take_commands();
        self.take_kernel_changes();
        self.tell_failed();
        self.accept();
        self.read();
        self.read_ports();
        self.read_rip();
        self.read_bridges();
        self.facts.watch.read(self.now);
        self.now = clock::now();
        if self.node.poll_timeout().is_some_and(|at| at <= self.now) {
            self.node.handle_timeout(self.now, &mut self.out);
            self.carry_out();
        }
        self.end_of_turn();
    }

    /// Sends what the turn brought up.
    fn end_of_turn(&mut self) {
        self.flush();
        self.ports.flush();
        self.flush_rip();
        self.flush_fib();
        self.drop_lingering();
    }

    /// How long epoll may sleep.
    fn delay(&self) -> Option<Duration> {
        let fib_waits = self.fib.as_ref().is_some_and(Fib::has_batch) || !self.refused.is_empty();
        let frames_wait = self.ports.has_work() || self.bridges.has_work();
        let rip_waits = self.rip.as_ref().is_some_and(RipSocket::has_work);
        if self.commands_wait || self.connections.have_work() || frames_wait || fib_waits || rip_waits {
            return Some(Duration::ZERO);
        }
        let next = earliest([
            self.stop_at,
            self.node.poll_timeout(),
            self.listeners.poll_timeout(),
            self.monitor.poll_timeout(),
            self.reconcile.at,
            self.connections.poll_timeout(),
            self.facts.watch.poll_timeout(),
            self.bridges.poll_timeout(),
            self.rip.as_ref().and_then(RipSocket::poll_timeout),
        ])?;
        let now = clock::now();
        if next <= now {
            return Some(Duration::ZERO);
        }
        let grain = if self.ports.is_empty() { TIMER_GRAIN } else { FINE_TIMER_GRAIN }.as_nanos() as u64;
        Some(Instant::from_nanos(next.as_nanos().next_multiple_of(grain)).since(now))
    }

    fn take_readiness(&mut self, event: &Readiness) {
        match event.token() {
            WAKER => self.commands_wait = true,
            MONITOR => self.monitor.ready = true,
            RIP => {
                if let Some(rip) = &mut self.rip {
                    rip.set_ready(event.is_readable(), event.is_writable());
                }
            }
            CALENDAR => {
                if let Some(calendar) = &mut self.calendar {
                    calendar.set_ready();
                }
            }
            Token(n) if n >= FIRST_BRIDGE_PORT => self.bridges.ready(n),
            Token(n) if n >= FIRST_CONNECTION => self.connection_ready(n - FIRST_CONNECTION, event),
            Token(n) if n >= FIRST_PORT => {
                self.ports.ready(n - FIRST_PORT, event.is_readable(), event.is_writable());
            }
            Token(n) => self.listeners.set_ready(n),
        }
    }

    /// Feeds the node and carries out what it wants.
    fn feed(&mut self, input: NodeInput<'_>) {
        self.node.handle(self.now, input, &mut self.out);
        self.carry_out();
    }

    fn carry_out(&mut self) {
        while let Some(output) = self.out.pop() {
            match output {
                NodeOutput::Frame { port, frame } => self.ports.send(port, frame),
                NodeOutput::Tcp(action) => self.tcp_action(action),
                NodeOutput::Rip(action) => self.rip_action(action),
                NodeOutput::KernelBridge(action) => self.bridges.act(self.now, action),
                NodeOutput::Fib(change) => {
                    if let Some(fib) = &mut self.fib {
                        fib.push(change, &self.monitor.others, &mut self.refused);
                    }
                }
                NodeOutput::Gather(wanted) => self.gather(wanted),
                NodeOutput::Watch(neighbor) => self.facts.watch.begin(self.now, neighbor),
                NodeOutput::Event(kind) => self.publish(kind),
                NodeOutput::Answer { id, answer } => self.answer(id, answer),
            }
        }
    }
}
