//! The signatures of failing sessions, as far as a lab can bring them about: what is said first of each, with any seed.
//!
//! Each is a small lab of two routers, `a` and `b`, or of three in a row, with what is wrong laid over it.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeSet;
use trunkline_explain::capture::Capture;
use trunkline_explain::follow::Facts;
use trunkline_explain::rules::{Severity, judge};
use trunkline_lab::file::parse;
use trunkline_lab::run::{Options, Run};

/// A signature: its number, the lab, and the rule of the first verdict on the link `near`; "" for none.
struct Signature {
    number: usize,
    first: &'static str,
    lab: String,
}

/// A router of a two-router lab: name, host part of its address, AS; what its neighbor has beside; more lines of its tables.
fn router(name: &str, host: u8, asn: u32, peer: (u8, u32), session: &str, more: &str) -> String {
    format!(
        r#"
[node.{name}]
router-id = "{host}.{host}.{host}.{host}"
interface.lo0.address = ["10.0.{host}.1/24"]
bgp.asn = {asn}
bgp.networks = ["10.0.{host}.0/24"]
bgp.neighbor = [{{ address = "192.0.2.{}", asn = {}, connect-retry = 5, import = "accept", export = "accept"{session} }}]
interface.eth0.address = ["192.0.2.{host}/24"]
{more}
"#,
        peer.0, peer.1
    )
}

const LINK: &str = "[[link]]\nname = \"near\"\nends = [\"a.eth0\", \"b.eth0\"]\ndelay = \"2ms\"\n";

/// Two routers on a cable: what each has beside the usual, after its neighbor's keys and after its tables.
fn pair(until: u32, a: (&str, &str), b: (&str, &str), steps: &str) -> String {
    let a = router("a", 1, 65001, (2, 65002), a.0, a.1);
    let b = router("b", 2, 65002, (1, 65001), b.0, b.1);
    format!("until = \"{until}s\"\n{a}{b}{LINK}{steps}")
}

/// `a` - `m` - `b`: 192.0.2.1 and 198.51.100.2, with a router between them that has these lines beside.
fn row(until: u32, a: (&str, &str), m: &str, b: (&str, &str), steps: &str) -> String {
    let end = |name: &str,
               own: &str,
               host: u8,
               asn: u32,
               peer: &str,
               peer_as: u32,
               (session, more): (&str, &str)| {
        format!(
            r#"
[node.{name}]
router-id = "{host}.{host}.{host}.{host}"
interface.lo0.address = ["10.0.{host}.1/24"]
interface.eth0.address = ["{own}/24"]
bgp.asn = {asn}
bgp.networks = ["10.0.{host}.0/24"]
bgp.neighbor = [{{ address = "{peer}", asn = {peer_as}, connect-retry = 5, import = "accept", export = "accept"{session} }}]
{more}
"#
        )
    };
    let a = end("a", "192.0.2.1", 1, 65001, "198.51.100.2", 65002, a);
    let b = end("b", "198.51.100.2", 2, 65002, "192.0.2.1", 65001, b);
    format!(
        r#"
until = "{until}s"
{a}{b}
[node.m]
interface.eth0.address = ["192.0.2.254/24"]
interface.eth1.address = ["198.51.100.254/24"]
{m}
[[link]]
name = "near"
ends = ["a.eth0", "m.eth0"]
delay = "2ms"
[[link]]
name = "far"
ends = ["m.eth1", "b.eth0"]
delay = "2ms"
{steps}
"#
    )
}

fn set(at: u32, node: &str, what: &str) -> String {
    format!("[[step]]\nat = \"{at}s\"\nset.{node}.{what}\n")
}

const ROUTE_A: &str = "static = [{ prefix = \"198.51.100.0/24\", via = \"192.0.2.254\" }]";
const ROUTE_B: &str = "static = [{ prefix = \"192.0.2.0/24\", via = \"198.51.100.254\" }]";

