//! Sequence numbers: counted modulo 2³² (RFC 9293 §3.4).

use std::fmt;
use std::ops::{Add, AddAssign, Sub};

/// A sequence number. Comparisons are modular, so there is no total order; they mean something for two numbers less
/// than 2³¹ apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct SeqNum(pub u32);

impl SeqNum {
    /// Before `other`.
    #[inline]
    pub const fn lt(self, other: SeqNum) -> bool {
        self.distance(other) < 0
    }

    /// Before `other` or equal.
    #[inline]
    pub const fn le(self, other: SeqNum) -> bool {
        self.distance(other) <= 0
    }

    /// After `other`.
    #[inline]
    pub const fn gt(self, other: SeqNum) -> bool {
        self.distance(other) > 0
    }

    /// After `other` or equal.
    #[inline]
    pub const fn ge(self, other: SeqNum) -> bool {
        self.distance(other) >= 0
    }

    /// The later of two.
    #[inline]
    pub const fn max(self, other: SeqNum) -> SeqNum {
        if self.lt(other) { other } else { self }
    }

    /// The earlier of two.
    #[inline]
    pub const fn min(self, other: SeqNum) -> SeqNum {
        if self.gt(other) { other } else { self }
    }

    /// How far it is after `from`: negative where it is before.
    #[inline]
    const fn distance(self, from: SeqNum) -> i32 {
        self.0.wrapping_sub(from.0) as i32
    }
}

impl Add<u32> for SeqNum {
    type Output = SeqNum;

    #[inline]
    fn add(self, octets: u32) -> SeqNum {
        SeqNum(self.0.wrapping_add(octets))
    }
}

impl AddAssign<u32> for SeqNum {
    #[inline]
    fn add_assign(&mut self, octets: u32) {
        *self = *self + octets;
    }
}

impl Sub<u32> for SeqNum {
    type Output = SeqNum;

    #[inline]
    fn sub(self, octets: u32) -> SeqNum {
        SeqNum(self.0.wrapping_sub(octets))
    }
}

impl Sub<SeqNum> for SeqNum {
    type Output = i32;

    /// How far it is after `from`: negative where it is before.
    #[inline]
    fn sub(self, from: SeqNum) -> i32 {
        self.distance(from)
    }
}

impl fmt::Display for SeqNum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comparisons_go_round() {
        // RFC 9293 §3.4: modulo 2**32 arithmetic
        let (before, after) = (SeqNum(u32::MAX - 1), SeqNum(3));
        assert!(before.lt(after) && before.le(after) && !before.gt(after) && !before.ge(after));
        assert!(after.gt(before) && after.ge(before) && !after.lt(before) && !after.le(before));
        assert!(after.le(after) && after.ge(after) && !after.lt(after) && !after.gt(after));
        assert_eq!((after - before, before - after), (5, -5));
        assert_eq!((before + 5, after - 5), (after, before));
        assert_eq!((before.max(after), before.min(after)), (after, before));
        let mut next = before;
        next += 5;
        assert_eq!(next, after);
    }
}
