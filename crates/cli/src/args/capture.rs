//! `decode`.

use clap::Args;
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
