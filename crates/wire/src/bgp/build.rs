//! UPDATE messages for senders: prefixes packed behind a pre-encoded block of attributes.
//!
//! Every function appends one message of at most `max_len` octets to `out` and returns how many of `prefixes`, from
//! the front, it took; the caller goes on with the rest. 0 means that not even one fits (the attributes are too
//! long), and then nothing was appended: such a route must not be sent, and is withdrawn instead (RFC 8654 §4).

use super::header::{begin_message, end_message, patch_u16};
use super::raw_attribute::emit_attribute_header;
use super::{
    Family, HEADER_LEN, MAX_EXTENDED_MESSAGE_LEN, MessageType, MpNextHop, attribute, emit_ipv4_prefix,
    emit_ipv6_prefix, flag,
};
use trunkline_core::{Ipv4Prefix, Ipv6Prefix};

/// A prefix that can stand in an NLRI field.
pub trait NlriPrefix: Copy {
    /// Octets on the wire, the length included.
    fn wire_len(self) -> usize;
    /// Appends it.
    fn emit(self, out: &mut Vec<u8>);
}

impl NlriPrefix for Ipv4Prefix {
    #[inline]
    fn wire_len(self) -> usize {
        1 + usize::from(self.len().div_ceil(8))
    }

    #[inline]
    fn emit(self, out: &mut Vec<u8>) {
        emit_ipv4_prefix(self, out);
    }
}

impl NlriPrefix for Ipv6Prefix {
    #[inline]
    fn wire_len(self) -> usize {
        1 + usize::from(self.len().div_ceil(8))
    }

    #[inline]
    fn emit(self, out: &mut Vec<u8>) {
        emit_ipv6_prefix(self, out);
    }
}

/// Withdrawn Routes Length and Total Path Attribute Length.
const LENGTHS: usize = 4;
/// Type and length of an attribute of more than 255 octets.
const EXTENDED_ATTRIBUTE_HEADER: usize = 4;

/// How many prefixes fit into `room` octets, and how many octets they take.
#[inline]
fn fitting<P: NlriPrefix>(prefixes: &[P], room: usize) -> (usize, usize) {
    let mut octets = 0;
    for (n, prefix) in prefixes.iter().enumerate() {
        let next = octets + prefix.wire_len();
        if next > room {
            return (n, octets);
        }
        octets = next;
    }
    (prefixes.len(), octets)
}

/// The room left in a message of `max_len` beside `taken` octets.
fn room(max_len: usize, taken: usize) -> usize {
    max_len.min(MAX_EXTENDED_MESSAGE_LEN).saturating_sub(HEADER_LEN + LENGTHS + taken)
}

/// Appends one UPDATE that withdraws IPv4 prefixes; returns how many it took.
pub fn emit_withdraw_ipv4(max_len: usize, prefixes: &[Ipv4Prefix], out: &mut Vec<u8>) -> usize {
    let (count, octets) = fitting(prefixes, room(max_len, 0));
    if count == 0 {
        return 0;
    }
    out.reserve(HEADER_LEN + LENGTHS + octets);
    let start = begin_message(MessageType::Update, out);
    let withdrawn_routes_length = out.len();
    out.extend_from_slice(&[0, 0]);
    prefixes.iter().take(count).for_each(|p| p.emit(out));
    patch_u16(out, withdrawn_routes_length, octets);
    out.extend_from_slice(&[0, 0]);
    end_message(start, out);
    count
}

