//! The harness of the interoperability tests: network namespaces, real daemons in them, one adapter for each daemon.
//!
//! A test gets a [`Lab`], makes namespaces and links in it, starts daemons and asks them what they see. All that it
//! made goes away when the lab is dropped, and what a killed run left behind is removed at the next start.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "tests: a panic is a failed test, and they run against real daemons in real time"
)]

mod capture;
mod lab;
mod open_vswitch;
pub mod peer;
mod process;
mod rip;
mod runner;
pub mod script;
mod speaker;
mod table;
mod trunkline;

pub use capture::{Capture, tshark, tshark_with};
pub use lab::{Lab, Netns};
pub use open_vswitch::OpenVSwitch;
pub use process::Daemon;
pub use rip::{RipDaemon, RipKey, RipKind, RipSpec};
pub use runner::{Test, main};
pub use speaker::{Identity, Speaker};
pub use table::{Source, Table};
pub use trunkline::{Config, Neighbor, POLICY, Trunkline, rule, rule_for_others, trunkline};

use std::time::{Duration, Instant};

/// How long anything may take that has no deadline of its own; generous, since machines are slow and shared.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until `condition` holds; fails the test when it does not within `timeout`.
#[track_caller]
pub fn wait_until(timeout: Duration, what: &str, mut condition: impl FnMut() -> bool) {
    let begin = Instant::now();
    if !holds_within(timeout, &mut condition) {
        panic!("waited {} s in vain: {what}", timeout.as_secs());
    }
    if std::env::var_os("TRUNKLINE_STEPS").is_some() {
        println!("    {:6.2} s: {what}", begin.elapsed().as_secs_f64());
    }
}

/// Waits until `condition` holds, at most `timeout`; returns whether it does.
pub fn holds_within(timeout: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + timeout;
    let mut pause = Duration::from_millis(20);
    loop {
        if condition() {
            return true;
        }
        if Instant::now() > end {
            return false;
        }
        std::thread::sleep(pause);
        pause = (pause * 3 / 2).min(Duration::from_millis(250));
    }
}

/// Watches for `duration` that `condition` holds all the time.
#[track_caller]
pub fn holds_for(duration: Duration, what: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + duration;
    while Instant::now() < end {
        assert!(condition(), "no longer so: {what}");
        std::thread::sleep(Duration::from_millis(200));
    }
}
