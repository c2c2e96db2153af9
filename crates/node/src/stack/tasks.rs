//! Orders that take their time: ping, traceroute, transfers. Each is answered once, when it is done.

use super::ping::Ping;
use super::traceroute::Traceroute;
use super::transfer::Transfer;
use super::{Said, Stack};
use std::collections::BTreeMap;
use trunkline_core::{Instant, TimerQueue};
use trunkline_view::{Answer, ErrorKind, Query};

/// The most at once.
const MAX_TASKS: usize = 1024;

/// Something that takes its time.
#[derive(Debug)]
pub(super) enum Task {
    Ping(Ping),
    Traceroute(Traceroute),
    Transfer(Transfer),
}

/// All that is under way, each with the number of the query that it is to answer.
#[derive(Debug)]
pub(super) struct Tasks {
    pub(super) tasks: BTreeMap<u64, (u64, Task)>,
    pub(super) timers: TimerQueue<u64>,
    next: u64,
    /// The identifier of the next ping, and the source port of the next traceroute.
    pub(super) identifier: u16,
}

impl Tasks {
    /// None yet. Identifiers begin at a random place.
    pub(super) fn new(random: u64) -> Tasks {
        Tasks { tasks: BTreeMap::new(), timers: TimerQueue::new(), next: 0, identifier: random as u16 }
    }

    /// When one of them wants to go on.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// An identifier that no other task has had of late.
    pub(super) fn identifier(&mut self) -> u16 {
        self.identifier = self.identifier.wrapping_add(1);
        self.identifier
    }
}

impl Stack {
    /// Begins a task; none: it is another query. Some: it cannot begin.
    pub(super) fn task_query(&mut self, now: Instant, id: u64, query: &Query) -> Option<Option<Answer>> {
        if !matches!(query, Query::Ping(_) | Query::Traceroute(_) | Query::TcpTransfer(_)) {
            return None;
        }
        if self.tasks.tasks.len() >= MAX_TASKS {
            return Some(Some(Answer::error(ErrorKind::Unavailable, "too many orders are under way")));
        }
        let number = self.tasks.next;
        let identifier = self.tasks.identifier();
        let task = match query {
            Query::Ping(query) => Ping::new(query, identifier).map(Task::Ping),
            Query::Traceroute(query) => Traceroute::new(query, identifier).map(Task::Traceroute),
            Query::TcpTransfer(query) => self.begin_transfer(now, number, query).map(Task::Transfer),
            _ => return None,
        };
        Some(match task {
            Err(answer) => Some(answer),
            Ok(task) => {
                self.tasks.next += 1;
                self.tasks.tasks.insert(number, (id, task));
                self.go_on(now, number);
                None
            }
        })
    }

    /// Looks at a task again at this time.
    pub(super) fn wake_task(&mut self, at: Instant, number: u64) {
        self.tasks.timers.schedule(at, number);
        self.note(Some(at));
    }

    pub(super) fn tasks_timeout(&mut self, now: Instant) {
        while let Some(number) = self.tasks.timers.pop_due(now) {
            self.go_on(now, number);
        }
    }

    fn go_on(&mut self, now: Instant, number: u64) {
        match self.tasks.tasks.get(&number) {
            Some((_, Task::Ping(_))) => self.ping_go_on(now, number),
            Some((_, Task::Traceroute(_))) => self.traceroute_go_on(now, number),
            Some((_, Task::Transfer(_))) => self.transfer_go_on(now, number),
            None => {}
        }
    }

    /// A task is done.
    pub(super) fn finish_task(&mut self, number: u64, answer: Answer) {
        if let Some((id, _)) = self.tasks.tasks.remove(&number) {
            self.said.push(Said::Answer { id, answer });
        }
    }
}
