//! NOTIFICATION messages (RFC 4271 §4.5; RFC 9003; RFC 8538).

use super::header::{begin_message, end_message};
use super::{ErrorCode, HEADER_LEN, MAX_MESSAGE_LEN, MessageType};
use std::fmt;

/// The longest Shutdown Communication in octets (RFC 9003 §2).
pub(super) const MAX_SHUTDOWN_COMMUNICATION: usize = 255;
/// How much data fits beside header, code and subcode where long messages were not agreed.
pub(super) const MAX_DATA: usize = MAX_MESSAGE_LEN - HEADER_LEN - 2;

/// A NOTIFICATION message: why the connection ends.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Notification {
    /// Error Code.
    pub code: u8,
    /// Error Subcode.
    pub subcode: u8,
    /// Data, whose meaning depends on the two.
    pub data: Vec<u8>,
}

impl From<ErrorCode> for Notification {
    fn from(error: ErrorCode) -> Notification {
        Notification::new(error)
    }
}

impl Notification {
    /// Without data.
    pub const fn new(error: ErrorCode) -> Notification {
        Notification { code: error.code, subcode: error.subcode, data: Vec::new() }
    }

    /// With data.
    pub fn with_data(error: ErrorCode, data: impl Into<Vec<u8>>) -> Notification {
        Notification { code: error.code, subcode: error.subcode, data: data.into() }
    }

    /// Code and subcode together.
    pub const fn error(&self) -> ErrorCode {
        ErrorCode { code: self.code, subcode: self.subcode }
    }

    /// Whether it says `error`, whatever the data.
    pub fn is(&self, error: ErrorCode) -> bool {
        self.error() == error
    }

    /// The name of the error, without numbers: `Bad Peer AS`.
    pub fn name(&self) -> String {
        let full = self.error().to_string();
        full.split_once(' ').map_or_else(String::new, |(_, name)| name.to_owned())
    }

    /// Administrative Shutdown or Administrative Reset with words to the other operator (RFC 9003 §2). Text beyond
    /// 255 octets is cut at a character boundary; an empty text sends no communication.
    pub fn with_communication(error: ErrorCode, text: &str) -> Notification {
        let mut end = text.len().min(MAX_SHUTDOWN_COMMUNICATION);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let text = text.get(..end).unwrap_or_default().as_bytes();
        let mut data = Vec::with_capacity(text.len() + 1);
        if let (Ok(len @ 1..), text) = (u8::try_from(text.len()), text) {
            data.push(len);
            data.extend_from_slice(text);
        }
        Notification::with_data(error, data)
    }

    /// The Shutdown Communication of a 6/2 or 6/4 (RFC 9003 §2), also inside a Hard Reset; `None` where there is
    /// none, or where its length does not fit or it is no UTF-8.
    pub fn communication(&self) -> Option<&str> {
        let data = match self.error() {
            ErrorCode::HARD_RESET => match self.data.as_slice() {
                [6, 2 | 4, data @ ..] => data,
                _ => return None,
            },
            ErrorCode::ADMINISTRATIVE_SHUTDOWN | ErrorCode::ADMINISTRATIVE_RESET => self.data.as_slice(),
            _ => return None,
        };
        let (len, rest) = data.split_first()?;
        let text = rest.get(..usize::from(*len)).filter(|t| !t.is_empty())?;
        std::str::from_utf8(text).ok()
    }

    /// Hard Reset: `inner` is the reason, and no graceful restart follows (RFC 8538 §3.1).
    pub fn hard_reset(inner: &Notification) -> Notification {
        let mut data = vec![inner.code, inner.subcode];
        data.extend_from_slice(&inner.data);
        Notification::with_data(ErrorCode::HARD_RESET, data)
    }

    /// The notification inside a Hard Reset (RFC 8538 §3.1).
    pub fn encapsulated(&self) -> Option<Notification> {
        match (self.is(ErrorCode::HARD_RESET), self.data.as_slice()) {
            (true, [code, subcode, data @ ..]) => {
                Some(Notification { code: *code, subcode: *subcode, data: data.to_vec() })
            }
            _ => None,
        }
    }

    /// Reads a message body. `Err` is Bad Message Length; [`super::frame`] finds that before.
    pub fn parse(body: &[u8]) -> Result<Notification, Notification> {
        match body {
            [code, subcode, data @ ..] => {
                Ok(Notification { code: *code, subcode: *subcode, data: data.to_vec() })
            }
            _ => {
                let len = u16::try_from(HEADER_LEN + body.len()).unwrap_or(u16::MAX);
                Err(Notification::with_data(ErrorCode::BAD_MESSAGE_LENGTH, len.to_be_bytes()))
            }
        }
    }

    /// Appends the message, header included. Data that would make it longer than 4096 octets is cut.
    pub fn emit(&self, out: &mut Vec<u8>) {
        let start = begin_message(MessageType::Notification, out);
        out.extend_from_slice(&[self.code, self.subcode]);
        out.extend_from_slice(self.data.get(..MAX_DATA).unwrap_or(&self.data));
        end_message(start, out);
    }
}

impl fmt::Display for Notification {
    /// `6/2 Administrative Shutdown: "back at noon"`. What came from the peer is escaped.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error().fmt(f)?;
        if let (true, [code, subcode, ..]) = (self.is(ErrorCode::HARD_RESET), self.data.as_slice()) {
            write!(f, " for {}", ErrorCode { code: *code, subcode: *subcode })?;
        }
        match self.communication() {
            Some(text) => write!(f, ": {text:?}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Notification {}
