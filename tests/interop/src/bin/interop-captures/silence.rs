//! Signatures 21 to 23: second connections that lose each time, other services than BGP, and peers that stay silent.

use crate::open::{answered, says};
use crate::scenario::{self, A as ADDRESS_A, B as ADDRESS_B, KEEPALIVE, OPEN, Scenario, from};
use crate::script;
use crate::stage::{Side, Stage, nft};
use Side::{A, B};
use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;
use trunkline_interop::peer::Kind;

pub(crate) fn scenarios() -> Vec<Scenario> {
    [collision(), other_service(), stuck()].into_iter().flatten().collect()
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
    vec![twin("s21-duplicate-peer-frr", Kind::Frr), twin("s21-duplicate-peer-trunkline", Kind::Trunkline)]
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
            socat(
                kind,
                "SYSTEM:echo SSH-2.0-OpenSSH_9.2p1; sleep 5",
                "bgp.type==3 && bgp.notify.major_error==1",
                1,
            ),
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
        Scenario::new(
            "s22-silent-script-bird",
            22,
            "A script takes connections and reads, but says nothing; BIRD ends each when its time for the start is over.",
            |s| {
                script::start(s, B, script::linger);
                s.start(A, Kind::Bird, |spec| spec.session_lines = "startup hold time 9;".into());
                s.until(says(ADDRESS_A, 4, 0), 1);
            },
        )
        .sees(from(ADDRESS_A, OPEN), "OPEN of 192.0.2.1")
        .sees(says(ADDRESS_A, 4, 0), "NOTIFICATION 4/0 of 192.0.2.1")
        .never(format!("ip.src=={ADDRESS_B} && tcp.len>0"), "octet of 192.0.2.2"),
        banner("s22-banner-bird", Kind::Bird),
        banner("s22-banner-frr", Kind::Frr),
        marker("s22-marker-bird", Kind::Bird),
        marker("s22-marker-openbgpd", Kind::OpenBgpd),
    ]
}

fn stuck() -> Vec<Scenario> {
    let silent = |name, kind: Kind| {
        Scenario::new(name, 23, "A script sends an OPEN and then nothing more.", move |s: &mut Stage<'_>| {
            script::start(s, B, |stream: &mut TcpStream| {
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
        Scenario::new(
            "s23-filter-later-packets",
            23,
            "nftables at 192.0.2.2 lets out no segment with data but one of the length of its OPEN.",
            |s| {
                nft(&s.b, "output", &["tcp sport 179 tcp flags & psh == psh ip length != 146 drop"]);
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
