//! Neighbours and configurations come, change and go.

use crate::rig::*;
use std::sync::Arc;
use trunkline_bgp::config::{Config, ListenRange, MaximumPrefixes, Redistribute, Reject};
use trunkline_bgp::policy::*;
use trunkline_bgp::transport::TcpEvent;
use trunkline_bgp::{Input, Redistributed};
use trunkline_core::{Asn, ConnId, Duration};
use trunkline_view::{Answer, Query, RouteSource};
use trunkline_wire::bgp::*;

fn base() -> Config {
    with([neighbor("192.0.2.2", 65001), neighbor("192.0.2.3", 65002)])
}

/// Rejects one prefix, changes the rest.
fn list(rejected: &str, actions: Vec<Action>) -> Policy {
    let one = PrefixMatch { prefix: p(rejected), ge: p(rejected).len(), le: p(rejected).len() };
    let rules = vec![
        Rule { prefixes: vec![one], verdict: Verdict::Reject, actions: Vec::new() },
        Rule { prefixes: Vec::new(), verdict: Verdict::Accept, actions },
    ];
    Policy::List(Arc::new(PrefixList { name: "x".into(), rules }))
}

fn change(rig: &mut Rig, config: &Config) -> trunkline_bgp::Reconfigured {
    let done = rig.bgp.reconfigure(rig.now, config.clone(), &mut rig.out);
    rig.settle();
    done
}

fn edit(config: &mut Config, at: usize, edit: impl FnOnce(&mut trunkline_bgp::config::NeighborConfig)) {
    edit(Arc::make_mut(&mut config.neighbors[at]));
}

const THREE: [&str; 3] = ["10.1.0.0/16", "10.2.0.0/16", "10.3.0.0/16"];

#[test]
fn import_policy_changes_in_place() {
    let mut config = base();
    let mut rig = Rig::up(config.clone());
    rig.send(0, &update(&attrs(&[65001], "192.0.2.2"), &THREE));
    assert_eq!(rig.peers[1].prefixes(), THREE);
    edit(&mut config, 0, |n| {
        n.import = list("10.2.0.0/16", vec![Action::SetMed(7), Action::AddCommunity(Community(9))])
    });
    let done = change(&mut rig, &config);
    assert_eq!((done.reset.len(), done.changes.len()), (0, 1));
    assert_eq!(rig.peers[1].prefixes(), [THREE[0], THREE[2]]);
    assert_eq!(rig.peers[1].table[&p(THREE[0])].0.communities, [Community(9)]);
    assert_eq!(rig.routes[&p(THREE[0])].metric, 7);
    let view = rig.view(0);
    assert_eq!((view.summary.prefixes_received, view.summary.prefixes_accepted), (3, 2));
    assert_eq!(rig.paths(THREE[1])[0].reason.as_deref(), Some("rejected by import policy"));
    edit(&mut config, 0, |n| n.import = Policy::Reject);
    change(&mut rig, &config);
    assert!(rig.peers[1].table.is_empty() && rig.routes.is_empty());
    assert_eq!(rig.view(0).summary.prefixes_accepted, 0);
    edit(&mut config, 0, |n| n.import = Policy::Accept);
    change(&mut rig, &config);
    assert_eq!(rig.peers[1].prefixes(), THREE);
    assert_eq!(rig.view(0).summary.prefixes_accepted, 3);
    rig.check_advertised(1);
}

