//! The stream of events: newline-delimited JSON from a bounded queue.
//!
//! The node's thread pushes and never waits; a reader that is too slow finds a `missed` event where events were
//! left out.

use crate::{Backend, Watcher};
use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use hyper::body::Frame;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use trunkline_view::{Event, EventKind};

/// The most events that wait for one reader.
pub(crate) const QUEUE_LIMIT: usize = 4096;

/// The most octets of one chunk, about.
const CHUNK_LIMIT: usize = 64 * 1024;

/// What waits for one reader.
#[derive(Default)]
struct State {
    waiting: VecDeque<Event>,
    /// Left out since the last one that waits, with the sequence and time of the last left out.
    missed: Option<Missed>,
    waker: Option<Waker>,
    /// The node is gone: the stream ends after what waits.
    ended: bool,
    /// The reader is gone.
    abandoned: bool,
}

struct Missed {
    count: u64,
    sequence: u64,
    time: f64,
}

impl State {
    fn push(&mut self, event: &Event) {
        // Room for the event and for the word that some were missed before it.
        if self.waiting.len() + 2 > QUEUE_LIMIT {
            let missed = self.missed.get_or_insert(Missed { count: 0, sequence: 0, time: 0.0 });
            missed.count += 1;
            missed.sequence = event.sequence;
            missed.time = event.time;
        } else {
            self.settle();
            self.waiting.push_back(event.clone());
        }
    }

    /// Puts what was missed in its place in the queue.
    fn settle(&mut self) {
        if let Some(Missed { count, sequence, time }) = self.missed.take() {
            self.waiting.push_back(Event { sequence, time, kind: EventKind::Missed { count } });
        }
    }

    /// The next chunk of lines; empty where nothing waits.
    fn take_chunk(&mut self) -> Vec<u8> {
        let mut chunk = Vec::new();
        while chunk.len() < CHUNK_LIMIT {
            if self.waiting.is_empty() {
                self.settle();
            }
            let Some(event) = self.waiting.pop_front() else { break };
            // Plain data with text keys: serializing does not fail.
            if serde_json::to_writer(&mut chunk, &event).is_ok() {
                chunk.push(b'\n');
            }
        }
        chunk
    }
}

/// A queue between the node's thread and one reader.
#[derive(Clone, Default)]
struct Queue(Arc<Mutex<State>>);

impl Queue {
    /// No code panics while it holds the lock, and the state is consistent at every step anyway.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self, change: impl FnOnce(&mut State)) {
        let waker = {
            let mut state = self.lock();
            change(&mut state);
            state.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// The node's end; the stream ends when it is dropped.
struct Writer(Queue);

impl Writer {
    fn push(&self, event: &Event) -> bool {
        let mut go_on = true;
        self.0.wake(|state| {
            go_on = !state.abandoned;
            if go_on {
                state.push(event);
            }
        });
        go_on
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.0.wake(|state| state.ended = true);
    }
}

/// The reader's end, a body of HTTP.
struct Reader(Queue);

impl Drop for Reader {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.abandoned = true;
        state.waiting = VecDeque::new();
    }
}

impl hyper::body::Body for Reader {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let mut state = self.0.lock();
        let chunk = state.take_chunk();
        if !chunk.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(Bytes::from(chunk)))));
        }
        if state.ended {
            return Poll::Ready(None);
        }
        state.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}

/// Subscribes and answers with the stream.
pub(crate) fn stream(backend: &Backend) -> Response {
    let queue = Queue::default();
    let writer = Writer(queue.clone());
    let watcher: Watcher = Box::new(move |event| writer.push(event));
    (backend.subscribe)(watcher);
    let headers = [(header::CONTENT_TYPE, "application/x-ndjson"), (header::CACHE_CONTROL, "no-store")];
    (headers, Body::new(Reader(queue))).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(sequence: u64) -> Event {
        let kind = EventKind::Reload { message: "x".to_owned() };
        Event { sequence, time: 0.0, kind }
    }

    fn read_all(state: &mut State) -> Vec<Event> {
        let mut events = Vec::new();
        loop {
            let chunk = state.take_chunk();
            if chunk.is_empty() {
                return events;
            }
            let text = String::from_utf8(chunk).unwrap();
            events.extend(text.lines().map(|l| serde_json::from_str::<Event>(l).unwrap()));
        }
    }

    #[test]
    fn a_slow_reader_learns_how_many_it_missed_and_where() {
        let mut state = State::default();
        let kept = QUEUE_LIMIT as u64 - 1;
        (1..=kept + 5).for_each(|n| state.push(&event(n)));
        let events = read_all(&mut state);
        assert_eq!(events.len() as u64, kept + 1);
        assert_eq!(events.last().unwrap().kind, EventKind::Missed { count: 5 });
        assert_eq!(events.last().unwrap().sequence, kept + 5);
        state.push(&event(kept + 6));
        assert_eq!(read_all(&mut state), [event(kept + 6)]);
    }

    #[test]
    fn the_gap_stands_between_the_events_around_it() {
        let mut state = State::default();
        let kept = QUEUE_LIMIT as u64 - 1;
        (1..=kept + 1).for_each(|n| state.push(&event(n)));
        state.waiting.drain(..2);
        state.push(&event(kept + 2));
        assert!(state.waiting.len() <= QUEUE_LIMIT);
        let events = read_all(&mut state);
        let gap = events.iter().position(|e| e.kind == EventKind::Missed { count: 1 }).unwrap();
        assert_eq!(events[gap - 1].sequence, kept);
        assert_eq!(events[gap + 1].sequence, kept + 2);
    }
}
