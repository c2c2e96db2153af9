//! The engine with real nodes: hosts and switches.

use super::*;
use std::net::Ipv4Addr;
use trunkline_core::MacAddr;
use trunkline_node::config::{InterfaceConfig, Kind, PortKind};
use trunkline_view::Query;
use trunkline_view::probe::PingQuery;

/// A device with these ports and their addresses; 0: none.
fn device(name: &str, kind: Kind, addresses: &[u8]) -> NodeConfig {
    let mut config = NodeConfig { kind, ..NodeConfig::new(name) };
    for (number, address) in addresses.iter().enumerate() {
        let mut interface = InterfaceConfig::new(&format!("eth{number}"), PortKind::Simulated);
        if *address > 0 {
            interface.address = vec![(Ipv4Addr::new(10, 0, 0, *address), 24)];
        }
        config.interfaces.push(interface);
    }
    config
}

/// Remembers what it hears.
#[derive(Default)]
struct Ear {
    /// Time in µs, link, sender, octets.
    frames: Vec<(u64, String, String, usize)>,
    events: Vec<String>,
    answers: Vec<Answer>,
}

impl Observer for Ear {
    fn event(&mut self, _: Instant, node: &str, event: &EventKind) {
        self.events.push(format!("{node}: {}", crate::words::event(event)));
    }

    fn frame(&mut self, sight: &Sight<'_>) {
        let at = sight.at.as_nanos() / 1000;
        self.frames.push((at, sight.link_name.to_owned(), sight.node.to_owned(), sight.frame.len()));
    }

    fn answer(&mut self, _: Instant, _: &str, _: u64, answer: Answer) {
        self.answers.push(answer);
    }
}

fn millis(millis: u64) -> Instant {
    Instant::from_nanos(millis * 1_000_000)
}

/// Hosts `a` (10.0.0.1), `b` (10.0.0.2) and so on, on a link each to a switch.
fn star(seed: u64, hosts: u8, change: impl Fn(&mut LinkConfig)) -> Lab {
    let mut lab = Lab::new(seed);
    let ports = vec![0; usize::from(hosts)];
    let switch = lab.add_node(device("switch", Kind::Switch, &ports), &mut ()).unwrap();
    for number in 0..hosts {
        let name = char::from(b'a' + number).to_string();
        let host = lab.add_node(device(&name, Kind::Host, &[number + 1]), &mut ()).unwrap();
        let mut config = LinkConfig::new(&name);
        change(&mut config);
        lab.add_link(config, &[(host, "eth0"), (switch, &format!("eth{number}"))], &mut ()).unwrap();
    }
    lab
}

fn ping(lab: &mut Lab, from: &str, to: u8, ear: &mut Ear) {
    let from = lab.node(from).unwrap();
    let query = PingQuery { interval_ms: 10, ..PingQuery::new(Ipv4Addr::new(10, 0, 0, to)) };
    assert!(matches!(lab.query(from, Query::Ping(query), ear), Asked::Later(_)));
}

/// Replies to pings that are finished.
fn received(ear: &Ear) -> Vec<u32> {
    let views = ear.answers.iter();
    views.map(|answer| if let Answer::Ping(view) = answer { view.received } else { 0 }).collect()
}

#[test]
fn a_ping_through_a_switch_takes_the_time_of_its_links() {
    let mut lab = star(1, 2, |link| link.delay = Duration::from_micros(100));
    lab.watch_frames(true);
    lab.run_until(millis(1000), &mut ());
    let mut ear = Ear::default();
    ping(&mut lab, "a", 2, &mut ear);
    lab.run_until(millis(5000), &mut ear);
    let Some(Answer::Ping(view)) = ear.answers.first() else { panic!("{:?}", ear.answers) };
    assert_eq!((view.sent, view.received), (5, 5));
    // Two links there, two back.
    assert_eq!(view.minimum, Some(400e-6));
    let echo: Vec<_> = ear.frames.iter().filter(|frame| frame.3 == 98).take(4).collect();
    let start = echo[0].0;
    let hops: Vec<(u64, &str, &str)> = echo.iter().map(|f| (f.0 - start, &*f.1, &*f.2)).collect();
    assert_eq!(hops, [(0, "a", "a"), (100, "b", "switch"), (200, "b", "b"), (300, "a", "switch")]);
}

