//! The handle by which other threads talk to a running node.
//!
//! Nothing here blocks on the node, and nothing is lost silently: a command that the node will not carry out any
//! more is answered with [`ErrorKind::Unavailable`].

use mio::Waker;
use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use trunkline_node::Wanted;
use trunkline_node::config::NodeConfig;
use trunkline_view::facts::Probe;
use trunkline_view::{Answer, ErrorKind, Event, Query, ReloadView};

/// Called once with what was asked for, on the node's thread: it must not block.
pub type Reply<T> = Box<dyn FnOnce(T) + Send>;

/// Called at each event, on the node's thread: it must not block. Returns whether it wants more.
pub type Subscriber = Box<dyn FnMut(&Event) -> bool + Send>;

/// Reads the configuration again and has it applied with [`NodeHandle::reconfigure`], then calls the reply. Runs on
/// a thread of its own, so it may read files.
pub type ReloadHook = Box<dyn Fn(Reply<ReloadView>) + Send + Sync>;

/// Commands that wait at most; more are refused.
const MAX_COMMANDS: usize = 4096;

/// An order to the node's thread.
pub(crate) enum Command {
    /// Answer this.
    Query { query: Query, reply: Reply<Answer> },
    /// Tell this one of events.
    Subscribe(Subscriber),
    /// A probe of a neighbour is done.
    Probed { wanted: Wanted, found: Box<Probe> },
    /// Change to this configuration.
    Reconfigure { config: Box<NodeConfig>, reply: Reply<ReloadView> },
    /// Stop.
    Shutdown,
}

impl Command {
    /// Answers a command that will not be carried out.
    pub(crate) fn refuse(self, why: &str) {
        match self {
            Command::Query { reply, .. } => reply(Answer::error(ErrorKind::Unavailable, why)),
            Command::Reconfigure { reply, .. } => reply(not_reloaded(why)),
            Command::Subscribe(_) | Command::Probed { .. } | Command::Shutdown => {}
        }
    }
}

/// A reload that did not happen.
pub(crate) fn not_reloaded(why: impl Into<String>) -> ReloadView {
    ReloadView { applied: false, changes: Vec::new(), reset: Vec::new(), problems: Some(why.into()) }
}

struct Queue {
    open: bool,
    commands: VecDeque<Command>,
}

/// What a handle and its node share.
pub(crate) struct Shared {
    name: Mutex<String>,
    queue: Mutex<Queue>,
    waker: Waker,
    reload: Mutex<Option<Arc<ReloadHook>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    finished: Mutex<bool>,
    finished_signal: Condvar,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic while holding one of these locks leaves plain data in order, so poison carries no news.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    pub(crate) fn new(name: String, waker: Waker) -> Arc<Shared> {
        Arc::new(Shared {
            name: Mutex::new(name),
            queue: Mutex::new(Queue { open: true, commands: VecDeque::new() }),
            waker,
            reload: Mutex::new(None),
            thread: Mutex::new(None),
            finished: Mutex::new(false),
            finished_signal: Condvar::new(),
        })
    }

    pub(crate) fn push(&self, command: Command) {
        let (command, why) = {
            let mut queue = lock(&self.queue);
            let full = queue.commands.len() >= MAX_COMMANDS && !matches!(command, Command::Shutdown);
            if queue.open && !full {
                queue.commands.push_back(command);
                // Where something waited already, the loop has been woken or is at work on it.
                if queue.commands.len() == 1
                    && let Err(error) = self.waker.wake()
                {
                    tracing::error!("cannot wake node {}: {error}", self.name());
                }
                return;
            }
            (command, if full { "the node has too many questions waiting" } else { "the node has stopped" })
        };
        command.refuse(why);
    }

    /// Takes the next command.
    pub(crate) fn take(&self) -> Option<Command> {
        lock(&self.queue).commands.pop_front()
    }

    /// No command is accepted from now on; those that wait are refused.
    pub(crate) fn close(&self) {
        let left = {
            let mut queue = lock(&self.queue);
            queue.open = false;
            std::mem::take(&mut queue.commands)
        };
        for command in left {
            command.refuse("the node is stopping");
        }
        // The hook usually holds a handle to this node: let go of it.
        let hook = lock(&self.reload).take();
        drop(hook);
    }

    pub(crate) fn finish(&self) {
        *lock(&self.finished) = true;
        self.finished_signal.notify_all();
    }

    pub(crate) fn set_thread(&self, thread: JoinHandle<()>) {
        *lock(&self.thread) = Some(thread);
    }

    pub(crate) fn set_name(&self, name: &str) {
        name.clone_into(&mut lock(&self.name));
    }

    fn name(&self) -> String {
        lock(&self.name).clone()
    }
}

/// Talks to one running node; clones talk to the same one. The node goes on when all handles are dropped.
#[derive(Clone)]
pub struct NodeHandle {
    pub(crate) shared: Arc<Shared>,
}

