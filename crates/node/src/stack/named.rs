//! Sockets that are opened by name, for the steps of a lab.

use super::sockets::{Server, Socket, address};
use super::{Said, Stack};
use trunkline_core::Instant;
use trunkline_ip::Lookup;
use trunkline_tcp::{Closed, Endpoint, Options, SocketId};
use trunkline_view::probe::ConnectQuery;
use trunkline_view::{Answer, DoneView, ErrorKind, EventKind, Query};

/// Of what came, so much is kept to be shown.
const KEPT: usize = 1024;

/// The most connections that have names, those that peers open included; and the most listeners.
const MAX_NAMED: usize = 1024;

/// A named connection.
#[derive(Debug)]
pub(super) struct Named {
    pub(super) name: String,
    /// The last octets that came.
    pub(super) received: Vec<u8>,
    ended: bool,
}

impl Named {
    fn new(name: String) -> Named {
        Named { name, received: Vec::new(), ended: false }
    }
}

type Outcome = Result<String, (ErrorKind, String)>;

impl Stack {
    /// Carries out an order about a named socket; none: it is another query.
    pub(super) fn named_query(&mut self, now: Instant, query: &Query) -> Option<Answer> {
        let outcome = match query {
            Query::TcpConnect(query) => self.named_connect(now, query),
            Query::TcpListen { name, port } => self.named_listen(name, *port),
            Query::TcpSend { name, text } => self.named_send(now, name, text),
            Query::TcpClose { name } => self.named_close(now, name),
            Query::TcpAbort { name } => self.named_abort(now, name),
            _ => return None,
        };
        self.tcp_touched = true;
        Some(match outcome {
            Ok(message) => Answer::Done(DoneView { message }),
            Err((kind, message)) => Answer::error(kind, message),
        })
    }

    fn find(&self, name: &str) -> Result<SocketId, (ErrorKind, String)> {
        self.sockets.named(name).ok_or((ErrorKind::NotFound, format!("no connection is called {name}")))
    }

    fn named_connect(&mut self, now: Instant, query: &ConnectQuery) -> Outcome {
        if self.sockets.named(&query.name).is_some() {
            return Err((ErrorKind::Invalid, format!("a connection is called {} already", query.name)));
        }
        if self.sockets.names.len() >= MAX_NAMED {
            return Err((ErrorKind::Unavailable, "too many connections".to_owned()));
        }
        let remote = (*query.remote.ip(), query.remote.port());
        let failed =
            |reason: &str| (ErrorKind::Unavailable, format!("cannot connect to {}: {reason}", query.remote));
        let Lookup { source, mtu, .. } = self.ip.route(now, remote.0, 0).ok_or_else(|| failed("no route"))?;
        let source = query.source.or(source).ok_or_else(|| failed("no address of ours can be the source"))?;
        let local = (source, query.local_port.unwrap_or(0));
        let opened = self.tcp.connect(now, local, remote, Options::default(), mtu, &mut self.tcp_out);
        let id = opened.map_err(|error| failed(&error.to_string()))?;
        self.name(id, &query.name);
        Ok(format!("{} connects to {}", query.name, query.remote))
    }

    fn name(&mut self, id: SocketId, name: &str) {
        self.sockets.sockets.insert(id, Socket::Named(Named::new(name.to_owned())));
        self.sockets.names.insert(name.to_owned(), id);
    }

    fn named_listen(&mut self, name: &str, port: u16) -> Outcome {
        let server = Server::Named(name.to_owned());
        if self.sockets.servers.values().any(|known| *known == server) {
            return Err((ErrorKind::Invalid, format!("a listener is called {name} already")));
        }
        if self.sockets.servers.len() >= MAX_NAMED {
            return Err((ErrorKind::Unavailable, "too many listeners".to_owned()));
        }
        let opened = self.open_listener((port, None), server);
        opened.map_err(|error| (ErrorKind::Unavailable, format!("cannot listen on port {port}: {error}")))?;
        Ok(format!("{name} listens on port {port}"))
    }

