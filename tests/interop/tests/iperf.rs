//! The real iperf3 against our server, over our own TCP.

use crate::device::{HOST, host, quiet};
use serde_json::Value;
use trunkline_interop::{Daemon, Lab, Netns, PATIENCE, Test, Trunkline, wait_until};

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::new("iperf::on_a_veth", veth),
        Test::new("iperf::on_a_tap", tap),
        Test::new("iperf::through_a_bad_wire", bad_wire),
        Test::new("iperf::refuses_and_says_why", refuses),
        Test::new("iperf::one_test_at_a_time", one_at_a_time),
        Test::new("iperf::a_killed_client_leaves_nothing", killed),
    ]
}

const SERVICE: &str = "\n[[service]]\nkind = \"iperf3\"\n";

/// `iperf3 -c` to us; its report.
#[track_caller]
fn client(space: &Netns, arguments: &str) -> Value {
    let output = space.output(&argv(arguments));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"))
}

fn argv(arguments: &str) -> Vec<&str> {
    ["iperf3", "-c", "192.0.2.2", "-J"].into_iter().chain(arguments.split_whitespace()).collect()
}

/// Octets that both sides say of the streams together: sent, received.
#[track_caller]
fn octets(report: &Value) -> (u64, u64) {
    assert!(report.get("error").is_none(), "{report}");
    let of = |side: &str| report["end"][side]["bytes"].as_u64().unwrap_or_else(|| panic!("{report}"));
    (of("sum_sent"), of("sum_received"))
}

/// Both directions, by octets and by time, one stream and four.
fn exercise(space: &Netns, octets_wanted: u64, seconds: u32) {
    for streams in [1, 4] {
        // To us: all that iperf3 sent has arrived.
        let report = client(space, &format!("-n {octets_wanted} -P {streams}"));
        let (sent, received) = octets(&report);
        assert!(sent == received && sent >= octets_wanted, "{streams} streams: {sent} {received}");
        assert_eq!(report["end"]["streams"].as_array().map(Vec::len), Some(streams), "{report}");
        // From us: exactly what was asked for.
        let report = client(space, &format!("-R -n {octets_wanted} -P {streams}"));
        assert_eq!(octets(&report), (octets_wanted, octets_wanted), "{streams} streams");
        assert_eq!(report["end"]["sender_tcp_congestion"], "cubic", "{report}");
    }
    let (sent, received) = octets(&client(space, &format!("-t {seconds}")));
    assert!(sent == received && sent > 0, "{sent} {received}");
    // From us by time. iperf3 ends in the midst of a block, in the longest most of all, and it may have read less than was
    // acknowledged by what its kernel holds.
    for more in ["", "-P 4 -l 1M", "-O 1"] {
        let report = client(space, &format!("-R -t {seconds} {more}"));
        let (sent, received) = octets(&report);
        assert!(sent >= received && received > 0, "{more}: {sent} {received}");
    }
    // What comes first does not count.
    let report = client(space, "-t 2 -O 1");
    let (_, received) = octets(&report);
    assert!(received > 0, "{report}");
}

fn veth(lab: &Lab) {
    let peer = lab.space("peer");
    let (_space, us) = host(lab, &peer, "192.0.2.1/24", &format!("{HOST}{SERVICE}"));
    exercise(&peer, 20_000_000, 2);
    nothing_is_left(&us);
}

fn tap(lab: &Lab) {
    let space = lab.space("us");
    let node = format!("{}{SERVICE}", HOST.replace("packet", "tap"));
    let us = Trunkline::start_device(lab, &space, "us", &node);
    space.address("e0", "192.0.2.1/24");
    exercise(&space, 20_000_000, 2);
    nothing_is_left(&us);
}

/// The server's connections are over, but for those that wait for old segments.
fn nothing_is_left(us: &Trunkline) {
    wait_until(PATIENCE, "the server has no connection any more", || {
        let view = us.json(&["show", "tcp"]);
        view["connections"].as_array().unwrap().iter().all(|c| c["owner"] != "iperf3")
    });
}

/// The wire loses, reorders and repeats frames, both ways.
fn bad_wire(lab: &Lab) {
    let (peer, wire, space) = (lab.space("peer"), lab.space("wire"), lab.space("us"));
    lab.link((&wire, "w0", &[]), (&peer, "e0", &["192.0.2.1/24"]));
    lab.link((&wire, "w1", &[]), (&space, "e0", &[]));
    for (space, interface) in [(&wire, "w0"), (&wire, "w1"), (&space, "e0")] {
        quiet(space, interface);
    }
    let us = Trunkline::start_device(lab, &space, "us", &format!("{HOST}{SERVICE}"));
    let faults = "relay w0 w1 --delay 2ms --loss 1% --reorder 2% --duplicate 2%";
    let faults: Vec<&str> = faults.split(' ').collect();
    let argv = us.argv(&faults);
    let argv: Vec<&str> = argv.iter().map(String::as_str).collect();
    let _relay = Daemon::start(&wire, lab.dir(), "relay", &argv, &[]);
    wait_until(PATIENCE, "the wire carries", || {
        peer.output(&["ping", "-n", "-c", "2", "-i", "0.2", "-W", "3", "192.0.2.2"]).status.success()
    });
    exercise(&peer, 2_000_000, 3);
    let report = client(&peer, "-R -n 2000000");
    assert!(
        report["end"]["sum_sent"]["retransmits"].as_u64() > Some(0),
        "we count what we sent again: {report}"
    );
    nothing_is_left(&us);
}

fn refuses(lab: &Lab) {
    let peer = lab.space("peer");
    let (_space, us) = host(lab, &peer, "192.0.2.1/24", &format!("{HOST}{SERVICE}"));
    for (arguments, why) in [
        ("-u -t 1", "protocol does not exist"),
        ("--bidir -t 1", "not implemented"),
        ("-R -b 1M -t 1", "not implemented"),
    ] {
        let report = client(&peer, arguments);
        assert!(report["error"].as_str().is_some_and(|error| error.contains(why)), "{arguments}: {report}");
    }
    nothing_is_left(&us);
    octets(&client(&peer, "-n 1000"));
}

fn one_at_a_time(lab: &Lab) {
    let peer = lab.space("peer");
    let (_space, us) = host(lab, &peer, "192.0.2.1/24", &format!("{HOST}{SERVICE}"));
    let first = Daemon::start(&peer, lab.dir(), "first", &argv("-t 60"), &[]);
    running(&us);
    let report = client(&peer, "-t 1");
    assert!(report["error"].as_str().is_some_and(|error| error.contains("busy")), "{report}");
    drop(first);
    nothing_is_left(&us);
}

/// Waits until a test has begun: its two connections are there.
fn running(us: &Trunkline) {
    wait_until(PATIENCE, "a test runs", || {
        let view = us.json(&["show", "tcp"]);
        view["connections"].as_array().unwrap().iter().filter(|c| c["owner"] == "iperf3").count() == 2
    });
}

fn killed(lab: &Lab) {
    let peer = lab.space("peer");
    let (_space, us) = host(lab, &peer, "192.0.2.1/24", &format!("{HOST}{SERVICE}"));
    for arguments in ["-t 60", "-R -t 60"] {
        let client = Daemon::start(&peer, lab.dir(), "client", &argv(arguments), &[]);
        running(&us);
        drop(client);
        nothing_is_left(&us);
    }
    octets(&client(&peer, "-n 1000"));
}
