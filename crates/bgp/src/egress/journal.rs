//! When the members of a group in step were told of what: the latest destinations alone, so that memory is bounded.

use crate::rib::table::RouteIdx;
use std::collections::VecDeque;

/// Destinations that are remembered.
const ROUTES: usize = 16_384;

/// When something was said, in seconds since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    /// It waits for the neighbour to read.
    Waits,
    /// Then.
    At(u32),
    /// Then or before.
    Until(u32),
}

/// Destinations that were told of together.
struct Entry {
    /// When the first one was told, and the last one.
    first: u32,
    last: u32,
    routes: Vec<RouteIdx>,
}

/// What was told lately, the oldest first.
#[derive(Default)]
pub(super) struct Journal {
    entries: VecDeque<Entry>,
    routes: usize,
    /// When the latest of those was told that are forgotten.
    forgotten: u32,
}

impl Journal {
    pub(super) fn push(&mut self, first: u32, last: u32, mut routes: Vec<RouteIdx>) {
        routes.shrink_to_fit();
        self.routes += routes.len();
        self.entries.push_back(Entry { first, last, routes });
        while self.routes > ROUTES {
            let Some(gone) = self.entries.pop_front() else { break };
            self.routes -= gone.routes.len();
            self.forgotten = gone.last;
        }
    }

    /// When a member that is in step since then was told of it last.
    pub(super) fn told(&self, idx: RouteIdx, in_step_since: u32) -> Told {
        match self.entries.iter().rev().find(|entry| entry.routes.contains(&idx)) {
            Some(entry) if entry.first > in_step_since && entry.first == entry.last => Told::At(entry.first),
            Some(entry) => Told::Until(in_step_since.max(entry.last)),
            None => Told::Until(in_step_since.max(self.forgotten)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_time_counts_and_what_is_forgotten_is_bounded() {
        let mut journal = Journal::default();
        journal.push(10, 10, vec![RouteIdx(1), RouteIdx(2)]);
        journal.push(20, 20, vec![RouteIdx(1)]);
        journal.push(21, 25, vec![RouteIdx(4)]);
        assert_eq!(journal.told(RouteIdx(1), 5), Told::At(20));
        assert_eq!(journal.told(RouteIdx(2), 5), Told::At(10));
        assert_eq!(journal.told(RouteIdx(2), 15), Told::Until(15), "it caught up by itself");
        assert_eq!(journal.told(RouteIdx(3), 5), Told::Until(5));
        assert_eq!(journal.told(RouteIdx(4), 5), Told::Until(25), "one of them read later");
        journal.push(30, 30, (10..10 + ROUTES as u32 - 3).map(RouteIdx).collect());
        assert_eq!(journal.told(RouteIdx(2), 5), Told::Until(10), "forgotten");
        assert_eq!(journal.told(RouteIdx(1), 5), Told::At(20));
        assert!(journal.routes <= ROUTES);
    }
}
