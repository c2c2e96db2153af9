//! Our routes in the kernel: written in batches, removed at the end, cleaned up after a crash.
//!
//! Only routes of our protocol number in the configured table are ever removed. A route of another program with the
//! same destination, table and metric is left alone: the node tells ours again when that one is gone.

use super::OUR_PROTOCOL;
use super::encode::{self, Place};
use super::others::{self, Others};
use super::socket::{self, BUFFER_LEN, Dump, HEADER_LEN, Message, dump, flag, kind, messages, read_u32};
use netlink_packet_core::ParseableParametrized;
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::route::RouteProtocol;
use netlink_sys::Socket;
use std::collections::BTreeSet;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use trunkline_core::Prefix;
use trunkline_node::{FibChange, FibRefusal};

/// A batch is sent when it has grown to so many octets, about 500 routes.
const BATCH_LEN: usize = 32 * 1024;

/// Room for the errors of a whole batch, each of which the kernel counts as about a KiB.
const RECEIVE_BUFFER: usize = 4 * 1024 * 1024;

/// A route that the kernel did not take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) prefix: Prefix,
    pub(crate) why: FibRefusal,
    /// Why, in words.
    pub(crate) reason: String,
}

#[derive(Debug)]
struct Sent {
    prefix: Prefix,
    removal: bool,
}

/// The tables that nodes of this process have their routes in, by network namespace. Two in one table would each take
/// the other's routes for its own.
static TABLES_IN_USE: Mutex<BTreeSet<(u64, u32)>> = Mutex::new(BTreeSet::new());

fn tables_in_use() -> MutexGuard<'static, BTreeSet<(u64, u32)>> {
    TABLES_IN_USE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Holds a table until it is dropped.
#[derive(Debug)]
struct Claim(u64, u32);

