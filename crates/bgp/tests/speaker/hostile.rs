//! Peers that mean harm, or whose octets come in one read with what changes the session.

use crate::rig::*;
use trunkline_bgp::Input;
use trunkline_bgp::config::MaximumPrefixes;
use trunkline_bgp::transport::{TcpError, TcpEvent};
use trunkline_core::Ipv4Prefix;
use trunkline_wire::bgp::*;

const V4: Family = Family::IPV4_UNICAST;
const THREE: [&str; 3] = ["10.1.0.0/16", "10.2.0.0/16", "10.3.0.0/16"];

/// A whole opening by the peer, and what it says then, in one read.
fn in_one_read(rig: &Rig, peer: usize, rest: &[Vec<u8>]) -> Vec<u8> {
    let mut octets = Vec::new();
    rig.peers[peer].open.emit(&mut octets);
    emit_keepalive(&mut octets);
    octets.extend(rest.concat());
    octets
}

/// Peer 0 is up with three routes, peer 1 watches.
fn three(change: impl Fn(&mut trunkline_bgp::config::NeighborConfig), offer: Option<Capability>) -> Rig {
    let mut first = neighbor("192.0.2.2", 65001);
    change(&mut first);
    let mut rig = Rig::new(with([first, neighbor("192.0.2.3", 65002)]));
    for (address, asn) in [("192.0.2.2", 65001), ("192.0.2.3", 65002)] {
        let peer = rig.peer(a(address), asn);
        rig.peers[peer].open.bgp_identifier = [250, 0, 0, peer as u8].into();
        rig.offer(peer, |caps| caps.extend(offer.clone()));
        rig.connect(peer);
    }
    rig.send(0, &update(&attrs(&[65001], "192.0.2.2"), &THREE));
    assert_eq!(rig.peers[1].prefixes(), THREE);
    rig
}

fn graceful() -> Capability {
    let families = vec![(V4, true)];
    Capability::GracefulRestart { restart_state: true, notification: false, restart_time: 60, families }
}

#[test]
fn what_comes_with_the_opening_that_replaces_a_session_is_the_new_ones() {
    // RFC 4724 §4.2: takes over; RFC 4271 §8.1.1: CollisionDetectEstablishedState.
    for graceful in [Some(graceful()), None] {
        let mut rig = three(|n| n.collision_detect_established = true, graceful);
        rig.peers[0].stuck = true;
        rig.connect(0);
        let all = in_one_read(
            &rig,
            0,
            &[update(&attrs(&[65001, 9], "192.0.2.2"), &[THREE[1], "10.4.0.0/16"]), end_of_rib(V4)],
        );
        rig.send(0, &all);
        assert_eq!(rig.peers[1].prefixes(), [THREE[1], "10.4.0.0/16"]);
        let view = rig.view(0);
        assert_eq!((view.summary.prefixes_received, view.families[0].stale), (2, 0));
        assert!(view.families[0].end_of_rib_received && rig.notices.is_empty());
    }
    // In pieces that end anywhere.
    for cut in [1, 40, 70, 90, 100, 110, 120, 150] {
        let mut rig = three(|_| (), Some(graceful()));
        rig.peers[0].stuck = true;
        rig.connect(0);
        let all = in_one_read(&rig, 0, &[update(&attrs(&[65001], "192.0.2.2"), &THREE[..1]), end_of_rib(V4)]);
        let (one, two) = all.split_at(cut.min(all.len()));
        rig.push(0, one);
        rig.send(0, two);
        assert_eq!(rig.peers[1].prefixes(), THREE[..1], "{cut}");
    }
}

#[test]
fn too_many_prefixes_in_the_first_read() {
    let limit = MaximumPrefixes { limit: 2, warning: 75, restart: None };
    let mut rig = Rig::new(with([neighbor("192.0.2.2", 65001)].map(|mut n| {
        n.maximum_prefixes = Some(limit);
        n
    })));
    let peer = rig.peer(a("192.0.2.2"), 65001);
    rig.peers[peer].stuck = true;
    rig.connect(peer);
    let all = in_one_read(&rig, peer, &[update(&attrs(&[65001], "192.0.2.2"), &THREE)]);
    rig.send(peer, &all);
    assert!(rig.peers[peer].conn.is_none() && rig.routes.is_empty());
    let last = rig.peers[peer].notifications.last().map(Notification::error);
    assert_eq!(last, Some(ErrorCode::MAXIMUM_NUMBER_OF_PREFIXES_REACHED));
}

#[test]
fn a_flood_of_refreshes_is_one() {
    let mut rig = three(|_| (), None);
    rig.peers[1].refreshes.clear();
    rig.peers[1].announced.clear();
    let flood = refresh(V4, RouteRefreshSubtype::Request).repeat(1000);
    rig.push(1, &flood);
    rig.push(1, &flood);
    rig.settle();
    assert_eq!((rig.peers[1].refreshes.len(), rig.peers[1].announced.len()), (2, 3));
}

#[test]
fn news_of_next_hops_without_end_do_not_put_off_a_sweep() {
    let mut rig = Rig::up(with([neighbor("192.0.2.2", 65001), neighbor("192.0.2.3", 65002)]));
    let prefixes: Vec<_> = (0..20_000u32).map(|n| Ipv4Prefix::from_bits(n << 8 | 10 << 24, 24)).collect();
    let block = block(&attrs(&[65001], "192.0.2.2"));
    prefixes.chunks(900).for_each(|some| rig.push(0, &raw_update(&[], &block, some)));
    rig.settle();
    rig.send(1, &update(&attrs(&[65002], "192.0.2.3"), &["192.168.0.0/16"]));
    let conn = rig.peers[0].conn.take().unwrap();
    rig.feed(Input::Tcp { conn, event: TcpEvent::Closed(TcpError::Reset) });
    for slice in 0..20 {
        rig.metrics.insert(a("192.0.2.3"), Some(slice));
        rig.tell(a("192.0.2.3"));
        rig.bgp.handle_timeout(rig.now, &mut rig.out);
        rig.carry_out();
    }
    assert_eq!(rig.view(0).summary.prefixes_received, 0);
    assert!(rig.routes.len() == 1 && !rig.tracked.contains(&a("192.0.2.2")));
}
