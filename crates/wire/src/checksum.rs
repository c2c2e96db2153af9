//! The Internet checksum: the ones' complement of the ones' complement sum of 16-bit words (RFC 1071), and its
//! incremental update (RFC 1624).

use std::net::Ipv4Addr;

/// Adds `octets` to a sum; start with 0 or [`pseudo_header`]. An odd last octet counts as the high half of a word,
/// so only the last piece of a packet may have an odd length.
#[inline]
pub fn sum(initial: u32, octets: &[u8]) -> u32 {
    // The sum does not depend on the byte order in which it is made, apart from one swap at the end, and words of
    // 32 bits add up to the same as their halves (RFC 1071 §2): so this is a plain loop that vectorises.
    let (words, rest) = octets.as_chunks::<4>();
    let mut total: u64 = 0;
    for word in words {
        total += u64::from(u32::from_ne_bytes(*word));
    }
    let mut last = [0; 4];
    for (to, from) in last.iter_mut().zip(rest) {
        *to = *from;
    }
    total += u64::from(u32::from_ne_bytes(last));
    let total = u64::from(u16::from_be(fold(total))) + u64::from(initial);
    (total & 0xffff_ffff) as u32 + (total >> 32) as u32
}

/// The checksum that belongs to a sum: folded to 16 bits and complemented.
#[inline]
pub const fn finish(sum: u32) -> u16 {
    !fold(sum as u64)
}

/// The checksum of `octets`. Over octets that hold their right checksum it is 0.
#[inline]
pub fn checksum(octets: &[u8]) -> u16 {
    finish(sum(0, octets))
}

/// The sum of the pseudo-header of UDP (RFC 768) and TCP (RFC 9293 §3.1); `length` is that of the transport's header
/// and payload.
#[inline]
pub fn pseudo_header(src: Ipv4Addr, dst: Ipv4Addr, protocol: u8, length: u16) -> u32 {
    let (src, dst) = (src.to_bits(), dst.to_bits());
    (src >> 16) + (src & 0xffff) + (dst >> 16) + (dst & 0xffff) + protocol as u32 + length as u32
}

/// The checksum after one 16-bit word under it changed from `old` to `new` (RFC 1624 §3, equation 3).
#[inline]
pub const fn update(old_checksum: u16, old: u16, new: u16) -> u16 {
    finish(!old_checksum as u32 + !old as u32 + new as u32)
}

#[inline]
const fn fold(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As RFC 1071 §4.1 has it: word by word.
    fn plain(octets: &[u8]) -> u16 {
        let mut sum = 0u32;
        for word in octets.chunks(2) {
            sum += match *word {
                [a, b] => u32::from(u16::from_be_bytes([a, b])),
                [a] => u32::from(a) << 8,
                _ => 0,
            };
            sum = (sum & 0xffff) + (sum >> 16);
        }
        !(sum as u16)
    }

    #[test]
    fn the_example_of_rfc_1071() {
        // RFC 1071 §3: the sum is ddf2.
        assert_eq!(checksum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]), !0xddf2);
    }

    #[test]
    fn the_example_of_rfc_1624() {
        // RFC 1624 §4: here the equation of RFC 1141 gives FFFF.
        assert_eq!(update(0xdd2f, 0x5555, 0x3285), 0x0000);
    }

    #[test]
    fn as_word_by_word_at_any_length_and_alignment() {
        let octets: Vec<u8> = (0..200u32).map(|i| (i * 167 + 13) as u8 | 0x80).collect();
        for start in 0..8 {
            for end in start..octets.len() {
                let piece = &octets[start..end];
                assert_eq!(checksum(piece), plain(piece), "{start}..{end}");
            }
        }
        assert_eq!(checksum(&[0xff; 70_000]), 0);
        assert_eq!(checksum(&[]), 0xffff);
    }

    #[test]
    fn in_pieces_as_in_one() {
        let octets: Vec<u8> = (0..99u8).collect();
        for middle in (0..octets.len()).step_by(2) {
            let (a, b) = octets.split_at(middle);
            assert_eq!(finish(sum(sum(0, a), b)), checksum(&octets));
        }
        // A start near the largest number does not overflow.
        assert_eq!(finish(sum(u32::MAX, &[0xff; 8])), 0);
    }
}
