//! Two connections (RFC 4271 §6.8, RFC 4724 §4.2).

use super::rig::{Rig, config, gr, keepalive, sent_notification, update, with, without};
use crate::session::{Input, Output, State};
use crate::transport::{TcpAction, TcpError};
use std::net::Ipv4Addr;
use trunkline_wire::bgp::{ErrorCode, Open};

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
    assert_eq!(rig.session.established_conn(), Some(old));
    assert_eq!(rig.last_error(), None, "nothing to worry about");
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
fn the_connection_of_the_higher_identifier_wins() {
    // RFC 4271 §6.8; RFC 6286 §2.3: of equal identifiers by the AS.
    for (id, asn, we_win) in [(2, 65002, false), (0, 65002, true), (1, 65002, false), (1, 64999, true)] {
        for winner_first in [false, true] {
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
            assert!(rig.session.owns(ours) && rig.session.owns(theirs));
            let (winner, loser) = if we_win { (ours, theirs) } else { (theirs, ours) };
            if !winner_first {
                rig.receive(loser, &keepalive());
                assert_eq!(rig.session.state(), State::OpenConfirm, "waits");
            }
            rig.receive(winner, &keepalive());
            assert_eq!(rig.session.established_conn(), Some(winner));
            let cease = ErrorCode::CONNECTION_COLLISION_RESOLUTION.into();
            assert_eq!(sent_notification(&mut rig, loser), cease);
            assert_eq!(rig.session.stats().flaps, 0);
            assert!(rig.view().errors.is_empty(), "a collision is no error");
        }
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
    // Nothing happens for a while; and then nothing on the other one.
    let (mut rig, ours, theirs) = both();
    rig.wait(2.0);
    assert_eq!(rig.session.established_conn(), Some(ours));
    assert!(rig.session.owns(theirs));
    rig.wait(2.0);
    assert!(rig.closes().contains(&(theirs, false)));
    // The peer closes it after all.
    let (mut rig, ours, theirs) = both();
    rig.notify(ours, ErrorCode::CONNECTION_COLLISION_RESOLUTION);
    rig.receive_open(theirs, |_| {});
    rig.receive(theirs, &keepalive());
    assert_eq!((rig.session.established_conn(), rig.session.stats().flaps), (Some(theirs), 0));
    assert!(rig.view().errors.is_empty());
}

#[test]
fn a_collision_that_nobody_decides_is_decided() {
    let mut rig = Rig::new(config(65002, |_| {}));
    rig.input(Input::AutomaticStart);
    let ours = rig.connect();
    let theirs = rig.incoming();
    rig.accept(ours);
    rig.receive_open(ours, |_| {});
    rig.receive_open(theirs, |_| {});
    rig.wait(2.0);
    assert_eq!(sent_notification(&mut rig, ours), ErrorCode::CONNECTION_COLLISION_RESOLUTION.into());
    assert!(rig.session.owns(theirs));
}

#[test]
fn what_comes_in_later_waits_in_silence() {
    let (mut rig, old) = Rig::established(config(65002, |_| {}), |_| {});
    let new = rig.incoming();
    assert_eq!(rig.sent(new), []);
    // The session is lost: now the new connection serves.
    rig.close(old, TcpError::Reset);
    assert_eq!(rig.session.state(), State::OpenSent);
    rig.sent_open(new);
    rig.receive_open(new, |_| {});
    rig.receive(new, &keepalive());
    assert_eq!(rig.session.established_conn(), Some(new));
    // A peer that waits for our OPEN gets it in the end.
    let new = rig.incoming();
    rig.wait(5.0);
    rig.sent_open(new);
    rig.receive_open(new, |_| {});
    assert_eq!(sent_notification(&mut rig, new), ErrorCode::CONNECTION_COLLISION_RESOLUTION.into());
}