    fn named_send(&mut self, now: Instant, name: &str, text: &str) -> Outcome {
        let id = self.find(name)?;
        let failed = |reason: String| (ErrorKind::Unavailable, format!("cannot send by {name}: {reason}"));
        let sent = self.tcp.send(now, id, text.as_bytes(), &mut self.tcp_out);
        match sent.map_err(|error| failed(error.to_string()))? {
            sent if sent == text.len() => Ok(format!("{name}: {sent} octets")),
            sent => Err(failed(format!("only {sent} of {} octets fit into the send buffer", text.len()))),
        }
    }

    fn named_close(&mut self, now: Instant, name: &str) -> Outcome {
        let failed = |error: trunkline_tcp::ApiError| {
            (ErrorKind::Unavailable, format!("cannot close {name}: {error}"))
        };
        if let Some(id) = self.sockets.named(name) {
            self.tcp.shutdown_write(now, id, &mut self.tcp_out).map_err(failed)?;
            return Ok(format!("{name} is closing"));
        }
        let listener = self.sockets.servers.iter().find(|(_, s)| **s == Server::Named(name.to_owned()));
        let Some(id) = listener.map(|(id, _)| *id) else {
            return Err((ErrorKind::NotFound, format!("no connection or listener is called {name}")));
        };
        self.sockets.servers.remove(&id);
        self.sockets.listeners.retain(|_, (known, _)| *known != id);
        self.tcp.close_listener(now, id, &mut self.tcp_out).map_err(failed)?;
        Ok(format!("{name} listens no more"))
    }

    fn named_abort(&mut self, now: Instant, name: &str) -> Outcome {
        let id = self.find(name)?;
        let aborted = self.tcp.abort(now, id, &mut self.tcp_out);
        aborted.map_err(|error| (ErrorKind::Unavailable, format!("cannot abort {name}: {error}")))?;
        Ok(format!("{name} is reset"))
    }

    pub(super) fn named_incoming(&mut self, now: Instant, id: SocketId, listener: &str, remote: Endpoint) {
        if self.sockets.names.len() >= MAX_NAMED {
            let _ = self.tcp.abort(now, id, &mut self.tcp_out);
            return;
        }
        let mut name = listener.to_owned();
        let mut number = 1;
        while self.sockets.named(&name).is_some() {
            number += 1;
            name = format!("{listener}-{number}");
        }
        self.name(id, &name);
        self.named_says(id, &format!("connected from {}", address(remote)));
    }

    pub(super) fn named_says(&mut self, id: SocketId, message: &str) {
        let Some(Socket::Named(named)) = self.sockets.sockets.get(&id) else { return };
        let name = named.name.clone();
        self.tell(|| EventKind::Socket { name, message: message.to_owned() });
    }

    pub(super) fn named_ready(&mut self, now: Instant, id: SocketId) {
        let mut octets = std::mem::take(&mut self.octets);
        octets.clear();
        let received = self.tcp.receive(now, id, &mut octets, usize::MAX, &mut self.tcp_out);
        if let (Ok(received), Some(Socket::Named(named))) = (received, self.sockets.sockets.get_mut(&id)) {
            named.received.extend_from_slice(&octets);
            let excess = named.received.len().saturating_sub(KEPT);
            named.received.drain(..excess);
            let end = received.eof && !std::mem::replace(&mut named.ended, received.eof);
            if received.octets > 0 {
                self.named_says(id, &format!("received {} octets", received.octets));
            }
            if end {
                self.named_says(id, "the peer has closed");
            }
        }
        self.octets = octets;
    }

    pub(super) fn named_closed(&mut self, named: Named, why: Closed) {
        self.sockets.names.remove(&named.name);
        let message = match why {
            Closed::Done => "closed by both",
            Closed::Reset => "reset by the peer",
            Closed::Refused => "refused by the peer",
            Closed::TimedOut => "timed out",
            Closed::Unreachable => "the peer cannot be reached",
            Closed::Aborted => "reset by us",
        };
        if self.watched {
            let (name, message) = (named.name, message.to_owned());
            self.said.push(Said::Event(EventKind::Socket { name, message }));
        }
    }
}
