//! Signatures 12 to 20: a connection comes up, a session does not. What the other's OPEN is answered with.

use crate::scenario::{
    self, A as ADDRESS_A, B as ADDRESS_B, FIN, KEEPALIVE, NOTIFICATION, OPEN, RST, SYN, Scenario, from,
};
use crate::script;
use crate::stage::{Net, Side, Stage};
use Side::{A, B};
use std::io::Write;
use std::net::TcpStream;
use trunkline_interop::peer::{Kind, Spec};

pub(crate) fn scenarios() -> Vec<Scenario> {
    [no_neighbor(), source(), rejected(), bad_open(), numbers(), capabilities()]
        .into_iter()
        .flatten()
        .collect()
}

/// A NOTIFICATION of the first or the second host, as a filter.
pub(crate) fn says(address: &str, code: u8, subcode: u8) -> String {
    from(address, &scenario::notification(code, subcode))
}

/// The neighbour of another address than the first host's.
fn of_another(spec: &mut Spec) {
    spec.sessions[0].remote = "192.0.2.99".parse().unwrap();
}

fn no_neighbor() -> Vec<Scenario> {
    let closed = |scenario: Scenario| {
        scenario
            .sees(from(ADDRESS_A, OPEN), "OPEN of 192.0.2.1")
            .sees(from(ADDRESS_B, RST), "RST of 192.0.2.2")
            .never(from(ADDRESS_B, "bgp"), "BGP message of 192.0.2.2")
    };
    let unknown = |name, a: Kind, b: Kind| {
        closed(Scenario::new(
            name,
            12,
            "The daemon at 192.0.2.2 runs, but has only a neighbour 192.0.2.99.",
            move |s: &mut Stage<'_>| {
                s.start(B, b, of_another);
                s.start(A, a, |_| {});
                s.until(from(ADDRESS_B, RST), 2);
            },
        ))
    };
    let disabled = |name, a: Kind, b: Kind, lines: &'static str| {
        closed(Scenario::new(
            name,
            12,
            "The daemon at 192.0.2.2 has the neighbour 192.0.2.1, but it is disabled.",
            move |s: &mut Stage<'_>| {
                s.start(B, b, |spec| {
                spec.session_lines = lines.into();
                if b == Kind::Bird {
                    // BIRD listens only while some neighbour is not disabled.
                    spec.global_lines = "protocol bgp watched { local 192.0.2.2 as 65002; neighbor 192.0.2.77 as 65007; passive; ipv4 { import none; export none; }; }".into();
                }
            });
                if b == Kind::GoBgp {
                    s.order(B, &["neighbor", ADDRESS_A, "disable"]);
                }
                s.start(A, a, |_| {});
                s.until(from(ADDRESS_B, RST), 2);
            },
        ))
    };
    vec![
        Scenario::new(
            "article-rst",
            12,
            "PeerA, AS 600, connects to PeerB, AS 8500, whose neighbour PeerA is shut down.",
            |s| {
                s.start(B, Kind::Frr, |spec| {
                    (spec.asn, spec.router_id) = (8500, "10.82.1.10".into());
                    spec.sessions[0].remote_asn = 600;
                    spec.session_lines = " neighbor 10.82.1.9 shutdown".into();
                });
                s.start(A, Kind::Bird, |spec| {
                    (spec.asn, spec.router_id) = (600, "10.82.1.9".into());
                    spec.sessions[0].remote_asn = 8500;
                    spec.session_lines = "graceful restart on;".into();
                });
                // As in the article. Whether the FIN or the OPEN comes first is a matter of moments.
                s.until(from("10.82.1.10", FIN), 1);
            },
        )
        .on(Net::Article)
        .sees(from("10.82.1.9", OPEN), "OPEN of 10.82.1.9")
        .sees(from("10.82.1.10", FIN), "FIN of 10.82.1.10")
        .sees(from("10.82.1.10", RST), "RST of 10.82.1.10")
        .never(from("10.82.1.10", "bgp"), "BGP message of 10.82.1.10"),
        unknown("s12-unknown-at-bird", Kind::Bird, Kind::Bird),
        unknown("s12-unknown-at-frr", Kind::Bird, Kind::Frr),
        unknown("s12-unknown-at-gobgp", Kind::Frr, Kind::GoBgp),
        unknown("s12-unknown-at-openbgpd", Kind::Frr, Kind::OpenBgpd),
        unknown("s12-unknown-at-trunkline", Kind::OpenBgpd, Kind::Trunkline),
        disabled("s12-disabled-at-bird", Kind::Frr, Kind::Bird, "disabled;"),
        disabled("s12-disabled-at-frr", Kind::Bird, Kind::Frr, " neighbor 192.0.2.1 shutdown"),
        disabled("s12-disabled-at-gobgp", Kind::Bird, Kind::GoBgp, ""),
        disabled("s12-disabled-at-openbgpd", Kind::Frr, Kind::OpenBgpd, "down"),
        Scenario::new(
            "s12-unknown-v6-at-openbgpd",
            12,
            "Over IPv6: the daemon at 2001:db8::2 runs, but has only a neighbour 2001:db8::99.",
            |s| {
                s.start(B, Kind::OpenBgpd, |spec| spec.sessions[0].remote = "2001:db8::99".parse().unwrap());
                s.start(A, Kind::Bird, |_| {});
                s.until(from("2001:db8::2", RST), 2);
            },
        )
        .on(Net::Direct6)
        .sees(from("2001:db8::1", OPEN), "OPEN of 2001:db8::1")
        .sees(from("2001:db8::2", RST), "RST of 2001:db8::2")
        .never(from("2001:db8::2", "bgp"), "BGP message of 2001:db8::2"),
        closed(Scenario::new(
            "s12-held-down-frr",
            12,
            "FRR at 192.0.2.2 has ended the session with 6/1 for too many prefixes, and does not let it up again; the capture begins afterwards.",
            |s| {
                s.start(B, Kind::Frr, |spec| {
                    spec.session_lines = " address-family ipv4 unicast\n  neighbor 192.0.2.1 maximum-prefix 5\n exit-address-family".into();
                });
                s.start(A, Kind::Bird, |spec| spec.global_lines = crate::path::many(Kind::Bird, 10));
                s.until(says(ADDRESS_B, 6, 1), 1);
                s.record_anew();
                s.until(from(ADDRESS_B, RST), 3);
            },
        )),
        closed(Scenario::new(
            "s12-proxy-without-backend",
            12,
            "Not a daemon but a proxy (socat) listens at 192.0.2.2; what it stands for does not answer, so it closes each connection.",
            |s| {
                s.program(
                    B,
                    "socat",
                    &["socat", "TCP-LISTEN:179,bind=192.0.2.2,reuseaddr,fork", "TCP:127.0.0.1:1790"],
                );
                s.tell("socat as a proxy".into(), B, 0);
                s.wait(1.0);
                s.start(A, Kind::Bird, |_| {});
                s.until(from(ADDRESS_B, RST), 2);
            },
        )),
    ]
}

