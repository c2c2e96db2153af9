//! Another configuration in flight.

use super::*;
use trunkline_core::PrefixMatch;

const NET: &str = "172.16.0.0/12";

fn deny() -> Option<Arc<Filter>> {
    let prefixes = vec![PrefixMatch { prefix: NET.parse().unwrap(), ge: 12, le: 12 }];
    let rules = vec![FilterRule { prefixes, accept: false }, FilterRule { prefixes: vec![], accept: true }];
    Some(Arc::new(Filter { rules }))
}

fn learned() -> Us {
    let mut us = Us::up(config());
    us.hear(PEER, &[v2(NET, 4), v2("192.168.0.0/16", 4)]);
    us.run_for(secs(10));
    us.after_update();
    us
}

/// Outputs of a new configuration, and what follows soon.
fn after(us: &mut Us, config: Config) -> Vec<Output> {
    let mut outputs = us.reconfigure(config);
    outputs.extend(us.run_for(secs(6)));
    outputs
}

#[test]
fn the_same_again_does_nothing() {
    let mut us = learned();
    let (next, timeout) = (us.rip.summary(us.now).next_update, us.rip.poll_timeout());
    assert!(us.reconfigure(config()).is_empty());
    assert_eq!((us.rip.summary(us.now).next_update, us.rip.poll_timeout()), (next, timeout));
}

#[test]
fn what_may_no_longer_come_in_is_poisoned() {
    let mut us = learned();
    let outputs = after(&mut us, config_with(|i| i.filter_in = deny()));
    assert_eq!((us.state(NET).as_str(), metric_told(&outputs, B, NET)), ("deleted", Some(16)));
    assert!(words(&outputs).contains(&format!("no route to {NET}")));
    assert_eq!(us.state("192.168.0.0/16"), "valid");
    // By an update as well, where the filter was the same all along.
    us.hear(PEER, &[v2(NET, 4)]);
    assert_eq!(us.state(NET), "deleted");
}

#[test]
fn what_may_no_longer_go_out_is_poisoned() {
    let mut us = learned();
    let outputs = after(&mut us, config_with(|i| i.filter_out = deny()));
    assert_eq!((us.metric(NET), metric_told(&outputs, B, NET)), (Some(5), Some(16)));
    assert_eq!(metric_told(&outputs, B, "192.168.0.0/16"), None, "nothing else is told");
    // In regular updates as well, as long as a deleted route would be; then no more.
    let outputs = us.run_for(secs(100));
    us.hear(PEER, &[v2(NET, 4)]);
    assert_eq!(metric_told(&outputs, B, NET), Some(16));
    us.run_for(secs(60));
    let outputs = us.run_for(secs(60));
    assert_eq!((us.metric(NET), metric_told(&outputs, B, NET)), (Some(5), None));
    // When it may again, it is told again.
    let outputs = after(&mut us, config());
    assert_eq!(metric_told(&outputs, B, NET), Some(5));
}

#[test]
fn an_interface_is_configured_no_more() {
    let mut us = learned();
    let mut only_b = config();
    only_b.interfaces.remove("a");
    let outputs = us.reconfigure(only_b);
    // A farewell to those who used us.
    assert_eq!(metric_told(&outputs, A, "10.2.0.0/16"), Some(16));
    assert_eq!((us.state(NET).as_str(), us.state("10.1.0.0/16").as_str()), ("deleted", "deleted"));
    let outputs = us.run_for(secs(60));
    assert!(sent(&outputs).iter().all(|sent| sent.interface == B));
    assert_eq!(metric_told(&outputs, B, NET), Some(16));
    // And then again: it is as if it came up.
    let outputs = us.reconfigure(config());
    assert!(sent(&outputs)[0].message.asks_for_whole_table() && sent(&outputs)[0].interface == A);
    // None at all: RIP stops.
    let outputs = us.reconfigure(Config::default());
    assert_eq!(metric_told(&outputs, B, "10.1.0.0/16"), Some(16));
    us.run_for(secs(600));
    assert_eq!(us.rip.poll_timeout(), None);
}

#[test]
fn other_timers_hold_from_now_on() {
    let mut us = learned();
    let invalid = secs(60);
    let timers =
        Timers { invalid, update: secs(5), flush: Flush::AfterInvalid(secs(20)), ..Timers::default() };
    us.reconfigure(Config { timers, ..config() });
    let heard = us.route(NET).unwrap().paths[0].heard.unwrap();
    us.run_for(Duration::from_secs_f64(59.9 - heard));
    assert_eq!(us.state(NET), "valid");
    us.run_for(secs(1));
    assert_eq!(us.state(NET), "deleted");
    us.run_for(secs(20));
    assert_eq!(us.state(NET), "-");
    let updates = us.counters().updates_sent;
    us.run_for(secs(60));
    assert!((20..=28).contains(&(us.counters().updates_sent - updates)));
}

#[test]
fn fewer_paths() {
    let mut us = Us::up(Config { max_paths: 3, ..config() });
    for from in [PEER, OTHER, FAR] {
        us.hear(from, &[v2(NET, 4)]);
    }
    let outputs = us.reconfigure(config());
    assert_eq!(words(&outputs), format!("route to {NET}: 10.1.0.2 metric 5"));
    assert_eq!(us.route(NET).unwrap().paths.len(), 1);
}

#[test]
fn hold_down_switched_off_believes_at_once() {
    let mut us = Us::up(Config { hold_down: HoldDown::SuppressAll, ..config() });
    us.hear(PEER, &[v2(NET, 4)]);
    us.hear(PEER, &[v2(NET, 16)]);
    us.reconfigure(config());
    us.hear(OTHER, &[v2(NET, 9)]);
    assert_eq!(us.metric(NET), Some(10));
}

#[test]
fn values_out_of_range_are_put_right() {
    let zero = Duration::ZERO;
    let timers = Timers { update: zero, invalid: zero, hold_down: zero, flush: Flush::AfterUpdate(zero) };
    let mut wild = config_with(|i| {
        i.cost = 0;
        i.neighbors = vec![PEER; 1000];
        i.offsets_out = vec![Offset { prefixes: vec![], metric: 255 }];
    });
    wild.timers = timers;
    (wild.max_paths, wild.default_route) = (0, Some(DefaultRoute { metric: 99, tag: 0 }));
    let mut us = Us::up(wild);
    us.hear(PEER, &[v2(NET, 4)]);
    assert_eq!((us.metric(NET), us.metric("10.1.0.0/16")), (Some(5), Some(1)));
    let mut calls = 0;
    let end = us.now + secs(60);
    while let Some(at) = us.rip.poll_timeout().filter(|at| *at < end) {
        us.run_until(at);
        calls += 1;
    }
    assert!(calls < 200, "{calls}");
    let ever = Duration::MAX;
    let timers = Timers { update: ever, invalid: ever, hold_down: ever, flush: Flush::AfterUpdate(ever) };
    us.reconfigure(Config { timers, hold_down: HoldDown::SuppressAll, ..config() });
    us.hear(PEER, &[v2(NET, 4)]);
    us.hear(PEER, &[v2(NET, 16)]);
    us.run_for(secs(1_000));
    assert_eq!(us.state(NET), "possibly down");
}
