//! One TCP connection to port 179, from both sides.

use super::Moment;
use super::side::{SMALL, Side};
use crate::packet::Ip;
use crate::stream::Arrival;
use std::net::IpAddr;
use trunkline_core::MacAddr;
use trunkline_wire::bgp::MessageType;
use trunkline_wire::tcp::{Flags, Segment, SeqNum};

/// The most steps of a connection that are kept: the first ones and the latest.
const MAX_STEPS: usize = 80;

/// Seconds within which a SYN that comes again is the same one, captured twice. TCP waits longer (RFC 6298 §2).
const TWICE: f64 = 0.3;

/// Seconds for which octets may still arrive that were sent before the window closed.
const IN_FLIGHT: f64 = 2.0;

/// An ICMP error about a segment of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quoted {
    /// When.
    pub at: Moment,
    /// Who says so.
    pub by: IpAddr,
    /// Whose segment it was.
    pub from: IpAddr,
    /// To whom that was.
    pub to: IpAddr,
    /// From which port to which.
    pub ports: (u16, u16),
    /// The TTL that it had left.
    pub ttl: u8,
    /// What of.
    pub kind: QuotedKind,
    /// In words.
    pub words: String,
}

/// What an ICMP error says of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuotedKind {
    /// It cannot be delivered.
    Unreachable,
    /// It does not fit.
    TooBig,
    /// Its TTL ran out.
    TimeExceeded,
}

/// A line of the ladder: one frame that matters, or several alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The first frame.
    pub first: Moment,
    /// The last frame.
    pub last: Moment,
    /// How many.
    pub count: u64,
    /// Who sends: 0, who opened the connection, 1, the other; none: somebody else.
    pub from: Option<usize>,
    /// What it is.
    pub words: String,
    /// What makes it alike with others; empty: nothing.
    kind: &'static str,
}

/// A connection.
#[derive(Debug, Clone)]
pub struct Connection {
    /// Who opened it, and the other: address and port.
    pub ends: [(IpAddr, u16); 2],
    /// What they sent.
    pub sides: [Side; 2],
    /// The first frame.
    pub first: Moment,
    /// The last frame.
    pub last: Moment,
    /// SYNs: the first, how many, the last.
    pub syn: Option<(Moment, u32, Moment)>,
    /// SYN-ACKs.
    pub syn_ack: Option<(Moment, u32, Moment)>,
    /// A RST that answers the SYN: nobody listens.
    pub refused: Option<Moment>,
    /// Whether who opened it has gone on after the SYN-ACK.
    pub opened: Option<Moment>,
    /// ICMP errors about it.
    pub icmp: Vec<Quoted>,
    /// The ladder.
    pub steps: Vec<Step>,
    /// Steps that were left out after the first half.
    pub left_out: u64,
}

impl Connection {
    pub(super) fn new(at: Moment, client: (IpAddr, u16), server: (IpAddr, u16)) -> Connection {
        Connection {
            ends: [client, server],
            sides: Default::default(),
            first: at,
            last: at,
            syn: None,
            syn_ack: None,
            refused: None,
            opened: None,
            icmp: Vec::new(),
            steps: Vec::new(),
            left_out: 0,
        }
    }

    /// Which side sends a segment; none where it is of another connection.
    pub(super) fn side_of(&self, from: (IpAddr, u16), to: (IpAddr, u16)) -> Option<usize> {
        [[from, to], [to, from]].iter().position(|ends| *ends == self.ends)
    }

    /// Whether a SYN is one that was sent before, and no new connection between the same ports.
    pub(super) fn is_again(&self, sequence: SeqNum) -> bool {
        self.sides.first().and_then(|side| side.initial).is_none_or(|initial| initial == sequence)
            && self.syn.is_some()
    }

    /// Both sides have sent OPEN and have confirmed the other's. Where the capture has one side only, its first UPDATE says so,
    /// since before that nobody sends one (RFC 4271 §8.2.2).
    pub fn established(&self) -> Option<Moment> {
        if let Some(seen) = self.one_sided() {
            return seen.first_of(MessageType::Update);
        }
        let [a, b] = &self.sides;
        if !a.confirmed() || !b.confirmed() {
            return None;
        }
        let first = |side: &Side| {
            [MessageType::Keepalive, MessageType::Update].iter().filter_map(|k| side.first_of(*k)).min()
        };
        first(a).max(first(b))
    }

