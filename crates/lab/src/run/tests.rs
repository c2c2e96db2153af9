//! Runs: what is met, what is not, and what is told of it.

use super::*;
use crate::file::parse;
use trunkline_node::config::{RipConfig, RipRedistribute};

const LAB: &str = r#"
title = "two hosts"
until = "20s"
[node.a]
kind = "host"
interface.eth0.address = ["10.0.0.1/24"]
[node.b]
kind = "host"
interface.eth0.address = ["10.0.0.2/24"]
[[link]]
name = "a-b"
ends = ["a.eth0", "b.eth0"]
"#;

/// Runs the two hosts with these steps; the failures as text, and the timeline's kinds.
fn run(steps: &str) -> (Vec<String>, Vec<String>, Outcome) {
    let text = format!("{LAB}{steps}");
    let scenario = parse("lab.toml", &text).unwrap_or_else(|e| panic!("{}", e.render(false))).scenario;
    let mut told = Vec::new();
    let mut hear = |entry: &Entry| {
        let debug = format!("{:?}", entry.told);
        let kind: String = debug.chars().take_while(|c| c.is_alphanumeric()).collect();
        told.push(format!("{} {kind}", entry.at.as_nanos() / 1_000_000_000));
    };
    let mut run = Run::new(scenario, &Options::default(), &mut hear).unwrap();
    let outcome = run.run(&mut hear);
    (outcome.failures.iter().map(ToString::to_string).collect(), told, outcome)
}

const PING: &str = "[[step]]\nat = '1s'\nping = { from = 'a', to = '10.0.0.2', count = 2 }\n";

fn expect(expects: &str) -> String {
    format!("{PING}[[step]]\nat = '10s'\nexpect = [{expects}]\n")
}

#[test]
fn what_is_so() {
    let (failures, _, outcome) = run(&expect(
        "{ node = 'a', show = 'ping', has = { received = 2 } },
         { node = 'a', show = 'arp', where = { ip = '10.0.0.2' }, has = { mac = 'b.eth0' } },
         { node = 'a', show = 'arp', where = { ip = '10.0.0.9' }, count = 0 },
         { node = 'a', show = 'interfaces', where = { name = 'eth0' }, has = { up = true } },
         { node = 'b', show = 'events', where = { event = 'arp' }, count = '>= 1' },
         { node = 'a', show = 'ip', count = 1 },
         { node = 'a', show = 'tcp', count = 0 },
         { node = 'a', show = 'bgp-summary', count = 0 },
         { link = 'a-b', where = { icmp = { kind = 'echo-request' } }, has = { sender = 'a.eth0' }, count = 2 },
         { link = 'a-b', since = '1500ms', where = { icmp = { kind = 'echo-request' } }, count = 1 },
         { link = 'a-b', where = { arp = {} }, has = { eth = { octets = 60 } } }",
    ));
    assert_eq!(failures, Vec::<String>::new());
    assert_eq!((outcome.checked, outcome.at, outcome.passed()), (11, Instant::from_secs(20), true));
}

#[test]
fn what_is_not_so_is_shown_against_what_is() {
    let (failures, _, outcome) = run(&expect(
        "{ node = 'a', show = 'ping', has = { received = 5 } },
         { node = 'a', show = 'arp', where = { ip = '10.0.0.9' }, has = { mac = 'b.eth0' } },
         { node = 'a', show = 'arp', has = { mac = 'a.eth0' } },
         { node = 'a', show = 'bgp-summary', has = { state = 'Established' } },
         { node = 'a', show = 'tcp', has = { state = 'ESTABLISHED' } },
         { link = 'a-b', where = { icmp = { kind = 'echo-request' } }, count = 3 },
         { link = 'a-b', where = { icmp = { kind = 'echo-request' } }, has = { ip = { ttl = 1 } }, count = '1..2' },
         { link = 'a-b', where = { icmp = { kind = 'echo-request' } }, count = '<= 1' }",
    ));
    assert!(!outcome.passed());
    assert_eq!(failures.len(), 8);
    insta::assert_snapshot!(failures.join("\n"));
}

#[test]
fn the_timeline() {
    let (_, told, _) = run(
        "[[step]]\nat = '2s'\ncut = 'a-b'
         [[step]]\nat = '3s'\nrestore = 'a-b'
         [[step]]\nat = '4s'\ncrash = 'b'
         [[step]]\nat = '5s'\nrestart = 'b'
         [[step]]\nat = '6s'\nset.b.interface.eth0.address = ['10.0.0.3/24']
         [[step]]\nat = '7s'\nping = { from = 'a', to = '10.0.0.3', count = 1 }
         [[step]]\nat = '9s'\nnote = 'nothing'
         [[step]]\nat = '10s'
         expect = [{ node = 'a', show = 'ping', has = { received = 1 } }, { node = 'a', show = 'arp', count = 0 }]",
    );
    let told: Vec<&str> = told.iter().map(String::as_str).filter(|t| !t.ends_with("Event")).collect();
    assert_eq!(
        told,
        [
            "2 Step",
            "3 Step",
            "4 Step",
            "5 Step",
            "6 Step",
            "6 Reconfigured",
            "7 Step",
            "7 Answer",
            "9 Step",
            "10 Step",
            "10 Passed",
            "10 Failed"
        ]
    );
}

