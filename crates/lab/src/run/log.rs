//! What is heard of a lab, and what of it is kept for expectations.

use super::show::seconds;
use super::{Failure, Hear};
use crate::link::Fate;
use crate::scenario::Action;
use crate::sim::{Observer, Sight};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use trunkline_core::{Frame, Instant};
use trunkline_explain::dissect::{Dissection, Dissector};
use trunkline_view::{Answer, EventKind, Query};

/// The most frames of a link, and the most events, that are kept for expectations: the latest.
const MAX_KEPT: usize = 1_000_000;

/// Something in the timeline.
#[derive(Debug, Clone)]
pub struct Entry {
    /// When.
    pub at: Instant,
    /// What.
    pub told: Told,
}

/// What happened.
#[derive(Debug, Clone)]
pub enum Told {
    /// A step of the scenario begins; what comes of it follows.
    Step {
        /// Its line in the file.
        line: usize,
        /// What people should know of it.
        note: Option<String>,
        /// What it does.
        action: Option<Action>,
    },
    /// Something happened in a node.
    Event {
        /// The node.
        node: String,
        /// What.
        event: EventKind,
    },
    /// A node has answered.
    Answer {
        /// The node.
        node: String,
        /// What it was asked.
        query: Query,
        /// The answer.
        answer: Answer,
    },
    /// A node runs with another configuration.
    Reconfigured {
        /// The node.
        node: String,
        /// A line for each thing that is different.
        changes: Vec<String>,
    },
    /// A frame goes into a link.
    Frame {
        /// The link.
        link: String,
        /// Who sends it: "r1.eth0".
        sender: String,
        /// The frame.
        frame: Frame,
        /// What becomes of it; none: there was no room for it.
        fate: Option<Fate>,
    },
    /// An expectation is met.
    Passed {
        /// Its line in the file.
        line: usize,
        /// It.
        expected: String,
    },
    /// An expectation is not met.
    Failed(Failure),
    /// Something that was ordered cannot be.
    Problem(String),
}

/// A frame that was kept.
#[derive(Debug)]
pub(super) struct Kept {
    at: Instant,
    sender: String,
    frame: Frame,
    fate: Option<Fate>,
}

/// The frames of a link, in plain data as far as that was asked for.
#[derive(Debug, Default)]
pub(super) struct Frames {
    unread: VecDeque<Kept>,
    dissector: Dissector,
    read: VecDeque<(Instant, Value)>,
}

impl Frames {
    /// All of them as plain data, the oldest first.
    pub(super) fn read(&mut self) -> &VecDeque<(Instant, Value)> {
        for Kept { at, sender, frame, fate } in self.unread.drain(..) {
            let Dissection { summary, mut layers } = self.dissector.dissect(&frame);
            let fate = fate.map_or(Some("no room on the link"), |fate| fate.words());
            let more = [
                ("words", json!(summary)),
                ("at", json!(seconds(at))),
                ("sender", json!(sender)),
                ("fate", json!(fate)),
            ];
            layers.extend(more.map(|(name, value)| (name.to_owned(), value)));
            keep(&mut self.read, (at, Value::Object(layers)));
        }
        &self.read
    }
}

/// What was heard and is kept.
#[derive(Debug)]
pub(super) struct Log {
    tells_frames: bool,
    links: BTreeSet<String>,
    pub(super) frames: BTreeMap<String, Frames>,
    pub(super) events: VecDeque<(Instant, String, EventKind)>,
    /// What takes its time.
    asked: BTreeMap<u64, Query>,
    /// What is finished: time, node, answer.
    pub(super) answers: Vec<(Instant, String, Answer)>,
    /// The answer that came last.
    last: Option<(u64, Answer)>,
}

impl Log {
    pub(super) fn new(tells_frames: bool, links: BTreeSet<String>) -> Log {
        Log {
            tells_frames,
            links,
            frames: BTreeMap::new(),
            events: VecDeque::new(),
            asked: BTreeMap::new(),
            answers: Vec::new(),
            last: None,
        }
    }

    pub(super) fn wants_frames(&self) -> bool {
        self.tells_frames || !self.links.is_empty()
    }

    /// An answer to this will come.
    pub(super) fn expect_answer(&mut self, id: u64, query: Query) {
        self.asked.insert(id, query);
    }

    /// The answer, if it is the last that came.
    pub(super) fn answer(&self, id: u64) -> Option<Answer> {
        self.last.as_ref().filter(|(last, _)| *last == id).map(|(_, answer)| answer.clone())
    }
}

/// Writes the log and tells the timeline.
pub(super) struct Ear<'a> {
    pub(super) log: &'a mut Log,
    pub(super) hear: Hear<'a>,
}

impl Ear<'_> {
    pub(super) fn answered(&mut self, at: Instant, node: &str, query: Option<Query>, answer: Answer) {
        let node = node.to_owned();
        if let Some(query) = query {
            (self.hear)(&Entry {
                at,
                told: Told::Answer { node: node.clone(), query, answer: answer.clone() },
            });
        }
        self.log.answers.push((at, node, answer));
    }
}

impl Observer for Ear<'_> {
    fn event(&mut self, at: Instant, node: &str, event: &EventKind) {
        keep(&mut self.log.events, (at, node.to_owned(), event.clone()));
        (self.hear)(&Entry { at, told: Told::Event { node: node.to_owned(), event: event.clone() } });
    }

    fn frame(&mut self, sight: &Sight<'_>) {
        let of_interest = self.log.links.contains(sight.link_name);
        if !of_interest && !self.log.tells_frames {
            return;
        }
        let sender = format!("{}.{}", sight.node, sight.interface);
        if self.log.tells_frames {
            let (link, frame) = (sight.link_name.to_owned(), sight.frame.clone());
            let told = Told::Frame { link, sender: sender.clone(), frame, fate: sight.fate };
            (self.hear)(&Entry { at: sight.at, told });
        }
        if of_interest {
            let kept = Kept { at: sight.at, sender, frame: sight.frame.clone(), fate: sight.fate };
            keep(&mut self.log.frames.entry(sight.link_name.to_owned()).or_default().unread, kept);
        }
    }

    fn answer(&mut self, at: Instant, node: &str, id: u64, answer: Answer) {
        let query = self.log.asked.remove(&id);
        self.log.last = Some((id, answer.clone()));
        self.answered(at, node, query, answer);
    }
}

fn keep<T>(queue: &mut VecDeque<T>, item: T) {
    if queue.len() >= MAX_KEPT {
        queue.pop_front();
    }
    queue.push_back(item);
}
