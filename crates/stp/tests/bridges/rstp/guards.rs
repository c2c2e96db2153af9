//! Guards of RSTP ports that are configured while they act, and what is told of them.

use crate::rig::{End, Net, secs};
use trunkline_stp::{Edge, Event, Inconsistency, PortRole, PortState, Protocol};

/// Two bridges on one link, the first the root; the port of the second.
fn pair() -> (Net, usize, End) {
    let mut net = Net::new(1);
    let [a, b] = [4096, 8192].map(|priority| net.bridge(Protocol::Rstp, priority));
    let link = net.lan(&[a, b]);
    let end = net.end(link, b);
    (net, link, end)
}

/// What was told of guards: which, and whether it holds.
fn guards(net: &Net) -> Vec<(Inconsistency, bool)> {
    let of = |event: Event| match event {
        Event::Guard { guard, on, .. } => Some((guard, on)),
        _ => None,
    };
    net.events.iter().filter_map(|(.., event)| of(*event)).collect()
}

#[test]
fn a_port_that_a_guard_holds_is_let_go_with_the_guard_or_the_link() {
    let held_and_let_go = [(Inconsistency::Loop, true), (Inconsistency::Loop, false)];
    for by_link in [false, true] {
        let (mut net, link, end) = pair();
        net.configure(end, |port| port.loop_guard = true);
        net.run_for(secs(10.0));
        net.lans[link].loss = 1000;
        net.run_for(secs(20.0));
        assert_eq!(net.stands(end), (PortRole::Designated, PortState::Discarding));
        assert_eq!(guards(&net), held_and_let_go[..1]);
        if by_link {
            net.cut(link)
        } else {
            net.configure(end, |port| port.loop_guard = false)
        }
        assert_eq!(guards(&net), held_and_let_go, "by the link: {by_link}");
        net.run_for(secs(40.0));
        assert_eq!(net.state(end) == PortState::Forwarding, !by_link);
    }
}

#[test]
fn bridge_assurance_waits_three_hellos_from_when_it_applies() {
    let (mut net, link, end) = pair();
    net.configure(end, |port| (port.edge, port.bridge_assurance) = (Edge::Yes, true));
    net.run_for(secs(60.0));
    net.assert_settled();
    let since = net.now;
    net.configure(end, |port| port.edge = Edge::Auto);
    net.lans[link].loss = 1000;
    net.run_for(secs(5.9));
    assert_eq!(guards(&net), []);
    net.run_until(since + secs(6.1));
    assert_eq!(guards(&net), [(Inconsistency::BridgeAssurance, true)]);
    // And to an edge it does not apply
    net.configure(end, |port| port.edge = Edge::Yes);
    assert_eq!(guards(&net)[1..], [(Inconsistency::BridgeAssurance, false)]);
}

#[test]
fn why_a_better_way_is_not_taken_is_told_as_it_is() {
    let (mut net, _, end) = pair();
    let why = |net: &Net| -> Vec<String> { net.view(end.0).ports.into_iter().map(|port| port.why).collect() };
    let customer = net.bridge(Protocol::Rstp, 0);
    let link = net.lan(&[end.0, customer]);
    net.configure(net.end(link, end.0), |port| port.restricted_role = true);
    net.run_for(secs(20.0));
    let own = "this LAN: root 0.02:00:00:00:00:03 is better than 4096.02:00:00:00:00:01";
    assert_eq!(
        why(&net),
        [
            "no other way to the root may be taken".to_owned(),
            format!("bridge 0.02:00:00:00:00:03 serves {own}; the way by it is better, but may not be taken"),
        ]
    );
    // One more, worse: that is what the root port is better than
    net.lan(&[0, end.0]);
    net.run_for(secs(20.0));
    let port = "designated port 128.1 is better than 128.2";
    assert_eq!(why(&net)[0], format!("it is a better way to the root than p2: {port}"));
    assert!(why(&net)[2].ends_with(&format!("; the way by p0 is better: {port}")), "{:?}", why(&net));
    // Who is the root has no other way
    net.power(0, false);
    net.run_for(secs(20.0));
    assert!(why(&net)[1].ends_with("; the way by it is better, but may not be taken"), "{:?}", why(&net));
}
