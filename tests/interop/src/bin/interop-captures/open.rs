//! Signatures 12 to 23: a connection comes up, a session does not. What the other's OPEN is answered with.

use crate::scenario::{self, A as ADDRESS_A, B as ADDRESS_B, FIN, KEEPALIVE, NOTIFICATION, OPEN, RST, SYN, Scenario, from};
use crate::script::{self, Script};
use crate::stage::{Net, Side, Stage, nft};
use Side::{A, B};
use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;
use trunkline_interop::peer::{Kind, Spec};

pub(crate) fn scenarios() -> Vec<Scenario> {
    [no_neighbor(), source(), rejected(), bad_open(), numbers(), capabilities(), collision(), other_service(), stuck()]
        .into_iter()
        .flatten()
        .collect()
}

/// A NOTIFICATION of the first or the second host, as a filter.
fn says(address: &str, code: u8, subcode: u8) -> String {
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
        closed(Scenario::new(name, 12, "The daemon at 192.0.2.2 runs, but has only a neighbour 192.0.2.99.", move |s: &mut Stage<'_>| {
            s.start(B, b, of_another);
            s.start(A, a, |_| {});
            s.until(from(ADDRESS_B, RST), 2);
        }))
    };
    let disabled = |name, a: Kind, b: Kind, lines: &'static str| {
        closed(Scenario::new(name, 12, "The daemon at 192.0.2.2 has the neighbour 192.0.2.1, but it is disabled.", move |s: &mut Stage<'_>| {
            s.start(B, b, |spec| {
                spec.session_lines = lines.into();
                if b == Kind::Bird {
                    // BIRD listens only while some neighbour is not disabled.
                    spec.global_lines = "protocol bgp other { local 192.0.2.2 as 65002; neighbor 192.0.2.77 as 65007; passive; ipv4; }".into();
                }
            });
            if b == Kind::GoBgp {
                s.order(B, &["neighbor", ADDRESS_A, "disable"]);
            }
            s.start(A, a, |_| {});
            s.until(from(ADDRESS_B, RST), 2);
        }))
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
                s.until(from("10.82.1.10", RST), 1);
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
        closed(Scenario::new(
            "s12-proxy-without-backend",
            12,
            "Not a daemon but a proxy (socat) listens at 192.0.2.2; what it stands for does not answer, so it closes each connection.",
            |s| {
                s.program(B, "socat", &["socat", "TCP-LISTEN:179,bind=192.0.2.2,reuseaddr,fork", "TCP:127.0.0.1:1790"]);
                s.tell("socat as a proxy".into(), B, 0);
                s.wait(1.0);
                s.start(A, Kind::Bird, |_| {});
                s.until(from(ADDRESS_B, RST), 2);
            },
        ))
        .also(&[22]),
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
        .also(&[12])
        .sees(from(ADDRESS_A, OPEN), "OPEN of 192.0.2.1")
        .sees(from(ADDRESS_B, RST), "RST of 192.0.2.2 in answer")
        .never(from(ADDRESS_B, "bgp"), "BGP message of 192.0.2.2"),
    ]
}

fn rejected() -> Vec<Scenario> {
    let refuses = |name, a: Kind| {
        Scenario::new(name, 14, "Trunkline does not know the neighbour, and reject is \"notify\".", move |s: &mut Stage<'_>| {
            s.start(B, Kind::Trunkline, |spec| {
                of_another(spec);
                spec.global_lines = "reject = \"notify\"".into();
            });
            s.start(A, a, |_| {});
            s.until(says(ADDRESS_B, 6, 5), 2);
        })
        .sees(says(ADDRESS_B, 6, 5), "NOTIFICATION 6/5 of 192.0.2.2")
        .never(from(ADDRESS_B, OPEN), "OPEN of 192.0.2.2")
    };
    vec![refuses("s14-rejected-bird-trunkline", Kind::Bird), refuses("s14-rejected-frr-trunkline", Kind::Frr)]
}

