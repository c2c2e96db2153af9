//! One TCP connection: opening, octets both ways with back-pressure, closing without losing the last words.

use crate::{icmp, sockopt};
use mio::net::TcpStream;
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use std::io::{self, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr};
use std::time::Duration;
use trunkline_bgp::transport::{TcpError, TcpOptions};
use trunkline_core::{ConnId, Prefix};

/// Octets asked of the node at once. A peer that does not read costs about so much memory here, no more.
const PULL_LIMIT: usize = 64 * 1024;

/// Reads of a lingering connection in a turn.
const LINGER_READS: usize = 8;

/// The octets that the node has for a connection: appends at most about a limit, says whether there may be more.
pub(crate) type Pull<'a> = &'a mut dyn FnMut(usize, &mut Vec<u8>) -> bool;

/// What the system's error means to a routing protocol.
pub(crate) fn tcp_error(error: &io::Error) -> TcpError {
    match error.raw_os_error() {
        Some(libc::ECONNREFUSED) => TcpError::Refused,
        Some(libc::ETIMEDOUT) => TcpError::TimedOut,
        Some(libc::EHOSTUNREACH | libc::ENETUNREACH | libc::ENETDOWN | libc::EHOSTDOWN) => {
            TcpError::Unreachable
        }
        Some(libc::ECONNRESET | libc::EPIPE | libc::ECONNABORTED) => TcpError::Reset,
        _ => TcpError::Other(error.to_string()),
    }
}

/// Begins to connect; the result shows when the socket becomes writable.
pub(crate) fn connect(
    remote: SocketAddr,
    local: Option<IpAddr>,
    options: &TcpOptions,
) -> Result<TcpStream, TcpError> {
    refuse_ao(options)?;
    let v4 = remote.is_ipv4();
    let open = || -> io::Result<Socket> {
        let kind = Type::STREAM.nonblocking().cloexec();
        let socket = Socket::new(Domain::for_address(remote), kind, Some(Protocol::TCP))?;
        socket.set_tcp_nodelay(true)?;
        if let Some(key) = &options.md5 {
            sockopt::set_md5(&socket, Prefix::host(remote.ip()), Some(key))?;
        }
        apply_ttl(&socket, v4, options)?;
        // Until it is up: who says that the peer cannot be reached?
        sockopt::set_receive_errors(&socket, v4, true)?;
        Ok(socket)
    };
    let socket = open().map_err(|error| tcp_error(&error))?;
    if let Some(local) = local {
        let bind = sockopt::set_bind_address_no_port(&socket)
            .and_then(|()| socket.bind(&SocketAddr::new(local, 0).into()));
        if let Err(error) = bind {
            return Err(TcpError::Other(format!("cannot use local address {local}: {error}")));
        }
    }
    match socket.connect(&remote.into()) {
        Ok(()) => {}
        Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => {}
        Err(error) => return Err(no_route(&error).unwrap_or_else(|| tcp_error(&error))),
    }
    Ok(TcpStream::from_std(socket.into()))
}

/// What connect(2) itself says is of our own routing table.
fn no_route(error: &io::Error) -> Option<TcpError> {
    let why = match error.raw_os_error()? {
        libc::ENETUNREACH => "the system has no route to it",
        libc::EHOSTUNREACH => "an unreachable route covers it",
        libc::EACCES => "a prohibit route covers it",
        libc::EINVAL => "a blackhole route covers it",
        _ => return None,
    };
    Some(TcpError::NoRoute(why.to_owned()))
}

/// Whether a connection that was begun is up; `None`: not yet known.
pub(crate) fn connected(stream: &TcpStream) -> Option<Result<(SocketAddr, SocketAddr), TcpError>> {
    // Before the error is taken, which would wipe out what the queue tells of it.
    let failed = |error: &io::Error| match icmp::next_error(stream) {
        // That is how a closed port is told, too, where a firewall answers.
        Some(told) => TcpError::Icmp { by: told.by, what: told.words(), exceeded: told.exceeded() },
        None => tcp_error(error),
    };
    match stream.take_error() {
        Ok(None) => {}
        Ok(Some(error)) | Err(error) => return Some(Err(failed(&error))),
    }
    match (stream.local_addr(), stream.peer_addr()) {
        (Ok(local), Ok(remote)) => {
            if let Err(error) = sockopt::set_receive_errors(stream, remote.is_ipv4(), false) {
                tracing::debug!("cannot clear IP_RECVERR: {error}");
            }
            Some(Ok((local, remote)))
        }
        (_, Err(error)) if error.kind() == io::ErrorKind::NotConnected => None,
        (Err(error), _) | (_, Err(error)) => Some(Err(tcp_error(&error))),
    }
}

