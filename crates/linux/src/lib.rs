//! The Linux runtime: drives [`trunkline_node::Node`]s with kernel sockets, netlink and the clock.
//!
//! Each node has one thread with one epoll loop ([`spawn`]); other threads talk to it by a [`NodeHandle`]. The node
//! is a pure machine: this crate feeds it what happens and carries out what it wants.
//!
//! | concept | file |
//! |---|---|
//! | the loop: turns, fairness, timers | `event_loop/mod.rs` |
//! | connections: connect, accept, bytes both ways, back-pressure, closing | `event_loop/tcp.rs`, `event_loop/connections.rs`, `conn.rs` |
//! | commands, reload, shutdown | `event_loop/control.rs` |
//! | kernel changes to the node, routes to the kernel | `event_loop/kernel.rs` |
//! | events to subscribers and the log | `event_loop/report.rs` |
//! | spanning tree on bridges of the kernel | `bridge/mod.rs`, `event_loop/bridges.rs` |
//! | RIP's UDP (`unsafe`), the calendar for its keys | `rip/mod.rs`, `event_loop/rip.rs`, `calendar.rs` |
//! | listeners and their MD5 keys | `listener.rs` |
//! | what the kernel knows of a BGP neighbour that is not up, its segments on the wire, the probe | `facts/mod.rs`, `event_loop/facts.rs` |
//! | ICMP errors about what a socket sent (`unsafe`) | `icmp.rs` |
//! | socket options the standard library lacks (`unsafe`) | `sockopt.rs` |
//! | free memory back to the system (`unsafe`) | `memory.rs` |
//! | speed and duplex of an interface (`unsafe`) | `speed.rs` |
//! | interfaces and other programs' routes | `netlink/links.rs`, `netlink/others.rs`, `netlink/monitor.rs` |
//! | our routes in the kernel | `netlink/fib.rs`, `netlink/encode.rs` |
//! | the handle, signals | `handle.rs`, `signals.rs` |

mod bridge;
mod calendar;
mod clock;
mod conn;
mod event_loop;
mod facts;
mod handle;
mod icmp;
mod listener;
mod memory;
mod netlink;
mod port;
mod privileges;
mod relay;
mod rip;
mod signals;
mod sockopt;
mod speed;
mod start;
#[cfg(test)]
mod tests;

pub use handle::{NodeHandle, ReloadHook, Reply, Subscriber};
pub use memory::give_back_memory;
pub use privileges::keep_files;
pub use relay::{Medium, relay};
pub use signals::{Signal, SignalGuard, signals};
pub use start::StartError;

use event_loop::EventLoop;
use handle::Shared;
use std::io;
use std::sync::{Arc, mpsc};
use trunkline_node::config::NodeConfig;

/// What a node is told besides its configuration.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The version of Trunkline, for `show node`.
    pub version: String,
    /// The files the configuration came from, for `show node`; empty for the built-in quick start.
    pub config_files: Vec<String>,
    /// Seed of the node's randomness (jitter, hash seeds); none: from the system.
    pub seed: Option<u64>,
}

/// Starts a node on a thread of its own.
///
/// Listeners are open and the kernel's interfaces are known when this returns, in the caller's network namespace.
/// Several nodes may run in one process; those that install routes need a table each, since a node takes all routes of
/// protocol 217 in its table for its own.
pub fn spawn(config: NodeConfig, options: Options) -> Result<NodeHandle, StartError> {
    let parts = event_loop::Prepared::new(&config)?;
    let handle = NodeHandle { shared: Arc::clone(&parts.shared) };
    let (started, has_started) = mpsc::channel();
    let shared = Arc::clone(&parts.shared);
    let thread = std::thread::Builder::new()
        .name(format!("node-{}", config.name))
        .spawn(move || {
            let _guard = Finish(shared);
            let bridges = !event_loop::bridges::wanted(&config).is_empty();
            match EventLoop::new(parts, config, options) {
                Ok(event_loop) => {
                    if let Err(error) = privileges::keep_network(bridges) {
                        tracing::warn!("cannot give up privileges: {error}");
                    }
                    let _ = started.send(Ok(()));
                    event_loop.run();
                }
                Err(error) => drop(started.send(Err(error))),
            }
        })
        .map_err(StartError::system("start a thread"))?;
    handle.shared.set_thread(thread);
    match has_started.recv() {
        Ok(Ok(())) => Ok(handle),
        Ok(Err(error)) => Err(error),
        Err(_) => {
            handle.join();
            Err(StartError::System {
                what: "start the node",
                error: io::Error::other("its thread has panicked"),
            })
        }
    }
}

/// Tells all who wait that the node has ended, however it did.
struct Finish(Arc<Shared>);

impl Drop for Finish {
    fn drop(&mut self) {
        self.0.close();
        self.0.finish();
    }
}
