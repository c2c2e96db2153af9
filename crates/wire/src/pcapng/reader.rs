//! Reads pcapng and pcap, of either byte order.

use super::{
    BYTE_ORDER_MAGIC, ENHANCED_PACKET, IF_DESCRIPTION, IF_NAME, IF_TSOFFSET, IF_TSRESOL,
    INTERFACE_DESCRIPTION, OPT_COMMENT, OPT_END_OF_OPT, SECTION_HEADER, SIMPLE_PACKET,
};
use crate::Malformed;

/// The magic numbers of pcap: times in microseconds, in nanoseconds.
const PCAP_MICROSECONDS: u32 = 0xa1b2_c3d4;
const PCAP_NANOSECONDS: u32 = 0xa1b2_3c4d;

/// `if_tsresol` where an interface does not say it: microseconds.
const MICROSECONDS: u8 = 6;

/// A packet of a capture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet<'a> {
    /// Its interface: an index of [`Reader::interfaces`].
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
pub struct CapturedInterface<'a> {
    /// Its name; empty where the file has none.
    pub name: &'a str,
    /// More about it; empty where the file has none.
    pub description: &'a str,
    /// What its packets begin with; [`LINKTYPE_ETHERNET`](super::LINKTYPE_ETHERNET) for Ethernet.
    pub link_type: u16,
    snap_len: u32,
    resolution: u8,
    /// Seconds that are to be added.
    offset: i64,
}

/// Reads the packets of a capture in their order; ends with the first fault.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    rest: &'a [u8],
    format: Format,
    big_endian: bool,
    interfaces: Vec<CapturedInterface<'a>>,
    /// Index of the first interface of this section.
    section: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Pcapng,
    Pcap,
}

impl<'a> Reader<'a> {
    /// Looks at what the file is; a file of neither format is refused.
    pub fn new(file: &'a [u8]) -> Result<Reader<'a>, Malformed> {
        let magic = file.first_chunk::<4>().ok_or(Malformed::truncated("capture file magic number"))?;
        let reader = |format, big_endian| Reader {
            rest: file,
            format,
            big_endian,
            interfaces: Vec::new(),
            section: 0,
        };
        for big_endian in [false, true] {
            let resolution = match number(big_endian, *magic) {
                SECTION_HEADER => return Ok(reader(Format::Pcapng, false)),
                PCAP_MICROSECONDS => MICROSECONDS,
                PCAP_NANOSECONDS => 9,
                _ => continue,
            };
            let mut reader = reader(Format::Pcap, big_endian);
            let header = reader.octets(24).ok_or(Malformed::truncated("pcap file header"))?;
            let mut fields = Fields { rest: header, big_endian };
            fields.skip(16);
            let (Some(snap_len), Some(link_type)) = (fields.u32(), fields.u32()) else {
                return Err(Malformed::truncated("pcap file header"));
            };
            // The upper half says whether frames end with a frame check sequence.
            let link_type = link_type as u16;
            reader.interfaces.push(CapturedInterface {
                name: "",
                description: "",
                link_type,
                snap_len,
                resolution,
                offset: 0,
            });
            return Ok(reader);
        }
        Err(Malformed::value("capture file magic number"))
    }

    /// The interfaces that were described so far, of all sections.
    pub fn interfaces(&self) -> &[CapturedInterface<'a>] {
        &self.interfaces
    }

    fn octets(&mut self, len: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.rest.split_at_checked(len)?;
        self.rest = tail;
        Some(head)
    }

    fn next_pcap(&mut self) -> Result<Packet<'a>, Malformed> {
        let truncated = Malformed::truncated("pcap packet record");
        let mut fields = Fields { rest: self.octets(16).ok_or(truncated)?, big_endian: self.big_endian };
        let mut field = || fields.u32().ok_or(truncated);
        let (seconds, fraction, length, original_length) = (field()?, field()?, field()?, field()?);
        let frame = self.octets(length as usize).ok_or(truncated)?;
        let unit = match self.interfaces.first() {
            Some(CapturedInterface { resolution: 9, .. }) => 1,
            _ => 1000,
        };
        let nanos = u64::from(seconds) * 1_000_000_000 + u64::from(fraction) * unit;
        Ok(Packet { interface: 0, nanos, frame, original_length, comment: None })
    }

