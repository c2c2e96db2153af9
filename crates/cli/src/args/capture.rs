//! `decode` and `explain`.

use clap::{Args, ValueEnum};
use std::net::IpAddr;
use std::path::PathBuf;

/// `decode`.
#[derive(Debug, Clone, Args)]
pub(crate) struct DecodeOptions {
    /// The capture, pcap or pcapng; `-` for standard input.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,

    /// Every field by its standard's name, with its offset in the frame.
    #[arg(short, long, conflicts_with = "json")]
    pub(crate) verbose: bool,
}

/// `explain`.
#[derive(Debug, Clone, Args)]
pub(crate) struct ExplainOptions {
    /// The capture, pcap or pcapng; `-` for standard input.
    #[arg(value_name = "FILE", required_unless_present = "list")]
    pub(crate) file: Option<PathBuf>,

    /// Only what this address has to do with; also says so where it has no BGP at all.
    #[arg(long, value_name = "ADDR")]
    pub(crate) peer: Option<IpAddr>,

    /// Draw the worst conversation instead.
    #[arg(long, value_name = "FORMAT", conflicts_with = "json")]
    pub(crate) ladder: Option<LadderFormat>,

    /// Print what every rule says and rests on.
    #[arg(long, conflicts_with_all = ["file", "ladder", "peer"])]
    pub(crate) list: bool,
}

/// How a ladder is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LadderFormat {
    /// As a drawing for browsers.
    Svg,
}
