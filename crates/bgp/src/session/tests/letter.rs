//! A peer that resolves collisions by the letter of RFC 4271 §6.8, each side for itself, as BIRD does.

use crate::session::{Input, Output, State};
use crate::transport::TcpAction;
use std::net::Ipv4Addr;
use trunkline_core::{ConnId, Duration, Instant, Outbox};
use trunkline_wire::bgp::{
    ErrorCode, HEADER_LEN, MAX_MESSAGE_LEN, MessageType, Notification, Open, VERSION, emit_keepalive, frame,
};

#[derive(Debug)]
struct Conn {
    id: ConnId,
    state: State,
    received: Vec<u8>,
    tx: Vec<u8>,
}

/// The peer: no hold timer, no families, no errors but collisions.
#[derive(Debug)]
pub(super) struct Letter {
    id: Ipv4Addr,
    asn: u16,
    conns: Vec<Conn>,
    closed: Vec<(ConnId, Vec<u8>)>,
    connections: u64,
    pub(super) retry: Option<Instant>,
    /// Times that it had no connection left and had to start again.
    pub(super) retries: u64,
    pub(super) flaps: u64,
}

impl Letter {
    pub(super) fn new(asn: u16, id: u8) -> Letter {
        Letter {
            id: Ipv4Addr::new(10, 0, 0, id),
            asn,
            conns: Vec::new(),
            closed: Vec::new(),
            connections: 0,
            retry: None,
            retries: 0,
            flaps: 0,
        }
    }

    pub(super) fn established_conn(&self) -> Option<ConnId> {
        self.conns.iter().find(|c| c.state == State::Established).map(|c| c.id)
    }

    pub(super) fn handle(&mut self, now: Instant, input: Input, out: &mut Outbox<Output>) {
        match input {
            Input::AutomaticStart => self.connect(out),
            Input::Connected { conn, .. } => self.send_open(conn, out),
            Input::Incoming { conn, .. } if self.conns.iter().any(|c| c.id.is_incoming()) => {
                out.push(Output::Tcp(TcpAction::Close { conn, reset: false }));
            }
            Input::Incoming { conn, .. } => {
                self.add(conn);
                self.send_open(conn, out);
            }
            Input::Closed { conn, .. } => self.gone(now, conn, out),
            _ => {}
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Instant, out: &mut Outbox<Output>) {
        if self.retry.take_if(|at| *at <= now).is_some() && self.conns.is_empty() {
            self.connect(out);
        }
    }

    fn add(&mut self, id: ConnId) {
        self.conns.push(Conn { id, state: State::Connect, received: Vec::new(), tx: Vec::new() });
    }

    fn connect(&mut self, out: &mut Outbox<Output>) {
        self.connections += 1;
        let conn = ConnId::outgoing(1 << 40 | self.connections);
        self.add(conn);
        let remote = "192.0.2.1:179".parse().unwrap();
        out.push(Output::Tcp(TcpAction::Connect { conn, remote, local: None, options: Default::default() }));
    }

    fn get(&mut self, conn: ConnId) -> Option<&mut Conn> {
        self.conns.iter_mut().find(|c| c.id == conn)
    }

    fn send_open(&mut self, conn: ConnId, out: &mut Outbox<Output>) {
        let (bgp_identifier, my_as) = (self.id, self.asn);
        let Some(c) = self.get(conn) else { return };
        c.state = State::OpenSent;
        Open { version: VERSION, my_as, hold_time: 0, bgp_identifier, parameters: Vec::new() }
            .emit(&mut c.tx);
        out.push(Output::Tcp(TcpAction::Transmit(conn)));
    }

    pub(super) fn poll_transmit(&mut self, conn: ConnId, buf: &mut Vec<u8>) {
        if let Some(c) = self.get(conn) {
            buf.append(&mut c.tx);
        }
        self.closed.retain_mut(|(id, tx)| {
            if *id == conn {
                buf.append(tx);
            }
            *id != conn
        });
    }

    pub(super) fn receive(&mut self, now: Instant, conn: ConnId, bytes: &[u8], out: &mut Outbox<Output>) {
        let Some(c) = self.get(conn) else { return };
        c.received.extend_from_slice(bytes);
        while let Some(c) = self.get(conn) {
            let message = match frame(&c.received, MAX_MESSAGE_LEN) {
                Ok(Some(f)) => (f.kind, f.body.to_vec()),
                _ => return,
            };
            c.received.drain(..HEADER_LEN + message.1.len());
            match message {
                (MessageType::Open, body) => self.open(now, conn, &Open::parse(&body).unwrap(), out),
                (MessageType::Keepalive, _) if c.state == State::OpenConfirm => {
                    c.state = State::Established;
                    out.push(Output::Established { conn });
                }
                (MessageType::Notification, _) => {
                    out.push(Output::Tcp(TcpAction::Close { conn, reset: false }));
                    self.gone(now, conn, out);
                }
                _ => {}
            }
        }
    }

    fn open(&mut self, now: Instant, conn: ConnId, theirs: &Open, out: &mut Outbox<Output>) {
        let peer_wins = (self.id, self.asn) < (theirs.bgp_identifier, theirs.my_as);
        let other = self.conns.iter().find(|c| c.id != conn).map(|c| (c.id, c.state));
        match other {
            // "compare the BGP Identifiers", and whoever is higher has opened the connection that stays.
            Some((other, State::OpenConfirm)) if peer_wins == conn.is_incoming() => {
                self.dump(now, other, out)
            }
            Some((_, State::OpenConfirm | State::Established)) => return self.dump(now, conn, out),
            Some((other, State::Connect)) => {
                self.conns.retain(|c| c.id != other);
                out.push(Output::Tcp(TcpAction::Close { conn: other, reset: false }));
            }
            _ => {}
        }
        if let Some(c) = self.get(conn) {
            c.state = State::OpenConfirm;
            emit_keepalive(&mut c.tx);
            out.push(Output::Tcp(TcpAction::Transmit(conn)));
        }
    }

    fn dump(&mut self, now: Instant, conn: ConnId, out: &mut Outbox<Output>) {
        let Some(c) = self.get(conn) else { return };
        let mut tx = std::mem::take(&mut c.tx);
        Notification::new(ErrorCode::CONNECTION_COLLISION_RESOLUTION).emit(&mut tx);
        self.closed.push((conn, tx));
        out.push(Output::Tcp(TcpAction::Close { conn, reset: false }));
        self.gone(now, conn, out);
    }

    fn gone(&mut self, now: Instant, conn: ConnId, out: &mut Outbox<Output>) {
        let was_up = self.established_conn() == Some(conn);
        self.conns.retain(|c| c.id != conn);
        if was_up {
            self.flaps += 1;
            for c in self.conns.drain(..) {
                out.push(Output::Tcp(TcpAction::Close { conn: c.id, reset: false }));
            }
        }
        if self.conns.is_empty() && self.retry.is_none() {
            self.retries += 1;
            self.retry = Some(now + Duration::from_secs(5));
        }
    }
}
