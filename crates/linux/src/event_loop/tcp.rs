//! TCP between the kernel and the node.

use super::connections::MAX_CONNECTIONS;
use super::{EventLoop, FIRST_CONNECTION};
use crate::clock;
use crate::conn::{self, Conn, Linger, Received};
use mio::event::Event as Readiness;
use mio::net::TcpStream;
use mio::{Interest, Token};
use std::net::IpAddr;
use std::net::SocketAddr;
use trunkline_bgp::transport::{TcpAction, TcpError, TcpEvent, TcpKey, TcpOptions};
use trunkline_core::{ConnId, Duration};
use trunkline_node::NodeInput;

/// Connections accepted in a turn.
const ACCEPTS_PER_TURN: usize = 64;

/// Octets asked of the node when it closes a connection: a NOTIFICATION, and what it queued just before.
const LAST_WORDS: usize = 64 * 1024;

/// Octets read at once from one connection: some hundred UPDATEs of a full table, less than a millisecond of work.
const READ: usize = 16 * 1024;

/// How long a turn reads, and how long it writes; what is left over waits for the next.
const TIME: Duration = Duration::from_millis(2);

impl EventLoop {
    pub(super) fn tcp_action(&mut self, action: TcpAction) {
        match action {
            TcpAction::Connect { conn, remote, local, options } => {
                self.connect(conn, remote, local, &options)
            }
            TcpAction::Configure { conn, options } => self.configure(conn, &options),
            TcpAction::Transmit(conn) => {
                if let Some(index) = self.connections.index(conn) {
                    self.connections.queue_to_flush(index);
                }
            }
            TcpAction::Close { conn, reset } => self.close(conn, reset),
            TcpAction::ListenerKey { peer, key } => {
                let md5 = key.and_then(|key| match key {
                    TcpKey::Md5(key) => Some(key),
                    // `configure` refuses the connection.
                    TcpKey::Ao(_) => None,
                });
                self.listeners.set_key(peer, md5);
            }
        }
    }

    fn connect(&mut self, id: ConnId, remote: SocketAddr, local: Option<IpAddr>, options: &TcpOptions) {
        self.facts.begin(self.now, remote.ip());
        let result = conn::connect(remote, local, options)
            .and_then(|stream| self.register(Conn::outgoing(id, stream)).map_err(|e| conn::tcp_error(&e)));
        if let Err(error) = result {
            self.connections.failed.push_back((id, error));
        }
    }

    /// Takes a connection in and has epoll watch it; both directions at once, edge-triggered, so that this is the only
    /// system call for it.
    fn register(&mut self, conn: Conn) -> std::io::Result<usize> {
        let id = conn.id;
        let index = self.connections.insert(conn);
        let Some(conn) = self.connections.get(index) else { return Ok(index) };
        let token = Token(FIRST_CONNECTION + index);
        let interest = Interest::READABLE | Interest::WRITABLE;
        match self.poll.registry().register(conn.stream_mut(), token, interest) {
            Ok(()) => Ok(index),
            Err(error) => {
                self.connections.remove(id);
                Err(error)
            }
        }
    }

    fn configure(&mut self, id: ConnId, options: &TcpOptions) {
        let Some(conn) = self.connections.index(id).and_then(|index| self.connections.get(index)) else {
            return;
        };
        // No listener of the kernel's can have asked for the signature: nothing unsigned may pass for it.
        if let Err(error) = conn::refuse_ao(options) {
            self.connections.remove(id);
            self.connections.failed.push_back((id, error));
            return;
        }
        if let Err(error) = conn.configure(options) {
            tracing::error!("cannot set TTL options on a connection: {error}");
        }
    }

    fn close(&mut self, id: ConnId, reset: bool) {
        // Whether or not they can be written: the node keeps them until they are pulled.
        let last_words = &mut self.write_buffer;
        last_words.clear();
        while self.node.poll_transmit(self.now, id, LAST_WORDS, last_words) && last_words.len() < LAST_WORDS {
        }
        let Some(conn) = self.connections.remove(id) else { return };
        if let Some(remote) = conn.remote() {
            self.facts.ending(self.now, remote, conn.stream());
        }
        let Some(mut lingering) = conn.close(reset, last_words) else { return };
        if lingering.advance(&mut self.read_buffer) == Linger::Done {
            return;
        }
        let index = self.connections.linger(lingering, self.now);
        self.register_lingering(index);
    }

    /// Registering anew tells at once what is ready, though epoll is edge-triggered.
    fn register_lingering(&mut self, index: usize) {
        let Some(lingering) = self.connections.get_lingering(index) else { return };
        let token = Token(FIRST_CONNECTION + index);
        let interest = Interest::READABLE | Interest::WRITABLE;
        if let Err(error) = self.poll.registry().reregister(lingering.stream_mut(), token, interest) {
            tracing::debug!("epoll: {error}");
            self.connections.drop_lingering(index);
        }
    }

