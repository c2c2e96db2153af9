//! Path attributes as type, length and value, before anyone asks what they mean (RFC 4271 §4.3).

use std::fmt;

/// Attribute Type Codes.
pub mod attribute {
    /// RFC 4271 §5.1.1.
    pub const ORIGIN: u8 = 1;
    /// RFC 4271 §5.1.2.
    pub const AS_PATH: u8 = 2;
    /// RFC 4271 §5.1.3.
    pub const NEXT_HOP: u8 = 3;
    /// RFC 4271 §5.1.4.
    pub const MULTI_EXIT_DISC: u8 = 4;
    /// RFC 4271 §5.1.5.
    pub const LOCAL_PREF: u8 = 5;
    /// RFC 4271 §5.1.6.
    pub const ATOMIC_AGGREGATE: u8 = 6;
    /// RFC 4271 §5.1.7.
    pub const AGGREGATOR: u8 = 7;
    /// RFC 1997.
    pub const COMMUNITIES: u8 = 8;
    /// RFC 4456 §8.
    pub const ORIGINATOR_ID: u8 = 9;
    /// RFC 4456 §8.
    pub const CLUSTER_LIST: u8 = 10;
    /// RFC 4760 §3.
    pub const MP_REACH_NLRI: u8 = 14;
    /// RFC 4760 §4.
    pub const MP_UNREACH_NLRI: u8 = 15;
    /// RFC 4360.
    pub const EXTENDED_COMMUNITIES: u8 = 16;
    /// RFC 6793 §3.
    pub const AS4_PATH: u8 = 17;
    /// RFC 6793 §3.
    pub const AS4_AGGREGATOR: u8 = 18;
    /// RFC 5701.
    pub const IPV6_EXTENDED_COMMUNITIES: u8 = 25;
    /// RFC 8092.
    pub const LARGE_COMMUNITIES: u8 = 32;
    /// RFC 9234 §5.
    pub const ONLY_TO_CUSTOMER: u8 = 35;

    /// The name of a type code, as the RFC writes it.
    pub const fn name(code: u8) -> Option<&'static str> {
        Some(match code {
            ORIGIN => "ORIGIN",
            AS_PATH => "AS_PATH",
            NEXT_HOP => "NEXT_HOP",
            MULTI_EXIT_DISC => "MULTI_EXIT_DISC",
            LOCAL_PREF => "LOCAL_PREF",
            ATOMIC_AGGREGATE => "ATOMIC_AGGREGATE",
            AGGREGATOR => "AGGREGATOR",
            COMMUNITIES => "COMMUNITIES",
            ORIGINATOR_ID => "ORIGINATOR_ID",
            CLUSTER_LIST => "CLUSTER_LIST",
            MP_REACH_NLRI => "MP_REACH_NLRI",
            MP_UNREACH_NLRI => "MP_UNREACH_NLRI",
            EXTENDED_COMMUNITIES => "EXTENDED COMMUNITIES",
            AS4_PATH => "AS4_PATH",
            AS4_AGGREGATOR => "AS4_AGGREGATOR",
            IPV6_EXTENDED_COMMUNITIES => "IPv6 Address Specific Extended Community",
            LARGE_COMMUNITIES => "LARGE_COMMUNITY",
            ONLY_TO_CUSTOMER => "OTC",
            _ => return None,
        })
    }
}

/// Attribute Flags.
pub mod flag {
    /// Optional, not well-known.
    pub const OPTIONAL: u8 = 0x80;
    /// Transitive.
    pub const TRANSITIVE: u8 = 0x40;
    /// Some speaker on the way did not know the attribute.
    pub const PARTIAL: u8 = 0x20;
    /// The Attribute Length has two octets.
    pub const EXTENDED_LENGTH: u8 = 0x10;
}

/// One path attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RawAttribute<'a> {
    /// Attribute Flags.
    pub flags: u8,
    /// Attribute Type Code.
    pub code: u8,
    /// The value.
    pub value: &'a [u8],
    /// Type, length and value.
    pub whole: &'a [u8],
}

/// Why the list of attributes cannot be read further (RFC 7606 §4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AttributeFault {
    /// Too few octets are left for type and length.
    Underrun {
        /// Where they start.
        offset: usize,
    },
    /// The length of the last attribute exceeds what is left.
    Overrun {
        /// Where that attribute starts.
        offset: usize,
        /// Its Attribute Type Code.
        code: u8,
    },
}

impl fmt::Display for AttributeFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AttributeFault::Underrun { offset } => {
                write!(f, "too few octets for an attribute at octet {offset} of the path attributes")
            }
            AttributeFault::Overrun { offset, code } => {
                write!(f, "attribute {code} at octet {offset} runs beyond the path attributes")
            }
        }
    }
}

/// Iterates over path attributes; after a fault it ends.
#[derive(Debug, Clone)]
pub struct RawAttributes<'a> {
    rest: &'a [u8],
    field_len: usize,
}

impl<'a> RawAttributes<'a> {
    /// What has not been read yet.
    #[inline]
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Where in the field the next attribute starts.
    #[inline]
    pub const fn offset(&self) -> usize {
        self.field_len - self.rest.len()
    }
}

/// The path attributes of an UPDATE; a fault comes at most once, as the last item.
#[inline]
pub const fn raw_attributes(bytes: &[u8]) -> RawAttributes<'_> {
    RawAttributes { rest: bytes, field_len: bytes.len() }
}

