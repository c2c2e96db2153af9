//! BGP starts over, or ends, or has another in its place.

use crate::rig::*;
use std::collections::BTreeSet;
use std::sync::Arc;
use trunkline_bgp::Input;
use trunkline_bgp::config::{Config, ListenRange, MaximumPrefixes, NeighborConfig};
use trunkline_bgp::transport::Md5Key;
use trunkline_core::Asn;
use trunkline_view::Query;

fn with_key(address: &str, asn: u32) -> NeighborConfig {
    let mut neighbor = neighbor(address, asn);
    neighbor.password = Some(Md5Key("secret".into()));
    neighbor
}

fn range(prefix: &str) -> ListenRange {
    let template = Arc::new(with_key("0.0.0.0", 65001));
    ListenRange { prefix: p(prefix), limit: 9, template }
}

fn keys(prefixes: &[&str]) -> BTreeSet<trunkline_core::Prefix> {
    prefixes.iter().map(|prefix| p(prefix)).collect()
}

fn change(rig: &mut Rig, config: &Config) -> trunkline_bgp::Reconfigured {
    let done = rig.bgp.reconfigure(rig.now, config.clone(), &mut rig.out);
    rig.settle();
    done
}

#[test]
fn keys_go_with_their_ranges_and_with_bgp() {
    let mut config = with([with_key("192.0.2.2", 65001), neighbor("192.0.2.3", 65002)]);
    config.listen_ranges = vec![range("192.0.2.128/25"), range("198.51.100.0/24")];
    let mut rig = Rig::new(config.clone());
    assert_eq!(rig.keys, keys(&["192.0.2.2/32", "192.0.2.128/25", "198.51.100.0/24"]));
    // Another identity, and one range less.
    config.asn = Asn(64999);
    config.listen_ranges.remove(0);
    change(&mut rig, &config);
    assert_eq!(rig.keys, keys(&["192.0.2.2/32", "198.51.100.0/24"]));
    rig.bgp.shutdown(rig.now, &mut rig.out);
    rig.carry_out();
    assert_eq!(rig.keys, keys(&[]));
}

#[test]
fn starting_over_forgets_neither_watchers_nor_what_waits_for_the_operator() {
    let one = [p("10.1.0.0/16"), p("10.2.0.0/16")];
    let mut held = neighbor("192.0.2.4", 65003);
    held.maximum_prefixes = Some(MaximumPrefixes { limit: 1, warning: 100, restart: None });
    let mut off = neighbor("192.0.2.5", 65004);
    off.enabled = false;
    let mut config = with([neighbor("192.0.2.2", 65001), neighbor("192.0.2.3", 65002), held, off.clone()]);
    config.listen_ranges = vec![range("192.0.2.128/25")];
    let mut rig = Rig::new(config.clone());
    for (address, asn) in [
        ("192.0.2.2", 65001),
        ("192.0.2.3", 65002),
        ("192.0.2.4", 65003),
        ("192.0.2.5", 65004),
        ("192.0.2.130", 65001),
    ] {
        let peer = rig.peer(a(address), asn);
        rig.connect(peer);
    }
    rig.bgp.watch_routes(true);
    for address in ["192.0.2.3", "192.0.2.130"].map(a) {
        rig.ask(Query::BgpShutdown { address, message: None });
    }
    rig.send(2, &update(&attrs(&[65003], "192.0.2.4"), &["10.8.0.0/16", "10.9.0.0/16"]));
    let up = |rig: &Rig| [0, 1, 2, 3, 4].map(|peer| rig.peers[peer].established);
    assert_eq!(up(&rig), [true, false, false, false, false]);
    config.router_id = [192, 0, 2, 77].into();
    off.enabled = true;
    config.neighbors[3] = Arc::new(off);
    change(&mut rig, &config);
    rig.pass(5);
    for peer in 0..5 {
        rig.connect(peer);
    }
    assert_eq!(up(&rig), [true, false, false, true, false], "what is off by configuration it decides");
    rig.watched.clear();
    rig.send(0, &update(&attrs(&[65001], "192.0.2.2"), &["10.1.0.0/16", "10.2.0.0/16"]));
    assert_eq!(rig.watched, BTreeSet::from(one));
    for address in ["192.0.2.3", "192.0.2.4", "192.0.2.130"].map(a) {
        rig.ask(Query::BgpStart { address });
    }
    for peer in [1, 2, 4] {
        rig.connect(peer);
    }
    assert_eq!(up(&rig), [true; 5]);
}

#[test]
fn another_view_of_the_first_as_resets_the_session() {
    // What was refused is not kept, and what was accepted is not judged again.
    let mut config = with([neighbor("192.0.2.2", 65001), neighbor("192.0.2.3", 65002)]);
    let mut rig = Rig::up(config.clone());
    let path = update(&attrs(&[65009], "192.0.2.2"), &["10.1.0.0/16"]);
    for (enforce, held) in [(true, 0), (false, 1), (true, 0)] {
        Arc::make_mut(&mut config.neighbors[0]).enforce_first_as = enforce;
        let reset = change(&mut rig, &config).reset;
        if !rig.peers[0].established {
            assert_eq!(reset, ["192.0.2.2"]);
            rig.again(0);
        }
        rig.send(0, &path);
        assert_eq!(rig.peers[1].table.len(), held);
    }
}

#[test]
fn connections_of_a_speaker_in_the_place_of_another_have_other_names() {
    let mut active = neighbor("192.0.2.2", 65001);
    active.passive = false;
    let name = |seed| {
        let mut rig = Rig::seeded(with([active.clone()]), seed);
        rig.feed(Input::LocalAddresses(Vec::new()));
        rig.carry_out();
        rig.opened.first().copied().unwrap()
    };
    assert!(name(1) != name(2) && name(1) == name(1));
}
