//! RIP's UDP: the socket on port 520 for all interfaces of the kernel.
//!
//! | concept | file |
//! |---|---|
//! | the socket, what waits to be sent, what goes wrong | `mod.rs` |
//! | datagrams with their interface (`unsafe`) | `message.rs` |
//! | membership of 224.0.0.9 | `groups.rs` |

mod groups;
mod message;

use crate::sockopt;
use groups::Groups;
pub(crate) use message::Arrival;
use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use rustix::net::netdevice::index_to_name;
use rustix::net::sockopt::{set_socket_recv_buffer_size_force, set_socket_send_buffer_size_force};
use socket2::{Domain, Protocol, Socket, Type};
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use trunkline_core::{Duration, Instant};
use trunkline_wire::rip::PORT;

/// Octets of the kernel's queue of what came, by its own way of counting, which takes over a KiB for a datagram and is
/// twice this: 40,000 of them, the tables of 100 neighbours with 10,000 routes each that speak at once.
const RECEIVE_BUFFER: usize = 32 << 20;

/// The same of what leaves: some 800 datagrams, since a common queue of an interface takes 1000 packets and drops others
/// without a word. More wait here.
const SEND_BUFFER: usize = 512 << 10;

/// Datagrams that wait to be sent at most: tables of 10,000 routes to 160 interfaces.
const MAX_QUEUE: usize = 65_536;

/// Datagrams sent in a turn of the loop; the others come next.
const SENDS_PER_TURN: usize = 256;

/// Destinations that cannot be sent to whose errors are told one by one.
const MAX_TROUBLES: usize = 1024;

/// Errors in a row, as of an interface that went down, before the next datagram is waited for.
const RECEIVE_ERRORS: usize = 64;

/// How long a socket that is wanted no more may take to send what waits.
const CLOSE_PATIENCE: Duration = Duration::from_secs(1);

/// "Internetwork control" (RFC 791 §3.1), as other routing protocols have it.
const TOS: u32 = 0xc0;

/// The kernel's priority of the same meaning.
const PRIORITY: u32 = 6;

/// To be sent.
#[derive(Debug, Clone)]
pub(crate) struct Datagram {
    /// Index of the interface that it leaves by.
    pub(crate) interface: u32,
    pub(crate) source: Ipv4Addr,
    pub(crate) destination: SocketAddrV4,
    pub(crate) octets: Arc<[u8]>,
    /// Whether it may be dropped where there is no room.
    pub(crate) answer: bool,
}

/// Why a destination cannot be sent to, and how many datagrams that cost.
#[derive(Debug)]
struct Trouble {
    error: Option<i32>,
    lost: u64,
}

/// The socket, its memberships and what waits to be sent.
///
/// What the kernel has no room for is kept: dropped, it would be the same end of a large table each time, whose routes
/// the neighbours would lose. What it refuses otherwise is dropped and counted, as RIP says all again before long.
#[derive(Debug)]
pub(crate) struct RipSocket {
    socket: Socket,
    registry: Registry,
    token: Token,
    groups: Groups,
    queue: VecDeque<Datagram>,
    /// The kernel has no room, and epoll will say when it has.
    blocked: bool,
    /// Datagrams may wait: epoll said so, and no read has said otherwise since.
    ready: bool,
    /// What is lost since the queue is full.
    overflow: u64,
    /// Answers that there was no room for.
    answers_dropped: u64,
    troubles: BTreeMap<(u32, Ipv4Addr), Trouble>,
    /// It is wanted no more, and closed then at the latest.
    close_at: Option<Instant>,
}

