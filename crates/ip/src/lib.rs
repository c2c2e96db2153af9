//! IPv4 of one device: forwarding, local delivery, reassembly, ICMP, redirects, path MTU (RFC 791, 792, 1122, 1812).
//!
//! [`Ip`] is a machine like the others: it is given packets, routes, interfaces and the time, and says what to
//! transmit and what to deliver. It knows interfaces by [`PortId`] and neighbours by address; link-layer addresses are
//! found by another machine. Packets travel in [`Frame`](trunkline_core::Frame)s whose first [`HEADROOM`] octets are
//! room for the Ethernet header, so that forwarding one changes it in place and copies nothing.
//!
//! ```text
//!  Packet ─▶ receive ──▶ forward ───────────────▶ Transmit
//!               │           ╲ errors, redirects     ▲
//!               ▼            ▼                      │
//!             local ──▶ error, reply ──▶ send ──────┤
//!               │ ╲                      ▲          │ to ourselves
//!               ▼  icmp ─▶ IcmpError   Send         ▼
//!            Deliver                              local
//! ```
//!
//! | module | does |
//! |---|---|
//! | `receive` | header checks, martians, whose it is |
//! | `forward` | next hop, TTL, options, fragmentation, redirects sent |
//! | `local` | reassembly, demultiplexing, answers |
//! | `icmp` | errors and redirects received |
//! | `error` | errors sent, and when not |
//! | `send` | packets from here |
//! | `routing` | next hop of a destination: `fib` (with `lpm`), redirects, path MTU |
//!
//! # Limits and choices
//!
//! - The device is one system with many addresses (the weak model of RFC 1122 §3.3.4.2): it takes a packet to any of
//!   its addresses on any interface.
//! - Addresses of an interface that is down stay this device's; its subnets are no longer reachable by it. To take
//!   the addresses away, configure the interface without them.
//! - Routes of the FIB whose interface is down are not used. Where a prefix is both connected and in the FIB, the
//!   connected one is used.
//!
//! # Left out
//!
//! Multicast forwarding and IGMP, routes by Type of Service (RFC 1812 §5.3.2; DSCP took its place), the source route of
//! an original packet in errors (RFC 1812 §4.3.2.6), ICMP information and address mask messages (RFC 6918), router
//! discovery (RFC 1256), dead gateway detection but for redirects (RFC 1122 §3.3.1.4).

mod api;
mod cache;
mod config;
mod counters;
mod error;
mod fib;
mod forward;
mod fragment;
mod icmp;
mod interface;
mod limits;
mod local;
mod lpm;
mod options;
mod reassembly;
mod receive;
mod routing;
mod send;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use trunkline_core::{Applied, Instant, Ipv4Prefix, Outbox, PortId, Rng, earliest};
use trunkline_wire::ipv4::Protocol;

pub use api::*;
pub use config::*;
pub use counters::*;

use cache::Cache;
use fib::Fib;
use interface::{Groups, Interface, Own};
use limits::Limits;
use reassembly::Reassembly;
use routing::{PathMtu, Redirect};

/// Octets before the IPv4 header in every packet: room for an Ethernet header.
pub const HEADROOM: usize = 14;

/// Octets before the payload of a packet for [`Ip::send_in_place`].
pub const ROOM: usize = HEADROOM + trunkline_wire::ipv4::LEN;

/// One more than the largest number of an interface.
pub const MAX_INTERFACES: usize = 1 << 20;

/// IPv4 of a device.
#[derive(Debug)]
pub struct Ip {
    config: Config,
    counters: Counters,
    watching: bool,
    interfaces: Vec<Option<Interface>>,
    /// Our addresses, and the broadcast addresses of our subnets.
    own: HashMap<u32, Own, FixedState>,
    connected: BTreeMap<Ipv4Prefix, NextHop>,
    /// The source for interfaces without an address of their own.
    fallback_source: Option<Ipv4Addr>,
    groups: Groups,
    fib: Fib,
    redirects: Cache<Ipv4Addr, Redirect>,
    path_mtus: Cache<Ipv4Addr, PathMtu>,
    limits: Limits,
    reassembly: Reassembly,
    udp_ports: BTreeSet<u16>,
    protocols: BTreeSet<Protocol>,
    /// The next Identification, for each of 256 classes of source, destination and protocol (RFC 6864 §5).
    identifications: Box<[u16; 256]>,
    seed: u64,
    /// Where packets from here are put together.
    scratch: Vec<u8>,
}

impl Ip {
    /// A device without interfaces.
    pub fn new(config: Config, mut rng: Rng) -> Ip {
        let seed = rng.next_u64();
        let mut identifications = Box::new([0; 256]);
        identifications.fill_with(|| rng.next_u64() as u16);
        Ip {
            counters: Counters::default(),
            watching: false,
            interfaces: Vec::new(),
            own: HashMap::with_hasher(FixedState::with_seed(seed)),
            connected: BTreeMap::new(),
            fallback_source: None,
            groups: Groups::new(),
            fib: Fib::new(),
            redirects: Cache::new(config.max_redirects, seed),
            path_mtus: Cache::new(config.max_path_mtus, seed),
            limits: Limits::new(&config, seed),
            reassembly: Reassembly::new(seed),
            udp_ports: BTreeSet::new(),
            protocols: BTreeSet::from([Protocol::TCP]),
            identifications,
            seed,
            scratch: Vec::new(),
            config,
        }
    }

