//! TCP events (RFC 4271 §8.1.4), and what goes out on a connection.

use super::event::Event;
use super::fsm::{self, Action};
use super::machine::{Conn, Machine};
use super::negotiation::{Ends, our_open};
use super::peer::{Cause, Session, Which};
use super::{Output, State};
use crate::transport::{TcpAction, TcpError, TcpKey, TcpOptions};
use std::net::SocketAddr;
use trunkline_core::{ConnId, Duration, Instant, Outbox};
use trunkline_wire::bgp::{MessageType, RouteRefresh, RouteRefreshSubtype};

/// How many closed connections may wait for the driver to pull their last messages.
const MAX_CLOSING: usize = 8;

impl Session {
    pub(super) fn connected(&mut self, now: Instant, conn: ConnId, ends: Ends, out: &mut Outbox<Output>) {
        let Some(which) = self.which(conn) else { return };
        if self.tcp_up(now, which, ends) {
            self.run(now, which, Event::TcpCrAcked, Cause::text("connected to the peer"), out);
        }
    }

    /// Notes that TCP is up and makes our OPEN; returns false where it was up already.
    fn tcp_up(&mut self, now: Instant, which: Which, ends: Ends) -> bool {
        let open = our_open(&self.local, &self.config, &self.suppressed);
        let Some(machine) = self.machine(which) else { return false };
        let Some(conn) = machine.conn.as_mut().filter(|c| c.ends.is_none()) else { return false };
        conn.ends = Some(ends);
        conn.opened_at = now;
        machine.ours = Some(open);
        true
    }

    /// RFC 4271 §8.2.1: a connection that comes in gets an FSM of its own, unless the neighbour's waits for one.
    pub(super) fn incoming(&mut self, now: Instant, conn: ConnId, ends: Ends, out: &mut Outbox<Output>) {
        if self.owns(conn) {
            return;
        }
        let which = match (self.primary.state, &self.primary.conn, &self.second) {
            // §8.2.2, Idle: refuses all incoming connections.
            (State::Idle, ..) => None,
            (_, None, _) => Some(Which::Primary),
            (_, Some(_), None) => Some(Which::Second),
            // A third connection. On the second the peer has said nothing yet: it has given that one up.
            (_, Some(_), Some(second)) if second.state <= State::OpenSent => {
                self.discard(now, Which::Second, out);
                Some(Which::Second)
            }
            _ => None,
        };
        let Some(which) = which else {
            self.stats.refused_connections += 1;
            out.push(Output::Tcp(TcpAction::Close { conn, reset: false }));
            return;
        };
        let options = self.tcp_options();
        if options != TcpOptions::default() {
            out.push(Output::Tcp(TcpAction::Configure { conn, options }));
        }
        match which {
            Which::Primary => self.primary.conn = Some(Conn::new(conn, now)),
            Which::Second => {
                let mut machine = Machine::new(State::Active);
                machine.conn = Some(Conn::new(conn, now));
                machine.tracked = self.primary.state == State::Established;
                // To the neighbour's FSM this is Event 17, "tracks the second connection".
                let attributes = self.primary.attributes(&self.config);
                let (_, actions) = fsm::step(self.primary.state, Event::TcpConnectionConfirmed, &attributes);
                debug_assert!(
                    self.primary.state < State::OpenSent || actions[..] == [Action::TrackSecondConnection]
                );
                self.second = Some(machine);
            }
        }
        self.tcp_up(now, which, ends);
        self.run(now, which, Event::TcpConnectionConfirmed, Cause::text("the peer connected"), out);
    }

