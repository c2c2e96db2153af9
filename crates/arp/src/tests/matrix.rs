//! Each event in each state of a neighbour, as a table.

use super::*;

const STATES: [Option<State>; 8] = [
    None,
    Some(State::Incomplete),
    Some(State::Reachable),
    Some(State::Stale),
    Some(State::Delay),
    Some(State::Probe),
    Some(State::Failed),
    Some(State::Permanent),
];

type Event = (&'static str, fn(&mut Us) -> Vec<Output>);

const EVENTS: [Event; 21] = [
    ("send", |us| us.send(PEER, 1)),
    ("lookup", |us| {
        us.arp.lookup(us.now, PEER);
        let now = us.now;
        us.arp.handle_timeout(now, &mut us.out);
        us.out.drain().collect()
    }),
    ("confirm", |us| us.input(Input::Confirm { neighbor: PEER })),
    ("reply to us, same MAC", |us| us.hear(reply((PEER, PEER_MAC), US))),
    ("reply to us, new MAC", |us| us.hear(reply((PEER, NEW_MAC), US))),
    ("reply to another, same MAC", |us| {
        us.hear(Packet { target_hardware: OTHER_MAC, ..reply((PEER, PEER_MAC), OTHER) })
    }),
    ("reply to another, new MAC", |us| {
        us.hear(Packet { target_hardware: OTHER_MAC, ..reply((PEER, NEW_MAC), OTHER) })
    }),
    ("request for us, same MAC", |us| us.hear(request((PEER, PEER_MAC), US))),
    ("request for us, new MAC", |us| us.hear(request((PEER, NEW_MAC), US))),
    ("request for another, new MAC", |us| us.hear(request((PEER, NEW_MAC), OTHER))),
    ("announcement, same MAC", |us| us.hear(request((PEER, PEER_MAC), PEER))),
    ("announcement, new MAC", |us| us.hear(request((PEER, NEW_MAC), PEER))),
    ("announcement as a reply", |us| {
        us.hear(Packet { target_hardware: MacAddr::BROADCAST, ..reply((PEER, NEW_MAC), PEER) })
    }),
    ("probe for it", |us| us.hear(request((NOBODY, NEW_MAC), PEER))),
    ("its time is over", |us| {
        let end = us.entry(PEER).and_then(|entry| entry.expires).map_or(us.now, |left| us.now + left);
        us.run_until(end).into_iter().map(|(_, output)| output).collect()
    }),
    ("its time is over, it is in use", |us| {
        if let Some(left) = us.entry(PEER).and_then(|entry| entry.expires) {
            us.now += left.saturating_sub(Duration::from_secs(1));
            us.arp.lookup(us.now, PEER);
            let end = us.now + Duration::from_secs(1);
            return us.run_until(end).into_iter().map(|(_, output)| output).collect();
        }
        Vec::new()
    }),
    ("no answer to all requests", |us| {
        let end = us.now + Duration::from_secs(3);
        us.run_until(end).into_iter().map(|(_, output)| output).collect()
    }),
    ("made static", |us| us.input(Input::Static { address: PEER, mac: Some(NEW_MAC) })),
    ("static removed", |us| us.input(Input::Static { address: PEER, mac: None })),
    ("clear", |us| us.input(Input::Clear { address: None })),
    ("link down", |us| us.input(Input::Link { up: false, address: OUR_MAC })),
];

#[test]
fn every_event_in_every_state() {
    // RFC 4861 §7.3.3, appendix C, as Linux applies them to ARP
    let mut table = String::new();
    for (name, event) in EVENTS {
        table.push_str(&format!("{name}\n"));
        for state in STATES {
            let mut us = Us::up(Config::default());
            if let Some(state) = state {
                us.put(PEER, PEER_MAC, state);
            }
            us.arp.watch(true);
            let outputs = event(&mut us);
            let name = |state: Option<State>| state.map_or("-".to_owned(), |state| state.to_string());
            let after = name(us.state(PEER));
            table.push_str(
                &format!("  {:10} -> {after:10} {}", name(state), words(&outputs)).replace("  -> ", " -> "),
            );
            while table.ends_with(' ') {
                table.pop();
            }
            table.push('\n');
            // The timers agree with the states.
            let expires = us.entry(PEER).map(|entry| entry.expires);
            assert!(expires.is_none_or(|left| left.is_some() != (us.state(PEER) == Some(State::Permanent))));
        }
    }
    insta::assert_snapshot!(table);
}