    /// Takes what happened.
    #[inline]
    pub fn handle(&mut self, now: Instant, input: Input<'_>, out: &mut Outbox<Output>) {
        match input {
            Input::Packet { interface, packet, link_broadcast } => {
                self.receive(now, interface, packet, link_broadcast, out);
            }
            Input::Send(send) => {
                if let Err(error) = self.send(now, &send, out) {
                    let mut transport = [0; 8];
                    for (to, from) in transport.iter_mut().zip(send.payload) {
                        *to = *from;
                    }
                    let Send { destination, protocol, .. } = send;
                    out.push(Output::SendFailed { destination, protocol, transport, error });
                }
            }
            Input::Interface { id, config } => self.set_interface(id, config),
            Input::Route { prefix, route } => self.fib.give(prefix, route),
            Input::Unreachable { interface, packet } => self.no_neighbor(now, interface, &packet, out),
            Input::Forget { destination: None } => {
                self.redirects.clear();
                self.path_mtus.clear();
            }
            Input::Forget { destination: Some(destination) } => {
                self.redirects.remove(destination);
                self.path_mtus.remove(destination);
            }
        }
    }

    /// When [`Ip::handle_timeout`] is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        earliest([
            self.reassembly.poll_timeout(),
            self.path_mtus.poll_timeout(),
            self.redirects.poll_timeout(),
            self.limits.poll_timeout(),
        ])
    }

    /// Does all that is due.
    pub fn handle_timeout(&mut self, now: Instant, out: &mut Outbox<Output>) {
        self.expire_reassemblies(now, out);
        while let Some((destination, _)) = self.path_mtus.expire(now) {
            out.push(Output::PathMtuRaised { destination });
        }
        while self.redirects.expire(now).is_some() {}
        self.limits.expire(now);
    }

    /// Other settings from now on; what they do not touch goes on.
    pub fn reconfigure(&mut self, _now: Instant, config: &Config, _out: &mut Outbox<Output>) -> Applied {
        self.config = config.clone();
        self.redirects.set_limit(config.max_redirects);
        self.path_mtus.set_limit(config.max_path_mtus);
        self.limits.reconfigure(config);
        Applied::InPlace
    }

    /// Whether an address is this device's own, 127.0.0.0/8 included.
    #[inline]
    pub fn is_local(&self, address: Ipv4Addr) -> bool {
        address.is_loopback() || matches!(self.own(address), Some(Own::Local(_)))
    }

    /// Takes UDP datagrams to a port from now on; false where that is so already.
    pub fn bind_udp(&mut self, port: u16) -> bool {
        self.udp_ports.insert(port)
    }

    /// Takes no more UDP datagrams to a port; their senders hear "port unreachable".
    pub fn unbind_udp(&mut self, port: u16) {
        self.udp_ports.remove(&port);
    }

    /// Delivers packets of another protocol from now on. TCP is delivered from the start; ICMP and UDP are spoken here.
    pub fn bind_protocol(&mut self, protocol: Protocol) {
        self.protocols.insert(protocol);
    }

    /// Delivers packets of a protocol no more; their senders hear "protocol unreachable".
    pub fn unbind_protocol(&mut self, protocol: Protocol) {
        self.protocols.remove(&protocol);
    }

    /// Takes packets to a multicast group that come by an interface. 224.0.0.1 is always taken (RFC 1112 §4).
    pub fn join_group(&mut self, interface: PortId, group: Ipv4Addr) {
        self.groups.insert((interface, group));
    }

    /// Takes packets to a multicast group no more.
    pub fn leave_group(&mut self, interface: PortId, group: Ipv4Addr) {
        self.groups.remove(&(interface, group));
    }

    /// What was counted.
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// The routes in use, by prefix.
    pub fn routes(&self) -> impl Iterator<Item = RouteEntry> + '_ {
        self.fib.iter()
    }

    /// Whether events are wanted; not at the start.
    pub const fn watch(&mut self, on: bool) {
        self.watching = on;
    }

    /// Counts a packet that is dropped, and tells those who watch.
    fn drop_packet(
        &mut self,
        interface: Option<PortId>,
        (source, destination): (Ipv4Addr, Ipv4Addr),
        reason: DropReason,
        out: &mut Outbox<Output>,
    ) {
        self.counters.count_drop(reason);
        // What is for a group that nobody here is in comes all the time, and is nobody's trouble.
        if self.watching && reason != DropReason::Multicast {
            out.push(Output::Event(Event::Dropped { interface, source, destination, reason }));
        }
    }

    fn event(&self, out: &mut Outbox<Output>, event: Event) {
        if self.watching {
            out.push(Output::Event(event));
        }
    }
}
