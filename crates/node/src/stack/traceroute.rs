//! Traceroute: UDP datagrams to ports where nobody listens, with rising TTL; routers on the way and at last the
//! destination answer with ICMP errors. One probe is under way at a time.

use super::Stack;
use super::tasks::Task;
use trunkline_core::{Duration, Instant};
use trunkline_ip::{IcmpError, IcmpErrorKind, Send, SendError};
use trunkline_view::probe::{TracerouteHop, TracerouteProbe, TracerouteQuery, TracerouteView};
use trunkline_view::{Answer, ErrorKind};
use trunkline_wire::icmp::UnreachableCode;
use trunkline_wire::ipv4::Protocol;
use trunkline_wire::udp::Datagram;

/// The port of the first probe, as the Unix tool has it; each has its own.
const FIRST_PORT: u16 = 33_434;

/// Octets in a probe: with the headers 60.
const SIZE: usize = 32;

/// A traceroute under way.
#[derive(Debug)]
pub(super) struct Traceroute {
    query: TracerouteQuery,
    source_port: u16,
    hops: Vec<TracerouteHop>,
    /// When the probe that is under way was sent.
    sent: Option<Instant>,
    /// How many were.
    count: u16,
    reached: bool,
    /// A router has said that it ends there.
    blocked: bool,
}

impl Traceroute {
    /// One that has sent nothing yet.
    pub(super) fn new(query: &TracerouteQuery, identifier: u16) -> Result<Traceroute, Answer> {
        let problem = if query.max_hops == 0 {
            "hops are 1 to 255"
        } else if !(1..=10).contains(&query.probes) {
            "probes are 1 to 10"
        } else if !(1..=60_000).contains(&query.timeout_ms) {
            "timeout is 1 to 60000 ms"
        } else {
            return Ok(Traceroute {
                query: query.clone(),
                source_port: identifier | 0x8000,
                hops: Vec::new(),
                sent: None,
                count: 0,
                reached: false,
                blocked: false,
            });
        };
        Err(Answer::error(ErrorKind::Invalid, problem))
    }

    /// The TTL of the next probe; none: that was all.
    fn next_ttl(&self) -> Option<u8> {
        match self.hops.last() {
            None => Some(1),
            Some(hop) if hop.probes.len() < usize::from(self.query.probes) => Some(hop.ttl),
            Some(_) if self.reached || self.blocked => None,
            Some(hop) if hop.ttl < self.query.max_hops => Some(hop.ttl + 1),
            Some(_) => None,
        }
    }

    fn result(&mut self, probe: TracerouteProbe) {
        self.sent = None;
        if let Some(hop) = self.hops.last_mut() {
            hop.probes.push(probe);
        }
    }
}

impl Stack {
    /// Gives up a probe that waits too long; sends the next.
    pub(super) fn traceroute_go_on(&mut self, now: Instant, task: u64) {
        let Some((_, Task::Traceroute(trace))) = self.tasks.tasks.get_mut(&task) else { return };
        let timeout = Duration::from_millis(trace.query.timeout_ms.into());
        match trace.sent {
            Some(sent) if sent + timeout > now => return, // an old timer of a probe that was answered
            Some(_) => trace.result(TracerouteProbe { from: None, time: None, error: None }),
            None => {}
        }
        let Some(ttl) = trace.next_ttl() else {
            let view = TracerouteView {
                destination: trace.query.destination,
                reached: trace.reached,
                hops: std::mem::take(&mut trace.hops),
            };
            return self.finish_task(task, Answer::Traceroute(view));
        };
        if trace.hops.last().is_none_or(|hop| hop.ttl != ttl) {
            trace.hops.push(TracerouteHop { ttl, probes: Vec::new() });
        }
        trace.sent = Some(now);
        let destination = trace.query.destination;
        let source = trace.query.source.or_else(|| self.ip.select_source(now, destination));
        let datagram = Datagram {
            source_port: trace.source_port,
            destination_port: FIRST_PORT.wrapping_add(trace.count),
            payload: &[0x40; SIZE],
        };
        trace.count += 1;
        let mut payload = Vec::new();
        if let Some(source) = source {
            datagram.emit(source, destination, &mut payload);
        }
        let send = Send { source, ttl: Some(ttl), ..Send::new(destination, Protocol::UDP, &payload) };
        // Without a source there is no datagram to send: the checksum covers both addresses.
        let sent = match source {
            Some(_) => self.ip.send(now, &send, &mut self.ip_out),
            None if self.ip.route(now, destination, 0).is_none() => Err(SendError::NoRoute),
            None => Err(SendError::NoSource),
        };
        if let Err(error) = sent {
            trace.result(TracerouteProbe { from: None, time: None, error: Some(error.to_string()) });
            trace.blocked = true;
            return self.wake_task(now, task);
        }
        self.wake_task(now + timeout, task);
    }

    /// An error about a datagram of ours came.
    pub(super) fn traceroute_answer(&mut self, now: Instant, (from, to): (u16, u16), error: &IcmpError) {
        let is_it = |task: &Task| {
            matches!(task, Task::Traceroute(trace) if trace.source_port == from
                && trace.query.destination == error.destination
                && FIRST_PORT.wrapping_add(trace.count.wrapping_sub(1)) == to)
        };
        let found = self.tasks.tasks.iter().find(|(_, (_, task))| is_it(task));
        let Some(task) = found.map(|(number, _)| *number) else { return };
        let Some((_, Task::Traceroute(trace))) = self.tasks.tasks.get_mut(&task) else { return };
        let Some(sent) = trace.sent else { return };
        let words = match error.kind {
            IcmpErrorKind::TimeExceeded(_) => None,
            IcmpErrorKind::Unreachable(UnreachableCode::Port) => {
                trace.reached = true;
                None
            }
            kind => {
                trace.blocked = true;
                Some(kind.to_string())
            }
        };
        let time = Some(now.since(sent).as_secs_f64());
        trace.result(TracerouteProbe { from: Some(error.reporter), time, error: words });
        self.traceroute_go_on(now, task);
    }
}