#[test]
fn export_policy_changes_in_place() {
    let mut config = base();
    let mut rig = Rig::up(config.clone());
    rig.send(0, &update(&attrs(&[65001], "192.0.2.2"), &THREE));
    edit(&mut config, 1, |n| {
        n.export = list("10.2.0.0/16", vec![Action::Prepend(US, 2), Action::SetLocalPref(5)])
    });
    change(&mut rig, &config);
    assert_eq!(rig.peers[1].prefixes(), [THREE[0], THREE[2]]);
    let (attributes, _) = &rig.peers[1].table[&p(THREE[0])];
    assert_eq!(attributes.as_path.as_ref().unwrap().to_string(), "65000 65000 65000 65001");
    assert_eq!(attributes.local_pref, None, "RFC 4271 §5.1.5: not to an external peer");
    assert_eq!(rig.peers[1].withdrawn, [p(THREE[1])]);
    rig.check_advertised(1);
    edit(&mut config, 1, |n| n.export = Policy::Reject);
    change(&mut rig, &config);
    assert!(rig.peers[1].table.is_empty());
    rig.send(0, &update(&attrs(&[65001, 5], "192.0.2.2"), &["10.9.0.0/16"]));
    edit(&mut config, 1, |n| n.export = Policy::Accept);
    change(&mut rig, &config);
    assert_eq!(rig.peers[1].table.len(), 4);
    assert_eq!((rig.peers[1].wasteful, rig.peers[1].ends_of_rib.len()), (0, 2));
    rig.check_advertised(1);
}

#[test]
fn a_policy_change_before_end_of_rib_does_not_swallow_it() {
    let mut config = base();
    let mut rig = Rig::new(config.clone());
    let first = rig.peer(a("192.0.2.2"), 65001);
    rig.connect(first);
    rig.send(first, &update(&attrs(&[65001], "192.0.2.2"), &THREE));
    let peer = rig.peer(a("192.0.2.3"), 65002);
    rig.connect(peer);
    rig.cut(peer);
    // It comes again, and reads nothing from the moment that its session is up.
    rig.again(peer);
    let conn = rig.peers[peer].conn.unwrap();
    rig.peers[peer].stuck = true;
    rig.send(peer, &refresh(Family::IPV4_UNICAST, RouteRefreshSubtype::Request));
    edit(&mut config, 1, |n| n.export = list("10.2.0.0/16", vec![Action::Prepend(US, 1)]));
    change(&mut rig, &config);
    assert_eq!(rig.peers[peer].conn, Some(conn));
    rig.unstick(peer);
    let marks: Vec<_> = rig.peers[peer].refreshes.iter().map(|r| r.subtype).collect();
    assert_eq!(marks, [RouteRefreshSubtype::BoRR, RouteRefreshSubtype::EoRR]);
    assert_eq!(rig.peers[peer].prefixes(), [THREE[0], THREE[2]]);
    assert_eq!(rig.peers[peer].ends_of_rib.len(), 2);
}

#[test]
fn neighbors_are_added_and_removed() {
    let mut config = base();
    let mut rig = Rig::up(config.clone());
    rig.send(0, &update(&attrs(&[65001], "192.0.2.2"), &THREE));
    config.neighbors.push(Arc::new(neighbor("192.0.2.4", 65003)));
    let done = change(&mut rig, &config);
    assert_eq!(done.changes, ["neighbor 192.0.2.4 added"]);
    let third = rig.peer(a("192.0.2.4"), 65003);
    rig.connect(third);
    assert_eq!(rig.peers[third].prefixes(), THREE);
    config.neighbors.remove(0);
    let done = change(&mut rig, &config);
    assert_eq!(done.changes, ["neighbor 192.0.2.2 removed"]);
    assert_eq!(rig.peers[0].notifications, [Notification::new(ErrorCode::PEER_DECONFIGURED)]);
    assert!(rig.peers[1].table.is_empty() && rig.peers[third].table.is_empty() && rig.tracked.is_empty());
    // It connects still, and is nobody.
    let conn = rig.connect(0);
    assert!(rig.peers[0].conn.is_none() && !rig.strangers.contains_key(&conn));
    // Others take its place, again and again.
    for round in 0..3 {
        config.neighbors.insert(0, Arc::new(neighbor("192.0.2.2", 65001)));
        change(&mut rig, &config);
        rig.connect(0);
        rig.send(0, &update(&attrs(&[65001, round + 1], "192.0.2.2"), &THREE));
        assert_eq!(rig.peers[1].prefixes(), THREE);
        config.neighbors.remove(0);
        change(&mut rig, &config);
        assert!(rig.peers[1].table.is_empty(), "{round}");
    }
    assert_eq!((rig.peers[1].wasteful, rig.peers[third].wasteful), (0, 0));
}

