//! The iperf3 server, with a client that says what iperf3 says.

use super::host;
use super::wire::Net;
use crate::config::{Service, ServiceKind};
use std::net::SocketAddrV4;
use trunkline_view::probe::ConnectQuery;
use trunkline_view::{Answer, DoneView, Query};

const COOKIE: &str = "abcdefghijklmnopqrstuvwxyz0123456789\0";
const OTHER: &str = "9876543210zyxwvutsrqponmlkjihgfedcba\0";

fn net() -> Net {
    let mut b = host("b", "10.0.0.2/24", "");
    b.services = vec![Service { kind: ServiceKind::Iperf3, port: 5201 }];
    Net::new(vec![host("a", "10.0.0.1/24", ""), b], &[&["a.eth0", "b.eth0"]])
}

fn connect(net: &mut Net, name: &str, cookie: &str) {
    open(net, name);
    say(net, name, cookie);
}

fn open(net: &mut Net, name: &str) {
    let remote = SocketAddrV4::new("10.0.0.2".parse().unwrap(), 5201);
    let query = ConnectQuery { name: name.into(), remote, source: None, local_port: None };
    net.ask("a", Query::TcpConnect(query));
    net.run(0.1);
}

fn say(net: &mut Net, name: &str, text: &str) {
    tell(net, name, text);
    net.run(0.1);
}

fn tell(net: &mut Net, name: &str, text: &str) {
    let answer = net.ask("a", Query::TcpSend { name: name.into(), text: text.into() });
    assert!(matches!(answer, Answer::Done(DoneView { .. })), "{answer:?}");
}

fn json(text: &str) -> String {
    let length = u8::try_from(text.len()).unwrap();
    assert!(length < 128, "the length must be text");
    format!("\0\0\0{}{text}", char::from(length))
}

/// What has come, and whether the connection stands.
fn heard(net: &mut Net, name: &str) -> (String, bool) {
    let Answer::Tcp(view) = net.ask("a", Query::Tcp) else { panic!("no view") };
    let connection = view.connections.iter().find(|c| c.owner == name);
    connection.map_or_else(
        || (String::new(), false),
        |c| (c.received.clone().unwrap_or_default(), c.state == "ESTABLISHED"),
    )
}

/// Octets that have come.
fn taken(net: &mut Net, name: &str) -> u64 {
    let Answer::Tcp(view) = net.ask("a", Query::Tcp) else { panic!("no view") };
    view.connections.iter().find(|c| c.owner == name).map_or(0, |c| c.octets_received)
}

/// Octets that the server says to have sent.
fn sent(net: &mut Net) -> u64 {
    let (text, _) = heard(net, "control");
    let number = text.split_once(r#""bytes":"#).and_then(|(_, rest)| rest.split(',').next());
    number.and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("{text:?}"))
}

/// Connections that the server has and that are not over.
fn standing(net: &mut Net) -> usize {
    let Answer::Tcp(view) = net.ask("b", Query::Tcp) else { panic!("no view") };
    view.connections.iter().filter(|c| c.owner == "iperf3").count()
}

/// Through the parameters; the streams are still to come.
fn begin(net: &mut Net, parameters: &str) {
    connect(net, "control", COOKIE);
    assert_eq!(heard(net, "control").0, "\t");
    say(net, "control", &json(parameters));
}

