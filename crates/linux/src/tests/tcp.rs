//! Sockets as a routing protocol uses them.

use super::{eventually, in_namespace, ip};
use crate::clock;
use crate::conn::{self, Conn, Flushed, Linger, Received};
use crate::listener::Listeners;
use mio::Poll;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;
use trunkline_bgp::transport::{AoAlgorithm, AoKey, AoKeys, Md5Key, TcpError, TcpOptions};
use trunkline_core::{ConnId, Prefix};

fn open(remote: SocketAddr, options: &TcpOptions) -> Result<Conn, TcpError> {
    conn::connect(remote, None, options).map(|stream| Conn::outgoing(ConnId::outgoing(1), stream))
}

fn finish(conn: &mut Conn) -> Result<(SocketAddr, SocketAddr), TcpError> {
    let mut result = None;
    eventually("connected or failed", || {
        result = conn.finish_connect();
        result.is_some()
    });
    result.unwrap()
}

/// Whether it comes up within a second, when a refused segment would have been sent twice.
fn comes_up(conn: &mut Conn) -> bool {
    for _ in 0..100 {
        match conn.finish_connect() {
            Some(result) => return result.is_ok(),
            None => std::thread::sleep(Duration::from_millis(10)),
        }
    }
    false
}

fn pair() -> (Conn, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut conn = open(listener.local_addr().unwrap(), &TcpOptions::default()).unwrap();
    let (peer, _) = listener.accept().unwrap();
    finish(&mut conn).unwrap();
    (conn, peer)
}

fn nothing(_: usize, _: &mut Vec<u8>) -> bool {
    false
}

#[test]
fn a_closed_port_is_refused() {
    // In a namespace, where no other test takes the port.
    in_namespace(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let result = open(address, &TcpOptions::default()).and_then(|mut conn| finish(&mut conn));
        assert_eq!(result, Err(TcpError::Refused));
    });
}

#[test]
fn that_there_is_no_route_is_said() {
    in_namespace(|| {
        for remote in ["192.0.2.1:179", "[2001:db8::1]:179"] {
            let result = open(remote.parse().unwrap(), &TcpOptions::default());
            assert_eq!(result.map(drop), Err(TcpError::NoRoute("the system has no route to it".to_owned())));
        }
    });
}

#[test]
fn a_local_address_that_is_not_ours_is_said_in_words() {
    let result = conn::connect(
        "127.0.0.1:179".parse().unwrap(),
        Some("192.0.2.77".parse().unwrap()),
        &TcpOptions::default(),
    );
    let Err(TcpError::Other(text)) = result else { panic!("{result:?}") };
    assert!(text.starts_with("cannot use local address 192.0.2.77: "), "{text}");
}

#[test]
fn the_local_address_is_used() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let remote = listener.local_addr().unwrap();
    let stream = conn::connect(remote, Some("127.0.0.5".parse().unwrap()), &TcpOptions::default()).unwrap();
    let mut conn = Conn::outgoing(ConnId::outgoing(1), stream);
    let (local, _) = finish(&mut conn).unwrap();
    assert_eq!(local.ip().to_string(), "127.0.0.5");
    assert_eq!(listener.accept().unwrap().1, local);
}

#[test]
fn md5_lets_in_only_who_knows_the_key() {
    // RFC 2385, keys of a single peer and of a prefix, both families.
    in_namespace(|| {
        ip("addr add 2001:db8::1/128 dev lo nodad");
        let poll = Poll::new().unwrap();
        let addresses = ["0.0.0.0:0".parse().unwrap(), "[::]:0".parse().unwrap()];
        let mut listeners = Listeners::open(&addresses, 16, poll.registry()).unwrap();
        let key = |text: &str| Some(Md5Key(text.into()));
        for (peer, host) in [
            ("127.0.0.1/32", "127.0.0.1"),
            ("127.0.0.0/8", "127.0.0.1"),
            ("2001:db8::1/128", "2001:db8::1"),
            ("2001:db8::/32", "2001:db8::1"),
        ] {
            let peer: Prefix = peer.parse().unwrap();
            let port = listeners.bound().iter().find(|a| a.is_ipv4() == peer.is_ipv4()).unwrap().port();
            let remote = SocketAddr::new(host.parse().unwrap(), port);
            let with = |md5| open(remote, &TcpOptions { md5, ..TcpOptions::default() }).unwrap();
            listeners.set_key(peer, key("secret"));
            assert!(comes_up(&mut with(key("secret"))), "{peer}: the right key");
            assert!(!comes_up(&mut with(key("wrong"))), "{peer}: a wrong key");
            assert!(!comes_up(&mut with(None)), "{peer}: no key");
            listeners.set_key(peer, None);
            assert!(comes_up(&mut with(None)), "{peer}: the key is gone");
        }
    });
}