    /// epoll says something about a connection.
    pub(super) fn connection_ready(&mut self, index: usize, event: &Readiness) {
        if self.connections.get_lingering(index).is_some() {
            self.linger(index);
            return;
        }
        let Some(conn) = self.connections.get(index) else { return };
        if conn.is_connecting() {
            self.finish_connect(index);
        }
        let Some(conn) = self.connections.get(index) else { return };
        if event.is_read_closed() || event.is_error() {
            conn.set_read_closed();
        }
        let flush = event.is_writable() && conn.set_writable();
        if flush {
            self.connections.queue_to_flush(index);
        }
        if event.is_readable() || event.is_read_closed() || event.is_error() {
            self.connections.queue_to_read(index);
        }
    }

    fn linger(&mut self, index: usize) {
        let Some(lingering) = self.connections.get_lingering(index) else { return };
        match lingering.advance(&mut self.read_buffer) {
            Linger::Wait => {}
            Linger::More => self.register_lingering(index),
            Linger::Done => self.connections.drop_lingering(index),
        }
    }

    fn finish_connect(&mut self, index: usize) {
        let Some(conn) = self.connections.get(index) else { return };
        let id = conn.id;
        let event = match conn.finish_connect() {
            None => return,
            Some(Ok((local, remote))) => TcpEvent::Connected { local, remote },
            Some(Err(error)) => {
                self.connections.remove(id);
                TcpEvent::Failed(error)
            }
        };
        self.feed(NodeInput::Tcp { conn: id, event });
    }

    /// Tells the node of connects that failed at once.
    pub(super) fn tell_failed(&mut self) {
        for _ in 0..self.connections.failed.len() {
            let Some((conn, error)) = self.connections.failed.pop_front() else { break };
            self.feed(NodeInput::Tcp { conn, event: TcpEvent::Failed(error) });
        }
    }

    pub(super) fn accept(&mut self) {
        for _ in 0..ACCEPTS_PER_TURN {
            let Some((stream, remote)) = self.listeners.accept(self.now) else { break };
            self.accepted(stream, remote);
        }
    }

    fn accepted(&mut self, stream: TcpStream, remote: SocketAddr) {
        let Ok(local) = stream.local_addr() else { return };
        let Some(id) = self.connections.next_incoming() else {
            tracing::warn!("refused a connection from {remote}: there are {MAX_CONNECTIONS} already");
            return;
        };
        match self.register(Conn::incoming(id, stream)) {
            Ok(_) => self.feed(NodeInput::Tcp { conn: id, event: TcpEvent::Incoming { local, remote } }),
            Err(error) => tracing::error!("cannot watch a connection from {remote}: {error}"),
        }
    }

    /// Reads from one of the connections that had more than one read brought, once from those of which epoll has news, and
    /// from the others in turn, as long as the time lasts: who has little to say waits for no one who has much.
    pub(super) fn read(&mut self) {
        let end = clock::now() + TIME;
        if let Some(index) = self.connections.to_read.pop_more() {
            self.read_once(index);
        }
        while let Some(index) = self.connections.to_read.pop() {
            self.read_once(index);
            if self.now >= end {
                break;
            }
        }
    }

    fn read_once(&mut self, index: usize) {
        let Some(conn) = self.connections.get(index) else { return };
        conn.queued_to_read = false;
        let id = conn.id;
        self.now = clock::now();
        match conn.receive(&mut self.read_buffer[..READ]) {
            Received::Nothing => {}
            Received::Bytes { n, drained } => {
                let buffer = std::mem::take(&mut self.read_buffer);
                self.feed(NodeInput::Tcp { conn: id, event: TcpEvent::Bytes(&buffer[..n]) });
                self.read_buffer = buffer;
                // The node may have closed it over what it just read, and another may have its place.
                if !drained && self.connections.index(id) == Some(index) {
                    self.connections.read_again(index);
                }
            }
            Received::Ended(error) => self.ended(id, error),
        }
    }

    fn ended(&mut self, id: ConnId, error: TcpError) {
        if let Some(conn) = self.connections.remove(id)
            && let Some(remote) = conn.remote()
        {
            self.facts.ending(self.now, remote, conn.stream());
        }
        self.feed(NodeInput::Tcp { conn: id, event: TcpEvent::Closed(error) });
    }

    /// Writes to the connections for which the node has something, in the same order as it reads.
    pub(super) fn flush(&mut self) {
        let end = clock::now() + TIME;
        if let Some(index) = self.connections.to_flush.pop_more() {
            self.flush_once(index);
        }
        while let Some(index) = self.connections.to_flush.pop() {
            self.flush_once(index);
            self.now = clock::now();
            if self.now >= end {
                break;
            }
        }
    }

    fn flush_once(&mut self, index: usize) {
        let Some(conn) = self.connections.get(index) else { return };
        conn.queued_to_flush = false;
        let id = conn.id;
        let node = &mut self.node;
        let now = self.now;
        let mut pull = |limit: usize, buf: &mut Vec<u8>| node.poll_transmit(now, id, limit, buf);
        let flushed = conn.flush(&mut self.write_buffer, &mut pull);
        if flushed.again {
            self.connections.flush_again(index);
        }
        if flushed.broken {
            self.connections.queue_to_read(index);
        }
        if let Some(pending) = flushed.written {
            self.feed(NodeInput::Tcp { conn: id, event: TcpEvent::Written { pending } });
        }
    }

    /// Ends lingering connections whose time is over.
    pub(super) fn drop_lingering(&mut self) {
        self.connections.expire(self.now);
    }
}