#[test]
fn an_answer_that_takes_time_is_waited_for() {
    let scenario = parse("lab.toml", LAB).unwrap_or_else(|e| panic!("{}", e.render(false))).scenario;
    let mut run = Run::new(scenario, &Options::default(), &mut |_| {}).unwrap();
    let query = Query::Ping(trunkline_view::probe::PingQuery::new("10.0.0.2".parse().unwrap()));
    let Answer::Ping(view) = run.ask("a", query, &mut |_| {}) else { panic!("no ping") };
    assert_eq!((view.received, run.lab().now() >= Instant::from_secs(4)), (5, true));
    assert!(matches!(run.ask("x", Query::Node, &mut |_| {}), Answer::Error(_)));
    assert!(matches!(run.ask("a", Query::Node, &mut |_| {}), Answer::Node(_)));
}

#[test]
fn rip_is_shown_and_cleared() {
    let text = r#"
        until = "20s"
        [node.r1.interface]
        eth0.address = ["10.0.12.1/24"]
        lan.address = ["10.1.0.1/16"]
        [node.r2.interface]
        eth0.address = ["10.0.12.2/24"]
        lan.address = ["10.2.0.1/16"]
        [[link]]
        ends = ["r1.eth0", "r2.eth0"]
        [[link]]
        ends = ["r1.lan", "r2.lan"]
        [[step]]
        at = "10s"
        expect = [
            { node = "r1", show = "rip", has = { distance = 120, redistribute = ["static"], routes-valid = 3, interfaces = { name = "eth0", running = true } } },
            { node = "r1", show = "rip-neighbors", where = { interface = "eth0" }, has = { address = "10.0.12.2", alive = true, routes = 1 } },
            { node = "r1", show = "rip-routes", where = { prefix = "10.2.0.0/16" }, has = { metric = 2, paths = { next-hop = "10.0.12.2" }, timers = { name = "invalid", left = "> 150" } } },
            { node = "r1", show = "rip-routes", count = 3 },
            { node = "r1", show = "routes", where = { source = "rip" }, has = { prefix = "10.2.0.0/16", selected = true } },
        ]
        [[step]]
        at = "11s"
        clear-rip = { node = "r1", prefix = "10.2.0.0/16" }
        [[step]]
        at = "12s"
        clear-rip = { node = "r1", prefix = "10.3.0.0/16" }
        [[step]]
        at = "13s"
        clear-rip = { node = "r1" }
        [[step]]
        at = "19s"
        expect = [
            { node = "r1", show = "events", since = "11s", where = { event = "rip", prefix = "10.2.0.0/16" }, has = { words = "RIP: 10.2.0.0/16 is deleted: it was cleared" }, count = 2 },
            { node = "r1", show = "rip-routes", where = { prefix = "10.2.0.0/16" }, has = { state = "valid", age = "< 7" } },
        ]
    "#;
    let mut scenario = parse("lab.toml", text).unwrap_or_else(|e| panic!("{}", e.render(false))).scenario;
    for node in &mut scenario.nodes {
        let mut rip = RipConfig::new();
        for name in ["eth0", "lan"] {
            rip.machine.interfaces.insert(name.to_owned(), Default::default());
        }
        let source = trunkline_view::RouteSource::Static;
        rip.redistribute.push(RipRedistribute { source, metric: 1, tag: 0, filter: None });
        node.rip = Some(rip);
    }
    let mut answers = Vec::new();
    let mut hear = |entry: &Entry| {
        if let Told::Answer { answer, .. } = &entry.told {
            answers.push(format!("{answer:?}"));
        }
    };
    let mut run = Run::new(scenario, &Options::default(), &mut hear).unwrap();
    let outcome = run.run(&mut hear);
    assert_eq!(outcome.failures.iter().map(ToString::to_string).collect::<Vec<_>>(), Vec::<String>::new());
    assert_eq!(answers.len(), 3);
    for (answer, words) in answers.iter().zip(["of 10.2.0.0/16 is", "no route to 10.3.0.0/16", "all that"]) {
        assert!(answer.contains(words), "{answer}");
    }
}
