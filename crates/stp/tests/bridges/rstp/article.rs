//! What the article on STP and RSTP says of RSTP, statement by statement. Where it slips, the clause that says so.

use crate::rig::{End, Net, ms};
use trunkline_core::{Duration, Instant};
use trunkline_stp::{Edge, Event, Inconsistency, PortRole, PortState, Protocol};
use trunkline_wire::stp::{Bpdu, Flags, Message, Role};

const SECOND: Duration = Duration::from_secs(1);

/// A chain of bridges, the first the root.
fn chain(count: usize) -> (Net, Vec<usize>, Vec<usize>) {
    let mut net = Net::new(1);
    let bridges: Vec<usize> = (0..count).map(|i| net.bridge(Protocol::Rstp, 4096 * (i as u16 + 1))).collect();
    let lans = bridges.windows(2).map(|pair| net.lan(&[pair[0], pair[1]])).collect();
    (net, bridges, lans)
}

fn flags(message: &Message) -> Option<Flags> {
    match message {
        Message::Bpdu(bpdu) => bpdu.body().map(|body| body.flags),
        Message::RootLinkQuery(_) => None,
    }
}

#[test]
fn every_bridge_sends_bpdus_every_hello_time() {
    // "RSTP enabled switches send out BPDUs every hello time, containing current information", "used as keepalives":
    // IEEE 802.1D-2004 §17.26. The root is silent, and the second bridge sends all the same, until 3 hellos are missed.
    let (mut net, b, lans) = chain(3);
    net.run_until(ms(10_100));
    net.lans[lans[0]].loss = 1000;
    let from = net.now;
    net.run_for(SECOND * 5);
    let times: Vec<Instant> = net.sent_by(net.end(lans[1], b[1]), from).iter().map(|s| s.0).collect();
    assert_eq!(times.len(), 2, "{times:?}");
    assert_eq!(times[1].since(times[0]), SECOND * 2);
    assert_eq!(net.role(net.end(lans[0], b[1])), PortRole::Root, "less than 6 s of silence are borne");
    net.run_for(SECOND * 2);
    assert_eq!(net.role(net.end(lans[0], b[1])), PortRole::Designated, "3 missed hellos: 6 s");
}

#[test]
fn states_are_discarding_learning_forwarding() {
    // "places them all into a new called Discarding state"
    let (mut net, ..) = chain(4);
    net.run_until(ms(10_000));
    net.cut(0);
    net.run_for(SECOND * 40);
    for (.., event) in &net.events {
        if let Event::State { to, .. } = event {
            assert!(!matches!(to, PortState::Blocking | PortState::Listening), "{event:?}");
        }
    }
}

#[test]
fn proposal_sync_and_agreement() {
    // "Introduce proposal and agreement process for synchronization (< 1 sec)": IEEE 802.1D-2004 §17.10. The second bridge
    // serves a hub, where nobody can agree, so that port must discard before the root's port may forward.
    let mut net = Net::new(1);
    let b = [4096, 8192, 12288, 16384].map(|priority| net.bridge(Protocol::Rstp, priority));
    let link = net.lan(&[b[0], b[1]]);
    let hub = net.lan(&[b[1], b[2], b[3]]);
    let leaf = net.lan(&[b[1], b[2]]);
    net.cut(leaf);
    net.cut(link);
    net.run_until(ms(60_000));
    net.assert_settled();
    let (up, down) = (net.end(link, b[1]), net.end(hub, b[1]));
    let from = net.now;
    net.restore(link);
    net.run_for(Duration::from_millis(10));
    let proposes = |m: &Message| flags(m).is_some_and(|f| f.has(Flags::PROPOSAL));
    assert!(net.sent_by(net.end(link, b[0]), from).iter().any(|(_, m)| proposes(m)));
    let agrees = |m: &Message| flags(m).is_some_and(|f| f.has(Flags::AGREEMENT) && f.role() == Role::Root);
    assert!(net.sent_by(up, from).iter().any(|(_, m)| agrees(m)));
    let history: Vec<(End, PortState)> = net
        .events
        .iter()
        .filter(|(at, ..)| *at >= from)
        .filter_map(|(_, bridge, event)| match event {
            Event::State { port, to, .. } => Some(((*bridge, *port), *to)),
            _ => None,
        })
        .collect();
    let place = |end: End, state: PortState| history.iter().position(|h| *h == (end, state)).unwrap();
    let proposer = place(net.end(link, b[0]), PortState::Forwarding);
    assert!(place(down, PortState::Discarding) < proposer, "{history:?}");
    assert!(place(up, PortState::Forwarding) < proposer, "{history:?}");
    net.run_for(SECOND * 10);
    net.assert_settled();
}

