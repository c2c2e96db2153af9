//! The scoreboard: what was sent and not yet acknowledged, segment by segment (RFC 6675 §3, RFC 8985 §5.2).
//!
//! Records stand in a ring in the order of their sequence numbers. A second ring has the transmissions in the order of
//! time, so that RACK looks only at those that are due; entries in it whose records were acknowledged or sent again since
//! are passed over. Ranges that are SACKed are kept joined, so that a SACK block that was seen before costs one search.

use crate::SeqNum;
use std::collections::VecDeque;
use trunkline_core::{Duration, Instant};

/// Most records; what is sent beyond joins the last one.
pub(crate) const MAX_RECORDS: usize = 1 << 16;
/// Most entries in the order of time before stale ones are looked for everywhere.
const MAX_TRANSMISSIONS: usize = 4 * MAX_RECORDS;

/// A segment that was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Record {
    /// Its first octet.
    pub(crate) seq: SeqNum,
    /// Octets, SYN and FIN included.
    pub(crate) len: u32,
    /// When it was last sent. No two transmissions have the same time: what was sent at once differs by nanoseconds.
    pub(crate) sent: Instant,
    /// The receiver has it.
    pub(crate) sacked: bool,
    /// Taken for lost, and not sent again since.
    pub(crate) lost: bool,
    /// Was sent more than once.
    pub(crate) retransmitted: bool,
}

impl Record {
    /// The octet after it.
    pub(crate) fn end(&self) -> SeqNum {
        self.seq + self.len
    }
}

/// One transmission, in the order of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Transmission {
    /// First octet.
    pub(crate) seq: SeqNum,
    /// The octet after the last.
    pub(crate) end: SeqNum,
    /// When.
    pub(crate) sent: Instant,
}

/// What is in flight.
#[derive(Debug)]
pub(crate) struct Scoreboard {
    una: SeqNum,
    nxt: SeqNum,
    records: VecDeque<Record>,
    transmissions: VecDeque<Transmission>,
    /// SACKed ranges of whole records above `una`: in order, apart from each other.
    sacked: Vec<(SeqNum, SeqNum)>,
    sacked_octets: u32,
    sacked_records: u32,
    lost_octets: u32,
    /// No record before it is lost.
    hint: SeqNum,
    /// When the last transmission was, in its own time: no two at once.
    clock: Option<Instant>,
}

impl Scoreboard {
    pub(crate) fn new(iss: SeqNum) -> Scoreboard {
        Scoreboard {
            una: iss,
            nxt: iss,
            records: VecDeque::new(),
            transmissions: VecDeque::new(),
            sacked: Vec::new(),
            sacked_octets: 0,
            sacked_records: 0,
            lost_octets: 0,
            hint: iss,
            clock: None,
        }
    }

    /// The oldest octet that is not acknowledged.
    pub(crate) fn una(&self) -> SeqNum {
        self.una
    }

    /// The octet after the last that was sent.
    pub(crate) fn nxt(&self) -> SeqNum {
        self.nxt
    }

    /// FlightSize (RFC 5681 §2): octets sent and not cumulatively acknowledged.
    pub(crate) fn outstanding(&self) -> u32 {
        self.nxt.0.wrapping_sub(self.una.0)
    }

    /// Octets that the receiver has above a hole.
    pub(crate) fn sacked_octets(&self) -> u32 {
        self.sacked_octets
    }

    /// Segments that the receiver has above a hole.
    pub(crate) fn sacked_records(&self) -> u32 {
        self.sacked_records
    }

    /// Octets that are taken for lost and wait to be sent again.
    pub(crate) fn lost_octets(&self) -> u32 {
        self.lost_octets
    }

    /// Octets that are taken to be in the network (RFC 6675 §4, `pipe`).
    pub(crate) fn pipe(&self) -> u32 {
        self.outstanding().saturating_sub(self.sacked_octets).saturating_sub(self.lost_octets)
    }

    /// Segments in flight.
    pub(crate) fn records(&self) -> usize {
        self.records.len()
    }

    /// The oldest segment in flight.
    pub(crate) fn head(&self) -> Option<&Record> {
        self.records.front()
    }

    /// The index of the first record that ends after `seq`.
    fn index(&self, seq: SeqNum) -> usize {
        match self.records.front() {
            Some(front) if seq.lt(front.end()) => 0,
            _ => self.records.partition_point(|r| r.end().le(seq)),
        }
    }

    /// New data were sent: they follow what was sent before.
    pub(crate) fn push(&mut self, now: Instant, len: u32) {
        let now = self.tick(now);
        let seq = self.nxt;
        self.nxt += len;
        self.log(Transmission { seq, end: self.nxt, sent: now });
        if self.records.len() >= MAX_RECORDS
            && let Some(last) = self.records.back_mut().filter(|r| !r.sacked && !r.lost)
        {
            last.len += len;
            last.sent = now;
            return;
        }
        self.records.push_back(Record {
            seq,
            len,
            sent: now,
            sacked: false,
            lost: false,
            retransmitted: false,
        });
    }

