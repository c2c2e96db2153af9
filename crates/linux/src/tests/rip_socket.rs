//! RIP's socket alone, and the calendar.

use super::{eventually, in_namespace, index, ip};
use crate::calendar::Calendar;
use crate::rip::{Datagram, RipSocket};
use crate::{clock, sockopt};
use mio::{Events, Poll, Token};
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::sync::Arc;
use std::time::Duration;
use trunkline_wire::rip::MULTICAST;

const TOKEN: Token = Token(2);

/// Tests of signals run beside.
fn wait(poll: &mut Poll, events: &mut Events, time: Duration) {
    while let Err(error) = poll.poll(events, Some(time)) {
        assert_eq!(error.kind(), std::io::ErrorKind::Interrupted);
    }
}

fn poll(poll: &mut Poll, socket: &mut RipSocket) {
    let mut events = Events::with_capacity(8);
    wait(poll, &mut events, Duration::from_millis(20));
    for event in &events {
        assert_eq!(event.token(), TOKEN);
        socket.set_ready(event.is_readable(), event.is_writable());
    }
}

fn datagram(interface: u32, destination: Ipv4Addr) -> Datagram {
    let (source, destination) = (Ipv4Addr::new(10, 0, 0, 1), SocketAddrV4::new(destination, 520));
    Datagram { interface, source, destination, octets: Arc::from([7; 504]), answer: false }
}

/// A wire of our own, both ends here: what is sent into one comes out of the other.
fn wire() -> u32 {
    ip("link add p0 type veth peer name p1");
    ip("link set p0 up");
    ip("link set p1 up");
    ip("addr add 10.0.0.1/24 dev p0");
    index("p0")
}

#[test]
fn a_full_queue_of_the_kernel_is_waited_for() {
    in_namespace(|| {
        let a = wire();
        let mut epoll = Poll::new().unwrap();
        let mut socket = RipSocket::open(epoll.registry(), TOKEN).unwrap();
        // The kernel keeps what is for stations that it asks for in vain, each the more of it.
        for n in 0..400 * 16 {
            socket.send(datagram(a, Ipv4Addr::new(10, 0, 0, 100 + (n / 400) as u8)));
        }
        eventually("no room", || {
            socket.flush();
            !socket.has_work()
        });
        assert!(socket.lost().1 > 0 && !socket.is_drained());
        // They are found.
        for n in 0..16 {
            ip(&format!("neigh replace 10.0.0.{} lladdr 02:00:00:00:00:01 dev p0", 100 + n));
        }
        eventually("all are sent", || {
            poll(&mut epoll, &mut socket);
            socket.flush();
            socket.is_drained()
        });
        assert_eq!(socket.lost(), (0, 0));
        assert!(!socket.has_work());
        poll(&mut epoll, &mut socket);
        assert!(!socket.has_work(), "epoll says nothing of room any more");
    });
}

#[test]
fn answers_leave_room_for_updates() {
    in_namespace(|| {
        let a = wire();
        let epoll = Poll::new().unwrap();
        let mut socket = RipSocket::open(epoll.registry(), TOKEN).unwrap();
        // Stations that are not there: each answer keeps room in the kernel until ARP gives up on them.
        for n in 0..40_000_u32 {
            let nobody = Ipv4Addr::from_bits(0x0a00_0002 + n % 200);
            socket.send(Datagram { answer: true, ..datagram(a, nobody) });
            socket.flush();
        }
        socket.send(datagram(a, MULTICAST));
        let (dropped, waiting) = (socket.answers_dropped(), socket.lost().1);
        assert!(dropped > 30_000 && waiting <= 2, "{dropped} dropped, {waiting} wait");
    });
}

