//! Sessions that go and come back, and routes told again (RFC 4724, RFC 2918, RFC 7313).

use crate::rig::*;
use trunkline_view::{Answer, Query};
use trunkline_wire::bgp::RouteRefreshSubtype::{BoRR, EoRR, Request};
use trunkline_wire::bgp::*;

const V4: Family = Family::IPV4_UNICAST;
const THREE: [&str; 3] = ["10.1.0.0/16", "10.2.0.0/16", "10.3.0.0/16"];

/// Peer 0 restarts gracefully, peer 1 watches.
fn graceful() -> Rig {
    let mut rig = Rig::new(with([neighbor("192.0.2.2", 65001), neighbor("192.0.2.3", 65002)]));
    for (address, asn) in [("192.0.2.2", 65001), ("192.0.2.3", 65002)] {
        let peer = rig.peer(a(address), asn);
        if peer == 0 {
            rig.offer(peer, |caps| caps.push(capability(vec![(V4, true)])));
        }
        rig.connect(peer);
    }
    rig.send(0, &update(&attrs(&[65001], "192.0.2.2"), &THREE));
    rig
}

fn capability(families: Vec<(Family, bool)>) -> Capability {
    Capability::GracefulRestart { restart_state: true, notification: false, restart_time: 60, families }
}

fn stale(rig: &mut Rig) -> u64 {
    rig.view(0).families.iter().map(|f| f.stale).sum()
}

#[test]
fn a_restarting_peers_routes_are_kept_until_end_of_rib() {
    let mut rig = graceful();
    rig.peers[1].announced.clear();
    rig.cut(0);
    assert_eq!((rig.peers[1].prefixes(), stale(&mut rig)), (THREE.map(String::from).to_vec(), 3));
    assert!(rig.view(0).graceful_restart.is_some() && rig.paths(THREE[0])[0].stale);
    rig.pass(10);
    rig.connect(0);
    assert_eq!(rig.peers[1].table.len(), 3);
    rig.send(0, &update(&attrs(&[65001], "192.0.2.2"), &THREE[..1]));
    rig.send(0, &update(&attrs(&[65001, 9], "192.0.2.2"), &THREE[1..2]));
    assert_eq!(stale(&mut rig), 1);
    rig.send(0, &end_of_rib(V4));
    assert_eq!(
        (rig.peers[1].prefixes(), stale(&mut rig)),
        (THREE[..2].iter().map(|s| s.to_string()).collect(), 0)
    );
    assert_eq!(rig.peers[1].announced, [p(THREE[1])], "only what changed is told");
    assert_eq!(rig.peers[1].withdrawn, [p(THREE[2])]);
    rig.check_advertised(1);
    rig.pass(100);
    assert_eq!(rig.peers[1].table.len(), 2);
}

#[test]
fn stale_routes_go_when_the_time_is_over() {
    let mut rig = graceful();
    rig.cut(0);
    rig.pass(59);
    assert_eq!(rig.peers[1].table.len(), 3);
    rig.pass(2);
    assert!(rig.peers[1].table.is_empty() && rig.routes.is_empty() && rig.tracked.is_empty());
    assert_eq!(rig.view(0).summary.prefixes_received, 0);
}

#[test]
fn stale_routes_go_where_the_peer_did_not_keep_forwarding() {
    // RFC 4724 §4.2: the F bit is not set, the family or the whole capability is not there.
    for families in [Some(vec![(V4, false)]), Some(vec![(Family::IPV6_UNICAST, true)]), None] {
        let mut rig = graceful();
        rig.cut(0);
        rig.offer(0, |caps| {
            caps.pop();
            caps.extend(families.clone().map(capability));
        });
        rig.again(0);
        assert!(rig.peers[1].table.is_empty(), "{families:?}");
        assert_eq!(rig.view(0).graceful_restart, None);
    }
    // The family is not agreed any more.
    let mut rig = graceful();
    rig.cut(0);
    rig.offer(0, |caps| caps.retain(|c| *c != Capability::Multiprotocol(V4)));
    rig.again(0);
    assert!(rig.peers[1].table.is_empty());
}

#[test]
fn a_second_failure_before_end_of_rib_keeps_nothing() {
    // RFC 4724 §4.2
    let mut rig = graceful();
    rig.cut(0);
    rig.again(0);
    rig.send(0, &update(&attrs(&[65001], "192.0.2.2"), &THREE[..1]));
    rig.cut(0);
    assert!(!rig.peers[1].has(THREE[1]), "stale since the first failure");
}

#[test]
fn a_failure_while_the_last_sweep_runs_keeps_what_is_fresh() {
    let mut rig = graceful();
    rig.cut(0);
    rig.again(0);
    rig.push(0, &update(&attrs(&[65001], "192.0.2.2"), &THREE[..2]));
    // End-of-RIB and the end of the connection before any background work.
    rig.push(0, &end_of_rib(V4));
    rig.cut(0);
    assert_eq!(rig.peers[1].prefixes(), THREE[..2]);
}

