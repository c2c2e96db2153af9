//! TCP options (RFC 9293 §3.2): window scale and timestamps (RFC 7323), selective acknowledgments (RFC 2018), the MD5
//! signature (RFC 2385) and the authentication option (RFC 5925).

use std::fmt;
use std::ops::{Deref, Range};

use super::SeqNum;
use crate::Malformed;
use crate::bytes::Reader;

/// Octets that the options of a segment can have.
pub(super) const MAX_LEN: usize = 40;

const END_OF_LIST: u8 = 0;
const NO_OPERATION: u8 = 1;
const MAXIMUM_SEGMENT_SIZE: u8 = 2;
const WINDOW_SCALE: u8 = 3;
const SACK_PERMITTED: u8 = 4;
const SACK: u8 = 5;
const TIMESTAMPS: u8 = 8;
const MD5_SIGNATURE: u8 = 19;
const AUTHENTICATION: u8 = 29;

/// The options of a segment that this crate knows; others are passed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Options {
    /// Maximum Segment Size, octets; in a SYN only.
    pub mss: Option<u16>,
    /// Window Scale: a shift, at most 14 (RFC 7323 §2.3); in a SYN only.
    pub window_scale: Option<u8>,
    /// SACK-Permitted; in a SYN only.
    pub sack_permitted: bool,
    /// SACK: blocks that arrived beyond the acknowledgment number.
    pub sack: SackBlocks,
    /// Timestamps.
    pub timestamps: Option<Timestamps>,
    /// The digest of the TCP MD5 Signature Option (RFC 2385).
    pub md5: Option<[u8; 16]>,
    /// The TCP Authentication Option (RFC 5925 §2.2).
    pub authentication: Option<Authentication>,
}

/// The Timestamps option (RFC 7323 §3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Timestamps {
    /// TSval: the sender's timestamp clock.
    pub value: u32,
    /// TSecr: the receiver's latest, echoed.
    pub echo: u32,
}

/// The TCP Authentication Option (RFC 5925 §2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Authentication {
    /// KeyID: the key of this segment's MAC, by the sender's number.
    pub key_id: u8,
    /// RNextKeyID: the key that the sender is ready to receive.
    pub r_next_key_id: u8,
    /// The message authentication code.
    pub mac: Mac,
}

/// A message authentication code: at most 20 octets, 12 with both algorithms of RFC 5926.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Mac {
    len: u8,
    octets: [u8; Mac::MAX_LEN],
}

impl Mac {
    /// Octets that a code can have here.
    pub const MAX_LEN: usize = 20;

    /// A code from its octets; `None` where there are more than 20.
    pub fn new(mac: &[u8]) -> Option<Mac> {
        let mut octets = [0; Mac::MAX_LEN];
        octets.get_mut(..mac.len())?.copy_from_slice(mac);
        Some(Mac { len: mac.len() as u8, octets })
    }

    /// Zeros: what stands in a segment while its code is computed (RFC 5925 §5.1). At most 20.
    pub const fn zeros(len: usize) -> Mac {
        let len = if len < Mac::MAX_LEN { len } else { Mac::MAX_LEN };
        Mac { len: len as u8, octets: [0; Mac::MAX_LEN] }
    }
}

impl Deref for Mac {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.octets.get(..usize::from(self.len)).unwrap_or_default()
    }
}

impl fmt::Debug for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mac(")?;
        self.iter().try_for_each(|octet| write!(f, "{octet:02x}"))?;
        f.write_str(")")
    }
}

/// Blocks of a SACK option (RFC 2018 §3): the first sequence number of a block, and the one after its last. At most 4.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct SackBlocks {
    len: u8,
    blocks: [(SeqNum, SeqNum); SackBlocks::MAX],
}

impl SackBlocks {
    /// How many blocks fit into the options of a segment.
    pub const MAX: usize = 4;

    /// Blocks from a list; those after the fourth are left out.
    pub fn new(blocks: &[(SeqNum, SeqNum)]) -> SackBlocks {
        let mut sack = SackBlocks::default();
        for &(left, right) in blocks {
            sack.push(left, right);
        }
        sack
    }

    /// Appends a block. Whether there was room.
    pub fn push(&mut self, left: SeqNum, right: SeqNum) -> bool {
        let Some(place) = self.blocks.get_mut(usize::from(self.len)) else { return false };
        *place = (left, right);
        self.len += 1;
        true
    }
}

