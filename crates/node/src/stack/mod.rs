//! The user-space stack: ports that the node owns, from Ethernet up to sockets.
//!
//! ```text
//!   NodeInput::Frame                                                   NodeOutput::Frame
//!        │                                                                    ▲
//!        ▼            frames.rs                                    links.rs   │
//!   port ─▶ bridge? ─▶ EtherType ─▶ Arp (one per interface) ◀── next hop ◀────┤
//!          bridges.rs      │                                                  │
//!                          └─▶ Ip ─▶ Tcp ─▶ sockets: BGP, services, …  ─▶ Ip ─┘
//!                                └─▶ ping, traceroute
//! ```
//!
//! Machines push what they have to say into outboxes; [`Stack::work`] carries it on until all are silent. What the
//! control plane must know is in `said`.

mod bridges;
mod facts;
mod fib;
mod frames;
mod interface;
mod iperf;
mod links;
mod named;
mod packets;
mod pattern;
mod ping;
mod plan;
mod reconfigure;
mod rip;
mod services;
mod sockets;
mod speaker;
mod tasks;
mod traceroute;
mod transfer;
mod trees;
mod views;

use crate::InterfaceChange;
use crate::NodeOutput;
use crate::config::NodeConfig;
use bridges::BridgeState;
use interface::Interface;
use links::Port;
use pattern::Pattern;
use sockets::Sockets;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::Range;
use tasks::Tasks;
use trunkline_arp as arp;
use trunkline_bgp::transport::TcpError;
use trunkline_core::{ConnId, Duration, Frame, Instant, Outbox, Prefix, Rng};
use trunkline_ip::{self as ip, Ip};
use trunkline_tcp::{self as tcp, Tcp};
use trunkline_view::{Answer, EventKind};

pub(crate) use interface::FIRST_INDEX;
pub(crate) use links::LinkState;

/// The most packets and segments that one call handles before time goes on: a node that talks to itself without end
/// must not stop the others.
const MAX_WORK: usize = 4096;

/// How long it then rests: some four million packets a second for a node that talks to itself.
const REST: Duration = Duration::from_millis(1);

/// What the stack has to say to the node.
#[derive(Debug)]
pub(crate) enum Said {
    /// To the routing.
    Interface(InterfaceChange),
    /// A peer has connected to a listener of BGP's.
    Incoming { conn: ConnId, local: SocketAddr, remote: SocketAddr },
    /// A connection that BGP asked for is up.
    Connected { conn: ConnId, local: SocketAddr, remote: SocketAddr },
    /// Or not.
    Failed { conn: ConnId, error: TcpError },
    /// A datagram came to RIP's port.
    Rip { interface: u32, source: Ipv4Addr, source_port: u16, packet: Frame, payload: Range<usize> },
    /// There are octets for BGP, or their end.
    Readable(ConnId),
    /// There is room again for octets of BGP's.
    Writable(ConnId),
    /// A connection of BGP's is gone.
    Closed { conn: ConnId, error: TcpError },
    /// To a query that took its time.
    Answer { id: u64, answer: Answer },
    /// For those who watch.
    Event(EventKind),
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Stack {
    ports: Vec<Port>,
    /// By their number, which is that of `ip`; of one that was configured away the place stays empty.
    interfaces: Vec<Option<Interface>>,
    bridges: Vec<Option<BridgeState>>,
    ip: Ip,
    tcp: Tcp,
    arp_out: Outbox<arp::Output>,
    ip_out: Outbox<ip::Output>,
    tcp_out: Outbox<tcp::Output>,
    pub(crate) said: Outbox<Said>,
    /// Something was done to `tcp`: it may have segments to send.
    tcp_touched: bool,
    /// A segment on its way down.
    segment: Vec<u8>,
    /// Octets on their way through a socket.
    octets: Vec<u8>,
    /// What transfers send, and what chargen does.
    numbers: Pattern,
    characters: Pattern,
    pub(crate) sockets: Sockets,
    tasks: Tasks,
    /// The routes that the kernel has of ours, where it has any.
    kernel_has: BTreeSet<Prefix>,
    /// What the counters were, for who asks what rose.
    history: crate::CounterHistory,
    heard: facts::Heard,
    rng: Rng,
    watched: bool,
    /// Frames follow at once that may change what TCP has to say.
    more_follows: bool,
    /// There is more to do, but not now.
    resting: bool,
    /// When [`Stack::handle_timeout`] is due; may be early.
    deadline: Option<Instant>,
}

impl Stack {
    /// What a configuration wants, with all ports down.
    pub(crate) fn new(config: &NodeConfig, mut rng: Rng) -> Stack {
        let mut stack = Stack {
            ports: Vec::new(),
            interfaces: Vec::new(),
            bridges: Vec::new(),
            ip: Ip::new(plan::ip_config(config), rng.fork()),
            tcp: Tcp::new(tcp::Config::default(), rng.fork()),
            arp_out: Outbox::new(),
            ip_out: Outbox::new(),
            tcp_out: Outbox::new(),
            said: Outbox::new(),
            tcp_touched: false,
            segment: Vec::new(),
            octets: Vec::new(),
            numbers: transfer::PATTERN,
            characters: services::PATTERN,
            sockets: Sockets::default(),
            tasks: Tasks::new(rng.next_u64()),
            kernel_has: BTreeSet::new(),
            history: crate::CounterHistory::default(),
            heard: facts::Heard::new(),
            rng,
            watched: false,
            more_follows: false,
            resting: false,
            deadline: None,
        };
        stack.apply(Instant::ZERO, config);
        stack
    }

