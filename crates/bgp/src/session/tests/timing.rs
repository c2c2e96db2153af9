//! Timers, retries and damping (RFC 4271 §8.1.1, §10; RFC 9687).

use super::rig::{Rig, Sent, config, keepalive, sent_notification, update, without};
use crate::session::{Input, Output, State};
use crate::transport::{TcpAction, TcpError};
use trunkline_wire::bgp::ErrorCode;

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
    let text = "sent NOTIFICATION 4/0 Hold Timer Expired: nothing from the peer for 90 s";
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
    assert_eq!(
        rig.last_error().unwrap(),
        "sent NOTIFICATION 4/0 Hold Timer Expired: no OPEN from the peer for 240 s"
    );
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
    assert_eq!(rig.last_error().unwrap(), "connection refused: nobody listens there, or a firewall rejects");
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
    let text =
        "the peer closed the connection before its OPEN: it has no such neighbour, or it is disabled there";
    assert_eq!(rig.events(), [text]);
    assert_eq!(rig.last_error().unwrap(), text);
    assert_eq!(rig.session.state(), State::Active, "RFC 4271 §8.2.2, OpenSent, Event 18");
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
fn no_timer_of_a_lost_connection_goes_on() {
    // RFC 4271 §8.2.2, OpenSent, Event 18: the HoldTimer of that connection means nothing in Active.
    let (mut rig, conn) = Rig::connected(config(65002, |c| c.connect_retry = 1000));
    rig.close(conn, TcpError::Reset);
    rig.wait(500.0);
    assert_eq!(rig.session.state(), State::Active);
}
