//! Our routes in the kernel: written in batches, removed at the end, cleaned up after a crash.
//!
//! Only routes of our protocol number in the configured table are ever removed. A route of another program with the
//! same destination, table and metric is left alone: ours waits until that one is gone.

use super::OUR_PROTOCOL;
use super::encode::{self, Place};
use super::others::{self, Others};
use super::socket::{self, BUFFER_LEN, Dump, HEADER_LEN, Message, dump, flag, kind, messages, read_u32};
use netlink_packet_core::ParseableParametrized;
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::route::RouteProtocol;
use netlink_sys::Socket;
use std::collections::BTreeMap;
use std::io;
use trunkline_core::Prefix;
use trunkline_node::{FibChange, FibNextHop};

/// A batch is sent when it has grown to so many octets, about 500 routes.
const BATCH_LEN: usize = 32 * 1024;

/// Room for the errors of a whole batch, each of which the kernel counts as about a KiB.
const RECEIVE_BUFFER: usize = 4 * 1024 * 1024;

/// Routes of ours that wait for another program's to go, at most.
const MAX_BLOCKED: usize = 100_000;

/// A route that the kernel did not take, and why.
pub(crate) type Refused = (Prefix, String);

#[derive(Debug)]
struct Sent {
    prefix: Prefix,
    removal: bool,
}

/// The writing side of netlink.
#[derive(Debug)]
pub(crate) struct Fib {
    socket: Socket,
    port: u32,
    place: Place,
    batch: Vec<u8>,
    /// What the batch holds; the first has the sequence number `first_sequence`.
    sent: Vec<Sent>,
    first_sequence: u32,
    /// Changes since the monitor has last been read: a removal by another program may be older than these.
    recent: Vec<FibChange>,
    /// Routes of ours that another program's stands in the way of.
    blocked: BTreeMap<Prefix, FibChange>,
    buf: Vec<u8>,
}

impl Fib {
    /// Opens the socket and finds out whether we may write at all ([`io::ErrorKind::PermissionDenied`]).
    pub(crate) fn open(place: Place) -> io::Result<Fib> {
        let (socket, port) = socket::open(RECEIVE_BUFFER)?;
        let mut fib = Fib {
            socket,
            port,
            place,
            batch: Vec::new(),
            sent: Vec::new(),
            first_sequence: 1,
            recent: Vec::new(),
            blocked: BTreeMap::new(),
            buf: vec![0; BUFFER_LEN],
        };
        fib.probe()?;
        Ok(fib)
    }

    /// Asks to remove a route that does not exist: the kernel looks for permission before it looks for the route.
    fn probe(&mut self) -> io::Result<()> {
        let nowhere = Prefix::host(std::net::Ipv4Addr::BROADCAST.into());
        let mut request = Vec::new();
        encode::remove(&mut request, 0, nowhere, Place { metric: u32::MAX, ..self.place });
        socket::send(&self.socket, &request)?;
        let mut denied = false;
        self.read_replies(&mut |message| {
            denied |= error_code(message) == libc::EPERM;
        });
        if denied { Err(io::ErrorKind::PermissionDenied.into()) } else { Ok(()) }
    }

    /// Our port: what the kernel tells others of our changes bears this number.
    pub(crate) fn port(&self) -> u32 {
        self.port
    }

    pub(crate) fn place(&self) -> Place {
        self.place
    }

    /// Our routes go elsewhere from now on; those in the old place are removed.
    pub(crate) fn move_to(&mut self, place: Place, refused: &mut Vec<Refused>) -> io::Result<()> {
        self.flush(refused);
        self.clear()?;
        self.blocked.clear();
        self.recent.clear();
        self.place = place;
        self.clear().map(drop)
    }

    /// Adds a change to the batch, and sends the batch where it is full.
    pub(crate) fn push(&mut self, change: FibChange, others: &Others, refused: &mut Vec<Refused>) {
        let sequence = self.first_sequence.wrapping_add(self.sent.len() as u32);
        match &change {
            FibChange::Replace { prefix, next_hops } => {
                let prefix = *prefix;
                if let Some(protocol) = others.holder(prefix, self.place.metric) {
                    let protocol = RouteProtocol::from(protocol);
                    let metric = self.place.metric;
                    refused.push((
                        prefix,
                        format!("a route of another program ({protocol}) stands there with the same metric {metric}"),
                    ));
                    if self.blocked.len() < MAX_BLOCKED {
                        self.blocked.insert(prefix, change);
                    }
                    return;
                }
                self.blocked.remove(&prefix);
                encode::replace(&mut self.batch, sequence, prefix, next_hops, self.place);
                self.sent.push(Sent { prefix, removal: false });
            }
            FibChange::Remove { prefix } => {
                if self.blocked.remove(prefix).is_some() {
                    return;
                }
                encode::remove(&mut self.batch, sequence, *prefix, self.place);
                self.sent.push(Sent { prefix: *prefix, removal: true });
            }
        }
        self.recent.push(change);
        if self.batch.len() >= BATCH_LEN {
            self.flush(refused);
        }
    }

