//! Spanning tree on real wires: our own switch and Linux bridges that we drive, with the kernel's STP and Open vSwitch's
//! RSTP at the other end, and real loops that must not storm.

use serde_json::Value;
use std::time::{Duration, Instant};
use trunkline_interop::{
    Lab, Netns, OpenVSwitch, PATIENCE, Test, Trunkline, holds_for, holds_within, wait_until,
};

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::new("spanning_tree::kernel_stp_with_us_as_root", |lab| with_kernel(lab, "stp", true)),
        Test::new("spanning_tree::kernel_stp_as_our_root", |lab| with_kernel(lab, "stp", false)),
        Test::new("spanning_tree::kernel_stp_and_our_rstp", |lab| with_kernel(lab, "rstp", false)),
        Test::new("spanning_tree::open_vswitch_with_us_as_root", |lab| with_open_vswitch(lab, true)),
        Test::new("spanning_tree::open_vswitch_as_our_root", |lab| with_open_vswitch(lab, false)),
        Test::new("spanning_tree::linux_bridges_in_a_real_loop", linux_bridges),
        Test::new("spanning_tree::a_linux_bridge_of_ours_with_kernel_stp", linux_bridge_with_kernel),
    ]
}

/// The shortest timers that all allow, since the kernel's bridge has to wait for them.
const FAST: &str = "hello-time = 1\nmax-age = 6\nforward-delay = 4\n";

/// The kernel keeps out of a port that we own: no IPv6 chatter from it.
fn quiet(space: &Netns, interface: &str) {
    space.sysctl(&format!("net.ipv6.conf.{interface}.disable_ipv6"), "1");
}

/// A bridge `br0` of the kernel, down; its spanning tree off, or with the shortest timers.
fn kernel_bridge(space: &Netns, stp: bool) {
    space.ip("link add name br0 type bridge");
    if stp {
        space.ip("link set br0 type bridge stp_state 1 forward_delay 400 hello_time 100 max_age 600");
    }
    quiet(space, "br0");
}

fn enslave(space: &Netns, port: &str) {
    quiet(space, port);
    space.ip(&format!("link set {port} master br0"));
}

/// What the spanning tree says of a port.
fn port(us: &Trunkline, name: &str) -> Value {
    let view = us.json(&["show", "spanning-tree"]);
    let ports = view["bridges"][0]["ports"].as_array().cloned().unwrap_or_default();
    ports.into_iter().find(|port| port["name"] == name).unwrap_or(Value::Null)
}

fn is(us: &Trunkline, name: &str, role: &str, state: &str) -> bool {
    let port = port(us, name);
    port["role"] == role && port["state"] == state
}

/// The state of a port as the kernel's bridge has it: 0 disabled, 1 listening, 2 learning, 3 forwarding, 4 blocking.
fn kernel_state(space: &Netns, port: &str) -> String {
    space.sh(&["cat", &format!("/sys/class/net/{port}/brport/state")]).trim().to_owned()
}

fn pings(from: &Netns, address: &str) -> bool {
    from.output(&["ping", "-n", "-c", "1", "-W", "1", address]).status.success()
}

/// Frames that came in at an interface while broadcasts are sent for a second: a storm brings hundreds of thousands.
fn frames_in_a_second(sender: &Netns, space: &Netns, interface: &str) -> u64 {
    let count = || {
        let text = space.sh(&["cat", &format!("/sys/class/net/{interface}/statistics/rx_packets")]);
        text.trim().parse::<u64>().unwrap()
    };
    let before = count();
    let _ = sender.output(&["arping", "-b", "-c", "10", "-w", "1", "-i", "0.1", "-I", "e0", "192.0.2.99"]);
    let _ = sender.output(&["ping", "-b", "-n", "-c", "5", "-i", "0.1", "-W", "0.2", "192.0.2.255"]);
    std::thread::sleep(Duration::from_millis(300));
    count() - before
}

/// Far above what was sent, far below a storm.
const STORM: u64 = 500;

/// A host `e0` at a port of a bridge's namespace.
fn host(lab: &Lab, role: &str, number: u8, space: &Netns, port: &str) -> Netns {
    let host = lab.space(role);
    lab.link((&host, "e0", &[&format!("192.0.2.{number}/24")]), (space, port, &[]));
    host
}

