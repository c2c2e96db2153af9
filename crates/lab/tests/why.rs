//! Why BGP sessions of a lab are not up: nodes with a stack of their own say so as those on kernels do.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use trunkline_lab::file::parse;
use trunkline_lab::run::{Options, Run};

const LAB: &str = r#"
title = "sessions that do not come up"
until = "100s"

[node.a]
kind = "router"
router-id = "10.0.0.1"
interface.eth0.address = ["10.0.0.1/24"]
bgp.asn = 65001
static = [{ prefix = "10.1.0.0/24", via = "10.0.0.2" }]
[[node.a.bgp.neighbor]]
address = "10.0.0.2"
asn = 64999
[[node.a.bgp.neighbor]]
address = "10.0.0.9"
asn = 65009
[[node.a.bgp.neighbor]]
address = "10.9.0.9"
asn = 65009
[[node.a.bgp.neighbor]]
address = "10.1.0.3"
asn = 65003
[[node.a.bgp.neighbor]]
address = "10.0.0.4"
asn = 65004

[node.b]
kind = "router"
router-id = "10.0.0.2"
interface.eth0.address = ["10.0.0.2/24"]
interface.eth1.address = ["10.1.0.2/24"]
bgp.asn = 65002
[[node.b.bgp.neighbor]]
address = "10.0.0.1"
asn = 65001

[node.c]
kind = "host"
interface.eth0.address = ["10.1.0.3/24"]
static = [{ prefix = "0.0.0.0/0", via = "10.1.0.2" }]

[node.d]
kind = "host"
interface.eth0.address = ["10.0.0.4/24"]

[node.sw]
kind = "switch"
[node.sw.interface.p1]
[node.sw.interface.p2]
[node.sw.interface.p3]

[[link]]
ends = ["a.eth0", "sw.p1"]
[[link]]
ends = ["b.eth0", "sw.p2"]
[[link]]
ends = ["d.eth0", "sw.p3"]
[[link]]
ends = ["b.eth1", "c.eth0"]

[[step]]
at = "90s"
expect = [
    { node = "a", show = "bgp-neighbors", where = { address = "10.0.0.2" }, has = { down-rule = "bad-peer-as" } },
    { node = "a", show = "bgp-neighbors", where = { address = "10.0.0.9" }, has = { down-rule = "arp-unanswered" } },
    { node = "a", show = "bgp-neighbors", where = { address = "10.9.0.9" }, has = { down-rule = "no-route" } },
    { node = "a", show = "bgp-neighbors", where = { address = "10.1.0.3" }, has = { down-rule = "multihop" } },
    { node = "a", show = "bgp-neighbors", where = { address = "10.0.0.4" }, has = { down-rule = "refused" } },
    { node = "b", show = "bgp-neighbors", where = { address = "10.0.0.1" }, has = { down-rule = "bad-peer-as" } },
]
"#;

#[test]
fn each_neighbor_says_why_it_is_down() {
    for seed in [1, 2, 3] {
        let scenario = parse("lab.toml", LAB).unwrap_or_else(|e| panic!("{}", e.render(false))).scenario;
        let options = Options { seed: Some(seed), ..Options::default() };
        let outcome = Run::new(scenario, &options, &mut |_| {}).unwrap().run(&mut |_| {});
        let failures: Vec<String> = outcome.failures.iter().map(ToString::to_string).collect();
        assert!(outcome.passed(), "{}", failures.join("\n"));
    }
}
