//! Signatures 1 to 6: nothing that would become a connection.

use crate::scenario::{RST, SYN, SYN_ACK, Scenario};
use crate::stage::{Net, Side, nft};
use Side::{A, B};
use trunkline_interop::peer::Kind;

pub(crate) fn scenarios() -> Vec<Scenario> {
    [nothing(), unanswered(), refused(), unreachable(), too_far(), silent()].into_iter().flatten().collect()
}

const TCP: &str = "tcp";
const V6_RST: &str = "ipv6.src==2001:db8::2 && tcp.flags.reset==1";

fn nothing() -> Vec<Scenario> {
    let both = |a: Kind, b: Kind| {
        move |s: &mut crate::stage::Stage<'_>| {
            s.start(B, b, |_| {});
            s.start(A, a, |spec| *spec = spec.clone().passive());
            s.a.output(&["ping", "-n", "-c", "3", "-i", "1", "192.0.2.2"]);
            s.wait(3.0);
        }
    };
    vec![
        Scenario::new(
            "s01-both-passive-bird-frr",
            1,
            "Both daemons are passive: each waits for the other to connect. A ping shows that the hosts reach each other.",
            both(Kind::Bird, Kind::Frr),
        )
        .sees("icmp", "echo requests and replies")
        .never(TCP, "TCP"),
        Scenario::new(
            "s01-both-passive-openbgpd-gobgp",
            1,
            "Both daemons are passive: each waits for the other to connect. A ping shows that the hosts reach each other.",
            both(Kind::OpenBgpd, Kind::GoBgp),
        )
        .sees("icmp", "echo requests and replies")
        .never(TCP, "TCP"),
        Scenario::new(
            "s01-no-route-frr",
            1,
            "FRR shall connect to 203.0.113.9 with ebgp-multihop, but its host has no route there: nothing leaves it but a ping to another host.",
            |s| {
                s.start(A, Kind::Frr, |spec| {
                    *spec = trunkline_interop::peer::Spec::new(65001, "192.0.2.1").session("192.0.2.1", "203.0.113.9", 65009);
                    spec.session_lines = " neighbor 203.0.113.9 ebgp-multihop 4".into();
                });
                s.a.output(&["ping", "-n", "-c", "3", "-i", "1", "192.0.2.2"]);
                s.wait(3.0);
            },
        )
        .sees("icmp", "echo requests and replies")
        .never(TCP, "TCP"),
    ]
}

