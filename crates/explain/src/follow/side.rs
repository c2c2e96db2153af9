//! One side of a connection: what it has sent, as TCP and as BGP.

use super::Moment;
use crate::dissect::messages;
use crate::dissect::update::{Field, Looked, Prefix};
use crate::framer::{Framer, Piece};
use crate::stream::{Arrival, Stream};
use std::collections::BTreeSet;
use trunkline_core::{Asn, MacAddr};
use trunkline_wire::bgp::{
    self, AsPath, Capability, Family, MessageType, Notification, Open, attribute, raw_attributes,
};
use trunkline_wire::tcp::{Segment, SeqNum};

/// The most gaps, notifications and faults of a side that are kept.
const MAX_KEPT: usize = 16;

/// The most prefixes of a side that are kept.
const MAX_PREFIXES: usize = 1024;

/// The most of a segment that counts as small: a KEEPALIVE with room to spare.
pub const SMALL: usize = 200;

/// What speakers set: only packets that no router has forwarded have one of these.
const INITIAL_TTLS: [u8; 4] = [1, 64, 128, 255];

/// Octets that a capture has not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// The last frame of this side before it.
    pub after: Moment,
    /// The frame that proves it.
    pub before: Moment,
    /// How many.
    pub octets: u64,
}

/// What an OPEN said; its values even where they are not allowed.
#[derive(Debug, Clone, PartialEq)]
pub struct Opened {
    /// When.
    pub at: Moment,
    /// My Autonomous System, or that of the capability.
    pub asn: u32,
    /// Hold Time in seconds.
    pub hold_time: u16,
    /// The whole, where it is well-formed.
    pub open: Option<Open>,
}

/// Data that was sent again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Repeated {
    /// Its place in the stream.
    pub sequence: SeqNum,
    /// Its octets.
    pub octets: usize,
    /// How often it was sent in all.
    pub times: u32,
    /// First.
    pub first: Moment,
    /// Last.
    pub last: Moment,
}

/// One side.
#[derive(Debug, Clone, Default)]
pub struct Side {
    /// When it was first heard, and last.
    pub first: Option<Moment>,
    /// The last frame.
    pub last: Option<Moment>,
    /// Its initial sequence number, where its SYN was seen.
    pub initial: Option<SeqNum>,
    /// The highest sequence number that it is known to have reached.
    pub reached: Option<SeqNum>,
    /// What the other side has acknowledged of it.
    pub acknowledged: Option<SeqNum>,
    stream: Option<Stream>,
    framer: Framer,
    /// What is missing of it.
    pub gaps: Vec<Gap>,
    /// Messages by type; 0: what was none.
    pub messages: [u64; 6],
    /// The first of each type.
    pub first_message: [Option<Moment>; 6],
    /// The last of each type.
    pub last_message: [Option<Moment>; 6],
    /// Its OPEN.
    pub opened: Option<Opened>,
    /// Its NOTIFICATIONs.
    pub notifications: Vec<(Moment, Notification)>,
    /// Octets that are no BGP, at the beginning.
    pub foreign: Option<(Moment, String)>,
    /// What is wrong in its UPDATEs.
    pub faults: Vec<(Moment, String)>,
    /// The longest message.
    pub longest: usize,
    /// Prefixes it announced.
    pub prefixes: u64,
    /// Prefixes that came with a certain AS in their AS_PATH; asked for with [`Side::watch_for`].
    pub looped: BTreeSet<Prefix>,
    /// The prefixes it announced, the first ones.
    pub announced: BTreeSet<Prefix>,
    /// UPDATEs with new routes.
    pub updates: u64,
    watched: Option<u32>,
    forgot: bool,
    /// Families whose End-of-RIB it sent.
    pub end_of_rib: BTreeSet<Family>,
    /// Its FIN, and its RST.
    pub fin: Option<(Moment, SeqNum)>,
    /// The first.
    pub rst: Option<(Moment, SeqNum)>,
    /// Data that was sent again most often, and is not acknowledged.
    pub repeated: Option<Repeated>,
    /// Since when its window is closed.
    pub closed_window: Option<Moment>,
    /// Segments with the MD5 option, with TCP-AO, and without any signature.
    pub signed: [u64; 3],
    /// The smallest and the largest TTL.
    pub ttl: Option<(u8, u8)>,
    /// From which station its frames come.
    pub station: Option<MacAddr>,
    /// To which station they go.
    pub towards: Option<MacAddr>,
    /// Segments that acknowledge something.
    pub acks: u64,
    /// Whether octets that came later than what is acknowledged before them were acknowledged selectively.
    pub sacked_small: bool,
}

