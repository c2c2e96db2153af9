//! What is wrong with an UPDATE, and what comes of it (RFC 7606, RFC 4271 §6.3).

use crate::rig::*;
use trunkline_core::Asn;
use trunkline_wire::bgp::*;

/// A neighbour of AS 65001, and one of 65002 that watches.
fn two() -> Rig {
    Rig::up(with([neighbor("192.0.2.2", 65001), neighbor("192.0.2.3", 65002)]))
}

fn good() -> Attributes {
    attrs(&[65001], "192.0.2.2")
}

/// The block without one attribute, or with one in its place.
fn replaced(code: u8, by: &[u8]) -> Vec<u8> {
    let block = block(&good());
    let mut out = Vec::new();
    for raw in raw_attributes(&block).flatten() {
        out.extend(if raw.code == code { by } else { raw.whole });
    }
    if !raw_attributes(&block).flatten().any(|r| r.code == code) {
        out.extend(by);
    }
    out
}

#[test]
fn treat_as_withdraw_removes_the_earlier_route() {
    // RFC 7606 §3, §7; RFC 4271 §6.3
    let cases: [(&str, Vec<u8>); 12] = [
        ("ORIGIN undefined", replaced(1, &[0x40, 1, 1, 9])),
        ("ORIGIN length", replaced(1, &[0x40, 1, 2, 0, 0])),
        ("ORIGIN flags", replaced(1, &[0xc0, 1, 1, 0])),
        ("ORIGIN missing", replaced(1, &[])),
        ("AS_PATH malformed", replaced(2, &[0x40, 2, 3, 2, 9, 0])),
        ("AS_PATH missing", replaced(2, &[])),
        ("AS_PATH begins with another AS", replaced(2, &[0x40, 2, 6, 2, 1, 0, 0, 0xfd, 0xea])),
        ("AS_PATH empty", replaced(2, &[0x40, 2, 0])),
        ("NEXT_HOP length", replaced(3, &[0x40, 3, 3, 1, 2, 3])),
        ("NEXT_HOP missing", replaced(3, &[])),
        ("MED length", replaced(4, &[0x80, 4, 3, 1, 2, 3])),
        ("COMMUNITIES length", replaced(8, &[0xc0, 8, 3, 1, 2, 3])),
    ];
    for (what, block) in cases {
        let mut rig = two();
        rig.send(0, &update(&good(), &["203.0.113.0/24", "198.18.0.0/15"]));
        assert_eq!(rig.peers[1].prefixes(), ["198.18.0.0/15", "203.0.113.0/24"]);
        rig.send(0, &raw_update(&[], &block, &[p4("203.0.113.0/24")]));
        assert!(rig.peers[0].established, "{what}: {:?}", rig.peers[0].notifications);
        assert_eq!(rig.peers[1].prefixes(), ["198.18.0.0/15"], "{what}");
        assert_eq!(rig.routes.len(), 1, "{what}");
        let faults = rig.faults(0);
        assert!(faults.len() == 1 && faults[0].ends_with("| treat as withdraw | 1"), "{what}: {faults:?}");
        assert_eq!(rig.view(0).summary.prefixes_received, 1);
        // A good one comes back.
        rig.send(0, &update(&good(), &["203.0.113.0/24"]));
        assert_eq!(rig.peers[1].prefixes().len(), 2, "{what}");
    }
}