#[test]
fn who_has_agreed_to_worse_is_not_cut_off_for_better() {
    // The article lets every port be synchronised by discarding. IEEE 802.1D-2004 §17.21.1, §17.27 keep an agreement when
    // what a bridge says becomes better: no port between bridges that speak RSTP discards.
    let (mut net, b, lans) = chain(3);
    net.cut(lans[0]);
    net.run_until(ms(20_000));
    net.restore(lans[0]);
    let from = net.now;
    net.run_for(SECOND);
    net.assert_settled();
    let down = net.end(lans[1], b[1]);
    let moved = |(at, bridge, event): &(Instant, usize, Event)| {
        *at >= from && matches!(event, Event::State { port, .. } if (*bridge, *port) == down)
    };
    assert!(!net.events.iter().any(moved));
}

#[test]
fn alternate_ports_take_over_and_backup_ports_stand_by() {
    // "An alternate port is a port that has an alternative path to the Root Switch but is currently in a discarding
    // state"; "A backup port is a port on a network segment that could be used to reach the root switch, but there is
    // already an active STP Designated Port for the segment"
    let mut net = Net::new(1);
    let [a, b] = [4096, 8192].map(|priority| net.bridge(Protocol::Rstp, priority));
    let first = net.lan(&[a, b]);
    let second = net.lan(&[a, b]);
    let hub = net.lan(&[b, b]);
    net.run_until(ms(60_000));
    net.assert_settled();
    assert_eq!(net.role(net.end(second, b)), PortRole::Alternate);
    let [designated, backup] = [net.lans[hub].ends[0], net.lans[hub].ends[1]];
    assert_eq!((net.role(designated), net.role(backup)), (PortRole::Designated, PortRole::Backup));
    let from = net.now;
    net.cut(first);
    assert_eq!(net.state(net.end(second, b)), PortState::Forwarding, "in the same moment");
    assert_eq!(net.now, from);
}

#[test]
fn a_topology_change_is_a_port_that_goes_forwarding() {
    // "only a link going into forwarding state causes the topology change event", "Links going down do not result in
    // any changes"; and "no TCN BPDUs are ever flooded out of the edge ports": IEEE 802.1D-2004 §17.31
    let (mut net, b, lans) = chain(4);
    let edge = net.lan(&[b[1]]);
    net.configure(net.end(edge, b[1]), |config| config.edge = Edge::Yes);
    net.run_until(ms(60_000));
    let from = net.now;
    net.cut(lans[2]);
    net.run_for(SECOND * 10);
    let changes = |net: &Net, from: Instant| {
        let is_change = |e: &Event| matches!(e, Event::TopologyChange { .. });
        net.events.iter().filter(|(at, _, event)| *at >= from && is_change(event)).count()
    };
    assert_eq!(changes(&net, from), 0);
    let (from, flushes) = (net.now, net.flushes.len());
    net.restore(lans[2]);
    net.run_for(SECOND * 10);
    assert!(changes(&net, from) > 0);
    let by_edge = net.sent_by(net.end(edge, b[1]), from);
    let tells = |m: &Message| flags(m).is_some_and(|f| f.has(Flags::TOPOLOGY_CHANGE));
    assert!(!by_edge.is_empty() && !by_edge.iter().any(|(_, m)| tells(m)));
    assert!(!net.flushes[flushes..].iter().any(|(_, end)| *end == net.end(edge, b[1])));
    // "Flushes all MAC addresses associated with all ports except to the port where the TC BPDU was received"
    let mut of_b1: Vec<End> =
        net.flushes[flushes..].iter().map(|(_, end)| *end).filter(|end| end.0 == b[1]).collect();
    of_b1.dedup();
    assert_eq!(of_b1, [net.end(lans[0], b[1])], "the change came from the other side");
}

