//! `trunkline run` and `trunkline check`.

use crate::Failure;
use crate::source::{Source, SourceError};
use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;
use tracing_subscriber::EnvFilter;
use trunkline_api::{Backend, Endpoint, Listeners, Server};
use trunkline_linux::{NodeHandle, Options, Signal};
use trunkline_node::config::NodeConfig;
use trunkline_view::ReloadView;

/// How often to look whether a node has ended by itself.
const WATCHDOG: Duration = Duration::from_secs(1);

/// A configuration that is to run.
struct Plan {
    source: Source,
    config: NodeConfig,
}

/// `trunkline check`.
pub(crate) fn check(files: &[PathBuf], out: &mut impl Write) -> Result<(), Failure> {
    let color = color_on_stderr();
    let mut failed = false;
    for file in files {
        match (Source::File(file.clone())).read() {
            Ok(parsed) => {
                eprint!("{}", parsed.warnings.render(color));
                writeln!(out, "{}: ok", file.display())?;
            }
            Err(error) => {
                failed = true;
                eprint!("{}", error.render(color));
            }
        }
    }
    if failed { Err(Failure::Said) } else { Ok(()) }
}

/// `trunkline run`: returns when a signal said so and all has ended.
pub(crate) fn run(files: &[PathBuf], log: Option<&str>) -> Result<(), Failure> {
    start_logging(log)?;
    // Threads, and tables that grow, touch a little of many huge pages: more memory than the tables themselves need.
    if let Err(error) = rustix::thread::disable_transparent_huge_pages(true) {
        tracing::debug!("cannot turn off huge pages: {error}");
    }
    trunkline_linux::give_back_memory();
    let plans = plan(files)?;
    let quick_start = files.is_empty();

    // Before the nodes: a daemon that runs already must notice nothing of a second one.
    let mut sockets = Vec::with_capacity(plans.len());
    for Plan { config, .. } in &plans {
        let (name, socket) = (config.name.clone(), config.api.socket.clone());
        let endpoint = Endpoint { name, socket, listen: config.api.listen.clone() };
        sockets.push(Listeners::bind(&endpoint).map_err(|e| at_node(&config.name, &e))?);
    }
    let signals = watch_signals()?;
    let banner = quick_start.then(|| banner(&plans));
    let nodes = spawn_all(plans)?;
    // All sockets are open. This thread and the API's need no power over the network.
    if let Err(error) = trunkline_linux::keep_files() {
        tracing::warn!("cannot give up privileges: {error}");
    }
    let backends = nodes.handles.iter().map(backend);
    let server = Server::start(sockets.into_iter().zip(backends).collect())
        .map_err(|e| Failure::Message(format!("cannot start the API: {e}")))?;
    if let Some(banner) = banner {
        eprint!("{banner}");
    }
    let outcome = supervise(&nodes, &signals.receiver);
    // First the nodes, which say Cease to their peers; the API goes on so that `show` has an answer meanwhile.
    drop(nodes);
    drop(server);
    outcome
}

fn start_logging(log: Option<&str>) -> Result<(), Failure> {
    let from_environment = std::env::var(EnvFilter::DEFAULT_ENV).ok().filter(|v| !v.is_empty());
    let filter = log.or(from_environment.as_deref()).unwrap_or("info");
    let filter = EnvFilter::try_new(filter).map_err(|e| {
        Failure::Message(format!("log filter {filter:?}: {e}; try info, or info,trunkline_bgp=debug"))
    })?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(color_on_stderr())
        .init();
    Ok(())
}

fn color_on_stderr() -> bool {
    io::stderr().is_terminal() && crate::show::color_wanted()
}

/// Reads all files; says all that is wrong with any of them.
fn plan(files: &[PathBuf]) -> Result<Vec<Plan>, Failure> {
    let color = color_on_stderr();
    let mut plans = Vec::new();
    let mut problems = String::new();
    for source in Source::all(files) {
        match source.read() {
            Ok(parsed) => {
                eprint!("{}", parsed.warnings.render(color));
                plans.push(Plan { source, config: parsed.config });
            }
            Err(error) => problems.push_str(&error.render(color)),
        }
    }
    problems.push_str(&clashes(&plans));
    if problems.is_empty() {
        return Ok(plans);
    }
    eprint!("{problems}");
    Err(Failure::Said)
}

/// What two nodes of one process cannot share; empty where all is well.
fn clashes(plans: &[Plan]) -> String {
    let mut names = BTreeMap::new();
    let mut sockets = BTreeMap::new();
    for Plan { config, .. } in plans {
        *names.entry(&config.name).or_insert(0) += 1;
        *sockets.entry(&config.api.socket).or_insert(0) += 1;
    }
    let mut text = String::new();
    for (name, _) in names.into_iter().filter(|(_, count)| *count > 1) {
        text.push_str(&format!("several files describe a node named {name}: set node.name in each\n"));
    }
    if text.is_empty() {
        for (socket, _) in sockets.into_iter().filter(|(_, count)| *count > 1) {
            text.push_str(&format!(
                "several files have the api.socket {}: give each its own\n",
                socket.display()
            ));
        }
    }
    text
}

fn at_node(name: &str, error: &impl std::fmt::Display) -> Failure {
    Failure::Message(format!("node {name}: {error}"))
}

