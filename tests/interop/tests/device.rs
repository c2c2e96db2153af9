//! Trunkline as a device of its own on real wires: host, router and switch in user space, with Linux at the other end.

use serde_json::Value;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::time::Duration;
use trunkline_interop::peer::{Kind, Spec};
use trunkline_interop::{Daemon, Lab, Netns, PATIENCE, Test, Trunkline, wait_until};

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::new("device::ping_both_ways_on_a_veth", ping_veth),
        Test::new("device::ping_both_ways_on_a_tap", ping_tap),
        Test::new("device::arping_finds_duplicates_and_updates", arping),
        Test::new("device::linux_believes_our_redirect", redirect_linux),
        Test::new("device::we_believe_the_redirect_of_linux", redirect_us),
        Test::new("device::traceroute_through_us_and_by_us", traceroute),
        Test::new("device::proxy_arp_for_a_host_with_too_wide_a_mask", proxy_arp),
        Test::new("device::path_mtu_through_us", path_mtu),
        Test::new("device::switch_between_hosts", switch),
        Test::new("device::tcp_both_ways_with_the_kernel", tcp),
        Test::new("device::tcp_through_a_bad_wire", tcp_bad_wire),
        Test::new("device::iperf3_through_our_router", iperf3),
        Test::new("device::ten_thousand_connections", ten_thousand),
        Test::new("device::bgp_over_our_tcp_with_md5_and_bird", bgp_md5),
        Test::new("device::reload_changes_addresses_in_flight", reload),
    ]
}

/// Our device with one port `e0` in a namespace of its own, and the other end of its wire in `peer`.
pub(crate) fn host(lab: &Lab, peer: &Netns, peer_address: &str, node: &str) -> (Netns, Trunkline) {
    let space = lab.space("us");
    lab.link((&space, "e0", &[]), (peer, "e0", &[peer_address]));
    quiet(&space, "e0");
    let us = Trunkline::start_device(lab, &space, "us", node);
    (space, us)
}

/// The kernel keeps out of a port that we own: no IPv6 chatter from it.
pub(crate) fn quiet(space: &Netns, interface: &str) {
    space.sysctl(&format!("net.ipv6.conf.{interface}.disable_ipv6"), "1");
}

pub(crate) const HOST: &str =
    "kind = \"host\"\n\n[interface.e0]\nport = \"packet\"\naddress = [\"192.0.2.2/24\"]\n";

/// What `trunkline ping ADDRESS` saw come back.
#[track_caller]
fn our_ping(us: &Trunkline, address: &str) -> u64 {
    let view = us.json(&["ping", address, "--count", "3"]);
    view["received"].as_u64().unwrap_or_else(|| panic!("{view}"))
}

/// The entry of `show arp` for an address.
fn arp(us: &Trunkline, address: &str) -> Option<Value> {
    let view = us.json(&["show", "arp"]);
    view["entries"].as_array()?.iter().find(|entry| entry["ip"] == address).cloned()
}

fn mac(space: &Netns, interface: &str) -> String {
    space.sh(&["cat", &format!("/sys/class/net/{interface}/address")]).trim().to_owned()
}

fn pings(space: &Netns, address: &str) -> bool {
    space.output(&["ping", "-n", "-c", "2", "-i", "0.2", "-W", "3", address]).status.success()
}

fn ping_veth(lab: &Lab) {
    let peer = lab.space("peer");
    let (space, us) = host(lab, &peer, "192.0.2.1/24", HOST);
    let text = peer.sh(&["ping", "-n", "-c", "5", "-i", "0.2", "192.0.2.2"]);
    assert!(text.contains(" 0% packet loss"), "{text}");
    // Fragments both ways: more than an MTU.
    let text = peer.sh(&["ping", "-n", "-c", "3", "-i", "0.2", "-s", "6000", "192.0.2.2"]);
    assert!(text.contains(" 0% packet loss"), "{text}");
    assert_eq!(our_ping(&us, "192.0.2.1"), 3);
    let entry = arp(&us, "192.0.2.1").expect("the peer is a neighbour");
    assert_eq!(entry["mac"], mac(&peer, "e0"));
    assert!(peer.ip("neigh show 192.0.2.2").contains(&mac(&space, "e0")));
    // Nobody there: said so.
    let nobody = us.cli(&["ping", "192.0.2.77", "--count", "1", "--json"]);
    let view: Value = serde_json::from_slice(&nobody.stdout).unwrap();
    assert_eq!((nobody.status.code(), &view["received"]), (Some(1), &Value::from(0)), "{view}");
}

