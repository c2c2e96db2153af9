//! `explain route`: each verdict with its reason, both ways.

use crate::rig::*;
use std::sync::Arc;
use trunkline_bgp::Input;
use trunkline_bgp::policy::*;
use trunkline_view::explain::{BgpExplanation, RouteQuery};
use trunkline_wire::bgp::*;

/// From R1 all with LOCAL_PREF 200 but 10.9.0.0/16, to R3 nothing under 10.1.0.0/16.
fn rig() -> Rig {
    let rule = |prefix: &str, verdict, actions: Vec<Action>| Rule {
        prefixes: vec![PrefixMatch { prefix: p(prefix), ge: p(prefix).len(), le: 32 }],
        verdict,
        actions,
    };
    let list = |name: &str, rules| Policy::List(Arc::new(PrefixList { name: name.into(), rules }));
    let mut config = with([
        neighbor("192.0.2.2", 65001),
        neighbor("192.0.2.3", 65002),
        neighbor("192.0.2.4", 65003),
        neighbor("192.0.2.5", 65004),
    ]);
    let import = list(
        "in",
        vec![
            rule("10.9.0.0/16", Verdict::Reject, vec![]),
            rule("0.0.0.0/0", Verdict::Accept, vec![Action::SetLocalPref(200)]),
        ],
    );
    let export = list("out", vec![rule("10.1.0.0/16", Verdict::Reject, vec![])]);
    Arc::make_mut(&mut config.neighbors[0]).import = import;
    Arc::make_mut(&mut config.neighbors[2]).export = export;
    Arc::make_mut(&mut config.neighbors[3]).enabled = false;
    let mut rig = Rig::new(config);
    for (last, asn) in [(2, 65001), (3, 65002), (4, 65003)] {
        let peer = rig.peer(a(&format!("192.0.2.{last}")), asn);
        rig.connect(peer);
    }
    rig
}

fn explain(rig: &Rig, prefix: &str) -> BgpExplanation {
    let query = RouteQuery { prefix: p(prefix), from: None, to: None };
    rig.bgp.explain_route(rig.now, p(prefix), &query)
}

/// Who, the verdict, why, by which rule.
fn received(view: &BgpExplanation) -> Vec<String> {
    let line = |one: &trunkline_view::explain::Received| {
        let who = one.neighbor.map_or("here".to_owned(), |address| address.to_string());
        let words = |text: &Option<String>| text.clone().unwrap_or_default();
        format!("{who} | {} | {} | {}", one.verdict, words(&one.reason), words(&one.import))
    };
    view.received.iter().map(line).collect()
}

fn sent(view: &BgpExplanation) -> Vec<String> {
    view.sent.iter().map(|one| format!("{} | {} | {}", one.neighbor, one.sent, one.reason)).collect()
}

#[test]
fn each_path_with_its_verdict_and_the_step_that_decided() {
    let mut rig = rig();
    rig.send(0, &update(&attrs(&[65001, 7], "192.0.2.2"), &["10.1.0.0/16"]));
    rig.send(1, &update(&attrs(&[65002], "192.0.2.3"), &["10.1.0.0/16"]));
    let view = explain(&rig, "10.1.0.0/16");
    assert_eq!(
        received(&view),
        [
            "192.0.2.2 | best |  | accepted by rule 2 of policy \"in\": LOCAL_PREF 200",
            "192.0.2.3 | not best | lower LOCAL_PREF (RFC 4271 §9.1.1) | accepted: the policy is \"accept\"",
            "192.0.2.4 | not received | it has not sent it, or has withdrawn it; it has not said either that it has \
             sent all | ",
            "192.0.2.5 | not received | the session is not up: disabled in the configuration | ",
        ]
    );
    assert_eq!(
        sent(&view),
        [
            "192.0.2.2 | false | the best path came from it",
            "192.0.2.3 | true | accepted: the policy is \"accept\"",
            "192.0.2.4 | false | rejected by rule 1 of policy \"out\"",
            "192.0.2.5 | false | the session is not up: disabled in the configuration",
        ]
    );
    let best = &view.received[0];
    assert_eq!(best.changes.len(), 1);
    assert_eq!((best.changes[0].received.as_str(), best.changes[0].used.as_str()), ("none", "200"));
    // Both sides of one comparison, which ends with the step that decided.
    assert_eq!(best.steps, view.received[1].steps);
    let decisive = best.steps.last().unwrap();
    assert!(decisive.decides && best.steps.iter().filter(|step| step.decides).count() == 1);
    assert_eq!((decisive.better.as_str(), decisive.other.as_str()), ("200", "100"));
    let path = view.sent[1].path.as_ref().unwrap();
    assert_eq!((path.as_path.as_str(), path.local_pref), ("65000 65001 7", None));
}

