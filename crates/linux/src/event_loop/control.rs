//! Commands from other threads, reload and shutdown.

use super::{EventLoop, listen_addresses};
use crate::clock;
use crate::handle::{Command, Reply, not_reloaded};
use crate::rip::RipSocket;
use crate::start::{listen_problem, rip_problem};
use trunkline_core::Duration;
use trunkline_node::NodeInput;
use trunkline_node::config::NodeConfig;
use trunkline_view::{Answer, ErrorKind, EventKind, Query, ReloadView};

/// How long a turn carries out commands; one at least.
const TIME: Duration = Duration::from_millis(5);

/// Queries that may wait for their answer, such as pings.
const MAX_QUERIES: usize = 1024;

/// How long a shutdown waits for the last octets to leave and the peers to close.
const SHUTDOWN_PATIENCE: Duration = Duration::from_secs(1);

impl EventLoop {
    pub(super) fn take_commands(&mut self) {
        if !std::mem::take(&mut self.commands_wait) {
            return;
        }
        let end = self.now + TIME;
        while let Some(command) = self.shared.take() {
            self.command(command);
            self.now = clock::now();
            if self.now >= end {
                self.commands_wait = true;
                break;
            }
        }
    }

    fn command(&mut self, command: Command) {
        match command {
            Command::Query { query, reply } => self.ask(query, reply),
            Command::Probed { wanted, found } => self.probed(wanted, *found),
            Command::Subscribe(subscriber) => {
                self.subscribers.push(subscriber);
                self.node.watch_routes(true);
                self.node.watch_stack(true);
            }
            Command::Reconfigure { config, reply } => {
                let view = self.reconfigure(*config);
                self.publish(EventKind::Reload { message: in_words(&view) });
                reply(view);
            }
            Command::Shutdown => self.shut_down(),
        }
    }

    fn ask(&mut self, query: Query, reply: Reply<Answer>) {
        if self.queries.len() >= MAX_QUERIES {
            reply(Answer::error(ErrorKind::Unavailable, "too many queries wait for their answer"));
            return;
        }
        let id = self.next_query;
        self.next_query += 1;
        self.queries.insert(id, reply);
        // Most are answered at once, a ping when it is over.
        self.feed(NodeInput::Query { id, query });
    }

    pub(super) fn answer(&mut self, id: u64, answer: Answer) {
        if let Some(reply) = self.queries.remove(&id) {
            reply(answer);
        }
    }

    /// Applies a configuration: listeners, `[fib]` and RIP's port here, the rest in the node. What can fail comes first.
    fn reconfigure(&mut self, config: NodeConfig) -> ReloadView {
        if self.stop_at.is_some() {
            return not_reloaded("the node is stopping");
        }
        if let Err(problem) = self.ports.check(&config) {
            return not_reloaded(problem);
        }
        let opened = match self.prepare_fib(&config) {
            Ok(opened) => opened,
            Err(error) => return not_reloaded(error.to_string()),
        };
        let rip = match self.prepare_rip(&config) {
            Ok(opened) => opened,
            Err(error) => return not_reloaded(rip_problem(&error)),
        };
        let listeners = self.listeners.change(listen_addresses(&config), self.poll.registry());
        if let Err((address, error)) = listeners {
            return not_reloaded(listen_problem(address, &error));
        }
        self.change_fib(&config, opened);
        self.open_rip(&config, rip);
        self.shared.set_name(&config.name);
        let done = self.node.reconfigure(self.now, config, &mut self.out);
        self.carry_out();
        self.close_rip();
        self.configure_bridges();
        ReloadView { applied: true, changes: done.changes, reset: done.reset, problems: None }
    }

    fn shut_down(&mut self) {
        if self.stop_at.is_some() {
            return;
        }
        tracing::info!("node {} is stopping", self.node.config().name);
        self.stop_at = Some(self.now + SHUTDOWN_PATIENCE);
        // No new connection, no new command.
        self.listeners.close();
        self.shared.close();
        self.node.shutdown(self.now, &mut self.out);
        self.carry_out();
    }

    /// Whether a shutdown is complete: all is sent and all peers have closed, or it took too long.
    pub(super) fn is_stopped(&self) -> bool {
        let rip_drained = || self.rip.as_ref().is_none_or(RipSocket::is_drained);
        let drained = || self.connections.is_empty() && self.node.is_drained() && rip_drained();
        self.stop_at.is_some_and(|at| drained() || at <= self.now)
    }

    /// The last act: no route of ours stays in the kernel, and its bridges are as they were.
    pub(super) fn end(mut self) {
        self.bridges.end();
        if let Some(fib) = &mut self.fib
            && let Err(error) = fib.end()
        {
            tracing::error!("cannot remove our routes from the kernel: {error}");
        }
    }
}

fn in_words(view: &ReloadView) -> String {
    match &view.problems {
        Some(problems) => format!("not applied: {problems}"),
        None if view.changes.is_empty() => "nothing changed".to_owned(),
        None if view.reset.is_empty() => format!("{}; no session reset", view.changes.join("; ")),
        None => format!("{}; reset: {}", view.changes.join("; "), view.reset.join(", ")),
    }
}