fn ping_tap(lab: &Lab) {
    let space = lab.space("us");
    let us = Trunkline::start_device(lab, &space, "us", &HOST.replace("packet", "tap"));
    space.address("e0", "192.0.2.1/24");
    let text = space.sh(&["ping", "-n", "-c", "5", "-i", "0.2", "192.0.2.2"]);
    assert!(text.contains(" 0% packet loss"), "{text}");
    assert_eq!(our_ping(&us, "192.0.2.1"), 3);
}

/// arping -D asks as duplicate address detection does (RFC 5227), -U announces (gratuitous ARP).
fn arping(lab: &Lab) {
    let peer = lab.space("peer");
    let (_space, us) = host(lab, &peer, "192.0.2.1/24", HOST);
    let ask = |address: &str| peer.output(&["arping", "-D", "-c", "2", "-w", "3", "-I", "e0", address]);
    assert!(!ask("192.0.2.2").status.success(), "our address is taken, and we say so");
    assert!(ask("192.0.2.3").status.success(), "a free address is free");
    assert_eq!(our_ping(&us, "192.0.2.1"), 3);
    // The peer gets another MAC address and announces it.
    peer.ip("link set e0 address 02:00:00:00:00:99");
    peer.sh(&["arping", "-U", "-c", "2", "-I", "e0", "-s", "192.0.2.1", "192.0.2.1"]);
    wait_until(PATIENCE, "our table has the new MAC address", || {
        arp(&us, "192.0.2.1").is_some_and(|entry| entry["mac"] == "02:00:00:00:00:99")
    });
    assert_eq!(our_ping(&us, "192.0.2.1"), 3);
}

/// The segment of the article: H 172.16.1.1, R1 172.16.1.100, R2 172.16.1.200, which has 10.1.1.1 behind it.
fn segment(lab: &Lab) -> [Netns; 3] {
    let lan = lab.space("lan");
    lan.ip("link add name br0 type bridge");
    lan.ip("link set br0 up");
    let spaces = ["h", "r1", "r2"].map(|role| {
        let space = lab.space(role);
        let port = format!("port-{role}");
        lab.link((&space, "e0", &[]), (&lan, &port, &[]));
        lan.ip(&format!("link set {port} master br0"));
        space
    });
    spaces[2].address("e0", "172.16.1.200/24");
    spaces[2].address("lo", "10.1.1.1/32");
    spaces[2].forward();
    spaces
}

fn redirect_linux(lab: &Lab) {
    let [h, r1, _r2] = segment(lab);
    quiet(&r1, "e0");
    let us = Trunkline::start_device(
        lab,
        &r1,
        "r1",
        "[interface.e0]\nport = \"packet\"\naddress = [\"172.16.1.100/24\"]\n\n\
         [[static]]\nprefix = \"10.1.1.0/24\"\nvia = \"172.16.1.200\"\n",
    );
    h.address("e0", "172.16.1.1/24");
    h.sysctl("net.ipv4.conf.all.accept_redirects", "1");
    h.sysctl("net.ipv4.conf.e0.accept_redirects", "1");
    h.ip("route add default via 172.16.1.100");
    assert!(pings(&h, "10.1.1.1"), "the packet that causes a redirect is forwarded all the same");
    wait_until(PATIENCE, "Linux believes the redirect", || {
        let _ = pings(&h, "10.1.1.1");
        let route = h.ip("route get 10.1.1.1");
        route.contains("<redirected>") && route.contains("via 172.16.1.200")
    });
    let counters = us.json(&["show", "ip"]);
    assert!(counters["counters"]["icmpOutRedirects"].as_u64() >= Some(1), "{counters}");
}

fn redirect_us(lab: &Lab) {
    let [h, r1, _r2] = segment(lab);
    quiet(&h, "e0");
    r1.address("e0", "172.16.1.100/24");
    r1.forward();
    r1.sysctl("net.ipv4.conf.all.send_redirects", "1");
    r1.sysctl("net.ipv4.conf.e0.send_redirects", "1");
    r1.ip("route add 10.1.1.0/24 via 172.16.1.200");
    let us = Trunkline::start_device(
        lab,
        &h,
        "h",
        "kind = \"host\"\ngateway = \"172.16.1.100\"\n\n\
         [interface.e0]\nport = \"packet\"\naddress = [\"172.16.1.1/24\"]\n",
    );
    assert_eq!(our_ping(&us, "10.1.1.1"), 3);
    wait_until(PATIENCE, "we believe the redirect", || {
        our_ping(&us, "10.1.1.1");
        let view = us.json(&["show", "ip"]);
        view["redirects"].as_array().is_some_and(|all| {
            all.iter().any(|r| r["destination"] == "10.1.1.1" && r["gateway"] == "172.16.1.200")
        })
    });
}

