//! Listening sockets and the MD5 keys on them.

use crate::sockopt;
use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Registry, Token};
use socket2::{Domain, Protocol, Socket, Type};
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use trunkline_bgp::transport::Md5Key;
use trunkline_core::{Duration, Instant, Prefix};

/// Connections that wait to be accepted.
const BACKLOG: i32 = 1024;

/// How long nothing is accepted after the system ran out of descriptors or memory.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(500);

/// Connections that were gone before we accepted them, in a row, before we look elsewhere.
const ACCEPT_ERRORS: usize = 64;

/// Opens a listening socket.
pub(crate) fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let kind = Type::STREAM.nonblocking().cloexec();
    let socket = Socket::new(Domain::for_address(address), kind, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // RFC 5082 §3: a peer that asks for TTL 255 wants it of the SYN,ACK too. What is accepted has it until
    // its neighbour is known.
    sockopt::set_ttl(&socket, address.is_ipv4(), u8::MAX)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(TcpListener::from_std(socket.into()))
}

#[derive(Debug)]
struct Listener {
    address: SocketAddr,
    socket: TcpListener,
    /// Connections may wait: epoll said so, and no accept has said otherwise since.
    ready: bool,
}

/// All listening sockets of a node.
#[derive(Debug)]
pub(crate) struct Listeners {
    slots: Vec<Option<Listener>>,
    first_token: usize,
    keys: BTreeMap<Prefix, Md5Key>,
    /// The slot that is looked at first, another each time, so that a busy listener does not starve the others.
    first: usize,
    paused_until: Option<Instant>,
    exhausted_told: bool,
}

impl Listeners {
    /// Listens on all of `addresses`; the address that failed and why, where one does. Listener `i` has the token
    /// `first_token + i`.
    pub(crate) fn open(
        addresses: &[SocketAddr],
        first_token: usize,
        registry: &Registry,
    ) -> Result<Listeners, (SocketAddr, io::Error)> {
        let mut listeners = Listeners {
            slots: Vec::new(),
            first_token,
            keys: BTreeMap::new(),
            first: 0,
            paused_until: None,
            exhausted_told: false,
        };
        for &address in addresses {
            listeners.add(address, registry).map_err(|error| (address, error))?;
        }
        Ok(listeners)
    }

    fn add(&mut self, address: SocketAddr, registry: &Registry) -> io::Result<()> {
        let mut socket = bind(address)?;
        for (&peer, key) in &self.keys {
            set_key(&socket, address, peer, Some(key));
        }
        let index = match self.slots.iter().position(Option::is_none) {
            Some(free) => free,
            None => {
                self.slots.push(None);
                self.slots.len() - 1
            }
        };
        registry.register(&mut socket, Token(self.first_token + index), Interest::READABLE)?;
        tracing::info!("listening on {}", socket.local_addr().unwrap_or(address));
        self.slots[index] = Some(Listener { address, socket, ready: false });
        Ok(())
    }

    fn remove(&mut self, address: SocketAddr) {
        for slot in &mut self.slots {
            if slot.take_if(|listener| listener.address == address).is_some() {
                tracing::info!("no longer listening on {address}");
            }
        }
    }

    /// Closes all.
    pub(crate) fn close(&mut self) {
        self.slots.clear();
    }

    /// Where we listen, as configured.
    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        self.slots.iter().flatten().map(|listener| listener.address).collect()
    }

    /// Where we listen in fact: a configured port 0 stands for the one the system chose.
    #[cfg(test)]
    pub(crate) fn bound(&self) -> Vec<SocketAddr> {
        self.slots.iter().flatten().filter_map(|listener| listener.socket.local_addr().ok()).collect()
    }

    /// How many listeners have connections waiting, as far as epoll said.
    #[cfg(test)]
    pub(crate) fn ready(&self) -> usize {
        self.slots.iter().flatten().filter(|listener| listener.ready).count()
    }

    /// Listens on `wanted` and nowhere else; or changes nothing and says what stands in the way.
    pub(crate) fn change(
        &mut self,
        wanted: &[SocketAddr],
        registry: &Registry,
    ) -> Result<(), (SocketAddr, io::Error)> {
        let current = self.addresses();
        let removed: Vec<_> = current.iter().copied().filter(|a| !wanted.contains(a)).collect();
        let added: Vec<_> = wanted.iter().copied().filter(|a| !current.contains(a)).collect();
        // The old ones go first: 0.0.0.0:179 and 192.0.2.1:179 cannot both be open.
        for &address in &removed {
            self.remove(address);
        }
        for (i, &address) in added.iter().enumerate() {
            if let Err(error) = self.add(address, registry) {
                for &address in &added[..i] {
                    self.remove(address);
                }
                for &address in &removed {
                    if let Err(error) = self.add(address, registry) {
                        tracing::error!("{}", crate::start::listen_problem(address, &error));
                    }
                }
                return Err((address, error));
            }
        }
        Ok(())
    }

    /// Sets or removes the key of a peer on all listeners of its family.
    pub(crate) fn set_key(&mut self, peer: Prefix, key: Option<Md5Key>) {
        for listener in self.slots.iter().flatten() {
            set_key(&listener.socket, listener.address, peer, key.as_ref());
        }
        match key {
            Some(key) => self.keys.insert(peer, key),
            None => self.keys.remove(&peer),
        };
    }

    /// epoll says that connections wait at the listener with this token.
    pub(crate) fn set_ready(&mut self, token: usize) {
        if let Some(Some(listener)) = self.slots.get_mut(token.wrapping_sub(self.first_token)) {
            listener.ready = true;
        }
    }

    /// When to try again, where connections wait: now (`Instant::ZERO`), or after a pause.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let ready = self.slots.iter().flatten().any(|listener| listener.ready);
        ready.then(|| self.paused_until.unwrap_or(Instant::ZERO))
    }

    /// Accepts a connection, where one waits.
    pub(crate) fn accept(&mut self, now: Instant) -> Option<(TcpStream, SocketAddr)> {
        if self.paused_until.is_some_and(|until| now < until) {
            return None;
        }
        self.paused_until = None;
        self.first = (self.first + 1) % self.slots.len().max(1);
        let (before, after) = self.slots.split_at_mut(self.first);
        let in_turn = after.iter_mut().chain(before).flatten();
        for listener in in_turn.filter(|listener| listener.ready) {
            for _ in 0..ACCEPT_ERRORS {
                let error = match listener.socket.accept() {
                    Ok(accepted) => {
                        self.exhausted_told = false;
                        return Some(accepted);
                    }
                    Err(error) => error,
                };
                match error.raw_os_error() {
                    Some(libc::EAGAIN) => {
                        listener.ready = false;
                        break;
                    }
                    Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM) => {
                        self.paused_until = Some(now + EXHAUSTED_PAUSE);
                        if !std::mem::replace(&mut self.exhausted_told, true) {
                            tracing::error!(
                                "cannot accept connections: {error}; raise the limit (ulimit -n)"
                            );
                        }
                        return None;
                    }
                    // The connection was gone before we took it; accept(2) says to try the next.
                    _ => tracing::debug!("accept: {error}"),
                }
            }
        }
        None
    }
}

fn set_key(socket: &TcpListener, address: SocketAddr, peer: Prefix, key: Option<&Md5Key>) {
    if address.is_ipv4() != peer.is_ipv4() {
        return;
    }
    if let Err(error) = sockopt::set_md5(socket, peer, key) {
        tracing::error!("cannot set the TCP MD5 key of {peer} on the listener at {address}: {error}");
    }
}
