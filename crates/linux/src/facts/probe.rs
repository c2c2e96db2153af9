//! A probe that disturbs nobody: UDP datagrams to a port where nobody listens, small and large, that hosts answer with ICMP; and
//! one TCP connection that is closed without a word, only where BGP itself opens none.

use crate::conn;
use crate::icmp::{self, IcmpError};
use crate::sockopt;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd;
use std::time::Duration;
use trunkline_bgp::transport::{TcpError, TcpOptions};
use trunkline_view::facts::{Answered, End, Probe};

/// The first port of traceroute.
const PORT: u16 = 33_434;

/// Each datagram is sent so often, and waited for so long.
const TRIES: u16 = 2;
const PATIENCE: Duration = Duration::from_millis(600);

/// How long the TCP connection may take.
const CONNECT: Duration = Duration::from_secs(2);

/// Octets of a small datagram, and the largest packet that is tried.
const SMALL: usize = 32;
const LARGEST: u32 = 9216;

/// Whom to probe.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) address: IpAddr,
    pub(crate) local: Option<IpAddr>,
    /// The largest packet that the first link takes.
    pub(crate) mtu: Option<u32>,
    /// The port to connect to, where a connection is tried.
    pub(crate) tcp: Option<u16>,
}

/// Does it; takes some seconds at most.
pub(crate) fn probe(target: &Target) -> Probe {
    let mut found = Probe::default();
    match datagram(target, SMALL) {
        Ok(answer) => found.small = answer,
        Err(error) => found.left_out.push(format!("no datagram could be sent: {error}")),
    }
    let headers = if target.address.is_ipv4() { 28 } else { 48 };
    if let Some(mtu) = target.mtu.filter(|mtu| (headers + 100..=LARGEST).contains(mtu)) {
        match datagram(target, (mtu - headers) as usize) {
            Ok(answer) => found.large = Some((mtu, answer)),
            Err(error) => found.left_out.push(format!("no datagram of {mtu} octets could be sent: {error}")),
        }
    }
    found.tcp = target.tcp.map(|port| connect(target, port));
    found
}

/// Sends a datagram of so many octets, which must not be taken apart; what answers.
fn datagram(target: &Target, length: usize) -> io::Result<Option<Answered>> {
    let v4 = target.address.is_ipv4();
    let domain = if v4 { Domain::IPV4 } else { Domain::IPV6 };
    let socket = Socket::new(domain, Type::DGRAM.nonblocking().cloexec(), Some(Protocol::UDP))?;
    sockopt::set_receive_errors(&socket, v4, true)?;
    sockopt::set_receive_ttl(&socket, v4)?;
    sockopt::set_never_fragment(&socket, v4)?;
    if let Some(local) = target.local {
        socket.bind(&SocketAddr::new(local, 0).into())?;
    }
    for number in 0..TRIES {
        socket.connect(&SocketAddr::new(target.address, PORT + number).into())?;
        match socket.send(&vec![0; length]) {
            Ok(_) => {}
            // Of the datagram before: it stands in the queue.
            Err(error) if matches!(error.raw_os_error(), Some(libc::ECONNREFUSED | libc::EHOSTUNREACH)) => {}
            // Our own system knows that the path takes less.
            Err(error) => return Err(error),
        }
        if let Some(error) = wait_error(&socket) {
            let words = if error.is_port() && error.by == target.address {
                "ICMP port unreachable, as hosts answer".to_owned()
            } else {
                format!("ICMP: {}", error.words())
            };
            return Ok(Some(Answered { by: error.by, what: words, ttl: error.ttl }));
        }
    }
    Ok(None)
}

fn wait_error(socket: &impl AsFd) -> Option<IcmpError> {
    wait(socket, rustix::event::PollFlags::ERR, PATIENCE);
    icmp::next_error(socket)
}

fn wait(socket: &impl AsFd, flags: rustix::event::PollFlags, patience: Duration) {
    let Ok(patience) = rustix::event::Timespec::try_from(patience) else { return };
    let mut descriptors = [rustix::event::PollFd::new(socket, flags)];
    // Interrupted or not: what follows looks at the socket itself.
    let _ = rustix::event::poll(&mut descriptors, Some(&patience));
}

/// Opens a connection and closes it without a word. Unsigned: what a key says, BGP's own attempts tell.
fn connect(target: &Target, port: u16) -> End {
    let remote = SocketAddr::new(target.address, port);
    let stream = match conn::connect(remote, target.local, &TcpOptions::default()) {
        Ok(stream) => stream,
        Err(error) => return End::Failed(error.to_string()),
    };
    wait(&stream, rustix::event::PollFlags::OUT, CONNECT);
    match conn::connected(&stream) {
        None => End::NoAnswer,
        Some(Ok(_)) => End::Closed,
        Some(Err(TcpError::Refused)) => End::Refused,
        Some(Err(TcpError::Icmp { by, what, exceeded })) => End::Icmp { by: Some(by), what, exceeded },
        Some(Err(error)) => End::Failed(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_answers() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let address = "127.0.0.1".parse().unwrap();
        let target = Target { address, local: None, mtu: Some(1500), tcp: Some(port) };
        let found = probe(&target);
        let small = found.small.unwrap();
        assert_eq!((small.by, small.ttl), (address, Some(64)));
        assert_eq!(found.large.unwrap().1.unwrap().by, address);
        assert_eq!(found.tcp, Some(End::Closed), "it was accepted");
        drop(listener);
        assert_eq!(probe(&target).tcp, Some(End::Refused));
    }
}
