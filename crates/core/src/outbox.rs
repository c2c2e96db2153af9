//! The queue into which a machine pushes its decisions and from which its driver takes them.

use std::collections::VecDeque;

/// Decisions of a machine, in the order it made them.
#[derive(Debug)]
pub struct Outbox<T>(VecDeque<T>);

impl<T> Outbox<T> {
    /// An empty outbox.
    pub const fn new() -> Outbox<T> {
        Outbox(VecDeque::new())
    }

    /// Adds a decision at the end.
    pub fn push(&mut self, item: T) {
        self.0.push_back(item);
    }

    /// Takes the oldest decision.
    pub fn pop(&mut self) -> Option<T> {
        self.0.pop_front()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes everything, oldest first.
    pub fn drain(&mut self) -> impl Iterator<Item = T> + '_ {
        self.0.drain(..)
    }
}

impl<T> Default for Outbox<T> {
    fn default() -> Self {
        Self::new()
    }
}
