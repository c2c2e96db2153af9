//! Why octets are not a packet of the format they were taken for.

use std::fmt;

/// A field of a packet that is not as its standard says: the packet is to be dropped, and counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Malformed {
    /// The field, by the standard's name, with the format's in front: `IPv4 total length`.
    pub field: &'static str,
    /// What is wrong with it.
    pub reason: Reason,
}

/// What is wrong with a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The octets end before the field does, or before what it says there is.
    Truncated,
    /// The checksum does not fit the octets.
    Checksum,
    /// A version that is not the one of this format.
    Version,
    /// A length that cannot be: less than what is always there, or not that of the thing.
    Length,
    /// A value that this format does not have.
    Value,
}

impl Malformed {
    pub(crate) const fn truncated(field: &'static str) -> Malformed {
        Malformed { field, reason: Reason::Truncated }
    }

    pub(crate) const fn checksum(field: &'static str) -> Malformed {
        Malformed { field, reason: Reason::Checksum }
    }

    pub(crate) const fn version(field: &'static str) -> Malformed {
        Malformed { field, reason: Reason::Version }
    }

    pub(crate) const fn length(field: &'static str) -> Malformed {
        Malformed { field, reason: Reason::Length }
    }

    pub(crate) const fn value(field: &'static str) -> Malformed {
        Malformed { field, reason: Reason::Value }
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.reason)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Reason::Truncated => "the octets end too early",
            Reason::Checksum => "wrong checksum",
            Reason::Version => "wrong version",
            Reason::Length => "impossible length",
            Reason::Value => "impossible value",
        })
    }
}

impl std::error::Error for Malformed {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_what_and_why() {
        let text = Malformed::truncated("IPv4 total length").to_string();
        assert_eq!(text, "IPv4 total length: the octets end too early");
    }
}
