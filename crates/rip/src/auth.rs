//! Authentication: key chains, digests, which key when (RFC 2453 §4.1, RFC 2082, RFC 4822).
//!
//! A key of 16 octets at most is right for keyed MD5, which pads it with zeros. HMAC takes any: one longer than the digest
//! is hashed first (RFC 4822 §2.5 (1)). No key is ever shown.

use hmac::{Hmac, KeyInit, Mac};
use md5::{Digest as _, Md5};
use sha1::Sha1;
use sha2::{Sha256, Sha384, Sha512};
use smallvec::SmallVec;
use std::fmt;
use subtle::ConstantTimeEq;
use trunkline_core::Instant;
use trunkline_wire::rip::{self, Digest, Message, digest_range};

/// How a message is authenticated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// A password in plain text, at most 16 octets (RFC 2453 §4.1): protects against slips only.
    Password,
    /// KEYED-MD5 (RFC 2082, RFC 4822 §2.4).
    KeyedMd5,
    /// HMAC-SHA-1 (RFC 4822 §2.5), as all below.
    HmacSha1,
    /// HMAC-SHA-256.
    HmacSha256,
    /// HMAC-SHA-384.
    HmacSha384,
    /// HMAC-SHA-512.
    HmacSha512,
}

/// When a key may be used: from START TIME on, and no longer at STOP TIME (RFC 4822 §2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Lifetime {
    /// None: since ever.
    pub from: Option<Instant>,
    /// None: for ever.
    pub until: Option<Instant>,
}

impl Lifetime {
    /// For ever.
    pub const ALWAYS: Lifetime = Lifetime { from: None, until: None };

    fn holds(self, now: Instant) -> bool {
        self.from.is_none_or(|from| from <= now) && !self.is_over(now)
    }

    fn is_over(self, now: Instant) -> bool {
        self.until.is_some_and(|until| until <= now)
    }
}

/// A key: RFC 4822 calls it a Security Association.
#[derive(Clone, PartialEq, Eq)]
pub struct Key {
    /// Key ID; none of two keys of an interface should have the same. A password has none on the wire.
    pub id: u8,
    /// How.
    pub algorithm: Algorithm,
    /// The secret.
    pub secret: Vec<u8>,
    /// When it is used for what we send. Of several, the one that became valid last is used.
    pub send: Lifetime,
    /// When it is accepted from others. It should begin before, and end after, others' sending.
    pub accept: Lifetime,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({}, {:?}, send {:?}, accept {:?}, …)", self.id, self.algorithm, self.send, self.accept)
    }
}

/// The keys of an interface.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Authentication {
    /// None: nothing is authenticated, and what is, is refused (RFC 2453 §5.2).
    pub keys: Vec<Key>,
    /// What to do when the last key is out of date. No: it is used on, and that is told (RFC 4822 §5.1 (2)). Yes: nothing
    /// is sent and nothing accepted.
    pub fail_secure: bool,
    /// Whether a neighbour that was not heard for the invalid time may go on with any sequence number. No: with a higher one,
    /// or zero, as RFC 4822 §2.3.2 (6) has it. Yes: for such as count from the start again when they restart; who has
    /// recorded their messages can then replay them while they are silent.
    pub any_after_silence: bool,
}

/// Why a message was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AuthFailure {
    /// We have keys, the message has no authentication.
    Missing,
    /// The message is authenticated, we have no keys.
    Unexpected,
    /// It is authenticated in another way.
    WrongType,
    /// It names a key that we do not have.
    UnknownKey(u8),
    /// It names a key that is not valid now.
    ExpiredKey(u8),
    /// The digest or the password is another.
    Mismatch,
    /// Its sequence number is lower than one before: a replay, or the neighbour forgot its own.
    OldSequence {
        /// That of the message.
        sequence: u32,
        /// The highest before.
        last: u32,
    },
    /// Version 1 cannot be authenticated (RFC 2453 §5.2).
    Version1,
}

