//! Signatures 7 to 11: segments that the other's TCP throws away, for their signature or their TTL.

use crate::scenario::{A as ADDRESS_A, B as ADDRESS_B, OPEN, RST, SYN, SYN_ACK, Scenario, from};
use crate::stage::{Net, Side, Stage, kind_and_version};
use Side::{A, B};
use trunkline_interop::Trunkline;
use trunkline_interop::peer::{Kind, Spec};

pub(crate) fn scenarios() -> Vec<Scenario> {
    [md5(), ao(), gtsm()].into_iter().flatten().collect()
}

fn key(key: &str) -> impl Fn(&mut Spec) + use<> {
    let key = key.to_owned();
    move |spec| spec.sessions[0].password = (!key.is_empty()).then(|| key.clone())
}

/// Both call: each sees what the other's SYNs bring, and the capture both kinds of them.
fn both_call(name: &'static str, signature: u8, how: &'static str, b: Kind, of_b: &'static str) -> Scenario {
    Scenario::new(name, signature, how, move |s: &mut Stage<'_>| {
        s.start(B, b, |spec| {
            key(of_b)(spec);
            spec.sessions[0].passive = false;
        });
        s.start(A, Kind::Bird, key("secret"));
        s.until(from(ADDRESS_A, SYN), 4);
        s.until(from(ADDRESS_B, SYN), 4);
    })
    .sees(from(ADDRESS_A, &format!("{SYN} && tcp.options.md5")), "SYN of 192.0.2.1 with option 19")
    .never(SYN_ACK, "SYN-ACK")
    .never(RST, "RST")
}

fn md5() -> Vec<Scenario> {
    let keys = |a: Kind, of_a: &'static str, b: Kind, of_b: &'static str| {
        move |s: &mut Stage<'_>| {
            s.start(B, b, key(of_b));
            s.start(A, a, key(of_a));
            s.until(SYN, 5);
        }
    };
    let plain = |name, a, b| {
        Scenario::new(
            name,
            7,
            "The neighbour has a TCP MD5 key, the one that connects has none.",
            keys(a, "", b, "secret"),
        )
        .sees(format!("{SYN} && !tcp.options.md5"), "SYN without option 19 and its repetitions")
        .never(SYN_ACK, "SYN-ACK")
        .never(RST, "RST")
    };
    let unexpected = |name, a, b| {
        Scenario::new(
            name,
            8,
            "The one that connects signs with a TCP MD5 key, the neighbour has none.",
            keys(a, "secret", b, ""),
        )
        .sees(format!("{SYN} && tcp.options.md5"), "SYN with option 19 and its repetitions")
        .never(SYN_ACK, "SYN-ACK")
        .never(RST, "RST")
    };
    let mismatch = |name, a, b| {
        Scenario::new(name, 9, "Both have a TCP MD5 key, but not the same.", keys(a, "secret", b, "Secret"))
            .sees(format!("{SYN} && tcp.options.md5"), "SYN with option 19 and its repetitions")
            .never(SYN_ACK, "SYN-ACK")
            .never(RST, "RST")
    };
    vec![
        plain("s07-md5-missing-bird-frr", Kind::Bird, Kind::Frr),
        plain("s07-md5-missing-openbgpd-bird", Kind::OpenBgpd, Kind::Bird),
        plain("s07-md5-missing-far-side", Kind::Frr, Kind::Bird).at(B),
        unexpected("s08-md5-unexpected-bird-gobgp", Kind::Bird, Kind::GoBgp),
        unexpected("s08-md5-unexpected-frr-bird", Kind::Frr, Kind::Bird),
        unexpected("s08-md5-unexpected-far-side", Kind::OpenBgpd, Kind::Frr).at(B),
        both_call(
            "s08-md5-one-side-bird-bird",
            8,
            "The one at 192.0.2.1 signs with a TCP MD5 key, the one at 192.0.2.2 has none, and both call.",
            Kind::Bird,
            "",
        )
        .sees(
            from(ADDRESS_B, &format!("{SYN} && !tcp.options.md5")),
            "SYN of 192.0.2.2 without option 19",
        ),
        mismatch("s09-md5-mismatch-bird-frr", Kind::Bird, Kind::Frr),
        mismatch("s09-md5-mismatch-gobgp-bird", Kind::GoBgp, Kind::Bird),
        mismatch("s09-md5-mismatch-far-side", Kind::OpenBgpd, Kind::Bird).at(B),
        both_call(
            "s09-md5-differs-bird-frr",
            9,
            "Both have a TCP MD5 key, but not the same, and both call.",
            Kind::Frr,
            "Secret",
        )
        .sees(from(ADDRESS_B, &format!("{SYN} && tcp.options.md5")), "SYN of 192.0.2.2 with option 19"),
        Scenario::new(
            "s09-md5-nat-bird-frr",
            9,
            "Both have the same TCP MD5 key, but the router between rewrites the source address (masquerade), which the signature covers.",
            |s| {
                let table = "add table ip n; add chain ip n c { type nat hook postrouting priority 100; }; add rule ip n c oifname e1 masquerade";
                s.router().sh(&["nft", table]);
                s.start(B, Kind::Frr, |spec| {
                    spec.session_lines = " neighbor 198.51.100.254 ebgp-multihop 4".into();
                    *spec = spec.clone().session("198.51.100.2", "198.51.100.254", 65001).passive();
                    spec.sessions.remove(0);
                    spec.sessions[0].password = Some("secret".into());
                });
                s.start(A, Kind::Bird, |spec| {
                    key("secret")(spec);
                    spec.session_lines = "multihop 4;".into();
                });
                s.until(SYN, 4);
            },
        )
        .on(Net::Routed)
        .sees(format!("{SYN} && tcp.options.md5"), "SYN with option 19 and its repetitions")
        .never(SYN_ACK, "SYN-ACK"),
    ]
}