fn source() -> Vec<Scenario> {
    let other = "192.0.2.11";
    let second = move |s: &mut Stage<'_>, b: Kind, passive: bool| {
        s.a.address("e0", "192.0.2.11/24");
        s.start(B, b, move |spec| {
            spec.sessions[0].remote = other.parse().unwrap();
            spec.sessions[0].passive = passive;
        });
    };
    vec![
        Scenario::new(
            "s13-source-openbgpd-bird",
            13,
            "BIRD at 192.0.2.2 expects its neighbour at 192.0.2.11, a second address of the first host, and calls it there; OpenBGPD calls from and listens on 192.0.2.1 only.",
            move |s| {
                second(s, Kind::Bird, false);
                s.start(A, Kind::OpenBgpd, |_| {});
                s.until(from(ADDRESS_B, RST), 1);
                s.until(format!("ip.dst==192.0.2.11 && {SYN}"), 2);
            },
        )
        .sees(from(ADDRESS_A, OPEN), "OPEN of 192.0.2.1")
        .sees(from(ADDRESS_B, RST), "RST of 192.0.2.2 in answer")
        .sees(format!("ip.dst==192.0.2.11 && {SYN}"), "SYN of 192.0.2.2 to 192.0.2.11")
        .sees(from(other, RST), "RST of 192.0.2.11")
        .never(from(ADDRESS_B, "bgp"), "BGP message of 192.0.2.2"),
        Scenario::new(
            "s13-source-bird-frr",
            13,
            "FRR at 192.0.2.2 waits for 192.0.2.11, a second address of the first host; BIRD calls from 192.0.2.1.",
            move |s| {
                second(s, Kind::Frr, true);
                s.start(A, Kind::Bird, |_| {});
                s.until(from(ADDRESS_B, RST), 2);
            },
        )
        .sees(from(ADDRESS_A, OPEN), "OPEN of 192.0.2.1")
        .sees(from(ADDRESS_B, RST), "RST of 192.0.2.2 in answer")
        .never(from(ADDRESS_B, "bgp"), "BGP message of 192.0.2.2"),
    ]
}

