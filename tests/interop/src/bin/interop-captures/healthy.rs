//! Nothing is wrong: sessions between each two daemons, and what belongs to a session's life.

use crate::scenario::{
    self, A as ADDRESS_A, B as ADDRESS_B, KEEPALIVE, NOTIFICATION, OPEN, ROUTES, RST, SYN, SYN_ACK, Scenario,
    from,
};
use crate::stage::{Net, Side, Stage, nft, nft_clear};
use Side::{A, B};
use std::time::Duration;
use trunkline_interop::holds_within;
use trunkline_interop::peer::Kind;

pub(crate) fn scenarios() -> Vec<Scenario> {
    [pairs(), paths(), lives()].into_iter().flatten().collect()
}

/// The session comes up with a route each way.
pub(crate) fn comes_up(s: &mut Stage<'_>, a: Kind, of_a: &str, b: Kind, of_b: &str) {
    s.start(B, b, |spec| spec.session_lines = of_b.into());
    s.start(A, a, |spec| spec.session_lines = of_a.into());
    s.up();
    s.announce(A, "203.0.113.0/24");
    s.announce(B, "198.18.0.0/15");
    both_routes(s);
    s.wait(3.0);
}

fn both_routes(s: &mut Stage<'_>) {
    let (a, b) = (s.address(A), s.address(B));
    s.until(from(a, ROUTES), 1);
    s.until(from(b, ROUTES), 1);
}

fn routes(scenario: Scenario) -> Scenario {
    scenario
        .sees(OPEN, "OPEN of both")
        .sees(KEEPALIVE, "KEEPALIVE of both")
        .sees(ROUTES, "UPDATE with a route of each")
        .never(NOTIFICATION, "NOTIFICATION")
}

fn pairs() -> Vec<Scenario> {
    let pair = |name, a: Kind, b: Kind| {
        routes(Scenario::new(name, 0, "A session with a route each way.", move |s: &mut Stage<'_>| {
            comes_up(s, a, "", b, "")
        }))
        .sees(from(ADDRESS_A, SYN), "SYN of 192.0.2.1")
    };
    vec![
        pair("healthy-bird-frr", Kind::Bird, Kind::Frr),
        pair("healthy-bird-gobgp", Kind::Bird, Kind::GoBgp),
        pair("healthy-openbgpd-bird", Kind::OpenBgpd, Kind::Bird),
        pair("healthy-frr-gobgp", Kind::Frr, Kind::GoBgp),
        pair("healthy-frr-openbgpd", Kind::Frr, Kind::OpenBgpd),
        pair("healthy-openbgpd-gobgp", Kind::OpenBgpd, Kind::GoBgp),
        pair("healthy-trunkline-bird", Kind::Trunkline, Kind::Bird),
        pair("healthy-trunkline-frr", Kind::Trunkline, Kind::Frr),
        pair("healthy-gobgp-trunkline", Kind::GoBgp, Kind::Trunkline),
        pair("healthy-openbgpd-trunkline", Kind::OpenBgpd, Kind::Trunkline),
    ]
}