    /// Whether a configuration needs one.
    pub(crate) fn is_wanted(config: &NodeConfig) -> bool {
        plan::is_wanted(config)
    }

    /// Whether what happens here is told as events.
    pub(crate) fn watch(&mut self, on: bool) {
        self.watched = on;
        self.ip.watch(on);
        self.tcp.watch(on);
        for interface in self.interfaces.iter_mut().flatten() {
            if let Some(arp) = &mut interface.arp {
                arp.watch(on);
            }
        }
    }

    /// Tells an event where someone watches.
    fn tell(&mut self, event: impl FnOnce() -> EventKind) {
        if self.watched {
            self.said.push(Said::Event(event()));
        }
    }

    /// What the routing has to know of the interfaces from the start.
    pub(crate) fn first_interfaces(&mut self) -> Vec<InterfaceChange> {
        let change = |said| match said {
            Said::Interface(change) => Some(change),
            _ => None,
        };
        self.said.drain().filter_map(change).collect()
    }

    /// Whether [`Stack::work`] has something to do.
    #[inline]
    pub(crate) fn has_work(&self) -> bool {
        let empty = self.ip_out.is_empty() && self.tcp_out.is_empty() && !self.tcp_touched;
        !empty && !self.resting
    }

    /// Whether neither the stack nor the node has anything to do.
    #[inline]
    pub(crate) fn is_quiet(&self) -> bool {
        self.said.is_empty() && !self.has_work()
    }

    /// Carries on what the machines have to say, until all are silent.
    pub(crate) fn work(&mut self, now: Instant, out: &mut Outbox<NodeOutput>) {
        for _ in 0..MAX_WORK {
            if let Some(output) = self.ip_out.pop() {
                self.ip_output(now, output, out);
            } else if self.more_follows {
                return;
            } else if let Some(output) = self.tcp_out.pop() {
                self.tcp_output(now, output);
            } else if !self.tcp_touched || !self.send_segment(now) {
                self.tcp_touched = false;
                self.note(self.ip.poll_timeout());
                self.note(self.tcp.poll_timeout());
                return;
            }
        }
        self.resting = true;
        self.note(Some(now + REST));
    }

    /// When [`Stack::handle_timeout`] is due; may be early.
    #[inline]
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.deadline
    }

    /// The node stops: nothing new is accepted, and nothing of ours stays in the kernel.
    pub(crate) fn shutdown(&mut self, now: Instant, out: &mut Outbox<NodeOutput>) {
        self.set_listeners(now, &BTreeMap::new());
        self.leave_kernel(out);
    }

    /// Something is due at this time, if at any.
    #[inline]
    fn note(&mut self, due: Option<Instant>) {
        if let Some(due) = due
            && self.deadline.is_none_or(|deadline| due < deadline)
        {
            self.deadline = Some(due);
        }
    }

    /// Does all that is due.
    pub(crate) fn handle_timeout(&mut self, now: Instant, out: &mut Outbox<NodeOutput>) {
        if self.deadline.is_none_or(|deadline| deadline > now) {
            return;
        }
        self.deadline = None;
        self.resting = false;
        for number in 0..self.bridges.len() {
            self.bridge_timeout(now, number, out);
        }
        for number in 0..self.interfaces.len() {
            self.arp_timeout(now, number, out);
        }
        if self.ip.poll_timeout().is_some_and(|due| due <= now) {
            self.ip.handle_timeout(now, &mut self.ip_out);
        }
        if self.tcp.poll_timeout().is_some_and(|due| due <= now) {
            self.tcp.handle_timeout(now, &mut self.tcp_out);
        }
        self.tcp_touched = true;
        self.tasks_timeout(now);
        self.sockets_timeout(now);
        self.work(now, out);
        for number in 0..self.bridges.len() {
            let due = self.bridges[number].as_ref().and_then(BridgeState::poll_timeout);
            self.note(due);
        }
        for number in 0..self.interfaces.len() {
            self.note_arp(number);
        }
        self.note(self.tasks.poll_timeout());
        self.note(self.sockets.poll_timeout());
    }
}