impl Deref for SackBlocks {
    type Target = [(SeqNum, SeqNum)];

    fn deref(&self) -> &[(SeqNum, SeqNum)] {
        self.blocks.get(..usize::from(self.len)).unwrap_or_default()
    }
}

impl fmt::Debug for SackBlocks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter().map(|(left, right)| left.0..right.0)).finish()
    }
}

impl Options {
    /// No options.
    pub const NONE: Options = Options {
        mss: None,
        window_scale: None,
        sack_permitted: false,
        sack: SackBlocks { len: 0, blocks: [(SeqNum(0), SeqNum(0)); SackBlocks::MAX] },
        timestamps: None,
        md5: None,
        authentication: None,
    };

    /// Reads the options of a header.
    #[inline]
    pub fn parse(octets: &[u8]) -> Result<Options, Malformed> {
        let mut options = Options::NONE;
        // What nearly every segment of a connection with timestamps has (RFC 7323 appendix A).
        if let &[NO_OPERATION, NO_OPERATION, TIMESTAMPS, 10, a, b, c, d, e, f, g, h] = octets {
            options.timestamps = Some(Timestamps {
                value: u32::from_be_bytes([a, b, c, d]),
                echo: u32::from_be_bytes([e, f, g, h]),
            });
            return Ok(options);
        }
        for option in Walk::new(octets) {
            let (kind, data) = option?;
            options.take(kind, octets.get(data).unwrap_or_default())?;
        }
        Ok(options)
    }

    fn take(&mut self, kind: u8, data: &[u8]) -> Result<(), Malformed> {
        match (kind, data) {
            (MAXIMUM_SEGMENT_SIZE, &[a, b]) => self.mss = Some(u16::from_be_bytes([a, b])),
            (MAXIMUM_SEGMENT_SIZE, _) => return Err(Malformed::length("TCP maximum segment size option")),
            (WINDOW_SCALE, &[shift]) => self.window_scale = Some(shift),
            (WINDOW_SCALE, _) => return Err(Malformed::length("TCP window scale option")),
            (SACK_PERMITTED, []) => self.sack_permitted = true,
            (SACK_PERMITTED, _) => return Err(Malformed::length("TCP SACK-permitted option")),
            (SACK, _) => {
                let (blocks, []) = data.as_chunks::<8>() else {
                    return Err(Malformed::length("TCP SACK option"));
                };
                self.sack = SackBlocks::default();
                for &[a, b, c, d, e, f, g, h] in blocks {
                    let left = SeqNum(u32::from_be_bytes([a, b, c, d]));
                    self.sack.push(left, SeqNum(u32::from_be_bytes([e, f, g, h])));
                }
            }
            (TIMESTAMPS, _) => {
                let mut r = Reader::new(data);
                match (r.u32(), r.u32(), r.is_empty()) {
                    (Some(value), Some(echo), true) => self.timestamps = Some(Timestamps { value, echo }),
                    _ => return Err(Malformed::length("TCP timestamps option")),
                }
            }
            (MD5_SIGNATURE, _) => match data.try_into() {
                Ok(digest) => self.md5 = Some(digest),
                Err(_) => return Err(Malformed::length("TCP MD5 signature option")),
            },
            (AUTHENTICATION, &[key_id, r_next_key_id, ref mac @ ..]) => {
                // More than one: the segment is to be discarded (RFC 5925 §2.2).
                if self.authentication.is_some() {
                    return Err(Malformed::value("TCP authentication option"));
                }
                let mac = Mac::new(mac).ok_or(Malformed::length("TCP authentication option"))?;
                self.authentication = Some(Authentication { key_id, r_next_key_id, mac });
            }
            (AUTHENTICATION, _) => return Err(Malformed::length("TCP authentication option")),
            _ => {}
        }
        Ok(())
    }

    /// Octets that these options take in a segment: a multiple of four, at most 40.
    #[inline]
    pub fn encoded_len(&self) -> usize {
        self.encode().len()
    }

