//! MRT dumps (RFC 6396), read only: for tests, replay and benchmarks.
//!
//! [`records`] walks a byte slice; [`Record::body`] reads one record. A record that cannot be read is a fault and the
//! walk goes on behind it; only a header that promises more than there is ends it.
//!
//! Left out: OSPF and IS-IS records and the ADD-PATH subtypes of RFC 8050 ([`RecordBody::Unknown`]).

mod bgp4mp;
mod table_dump;

pub use bgp4mp::{Bgp4mpMessage, Bgp4mpSession, StateChange};
pub use table_dump::{PeerEntry, PeerIndexTable, Rib, RibAttributes, RibEntries, RibEntry, TableDump};

use crate::bytes::Reader;
use std::fmt;

/// MRT types (RFC 6396 §4).
mod kind {
    pub(super) const TABLE_DUMP: u16 = 12;
    pub(super) const TABLE_DUMP_V2: u16 = 13;
    pub(super) const BGP4MP: u16 = 16;
    pub(super) const BGP4MP_ET: u16 = 17;
}

/// What is wrong with a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MrtFaultKind {
    /// The dump ends inside the header.
    HeaderCut,
    /// The Length is more than what is left of the dump.
    RecordCut,
    /// A field runs beyond the record.
    FieldCut,
    /// Octets are left behind the last field.
    Trailing,
    /// A prefix length is too long for its family.
    PrefixLength,
    /// An Address Family that is neither IPv4 nor IPv6.
    AddressFamily,
    /// The View Name is no UTF-8.
    ViewName,
}

/// A record that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MrtFault {
    /// Where in the dump the record starts.
    pub offset: usize,
    /// What is wrong with it.
    pub what: MrtFaultKind,
}

impl fmt::Display for MrtFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.what {
            MrtFaultKind::HeaderCut => "ends inside its header",
            MrtFaultKind::RecordCut => "is longer than the dump",
            MrtFaultKind::FieldCut => "is too short for its fields",
            MrtFaultKind::Trailing => "has octets behind its last field",
            MrtFaultKind::PrefixLength => "has a prefix length that is too long",
            MrtFaultKind::AddressFamily => "has an address family that is neither IPv4 nor IPv6",
            MrtFaultKind::ViewName => "has a view name that is no UTF-8",
        };
        write!(f, "the MRT record at octet {} {what}", self.offset)
    }
}

impl std::error::Error for MrtFault {}

/// One record (RFC 6396 §2), its message not looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Record<'a> {
    /// Where in the dump it starts.
    pub offset: usize,
    /// Timestamp: seconds since 1970.
    pub timestamp: u32,
    /// Microsecond Timestamp of the extended types (RFC 6396 §3), otherwise 0.
    pub microseconds: u32,
    /// Type.
    pub kind: u16,
    /// Subtype.
    pub subtype: u16,
    /// Message, without the Microsecond Timestamp.
    pub message: &'a [u8],
}

/// What a record says.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum RecordBody<'a> {
    /// TABLE_DUMP (RFC 6396 §4.2): one route.
    TableDump(TableDump<'a>),
    /// PEER_INDEX_TABLE (§4.3.1).
    PeerIndexTable(PeerIndexTable<'a>),
    /// RIB_IPV4_UNICAST and its like, RIB_GENERIC (§4.3.2, §4.3.3): the routes of one prefix.
    Rib(Rib<'a>),
    /// BGP4MP_MESSAGE and its like (§4.4.2, §4.4.3, §4.4.5, §4.4.6).
    Message(Bgp4mpMessage<'a>),
    /// BGP4MP_STATE_CHANGE and BGP4MP_STATE_CHANGE_AS4 (§4.4.1, §4.4.4).
    StateChange(StateChange),
    /// A type or subtype, or a family of RIB_GENERIC, that this crate does not read.
    Unknown,
}

impl<'a> Record<'a> {
    /// Reads the message.
    pub fn body(&self) -> Result<RecordBody<'a>, MrtFault> {
        let mut r = Reader::new(self.message);
        let body = match (self.kind, self.subtype) {
            (kind::TABLE_DUMP, 1 | 2) => TableDump::parse(&mut r, self.subtype).map(RecordBody::TableDump),
            (kind::TABLE_DUMP_V2, 1) => PeerIndexTable::parse(&mut r).map(RecordBody::PeerIndexTable),
            (kind::TABLE_DUMP_V2, 2..=6) => match Rib::parse(&mut r, self.subtype) {
                Ok(Some(rib)) => Ok(RecordBody::Rib(rib)),
                Ok(None) => return Ok(RecordBody::Unknown),
                Err(what) => Err(what),
            },
            (kind::BGP4MP | kind::BGP4MP_ET, 0 | 5) => {
                StateChange::parse(&mut r, self.subtype == 5).map(RecordBody::StateChange)
            }
            (kind::BGP4MP | kind::BGP4MP_ET, 1 | 4 | 6 | 7) => {
                Bgp4mpMessage::parse(&mut r, self.subtype).map(RecordBody::Message)
            }
            _ => return Ok(RecordBody::Unknown),
        };
        match body {
            Ok(_) if !r.is_empty() => Err(self.fault(MrtFaultKind::Trailing)),
            Ok(body) => Ok(body),
            Err(what) => Err(self.fault(what)),
        }
    }

    const fn fault(&self, what: MrtFaultKind) -> MrtFault {
        MrtFault { offset: self.offset, what }
    }
}

/// Iterates over the records of a dump; after a fault it ends.
#[derive(Debug, Clone)]
pub struct Records<'a> {
    reader: Reader<'a>,
}

/// The records of a dump.
pub const fn records(dump: &[u8]) -> Records<'_> {
    Records { reader: Reader::new(dump) }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, MrtFault>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.reader.is_empty() {
            return None;
        }
        let offset = self.reader.offset();
        let record = self.record(offset);
        if record.is_err() {
            self.reader.take(self.reader.rest().len());
        }
        Some(record.map_err(|what| MrtFault { offset, what }))
    }
}

impl<'a> Records<'a> {
    fn record(&mut self, offset: usize) -> Result<Record<'a>, MrtFaultKind> {
        let r = &mut self.reader;
        let (Some(timestamp), Some(kind), Some(subtype), Some(length)) = (r.u32(), r.u16(), r.u16(), r.u32())
        else {
            return Err(MrtFaultKind::HeaderCut);
        };
        let length = usize::try_from(length).map_err(|_| MrtFaultKind::RecordCut)?;
        let message = r.take(length).ok_or(MrtFaultKind::RecordCut)?;
        let mut record = Record { offset, timestamp, microseconds: 0, kind, subtype, message };
        if kind == kind::BGP4MP_ET {
            // RFC 6396 §3: the Length counts the Microsecond Timestamp. One cut short leaves an empty message.
            let mut r = Reader::new(message);
            record.microseconds = r.u32().unwrap_or_default();
            record.message = if message.len() < 4 { &[] } else { r.rest() };
        }
        Ok(record)
    }
}

impl std::iter::FusedIterator for Records<'_> {}
