//! Signatures 30 to 34, below BGP: ARP, RIP and spanning tree; and what is healthy of them, or looks like a failure.

use crate::scenario::{A as ADDRESS_A, B as ADDRESS_B, Scenario, from};
use crate::stage::{Net, Side, Stage, kind_and_version, plain};
use Side::{A, B};
use trunkline_interop::peer::Kind;
use trunkline_interop::{Netns, RipDaemon, RipKey, RipKind, RipSpec, wait_until};

pub(crate) fn failures() -> Vec<Scenario> {
    let mut all = vec![two_hosts()];
    all.extend(rip_failures());
    all.extend(tree_failures());
    all
}

pub(crate) fn healthy() -> Vec<Scenario> {
    vec![
        Scenario::new("healthy-rip-bird-frr", 0, "Two routers with a route each, RIP version 2.", |s| {
            let _both = rip(s, None, None);
            s.until(from(ADDRESS_A, RESPONSE), 3);
            s.until(from(ADDRESS_B, RESPONSE), 3);
        })
        .sees(from(ADDRESS_A, RESPONSE), "RIP responses of 192.0.2.1")
        .sees(from(ADDRESS_B, RESPONSE), "RIP responses of 192.0.2.2")
        .never(from(ADDRESS_B, LOST), "route of 192.0.2.2 with metric 16"),
        Scenario::new(
            "healthy-stp-linux",
            0,
            "Two bridges of Linux, which have agreed on their root before the capture begins.",
            |s| {
                bridges(s);
                agreed(s);
                s.record();
                s.until(BPDU, 10);
            },
        )
        .sees(of_root(LOW), "BPDUs that name 02:00:00:00:00:0a as root")
        .never(of_root(HIGH), "BPDU that names another"),
    ]
}

pub(crate) fn lookalikes() -> Vec<Scenario> {
    vec![
        Scenario::new(
            "look-arp-moved-linux",
            0,
            "192.0.2.2 moves from one host at the switch to another, once.",
            |s| {
                let other = another(s, &[]);
                s.record();
                ping(&s.a, ADDRESS_B, 1);
                s.b.ip("addr flush dev e0");
                other.address("e0", "192.0.2.2/24");
                s.a.ip("neigh flush dev e0");
                ping(&s.a, ADDRESS_B, 2);
                s.tell_all(&[
                    "Linux at 192.0.2.1",
                    "Linux at 192.0.2.2, at first",
                    "another Linux at 192.0.2.2, later",
                ]);
            },
        )
        .on(Net::Switched)
        .sees(ANSWERS, "ARP replies for 192.0.2.2, first of one, then of the other")
        .sees("icmp.type==0", "echo replies"),
        Scenario::new(
            "look-arp-proxy-linux",
            0,
            "192.0.2.2 has the upper half of the subnet behind it and answers for it (proxy ARP).",
            |s| {
                s.b.sysctl("net.ipv4.ip_forward", "1");
                s.b.sysctl("net.ipv4.conf.e0.proxy_arp", "1");
                s.b.stub("stub0", &["192.0.2.129/25"]);
                s.record();
                // It asks for another by ARP, and so says which address is its own.
                ping(&s.b, ADDRESS_A, 1);
                for host in ["192.0.2.130", "192.0.2.131", "192.0.2.132"] {
                    ping(&s.a, host, 1);
                }
                s.tell_all(&["Linux at 192.0.2.1", "Linux at 192.0.2.2"]);
            },
        )
        .sees("arp.opcode==1 && arp.src.proto_ipv4==192.0.2.2", "ARP request of 192.0.2.2")
        .sees("arp.opcode==2 && arp.dst.proto_ipv4==192.0.2.1", "ARP replies of it for others"),
        Scenario::new(
            "look-icmp-redirect-linux",
            0,
            "192.0.2.1 has a route by 192.0.2.2, which itself has one by 192.0.2.3 on the same link, and says so.",
            |s| {
                s.b.sysctl("net.ipv4.ip_forward", "1");
                s.b.sysctl("net.ipv4.conf.all.send_redirects", "1");
                s.b.ip("route add 198.51.100.0/24 via 192.0.2.3");
                s.b.ip("neigh add 192.0.2.3 lladdr 02:00:00:00:00:03 dev e0");
                s.a.ip("neigh add 192.0.2.3 lladdr 02:00:00:00:00:03 dev e0");
                s.a.ip("route add 198.51.100.0/24 via 192.0.2.2");
                s.record();
                ping(&s.a, "198.51.100.1", 2);
                s.tell_all(&["Linux at 192.0.2.1", "Linux at 192.0.2.2"]);
            },
        )
        .sees("icmp.type==5 && ip.src==192.0.2.2", "ICMP redirect of 192.0.2.2 to 192.0.2.3"),
        Scenario::new(
            "look-stp-change-linux",
            0,
            "A bridge gets another port and says that the topology has changed; the root stays.",
            |s| {
                bridges(s);
                agreed(s);
                s.record();
                s.until(BPDU, 1);
                s.b.stub("stub0", &[]);
                s.b.ip("link set stub0 master br0");
                s.until(CHANGE, 1);
                s.wait(3.0);
            },
        )
        .sees(CHANGE, "topology change")
        .never(of_root(HIGH), "BPDU that names another root than 02:00:00:00:00:0a"),
    ]
}

