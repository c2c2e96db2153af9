//! The command line.

mod capture;
mod lab;
mod probe;
mod relay;
mod rip;
mod tree;

pub(crate) use capture::{DecodeOptions, ExplainOptions, LadderFormat, Live};
pub(crate) use lab::{Lab, LabFile, LabRun, PairsShown, ShowOf, WhatIf, time};
pub(crate) use probe::{PingOptions, TracerouteOptions, TransferOptions};
pub(crate) use relay::RelayOptions;
pub(crate) use rip::{RipOptions, RipPart};
pub(crate) use tree::{Drawing, TopologyOptions, TreeAction, TreeOptions, TreePart};

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use std::net::IpAddr;
use std::path::PathBuf;
use trunkline_core::Prefix;
use trunkline_view::bgp::RoutesQuery;

/// Run, rehearse, inspect and control networks.
///
/// `trunkline run` starts routers, hosts and switches; `trunkline lab` runs whole networks of them in virtual time; every
/// other command talks to a node that runs on this machine, through its Unix socket. Commands may be shortened as long as they stay clear: `trunkline sh bgp sum`.
#[derive(Debug, Parser)]
#[command(name = "trunkline", version, infer_subcommands = true, after_help = EXAMPLES)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) node: NodeChoice,

    /// Print JSON with stable names, for programs.
    #[arg(long, global = true)]
    pub(crate) json: bool,

    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXAMPLES: &str = "\
Examples:
  trunkline run                           two routers that peer with each other, to try things out
  trunkline run r1.toml                   the router that r1.toml describes
  trunkline show bgp summary              its neighbors, one line each
  trunkline show bgp routes 203.0.113.9   the routes to an address, and why the best is the best
  trunkline --node r2 watch               what happens on r2, as it happens
  trunkline lab list                      labs that are built in
  trunkline lab run proxy-arp             one of them, in virtual time, with all that must come of it";

/// Which node to talk to. Default: the only one that runs on this machine; of several the first by name.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct NodeChoice {
    /// Talk to the node that serves this Unix socket (`api.socket` of its configuration).
    #[arg(long, global = true, value_name = "PATH")]
    pub(crate) socket: Option<PathBuf>,

    /// Talk to the node of this name, whose socket is in the default directory.
    #[arg(long, global = true, value_name = "NAME", conflicts_with = "socket")]
    pub(crate) node: Option<String>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run routers until SIGINT or SIGTERM.
    ///
    /// Runs one node for each file, all in this process. Without a file it runs the quick start: two nodes that peer
    /// over 127.0.0.1 and 127.0.0.2, need no root and leave the kernel's routes alone.
    ///
    /// SIGHUP reads all files again and applies what differs, like `trunkline reload`. SIGTERM and SIGINT (Ctrl-C)
    /// end all sessions with a Cease and remove the routes that were installed; a second one stops at once.
    Run {
        /// Configuration files (TOML), one for each node.
        #[arg(value_name = "FILE")]
        files: Vec<PathBuf>,

        /// What to log to stderr: error, warn, info, debug or trace, or a filter as in
        /// "info,trunkline_bgp=debug". Default: $RUST_LOG, else info.
        #[arg(long, value_name = "FILTER")]
        log: Option<String>,
    },

    /// Check configuration files, without running them.
    ///
    /// Prints every problem of every file, with its place and a hint. The exit status is 1 where a file cannot be
    /// used; warnings alone do not count.
    Check {
        /// Configuration files (TOML).
        #[arg(value_name = "FILE", required = true)]
        files: Vec<PathBuf>,
    },

    /// Have a node read its configuration file again.
    ///
    /// Only what differs is applied, and only the sessions are reset whose change needs it; both are printed. Where
    /// the file is not valid, its problems are printed, the exit status is 1 and the node goes on as before.
    Reload,

    /// Show the state of a node.
    #[command(subcommand, infer_subcommands = true)]
    Show(Show),

    /// End sessions, refresh or forget routes.
    #[command(subcommand, infer_subcommands = true)]
    Clear(Clear),

    /// Take a BGP neighbor down, or let it come up again.
    Bgp {
        /// The neighbor.
        #[arg(value_name = "ADDR")]
        address: IpAddr,

        #[command(subcommand)]
        action: BgpAction,
    },

    /// Order something of a port's spanning tree.
    SpanningTree {
        /// The bridge.
        #[arg(value_name = "BRIDGE")]
        bridge: String,

        /// Its port.
        #[arg(value_name = "PORT")]
        port: String,

        #[command(subcommand)]
        action: TreeAction,
    },

    /// Send echo requests from a node.
    ///
    /// For nodes that have interfaces of their own. One line for each answer; the exit status is 1 where none came.
    Ping(PingOptions),

    /// Find the routers on the way from a node to an address.
    ///
    /// For nodes that have interfaces of their own.
    Traceroute(TracerouteOptions),

    /// Connect by a node's own TCP, send octets, end the stream and read what comes back.
    ///
    /// For nodes that have interfaces of their own. Says how fast that was, and whether what came back is what was sent, as
    /// from an echo service; the exit status is 1 where the connection failed.
    Transfer(TransferOptions),

    /// Carry frames between two interfaces over a wire that is as bad as you like, until SIGINT or SIGTERM.
    ///
    /// Needs root or CAP_NET_RAW. Frames are lost, delayed, doubled and damaged as on a link of the lab. The kernel should
    /// have no address on either interface.
    Relay(RelayOptions),

    /// Run networks in virtual time.
    #[command(subcommand, infer_subcommands = true)]
    Lab(Lab),

    /// Print the frames of a capture, one line each.
    ///
    /// Reads pcap and pcapng of Ethernet, IP, loopback and Linux cooked interfaces, also while they are written:
    /// `tcpdump -U -w - | trunkline decode -`. A line has the frame's number, the seconds since the first frame, and what it
    /// says; a BGP message stands at the frame that completes it. What is malformed is named with its place and never ends
    /// the reading. With --json each line is a JSON object.
    Decode(DecodeOptions),

    /// Say what went wrong in a capture, and why: of anybody's routers.
    ///
    /// Follows both ends of each BGP conversation, ARP, ICMP, RIP and spanning tree, and prints what is wrong with each, the
    /// worst first: the evidence with its frames, what the wire does not exclude, what to try next, and the frames that
    /// matter. The exit status is 0 where nothing is wrong, 3 where something is, 1 where the capture cannot be read.
    Explain(ExplainOptions),

    /// Follow what happens on a node, until interrupted.
    ///
    /// One line for each event: session state changes, best routes, RIP, interfaces, reloads. The time is that since the
    /// node started. With --json each line is a JSON object.
    Watch,

    /// Print the script that lets a shell complete commands.
    ///
    /// For bash: `trunkline completions bash > ~/.local/share/bash-completion/completions/trunkline`.
    Completions {
        /// The shell.
        shell: Shell,
    },

    /// Print the manual page.
    ///
    /// To read it: `trunkline man | man -l -`.
    Man {
        /// Write the pages of all commands into this directory instead.
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
    },
}

