//! Each event in each state of a route, as a table.

use super::*;

const NET: &str = "172.16.0.0/12";

/// The states; the route is from PEER with metric 5 (4 + 1), learnt at 100 s, and it is then 130 s.
const STATES: [&str; 6] = [
    "(none)",
    "valid",
    "valid, old",
    "possibly down (suppress-equal-or-worse)",
    "possibly down (suppress-all)",
    "deleted",
];

fn put(state: &str) -> Us {
    let hold_down = match state {
        "possibly down (suppress-equal-or-worse)" => HoldDown::SuppressEqualOrWorse,
        "possibly down (suppress-all)" => HoldDown::SuppressAll,
        _ => HoldDown::Off,
    };
    let timers = Timers { hold_down: secs(60), ..Timers::four() };
    let mut us = Us::up(Config { hold_down, timers, ..config() });
    us.hear(OTHER, &[]);
    us.hear(FAR, &[]);
    if state != "(none)" {
        us.hear(PEER, &[v2(NET, 4)]);
    }
    us.run_for(if state == "valid, old" { secs(90) } else { secs(30) });
    if state.starts_with("possibly") || state == "deleted" {
        us.hear(PEER, &[v2(NET, 16)]);
    }
    us.run_for(secs(6));
    us
}

type Event = (&'static str, fn(&mut Us) -> Vec<Output>);

fn redistribute(us: &mut Us) -> Vec<Output> {
    us.input(Input::Redistribute { prefix: p(NET), metric: 3, tag: 0, next_hop: None })
}

const EVENTS: [Event; 20] = [
    ("same neighbor, same metric", |us| us.hear(PEER, &[v2(NET, 4)])),
    ("same neighbor, better", |us| us.hear(PEER, &[v2(NET, 2)])),
    ("same neighbor, worse", |us| us.hear(PEER, &[v2(NET, 9)])),
    ("same neighbor, metric 16", |us| us.hear(PEER, &[v2(NET, 16)])),
    ("same neighbor, another tag", |us| us.hear(PEER, &[Entry::v2(p(NET), 5, NOBODY, 4)])),
    ("other neighbor, same metric", |us| us.hear(OTHER, &[v2(NET, 4)])),
    ("other neighbor, better", |us| us.hear(OTHER, &[v2(NET, 2)])),
    ("other neighbor, worse", |us| us.hear(FAR, &[v2(NET, 9)])),
    ("other neighbor, metric 16", |us| us.hear(FAR, &[v2(NET, 16)])),
    ("the invalid timer ends", |us| us.run_until(s(281))),
    ("hold-down ends", |us| {
        let until = us.route(NET).and_then(|r| r.timers.into_iter().find(|timer| timer.name == "hold-down"));
        until.map_or(Vec::new(), |timer| us.run_for(Duration::from_secs_f64(timer.left)))
    }),
    ("the flush timer ends", |us| {
        let until = us.route(NET).and_then(|r| r.timers.into_iter().find(|timer| timer.name == "flush"));
        until.map_or(Vec::new(), |timer| us.run_for(Duration::from_secs_f64(timer.left)))
    }),
    ("its interface goes down", |us| us.interface(A, "a", false, &[(US, 16)])),
    ("another goes down", |us| us.interface(B, "b", false, &[(US_B, 16)])),
    ("a filter rejects it", |us| {
        let filter = Some(Arc::new(Filter::default()));
        us.reconfigure(Config {
            interfaces: config_with(|i| i.filter_in = filter.clone()).interfaces,
            ..us.rip.config.clone()
        })
    }),
    ("clear", |us| us.input(Input::Clear { prefix: None })),
    ("redistributed", redistribute),
    ("redistributed, withdrawn", |us| {
        let first = redistribute(us);
        [first, us.input(Input::Withdraw(p(NET)))].concat()
    }),
    ("our subnet", |us| us.interface(A, "a", true, &[(US, 16), ([172, 16, 0, 1].into(), 12)])),
    ("RIP stops", |us| us.reconfigure(Config::default())),
];

#[test]
fn every_event_in_every_state() {
    // RFC 2453 §3.8, §3.9.2, and hold-down
    let mut table = String::new();
    for (name, event) in EVENTS {
        table.push_str(&format!("{name}\n"));
        for state in STATES {
            let mut us = put(state);
            let outputs = event(&mut us);
            let route = us.route(NET);
            let after = route.as_ref().map_or("(none)".to_owned(), |route| {
                format!("{}, {}, metric {}", route.state, route.origin, route.metric)
            });
            let about: Vec<String> = outputs
                .iter()
                .filter(|output| words(std::slice::from_ref(output)).contains(NET))
                .map(|output| words(std::slice::from_ref(output)))
                .collect();
            table.push_str(&format!("  {state:40} -> {after:36} {}", about.join("; ")));
            while table.ends_with(' ') {
                table.pop();
            }
            table.push('\n');
            // The routing table has it exactly while it is in service.
            let in_service = route.as_ref().is_some_and(|route| route.in_service);
            let told = us.rip.routes.get(&p(NET)).is_some_and(|route| route.told);
            assert_eq!(told, in_service, "{name}, {state}");
        }
    }
    insta::assert_snapshot!(table);
}
