//! BGP-4 messages: RFC 4271 and what grew on it.
//!
//! | concept | file | RFC |
//! |---|---|---|
//! | header and framing | `header` | 4271 §4.1, §6.1; 8654 |
//! | OPEN, capabilities | `open`, `capability` | 4271 §4.2; 5492; 9072; 4760; 2918; 8950; 8654; 9234; 4724; 8538; 6793; 7911; 7313; 9494 |
//! | NOTIFICATION | `notification`, `error_code` | 4271 §4.5; 4486; 9003; 8538 |
//! | ROUTE-REFRESH | `route_refresh` | 2918; 7313 |
//! | UPDATE, lazily | `update`, `nlri`, `raw_attribute` | 4271 §4.3; 4724 §2 |
//! | path attributes | `attributes`, `parse`, `as_path`, `community`, `multiprotocol` | 4271 §5; 4760; 6793; 1997; 4360; 8092; 9234 |
//! | error handling | `fault` | 7606 |
//! | building UPDATEs | `build` | 4271 §4.3; 7606 §5.1 |
//!
//! Left out on purpose: ADD-PATH NLRI (RFC 7911; the capability is read, not agreed), labelled and VPN NLRI
//! (carried as bytes), confederations (their segments are faults on every session, RFC 5065 §5).

mod as_path;
mod attributes;
mod build;
mod capability;
mod community;
mod error_code;
mod family;
mod fault;
mod header;
mod merge;
mod multiprotocol;
mod nlri;
mod notification;
mod open;
mod parse;
mod raw_attribute;
mod route_refresh;
mod update;

pub use as_path::{AsPath, AsPathSegment, ParseAsPathError, SegmentKind};
pub use attributes::{Attributes, Origin, PartialBits, UnknownAttribute};
pub use build::{
    NlriPrefix, emit_end_of_rib, emit_mp_reach, emit_mp_unreach, emit_update_ipv4, emit_withdraw_ipv4,
};
pub use capability::{Capability, LongLivedStaleTime, Role};
pub use community::{
    Community, ExtendedCommunity, Ipv6ExtendedCommunity, LargeCommunity, ParseCommunityError,
};
pub use error_code::ErrorCode;
pub use family::{Afi, Family, ParseFamilyError, Safi};
pub use fault::{Fault, FaultKind, Severity};
pub use header::{Frame, MessageType, emit_keepalive, frame};
pub use multiprotocol::{MpNextHop, MpReach, MpUnreach};
pub use nlri::{
    Ipv4Prefixes, Ipv6Prefixes, NlriFault, NlriFaultKind, emit_ipv4_prefix, emit_ipv6_prefix, ipv4_prefixes,
    ipv6_prefixes,
};
pub use notification::Notification;
pub use open::{Open, OptionalParameter};
pub use parse::{ParseContext, ParsedAttributes, parse_attributes};
pub use raw_attribute::{
    AttributeFault, RawAttribute, RawAttributes, attribute, emit_attribute, flag, raw_attributes,
    without_multiprotocol,
};
pub use route_refresh::{RouteRefresh, RouteRefreshSubtype};
pub use update::Update;

/// Octets of the message header (RFC 4271 §4.1).
pub const HEADER_LEN: usize = 19;
/// The longest message where nothing else was agreed (RFC 4271 §4.1), and the longest OPEN and KEEPALIVE ever.
pub const MAX_MESSAGE_LEN: usize = 4096;
/// The longest message once both sides sent the Extended Message capability (RFC 8654 §4).
pub const MAX_EXTENDED_MESSAGE_LEN: usize = 65535;
/// The protocol version (RFC 4271 §4.2).
pub const VERSION: u8 = 4;
/// The TCP port (RFC 4271 §2).
pub const PORT: u16 = 179;
