//! Putting fragments together (RFC 791 §3.2, RFC 815), with limits.
//!
//! A datagram is a buffer and a list of holes. A fragment either fills a part of one hole, or repeats what is there
//! already octet by octet; anything else overlaps, and then the whole datagram is dropped, since only an attack or a
//! broken sender makes such fragments (RFC 1858, RFC 5722 for the same in IPv6).

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use smallvec::SmallVec;
use trunkline_core::{Frame, Instant, PortId};
use trunkline_wire::ipv4::{Header, MAX_LEN, Protocol};

use crate::HEADROOM;
use crate::config::Config;
use crate::counters::DropReason;

/// Holes that a datagram may have. Fragments in order make one; 128 are enough for any order at an MTU of 576 octets.
pub(crate) const MAX_HOLES: usize = 128;

/// What a datagram counts for beside its buffer, octets.
const OVERHEAD: usize = 256;

/// The end of the hole whose end is not known yet.
const OPEN: usize = usize::MAX;

/// What the fragments of a datagram have in common (RFC 791 §3.2).
type Key = (Ipv4Addr, Ipv4Addr, Protocol, u16);

#[derive(Debug)]
struct Datagram {
    /// When it is given up, and its place among those with the same time.
    due: (Instant, u64),
    buffer: Vec<u8>,
    /// From the first octet missing to the one after the last, in no order.
    holes: SmallVec<[(usize, usize); 4]>,
    /// The header of the first fragment and the length of its payload.
    first: Option<(Header, usize)>,
    /// Which of the four ECN codepoints its fragments had.
    ecn: u8,
    interface: PortId,
}

/// A datagram that was given up because fragments were missing.
#[derive(Debug)]
pub(crate) struct Expired {
    /// By which interface its fragments came.
    pub(crate) interface: PortId,
    pub(crate) source: Ipv4Addr,
    pub(crate) destination: Ipv4Addr,
    /// Its first fragment, where that was there: about it an error may be sent (RFC 1122 §3.3.2).
    pub(crate) first: Option<(Header, Vec<u8>)>,
}

/// All datagrams of which fragments are missing.
#[derive(Debug)]
pub(crate) struct Reassembly {
    datagrams: HashMap<Key, Datagram, FixedState>,
    due: BTreeMap<(Instant, u64), Key>,
    per_source: HashMap<Ipv4Addr, usize, FixedState>,
    octets: usize,
    serial: u64,
}

/// What became of a fragment.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Added {
    /// The whole datagram, after [`HEADROOM`] octets; `None`: something is missing yet. Or why it was dropped.
    pub(crate) result: Result<Option<Frame>, DropReason>,
    /// How many datagrams were given up to make room.
    pub(crate) evicted: usize,
}

impl Reassembly {
    pub(crate) fn new(seed: u64) -> Reassembly {
        Reassembly {
            datagrams: HashMap::with_hasher(FixedState::with_seed(seed)),
            due: BTreeMap::new(),
            per_source: HashMap::with_hasher(FixedState::with_seed(seed)),
            octets: 0,
            serial: 0,
        }
    }

    /// Takes a fragment.
    pub(crate) fn add(
        &mut self,
        now: Instant,
        config: &Config,
        interface: PortId,
        header: &Header,
        payload: &[u8],
    ) -> Added {
        let start = usize::from(header.fragment_offset);
        let end = start + payload.len();
        // RFC 791 §3.2: all but the last are multiples of 8; a datagram has at most 65,535 octets.
        let odd = header.more_fragments && !payload.len().is_multiple_of(8);
        if payload.is_empty() || odd || header.header_len() + end > MAX_LEN {
            return Added { result: Err(DropReason::BadFragment), evicted: 0 };
        }
        let key = (header.source, header.destination, header.protocol, header.identification);
        let mut evicted = 0;
        if !self.datagrams.contains_key(&key) {
            let same_source = self.per_source.get(&header.source).copied().unwrap_or_default();
            if config.max_reassemblies == 0 || same_source >= config.max_reassemblies_per_source {
                return Added { result: Err(DropReason::ReassemblyLimit), evicted };
            }
            while self.datagrams.len() >= config.max_reassemblies && self.evict_oldest(None) {
                evicted += 1;
            }
            self.start(now + config.reassembly_timeout, key, interface);
        }
        let Some(datagram) = self.datagrams.get_mut(&key) else {
            return Added { result: Err(DropReason::ReassemblyLimit), evicted };
        };
        let before = datagram.buffer.capacity();
        let filled = datagram.fill(header, start, payload);
        self.octets += datagram.buffer.capacity() - before;
        match filled {
            Err(reason) => {
                self.take(key);
                return Added { result: Err(reason), evicted };
            }
            Ok(true) => {
                let whole = self.take(key).map_or(Err(DropReason::BadFragment), Datagram::whole);
                return Added { result: whole.map(Some), evicted };
            }
            Ok(false) => {}
        }
        while self.octets > config.max_reassembly_octets {
            if self.evict_oldest(Some(key)) {
                evicted += 1;
            } else {
                self.take(key);
                return Added { result: Err(DropReason::ReassemblyLimit), evicted };
            }
        }
        Added { result: Ok(None), evicted }
    }

