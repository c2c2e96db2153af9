//! Failures in small networks.

use super::probe::{Flow, Gaps, Probes};
use super::*;
use crate::builtin::find;
use crate::file::parse;
use crate::link::LinkConfig;
use crate::scenario::{End, Link, Step};
use std::net::Ipv4Addr;
use trunkline_core::MacAddr;
use trunkline_node::config::{InterfaceConfig, Kind, NodeConfig, PortKind};

mod rings;
mod rip;

/// A device with so many ports, the first with an address where it is a host.
pub(super) fn device(name: &str, kind: Kind, ports: usize, address: u8) -> NodeConfig {
    let mut config = NodeConfig { kind, ..NodeConfig::new(name) };
    for number in 0..ports {
        let mut interface = InterfaceConfig::new(&format!("eth{number}"), PortKind::Simulated);
        if address > 0 && number == 0 {
            interface.address = vec![(Ipv4Addr::new(10, 0, 0, address), 24)];
        }
        config.interfaces.push(interface);
    }
    config
}

/// Links as "a.eth0 b.eth1", with a microsecond of delay; a link is called after its nodes: "a-b".
pub(super) fn scenario(nodes: Vec<NodeConfig>, links: &[&str]) -> Scenario {
    let end = |text: &str| {
        let (node, interface) = text.split_once('.').unwrap();
        End { node: node.to_owned(), interface: interface.to_owned() }
    };
    let link = |text: &&str| {
        let ends: Vec<End> = text.split(' ').map(end).collect();
        let name = ends.iter().map(|end| end.node.as_str()).collect::<Vec<_>>().join("-");
        Link { config: LinkConfig::new(&name), name, ends }
    };
    Scenario {
        title: String::new(),
        until: Instant::from_secs(1),
        seed: 1,
        nodes,
        links: links.iter().map(link).collect(),
        steps: Vec::new(),
    }
}

/// a - s - t - b, with c at s.
fn chain() -> Scenario {
    let hosts = [("a", 1), ("b", 2), ("c", 3)].map(|(name, address)| device(name, Kind::Host, 1, address));
    let switches = ["s", "t"].map(|name| device(name, Kind::Switch, 3, 0));
    let nodes = hosts.into_iter().chain(switches).collect();
    scenario(nodes, &["a.eth0 s.eth0", "b.eth0 t.eth0", "c.eth0 s.eth1", "s.eth2 t.eth1"])
}

pub(super) fn short() -> Options {
    Options { watch: Duration::from_secs(10), ..Options::default() }
}

fn named(scenario: &Scenario, words: &str) -> (Survey, Outcome) {
    let survey = survey(scenario, &short()).unwrap();
    let outcome = run(scenario, &survey, &words.parse().unwrap()).unwrap();
    (survey, outcome)
}

/// "a>b Never" and so on, of those that were not unharmed.
fn hurt(survey: &Survey, outcome: &Outcome) -> Vec<String> {
    let pairs = survey.pairs.iter().zip(&outcome.pairs).filter(|(_, o)| o.state != State::Unharmed);
    let name = |host: usize| survey.hosts[host].as_str();
    pairs.map(|(pair, o)| format!("{}>{} {:?}", name(pair.from), name(pair.to), o.state)).collect()
}

#[test]
fn every_link_and_every_node_that_carries() {
    let scenario = chain();
    let words = |pairs| failures(&scenario, pairs).iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(words(false), ["link a-s", "link b-t", "link c-s", "link s-t", "node s", "node t"]);
    let two = words(true);
    // 15 pairs of 6; not a cable with a node at its end: a-s s, c-s s, s-t s, s-t t, b-t t.
    assert_eq!(two.len(), 10);
    assert!(two.contains(&"link a-s, node t".to_owned()) && two.contains(&"node s, node t".to_owned()));
    for words in two {
        assert_eq!(words.parse::<Failure>().unwrap().to_string(), words);
    }
    for words in ["", "link", "a-s", "link a-s,", "bridge s"] {
        assert_eq!(words.parse::<Failure>(), Err(Trouble::Unreadable(words.to_owned())));
    }
}

#[test]
fn a_cut_in_a_chain_cuts_off_and_nothing_else_suffers() {
    let scenario = chain();
    let (survey, outcome) = named(&scenario, "link s-t");
    assert!(survey.rested && survey.pairs.iter().all(|pair| pair.way == Way::Frames));
    assert_eq!(survey.interval, Duration::from_millis(10));
    assert_eq!(hurt(&survey, &outcome), ["a>b CutOff", "b>a CutOff", "b>c CutOff", "c>b CutOff"]);
    assert!(!outcome.is_bad() && outcome.worst().is_none());
    assert_eq!((outcome.loops, outcome.settled), (Loops::default(), None));
    let (survey, outcome) = named(&scenario, "node t");
    assert_eq!(hurt(&survey, &outcome).len(), 4);
    let (survey, outcome) = named(&scenario, "link c-s, node t");
    assert_eq!(hurt(&survey, &outcome).len(), 6);
    let (survey, outcome) = named(&scenario, "link b-t");
    assert_eq!(hurt(&survey, &outcome).len(), 4);
}