/// Trunkline's own TCP on the first host's link, with a key of the TCP Authentication Option.
pub(crate) fn signs(s: &mut Stage<'_>, side: Side, secret: &str) -> Trunkline {
    let (local, remote) = (s.address(side), if side == A { s.address(B) } else { s.address(A) });
    let (asn, peer) = if side == A { (65001, 65002) } else { (65002, 65001) };
    let space = s.space(side);
    space.ip("addr flush dev e0");
    let node = format!(
        "router-id = \"{local}\"\n\n[interface.e0]\nport = \"packet\"\naddress = [\"{local}/24\"]\n\n[bgp]\nasn = {asn}\n\n\
         [[bgp.neighbor]]\naddress = \"{remote}\"\nasn = {peer}\nimport = \"accept\"\nexport = \"accept\"\nconnect-retry = 1\n\
         passive = {}\ntcp-ao = {{ keys = [{{ send-id = 1, receive-id = 1, key = \"{secret}\" }}] }}\n",
        side == B
    );
    s.record();
    s.tell(kind_and_version(Kind::Trunkline) + " (its own TCP)", side, asn);
    Trunkline::start_device(s.lab, s.space(side), &format!("own-{side:?}").to_lowercase(), &node)
}

fn ao() -> Vec<Scenario> {
    vec![
        Scenario::new(
            "s10-ao-mismatch-trunkline",
            10,
            "Both sign with the TCP Authentication Option and the same key ids, but their secrets differ.",
            |s| {
                let _b = signs(s, B, "this year's");
                let _a = signs(s, A, "last year's");
                s.until(SYN, 4);
            },
        )
        .on(Net::Switched)
        .sees(format!("{SYN} && tcp.option_kind==29"), "SYN with option 29 and its repetitions")
        .never(SYN_ACK, "SYN-ACK"),
        Scenario::new(
            "s10-ao-unknown-trunkline-bird",
            10,
            "The one that connects signs with the TCP Authentication Option; the neighbour's kernel does not know it.",
            |s| {
                s.start(B, Kind::Bird, |_| {});
                let _a = signs(s, A, "secret");
                s.until(SYN, 3);
            },
        )
        .on(Net::Switched)
        .sees(format!("{SYN} && tcp.option_kind==29"), "SYN with option 29")
        .sees(format!("{SYN_ACK} && !(tcp.option_kind==29)"), "SYN-ACK without option 29, which is not taken")
        .never(OPEN, "OPEN"),
    ]
}

/// On Linux the least TTL is a thing of the accepted or connected socket: the handshake passes, and what comes later is dropped.
fn gtsm() -> Vec<Scenario> {
    let unheard = format!("{AGAIN} && ip.src==192.0.2.1 && ip.ttl==1");
    vec![
        Scenario::new(
            "s11-gtsm-one-side-frr-bird",
            11,
            "BIRD has ttl security, FRR has not: FRR's segments come with TTL 1, and BIRD's socket takes none below 255.",
            |s| {
                s.start(B, Kind::Bird, |spec| spec.session_lines = "ttl security on;".into());
                s.start(A, Kind::Frr, |_| {});
                s.until(AGAIN, 8);
            },
        )
        .sees(format!("{SYN} && ip.ttl==1"), "SYN with TTL 1")
        .sees(unheard.clone(), "repetitions of 192.0.2.1 with TTL 1 that are never acknowledged"),
        Scenario::new(
            "s11-gtsm-one-side-bird-openbgpd",
            11,
            "OpenBGPD has ttl-security, BIRD has not: BIRD's segments come with TTL 1.",
            |s| {
                s.start(B, Kind::OpenBgpd, |spec| spec.session_lines = "ttl-security yes".into());
                s.start(A, Kind::Bird, |_| {});
                s.until(AGAIN, 8);
            },
        )
        .sees(format!("{SYN} && ip.ttl==1"), "SYN with TTL 1")
        .sees(unheard, "repetitions of 192.0.2.1 with TTL 1 that are never acknowledged"),
        Scenario::new(
            "s11-gtsm-called-bird-frr",
            11,
            "BIRD has ttl security and calls FRR, which has not: BIRD's socket takes nothing below TTL 255.",
            |s| {
                s.start(B, Kind::Frr, |_| {});
                s.start(A, Kind::Bird, |spec| spec.session_lines = "ttl security on;".into());
                s.until(AGAIN, 6);
            },
        )
        .sees(format!("{SYN} && ip.ttl==255"), "SYN with TTL 255")
        .sees(format!("{AGAIN} && ip.src==192.0.2.2 && ip.ttl<255"), "repetitions of 192.0.2.2 with a lower TTL that are never acknowledged"),
        Scenario::new(
            "s11-gtsm-hops-frr-frr",
            11,
            "Both have ttl-security hops 1, but a router stands between: what leaves with TTL 255 arrives with 254.",
            |s| {
                s.start(B, Kind::Frr, |spec| spec.session_lines = " neighbor 192.0.2.1 ttl-security hops 1\n neighbor 192.0.2.1 disable-connected-check".into());
                s.start(A, Kind::Frr, |spec| spec.session_lines = " neighbor 198.51.100.2 ttl-security hops 1\n neighbor 198.51.100.2 disable-connected-check".into());
                s.until(SYN, 3);
            },
        )
        .on(Net::Routed)
        .at(B)
        .sees(format!("{SYN} && ip.ttl==254"), "SYN that arrives with TTL 254"),
    ]
}

/// What tshark takes for a repetition.
const AGAIN: &str = "(tcp.analysis.retransmission || tcp.analysis.spurious_retransmission) && tcp.len>0";
