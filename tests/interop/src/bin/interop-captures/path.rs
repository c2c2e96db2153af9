//! Signatures 24 and 25: a session that is up, and a path or a peer that does not take what is sent.

use crate::scenario::{self, B as ADDRESS_B, FIN, KEEPALIVE, Scenario, from};
use crate::script;
use crate::stage::{Net, Side, Stage, nft};
use Side::{A, B};
use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};
use trunkline_interop::peer::{Kind, Spec};

pub(crate) fn scenarios() -> Vec<Scenario> {
    [black_hole(), not_reading()].into_iter().flatten().collect()
}

/// Configuration for many routes of its own, at the top level of a daemon that is AS 65001.
pub(crate) fn many(kind: Kind, count: usize) -> String {
    let prefixes = (0..count).map(|i| format!("10.{}.{}.0/24", i / 256, i % 256));
    match kind {
        Kind::Bird => {
            let routes: String = prefixes.map(|prefix| format!("  route {prefix} blackhole;\n")).collect();
            format!("protocol static many {{\n  ipv4;\n{routes}}}\n")
        }
        Kind::Frr => {
            let networks: String = prefixes.map(|prefix| format!("  network {prefix}\n")).collect();
            format!(
                "router bgp 65001\n no bgp network import-check\n address-family ipv4 unicast\n{networks} exit-address-family\nexit\n"
            )
        }
        Kind::OpenBgpd => prefixes.map(|prefix| format!("network {prefix}\n")).collect(),
        _ => panic!("no configuration for many routes of {kind}"),
    }
}

fn black_hole() -> Vec<Scenario> {
    let hole = |a: Kind, of_a: &'static str, b: Kind, of_b: &'static str| {
        move |s: &mut Stage<'_>| {
            let r = s.router();
            r.ip("link set e1 mtu 1000");
            nft(r, "output", &["meta l4proto icmp drop"]);
            s.start(B, b, |spec| {
                spec.hold = 9;
                spec.session_lines = of_b.into();
            });
            s.start(A, a, |spec| {
                spec.hold = 9;
                spec.session_lines = of_a.into();
                spec.global_lines = many(a, 600);
            });
            // Up for the hold time; a daemon that has just started may close a first connection at once.
            s.until(from("198.51.100.2", KEEPALIVE), 4);
            s.wait(4.0);
            s.until(from("198.51.100.2", FIN), 1);
        }
    };
    let how = "A link of the path has an MTU of 1000, and the router before it may not say so (nftables drops its ICMP). 600 routes are sent.";
    let frr_b = " neighbor 192.0.2.1 ebgp-multihop 4";
    let frr_a = " neighbor 198.51.100.2 ebgp-multihop 4";
    let here = |scenario: Scenario| {
        scenario
            .on(Net::Routed)
            .sees(
                "ip.src==192.0.2.1 && ip.len>1000 && tcp.analysis.retransmission",
                "packets above 1000 octets, sent again and again",
            )
            .sees(from("198.51.100.2", KEEPALIVE), "KEEPALIVE of 198.51.100.2, which go on")
            .sees(from("198.51.100.2", FIN), "the end of the connection by 198.51.100.2")
            .never("icmp", "ICMP")
    };
    vec![
        here(Scenario::new("s24-mtu-bird-frr", 24, how, hole(Kind::Bird, "multihop 4;", Kind::Frr, frr_b))),
        here(Scenario::new("s24-mtu-frr-bird", 24, how, hole(Kind::Frr, frr_a, Kind::Bird, "multihop 4;"))),
        here(Scenario::new(
            "s24-mtu-openbgpd-bird",
            24,
            how,
            hole(Kind::OpenBgpd, "multihop 4", Kind::Bird, "multihop 4;"),
        )),
        Scenario::new("s24-mtu-far-side", 24, how, hole(Kind::Bird, "multihop 4;", Kind::Frr, frr_b))
            .on(Net::Routed)
            .at(B)
            .sees(
                "tcp.analysis.lost_segment && ip.src==192.0.2.1",
                "a gap in the octets of 192.0.2.1 that is never filled",
            )
            .sees(from("198.51.100.2", &scenario::notification(4, 0)), "NOTIFICATION 4/0 of 198.51.100.2")
            .never("ip.src==192.0.2.1 && ip.len>1000", "packet of 192.0.2.1 above 1000 octets"),
    ]
}