fn digest_and_captures(seed: u64, loss: f64) -> (Digest, Vec<Vec<u8>>) {
    let mut lab = star(seed, 3, |link| (link.loss, link.reorder, link.corrupt) = (loss, loss, loss));
    lab.watch(true);
    lab.capture_all();
    let mut ear = Ear::default();
    ping(&mut lab, "a", 2, &mut ear);
    ping(&mut lab, "b", 3, &mut ear);
    lab.run_until(millis(10_000), &mut ear);
    let files = lab.links().map(|(link, _)| link).collect::<Vec<_>>().into_iter().map(|link| {
        let mut file = Vec::new();
        lab.capture(link).unwrap().write(&mut file).unwrap();
        file
    });
    let files = files.collect();
    (lab.digest(), files)
}

#[test]
fn a_seed_gives_the_same_run_every_time() {
    let first = digest_and_captures(1, 0.2);
    assert_eq!(first, digest_and_captures(1, 0.2));
    let other = digest_and_captures(2, 0.2);
    assert_ne!(first.0, other.0);
    assert_ne!(first.1, other.1);
}

#[test]
fn watching_and_capturing_change_nothing() {
    let mut lab = star(1, 3, |link| (link.loss, link.reorder, link.corrupt) = (0.2, 0.2, 0.2));
    let mut ear = Ear::default();
    ping(&mut lab, "a", 2, &mut ear);
    ping(&mut lab, "b", 3, &mut ear);
    lab.run_until(millis(10_000), &mut ear);
    assert_eq!(lab.digest(), digest_and_captures(1, 0.2).0);
}

#[test]
fn watching_changes_nothing_for_bgp() {
    let lab = crate::builtin::find("bgp-messages").unwrap();
    let scenario =
        crate::file::parse(lab.name, lab.text).unwrap_or_else(|e| panic!("{}", e.render(false))).scenario;
    let run = |watch| {
        let mut lab = Lab::new(1);
        lab.watch(watch);
        lab.build(&scenario, &mut ()).unwrap();
        lab.run_until(Instant::from_secs(300), &mut ());
        (lab.digest(), lab.statistics().hops, lab.statistics().events)
    };
    let (alone, watched) = (run(false), run(true));
    assert_eq!((alone.0, alone.1), (watched.0, watched.1));
    assert!(alone.2 > 0 && watched.2 > alone.2);
}

#[test]
fn a_node_that_is_never_done_does_not_stop_the_time() {
    let mut lab = star(1, 1, |_| {});
    let state = &mut lab.nodes[0];
    let now = Instant::from_secs(1);
    let woken: Vec<Instant> = (0..=MAX_WAKES_AT_ONCE).map(|_| state.patient(Instant::ZERO, now)).collect();
    let (last, before) = woken.split_last().unwrap();
    assert!(before.iter().all(|at| *at == now));
    assert_eq!(*last, now + REST);
    assert_eq!(state.patient(now, now + REST), now + REST);
    assert_eq!(state.patient(Instant::from_secs(9), now), Instant::from_secs(9));
}

#[test]
fn one_more_node_changes_no_chance_of_the_others() {
    let run = |hosts| {
        let mut lab = star(1, hosts, |link| link.loss = 0.3);
        let a = lab.node("a").unwrap();
        // One frame after the other, to nobody: what becomes of each is the line's chance alone.
        lab.run_until(millis(5000), &mut ());
        let before = lab.lines[0].line.counters();
        let lost = (0..100).map(|_| {
            lab.send_frame(a, "eth0", Frame::from(vec![2; 60]), &mut ()).unwrap();
            lab.lines[0].line.counters().lost - before.lost
        });
        let lost: Vec<u64> = lost.collect();
        (lab.mac(a, "eth0"), lost)
    };
    let two = run(2);
    assert!(*two.1.last().unwrap() > 10);
    assert_eq!(two, run(3));
}

