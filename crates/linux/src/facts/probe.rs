//! A probe that disturbs nobody: one TCP connection that is closed without a word, only where BGP itself opens none, or one from
//! each address of ours, where the neighbour closes BGP's own at once; and UDP datagrams to a port where nobody listens, small and
//! large, that hosts answer with ICMP.

use crate::conn;
use crate::icmp::{self, IcmpError};
use crate::sockopt;
use mio::net::TcpStream;
use socket2::{Domain, Protocol, Socket, Type};
use std::io::{self, Read};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd;
use std::time::Duration;
use trunkline_bgp::transport::{TcpError, TcpOptions};
use trunkline_view::facts::{Answered, End, Probe, Stage};

/// The first port of traceroute.
const PORT: u16 = 33_434;

/// Each datagram is sent so often, and waited for so long.
const TRIES: u16 = 2;
const PATIENCE: Duration = Duration::from_millis(600);

/// How long the TCP connection may take.
const CONNECT: Duration = Duration::from_secs(2);

/// How long one from another address of ours is waited for to be up, and then to be closed or to bring something.
const SETTLE: Duration = Duration::from_secs(1);

/// The header of every message of BGP: a marker, the length, and the type (RFC 4271 §4.1).
const HEADER: usize = 19;
const MARKER: [u8; 16] = [0xff; 16];
const OPEN: u8 = 1;
const NOTIFICATION: u8 = 3;

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
    /// Addresses of ours to connect from, and the port to connect to.
    pub(crate) sources: (Vec<IpAddr>, u16),
}

/// Does it; takes some seconds at most.
pub(crate) fn probe(target: &Target) -> Probe {
    // The connections first: while the datagrams are waited for, the session may come up.
    let tcp = target.tcp.map(|port| match open(target, target.local, port, CONNECT) {
        Ok(_) => End::Closed,
        Err(end) => end,
    });
    let mut found = Probe { tcp, sources: connect_from_all(target), ..Probe::default() };
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
    found
}

/// One from each of the addresses, all at once: how far each came, and how it ended.
fn connect_from_all(target: &Target) -> Vec<(IpAddr, Stage, End)> {
    let (sources, port) = &target.sources;
    std::thread::scope(|scope| {
        let try_from = |source: &IpAddr| {
            let source = *source;
            let thread = std::thread::Builder::new().name("probe".to_owned());
            let one = move || match open(target, Some(source), *port, SETTLE) {
                Ok(stream) => answer(&stream),
                Err(end) => (Stage::Connecting, end),
            };
            (source, thread.spawn_scoped(scope, one))
        };
        let all: Vec<_> = sources.iter().map(try_from).collect();
        // None is left out: the first one is that of BGP.
        let what = all.into_iter().map(|(source, thread)| {
            let result = thread.and_then(|thread| {
                thread.join().map_err(|_| io::Error::other("the thread that tried it has failed"))
            });
            let failed = |error: io::Error| (Stage::Connecting, End::Failed(error.to_string()));
            let (stage, end) = result.unwrap_or_else(failed);
            (source, stage, end)
        });
        what.collect()
    })
}

/// What comes on a connection that is up. A NOTIFICATION (Connection Rejected, say) closes it as a FIN does.
fn answer(mut stream: &TcpStream) -> (Stage, End) {
    // It may come in pieces.
    let whole = sockopt::set_receive_at_least(stream, HEADER as i32);
    wait(stream, rustix::event::PollFlags::IN, SETTLE);
    let mut header = [0; HEADER];
    match whole.and_then(|()| stream.read(&mut header)) {
        Ok(0) => (Stage::Connected, End::Closed),
        Ok(HEADER) if header.starts_with(&MARKER) && header.ends_with(&[OPEN]) => {
            (Stage::Opened, End::Pending)
        }
        Ok(HEADER) if header.starts_with(&MARKER) && header.ends_with(&[NOTIFICATION]) => {
            (Stage::Connected, End::Closed)
        }
        Ok(_) => (Stage::Connected, End::Pending),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => (Stage::Connected, End::Pending),
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => (Stage::Connected, End::Reset),
        Err(error) => (Stage::Connected, End::Failed(error.to_string())),
    }
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

/// Opens a connection. Unsigned: what a key says, BGP's own attempts tell.
fn open(target: &Target, local: Option<IpAddr>, port: u16, patience: Duration) -> Result<TcpStream, End> {
    let remote = SocketAddr::new(target.address, port);
    let stream = conn::connect(remote, local, &TcpOptions::default())
        .map_err(|error| End::Failed(error.to_string()))?;
    wait(&stream, rustix::event::PollFlags::OUT, patience);
    match conn::connected(&stream) {
        None => Err(End::NoAnswer),
        Some(Ok(_)) => Ok(stream),
        Some(Err(TcpError::Refused)) => Err(End::Refused),
        Some(Err(TcpError::Icmp { by, what, exceeded })) => Err(End::Icmp { by: Some(by), what, exceeded }),
        Some(Err(error)) => Err(End::Failed(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn this_machine_answers() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let address = "127.0.0.1".parse().unwrap();
        let target =
            Target { address, local: None, mtu: Some(1500), tcp: Some(port), sources: (Vec::new(), port) };
        let found = probe(&target);
        let small = found.small.unwrap();
        assert_eq!((small.by, small.ttl), (address, Some(64)));
        assert_eq!(found.large.unwrap().1.unwrap().by, address);
        assert_eq!(found.tcp, Some(End::Closed), "it was accepted");
        drop(listener);
        assert_eq!(probe(&target).tcp, Some(End::Refused));
    }

    fn header(kind: u8) -> Vec<u8> {
        [&MARKER[..], &[0, 29, kind], &[0; 10]].concat()
    }

    /// It sends an OPEN in two pieces to one address of ours, closes at once what comes from a second, says nothing to a third,
    /// and rejects a fourth by a NOTIFICATION.
    #[test]
    fn our_other_addresses_are_tried() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let ours = |last| IpAddr::from([127, 0, 0, last]);
        let peer = std::thread::spawn(move || {
            let mut kept = Vec::new();
            for _ in 0..4 {
                let (mut stream, from) = listener.accept().unwrap();
                match from.ip() {
                    from if from == ours(2) => drop(stream),
                    from if from == ours(3) => {
                        stream.write_all(&header(OPEN)[..18]).unwrap();
                        std::thread::sleep(Duration::from_millis(50));
                        stream.write_all(&header(OPEN)[18..]).unwrap();
                        kept.push(stream);
                    }
                    from if from == ours(5) => {
                        stream.write_all(&header(NOTIFICATION)).unwrap();
                        kept.push(stream);
                    }
                    _ => kept.push(stream),
                }
            }
            // Until all have been closed.
            kept.iter_mut().for_each(|stream| drop(stream.read_to_end(&mut Vec::new())));
        });
        let sources = vec![ours(2), ours(3), ours(4), ours(5), IpAddr::from([192, 0, 2, 77])];
        let target = Target { address: ours(1), local: None, mtu: None, tcp: None, sources: (sources, port) };
        let found = probe(&target).sources;
        assert_eq!(found[0], (ours(2), Stage::Connected, End::Closed));
        assert_eq!(found[1], (ours(3), Stage::Opened, End::Pending));
        assert_eq!(found[2], (ours(4), Stage::Connected, End::Pending));
        assert_eq!(found[3], (ours(5), Stage::Connected, End::Closed));
        assert!(matches!(&found[4], (_, Stage::Connecting, End::Failed(_))), "{found:?}");
        peer.join().unwrap();
    }
}