    /// Sends the batch. The kernel works on it before `send` returns, so all errors are there afterwards.
    pub(crate) fn flush(&mut self, refused: &mut Vec<Refused>) {
        if self.sent.is_empty() {
            return;
        }
        let sent = std::mem::take(&mut self.sent);
        let first = self.first_sequence;
        self.first_sequence = first.wrapping_add(sent.len() as u32).max(1);
        if let Err(error) = socket::send(&self.socket, &self.batch) {
            tracing::error!("cannot send routes to the kernel: {error}");
            refused.extend(sent.iter().map(|s| (s.prefix, format!("cannot send it to the kernel: {error}"))));
        }
        self.batch.clear();
        self.read_replies(&mut |message| {
            let code = error_code(message);
            let Some(one) = sent.get(message.sequence.wrapping_sub(first) as usize) else { return };
            // Not there any more: as it should be.
            let as_wished = one.removal && code == libc::ESRCH;
            if code != 0 && !as_wished {
                refused.push((one.prefix, reason(message, code)));
            }
        });
        let mut sent = sent;
        sent.clear();
        self.sent = sent;
    }

    /// Whether changes wait to be sent.
    pub(crate) fn has_batch(&self) -> bool {
        !self.sent.is_empty()
    }

    fn read_replies(&mut self, each: &mut dyn FnMut(Message<'_>)) {
        loop {
            match socket::receive(&self.socket, &mut self.buf, libc::MSG_DONTWAIT) {
                Ok(n) => messages(&self.buf[..n]).filter(|m| m.kind == kind::ERROR).for_each(&mut *each),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) => {
                    tracing::error!("the kernel's answers about routes are lost: {error}");
                    if error.raw_os_error() != Some(libc::ENOBUFS) {
                        return;
                    }
                }
            }
        }
    }

    /// The monitor has been read to its end: what it tells from now on is newer than all changes made so far.
    pub(crate) fn forget_recent(&mut self) {
        self.recent.clear();
    }

    /// Another program removed this route of ours: puts it back, unless we changed it ourselves meanwhile.
    pub(crate) fn restore(
        &mut self,
        prefix: Prefix,
        next_hops: Vec<FibNextHop>,
        place: Place,
        others: &Others,
        refused: &mut Vec<Refused>,
    ) {
        if place != self.place {
            return;
        }
        let newer = self.recent.iter().rev().find(|change| match change {
            FibChange::Replace { prefix: p, .. } | FibChange::Remove { prefix: p } => *p == prefix,
        });
        let change = match newer {
            Some(FibChange::Remove { .. }) => return,
            Some(replace) => replace.clone(),
            None => FibChange::Replace { prefix, next_hops },
        };
        tracing::warn!("another program removed our route to {prefix}: putting it back");
        self.push(change, others, refused);
    }

    /// A route that may have stood in the way of ours is gone.
    pub(crate) fn unblock(&mut self, prefix: Prefix, others: &Others, refused: &mut Vec<Refused>) {
        if others.holder(prefix, self.place.metric).is_none()
            && let Some(change) = self.blocked.remove(&prefix)
        {
            self.push(change, others, refused);
        }
    }

    /// Removes all routes of our protocol from our table: what a crash left behind, or what is left at the end.
    /// Returns how many there were.
    pub(crate) fn clear(&mut self) -> io::Result<usize> {
        let mut found = Vec::new();
        for family in [libc::AF_INET as u8, libc::AF_INET6 as u8] {
            let what = Dump::Routes { family, table: self.place.table, protocol: OUR_PROTOCOL };
            dump(what, &mut |message| {
                let parsed = RouteNetlinkMessage::parse_with_param(message.payload, message.kind);
                if let Ok(RouteNetlinkMessage::NewRoute(route)) = parsed
                    && let Some(ours) = others::place_of(&route)
                    && ours.1.table == self.place.table
                {
                    found.push(ours);
                }
            })?;
        }
        let mut batch = Vec::new();
        for (i, (prefix, place)) in found.iter().enumerate() {
            encode::remove(&mut batch, 0, *prefix, *place);
            if batch.len() >= BATCH_LEN || i + 1 == found.len() {
                socket::send(&self.socket, &batch)?;
                batch.clear();
                self.read_replies(&mut |message| match error_code(message) {
                    0 | libc::ESRCH => {}
                    code => tracing::error!("cannot remove a route: {}", reason(message, code)),
                });
            }
        }
        Ok(found.len())
    }
}

/// The errno of an error message, positive; 0 for an acknowledgement.
fn error_code(message: Message<'_>) -> i32 {
    read_u32(message.payload, 0).map_or(0, |code| (code as i32).saturating_neg())
}

/// Why the kernel refused, in its own words where it has some (NLMSGERR_ATTR_MSG).
fn reason(message: Message<'_>, code: i32) -> String {
    let system = match code {
        libc::ENETUNREACH => "the next hop is not on a link of ours".to_owned(),
        libc::EPERM => "permission denied: CAP_NET_ADMIN is missing".to_owned(),
        libc::ENODEV => "the interface is gone".to_owned(),
        libc::ENETDOWN => "the interface is down".to_owned(),
        code => io::Error::from_raw_os_error(code).to_string(),
    };
    match extended_text(message) {
        Some(text) => format!("{system} (kernel: {text})"),
        None => system,
    }
}

/// The text among the attributes after the (capped) request.
fn extended_text(message: Message<'_>) -> Option<String> {
    if message.flags & (flag::CAPPED | flag::ACK_ATTRIBUTES) != flag::CAPPED | flag::ACK_ATTRIBUTES {
        return None;
    }
    let mut attributes = message.payload.get(4 + HEADER_LEN..)?;
    loop {
        let len = usize::from(socket::read_u16(attributes, 0)?);
        let value = attributes.get(4..len)?;
        if socket::read_u16(attributes, 2)? == 1 {
            let text = value.split(|&octet| octet == 0).next().unwrap_or_default();
            return Some(String::from_utf8_lossy(text).into_owned());
        }
        attributes = attributes.get(len.next_multiple_of(4)..)?;
    }
}