    /// The side that is seen, where it acknowledges what the other sends and the capture has nothing of that: the two directions
    /// take different ways, and the capture was made on one.
    pub fn one_sided(&self) -> Option<&Side> {
        match &self.sides {
            [seen, other] | [other, seen] if other.first.is_none() && seen.acks > 0 => Some(seen),
            _ => None,
        }
    }

    /// When it ended: a FIN, a RST or a NOTIFICATION.
    pub fn ended(&self) -> Option<Moment> {
        let ends = self.sides.iter().flat_map(|side| {
            [side.fin.map(|fin| fin.0), side.rst.map(|rst| rst.0), side.notifications.first().map(|n| n.0)]
        });
        ends.chain([self.refused]).flatten().min()
    }

    /// Whether the capture has all of both sides, from the beginning on.
    pub fn is_whole(&self) -> bool {
        self.syn.is_some()
            && self.sides.iter().all(|side| side.initial.is_some())
            && self.gaps().next().is_none()
    }

    /// What the capture lacks of it, on either side.
    pub fn gaps(&self) -> impl Iterator<Item = &super::side::Gap> {
        self.sides.iter().flat_map(|side| &side.gaps)
    }

    /// Adds a segment of a side.
    pub(super) fn segment(
        &mut self,
        at: Moment,
        from: usize,
        ip: &Ip<'_>,
        segment: &Segment<'_>,
        left_out: u32,
        stations: Option<(MacAddr, MacAddr)>,
    ) {
        self.last = self.last.max(at);
        let [a, b] = &mut self.sides;
        let (own, other) = if from == 0 { (a, b) } else { (b, a) };
        let flags = segment.flags;
        own.first.get_or_insert(at);
        let (lowest, highest) = own.ttl.unwrap_or((ip.ttl, ip.ttl));
        own.ttl = Some((lowest.min(ip.ttl), highest.max(ip.ttl)));
        own.station = stations.map(|(source, _)| source).or(own.station);
        own.towards = stations.map(|(_, destination)| destination).or(own.towards);
        let options = &segment.options;
        let signature =
            if options.md5.is_some() { 0 } else { 1 + usize::from(options.authentication.is_none()) };
        if let Some(count) = own.signed.get_mut(signature) {
            *count += 1;
        }
        let mut lines = Vec::new();
        own.acks += u64::from(flags.contains(Flags::ACK) && !flags.contains(Flags::RST));
        if flags.contains(Flags::SYN) {
            own.initial.get_or_insert(segment.sequence);
        }
        let is_answer_to_syn =
            flags.contains(Flags::RST | Flags::ACK) && segment.sequence.0 == 0 && from == 1;
        if flags.contains(Flags::ACK) && !is_answer_to_syn && !flags.contains(Flags::RST) {
            other.acknowledge(at, segment.acknowledgment, &mut lines);
            let small = |(left, right): &(SeqNum, SeqNum)| right.0.wrapping_sub(left.0) as usize <= SMALL;
            other.sacked_small |= options.sack.iter().any(small);
        }
        let told_by_other = std::mem::take(&mut lines);
        let before = own.closed_window;
        if !flags.intersects(Flags::RST | Flags::SYN) {
            own.closed_window = (segment.window == 0).then(|| before.unwrap_or(at));
        }
        let window = (before.is_some(), own.closed_window.is_some());
        let arrival = own.payload(at, segment, left_out, &mut lines);
        // New octets go only into a window that is open again, whether or not the capture has the frame that says so.
        let new = matches!(arrival, Some(Arrival::InOrder | Arrival::Overlap)) && segment.payload.len() > 1;
        if new && other.closed_window.is_some_and(|closed| at.since(closed) > IN_FLIGHT) {
            other.closed_window = None;
        }
        if !is_answer_to_syn {
            let end = own.without_fin(segment.sequence + segment.payload.len() as u32 + left_out);
            own.reach(if flags.contains(Flags::SYN) { end + 1 } else { end });
            if flags.intersects(Flags::FIN | Flags::RST) {
                own.ends_at(at, end);
            }
            if flags.contains(Flags::FIN) {
                own.fin.get_or_insert((at, end));
            }
            if flags.contains(Flags::RST) {
                own.rst.get_or_insert((at, end));
            }
        }
        own.last = Some(at);
        self.tell(at, from, segment, arrival, window, is_answer_to_syn);
        self.tell_messages(at, 1 - from, told_by_other);
        self.tell_messages(at, from, lines);
        // From its OPEN on it is known whose AS must not stand in the other's paths.
        let [a, b] = &mut self.sides;
        let own = [&*a, &*b].map(|side| side.opened.as_ref().map(|opened| opened.asn));
        for (asn, other) in own.into_iter().zip([b, a]) {
            if let Some(asn) = asn {
                other.watch_for(asn);
            }
        }
    }

