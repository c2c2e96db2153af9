//! Limits of tables, many neighbours, a large table, pages of it.

use super::*;

#[test]
fn no_more_routes_than_allowed() {
    let limits = Limits { routes: 10, ..Limits::default() };
    let mut us = Us::up(Config { limits, ..config() });
    let entries: Vec<Entry> = (0..20u32)
        .map(|n| Entry::v2(Ipv4Prefix::from_bits(0xc0a8_0000 | n << 8, 24), 0, NOBODY, 1))
        .collect();
    let outputs = us.hear(PEER, &entries);
    // Two are our own subnets.
    assert_eq!((us.rip.summary(us.now).routes_valid, us.counters().table_full), (10, 12));
    assert_eq!(words(&outputs).matches("there are too many routes").count(), 1);
    us.input(Input::Redistribute { prefix: p("172.16.0.0/16"), metric: 1, tag: 0, next_hop: None });
    assert_eq!(
        us.state("172.16.0.0/16"),
        "valid",
        "what others fill the table with does not keep out our own"
    );
    // Those that are there go on.
    us.hear(PEER, &[Entry { metric: 5, ..entries[0] }]);
    assert_eq!(us.metric("192.168.0.0/24"), Some(6));
}

#[test]
fn no_more_neighbors_than_allowed() {
    let limits = Limits { neighbors: 3, ..Limits::default() };
    let mut us = Us::up(Config { limits, ..config() });
    let neighbor = |n: u8| Ipv4Addr::new(10, 1, 1, n);
    for n in 1..=4 {
        us.hear(neighbor(n), &[v2(&format!("192.168.{n}.0/24"), 1)]);
        us.run_for(secs(1));
    }
    assert_eq!((us.metric("192.168.3.0/24"), us.metric("192.168.4.0/24")), (Some(2), None));
    assert_eq!(us.counters().neighbors_full, 1);
    // The one that is silent for the longest gives way, once it is silent for long enough.
    us.run_for(secs(100));
    us.hear(neighbor(2), &[]);
    us.run_for(secs(80));
    us.hear(neighbor(5), &[v2("192.168.5.0/24", 1)]);
    let all: Vec<_> = us.rip.neighbors(us.now).neighbors.iter().map(|n| n.address).collect();
    assert_eq!(all, [neighbor(2), neighbor(3), neighbor(5)]);
}

#[test]
fn answers_are_limited() {
    let mut us = Us::up(config());
    let ask = Message::new(Command::Request, 2, vec![Entry::WHOLE_TABLE]);
    let answers = |us: &mut Us| (0..100).filter(|_| !sent(&us.message(A, PEER, &ask)).is_empty()).count();
    assert_eq!((answers(&mut us), us.counters().requests_limited), (32, 68));
    us.run_for(secs(1));
    assert_eq!(answers(&mut us), 32);
}

#[test]
fn notices_are_limited() {
    let mut us = Us::up(config());
    let notices: usize = (0..1000)
        .map(|_| {
            us.run_for(Duration::from_millis(25));
            us.datagram(A, (PEER, PORT), &[1, 2, 3]).len()
        })
        .sum();
    assert_eq!((notices, us.counters().malformed), (3, 1000));
}

/// 10,000 routes from one neighbour, refreshed, and gone at once.
#[test]
fn a_large_table() {
    let mut us = Us::up(config());
    us.rip.watch(false);
    let all: Vec<Entry> = (0..10_000u32)
        .map(|n| Entry::v2(Ipv4Prefix::from_bits(0xac10_0000 + (n << 4), 28), 0, NOBODY, 1))
        .collect();
    for round in 0..2 {
        let outputs: Vec<Output> = all.chunks(25).flat_map(|chunk| us.hear(PEER, chunk)).collect();
        let routes = outputs.iter().filter(|output| matches!(output, Output::Route { .. })).count();
        assert_eq!(routes, if round == 0 { 10_000 } else { 0 }, "what is refreshed is not told again");
        let outputs = us.run_for(secs(36));
        let on_b: usize =
            sent(&outputs).iter().filter(|s| s.interface == B).map(|s| s.message.entries.len()).sum();
        assert!(on_b >= 10_000);
    }
    // Each route has one entry in the queue of timers, however often it is refreshed.
    let mut looks = 0;
    let start = us.now;
    while let Some(at) = us.rip.poll_timeout().filter(|at| *at < start + secs(180)) {
        us.now = at;
        us.rip.handle_timeout(at, &mut us.out);
        us.out.drain().for_each(drop);
        looks += 1;
    }
    assert!(looks < 100, "{looks}");
    us.run_for(secs(200));
    assert_eq!(us.rip.summary(us.now).routes_deleted, 0);
    us.run_for(secs(200));
    assert_eq!(us.rip.summary(us.now).routes_valid, 2);
}

