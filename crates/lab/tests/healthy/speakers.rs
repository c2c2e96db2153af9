//! Speakers of BGP: external and internal, on one LAN or along cables, with what a session may have.

use crate::network::Network;
use std::fmt::Write;

/// A session: the two routers, the address of each, and whether both are on one link.
struct Session {
    ends: [usize; 2],
    addresses: [String; 2],
    near: bool,
}

fn name(router: usize) -> String {
    format!("r{router}")
}

fn loopback(router: usize) -> String {
    format!("10.255.0.{router}")
}

/// Adds them.
pub(crate) fn add(network: &mut Network) {
    let number = network.chance.between(2, 5);
    for router in 1..=number {
        network.node(&name(router), "router");
        network.set(&name(router), &format!("router-id = \"{}\"", loopback(router)));
        network.set(&name(router), &format!("interface.lo0.address = [\"{}/32\"]", loopback(router)));
    }
    let plan = network.chance.one_of(&["lan", "lan", "cables", "igp"]);
    network.features.insert(match plan {
        "lan" => "BGP on a LAN",
        "cables" => "BGP along cables",
        _ => "BGP over RIP",
    });
    let asns: Vec<usize> = match plan {
        // Two sites of one AS would not take one another's routes.
        "cables" => (0..number).map(|n| 65001 + n).collect(),
        "igp" => vec![65001; number],
        _ => match network.chance.between(0, 2) {
            0 => (0..number).map(|n| 65001 + n).collect(),
            1 => vec![65001; number],
            _ => (0..number).map(|n| if n * 2 < number { 65001 } else { 65002 }).collect(),
        },
    };
    let sessions = match plan {
        "lan" => lan(network, number, &asns),
        _ => cables(network, number, plan == "igp"),
    };
    let mut networks = Vec::new();
    if plan == "igp" {
        network.stands = network.ready() + 60;
    }
    if number > 2 && plan != "igp" {
        network.notes.insert("own-as");
    }
    for (router, asn) in (1..).zip(&asns) {
        network.set(&name(router), &format!("bgp.asn = {asn}"));
        networks.push(announce(network, router));
    }
    let mut neighbors = vec![String::new(); number + 1];
    for session in &sessions {
        let ends = session.ends.map(|router| (router, asns[router - 1]));
        let [own, other] = options(network, session, ends[0].1 != ends[1].1);
        for (from, options) in [(0, own), (1, other)] {
            let (router, to) = (ends[from].0, ends[1 - from].1);
            let address = &session.addresses[1 - from];
            let _ = write!(neighbors[router], "{{ address = \"{address}\", asn = {to}{options} }}, ");
        }
    }
    for (router, list) in (1..=number).map(|router| (router, &neighbors[router])) {
        network.set(&name(router), &format!("bgp.neighbor = [{list}]"));
    }
    let begins = network.ready() + if plan == "igp" { 60 } else { 20 };
    network.until = network.until.max(begins + network.chance.between(30, 150));
    flap(network, begins, &networks[0]);
    for router in 1..=number {
        let expect = format!(
            "expect = {{ node = \"{}\", show = \"bgp-summary\", has = {{ state = \"Established\" }} }}",
            name(router)
        );
        network.step(network.until, &expect);
    }
}

