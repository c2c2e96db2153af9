//! Owned ports against the kernel: a veth, a TAP interface, frames as a wire would carry them, and the relay.

use super::{in_namespace, ip};
use crate::port::Port;
use crate::relay::{Medium, relay};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::Duration;
use trunkline_core::{Frame, Instant, MacAddr};
use trunkline_wire::{ethernet, ipv4, tcp};

/// Reads what comes within a second or until `enough`.
fn receive(port: &mut Port, mtu: u32, mut enough: impl FnMut(&[Vec<u8>]) -> bool) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    for _ in 0..100 {
        port.ready = true;
        port.receive(1000, mtu, &mut |frame| frames.push(frame.to_vec())).unwrap();
        if enough(&frames) {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    frames
}

fn broadcast(marker: u8) -> Vec<u8> {
    let mut octets = vec![0xff; 6];
    octets.extend([2, 0, 0, 0, 0, 1, 0x88, 0xb5]);
    octets.extend([marker; 46]);
    octets
}

fn is_ours(frame: &[u8]) -> bool {
    frame.get(12..14) == Some(&[0x88, 0xb5])
}

#[test]
fn a_packet_port_sends_and_receives_whole_frames_and_never_its_own() {
    in_namespace(|| {
        ip("link add p0 type veth peer name p1");
        ip("link set p0 up");
        ip("link set p1 up");
        let (mut a, mut b) = (Port::packet("p0").unwrap(), Port::packet("p1").unwrap());
        for marker in 0..=255 {
            a.send(Frame::from(broadcast(marker)));
        }
        a.flush();
        assert_eq!((a.queued(), a.dropped), (0, 0));
        let ours = |frames: &[Vec<u8>]| frames.iter().filter(|f| is_ours(f)).count();
        let frames = receive(&mut b, 1500, |frames| ours(frames) == 256);
        let frames: Vec<_> = frames.into_iter().filter(|f| is_ours(f)).collect();
        assert_eq!(frames, (0..=255).map(broadcast).collect::<Vec<_>>());
        let echoes = receive(&mut a, 1500, |frames| ours(frames) > 0);
        assert_eq!(ours(&echoes), 0, "what a port sends it does not receive");
    });
}

#[test]
fn more_frames_than_the_ring_has_slots_come_through_when_they_are_read() {
    in_namespace(|| {
        ip("link add p0 type veth peer name p1");
        ip("link set p0 up");
        ip("link set p1 up");
        let (mut a, mut b) = (Port::packet("p0").unwrap(), Port::packet("p1").unwrap());
        let mut count = 0;
        for round in 0..20 {
            for _ in 0..200 {
                a.send(Frame::from(broadcast(round)));
            }
            a.flush();
            let ours = |frames: &[Vec<u8>]| frames.iter().filter(|f| is_ours(f)).count();
            count += ours(&receive(&mut b, 1500, |frames| ours(frames) == 200));
        }
        assert_eq!(count, 20 * 200);
    });
}

#[test]
fn many_frames_are_sent_by_a_thread_of_their_own_in_order_with_the_few_that_follow() {
    in_namespace(|| {
        ip("link add p0 type veth peer name p1");
        ip("link set p0 up");
        ip("link set p1 up");
        let (mut a, mut b) = (Port::packet("p0").unwrap(), Port::packet("p1").unwrap());
        a.send_apart();
        let mut sent = Vec::new();
        // Bursts that the thread gets, and single frames that go at once unless they would overtake.
        for burst in [200_u8, 1, 1, 17, 1, 30] {
            for _ in 0..burst {
                let frame = broadcast(sent.len() as u8);
                a.send(Frame::from(frame.as_slice()));
                sent.push(frame);
            }
            a.flush();
            assert_eq!(a.queued(), 0);
        }
        let ours = |frames: &[Vec<u8>]| frames.iter().filter(|f| is_ours(f)).count();
        let frames = receive(&mut b, 1500, |frames| ours(frames) == sent.len());
        assert_eq!(frames.into_iter().filter(|f| is_ours(f)).collect::<Vec<_>>(), sent);
        // What an interface that is down refuses is counted, and the end waits for all.
        ip("link set p0 down");
        for _ in 0..20 {
            a.send(Frame::from(broadcast(1)));
        }
        a.flush();
        for _ in 0..100 {
            if a.dropped >= 20 {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
            a.send(Frame::from(broadcast(1)));
            a.flush();
        }
        assert!(a.dropped >= 20, "{} of 20 were counted", a.dropped);
    });
}

#[test]
fn a_frame_that_the_interface_refuses_is_dropped_and_counted() {
    in_namespace(|| {
        ip("link add p0 type veth peer name p1");
        ip("link set p0 up");
        ip("link set p1 up");
        let mut a = Port::packet("p0").unwrap();
        let mut giant = broadcast(1);
        giant.resize(3000, 0);
        a.send(Frame::from(giant));
        a.send(Frame::from(broadcast(2)));
        a.flush();
        assert_eq!((a.queued(), a.dropped), (0, 1));
        // Down: nothing goes, nothing breaks.
        ip("link set p0 down");
        a.send(Frame::from(broadcast(3)));
        a.flush();
        assert_eq!((a.queued(), a.dropped), (0, 2));
        assert!(receive(&mut a, 1500, |_| true).iter().all(|frame| !is_ours(frame)));
        ip("link set p0 up");
        a.send(Frame::from(broadcast(4)));
        a.flush();
        assert_eq!((a.queued(), a.dropped), (0, 2));
    });
}

#[test]
fn a_missing_interface_is_an_error() {
    in_namespace(|| {
        assert_eq!(Port::packet("nowhere").unwrap_err().kind(), std::io::ErrorKind::NotFound);
        assert!(Port::tap("a-name-that-is-too-long").is_err());
    });
}

#[test]
fn a_tap_port_is_a_wire_to_the_kernel() {
    in_namespace(|| {
        let mut tap = Port::tap("tap0").unwrap();
        ip("address add 192.0.2.1/24 dev tap0");
        let kernel: MacAddr = std::fs::read_to_string("/sys/class/net/tap0/address")
            .map_or(MacAddr::default(), |text| text.trim().parse().unwrap_or_default());
        assert_ne!(tap.address(kernel), kernel);
        assert!(tap.as_fd().try_clone_to_owned().is_ok() && tap.interface() > 0 && tap.name() == "tap0");
        // The kernel asks who has 192.0.2.2.
        let socket = UdpSocket::bind("192.0.2.1:0").unwrap();
        socket.send_to(b"hello", "192.0.2.2:7").unwrap();
        let arp = |frame: &[u8]| frame.get(12..14) == Some(&[8, 6]);
        let frames = receive(&mut tap, 1500, |frames| frames.iter().any(|f| arp(f)));
        let request = frames.iter().find(|frame| arp(frame)).unwrap();
        let (_, payload) = ethernet::Header::parse(request).unwrap();
        let request = trunkline_wire::arp::Arp::parse(payload).unwrap();
        assert_eq!(request.target_protocol.to_string(), "192.0.2.2");
        // It is answered, and the datagram comes.
        let ours = tap.address(kernel);
        let mut reply = Vec::new();
        ethernet::Header {
            destination: request.sender_hardware,
            source: ours,
            tag: None,
            content: ethernet::Content::Type(ethernet::EtherType::ARP),
        }
        .emit(&mut reply);
        trunkline_wire::arp::Arp {
            operation: trunkline_wire::arp::Operation::Reply,
            sender_hardware: ours,
            sender_protocol: request.target_protocol,
            target_hardware: request.sender_hardware,
            target_protocol: request.sender_protocol,
        }
        .emit(&mut reply);
        tap.send(Frame::from(reply));
        tap.flush();
        let frames = receive(&mut tap, 1500, |frames| frames.iter().any(|f| f.ends_with(b"hello")));
        let datagram = frames.iter().find(|frame| frame.ends_with(b"hello")).unwrap();
        assert_eq!(datagram[..6], ours.0);
    });
}

/// A wire that loses nothing and counts.
#[derive(Default)]
struct Straight {
    frames: std::collections::VecDeque<(usize, Frame)>,
    longest: usize,
    bad: usize,
}

impl Medium for Straight {
    fn push(&mut self, _: Instant, from: usize, frame: Frame) {
        self.longest = self.longest.max(frame.len());
        if let Ok((header, payload)) = ethernet::Header::parse(&frame)
            && header.content == ethernet::Content::Type(ethernet::EtherType::IPV4)
        {
            let good = ipv4::Header::parse(payload).is_ok_and(|(header, payload)| {
                header.protocol != ipv4::Protocol::TCP
                    || tcp::Segment::parse(payload, header.source, header.destination).is_ok()
            });
            self.bad += usize::from(!good);
        }
        self.frames.push_back((1 - from, frame));
    }

    fn poll_timeout(&self) -> Option<Instant> {
        (!self.frames.is_empty()).then_some(Instant::ZERO)
    }

    fn pop_due(&mut self, _: Instant) -> Option<(usize, Frame)> {
        self.frames.pop_front()
    }
}

/// Two hosts of the kernel, with all their offloads on, talk through the relay: every frame on the way is whole.
#[test]
fn the_relay_carries_tcp_between_kernels_that_offload() {
    static STOP: AtomicBool = AtomicBool::new(false);
    in_namespace(|| {
        ip("link add p0 type veth peer name p0-far");
        ip("link add p1 type veth peer name p1-far");
        ip("link set p0 up");
        ip("link set p1 up");
        ip("link set p0-far up");
        ip("address add 192.0.2.1/24 dev p0-far");
        // The other host has a namespace of its own.
        let (tell, told) = mpsc::channel();
        let (moved, is_moved) = mpsc::channel();
        let sender = std::thread::spawn(move || {
            crate::sockopt::unshare_network().unwrap();
            tell.send(rustix::thread::gettid().as_raw_nonzero()).unwrap();
            is_moved.recv().unwrap();
            ip("link set p1-far up");
            ip("address add 192.0.2.2/24 dev p1-far");
            let listener = TcpListener::bind("192.0.2.2:5001").unwrap();
            tell.send(rustix::thread::gettid().as_raw_nonzero()).unwrap();
            let (mut stream, _) = listener.accept().unwrap();
            stream.write_all(&vec![0x5a; 10_000_000]).unwrap();
        });
        let thread = told.recv().unwrap();
        ip(&format!("link set p1-far netns /proc/{}/task/{thread}/ns/net", std::process::id()));
        moved.send(()).unwrap();
        told.recv().unwrap();
        // A new thread begins in the namespace of the one that starts it.
        let carrier = std::thread::spawn(|| {
            let mut medium = Straight::default();
            relay(["p0", "p1"], &mut medium, &STOP).unwrap();
            medium
        });
        let mut received = Vec::new();
        TcpStream::connect("192.0.2.2:5001").unwrap().read_to_end(&mut received).unwrap();
        sender.join().unwrap();
        STOP.store(true, Ordering::Relaxed);
        let medium = carrier.join().unwrap();
        assert!(received.len() == 10_000_000 && received.iter().all(|octet| *octet == 0x5a));
        assert_eq!(medium.longest, 1514, "the kernel's large segments were cut as hardware does");
        assert_eq!(medium.bad, 0, "every checksum on the wire is right");
    });
}
