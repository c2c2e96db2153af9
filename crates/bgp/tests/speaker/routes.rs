//! Who is told what (RFC 4271 §9.2, RFC 4456, RFC 1997), and two speakers with one another.

use crate::rig::*;
use trunkline_view::bgp::RoutesQuery;
use trunkline_wire::bgp::*;

#[test]
fn reflection() {
    // RFC 4456 §6: two clients, two others, two external ones.
    let mut config = with((2..6).map(|n| neighbor(&format!("192.0.2.{n}"), US.0)));
    for n in [0, 1] {
        std::sync::Arc::make_mut(&mut config.neighbors[n]).route_reflector_client = true;
    }
    config.neighbors.push(std::sync::Arc::new(neighbor("192.0.2.6", 65001)));
    config.neighbors.push(std::sync::Arc::new(neighbor("192.0.2.7", 65002)));
    let wants: [(usize, &[usize]); 5] = [
        (0, &[1, 2, 3, 4, 5]),
        (1, &[0, 2, 3, 4, 5]),
        (2, &[0, 1, 4, 5]),
        (3, &[0, 1, 4, 5]),
        (4, &[0, 1, 2, 3, 5]),
    ];
    for (source, want) in wants {
        let mut rig = Rig::up(config.clone());
        let path: &[u32] = if source == 4 { &[65001] } else { &[] };
        let attributes = Attributes {
            local_pref: (source != 4).then_some(200),
            med: Some(3),
            ..attrs(path, &format!("192.0.2.{}", source + 2))
        };
        rig.send(source, &update(&attributes, &["10.1.0.0/16"]));
        let told: Vec<_> = (0..6).filter(|peer| rig.peers[*peer].has("10.1.0.0/16")).collect();
        assert_eq!(told, want, "from {source}");
        for peer in told {
            let (a, _) = &rig.peers[peer].table[&p("10.1.0.0/16")];
            let (internal, from_internal) = (peer < 4, source < 4);
            assert_eq!(a.local_pref, internal.then_some(if from_internal { 200 } else { 100 }));
            assert_eq!(a.med, internal.then_some(3));
            let reflected = internal && from_internal;
            let originator = rig.peers[source].open.bgp_identifier;
            assert_eq!(a.originator_id, reflected.then_some(originator));
            assert_eq!(a.cluster_list.len(), usize::from(reflected));
            let hop = if internal { format!("192.0.2.{}", source + 2) } else { "192.0.2.1".into() };
            assert_eq!(a.next_hop, hop.parse().ok());
        }
        (0..6).for_each(|peer| rig.check_advertised(peer));
        // It loops back to us by another reflector.
        let other = usize::from(source == 0);
        let looped = Attributes {
            originator_id: Some("192.0.2.1".parse().unwrap()),
            local_pref: Some(300),
            ..attrs(&[], &format!("192.0.2.{}", other + 2))
        };
        rig.send(other, &update(&looped, &["10.1.0.0/16"]));
        let path =
            rig.paths("10.1.0.0/16").into_iter().find(|p| p.neighbor == Some(rig.peers[other].address));
        assert!(!path.unwrap().eligible, "RFC 4456 §8");
    }
}

#[test]
fn communities_that_stop_a_route() {
    // RFC 1997
    for (community, external, internal) in [
        (Community::NO_EXPORT, false, true),
        (Community::NO_EXPORT_SUBCONFED, false, true),
        (Community::NO_ADVERTISE, false, false),
        (Community(1), true, true),
    ] {
        let mut rig = Rig::up(with([
            neighbor("192.0.2.2", 65001),
            neighbor("192.0.2.3", 65002),
            neighbor("192.0.2.4", US.0),
        ]));
        let plain = attrs(&[65001], "192.0.2.2");
        rig.send(0, &update(&plain, &["10.1.0.0/16"]));
        rig.send(0, &update(&Attributes { communities: vec![community], ..plain }, &["10.1.0.0/16"]));
        let told = [1, 2].map(|peer| rig.peers[peer].has("10.1.0.0/16"));
        assert_eq!(told, [external, internal], "{community}");
        (0..3).for_each(|peer| rig.check_advertised(peer));
    }
}