    /// The octets of the options, aligned as is usual. Signatures come first, as without them the rest is worth
    /// nothing; what no longer fits into 40 octets is left out, SACK blocks first.
    pub(super) fn encode(&self) -> Encoded {
        let mut out = Encoded { len: 0, octets: [0; MAX_LEN] };
        if let Some(digest) = &self.md5 {
            out.push(&[&[NO_OPERATION, NO_OPERATION, MD5_SIGNATURE, 18], digest]);
        }
        if let Some(Authentication { key_id, r_next_key_id, mac }) = &self.authentication {
            let len = 4 + mac.len();
            let padding = [NO_OPERATION; 3];
            let padding = padding.get(..len.next_multiple_of(4) - len).unwrap_or_default();
            out.push(&[padding, &[AUTHENTICATION, len as u8, *key_id, *r_next_key_id], mac]);
        }
        if let Some(mss) = self.mss {
            out.push(&[&[MAXIMUM_SEGMENT_SIZE, 4], &mss.to_be_bytes()]);
        }
        let sack_permitted = [SACK_PERMITTED, 2];
        let nothing = [NO_OPERATION; 2];
        if let Some(Timestamps { value, echo }) = self.timestamps {
            let first = if self.sack_permitted { sack_permitted } else { nothing };
            out.push(&[&first, &[TIMESTAMPS, 10], &value.to_be_bytes(), &echo.to_be_bytes()]);
        } else if self.sack_permitted {
            out.push(&[&nothing, &sack_permitted]);
        }
        if let Some(shift) = self.window_scale {
            out.push(&[&[NO_OPERATION, WINDOW_SCALE, 3, shift]]);
        }
        let fit = (MAX_LEN - out.len()).saturating_sub(4) / 8;
        if let Some(blocks) = self.sack.get(..self.sack.len().min(fit)).filter(|blocks| !blocks.is_empty()) {
            out.push(&[&nothing, &[SACK, 2 + 8 * blocks.len() as u8]]);
            for (left, right) in blocks {
                out.push(&[&left.0.to_be_bytes(), &right.0.to_be_bytes()]);
            }
        }
        out
    }
}

/// Options as they stand in a header.
pub(super) struct Encoded {
    len: u8,
    octets: [u8; MAX_LEN],
}

impl Encoded {
    /// Appends the pieces, where there is room for all of them.
    fn push(&mut self, pieces: &[&[u8]]) {
        let start = usize::from(self.len);
        let len: usize = pieces.iter().map(|piece| piece.len()).sum();
        let Some(mut space) = self.octets.get_mut(start..start + len) else { return };
        for piece in pieces {
            let Some((here, rest)) = space.split_at_mut_checked(piece.len()) else { return };
            here.copy_from_slice(piece);
            space = rest;
        }
        self.len += len as u8;
    }
}

impl Deref for Encoded {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.octets.get(..usize::from(self.len)).unwrap_or_default()
    }
}

/// Where the digest of the MD5 option stands in these options, or the MAC of the authentication option.
pub(super) fn digest(octets: &[u8]) -> Option<Range<usize>> {
    Walk::new(octets).map_while(Result::ok).find_map(|(kind, data)| match kind {
        MD5_SIGNATURE if data.len() == 16 => Some(data),
        AUTHENTICATION if data.len() >= 2 => Some(data.start + 2..data.end),
        _ => None,
    })
}

/// Goes through options: the kind and where the data stand. No Operation is passed over.
struct Walk<'a> {
    octets: &'a [u8],
    next: usize,
}