impl Claim {
    fn new(table: u32) -> io::Result<Claim> {
        let namespace = std::fs::metadata("/proc/thread-self/ns/net").map_or(0, |file| file.ino());
        match tables_in_use().insert((namespace, table)) {
            true => Ok(Claim(namespace, table)),
            false => Err(io::ErrorKind::ResourceBusy.into()),
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        tables_in_use().remove(&(self.0, self.1));
    }
}

/// The writing side of netlink.
#[derive(Debug)]
pub(crate) struct Fib {
    socket: Socket,
    port: u32,
    place: Place,
    _claim: Claim,
    batch: Vec<u8>,
    /// What the batch holds; the first has the sequence number `first_sequence`.
    sent: Vec<Sent>,
    first_sequence: u32,
    /// Something went wrong that may go better later.
    troubled: bool,
    buf: Vec<u8>,
}

impl Fib {
    /// Opens the socket and finds out whether we may write at all ([`io::ErrorKind::PermissionDenied`]) and are the
    /// only ones of this process in that table ([`io::ErrorKind::ResourceBusy`]).
    pub(crate) fn open(place: Place) -> io::Result<Fib> {
        let claim = Claim::new(place.table)?;
        let (socket, port) = socket::open(RECEIVE_BUFFER)?;
        let mut fib = Fib {
            socket,
            port,
            place,
            _claim: claim,
            batch: Vec::new(),
            sent: Vec::new(),
            first_sequence: 1,
            troubled: false,
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

    #[cfg(test)]
    pub(crate) fn set_send_buffer(&self, octets: usize) {
        socket2::SockRef::from(&self.socket).set_send_buffer_size(octets).unwrap();
    }

    /// Our port: what the kernel tells others of our changes bears this number.
    pub(crate) fn port(&self) -> u32 {
        self.port
    }

    pub(crate) fn place(&self) -> Place {
        self.place
    }

    /// Our routes get another metric from now on; those in the old place are removed.
    pub(crate) fn move_to(&mut self, place: Place) -> io::Result<()> {
        self.place = place;
        self.end()
    }

    /// Removes all that is ours, also what is yet to be sent.
    pub(crate) fn end(&mut self) -> io::Result<()> {
        self.flush(&mut Vec::new());
        self.clear().map(drop)
    }

    /// Adds a change to the batch, and sends the batch where it is full.
    pub(crate) fn push(&mut self, change: FibChange, others: &Others, refused: &mut Vec<Refused>) {
        let sequence = self.first_sequence.wrapping_add(self.sent.len() as u32);
        match change {
            FibChange::Replace { prefix, next_hops } => {
                if let Some(protocol) = others.holder(prefix, self.place.metric) {
                    refused.push(self.taken(prefix, protocol));
                    return;
                }
                encode::replace(&mut self.batch, sequence, prefix, &next_hops, self.place);
                self.sent.push(Sent { prefix, removal: false });
            }
            FibChange::Remove { prefix } => {
                encode::remove(&mut self.batch, sequence, prefix, self.place);
                self.sent.push(Sent { prefix, removal: true });
            }
        }
        if self.batch.len() >= BATCH_LEN {
            self.flush(refused);
        }
    }

    /// What to tell the node of a route of ours in whose place another program's stands.
    pub(crate) fn taken(&self, prefix: Prefix, protocol: u8) -> Refused {
        let (protocol, metric) = (RouteProtocol::from(protocol), self.place.metric);
        let reason =
            format!("a route of another program ({protocol}) stands there with the same metric {metric}");
        Refused { prefix, why: FibRefusal::Taken, reason }
    }

    /// Sends the batch. The kernel works on it before `send` returns, so all errors are there afterwards.
    pub(crate) fn flush(&mut self, refused: &mut Vec<Refused>) {
        if self.sent.is_empty() {
            return;
        }
        let sent = std::mem::take(&mut self.sent);
        let first = self.first_sequence;
        self.first_sequence = first.wrapping_add(sent.len() as u32).max(1);
        let mut troubled = false;
        if let Err(error) = socket::send(&self.socket, &self.batch) {
            tracing::error!("cannot send routes to the kernel: {error}");
            let reason = format!("cannot send it to the kernel: {error}");
            let added = sent.iter().filter(|one| !one.removal);
            refused.extend(added.map(|one| Refused {
                prefix: one.prefix,
                why: FibRefusal::Busy,
                reason: reason.clone(),
            }));
            troubled = true;
        }
        self.batch.clear();
        troubled |= !self.read_replies(&mut |message| {
            let code = error_code(message);
            let Some(one) = sent.get(message.sequence.wrapping_sub(first) as usize) else { return };
            let busy = matches!(code, libc::ENOBUFS | libc::ENOMEM | libc::EAGAIN);
            troubled |= busy;
            match code {
                0 => {}
                // Not there any more: as it should be.
                libc::ESRCH if one.removal => {}
                _ if one.removal => {
                    tracing::error!("cannot remove the route to {}: {}", one.prefix, reason(message, code));
                }
                _ => {
                    let why = if busy { FibRefusal::Busy } else { FibRefusal::Invalid };
                    refused.push(Refused { prefix: one.prefix, why, reason: reason(message, code) });
                }
            }
        });
        self.troubled |= troubled;
        self.sent = sent;
        self.sent.clear();
    }

    /// Whether something went wrong, since this was last asked, that may go better later.
    pub(crate) fn take_troubled(&mut self) -> bool {
        std::mem::take(&mut self.troubled)
    }

    /// Whether changes wait to be sent.
    pub(crate) fn has_batch(&self) -> bool {
        !self.sent.is_empty()
    }

    /// Returns whether no reply was lost.
    fn read_replies(&mut self, each: &mut dyn FnMut(Message<'_>)) -> bool {
        let mut complete = true;
        loop {
            match socket::receive(&self.socket, &mut self.buf, libc::MSG_DONTWAIT) {
                Ok(n) => messages(&self.buf[..n]).filter(|m| m.kind == kind::ERROR).for_each(&mut *each),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return complete,
                Err(error) => {
                    tracing::error!("the kernel's answers about routes are lost: {error}");
                    complete = false;
                    if error.raw_os_error() != Some(libc::ENOBUFS) {
                        return complete;
                    }
                }
            }
        }
    }

    /// The routes that the kernel has of us, in ascending order.
    pub(crate) fn present(&self) -> io::Result<Vec<Prefix>> {
        let found = self.found()?.into_iter().filter(|(_, place)| *place == self.place);
        let mut prefixes: Vec<Prefix> = found.map(|(prefix, _)| prefix).collect();
        prefixes.sort_unstable();
        prefixes.dedup();
        Ok(prefixes)
    }

    /// All routes of our protocol in our table.
    fn found(&self) -> io::Result<Vec<(Prefix, Place)>> {
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
        Ok(found)
    }

    /// Removes all routes of our protocol from our table: what a crash left behind, or what is left at the end.
    /// Returns how many there were.
    pub(crate) fn clear(&mut self) -> io::Result<usize> {
        let found = self.found()?;
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