impl fmt::Debug for NodeHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NodeHandle").field("name", &self.name()).finish_non_exhaustive()
    }
}

impl NodeHandle {
    /// `node.name`, as configured now.
    pub fn name(&self) -> String {
        self.shared.name()
    }

    /// Asks or orders; never blocks. `reply` is called on the node's thread, or at once with
    /// [`ErrorKind::Unavailable`] where the node is gone. [`Query::Reload`] goes to the hook that
    /// [`NodeHandle::set_reload`] installed.
    pub fn query(&self, query: Query, reply: Reply<Answer>) {
        if query == Query::Reload {
            self.reload(Box::new(move |view| reply(Answer::Reload(view))));
        } else {
            self.shared.push(Command::Query { query, reply });
        }
    }

    /// Has `subscriber` called at each event from now on, until it returns false or the node ends.
    pub fn subscribe(&self, subscriber: Subscriber) {
        self.shared.push(Command::Subscribe(subscriber));
    }

    /// Changes to another configuration, as far as it differs; never blocks. Nothing changes where a listener cannot
    /// be opened: the answer says why.
    pub fn reconfigure(&self, config: NodeConfig, reply: Reply<ReloadView>) {
        self.shared.push(Command::Reconfigure { config: Box::new(config), reply });
    }

    /// Says how this node's configuration is read again. Dropped when the node ends, so the hook may hold a handle.
    pub fn set_reload(&self, hook: ReloadHook) {
        *lock(&self.shared.reload) = Some(Arc::new(hook));
    }

    /// Reads the configuration again, by the hook; never blocks.
    pub fn reload(&self, reply: Reply<ReloadView>) {
        let Some(hook) = lock(&self.shared.reload).clone() else {
            reply(not_reloaded("this node was not started from a file that could be read again"));
            return;
        };
        let spawned = std::thread::Builder::new().name("reload".into()).spawn(move || hook(reply));
        if let Err(error) = spawned {
            // The reply went with the thread that could not be; whoever waits for it sees it dropped.
            tracing::error!("cannot start a thread to reload: {error}");
        }
    }

    /// Ends all sessions with Cease, removes our routes and stops the thread; returns at once.
    pub fn shutdown(&self) {
        self.shared.push(Command::Shutdown);
    }

    /// Waits until the node has ended.
    pub fn join(&self) {
        let thread = lock(&self.shared.thread).take();
        if let Some(thread) = thread {
            if thread.join().is_err() {
                tracing::error!("node {} has panicked", self.name());
            }
            return;
        }
        let mut finished = lock(&self.shared.finished);
        while !*finished {
            finished = self.shared.finished_signal.wait(finished).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Whether the node has ended.
    pub fn is_finished(&self) -> bool {
        *lock(&self.shared.finished)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    fn handle() -> (mio::Poll, NodeHandle) {
        let poll = mio::Poll::new().unwrap();
        let waker = Waker::new(poll.registry(), mio::Token(0)).unwrap();
        (poll, NodeHandle { shared: Shared::new("r1".into(), waker) })
    }

    fn ask(handle: &NodeHandle, query: Query) -> mpsc::Receiver<Answer> {
        let (tx, rx) = mpsc::channel();
        handle.query(query, Box::new(move |answer| drop(tx.send(answer))));
        rx
    }

    fn is_unavailable(answer: &Answer) -> bool {
        matches!(answer, Answer::Error(e) if e.kind == ErrorKind::Unavailable)
    }

    #[test]
    fn a_stopped_node_refuses_what_waits_and_what_comes() {
        let (_poll, handle) = handle();
        let waiting = ask(&handle, Query::Node);
        assert!(waiting.try_recv().is_err());
        handle.shared.close();
        assert!(is_unavailable(&waiting.try_recv().unwrap()));
        assert!(is_unavailable(&ask(&handle, Query::Node).try_recv().unwrap()));
    }

    #[test]
    fn questions_have_a_limit_and_shutdown_has_none() {
        let (_poll, handle) = handle();
        let all: Vec<_> = (0..=MAX_COMMANDS).map(|_| ask(&handle, Query::Node)).collect();
        assert!(is_unavailable(&all[MAX_COMMANDS].try_recv().unwrap()));
        handle.shutdown();
        let last = std::iter::from_fn(|| handle.shared.take()).last();
        assert!(matches!(last, Some(Command::Shutdown)));
    }

    #[test]
    fn reload_goes_to_the_hook() {
        let (_poll, handle) = handle();
        assert!(matches!(ask(&handle, Query::Reload).recv(), Ok(Answer::Reload(v)) if !v.applied));
        handle.set_reload(Box::new(|reply| {
            reply(ReloadView { applied: true, changes: vec![], reset: vec![], problems: None });
        }));
        assert!(matches!(ask(&handle, Query::Reload).recv(), Ok(Answer::Reload(v)) if v.applied));
    }
}