    /// The lines of the ladder about TCP.
    fn tell(
        &mut self,
        at: Moment,
        from: usize,
        segment: &Segment<'_>,
        arrival: Option<Arrival>,
        (was_closed, is_closed): (bool, bool),
        is_answer_to_syn: bool,
    ) {
        let flags = segment.flags;
        let again = |times: &mut Option<(Moment, u32, Moment)>| match times {
            // A frame that was captured at two places is not one that was sent again.
            Some((_, count, last)) if at.since(*last) > TWICE => (*count, *last) = (*count + 1, at),
            Some(_) => {}
            None => *times = Some((at, 1, at)),
        };
        if flags.contains(Flags::SYN | Flags::ACK) {
            again(&mut self.syn_ack);
            self.step(at, Some(from), "SYN-ACK", "SYN, ACK: the port is open");
        } else if flags.contains(Flags::SYN) {
            again(&mut self.syn);
            let signed = match (&segment.options.md5, &segment.options.authentication) {
                (Some(_), _) => ", with an MD5 signature",
                (_, Some(_)) => ", with TCP-AO",
                _ => "",
            };
            self.step(at, Some(from), "SYN", &format!("SYN: opens a connection{signed}"));
        } else if from == 0 && self.syn_ack.is_some() && !flags.contains(Flags::RST) {
            self.opened.get_or_insert(at);
        }
        if flags.contains(Flags::RST) {
            if is_answer_to_syn {
                self.refused.get_or_insert(at);
                self.step(at, Some(from), "RST", "RST in answer to the SYN: nobody listens at port 179");
            } else {
                self.step(at, Some(from), "RST", "RST: the connection does not exist or is broken off");
            }
        }
        if arrival == Some(Arrival::Again) {
            let words = format!("the same {} octets again", segment.payload.len());
            self.step(at, Some(from), "again", &words);
        }
        match (was_closed, is_closed) {
            (false, true) => self.step(at, Some(from), "", "window 0: has no room for more"),
            (true, false) => self.step(at, Some(from), "", "window opens again"),
            _ => {}
        }
        if flags.contains(Flags::FIN) {
            self.step(at, Some(from), "FIN", "FIN: has no more to send");
        }
    }

    fn tell_messages(&mut self, at: Moment, from: usize, lines: Vec<(MessageType, String)>) {
        for (kind, words) in lines {
            let kind = match kind {
                MessageType::Keepalive => "KEEPALIVE",
                MessageType::Update => "UPDATE",
                MessageType::RouteRefresh => "ROUTE-REFRESH",
                MessageType::Open | MessageType::Notification => "",
            };
            self.step(at, Some(from), kind, &words);
        }
    }

    /// Adds a step; one that is alike to one of the latest from the same side is counted with it.
    fn step(&mut self, at: Moment, from: Option<usize>, kind: &'static str, words: &str) {
        let latest = self.steps.iter_mut().rev().take(4);
        let mut alike = latest.filter(|step| !kind.is_empty() && step.kind == kind && step.from == from);
        // One of each is worth its own line: what it says is not what the others say.
        if let Some(step) = alike.next().filter(|step| step.count > 1 || kind != "UPDATE" || words.is_empty())
        {
            (step.last, step.count) = (at, step.count + 1);
            return;
        }
        if self.steps.len() >= MAX_STEPS {
            self.steps.remove(MAX_STEPS / 2);
            self.left_out += 1;
        }
        let words = if words.is_empty() { kind } else { words };
        self.steps.push(Step { first: at, last: at, count: 1, from, words: words.to_owned(), kind });
    }

    pub(super) fn icmp(&mut self, quoted: Quoted) {
        let kind = match quoted.kind {
            QuotedKind::Unreachable => "unreachable",
            QuotedKind::TooBig => "too big",
            QuotedKind::TimeExceeded => "time exceeded",
        };
        let words = format!("ICMP of {}: {}, about a segment to {}", quoted.by, quoted.words, quoted.to);
        self.step(quoted.at, None, kind, &words);
        if self.icmp.len() < MAX_STEPS {
            self.icmp.push(quoted);
        }
    }

    pub(super) fn finish(&mut self) {
        self.sides.iter_mut().for_each(Side::finish);
    }
}
