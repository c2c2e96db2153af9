//! What the kernel knows of a BGP neighbour, for `explain bgp`: its route, the next hop's link-layer address, TCP's counters, the
//! connection's `TCP_INFO`, the segments that it sends; and a probe, where one is asked for.

mod probe;
mod tcp;
mod watch;
mod way;

pub(crate) use probe::{Target, probe};
pub(crate) use watch::Watch;

use crate::netlink::links::Links;
use crate::netlink::requester::Requester;
use netlink_sys::protocols::NETLINK_ROUTE;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::os::fd::AsFd;
use trunkline_core::{Duration, Instant};
use trunkline_node::CounterHistory;
use trunkline_view::facts::{COUNTERS, Gathered, Tcp};

/// Counters are read again after this time.
const FRESH: Duration = Duration::from_secs(1);

/// Neighbours of which the last state of connections that have ended is kept, and of how many each.
const MAX_ENDED: usize = 4096;
const KEPT: usize = 4;

/// Whose the counters are.
const WHOSE: &str = "this network namespace";

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    /// Opened at the first question.
    requester: Option<Requester>,
    /// The counters, and when they were read.
    sample: Option<(Instant, BTreeMap<String, u64>)>,
    history: CounterHistory,
    ended: BTreeMap<IpAddr, Vec<(Instant, Tcp)>>,
    pub(crate) watch: Watch,
}

impl Facts {
    pub(crate) fn new(watch: Watch) -> Facts {
        Facts { watch, ..Facts::default() }
    }

    /// A connection to a neighbour begins.
    pub(crate) fn begin(&mut self, now: Instant, neighbor: IpAddr) {
        self.refresh(now);
        if let Some((_, sample)) = &self.sample {
            self.history.note(now, neighbor, sample);
        }
    }

    fn refresh(&mut self, now: Instant) {
        if self.sample.as_ref().is_none_or(|(at, _)| now.since(*at) >= FRESH) {
            self.sample = std::fs::read_to_string("/proc/thread-self/net/netstat")
                .map(|text| (now, counters(&text)))
                .map_err(|error| tracing::debug!("cannot read the counters of TCP: {error}"))
                .ok();
        }
    }

    /// A connection with a neighbour is about to end.
    pub(crate) fn ending(&mut self, now: Instant, neighbor: IpAddr, socket: &impl AsFd) {
        let neighbor = neighbor.to_canonical();
        if self.ended.len() >= MAX_ENDED && !self.ended.contains_key(&neighbor) {
            self.ended.clear();
        }
        let Some(tcp) = tcp::facts(socket) else { return };
        let ended = self.ended.entry(neighbor).or_default();
        // One that carried a session tells more than those that came to nothing afterwards.
        let octets = |(_, (_, tcp)): &(usize, &(Instant, Tcp))| tcp.acknowledged + tcp.received;
        if ended.len() >= KEPT
            && let Some((at, _)) = ended.iter().enumerate().min_by_key(octets)
        {
            ended.remove(at);
        }
        ended.push((now, tcp));
    }

    /// All that is known of a neighbour; `socket` is its connection, where there is one.
    pub(crate) fn gather(
        &mut self,
        now: Instant,
        neighbor: IpAddr,
        socket: Option<&impl AsFd>,
        links: &Links,
    ) -> Gathered {
        self.refresh(now);
        let history = &mut self.history;
        let counters = self.sample.as_ref().map(|(_, s)| history.rose(now, neighbor, s, WHOSE));
        if self.requester.is_none() {
            self.requester = Requester::open(NETLINK_ROUTE)
                .map_err(|error| tracing::debug!("cannot open netlink: {error}"))
                .ok();
        }
        let way = self.requester.as_mut().and_then(|requester| way::find(requester, neighbor, links));
        let ended = self.ended.get(&neighbor.to_canonical()).into_iter().flatten();
        let ended = ended.map(|(at, tcp)| Tcp { ended: Some(now.since(*at).as_secs_f64()), ..tcp.clone() });
        let tcp = socket.and_then(|socket| tcp::facts(socket)).into_iter().chain(ended).collect();
        let wire = self.watch.seen(now, neighbor);
        Gathered { way, tcp, counters, wire, probe: None }
    }
}

/// The counters that matter, of pairs of lines with names and numbers.
fn counters(text: &str) -> BTreeMap<String, u64> {
    let lines: Vec<&str> = text.lines().collect();
    let pairs = lines.chunks_exact(2).filter_map(|pair| match pair {
        [names, numbers] => Some(names.split_whitespace().zip(numbers.split_whitespace())),
        _ => None,
    });
    let known = pairs.flatten().filter(|(name, _)| COUNTERS.contains(name));
    known.filter_map(|(name, number)| Some((name.to_owned(), number.parse().ok()?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_by_name() {
        let text = "TcpExt: SyncookiesSent TCPMD5NotFound ListenOverflows\nTcpExt: 1 22 3\n\
                    IpExt: InNoRoutes\nIpExt: 4\n";
        let found = counters(text);
        assert_eq!(found.len(), 2);
        assert_eq!((found["TCPMD5NotFound"], found["ListenOverflows"]), (22, 3));
        assert!(counters("TcpExt: TCPMD5NotFound\n").is_empty());
    }

    #[test]
    fn this_kernel_has_them() {
        let text = std::fs::read_to_string("/proc/thread-self/net/netstat").unwrap();
        let found = counters(&text);
        for name in COUNTERS.iter().filter(|name| name.starts_with(['T', 'L'])) {
            assert!(found.contains_key(*name), "{name}");
        }
    }
}
