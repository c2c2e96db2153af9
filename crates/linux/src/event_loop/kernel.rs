//! Interfaces and routes between the kernel and the node.

use super::{EventLoop, open_fib, place};
use crate::netlink::fib::{Fib, Refused};
use crate::netlink::monitor::KernelEvent;
use crate::netlink::others::PlaceChange;
use crate::start::StartError;
use trunkline_core::{Duration, Instant};
use trunkline_node::NodeInput;
use trunkline_node::config::NodeConfig;

/// How long after trouble our routes in the kernel are compared with what they should be; doubled, up to the maximum,
/// as long as the trouble goes on.
const RECONCILE_PAUSE: Duration = Duration::from_secs(1);
const MAX_RECONCILE_PAUSE: Duration = Duration::from_secs(64);

/// When our routes in the kernel are compared with what they should be.
#[derive(Debug)]
pub(super) struct Reconcile {
    pub(super) at: Option<Instant>,
    pause: Duration,
    last: Instant,
}

impl Reconcile {
    pub(super) const fn new() -> Reconcile {
        Reconcile { at: None, pause: Duration::ZERO, last: Instant::ZERO }
    }

    fn schedule(&mut self, now: Instant) {
        if self.at.is_none() {
            let calm = now.since(self.last) > self.pause * 2;
            let pause = if calm { RECONCILE_PAUSE } else { self.pause * 2 };
            self.pause = pause.clamp(RECONCILE_PAUSE, MAX_RECONCILE_PAUSE);
            self.at = Some(now + self.pause);
        }
    }

    fn is_due(&mut self, now: Instant) -> bool {
        let due = self.at.take_if(|at| *at <= now).is_some();
        if due {
            self.last = now;
        }
        due
    }
}

impl EventLoop {
    pub(super) fn take_kernel_changes(&mut self) {
        // First: what tells the node that a place is free must come after what told it that the place is taken.
        self.flush_fib();
        self.monitor.read(self.now, &mut self.read_buffer, &mut self.kernel_events);
        self.feed_kernel_events();
        if self.reconcile.is_due(self.now) {
            self.reconcile();
        }
    }

    fn feed_kernel_events(&mut self) {
        let mut events = std::mem::take(&mut self.kernel_events);
        for event in events.drain(..) {
            match event {
                KernelEvent::Interface(change) => {
                    self.bridges_changed(&change);
                    self.rip_changed(&change);
                    if !self.port_changed(&change) {
                        self.feed(NodeInput::Interface(change));
                    }
                }
                KernelEvent::Route(prefix, route) => self.feed(NodeInput::KernelRoute { prefix, route }),
                KernelEvent::OursRemoved(prefix, place) => {
                    if self.fib.as_ref().is_some_and(|fib| fib.place() == place) {
                        self.feed(NodeInput::FibRemoved { prefix });
                    }
                }
                KernelEvent::Place(change) => self.place_changed(change),
                KernelEvent::Overrun => self.reconcile.schedule(self.now),
            }
        }
        self.kernel_events = events;
    }

    fn place_changed(&mut self, PlaceChange { prefix, metric, holder }: PlaceChange) {
        let Some(fib) = self.fib.as_ref().filter(|fib| fib.place().metric == metric) else { return };
        let input = match holder.map(|protocol| fib.taken(prefix, protocol)) {
            Some(Refused { prefix, why, reason }) => {
                // It may have come before ours, which has driven it out then.
                self.monitor.look_again(self.now);
                NodeInput::FibRefused { prefix, why, reason }
            }
            None => NodeInput::FibFreed { prefix },
        };
        self.feed(input);
    }

    /// Sends what is left of the batch and tells the node what the kernel refused.
    pub(super) fn flush_fib(&mut self) {
        if let Some(fib) = &mut self.fib {
            fib.flush(&mut self.refused);
            if fib.take_troubled() {
                self.reconcile.schedule(self.now);
            }
        }
        for Refused { prefix, why, reason } in std::mem::take(&mut self.refused) {
            tracing::warn!("the kernel has no route to {prefix}: {reason}");
            self.feed(NodeInput::FibRefused { prefix, why, reason });
        }
    }

    /// Has the node compare what the kernel has of us with what it should have.
    fn reconcile(&mut self) {
        self.flush_fib();
        match self.fib.as_ref().map(Fib::present) {
            None => {}
            Some(Ok(prefixes)) => self.feed(NodeInput::FibPresent { prefixes: &prefixes }),
            Some(Err(error)) => {
                tracing::error!("cannot read our routes from the kernel: {error}");
                self.reconcile.schedule(self.now);
            }
        }
    }

    /// What a change of `[fib]` needs that may fail: done before anything else is changed.
    pub(super) fn prepare_fib(&self, config: &NodeConfig) -> Result<Option<Fib>, StartError> {
        let wanted = place(config);
        let open_already = self.fib.as_ref().is_some_and(|fib| fib.place().table == wanted.table);
        if config.fib.install && !open_already { open_fib(wanted).map(Some) } else { Ok(None) }
    }

    /// Carries out a change of `[fib]`. The node sends its routes anew where they go elsewhere.
    pub(super) fn change_fib(&mut self, config: &NodeConfig, opened: Option<Fib>) {
        self.flush_fib();
        let before = self.fib.as_ref().map(|fib| (fib.port(), fib.place().table));
        let wanted = place(config);
        let result = if opened.is_some() || !config.fib.install {
            let old = std::mem::replace(&mut self.fib, opened);
            old.map_or(Ok(()), |mut old| old.end())
        } else if let Some(fib) = self.fib.as_mut().filter(|fib| fib.place() != wanted) {
            fib.move_to(wanted)
        } else {
            Ok(())
        };
        if let Err(error) = result {
            tracing::error!("cannot remove our routes from the kernel: {error}");
        }
        let port = self.fib.as_ref().map_or(0, Fib::port);
        if before != Some((port, wanted.table)) {
            if let Err(error) = self.monitor.set_fib(wanted.table, port, &mut self.kernel_events) {
                tracing::error!("cannot read the kernel's routes: {error}");
            }
            self.feed_kernel_events();
        }
    }
}