#[test]
fn without_the_capability_routes_go_at_once() {
    let mut rig = Rig::up(with([neighbor("192.0.2.2", 65001), neighbor("192.0.2.3", 65002)]));
    rig.send(0, &update(&attrs(&[65001], "192.0.2.2"), &THREE));
    rig.cut(0);
    assert!(rig.peers[1].table.is_empty());
    assert_eq!(rig.peers[1].wasteful, 0);
}

#[test]
fn enhanced_refresh_sweeps_what_was_not_told_again() {
    // RFC 7313 §4
    let mut rig = graceful();
    rig.send(0, &refresh(V4, EoRR));
    assert_eq!(rig.peers[1].prefixes(), THREE, "an end without a beginning");
    rig.send(0, &refresh(V4, BoRR));
    rig.send(0, &update(&attrs(&[65001], "192.0.2.2"), &THREE[1..2]));
    assert_eq!(rig.peers[1].prefixes(), THREE);
    rig.send(0, &refresh(V4, EoRR));
    assert_eq!(rig.peers[1].prefixes(), THREE[1..2]);
    // The end of one and the beginning of the next in one read.
    rig.send(0, &update(&attrs(&[65001], "192.0.2.2"), &THREE));
    rig.peers[1].withdrawn.clear();
    let mut both = refresh(V4, BoRR);
    both.extend(update(&attrs(&[65001], "192.0.2.2"), &THREE[..2]));
    both.extend(refresh(V4, EoRR));
    both.extend(refresh(V4, BoRR));
    rig.send(0, &both);
    assert_eq!(rig.peers[1].withdrawn, [p(THREE[2])]);
    rig.send(0, &refresh(V4, EoRR));
    assert!(rig.peers[1].table.is_empty());
}

#[test]
fn a_refresh_is_answered_with_all_routes_between_marks() {
    let mut rig = graceful();
    rig.peers[1].announced.clear();
    rig.send(1, &refresh(V4, Request));
    assert_eq!(rig.peers[1].announced.len(), 3);
    let marks: Vec<_> = rig.peers[1].refreshes.iter().map(|r| r.subtype).collect();
    assert_eq!(marks, [BoRR, EoRR]);
    // Of a peer that does not know of marks.
    rig.cut(1);
    rig.offer(1, |caps| caps.retain(|c| *c != Capability::EnhancedRouteRefresh));
    rig.again(1);
    rig.peers[1].announced.clear();
    rig.peers[1].refreshes.clear();
    rig.send(1, &refresh(V4, Request));
    assert_eq!((rig.peers[1].announced.len(), rig.peers[1].refreshes.len()), (3, 0));
    assert_eq!(rig.peers[1].ends_of_rib.len(), 2);
    rig.check_advertised(1);
}

#[test]
fn a_soft_clear_asks_judges_and_sends_again() {
    let mut rig = graceful();
    rig.peers[1].announced.clear();
    let done = rig.ask(Query::BgpClear { address: None, soft: true });
    assert!(matches!(done, Answer::Done(_)));
    assert_eq!(rig.peers[1].announced.len(), 3);
    for peer in 0..2 {
        let asked: Vec<_> = rig.peers[peer].refreshes.iter().map(|r| (r.family, r.subtype)).collect();
        assert_eq!(asked, [(V4, Request), (Family::IPV6_UNICAST, Request)]);
        assert!(rig.peers[peer].established);
    }
}

#[test]
fn an_update_in_one_read_with_the_keepalive_that_establishes() {
    let mut rig = Rig::new(with([neighbor("192.0.2.2", 65001), neighbor("192.0.2.3", 65002)]));
    let (first, second) = (rig.peer(a("192.0.2.2"), 65001), rig.peer(a("192.0.2.3"), 65002));
    rig.connect(second);
    rig.peers[first].stuck = true;
    rig.connect(first);
    let mut octets = Vec::new();
    rig.peers[first].open.emit(&mut octets);
    emit_keepalive(&mut octets);
    octets.extend(update(&attrs(&[65001], "192.0.2.2"), &THREE));
    octets.extend(end_of_rib(V4));
    rig.send(first, &octets);
    assert_eq!(rig.peers[second].prefixes(), THREE);
    assert!(rig.view(first).families[0].end_of_rib_received);
}