/// All on one LAN, each with each.
fn lan(network: &mut Network, number: usize, asns: &[usize]) -> Vec<Session> {
    let subnet = network.subnet();
    let mut ends = Vec::new();
    for router in 1..=number {
        let address = format!("10.{subnet}.0.{router}/24");
        let port = network.port(&name(router), Some(&address));
        ends.push((name(router), port));
    }
    network.connect(&ends, 4);
    let pairs = (1..=number).flat_map(|a| (a + 1..=number).map(move |b| (a, b)));
    let address = |router| format!("10.{subnet}.0.{router}");
    let all: Vec<(usize, usize)> = pairs.collect();
    let mut sessions = Vec::new();
    for (a, b) in all {
        // Internal ones over the loopbacks, sometimes.
        let internal = asns[a - 1] == asns[b - 1];
        let over = internal && network.chance.percent(30);
        if over {
            network.features.insert("iBGP between loopbacks");
            for (from, to) in [(a, b), (b, a)] {
                let via = format!("via = \"{}\"", address(to));
                network.route(&name(from), &format!("{}/32", loopback(to)), &via);
            }
        }
        let addresses = [a, b].map(|router| if over { loopback(router) } else { address(router) });
        sessions.push(Session { ends: [a, b], addresses, near: !over });
    }
    sessions
}

/// A chain, perhaps a ring, of routers. With an IGP sessions are between the loopbacks of all, else between neighbors.
fn cables(network: &mut Network, number: usize, igp: bool) -> Vec<Session> {
    let mut pairs: Vec<(usize, usize)> = (1..number).map(|router| (router, router + 1)).collect();
    if number > 2 && network.chance.percent(50) {
        pairs.push((number, 1));
        network.features.insert("ring of routers");
    }
    let mut sessions = Vec::new();
    for (a, b) in pairs {
        let subnet = network.subnet();
        let addresses = [format!("10.{subnet}.0.1"), format!("10.{subnet}.0.2")];
        let mut ends = Vec::new();
        for (router, address) in [a, b].into_iter().zip(&addresses) {
            let port = network.port(&name(router), Some(&format!("{address}/30")));
            if igp {
                network.set(&name(router), &format!("rip.interface.{port} = {{}}"));
            }
            ends.push((name(router), port));
        }
        network.connect(&ends, 2);
        if igp {
            continue;
        }
        let over = network.chance.percent(25);
        if over {
            network.features.insert("multihop");
            for (from, to, via) in [(a, b, &addresses[1]), (b, a, &addresses[0])] {
                let via = format!("via = \"{via}\"");
                network.route(&name(from), &format!("{}/32", loopback(to)), &via);
            }
        }
        let addresses = if over { [a, b].map(loopback) } else { addresses };
        sessions.push(Session { ends: [a, b], addresses, near: !over });
    }
    if igp {
        for a in 1..=number {
            network.set(&name(a), "rip.interface.lo0 = {}");
            for b in a + 1..=number {
                sessions.push(Session { ends: [a, b], addresses: [a, b].map(loopback), near: false });
            }
        }
    }
    sessions
}

/// What a router announces, as its file says it.
fn announce(network: &mut Network, router: usize) -> String {
    let many = if network.chance.percent(10) { 400 } else { 12 };
    let number = network.chance.between(1, many);
    let mut networks = String::new();
    for n in 0..number {
        let prefix = format!("172.{}.{}.0/24", 16 + router * 2 + n / 256, n % 256);
        network.route(&name(router), &prefix, "blackhole = true");
        let _ = write!(networks, "\"{prefix}\", ");
    }
    if network.chance.percent(30) {
        let prefix = format!("2001:db8:{router}::/48");
        network.route(&name(router), &prefix, "blackhole = true");
        let _ = write!(networks, "\"{prefix}\", ");
    }
    let networks = format!("bgp.networks = [{networks}]");
    network.set(&name(router), &networks);
    if network.chance.percent(10) {
        network.features.insert("redistribution");
        network.set(&name(router), "bgp.redistribute = [\"connected\"]");
    }
    networks
}

