//! How a session opens: OPEN, capabilities, socket options, DelayOpen (RFC 4271 §8.2.2, §6.2).

use super::rig::{Rig, Sent, config, keepalive, local, sent_notification, with, without};
use crate::session::{Input, Output, State};
use crate::transport::{Md5Key, TcpAction, TcpOptions};
use std::net::Ipv4Addr;
use trunkline_core::Asn;
use trunkline_wire::bgp::{Capability, ErrorCode, Family, Notification, Open, OptionalParameter, Role};

#[test]
fn opens_at_once_and_comes_up() {
    // RFC 4271 §8.2.2: Idle, Connect, OpenSent, OpenConfirm, Established.
    let mut rig = Rig::new(config(65002, |_| {}));
    rig.input(Input::AutomaticStart);
    assert_eq!(rig.session.state(), State::Connect);
    let conn = rig.connect();
    rig.accept(conn);
    assert_eq!(rig.session.state(), State::OpenSent);
    let ours = rig.sent_open(conn);
    assert_eq!((ours.my_as, ours.hold_time, ours.bgp_identifier), (65001, 90, Ipv4Addr::new(10, 0, 0, 1)));
    rig.receive_open(conn, |_| {});
    assert_eq!(rig.session.state(), State::OpenConfirm);
    assert_eq!(rig.sent_one(conn), Sent::Keepalive);
    assert_eq!(rig.session.negotiated(), None, "only in Established");
    rig.receive(conn, &keepalive());
    assert_eq!(rig.session.state(), State::Established);
    assert_eq!(rig.session.established_conn(), Some(conn));
    let n = rig.session.negotiated().unwrap();
    assert_eq!((n.hold_time, n.peer_asn, n.four_octet_as), (90, Asn(65002), true));
    assert_eq!(n.families, [Family::IPV4_UNICAST]);
    assert!(n.route_refresh && n.enhanced_route_refresh && !n.extended_message && !n.extended_next_hop);
    assert_eq!(n.graceful_restart, None);
    assert_eq!(
        rig.events(),
        [
            "Connect→OpenSent: connected to the peer",
            "OpenSent→OpenConfirm: OPEN from the peer",
            "OpenConfirm→Established: KEEPALIVE from the peer"
        ]
    );
}

