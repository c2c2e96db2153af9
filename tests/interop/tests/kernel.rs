//! Trunkline as a router: routes in the Linux kernel, packets that pass.

use std::net::IpAddr;
use trunkline_interop::peer::{Announcement, Kind, Peer, Session, Spec};
use trunkline_interop::{Capture, Config, Lab, Neighbor, Netns, PATIENCE, Test, Trunkline, wait_until};

/// The protocol number of our routes in the kernel.
const OUR_ROUTES: &str = "proto 217";

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::new("kernel::two_hosts_ping_through_trunkline_and_bird", ping),
        Test::new("kernel::equal_cost_multipath", multipath),
        Test::new("kernel::kill_9_and_restart_leave_no_stale_route", killed),
        Test::new("kernel::sigterm_removes_routes_and_says_cease", terminated),
        Test::new("kernel::interface_down_withdraws_its_network", interface_down),
        Test::new("kernel::loopback_down_withdraws_its_address", loopback_down),
        Test::new("kernel::foreign_routes_are_left_alone", foreign),
    ]
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// The kernel's routes that are ours: destination, next hops.
fn ours(space: &Netns, family: &str) -> Vec<(String, Vec<String>)> {
    let gateway = |hop: &serde_json::Value| hop["gateway"].as_str().unwrap_or("").to_owned();
    let mut routes: Vec<_> = space
        .routes(&format!("{family}{OUR_ROUTES}"))
        .iter()
        .map(|route| {
            let mut hops: Vec<String> = match route["nexthops"].as_array() {
                Some(hops) => hops.iter().map(gateway).collect(),
                None => vec![gateway(route)],
            };
            hops.sort();
            (route["dst"].as_str().unwrap().to_owned(), hops)
        })
        .collect();
    routes.sort();
    routes
}

fn route(prefix: &str, hops: &[&str]) -> (String, Vec<String>) {
    (prefix.into(), hops.iter().map(|hop| (*hop).to_owned()).collect())
}

/// We, AS 65001 with routes to the kernel, on 192.0.2.0/24 and 2001:db8::/64.
fn us() -> Config {
    let mut config = Config::new(65001, "192.0.2.1");
    config.install = true;
    config
}

/// host – Trunkline – BIRD – host.
fn ping(lab: &Lab) {
    let [h1, r1, r2, h2] = ["h1", "r1", "r2", "h2"].map(|role| lab.space(role));
    lab.link(
        (&h1, "e0", &["10.1.0.2/24", "2001:db8:101::2/64"]),
        (&r1, "e1", &["10.1.0.1/24", "2001:db8:101::1/64"]),
    );
    lab.link(
        (&r1, "e0", &["192.0.2.1/24", "2001:db8::1/64"]),
        (&r2, "e0", &["192.0.2.2/24", "2001:db8::2/64"]),
    );
    lab.link(
        (&r2, "e1", &["10.2.0.1/24", "2001:db8:102::1/64"]),
        (&h2, "e0", &["10.2.0.2/24", "2001:db8:102::2/64"]),
    );
    for (host, gateway_4, gateway_6) in
        [(&h1, "10.1.0.1", "2001:db8:101::1"), (&h2, "10.2.0.1", "2001:db8:102::1")]
    {
        host.ip(&format!("route add default via {gateway_4}"));
        host.ip(&format!("-6 route add default via {gateway_6}"));
    }
    r1.forward();
    r2.forward();
    let config = us()
        .network("10.1.0.0/24")
        .network("2001:db8:101::/64")
        .neighbor(Neighbor::new("192.0.2.2", 65002))
        .neighbor(Neighbor::new("2001:db8::2", 65002));
    let _tl = Trunkline::start(lab, &r1, "r1", &config);
    let mut spec = Spec::new(65002, "192.0.2.2").session("192.0.2.2", "192.0.2.1", 65001).session(
        "2001:db8::2",
        "2001:db8::1",
        65001,
    );
    spec.global_lines = "protocol direct { ipv4; ipv6; interface \"e1\"; }\n\
                         protocol kernel { ipv4 { export where source = RTS_BGP; }; }\n\
                         protocol kernel { ipv6 { export where source = RTS_BGP; }; }"
        .into();
    let _bird = Kind::Bird.start(lab, &r2, "r2", spec);
    wait_until(PATIENCE, "both routes in our kernel", || {
        ours(&r1, "") == [route("10.2.0.0/24", &["192.0.2.2"])]
            && ours(&r1, "-6 ") == [route("2001:db8:102::/64", &["2001:db8::2"])]
    });
    wait_until(PATIENCE, "the host behind BIRD answers over IPv4", || {
        h1.output(&["ping", "-c1", "-W2", "10.2.0.2"]).status.success()
    });
    wait_until(PATIENCE, "and over IPv6", || {
        h1.output(&["ping", "-6", "-c1", "-W2", "2001:db8:102::2"]).status.success()
    });
}