/// Our switch in user space, with two cables to a bridge of the kernel that runs STP, and a host at each.
fn with_kernel(lab: &Lab, protocol: &str, we_are_root: bool) {
    let (us_space, them) = (lab.space("us"), lab.space("them"));
    kernel_bridge(&them, true);
    for n in [1, 2] {
        lab.link((&us_space, &format!("e{n}"), &[]), (&them, &format!("p{n}"), &[]));
        quiet(&us_space, &format!("e{n}"));
    }
    let ours = host(lab, "ours", 1, &us_space, "e3");
    let theirs = host(lab, "theirs", 2, &them, "p3");
    quiet(&us_space, "e3");
    for port in ["p1", "p2", "p3"] {
        enslave(&them, port);
    }
    them.ip("link set br0 up");
    let priority = if we_are_root { 4096 } else { 61440 };
    let times = if protocol == "stp" { FAST } else { "max-age = 6\nhello-time = 1\nforward-delay = 4\n" };
    let ports: String = (1..=3).map(|n| format!("[interface.e{n}]\nport = \"packet\"\n\n")).collect();
    let node = format!(
        "kind = \"switch\"\n\n{ports}[bridge.br0]\nspanning-tree = \"{protocol}\"\npriority = {priority}\n{times}\n\
         [bridge.br0.port.e3]\nedge = true\n"
    );
    let us = Trunkline::start_device(lab, &us_space, "us", &node);
    // One of the two cables is blocked, at the end that is farther from the root.
    if we_are_root {
        wait_until(PATIENCE, "our ports are designated and forward, the kernel blocks one", || {
            let states = [kernel_state(&them, "p1"), kernel_state(&them, "p2")];
            is(&us, "e1", "designated", "forwarding")
                && is(&us, "e2", "designated", "forwarding")
                && states == ["3", "4"]
        });
        let root = them.sh(&["cat", "/sys/class/net/br0/bridge/root_id"]);
        assert!(root.starts_with("1000."), "{root}");
    } else {
        let blocked = if protocol == "stp" { "blocking" } else { "discarding" };
        wait_until(PATIENCE, "one of our ports is the root port, the other blocks", || {
            is(&us, "e1", "root", "forwarding")
                && is(&us, "e2", "alternate", blocked)
                && kernel_state(&them, "p1") == "3"
        });
        wait_until(PATIENCE, "we speak STP to it, after Migrate Time", || port(&us, "e1")["sends"] == "stp");
    }
    wait_until(PATIENCE, "the hosts reach each other", || pings(&ours, "192.0.2.2"));
    let frames = frames_in_a_second(&ours, &them, "p1");
    assert!(frames < STORM, "a storm: {frames} frames");
    // The cable in use fails.
    us_space.ip("link set e1 down");
    wait_until(PATIENCE, "by the other cable", || pings(&ours, "192.0.2.2"));
    let frames = frames_in_a_second(&theirs, &us_space, "e2");
    assert!(frames < STORM, "a storm: {frames} frames");
    us_space.ip("link set e1 up");
    let until = Instant::now() + Duration::from_secs(3);
    while Instant::now() < until {
        let frames = frames_in_a_second(&ours, &them, "p2");
        assert!(frames < STORM, "a storm while the cable comes back: {frames} frames");
    }
    wait_until(PATIENCE, "the hosts reach each other again", || pings(&theirs, "192.0.2.1"));
}