/// Linux host – our router – Linux router and host, or the other way round.
fn traceroute(lab: &Lab) {
    let [a, b] = ["a", "b"].map(|role| lab.space(role));
    let us = router(lab, &a, &b, "");
    let text = a.sh(&["traceroute", "-n", "-w", "3", "10.2.0.2"]);
    let hops: Vec<&str> = text.lines().skip(1).filter_map(|line| line.split_whitespace().nth(1)).collect();
    assert_eq!(hops, ["10.1.0.1", "10.2.0.2"], "{text}");
    let text = a.sh(&["traceroute", "-n", "-I", "-w", "3", "10.2.0.2"]);
    assert!(text.contains("10.1.0.1") && text.trim_end().lines().count() == 3, "{text}");
    // Ours: through b, which forwards, to an address behind it.
    b.forward();
    let c = lab.space("c");
    lab.link((&b, "e1", &["10.3.0.1/24"]), (&c, "e0", &["10.3.0.2/24"]));
    c.ip("route add default via 10.3.0.1");
    let view = us.json(&["traceroute", "10.3.0.2"]);
    let hop = |ttl: usize| view["hops"][ttl - 1]["probes"][0]["from"].as_str().unwrap_or("").to_owned();
    assert_eq!(
        (view["reached"].as_bool(), hop(1), hop(2)),
        (Some(true), "10.2.0.2".into(), "10.3.0.2".into()),
        "{view}"
    );
}

/// a (10.1.0.2) – us – b (10.2.0.2); both ends have us as their gateway, we have 10.3.0.0/24 behind b.
fn router(lab: &Lab, a: &Netns, b: &Netns, more: &str) -> Trunkline {
    let space = lab.space("us");
    lab.link((&space, "e0", &[]), (a, "e0", &["10.1.0.2/24"]));
    lab.link((&space, "e1", &[]), (b, "e0", &["10.2.0.2/24"]));
    quiet(&space, "e0");
    quiet(&space, "e1");
    a.ip("route add default via 10.1.0.1");
    b.ip("route add default via 10.2.0.1");
    let node = "[interface.e0]\nport = \"packet\"\naddress = [\"10.1.0.1/24\"]\n\n\
                [interface.e1]\nport = \"packet\"\naddress = [\"10.2.0.1/24\"]\n\n\
                [[static]]\nprefix = \"10.3.0.0/24\"\nvia = \"10.2.0.2\"\n\n";
    Trunkline::start_device(lab, &space, "us", &format!("{node}{more}"))
}

/// The article: host B thinks that 10.0.0.0/8 is on its segment.
fn proxy_arp(lab: &Lab) {
    let [b, server] = ["b", "server"].map(|role| lab.space(role));
    let space = lab.space("us");
    lab.link((&space, "e0", &[]), (&b, "e0", &["10.1.1.2/8"]));
    lab.link((&space, "e1", &[]), (&server, "e0", &["10.2.2.100/24"]));
    quiet(&space, "e0");
    quiet(&space, "e1");
    server.ip("route add default via 10.2.2.254");
    let node = |proxy: &str| {
        format!(
            "[interface.e0]\nport = \"packet\"\naddress = [\"10.1.1.254/24\"]\n{proxy}\n\
             [interface.e1]\nport = \"packet\"\naddress = [\"10.2.2.254/24\"]\n"
        )
    };
    let us = Trunkline::start_device(lab, &space, "us", &node(""));
    assert!(pings(&b, "10.2.2.100"));
    assert!(b.ip("neigh show 10.2.2.100").contains(&mac(&space, "e0")), "our MAC stands for the server");
    assert!(!pings(&b, "10.9.9.9"), "nobody has a route there, and we do not answer for it");
    // Off: the request is not answered any more.
    us.reload_device(&node("proxy-arp = false\n"));
    b.ip("neigh flush dev e0");
    assert!(!pings(&b, "10.2.2.100"));
}