#[test]
fn our_open_offers() {
    let (mut rig, conn) = Rig::connected(config(65002, |c| {
        c.families = vec![Family::IPV4_UNICAST, Family::IPV6_UNICAST];
        c.extended_next_hop = true;
        c.role = Some(Role::Customer);
    }));
    let words: Vec<_> = rig.sent_open(conn).capabilities().map(|c| c.to_string()).collect();
    insta::assert_snapshot!(words.join("\n"), @r#"
    multiprotocol ipv4-unicast
    multiprotocol ipv6-unicast
    route refresh
    extended next hop ipv4-unicast-over-ipv6
    extended message
    role customer
    graceful restart 0 s, covers notifications
    four-octet AS number 65001
    enhanced route refresh
    name "r" ""
    "#);
}

#[test]
fn a_large_as_says_as_trans() {
    // RFC 6793 §4.1.
    let mut rig = Rig::of(local(4_200_000_000, 1), config(65002, |_| {}));
    rig.input(Input::AutomaticStart);
    let conn = rig.connect();
    rig.accept(conn);
    let ours = rig.sent_open(conn);
    assert_eq!(ours.my_as, 23456);
    assert!(ours.capabilities().any(|c| *c == Capability::FourOctetAs(Asn(4_200_000_000))));
}

#[test]
fn refuses_an_open_that_will_not_do() {
    type Case = (
        &'static str,
        fn(&mut crate::config::NeighborConfig),
        fn(&mut Open),
        ErrorCode,
        &'static [u8],
        &'static str,
    );
    let cases: [Case; 13] = [
        // RFC 4271 §6.2: Bad Peer AS.
        (
            "AS",
            |_| {},
            |o| {
                o.my_as = 600;
                without(o, 65)
            },
            ErrorCode::BAD_PEER_AS,
            &[0, 0, 2, 88],
            "2/2 Bad Peer AS: we expect 65002, the peer says 600",
        ),
        // RFC 6793 §4.1: the capability counts, not the field.
        (
            "capability's AS",
            |_| {},
            |o| {
                without(o, 65);
                with(o, Capability::FourOctetAs(Asn(65003)))
            },
            ErrorCode::BAD_PEER_AS,
            &[0, 0, 0xfd, 0xeb],
            "2/2 Bad Peer AS: we expect 65002, the peer says 65003",
        ),
        (
            "AS_TRANS alone",
            |c| c.asn = Asn(70000),
            |o| {
                o.my_as = 23456;
                without(o, 65)
            },
            ErrorCode::BAD_PEER_AS,
            &[0, 0, 0x5b, 0xa0],
            "2/2 Bad Peer AS: we expect 70000, the peer says 23456 (AS_TRANS, without the four-octet AS capability)",
        ),
        // RFC 6286 §2.2: equal identifiers on an internal session.
        (
            "our identifier",
            |c| c.asn = Asn(65001),
            |o| {
                o.my_as = 65001;
                without(o, 65);
                o.bgp_identifier = Ipv4Addr::new(10, 0, 0, 1)
            },
            ErrorCode::BAD_BGP_IDENTIFIER,
            &[],
            "2/3 Bad BGP Identifier: the peer has our identifier 10.0.0.1",
        ),
        (
            "identifier 0",
            |_| {},
            |o| o.bgp_identifier = Ipv4Addr::UNSPECIFIED,
            ErrorCode::BAD_BGP_IDENTIFIER,
            &[],
            "2/3 Bad BGP Identifier: the peer says 0.0.0.0",
        ),
        // RFC 4271 §6.2: the version, with the largest we speak as data.
        (
            "version",
            |_| {},
            |o| o.version = 3,
            ErrorCode::UNSUPPORTED_VERSION_NUMBER,
            &[0, 4],
            "2/1 Unsupported Version Number: the peer speaks BGP version 3",
        ),
        (
            "hold time",
            |_| {},
            |o| o.hold_time = 2,
            ErrorCode::UNACCEPTABLE_HOLD_TIME,
            &[],
            "2/6 Unacceptable Hold Time: the peer says 2 s",
        ),
        (
            "parameter",
            |_| {},
            |o| o.parameters.push(OptionalParameter::Unknown { kind: 1, value: vec![0] }),
            ErrorCode::UNSUPPORTED_OPTIONAL_PARAMETER,
            &[],
            "2/4 Unsupported Optional Parameter: the peer sends optional parameter 1",
        ),
        // RFC 5492 §3, §5: the capability without which there is nothing to do.
        (
            "family",
            |c| c.families = vec![Family::IPV6_UNICAST],
            |_| {},
            ErrorCode::UNSUPPORTED_CAPABILITY,
            &[1, 4, 0, 2, 0, 1],
            "2/7 Unsupported Capability: no family in common: we offer ipv6-unicast, the peer ipv4-unicast",
        ),
        // RFC 4760 §8: none said means IPv4 unicast.
        (
            "implied family",
            |c| c.families = vec![Family::IPV6_UNICAST],
            |o| without(o, 1),
            ErrorCode::UNSUPPORTED_CAPABILITY,
            &[1, 4, 0, 2, 0, 1],
            "2/7 Unsupported Capability: no family in common: we offer ipv6-unicast, the peer ipv4-unicast",
        ),
        // RFC 9234 §4.2.
        (
            "role",
            |c| c.role = Some(Role::Customer),
            |o| with(o, Capability::Role(Role::Peer)),
            ErrorCode::ROLE_MISMATCH,
            &[],
            "2/11 Role Mismatch: our role is customer, the peer's is peer and should be provider",
        ),
        (
            "no role",
            |c| {
                c.role = Some(Role::Customer);
                c.role_strict = true
            },
            |_| {},
            ErrorCode::ROLE_MISMATCH,
            &[],
            "2/11 Role Mismatch: we are its customer, the peer says no role",
        ),
        (
            "two roles",
            |c| c.role = Some(Role::Customer),
            |o| {
                with(o, Capability::Role(Role::Provider));
                with(o, Capability::Role(Role::Peer))
            },
            ErrorCode::ROLE_MISMATCH,
            &[],
            "2/11 Role Mismatch: the peer says two roles, provider and peer",
        ),
    ];
    for (name, configure, change, code, data, text) in cases {
        let (mut rig, conn) = Rig::connected(config(65002, configure));
        rig.sent(conn);
        rig.receive_open(conn, change);
        assert_eq!(sent_notification(&mut rig, conn), Notification::with_data(code, data), "{name}");
        assert_eq!(rig.last_error().unwrap(), format!("sent NOTIFICATION {text}"), "{name}");
        assert_eq!(rig.session.state(), State::Idle, "{name}");
        assert_eq!(rig.closes(), [(conn, false)], "{name}");
    }
}

#[test]
fn accepts_an_open_that_will_do() {
    type Case = (&'static str, fn(&mut crate::config::NeighborConfig), fn(&mut Open));
    let cases: [Case; 8] = [
        ("old speaker", |_| {}, |o| o.parameters.clear()),
        (
            "large AS",
            |c| c.asn = Asn(70000),
            |o| {
                o.my_as = 23456;
                without(o, 65);
                with(o, Capability::FourOctetAs(Asn(70000)))
            },
        ),
        // RFC 6286 §2.2: on an external session identifiers may be equal.
        ("our identifier", |_| {}, |o| o.bgp_identifier = Ipv4Addr::new(10, 0, 0, 1)),
        // RFC 5492 §3: unknown capabilities are ignored.
        ("unknown capability", |_| {}, |o| with(o, Capability::Unknown { code: 200, value: vec![1, 2] })),
        ("malformed capability", |_| {}, |o| with(o, Capability::Unknown { code: 65, value: vec![1] })),
        (
            "role",
            |c| {
                c.role = Some(Role::Customer);
                c.role_strict = true
            },
            |o| with(o, Capability::Role(Role::Provider)),
        ),
        ("no role", |c| c.role = Some(Role::Customer), |_| {}),
        ("role of which we say nothing", |_| {}, |o| with(o, Capability::Role(Role::Peer))),
    ];
    for (name, configure, change) in cases {
        let (rig, _) = Rig::established(config(65002, configure), change);
        assert_eq!(rig.session.negotiated().unwrap().families, [Family::IPV4_UNICAST], "{name}");
    }
}

#[test]
fn roles_are_for_external_sessions() {
    // RFC 9234 §4.1.
    let config = config(65001, |c| {
        c.role = Some(Role::Peer);
        c.role_strict = true
    });
    let (mut rig, conn) = Rig::connected(config);
    assert!(!rig.sent_open(conn).capabilities().any(|c| matches!(c, Capability::Role(_))));
}

#[test]
fn passive_waits() {
    // RFC 4271 §8.1.1, PassiveTcpEstablishment.
    let mut rig = Rig::new(config(65002, |c| c.passive = true));
    rig.input(Input::AutomaticStart);
    assert_eq!(rig.session.state(), State::Active);
    rig.wait(1000.0);
    assert_eq!(rig.closes(), []);
    assert_eq!(rig.view().down_because.unwrap(), "passive: waits for the peer to connect");
    let conn = rig.incoming();
    assert_eq!(rig.session.state(), State::OpenSent);
    rig.sent_open(conn);
}

#[test]
fn idle_refuses() {
    // RFC 4271 §8.2.2, Idle.
    let mut rig = Rig::new(config(65002, |_| {}));
    let conn = rig.incoming();
    assert_eq!(rig.closes(), [(conn, false)]);
    assert_eq!(rig.sent(conn), [], "without a NOTIFICATION");
    assert!(!rig.session.owns(conn));
    assert_eq!(rig.session.stats().refused_connections, 1);
}

#[test]
fn delay_open_lets_the_peer_speak_first() {
    // RFC 4271 §8.1.1, DelayOpen; §8.2.2 Events 12 and 20.
    let (mut rig, conn) = Rig::connected(config(65002, |c| c.delay_open = 5));
    assert_eq!((rig.session.state(), rig.sent(conn)), (State::Connect, vec![]));
    rig.wait(5.0);
    assert_eq!(rig.session.state(), State::OpenSent);
    rig.sent_open(conn);

    let (mut rig, conn) = Rig::connected(config(65002, |c| c.delay_open = 5));
    rig.receive_open(conn, |_| {});
    assert_eq!(rig.session.state(), State::OpenConfirm);
    let sent = rig.sent(conn);
    assert!(matches!(sent[..], [Sent::Open(_), Sent::Keepalive]), "{sent:?}");
    rig.receive(conn, &keepalive());
    assert_eq!(rig.session.state(), State::Established);
    rig.wait(6.0);
    assert_eq!(rig.session.state(), State::Established);
}

#[test]
fn notification_without_open_is_optional() {
    // RFC 4271 §8.1.1, SendNOTIFICATIONwithoutOPEN.
    for say in [false, true] {
        let config = config(65002, |c| {
            c.delay_open = 5;
            c.notification_without_open = say;
        });
        let (mut rig, conn) = Rig::connected(config);
        rig.receive_open(conn, |o| o.my_as = 1);
        assert_eq!(rig.session.state(), State::OpenConfirm, "the capability counts");
        let (mut rig, conn) = Rig::connected(rig.session.config().clone());
        rig.receive(conn, &[0; 19]);
        assert_eq!(rig.session.state(), State::Idle);
        let sent = rig.sent(conn);
        match say {
            true => assert_eq!(sent, [Sent::Notification(ErrorCode::CONNECTION_NOT_SYNCHRONIZED.into())]),
            false => assert_eq!(sent, []),
        }
    }
}

#[test]
fn sockets_get_their_options() {
    // RFC 5082 §3, RFC 2385.
    let key = || Some(Md5Key("secret".to_owned()));
    type Case = (u32, fn(&mut crate::config::NeighborConfig), Option<u8>, Option<u8>);
    let cases: [Case; 6] = [
        (65002, |_| {}, Some(1), None),
        (65002, |c| c.multihop = Some(5), Some(5), None),
        (65002, |c| c.ttl_security = Some(1), Some(255), Some(255)),
        (65002, |c| c.ttl_security = Some(3), Some(255), Some(253)),
        (65002, |c| c.ttl_security = Some(254), Some(255), Some(2)),
        (65001, |_| {}, None, None),
    ];
    for (asn, configure, ttl, min_ttl) in cases {
        let config = config(asn, |c| {
            configure(c);
            c.password = key();
        });
        let options = TcpOptions { md5: key(), ao: None, ttl, min_ttl };
        let mut rig = Rig::new(config);
        rig.input(Input::AutomaticStart);
        let outputs = rig.drain();
        assert!(outputs.iter().any(
            |o| matches!(o, Output::Tcp(TcpAction::Connect { options: given, .. }) if *given == options)
        ));
        let conn = rig.incoming();
        assert!(rig.drain().contains(&Output::Tcp(TcpAction::Configure { conn, options })));
    }
}
