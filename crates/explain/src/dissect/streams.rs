//! The BGP streams of a capture: which messages a frame completes.

use crate::framer::{Framer, Piece};
use crate::packet::Ip;
use crate::stream::Stream;
use std::collections::BTreeMap;
use std::net::IpAddr;
use trunkline_wire::bgp;
use trunkline_wire::tcp::{Flags, Segment, SeqNum};

/// The most connections that are followed at once; then the one that was quiet longest is forgotten.
const MAX_CONNECTIONS: usize = 4096;

/// An end of a connection.
type End = (IpAddr, u16);

/// The connections of a capture.
#[derive(Debug, Default)]
pub(super) struct Streams {
    /// By their ends, the lower first.
    connections: BTreeMap<(End, End), Connection>,
    /// Counts segments.
    clock: u64,
}

#[derive(Debug, Default)]
struct Connection {
    /// From the lower end, from the higher.
    directions: [Option<Direction>; 2],
    used: u64,
}

#[derive(Debug)]
struct Direction {
    first: SeqNum,
    stream: Stream,
    framer: Framer,
}

impl Streams {
    /// Adds a segment; `each` gets what it completes. False where it is none of BGP.
    #[inline]
    pub(super) fn add(
        &mut self,
        ip: &Ip<'_>,
        segment: &Segment<'_>,
        left_out: u32,
        each: &mut impl FnMut(Piece<'_>),
    ) -> bool {
        let (from, to) = ((ip.source, segment.source_port), (ip.destination, segment.destination_port));
        if from.1 != bgp::PORT && to.1 != bgp::PORT {
            return false;
        }
        self.clock += 1;
        let lower = from <= to;
        let key = if lower { (from, to) } else { (to, from) };
        if !self.connections.contains_key(&key) {
            self.make_room();
        }
        let connection = self.connections.entry(key).or_default();
        connection.used = self.clock;
        let [a, b] = &mut connection.directions;
        let (own, other) = if lower { (a, b) } else { (b, a) };
        if let (true, Some(other)) = (segment.flags.contains(Flags::ACK), other) {
            other.acknowledged(segment.acknowledgment, each);
        }
        Direction::add(own, segment, left_out, each);
        true
    }

    #[cold]
    fn make_room(&mut self) {
        if self.connections.len() < MAX_CONNECTIONS {
            return;
        }
        let oldest = self.connections.iter().min_by_key(|(_, connection)| connection.used);
        if let Some(key) = oldest.map(|(key, _)| *key) {
            self.connections.remove(&key);
        }
    }
}

impl Direction {
    #[inline]
    fn add(
        place: &mut Option<Direction>,
        segment: &Segment<'_>,
        left_out: u32,
        each: &mut impl FnMut(Piece<'_>),
    ) {
        // SYN takes a sequence number (RFC 9293 §3.4).
        let begins = segment.flags.contains(Flags::SYN);
        let sequence = segment.sequence + u32::from(begins);
        // A SYN that is sent again begins nothing.
        if begins && place.as_ref().is_none_or(|direction| direction.first != sequence) {
            *place =
                Some(Direction { first: sequence, stream: Stream::new(sequence), framer: Framer::default() });
        }
        if segment.payload.is_empty() {
            return;
        }
        let direction = place.get_or_insert_with(|| Direction {
            first: sequence,
            stream: Stream::new(sequence),
            framer: Framer::in_the_middle(),
        });
        let Direction { stream, framer, .. } = direction;
        stream.add(sequence, segment.payload, &mut |octets| framer.feed(octets, each));
        if left_out > 0 {
            // What follows in the stream is what the capture has cut off.
            framer.lose();
            stream.skip_to(sequence + segment.payload.len() as u32 + left_out);
            stream.deliver_early(&mut |octets| framer.feed(octets, each));
        } else if stream.is_full() {
            direction.give_up(each);
        }
    }

    /// The receiver has what is missing here: the capture has lost it.
    #[inline]
    fn acknowledged(&mut self, acknowledgment: SeqNum, each: &mut impl FnMut(Piece<'_>)) {
        if self.stream.first_early().is_some_and(|early| acknowledgment.ge(early)) {
            self.give_up(each);
        }
    }

    #[cold]
    fn give_up(&mut self, each: &mut impl FnMut(Piece<'_>)) {
        let Direction { stream, framer, .. } = self;
        stream.skip();
        framer.lose();
        stream.deliver_early(&mut |octets| framer.feed(octets, each));
    }
}