const ANSWERS: &str = "arp.opcode==2 && arp.src.proto_ipv4==192.0.2.2";

/// Echo requests; whether they are answered is part of the play.
fn ping(space: &Netns, address: &str, count: u32) {
    space.output(&["ping", "-n", "-c", &count.to_string(), "-W", "1", address]);
}

/// A third host at the switch.
fn another(s: &Stage<'_>, addresses: &[&str]) -> Netns {
    let host = s.lab.space("c");
    s.router().sysctl("net.ipv6.conf.default.disable_ipv6", "1");
    host.sysctl("net.ipv6.conf.default.disable_ipv6", "1");
    s.lab.link((&host, "e0", addresses), (s.router(), "e2", &[]));
    plain(&host, "e0");
    s.router().ip("link set e2 master br0");
    host
}

fn two_hosts() -> Scenario {
    Scenario::new(
        "s30-arp-duplicate-linux",
        30,
        "Two hosts at the switch have the address 192.0.2.2, and both answer for it.",
        |s| {
            let _twin = another(s, &["192.0.2.2/24"]);
            s.record();
            for _ in 0..3 {
                ping(&s.a, ADDRESS_B, 1);
                s.a.ip("neigh flush dev e0");
            }
            s.tell_all(&["Linux at 192.0.2.1", "Linux at 192.0.2.2", "another Linux at 192.0.2.2"]);
        },
    )
    .on(Net::Switched)
    .sees("arp.opcode==1 && arp.dst.proto_ipv4==192.0.2.2", "ARP requests for 192.0.2.2")
    .sees(ANSWERS, "ARP replies for it, of both")
    .sees("arp.duplicate-address-detected", "those that contradict another")
}

const RESPONSE: &str = "rip.command==2";
const LOST: &str = "rip.command==2 && rip.metric==16";

/// BIRD at the first host and FRR at the second with RIP, a network behind each, and how they authenticate.
fn rip(s: &mut Stage<'_>, of_a: RipKey<'_>, of_b: RipKey<'_>) -> [RipDaemon; 2] {
    s.record();
    s.a.stub("stub0", &["203.0.113.1/24"]);
    s.b.stub("stub0", &["198.51.100.1/24"]);
    let ripd = kind_and_version(Kind::Frr);
    let (bird, ripd) = (kind_and_version(Kind::Bird), ripd.replace("FRR", "FRR (ripd)"));
    s.tell(ripd, B, 0);
    s.tell(bird, A, 0);
    let start = |kind, space, name, key| {
        RipDaemon::start(kind, s.lab, space, name, &RipSpec { key, ..RipSpec::new() })
    };
    [start(RipKind::Frr, &s.b, "b0", of_b), start(RipKind::Bird, &s.a, "a1", of_a)]
}