fn signatures() -> Vec<Signature> {
    let mut all = Vec::new();
    let mut add = |number, first, lab| all.push(Signature { number, first, lab });
    let none = ("", "");
    let passive = (", passive = true", "");
    // Without this the reason is told inside of a Hard Reset (RFC 8538).
    let plain = (", graceful-restart-helper = false", "");
    let off = ", enabled = false";
    let hop = ", multihop = 5";

    add(1, "no-attempt", pair(60, passive, passive, ""));
    let elsewhere = router("b", 9, 65002, (1, 65001), "", "");
    let a = router("a", 1, 65001, (2, 65002), "", "");
    add(
        2,
        "arp-unanswered",
        format!("until = \"60s\"\n{a}{elsewhere}{LINK}").replace("192.0.2.9/24", "198.51.100.9/24"),
    );
    add(3, "refused", pair(60, none, (off, "bgp.listen = []\n"), ""));
    add(
        4,
        "unreachable",
        row(
            60,
            (hop, "static = [{ prefix = \"0.0.0.0/0\", via = \"192.0.2.254\" }]"),
            "",
            (hop, ROUTE_B),
            "",
        )
        .replace("198.51.100.254/24", "198.18.0.254/24"),
    );
    add(5, "ttl-exceeded", row(60, ("", ROUTE_A), "", (", passive = true", ROUTE_B), ""));
    add(6, "silence", row(60, (hop, ROUTE_A), "", (", multihop = 5, passive = true", ""), ""));
    add(7, "silence", pair(60, none, (", password = \"secret\", passive = true", ""), ""));
    add(8, "md5-silence", pair(60, (", password = \"secret\"", ""), passive, ""));
    add(8, "md5-one-side", pair(60, (", password = \"secret\"", ""), none, ""));
    add(9, "md5-differs", pair(60, (", password = \"secret\"", ""), (", password = \"Secret\"", ""), ""));
    let ao =
        |key: &str| format!(", tcp-ao = {{ keys = [{{ send-id = 1, receive-id = 1, key = \"{key}\" }}] }}");
    add(10, "ao-silence", pair(60, (&ao("one"), ""), (&ao("another"), ""), ""));
    add(11, "ttl-security", pair(60, none, (", ttl-security = 1", ""), ""));
    add(12, "closed-before-open", pair(60, none, (off, ""), ""));
    add(
        12,
        "closed-before-open",
        pair(60, none, none, "").replace("address = \"192.0.2.1\", asn", "address = \"192.0.2.7\", asn"),
    );
    let two = "interface.lo1.address = [\"203.0.113.1/32\"]\nbgp.listen = [\"192.0.2.1:179\"]\n";
    let there = "static = [{ prefix = \"203.0.113.1/32\", via = \"192.0.2.1\" }]\n";
    add(
        13,
        "update-source",
        pair(60, ("", two), (", multihop = 2", there), "")
            .replace("address = \"192.0.2.1\", asn", "address = \"203.0.113.1\", asn"),
    );
    add(14, "connection-rejected", pair(60, none, (off, "bgp.reject = \"notify\"\n"), ""));
    add(16, "bad-peer-as", pair(60, none, none, "").replace("asn = 65002, connect", "asn = 65009, connect"));
    let same = |lab: String| lab.replace("65002", "65001").replace("2.2.2.2", "1.1.1.1");
    add(17, "bad-identifier", same(pair(60, none, none, "")));
    let role = |role: &str| format!(", role = \"{role}\"");
    add(20, "role", pair(60, (&role("provider"), ""), (&role("provider"), ""), ""));
    add(20, "role", pair(60, (", role = \"customer\", role-strict = true", ""), none, ""));
    let service = |kind: &str| format!("bgp.listen = []\nservice = [{{ kind = \"{kind}\", port = 179 }}]\n");
    // Something must be seen later, or nobody knows how long there was no answer.
    let later = "[[step]]\nat = \"40s\"\nping = { from = \"a\", to = \"192.0.2.2\" }\n";
    add(22, "open-unanswered", pair(60, none, (off, &service("discard")), later));
    add(22, "foreign", pair(60, none, (off, &service("chargen")), ""));
    add(
        26,
        "max-prefix",
        pair(
            60,
            (", maximum-prefixes = 2, graceful-restart-helper = false", ""),
            (
                "",
                "static = [{ prefix = \"10.1.0.0/16\", blackhole = true }, { prefix = \"10.2.0.0/16\", blackhole = true }, { prefix = \"10.3.0.0/16\", blackhole = true }]\nbgp.redistribute = [\"static\"]\n",
            ),
            "",
        ),
    );
    add(
        26,
        "shutdown",
        pair(
            60,
            plain,
            plain,
            &set(30, "b", "bgp.neighbor = [{ address = \"192.0.2.1\", enabled = false }]"),
        ),
    );
    add(26, "deconfigured", pair(60, plain, plain, &set(30, "b", "bgp.neighbor = []")));
    add(
        26,
        "config-change",
        pair(
            40,
            plain,
            plain,
            &set(
                30,
                "b",
                "bgp.neighbor = [{ address = \"192.0.2.1\", local-address = \"192.0.2.2\", extended-messages = false, hold-time = 30 }]",
            ),
        ),
    );
    add(
        28,
        "no-routes",
        pair(90, none, none, "").replace("import = \"accept\", export = \"accept\"", "hold-time = 30"),
    );
    add(
        19,
        "capability",
        pair(60, (", families = [\"ipv4-unicast\"]", ""), (", families = [\"ipv6-unicast\"]", ""), ""),
    );
    // Two sites of one AS, and a provider between that has no route of its own.
    let site = "[node.c]\nrouter-id = \"3.3.3.3\"\ninterface.lo0.address = [\"10.0.3.1/24\"]\n\
                interface.eth0.address = [\"198.51.100.3/24\"]\nbgp.asn = 65001\nbgp.networks = [\"10.0.3.0/24\"]\n\
                bgp.neighbor = [{ address = \"198.51.100.2\", asn = 65002, import = \"accept\", export = \"accept\" }]\n\
                [[link]]\nends = [\"b.eth1\", \"c.eth0\"]\n";
    let provider = "interface.eth1.address = [\"198.51.100.2/24\"]\n";
    let neighbors = "bgp.neighbor = [{ address = \"198.51.100.3\", asn = 65001, import = \"accept\", export = \"accept\" }, {";
    let sites = pair(90, ("", ""), ("", provider), site)
        .replace("bgp.networks = [\"10.0.2.0/24\"]\nbgp.neighbor = [{", neighbors);
    add(28, "own-as", sites);
    all
}

