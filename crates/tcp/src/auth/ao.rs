//! The TCP Authentication Option (RFC 5925) with the two sets of algorithms that everyone must have (RFC 5926).
//!
//! Left out: keys without an expressed direction, options longer than 16 octets, interworking with NAT (RFC 6978).

use super::{AuthFailure, Context, Fields, pseudo_header};
use crate::SeqNum;
use aes::Aes128;
use cmac::Cmac;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use smallvec::SmallVec;
use std::fmt;
use std::ops::Range;
use subtle::ConstantTimeEq;
use trunkline_wire::tcp;

/// Octets of a MAC: both algorithms are cut to 96 bits (RFC 5926 §3.2).
const MAC_LEN: usize = 12;

/// The option's kind (RFC 5925 §2.2).
const KIND: u8 = 29;

/// Traffic keys that a connection remembers: two directions, handshake and after, one rollover.
const MAX_TRAFFIC_KEYS: usize = 8;

/// How traffic keys are derived and segments signed (RFC 5926 §3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// KDF_HMAC_SHA1 and HMAC-SHA-1-96.
    HmacSha1,
    /// KDF_AES_128_CMAC and AES-128-CMAC-96.
    Aes128Cmac,
}

/// A Master Key Tuple (RFC 5925 §3.1), for one peer.
#[derive(Clone, PartialEq, Eq)]
pub struct MasterKeyTuple {
    /// SendID: the KeyID of what we sign with it.
    pub send_id: u8,
    /// RecvID: the KeyID of what the peer signs with it.
    pub recv_id: u8,
    /// How.
    pub algorithm: Algorithm,
    /// The master key.
    pub key: Vec<u8>,
    /// Whether TCP's options are signed too. They should be; some middleboxes change them.
    pub include_options: bool,
}

impl fmt::Debug for MasterKeyTuple {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MasterKeyTuple({}/{}, {:?}, …)", self.send_id, self.recv_id, self.algorithm)
    }
}

/// All keys for a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AoKeys {
    tuples: Vec<MasterKeyTuple>,
    preferred: usize,
}

/// Why keys cannot be used together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AoKeysError {
    /// There is none, or none with the preferred id.
    NoKey,
    /// Two have the same SendID, or the same RecvID (RFC 5925 §3.1).
    SameId,
}

impl AoKeys {
    /// `preferred` is the SendID of the key to begin with, and that the peer is asked to use.
    ///
    /// # Errors
    ///
    /// The keys do not go together.
    pub fn new(tuples: Vec<MasterKeyTuple>, preferred: u8) -> Result<AoKeys, AoKeysError> {
        let at = tuples.iter().position(|tuple| tuple.send_id == preferred).ok_or(AoKeysError::NoKey)?;
        for (index, tuple) in tuples.iter().enumerate() {
            let others = &tuples[index + 1..];
            if others.iter().any(|other| other.send_id == tuple.send_id || other.recv_id == tuple.recv_id) {
                return Err(AoKeysError::SameId);
            }
        }
        Ok(AoKeys { tuples, preferred: at })
    }
}

/// The state of one connection (RFC 5925 §4).
#[derive(Debug, Clone)]
pub(super) struct Connection {
    keys: AoKeys,
    /// current_key: what we sign with.
    current: usize,
    send: Extended,
    receive: Extended,
    traffic: SmallVec<[Traffic; 2]>,
}

/// A traffic key and what it was derived from.
#[derive(Clone)]
struct Traffic {
    tuple: usize,
    context: [u8; 20],
    key: SmallVec<[u8; 20]>,
}

impl fmt::Debug for Traffic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Traffic({}, …)", self.tuple)
    }
}

impl Connection {
    pub(super) fn new(keys: AoKeys) -> Connection {
        let current = keys.preferred;
        Connection {
            keys,
            current,
            send: Extended::default(),
            receive: Extended::default(),
            traffic: SmallVec::new(),
        }
    }

    /// The option with a MAC of zeros. RNextKeyID asks the peer for the preferred key (RFC 5925 §7.4).
    pub(super) fn option(&self) -> Option<tcp::Authentication> {
        Some(tcp::Authentication {
            key_id: self.keys.tuples[self.current].send_id,
            r_next_key_id: self.keys.tuples[self.keys.preferred].recv_id,
            mac: tcp::Mac::new(&[0; MAC_LEN])?,
        })
    }