    /// The next block; a packet where it is one.
    fn next_block(&mut self) -> Result<Option<Packet<'a>>, Malformed> {
        let truncated = Malformed::truncated("pcapng block");
        let mut fields = Fields { rest: self.rest, big_endian: self.big_endian };
        let block_type = fields.array().ok_or(truncated)?;
        // The type of a section header is the same in both byte orders; how to read the rest, its magic says.
        if number(false, block_type) == SECTION_HEADER {
            let magic = self.rest.get(8..).and_then(<[u8]>::first_chunk::<4>).ok_or(truncated)?;
            self.big_endian = match (number(false, *magic), number(true, *magic)) {
                (BYTE_ORDER_MAGIC, _) => false,
                (_, BYTE_ORDER_MAGIC) => true,
                _ => return Err(Malformed::value("pcapng byte-order magic")),
            };
            fields.big_endian = self.big_endian;
            self.section = self.interfaces.len();
        }
        let total_length = fields.u32().ok_or(truncated)? as usize;
        if total_length < 12 || !total_length.is_multiple_of(4) {
            return Err(Malformed::length("pcapng block total length"));
        }
        let block = self.octets(total_length).ok_or(Malformed::truncated("pcapng block total length"))?;
        let body = block.get(8..total_length - 4).ok_or(truncated)?;
        let body = Fields { rest: body, big_endian: self.big_endian };
        match number(self.big_endian, block_type) {
            INTERFACE_DESCRIPTION => {
                self.interfaces
                    .push(interface(body).ok_or(Malformed::truncated("pcapng interface description"))?);
                Ok(None)
            }
            ENHANCED_PACKET => self.enhanced(body).map(Some),
            SIMPLE_PACKET => self.simple(body).map(Some),
            _ => Ok(None),
        }
    }

    fn interface(&self, id: u32) -> Result<(u32, &CapturedInterface<'a>), Malformed> {
        let index = self.section.saturating_add(id as usize);
        let interface = self.interfaces.get(index).ok_or(Malformed::value("pcapng interface ID"))?;
        Ok((index as u32, interface))
    }

    fn enhanced(&self, mut body: Fields<'a>) -> Result<Packet<'a>, Malformed> {
        let truncated = Malformed::truncated("pcapng enhanced packet");
        let mut field = || body.u32().ok_or(truncated);
        let (id, high, low, length, original_length) = (field()?, field()?, field()?, field()?, field()?);
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

    fn simple(&self, mut body: Fields<'a>) -> Result<Packet<'a>, Malformed> {
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

impl<'a> Iterator for Reader<'a> {
    type Item = Result<Packet<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.rest.is_empty() {
            let packet = match self.format {
                Format::Pcap => self.next_pcap().map(Some),
                Format::Pcapng => self.next_block(),
            };
            if packet.is_err() {
                self.rest = &[];
            }
            if let Some(packet) = packet.transpose() {
                return Some(packet);
            }
        }
        None
    }
}

impl CapturedInterface<'_> {
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
fn interface(mut body: Fields<'_>) -> Option<CapturedInterface<'_>> {
    let link_type = body.u16()?;
    body.skip(2);
    let snap_len = body.u32()?;
    let mut interface = CapturedInterface {
        name: "",
        description: "",
        link_type,
        snap_len,
        resolution: MICROSECONDS,
        offset: 0,
    };
    while let Some((code, value)) = body.option() {
        match (code, value) {
            (IF_NAME, _) => interface.name = str::from_utf8(value).unwrap_or_default(),
            (IF_DESCRIPTION, _) => interface.description = str::from_utf8(value).unwrap_or_default(),
            (IF_TSRESOL, &[resolution, ..]) => interface.resolution = resolution,
            (IF_TSOFFSET, _) => {
                if let Some(octets) = value.first_chunk::<8>() {
                    let order = if body.big_endian { i64::from_be_bytes } else { i64::from_le_bytes };
                    interface.offset = order(*octets);
                }
            }
            _ => {}
        }
    }
    Some(interface)
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