/// Running nodes; dropping them ends them cleanly and waits until they have ended.
struct Nodes {
    handles: Vec<NodeHandle>,
}

impl Drop for Nodes {
    fn drop(&mut self) {
        self.handles.iter().for_each(NodeHandle::shutdown);
        self.handles.iter().for_each(NodeHandle::join);
    }
}

fn spawn_all(plans: Vec<Plan>) -> Result<Nodes, Failure> {
    let mut nodes = Nodes { handles: Vec::with_capacity(plans.len()) };
    for Plan { source, config } in plans {
        let name = config.name.clone();
        let options = Options {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            config_files: source.path().map(|p| p.display().to_string()).into_iter().collect(),
            ..Options::default()
        };
        let reload = Reload { source, running: config.clone() };
        let handle = trunkline_linux::spawn(config, options).map_err(|e| at_node(&name, &e))?;
        if reload.source.path().is_some() {
            let node = handle.clone();
            handle.set_reload(Box::new(move |reply| reload.again(&node, reply)));
        }
        nodes.handles.push(handle);
    }
    Ok(nodes)
}

/// How a node's file is read again.
struct Reload {
    source: Source,
    /// What the node was started with.
    running: NodeConfig,
}

impl Reload {
    fn again(&self, node: &NodeHandle, reply: trunkline_linux::Reply<ReloadView>) {
        match self.source.read() {
            Ok(parsed) => {
                let mut notes: Vec<String> = parsed.warnings.to_string().lines().map(str::to_owned).collect();
                if parsed.config.api != self.running.api {
                    notes.push("[api] differs: that needs a restart".to_owned());
                }
                let with_notes = move |mut view: ReloadView| {
                    view.changes.extend(notes);
                    reply(view);
                };
                node.reconfigure(parsed.config, Box::new(with_notes));
            }
            Err(error) => reply(refused(&error)),
        }
    }
}

fn refused(error: &SourceError) -> ReloadView {
    let problems = Some(error.render(false));
    ReloadView { applied: false, changes: Vec::new(), reset: Vec::new(), problems }
}

fn backend(handle: &NodeHandle) -> Backend {
    let (asked, watched) = (handle.clone(), handle.clone());
    Backend {
        query: Arc::new(move |query, reply| asked.query(query, reply)),
        subscribe: Arc::new(move |watcher| watched.subscribe(watcher)),
    }
}

struct Signals {
    receiver: mpsc::Receiver<Signal>,
    _guard: trunkline_linux::SignalGuard,
}

fn watch_signals() -> Result<Signals, Failure> {
    let (sender, receiver) = mpsc::channel();
    let mut stopping = false;
    let guard = trunkline_linux::signals(move |signal| {
        if signal == Signal::Shutdown && std::mem::replace(&mut stopping, true) {
            tracing::warn!("told twice to stop: not waiting for the sessions to end");
            std::process::exit(1);
        }
        // Where nobody receives any more, the process is about to end.
        let _ = sender.send(signal);
    });
    let guard = guard.map_err(|e| Failure::Message(format!("cannot watch signals: {e}")))?;
    Ok(Signals { receiver, _guard: guard })
}

/// Until a signal says stop, or a node ends by itself.
fn supervise(nodes: &Nodes, signals: &mpsc::Receiver<Signal>) -> Result<(), Failure> {
    loop {
        match signals.recv_timeout(WATCHDOG) {
            Ok(Signal::Reload) => nodes.handles.iter().for_each(reload_and_log),
            Ok(Signal::Shutdown) => {
                tracing::info!("stopping");
                return Ok(());
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                return Err(Failure::Message("signals are not delivered any more".to_owned()));
            }
        }
        if let Some(ended) = nodes.handles.iter().find(|h| h.is_finished()) {
            return Err(Failure::Message(format!("node {} has ended by itself: see the log", ended.name())));
        }
    }
}

/// A reload that succeeds is an event, which the node logs itself.
fn reload_and_log(handle: &NodeHandle) {
    let name = handle.name();
    handle.reload(Box::new(move |view| {
        if let Some(problems) = view.problems.filter(|_| !view.applied) {
            tracing::error!("node {name} was not reloaded and goes on as before:\n{}", problems.trim_end());
        }
    }));
}

/// What the quick start says.
fn banner(plans: &[Plan]) -> String {
    let command = std::env::args().next().filter(|c| c.contains('/')).unwrap_or("trunkline".to_owned());
    let mut text = format!(
        "Trunkline {}, quick start: no file was named, so two BGP routers run here and peer with each other.\n\n",
        env!("CARGO_PKG_VERSION")
    );
    for Plan { config, .. } in plans {
        let asn = config.bgp.as_ref().map(|b| b.asn.to_string()).unwrap_or_default();
        let listen = config.bgp_listen.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        text.push_str(&format!(
            "  {}   AS {asn}   {listen}   socket {}\n",
            config.name,
            config.api.socket.display()
        ));
    }
    text.push_str(&format!(
        "\nTry in another terminal:\n\n  \
         {command} show bgp summary\n  \
         {command} show bgp routes\n  \
         {command} show bgp neighbors\n  \
         {command} --node r2 watch\n  \
         {command} bgp 127.0.0.2 shutdown --message \"back at noon\"\n  \
         {command} bgp 127.0.0.2 start\n\n\
         Ctrl-C ends both.\n\n"
    ));
    text
}