fn unanswered() -> Vec<Scenario> {
    let ask = "ARP requests for 192.0.2.2";
    let arp = "arp.opcode==1 && arp.dst.proto_ipv4==192.0.2.2";
    let dead = |kind: Kind| {
        move |s: &mut crate::stage::Stage<'_>| {
            s.b.ip("addr flush dev e0");
            s.start(A, kind, |_| {});
            s.until("arp.opcode==1 && arp.dst.proto_ipv4==192.0.2.2", 5);
        }
    };
    vec![
        Scenario::new("s02-arp-bird", 2, "The link is up, but nobody on it has the neighbour's address.", dead(Kind::Bird))
            .sees(arp, ask)
            .never("arp.opcode==2", "ARP reply")
            .never(TCP, "TCP"),
        Scenario::new("s02-arp-frr", 2, "The link is up, but nobody on it has the neighbour's address.", dead(Kind::Frr))
            .sees(arp, ask)
            .never("arp.opcode==2", "ARP reply")
            .never(TCP, "TCP"),
        Scenario::new(
            "s02-wrong-subnet-openbgpd-bird",
            2,
            "The second host is in the subnet 198.51.100.0/24 by mistake and asks for a neighbour there; OpenBGPD asks for 192.0.2.2.",
            |s| {
                s.b.ip("addr flush dev e0");
                s.b.address("e0", "198.51.100.2/24");
                s.start(B, Kind::Bird, |spec| {
                    *spec = trunkline_interop::peer::Spec::new(65002, "192.0.2.2").session("198.51.100.2", "198.51.100.1", 65001);
                });
                s.start(A, Kind::OpenBgpd, |_| {});
                s.until("arp.opcode==1 && arp.dst.proto_ipv4==192.0.2.2", 3);
                s.until("arp.opcode==1 && arp.dst.proto_ipv4==198.51.100.1", 2);
            },
        )
        .sees(arp, ask)
        .sees("arp.opcode==1 && arp.dst.proto_ipv4==198.51.100.1", "ARP requests of 198.51.100.2 for 198.51.100.1")
        .never("arp.opcode==2", "ARP reply")
        .never(TCP, "TCP"),
        Scenario::new(
            "s02-arp-beside-healthy-bird-frr",
            2,
            "BIRD has two neighbours: FRR at 192.0.2.2, where all is well, and 192.0.2.99, where nobody is.",
            |s| {
                s.start(B, Kind::Frr, |_| {});
                s.start(A, Kind::Bird, |spec| {
                    *spec = spec.clone().session("192.0.2.1", "192.0.2.99", 65009);
                });
                s.until("bgp.type==4 && ip.src==192.0.2.2", 1);
                s.until("arp.opcode==1 && arp.dst.proto_ipv4==192.0.2.99", 5);
            },
        )
        .sees("bgp.type==4", "KEEPALIVE of 192.0.2.1 and 192.0.2.2")
        .sees("arp.opcode==1 && arp.dst.proto_ipv4==192.0.2.99", "ARP requests for 192.0.2.99")
        .never("arp.opcode==2 && arp.src.proto_ipv4==192.0.2.99", "reply of 192.0.2.99"),
        Scenario::new(
            "s02-nd-bird",
            2,
            "The link is up, but nobody on it has the neighbour's IPv6 address.",
            |s| {
                s.b.ip("-6 addr del 2001:db8::2/64 dev e0");
                s.start(A, Kind::Bird, |_| {});
                s.until("icmpv6.type==135 && icmpv6.nd.ns.target_address==2001:db8::2", 5);
            },
        )
        .on(Net::Direct6)
        .sees("icmpv6.type==135 && icmpv6.nd.ns.target_address==2001:db8::2", "neighbour solicitations for 2001:db8::2")
        .never("icmpv6.type==136 && icmpv6.nd.na.target_address==2001:db8::2", "advertisement of it")
        .never(TCP, "TCP"),
    ]
}

fn refused() -> Vec<Scenario> {
    let how = "No daemon runs at the neighbour: its kernel refuses.";
    let nobody = |kind: Kind| {
        move |s: &mut crate::stage::Stage<'_>| {
            s.start(A, kind, |_| {});
            s.until(RST, 3);
        }
    };
    let refused = |scenario: Scenario| {
        scenario
            .sees(SYN, "SYN")
            .sees("ip.src==192.0.2.2 && tcp.flags.reset==1", "RST in answer")
            .never(SYN_ACK, "SYN-ACK")
    };
    vec![
        refused(Scenario::new("s03-no-daemon-bird", 3, how, nobody(Kind::Bird))),
        refused(Scenario::new("s03-no-daemon-frr", 3, how, nobody(Kind::Frr))),
        refused(Scenario::new("s03-no-daemon-gobgp", 3, how, nobody(Kind::GoBgp))),
        refused(Scenario::new("s03-no-daemon-openbgpd", 3, how, nobody(Kind::OpenBgpd))),
        refused(Scenario::new("s03-no-daemon-trunkline", 3, how, nobody(Kind::Trunkline))),
        refused(Scenario::new(
            "s03-firewall-reset-frr",
            3,
            "A daemon runs at the neighbour, but nftables there rejects port 179 with a TCP reset.",
            |s| {
                nft(&s.b, "input", &["tcp dport 179 reject with tcp reset"]);
                s.start(B, Kind::OpenBgpd, |_| {});
                s.start(A, Kind::Frr, |_| {});
                s.until(RST, 3);
            },
        )),
        refused(Scenario::new(
            "s03-all-disabled-frr-bird",
            3,
            "BIRD runs at the neighbour, but its only neighbour is disabled: then it does not listen.",
            |s| {
                s.start(B, Kind::Bird, |spec| spec.session_lines = "disabled;".into());
                s.start(A, Kind::Frr, |_| {});
                s.until(RST, 3);
            },
        )),
        Scenario::new("s03-no-daemon-v6-bird", 3, how, nobody(Kind::Bird))
            .on(Net::Direct6)
            .sees(SYN, "SYN")
            .sees(V6_RST, "RST in answer")
            .never(SYN_ACK, "SYN-ACK"),
    ]
}