impl fmt::Display for AuthFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AuthFailure::Missing => f.write_str("it is not authenticated"),
            AuthFailure::Unexpected => f.write_str("it is authenticated, and we have no keys"),
            AuthFailure::WrongType => f.write_str("it is authenticated in another way than ours"),
            AuthFailure::UnknownKey(id) => write!(f, "we have no key {id}"),
            AuthFailure::ExpiredKey(id) => write!(f, "key {id} is not valid now"),
            AuthFailure::Mismatch => f.write_str("the key is another, or someone changed the message"),
            AuthFailure::OldSequence { sequence, last } => {
                write!(f, "sequence number {sequence} after {last}: a replay, or the neighbor lost count")
            }
            AuthFailure::Version1 => f.write_str("version 1 cannot be authenticated"),
        }
    }
}

/// Which key to send with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Choice<'a> {
    /// There are no keys: without authentication.
    Plain,
    /// With this one, which may be out of date.
    Key { key: &'a Key, expired: bool },
    /// Nothing may be sent.
    Nothing,
}

impl Authentication {
    /// The key to send with (RFC 4822 §3.2, §5.1 (2)).
    pub(crate) fn choose(&self, now: Instant) -> Choice<'_> {
        if self.keys.is_empty() {
            return Choice::Plain;
        }
        let valid = self.keys.iter().filter(|key| key.send.holds(now));
        // Of those that became valid at once, the lowest.
        if let Some(key) = valid.max_by_key(|key| (key.send.from, std::cmp::Reverse(key.id))) {
            return Choice::Key { key, expired: false };
        }
        match self.last_key(now, |key| key.send) {
            Some(key) if !self.fail_secure => Choice::Key { key, expired: true },
            _ => Choice::Nothing,
        }
    }

    /// The key that became invalid last.
    fn last_key(&self, now: Instant, lifetime: fn(&Key) -> Lifetime) -> Option<&Key> {
        self.keys.iter().filter(|key| lifetime(key).is_over(now)).max_by_key(|key| lifetime(key).until)
    }

    fn accepts(&self, now: Instant, key: &Key) -> bool {
        let none_valid = || !self.keys.iter().any(|key| key.accept.holds(now));
        let is_last = || self.last_key(now, |key| key.accept).is_some_and(|last| last.id == key.id);
        key.accept.holds(now) || (!self.fail_secure && none_valid() && is_last())
    }

    /// Checks a received message (RFC 2453 §5.2, RFC 4822 §2.3.2 (1) to (5)); what it says of key and sequence number.
    pub(crate) fn verify(
        &self,
        now: Instant,
        message: &Message,
        octets: &[u8],
    ) -> Result<Option<(u8, u32)>, AuthFailure> {
        let Some(authentication) = &message.authentication else {
            return match (self.keys.is_empty(), message.version) {
                (true, _) => Ok(None),
                (false, 1) => Err(AuthFailure::Version1),
                (false, _) => Err(AuthFailure::Missing),
            };
        };
        if self.keys.is_empty() {
            return Err(AuthFailure::Unexpected);
        }
        match authentication {
            rip::Authentication::Password(theirs) => self.verify_password(now, theirs).map(|()| None),
            rip::Authentication::Cryptographic { key_id, sequence, digest } => {
                self.verify_digest(now, *key_id, digest, octets)?;
                Ok(Some((*key_id, *sequence)))
            }
            rip::Authentication::Unknown(..) => Err(AuthFailure::WrongType),
        }
    }

    fn verify_password(&self, now: Instant, theirs: &[u8; 16]) -> Result<(), AuthFailure> {
        let ours = || self.keys.iter().filter(|key| key.algorithm == Algorithm::Password);
        if ours().next().is_none() {
            return Err(AuthFailure::WrongType);
        }
        let same = |key: &&Key| bool::from(padded(&key.secret).ct_eq(theirs));
        match ours().find(same) {
            Some(key) if self.accepts(now, key) => Ok(()),
            Some(key) => Err(AuthFailure::ExpiredKey(key.id)),
            None => Err(AuthFailure::Mismatch),
        }
    }

    fn verify_digest(&self, now: Instant, id: u8, theirs: &Digest, octets: &[u8]) -> Result<(), AuthFailure> {
        let digests = || self.keys.iter().filter(|key| key.algorithm != Algorithm::Password);
        if digests().next().is_none() {
            return Err(AuthFailure::WrongType);
        }
        let key = digests().find(|key| key.id == id).ok_or(AuthFailure::UnknownKey(id))?;
        if !self.accepts(now, key) {
            return Err(AuthFailure::ExpiredKey(id));
        }
        let start = digest_range(octets).ok_or(AuthFailure::Missing)?.start;
        let ours = key.digest(octets.get(..start).unwrap_or_default());
        let same = ours.len() == theirs.len() && bool::from(ours.ct_eq(theirs));
        if same { Ok(()) } else { Err(AuthFailure::Mismatch) }
    }
}