impl RipSocket {
    /// Opens it, for epoll to watch.
    pub(crate) fn open(registry: &Registry, token: Token) -> io::Result<RipSocket> {
        let kind = Type::DGRAM.nonblocking().cloexec();
        // Without SO_REUSEADDR: another RIP daemon would take our datagrams, or we its.
        let socket = Socket::new(Domain::IPV4, kind, Some(Protocol::UDP))?;
        sockopt::set_packet_info(&socket)?;
        socket.set_broadcast(true)?;
        socket.set_multicast_loop_v4(false)?;
        // RFC 1812 §5.3.1; and nobody is asked or told who is not on the same network.
        socket.set_multicast_ttl_v4(1)?;
        socket.set_ttl_v4(1)?;
        socket.set_tos_v4(TOS)?;
        // After the type of service, which sets it too.
        socket.set_priority(PRIORITY)?;
        // Beyond net.core.rmem_max only with CAP_NET_ADMIN; as much as we may otherwise.
        if set_socket_recv_buffer_size_force(&socket, RECEIVE_BUFFER).is_err() {
            socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
        }
        if set_socket_send_buffer_size_force(&socket, SEND_BUFFER).is_err() {
            socket.set_send_buffer_size(SEND_BUFFER)?;
        }
        socket.bind(&SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, PORT).into())?;
        let registry = registry.try_clone()?;
        registry.register(&mut SourceFd(&socket.as_raw_fd()), token, Interest::READABLE)?;
        tracing::info!("listening on UDP port {PORT} for RIP");
        Ok(RipSocket {
            socket,
            registry,
            token,
            groups: Groups::default(),
            queue: VecDeque::new(),
            blocked: false,
            ready: false,
            overflow: 0,
            answers_dropped: 0,
            troubles: BTreeMap::new(),
            close_at: None,
        })
    }

    /// Becomes a member of 224.0.0.9 on an interface.
    pub(crate) fn join(&mut self, interface: u32) {
        match self.groups.join(interface) {
            Ok(()) => {}
            // It vanished in this moment; netlink is about to say so.
            Err(error) if error.raw_os_error() == Some(libc::ENODEV) => {
                tracing::debug!("RIP: interface {interface} is gone");
            }
            Err(error) => {
                let name = self.name(interface);
                tracing::error!("RIP on {name}: cannot hear what is sent to all routers: {error}");
            }
        }
    }

    /// Is a member there no more.
    pub(crate) fn leave(&mut self, interface: u32) {
        self.groups.leave(interface);
        self.troubles.retain(|(index, _), _| *index != interface);
    }

    /// Has a datagram sent at the end of the turn.
    pub(crate) fn send(&mut self, datagram: Datagram) {
        // Anyone can ask for the whole table in the name of stations that are not there, and each answer then keeps room in the
        // kernel while ARP asks for them: updates go before.
        if datagram.answer && (self.blocked || self.queue.len() >= MAX_QUEUE / 2) {
            self.answers_dropped += 1;
            if self.answers_dropped.is_power_of_two() {
                let dropped = self.answers_dropped;
                tracing::info!(
                    "RIP: {dropped} answers to requests were dropped so far: there is no room to send them"
                );
            }
            return;
        }
        if self.queue.len() < MAX_QUEUE {
            self.queue.push_back(datagram);
            return;
        }
        if self.overflow == 0 {
            tracing::warn!("RIP: {MAX_QUEUE} datagrams wait to be sent already; more are dropped");
        }
        self.overflow += 1;
    }

    /// Sends what waits, as far as the kernel takes it.
    pub(crate) fn flush(&mut self) {
        for _ in 0..SENDS_PER_TURN {
            if self.blocked {
                return;
            }
            let Some(datagram) = self.queue.front() else { break };
            let Datagram { interface, source, destination, octets, .. } = datagram;
            let result = message::send(&self.socket, (*interface, *source), *destination, octets);
            if result.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock) {
                self.watch_room(true);
                return;
            }
            let to = (*interface, *destination.ip());
            self.queue.pop_front();
            self.note(to, result);
        }
        if self.queue.is_empty() && self.overflow > 0 {
            tracing::info!(
                "RIP: nothing waits to be sent any more; {} datagrams were dropped",
                self.overflow
            );
            self.overflow = 0;
        }
    }

    /// epoll is asked about room only while there is none, since it would tell of each datagram that has left.
    fn watch_room(&mut self, blocked: bool) {
        let interest = if blocked { Interest::READABLE | Interest::WRITABLE } else { Interest::READABLE };
        match self.registry.reregister(&mut SourceFd(&self.socket.as_raw_fd()), self.token, interest) {
            Ok(()) => self.blocked = blocked,
            Err(error) => tracing::error!("epoll: {error}"),
        }
    }

    /// Errors are told when they begin, change and end.
    fn note(&mut self, (interface, destination): (u32, Ipv4Addr), result: io::Result<()>) {
        let key = (interface, destination);
        match result {
            Ok(()) => {
                // Mostly there are none.
                if let Some(Trouble { lost, .. }) = self.troubles.remove(&key) {
                    let name = self.name(interface);
                    tracing::info!("RIP on {name}: sends to {destination} again; {lost} datagrams were lost");
                }
            }
            Err(error) => {
                let before = self.troubles.get_mut(&key).map(|trouble| {
                    trouble.lost += 1;
                    std::mem::replace(&mut trouble.error, error.raw_os_error())
                });
                if before == Some(error.raw_os_error()) {
                    return;
                }
                if before.is_none() {
                    if self.troubles.len() >= MAX_TROUBLES {
                        return;
                    }
                    self.troubles.insert(key, Trouble { error: error.raw_os_error(), lost: 1 });
                }
                let name = self.name(interface);
                tracing::warn!("RIP on {name}: cannot send to {destination}: {error}");
            }
        }
    }

    /// For people.
    fn name(&self, interface: u32) -> String {
        index_to_name(&self.socket, interface).unwrap_or_else(|_| format!("interface {interface}"))
    }

    /// epoll says so.
    pub(crate) fn set_ready(&mut self, readable: bool, writable: bool) {
        self.ready |= readable;
        if writable && self.blocked {
            self.watch_room(false);
        }
    }

    /// Takes a datagram that came.
    pub(crate) fn receive(&mut self, buffer: &mut [u8]) -> Option<Arrival> {
        if !self.ready {
            return None;
        }
        for _ in 0..RECEIVE_ERRORS {
            match message::receive(&self.socket, buffer) {
                Ok(arrival) => return Some(arrival),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.ready = false;
                    return None;
                }
                // Such as of a datagram with a wrong checksum, or what an ICMP message says of one that we sent.
                Err(error) => tracing::debug!("RIP: receiving: {error}"),
            }
        }
        self.ready = false;
        None
    }

    /// Whether a turn has something to do here.
    pub(crate) fn has_work(&self) -> bool {
        self.ready || (!self.queue.is_empty() && !self.blocked)
    }

    /// Whether all is sent.
    pub(crate) fn is_drained(&self) -> bool {
        self.queue.is_empty()
    }

    /// It is to be open, or to be closed once all is sent.
    pub(crate) fn keep(&mut self, now: Instant, wanted: bool) {
        self.close_at = (!wanted).then(|| self.close_at.unwrap_or(now + CLOSE_PATIENCE));
    }

    /// Whether it may be closed now.
    pub(crate) fn is_over(&self, now: Instant) -> bool {
        self.close_at.is_some_and(|at| self.is_drained() || at <= now)
    }

    /// When it is to be closed at the latest.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.close_at
    }

    /// Sockets that hold memberships.
    #[cfg(test)]
    pub(crate) fn holders(&self) -> usize {
        self.groups.holders()
    }

    /// Answers that there was no room for.
    #[cfg(test)]
    pub(crate) fn answers_dropped(&self) -> u64 {
        self.answers_dropped
    }

    /// Datagrams lost to errors that go on, and what waits.
    #[cfg(test)]
    pub(crate) fn lost(&self) -> (u64, usize) {
        (self.troubles.values().map(|trouble| trouble.lost).sum(), self.queue.len())
    }
}