#[test]
fn tcp_ao_is_refused_with_a_reason() {
    let key = AoKey {
        send_id: 1,
        receive_id: 1,
        algorithm: AoAlgorithm::Aes128Cmac,
        key: "secret".into(),
        include_options: true,
    };
    let options = TcpOptions { ao: AoKeys::new(vec![key], 1), ..TcpOptions::default() };
    assert!(options.ao.is_some());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    match open(listener.local_addr().unwrap(), &options) {
        Err(TcpError::Other(why)) => assert!(why.contains("interface of the node's own"), "{why}"),
        other => panic!("{:?}", other.map(|_| ())),
    }
}

#[test]
fn gtsm_drops_what_came_from_afar() {
    // RFC 5082: what the peer sends with the usual TTL 64 is dropped, with 255 it passes.
    in_namespace(|| {
        ip("addr add 2001:db8::1/128 dev lo nodad");
        for host in ["127.0.0.1:0", "[2001:db8::1]:0"] {
            let listener = TcpListener::bind(host).unwrap();
            let remote = listener.local_addr().unwrap();
            let options = TcpOptions { ttl: Some(255), min_ttl: Some(255), ..TcpOptions::default() };
            assert!(!comes_up(&mut open(remote, &options).unwrap()), "{host}: TTL 64");
            crate::sockopt::set_ttl(&listener, remote.is_ipv4(), 255).unwrap();
            assert!(comes_up(&mut open(remote, &options).unwrap()), "{host}: TTL 255");
        }
    });
}

#[test]
fn a_peer_that_does_not_read_costs_one_chunk_of_memory() {
    let (mut conn, mut peer) = pair();
    let (mut next, mut pulls) = (0u32, 0);
    let mut pull = |limit: usize, buf: &mut Vec<u8>| {
        pulls += 1;
        while buf.len() < limit {
            buf.extend_from_slice(&next.to_be_bytes());
            next += 1;
        }
        true
    };
    let mut scratch = Vec::new();
    let mut last = Flushed { again: true, ..Flushed::default() };
    while last.again {
        last = conn.flush(&mut scratch, &mut pull);
    }
    assert_eq!(last, Flushed { written: Some(true), again: false, broken: false });
    assert_eq!(
        conn.flush(&mut scratch, &mut pull),
        Flushed::default(),
        "nothing is pulled while octets wait"
    );
    let (pulls, sent) = (pulls, next as usize * 4);
    assert!(pulls > 1);

    // The peer reads all: what waited goes out, in order, and the end of waiting is told.
    let reader = std::thread::spawn(move || {
        let mut got = vec![0; sent];
        peer.read_exact(&mut got).unwrap();
        (got, peer)
    });
    eventually("all is written", || {
        conn.set_writable();
        conn.flush(&mut scratch, &mut nothing).written == Some(false)
    });
    let (got, _peer) = reader.join().unwrap();
    let numbers = got.chunks_exact(4).map(|c| u32::from_be_bytes(c.try_into().unwrap()));
    assert!(numbers.eq(0..next));
}