#[test]
fn what_cannot_be_sent_is_counted_and_holds_up_nobody() {
    in_namespace(|| {
        let a = wire();
        let epoll = Poll::new().unwrap();
        let mut socket = RipSocket::open(epoll.registry(), TOKEN).unwrap();
        socket.join(a);
        // No such interface, an address that is not ours, an interface that is down.
        for _ in 0..3 {
            socket.send(datagram(77, MULTICAST));
            socket.send(Datagram {
                source: Ipv4Addr::new(192, 0, 2, 1),
                ..datagram(a, [10, 0, 0, 255].into())
            });
        }
        socket.send(datagram(a, MULTICAST));
        socket.flush();
        assert_eq!(socket.lost(), (6, 0));
        ip("link set p0 down");
        socket.send(datagram(a, MULTICAST));
        socket.send(datagram(a, MULTICAST));
        socket.flush();
        assert_eq!(socket.lost(), (8, 0));
        // It goes again; the others do not.
        ip("link set p0 up");
        socket.send(datagram(a, MULTICAST));
        socket.flush();
        assert_eq!(socket.lost(), (6, 0));
        socket.leave(a);
        assert_eq!(socket.lost(), (3, 0));
        socket.leave(a);
        socket.join(77);
    });
}

/// The tables of 100 neighbours with 10,000 routes each, all at once.
#[test]
fn a_storm_of_updates_is_kept_until_it_is_read() {
    const COUNT: usize = 100 * 400;
    in_namespace(|| {
        let mut epoll = Poll::new().unwrap();
        let mut socket = RipSocket::open(epoll.registry(), TOKEN).unwrap();
        let sender = UdpSocket::bind("127.0.0.2:0").unwrap();
        for _ in 0..COUNT {
            sender.send_to(&[7; 504], "127.0.0.1:520").unwrap();
        }
        poll(&mut epoll, &mut socket);
        let mut buffer = vec![0; 1024];
        let mut count = 0;
        while let Some(arrival) = socket.receive(&mut buffer) {
            assert_eq!((arrival.interface, arrival.len), (1, 504));
            assert_eq!(arrival.source, Ipv4Addr::new(127, 0, 0, 2));
            assert_eq!(arrival.source_port, sender.local_addr().unwrap().port());
            count += 1;
        }
        assert_eq!(count, COUNT);
    });
}

/// Interfaces come and go for ever, and memberships of those that are gone count until they are left.
#[test]
fn memberships_are_as_many_as_interfaces_and_go_with_them() {
    in_namespace(|| {
        let epoll = Poll::new().unwrap();
        let mut socket = RipSocket::open(epoll.registry(), TOKEN).unwrap();
        let is_member = |name: &str| ip(&format!("maddr show dev {name}")).contains("224.0.0.9");
        let mut before = 0;
        for round in 0..3 {
            for n in 0..15 {
                ip(&format!("link add a{n} type veth peer name b{n}"));
                socket.join(index(&format!("a{n}")));
                socket.join(index(&format!("b{n}")));
                assert!(is_member(&format!("a{n}")) && is_member(&format!("b{n}")), "{n} in round {round}");
            }
            socket.join(index("a0"));
            for n in 0..15 {
                let (a, b) = (index(&format!("a{n}")), index(&format!("b{n}")));
                if n == 0 {
                    socket.leave(a);
                    assert!(!is_member("a0") && is_member("b0"));
                }
                ip(&format!("link del a{n}"));
                socket.leave(a);
                socket.leave(b);
            }
            let sockets = std::fs::read_to_string("/proc/net/igmp").unwrap();
            assert!(!sockets.contains("090000E0"), "{sockets}");
            // 20 and 10 in the first round, and no more sockets in those that follow.
            assert!(round == 0 || socket.holders() == before);
            before = socket.holders();
        }
        assert_eq!(before, 2);
    });
}

/// The clock is set by a nanosecond, which takes the right to set it.
#[test]
fn the_setting_of_the_clock_is_heard() {
    let mut poll = Poll::new().unwrap();
    let mut calendar = Calendar::watch(poll.registry(), TOKEN).unwrap();
    let mut events = Events::with_capacity(8);
    let mut heard = |calendar: &mut Calendar| {
        wait(&mut poll, &mut events, Duration::from_millis(200));
        events.iter().for_each(|_| calendar.set_ready());
        calendar.was_set()
    };
    assert!(!heard(&mut calendar));
    let epoch = clock::since_epoch();
    assert!(epoch > Duration::from_secs(1_700_000_000), "{epoch:?}");
    for step in [1, -1] {
        match sockopt::step_clock(step) {
            Err(error) if error.raw_os_error() == Some(libc::EPERM) => {
                eprintln!("skipped: needs the right to set the clock");
                return;
            }
            result => result.unwrap(),
        }
        assert!(heard(&mut calendar), "by {step} ns");
        assert!(!heard(&mut calendar));
    }
}