/// Linux knows the option from 6.7 on, where it is built with it; we do not ask it.
pub(crate) fn refuse_ao(options: &TcpOptions) -> Result<(), TcpError> {
    let why =
        || TcpError::Other("TCP-AO needs an interface of the node's own: this kernel has none".to_owned());
    if options.ao.is_some() { Err(why()) } else { Ok(()) }
}

fn apply_ttl(socket: &impl std::os::fd::AsFd, v4: bool, options: &TcpOptions) -> io::Result<()> {
    if let Some(ttl) = options.ttl {
        sockopt::set_ttl(socket, v4, ttl)?;
    }
    if let Some(ttl) = options.min_ttl {
        sockopt::set_min_ttl(socket, v4, ttl)?;
    }
    Ok(())
}

/// What a read brought.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Received {
    /// So many octets are in the buffer.
    Bytes {
        /// How many.
        n: usize,
        /// The socket has no more for now.
        drained: bool,
    },
    /// Nothing there.
    Nothing,
    /// The connection is gone.
    Ended(TcpError),
}

/// What a flush did.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Flushed {
    /// `TcpEvent::Written { pending }` is to be told.
    pub(crate) written: Option<bool>,
    /// The node may have more, and the socket takes more: flush again in the next turn.
    pub(crate) again: bool,
    /// Writing failed: read what is still there, then the connection ends.
    pub(crate) broken: bool,
}

/// A connection of the node.
#[derive(Debug)]
pub(crate) struct Conn {
    pub(crate) id: ConnId,
    stream: TcpStream,
    /// The peer's address, once it is up: an ended connection has none any more.
    remote: Option<IpAddr>,
    connecting: bool,
    leftover: Leftover,
    /// False from a write that the socket did not take whole until epoll says it takes more.
    writable: bool,
    write_error: Option<TcpError>,
    /// The socket took something from us.
    has_sent: bool,
    /// The peer sent FIN, or worse: a short read does not mean there is no news.
    read_closed: bool,
    /// Stands in the list of connections to read from.
    pub(crate) queued_to_read: bool,
    /// Stands in the list of connections to flush.
    pub(crate) queued_to_flush: bool,
}

impl Conn {
    /// A connection that [`connect`] began.
    pub(crate) fn outgoing(id: ConnId, stream: TcpStream) -> Conn {
        Conn {
            id,
            stream,
            remote: None,
            connecting: true,
            leftover: Leftover::default(),
            writable: true,
            write_error: None,
            has_sent: false,
            read_closed: false,
            queued_to_read: false,
            queued_to_flush: false,
        }
    }

    /// A connection that a listener accepted.
    pub(crate) fn incoming(id: ConnId, stream: TcpStream) -> Conn {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!("cannot set TCP_NODELAY: {error}");
        }
        let remote = stream.peer_addr().ok().map(|remote| remote.ip());
        Conn { connecting: false, remote, ..Conn::outgoing(id, stream) }
    }

    pub(crate) fn stream_mut(&mut self) -> &mut TcpStream {
        &mut self.stream
    }

    /// The peer's address, once it is or was up.
    pub(crate) fn remote(&self) -> Option<IpAddr> {
        self.remote
    }

    pub(crate) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    pub(crate) fn is_connecting(&self) -> bool {
        self.connecting
    }

    /// Sets TTL and minimum TTL. An accepted connection has its MD5 key from the listener already.
    pub(crate) fn configure(&self, options: &TcpOptions) -> io::Result<()> {
        apply_ttl(&self.stream, self.stream.local_addr()?.is_ipv4(), options)
    }

    /// Whether a connection that was being opened is up; `None`: not yet known.
    pub(crate) fn finish_connect(&mut self) -> Option<Result<(SocketAddr, SocketAddr), TcpError>> {
        let result = connected(&self.stream);
        if let Some(Ok((_, remote))) = &result {
            self.connecting = false;
            self.remote = Some(remote.ip());
        }
        result
    }

    /// epoll says that the socket takes more; returns whether something waits for that.
    pub(crate) fn set_writable(&mut self) -> bool {
        !std::mem::replace(&mut self.writable, true) || !self.leftover.is_empty()
    }

    pub(crate) fn set_read_closed(&mut self) {
        self.read_closed = true;
    }

    /// Reads once.
    pub(crate) fn receive(&mut self, buf: &mut [u8]) -> Received {
        loop {
            let error = match self.stream.read(buf) {
                Ok(0) => TcpError::EndOfStream,
                Ok(n) => return Received::Bytes { n, drained: n < buf.len() && !self.read_closed },
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return self.write_error.take().map_or(Received::Nothing, Received::Ended);
                }
                Err(error) => tcp_error(&error),
            };
            return Received::Ended(self.write_error.take().unwrap_or(error));
        }
    }

    /// Writes what was left over, then one pull of what the node has, as far as the socket takes it.
    pub(crate) fn flush(&mut self, scratch: &mut Vec<u8>, pull: Pull<'_>) -> Flushed {
        if self.connecting || !self.writable || self.write_error.is_some() {
            return Flushed::default();
        }
        let was_pending = !self.leftover.is_empty();
        let (mut progress, mut again) = (false, false);
        let result = self.flush_once(scratch, pull, &mut progress, &mut again);
        let pending = !self.leftover.is_empty();
        self.writable = !pending;
        self.has_sent |= progress;
        if let Err(error) = result {
            self.write_error = Some(tcp_error(&error));
            self.leftover.clear();
            return Flushed { broken: true, ..Flushed::default() };
        }
        let tell = was_pending != pending || (was_pending && progress);
        Flushed { written: tell.then_some(pending), again, broken: false }
    }

    fn flush_once(
        &mut self,
        scratch: &mut Vec<u8>,
        pull: Pull<'_>,
        progress: &mut bool,
        again: &mut bool,
    ) -> io::Result<()> {
        *progress |= self.leftover.write_to(&mut self.stream)?;
        if self.leftover.is_empty() {
            scratch.clear();
            let more = pull(PULL_LIMIT, scratch);
            let n = write_some(&mut self.stream, scratch)?;
            *progress |= n > 0;
            self.leftover.keep(&scratch[n..]);
            *again = more && self.leftover.is_empty();
        }
        Ok(())
    }

    /// Closes, with `last_words` after all that waits. With `reset` the peer gets RST; otherwise FIN, and where anything
    /// was said the socket is to be kept in what is returned, since closing it at once could destroy what is in flight.
    pub(crate) fn close(mut self, reset: bool, last_words: &[u8]) -> Option<Lingering> {
        if self.connecting || self.write_error.is_some() {
            return None;
        }
        self.leftover.keep(last_words);
        let said = self.has_sent || !self.leftover.is_empty();
        let result = self.leftover.write_to(&mut self.stream);
        if reset && let Err(error) = SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)) {
            tracing::debug!("cannot set SO_LINGER: {error}");
        }
        if reset || result.is_err() || !said {
            return None;
        }
        Some(Lingering { stream: self.stream, leftover: self.leftover, half_closed: false })
    }
}