#[test]
fn the_last_words_arrive_though_octets_were_not_read() {
    let (conn, mut peer) = pair();
    peer.write_all(&[7; 100_000]).unwrap();
    let mut lingering = conn.close(false, b"NOTIFICATION").unwrap();
    // The peer goes on sending into the closing connection, and only then reads.
    let mut buf = vec![0; 256 * 1024];
    assert_eq!(lingering.advance(&mut buf), Linger::Wait);
    peer.write_all(&[7; 100_000]).unwrap();
    eventually("all is read", || lingering.advance(&mut buf) == Linger::Wait);
    let mut text = String::new();
    peer.read_to_string(&mut text).unwrap();
    assert_eq!(text, "NOTIFICATION");
    drop(peer);
    eventually("the peer has closed", || lingering.advance(&mut buf) == Linger::Done);
}

#[test]
fn the_last_words_come_after_all_that_a_full_socket_did_not_take() {
    let (mut conn, mut peer) = pair();
    let mut more = |limit: usize, buf: &mut Vec<u8>| {
        buf.resize(limit, b'u');
        true
    };
    let mut scratch = Vec::new();
    while conn.flush(&mut scratch, &mut more).again {}
    let mut lingering = conn.close(false, b"NOTIFICATION").unwrap();
    let mut buf = vec![0; 64 * 1024];
    assert_eq!(lingering.advance(&mut buf), Linger::Wait);
    let reader = std::thread::spawn(move || {
        let mut got = Vec::new();
        peer.read_to_end(&mut got).map(|_| got)
    });
    eventually("all is read", || lingering.advance(&mut buf) == Linger::Done);
    let got = reader.join().unwrap().unwrap();
    let (updates, last) = got.split_at(got.len() - 12);
    assert_eq!(last, b"NOTIFICATION");
    assert!(updates.len() > 64 * 1024 && updates.iter().all(|&octet| octet == b'u'));
}

