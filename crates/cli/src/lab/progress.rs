//! A line on stderr that says how far a long run is; only on a terminal, and gone at the end.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};
use trunkline_core::Instant as Virtual;

/// Runs that are shorter need no line.
const PATIENCE: Duration = Duration::from_millis(700);

/// Time between two lines.
const INTERVAL: Duration = Duration::from_millis(100);

/// How many characters the bar has.
const WIDTH: usize = 30;

/// See the module.
pub(crate) struct Progress {
    on: bool,
    start: Instant,
    last: Instant,
    shown: bool,
}

impl Progress {
    /// Begins.
    #[allow(clippy::disallowed_methods, reason = "how long a person waits is real time")]
    pub(crate) fn new(on: bool) -> Progress {
        let start = Instant::now();
        Progress { on: on && io::stderr().is_terminal(), start, last: start, shown: false }
    }

    /// Real time since the beginning.
    pub(crate) fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// The run is at `now` of `end`.
    pub(crate) fn at(&mut self, now: Virtual, end: Virtual) {
        if !self.on || self.start.elapsed() < PATIENCE || self.last.elapsed() < INTERVAL {
            return;
        }
        self.last = self.start + self.start.elapsed();
        self.shown = true;
        // A terminal that is gone is no reason to end.
        let _ = write!(io::stderr(), "\r{}", bar(now, end, self.start.elapsed()));
    }

    /// Before other lines are written, and at the end.
    pub(crate) fn clear(&mut self) {
        if std::mem::take(&mut self.shown) {
            let _ = write!(io::stderr(), "\r\x1b[2K");
        }
    }
}

/// The line.
fn bar(now: Virtual, end: Virtual, elapsed: Duration) -> String {
    let (now, end) = (now.as_nanos() as f64 / 1e9, end.as_nanos() as f64 / 1e9);
    let share = (now / end.max(1e-9)).clamp(0.0, 1.0);
    let full = (share * WIDTH as f64).round() as usize;
    let speed = now / elapsed.as_secs_f64().max(1e-9);
    format!(
        "[{}{}] {:3.0}%  {now:.1} of {end:.0} s, {speed:.1} times as fast as real",
        "#".repeat(full),
        ".".repeat(WIDTH - full),
        share * 100.0
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_has_one_width() {
        let bar = |now, end| bar(Virtual::from_secs(now), Virtual::from_secs(end), Duration::from_secs(2));
        assert_eq!(
            bar(30, 60),
            "[###############...............]  50%  30.0 of 60 s, 15.0 times as fast as real"
        );
        assert!(bar(0, 0).starts_with("[..............................]   0%"));
        assert!(bar(99, 60).starts_with("[##############################] 100%"));
    }
}