/// Behind us the MTU is 1000: Linux hears of it and sends smaller packets (RFC 1191).
fn path_mtu(lab: &Lab) {
    let [a, b] = ["a", "b"].map(|role| lab.space(role));
    let space = lab.space("us");
    lab.link((&space, "e0", &[]), (&a, "e0", &["10.1.0.2/24"]));
    lab.link((&space, "e1", &[]), (&b, "e0", &["10.2.0.2/24"]));
    quiet(&space, "e0");
    quiet(&space, "e1");
    a.ip("route add default via 10.1.0.1");
    b.ip("route add default via 10.2.0.1");
    let _us = Trunkline::start_device(
        lab,
        &space,
        "us",
        "[interface.e0]\nport = \"packet\"\naddress = [\"10.1.0.1/24\"]\n\n\
         [interface.e1]\nport = \"packet\"\naddress = [\"10.2.0.1/24\"]\nmtu = 1000\n",
    );
    let first = a.output(&["ping", "-n", "-c", "1", "-W", "3", "-M", "do", "-s", "1400", "10.2.0.2"]);
    let said = String::from_utf8_lossy(&first.stdout).into_owned() + &String::from_utf8_lossy(&first.stderr);
    assert!(said.contains("1000"), "{said}");
    wait_until(PATIENCE, "Linux knows the path's MTU", || a.ip("route get 10.2.0.2").contains("mtu 1000"));
    assert!(a.output(&["ping", "-n", "-c", "2", "-W", "3", "-s", "1400", "10.2.0.2"]).status.success());
}

fn switch(lab: &Lab) {
    let space = lab.space("us");
    let hosts = [1, 2, 3].map(|n| {
        let host = lab.space(&format!("h{n}"));
        let address = format!("192.0.2.{n}/24");
        lab.link((&space, &format!("e{n}"), &[]), (&host, "e0", &[&address]));
        quiet(&space, &format!("e{n}"));
        host
    });
    let ports: String = (1..=3).map(|n| format!("[interface.e{n}]\nport = \"packet\"\n\n")).collect();
    let node = format!("kind = \"switch\"\n\n{ports}[interface.br0]\naddress = [\"192.0.2.9/24\"]\n");
    let us = Trunkline::start_device(lab, &space, "us", &node);
    for (host, other) in [(0, "192.0.2.2"), (1, "192.0.2.3"), (2, "192.0.2.1"), (0, "192.0.2.9")] {
        assert!(pings(&hosts[host], other), "{other}");
    }
    let view = us.json(&["show", "mac"]);
    for (n, host) in hosts.iter().enumerate() {
        let wanted = (mac(host, "e0"), format!("e{}", n + 1));
        let entries = view["entries"].as_array().unwrap();
        assert!(entries.iter().any(|e| e["mac"] == wanted.0 && e["port"] == wanted.1), "{wanted:?}: {view}");
    }
    // A large transfer between two kernels, with all their offloads on.
    transfer(&hosts[0], &hosts[1], "192.0.2.2", 20_000_000);
    assert_eq!(our_ping(&us, "192.0.2.3"), 3);
}

/// Octets from one kernel to another.
fn transfer(from: &Netns, to: &Netns, address: &str, octets: usize) {
    let listener = to.inside(|| TcpListener::bind("0.0.0.0:5001").unwrap());
    let receiver = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut received = Vec::new();
        stream.read_to_end(&mut received).unwrap();
        received
    });
    let mut stream = from.inside(|| TcpStream::connect((address, 5001)).unwrap());
    let sent = pattern(octets);
    stream.write_all(&sent).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    assert!(receiver.join().unwrap() == sent, "what was sent is what came");
}

fn pattern(octets: usize) -> Vec<u8> {
    (0..octets).map(|n| (n ^ (n >> 8) ^ (n >> 16)) as u8).collect()
}

const SERVICES: &str =
    "\n[[service]]\nkind = \"echo\"\n\n[[service]]\nkind = \"discard\"\n\n[[service]]\nkind = \"chargen\"\n";

/// Sends to our echo service and reads it back at the same time.
fn echo(peer: &Netns, octets: usize) {
    let stream = peer.inside(|| TcpStream::connect("192.0.2.2:7").unwrap());
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let sent = pattern(octets);
    let mut writer = stream.try_clone().unwrap();
    let copy = sent.clone();
    let sender = std::thread::spawn(move || {
        writer.write_all(&copy).unwrap();
        writer.shutdown(Shutdown::Write).unwrap();
    });
    let mut received = Vec::new();
    let mut reader = stream;
    reader.read_to_end(&mut received).unwrap();
    sender.join().unwrap();
    assert_eq!(received.len(), sent.len());
    assert!(received == sent, "the echo is what was sent");
}

