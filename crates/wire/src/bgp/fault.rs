//! What is wrong with path attributes, and how bad that is (RFC 7606).

use super::{ErrorCode, Notification, attribute};
use std::fmt;
use std::net::Ipv4Addr;

/// How an error is handled (RFC 7606 §2), the mildest first. "AFI/SAFI disable" is not used: where RFC 7606 allows
/// it, it allows session reset too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The attribute was left out; the UPDATE holds.
    AttributeDiscard,
    /// All routes of the UPDATE count as withdrawn.
    TreatAsWithdraw,
    /// The session ends with a NOTIFICATION.
    SessionReset,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Severity::AttributeDiscard => "attribute discard",
            Severity::TreatAsWithdraw => "treat as withdraw",
            Severity::SessionReset => "session reset",
        })
    }
}

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FaultKind {
    /// Too few octets are left for type and length of an attribute.
    ListUnderrun,
    /// The attribute is longer than what is left of the path attributes.
    ListOverrun,
    /// The Optional or Transitive bit is not as the type demands.
    Flags {
        /// Attribute Flags as received.
        flags: u8,
    },
    /// The length of the value is not one the type allows.
    Length {
        /// Octets of the value.
        len: usize,
    },
    /// A well-known attribute this crate does not know.
    UnrecognizedWellKnown,
    /// A mandatory attribute is not there.
    Missing,
    /// The attribute occurs a second time.
    Duplicate,
    /// ORIGIN has an undefined value.
    OriginValue {
        /// The value.
        value: u8,
    },
    /// AS_PATH: a segment type that is none.
    SegmentType {
        /// Path Segment Type.
        kind: u8,
    },
    /// AS_PATH: a segment longer than what is left.
    SegmentOverrun,
    /// AS_PATH: one octet is left behind the last segment.
    SegmentUnderrun,
    /// AS_PATH: a segment without AS numbers.
    EmptySegment,
    /// AS_PATH: confederation segments from outside a confederation.
    ConfederationSegment,
    /// AS number 0.
    AsZero,
    /// NEXT_HOP is no address of a host.
    NextHop {
        /// The address.
        address: Ipv4Addr,
    },
    /// MP_REACH_NLRI: Length of Next Hop Network Address is not one the family allows.
    NextHopLength {
        /// The octet.
        len: u8,
    },
    /// An attribute of internal sessions, from an external neighbor.
    FromExternal,
    /// AS4_PATH or AS4_AGGREGATOR from a speaker of four-octet AS numbers.
    FromNewSpeaker,
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FaultKind::ListUnderrun => f.write_str("too few octets are left for an attribute"),
            FaultKind::ListOverrun => f.write_str("runs beyond the path attributes"),
            FaultKind::Flags { flags } => write!(f, "has the wrong flags {flags:#04x}"),
            FaultKind::Length { len } => write!(f, "has the wrong length {len}"),
            FaultKind::UnrecognizedWellKnown => f.write_str("says it is well-known but is not"),
            FaultKind::Missing => f.write_str("is missing"),
            FaultKind::Duplicate => f.write_str("occurs twice"),
            FaultKind::OriginValue { value } => write!(f, "has the undefined value {value}"),
            FaultKind::SegmentType { kind } => write!(f, "has a segment of the undefined type {kind}"),
            FaultKind::SegmentOverrun => f.write_str("has a segment that runs beyond it"),
            FaultKind::SegmentUnderrun => f.write_str("ends with half a segment header"),
            FaultKind::EmptySegment => f.write_str("has an empty segment"),
            FaultKind::ConfederationSegment => f.write_str("has a confederation segment"),
            FaultKind::AsZero => f.write_str("has the AS number 0"),
            FaultKind::NextHop { address } => write!(f, "is {address}, which is no address of a host"),
            FaultKind::NextHopLength { len } => write!(f, "has a next hop of the wrong length {len}"),
            FaultKind::FromExternal => f.write_str("came from an external neighbor"),
            FaultKind::FromNewSpeaker => f.write_str("came from a speaker of four-octet AS numbers"),
        }
    }
}

/// One fault of an UPDATE's path attributes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Fault {
    /// How it is handled.
    pub severity: Severity,
    /// Attribute Type Code; 0 where not even that could be read.
    pub code: u8,
    /// Where in the path attributes the attribute starts; their length for one that is missing.
    pub offset: usize,
    /// What is wrong.
    pub what: FaultKind,
    /// Who says so, as `RFC 7606 §7.3`.
    pub section: &'static str,
    /// The attribute as it came (type, length, value), at most as much as fits a NOTIFICATION; empty where it is
    /// missing or cut off.
    pub attribute: Vec<u8>,
}

impl Fault {
    /// The subcode of RFC 4271 §6.3.
    pub fn error(&self) -> ErrorCode {
        use attribute::{MP_REACH_NLRI, MP_UNREACH_NLRI};
        match self.what {
            FaultKind::ListUnderrun | FaultKind::ListOverrun | FaultKind::Duplicate => {
                ErrorCode::MALFORMED_ATTRIBUTE_LIST
            }
            FaultKind::Flags { .. } => ErrorCode::ATTRIBUTE_FLAGS_ERROR,
            // RFC 4760 §7 names the subcode for these two.
            FaultKind::Length { .. } if matches!(self.code, MP_REACH_NLRI | MP_UNREACH_NLRI) => {
                ErrorCode::OPTIONAL_ATTRIBUTE_ERROR
            }
            FaultKind::Length { .. } => ErrorCode::ATTRIBUTE_LENGTH_ERROR,
            FaultKind::UnrecognizedWellKnown => ErrorCode::UNRECOGNIZED_WELL_KNOWN_ATTRIBUTE,
            FaultKind::Missing => ErrorCode::MISSING_WELL_KNOWN_ATTRIBUTE,
            FaultKind::OriginValue { .. } => ErrorCode::INVALID_ORIGIN_ATTRIBUTE,
            FaultKind::NextHop { .. } => ErrorCode::INVALID_NEXT_HOP_ATTRIBUTE,
            FaultKind::SegmentType { .. }
            | FaultKind::SegmentOverrun
            | FaultKind::SegmentUnderrun
            | FaultKind::EmptySegment
            | FaultKind::ConfederationSegment => ErrorCode::MALFORMED_AS_PATH,
            FaultKind::AsZero if self.code == attribute::AS_PATH => ErrorCode::MALFORMED_AS_PATH,
            FaultKind::AsZero
            | FaultKind::NextHopLength { .. }
            | FaultKind::FromExternal
            | FaultKind::FromNewSpeaker => ErrorCode::OPTIONAL_ATTRIBUTE_ERROR,
        }
    }

    /// The NOTIFICATION of RFC 4271 §6.3, subcode and data; to be sent where the severity is session reset.
    pub fn to_notification(&self) -> Notification {
        let error = self.error();
        match error {
            // §6.3 asks for no data with these two.
            ErrorCode::MALFORMED_ATTRIBUTE_LIST | ErrorCode::MALFORMED_AS_PATH => error.into(),
            ErrorCode::MISSING_WELL_KNOWN_ATTRIBUTE => Notification::with_data(error, [self.code]),
            _ => Notification::with_data(error, self.attribute.clone()),
        }
    }
}

impl fmt::Display for Fault {
    /// `NEXT_HOP has the wrong length 3: treat as withdraw (RFC 7606 §7.3)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.code, attribute::name(self.code)) {
            (0, _) => {}
            (_, Some(name)) => write!(f, "{name} ")?,
            (code, None) => write!(f, "attribute {code} ")?,
        }
        write!(f, "{}: {} ({})", self.what, self.severity, self.section)
    }
}