    fn tick(&mut self, now: Instant) -> Instant {
        let next = self.clock.map_or(now, |last| now.max(last + Duration::from_nanos(1)));
        self.clock = Some(next);
        next
    }

    fn log(&mut self, transmission: Transmission) {
        if self.transmissions.len() >= MAX_TRANSMISSIONS {
            let mut all = std::mem::take(&mut self.transmissions);
            all.retain(|t| !self.is_stale(t));
            self.transmissions = all;
        }
        self.transmissions.push_back(transmission);
    }

    /// Cuts the record that has `seq` inside, so that one begins there.
    fn split(&mut self, seq: SeqNum) {
        let i = self.index(seq);
        let Some(record) = self.records.get_mut(i).filter(|r| r.seq.lt(seq)) else { return };
        let left = (seq - record.seq) as u32;
        let right = Record { seq, len: record.len - left, ..*record };
        record.len = left;
        if record.sacked {
            self.sacked_records += 1;
        }
        self.records.insert(i + 1, right);
    }

    /// `seq..seq + len` was sent again; what of it is SACKed stays so. The records there are cut to fit.
    pub(crate) fn retransmitted(&mut self, now: Instant, seq: SeqNum, len: u32) {
        let (from, to) = (seq.max(self.una), (seq + len).min(self.nxt));
        if from.ge(to) {
            return;
        }
        let now = self.tick(now);
        self.split(from);
        self.split(to);
        let mut i = self.index(from);
        while let Some(record) = self.records.get_mut(i).filter(|r| r.seq.lt(to)) {
            if !record.sacked {
                if std::mem::take(&mut record.lost) {
                    self.lost_octets -= record.len;
                }
                record.retransmitted = true;
                record.sent = now;
            }
            i += 1;
        }
        self.move_hint();
        self.log(Transmission { seq: from, end: to, sent: now });
    }

    /// Moves the hint to the first lost record, or to the end where none is.
    fn move_hint(&mut self) {
        let from = if self.lost_octets == 0 { self.records.len() } else { self.index(self.hint) };
        self.hint = self.records.range(from..).find(|r| r.lost).map_or(self.nxt, |r| r.seq);
    }

    /// Everything before `ack` was received; `each` sees what leaves, as it was. Octets that were not known to have
    /// arrived.
    pub(crate) fn acknowledge(&mut self, ack: SeqNum, mut each: impl FnMut(&Record)) -> u32 {
        let mut delivered = 0;
        while let Some(record) = self.records.front_mut().filter(|r| r.seq.lt(ack)) {
            // The part that is acknowledged, where it is not all of it.
            let part = record.len.min((ack - record.seq) as u32);
            if record.sacked {
                self.sacked_octets -= part;
            } else {
                delivered += part;
            }
            if record.lost {
                self.lost_octets -= part;
            }
            if part < record.len {
                record.seq = ack;
                record.len -= part;
                break;
            }
            if record.sacked {
                self.sacked_records -= 1;
            }
            each(record);
            self.records.pop_front();
        }
        self.una = self.una.max(ack);
        self.hint = self.hint.max(self.una);
        let gone = self.sacked.iter().take_while(|(_, end)| end.le(ack)).count();
        self.sacked.drain(..gone);
        if let Some(first) = self.sacked.first_mut() {
            first.0 = first.0.max(ack);
        }
        if self.records.is_empty() {
            self.transmissions.clear();
        }
        delivered
    }

    /// The receiver has `left..right`; `each` sees the records that it was not known to have, as they were. Only whole
    /// records count. Octets newly SACKed.
    pub(crate) fn sack(&mut self, left: SeqNum, right: SeqNum, mut each: impl FnMut(&Record)) -> u32 {
        let (mut from, to) = (left.max(self.una), right);
        if from.ge(to) || to.gt(self.nxt) {
            return 0;
        }
        let mut delivered = 0;
        let mut at = self.sacked.partition_point(|(_, end)| end.le(from));
        while from.lt(to) {
            let next = self.sacked.get(at).copied();
            if let Some((_, end)) = next.filter(|(start, _)| start.le(from)) {
                from = from.max(end);
                at += 1;
                continue;
            }
            let gap = next.map_or(to, |(start, _)| start.min(to));
            if let Some((start, end)) = self.mark_sacked(from, gap, &mut each) {
                delivered += (end - start) as u32;
                at = self.join(start, end);
            }
            from = gap;
        }
        delivered
    }

    /// Marks the whole records in `from..to`, none of which is SACKed; the range that they cover.
    fn mark_sacked(
        &mut self,
        from: SeqNum,
        to: SeqNum,
        each: &mut impl FnMut(&Record),
    ) -> Option<(SeqNum, SeqNum)> {
        let mut i = self.index(from);
        if self.records.get(i).is_some_and(|r| r.seq.lt(from)) {
            i += 1;
        }
        let start = self.records.get(i)?.seq;
        let mut end = start;
        while let Some(record) = self.records.get_mut(i).filter(|r| r.end().le(to)) {
            each(record);
            if std::mem::take(&mut record.lost) {
                self.lost_octets -= record.len;
            }
            record.sacked = true;
            self.sacked_octets += record.len;
            self.sacked_records += 1;
            end = record.end();
            i += 1;
        }
        end.gt(start).then_some((start, end))
    }