/// Gives the first host's daemon, the second that was started, many routes while it runs.
pub(crate) fn flood(s: &Stage<'_>, kind: Kind) {
    const ROUTES: usize = 3000;
    let file = |name: &str| s.lab.dir().join("a1").join(name);
    match kind {
        Kind::Bird => {
            let file = file("bird.conf");
            let text = std::fs::read_to_string(&file).unwrap();
            std::fs::write(file, text + &many(kind, ROUTES)).unwrap();
            s.order(A, &["configure"]);
        }
        Kind::OpenBgpd => {
            let file = file("bgpd.conf");
            let text = std::fs::read_to_string(&file).unwrap();
            std::fs::write(file, text + &many(kind, ROUTES)).unwrap();
            s.order(A, &["reload"]);
        }
        _ => {
            let text = many(kind, ROUTES);
            let orders: Vec<&str> =
                std::iter::once("configure terminal").chain(text.lines().map(str::trim)).collect();
            s.order(A, &orders);
        }
    }
}

/// Has a host's sockets take little, so that it is soon full.
pub(crate) fn small_buffers(s: &Stage<'_>) {
    s.b.sysctl("net.ipv4.tcp_rmem", "\"4096 4096 4096\"");
    s.a.sysctl("net.ipv4.tcp_wmem", "\"4096 16384 16384\"");
}

/// What 192.0.2.1 does when it gives up: what it sends last on the full connection does not get through.
const GIVES_UP: &str = "ip.src==192.0.2.1 && (tcp.flags.fin==1 || tcp.flags.reset==1 || tcp.flags.syn==1)";

fn full(scenario: Scenario) -> Scenario {
    scenario
        .sees(
            format!("ip.src=={ADDRESS_B} && tcp.window_size==0 && tcp.flags.reset==0"),
            "window 0 of 192.0.2.2",
        )
        .sees(GIVES_UP, "SYN of 192.0.2.1, and at last another, or FIN or RST")
}

fn not_reading() -> Vec<Scenario> {
    let stopped = |name, a: Kind, b: Kind| {
        full(Scenario::new(
            name,
            25,
            "The daemon at 192.0.2.2 is stopped (SIGSTOP) while 192.0.2.1 has thousands of routes for it: its kernel's buffer runs full.",
            move |s: &mut Stage<'_>| {
                small_buffers(s);
                s.start(B, b, |spec| spec.hold = 9);
                s.start(A, a, |spec| spec.hold = 9);
                s.up();
                s.peer(B).process().stop();
                flood(s, a);
                s.until("tcp.analysis.zero_window", 1);
                s.until(GIVES_UP, 2);
            },
        ))
    };
    let deaf = |name, a: Kind, how: &'static str, change: fn(&mut Spec)| {
        full(Scenario::new(name, 25, how, move |s: &mut Stage<'_>| {
            const LONG: Duration = Duration::from_secs(170);
            small_buffers(s);
            script::start(s, B, |stream: &mut TcpStream| {
                script::establish(stream)?;
                let end = Instant::now() + LONG;
                while Instant::now() < end {
                    stream.write_all(&script::keepalive())?;
                    std::thread::sleep(Duration::from_secs(8));
                }
                Ok(())
            });
            s.start(A, a, change);
            s.until_within(LONG, GIVES_UP, 2);
        }))
        .sees(from(ADDRESS_B, KEEPALIVE), "KEEPALIVE of 192.0.2.2, which go on")
    };
    vec![
        stopped("s25-stopped-bird-openbgpd", Kind::Bird, Kind::OpenBgpd),
        stopped("s25-stopped-frr-bird", Kind::Frr, Kind::Bird),
        stopped("s25-stopped-openbgpd-bird", Kind::OpenBgpd, Kind::Bird),
        deaf(
            "s25-send-hold-openbgpd",
            Kind::OpenBgpd,
            "A script sends KEEPALIVEs but reads nothing (no daemon does that): OpenBGPD's send hold timer of 90 s ends the session (RFC 9687).",
            |spec| spec.global_lines = many(Kind::OpenBgpd, 6000),
        ),
        Scenario::new(
            "s25-send-hold-script-bird",
            25,
            "A script brings the session up, ends it by NOTIFICATION 8/0 (RFC 9687) and closes; of the daemons at hand one only has a send hold timer, and its window is shut when it runs out.",
            |s| {
                script::start(s, B, |stream: &mut TcpStream| {
                    script::establish(stream)?;
                    std::thread::sleep(Duration::from_secs(3));
                    stream.write_all(&script::notification(8, 0, &[]))
                });
                s.start(A, Kind::Bird, |_| {});
                s.until(SEND_HOLD, 1);
            },
        )
        .sees(from(ADDRESS_B, KEEPALIVE), "KEEPALIVE of 192.0.2.2")
        .sees(SEND_HOLD, "NOTIFICATION 8/0 of 192.0.2.2"),
    ]
}

const SEND_HOLD: &str = "ip.src==192.0.2.2 && bgp.type==3 && bgp.notify.major_error==8";