#[test]
fn a_port_that_is_off_is_no_way() {
    let mut scenario = chain();
    scenario.links.push(Link {
        name: "spare".to_owned(),
        config: LinkConfig::new("spare"),
        ends: ["s", "t"].map(|node| End { node: node.to_owned(), interface: "eth3".to_owned() }).into(),
    });
    for node in &mut scenario.nodes[3..] {
        node.interfaces.push(InterfaceConfig::new("eth3", PortKind::Simulated));
    }
    scenario.nodes[3].interfaces[3].enabled = false;
    let (_, outcome) = named(&scenario, "link s-t");
    assert_eq!((outcome.count(State::CutOff), outcome.count(State::Unharmed)), (4, 2));
}

#[test]
fn a_loop_without_spanning_tree_is_a_storm() {
    let mut nodes: Vec<NodeConfig> = ["s", "t"].map(|name| device(name, Kind::Switch, 3, 0)).into();
    nodes.extend([("a", 1), ("b", 2)].map(|(name, address)| device(name, Kind::Host, 1, address)));
    let links = ["s.eth0 a.eth0", "t.eth0 b.eth0", "s.eth1 t.eth1", "s.eth2 t.eth2"];
    let mut scenario = scenario(nodes, &links);
    scenario.links[3].name = "second".to_owned();
    scenario.links[3].config.name = "second".to_owned();
    assert!(matches!(survey(&scenario, &short()), Err(Trouble::Storm(_))));
}

#[test]
fn what_cannot_be_measured_is_said() {
    let mut lonely = chain();
    lonely.nodes.iter_mut().for_each(|node| node.kind = Kind::Switch);
    assert_eq!(survey(&lonely, &short()).unwrap_err(), Trouble::NoHosts);
    let scenario = chain();
    let survey = survey(&scenario, &short()).unwrap();
    let missing = run(&scenario, &survey, &"link x".parse().unwrap()).unwrap_err();
    assert_eq!(missing, Trouble::NoSuch(Fault::Link("x".to_owned())));
    assert_eq!(missing.to_string(), "there is no link x");
}

#[test]
fn through_routers_pairs_are_measured_by_pings() {
    let lab = find("icmp-redirect").unwrap();
    let scenario = parse(lab.name, lab.text).unwrap_or_else(|e| panic!("{}", e.render(false))).scenario;
    let survey = survey(&scenario, &short()).unwrap();
    assert_eq!(survey.steps_left_out, scenario.steps.len());
    assert!(survey.pairs.iter().any(|pair| pair.way == Way::Pings), "{survey:?}");
    for failure in failures(&scenario, false) {
        let outcome = run(&scenario, &survey, &failure).unwrap();
        assert_eq!(outcome.storm, None);
    }
}

#[test]
fn settings_of_time_0_are_kept_and_all_other_steps_left_out() {
    let mut scenario = chain();
    let mut off = scenario.nodes[3].clone();
    off.interfaces[1].enabled = false;
    let set = |at, config: &NodeConfig| Step {
        at,
        line: 1,
        note: None,
        action: Some(Action::Set {
            node: "s".into(),
            config: Box::new(config.clone()),
            change: String::new(),
        }),
    };
    scenario.steps = vec![set(Instant::ZERO, &off), set(Instant::from_secs(1), &chain().nodes[3])];
    let survey = survey(&scenario, &short()).unwrap();
    assert_eq!(survey.steps_left_out, 1);
    // c is at the port that is off.
    let ways: Vec<bool> = survey.pairs.iter().map(|pair| pair.way == Way::Frames).collect();
    assert_eq!(ways, [true, false, true, false, false, false]);
    let outcome = run(&scenario, &survey, &"link a-s".parse().unwrap()).unwrap();
    assert_eq!((outcome.count(State::CutOff), outcome.count(State::NotMeasured)), (2, 4));
}

#[test]
fn a_seed_gives_the_same_each_time_and_another_another_moment() {
    let mut scenario = chain();
    scenario.links[3].config.loss = 0.2;
    let outcome = |seed| {
        let survey = survey(&scenario, &Options { seed: Some(seed), ..short() }).unwrap();
        (survey.failure, run(&scenario, &survey, &"link c-s".parse().unwrap()).unwrap())
    };
    let one = outcome(1);
    assert_eq!(one, outcome(1));
    assert!(one.1.count(State::Interrupted) > 0);
    let other = outcome(2);
    assert!(one.0 != other.0 && one.1 != other.1);
}

