//! Reads the records of pcapng and pcap, of either byte order, one by one from wherever their octets come.

use super::{
    BYTE_ORDER_MAGIC, ENHANCED_PACKET, IF_DESCRIPTION, IF_NAME, IF_TSOFFSET, IF_TSRESOL,
    INTERFACE_DESCRIPTION, INTERFACE_STATISTICS, ISB_IFDROP, OBSOLETE_PACKET, OPT_COMMENT, OPT_END_OF_OPT,
    SECTION_HEADER, SIMPLE_PACKET,
};
use crate::Malformed;

/// The most octets of one record; what claims more is no record.
pub const MAX_RECORD: usize = 16 << 20;

/// The most interfaces of a file.
const MAX_INTERFACES: usize = 65_536;

/// The magic numbers of pcap: times in microseconds, in nanoseconds.
const PCAP_MICROSECONDS: u32 = 0xa1b2_c3d4;
const PCAP_NANOSECONDS: u32 = 0xa1b2_3c4d;

/// Octets of the header of a pcap file, and of that of a packet in it.
const PCAP_HEADER: usize = 24;
const PCAP_RECORD: usize = 16;

/// `if_tsresol` where an interface does not say it: microseconds.
const MICROSECONDS: u8 = 6;

/// A packet of a capture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet<'a> {
    /// Its interface: an index of [`Decoder::interfaces`].
    pub interface: u32,
    /// When, in nanoseconds since 1970; 0 where the file does not say.
    pub nanos: u64,
    /// What was captured of it.
    pub frame: &'a [u8],
    /// How many octets it had.
    pub original_length: u32,
    /// Its first comment, where it is UTF-8.
    pub comment: Option<&'a str>,
}

/// An interface of a capture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CapturedInterface {
    /// Its name; empty where the file has none.
    pub name: String,
    /// More about it; empty where the file has none.
    pub description: String,
    /// What its packets begin with; [`LINKTYPE_ETHERNET`](super::LINKTYPE_ETHERNET) for Ethernet.
    pub link_type: u16,
    snap_len: u32,
    resolution: u8,
    /// Seconds that are to be added.
    offset: i64,
}

/// What the octets begin with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Record<'a> {
    /// A whole record.
    Whole {
        /// Its octets, to be passed over before the next call.
        len: usize,
        /// The packet, if it is one.
        packet: Option<Packet<'a>>,
    },
    /// The record is not whole.
    Needs {
        /// So many octets will do, or lead further.
        len: usize,
    },
}

/// Reads records; holds no octets, but what the file says of its interfaces.
#[derive(Debug, Clone, Default)]
pub struct Decoder {
    /// None before the first record.
    format: Option<Format>,
    big_endian: bool,
    interfaces: Vec<CapturedInterface>,
    /// Index of the first interface of this section.
    section: usize,
    dropped: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Pcapng,
    Pcap,
}

impl Decoder {
    /// The interfaces that were described so far, of all sections.
    pub fn interfaces(&self) -> &[CapturedInterface] {
        &self.interfaces
    }

