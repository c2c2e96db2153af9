//! Routers that speak RIP: a chain, a ring or a LAN, in one version and with one kind of authentication.

use crate::network::Network;

fn name(router: usize) -> String {
    format!("p{router}")
}

/// Adds them.
pub(crate) fn add(network: &mut Network) {
    let number = network.chance.between(2, 4);
    for router in 1..=number {
        let name = name(router);
        network.node(&name, "router");
        network.set(&name, &format!("interface.lo0.address = [\"192.168.{router}.1/24\"]"));
    }
    let version = network.chance.one_of(&[1, 2, 2]);
    network.features.insert(if version == 1 { "RIP version 1" } else { "RIP version 2" });
    let quick = network.chance.percent(50);
    let horizon = network.chance.one_of(&["poison", "poison", "simple"]);
    let key = version == 2 && network.chance.percent(50);
    let mode = network.chance.one_of(&["text", "md5", "hmac-sha-1", "hmac-sha-256"]);
    for router in 1..=number {
        network.set(&name(router), &format!("rip.version = {version}"));
        if quick {
            let timers = "rip.timers = { update = 5, invalid = 30, garbage-collection = 20 }";
            network.set(&name(router), timers);
        }
        network.set(&name(router), "rip.interface.lo0 = {}");
    }
    let mut segments: Vec<Vec<usize>> = (1..number).map(|router| vec![router, router + 1]).collect();
    match network.chance.between(0, 2) {
        0 => segments = vec![(1..=number).collect()],
        1 if number > 2 => {
            network.features.insert("ring with RIP");
            segments.push(vec![number, 1]);
        }
        _ => {}
    }
    for routers in segments {
        let subnet = network.subnet();
        let mut ends = Vec::new();
        for router in routers {
            let address = format!("10.{subnet}.0.{router}/24");
            let port = network.port(&name(router), Some(&address));
            let place = format!("rip.interface.{port}");
            network.set(&name(router), &format!("{place}.split-horizon = \"{horizon}\""));
            if key {
                let how = format!("{place}.authentication = {{ mode = \"{mode}\", key = \"one for all\" }}");
                network.set(&name(router), &how);
            }
            ends.push((name(router), port));
        }
        network.connect(&ends, 3);
    }
    if key {
        network.features.insert(if mode == "text" { "RIP with a password" } else { "RIP with a key" });
    }
    let least = network.ready() + if quick { 30 } else { 95 };
    network.until = network.until.max(least + network.chance.between(0, 200));
    for router in 1..=number {
        let expect = format!(
            "expect = {{ node = \"{}\", show = \"rip-routes\", where = {{ prefix = \"192.168.*\", state = \"valid\" }}, count = {number} }}",
            name(router)
        );
        network.step(network.until, &expect);
    }
}
