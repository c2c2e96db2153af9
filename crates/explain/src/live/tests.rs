//! Each rule with facts that it is about, and with facts that look alike and are something else.

use super::{asks_the_wire, attempts, here, judge, sources_to_try, up};
use std::collections::BTreeSet;
use std::net::IpAddr;
use trunkline_core::Asn;
use trunkline_view::facts::{
    Answered, Attempt, Configured, Counters, End, Facts, Others, Probe, Reach, Stage, Tcp, Told, Up, Way,
    Wire,
};

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// A neighbor that is down, and nothing is known but that packets get to its link.
fn down() -> Facts {
    Facts {
        neighbor: ip("192.0.2.2"),
        asn: (Asn(65002), Asn(65001)),
        config: Configured {
            passive: false,
            port: 179,
            local_address: None,
            signs: None,
            ttl: Some(1),
            min_ttl: None,
            refuses_all: (false, false),
        },
        state: ("Active".to_owned(), 12.0),
        stopped: None,
        rests: None,
        attempts: Vec::new(),
        established: 0,
        up: None,
        way: Some(Way {
            reach: Reach::Direct,
            interface: Some("e0".to_owned()),
            up: true,
            source: Some(ip("192.0.2.1")),
            next_hop: Some("reachable".to_owned()),
        }),
        tcp: Vec::new(),
        counters: Some(Counters {
            seconds: 30.0,
            whose: "this network namespace".to_owned(),
            rose: Vec::new(),
        }),
        addresses: vec![ip("192.0.2.1")],
        others: Others::default(),
        strangers: Vec::new(),
        wire: None,
        probe: None,
    }
}

fn attempt(stage: Stage, end: End) -> Attempt {
    let local = (stage > Stage::Connecting).then(|| ip("192.0.2.1"));
    Attempt { ours: true, times: 1, ago: (12.0, 2.0), lasted: 10.0, local, stage, end }
}

fn with(change: impl FnOnce(&mut Facts)) -> Facts {
    let mut facts = down();
    change(&mut facts);
    facts
}

fn ended(stage: Stage, end: End) -> Facts {
    with(|f| f.attempts = vec![attempt(stage, end)])
}

fn told(code: u8, subcode: u8) -> Told {
    Told { code: (code, subcode), words: format!("{code}/{subcode}"), why: "x".to_owned() }
}

fn running(stage: Stage, tcp: Tcp) -> Facts {
    let mut facts = ended(stage, End::Pending);
    facts.tcp = vec![tcp];
    facts
}

/// A session was up and ended, and TCP was like this.
fn was_up(end: End, tcp: Tcp) -> Facts {
    let mut facts = ended(Stage::Established, end);
    // Before it another, of which TCP knew something else.
    let before = Tcp { ended: Some(60.0), ..small() };
    (facts.established, facts.tcp) = (1, vec![before, Tcp { ended: Some(2.0), ..tcp }]);
    facts
}

/// One that is up and exchanges routes.
fn established() -> Facts {
    with(|f| {
        f.state = ("Established".to_owned(), 60.0);
        f.established = 1;
        f.up = Some(Up {
            families: vec!["ipv4-unicast".to_owned()],
            received: 10,
            accepted: 10,
            advertised: 3,
            unused: Vec::new(),
            hold_time: 9,
        });
        f.tcp = vec![Tcp { acknowledged: 500, received: 900, mss: 1448, ..Tcp::default() }];
    })
}

fn is_up(change: impl FnOnce(&mut Up)) -> Facts {
    let mut facts = established();
    change(facts.up.as_mut().unwrap());
    facts
}

fn up_with(change: impl FnOnce(&mut Tcp)) -> Facts {
    let mut facts = established();
    change(&mut facts.tcp[0]);
    facts
}

fn rose(name: &str, change: impl FnOnce(&mut Facts)) -> Facts {
    let mut facts = ended(Stage::Connecting, End::NoAnswer);
    facts.counters.as_mut().unwrap().rose.push((name.to_owned(), 3));
    change(&mut facts);
    facts
}

fn signs(facts: &mut Facts) {
    facts.config.signs = Some("TCP MD5".to_owned());
}

