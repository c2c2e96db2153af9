//! RIP with FRR's ripd and with BIRD, over the kernel's UDP, and with routes in the kernel of both sides.

use serde_json::Value;
use std::net::UdpSocket;
use std::time::{Duration, Instant};
use trunkline_interop::{
    Capture, Lab, Netns, PATIENCE, RipDaemon, RipKey, RipKind, RipSpec, Test, Trunkline, holds_for, tshark,
    wait_until,
};

use RipKind::{Bird, Frr};

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::new("rip::frr_routes_both_ways", |lab| routes(lab, Frr)),
        Test::new("rip::bird_routes_both_ways", |lab| routes(lab, Bird)),
        Test::new("rip::frr_version_1", |lab| version_1(lab, Frr)),
        Test::new("rip::bird_version_1", |lab| version_1(lab, Bird)),
        Test::new("rip::frr_authentication", |lab| {
            authentication(lab, Frr, &[("text", "text"), ("md5", "md5"), ("md5 auth-length rfc", "md5")]);
        }),
        Test::new("rip::bird_authentication", |lab| {
            let modes = [
                ("text", "text"),
                ("keyed md5", "md5"),
                ("hmac sha1", "hmac-sha-1"),
                ("hmac sha256", "hmac-sha-256"),
                ("hmac sha384", "hmac-sha-384"),
                ("hmac sha512", "hmac-sha-512"),
            ];
            authentication(lab, Bird, &modes);
        }),
        Test::new("rip::frr_restarts", |lab| restarts(lab, Frr, "md5")),
        Test::new("rip::bird_restarts", |lab| restarts(lab, Bird, "keyed md5")),
        Test::new("rip::frr_is_stopped_until_timeout", |lab| silence(lab, Frr)),
        Test::new("rip::bird_is_stopped_until_timeout", |lab| silence(lab, Bird)),
        Test::new("rip::tshark_reads_us_and_requests_are_answered", wire),
        Test::new("rip::between_bird_and_frr", between),
    ]
}

/// What the peer has behind it, and what we have.
const THEIRS: &str = "198.51.100.0/24";
const OURS: &str = "203.0.113.0/24";

/// Our file: RIP on `e0`, with these lines in `[rip]` and in `[rip.interface.e0]`.
fn config(rip: &str, interface: &str) -> String {
    format!(
        "\n[fib]\ninstall = true\n\n[rip]\n\
         timers = {{ update = 5, invalid = 15, garbage-collection = 10 }}\nredistribute = [\"connected\"]\n{rip}\n\
         [rip.interface.e0]\n{interface}\n"
    )
}

/// Two namespaces with a cable, and something behind each.
fn spaces(lab: &Lab) -> (Netns, Netns) {
    let (us, them) = (lab.space("us"), lab.space("them"));
    lab.link((&us, "e0", &["192.0.2.1/24"]), (&them, "e0", &["192.0.2.2/24"]));
    us.stub("stub0", &["203.0.113.1/24"]);
    them.stub("stub0", &["198.51.100.1/24"]);
    us.forward();
    them.forward();
    (us, them)
}

/// A kernel's routes to a prefix that RIP gave: their gateway and metric of the kernel.
fn gateway(space: &Netns, prefix: &str) -> Option<String> {
    let routes = space.routes(prefix);
    routes.iter().find_map(|route| Some(route["gateway"].as_str()?.to_owned()))
}

/// What RIP says of a prefix.
fn route(us: &Trunkline, prefix: &str) -> Value {
    let view = us.json(&["show", "rip", "routes", prefix]);
    view["routes"].as_array().and_then(|routes| routes.first().cloned()).unwrap_or_default()
}

