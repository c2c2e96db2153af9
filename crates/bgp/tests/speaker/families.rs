//! Families in one message and on one session (RFC 4760, RFC 2545, RFC 8950).

use crate::rig::*;
use std::sync::Arc;
use trunkline_wire::bgp::*;

fn v6_hop(global: &str, link_local: Option<&str>) -> MpNextHop {
    MpNextHop::V6 { global: global.parse().unwrap(), link_local: link_local.map(|l| l.parse().unwrap()) }
}

#[test]
fn a_mixed_update() {
    // RFC 4760 §3: NLRI with NEXT_HOP, MP_REACH_NLRI with its own, and withdrawals of both, in one.
    let mut rig = Rig::up(with([neighbor("192.0.2.2", 65001), neighbor("192.0.2.3", 65002)]));
    let old = attrs(&[65001, 1], "192.0.2.2");
    rig.send(0, &update(&old, &["10.1.0.0/16", "10.2.0.0/16"]));
    rig.send(0, &update6(&attrs(&[65001, 1], ""), v6_hop("2001:db8::2", None), &["2001:db8:1::/48"]));
    rig.send(0, &update6(&attrs(&[65001, 1], ""), v6_hop("2001:db8::2", None), &["2001:db8:2::/48"]));
    let new = block(&attrs(&[65001, 2], "192.0.2.2"));
    let mut reach = vec![0, 2, 1, 16];
    v6_hop("2001:db8::2", None).emit(&mut reach);
    reach.push(0);
    let mut unreach = vec![0, 2, 1];
    for (prefix, field) in [("2001:db8:3::/48", &mut reach), ("2001:db8:1::/48", &mut unreach)] {
        emit_ipv6_prefix(p6(prefix), field);
    }
    // RFC 4271 §4.3: a prefix both withdrawn and announced counts as announced.
    emit_ipv6_prefix(p6("2001:db8:3::/48"), &mut unreach);
    let mut attributes = new;
    emit_attribute(0x80, 14, &reach, &mut attributes);
    emit_attribute(0x80, 15, &unreach, &mut attributes);
    let withdrawn = [p4("10.1.0.0/16"), p4("10.3.0.0/16")];
    for _ in 0..2 {
        rig.send(0, &raw_update(&withdrawn, &attributes, &[p4("10.3.0.0/16"), p4("10.4.0.0/16")]));
        let left = ["10.2.0.0/16", "10.3.0.0/16", "10.4.0.0/16", "2001:db8:2::/48", "2001:db8:3::/48"];
        assert_eq!(rig.peers[1].prefixes(), left);
        assert_eq!(rig.faults(0), [""; 0]);
        assert_eq!(rig.paths("10.3.0.0/16")[0].next_hop, Some(a("192.0.2.2")));
        assert_eq!(rig.paths("2001:db8:3::/48")[0].next_hop, Some(a("2001:db8::2")));
        assert_eq!(rig.paths("10.3.0.0/16")[0].as_path, "65001 2");
    }
    rig.check_advertised(1);
    rig.cut(0);
    assert!(rig.peers[1].table.is_empty() && rig.tracked.is_empty() && rig.peers[1].wasteful == 0);
}

#[test]
fn withdrawn_and_announced_in_one_is_announced() {
    // RFC 4271 §4.3
    let mut rig = Rig::up(with([neighbor("192.0.2.2", 65001), neighbor("192.0.2.3", 65002)]));
    let attributes = block(&attrs(&[65001], "192.0.2.2"));
    for _ in 0..3 {
        rig.send(0, &raw_update(&[p4("10.1.0.0/16")], &attributes, &[p4("10.1.0.0/16")]));
        assert_eq!(rig.peers[1].prefixes(), ["10.1.0.0/16"]);
        assert_eq!(rig.view(0).summary.prefixes_received, 1);
    }
}

