//! Routers with RIP: when they are at rest, and what a failure costs.

use super::*;
use trunkline_node::config::RipConfig;

/// Two hosts, each behind a router; the routers are a triangle.
const TRIANGLE: &str = r#"
until = "1s"
[node.a]
kind = "host"
gateway = "10.1.0.254"
interface.eth0.address = ["10.1.0.1/24"]
[node.b]
kind = "host"
gateway = "10.2.0.254"
interface.eth0.address = ["10.2.0.1/24"]
[node.r1.interface]
eth0.address = ["10.1.0.254/24"]
eth1.address = ["10.0.12.1/24"]
eth2.address = ["10.0.13.1/24"]
[node.r2.interface]
eth0.address = ["10.2.0.254/24"]
eth1.address = ["10.0.12.2/24"]
eth2.address = ["10.0.23.2/24"]
[node.r3.interface]
eth1.address = ["10.0.13.3/24"]
eth2.address = ["10.0.23.3/24"]
[[link]]
ends = ["a.eth0", "r1.eth0"]
[[link]]
ends = ["b.eth0", "r2.eth0"]
[[link]]
name = "r1-r2"
ends = ["r1.eth1", "r2.eth1"]
[[link]]
ends = ["r1.eth2", "r3.eth1"]
[[link]]
ends = ["r2.eth2", "r3.eth2"]
"#;

#[test]
fn a_failure_is_over_when_the_last_route_has_changed() {
    let mut scenario = parse("lab.toml", TRIANGLE).unwrap_or_else(|e| panic!("{}", e.render(false))).scenario;
    for node in scenario.nodes.iter_mut().filter(|node| node.name.starts_with('r')) {
        let mut rip = RipConfig::new();
        for interface in &node.interfaces {
            rip.machine.interfaces.insert(interface.name.clone(), Default::default());
        }
        node.rip = Some(rip);
    }
    let options = Options { watch: Duration::from_secs(200), ..Options::default() };
    let survey = survey(&scenario, &options).unwrap();
    // Requests are answered at once, and what follows comes by triggered updates (RFC 2453 §3.10.1): then it is quiet for
    // longer than it may be between two updates.
    assert!(survey.rested && survey.rest > Instant::from_secs(40) && survey.rest < Instant::from_secs(80));
    let outcome = run(&scenario, &survey, &"link r1-r2".parse().unwrap()).unwrap();
    for pair in &outcome.pairs {
        // r3 tells of the other way with its next update, at most 35 s later.
        assert_eq!(pair.state, State::Interrupted);
        assert!(pair.longest < Duration::from_secs(37), "{pair:?}");
    }
    // The last is that routers forget the network that is gone: 120 s later (RFC 2453 §3.8), since nothing is held down.
    let settled = outcome.settled.unwrap();
    assert!(settled > Duration::from_secs(100) && settled < Duration::from_secs(160), "{settled:?}");
}