fn both_ways(us_space: &Netns, them_space: &Netns, them: &RipDaemon, us: &Trunkline) {
    let begin = Instant::now();
    let done = || {
        gateway(us_space, THEIRS).as_deref() == Some("192.0.2.2")
            && gateway(them_space, OURS).as_deref() == Some("192.0.2.1")
    };
    while !done() {
        if begin.elapsed() > PATIENCE {
            panic!(
                "no routes both ways; the peer:\n{}\nours:\n{}",
                them.about(),
                us.run(&["show", "rip"]) + &us.run(&["show", "rip", "routes"])
            );
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// How long until `condition` holds, which it must.
fn time_until(what: &str, condition: impl FnMut() -> bool) -> Duration {
    let begin = Instant::now();
    wait_until(PATIENCE, what, condition);
    begin.elapsed()
}

fn routes(lab: &Lab, kind: RipKind) {
    let (us_space, them_space) = spaces(lab);
    // With regular updates this far apart, what comes soon was triggered.
    let long = RipSpec { timers: (60, 180, 120), ..RipSpec::new() };
    let them = RipDaemon::start(kind, lab, &them_space, "them", &long);
    let node = config("", "").replace("update = 5, invalid = 15", "update = 60, invalid = 180");
    let mut us = Trunkline::start_device(lab, &us_space, "us", &node);
    both_ways(&us_space, &them_space, &them, &us);
    let ping = ["ping", "-n", "-c", "1", "-W", "2", "-I", "203.0.113.1", "198.51.100.1"];
    assert!(us_space.output(&ping).status.success(), "no answer through the routes");
    assert_eq!(us_space.routes(THEIRS)[0]["protocol"], "217");
    let found = route(&us, THEIRS);
    assert_eq!((&found["state"], &found["metric"]), (&"valid".into(), &2.into()), "{found}");

    // Triggered updates (RFC 2453 §3.10.1). The first is sent at once, those after it wait 1 to 5 s.
    std::thread::sleep(Duration::from_secs(6));
    let theirs = time_until("their new network", || {
        if gateway(&us_space, "198.51.101.0/24").is_none() {
            let _ = them_space.output(&["ip", "addr", "add", "198.51.101.1/24", "dev", "stub0"]);
            return false;
        }
        true
    });
    std::thread::sleep(Duration::from_secs(6));
    let ours = time_until("our new network", || {
        if gateway(&them_space, "203.0.114.0/24").is_none() {
            let _ = us_space.output(&["ip", "addr", "add", "203.0.114.1/24", "dev", "stub0"]);
            return false;
        }
        true
    });
    std::thread::sleep(Duration::from_secs(6));
    us_space.ip("addr del 203.0.114.1/24 dev stub0");
    let gone = time_until("our network is gone", || gateway(&them_space, "203.0.114.0/24").is_none());
    println!("    triggered: theirs {theirs:.2?}, ours {ours:.2?}, gone {gone:.2?}");
    assert!(ours < Duration::from_secs(20) && gone < Duration::from_secs(20), "not triggered");

    // An orderly end: the peer hears at once, and the kernel is left as it was.
    us.process.terminate();
    assert!(us.process.wait().success());
    assert_eq!(gateway(&us_space, THEIRS), None);
    let end = time_until("our farewell", || gateway(&them_space, OURS).is_none());
    assert!(end < Duration::from_secs(20), "no farewell: {end:?}");
}

fn version_1(lab: &Lab, kind: RipKind) {
    let (us_space, them_space) = spaces(lab);
    let spec = RipSpec { version: 1, ..RipSpec::new() };
    let them = RipDaemon::start(kind, lab, &them_space, "them", &spec);
    let us = Trunkline::start_device(lab, &us_space, "us", &config("version = 1", ""));
    if kind == Bird {
        // BIRD 2.0.12 takes no route by version 1, not even from another BIRD: "RIPv1 reserved field is nonzero".
        wait_until(PATIENCE, "BIRD's route", || gateway(&us_space, THEIRS).is_some());
    } else {
        both_ways(&us_space, &them_space, &them, &us);
    }
    let neighbors = us.json(&["show", "rip", "neighbors"]);
    assert_eq!(neighbors["neighbors"][0]["version"], 1, "{neighbors}");
}

fn key_lines(mode: &str, secret: &str) -> (String, String) {
    let chain = format!("[[key-chain.k]]\nid = 7\nkey = \"{secret}\"\n");
    // FRR counts from the start again when it restarts.
    let more = "key-chain = \"k\", any-after-silence = true";
    (format!("authentication = {{ mode = \"{mode}\", {more} }}\n"), chain)
}

fn authentication(lab: &Lab, kind: RipKind, modes: &[(&str, &str)]) {
    for (number, (theirs, ours)) in modes.iter().enumerate() {
        let (us_space, them_space) = spaces(lab);
        let key: RipKey<'_> = Some((theirs, "secret"));
        let spec = RipSpec { key, ..RipSpec::new() };
        let name = format!("them-{ours}-{}", theirs.len());
        let mut them = RipDaemon::start(kind, lab, &them_space, &name, &spec);
        let (interface, chain) = key_lines(ours, "secret");
        let node = config("", &interface) + &chain;
        let mut us = Trunkline::start_device(lab, &us_space, &format!("us-{ours}-{}", theirs.len()), &node);
        both_ways(&us_space, &them_space, &them, &us);
        println!("    {theirs} with {ours}: routes both ways");

        // Another secret: nothing more is believed on either side, and we say why. It takes a timeout, so not with all.
        if number != 0 && number != modes.len() - 1 {
            lab.clear();
            continue;
        }
        let (interface, chain) = key_lines(ours, "other");
        us.reload_device(&(config("", &interface) + &chain));
        wait_until(PATIENCE, "routes of neither are left", || {
            gateway(&us_space, THEIRS).is_none() && gateway(&them_space, OURS).is_none()
        });
        let summary = us.json(&["show", "rip"]);
        let text = summary["interfaces"][0]["counters"].to_string();
        assert!(text.contains("auth"), "{text}");
        them.process.kill();
        us.process.kill();
        lab.clear();
    }
}

/// Either side dies and comes back: authenticated sequence numbers never go back (RFC 4822 §3.2.1).
fn restarts(lab: &Lab, kind: RipKind, mode: &str) {
    let (us_space, them_space) = spaces(lab);
    let spec = RipSpec { key: Some((mode, "secret")), ..RipSpec::new() };
    let mut them = RipDaemon::start(kind, lab, &them_space, "them", &spec);
    let (interface, chain) = key_lines("md5", "secret");
    let mut us = Trunkline::start_device(lab, &us_space, "us", &(config("", &interface) + &chain));
    both_ways(&us_space, &them_space, &them, &us);
    // We are killed, and are back before the peer has noticed.
    us.process.kill();
    assert_eq!(gateway(&us_space, THEIRS).as_deref(), Some("192.0.2.2"), "the kernel goes on without us");
    us.start_again();
    both_ways(&us_space, &them_space, &them, &us);
    let is_refreshed = |view: &Value| view["paths"][0]["heard"].as_f64().is_some_and(|heard| heard < 5.5);
    holds_for(Duration::from_secs(20), "the route stays: our updates are believed", || {
        gateway(&them_space, OURS).is_some()
    });
    assert!(is_refreshed(&route(&us, THEIRS)), "{}", route(&us, THEIRS));
    // The peer is.
    them.process.kill();
    them.start_again();
    both_ways(&us_space, &them_space, &them, &us);
    std::thread::sleep(Duration::from_secs(20));
    assert_eq!(gateway(&us_space, THEIRS).as_deref(), Some("192.0.2.2"), "its updates are believed");
}

/// The peer says nothing any more: the route becomes unreachable after the timeout, is told to others, and goes.
fn silence(lab: &Lab, kind: RipKind) {
    let (us_space, them_space) = spaces(lab);
    let them = RipDaemon::start(kind, lab, &them_space, "them", &RipSpec::new());
    let us = Trunkline::start_device(lab, &us_space, "us", &config("", ""));
    both_ways(&us_space, &them_space, &them, &us);
    them.process.stop();
    wait_until(PATIENCE, "the route times out", || route(&us, THEIRS)["state"] == "deleted");
    assert_eq!(gateway(&us_space, THEIRS), None, "it is used no more");
    let found = route(&us, THEIRS);
    assert_eq!(found["metric"], 16, "{found}");
    assert!(found["reason"].as_str().unwrap().contains("nothing was heard"), "{found}");
    wait_until(PATIENCE, "it is forgotten", || route(&us, THEIRS).is_null());
    them.process.cont();
    both_ways(&us_space, &them_space, &them, &us);
}

/// What we send as tshark reads it, poisoned reverse and authentication included; requests of others.
fn wire(lab: &Lab) {
    let (us_space, them_space) = spaces(lab);
    let capture = Capture::of(&us_space, "e0", lab.dir(), "udp port 520");
    let them = RipDaemon::start(Bird, lab, &them_space, "them", &RipSpec::new());
    let us = Trunkline::start_device(lab, &us_space, "us", &config("", ""));
    both_ways(&us_space, &them_space, &them, &us);
    let ours = "ip.src==192.0.2.1 && rip";
    wait_until(PATIENCE, "poisoned reverse (RFC 2453 §3.4.3)", || {
        let filter =
            format!("{ours} && ip.dst==224.0.0.9 && ip.ttl==1 && udp.srcport==520 && rip.version==2");
        let frames = capture.fields(&filter, &["rip.ip", "rip.metric"]);
        frames.iter().any(|line| {
            let (prefixes, metrics) = line.split_once('\t').unwrap_or_default();
            let mut both = prefixes.split(',').zip(metrics.split(','));
            both.any(|(prefix, metric)| prefix == "198.51.100.0" && metric == "16")
        })
    });

    // Anyone on the link may ask, as `ripquery` does, from a port of its own: the whole table, without split horizon
    // (RFC 2453 §3.9.1).
    let whole = [1, 2, 0, 0].into_iter().chain([0; 19]).chain([16]).collect::<Vec<u8>>();
    let specific = [
        1, 2, 0, 0, 0, 2, 0, 0, 198, 51, 100, 0, 255, 255, 255, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 10, 9,
        8, 0, 255, 255, 255, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    ];
    let ask = |request: &[u8]| {
        them_space.inside(|| {
            let socket = UdpSocket::bind("192.0.2.2:0").unwrap();
            socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
            socket.send_to(request, "192.0.2.1:520").unwrap();
            let mut octets = [0; 1500];
            let (len, from) = socket.recv_from(&mut octets).unwrap();
            assert_eq!(from.to_string(), "192.0.2.1:520");
            octets[..len].to_vec()
        })
    };
    let entries = |octets: &[u8]| -> Vec<([u8; 4], u8)> {
        assert_eq!(octets[..4], [2, 2, 0, 0]);
        octets[4..].chunks(20).map(|entry| (entry[4..8].try_into().unwrap(), entry[19])).collect()
    };
    let answer = entries(&ask(&whole));
    assert!(
        answer.contains(&([198, 51, 100, 0], 2)) && answer.contains(&([203, 0, 113, 0], 1)),
        "{answer:?}"
    );
    assert_eq!(entries(&ask(&specific)), [([198, 51, 100, 0], 2), ([10, 9, 8, 0], 16)]);

    // Each way to authenticate, as tshark has it: 2 is a password, 3 a digest of so many octets (RFC 2453 §4.1,
    // RFC 4822 §2.2).
    let modes = [
        ("text", "rip.auth.type==2"),
        ("md5", "rip.auth.type==3 && rip.auth_data_len==16"),
        ("hmac-sha-256", "rip.auth.type==3 && rip.auth_data_len==32"),
        ("hmac-sha-512", "rip.auth.type==3 && rip.auth_data_len==64"),
    ];
    for (mode, seen) in modes {
        let (interface, chain) = key_lines(mode, "secret");
        us.reload_device(&(config("", &interface) + &chain));
        wait_until(PATIENCE, mode, || {
            !capture.fields(&format!("{ours} && rip.command==2 && {seen}"), &["frame.number"]).is_empty()
        });
    }
    us.reload_device(&config("version = 1", ""));
    wait_until(PATIENCE, "version 1 by broadcast", || {
        let filter = format!("{ours} && ip.dst==192.0.2.255 && rip.version==1 && rip.command==2");
        !capture.fields(&filter, &["frame.number"]).is_empty()
    });
    let file = capture.finish();
    let malformed = "_ws.malformed || _ws.expert.group==Malformed";
    // tshark takes the trailer of a digest for one of MD5, and reads a longer one (RFC 4822) as an entry.
    let known = "rip.auth_data_len > 16 && _ws.expert.message == \"Unknown address family 65535\"";
    let filter = format!("{ours} && ({malformed} || (_ws.expert.group==Protocol && !({known})))");
    let bad = tshark(&file, &filter, &["frame.number", "_ws.expert.message"]);
    assert_eq!(bad, Vec::<String>::new(), "tshark finds fault with what we send");
}

/// BIRD — us — FRR: what one says reaches the other through us, and so does its end.
fn between(lab: &Lab) {
    let (bird_space, us_space, frr_space) = (lab.space("bird"), lab.space("us"), lab.space("frr"));
    lab.link((&us_space, "e0", &["192.0.2.1/30"]), (&bird_space, "e0", &["192.0.2.2/30"]));
    lab.link((&us_space, "e1", &["192.0.2.5/30"]), (&frr_space, "e0", &["192.0.2.6/30"]));
    bird_space.stub("stub0", &["198.51.100.1/24"]);
    frr_space.stub("stub0", &["203.0.113.1/24"]);
    us_space.forward();
    let bird = RipDaemon::start(Bird, lab, &bird_space, "bird", &RipSpec::new());
    let frr = RipDaemon::start(Frr, lab, &frr_space, "frr", &RipSpec::new());
    let node = config("", "cost = 2") + "[rip.interface.e1]\ncost = 3\n";
    let us = Trunkline::start_device(lab, &us_space, "us", &node);
    wait_until(PATIENCE, "routes through us", || {
        gateway(&bird_space, "203.0.113.0/24").as_deref() == Some("192.0.2.1")
            && gateway(&frr_space, "198.51.100.0/24").as_deref() == Some("192.0.2.5")
    });
    let ping = ["ping", "-n", "-c", "1", "-W", "2", "-I", "198.51.100.1", "203.0.113.1"];
    assert!(bird_space.output(&ping).status.success(), "no answer through us");
    assert_eq!(
        route(&us, "198.51.100.0/24")["metric"],
        3,
        "RFC 2453 §3.9.2: the cost of the network is added"
    );
    bird.process.terminate();
    wait_until(PATIENCE, "FRR hears of BIRD's end", || gateway(&frr_space, "198.51.100.0/24").is_none());
    drop(frr);
}
