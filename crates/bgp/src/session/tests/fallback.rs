//! A peer that refuses capabilities (RFC 5492 §3, §5).

use super::rig::{Rig, Sent, config, keepalive};
use crate::session::{Input, Restart, State};
use trunkline_wire::bgp::{Capability, ErrorCode, Family, Notification};

/// Refuses our OPEN and returns what the next one offers.
fn refuse(rig: &mut Rig, notification: Notification) -> Vec<Capability> {
    let conn = rig.connect();
    rig.accept(conn);
    rig.sent(conn);
    rig.notify(conn, notification);
    assert_eq!(rig.session.state(), State::Idle);
    rig.wait(1.0);
    let conn = rig.connect();
    rig.accept(conn);
    let open = rig.sent_open(conn);
    rig.close(conn, crate::transport::TcpError::Reset);
    rig.wait(10.0);
    open.capabilities().cloned().collect()
}

fn start() -> Rig {
    let mut rig = Rig::new(config(65002, |c| c.families = vec![Family::IPV4_UNICAST, Family::IPV6_UNICAST]));
    rig.input(Input::AutomaticStart);
    rig
}

fn unsupported(capabilities: &[Capability]) -> Notification {
    let mut data = Vec::new();
    capabilities.iter().for_each(|c| c.emit(&mut data));
    Notification::with_data(ErrorCode::UNSUPPORTED_CAPABILITY, data)
}

#[test]
fn optional_parameters_are_refused() {
    let mut rig = start();
    assert_eq!(refuse(&mut rig, ErrorCode::UNSUPPORTED_OPTIONAL_PARAMETER.into()), []);
    assert_eq!(rig.view().capabilities_suppressed, ["all capabilities"]);
    assert_eq!(
        rig.view().errors.last().unwrap().message,
        "received NOTIFICATION 2/4 Unsupported Optional Parameter; trying again without all capabilities"
    );
    // And so the session comes up, with IPv4 alone (RFC 4760 §8).
    let conn = rig.connect();
    rig.accept(conn);
    rig.receive_open(conn, |o| o.parameters.clear());
    rig.receive(conn, &keepalive());
    let n = rig.session.negotiated().unwrap();
    assert_eq!(n.families, [Family::IPV4_UNICAST]);
    assert!(!n.four_octet_as && !n.route_refresh);
}

#[test]
fn one_capability_is_refused() {
    let mut rig = start();
    let offered = refuse(&mut rig, unsupported(&[Capability::ExtendedMessage]));
    assert!(!offered.contains(&Capability::ExtendedMessage) && offered.contains(&Capability::RouteRefresh));
    assert_eq!(rig.view().capabilities_suppressed, ["extended message"]);
    // A family: that one alone.
    let offered = refuse(&mut rig, unsupported(&[Capability::Multiprotocol(Family::IPV6_UNICAST)]));
    assert!(offered.contains(&Capability::Multiprotocol(Family::IPV4_UNICAST)));
    assert!(!offered.contains(&Capability::Multiprotocol(Family::IPV6_UNICAST)));
    assert!(!offered.contains(&Capability::ExtendedMessage), "remembered");
}

#[test]
fn an_unnamed_refusal_takes_all() {
    let mut rig = start();
    assert_eq!(refuse(&mut rig, ErrorCode::UNSUPPORTED_CAPABILITY.into()), []);
}

#[test]
fn a_demand_is_no_refusal() {
    // RFC 5492 §5: the data may name what the peer misses in our OPEN.
    let mut rig = start();
    let demanded = unsupported(&[Capability::AddPath(vec![(Family::IPV4_UNICAST, 3)])]);
    let offered = refuse(&mut rig, demanded);
    assert!(offered.contains(&Capability::ExtendedMessage));
    assert_eq!(rig.view().capabilities_suppressed, [""; 0]);
    // What we left out for the peer's sake comes back when the peer misses it.
    refuse(&mut rig, unsupported(&[Capability::ExtendedMessage]));
    let offered = refuse(&mut rig, unsupported(&[Capability::ExtendedMessage]));
    assert!(offered.contains(&Capability::ExtendedMessage));
}

#[test]
fn the_operator_makes_it_forget() {
    let restarts = [
        vec![Input::ManualStop { message: None }, Input::ManualStart],
        vec![Input::AutomaticStop {
            notification: ErrorCode::ADMINISTRATIVE_RESET.into(),
            reason: "cleared".to_owned(),
            restart: Restart::Normal,
        }],
    ];
    for inputs in restarts {
        let mut rig = start();
        refuse(&mut rig, ErrorCode::UNSUPPORTED_OPTIONAL_PARAMETER.into());
        inputs.into_iter().for_each(|i| rig.input(i));
        assert_eq!(rig.view().capabilities_suppressed, [""; 0]);
    }
}

#[test]
fn fallback_is_no_oscillation() {
    let mut rig = start();
    let conn = rig.connect();
    rig.accept(conn);
    rig.notify(conn, ErrorCode::UNSUPPORTED_CAPABILITY);
    assert!(rig.view().idle_hold.unwrap() <= 1.0);
    rig.wait(1.0);
    let mut conn = rig.connect();
    rig.accept(conn);
    assert!(matches!(rig.sent(conn)[..], [Sent::Open(_)]));
    // Nothing is left to leave out: now it is an error like others.
    for wait in [1.0, 2.0, 4.0] {
        rig.notify(conn, ErrorCode::UNSUPPORTED_CAPABILITY);
        let idle_hold = rig.view().idle_hold.unwrap();
        assert!((0.75 * wait..=wait).contains(&idle_hold), "{idle_hold} of {wait}");
        rig.wait_for_timer();
        conn = rig.connect();
        rig.accept(conn);
    }
}