fn tcp(lab: &Lab) {
    let peer = lab.space("peer");
    let (_space, us) = host(lab, &peer, "192.0.2.1/24", &format!("{HOST}{SERVICES}"));
    echo(&peer, 20_000_000);
    // Discard takes all and closes when we do.
    let mut stream = peer.inside(|| TcpStream::connect("192.0.2.2:9").unwrap());
    stream.write_all(&pattern(5_000_000)).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
    assert!(rest.is_empty());
    // Chargen never ends by itself.
    let mut stream = peer.inside(|| TcpStream::connect("192.0.2.2:19").unwrap());
    let mut chars = vec![0; 5_000_000];
    stream.read_exact(&mut chars).unwrap();
    assert!(
        chars.starts_with(b" !\"#$%&'")
            && chars.iter().all(|c| (b' '..=b'~').contains(c) || b"\r\n".contains(c))
    );
    drop(stream);
    // A closed port is refused at once.
    let refused =
        peer.inside(|| TcpStream::connect_timeout(&"192.0.2.2:99".parse().unwrap(), Duration::from_secs(5)));
    assert_eq!(refused.unwrap_err().kind(), std::io::ErrorKind::ConnectionRefused);
    // socat, and we are the client: it sends back what it gets.
    let _socat = socat(lab, &peer, "TCP-LISTEN:5002,fork,reuseaddr EXEC:cat");
    let view = transfer_by_us(&us, "192.0.2.1:5002", "3000000");
    assert_eq!(
        (view["sent"].as_u64(), view["received"].as_u64()),
        (Some(3_000_000), Some(3_000_000)),
        "{view}"
    );
    assert_eq!(view["echoed"], true, "{view}");
    // Nobody listens.
    let view = transfer_by_us(&us, "192.0.2.1:5003", "1");
    assert!(view["error"].as_str().is_some_and(|e| e.contains("refused")), "{view}");
}