/// Our switch in user space and Open vSwitch, both with RSTP, with two cables between them.
fn with_open_vswitch(lab: &Lab, we_are_root: bool) {
    let (us_space, them) = (lab.space("us"), lab.space("them"));
    for n in [1, 2] {
        lab.link((&us_space, &format!("e{n}"), &[]), (&them, &format!("p{n}"), &[]));
        quiet(&us_space, &format!("e{n}"));
        quiet(&them, &format!("p{n}"));
    }
    let ours = host(lab, "ours", 1, &us_space, "e3");
    let theirs = host(lab, "theirs", 2, &them, "p3");
    quiet(&us_space, "e3");
    quiet(&them, "p3");
    let ovs =
        OpenVSwitch::start(lab, &them, "ovs", if we_are_root { 32768 } else { 4096 }, &["p1", "p2", "p3"]);
    let priority = if we_are_root { 4096 } else { 32768 };
    let ports: String = (1..=3).map(|n| format!("[interface.e{n}]\nport = \"packet\"\n\n")).collect();
    let node = format!(
        "kind = \"switch\"\n\n{ports}[bridge.br0]\nspanning-tree = \"rstp\"\npriority = {priority}\n"
    );
    let us = Trunkline::start_device(lab, &us_space, "us", &node);
    if we_are_root {
        wait_until(PATIENCE, "Open vSwitch has a root port and blocks the other", || {
            ovs.role("p1") == "Root/Forwarding" && ovs.role("p2") == "Alternate/Discarding"
        });
        assert!(is(&us, "e1", "designated", "forwarding"), "{}", port(&us, "e1"));
    } else {
        wait_until(PATIENCE, "we have a root port and block the other", || {
            is(&us, "e1", "root", "forwarding") && is(&us, "e2", "alternate", "discarding")
        });
        assert_eq!(ovs.role("p1"), "Designated/Forwarding");
    }
    assert_eq!(port(&us, "e1")["sends"], "rstp");
    wait_until(PATIENCE, "the hosts reach each other", || pings(&ours, "192.0.2.2"));
    let frames = frames_in_a_second(&ours, &them, "p1");
    assert!(frames < STORM, "a storm: {frames} frames");
    us_space.ip("link set e1 down");
    let at = Instant::now();
    wait_until(PATIENCE, "by the other cable", || pings(&theirs, "192.0.2.1"));
    println!("    failover with Open vSwitch: {} ms until a ping came back", at.elapsed().as_millis());
    us_space.ip("link set e1 up");
    wait_until(PATIENCE, "the first cable is in use again", || {
        is(&us, "e1", if we_are_root { "designated" } else { "root" }, "forwarding")
    });
    let frames = frames_in_a_second(&theirs, &us_space, "e2");
    assert!(frames < STORM, "a storm: {frames} frames");
    wait_until(PATIENCE, "the hosts reach each other again", || pings(&ours, "192.0.2.2"));
}

/// A namespace with a bridge of the kernel that a node of ours drives.
struct Driven {
    space: Netns,
    node: Trunkline,
}

const DRIVEN: &str = "kind = \"host\"\n\n[bridge.br0]\nspanning-tree = \"rstp\"\npriority = ";

/// Two Linux bridges, two cables between them, a node of ours on each, and nobody else who could break the loop.
fn linux_bridges(lab: &Lab) {
    let spaces = [lab.space("a"), lab.space("b")];
    for space in &spaces {
        kernel_bridge(space, false);
    }
    for n in [1, 2] {
        let cable = format!("p{n}");
        lab.link((&spaces[0], &cable, &[]), (&spaces[1], &cable, &[]));
        spaces[0].ip(&format!("link set {cable} down"));
        spaces.iter().for_each(|space| enslave(space, &cable));
    }
    let hosts = [("x", 1), ("y", 2)].map(|(role, n)| {
        let space = &spaces[usize::from(n) - 1];
        let host = host(lab, role, n, space, "p3");
        enslave(space, "p3");
        host
    });
    let [a, b] = [0usize, 1].map(|n| {
        let node = format!("{DRIVEN}{}\n\n[bridge.br0.port.p3]\nedge = true\n", 4096 * (n + 1));
        let space = spaces[n].clone();
        let node = Trunkline::start_device(lab, &space, ["a", "b"][n], &node);
        space.ip("link set br0 up");
        Driven { space, node }
    });
    for cable in ["p1", "p2"] {
        a.space.ip(&format!("link set {cable} up"));
    }
    let (ours, mut b) = (&a, b);
    wait_until(PATIENCE, "the tree stands", || {
        is(&ours.node, "p1", "designated", "forwarding")
            && is(&b.node, "p1", "root", "forwarding")
            && is(&b.node, "p2", "alternate", "discarding")
    });
    let how = b.node.json(&["show", "spanning-tree"])["bridges"][0]["data_plane"].clone();
    println!("    the kernel's bridge is driven by: {how}");
    wait_until(PATIENCE, "the hosts reach each other", || pings(&hosts[0], "192.0.2.2"));
    let check = |what: &str| {
        let frames = frames_in_a_second(&hosts[0], &ours.space, "p1");
        assert!(frames < STORM, "a storm {what}: {frames} frames");
    };
    check("at rest");
    // A failover, with the broadcasts going on
    ours.space.ip("link set p1 down");
    let at = Instant::now();
    wait_until(PATIENCE, "by the other cable", || pings(&hosts[0], "192.0.2.2"));
    println!("    failover: {} ms until a ping came back", at.elapsed().as_millis());
    check("after a failover");
    ours.space.ip("link set p1 up");
    for _ in 0..3 {
        check("while the cable comes back");
    }
    wait_until(PATIENCE, "as before", || is(&b.node, "p1", "root", "forwarding"));
    // One node dies without a word: its bridge's ports close by themselves, and no loop comes of it.
    b.node.process.kill();
    for _ in 0..4 {
        check("after kill -9");
    }
    wait_until(PATIENCE, "closed ports", || !pings(&hosts[0], "192.0.2.2"));
    holds_for(Duration::from_secs(2), "no storm after kill -9", || {
        frames_in_a_second(&hosts[0], &ours.space, "p2") < STORM
    });
    // The next life takes over, from closed ports.
    b.node.start_again();
    wait_until(PATIENCE, "the tree stands again", || {
        is(&b.node, "p1", "root", "forwarding") && is(&b.node, "p2", "alternate", "discarding")
    });
    wait_until(PATIENCE, "the hosts reach each other again", || pings(&hosts[1], "192.0.2.1"));
    check("after the restart");
    // A port that joins while the node runs takes part; one that leaves is forgotten.
    lab.link((&ours.space, "p4", &[]), (&b.space, "p4", &[]));
    enslave(&ours.space, "p4");
    enslave(&b.space, "p4");
    wait_until(PATIENCE, "the third cable is known, and blocked", || {
        is(&b.node, "p4", "alternate", "discarding")
    });
    check("with a third cable");
    b.space.ip("link set p4 nomaster");
    wait_until(PATIENCE, "forgotten", || port(&b.node, "p4").is_null());
    // At the end nothing of ours stays: only one cable may be left then, or the kernel would make a loop of them.
    ours.space.ip("link set p2 down");
    b.node.process.terminate();
    assert!(b.node.process.wait().success());
    let left = b.space.sh(&["nft", "list", "tables"]);
    assert!(!left.contains("trunkline"), "{left}");
    wait_until(PATIENCE, "the kernel forwards alone", || pings(&hosts[0], "192.0.2.2"));
}

