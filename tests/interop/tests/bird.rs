//! What BIRD alone can do, or what takes two of it.

use crate::pair::*;
use std::fmt::Write;
use std::net::IpAddr;
use trunkline_interop::peer::{ANY_EXTERNAL, Announcement, Kind, Spec};
use trunkline_interop::{Capture, Config, Lab, Neighbor, Netns, PATIENCE, Test, Trunkline, wait_until};

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::new("bird::ten_thousand_routes_through_us", ten_thousand),
        Test::new("bird::extended_messages_through_us", extended),
        Test::new("bird::four_octet_as_numbers", four_octet),
        Test::new("bird::four_octet_as_numbers_towards_an_old_speaker", old_speaker),
        Test::new("bird::maximum_prefixes", maximum_prefixes),
        Test::new("bird::shutdown_message_and_start", shutdown),
        Test::new("bird::listen_range", listen_range),
        Test::new("bird::ttl_security", ttl_security),
        Test::new("bird::internal_session_keeps_local_pref", internal),
        Test::new("bird::both_families_on_one_session", both_families),
    ]
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// BIRD – we – BIRD, on two links.
struct Line {
    us: Netns,
    left: Netns,
    right: Netns,
}

const LEFT: &str = "192.0.2.2";
const RIGHT: &str = "192.0.2.130";
const OURS_LEFT: &str = "192.0.2.1";
const OURS_RIGHT: &str = "192.0.2.129";

impl Line {
    fn new(lab: &Lab) -> Line {
        let [us, left, right] = ["us", "left", "right"].map(|role| lab.space(role));
        lab.link((&us, "e0", &["192.0.2.1/25"]), (&left, "e0", &["192.0.2.2/25"]));
        lab.link((&us, "e1", &["192.0.2.129/25"]), (&right, "e0", &["192.0.2.130/25"]));
        Line { us, left, right }
    }
}

fn line_config() -> Config {
    Config::new(OUR_AS, OURS_LEFT).neighbor(Neighbor::new(LEFT, 65002)).neighbor(Neighbor::new(RIGHT, 65003))
}

fn left() -> Spec {
    Spec::new(65002, LEFT).session(LEFT, OURS_LEFT, OUR_AS)
}

fn right() -> Spec {
    Spec::new(65003, RIGHT).session(RIGHT, OURS_RIGHT, OUR_AS)
}

fn ten_thousand(lab: &Lab) {
    let line = Line::new(lab);
    let tl = Trunkline::start(lab, &line.us, "us", &line_config());
    let mut spec = left();
    spec.global_lines = "protocol static many {\n  ipv4;\n".into();
    for i in 0..10_000 {
        // Ten routes share one set of attributes.
        let (high, low) = (i / 250, i % 250);
        let _ = writeln!(
            spec.global_lines,
            "  route 10.{high}.{low}.0/24 blackhole {{ bgp_community.add((65002,{})); }};",
            i / 10
        );
    }
    spec.global_lines += "}\n";
    let left = Kind::Bird.start(lab, &line.left, "left", spec);
    let right = Kind::Bird.start(lab, &line.right, "right", right());
    wait_until(PATIENCE, "all at ours", || {
        tl.neighbor(ip(LEFT))["prefixes_received"] == 10_000
            && tl.neighbor(ip(LEFT))["prefixes_accepted"] == 10_000
    });
    wait_until(PATIENCE, "all at the other BIRD", || tl.neighbor(ip(RIGHT))["prefixes_advertised"] == 10_000);
    wait_until(PATIENCE, "the other BIRD says so", || right.about(ip(OURS_RIGHT)).contains("10000 imported"));
    for i in [0, 4_321, 9_999] {
        let prefix = format!("10.{}.{}.0/24", i / 250, i % 250);
        let route = right.route(ip(OURS_RIGHT), &prefix).unwrap();
        assert_eq!(route.as_path, "65001 65002");
        assert_eq!(route.communities, [format!("65002:{}", i / 10)]);
    }
    let all: usize = tl.paths(&[]).len();
    assert_eq!(all, 10_000, "show prints the whole table, page by page");
    drop(left);
    wait_until(PATIENCE, "all withdrawn", || right.about(ip(OURS_RIGHT)).contains("0 imported"));
}

