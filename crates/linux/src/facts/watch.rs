//! Looks at the segments of BGP that a neighbour sends, taken by our TCP or not, while there is trouble with it: the TTL that
//! they come with, and SYNs to an address of ours where nobody listens.
//!
//! An AF_PACKET socket for each of IPv4 and IPv6, opened while the node still may (CAP_NET_RAW). Its filter passes the headers
//! of segments to or from a port of BGP, no octet of what they carry, and is locked: whatever becomes of the process, the socket
//! can read nothing else. It receives nothing while nobody asks. Each verdict that could be sharper asks for a minute more, so it
//! goes on for as long as a neighbour is down for such a reason; meanwhile the headers of all sessions' segments come in, of
//! which those of other neighbours are thrown away.

use crate::port::packet::bind;
use crate::sockopt;
use socket2::{Domain, Protocol, SockFilter, Socket, Type};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};
use std::net::IpAddr;
use trunkline_core::{Duration, Instant};
use trunkline_node::config::NodeConfig;
use trunkline_view::facts::Wire;

/// A neighbour is looked at for so long after it was last asked for.
const HOLD: Duration = Duration::from_secs(60);

/// What has come is read so often, and so many segments at once: more than the socket holds.
const READ_EVERY: Duration = Duration::from_millis(200);
const READS: usize = 1024;

/// Octets that the socket holds, of which each segment takes 576 at least (`SKB_TRUESIZE`): the kernel doubles what is asked for.
const RECEIVE_BUFFER: usize = 256 * 1024;

/// What was seen longer ago says nothing of now.
const RECENT: Duration = Duration::from_secs(300);

/// Neighbours that are looked at, and addresses of ours that are kept of each.
const MAX_NEIGHBORS: usize = 1024;
const MAX_SYNS: usize = 8;

/// Ports that the filter knows: its jumps reach no farther than 255 steps.
const MAX_PORTS: usize = 64;

/// A protocol that no frame has (IANA: reserved): a socket bound to it receives nothing. Bound to 0 it would keep what it had.
const NO_PROTOCOL: i32 = 0xffff;

// RFC 9293 §3.1
const SYN: u8 = 0x02;
const ACK: u8 = 0x10;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    /// None where the node may not.
    taps: Option<[Tap; 2]>,
    neighbors: BTreeMap<IpAddr, Watched>,
    /// When the sockets are read next, where anyone is looked at.
    read_at: Option<Instant>,
}

/// The socket of a family.
#[derive(Debug)]
struct Tap {
    socket: Socket,
    v4: bool,
    open: bool,
}

/// What was seen of a neighbour.
#[derive(Debug)]
struct Watched {
    since: Instant,
    until: Instant,
    /// The TTL of the last segment with data, and the largest, each with the time when it was last seen.
    ttl: Option<[(Instant, u8); 2]>,
    syns: BTreeMap<IpAddr, (Instant, u32)>,
}

impl Watch {
    /// Opens the sockets, where there is BGP and the node may.
    pub(crate) fn open(config: &NodeConfig) -> Watch {
        let Some(bgp) = &config.bgp else { return Watch::default() };
        let listen = config.bgp_listen.iter().map(std::net::SocketAddr::port);
        let ports = listen.chain(bgp.neighbors.iter().map(|neighbor| neighbor.port));
        Watch::of(&[179].into_iter().chain(ports).collect())
    }

    fn of(ports: &BTreeSet<u16>) -> Watch {
        let ports: Vec<u16> = ports.iter().copied().take(MAX_PORTS).collect();
        let taps = Tap::open(true, &ports).and_then(|v4| Ok([v4, Tap::open(false, &ports)?]));
        if let Err(error) = &taps {
            tracing::debug!("cannot look at segments of BGP on the wire: {error}");
        }
        Watch { taps: taps.ok(), ..Watch::default() }
    }

    /// Looks at a neighbour from now on, or for longer.
    pub(crate) fn begin(&mut self, now: Instant, neighbor: IpAddr) {
        let Some(taps) = &mut self.taps else { return };
        let neighbor = neighbor.to_canonical();
        if let Some(watched) = self.neighbors.get_mut(&neighbor) {
            watched.until = now + HOLD;
            return;
        }
        if self.neighbors.len() >= MAX_NEIGHBORS {
            return;
        }
        for tap in taps.iter_mut().filter(|tap| tap.v4 == neighbor.is_ipv4() && !tap.open) {
            tap.set_open(true);
        }
        let new = Watched { since: now, until: now + HOLD, ttl: None, syns: BTreeMap::new() };
        self.neighbors.insert(neighbor, new);
        self.read_at.get_or_insert(now + READ_EVERY);
    }