/// The rules of all verdicts on the link `near`, the first one first; of a neighbor alone where there is no session to be judged.
fn verdicts(signature: &Signature, seed: u64) -> Vec<&'static str> {
    let scenario = parse("lab.toml", &signature.lab)
        .unwrap_or_else(|e| panic!("{}:\n{}", signature.first, e.render(false)))
        .scenario;
    let options = Options { seed: Some(seed), capture: true, ..Options::default() };
    let mut run = Run::new(scenario, &options, &mut |_| {}).unwrap();
    run.run(&mut |_| {});
    let mut file = Vec::new();
    run.lab().capture(run.lab().link("near").unwrap()).unwrap().write(&mut file).unwrap();
    let mut capture = Capture::new(&file[..]);
    let mut facts = Facts::default();
    while let Some(frame) = capture.next_frame().unwrap() {
        facts.add(&frame);
    }
    facts.finish(capture.dropped());
    let peer = (signature.number == 1).then(|| "192.0.2.2".parse().unwrap());
    let judged = judge(&facts, peer);
    let all = judged.iter().flat_map(|judged| &judged.verdicts);
    all.filter(|verdict| verdict.severity > Severity::Note).map(|verdict| verdict.rule.id).collect()
}

#[test]
fn the_first_verdict_is_that_of_the_signature() {
    let mut wrong = Vec::new();
    for signature in signatures() {
        for seed in 1..=3 {
            let found = verdicts(&signature, seed);
            if found.first() != Some(&signature.first) {
                wrong.push(format!("{} {} with seed {seed}: {found:?}", signature.number, signature.first));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let numbers: BTreeSet<usize> = signatures().iter().map(|signature| signature.number).collect();
    assert!(numbers.len() >= 19, "{numbers:?}");
}