impl<'a> Iterator for RawAttributes<'a> {
    type Item = Result<RawAttribute<'a>, AttributeFault>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let offset = self.offset();
        let all = std::mem::take(&mut self.rest);
        let (flags, code, len, header) = match all {
            [flags, code, l0, l1, ..] if flags & flag::EXTENDED_LENGTH != 0 => {
                (*flags, *code, usize::from(u16::from_be_bytes([*l0, *l1])), 4)
            }
            [flags, code, len, ..] if flags & flag::EXTENDED_LENGTH == 0 => {
                (*flags, *code, usize::from(*len), 3)
            }
            _ => return Some(Err(AttributeFault::Underrun { offset })),
        };
        let Some((whole, rest)) = all.split_at_checked(header + len) else {
            return Some(Err(AttributeFault::Overrun { offset, code }));
        };
        self.rest = rest;
        let value = whole.get(header..).unwrap_or_default();
        Some(Ok(RawAttribute { flags, code, value, whole }))
    }
}

impl std::iter::FusedIterator for RawAttributes<'_> {}

/// Appends one attribute. Of `flags` the Extended Length bit is ignored: it is set where `value` is longer than 255
/// octets and nowhere else (RFC 4271 §4.3), and the unused lower bits are cleared. Nothing is appended where the value
/// is longer than 65535 octets: it fits no message.
pub fn emit_attribute(flags: u8, code: u8, value: &[u8], out: &mut Vec<u8>) {
    if value.len() <= usize::from(u16::MAX) {
        emit_attribute_header(flags, code, value.len(), out);
        out.extend_from_slice(value);
    }
}

/// Appends type and length of an attribute of which `len` octets of value follow.
pub(super) fn emit_attribute_header(flags: u8, code: u8, len: usize, out: &mut Vec<u8>) {
    debug_assert!(len <= usize::from(u16::MAX), "an attribute of {len} octets fits no message");
    let flags = flags & (flag::OPTIONAL | flag::TRANSITIVE | flag::PARTIAL);
    match u8::try_from(len) {
        Ok(len) => out.extend_from_slice(&[flags, code, len]),
        Err(_) => {
            let [l0, l1] = u16::try_from(len).unwrap_or(u16::MAX).to_be_bytes();
            out.extend_from_slice(&[flags | flag::EXTENDED_LENGTH, code, l0, l1]);
        }
    }
}

/// The path attributes without MP_REACH_NLRI and MP_UNREACH_NLRI: what routes of one attribute set have in common,
/// to be hashed and compared before it is parsed. A part of `bytes` where those two stand first or last, as they
/// nearly always do; otherwise copied into `scratch`. Octets that are no attribute are kept.
pub fn without_multiprotocol<'a>(bytes: &'a [u8], scratch: &'a mut Vec<u8>) -> &'a [u8] {
    let mut list = raw_attributes(bytes);
    // The first run of other attributes, and whether there is a second one.
    let (mut run, mut copied) = (0..0, false);
    loop {
        let start = list.offset();
        let kept = match list.next() {
            None => break,
            Some(Ok(RawAttribute {
                code: attribute::MP_REACH_NLRI | attribute::MP_UNREACH_NLRI, ..
            })) => continue,
            Some(Ok(raw)) => start..start + raw.whole.len(),
            Some(Err(_)) => start..bytes.len(),
        };
        if !copied && run.is_empty() {
            run = kept;
        } else if !copied && run.end == start {
            run.end = kept.end;
        } else {
            if !copied {
                scratch.clear();
                scratch.extend_from_slice(bytes.get(run.clone()).unwrap_or_default());
                copied = true;
            }
            scratch.extend_from_slice(bytes.get(kept).unwrap_or_default());
        }
    }
    if copied { scratch } else { bytes.get(run).unwrap_or_default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn multiprotocol_attributes_are_taken_out() {
        let mp = [0x80, 14, 1, 0];
        let (a, b, broken) = ([0x40, 1, 1, 0], [0xd0, 99, 0, 0], [0x40, 2]);
        let mut scratch = Vec::new();
        for (blocks, want) in [
            (vec![], vec![]),
            (vec![&mp[..]], vec![]),
            (vec![&a[..], &b], vec![&a[..], &b]),
            (vec![&mp[..], &a, &b], vec![&a[..], &b]),
            (vec![&a[..], &b, &mp], vec![&a[..], &b]),
            (vec![&mp[..], &a, &b, &mp], vec![&a[..], &b]),
            (vec![&a[..], &mp, &b], vec![&a[..], &b]),
            (vec![&a[..], &mp, &b, &mp, &a], vec![&a[..], &b, &a]),
            (vec![&a[..], &mp, &broken], vec![&a[..], &broken]),
        ] {
            assert_eq!(without_multiprotocol(&blocks.concat(), &mut scratch), want.concat(), "{blocks:?}");
        }
    }

    #[test]
    fn extended_length_only_where_needed() {
        // RFC 4271 §4.3
        for (len, header) in [
            (0, vec![0xc0, 99, 0]),
            (255, vec![0xc0, 99, 255]),
            (256, vec![0xd0, 99, 1, 0]),
            (65535, vec![0xd0, 99, 255, 255]),
        ] {
            let mut out = Vec::new();
            emit_attribute(0xdf, 99, &vec![7; len], &mut out);
            assert_eq!(out[..header.len()], header);
            assert_eq!(out.len(), header.len() + len);
        }
        let mut out = Vec::new();
        emit_attribute(0xc0, 99, &vec![7; 65536], &mut out);
        assert!(out.is_empty());
    }
}