/// RFC 8654: a route whose attributes alone take more than 4096 octets.
fn extended(lab: &Lab) {
    let line = Line::new(lab);
    let tl = Trunkline::start(lab, &line.us, "us", &line_config());
    let (mut left, mut right) = (left(), right());
    left.session_lines = "enable extended messages on;".into();
    right.session_lines = left.session_lines.clone();
    let communities: String = (0..500).map(|i| format!("bgp_large_community.add((65002,1,{i})); ")).collect();
    left.global_lines = format!(
        "protocol static big {{\n  ipv4;\n  route {THEIR_NETWORK_4} blackhole {{ {communities} }};\n}}\n"
    );
    let _left = Kind::Bird.start(lab, &line.left, "left", left);
    let right = Kind::Bird.start(lab, &line.right, "right", right);
    wait_until(PATIENCE, "the route at ours", || tl.received(ip(LEFT), THEIR_NETWORK_4).is_some());
    let agreed = tl.neighbor(ip(LEFT))["capabilities_agreed"].to_string().to_lowercase();
    assert!(agreed.contains("extended message"), "{agreed}");
    let path = tl.received(ip(LEFT), THEIR_NETWORK_4).unwrap();
    assert_eq!(path["large_communities"].as_array().unwrap().len(), 500);
    wait_until(PATIENCE, "the route at the other BIRD", || {
        right.route(ip(OURS_RIGHT), THEIR_NETWORK_4).is_some_and(|route| route.large_communities == 500)
    });
}

/// RFC 6793 with a peer that can.
fn four_octet(lab: &Lab) {
    let pair = Pair::new(lab);
    let (we, they) = (4_200_000_001, 4_200_000_002);
    let config = Config::new(we, OURS_4).neighbor(Neighbor::new(THEIRS_4, they));
    let tl = Trunkline::start(lab, &pair.us, "us", &with_networks(config, &[OUR_NETWORK_4]));
    let mut peer =
        Kind::Bird.start(lab, &pair.them, "them", Spec::new(they, THEIRS_4).session(THEIRS_4, OURS_4, we));
    peer.announce(&Announcement::new(THEIR_NETWORK_4));
    wait_until(PATIENCE, "routes both ways", || {
        tl.received(ip(THEIRS_4), THEIR_NETWORK_4).is_some()
            && peer.route(ip(OURS_4), OUR_NETWORK_4).is_some()
    });
    assert_eq!(tl.received(ip(THEIRS_4), THEIR_NETWORK_4).unwrap()["as_path"], "4200000002");
    assert_eq!(peer.route(ip(OURS_4), OUR_NETWORK_4).unwrap().as_path, "4200000001");
}

/// And with one that cannot: we send it AS_TRANS, and the whole path in AS4_PATH, which it passes on; what comes
/// through it has the whole path again (RFC 6793 §4.2.2, §4.2.3): new BIRD – old BIRD – we.
fn old_speaker(lab: &Lab) {
    let line = Line::new(lab);
    let (far, we) = (4_200_000_003, 4_200_000_001);
    // The old BIRD sits in the middle. It cannot be told an AS number of four octets, but reads the capability and
    // compares: so it takes whoever comes.
    let mut old = Spec::new(65002, OURS_LEFT).session(OURS_LEFT, LEFT, ANY_EXTERNAL).session(
        OURS_RIGHT,
        RIGHT,
        ANY_EXTERNAL,
    );
    old.session_lines = "enable as4 off;".into();
    let old = Kind::Bird.start(lab, &line.us, "old", old);
    let mut new =
        Kind::Bird.start(lab, &line.left, "new", Spec::new(far, LEFT).session(LEFT, OURS_LEFT, 65002));
    new.announce(&Announcement::new(THEIR_NETWORK_4));
    let capture = Capture::start(&line.right, "e0", lab.dir());
    let config = Config::new(we, RIGHT).neighbor(Neighbor::new(OURS_RIGHT, 65002));
    let tl = Trunkline::start(lab, &line.right, "we", &with_networks(config, &[OUR_NETWORK_4]));
    wait_until(PATIENCE, "the far route at ours", || tl.received(ip(OURS_RIGHT), THEIR_NETWORK_4).is_some());
    assert_eq!(tl.received(ip(OURS_RIGHT), THEIR_NETWORK_4).unwrap()["as_path"], "65002 4200000003");
    // BIRD shows the merged path; what we sent is on the wire: AS_PATH of two octets each, then AS4_PATH of four.
    wait_until(PATIENCE, "our route at the old one", || old.route(ip(RIGHT), OUR_NETWORK_4).is_some());
    assert_eq!(old.route(ip(RIGHT), OUR_NETWORK_4).unwrap().as_path, "4200000001");
    let segment = "bgp.update.path_attribute.as_path_segment";
    let filter =
        format!("ip.src=={RIGHT} && bgp.type==2 && {segment}.as2==23456 && {segment}.as4==4200000001");
    wait_until(PATIENCE, "AS_TRANS and AS4_PATH", || !capture.fields(&filter, &["frame.number"]).is_empty());
    wait_until(PATIENCE, "our route at the far one", || new.route(ip(OURS_LEFT), OUR_NETWORK_4).is_some());
    assert_eq!(new.route(ip(OURS_LEFT), OUR_NETWORK_4).unwrap().as_path, "65002 4200000001");
}