/// What to show.
#[derive(Debug, Subcommand)]
pub(crate) enum Show {
    /// BGP: neighbors and routes.
    #[command(subcommand, infer_subcommands = true)]
    Bgp(ShowBgp),

    /// The routing table: the routes of all sources, and which are in the kernel.
    Routes {
        /// Only this prefix, or the route that covers this address.
        #[arg(value_name = "PREFIX", value_parser = destination)]
        prefix: Option<Prefix>,

        #[command(flatten)]
        paging: Paging,
    },

    /// Interfaces and their addresses.
    Interfaces,

    /// The node itself: name, version, router id, uptime.
    Node,

    /// Neighbors by ARP: addresses, MAC addresses, states.
    Arp {
        /// Only those at this interface.
        #[arg(value_name = "INTERFACE")]
        interface: Option<String>,
    },

    /// What bridges know: MAC addresses and ports.
    Mac {
        /// Only this bridge.
        #[arg(value_name = "BRIDGE")]
        bridge: Option<String>,
    },

    /// Spanning tree: the root, this bridge, the ports' roles and states.
    ///
    /// `show spanning-tree port PORT` shows all about a port, with --why also why it has its role; `show spanning-tree
    /// history` the last changes of the topology.
    SpanningTree(TreeOptions),

    /// The spanning tree as a bridge can know it: itself, the bridges behind its ports, the root.
    ///
    /// What lies behind a designated port a bridge does not know. `trunkline lab topology` draws a whole lab.
    Topology(TopologyOptions),

    /// RIP: timers, interfaces and what was seen there.
    ///
    /// `show rip neighbors` shows the routers that are heard, `show rip routes [PREFIX]` the routes with their timers.
    Rip(RipOptions),

    /// TCP connections and listeners.
    Tcp,

    /// IP, ARP and bridges by number: statistics, redirects, path MTUs.
    Ip,
}

/// What of BGP to show.
#[derive(Debug, Subcommand)]
pub(crate) enum ShowBgp {
    /// One line for each neighbor.
    Summary,

    /// All about the neighbors: timers, capabilities, counters, errors.
    Neighbors {
        /// Only this neighbor.
        #[arg(value_name = "ADDR")]
        address: Option<IpAddr>,
    },