fn rejected() -> Vec<Scenario> {
    let refuses = |name, a: Kind| {
        Scenario::new(
            name,
            14,
            "Trunkline does not know the neighbour, and reject is \"notify\".",
            move |s: &mut Stage<'_>| {
                s.start(B, Kind::Trunkline, |spec| {
                    of_another(spec);
                    spec.global_lines = "reject = \"notify\"".into();
                });
                s.start(A, a, |_| {});
                s.until(says(ADDRESS_B, 6, 5), 2);
            },
        )
        .sees(says(ADDRESS_B, 6, 5), "NOTIFICATION 6/5 of 192.0.2.2")
        .never(from(ADDRESS_B, OPEN), "OPEN of 192.0.2.2")
    };
    vec![refuses("s14-rejected-bird-trunkline", Kind::Bird), refuses("s14-rejected-frr-trunkline", Kind::Frr)]
}

/// A daemon calls a script, which answers the OPEN with `answer`.
pub(crate) fn answered(
    kind: Kind,
    answer: Vec<u8>,
    wait: &'static str,
    count: usize,
) -> impl Fn(&mut Stage<'_>) {
    move |s| {
        let answer = answer.clone();
        script::start(s, B, move |stream: &mut TcpStream| {
            script::read(stream)?;
            stream.write_all(&answer)?;
            script::linger(stream)
        });
        s.start(A, kind, |_| {});
        s.until(wait, count);
    }
}

fn bad_open() -> Vec<Scenario> {
    let mut all = Vec::new();
    for (name, kind, version) in [
        ("s15-version-3-bird", Kind::Bird, 3),
        ("s15-version-5-frr", Kind::Frr, 5),
        ("s15-version-3-openbgpd", Kind::OpenBgpd, 3),
    ] {
        let how = "A script answers with an OPEN of another version than 4 (no daemon speaks one).";
        let wait = "bgp.type==3 && bgp.notify.major_error==2 && bgp.notify.minor_error_open==1";
        all.push(
            Scenario::new(name, 15, how, answered(kind, script::open(version, 30, [192, 0, 2, 2]), wait, 1))
                .sees(from(ADDRESS_B, OPEN), "OPEN of 192.0.2.2 with another version")
                .sees(says(ADDRESS_A, 2, 1), "NOTIFICATION 2/1 of 192.0.2.1"),
        );
    }
    for (name, kind) in [
        ("s17-id-zero-bird", Kind::Bird),
        ("s17-id-zero-frr", Kind::Frr),
        ("s17-id-zero-openbgpd", Kind::OpenBgpd),
    ] {
        let how = "A script answers with an OPEN whose BGP Identifier is 0.0.0.0 (no daemon lets one configure that).";
        let wait = "bgp.type==3 && bgp.notify.major_error==2 && bgp.notify.minor_error_open==3";
        all.push(
            Scenario::new(name, 17, how, answered(kind, script::open(4, 30, [0; 4]), wait, 1))
                .sees(from(ADDRESS_B, "bgp.open.identifier==0.0.0.0"), "OPEN with identifier 0.0.0.0")
                .sees(says(ADDRESS_A, 2, 3), "NOTIFICATION 2/3 of 192.0.2.1"),
        );
    }
    all
}

