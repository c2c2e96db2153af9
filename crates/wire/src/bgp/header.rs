//! The message header and framing (RFC 4271 §4.1, §6.1; RFC 8654).

use super::{ErrorCode, HEADER_LEN, MAX_MESSAGE_LEN, Notification};
use std::fmt;

/// The Marker field: all ones (RFC 4271 §4.1).
const MARKER: [u8; 16] = [0xff; 16];

/// The Type field (RFC 4271 §4.1; RFC 2918 §3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MessageType {
    /// OPEN.
    Open = 1,
    /// UPDATE.
    Update = 2,
    /// NOTIFICATION.
    Notification = 3,
    /// KEEPALIVE.
    Keepalive = 4,
    /// ROUTE-REFRESH (RFC 2918).
    RouteRefresh = 5,
}

impl MessageType {
    /// The type of a code; `None` where RFC 4271 §6.1 wants Bad Message Type.
    #[inline]
    pub const fn from_code(code: u8) -> Option<MessageType> {
        Some(match code {
            1 => MessageType::Open,
            2 => MessageType::Update,
            3 => MessageType::Notification,
            4 => MessageType::Keepalive,
            5 => MessageType::RouteRefresh,
            _ => return None,
        })
    }

    /// The code on the wire.
    #[inline]
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The shortest message of this type, header included.
    ///
    /// A ROUTE-REFRESH of a wrong length is no header error but 7/1 (RFC 7313 §5), so only the header is asked for.
    #[inline]
    pub const fn min_len(self) -> usize {
        match self {
            MessageType::Open => 29,
            MessageType::Update => 23,
            MessageType::Notification => 21,
            MessageType::Keepalive | MessageType::RouteRefresh => HEADER_LEN,
        }
    }

    /// The longest message of this type where `max_len` was agreed: OPEN and KEEPALIVE never grow (RFC 8654 §4).
    #[inline]
    pub const fn max_len(self, max_len: usize) -> usize {
        match self {
            MessageType::Open if max_len > MAX_MESSAGE_LEN => MAX_MESSAGE_LEN,
            MessageType::Keepalive => HEADER_LEN,
            _ => max_len,
        }
    }
}

impl fmt::Display for MessageType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            MessageType::Open => "OPEN",
            MessageType::Update => "UPDATE",
            MessageType::Notification => "NOTIFICATION",
            MessageType::Keepalive => "KEEPALIVE",
            MessageType::RouteRefresh => "ROUTE-REFRESH",
        })
    }
}

/// One whole message found at the start of a byte stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// The Type field.
    pub kind: MessageType,
    /// The message, header included; its length is what to consume from the stream.
    pub message: &'a [u8],
    /// The message without its header.
    pub body: &'a [u8],
}

/// Finds the message at the start of `stream`, where messages of up to `max_len` octets were agreed
/// ([`MAX_MESSAGE_LEN`] or [`super::MAX_EXTENDED_MESSAGE_LEN`]).
///
/// `Ok(None)` means that more bytes are needed. `Err` is the header error to send (RFC 4271 §6.1), found as soon as
/// the header is there; a wrong marker as soon as its first wrong octet is.
#[inline]
pub fn frame(stream: &[u8], max_len: usize) -> Result<Option<Frame<'_>>, Notification> {
    let Some((header, _)) = stream.split_first_chunk::<HEADER_LEN>() else {
        return partial_header(stream);
    };
    let [marker @ .., l0, l1, code] = header;
    if *marker != MARKER {
        return Err(ErrorCode::CONNECTION_NOT_SYNCHRONIZED.into());
    }
    let len = usize::from(u16::from_be_bytes([*l0, *l1]));
    let bad_length = || Notification::with_data(ErrorCode::BAD_MESSAGE_LENGTH, [*l0, *l1]);
    if len < HEADER_LEN || len > max_len {
        return Err(bad_length());
    }
    let Some(kind) = MessageType::from_code(*code) else {
        return Err(Notification::with_data(ErrorCode::BAD_MESSAGE_TYPE, [*code]));
    };
    if len < kind.min_len() || len > kind.max_len(max_len) {
        return Err(bad_length());
    }
    let Some(message) = stream.get(..len) else { return Ok(None) };
    let body = message.get(HEADER_LEN..).unwrap_or_default();
    Ok(Some(Frame { kind, message, body }))
}

/// Fewer octets than a header: more are needed, unless the marker is wrong already.
#[cold]
fn partial_header<'a>(stream: &[u8]) -> Result<Option<Frame<'a>>, Notification> {
    if stream.iter().zip(MARKER).any(|(got, want)| *got != want) {
        return Err(ErrorCode::CONNECTION_NOT_SYNCHRONIZED.into());
    }
    Ok(None)
}

/// Appends a header with Length 0; returns where the message starts, for [`end_message`].
pub(super) fn begin_message(kind: MessageType, out: &mut Vec<u8>) -> usize {
    let start = out.len();
    out.extend_from_slice(&MARKER);
    out.extend_from_slice(&[0, 0, kind.code()]);
    start
}

/// Fills in the Length field of the message that began at `start`.
pub(super) fn end_message(start: usize, out: &mut [u8]) {
    let len = out.len().saturating_sub(start);
    patch_u16(out, start + MARKER.len(), len);
}

/// Writes a length into two octets that were reserved at `at`.
pub(super) fn patch_u16(out: &mut [u8], at: usize, value: usize) {
    debug_assert!(value <= usize::from(u16::MAX), "a length field of two octets cannot hold {value}");
    if let Some(field) = out.get_mut(at..at + 2) {
        field.copy_from_slice(&u16::try_from(value).unwrap_or(u16::MAX).to_be_bytes());
    }
}

/// Appends a KEEPALIVE message (RFC 4271 §4.4).
pub fn emit_keepalive(out: &mut Vec<u8>) {
    let start = begin_message(MessageType::Keepalive, out);
    end_message(start, out);
}