/// What became of a lingering connection.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Linger {
    /// The peer has closed too: drop it.
    Done,
    /// epoll will tell.
    Wait,
    /// There is more to read now.
    More,
}

/// A connection that is closed for the node, while the last octets (a NOTIFICATION, as a rule) still travel.
///
/// Linux answers `close` with RST where octets were received and not read, and RST makes the peer forget what it
/// has not read yet. So: FIN, then read and forget until the peer's FIN.
#[derive(Debug)]
pub(crate) struct Lingering {
    stream: TcpStream,
    leftover: Leftover,
    half_closed: bool,
}

impl Lingering {
    pub(crate) fn stream_mut(&mut self) -> &mut TcpStream {
        &mut self.stream
    }

    /// Goes on as far as the socket allows. `buf` is scratch space.
    pub(crate) fn advance(&mut self, buf: &mut [u8]) -> Linger {
        if self.leftover.write_to(&mut self.stream).is_err() {
            return Linger::Done;
        }
        if self.leftover.is_empty() && !self.half_closed {
            self.half_closed = true;
            if self.stream.shutdown(Shutdown::Write).is_err() {
                return Linger::Done;
            }
        }
        for _ in 0..LINGER_READS {
            match self.stream.read(buf) {
                Ok(0) => return Linger::Done,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Linger::Wait,
                Err(_) => return Linger::Done,
            }
        }
        Linger::More
    }
}

/// Octets that a socket did not take; its memory is freed when they are gone.
#[derive(Debug, Default)]
struct Leftover {
    octets: Vec<u8>,
    written: usize,
}

impl Leftover {
    fn is_empty(&self) -> bool {
        self.octets.is_empty()
    }

    fn keep(&mut self, octets: &[u8]) {
        self.octets.extend_from_slice(octets);
    }

    fn clear(&mut self) {
        *self = Leftover::default();
    }

    /// Returns whether the socket took anything.
    fn write_to(&mut self, stream: &mut TcpStream) -> io::Result<bool> {
        if self.is_empty() {
            return Ok(false);
        }
        let n = write_some(stream, &self.octets[self.written..])?;
        self.written += n;
        if self.written == self.octets.len() {
            self.clear();
        }
        Ok(n > 0)
    }
}

/// Writes until all is written or the socket takes no more; how much it took.
fn write_some(stream: &mut TcpStream, octets: &[u8]) -> io::Result<usize> {
    let mut written = 0;
    while written < octets.len() {
        match stream.write(&octets[written..]) {
            Ok(0) => break,
            Ok(n) => written += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) => return Err(error),
        }
    }
    Ok(written)
}
