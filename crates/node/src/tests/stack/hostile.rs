//! What nobody should send.

use super::wire::Net;
use super::{host, ping, router, switch};
use crate::NodeInput;
use crate::config::{Service, ServiceKind};
use std::net::SocketAddrV4;
use trunkline_core::{Frame, PortId, Rng};
use trunkline_view::probe::TransferQuery;
use trunkline_view::{Answer, Query};

fn busy() -> Net {
    let mut a = host("a", "10.0.0.1/24", "10.0.0.254");
    a.services = vec![Service { kind: ServiceKind::Echo, port: 7 }];
    let r = router("r", &[("eth0", &["10.0.0.254/24"]), ("eth1", &["10.0.1.254/24"])]);
    let configs = vec![a, switch("sw", 2), r, host("b", "10.0.1.1/24", "10.0.1.254")];
    Net::new(configs, &[&["a.eth0", "sw.port0"], &["sw.port1", "r.eth0"], &["r.eth1", "b.eth0"]])
}

#[test]
fn broken_frames_do_no_harm() {
    let mut net = busy();
    ping(&mut net, "b", "10.0.0.1", 2);
    let remote = SocketAddrV4::new("10.0.0.1".parse().unwrap(), 7);
    let Answer::Transfer(view) = net.ask("b", Query::TcpTransfer(TransferQuery::new(remote, 20_000))) else {
        panic!("no transfer")
    };
    assert!(view.echoed);
    let good: Vec<Frame> = net.frames.iter().map(|(.., frame)| frame.clone()).collect();
    net.short_frames = true;
    let mut rng = Rng::new(7);
    for _ in 0..30_000 {
        let mut octets = good[rng.below(good.len() as u64) as usize].to_vec();
        for _ in 0..=rng.below(4) {
            let at = rng.below(octets.len().min(80) as u64) as usize;
            octets[at] = rng.next_u64() as u8;
        }
        if rng.below(8) == 0 {
            octets.truncate(rng.below(octets.len() as u64 + 1) as usize);
        }
        if rng.below(8) == 0 {
            let tag = [0x81, 0, 0, rng.below(2) as u8];
            let at = octets.len().min(12);
            octets.splice(at..at, tag);
        }
        let node = rng.below(4) as usize;
        let port = PortId(rng.below(2) as u32);
        let frame = Frame::from(octets);
        net.with(node, |node, now, out| node.handle(now, NodeInput::Frame { port, frame }, out));
        if rng.below(100) == 0 {
            net.frames.clear();
            net.run(0.01);
        }
    }
    net.run(120.0);
    assert_eq!(ping(&mut net, "b", "10.0.0.1", 2).received, 2);
}

#[test]
fn a_storm_of_arp_leaves_room() {
    let mut net = busy();
    ping(&mut net, "a", "10.0.0.254", 1);
    let request = net.frames.iter().find(|(.., frame)| frame[12..14] == [8, 6]).unwrap().3.clone();
    for n in 0..20_000_u32 {
        let mut octets = request.to_vec();
        let [_, b, c, d] = n.to_be_bytes();
        for at in [6, 22] {
            octets[at..at + 6].copy_from_slice(&[2, 9, 9, b, c, d]);
        }
        // Sender 10.0.0.x, target the router.
        octets[28..32].copy_from_slice(&[10, 0, c % 2, d]);
        octets[38..42].copy_from_slice(&[10, 0, 0, 254]);
        let frame = Frame::from(octets);
        net.with(2, |node, now, out| node.handle(now, NodeInput::Frame { port: PortId(0), frame }, out));
        net.frames.clear();
    }
    net.run(5.0);
    let Answer::Arp(view) = net.ask("r", Query::Arp { interface: None }) else { panic!("no ARP") };
    assert!(view.entries.len() <= 4096, "{}", view.entries.len());
    let Answer::Mac(view) = net.ask("sw", Query::Mac { bridge: None }) else { panic!("no bridge") };
    assert!(view.entries.len() <= 16_384);
    net.run(200.0);
    assert_eq!(ping(&mut net, "a", "10.0.0.254", 1).received, 1);
}

#[test]
fn who_talks_to_itself_lets_time_go_on() {
    let mut net = busy();
    let remote = SocketAddrV4::new("127.0.0.1".parse().unwrap(), 7);
    let before = net.now;
    let query = TransferQuery::new(remote, 30_000_000);
    let Answer::Transfer(view) = net.ask("a", Query::TcpTransfer(query)) else { panic!("no transfer") };
    assert_eq!((view.received, view.echoed, &view.error), (30_000_000, true, &None));
    assert!(net.now > before);
}
