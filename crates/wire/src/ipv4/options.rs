//! IPv4 options (RFC 791 §3.1): kept as they stand in the header, read one after the other.

use std::fmt;
use std::net::Ipv4Addr;

use crate::Malformed;

/// Octets that options can have.
const MAX_LEN: usize = 40;

const END_OF_LIST: u8 = 0;
const NO_OPERATION: u8 = 1;
const RECORD_ROUTE: u8 = 7;
const TIMESTAMP: u8 = 68;
const LOOSE_SOURCE_ROUTE: u8 = 131;
const STRICT_SOURCE_ROUTE: u8 = 137;
const ROUTER_ALERT: u8 = 148;

/// The bit of an option's kind that says: into every fragment (RFC 791 §3.1).
const COPIED: u8 = 0x80;

/// All options of a header, a multiple of four octets, at most 40; copying it is copying 41 octets.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Options {
    len: u8,
    octets: [u8; MAX_LEN],
}

/// One option.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Opt<'a> {
    /// End of Option List; what follows is padding.
    EndOfList,
    /// No Operation: fills the space between options.
    NoOperation,
    /// Record Route.
    RecordRoute {
        /// Where the next address goes, counted from 1 at the option's first octet; at least 4.
        pointer: u8,
        /// The addresses, recorded and free.
        data: &'a [u8],
    },
    /// Loose Source and Record Route.
    LooseSourceRoute {
        /// Where the next address stands, counted from 1 at the option's first octet; at least 4.
        pointer: u8,
        /// The addresses, passed and to come.
        data: &'a [u8],
    },
    /// Strict Source and Record Route.
    StrictSourceRoute {
        /// Where the next address stands, counted from 1 at the option's first octet; at least 4.
        pointer: u8,
        /// The addresses, passed and to come.
        data: &'a [u8],
    },
    /// Internet Timestamp.
    Timestamp {
        /// Where the next timestamp goes, counted from 1 at the option's first octet; at least 5.
        pointer: u8,
        /// How many could not register for lack of space, 0 to 15.
        overflow: u8,
        /// 0: timestamps only; 1: with addresses; 3: addresses prespecified.
        flag: u8,
        /// The entries.
        data: &'a [u8],
    },
    /// Router Alert (RFC 2113); 0 means that routers shall look at the packet.
    RouterAlert(u16),
    /// Another one.
    Unknown {
        /// Its kind: copied flag, class and number.
        kind: u8,
        /// Its octets after kind and length.
        data: &'a [u8],
    },
}

/// A source route, loose or strict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SourceRoute<'a> {
    /// Whether the packet may not pass other gateways between two addresses.
    pub strict: bool,
    /// Where the next address stands, counted from 1 at the option's first octet; at least 4.
    pub pointer: u8,
    /// The addresses, passed and to come.
    pub data: &'a [u8],
}

impl SourceRoute<'_> {
    /// The address to which the packet goes from its destination on; `None` at the end of the route.
    pub fn next_hop(&self) -> Option<Ipv4Addr> {
        let at = usize::from(self.pointer).checked_sub(4)?;
        self.data.get(at..)?.first_chunk::<4>().copied().map(Ipv4Addr::from)
    }
}

impl Options {
    /// No options.
    pub const NONE: Options = Options { len: 0, octets: [0; MAX_LEN] };

    /// Options from their octets in a header, padded with End of Option List; at most 40.
    #[inline]
    pub fn from_raw(raw: &[u8]) -> Result<Options, Malformed> {
        let mut options = Options::NONE;
        let space = options.octets.get_mut(..raw.len()).ok_or(Malformed::length("IPv4 options"))?;
        space.copy_from_slice(raw);
        options.len = raw.len().next_multiple_of(4) as u8;
        Ok(options)
    }

    /// Options one after the other; refused where they have more than 40 octets, or one of them a value out of range.
    pub fn new(opts: &[Opt<'_>]) -> Result<Options, Malformed> {
        let mut raw = Vec::with_capacity(MAX_LEN);
        for opt in opts {
            opt.emit(&mut raw);
        }
        let options = Options::from_raw(&raw)?;
        options.iter().try_for_each(|opt| opt.map(drop))?;
        Ok(options)
    }

    /// The octets as they stand in the header.
    #[inline]
    pub fn raw(&self) -> &[u8] {
        self.octets.get(..usize::from(self.len)).unwrap_or_default()
    }

    /// How many octets they have: a multiple of four, at most 40.
    #[inline]
    pub const fn len(&self) -> usize {
        self.len as usize
    }

    /// Whether there are none.
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// One option after the other, up to the end of the list or the first fault.
    pub fn iter(&self) -> Iter<'_> {
        Iter { raw: self.raw(), next: 0, last: 0 }
    }