fn icmp(by: &str, exceeded: bool) -> Facts {
    let what = "x".to_owned();
    ended(Stage::Connecting, End::Icmp { by: Some(ip(by)), what, exceeded })
}

fn way(facts: &mut Facts, change: impl FnOnce(&mut Way)) {
    change(facts.way.as_mut().unwrap());
}

fn unused(why: &str) -> Facts {
    is_up(|up| up.unused = vec![(why.to_owned(), 10)])
}

/// A window of 0, with octets that wait.
fn closed_window() -> Tcp {
    Tcp { acknowledged: 500, waiting: 9000, window: Some(0), window_probes: 4, mss: 1448, ..Tcp::default() }
}

/// Full segments that are sent again and again.
fn lost() -> Tcp {
    let on_the_way = Tcp { unacknowledged: 4, in_flight: 5792, mss: 1448, ..Tcp::default() };
    Tcp { acknowledged: 500, retransmits: 4, waiting: 9000, ..on_the_way }
}

/// A small segment that is sent again and again.
fn small() -> Tcp {
    Tcp { unacknowledged: 1, in_flight: 59, retransmits: 3, mss: 1448, ..Tcp::default() }
}

/// A small segment in vain, after so many octets that were acknowledged.
fn small_after(acknowledged: u64) -> Tcp {
    Tcp { acknowledged, ..small() }
}

/// A connection on which nothing but the OPEN was ever acknowledged, ended for what did not come.
fn ended_in_vain(code: u8) -> Facts {
    was_up(End::Sent(told(code, 0)), Tcp { acknowledged: 59, ..small() })
}

fn behind_a_router() -> Facts {
    let mut facts = running(Stage::Connected, small());
    facts.config.ttl = Some(4);
    way(&mut facts, |way| way.reach = Reach::Via(ip("192.0.2.254")));
    facts
}

/// An internal neighbor acknowledges nothing, whatever TTL we send with.
fn internal() -> Facts {
    let mut facts = running(Stage::Connected, Tcp { ttl: Some(1), ..small() });
    facts.asn.0 = facts.asn.1;
    facts
}

/// What comes of the neighbor has this TTL.
fn comes_with(ttl: u8, mut facts: Facts) -> Facts {
    facts.wire = Some(Wire { seconds: 9.0, ttl: Some((ttl, ttl)), syns: Vec::new() });
    facts
}

/// It closes our connection, and connects to this address of ours.
fn connects_to(address: &str) -> Facts {
    connected_to(address, 2.0)
}

/// The same, but so many seconds ago.
fn connected_to(address: &str, ago: f64) -> Facts {
    let mut facts = ended(Stage::Connected, End::Closed);
    facts.wire = Some(Wire { seconds: 900.0, ttl: Some((1, 1)), syns: vec![(ip(address), ago, 3)] });
    facts
}

/// It closes our connection; the probe's from there, and from another address of ours.
fn tried_from(used: (Stage, End), other: (Stage, End)) -> Facts {
    let mut facts = ended(Stage::Connected, End::Closed);
    let sources = vec![(ip("192.0.2.1"), used.0, used.1), (ip("192.0.2.11"), other.0, other.1)];
    facts.probe = Some(Probe { sources, ..Probe::default() });
    facts
}

