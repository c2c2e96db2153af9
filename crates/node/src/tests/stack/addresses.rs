//! ARP in a node: proxy, duplicate addresses, announcements.

use super::wire::{Net, mac};
use super::{host, ping, router, subnet};
use crate::config::Defend;
use trunkline_core::PortId;
use trunkline_view::device::ArpView;
use trunkline_view::{Answer, Query};

fn arp(net: &mut Net, name: &str) -> ArpView {
    match net.ask(name, Query::Arp { interface: None }) {
        Answer::Arp(view) => view,
        other => panic!("{other:?}"),
    }
}

#[test]
fn two_hosts_on_a_cable() {
    let mut net =
        Net::new(vec![host("a", "10.0.0.1/24", ""), host("b", "10.0.0.2/24", "")], &[&["a.eth0", "b.eth0"]]);
    net.run(5.0);
    let view = ping(&mut net, "a", "10.0.0.2", 5);
    assert_eq!((view.sent, view.received, view.duplicates), (5, 5, 0));
    assert_eq!(view.replies[0].ttl, Some(64));
    // There and back, and before the first an ARP request and its answer.
    let times: Vec<f64> = view.replies.iter().filter_map(|reply| reply.time).collect();
    assert_eq!((times[0], times[4]), (200e-6, 100e-6));
    assert_eq!(view.minimum, Some(100e-6));

    let entries = arp(&mut net, "a").entries;
    assert_eq!(entries[0].mac, Some(mac(1, PortId(0)).to_string()));
    assert_eq!((entries[0].state.as_str(), entries[0].fixed), ("reachable", false));

    // To oneself nothing goes out.
    let before = net.frames.len();
    assert_eq!(ping(&mut net, "a", "10.0.0.1", 1).received, 1);
    assert_eq!(ping(&mut net, "a", "127.0.0.1", 1).received, 1);
    assert_eq!(net.frames.len(), before);
}

#[test]
fn nobody_answers() {
    let mut net =
        Net::new(vec![host("a", "10.0.0.1/24", ""), host("b", "10.0.0.2/24", "")], &[&["a.eth0", "b.eth0"]]);
    let view = ping(&mut net, "a", "10.0.0.9", 1);
    assert_eq!(view.received, 0);
    // The asker itself says so when nobody has answered by ARP (RFC 1122 §2.3.2.1), which takes longer than a reply may.
    assert_eq!(view.replies[0].error.as_deref(), Some("timed out"));
    let query = trunkline_view::probe::PingQuery {
        count: 1,
        timeout_ms: 5000,
        ..trunkline_view::probe::PingQuery::new("10.0.0.9".parse().unwrap())
    };
    let Answer::Ping(view) = net.ask("a", Query::Ping(query)) else { panic!("no ping") };
    assert_eq!(view.replies[0].error.as_deref(), Some("host unreachable"));
    assert_eq!(view.replies[0].from, Some("10.0.0.1".parse().unwrap()));
    let view = ping(&mut net, "a", "192.0.2.1", 1);
    assert_eq!(view.replies[0].error.as_deref(), Some("no route to the destination"));
}

#[test]
fn proxy_arp() {
    // The scenario of the article: host B's mask is too wide, and the router answers for what is behind it.
    let host_b = host("host-b", "10.1.1.2/8", "");
    let r1 = router("r1", &[("eth0", &["10.1.1.254/24"]), ("eth1", &["10.2.2.254/24"])]);
    let server = host("server", "10.2.2.100/24", "10.2.2.254");
    let links: &[&[&str]] = &[&["host-b.eth0", "r1.eth0"], &["r1.eth1", "server.eth0"]];
    let mut net = Net::new(vec![host_b, r1, server], links);
    net.run(1.0);
    assert_eq!(ping(&mut net, "host-b", "10.2.2.100", 5).received, 5);
    let entries = arp(&mut net, "host-b").entries;
    let entry = entries.iter().find(|entry| entry.ip.to_string() == "10.2.2.100").unwrap();
    assert_eq!(entry.mac, Some(mac(1, PortId(0)).to_string()));

    // For what it has no way to, it does not answer.
    assert_eq!(ping(&mut net, "host-b", "10.3.3.3", 1).received, 0);
    let entries = arp(&mut net, "host-b").entries;
    assert!(entries.iter().all(|entry| entry.ip.to_string() != "10.3.3.3" || entry.mac.is_none()));

    // Nor when it shall not.
    net.set("r1", |config| config.interfaces[0].proxy_arp = Some(false));
    net.carrier(0, false);
    net.carrier(0, true);
    assert_eq!(ping(&mut net, "host-b", "10.2.2.100", 2).received, 0);
}

#[test]
fn an_address_that_another_has_is_not_used() {
    let mut b = host("b", "10.0.0.1/24", "");
    b.interfaces[0].duplicate_detection = true;
    let a = host("a", "10.0.0.1/24", "");
    let mut net = Net::new(vec![a, b, host("c", "10.0.0.3/24", "")], &[&["a.eth0", "b.eth0", "c.eth0"]]);
    assert_eq!(arp(&mut net, "b").own[0].state, "probing");
    net.run(10.0);
    let conflict = format!("conflict with {}", mac(0, PortId(0)));
    assert_eq!(arp(&mut net, "b").own[0].state, conflict);
    assert_eq!(arp(&mut net, "a").own[0].state, "usable");
    // It is not b's: a alone answers.
    let view = ping(&mut net, "c", "10.0.0.1", 2);
    assert_eq!((view.received, view.duplicates), (2, 0));
    let view = ping(&mut net, "b", "10.0.0.3", 1);
    assert_eq!(view.received, 0);

    // Another address is free; after the probes it is used.
    net.set("b", |config| config.interfaces[0].address = vec![subnet("10.0.0.2/24")]);
    assert_eq!(arp(&mut net, "b").own[0].state, "probing");
    net.run(10.0);
    assert_eq!(arp(&mut net, "b").own[0].state, "usable");
    assert_eq!(ping(&mut net, "b", "10.0.0.3", 1).received, 1);
}

#[test]
fn who_comes_later_without_looking_is_fended_off() {
    let mut a = host("a", "10.0.0.1/24", "");
    a.interfaces[0].conflict = Defend::Always;
    let mut b = host("b", "10.0.0.1/24", "");
    b.interfaces[0].conflict = Defend::Never;
    let mut net = Net::new(vec![a, b], &[&["a.eth0", "b.eth0"]]);
    net.run(5.0);
    assert_eq!(arp(&mut net, "a").own[0].state, "usable");
    assert!(arp(&mut net, "b").own[0].state.starts_with("conflict"));
}

#[test]
fn a_new_mac_address_is_announced_and_learnt() {
    let mut net =
        Net::new(vec![host("a", "10.0.0.1/24", ""), host("b", "10.0.0.2/24", "")], &[&["a.eth0", "b.eth0"]]);
    ping(&mut net, "b", "10.0.0.1", 1);
    let new = "02:00:00:00:00:99".parse().unwrap();
    net.set("a", |config| config.interfaces[0].mac = Some(new));
    net.run(0.1);
    assert_eq!(arp(&mut net, "b").entries[0].mac.as_deref(), Some("02:00:00:00:00:99"));
    assert_eq!(ping(&mut net, "b", "10.0.0.1", 1).received, 1);
    assert!(net.words("b").iter().any(|w| w == "10.0.0.1 was announced to be at 02:00:00:00:00:99"));
}