    /// When [`Watch::read`] wants to be called.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.read_at
    }

    /// Reads what has come, where it is time to, and ends what nobody asks for any more.
    pub(crate) fn read(&mut self, now: Instant) {
        if self.read_at.is_none_or(|at| now < at) {
            return;
        }
        self.take_in(now);
        self.neighbors.retain(|_, watched| now < watched.until);
        for tap in self.taps.iter_mut().flatten() {
            let v4 = tap.v4;
            if tap.open && !self.neighbors.keys().any(|neighbor| neighbor.is_ipv4() == v4) {
                tap.set_open(false);
            }
        }
        self.read_at = (!self.neighbors.is_empty()).then_some(now + READ_EVERY);
    }

    /// What was seen of a neighbour; none: it is not looked at.
    pub(crate) fn seen(&mut self, now: Instant, neighbor: IpAddr) -> Option<Wire> {
        let neighbor = neighbor.to_canonical();
        if self.neighbors.contains_key(&neighbor) {
            self.take_in(now);
        }
        let watched = self.neighbors.get(&neighbor)?;
        let seconds = |at: Instant| now.since(at).as_secs_f64();
        let syns = watched.syns.iter().map(|(address, (at, times))| (*address, seconds(*at), *times));
        Some(Wire { seconds: seconds(watched.since), ttl: watched.ttl(now), syns: syns.collect() })
    }

    fn take_in(&mut self, now: Instant) {
        let neighbors = &mut self.neighbors;
        for tap in self.taps.iter().flatten().filter(|tap| tap.open) {
            tap.read(|segment| {
                if let Some(watched) = neighbors.get_mut(&segment.from) {
                    watched.take(now, segment);
                }
            });
        }
    }
}

impl Watched {
    fn take(&mut self, now: Instant, segment: &Segment) {
        if segment.has_data {
            let this = (now, segment.ttl);
            let most = self
                .ttl
                .map(|[_, most]| most)
                .filter(|(at, most)| *most > segment.ttl && now.since(*at) <= RECENT);
            self.ttl = Some([this, most.unwrap_or(this)]);
        }
        if segment.flags & (SYN | ACK) == SYN {
            // What a router forwards comes here too: it must not keep what is ours from being seen.
            if self.syns.len() >= MAX_SYNS
                && !self.syns.contains_key(&segment.to)
                && let Some(oldest) = self.syns.iter().min_by_key(|(_, (at, _))| *at).map(|(to, _)| *to)
            {
                self.syns.remove(&oldest);
            }
            let (at, times) = self.syns.entry(segment.to).or_insert((now, 0));
            (*at, *times) = (now, times.saturating_add(1));
        }
    }

    /// The last TTL and the largest, of a recent time.
    fn ttl(&self, now: Instant) -> Option<(u8, u8)> {
        let [last, most] = self.ttl?.map(|(at, ttl)| (now.since(at) <= RECENT).then_some(ttl));
        Some((last?, most.or(last)?))
    }
}

impl Tap {
    fn open(v4: bool, ports: &[u16]) -> io::Result<Tap> {
        // Of no protocol: nothing is received before the filter is there.
        let socket = Socket::new(Domain::PACKET, Type::DGRAM.nonblocking().cloexec(), None::<Protocol>)?;
        socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
        socket.attach_filter(&filter(v4, ports))?;
        sockopt::lock_filter(&socket)?;
        Ok(Tap { socket, v4, open: false })
    }

    /// Receives from all interfaces, or nothing any more. The kernel waits until no processor delivers to the socket any more (a
    /// grace period of RCU): the event loop stands still for 8 to 16 ms (observed), twice in a minute for each family at most, since
    /// each neighbour is looked at for a minute.
    fn set_open(&mut self, open: bool) {
        let protocol = match (open, self.v4) {
            (true, true) => libc::ETH_P_IP,
            (true, false) => libc::ETH_P_IPV6,
            (false, _) => NO_PROTOCOL,
        };
        if open {
            // What came in an earlier time is no news.
            self.read(|_| {});
        }
        match bind(&self.socket, protocol, 0) {
            Ok(()) => self.open = open,
            Err(error) => tracing::debug!("cannot look at segments of BGP on the wire: {error}"),
        }
    }

