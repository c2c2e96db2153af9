//! Signatures 26 and 29: sessions that were up and are ended by a Cease, each reason by its subcode, or since one end fell silent.

use crate::scenario::{self, A as ADDRESS_A, B as ADDRESS_B, KEEPALIVE, Scenario, from};
use crate::script;
use crate::stage::{Side, Stage};
use Side::{A, B};
use std::io::Write;
use std::net::TcpStream;
use trunkline_interop::peer::Kind;

/// Ten networks more than the other likes.
const TEN: usize = 10;

pub(crate) fn scenarios() -> Vec<Scenario> {
    [limits(), orders(), scripted()].into_iter().flatten().collect()
}

fn cease(subcode: u8) -> String {
    from(ADDRESS_B, &scenario::notification(6, subcode))
}

/// A session comes up, the second host's daemon gets orders, and ends it.
fn ordered(
    name: &'static str,
    subcode: u8,
    said: &'static str,
    b: Kind,
    how: &'static str,
    end: impl Fn(&mut Stage<'_>) + Send + Sync + 'static,
) -> Scenario {
    let a = if b == Kind::Bird { Kind::Frr } else { Kind::Bird };
    Scenario::new(name, 26, how, move |s: &mut Stage<'_>| {
        s.start(B, b, |_| {});
        s.start(A, a, |_| {});
        s.up();
        end(s);
        s.until(cease(subcode), 1);
    })
    .sees(from(ADDRESS_B, KEEPALIVE), "KEEPALIVE of 192.0.2.2")
    .sees(cease(subcode), said)
}

fn limits() -> Vec<Scenario> {
    let limit = |name, b: Kind, lines: &'static str| {
        Scenario::new(
            name,
            26,
            "The one at 192.0.2.2 takes at most 5 prefixes, and 10 are announced.",
            move |s: &mut Stage<'_>| {
                s.start(B, b, |spec| spec.session_lines = lines.into());
                if b == Kind::Bird {
                    edit(s, "b0/bird.conf", "import all;", "import limit 5 action disable; import all;");
                    s.order(B, &["configure"]);
                }
                let a = if b == Kind::Bird { Kind::Frr } else { Kind::Bird };
                s.start(A, a, |spec| spec.global_lines = crate::path::many(a, TEN));
                s.until(cease(1), 1);
            },
        )
        .sees(from(ADDRESS_A, scenario::ROUTES), "UPDATE with routes of 192.0.2.1")
        .sees(cease(1), "NOTIFICATION 6/1 of 192.0.2.2")
    };
    vec![
        limit(
            "s26-prefixes-frr",
            Kind::Frr,
            " address-family ipv4 unicast\n  neighbor 192.0.2.1 maximum-prefix 5\n exit-address-family",
        ),
        limit("s26-prefixes-openbgpd", Kind::OpenBgpd, "max-prefix 5"),
        limit("s26-prefixes-trunkline", Kind::Trunkline, "maximum-prefixes = 5"),
        limit("s26-prefixes-bird", Kind::Bird, ""),
    ]
}