fn rip_failures() -> Vec<Scenario> {
    let keys = |name, how, of_a: &'static str, of_b: &'static str| {
        Scenario::new(name, 31, how, move |s: &mut Stage<'_>| {
            let key = |secret: &'static str| (!secret.is_empty()).then_some(("text", secret));
            let _both = rip(s, key(of_a), key(of_b));
            s.until(from(ADDRESS_A, RESPONSE), 3);
            s.until(from(ADDRESS_B, RESPONSE), 3);
        })
        .sees(from(ADDRESS_A, "rip.auth.type==2"), "RIP with a password of 192.0.2.1")
    };
    let open = from(ADDRESS_B, &format!("{RESPONSE} && !rip.auth.type"));
    vec![
        keys(
            "s31-rip-one-side-bird-frr",
            "BIRD at 192.0.2.1 has a password for RIP, FRR at 192.0.2.2 has none.",
            "one",
            "",
        )
        .sees(open, "RIP without one of 192.0.2.2"),
        keys("s31-rip-passwords-bird-frr", "Both have a password for RIP, but not the same.", "one", "two")
            .sees(from(ADDRESS_B, "rip.auth.type==2"), "RIP with another of 192.0.2.2"),
        Scenario::new(
            "s32-rip-lost-bird-frr",
            32,
            "The network behind 192.0.2.2 goes down; nobody else has a way there.",
            |s| {
                let _both = rip(s, None, None);
                s.until(from(ADDRESS_A, RESPONSE), 2);
                s.until(from(ADDRESS_B, RESPONSE), 2);
                s.b.ip("link set stub0 down");
                s.until(from(ADDRESS_B, LOST), 2);
            },
        )
        .sees(from(ADDRESS_B, LOST), "RIP of 192.0.2.2 with metric 16"),
    ]
}

const BPDU: &str = "stp";
const CHANGE: &str = "stp.type==0x80 || stp.flags.tc==1";
/// The addresses of the two bridges; the lower one is the root where their priorities are equal.
const LOW: &str = "02:00:00:00:00:0a";
const HIGH: &str = "02:00:00:00:00:0b";

fn of_root(bridge: &str) -> String {
    format!("stp.root.hw=={bridge}")
}

/// In the place of the hosts, two bridges of the kernel with STP and the shortest timers, joined by the link.
fn bridges(s: &mut Stage<'_>) {
    for (space, address) in [(&s.a, LOW), (&s.b, HIGH)] {
        space.ip("addr flush dev e0");
        space.ip("link add name br0 type bridge");
        space.ip(&format!("link set br0 address {address}"));
        space.ip("link set br0 type bridge stp_state 1 forward_delay 400 hello_time 100 max_age 600");
        space.ip("link set e0 master br0");
    }
    for space in [&s.a, &s.b] {
        space.ip("link set br0 up");
    }
    s.tell_all(&["Linux bridge 02:00:00:00:00:0a", "Linux bridge 02:00:00:00:00:0b"]);
}

/// Waits until the second bridge has taken the first as its root, both ports forward, and no change is told any more.
fn agreed(s: &Stage<'_>) {
    let read =
        |space: &Netns, file: &str| space.sh(&["cat", &format!("/sys/class/net/{file}")]).trim().to_owned();
    wait_until(trunkline_interop::PATIENCE, "the bridges agree", || {
        read(&s.b, "br0/bridge/root_id").ends_with("02000000000a")
            && [&s.a, &s.b].iter().all(|space| {
                read(space, "e0/brport/state") == "3" && read(space, "br0/bridge/topology_change") == "0"
            })
    });
}

fn tree_failures() -> Vec<Scenario> {
    vec![
        Scenario::new(
            "s33-stp-two-roots-linux",
            33,
            "nftables at each of two bridges drops the BPDUs of the other: each holds itself to be the root.",
            |s| {
                for space in [&s.a, &s.b] {
                    space.sh(&[
                        "nft",
                        "add table netdev t; \
                         add chain netdev t i { type filter hook ingress device e0 priority 0; }; \
                         add rule netdev t i ether daddr 01:80:c2:00:00:00 drop",
                    ]);
                }
                s.record();
                bridges(s);
                s.until(of_root(LOW), 8);
                s.until(of_root(HIGH), 8);
            },
        )
        .sees(of_root(LOW), "BPDUs that name 02:00:00:00:00:0a as root")
        .sees(of_root(HIGH), "BPDUs that name 02:00:00:00:00:0b as root"),
        Scenario::new(
            "s34-stp-root-changes-linux",
            34,
            "A bridge of a tree that has been agreed on gets a better priority, and becomes the root.",
            |s| {
                bridges(s);
                agreed(s);
                s.record();
                // Longer than Forward Delay, so that who sees this alone knows that it is no election any more.
                s.until(BPDU, 7);
                s.b.ip("link set br0 type bridge priority 4096");
                s.until(of_root(HIGH), 6);
            },
        )
        .sees(of_root(LOW), "BPDUs that name 02:00:00:00:00:0a as root")
        .sees(of_root(HIGH), "later ones that name 02:00:00:00:00:0b"),
    ]
}
