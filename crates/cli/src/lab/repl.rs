//! `trunkline lab repl`: a lab by hand, a command on each line of stdin.

use super::{cannot, clock, show, source, timeline};
use crate::Failure;
use crate::args::{LabFile, PingOptions, ShowOf, TracerouteOptions, time};
use crate::show::Style;
use clap::Parser;
use std::collections::BTreeSet;
use std::io::{self, BufRead, IsTerminal, Write};
use std::time::Duration;
use trunkline_core::Instant;
use trunkline_lab::run::{Entry, Options, Run, Told};
use trunkline_lab::scenario::Action;
use trunkline_view::Query;

/// A line.
#[derive(Debug, Parser)]
#[command(no_binary_name = true, infer_subcommands = true, disable_version_flag = true, name = "")]
#[command(help_template = "{subcommands}", subcommand_help_heading = None)]
enum Line {
    /// To the next thing that happens, or so many of them.
    Step {
        /// How many.
        #[arg(default_value_t = 1)]
        count: u32,
    },
    /// Let so much time pass, as in `run 1.5s`.
    Run {
        /// How much.
        #[arg(value_parser = time)]
        duration: Duration,
    },
    /// To a point of time.
    Until {
        /// When.
        #[arg(value_parser = time)]
        at: Duration,
    },
    /// What a node shows: `show r1 arp`, `show r1 bgp summary`, `show r1 rip routes`.
    Show {
        #[command(flatten)]
        of: ShowOf,
    },
    /// Send echo requests: `ping r1 192.0.2.1`.
    Ping {
        /// From which node.
        node: String,
        /// How.
        #[command(flatten)]
        options: PingOptions,
    },
    /// Find the way: `traceroute r1 192.0.2.1`.
    Traceroute {
        /// From which node.
        node: String,
        /// How.
        #[command(flatten)]
        options: TracerouteOptions,
    },
    /// Cut a link.
    Cut {
        /// Which.
        link: String,
    },
    /// Make a link whole again.
    Restore {
        /// Which.
        link: String,
    },
    /// Crash a node.
    Crash {
        /// Which.
        node: String,
    },
    /// Start a node again.
    Restart {
        /// Which.
        node: String,
    },
    /// Show the frames of a link from now on.
    Capture {
        /// Which.
        link: String,
        /// No longer.
        #[arg(long)]
        off: bool,
    },
    /// Nodes and links.
    Topology,
    /// End.
    #[command(alias = "exit")]
    Quit,
}

/// Reads lines until there are no more.
pub(super) fn repl(
    lab: &LabFile,
    style: Style,
    input: impl BufRead,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let scenario = source::read(&lab.file)?;
    let title = scenario.title.clone();
    let options = Options { seed: lab.seed, frames: true, ..Options::default() };
    let mut screen = Screen { style, links: BTreeSet::new(), out, failed: None };
    let run = Run::new(scenario, &options, &mut |entry| screen.tell(entry)).map_err(cannot)?;
    let mut repl = Repl { run, screen };
    let prompts = std::io::stdin().is_terminal();
    if prompts {
        writeln!(repl.screen.out, "{title}\n`help` says what can be typed.")?;
    }
    let mut lines = input.lines();
    loop {
        repl.screen.check()?;
        if prompts {
            write!(repl.screen.out, "{}> ", clock(repl.run.lab().now()).trim_start())?;
        }
        repl.screen.out.flush()?;
        let Some(line) = lines.next() else { return Ok(()) };
        let line = line?;
        let words: Vec<&str> = line.split('#').next().unwrap_or_default().split_whitespace().collect();
        if words.is_empty() {
            continue;
        }
        match Line::try_parse_from(words) {
            Ok(Line::Quit) => return Ok(()),
            Ok(line) => repl.line(line)?,
            Err(error) => write!(repl.screen.out, "{error}")?,
        }
    }
}

/// What is shown.
struct Screen<'a, W> {
    style: Style,
    /// Links whose frames are shown.
    links: BTreeSet<String>,
    out: &'a mut W,
    /// Why writing failed.
    failed: Option<io::Error>,
}

impl<W: Write> Screen<'_, W> {
    fn tell(&mut self, entry: &Entry) {
        if matches!(&entry.told, Told::Frame { link, .. } if !self.links.contains(link)) {
            return;
        }
        let line = timeline::line(entry, self.style);
        if let Err(error) = self.out.write_all(line.as_bytes()) {
            self.failed = Some(error);
        }
    }

    fn check(&mut self) -> io::Result<()> {
        self.failed.take().map_or(Ok(()), Err)
    }
}