    /// The BGP routes.
    ///
    /// Without options these are all paths of all neighbors, the best first. With a prefix or an address, all
    /// attributes of each path are shown, and why it is not the best.
    Routes(BgpRoutes),
}

/// Which BGP routes to show.
#[derive(Debug, Default, Args)]
pub(crate) struct BgpRoutes {
    /// Only this prefix, or the longest one that covers this address.
    #[arg(value_name = "PREFIX", value_parser = destination)]
    pub(crate) prefix: Option<Prefix>,

    /// What this neighbor sent, before import policy (Adj-RIB-In).
    #[arg(long, value_name = "ADDR", conflicts_with = "advertised")]
    pub(crate) received: Option<IpAddr>,

    /// What is sent to this neighbor, after export policy (Adj-RIB-Out).
    #[arg(long, value_name = "ADDR")]
    pub(crate) advertised: Option<IpAddr>,

    /// Only this family.
    #[arg(long, value_name = "FAMILY", value_parser = ["ipv4-unicast", "ipv6-unicast"])]
    pub(crate) family: Option<String>,

    #[command(flatten)]
    pub(crate) paging: Paging,
}

impl BgpRoutes {
    /// The query of a page.
    pub(crate) fn query(&self, cursor: u64, limit: u32) -> RoutesQuery {
        RoutesQuery {
            family: self.family.clone(),
            prefix: self.prefix,
            received: self.received,
            advertised: self.advertised,
            cursor,
            limit,
        }
    }
}

/// How much of a large table to show.
#[derive(Debug, Clone, Args)]
pub(crate) struct Paging {
    /// Show at most so many.
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) limit: u64,

    /// Show all. With --json this prints one object for each page of the table, each on a line of its own.
    #[arg(long, conflicts_with = "limit")]
    pub(crate) all: bool,
}

impl Default for Paging {
    fn default() -> Paging {
        Paging { limit: 1000, all: false }
    }
}

/// What to clear.
#[derive(Debug, Subcommand)]
pub(crate) enum Clear {
    /// End the session with a BGP neighbor (Cease/Administrative Reset); it comes up again by itself.
    Bgp {
        /// The neighbor, or `all`.
        #[arg(value_name = "ADDR|all", value_parser = neighbor_or_all)]
        target: Target,

        /// Keep the session: ask for the neighbor's routes again, where it knows ROUTE-REFRESH, run the policies
        /// again, and send ours again.
        #[arg(long)]
        soft: bool,
    },

    /// Forget what RIP has learned, and ask the neighbors for it again.
    Rip {
        /// Only the route to this prefix.
        #[arg(value_name = "PREFIX")]
        prefix: Option<Prefix>,
    },
}

/// One neighbour or all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    /// All.
    All,
    /// One.
    One(IpAddr),
}

/// What to do with a neighbour.
#[derive(Debug, Subcommand)]
pub(crate) enum BgpAction {
    /// End the session (Cease/Administrative Shutdown) and keep it down until `start` or the node's restart.
    Shutdown {
        /// Tell the neighbor why (RFC 9003), at most 255 octets.
        #[arg(long, value_name = "TEXT", value_parser = shutdown_message)]
        message: Option<String>,
    },

    /// Let it come up again.
    Start,
}

fn destination(text: &str) -> Result<Prefix, String> {
    match text.parse::<IpAddr>() {
        Ok(address) => Ok(Prefix::host(address)),
        Err(_) => text.parse::<Prefix>().map_err(|e| e.to_string()),
    }
}

fn neighbor_or_all(text: &str) -> Result<Target, String> {
    match text {
        "all" => Ok(Target::All),
        _ => text.parse().map(Target::One).map_err(|_| "expected a neighbor's address, or `all`".to_owned()),
    }
}