fn unreachable() -> Vec<Scenario> {
    let reject = |a: Kind, with: &'static str| {
        move |s: &mut crate::stage::Stage<'_>| {
            nft(&s.b, "input", &[&format!("tcp dport 179 reject with icmp {with}")]);
            s.start(B, Kind::Bird, |_| {});
            s.start(A, a, |_| {});
            s.until("icmp.type==3", 3);
        }
    };
    vec![
        Scenario::new(
            "s04-reject-port-frr",
            4,
            "nftables at the neighbour rejects port 179 with ICMP port unreachable.",
            reject(Kind::Frr, "port-unreachable"),
        )
        .sees(SYN_OUT, "SYN")
        .sees("icmp.type==3 && icmp.code==3 && ip.src==192.0.2.2", "ICMP port unreachable")
        .never(SYN_ACK, "SYN-ACK"),
        Scenario::new(
            "s04-reject-admin-bird",
            4,
            "nftables at the neighbour rejects port 179 with ICMP administratively prohibited.",
            reject(Kind::Bird, "admin-prohibited"),
        )
        .sees(SYN_OUT, "SYN")
        .sees("icmp.type==3 && icmp.code==13 && ip.src==192.0.2.2", "ICMP administratively prohibited")
        .never(SYN_ACK, "SYN-ACK"),
        Scenario::new(
            "s04-no-route-bird",
            4,
            "The router between has no route to the neighbour any more.",
            |s| {
                s.router().ip("addr flush dev e1");
                s.start(A, Kind::Bird, |spec| spec.session_lines = "multihop 4;".into());
                s.until("icmp.type==3", 3);
            },
        )
        .on(Net::Routed)
        .sees(SYN_OUT, "SYN")
        .sees(
            "icmp.type==3 && icmp.code==0 && ip.src==192.0.2.254",
            "ICMP net unreachable of the router 192.0.2.254",
        )
        .never(SYN_ACK, "SYN-ACK"),
        Scenario::new(
            "s04-host-down-openbgpd",
            4,
            "The neighbour's host is down; the router before it finds nobody by ARP.",
            |s| {
                s.b.ip("addr flush dev e0");
                s.start(A, Kind::OpenBgpd, |spec| spec.session_lines = "multihop 4".into());
                s.until("icmp.type==3", 2);
            },
        )
        .on(Net::Routed)
        .sees(SYN_OUT, "SYN")
        .sees(
            "icmp.type==3 && icmp.code==1 && ip.src==192.0.2.254",
            "ICMP host unreachable of the router 192.0.2.254",
        )
        .never(SYN_ACK, "SYN-ACK"),
        Scenario::new(
            "s04-no-route-v6-frr",
            4,
            "The router between has no route to the neighbour any more.",
            |s| {
                s.router().ip("-6 addr flush dev e1 scope global");
                s.start(A, Kind::Frr, |spec| {
                    spec.session_lines = " neighbor 2001:db8:2::2 ebgp-multihop 4".into()
                });
                s.until("icmpv6.type==1", 3);
            },
        )
        .on(Net::Routed6)
        .sees(format!("{SYN} && !icmpv6"), "SYN")
        .sees("icmpv6.type==1", "ICMPv6 destination unreachable of the router")
        .never(SYN_ACK, "SYN-ACK"),
    ]
}