#[test]
fn a_hundred_neighbors_on_one_lan() {
    let mut us = Us::up(config());
    for round in 0..10u32 {
        for n in 1..=100u32 {
            let source = Ipv4Addr::from_bits(0x0a01_0100 + n);
            let entries: Vec<Entry> = (0..25u32)
                .map(|m| {
                    Entry::v2(Ipv4Prefix::from_bits(0xac10_0000 + ((n * 25 + m) << 8), 24), 0, NOBODY, 1)
                })
                .collect();
            us.hear(source, &entries);
        }
        let outputs = us.run_for(secs(30));
        // One update for all of them.
        let updates =
            sent(&outputs).iter().filter(|s| s.interface == A && s.message.entries.len() == 25).count();
        assert!(updates <= 2 * 102, "round {round}: {updates}");
    }
    assert_eq!(us.rip.summary(us.now).routes_valid, 2502);
    assert!(us.rip.neighbors(us.now).neighbors.iter().all(|n| n.routes == 25 && n.packets == 10));
}

#[test]
fn pages_of_routes() {
    let mut us = Us::up(config());
    let entries: Vec<Entry> = (0..20u32)
        .map(|n| Entry::v2(Ipv4Prefix::from_bits(0xc0a8_0000 | n << 8, 24), 0, NOBODY, 1))
        .collect();
    us.hear(PEER, &entries);
    let mut query = RoutesQuery { limit: 7, ..RoutesQuery::default() };
    let mut seen = Vec::new();
    loop {
        let page = us.rip.routes(us.now, &query);
        assert!(page.routes.len() <= 7 && page.total == 22);
        seen.extend(page.routes.iter().map(|route| route.prefix));
        match page.next {
            Some(next) => query.cursor = next,
            None => break,
        }
    }
    let all = us.rip.routes(us.now, &RoutesQuery { limit: 100, ..RoutesQuery::default() });
    assert_eq!(seen, all.routes.iter().map(|route| route.prefix).collect::<Vec<_>>());
    // An address finds the longest match.
    let find = |prefix: &str| {
        let query = RoutesQuery { prefix: prefix.parse().ok(), ..RoutesQuery::default() };
        us.rip.routes(us.now, &query).routes.first().map(|route| route.prefix.to_string())
    };
    assert_eq!(find("192.168.3.9/32").as_deref(), Some("192.168.3.0/24"));
    assert_eq!((find("192.168.0.0/16"), find("203.0.113.1/32"), find("2001:db8::/32")), (None, None, None));
    assert!(
        us.rip
            .routes(us.now, &RoutesQuery { cursor: u64::MAX, limit: 1, ..RoutesQuery::default() })
            .routes
            .is_empty()
    );
}

#[test]
fn what_people_see() {
    let mut us = Us::up(Config { hold_down: HoldDown::SuppressAll, timers: Timers::four(), ..config() });
    us.hear(PEER, &[v2("172.16.0.0/12", 4)]);
    us.run_for(secs(12));
    us.hear(PEER, &[v2("172.16.0.0/12", 16)]);
    us.run_for(secs(138));
    let route = us.route("172.16.0.0/12").unwrap();
    assert_eq!(route.summary, "possibly down, hold-down 42 s left, flush in 90 s");
    assert_eq!((route.metric, route.metric_before, route.in_service), (16, Some(5), true));
    assert_eq!(route.reason.as_deref(), Some("its neighbor says that it cannot be reached"));
    let summary = us.rip.summary(us.now);
    assert_eq!((summary.routes_valid, summary.routes_possibly_down, summary.neighbors), (2, 1, 1));
    assert_eq!(
        (summary.flush_from.as_str(), summary.hold_down_policy.as_str()),
        ("after-update", "suppress-all")
    );
    assert!(summary.interfaces[0].counters.iter().any(|counter| counter.name == "responses_received"));
    assert!(summary.next_update.is_some_and(|left| left <= 35.0));
}