/// RFC 4486: Cease 6/1, and the session stays down until told otherwise.
fn maximum_prefixes(lab: &Lab) {
    let pair = Pair::new(lab);
    let limited = all(us_4(), "maximum-prefixes", "{ limit = 5 }");
    let tl = Trunkline::start(lab, &pair.us, "us", &limited);
    let mut peer = Kind::Bird.start(lab, &pair.them, "them", them_4());
    for i in 1..=5 {
        peer.announce(&Announcement::new(&format!("198.51.100.{i}/32")));
    }
    wait_until(PATIENCE, "five are allowed", || {
        tl.established(ip(THEIRS_4)) && tl.neighbor(ip(THEIRS_4))["prefixes_received"] == 5
    });
    peer.announce(&Announcement::new("198.51.100.6/32"));
    wait_until(PATIENCE, "six are not", || {
        let errors = tl.errors(ip(THEIRS_4));
        errors.contains("sent NOTIFICATION") && errors.contains("6/1") && !tl.established(ip(THEIRS_4))
    });
    wait_until(PATIENCE, "BIRD heard why", || {
        peer.about(ip(OURS_4)).contains("Maximum number of prefixes reached")
    });
    peer.withdraw("198.51.100.6/32");
    tl.run(&["bgp", THEIRS_4, "start"]);
    wait_until(PATIENCE, "up again by order", || tl.established(ip(THEIRS_4)));
}

/// RFC 9003.
fn shutdown(lab: &Lab) {
    let pair = Pair::new(lab);
    let tl = Trunkline::start(lab, &pair.us, "us", &us());
    let peer = Kind::Bird.start(lab, &pair.them, "them", them());
    let up = |us: &str, them: &str| tl.established(ip(them)) && peer.established(ip(us));
    wait_until(PATIENCE, "up", || up(OURS_4, THEIRS_4) && up(OURS_6, THEIRS_6));
    tl.run(&["bgp", THEIRS_4, "shutdown", "--message", "new fibre, back at noon"]);
    wait_until(PATIENCE, "BIRD logs our words", || {
        let log = std::fs::read_to_string(lab.dir().join("them/bird.log")).unwrap();
        log.contains("new fibre, back at noon")
    });
    let view = tl.neighbor(ip(THEIRS_4));
    assert_eq!((&view["shutdown"], &view["state"]), (&true.into(), &"Idle".into()), "{view}");
    assert!(tl.established(ip(THEIRS_6)), "the other session stays");
    tl.run(&["bgp", THEIRS_4, "start"]);
    wait_until(PATIENCE, "up again", || up(OURS_4, THEIRS_4));
    assert_eq!(tl.neighbor(ip(THEIRS_6))["established"], 1);
}

fn listen_range(lab: &Lab) {
    let pair = Pair::new(lab);
    let mut config = Config::new(OUR_AS, OURS_4);
    config.tables = format!(
        "[[bgp.listen-range]]\nprefix = \"192.0.2.0/24\"\nasn = {THEIR_AS}\nlimit = 2\nimport = \"accept\"\n\
         export = \"accept\"\n"
    );
    let tl = Trunkline::start(lab, &pair.us, "us", &config);
    let mut peer = Kind::Bird.start(lab, &pair.them, "them", them_4());
    peer.announce(&Announcement::new(THEIR_NETWORK_4));
    wait_until(PATIENCE, "the session comes up by itself", || peer.established(ip(OURS_4)));
    wait_until(PATIENCE, "its route is here", || tl.received(ip(THEIRS_4), THEIR_NETWORK_4).is_some());
    assert_eq!(tl.neighbor(ip(THEIRS_4))["dynamic"], true);
    peer.process().kill();
    wait_until(PATIENCE, "the neighbour goes with its session", || {
        tl.json(&["show", "bgp", "summary"])["neighbors"]
            .as_array()
            .unwrap()
            .iter()
            .all(|neighbor| neighbor["state"] != "Established")
    });
}