/// Two BIRDs of one AS give the same prefix.
fn multipath(lab: &Lab) {
    let [r1, a, b] = ["r1", "a", "b"].map(|role| lab.space(role));
    lab.link((&r1, "e0", &["192.0.2.1/25"]), (&a, "e0", &["192.0.2.2/25"]));
    lab.link((&r1, "e1", &["192.0.2.129/25"]), (&b, "e0", &["192.0.2.130/25"]));
    let mut config = us()
        .neighbor(Neighbor::new("192.0.2.2", 65002).set("graceful-restart-helper", "false"))
        .neighbor(Neighbor::new("192.0.2.130", 65002).set("graceful-restart-helper", "false"));
    config.bgp = "maximum-paths = 2".into();
    let tl = Trunkline::start(lab, &r1, "r1", &config);
    let start = |space: &Netns, name: &str, us: &str, them: &str| {
        let mut peer = Kind::Bird.start(lab, space, name, Spec::new(65002, them).session(them, us, 65001));
        peer.announce(&Announcement::new("198.51.100.0/24"));
        peer
    };
    let mut first = start(&a, "a", "192.0.2.1", "192.0.2.2");
    let _second = start(&b, "b", "192.0.2.129", "192.0.2.130");
    wait_until(PATIENCE, "two next hops in the kernel", || {
        ours(&r1, "") == [route("198.51.100.0/24", &["192.0.2.130", "192.0.2.2"])]
    });
    let paths = tl.paths(&["198.51.100.0/24"]);
    assert_eq!(paths.iter().filter(|path| path["best"] == true).count(), 1, "{paths:?}");
    assert!(paths.iter().all(|path| path["best"] == true || path["multipath"] == true), "{paths:?}");
    first.process().kill();
    wait_until(PATIENCE, "one next hop is left", || {
        ours(&r1, "") == [route("198.51.100.0/24", &["192.0.2.130"])]
    });
}

struct Routed {
    r1: Netns,
    tl: Trunkline,
    bird: Box<dyn Peer>,
}

/// We with two routes from BIRD in the kernel.
fn routed(lab: &Lab, config: Config) -> Routed {
    let (r1, r2) = (lab.space("r1"), lab.space("r2"));
    lab.link(
        (&r1, "e0", &["192.0.2.1/24", "2001:db8::1/64"]),
        (&r2, "e0", &["192.0.2.2/24", "2001:db8::2/64"]),
    );
    let config =
        config.neighbor(Neighbor::new("192.0.2.2", 65002)).neighbor(Neighbor::new("2001:db8::2", 65002));
    let tl = Trunkline::start(lab, &r1, "r1", &config);
    let mut spec = Spec::new(65002, "192.0.2.2").session("192.0.2.2", "192.0.2.1", 65001);
    let session = Session { local: ip("2001:db8::2"), remote: ip("2001:db8::1"), ..spec.sessions[0].clone() };
    spec.sessions.push(session);
    let mut bird = Kind::Bird.start(lab, &r2, "r2", spec);
    for prefix in ["198.51.100.0/24", "203.0.113.0/24", "2001:db8:2::/48"] {
        bird.announce(&Announcement::new(prefix));
    }
    wait_until(PATIENCE, "the routes are in the kernel", || {
        ours(&r1, "").len() == 2 && ours(&r1, "-6 ").len() == 1
    });
    Routed { r1, tl, bird }
}

fn killed(lab: &Lab) {
    let Routed { r1, mut tl, mut bird } = routed(lab, us());
    tl.process.kill();
    assert_eq!(ours(&r1, "").len(), 2, "nobody could remove them");
    bird.withdraw("198.51.100.0/24");
    bird.withdraw("2001:db8:2::/48");
    tl.start_again();
    wait_until(PATIENCE, "the session is back", || tl.established(ip("192.0.2.2")));
    wait_until(PATIENCE, "what BIRD withdrew meanwhile is gone, the rest is there", || {
        ours(&r1, "") == [route("203.0.113.0/24", &["192.0.2.2"])] && ours(&r1, "-6 ").is_empty()
    });
}

