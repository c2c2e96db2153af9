//! The fuzzer itself: what it draws, what it finds, how it shrinks.

use super::*;
use crate::builtin::find;
use crate::file::parse;
use crate::scenario::{Action, Step};

fn scenario(name: &str) -> Scenario {
    let lab = find(name).unwrap();
    parse(name, lab.text).unwrap_or_else(|e| panic!("{}", e.render(false))).scenario
}

#[test]
fn a_seed_brings_the_same_faults_each_time_and_all_end_in_time() {
    let scenario = scenario("icmp-redirect");
    let mut kinds = [0; 3];
    for seed in 0..200 {
        let faults = faults_of(&scenario, seed);
        assert_eq!(faults, faults_of(&scenario, seed));
        assert!(!faults.is_empty() && faults.is_sorted_by_key(|fault| fault.at));
        for fault in &faults {
            assert!(fault.at + fault.lasts <= scenario.until, "{fault}");
            kinds[match fault.kind {
                FaultKind::Cut { .. } => 0,
                FaultKind::Bad { .. } => 1,
                FaultKind::Crash { .. } => 2,
            }] += 1;
        }
    }
    assert!(kinds.iter().all(|count| *count > 100), "{kinds:?}");
    assert_ne!(faults_of(&scenario, 1), faults_of(&scenario, 2));
}

#[test]
fn labs_come_through_faults() {
    for lab in crate::builtin::LABS {
        let options = Options { first: 1, seeds: 10, threads: None };
        let report = fuzz(&scenario(lab.name), &options, &|_| {}).unwrap();
        assert_eq!(report.runs, 10);
        assert!(report.bad.is_empty(), "{}: {:#?}", lab.name, report.bad);
    }
}

#[test]
fn what_does_not_heal_is_found() {
    let scenario = scenario("proxy-arp");
    let link = scenario.links[0].name.clone();
    let fault =
        Fault { at: Instant::from_secs(1), lasts: Duration::from_secs(1), kind: FaultKind::Cut { link } };
    assert_eq!(problems(&scenario, 1, std::slice::from_ref(&fault)), Vec::<String>::new());
    // The same cut as a step of the scenario stays.
    let mut cut = scenario.clone();
    let action = Action::Cut(vec![scenario.links[0].name.clone()]);
    cut.steps.push(Step { at: scenario.until, line: 1, note: None, action: Some(action) });
    let whole = state::at_end(&scenario, 1, &[]).unwrap();
    let problems = state::compare(&cut, 1, &[], &whole);
    for word in ["pings", "interfaces"] {
        assert!(problems.iter().any(|problem| problem.contains(word)), "{problems:?}");
    }
    // And a fault that ends does not mend it.
    assert_eq!(super::problems(&cut, 1, &[fault]), Vec::<String>::new());
}

#[test]
fn who_wins_a_contested_address_is_not_compared() {
    let scenario = scenario("gratuitous-arp");
    let state = state::at_end(&scenario, 1, &[]).unwrap();
    assert!(state.iter().any(|line| line.starts_with("b interfaces")));
    assert!(
        !state
            .iter()
            .any(|line| line.starts_with("a ") || line.starts_with("late ") || line.contains(".0.1:"))
    );
}

#[test]
fn shrinking_leaves_what_matters() {
    let all: Vec<u32> = (0..20).collect();
    let shrunk = shrink::shrink(&all, &|some| some.contains(&3) && some.contains(&17));
    assert_eq!(shrunk, [3, 17]);
    assert_eq!(shrink::shrink(&all, &|some| some.len() >= 5).len(), 5);
    assert_eq!(shrink::shrink(&all, &|_| true), Vec::<u32>::new());
    assert_eq!(shrink::shrink(&[1], &|some| !some.is_empty()), [1]);
}