#[test]
fn a_hub_delivers_to_all_others() {
    let mut lab = Lab::new(1);
    let hosts: Vec<NodeIndex> =
        (1..=4).map(|n| lab.add_node(device(&format!("h{n}"), Kind::Host, &[n]), &mut ()).unwrap()).collect();
    let ends: Vec<(NodeIndex, &str)> = hosts.iter().map(|host| (*host, "eth0")).collect();
    lab.add_link(LinkConfig::new("lan"), &ends, &mut ()).unwrap();
    lab.run_until(millis(5000), &mut ());
    let before = lab.statistics();
    // To a station that is not there: all hear it and nobody answers.
    let mut octets = vec![0; 60];
    octets[..6].copy_from_slice(&[2, 9, 9, 9, 9, 9]);
    lab.send_frame(hosts[0], "eth0", Frame::from(octets), &mut ()).unwrap();
    lab.run_until(millis(5001), &mut ());
    let after = lab.statistics();
    assert_eq!((after.links.sent - before.links.sent, after.hops - before.hops), (1, 3));

    let mut ear = Ear::default();
    ping(&mut lab, "h1", 4, &mut ear);
    lab.run_until(millis(10_000), &mut ear);
    assert_eq!(received(&ear), [5]);
}

#[test]
fn a_cut_loses_what_is_on_its_way_and_a_restored_link_works_again() {
    let mut lab = star(1, 2, |link| link.delay = Duration::from_millis(50));
    lab.watch(true);
    let mut ear = Ear::default();
    let b = lab.link("b").unwrap();
    ping(&mut lab, "a", 2, &mut ear);
    lab.run_until(millis(60), &mut ear);
    assert!(lab.lines.iter().any(|state| state.line.in_flight() > 0));
    lab.cut(b, &mut ear);
    assert!(lab.is_cut(b));
    let first = lab.links[b.index()].first_line as usize;
    assert_eq!(lab.lines[first].line.in_flight() + lab.lines[first + 1].line.in_flight(), 0);
    lab.run_until(millis(10_000), &mut ear);
    assert_eq!(received(&ear), [0]);
    lab.restore(b, &mut ear);
    ping(&mut lab, "a", 2, &mut ear);
    lab.run_until(millis(20_000), &mut ear);
    assert_eq!(received(&ear), [0, 5]);
}

fn interface_is_up(lab: &mut Lab, node: &str) -> bool {
    let node = lab.node(node).unwrap();
    let Asked::Now(Answer::Interfaces(view)) = lab.query(node, Query::Interfaces, &mut ()) else {
        return false;
    };
    view.interfaces.iter().find(|i| i.name == "eth0").unwrap().up
}

#[test]
fn a_crash_loses_all_state_and_the_carrier_of_cables() {
    let mut lab = Lab::new(1);
    let a = lab.add_node(device("a", Kind::Host, &[1]), &mut ()).unwrap();
    let b = lab.add_node(device("b", Kind::Host, &[2]), &mut ()).unwrap();
    lab.add_link(LinkConfig::new("a-b"), &[(a, "eth0"), (b, "eth0")], &mut ()).unwrap();
    let mut ear = Ear::default();
    ping(&mut lab, "b", 1, &mut ear);
    lab.run_until(millis(5000), &mut ear);
    assert_eq!(received(&ear), [5]);
    assert!(interface_is_up(&mut lab, "a"));
    let arp = |lab: &mut Lab| match lab.query(b, Query::Arp { interface: None }, &mut ()) {
        Asked::Now(Answer::Arp(view)) => view.entries.len(),
        _ => usize::MAX,
    };
    assert_eq!(arp(&mut lab), 1);

    lab.crash(b, &mut ear);
    assert!(!lab.is_up(b) && !interface_is_up(&mut lab, "a"));
    assert!(matches!(lab.query(b, Query::Node, &mut ()), Asked::Now(Answer::Error(_))));
    lab.run_until(millis(6000), &mut ear);

    lab.start(b, &mut ear).unwrap();
    assert!(lab.is_up(b) && interface_is_up(&mut lab, "a"));
    assert_eq!(arp(&mut lab), 0);
    ping(&mut lab, "b", 1, &mut ear);
    lab.run_until(millis(10_000), &mut ear);
    assert_eq!(received(&ear), [5, 5]);
}