#[test]
fn a_connection_on_which_nothing_was_said_does_not_linger() {
    let (conn, mut peer) = pair();
    peer.write_all(b"OPEN").unwrap();
    std::thread::sleep(Duration::from_millis(20));
    assert!(conn.close(false, b"").is_none());
    assert_eq!(peer.read(&mut [0; 10]).unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
    // But where something was said before, it must arrive.
    let (mut conn, _peer) = pair();
    conn.flush(&mut Vec::new(), &mut |_, buf: &mut Vec<u8>| {
        buf.push(1);
        false
    });
    assert!(conn.close(false, b"").is_some());
}

#[test]
fn a_busy_listener_does_not_starve_the_others() {
    let mut poll = Poll::new().unwrap();
    let addresses = ["127.0.0.1:0".parse().unwrap(), "127.0.0.2:0".parse().unwrap()];
    let mut listeners = Listeners::open(&addresses, 16, poll.registry()).unwrap();
    let bound = listeners.bound();
    let _peers: Vec<_> = [0, 0, 0, 1].map(|i: usize| TcpStream::connect(bound[i]).unwrap()).into();
    let mut events = mio::Events::with_capacity(8);
    eventually("both are ready", || {
        poll.poll(&mut events, Some(Duration::from_millis(10))).unwrap();
        events.iter().for_each(|event| listeners.set_ready(event.token().0));
        listeners.ready() == 2
    });
    let mut accepted = || listeners.accept(clock::now()).unwrap().0.local_addr().unwrap();
    let first = [accepted(), accepted()];
    assert!(first.contains(&bound[1]), "{first:?}");
}

#[test]
fn a_new_listener_does_not_get_a_key_that_was_removed() {
    in_namespace(|| {
        let poll = Poll::new().unwrap();
        let at: SocketAddr = "127.0.0.1:1790".parse().unwrap();
        let mut listeners = Listeners::open(&[at], 16, poll.registry()).unwrap();
        let peer: Prefix = "127.0.0.1/32".parse().unwrap();
        listeners.set_key(peer, Some(Md5Key("secret".into())));
        listeners.change(&[], poll.registry()).unwrap();
        listeners.set_key(peer, None);
        listeners.change(&[at], poll.registry()).unwrap();
        assert!(comes_up(&mut open(at, &TcpOptions::default()).unwrap()));
    });
}

#[test]
fn reset_is_a_reset() {
    let (conn, mut peer) = pair();
    assert!(conn.close(true, b"").is_none());
    let error = peer.read(&mut [0; 10]).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
}

#[test]
fn what_the_peer_said_before_it_left_is_read_before_the_end_is_told() {
    let (mut conn, mut peer) = pair();
    peer.write_all(b"NOTIFICATION").unwrap();
    // Unread octets make the peer's close a reset, so that writing fails.
    conn.flush(&mut Vec::new(), &mut |_, buf: &mut Vec<u8>| {
        buf.extend_from_slice(b"unread");
        false
    });
    std::thread::sleep(Duration::from_millis(20));
    drop(peer);
    std::thread::sleep(Duration::from_millis(20));
    let mut one = |_: usize, buf: &mut Vec<u8>| {
        buf.push(1);
        false
    };
    assert!(conn.flush(&mut Vec::new(), &mut one).broken);
    let mut buf = [0; 100];
    let first = conn.receive(&mut buf);
    assert!(matches!(first, Received::Bytes { n: 12, .. }), "{first:?}");
    assert_eq!(conn.receive(&mut buf), Received::Ended(TcpError::Reset));
}

#[test]
fn listeners_change_by_difference_or_not_at_all() {
    let poll = Poll::new().unwrap();
    let taken = TcpListener::bind("127.0.0.2:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let at = |host: &str| SocketAddr::new(host.parse().unwrap(), port);
    let mut listeners = Listeners::open(&[at("127.0.0.3")], 16, poll.registry()).unwrap();
    let (address, error) =
        listeners.change(&[at("127.0.0.4"), at("127.0.0.2")], poll.registry()).unwrap_err();
    assert_eq!((address, error.kind()), (at("127.0.0.2"), std::io::ErrorKind::AddrInUse));
    assert_eq!(listeners.addresses(), [at("127.0.0.3")], "as before");
    TcpStream::connect(at("127.0.0.3")).unwrap();
    drop(taken);
    // From one address to all: the old socket stands in the way of the new one.
    listeners.change(&[at("0.0.0.0")], poll.registry()).unwrap();
    assert_eq!(listeners.addresses(), [at("0.0.0.0")]);
    TcpStream::connect(at("127.0.0.2")).unwrap();
}

#[test]
fn accepting_gives_both_ends() {
    let mut poll = Poll::new().unwrap();
    let mut listeners = Listeners::open(&["[::1]:0".parse().unwrap()], 16, poll.registry()).unwrap();
    let here = listeners.bound()[0];
    let peer = TcpStream::connect(here).unwrap();
    assert!(listeners.accept(clock::now()).is_none(), "epoll has not been asked");
    let mut events = mio::Events::with_capacity(8);
    poll.poll(&mut events, Some(Duration::from_secs(5))).unwrap();
    events.iter().for_each(|event| listeners.set_ready(event.token().0));
    let (stream, remote) = listeners.accept(clock::now()).unwrap();
    assert_eq!((stream.local_addr().unwrap(), remote), (here, peer.local_addr().unwrap()));
    assert!(listeners.accept(clock::now()).is_none());
    assert_eq!(listeners.poll_timeout(), None);
}

#[test]
fn our_listeners_answer_who_wants_ttl_255() {
    // RFC 5082 §3: the SYN,ACK comes from the listener, before anyone knows which neighbour it is for.
    in_namespace(|| {
        ip("addr add 2001:db8::1/128 dev lo nodad");
        let poll = Poll::new().unwrap();
        let addresses = ["0.0.0.0:0".parse().unwrap(), "[::]:0".parse().unwrap()];
        let listeners = Listeners::open(&addresses, 16, poll.registry()).unwrap();
        for (bound, host) in listeners.bound().iter().zip(["127.0.0.1", "2001:db8::1"]) {
            let remote = SocketAddr::new(host.parse().unwrap(), bound.port());
            let options = TcpOptions { ttl: Some(255), min_ttl: Some(255), ..TcpOptions::default() };
            // A new namespace may take a moment until its addresses have routes.
            let patience = Duration::from_millis(200);
            eventually("a way there", || TcpStream::connect_timeout(&remote, patience).is_ok());
            assert!(comes_up(&mut open(remote, &options).unwrap()), "{host}");
        }
    });
}
