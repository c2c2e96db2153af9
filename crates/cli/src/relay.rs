//! `trunkline relay`: a wire between two interfaces that is as bad as one likes.

use crate::Failure;
use crate::args::RelayOptions;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use trunkline_core::{Frame, Instant};
use trunkline_lab::link::Cable;
use trunkline_linux::{Medium, relay};

/// The lab's cable, in real time.
struct Wire(Cable);

impl Medium for Wire {
    fn push(&mut self, now: Instant, from: usize, frame: Frame) {
        let _ = self.0.push(now, from, frame);
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.0.poll_timeout()
    }

    fn pop_due(&mut self, now: Instant) -> Option<(usize, Frame)> {
        self.0.pop_due(now)
    }
}

/// Carries frames until SIGINT or SIGTERM, then says what it did to them.
pub(crate) fn run(options: &RelayOptions) -> Result<(), Failure> {
    let stop = Arc::new(AtomicBool::new(false));
    let stopper = Arc::clone(&stop);
    let _signals = trunkline_linux::signals(move |_| stopper.store(true, Ordering::Relaxed))
        .map_err(|e| Failure::Message(format!("cannot wait for signals: {e}")))?;
    let mut wire = Wire(Cable::new(&options.link(), options.seed));
    let [a, b] = [options.a.as_str(), options.b.as_str()];
    relay([a, b], &mut wire, &stop)
        .map_err(|e| Failure::Message(format!("cannot relay between {a} and {b}: {e}")))?;
    for ((from, to), counters) in [(a, b), (b, a)].into_iter().zip(wire.0.counters()) {
        eprintln!(
            "{from} to {to}: {} frames, {} lost, {} doubled, {} late, {} damaged, {} found the queue full",
            counters.sent, counters.lost, counters.doubled, counters.late, counters.damaged, counters.no_room
        );
    }
    Ok(())
}