/// A Linux bridge that we drive, with two cables to one whose STP is the kernel's; and kernel STP on ours is refused.
fn linux_bridge_with_kernel(lab: &Lab) {
    let (space, them) = (lab.space("us"), lab.space("them"));
    kernel_bridge(&space, true);
    kernel_bridge(&them, true);
    for n in [1, 2] {
        let cable = format!("p{n}");
        lab.link((&space, &cable, &[]), (&them, &cable, &[]));
        enslave(&space, &cable);
        enslave(&them, &cable);
    }
    let hosts = [host(lab, "x", 1, &space, "p3"), host(lab, "y", 2, &them, "p3")];
    enslave(&space, "p3");
    enslave(&them, "p3");
    let node = format!("{DRIVEN}61440\n{FAST}");
    let us = Trunkline::start_device(lab, &space, "us", &node);
    wait_until(PATIENCE, "refused beside the kernel's own spanning tree", || {
        let view = us.json(&["show", "spanning-tree"]);
        view["bridges"][0]["data_plane"].as_str().is_some_and(|text| text.contains("stp_state"))
    });
    assert_eq!(space.sh(&["cat", "/sys/class/net/br0/bridge/stp_state"]).trim(), "1", "it is left alone");
    space.ip("link set br0 type bridge stp_state 0");
    space.ip("link set br0 up");
    them.ip("link set br0 up");
    wait_until(PATIENCE, "taken over once the kernel's is off", || {
        is(&us, "p1", "root", "forwarding") && is(&us, "p2", "alternate", "discarding")
    });
    wait_until(PATIENCE, "we speak STP to it, after Migrate Time", || port(&us, "p1")["sends"] == "stp");
    wait_until(PATIENCE, "the hosts reach each other", || pings(&hosts[0], "192.0.2.2"));
    let frames = frames_in_a_second(&hosts[0], &them, "p1");
    assert!(frames < STORM, "a storm: {frames} frames");
    them.ip("link set p1 down");
    wait_until(PATIENCE, "by the other cable", || pings(&hosts[1], "192.0.2.1"));
    let frames = frames_in_a_second(&hosts[1], &space, "p2");
    assert!(frames < STORM, "a storm: {frames} frames");
    assert!(holds_within(PATIENCE, || is(&us, "p2", "root", "forwarding")));
}
