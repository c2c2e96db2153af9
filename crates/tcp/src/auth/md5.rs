//! TCP MD5 signatures (RFC 2385 §2.0). Obsolete, and still what most BGP sessions use.

use super::{AuthFailure, Context, Fields, pseudo_header};
use md5::{Digest, Md5};
use std::ops::Range;
use subtle::ConstantTimeEq;

/// Octets of the fixed header.
const HEADER: usize = 20;

/// The digest: pseudo-header, header without options and with a checksum of zero, data, key.
pub(super) fn digest(context: &Context, segment: &[u8], key: &[u8]) -> [u8; 16] {
    let Some(fields) = Fields::of(segment) else { return [0; 16] };
    let mut header = [0; HEADER];
    header.copy_from_slice(&segment[..HEADER]);
    header[16..18].fill(0);
    Md5::new()
        .chain_update(pseudo_header(context, segment.len()))
        .chain_update(header)
        .chain_update(&segment[fields.header_len..])
        .chain_update(key)
        .finalize()
        .into()
}

/// Whether the segment has the right one.
pub(super) fn verify(
    context: &Context,
    segment: &[u8],
    range: Range<usize>,
    key: &[u8],
) -> Result<(), AuthFailure> {
    let theirs = segment.get(range).filter(|theirs| theirs.len() == 16).ok_or(AuthFailure::Missing)?;
    let ours = digest(context, segment, key);
    if bool::from(ours.ct_eq(theirs)) { Ok(()) } else { Err(AuthFailure::Mismatch) }
}
