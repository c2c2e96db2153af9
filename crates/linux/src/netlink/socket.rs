//! Netlink sockets, messages as they stand in a buffer, and dumps.

use super::OUR_PROTOCOL;
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use socket2::SockRef;
use std::io;

/// `nlmsghdr`.
pub(crate) const HEADER_LEN: usize = 16;

/// rtnetlink message types (linux/rtnetlink.h).
pub(crate) mod kind {
    pub(crate) const ERROR: u16 = 2;
    pub(crate) const DONE: u16 = 3;
    pub(crate) const NEW_LINK: u16 = 16;
    pub(crate) const DEL_LINK: u16 = 17;
    pub(crate) const GET_LINK: u16 = 18;
    pub(crate) const SET_LINK: u16 = 19;
    pub(crate) const NEW_ADDRESS: u16 = 20;
    pub(crate) const DEL_ADDRESS: u16 = 21;
    pub(crate) const GET_ADDRESS: u16 = 22;
    pub(crate) const NEW_ROUTE: u16 = 24;
    pub(crate) const DEL_ROUTE: u16 = 25;
    pub(crate) const GET_ROUTE: u16 = 26;
    pub(crate) const NEW_NEIGHBOR: u16 = 28;
    pub(crate) const GET_NEIGHBOR: u16 = 30;
}

/// Message flags (linux/netlink.h).
pub(crate) mod flag {
    pub(crate) const REQUEST: u16 = 0x1;
    pub(crate) const ACK: u16 = 0x4;
    pub(crate) const DUMP_INTERRUPTED: u16 = 0x10;
    pub(crate) const REPLACE: u16 = 0x100;
    pub(crate) const CREATE: u16 = 0x400;
    pub(crate) const DUMP: u16 = 0x300;
    /// In a reply: the request is left out of the error message.
    pub(crate) const CAPPED: u16 = 0x100;
    /// In a reply: attributes follow.
    pub(crate) const ACK_ATTRIBUTES: u16 = 0x200;
}

/// Octets asked of the kernel at once; it fills them with many messages of a dump.
pub(crate) const BUFFER_LEN: usize = 64 * 1024;

/// A dump that the kernel calls inconsistent, since something changed meanwhile, is tried so often.
const DUMP_TRIES: usize = 4;

/// Opens a socket and gives its port number (`nlmsg_pid` of what it causes). `receive_buffer` is in octets.
pub(crate) fn open(receive_buffer: usize) -> io::Result<(Socket, u32)> {
    open_protocol(NETLINK_ROUTE, receive_buffer)
}

/// The same for another of netlink's protocols.
pub(crate) fn open_protocol(protocol: isize, receive_buffer: usize) -> io::Result<(Socket, u32)> {
    let mut socket = Socket::new(protocol)?;
    let address = socket.bind_auto()?;
    // Beyond net.core.rmem_max only with CAP_NET_ADMIN; as much as we may otherwise.
    if socket.set_rx_buf_sz(i32::try_from(receive_buffer).unwrap_or(i32::MAX)).is_err() {
        SockRef::from(&socket).set_recv_buffer_size(receive_buffer)?;
    }
    // Better error texts and shorter errors; kernels before 4.12 have neither.
    let _ = socket.set_ext_ack(true);
    let _ = socket.set_cap_ack(true);
    Ok((socket, address.port_number()))
}

/// Receives one datagram: one or more messages.
pub(crate) fn receive(socket: &Socket, buf: &mut [u8], flags: libc::c_int) -> io::Result<usize> {
    loop {
        let mut target = &mut *buf;
        match socket.recv(&mut target, flags) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result.map(|n| n.min(buf.len())),
        }
    }
}

pub(crate) fn send(socket: &Socket, octets: &[u8]) -> io::Result<()> {
    socket.send_to(octets, &SocketAddr::new(0, 0), 0).map(drop)
}

/// One message in a buffer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Message<'a> {
    pub(crate) kind: u16,
    pub(crate) flags: u16,
    pub(crate) sequence: u32,
    /// The port of the socket that caused it; 0: the kernel itself.
    pub(crate) port: u32,
    pub(crate) payload: &'a [u8],
    /// Header and payload.
    pub(crate) octets: &'a [u8],
}

impl Message<'_> {
    /// `rtm_protocol` of a route message, without parsing the rest.
    pub(crate) fn route_protocol(&self) -> Option<u8> {
        self.payload.get(5).copied()
    }
}

