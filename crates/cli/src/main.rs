//! The `trunkline` command: runs nodes, and asks and orders nodes that run.
//!
//! | part | module |
//! |---|---|
//! | what can be written on the command line | `args` |
//! | `run`, `check`, reloading | `run`, `source` |
//! | which node is meant | `client` |
//! | the commands that talk to a node | `command` |
//! | `lab` | `lab` |
//! | captures | `decode`, `explain` |
//! | what people see | `show` |
//! | drawings of spanning trees | `topology` |

mod args;
mod client;
mod command;
mod decode;
mod explain;
mod lab;
mod relay;
mod run;
mod show;
mod source;
mod topology;

use args::{Cli, Command};
use clap::{CommandFactory, Parser};
use std::io::{self, Write};
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The exit status where something is wrong in a capture.
const FOUND: u8 = 3;

/// Why the command failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// To be said on stderr.
    Message(String),
    /// All is said already.
    Said,
    /// A capture was read, and something is wrong in it.
    Found,
    /// Writing to stdout failed.
    Output(io::Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        Failure::Output(error)
    }
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let mut out = io::stdout().lock();
    let done = dispatch(cli, &mut out).and_then(|()| out.flush().map_err(Failure::Output));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever reads has seen enough, as in `trunkline show bgp routes | head`.
        Err(Failure::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(Failure::Output(error)) => {
            eprintln!("trunkline: cannot write: {error}");
            ExitCode::FAILURE
        }
        Err(Failure::Message(message)) => {
            eprintln!("trunkline: {message}");
            ExitCode::FAILURE
        }
        Err(Failure::Said) => ExitCode::FAILURE,
        Err(Failure::Found) => ExitCode::from(FOUND),
    }
}

fn dispatch(cli: Cli, out: &mut impl Write) -> Result<(), Failure> {
    match cli.command {
        Command::Run { files, log } => run::run(&files, log.as_deref()),
        Command::Check { files } => run::check(&files, out),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "trunkline", &mut script);
            Ok(out.write_all(&script)?)
        }
        Command::Man { dir: None } => Ok(clap_mangen::Man::new(Cli::command()).render(out)?),
        Command::Man { dir: Some(dir) } => clap_mangen::generate_to(Cli::command(), &dir)
            .map_err(|e| Failure::Message(format!("cannot write to {}: {e}", dir.display()))),
        Command::Relay(options) => relay::run(&options),
        Command::Decode(options) => decode::decode(&options, cli.json, out),
        Command::Explain(options) if options.live.is_none() => explain::explain(&options, cli.json, out),
        Command::Lab(lab) => lab::execute(lab, cli.json, out),
        command => {
            let client = client::find(&cli.node)?;
            let style = show::Style::of_stdout();
            command::execute(command, &client, cli.json, style, out)
        }
    }
}
