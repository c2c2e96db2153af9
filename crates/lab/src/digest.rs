//! One number for a whole run: the same on every machine, another as soon as one octet or one moment differs.

use std::fmt;

/// An odd number without a pattern: the fraction of the golden ratio.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// A running hash. Not for secrets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest(u64);

impl Digest {
    /// Of nothing.
    pub const fn new() -> Digest {
        Digest(GOLDEN)
    }

    /// Of a name: seeds for parts are made so.
    pub fn of(octets: &[u8]) -> Digest {
        let mut digest = Digest::new();
        digest.octets(octets);
        digest
    }

    /// Adds a number.
    #[inline]
    pub fn number(&mut self, number: u64) {
        self.0 = fold(self.0 ^ number, GOLDEN);
    }

    /// Adds octets and how many they are.
    #[inline]
    pub fn octets(&mut self, octets: &[u8]) {
        let mut hash = fold(self.0 ^ octets.len() as u64, GOLDEN);
        let (blocks, rest) = octets.as_chunks::<32>();
        if !blocks.is_empty() {
            // Two chains that a processor can follow at the same time.
            let mut other = hash.rotate_left(32);
            for block in blocks {
                let (pairs, _) = block.as_chunks::<16>();
                hash = mix(hash, pairs[0]);
                other = mix(other, pairs[1]);
            }
            hash = fold(hash, other | 1) ^ other;
        }
        let (pairs, rest) = rest.as_chunks::<16>();
        for pair in pairs {
            hash = mix(hash, *pair);
        }
        if !rest.is_empty() {
            let mut last = [0; 16];
            last[..rest.len()].copy_from_slice(rest);
            hash = mix(hash, last);
        }
        self.0 = hash;
    }

    /// The number.
    pub const fn value(self) -> u64 {
        self.0
    }
}

impl Default for Digest {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

#[inline]
const fn mix(hash: u64, octets: [u8; 16]) -> u64 {
    let number = u128::from_le_bytes(octets);
    fold(hash ^ number as u64, (number >> 64) as u64 ^ GOLDEN)
}

/// Multiplies and puts both halves of the product together. The sum of one factor keeps a zero from swallowing all.
#[inline]
const fn fold(a: u64, b: u64) -> u64 {
    let product = (a as u128).wrapping_mul(b as u128);
    ((product >> 64) as u64 ^ product as u64).wrapping_add(a.rotate_left(29))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_same_on_every_machine() {
        let mut digest = Digest::of(b"trunkline");
        assert_eq!(digest.to_string(), "116b03037ee44c47");
        digest.number(7);
        digest.octets(&[1; 33]);
        assert_eq!(digest.to_string(), "a110fd3f248f5853");
    }

    #[test]
    fn each_bit_and_the_length_count() {
        let octets = [0x5a_u8; 80];
        let mut seen: BTreeSet<u64> = (0..=80).map(|len| Digest::of(&octets[..len]).value()).collect();
        for bit in 0..640 {
            let mut other = octets;
            other[bit / 8] ^= 1 << (bit % 8);
            seen.insert(Digest::of(&other).value());
        }
        assert_eq!(seen.len(), 81 + 640);
    }
}