    /// Signs a segment of ours (RFC 5925 §7.4).
    pub(super) fn sign(&mut self, context: &Context, segment: &mut [u8], range: Range<usize>) {
        let Some(fields) = Fields::of(segment) else { return };
        let extension = self.send.extension(fields.sequence);
        self.send.advance(fields.sequence);
        let mac = self.mac(self.current, context, &fields, true, extension, segment);
        if let Some(place) = segment.get_mut(range).filter(|place| place.len() == MAC_LEN) {
            place.copy_from_slice(&mac);
        }
    }

    /// Checks a segment of the peer's (RFC 5925 §7.5), and follows its wish for another key.
    pub(super) fn verify(
        &mut self,
        context: &Context,
        segment: &[u8],
        range: Range<usize>,
    ) -> Result<(), AuthFailure> {
        let fields = Fields::of(segment).ok_or(AuthFailure::Missing)?;
        let theirs =
            segment.get(range.clone()).filter(|mac| mac.len() == MAC_LEN).ok_or(AuthFailure::Missing)?;
        let ids = range.start.checked_sub(2).and_then(|at| segment.get(at..range.start));
        let &[key_id, r_next_key_id] = ids.ok_or(AuthFailure::Missing)? else {
            return Err(AuthFailure::Missing);
        };
        let tuple = self.keys.tuples.iter().position(|tuple| tuple.recv_id == key_id);
        let tuple = tuple.ok_or(AuthFailure::UnknownKey)?;
        let extension = self.receive.extension(fields.sequence);
        let ours = self.mac(tuple, context, &fields, false, extension, segment);
        if !bool::from(ours.ct_eq(theirs)) {
            return Err(AuthFailure::Mismatch);
        }
        self.receive.advance(fields.sequence);
        if let Some(wanted) = self.keys.tuples.iter().position(|tuple| tuple.send_id == r_next_key_id) {
            self.current = wanted;
        }
        Ok(())
    }

    /// The MAC of a segment (RFC 5925 §5.1): the sequence number's extension, pseudo-header, header with checksum and
    /// MAC of zero, data.
    fn mac(
        &mut self,
        tuple: usize,
        context: &Context,
        fields: &Fields,
        ours: bool,
        extension: u32,
        segment: &[u8],
    ) -> [u8; MAC_LEN] {
        let (algorithm, include) =
            (self.keys.tuples[tuple].algorithm, self.keys.tuples[tuple].include_options);
        let header = header(&segment[..fields.header_len], include);
        let extension = extension.to_be_bytes();
        let pseudo = pseudo_header(context, segment.len());
        let data = &segment[fields.header_len..];
        let key = self.traffic_key(tuple, key_context(context, fields, ours));
        let mut mac = [0; MAC_LEN];
        let parts: [&[u8]; 4] = [&extension, &pseudo, &header, data];
        mac.copy_from_slice(&keyed(algorithm, key, &parts)[..MAC_LEN]);
        mac
    }

    fn traffic_key(&mut self, tuple: usize, context: [u8; 20]) -> &[u8] {
        let known = self.traffic.iter().position(|t| t.tuple == tuple && t.context == context);
        let at = known.unwrap_or_else(|| {
            if self.traffic.len() == MAX_TRAFFIC_KEYS {
                self.traffic.remove(0);
            }
            let key = derive(&self.keys.tuples[tuple], &context);
            self.traffic.push(Traffic { tuple, context, key });
            self.traffic.len() - 1
        });
        &self.traffic[at].key
    }
}

/// The KDF's context (RFC 5925 §5.2): the sender's and the receiver's address, port and initial sequence number. The
/// receiver's number is zero in a SYN, which is sent before it is known.
fn key_context(context: &Context, fields: &Fields, ours: bool) -> [u8; 20] {
    let zero = SeqNum(0);
    let (mut sender, mut receiver) = if ours {
        (context.iss, context.irs.unwrap_or(zero))
    } else {
        (context.irs.unwrap_or(zero), context.iss)
    };
    if fields.syn {
        sender = fields.sequence;
        if !fields.ack {
            receiver = zero;
        }
    }
    let mut octets = [0; 20];
    octets[..4].copy_from_slice(&context.source.octets());
    octets[4..8].copy_from_slice(&context.destination.octets());
    octets[8..12].copy_from_slice(&fields.ports);
    octets[12..16].copy_from_slice(&sender.0.to_be_bytes());
    octets[16..].copy_from_slice(&receiver.0.to_be_bytes());
    octets
}