/// A daemon calls a script, which answers the OPEN with `answer`.
fn answered(kind: Kind, answer: Vec<u8>, wait: &'static str, count: usize) -> impl Fn(&mut Stage<'_>) {
    move |s| {
        let answer = answer.clone();
        let _peer = Script::start(s, B, move |stream: &mut TcpStream| {
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
    for (name, kind) in [("s17-id-zero-bird", Kind::Bird), ("s17-id-zero-frr", Kind::Frr), ("s17-id-zero-openbgpd", Kind::OpenBgpd)] {
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
        Scenario::new(name, 16, "The one at 192.0.2.2 expects AS 64999 at 192.0.2.1, which is AS 65001.", move |s: &mut Stage<'_>| {
            s.start(B, b, |spec| spec.sessions[0].remote_asn = 64999);
            s.start(A, a, |_| {});
            s.until(says(ADDRESS_B, 2, 2), 1);
        })
        .sees(from(ADDRESS_A, OPEN), "OPEN of 192.0.2.1")
        .sees(says(ADDRESS_B, 2, 2), "NOTIFICATION 2/2 of 192.0.2.2")
    };
    let equal = |name, a: Kind, b: Kind| {
        Scenario::new(name, 17, "Both are in AS 65001 with the BGP Identifier 192.0.2.1.", move |s: &mut Stage<'_>| {
            s.start(B, b, |spec| (spec.asn, spec.router_id) = (65001, "192.0.2.1".into()));
            s.start(A, a, |spec| spec.sessions[0].remote_asn = 65001);
            s.until(scenario::notification(2, 3), 1);
        })
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
        equal("s17-id-equal-bird-frr", Kind::Bird, Kind::Frr),
        equal("s17-id-equal-openbgpd-gobgp", Kind::OpenBgpd, Kind::GoBgp),
        hold("s18-hold-1-gobgp-bird", Kind::GoBgp, Kind::Bird),
        hold("s18-hold-1-gobgp-frr", Kind::GoBgp, Kind::Frr),
        hold("s18-hold-1-gobgp-openbgpd", Kind::GoBgp, Kind::OpenBgpd),
    ]
}

/// OpenBGPD with routes of IPv6 only, over an IPv4 session.
fn six_only(spec: &mut Spec) {
    spec.session_lines = "announce IPv4 none\nannounce IPv6 unicast".into();
}

fn capabilities() -> Vec<Scenario> {
    let family = |name, b: Kind| {
        Scenario::new(name, 19, "OpenBGPD offers IPv6 routes only, the other IPv4 routes only.", move |s: &mut Stage<'_>| {
            s.start(B, b, |_| {});
            s.start(A, Kind::OpenBgpd, six_only);
            s.until(scenario::notification(2, 7), 1);
        })
        .sees(OPEN, "OPEN")
        .sees(scenario::notification(2, 7), "NOTIFICATION 2/7")
    };
    let old = |name, kind: Kind| {
        let answer = script::notification(2, 4, &[]);
        let how = "A script plays a speaker of before RFC 5492: it answers an OPEN with optional parameters by NOTIFICATION 2/4 (no daemon does that any more).";
        Scenario::new(name, 20, how, answered(kind, answer, "bgp.type==1", 2))
            .sees(from(ADDRESS_A, OPEN), "OPEN of 192.0.2.1")
            .sees(says(ADDRESS_B, 2, 4), "NOTIFICATION 2/4 of 192.0.2.2")
    };
    let role = |name, a: Kind, of_a: &'static str, b: Kind, of_b: &'static str| {
        Scenario::new(name, 20, "Both say that they are the customer (RFC 9234).", move |s: &mut Stage<'_>| {
            s.start(B, b, |spec| spec.session_lines = of_b.into());
            s.start(A, a, |spec| spec.session_lines = of_a.into());
            s.until(scenario::notification(2, 11), 1);
        })
        .sees(OPEN, "OPEN with role customer")
        .sees(scenario::notification(2, 11), "NOTIFICATION 2/11")
    };
    let mut all = vec![
        family("s19-no-common-family-openbgpd-frr", Kind::Frr),
        family("s19-no-common-family-openbgpd-bird", Kind::Bird),
        old("s20-unsupported-parameter-bird", Kind::Bird),
        old("s20-unsupported-parameter-frr", Kind::Frr),
        old("s20-unsupported-parameter-openbgpd", Kind::OpenBgpd),
        role("s20-role-bird-frr", Kind::Bird, "local role customer;", Kind::Frr, " neighbor 192.0.2.1 local-role customer"),
        role("s20-role-bird-openbgpd", Kind::Bird, "local role customer;", Kind::OpenBgpd, "announce policy yes\nrole customer"),
    ];
    for (name, b) in [("s28-no-common-family-openbgpd-gobgp", Kind::GoBgp), ("s28-no-common-family-bird-openbgpd", Kind::OpenBgpd)] {
        all.push(
            Scenario::new(name, 28, "One offers IPv4 routes only, the other IPv6 routes only; both go on all the same.", move |s: &mut Stage<'_>| {
                if b == Kind::OpenBgpd {
                    s.start(B, b, six_only);
                    s.start(A, Kind::Bird, |_| {});
                } else {
                    s.start(B, b, |_| {});
                    s.start(A, Kind::OpenBgpd, six_only);
                }
                s.announce(if b == Kind::OpenBgpd { A } else { B }, "203.0.113.0/24");
                s.until(from(ADDRESS_A, KEEPALIVE), 1);
                s.until(from(ADDRESS_B, KEEPALIVE), 1);
                s.wait(5.0);
            })
            .also(&[19])
            .sees(OPEN, "OPEN")
            .sees(KEEPALIVE, "KEEPALIVE of both")
            .never(scenario::ROUTES, "route")
            .never(NOTIFICATION, "NOTIFICATION"),
        );
    }
    all
}

