//! RIP on the command line.

use super::{Paging, destination};
use clap::{Args, Subcommand};
use trunkline_core::Prefix;
use trunkline_view::rip::RoutesQuery;

/// What of RIP to show.
#[derive(Debug, Args)]
#[command(infer_subcommands = true)]
pub(crate) struct RipOptions {
    #[command(subcommand)]
    pub(crate) part: Option<RipPart>,
}

/// A part of it.
#[derive(Debug, Subcommand)]
pub(crate) enum RipPart {
    /// The routers that are heard: when last, what they offer, what of it was ignored.
    Neighbors,

    /// The routes, each with its timers.
    ///
    /// With a prefix or an address all about one route is shown: its ways, and why it is not valid.
    Routes(RipRoutes),
}

/// Which RIP routes to show.
#[derive(Debug, Default, Args)]
pub(crate) struct RipRoutes {
    /// Only this prefix, or the longest one that covers this address.
    #[arg(value_name = "PREFIX", value_parser = destination)]
    pub(crate) prefix: Option<Prefix>,

    #[command(flatten)]
    pub(crate) paging: Paging,
}

impl RipRoutes {
    /// The query of a page.
    pub(crate) fn query(&self, cursor: u64, limit: u32) -> RoutesQuery {
        RoutesQuery { prefix: self.prefix, cursor, limit }
    }
}

#[cfg(test)]
mod tests {
    use crate::args::Cli;
    use clap::Parser;

    fn parse(line: &str) -> Result<Cli, String> {
        Cli::try_parse_from(line.split(' ')).map_err(|e| e.to_string())
    }

    #[test]
    fn commands_parse() {
        let lines = [
            "trunkline show rip",
            "trunkline sh rip nei --json",
            "trunkline show rip routes --all",
            "trunkline show rip routes 10.1.2.3 --limit 5",
            "trunkline clear rip",
            "trunkline clear rip 10.0.0.0/8",
            "trunkline lab show mine.toml --at 5s a rip routes 10.0.0.0/8 --json",
        ];
        for line in lines {
            parse(line).unwrap_or_else(|e| panic!("{line}: {e}"));
        }
    }

    #[test]
    fn slips_are_explained() {
        let cases = [
            ("trunkline clear rip 10.1.2.3", "192.0.2.0/24"),
            ("trunkline clear rip 10.1.2.3/8", "10.0.0.0/8"),
            ("trunkline show rip routes --limit 5 --all", "cannot be used with"),
            ("trunkline show rip 10.0.0.0/8", "unrecognized subcommand"),
        ];
        for (line, words) in cases {
            let message = parse(line).unwrap_err();
            assert!(message.contains(words), "{line}: {message}");
        }
    }
}
