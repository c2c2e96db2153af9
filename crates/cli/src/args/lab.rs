//! `trunkline lab`.

use super::{Drawing, Show};
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;
use std::time::Duration;

/// What to do with a lab.
#[derive(Debug, Subcommand)]
pub(crate) enum Lab {
    /// Run a lab to its end, and say what happened and whether all that is expected came.
    ///
    /// Time is virtual: minutes pass in moments, and a seed gives the same run every time, on every machine. The exit
    /// status is 1 where an expectation fails.
    Run {
        #[command(flatten)]
        run: LabRun,

        /// Write what each link carried to DIR/LINK.pcapng, with a comment on frames that made a state change.
        #[arg(long, value_name = "DIR")]
        pcap: Option<PathBuf>,

        /// Show every frame too.
        #[arg(long)]
        frames: bool,
    },

    /// List the labs that are built in.
    List,

    /// Show the state of a node at a point of time: what `trunkline show` shows of a real one.
    Show {
        #[command(flatten)]
        lab: LabFile,

        /// When.
        #[arg(long, value_name = "TIME", value_parser = time)]
        at: Duration,

        #[command(flatten)]
        of: ShowOf,
    },

    /// Draw the bridges and links of a lab, with the roles that spanning tree gives to ports and the links that it blocks.
    Topology {
        #[command(flatten)]
        lab: LabFile,

        /// When. Default: at the end.
        #[arg(long, value_name = "TIME", value_parser = time)]
        at: Option<Duration>,

        #[command(flatten)]
        drawing: Drawing,
    },

    /// Step through a lab by hand: `help` says what can be typed.
    Repl(LabFile),

    /// Run a lab under random faults, with many seeds, and look whether it ends as without them.
    ///
    /// After the faults comes a time of quiet. Where a run goes wrong, its seed and the shortest list of faults that does
    /// the same are printed, and the exit status is 1.
    Fuzz {
        /// A file, or the name of a lab that is built in.
        #[arg(value_name = "FILE|NAME")]
        file: String,

        /// How many seeds to try.
        #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..))]
        seeds: u64,

        /// The first one.
        #[arg(long, value_name = "N", default_value_t = 1)]
        first: u64,
    },

    /// Let each link and each switch or router fail, and say what hosts lose by it: the worst first.
    ///
    /// Each failure has a run of its own, on all cores. When the network has come to rest, probes go between all nodes of
    /// kind = "host"; then it happens. The steps of the file are left out, but for `set` at 0s. The exit status is 1 where
    /// a pair of hosts does not come back though a way is left, or frames go round without end.
    #[command(name = "whatif")]
    WhatIf(WhatIf),
}

/// What to let fail and how to show what comes of it.
#[derive(Debug, Clone, Args)]
pub(crate) struct WhatIf {
    #[command(flatten)]
    pub(crate) lab: LabFile,

    /// How many things fail at the same moment: one after the other alone, or every two of them.
    #[arg(long, value_name = "1|2", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=2))]
    pub(crate) fail: u8,

    /// How long to watch the network after a failure.
    #[arg(long = "for", value_name = "TIME", default_value = "60s", value_parser = positive_time)]
    pub(crate) watch: Duration,

    /// Time between two probes of a pair, at least 1ms. Default: 10ms, or more where there are many pairs.
    #[arg(long, value_name = "TIME", value_parser = positive_time)]
    pub(crate) every: Option<Duration>,

    /// The longest to wait for the network to come to rest before a failure.
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = time)]
    pub(crate) patience: Duration,

    /// Which pairs of hosts to show for each failure.
    #[arg(long, value_enum, default_value_t = PairsShown::Worst)]
    pub(crate) pairs: PairsShown,

    /// How many failures to show.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rows: u32,

    /// Run this failure alone and tell what happens: "link NAME", "node NAME", or two with a comma.
    #[arg(long, value_name = "FAILURE")]
    pub(crate) replay: Option<String>,

    /// With --replay: write what each link carried to DIR/LINK.pcapng.
    #[arg(long, value_name = "DIR", requires = "replay")]
    pub(crate) pcap: Option<PathBuf>,
}

/// Which pairs of hosts are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum PairsShown {
    /// The one with the longest outage.
    Worst,
    /// All, as a matrix.
    All,
}

/// Which lab.
#[derive(Debug, Clone, Args)]
pub(crate) struct LabFile {
    /// A file, or the name of a lab that is built in.
    #[arg(value_name = "FILE|NAME")]
    pub(crate) file: String,

    /// The number that all chance comes from. Default: that of the file, else 1.
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
}

/// A node, and what it shall show.
///
/// The words after it are taken as they are: as subcommands they would be looked for before the names of labs and nodes,
/// and a node `a` would be taken for a short `arp`.
#[derive(Debug, Clone, Args)]
pub(crate) struct ShowOf {
    /// Which node.
    #[arg(value_name = "NODE")]
    pub(crate) node: String,

    /// What: `arp`, `bgp summary` and all else that `trunkline show` shows.
    #[arg(value_name = "WHAT", required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    what: Vec<String>,
}

/// The words of [`ShowOf`].
#[derive(Debug, Parser)]
#[command(name = "show", no_binary_name = true, infer_subcommands = true, disable_version_flag = true)]
struct What {
    /// Print JSON with stable names, for programs.
    #[arg(long, global = true)]
    json: bool,

    #[command(subcommand)]
    what: Show,
}

impl ShowOf {
    /// What to show, and whether as JSON.
    pub(crate) fn what(&self) -> Result<(Show, bool), clap::Error> {
        let What { json, what } = What::try_parse_from(&self.what)?;
        Ok((what, json))
    }
}

/// Which lab, and how far.
#[derive(Debug, Clone, Args)]
pub(crate) struct LabRun {
    #[command(flatten)]
    pub(crate) lab: LabFile,

    /// End at this time instead of the file's.
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) until: Option<Duration>,
}

/// As [`time`], but not nothing.
fn positive_time(text: &str) -> Result<Duration, String> {
    time(text)
        .and_then(|time| if time.is_zero() { Err("expected more than nothing".to_owned()) } else { Ok(time) })
}

/// A time with its unit, as labs write it.
pub(crate) fn time(text: &str) -> Result<Duration, String> {
    trunkline_lab::file::parse_time(text)
}