#[test]
fn attribute_discard_keeps_the_route() {
    // RFC 7606 §7.5 to §7.7, §7.9, §7.10; §3 g
    let cases: [(&str, Vec<u8>); 6] = [
        ("LOCAL_PREF from an external peer", replaced(5, &[0x40, 5, 4, 0, 0, 1, 0])),
        ("ORIGINATOR_ID from an external peer", replaced(9, &[0x80, 9, 4, 192, 0, 2, 1])),
        ("CLUSTER_LIST from an external peer", replaced(10, &[0x80, 10, 4, 192, 0, 2, 1])),
        ("ATOMIC_AGGREGATE length", replaced(6, &[0x40, 6, 1, 0])),
        ("AGGREGATOR length", replaced(7, &[0xc0, 7, 6, 0, 1, 1, 1, 1, 1])),
        ("MED twice", replaced(4, &[0x80, 4, 4, 0, 0, 0, 1, 0x80, 4, 4, 0, 0, 0, 2])),
    ];
    for (what, block) in cases {
        let mut rig = two();
        rig.send(0, &raw_update(&[], &block, &[p4("203.0.113.0/24")]));
        // Once more: the attributes are known now.
        rig.send(0, &raw_update(&[], &block, &[p4("203.0.113.0/24")]));
        assert_eq!(rig.peers[1].prefixes(), ["203.0.113.0/24"], "{what}");
        let path = &rig.paths("203.0.113.0/24")[0];
        assert!(path.eligible && path.local_pref == Some(100) && path.originator_id.is_none(), "{what}");
        let faults = rig.faults(0);
        assert!(faults.len() == 1 && faults[0].ends_with("| attribute discard | 2"), "{what}: {faults:?}");
    }
}

#[test]
fn what_cannot_be_read_resets_the_session() {
    // RFC 7606 §3 b, §3 g, §3 j, §5.3, §7.11; RFC 4271 §6.3
    let mp = |nlri: &[u8]| {
        let mut value = vec![0, 2, 1, 16];
        value.extend([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0]);
        value.extend(nlri);
        let mut out = block(&attrs(&[65001], ""));
        emit_attribute(0x80, 14, &value, &mut out);
        out
    };
    let whole = |octets: &[u8], rest: &[u8]| {
        let mut body = vec![0, 0, 0, octets.len() as u8];
        body.extend(octets);
        body.extend(rest);
        message(2, &body)
    };
    let good = block(&good());
    let cases: [(&str, Vec<u8>, ErrorCode); 8] = [
        ("lengths", message(2, &[0, 9, 0, 0]), ErrorCode::MALFORMED_ATTRIBUTE_LIST),
        ("NLRI length", whole(&good, &[33, 1, 2, 3, 4, 5]), ErrorCode::INVALID_NETWORK_FIELD),
        ("NLRI cut", whole(&good, &[24, 1, 2]), ErrorCode::INVALID_NETWORK_FIELD),
        ("withdrawn length", message(2, &[0, 1, 60, 0, 0]), ErrorCode::INVALID_NETWORK_FIELD),
        ("MP NLRI length", whole(&mp(&[129]), &[]), ErrorCode::OPTIONAL_ATTRIBUTE_ERROR),
        (
            "MP twice",
            whole(&[mp(&[64, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 1]), mp(&[])[14..].to_vec()].concat(), &[]),
            ErrorCode::MALFORMED_ATTRIBUTE_LIST,
        ),
        ("MP_UNREACH cut", whole(&[0x80, 15, 2, 0, 2], &[]), ErrorCode::OPTIONAL_ATTRIBUTE_ERROR),
        (
            "well-known unknown",
            whole(&[&good[..], &[0x40, 99, 0]].concat(), &[8, 10]),
            ErrorCode::UNRECOGNIZED_WELL_KNOWN_ATTRIBUTE,
        ),
    ];
    for (what, octets, error) in cases {
        let mut rig = two();
        rig.send(0, &update(&attrs(&[65001], "192.0.2.2"), &["203.0.113.0/24"]));
        rig.send(0, &octets);
        let said: Vec<_> = rig.peers[0].notifications.iter().map(Notification::error).collect();
        assert_eq!(said.len(), 1, "{what}");
        if what != "MP twice" {
            assert_eq!(said[0], error, "{what}");
        }
        assert!(rig.peers[0].conn.is_none());
        assert_eq!(rig.peers[1].prefixes(), [""; 0], "{what}");
        assert!(rig.routes.is_empty() && rig.tracked.is_empty(), "{what}");
        let faults = rig.faults(0);
        let counted = faults.len() == 1 && faults[0].ends_with("| session reset | 1");
        assert!(counted || what == "lengths", "{what}: {faults:?}");
    }
}

#[test]
fn kinds_of_faults_do_not_fill_the_memory() {
    let mut rig = two();
    for asn in 1..=1000 {
        rig.push(0, &update(&attrs(&[asn], "192.0.2.2"), &["203.0.113.0/24"]));
    }
    rig.settle();
    let view = rig.view(0);
    assert!(view.faults.len() <= 65, "{}", view.faults.len());
    assert_eq!(view.faults.iter().map(|f| f.count).sum::<u64>(), 1000);
}

