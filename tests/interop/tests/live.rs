//! `explain bgp` of a running node: real daemons, real trouble. For each signature of why a session is not up the live command
//! names the cause; the same stands in `show bgp neighbors` and once in the log.

use crate::pair::*;
use serde_json::Value;
use std::io::Write;
use std::net::{IpAddr, TcpStream};
use std::time::Duration;
use trunkline_interop::peer::{Announcement, Kind, Spec};
use trunkline_interop::script::{self, Script};
use trunkline_interop::{Config, Lab, Neighbor, Netns, PATIENCE, Test, Trunkline, holds_within, wait_until};

type Scene = fn(&Lab);

/// The longest first.
const SCENES: &[(&str, Scene)] = &[
    ("s24_black_hole_there", black_hole_there),
    ("s24_black_hole_here", black_hole_here),
    ("s25_zero_window", zero_window),
    ("s11_ttl_security_at_bird", |lab| {
        ttl_security_there(lab, Kind::Bird, (OURS_4, THEIRS_4), "ttl security on;")
    }),
    ("s11_ttl_security_at_frr", |lab| {
        ttl_security_there(lab, Kind::Frr, (OURS_4, THEIRS_4), " neighbor 192.0.2.1 ttl-security hops 1")
    }),
    ("s11_ttl_security_by_ipv6", |lab| {
        ttl_security_there(lab, Kind::Bird, (OURS_6, THEIRS_6), "ttl security on;")
    }),
    ("s11_only_data_dropped", only_data_dropped),
    ("s11_all_dropped", all_dropped),
    ("s11_ttl_security_here", ttl_security_here),
    ("s01_both_passive", both_passive),
    ("s22_open_unanswered", open_unanswered),
    ("s23_stuck_after_open", stuck),
    ("s01_s02_s03_nobody_there", nobody_there),
    ("s04_rejected_by_a_firewall", firewall),
    ("s04_s05_behind_a_router", behind_a_router),
    ("s06_dropped_by_a_firewall", dropped),
    ("s07_they_do_not_sign", they_do_not_sign),
    ("s08_we_do_not_sign", we_do_not_sign),
    ("s09_keys_differ", keys_differ),
    ("s09_they_are_passive", keys_differ_passive),
    ("s10_ao_keys_differ", ao_keys_differ),
    ("s12_unknown_at_bird", |lab| unknown(lab, Kind::Bird)),
    ("s12_unknown_at_frr", |lab| unknown(lab, Kind::Frr)),
    ("s12_unknown_at_gobgp", |lab| unknown(lab, Kind::GoBgp)),
    ("s12_unknown_at_openbgpd", |lab| unknown(lab, Kind::OpenBgpd)),
    ("s12_unknown_at_each_address", unknown_at_each_address),
    ("s13_other_address_at_bird", |lab| other_address(lab, Kind::Bird)),
    ("s13_other_address_at_frr", |lab| other_address(lab, Kind::Frr)),
    ("s13_other_address_at_gobgp", |lab| other_address(lab, Kind::GoBgp)),
    ("s13_other_address_at_openbgpd", |lab| other_address(lab, Kind::OpenBgpd)),
    ("s13_it_connects_to_another_address", connects_to_another_address),
    ("s14_rejected", rejected),
    ("s15_version", |lab| answered(lab, script::open(3, 30, [192, 0, 2, 2]), "version")),
    ("s16_they_expect_another_as", |lab| bad_as(lab, Kind::Bird)),
    ("s16_frr_expects_another_as", |lab| bad_as(lab, Kind::Frr)),
    ("s16_we_expect_another_as", we_expect_another_as),
    ("s17_identifier_zero", |lab| answered(lab, script::open(4, 30, [0; 4]), "bad-identifier")),
    ("s18_hold_time", |lab| answered(lab, script::open(4, 1, [192, 0, 2, 2]), "hold-time")),
    ("s19_capability", capability),
    ("s20_optional_parameter", |lab| answered(lab, script::notification(2, 4, &[]), "optional-parameter")),
    ("s20_roles", roles),
    ("s21_collisions", collisions),
    ("s22_another_service", |lab| answered(lab, b"SSH-2.0-OpenSSH_9.2p1\r\n".to_vec(), "foreign")),
    ("s26_shutdown_and_back", shutdown_and_back),
    ("s26_too_many_prefixes_here", too_many_here),
    ("s26_too_many_prefixes_there", too_many_there),
    ("s27_malformed_update", malformed),
    ("s28_up_without_routes", no_routes),
];