#[test]
fn tc_while_lasts_a_hello_and_a_second() {
    // "This marking lasts for TCWhile=2xHelloTime seconds": so in IEEE 802.1w. IEEE 802.1D-2004 §17.21.7 says HelloTime + 1
    // second where the neighbour speaks RSTP: a slip since.
    let (mut net, b, lans) = chain(3);
    net.run_until(ms(60_000));
    net.cut(lans[1]);
    net.run_for(SECOND * 10);
    let from = net.now;
    net.restore(lans[1]);
    net.run_for(SECOND * 10);
    let up = net.sent_by(net.end(lans[0], b[1]), from);
    let tells = |m: &Message| flags(m).is_some_and(|f| f.has(Flags::TOPOLOGY_CHANGE));
    let with_tc: Vec<Instant> = up.iter().filter(|(_, m)| tells(m)).map(|(at, _)| *at).collect();
    assert!(!with_tc.is_empty(), "told toward the root too, by the root port");
    assert!(with_tc.iter().all(|at| at.since(from) <= SECOND * 3), "{with_tc:?}");
    // "Bit 0, 7: TCA & TCN for backward compatibility": bit 0 is TC, and RSTP's own; bit 7 is never set in an RST BPDU
    // (§9.3.3).
    for sent in &net.sent {
        assert!(!flags(&sent.message).is_some_and(|f| f.has(Flags::TOPOLOGY_CHANGE_ACK)));
    }
}

#[test]
fn only_the_port_that_hears_stp_speaks_it() {
    // "Only RSTP port receiving STP (802.1d) messages will behaves as standard STP", "it takes 3 seconds for a port to
    // migrate": IEEE 802.1D-2004 §17.24
    let mut net = Net::new(1);
    let [a, b] = [4096, 8192].map(|priority| net.bridge(Protocol::Rstp, priority));
    let old = net.bridge(Protocol::Stp, 12288);
    let new_link = net.lan(&[a, b]);
    let old_link = net.lan(&[b, old]);
    net.run_until(ms(100_000));
    net.assert_settled();
    let is_config = |(_, m): &(Instant, Message)| matches!(m, Message::Bpdu(Bpdu::Config(_)));
    let to_old = net.sent_by(net.end(old_link, b), ms(4100));
    assert!(to_old.len() > 20 && to_old.iter().all(is_config), "exactly one version after 3 s");
    let to_new = net.sent_by(net.end(new_link, a), ms(0));
    assert!(!to_new.iter().any(is_config));
    // For Migrate Time no other version is listened to: RSTP for the first 3 s, STP from the next hello but one.
    let first = net.sent_by(net.end(old_link, b), ms(0));
    let change = first.iter().find(|sent| is_config(sent)).unwrap().0;
    assert!(change >= ms(3000) && change <= ms(6100), "{change:?}");
    // 2 × Forward Delay toward an old bridge, not milliseconds
    assert!(net.forwards_since(net.end(old_link, b)).unwrap() >= ms(30_000));
    // The old bridge goes, one that speaks RSTP comes: found out only when it says so, or someone asks (mcheck).
    net.cut(old_link);
    net.power(old, false);
    net.bridges[old].config = trunkline_stp::Config {
        priority: 12288,
        ..trunkline_stp::Config::new(Protocol::Rstp, net.bridges[old].config.address)
    };
    net.power(old, true);
    net.restore(old_link);
    net.run_for(SECOND * 10);
    net.assert_settled();
    let last = net.sent_by(net.end(old_link, b), ms(0)).pop().unwrap();
    assert!(!is_config(&last));
}