    /// Adds a range that overlaps none to the SACKed ones; the index of the range that it is in then.
    fn join(&mut self, start: SeqNum, end: SeqNum) -> usize {
        let at = self.sacked.partition_point(|(_, e)| e.lt(start));
        let touches_left = self.sacked.get(at).is_some_and(|(_, e)| *e == start);
        let right = at + usize::from(touches_left);
        let far = self.sacked.get(right).filter(|(s, _)| *s == end).map(|(_, e)| *e);
        if touches_left && far.is_some() {
            self.sacked.remove(right);
        }
        match self.sacked.get_mut(at) {
            Some(range) if touches_left => range.1 = far.unwrap_or(end),
            Some(range) if far.is_some() => range.0 = start,
            _ => self.sacked.insert(at, (start, end)),
        }
        at
    }

    fn mark_lost(&mut self, i: usize) -> u32 {
        let Some(record) = self.records.get_mut(i).filter(|r| !r.sacked && !r.lost) else { return 0 };
        record.lost = true;
        self.lost_octets += record.len;
        self.hint = self.hint.min(record.seq);
        record.len
    }

    /// Takes each record for lost of which `which` says so; octets newly lost.
    pub(crate) fn mark_lost_where(&mut self, which: impl Fn(&Record) -> bool) -> u32 {
        let mut lost = 0;
        for i in 0..self.records.len() {
            if self.records.get(i).is_some_and(&which) {
                lost += self.mark_lost(i);
            }
        }
        lost
    }

    /// Takes the oldest segment for lost; octets newly lost.
    pub(crate) fn mark_head_lost(&mut self) -> u32 {
        self.mark_lost(0)
    }

    /// Nothing counts as lost (RFC 4015: the recovery was needless).
    pub(crate) fn unmark_lost(&mut self) {
        if self.lost_octets == 0 {
            return;
        }
        self.lost_octets = 0;
        self.records.iter_mut().for_each(|r| r.lost = false);
        // They are in the order of time again.
        self.transmissions.clear();
        let live = self.records.iter().filter(|r| !r.sacked);
        self.transmissions.extend(live.map(|r| Transmission { seq: r.seq, end: r.end(), sent: r.sent }));
        self.transmissions.make_contiguous().sort_by_key(|t| t.sent);
    }

    /// The receiver threw away what it had SACKed (RFC 2018 §8).
    pub(crate) fn forget_sacked(&mut self) {
        self.records.iter_mut().for_each(|r| r.sacked = false);
        self.sacked.clear();
        self.sacked_octets = 0;
        self.sacked_records = 0;
    }

    /// The oldest transmission that may still be in the network.
    pub(crate) fn oldest_transmission(&mut self) -> Option<Transmission> {
        while let Some(front) = self.transmissions.front().copied() {
            if !self.is_stale(&front) {
                return Some(front);
            }
            self.transmissions.pop_front();
        }
        None
    }

    /// Takes the oldest transmission for lost; octets newly lost.
    pub(crate) fn lose_oldest_transmission(&mut self) -> u32 {
        let Some(t) = self.transmissions.pop_front() else { return 0 };
        let (mut lost, mut i) = (0, self.index(t.seq));
        while self.records.get(i).is_some_and(|r| r.seq.lt(t.end)) {
            if self.records.get(i).is_some_and(|r| r.sent == t.sent) {
                lost += self.mark_lost(i);
            }
            i += 1;
        }
        lost
    }

    /// Whether no record depends on this transmission any more.
    fn is_stale(&self, t: &Transmission) -> bool {
        if t.end.le(self.una) {
            return true;
        }
        let from = self.index(t.seq);
        !self
            .records
            .range(from..)
            .take_while(|r| r.seq.lt(t.end))
            .any(|r| r.sent == t.sent && !r.sacked && !r.lost)
    }

    /// The first lost range, at most `limit` octets where more than one record would be needed for more.
    pub(crate) fn first_lost(&self, limit: u32) -> Option<(SeqNum, u32)> {
        if self.lost_octets == 0 {
            return None;
        }
        let mut records = self.records.range(self.index(self.hint)..).skip_while(|r| !r.lost);
        let first = records.next()?;
        let mut len = first.len;
        for record in records {
            if !record.lost || len + record.len > limit {
                break;
            }
            len += record.len;
        }
        Some((first.seq, len.min(limit)))
    }

    /// Whether anything that was sent more than once is still in flight.
    pub(crate) fn has_retransmitted(&self) -> bool {
        self.records.iter().any(|r| r.retransmitted && !r.sacked && !r.lost)
    }

    #[cfg(test)]
    pub(crate) fn all(&self) -> impl Iterator<Item = &Record> {
        self.records.iter()
    }

    #[cfg(test)]
    pub(crate) fn transmissions(&self) -> usize {
        self.transmissions.len()
    }
}
