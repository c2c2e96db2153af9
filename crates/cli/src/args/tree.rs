//! Spanning tree on the command line.

use clap::{Args, Subcommand};

/// What of spanning tree to show.
#[derive(Debug, Clone, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct TreeOptions {
    /// Only this bridge.
    #[arg(value_name = "BRIDGE")]
    pub(crate) bridge: Option<String>,

    #[command(subcommand)]
    pub(crate) part: Option<TreePart>,
}

/// A part of it.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub(crate) enum TreePart {
    /// All about a port: variables, machines, timers, counters.
    Port {
        /// Which.
        #[arg(value_name = "PORT")]
        port: String,

        /// Say why it has its role: which component of which priority vector decided.
        #[arg(long)]
        why: bool,
    },

    /// The last changes of the topology, and who told of them.
    History,
}

/// Which tree to draw, and how.
#[derive(Debug, Clone, Args)]
pub(crate) struct TopologyOptions {
    /// Only this bridge.
    #[arg(value_name = "BRIDGE")]
    pub(crate) bridge: Option<String>,

    #[command(flatten)]
    pub(crate) drawing: Drawing,
}

/// The form of a drawing. Default: lines of text.
#[derive(Debug, Clone, Copy, Default, Args)]
#[group(multiple = false)]
pub(crate) struct Drawing {
    /// As a graph for Graphviz.
    #[arg(long)]
    pub(crate) dot: bool,

    /// As an SVG picture.
    #[arg(long)]
    pub(crate) svg: bool,

    /// As a Mermaid diagram.
    #[arg(long)]
    pub(crate) mermaid: bool,
}

/// What to do with a port.
#[derive(Debug, Clone, Copy, Subcommand)]
pub(crate) enum TreeAction {
    /// Find out again whether the neighbor speaks RSTP (IEEE 802.1D-2004 §17.19.13, mcheck).
    Mcheck,

    /// Bring the port back that BPDU guard has shut.
    Recover,
}