/// The header as it is signed: checksum and MAC zero, and options left out but the authentication option where the key
/// says so.
fn header(octets: &[u8], include_options: bool) -> SmallVec<[u8; 64]> {
    let mut header = SmallVec::from_slice(&octets[..20]);
    header[16..18].fill(0);
    let mut rest = &octets[20..];
    while let [kind, tail @ ..] = rest {
        let len = match (kind, tail.first()) {
            (0 | 1, _) => 1,
            (_, Some(len)) if (2..=rest.len()).contains(&usize::from(*len)) => usize::from(*len),
            _ => rest.len(),
        };
        let (option, after) = rest.split_at(len);
        if *kind == KIND && len > 4 {
            header.extend_from_slice(&option[..4]);
            header.extend(std::iter::repeat_n(0, len - 4));
        } else if include_options {
            header.extend_from_slice(option);
        }
        rest = after;
    }
    header
}

/// A traffic key (RFC 5926 §3.1).
fn derive(tuple: &MasterKeyTuple, context: &[u8; 20]) -> SmallVec<[u8; 20]> {
    let bits: u16 = match tuple.algorithm {
        Algorithm::HmacSha1 => 160,
        Algorithm::Aes128Cmac => 128,
    };
    let length = bits.to_be_bytes();
    let parts: [&[u8]; 4] = [&[1], b"TCP-AO", context, &length];
    match tuple.algorithm {
        Algorithm::HmacSha1 => keyed(Algorithm::HmacSha1, &tuple.key, &parts),
        // A key of another length than AES wants is made one (RFC 4615 §3, RFC 5926 §3.1.1.2).
        Algorithm::Aes128Cmac if tuple.key.len() == 16 => keyed(Algorithm::Aes128Cmac, &tuple.key, &parts),
        Algorithm::Aes128Cmac => {
            let key = keyed(Algorithm::Aes128Cmac, &[0; 16], &[&tuple.key]);
            keyed(Algorithm::Aes128Cmac, &key, &parts)
        }
    }
}

/// HMAC-SHA1 or AES-128-CMAC over all parts. An AES key of a wrong length does not occur: both callers see to that.
fn keyed(algorithm: Algorithm, key: &[u8], parts: &[&[u8]]) -> SmallVec<[u8; 20]> {
    fn run<M: Mac>(mut mac: M, parts: &[&[u8]]) -> SmallVec<[u8; 20]> {
        parts.iter().for_each(|part| mac.update(part));
        SmallVec::from_slice(&mac.finalize().into_bytes())
    }
    let mac = match algorithm {
        Algorithm::HmacSha1 => Hmac::<Sha1>::new_from_slice(key).map(|mac| run(mac, parts)),
        Algorithm::Aes128Cmac => Cmac::<Aes128>::new_from_slice(key).map(|mac| run(mac, parts)),
    };
    mac.unwrap_or_else(|_| SmallVec::from_slice(&[0; 20]))
}

/// A sequence number with the 32 bits that TCP does not carry (SNE, RFC 5925 §6.2): the nearest to the highest that was
/// seen, so that neither a wrap nor an old segment is taken for what it is not.
#[derive(Debug, Clone, Default)]
struct Extended(Option<u64>);

impl Extended {
    fn of(&self, sequence: SeqNum) -> u64 {
        match self.0 {
            None => u64::from(sequence.0),
            Some(highest) => {
                let distance = sequence.0.wrapping_sub(highest as u32).cast_signed();
                highest.checked_add_signed(i64::from(distance)).unwrap_or(u64::from(sequence.0))
            }
        }
    }

    /// SNE of a segment with this sequence number.
    fn extension(&self, sequence: SeqNum) -> u32 {
        (self.of(sequence) >> 32) as u32
    }

    /// A segment with this sequence number is genuine.
    fn advance(&mut self, sequence: SeqNum) {
        let extended = self.of(sequence);
        self.0 = Some(self.0.map_or(extended, |highest| highest.max(extended)));
    }
}