pub(crate) fn tests() -> Vec<Test> {
    SCENES.iter().map(|(name, run)| Test::new(format!("live::{name}"), *run)).collect()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// What the live command says, whatever its exit status.
fn explain(tl: &Trunkline, neighbor: &str, more: &[&str]) -> (Value, Option<i32>) {
    let output = tl.cli(&[&["explain", "bgp", neighbor, "--json"], more].concat());
    let value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    (value, output.status.code())
}

/// Waits until this rule is the first verdict; the verdict.
#[track_caller]
fn first(tl: &Trunkline, neighbor: &str, rule: &str) -> Value {
    let mut last = Value::Null;
    let found = holds_within(PATIENCE, || {
        last = explain(tl, neighbor, &[]).0;
        last["verdicts"][0]["rule"] == rule
    });
    assert!(found, "{rule} does not come first for {neighbor}: {last:#}\n{}", tl.errors(ip(neighbor)));
    last["verdicts"][0].clone()
}

/// Without being asked the node finds it: it stands in `show bgp neighbors` and in the log, once; then the command says the same.
#[track_caller]
fn verdict(tl: &Trunkline, neighbor: &str, rule: &str) -> Value {
    let mut shown = Value::Null;
    let found = holds_within(PATIENCE, || {
        shown = tl.neighbor(ip(neighbor));
        shown["down_rule"] == rule
    });
    if !found {
        panic!("show says {}, explain {:#}", shown["down_because"], explain(tl, neighbor, &[]).0);
    }
    let verdict = first(tl, neighbor, rule);
    let says = verdict["says"].as_str().unwrap();
    assert_eq!(shown["down_because"], says);
    assert_eq!(explain(tl, neighbor, &[]).1, Some(3));
    assert!(verdict["seen"].as_array().is_some_and(|seen| !seen.is_empty()), "{verdict}");
    // Some tries more, and the log says no more.
    std::thread::sleep(Duration::from_millis(2500));
    let line = format!("BGP neighbor {neighbor}: {says} ({rule})");
    let log = tl.process.log();
    assert_eq!(log.matches(&line).count(), 1, "{line}\n{log}");
    verdict
}

fn words(verdict: &Value) -> String {
    verdict.to_string()
}

fn nft(space: &Netns, hook: &str, rule: &str) {
    let script = format!(
        "add table inet {hook}; add chain inet {hook} c {{ type filter hook {hook} priority 0; }}; \
         add rule inet {hook} c {rule}"
    );
    space.sh(&["nft", &script]);
}

/// Us, a router, and the other.
fn routed(lab: &Lab) -> (Netns, Netns, Netns) {
    let (us, r, them) = (lab.space("us"), lab.space("r"), lab.space("them"));
    r.forward();
    lab.link((&us, "e0", &["192.0.2.1/24"]), (&r, "e0", &["192.0.2.254/24"]));
    lab.link((&them, "e0", &["198.51.100.2/24"]), (&r, "e1", &["198.51.100.254/24"]));
    us.ip("route add 198.51.100.0/24 via 192.0.2.254");
    them.ip("route add 192.0.2.0/24 via 198.51.100.254");
    (us, r, them)
}

const FAR: &str = "198.51.100.2";

fn far(multihop: bool) -> Config {
    let neighbor = Neighbor::new(FAR, THEIR_AS).set("hold-time", "6");
    let neighbor = if multihop { neighbor.set("multihop", "4") } else { neighbor };
    Config::new(OUR_AS, OURS_4).neighbor(neighbor)
}

fn far_spec() -> Spec {
    Spec::new(THEIR_AS, THEIRS_4).session(FAR, OURS_4, OUR_AS)
}

/// Nothing leaves, nobody is there, nobody listens; IPv4 and IPv6.
fn nobody_there(lab: &Lab) {
    let pair = Pair::new(lab);
    let config = us()
        .neighbor(Neighbor::new("192.0.2.99", THEIR_AS))
        .neighbor(Neighbor::new("2001:db8::99", THEIR_AS))
        .neighbor(Neighbor::new("203.0.113.9", THEIR_AS))
        .neighbor(Neighbor::new("2001:db8:9::9", THEIR_AS))
        .neighbor(Neighbor::new("192.0.2.3", THEIR_AS).set("enabled", "false"))
        .neighbor(Neighbor::new("192.0.2.4", THEIR_AS).set("local-address", "\"192.0.2.77\""));
    let tl = Trunkline::start(lab, &pair.us, "us", &config);
    for (neighbor, rule) in [
        (THEIRS_4, "refused"),
        (THEIRS_6, "refused"),
        ("203.0.113.9", "no-route"),
        ("2001:db8:9::9", "no-route"),
        ("192.0.2.99", "arp-unanswered"),
        ("2001:db8::99", "arp-unanswered"),
        ("192.0.2.4", "local-address"),
    ] {
        verdict(&tl, neighbor, rule);
    }
    first(&tl, "192.0.2.3", "disabled-here");
    let text = tl.cli(&["explain", "bgp", THEIRS_4]);
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    for part in ["error: 192.0.2.2 refuses the connection", "(refused)", "seen", "not excluded", "try next"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    // The neighbor that there is not, and those that there are.
    let output = tl.cli(&["explain", "bgp", "192.0.2.22"]);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(error.contains("did you mean 192.0.2.2?") && error.contains("203.0.113.9"), "{error}");
    assert_eq!(output.status.code(), Some(1));
    pair.us.ip("link set e0 down");
    first(&tl, THEIRS_4, "interface-down");
}

fn both_passive(lab: &Lab) {
    let pair = Pair::new(lab);
    let tl = Trunkline::start(lab, &pair.us, "us", &all(us(), "passive", "true"));
    let _bird = Kind::Bird.start(lab, &pair.them, "them", them_4().passive());
    verdict(&tl, THEIRS_4, "passive-here");
    // BIRD listens, IPv4 only.
    let (told, _) = explain(&tl, THEIRS_4, &["--probe"]);
    let said = words(&told["verdicts"][0]);
    assert!(said.contains("it listens") && said.contains("the host is up"), "{told:#}");
    let (told, _) = explain(&tl, THEIRS_6, &["--probe"]);
    assert!(words(&told["verdicts"][0]).contains("nobody listens there"), "{told:#}");
}

fn firewall(lab: &Lab) {
    let pair = Pair::new(lab);
    nft(&pair.them, "input", "tcp dport 179 reject with icmpx admin-prohibited");
    let tl = Trunkline::start(lab, &pair.us, "us", &us());
    let said = verdict(&tl, THEIRS_4, "unreachable");
    assert!(words(&said).contains("ICMP error of 192.0.2.2: administratively prohibited"), "{said:#}");
    verdict(&tl, THEIRS_6, "unreachable");
}

fn behind_a_router(lab: &Lab) {
    let (us, r, them) = routed(lab);
    let tl = Trunkline::start(lab, &us, "us", &far(false));
    let said = verdict(&tl, FAR, "multihop");
    assert!(words(&said).contains("192.0.2.254: time exceeded"), "{said:#}");
    // With more TTL nobody is there, then the router has no route.
    tl.reload(&far(true));
    them.ip("addr flush dev e0");
    let said = verdict(&tl, FAR, "unreachable");
    assert!(words(&said).contains("192.0.2.254: host unreachable"), "{said:#}");
    r.ip("addr flush dev e1");
    wait_until(PATIENCE, "net unreachable", || {
        words(&explain(&tl, FAR, &[]).0).contains("192.0.2.254: net unreachable")
    });
}

fn dropped(lab: &Lab) {
    let pair = Pair::new(lab);
    nft(&pair.them, "input", "tcp dport 179 drop");
    let tl = Trunkline::start(lab, &pair.us, "us", &us_4());
    let said = verdict(&tl, THEIRS_4, "silence");
    assert!(words(&said).contains("no counter of this network namespace"), "{said:#}");
    // It answers ARP.
    assert!(!said["not_excluded"].to_string().contains("is down"), "{said:#}");
    let (told, _) = explain(&tl, THEIRS_4, &["--probe"]);
    assert!(words(&told).contains("which came with TTL 64): the host is up"), "{told:#}");
}

fn with_password(
    kind: Kind,
    lab: &Lab,
    pair: &Pair,
    password: Option<&str>,
) -> Box<dyn trunkline_interop::peer::Peer> {
    let mut spec = them_4();
    spec.sessions[0].password = password.map(str::to_owned);
    kind.start(lab, &pair.them, "them", spec)
}

fn they_do_not_sign(lab: &Lab) {
    let pair = Pair::new(lab);
    let tl = Trunkline::start(lab, &pair.us, "us", &all(us_4(), "password", "\"secret\""));
    let _bird = with_password(Kind::Bird, lab, &pair, None);
    let said = verdict(&tl, THEIRS_4, "md5-one-side");
    assert!(said["says"].as_str().unwrap().starts_with("192.0.2.1 signs its segments"), "{said:#}");
    assert!(
        words(&said).contains("the counter TCPMD5NotFound of this network namespace rose by"),
        "{said:#}"
    );
}

fn we_do_not_sign(lab: &Lab) {
    let pair = Pair::new(lab);
    let tl = Trunkline::start(lab, &pair.us, "us", &us_4());
    let _frr = with_password(Kind::Frr, lab, &pair, Some("secret"));
    let said = verdict(&tl, THEIRS_4, "md5-one-side");
    assert!(said["says"].as_str().unwrap().starts_with("192.0.2.2 signs its segments"), "{said:#}");
    assert!(words(&said).contains("TCPMD5Unexpected"), "{said:#}");
}

fn keys_differ(lab: &Lab) {
    let pair = Pair::new(lab);
    let tl = Trunkline::start(lab, &pair.us, "us", &all(us_4(), "password", "\"secret\""));
    let mut bird = with_password(Kind::Bird, lab, &pair, Some("Secret"));
    verdict(&tl, THEIRS_4, "md5-differs");
    // What was wrong is forgotten when the session is up.
    bird.process().kill();
    drop(bird);
    let _bird = with_password(Kind::Bird, lab, &pair, Some("secret"));
    wait_until(PATIENCE, "up", || tl.established(ip(THEIRS_4)));
    assert_eq!(tl.neighbor(ip(THEIRS_4))["down_rule"], Value::Null);
}

/// Then no counter of ours tells.
fn keys_differ_passive(lab: &Lab) {
    let pair = Pair::new(lab);
    let tl = Trunkline::start(lab, &pair.us, "us", &all(us_4(), "password", "\"secret\""));
    let mut spec = them_4().passive();
    spec.sessions[0].password = Some("Secret".into());
    let _bird = Kind::Bird.start(lab, &pair.them, "them", spec);
    verdict(&tl, THEIRS_4, "md5-silence");
}

/// By our own TCP, since this kernel has no TCP-AO.
fn ao_keys_differ(lab: &Lab) {
    let (a, b) = (lab.space("a"), lab.space("b"));
    lab.link((&a, "e0", &[]), (&b, "e0", &[]));
    let node = |local: &str, remote: &str, asn: u32, peer: u32, secret: &str| {
        format!(
            "router-id = \"{local}\"\n\n[interface.e0]\nport = \"packet\"\naddress = [\"{local}/24\"]\n\n[bgp]\n\
             asn = {asn}\n\n[[bgp.neighbor]]\naddress = \"{remote}\"\nasn = {peer}\nimport = \"accept\"\n\
             export = \"accept\"\nconnect-retry = 1\npassive = {}\n\
             tcp-ao = {{ keys = [{{ send-id = 1, receive-id = 1, key = \"{secret}\" }}] }}\n",
            asn == THEIR_AS
        )
    };
    let _them =
        Trunkline::start_device(lab, &b, "them", &node(THEIRS_4, OURS_4, THEIR_AS, OUR_AS, "this year's"));
    let tl = Trunkline::start_device(lab, &a, "us", &node(OURS_4, THEIRS_4, OUR_AS, THEIR_AS, "last year's"));
    let said = verdict(&tl, THEIRS_4, "ao-silence");
    assert!(words(&said).contains("its ARP entry is"), "{said:#}");
}

fn ttl_security_here(lab: &Lab) {
    let pair = Pair::new(lab);
    let tl = Trunkline::start(lab, &pair.us, "us", &all(us_4(), "ttl-security", "1"));
    let _bird = Kind::Bird.start(lab, &pair.them, "them", them_4().passive());
    let said = verdict(&tl, THEIRS_4, "ttl-dropped");
    assert!(words(&said).contains("TCPMinTTLDrop"), "{said:#}");
}

fn ttl_security_there(lab: &Lab, kind: Kind, (ours, theirs): (&str, &str), lines: &str) {
    let pair = Pair::new(lab);
    let config = Config::new(OUR_AS, OURS_4).neighbor(Neighbor::new(theirs, THEIR_AS));
    let tl = Trunkline::start(lab, &pair.us, "us", &config);
    let mut spec = Spec::new(THEIR_AS, THEIRS_4).session(theirs, ours, OUR_AS).passive();
    spec.session_lines = lines.into();
    spec.hold = 6;
    let _peer = kind.start(lab, &pair.them, "them", spec);
    // The OPEN may still get through: then the session seems to be up. At first nothing is known of the peer's TTL.
    let said = verdict_of_a_flap(&tl, theirs, "ttl-security");
    let begin = format!("{ours} sends with a TTL too small for {theirs}");
    assert!(said["says"].as_str().unwrap().starts_with(&begin), "{said:#}");
    let said = words(&said);
    assert!(said.contains("leave with a TTL of 1") && said.contains("come with a TTL of 255"), "{said}");
}

/// The handshake passes, and nothing of ours with data: as above, but the peer takes our acknowledgments.
fn only_data_dropped(lab: &Lab) {
    let pair = Pair::new(lab);
    nft(&pair.them, "input", "tcp dport 179 tcp flags & psh == psh drop");
    let tl = Trunkline::start(lab, &pair.us, "us", &us_4());
    let mut spec = them_4().passive();
    spec.hold = 6;
    let _bird = Kind::Bird.start(lab, &pair.them, "them", spec);
    let said = verdict_of_a_flap(&tl, THEIRS_4, "unacknowledged");
    assert!(words(&said).contains("takes our ack") && !words(&said).contains("demands a TTL"), "{said:#}");
    // BIRD closes what comes afterwards with the TTL of its listener, which is 255.
    wait_until(PATIENCE, "it closes the next ones", || {
        words(&explain(&tl, THEIRS_4, &[]).0).contains("closed-before-open")
    });
    first(&tl, THEIRS_4, "unacknowledged");
    assert!(!tl.process.log().contains("(ttl-security)"));
}

/// Nothing of ours arrives any more, as where the peer drops it for the TTL, but it sends with that of its system.
fn all_dropped(lab: &Lab) {
    let pair = Pair::new(lab);
    let them = pair.them.clone();
    let _script = Script::start(&pair.them, THEIRS_4, move |stream: &mut TcpStream| {
        script::read(stream)?;
        nft(&them, "input", "tcp dport 179 drop");
        stream.write_all(&script::good_open())?;
        script::linger(stream)
    });
    let tl = Trunkline::start(lab, &pair.us, "us", &us_4());
    verdict(&tl, THEIRS_4, "unacknowledged");
    wait_until(PATIENCE, "TTL security is excluded", || {
        let said = words(&first(&tl, THEIRS_4, "unacknowledged"));
        said.contains("come with a TTL of 64") && !said.contains("demands a TTL")
    });
}

fn unknown(lab: &Lab, kind: Kind) {
    let pair = Pair::new(lab);
    let tl = Trunkline::start(lab, &pair.us, "us", &us_4());
    let mut spec = them_4();
    spec.sessions[0].remote = ip("192.0.2.99");
    let _peer = kind.start(lab, &pair.them, "them", spec);
    verdict(&tl, THEIRS_4, "closed-before-open");
}

/// The peer waits for another of our addresses: a connection from there tells, which only a probe makes.
fn other_address(lab: &Lab, kind: Kind) {
    let pair = Pair::new(lab);
    pair.us.address("e0", "192.0.2.11/24");
    let tl = Trunkline::start(lab, &pair.us, "us", &us_4());
    let mut spec = them_4().passive();
    spec.sessions[0].remote = ip("192.0.2.11");
    let _peer = kind.start(lab, &pair.them, "them", spec);
    let said = verdict(&tl, THEIRS_4, "closed-before-open");
    assert!(words(&said).contains("may know it: 192.0.2.11"), "{said:#}");
    let (told, _) = explain(&tl, THEIRS_4, &["--probe"]);
    assert_eq!(told["verdicts"][0]["rule"], "update-source", "{told:#}");
    let said = words(&told["verdicts"][0]);
    assert!(
        said.contains("a connection from 192.0.2.11 was answered by an OPEN, one from 192.0.2.1"),
        "{said}"
    );
}

/// We have other addresses, and the peer wants none of them.
fn unknown_at_each_address(lab: &Lab) {
    let pair = Pair::new(lab);
    pair.us.address("e0", "192.0.2.11/24");
    pair.us.address("lo", "203.0.113.1/32");
    pair.them.ip("route add 203.0.113.1 via 192.0.2.1");
    let tl = Trunkline::start(lab, &pair.us, "us", &us_4());
    let mut spec = them_4();
    spec.sessions[0].remote = ip("192.0.2.99");
    let _bird = Kind::Bird.start(lab, &pair.them, "them", spec);
    verdict(&tl, THEIRS_4, "closed-before-open");
    let (told, _) = explain(&tl, THEIRS_4, &["--probe"]);
    assert_eq!(told["verdicts"][0]["rule"], "closed-before-open", "{told:#}");
    assert!(words(&told).contains("from 203.0.113.1, 192.0.2.11 fare no better"), "{told:#}");
}

/// The peer connects to an address of ours where nobody listens: its SYNs tell.
fn connects_to_another_address(lab: &Lab) {
    let pair = Pair::new(lab);
    pair.us.address("e0", "192.0.2.11/24");
    let mut ours = us_4();
    ours.bgp = "listen = [\"192.0.2.1:179\"]\n".into();
    let tl = Trunkline::start(lab, &pair.us, "us", &ours);
    let mut spec = them_4();
    spec.sessions[0].remote = ip("192.0.2.11");
    let _bird = Kind::Bird.start(lab, &pair.them, "them", spec);
    let said = verdict(&tl, THEIRS_4, "update-source");
    assert!(words(&said).contains("itself connects to 192.0.2.11, another address of this node"), "{said:#}");
    // With that address as ours all is well.
    tl.reload(&all(ours, "local-address", "\"192.0.2.11\""));
    wait_until(PATIENCE, "up", || tl.established(ip(THEIRS_4)));
}

fn rejected(lab: &Lab) {
    let pair = Pair::new(lab);
    let tl = Trunkline::start(lab, &pair.us, "us", &us_4());
    let mut spec = them_4();
    spec.sessions[0].remote = ip("192.0.2.99");
    spec.global_lines = "reject = \"notify\"".into();
    let _peer = Kind::Trunkline.start(lab, &pair.them, "them", spec);
    verdict(&tl, THEIRS_4, "connection-rejected");
}

/// A script answers our OPEN with this.
fn answered(lab: &Lab, answer: Vec<u8>, rule: &str) {
    let pair = Pair::new(lab);
    let _script = Script::start(&pair.them, THEIRS_4, move |stream: &mut TcpStream| {
        script::read(stream)?;
        stream.write_all(&answer)?;
        script::linger(stream)
    });
    let tl = Trunkline::start(lab, &pair.us, "us", &us_4());
    verdict(&tl, THEIRS_4, rule);
}

fn bad_as(lab: &Lab, kind: Kind) {
    let pair = Pair::new(lab);
    let tl = Trunkline::start(lab, &pair.us, "us", &us_4());
    let mut spec = them_4();
    spec.sessions[0].remote_asn = 64999;
    let _peer = kind.start(lab, &pair.them, "them", spec);
    let said = verdict(&tl, THEIRS_4, "bad-peer-as");
    assert!(said["says"].as_str().unwrap().starts_with("192.0.2.2 expects another AS"), "{said:#}");
}

fn we_expect_another_as(lab: &Lab) {
    let pair = Pair::new(lab);
    let mut ours = us();
    ours.neighbors.iter_mut().for_each(|neighbor| neighbor.asn = 64999);
    let tl = Trunkline::start(lab, &pair.us, "us", &ours);
    let _bird = Kind::Bird.start(lab, &pair.them, "them", them());
    for (us, them) in [(OURS_4, THEIRS_4), (OURS_6, THEIRS_6)] {
        let said = verdict(&tl, them, "bad-peer-as");
        assert!(said["says"].as_str().unwrap().starts_with(&format!("{us} expects another AS")), "{said:#}");
        assert!(words(&said).contains("64999") && words(&said).contains("65002"), "{said:#}");
    }
}

fn capability(lab: &Lab) {
    let pair = Pair::new(lab);
    let tl = Trunkline::start(lab, &pair.us, "us", &us_4());
    let _script = Script::start(&pair.them, THEIRS_4, |stream: &mut TcpStream| {
        script::read(stream)?;
        // IPv6 unicast is demanded.
        stream.write_all(&[script::good_open(), script::notification(2, 7, &[1, 4, 0, 2, 0, 1])].concat())?;
        script::linger(stream)
    });
    verdict(&tl, THEIRS_4, "capability");
}

fn roles(lab: &Lab) {
    let pair = Pair::new(lab);
    let tl = Trunkline::start(lab, &pair.us, "us", &all(us_4(), "role", "\"customer\""));
    let mut spec = them_4();
    spec.session_lines = "local role customer;".into();
    let _bird = Kind::Bird.start(lab, &pair.them, "them", spec);
    verdict(&tl, THEIRS_4, "role");
}

fn collisions(lab: &Lab) {
    let pair = Pair::new(lab);
    let _script = Script::start(&pair.them, THEIRS_4, |stream: &mut TcpStream| {
        script::read(stream)?;
        stream.write_all(&[script::good_open(), script::notification(6, 7, &[])].concat())?;
        script::linger(stream)
    });
    let tl = Trunkline::start(lab, &pair.us, "us", &us_4());
    verdict(&tl, THEIRS_4, "collision");
}

fn open_unanswered(lab: &Lab) {
    let pair = Pair::new(lab);
    let mut frr = Kind::Frr.start(lab, &pair.them, "them", them_4().passive());
    frr.process().stop();
    let tl = Trunkline::start(lab, &pair.us, "us", &us_4());
    verdict(&tl, THEIRS_4, "open-unanswered");
}

fn stuck(lab: &Lab) {
    let pair = Pair::new(lab);
    let _script = Script::start(&pair.them, THEIRS_4, |stream: &mut TcpStream| {
        script::read(stream)?;
        stream.write_all(&script::open(4, 6, [192, 0, 2, 2]))?;
        script::linger(stream)
    });
    let tl = Trunkline::start(lab, &pair.us, "us", &us_4());
    verdict(&tl, THEIRS_4, "stuck-after-open");
}

/// Networks enough for many full segments.
fn many(mut config: Config, count: usize) -> Config {
    for i in 0..count {
        let prefix = format!("10.{}.{}.0/24", i / 256, i % 256);
        config.tables += &format!("[[static]]\nprefix = \"{prefix}\"\nblackhole = true\n\n");
        config.networks.push(prefix);
    }
    config
}

/// A path that loses large packets, and the ICMP that would say so.
fn hole(lab: &Lab) -> (Netns, Netns, Netns) {
    let (us, r, them) = routed(lab);
    for space in [&us, &r, &them] {
        for interface in ["e0", "e1"] {
            space
                .output(&["ethtool", "-K", interface, "tx", "off", "tso", "off", "gso", "off", "gro", "off"]);
        }
    }
    nft(&r, "output", "meta l4proto icmp drop");
    (us, r, them)
}

fn black_hole_there(lab: &Lab) {
    let (us, r, them) = hole(lab);
    r.ip("link set e1 mtu 1000");
    let mut spec = far_spec().passive();
    spec.hold = 9;
    spec.session_lines = "multihop 4;".into();
    let _bird = Kind::Bird.start(lab, &them, "them", spec);
    let mut ours = many(far(true), 600);
    ours.neighbors[0] = ours.neighbors[0].clone().set("hold-time", "9");
    let tl = Trunkline::start(lab, &us, "us", &ours);
    wait_until(PATIENCE, "it was up, and ended", || tl.neighbor(ip(FAR))["flaps"] != 0);
    let said = verdict_of_a_flap(&tl, FAR, "mtu-black-hole");
    assert!(said["says"].as_str().unwrap().starts_with("Large packets from 192.0.2.1 to"), "{said:#}");
}

/// Of a session that comes up again and again: while it is down, in the log; while it is up, as a warning.
#[track_caller]
fn verdict_of_a_flap(tl: &Trunkline, neighbor: &str, rule: &str) -> Value {
    let said = first(tl, neighbor, rule);
    let line = format!("BGP neighbor {neighbor}: {} ({rule})", said["says"].as_str().unwrap());
    wait_until(PATIENCE, "it stands in the log", || tl.process.log().contains(&line));
    said
}

fn black_hole_here(lab: &Lab) {
    let (us, r, them) = hole(lab);
    r.ip("link set e0 mtu 1000");
    let mut spec = far_spec().passive();
    spec.hold = 9;
    spec.session_lines = "multihop 4;".into();
    spec.global_lines = {
        let routes: String =
            (0..600).map(|i| format!("  route 10.{}.{}.0/24 blackhole;\n", i / 256, i % 256)).collect();
        format!("protocol static many {{\n  ipv4;\n{routes}}}\n")
    };
    let _bird = Kind::Bird.start(lab, &them, "them", spec);
    let tl = Trunkline::start(lab, &us, "us", &far(true));
    let said = verdict_of_a_flap(&tl, FAR, "mtu-black-hole");
    assert!(said["says"].as_str().unwrap().starts_with("Large packets from 198.51.100.2 to"), "{said:#}");
}

fn zero_window(lab: &Lab) {
    let pair = Pair::new(lab);
    pair.them.sysctl("net.ipv4.tcp_rmem", "\"4096 4096 4096\"");
    pair.us.sysctl("net.ipv4.tcp_wmem", "\"4096 16384 16384\"");
    let _script = Script::start(&pair.them, THEIRS_4, |stream: &mut TcpStream| {
        script::establish(stream)?;
        loop {
            stream.write_all(&script::keepalive())?;
            std::thread::sleep(Duration::from_secs(1));
        }
    });
    let ours = all(many(us_4(), 3000), "hold-time", "6");
    let tl = Trunkline::start(lab, &pair.us, "us", &all(ours, "send-hold-time", "12"));
    // While the session is up.
    let said = first(&tl, THEIRS_4, "zero-window");
    assert!(words(&said).contains("window is closed"), "{said:#}");
    assert_eq!(explain(&tl, THEIRS_4, &["--probe"]).0["state"], "Established", "the probe does no harm");
    wait_until(PATIENCE, "the send hold timer", || tl.neighbor(ip(THEIRS_4))["flaps"] != 0);
    verdict_of_a_flap(&tl, THEIRS_4, "zero-window");
}

fn shutdown_and_back(lab: &Lab) {
    let pair = Pair::new(lab);
    let tl = Trunkline::start(lab, &pair.us, "us", &us_4());
    let _them = Kind::Bird.start(lab, &pair.them, "them", them_4());
    wait_until(PATIENCE, "up", || tl.established(ip(THEIRS_4)));
    let socket = lab.dir().join("them").join("bird.ctl");
    let birdc = |order: &[&str]| pair.them.sh(&[&["birdc", "-s", socket.to_str().unwrap()], order].concat());
    birdc(&["disable", "s0", "\"Maintenance until noon\""]);
    verdict(&tl, THEIRS_4, "shutdown");
    birdc(&["enable", "s0"]);
    wait_until(PATIENCE, "up again", || tl.established(ip(THEIRS_4)));
    assert_eq!(tl.neighbor(ip(THEIRS_4))["down_rule"], Value::Null);
    // By our own hand.
    tl.run(&["bgp", THEIRS_4, "shutdown"]);
    first(&tl, THEIRS_4, "disabled-here");
}

fn too_many_here(lab: &Lab) {
    let pair = Pair::new(lab);
    let tl = Trunkline::start(lab, &pair.us, "us", &all(us_4(), "maximum-prefixes", "1"));
    let mut them = Kind::Bird.start(lab, &pair.them, "them", them_4());
    them.announce(&Announcement::new(THEIR_NETWORK_4));
    them.announce(&Announcement::new("198.51.101.0/24"));
    let said = first(&tl, THEIRS_4, "max-prefix");
    assert!(said["says"].as_str().unwrap().starts_with("192.0.2.1 ends the session"), "{said:#}");
    let all = explain(&tl, THEIRS_4, &[]).0;
    assert!(words(&all).contains("stopped-here"), "{all:#}");
}

fn too_many_there(lab: &Lab) {
    let pair = Pair::new(lab);
    let mut spec = them_4();
    spec.session_lines =
        " address-family ipv4 unicast\n  neighbor 192.0.2.1 maximum-prefix 5\n exit-address-family".into();
    let _frr = Kind::Frr.start(lab, &pair.them, "them", spec);
    let tl = Trunkline::start(lab, &pair.us, "us", &many(us_4(), 10));
    let said = verdict(&tl, THEIRS_4, "max-prefix");
    assert!(said["says"].as_str().unwrap().starts_with("192.0.2.2 ends the session"), "{said:#}");
}

fn malformed(lab: &Lab) {
    let pair = Pair::new(lab);
    let _script = Script::start(&pair.them, THEIRS_4, |stream: &mut TcpStream| {
        script::establish(stream)?;
        stream.write_all(&script::message(2, &[0xff, 0xff, 0, 0, 24, 203, 0, 113]))?;
        script::linger(stream)
    });
    let tl = Trunkline::start(lab, &pair.us, "us", &us_4());
    verdict_of_a_flap(&tl, THEIRS_4, "update-error");
}

/// Up, and no route is used: no policy, our own AS in the path, a next hop without a route, and nothing at all.
fn no_routes(lab: &Lab) {
    let pair = Pair::new(lab);
    let mut ours = us_4();
    let neighbor = ours.neighbors[0].clone();
    ours.neighbors[0] = neighbor.clone().set("import", "\"reject\"").set("export", "\"reject\"");
    let tl = Trunkline::start(lab, &pair.us, "us", &ours);
    let mut them = Kind::Bird.start(lab, &pair.them, "them", them_4());
    wait_until(PATIENCE, "up", || tl.established(ip(THEIRS_4)));
    let said = first(&tl, THEIRS_4, "no-routes");
    assert!(words(&said).contains("import and export refuse everything here"), "{said:#}");
    them.announce(&Announcement::new(THEIR_NETWORK_4));
    first(&tl, THEIRS_4, "import-refuses");
    ours.neighbors[0] = neighbor;
    tl.reload(&ours);
    wait_until(PATIENCE, "all is well", || {
        let (told, status) = explain(&tl, THEIRS_4, &[]);
        status == Some(0) && told["state"] == "Established"
    });
    drop(them);
    let mut spec = them_4();
    spec.global_lines =
        "protocol static looped {\n  ipv4;\n  route 203.0.113.0/24 blackhole { bgp_path.prepend(65001); };\n}".into();
    let bird = Kind::Bird.start(lab, &pair.them, "again", spec);
    first(&tl, THEIRS_4, "own-as");
    drop(bird);
    let mut internal = us_4();
    internal.neighbors[0].asn = OUR_AS;
    tl.reload(&internal);
    let mut spec = Spec::new(OUR_AS, THEIRS_4).session(THEIRS_4, OURS_4, OUR_AS);
    spec.global_lines =
        "protocol static far {\n  ipv4;\n  route 198.18.0.0/15 blackhole { bgp_next_hop = 203.0.113.99; };\n}".into();
    let _bird = Kind::Bird.start(lab, &pair.them, "internal", spec);
    let said = first(&tl, THEIRS_4, "none-used");
    assert!(words(&said).contains("no route to the next hop 203.0.113.99"), "{said:#}");
}