#[test]
fn mcheck_finds_the_new_neighbour_of_a_hub() {
    // IEEE 802.1D-2004 §17.19.13: on a hub no link goes down when the old bridge is replaced, and both new ones would
    // go on speaking STP to each other.
    let mut net = Net::new(1);
    let a = net.bridge(Protocol::Rstp, 4096);
    let b = net.bridge(Protocol::Rstp, 8192);
    let old = net.bridge(Protocol::Stp, 12288);
    let hub = net.lan(&[a, b, old]);
    net.run_until(ms(100_000));
    net.power(old, false);
    net.run_for(SECOND * 100);
    let (from, by_a) = (net.now, net.end(hub, a));
    let is_config = |(_, m): &(Instant, Message)| matches!(m, Message::Bpdu(Bpdu::Config(_)));
    net.run_for(SECOND * 10);
    assert!(net.sent_by(by_a, from).iter().all(is_config), "still STP");
    net.feed(a, trunkline_stp::Input::Mcheck { port: by_a.1 });
    let from = net.now;
    net.run_for(SECOND * 20);
    let sent = net.sent_by(by_a, from);
    assert!(sent.len() > 5 && !sent.iter().any(is_config));
    net.assert_settled();
}

#[test]
fn duplex_makes_the_link_type() {
    // "An edge port is an integrated Link type which depends on the duplex: Point-to-point for full duplex & shared for
    // half duplex": on a shared LAN nobody agrees, timers decide. IEEE 802.1D-2004 §6.4.3, §17.21.9. From the start that
    // is Max Age and a Hello Time: a port that was disabled has fdWhile at Max Age (§17.29.1).
    let mut net = Net::new(1);
    let [a, b, c] = [4096, 8192, 12288].map(|priority| net.bridge(Protocol::Rstp, priority));
    let hub = net.lan(&[a, b, c]);
    net.run_until(ms(60_000));
    net.assert_settled();
    assert_eq!(net.forwards_since(net.end(hub, a)), Some(ms(22_000)));
}

#[test]
fn guards_hold_ports() {
    let mut net = Net::new(1);
    let [a, b, c] = [4096, 8192, 0].map(|priority| net.bridge(Protocol::Rstp, priority));
    let link = net.lan(&[a, b]);
    let customer = net.lan(&[b, c]);
    net.power(c, false);
    let (at_b, at_customer) = (net.end(link, b), net.end(customer, b));
    net.configure(at_customer, |config| config.root_guard = true);
    net.configure(at_b, |config| config.loop_guard = true);
    net.run_until(ms(10_000));
    net.power(c, true);
    net.run_for(SECOND * 10);
    // Root guard: the customer's better root makes nothing but its own port discard.
    assert_eq!(net.role(at_b), PortRole::Root);
    assert_eq!((net.role(at_customer), net.state(at_customer)), (PortRole::Alternate, PortState::Discarding));
    let held = |net: &Net, end: End, guard: Inconsistency, on: bool| {
        let event = Event::Guard { port: end.1, guard, on };
        net.events.iter().any(|(_, bridge, e)| *bridge == end.0 && *e == event)
    };
    assert!(held(&net, at_customer, Inconsistency::Root, true));
    net.power(c, false);
    net.run_for(SECOND * 10);
    assert!(held(&net, at_customer, Inconsistency::Root, false));
    // Loop guard: BPDUs end, the link stays.
    net.lans[link].loss = 1000;
    net.run_for(SECOND * 60);
    assert!(held(&net, at_b, Inconsistency::Loop, true));
    assert_eq!((net.role(at_b), net.state(at_b)), (PortRole::Designated, PortState::Discarding));
    net.lans[link].loss = 0;
    net.run_for(SECOND * 5);
    assert!(held(&net, at_b, Inconsistency::Loop, false));
    assert_eq!((net.role(at_b), net.state(at_b)), (PortRole::Root, PortState::Forwarding));
}

#[test]
fn bridge_assurance_wants_to_hear_of_every_neighbour() {
    let mut net = Net::new(1);
    let [a, b] = [4096, 8192].map(|priority| net.bridge(Protocol::Rstp, priority));
    let links = [net.lan(&[a, b]), net.lan(&[a, b])];
    for link in links {
        for bridge in [a, b] {
            net.configure(net.end(link, bridge), |config| config.bridge_assurance = true);
        }
    }
    net.run_until(ms(60_000));
    net.assert_settled();
    let guards = |net: &Net| net.events.iter().filter(|(.., e)| matches!(e, Event::Guard { .. })).count();
    assert_eq!(guards(&net), 0, "the blocked port speaks too");
    // A neighbour that lost its mind: link up, no BPDU, and the designated side would go on forwarding.
    net.lans[links[0]].loss = 1000;
    net.run_for(SECOND * 20);
    assert_eq!(net.state(net.end(links[0], a)), PortState::Discarding);
    assert_eq!(net.state(net.end(links[1], b)), PortState::Forwarding);
    net.lans[links[0]].loss = 0;
    net.run_for(SECOND * 20);
    net.assert_settled();
}

