//! Signals as a callback.

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::{Handle, Signals};
use std::io;

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// SIGTERM or SIGINT: end all sessions and stop.
    Shutdown,
    /// SIGHUP: read the configuration again.
    Reload,
}

/// Signals are delivered while this lives.
#[derive(Debug)]
pub struct SignalGuard {
    handle: Handle,
}

impl Drop for SignalGuard {
    fn drop(&mut self) {
        self.handle.close();
    }
}

/// Calls `f` on a thread of its own at each SIGTERM, SIGINT (both [`Signal::Shutdown`]) and SIGHUP
/// ([`Signal::Reload`]), until the guard is dropped. A second call adds a second listener.
pub fn signals(mut f: impl FnMut(Signal) + Send + 'static) -> io::Result<SignalGuard> {
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP])?;
    let handle = signals.handle();
    std::thread::Builder::new().name("signals".into()).spawn(move || {
        if let Err(error) = crate::privileges::keep_nothing() {
            tracing::warn!("cannot give up privileges: {error}");
        }
        for number in signals.forever() {
            f(if number == SIGHUP { Signal::Reload } else { Signal::Shutdown });
        }
    })?;
    Ok(SignalGuard { handle })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use std::time::Duration;

    #[test]
    fn hangup_means_reload() {
        let (tx, rx) = mpsc::channel();
        let guard = signals(move |s| tx.send(s).unwrap()).unwrap();
        signal_hook::low_level::raise(SIGHUP).unwrap();
        assert_eq!(rx.recv_timeout(Duration::from_secs(5)), Ok(Signal::Reload));
        drop(guard);
        // The thread ends, and with it the sender.
        assert_eq!(rx.recv_timeout(Duration::from_secs(5)), Err(mpsc::RecvTimeoutError::Disconnected));
    }
}