/// Appends one UPDATE that announces IPv4 prefixes in its NLRI field. `attributes` is a block as
/// [`super::Attributes::emit`] writes it, with NEXT_HOP. Returns how many prefixes it took.
pub fn emit_update_ipv4(
    max_len: usize,
    attributes: &[u8],
    prefixes: &[Ipv4Prefix],
    out: &mut Vec<u8>,
) -> usize {
    let (count, octets) = fitting(prefixes, room(max_len, attributes.len()));
    if count == 0 {
        return 0;
    }
    out.reserve(HEADER_LEN + LENGTHS + attributes.len() + octets);
    let start = begin_message(MessageType::Update, out);
    out.extend_from_slice(&[0, 0, 0, 0]);
    patch_u16(out, start + HEADER_LEN + 2, attributes.len());
    out.extend_from_slice(attributes);
    prefixes.iter().take(count).for_each(|p| p.emit(out));
    end_message(start, out);
    count
}

/// Appends one UPDATE that announces prefixes in an MP_REACH_NLRI, which comes first (RFC 7606 §5.1). `attributes` is
/// a block as [`super::Attributes::emit`] writes it, without NEXT_HOP. Returns how many prefixes it took.
pub fn emit_mp_reach<P: NlriPrefix>(
    max_len: usize,
    family: Family,
    next_hop: MpNextHop,
    attributes: &[u8],
    prefixes: &[P],
    out: &mut Vec<u8>,
) -> usize {
    let next_hop_len = next_hop.len();
    // AFI, SAFI, Length of Next Hop, next hop, Reserved.
    let before = 2 + 1 + 1 + next_hop_len + 1;
    let room = room(max_len, attributes.len() + EXTENDED_ATTRIBUTE_HEADER + before);
    let (count, octets) = fitting(prefixes, room);
    if count == 0 {
        return 0;
    }
    let start = begin_mp_update(attribute::MP_REACH_NLRI, before + octets, attributes.len(), family, out);
    out.push(next_hop_len as u8);
    next_hop.emit(out);
    out.push(0);
    prefixes.iter().take(count).for_each(|p| p.emit(out));
    out.extend_from_slice(attributes);
    end_message(start, out);
    count
}

/// Appends one UPDATE that withdraws prefixes in an MP_UNREACH_NLRI; returns how many it took.
pub fn emit_mp_unreach<P: NlriPrefix>(
    max_len: usize,
    family: Family,
    prefixes: &[P],
    out: &mut Vec<u8>,
) -> usize {
    let (count, octets) = fitting(prefixes, room(max_len, EXTENDED_ATTRIBUTE_HEADER + 3));
    if count == 0 {
        return 0;
    }
    let start = begin_mp_update(attribute::MP_UNREACH_NLRI, 3 + octets, 0, family, out);
    prefixes.iter().take(count).for_each(|p| p.emit(out));
    end_message(start, out);
    count
}

/// Appends the End-of-RIB marker of a family (RFC 4724 §2).
pub fn emit_end_of_rib(family: Family, out: &mut Vec<u8>) {
    let start = if family == Family::IPV4_UNICAST {
        let start = begin_message(MessageType::Update, out);
        out.extend_from_slice(&[0, 0, 0, 0]);
        start
    } else {
        begin_mp_update(attribute::MP_UNREACH_NLRI, 3, 0, family, out)
    };
    end_message(start, out);
}

/// Header, no Withdrawn Routes, Total Path Attribute Length, and the multiprotocol attribute up to its SAFI.
/// `value_len` is the length of that attribute's value, `others_len` of the attributes behind it.
fn begin_mp_update(
    code: u8,
    value_len: usize,
    others_len: usize,
    family: Family,
    out: &mut Vec<u8>,
) -> usize {
    out.reserve(HEADER_LEN + LENGTHS + EXTENDED_ATTRIBUTE_HEADER + value_len + others_len);
    let start = begin_message(MessageType::Update, out);
    out.extend_from_slice(&[0, 0, 0, 0]);
    let attributes_at = out.len();
    emit_attribute_header(flag::OPTIONAL, code, value_len, out);
    let header_len = out.len() - attributes_at;
    patch_u16(out, start + HEADER_LEN + 2, header_len + value_len + others_len);
    out.extend_from_slice(&family.afi.code().to_be_bytes());
    out.push(family.safi.code());
    start
}
