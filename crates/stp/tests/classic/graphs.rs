//! Random networks settle to the tree of the definition and never loop on the way.

use super::*;
use crate::rig::{Change, What};
use std::cell::RefCell;
use std::collections::BTreeMap;
use trunkline_core::Rng;
use trunkline_stp::{Output, PortConfig};

/// Up to 20 bridges, links in parallel, shared LANs, random priorities and costs.
fn network(rng: &mut Rng) -> Rig {
    let mut rig = Rig::new();
    let bridges = 2 + rng.below(19) as usize;
    let (backbone, uplink) = (rng.below(2) == 0, rng.below(3) == 0);
    for _ in 0..bridges {
        let (priority, fast) = (4096 * rng.below(16) as u16, uplink && rng.below(3) == 0);
        rig.bridge(Protocol::Stp, |c| {
            c.priority = priority;
            c.backbone_fast = backbone;
            c.uplink_fast = fast;
        });
    }
    for n in 0..bridges + rng.below(bridges as u64) as usize {
        let size = if rng.below(4) == 0 { 3 + rng.below(3) as usize } else { 2 };
        let first = if n < bridges { n } else { rng.below(bridges as u64) as usize };
        let drawn: Vec<(usize, PortConfig)> = (0..size)
            .map(|k| {
                let bridge = if k == 0 { first } else { rng.below(bridges as u64) as usize };
                let mut config = PortConfig::new(1);
                config.priority = 16 * rng.below(16) as u8;
                config.path_cost = (rng.below(2) == 0).then(|| 1 + rng.below(30) as u32);
                (bridge, config)
            })
            .collect();
        let set: Vec<_> = drawn
            .iter()
            .map(|(bridge, config)| {
                (*bridge, move |port: &mut PortConfig| *port = PortConfig { number: port.number, ..*config })
            })
            .collect();
        let ends: Vec<(usize, Change<'_>)> =
            set.iter().map(|(bridge, change)| (*bridge, change as Change<'_>)).collect();
        rig.lan(&ends);
    }
    rig
}

/// §8.6.1: no port sends two Configuration BPDUs within Hold Time, unless its link was down meanwhile.
/// Tells how many ports sent.
fn keeps_hold_time(rig: &Rig) -> usize {
    let mut last = BTreeMap::new();
    for seen in &rig.seen {
        match &seen.what {
            What::Sent(port, message) if config(message).is_some() => {
                let before = last.insert((seen.bridge, *port), seen.at);
                assert!(before.is_none_or(|at| seen.at.since(at) >= secs(1.0)), "{seen:?}");
            }
            What::Out(Output::State { port, state: PortState::Disabled }) => {
                last.remove(&(seen.bridge, *port));
            }
            _ => {}
        }
    }
    last.len()
}

#[test]
fn random_networks_settle_to_the_tree_and_never_loop() {
    let mut senders = 0;
    // With 88, switching back to an uplink once made a loop, where the old one went on as designated port.
    for seed in (0..6).chain([88]) {
        let mut rng = Rng::new(seed);
        let mut rig = network(&mut rng);
        rig.start();
        rig.run(secs(110.0));
        assert_eq!(truth::differences(&rig), Vec::<String>::new(), "seed {seed}");
        for step in 0..3 {
            for _ in 0..1 + rng.below(3) {
                let lan = rng.below(rig.lans.len() as u64) as usize;
                let up = !rig.lans[lan].up;
                rig.set_lan(lan, up);
                rig.run(secs(rng.below(40) as f64 / 10.0));
            }
            if rng.below(4) == 0 {
                rig.kill(rng.below(rig.bridges.len() as u64) as usize);
            }
            rig.run(secs(180.0));
            assert_eq!(truth::differences(&rig), Vec::<String>::new(), "seed {seed}, step {step}");
            senders += keeps_hold_time(&rig);
            rig.seen.clear();
        }
        assert_eq!(rig.loops, [], "seed {seed}");
    }
    assert!(senders > 100, "{senders}");
}

#[test]
fn networks_that_lost_frames_settle_once_they_lose_no_more() {
    for seed in 1000..1004 {
        let mut rng = Rng::new(seed);
        let mut rig = network(&mut rng);
        let losses = RefCell::new(rng.fork());
        rig.drops = Some(Box::new(move |_, _| losses.borrow_mut().below(3) == 0));
        rig.start();
        for _ in 0..4 {
            let lan = rng.below(rig.lans.len() as u64) as usize;
            let up = !rig.lans[lan].up;
            rig.set_lan(lan, up);
            rig.run(secs(30.0));
        }
        rig.drops = None;
        rig.run(secs(180.0));
        assert_eq!(truth::differences(&rig), Vec::<String>::new(), "seed {seed}");
        assert!(!rig.has_loop(), "seed {seed}");
    }
}