#[test]
fn a_disabled_port_takes_the_carrier_from_the_other_end_and_a_new_address_is_used() {
    let mut lab = Lab::new(1);
    let a = lab.add_node(device("a", Kind::Host, &[1]), &mut ()).unwrap();
    let b = lab.add_node(device("b", Kind::Host, &[2]), &mut ()).unwrap();
    lab.add_link(LinkConfig::new("a-b"), &[(a, "eth0"), (b, "eth0")], &mut ()).unwrap();
    let mut config = device("b", Kind::Host, &[2]);
    config.interfaces[0].enabled = false;
    lab.reconfigure(b, config, &mut ());
    assert!(!interface_is_up(&mut lab, "a"));
    lab.reconfigure(b, device("b", Kind::Host, &[3]), &mut ());
    assert!(interface_is_up(&mut lab, "a"));
    let mut ear = Ear::default();
    ping(&mut lab, "a", 3, &mut ear);
    lab.run_until(millis(5000), &mut ear);
    assert_eq!(received(&ear), [5]);
}

#[test]
fn a_cable_waits_for_its_port() {
    let mut lab = Lab::new(1);
    let a = lab.add_node(device("a", Kind::Host, &[1]), &mut ()).unwrap();
    let b = lab.add_node(device("b", Kind::Host, &[0, 2]), &mut ()).unwrap();
    lab.add_link(LinkConfig::new("a-b"), &[(a, "eth0"), (b, "eth1")], &mut ()).unwrap();
    let mac = lab.mac(b, "eth1");
    // Without eth1, then with eth1 as the first port.
    lab.reconfigure(b, device("b", Kind::Host, &[0]), &mut ());
    assert_eq!(lab.link_of(b, "eth1"), None);
    let mut config = device("b", Kind::Host, &[0, 2]);
    config.interfaces.remove(0);
    lab.reconfigure(b, config, &mut ());
    assert_eq!(lab.link_of(b, "eth1").map(LinkIndex::index), Some(0));
    assert_eq!(lab.mac(b, "eth1"), mac);
    let mut ear = Ear::default();
    ping(&mut lab, "a", 2, &mut ear);
    lab.run_until(millis(5000), &mut ear);
    assert_eq!(received(&ear), [5]);
}

#[test]
fn what_cannot_be() {
    let mut lab = star(1, 2, |_| {});
    let a = lab.node("a").unwrap();
    assert_eq!(lab.add_node(NodeConfig::new("a"), &mut ()), Err(LabError::NameTaken("a".into())));
    let mut link =
        |name: &str, ends: &[(NodeIndex, &str)]| lab.add_link(LinkConfig::new(name), ends, &mut ());
    assert_eq!(link("a", &[]), Err(LabError::NameTaken("a".into())));
    let taken = Err(LabError::NoSuchInterface("a".into(), "eth0".into()));
    assert_eq!(link("x", &[(a, "eth0")]), taken);
    assert!(lab.node("x").is_err() && lab.link("x").is_err());
}

#[test]
fn mac_addresses_are_those_of_stations_and_all_different() {
    let mut lab = Lab::new(1);
    let mut macs: Vec<MacAddr> = Vec::new();
    for n in 0..500 {
        let node = lab.add_node(device(&format!("n{n}"), Kind::Host, &[0, 0]), &mut ()).unwrap();
        macs.extend(["eth0", "eth1"].map(|name| lab.mac(node, name).unwrap()));
    }
    assert!(macs.iter().all(|mac| mac.is_station() && mac.0[0] == 2));
    macs.sort();
    macs.dedup();
    assert_eq!(macs.len(), 1000);
}

