//! Random networks under random faults: when the faults end, every table becomes what shortest paths say, within the time
//! that the timers allow. `RIP_SEEDS=5000` runs more.

use super::bus::{Bus, Faults, everywhere};
use super::*;

const SPLIT: [SplitHorizon; 3] = [SplitHorizon::Off, SplitHorizon::Simple, SplitHorizon::PoisonedReverse];

fn seeds(few: u64) -> std::ops::Range<u64> {
    let given = std::env::var("RIP_SEEDS").ok().and_then(|text| text.parse().ok());
    0..given.unwrap_or(few)
}

/// 3 to 8 routers on 2 to 9 LANs, most of them connected.
fn graph(rng: &mut Rng) -> Vec<Vec<usize>> {
    let routers = 3 + rng.below(6);
    let lans = 2 + rng.below(8);
    (0..routers)
        .map(|_| {
            let mut on: Vec<usize> = (0..1 + rng.below(3)).map(|_| rng.below(lans) as usize).collect();
            on.sort_unstable();
            on.dedup();
            on
        })
        .collect()
}

fn random_config(rng: &mut Rng, hold_down: HoldDown) -> Config {
    let mut interface =
        InterfaceConfig { split_horizon: SPLIT[rng.below(3) as usize], ..InterfaceConfig::default() };
    if rng.below(2) == 0 {
        let key = Key {
            id: 1,
            algorithm: Algorithm::KeyedMd5,
            secret: b"secret".to_vec(),
            send: Lifetime::ALWAYS,
            accept: Lifetime::ALWAYS,
        };
        interface.authentication.keys.push(key);
    }
    let timers = if rng.below(2) == 0 { Timers::default() } else { Timers::four() };
    let max_paths = 1 + rng.below(3) as usize;
    Config { hold_down, timers, max_paths, ..everywhere(interface) }
}

/// Things that happen: interfaces that go down and up, LANs that are cut, routers that restart.
fn trouble(bus: &mut Bus, rng: &mut Rng) {
    for _ in 0..rng.below(12) {
        bus.run_for(Duration::from_millis(rng.below(60_000)));
        let n = rng.below(bus.nodes.len() as u64) as usize;
        let at = rng.below(bus.nodes[n].lans.len() as u64) as usize;
        let lan = bus.nodes[n].lans[at];
        match rng.below(6) {
            0 => bus.restart(n),
            1 | 2 => {
                let up = !bus.nodes[n].up[at];
                bus.set_interface(n, at, up);
            }
            3 => drop(bus.cut.insert(lan)),
            4 => drop(bus.cut.remove(&lan)),
            _ => bus.set_lan(lan, rng.below(2) == 0),
        }
    }
}

fn run(seed: u64, hold_down: HoldDown, bound: Duration) {
    let mut rng = Rng::new(seed);
    let nodes = graph(&mut rng);
    let config = random_config(&mut rng, hold_down);
    let mut bus = Bus::new(&nodes, config, rng.next_u64());
    bus.faults = Faults { loss: rng.below(400), duplication: rng.below(200), reordering: rng.below(300) };
    bus.run_for(Duration::from_millis(rng.below(90_000)));
    trouble(&mut bus, &mut rng);
    bus.faults = Faults::default();
    bus.run_for(bound);
    // It stays so, through every timer that may still run.
    for _ in 0..4 {
        assert_eq!(bus.wrong(), [""; 0], "seed {seed}");
        bus.run_for(secs(100));
    }
}

/// 180 s until silence is noticed, then counting to infinity at the pace of triggered updates, 5 s for each of 16 steps, or
/// where they are lost or suppressed at that of regular ones.
#[test]
fn tables_become_right() {
    for seed in seeds(60) {
        run(seed, HoldDown::Off, secs(180 + 16 * 35));
    }
}

/// With hold-down each failure may be followed by 180 s in which nothing is believed, of one router after another.
#[test]
fn tables_become_right_with_hold_down() {
    for seed in seeds(60) {
        let policy = if seed % 2 == 0 { HoldDown::SuppressEqualOrWorse } else { HoldDown::SuppressAll };
        run(seed, policy, secs(180 + 180 * 8));
    }
}

#[test]
fn the_same_seed_is_the_same_run() {
    let once = || {
        let mut rng = Rng::new(4);
        let nodes = graph(&mut rng);
        let mut bus = Bus::new(&nodes, random_config(&mut rng, HoldDown::Off), 4);
        bus.faults = Faults { loss: 100, duplication: 100, reordering: 100 };
        trouble(&mut bus, &mut rng);
        let tables: Vec<_> = bus.nodes.iter().map(|node| format!("{:?}", node.table)).collect();
        (bus.datagrams, tables)
    };
    assert_eq!(once(), once());
}