/// The messages in a datagram.
pub(crate) fn messages(mut octets: &[u8]) -> impl Iterator<Item = Message<'_>> {
    std::iter::from_fn(move || {
        let len = read_u32(octets, 0)? as usize;
        let payload = octets.get(HEADER_LEN..len)?;
        let message = Message {
            kind: read_u16(octets, 4)?,
            flags: read_u16(octets, 6)?,
            sequence: read_u32(octets, 8)?,
            port: read_u32(octets, 12)?,
            payload,
            octets: octets.get(..len)?,
        };
        octets = octets.get(len.next_multiple_of(4)..).unwrap_or_default();
        Some(message)
    })
}

/// A 16-bit number in the machine's order, as netlink has them.
pub(crate) fn read_u16(octets: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(octets.get(at..at + 2)?.try_into().ok()?))
}

/// A 32-bit number in the machine's order.
pub(crate) fn read_u32(octets: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(octets.get(at..at + 4)?.try_into().ok()?))
}

/// What to dump.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Dump {
    /// All interfaces.
    Links,
    /// All addresses of a family (AF_INET, AF_INET6).
    Addresses { family: u8 },
    /// The routes of a table; of one protocol, or of all but ours (0).
    Routes { family: u8, table: u32, protocol: u8 },
}

impl Dump {
    /// Whether a message of the answer matters.
    fn wants(self, message: &Message<'_>) -> bool {
        match self {
            Dump::Routes { protocol: 0, .. } => message.route_protocol() != Some(OUR_PROTOCOL),
            Dump::Routes { protocol, .. } => message.route_protocol() == Some(protocol),
            Dump::Links | Dump::Addresses { .. } => true,
        }
    }

    fn request(self, sequence: u32) -> Vec<u8> {
        let (kind, body) = match self {
            Dump::Links => (kind::GET_LINK, vec![0; 16]),
            Dump::Addresses { family } => (kind::GET_ADDRESS, vec![family, 0, 0, 0, 0, 0, 0, 0]),
            Dump::Routes { family, table, protocol } => {
                // struct rtmsg, then RTA_TABLE (15), which has room for tables above 255.
                let mut body = vec![family, 0, 0, 0, 0, protocol, 0, 0, 0, 0, 0, 0];
                body.extend_from_slice(&8u16.to_ne_bytes());
                body.extend_from_slice(&15u16.to_ne_bytes());
                body.extend_from_slice(&table.to_ne_bytes());
                (kind::GET_ROUTE, body)
            }
        };
        let mut request = Vec::with_capacity(HEADER_LEN + body.len());
        request.extend_from_slice(&((HEADER_LEN + body.len()) as u32).to_ne_bytes());
        request.extend_from_slice(&kind.to_ne_bytes());
        request.extend_from_slice(&(flag::REQUEST | flag::DUMP).to_ne_bytes());
        request.extend_from_slice(&sequence.to_ne_bytes());
        request.extend_from_slice(&0u32.to_ne_bytes());
        request.extend_from_slice(&body);
        request
    }
}

/// Has the kernel list something; blocks until it is done, which it is without waiting for anyone. `found` gets the
/// messages of a consistent list where there is one within a few tries.
pub(crate) fn dump(what: Dump, found: &mut dyn FnMut(Message<'_>)) -> io::Result<()> {
    let (socket, _) = open(BUFFER_LEN * 4)?;
    // The kernel itself looks for table and protocol, and complains where the request is malformed.
    let _ = socket.set_netlink_get_strict_chk(true);
    let mut buf = vec![0; BUFFER_LEN];
    for sequence in 1..=DUMP_TRIES as u32 {
        let mut kept = Vec::new();
        send(&socket, &what.request(sequence))?;
        let consistent = read_dump(&socket, what, sequence, &mut buf, &mut kept)?;
        if consistent || sequence as usize == DUMP_TRIES {
            messages(&kept).for_each(&mut *found);
            break;
        }
    }
    Ok(())
}

/// Collects the answer to a dump, as far as it matters; whether it is consistent.
fn read_dump(
    socket: &Socket,
    what: Dump,
    sequence: u32,
    buf: &mut [u8],
    kept: &mut Vec<u8>,
) -> io::Result<bool> {
    let mut consistent = true;
    loop {
        let n = receive(socket, buf, 0)?;
        for message in messages(&buf[..n]).filter(|m| m.sequence == sequence) {
            consistent &= message.flags & flag::DUMP_INTERRUPTED == 0;
            if !matches!(message.kind, kind::DONE | kind::ERROR) {
                if what.wants(&message) {
                    kept.extend_from_slice(message.octets);
                    kept.resize(kept.len().next_multiple_of(4), 0);
                }
                continue;
            }
            let code = read_u32(message.payload, 0).map_or(0, |code| code as i32);
            // No such table: it has no routes.
            if code == 0 || code == -libc::ENOENT {
                return Ok(consistent);
            }
            return Err(io::Error::from_raw_os_error(-code));
        }
    }
}
