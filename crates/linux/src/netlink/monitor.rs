//! Hears of changes in the kernel: interfaces, addresses, other programs' routes, and ours where others touch them.

use super::OUR_PROTOCOL;
use super::encode::Place;
use super::links::Links;
use super::others::{self, Others, PlaceChange, RouteChange};
use super::socket::{self, Message, kind, messages, receive};
use netlink_packet_core::ParseableParametrized;
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::Socket;
use socket2::{SockFilter, SockRef};
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use trunkline_core::{Duration, Instant, Prefix};
use trunkline_node::{InterfaceChange, KernelRoute};

/// Octets of changes the kernel may keep for us before it drops some.
pub(crate) const RECEIVE_BUFFER: usize = 4 * 1024 * 1024;

/// Datagrams read in a turn; the others come next.
const READS_PER_TURN: usize = 256;

/// How often the list of other programs' routes is read again at most.
const REREAD_INTERVAL: Duration = Duration::from_millis(500);

/// rtnetlink multicast groups (RTNLGRP_…).
const GROUPS: [u32; 5] = [1, 5, 7, 9, 11];

/// Something changed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum KernelEvent {
    /// An interface or its addresses.
    Interface(InterfaceChange),
    /// Another program's route.
    Route(Prefix, Option<KernelRoute>),
    /// Another program took our route to this prefix away.
    OursRemoved(Prefix, Place),
    /// Another program's route came into a place that ours may have, or left it.
    Place(PlaceChange),
    /// Changes were lost: our routes may have been touched.
    Overrun,
}

/// The listening side of netlink, with what it has learned.
#[derive(Debug)]
pub(crate) struct Monitor {
    socket: Socket,
    pub(crate) links: Links,
    pub(crate) others: Others,
    /// The port of the socket by which we change routes; 0: we do not.
    fib_port: u32,
    /// Other programs' routes are to be read again, at this time.
    reread_at: Option<Instant>,
    next_reread: Instant,
    /// epoll said that there is news, and no read has said otherwise since.
    pub(crate) ready: bool,
}

impl Monitor {
    /// Listens first and reads all second, so that no change falls between.
    pub(crate) fn open(our_table: u32, fib_port: u32, receive_buffer: usize) -> io::Result<Monitor> {
        let (socket, _) = socket::open(receive_buffer)?;
        socket.set_non_blocking(true)?;
        if fib_port != 0 {
            SockRef::from(&socket).attach_filter(&echo_filter(fib_port))?;
        }
        for group in GROUPS {
            socket.add_membership(group)?;
        }
        let links = Links::read()?;
        let mut others = Others::new(our_table);
        others.read(&links)?;
        let now = Instant::ZERO;
        Ok(Monitor { socket, links, others, fib_port, reread_at: None, next_reread: now, ready: true })
    }

    /// Our routes are in another table from now on, and are changed by another socket.
    pub(crate) fn set_fib(
        &mut self,
        our_table: u32,
        fib_port: u32,
        events: &mut Vec<KernelEvent>,
    ) -> io::Result<()> {
        self.fib_port = fib_port;
        SockRef::from(&self.socket).attach_filter(&echo_filter(fib_port))?;
        let mut newer = Others::new(our_table);
        newer.read(&self.links)?;
        let gone = self.others.all().into_iter().map(|(prefix, _)| (prefix, None));
        let gone = gone.filter(|(prefix, _)| !newer.contains(*prefix));
        let all: Vec<_> = gone.chain(newer.all()).collect();
        events.extend(all.into_iter().map(|(prefix, route)| KernelEvent::Route(prefix, route)));
        self.others = newer;
        Ok(())
    }