impl<'a> Walk<'a> {
    fn new(octets: &'a [u8]) -> Walk<'a> {
        Walk { octets, next: 0 }
    }
}

impl Iterator for Walk<'_> {
    type Item = Result<(u8, Range<usize>), Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let start = self.next;
            self.next = self.octets.len();
            match *self.octets.get(start..)? {
                [] | [END_OF_LIST, ..] => return None,
                [NO_OPERATION, ..] => self.next = start + 1,
                [_, 0 | 1, ..] => return Some(Err(Malformed::length("TCP option length"))),
                [kind, len, ref rest @ ..] if usize::from(len) <= rest.len() + 2 => {
                    self.next = start + usize::from(len);
                    return Some(Ok((kind, start + 2..self.next)));
                }
                _ => return Some(Err(Malformed::truncated("TCP option length"))),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::malformed::Reason;

    const TIMES: Timestamps = Timestamps { value: 1, echo: 2 };

    fn encode(options: &Options) -> Vec<u8> {
        options.encode().to_vec()
    }

    #[test]
    fn every_option_octet_by_octet() {
        let blocks = SackBlocks::new(&[(SeqNum(1), SeqNum(2)), (SeqNum(3), SeqNum(4))]);
        let signature = Authentication { key_id: 7, r_next_key_id: 8, mac: Mac::new(&[9; 12]).unwrap() };
        for (options, raw) in [
            // RFC 9293 §3.2
            (Options { mss: Some(1460), ..Options::NONE }, &[2, 4, 5, 0xb4][..]),
            // RFC 7323 §2.2, §3.2
            (Options { window_scale: Some(7), ..Options::NONE }, &[1, 3, 3, 7]),
            (Options { timestamps: Some(TIMES), ..Options::NONE }, &[1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2]),
            // RFC 2018 §2, §3
            (Options { sack_permitted: true, ..Options::NONE }, &[1, 1, 4, 2]),
            (
                Options { sack: blocks, ..Options::NONE },
                &[1, 1, 5, 18, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4],
            ),
            (
                Options { sack_permitted: true, timestamps: Some(TIMES), ..Options::NONE },
                &[4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2],
            ),
            // RFC 2385 §2.0
            (
                Options { md5: Some([9; 16]), ..Options::NONE },
                &[1, 1, 19, 18, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9],
            ),
            // RFC 5925 §2.2
            (
                Options { authentication: Some(signature), ..Options::NONE },
                &[29, 16, 7, 8, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9],
            ),
            (Options::NONE, &[]),
        ] {
            assert_eq!(encode(&options), raw);
            assert_eq!(Options::parse(raw), Ok(options));
            assert_eq!(options.encoded_len(), raw.len());
        }
    }

    #[test]
    fn others_are_passed_over_and_the_list_ends() {
        // RFC 9293 §3.2: an option that is not known has a length
        let options = Options::parse(&[254, 4, 1, 2, 1, 2, 4, 5, 0xb4, 0, 3, 3]);
        assert_eq!(options, Ok(Options { mss: Some(1460), ..Options::NONE }));
    }

    #[test]
    fn lengths_are_checked() {
        // RFC 9293 MUST-7
        for raw in [
            &[2, 3, 5][..],
            &[3, 4, 7, 0],
            &[4, 3, 0],
            &[5, 9, 0, 0, 0, 0, 0, 0, 0],
            &[8, 9, 0, 0, 0, 0, 0, 0, 0],
            &[8, 11, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            &[19, 4, 0, 0],
            &[29, 3, 0],
            &[29, 25, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            &[254, 0],
            &[254, 1],
        ] {
            assert_eq!(Options::parse(raw).unwrap_err().reason, Reason::Length, "{raw:?}");
        }
        for raw in [&[2][..], &[254, 3], &[1, 2, 4, 5]] {
            assert_eq!(Options::parse(raw).unwrap_err().reason, Reason::Truncated, "{raw:?}");
        }
        // RFC 5925 §2.2: no more than one
        assert_eq!(Options::parse(&[29, 4, 0, 0, 29, 4, 0, 0]).unwrap_err().reason, Reason::Value);
    }

    #[test]
    fn what_does_not_fit_is_left_out_sack_blocks_first() {
        let four = SackBlocks::new(&[(SeqNum(1), SeqNum(2)); 5]);
        assert_eq!(four.len(), 4);
        let data = Options { sack: four, timestamps: Some(TIMES), ..Options::NONE };
        // RFC 2018 §3: with timestamps, three blocks
        assert_eq!(Options::parse(&encode(&data)).unwrap().sack.len(), 3);
        let signed = Options { md5: Some([1; 16]), ..data };
        assert_eq!(Options::parse(&encode(&signed)).unwrap().sack.len(), 0);
        let syn = Options {
            mss: Some(1460),
            window_scale: Some(7),
            sack_permitted: true,
            timestamps: Some(TIMES),
            md5: Some([1; 16]),
            ..Options::NONE
        };
        assert_eq!(encode(&syn).len(), 40);
        assert_eq!(Options::parse(&encode(&syn)), Ok(syn));
        let mac = Mac::zeros(99);
        assert_eq!(mac.len(), Mac::MAX_LEN);
        let authentication = Some(Authentication { key_id: 0, r_next_key_id: 0, mac });
        let both = Options { authentication, md5: None, ..syn };
        let fit = Options::parse(&encode(&both)).unwrap();
        assert_eq!(fit, Options { window_scale: None, ..both });
    }
}
