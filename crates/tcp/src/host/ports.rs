//! Active opens: local ports (RFC 6056).

use super::{Tcp, cx};
use crate::api::{ApiError, Cause, Endpoint, Options, Output, SocketId};
use crate::connection::{Connection, Ends};
use std::net::Ipv4Addr;
use trunkline_core::{Instant, Outbox};

impl Tcp {
    /// Active OPEN. A local port of 0 means an ephemeral one (RFC 6056). `path_mtu` in octets.
    pub fn connect(
        &mut self,
        now: Instant,
        local: Endpoint,
        remote: Endpoint,
        options: Options,
        path_mtu: u16,
        out: &mut Outbox<Output>,
    ) -> Result<SocketId, ApiError> {
        if !is_unicast(remote.0) || remote.1 == 0 || !is_unicast(local.0) {
            return Err(ApiError::BadAddress);
        }
        let local = match local.1 {
            0 => (local.0, self.ephemeral_port(local.0, remote).ok_or(ApiError::NoPort)?),
            _ => local,
        };
        let mut after = None;
        if let Some(index) = self.table.find(local, remote) {
            // RFC 9293 §3.10.1: "connection already exists"; TIME-WAIT makes place where timestamps keep old segments
            // apart and its clock has moved on (RFC 6191 §3).
            let old = self.table.get(index).filter(|old| old.may_be_reopened(now)).ok_or(ApiError::InUse)?;
            after = Some(old.snd_nxt());
            self.counters.time_wait_reused += 1;
            self.retire(now, index, Cause::Open, out);
        }
        if self.table.len() >= self.config.max_connections {
            return Err(ApiError::TooMany);
        }
        let id = self.table.next_id();
        let ends = Ends {
            id,
            local,
            remote,
            listener: None,
            iss: self.secret.isn(now, local, remote, after),
            timestamp_offset: self.secret.timestamp_offset(local.0, remote.0),
            path_mtu,
        };
        let connection = Connection::open(ends, options, &mut cx!(self, now, out));
        let index = self.table.insert(connection);
        self.settle(index);
        Ok(id)
    }

    /// A port that no connection to `remote` and no listener has (RFC 6056 §3.3.3: the search begins at a keyed hash of
    /// the ends plus a count).
    fn ephemeral_port(&mut self, local: Ipv4Addr, remote: Endpoint) -> Option<u16> {
        let (first, last) = (*self.config.ephemeral_ports.start(), *self.config.ephemeral_ports.end());
        let count = u32::from(last.checked_sub(first)?) + 1;
        let offset = self.secret.port_offset(local, remote);
        for _ in 0..count {
            let port = first + (offset.wrapping_add(self.next_port) % count) as u16;
            self.next_port = self.next_port.wrapping_add(1);
            let free = self.table.find((local, port), remote).is_none()
                && self.listener_for((local, port)).is_none()
                && port != 0;
            if free {
                return Some(port);
            }
        }
        None
    }
}

/// Whether a connection can have this address (RFC 9293 MUST-46, MUST-57).
pub(super) fn is_unicast(address: Ipv4Addr) -> bool {
    !(address.is_unspecified() || address.is_multicast() || address.is_broadcast())
}