#[test]
fn our_own_as_in_the_path_makes_a_route_ineligible() {
    // RFC 4271 §9.1.2
    let mut rig = two();
    rig.send(0, &update(&attrs(&[65001, US.0, 65007], "192.0.2.2"), &["203.0.113.0/24"]));
    assert!(rig.peers[1].table.is_empty() && rig.routes.is_empty());
    let path = &rig.paths("203.0.113.0/24")[0];
    assert!(!path.eligible && path.reason.as_deref().unwrap().contains("loop"), "{path:?}");
    assert_eq!(rig.view(0).summary.prefixes_received, 1, "it stays in Adj-RIB-In");
    // allow-own-as makes it good without a word of the peer.
    let mut config = with([neighbor("192.0.2.2", 65001), neighbor("192.0.2.3", 65002)]);
    let mut lenient = neighbor("192.0.2.2", 65001);
    lenient.allow_own_as = 1;
    config.neighbors[0] = std::sync::Arc::new(lenient);
    rig.bgp.reconfigure(rig.now, config, &mut rig.out);
    rig.settle();
    assert_eq!(rig.peers[1].prefixes(), ["203.0.113.0/24"]);
    rig.check_advertised(1);
}

#[test]
fn the_first_as_is_the_peers_where_that_is_enforced() {
    let mut lenient = neighbor("192.0.2.2", 65001);
    lenient.enforce_first_as = false;
    let mut rig = Rig::up(with([lenient, neighbor("192.0.2.3", 65002)]));
    rig.send(0, &update(&attrs(&[65009], "192.0.2.2"), &["203.0.113.0/24"]));
    assert_eq!(rig.peers[1].prefixes(), ["203.0.113.0/24"], "a route server");
    assert_eq!(rig.faults(0), [""; 0]);
}

#[test]
fn next_hops_are_judged() {
    // RFC 4271 §6.3, §5.1.3
    let cases = [
        ("192.0.2.2", true, "the peer"),
        ("192.0.2.77", true, "on our subnet"),
        ("192.0.2.1", false, "ourselves"),
        ("198.51.100.9", false, "on another subnet of ours"),
        ("8.8.8.8", false, "elsewhere"),
    ];
    for (next_hop, good, what) in cases {
        let mut rig = two();
        rig.send(0, &update(&attrs(&[65001], next_hop), &["203.0.113.0/24"]));
        assert_eq!(rig.peers[1].has("203.0.113.0/24"), good, "{what}");
        assert_eq!(rig.paths("203.0.113.0/24")[0].eligible, good, "{what}");
        let mut multihop = neighbor("192.0.2.2", 65001);
        multihop.multihop = Some(8);
        let mut rig = Rig::up(with([multihop, neighbor("192.0.2.3", 65002)]));
        rig.send(0, &update(&attrs(&[65001], next_hop), &["203.0.113.0/24"]));
        assert_eq!(rig.peers[1].has("203.0.113.0/24"), next_hop != "192.0.2.1", "{what}, multihop");
    }
}

#[test]
fn the_verdict_on_a_next_hop_is_not_another_ones() {
    let mut rig = two();
    // The only route with this next hop goes, and the place of the next hop is taken by a bad one.
    rig.send(0, &update(&attrs(&[65001], "192.0.2.2"), &["203.0.113.0/24"]));
    rig.send(0, &withdraw(&["203.0.113.0/24"]));
    assert!(rig.tracked.is_empty());
    rig.send(0, &update(&attrs(&[65001], "8.8.8.8"), &["198.18.0.0/15"]));
    assert!(!rig.paths("198.18.0.0/15")[0].eligible);
    assert!(rig.peers[1].table.is_empty());
}

