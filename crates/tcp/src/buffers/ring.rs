//! A ring of octets that grows by doubling up to what its owner lets it hold.

/// Octets at offsets from a moving front. The owner knows which of them are filled.
#[derive(Debug, Default)]
pub(super) struct Ring {
    octets: Box<[u8]>,
    front: usize,
}

/// The least that is allocated, octets.
const MIN_CAPACITY: usize = super::FLOOR;

impl Ring {
    /// Makes room for `needed` octets from the front on; the first `used` are kept.
    fn reserve(&mut self, used: usize, needed: usize) {
        if needed <= self.octets.len() {
            return;
        }
        let mut octets = vec![0; needed.next_power_of_two().max(MIN_CAPACITY)];
        let (a, b) = self.slices(0, used);
        octets[..a.len()].copy_from_slice(a);
        octets[a.len()..a.len() + b.len()].copy_from_slice(b);
        self.octets = octets.into_boxed_slice();
        self.front = 0;
    }

    /// Writes `data` at `offset` from the front; the first `used` octets are filled already.
    pub(super) fn write(&mut self, used: usize, offset: usize, data: &[u8]) {
        self.reserve(used, offset + data.len());
        let start = self.wrap(self.front + offset);
        let first = data.len().min(self.octets.len() - start);
        self.octets[start..start + first].copy_from_slice(&data[..first]);
        self.octets[..data.len() - first].copy_from_slice(&data[first..]);
    }

    /// The `len` octets at `offset` from the front, in two pieces.
    pub(super) fn slices(&self, offset: usize, len: usize) -> (&[u8], &[u8]) {
        if len == 0 {
            return (&[], &[]);
        }
        let start = self.wrap(self.front + offset);
        let first = len.min(self.octets.len() - start);
        (&self.octets[start..start + first], &self.octets[..len - first])
    }

    /// Octets allocated.
    pub(super) fn capacity(&self) -> usize {
        self.octets.len()
    }

    /// Forgets the first `n` octets.
    pub(super) fn advance(&mut self, n: usize) {
        self.front = self.wrap(self.front + n);
    }

    /// Gives the memory back; nothing is filled any more.
    pub(super) fn clear(&mut self) {
        *self = Ring::default();
    }

    fn wrap(&self, at: usize) -> usize {
        // The capacity is zero or a power of two.
        at & self.octets.len().wrapping_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_octets_over_growth_and_wrap() {
        let mut ring = Ring::default();
        let (mut front, mut len) = (0u32, 0usize);
        for round in 0..5000usize {
            let data: Vec<u8> = (0..round % 7).map(|i| (front as usize + len + i) as u8).collect();
            ring.write(len, len, &data);
            len += data.len();
            let take = (round % 5).min(len);
            let (a, b) = ring.slices(0, take);
            for (i, octet) in a.iter().chain(b).enumerate() {
                assert_eq!(*octet, (front as usize + i) as u8);
            }
            ring.advance(take);
            front += take as u32;
            len -= take;
        }
        assert!(len > MIN_CAPACITY, "the ring has grown");
    }
}