    fn start(&mut self, at: Instant, key: Key, interface: PortId) {
        self.serial += 1;
        let due = (at, self.serial);
        let holes = SmallVec::from_slice(&[(0, OPEN)]);
        let datagram = Datagram { due, buffer: Vec::new(), holes, first: None, ecn: 0, interface };
        self.datagrams.insert(key, datagram);
        self.due.insert(due, key);
        *self.per_source.entry(key.0).or_default() += 1;
        self.octets += OVERHEAD;
    }

    fn take(&mut self, key: Key) -> Option<Datagram> {
        let datagram = self.datagrams.remove(&key)?;
        self.due.remove(&datagram.due);
        self.octets -= OVERHEAD + datagram.buffer.capacity();
        if let Some(count) = self.per_source.get_mut(&key.0) {
            *count -= 1;
            if *count == 0 {
                self.per_source.remove(&key.0);
            }
        }
        Some(datagram)
    }

    /// Gives up the oldest datagram that is not `but`; false where there is none.
    fn evict_oldest(&mut self, but: Option<Key>) -> bool {
        let oldest = self.due.values().find(|key| Some(**key) != but).copied();
        oldest.and_then(|key| self.take(key)).is_some()
    }

    /// When to call [`Reassembly::expire`].
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.due.keys().next().map(|(at, _)| *at)
    }

    /// Gives up the oldest datagram whose time is over.
    pub(crate) fn expire(&mut self, now: Instant) -> Option<Expired> {
        let (&(at, _), &key) = self.due.first_key_value()?;
        if at > now {
            return None;
        }
        let datagram = self.take(key)?;
        let first = datagram.first.map(|(header, len)| {
            let mut packet = Vec::with_capacity(header.header_len() + len);
            header.emit(len, &mut packet);
            packet.extend_from_slice(datagram.buffer.get(..len).unwrap_or_default());
            (header, packet)
        });
        Some(Expired { interface: datagram.interface, source: key.0, destination: key.1, first })
    }

    /// Datagrams that wait, and the octets that they hold.
    #[cfg(test)]
    pub(crate) fn held(&self) -> (usize, usize) {
        debug_assert_eq!(self.datagrams.len(), self.due.len());
        (self.datagrams.len(), self.octets)
    }
}

impl Datagram {
    /// Puts a fragment in; whether the datagram is whole now.
    fn fill(&mut self, header: &Header, start: usize, payload: &[u8]) -> Result<bool, DropReason> {
        let end = start + payload.len();
        let touched = self.holes.iter().position(|&(from, to)| start < to && from < end);
        let Some(index) = touched else {
            // A duplicate. What is beyond the last fragment's end is in no hole and not in the buffer.
            let same = self.buffer.get(start..end) == Some(payload);
            return if same { Ok(false) } else { Err(DropReason::FragmentOverlap) };
        };
        let (from, to) = self.holes.swap_remove(index);
        // The last fragment cannot lie before others.
        if start < from || end > to || (!header.more_fragments && to != OPEN) {
            return Err(DropReason::FragmentOverlap);
        }
        if from < start {
            self.holes.push((from, start));
        }
        if header.more_fragments && end < to {
            self.holes.push((end, to));
        }
        if self.holes.len() > MAX_HOLES {
            return Err(DropReason::ReassemblyLimit);
        }
        if self.buffer.len() < end {
            self.buffer.resize(end, 0);
        }
        if let Some(place) = self.buffer.get_mut(start..end) {
            place.copy_from_slice(payload);
        }
        if start == 0 {
            self.first = Some((*header, payload.len()));
        }
        self.ecn |= 1 << (header.tos & 3);
        Ok(self.holes.is_empty())
    }

    /// The datagram, with the header of its first fragment.
    fn whole(self) -> Result<Frame, DropReason> {
        const NOT_ECT: u8 = 1 << 0;
        const CE: u8 = 1 << 3;
        let (mut header, _) = self.first.ok_or(DropReason::BadFragment)?;
        // RFC 3168 §5.3: congestion that one fragment met, the datagram met; but not where another denies ECN.
        if self.ecn & CE != 0 {
            if self.ecn & NOT_ECT != 0 {
                return Err(DropReason::BadFragment);
            }
            header.tos |= 3;
        }
        header.more_fragments = false;
        if header.header_len() + self.buffer.len() > MAX_LEN {
            return Err(DropReason::BadFragment);
        }
        let mut packet = Vec::with_capacity(HEADROOM + header.header_len() + self.buffer.len());
        packet.resize(HEADROOM, 0);
        header.emit(self.buffer.len(), &mut packet);
        packet.extend_from_slice(&self.buffer);
        Ok(Frame::from(packet))
    }
}
