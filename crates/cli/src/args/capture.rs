//! `decode` and `explain`.

use super::destination;
use clap::{Args, Subcommand, ValueEnum};
use std::net::IpAddr;
use std::path::PathBuf;
use trunkline_core::Prefix;

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
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct ExplainOptions {
    #[command(subcommand)]
    pub(crate) live: Option<Live>,

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

/// What the running node explains.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum Live {
    /// A route: who sent it, what import did, why it won or lost, whether it is installed, who is told.
    Route {
        /// The prefix, or an address that it covers.
        #[arg(value_name = "PREFIX", value_parser = destination)]
        prefix: Prefix,

        /// Only what this BGP neighbor sent of it.
        #[arg(long, value_name = "ADDR")]
        from: Option<IpAddr>,

        /// Only what this BGP neighbor is sent of it.
        #[arg(long, value_name = "ADDR")]
        to: Option<IpAddr>,
    },

    /// A BGP neighbor: why its session is not up, or what is wrong with it. Exit status 3 where something is.
    Bgp {
        /// The neighbor.
        #[arg(value_name = "ADDR")]
        neighbor: IpAddr,

        /// Send it a few packets to know more: UDP to a high port, and where no connection is tried by BGP itself, one TCP
        /// connection that is closed without a word; where it closes our connections before its OPEN, one such from each address of
        /// this node, up to eight. No connection is made where the session is up when the probe begins.
        #[arg(long)]
        probe: bool,
    },

    /// A port of a bridge: why it has its role, as `show spanning-tree port PORT --why`.
    Port {
        /// The port.
        #[arg(value_name = "PORT")]
        port: String,

        /// The bridge, where several have such a port.
        #[arg(long, value_name = "BRIDGE")]
        bridge: Option<String>,
    },
}

/// How a ladder is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LadderFormat {
    /// As a drawing for browsers.
    Svg,
}