/// The rule, facts in which it comes first, and facts in which it does not come.
type Case = (&'static str, Facts, Facts);

fn cases() -> Vec<Case> {
    let none = || ended(Stage::Connecting, End::NoAnswer);
    let closed = |stage| ended(stage, End::Closed);
    let mut cases = vec![
        (
            "disabled-here",
            with(|f| f.stopped = Some(("disabled in the configuration".to_owned(), true))),
            with(|f| f.stopped = Some(("stopped until started by hand: x".to_owned(), false))),
        ),
        (
            "stopped-here",
            with(|f| f.stopped = Some(("stopped until started by hand: x".to_owned(), false))),
            with(|f| f.stopped = Some(("shut down by the operator".to_owned(), true))),
        ),
        (
            "local-address",
            with(|f| f.config.local_address = Some((ip("192.0.2.77"), false))),
            with(|f| f.config.local_address = Some((ip("192.0.2.77"), true))),
        ),
        ("own-address", with(|f| way(f, |way| way.reach = Reach::Here)), down()),
        (
            "interface-down",
            with(|f| way(f, |way| way.up = false)),
            with(|f| way(f, |way| (way.interface, way.up) = (None, false))),
        ),
        (
            "no-route",
            with(|f| way(f, |way| way.reach = Reach::Nowhere("x".to_owned()))),
            // It has come meanwhile.
            ended(Stage::Connecting, End::NoRoute("x".to_owned())),
        ),
        (
            "arp-unanswered",
            with(|f| way(f, |way| way.next_hop = Some("failed".to_owned()))),
            // The first question is on its way.
            with(|f| way(f, |way| way.next_hop = Some("incomplete".to_owned()))),
        ),
        ("arp-unanswered", icmp("192.0.2.1", false), icmp("192.0.2.254", false)),
        (
            "multihop",
            with(|f| way(f, |way| way.reach = Reach::Via(ip("192.0.2.254")))),
            with(|f| {
                f.asn.0 = f.asn.1;
                way(f, |way| way.reach = Reach::Via(ip("192.0.2.254")));
            }),
        ),
        ("md5-one-side", rose("TCPMD5NotFound", signs), rose("TCPMD5NotFound", |_| {})),
        // Another neighbor without a key may be the one that signs.
        (
            "md5-one-side",
            rose("TCPMD5Unexpected", |_| {}),
            rose("TCPMD5Unexpected", |f| f.others.unsigned = 1),
        ),
        (
            "md5-differs",
            rose("TCPMD5Failure", signs),
            rose("TCPMD5Failure", |f| {
                signs(f);
                f.others.signing = 1;
            }),
        ),
        (
            "ttl-dropped",
            rose("TCPMinTTLDrop", |f| f.config.min_ttl = Some(255)),
            rose("TCPMinTTLDrop", |_| {}),
        ),
        (
            "listen-queue",
            rose("ListenOverflows", |_| {}),
            rose("ListenOverflows", |f| f.attempts = vec![attempt(Stage::Opened, End::Received(told(2, 2)))]),
        ),
        ("refused", ended(Stage::Connecting, End::Refused), none()),
        ("ttl-exceeded", icmp("192.0.2.254", true), icmp("192.0.2.254", false)),
        ("unreachable", icmp("192.0.2.254", false), icmp("192.0.2.254", true)),
        (
            "md5-silence",
            with(|f| {
                signs(f);
                f.attempts = none().attempts;
            }),
            none(),
        ),
        (
            "ao-silence",
            with(|f| {
                f.config.signs = Some("TCP-AO".to_owned());
                f.attempts = none().attempts;
            }),
            none(),
        ),
        (
            "silence",
            none(),
            // Under way since just now.
            with(|f| {
                f.attempts = vec![Attempt { lasted: 1.0, ..attempt(Stage::Connecting, End::Pending) }];
            }),
        ),
        (
            "gave-up",
            with(|f| f.attempts = vec![Attempt { ours: false, ..attempt(Stage::Connected, End::Closed) }]),
            closed(Stage::Connected),
        ),
        (
            "unacknowledged",
            running(Stage::Connected, small()),
            running(Stage::Connected, Tcp { acknowledged: 60, ..Tcp::default() }),
        ),
        (
            "open-unanswered",
            running(Stage::Connected, Tcp { acknowledged: 60, ..Tcp::default() }),
            running(Stage::Opened, Tcp { acknowledged: 60, ..Tcp::default() }),
        ),
        (
            "held-down",
            with(|f| (f.established, f.attempts) = (1, closed(Stage::Connected).attempts)),
            closed(Stage::Connected),
        ),
        (
            "closed-before-open",
            closed(Stage::Connected),
            with(|f| (f.established, f.attempts) = (1, closed(Stage::Connected).attempts)),
        ),
        (
            "stuck-after-open",
            running(Stage::Opened, Tcp { acknowledged: 60, ..Tcp::default() }),
            running(Stage::Connected, Tcp { acknowledged: 60, ..Tcp::default() }),
        ),
        (
            "stuck-after-open",
            ended(Stage::Opened, End::Sent(told(4, 0))),
            was_up(End::Sent(told(4, 0)), Tcp::default()),
        ),
        ("dropped-after-open", closed(Stage::Opened), closed(Stage::Established)),
        (
            "mtu-black-hole",
            was_up(End::Received(told(4, 0)), lost()),
            was_up(End::Received(told(4, 0)), Tcp::default()),
        ),
        (
            "mtu-black-hole",
            was_up(End::Sent(told(4, 0)), Tcp { received: 90, ahead_of_gap: 3, ..Tcp::default() }),
            was_up(End::Sent(told(4, 0)), Tcp { received: 90, ..Tcp::default() }),
        ),
        ("mtu-black-hole", was_up(End::Reset, lost()), was_up(End::Reset, closed_window())),
        // Nothing is heard of the peer either: the way is dead for all.
        ("mtu-black-hole", was_up(End::Sent(told(8, 0)), lost()), was_up(End::Sent(told(4, 0)), lost())),
        (
            "unacknowledged",
            was_up(End::Sent(told(4, 0)), Tcp { acknowledged: 59, ..small() }),
            // It has taken more before: the way may have broken for all packets.
            was_up(End::Sent(told(4, 0)), Tcp { acknowledged: 900, ..small() }),
        ),
        // It has said enough, and hears nothing.
        (
            "unacknowledged",
            with(|f| {
                f.attempts = vec![attempt(Stage::Opened, End::Sent(told(4, 0)))];
                f.tcp = vec![Tcp { ended: Some(2.0), ..small() }];
            }),
            ended(Stage::Opened, End::Sent(told(4, 0))),
        ),
        ("unacknowledged", was_up(End::NoAnswer, lost()), was_up(End::Reset, lost())),
        (
            "zero-window",
            was_up(End::Sent(told(8, 0)), closed_window()),
            was_up(End::Sent(told(8, 0)), Tcp::default()),
        ),
        ("zero-window", was_up(End::Reset, closed_window()), was_up(End::Reset, lost())),
        ("broken-off", was_up(End::Reset, Tcp::default()), closed(Stage::Opened)),
        (
            "cannot-connect",
            ended(Stage::Connecting, End::Failed("TCP-AO needs an interface of the node's own".to_owned())),
            none(),
        ),
        (
            "foreign",
            ended(Stage::Connected, End::Sent(told(1, 1))),
            ended(Stage::Opened, End::Sent(told(1, 2))),
        ),
        (
            "passive-here",
            with(|f| f.config.passive = true),
            with(|f| {
                f.config.passive = true;
                f.attempts = vec![Attempt { ours: false, ..attempt(Stage::Opened, End::Sent(told(2, 2))) }];
            }),
        ),
        (
            "stranger",
            with(|f| f.strangers = vec![(ip("192.0.2.11"), 3.0, 2)]),
            with(|f| f.strangers = vec![(ip("2001:db8::11"), 3.0, 2)]),
        ),
        (
            "collision",
            with(|f| {
                f.attempts = vec![Attempt { times: 3, ..attempt(Stage::Opened, End::Received(told(6, 7))) }]
            }),
            ended(Stage::Opened, End::Received(told(6, 7))),
        ),
        ("zero-window", up_with(|tcp| *tcp = Tcp { ..closed_window() }), up_with(|tcp| tcp.window = Some(0))),
        (
            "mtu-black-hole",
            up_with(|tcp| *tcp = Tcp { ..lost() }),
            up_with(|tcp| *tcp = Tcp { retransmits: 1, ..lost() }),
        ),
        (
            "mtu-black-hole",
            up_with(|tcp| *tcp = Tcp { silent: 2.0, ..lost() }),
            up_with(|tcp| *tcp = Tcp { silent: 8.0, ..lost() }),
        ),
        (
            "mtu-black-hole",
            up_with(|tcp| (tcp.ahead_of_gap, tcp.silent) = (3, 6.0)),
            up_with(|tcp| (tcp.ahead_of_gap, tcp.silent) = (3, 1.0)),
        ),
        (
            "unacknowledged",
            up_with(|tcp| *tcp = Tcp { acknowledged: 59, ..small() }),
            up_with(|tcp| *tcp = Tcp { ..lost() }),
        ),
        (
            "unacknowledged",
            was_up(End::Received(told(4, 0)), Tcp { acknowledged: 59, ..small() }),
            was_up(End::Received(told(4, 0)), lost()),
        ),
        (
            "ttl-security",
            comes_with(255, running(Stage::Connected, small())),
            comes_with(64, running(Stage::Connected, small())),
        ),
        // We send with 255 as well.
        (
            "ttl-security",
            comes_with(255, was_up(End::NoAnswer, small_after(59))),
            comes_with(255, was_up(End::NoAnswer, Tcp { ttl: Some(255), ..small_after(59) })),
        ),
        // It took much more than an OPEN before: the way has broken.
        (
            "ttl-security",
            comes_with(255, ended(Stage::Connected, End::NoAnswer)),
            comes_with(255, was_up(End::NoAnswer, small_after(900))),
        ),
        (
            "ttl-security",
            comes_with(255, ended_in_vain(4)),
            // What was acknowledged before tells of another trouble.
            comes_with(255, was_up(End::Sent(told(4, 0)), small_after(900))),
        ),
        // With multihop, and where it is internal, 255 is no sign of a demand; another link's router has taken one off.
        (
            "ttl-security",
            comes_with(255, ended_in_vain(4)),
            comes_with(255, running(Stage::Connected, Tcp { ttl: Some(4), ..small() })),
        ),
        ("ttl-security", comes_with(255, ended_in_vain(4)), comes_with(255, internal())),
        ("ttl-security", comes_with(255, ended_in_vain(4)), comes_with(254, behind_a_router())),
        ("ttl-security", comes_with(255, ended_in_vain(4)), comes_with(254, ended_in_vain(4))),
        (
            "ttl-security",
            comes_with(255, up_with(|tcp| *tcp = Tcp { acknowledged: 59, ..small() })),
            comes_with(1, up_with(|tcp| *tcp = Tcp { acknowledged: 59, ..small() })),
        ),
        ("update-source", connects_to("192.0.2.11"), connects_to("192.0.2.1")),
        ("update-source", connected_to("192.0.2.11", 300.0), connected_to("192.0.2.11", 301.0)),
        (
            "update-source",
            tried_from((Stage::Connected, End::Closed), (Stage::Opened, End::Pending)),
            tried_from((Stage::Connected, End::Closed), (Stage::Connected, End::Reset)),
        ),
        // Meanwhile it takes both.
        (
            "update-source",
            tried_from((Stage::Connected, End::Reset), (Stage::Connected, End::Pending)),
            tried_from((Stage::Opened, End::Pending), (Stage::Opened, End::Pending)),
        ),
        ("no-common-family", is_up(|up| up.families.clear()), established()),
        (
            "import-refuses",
            with(|f| {
                f.config.refuses_all.0 = true;
                f.up = is_up(|up| up.accepted = 0).up;
            }),
            is_up(|up| up.accepted = 0),
        ),
        (
            "own-as",
            unused("our AS stands in AS_PATH: a loop (RFC 4271 §9.1.2)"),
            unused("no route to the next hop 203.0.113.1"),
        ),
        (
            "none-used",
            unused("no route to the next hop 203.0.113.1"),
            is_up(|up| up.unused = vec![("no route to the next hop 203.0.113.1".to_owned(), 3)]),
        ),
        (
            "no-routes",
            is_up(|up| (up.received, up.accepted, up.advertised) = (0, 0, 0)),
            is_up(|up| (up.received, up.accepted) = (0, 0)),
        ),
        ("nothing-announced", is_up(|up| (up.received, up.accepted) = (0, 0)), is_up(|up| up.advertised = 0)),
        (
            "export-refuses",
            with(|f| {
                f.config.refuses_all.1 = true;
                f.up = is_up(|up| up.advertised = 0).up;
            }),
            is_up(|up| up.advertised = 0),
        ),
    ];
    for (rule, code, subcode, other) in [
        ("bad-peer-as", 2, 2, 6),
        ("hold-time", 2, 6, 7),
        ("capability", 2, 7, 11),
        ("role", 2, 11, 4),
        ("optional-parameter", 2, 4, 3),
        ("bad-identifier", 2, 3, 1),
        ("version", 2, 1, 2),
    ] {
        let of = |subcode| ended(Stage::Opened, End::Received(told(2, subcode)));
        assert_eq!(code, 2);
        cases.push((rule, of(subcode), of(other)));
    }
    for (rule, subcode, other) in [
        ("max-prefix", 1, 2),
        ("shutdown", 2, 3),
        ("deconfigured", 3, 4),
        ("reset", 4, 6),
        ("connection-rejected", 5, 8),
    ] {
        let of = |subcode| was_up(End::Received(told(6, subcode)), Tcp::default());
        cases.push((rule, of(subcode), of(other)));
    }
    cases
}

#[test]
fn each_rule_where_it_is_due_and_not_where_it_only_looks_so() {
    for (rule, due, alike) in cases() {
        let found = judge(&due);
        assert_eq!(found.first().map(|v| v.rule.as_str()), Some(rule), "{found:#?}\n{due:#?}");
        assert!(!found[0].seen.is_empty(), "{rule} shows nothing");
        for text in found.iter().flat_map(|v| v.not_excluded.iter().chain(&v.try_next).chain([&v.says])) {
            assert!(!text.contains(['{', '}']), "{rule}: {text}");
        }
        let found = judge(&alike);
        assert!(found.iter().all(|v| v.rule != rule), "{rule}: {found:#?}");
    }
}

#[test]
fn every_row_has_its_case() {
    let cases: BTreeSet<&str> = cases().iter().map(|case| case.0).collect();
    let rows = [here::STOPPED, here::CERTAIN, here::LAST, up::ROWS].into_iter().flatten().map(|row| row.id);
    for id in rows.chain(attempts::ROWS.iter().map(|row| row.id)) {
        assert!(cases.contains(id), "{id}");
        assert!(crate::rules::Rule::named(id).is_some(), "{id} is no rule");
    }
    for rule in crate::rules::live_rules() {
        assert!(cases.contains(rule.id), "{}", rule.id);
    }
}

#[test]
fn a_session_without_trouble_has_no_verdict() {
    assert_eq!(judge(&established()), []);
    assert_eq!(judge(&down()), [], "nothing was tried yet");
}

#[test]
fn what_ended_the_session_before_is_a_warning_while_it_is_up_again() {
    let mut facts = established();
    facts.attempts = vec![attempt(Stage::Established, End::Sent(told(4, 0)))];
    let found = judge(&facts);
    assert_eq!((found[0].rule.as_str(), found[0].severity.as_str()), ("hold-expired", "warning"));
    facts.attempts[0].ago = (900.0, 800.0);
    assert_eq!(judge(&facts), []);
}

#[test]
fn the_connection_that_came_further_tells_more() {
    let mut facts = ended(Stage::Connecting, End::NoAnswer);
    facts.attempts.push(Attempt { ours: false, ..attempt(Stage::Opened, End::Sent(told(2, 2))) });
    let rules: Vec<String> = judge(&facts).into_iter().map(|v| v.rule).collect();
    assert_eq!(rules, ["bad-peer-as", "silence"]);
    // A later connection of ours that came up makes the silence before it obsolete.
    let mut later = facts.clone();
    later.attempts.insert(0, attempt(Stage::Connected, End::Closed));
    let rules: Vec<String> = judge(&later).into_iter().map(|v| v.rule).collect();
    assert_eq!(rules, ["bad-peer-as", "closed-before-open"]);
    // Of long ago, it tells less.
    facts.attempts[1].ago = (500.0, 400.0);
    assert_eq!(judge(&facts)[0].rule, "silence");
}

#[test]
fn a_probe_makes_it_sharper() {
    let mut facts = ended(Stage::Connecting, End::NoAnswer);
    way(&mut facts, |way| way.next_hop = None);
    let dead = "192.0.2.2 is not the right address, or is down";
    assert!(judge(&facts)[0].not_excluded.iter().any(|text| text == dead));
    let small = Some(Answered { by: ip("192.0.2.2"), what: "x".to_owned(), ttl: Some(64) });
    facts.probe = Some(Probe { small, ..Probe::default() });
    let found = judge(&facts);
    assert!(found[0].not_excluded.iter().all(|text| text != dead), "{found:#?}");
    assert!(found[0].seen.iter().any(|text| text.contains("TTL 64")), "{found:#?}");
}

#[test]
fn the_ttl_of_its_segments_excludes_ttl_security() {
    let may_demand = |facts: &Facts| {
        let found = judge(facts);
        assert_eq!(found[0].rule, "unacknowledged");
        assert!(asks_the_wire(&found));
        found[0].not_excluded.iter().any(|text| text.contains("demands a TTL"))
    };
    let facts = running(Stage::Connected, small());
    assert!(may_demand(&facts));
    assert!(may_demand(&comes_with(255, internal())) && may_demand(&comes_with(254, behind_a_router())));
    assert!(!may_demand(&comes_with(64, facts.clone())));
    assert!(!may_demand(&comes_with(127, behind_a_router())));
    let once = Tcp { received: 53, data_segments: Some(1), silent: 6.0, ..small() };
    assert!(!may_demand(&comes_with(255, running(Stage::Opened, once.clone()))), "it hears us");
    assert!(may_demand(&running(Stage::Opened, Tcp { data_segments: Some(4), ..once })));
    let mut both = comes_with(64, facts);
    both.wire.as_mut().unwrap().ttl = Some((64, 255));
    assert!(may_demand(&both), "it has sent with both");
    assert!(!asks_the_wire(&judge(&ended(Stage::Connecting, End::Refused))));
}

#[test]
fn a_probe_tries_our_other_addresses_where_a_connection_was_closed() {
    let mut facts = ended(Stage::Connected, End::Closed);
    facts.addresses.extend([ip("192.0.2.11"), ip("192.0.2.11")]);
    assert_eq!(sources_to_try(&facts), [ip("192.0.2.1"), ip("192.0.2.11")]);
    let mut many = facts.clone();
    many.addresses = (11..30).map(|last| IpAddr::from([192, 0, 2, last])).collect();
    assert_eq!((sources_to_try(&many).len(), sources_to_try(&many)[0]), (8, ip("192.0.2.1")));
    facts.attempts[0].stage = Stage::Opened;
    assert_eq!(sources_to_try(&facts), [] as [IpAddr; 0]);
    facts.attempts[0].stage = Stage::Connected;
    signs(&mut facts);
    assert_eq!(sources_to_try(&facts), [] as [IpAddr; 0]);
    let no_better = |used, other| {
        let found = judge(&tried_from(used, other));
        assert_eq!(found[0].rule, "closed-before-open");
        found[0].seen.iter().any(|text| text.contains("from 192.0.2.11 fare no better"))
    };
    let closed = || (Stage::Connected, End::Closed);
    assert!(no_better(closed(), closed()));
    // The one that BGP uses came to nothing this time.
    assert!(!no_better((Stage::Connecting, End::NoAnswer), (Stage::Opened, End::Pending)));
    assert!(!no_better((Stage::Connected, End::Pending), closed()));
}

#[test]
fn other_neighbors_are_named_where_a_counter_may_be_theirs() {
    let mut facts = rose("TCPMD5NotFound", signs);
    facts.others = Others { down: 2, signing: 2, ..Others::default() };
    let found = judge(&facts);
    assert_eq!(found[0].rule, "md5-silence");
    assert!(found[0].seen.iter().any(|text| text.contains("TCPMD5NotFound") && text.contains("2 other")));
}

#[test]
fn huge_numbers_are_counted_too() {
    let first = |facts: &Facts| judge(facts).first().map(|verdict| verdict.rule.clone());
    let why = "no route to the next hop 203.0.113.1".to_owned();
    let unused = is_up(|up| up.unused = vec![(why.clone(), u64::MAX), (why, 1)]);
    assert_eq!(first(&unused).as_deref(), Some("none-used"));
    let collided = Attempt { times: u32::MAX, ..attempt(Stage::Opened, End::Received(told(6, 7))) };
    let collided = with(|f| f.attempts = vec![collided.clone(), collided]);
    assert_eq!(first(&collided).as_deref(), Some("collision"));
    let lost = up_with(|tcp| *tcp = Tcp { in_flight: u64::MAX, ..lost() });
    assert_eq!(first(&lost).as_deref(), Some("mtu-black-hole"));
}