fn paths() -> Vec<Scenario> {
    let six = |s: &mut Stage<'_>| {
        s.start(B, Kind::Frr, |_| {});
        s.start(A, Kind::Bird, |_| {});
        s.up();
        s.announce(A, "2001:db8:a::/48");
        s.announce(B, "2001:db8:b::/48");
        s.until("bgp.type==2 && ipv6.src==2001:db8::1 && bgp.update.path_attribute.type_code==14", 1);
        s.until("bgp.type==2 && ipv6.src==2001:db8::2 && bgp.update.path_attribute.type_code==14", 1);
        s.wait(3.0);
    };
    vec![
        routes(
            Scenario::new("healthy-v6-bird-frr", 0, "A session over IPv6 with a route each way.", six)
                .on(Net::Direct6),
        ),
        routes(
            Scenario::new(
                "healthy-multihop-bird-frr",
                0,
                "A session through a router, with multihop on both sides.",
                |s| {
                    comes_up(s, Kind::Bird, "multihop 4;", Kind::Frr, " neighbor 192.0.2.1 ebgp-multihop 4");
                },
            )
            .on(Net::Routed),
        ),
        routes(Scenario::new("healthy-gtsm-bird-openbgpd", 0, "Both have ttl security.", |s| {
            comes_up(s, Kind::Bird, "ttl security on;", Kind::OpenBgpd, "ttl-security yes");
        }))
        .sees(format!("{SYN} && ip.ttl==255"), "SYN with TTL 255"),
        routes(Scenario::new("healthy-md5-bird-frr", 0, "Both have the same TCP MD5 key.", |s| {
            s.start(B, Kind::Frr, |spec| spec.sessions[0].password = Some("secret".into()));
            s.start(A, Kind::Bird, |spec| spec.sessions[0].password = Some("secret".into()));
            s.up();
            s.announce(A, "203.0.113.0/24");
            s.announce(B, "198.18.0.0/15");
            both_routes(s);
        }))
        .sees("tcp.options.md5", "segments with option 19"),
        Scenario::new(
            "healthy-ao-trunkline",
            0,
            "Both sign with the TCP Authentication Option and the same secret.",
            |s| {
                let _b = crate::keys::signs(s, B, "secret");
                let _a = crate::keys::signs(s, A, "secret");
                s.until(from(ADDRESS_A, KEEPALIVE), 1);
                s.until(from(ADDRESS_B, KEEPALIVE), 1);
                s.wait(3.0);
            },
        )
        .on(Net::Switched)
        .sees("tcp.option_kind==29", "segments with option 29")
        .sees(KEEPALIVE, "KEEPALIVE of both")
        .never(NOTIFICATION, "NOTIFICATION"),
        routes(Scenario::new(
            "healthy-ibgp-frr-openbgpd",
            0,
            "An internal session with a route each way.",
            |s| {
                s.start(B, Kind::OpenBgpd, |spec| spec.asn = 65001);
                s.start(A, Kind::Frr, |spec| spec.sessions[0].remote_asn = 65001);
                s.up();
                s.announce(A, "203.0.113.0/24");
                s.announce(B, "198.18.0.0/15");
                both_routes(s);
            },
        )),
        routes(Scenario::new(
            "healthy-equal-id-ebgp-bird-frr",
            0,
            "Both have the same BGP Identifier, which external neighbours may (RFC 6286).",
            |s| {
                s.start(B, Kind::Frr, |spec| spec.router_id = "192.0.2.1".into());
                s.start(A, Kind::Bird, |_| {});
                s.up();
                s.announce(A, "203.0.113.0/24");
                s.announce(B, "198.18.0.0/15");
                both_routes(s);
            },
        )),
        Scenario::new(
            "healthy-hold-0-bird-frr",
            0,
            "Both have hold time 0: after the begin no KEEPALIVE is sent.",
            |s| {
                s.start(B, Kind::Frr, |spec| {
                    spec.hold = 0;
                    spec.session_lines = " neighbor 192.0.2.1 timers 0 0".into();
                });
                s.start(A, Kind::Bird, |spec| spec.hold = 0);
                s.up();
                s.announce(A, "203.0.113.0/24");
                s.announce(B, "198.18.0.0/15");
                both_routes(s);
                s.wait(15.0);
            },
        )
        .sees("bgp.open.holdtime==0", "OPEN with hold time 0")
        .sees(ROUTES, "UPDATE with a route of each")
        .never(NOTIFICATION, "NOTIFICATION"),
    ]
}