/// RFC 5082, and a peer that sends with TTL 1 is not heard.
fn ttl_security(lab: &Lab) {
    let pair = Pair::new(lab);
    let tl = Trunkline::start(lab, &pair.us, "us", &all(us(), "ttl-security", "1"));
    let mut spec = them();
    spec.session_lines = "ttl security on;".into();
    let peer = Kind::Bird.start(lab, &pair.them, "them", spec);
    wait_until(PATIENCE, "up", || {
        tl.established(ip(THEIRS_4))
            && tl.established(ip(THEIRS_6))
            && peer.established(ip(OURS_4))
            && peer.established(ip(OURS_6))
    });
}

/// From outside to inside: LOCAL_PREF is there, the next hop is as configured, and what one internal peer said is
/// not told to another (RFC 4271 §9.2.1 of iBGP).
fn internal(lab: &Lab) {
    let line = Line::new(lab);
    let mut config = line_config();
    config.neighbors[1].asn = OUR_AS;
    config.neighbors[1] = config.neighbors[1].clone().set("next-hop-self", "true");
    let tl = Trunkline::start(lab, &line.us, "us", &config);
    let mut left = Kind::Bird.start(lab, &line.left, "left", left());
    let mut spec = right();
    spec.asn = OUR_AS;
    let mut right = Kind::Bird.start(lab, &line.right, "right", spec);
    left.announce(&Announcement::new(THEIR_NETWORK_4));
    right.announce(&Announcement::new(OUR_NETWORK_4));
    wait_until(PATIENCE, "routes both ways", || {
        right.route(ip(OURS_RIGHT), THEIR_NETWORK_4).is_some()
            && left.route(ip(OURS_LEFT), OUR_NETWORK_4).is_some()
    });
    let inside = right.route(ip(OURS_RIGHT), THEIR_NETWORK_4).unwrap();
    assert_eq!((inside.as_path.as_str(), inside.next_hop.as_str()), ("65002", OURS_RIGHT));
    let outside = left.route(ip(OURS_LEFT), OUR_NETWORK_4).unwrap();
    assert_eq!((outside.as_path.as_str(), outside.next_hop.as_str()), ("65001", OURS_LEFT));
    assert_eq!(tl.neighbor(ip(RIGHT))["session_type"], "internal");
    assert_eq!(tl.received(ip(RIGHT), OUR_NETWORK_4).unwrap()["local_pref"], 100);
}

/// RFC 4760: IPv6 routes over a session on IPv4 addresses.
fn both_families(lab: &Lab) {
    let pair = Pair::new(lab);
    let config = all(us_4(), "families", "[\"ipv4-unicast\", \"ipv6-unicast\"]");
    let tl = Trunkline::start(lab, &pair.us, "us", &with_networks(config, &[OUR_NETWORK_4, OUR_NETWORK_6]));
    let mut spec = them_4();
    spec.session_lines = format!("ipv6 {{ import all; export all; next hop address {THEIRS_6}; }};");
    let mut peer = Kind::Bird.start(lab, &pair.them, "them", spec);
    peer.announce(&Announcement::new(THEIR_NETWORK_4));
    peer.announce(&Announcement::new(THEIR_NETWORK_6));
    for (theirs, next_hop) in [(THEIR_NETWORK_4, THEIRS_4), (THEIR_NETWORK_6, THEIRS_6)] {
        wait_until(PATIENCE, "its route here", || tl.received(ip(THEIRS_4), theirs).is_some());
        assert_eq!(tl.received(ip(THEIRS_4), theirs).unwrap()["next_hop"], next_hop);
    }
    for (ours, next_hop) in [(OUR_NETWORK_4, OURS_4), (OUR_NETWORK_6, OURS_6)] {
        wait_until(PATIENCE, "our route there", || peer.route(ip(OURS_4), ours).is_some());
        assert_eq!(peer.route(ip(OURS_4), ours).unwrap().next_hop, next_hop);
    }
}