impl Side {
    /// How many octets it has sent, by its numbers; none where its SYN was not seen.
    pub fn sent(&self) -> Option<u32> {
        let (initial, reached) = (self.initial?, self.reached?);
        Some(reached.0.wrapping_sub(initial.0).saturating_sub(1))
    }

    /// Whether TCP's numbers prove that it sent nothing.
    pub fn sent_nothing(&self) -> bool {
        self.sent() == Some(0)
    }

    /// Whether no router is between it and the capture.
    pub fn is_direct(&self) -> bool {
        self.ttl.is_some_and(|(_, ttl)| INITIAL_TTLS.contains(&ttl))
    }

    /// Messages of a type.
    pub fn count(&self, kind: MessageType) -> u64 {
        self.messages.get(usize::from(kind.code())).copied().unwrap_or(0)
    }

    /// The first message of a type.
    pub fn first_of(&self, kind: MessageType) -> Option<Moment> {
        self.first_message.get(usize::from(kind.code())).copied().flatten()
    }

    /// The last message of a type.
    pub fn last_of(&self, kind: MessageType) -> Option<Moment> {
        self.last_message.get(usize::from(kind.code())).copied().flatten()
    }

    /// Whether it is in a session: it has answered an OPEN.
    pub fn confirmed(&self) -> bool {
        self.count(MessageType::Keepalive) + self.count(MessageType::Update) > 0
    }

    /// The last message that was seen of it.
    pub fn last_heard(&self) -> Option<Moment> {
        self.last_message.iter().flatten().max().copied()
    }

    /// Whether it is in the middle of a message, of which the rest has not come yet.
    pub fn is_in_a_message(&self) -> bool {
        self.framer.pending() > 0
    }

    /// Forgets the prefixes, as a newer connection has taken the place of its own.
    pub(super) fn forget_prefixes(&mut self) {
        self.forgot |= !self.announced.is_empty();
        self.announced.clear();
        self.looped.clear();
    }

    /// Whether it announced more prefixes than are kept.
    pub fn announced_more(&self) -> bool {
        self.forgot || self.announced.len() >= MAX_PREFIXES
    }

    /// Remembers prefixes with this AS in their path.
    pub fn watch_for(&mut self, asn: u32) {
        self.watched = Some(asn);
    }

    /// A sequence number that it has reached.
    pub(super) fn reach(&mut self, sequence: SeqNum) {
        self.reached = Some(self.reached.map_or(sequence, |reached| reached.max(sequence)));
    }

    /// Adds the payload of its segment. What it gives: how it fits, and the lines of the ladder.
    pub(super) fn payload(
        &mut self,
        at: Moment,
        segment: &Segment<'_>,
        left_out: u32,
        lines: &mut Vec<(MessageType, String)>,
    ) -> Option<Arrival> {
        if segment.payload.is_empty() && left_out == 0 {
            return None;
        }
        let mut stream = self.stream.take().unwrap_or_else(|| match self.initial {
            Some(initial) => Stream::new(initial + 1),
            None => {
                self.framer = Framer::in_the_middle();
                Stream::new(segment.sequence)
            }
        });
        let mut framer = std::mem::take(&mut self.framer);
        let arrival = stream.add(segment.sequence, segment.payload, &mut |octets| {
            framer.feed(octets, &mut |piece| self.piece(at, &piece, lines));
        });
        if left_out > 0 {
            let missing = stream.skip_to(segment.sequence + segment.payload.len() as u32 + left_out);
            self.gap(at, at, missing);
            framer.lose();
            stream.deliver_early(&mut |octets| {
                framer.feed(octets, &mut |piece| self.piece(at, &piece, lines));
            });
        }
        if stream.is_full() {
            self.gap(self.last.unwrap_or(at), at, stream.skip());
            framer.lose();
            stream.deliver_early(&mut |octets| {
                framer.feed(octets, &mut |piece| self.piece(at, &piece, lines));
            });
        }
        (self.stream, self.framer) = (Some(stream), framer);
        self.repeats(at, segment, arrival);
        Some(arrival)
    }