#[test]
fn comments_say_what_a_frame_changed() {
    let mut lab = star(1, 2, |_| {});
    lab.watch(true);
    lab.capture_all();
    let mut ear = Ear::default();
    lab.run_until(millis(1000), &mut ear);
    ping(&mut lab, "a", 2, &mut ear);
    lab.run_until(millis(5000), &mut ear);
    let capture = lab.capture(lab.link("a").unwrap()).unwrap();
    assert!(capture.frames().any(|(_, _, _, comment)| comment.is_some_and(|c| c.starts_with("a: ARP eth0"))));
}

#[test]
fn a_link_can_become_bad_and_good_again() {
    let mut lab = star(1, 2, |_| {});
    let b = lab.link("b").unwrap();
    let mut ear = Ear::default();
    lab.set_link(b, LinkConfig { loss: 1.0, ..LinkConfig::new("another name") }, &mut ());
    assert_eq!(lab.links().nth(b.index()).unwrap().1.name, "b");
    ping(&mut lab, "a", 2, &mut ear);
    lab.run_until(millis(10_000), &mut ear);
    lab.set_link(b, LinkConfig::new("b"), &mut ());
    ping(&mut lab, "a", 2, &mut ear);
    lab.run_until(millis(20_000), &mut ear);
    assert_eq!(received(&ear), [0, 5]);
}

#[test]
fn a_node_that_is_down_starts_with_the_configuration_that_it_was_given_meanwhile() {
    let mut lab = star(1, 2, |_| {});
    let b = lab.node("b").unwrap();
    let mut ear = Ear::default();
    lab.crash(b, &mut ear);
    // The name stays, whatever the configuration says.
    lab.reconfigure(b, device("x", Kind::Host, &[9]), &mut ear);
    assert!(!lab.is_up(b) && lab.node("x").is_err());
    lab.start(b, &mut ear).unwrap();
    ping(&mut lab, "a", 9, &mut ear);
    lab.run_until(millis(10_000), &mut ear);
    assert_eq!(received(&ear), [5]);
    // Each life has chance of its own, and a start of what runs is none.
    let lives = |lab: &Lab| lab.nodes[b.index()].lives;
    assert_eq!(lives(&lab), 2);
    lab.start(b, &mut ear).unwrap();
    assert_eq!(lives(&lab), 2);
}

#[test]
fn ports_that_move_speak_on_their_own_cables() {
    let mut lab = Lab::new(1);
    let mut config = device("r", Kind::Router, &[1, 0]);
    config.interfaces[1].address = vec![(Ipv4Addr::new(10, 0, 1, 1), 24)];
    let router = lab.add_node(config.clone(), &mut ()).unwrap();
    for (name, address) in [("a", 2), ("b", 3)] {
        let host = lab.add_node(device(name, Kind::Host, &[address]), &mut ()).unwrap();
        let interface = if name == "a" { "eth0" } else { "eth1" };
        lab.add_link(LinkConfig::new(name), &[(router, interface), (host, "eth0")], &mut ()).unwrap();
    }
    lab.run_until(millis(1000), &mut ());
    lab.watch_frames(true);
    let mut ear = Ear::default();
    // eth1 takes the place of eth0, and announces its address: on its own cable.
    let gone = config.interfaces.remove(0);
    lab.reconfigure(router, config.clone(), &mut ear);
    lab.run_until(millis(2000), &mut ear);
    // And back.
    config.interfaces.insert(0, gone);
    lab.reconfigure(router, config, &mut ear);
    lab.run_until(millis(2001), &mut ear);
    let by_router = ear.frames.iter().filter(|(_, _, node, _)| node == "r");
    let links: Vec<(u64, &str)> = by_router.map(|(at, link, ..)| (*at / 1_000_000, link.as_str())).collect();
    assert!(links.contains(&(1, "b")) && !links.contains(&(1, "a")), "{links:?}");
    assert!(links.contains(&(2, "a")), "{links:?}");
}
