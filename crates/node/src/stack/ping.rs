//! Ping (RFC 792, RFC 1122 §3.2.2.6).

use super::Stack;
use super::tasks::Task;
use std::net::Ipv4Addr;
use trunkline_core::{Duration, Instant};
use trunkline_ip::{IcmpError, Send};
use trunkline_view::probe::{PingQuery, PingReply, PingView};
use trunkline_view::{Answer, ErrorKind, EventKind};
use trunkline_wire::icmp::{self, Message};
use trunkline_wire::ipv4::Protocol;

/// The most requests of one ping.
const MAX_COUNT: u32 = 1000;

/// A ping under way.
#[derive(Debug)]
pub(super) struct Ping {
    query: PingQuery,
    identifier: u16,
    /// When each request was sent, and what came of it.
    requests: Vec<(Instant, Option<PingReply>)>,
    duplicates: u32,
}

impl Ping {
    /// One that has sent nothing yet.
    pub(super) fn new(query: &PingQuery, identifier: u16) -> Result<Ping, Answer> {
        let times = 1..=60_000;
        let problem = if !(1..=MAX_COUNT).contains(&query.count) {
            "count is 1 to 1000"
        } else if !times.contains(&query.interval_ms) || !times.contains(&query.timeout_ms) {
            "interval and timeout are 1 to 60000 ms"
        } else if query.size > 65_507 {
            "size is at most 65507"
        } else if query.ttl == Some(0) {
            "TTL is 1 to 255"
        } else {
            let (query, requests) = (query.clone(), Vec::new());
            return Ok(Ping { query, identifier, requests, duplicates: 0 });
        };
        Err(Answer::error(ErrorKind::Invalid, problem))
    }

    fn view(self) -> PingView {
        let replies: Vec<PingReply> = self.requests.into_iter().filter_map(|(_, reply)| reply).collect();
        let good = replies.iter().filter(|reply| reply.error.is_none());
        let times: Vec<f64> = good.filter_map(|reply| reply.time).collect();
        let received = times.len();
        PingView {
            destination: self.query.destination,
            sent: replies.len() as u32,
            received: received as u32,
            duplicates: self.duplicates,
            minimum: times.iter().copied().reduce(f64::min),
            average: (received > 0).then(|| times.iter().sum::<f64>() / received as f64),
            maximum: times.iter().copied().reduce(f64::max),
            replies,
        }
    }
}

/// What came of a request that was not answered.
fn failure(index: usize, error: String) -> PingReply {
    PingReply { sequence: number(index), from: None, octets: 0, ttl: None, time: None, error: Some(error) }
}

/// Requests are numbered from 1.
fn number(index: usize) -> u16 {
    index as u16 + 1
}

impl Stack {
    /// Sends the next request if it is time; gives up those that wait too long.
    pub(super) fn ping_go_on(&mut self, now: Instant, task: u64) {
        let Some((_, Task::Ping(ping))) = self.tasks.tasks.get_mut(&task) else { return };
        let interval = Duration::from_millis(ping.query.interval_ms.into());
        let timeout = Duration::from_millis(ping.query.timeout_ms.into());
        let mut late = Vec::new();
        for (index, (sent, reply)) in ping.requests.iter().enumerate() {
            if reply.is_none() && *sent + timeout <= now {
                late.push(index);
            }
        }
        let due = ping.requests.last().map_or(now, |(sent, _)| *sent + interval);
        let left = ping.requests.len() < ping.query.count as usize;
        for index in late {
            self.ping_result(task, index, failure(index, "timed out".to_owned()));
        }
        if left && due <= now {
            self.ping_send(now, task);
        }
        let Some((_, Task::Ping(ping))) = self.tasks.tasks.get(&task) else { return };
        let left = ping.requests.len() < ping.query.count as usize;
        let waiting = ping.requests.iter().find(|(_, reply)| reply.is_none());
        let give_up = waiting.map(|(sent, _)| *sent + timeout);
        let send = ping.requests.last().filter(|_| left).map(|(sent, _)| *sent + interval);
        match trunkline_core::earliest([give_up, send]) {
            Some(next) => self.wake_task(next, task),
            None => self.ping_done(task),
        }
    }

