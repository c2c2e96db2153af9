//! A netlink socket for orders whose outcome is wanted at once. The kernel works on a request before `send` returns, so
//! its answer is there then, and nothing here waits.

use super::socket::{self, BUFFER_LEN, Message, kind, messages, read_u32};
use super::writer::Writer;
use netlink_sys::Socket;
use std::io;

/// Sends requests, reads what they did.
#[derive(Debug)]
pub(crate) struct Requester {
    socket: Socket,
    sequence: u32,
    buf: Vec<u8>,
}

impl Requester {
    /// `protocol`: such as NETLINK_ROUTE.
    pub(crate) fn open(protocol: isize) -> io::Result<Requester> {
        let (socket, _) = socket::open_protocol(protocol, BUFFER_LEN * 4)?;
        Ok(Requester { socket, sequence: 0, buf: vec![0; BUFFER_LEN] })
    }

    /// Sends what `write` writes with sequence numbers from the one it is given on; it returns the last that it used,
    /// which must be a request for an acknowledgement or a list. `found` gets what is answered.
    pub(crate) fn ask(
        &mut self,
        write: impl FnOnce(&mut Writer, u32) -> u32,
        found: &mut dyn FnMut(Message<'_>),
    ) -> io::Result<()> {
        // What an earlier request left unread is not an answer to this one: numbers never come twice in a row.
        let first = self.sequence.wrapping_add(1).max(1);
        let mut writer = Writer::default();
        let last = write(&mut writer, first);
        // Beyond the end of a batch, too.
        self.sequence = last.wrapping_add(1);
        socket::send(&self.socket, writer.octets())?;
        let mut result = Ok(());
        let mut done = false;
        while !done {
            let n = socket::receive(&self.socket, &mut self.buf, libc::MSG_DONTWAIT)?;
            for message in messages(&self.buf[..n]) {
                if !(first..=last).contains(&message.sequence) {
                    continue;
                }
                if !matches!(message.kind, kind::DONE | kind::ERROR) {
                    found(message);
                    continue;
                }
                let code = read_u32(message.payload, 0).map_or(0, |code| code as i32);
                if code != 0 && result.is_ok() {
                    result = Err(io::Error::from_raw_os_error(code.saturating_neg()));
                }
                // An error of the first of several is one of all of them, such as missing rights.
                done |= message.sequence == last || (code != 0 && message.sequence == first);
            }
        }
        while socket::receive(&self.socket, &mut self.buf, libc::MSG_DONTWAIT).is_ok() {}
        result
    }

    /// One message that is to be acknowledged.
    pub(crate) fn order(
        &mut self,
        kind: u16,
        header: &[u8],
        fill: impl FnOnce(&mut Writer),
    ) -> io::Result<()> {
        let flags = socket::flag::REQUEST | socket::flag::ACK;
        let write = |writer: &mut Writer, sequence| {
            writer.message(kind, flags, sequence, header, fill);
            sequence
        };
        self.ask(write, &mut |_| {})
    }
}
