//! Every lab that is built in ends as it says, whatever the seed, and the same way each time.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use trunkline_lab::builtin::LABS;
use trunkline_lab::file::parse;
use trunkline_lab::run::{Options, Outcome, Run};

fn run(name: &str, text: &str, seed: u64) -> Outcome {
    let scenario = parse(name, text).unwrap_or_else(|e| panic!("{}", e.render(false))).scenario;
    let options = Options { seed: Some(seed), ..Options::default() };
    let mut run = Run::new(scenario, &options, &mut |_| {}).unwrap();
    run.run(&mut |_| {})
}

#[test]
fn every_lab_ends_as_it_says() {
    for lab in LABS {
        for seed in 1..=5 {
            let outcome = run(lab.name, lab.text, seed);
            assert!(outcome.passed(), "{} with seed {seed}: {:#?}", lab.name, outcome.failures);
            assert!(outcome.checked >= 3, "{} expects little", lab.name);
        }
    }
}

#[test]
fn a_seed_gives_the_same_run_each_time_and_another_seed_another() {
    let mut alike = 0;
    for lab in LABS {
        let digest = |seed| run(lab.name, lab.text, seed).digest.value();
        assert_eq!(digest(7), digest(7), "{}", lab.name);
        alike += usize::from(digest(7) == digest(8));
    }
    // Some draw nothing; where TCP or BGP is at work, initial sequence numbers alone differ.
    assert!(alike < LABS.len());
}