#[test]
fn a_family_that_was_not_agreed_is_ignored() {
    let mut rig = Rig::new(with([neighbor("192.0.2.2", 65001), neighbor("192.0.2.3", 65002)]));
    for (address, asn) in [("192.0.2.2", 65001), ("192.0.2.3", 65002)] {
        let peer = rig.peer(a(address), asn);
        if peer == 0 {
            rig.offer(peer, |caps| caps.retain(|c| *c != Capability::Multiprotocol(Family::IPV6_UNICAST)));
        }
        rig.connect(peer);
    }
    rig.send(0, &update6(&attrs(&[65001], ""), v6_hop("2001:db8::2", None), &["2001:db8:1::/48"]));
    assert_eq!(rig.faults(0), ["routes of the family ipv6-unicast, which was not agreed | ignored | 1"]);
    assert!(rig.peers[0].established && rig.peers[1].table.is_empty());
    rig.send(1, &update6(&attrs(&[65002], ""), v6_hop("2001:db8::3", None), &["2001:db8:2::/48"]));
    rig.send(1, &update(&attrs(&[65002], "192.0.2.3"), &["10.2.0.0/16"]));
    assert_eq!(rig.peers[0].prefixes(), ["10.2.0.0/16"]);
    assert_eq!(rig.peers[0].ends_of_rib, [Family::IPV4_UNICAST]);
    assert_eq!(rig.peers[1].ends_of_rib, [Family::IPV4_UNICAST, Family::IPV6_UNICAST]);
    // A family of which nobody has heard.
    let mut attributes = block(&attrs(&[65001], "192.0.2.2"));
    emit_attribute(0x80, 14, &[0, 25, 65, 0, 0, 1, 2, 3], &mut attributes);
    rig.send(0, &raw_update(&[], &attributes, &[p4("10.5.0.0/16")]));
    assert!(rig.peers[1].has("10.5.0.0/16") && rig.peers[0].established);
}

#[test]
fn next_hops_of_ipv6_over_ipv4_and_ipv6_sessions() {
    // RFC 2545 §3: with a link-local address where we share the subnet.
    let mut rig = Rig::up(with([
        neighbor("192.0.2.2", 65001),
        neighbor("192.0.2.3", 65002),
        neighbor("2001:db8::4", 65003),
        neighbor("2001:db8::5", US.0),
    ]));
    rig.send(0, &update6(&attrs(&[65001], ""), v6_hop("2001:db8::2", Some("fe80::2")), &["2001:db8:1::/48"]));
    rig.send(0, &update(&attrs(&[65001], "192.0.2.2"), &["10.1.0.0/16"]));
    let told = |rig: &Rig, peer: usize, prefix: &str| {
        let (attributes, mp) = rig.peers[peer].table[&p(prefix)].clone();
        mp.or(attributes.next_hop.map(MpNextHop::V4)).unwrap()
    };
    assert_eq!(told(&rig, 1, "2001:db8:1::/48"), v6_hop("2001:db8::1", None), "over IPv4");
    assert_eq!(told(&rig, 2, "2001:db8:1::/48"), v6_hop("2001:db8::1", Some("fe80::1")));
    assert_eq!(told(&rig, 3, "2001:db8:1::/48"), v6_hop("2001:db8::2", None), "internal: as it came");
    assert_eq!(told(&rig, 2, "10.1.0.0/16"), MpNextHop::V4("192.0.2.1".parse().unwrap()), "IPv4 over IPv6");
    assert_eq!(told(&rig, 3, "10.1.0.0/16"), MpNextHop::V4("192.0.2.2".parse().unwrap()));
    // An IPv4-mapped next hop is the peer itself.
    rig.send(0, &update6(&attrs(&[65001], ""), v6_hop("::ffff:192.0.2.2", None), &["2001:db8:9::/48"]));
    assert!(rig.peers[2].has("2001:db8:9::/48"));
    // One on no subnet of ours is not good.
    rig.send(0, &update6(&attrs(&[65001], ""), v6_hop("2001:db8:99::2", None), &["2001:db8:8::/48"]));
    assert!(!rig.peers[2].has("2001:db8:8::/48"));
}

