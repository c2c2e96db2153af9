//! What neighbours that mean harm can make us spend.

use super::model::{World, key, rules_for, world};
use crate::egress::{CHUNK_ROUTES, Position, RouteSet};
use crate::rib::table::PeerId;

fn own(world: &mut World, peer: usize) -> &mut super::super::CatchUp {
    match &mut world.rib.egress.members[peer].as_mut().unwrap().position {
        Position::CatchUp(own) => own,
        Position::InStep(_) => panic!("in step"),
    }
}

#[test]
fn a_refresh_before_anything_of_the_last_one_was_taken_marks_nothing() {
    let mut world = world();
    world.join(1, rules_for(1, 0));
    (0..200).for_each(|n| world.announce(n, 3, 1));
    world.drain();
    world.rib.refresh(PeerId(1), true);
    // Found empty afterwards: nothing was marked.
    let marked = std::mem::take(&mut own(&mut world, 1).dirty);
    assert_eq!(marked.len(), 200);
    world.rib.refresh(PeerId(1), true);
    assert!(own(&mut world, 1).dirty.is_empty());
    own(&mut world, 1).dirty = marked;
    // Once it has taken a part, everything is owed again.
    world.poll(1, 30);
    assert!(own(&mut world, 1).dirty.len() < 200);
    world.rib.refresh(PeerId(1), true);
    assert_eq!(own(&mut world, 1).dirty.len(), 200);
    world.drain();
    assert_eq!(world.receivers[&1].marks.len(), 3, "two beginnings, one end");
}

/// Ever new destinations come and go; the places that they take.
fn churn(world: &mut World, rounds: u64, mut each: impl FnMut(&mut World)) -> u32 {
    for round in 0..rounds {
        let new = 10_000 + round * 100..10_000 + (round + 1) * 100;
        new.clone().for_each(|n| world.announce(n, 3, 1));
        each(world);
        new.for_each(|n| world.withdraw(n, 3));
        each(world);
        world.rib.reclaim_new();
    }
    world.rib.table.places()
}

#[test]
fn who_never_reads_does_not_pin_what_it_never_heard_of() {
    // Alone in step; catching up; with others that read, or that do not either.
    for (stuck, reads) in [("in step", false), ("in step", true), ("catches up", false), ("catches up", true)]
    {
        let mut world = world();
        (0..50).for_each(|n| world.announce(n, 3, 1));
        world.join(1, rules_for(1, 0));
        world.join(2, rules_for(2, 0));
        if stuck == "in step" {
            world.drain();
        }
        let places = churn(&mut world, 200, |world| {
            if reads {
                while world.poll(2, 100_000) {}
            }
        });
        // What was told to those in step and not taken by the stuck one is bounded by the chunks that are kept.
        assert!(places < 1200, "{stuck}, {reads}: {places}");
        (0..50).for_each(|n| world.withdraw(n, 3));
        world.drain();
        assert!(world.receivers.values().all(|r| r.table.is_empty()));
    }
}

#[test]
fn chunks_that_nobody_takes_pin_only_what_they_tell_of() {
    let mut world = world();
    world.join(1, rules_for(1, 0));
    world.join(2, rules_for(2, 0));
    world.drain();
    (0..CHUNK_ROUTES as u64).for_each(|n| world.announce(n, 3, 1));
    while world.poll(2, 100_000) {}
    assert!(world.rib.egress.groups.iter().flatten().any(|g| !g.chunks.is_empty()));
    // Then neither reads.
    let places = churn(&mut world, 200, |_| ());
    assert!(places < 1000, "{places}");
    // Told to 2 and withdrawn again, all of it in chunks that 1 has not taken: the place is kept until it has.
    let idx = world.rib.table.find(key(1)).unwrap();
    world.withdraw(1, 3);
    while world.poll(2, 100_000) {}
    (0..100).for_each(|_| world.rib.reclaim());
    assert_eq!(world.rib.table.find(key(1)), Some(idx));
    world.drain();
    (0..100).for_each(|_| world.rib.reclaim());
    assert_eq!(world.rib.table.find(key(1)), None);
    assert!(world.rib.egress.groups.iter().flatten().all(|g| g.queued.iter().all(|n| *n == 0)));
    let _: Option<RouteSet> = world.rib.egress.leave(PeerId(1));
}