    pub(crate) fn raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }

    /// When [`Monitor::read`] wants to be called, readiness aside.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        if self.ready { Some(Instant::ZERO) } else { self.reread_at }
    }

    /// Reads what is there, up to a limit. `buf` is scratch space of at least [`socket::BUFFER_LEN`].
    pub(crate) fn read(&mut self, now: Instant, buf: &mut [u8], events: &mut Vec<KernelEvent>) {
        for _ in 0..READS_PER_TURN {
            if !self.ready {
                break;
            }
            match receive(&self.socket, buf, 0) {
                Ok(n) => messages(&buf[..n]).for_each(|message| self.apply(now, message, events)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.ready = false,
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => {
                    tracing::warn!("the kernel dropped changes we were too slow to read: reading all again");
                    self.read_all(events);
                    events.push(KernelEvent::Overrun);
                }
                Err(error) => {
                    tracing::error!("cannot read from netlink: {error}");
                    self.ready = false;
                }
            }
        }
        if self.reread_at.is_some_and(|at| at <= now) {
            self.reread_at = None;
            self.next_reread = now + REREAD_INTERVAL;
            match self.others.read_known(&self.links) {
                Ok(changes) => push_routes(changes, events),
                Err(error) => tracing::error!("cannot read the kernel's routes: {error}"),
            }
        }
    }

    fn apply(&mut self, now: Instant, message: Message<'_>, events: &mut Vec<KernelEvent>) {
        match message.kind {
            kind::NEW_ROUTE | kind::DEL_ROUTE if message.route_protocol() == Some(OUR_PROTOCOL) => {
                // The kernel (port 0) removes routes with their interface, of which the node hears itself.
                let foreign = message.port != self.fib_port && message.port != 0;
                if message.kind == kind::DEL_ROUTE && foreign {
                    events.extend(ours_removed(message));
                }
            }
            kind::NEW_ROUTE | kind::DEL_ROUTE => {
                let applied = self.others.apply(message, message.kind == kind::NEW_ROUTE, &self.links);
                events.extend(applied.change.map(|(prefix, route)| KernelEvent::Route(prefix, route)));
                events.extend(applied.place.map(KernelEvent::Place));
            }
            _ => {
                let changed = self.links.apply(message);
                events.extend(changed.change.map(KernelEvent::Interface));
                if changed.lost {
                    self.look_again(now);
                }
            }
        }
    }

    /// Other programs' routes may not be what we think: reads them again, soon.
    pub(crate) fn look_again(&mut self, now: Instant) {
        self.reread_at.get_or_insert(self.next_reread.max(now));
    }

    fn read_all(&mut self, events: &mut Vec<KernelEvent>) {
        let result = Links::read().and_then(|links| {
            events.extend(self.links.replace(links).into_iter().map(KernelEvent::Interface));
            self.others.read(&self.links)
        });
        match result {
            Ok(changes) => push_routes(changes, events),
            Err(error) => tracing::error!("cannot read the kernel's interfaces and routes: {error}"),
        }
    }
}

fn push_routes((routes, places): (Vec<RouteChange>, Vec<PlaceChange>), events: &mut Vec<KernelEvent>) {
    events.extend(routes.into_iter().map(|(prefix, route)| KernelEvent::Route(prefix, route)));
    events.extend(places.into_iter().map(KernelEvent::Place));
}

fn ours_removed(message: Message<'_>) -> Option<KernelEvent> {
    match RouteNetlinkMessage::parse_with_param(message.payload, message.kind) {
        Ok(RouteNetlinkMessage::DelRoute(route)) => {
            others::place_of(&route).map(|(prefix, place)| KernelEvent::OursRemoved(prefix, place))
        }
        _ => None,
    }
}

/// A socket filter (classic BPF) that drops what we caused ourselves: route messages of our protocol from our port.
/// Without it a full table's million changes would all come back to us, and push out what matters.
fn echo_filter(fib_port: u32) -> [SockFilter; 9] {
    const LOAD_WORD: u16 = 0x20; // BPF_LD | BPF_W | BPF_ABS
    const LOAD_HALF: u16 = 0x28; // BPF_LD | BPF_H | BPF_ABS
    const LOAD_BYTE: u16 = 0x30; // BPF_LD | BPF_B | BPF_ABS
    const JUMP_EQUAL: u16 = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
    const RETURN: u16 = 0x06; // BPF_RET | BPF_K
    // BPF loads in network order what netlink writes in the machine's.
    let half = |n: u16| u32::from(n.to_be());
    [
        SockFilter::new(LOAD_HALF, 0, 0, 4), // nlmsg_type
        SockFilter::new(JUMP_EQUAL, 1, 0, half(kind::NEW_ROUTE)),
        SockFilter::new(JUMP_EQUAL, 0, 5, half(kind::DEL_ROUTE)),
        SockFilter::new(LOAD_BYTE, 0, 0, 21), // rtm_protocol
        SockFilter::new(JUMP_EQUAL, 0, 3, u32::from(OUR_PROTOCOL)),
        SockFilter::new(LOAD_WORD, 0, 0, 12), // nlmsg_pid
        SockFilter::new(JUMP_EQUAL, 0, 1, fib_port.to_be()),
        SockFilter::new(RETURN, 0, 0, 0),
        SockFilter::new(RETURN, 0, 0, u32::MAX),
    ]
}
