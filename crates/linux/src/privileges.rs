//! Gives up what a thread no longer needs once its sockets are open (capabilities(7)).
//!
//! Capabilities belong to threads, and a new thread has those of the one that starts it. A node's thread keeps what a
//! reload may need: routes and low port numbers, not CAP_NET_RAW, since ports of its own are open and stay the same, and so does
//! the look at BGP's segments (`facts/watch.rs`);
//! those of a bridge of the kernel come and go. What reads files and answers queries keeps no power over the network at
//! all. None can gain privileges again by starting a program.

use rustix::thread::{CapabilitySet, CapabilitySets, capabilities, set_capabilities, set_no_new_privs};
use std::io;

/// A node: CAP_NET_ADMIN for routes, interfaces and bridges, CAP_NET_BIND_SERVICE for ports 179 and 520; CAP_NET_RAW for ports of
/// a bridge that are yet to join, where it has such `bridges`.
pub(crate) fn keep_network(bridges: bool) -> io::Result<()> {
    let raw = if bridges { CapabilitySet::NET_RAW } else { CapabilitySet::empty() };
    keep(CapabilitySet::NET_ADMIN | CapabilitySet::NET_BIND_SERVICE | raw)
}

/// The calling thread, and those it starts from now on, keep only the power over files that the configuration and the
/// API's socket may need, of what they have.
///
/// # Errors
///
/// The kernel refuses, which it does not where something is only given up.
pub fn keep_files() -> io::Result<()> {
    keep(CapabilitySet::DAC_OVERRIDE)
}

/// A thread that only waits for signals.
pub(crate) fn keep_nothing() -> io::Result<()> {
    keep(CapabilitySet::empty())
}

fn keep(wanted: CapabilitySet) -> io::Result<()> {
    let has = capabilities(None)?;
    let sets = CapabilitySets {
        effective: has.effective & wanted,
        permitted: has.permitted & wanted,
        inheritable: CapabilitySet::empty(),
    };
    set_no_new_privs(true)?;
    Ok(set_capabilities(None, sets)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_kept_is_left_and_only_of_this_thread() {
        let before = capabilities(None).unwrap();
        let (network, files) = std::thread::spawn(|| {
            keep_network(false).unwrap();
            let network = capabilities(None).unwrap();
            // Nothing comes back: not even what the second list has.
            keep_files().unwrap();
            (network, capabilities(None).unwrap())
        })
        .join()
        .unwrap();
        let wanted = CapabilitySet::NET_ADMIN | CapabilitySet::NET_BIND_SERVICE;
        assert_eq!(network.effective, before.effective & wanted);
        assert_eq!(network.permitted, before.permitted & wanted);
        assert!(files.permitted.is_empty() && files.effective.is_empty());
        assert_eq!(capabilities(None).unwrap().permitted, before.permitted);
    }
}
