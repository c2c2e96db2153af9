//! The first entry where it authenticates the message, and the digest behind the last (RFC 2453 §4.1, RFC 4822 §2.1).

use super::{ENTRY_LEN, Entry, HEADER_LEN, TRAILER_HEADER_LEN};
use crate::Malformed;
use crate::bytes::Reader;
use smallvec::SmallVec;
use std::fmt;
use std::ops::Range;

/// Authentication Type of a password.
const PASSWORD: u16 = 2;

/// Authentication Type of a keyed digest.
const CRYPTOGRAPHIC: u16 = 3;

/// What stands in front of the digest.
const TRAILER: [u8; TRAILER_HEADER_LEN] = [0xff, 0xff, 0, 1];

/// Authentication Data: at most 255 octets, 64 of the longest algorithm.
pub type Digest = SmallVec<[u8; 64]>;

/// How a message of version 2 is authenticated.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Authentication {
    /// A password in plain text, with zeros behind (RFC 2453 §4.1).
    Password([u8; 16]),
    /// A digest of the message with a key (RFC 2082, RFC 4822).
    Cryptographic {
        /// Key ID.
        key_id: u8,
        /// Sequence Number.
        sequence: u32,
        /// Authentication Data, at most 255 octets.
        digest: Digest,
    },
    /// Another Authentication Type, and its 16 octets.
    Unknown(u16, [u8; 16]),
}

impl fmt::Debug for Authentication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Authentication::Password(_) => f.write_str("Password(…)"),
            Authentication::Cryptographic { key_id, sequence, digest } => {
                write!(f, "Cryptographic({key_id}, {sequence}, {} octets)", digest.len())
            }
            Authentication::Unknown(kind, _) => write!(f, "Unknown({kind})"),
        }
    }
}

impl Authentication {
    /// Reads the first entry of a message of version 2 (`octets`, header on), where it is authentication, and gives the
    /// octets of the other entries.
    pub(super) fn parse(octets: &[u8]) -> Result<(Option<Authentication>, &[u8]), Malformed> {
        let mut r = Reader::new(octets.get(HEADER_LEN..).unwrap_or_default());
        let all = r.rest();
        if r.u16() != Some(Entry::AUTHENTICATION) {
            return Ok((None, all));
        }
        let truncated = Malformed::truncated("RIP authentication");
        let kind = r.u16().ok_or(truncated)?;
        let value: [u8; 16] = r.array().ok_or(truncated)?;
        let authentication = match kind {
            PASSWORD => Authentication::Password(value),
            CRYPTOGRAPHIC => return cryptographic(octets, value),
            _ => Authentication::Unknown(kind, value),
        };
        Ok((Some(authentication), r.rest()))
    }

    /// Appends the first entry of a message; `entries` is how many others there are.
    pub(super) fn emit(&self, entries: usize, out: &mut Vec<u8>) {
        out.extend_from_slice(&Entry::AUTHENTICATION.to_be_bytes());
        match self {
            Authentication::Password(password) => {
                out.extend_from_slice(&PASSWORD.to_be_bytes());
                out.extend_from_slice(password);
            }
            Authentication::Cryptographic { key_id, sequence, digest } => {
                debug_assert!(digest.len() <= 255, "a digest of {} octets", digest.len());
                let length = (HEADER_LEN + ENTRY_LEN * (1 + entries)) as u16;
                out.extend_from_slice(&CRYPTOGRAPHIC.to_be_bytes());
                out.extend_from_slice(&length.to_be_bytes());
                out.extend_from_slice(&[*key_id, digest.len() as u8]);
                out.extend_from_slice(&sequence.to_be_bytes());
                out.extend_from_slice(&[0; 8]);
            }
            Authentication::Unknown(kind, value) => {
                out.extend_from_slice(&kind.to_be_bytes());
                out.extend_from_slice(value);
            }
        }
    }

    /// Appends what comes behind the entries.
    pub(super) fn emit_trailer(&self, out: &mut Vec<u8>) {
        if let Authentication::Cryptographic { digest, .. } = self {
            out.extend_from_slice(&TRAILER);
            out.extend_from_slice(digest);
        }
    }
}

/// RFC 4822 §2.1: the first entry says where the trailer is and how long.
fn cryptographic(octets: &[u8], value: [u8; 16]) -> Result<(Option<Authentication>, &[u8]), Malformed> {
    // The eight octets that follow are reserved: they are not looked at.
    let [l0, l1, key_id, data_len, s0, s1, s2, s3, ..] = value;
    let length = usize::from(u16::from_be_bytes([l0, l1]));
    let (body, trailer) = octets.split_at_checked(length).ok_or(Malformed::truncated("RIP packet length"))?;
    let entries = body.get(HEADER_LEN + ENTRY_LEN..).ok_or(Malformed::length("RIP packet length"))?;
    let digest = trailer.strip_prefix(&TRAILER).ok_or(Malformed::value("RIP authentication trailer"))?;
    // Whether the trailer's first four octets count is read both ways in the field; the RFC, and we, count the digest alone.
    let data_len = usize::from(data_len);
    if data_len != digest.len() && data_len != trailer.len() {
        return Err(Malformed::length("RIP authentication data length"));
    }
    let sequence = u32::from_be_bytes([s0, s1, s2, s3]);
    let authentication =
        Authentication::Cryptographic { key_id, sequence, digest: Digest::from_slice(digest) };
    Ok((Some(authentication), entries))
}

/// Where the digest is in a message that was emitted or parsed; none where it has none.
pub fn digest_range(message: &[u8]) -> Option<Range<usize>> {
    let (authentication, _) = Authentication::parse(message).ok()?;
    match authentication? {
        Authentication::Cryptographic { digest, .. } => Some(message.len() - digest.len()..message.len()),
        Authentication::Password(_) | Authentication::Unknown(..) => None,
    }
}