#[test]
fn a_removed_neighbor_of_an_empty_table_leaves_its_place() {
    let mut config = base();
    let mut rig = Rig::up(config.clone());
    for _ in 0..3 {
        let gone = config.neighbors.remove(1);
        change(&mut rig, &config);
        assert!(rig.bgp.poll_timeout().is_none_or(|at| at > rig.now), "no work is left over");
        config.neighbors.push(gone);
        change(&mut rig, &config);
        rig.connect(1);
        assert!(rig.peers[1].established);
    }
    // A sweep of an empty table is over: what comes later is not swept by the next walk.
    rig.send(0, &update(&attrs(&[65001], "192.0.2.2"), &THREE));
    assert_eq!(rig.peers[1].prefixes(), THREE);
}

#[test]
fn another_identity_starts_over() {
    let mut config = base();
    config.networks = vec![p("10.9.0.0/16")];
    let mut rig = Rig::up(config.clone());
    rig.feed(Input::Network { prefix: p("10.9.0.0/16"), present: true });
    rig.settle();
    rig.send(0, &update(&attrs(&[65001], "192.0.2.2"), &THREE));
    assert_eq!((rig.routes.len(), rig.tracked.len(), rig.peers[1].table.len()), (3, 1, 4));
    config.asn = Asn(64999);
    let done = change(&mut rig, &config);
    assert_eq!(done.reset.len(), 2);
    assert!(rig.routes.is_empty() && rig.tracked.is_empty() && rig.peers.iter().all(|p| p.conn.is_none()));
    rig.pass(3);
    for peer in 0..2 {
        rig.connect(peer);
    }
    rig.send(0, &update(&attrs(&[65001], "192.0.2.2"), &THREE));
    assert_eq!((rig.routes.len(), rig.peers[1].table.len()), (3, 4));
    let path = rig.peers[1].table[&p("10.9.0.0/16")].0.as_path.clone().unwrap();
    assert_eq!(path.to_string(), "64999");
}

fn range(limit: u32) -> Config {
    let template = Arc::new(neighbor("0.0.0.0", 65001));
    let ranges = vec![ListenRange { prefix: p("192.0.2.128/25"), limit, template }];
    Config { listen_ranges: ranges, ..with([neighbor("192.0.2.3", 65002)]) }
}

#[test]
fn dynamic_neighbors_come_and_go() {
    let mut rig = Rig::up(range(2));
    let ids: Vec<_> = (0..3).map(|n| rig.peer(a(&format!("192.0.2.{}", 130 + n)), 65001)).collect();
    for id in &ids {
        rig.connect(*id);
    }
    assert_eq!([1, 2, 3].map(|n| rig.peers[n].established), [true, true, false], "no more than two");
    assert!(rig.notices.iter().any(|n| n.contains("limit")));
    rig.send(1, &update(&attrs(&[65001], "192.0.2.130"), &THREE));
    assert_eq!(rig.peers[0].prefixes(), THREE);
    rig.cut(1);
    assert!(rig.peers[0].table.is_empty());
    let count = |rig: &mut Rig| match rig.ask(Query::BgpSummary) {
        Answer::BgpSummary(view) => view.neighbors.len(),
        other => panic!("{other:?}"),
    };
    assert_eq!(count(&mut rig), 2, "the one that went is forgotten");
    rig.connect(3);
    assert!(rig.peers[3].established);
    [2, 3].into_iter().for_each(|id| rig.cut(id));
    assert_eq!(count(&mut rig), 1);
    // The range goes, and takes its neighbours along.
    rig.connect(1);
    change(&mut rig, &with([neighbor("192.0.2.3", 65002)]));
    assert!(rig.peers[1].conn.is_none() && count(&mut rig) == 1);
}