#[test]
fn a_sweep_goes_in_slices_with_keepalives_between() {
    let mut rig = Rig::up(with([
        neighbor("192.0.2.2", 65001),
        neighbor("192.0.2.3", 65002),
        neighbor("192.0.2.4", 65003),
    ]));
    let prefixes: Vec<_> =
        (0..20_000u32).map(|n| trunkline_core::Ipv4Prefix::from_bits(n << 8 | 10 << 24, 24)).collect();
    for (peer, asn) in [(0, 65001), (1, 65002)] {
        let block = block(&attrs(&[asn, 7], &format!("192.0.2.{}", peer + 2)));
        for some in prefixes.chunks(900) {
            rig.push(peer, &raw_update(&[], &block, some));
        }
    }
    rig.settle();
    assert_eq!(rig.peers[2].table.len(), 20_000);
    let keepalives = rig.peers[2].keepalives;
    // A cut of the first: the work is done in slices, during which a keepalive that is due goes out.
    rig.now += trunkline_core::Duration::from_secs(31);
    let conn = rig.peers[0].conn.take().unwrap();
    let error = trunkline_bgp::transport::TcpError::Reset;
    rig.feed(trunkline_bgp::Input::Tcp { conn, event: trunkline_bgp::transport::TcpEvent::Closed(error) });
    let mut slices = 0;
    let mut at_keepalive = None;
    loop {
        rig.carry_out();
        if rig.peers[2].keepalives > keepalives {
            at_keepalive.get_or_insert(slices);
        }
        if rig.bgp.poll_timeout().is_none_or(|at| at > rig.now) {
            break;
        }
        rig.bgp.handle_timeout(rig.now, &mut rig.out);
        slices += 1;
    }
    assert!((4..=20).contains(&slices), "{slices}");
    assert_eq!(at_keepalive, Some(1));
    let path = |rig: &Rig| {
        rig.peers[2]
            .table
            .values()
            .filter(|(a, _)| a.as_path.as_ref().unwrap().asns().nth(1) == Some(trunkline_core::Asn(65002)))
            .count()
    };
    assert_eq!(path(&rig), 20_000);
    assert!(rig.peers[1].table.is_empty() && rig.peers[2].withdrawn.is_empty() && rig.routes.len() == 20_000);
    (1..3).for_each(|peer| rig.check_advertised(peer));
    assert_eq!(rig.view(0).summary.prefixes_received, 0);
    // The second goes too: everything is withdrawn, and the place is free.
    rig.cut(1);
    assert!(rig.peers[2].table.is_empty() && rig.routes.is_empty() && rig.tracked.is_empty());
    assert_eq!(rig.peers[2].wasteful, 0);
}

#[test]
fn routes_reported_late_are_not_forgotten_when_their_places_are_taken() {
    // More destinations change at once than are told to the routing table in one go.
    let mut rig = Rig::up(with([neighbor("192.0.2.2", 65001), neighbor("192.0.2.3", 65002)]));
    let block = block(&attrs(&[65001], "192.0.2.2"));
    let prefixes = |from: u32| {
        (from..from + 12_000)
            .map(|n| trunkline_core::Ipv4Prefix::from_bits(n << 8 | 10 << 24, 24))
            .collect::<Vec<_>>()
    };
    for round in 0..4 {
        let (old, new) = (prefixes(round * 12_000), prefixes((round + 1) * 12_000));
        let mut octets = Vec::new();
        if round > 0 {
            old.chunks(900).for_each(|some| octets.extend(raw_update(some, &[], &[])));
        }
        rig.push(0, &octets);
        rig.carry_out();
        let mut octets = Vec::new();
        new.chunks(900).for_each(|some| octets.extend(raw_update(&[], &block, some)));
        rig.push(0, &octets);
        rig.settle();
        assert_eq!((rig.routes.len(), rig.peers[1].table.len()), (12_000, 12_000), "{round}");
    }
}

#[test]
fn the_restart_time_is_for_coming_back_and_the_stale_time_for_end_of_rib() {
    // RFC 4724 §4.2
    let mut rig = graceful();
    rig.cut(0);
    rig.pass(50);
    rig.again(0);
    rig.pass(100);
    assert_eq!(rig.peers[1].prefixes(), THREE, "the restart time of 60 s is over, but it is back");
    assert_eq!(rig.view(0).graceful_restart.map(|left| left > 150.0), Some(true));
    rig.pass(210);
    assert!(rig.peers[1].table.is_empty() && rig.peers[0].established, "no End-of-RIB in 300 s");
}

#[test]
fn stale_routes_go_at_once_when_the_operator_wants_the_neighbor_down() {
    // RFC 4271 §8.2.2: ManualStop deletes all routes.
    let address = a("192.0.2.2");
    let orders = [
        Query::BgpShutdown { address, message: None },
        Query::BgpClear { address: Some(address), soft: false },
        Query::BgpClear { address: None, soft: false },
    ];
    for order in orders {
        let mut rig = graceful();
        rig.cut(0);
        assert_eq!(rig.peers[1].prefixes(), THREE);
        rig.ask(order);
        assert!(rig.routes.is_empty() && (rig.peers[1].table.is_empty() || !rig.peers[1].established));
        assert_eq!(rig.view(0).graceful_restart, None);
    }
    let mut disabled = neighbor("192.0.2.2", 65001);
    disabled.enabled = false;
    let mut other = neighbor("192.0.2.2", 65009);
    other.enabled = true;
    for new in [disabled, other] {
        let mut rig = graceful();
        rig.cut(0);
        rig.bgp.reconfigure(rig.now, with([new, neighbor("192.0.2.3", 65002)]), &mut rig.out);
        rig.settle();
        assert!(rig.peers[1].table.is_empty() && rig.routes.is_empty());
    }
}