impl Key {
    /// Octets that a message has behind its entries with this key.
    pub(crate) fn trailer_len(&self) -> usize {
        match self.digest_len() {
            0 => 0,
            length => rip::TRAILER_HEADER_LEN + length,
        }
    }

    fn digest_len(&self) -> usize {
        match self.algorithm {
            Algorithm::Password => 0,
            Algorithm::KeyedMd5 => 16,
            Algorithm::HmacSha1 => 20,
            Algorithm::HmacSha256 => 32,
            Algorithm::HmacSha384 => 48,
            Algorithm::HmacSha512 => 64,
        }
    }

    /// What a message to be signed has as authentication: room for the digest.
    pub(crate) fn reserve(&self, sequence: u32) -> rip::Authentication {
        match self.algorithm {
            Algorithm::Password => rip::Authentication::Password(padded(&self.secret)),
            _ => {
                let digest = SmallVec::from_elem(0, self.digest_len());
                rip::Authentication::Cryptographic { key_id: self.id, sequence, digest }
            }
        }
    }

    /// Fills in the digest of a message for which [`Key::reserve`] made room.
    pub(crate) fn sign(&self, octets: &mut [u8]) {
        if let Some(range) = digest_range(octets) {
            let digest = self.digest(&octets[..range.start]);
            octets[range].copy_from_slice(&digest);
        }
    }

    /// The digest of a message up to, and without, its Authentication Data.
    fn digest(&self, message: &[u8]) -> Digest {
        // RFC 4822 §2.5: HMAC, but a key longer than the digest, not the block, is hashed; and Apad stands where the result
        // will. That a shorter key is filled up with zeros is HMAC's own way.
        macro_rules! hmac {
            ($hash:ty) => {{
                let long = self.secret.len() > self.digest_len();
                let hashed = <$hash>::digest(&self.secret);
                let key = if long { hashed.as_slice() } else { &self.secret };
                let Ok(mut mac) = <Hmac<$hash> as KeyInit>::new_from_slice(key) else { return Digest::new() };
                mac.update(message);
                (0..self.digest_len() / APAD.len()).for_each(|_| mac.update(&APAD));
                Digest::from_slice(&mac.finalize().into_bytes())
            }};
        }
        match self.algorithm {
            Algorithm::Password => Digest::new(),
            // RFC 2082 §3.2.1 (3): message, trailer's head, key.
            Algorithm::KeyedMd5 => Digest::from_slice(
                &Md5::new().chain_update(message).chain_update(padded(&self.secret)).finalize(),
            ),
            Algorithm::HmacSha1 => hmac!(Sha1),
            Algorithm::HmacSha256 => hmac!(Sha256),
            Algorithm::HmacSha384 => hmac!(Sha384),
            Algorithm::HmacSha512 => hmac!(Sha512),
        }
    }
}

/// What fills the place of the digest while it is computed (RFC 4822 §2.5).
const APAD: [u8; 4] = [0x87, 0x8f, 0xe1, 0xf3];

fn padded(secret: &[u8]) -> [u8; 16] {
    let mut octets = [0; 16];
    octets.iter_mut().zip(secret).for_each(|(place, octet)| *place = *octet);
    octets
}
