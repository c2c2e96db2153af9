//! Signatures 27 and 28: an UPDATE that ends each session, and sessions that are up but bring no route.

use crate::scenario::{
    self, A as ADDRESS_A, B as ADDRESS_B, END_OF_RIB, KEEPALIVE, NOTIFICATION, ROUTES, Scenario, from,
};
use crate::script;
use crate::stage::{Side, Stage};
use Side::{A, B};
use std::io::Write;
use std::net::TcpStream;
use trunkline_interop::peer::Kind;

pub(crate) fn scenarios() -> Vec<Scenario> {
    [malformed(), no_routes()].into_iter().flatten().collect()
}

/// An UPDATE of AS 65002 for 203.0.113.0/24, with these octets behind the attributes that it must have.
fn update(attributes: &[u8], nlri: &[u8]) -> Vec<u8> {
    let usual: &[u8] = &[0x40, 1, 1, 0, 0x40, 2, 6, 2, 1, 0, 0, 0xfd, 0xea, 0x40, 3, 4, 192, 0, 2, 2];
    let all = [usual, attributes].concat();
    let [high, low] = (all.len() as u16).to_be_bytes();
    script::message(2, &[&[0, 0, high, low], &all[..], nlri].concat())
}

fn malformed() -> Vec<Scenario> {
    let net = [24, 203, 0, 113];
    let too_long = script::message(2, &[&[0xff, 0xff, 0, 0][..], &net].concat());
    let bits = update(&[], &[33, 203, 0, 113, 0, 0]);
    // ORIGIN and AS_PATH as they should be, but the whole is said to be longer than the message.
    let mut list = update(&[], &net);
    list[21] = 0xff;
    let mut oversize = update(&[], &net);
    (oversize[16], oversize[17]) = (0x13, 0x88);
    oversize.resize(5000, 0);
    let mut marker = script::keepalive();
    marker[..16].fill(0);
    let mut all = Vec::new();
    for (name, kind, octets, code, subcode, how) in [
        (
            "s27-withdrawn-length-bird",
            Kind::Bird,
            too_long.clone(),
            3,
            1,
            "Withdrawn Routes Length is beyond the end of the message.",
        ),
        (
            "s27-withdrawn-length-frr",
            Kind::Frr,
            too_long,
            3,
            1,
            "Withdrawn Routes Length is beyond the end of the message.",
        ),
        (
            "s27-attribute-length-openbgpd",
            Kind::OpenBgpd,
            list.clone(),
            3,
            1,
            "Total Path Attribute Length is beyond the end of the message.",
        ),
        (
            "s27-attribute-length-gobgp",
            Kind::GoBgp,
            list,
            3,
            1,
            "Total Path Attribute Length is beyond the end of the message.",
        ),
        ("s27-prefix-length-bird", Kind::Bird, bits.clone(), 3, 10, "The prefix in it has a length of 33."),
        ("s27-prefix-length-frr", Kind::Frr, bits, 3, 10, "The prefix in it has a length of 33."),
        (
            "s27-oversize-bird",
            Kind::Bird,
            oversize.clone(),
            1,
            2,
            "It has 5000 octets, and extended messages were not agreed.",
        ),
        (
            "s27-oversize-openbgpd",
            Kind::OpenBgpd,
            oversize,
            1,
            2,
            "It has 5000 octets, and extended messages were not agreed.",
        ),
        (
            "s27-marker-bird",
            Kind::Bird,
            marker,
            1,
            1,
            "It is no UPDATE but a KEEPALIVE of a session that is up, and its marker is all zeros.",
        ),
    ] {
        let told: &'static str = how;
        let said = scenario::notification(code, subcode);
        let said = from(ADDRESS_A, &said);
        let wait = said.clone();
        all.push(
            Scenario::new(name, 27, told, move |s: &mut Stage<'_>| {
                let octets = octets.clone();
                script::start(s, B, move |stream: &mut TcpStream| {
                    script::establish(stream)?;
                    stream.write_all(&octets)?;
                    script::linger(stream)
                });
                s.start(A, kind, |_| {});
                s.until(&wait, if kind == Kind::OpenBgpd { 1 } else { 2 });
            })
            .sees(
                format!("ip.src=={ADDRESS_B} && tcp.len>0 && !(bgp.type==4 && tcp.len==19)"),
                "the messages of 192.0.2.2 (a script), the malformed one among them",
            )
            .sees(said, "NOTIFICATION of 192.0.2.1"),
        );
    }
    all
}