#[test]
fn a_next_hop_that_is_not_resolved_waits() {
    let mut rig = two();
    rig.metrics.insert(a("192.0.2.77"), None);
    rig.send(0, &update(&attrs(&[65001], "192.0.2.77"), &["203.0.113.0/24"]));
    assert!(rig.peers[1].table.is_empty() && rig.routes.is_empty());
    let reason = rig.paths("203.0.113.0/24")[0].reason.clone();
    assert_eq!(reason.as_deref(), Some("no route to the next hop 192.0.2.77"));
    rig.metrics.insert(a("192.0.2.77"), Some(3));
    rig.tell(a("192.0.2.77"));
    rig.settle();
    assert!(rig.peers[1].has("203.0.113.0/24") && rig.routes.len() == 1);
    rig.metrics.insert(a("192.0.2.77"), None);
    rig.tell(a("192.0.2.77"));
    rig.settle();
    assert!(rig.peers[1].table.is_empty() && rig.routes.is_empty());
}

#[test]
fn an_attribute_set_without_next_hop_is_not_known_from_our_own_routes() {
    // RFC 7606 §3 d: our own networks have ORIGIN and an empty AS_PATH and nothing else.
    let mut config = with([neighbor("192.0.2.2", US.0), neighbor("192.0.2.3", 65002)]);
    config.networks = vec![p("10.1.0.0/16")];
    let mut rig = Rig::up(config);
    rig.feed(trunkline_bgp::Input::Network { prefix: p("10.1.0.0/16"), present: true });
    rig.settle();
    assert_eq!(rig.peers[1].prefixes(), ["10.1.0.0/16"]);
    let local =
        Attributes { origin: Some(Origin::Igp), as_path: Some(AsPath::default()), ..Attributes::default() };
    rig.send(0, &update(&local, &["203.0.113.0/24"]));
    let faults = rig.faults(0);
    assert!(faults.len() == 1 && faults[0].starts_with("NEXT_HOP is missing"), "{faults:?}");
    assert_eq!(rig.peers[1].prefixes(), ["10.1.0.0/16"]);
}

#[test]
fn one_message_that_withdraws_the_last_holder_of_its_own_attributes() {
    let mut rig = two();
    let attributes = Attributes { med: Some(5), ..good() };
    rig.send(0, &update(&attributes, &["203.0.113.0/24"]));
    let octets = raw_update(&[p4("203.0.113.0/24")], &block(&attributes), &[p4("198.18.0.0/15")]);
    rig.send(0, &octets);
    rig.send(0, &update(&Attributes { med: Some(6), ..good() }, &["10.0.0.0/8"]));
    assert_eq!(rig.peers[1].prefixes(), ["10.0.0.0/8", "198.18.0.0/15"]);
    assert_eq!(rig.paths("198.18.0.0/15")[0].med, Some(5));
    assert_eq!(rig.paths("10.0.0.0/8")[0].med, Some(6));
}

#[test]
fn only_to_customer_on_the_way_in() {
    // RFC 9234 §5, ingress: our role, OTC as it comes, whether it is a leak, and OTC as it stays.
    let peer_as = Some(Asn(65001));
    let other = Some(Asn(7));
    use Role::*;
    for (ours, otc, leak, kept) in [
        (Provider, None, false, None),
        (Provider, other, true, other),
        (RouteServer, None, false, None),
        (RouteServer, other, true, other),
        (Customer, None, false, peer_as),
        (Customer, other, false, other),
        (RouteServerClient, None, false, peer_as),
        (RouteServerClient, other, false, other),
        (Peer, None, false, peer_as),
        (Peer, peer_as, false, peer_as),
        (Peer, other, true, other),
    ] {
        let mut with_role = neighbor("192.0.2.2", 65001);
        with_role.role = Some(ours);
        let mut rig = Rig::up(with([with_role, neighbor("192.0.2.3", US.0)]));
        let octets = update(&Attributes { only_to_customer: otc, ..good() }, &["203.0.113.0/24"]);
        for _ in 0..2 {
            rig.send(0, &octets);
            assert_eq!(rig.paths("203.0.113.0/24")[0].eligible, !leak, "{ours:?} {otc:?}");
            let told = rig.peers[1].table.get(&p("203.0.113.0/24")).map(|(a, _)| a.only_to_customer);
            assert_eq!(told, (!leak).then_some(kept), "{ours:?} {otc:?}");
        }
    }
}
