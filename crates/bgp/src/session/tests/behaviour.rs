//! One session against a peer that a test plays.

use super::rig::{Rig, Sent, bytes, config, keepalive, local, open, read_messages, update, with, without};
use crate::session::{Input, Output, Restart, State};
use crate::transport::{Md5Key, TcpAction, TcpError, TcpOptions};
use std::net::Ipv4Addr;
use trunkline_core::{Applied, Asn, Duration};
use trunkline_wire::bgp::{
    Capability, ErrorCode, Family, Notification, Open, OptionalParameter, Role, RouteRefresh, RouteRefreshSubtype,
};

fn sent_notification(rig: &mut Rig, conn: trunkline_core::ConnId) -> Notification {
    match rig.sent(conn).pop() {
        Some(Sent::Notification(n)) => n,
        other => panic!("no NOTIFICATION but {other:?}; {:?}", rig.last_error()),
    }
}

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
    type Case = (&'static str, fn(&mut crate::config::NeighborConfig), fn(&mut Open), ErrorCode, &'static [u8], &'static str);
    let cases: [Case; 13] = [
        // RFC 4271 §6.2: Bad Peer AS.
        ("AS", |_| {}, |o| { o.my_as = 600; without(o, 65) }, ErrorCode::BAD_PEER_AS, &[0, 0, 2, 88],
            "2/2 Bad Peer AS: we expect 65002, the peer says 600"),
        // RFC 6793 §4.1: the capability counts, not the field.
        ("capability's AS", |_| {}, |o| { without(o, 65); with(o, Capability::FourOctetAs(Asn(65003))) },
            ErrorCode::BAD_PEER_AS, &[0, 0, 0xfd, 0xeb], "2/2 Bad Peer AS: we expect 65002, the peer says 65003"),
        ("AS_TRANS alone", |c| c.asn = Asn(70000), |o| { o.my_as = 23456; without(o, 65) }, ErrorCode::BAD_PEER_AS,
            &[0, 0, 0x5b, 0xa0],
            "2/2 Bad Peer AS: we expect 70000, the peer says 23456 (AS_TRANS, without the four-octet AS capability)"),
        // RFC 6286 §2.2: equal identifiers on an internal session.
        ("our identifier", |c| c.asn = Asn(65001), |o| { o.my_as = 65001; without(o, 65); o.bgp_identifier = Ipv4Addr::new(10, 0, 0, 1) },
            ErrorCode::BAD_BGP_IDENTIFIER, &[], "2/3 Bad BGP Identifier: the peer has our identifier 10.0.0.1"),
        ("identifier 0", |_| {}, |o| o.bgp_identifier = Ipv4Addr::UNSPECIFIED, ErrorCode::BAD_BGP_IDENTIFIER, &[],
            "2/3 Bad BGP Identifier: the peer says 0.0.0.0"),
        // RFC 4271 §6.2: the version, with the largest we speak as data.
        ("version", |_| {}, |o| o.version = 3, ErrorCode::UNSUPPORTED_VERSION_NUMBER, &[0, 4],
            "2/1 Unsupported Version Number: the peer speaks BGP version 3"),
        ("hold time", |_| {}, |o| o.hold_time = 2, ErrorCode::UNACCEPTABLE_HOLD_TIME, &[],
            "2/6 Unacceptable Hold Time: the peer says 2 s"),
        ("parameter", |_| {}, |o| o.parameters.push(OptionalParameter::Unknown { kind: 1, value: vec![0] }),
            ErrorCode::UNSUPPORTED_OPTIONAL_PARAMETER, &[],
            "2/4 Unsupported Optional Parameter: the peer sends optional parameter 1"),
        // RFC 5492 §3, §5: the capability without which there is nothing to do.
        ("family", |c| c.families = vec![Family::IPV6_UNICAST], |_| {}, ErrorCode::UNSUPPORTED_CAPABILITY,
            &[1, 4, 0, 2, 0, 1],
            "2/7 Unsupported Capability: no family in common: we offer ipv6-unicast, the peer ipv4-unicast"),
        // RFC 4760 §8: none said means IPv4 unicast.
        ("implied family", |c| c.families = vec![Family::IPV6_UNICAST], |o| without(o, 1), ErrorCode::UNSUPPORTED_CAPABILITY,
            &[1, 4, 0, 2, 0, 1],
            "2/7 Unsupported Capability: no family in common: we offer ipv6-unicast, the peer ipv4-unicast"),
        // RFC 9234 §4.2.
        ("role", |c| c.role = Some(Role::Customer), |o| with(o, Capability::Role(Role::Peer)), ErrorCode::ROLE_MISMATCH, &[],
            "2/11 Role Mismatch: our role is customer, the peer's is peer and should be provider"),
        ("no role", |c| { c.role = Some(Role::Customer); c.role_strict = true }, |_| {}, ErrorCode::ROLE_MISMATCH, &[],
            "2/11 Role Mismatch: we are its customer, the peer says no role"),
        ("two roles", |c| c.role = Some(Role::Customer),
            |o| { with(o, Capability::Role(Role::Provider)); with(o, Capability::Role(Role::Peer)) },
            ErrorCode::ROLE_MISMATCH, &[], "2/11 Role Mismatch: the peer says two roles, provider and peer"),
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
        ("large AS", |c| c.asn = Asn(70000), |o| { o.my_as = 23456; without(o, 65); with(o, Capability::FourOctetAs(Asn(70000))) }),
        // RFC 6286 §2.2: on an external session identifiers may be equal.
        ("our identifier", |_| {}, |o| o.bgp_identifier = Ipv4Addr::new(10, 0, 0, 1)),
        // RFC 5492 §3: unknown capabilities are ignored.
        ("unknown capability", |_| {}, |o| with(o, Capability::Unknown { code: 200, value: vec![1, 2] })),
        ("malformed capability", |_| {}, |o| with(o, Capability::Unknown { code: 65, value: vec![1] })),
        ("role", |c| { c.role = Some(Role::Customer); c.role_strict = true }, |o| with(o, Capability::Role(Role::Provider))),
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
    let config = config(65001, |c| { c.role = Some(Role::Peer); c.role_strict = true });
    let (mut rig, conn) = Rig::connected(config);
    assert!(!rig.sent_open(conn).capabilities().any(|c| matches!(c, Capability::Role(_))));
}

#[test]
fn the_smaller_hold_time_wins() {
    // RFC 4271 §4.2; keepalives every third of it (§4.4) less up to a quarter of jitter (§10).
    for (ours, theirs, agreed) in [(90, 180, 90), (180, 9, 9), (0, 90, 0), (90, 0, 0), (3, 3, 3)] {
        let config = config(65002, |c| c.hold_time = ours);
        let (mut rig, conn) = Rig::established(config, |o| o.hold_time = theirs);
        assert_eq!(rig.session.negotiated().unwrap().hold_time, agreed);
        if agreed == 0 {
            assert_eq!(rig.session.poll_timeout(), None, "no keepalives, no hold timer");
            continue;
        }
        let third = f64::from(agreed) / 3.0;
        let waited = rig.wait_for_timer();
        assert!(waited <= third && waited >= third * 0.74, "{waited} of {third}");
        assert_eq!(rig.sent_one(conn), Sent::Keepalive);
    }
}

#[test]
fn hold_timer_expires_when_the_peer_is_silent() {
    // RFC 4271 §6.5, §8.2.2 Event 10.
    let (mut rig, conn) = Rig::established(config(65002, |_| {}), |_| {});
    rig.wait(80.0);
    rig.receive(conn, &keepalive());
    rig.wait(80.0);
    rig.receive(conn, &update());
    rig.wait(89.0);
    assert_eq!(rig.session.state(), State::Established);
    rig.wait(2.0);
    assert_ne!(rig.session.state(), State::Established);
    assert_eq!(sent_notification(&mut rig, conn), ErrorCode::HOLD_TIMER_EXPIRED.into());
    let text = "HoldTimer expired: nothing from the peer for 90 s";
    assert_eq!(rig.last_error().as_deref(), Some(text));
    assert!(rig.drain().contains(&Output::Down { reason: text.to_owned(), keep_stale: None }));
}

#[test]
fn hold_timer_is_large_until_the_open() {
    // RFC 4271 §8.2.2: "A HoldTimer value of 4 minutes is suggested".
    let (mut rig, conn) = Rig::connected(config(65002, |_| {}));
    rig.wait(239.0);
    assert_eq!(rig.session.state(), State::OpenSent);
    rig.wait(1.5);
    assert_eq!(sent_notification(&mut rig, conn), ErrorCode::HOLD_TIMER_EXPIRED.into());
    assert_eq!(rig.last_error().unwrap(), "HoldTimer expired: no OPEN from the peer for 240 s");
}

#[test]
fn send_hold_timer_expires_when_the_peer_does_not_read() {
    // RFC 9687 §3: from the first octet that waits, anew at each progress.
    let (mut rig, conn) = Rig::established(config(65002, |c| c.send_hold_time = 100), |o| o.hold_time = 0);
    rig.input(Input::Written { conn, pending: true });
    rig.wait(99.0);
    rig.input(Input::Written { conn, pending: true });
    rig.wait(99.0);
    rig.input(Input::Written { conn, pending: false });
    rig.wait(1000.0);
    assert_eq!(rig.session.state(), State::Established);
    rig.input(Input::Written { conn, pending: true });
    rig.wait(100.0);
    assert_eq!(sent_notification(&mut rig, conn), ErrorCode::SEND_HOLD_TIMER_EXPIRED.into());
    assert_eq!(rig.closes(), [(conn, true)], "by RST");
    assert_eq!(rig.last_error().unwrap(), "SendHoldTimer expired: the peer has read nothing for 100 s");
}

#[test]
fn updates_restart_the_keepalive_timer() {
    // RFC 4271 §8.2.2, Established: "Each time the local system sends a KEEPALIVE or UPDATE message".
    let (mut rig, conn) = Rig::established(config(65002, |_| {}), |_| {});
    for _ in 0..5 {
        rig.wait(20.0);
        rig.receive(conn, &keepalive());
        rig.session.note_sent(rig.now, 1, 0);
    }
    assert_eq!(rig.sent(conn), []);
    assert_eq!(rig.session.stats().sent.update, 5);
}

#[test]
fn connect_retry_tries_again_with_jitter() {
    // RFC 4271 §10: 0.75 to 1.0 of ConnectRetryTime.
    let mut rig = Rig::new(config(65002, |_| {}));
    rig.input(Input::AutomaticStart);
    let conn = rig.connect();
    rig.close(conn, TcpError::Refused);
    assert_eq!(rig.session.state(), State::Active);
    assert_eq!(
        rig.last_error().unwrap(),
        "connection refused: nobody listens there, or a firewall rejects"
    );
    let waited = rig.wait_for_timer();
    assert!((7.5..=10.0).contains(&waited), "{waited}");
    assert_eq!(rig.session.state(), State::Connect);
    // Unanswered, the next timer gives the request up and makes another.
    let first = rig.connect();
    rig.wait(10.0);
    let outputs = rig.drain();
    assert!(outputs.contains(&Output::Tcp(TcpAction::Close { conn: first, reset: false })));
    assert!(matches!(outputs.last(), Some(Output::Tcp(TcpAction::Connect { conn, .. })) if *conn != first));
}

#[test]
fn a_failure_is_told_once() {
    let mut rig = Rig::new(config(65002, |_| {}));
    rig.input(Input::AutomaticStart);
    let refused = "connection refused: nobody listens there, or a firewall rejects";
    let conn = rig.connect();
    rig.close(conn, TcpError::Refused);
    assert_eq!(rig.events(), [format!("Connect→Active: {refused}")]);
    for _ in 0..5 {
        rig.wait_for_timer();
        let conn = rig.connect();
        rig.close(conn, TcpError::Refused);
        assert_eq!(rig.events(), [""; 0]);
    }
    assert_eq!(rig.view().errors.len(), 1);
    rig.wait_for_timer();
    let conn = rig.connect();
    rig.close(conn, TcpError::Unreachable);
    assert_eq!(rig.events(), ["unreachable: no route, or a router or firewall said so"]);
    rig.wait_for_timer();
    let conn = rig.connect();
    rig.accept(conn);
    rig.close(conn, TcpError::EndOfStream);
    let text = "the peer closed the connection before its OPEN: it has no such neighbour, or it is disabled there";
    assert_eq!(rig.events(), [text]);
    assert_eq!(rig.last_error().unwrap(), text);
    assert_eq!(rig.session.state(), State::Active, "RFC 4271 §8.2.2, OpenSent, Event 18");
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
fn damping_doubles_the_wait_and_forgets_when_stable() {
    // RFC 4271 §8.1.1, DampPeerOscillations, IdleHoldTime.
    let fail = |rig: &mut Rig| {
        let conn = rig.connect();
        rig.accept(conn);
        rig.receive_open(conn, |o| without(o, 65));
        rig.receive(conn, &keepalive());
        assert_eq!(rig.session.state(), State::Established);
        conn
    };
    for (damp, waits) in [(true, [1, 2, 4, 8, 16, 32, 64, 120, 120]), (false, [1; 9])] {
        let mut rig = Rig::new(config(65002, |c| c.damp_peer_oscillations = damp));
        rig.input(Input::AutomaticStart);
        for seconds in waits {
            let conn = fail(&mut rig);
            rig.receive(conn, &[0; 19]);
            assert_eq!(rig.session.state(), State::Idle);
            let idle_hold = rig.view().idle_hold.unwrap();
            let seconds = f64::from(seconds);
            assert!((0.75 * seconds..=seconds).contains(&idle_hold), "{idle_hold} of {seconds}");
            rig.wait_for_timer();
            assert_eq!(rig.session.state(), State::Connect);
        }
        let conn = fail(&mut rig);
        for _ in 0..10 {
            rig.wait(40.0);
            rig.receive(conn, &keepalive());
        }
        rig.receive(conn, &[0; 19]);
        assert!(rig.view().idle_hold.unwrap() <= 1.0, "stable for 400 s");
    }
}

#[test]
fn a_lost_established_connection_is_no_oscillation() {
    // RFC 4271 §8.2.2, Established: Events 18, 24 and 25 are without damping.
    let mut rig = Rig::new(config(65002, |_| {}));
    rig.input(Input::AutomaticStart);
    for _ in 0..6 {
        let conn = rig.connect();
        rig.accept(conn);
        rig.receive_open(conn, |_| {});
        rig.receive(conn, &keepalive());
        rig.close(conn, TcpError::Reset);
        assert_eq!(rig.last_error().unwrap(), "the peer reset the connection");
        assert!(rig.view().idle_hold.unwrap() <= 1.0);
        rig.wait_for_timer();
    }
    assert_eq!((rig.session.stats().flaps, rig.session.stats().established), (6, 6));
}

#[test]
fn shutdown_says_why_and_stays() {
    // RFC 9003; RFC 4271 §8.2.2 Event 2.
    let (mut rig, conn) = Rig::established(config(65002, |_| {}), |_| {});
    rig.input(Input::ManualStop { message: Some("maintenance".to_owned()) });
    let n = sent_notification(&mut rig, conn);
    assert_eq!((n.error(), n.communication()), (ErrorCode::ADMINISTRATIVE_SHUTDOWN, Some("maintenance")));
    assert_eq!(rig.view().down_because.unwrap(), r#"shut down by the operator: "maintenance""#);
    assert!(rig.session.is_shutdown() && rig.view().errors.is_empty());
    rig.input(Input::AutomaticStart);
    rig.wait(1000.0);
    assert_eq!(rig.session.state(), State::Idle);
    rig.input(Input::ManualStart);
    assert_eq!(rig.session.state(), State::Connect);
}

#[test]
fn the_peers_shutdown_is_told() {
    let (mut rig, conn) = Rig::established(config(65002, |_| {}), |_| {});
    rig.notify(conn, Notification::with_communication(ErrorCode::ADMINISTRATIVE_SHUTDOWN, "maintenance"));
    let text = r#"received NOTIFICATION 6/2 Administrative Shutdown: "maintenance""#;
    assert_eq!(rig.last_error().unwrap(), text);
    assert_eq!(rig.sent(conn), [], "RFC 4271 §6.4: no answer");
    assert_eq!(rig.events(), [format!("Established→Idle: {text}")]);
}

#[test]
fn automatic_stop_starts_again_as_it_is_told() {
    // RFC 4271 §8.2.2 Event 8; RFC 4486.
    let stop = |code: ErrorCode, restart| Input::AutomaticStop {
        notification: code.into(),
        reason: "12 prefixes, 10 are allowed".to_owned(),
        restart,
    };
    let limit = ErrorCode::MAXIMUM_NUMBER_OF_PREFIXES_REACHED;
    for (restart, wait) in
        [(Restart::Normal, Some(1.0)), (Restart::After(Duration::from_secs(60)), Some(60.0)), (Restart::Never, None)]
    {
        let (mut rig, conn) = Rig::established(config(65002, |_| {}), |_| {});
        rig.input(stop(limit, restart));
        assert_eq!(sent_notification(&mut rig, conn), limit.into());
        assert_eq!(
            rig.last_error().unwrap(),
            "sent NOTIFICATION 6/1 Maximum Number of Prefixes Reached: 12 prefixes, 10 are allowed"
        );
        let idle_hold = rig.view().idle_hold;
        assert_eq!(idle_hold.is_some(), wait.is_some());
        if let (Some(wait), Some(idle_hold)) = (wait, idle_hold) {
            assert!((0.75 * wait..=wait).contains(&idle_hold), "{idle_hold}");
        } else {
            rig.input(Input::AutomaticStart);
            assert_eq!(rig.session.state(), State::Idle);
            rig.input(Input::ManualStart);
        }
    }
    // Clearing what waits starts it.
    let mut rig = Rig::new(config(65002, |_| {}));
    rig.input(Input::AutomaticStart);
    let conn = rig.connect();
    rig.accept(conn);
    rig.receive(conn, &[0; 19]);
    assert_eq!(rig.session.state(), State::Idle);
    rig.input(stop(ErrorCode::ADMINISTRATIVE_RESET, Restart::Normal));
    rig.wait(0.0);
    assert_eq!(rig.session.state(), State::Connect);
}

#[test]
fn hard_reset_wraps_what_lasts() {
    // RFC 8538 §3.1, §5.1.
    let graceful = |o: &mut Open| with(o, gr(true, 120));
    let (mut rig, conn) = Rig::established(config(65002, |_| {}), graceful);
    rig.input(Input::ManualStop { message: Some("bye".to_owned()) });
    let n = sent_notification(&mut rig, conn);
    assert_eq!(n.error(), ErrorCode::HARD_RESET);
    assert_eq!(n.communication(), Some("bye"));
}

fn gr(notification: bool, restart_time: u16) -> Capability {
    Capability::GracefulRestart {
        restart_state: false,
        notification,
        restart_time,
        families: vec![(Family::IPV4_UNICAST, true), (Family::IPV6_UNICAST, false)],
    }
}

#[test]
fn stale_routes_are_kept_for_a_peer_that_restarts() {
    // RFC 4724 §4.2, RFC 8538 §4.
    type End = fn(&mut Rig, trunkline_core::ConnId);
    let lost: End = |rig, conn| rig.close(conn, TcpError::Reset);
    let silent: End = |rig, _| rig.wait(90.0);
    let cease: End = |rig, conn| rig.notify(conn, ErrorCode::ADMINISTRATIVE_RESET);
    let hard: End = |rig, conn| rig.notify(conn, Notification::hard_reset(&ErrorCode::ADMINISTRATIVE_RESET.into()));
    let stop: End = |rig, _| rig.input(Input::ManualStop { message: None });
    let garbage: End = |rig, conn| rig.receive(conn, &[0; 19]);
    let on: fn(&mut crate::config::NeighborConfig) = |_| {};
    let off: fn(&mut crate::config::NeighborConfig) = |c| c.graceful_restart_helper = false;
    let short: fn(&mut crate::config::NeighborConfig) = |c| c.stale_time = 60;
    let cases = [
        ("lost", on, Some(gr(false, 120)), lost, Some(120)),
        ("lost, our limit", short, Some(gr(false, 120)), lost, Some(60)),
        ("lost, no helper", off, Some(gr(false, 120)), lost, None),
        ("lost, no capability", on, None, lost, None),
        ("lost, no time", on, Some(gr(false, 0)), lost, None),
        ("silent", on, Some(gr(false, 120)), silent, None),
        ("silent, N bit", on, Some(gr(true, 120)), silent, Some(120)),
        ("cease", on, Some(gr(false, 120)), cease, None),
        ("cease, N bit", on, Some(gr(true, 120)), cease, Some(120)),
        ("hard reset", on, Some(gr(true, 120)), hard, None),
        ("garbage, N bit", on, Some(gr(true, 120)), garbage, Some(120)),
        ("our stop", on, Some(gr(true, 120)), stop, None),
    ];
    for (name, configure, capability, end, expected) in cases {
        let (mut rig, conn) = Rig::established(config(65002, configure), |o| {
            capability.into_iter().for_each(|c| with(o, c));
        });
        end(&mut rig, conn);
        let down: Vec<_> = rig
            .drain()
            .into_iter()
            .filter_map(|o| match o {
                Output::Down { keep_stale, .. } => Some(keep_stale),
                _ => None,
            })
            .collect();
        // Of the peer's families only those that were agreed.
        let expected = expected.map(|s| (vec![Family::IPV4_UNICAST], Duration::from_secs(s)));
        assert_eq!(down, [expected], "{name}");
    }
}

#[test]
fn a_restarted_peer_takes_over() {
    // RFC 4724 §4.2: the new connection stays, the old one is closed without a NOTIFICATION.
    let (mut rig, old) = Rig::established(config(65002, |_| {}), |o| with(o, gr(false, 120)));
    rig.wait(1.0);
    let new = rig.incoming();
    assert_eq!(rig.session.established_conn(), Some(old), "a connection alone proves nothing");
    rig.receive_open(new, |o| with(o, gr(false, 120)));
    assert_eq!(rig.session.state(), State::OpenConfirm);
    assert_eq!(rig.sent(old), []);
    let outputs = rig.drain();
    assert!(outputs.iter().any(|o| matches!(o, Output::Down { keep_stale: Some(_), .. })));
    assert!(outputs.contains(&Output::Tcp(TcpAction::Close { conn: old, reset: false })));
    rig.receive(new, &keepalive());
    assert_eq!(rig.session.established_conn(), Some(new));
}

#[test]
fn a_second_connection_in_established_is_closed() {
    // RFC 4271 §6.8: "causes closing of the newly created connection".
    let (mut rig, old) = Rig::established(config(65002, |_| {}), |_| {});
    rig.wait(1.0);
    let new = rig.incoming();
    rig.sent(new);
    rig.receive_open(new, |_| {});
    assert_eq!(sent_notification(&mut rig, new), ErrorCode::CONNECTION_COLLISION_RESOLUTION.into());
    assert_eq!(rig.closes(), [(new, false)]);
    assert_eq!((rig.session.established_conn(), rig.session.stats().flaps), (Some(old), 0));
    // One that says nothing is tracked, and replaced by the next.
    let silent = rig.incoming();
    let next = rig.incoming();
    assert_eq!(rig.closes(), [(silent, false)]);
    rig.close(next, TcpError::EndOfStream);
    assert_eq!((rig.session.established_conn(), rig.last_error()), (Some(old), rig.last_error()));
    assert_eq!(rig.session.state(), State::Established);
}

#[test]
fn collision_detect_established_lets_the_winner_win() {
    // RFC 4271 §8.1.1, CollisionDetectEstablishedState: the peer's identifier is higher, it opened the second.
    let config = config(65002, |c| c.collision_detect_established = true);
    let (mut rig, old) = Rig::established(config, |_| {});
    rig.wait(1.0);
    let new = rig.incoming();
    rig.sent(new);
    rig.receive_open(new, |_| {});
    assert_eq!(sent_notification(&mut rig, old), ErrorCode::CONNECTION_COLLISION_RESOLUTION.into());
    rig.receive(new, &keepalive());
    assert_eq!(rig.session.established_conn(), Some(new));
}

#[test]
fn collision_is_decided_by_the_higher_identifier() {
    // RFC 4271 §6.8; RFC 6286 §2.3: of equal identifiers by the AS.
    for (id, asn, we_win) in [(2, 65002, false), (0, 65002, true), (1, 65002, false), (1, 64999, true)] {
        let mut rig = Rig::new(config(asn, |_| {}));
        rig.input(Input::AutomaticStart);
        let ours = rig.connect();
        let theirs = rig.incoming();
        assert!(rig.session.owns(ours) && rig.session.owns(theirs));
        rig.accept(ours);
        let change = |o: &mut Open| {
            o.my_as = u16::try_from(asn).unwrap();
            without(o, 65);
            o.bgp_identifier = Ipv4Addr::new(10, 0, 0, id);
        };
        rig.receive_open(ours, change);
        rig.receive_open(theirs, change);
        if we_win {
            assert_eq!(sent_notification(&mut rig, theirs), ErrorCode::CONNECTION_COLLISION_RESOLUTION.into());
            rig.receive(ours, &keepalive());
            assert_eq!(rig.session.established_conn(), Some(ours));
        } else {
            // The other side decides: it ends ours, or sends a KEEPALIVE on its own.
            assert!(rig.session.owns(ours) && rig.session.owns(theirs));
            rig.receive(ours, &keepalive());
            assert_eq!(rig.session.state(), State::OpenConfirm, "waits");
            rig.receive(theirs, &keepalive());
            assert_eq!(rig.session.established_conn(), Some(theirs));
            assert_eq!(sent_notification(&mut rig, ours), ErrorCode::CONNECTION_COLLISION_RESOLUTION.into());
        }
        assert_eq!(rig.session.stats().flaps, 0);
        assert!(rig.view().errors.is_empty(), "a collision is no error");
    }
}

#[test]
fn a_losing_connection_goes_up_when_the_peer_uses_it() {
    let both = || {
        let mut rig = Rig::new(config(65002, |_| {}));
        rig.input(Input::AutomaticStart);
        let ours = rig.connect();
        let theirs = rig.incoming();
        rig.accept(ours);
        rig.receive_open(ours, |_| {});
        rig.receive(ours, &keepalive());
        assert_eq!(rig.session.state(), State::OpenConfirm);
        (rig, ours, theirs)
    };
    // An UPDATE: the peer is Established there. The UPDATE is not lost.
    let (mut rig, ours, _) = both();
    rig.receive(ours, &update());
    assert_eq!((rig.session.established_conn(), rig.sink.updates.len()), (Some(ours), 1));
    // The other one goes away.
    let (mut rig, ours, theirs) = both();
    rig.close(theirs, TcpError::EndOfStream);
    assert_eq!(rig.session.established_conn(), Some(ours));
    // Nothing happens for a while.
    let (mut rig, ours, _) = both();
    rig.wait(3.0);
    assert_eq!(rig.session.established_conn(), Some(ours));
    // The peer closes it after all.
    let (mut rig, ours, theirs) = both();
    rig.notify(ours, ErrorCode::CONNECTION_COLLISION_RESOLUTION);
    rig.receive_open(theirs, |_| {});
    rig.receive(theirs, &keepalive());
    assert_eq!((rig.session.established_conn(), rig.session.stats().flaps), (Some(theirs), 0));
    assert!(rig.view().errors.is_empty());
}

#[test]
fn an_open_as_old_as_the_session_waits_for_the_peers_decision() {
    let early = || {
        // Our identifier is higher; the peer's OPEN on its own connection comes late.
        let mut rig = Rig::of(local(65001, 9), config(65002, |_| {}));
        rig.input(Input::AutomaticStart);
        let ours = rig.connect();
        let theirs = rig.incoming();
        rig.accept(ours);
        rig.receive_open(theirs, |_| {});
        rig.receive(theirs, &keepalive());
        assert_eq!(rig.session.established_conn(), Some(theirs));
        rig.sent(ours);
        rig.receive_open(ours, |_| {});
        rig.receive(ours, &keepalive());
        (rig, ours, theirs)
    };
    let (mut rig, ours, theirs) = early();
    rig.wait(1.1);
    assert_eq!(sent_notification(&mut rig, ours), ErrorCode::CONNECTION_COLLISION_RESOLUTION.into());
    assert_eq!(rig.session.established_conn(), Some(theirs));
    let (mut rig, ours, theirs) = early();
    rig.notify(theirs, ErrorCode::CONNECTION_COLLISION_RESOLUTION);
    assert_eq!(rig.session.established_conn(), Some(ours), "its KEEPALIVE was kept too");
}

#[test]
fn messages_that_a_state_does_not_expect() {
    // RFC 6608 §3; RFC 4271 §8.2.2 "any other event".
    let (mut rig, conn) = Rig::connected(config(65002, |_| {}));
    rig.sent(conn);
    rig.receive(conn, &update());
    assert_eq!(sent_notification(&mut rig, conn), ErrorCode::UNEXPECTED_MESSAGE_IN_OPEN_SENT.into());
    let (mut rig, conn) = Rig::connected(config(65002, |_| {}));
    rig.receive_open(conn, |_| {});
    rig.receive(conn, &update());
    assert_eq!(sent_notification(&mut rig, conn), ErrorCode::UNEXPECTED_MESSAGE_IN_OPEN_CONFIRM.into());
    let (mut rig, conn) = Rig::established(config(65002, |_| {}), |_| {});
    rig.receive_open(conn, |_| {});
    assert_eq!(sent_notification(&mut rig, conn), ErrorCode::UNEXPECTED_MESSAGE_IN_ESTABLISHED.into());
}

#[test]
fn header_errors_are_told() {
    // RFC 4271 §6.1.
    let mut too_long = keepalive();
    too_long[17] = 20;
    let mut bad_type = keepalive();
    bad_type[18] = 9;
    for (bytes, text) in [
        (vec![0; 19], "1/1 Connection Not Synchronized: these octets are no BGP message; is it another service, or a proxy?"),
        (too_long, "1/2 Bad Message Length: the peer sends KEEPALIVE of 20 octets"),
        (bad_type, "1/3 Bad Message Type: the peer sends a message of type 9"),
    ] {
        let (mut rig, conn) = Rig::established(config(65002, |_| {}), |_| {});
        rig.receive(conn, &bytes);
        assert_eq!(rig.last_error().unwrap(), format!("sent NOTIFICATION {text}"));
    }
}

#[test]
fn octets_may_come_in_any_pieces() {
    let mut stream = bytes(|b| open(|_| {}).emit(b));
    stream.extend(keepalive());
    for _ in 0..3 {
        stream.extend(update());
        stream.extend(bytes(|b| {
            trunkline_wire::bgp::emit_withdraw_ipv4(4096, &[trunkline_core::Ipv4Prefix::from_bits(0x0a00_0000, 8)], b);
        }));
    }
    for size in 1..stream.len() {
        let (mut rig, conn) = Rig::connected(config(65002, |_| {}));
        for piece in stream.chunks(size) {
            rig.receive(conn, piece);
        }
        assert_eq!(rig.sink.updates.len(), 6, "{size}");
    }
}

#[test]
fn an_update_error_resets() {
    // RFC 4271 §8.2.2 Event 28.
    let (mut rig, conn) = Rig::established(config(65002, |_| {}), |_| {});
    rig.sink.error = Some(ErrorCode::MALFORMED_ATTRIBUTE_LIST.into());
    rig.receive(conn, &[update(), update()].concat());
    assert_eq!(rig.sink.updates.len(), 1, "what follows is not looked at");
    assert_eq!(sent_notification(&mut rig, conn), ErrorCode::MALFORMED_ATTRIBUTE_LIST.into());
    assert_eq!(rig.last_error().unwrap(), "sent NOTIFICATION 3/1 Malformed Attribute List");
}

#[test]
fn extended_messages_where_we_offered_them() {
    // RFC 8654 §4.
    let long = |rig: &mut Rig, conn| {
        let mut message = vec![0xff; 16];
        message.extend([0x20, 0, 2]);
        message.resize(0x2000, 0);
        rig.receive(conn, &message);
        rig.session.state()
    };
    let (mut rig, conn) = Rig::established(config(65002, |_| {}), |o| with(o, Capability::ExtendedMessage));
    assert!(rig.session.negotiated().unwrap().extended_message);
    assert_eq!(long(&mut rig, conn), State::Established);
    let config = config(65002, |c| c.extended_messages = false);
    let (mut rig, conn) = Rig::established(config, |o| with(o, Capability::ExtendedMessage));
    assert_eq!(long(&mut rig, conn), State::Idle);
}

#[test]
fn route_refresh_both_ways() {
    // RFC 2918 §4, RFC 7313 §5.
    let message = |family, subtype| RouteRefresh { family, subtype };
    let request = message(Family::IPV4_UNICAST, RouteRefreshSubtype::Request);
    let (mut rig, conn) = Rig::established(config(65002, |_| {}), |_| {});
    rig.input(Input::SendRouteRefresh(request));
    assert_eq!(rig.sent_one(conn), Sent::RouteRefresh(request));
    rig.input(Input::SendRouteRefresh(message(Family::IPV6_UNICAST, RouteRefreshSubtype::Request)));
    assert_eq!(rig.sent(conn), [], "of a family that was not agreed");
    let other = message(Family::IPV6_UNICAST, RouteRefreshSubtype::Request);
    let odd = message(Family::IPV4_UNICAST, RouteRefreshSubtype::Unknown(7));
    for m in [request, other, odd, message(Family::IPV4_UNICAST, RouteRefreshSubtype::BoRR)] {
        rig.receive(conn, &bytes(|b| m.emit(b)));
    }
    assert_eq!(rig.sink.refreshes.len(), 2);
    assert_eq!(rig.session.stats().ignored_route_refreshes, 2);
    let mut short = bytes(|b| request.emit(b));
    short.pop();
    short[17] = 22;
    rig.receive(conn, &short);
    assert_eq!(sent_notification(&mut rig, conn), Notification::with_data(ErrorCode::INVALID_ROUTE_REFRESH_LENGTH, short));

    // Not advertised by the peer: not sent. Not advertised by us (it was refused): ignored, whatever it says.
    let (mut rig, conn) = Rig::established(config(65002, |_| {}), |o| without(o, 2));
    rig.input(Input::SendRouteRefresh(request));
    assert_eq!(rig.sent(conn), []);
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
        let options = TcpOptions { md5: key(), ttl, min_ttl };
        let mut rig = Rig::new(config);
        rig.input(Input::AutomaticStart);
        let outputs = rig.drain();
        assert!(outputs.iter().any(|o| matches!(o, Output::Tcp(TcpAction::Connect { options: given, .. }) if *given == options)));
        let conn = rig.incoming();
        assert!(rig.drain().contains(&Output::Tcp(TcpAction::Configure { conn, options })));
    }
}

#[test]
fn reconfigure_restarts_only_where_it_must() {
    type Change = fn(&mut crate::config::NeighborConfig);
    let in_place: [Change; 7] = [
        |c| c.description = Some("x".to_owned()),
        |c| c.hold_time = 30,
        |c| c.import = crate::policy::Policy::Accept,
        |c| c.passive = true,
        |c| c.connect_retry = 3,
        |c| c.send_hold_time = 7,
        |c| c.stale_time = 1,
    ];
    for change in in_place {
        let (mut rig, conn) = Rig::established(config(65002, |_| {}), |_| {});
        let applied = rig.session.reconfigure(rig.now, config(65002, change), &mut rig.out);
        assert_eq!((applied, rig.sent(conn)), (Applied::InPlace, vec![]));
    }
    let restart: [Change; 6] = [
        |c| c.asn = Asn(65003),
        |c| c.families.push(Family::IPV6_UNICAST),
        |c| c.password = Some(Md5Key("x".to_owned())),
        |c| c.ttl_security = Some(1),
        |c| c.role = Some(Role::Peer),
        |c| c.port = 1179,
    ];
    for change in restart {
        let (mut rig, conn) = Rig::established(config(65002, |_| {}), |_| {});
        let applied = rig.session.reconfigure(rig.now, config(65002, change), &mut rig.out);
        assert_eq!(applied, Applied::Restart);
        assert_eq!(sent_notification(&mut rig, conn), ErrorCode::OTHER_CONFIGURATION_CHANGE.into());
        rig.wait(1.0);
        assert_eq!(rig.session.state(), State::Connect);
    }
}

#[test]
fn reconfigure_enables_and_disables() {
    let (mut rig, conn) = Rig::established(config(65002, |_| {}), |_| {});
    rig.session.reconfigure(rig.now, config(65002, |c| c.enabled = false), &mut rig.out);
    assert_eq!(sent_notification(&mut rig, conn), ErrorCode::ADMINISTRATIVE_SHUTDOWN.into());
    rig.wait(100.0);
    assert_eq!(rig.session.state(), State::Idle);
    assert_eq!(rig.view().down_because.unwrap(), "disabled in the configuration");
    rig.session.reconfigure(rig.now, config(65002, |_| {}), &mut rig.out);
    assert_eq!(rig.session.state(), State::Connect);
    // A session that waits for the peer learns that it may connect.
    let mut rig = Rig::new(config(65002, |c| c.passive = true));
    rig.input(Input::AutomaticStart);
    rig.session.reconfigure(rig.now, config(65002, |_| {}), &mut rig.out);
    assert_eq!(rig.session.state(), State::Connect);
}

#[test]
fn last_messages_outlive_the_connection() {
    let (mut rig, conn) = Rig::established(config(65002, |_| {}), |_| {});
    rig.input(Input::ManualStop { message: None });
    assert!(rig.session.owns(conn));
    let mut buf = Vec::new();
    rig.session.poll_transmit(conn, &mut buf);
    assert_eq!(read_messages(&buf).len(), 1);
    assert!(!rig.session.owns(conn));
}

#[test]
fn describes_itself() {
    let (mut rig, conn) = Rig::established(config(65002, |_| {}), |o| with(o, gr(true, 120)));
    rig.wait(20.0);
    rig.receive(conn, &update());
    let view = rig.view();
    assert_eq!((view.summary.state.as_str(), view.summary.since), ("Established", 20.0));
    assert_eq!((view.hold_time, view.keepalive_time), (Some(90), Some(30.0)));
    assert_eq!(view.opened_by.as_deref(), Some("us"));
    assert_eq!(view.remote.as_deref(), Some("192.0.2.2:179"));
    assert_eq!(view.session_type, "external");
    assert_eq!(view.router_id, Some(Ipv4Addr::new(10, 0, 0, 2)));
    assert_eq!(view.timers.iter().find(|t| t.name == "HoldTimer").unwrap().left, 90.0);
    let counts: Vec<_> = view.messages.iter().map(|m| (m.kind.as_str(), m.received, m.sent)).collect();
    assert_eq!(
        counts,
        [("OPEN", 1, 1), ("UPDATE", 1, 0), ("NOTIFICATION", 0, 0), ("KEEPALIVE", 1, 1), ("ROUTE-REFRESH", 0, 0)]
    );
    insta::assert_snapshot!(view.capabilities_agreed.join("\n"), @r"
    multiprotocol ipv4-unicast
    route refresh
    enhanced route refresh
    four-octet AS number
    graceful restart (we help the peer, notifications covered)
    ");
}