    pub(super) fn closed(&mut self, now: Instant, conn: ConnId, error: &TcpError, out: &mut Outbox<Output>) {
        self.closing.retain(|(id, _)| *id != conn);
        let Some(which) = self.which(conn) else { return };
        let Some(machine) = self.machine(which) else { return };
        let text = match (machine.state, machine.is_up(), error) {
            (
                State::Connect | State::Active | State::OpenSent,
                true,
                TcpError::EndOfStream | TcpError::Reset,
            ) => {
                format!("{error} before its OPEN: it has no such neighbour, or it is disabled there")
            }
            (State::OpenConfirm, ..) => format!("{error} after its OPEN, before its KEEPALIVE"),
            _ => error.to_string(),
        };
        // The driver has dropped it already; there is nothing to close.
        let ended = machine.conn.take().map(|conn| (conn, error.clone()));
        let harmless =
            self.second.is_some() && self.state() > self.machine_ref(which).map_or(State::Idle, |m| m.state);
        self.run(now, which, Event::TcpConnectionFails, Cause { harmless, ended, ..Cause::text(text) }, out);
    }

    /// SendHoldTimer (RFC 9687 §3.1): runs in Established while octets wait, anew at each progress.
    pub(super) fn written(&mut self, now: Instant, conn: ConnId, pending: bool) {
        let time = Duration::from_secs(self.config.send_hold_time.into());
        let Some(which) = self.which(conn) else { return };
        if let Some(machine) = self.machine(which).filter(|m| m.state == State::Established) {
            machine.timers.send_hold = (pending && !time.is_zero()).then(|| now + time);
        }
    }

    pub(super) fn send_route_refresh(&mut self, message: RouteRefresh, out: &mut Outbox<Output>) {
        let Some(negotiated) = self.negotiated() else { return };
        let agreed = match message.subtype {
            RouteRefreshSubtype::Request => negotiated.route_refresh,
            _ => negotiated.enhanced_route_refresh,
        };
        if agreed && negotiated.families.contains(&message.family) {
            self.send(Which::Primary, MessageType::RouteRefresh, |tx| message.emit(tx), out);
        }
    }

    /// Queues a message on the connection of an FSM.
    pub(super) fn send(
        &mut self,
        which: Which,
        kind: MessageType,
        emit: impl FnOnce(&mut Vec<u8>),
        out: &mut Outbox<Output>,
    ) {
        let Some(conn) = self.machine(which).and_then(|m| m.conn.as_mut()) else { return };
        emit(&mut conn.tx);
        let id = conn.id;
        *self.stats.sent.of(kind) += 1;
        out.push(Output::Tcp(TcpAction::Transmit(id)));
    }

    /// Takes the connection from an FSM and closes it; what it has to send stays for the driver to pull.
    pub(super) fn close(&mut self, which: Which, reset: bool, out: &mut Outbox<Output>) {
        let Some(conn) = self.machine(which).and_then(|m| m.conn.take()) else { return };
        if !conn.tx.is_empty() {
            self.closing.push_back((conn.id, conn.tx));
            self.closing.drain(..self.closing.len().saturating_sub(MAX_CLOSING));
        }
        out.push(Output::Tcp(TcpAction::Close { conn: conn.id, reset }));
    }

    /// Options of every connection with this peer: what is external is one hop away unless the configuration says
    /// otherwise, and GTSM (RFC 5082 §3) drops what comes from further away than it says.
    pub(crate) fn tcp_options(&self) -> TcpOptions {
        let external = self.config.asn != self.local.asn;
        let (ttl, min_ttl) = match (self.config.ttl_security, self.config.multihop) {
            (Some(hops), _) => (Some(255), Some(255 - hops.saturating_sub(1))),
            (None, Some(ttl)) => (Some(ttl), None),
            (None, None) => (external.then_some(1), None),
        };
        match self.config.tcp_key() {
            None => TcpOptions { ttl, min_ttl, ..TcpOptions::default() },
            Some(TcpKey::Md5(key)) => TcpOptions { md5: Some(key), ao: None, ttl, min_ttl },
            Some(TcpKey::Ao(keys)) => TcpOptions { md5: None, ao: Some(keys), ttl, min_ttl },
        }
    }

    /// The peer's end of a connection that we open.
    pub(super) fn remote(&self) -> SocketAddr {
        SocketAddr::new(self.config.address, self.config.port)
    }
}