#[test]
fn a_test_from_the_client() {
    let mut net = net();
    begin(&mut net, r#"{"tcp":true,"num":3000,"parallel":2,"len":1000}"#);
    assert_eq!(heard(&mut net, "control").0, "\t\n");
    connect(&mut net, "first", COOKIE);
    assert_eq!(heard(&mut net, "control").0, "\t\n");
    connect(&mut net, "second", COOKIE);
    assert_eq!(heard(&mut net, "control").0, "\t\n\x01\x02");
    // One at a time, and no stream more than agreed.
    for (name, cookie) in [("stranger", OTHER), ("third", COOKIE)] {
        connect(&mut net, name, cookie);
        assert_eq!(heard(&mut net, name).0, "\u{fffd}", "ACCESS_DENIED");
    }
    say(&mut net, "first", &"x".repeat(2000));
    say(&mut net, "control", "\x04");
    assert_eq!(heard(&mut net, "control").0, "\t\n\x01\x02\r");
    say(&mut net, "control", &json(r#"{"streams":[{"id":1,"bytes":2000},{"id":3,"bytes":1000}]}"#));
    // What the client has sent and is still under way is waited for.
    assert_eq!(heard(&mut net, "control").0, "\t\n\x01\x02\r");
    say(&mut net, "second", &"y".repeat(1000));
    let (text, _) = heard(&mut net, "control");
    assert!(text.contains(r#""id":1,"bytes":2000,"#) && text.contains(r#""id":3,"bytes":1000,"#), "{text:?}");
    assert!(text.ends_with('\x0e'), "{text:?}");
    assert_eq!(standing(&mut net), 3);
    say(&mut net, "control", "\x10");
    assert_eq!(standing(&mut net), 0);
    // The next may come.
    net.run(30.0);
    connect(&mut net, "next", OTHER);
    assert_eq!(heard(&mut net, "next").0, "\t");
}

#[test]
fn a_test_towards_the_client() {
    let mut net = net();
    begin(&mut net, r#"{"tcp":true,"num":1000,"parallel":1,"len":300,"reverse":true}"#);
    connect(&mut net, "stream", COOKIE);
    net.run(1.0);
    let (text, stands) = heard(&mut net, "stream");
    assert!(text.len() == 1000 && stands, "as many as were asked for: {}", text.len());
    say(&mut net, "control", "\x04");
    // A client that reads the rest of a block hears the end of the stream instead.
    assert!(!heard(&mut net, "stream").1);
    assert_eq!(heard(&mut net, "control").0, "\t\n\x01\x02\r");
    say(&mut net, "control", &json(r#"{"streams":[{"id":1,"bytes":1000}]}"#));
    let (text, _) = heard(&mut net, "control");
    assert!(text.contains(r#""id":1,"bytes":1000,"#), "{text:?}");
    say(&mut net, "control", "\x10");
    assert_eq!(standing(&mut net), 0);
}

/// Octets that may be under way when a test ends.
const UNDER_WAY: u64 = 50_000;

#[test]
fn of_what_was_sent_counts_what_had_arrived_at_the_end() {
    // What the client says to have it has, though the acknowledgement may have come late; but not more than there was.
    for says in [|_| 0, |all| all - 1, |all| 2 * all] {
        let mut net = net();
        begin(&mut net, r#"{"tcp":true,"time":1,"reverse":true}"#);
        open(&mut net, "stream");
        tell(&mut net, "stream", COOKIE);
        net.run(0.002);
        let in_time = taken(&mut net, "stream");
        say(&mut net, "control", "\x04");
        let all = taken(&mut net, "stream");
        assert!(in_time > 0 && all > in_time + UNDER_WAY, "{in_time} {all}");
        let says: u64 = says(all);
        say(&mut net, "control", &json(&format!(r#"{{"streams":[{{"id":1,"bytes":{says}}}]}}"#)));
        let sent = sent(&mut net);
        if says == 0 {
            assert!(sent.abs_diff(in_time) < UNDER_WAY, "{sent} {in_time}");
        } else {
            assert_eq!(sent, says.min(all));
        }
    }
}

#[test]
fn what_waited_while_nothing_counted_counts_when_it_arrives() {
    let mut net = net();
    begin(&mut net, r#"{"tcp":true,"omit":1,"time":1,"reverse":true}"#);
    open(&mut net, "stream");
    tell(&mut net, "stream", COOKIE);
    net.run(0.0002);
    net.carrier(0, false);
    net.run(1.0);
    let omitted = taken(&mut net, "stream");
    net.carrier(0, true);
    while taken(&mut net, "stream") < omitted + UNDER_WAY {
        net.run(0.0001);
    }
    let counted = taken(&mut net, "stream") - omitted;
    // At once, while more waits than has arrived since.
    tell(&mut net, "control", "\x04");
    say(&mut net, "control", &json(r#"{"streams":[{"id":1,"bytes":0}]}"#));
    let (sent, all) = (sent(&mut net), taken(&mut net, "stream") - omitted);
    assert!(counted / 2 < sent && sent < all, "{counted} {sent} {all}");
}

#[test]
fn a_client_may_read_on_for_long_at_its_end() {
    for (seconds, left) in [(55.0, 2), (62.0, 0)] {
        let mut net = net();
        begin(&mut net, r#"{"tcp":true,"num":1000,"reverse":true}"#);
        connect(&mut net, "stream", COOKIE);
        say(&mut net, "control", "\x04");
        net.run(seconds);
        assert_eq!(standing(&mut net), left, "after {seconds} s");
    }
}

#[test]
fn what_is_refused_is_said() {
    for (parameters, why) in [
        (r#"{"udp":true,"time":1}"#, '\u{fffd}'),
        (r#"{"tcp":true,"bidirectional":true}"#, '\r'),
        (r#"{"tcp":true,"parallel":500}"#, '\x06'),
        (r#"{"tcp":true"#, 'r'),
    ] {
        let mut net = net();
        begin(&mut net, parameters);
        let (text, _) = heard(&mut net, "control");
        assert_eq!(text, format!("\t\u{fffd}\0\0\0{why}\0\0\0\0"), "{parameters}");
        assert_eq!(standing(&mut net), 0);
    }
    let mut net = net();
    connect(&mut net, "control", COOKIE);
    // Longer than any parameters are.
    say(&mut net, "control", "\x01\0\0\0");
    assert_eq!(heard(&mut net, "control").0, "\t\u{fffd}\0\0\0r\0\0\0\0");
}

#[test]
fn who_says_nothing_is_not_waited_for() {
    let mut net = net();
    connect(&mut net, "silent", "abc");
    net.run(11.0);
    assert_eq!(standing(&mut net), 0);
    // Half-made tests end, and others may have theirs.
    begin(&mut net, r#"{"tcp":true,"num":3000,"parallel":2}"#);
    connect(&mut net, "first", COOKIE);
    net.run(11.0);
    assert_eq!(standing(&mut net), 0);
    connect(&mut net, "again", OTHER);
    assert_eq!(heard(&mut net, "again").0, "\t");
}

#[test]
fn a_test_that_stands_still_ends() {
    let mut net = net();
    begin(&mut net, r#"{"tcp":true,"num":3000,"parallel":1}"#);
    connect(&mut net, "stream", COOKIE);
    net.run(50.0);
    say(&mut net, "stream", "x");
    net.run(50.0);
    assert_eq!(standing(&mut net), 2);
    net.run(11.0);
    assert_eq!(standing(&mut net), 0);
}

#[test]
fn a_client_that_goes_leaves_nothing() {
    for last in ["control", "stream"] {
        let mut net = net();
        begin(&mut net, r#"{"tcp":true,"num":1000,"parallel":1,"reverse":true}"#);
        connect(&mut net, "stream", COOKIE);
        let first = if last == "control" { "stream" } else { "control" };
        for name in [first, last] {
            net.ask("a", Query::TcpAbort { name: name.into() });
            net.run(0.1);
        }
        assert_eq!(standing(&mut net), 0);
        connect(&mut net, "next", OTHER);
        assert_eq!(heard(&mut net, "next").0, "\t");
    }
}
