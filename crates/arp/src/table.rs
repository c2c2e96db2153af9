//! Neighbours by address, and in the order in which their timers are due. Both are as large as the number of
//! neighbours, never larger, whatever storms there are.

use crate::State;
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use std::collections::{BTreeSet, VecDeque};
use std::net::Ipv4Addr;
use trunkline_core::{Frame, Instant, MacAddr, earliest};

/// A neighbour.
#[derive(Debug)]
pub(crate) struct Neighbor {
    pub(crate) state: State,
    /// Known in all states but Incomplete and Failed.
    pub(crate) mac: Option<MacAddr>,
    /// When it was last heard or confirmed; at first, when it was made.
    pub(crate) heard: Instant,
    /// When a packet was last sent to it.
    pub(crate) used: Option<Instant>,
    /// When its state ends; never for a permanent one.
    pub(crate) deadline: Option<Instant>,
    /// Requests sent in this state.
    pub(crate) probes: u8,
    /// Packets that wait; only in Incomplete.
    pub(crate) queue: VecDeque<Frame>,
    /// Where it is in the timers; not later than its deadline.
    filed: Option<(Class, Instant)>,
}

impl Neighbor {
    pub(crate) fn new(now: Instant, state: State, mac: Option<MacAddr>) -> Neighbor {
        Neighbor {
            state,
            mac,
            heard: now,
            used: None,
            deadline: None,
            probes: 0,
            queue: VecDeque::new(),
            filed: None,
        }
    }
}

/// Who goes first when the table is full, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Class {
    Failed,
    Stale,
    Incomplete,
    /// Reachable, Delay, Probe: in use.
    Live,
}

impl Class {
    fn of(state: State) -> Option<Class> {
        match state {
            State::Failed => Some(Class::Failed),
            State::Stale => Some(Class::Stale),
            State::Incomplete => Some(Class::Incomplete),
            State::Reachable | State::Delay | State::Probe => Some(Class::Live),
            State::Permanent => None,
        }
    }
}

#[derive(Debug)]
pub(crate) struct Table {
    neighbors: HashMap<Ipv4Addr, Neighbor, FixedState>,
    /// By class. A neighbour whose deadline moves later stays where it is and is filed anew when it comes up.
    timers: [BTreeSet<(Instant, Ipv4Addr)>; 4],
}

impl Table {
    pub(crate) fn new(seed: u64) -> Table {
        Table { neighbors: HashMap::with_hasher(FixedState::with_seed(seed)), timers: Default::default() }
    }

    pub(crate) fn len(&self) -> usize {
        self.neighbors.len()
    }

    pub(crate) fn get(&self, address: Ipv4Addr) -> Option<&Neighbor> {
        self.neighbors.get(&address)
    }

    /// After a change of state or deadline, [`Table::file`] is to be called.
    #[inline]
    pub(crate) fn get_mut(&mut self, address: Ipv4Addr) -> Option<&mut Neighbor> {
        self.neighbors.get_mut(&address)
    }

    pub(crate) fn insert(&mut self, address: Ipv4Addr, neighbor: Neighbor) {
        self.remove(address);
        self.neighbors.insert(address, neighbor);
        self.file(address);
    }

    pub(crate) fn remove(&mut self, address: Ipv4Addr) -> Option<Neighbor> {
        let neighbor = self.neighbors.remove(&address)?;
        if let Some((class, at)) = neighbor.filed {
            self.timers[class as usize].remove(&(at, address));
        }
        Some(neighbor)
    }

    /// Puts a neighbour where its state and deadline belong.
    pub(crate) fn file(&mut self, address: Ipv4Addr) {
        let Some(neighbor) = self.neighbors.get_mut(&address) else { return };
        let wanted = Class::of(neighbor.state).zip(neighbor.deadline);
        // Traffic confirms live neighbours again and again: these wait until they come up.
        let in_time = |(class, at), (new_class, new_at)| {
            class == Class::Live && new_class == Class::Live && at <= new_at
        };
        if neighbor.filed == wanted || neighbor.filed.zip(wanted).is_some_and(|(old, new)| in_time(old, new))
        {
            return;
        }
        if let Some((class, at)) = neighbor.filed {
            self.timers[class as usize].remove(&(at, address));
        }
        neighbor.filed = wanted;
        if let Some((class, at)) = wanted {
            self.timers[class as usize].insert((at, address));
        }
    }

    /// When the next neighbour comes up, maybe too early.
    pub(crate) fn next(&self) -> Option<Instant> {
        earliest(self.timers.iter().map(|timers| timers.first().map(|&(at, _)| at)))
    }

    /// The next neighbour whose deadline is not after `now`. Its deadline is to be changed, or it comes again.
    pub(crate) fn due(&mut self, now: Instant) -> Option<Ipv4Addr> {
        loop {
            let &(at, address) = self.timers.iter().filter_map(BTreeSet::first).min()?;
            if at > now {
                return None;
            }
            let neighbor = self.neighbors.get_mut(&address)?;
            if neighbor.deadline.is_some_and(|deadline| deadline <= now) {
                return Some(address);
            }
            if let Some((class, at)) = neighbor.filed.take() {
                self.timers[class as usize].remove(&(at, address));
            }
            self.file(address);
        }
    }

    /// Who is to go to make room, of the classes up to `most`.
    pub(crate) fn victim(&self, most: Class) -> Option<Ipv4Addr> {
        let timers = self.timers.get(..=most as usize)?;
        timers.iter().find_map(|timers| timers.first().map(|&(_, address)| address))
    }

    /// All addresses, sorted.
    pub(crate) fn addresses(&self) -> Vec<Ipv4Addr> {
        let mut addresses: Vec<_> = self.neighbors.keys().copied().collect();
        addresses.sort_unstable();
        addresses
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Ipv4Addr, &Neighbor)> {
        self.neighbors.iter().map(|(&address, neighbor)| (address, neighbor))
    }
}
