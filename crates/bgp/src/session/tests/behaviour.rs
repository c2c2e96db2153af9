//! One session against a peer that a test plays.

use super::rig::{
    Rig, Sent, bytes, config, gr, keepalive, open, read_messages, sent_notification, update, with, without,
};
use crate::session::{Input, Output, Restart, State};
use crate::transport::{Md5Key, TcpError};
use std::net::Ipv4Addr;
use trunkline_core::{Applied, Asn, Duration};
use trunkline_wire::bgp::{
    Capability, ErrorCode, Family, Notification, Open, Role, RouteRefresh, RouteRefreshSubtype,
};

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
    for (restart, wait) in [
        (Restart::Normal, Some(1.0)),
        (Restart::After(Duration::from_secs(60)), Some(60.0)),
        (Restart::Never, None),
    ] {
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

#[test]
fn stale_routes_are_kept_for_a_peer_that_restarts() {
    // RFC 4724 §4.2, RFC 8538 §4.
    type End = fn(&mut Rig, trunkline_core::ConnId);
    let lost: End = |rig, conn| rig.close(conn, TcpError::Reset);
    let silent: End = |rig, _| rig.wait(90.0);
    let cease: End = |rig, conn| rig.notify(conn, ErrorCode::ADMINISTRATIVE_RESET);
    let hard: End =
        |rig, conn| rig.notify(conn, Notification::hard_reset(&ErrorCode::ADMINISTRATIVE_RESET.into()));
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
        (
            vec![0; 19],
            "1/1 Connection Not Synchronized: these octets are no BGP message; is it another service, or a proxy?",
        ),
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
            trunkline_wire::bgp::emit_withdraw_ipv4(
                4096,
                &[trunkline_core::Ipv4Prefix::from_bits(0x0a00_0000, 8)],
                b,
            );
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
    assert_eq!(
        sent_notification(&mut rig, conn),
        Notification::with_data(ErrorCode::INVALID_ROUTE_REFRESH_LENGTH, short)
    );

    // Not advertised by the peer: not sent. Not advertised by us (it was refused): ignored, whatever it says.
    let (mut rig, conn) = Rig::established(config(65002, |_| {}), |o| without(o, 2));
    rig.input(Input::SendRouteRefresh(request));
    assert_eq!(rig.sent(conn), []);
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
        [
            ("OPEN", 1, 1),
            ("UPDATE", 1, 0),
            ("NOTIFICATION", 0, 0),
            ("KEEPALIVE", 1, 1),
            ("ROUTE-REFRESH", 0, 0)
        ]
    );
    insta::assert_snapshot!(view.capabilities_agreed.join("\n"), @r"
    multiprotocol ipv4-unicast
    route refresh
    enhanced route refresh
    four-octet AS number
    graceful restart (we help the peer, notifications covered)
    ");
}
