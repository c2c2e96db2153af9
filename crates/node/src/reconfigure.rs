//! Changing to another configuration while running.

use crate::config::NodeConfig;
use crate::node::Node;
use crate::stack::Stack;
use crate::{NodeOutput, Reconfigured};
use trunkline_core::{Instant, Outbox};

impl Node {
    /// Changes to another configuration; only what differs is touched. (Sockets and files are the driver's part.)
    ///
    /// Where `fib.table` or `fib.metric` changes, the driver removes our routes from where they were before it carries
    /// out what is in `out`; the node then tells all of them again.
    pub fn reconfigure(
        &mut self,
        now: Instant,
        config: NodeConfig,
        out: &mut Outbox<NodeOutput>,
    ) -> Reconfigured {
        let mut result = Reconfigured::default();
        if self.stopped {
            return result;
        }
        let before = std::mem::replace(&mut self.config, config);
        self.reconfigure_stack(now, &before, out, &mut result);
        result.changes.extend(self.kernel_bridges.reconfigure(now, &self.config, out));
        self.reconfigure_identity(&before, &mut result);
        result.changes.extend(self.routing.set_statics(&self.config.all_static_routes()));
        self.reconfigure_fib(&before, out, &mut result);
        result.changes.extend(self.reconfigure_rip(now, before.rip.as_ref(), out));
        self.reconfigure_bgp(now, out, &mut result);
        if self.started.is_some() {
            self.set_redistribution(now, out);
        }
        self.pump(now, out);
        result
    }

    fn reconfigure_stack(
        &mut self,
        now: Instant,
        before: &NodeConfig,
        out: &mut Outbox<NodeOutput>,
        result: &mut Reconfigured,
    ) {
        if let Some(stack) = &mut self.stack {
            result.changes.extend(stack.reconfigure(now, (before, &self.config), out));
        } else if Stack::is_wanted(&self.config) {
            let mut stack = Box::new(Stack::new(&self.config, self.rng.fork()));
            stack.watch(self.stack_watched);
            for (peer, key) in &self.listener_keys {
                stack.listener_key(*peer, Some(key));
            }
            self.stack = Some(stack);
            result.changes.push("interfaces of the node's own added".to_owned());
        }
        self.pump(now, out);
    }

    fn reconfigure_identity(&mut self, before: &NodeConfig, result: &mut Reconfigured) {
        if before.name != self.config.name {
            result.changes.push(format!("node name {} (was {})", self.config.name, before.name));
        }
        if before.api != self.config.api {
            result.changes.push("api changed".to_owned());
        }
        if before.bgp_listen != self.config.bgp_listen {
            let list: Vec<String> = self.config.bgp_listen.iter().map(ToString::to_string).collect();
            result.changes.push(format!("bgp listens on {}", list.join(", ")));
        }
        // An id that was chosen stays while nothing else is asked for: a new one costs every session.
        let keep = before.router_id.is_none() && !self.router_id.is_unspecified();
        let wanted = match self.config.router_id {
            Some(id) => Some(id),
            None if keep => None,
            None => self.routing.interfaces.choose_router_id(),
        };
        if let Some(id) = wanted.filter(|id| *id != self.router_id) {
            result.changes.push(format!("router id {id} (was {})", self.router_id));
            self.router_id = id;
        }
    }

    fn reconfigure_fib(
        &mut self,
        before: &NodeConfig,
        out: &mut Outbox<NodeOutput>,
        result: &mut Reconfigured,
    ) {
        let (old, new) = (&before.fib, &self.config.fib);
        let (install, moved) = (new.install, old.table != new.table || old.metric != new.metric);
        if old.table != new.table {
            result.changes.push(format!("fib table {} (was {})", new.table, old.table));
        }
        if old.metric != new.metric {
            result.changes.push(format!("fib metric {} (was {})", new.metric, old.metric));
        }
        if old.install != install {
            let words =
                if install { "routes go to the kernel now" } else { "routes go to the kernel no more" };
            result.changes.push(format!("fib: {words}"));
        }
        if self.started.is_none() {
            return;
        }
        if let Some(stack) = &mut self.stack
            && old.install
            && !install
        {
            stack.leave_kernel(out);
        }
        // With a stack, our own IP has the routes all the time, and the kernel is told them with all others again.
        if moved || (self.stack.is_some() && install && !old.install) {
            self.routing.fib.reinstall();
        }
        self.set_install(self.installs());
    }

    fn reconfigure_bgp(&mut self, now: Instant, out: &mut Outbox<NodeOutput>, result: &mut Reconfigured) {
        let Some(config) = self.bgp_config() else {
            if self.bgp.is_some() {
                result.changes.push("bgp removed".to_owned());
                self.retire_bgp(now, out);
            }
            return;
        };
        let asn = config.asn;
        if config.router_id.is_unspecified() {
            let hint = "no interface has an IPv4 address to take the router id from; set node.router-id";
            result.changes.push(format!("bgp not started: {hint}"));
        } else if let Some(bgp) = &mut self.bgp {
            let networks = config.networks.clone();
            let done = bgp.reconfigure(now, config, &mut self.bgp_out);
            self.routing.set_networks(&networks, true);
            result.changes.extend(done.changes);
            result.reset.extend(done.reset);
        } else {
            result.changes.push(format!("bgp added, AS {asn}"));
            self.create_bgp();
            if self.started.is_some() {
                self.start_bgp(now, out);
            }
        }
    }
}
