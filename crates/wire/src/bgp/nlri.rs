//! Prefixes as they stand in NLRI and Withdrawn Routes fields (RFC 4271 §4.3; RFC 4760 §5; RFC 7606 §5.3).

use super::{ErrorCode, Notification};
use std::fmt;
use trunkline_core::{Ipv4Prefix, Ipv6Prefix};

/// Why a field of prefixes is syntactically incorrect (RFC 7606 §5.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NlriFaultKind {
    /// The length is beyond 32 (IPv4) or 128 (IPv6) bits.
    TooLong {
        /// The Length octet, in bits.
        len: u8,
    },
    /// The prefix needs more octets than are left.
    Overrun {
        /// The Length octet, in bits.
        len: u8,
    },
}

/// A syntactically incorrect field of prefixes; nothing after it can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct NlriFault {
    /// Where in the field the prefix starts that cannot be read.
    pub offset: usize,
    /// What is wrong with it.
    pub what: NlriFaultKind,
}

impl NlriFault {
    /// What to send where the field is Withdrawn Routes or NLRI of the UPDATE itself: Invalid Network Field
    /// (RFC 4271 §6.3). For MP_REACH_NLRI and MP_UNREACH_NLRI see their `error_notification`.
    pub fn to_notification(self) -> Notification {
        ErrorCode::INVALID_NETWORK_FIELD.into()
    }
}

impl fmt::Display for NlriFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.what {
            NlriFaultKind::TooLong { len } => write!(f, "prefix length {len} is too long"),
            NlriFaultKind::Overrun { len } => write!(f, "prefix of length {len} runs beyond the field"),
        }?;
        write!(f, " (at octet {} of the field)", self.offset)
    }
}

macro_rules! prefixes {
    ($iter:ident, $read:ident, $emit:ident, $prefix:ident, $bits:ty, $octets:literal, $family:literal) => {
        #[doc = concat!("Iterates over ", $family, " prefixes; after a fault it ends.")]
        #[derive(Debug, Clone)]
        pub struct $iter<'a> {
            rest: &'a [u8],
            field_len: usize,
        }

        impl<'a> $iter<'a> {
            /// What has not been read yet.
            pub const fn rest(&self) -> &'a [u8] {
                self.rest
            }

            #[cold]
            fn fault(&mut self, what: NlriFaultKind) -> NlriFault {
                let offset = self.field_len - self.rest.len();
                self.rest = &[];
                NlriFault { offset, what }
            }
        }

        impl Iterator for $iter<'_> {
            type Item = Result<$prefix, NlriFault>;

            #[inline]
            fn next(&mut self) -> Option<Self::Item> {
                let (&len, tail) = self.rest.split_first()?;
                if len > $prefix::MAX_LEN {
                    return Some(Err(self.fault(NlriFaultKind::TooLong { len })));
                }
                let octets = usize::from(len.div_ceil(8));
                let Some((bytes, tail)) = tail.split_at_checked(octets) else {
                    return Some(Err(self.fault(NlriFaultKind::Overrun { len })));
                };
                let mut bits = [0; $octets];
                if let Some(head) = bits.get_mut(..octets) {
                    head.copy_from_slice(bytes);
                }
                self.rest = tail;
                // Bits beyond the length are irrelevant (RFC 4271 §4.3), so they are cleared.
                Some(Ok($prefix::from_bits(<$bits>::from_be_bytes(bits), len)))
            }

            fn size_hint(&self) -> (usize, Option<usize>) {
                (usize::from(!self.rest.is_empty()), Some(self.rest.len()))
            }
        }

        impl std::iter::FusedIterator for $iter<'_> {}

        #[doc = concat!("The ", $family, " prefixes of a field; a fault comes at most once, as the last item.")]
        #[inline]
        pub const fn $read(bytes: &[u8]) -> $iter<'_> {
            $iter { rest: bytes, field_len: bytes.len() }
        }

        #[doc = concat!("Appends one ", $family, " prefix: length in bits, then as few octets as hold it.")]
        #[inline]
        pub fn $emit(prefix: $prefix, out: &mut Vec<u8>) {
            out.push(prefix.len());
            let bytes = prefix.bits().to_be_bytes();
            out.extend_from_slice(bytes.get(..usize::from(prefix.len().div_ceil(8))).unwrap_or(&bytes));
        }
    };
}

prefixes!(Ipv4Prefixes, ipv4_prefixes, emit_ipv4_prefix, Ipv4Prefix, u32, 4, "IPv4");
prefixes!(Ipv6Prefixes, ipv6_prefixes, emit_ipv6_prefix, Ipv6Prefix, u128, 16, "IPv6");