fn collision() -> Vec<Scenario> {
    let twin = |name, b: Kind| {
        Scenario::new(
            name,
            21,
            "A second speaker, GoBGP, uses the address of 192.0.2.1 too, whose session from BIRD is up: each of its connections loses the collision.",
            move |s: &mut Stage<'_>| {
                s.start(B, b, |_| {});
                s.start(A, Kind::Bird, |_| {});
                s.up();
                let conf = "[global.config]\nas = 65001\nrouter-id = \"192.0.2.1\"\nport = -1\n[[neighbors]]\n[neighbors.config]\n\
                            neighbor-address = \"192.0.2.2\"\npeer-as = 65002\n[neighbors.timers.config]\nconnect-retry = 1.0\n\
                            idle-hold-time-after-reset = 1.0\n";
                let file = s.lab.dir().join("twin.conf");
                std::fs::write(&file, conf).unwrap();
                s.tell("GoBGP as the twin".into(), A, 65001);
                let file = file.to_str().unwrap().to_owned();
                s.program(A, "twin", &["gobgpd", "-f", &file, "--pprof-disable", "--api-hosts", "127.0.0.1:50051"]);
                s.until(scenario::notification(6, 7), 3);
            },
        )
        .sees(from(ADDRESS_A, OPEN), "OPEN of 192.0.2.1")
        .sees(scenario::notification(6, 7), "NOTIFICATION 6/7")
    };
    vec![twin("s21-duplicate-peer-frr", Kind::Frr), twin("s21-duplicate-peer-bird", Kind::Bird)]
}