    /// Packets that the capturing program says it lost for want of room (`isb_ifdrop`), so far.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Reads the record that `octets` begin with.
    ///
    /// # Errors
    ///
    /// The octets are no record; nothing after them can be read.
    #[inline]
    pub fn next<'a>(&mut self, octets: &'a [u8]) -> Result<Record<'a>, Malformed> {
        match self.format {
            Some(Format::Pcap) => self.pcap_record(octets),
            Some(Format::Pcapng) => self.block(octets),
            None => self.file_header(octets),
        }
    }

    /// Whether the record that `octets` begin with is whole, as far as its length says; before the first record unknown,
    /// and so no.
    pub fn has_whole(&self, octets: &[u8]) -> bool {
        let (at, before) = match self.format {
            Some(Format::Pcap) => (8, PCAP_RECORD),
            Some(Format::Pcapng) => (4, 0),
            None => return false,
        };
        let length = octets.get(at..).and_then(<[u8]>::first_chunk);
        length.is_some_and(|length| number(self.big_endian, *length) as usize + before <= octets.len())
    }

    fn file_header<'a>(&mut self, octets: &'a [u8]) -> Result<Record<'a>, Malformed> {
        let Some(magic) = octets.first_chunk::<4>() else { return Ok(Record::Needs { len: 4 }) };
        for big_endian in [false, true] {
            let resolution = match number(big_endian, *magic) {
                SECTION_HEADER => {
                    self.format = Some(Format::Pcapng);
                    return self.block(octets);
                }
                PCAP_MICROSECONDS => MICROSECONDS,
                PCAP_NANOSECONDS => 9,
                _ => continue,
            };
            let mut fields = Fields { rest: octets, big_endian };
            fields.skip(16);
            let (Some(snap_len), Some(link_type)) = (fields.u32(), fields.u32()) else {
                return Ok(Record::Needs { len: PCAP_HEADER });
            };
            (self.format, self.big_endian) = (Some(Format::Pcap), big_endian);
            // The upper half says whether frames end with a frame check sequence.
            let link_type = link_type as u16;
            let (name, description) = (String::new(), String::new());
            let interface =
                CapturedInterface { name, description, link_type, snap_len, resolution, offset: 0 };
            self.interfaces.push(interface);
            return Ok(Record::Whole { len: PCAP_HEADER, packet: None });
        }
        Err(Malformed::value("capture file magic number"))
    }

    #[inline]
    fn pcap_record<'a>(&self, octets: &'a [u8]) -> Result<Record<'a>, Malformed> {
        let mut fields = Fields { rest: octets, big_endian: self.big_endian };
        let (Some(seconds), Some(fraction), Some(length), Some(original_length)) =
            (fields.u32(), fields.u32(), fields.u32(), fields.u32())
        else {
            return Ok(Record::Needs { len: PCAP_RECORD });
        };
        if length as usize > MAX_RECORD {
            return Err(Malformed::length("pcap captured packet length"));
        }
        let len = PCAP_RECORD + length as usize;
        let Some(frame) = octets.get(PCAP_RECORD..len) else { return Ok(Record::Needs { len }) };
        let unit = match self.interfaces.first() {
            Some(CapturedInterface { resolution: 9, .. }) => 1,
            _ => 1000,
        };
        let nanos = u64::from(seconds) * 1_000_000_000 + u64::from(fraction) * unit;
        let packet = Packet { interface: 0, nanos, frame, original_length, comment: None };
        Ok(Record::Whole { len, packet: Some(packet) })
    }

    fn block<'a>(&mut self, octets: &'a [u8]) -> Result<Record<'a>, Malformed> {
        let Some(&[t0, t1, t2, t3, l0, l1, l2, l3, m0, m1, m2, m3]) = octets.first_chunk::<12>() else {
            return Ok(Record::Needs { len: 12 });
        };
        let (block_type, length, magic) = ([t0, t1, t2, t3], [l0, l1, l2, l3], [m0, m1, m2, m3]);
        // The type of a section header is the same in both byte orders; how to read the rest, its magic says.
        let mut big_endian = self.big_endian;
        let begins = number(false, block_type) == SECTION_HEADER;
        if begins {
            big_endian = match (number(false, magic), number(true, magic)) {
                (BYTE_ORDER_MAGIC, _) => false,
                (_, BYTE_ORDER_MAGIC) => true,
                _ => return Err(Malformed::value("pcapng byte-order magic")),
            };
        }
        let len = number(big_endian, length) as usize;
        if !(12..=MAX_RECORD).contains(&len) || !len.is_multiple_of(4) {
            return Err(Malformed::length("pcapng block total length"));
        }
        let Some(body) = octets.get(..len).and_then(|block| block.get(8..len - 4)) else {
            return Ok(Record::Needs { len });
        };
        if begins {
            (self.big_endian, self.section) = (big_endian, self.interfaces.len());
        }
        let body = Fields { rest: body, big_endian };
        let packet = match number(big_endian, block_type) {
            INTERFACE_DESCRIPTION => {
                self.describe(body)?;
                None
            }
            INTERFACE_STATISTICS => {
                self.statistics(body);
                None
            }
            ENHANCED_PACKET => Some(self.enhanced(body)?),
            SIMPLE_PACKET => Some(self.simple(body)?),
            OBSOLETE_PACKET => Some(self.obsolete(body)?),
            _ => None,
        };
        Ok(Record::Whole { len, packet })
    }

    fn describe(&mut self, body: Fields<'_>) -> Result<(), Malformed> {
        let interface = interface(body).ok_or(Malformed::truncated("pcapng interface description"))?;
        if self.interfaces.len() >= MAX_INTERFACES {
            return Err(Malformed::value("pcapng number of interfaces"));
        }
        self.interfaces.push(interface);
        Ok(())
    }

    /// §4.6: interface, two halves of a time, options.
    fn statistics(&mut self, mut body: Fields<'_>) {
        body.skip(12);
        while let Some((code, value)) = body.option() {
            if let (ISB_IFDROP, Some(octets)) = (code, value.first_chunk::<8>()) {
                self.dropped = self.dropped.saturating_add(body.long(*octets));
            }
        }
    }

    fn interface(&self, id: u32) -> Result<(u32, &CapturedInterface), Malformed> {
        let index = self.section.saturating_add(id as usize);
        let interface = self.interfaces.get(index).ok_or(Malformed::value("pcapng interface ID"))?;
        Ok((index as u32, interface))
    }

    fn enhanced<'a>(&self, mut body: Fields<'a>) -> Result<Packet<'a>, Malformed> {
        let id = body.u32().ok_or(Malformed::truncated("pcapng enhanced packet"))?;
        self.packet(id, body, "pcapng enhanced packet")
    }

    /// §A: the Packet Block, which older programs write: the interface has two octets, a counter of drops follows.
    fn obsolete<'a>(&self, mut body: Fields<'a>) -> Result<Packet<'a>, Malformed> {
        let id = body.u16().ok_or(Malformed::truncated("pcapng packet"))?;
        body.skip(2);
        self.packet(id.into(), body, "pcapng packet")
    }

    fn packet<'a>(&self, id: u32, mut body: Fields<'a>, what: &'static str) -> Result<Packet<'a>, Malformed> {
        let truncated = Malformed::truncated(what);
        let mut field = || body.u32().ok_or(truncated);
        let (high, low, length, original_length) = (field()?, field()?, field()?, field()?);
        let (index, interface) = self.interface(id)?;
        let nanos = interface.nanos(u64::from(high) << 32 | u64::from(low));
        let frame = body.padded(length as usize).ok_or(truncated)?;
        let mut comment = None;
        while let Some((code, value)) = body.option() {
            if code == OPT_COMMENT && comment.is_none() {
                comment = str::from_utf8(value).ok();
            }
        }
        Ok(Packet { interface: index, nanos, frame, original_length, comment })
    }

    fn simple<'a>(&self, mut body: Fields<'a>) -> Result<Packet<'a>, Malformed> {
        let truncated = Malformed::truncated("pcapng simple packet");
        let original_length = body.u32().ok_or(truncated)?;
        let (index, interface) = self.interface(0)?;
        let length = match interface.snap_len {
            0 => original_length,
            snap_len => original_length.min(snap_len),
        };
        let frame = body.padded(length as usize).ok_or(truncated)?;
        Ok(Packet { interface: index, nanos: 0, frame, original_length, comment: None })
    }
}