#[test]
fn connections_that_never_come_up_do_not_fill_a_range() {
    let mut rig = Rig::up(range(2));
    // Of another AS than the range takes; and ones that say nothing and close.
    for n in 0..10 {
        let id = rig.peer(a(&format!("192.0.2.{}", 130 + n)), 64000);
        rig.connect(id);
        assert_eq!(rig.peers[id].notifications.len(), 1, "2/2");
    }
    for n in 0..10 {
        let conn = ConnId::incoming(1000 + n);
        let (local, remote) =
            ("192.0.2.1:179".parse().unwrap(), format!("192.0.2.{}:99", 150 + n).parse().unwrap());
        rig.feed(Input::Tcp { conn, event: TcpEvent::Incoming { local, remote } });
        rig.settle();
        let error = trunkline_bgp::transport::TcpError::EndOfStream;
        rig.feed(Input::Tcp { conn, event: TcpEvent::Closed(error) });
        rig.settle();
    }
    let good = rig.peer(a("192.0.2.200"), 65001);
    rig.connect(good);
    assert!(rig.peers[good].established, "{:?}", rig.notices.last());
}

#[test]
fn strangers_are_rejected() {
    for (reject, words) in [(Reject::Close, None), (Reject::Notify, Some(ErrorCode::CONNECTION_REJECTED))] {
        let mut rig = Rig::new(Config { reject, ..base() });
        let stranger = rig.peer(a("192.0.2.99"), 65099);
        rig.connect(stranger);
        assert!(rig.peers[stranger].conn.is_none());
        let said: Vec<_> = rig.peers[stranger].notifications.iter().map(Notification::error).collect();
        assert_eq!(said, Vec::from_iter(words));
        assert_eq!(rig.notices.len(), 1);
    }
}

#[test]
fn networks_come_and_go() {
    let mut config = Config { networks: vec![p("10.1.0.0/16"), p("2001:db8:5::/48")], ..base() };
    let mut rig = Rig::up(config.clone());
    let tell = |rig: &mut Rig, prefix: &str, present| {
        rig.feed(Input::Network { prefix: p(prefix), present });
        rig.settle();
    };
    tell(&mut rig, "10.1.0.0/16", true);
    tell(&mut rig, "2001:db8:5::/48", true);
    tell(&mut rig, "10.2.0.0/16", true);
    assert_eq!(rig.peers[0].prefixes(), ["10.1.0.0/16", "2001:db8:5::/48"]);
    assert!(rig.routes.is_empty());
    // A better one than what a peer says of the same.
    rig.send(1, &update(&attrs(&[65002], "192.0.2.3"), &["10.1.0.0/16"]));
    assert!(rig.routes.is_empty());
    assert_eq!(rig.peers[0].table[&p("10.1.0.0/16")].0.as_path.as_ref().unwrap().to_string(), "65000");
    tell(&mut rig, "10.1.0.0/16", false);
    assert_eq!(rig.peers[0].table[&p("10.1.0.0/16")].0.as_path.as_ref().unwrap().to_string(), "65000 65002");
    assert!(rig.routes.len() == 1 && !rig.peers[1].has("10.1.0.0/16"));
    tell(&mut rig, "10.1.0.0/16", true);
    assert!(rig.routes.is_empty() && rig.peers[1].has("10.1.0.0/16"));
    config.networks = vec![p("10.2.0.0/16")];
    change(&mut rig, &config);
    assert_eq!(rig.peers[1].prefixes(), ["10.2.0.0/16"]);
    assert_eq!(rig.peers[0].prefixes(), ["10.1.0.0/16", "10.2.0.0/16"]);
    (0..2).for_each(|peer| rig.check_advertised(peer));
}