/// SYNs alone, not those that an ICMP message quotes.
const SYN_OUT: &str = "tcp.flags.syn==1 && tcp.flags.ack==0 && !icmp";

fn too_far() -> Vec<Scenario> {
    let how = "The neighbour is behind a router, and multihop is not configured: SYNs leave with TTL 1.";
    let far = |name, kind: Kind, lines: &'static str| {
        Scenario::new(name, 5, how, move |s: &mut crate::stage::Stage<'_>| {
            s.start(B, Kind::Bird, |spec| spec.session_lines = "multihop;".into());
            s.start(A, kind, |spec| spec.session_lines = lines.into());
            s.until("icmp.type==11", 2);
        })
        .on(Net::Routed)
        .sees(format!("{SYN_OUT} && ip.ttl==1"), "SYN with TTL 1")
        .sees("icmp.type==11 && ip.src==192.0.2.254", "ICMP time exceeded of the router 192.0.2.254")
        .never(SYN_ACK, "SYN-ACK")
    };
    vec![
        far("s05-ttl-1-frr", Kind::Frr, " neighbor 198.51.100.2 disable-connected-check"),
        far("s05-ttl-1-gobgp", Kind::GoBgp, ""),
        far("s05-ttl-1-openbgpd", Kind::OpenBgpd, ""),
        far("s05-ttl-1-bird", Kind::Bird, "multihop 1;"),
    ]
}

fn silent() -> Vec<Scenario> {
    let quiet = |scenario: Scenario| {
        scenario
            .sees(SYN, "SYN and its repetitions")
            .never(SYN_ACK, "SYN-ACK")
            .never(RST, "RST")
            .never("icmp", "ICMP")
    };
    let dropped = |kind: Kind, hook: &'static str, rule: &'static str| {
        move |s: &mut crate::stage::Stage<'_>| {
            nft(&s.b, hook, &[rule]);
            s.start(B, Kind::OpenBgpd, |_| {});
            s.start(A, kind, |_| {});
            s.until(SYN, 5);
        }
    };
    let lost = |s: &mut crate::stage::Stage<'_>| {
        nft(s.router(), "forward", &["tcp sport 179 drop"]);
        s.start(B, Kind::Frr, |spec| spec.session_lines = " neighbor 192.0.2.1 ebgp-multihop 4".into());
        s.start(A, Kind::Bird, |spec| spec.session_lines = "multihop 4;".into());
        s.until(SYN, 4);
    };
    let how = "The router between drops what comes back from port 179 without a word.";
    vec![
        quiet(Scenario::new(
            "s06-drop-bird",
            6,
            "nftables at the neighbour drops what comes to port 179 without a word.",
            dropped(Kind::Bird, "input", "tcp dport 179 drop"),
        )),
        quiet(Scenario::new(
            "s06-drop-gobgp",
            6,
            "nftables at the neighbour drops what comes to port 179 without a word.",
            dropped(Kind::GoBgp, "input", "tcp dport 179 drop"),
        )),
        quiet(Scenario::new(
            "s06-drop-answers-frr",
            6,
            "nftables at the neighbour lets SYNs in but drops what leaves from port 179.",
            dropped(Kind::Frr, "output", "tcp sport 179 drop"),
        )),
        quiet(Scenario::new("s06-return-path-bird", 6, how, lost).on(Net::Routed)),
        Scenario::new("s06-return-path-far-side", 6, how, lost)
            .on(Net::Routed)
            .at(B)
            .sees(SYN, "SYN")
            .sees(SYN_ACK, "SYN-ACK and its repetitions")
            .never("ip.src==192.0.2.1 && tcp.flags.ack==1", "ACK of it"),
    ]
}