    /// The first source route, where there is one and all before it is well formed.
    pub fn source_route(&self) -> Option<SourceRoute<'_>> {
        self.iter().map_while(Result::ok).find_map(|opt| match opt {
            Opt::LooseSourceRoute { pointer, data } => Some(SourceRoute { strict: false, pointer, data }),
            Opt::StrictSourceRoute { pointer, data } => Some(SourceRoute { strict: true, pointer, data }),
            _ => None,
        })
    }

    /// The options of the fragments after the first: those whose copied flag is set (RFC 791 §3.2).
    pub fn copied_on_fragmentation(&self) -> Options {
        let mut copied = Options::NONE;
        let mut len = 0;
        let mut iter = self.iter();
        while let Some(Ok(_)) = iter.next() {
            let octets = self.raw().get(iter.last..iter.next).unwrap_or_default();
            if octets.first().is_some_and(|kind| kind & COPIED != 0)
                && let Some(space) = copied.octets.get_mut(len..len + octets.len())
            {
                space.copy_from_slice(octets);
                len += octets.len();
            }
        }
        copied.len = len.next_multiple_of(4) as u8;
        copied
    }

    /// Goes one step along the source route: gives the next address, which becomes the packet's destination, and
    /// writes `recorded`, the address of the interface that the packet leaves by, into its place (RFC 791 §3.1).
    pub fn advance_source_route(&mut self, recorded: Ipv4Addr) -> Option<Ipv4Addr> {
        let next = self.source_route()?.next_hop()?;
        self.fill(recorded, |kind| matches!(kind, LOOSE_SOURCE_ROUTE | STRICT_SOURCE_ROUTE)).then_some(next)
    }

    /// Writes an address into the free place of Record Route. Whether there was one (RFC 791 §3.1).
    pub fn record_route(&mut self, recorded: Ipv4Addr) -> bool {
        self.fill(recorded, |kind| kind == RECORD_ROUTE)
    }

    /// Writes an address where the pointer of the first such option points, and moves the pointer on.
    fn fill(&mut self, recorded: Ipv4Addr, wanted: impl Fn(u8) -> bool) -> bool {
        let mut iter = self.iter();
        let range = loop {
            let Some(Ok(_)) = iter.next() else { return false };
            let range = iter.last..iter.next;
            if self.raw().get(range.start).is_some_and(|&kind| wanted(kind)) {
                break range;
            }
        };
        let Some([_, _, pointer, route @ ..]) = self.octets.get_mut(range) else { return false };
        let at = usize::from(*pointer).saturating_sub(4);
        let Some(place) = route.get_mut(at..).and_then(<[u8]>::first_chunk_mut::<4>) else { return false };
        *place = recorded.octets();
        *pointer += 4;
        true
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl Default for Options {
    fn default() -> Options {
        Options::NONE
    }
}

impl<'a> IntoIterator for &'a Options {
    type Item = Result<Opt<'a>, Malformed>;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

/// Goes through [`Options`].
#[derive(Debug, Clone)]
pub struct Iter<'a> {
    raw: &'a [u8],
    next: usize,
    last: usize,
}

impl Iter<'_> {
    /// Where the option that was given last begins, in octets from the start of the IPv4 header: the pointer of an
    /// ICMP Parameter Problem (RFC 792).
    pub const fn offset(&self) -> usize {
        super::LEN + self.last
    }
}

impl<'a> Iterator for Iter<'a> {
    type Item = Result<Opt<'a>, Malformed>;

    fn next(&mut self) -> Option<Result<Opt<'a>, Malformed>> {
        let rest = self.raw.get(self.next..).filter(|rest| !rest.is_empty())?;
        self.last = self.next;
        let parsed = Opt::parse(rest);
        match parsed {
            Ok((Opt::EndOfList, _)) | Err(_) => self.next = self.raw.len(),
            Ok((_, len)) => self.next += len,
        }
        Some(parsed.map(|(opt, _)| opt))
    }
}

