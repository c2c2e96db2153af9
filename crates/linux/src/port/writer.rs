//! A thread that sends a port's frames, so that the kernel's work on them goes on beside the node's.
//!
//! To send a frame by TAP or over a veth costs several times what the node spends on it: the system call does not come
//! back before the kernel's stack has taken the frame in. A few frames are sent where they are made, which is sooner;
//! of many, the thread relieves the node.

use super::Exit;
use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use trunkline_core::Frame;

/// The thread, and what waits for it.
#[derive(Debug)]
pub(super) struct Writer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// To be sent, in order.
    frames: VecDeque<Frame>,
    /// Frames handed over that are not sent yet; those that the thread works on are among them.
    pending: usize,
    /// Frames that were refused since this was last asked.
    dropped: u64,
    sleeping: bool,
    stop: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics with this lock held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Writer {
    /// Starts it.
    pub(super) fn start(name: &str, exit: Exit) -> io::Result<Writer> {
        let shared = Arc::new(Shared::default());
        let for_thread = Arc::clone(&shared);
        let thread =
            std::thread::Builder::new().name(format!("out-{name}")).spawn(move || run(&for_thread, &exit))?;
        Ok(Writer { shared, thread: Some(thread) })
    }

    /// Frames that were handed over and are not sent yet, and how many were refused since this was last asked.
    pub(super) fn pending(&self) -> (usize, u64) {
        let mut state = self.shared.lock();
        (state.pending, std::mem::take(&mut state.dropped))
    }

    /// Has these frames sent after all that were handed over before.
    pub(super) fn hand_over(&self, frames: &mut VecDeque<Frame>) {
        let mut state = self.shared.lock();
        state.pending += frames.len();
        if state.frames.is_empty() {
            std::mem::swap(&mut state.frames, frames);
        } else {
            state.frames.append(frames);
        }
        let wake = std::mem::take(&mut state.sleeping);
        drop(state);
        if wake {
            self.shared.changed.notify_one();
        }
    }
}

/// What was handed over is sent before the thread ends, unless the device takes no more.
impl Drop for Writer {
    fn drop(&mut self) {
        self.shared.lock().stop = true;
        self.shared.changed.notify_one();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn run(shared: &Shared, exit: &Exit) {
    let mut frames = VecDeque::new();
    let (mut sent, mut dropped) = (0, 0);
    loop {
        let mut state = shared.lock();
        state.pending -= sent;
        state.dropped += dropped;
        while state.frames.is_empty() {
            if state.stop {
                return;
            }
            state.sleeping = true;
            state = shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.sleeping = false;
        }
        std::mem::swap(&mut state.frames, &mut frames);
        drop(state);
        sent = frames.len();
        dropped = exit.send_all(&mut frames, || shared.lock().stop);
        frames.clear();
    }
}
