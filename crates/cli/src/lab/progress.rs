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
        self.show(|elapsed| bar(now, end, elapsed));
    }

    /// So many of `total` things, called `what`, are done.
    pub(crate) fn done(&mut self, done: usize, total: usize, what: &str) {
        self.show(|elapsed| count_bar(done, total, what, elapsed));
    }

    fn show(&mut self, line: impl FnOnce(Duration) -> String) {
        if !self.on || self.start.elapsed() < PATIENCE || self.last.elapsed() < INTERVAL {
            return;
        }
        self.last = self.start + self.start.elapsed();
        self.shown = true;
        // A terminal that is gone is no reason to end.
        let _ = write!(io::stderr(), "\r{}", line(self.start.elapsed()));
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
    let speed = now / elapsed.as_secs_f64().max(1e-9);
    format!("{}  {now:.1} of {end:.0} s, {speed:.1} times as fast as real", filled(now / end.max(1e-9)))
}

/// The line for things that are counted.
fn count_bar(done: usize, total: usize, what: &str, elapsed: Duration) -> String {
    let speed = done as f64 / elapsed.as_secs_f64().max(1e-9);
    let share = done as f64 / total.max(1) as f64;
    format!("{}  {done} of {total} {what}, {speed:.1} a second", filled(share))
}

/// The bar itself.
fn filled(share: f64) -> String {
    let share = share.clamp(0.0, 1.0);
    let full = (share * WIDTH as f64).round() as usize;
    format!("[{}{}] {:3.0}%", "#".repeat(full), ".".repeat(WIDTH - full), share * 100.0)
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
        assert_eq!(
            count_bar(3, 12, "failures", Duration::from_secs(2)),
            "[########......................]  25%  3 of 12 failures, 1.5 a second"
        );
    }
}
