//! Authentication of segments: keys, signing after a segment is emitted, verification before it is accepted.
//!
//! The connection leaves room for [`Signer::option_len`] octets of options; [`Signer::sign`] is applied to the finished
//! segment, [`Signer::verify`] before a received one is looked at. MD5 (`md5`) is RFC 2385, TCP-AO (`ao`) RFC 5925 and
//! 5926. Digests are compared in constant time, and no key is ever shown.

mod ao;
mod md5;

#[cfg(test)]
mod tests;

pub use ao::{Algorithm, AoKeys, AoKeysError, MasterKeyTuple};

use crate::SeqNum;
use std::fmt;
use std::net::Ipv4Addr;
use trunkline_wire::tcp::{Options, digest_range};

/// A secret shared with a peer.
#[derive(Clone, PartialEq, Eq)]
pub enum Key {
    /// TCP MD5 signature (RFC 2385): 1..=80 octets.
    Md5(Vec<u8>),
    /// TCP Authentication Option (RFC 5925).
    Ao(AoKeys),
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Key::Md5(_) => f.write_str("Md5(…)"),
            Key::Ao(keys) => keys.fmt(f),
        }
    }
}

/// Why a segment was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthFailure {
    /// A key is configured, the segment has no such option.
    Missing,
    /// The segment names a key that is not configured.
    UnknownKey,
    /// The digest does not match.
    Mismatch,
}

/// What of a connection goes into a digest besides the segment itself (RFC 5925 §5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Context {
    /// The sender's address.
    pub source: Ipv4Addr,
    /// The receiver's address.
    pub destination: Ipv4Addr,
    /// Our initial sequence number.
    pub iss: SeqNum,
    /// The peer's initial sequence number, `None` before it is known.
    pub irs: Option<SeqNum>,
}

/// Signs and verifies the segments of one connection.
#[derive(Debug, Clone)]
pub(crate) struct Signer(Method);

#[derive(Debug, Clone)]
enum Method {
    Md5(Key),
    Ao(Box<ao::Connection>),
}

impl Signer {
    /// A signer for a new connection.
    pub(crate) fn new(key: &Key) -> Signer {
        Signer(match key {
            Key::Md5(_) => Method::Md5(key.clone()),
            Key::Ao(keys) => Method::Ao(Box::new(ao::Connection::new(keys.clone()))),
        })
    }

    /// The octets that the option takes in the header, padding included (a multiple of four).
    pub(crate) fn option_len(&self) -> usize {
        match self.0 {
            Method::Md5(_) => 20,
            Method::Ao(_) => 16,
        }
    }

    /// Puts the option with a digest of zeros into the options of a segment to come.
    pub(crate) fn reserve(&mut self, options: &mut Options) {
        match &self.0 {
            Method::Md5(_) => options.md5 = Some([0; 16]),
            Method::Ao(connection) => options.authentication = connection.option(),
        }
    }

    /// Fills in the digest of a segment (TCP header on) with the option that `reserve` made room for. The caller fills in
    /// the checksum afterwards.
    pub(crate) fn sign(&mut self, context: &Context, segment: &mut [u8]) {
        let Some(range) = digest_range(segment) else { return };
        match &mut self.0 {
            Method::Md5(Key::Md5(key)) => {
                let digest = md5::digest(context, segment, key);
                if let Some(place) = segment.get_mut(range).filter(|place| place.len() == digest.len()) {
                    place.copy_from_slice(&digest);
                }
            }
            Method::Md5(Key::Ao(_)) => {}
            Method::Ao(connection) => connection.sign(context, segment, range),
        }
    }

    /// Checks a received segment (TCP header on).
    pub(crate) fn verify(&mut self, context: &Context, segment: &[u8]) -> Result<(), AuthFailure> {
        let range = digest_range(segment).ok_or(AuthFailure::Missing)?;
        match &mut self.0 {
            Method::Md5(Key::Md5(key)) => md5::verify(context, segment, range, key),
            Method::Md5(Key::Ao(_)) => Err(AuthFailure::Missing),
            Method::Ao(connection) => connection.verify(context, segment, range),
        }
    }
}

/// The fields of a TCP header that digests need; a segment that was emitted or parsed has them all.
struct Fields {
    ports: [u8; 4],
    sequence: SeqNum,
    header_len: usize,
    syn: bool,
    ack: bool,
}

impl Fields {
    fn of(segment: &[u8]) -> Option<Fields> {
        let header: &[u8; 20] = segment.first_chunk()?;
        let [p0, p1, p2, p3, s0, s1, s2, s3, _, _, _, _, offset, flags, ..] = *header;
        let header_len = usize::from(offset >> 4) * 4;
        (20..=segment.len()).contains(&header_len).then_some(Fields {
            ports: [p0, p1, p2, p3],
            sequence: SeqNum(u32::from_be_bytes([s0, s1, s2, s3])),
            header_len,
            syn: flags & 0x02 != 0,
            ack: flags & 0x10 != 0,
        })
    }
}

/// The pseudo-header of RFC 9293 §3.1.
fn pseudo_header(context: &Context, length: usize) -> [u8; 12] {
    let mut octets = [0; 12];
    octets[..4].copy_from_slice(&context.source.octets());
    octets[4..8].copy_from_slice(&context.destination.octets());
    octets[9] = 6;
    octets[10..].copy_from_slice(&(length as u16).to_be_bytes());
    octets
}