impl<'a> Opt<'a> {
    /// The first option of these octets, and how many of them it has.
    fn parse(octets: &'a [u8]) -> Result<(Opt<'a>, usize), Malformed> {
        let (kind, len) = match octets {
            [] | [END_OF_LIST, ..] => return Ok((Opt::EndOfList, 1)),
            [NO_OPERATION, ..] => return Ok((Opt::NoOperation, 1)),
            [_] => return Err(Malformed::truncated("IPv4 option length")),
            [kind, len, ..] => (*kind, usize::from(*len)),
        };
        if len < 2 {
            return Err(Malformed::length("IPv4 option length"));
        }
        let data = octets.get(2..len).ok_or(Malformed::truncated("IPv4 option length"))?;
        let opt = match (kind, data) {
            (RECORD_ROUTE | LOOSE_SOURCE_ROUTE | STRICT_SOURCE_ROUTE, &[pointer, ref data @ ..]) => {
                if pointer < 4 {
                    return Err(Malformed::value("IPv4 option pointer"));
                }
                match kind {
                    RECORD_ROUTE => Opt::RecordRoute { pointer, data },
                    LOOSE_SOURCE_ROUTE => Opt::LooseSourceRoute { pointer, data },
                    _ => Opt::StrictSourceRoute { pointer, data },
                }
            }
            (TIMESTAMP, &[pointer, overflow_flag, ref data @ ..]) => {
                if pointer < 5 {
                    return Err(Malformed::value("IPv4 option pointer"));
                }
                Opt::Timestamp { pointer, overflow: overflow_flag >> 4, flag: overflow_flag & 0x0f, data }
            }
            (ROUTER_ALERT, &[a, b]) => Opt::RouterAlert(u16::from_be_bytes([a, b])),
            (RECORD_ROUTE | LOOSE_SOURCE_ROUTE | STRICT_SOURCE_ROUTE | TIMESTAMP | ROUTER_ALERT, _) => {
                return Err(Malformed::length("IPv4 option length"));
            }
            _ => Opt::Unknown { kind, data },
        };
        Ok((opt, len))
    }

    fn emit(&self, out: &mut Vec<u8>) {
        let mut with_length = |kind: u8, start: &[u8], data: &[u8]| {
            // More than 40 octets are refused by `Options::new` by their sum.
            out.extend_from_slice(&[kind, (2 + start.len() + data.len()).min(255) as u8]);
            out.extend_from_slice(start);
            out.extend_from_slice(data);
        };
        match *self {
            Opt::EndOfList => out.push(END_OF_LIST),
            Opt::NoOperation => out.push(NO_OPERATION),
            Opt::RecordRoute { pointer, data } => with_length(RECORD_ROUTE, &[pointer], data),
            Opt::LooseSourceRoute { pointer, data } => with_length(LOOSE_SOURCE_ROUTE, &[pointer], data),
            Opt::StrictSourceRoute { pointer, data } => with_length(STRICT_SOURCE_ROUTE, &[pointer], data),
            Opt::Timestamp { pointer, overflow, flag, data } => {
                with_length(TIMESTAMP, &[pointer, (overflow << 4) | (flag & 0x0f)], data);
            }
            Opt::RouterAlert(value) => with_length(ROUTER_ALERT, &value.to_be_bytes(), &[]),
            Opt::Unknown { kind, data } => with_length(kind, &[], data),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
    const B: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
    const OUT: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 9);

    fn all(raw: &[u8]) -> Vec<Result<Opt<'_>, Malformed>> {
        // `Options` would give what lives no longer than itself.
        Iter { raw, next: 0, last: 0 }.collect()
    }