fn terminated(lab: &Lab) {
    let Routed { r1, mut tl, bird } = routed(lab, us());
    tl.process.terminate();
    assert!(tl.process.wait().success(), "a clean end");
    assert!(ours(&r1, "").is_empty() && ours(&r1, "-6 ").is_empty(), "no route of ours is left");
    wait_until(PATIENCE, "BIRD heard the Cease", || {
        bird.about(ip("192.0.2.1")).contains("Received: Administrative shutdown")
    });
}

/// Another program's routes and addresses stay as they are, whatever we do.
fn foreign(lab: &Lab) {
    let Routed { r1, mut tl, bird: _bird } = routed(lab, us());
    let others = |space: &Netns| {
        let mut all = space.routes("table all");
        all.extend(space.routes("-6 table all"));
        all.retain(|route| route["protocol"] != "217" && route["protocol"] != "trunkline");
        all.iter_mut().for_each(|route| drop(route.as_object_mut().unwrap().remove("flags")));
        let mut all: Vec<String> = all.iter().map(ToString::to_string).collect();
        all.sort();
        all
    };
    r1.ip("route add 198.18.0.0/15 via 192.0.2.2");
    // The same destination as one of ours, with another metric: both stand side by side.
    r1.ip("route add 198.51.100.0/24 via 192.0.2.2 metric 500");
    r1.ip("-6 route add 2001:db8:77::/48 via 2001:db8::2");
    let before = others(&r1);
    tl.process.terminate();
    tl.process.wait();
    assert_eq!(others(&r1), before, "after the end");
    tl.start_again();
    wait_until(PATIENCE, "our routes are back", || !ours(&r1, "-6 ").is_empty());
    assert_eq!(others(&r1), before, "after the start");
}

/// A network goes with its interface: by an UPDATE with the prefix in Withdrawn Routes (RFC 4271 §4.3).
fn interface_down(lab: &Lab) {
    let networks = ["198.18.5.0/24", "2001:db8:5::/64"];
    let config = networks.iter().fold(us(), |config, network| config.network(network));
    let Routed { r1, tl, bird } = routed(lab, config);
    assert!(bird.route(ip("192.0.2.1"), networks[0]).is_none(), "no such interface yet");
    r1.stub("stub", &["198.18.5.1/24", "2001:db8:5::1/64"]);
    let there = |wanted: bool| {
        wait_until(PATIENCE, &format!("networks at BIRD: {wanted}"), || {
            bird.route(ip("192.0.2.1"), networks[0]).is_some() == wanted
                && bird.route(ip("2001:db8::1"), networks[1]).is_some() == wanted
        });
    };
    there(true);
    let capture = Capture::start(&r1, "e0", lab.dir());
    r1.ip("link set stub down");
    there(false);
    wait_until(PATIENCE, "Withdrawn Routes on the wire", || {
        let filter = "ip.src==192.0.2.1 && bgp.type==2 && bgp.withdrawn_prefix==198.18.5.0";
        let filter_6 =
            "ipv6.src==2001:db8::1 && bgp.type==2 && bgp.mp_unreach_nlri_ipv6_prefix==2001:db8:5::";
        !capture.fields(filter, &["frame.number"]).is_empty()
            && !capture.fields(filter_6, &["frame.number"]).is_empty()
    });
    r1.ip("link set stub up");
    // Linux takes the IPv6 address away with the link.
    if !r1.ip("-6 addr show dev stub").contains("2001:db8:5::1") {
        r1.address("stub", "2001:db8:5::1/64");
    }
    there(true);
    assert_eq!(tl.neighbor(ip("192.0.2.2"))["established"], 1, "the session stayed");
}

/// The same with the loopback itself and a host route.
fn loopback_down(lab: &Lab) {
    let network = "198.18.7.7/32";
    let Routed { r1, tl: _tl, bird } = routed(lab, us().network(network));
    r1.address("lo", network);
    let there = |wanted: bool| {
        wait_until(PATIENCE, &format!("address at BIRD: {wanted}"), || {
            bird.route(ip("192.0.2.1"), network).is_some() == wanted
        });
    };
    there(true);
    let capture = Capture::start(&r1, "e0", lab.dir());
    r1.ip("link set lo down");
    there(false);
    let filter = "ip.src==192.0.2.1 && bgp.type==2 && bgp.withdrawn_prefix==198.18.7.7";
    wait_until(PATIENCE, "Withdrawn Routes on the wire", || {
        !capture.fields(filter, &["frame.number"]).is_empty()
    });
    r1.ip("link set lo up");
    there(true);
}