fn lives() -> Vec<Scenario> {
    vec![
        Scenario::new("healthy-collision-bird-frr", 0, "Both connect at the same moment (nftables holds SYNs and then data back until both connections stand); one of the two is kept.", |s| {
            collide(s, Kind::Bird, Kind::Frr);
        })
        .sees(SYN, "SYN of both")
        .sees(OPEN, "OPEN on both connections")
        .sees(scenario::notification(6, 7), "NOTIFICATION 6/7 on the one that goes")
        .sees(ROUTES, "UPDATE with routes on the other"),
        Scenario::new("healthy-midstream-bird-frr", 0, "The session is up already when the capture begins; then a route is announced each way.", |s| {
            s.start(B, Kind::Frr, |spec| spec.hold = 9);
            s.start(A, Kind::Bird, |spec| spec.hold = 9);
            s.up();
            s.record_anew();
            s.wait(7.0);
            s.announce(A, "203.0.113.0/24");
            s.announce(B, "198.18.0.0/15");
            both_routes(s);
            s.wait(3.0);
        })
        .sees(KEEPALIVE, "KEEPALIVE of both")
        .sees(ROUTES, "UPDATE with a route of each")
        .never("tcp.flags.syn==1", "SYN")
        .never(OPEN, "OPEN")
        .never(NOTIFICATION, "NOTIFICATION"),
        routes(Scenario::new("healthy-refresh-bird-frr", 0, "BIRD asks for all routes again (RFC 2918), then FRR does.", |s| {
            comes_up(s, Kind::Bird, "", Kind::Frr, "");
            let [a, b] = [ADDRESS_A, ADDRESS_B].map(|address| address.parse().unwrap());
            s.peer(A).refresh_in(b);
            s.until(from(ADDRESS_A, "bgp.type==5"), 1);
            s.wait(2.0);
            s.peer(B).refresh_in(a);
            s.until(from(ADDRESS_B, "bgp.type==5"), 1);
            s.wait(2.0);
        }))
        .sees("bgp.type==5", "ROUTE-REFRESH"),
        Scenario::new("healthy-graceful-restart-bird-frr", 0, "Both have graceful restart (RFC 4724); FRR is killed and comes back.", |s| {
            s.start(B, Kind::Frr, |spec| spec.graceful_restart = true);
            s.start(A, Kind::Bird, |spec| spec.graceful_restart = true);
            s.up();
            s.announce(A, "203.0.113.0/24");
            s.announce(B, "198.18.0.0/15");
            both_routes(s);
            s.wait(2.0);
            s.peer(B).process().kill();
            s.wait(0.5);
            s.peer(B).start_again();
            s.up();
            s.until(from(ADDRESS_B, ROUTES), 2);
        })
        .sees(SYN_ACK, "SYN-ACK of both connections")
        .sees(from(ADDRESS_B, "tcp.flags.fin==1 || tcp.flags.reset==1"), "the end of the first, without a NOTIFICATION")
        .sees(from(ADDRESS_B, ROUTES), "UPDATE with the route of 192.0.2.2, on each"),
        Scenario::new("healthy-ends-bird-frr", 0, "FRR is ended (SIGTERM), which closes the connection without a NOTIFICATION.", |s| {
            comes_up(s, Kind::Bird, "", Kind::Frr, "");
            s.peer(B).process().terminate();
            s.until(from(ADDRESS_B, "tcp.flags.fin==1 || tcp.flags.reset==1"), 1);
        })
        .sees(ROUTES, "UPDATE with a route of each")
        .never(NOTIFICATION, "NOTIFICATION")
        .sees(from(ADDRESS_B, "tcp.flags.fin==1 || tcp.flags.reset==1"), "the end"),
        Scenario::new("healthy-ends-openbgpd-bird", 0, "BIRD is ended (SIGTERM), which ends the session.", |s| {
            comes_up(s, Kind::OpenBgpd, "", Kind::Bird, "");
            s.peer(B).process().terminate();
            s.until(from(ADDRESS_B, "tcp.flags.fin==1 || tcp.flags.reset==1"), 1);
        })
        .sees(ROUTES, "UPDATE with a route of each")
        .sees(from(ADDRESS_B, NOTIFICATION), "NOTIFICATION of 192.0.2.2")
        .sees(from(ADDRESS_B, "tcp.flags.fin==1 || tcp.flags.reset==1"), "the end"),
    ]
}

/// Makes both connect at once, as the tests of simultaneous opens do.
fn collide(s: &mut Stage<'_>, a: Kind, b: Kind) {
    let syns = "tcp dport 179 tcp flags & (syn | ack) == syn counter drop";
    for side in [A, B] {
        nft(s.space(side), "input", &[syns]);
    }
    s.start(B, b, |spec| spec.sessions[0].passive = false);
    s.start(A, a, |_| {});
    s.until(from(ADDRESS_A, SYN), 1);
    s.until(from(ADDRESS_B, SYN), 1);
    for side in [A, B] {
        nft_clear(s.space(side), "input");
        nft(s.space(side), "input", &["meta l4proto tcp tcp flags & psh == psh counter drop"]);
    }
    let both = || {
        let argv = ["ss", "-Htn", "state", "established", "( sport = :179 or dport = :179 )"];
        s.a.sh(&argv).lines().count() >= 2
    };
    assert!(holds_within(Duration::from_secs(20), both), "there are never two connections");
    for side in [A, B] {
        nft_clear(s.space(side), "input");
    }
    s.up();
    s.announce(A, "203.0.113.0/24");
    s.announce(B, "198.18.0.0/15");
    both_routes(s);
}

/// No connection is refused or torn down.
pub(crate) fn unbroken(scenario: Scenario) -> Scenario {
    scenario.never(NOTIFICATION, "NOTIFICATION").never(RST, "RST")
}
