//! What a capture shall show, and the check that it does.

use crate::stage::{Net, Side, Stage};
use std::path::Path;
use trunkline_interop::tshark;

/// How many frame numbers are listed for one thing that is seen.
const LISTED: usize = 6;

/// What to play and what must be seen.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) signature: u8,
    pub(crate) net: Net,
    pub(crate) at: Side,
    pub(crate) first: Option<u32>,
    pub(crate) how: &'static str,
    pub(crate) play: Box<dyn Fn(&mut Stage<'_>) + Send + Sync>,
    sees: Vec<(String, &'static str)>,
    never: Vec<(String, &'static str)>,
}

impl Scenario {
    /// On two hosts with one link between them, captured at the first.
    pub(crate) fn new(
        name: &'static str,
        signature: u8,
        how: &'static str,
        play: impl Fn(&mut Stage<'_>) + Send + Sync + 'static,
    ) -> Scenario {
        Scenario {
            name,
            signature,
            net: Net::Direct,
            at: Side::A,
            first: None,
            how,
            play: Box::new(play),
            sees: Vec::new(),
            never: Vec::new(),
        }
    }

    /// In another network.
    pub(crate) fn on(mut self, net: Net) -> Scenario {
        self.net = net;
        self
    }

    /// Captured on that side.
    pub(crate) fn at(mut self, side: Side) -> Scenario {
        self.at = side;
        self
    }

    /// Keeps so many frames from the begin, where all would be too many.
    pub(crate) fn first(mut self, frames: u32) -> Scenario {
        self.first = Some(frames);
        self
    }

    /// At least one frame must pass this filter of tshark; `what` says in words what those are.
    pub(crate) fn sees(mut self, filter: impl Into<String>, what: &'static str) -> Scenario {
        self.sees.push((filter.into(), what));
        self
    }

    /// No frame may pass it.
    pub(crate) fn never(mut self, filter: impl Into<String>, what: &'static str) -> Scenario {
        self.never.push((filter.into(), what));
        self
    }

    /// The file's name.
    pub(crate) fn file(&self) -> String {
        format!("{}.pcap", self.name)
    }

    /// Checks a capture; what is seen, in one sentence.
    pub(crate) fn check(&self, file: &Path) -> String {
        let frames = |filter: &str| tshark(file, filter, &["frame.number"]);
        let mut parts = Vec::new();
        for (filter, what) in &self.sees {
            let found = frames(filter);
            assert!(!found.is_empty(), "{}: not seen: {what} ({filter})", self.name);
            let more = if found.len() > LISTED { " and more" } else { "" };
            let few = &found[..found.len().min(LISTED)];
            let word = if found.len() == 1 { "frame" } else { "frames" };
            parts.push(format!("{what} ({word} {}{more})", few.join(", ")));
        }
        for (filter, what) in &self.never {
            let found = frames(filter);
            assert!(found.is_empty(), "{}: seen in frames {found:?}: {what} ({filter})", self.name);
            parts.push(format!("no {what}"));
        }
        parts.join("; ") + "."
    }
}

/// Frames of a connection's begin.
pub(crate) const SYN: &str = "tcp.flags.syn==1 && tcp.flags.ack==0";
pub(crate) const SYN_ACK: &str = "tcp.flags.syn==1 && tcp.flags.ack==1";
pub(crate) const RST: &str = "tcp.flags.reset==1";
pub(crate) const FIN: &str = "tcp.flags.fin==1";
/// BGP messages.
pub(crate) const OPEN: &str = "bgp.type==1";
pub(crate) const NOTIFICATION: &str = "bgp.type==3";
pub(crate) const KEEPALIVE: &str = "bgp.type==4";
/// An UPDATE that announces something.
pub(crate) const ROUTES: &str = "bgp.type==2 && bgp.update.path_attribute.type_code";
/// An UPDATE that announces and withdraws nothing: End-of-RIB.
pub(crate) const END_OF_RIB: &str = "bgp.type==2 && bgp.length==23";

/// The first host, the second, and both of IPv6.
pub(crate) const A: &str = "192.0.2.1";
pub(crate) const B: &str = "192.0.2.2";

/// Frames of one sender.
pub(crate) fn from(address: &str, filter: &str) -> String {
    let version = if address.contains(':') { "ipv6" } else { "ip" };
    format!("{version}.src=={address} && ({filter})")
}

/// NOTIFICATION with this code and, where it is not 0, this subcode.
pub(crate) fn notification(code: u8, subcode: u8) -> String {
    let field = match code {
        1 => "bgp.notify.minor_error",
        2 => "bgp.notify.minor_error_open",
        3 => "bgp.notify.minor_error_update",
        _ => "bgp.notify.minor_error_cease",
    };
    match subcode {
        0 => format!("bgp.type==3 && bgp.notify.major_error=={code}"),
        _ => format!("bgp.type==3 && bgp.notify.major_error=={code} && {field}=={subcode}"),
    }
}