#[test]
fn a_route_told_while_its_giver_was_catching_up_is_withdrawn_from_others() {
    // The giver and the others have the same rules: they form one group.
    let mut rig = Rig::new(with((2..5).map(|n| neighbor(&format!("192.0.2.{n}"), 65000 + n))));
    let peers: Vec<_> = (2..5).map(|n| rig.peer(a(&format!("192.0.2.{n}")), 65000 + n)).collect();
    rig.peers[0].stuck = true;
    rig.connect(0);
    let mut octets = Vec::new();
    rig.peers[0].open.emit(&mut octets);
    emit_keepalive(&mut octets);
    rig.send(0, &octets);
    rig.send(0, &update(&attrs(&[65002], "192.0.2.2"), &["10.1.0.0/16"]));
    // Only now it hears of us, alone in its group, and then the others come.
    rig.peers[0].open.parameters.clear();
    rig.peers[0].stuck = false;
    let conn = rig.peers[0].conn.unwrap();
    rig.out.push(trunkline_bgp::Output::Tcp(trunkline_bgp::transport::TcpAction::Transmit(conn)));
    while let Some(output) = rig.out.pop() {
        if let trunkline_bgp::Output::Tcp(trunkline_bgp::transport::TcpAction::Transmit(conn)) = output {
            let mut unread = Vec::new();
            while rig.bgp.poll_transmit(rig.now, conn, 4096, &mut unread) {
                unread.clear();
            }
        }
    }
    for peer in &peers[1..] {
        rig.connect(*peer);
        assert!(rig.peers[*peer].has("10.1.0.0/16"));
    }
    rig.send(0, &withdraw(&["10.1.0.0/16"]));
    for peer in &peers[1..] {
        assert!(!rig.peers[*peer].has("10.1.0.0/16"), "withdrawn");
    }
}

#[test]
fn the_best_moves_from_peer_to_peer() {
    let mut rig = Rig::up(with((2..5).map(|n| neighbor(&format!("192.0.2.{n}"), 65000 + n))));
    let say = |rig: &mut Rig, peer: usize, extra: &[u32]| {
        let n = peer as u32 + 2;
        let path = [&[65000 + n], extra].concat();
        rig.send(peer, &update(&attrs(&path, &format!("192.0.2.{n}")), &["10.1.0.0/16"]));
    };
    let told = |rig: &Rig| [0, 1, 2].map(|peer| rig.peers[peer].has("10.1.0.0/16"));
    say(&mut rig, 0, &[1, 2, 3]);
    assert_eq!(told(&rig), [false, true, true]);
    say(&mut rig, 1, &[1, 2]);
    assert_eq!(told(&rig), [true, false, true]);
    say(&mut rig, 2, &[1]);
    assert_eq!(told(&rig), [true, true, false]);
    rig.send(2, &withdraw(&["10.1.0.0/16"]));
    assert_eq!(told(&rig), [true, false, true]);
    rig.send(1, &withdraw(&["10.1.0.0/16"]));
    assert_eq!(told(&rig), [false, true, true]);
    rig.send(0, &withdraw(&["10.1.0.0/16"]));
    assert_eq!(told(&rig), [false; 3]);
    assert_eq!([0, 1, 2].map(|peer| rig.peers[peer].wasteful), [0; 3]);
}

#[test]
fn received_and_advertised_are_shown() {
    let mut rig = Rig::up(with([neighbor("192.0.2.2", 65001), neighbor("192.0.2.3", 65002)]));
    rig.send(0, &update(&attrs(&[65001], "192.0.2.2"), &["10.1.0.0/16", "10.2.0.0/16"]));
    rig.send(1, &update(&attrs(&[65002], "192.0.2.3"), &["10.2.0.0/16", "10.3.0.0/16"]));
    let received = RoutesQuery { received: Some(a("192.0.2.2")), ..RoutesQuery::default() };
    let shown: Vec<_> = rig.all(&received).iter().map(|p| p.prefix.to_string()).collect();
    assert_eq!(shown, ["10.1.0.0/16", "10.2.0.0/16"]);
    for peer in 0..2 {
        let advertised = RoutesQuery { advertised: Some(rig.peers[peer].address), ..RoutesQuery::default() };
        let mut shown: Vec<_> = rig.all(&advertised).iter().map(|p| p.prefix.to_string()).collect();
        shown.sort();
        assert_eq!(shown, rig.peers[peer].prefixes());
    }
    let host = rig.paths("10.3.7.9/32");
    assert_eq!(host[0].prefix, p("10.3.0.0/16"), "the longest match");
    let lost = rig.paths("10.2.0.0/16");
    assert_eq!(lost[1].reason.as_deref(), Some("higher BGP Identifier (RFC 4271 §9.1.2.2 f)"));
}
