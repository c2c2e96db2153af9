//! Interfaces and routes between the kernel and the node.

use super::{EventLoop, open_fib, place};
use crate::netlink::encode::Place;
use crate::netlink::fib::Fib;
use crate::netlink::monitor::KernelEvent;
use crate::start::StartError;
use trunkline_node::NodeInput;
use trunkline_node::config::NodeConfig;

impl EventLoop {
    pub(super) fn take_kernel_changes(&mut self) {
        self.monitor.read(self.now, &mut self.read_buffer, &mut self.kernel_events);
        self.feed_kernel_events();
        if !self.monitor.ready
            && let Some(fib) = &mut self.fib
        {
            fib.forget_recent();
        }
    }

    fn feed_kernel_events(&mut self) {
        let mut events = std::mem::take(&mut self.kernel_events);
        for event in events.drain(..) {
            match event {
                KernelEvent::Interface(change) => self.feed(NodeInput::Interface(change)),
                KernelEvent::Route(prefix, route) => self.feed(NodeInput::KernelRoute { prefix, route }),
                KernelEvent::OursRemoved { prefix, next_hops, table, metric } => {
                    if let Some(fib) = &mut self.fib {
                        let place = Place { table, metric };
                        fib.restore(prefix, next_hops, place, &self.monitor.others, &mut self.refused);
                    }
                }
                KernelEvent::Freed(prefix) => {
                    if let Some(fib) = &mut self.fib {
                        fib.unblock(prefix, &self.monitor.others, &mut self.refused);
                    }
                }
            }
        }
        self.kernel_events = events;
    }

    /// Sends what is left of the batch and tells the node what the kernel refused.
    pub(super) fn flush_fib(&mut self) {
        if let Some(fib) = &mut self.fib {
            fib.flush(&mut self.refused);
        }
        for (prefix, reason) in std::mem::take(&mut self.refused) {
            tracing::warn!("the kernel has no route to {prefix}: {reason}");
            self.feed(NodeInput::FibRefused { prefix, reason });
        }
    }

    /// What a change of `[fib]` needs that may fail: done before anything else is changed.
    pub(super) fn prepare_fib(&self, config: &NodeConfig) -> Result<Option<Fib>, StartError> {
        if config.fib.install && self.fib.is_none() { open_fib(place(config)).map(Some) } else { Ok(None) }
    }

    /// Carries out a change of `[fib]`. The node sends its routes anew where they go elsewhere.
    pub(super) fn change_fib(&mut self, config: &NodeConfig, opened: Option<Fib>) {
        let before = self.fib.as_ref().map(|fib| (fib.port(), fib.place().table));
        if opened.is_some() {
            self.fib = opened;
        }
        let wanted = place(config);
        if let Some(fib) = &mut self.fib {
            let result = if !config.fib.install {
                fib.flush(&mut self.refused);
                fib.clear().map(drop)
            } else if fib.place() != wanted {
                fib.move_to(wanted, &mut self.refused)
            } else {
                Ok(())
            };
            if let Err(error) = result {
                tracing::error!("cannot remove our routes from the kernel: {error}");
            }
        }
        if !config.fib.install {
            self.fib = None;
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
