//! A BGP speaker that knows no rules but those of a session: it says what it is told to say, and hands on what comes.

use crate::lab::Netns;
use crate::{PATIENCE, holds_within};
use socket2::{Domain, Socket, Type};
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use trunkline_core::Asn;
use trunkline_wire::bgp::{
    Capability, Family, MAX_MESSAGE_LEN, MessageType, Notification, Open, OptionalParameter, emit_keepalive,
    frame,
};

/// An established session for IPv4 unicast, with four-octet AS numbers.
#[derive(Debug)]
pub struct Speaker {
    stream: TcpStream,
    /// What came and is no whole message yet.
    partial: Vec<u8>,
    buffer: Vec<u8>,
}

/// What a speaker is.
#[derive(Debug, Clone, Copy)]
pub struct Identity {
    /// Its address, and its BGP Identifier.
    pub local: Ipv4Addr,
    /// The other end.
    pub remote: Ipv4Addr,
    /// Its AS.
    pub asn: u32,
    /// Its hold time; with 0 no KEEPALIVEs are due.
    pub hold_time: u16,
    /// Octets that its socket takes before they are read; none: as many as the system likes.
    pub receive_buffer: Option<usize>,
}

impl Identity {
    /// Without KEEPALIVEs.
    pub fn new(local: &str, remote: &str, asn: u32) -> Identity {
        let (local, remote) = (local.parse().unwrap(), remote.parse().unwrap());
        Identity { local, remote, asn, hold_time: 0, receive_buffer: None }
    }
}

impl Speaker {
    /// Connects and brings the session up; as often as it takes until the other side does not refuse it any more.
    #[track_caller]
    pub fn establish(space: &Netns, identity: Identity) -> Speaker {
        let mut speaker = Err(io::Error::other("not tried"));
        space.inside(|| {
            holds_within(PATIENCE, || {
                speaker = Speaker::open(identity);
                speaker.is_ok()
            })
        });
        speaker.unwrap_or_else(|e| panic!("no session from {} to {}: {e}", identity.local, identity.remote))
    }

    fn open(identity: Identity) -> io::Result<Speaker> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        if let Some(octets) = identity.receive_buffer {
            socket.set_recv_buffer_size(octets)?;
        }
        socket.set_tcp_nodelay(true)?;
        socket.bind(&SocketAddr::from((identity.local, 0)).into())?;
        socket.connect_timeout(&SocketAddr::from((identity.remote, 179)).into(), PATIENCE)?;
        let stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut speaker = Speaker { stream, partial: Vec::new(), buffer: vec![0; 256 * 1024] };
        let mut octets = Vec::new();
        open_message(identity).emit(&mut octets);
        emit_keepalive(&mut octets);
        speaker.stream.write_all(&octets)?;
        let mut up = false;
        while !up {
            speaker.receive(|kind, _| up |= kind == MessageType::Keepalive)?;
        }
        speaker.stream.set_read_timeout(None)?;
        Ok(speaker)
    }

    /// The same session for another thread, which has nothing of what came so far.
    pub fn reader(&self) -> Speaker {
        let stream = self.stream.try_clone().unwrap();
        Speaker { stream, partial: self.partial.clone(), buffer: vec![0; self.buffer.len()] }
    }

    /// Ends the session by RST.
    pub fn reset(self) {
        let socket = socket2::SockRef::from(&self.stream);
        let _ = socket.set_linger(Some(std::time::Duration::ZERO));
        let _ = self.stream.shutdown(std::net::Shutdown::Read);
    }

    /// Sends octets as they are.
    pub fn send(&mut self, octets: &[u8]) -> io::Result<()> {
        self.stream.write_all(octets)
    }

    /// Reads once; gives the kind and the body of each message that is whole. An end is an error, and so is a NOTIFICATION.
    pub fn receive(&mut self, mut take: impl FnMut(MessageType, &[u8])) -> io::Result<()> {
        let n = self.stream.read(&mut self.buffer)?;
        if n == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.partial.extend_from_slice(&self.buffer[..n]);
        let mut used = 0;
        let wrong = |n: Notification| io::Error::other(n.to_string());
        while let Some(message) = frame(&self.partial[used..], MAX_MESSAGE_LEN).map_err(wrong)? {
            used += message.message.len();
            if message.kind == MessageType::Notification {
                return Err(Notification::parse(message.body).map_or_else(wrong, wrong));
            }
            take(message.kind, message.body);
        }
        self.partial.drain(..used);
        Ok(())
    }

    /// Reads and forgets, on a thread of its own, until the session ends.
    pub fn drain(mut self) {
        std::thread::spawn(move || while self.receive(|_, _| {}).is_ok() {});
    }
}

fn open_message(identity: Identity) -> Open {
    let capabilities =
        vec![Capability::Multiprotocol(Family::IPV4_UNICAST), Capability::FourOctetAs(Asn(identity.asn))];
    Open {
        version: 4,
        my_as: u16::try_from(identity.asn).unwrap_or(23456),
        hold_time: identity.hold_time,
        bgp_identifier: identity.local,
        parameters: vec![OptionalParameter::Capabilities(capabilities)],
    }
}
