//! The codes and subcodes of NOTIFICATION messages, with their names.

use std::fmt;

/// What a NOTIFICATION says: Error Code and Error Subcode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ErrorCode {
    /// Error Code.
    pub code: u8,
    /// Error Subcode; 0 is Unspecific.
    pub subcode: u8,
}

macro_rules! error_codes {
    ($($name:ident = $code:literal / $subcode:literal, $text:literal, $source:literal;)*) => {
        impl ErrorCode {
            $(
                #[doc = concat!(stringify!($code), "/", stringify!($subcode), " ", $text, " (", $source, ").")]
                pub const $name: ErrorCode = ErrorCode { code: $code, subcode: $subcode };
            )*

            /// Every code and subcode that has a name, in ascending order.
            pub const ALL: &'static [ErrorCode] = &[$(ErrorCode::$name),*];

            /// The name of this exact code and subcode; `None` where this crate knows none.
            pub const fn known_name(self) -> Option<&'static str> {
                match (self.code, self.subcode) {
                    $(($code, $subcode) => Some($text),)*
                    _ => None,
                }
            }
        }
    };
}

error_codes! {
    MESSAGE_HEADER_ERROR = 1/0, "Message Header Error", "RFC 4271 §4.5";
    CONNECTION_NOT_SYNCHRONIZED = 1/1, "Connection Not Synchronized", "RFC 4271 §4.5";
    BAD_MESSAGE_LENGTH = 1/2, "Bad Message Length", "RFC 4271 §4.5";
    BAD_MESSAGE_TYPE = 1/3, "Bad Message Type", "RFC 4271 §4.5";
    OPEN_MESSAGE_ERROR = 2/0, "OPEN Message Error", "RFC 4271 §4.5";
    UNSUPPORTED_VERSION_NUMBER = 2/1, "Unsupported Version Number", "RFC 4271 §4.5";
    BAD_PEER_AS = 2/2, "Bad Peer AS", "RFC 4271 §4.5";
    BAD_BGP_IDENTIFIER = 2/3, "Bad BGP Identifier", "RFC 4271 §4.5";
    UNSUPPORTED_OPTIONAL_PARAMETER = 2/4, "Unsupported Optional Parameter", "RFC 4271 §4.5";
    UNACCEPTABLE_HOLD_TIME = 2/6, "Unacceptable Hold Time", "RFC 4271 §4.5";
    UNSUPPORTED_CAPABILITY = 2/7, "Unsupported Capability", "RFC 5492 §5";
    ROLE_MISMATCH = 2/11, "Role Mismatch", "RFC 9234 §4.2";
    UPDATE_MESSAGE_ERROR = 3/0, "UPDATE Message Error", "RFC 4271 §4.5";
    MALFORMED_ATTRIBUTE_LIST = 3/1, "Malformed Attribute List", "RFC 4271 §4.5";
    UNRECOGNIZED_WELL_KNOWN_ATTRIBUTE = 3/2, "Unrecognized Well-known Attribute", "RFC 4271 §4.5";
    MISSING_WELL_KNOWN_ATTRIBUTE = 3/3, "Missing Well-known Attribute", "RFC 4271 §4.5";
    ATTRIBUTE_FLAGS_ERROR = 3/4, "Attribute Flags Error", "RFC 4271 §4.5";
    ATTRIBUTE_LENGTH_ERROR = 3/5, "Attribute Length Error", "RFC 4271 §4.5";
    INVALID_ORIGIN_ATTRIBUTE = 3/6, "Invalid ORIGIN Attribute", "RFC 4271 §4.5";
    INVALID_NEXT_HOP_ATTRIBUTE = 3/8, "Invalid NEXT_HOP Attribute", "RFC 4271 §4.5";
    OPTIONAL_ATTRIBUTE_ERROR = 3/9, "Optional Attribute Error", "RFC 4271 §4.5";
    INVALID_NETWORK_FIELD = 3/10, "Invalid Network Field", "RFC 4271 §4.5";
    MALFORMED_AS_PATH = 3/11, "Malformed AS_PATH", "RFC 4271 §4.5";
    HOLD_TIMER_EXPIRED = 4/0, "Hold Timer Expired", "RFC 4271 §4.5";
    FINITE_STATE_MACHINE_ERROR = 5/0, "Finite State Machine Error", "RFC 4271 §4.5";
    UNEXPECTED_MESSAGE_IN_OPEN_SENT = 5/1, "Receive Unexpected Message in OpenSent State", "RFC 6608 §3";
    UNEXPECTED_MESSAGE_IN_OPEN_CONFIRM = 5/2, "Receive Unexpected Message in OpenConfirm State", "RFC 6608 §3";
    UNEXPECTED_MESSAGE_IN_ESTABLISHED = 5/3, "Receive Unexpected Message in Established State", "RFC 6608 §3";
    CEASE = 6/0, "Cease", "RFC 4271 §4.5";
    MAXIMUM_NUMBER_OF_PREFIXES_REACHED = 6/1, "Maximum Number of Prefixes Reached", "RFC 4486 §3";
    ADMINISTRATIVE_SHUTDOWN = 6/2, "Administrative Shutdown", "RFC 4486 §3";
    PEER_DECONFIGURED = 6/3, "Peer De-configured", "RFC 4486 §3";
    ADMINISTRATIVE_RESET = 6/4, "Administrative Reset", "RFC 4486 §3";
    CONNECTION_REJECTED = 6/5, "Connection Rejected", "RFC 4486 §3";
    OTHER_CONFIGURATION_CHANGE = 6/6, "Other Configuration Change", "RFC 4486 §3";
    CONNECTION_COLLISION_RESOLUTION = 6/7, "Connection Collision Resolution", "RFC 4486 §3";
    OUT_OF_RESOURCES = 6/8, "Out of Resources", "RFC 4486 §3";
    HARD_RESET = 6/9, "Hard Reset", "RFC 8538 §3";
    BFD_DOWN = 6/10, "BFD Down", "RFC 9384";
    ROUTE_REFRESH_MESSAGE_ERROR = 7/0, "ROUTE-REFRESH Message Error", "RFC 7313 §5";
    INVALID_ROUTE_REFRESH_LENGTH = 7/1, "Invalid Message Length", "RFC 7313 §5";
    SEND_HOLD_TIMER_EXPIRED = 8/0, "Send Hold Timer Expired", "RFC 9687";
}

impl fmt::Display for ErrorCode {
    /// `2/2 Bad Peer AS`; an unknown subcode under its code's name, as `2/9 OPEN Message Error (subcode 9)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{} ", self.code, self.subcode)?;
        if let Some(name) = self.known_name() {
            return f.write_str(name);
        }
        match (ErrorCode { code: self.code, subcode: 0 }).known_name() {
            Some(name) => write!(f, "{name} (subcode {})", self.subcode),
            None => f.write_str("unknown error"),
        }
    }
}