impl CapturedInterface {
    /// Nanoseconds of a timestamp in units of this interface.
    fn nanos(&self, timestamp: u64) -> u64 {
        let timestamp = u128::from(timestamp);
        let exponent = u32::from(self.resolution & 0x7f);
        let nanos = if self.resolution & 0x80 != 0 {
            (timestamp * 1_000_000_000) >> exponent
        } else if exponent <= 9 {
            timestamp * 10u128.pow(9 - exponent)
        } else {
            10u128.checked_pow(exponent - 9).map_or(0, |unit| timestamp / unit)
        };
        let offset = i128::from(self.offset) * 1_000_000_000;
        u64::try_from((nanos as i128).saturating_add(offset).max(0)).unwrap_or(u64::MAX)
    }
}

/// The body of an interface description block.
fn interface(mut body: Fields<'_>) -> Option<CapturedInterface> {
    let link_type = body.u16()?;
    body.skip(2);
    let snap_len = body.u32()?;
    let mut interface = CapturedInterface {
        name: String::new(),
        description: String::new(),
        link_type,
        snap_len,
        resolution: MICROSECONDS,
        offset: 0,
    };
    while let Some((code, value)) = body.option() {
        match (code, value) {
            (IF_NAME, _) => interface.name = text(value),
            (IF_DESCRIPTION, _) => interface.description = text(value),
            (IF_TSRESOL, &[resolution, ..]) => interface.resolution = resolution,
            (IF_TSOFFSET, _) => {
                if let Some(octets) = value.first_chunk::<8>() {
                    interface.offset = body.long(*octets) as i64;
                }
            }
            _ => {}
        }
    }
    Some(interface)
}

fn text(value: &[u8]) -> String {
    String::from_utf8_lossy(value).into_owned()
}

const fn number(big_endian: bool, octets: [u8; 4]) -> u32 {
    if big_endian { u32::from_be_bytes(octets) } else { u32::from_le_bytes(octets) }
}

/// Reads fields of the file's byte order.
#[derive(Debug, Clone, Copy)]
struct Fields<'a> {
    rest: &'a [u8],
    big_endian: bool,
}

impl<'a> Fields<'a> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, tail) = self.rest.split_first_chunk::<N>()?;
        self.rest = tail;
        Some(*head)
    }

    fn u16(&mut self) -> Option<u16> {
        let octets = self.array()?;
        Some(if self.big_endian { u16::from_be_bytes(octets) } else { u16::from_le_bytes(octets) })
    }

    fn u32(&mut self) -> Option<u32> {
        Some(number(self.big_endian, self.array()?))
    }

    fn long(&self, octets: [u8; 8]) -> u64 {
        if self.big_endian { u64::from_be_bytes(octets) } else { u64::from_le_bytes(octets) }
    }

    fn skip(&mut self, len: usize) {
        self.rest = self.rest.get(len..).unwrap_or_default();
    }

    /// Octets, and then as many more as fill them up to a multiple of four.
    fn padded(&mut self, len: usize) -> Option<&'a [u8]> {
        let (octets, _) = self.rest.split_at_checked(len)?;
        self.skip(len.next_multiple_of(4));
        Some(octets)
    }

    /// The next option; `None` after the last.
    fn option(&mut self) -> Option<(u16, &'a [u8])> {
        let code = self.u16()?;
        let len = self.u16()?;
        if code == OPT_END_OF_OPT {
            return None;
        }
        Some((code, self.padded(usize::from(len))?))
    }
}