    fn repeats(&mut self, at: Moment, segment: &Segment<'_>, arrival: Arrival) {
        let octets = segment.payload.len();
        match &mut self.repeated {
            Some(repeated) if repeated.sequence == segment.sequence => {
                repeated.times += 1;
                repeated.last = at;
                repeated.octets = repeated.octets.max(octets);
            }
            _ if arrival == Arrival::Again => {
                let first = self.last.unwrap_or(at);
                let repeated = Repeated { sequence: segment.sequence, octets, times: 2, first, last: at };
                self.repeated = Some(repeated);
            }
            _ => {}
        }
    }

    /// The other side has acknowledged all before a number.
    pub(super) fn acknowledge(&mut self, at: Moment, number: SeqNum, lines: &mut Vec<(MessageType, String)>) {
        let number = self.without_fin(number);
        self.acknowledged = Some(self.acknowledged.map_or(number, |before| before.max(number)));
        if self.repeated.is_some_and(|repeated| number.gt(repeated.sequence)) {
            self.repeated = None;
        }
        // What is acknowledged was sent, whether or not the capture has it. A SYN takes a number.
        self.reach(number);
        let Some(stream) = &mut self.stream else {
            if let Some(initial) = self.initial
                && number.gt(initial + 1)
            {
                self.missing_beginning(at, initial, number);
            }
            return;
        };
        if number.le(stream.next()) {
            return;
        }
        let missing = match stream.first_early() {
            Some(early) if early.le(number) => stream.skip(),
            _ => stream.skip_to(number),
        };
        let last = self.last.unwrap_or(at);
        self.gap(last, at, missing);
        let mut framer = Framer::in_the_middle();
        if let Some(mut stream) = self.stream.take() {
            stream.deliver_early(&mut |octets| {
                framer.feed(octets, &mut |piece| self.piece(at, &piece, lines));
            });
            self.stream = Some(stream);
        }
        self.framer = framer;
    }

    /// A FIN takes a number too (RFC 9293 §3.4), which is none of an octet.
    pub(super) fn without_fin(&self, number: SeqNum) -> SeqNum {
        match self.fin {
            Some((_, end)) if number == end + 1 => end,
            _ => number,
        }
    }

    fn missing_beginning(&mut self, at: Moment, initial: SeqNum, number: SeqNum) {
        let octets = number.0.wrapping_sub(initial.0).saturating_sub(1);
        self.gap(self.last.unwrap_or(at), at, octets.into());
        self.stream = Some(Stream::new(number));
        self.framer = Framer::in_the_middle();
    }

    /// Its FIN or RST stands at a number: what is not there before it is missing.
    pub(super) fn ends_at(&mut self, at: Moment, number: SeqNum) {
        let next = match (&self.stream, self.initial) {
            (Some(stream), _) => stream.next(),
            (None, Some(initial)) => initial + 1,
            (None, None) => return,
        };
        if number.gt(next) {
            self.gap(self.last.unwrap_or(at), at, number.0.wrapping_sub(next.0).into());
        }
    }

    /// At the end of the capture: what still waits for what is missing before it.
    pub(super) fn finish(&mut self) {
        if let (Some(stream), Some(last)) = (&self.stream, self.last)
            && let Some(early) = stream.first_early()
        {
            let octets = early.0.wrapping_sub(stream.next().0);
            self.gap(last, last, octets.into());
        }
    }

    fn gap(&mut self, after: Moment, before: Moment, octets: u64) {
        if octets > 0 && self.gaps.len() < MAX_KEPT {
            self.gaps.push(Gap { after, before, octets });
        }
    }

    fn piece(&mut self, at: Moment, piece: &Piece<'_>, lines: &mut Vec<(MessageType, String)>) {
        let frame = match piece {
            Piece::Message { frame, .. } => frame,
            Piece::Fault { error, octets } => {
                let mut words = String::new();
                messages::fault(error, octets, &mut words);
                if self.foreign.is_none() {
                    self.foreign = Some((at, words));
                }
                return;
            }
        };
        let index = usize::from(frame.kind.code());
        if let (Some(count), Some(first), Some(last)) = (
            self.messages.get_mut(index),
            self.first_message.get_mut(index),
            self.last_message.get_mut(index),
        ) {
            *count += 1;
            first.get_or_insert(at);
            *last = Some(at);
        }
        self.longest = self.longest.max(frame.message.len());
        match frame.kind {
            MessageType::Open => self.open(at, frame.body),
            MessageType::Update => self.update(at, frame.body),
            MessageType::Notification => {
                if let (Ok(notification), true) =
                    (Notification::parse(frame.body), self.notifications.len() < MAX_KEPT)
                {
                    self.notifications.push((at, notification));
                }
            }
            MessageType::Keepalive | MessageType::RouteRefresh => {}
        }
        // Of a flood of UPDATEs only the first ones get words: they are told as one line.
        let told = !matches!(frame.kind, MessageType::Update | MessageType::Keepalive)
            || self.messages.get(index).is_some_and(|count| *count <= 2);
        let mut words = String::new();
        if told {
            messages::words(frame, &mut words);
        }
        lines.push((frame.kind, words));
    }