#[test]
fn bpdu_guard_shuts_and_filter_is_deaf_and_mute() {
    let mut net = Net::new(1);
    let a = net.bridge_with(trunkline_stp::Config {
        bpdu_guard_recovery: Some(SECOND * 300),
        ..trunkline_stp::Config::new(Protocol::Rstp, trunkline_core::MacAddr([2, 0, 0, 0, 0, 50]))
    });
    let b = net.bridge(Protocol::Rstp, 4096);
    let guarded = net.lan(&[a, b]);
    let at_a = net.end(guarded, a);
    net.cut(guarded);
    net.configure(at_a, |config| (config.edge, config.bpdu_guard) = (Edge::Yes, true));
    net.restore(guarded);
    let from = net.now;
    net.run_for(SECOND * 10);
    assert_eq!(net.state(at_a), PortState::Disabled);
    net.lans[guarded].loss = 1000;
    net.run_until(from + SECOND * 299);
    assert_eq!(net.state(at_a), PortState::Disabled);
    net.run_until(from + SECOND * 301);
    assert_eq!(net.state(at_a), PortState::Forwarding, "after the recovery time, as an edge");
    // Again, and brought back by hand
    net.lans[guarded].loss = 0;
    net.run_for(SECOND * 4);
    assert_eq!(net.state(at_a), PortState::Disabled);
    net.configure(at_a, |config| config.bpdu_filter = true);
    net.feed(a, trunkline_stp::Input::Recover { port: at_a.1 });
    assert_eq!(net.state(at_a), PortState::Forwarding);
    let from = net.now;
    net.run_for(SECOND * 30);
    assert_eq!(net.state(at_a), PortState::Forwarding, "filtered BPDUs trip no guard");
    assert_eq!(net.sent_by(at_a, from), []);
}

#[test]
fn a_port_looped_to_itself_discards() {
    // IEEE 802.1Q-2018 §13.21: whoever hears itself as designated and learning is in a dispute
    let mut net = Net::new(1);
    let a = net.bridge(Protocol::Rstp, 4096);
    let stub = net.lan(&[a]);
    net.run_until(ms(10_000));
    let end = net.end(stub, a);
    assert_eq!(net.state(end), PortState::Forwarding, "an edge, as nobody speaks");
    let looped = net.now;
    for _ in 0..20 {
        let own = net.sent_by(end, ms(0)).pop().unwrap().1;
        let frame = own.frame(trunkline_core::MacAddr([2, 9, 9, 9, 9, 9]));
        net.feed(a, trunkline_stp::Input::Frame { port: end.1, frame: &frame });
        net.run_for(SECOND);
    }
    let forwards = |(at, _, event): &(Instant, usize, Event)| {
        *at > looped && matches!(event, Event::State { to: PortState::Forwarding, .. })
    };
    assert!(!net.events.iter().any(forwards));
    assert_ne!(net.state(end), PortState::Forwarding);
}

#[test]
fn no_more_than_transmit_hold_count_bpdus_at_once() {
    // IEEE 802.1D-2004 §17.13.12: 6, and one more each second
    let (mut net, b, lans) = chain(2);
    net.run_until(ms(10_000));
    let from = net.now;
    for i in 0..100u16 {
        let cost = 1 + u32::from(i % 2);
        net.reconfigure(b[0], |config| config.max_age = 20 + cost as u8);
        net.run_for(Duration::from_millis(10));
    }
    let sent = net.sent_by(net.end(lans[0], b[0]), from);
    assert!((6..=8).contains(&sent.len()), "{}", sent.len());
    net.run_for(SECOND * 20);
    net.assert_settled();
}