#[test]
fn routes_of_other_protocols_are_announced_as_incomplete() {
    let rule = |prefix: &str, verdict, actions: Vec<Action>| Rule {
        prefixes: vec![PrefixMatch { prefix: p(prefix), ge: p(prefix).len(), le: 32 }],
        verdict,
        actions,
    };
    let rules = vec![
        rule("10.2.0.0/16", Verdict::Reject, vec![]),
        rule("10.0.0.0/8", Verdict::Accept, vec![Action::AddCommunity(Community(7))]),
    ];
    let list = Policy::List(Arc::new(PrefixList { name: "mine".into(), rules }));
    let redistribute = |source, med, policy| Redistribute { source, med, policy };
    let rip = redistribute(RouteSource::Rip, None, list);
    let fixed = redistribute(RouteSource::Static, Some(50), Policy::Accept);
    let mut config =
        Config { networks: vec![p("10.4.0.0/16")], redistribute: vec![rip, fixed.clone()], ..base() };
    let mut rig = Rig::up(config.clone());
    let tell = |rig: &mut Rig, prefix: &str, route: Option<(RouteSource, u32)>| {
        let route = route.map(|(source, metric)| Redistributed { source, metric });
        rig.feed(Input::Redistribute { prefix: p(prefix), route });
        rig.settle();
    };
    let said = |rig: &Rig, prefix: &str| {
        let a = &rig.peers[0].table.get(&p(prefix))?.0;
        Some((a.origin.unwrap(), a.med, a.communities.len()))
    };
    tell(&mut rig, "10.1.0.0/16", Some((RouteSource::Rip, 3)));
    tell(&mut rig, "10.2.0.0/16", Some((RouteSource::Rip, 3)));
    tell(&mut rig, "10.3.0.0/16", Some((RouteSource::Static, 0)));
    tell(&mut rig, "10.4.0.0/16", Some((RouteSource::Static, 0)));
    tell(&mut rig, "10.5.0.0/16", Some((RouteSource::Kernel, 0)));
    // RFC 4271 §5.1.1, §5.1.4: a MED of our own goes to other ASes, one that was received does not.
    assert_eq!(said(&rig, "10.1.0.0/16"), Some((Origin::Incomplete, Some(3), 1)));
    assert_eq!(said(&rig, "10.2.0.0/16"), None, "the policy rejects it");
    assert_eq!(said(&rig, "10.3.0.0/16"), Some((Origin::Incomplete, Some(50), 0)));
    assert_eq!(said(&rig, "10.5.0.0/16"), None, "not configured");
    // A network goes before, and leaves the other where it goes.
    rig.feed(Input::Network { prefix: p("10.4.0.0/16"), present: true });
    rig.settle();
    assert_eq!(said(&rig, "10.4.0.0/16"), Some((Origin::Igp, None, 0)));
    config.networks.clear();
    change(&mut rig, &config);
    assert_eq!(said(&rig, "10.4.0.0/16"), Some((Origin::Incomplete, Some(50), 0)));
    tell(&mut rig, "10.1.0.0/16", Some((RouteSource::Rip, 4)));
    assert_eq!(said(&rig, "10.1.0.0/16"), Some((Origin::Incomplete, Some(4), 1)));
    tell(&mut rig, "10.1.0.0/16", None);
    assert_eq!(said(&rig, "10.1.0.0/16"), None);
    // Other rules reach what is there already.
    config.redistribute = vec![redistribute(RouteSource::Rip, None, Policy::Accept)];
    change(&mut rig, &config);
    assert_eq!(rig.peers[0].prefixes(), ["10.2.0.0/16"]);
    (0..2).for_each(|peer| rig.check_advertised(peer));
}

#[test]
fn the_operator_shuts_a_neighbor_down() {
    // RFC 9003
    let mut rig = Rig::up(base());
    rig.send(0, &update(&attrs(&[65001], "192.0.2.2"), &THREE));
    let address = a("192.0.2.2");
    let message = Some("maintenance".to_owned());
    rig.ask(Query::BgpShutdown { address, message });
    let said = rig.peers[0].notifications[0].clone();
    assert_eq!(
        (said.error(), said.communication()),
        (ErrorCode::ADMINISTRATIVE_SHUTDOWN, Some("maintenance"))
    );
    assert!(rig.peers[1].table.is_empty() && rig.routes.is_empty());
    rig.connect(0);
    assert!(rig.peers[0].conn.is_none());
    rig.ask(Query::BgpStart { address });
    rig.connect(0);
    assert!(rig.peers[0].established);
    rig.ask(Query::BgpClear { address: Some(address), soft: false });
    assert_eq!(rig.peers[0].notifications[1], Notification::new(ErrorCode::ADMINISTRATIVE_RESET));
}