fn numbers() -> Vec<Scenario> {
    let bad_as = |name, a: Kind, b: Kind| {
        Scenario::new(
            name,
            16,
            "The one at 192.0.2.2 expects AS 64999 at 192.0.2.1, which is AS 65001.",
            move |s: &mut Stage<'_>| {
                s.start(B, b, |spec| spec.sessions[0].remote_asn = 64999);
                s.start(A, a, |_| {});
                s.until(says(ADDRESS_B, 2, 2), 1);
            },
        )
        .sees(from(ADDRESS_A, OPEN), "OPEN of 192.0.2.1")
        .sees(says(ADDRESS_B, 2, 2), "NOTIFICATION 2/2 of 192.0.2.2")
    };
    let equal = |name, a: Kind, b: Kind| {
        Scenario::new(
            name,
            17,
            "Both are in AS 65001 with the BGP Identifier 192.0.2.1.",
            move |s: &mut Stage<'_>| {
                s.start(B, b, |spec| (spec.asn, spec.router_id) = (65001, "192.0.2.1".into()));
                s.start(A, a, |spec| spec.sessions[0].remote_asn = 65001);
                s.until(scenario::notification(2, 3), 1);
            },
        )
        .sees(OPEN, "OPEN")
        .sees(scenario::notification(2, 3), "NOTIFICATION 2/3")
    };
    let hold = |name, a: Kind, b: Kind| {
        Scenario::new(name, 18, "The one that connects has a hold time of 1 s.", move |s: &mut Stage<'_>| {
            s.start(B, b, |_| {});
            s.start(A, a, |spec| spec.hold = 1);
            s.until(says(ADDRESS_B, 2, 6), 1);
        })
        .sees(from(ADDRESS_A, "bgp.open.holdtime==1"), "OPEN with hold time 1")
        .sees(says(ADDRESS_B, 2, 6), "NOTIFICATION 2/6 of 192.0.2.2")
    };
    vec![
        Scenario::new(
            "article-notification",
            16,
            "PeerB, AS 8500, connects to PeerA, which is AS 600, and expects AS 1000 there.",
            |s| {
                s.start(A, Kind::Bird, |spec| {
                    (spec.asn, spec.router_id) = (600, "10.82.1.9".into());
                    spec.sessions[0].remote_asn = 8500;
                    *spec = spec.clone().passive();
                });
                s.start(B, Kind::Frr, |spec| {
                    (spec.asn, spec.router_id) = (8500, "10.82.1.10".into());
                    spec.sessions[0].remote_asn = 1000;
                    spec.sessions[0].passive = false;
                });
                s.until(from("10.82.1.10", &scenario::notification(2, 2)), 1);
            },
        )
        .on(Net::Article)
        .sees(from("10.82.1.10", OPEN), "OPEN of 10.82.1.10, AS 8500")
        .sees(from("10.82.1.9", OPEN), "OPEN of 10.82.1.9, AS 600")
        .sees(from("10.82.1.10", &scenario::notification(2, 2)), "NOTIFICATION 2/2 of 10.82.1.10"),
        bad_as("s16-bad-as-at-bird", Kind::Frr, Kind::Bird),
        bad_as("s16-bad-as-at-frr", Kind::Bird, Kind::Frr),
        bad_as("s16-bad-as-at-gobgp", Kind::OpenBgpd, Kind::GoBgp),
        bad_as("s16-bad-as-at-openbgpd", Kind::Bird, Kind::OpenBgpd),
        Scenario::new(
            "s16-bad-as-v6-at-frr",
            16,
            "Over IPv6: the one at 2001:db8::2 expects AS 64999 at 2001:db8::1, which is AS 65001.",
            |s| {
                s.start(B, Kind::Frr, |spec| spec.sessions[0].remote_asn = 64999);
                s.start(A, Kind::OpenBgpd, |_| {});
                s.until(says("2001:db8::2", 2, 2), 1);
            },
        )
        .on(Net::Direct6)
        .sees(from("2001:db8::1", OPEN), "OPEN of 2001:db8::1")
        .sees(says("2001:db8::2", 2, 2), "NOTIFICATION 2/2 of 2001:db8::2"),
        equal("s17-id-equal-bird-frr", Kind::Bird, Kind::Frr),
        equal("s17-id-equal-openbgpd-gobgp", Kind::OpenBgpd, Kind::GoBgp),
        hold("s18-hold-1-gobgp-bird", Kind::GoBgp, Kind::Bird),
        hold("s18-hold-1-gobgp-frr", Kind::GoBgp, Kind::Frr),
        Scenario::new(
            "s18-hold-1-flood-gobgp-openbgpd",
            18,
            "The one that connects, GoBGP, has a hold time of 1 s; OpenBGPD accepts it and sends one KEEPALIVE after another. Only the begin is kept.",
            |s| {
                s.start(B, Kind::OpenBgpd, |_| {});
                s.start(A, Kind::GoBgp, |spec| spec.hold = 1);
                s.until(from(ADDRESS_B, KEEPALIVE), 20);
            },
        )
        .first(80)
        .sees(from(ADDRESS_A, "bgp.open.holdtime==1"), "OPEN with hold time 1")
        .sees(from(ADDRESS_B, KEEPALIVE), "KEEPALIVE of 192.0.2.2, thousands in a second")
        .never(NOTIFICATION, "NOTIFICATION"),
    ]
}