fn other_service() -> Vec<Scenario> {
    let socat = |kind: Kind, does: &'static str, wait: &'static str, count: usize| {
        move |s: &mut Stage<'_>| {
            s.program(B, "socat", &["socat", "TCP-LISTEN:179,bind=192.0.2.2,reuseaddr,fork", does]);
            s.tell("socat".into(), B, 0);
            s.wait(1.0);
            s.start(A, kind, |spec| spec.hold = 9);
            s.until(wait, count);
        }
    };
    let banner = |name, kind| {
        Scenario::new(
            name,
            22,
            "Not a BGP daemon but something like an SSH server listens at port 179 (socat with a banner).",
            socat(kind, "SYSTEM:echo SSH-2.0-OpenSSH_9.2p1; sleep 5", "bgp.type==3 && bgp.notify.major_error==1", 1),
        )
        .sees(format!("ip.src=={ADDRESS_B} && tcp.len>0"), "octets of 192.0.2.2 that are no BGP")
        .sees(says(ADDRESS_A, 1, 1), "NOTIFICATION 1/1 of 192.0.2.1")
    };
    let marker = |name, kind| {
        let mut bad = script::good_open();
        bad[3] = 0;
        let how = "A script answers with an OPEN whose marker is not all ones (no daemon does that).";
        Scenario::new(name, 22, how, answered(kind, bad, "bgp.type==3 && bgp.notify.major_error==1", 1))
            .sees(format!("ip.src=={ADDRESS_B} && tcp.len>0"), "a message of 192.0.2.2 with a wrong marker")
            .sees(says(ADDRESS_A, 1, 1), "NOTIFICATION 1/1 of 192.0.2.1")
    };
    let quiet = |scenario: Scenario| {
        scenario
            .sees(from(ADDRESS_A, OPEN), "OPEN of 192.0.2.1")
            .sees(format!("ip.src=={ADDRESS_B} && tcp.flags==0x010 && tcp.ack>1"), "ACK of it")
            .never(format!("ip.src=={ADDRESS_B} && tcp.len>0"), "octet of 192.0.2.2")
    };
    vec![
        quiet(Scenario::new(
            "s22-sink-bird",
            22,
            "Something that takes everything and says nothing listens at port 179 (socat into /dev/null).",
            socat(Kind::Bird, "OPEN:/dev/null,wronly", "tcp.flags.fin==1 || tcp.flags.reset==1", 1),
        )),
        quiet(Scenario::new(
            "s22-sink-frr",
            22,
            "Something that takes everything and says nothing listens at port 179 (socat into /dev/null).",
            socat(Kind::Frr, "OPEN:/dev/null,wronly", "tcp.len>0 && ip.src==192.0.2.1", 1),
        )),
        quiet(Scenario::new(
            "s22-stopped-daemon-bird",
            22,
            "FRR at 192.0.2.2 is stopped (SIGSTOP): its kernel takes connections and octets, and nobody reads them.",
            |s| {
                s.start(B, Kind::Frr, |_| {});
                s.peer(B).process().stop();
                s.start(A, Kind::Bird, |_| {});
                s.until(from(ADDRESS_A, OPEN), 1);
                s.wait(8.0);
            },
        )),
        banner("s22-banner-bird", Kind::Bird),
        banner("s22-banner-frr", Kind::Frr),
        marker("s22-marker-bird", Kind::Bird),
        marker("s22-marker-gobgp", Kind::GoBgp),
    ]
}

fn stuck() -> Vec<Scenario> {
    let silent = |name, kind: Kind| {
        Scenario::new(name, 23, "A script sends an OPEN and then nothing more.", move |s: &mut Stage<'_>| {
            let _peer = Script::start(s, B, |stream: &mut TcpStream| {
                script::read(stream)?;
                stream.write_all(&script::open(4, 6, [192, 0, 2, 2]))?;
                script::linger(stream)
            });
            s.start(A, kind, |spec| spec.hold = 6);
            s.until(says(ADDRESS_A, 4, 0), 1);
        })
        .sees(OPEN, "OPEN of both")
        .sees(from(ADDRESS_A, KEEPALIVE), "KEEPALIVE of 192.0.2.1")
        .sees(says(ADDRESS_A, 4, 0), "NOTIFICATION 4/0 of 192.0.2.1")
        .never(from(ADDRESS_B, KEEPALIVE), "KEEPALIVE of 192.0.2.2")
    };
    vec![
        silent("s23-no-keepalive-bird", Kind::Bird),
        silent("s23-no-keepalive-frr", Kind::Frr),
        silent("s23-no-keepalive-openbgpd", Kind::OpenBgpd),
        Scenario::new(
            "s23-filter-later-packets",
            23,
            "nftables at 192.0.2.2 lets only the first packets of a connection out: the SYN-ACK, ACKs and the OPEN.",
            |s| {
                nft(&s.b, "output", &["tcp sport 179 tcp flags & psh == psh ct reply packets > 3 drop"]);
                s.start(B, Kind::Frr, |spec| spec.hold = 6);
                s.start(A, Kind::Bird, |spec| spec.hold = 6);
                s.until_within(Duration::from_secs(40), says(ADDRESS_A, 4, 0), 1);
            },
        )
        .sees(OPEN, "OPEN of both")
        .sees(says(ADDRESS_A, 4, 0), "NOTIFICATION 4/0 of 192.0.2.1")
        .never(from(ADDRESS_B, KEEPALIVE), "KEEPALIVE of 192.0.2.2"),
    ]
}