#[test]
fn maximum_prefixes() {
    // RFC 4486 §4
    let mut config = base();
    let restart = Some(Duration::from_secs(30));
    edit(&mut config, 0, |n| n.maximum_prefixes = Some(MaximumPrefixes { limit: 4, warning: 75, restart }));
    let mut rig = Rig::up(config.clone());
    assert_eq!(rig.notices, [""; 0]);
    let one = attrs(&[65001], "192.0.2.2");
    rig.send(0, &update(&one, &THREE));
    assert_eq!(rig.notices, ["3 ipv4-unicast prefixes, 75 % of the maximum of 4"]);
    rig.send(0, &update(&one, &["10.4.0.0/16"]));
    assert!(rig.peers[0].established && rig.notices.len() == 1);
    rig.send(0, &update(&one, &["10.5.0.0/16"]));
    let want = Notification::with_data(ErrorCode::MAXIMUM_NUMBER_OF_PREFIXES_REACHED, [0, 1, 1, 0, 0, 0, 4]);
    assert_eq!(rig.peers[0].notifications, [want]);
    assert!(rig.peers[1].table.is_empty() && rig.routes.is_empty());
    rig.pass(20);
    rig.connect(0);
    assert!(rig.peers[0].conn.is_none(), "not yet");
    rig.pass(15);
    rig.connect(0);
    assert!(rig.peers[0].established);
    rig.send(0, &update(&one, &THREE));
    assert_eq!(rig.peers[1].prefixes(), THREE);
    // A lower limit holds at once.
    edit(&mut config, 0, |n| {
        n.maximum_prefixes = Some(MaximumPrefixes { limit: 2, warning: 75, restart: None })
    });
    change(&mut rig, &config);
    assert_eq!(rig.peers[0].notifications.len(), 2);
    rig.pass(600);
    rig.connect(0);
    assert!(rig.peers[0].conn.is_none(), "only by hand");
    rig.ask(Query::BgpStart { address: a("192.0.2.2") });
    rig.connect(0);
    assert!(rig.peers[0].established);
}

#[test]
fn the_rules_of_the_decision_change() {
    let mut config = base();
    let mut rig = Rig::up(config.clone());
    for (peer, med) in [(0, 20), (1, 10)] {
        let asn = 65001 + peer as u32;
        let attributes = Attributes { med: Some(med), ..attrs(&[asn, 7], &format!("192.0.2.{}", peer + 2)) };
        rig.send(peer, &update(&attributes, &["10.1.0.0/16"]));
    }
    assert_eq!(rig.routes[&p("10.1.0.0/16")].next_hops, [a("192.0.2.2")], "the lower identifier");
    config.always_compare_med = true;
    change(&mut rig, &config);
    assert_eq!(rig.routes[&p("10.1.0.0/16")].next_hops, [a("192.0.2.3")], "the lower MED");
    assert!(rig.peers[0].has("10.1.0.0/16") && !rig.peers[1].has("10.1.0.0/16"));
    (config.always_compare_med, config.maximum_paths, config.multipath_relax) = (false, 4, true);
    change(&mut rig, &config);
    assert_eq!(rig.routes[&p("10.1.0.0/16")].next_hops, [a("192.0.2.2"), a("192.0.2.3")]);
    config.maximum_paths = 1;
    change(&mut rig, &config);
    assert_eq!(rig.routes[&p("10.1.0.0/16")].next_hops, [a("192.0.2.2")]);
    config.distance_external = 30;
    change(&mut rig, &config);
    assert_eq!(rig.routes[&p("10.1.0.0/16")].distance, 30);
}