    fn ping_send(&mut self, now: Instant, task: u64) {
        let Some((_, Task::Ping(ping))) = self.tasks.tasks.get_mut(&task) else { return };
        let index = ping.requests.len();
        ping.requests.push((now, None));
        let query = &ping.query;
        let data: Vec<u8> = (0..query.size).map(|n| n as u8).collect();
        let request =
            Message::EchoRequest { identifier: ping.identifier, sequence: number(index), data: &data };
        let mut payload = Vec::with_capacity(icmp::LEN + data.len());
        request.emit(&mut payload);
        let send = Send {
            source: query.source,
            ttl: query.ttl,
            dont_fragment: query.dont_fragment,
            ..Send::new(query.destination, Protocol::ICMP, &payload)
        };
        if let Err(error) = self.ip.send(now, &send, &mut self.ip_out) {
            self.ping_result(task, index, failure(index, error.to_string()));
        }
    }

    /// The ping that sent a request that `other` has answered, or that was sent to it, and its index.
    fn ping_of(&self, identifier: u16, sequence: u16, other: Ipv4Addr) -> Option<(u64, usize)> {
        let is_it = |task: &Task| match task {
            Task::Ping(ping) if ping.identifier == identifier => {
                let destination = ping.query.destination;
                destination == other || self.is_group(destination)
            }
            _ => false,
        };
        let (number, _) = self.tasks.tasks.iter().find(|(_, (_, task))| is_it(task))?;
        Some((*number, usize::from(sequence).checked_sub(1)?))
    }

    /// Whether a packet to this address may be for several, who answer with addresses of their own.
    fn is_group(&self, address: Ipv4Addr) -> bool {
        let is_broadcast = |(own, length): &(Ipv4Addr, u8)| {
            let hosts = u32::MAX.checked_shr(u32::from(*length)).unwrap_or(0);
            *length < 31 && address.to_bits() == own.to_bits() | hosts
        };
        let own = self.interfaces.iter().flatten().flat_map(|interface| &interface.config.address);
        address.is_multicast() || address.is_broadcast() || own.into_iter().any(is_broadcast)
    }

    /// A reply came.
    pub(super) fn ping_reply(
        &mut self,
        now: Instant,
        identifier: u16,
        sequence: u16,
        (from, ttl, octets): (Ipv4Addr, u8, usize),
    ) {
        let Some((task, index)) = self.ping_of(identifier, sequence, from) else { return };
        let Some((_, Task::Ping(ping))) = self.tasks.tasks.get_mut(&task) else { return };
        match ping.requests.get(index) {
            Some((_, Some(before))) if before.error.is_none() => ping.duplicates += 1,
            Some((sent, None)) => {
                let reply = PingReply {
                    sequence,
                    from: Some(from),
                    octets: octets as u16,
                    ttl: Some(ttl),
                    time: Some(now.since(*sent).as_secs_f64()),
                    error: None,
                };
                self.ping_result(task, index, reply);
                self.ping_may_be_done(task);
            }
            _ => {}
        }
    }

    /// An error about a request came.
    pub(super) fn ping_error(&mut self, now: Instant, identifier: u16, sequence: u16, error: &IcmpError) {
        let Some((task, index)) = self.ping_of(identifier, sequence, error.destination) else { return };
        let Some((_, Task::Ping(ping))) = self.tasks.tasks.get(&task) else { return };
        let Some((sent, None)) = ping.requests.get(index) else { return };
        let reply = PingReply {
            from: Some(error.reporter),
            time: Some(now.since(*sent).as_secs_f64()),
            ..failure(index, error.kind.to_string())
        };
        self.ping_result(task, index, reply);
        self.ping_may_be_done(task);
    }

    fn ping_result(&mut self, task: u64, index: usize, reply: PingReply) {
        let Some((_, Task::Ping(ping))) = self.tasks.tasks.get_mut(&task) else { return };
        let destination = ping.query.destination;
        if let Some((_, slot)) = ping.requests.get_mut(index) {
            *slot = Some(reply.clone());
            self.tell(|| EventKind::Ping { destination, reply });
        }
    }

    fn ping_may_be_done(&mut self, task: u64) {
        let Some((_, Task::Ping(ping))) = self.tasks.tasks.get(&task) else { return };
        let all = ping.requests.len() == ping.query.count as usize;
        if all && ping.requests.iter().all(|(_, reply)| reply.is_some()) {
            self.ping_done(task);
        }
    }

    fn ping_done(&mut self, task: u64) {
        if let Some((_, Task::Ping(ping))) = self.tasks.tasks.get_mut(&task) {
            let empty = Ping { requests: Vec::new(), query: ping.query.clone(), ..*ping };
            let view = std::mem::replace(ping, empty).view();
            self.finish_task(task, Answer::Ping(view));
        }
    }
}