#[test]
fn ipv4_with_ipv6_next_hops() {
    // RFC 8950
    let extended = |address: &str, asn| {
        let mut n = neighbor(address, asn);
        n.extended_next_hop = true;
        n
    };
    let neighbors =
        [extended("2001:db8::2", 65001), extended("2001:db8::3", 65002), neighbor("192.0.2.4", 65003)];
    let config = with(neighbors);
    let mut rig = Rig::new(config.clone());
    for neighbor in &config.neighbors {
        let peer = rig.peer(neighbor.address, neighbor.asn.0);
        if neighbor.extended_next_hop {
            let offer = Capability::ExtendedNextHop(vec![(Family::IPV4_UNICAST, Afi::Ipv6)]);
            rig.offer(peer, |caps| caps.push(offer));
        }
        rig.connect(peer);
    }
    let mut octets = Vec::new();
    let (hop, nlri) = (v6_hop("2001:db8::2", None), [p4("10.1.0.0/16")]);
    emit_mp_reach(4096, Family::IPV4_UNICAST, hop, &block(&attrs(&[65001], "")), &nlri, &mut octets);
    rig.send(0, &octets);
    assert_eq!(rig.peers[1].table[&p("10.1.0.0/16")].1, Some(v6_hop("2001:db8::1", None)));
    assert_eq!(rig.peers[2].table[&p("10.1.0.0/16")].0.next_hop, "192.0.2.1".parse().ok());
    assert_eq!(rig.routes[&p("10.1.0.0/16")].next_hops, [a("2001:db8::2")]);
    // It is withdrawn in Withdrawn Routes or in MP_UNREACH_NLRI.
    let mut gone = Vec::new();
    emit_mp_unreach(4096, Family::IPV4_UNICAST, &nlri, &mut gone);
    rig.send(0, &gone);
    assert!(rig.peers[1].table.is_empty() && rig.peers[2].table.is_empty());
    rig.send(0, &octets);
    rig.send(0, &withdraw(&["10.1.0.0/16"]));
    assert!(rig.peers[1].table.is_empty() && rig.peers[2].table.is_empty() && rig.routes.is_empty());
}

#[test]
fn a_route_whose_attributes_fit_no_message_is_withdrawn() {
    // RFC 8654 §4
    let mut rig = Rig::new(with([
        neighbor("192.0.2.2", 65001),
        neighbor("192.0.2.3", 65002),
        neighbor("192.0.2.4", 65003),
    ]));
    for (address, asn) in [("192.0.2.2", 65001), ("192.0.2.3", 65002), ("192.0.2.4", 65003)] {
        let peer = rig.peer(a(address), asn);
        if asn != 65002 {
            rig.offer(peer, |caps| caps.push(Capability::ExtendedMessage));
        }
        rig.connect(peer);
    }
    let small = attrs(&[65001], "192.0.2.2");
    rig.send(0, &update(&small, &["10.1.0.0/16", "10.2.0.0/16"]));
    let communities = (0..1100).map(|n| Community(65001 << 16 | n)).collect();
    rig.send(0, &update(&Attributes { communities, ..small }, &["10.1.0.0/16"]));
    assert_eq!(rig.peers[1].prefixes(), ["10.2.0.0/16"]);
    assert_eq!(rig.peers[2].prefixes(), ["10.1.0.0/16", "10.2.0.0/16"]);
    assert!(rig.peers[1].longest <= 4096 && rig.peers[2].longest > 4096);
    (0..3).for_each(|peer| rig.check_advertised(peer));
}

#[test]
fn peers_of_two_octet_as_numbers() {
    // RFC 6793
    let mut config = with([neighbor("192.0.2.2", 65001), neighbor("192.0.2.3", 65002)]);
    config.neighbors.push(Arc::new(neighbor("192.0.2.4", 65003)));
    let mut rig = Rig::new(config);
    for (address, asn) in [("192.0.2.2", 65001), ("192.0.2.3", 65002), ("192.0.2.4", 65003)] {
        let peer = rig.peer(a(address), asn);
        if asn != 65003 {
            rig.offer(peer, |caps| caps.retain(|c| !matches!(c, Capability::FourOctetAs(_))));
        }
        rig.connect(peer);
    }
    let long = attrs(&[65001, 400_000, 7], "192.0.2.2");
    let mut block = Vec::new();
    long.emit(false, &mut block);
    rig.send(0, &raw_update(&[], &block, &[p4("10.1.0.0/16")]));
    assert_eq!(rig.paths("10.1.0.0/16")[0].as_path, "65001 400000 7");
    for peer in [1, 2] {
        let path = rig.peers[peer].table[&p("10.1.0.0/16")].0.as_path.clone().unwrap();
        assert_eq!(path.to_string(), "65000 65001 400000 7");
    }
}
