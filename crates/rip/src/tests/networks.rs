//! Routes of our own: subnets, what others want advertised, the default route; interfaces that come and go.

use super::*;

const NET: &str = "172.16.0.0/12";

fn redistribute(us: &mut Us, prefix: &str, metric: u8, next_hop: Option<Ipv4Addr>) -> Vec<Output> {
    us.input(Input::Redistribute { prefix: p(prefix), metric, tag: 9, next_hop })
}

#[test]
fn what_is_redistributed() {
    let mut us = Us::up(config());
    let mut outputs = redistribute(&mut us, NET, 3, None);
    outputs.extend(us.run_for(secs(6)));
    assert_eq!((metric_told(&outputs, A, NET), metric_told(&outputs, B, NET)), (Some(3), Some(3)));
    assert_eq!(words(&outputs), "", "it is in the routing table already");
    // It stands above what is learnt, and takes its place.
    us.hear(PEER, &[v2(NET, 1)]);
    assert_eq!(us.metric(NET), Some(3));
    us.hear(PEER, &[v2("192.168.0.0/24", 1)]);
    let outputs = redistribute(&mut us, "192.168.0.0/24", 5, None);
    assert_eq!(words(&outputs), "no route to 192.168.0.0/24");
    // Withdrawn, it is unreachable until others say otherwise.
    let mut outputs = us.input(Input::Withdraw(p(NET)));
    outputs.extend(us.run_for(secs(6)));
    assert_eq!((us.state(NET).as_str(), metric_told(&outputs, B, NET)), ("deleted", Some(16)));
    us.hear(PEER, &[v2(NET, 1)]);
    assert_eq!(us.metric(NET), Some(2));
    // 16 withdraws too; what is no destination is not taken.
    redistribute(&mut us, "192.168.0.0/24", 16, None);
    assert_eq!(us.state("192.168.0.0/24"), "deleted");
    redistribute(&mut us, "224.0.0.0/4", 1, None);
    assert_eq!(us.route("224.0.0.0/4"), None);
    assert!(us.input(Input::Withdraw(p("192.0.2.0/24"))).is_empty());
}

#[test]
fn the_next_hop_of_what_is_redistributed() {
    // RFC 2453 §4.4, appendix A: those on the same network go there without the detour through us.
    let mut us = Us::up(config());
    let mut outputs = redistribute(&mut us, NET, 3, Some(OTHER));
    outputs.extend(us.run_for(secs(6)));
    let hop = |on| {
        let on = sent(&outputs).into_iter().filter(move |s| s.interface == on);
        on.flat_map(|s| s.message.entries).find(|e| e.prefix() == Some(p(NET))).unwrap().next_hop
    };
    assert_eq!((hop(A), hop(B)), (OTHER, NOBODY));
}

#[test]
fn the_default_route() {
    // RFC 2453 §3.7
    let default = |metric| Config { default_route: Some(DefaultRoute { metric, tag: 1 }), ..config() };
    let mut us = Us::up(default(4));
    let outputs = us.run_for(secs(36));
    assert_eq!(metric_told(&outputs, A, "0.0.0.0/0"), Some(4));
    let mut outputs = us.reconfigure(default(7));
    outputs.extend(us.run_for(secs(6)));
    assert_eq!(metric_told(&outputs, A, "0.0.0.0/0"), Some(7));
    let mut outputs = us.reconfigure(config());
    outputs.extend(us.run_for(secs(6)));
    assert_eq!(metric_told(&outputs, B, "0.0.0.0/0"), Some(16));
    // One of a neighbour is used then.
    us.hear(PEER, &[v2("0.0.0.0/0", 1)]);
    assert_eq!(us.metric("0.0.0.0/0"), Some(2));
}

#[test]
fn an_interface_goes_down_and_comes_up() {
    let mut us = Us::up(Config { hold_down: HoldDown::SuppressAll, ..config() });
    us.hear(PEER, &[v2(NET, 4)]);
    us.hear(FAR, &[v2("192.168.0.0/16", 4)]);
    us.run_for(secs(10));
    let mut outputs = us.interface(A, "a", false, &[(US, 16)]);
    // At once, and not used any more although it is held down.
    assert_eq!(metric_told(&outputs, B, NET), Some(16));
    assert_eq!(metric_told(&outputs, B, "10.1.0.0/16"), Some(16));
    assert!(words(&outputs).contains(&format!("no route to {NET}")));
    outputs.extend(us.run_for(secs(60)));
    assert!(sent(&outputs).iter().all(|sent| sent.interface == B), "nothing is sent there");
    assert_eq!(us.metric("192.168.0.0/16"), Some(5));
    assert_eq!(us.state("10.1.0.0/16"), "possibly down");
    let outputs = us.interface(A, "a", true, &[(US, 16)]);
    assert_eq!(us.state("10.1.0.0/16"), "valid", "our own needs no belief");
    assert!(sent(&outputs)[0].message.asks_for_whole_table());
}

#[test]
fn an_address_goes_away() {
    let mut us = Us::up(config());
    let second: Ipv4Addr = [192, 168, 7, 1].into();
    us.interface(A, "a", true, &[(US, 16), (second, 24)]);
    us.message(A, [192, 168, 7, 2].into(), &Message::new(Command::Response, 2, vec![v2(NET, 1)]));
    us.hear(PEER, &[v2("172.32.0.0/16", 1)]);
    assert_eq!((us.metric(NET), us.metric("192.168.7.0/24")), (Some(2), Some(1)));
    us.interface(A, "a", true, &[(US, 16)]);
    assert_eq!((us.state(NET).as_str(), us.state("192.168.7.0/24").as_str()), ("deleted", "deleted"));
    assert_eq!(us.metric("172.32.0.0/16"), Some(2));
    us.input(Input::InterfaceGone(A));
    assert_eq!(us.state("172.32.0.0/16"), "deleted");
    us.input(Input::InterfaceGone(B));
    us.input(Input::InterfaceGone(InterfaceId(77)));
    us.run_for(secs(300));
    assert_eq!(us.rip.summary(us.now).next_update, None);
    assert_eq!(us.rip.poll_timeout(), None, "nothing is left to do");
}

#[test]
fn two_interfaces_in_one_subnet() {
    let mut us = Us::up(config_with(|i| i.cost = 2));
    us.interface(B, "b", true, &[([10, 1, 0, 5].into(), 16)]);
    assert_eq!(us.metric("10.1.0.0/16"), Some(2));
    us.interface(A, "a", false, &[]);
    assert_eq!((us.state("10.1.0.0/16").as_str(), us.metric("10.1.0.0/16")), ("valid", Some(2)));
}

#[test]
fn clear_asks_again() {
    let mut us = Us::up(Config { hold_down: HoldDown::SuppressAll, ..config() });
    us.hear(PEER, &[v2(NET, 4), v2("172.32.0.0/16", 4)]);
    us.run_for(secs(10));
    let outputs = us.input(Input::Clear { prefix: Some(p(NET)) });
    assert!(words(&outputs).contains(&format!("no route to {NET}")));
    assert_eq!(sent(&outputs).iter().filter(|sent| sent.message.asks_for_whole_table()).count(), 2);
    assert_eq!((us.state(NET).as_str(), us.state("172.32.0.0/16").as_str()), ("deleted", "valid"));
    us.hear(PEER, &[v2(NET, 4)]);
    assert_eq!(us.state(NET), "valid");
    us.input(Input::Clear { prefix: None });
    assert_eq!((us.state(NET).as_str(), us.state("10.1.0.0/16").as_str()), ("deleted", "valid"));
}