#[test]
fn a_replay_captures_the_same_frames_as_the_run_sends() {
    let scenario = chain();
    let survey = survey(&scenario, &short()).unwrap();
    let failure = "node t".parse().unwrap();
    let lab = replay(&scenario, &survey, &failure, &mut ()).unwrap();
    let capture = lab.capture(lab.link("s-t").unwrap()).unwrap();
    let probes = |from: Instant, to: Instant| {
        capture.frames().filter(|f| (from..to).contains(&f.0) && probe::number(f.2).is_some()).count()
    };
    // Each 10 ms a to b, b to a, b to c, c to b, and the broadcasts of all three.
    assert_eq!(probes(survey.rest, survey.rest + Duration::from_secs(1)), 700);
    assert_eq!(probes(survey.failure + Duration::from_millis(1), survey.end), 0);
}

#[test]
fn outages_are_counted_in_lost_probes() {
    let second = Instant::from_secs;
    let tell = |arrived: &[u32]| {
        let mut gaps = Gaps::default();
        for (at, arrived) in (0..).zip(arrived) {
            gaps.tell(second(at), second(3), *arrived);
        }
        (gaps.duplicates, gaps.at_end())
    };
    // Before the failure, over it, after it, at the end: longest, all, at the end.
    assert_eq!(tell(&[1, 0, 1, 1, 1, 1]), (0, (0, 0, 0)));
    assert_eq!(tell(&[1, 1, 0, 0, 1, 2]), (1, (2, 2, 0)));
    assert_eq!(tell(&[1, 1, 1, 0, 0, 1, 0, 1]), (0, (2, 3, 0)));
    assert_eq!(tell(&[1, 1, 1, 1, 0, 0, 0]), (0, (3, 3, 3)));
}

#[test]
fn a_probe_that_comes_round_has_looped_once_and_may_cross_often() {
    let flows = vec![Flow { from: 0, to: Some(1) }, Flow { from: 1, to: None }];
    let start = Instant::from_secs(1);
    let mut probes = Probes::new(flows, start, start, Duration::from_millis(10));
    for number in 0..4 {
        let (next, flow, at) = probes.next().unwrap();
        assert_eq!((next, flow.from), (number, number as usize % 2));
        assert_eq!(at, start + Duration::from_millis(5 * number));
        probes.send();
    }
    for (number, line, arrives) in [(0, 1, false), (0, 2, true), (1, 1, false), (1, 1, false), (1, 1, false)]
    {
        probes.saw(number, line, arrives);
    }
    probes.saw(2, 7, false);
    probes.saw(2, 7, false);
    // Not sent.
    probes.saw(99, 1, true);
    assert_eq!((probes.looped, probes.crossings), (2, 3));
    probes.finish();
    assert_eq!(probes.gaps[0].clone().at_end(), (1, 1, 1));
}

#[test]
fn a_probe_is_known_by_its_octets_alone() {
    let frame = probe::frame(258, MacAddr([2, 0, 0, 0, 0, 1]), MacAddr([2, 0, 0, 0, 0, 2]));
    assert_eq!((frame.len(), probe::number(&frame)), (60, Some(258)));
    for len in 0..30 {
        assert_eq!(probe::number(&frame[..len]), None);
    }
    let mut other = frame.to_vec();
    other[14] ^= 1;
    assert_eq!(probe::number(&other), None);
}

#[test]
fn the_worst_comes_first() {
    let pair = |state, millis| PairOutcome {
        state,
        longest: Duration::from_millis(millis),
        total: Duration::from_millis(millis),
        duplicates: 0,
    };
    let outcome = |pairs: Vec<PairOutcome>, crossings, storm| Outcome {
        failure: "link x".parse().unwrap(),
        storm,
        pairs,
        loops: Loops { frames: crossings, crossings },
        settled: None,
        counting: Vec::new(),
    };
    let order = [
        outcome(vec![pair(State::Unharmed, 0)], 0, Some(Duration::ZERO)),
        outcome(vec![pair(State::Interrupted, 90), pair(State::Never, 40)], 0, None),
        outcome(vec![pair(State::Interrupted, 50), pair(State::Interrupted, 50)], 0, None),
        outcome(vec![pair(State::Interrupted, 50)], 0, None),
        outcome(vec![pair(State::Interrupted, 40), pair(State::Interrupted, 40)], 9, None),
        outcome(vec![pair(State::Unharmed, 0)], 1, None),
        outcome(vec![pair(State::CutOff, 10_000)], 0, None),
    ];
    assert!(order.windows(2).all(|two| two[0].badness() > two[1].badness()));
    assert_eq!(order[1].worst(), Some((1, &pair(State::Never, 40))));
    assert_eq!(order[2].worst().map(|(place, _)| place), Some(0));
    assert_eq!(order[6].worst(), None);
}