    #[test]
    fn every_kind_octet_by_octet() {
        // RFC 791 §3.1, RFC 2113 §2.1
        for (raw, expected) in [
            (&[7, 7, 4, 0, 0, 0, 0][..], Opt::RecordRoute { pointer: 4, data: &[0; 4] }),
            (&[131, 7, 8, 1, 2, 3, 4], Opt::LooseSourceRoute { pointer: 8, data: &[1, 2, 3, 4] }),
            (&[137, 3, 4], Opt::StrictSourceRoute { pointer: 4, data: &[] }),
            (
                &[68, 8, 5, 0x31, 0, 0, 0, 1],
                Opt::Timestamp { pointer: 5, overflow: 3, flag: 1, data: &[0, 0, 0, 1] },
            ),
            (&[148, 4, 0, 0], Opt::RouterAlert(0)),
            (&[130, 3, 9], Opt::Unknown { kind: 130, data: &[9] }),
            (&[30, 2], Opt::Unknown { kind: 30, data: &[] }),
        ] {
            assert_eq!(all(raw), [Ok(expected)]);
            assert_eq!(&Options::new(&[expected]).unwrap().raw()[..raw.len()], raw);
        }
        assert_eq!(all(&[1, 1, 0, 7]), [Ok(Opt::NoOperation), Ok(Opt::NoOperation), Ok(Opt::EndOfList)]);
    }

    #[test]
    fn a_fault_ends_them_and_its_place_is_known() {
        let length = Malformed::length("IPv4 option length");
        let truncated = Malformed::truncated("IPv4 option length");
        for (raw, fault) in [
            (&[1, 7][..], truncated),
            (&[1, 7, 1, 0], length),
            (&[1, 7, 2, 0], length),
            (&[1, 7, 4, 4], truncated),
            (&[1, 68, 3, 5], length),
            (&[1, 148, 3, 5], length),
            (&[1, 131, 3, 3], Malformed::value("IPv4 option pointer")),
            (&[1, 68, 4, 4, 0], Malformed::value("IPv4 option pointer")),
        ] {
            assert_eq!(all(raw), [Ok(Opt::NoOperation), Err(fault)], "{raw:?}");
        }
        let options = Options::from_raw(&[1, 1, 1, 7]).unwrap();
        let mut iter = options.iter();
        assert!(iter.by_ref().any(|opt| opt.is_err()));
        // RFC 792, Parameter Problem: the octet where the error was detected
        assert_eq!(iter.offset(), 23);
        assert_eq!(Options::from_raw(&[1; 41]), Err(Malformed::length("IPv4 options")));
        assert!(Options::new(&[Opt::Unknown { kind: 30, data: &[0; 300] }]).is_err());
    }

    #[test]
    fn a_source_route_step_by_step() {
        // RFC 791 §3.1: the next address becomes the destination, the recorded address takes its place
        let data = [A.octets(), B.octets()];
        let opt = Opt::LooseSourceRoute { pointer: 4, data: data.as_flattened() };
        let mut options = Options::new(&[Opt::NoOperation, opt]).unwrap();
        assert_eq!(options.len(), 12);
        assert_eq!(options.source_route().and_then(|route| route.next_hop()), Some(A));
        assert_eq!(options.advance_source_route(OUT), Some(A));
        assert_eq!(options.advance_source_route(OUT), Some(B));
        assert_eq!(options.advance_source_route(OUT), None);
        let route = options.source_route().unwrap();
        assert_eq!((route.strict, route.pointer, route.next_hop()), (false, 12, None));
        assert_eq!(route.data, [OUT.octets(), OUT.octets()].as_flattened());
    }

    #[test]
    fn a_route_is_recorded_while_there_is_room() {
        let mut options = Options::new(&[Opt::RecordRoute { pointer: 4, data: &[0; 7] }]).unwrap();
        assert!(options.record_route(A));
        assert!(!options.record_route(B));
        let Some(Ok(Opt::RecordRoute { pointer: 8, data: [192, 0, 2, 1, 0, 0, 0] })) = options.iter().next()
        else {
            panic!("{options:?}");
        };
        assert!(!Options::NONE.clone().record_route(A));
    }

    #[test]
    fn some_are_copied_into_fragments() {
        // RFC 791 §3.1: the copied flag; Record Route is not copied, source routes and Router Alert are
        let options = Options::new(&[
            Opt::RecordRoute { pointer: 4, data: &[0; 4] },
            Opt::NoOperation,
            Opt::StrictSourceRoute { pointer: 4, data: &[1, 2, 3, 4] },
            Opt::RouterAlert(0),
        ])
        .unwrap();
        assert_eq!(options.copied_on_fragmentation().raw(), [137, 7, 4, 1, 2, 3, 4, 148, 4, 0, 0, 0]);
        assert!(Options::NONE.copied_on_fragmentation().is_empty());
    }
}
