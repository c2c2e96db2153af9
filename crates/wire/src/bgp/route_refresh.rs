//! ROUTE-REFRESH messages (RFC 2918 §3; RFC 7313 §3).

use super::header::{begin_message, end_message};
use super::{ErrorCode, Family, HEADER_LEN, MessageType, Notification};
use std::fmt;

/// The Message Subtype, where RFC 2918 had a reserved octet (RFC 7313 §3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RouteRefreshSubtype {
    /// 0: a request for the routes (RFC 2918).
    Request,
    /// 1: Beginning-of-RR, before a refresh.
    BoRR,
    /// 2: End-of-RR, after it.
    EoRR,
    /// Any other; to be ignored (RFC 7313 §5).
    Unknown(u8),
}

impl RouteRefreshSubtype {
    /// The octet on the wire.
    pub const fn code(self) -> u8 {
        match self {
            RouteRefreshSubtype::Request => 0,
            RouteRefreshSubtype::BoRR => 1,
            RouteRefreshSubtype::EoRR => 2,
            RouteRefreshSubtype::Unknown(code) => code,
        }
    }
}

impl From<u8> for RouteRefreshSubtype {
    fn from(code: u8) -> RouteRefreshSubtype {
        match code {
            0 => RouteRefreshSubtype::Request,
            1 => RouteRefreshSubtype::BoRR,
            2 => RouteRefreshSubtype::EoRR,
            other => RouteRefreshSubtype::Unknown(other),
        }
    }
}

/// A ROUTE-REFRESH message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RouteRefresh {
    /// Which routes.
    pub family: Family,
    /// What is said about them.
    pub subtype: RouteRefreshSubtype,
}

impl RouteRefresh {
    /// Octets of the body.
    pub const BODY_LEN: usize = 4;

    /// Reads a message body. `Err` is what to send: 7/1 with the whole message as data (RFC 7313 §5). RFC 7313 says so
    /// for subtypes 1 and 2; a request of a wrong length, of which RFC 2918 says nothing, gets the same answer.
    pub fn parse(body: &[u8]) -> Result<RouteRefresh, Notification> {
        match body {
            [a0, a1, subtype, safi] => Ok(RouteRefresh {
                family: Family::from_codes(u16::from_be_bytes([*a0, *a1]), *safi),
                subtype: RouteRefreshSubtype::from(*subtype),
            }),
            _ => Err(RouteRefresh::bad_length(body)),
        }
    }

    #[cold]
    fn bad_length(body: &[u8]) -> Notification {
        let mut message = Vec::with_capacity(HEADER_LEN + body.len());
        let start = begin_message(MessageType::RouteRefresh, &mut message);
        message.extend_from_slice(body.get(..super::MAX_EXTENDED_MESSAGE_LEN - HEADER_LEN).unwrap_or(body));
        end_message(start, &mut message);
        Notification::with_data(ErrorCode::INVALID_ROUTE_REFRESH_LENGTH, message)
    }

    /// Appends the message, header included.
    pub fn emit(&self, out: &mut Vec<u8>) {
        let start = begin_message(MessageType::RouteRefresh, out);
        let [a0, a1] = self.family.afi.code().to_be_bytes();
        out.extend_from_slice(&[a0, a1, self.subtype.code(), self.family.safi.code()]);
        end_message(start, out);
    }
}

impl fmt::Display for RouteRefresh {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.subtype {
            RouteRefreshSubtype::Request => write!(f, "route refresh request for {}", self.family),
            RouteRefreshSubtype::BoRR => write!(f, "beginning of route refresh of {}", self.family),
            RouteRefreshSubtype::EoRR => write!(f, "end of route refresh of {}", self.family),
            RouteRefreshSubtype::Unknown(code) => {
                write!(f, "route refresh message of unknown subtype {code} for {}", self.family)
            }
        }
    }
}
