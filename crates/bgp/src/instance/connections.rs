//! Connections: whose they are, and what those get that are nobody's.

use super::{Bgp, Output};
use crate::config::{NeighborConfig, Reject};
use crate::rib::table::PeerId;
use crate::session;
use crate::transport::{TcpAction, TcpError, TcpEvent};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use trunkline_core::{ConnId, Instant, Outbox};
use trunkline_view::EventKind;
use trunkline_wire::bgp::{ErrorCode, Notification};

impl Bgp {
    pub(super) fn tcp(&mut self, now: Instant, conn: ConnId, event: TcpEvent<'_>, out: &mut Outbox<Output>) {
        if let TcpEvent::Incoming { local, remote } = event {
            return self.accept(now, conn, local, remote, out);
        }
        let Some(id) = self.peer_of(conn) else { return };
        let owned = self.peers.get(id.index()).and_then(Option::as_ref).is_some_and(|p| p.session.owns(conn));
        if !owned {
            return;
        }
        match event {
            TcpEvent::Bytes(bytes) => self.receive(now, id, conn, bytes, out),
            TcpEvent::Connected { local, remote } => {
                self.session_input(now, id, session::Input::Connected { conn, local, remote }, out);
            }
            TcpEvent::Written { pending } => {
                self.session_input(now, id, session::Input::Written { conn, pending }, out);
            }
            TcpEvent::Failed(error) | TcpEvent::Closed(error) => self.closed(now, id, conn, error, out),
            TcpEvent::Incoming { .. } => {}
        }
    }

    fn closed(&mut self, now: Instant, id: PeerId, conn: ConnId, error: TcpError, out: &mut Outbox<Output>) {
        self.incoming.remove(&conn);
        self.session_input(now, id, session::Input::Closed { conn, error }, out);
    }

    /// A peer connected: to a neighbour's session, to a new one of a listen range, or to nobody's.
    fn accept(
        &mut self,
        now: Instant,
        conn: ConnId,
        local: SocketAddr,
        remote: SocketAddr,
        out: &mut Outbox<Output>,
    ) {
        let address = remote.ip().to_canonical();
        let id = match self.by_address.get(&address) {
            Some(id) => Ok(*id),
            None => self.accept_dynamic(now, address, out),
        };
        match id {
            Ok(id) if self.is_enabled(id) => {
                self.incoming.insert(conn, id);
                self.session_input(now, id, session::Input::Incoming { conn, local, remote }, out);
            }
            Ok(_) => self.reject(conn, address, "the neighbor is shut down", out),
            Err(why) => {
                self.note_stranger(now, address);
                self.reject(conn, address, why, out);
            }
        }
    }

    fn is_enabled(&self, id: PeerId) -> bool {
        self.peers.get(id.index()).and_then(Option::as_ref).is_some_and(|p| !p.session.is_shutdown())
    }

    fn accept_dynamic(
        &mut self,
        now: Instant,
        address: IpAddr,
        out: &mut Outbox<Output>,
    ) -> Result<PeerId, &'static str> {
        let covers = |prefix: trunkline_core::Prefix| prefix.contains(address);
        let Some(range) = self.config.listen_ranges.iter().position(|r| covers(r.prefix)) else {
            return Err("no such neighbor is configured");
        };
        let in_range = self.peers.iter().flatten().filter(|p| p.state.range == Some(range)).count();
        let (limit, template) = {
            let range = &self.config.listen_ranges[range];
            (range.limit, range.template.clone())
        };
        if in_range >= limit as usize {
            return Err("the listen range has as many neighbors as its limit allows");
        }
        let config = NeighborConfig { address, passive: true, ..(*template).clone() };
        self.add_neighbor(now, Arc::new(config), Some(range), out).ok_or("there are too many neighbors")
    }

    /// RFC 4271 §8.2.1, RFC 4486 §4: a connection that is nobody's.
    fn reject(&mut self, conn: ConnId, address: IpAddr, why: &str, out: &mut Outbox<Output>) {
        let how = match self.config.reject {
            Reject::Close => "closed",
            Reject::Notify => {
                let mut words = Vec::new();
                Notification::new(ErrorCode::CONNECTION_REJECTED).emit(&mut words);
                self.last_words.insert(conn, words);
                "answered Cease/Connection Rejected (6/5)"
            }
        };
        out.push(Output::Tcp(TcpAction::Close { conn, reset: false }));
        let message = format!("connection refused: {why}; {how}");
        out.push(Output::Event(EventKind::BgpNotice { neighbor: address, message }));
    }
}