fn transfer_by_us(us: &Trunkline, remote: &str, octets: &str) -> Value {
    let output = us.cli(&["transfer", remote, "--send", octets, "--json"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    serde_json::from_str(&text)
        .unwrap_or_else(|e| panic!("{e}: {text}{}", String::from_utf8_lossy(&output.stderr)))
}

fn socat(lab: &Lab, space: &Netns, addresses: &str) -> Daemon {
    let argv: Vec<&str> = ["socat"].into_iter().chain(addresses.split(' ')).collect();
    let port = addresses.split([':', ',']).nth(1).unwrap();
    let daemon = Daemon::start(space, lab.dir(), "socat", &argv, &[]);
    wait_until(PATIENCE, "socat listens", || space.sh(&["ss", "-ltn"]).contains(&format!(":{port}")));
    daemon
}

/// The wire between us and the kernel loses, reorders and repeats frames, both ways.
fn tcp_bad_wire(lab: &Lab) {
    let (peer, wire, space) = (lab.space("peer"), lab.space("wire"), lab.space("us"));
    lab.link((&wire, "w0", &[]), (&peer, "e0", &["192.0.2.1/24"]));
    lab.link((&wire, "w1", &[]), (&space, "e0", &[]));
    for (space, interface) in [(&wire, "w0"), (&wire, "w1"), (&space, "e0")] {
        quiet(space, interface);
    }
    let us = Trunkline::start_device(lab, &space, "us", &format!("{HOST}{SERVICES}"));
    let argv = us.argv(&[
        "relay",
        "w0",
        "w1",
        "--delay",
        "2ms",
        "--loss",
        "2%",
        "--reorder",
        "2%",
        "--duplicate",
        "2%",
    ]);
    let argv: Vec<&str> = argv.iter().map(String::as_str).collect();
    let _relay = Daemon::start(&wire, lab.dir(), "relay", &argv, &[]);
    wait_until(PATIENCE, "the wire carries", || pings(&peer, "192.0.2.2"));
    echo(&peer, 3_000_000);
    let _socat = socat(lab, &peer, "TCP-LISTEN:5002,fork,reuseaddr EXEC:cat");
    let view = transfer_by_us(&us, "192.0.2.1:5002", "1000000");
    assert_eq!(
        (view["received"].as_u64(), view["echoed"].as_bool()),
        (Some(1_000_000), Some(true)),
        "{view}"
    );
}

fn iperf3(lab: &Lab) {
    let [a, b] = ["a", "b"].map(|role| lab.space(role));
    let us = router(lab, &a, &b, "");
    let _server = Daemon::start(&b, lab.dir(), "iperf3", &["iperf3", "-s"], &[]);
    wait_until(PATIENCE, "iperf3 listens", || b.sh(&["ss", "-ltn"]).contains(":5201"));
    for reverse in [&[][..], &["-R"]] {
        let mut argv = vec!["iperf3", "-c", "10.2.0.2", "-n", "50M", "-J"];
        argv.extend(reverse);
        let result: Value = serde_json::from_str(&a.sh(&argv)).unwrap();
        let received = result["end"]["sum_received"]["bytes"].as_u64().unwrap();
        assert!(received >= 40_000_000, "{result}");
    }
    let view = us.json(&["show", "ip"]);
    assert!(view["counters"]["ipForwDatagrams"].as_u64() > Some(10_000), "{view}");
}

fn ten_thousand(lab: &Lab) {
    let peer = lab.space("peer");
    let (_space, us) = host(lab, &peer, "192.0.2.1/24", &format!("{HOST}{SERVICES}"));
    peer.sysctl("net.ipv4.ip_local_port_range", "\"10000 60999\"");
    peer.inside(|| {
        for round in 0..10_000_u32 {
            let mut stream = TcpStream::connect("192.0.2.2:7").unwrap();
            let word = round.to_be_bytes();
            stream.write_all(&word).unwrap();
            stream.shutdown(Shutdown::Write).unwrap();
            let mut back = Vec::new();
            stream.read_to_end(&mut back).unwrap();
            assert_eq!(back, word, "connection {round}");
        }
    });
    let view = us.json(&["show", "tcp"]);
    assert_eq!(view["counters"]["tcpPassiveOpens"].as_u64(), Some(10_000), "{}", view["counters"]);
    assert_eq!(view["counters"]["tcpAttemptFails"].as_u64(), Some(0), "{}", view["counters"]);
}

/// BGP over our own TCP, signed with MD5, with BIRD, whose TCP is the kernel's; and the route that comes of it is used.
fn bgp_md5(lab: &Lab) {
    let [a, b] = ["a", "b"].map(|role| lab.space(role));
    b.stub("e9", &["10.9.0.1/24"]);
    b.forward();
    let us = router(
        lab,
        &a,
        &b,
        "[bgp]\nasn = 65001\nnetworks = [\"10.1.0.0/24\"]\n\n[[bgp.neighbor]]\naddress = \"10.2.0.2\"\nasn = 65002\n\
         import = \"accept\"\nexport = \"accept\"\npassword = \"secret\"\nconnect-retry = 1\n\
         damp-peer-oscillations = false\n",
    );
    let mut spec = Spec::new(65002, "10.2.0.2").session("10.2.0.2", "10.2.0.1", 65001);
    spec.sessions[0].password = Some("secret".into());
    spec.global_lines = "protocol direct { ipv4; interface \"e9\"; }".into();
    let _bird = Kind::Bird.start(lab, &b, "b", spec);
    let neighbor = "10.2.0.2".parse().unwrap();
    wait_until(PATIENCE, "the session over our TCP is up", || us.established(neighbor));
    wait_until(PATIENCE, "BIRD's route is ours", || pings(&a, "10.9.0.1"));
    let view = us.json(&["show", "tcp"]);
    let session = view["connections"].as_array().unwrap().iter().find(|c| c["state"] == "ESTABLISHED");
    assert_eq!(session.map(|c| &c["signed"]), Some(&Value::Bool(true)), "{view}");
}

fn reload(lab: &Lab) {
    let peer = lab.space("peer");
    let (_space, us) = host(lab, &peer, "192.0.2.1/24", HOST);
    assert!(pings(&peer, "192.0.2.2"));
    us.reload_device(&HOST.replace("192.0.2.2/24", "192.0.2.7/24"));
    assert!(pings(&peer, "192.0.2.7"));
    assert!(!pings(&peer, "192.0.2.2"), "the old address is gone");
    us.reload_device(&HOST.replace("address", "enabled = false\naddress"));
    assert!(!pings(&peer, "192.0.2.2"));
    us.reload_device(HOST);
    assert!(pings(&peer, "192.0.2.2"));
    // Another port needs a restart, and that is said.
    us.write_text("[node]\nname = \"us\"\nkind = \"host\"\n");
    let answer = us.cli(&["reload", "--json"]);
    assert!(String::from_utf8_lossy(&answer.stdout).contains("restart"), "{answer:?}");
}
