//! Tests against the real kernel, each in a network namespace of its own that ends with its thread.

mod bridges;
mod bridges_follow;
mod monitor;
mod ports;
mod rip;
mod rip_socket;
mod routes;
mod runtime;
mod tcp;
mod trouble;

use crate::sockopt;
use std::process::Command;
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// The longest a test may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// Runs `test` on a thread in a fresh network namespace with the loopback up. Not root: says so and skips, which is a
/// failure where CI=true.
pub(super) fn in_namespace(test: impl FnOnce() + Send + 'static) {
    if !rustix::process::geteuid().is_root() {
        let ci = std::env::var("CI").is_ok_and(|value| value == "true");
        assert!(!ci, "this test needs root for a network namespace, and CI=true says it must run");
        eprintln!("skipped: needs root for a network namespace");
        return;
    }
    let (done, is_done) = mpsc::channel();
    let thread = std::thread::spawn(move || {
        sockopt::unshare_network().unwrap();
        ip("link set lo up");
        test();
        done.send(()).unwrap();
    });
    match is_done.recv_timeout(PATIENCE) {
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("the test hangs"),
        _ => {
            if let Err(panic) = thread.join() {
                std::panic::resume_unwind(panic);
            }
        }
    }
}

/// Runs `ip …` in the namespace of the calling thread; what it prints.
pub(super) fn ip(arguments: &str) -> String {
    let output = Command::new("ip").args(arguments.split_whitespace()).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "ip {arguments}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// Two interfaces that are up, with addresses; their indexes.
pub(super) fn two_interfaces() -> (u32, u32) {
    for (name, v4, v6) in
        [("tl-lx-a", "10.0.1.1/24", "2001:db8:1::1/64"), ("tl-lx-b", "10.0.2.1/24", "2001:db8:2::1/64")]
    {
        // Not every kernel has dummy interfaces.
        ip(&format!("link add {name} type veth peer name {name}-far"));
        ip(&format!("link set {name}-far up"));
        ip(&format!("link set {name} up"));
        ip(&format!("addr add {v4} dev {name}"));
        ip(&format!("addr add {v6} dev {name} nodad"));
    }
    (index("tl-lx-a"), index("tl-lx-b"))
}

pub(super) fn index(name: &str) -> u32 {
    let line = ip(&format!("-o link show {name}"));
    line.split(':').next().unwrap().parse().unwrap()
}

/// Tries until it holds, for at most five seconds.
pub(super) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    #[allow(clippy::disallowed_methods, reason = "a test's patience")]
    let now = Instant::now;
    let start = now();
    while !holds() {
        assert!(now().duration_since(start) < Duration::from_secs(5), "in vain: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
