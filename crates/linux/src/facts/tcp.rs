//! What TCP knows of a connection: `struct tcp_info` of linux/tcp.h, which grew over the years; an old kernel fills less of it.

use crate::sockopt;
use socket2::{Domain, SockRef};
use std::os::fd::AsFd;
use trunkline_view::facts::Tcp;

/// As much of it as is read here.
pub(crate) const LENGTH: usize = 232;

/// Offsets.
const RETRANSMITS: usize = 2;
const BACKOFF: usize = 4;
const SND_MSS: usize = 16;
const UNACKED: usize = 24;
const LAST_DATA_RECV: usize = 52;
const BYTES_ACKED: usize = 120;
const BYTES_RECEIVED: usize = 128;
const NOTSENT_BYTES: usize = 144;
const DATA_SEGS_IN: usize = 152;
const RWND_LIMITED: usize = 176;
const BYTES_SENT: usize = 200;
const BYTES_RETRANS: usize = 208;
const SND_WND: usize = 228;

/// Of a socket; none: the kernel does not say.
pub(crate) fn facts(socket: &impl AsFd) -> Option<Tcp> {
    let mut octets = [0; LENGTH];
    let length = sockopt::tcp_info(socket, &mut octets).ok()?;
    let mut tcp = read(octets.get(..length)?);
    // What the socket holds and does not give out came ahead of a gap.
    let readable = rustix::io::ioctl_fionread(socket.as_fd());
    if let (Ok(0), Ok(held)) = (readable, sockopt::receive_memory(socket)) {
        tcp.ahead_of_gap = held;
    }
    let socket = SockRef::from(socket);
    let ttl = match socket.domain() {
        Ok(Domain::IPV4) => socket.ttl_v4(),
        _ => socket.unicast_hops_v6(),
    };
    tcp.ttl = ttl.ok().and_then(|ttl| ttl.try_into().ok());
    Some(tcp)
}

fn read(info: &[u8]) -> Tcp {
    let octet = |at: usize| u32::from(info.get(at).copied().unwrap_or(0));
    let word =
        |at: usize| info.get(at..at + 4).and_then(|octets| octets.try_into().ok()).map(u32::from_ne_bytes);
    let long = |at: usize| {
        info.get(at..at + 8).and_then(|octets| octets.try_into().ok()).map_or(0, u64::from_ne_bytes)
    };
    let unacknowledged = word(UNACKED).unwrap_or(0);
    // The SYN counts as one.
    let acknowledged = long(BYTES_ACKED).saturating_sub(1);
    let waiting = word(NOTSENT_BYTES).unwrap_or(0).into();
    // Where nothing is on the way, what is tried again and again are probes of the window.
    let probes = unacknowledged == 0 && waiting > 0;
    Tcp {
        ended: None,
        acknowledged,
        received: long(BYTES_RECEIVED),
        unacknowledged,
        in_flight: long(BYTES_SENT).saturating_sub(long(BYTES_RETRANS) + acknowledged),
        retransmits: octet(RETRANSMITS),
        waiting,
        mss: word(SND_MSS).unwrap_or(0),
        window_probes: if probes { octet(BACKOFF) } else { 0 },
        window: word(SND_WND),
        window_limited: long(RWND_LIMITED) as f64 / 1e6,
        silent: f64::from(word(LAST_DATA_RECV).unwrap_or(0)) / 1e3,
        ahead_of_gap: 0,
        ttl: None,
        data_segments: word(DATA_SEGS_IN),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn octets_of_a_real_connection() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        client.write_all(b"0123456789").unwrap();
        server.read_exact(&mut [0; 10]).unwrap();
        server.write_all(b"abc").unwrap();
        client.read_exact(&mut [0; 3]).unwrap();
        let facts = facts(&client).unwrap();
        assert_eq!((facts.acknowledged, facts.received), (10, 3), "{facts:?}");
        assert!(facts.mss > 0 && facts.window.unwrap() > 0, "{facts:?}");
        assert_eq!((facts.data_segments, read(&[0; 104]).data_segments), (Some(1), None));
        assert_eq!(facts.ttl, Some(64), "{facts:?}");
        sockopt::set_ttl(&client, true, 3).unwrap();
        assert_eq!(super::facts(&client).unwrap().ttl, Some(3));
        assert_eq!((facts.unacknowledged, facts.window_probes, facts.retransmits), (0, 0, 0));
    }

    #[test]
    fn an_old_kernel_says_less() {
        let facts = read(&[0; 104]);
        assert_eq!((facts.acknowledged, facts.window), (0, None));
    }
}