    fn read(&self, mut take: impl FnMut(&Segment)) {
        let mut octets = [0; 80];
        for _ in 0..READS {
            match (&self.socket).read(&mut octets) {
                Ok(length) => {
                    if let Some(segment) = octets.get(..length).and_then(Segment::read) {
                        take(&segment);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                // An interface that went down leaves an error once.
                Err(_) => {}
            }
        }
    }
}

/// What is read of a segment.
#[derive(Debug, PartialEq, Eq)]
struct Segment {
    from: IpAddr,
    to: IpAddr,
    ttl: u8,
    flags: u8,
    has_data: bool,
}

impl Segment {
    /// Of the octets that the filter passes.
    fn read(octets: &[u8]) -> Option<Segment> {
        let v4 = octets.first()? >> 4 == 4;
        let address = |at: usize| -> Option<IpAddr> {
            Some(match v4 {
                true => IpAddr::from(*octets.get(at..)?.first_chunk::<4>()?),
                false => IpAddr::from(*octets.get(at..)?.first_chunk::<16>()?),
            })
        };
        let half = |at: usize| Some(usize::from(u16::from_be_bytes(*octets.get(at..)?.first_chunk()?)));
        let (from, to, ttl, tcp) = match v4 {
            true => (12, 16, 8, usize::from(octets.first()? & 15) * 4),
            false => (8, 24, 7, 40),
        };
        let length = if v4 { half(2)? } else { half(4)? + tcp };
        let headers = tcp + usize::from(octets.get(tcp + 12)? >> 4) * 4;
        Some(Segment {
            from: address(from)?,
            to: address(to)?,
            ttl: *octets.get(ttl)?,
            flags: *octets.get(tcp + 13)?,
            has_data: length > headers,
        })
    }
}

/// A socket filter (classic BPF) that passes the header of IP and 20 octets of that of TCP, of packets to this host that are no
/// fragments, to or from one of these ports. IPv6 with extension headers is not passed.
fn filter(v4: bool, ports: &[u16]) -> Vec<SockFilter> {
    const LOAD_BYTE: u16 = 0x30; // BPF_LD | BPF_B | BPF_ABS
    const LOAD_HALF: u16 = 0x28; // BPF_LD | BPF_H | BPF_ABS
    const LOAD_HALF_AT_X: u16 = 0x48; // BPF_LD | BPF_H | BPF_IND
    const X_IS: u16 = 0x01; // BPF_LDX | BPF_W | BPF_IMM
    const X_IS_HEADER_LENGTH: u16 = 0xb1; // BPF_LDX | BPF_B | BPF_MSH
    const JUMP_EQUAL: u16 = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
    const JUMP_ANY_BIT: u16 = 0x45; // BPF_JMP | BPF_JSET | BPF_K
    const A_IS_X: u16 = 0x87; // BPF_MISC | BPF_TXA
    const ADD: u16 = 0x04; // BPF_ALU | BPF_ADD | BPF_K
    const RETURN: u16 = 0x06; // BPF_RET | BPF_K
    const RETURN_A: u16 = 0x16; // BPF_RET | BPF_A
    const PACKET_TYPE: u32 = (libc::SKF_AD_OFF + libc::SKF_AD_PKTTYPE) as u32;
    const FRAGMENT: u32 = 0x3fff;
    let drop = || SockFilter::new(RETURN, 0, 0, 0);
    let mut program = vec![
        SockFilter::new(LOAD_BYTE, 0, 0, PACKET_TYPE),
        SockFilter::new(JUMP_EQUAL, 1, 0, u32::from(libc::PACKET_HOST)),
        drop(),
        SockFilter::new(LOAD_BYTE, 0, 0, if v4 { 9 } else { 6 }),
        SockFilter::new(JUMP_EQUAL, 1, 0, libc::IPPROTO_TCP as u32),
        drop(),
    ];
    if v4 {
        program.extend([
            SockFilter::new(LOAD_HALF, 0, 0, 6),
            SockFilter::new(JUMP_ANY_BIT, 0, 1, FRAGMENT),
            drop(),
            SockFilter::new(X_IS_HEADER_LENGTH, 0, 0, 0),
        ]);
    } else {
        program.push(SockFilter::new(X_IS, 0, 0, 40));
    }
    // A match leads behind all comparisons and the step that drops.
    let comparisons = 2 * (ports.len() + 1);
    for (number, offset) in [(0, 0), (1, 2)] {
        program.push(SockFilter::new(LOAD_HALF_AT_X, 0, 0, offset));
        for (at, port) in (number * (ports.len() + 1) + 1..).zip(ports) {
            program.push(SockFilter::new(JUMP_EQUAL, (comparisons - at) as u8, 0, u32::from(*port)));
        }
    }
    program.extend([
        drop(),
        SockFilter::new(A_IS_X, 0, 0, 0),
        SockFilter::new(ADD, 0, 0, 20),
        SockFilter::new(RETURN_A, 0, 0, 0),
    ]);
    program
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{eventually, in_namespace};
    use rustix::thread::{CapabilitySet, capabilities, set_capabilities};
    use socket2::SockRef;
    use std::net::{SocketAddr, TcpListener, TcpStream};

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn connect(to: &str, port: u16) -> io::Result<TcpStream> {
        TcpStream::connect(SocketAddr::new(ip(to), port))
    }

    fn watch() -> Watch {
        Watch::of(&[179, 1790].into_iter().collect())
    }

    /// With this TTL, from the end that connected.
    fn speak(at: &str, ttl: u8) -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind(SocketAddr::new(ip(at), 1790)).unwrap();
        let client = connect(at, 1790).unwrap();
        sockopt::set_ttl(&client, ip(at).is_ipv4(), ttl).unwrap();
        let server = listener.accept().unwrap().0;
        io::Write::write_all(&mut (&client), b"hello").unwrap();
        (client, server)
    }

    #[test]
    fn the_ttl_of_segments_and_where_syns_go() {
        in_namespace(|| {
            let mut watch = watch();
            let now = Instant::from_secs(9);
            for neighbor in ["127.0.0.1", "::1"] {
                // Before it was asked for: nobody looked.
                let _before = speak(neighbor, 9);
                assert_eq!(watch.seen(now, ip(neighbor)), None);
                watch.begin(now, ip(neighbor));
                assert_eq!(watch.seen(now, ip(neighbor)).unwrap().ttl, None);
                let _ends = speak(neighbor, 255);
                // Both ends have one address; only one has sent data.
                eventually("it is seen", || watch.seen(now, ip(neighbor)).unwrap().ttl == Some((255, 255)));
                assert!(connect(neighbor, 179).is_err());
                let seen = watch.seen(now + Duration::from_secs(2), ip(neighbor)).unwrap();
                assert_eq!(seen.seconds, 2.0);
                let [(to, _, times)] = seen.syns[..] else { panic!("{seen:?}") };
                assert_eq!((to, times), (ip(neighbor), 2));
                // The next one has another port, 180 is none of ours.
                assert!(connect(neighbor, 180).is_err());
                assert_eq!(watch.seen(now, ip(neighbor)).unwrap().syns[0].2, 2);
            }
        });
    }

    fn packets() -> String {
        std::fs::read_to_string("/proc/thread-self/net/packet").unwrap()
    }

    #[test]
    fn it_takes_part_only_while_someone_asks() {
        in_namespace(|| {
            let mut watch = watch();
            let now = Instant::from_secs(9);
            let at = |seconds| now + Duration::from_secs(seconds);
            assert_eq!((packets().contains(" 0800 "), watch.poll_timeout()), (false, None));
            watch.begin(now, ip("127.0.0.1"));
            assert!(packets().contains(" 0800 ") && !packets().contains(" 86dd "), "{}", packets());
            watch.begin(at(50), ip("127.0.0.1"));
            watch.read(at(70));
            assert!(packets().contains(" 0800 ") && watch.seen(at(70), ip("127.0.0.1")).is_some());
            watch.read(at(111));
            assert_eq!((watch.poll_timeout(), watch.seen(at(111), ip("127.0.0.1"))), (None, None));
            assert!(!packets().contains(" 0800 "), "{}", packets());
            // Begun again, it knows nothing of before, and it needs no right to.
            set_capabilities(
                None,
                rustix::thread::CapabilitySets {
                    effective: CapabilitySet::empty(),
                    permitted: CapabilitySet::empty(),
                    inheritable: CapabilitySet::empty(),
                },
            )
            .unwrap();
            let _ends = speak("127.0.0.1", 255);
            watch.begin(at(200), ip("127.0.0.1"));
            assert_eq!(watch.seen(at(201), ip("127.0.0.1")).unwrap().ttl, None);
            let _ends = speak("127.0.0.1", 255);
            eventually("it is seen", || watch.seen(at(201), ip("127.0.0.1")).unwrap().ttl.is_some());
        });
    }

    /// What the socket gives out, whatever its owner wants: headers of the ports in question.
    #[test]
    fn nothing_else_can_be_read_by_it() {
        in_namespace(|| {
            let watch = watch();
            let mut taps = watch.taps.unwrap();
            for (tap, address) in taps.iter_mut().zip(["127.0.0.1", "::1"]) {
                let all = [SockFilter::new(0x06, 0, 0, u32::MAX)];
                assert!(SockRef::from(&tap.socket).attach_filter(&all).is_err(), "the filter is locked");
                assert!(SockRef::from(&tap.socket).detach_filter().is_err());
                tap.set_open(true);
                let other = TcpListener::bind(SocketAddr::new(ip(address), 0)).unwrap();
                let mut stream = connect(address, other.local_addr().unwrap().port()).unwrap();
                io::Write::write_all(&mut stream, &[b'x'; 2000]).unwrap();
                let udp = std::net::UdpSocket::bind(SocketAddr::new(ip(address), 0)).unwrap();
                udp.send_to(b"x", SocketAddr::new(ip(address), 179)).unwrap();
                let _ends = speak(address, 255);
                let header = if tap.v4 { 40 } else { 60 };
                let mut octets = [0; 4096];
                let mut count = 0;
                while let Ok(length) = (&tap.socket).read(&mut octets) {
                    assert_eq!(length, header, "no payload, no options");
                    let tcp = &octets[header - 20..header];
                    assert!([&tcp[0..2], &tcp[2..4]].contains(&&1790_u16.to_be_bytes()[..]));
                    count += 1;
                }
                assert!(count >= 4, "SYN, SYN-ACK, ACK, data: {count}");
            }
        });
    }

    #[test]
    fn without_the_right_there_is_none() {
        in_namespace(|| {
            let mut rights = capabilities(None).unwrap();
            rights.effective.remove(CapabilitySet::NET_RAW);
            set_capabilities(None, rights).unwrap();
            let mut watch = watch();
            let now = Instant::from_secs(9);
            watch.begin(now, ip("127.0.0.1"));
            assert_eq!((watch.poll_timeout(), watch.seen(now, ip("127.0.0.1"))), (None, None));
        });
    }

    fn watched() -> Watched {
        Watched { since: Instant::ZERO, until: Instant::ZERO, ttl: None, syns: BTreeMap::new() }
    }

    #[test]
    fn what_is_forwarded_takes_no_place_for_good() {
        let mut watched = watched();
        let syn = |to: IpAddr| Segment { from: ip("192.0.2.2"), to, ttl: 64, flags: SYN, has_data: false };
        let at = Instant::from_secs;
        watched.take(at(1), &syn(ip("192.0.2.1")));
        for other in 0..8 {
            watched.take(at(2 + other), &syn(IpAddr::from([198, 51, 100, other as u8])));
            watched.take(at(2 + other), &syn(ip("192.0.2.1")));
        }
        assert_eq!(watched.syns.len(), MAX_SYNS);
        assert_eq!(watched.syns.get(&ip("192.0.2.1")), Some(&(at(9), 9)), "it was not the oldest");
        assert!(!watched.syns.contains_key(&ip("198.51.100.0")), "that was");
        assert!(watched.syns.contains_key(&ip("198.51.100.7")));
    }

    #[test]
    fn a_ttl_of_long_ago_says_nothing() {
        let mut watched = watched();
        let (from, to) = (ip("192.0.2.2"), ip("192.0.2.1"));
        let data = |ttl| Segment { from, to, ttl, flags: ACK, has_data: true };
        let at = Instant::from_secs;
        watched.take(at(0), &data(255));
        watched.take(at(10), &data(64));
        assert_eq!(watched.ttl(at(300)), Some((64, 255)));
        assert_eq!(watched.ttl(at(301)), Some((64, 64)));
        assert_eq!(watched.ttl(at(311)), None);
        // The largest that comes again counts from then.
        watched.take(at(20), &data(255));
        watched.take(at(310), &data(1));
        assert_eq!(watched.ttl(at(320)), Some((1, 255)));
        watched.take(at(321), &data(1));
        assert_eq!(watched.ttl(at(321)), Some((1, 1)));
    }

    #[test]
    fn many_ports_fit_and_bad_octets_are_no_segment() {
        in_namespace(|| {
            let ports: BTreeSet<u16> = (1000..2000).collect();
            assert!(Watch::of(&ports).taps.is_some());
        });
        assert_eq!(Segment::read(&[]), None);
        assert_eq!(Segment::read(&[0x45; 30]), None);
        assert_eq!(Segment::read(&[0x60; 50]), None);
    }
}