fn shutdown_message(text: &str) -> Result<String, String> {
    match text.len() {
        0..=255 => Ok(text.to_owned()),
        n => Err(format!("a shutdown message has at most 255 octets (RFC 9003), this one {n}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn parse(line: &str) -> Result<Cli, String> {
        Cli::try_parse_from(line.split(' ')).map_err(|e| e.to_string())
    }

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn commands_parse() {
        let lines = [
            "trunkline run",
            "trunkline run a.toml b.toml --log debug",
            "trunkline check a.toml",
            "trunkline reload --socket /tmp/r1.sock",
            "trunkline show bgp summary --json",
            "trunkline sh bgp sum",
            "trunkline show bgp neighbors",
            "trunkline show bgp neighbors ::1",
            "trunkline show bgp routes",
            "trunkline show bgp routes 203.0.113.0/24 --received 127.0.0.2",
            "trunkline show bgp routes --advertised 127.0.0.2 --family ipv6-unicast --all",
            "trunkline show routes 10.1.2.3 --limit 5",
            "trunkline --node r2 show interfaces",
            "trunkline show node",
            "trunkline clear bgp 127.0.0.2 --soft",
            "trunkline clear bgp all",
            "trunkline bgp 127.0.0.2 shutdown --message bye",
            "trunkline bgp 127.0.0.2 start",
            "trunkline watch --json",
            "trunkline show arp",
            "trunkline show arp eth0",
            "trunkline show mac br0",
            "trunkline show spanning-tree",
            "trunkline show spanning-tree br0 --json",
            "trunkline show spanning-tree port veth1 --why",
            "trunkline sh span history",
            "trunkline show topology br0 --svg",
            "trunkline spanning-tree br0 veth1 mcheck",
            "trunkline spanning-tree br0 veth1 recover",
            "trunkline lab topology arp --at 5s --mermaid",
            "trunkline lab show arp --at 5s a spanning-tree port eth0 --why",
            "trunkline show tcp",
            "trunkline show ip --json",
            "trunkline ping 192.0.2.1",
            "trunkline ping 192.0.2.1 -c 3 --interval 200ms --size 1472 --ttl 1 --source 192.0.2.9 --dont-fragment",
            "trunkline traceroute 192.0.2.1 --max-hops 5 --probes 1",
            "trunkline lab run labs/arp.toml --seed 7 --pcap /tmp/x --json --until 10s",
            "trunkline lab list",
            "trunkline lab show proxy-arp --at 10s host-b arp eth0",
            "trunkline lab show bgp-messages --at 10s r1 bgp summary",
            "trunkline lab repl arp",
            "trunkline lab fuzz arp --seeds 10",
            "trunkline lab whatif my.toml --fail 2 --for 30s --every 20ms --pairs all --rows 10 --seed 3 --json",
            "trunkline lab whatif my.toml --replay node --pcap captures",
            "trunkline decode capture.pcapng -v",
            "trunkline decode - --json",
            "trunkline explain capture.pcapng --peer 192.0.2.1",
            "trunkline explain - --ladder svg",
            "trunkline explain --list --json",
            "trunkline completions zsh",
            "trunkline man",
        ];
        for line in lines {
            parse(line).unwrap_or_else(|e| panic!("{line}: {e}"));
        }
    }

    #[test]
    fn slips_are_explained() {
        let cases = [
            ("trunkline show bgp routes 203.0.113.1/24", "the prefix is 203.0.113.0/24"),
            ("trunkline show bgp routes r1", "192.0.2.0/24"),
            ("trunkline show bgp routes --received ::1 --advertised ::1", "cannot be used with"),
            ("trunkline show bgp routes --limit 0", "0 is not in 1.."),
            ("trunkline show bgp routes --limit 5 --all", "cannot be used with"),
            ("trunkline show bgp routes --family ipv5", "ipv4-unicast"),
            ("trunkline clear bgp everything", "or `all`"),
            ("trunkline --node r1 --socket /x show node", "cannot be used with"),
            ("trunkline ping r1", "invalid IPv4 address"),
            ("trunkline ping 192.0.2.1 --ttl 0", "1..=255"),
            ("trunkline lab run arp --until 10", "10s"),
            ("trunkline lab run", "<FILE|NAME>"),
            ("trunkline lab show arp r1 arp", "--at"),
            ("trunkline lab fuzz arp --seeds 0", "1.."),
            ("trunkline show topology --svg --dot", "cannot be used with"),
            ("trunkline spanning-tree br0 veth1 check", "mcheck"),
            ("trunkline lab whatif arp --fail 3", "1..=2"),
            ("trunkline lab whatif arp --for 0s", "more than nothing"),
            ("trunkline lab whatif arp --pcap x", "--replay"),
            ("trunkline check", "<FILE>"),
            ("trunkline decode", "<FILE>"),
            ("trunkline decode x -v --json", "cannot be used with"),
            ("trunkline explain", "<FILE>"),
            ("trunkline explain x --ladder png", "svg"),
            ("trunkline shwo", "show"),
        ];
        for (line, words) in cases {
            let message = parse(line).unwrap_err();
            assert!(message.contains(words), "{line}: {message}");
        }
        let long = "x".repeat(256);
        assert!(
            parse(&format!("trunkline bgp ::1 shutdown --message {long}")).unwrap_err().contains("RFC 9003")
        );
    }

    #[test]
    fn an_address_stands_for_its_longest_match() {
        let prefix = destination("192.0.2.1").unwrap();
        assert_eq!(prefix.to_string(), "192.0.2.1/32");
    }
}