fn no_routes() -> Vec<Scenario> {
    let up = |scenario: Scenario| {
        scenario.sees(KEEPALIVE, "KEEPALIVE of both").never(NOTIFICATION, "NOTIFICATION")
    };
    let own_as = |name, a: Kind, b: Kind| {
        Scenario::new(name, 28, "All routes of 192.0.2.1 have AS 65002, that of the other, in their AS_PATH: it ignores them.", move |s: &mut Stage<'_>| {
            s.start(B, b, |_| {});
            s.start(A, a, |spec| {
                spec.global_lines = "protocol static looped {\n  ipv4;\n  route 203.0.113.0/24 blackhole { bgp_path.prepend(65002); };\n}".into();
            });
            s.up();
            s.until(from(ADDRESS_A, ROUTES), 1);
            s.wait(6.0);
        })
        .sees(format!("{} && bgp.update.path_attribute.as_path_segment.as4==65002", from(ADDRESS_A, ROUTES)), "UPDATE with AS 65002 in its AS_PATH")
        .never(from(ADDRESS_B, ROUTES), "route of 192.0.2.2")
    };
    let hop = |name, b: Kind| {
        Scenario::new(name, 28, "An internal session: the NEXT_HOP is 203.0.113.99, which 192.0.2.2 has no route to (no next-hop-self).", move |s: &mut Stage<'_>| {
            s.start(B, b, |spec| spec.asn = 65001);
            s.start(A, Kind::Bird, |spec| {
                spec.sessions[0].remote_asn = 65001;
                spec.global_lines = "protocol static far {\n  ipv4;\n  route 198.18.0.0/15 blackhole { bgp_next_hop = 203.0.113.99; };\n}".into();
            });
            s.up();
            s.until(from(ADDRESS_A, ROUTES), 1);
            s.wait(6.0);
        })
        .sees("bgp.update.path_attribute.next_hop==203.0.113.99", "UPDATE with NEXT_HOP 203.0.113.99")
        .never(from(ADDRESS_B, ROUTES), "route of 192.0.2.2")
    };
    vec![
        up(Scenario::new(
            "s28-policy-required-frr-frr",
            28,
            "Both are FRR with bgp ebgp-requires-policy and without a policy (RFC 8212): neither sends any of its networks.",
            |s| {
                let strict = " bgp ebgp-requires-policy";
                s.start(B, Kind::Frr, |spec| spec.session_lines = strict.into());
                s.start(A, Kind::Frr, |spec| {
                    spec.session_lines = strict.into();
                    spec.global_lines = crate::path::many(Kind::Frr, 10);
                });
                s.up();
                s.until(END_OF_RIB, 2);
                s.wait(12.0);
            },
        ))
        .sees(END_OF_RIB, "End-of-RIB of both")
        .never(ROUTES, "route"),
        up(Scenario::new(
            "s28-policy-required-bird-frr",
            28,
            "FRR has bgp ebgp-requires-policy and no policy (RFC 8212): it sends no route, and takes none of BIRD's, which does not show.",
            |s| {
                s.start(B, Kind::Frr, |spec| {
                    spec.session_lines = " bgp ebgp-requires-policy".into();
                    spec.global_lines = "router bgp 65002\n address-family ipv4 unicast\n  network 203.0.113.0/24\n exit-address-family\nexit".into();
                });
                s.start(A, Kind::Bird, |spec| spec.global_lines = crate::path::many(Kind::Bird, 3));
                s.up();
                s.until(from(ADDRESS_A, ROUTES), 1);
                s.wait(12.0);
            },
        ))
        .sees(from(ADDRESS_A, ROUTES), "UPDATE with routes of 192.0.2.1")
        .sees(from(ADDRESS_B, END_OF_RIB), "End-of-RIB of 192.0.2.2")
        .never(from(ADDRESS_B, ROUTES), "route of 192.0.2.2"),
        up(Scenario::new(
            "s28-nothing-to-send-openbgpd-bird",
            28,
            "The session is fine, and neither has a route to announce.",
            |s| {
                s.start(B, Kind::Bird, |_| {});
                s.start(A, Kind::OpenBgpd, |_| {});
                s.up();
                s.wait(12.0);
            },
        ))
        .never(ROUTES, "route"),
        up(own_as("s28-own-as-bird-frr", Kind::Bird, Kind::Frr)),
        up(own_as("s28-own-as-bird-openbgpd", Kind::Bird, Kind::OpenBgpd)),
        up(hop("s28-next-hop-bird-frr", Kind::Frr)),
        up(hop("s28-next-hop-bird-openbgpd", Kind::OpenBgpd)),
    ]
}