struct Repl<'a, W> {
    run: Run,
    screen: Screen<'a, W>,
}

impl<W: Write> Repl<'_, W> {
    fn line(&mut self, line: Line) -> Result<(), Failure> {
        let done = match line {
            Line::Step { count } => self.steps(count),
            Line::Run { duration } => self.until(self.run.lab().now() + duration),
            Line::Until { at } => self.until(Instant::ZERO + at),
            Line::Show { of } => match of.what() {
                Ok((what, json)) => {
                    show(&mut self.run, &of.node, what, json, self.screen.style, self.screen.out)
                }
                Err(error) => Ok(write!(self.screen.out, "{error}")?),
            },
            Line::Ping { node, options } => self.ask(&node, Query::Ping(options.query())),
            Line::Traceroute { node, options } => self.ask(&node, Query::Traceroute(options.query())),
            Line::Cut { link } => self.at_link(link, Action::Cut),
            Line::Restore { link } => self.at_link(link, Action::Restore),
            Line::Crash { node } => self.at_node(node, Action::Crash),
            Line::Restart { node } => self.at_node(node, Action::Restart),
            Line::Capture { link, off } => self.capture(link, off),
            Line::Topology => self.topology(),
            Line::Quit => Ok(()),
        };
        match done {
            // A slip is no reason to end.
            Err(Failure::Message(message)) => Ok(writeln!(self.screen.out, "{message}")?),
            other => other,
        }
    }

    fn steps(&mut self, count: u32) -> Result<(), Failure> {
        for _ in 0..count {
            let Some(next) = self.run.next() else {
                return Err(Failure::Message("nothing happens any more".to_owned()));
            };
            self.run.run_until(next, &mut |entry| self.screen.tell(entry));
        }
        self.now()
    }

    fn until(&mut self, until: Instant) -> Result<(), Failure> {
        if until < self.run.lab().now() {
            return Err(Failure::Message("that is past".to_owned()));
        }
        self.run.run_until(until, &mut |entry| self.screen.tell(entry));
        self.now()
    }

    fn now(&mut self) -> Result<(), Failure> {
        Ok(writeln!(self.screen.out, "{}  now", clock(self.run.lab().now()))?)
    }

    fn at_link(&mut self, link: String, make: fn(Vec<String>) -> Action) -> Result<(), Failure> {
        self.run.lab().link(&link).map_err(cannot)?;
        self.run.act(&make(vec![link]), &mut |entry| self.screen.tell(entry));
        Ok(())
    }

    fn at_node(&mut self, node: String, make: fn(Vec<String>) -> Action) -> Result<(), Failure> {
        self.run.lab().node(&node).map_err(cannot)?;
        self.run.act(&make(vec![node]), &mut |entry| self.screen.tell(entry));
        Ok(())
    }

    /// Asks, shows what happens until the answer is there, and then the answer.
    fn ask(&mut self, node: &str, query: Query) -> Result<(), Failure> {
        let answer = self.run.ask(node, query, &mut |entry| {
            if !matches!(entry.told, Told::Answer { .. }) {
                self.screen.tell(entry);
            }
        });
        let text = crate::show::human(&answer, self.screen.style);
        Ok(self.screen.out.write_all(text.as_bytes())?)
    }

    fn capture(&mut self, link: String, off: bool) -> Result<(), Failure> {
        self.run.lab().link(&link).map_err(cannot)?;
        if off {
            self.screen.links.remove(&link);
        } else {
            self.screen.links.insert(link);
        }
        Ok(())
    }

    fn topology(&mut self) -> Result<(), Failure> {
        let lab = self.run.lab();
        for (id, config) in lab.nodes() {
            let state = if lab.is_up(id) { "" } else { " (down)" };
            let kind = format!("{:?}", config.kind).to_lowercase();
            writeln!(self.screen.out, "node {} {kind}{state}", config.name)?;
        }
        for (id, config) in lab.links() {
            let state = if lab.is_cut(id) { " (cut)" } else { "" };
            writeln!(self.screen.out, "link {} delay {:?}{state}", config.name, config.delay)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_sound() {
        Line::command().debug_assert();
    }
}
