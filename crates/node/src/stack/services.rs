//! The small services: echo (RFC 862), discard (RFC 863) and the character generator (RFC 864), over TCP.

use super::Stack;
use super::pattern::{CHUNK, Pattern};
use super::sockets::Socket;
use crate::config::ServiceKind;
use trunkline_core::Instant;
use trunkline_tcp::SocketId;

/// Characters in a line of chargen, and printable characters in ASCII (RFC 864).
const LINE: usize = 72;
const PRINTABLE: usize = 95;

/// What chargen sends.
pub(super) const PATTERN: Pattern = Pattern::new((LINE + 2) * PRINTABLE, character);

/// A connection to a service.
#[derive(Debug)]
pub(super) struct ServiceState {
    pub(super) kind: ServiceKind,
    /// Octets of chargen that were sent.
    sent: u64,
    closing: bool,
}

impl ServiceState {
    /// A new connection.
    pub(super) fn new(kind: ServiceKind) -> ServiceState {
        ServiceState { kind, sent: 0, closing: false }
    }
}

/// The octet of chargen's output at a place.
fn character(at: usize) -> u8 {
    let (line, column) = (at / (LINE + 2), at % (LINE + 2));
    match column {
        LINE => b'\r',
        column if column > LINE => b'\n',
        column => b' ' + ((line + column) % PRINTABLE) as u8,
    }
}

impl Stack {
    /// Something can be done for a connection to a service.
    pub(super) fn serve(&mut self, now: Instant, id: SocketId) {
        let mut octets = std::mem::take(&mut self.octets);
        while self.serve_some(now, id, &mut octets) {}
        self.octets = octets;
        self.tcp_touched = true;
    }

    /// Does it, a bounded piece at once; whether there may be more.
    fn serve_some(&mut self, now: Instant, id: SocketId, octets: &mut Vec<u8>) -> bool {
        let Some(Socket::Service(service)) = self.sockets.sockets.get_mut(&id) else { return false };
        if service.closing {
            return false;
        }
        let (tcp, out) = (&mut self.tcp, &mut self.tcp_out);
        octets.clear();
        // An echo takes no more than it can give back: so the sender is held back.
        let limit = match service.kind {
            ServiceKind::Echo => tcp.send_room(id).min(CHUNK),
            _ => CHUNK,
        };
        if limit == 0 {
            // Nothing is taken by this: it asks to be told when there is room.
            let _ = tcp.send(now, id, &[0], out);
            return false;
        }
        let Ok(received) = tcp.receive(now, id, octets, limit, out) else { return false };
        let mut more = received.octets > 0;
        match service.kind {
            ServiceKind::Echo => drop(tcp.send(now, id, octets, out)),
            // Its connections have more to say; see `iperf`.
            ServiceKind::Discard | ServiceKind::Iperf3 => {}
            ServiceKind::Chargen if received.eof => {}
            ServiceKind::Chargen => {
                let characters = self.characters.from(service.sent, u64::MAX);
                let sent = tcp.send(now, id, characters, out).unwrap_or(0);
                service.sent += sent as u64;
                // Until TCP takes no more; it tells when there is room again.
                more = sent == CHUNK;
            }
        }
        if received.eof {
            service.closing = true;
            let _ = tcp.close(now, id, out);
            return false;
        }
        more
    }
}