    fn open(&mut self, at: Moment, body: &[u8]) {
        let [_, a0, a1, h0, h1, ..] = *body else { return };
        let open = Open::parse(body).ok();
        let asn = open.as_ref().map_or(u32::from(u16::from_be_bytes([a0, a1])), messages::asn);
        let hold_time = u16::from_be_bytes([h0, h1]);
        self.opened.get_or_insert(Opened { at, asn, hold_time, open });
    }

    fn update(&mut self, at: Moment, body: &[u8]) {
        let looked = Looked::at(body);
        let wrong = match &looked {
            Some(looked) => looked.wrong().map(|wrong| wrong.to_string()),
            None => Some("the lengths of its fields do not fit the message (RFC 7606 §3 b)".to_owned()),
        };
        if let Some(wrong) = wrong
            && self.faults.len() < MAX_KEPT
        {
            self.faults.push((at, wrong));
        }
        let Some(looked) = looked else { return };
        if let Some(family) = looked.update.end_of_rib() {
            self.end_of_rib.insert(family);
        }
        let new = looked.new.iter().map(|field| u64::from(field.count())).sum::<u64>();
        self.prefixes += new;
        if new == 0 && !looked.other_family {
            return;
        }
        self.updates += 1;
        let loops = self.watched.is_some_and(|asn| has_as(looked.update.path_attributes, asn));
        for prefix in looked.new.into_iter().flat_map(Field::prefixes) {
            if self.announced.len() < MAX_PREFIXES {
                self.announced.insert(prefix);
            }
            if loops && self.looped.len() < MAX_PREFIXES {
                self.looped.insert(prefix);
            }
        }
    }
}

/// Whether an AS is in the AS_PATH, by whichever size of AS numbers it can be read.
fn has_as(attributes: &[u8], asn: u32) -> bool {
    let path = raw_attributes(attributes).map_while(Result::ok).find(|raw| raw.code == attribute::AS_PATH);
    let path = path.and_then(|raw| {
        [true, false].into_iter().find_map(|four_octet_as| AsPath::parse(raw.value, four_octet_as).ok())
    });
    path.is_some_and(|path| path.contains(Asn(asn)))
}

/// The families that an OPEN offers: without any capability of that kind, IPv4 unicast (RFC 4760 §8).
pub fn families(open: &Open) -> BTreeSet<Family> {
    let offered: BTreeSet<Family> = open
        .capabilities()
        .filter_map(|capability| match capability {
            Capability::Multiprotocol(family) => Some(*family),
            _ => None,
        })
        .collect();
    if offered.is_empty() { BTreeSet::from([bgp::Family::IPV4_UNICAST]) } else { offered }
}

impl Side {
    /// Whether the other side has all that is known to have been sent, and that is something.
    pub fn is_acknowledged(&self) -> bool {
        match (self.initial, self.reached, self.acknowledged) {
            (Some(initial), Some(reached), Some(acknowledged)) => {
                reached.gt(initial + 1) && acknowledged.ge(initial + 2)
            }
            _ => false,
        }
    }

    /// Octets that it has sent, by its numbers, which the other side does not acknowledge and the capture has not.
    pub fn lost(&self) -> Option<u32> {
        let (reached, acknowledged) = (self.reached?, self.acknowledged?);
        let seen = self.stream.as_ref()?.next();
        (reached.gt(acknowledged) && seen.le(acknowledged)).then(|| reached.0.wrapping_sub(acknowledged.0))
    }

    /// Whether it has acknowledged what `other` sent.
    pub fn acknowledges(&self, other: &Side) -> bool {
        other.is_acknowledged()
    }

    /// Whether its OPEN is all that it has sent, by TCP's numbers.
    pub fn sent_only_open(&self) -> bool {
        let others = [MessageType::Update, MessageType::Keepalive, MessageType::RouteRefresh];
        others.iter().all(|kind| self.count(*kind) == 0)
            && self.framer.is_between()
            && self
                .stream
                .as_ref()
                .zip(self.reached)
                .is_some_and(|(stream, reached)| reached.le(stream.next()))
    }
}