fn orders() -> Vec<Scenario> {
    let shutdown = "NOTIFICATION 6/2 of 192.0.2.2";
    let reset = "NOTIFICATION 6/4 of 192.0.2.2";
    vec![
        ordered(
            "s26-shutdown-text-frr",
            2,
            shutdown,
            Kind::Frr,
            "neighbor … shutdown message, with a text (RFC 9003).",
            |s| {
                s.order(
                    B,
                    &[
                        "configure terminal",
                        "router bgp 65002",
                        "neighbor 192.0.2.1 shutdown message Maintenance until noon, ticket 4711",
                    ],
                );
            },
        )
        .sees("bgp.notify.communication", "its text"),
        ordered(
            "s26-shutdown-text-openbgpd",
            2,
            shutdown,
            Kind::OpenBgpd,
            "bgpctl neighbor … down with a reason (RFC 9003).",
            |s| {
                s.order(B, &["neighbor", ADDRESS_A, "down", "Maintenance until noon, ticket 4711"]);
            },
        )
        .sees("bgp.notify.communication", "its text"),
        ordered(
            "s26-shutdown-text-gobgp",
            2,
            shutdown,
            Kind::GoBgp,
            "gobgp neighbor … shutdown with a reason (RFC 9003).",
            |s| {
                s.order(B, &["neighbor", ADDRESS_A, "shutdown", "--reason", "Maintenance until noon"]);
            },
        ),
        ordered("s26-shutdown-bird", 2, shutdown, Kind::Bird, "birdc disable with a reason.", |s| {
            s.order(B, &["disable s0 \"Maintenance until noon\""]);
        }),
        ordered(
            "s26-deconfigured-frr",
            3,
            "NOTIFICATION 6/3 of 192.0.2.2",
            Kind::Frr,
            "no neighbor: it is taken out of the configuration.",
            |s| {
                s.order(B, &["configure terminal", "router bgp 65002", "no neighbor 192.0.2.1"]);
            },
        ),
        ordered(
            "s26-deconfigured-openbgpd",
            3,
            "NOTIFICATION 6/3 of 192.0.2.2",
            Kind::OpenBgpd,
            "The neighbour is taken out of the file, which is read again.",
            |s| {
                forget(
                    s,
                    "b0/bgpd.conf",
                    "AS 65002\nrouter-id 192.0.2.2\nfib-update no\nlisten on 192.0.2.2\nneighbor 192.0.2.77 {\n  remote-as 65077\n  passive\n}\n",
                );
                s.order(B, &["reload"]);
            },
        ),
        ordered(
            "s26-deconfigured-bird",
            3,
            "NOTIFICATION 6/3 of 192.0.2.2",
            Kind::Bird,
            "The neighbour is taken out of the file, which is read again.",
            |s| {
                forget(s, "b0/bird.conf", "router id 192.0.2.2;\nprotocol device {}\n");
                s.order(B, &["configure"]);
            },
        ),
        ordered("s26-reset-frr", 4, reset, Kind::Frr, "clear bgp.", |s| s.order(B, &["clear bgp 192.0.2.1"])),
        ordered("s26-reset-gobgp", 4, reset, Kind::GoBgp, "gobgp neighbor … reset.", |s| {
            s.order(B, &["neighbor", ADDRESS_A, "reset"])
        }),
        ordered("s26-reset-bird", 4, reset, Kind::Bird, "birdc restart.", |s| s.order(B, &["restart s0"])),
        ordered("s26-reset-openbgpd", 4, reset, Kind::OpenBgpd, "bgpctl neighbor … clear.", |s| {
            s.order(B, &["neighbor", ADDRESS_A, "clear"])
        }),
        ordered(
            "s26-changed-bird",
            6,
            "NOTIFICATION 6/6 of 192.0.2.2",
            Kind::Bird,
            "The hold time of the neighbour is changed in the file, which is read again.",
            |s| {
                edit(s, "b0/bird.conf", "hold time 30", "hold time 60");
                s.order(B, &["configure"]);
            },
        ),
        ordered(
            "s26-changed-frr",
            6,
            "NOTIFICATION 6/6 of 192.0.2.2",
            Kind::Frr,
            "The update-source of the neighbour is changed.",
            |s| {
                s.order(
                    B,
                    &["configure terminal", "router bgp 65002", "neighbor 192.0.2.1 update-source e0"],
                );
            },
        ),
    ]
}

/// Puts another configuration in the place of a daemon's.
fn forget(s: &Stage<'_>, file: &str, text: &str) {
    std::fs::write(s.lab.dir().join(file), text).unwrap();
}

fn scripted() -> Vec<Scenario> {
    let mut all = Vec::new();
    for (name, subcode, data, said) in [
        ("s26-resources-script", 8, vec![], "NOTIFICATION 6/8 of 192.0.2.2"),
        ("s26-hard-reset-script", 9, vec![6, 2, 3, b'E', b'n', b'd'], "NOTIFICATION 6/9 of 192.0.2.2"),
        ("s26-bfd-down-script", 10, vec![], "NOTIFICATION 6/10 of 192.0.2.2"),
    ] {
        let how = "A script brings the session up and ends it so; no daemon at hand can be ordered to.";
        all.push(
            Scenario::new(name, 26, how, move |s: &mut Stage<'_>| {
                let data = data.clone();
                script::start(s, B, move |stream: &mut TcpStream| {
                    script::establish(stream)?;
                    std::thread::sleep(std::time::Duration::from_secs(3));
                    stream.write_all(&script::notification(6, subcode, &data))?;
                    script::linger(stream)
                });
                s.start(A, Kind::Bird, |_| {});
                s.until(cease(subcode), 1);
            })
            .sees(from(ADDRESS_B, KEEPALIVE), "KEEPALIVE of 192.0.2.2")
            .sees(cease(subcode), said),
        );
    }
    all
}

/// Signature 29.
pub(crate) fn silenced() -> Vec<Scenario> {
    let ended = from(ADDRESS_A, &scenario::notification(4, 0));
    let wait = ended.clone();
    vec![
        Scenario::new(
            "s29-stopped-bird-bird",
            29,
            "The session is up, then the one at 192.0.2.2 is stopped (SIGSTOP): its kernel takes what comes, and it says nothing more.",
            move |s: &mut Stage<'_>| {
                s.start(B, Kind::Bird, |spec| spec.hold = 9);
                s.start(A, Kind::Bird, |spec| spec.hold = 9);
                s.up();
                s.announce(A, "203.0.113.0/24");
                s.announce(B, "198.18.0.0/15");
                s.until(from(ADDRESS_B, scenario::ROUTES), 1);
                s.wait(4.0);
                s.peer(B).process().stop();
                s.until(&wait, 1);
            },
        )
        .sees(from(ADDRESS_A, KEEPALIVE), "KEEPALIVE of 192.0.2.1, which go on")
        .sees(from(ADDRESS_B, KEEPALIVE), "KEEPALIVE of 192.0.2.2, which do not")
        .sees(ended, "NOTIFICATION 4/0 of 192.0.2.1"),
    ]
}

/// Changes a daemon's configuration file; it does not read it by itself.
fn edit(s: &Stage<'_>, file: &str, from: &str, to: &str) {
    let path = s.lab.dir().join(file);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{file} has no {from}");
    std::fs::write(path, text.replace(from, to)).unwrap();
}