/// The keys of a session's two neighbors.
fn options(network: &mut Network, session: &Session, external: bool) -> [String; 2] {
    let mut both = [String::new(), String::new()];
    let each = |both: &mut [String; 2], text: &str| both.iter_mut().for_each(|end| end.push_str(text));
    let (loses, settles) = (network.loses(), network.stands > 0);
    let chance = &mut network.chance;
    let mut used = Vec::new();
    if external {
        each(&mut both, ", import = \"accept\", export = \"accept\"");
    }
    if !session.near {
        for (end, address) in both.iter_mut().zip(&session.addresses) {
            let _ = write!(end, ", local-address = \"{address}\"");
        }
        if external {
            each(&mut both, &format!(", multihop = {}", chance.between(2, 8)));
        }
    } else if chance.percent(15) {
        each(&mut both, &format!(", ttl-security = {}", chance.between(1, 3)));
        used.push("GTSM");
    }
    match chance.between(0, 9) {
        0 | 1 => {
            each(&mut both, ", password = \"between two\"");
            used.push("MD5");
        }
        2 | 3 => {
            let algorithm = chance.one_of(&["aes-128-cmac", "hmac-sha1"]);
            for (end, ids) in both.iter_mut().zip([(1, 2), (2, 1)]) {
                let key = format!("algorithm = \"{algorithm}\", key = \"between two\"");
                let (send, receive) = ids;
                let ids = format!("send-id = {send}, receive-id = {receive}");
                let _ = write!(end, ", tcp-ao = {{ keys = [{{ {ids}, {key} }}] }}");
            }
            used.push("TCP-AO");
        }
        _ => {}
    }
    if chance.percent(30) {
        let passive = chance.between(0, 1);
        both[passive].push_str(", passive = true");
        used.push("passive");
    }
    if external && chance.percent(20) {
        let roles = chance.one_of(&[["provider", "customer"], ["peer", "peer"], ["customer", "provider"]]);
        for (end, role) in both.iter_mut().zip(roles) {
            let strict = chance.percent(50);
            let _ = write!(end, ", role = \"{role}\", role-strict = {strict}");
        }
        used.push("roles");
    }
    // At one end only, each end may choose another connection of two.
    if chance.percent(10) {
        each(&mut both, ", collision-detect-established = true");
        used.push("collisions with sessions");
    }
    for end in &mut both {
        if chance.percent(60) {
            // Shorter than it takes to send again, or to find another way, would be no healthy choice.
            let shortest = match (settles, loses) {
                (true, _) => 60,
                (_, true) => 15,
                _ => 3,
            };
            let time = chance.one_of(&[0, shortest, shortest * 2, 90, 240]);
            let _ = write!(end, ", hold-time = {time}");
            used.push(if time == 0 { "no hold timer" } else { "hold timer" });
        }
        for (percent, text, feature) in [
            (15, ", delay-open = 2", "DelayOpen"),
            (20, ", families = [\"ipv4-unicast\", \"ipv6-unicast\"]", "IPv6 routes"),
            (20, ", extended-messages = false", "short messages"),
            (20, ", graceful-restart-helper = false", "no restart helper"),
            (10, ", track-tcp-state = true", "TCP state tracked"),
            (10, ", notification-without-open = true", "NOTIFICATION without OPEN"),
            (20, ", maximum-prefixes = 10000", "a bound on prefixes"),
            (20, ", connect-retry = 3", "quick retries"),
        ] {
            if chance.percent(percent) {
                end.push_str(text);
                used.push(feature);
            }
        }
    }
    network.features.extend(used);
    both
}

/// Routes that go and come back, and a router that comes late.
fn flap(network: &mut Network, begins: usize, networks: &str) {
    if network.chance.percent(30) {
        network.features.insert("routes that flap");
        let (at, away) = (begins + network.chance.between(0, 10), network.chance.between(1, 15));
        network.step(at, "set.r1.bgp.networks = []");
        network.step(at + away, &format!("set.r1.{networks}"));
    }
    // One whose link is told by others would meanwhile send the other way round.
    if network.chance.percent(25) && !network.features.contains("redistribution") {
        network.features.insert("a router that comes late");
        network.set("r2", "interface.eth0.enabled = false");
        let at = network.chance.between(1, 15);
        network.step(at, "set.r2.interface.eth0.enabled = true");
    }
}