/// OpenBGPD with routes of IPv6 only, over an IPv4 session.
fn six_only(spec: &mut Spec) {
    spec.session_lines = "announce IPv4 none\nannounce IPv6 unicast".into();
}

fn capabilities() -> Vec<Scenario> {
    let family = |name, b: Kind| {
        Scenario::new(
            name,
            19,
            "OpenBGPD offers IPv6 routes only, the other IPv4 routes only.",
            move |s: &mut Stage<'_>| {
                s.start(B, b, |_| {});
                s.start(A, Kind::OpenBgpd, six_only);
                s.until(scenario::notification(2, 7), 1);
            },
        )
        .sees(OPEN, "OPEN")
        .sees(scenario::notification(2, 7), "NOTIFICATION 2/7")
    };
    let old = |name, kind: Kind| {
        let answer = script::notification(2, 4, &[]);
        let how = "A script plays a speaker of before RFC 5492: it answers an OPEN with optional parameters by NOTIFICATION 2/4 (no daemon does that any more).";
        let scenario =
            Scenario::new(name, 20, how, answered(kind, answer, "bgp.type==3 && ip.src==192.0.2.2", 2))
                .first(60)
                .sees(from(ADDRESS_A, OPEN), "OPEN of 192.0.2.1")
                .sees(says(ADDRESS_B, 2, 4), "NOTIFICATION 2/4 of 192.0.2.2");
        // BIRD comes back with the same OPEN.
        match kind {
            Kind::Bird => scenario,
            _ => scenario
                .sees(from(ADDRESS_A, "bgp.open.opt.len==0"), "the later OPENs without optional parameters"),
        }
    };
    let role = |name, a: Kind, of_a: &'static str, b: Kind, of_b: &'static str| {
        Scenario::new(
            name,
            20,
            "Both say that they are the customer (RFC 9234).",
            move |s: &mut Stage<'_>| {
                s.start(B, b, |spec| spec.session_lines = of_b.into());
                s.start(A, a, |spec| spec.session_lines = of_a.into());
                s.until(scenario::notification(2, 11), 1);
            },
        )
        .sees(OPEN, "OPEN with role customer")
        .sees(scenario::notification(2, 11), "NOTIFICATION 2/11")
    };
    let mut all = vec![
        family("s19-no-common-family-openbgpd-frr", Kind::Frr),
        family("s19-no-common-family-openbgpd-bird", Kind::Bird),
        old("s20-unsupported-parameter-bird", Kind::Bird),
        old("s20-unsupported-parameter-frr", Kind::Frr),
        old("s20-unsupported-parameter-openbgpd", Kind::OpenBgpd),
        role(
            "s20-role-bird-frr",
            Kind::Bird,
            "local role customer;",
            Kind::Frr,
            " neighbor 192.0.2.1 local-role customer",
        ),
        role(
            "s20-role-bird-openbgpd",
            Kind::Bird,
            "local role customer;",
            Kind::OpenBgpd,
            "announce policy customer",
        ),
    ];
    all.push(
        Scenario::new(
            "s28-no-common-family-openbgpd-gobgp",
            28,
            "OpenBGPD offers IPv6 routes only, GoBGP IPv4 routes only; both go on all the same.",
            |s| {
                s.start(B, Kind::GoBgp, |_| {});
                s.start(A, Kind::OpenBgpd, six_only);
                s.announce(B, "203.0.113.0/24");
                s.until(from(ADDRESS_A, KEEPALIVE), 1);
                s.until(from(ADDRESS_B, KEEPALIVE), 1);
                s.wait(5.0);
            },
        )
        .sees(OPEN, "OPEN")
        .sees(KEEPALIVE, "KEEPALIVE of both")
        .never(scenario::ROUTES, "route")
        .never(NOTIFICATION, "NOTIFICATION"),
    );
    all
}