#[test]
fn what_is_not_eligible_and_what_is_not_there() {
    let mut rig = rig();
    rig.send(0, &update(&attrs(&[65001], "192.0.2.2"), &["10.9.0.0/16"]));
    rig.send(1, &update(&attrs(&[65002, 65000], "192.0.2.3"), &["10.9.0.0/16"]));
    let view = explain(&rig, "10.9.0.0/16");
    let lines = received(&view);
    assert_eq!(
        lines[0],
        "192.0.2.2 | not eligible | rejected by import policy | rejected by rule 1 of policy \"in\""
    );
    assert_eq!(lines[1], "192.0.2.3 | not eligible | our AS stands in AS_PATH: a loop (RFC 4271 §9.1.2) | ");
    assert!(view.sent.iter().all(|one| !one.sent));
    assert_eq!(view.sent[0].reason, "there is no best path");

    let view = explain(&rig, "172.16.0.0/12");
    assert!(view.received.iter().all(|one| one.verdict == "not received" && one.path.is_none()));
    // Only one neighbour, where only that is asked.
    let (from, to) = (Some(a("192.0.2.3")), Some(a("192.0.2.4")));
    let query = RouteQuery { prefix: p("10.9.0.0/16"), from, to };
    let view = rig.bgp.explain_route(rig.now, p("10.9.0.0/16"), &query);
    assert_eq!((view.received.len(), view.sent.len()), (1, 1));
    assert!(
        rig.bgp.unknown_neighbor(a("192.0.2.99")).is_some()
            && rig.bgp.unknown_neighbor(a("192.0.2.3")).is_none()
    );
}

#[test]
fn a_network_of_our_own() {
    let mut config = with([neighbor("192.0.2.2", 65001)]);
    config.networks = vec![p("10.1.0.0/16")];
    let mut rig = Rig::up(config);
    rig.feed(Input::Network { prefix: p("10.1.0.0/16"), present: true });
    rig.settle();
    let no_export = Attributes { communities: vec![Community::NO_EXPORT], ..attrs(&[65001], "192.0.2.2") };
    rig.send(0, &update(&no_export, &["10.1.0.0/16"]));
    let view = explain(&rig, "10.1.0.0/16");
    assert_eq!(received(&view)[0], "here | best |  | ");
    assert!(received(&view)[1].starts_with("192.0.2.2 | not best | the best path originates here"));
    assert_eq!(rig.bgp.found(p("10.1.2.3/32")), Some(p("10.1.0.0/16")));
    assert_eq!(rig.bgp.found(p("10.2.2.3/32")), None);
}

#[test]
fn when_it_was_sent() {
    let mut rig = rig();
    let when = |rig: &Rig, prefix: &str| {
        let sent = &explain(rig, prefix).sent[1];
        (sent.sent, sent.waiting, sent.age, sent.at_least)
    };
    // The session came up in this second, so what it holds it may have had from the first exchange on.
    rig.send(0, &update(&attrs(&[65001], "192.0.2.2"), &["10.2.0.0/16"]));
    assert_eq!(when(&rig, "10.2.0.0/16"), (true, false, Some(0.0), false));
    rig.pass(20);
    rig.send(0, &update(&attrs(&[65001], "192.0.2.2"), &["10.3.0.0/16"]));
    rig.pass(10);
    assert_eq!(when(&rig, "10.2.0.0/16"), (true, false, Some(30.0), false));
    assert_eq!(when(&rig, "10.3.0.0/16"), (true, false, Some(10.0), false));
    // A neighbour that does not read.
    rig.peers[1].stuck = true;
    rig.send(0, &update(&attrs(&[65001, 9], "192.0.2.2"), &["10.3.0.0/16"]));
    assert_eq!(when(&rig, "10.3.0.0/16"), (true, true, None, false));
    rig.pass(5);
    rig.unstick(1);
    assert_eq!(when(&rig, "10.3.0.0/16"), (true, false, Some(0.0), true));
    // Everything anew: the path came long before it was told again.
    rig.send(1, &refresh(Family::IPV4_UNICAST, RouteRefreshSubtype::Request));
    rig.pass(7);
    assert_eq!(when(&rig, "10.2.0.0/16"), (true, false, Some(7.0), true));
}
